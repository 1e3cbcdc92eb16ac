//! One suite for every catalog: the same verbs on it and on plain maps, their answers and all that can be seen compared after each.
//!
//! The world is small (three names, few extents and providers), so that random verbs meet: they overwrite, re-use, race and repeat each other.

mod archive;
mod found;
mod history;
mod model;
mod owed;
mod rebuild;
mod sight;
mod state;

use std::collections::{BTreeMap, BTreeSet};

use futures::executor::block_on;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

pub(super) use history::{Call, Seed, World, apply, seeds};
pub(super) use sight::{Shown, look};

use super::record::{Committed, Extent, Fragment, FragmentState, Pin, Place};
use super::sample::{self, SET, WRITER};
use super::sqlite::{Mode, SqliteCatalog};
use super::{Catalog, CatalogError};
use crate::fragment::id::{ExtentId, Generation, Kind};

const NAMES: [&str; 3] = ["a", "a/b", "b"];
const PROVIDERS: u8 = 7;
const EXTENTS: u64 = 24;

/// Runs the verbs on both; their answers, and all that can be seen after each, have to be the same.
async fn agree(catalog: &dyn Catalog, seeds: Vec<Seed>) -> Result<(), TestCaseError> {
    let mut world = World::default();
    agree_on(catalog, &world, vec![Call::Claim(1, WRITER)]).await?;
    for seed in seeds {
        let calls = world.calls(seed);
        agree_on(catalog, &world, calls).await?;
    }
    Ok(())
}

async fn agree_on(catalog: &dyn Catalog, world: &World, calls: Vec<Call>) -> Result<(), TestCaseError> {
    for call in calls {
        let told = format!("{call:?}");
        let ours = apply(catalog, call.clone()).await;
        let expected = apply(&world.model, call).await;
        prop_assert_eq!(&ours, &expected, "the answer to {}", told);
        let ours = look(catalog).await.unwrap();
        let expected = look(&world.model).await.unwrap();
        prop_assert_eq!(ours.len(), expected.len());
        for (ours, expected) in ours.iter().zip(&expected) {
            prop_assert_eq!(ours, expected, "after {}", told);
        }
    }
    Ok(())
}

/// Many short histories; `PROPTEST_CASES` changes how many.
fn histories(cases: u32, len: std::ops::Range<usize>, run: impl Fn(Vec<Seed>) -> Result<(), TestCaseError>) {
    let wanted = std::env::var("PROPTEST_CASES")
        .ok()
        .and_then(|cases| cases.parse().ok());
    let config = Config {
        cases: wanted.unwrap_or(cases),
        max_shrink_iters: 300,
        failure_persistence: None,
        ..Config::default()
    };
    let outcome = TestRunner::new(config).run(&seeds(len), run);
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}

#[test]
fn the_inline_catalog_answers_as_the_model() {
    histories(24, 1..40, |seeds| {
        let catalog = SqliteCatalog::inline(SET).unwrap();
        block_on(agree(&catalog, seeds))
    });
}

#[test]
fn the_catalog_in_a_file_answers_as_the_model() {
    histories(4, 1..30, |seeds| {
        let folder = tempfile::tempdir().unwrap();
        let catalog = SqliteCatalog::open(&folder.path().join("catalog.db"), SET, Mode::ReadWrite).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(agree(&catalog, seeds))
    });
}

/// The suite is worth what its histories meet.
#[test]
fn the_histories_meet_every_answer() {
    let mut runner = TestRunner::deterministic();
    let mut met: BTreeMap<String, u32> = BTreeMap::new();
    for _ in 0..200 {
        let mut world = World::default();
        let mut calls = vec![Call::Claim(1, WRITER)];
        for seed in seeds(30..40).new_tree(&mut runner).unwrap().current() {
            for call in calls {
                let verb = format!("{call:?}");
                let answer = format!("{:?}", block_on(apply(&world.model, call)));
                let told = answer.split('(').nth(1).unwrap_or("").split(['{', ' ']).next().unwrap();
                *met.entry(format!(
                    "{} {}",
                    verb.split('(').next().unwrap(),
                    told.trim_end_matches(')')
                ))
                .or_default() += 1;
            }
            calls = world.calls(seed);
        }
    }
    for wanted in [
        "Adopt ",
        "Adopt Rule",
        "Await ",
        "BeginMove ",
        "BeginMove Retired",
        "Claim ",
        "Claim Epoch",
        "Close ",
        "Commit Closed",
        "Commit Lost",
        "Commit Now",
        "Commit Overtaken",
        "Commit Refused",
        "Commit Rule",
        "Deleted ",
        "FinishMove ",
        "FinishMove Retired",
        "FinishMove Rule",
        "Intend ",
        "Intend Closed",
        "Intend Rule",
        "Learn ",
        "Mark ",
        "Pin ",
        "Postpone ",
        "SaveProbe ",
        "SetMembers ",
        "SetMembers Rule",
        "SettleVoid ",
        "Unpin ",
    ] {
        assert!(
            met.get(wanted).is_some_and(|times| *times >= 10),
            "{wanted:?} in {met:#?}"
        );
    }
}

/// Runs a promise on every catalog, the model included: what it holds to is what is promised.
fn on_each(promise: &impl AsyncFn(&dyn Catalog)) {
    let model = World::default().model;
    let inline = SqliteCatalog::inline(SET).unwrap();
    for catalog in [&model as &dyn Catalog, &inline] {
        block_on(async {
            catalog.claim_epoch(1, WRITER).await.unwrap();
            promise(catalog).await;
        });
    }
}

fn root_of(sequence: u64) -> (Generation, ExtentId, Extent) {
    let (generation, id) = (sample::generation(1, sequence), sample::extent_id(sequence));
    (generation, id, sample::extent(id, generation, Kind::RootData, 3_000))
}

async fn begin(catalog: &dyn Catalog, name: &str, sequence: u64) -> Result<(), CatalogError> {
    catalog.intend(sample::intent(name, root_of(sequence).2)).await
}

async fn finish(catalog: &dyn Catalog, name: &str, sequence: u64) -> Committed {
    let (generation, id, _) = root_of(sequence);
    catalog
        .commit(sample::commit(name, generation, id, 3_000))
        .await
        .unwrap()
}

#[test]
fn a_closed_generation_never_becomes_a_head() {
    on_each(&async |catalog| {
        begin(catalog, "a", 1).await.unwrap();
        catalog.close(sample::generation(1, 1), 5).await.unwrap();
        catalog.close(sample::generation(1, 1), 6).await.unwrap();
        catalog.close(sample::generation(1, 2), 7).await.unwrap();
        for epoch in [2, 3] {
            for sequence in [1, 2] {
                let again = begin(catalog, "a", sequence).await;
                assert_eq!(again, Err(CatalogError::Closed(sample::generation(1, sequence))));
                assert_eq!(finish(catalog, "a", sequence).await, Committed::Closed);
            }
            catalog.claim_epoch(epoch, WRITER).await.unwrap();
        }
        assert_eq!(catalog.head("a").await.unwrap(), None);
        assert_eq!(catalog.epochs().await.unwrap()[0].last_sequence, 2);
    });
}

#[test]
fn what_owes_a_void_keeps_its_root_until_the_void_is_paid() {
    on_each(&async |catalog| {
        begin(catalog, "a", 1).await.unwrap();
        let (generation, root, _) = root_of(1);
        catalog.close(generation, 5).await.unwrap();
        let doomed: Vec<Fragment> = catalog
            .doomed(5, 9)
            .await
            .unwrap()
            .into_iter()
            .map(|it| it.fragment)
            .collect();
        assert_eq!(doomed.len(), 4);
        catalog.deleted(doomed).await.unwrap();
        let owed = catalog.open_generations().await.unwrap();
        assert!(owed[0].closed && owed[0].root == Some(root));
        assert!(
            catalog.extent(root).await.unwrap().is_some(),
            "the void can't be made without it"
        );
        for (void, copy) in [(7, 700), (8, 800)] {
            let extent = sample::extent(sample::extent_id(void), generation, Kind::Void, 0);
            let mut intent = sample::intent("a", extent.clone());
            intent.fragments = sample::fragments(extent.id, copy, 0, FragmentState::Sent);
            catalog.intend(intent).await.unwrap();
        }
        let sound = sample::fragments(sample::extent_id(8), 800, 0, FragmentState::Sound);
        catalog
            .settle_void(generation, sample::extent_id(8), sound.clone())
            .await
            .unwrap();
        assert_eq!(catalog.open_generations().await.unwrap(), []);
        assert_eq!(catalog.extent(root).await.unwrap(), None);
        assert_eq!(catalog.extent(sample::extent_id(8)).await.unwrap().unwrap().1, sound);
        let doomed = catalog.doomed(0, 9).await.unwrap();
        assert!(doomed.len() == 4 && doomed.iter().all(|it| it.extent.id == sample::extent_id(7)));
    });
}

#[test]
fn a_pin_keeps_what_retires_after_its_begin_and_nothing_else() {
    on_each(&async |catalog| {
        for sequence in 1..=3 {
            begin(catalog, "a", sequence).await.unwrap();
        }
        finish(catalog, "a", 1).await;
        let pin = |begun, expires| Pin {
            id: [1; 16],
            begun,
            expires,
        };
        // The head is replaced at 1,000, what it held is due at 2,000.
        finish(catalog, "a", 2).await;
        catalog.close(sample::generation(1, 3), 2_000).await.unwrap();
        let count = async || catalog.doomed(5_000, 99).await.unwrap().len();
        assert_eq!(count().await, 8);
        catalog.pin(pin(1_001, 9_000)).await.unwrap();
        assert_eq!(count().await, 8, "it retired before the reader began");
        catalog.pin(pin(1_000, 9_000)).await.unwrap();
        assert_eq!(count().await, 4, "what was never a head is nobody's");
        catalog.pin(pin(1_000, 5_000)).await.unwrap();
        assert_eq!(count().await, 8, "the pin has run out");
        catalog.pin(pin(1_000, 9_000)).await.unwrap();
        catalog.unpin([1; 16]).await.unwrap();
        assert_eq!(count().await, 8);
    });
}

#[test]
fn an_extent_lives_as_long_as_the_last_version_that_names_it() {
    on_each(&async |catalog| {
        begin(catalog, "a", 1).await.unwrap();
        finish(catalog, "a", 1).await;
        for sequence in 2..=3 {
            begin(catalog, "a", sequence).await.unwrap();
            let (generation, root, _) = root_of(sequence);
            let mut both = sample::commit("a", generation, root, 6_000);
            let (place, first) = (both.places[0], sample::extent_id(1));
            both.places = vec![
                Place {
                    extent: first,
                    len: 3_000,
                    ..place
                },
                Place {
                    offset: 3_000,
                    len: 3_000,
                    ..place
                },
            ];
            assert_eq!(
                catalog.commit(both).await.unwrap(),
                Committed::Now(Some(sample::generation(1, sequence - 1)))
            );
            assert!(
                catalog
                    .doomed(9_000, 99)
                    .await
                    .unwrap()
                    .iter()
                    .all(|it| it.extent.id != first)
            );
        }
        begin(catalog, "a", 4).await.unwrap();
        finish(catalog, "a", 4).await;
        let doomed: BTreeSet<ExtentId> = catalog
            .doomed(9_000, 99)
            .await
            .unwrap()
            .iter()
            .map(|it| it.extent.id)
            .collect();
        assert_eq!(doomed, [1, 2, 3].map(sample::extent_id).into());
        begin(catalog, "a", 5).await.unwrap();
        let (generation, root, _) = root_of(5);
        let mut late = sample::commit("a", generation, root, 3_000);
        late.others = vec![sample::extent_id(1)];
        assert_eq!(
            catalog.commit(late).await.unwrap(),
            Committed::Lost(sample::extent_id(1))
        );
    });
}
