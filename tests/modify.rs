//! Changing bytes of an object: the result is what it would be on plain bytes, and what isn't touched isn't moved.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;
use raic::fragment::id::ExtentId;
use raic::store::Store;
use raic::store::error::StoreError;
use raic::store::modify::Modify;
use raic::store::put::Stored;
use raic::store::send::Silent;
use raic::store::snapshot::Snapshot;
use support::{Set, get, policy, put, ramp};

async fn modify(
    store: &Arc<Store>,
    base: Option<Snapshot>,
    patches: &[(u64, &[u8])],
    len: u64,
) -> Result<Stored, StoreError> {
    let change = Modify {
        name: "a".to_owned(),
        policy: policy(4, 2),
        base,
        patches: patches
            .iter()
            .map(|(at, bytes)| (*at, Bytes::copy_from_slice(bytes)))
            .collect(),
        len,
    };
    let modified = store.modify(change, Arc::new(Silent)).await;
    modified.map(|(stored, _)| stored)
}

async fn extents(store: &Arc<Store>) -> BTreeSet<ExtentId> {
    let snapshot = store.snapshot("a").await.unwrap().unwrap();
    snapshot.pieces().iter().map(|piece| piece.extent.id).collect()
}

prop_compose! {
    /// A change: patches as (place, length), whose bytes are random enough, and a length.
    fn change()(mut spans in prop::collection::vec((0_u64..30_000, 1_u64..4000), 0..4), len in 0_u64..30_000) -> (Vec<(u64, u64)>, u64) {
        spans.sort_unstable();
        let mut end = 0;
        spans.retain(|(at, span)| {
            let fits = *at >= end && at + span <= len;
            end = if fits { at + span } else { end };
            fits
        });
        (spans, len)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(25))]
    #[test]
    fn a_change_is_what_it_would_be_on_plain_bytes(changes in prop::collection::vec(change(), 1..5)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(async {
            let store = Set::new(6, 9).open().await;
            let mut plain: Vec<u8> = Vec::new();
            let mut base = None;
            for (step, (spans, len)) in changes.into_iter().enumerate() {
                plain.resize(usize::try_from(len).unwrap(), 0);
                let mut patches = BTreeMap::new();
                for (at, span) in spans {
                    let bytes: Vec<u8> = (0..span).map(|byte| u8::try_from((byte * 7 + at + step as u64) % 253).unwrap()).collect();
                    plain[usize::try_from(at).unwrap()..][..bytes.len()].copy_from_slice(&bytes);
                    patches.insert(at, Bytes::from(bytes));
                }
                let change = Modify { name: "a".to_owned(), policy: policy(4, 2), base, patches, len };
                let (_, made) = store.modify(change, Arc::new(Silent)).await.unwrap();
                assert!(get(&store, "a").await.unwrap() == plain, "step {step}");
                base = store.snapshot("a").await.unwrap();
                let found = base.as_ref().unwrap();
                assert_eq!((made.version(), made.pieces()), (found.version(), found.pieces()), "step {step}");
            }
            assert_eq!(store.catalog().check().await.unwrap(), [""; 0]);
        });
    }
}

#[tokio::test]
async fn what_a_change_does_not_touch_is_named_again_and_not_moved() {
    let store = Set::new(6, 1).open().await;
    put(&store, "a", &policy(4, 2), &ramp(100_000)).await.unwrap();
    let before = extents(&store).await;
    assert!(before.len() > 10, "{} extents", before.len());
    let base = store.snapshot("a").await.unwrap();
    modify(&store, base, &[(50_000, b"new")], 100_000).await.unwrap();
    let after = extents(&store).await;
    assert_eq!((after.len(), after.difference(&before).count()), (before.len(), 1));
    let base = store.snapshot("a").await.unwrap();
    modify(&store, base, &[(100_000, b"more")], 100_004).await.unwrap();
    assert!(
        extents(&store).await.difference(&after).count() <= 1,
        "only the last one grew"
    );
    let mut bytes = ramp(100_000);
    bytes[50_000..50_003].copy_from_slice(b"new");
    assert!(get(&store, "a").await.unwrap() == [&bytes[..], b"more"].concat());
}

#[tokio::test]
async fn a_change_of_a_version_that_was_replaced_is_refused() {
    let store = Set::new(6, 1).open().await;
    put(&store, "a", &policy(4, 2), &ramp(9000)).await.unwrap();
    let base = store.snapshot("a").await.unwrap();
    modify(&store, base.clone(), &[(0, b"first")], 9000).await.unwrap();
    let late = modify(&store, base.clone(), &[(0, b"late!")], 9000).await;
    assert!(matches!(late, Err(StoreError::Refused { .. })), "{late:?}");
    assert!(matches!(
        modify(&store, None, &[], 5).await,
        Err(StoreError::Refused { .. })
    ));
    assert_eq!(get(&store, "a").await.unwrap()[..5], *b"first");
}

#[tokio::test]
async fn a_version_can_be_read_after_it_was_replaced() {
    let store = Set::new(6, 1).open().await;
    put(&store, "a", &policy(4, 2), &ramp(20_000)).await.unwrap();
    let old = store.snapshot("a").await.unwrap().unwrap();
    modify(&store, Some(old.clone()), &[(100, b"new")], 20_000)
        .await
        .unwrap();
    let progress: Arc<dyn raic::store::send::Progress> = Arc::new(Silent);
    let bytes = store.read_snapshot(&old, 50..19_000, &progress).await.unwrap();
    assert!(bytes == ramp(20_000)[50..19_000]);
}

#[tokio::test]
async fn an_object_handed_over_by_extents_is_stored_whole() {
    let store = Set::new(6, 1).open().await;
    for len in [1_usize, 900, 6000, 40_000] {
        let name = format!("of {len}");
        let put = raic::store::put::Put {
            name: name.clone(),
            policy: policy(4, 2),
            condition: raic::catalog::record::Condition::Absent,
            modified: None,
            len_hint: None,
        };
        let mut inflow = store.begin_put(put, len as u64, Arc::new(Silent)).await.unwrap();
        let (bytes, mut at) = (ramp(len), 0);
        while inflow.next_len() > 0 {
            let next = usize::try_from(inflow.next_len()).unwrap();
            inflow
                .push(std::io::Cursor::new(bytes[at..at + next].to_vec()))
                .await
                .unwrap();
            at += next;
        }
        inflow.finish().await.unwrap();
        assert!(get(&store, &name).await.unwrap() == bytes, "{len}");
    }
    assert_eq!(store.catalog().open_generations().await.unwrap(), []);
}
