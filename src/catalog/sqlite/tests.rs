//! What is particular to the SQLite catalog: the file, the group, the crash. What every catalog promises is `conformance.rs`.

use futures::future::join_all;

use super::*;
use crate::catalog::record::FragmentState;
use crate::catalog::sample::{self, SET, WRITER};
use crate::fragment::id::Kind;

async fn put(catalog: &SqliteCatalog, name: &str, sequence: u64) -> Committed {
    let generation = sample::generation(1, sequence);
    let id = sample::extent_id(sequence);
    let extent = sample::extent(id, generation, Kind::RootData, 5_000);
    catalog.intend(sample::intent(name, extent)).await.unwrap();
    catalog
        .commit(sample::commit(name, generation, id, 5_000))
        .await
        .unwrap()
}

#[tokio::test]
async fn a_put_is_the_head_and_what_it_replaces_is_doomed() {
    let catalog = SqliteCatalog::inline(SET).unwrap();
    catalog.claim_epoch(1, WRITER).await.unwrap();
    assert_eq!(put(&catalog, "a", 1).await, Committed::Now(None));
    assert_eq!(
        put(&catalog, "a", 2).await,
        Committed::Now(Some(sample::generation(1, 1)))
    );
    let head = catalog.head("a").await.unwrap().unwrap();
    assert_eq!(head.generation, sample::generation(1, 2));
    let pieces = catalog.pieces("a", head.generation, 0, u64::MAX).await.unwrap();
    assert_eq!(
        pieces[0].fragments,
        sample::fragments(head.root, 100, 0, FragmentState::Sound)
    );
    assert_eq!(catalog.doomed(1_999, 10).await.unwrap().len(), 0);
    let doomed = catalog.doomed(2_000, 10).await.unwrap();
    assert!(doomed.len() == 4 && doomed.iter().all(|doomed| doomed.extent.id == sample::extent_id(1)));
    assert_eq!(catalog.check().await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn what_was_answered_is_there_after_opening_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("catalog.db");
    let catalog = SqliteCatalog::open(&path, SET, Mode::ReadWrite).unwrap();
    catalog.claim_epoch(1, WRITER).await.unwrap();
    put(&catalog, "a", 1).await;
    drop(catalog);
    let again = SqliteCatalog::open(&path, SET, Mode::ReadOnly).unwrap();
    assert_eq!(
        again.head("a").await.unwrap().unwrap().generation,
        sample::generation(1, 1)
    );
}

#[tokio::test]
async fn verbs_that_wait_together_share_commits() {
    let folder = tempfile::tempdir().unwrap();
    let catalog = SqliteCatalog::open(&folder.path().join("catalog.db"), SET, Mode::ReadWrite).unwrap();
    catalog.claim_epoch(1, WRITER).await.unwrap();
    let names: Vec<String> = (1..=100).map(|number| format!("object {number}")).collect();
    let puts = names
        .iter()
        .zip(1..)
        .map(|(name, sequence)| put(&catalog, name, sequence));
    assert!(
        join_all(puts)
            .await
            .into_iter()
            .all(|committed| committed == Committed::Now(None))
    );
    let tally = catalog.tally();
    assert_eq!(tally.verbs, 201);
    assert!(tally.commits < 40, "{tally:?}");
}
