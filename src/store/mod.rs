//! The work on objects: put, get, remove, and the settling of what an earlier process left open.
//!
//! ```text
//! put      source ─▶ draft ─▶ weave ─▶ n fragments ─▶ send (scatter decides) ─▶ parts at the rule ─▶ root ─▶ catalog commit
//! get      catalog ─▶ pieces ─▶ fetch (gather decides) ─▶ frames verified ─▶ opened, rebuilt ─▶ bytes in order
//! remove   tombstone ─▶ send ─▶ catalog commit; the blobs go after the grace (sweep)
//! settle   open generations of the catalog ─▶ rolled forward, or closed and annulled (void)
//! ```
//!
//! Decisions with a history are machines without I/O (`scatter`, `gather`); the rest awaits. What is promised is `docs/semantics.md`.

pub mod annul;
mod assemble;
mod rank;
pub mod attach;
pub mod clouds;
mod complete;
pub mod draft;
pub mod epoch;
pub mod error;
pub mod fetch;
pub mod freight;
pub mod gather;
pub mod hedge;
pub mod inflow;
pub mod labour;
pub mod late;
pub mod layout;
pub mod loom;
pub mod manifest;
pub mod modify;
pub mod name;
#[cfg(feature = "plant")]
mod planted;
pub mod put;
pub mod read;
mod reading;
pub mod rebuild;
pub mod relocate;
pub mod remove;
pub mod resume;
mod room;
pub mod rule;
pub mod scatter;
pub mod send;
pub mod settle;
pub mod slab;
pub mod snapshot;
pub mod source;
mod stray;
pub mod sweep;
mod turns;
pub mod weave;
pub mod work;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::join_all;
use tokio::sync::{Notify, OnceCell, OwnedSemaphorePermit, Semaphore};

use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::cloud_set::policy::Policy;
use crate::cloud_set::price::PriceList;
use crate::codec::{Code, CodeError};
use crate::entropy::Entropy;
use crate::fragment::identity::IDENTITY_KEY;
use crate::fragment::secret::Keys;
use crate::plant::{Bug, planted};
use crate::provider::Provider;
use crate::provider::health::{State, Watched};
use clouds::{Clouds, Configured};
use epoch::Writer;
pub use error::StoreError;
use hedge::Budget;
use late::Behind;
use room::{Room, rooms};
use settle::Settled;
use slab::Pool;
use work::Workers;

/// When a verb that writes answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Acknowledge {
    /// When all providers have, or a deadline is over.
    #[default]
    All,
    /// At the acknowledgement rule; the rest finishes behind.
    Quorum,
}

/// Patience, graces and bounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// When a verb that writes answers.
    pub acknowledge: Acknowledge,
    /// How long a put that is safe already waits for the providers that have not answered.
    pub stragglers: Duration,
    /// How long anything waits for an answer without which it cannot go on.
    pub patience: Duration,
    /// How long a replaced or removed version's blobs stay.
    pub grace: Duration,
    /// Bytes of payload and fragments that all work together may hold in memory.
    pub memory: u64,
    /// Providers among those that answer whose word may be wrong.
    pub liars: u16,
    /// What reading costs at a provider, by its name; what isn't there is not known.
    pub read_prices: BTreeMap<String, PriceList>,
    /// Bytes that a provider may hold, by name. What has none is bounded by its own refusals.
    pub quotas: BTreeMap<String, u64>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            acknowledge: Acknowledge::default(),
            stragglers: Duration::from_secs(30),
            patience: Duration::from_mins(5),
            grace: Duration::from_hours(1),
            memory: 160 << 20,
            liars: 1,
            read_prices: BTreeMap::new(),
            quotas: BTreeMap::new(),
        }
    }
}

/// What a store stands on.
#[derive(Debug)]
pub struct Ground {
    /// The set's keys.
    pub keys: Keys,
    /// The catalog of the set.
    pub catalog: Arc<dyn Catalog>,
    /// The providers of the configuration.
    pub providers: Vec<Configured>,
    /// The policies of the configuration: what repair and moves have to keep.
    pub policies: Vec<Policy>,
    /// The time of day.
    pub clock: Arc<dyn Clock>,
    /// Ids, salts and copy numbers.
    pub entropy: Arc<dyn Entropy>,
    /// Patience, graces and bounds.
    pub settings: Settings,
}

/// Objects over the providers of one cloud set.
#[derive(Debug)]
pub struct Store {
    keys: Keys,
    catalog: Arc<dyn Catalog>,
    configured: Vec<Configured>,
    /// Those providers by name, as they are watched.
    watched: BTreeMap<String, Arc<Watched>>,
    /// Told by each of them that answers again after it had failed.
    back: Arc<Notify>,
    /// Those that have a quota.
    rooms: BTreeMap<String, Arc<Room>>,
    hedges: Budget,
    policies: Vec<Policy>,
    clouds: std::sync::RwLock<Clouds>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    settings: Settings,
    pool: Pool,
    workers: Workers,
    /// Codes by k and n, so that what one worked out for an erasure pattern is there for the next read.
    codes: Mutex<BTreeMap<(u16, u16), Code>>,
    /// Permits of [`MEMORY_UNIT`] bytes.
    memory: Arc<Semaphore>,
    behind: Behind,
    writer: OnceCell<Writer>,
    begun: OnceCell<Settled>,
    /// Objects whose puts an earlier process began and this one goes on with.
    left_open: Mutex<BTreeSet<String>>,
}

/// Bytes of memory behind one permit.
const MEMORY_UNIT: u64 = 4096;

impl Store {
    /// Opens the store for reading; the first verb that writes claims an epoch.
    pub async fn open(ground: Ground) -> Result<Arc<Store>, StoreError> {
        let Ground {
            keys,
            catalog,
            providers,
            policies,
            clock,
            entropy,
            settings,
        } = ground;
        let (version, members) = catalog.members().await?;
        let back = Arc::new(Notify::new());
        let (providers, watched) = watch(providers, &clock, &back);
        let rooms = rooms(&settings.quotas);
        let clouds = Clouds::new(version, members, &providers, &watched, &rooms);
        let units = usize::try_from(settings.memory / MEMORY_UNIT).unwrap_or(usize::MAX);
        Ok(Arc::new(Store {
            memory: Arc::new(Semaphore::new(units.clamp(1, Semaphore::MAX_PERMITS))),
            behind: Behind::new(settings.memory / 2),
            clouds: std::sync::RwLock::new(clouds),
            configured: providers,
            watched,
            back,
            rooms,
            hedges: Budget::default(),
            policies,
            pool: Pool::default(),
            workers: Workers::default(),
            codes: Mutex::default(),
            writer: OnceCell::new(),
            begun: OnceCell::new(),
            left_open: Mutex::default(),
            keys,
            catalog,
            clock,
            entropy,
            settings,
        }))
    }

    /// The members of the set, as they are now.
    #[must_use]
    pub fn clouds(&self) -> Clouds {
        self.clouds
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone()
    }

    /// The providers of the configuration.
    #[must_use]
    pub fn configured(&self) -> &[Configured] {
        &self.configured
    }

    /// How many fragments were asked for, and how many of them as spares for late ones.
    #[must_use]
    pub fn asked(&self) -> (u64, u64) {
        self.hedges.spent()
    }

    /// Waits until a provider answers that had failed. One that did so since the last time counts.
    pub async fn answered_again(&self) {
        self.back.notified().await;
    }

    /// Asks the providers that fail whether they answer again: of each its identity.
    pub async fn ask_the_silent(&self) {
        let silent = self
            .watched
            .values()
            .filter(|it| matches!(it.state(), State::Failing(_) | State::Down(_)));
        // What they say is noted as they are watched.
        join_all(silent.map(|it| it.stat(IDENTITY_KEY))).await;
    }

    /// The catalog.
    #[must_use]
    pub fn catalog(&self) -> &Arc<dyn Catalog> {
        &self.catalog
    }

    /// The set's keys.
    #[must_use]
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// The policy of this name, if the configuration still has it.
    #[must_use]
    pub fn policy(&self, name: &str) -> Option<&Policy> {
        self.policies.iter().find(|policy| policy.name == name)
    }

    /// Where ids and copy numbers come from.
    #[must_use]
    pub fn entropy(&self) -> &dyn Entropy {
        self.entropy.as_ref()
    }

    /// The time of day.
    #[must_use]
    pub fn clock(&self) -> &dyn Clock {
        self.clock.as_ref()
    }

    /// Patience, graces and bounds.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Once a process, before its first write: membership, epoch, and what an earlier process left open. Answers what was settled.
    pub async fn begin_writing(self: &Arc<Store>) -> Result<&Settled, StoreError> {
        self.begun
            .get_or_try_init(|| async {
                self.attach().await?;
                self.count_rooms().await?;
                let writer = self.writer().await?;
                // An old catalog must not settle what the clouds have settled since: the claim would notice.
                if !self.catalog.open_generations().await?.is_empty() && !planted(Bug::SettleOnAnOldCatalog) {
                    writer.durable().await?;
                }
                self.settle().await
            })
            .await
    }

    /// What the providers with a quota hold by now.
    async fn count_rooms(&self) -> Result<(), StoreError> {
        if self.rooms.is_empty() {
            return Ok(());
        }
        let clouds = self.clouds();
        for usage in self.catalog.usage().await? {
            if let Some(room) = clouds.get(usage.provider).and_then(|cloud| cloud.room()) {
                room.count(usage.bytes + usage.doomed_bytes);
            }
        }
        Ok(())
    }

    /// True once this process has claimed an epoch.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.writer.get().is_some()
    }

    /// Waits until `bytes` more may be held in memory. More than the whole budget counts as the whole budget.
    pub(crate) async fn reserve(&self, bytes: u64) -> OwnedSemaphorePermit {
        let permit = self.memory.clone().acquire_many_owned(self.units(bytes)).await;
        permit.expect("the semaphore is never closed")
    }

    /// The same without waiting.
    pub(crate) fn try_reserve(&self, bytes: u64) -> Option<OwnedSemaphorePermit> {
        self.memory.clone().try_acquire_many_owned(self.units(bytes)).ok()
    }

    fn units(&self, bytes: u64) -> u32 {
        let all = self.settings.memory / MEMORY_UNIT;
        u32::try_from(bytes.div_ceil(MEMORY_UNIT).clamp(1, all.max(1))).unwrap_or(u32::MAX)
    }

    /// The code of this shape.
    pub(crate) fn code(&self, k: u16, n: u16) -> Result<Code, CodeError> {
        let mut codes = self.codes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(code) = codes.get(&(k, n)) {
            return Ok(code.clone());
        }
        let code = Code::new(usize::from(k), usize::from(n))?;
        codes.insert((k, n), code.clone());
        Ok(code)
    }

    /// When blobs that nothing holds any more may be deleted, nanoseconds since 1970.
    pub(crate) fn doom_at(&self) -> i64 {
        if planted(Bug::DeleteWithoutGrace) {
            return self.clock.now();
        }
        let grace = i64::try_from(self.settings.grace.as_nanos()).unwrap_or(i64::MAX);
        self.clock.now().saturating_add(grace)
    }
}

/// The same providers, with their calls watched.
fn watch(
    providers: Vec<Configured>,
    clock: &Arc<dyn Clock>,
    back: &Arc<Notify>,
) -> (Vec<Configured>, BTreeMap<String, Arc<Watched>>) {
    let mut all = BTreeMap::new();
    let mut watch_one = |configured: Configured| {
        let watched = Watched::new(configured.provider, clock.clone()).telling(back.clone());
        let watched = Arc::new(watched);
        all.insert(configured.name.clone(), watched.clone());
        Configured {
            provider: watched,
            ..configured
        }
    };
    let providers = providers.into_iter().map(&mut watch_one).collect();
    (providers, all)
}
