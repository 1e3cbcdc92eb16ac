//! A mix lived through by the real store: objects are put and got one after the other, healthy, then with providers out.
//!
//! ```text
//! objects: put ─▶ got, round after round ─▶ for each provider, or pair: out, got again, back
//! ```
//!
//! Over simulated providers time is virtual; over real ones it is what it is.

use std::io::Cursor;
use std::sync::Arc;

use futures::StreamExt;
use tokio::time::Instant;

use super::demand::Scheme;
use super::law::{Law, Simulated};
use super::own::Own;
use super::seen::Seen;
use crate::catalog::record::{Condition, MemberState};
use crate::catalog::sqlite::SqliteCatalog;
use crate::clock::FixedClock;
use crate::cloud_set::domain::Domains;
use crate::cloud_set::policy::{Policy, Prefer};
use crate::entropy::SeededEntropy;
use crate::fragment::secret::{Keys, SetSecret};
use crate::provider::memory::Memory;
use crate::provider::{Class, Provider};
use crate::store::clouds::Configured;
use crate::store::error::StoreError;
use crate::store::put::Put;
use crate::store::send::Silent;
use crate::store::{Ground, Settings, Store};

/// What is tried.
#[derive(Clone, Copy, Debug)]
pub struct Trial {
    /// Fragments that read an extent.
    pub k: u16,
    /// How many objects are put.
    pub objects: u32,
    /// How many reads there are, over the objects in turn.
    pub reads: u32,
    /// Bytes of each.
    pub len: u64,
    /// Of ids, and of laws.
    pub seed: u64,
    /// Providers that are taken out at once: none, each one, or each one and each pair.
    pub outs: usize,
    /// How many puts are under way at once: 1 where their times are asked for.
    pub abreast: usize,
}

/// Reads with some providers out.
#[derive(Clone, Debug)]
pub struct Without {
    /// Their places in the mix.
    pub out: Vec<usize>,
    /// What was seen.
    pub gets: Seen,
}

/// What was seen.
#[derive(Clone, Debug)]
pub struct Tried {
    /// Puts, all healthy.
    pub puts: Seen,
    /// Reads, all healthy.
    pub gets: Seen,
    /// Reads with providers out.
    pub without: Vec<Without>,
}

/// Runs something on a runtime of its own, whose time stands still but for what is waited for.
pub fn in_virtual_time<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .max_blocking_threads(1)
        .build()
        .expect("a runtime without a driver needs nothing of the system");
    runtime.block_on(work)
}

/// A provider that keeps a law, with what it holds in memory.
#[must_use]
pub fn simulated(law: &Law, seed: u64) -> Arc<Own> {
    lawful(law, Memory::new(&law.name), seed)
}

/// The same for measuring, where one body is put thousands of times: it is kept once.
#[must_use]
pub fn simulated_to_measure(law: &Law, seed: u64) -> Arc<Own> {
    lawful(law, Memory::sharing(&law.name), seed)
}

fn lawful(law: &Law, memory: Memory, seed: u64) -> Arc<Own> {
    let inner = Simulated::new(law.clone(), Arc::new(memory), seed);
    Arc::new(Own::new(Arc::new(inner), ""))
}

/// Lives through a trial.
///
/// # Panics
///
/// If the trial is of fewer seats than k, or of no object.
pub async fn live(seats: &[Arc<Own>], trial: &Trial) -> Result<Tried, StoreError> {
    assert!(trial.k >= 1 && seats.len() >= usize::from(trial.k), "k of n seats");
    assert!(trial.objects >= 1, "objects to read");
    let store = open(trial, seats).await?;
    let policy = policy(trial, seats.len());
    let data: Vec<u8> = (0..trial.len)
        .map(|at| u8::try_from(at % 251).expect("below 251"))
        .collect();
    // The first put claims an epoch, which no other does.
    put(&store, &policy, "first", &data).await?;
    let mut tried = Tried {
        puts: put_all(&store, trial, &policy, &data).await,
        gets: read_all(&store, trial, trial.reads, &data).await,
        without: Vec::new(),
    };
    for out in outs(seats.len(), trial.outs) {
        // Pairs are many: a quarter of the reads tells enough.
        let reads = if out.len() < 2 {
            trial.reads
        } else {
            trial.reads.div_ceil(4)
        };
        switch(seats, &out, true);
        let gets = read_all(&store, trial, reads, &data).await;
        switch(seats, &out, false);
        // Whoever was out is asked again, so that the next reads find all well.
        read_all(&store, trial, 2, &data).await;
        tried.without.push(Without { out, gets });
    }
    Ok(tried)
}

fn switch(seats: &[Arc<Own>], which: &[usize], out: bool) {
    for at in which {
        seats[*at].set_out(out);
    }
}

/// All sets of at most so many of n seats, single ones first.
fn outs(n: usize, most: usize) -> Vec<Vec<usize>> {
    let mut outs = Vec::new();
    if most >= 1 {
        outs.extend((0..n).map(|at| vec![at]));
    }
    if most >= 2 {
        outs.extend((0..n).flat_map(|first| (first + 1..n).map(move |second| vec![first, second])));
    }
    outs
}

fn micros(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX)
}

async fn open(trial: &Trial, seats: &[Arc<Own>]) -> Result<Arc<Store>, StoreError> {
    let keys = Keys::new(&SetSecret::new([7; 32]));
    let configured = seats.iter().map(|provider| Configured {
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

fn policy(trial: &Trial, n: usize) -> Policy {
    let n = u16::try_from(n).expect("few seats");
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

async fn put_all(store: &Arc<Store>, trial: &Trial, policy: &Policy, data: &[u8]) -> Seen {
    let puts = futures::stream::iter(0..trial.objects).map(async |number| {
        let begin = Instant::now();
        let failed = put(store, policy, &number.to_string(), data).await.err();
        (micros(begin), failed.map(|_| Class::Broken))
    });
    let times: Vec<_> = puts.buffered(trial.abreast.max(1)).collect().await;
    Seen::in_a_row(trial.len, &times)
}

async fn read_all(store: &Arc<Store>, trial: &Trial, reads: u32, data: &[u8]) -> Seen {
    let mut times = Vec::new();
    for number in 0..reads {
        let begin = Instant::now();
        let got = get(store, &(number % trial.objects).to_string()).await;
        let failed = match got {
            Ok(got) if got == data => None,
            Ok(_) => Some(Class::Corrupt),
            Err(_) => Some(Class::Broken),
        };
        times.push((micros(begin), failed));
    }
    Seen::in_a_row(data.len() as u64, &times)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mix::foretell::{Foretold, Seat, fragment_len};

    fn laws(names: &[&str]) -> Vec<Law> {
        let laws = Law::shipped();
        let law = |name: &&str| laws.iter().find(|law| law.name == **name).unwrap().clone();
        names.iter().map(law).collect()
    }

    fn run(names: &[&str], trial: &Trial) -> Tried {
        let seats: Vec<Arc<Own>> = laws(names).iter().map(|law| simulated(law, trial.seed)).collect();
        in_virtual_time(live(&seats, trial)).unwrap()
    }

    fn trial(k: u16, objects: u32, seed: u64) -> Trial {
        Trial {
            k,
            objects,
            reads: objects,
            len: 200_000,
            seed,
            outs: 1,
            abreast: 1,
        }
    }

    #[test]
    fn the_laws_foretell_what_the_store_lives_through() {
        for (names, k) in [
            (&["near", "steady", "far"][..], 2),
            (&["near", "steady", "edge", "jittery", "thin"], 3),
        ] {
            let trial = Trial {
                outs: 0,
                ..trial(k, 300, 5)
            };
            let tried = run(names, &trial);
            let len = fragment_len(k, trial.len);
            let seats = laws(names).iter().map(|law| Seat::of(law, len)).collect();
            let foretold = Foretold::of(seats, k);
            let (reads, writes) = (foretold.reads(), foretold.writes());
            for (what, seen, told) in [("get", &tried.gets, reads), ("put", &tried.puts, writes)] {
                let times = seen.quantiles();
                for (seen, told, within) in [(times.p50, told.p50, 0.15), (times.p99, told.p99, 0.3)] {
                    let seen = seen.unwrap();
                    assert!(
                        (seen / told - 1.0).abs() < within,
                        "{names:?} {what}: {seen} ms, foretold {told}"
                    );
                }
            }
        }
    }

    #[test]
    fn one_seed_is_one_trial() {
        let all = |seed| {
            let tried = run(&["near", "far", "edge"], &trial(2, 30, seed));
            let lists = [&tried.puts, &tried.gets].into_iter().cloned();
            lists
                .chain(tried.without.iter().map(|without| without.gets.clone()))
                .collect::<Vec<_>>()
        };
        assert_eq!(all(3), all(3));
        assert!(all(3).iter().all(|seen| seen.failed().is_empty()));
        assert_ne!(all(3), all(4));
    }

    #[test]
    fn each_one_and_each_pair_are_taken_out_once() {
        assert_eq!(outs(3, 0), Vec::<Vec<usize>>::new());
        assert_eq!(outs(2, 1), [[0], [1]]);
        assert_eq!(
            outs(3, 2),
            [vec![0], vec![1], vec![2], vec![0, 1], vec![0, 2], vec![1, 2]]
        );
    }
    #[test]
    fn a_few_objects_can_be_read_many_times() {
        let few = Trial {
            reads: 50,
            outs: 0,
            ..trial(2, 4, 9)
        };
        let tried = run(&["near", "steady", "edge"], &few);
        assert_eq!((tried.puts.succeeded(), tried.gets.succeeded()), (4, 50));
        let abreast = run(&["near", "steady", "edge"], &Trial { abreast: 3, ..few });
        assert_eq!((abreast.puts.succeeded(), abreast.gets.succeeded()), (4, 50));
    }
}
