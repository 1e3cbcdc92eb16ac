//! Every provider's suite and the probe, against real servers on loopback.
//!
//! `RAIC_CLOUDS` names a folder with one folder a server, each with an `opendal.conf`: `scheme=` first, then OpenDAL's own
//! options, one `key=value` a line. `fixtures/clouds/cloud start` makes it. Without it these tests pass and say that they did nothing.
#![expect(
    clippy::print_stdout,
    reason = "what was skipped and what was found is read by people"
)]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use raic::clock::SystemClock;
use raic::entropy::{Entropy, SystemEntropy};
use raic::provider::conformance::{self, Options};
use raic::provider::isolate::Patience;
use raic::provider::opendal::{Remote, Spec};
use raic::provider::probe::{self, Creation, Finding, Probe};
use raic::provider::retry::Retry;
use raic::provider::steady;

/// The server's connection data; `None`, with a word why, if it isn't to be tested.
fn spec(server: &str) -> Option<Spec> {
    let Some(clouds) = std::env::var_os("RAIC_CLOUDS").map(PathBuf::from) else {
        println!("skipped: RAIC_CLOUDS is not set, so there is no server to test");
        return None;
    };
    let path = clouds.join(server).join("opendal.conf");
    let Ok(text) = std::fs::read_to_string(&path) else {
        println!("skipped: {} is not there, so {server} doesn't run", path.display());
        return None;
    };
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    let mut options: BTreeMap<String, String> = pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    let scheme = options.remove("scheme").expect("opendal.conf names its scheme");
    Some(Spec::new(server, scheme, options))
}

/// A folder that no other test uses.
fn prefix(what: &str) -> String {
    format!("test-{what}-{:016x}/", SystemEntropy.number())
}

async fn suite(server: &str, change: impl FnOnce(&mut Options), except: &[&str]) {
    let Some(spec) = spec(server) else { return };
    let mut options = Options {
        concurrency: usize::try_from(spec.limits.concurrency).expect("a small number"),
        ..Options::default()
    };
    change(&mut options);
    let remote = Arc::new(Remote::open(&spec).expect("the server's options are right"));
    // As RAIC uses it: some servers answer 500 or 503 now and then, and that is what retries are for.
    let provider = steady(
        remote,
        &spec.limits,
        Patience::default(),
        Retry::default(),
        SystemEntropy.number(),
    );
    let checks = conformance::run(provider, &prefix("suite"), &options).await;
    conformance::assert_passed(&checks, except);
}

async fn found(server: &str) -> Option<Probe> {
    let spec = spec(server)?;
    let remote = Arc::new(Remote::open(&spec).expect("the server's options are right"));
    let found = probe::probe(remote, &prefix("probe"), &SystemClock).await;
    println!("{server}: {found:#?}");
    Some(found)
}

macro_rules! server {
    ($name:ident, $folder:literal, $change:expr, $except:expr, $truth:expr) => {
        mod $name {
            use super::*;

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn passes_the_suite() {
                suite($folder, $change, &$except).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn is_found_out_by_the_probe() {
                if let Some(found) = found($folder).await {
                    let truth: fn(&Probe) = $truth;
                    truth(&found);
                }
            }
        }
    };
}

/// What holds of all: it stores, reads, reads ranges and removes, and answers.
fn works(found: &Probe) {
    for finding in [&found.put, &found.get, &found.range, &found.delete] {
        assert_eq!(*finding, Finding::Works, "{found:?}");
    }
    assert!(found.round_trip_ms.is_some_and(|ms| ms > 0.0));
}

/// A service that speaks HTTP, lists, and is on this machine, so its clock is ours.
fn on_http(found: &Probe) {
    works(found);
    assert_eq!(found.list, Finding::Works);
    assert!(
        found.clock_skew_s.is_some_and(|skew| skew.abs() <= 2),
        "{:?}",
        found.clock_skew_s
    );
}

fn torn(found: &Probe) -> Option<u32> {
    found.overwrite.map(|seen| seen.torn)
}

server!(seaweedfs, "seaweedfs", |_| {}, [], |found| {
    on_http(found);
    assert_eq!(found.create, Creation::Honoured);
    assert_eq!(found.rename, Finding::Unsupported);
    assert_eq!(torn(found), Some(0));
});

server!(rclone, "rclone", |_| {}, [], |found| {
    on_http(found);
    assert_eq!(found.create, Creation::Ignored);
});

server!(azurite, "azurite", |_| {}, [], |found| {
    on_http(found);
    assert_eq!(found.create, Creation::Honoured);
    assert_eq!(torn(found), Some(0));
});

server!(swift, "swift", |_| {}, [], |found| {
    on_http(found);
    assert_eq!(found.create, Creation::Unsupported);
});

server!(fake_gcs, "fake-gcs", |_| {}, [], |found| {
    on_http(found);
    assert_eq!(found.create, Creation::Ignored);
});

server!(apache, "apache", |_| {}, [], |found| {
    on_http(found);
    assert_eq!(
        (&found.create, &found.rename),
        (&Creation::Unsupported, &Finding::Works)
    );
    assert_eq!(torn(found), Some(0));
});

server!(openssh, "openssh", |_| {}, [], |found| {
    works(found);
    assert_eq!((&found.list, &found.rename), (&Finding::Works, &Finding::Works));
    assert_eq!(found.create, Creation::Honoured);
    assert_eq!(found.most_concurrency, Some(32));
    assert_eq!(torn(found), Some(0), "{:?}", found.overwrite);
    assert!(found.in_place.is_some_and(|seen| seen.torn > 0), "{:?}", found.in_place);
});

server!(vsftpd, "vsftpd", |_| {}, [], |found| {
    works(found);
    assert_eq!(found.create, Creation::Unsupported);
});

server!(redis, "redis", |options| options.lists = false, [], |found| {
    works(found);
    assert_eq!(
        (&found.list, &found.create),
        (&Finding::Unsupported, &Creation::Unsupported)
    );
});

server!(moto, "moto", |_| {}, [], |found| {
    on_http(found);
    assert_eq!(found.create, Creation::Honoured);
});
