//! What a rebuild and late fragments ask of every catalog.

use super::*;
use crate::catalog::FOUND_GRACE;
use crate::catalog::record::{Debt, Found, Waiting};

/// The version of [`root_of`] as a rebuild finds it, with these of its fragments.
fn found(name: &str, sequence: u64, indices: &[u16]) -> Found {
    let (generation, id, extent) = root_of(sequence);
    let commit = sample::commit(name, generation, id, 3_000);
    let mut fragments = sample::fragments(id, 100, 0, FragmentState::Sound);
    fragments.retain(|fragment| indices.contains(&fragment.index));
    let extent = Extent {
        digest: [8; 32],
        ..extent
    };
    Found {
        version: commit.version,
        places: commit.places,
        others: Vec::new(),
        extents: vec![(extent, fragments)],
    }
}

#[test]
fn a_sequence_that_another_overtook_is_issued_until_it_is_begun_closed_or_judged() {
    on_each(&async |catalog| {
        begin(catalog, "a", 5).await.unwrap();
        let issued = async || {
            catalog
                .issued()
                .await
                .unwrap()
                .into_iter()
                .map(|it| it.sequence)
                .collect::<Vec<_>>()
        };
        assert_eq!(issued().await, [1, 2, 3, 4]);
        begin(catalog, "b", 3).await.unwrap();
        catalog.close(sample::generation(1, 2), 7).await.unwrap();
        assert_eq!(issued().await, [1, 4]);
        assert_eq!(
            begin(catalog, "b", 2).await,
            Err(CatalogError::Closed(sample::generation(1, 2)))
        );
        assert_eq!(finish(catalog, "b", 3).await, Committed::Now(None));
        catalog.claim_epoch(2, WRITER).await.unwrap();
        assert_eq!(
            issued().await,
            [1, 4],
            "an old catalog that was restored claims before it knows that it is old"
        );
        let waiting = Waiting {
            name: "c".to_owned(),
            generation: sample::generation(1, 4),
        };
        catalog.await_providers(vec![waiting.clone()]).await.unwrap();
        assert_eq!(
            (issued().await, catalog.awaited().await.unwrap()),
            (Vec::new(), vec![waiting])
        );
    });
}

#[test]
fn what_a_rebuild_waits_for_is_open_no_more_and_nothing_of_it_is_deleted() {
    on_each(&async |catalog| {
        begin(catalog, "a", 1).await.unwrap();
        let waiting = Waiting {
            name: String::new(),
            generation: sample::generation(1, 1),
        };
        catalog.await_providers(vec![waiting]).await.unwrap();
        assert_eq!(catalog.open_generations().await.unwrap(), []);
        assert_eq!(catalog.doomed(i64::MAX, 99).await.unwrap(), []);
        assert_eq!(finish(catalog, "a", 1).await, Committed::Closed);
        let awaited = catalog.awaited().await.unwrap();
        assert_eq!(awaited[0].name, "a", "the catalog knew it");
        catalog.adopt(vec![found("a", 1, &[0, 1, 2, 3])], 9).await.unwrap();
        assert_eq!(catalog.awaited().await.unwrap(), []);
        assert!(catalog.head("a").await.unwrap().is_some());
    });
}

#[test]
fn what_was_closed_here_is_not_adopted() {
    on_each(&async |catalog| {
        begin(catalog, "a", 1).await.unwrap();
        catalog.close(sample::generation(1, 1), 5).await.unwrap();
        catalog.adopt(vec![found("a", 1, &[0, 1, 2, 3])], 9).await.unwrap();
        assert_eq!(catalog.head("a").await.unwrap(), None);
        assert_eq!(catalog.doomed(5, 99).await.unwrap().len(), 4);
        assert!(
            catalog.open_generations().await.unwrap()[0].closed,
            "the void is still owed"
        );
    });
}

/// What a rebuild replaced could be deleted at once, before anybody had read what it was replaced by.
#[test]
fn regression_what_a_rebuild_replaces_stays_for_the_grace() {
    on_each(&async |catalog| {
        begin(catalog, "a", 1).await.unwrap();
        finish(catalog, "a", 1).await;
        catalog.adopt(vec![found("a", 2, &[0, 1, 2, 3])], 3_000).await.unwrap();
        let gone = 3_000 + FOUND_GRACE;
        assert_eq!(catalog.doomed(gone - 1, 99).await.unwrap(), []);
        assert_eq!(catalog.doomed(gone, 99).await.unwrap().len(), 4);
    });
}

/// Found when `settle` and `adopt` were read together: an extent that lived again kept the doom of those of its fragments that were not listed, and a
/// copy that a move had left behind lived again because it was listed.
#[test]
fn regression_an_extent_that_lives_again_does_so_with_all_its_fragments() {
    on_each(&async |catalog| {
        for sequence in [1, 2] {
            begin(catalog, "a", sequence).await.unwrap();
            finish(catalog, "a", sequence).await;
        }
        assert_eq!(catalog.doomed(9_000, 99).await.unwrap().len(), 4);
        let mut again = found("b", 1, &[0, 3]);
        again.version.generation = sample::generation(1, 3);
        catalog.adopt(vec![again], 3_000).await.unwrap();
        assert_eq!(catalog.doomed(9_000, 99).await.unwrap(), []);
        let (_, fragments) = catalog.extent(sample::extent_id(1)).await.unwrap().unwrap();
        assert_eq!(fragments.len(), 4);
        assert_eq!(catalog.check().await.unwrap(), [""; 0]);
    });
}

#[test]
fn a_copy_that_a_move_left_behind_stays_doomed_though_it_is_listed() {
    on_each(&async |catalog| {
        begin(catalog, "a", 1).await.unwrap();
        finish(catalog, "a", 1).await;
        let old = sample::fragments(sample::extent_id(1), 100, 0, FragmentState::Sound)[2];
        let new = Fragment {
            copy: 900,
            provider: sample::provider_id(6),
            state: FragmentState::Sent,
            ..old
        };
        catalog.begin_move(new).await.unwrap();
        catalog.finish_move(new, 2_000).await.unwrap();
        let mut again = found("a", 1, &[0, 1, 2, 3]);
        again.version.generation = sample::generation(1, 3);
        catalog.adopt(vec![again], 3_000).await.unwrap();
        let doomed = catalog.doomed(9_000, 99).await.unwrap();
        assert_eq!(doomed.iter().map(|it| it.fragment).collect::<Vec<_>>(), [old]);
    });
}

#[test]
fn what_is_committed_short_is_owed_until_it_is_whole_or_gone() {
    on_each(&async |catalog| {
        let owed = async || catalog.debts(9).await.unwrap();
        let short = async |sequence, at: i64| {
            begin(catalog, "a", sequence).await.unwrap();
            let (generation, id, _) = root_of(sequence);
            let mut commit = sample::commit("a", generation, id, 3_000);
            (commit.fragments[3].state, commit.now) = (FragmentState::Sent, at);
            catalog.commit(commit).await.unwrap();
            sample::fragments(id, 100, 0, FragmentState::Sound)[3]
        };
        let debt = |sequence, since| Debt {
            name: "a".to_owned(),
            extent: sample::extent_id(sequence),
            since,
        };
        short(1, 1_000).await;
        assert_eq!(owed().await, [debt(1, 1_000)]);
        let late = short(2, 1_500).await;
        assert_eq!(owed().await, [debt(2, 1_500)], "the first went with its version");
        let census = catalog.census(&[]).await.unwrap();
        assert_eq!((census.debts, census.oldest_debt), (1, Some(1_500)));
        catalog
            .mark(vec![Fragment {
                state: FragmentState::Missing,
                ..late
            }])
            .await
            .unwrap();
        assert_eq!(owed().await, [debt(2, 1_500)]);
        let new = Fragment {
            copy: 900,
            provider: sample::provider_id(6),
            state: FragmentState::Sent,
            ..late
        };
        catalog.begin_move(new).await.unwrap();
        catalog.finish_move(new, 2_000).await.unwrap();
        assert_eq!(owed().await, []);
        let late = short(3, 1_700).await;
        catalog.mark(vec![late]).await.unwrap();
        assert_eq!(owed().await, [], "it arrived after all");
    });
}
