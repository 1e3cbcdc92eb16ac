//! A whole put and get against plain OpenDAL calls that move the same coded bytes, in one run, interleaved.
//!
//! `cargo bench --bench store [-- MIB [FOLDER] [KIND...]]`, kinds `paced`, `fs`, `memory` and `small`; the answers are checked. The
//! table goes to `docs/benchmarks.md`.
//! OpenDAL syncs each file that it closes, on both sides: in a folder on a disk the device is the limit, on a tmpfs (`/dev/shm`) the memory is.
//!
//! `memory` and `small` are something else: providers that keep references, and beside them what a put and a get do to their bytes, nothing more; and what
//! a short object costs.
//!
//! `paced` puts a line of 60 MiB/s each way before each of the folders, on both sides: what lies between the bytes of two extents shows there.
//!
//! ```text
//! plain put   n × (fragment bytes) written through OpenDAL's own operator, n at a time            raic put   seal, code, tag, send, commit
//! sink put    the same as raic put, to providers that drop the bytes: what is RAIC's own part
//! plain get   k of the n read back                                                               raic get   fetch, verify, open
//! ```

#![expect(clippy::print_stdout, reason = "the table is the answer")]

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

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
use raic::provider::retry::Retry;
use raic::provider::{Provider, steady};
use raic::store::clouds::Configured;
use raic::store::put::Put;
use raic::store::send::Silent;
use raic::store::{Ground, Settings, Store};

use plain::Whole;
use sink::Sink;

mod counting;
mod memory;
mod plain;
mod sink;
mod small;
#[path = "../pipeline/get.rs"]
#[expect(dead_code, reason = "the parts of a get are for the other bench")]
mod pipeline_get;
#[path = "../pipeline/put.rs"]
#[expect(dead_code, reason = "the parts of a put are for the other bench")]
mod put;

#[global_allocator]
static ALLOCATOR: counting::Counting = counting::Counting;

pub(crate) const K: u16 = 4;
pub(crate) const M: u16 = 2;
const ROUNDS: usize = 5;
pub(crate) const FRAGMENT: usize = 8 << 20;

/// What providers may be.
const KINDS: [&str; 4] = ["paced", "fs", "memory", "small"];

/// Bytes a second each way of a provider whose device is the limit.
pub(crate) const RATE: u64 = 60 << 20;

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
    let kinds: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| KINDS.contains(&word.as_str()))
        .collect();
    for kind in KINDS {
        if kinds.is_empty() || kinds.iter().any(|asked| asked == kind) {
            for sealed in [true, false] {
                match kind {
                    "memory" => runtime.block_on(memory::compare(&folder, mib, sealed)),
                    "small" if sealed => runtime.block_on(small::costs(&folder)),
                    "paced" | "small" if !sealed => {}
                    _ => runtime.block_on(compare(kind, &folder, mib, sealed)),
                }
            }
        }
    }
}

async fn compare(kind: &str, folder: &Path, mib: usize, sealed: bool) {
    let folder = tempfile::tempdir_in(folder).expect("a folder");
    let data: Vec<u8> = (0..=250_u8).cycle().take(mib << 20).collect();
    let data = Arc::new(data);
    let places = plain::places(kind, folder.path());
    let store = store(kind, folder.path()).await;
    let sinks = self::store("sink", &folder.path().join("nowhere")).await;
    let mut times: BTreeMap<&str, Vec<Duration>> = BTreeMap::new();
    for round in 0..ROUNDS {
        let mut note = |what, time| times.entry(what).or_default().push(time);
        warm(folder.path(), data.len() / usize::from(K) * usize::from(K + M));
        note("plain put", plain::put(&places, &data, round).await);
        warm(folder.path(), data.len() / usize::from(K) * usize::from(K + M));
        note("raic put", raic_put(&store, &data, sealed).await);
        note("sink put", raic_put(&sinks, &data, sealed).await);
        note("plain get", plain::get(&places, data.len(), round).await);
        note("raic get", raic_get(&store, &data, false).await);
        for place in &places {
            place.clear(round).await;
        }
        store.sweep(100_000).await.expect("old blobs go");
    }
    raic_get(&store, &data, true).await;
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
    let (ours, theirs, alone) = (
        median(&times["raic put"]),
        median(&times["plain put"]),
        median(&times["sink put"]),
    );
    println!(
        "{kind:6} {:9} limit put  {:.2} of plain if no core ever waits: a put to nowhere takes {:.2} of a plain put's time; reached {:.2} of it",
        cipher(sealed),
        theirs.as_secs_f64() / (theirs + alone).as_secs_f64(),
        alone.as_secs_f64() / theirs.as_secs_f64(),
        (theirs + alone).as_secs_f64() / ours.as_secs_f64()
    );
}

/// Writes and removes as much as the next put does. A virtual machine may give pages that are free back to its host, and who takes them next
/// pays: so that neither side does, unless it takes more than the other.
fn warm(folder: &Path, bytes: usize) {
    let path = folder.join("warm");
    let mut file = std::fs::File::create(&path).expect("a file");
    let block = vec![1; 1 << 20];
    for _ in 0..bytes >> 20 {
        file.write_all(&block).expect("room");
    }
    drop(file);
    std::fs::remove_file(path).expect("a file");
}

fn cipher(sealed: bool) -> &'static str {
    if sealed { "sealed" } else { "open" }
}

fn median(times: &[Duration]) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort();
    sorted[sorted.len() / 2]
}

async fn store(kind: &str, folder: &Path) -> Arc<Store> {
    std::fs::create_dir_all(folder).expect("a folder");
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
                    plain::slow(opened, u64::from(i))
                } else {
                    opened
                };
                steady(opened, &spec.limits, patience, Retry::default(), u64::from(i))
            }
            "sink" => Arc::new(Sink(Memory::new(name.clone()))),
            "sharing" => Arc::new(Memory::sharing(name.clone())),
            _ => unreachable!("no kind is called {kind}"),
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
            // Who keeps references keeps what they count for.
            memory: if kind == "sharing" {
                1 << 40
            } else {
                Settings::default().memory
            },
            ..Settings::default()
        },
    };
    Store::open(ground).await.expect("a store")
}

async fn raic_put(store: &Arc<Store>, data: &Arc<Vec<u8>>, sealed: bool) -> Duration {
    put_as(store, "big", data, sealed).await
}

pub(crate) async fn put_as(store: &Arc<Store>, name: &str, data: &Arc<Vec<u8>>, sealed: bool) -> Duration {
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
        name: name.to_owned(),
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

async fn raic_get(store: &Arc<Store>, data: &Arc<Vec<u8>>, check: bool) -> Duration {
    get_as(store, "big", data, check).await
}

/// A get of all; the bytes are compared only if so asked, since the next ones come meanwhile.
pub(crate) async fn get_as(store: &Arc<Store>, name: &str, data: &Arc<Vec<u8>>, check: bool) -> Duration {
    let begin = Instant::now();
    let mut reader = store.read(name, None, &[], Arc::new(Silent)).await.expect("a read");
    let mut at = 0;
    while let Some(bytes) = reader.next().await.expect("bytes") {
        assert!(!check || bytes == data[at..at + bytes.len()], "the bytes at {at}");
        at += bytes.len();
    }
    assert_eq!(at, data.len(), "all bytes came");
    reader.finish().await;
    begin.elapsed()
}
