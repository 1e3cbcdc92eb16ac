//! Six providers, a store over them, and what is measured of it.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::future::join_all;
use raic::catalog::record::{Condition, MemberState};
use raic::catalog::sqlite::SqliteCatalog;
use raic::clock::FixedClock;
use raic::cloud_set::domain::Domains;
use raic::cloud_set::policy::{Policy, Prefer};
use raic::entropy::SeededEntropy;
use raic::fragment::secret::{Keys, SetSecret};
use raic::mix::law::Law;
use raic::provider::fault::{Fault, Faults, Faulty, Rule};
use raic::provider::isolate::Patience;
use raic::provider::limit::Limits;
use raic::provider::retry::Retry;
use raic::provider::{Operation, ProviderError, steady};
use raic::store::clouds::Configured;
use raic::store::put::Put;
use raic::store::send::{Progress, Silent, blob_key};
use raic::store::{Acknowledge, Ground, Settings, Store};
use tokio::time::Instant;

use crate::slow::Switched;

const K: u16 = 4;
const M: u16 = 2;
const LEN: usize = 1 << 20;
const OBJECTS: usize = 48;
const SEED: u64 = 11;

/// Which provider is in trouble.
const ILL: usize = 2;

/// How long the calls of one kind took, and what they asked for.
#[derive(Default)]
pub(crate) struct Times {
    millis: Vec<f64>,
    pub(crate) bytes: f64,
    pub(crate) asked: f64,
    pub(crate) spares: f64,
}

impl Times {
    fn add(&mut self, since: Instant) {
        self.millis.push(since.elapsed().as_secs_f64() * 1000.0);
    }

    /// The time within which this share of the calls ended, in milliseconds.
    pub(crate) fn quantile(&self, share: f64) -> f64 {
        let mut sorted = self.millis.clone();
        sorted.sort_by(f64::total_cmp);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "some thousand calls"
        )]
        let at = ((sorted.len() as f64 * share).ceil() as usize).clamp(1, sorted.len()) - 1;
        sorted[at]
    }

    pub(crate) fn mean(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "some thousand calls")]
        let count = self.millis.len() as f64;
        self.millis.iter().sum::<f64>() / count
    }
}

/// Counts the bytes that are asked for.
#[derive(Default)]
struct Asked(AtomicU64);

impl Progress for Asked {
    fn payload(&self, _: u64) {}
    fn begin(&self, _: &str, bytes: u64) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }
    fn end(&self, _: &str, _: u64, _: Result<(), &ProviderError>) {}
}

pub(crate) struct Scene {
    store: Arc<Store>,
    ill: Arc<Switched>,
    faults: Faults,
    data: Vec<u8>,
    put: usize,
    healthy_put: f64,
}

impl Scene {
    pub(crate) async fn new() -> Scene {
        let law = |at: usize| Law {
            name: format!("p{at}"),
            service: String::new(),
            first: 0.050,
            spread: 0.2,
            up: f64::from(30 << 20),
            down: f64::from(50 << 20),
        };
        let switched: Vec<Arc<Switched>> = (0..usize::from(K + M))
            .map(|at| Arc::new(Switched::new(&law(at), SEED)))
            .collect();
        let (mut providers, mut faults) = (Vec::new(), Vec::new());
        for (seed, provider) in (0..).zip(&switched) {
            let (faulty, handle) = Faulty::wrap(provider.clone(), seed);
            faults.push(handle);
            let limits = Limits::of_scheme("memory");
            let provider = steady(faulty, &limits, Patience::default(), Retry::default(), seed);
            providers.push(Configured {
                name: provider.name().to_owned(),
                domains: Domains::default(),
                weight: 1.0,
                state: MemberState::Active,
                provider,
            });
        }
        let keys = Keys::new(&SetSecret::new([7; 32]));
        let ground = Ground {
            catalog: Arc::new(SqliteCatalog::inline(keys.set()).expect("a catalog")),
            keys,
            providers,
            policies: Vec::new(),
            clock: Arc::new(FixedClock::at(1_700_000_000_000_000_000)),
            entropy: Arc::new(SeededEntropy::new(SEED)),
            settings: Settings {
                acknowledge: Acknowledge::Quorum,
                grace: Duration::ZERO,
                ..Settings::default()
            },
        };
        let mut scene = Scene {
            store: Store::open(ground).await.expect("a store"),
            ill: switched[ILL].clone(),
            faults: faults.swap_remove(ILL),
            data: (0..LEN).map(|at| u8::try_from(at % 251).expect("below 251")).collect(),
            put: 0,
            healthy_put: 0.0,
        };
        scene.puts(OBJECTS).await;
        scene
    }

    /// One is tenfold slower from now on, or as it was.
    pub(crate) fn slow(&self, slow: bool) {
        self.ill.set(slow);
    }

    /// Puts to one never end from now on.
    pub(crate) fn hang(&self) {
        self.faults.add(Rule::always(Fault::Hang).on(Operation::Put));
    }

    /// It is dead from now on.
    pub(crate) fn kill(&self) {
        self.faults.clear();
        self.faults.kill();
    }

    pub(crate) fn revive(&self) {
        self.faults.revive();
    }

    /// What the store waits for seats that stand still: three times the usual, and half a second at least.
    pub(crate) fn hedge_delay(&self) -> f64 {
        (self.healthy_put * 3.0).max(500.0)
    }

    /// So many objects in turn, read and compared.
    pub(crate) async fn reads(&self, count: usize) -> Times {
        let (mut times, asked) = (Times::default(), Arc::new(Asked::default()));
        let before = self.store.asked();
        for number in 0..count {
            let begun = Instant::now();
            let mut reader = self
                .store
                .read(&name(number), None, &[], asked.clone())
                .await
                .expect("a read");
            let mut at = 0;
            while let Some(bytes) = reader.next().await.expect("bytes") {
                assert!(bytes == self.data[at..at + bytes.len()], "other bytes");
                at += bytes.len();
            }
            assert_eq!(at, LEN);
            times.add(begun);
            reader.finish().await;
        }
        let after = self.store.asked();
        #[expect(clippy::cast_precision_loss, reason = "some GiB, some thousand calls")]
        {
            times.bytes = asked.0.load(Ordering::Relaxed) as f64;
            times.asked = (after.0 - before.0) as f64;
            times.spares = (after.1 - before.1) as f64;
        }
        times
    }

    /// The same by a store that asks for all n fragments and waits for the slowest.
    pub(crate) async fn reads_of_all(&self, count: usize) -> Times {
        let (mut times, clouds) = (Times::default(), self.store.clouds());
        for number in 0..count {
            let pieces = self.store.catalog().extents(&name(number)).await.expect("rows");
            let begun = Instant::now();
            for piece in pieces {
                let len = piece.extent.shape.fragment_len(piece.extent.header_len);
                let gets = piece.fragments.iter().map(|fragment| {
                    let key = blob_key(self.store.keys(), &piece.extent, fragment.index, fragment.copy);
                    let holder = clouds.holder(fragment).expect("a member");
                    let provider = self.store.configured().iter().find(|it| it.name == holder.member.name);
                    let provider = provider.expect("a provider").provider.clone();
                    async move { provider.get(&key, 0..len).await.expect("a fragment") }
                });
                join_all(gets).await;
            }
            times.add(begun);
        }
        times
    }

    /// So many puts, one after the other.
    pub(crate) async fn puts(&mut self, count: usize) -> Times {
        let mut times = Times::default();
        for _ in 0..count {
            let put = Put {
                name: name(self.put),
                policy: policy(),
                condition: Condition::Any,
                modified: Some(0),
                len_hint: Some(LEN as u64),
            };
            self.put += 1;
            let begun = Instant::now();
            let stored = self
                .store
                .put(put, Cursor::new(self.data.clone()), Arc::new(Silent))
                .await;
            stored.expect("a put");
            times.add(begun);
            if self.put.is_multiple_of(OBJECTS) {
                // What one that is dead holds stays.
                self.store.sweep(10_000).await.expect("old blobs go");
            }
        }
        if self.healthy_put == 0.0 {
            self.healthy_put = times.quantile(0.9);
        }
        times
    }
}

/// Objects are few and written over, so that memory stays bounded.
fn name(number: usize) -> String {
    (number % OBJECTS).to_string()
}

fn policy() -> Policy {
    Policy {
        name: "default".to_owned(),
        k: K,
        m: M,
        spread: BTreeMap::new(),
        quorum: Policy::lowest_quorum(K, K + M),
        sealed: true,
        prefer: Prefer::Latency,
        providers: None,
        chunk_len: 64 << 10,
        fragment_len: 8 << 20,
    }
}
