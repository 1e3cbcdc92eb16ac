//! What a node under test stands on, so that it can be stopped and started again.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use raic::catalog::ledger::Ledger;
use raic::catalog::sqlite::SqliteCatalog;
use raic::clock::{Clock, FixedClock};
use raic::cloud_set::policy::Policy;
use raic::entropy::SystemEntropy;
use raic::fragment::id::SetId;
use raic::node::folder::Folder;
use raic::node::id::StorageIndex;
use raic::node::identity::Identity;
use raic::node::keeper::Rules;
use raic::node::provider::StorageProvider;
use raic::node::run::{Parts, Running};
use raic::node::spool::Room;
use raic::node::striped::{self, Limits, Striped};
use raic::provider::Provider;
use tempfile::TempDir;
use tokio::sync::{Mutex, oneshot};
use tokio::task::JoinHandle;

use super::client::Client;
use crate::support::{Set, policy};

/// The seed of the nodes under test.
const SEED: [u8; 32] = [42; 32];

/// Which provider.
#[expect(clippy::large_enum_variant, reason = "there is one of it in a test")]
enum Backend {
    Folder(TempDir),
    /// Six providers in memory; the folder is for the spool.
    Striped(Mutex<Set>, TempDir),
}

/// A place for shares, books and time, which outlast the node.
pub(crate) struct Ground {
    backend: Backend,
    ledger: Arc<SqliteCatalog>,
    pub(crate) clock: Arc<FixedClock>,
    pub(crate) rules: Rules,
}

/// Whether a blob is more than a header: records of epochs have nothing else.
fn has_data((_, blob): &(&String, &Bytes)) -> bool {
    blob.len() > 512
}

impl Ground {
    /// Shares in a folder.
    pub(crate) fn folder() -> Ground {
        Ground::on(Backend::Folder(TempDir::new().expect("a temporary folder")))
    }

    /// Shares over six providers, 4 + 2.
    pub(crate) fn striped() -> Ground {
        let spool = TempDir::new().expect("a temporary folder");
        Ground::on(Backend::Striped(Mutex::new(Set::new(6, 1)), spool))
    }

    fn on(backend: Backend) -> Ground {
        Ground {
            backend,
            ledger: Arc::new(SqliteCatalog::inline(SetId([5; 16])).expect("books in memory")),
            clock: Arc::new(FixedClock::at(1_700_000_000_000_000_000)),
            rules: Rules {
                read_only: false,
                reserve: 0,
                expiry: None,
                hold: 0,
            },
        }
    }

    async fn provider(&self) -> Arc<dyn StorageProvider> {
        match &self.backend {
            Backend::Folder(folder) => {
                let folder = Folder::open(folder.path(), Arc::new(SystemEntropy));
                Arc::new(folder.expect("a folder that is ours"))
            }
            Backend::Striped(set, spool) => {
                let room = Room::open(spool.path(), Arc::new(SystemEntropy), 1 << 20, 64 << 20);
                let begun = self.ledger.uploads().await.expect("books in memory");
                let ground = striped::Ground {
                    begun: begun
                        .iter()
                        .map(|it| (StorageIndex(it.share.index), it.share.number))
                        .collect(),
                    store: set.lock().await.open().await,
                    policy: Policy {
                        chunk_len: 4096,
                        fragment_len: 64 << 10,
                        ..policy(4, 2)
                    },
                    prefix: "tahoe".to_owned(),
                    room: room.expect("a folder that is ours"),
                    cache: 16 << 20,
                    limits: Limits::default(),
                };
                Arc::new(Striped::open(ground).await.expect("the set can be written"))
            }
        }
    }

    /// Starts a node here.
    pub(crate) async fn start(&self) -> Node {
        let parts = Parts {
            provider: self.provider().await,
            ledger: self.ledger.clone(),
            clock: self.clock.clone(),
            rules: self.rules.clone(),
            identity: Identity::of(&SEED).expect("a seed is an identity"),
            listen: "127.0.0.1:0".parse().expect("an address"),
            control: Some("127.0.0.1:0".parse().expect("an address")),
        };
        let running = Running::start(parts).await.expect("the node starts");
        let (address, control) = (
            running.address().expect("it listens"),
            running.control().expect("the door is open"),
        );
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(running.until(async move { drop(stopped.await) }));
        Node {
            address,
            control,
            identity: Identity::of(&SEED).expect("a seed is an identity"),
            stop,
            task,
        }
    }

    /// Moves the time that the next node begins with.
    pub(crate) fn advance(&self, seconds: i64) {
        self.clock.advance(seconds * 1_000_000_000);
    }

    /// Data blobs at the providers; none for a folder.
    pub(crate) async fn blobs(&self) -> usize {
        match &self.backend {
            Backend::Folder(_) => 0,
            Backend::Striped(set, _) => set.lock().await.fragments().iter().flatten().filter(has_data).count(),
        }
    }

    /// True if shares lie over several providers.
    pub(crate) fn is_striped(&self) -> bool {
        matches!(self.backend, Backend::Striped(..))
    }

    /// Uploads in the books.
    pub(crate) async fn uploads(&self) -> usize {
        self.ledger.uploads().await.expect("books in memory").len()
    }

    /// Puts that were begun and not ended; none for a folder.
    pub(crate) async fn open_puts(&self) -> usize {
        match &self.backend {
            Backend::Folder(_) => 0,
            Backend::Striped(set, _) => {
                let open = set.lock().await.catalog.open_generations().await;
                open.expect("a catalog in memory").len()
            }
        }
    }

    /// The first provider loses what it holds; answers how many blobs there were at all of them.
    pub(crate) async fn lose_what_a_provider_holds(&self) -> usize {
        let before = self.blobs().await;
        if let Backend::Striped(set, _) = &self.backend {
            let set = set.lock().await;
            for (key, _) in set.fragments()[0].iter().filter(has_data) {
                set.memories[0].delete(key).await.expect("memory forgets");
            }
        }
        before
    }

    /// Its time in seconds.
    pub(crate) fn now(&self) -> i64 {
        self.clock.seconds()
    }
}

/// A node that runs.
pub(crate) struct Node {
    pub(crate) address: SocketAddr,
    control: SocketAddr,
    identity: Identity,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Node {
    /// A new connection.
    pub(crate) async fn client(&self) -> Client {
        Client::connect(self.address, &self.identity).await
    }

    /// Asks the door for tests.
    pub(crate) async fn control(&self, method: &str, path: &str) -> serde_json::Value {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let mut stream = tokio::net::TcpStream::connect(self.control)
            .await
            .expect("the door is open");
        let request =
            format!("{method} {path} HTTP/1.1\r\nHost: node\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("the door listens");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("the door answers");
        let (_, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        serde_json::from_str(body).expect("JSON")
    }

    /// Stops it as its owner would.
    pub(crate) async fn stop(self) {
        drop(self.stop);
        self.task.await.expect("the node stops");
    }
}
