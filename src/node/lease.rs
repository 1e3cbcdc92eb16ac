//! The leases of shares: entered in the books behind the answers, in the order in which they happened.
//!
//! A renewal is worth little alone and comes with every request, so entries wait up to [`FLUSH_EVERY`] for each other and are then one transaction. What a
//! crash takes with it is the renewals of that time: a share that was given no lease is never deleted, and one whose renewal was lost has the
//! 31 days of the renewal before.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::id::{Kind, Share, StorageIndex};
use super::server::LeaseSecrets;
use crate::catalog::CatalogError;
use crate::catalog::ledger::{Ended, Entry, Lease, Ledger, ShareKey};

/// Seconds that a lease keeps a share.
pub const LEASE: i64 = 31 * 24 * 3600;

/// How often entries are written.
pub const FLUSH_EVERY: Duration = Duration::from_secs(1);

/// Entries that wait before whoever adds more waits too.
const MOST_WAITING: usize = 4096;

/// The books with what is about to be entered.
#[derive(Debug)]
pub struct Leases {
    ledger: Arc<dyn Ledger>,
    waiting: Mutex<Vec<Entry>>,
    /// Keeps transactions in order.
    writing: tokio::sync::Mutex<()>,
}

impl Leases {
    /// The leases in these books.
    #[must_use]
    pub fn new(ledger: Arc<dyn Ledger>) -> Leases {
        Leases {
            ledger,
            waiting: Mutex::default(),
            writing: tokio::sync::Mutex::default(),
        }
    }

    /// Adds or renews a lease on each of these shares at second `now`.
    pub async fn keep(&self, shares: Vec<Share>, secrets: LeaseSecrets, now: i64) {
        let lease = |share: Share| {
            Entry::Keep(Lease {
                share: share.into(),
                renew: secrets.renew.0,
                cancel: secrets.cancel.0,
                renewed: now,
                expires: now + LEASE,
            })
        };
        self.enter(shares.into_iter().map(lease).collect()).await;
    }

    /// These shares are gone.
    pub async fn forget(&self, shares: Vec<Share>) {
        let entries = shares.into_iter().map(|share| Entry::Forget(share.into()));
        self.enter(entries.collect()).await;
    }

    async fn enter(&self, entries: Vec<Entry>) {
        let waiting = {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.extend(entries);
            waiting.len()
        };
        if waiting > MOST_WAITING
            && let Err(error) = self.flush().await
        {
            tracing::error!("leases can't be entered: {error}");
        }
    }

    /// Writes what waits.
    pub async fn flush(&self) -> Result<(), CatalogError> {
        let _in_order = self.writing.lock().await;
        let entries = std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        if entries.is_empty() {
            return Ok(());
        }
        self.ledger.enter(entries).await
    }

    /// The leases of a bucket or slot.
    pub async fn of(&self, kind: Kind, index: StorageIndex) -> Result<Vec<Lease>, CatalogError> {
        self.flush().await?;
        self.ledger.leases(kind == Kind::Mutable, index.0).await
    }

    /// At most `limit` shares whose leases are all over, above `after`.
    pub async fn ended(
        &self,
        ended: Ended,
        after: Option<ShareKey>,
        limit: usize,
    ) -> Result<Vec<ShareKey>, CatalogError> {
        self.flush().await?;
        self.ledger.ended(ended, after, limit).await
    }
}
