//! Shares of buckets while they are written.
//!
//! ```text
//! none ──allocate──▶ in progress ──last byte, durable──▶ finished
//!   ▲                    │ abort, 30 minutes without a write, restart of the node
//!   └────────────────────┘
//! ```
//!
//! An unfinished share is in memory and at the provider's; it is never visible. One write at a time changes it, others of the same share wait.

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
use super::secret::Hashed;
use super::server::{Body, LeaseSecrets, Refusal, Written};

/// Seconds after which an upload that nobody writes to is given up.
pub const STALL: i64 = 30 * 60;

/// Uploads at once, of all clients.
const MOST: usize = 10_000;

/// Seconds after which one that nothing was ever written to gives way to another when there are [`MOST`]: whoever allocates writes soon.
const IDLE: i64 = 60;

/// Bytes of a body that are handed on at once: what each of hundreds of clients may have half sent is held in memory.
const PIECE: usize = 256 << 10;

/// A share's name among all buckets.
pub type Name = (StorageIndex, u8);

/// All shares that are being written.
#[derive(Debug)]
pub struct Uploads {
    provider: Arc<dyn StorageProvider>,
    leases: Arc<Leases>,
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
    /// Something was written to it.
    written: AtomicBool,
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
    pub fn new(provider: Arc<dyn StorageProvider>, leases: Arc<Leases>) -> Uploads {
        Uploads {
            provider,
            leases,
            open: Mutex::default(),
            cleared: AtomicI64::new(i64::MIN),
        }
    }

    /// Begins an upload if there is none of this share, and room in the table.
    pub fn begin(&self, name: Name, size: u64, secret: Hashed, lease: LeaseSecrets, now: i64) -> bool {
        let mut open = self.table();
        if open.contains_key(&name) {
            return false;
        }
        // Once a second: a flood shall not have the table looked through for each of its requests.
        if open.len() >= MOST && self.cleared.swap(now, Ordering::Relaxed) != now {
            open.retain(|_, upload| upload.written.load(Ordering::Relaxed) || upload.lease.1 + IDLE > now);
        }
        if open.len() >= MOST {
            return false;
        }
        let upload = Upload {
            size,
            secret,
            lease: (lease, now),
            touched: now.into(),
            written: false.into(),
            state: tokio::sync::Mutex::new(State::Open {
                filled: Filled::default(),
                incoming: None,
            }),
        };
        open.insert(name, Arc::new(upload));
        true
    }

    /// Takes back what [`Uploads::begin`] began and nobody has written to.
    pub fn take_back(&self, names: &HashSet<Name>) {
        self.table().retain(|name, _| !names.contains(name));
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
        if incoming.is_none() {
            *incoming = Some(self.provider.begin(name.0, name.1, upload.size).await?);
        }
        let bytes = incoming.as_mut().expect("it was just begun");
        take(bytes.as_mut(), filled, range.clone(), body).await?;
        filled.add(range);
        if filled.prefix() < upload.size {
            bytes.advance(filled.prefix()).await?;
            let required = filled.gaps(upload.size);
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
            let share = Share {
                kind: Kind::Immutable,
                index,
                number,
            };
            let (secrets, allocated) = upload.lease;
            self.leases.keep(vec![share], secrets, allocated).await;
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
            if let Some(incoming) = incoming {
                incoming.abandon().await;
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
        }
    }

    fn table(&self) -> MutexGuard<'_, HashMap<Name, Arc<Upload>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
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
