//! The books of uploads in progress: entered behind the answers, so that a share which is written at once costs them nothing.
//!
//! ```text
//! allocated ──within a second──▶ in the books ──ended, within a second──▶ (none)
//!     └──a write that doesn't finish the share──▶ in the books, before it is answered
//! ```
//!
//! What a crash takes with it is allocations of the last second that nothing was written to. An upload that stays in the books by mistake is given up as
//! stalled.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::id::{Kind, Share, StorageIndex};
use super::upload::Name;
use crate::catalog::CatalogError;
use crate::catalog::ledger::{Ledger, ShareKey, Upload};

/// Seconds by which the last write in the books may be behind: it only matters against the half hour of a stall.
const BEHIND: i64 = 60;

/// Nothing is in the books, or the upload is over.
const NEVER: i64 = i64::MIN;

/// Something of an upload that is over, or of another client's, is in the books.
const OUTDATED: i64 = i64::MIN + 1;

/// What the books say of an upload, or are about to.
#[derive(Debug)]
pub(super) struct Noted {
    /// The second of its last write.
    second: AtomicI64,
    durable: AtomicBool,
}

impl Default for Noted {
    fn default() -> Noted {
        Noted::with(NEVER, false)
    }
}

impl Noted {
    fn with(second: i64, durable: bool) -> Noted {
        Noted {
            second: second.into(),
            durable: durable.into(),
        }
    }

    /// It stands there with this second.
    pub(super) fn at(second: i64) -> Noted {
        Noted::with(second, true)
    }

    /// Another upload of the same share takes its place: the row is there, and says something else.
    pub(super) fn outdated(&self) -> Noted {
        let there = self.second.load(Ordering::Relaxed) != NEVER;
        Noted::with(if there { OUTDATED } else { NEVER }, false)
    }

    pub(super) fn is_durable(&self) -> bool {
        self.durable.load(Ordering::Relaxed)
    }

    /// True if an upload that was last written to at second `touched` should be entered.
    pub(super) fn is_behind(&self, touched: i64) -> bool {
        self.second.load(Ordering::Relaxed).saturating_add(BEHIND) <= touched
    }

    /// It is about to be entered. To be called while the upload can't end.
    pub(super) fn mark(&self, touched: i64) {
        self.second.store(touched, Ordering::Relaxed);
    }

    fn is_over(&self) -> bool {
        self.second.load(Ordering::Relaxed) == NEVER
    }
}

/// The books.
#[derive(Debug)]
pub(super) struct Register {
    ledger: Arc<dyn Ledger>,
    ended: Mutex<HashSet<Name>>,
    /// Keeps transactions in order.
    writing: tokio::sync::Mutex<()>,
}

impl Register {
    pub(super) fn new(ledger: Arc<dyn Ledger>) -> Register {
        Register {
            ledger,
            ended: Mutex::default(),
            writing: tokio::sync::Mutex::default(),
        }
    }

    /// What stands in the books.
    pub(super) async fn all(&self) -> Result<Vec<(Name, Upload)>, CatalogError> {
        let rows = self.ledger.uploads().await?;
        let name = |row: Upload| ((StorageIndex(row.share.index), row.share.number), row);
        Ok(rows.into_iter().map(name).collect())
    }

    /// An upload is over: it leaves the books with the next entry.
    pub(super) fn end(&self, name: Name, noted: &Noted) {
        if noted.second.swap(NEVER, Ordering::Relaxed) != NEVER {
            self.lock().insert(name);
        }
    }

    /// Enters these uploads, which were marked, and takes out those that are over.
    pub(super) async fn note(&self, begun: Vec<(Upload, &Noted)>) -> Result<(), CatalogError> {
        let _in_order = self.writing.lock().await;
        let ended = std::mem::take(&mut *self.lock());
        // Whatever ends from here on is taken out by the next entry.
        let begun: Vec<(Upload, &Noted)> = begun.into_iter().filter(|(_, noted)| !noted.is_over()).collect();
        if begun.is_empty() && ended.is_empty() {
            return Ok(());
        }
        let rows = begun.iter().map(|(row, _)| *row).collect();
        let written = self.ledger.note_uploads(ended.iter().map(key).collect(), rows).await;
        if written.is_err() {
            self.lock().extend(ended);
        }
        for (_, noted) in begun {
            noted.durable.store(written.is_ok(), Ordering::Relaxed);
        }
        written
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<Name>> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key((index, number): &Name) -> ShareKey {
    ShareKey::from(Share {
        kind: Kind::Immutable,
        index: *index,
        number: *number,
    })
}
