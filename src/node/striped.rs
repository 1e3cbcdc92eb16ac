//! The clouds as a storage provider: each share of a bucket, and each slot, is one object of the store, striped over all providers.
//!
//! ```text
//! share    PATCH ─▶ spool ─▶ an extent's worth in order ─▶ the clouds, while the next ones come ─▶ root, commit ─▶ 201
//! slot     change ─▶ extents of at most 1 MiB that it touches ─▶ root, commit
//! read     cache ─▶ frames of k providers, verified
//! ```
//!
//! Names of objects: `PREFIX/immutable/SI/NUMBER` and `PREFIX/mutable/SI`. Chunks aren't sealed: shares come encrypted.

mod arriving;

use std::any::Any;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use super::cache::{Cache, Origin};
use super::id::{StorageIndex, share_number};
use super::provider::{Answer, Change, Incoming, Object, Place, Resumed, StorageProvider, Trouble, VersionId};
use super::space::{self, Seat};
use super::spool::Room;
use crate::care::repair::{Look, mend};
use crate::catalog::CatalogError;
use crate::catalog::record::Condition;
use crate::cloud_set::policy::Policy;
use crate::store::Store;
use crate::store::error::StoreError;
use crate::store::modify::Modify;
use crate::store::put::Put;
use crate::store::send::{Progress, Silent};
use crate::store::snapshot::Snapshot;
use arriving::Unfinished;

/// The longest extent of a slot: what the smallest change of it moves.
const SLOT_EXTENT: u64 = 1 << 20;

/// The longest extent of a share: what waits here of each upload, and what is read at once of a share that is read as a whole.
const SHARE_EXTENT: u64 = 4 << 20;

/// The most bytes that are read at once.
const WINDOW: u64 = SHARE_EXTENT;

/// Bytes of a frame's tag.
const TAG: u64 = 32;

/// Slots up to this length are in memory while they change, and afterwards if the cache has room.
const IN_MEMORY: u64 = 256 << 10;

/// Blobs that are deleted in one go.
const DELETE_AT_ONCE: usize = 2000;

/// Shares whose extents are kept in mind.
const MOST_OPEN: usize = 256;

/// What a striped node is made of.
#[derive(Debug)]
pub struct Ground {
    /// The objects.
    pub store: Arc<Store>,
    /// How shares are kept.
    pub policy: Policy,
    /// What the names of the node's objects begin with.
    pub prefix: String,
    /// Where bytes wait.
    pub room: Room,
    /// Bytes of the cache.
    pub cache: u64,
    /// What bounds what is stored.
    pub limits: Limits,
    /// Shares that an earlier process began to take, and this one goes on with.
    pub begun: Vec<(StorageIndex, u8)>,
}

/// What bounds the bytes that a node puts on its clouds.
#[derive(Clone, Debug, Default)]
pub struct Limits {
    /// The most bytes on a provider, by its name.
    pub quotas: BTreeMap<String, u64>,
    /// What a byte costs in a month, by the provider's name.
    pub prices: BTreeMap<String, f64>,
    /// The most that storage may cost in a month.
    pub budget: Option<f64>,
}

/// The clouds as a place for shares.
#[derive(Clone)]
pub struct Striped {
    store: Arc<Store>,
    policy: Policy,
    slots: Policy,
    prefix: String,
    room: Arc<Room>,
    cache: Arc<Cache>,
    /// Shares of buckets that were read lately: they never change.
    open: Arc<Mutex<HashMap<Place, Arc<dyn Object>>>>,
    progress: Arc<dyn Progress>,
    limits: Arc<Limits>,
}

impl fmt::Debug for Striped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Striped({}, policy {})", self.prefix, self.policy.name)
    }
}

impl Striped {
    /// Opens the place: settles what an earlier process left and claims the set for writing.
    pub async fn open(ground: Ground) -> Result<Striped, StoreError> {
        let begun = ground.begun.iter();
        let begun = begun.map(|(index, number)| share_name(&ground.prefix, *index, *number));
        ground.store.leave_open(begun);
        ground.store.begin_writing().await?;
        let policy = Policy {
            sealed: false,
            ..ground.policy
        };
        Ok(Striped {
            slots: policy.with_extents(SLOT_EXTENT),
            policy: policy.with_extents(SHARE_EXTENT),
            store: ground.store,
            prefix: ground.prefix,
            room: Arc::new(ground.room),
            cache: Arc::new(Cache::new(ground.cache)),
            open: Arc::default(),
            progress: Arc::new(Silent),
            limits: Arc::new(ground.limits),
        })
    }

    fn bucket(&self, index: StorageIndex) -> String {
        bucket_name(&self.prefix, index)
    }

    fn put(&self, index: StorageIndex, number: u8, len: u64) -> Put {
        Put {
            name: self.name(Place::Share(index, number)),
            policy: self.policy.clone(),
            condition: Condition::Absent,
            modified: None,
            len_hint: Some(len),
        }
    }

    fn name(&self, place: Place) -> String {
        match place {
            Place::Share(index, number) => share_name(&self.prefix, index, number),
            Place::Slot(index) => format!("{}/mutable/{index}", self.prefix),
        }
    }

    async fn find(&self, place: Place) -> Result<Option<Arc<dyn Object>>, StoreError> {
        if let Some(object) = self.known().get(&place) {
            return Ok(Some(object.clone()));
        }
        let snapshot = self.store.snapshot(&self.name(place)).await?;
        let object = snapshot.map(|snapshot| self.opened(snapshot));
        if let (Place::Share(..), Some(object)) = (place, &object) {
            let mut known = self.known();
            if known.len() >= MOST_OPEN {
                known.clear();
            }
            known.insert(place, object.clone());
        }
        Ok(object)
    }

    fn opened(&self, snapshot: Snapshot) -> Arc<dyn Object> {
        let version = VersionId(snapshot.version().generation.to_bytes());
        let len = snapshot.version().len;
        Arc::new(Version {
            striped: self.clone(),
            len,
            id: version,
            snapshot: Mutex::new(Arc::new(snapshot)),
        })
    }

    /// What every provider that may be given more still takes.
    async fn seats(&self) -> Result<Vec<Seat>, CatalogError> {
        let usage = self.store.catalog().usage().await?;
        let clouds = self.store.clouds();
        let seats = clouds.candidates(self.policy.providers.as_deref());
        let open = seats.into_iter().filter(|candidate| candidate.writable);
        let seats = open.filter_map(|candidate| clouds.get(candidate.id));
        Ok(seats
            .map(|cloud| {
                let name = &cloud.member.name;
                let used = usage.iter().find(|usage| usage.provider == cloud.member.id);
                let used = used.map_or(0, |used| used.bytes);
                Seat {
                    free: self.limits.quotas.get(name).map(|quota| quota.saturating_sub(used)),
                    price: self.limits.prices.get(name).copied(),
                    used,
                }
            })
            .collect())
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashMap<Place, Arc<dyn Object>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn changed(&self, place: Place, change: Change) -> Result<Arc<dyn Object>, Trouble> {
        let base = match &change.base {
            None => None,
            Some(base) => Some(self.own(base.as_ref())?),
        };
        let image = match &base {
            _ if change.len > IN_MEMORY => None,
            None => Some(change.image(&[])),
            Some(base) if base.len > IN_MEMORY => None,
            Some(base) => Some(change.image(&base.read(0..base.len).await?)),
        };
        let snapshot = match base {
            None => None,
            Some(base) => {
                // What is re-used or read may have moved since it was opened.
                let still = image.is_some() || base.look_again().await.map_err(trouble)?;
                let snapshot = still.then(|| base.snapshot().as_ref().clone());
                Some(snapshot.ok_or_else(|| Trouble(format!("{base:?} was changed by somebody else")))?)
            }
        };
        let modify = Modify {
            name: self.name(place),
            policy: self.slots.clone(),
            base: snapshot,
            patches: match &image {
                Some(image) => BTreeMap::from([(0, image.clone())]),
                None => change.patches,
            },
            len: change.len,
        };
        let modified = self.store.modify(modify, self.progress.clone()).await;
        let (_, snapshot) = modified.map_err(trouble)?;
        let object = self.opened(snapshot);
        if let Some(image) = &image {
            self.cache.know(object.version(), image);
        }
        Ok(object)
    }

    /// A version that this place opened.
    fn own<'o>(&self, object: &'o dyn Object) -> Result<&'o Version, Trouble> {
        let own = (object as &dyn Any).downcast_ref::<Version>();
        own.ok_or_else(|| Trouble(format!("{object:?} is no object of {self:?}")))
    }
}

/// What the names of a bucket's shares begin with.
fn bucket_name(prefix: &str, index: StorageIndex) -> String {
    format!("{prefix}/immutable/{index}/")
}

fn share_name(prefix: &str, index: StorageIndex, number: u8) -> String {
    format!("{}{number}", bucket_name(prefix, index))
}

#[expect(clippy::needless_pass_by_value, reason = "it stands in map_err")]
fn trouble(error: StoreError) -> Trouble {
    let causes = match &error {
        StoreError::NotStored { causes, .. }
        | StoreError::OutcomeUnknown { causes, .. }
        | StoreError::NoMajority { causes, .. }
        | StoreError::Unreachable { causes, .. } => causes.as_slice(),
        _ => &[],
    };
    let said: Vec<String> = std::iter::once(error.to_string())
        .chain(causes.iter().map(ToString::to_string))
        .collect();
    Trouble(said.join("; "))
}

impl StorageProvider for Striped {
    fn shares(&self, index: StorageIndex) -> Answer<'_, BTreeMap<u8, u64>> {
        Box::pin(async move {
            let bucket = self.bucket(index);
            let found = self.store.catalog().versions(&bucket, None, 256).await;
            let found = found.map_err(|error| Trouble(error.to_string()))?;
            let number = |name: &str| share_number(name.strip_prefix(&bucket)?);
            Ok(found
                .iter()
                .filter_map(|version| Some((number(&version.name)?, version.len)))
                .collect())
        })
    }

    fn open(&self, place: Place) -> Answer<'_, Option<Arc<dyn Object>>> {
        Box::pin(async move { self.find(place).await.map_err(trouble) })
    }

    fn begin(&self, index: StorageIndex, number: u8, len: u64) -> Answer<'_, Box<dyn Incoming>> {
        let begun = Unfinished::begin(self.store.clone(), self.room.spool(), self.put(index, number, len), len);
        Box::pin(std::future::ready(Ok(Box::new(begun) as Box<dyn Incoming>)))
    }

    fn resume(&self, index: StorageIndex, number: u8, len: u64) -> Answer<'_, Resumed> {
        Box::pin(async move {
            let put = self.put(index, number, len);
            let resumed = self.store.resume_put(put.clone(), len, self.progress.clone()).await;
            let Some(resumed) = resumed.map_err(trouble)? else {
                return Ok((self.begin(index, number, len).await?, Vec::new()));
            };
            let kept = resumed.landed.iter().map(|landed| landed.range.clone()).collect();
            let goes_on = Unfinished::resume(self.store.clone(), self.room.spool(), put, len, resumed);
            Ok((Box::new(goes_on) as Box<dyn Incoming>, kept))
        })
    }

    fn forget(&self, index: StorageIndex, number: u8) -> Answer<'_, ()> {
        Box::pin(async move {
            let name = self.name(Place::Share(index, number));
            self.store.forget_put(&name).await.map_err(trouble)
        })
    }

    fn change(&self, place: Place, change: Change) -> Answer<'_, Arc<dyn Object>> {
        Box::pin(self.changed(place, change))
    }

    fn remove(&self, place: Place) -> Answer<'_, ()> {
        Box::pin(async move {
            self.known().remove(&place);
            match self
                .store
                .remove(&self.name(place), &self.policy, self.progress.clone())
                .await
            {
                Ok(_) | Err(StoreError::NotFound { .. }) => Ok(()),
                Err(error) => Err(trouble(error)),
            }
        })
    }

    fn examine(&self, place: Place) -> Answer<'_, Option<String>> {
        Box::pin(async move {
            let repaired = match mend(&self.store, &self.name(place), Look::Bytes, &self.progress).await {
                Err(StoreError::NotFound { .. }) => return Ok(None),
                other => other.map_err(trouble)?,
            };
            if !repaired.rebuilt.is_empty() {
                tracing::warn!(
                    "{}: {} fragments were made anew",
                    self.name(place),
                    repaired.rebuilt.len()
                );
            }
            let (lost, owed) = (repaired.hopeless.len(), repaired.unplaced.len());
            let wrong = format!("{lost} extents can't be rebuilt, {owed} fragments are missing");
            Ok((lost + owed > 0).then_some(wrong))
        })
    }

    fn space(&self) -> Answer<'_, Option<u64>> {
        Box::pin(async move {
            let seats = self.seats().await.map_err(|error| Trouble(error.to_string()))?;
            let (k, n) = (self.policy.k, self.policy.k + self.policy.m);
            let bounds = [
                space::below_quotas(&seats, k, n),
                self.limits
                    .budget
                    .and_then(|budget| space::below_budget(&seats, k, n, budget)),
            ];
            let (chunk, tag) = (u64::from(self.policy.chunk_len), TAG);
            // Of what lies on a provider, tags are no bytes of shares.
            let net = |bytes: u64| bytes / (chunk + tag) * chunk;
            Ok(bounds.into_iter().flatten().min().map(net))
        })
    }

    fn tidy(&self) -> Answer<'_, ()> {
        Box::pin(async move { self.store.sweep(DELETE_AT_ONCE).await.map(drop).map_err(trouble) })
    }
}

/// One version of an object that is read.
struct Version {
    striped: Striped,
    len: u64,
    id: VersionId,
    snapshot: Mutex<Arc<Snapshot>>,
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.snapshot().version().name)
    }
}

impl Version {
    fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Fragments may have moved since the version was opened: looks them up again. False if it is not the newest any more.
    async fn look_again(&self) -> Result<bool, StoreError> {
        let before = self.snapshot();
        let found = self.striped.store.snapshot(&before.version().name).await?;
        let same = found.filter(|found| found.version().generation == before.version().generation);
        let Some(found) = same else { return Ok(false) };
        *self.snapshot.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(found);
        Ok(true)
    }

    async fn fetch_now(&self, range: Range<u64>) -> Result<Bytes, StoreError> {
        let (store, progress) = (&self.striped.store, &self.striped.progress);
        match store.read_snapshot(&self.snapshot(), range.clone(), progress).await {
            Ok(bytes) => Ok(bytes.into()),
            Err(error) if !self.look_again().await? => Err(error),
            Err(_) => Ok(store.read_snapshot(&self.snapshot(), range, progress).await?.into()),
        }
    }
}

impl Origin for Version {
    fn version(&self) -> VersionId {
        self.id
    }

    fn len(&self) -> u64 {
        self.len
    }

    /// The extent, as far as its providers are asked for it in one request each.
    fn window(&self, at: u64) -> Range<u64> {
        let snapshot = self.snapshot();
        let pieces = snapshot.pieces();
        let piece = &pieces[pieces.partition_point(|piece| piece.offset + piece.len <= at)];
        let from = piece.offset + (at - piece.offset) / WINDOW * WINDOW;
        from..(piece.offset + piece.len).min(from + WINDOW)
    }

    fn fetch(&self, range: Range<u64>) -> Answer<'_, Bytes> {
        Box::pin(async move { self.fetch_now(range).await.map_err(trouble) })
    }
}

impl Object for Version {
    fn len(&self) -> u64 {
        self.len
    }

    fn version(&self) -> VersionId {
        self.id
    }

    fn read(&self, range: Range<u64>) -> Answer<'_, Bytes> {
        assert!(
            range.start <= range.end && range.end <= self.len,
            "{range:?} of {}",
            self.len
        );
        Box::pin(async move { self.striped.cache.read(self, range).await })
    }
}
