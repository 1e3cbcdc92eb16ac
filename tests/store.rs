//! What put, get and remove promise, over providers in memory that can be made to fail.

mod support;

use std::sync::Arc;

use raic::store::error::StoreError;
use raic::store::send::Silent;
use support::{Set, get, policy, put, ramp, range};

#[tokio::test]
async fn what_was_put_is_what_is_read_whatever_its_length() {
    let mut set = Set::new(6, 1);
    let store = set.open().await;
    for len in [
        0, 1, 3, 4, 5, 239, 240, 241, 959, 960, 961, 5000, 6720, 6721, 20_000, 100_000,
    ] {
        let data = ramp(len);
        let stored = put(&store, "a", &policy(4, 2), &data).await.unwrap();
        assert_eq!((stored.survives(), stored.version.len), (2, len as u64));
        assert!(get(&store, "a").await.unwrap() == data, "{len} bytes");
    }
}

#[tokio::test]
async fn any_range_is_the_same_bytes_as_of_the_whole() {
    let mut set = Set::new(6, 2);
    let store = set.open().await;
    let data = ramp(30_000);
    put(&store, "a", &policy(4, 2), &data).await.unwrap();
    for (from, to) in [
        (0, 0),
        (0, 1),
        (29_999, 30_000),
        (30_000, 30_000),
        (100, 101),
        (235, 245),
        (955, 965),
        (6000, 14_000),
        (0, 30_000),
    ] {
        let got = range(&store, "a", Some(from..to)).await.unwrap();
        let want = &data[usize::try_from(from).unwrap()..usize::try_from(to).unwrap()];
        assert!(got == want, "{from}..{to}");
    }
    assert!(matches!(
        range(&store, "a", Some(5..30_001)).await,
        Err(StoreError::Range { len: 30_000, .. })
    ));
}

#[tokio::test]
async fn any_m_providers_may_be_gone_and_one_more_is_said_to_be_out_of_reach() {
    let mut set = Set::new(6, 3);
    let store = set.open().await;
    let data = ramp(20_000);
    put(&store, "a", &policy(4, 2), &data).await.unwrap();
    for one in 0..6 {
        for two in 0..one {
            set.faults[one].kill();
            set.faults[two].kill();
            assert!(get(&store, "a").await.unwrap() == data, "without {one} and {two}");
            let three = (0..6).find(|p| *p != one && *p != two).unwrap();
            set.faults[three].kill();
            let error = get(&store, "a").await.unwrap_err();
            assert!(matches!(error, StoreError::Unreachable { .. }), "{error}");
            for p in [one, two, three] {
                set.faults[p].revive();
            }
        }
    }
}

#[tokio::test]
async fn fragments_that_are_deleted_for_good_make_an_object_lost_and_not_out_of_reach() {
    let mut set = Set::new(6, 4);
    let store = set.open().await;
    put(&store, "a", &policy(4, 2), &ramp(1000)).await.unwrap();
    for memory in set.memories.iter().take(3) {
        for key in memory.blobs().into_keys().filter(|key| !key.starts_with("identity/")) {
            memory.steal(&key);
        }
    }
    let error = get(&store, "a").await.unwrap_err();
    assert!(matches!(error, StoreError::Lost { good: 3, k: 4, .. }), "{error}");
}

#[tokio::test]
async fn an_emptied_provider_is_out_of_reach_and_its_fragments_are_not_missing() {
    let mut set = Set::new(6, 5);
    put(&set.open().await, "a", &policy(4, 2), &ramp(1000)).await.unwrap();
    for memory in set.memories.iter().take(3) {
        memory.wipe();
    }
    let error = get(&set.open().await, "a").await.unwrap_err();
    assert!(
        matches!(error, StoreError::Unreachable { unanswered: 3, .. }),
        "{error}"
    );
}

#[tokio::test]
async fn a_put_below_the_quorum_is_not_stored_and_the_old_version_stays() {
    let mut set = Set::new(6, 6);
    let store = set.open().await;
    put(&store, "a", &policy(4, 2), &ramp(1000)).await.unwrap();
    set.faults[0].kill();
    assert_eq!(put(&store, "a", &policy(4, 2), &ramp(900)).await.unwrap().survives(), 1);
    set.faults[1].kill();
    let error = put(&store, "a", &policy(4, 2), &ramp(800)).await.unwrap_err();
    // With two of six away the void finds no quorum either.
    assert!(
        matches!(error, StoreError::OutcomeUnknown { confirmed: 4, n: 6, .. }),
        "{error}"
    );
    assert_eq!(get(&store, "a").await.unwrap().len(), 900);
    set.faults[0].revive();
    set.faults[1].revive();
    let next = set.open().await;
    assert_eq!(next.begin_writing().await.unwrap().undone, ["a"]);
    assert_eq!(get(&next, "a").await.unwrap().len(), 900);
    next.sweep(1000).await.unwrap();
    assert!(next.catalog().open_generations().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_removed_object_is_gone_and_its_blobs_go_after_the_grace() {
    let mut set = Set::new(6, 7);
    let store = set.open().await;
    put(&store, "a", &policy(4, 2), &ramp(20_000)).await.unwrap();
    let before: usize = set.fragments().iter().map(std::collections::BTreeMap::len).sum();
    store
        .remove("a", &policy(4, 2), std::sync::Arc::new(raic::store::send::Silent))
        .await
        .unwrap();
    assert!(matches!(get(&store, "a").await, Err(StoreError::NotFound { .. })));
    assert_eq!(store.sweep(1000).await.unwrap().deleted, 0, "within the grace");
    set.clock.advance(3_600_000_000_001);
    let swept = store.sweep(1000).await.unwrap().deleted;
    let after: usize = set.fragments().iter().map(std::collections::BTreeMap::len).sum();
    assert_eq!(
        (swept, after),
        (before as u64 - 6, 6 + 6),
        "the tombstone and the epoch record stay"
    );
}

#[tokio::test]
async fn two_providers_lost_for_good_are_replaced_by_repair() {
    let mut set = Set::new(8, 8);
    let store = set.open().await;
    let data = ramp(50_000);
    put(&store, "a", &policy(4, 2), &data).await.unwrap();
    set.faults[2].kill();
    set.faults[5].kill();
    raic::care::repair::declare_lost(&store, "p2").await.unwrap();
    raic::care::repair::declare_lost(&store, "p5").await.unwrap();
    let progress: std::sync::Arc<dyn raic::store::send::Progress> = std::sync::Arc::new(raic::store::send::Silent);
    let repaired = raic::care::repair::repair(&store, "a", &progress).await.unwrap();
    assert!(!repaired.rebuilt.is_empty() && repaired.unplaced.is_empty());
    let report = raic::care::repair::check(&store, "a", true, &progress).await.unwrap();
    assert_eq!(report.health(), raic::catalog::record::Health::Whole);
    for one in [0, 1, 3, 4, 6, 7] {
        for two in [0, 1, 3, 4, 6, 7] {
            set.faults[one].kill();
            set.faults[two].kill();
            assert!(get(&store, "a").await.unwrap() == data);
            set.faults[one].revive();
            set.faults[two].revive();
        }
    }
}

#[tokio::test]
async fn what_providers_keep_does_not_count_against_the_budget_of_memory() {
    let mut set = Set::new(6, 91);
    set.settings.memory = 1 << 16;
    let store = set.open().await;
    let data = ramp(400_000);
    put(&store, "a", &policy(4, 2), &data).await.unwrap();
    assert_eq!(get(&store, "a").await.unwrap(), data);
}

/// What a provider's blobs come to that a quota is kept for.
fn held(set: &Set, at: usize) -> usize {
    set.fragments()[at].values().map(bytes::Bytes::len).sum()
}

#[tokio::test]
async fn no_provider_is_given_more_than_its_quota_while_others_have_room() {
    let mut set = Set::new(8, 50);
    set.settings.quotas = [("p2".to_owned(), 9_000), ("p5".to_owned(), 0)].into();
    let store = set.open().await;
    let epoch = held(&set, 5);
    for round in 0..30 {
        let stored = put(&store, &format!("{round}"), &policy(4, 2), &ramp(3_000))
            .await
            .unwrap();
        assert_eq!((stored.confirmed, stored.n), (6, 6), "spares stand in");
    }
    let small = 3 * 400;
    assert!(
        (9_000 - small..9_000 + small).contains(&held(&set, 2)),
        "{}",
        held(&set, 2)
    );
    assert!(held(&set, 5) <= epoch + small, "{}", held(&set, 5));
    // A later process counts what is there.
    let store = set.open().await;
    put(&store, "later", &policy(4, 2), &ramp(3_000)).await.unwrap();
    assert!(held(&set, 2) < 9_000 + small);
}

#[tokio::test]
async fn on_a_set_whose_quotas_are_used_up_nothing_is_stored_and_removals_make_room() {
    let mut set = Set::new(6, 51);
    let store = set.open().await;
    put(&store, "a", &policy(4, 2), &ramp(3_000)).await.unwrap();
    let one = set.fragments()[0].values().map(bytes::Bytes::len).max().unwrap();
    let quota = |at: usize| (format!("p{at}"), (held(&set, at) + one - 1) as u64);
    set.settings.quotas = (0..6).map(quota).collect();
    let store = set.open().await;
    let error = put(&store, "b", &policy(4, 2), &ramp(3_000)).await.unwrap_err();
    let StoreError::NotStored { causes, .. } = &error else {
        panic!("{error:?}")
    };
    assert!(
        causes.iter().all(|cause| cause.message.contains("quota of")),
        "{causes:?}"
    );
    assert_eq!(get(&store, "a").await.unwrap(), ramp(3_000));
    assert!(matches!(get(&store, "b").await, Err(StoreError::NotFound { .. })));
    store.remove("a", &policy(4, 2), Arc::new(Silent)).await.unwrap();
    set.clock.advance(7_200_000_000_000);
    store.sweep(100).await.unwrap();
    put(&store, "b", &policy(4, 2), &ramp(3_000)).await.unwrap();
    assert_eq!(get(&store, "b").await.unwrap(), ramp(3_000));
}
