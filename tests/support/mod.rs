//! A cloud set in memory for tests: providers that can be made to fail, and the real catalog.

#![allow(dead_code, reason = "each test binary uses its part")]

pub(crate) mod cut;
pub(crate) mod gated;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use raic::catalog::archive::Archive;
use raic::catalog::diary::Diary;
use raic::catalog::record::{Condition, MemberState};
use raic::catalog::sqlite::SqliteCatalog;
use raic::clock::FixedClock;
use raic::cloud_set::domain::{DomainKind, Domains};
use raic::cloud_set::policy::{Policy, Prefer};
use raic::entropy::SeededEntropy;
use raic::fragment::secret::{Keys, SetSecret};
use raic::provider::fault::{Faults, Faulty};
use raic::provider::memory::Memory;
use raic::provider::pace::{Pace, Paced};
use raic::store::clouds::Configured;
use raic::store::error::StoreError;
use raic::store::put::{Put, Stored};
use raic::store::send::Silent;
use raic::store::{Ground, Settings, Store};

/// Providers in memory, each with a handle on its blobs and its faults.
pub(crate) struct Set {
    pub(crate) memories: Vec<Arc<Memory>>,
    pub(crate) faults: Vec<Faults>,
    faulty: Vec<Arc<Faulty>>,
    pub(crate) catalog: Arc<dyn Archive>,
    /// What care notes, in the same database.
    pub(crate) diary: Arc<dyn Diary>,
    pub(crate) clock: Arc<FixedClock>,
    pub(crate) settings: Settings,
    /// The policies of the configuration of stores that are opened from now on.
    pub(crate) policies: Vec<Policy>,
    /// How slow the providers are; not at all.
    pub(crate) pace: Pace,
    /// The operator of each provider of such stores; none if it has none here.
    pub(crate) operators: Vec<&'static str>,
    /// What the owner wants of each provider of such stores; active if it has nothing here.
    pub(crate) states: Vec<MemberState>,
    /// So many of the providers, the first ones, are in the configuration.
    pub(crate) configured: usize,
    seed: u64,
}

impl Set {
    /// `n` providers and an empty catalog.
    pub(crate) fn new(n: usize, seed: u64) -> Set {
        let memories: Vec<Arc<Memory>> = (0..n).map(|i| Arc::new(Memory::new(format!("p{i}")))).collect();
        let wrapped = memories
            .iter()
            .enumerate()
            .map(|(i, m)| Faulty::wrap(m.clone(), seed + i as u64));
        let (faulty, faults) = wrapped.unzip();
        let catalog = Arc::new(SqliteCatalog::inline(Set::keys().set()).expect("a catalog in memory"));
        Set {
            memories,
            faults,
            faulty,
            diary: catalog.clone(),
            catalog,
            clock: Arc::new(FixedClock::at(1_700_000_000_000_000_000)),
            settings: Settings::default(),
            policies: Vec::new(),
            pace: Pace::default(),
            operators: Vec::new(),
            states: Vec::new(),
            configured: n,
            seed,
        }
    }

    pub(crate) fn keys() -> Keys {
        Keys::new(&SetSecret::new([7; 32]))
    }

    /// Goes on with this catalog: an empty one, or an old one.
    pub(crate) fn take_catalog(&mut self, catalog: SqliteCatalog) {
        let catalog = Arc::new(catalog);
        self.diary = catalog.clone();
        self.catalog = catalog;
    }

    /// A store as a fresh process would open it.
    pub(crate) async fn open(&mut self) -> Arc<Store> {
        self.open_to_die(&cut::Death::never()).await
    }

    /// A store of a process that will die.
    pub(crate) async fn open_to_die(&mut self, death: &Arc<cut::Death>) -> Arc<Store> {
        self.seed += 1000;
        let configured = self
            .faulty
            .iter()
            .take(self.configured)
            .enumerate()
            .map(|(i, provider)| Configured {
                name: format!("p{i}"),
                domains: self
                    .operators
                    .get(i)
                    .map(|name| Domains([(DomainKind::Operator, (*name).to_owned())].into()))
                    .unwrap_or_default(),
                weight: 1.0,
                state: self.states.get(i).copied().unwrap_or(MemberState::Active),
                provider: Arc::new(Paced::new(
                    Arc::new(cut::Cut {
                        inner: provider.clone(),
                        death: death.clone(),
                    }),
                    self.pace,
                    self.seed + i as u64,
                )),
            });
        let ground = Ground {
            keys: Set::keys(),
            catalog: Arc::new(gated::Gated {
                inner: self.catalog.clone(),
                gate: death.clone(),
            }),
            providers: configured.collect(),
            policies: self.policies.clone(),
            clock: self.clock.clone(),
            entropy: Arc::new(SeededEntropy::new(self.seed)),
            settings: self.settings.clone(),
        };
        Store::open(ground).await.expect("a store opens")
    }

    /// All blobs that are fragments, by provider.
    pub(crate) fn fragments(&self) -> Vec<BTreeMap<String, Bytes>> {
        let mut all: Vec<BTreeMap<String, Bytes>> = self.memories.iter().map(|m| m.blobs()).collect();
        for blobs in &mut all {
            blobs.retain(|key, _| !key.starts_with("identity/"));
        }
        all
    }
}

/// k + m with the lowest quorum, sealed, with small chunks so that a few KiB make several extents.
pub(crate) fn policy(k: u16, m: u16) -> Policy {
    Policy {
        name: "default".to_owned(),
        k,
        m,
        spread: BTreeMap::new(),
        quorum: Policy::lowest_quorum(k, k + m),
        sealed: true,
        prefer: Prefer::Latency,
        providers: None,
        chunk_len: 256,
        fragment_len: 2048,
    }
}

/// Bytes of period 251, so that swapped chunks show.
pub(crate) fn ramp(len: usize) -> Vec<u8> {
    (0..len).map(|i| u8::try_from(i % 251).expect("below 251")).collect()
}

pub(crate) async fn put(store: &Arc<Store>, name: &str, policy: &Policy, bytes: &[u8]) -> Result<Stored, StoreError> {
    let put = Put {
        name: name.to_owned(),
        policy: policy.clone(),
        condition: Condition::Any,
        modified: Some(5),
        len_hint: None,
    };
    store
        .put(put, std::io::Cursor::new(bytes.to_vec()), Arc::new(Silent))
        .await
}

pub(crate) async fn get(store: &Arc<Store>, name: &str) -> Result<Vec<u8>, StoreError> {
    range(store, name, None).await
}

pub(crate) async fn range(
    store: &Arc<Store>,
    name: &str,
    range: Option<std::ops::Range<u64>>,
) -> Result<Vec<u8>, StoreError> {
    let mut reader = store.read(name, range, &[], Arc::new(Silent)).await?;
    let mut bytes = Vec::new();
    let end = loop {
        match reader.next().await {
            Ok(Some(more)) => bytes.extend_from_slice(&more),
            Ok(None) => break Ok(bytes),
            Err(error) => break Err(error),
        }
    };
    reader.finish().await;
    end
}
