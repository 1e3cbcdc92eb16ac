//! What care promises: what is lost is made anew where the policy lets it, and nothing else moves.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

#[path = "care/collect.rs"]
mod collect;
#[path = "care/price.rs"]
mod price;
#[path = "care/recode.rs"]
mod recode;
#[path = "care/schedule.rs"]
mod schedule;
#[path = "care/scrub.rs"]
mod scrub;
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use raic::care::balance::{Balanced, Event, Scope, balance};
use raic::care::debt::{keep_paying, pay};
use raic::care::removals::mend_removals;
use raic::care::repair::{declare_lost, repair};
use raic::catalog::record::{Fragment, FragmentState, MemberState};
use raic::cloud_set::domain::DomainKind;
use raic::cloud_set::policy::Policy;
use raic::provider::fault::{Fault, Rule};
use raic::provider::{Class, Operation};
use raic::store::Store;
use raic::store::send::{Progress, Silent};
use tokio::time::Instant;

use support::{Set, get, policy, put, ramp};

/// 4 + 2 over operators, each with at most one fragment.
fn one_an_operator() -> Policy {
    Policy {
        spread: BTreeMap::from([(DomainKind::Operator, 1)]),
        ..policy(4, 2)
    }
}

/// How many sound fragments of any extent lie with providers of `operator`, at most.
async fn most_with(store: &Arc<Store>, operators: &[&str], operator: &str) -> usize {
    let clouds = store.clouds();
    let mine = |name: &str| operators[name[1..].parse::<usize>().unwrap()] == operator;
    let pieces = store.catalog().extents("x").await.unwrap();
    let load = |fragments: &[raic::catalog::record::Fragment]| {
        fragments
            .iter()
            .filter(|f| {
                clouds
                    .get(f.provider)
                    .is_some_and(|c| mine(&c.member.name) && c.way().is_some())
            })
            .count()
    };
    pieces.iter().map(|piece| load(&piece.fragments)).max().unwrap()
}

#[tokio::test]
async fn repair_moves_into_no_operator_that_holds_a_fragment_already() {
    for (operators, whole) in [
        (vec!["a", "a", "b", "c", "d", "e", "f", "g"], true),
        (vec!["a", "a", "b", "c", "d", "e", "f"], false),
    ] {
        let mut set = Set::new(operators.len(), 11);
        set.operators.clone_from(&operators);
        set.policies = vec![one_an_operator()];
        let store = set.open().await;
        let data = ramp(20_000);
        put(&store, "x", &one_an_operator(), &data).await.unwrap();
        declare_lost(&store, "p6").await.unwrap();
        let report = repair(&store, "x", &(Arc::new(Silent) as _)).await.unwrap();
        assert_eq!(
            report.unplaced.is_empty(),
            whole,
            "{operators:?}: {:?}",
            report.unplaced
        );
        assert_eq!(most_with(&store, &operators, "a").await, 1);
        assert_eq!(get(&store, "x").await.unwrap(), data);
    }
}

#[tokio::test]
async fn what_a_lost_provider_held_of_removals_is_made_anew_too() {
    let mut set = Set::new(7, 24);
    set.configured = 6;
    let store = set.open().await;
    store_objects(&store, 4).await;
    for name in ["1", "2"] {
        store.remove(name, &policy(4, 2), Arc::new(Silent)).await.unwrap();
    }
    drop(store);
    set.configured = 7;
    let store = set.open().await;
    declare_lost(&store, "p3").await.unwrap();
    let silent: Arc<dyn Progress> = Arc::new(Silent);
    let planned = mend_removals(&store, true, &silent, &|| false).await.unwrap();
    assert_eq!((planned.rebuilt, planned.left), (2, 0), "a removal is on all six");
    let done = mend_removals(&store, false, &silent, &|| false).await.unwrap();
    assert_eq!((done.rebuilt, done.left), (2, 0));
    let again = mend_removals(&store, false, &silent, &|| false).await.unwrap();
    assert_eq!(again.rebuilt, 0);
    let p6 = store.clouds().named("p6").unwrap().member.id;
    let on = store.catalog().extents_on(p6, None, 99).await.unwrap();
    assert_eq!(on.len(), 2, "nothing else was mended");
    assert_eq!(store.catalog().check().await.unwrap(), [""; 0]);
}

async fn balanced(store: &Arc<Store>, scope: Scope) -> (Balanced, Vec<(String, String)>) {
    let mut moves = Vec::new();
    let done = balance(
        store,
        &scope,
        false,
        &(Arc::new(Silent) as _),
        &|| false,
        &mut |Event::Moved(step)| {
            moves.push((step.from.clone(), step.to.clone()));
        },
    )
    .await
    .unwrap();
    (done, moves)
}

/// Where the sound fragments of all objects lie: object, extent, index and provider.
async fn placed(store: &Arc<Store>, objects: usize) -> Vec<(usize, Fragment, String)> {
    let mut all = Vec::new();
    for object in 0..objects {
        for piece in store.catalog().extents(&object.to_string()).await.unwrap() {
            for fragment in piece.fragments {
                assert_eq!(fragment.state, FragmentState::Sound);
                let name = store.clouds().get(fragment.provider).unwrap().member.name.clone();
                all.push((object, fragment, name));
            }
        }
    }
    all
}

async fn store_objects(store: &Arc<Store>, objects: usize) {
    for object in 0..objects {
        put(store, &object.to_string(), &policy(4, 2), &ramp(3_000 * object))
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn a_drain_moves_exactly_the_fragments_of_the_drained_and_a_set_in_balance_is_left_alone() {
    let mut set = Set::new(7, 21);
    let store = set.open().await;
    store_objects(&store, 12).await;
    store.remove("0", &policy(4, 2), Arc::new(Silent)).await.unwrap();
    assert_eq!(
        balanced(&store, Scope::Everything).await.1,
        [],
        "nothing is out of place"
    );
    let before = placed(&store, 12).await;
    drop(store);

    set.states = vec![MemberState::Draining];
    let store = set.open().await;
    let (done, moves) = balanced(&store, Scope::From("p0".to_owned())).await;
    let drained = before.iter().filter(|(_, _, name)| name == "p0").count();
    assert!(moves.iter().all(|(from, to)| from == "p0" && to != "p0"), "{moves:?}");
    assert!(
        drained > 5 && moves.len() >= drained,
        "{drained} fragments of objects, {} moves",
        moves.len()
    );
    assert_eq!((done.stuck, done.failed), (0, 0));
    let after = placed(&store, 12).await;
    assert!(after.iter().all(|(_, _, name)| name != "p0"));
    let stayed = before.iter().filter(|place| after.contains(place)).count();
    assert_eq!(stayed, before.len() - drained, "all others are where they were");
    let p0 = store.clouds().named("p0").unwrap().member.id;
    assert_eq!(
        store.catalog().extents_on(p0, None, 9).await.unwrap(),
        [],
        "nor does it hold removals"
    );
    for object in 1..12 {
        assert_eq!(get(&store, &object.to_string()).await.unwrap(), ramp(3_000 * object));
    }
    assert_eq!(balanced(&store, Scope::Everything).await.1, []);
}

#[tokio::test]
async fn a_new_provider_takes_its_part_and_nothing_else_moves() {
    let mut set = Set::new(7, 22);
    set.configured = 6;
    let store = set.open().await;
    store_objects(&store, 12).await;
    drop(store);
    set.configured = 7;
    let store = set.open().await;
    let (done, moves) = balanced(&store, Scope::Everything).await;
    assert!(moves.len() > 5 && moves.iter().all(|(_, to)| to == "p6"), "{moves:?}");
    assert_eq!(done.moved, moves.len() as u64);
    for object in 0..12 {
        assert_eq!(get(&store, &object.to_string()).await.unwrap(), ramp(3_000 * object));
    }
}

#[tokio::test]
async fn a_drain_without_room_elsewhere_moves_nothing_and_says_so() {
    let mut set = Set::new(6, 23);
    let store = set.open().await;
    store_objects(&store, 4).await;
    drop(store);
    set.states = vec![MemberState::Draining];
    let store = set.open().await;
    let (done, moves) = balanced(&store, Scope::From("p0".to_owned())).await;
    assert_eq!(moves, []);
    assert!(done.stuck >= 4, "{done:?}");
    assert_eq!(get(&store, "3").await.unwrap(), ramp(9_000));
}

/// A drain moved a fragment to a provider that may have held another of the same extent already, whose answer was lost. Found by the simulation,
/// seed 69.
#[tokio::test]
async fn regression_a_fragment_that_may_have_arrived_keeps_its_place() {
    let mut shared = 0;
    for leaving in 3..8 {
        let mut set = Set::new(8, 24);
        let store = set.open().await;
        store_objects(&store, 1).await;
        for faults in &set.faults[..3] {
            faults.add(Rule::always(Fault::LoseAnswer).on(Operation::Put));
        }
        store_objects(&store, 6).await;
        store.finish().await;
        drop(store);
        for faults in &set.faults {
            faults.clear();
        }
        set.states = vec![MemberState::Active; leaving];
        set.states.push(MemberState::Draining);
        let store = set.open().await;
        balanced(&store, Scope::From(format!("p{leaving}"))).await;
        let progress: Arc<dyn Progress> = Arc::new(Silent);
        shared += pay(&store, 1_000, &progress).await.unwrap().whole;
        for object in 0..6 {
            for piece in store.catalog().extents(&object.to_string()).await.unwrap() {
                let places: BTreeSet<_> = piece.fragments.iter().map(|fragment| fragment.provider).collect();
                assert_eq!(
                    places.len(),
                    piece.fragments.len(),
                    "p{leaving} left: {:?}",
                    piece.fragments
                );
            }
        }
    }
    assert!(shared > 5, "{shared} debts were too few to show anything");
}

/// Nobody uses the store meanwhile: that the provider is back is noticed all the same.
#[tokio::test(start_paused = true)]
async fn what_is_owed_is_paid_as_soon_as_the_provider_answers_again() {
    let mut set = Set::new(6, 25);
    let store = set.open().await;
    store_objects(&store, 1).await;
    set.faults[2].kill();
    store_objects(&store, 6).await;
    store.finish().await;
    assert!(!store.catalog().debts(1).await.unwrap().is_empty());
    let paying = tokio::spawn({
        let store = store.clone();
        async move { keep_paying(&store).await }
    });
    // Longer than the first minutes in which it is tried again by the clock alone.
    tokio::time::sleep(Duration::from_secs(185)).await;
    set.faults[2].revive();
    let back = Instant::now();
    while !store.catalog().debts(1).await.unwrap().is_empty() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(back.elapsed() < Duration::from_secs(10), "{:?}", back.elapsed());
    paying.abort();
}

/// A move's place was free only because another fragment of the extent was to leave first, and stayed as its own move failed: two lay with one operator.
/// Found by the simulation, seeds 1807, 3660 and 6674.
#[tokio::test]
async fn regression_after_a_move_that_failed_the_others_of_its_extent_stay() {
    let operators = ["one", "one", "c", "d", "e", "f"];
    for (first, second) in (0..6).flat_map(|first| (0..6).map(move |second| (first, second))) {
        let mut set = Set::new(6, 26);
        set.operators = operators.to_vec();
        let policy = Policy {
            spread: [(DomainKind::Operator, 1)].into(),
            ..policy(2, 2)
        };
        set.policies = vec![policy.clone()];
        let full = |set: &Set, at: usize| set.faults[at].add(Rule::always(Fault::Fail(Class::Full)).on(Operation::Put));
        full(&set, first);
        let store = set.open().await;
        for object in 0..4 {
            put(&store, &object.to_string(), &policy, &ramp(9_000)).await.unwrap();
        }
        set.faults[first].clear();
        full(&set, second);
        balanced(&store, Scope::Everything).await;
        let clouds = store.clouds();
        for object in 0..4 {
            for piece in store.catalog().extents(&object.to_string()).await.unwrap() {
                let sound = piece.fragments.iter().filter(|f| f.state == FragmentState::Sound);
                let names: Vec<_> = sound
                    .filter_map(|f| Some(clouds.holder(f)?.member.name.clone()))
                    .collect();
                let of = |name: &String| operators[usize::from(name.as_bytes()[1] - b'0')];
                let distinct: BTreeSet<_> = names.iter().map(of).collect();
                assert_eq!(distinct.len(), names.len(), "p{first}, then p{second} full: {names:?}");
            }
        }
    }
}
