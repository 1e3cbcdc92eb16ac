//! Looks at every fragment: nothing that is there is called gone, nothing that is wrong is passed over, nothing is looked at twice in a round.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use raic::care::repair::repair;
use raic::care::scrub::{Order, Scrubbed, plan, scrub};
use raic::catalog::diary::Deed;
use raic::catalog::record::Health;
use raic::fragment::key::open_key;
use raic::provider::fault::{Fault, Faults, Rule};
use raic::provider::{Class, Operation};
use raic::store::Store;
use raic::store::send::Silent;

use crate::support::{Set, get, policy, put, ramp};

/// A set of seven providers with so many objects, the last one removed.
pub(crate) async fn filled(seed: u64, objects: usize) -> (Set, Arc<Store>) {
    let mut set = Set::new(7, seed);
    let store = set.open().await;
    for object in 0..objects {
        put(
            &store,
            &object.to_string(),
            &policy(4, 2),
            &ramp(1_000 + 1_500 * object),
        )
        .await
        .unwrap();
    }
    let last = (objects - 1).to_string();
    store.remove(&last, &policy(4, 2), Arc::new(Silent)).await.unwrap();
    (set, store)
}

pub(crate) async fn run(set: &Set, store: &Arc<Store>, order: Order) -> Scrubbed {
    scrub(store, set.diary.as_ref(), &order, &(Arc::new(Silent) as _), &|| false)
        .await
        .unwrap()
}

const LIGHT: Order = Order {
    deep: false,
    share: None,
    before: None,
    bytes: None,
    calls: None,
    rate: None,
};

const DEEP: Order = Order { deep: true, ..LIGHT };

/// Fragments that hold data, by provider and key.
fn data_of(set: &Set) -> Vec<(usize, String, Bytes)> {
    let blobs = set.fragments().into_iter().enumerate();
    let all = blobs.flat_map(|(at, blobs)| blobs.into_iter().map(move |(key, bytes)| (at, key, bytes)));
    let holds = |key: &str| open_key(&Set::keys(), key).is_some_and(|(_, token)| token.kind.holds_data());
    all.filter(|(_, key, _)| holds(key)).collect()
}

async fn ailing(store: &Arc<Store>) -> usize {
    store.catalog().ailing(&[], 1000).await.unwrap().len()
}

#[tokio::test]
async fn a_listing_finds_what_is_gone_or_cut_short_and_queues_it_for_repair() {
    let (set, store) = filled(31, 8).await;
    let sound = run(&set, &store, LIGHT).await;
    assert_eq!((sound.news(), sound.listed.unknown, ailing(&store).await), (0, 0, 0));
    let all = data_of(&set);
    let (at, gone, _) = &all[3];
    set.memories[*at].steal(gone).unwrap();
    let (short_at, short, bytes) = &all[all.len() - 2];
    set.memories[*short_at].plant(short, bytes.slice(..bytes.len() - 1));
    let found = run(&set, &store, LIGHT).await;
    assert_eq!((found.listed.missing, found.listed.damaged, found.news()), (1, 1, 2));
    let again = run(&set, &store, LIGHT).await;
    assert_eq!((again.listed.missing, again.news()), (1, 0), "it is known by now");
    let queue = set.diary.queue(&[], 10).await.unwrap();
    assert!(!queue.is_empty() && queue.iter().all(|it| it.health == Health::Degraded && it.margin == 1));
    for it in queue {
        repair(&store, &it.name, &(Arc::new(Silent) as _)).await.unwrap();
    }
    assert_eq!(ailing(&store).await, 0);
    assert_eq!(run(&set, &store, DEEP).await.news(), 0);
}

#[tokio::test]
async fn a_look_at_the_lengths_asks_no_provider_for_each_fragment() {
    let (set, store) = filled(32, 9).await;
    let stats = |set: &Set| set.faults.iter().map(|it| it.calls_of(Operation::Stat)).sum::<u64>();
    let lists = |set: &Set| set.faults.iter().map(|it| it.calls_of(Operation::List)).sum::<u64>();
    let before = (stats(&set), lists(&set));
    run(&set, &store, LIGHT).await;
    assert_eq!((stats(&set) - before.0, lists(&set) - before.1), (0, 7));
}

/// Trusting a list would lose here what is there.
#[tokio::test]
async fn what_a_listing_leaves_out_is_not_called_gone() {
    for seed in 0..4 {
        let (set, store) = filled(33 + seed, 8).await;
        set.faults[1].add(Rule::always(Fault::Omit));
        set.faults[4].add(Rule::per_million(Fault::Omit, 300_000));
        let found = run(&set, &store, LIGHT).await;
        assert_eq!((found.listed.missing, found.news(), found.listed.unknown), (0, 0, 0));
        assert_eq!(ailing(&store).await, 0);
    }
}

#[tokio::test]
async fn who_gives_no_answer_or_was_emptied_has_lost_nothing() {
    let (mut set, store) = filled(41, 8).await;
    drop(store);
    let store = set.open().await;
    set.faults[0].add(Rule::always(Fault::Fail(Class::Timeout)));
    set.faults[1].add(Rule::always(Fault::Fail(Class::Transient)).on(Operation::List));
    set.faults[2].add(Rule::nth(Fault::Fail(Class::Denied), 0).on(Operation::List));
    set.memories[3].wipe();
    for order in [LIGHT, DEEP] {
        let found = run(&set, &store, order).await;
        assert_eq!(
            (found.listed.missing, found.missing, found.news()),
            (0, 0, 0),
            "{order:?}"
        );
        assert!(found.listed.unknown > 0 && found.causes.len() >= 3);
        assert_eq!(ailing(&store).await, 0);
    }
    let wards = set.diary.listed().await.unwrap();
    let clouds = store.clouds();
    let listed = |name: &str| {
        wards
            .iter()
            .any(|row| row.provider == clouds.named(name).unwrap().member.id)
    };
    assert!(
        !listed("p0") && !listed("p1") && listed("p4"),
        "who wasn't listed is still to be"
    );
    assert_eq!(set.diary.when(Deed::Listed).await.unwrap(), None);
    set.faults.iter().for_each(Faults::clear);
}

#[tokio::test]
async fn a_reading_finds_every_flipped_byte_and_a_look_at_the_length_clears_none() {
    let (set, store) = filled(42, 6).await;
    let all = data_of(&set);
    let mut extents = BTreeSet::new();
    for (at, key, bytes) in &all {
        let (_, token) = open_key(&Set::keys(), key).unwrap();
        // One of each extent, at places all over the fragments.
        if extents.insert(token.extent) {
            let mut wrong = bytes.to_vec();
            let place = (extents.len() * 977) % wrong.len();
            wrong[place] ^= 1;
            set.memories[*at].plant(key, wrong.into());
        }
    }
    // What was removed is not in a version any more, and nobody reads it.
    let held = set.diary.reach().await.unwrap().fragments;
    assert_eq!(run(&set, &store, LIGHT).await.news(), 0);
    let found = run(&set, &store, DEEP).await;
    assert_eq!((found.read, found.unread, found.left), (held, 0, 0));
    assert!(found.damaged >= 5, "{found:?}");
    assert_eq!(ailing(&store).await, 5);
    let looked = run(&set, &store, LIGHT).await;
    assert_eq!((looked.listed.damaged, ailing(&store).await), (found.damaged, 5));
    for object in 0..5 {
        repair(&store, &object.to_string(), &(Arc::new(Silent) as _))
            .await
            .unwrap();
        assert_eq!(
            get(&store, &object.to_string()).await.unwrap(),
            ramp(1_000 + 1_500 * object)
        );
    }
    assert_eq!(run(&set, &store, DEEP).await.news(), 0);
}

#[tokio::test]
async fn each_run_reads_what_was_read_longest_ago_within_its_budget_and_none_is_read_twice_before_all_are() {
    let (set, store) = filled(43, 8).await;
    let bytes: u64 = store.catalog().usage().await.unwrap().iter().map(|it| it.bytes).sum();
    let held = set.diary.reach().await.unwrap().fragments;
    let budget = Order {
        bytes: Some(bytes / 5),
        ..DEEP
    };
    let (mut read, mut runs) = (0, 0);
    while set.diary.reach().await.unwrap().oldest.is_none() {
        set.clock.advance(1_000_000_000);
        let reckoned = plan(&store, set.diary.as_ref(), &budget).await.unwrap();
        let done = run(&set, &store, budget).await;
        assert!(done.bytes <= bytes / 5 && done.read > 0);
        assert_eq!(done.outlay, reckoned, "a run takes what its plan says");
        read += done.read;
        runs += 1;
        assert!(runs < 20);
    }
    let after = set.diary.reach().await.unwrap();
    assert!(
        after.read == held && read >= held && runs >= 5,
        "{read} of {held} in {runs} runs"
    );
    let old = Order {
        before: after.oldest,
        ..DEEP
    };
    assert_eq!(run(&set, &store, old).await.read, 0, "nothing is that old");
    let part = Order {
        share: Some(100_000),
        ..DEEP
    };
    let part = run(&set, &store, part).await;
    assert!(part.bytes > 0 && part.bytes <= bytes / 10 + 1);
}

#[tokio::test]
async fn a_run_that_is_stopped_is_taken_up_where_it_ended() {
    let (set, store) = filled(44, 8).await;
    let held = set.diary.reach().await.unwrap().fragments;
    let calls = Order {
        calls: Some(17),
        ..DEEP
    };
    let first = run(&set, &store, calls).await;
    assert_eq!(
        (first.read, first.outlay.calls()),
        (10, 17),
        "seven listings, then readings"
    );
    set.clock.advance(1);
    let begun = set.clock.clone();
    let since = raic::clock::Clock::now(begun.as_ref());
    let rest = Order {
        before: Some(since),
        ..DEEP
    };
    set.clock.advance(1);
    let rest = run(&set, &store, rest).await;
    assert!(rest.read >= held - 10);
    assert_eq!(set.diary.reach().await.unwrap().read, held);
}

#[tokio::test(start_paused = true)]
async fn reading_keeps_its_rate() {
    let (set, store) = filled(45, 4).await;
    let slow = Order {
        rate: Some(1_000),
        ..DEEP
    };
    let begun = tokio::time::Instant::now();
    let done = run(&set, &store, slow).await;
    let least = done.bytes / 1_000;
    assert!(begun.elapsed().as_secs() + 4 >= least && begun.elapsed().as_secs() <= least + 1);
}
