//! What care notes is kept in the order and with the times that it was told.

use std::collections::BTreeMap;

use futures::executor::block_on;
use proptest::prelude::*;

use super::*;
use crate::catalog::Catalog;
use crate::catalog::record::Health;
use crate::catalog::sample::{self, SET, WRITER};
use crate::fragment::id::{Group, Kind};

/// A catalog with so many objects of one extent and four fragments each.
fn catalog_of(objects: u64) -> SqliteCatalog {
    let catalog = SqliteCatalog::inline(SET).unwrap();
    block_on(async {
        catalog.claim_epoch(1, WRITER).await.unwrap();
        for number in 1..=objects {
            put(&catalog, number).await;
        }
    });
    catalog
}

async fn put(catalog: &SqliteCatalog, number: u64) {
    let (generation, id) = (sample::generation(1, number), sample::extent_id(number));
    let mut extent = sample::extent(id, generation, Kind::RootData, 3_000);
    extent.group = Group([u8::try_from(number * 40 % 256).unwrap(); 16]);
    catalog
        .intend(sample::intent(&number.to_string(), extent))
        .await
        .unwrap();
    let name = number.to_string();
    catalog
        .commit(sample::commit(&name, generation, id, 3_000))
        .await
        .unwrap();
}

fn all_unread(catalog: &SqliteCatalog, before: i64, page: usize) -> Vec<Unread> {
    let mut found: Vec<Unread> = Vec::new();
    loop {
        let after = found.last().map(|unread| unread.mark);
        let more = block_on(catalog.unread(before, after, page)).unwrap();
        if more.is_empty() {
            return found;
        }
        found.extend(more);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    /// Whatever is read in whatever slices, and whatever comes in between, the order is that of the last looks, and nothing is left out.
    #[test]
    fn the_fragment_that_waited_longest_is_always_the_next(slices in proptest::collection::vec((0_usize..9, 0_u64..2), 1..12), page in 1_usize..7) {
        let catalog = catalog_of(3);
        let mut model: BTreeMap<(ExtentId, u16), (i64, u64)> = BTreeMap::new();
        let (mut now, mut objects) = (0, 3);
        for (take, more) in slices {
            now += 1;
            for _ in 0..more {
                objects += 1;
                block_on(put(&catalog, objects));
            }
            block_on(catalog.enrol(now)).unwrap();
            for object in 1..=objects {
                for index in 0..4 {
                    model.entry((sample::extent_id(object), index)).or_insert((now, object));
                }
            }
            let mut wanted: Vec<_> = model.iter().map(|((id, index), (since, object))| (*since, *object, *index, *id)).collect();
            wanted.sort_unstable();
            let found = all_unread(&catalog, i64::MAX, page);
            let told: Vec<_> = found.iter().map(|it| (it.since.unwrap(), it.fragment.index, it.extent.id)).collect();
            prop_assert_eq!(told, wanted.into_iter().map(|(since, _, index, id)| (since, index, id)).collect::<Vec<_>>());
            let read: Vec<Fragment> = found.iter().take(take).map(|it| it.fragment).collect();
            for it in &read {
                model.get_mut(&(it.extent, it.index)).unwrap().0 = now;
            }
            block_on(catalog.note_read(read, now)).unwrap();
        }
    }
}

#[test]
fn what_was_never_noted_comes_last_and_is_never_left_out() {
    let catalog = catalog_of(1);
    block_on(catalog.enrol(5)).unwrap();
    block_on(put(&catalog, 2));
    let found = all_unread(&catalog, 6, 3);
    let noted: Vec<Option<i64>> = found.iter().map(|it| it.since).collect();
    assert_eq!(noted, [Some(5), Some(5), Some(5), Some(5), None, None, None, None]);
    assert_eq!(
        all_unread(&catalog, 5, 3).len(),
        4,
        "what was noted at 5 isn't before 5"
    );
}

#[test]
fn a_reach_is_as_old_as_the_fragment_that_was_read_longest_ago() {
    let catalog = catalog_of(1);
    let all = all_unread(&catalog, i64::MAX, 9);
    let reach = || block_on(catalog.reach()).unwrap();
    assert_eq!((reach().fragments, reach().read, reach().oldest), (4, 0, None));
    for (at, unread) in [10, 40, 30].into_iter().zip(&all) {
        block_on(catalog.note_read(vec![unread.fragment], at)).unwrap();
    }
    assert_eq!((reach().read, reach().oldest), (3, None));
    block_on(catalog.note_read(vec![all[3].fragment], 20)).unwrap();
    block_on(catalog.note_read(vec![all[0].fragment], 50)).unwrap();
    assert_eq!((reach().read, reach().oldest), (4, Some(20)));
    let id = all[0].extent.id;
    assert_eq!(block_on(catalog.proved(id, 30)).unwrap(), [0, 1, 2]);
    let damaged = Fragment {
        state: FragmentState::Damaged,
        ..all[1].fragment
    };
    block_on(catalog.mark(vec![damaged])).unwrap();
    assert_eq!(block_on(catalog.proved(id, 30)).unwrap(), [0, 2]);
    let gone = Fragment {
        state: FragmentState::Missing,
        ..all[2].fragment
    };
    block_on(catalog.mark(vec![gone])).unwrap();
    assert_eq!(
        all_unread(&catalog, i64::MAX, 9).len(),
        3,
        "what is missing can't be read"
    );
}

#[test]
fn the_wards_together_are_everything_and_none_is_in_two() {
    let catalog = catalog_of(40);
    let mut found = Vec::new();
    for ward in Ward::all() {
        for tracked in block_on(catalog.ward(ward)).unwrap() {
            assert_eq!(Ward::of(tracked.extent.group), ward);
            let group = crate::fragment::id::BASE32.encode(&tracked.extent.group.0);
            assert!(ward.prefix().starts_with(&group[..1]));
            assert_eq!(
                (tracked.held, tracked.fragments.len(), tracked.doomed.len()),
                (true, 4, 0)
            );
            found.push(tracked.extent.id);
        }
    }
    found.sort();
    found.dedup();
    assert_eq!(found.len(), 40);
}

#[test]
fn orphans_keep_the_time_of_their_first_sight() {
    let catalog = catalog_of(0);
    let orphan = |key: &str, seen| Orphan {
        provider: sample::provider_id(1),
        key: key.to_owned(),
        len: Some(7),
        seen,
    };
    block_on(catalog.note_orphans(vec![orphan("b", 3), orphan("a", 5)])).unwrap();
    block_on(catalog.note_orphans(vec![orphan("b", 9)])).unwrap();
    assert_eq!(block_on(catalog.orphans()).unwrap(), [orphan("b", 3), orphan("a", 5)]);
    block_on(catalog.forget_orphans(vec![orphan("b", 0)])).unwrap();
    assert_eq!(block_on(catalog.orphans()).unwrap(), [orphan("a", 5)]);
}

#[test]
fn who_can_lose_least_is_repaired_first() {
    let catalog = catalog_of(3);
    let lose = |object: u64, indices: &[u16]| {
        let (_, fragments) = block_on(catalog.extent(sample::extent_id(object))).unwrap().unwrap();
        let gone = fragments.into_iter().filter(|it| indices.contains(&it.index));
        let gone = gone.map(|it| Fragment {
            state: FragmentState::Missing,
            ..it
        });
        block_on(catalog.mark(gone.collect())).unwrap();
    };
    lose(1, &[0]);
    lose(2, &[0, 1]);
    lose(3, &[0, 1, 2]);
    let queue = block_on(catalog.queue(&[], 9)).unwrap();
    let told: Vec<_> = queue
        .iter()
        .map(|it| (it.name.as_str(), it.health, it.margin))
        .collect();
    assert_eq!(
        told,
        [
            ("3", Health::Lost, 0),
            ("2", Health::AtRisk, 0),
            ("1", Health::Degraded, 1)
        ]
    );
    assert_eq!(block_on(catalog.queue(&[], 1)).unwrap(), queue[..1]);
}

#[test]
fn deeds_and_wards_keep_the_latest_time() {
    let catalog = catalog_of(0);
    for at in [4, 9, 2] {
        block_on(catalog.note(Deed::Read, at)).unwrap();
        let row = Listed {
            provider: sample::provider_id(2),
            ward: Ward::new(31).unwrap(),
            at,
        };
        block_on(catalog.note_listed(vec![row])).unwrap();
    }
    assert_eq!(block_on(catalog.when(Deed::Read)).unwrap(), Some(9));
    assert_eq!(block_on(catalog.when(Deed::Listed)).unwrap(), None);
    let listed = block_on(catalog.listed()).unwrap();
    assert_eq!((listed.len(), listed[0].at, Ward::new(32)), (1, 9, None));
}
