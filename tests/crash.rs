//! A process that dies at any of its calls to any provider, or at anything that it writes into its catalog, leaves the old or the new version, never a
//! mix, and the next one tidies up.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod support;

use std::collections::BTreeSet;
use std::sync::Arc;

use raic::care::balance::{Scope, balance};
use raic::care::recover::{Options, recover};
use raic::care::repair::{check, repair};
use raic::catalog::record::{FragmentState, Health, MemberState};
use raic::catalog::sqlite::SqliteCatalog;
use raic::fragment::id::Kind;
use raic::fragment::key::open_key;
use raic::store::Store;
use raic::store::error::StoreError;
use raic::store::modify::Modify;
use raic::store::send::{Progress, Silent, blob_key};
use support::cut::Death;
use support::{Set, get, policy, put, ramp};

/// What the dying process was doing.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Work {
    First { len: usize },
    Overwrite { len: usize },
    Remove,
    Change,
    Repair,
    Rebalance,
    Drain,
    Recover,
}

const OLD: usize = 700;

/// Bytes of an object of several extents, and of the same with a piece in its middle written anew and more at its end.
const CHANGED: (usize, usize) = (15_000, 15_700);

/// Bytes of the object that care looks after: one extent.
const KEPT: usize = 3_000;

/// The change, which leaves the bytes of the ramp.
async fn change(store: &Arc<Store>) -> Result<(), StoreError> {
    let (old, len) = CHANGED;
    let bytes = bytes::Bytes::from(ramp(len));
    let change = Modify {
        name: "a".to_owned(),
        policy: policy(4, 2),
        base: store.snapshot("a").await?,
        patches: [(3000, bytes.slice(3000..3100)), (old as u64, bytes.slice(old..))].into(),
        len: len as u64,
    };
    store.modify(change, Arc::new(Silent)).await.map(drop)
}

impl Work {
    async fn run(self, store: Arc<Store>) -> Result<(), StoreError> {
        match self {
            Work::First { len } | Work::Overwrite { len } => {
                put(&store, "a", &policy(4, 2), &ramp(len)).await.map(drop)
            }
            Work::Remove => store.remove("a", &policy(4, 2), Arc::new(Silent)).await.map(drop),
            Work::Change => change(&store).await,
            Work::Repair => repair(&store, "a", &silent()).await.map(drop),
            Work::Rebalance => moved(&store, Scope::Everything).await.map(drop),
            Work::Drain => moved(&store, drained()).await.map(drop),
            Work::Recover => recover(&store, None, Options::default(), &silent()).await.map(drop),
        }
    }

    /// True if it changes nothing that can be read.
    fn is_care(self) -> bool {
        matches!(self, Work::Repair | Work::Rebalance | Work::Drain | Work::Recover)
    }

    /// What may be read afterwards, by length; `None` for no object.
    fn old_and_new(self) -> (Option<usize>, Option<usize>) {
        match self {
            Work::First { len } => (None, Some(len)),
            Work::Overwrite { len } => (Some(OLD), Some(len)),
            Work::Remove => (Some(OLD), None),
            Work::Change => (Some(CHANGED.0), Some(CHANGED.1)),
            Work::Repair | Work::Rebalance | Work::Drain | Work::Recover => (Some(KEPT), Some(KEPT)),
        }
    }
}

fn silent() -> Arc<dyn Progress> {
    Arc::new(Silent)
}

/// All that the first provider holds.
fn drained() -> Scope {
    Scope::From("p0".to_owned())
}

/// Moves fragments; how many.
async fn moved(store: &Arc<Store>, scope: Scope) -> Result<u64, StoreError> {
    let balanced = balance(store, &scope, false, &silent(), &|| false, &mut |_| ()).await?;
    Ok(balanced.moved)
}

async fn prepared(work: Work) -> Set {
    let mut set = Set::new(8, 40);
    set.policies = vec![policy(4, 2)];
    set.configured = 6;
    let store = set.open().await;
    put(&store, "other", &policy(4, 2), &ramp(100)).await.unwrap();
    let old = match work {
        Work::First { .. } => None,
        Work::Overwrite { .. } | Work::Remove => Some(OLD),
        Work::Change => Some(CHANGED.0),
        _ => Some(KEPT),
    };
    if let Some(len) = old {
        put(&store, "a", &policy(4, 2), &ramp(len)).await.unwrap();
    }
    match work {
        Work::Repair => damage(&set, &store).await,
        Work::Rebalance => set.configured = 7,
        Work::Drain => {
            // One more than is needed: what was perhaps sent keeps its place.
            set.configured = 8;
            set.states = vec![MemberState::Draining];
        }
        Work::Recover => set.take_catalog(SqliteCatalog::inline(Set::keys().set()).unwrap()),
        _ => {}
    }
    set
}

/// Of every extent of the object one fragment vanishes.
async fn damage(set: &Set, store: &Arc<Store>) {
    for (at, piece) in store.catalog().extents("a").await.unwrap().iter().enumerate() {
        let gone = piece.fragments.iter().skip(at % 3).take(1);
        for fragment in gone {
            let key = blob_key(&Set::keys(), &piece.extent, fragment.index, fragment.copy);
            assert!(set.memories.iter().any(|memory| memory.steal(&key).is_some()));
        }
    }
}

/// Dies at call `at`, opens again, and checks all that is promised. False if the work ended before that call.
async fn dies_at(work: Work, at: u64, lands: bool) -> bool {
    let mut set = prepared(work).await;
    let death = Death::at(at, lands);
    let store = set.open_to_die(&death).await;
    let acknowledged = tokio::select! {
        biased;
        () = death.died.notified() => false,
        result = work.run(store) => { result.unwrap(); true }
    };
    let case = format!(
        "{work:?} cut at call {at}, which {}",
        if lands { "lands" } else { "does not land" }
    );
    let next = tidied(&mut set, work)
        .await
        .unwrap_or_else(|error| panic!("{case}: {error}"));
    let found = match get(&next, "a").await {
        Ok(bytes) => {
            assert!(bytes == ramp(bytes.len()), "{case}: wrong bytes");
            Some(bytes.len())
        }
        Err(StoreError::NotFound { .. }) => None,
        Err(error) => panic!("{case}: {error}"),
    };
    let (old, new) = work.old_and_new();
    assert!(
        found == new || (found == old && !acknowledged),
        "{case}: found {found:?}, acknowledged: {acknowledged}"
    );
    assert_eq!(next.catalog().open_generations().await.unwrap(), [], "{case}");
    assert_eq!(next.catalog().check().await.unwrap(), [""; 0], "{case}");
    if found.is_some() {
        let report = check(&next, "a", true, &silent()).await.unwrap();
        let least = if work.is_care() {
            Health::Whole
        } else {
            Health::Degraded
        };
        assert!(report.health() >= least, "{case}: {:?}", report.health());
    }
    if work == Work::Drain {
        let usage = next.catalog().usage().await.unwrap();
        let (_, members) = next.catalog().members().await.unwrap();
        let drained = members.iter().find(|member| member.name == "p0").unwrap().id;
        let held = usage.iter().find(|usage| usage.provider == drained);
        assert_eq!(held.map_or(0, |usage| usage.fragments), 0, "{case}");
    }
    set.clock.advance(3_600_000_000_001);
    while next.sweep(100).await.unwrap().deleted > 0 {}
    assert_eq!(orphans(&set, &next).await, [""; 0], "{case}");
    !acknowledged
}

/// What the next process does: it goes on with what care had begun, and has nothing to do when it begins once more. What a move had noted and perhaps
/// sent keeps its place until a repair has looked.
async fn tidied(set: &mut Set, work: Work) -> Result<Arc<Store>, StoreError> {
    let next = set.open().await;
    if matches!(work, Work::Rebalance | Work::Drain) {
        for name in ["a", "other"] {
            repair(&next, name, &silent()).await?;
        }
    }
    if work.is_care() {
        work.run(next.clone()).await?;
    }
    let next = if work == Work::Recover { set.open().await } else { next };
    next.begin_writing().await?;
    match work {
        Work::Rebalance => assert_eq!(moved(&next, Scope::Everything).await?, 0),
        Work::Drain => assert_eq!(moved(&next, drained()).await?, 0),
        _ => {}
    }
    Ok(next)
}

/// Blobs that no version holds, after everything that was due is deleted. Records of epochs, tombstones and voids stay.
async fn orphans(set: &Set, store: &Arc<Store>) -> Vec<String> {
    let mut held = BTreeSet::new();
    for name in ["a", "other"] {
        for piece in store.catalog().extents(name).await.unwrap() {
            let live = piece.fragments.iter().filter(|f| f.state != FragmentState::Missing);
            held.extend(live.map(|f| (f.extent, f.index, f.copy)));
        }
    }
    let keys = set
        .fragments()
        .into_iter()
        .flat_map(std::collections::BTreeMap::into_keys);
    keys.filter(|key| {
        let (_, token) = open_key(&Set::keys(), key).expect("only blobs of this set");
        let stays = matches!(token.kind, Kind::Epoch | Kind::Tombstone | Kind::Void);
        !stays && !held.contains(&(token.extent, token.index, token.copy))
    })
    .collect()
}

async fn dies_everywhere(work: Work) {
    for lands in [false, true] {
        let mut at = 0;
        while dies_at(work, at, lands).await {
            at += 1;
        }
        assert!(at > 25, "{work:?} made only {at} calls and changes");
    }
}

#[tokio::test]
async fn a_first_put_cut_off_at_any_call_leaves_it_or_nothing() {
    dies_everywhere(Work::First { len: 900 }).await;
}

#[tokio::test]
async fn a_put_of_several_extents_cut_off_at_any_call_leaves_it_or_nothing() {
    dies_everywhere(Work::First { len: 15_000 }).await;
}

#[tokio::test]
async fn an_overwrite_cut_off_at_any_call_leaves_old_or_new() {
    dies_everywhere(Work::Overwrite { len: 15_000 }).await;
}

#[tokio::test]
async fn a_removal_cut_off_at_any_call_leaves_the_object_or_none() {
    dies_everywhere(Work::Remove).await;
}

#[tokio::test]
async fn a_change_cut_off_at_any_call_leaves_old_or_new() {
    dies_everywhere(Work::Change).await;
}

#[tokio::test]
async fn a_repair_cut_off_at_any_call_is_finished_by_the_next() {
    dies_everywhere(Work::Repair).await;
}

#[tokio::test]
async fn a_rebalance_cut_off_at_any_call_is_finished_after_a_repair() {
    dies_everywhere(Work::Rebalance).await;
}

#[tokio::test]
async fn a_drain_cut_off_at_any_call_is_finished_where_there_is_room() {
    dies_everywhere(Work::Drain).await;
}

#[tokio::test]
async fn a_rebuild_cut_off_at_any_call_is_finished_by_the_next() {
    dies_everywhere(Work::Recover).await;
}
