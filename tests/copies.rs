//! What the catalog's own copies on the clouds promise: a lost disk loses nothing that was shipped, and shipping harms nothing.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod support;

use std::io::Cursor;
use std::sync::Arc;
use std::time::Duration;

use raic::care::recover::{Options, Recovered, recover};
use raic::care::ship::{Effort, Shipped, Shipper};
use raic::catalog::archive::Archive;
use raic::catalog::ledger::{Advisory, Entry, Lease, ShareKey};
use raic::catalog::record::Condition;
use raic::catalog::shipment::ShipmentState;
use raic::catalog::sqlite::SqliteCatalog;
use raic::fragment::id::Kind;
use raic::fragment::key::open_key;
use raic::provider::Class;
use raic::provider::fault::{Fault, Rule};
use raic::store::Store;
use raic::store::error::StoreError;
use raic::store::put::Put;
use raic::store::send::Silent;
use support::{Set, cut::Death, get, policy, put, ramp};

fn new_set(seed: u64) -> Set {
    let mut set = Set::new(6, seed);
    set.policies = vec![policy(4, 2)];
    set
}

async fn ship(set: &Set, store: &Arc<Store>, effort: Effort) -> Result<Shipped, StoreError> {
    Shipper::new(store.clone(), set.catalog.clone()).ship(effort).await
}

/// The machine is lost: an empty catalog, a fresh process, a rebuild.
async fn rebuild(set: &mut Set) -> (Arc<Store>, Recovered) {
    set.catalog = Arc::new(SqliteCatalog::inline(Set::keys().set()).unwrap());
    recovered(set).await
}

async fn recovered(set: &mut Set) -> (Arc<Store>, Recovered) {
    let store = set.open().await;
    let progress = Arc::new(Silent) as _;
    let recovered = recover(&store, Some(&set.catalog), Options::default(), &progress).await;
    (store, recovered.unwrap())
}

fn share(number: u8) -> ShareKey {
    ShareKey {
        mutable: false,
        index: [7; 16],
        number,
    }
}

fn lease(number: u8, renewed: i64) -> Lease {
    Lease {
        share: share(number),
        renew: [1; 32],
        cancel: [2; 32],
        renewed,
        expires: renewed + 100,
    }
}

async fn renew(set: &Set, number: u8, renewed: i64) {
    set.catalog
        .enter(vec![Entry::Keep(lease(number, renewed))])
        .await
        .unwrap();
}

async fn leases(set: &Set) -> Vec<Lease> {
    set.catalog.leases(false, [7; 16]).await.unwrap()
}

/// Keys of shipments, by provider.
fn freight(set: &Set) -> Vec<Vec<(u64, String)>> {
    let of_one = |blobs: std::collections::BTreeMap<String, bytes::Bytes>| {
        let keys = blobs.into_keys().filter_map(|key| {
            let (_, token) = open_key(&Set::keys(), &key)?;
            matches!(token.kind, Kind::Checkpoint | Kind::Journal).then_some((token.generation.sequence, key))
        });
        keys.collect()
    };
    set.fragments().into_iter().map(of_one).collect()
}

/// Deletes at three providers what belongs to the shipment that was sent last of all of this kind.
fn ruin_last(set: &Set, kind: Kind) {
    let keys = Set::keys();
    let last = set
        .fragments()
        .into_iter()
        .flat_map(std::collections::BTreeMap::into_keys);
    let of_kind = last.filter_map(|key| open_key(&keys, &key).filter(|(_, token)| token.kind == kind));
    let last = of_kind.map(|(_, token)| token.generation).max().unwrap();
    for memory in &set.memories[..3] {
        for key in memory.blobs().into_keys() {
            if open_key(&keys, &key).is_some_and(|(_, token)| token.generation == last) {
                memory.steal(&key).unwrap();
            }
        }
    }
}

#[tokio::test]
async fn a_lost_machine_has_its_leases_removals_and_objects_again() {
    let mut set = new_set(1);
    let store = set.open().await;
    for (name, len) in [("small", 100), ("many", 60_000), ("gone", 3_000)] {
        put(&store, name, &policy(4, 2), &ramp(len)).await.unwrap();
    }
    renew(&set, 1, 10).await;
    let first = ship(&set, &store, Effort::Full).await.unwrap();
    assert_eq!((first.checkpoints, first.segments), (1, 0));
    store.remove("gone", &policy(4, 2), Arc::new(Silent)).await.unwrap();
    renew(&set, 1, 50).await;
    renew(&set, 2, 60).await;
    let advisory = Advisory {
        share: share(2),
        reason: "bad hash".to_owned(),
        at: 5,
    };
    set.catalog.advise(advisory.clone(), 9).await.unwrap();
    let second = ship(&set, &store, Effort::Full).await.unwrap();
    assert_eq!((second.checkpoints, second.segments), (0, 1));
    put(&store, "after", &policy(4, 2), &ramp(7_000)).await.unwrap();
    let before = set.catalog.versions("", None, 100).await.unwrap();
    drop(store);

    let (store, recovered) = rebuild(&mut set).await;
    assert_eq!(
        (recovered.objects, recovered.removals, recovered.waiting.len()),
        (3, 1, 0)
    );
    assert!(
        recovered.copies.checkpoint.is_some() && recovered.copies.segments == 1,
        "{:?}",
        recovered.copies
    );
    assert_eq!(recovered.copies.unread, [""; 0]);
    assert_eq!(set.catalog.versions("", None, 100).await.unwrap(), before);
    assert_eq!(leases(&set).await, [lease(1, 50), lease(2, 60)]);
    assert_eq!(set.catalog.advisories().await.unwrap(), [advisory]);
    for (name, len) in [("small", 100), ("many", 60_000), ("after", 7_000)] {
        assert!(get(&store, name).await.unwrap() == ramp(len), "{name}");
    }
    assert_eq!(set.catalog.check().await.unwrap(), [""; 0]);
    put(&store, "many", &policy(4, 2), &ramp(10)).await.unwrap();
    let third = ship(&set, &store, Effort::Checkpoint).await.unwrap();
    assert_eq!(third.checkpoints, 1);
}

#[tokio::test]
async fn shipping_changes_nothing_that_has_to_be_shipped() {
    let mut set = new_set(2);
    let store = set.open().await;
    put(&store, "a", &policy(4, 2), &ramp(9_000)).await.unwrap();
    let at = set.catalog.position().await.unwrap();
    ship(&set, &store, Effort::Full).await.unwrap();
    assert_eq!(ship(&set, &store, Effort::Full).await.unwrap(), Shipped::default());
    assert_eq!(set.catalog.position().await.unwrap(), at);
    assert_eq!(
        set.catalog.versions("", None, 9).await.unwrap().len(),
        1,
        "no object of its own"
    );
}

#[tokio::test]
async fn of_many_shipments_two_checkpoints_and_the_journal_since_stay() {
    let mut set = new_set(3);
    let store = set.open().await;
    for round in 0..5 {
        put(&store, "a", &policy(4, 2), &ramp(100 + round)).await.unwrap();
        ship(&set, &store, Effort::Full).await.unwrap();
        ship(&set, &store, Effort::Checkpoint).await.unwrap();
    }
    let rows = set.catalog.shipments().await.unwrap();
    assert!(
        rows.len() < 6 && rows.iter().all(|row| row.state == ShipmentState::Safe),
        "{}",
        rows.len()
    );
    let known: usize = rows
        .iter()
        .flat_map(|row| &row.extents)
        .map(|(_, fragments)| fragments.len())
        .sum();
    assert_eq!(
        freight(&set).iter().map(Vec::len).sum::<usize>(),
        known,
        "nothing is left of the others"
    );
}

#[tokio::test]
async fn a_damaged_checkpoint_falls_back_to_the_one_before_and_the_journal_since() {
    let mut set = new_set(4);
    let store = set.open().await;
    put(&store, "a", &policy(4, 2), &ramp(9_000)).await.unwrap();
    ship(&set, &store, Effort::Full).await.unwrap();
    renew(&set, 1, 10).await;
    ship(&set, &store, Effort::Full).await.unwrap();
    renew(&set, 2, 20).await;
    ship(&set, &store, Effort::Checkpoint).await.unwrap();
    renew(&set, 3, 30).await;
    ship(&set, &store, Effort::Full).await.unwrap();
    drop(store);
    ruin_last(&set, Kind::Checkpoint);
    let (store, recovered) = rebuild(&mut set).await;
    assert_eq!(recovered.copies.unread.len(), 1, "{:?}", recovered.copies);
    assert!(recovered.copies.checkpoint.is_some() && recovered.copies.segments >= 2);
    assert_eq!(leases(&set).await, [lease(1, 10), lease(2, 20), lease(3, 30)]);
    assert_eq!(get(&store, "a").await.unwrap(), ramp(9_000));
}

#[tokio::test]
async fn without_a_checkpoint_that_can_be_read_listings_bring_the_objects_back_and_it_is_told() {
    let mut set = new_set(5);
    let store = set.open().await;
    put(&store, "a", &policy(4, 2), &ramp(9_000)).await.unwrap();
    renew(&set, 1, 10).await;
    ship(&set, &store, Effort::Full).await.unwrap();
    drop(store);
    ruin_last(&set, Kind::Checkpoint);
    let (store, recovered) = rebuild(&mut set).await;
    assert_eq!((recovered.copies.checkpoint, recovered.copies.unread.len()), (None, 1));
    assert_eq!(leases(&set).await, []);
    assert_eq!(get(&store, "a").await.unwrap(), ramp(9_000));
}

fn slow_put(name: &str, len: u64) -> Put {
    Put {
        name: name.to_owned(),
        policy: policy(4, 2),
        condition: Condition::Any,
        modified: Some(5),
        len_hint: Some(len),
    }
}

/// A checkpoint lists what was open when it was made, begun or only issued: it counts if it was acknowledged since.
#[tokio::test]
async fn what_was_on_its_way_when_a_checkpoint_was_made_counts_if_it_was_acknowledged() {
    let mut set = new_set(6);
    let store = set.open().await;
    let progress = || Arc::new(Silent) as _;
    let mut begun = store
        .begin_put(slow_put("begun", 20_000), 20_000, progress())
        .await
        .unwrap();
    let mut rest = Cursor::new(ramp(20_000));
    let first = usize::try_from(begun.next_len()).unwrap();
    begun.push(Cursor::new(rest.get_ref()[..first].to_vec())).await.unwrap();
    rest.set_position(first as u64);
    let mut issued = store.begin_put(slow_put("issued", 500), 500, progress()).await.unwrap();
    put(&store, "done", &policy(4, 2), &ramp(700)).await.unwrap();
    let shipped = ship(&set, &store, Effort::Full).await.unwrap();
    assert_eq!(shipped.checkpoints, 1);
    while begun.next_len() > 0 {
        let at = usize::try_from(rest.position()).unwrap();
        let to = at + usize::try_from(begun.next_len()).unwrap();
        begun.push(Cursor::new(rest.get_ref()[at..to].to_vec())).await.unwrap();
        rest.set_position(to as u64);
    }
    begun.finish().await.unwrap();
    issued.push(Cursor::new(ramp(500))).await.unwrap();
    issued.finish().await.unwrap();
    drop(store);
    let (store, recovered) = rebuild(&mut set).await;
    assert!(recovered.copies.checkpoint.is_some(), "{:?}", recovered.copies);
    for (name, len) in [("begun", 20_000), ("issued", 500), ("done", 700)] {
        assert!(get(&store, name).await.unwrap() == ramp(len), "{name}");
    }
    store.begin_writing().await.unwrap();
    assert_eq!(set.catalog.open_generations().await.unwrap(), []);
}

/// Found while this was written: what a checkpoint knows to be settled and isn't a head was refused or replaced, whatever the clouds show.
#[tokio::test]
async fn what_a_checkpoint_knows_to_be_replaced_does_not_come_back() {
    let mut set = new_set(7);
    let store = set.open().await;
    put(&store, "a", &policy(4, 2), &ramp(5_000)).await.unwrap();
    let old = set.fragments();
    store.remove("a", &policy(4, 2), Arc::new(Silent)).await.unwrap();
    ship(&set, &store, Effort::Full).await.unwrap();
    drop(store);
    // The removal vanishes from the clouds, and the blobs of what was removed are there again.
    for (memory, old) in set.memories.iter().zip(old) {
        for key in memory.blobs().into_keys() {
            if open_key(&Set::keys(), &key).is_some_and(|(_, token)| token.kind == Kind::Tombstone) {
                memory.steal(&key).unwrap();
            }
        }
        for (key, bytes) in old {
            memory.plant(&key, bytes);
        }
    }
    let (store, recovered) = rebuild(&mut set).await;
    assert_eq!((recovered.objects, recovered.removals), (0, 1));
    assert!(matches!(get(&store, "a").await, Err(StoreError::NotFound { .. })));
}

/// Dies at call `at` of a checkpoint; the next process goes on, and so does one on a new machine. False if it was shipped before that call.
async fn dies_at(at: u64, lands: bool) -> bool {
    let mut set = new_set(100 + at);
    let store = set.open().await;
    put(&store, "a", &policy(4, 2), &ramp(3_000)).await.unwrap();
    renew(&set, 1, 10).await;
    ship(&set, &store, Effort::Full).await.unwrap();
    renew(&set, 2, 20).await;
    ship(&set, &store, Effort::Full).await.unwrap();
    drop(store);
    let death = Death::at(at, lands);
    let store = set.open_to_die(&death).await;
    let whole = tokio::select! {
        biased;
        () = death.died.notified() => false,
        shipped = ship(&set, &store, Effort::Checkpoint) => shipped.unwrap().checkpoints == 1,
    };
    drop(store);
    let here = set.catalog.clone();
    let (store, recovered) = rebuild(&mut set).await;
    assert!(
        recovered.copies.checkpoint.is_some(),
        "call {at}: {:?}",
        recovered.copies
    );
    assert_eq!(leases(&set).await, [lease(1, 10), lease(2, 20)], "call {at}");
    assert_eq!(get(&store, "a").await.unwrap(), ramp(3_000), "call {at}");
    drop(store);
    set.catalog = here;
    let store = set.open().await;
    ship(&set, &store, Effort::Checkpoint).await.unwrap();
    ship(&set, &store, Effort::Checkpoint).await.unwrap();
    let rows = set.catalog.shipments().await.unwrap();
    let known: usize = rows
        .iter()
        .flat_map(|row| &row.extents)
        .map(|(_, fragments)| fragments.len())
        .sum();
    assert_eq!(
        freight(&set).iter().map(Vec::len).sum::<usize>(),
        known,
        "call {at}: nothing is left that no row knows"
    );
    !whole
}

#[tokio::test]
async fn a_checkpoint_cut_off_at_any_call_leaves_the_one_before() {
    for lands in [false, true] {
        let mut at = 0;
        while dies_at(at, lands).await {
            at += 1;
        }
        assert!(at > 20, "only {at} calls were cut");
    }
}

#[tokio::test]
async fn an_old_catalog_that_was_restored_takes_its_leases_from_the_journal_or_the_checkpoint() {
    for gap in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("catalog.db");
        let open = |path: &std::path::Path| Arc::new(SqliteCatalog::inline_at(path, Set::keys().set()).unwrap());
        let mut set = new_set(8);
        set.catalog = open(&path);
        let store = set.open().await;
        put(&store, "a", &policy(4, 2), &ramp(3_000)).await.unwrap();
        ship(&set, &store, Effort::Full).await.unwrap();
        drop(store);
        set.catalog = Arc::new(SqliteCatalog::inline(Set::keys().set()).unwrap());
        let old = folder.path().join("old.db");
        std::fs::copy(&path, &old).unwrap();
        set.catalog = open(&path);
        let store = set.open().await;
        put(&store, "a", &policy(4, 2), &ramp(4_000)).await.unwrap();
        renew(&set, 1, 10).await;
        ship(&set, &store, Effort::Full).await.unwrap();
        for _ in 0..if gap { 3 } else { 0 } {
            renew(&set, 2, 20).await;
            ship(&set, &store, Effort::Checkpoint).await.unwrap();
        }
        let expected = leases(&set).await;
        drop(store);
        set.catalog = open(&old);
        let store = set.open().await;
        // A claim that is refused leaves its mark in the old catalog, so the two are no longer on one chain.
        let stale = put(&store, "x", &policy(4, 2), &ramp(1)).await;
        assert!(matches!(stale, Err(StoreError::Stale { .. })));
        drop(store);
        let (store, recovered) = recovered(&mut set).await;
        assert!(!recovered.copies.forked, "gap {gap}: {:?}", recovered.copies);
        assert_eq!(leases(&set).await, expected, "gap {gap}: {:?}", recovered.copies);
        assert_eq!(get(&store, "a").await.unwrap(), ramp(4_000));
        assert_eq!(set.catalog.check().await.unwrap(), [""; 0]);
        put(&store, "x", &policy(4, 2), &ramp(1)).await.unwrap();
    }
}

/// Two homes with one key on the same providers, each with a catalog of its own.
#[tokio::test]
async fn of_two_machines_that_write_alternately_each_is_refused_until_it_has_seen_the_other() {
    let mut set = new_set(9);
    let home = set.open().await;
    put(&home, "a", &policy(4, 2), &ramp(1_000)).await.unwrap();
    renew(&set, 1, 10).await;
    ship(&set, &home, Effort::Full).await.unwrap();
    let first = set.catalog.clone();

    let (other, told) = rebuild(&mut set).await;
    assert!(!told.copies.forked);
    put(&other, "b", &policy(4, 2), &ramp(2_000)).await.unwrap();
    let second = set.catalog.clone();

    // The first still runs: it doesn't know, until it looks.
    assert!(matches!(home.check_fence().await, Err(StoreError::Stale { .. })));
    for name in ["a", "c"] {
        assert!(matches!(
            put(&home, name, &policy(4, 2), &ramp(3)).await,
            Err(StoreError::Stale { .. })
        ));
    }
    assert!(home.remove("a", &policy(4, 2), Arc::new(Silent)).await.is_err());
    let shipped = Shipper::new(home.clone(), first.clone()).ship(Effort::Checkpoint).await;
    assert!(matches!(shipped, Err(StoreError::Stale { .. })));
    drop(home);

    // It begins anew and is refused; after a rebuild it is the writer, and the second is refused.
    set.catalog = first;
    let home = set.open().await;
    assert!(matches!(
        put(&home, "c", &policy(4, 2), &ramp(3)).await,
        Err(StoreError::Stale { .. })
    ));
    drop(home);
    let (home, _) = recovered(&mut set).await;
    put(&home, "c", &policy(4, 2), &ramp(3)).await.unwrap();
    assert!(matches!(other.check_fence().await, Err(StoreError::Stale { .. })));
    assert!(put(&other, "d", &policy(4, 2), &ramp(4)).await.is_err());
    drop(other);
    set.catalog = second;
    let other = set.open().await;
    assert!(put(&other, "d", &policy(4, 2), &ramp(4)).await.is_err());
    for (name, len) in [("a", 1_000), ("b", 2_000), ("c", 3)] {
        assert!(get(&home, name).await.unwrap() == ramp(len), "{name}");
    }
}

/// A catalog that was used apart keeps what it has, and takes leases over; both machines' objects are there.
#[tokio::test]
async fn a_fork_is_told_and_nothing_of_either_side_is_lost() {
    let mut set = new_set(10);
    let store = set.open().await;
    put(&store, "a", &policy(4, 2), &ramp(1_000)).await.unwrap();
    ship(&set, &store, Effort::Full).await.unwrap();
    put(&store, "only here", &policy(4, 2), &ramp(1_500)).await.unwrap();
    renew(&set, 1, 10).await;
    let here = set.catalog.clone();
    drop(store);
    // Another machine is made from the checkpoint, and the versions that are listed; its own lease is shipped.
    let (other, _) = rebuild(&mut set).await;
    put(&other, "b", &policy(4, 2), &ramp(2_000)).await.unwrap();
    renew(&set, 2, 20).await;
    ship(&set, &other, Effort::Checkpoint).await.unwrap();
    drop(other);
    // The first writes once more, where the second can't be seen.
    set.catalog = here;
    for faults in &set.faults[..2] {
        faults.add(Rule::always(Fault::Fail(Class::Timeout)));
    }
    let store = set.open().await;
    drop(put(&store, "c", &policy(4, 2), &ramp(3)).await);
    drop(store);
    set.faults.iter().for_each(raic::provider::fault::Faults::clear);
    let (store, told) = recovered(&mut set).await;
    assert!(
        !told.copies.forked,
        "nothing of its own was written since: {:?}",
        told.copies
    );
    assert_eq!(leases(&set).await, [lease(1, 10), lease(2, 20)]);
    for (name, len) in [("a", 1_000), ("only here", 1_500), ("b", 2_000)] {
        assert!(get(&store, name).await.unwrap() == ramp(len), "{name}");
    }
    let both: Arc<dyn Archive> = set.catalog.clone();
    assert_eq!(both.check().await.unwrap(), [""; 0]);
}

/// Two machines with the same catalog that begin to write in the same moment: one of them may go on, and then nothing stands in its way later.
#[tokio::test(start_paused = true)]
async fn of_two_machines_that_begin_at_once_one_goes_on_at_most() {
    let mut ends = [0; 3];
    for seed in 0..24 {
        let mut set = new_set(60 + seed);
        let first = Arc::new(SqliteCatalog::inline(Set::keys().set()).unwrap());
        set.catalog = first.clone();
        let store = set.open().await;
        put(&store, "a", &policy(4, 2), &ramp(1_000)).await.unwrap();
        store.finish().await;
        drop(store);
        let second = Arc::new(first.copy().await.unwrap());
        set.pace.jitter = Duration::from_millis(seed * 5);
        let home = set.open().await;
        set.catalog = second.clone();
        let other = set.open().await;
        let policy = policy(4, 2);
        let (one, two) = (ramp(2_000), ramp(3_000));
        let (here, there) = tokio::join!(put(&home, "b", &policy, &one), put(&other, "b", &policy, &two));
        assert!(here.is_err() || there.is_err(), "seed {seed}: both were acknowledged");
        for end in [&here, &there] {
            assert!(
                matches!(
                    end,
                    Ok(_) | Err(StoreError::Stale { .. } | StoreError::NoMajority { .. })
                ),
                "seed {seed}: {end:?}"
            );
        }
        drop((home, other));
        ends[usize::from(here.is_ok()) + 2 * usize::from(there.is_ok())] += 1;
        // Whoever goes on, or the first if neither did, meets nothing of the other.
        let (catalog, b) = match (here.is_ok(), there.is_ok()) {
            (true, _) => (first, Some(one)),
            (_, true) => (second, Some(two)),
            _ => (first, None),
        };
        set.catalog = catalog;
        let store = set.open().await;
        put(&store, "c", &policy, &ramp(10)).await.unwrap();
        match b {
            Some(bytes) => assert!(get(&store, "b").await.unwrap() == bytes, "seed {seed}"),
            None => assert!(
                matches!(get(&store, "b").await, Err(StoreError::NotFound { .. })),
                "seed {seed}"
            ),
        }
    }
    assert!(ends[0] > 0 && ends[1] > 0, "none, the first, the second: {ends:?}");
}
