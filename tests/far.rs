//! A node whose clouds are far away: what a share costs in time and in requests. Time is simulated.

mod support;

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use raic::catalog::record::MemberState;
use raic::catalog::sqlite::SqliteCatalog;
use raic::clock::FixedClock;
use raic::cloud_set::domain::Domains;
use raic::cloud_set::policy::Policy;
use raic::entropy::{SeededEntropy, SystemEntropy};
use raic::node::id::{Kind, Share, StorageIndex};
use raic::node::keeper::{Keeper, Rules};
use raic::node::secret::Hashed;
use raic::node::server::{LeaseSecrets, StorageServer};
use raic::node::spool::Room;
use raic::node::striped::{self, Limits, Striped};
use raic::provider::memory::Memory;
use raic::provider::meter::Meter;
use raic::provider::pace::{Pace, Paced};
use raic::provider::{Operation, Provider};
use raic::store::clouds::Configured;
use raic::store::{Acknowledge, Ground, Settings, Store};
use support::{Set, policy};
use tokio::time::{Instant, sleep};

const MIB: u64 = 1 << 20;

/// How far each cloud is.
const FAR: Duration = Duration::from_millis(50);

/// Bytes a second that each cloud takes.
const LINE: u64 = 4 * MIB;

/// A client's file of 64 MiB, 1 of 1: the share has hash trees and the URI extension behind it.
const SHARE: u64 = 64 * MIB + 12_559;

const INDEX: StorageIndex = StorageIndex([9; 16]);
const THIS: Share = Share {
    kind: Kind::Immutable,
    index: INDEX,
    number: 0,
};

/// Six clouds at 4 + 2.
struct Far {
    store: Arc<Store>,
    meters: Vec<Arc<Meter>>,
    spool: tempfile::TempDir,
}

impl Far {
    async fn open() -> Far {
        let meters: Vec<Arc<Meter>> = (0..6)
            .map(|number| {
                let pace = Pace {
                    latency: FAR,
                    upload: Some(LINE),
                    ..Pace::default()
                };
                let memory = Arc::new(Memory::new(format!("p{number}")));
                Arc::new(Meter::new(Arc::new(Paced::new(memory, pace, number))))
            })
            .collect();
        let configured = meters.iter().map(|meter| Configured {
            name: meter.name().to_owned(),
            domains: Domains::default(),
            weight: 1.0,
            state: MemberState::Active,
            provider: meter.clone(),
        });
        let ground = Ground {
            keys: Set::keys(),
            catalog: Arc::new(SqliteCatalog::inline(Set::keys().set()).expect("a catalog in memory")),
            providers: configured.collect(),
            policies: Vec::new(),
            clock: Arc::new(FixedClock::at(1_700_000_000_000_000_000)),
            entropy: Arc::new(SeededEntropy::new(1)),
            settings: Settings {
                acknowledge: Acknowledge::Quorum,
                ..Settings::default()
            },
        };
        Far {
            store: Store::open(ground).await.expect("a store opens"),
            meters,
            spool: tempfile::tempdir().expect("a temporary folder"),
        }
    }

    /// A node that has read nothing yet.
    async fn node(&self) -> Keeper {
        let room = Room::open(self.spool.path(), Arc::new(SystemEntropy), 128 * MIB, 64 * MIB);
        let ground = striped::Ground {
            begun: Vec::new(),
            store: self.store.clone(),
            policy: Policy {
                chunk_len: 64 << 10,
                fragment_len: 8 * MIB,
                ..policy(4, 2)
            },
            prefix: "tahoe".to_owned(),
            room: room.expect("a folder that is ours"),
            cache: 128 * MIB,
            limits: Limits::default(),
        };
        let striped = Striped::open(ground).await.expect("the set can be written");
        let books = Arc::new(SqliteCatalog::inline(Set::keys().set()).expect("books in memory"));
        let rules = Rules {
            read_only: false,
            reserve: 0,
            expiry: None,
            hold: 0,
        };
        Keeper::new(Arc::new(striped), books, Arc::new(FixedClock::at(1)), rules)
    }

    fn gets(&self) -> u64 {
        self.meters
            .iter()
            .map(|meter| {
                meter
                    .snapshot()
                    .operations
                    .get(&Operation::Get)
                    .map_or(0, |tally| tally.calls)
            })
            .sum()
    }
}

fn ramp(range: Range<u64>) -> Bytes {
    range
        .map(|byte| u8::try_from(byte % 251).expect("below 251"))
        .collect::<Vec<u8>>()
        .into()
}

/// Writes the share as Tahoe's client does: pieces in order, each after the answer to the one before.
async fn upload(node: &Keeper) {
    let (secret, lease) = (
        Hashed([1; 32]),
        LeaseSecrets {
            renew: Hashed([2; 32]),
            cancel: Hashed([3; 32]),
        },
    );
    let allocated = node
        .allocate(INDEX, BTreeSet::from([0]), SHARE, secret, lease)
        .await
        .expect("there is room");
    assert_eq!(allocated.allocated, BTreeSet::from([0]));
    let mut at = 0;
    while at < SHARE {
        let to = SHARE.min(at + MIB);
        // The client is far away too.
        sleep(Duration::from_millis(10)).await;
        let body = stream::iter([Ok(ramp(at..to))]).boxed();
        node.write(THIS, secret, at..to, body)
            .await
            .expect("the write is taken");
        at = to;
    }
}

async fn read(node: &Keeper, range: Range<u64>) {
    let reading = node.read(THIS, Some(range.clone())).await.expect("the share is there");
    let pieces: Vec<Bytes> = reading.bytes.try_collect().await.expect("it can be read");
    assert!(pieces.concat() == ramp(range.clone()), "{range:?}");
}

#[tokio::test(start_paused = true)]
async fn clouds_far_away_take_a_share_at_four_fifths_of_their_lines_and_give_it_back_in_a_request_an_extent() {
    let far = Far::open().await;
    let node = far.node().await;
    let began = Instant::now();
    upload(&node).await;
    #[expect(clippy::cast_precision_loss, reason = "a ratio")]
    let of_the_line = SHARE as f64 / (4 * LINE) as f64 / began.elapsed().as_secs_f64();
    assert!(of_the_line >= 0.8, "{of_the_line:.2}");

    let extents = far
        .store
        .snapshot(&format!("tahoe/immutable/{INDEX}/0"))
        .await
        .expect("the catalog answers");
    let extents = extents.expect("the share is there").pieces().len() as u64;
    let (node, before) = (far.node().await, far.gets());
    // The header, then each block with two nodes of the hash trees, which lie behind the data.
    read(&node, 0..36).await;
    for block in 0..64 {
        read(&node, 64 * MIB + block * 64..64 * MIB + block * 64 + 32).await;
        read(&node, 64 * MIB + 8000 + block * 64..64 * MIB + 8064 + block * 64).await;
        read(&node, 36 + block * MIB..(36 + (block + 1) * MIB).min(SHARE)).await;
    }
    let requests = far.gets() - before;
    assert!(
        requests * 10 <= extents * 4 * 11,
        "{requests} requests for {extents} extents of 4 chunks"
    );
}
