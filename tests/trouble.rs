//! What writing and reading promise while providers fail, hang or slow down.

mod support;

use std::sync::Arc;
use std::time::Duration;

use raic::care::debt::pay;
use raic::catalog::record::FragmentState;
use raic::cloud_set::domain::DomainKind;
use raic::cloud_set::policy::{Policy, Prefer};
use raic::cloud_set::price::PriceList;
use raic::provider::fault::{Fault, Rule};
use raic::provider::{Class, Operation};
use raic::store::Acknowledge;
use raic::store::send::{Progress, Silent};
use support::{Set, get, policy, put, ramp, range};
use tokio::time::Instant;

#[tokio::test]
async fn a_spare_takes_over_the_seat_of_a_provider_that_fails_while_a_put_runs() {
    for (class, at) in [(Class::Full, 0), (Class::Timeout, 3), (Class::Transient, 5)] {
        let mut set = Set::new(8, 31);
        set.faults[at].add(Rule::always(Fault::Fail(class)).on(Operation::Put));
        let store = set.open().await;
        let data = ramp(40_000);
        let stored = put(&store, "a", &policy(4, 2), &data).await.unwrap();
        assert_eq!(stored.survives(), 2, "{class:?}: all n fragments are confirmed");
        for piece in store.catalog().extents("a").await.unwrap() {
            let sound: Vec<_> = piece
                .fragments
                .iter()
                .filter(|f| f.state == FragmentState::Sound)
                .collect();
            assert_eq!((piece.fragments.len(), sound.len()), (6, 6), "no copy is left in doubt");
        }
        assert_eq!(get(&store, "a").await.unwrap(), data);
        assert_eq!(store.catalog().check().await.unwrap(), [""; 0]);
    }
}

#[tokio::test]
async fn with_as_many_providers_as_fragments_a_failed_one_is_owed_and_the_put_counts() {
    let mut set = Set::new(6, 32);
    set.faults[2].add(Rule::always(Fault::Fail(Class::Full)).on(Operation::Put));
    let store = set.open().await;
    let stored = put(&store, "a", &policy(4, 2), &ramp(40_000)).await.unwrap();
    assert_eq!(stored.survives(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_hangs_keeps_no_read_waiting() {
    let mut set = Set::new(6, 33);
    let store = set.open().await;
    let data = ramp(40_000);
    put(&store, "a", &policy(4, 2), &data).await.unwrap();
    set.faults[1].add(Rule::always(Fault::Hang).on(Operation::Get));
    let begun = Instant::now();
    assert_eq!(get(&store, "a").await.unwrap(), data);
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    assert_eq!(range(&store, "a", Some(10..20)).await.unwrap(), data[10..20]);
    let (asked, spare) = store.asked();
    assert!(
        0 < spare && spare <= 8 + 6 + asked / 50,
        "{spare} spare requests of {asked}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_kept_a_put_waiting_once_does_not_do_so_again() {
    let mut set = Set::new(6, 34);
    let store = set.open().await;
    put(&store, "z", &policy(4, 2), &ramp(100)).await.unwrap();
    set.faults[4].add(Rule::always(Fault::Hang).on(Operation::Put));
    let begun = Instant::now();
    put(&store, "a", &policy(4, 2), &ramp(100)).await.unwrap();
    let first = begun.elapsed();
    assert!(first >= store.settings().stragglers, "{first:?}");
    let begun = Instant::now();
    put(&store, "b", &policy(4, 2), &ramp(100)).await.unwrap();
    assert!(begun.elapsed() <= Duration::from_secs(2), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_policy_that_prefers_cost_reads_past_the_dear_providers() {
    for (prefer, dear_is_asked) in [
        (Prefer::Cost, false),
        (Prefer::Balanced, false),
        (Prefer::Latency, true),
    ] {
        let mut set = Set::new(7, 35);
        let dear = PriceList {
            egress: Some("0.09/GB".parse().expect("a price")),
            ..PriceList::default()
        };
        let free = PriceList {
            egress: Some("0/GB".parse().expect("a price")),
            ..PriceList::default()
        };
        let list = |i: usize| if i < 2 { dear.clone() } else { free.clone() };
        set.settings.read_prices = (0..7).map(|i| (format!("p{i}"), list(i))).collect();
        let policy = Policy { prefer, ..policy(4, 2) };
        set.policies = vec![policy.clone()];
        let store = set.open().await;
        let data = ramp(40_000);
        put(&store, "a", &policy, &data).await.unwrap();
        let asked = |set: &Set| -> u64 { set.faults[..2].iter().map(|f| f.calls_of(Operation::Get)).sum() };
        // The first read asks everybody whether the catalog is the newest.
        assert_eq!(get(&store, "a").await.unwrap(), data);
        let before = asked(&set);
        assert_eq!(get(&store, "a").await.unwrap(), data);
        assert_eq!(asked(&set) > before, dear_is_asked, "{prefer:?}");
    }
}

/// With the answer at the quorum, a provider that stands still adds nothing; its fragment is owed, also for whoever comes after a crash.
#[tokio::test(start_paused = true)]
async fn at_the_quorum_a_provider_that_hangs_adds_nothing_and_is_owed() {
    let mut set = Set::new(6, 40);
    set.settings.acknowledge = Acknowledge::Quorum;
    set.policies = vec![policy(4, 2)];
    let store = set.open().await;
    put(&store, "z", &policy(4, 2), &ramp(100)).await.unwrap();
    store.finish().await;
    assert_eq!(set.catalog.debts(9).await.unwrap(), []);
    set.faults[4].add(Rule::always(Fault::Hang).on(Operation::Put));
    let begun = Instant::now();
    let stored = put(&store, "a", &policy(4, 2), &ramp(40_000)).await.unwrap();
    assert!(begun.elapsed() < Duration::from_millis(100), "{:?}", begun.elapsed());
    assert_eq!(stored.survives(), 1);
    let census = set.catalog.census(&[]).await.unwrap();
    assert!(census.debts > 1 && census.oldest_debt.is_some(), "{census:?}");
    // The process dies: nobody takes the late answers.
    drop(store);
    set.faults[4].clear();
    let store = set.open().await;
    let progress: Arc<dyn Progress> = Arc::new(Silent);
    let paid = pay(&store, 1_000, &progress).await.unwrap();
    assert_eq!((paid.whole, paid.left), (census.debts, 0), "{paid:?}");
    assert_eq!(set.catalog.census(&[]).await.unwrap().degraded, 0);
}

/// "Forget late failures" is a bug that others have: what fails behind the answer stays owed until it is paid.
#[tokio::test(start_paused = true)]
async fn what_fails_behind_the_answer_is_owed_until_it_is_paid() {
    let mut set = Set::new(6, 41);
    set.settings.acknowledge = Acknowledge::Quorum;
    let store = set.open().await;
    put(&store, "z", &policy(4, 2), &ramp(100)).await.unwrap();
    store.finish().await;
    let progress: Arc<dyn Progress> = Arc::new(Silent);
    set.faults[2].add(Rule::always(Fault::LoseAnswer).on(Operation::Put));
    put(&store, "unsure", &policy(4, 2), &ramp(500)).await.unwrap();
    store.finish().await;
    assert_eq!(set.catalog.debts(9).await.unwrap().len(), 1);
    assert_eq!(
        pay(&store, 9, &progress).await.unwrap().whole,
        1,
        "it is there after all"
    );
    set.faults[2].clear();
    set.faults[2].add(Rule::always(Fault::Fail(Class::Denied)).on(Operation::Put));
    put(&store, "failed", &policy(4, 2), &ramp(500)).await.unwrap();
    store.finish().await;
    assert_eq!(set.catalog.debts(9).await.unwrap().len(), 1);
    assert_eq!(
        pay(&store, 9, &progress).await.unwrap().left,
        1,
        "nobody else could take it"
    );
    set.faults[2].clear();
    assert_eq!(pay(&store, 9, &progress).await.unwrap().whole, 1);
    assert_eq!(get(&store, "failed").await.unwrap(), ramp(500));
}

/// Where the quorum can't be reached without those that stand still, spares are sent beside them, once.
#[tokio::test(start_paused = true)]
async fn seats_that_stand_still_keep_a_put_waiting_for_one_hedge_and_no_longer() {
    let mut set = Set::new(8, 42);
    set.settings.acknowledge = Acknowledge::Quorum;
    let store = set.open().await;
    for round in 0..20 {
        put(&store, &format!("z{round}"), &policy(4, 2), &ramp(100))
            .await
            .unwrap();
    }
    store.finish().await;
    for at in [1, 5] {
        set.faults[at].add(Rule::always(Fault::Hang).on(Operation::Put));
    }
    for round in 0..4 {
        let begun = Instant::now();
        let stored = put(&store, &format!("a{round}"), &policy(4, 2), &ramp(900))
            .await
            .unwrap();
        assert!(begun.elapsed() <= Duration::from_secs(11), "{:?}", begun.elapsed());
        assert!(stored.confirmed >= 5);
        assert_eq!(get(&store, &format!("a{round}")).await.unwrap(), ramp(900));
    }
    assert_eq!(set.catalog.check().await.unwrap(), [""; 0]);
}

/// A spare took over a seat though another fragment lay with its operator already. Found by the simulation, seed 6.
/// Found by `benches/trouble`: after as many puts as half the memory holds the next ones waited, half a minute each.
#[tokio::test(start_paused = true)]
async fn regression_however_much_waits_for_one_that_stands_still_no_put_does() {
    let mut set = Set::new(6, 41);
    set.settings.acknowledge = Acknowledge::Quorum;
    set.settings.memory = 1 << 20;
    set.policies = vec![policy(4, 2)];
    set.pace.latency = Duration::from_millis(30);
    let store = set.open().await;
    put(&store, "first", &policy(4, 2), &ramp(8_000)).await.unwrap();
    set.faults[2].add(Rule::always(Fault::Hang).on(Operation::Put));
    for number in 0..400 {
        let begun = Instant::now();
        let stored = put(&store, &number.to_string(), &policy(4, 2), &ramp(6_000)).await;
        stored.unwrap();
        assert!(
            begun.elapsed() < Duration::from_secs(1),
            "put {number}: {:?}",
            begun.elapsed()
        );
    }
    assert!(
        set.faults[2].calls_of(Operation::Put) < 400,
        "what can't wait was not sent"
    );
    set.faults[2].clear();
    tokio::time::sleep(Duration::from_mins(10)).await;
    store.finish().await;
    let silent: Arc<dyn Progress> = Arc::new(Silent);
    pay(&store, usize::MAX, &silent).await.unwrap();
    let census = store.catalog().census(&[]).await.unwrap();
    assert_eq!((census.whole, census.degraded, census.at_risk), (401, 0, 0));
}

#[tokio::test]
async fn regression_a_spare_takes_no_seat_beside_a_fragment_of_its_operator() {
    for at in 0..8 {
        let mut set = Set::new(8, 35);
        set.operators = vec!["one", "one", "c", "d", "e", "f", "g", "h"];
        set.faults[at].add(Rule::always(Fault::Fail(Class::Full)).on(Operation::Put));
        let policy = Policy {
            spread: [(DomainKind::Operator, 1)].into(),
            ..policy(4, 2)
        };
        let store = set.open().await;
        put(&store, "a", &policy, &ramp(40_000)).await.unwrap();
        let clouds = store.clouds();
        for piece in store.catalog().extents("a").await.unwrap() {
            let sound = piece.fragments.iter().filter(|f| f.state == FragmentState::Sound);
            let names = sound
                .filter_map(|f| clouds.holder(f))
                .map(|cloud| cloud.member.name.as_str());
            let both = names.filter(|name| ["p0", "p1"].contains(name)).count();
            assert!(both <= 1, "p{at} fails: {both} fragments lie with one operator");
        }
    }
}

/// A provider once denied having a fragment, as a lagging one does; reads never asked for it again, and where too few others answered the object was out
/// of reach. Found by the simulation, seed 898.
#[tokio::test]
async fn regression_what_was_called_missing_is_asked_for_where_nothing_else_is_left() {
    let mut set = Set::new(6, 41);
    let store = set.open().await;
    let data = ramp(900);
    put(&store, "a", &policy(4, 2), &data).await.unwrap();
    let hidden: Vec<_> = (0..2).map(|at| (at, set.memories[at].blobs())).collect();
    for (at, blobs) in &hidden {
        for key in blobs.keys().filter(|key| !key.starts_with("identity/")) {
            set.memories[*at].steal(key);
        }
    }
    assert_eq!(get(&store, "a").await.unwrap(), data);
    let progress: Arc<dyn Progress> = Arc::new(Silent);
    let found = raic::care::repair::check(&store, "a", true, &progress).await.unwrap();
    assert!(found.wrong().count() >= 2, "both are called missing");
    for (at, blobs) in hidden {
        for (key, body) in blobs {
            set.memories[at].plant(key, body);
        }
    }
    for at in 2..4 {
        set.faults[at].add(Rule::always(Fault::Fail(Class::Denied)));
    }
    assert_eq!(get(&store, "a").await.unwrap(), data);
}

/// A provider that could not be signed in by the first process was signed in behind the repair of a later one, which took it to be silent and left its
/// fragments short. Found by the simulation, seeds 1875 and 8831.
#[tokio::test]
async fn regression_a_repair_signs_in_whom_it_asks() {
    let mut set = Set::new(6, 42);
    set.faults[3].add(Rule::always(Fault::Fail(Class::Transient)).on(Operation::Put));
    let store = set.open().await;
    put(&store, "a", &policy(4, 2), &ramp(40_000)).await.unwrap();
    store.finish().await;
    drop(store);
    set.faults[3].clear();
    let store = set.open().await;
    let progress: Arc<dyn Progress> = Arc::new(Silent);
    raic::care::repair::repair(&store, "a", &progress).await.unwrap();
    let report = raic::care::repair::check(&store, "a", true, &progress).await.unwrap();
    assert_eq!(report.health(), raic::catalog::record::Health::Whole);
}

#[tokio::test]
async fn a_process_that_began_while_no_provider_answered_writes_once_they_do() {
    let mut set = Set::new(6, 47);
    for faults in &mut set.faults[..4] {
        faults.add(Rule::always(Fault::Fail(Class::Transient)).on(Operation::Put));
    }
    let store = set.open().await;
    let refused = put(&store, "a", &policy(4, 2), &ramp(100)).await.unwrap_err();
    assert!(refused.to_string().contains("more than half"), "{refused}");
    set.faults.iter_mut().for_each(|faults| faults.clear());
    put(&store, "a", &policy(4, 2), &ramp(200)).await.unwrap();
    assert_eq!(get(&store, "a").await.unwrap(), ramp(200));
}
