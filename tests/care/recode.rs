//! Objects whose policy has another k and m by now are written anew, and nothing else is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use raic::care::recode::{Recoded, due, recode};
use raic::cloud_set::policy::Policy;
use raic::provider::fault::{Fault, Rule};
use raic::provider::{Class, Operation};
use raic::store::Store;
use raic::store::error::StoreError;
use raic::store::send::{Progress, Silent};

use crate::price::Seen;
use crate::support::cut::Death;
use crate::support::{Set, get, policy, put, ramp};

const LENS: [usize; 6] = [0, 5, 700, 3_000, 20_000, 90_000];

fn archive() -> Policy {
    Policy {
        name: "archive".to_owned(),
        ..policy(2, 1)
    }
}

/// Objects at 4+2 and one of another policy, in a set whose policy is k+m from then on.
async fn changed(seed: u64, k: u16, m: u16) -> Set {
    let mut set = Set::new(6, seed);
    set.policies = vec![policy(4, 2), archive()];
    let store = set.open().await;
    for len in LENS {
        put(&store, &len.to_string(), &policy(4, 2), &ramp(len)).await.unwrap();
    }
    put(&store, "other", &archive(), &ramp(900)).await.unwrap();
    put(&store, "gone", &policy(4, 2), &ramp(900)).await.unwrap();
    store.remove("gone", &policy(4, 2), Arc::new(Silent)).await.unwrap();
    set.policies = vec![policy(k, m), archive()];
    set
}

async fn run(store: &Arc<Store>, dry_run: bool, progress: Arc<dyn Progress>) -> (Recoded, BTreeSet<String>) {
    let mut names = BTreeSet::new();
    let done = recode(store, dry_run, &progress, &|| false, &mut |step| {
        names.insert(step.name.clone());
    })
    .await;
    (done.unwrap(), names)
}

async fn all_are_there(store: &Arc<Store>) {
    for len in LENS {
        assert!(get(store, &len.to_string()).await.unwrap() == ramp(len), "{len} bytes");
    }
    assert_eq!(get(store, "other").await.unwrap(), ramp(900));
    assert!(matches!(get(store, "gone").await, Err(StoreError::NotFound { .. })));
    assert_eq!(store.catalog().check().await.unwrap(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn what_is_kept_under_another_code_is_written_anew_and_takes_what_the_plan_says() {
    for (seed, (k, m)) in [(71, (3, 3)), (72, (2, 4)), (73, (2, 1)), (74, (5, 1))] {
        let mut set = changed(seed, k, m).await;
        let store = set.open().await;
        let other = store.head("other").await.unwrap();
        let wanted: BTreeSet<String> = LENS.iter().map(ToString::to_string).collect();
        let blobs = set.fragments();
        let (planned, names) = run(&store, true, Arc::new(Silent)).await;
        assert_eq!(
            (names, set.fragments()),
            (wanted.clone(), blobs),
            "a plan changes nothing"
        );
        assert_eq!(due(&store).await.unwrap(), LENS.len() as u64);

        let seen = Arc::new(Seen::default());
        let (done, names) = run(&store, false, seen.clone()).await;
        assert_eq!(names, wanted);
        assert_eq!((done.objects, done.short, done.overtaken), (LENS.len() as u64, 0, 0));
        assert_eq!(done.bytes, LENS.iter().sum::<usize>() as u64);
        let moved = |(name, load): (&String, &raic::care::outlay::Load)| (name.clone(), load.read + load.written);
        let planned: BTreeMap<String, u64> = planned.outlay.0.iter().map(moved).collect();
        let seen = seen.0.lock().unwrap().clone();
        assert_eq!(seen.values().sum::<u64>(), planned.values().sum::<u64>(), "{k}+{m}");
        if k + m == 6 {
            assert_eq!(seen, planned, "{k}+{m}: every provider gets one of n");
        }

        all_are_there(&store).await;
        for len in LENS {
            let head = store.head(&len.to_string()).await.unwrap();
            assert_eq!((head.modified, head.policy.as_str()), (5, "default"));
            for piece in store.catalog().extents(&head.name).await.unwrap() {
                let shape = piece.extent.shape;
                assert_eq!((shape.k, shape.n), (k, k + m));
                assert!(piece.extent.sealed);
            }
        }
        assert_eq!(store.head("other").await.unwrap(), other, "it had its policy's code");
        let (again, names) = run(&store, false, Arc::new(Silent)).await;
        assert_eq!((again.objects, names.len(), due(&store).await.unwrap()), (0, 0, 0));

        set.clock.advance(3_600_000_000_001);
        while store.sweep(1_000).await.unwrap().deleted > 0 {}
        assert_eq!(store.catalog().census(&[]).await.unwrap().doomed, 0);
        all_are_there(&store).await;
    }
}

#[tokio::test]
async fn a_recoding_that_dies_at_any_call_leaves_every_object_whole_and_the_next_ends_it() {
    let mut set = changed(75, 3, 3).await;
    let death = Death::never();
    let store = set.open_to_die(&death).await;
    run(&store, false, Arc::new(Silent)).await;
    let calls = death.calls();
    assert!(calls > 100, "{calls}");
    for at in (0..calls).step_by(37) {
        let mut set = changed(75, 3, 3).await;
        let death = Death::at(at, at % 2 == 0);
        let store = set.open_to_die(&death).await;
        tokio::select! {
            biased;
            () = death.died.notified() => {}
            _ = run(&store, false, Arc::new(Silent)) => {}
        }
        drop(store);
        let next = set.open().await;
        next.begin_writing().await.unwrap();
        all_are_there(&next).await;
        let left = due(&next).await.unwrap();
        let (done, _) = run(&next, false, Arc::new(Silent)).await;
        assert_eq!((done.objects, due(&next).await.unwrap()), (left, 0), "cut at call {at}");
        all_are_there(&next).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_written_anew_stays_as_it_was() {
    let mut set = changed(76, 3, 3).await;
    for at in [0, 1] {
        set.faults[at].add(Rule::always(Fault::Fail(Class::Full)).on(Operation::Put));
    }
    let store = set.open().await;
    let progress: Arc<dyn Progress> = Arc::new(Silent);
    let done = recode(&store, false, &progress, &|| false, &mut |_| {}).await.unwrap();
    assert_eq!((done.objects, done.failed.len()), (0, LENS.len()));
    set.faults.iter().for_each(raic::provider::fault::Faults::clear);
    all_are_there(&store).await;
    assert_eq!(due(&store).await.unwrap(), LENS.len() as u64);
}

/// A node's slots have extents of at most 1 MiB: what a small change costs must not grow.
#[tokio::test(start_paused = true)]
async fn an_object_of_short_extents_keeps_them_short() {
    let mut set = Set::new(6, 77);
    let short = policy(4, 2).with_extents(1_000);
    set.policies = vec![policy(4, 2)];
    let store = set.open().await;
    put(&store, "slot", &short, &ramp(9_000)).await.unwrap();
    let longest = |pieces: &[raic::catalog::record::Piece]| pieces.iter().map(|piece| piece.len).max().unwrap();
    let before = longest(&store.catalog().extents("slot").await.unwrap());
    drop(store);
    set.policies = vec![policy(2, 4)];
    let store = set.open().await;
    let (done, _) = run(&store, false, Arc::new(Silent)).await;
    assert_eq!(done.objects, 1);
    assert!(longest(&store.catalog().extents("slot").await.unwrap()) <= before);
    assert_eq!(get(&store, "slot").await.unwrap(), ramp(9_000));
}
