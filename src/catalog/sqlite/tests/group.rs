//! Verbs that wait together, and what a failure of the engine ends.

use futures::future::join_all;

use super::*;

/// A catalog in a file, with the thread that writes and one claimed epoch.
async fn threaded(path: &Path) -> SqliteCatalog {
    let catalog = SqliteCatalog::open(path, SET, Mode::ReadWrite).unwrap();
    catalog.claim_epoch(1, WRITER).await.unwrap();
    catalog
}

/// Polls `verbs` while the writer is kept busy, so that they wait together, then lets it go on.
async fn together<T>(catalog: &SqliteCatalog, verbs: impl Future<Output = T>) -> T {
    let (open, gate) = std::sync::mpsc::channel::<()>();
    let (arrived, arrival) = tokio::sync::oneshot::channel();
    let busy = catalog.write(move |_| {
        arrived.send(()).ok();
        // Ends when the other side is dropped too.
        gate.recv().ok();
        Ok(())
    });
    let release = async {
        arrival.await.unwrap();
        let mut verbs = Box::pin(verbs);
        assert!(futures::poll!(&mut verbs).is_pending());
        drop(open);
        verbs.await
    };
    let (busy, answers) = tokio::join!(busy, release);
    busy.unwrap();
    answers
}

#[tokio::test]
async fn verbs_that_wait_together_share_one_commit() {
    let folder = tempfile::tempdir().unwrap();
    let catalog = threaded(&file_in(&folder)).await;
    let before = catalog.tally();
    let begin = |sequence| {
        let extent = sample::extent(
            sample::extent_id(sequence),
            sample::generation(1, sequence),
            Kind::RootData,
            5_000,
        );
        catalog.intend(sample::intent(&format!("object {sequence}"), extent))
    };
    let answers = together(&catalog, join_all((1..=100).map(begin))).await;
    assert!(answers.into_iter().all(|answer| answer == Ok(())));
    let tally = catalog.tally();
    // One of each is the verb that kept the writer busy.
    assert_eq!((tally.verbs - before.verbs, tally.commits - before.commits), (101, 2));
}

#[tokio::test]
async fn a_refusal_leaves_its_neighbours_in_the_transaction() {
    let folder = tempfile::tempdir().unwrap();
    let catalog = threaded(&file_in(&folder)).await;
    put(&catalog, "a", 1).await.unwrap();
    let before = catalog.tally().commits;
    // The middle one begins an extent that is there already, after it has begun its generation.
    let of = |sequence, extent| {
        let extent = sample::extent(
            sample::extent_id(extent),
            sample::generation(1, sequence),
            Kind::Part,
            10,
        );
        catalog.intend(sample::intent("b", extent))
    };
    let answers = together(&catalog, join_all([of(2, 2), of(3, 1), of(4, 4)])).await;
    assert_eq!(catalog.tally().commits, before + 2, "they were not one group");
    assert!(answers[0].is_ok() && answers[2].is_ok());
    assert!(matches!(answers[1], Err(CatalogError::Rule(_))));
    let open = catalog.open_generations().await.unwrap();
    let open: Vec<u64> = open.iter().map(|open| open.generation.sequence).collect();
    assert_eq!(open, [2, 4]);
}

#[tokio::test]
async fn a_full_disk_ends_writing_and_loses_nothing_that_was_answered() {
    let folder = tempfile::tempdir().unwrap();
    let path = file_in(&folder);
    let catalog = threaded(&path).await;
    let room = catalog.write(|conn| {
        let pages: i64 = conn.query_row("PRAGMA page_count", [], |row| row.get(0))?;
        Ok(conn.pragma_update_and_check(None, "max_page_count", pages + 10, |_| Ok(()))?)
    });
    room.await.unwrap();
    let mut stored = Vec::new();
    let error = loop {
        let sequence = stored.len() as u64 + 1;
        let name = format!("object {sequence}");
        match put(&catalog, &name, sequence).await {
            Ok(_) => stored.push(name),
            Err(error) => break error,
        }
    };
    let CatalogError::Io { message, .. } = &error else {
        panic!("{error}")
    };
    assert!(message.contains("full") && message.contains("restart"), "{message}");
    assert_eq!(catalog.unpin([0; 16]).await, Err(error), "writing goes on");
    assert_eq!(
        catalog.versions("", None, 10_000).await.unwrap().len(),
        stored.len(),
        "reading has ended"
    );
    drop(catalog);
    let again = SqliteCatalog::open(&path, SET, Mode::ReadWrite).unwrap();
    assert!(stored.len() > 10);
    for name in stored {
        assert!(again.head(&name).await.unwrap().is_some(), "{name} is lost");
    }
    assert_eq!(again.check().await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn nothing_of_a_group_is_answered_well_when_its_commit_fails() {
    let folder = tempfile::tempdir().unwrap();
    let path = file_in(&folder);
    let catalog = threaded(&path).await;
    // A place of an object that isn't there: the engine notices at the commit only.
    let breaks = catalog.write(|conn| {
        conn.execute_batch("PRAGMA defer_foreign_keys = on; INSERT INTO place VALUES (77, 0, 0, 0, 1, 0)")?;
        Ok(Committed::Now(None))
    });
    let generation = sample::generation(1, 1);
    let extent = sample::extent(sample::extent_id(1), generation, Kind::Part, 10);
    let both = async { tokio::join!(breaks, catalog.intend(sample::intent("a", extent))) };
    let (broken, neighbour) = together(&catalog, both).await;
    assert!(matches!(broken, Err(CatalogError::Io { .. })), "{broken:?}");
    assert_eq!(neighbour, broken.map(drop), "they were not one group");
    let error = put(&catalog, "b", 2).await.unwrap_err();
    assert!(error.to_string().contains("restart"), "{error}");
    drop(catalog);
    let again = SqliteCatalog::open(&path, SET, Mode::ReadWrite).unwrap();
    assert_eq!(again.open_generations().await.unwrap(), []);
    assert_eq!(again.check().await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn a_verb_that_is_dropped_while_it_waits_harms_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let catalog = threaded(&file_in(&folder)).await;
    let names: Vec<String> = (1..=20).map(|number| format!("object {number}")).collect();
    for (name, sequence) in names.iter().zip(1..) {
        let extent = sample::extent(
            sample::extent_id(sequence),
            sample::generation(1, sequence),
            Kind::Part,
            10,
        );
        let mut dropped = catalog.intend(sample::intent(name, extent));
        // It is queued by the first poll, then nobody waits for it.
        drop(futures::poll!(&mut dropped));
    }
    catalog.unpin([0; 16]).await.unwrap();
    assert_eq!(catalog.open_generations().await.unwrap().len(), 20);
}
