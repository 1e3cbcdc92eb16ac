//! What writing and reading promise while providers fail, hang or slow down.

mod support;

use std::time::Duration;

use raic::catalog::record::FragmentState;
use raic::cloud_set::policy::{Policy, Prefer};
use raic::cloud_set::price::PriceList;
use raic::provider::fault::{Fault, Rule};
use raic::provider::{Class, Operation};
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
