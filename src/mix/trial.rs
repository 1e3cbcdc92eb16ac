//! A mix lived through by the real store over simulated providers, in virtual time: healthy, then with each provider out.
//!
//! ```text
//! objects: put one after the other ─▶ got one after the other ─▶ for each provider: out, got again, back
//! ```
//!
//! And what the laws foretell of it, without a store: a put has ended when all n fragments are there; a read when any k of n that placement chose
//! are there and all n have said that they know nothing newer.

use std::io::Cursor;
use std::sync::Arc;
use std::time::Duration;

use hdrhistogram::Histogram;
use tokio::time::Instant;

use super::demand::Scheme;
use super::law::{Law, Simulated};
use crate::catalog::record::{Condition, MemberState};
use crate::catalog::sqlite::SqliteCatalog;
use crate::clock::FixedClock;
use crate::cloud_set::domain::Domains;
use crate::cloud_set::policy::{Policy, Prefer};
use crate::entropy::SeededEntropy;
use crate::fragment::secret::{Keys, SetSecret};
use crate::provider::memory::Memory;
use crate::provider::{Operation, Provider};
use crate::store::clouds::Configured;
use crate::store::error::StoreError;
use crate::store::put::Put;
use crate::store::send::Silent;
use crate::store::{Ground, Settings, Store};

/// The longest latency that is told apart, in microseconds: ten minutes.
const LONGEST: u64 = 600_000_000;

/// What is tried.
#[derive(Clone, Debug)]
pub struct Trial {
    /// The mix: one law a seat.
    pub laws: Vec<Law>,
    /// Fragments that read an extent.
    pub k: u16,
    /// How many objects.
    pub objects: u32,
    /// Bytes of each.
    pub len: u64,
    /// Of laws and ids.
    pub seed: u64,
}

/// Latencies, in microseconds of virtual time.
#[derive(Clone, Debug)]
pub struct Latencies {
    /// Of what succeeded.
    pub histogram: Histogram<u64>,
    /// What failed.
    pub failed: u32,
}

/// What was seen.
#[derive(Clone, Debug)]
pub struct Tried {
    /// Puts, all healthy.
    pub puts: Latencies,
    /// Reads, all healthy.
    pub gets: Latencies,
    /// Reads with one provider out, by its place in the mix.
    pub without: Vec<Latencies>,
}

impl Latencies {
    fn new() -> Latencies {
        Latencies {
            histogram: Histogram::new_with_bounds(1, LONGEST, 3).expect("the bounds are in order"),
            failed: 0,
        }
    }

    fn note(&mut self, took: Duration, worked: bool) {
        if worked {
            let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
            self.histogram.saturating_record(micros.max(1));
        } else {
            self.failed += 1;
        }
    }

    /// Milliseconds; none without a call that succeeded.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "milliseconds with three digits")]
    pub fn quantile(&self, share: f64) -> Option<f64> {
        (!self.histogram.is_empty()).then(|| self.histogram.value_at_quantile(share) as f64 / 1000.0)
    }

    /// Calls in a second, one after the other; none without a call that succeeded.
    #[must_use]
    pub fn per_second(&self) -> Option<f64> {
        (!self.histogram.is_empty()).then(|| 1e6 / self.histogram.mean())
    }
}

/// Runs a trial on a thread and a runtime of its own, whose time stands still but for what is waited for.
///
/// # Panics
///
/// If the trial is of no seats, or of fewer than k.
pub fn run(trial: &Trial) -> Result<Tried, StoreError> {
    assert!(trial.k >= 1 && trial.laws.len() >= usize::from(trial.k), "k of n seats");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .max_blocking_threads(1)
        .build()
        .expect("a runtime without a driver needs nothing of the system");
    runtime.block_on(live(trial))
}

async fn live(trial: &Trial) -> Result<Tried, StoreError> {
    let simulated: Vec<Arc<Simulated>> = trial
        .laws
        .iter()
        .map(|law| {
            Arc::new(Simulated::new(
                law.clone(),
                Arc::new(Memory::new(&law.name)),
                trial.seed,
            ))
        })
        .collect();
    let store = open(trial, &simulated).await?;
    let policy = policy(trial);
    let data: Vec<u8> = (0..trial.len)
        .map(|at| u8::try_from(at % 251).expect("below 251"))
        .collect();
    let mut tried = Tried {
        puts: Latencies::new(),
        gets: Latencies::new(),
        without: Vec::new(),
    };
    // The first put claims an epoch, which no other does.
    put(&store, &policy, "first", &data).await?;
    for number in 0..trial.objects {
        let begin = Instant::now();
        let worked = put(&store, &policy, &number.to_string(), &data).await.is_ok();
        tried.puts.note(begin.elapsed(), worked);
    }
    tried.gets = read_all(&store, trial, &data).await;
    for provider in &simulated {
        provider.set_out(true);
        tried.without.push(read_all(&store, trial, &data).await);
        provider.set_out(false);
    }
    Ok(tried)
}

async fn open(trial: &Trial, simulated: &[Arc<Simulated>]) -> Result<Arc<Store>, StoreError> {
    let keys = Keys::new(&SetSecret::new([7; 32]));
    let configured = simulated.iter().map(|provider| Configured {
        name: provider.name().to_owned(),
        domains: Domains::default(),
        weight: 1.0,
        state: MemberState::Active,
        provider: provider.clone(),
    });
    Store::open(Ground {
        catalog: Arc::new(SqliteCatalog::inline(keys.set())?),
        keys,
        providers: configured.collect(),
        policies: Vec::new(),
        clock: Arc::new(FixedClock::at(1_700_000_000_000_000_000)),
        entropy: Arc::new(SeededEntropy::new(trial.seed)),
        settings: Settings::default(),
    })
    .await
}

fn policy(trial: &Trial) -> Policy {
    let n = u16::try_from(trial.laws.len()).expect("few seats");
    let scheme = Scheme::of(trial.k, n - trial.k);
    Policy {
        name: "default".to_owned(),
        k: trial.k,
        m: n - trial.k,
        spread: std::collections::BTreeMap::new(),
        quorum: Policy::lowest_quorum(trial.k, n),
        sealed: scheme.sealed,
        prefer: Prefer::Latency,
        providers: None,
        chunk_len: scheme.chunk_len,
        fragment_len: scheme.fragment_len,
    }
}

async fn put(store: &Arc<Store>, policy: &Policy, name: &str, data: &[u8]) -> Result<(), StoreError> {
    let put = Put {
        name: name.to_owned(),
        policy: policy.clone(),
        condition: Condition::Any,
        modified: Some(0),
        len_hint: Some(data.len() as u64),
    };
    let source = Cursor::new(data.to_vec());
    store.put(put, source, Arc::new(Silent)).await.map(drop)
}

async fn read_all(store: &Arc<Store>, trial: &Trial, data: &[u8]) -> Latencies {
    let mut latencies = Latencies::new();
    for number in 0..trial.objects {
        let begin = Instant::now();
        let worked = get(store, &number.to_string()).await.is_ok_and(|got| got == data);
        latencies.note(begin.elapsed(), worked);
    }
    latencies
}

async fn get(store: &Arc<Store>, name: &str) -> Result<Vec<u8>, StoreError> {
    let mut reader = store.read(name, None, &[], Arc::new(Silent)).await?;
    let mut got = Vec::new();
    let end = loop {
        match reader.next().await {
            Ok(Some(bytes)) => got.extend_from_slice(&bytes),
            Ok(None) => break Ok(got),
            Err(error) => break Err(error),
        }
    };
    reader.finish().await;
    end
}

/// What the laws foretell of a healthy mix.
#[derive(Clone, Debug)]
pub struct Foretold<'a> {
    laws: &'a [Law],
    k: usize,
    fragment: f64,
}

impl<'a> Foretold<'a> {
    /// Of a trial's mix and objects, each of one extent.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "fragments are at most 64 MiB")]
    pub fn of(trial: &'a Trial) -> Foretold<'a> {
        let n = u16::try_from(trial.laws.len()).expect("few seats");
        let (blobs, _) = Scheme::of(trial.k, n - trial.k).fragments(trial.len);
        Foretold {
            laws: &trial.laws,
            k: usize::from(trial.k),
            fragment: blobs[0].len as f64,
        }
    }

    /// The chance that a put has ended after so many seconds.
    #[must_use]
    pub fn put(&self, seconds: f64) -> f64 {
        let done = |law: &Law| law.done(Operation::Put, self.fragment, seconds);
        self.laws.iter().map(done).product()
    }

    /// The chance that a read has ended after so many seconds: over all sets of k seats, each as likely, that all of it have answered;
    /// summed as the elementary symmetric polynomial. And all n listings.
    #[must_use]
    pub fn get(&self, seconds: f64) -> f64 {
        let mut sets = vec![0.0; self.k + 1];
        sets[0] = 1.0;
        let (mut count, mut listed) = (1.0, 1.0);
        for law in self.laws {
            let done = law.done(Operation::Get, self.fragment, seconds);
            for j in (1..=self.k).rev() {
                sets[j] += sets[j - 1] * done;
            }
            listed *= law.done(Operation::List, 0.0, seconds);
        }
        for j in 0..self.k {
            let (left, drawn) = (self.laws.len() - j, j + 1);
            count *= f64::from(u32::try_from(left).expect("few")) / f64::from(u32::try_from(drawn).expect("few"));
        }
        (sets[self.k] / count * listed).min(1.0)
    }
}

/// Seconds after which a share has ended, of a chance that rises with time: by halving, to a microsecond.
#[must_use]
pub fn quantile(share: f64, done: impl Fn(f64) -> f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    while done(high) < share && high < 1e6 {
        high *= 2.0;
    }
    while high - low > 1e-6 {
        let middle = f64::midpoint(low, high);
        if done(middle) < share {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trial(names: &[&str], k: u16, objects: u32, seed: u64) -> Trial {
        let laws = Law::shipped();
        let law = |name: &&str| laws.iter().find(|law| law.name == **name).unwrap().clone();
        Trial {
            laws: names.iter().map(law).collect(),
            k,
            objects,
            len: 200_000,
            seed,
        }
    }

    #[test]
    fn the_laws_foretell_what_the_store_lives_through() {
        for (names, k) in [
            (&["near", "steady", "far"][..], 2),
            (&["near", "steady", "edge", "jittery", "thin"], 3),
        ] {
            let trial = trial(names, k, 300, 5);
            let tried = run(&trial).unwrap();
            let foretold = Foretold::of(&trial);
            let (get, put) = (|t| foretold.get(t), |t| foretold.put(t));
            for (share, within) in [(0.5, 0.15), (0.99, 0.3)] {
                let seen = tried.gets.quantile(share).unwrap();
                let told = quantile(share, get) * 1000.0;
                assert!(
                    (seen / told - 1.0).abs() < within,
                    "{names:?} get {share}: {seen} ms, foretold {told}"
                );
                let seen = tried.puts.quantile(share).unwrap();
                let told = quantile(share, put) * 1000.0;
                assert!(
                    (seen / told - 1.0).abs() < within,
                    "{names:?} put {share}: {seen} ms, foretold {told}"
                );
            }
            assert!(tried.without.iter().all(|without| without.failed == 0));
        }
    }

    #[test]
    fn one_seed_is_one_trial() {
        let all = |seed| {
            let tried = run(&trial(&["near", "far", "edge"], 2, 30, seed)).unwrap();
            let lists = [&tried.puts, &tried.gets].into_iter().chain(&tried.without);
            lists
                .map(|l| (l.quantile(0.5), l.quantile(0.99), l.failed))
                .collect::<Vec<_>>()
        };
        assert_eq!(all(3), all(3));
        assert_ne!(all(3), all(4));
    }
}
