//! A whole put and get against plain OpenDAL calls that move the same coded bytes, in one run, interleaved.
//!
//! `cargo bench --bench store [-- MIB [FOLDER]]`; the answers are checked. The table goes to `docs/benchmarks.md`.
//! OpenDAL syncs each file that it closes, on both sides: in a folder on a disk the device is the limit, on a tmpfs (`/dev/shm`) the memory is.
//!
//! `paced` puts a line of 60 MiB/s each way before each of the folders, on both sides: what lies between the bytes of two extents shows there.
//!
//! ```text
//! plain put   n × (fragment bytes) written through OpenDAL's own operator, n at a time            raic put   seal, code, tag, send, commit
//! plain get   k of the n read back                                                               raic get   fetch, verify, open
//! ```

#![expect(clippy::print_stdout, reason = "the table is the answer")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::{StreamExt, stream};
use opendal::Operator;
use raic::catalog::Catalog;
use raic::catalog::record::{Condition, MemberState};
use raic::catalog::sqlite::{Mode, SqliteCatalog};
use raic::clock::SystemClock;
use raic::cloud_set::domain::Domains;
use raic::cloud_set::policy::{Policy, Prefer};
use raic::entropy::SystemEntropy;
use raic::fragment::secret::{Keys, SetSecret};
use raic::provider::memory::Memory;
use raic::provider::opendal::{Spec, open};
use raic::provider::pace::{Pace, Paced};
use raic::provider::retry::Retry;
use raic::provider::{Provider, steady};
use raic::store::clouds::Configured;
use raic::store::put::Put;
use raic::store::send::Silent;
use raic::store::{Ground, Settings, Store};

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const K: u16 = 4;
const M: u16 = 2;
const ROUNDS: usize = 5;
const FRAGMENT: usize = 8 << 20;

/// Bytes a second each way of a provider whose device is the limit.
const RATE: u64 = 60 << 20;

fn main() {
    let mib: usize = std::env::args()
        .skip(1)
        .find_map(|word| word.parse().ok())
        .unwrap_or(1024);
    let folder = std::env::args().skip(1).find(|word| Path::new(word).is_dir());
    let folder = folder.map_or_else(std::env::temp_dir, PathBuf::from);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    println!(
        "{K}+{M}, {mib} MiB, {ROUNDS} rounds each, MiB of payload per second: median (least, most); ratio of medians to plain OpenDAL"
    );
    println!(
        "kernel {}, folders in {}",
        raic::codec::kernel::name(),
        folder.display()
    );
    runtime.block_on(compare("paced", &folder, mib, true));
    for sealed in [true, false] {
        runtime.block_on(compare("fs", &folder, mib, sealed));
        runtime.block_on(compare("memory", &folder, mib, sealed));
    }
}

async fn compare(kind: &str, folder: &Path, mib: usize, sealed: bool) {
    let folder = tempfile::tempdir_in(folder).expect("a folder");
    let data: Vec<u8> = (0..=250_u8).cycle().take(mib << 20).collect();
    let data = Arc::new(data);
    let plain = plain(kind, folder.path());
    let store = store(kind, folder.path()).await;
    let mut times: BTreeMap<&str, Vec<Duration>> = BTreeMap::new();
    for round in 0..ROUNDS {
        let mut note = |what, time| times.entry(what).or_default().push(time);
        note("plain put", plain_put(&plain, &data, round).await);
        note("raic put", raic_put(&store, &data, sealed).await);
        note("plain get", plain_get(&plain, data.len(), round).await);
        note("raic get", raic_get(&store, &data).await);
        for place in &plain {
            place.clear(round).await;
        }
        store.sweep(100_000).await.expect("old blobs go");
    }
    for verb in ["put", "get"] {
        let (ours, theirs) = (
            median(&times[format!("raic {verb}").as_str()]),
            median(&times[format!("plain {verb}").as_str()]),
        );
        for (who, times) in [
            ("plain", &times[format!("plain {verb}").as_str()]),
            ("raic", &times[format!("raic {verb}").as_str()]),
        ] {
            let mib = f64::from(u32::try_from(mib).expect("fewer than 2^32 MiB"));
            let rate = |time: &Duration| (mib / time.as_secs_f64()).round();
            let (least, most) = (times.iter().max().expect("rounds"), times.iter().min().expect("rounds"));
            println!(
                "{kind:6} {:9} {who:5} {verb}  {:6} ({}, {})",
                cipher(sealed),
                rate(&median(times)),
                rate(least),
                rate(most)
            );
        }
        println!(
            "{kind:6} {:9} ratio {verb}  {:.2}",
            cipher(sealed),
            theirs.as_secs_f64() / ours.as_secs_f64()
        );
    }
}

fn cipher(sealed: bool) -> &'static str {
    if sealed { "sealed" } else { "open" }
}

fn median(times: &[Duration]) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort();
    sorted[sorted.len() / 2]
}

/// A place for bytes that RAIC has no part in.
#[derive(Clone)]
enum Plain {
    Opendal(Operator),
    /// OpenDAL behind a slow line.
    Slow(Arc<dyn Provider>),
}

impl Plain {
    async fn write(&self, key: &str, body: bytes::Bytes) {
        match self {
            Plain::Opendal(operator) => drop(operator.write(key, body).await.expect("a plain write")),
            Plain::Slow(provider) => drop(provider.put(key, body).await.expect("a plain write")),
        }
    }

    async fn read(&self, key: &str, len: usize) -> usize {
        match self {
            Plain::Opendal(operator) => operator.read(key).await.expect("a plain read").to_bytes().len(),
            Plain::Slow(provider) => {
                let parts = provider.get(key, 0..len as u64).await.expect("a plain read");
                parts.join().len()
            }
        }
    }

    async fn clear(&self, round: usize) {
        let prefix = format!("{round}/");
        match self {
            Plain::Opendal(operator) => {
                let gone = operator.delete_with(&prefix).recursive(true).await;
                gone.expect("plain blobs go");
            }
            Plain::Slow(provider) => {
                let mut listing = provider.list(&prefix);
                while let Some(listed) = listing.next().await {
                    let key = listed.expect("a listing").key;
                    provider.delete(&key).await.expect("plain blobs go");
                }
            }
        }
    }
}

/// A device that is the limit: what a disk or a link of its own gives each provider.
fn slow(provider: Arc<dyn Provider>, seed: u64) -> Arc<dyn Provider> {
    let pace = Pace {
        latency: Duration::from_millis(5),
        jitter: Duration::ZERO,
        upload: Some(RATE),
        download: Some(RATE),
    };
    Arc::new(Paced::new(provider, pace, seed))
}

fn plain(kind: &str, folder: &Path) -> Vec<Plain> {
    opendal::install_default();
    let place = |i: u16| {
        let path = |what: &str| folder.join(format!("plain{i}{what}")).to_string_lossy().into_owned();
        let options = match kind {
            "memory" => vec![("root".to_owned(), "/".to_owned())],
            _ => vec![
                ("root".to_owned(), path("")),
                ("atomic_write_dir".to_owned(), path("tmp")),
            ],
        };
        if kind == "paced" {
            let spec = Spec::new(
                format!("plain{i}"),
                "fs",
                BTreeMap::from([("root".to_owned(), path(""))]),
            );
            let opened = open(&spec).expect("a provider");
            return Plain::Slow(slow(opened, u64::from(i)));
        }
        Plain::Opendal(Operator::via_iter(kind, options).expect("an operator"))
    };
    (0..K + M).map(place).collect()
}

/// The same coded bytes as RAIC writes: n fragments of 8 MiB for each k × 8 MiB of payload, n writes at a time twice over.
async fn plain_put(places: &[Plain], data: &Arc<Vec<u8>>, round: usize) -> Duration {
    let begin = Instant::now();
    let extents = data.len().div_ceil(FRAGMENT * usize::from(K));
    let blobs = (0..extents).flat_map(|extent| (0..usize::from(K + M)).map(move |index| (extent, index)));
    stream::iter(blobs)
        .map(|(extent, index)| {
            let body = bytes::Bytes::from_owner(Whole(data.clone()));
            let at = ((extent * usize::from(K) + index % usize::from(K)) * FRAGMENT).min(body.len());
            let body = body.slice(at..(at + FRAGMENT).min(body.len()));
            let place = places[index].clone();
            async move { place.write(&format!("{round}/{extent}-{index}"), body).await }
        })
        .buffer_unordered(usize::from(K + M) * 2)
        .collect::<Vec<_>>()
        .await;
    begin.elapsed()
}

struct Whole(Arc<Vec<u8>>);

impl AsRef<[u8]> for Whole {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

async fn plain_get(places: &[Plain], len: usize, round: usize) -> Duration {
    let begin = Instant::now();
    let extents = len.div_ceil(FRAGMENT * usize::from(K));
    let blobs = (0..extents).flat_map(|extent| (0..usize::from(K)).map(move |index| (extent, index)));
    let read = stream::iter(blobs)
        .map(|(extent, index)| {
            let place = places[index].clone();
            let at = (extent * usize::from(K) + index) * FRAGMENT;
            let len = FRAGMENT.min(len.saturating_sub(at));
            async move { place.read(&format!("{round}/{extent}-{index}"), len).await }
        })
        .buffered(usize::from(K) * 2)
        .fold(0, |sum, len| async move { sum + len })
        .await;
    assert_eq!(read, len, "all bytes came");
    begin.elapsed()
}

async fn store(kind: &str, folder: &Path) -> Arc<Store> {
    let keys = Keys::new(&SetSecret::new([1; 32]));
    let catalog = SqliteCatalog::open(&folder.join("catalog"), keys.set(), Mode::ReadWrite).expect("a catalog");
    let providers = (0..K + M).map(|i| {
        let name = format!("p{i}");
        let provider: Arc<dyn Provider> = match kind {
            "fs" | "paced" => {
                let root = folder.join(&name).to_string_lossy().into_owned();
                let spec = Spec::new(name.clone(), "fs", BTreeMap::from([("root".to_owned(), root)]));
                let patience = raic::provider::isolate::Patience::default();
                let opened = open(&spec).expect("a provider");
                let opened = if kind == "paced" {
                    slow(opened, u64::from(i))
                } else {
                    opened
                };
                steady(opened, &spec.limits, patience, Retry::default(), u64::from(i))
            }
            _ => Arc::new(Memory::new(name.clone())),
        };
        Configured {
            name,
            domains: Domains::default(),
            weight: 1.0,
            state: MemberState::Active,
            provider,
        }
    });
    let ground = Ground {
        keys,
        catalog: Arc::new(catalog) as Arc<dyn Catalog>,
        providers: providers.collect(),
        policies: Vec::new(),
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
        settings: Settings {
            grace: Duration::ZERO,
            ..Settings::default()
        },
    };
    Store::open(ground).await.expect("a store")
}

async fn raic_put(store: &Arc<Store>, data: &Arc<Vec<u8>>, sealed: bool) -> Duration {
    let policy = Policy {
        name: "default".to_owned(),
        k: K,
        m: M,
        spread: BTreeMap::new(),
        quorum: Policy::lowest_quorum(K, K + M),
        sealed,
        prefer: Prefer::Latency,
        providers: None,
        chunk_len: 1 << 16,
        fragment_len: FRAGMENT as u64,
    };
    let put = Put {
        name: "big".to_owned(),
        policy,
        condition: Condition::Any,
        modified: None,
        len_hint: Some(data.len() as u64),
    };
    let begin = Instant::now();
    let stored = store
        .put(put, std::io::Cursor::new(Whole(data.clone())), Arc::new(Silent))
        .await
        .expect("a put");
    assert_eq!(stored.survives(), M);
    begin.elapsed()
}

async fn raic_get(store: &Arc<Store>, data: &Arc<Vec<u8>>) -> Duration {
    let begin = Instant::now();
    let mut reader = store.read("big", None, &[], Arc::new(Silent)).await.expect("a read");
    let (mut at, mut taken) = (0, Duration::ZERO);
    while let Some(bytes) = reader.next().await.expect("bytes") {
        let checking = Instant::now();
        assert!(bytes == data[at..at + bytes.len()], "the bytes at {at}");
        at += bytes.len();
        taken += checking.elapsed();
    }
    assert_eq!(at, data.len());
    reader.finish().await;
    begin.elapsed().saturating_sub(taken)
}
