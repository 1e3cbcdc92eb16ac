//! Shares of buckets while they are written.
//!
//! ```text
//! none ──allocate──▶ in progress ──last byte, durable──▶ finished
//!   ▲                  │  ▲  │ restart of the node
//!   │                  │  │  ▼
//!   │                  │  └ carried over ──allocated by another client──▶ in progress, anew
//!   └──────────────────┴─────┘ abort, 30 minutes without a write
//! ```
//!
//! An unfinished share is in memory and at the provider's; it is never visible. One write at a time changes it, others of the same share wait. Which
//! there are stands in the books (`register.rs`), so that a client can go on after a restart. Most clients can't, and begin again: an upload that was
//! carried over and not written to since is in nobody's way.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};
use futures::StreamExt;

use super::id::{Kind, Share, StorageIndex};
use super::lease::Leases;
use super::provider::{Incoming, StorageProvider, Trouble};
use super::range::Filled;
use super::register::{Noted, Register};
use super::secret::Hashed;
use super::server::{Body, LeaseSecrets, Refusal, Written};
use crate::catalog::CatalogError;
use crate::catalog::ledger::{self, Ledger};

/// Seconds after which an upload that nobody writes to is given up.
pub const STALL: i64 = 30 * 60;

/// Uploads at once, of all clients.
const MOST: usize = 10_000;

/// Seconds after which one that nothing was ever written to gives way to another when there are [`MOST`]: whoever allocates writes soon.
const IDLE: i64 = 60;

/// Bytes of a body that are handed on at once: what each of hundreds of clients may have half sent is held in memory, and the allocator keeps longer
/// pieces in pages of 4 MiB of which a single one that lives keeps all.
const PIECE: usize = 64 << 10;

/// A share's name among all buckets.
pub type Name = (StorageIndex, u8);

/// All shares that are being written.
#[derive(Debug)]
pub struct Uploads {
    provider: Arc<dyn StorageProvider>,
    leases: Arc<Leases>,
    register: Register,
    open: Mutex<HashMap<Name, Arc<Upload>>>,
    /// The second at which idle ones had to give way.
    cleared: AtomicI64,
}

/// One share that is being written.
#[derive(Debug)]
struct Upload {
    size: u64,
    secret: Hashed,
    /// Its first lease, and the second at which it was allocated.
    lease: (LeaseSecrets, i64),
    touched: AtomicI64,
    /// Something was written to it since the node started.
    written: AtomicBool,
    /// An earlier process of the node began it, and this one has not taken it up yet.
    carried: AtomicBool,
    noted: Noted,
    state: tokio::sync::Mutex<State>,
}

#[derive(Debug)]
enum State {
    Open {
        filled: Filled,
        /// Begun with the first write.
        incoming: Option<Box<dyn Incoming>>,
    },
    /// Finished or given up.
    Closed,
}

impl Uploads {
    /// No uploads.
    #[must_use]
    pub fn new(provider: Arc<dyn StorageProvider>, leases: Arc<Leases>, ledger: Arc<dyn Ledger>) -> Uploads {
        Uploads {
            provider,
            leases,
            register: Register::new(ledger),
            open: Mutex::default(),
            cleared: AtomicI64::new(i64::MIN),
        }
    }

    /// Begins an upload if there is none of this share, and room in the table.
    pub fn begin(&self, name: Name, size: u64, secret: Hashed, lease: LeaseSecrets, now: i64) -> bool {
        let mut open = self.table();
        let noted = match open.get(&name) {
            Some(old) if !old.gives_way() => return false,
            Some(old) => old.noted.outdated(),
            None => Noted::default(),
        };
        // Once a second: a flood shall not have the table looked through for each of its requests.
        if open.len() >= MOST && self.cleared.swap(now, Ordering::Relaxed) != now {
            open.retain(|_, upload| upload.written.load(Ordering::Relaxed) || upload.lease.1 + IDLE > now);
        }
        if open.len() >= MOST {
            return false;
        }
        let upload = Upload::new(size, secret, (lease, now), noted);
        if open.insert(name, Arc::new(upload)).is_some() {
            tokio::spawn(forget(self.provider.clone(), name));
        }
        true
    }

    /// Takes back what [`Uploads::begin`] began and nobody has written to.
    pub fn take_back(&self, names: &HashSet<Name>) {
        self.table().retain(|name, upload| {
            let stays = !names.contains(name);
            if !stays {
                self.register.end(*name, &upload.noted);
            }
            stays
        });
    }

    /// Goes on with what the books say was in progress when the node last ended. To be called once, before the first request.
    pub async fn restore(&self, now: i64) -> Result<(), Trouble> {
        for (name, row) in self.register.all().await.map_err(books)? {
            let lease = LeaseSecrets {
                renew: Hashed(row.renew),
                cancel: Hashed(row.cancel),
            };
            let upload = Upload::new(
                row.size,
                Hashed(row.secret),
                (lease, row.allocated),
                Noted::at(row.touched),
            );
            if self.provider.shares(name.0).await?.contains_key(&name.1) {
                // Durable, but the node ended before it had its lease.
                self.leases.keep(vec![share(name)], lease, row.allocated).await;
                self.register.end(name, &upload.noted);
            } else if row.touched + STALL <= now {
                self.provider.forget(name.0, name.1).await?;
                self.register.end(name, &upload.noted);
            } else {
                upload.touched.store(row.touched, Ordering::Relaxed);
                upload.carried.store(true, Ordering::Relaxed);
                self.table().insert(name, Arc::new(upload));
            }
        }
        self.note().await.map_err(books)
    }

    /// Enters in the books what began, was written to and ended lately.
    pub async fn note(&self) -> Result<(), CatalogError> {
        let marked = self.mark(Upload::is_to_be_noted);
        let rows = marked.iter().map(|(name, upload)| (upload.row(*name), &upload.noted));
        self.register.note(rows.collect()).await
    }

    /// Marks those uploads in the table that are to be entered.
    fn mark(&self, which: impl Fn(&Upload) -> bool) -> Vec<(Name, Arc<Upload>)> {
        let open = self.table();
        let marked = open.iter().filter(|(_, upload)| which(upload));
        let mark = |(name, upload): (&Name, &Arc<Upload>)| {
            upload.noted.mark(upload.touched.load(Ordering::Relaxed));
            (*name, upload.clone())
        };
        marked.map(mark).collect()
    }

    /// Enters one in the books, unless it is over.
    async fn note_one(&self, name: Name, upload: &Arc<Upload>) -> Result<(), CatalogError> {
        {
            let open = self.table();
            if !open.get(&name).is_some_and(|other| Arc::ptr_eq(other, upload)) {
                return Ok(());
            }
            upload.noted.mark(upload.touched.load(Ordering::Relaxed));
        }
        self.register.note(vec![(upload.row(name), &upload.noted)]).await
    }

    /// Bytes that all uploads have been promised.
    #[must_use]
    pub fn promised(&self) -> u64 {
        self.table()
            .values()
            .map(|upload| upload.size)
            .fold(0, u64::saturating_add)
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.table().len()
    }

    /// Writes to a share that is in progress. The end of the last write goes on if the caller stops waiting.
    pub async fn write(
        self: &Arc<Uploads>,
        name: Name,
        secret: Hashed,
        range: Range<u64>,
        body: Body<'_>,
        now: i64,
    ) -> Result<Written, Refusal> {
        let upload = self.find(name, secret)?;
        if range.end > upload.size {
            return Err(Refusal::Range);
        }
        let mut state = upload.state.lock().await;
        upload.touched.fetch_max(now, Ordering::Relaxed);
        upload.written.store(true, Ordering::Relaxed);
        let State::Open { filled, incoming } = &mut *state else {
            return Err(Refusal::NotFound);
        };
        if incoming.is_none() && upload.carried.load(Ordering::Relaxed) {
            let (resumed, kept) = self.provider.resume(name.0, name.1, upload.size).await?;
            for range in kept {
                filled.add(range);
            }
            *incoming = Some(resumed);
            upload.carried.store(false, Ordering::Relaxed);
        }
        if incoming.is_none() {
            *incoming = Some(self.provider.begin(name.0, name.1, upload.size).await?);
        }
        let bytes = incoming.as_mut().expect("it was just begun");
        take(bytes.as_mut(), filled, range.clone(), body).await?;
        bytes.settle().await?;
        filled.add(range);
        if filled.prefix() < upload.size {
            let room = bytes.advance(filled.prefix());
            let required = filled.gaps(upload.size);
            drop(state);
            room.await;
            if !upload.noted.is_durable() {
                let noted = self.note_one(name, &upload).await;
                noted.map_err(books)?;
            }
            return Ok(Written { required });
        }
        let incoming = incoming.take().expect("it was begun above");
        *state = State::Closed;
        drop(state);
        let end = tokio::spawn(self.clone().finish(name, upload, incoming));
        end.await.unwrap_or_else(|panic| Err(Trouble(panic.to_string())))?;
        Ok(Written { required: Vec::new() })
    }

    /// The share is complete: durable, visible, leased, and only then no longer in progress.
    async fn finish(
        self: Arc<Uploads>,
        (index, number): Name,
        upload: Arc<Upload>,
        incoming: Box<dyn Incoming>,
    ) -> Result<(), Trouble> {
        let finished = incoming.finish().await;
        if finished.is_ok() {
            let (secrets, allocated) = upload.lease;
            self.leases.keep(vec![share((index, number))], secrets, allocated).await;
        }
        self.forget((index, number), &upload);
        finished
    }

    /// Gives a share up. [`Refusal::NotFound`] if it isn't in progress.
    pub async fn abort(&self, name: Name, secret: Hashed) -> Result<(), Refusal> {
        let upload = self.find(name, secret)?;
        self.give_up(name, &upload).await;
        Ok(())
    }

    /// Gives up what has stalled at second `now`.
    pub async fn sweep(&self, now: i64) {
        let stalled: Vec<(Name, Arc<Upload>)> = {
            let open = self.table();
            let old = open
                .iter()
                .filter(|(_, upload)| upload.touched.load(Ordering::Relaxed) + STALL <= now);
            old.map(|(name, upload)| (*name, upload.clone())).collect()
        };
        for (name, upload) in stalled {
            self.give_up(name, &upload).await;
        }
    }

    async fn give_up(&self, name: Name, upload: &Arc<Upload>) {
        let closed = std::mem::replace(&mut *upload.state.lock().await, State::Closed);
        if let State::Open { incoming, .. } = closed {
            match incoming {
                Some(incoming) => incoming.abandon().await,
                None if upload.carried.load(Ordering::Relaxed) => forget(self.provider.clone(), name).await,
                None => {}
            }
            self.forget(name, upload);
        }
    }

    fn find(&self, name: Name, secret: Hashed) -> Result<Arc<Upload>, Refusal> {
        let upload = self.table().get(&name).cloned().ok_or(Refusal::NotFound)?;
        if upload.secret.is(&secret) {
            Ok(upload)
        } else {
            Err(Refusal::Unauthorized)
        }
    }

    fn forget(&self, name: Name, upload: &Arc<Upload>) {
        let mut open = self.table();
        if open.get(&name).is_some_and(|other| Arc::ptr_eq(other, upload)) {
            open.remove(&name);
            self.register.end(name, &upload.noted);
        }
    }

    fn table(&self) -> MutexGuard<'_, HashMap<Name, Arc<Upload>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Upload {
    fn new(size: u64, secret: Hashed, lease: (LeaseSecrets, i64), noted: Noted) -> Upload {
        Upload {
            size,
            secret,
            lease,
            touched: lease.1.into(),
            written: false.into(),
            carried: false.into(),
            noted,
            state: tokio::sync::Mutex::new(State::Open {
                filled: Filled::default(),
                incoming: None,
            }),
        }
    }

    /// Whoever began it has not come back since the node started.
    fn gives_way(&self) -> bool {
        self.carried.load(Ordering::Relaxed) && !self.written.load(Ordering::Relaxed)
    }

    fn is_to_be_noted(&self) -> bool {
        self.noted.is_behind(self.touched.load(Ordering::Relaxed))
    }

    fn row(&self, (index, number): Name) -> ledger::Upload {
        let (lease, allocated) = self.lease;
        ledger::Upload {
            share: share((index, number)).into(),
            size: self.size,
            secret: self.secret.0,
            renew: lease.renew.0,
            cancel: lease.cancel.0,
            allocated,
            touched: self.touched.load(Ordering::Relaxed),
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it stands in map_err")]
fn books(error: CatalogError) -> Trouble {
    Trouble(error.to_string())
}

fn share((index, number): Name) -> Share {
    Share {
        kind: Kind::Immutable,
        index,
        number,
    }
}

/// Gives up what an earlier process of the node began. What can't be now is settled at the next start.
async fn forget(provider: Arc<dyn StorageProvider>, name: Name) {
    if let Err(trouble) = provider.forget(name.0, name.1).await {
        tracing::warn!(
            "share {} of {} is given up at the next start: {trouble}",
            name.1,
            name.0
        );
    }
}

/// Takes a body for `range`: what is there already must be the same, the rest is kept. The caller notes the range only if all went well.
async fn take(
    incoming: &mut dyn Incoming,
    filled: &Filled,
    range: Range<u64>,
    mut body: Body<'_>,
) -> Result<(), Refusal> {
    let (mut at, mut frame) = (range.start, Bytes::new());
    while at < range.end {
        let len = usize::try_from(range.end - at).unwrap_or(usize::MAX).min(PIECE);
        // A piece has memory of its own, and no more than it needs: it may wait for long.
        let mut piece = BytesMut::with_capacity(len);
        while piece.len() < len {
            if frame.is_empty() {
                let more = body.next().await;
                frame = more.ok_or(Refusal::Input("a body shorter than its range"))??;
            }
            piece.extend_from_slice(&frame.split_to(frame.len().min(len - piece.len())));
        }
        keep(incoming, filled, at, &piece.freeze()).await?;
        at += len as u64;
    }
    if !frame.is_empty() || body.next().await.transpose()?.is_some_and(|more| !more.is_empty()) {
        return Err(Refusal::Input("a body longer than its range"));
    }
    Ok(())
}

async fn keep(incoming: &mut dyn Incoming, filled: &Filled, at: u64, bytes: &Bytes) -> Result<(), Refusal> {
    for (part, there) in filled.split(at..at + bytes.len() as u64) {
        let index = |byte: u64| usize::try_from(byte - at).expect("a piece is in memory");
        let piece = bytes.slice(index(part.start)..index(part.end));
        if !there {
            incoming.write(part.start, piece).await?;
        } else if !incoming.holds(part.start, piece).await? {
            return Err(Refusal::Conflict);
        }
    }
    Ok(())
}
