//! Objects over six real servers of different kinds at once, while two of them are killed.
//!
//! The servers are this file's own, started and stopped through `RAIC_CLOUD_TOOL`; `fixtures/test` runs it.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod support;

use std::collections::BTreeMap;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use raic::catalog::Catalog;
use raic::catalog::record::{Condition, MemberState};
use raic::catalog::sqlite::{Mode, SqliteCatalog};
use raic::clock::FixedClock;
use raic::cloud_set::domain::{DomainKind, Domains};
use raic::cloud_set::policy::Policy;
use raic::entropy::SystemEntropy;
use raic::provider::isolate::Patience;
use raic::provider::opendal::{Spec, open};
use raic::provider::retry::Retry;
use raic::provider::steady;
use raic::store::clouds::Configured;
use raic::store::error::StoreError;
use raic::store::put::Put;
use raic::store::send::Silent;
use raic::store::{Ground, Settings, Store};
use support::{Set, get, policy, put, ramp};

const SERVERS: [&str; 6] = ["seaweedfs", "azurite", "swift", "fake-gcs", "apache", "openssh"];
const KILLED: [&str; 2] = ["apache", "openssh"];
const LEN: usize = 24 << 20;

/// Six servers; stopped when the test ends, whichever way.
struct Servers {
    folder: tempfile::TempDir,
    tool: PathBuf,
}

impl Servers {
    fn start() -> Servers {
        let tool =
            std::env::var_os("RAIC_CLOUD_TOOL").expect("RAIC_CLOUD_TOOL isn't set: run this through fixtures/test");
        let folder = tempfile::tempdir().unwrap();
        // The servers that give up root must still be able to enter.
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let servers = Servers {
            folder,
            tool: tool.into(),
        };
        servers.cloud("start", &SERVERS);
        servers
    }

    fn cloud(&self, verb: &str, names: &[&str]) {
        let mut command = Command::new(&self.tool);
        command
            .args(["--base-port", "17000", "--dir"])
            .arg(self.folder.path())
            .arg(verb)
            .args(names);
        let done = command.output().unwrap();
        assert!(
            done.status.success(),
            "cloud {verb}: {}",
            String::from_utf8_lossy(&done.stderr)
        );
    }

    fn configured(&self, server: &str) -> Configured {
        let text = std::fs::read_to_string(self.folder.path().join(server).join("opendal.conf")).unwrap();
        let pairs = text.lines().filter_map(|line| line.split_once('='));
        let mut options: BTreeMap<String, String> = pairs.map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
        let scheme = options.remove("scheme").unwrap();
        let spec = Spec::new(server, scheme, options);
        let retry = Retry::default();
        Configured {
            name: server.to_owned(),
            domains: Domains(BTreeMap::from([(DomainKind::Operator, server.to_owned())])),
            weight: 1.0,
            state: MemberState::Active,
            provider: steady(open(&spec).unwrap(), &spec.limits, Patience::default(), retry, 1),
        }
    }

    /// A store as a fresh process opens it.
    async fn open(&self, clock: &Arc<FixedClock>) -> Arc<Store> {
        let catalog =
            SqliteCatalog::open(&self.folder.path().join("catalog"), Set::keys().set(), Mode::ReadWrite).unwrap();
        let ground = Ground {
            keys: Set::keys(),
            catalog: Arc::new(catalog) as Arc<dyn Catalog>,
            providers: SERVERS.iter().map(|server| self.configured(server)).collect(),
            policies: Vec::new(),
            clock: clock.clone(),
            entropy: Arc::new(SystemEntropy),
            settings: Settings {
                stragglers: Duration::from_secs(5),
                ..Settings::default()
            },
        };
        Store::open(ground).await.unwrap()
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        // Nothing can be done about a failure here, and the test has its verdict.
        let _ = Command::new(&self.tool)
            .arg("--dir")
            .arg(self.folder.path())
            .arg("stop")
            .output();
    }
}

/// 4+2 over six operators, one fragment each, extents of 4 MiB.
fn over_six() -> Policy {
    Policy {
        spread: BTreeMap::from([(DomainKind::Operator, 1)]),
        chunk_len: 1 << 16,
        fragment_len: 1 << 20,
        ..policy(4, 2)
    }
}

/// A source that has something done when half of it is read.
struct Half<F: FnOnce()> {
    data: std::io::Cursor<Vec<u8>>,
    then: Option<F>,
}

impl<F: FnOnce()> Read for Half<F> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        if self.data.position() > self.data.get_ref().len() as u64 / 2
            && let Some(then) = self.then.take()
        {
            then();
        }
        self.data.read(into)
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs real servers: fixtures/test runs it"]
async fn six_operators_keep_what_was_stored_while_two_are_killed_and_tidy_up_afterwards() {
    let servers = Arc::new(Servers::start());
    let clock = Arc::new(FixedClock::at(1_700_000_000_000_000_000));
    let store = servers.open(&clock).await;
    let data = ramp(LEN);
    assert_eq!(put(&store, "kept", &over_six(), &data).await.unwrap().survives(), 2);

    let mut reader = store.read("kept", None, &[], Arc::new(Silent)).await.unwrap();
    let mut read = Vec::new();
    while let Some(bytes) = reader.next().await.unwrap() {
        if read.is_empty() {
            servers.cloud("kill", &KILLED);
        }
        read.extend_from_slice(&bytes);
    }
    reader.finish().await;
    assert!(read == data, "two were killed half-way through the get");
    servers.cloud("start", &SERVERS);

    let killer = servers.clone();
    let source = Half {
        data: std::io::Cursor::new(ramp(LEN)),
        then: Some(move || killer.cloud("kill", &KILLED)),
    };
    let request = Put {
        name: "cut".to_owned(),
        policy: over_six(),
        condition: Condition::Any,
        modified: None,
        len_hint: None,
    };
    let outcome = store.put(request, source, Arc::new(Silent)).await;
    match &outcome {
        Ok(stored) => assert!(stored.confirmed >= 5),
        Err(error) => assert!(
            matches!(error, StoreError::NotStored { .. } | StoreError::OutcomeUnknown { .. }),
            "{error}"
        ),
    }
    assert!(get(&store, "kept").await.unwrap() == data, "with two away");
    drop(store);

    servers.cloud("start", &SERVERS);
    let next = servers.open(&clock).await;
    next.begin_writing().await.unwrap();
    assert_eq!(
        next.catalog().open_generations().await.unwrap(),
        [],
        "settled once the servers are back"
    );
    match get(&next, "cut").await {
        Ok(bytes) => assert!(outcome.is_ok() && bytes == data),
        Err(error) => assert!(
            outcome.is_err() && matches!(error, StoreError::NotFound { .. }),
            "{error}"
        ),
    }
    while next.sweep(1000).await.unwrap().deleted > 0 {}
    assert_eq!(
        next.catalog().census(&[]).await.unwrap().doomed,
        0,
        "what arrived of the cut put is deleted"
    );

    servers.cloud("kill", &KILLED[..1]);
    let stored = put(&next, "one away", &over_six(), &data).await.unwrap();
    assert_eq!(
        (stored.confirmed, stored.survives()),
        (5, 1),
        "at the quorum, and it says so"
    );
    assert!(get(&next, "one away").await.unwrap() == data);
}
