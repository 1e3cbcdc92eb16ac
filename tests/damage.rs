//! Providers that lie: any change of any stored byte is noticed, read around, and mended.

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use raic::care::repair::{check, repair};
use raic::catalog::record::{FragmentState, Health};
use raic::entropy::{Entropy, SeededEntropy};
use raic::fragment::key::open_key;
use raic::store::error::StoreError;
use raic::store::send::{Progress, Silent};
use support::{Set, get, policy, put, ramp};

/// One way to spoil a blob, given another blob of the set.
fn spoil(dice: &SeededEntropy, body: &Bytes, other: &Bytes) -> Option<Bytes> {
    let at = usize::try_from(dice.number() % body.len() as u64).expect("an index");
    let spoilt = match dice.number() % 5 {
        0 => {
            let mut flipped = body.to_vec();
            flipped[at] ^= 1 << (dice.number() % 8);
            flipped.into()
        }
        1 => body.slice(..at),
        2 => other.clone(),
        3 => {
            let mut longer = body.to_vec();
            longer.extend_from_slice(&other[..at.min(other.len())]);
            longer.into()
        }
        _ => {
            let mut torn = body.to_vec();
            let keep = at.min(other.len());
            torn[keep..].fill(0);
            torn.into()
        }
    };
    (spoilt != *body).then_some(spoilt)
}

fn seed() -> u64 {
    std::env::var("RAIC_SEED")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(20_261_122)
}

/// The keys of an object's live fragments, by extent and index.
fn live(
    set: &Set,
    held: &[(raic::fragment::id::ExtentId, u16, u64)],
) -> BTreeMap<(raic::fragment::id::ExtentId, u16), (usize, String)> {
    let mut keys = BTreeMap::new();
    for (provider, blobs) in set.fragments().into_iter().enumerate() {
        for key in blobs.into_keys() {
            let (_, token) = open_key(&Set::keys(), &key).expect("a blob of this set");
            if held.contains(&(token.extent, token.index, token.copy)) {
                keys.insert((token.extent, token.index), (provider, key));
            }
        }
    }
    keys
}

#[tokio::test]
async fn a_thousand_damages_of_up_to_m_fragments_are_noticed_read_around_and_mended() {
    let dice = SeededEntropy::new(seed());
    println!("RAIC_SEED={}", seed());
    let mut set = Set::new(6, 9);
    let store = set.open().await;
    let data = ramp(9_000);
    put(&store, "a", &policy(4, 2), &data).await.unwrap();
    put(&store, "b", &policy(4, 2), &ramp(9_001)).await.unwrap();
    let progress: Arc<dyn Progress> = Arc::new(Silent);
    let mut damages = 0;
    while damages < 1000 {
        let pieces = store.catalog().extents("a").await.unwrap();
        let held: Vec<_> = pieces
            .iter()
            .flat_map(|p| p.fragments.iter().map(|f| (f.extent, f.index, f.copy)))
            .collect();
        let keys = live(&set, &held);
        let blobs: Vec<Bytes> = set.fragments().into_iter().flat_map(BTreeMap::into_values).collect();
        let piece = &pieces[usize::try_from(dice.number() % pieces.len() as u64).unwrap()];
        let first = u16::try_from(dice.number() % 6).unwrap();
        let mut spoilt = Vec::new();
        for index in [first, (first + 1 + u16::try_from(dice.number() % 5).unwrap()) % 6]
            .into_iter()
            .take(1 + usize::from(dice.number().is_multiple_of(2)))
        {
            let (provider, key) = &keys[&(piece.extent.id, index)];
            let body = set.memories[*provider].steal(key).unwrap();
            let other = &blobs[usize::try_from(dice.number() % blobs.len() as u64).unwrap()];
            let bad = spoil(&dice, &body, other);
            if bad.is_some() {
                spoilt.push(index);
            }
            set.memories[*provider].plant(key.clone(), bad.unwrap_or(body));
        }
        damages += spoilt.len();
        assert!(
            get(&store, "a").await.unwrap() == data,
            "seed {}, after {damages} damages",
            seed()
        );
        let report = check(&store, "a", true, &progress).await.unwrap();
        let found: Vec<u16> = report.wrong().map(|finding| finding.fragment.index).collect();
        for index in &spoilt {
            assert!(
                found.contains(index),
                "damage of fragment {index} was not noticed, seed {}, damage {damages}",
                seed()
            );
        }
        let repaired = repair(&store, "a", &progress).await.unwrap();
        assert!(repaired.unplaced.is_empty() && repaired.hopeless.is_empty());
        assert_eq!(
            check(&store, "a", true, &progress).await.unwrap().health(),
            Health::Whole
        );
        set.clock.advance(3_600_000_000_001);
        store.sweep(1000).await.unwrap();
    }
}

#[tokio::test]
async fn more_than_m_damages_in_one_stripe_are_an_error_and_never_wrong_bytes() {
    let mut set = Set::new(6, 10);
    let store = set.open().await;
    put(&store, "a", &policy(4, 2), &ramp(900)).await.unwrap();
    for memory in set.memories.iter().take(3) {
        for (key, body) in memory
            .blobs()
            .into_iter()
            .filter(|(key, _)| !key.starts_with("identity/"))
        {
            let mut bad = body.to_vec();
            let last = bad.len() - 40;
            bad[last] ^= 1;
            memory.plant(key, bad.into());
        }
    }
    let error = get(&store, "a").await.unwrap_err();
    assert!(matches!(error, StoreError::Lost { good: 3, k: 4, .. }), "{error}");
    let fragments = &store.catalog().extents("a").await.unwrap()[0].fragments;
    assert_eq!(
        fragments.iter().filter(|f| f.state == FragmentState::Damaged).count(),
        3,
        "kept for repair"
    );
}

#[tokio::test]
async fn an_old_version_that_a_provider_shows_again_is_never_read() {
    let mut set = Set::new(6, 11);
    let store = set.open().await;
    put(&store, "a", &policy(4, 2), &ramp(500)).await.unwrap();
    let old = set.fragments();
    put(&store, "a", &policy(4, 2), &ramp(600)).await.unwrap();
    set.clock.advance(3_600_000_000_001);
    store.sweep(1000).await.unwrap();
    for (memory, blobs) in set.memories.iter().zip(old) {
        for (key, body) in blobs {
            memory.plant(key, body);
        }
    }
    assert_eq!(get(&set.open().await, "a").await.unwrap().len(), 600);
}

#[tokio::test]
async fn a_catalog_that_is_older_than_the_clouds_neither_writes_nor_reads() {
    let mut set = Set::new(6, 12);
    put(&set.open().await, "a", &policy(4, 2), &ramp(500)).await.unwrap();
    let members = set.catalog.members().await.unwrap();
    let fresh = raic::catalog::sqlite::SqliteCatalog::inline(Set::keys().set()).unwrap();
    set.catalog = Arc::new(fresh);
    set.catalog.set_members(members.0, members.1).await.unwrap();
    let store = set.open().await;
    let error = put(&store, "b", &policy(4, 2), &ramp(10)).await.unwrap_err();
    assert!(matches!(error, StoreError::Stale { known: 1, .. }), "{error}");
    // That there is no such object is not for an old catalog to say.
    assert!(matches!(get(&store, "b").await, Err(StoreError::Stale { .. })));
}
