//! The storage server of this program: shares, leases, secrets and advisories over any storage provider.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::ahead::Ahead;
use super::heard::{Heard, MOST_ADVISORIES};
use super::id::{Kind, Share, StorageIndex};
use super::lease::{LEASE, Leases};
use super::provider::{Object, Place, STEP, StorageProvider, Trouble};
use super::secret::Hashed;
use super::server::{
    Allocated, Answer, Body, LeaseSecrets, ReadTestWrite, ReadTestWritten, Reading, Refusal, StorageServer, Version,
    Written,
};
use super::slot::draft::{Head, LONGEST};
use super::slot::queue::Slots;
use super::upload::Uploads;
use crate::catalog::CatalogError;
use crate::catalog::ledger::{Advisory, Ended, Ledger, ShareKey};
use crate::clock::Clock;

/// Seconds that an advisory waits: others of the same share come with it.
const ADVISED: i64 = 60;

/// Seconds in which a share is read at most once because clients call it damaged: reading costs, and anybody may call.
const EXAMINED: i64 = 24 * 3600;

/// Shares that one look for ended leases takes away.
const EXPIRE_AT_ONCE: usize = 256;

/// What the owner of a node decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Nothing new is taken; what is there can be read, and leases renewed.
    pub read_only: bool,
    /// Bytes that stay free.
    pub reserve: u64,
    /// When shares go with their leases; never if `None`.
    pub expiry: Option<Expiry>,
    /// Seconds since the last renewal before which no share goes: providers bill for a least time, whether a blob is there or not.
    pub hold: i64,
}

/// When a lease no longer keeps its share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// At its end, 31 days after its last renewal.
    AtItsEnd,
    /// So many seconds after its last renewal.
    Age(i64),
    /// If it wasn't renewed since this second of 1970.
    RenewedBefore(i64),
}

/// A storage server over one provider.
#[derive(Debug)]
pub struct Keeper {
    provider: Arc<dyn StorageProvider>,
    ledger: Arc<dyn Ledger>,
    leases: Arc<Leases>,
    uploads: Arc<Uploads>,
    slots: Arc<Slots>,
    clock: Arc<dyn Clock>,
    rules: Rules,
    /// Bytes free at the provider when it was last asked.
    free: AtomicU64,
    /// Shares that were read lately because clients called them damaged, and when.
    examined: Mutex<HashMap<ShareKey, i64>>,
    heard: Heard,
    ahead: Ahead,
}

impl Keeper {
    /// A server over `provider` with its books in `ledger`.
    #[must_use]
    pub fn new(
        provider: Arc<dyn StorageProvider>,
        ledger: Arc<dyn Ledger>,
        clock: Arc<dyn Clock>,
        rules: Rules,
    ) -> Keeper {
        let leases = Arc::new(Leases::new(ledger.clone()));
        Keeper {
            uploads: Arc::new(Uploads::new(provider.clone(), leases.clone(), ledger.clone())),
            slots: Arc::new(Slots::new(provider.clone(), leases.clone())),
            free: AtomicU64::new(u64::MAX),
            examined: Mutex::default(),
            heard: Heard::default(),
            ahead: Ahead::default(),
            provider,
            ledger,
            leases,
            clock,
            rules,
        }
    }

    /// The leases.
    #[must_use]
    pub fn leases(&self) -> &Leases {
        &self.leases
    }

    /// The books.
    #[must_use]
    pub fn ledger(&self) -> &dyn Ledger {
        self.ledger.as_ref()
    }

    /// Goes on with the uploads of the process before. To be called once, before the first request.
    pub async fn restore(&self) -> Result<(), Trouble> {
        self.uploads.restore(self.clock.seconds()).await
    }

    /// Enters in the books what has gathered: leases, and which uploads are in progress.
    pub async fn flush(&self) -> Result<(), CatalogError> {
        self.leases.flush().await?;
        self.uploads.note().await
    }

    /// Uploads in progress.
    #[must_use]
    pub fn uploads(&self) -> usize {
        self.uploads.count()
    }

    /// What is to be done now and then: stalled uploads are given up, space is asked for, shares whose
    /// leases are over go if the owner wants it, and what nothing holds any more is deleted.
    pub async fn tend(&self) -> Result<(), Trouble> {
        self.uploads.sweep(self.clock.seconds()).await;
        if let Some(free) = self.provider.space().await? {
            self.free.store(free, Ordering::Relaxed);
        }
        self.expire().await?;
        self.answer_advisory().await?;
        self.provider.tidy().await
    }

    /// Reads the share that has been called damaged for longest, and mends it. What can't be mended stays on the list.
    async fn answer_advisory(&self) -> Result<(), Trouble> {
        let now = self.clock.seconds();
        let Some(key) = self.next_to_examine(now).await? else {
            return Ok(());
        };
        let share = Share::from(key);
        let place = match share.kind {
            Kind::Immutable => Place::Share(share.index, share.number),
            Kind::Mutable => Place::Slot(share.index),
        };
        match self.provider.examine(place).await {
            Ok(None) => {
                tracing::info!("share {} of {} was read: it is sound", share.number, share.index);
                self.ledger.answered(key, now).await.map_err(books)?;
            }
            Ok(Some(wrong)) => tracing::error!("share {} of {} is damaged: {wrong}", share.number, share.index),
            Err(trouble) => tracing::warn!("share {} of {} could not be read: {trouble}", share.number, share.index),
        }
        Ok(())
    }

    async fn next_to_examine(&self, now: i64) -> Result<Option<ShareKey>, Trouble> {
        let advisories = self.ledger.advisories().await.map_err(books)?;
        let mut examined = self.examined.lock().unwrap_or_else(PoisonError::into_inner);
        examined.retain(|_, at| now - *at < EXAMINED);
        let old = advisories.iter().filter(|advisory| now - advisory.at >= ADVISED);
        let next = old
            .map(|advisory| advisory.share)
            .find(|share| !examined.contains_key(share));
        if let Some(share) = next {
            examined.insert(share, now);
        }
        Ok(next)
    }

    async fn expire(&self) -> Result<(), Trouble> {
        let Some(expiry) = self.rules.expiry.filter(|_| !self.rules.read_only) else {
            return Ok(());
        };
        let now = self.clock.seconds();
        let before = match expiry {
            Expiry::AtItsEnd => now.saturating_sub(LEASE),
            Expiry::Age(seconds) => now.saturating_sub(seconds),
            Expiry::RenewedBefore(second) => second,
        };
        let before = before.min(now.saturating_sub(self.rules.hold));
        let over = self
            .leases
            .ended(Ended::RenewedBefore(before), None, EXPIRE_AT_ONCE)
            .await;
        for key in over.map_err(books)? {
            let share = Share::from(key);
            // Others went before it, which takes time: somebody may have renewed meanwhile.
            let leases = self.leases.of(share.kind, share.index).await.map_err(books)?;
            if leases.iter().any(|lease| lease.share == key && lease.renewed >= before) {
                continue;
            }
            match share.kind {
                Kind::Immutable => {
                    self.provider.remove(Place::Share(share.index, share.number)).await?;
                    self.leases.forget(vec![share]).await;
                }
                Kind::Mutable => {
                    let removed = self.slots.remove(share.index, vec![share.number]).await;
                    removed.map_err(|refusal| Trouble(refusal.to_string()))?;
                }
            }
            tracing::info!("share {} of {} went with its leases", share.number, share.index);
        }
        Ok(())
    }

    /// The owner's decisions.
    #[must_use]
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Bytes promised to uploads in progress.
    #[must_use]
    pub fn promised(&self) -> u64 {
        self.uploads.promised()
    }

    /// Bytes that may still be promised; `u64::MAX` if nothing bounds them.
    #[must_use]
    pub fn space(&self) -> u64 {
        if self.rules.read_only {
            return 0;
        }
        let free = self.free.load(Ordering::Relaxed);
        if free == u64::MAX {
            return free;
        }
        free.saturating_sub(self.rules.reserve)
            .saturating_sub(self.uploads.promised())
    }

    async fn shares_of(&self, kind: Kind, index: StorageIndex) -> Result<BTreeSet<u8>, Trouble> {
        match kind {
            Kind::Immutable => Ok(self.provider.shares(index).await?.into_keys().collect()),
            Kind::Mutable => self.slots.numbers(index).await,
        }
    }

    async fn keep(&self, kind: Kind, index: StorageIndex, numbers: &BTreeSet<u8>, lease: LeaseSecrets) {
        let shares = numbers.iter().map(|number| Share {
            kind,
            index,
            number: *number,
        });
        self.leases.keep(shares.collect(), lease, self.clock.seconds()).await;
    }

    async fn allocate_some(
        &self,
        index: StorageIndex,
        numbers: BTreeSet<u8>,
        size: u64,
        upload: Hashed,
        lease: LeaseSecrets,
    ) -> Result<Allocated, Refusal> {
        let now = self.clock.seconds();
        self.uploads.sweep(now).await;
        let (mut already_have, mut allocated) = (BTreeSet::new(), BTreeSet::new());
        loop {
            let wanted = numbers.difference(&already_have).copied();
            let begun: BTreeSet<u8> = wanted
                .filter(|number| {
                    let fits = !self.rules.read_only && size <= self.space();
                    fits && self.uploads.begin((index, *number), size, upload, lease, now)
                })
                .collect();
            // From here on nobody else can finish what was begun; what was finished before is seen now.
            let seen = self.shares_of(Kind::Immutable, index).await;
            let late = |number: &&u8| seen.as_ref().map_or(true, |seen| seen.contains(*number));
            let back: HashSet<_> = begun.iter().filter(late).map(|number| (index, *number)).collect();
            self.uploads.take_back(&back);
            already_have = seen?;
            allocated.extend(begun.difference(&already_have));
            // They may have kept others from having room.
            if back.is_empty() {
                break;
            }
        }
        self.keep(Kind::Immutable, index, &already_have, lease).await;
        Ok(Allocated {
            already_have,
            allocated,
        })
    }

    async fn open(&self, share: Share) -> Result<(Arc<dyn Object>, Whole), Refusal> {
        match share.kind {
            Kind::Immutable => {
                let object = self.provider.open(Place::Share(share.index, share.number)).await?;
                let object = object.ok_or(Refusal::NotFound)?;
                let len = object.len();
                Ok((object, Whole::Object(len)))
            }
            Kind::Mutable => {
                let head = self.slots.head(share.index).await?.ok_or(Refusal::NotFound)?;
                head.table.find(share.number).ok_or(Refusal::NotFound)?;
                Ok((head.object.clone(), Whole::Slice(head, share.number)))
            }
        }
    }
}

/// Where a share's bytes lie in its object.
enum Whole {
    Object(u64),
    Slice(Arc<Head>, u8),
}

impl Whole {
    fn len(&self) -> u64 {
        match self {
            Whole::Object(len) => *len,
            Whole::Slice(head, number) => head.table.find(*number).map_or(0, |entry| entry.len),
        }
    }

    /// The places of bytes of the share, in steps that end where the windows of caches do.
    fn steps(&self, range: Range<u64>) -> Vec<Range<u64>> {
        let places = match self {
            Whole::Object(_) => vec![range],
            Whole::Slice(head, number) => head
                .table
                .find(*number)
                .map_or_else(Vec::new, |entry| Head::places(entry, range)),
        };
        let mut steps = Vec::new();
        for place in places {
            let mut at = place.start;
            while at < place.end {
                let to = place.end.min((at / STEP + 1) * STEP);
                steps.push(at..to);
                at = to;
            }
        }
        steps
    }
}

fn books(error: impl Into<CatalogError>) -> Trouble {
    Trouble(error.into().to_string())
}

impl StorageServer for Keeper {
    fn version(&self) -> Version {
        let space = self.space();
        Version {
            longest_immutable: space,
            longest_mutable: if self.rules.read_only { 0 } else { LONGEST },
            space,
        }
    }

    fn add_lease(&self, index: StorageIndex, lease: LeaseSecrets) -> Answer<'_, ()> {
        Box::pin(async move {
            let mut none = true;
            for kind in [Kind::Immutable, Kind::Mutable] {
                let numbers = self.shares_of(kind, index).await?;
                none &= numbers.is_empty();
                self.keep(kind, index, &numbers, lease).await;
            }
            if none { Err(Refusal::NotFound) } else { Ok(()) }
        })
    }

    fn allocate(
        &self,
        index: StorageIndex,
        numbers: BTreeSet<u8>,
        size: u64,
        upload: Hashed,
        lease: LeaseSecrets,
    ) -> Answer<'_, Allocated> {
        Box::pin(self.allocate_some(index, numbers, size, upload, lease))
    }

    fn write<'a>(&'a self, share: Share, upload: Hashed, range: Range<u64>, body: Body<'a>) -> Answer<'a, Written> {
        let name = (share.index, share.number);
        Box::pin(async move {
            self.uploads
                .write(name, upload, range, body, self.clock.seconds())
                .await
        })
    }

    fn abort(&self, share: Share, upload: Hashed) -> Answer<'_, ()> {
        Box::pin(async move {
            let aborted = self.uploads.abort((share.index, share.number), upload).await;
            if aborted == Err(Refusal::NotFound)
                && self.shares_of(share.kind, share.index).await?.contains(&share.number)
            {
                return Err(Refusal::Finished);
            }
            aborted
        })
    }

    fn list(&self, kind: Kind, index: StorageIndex) -> Answer<'_, BTreeSet<u8>> {
        Box::pin(async move { Ok(self.shares_of(kind, index).await?) })
    }

    fn read(&self, share: Share, range: Option<Range<u64>>) -> Answer<'_, Reading> {
        Box::pin(async move {
            let (object, whole) = self.open(share).await?;
            let len = whole.len();
            let range = range.unwrap_or(0..len);
            let range = range.start.min(len)..range.end.min(len);
            let bytes = self.ahead.stream(object, whole.steps(range.clone())).await?;
            Ok(Reading { range, bytes })
        })
    }

    fn advise(&self, share: Share, reason: String) -> Answer<'_, ()> {
        Box::pin(async move {
            if !self.shares_of(share.kind, share.index).await?.contains(&share.number) {
                return Err(Refusal::NotFound);
            }
            let at = self.clock.seconds();
            if !self.heard.is_news(share, at) {
                return Ok(());
            }
            tracing::warn!(
                "a client says that share {} of {} is damaged",
                share.number,
                share.index
            );
            let share = share.into();
            let advisory = Advisory { share, reason, at };
            self.ledger.advise(advisory, MOST_ADVISORIES).await.map_err(books)?;
            Ok(())
        })
    }

    fn read_test_write(
        &self,
        index: StorageIndex,
        request: ReadTestWrite,
        enabler: Hashed,
        lease: LeaseSecrets,
    ) -> Answer<'_, ReadTestWritten> {
        Box::pin(async move {
            let writes = request.shares.values().any(|share| share.new_len != Some(0));
            if writes && self.rules.read_only {
                return Err(Refusal::Busy);
            }
            self.slots
                .read_test_write(index, request, enabler, lease, self.clock.seconds())
                .await
        })
    }
}
