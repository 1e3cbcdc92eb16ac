//! Copies of a catalog: whatever was done to it, its checkpoint and its journal make the same one again.

use std::sync::{Arc, Mutex};

use proptest::test_runner::TestCaseError;

use super::*;
use crate::catalog::archive::{Archive, ArchiveError, MOST_KEPT};
use crate::catalog::change::Change;
use crate::catalog::checkpoint::{self, CheckpointError, Reader, Record};
use crate::catalog::journal::{self, Position, Segment};
use crate::catalog::ledger::{Advisory, Entry, Lease, Ledger, ShareKey};
use crate::catalog::shipment::{Cargo, FIRST_SEQUENCE, Shipment, ShipmentState};
use crate::catalog::wire;
use crate::fragment::id::{SetId, WriterId};

fn records_of(catalog: &dyn Archive) -> (Position, Vec<Record>) {
    let records: Arc<Mutex<Vec<Record>>> = Arc::default();
    let kept = Arc::clone(&records);
    let sink = move |record| {
        kept.lock().unwrap().push(record);
        true
    };
    let at = block_on(catalog.export(Box::new(sink))).unwrap();
    (at, std::mem::take(&mut records.lock().unwrap()))
}

fn bytes_of(records: &[Record]) -> Vec<u8> {
    let mut bytes = checkpoint::head();
    for record in records {
        bytes.extend(record.encode());
    }
    bytes
}

/// A new catalog out of a checkpoint's bytes.
fn built(bytes: Vec<u8>) -> Result<SqliteCatalog, CatalogError> {
    let copy = SqliteCatalog::inline(SET).unwrap();
    let reader = Reader::new(std::io::Cursor::new(bytes)).map_err(ArchiveError::from)?;
    block_on(copy.import(Box::new(reader)))?;
    Ok(copy)
}

/// All that a copy has to show: not the probes.
fn shown(catalog: &dyn Catalog) -> Vec<(String, Shown)> {
    for pin in 0..3 {
        block_on(catalog.unpin([pin; 16])).unwrap();
    }
    let mut seen = block_on(look(catalog)).unwrap();
    seen.retain(|(_, shown)| !matches!(shown, Shown::Probe(_)));
    seen
}

fn same(copy: &dyn Catalog, original: &dyn Catalog) -> Result<(), TestCaseError> {
    for (copy, original) in shown(copy).iter().zip(&shown(original)) {
        prop_assert_eq!(copy, original);
    }
    Ok(())
}

/// Makes the calls that these seeds mean, on all catalogs; their answers are the same.
fn go_on(catalogs: &[&dyn Catalog], world: &mut World, seeds: &[Seed]) -> Result<(), TestCaseError> {
    for seed in seeds {
        for call in world.calls(*seed) {
            let expected = block_on(apply(&world.model, call.clone()));
            for catalog in catalogs {
                prop_assert_eq!(&block_on(apply(*catalog, call.clone())), &expected, "{:?}", call);
            }
        }
    }
    Ok(())
}

/// Replays all that the copy hasn't got, in small segments that went through their bytes.
fn catch_up(copy: &dyn Archive, original: &dyn Archive, most: usize) -> Result<(), TestCaseError> {
    loop {
        let here = block_on(copy.position()).unwrap();
        let segment = block_on(original.changes(here.number, most)).unwrap().unwrap();
        prop_assert_eq!(segment.from(), here);
        if segment.is_empty() {
            break;
        }
        let read = Segment::decode(&segment.encode());
        prop_assert_eq!(read.as_ref(), Ok(&segment));
        for _ in 0..2 {
            prop_assert_eq!(block_on(copy.replay(segment.clone())), Ok(segment.to()));
        }
    }
    prop_assert_eq!(block_on(copy.position()), block_on(original.position()));
    Ok(())
}

#[test]
fn a_checkpoint_and_the_journal_since_make_the_same_catalog() {
    histories(32, 3..40, |seeds| {
        let mut world = World::default();
        let original = SqliteCatalog::inline(SET).unwrap();
        let third = seeds.len() / 3;
        go_on(&[&original], &mut world, &seeds[..third])?;
        let at = block_on(original.keep_changes()).unwrap();
        let (exported_at, records) = records_of(&original);
        prop_assert_eq!(at, exported_at);
        let copy = built(bytes_of(&records)).unwrap();
        prop_assert_eq!(&records_of(&copy).1, &records, "a copy of the copy");
        same(&copy, &original)?;
        go_on(&[&original], &mut world, &seeds[third..2 * third])?;
        catch_up(&copy, &original, 3_000)?;
        same(&copy, &original)?;
        go_on(&[&original, &copy], &mut world, &seeds[2 * third..])?;
        same(&copy, &original)
    });
}

/// A catalog with some objects, whose changes are kept from the start.
fn some() -> SqliteCatalog {
    let catalog = SqliteCatalog::inline(SET).unwrap();
    block_on(async {
        catalog.keep_changes().await.unwrap();
        catalog.claim_epoch(1, WRITER).await.unwrap();
        for (name, sequence) in [("a", 1), ("b", 2), ("a", 3)] {
            begin(&catalog, name, sequence).await.unwrap();
            finish(&catalog, name, sequence).await;
        }
        begin(&catalog, "b", 4).await.unwrap();
    });
    catalog
}

#[test]
fn a_catalog_that_was_used_apart_from_the_journal_is_found_out() {
    let original = some();
    let all = block_on(original.changes(0, usize::MAX)).unwrap().unwrap();
    let old = SqliteCatalog::inline(SET).unwrap();
    let first = block_on(original.changes(0, 1)).unwrap().unwrap();
    assert_eq!(first.len(), 1);
    block_on(old.replay(first.clone())).unwrap();
    block_on(begin(&old, "b", 9)).unwrap();
    let before = shown(&old);
    let fork = Err(CatalogError::Archive(ArchiveError::Fork { number: 2 }));
    assert_eq!(block_on(old.replay(all.clone())), fork);
    let rest = block_on(original.changes(2, usize::MAX)).unwrap().unwrap();
    assert_eq!(block_on(old.replay(rest)), fork);
    assert_eq!(shown(&old), before);
    let empty = SqliteCatalog::inline(SET).unwrap();
    let later = block_on(original.changes(3, usize::MAX)).unwrap().unwrap();
    let gap = ArchiveError::Gap { here: 0, from: 3 };
    assert_eq!(block_on(empty.replay(later)), Err(CatalogError::Archive(gap)));
    assert_eq!(block_on(empty.replay(all.clone())), Ok(all.to()));
    assert_eq!(shown(&empty), shown(&original));
}

fn lease(number: u8, renewed: i64) -> Entry {
    Entry::Keep(Lease {
        share: share(number),
        renew: [1; 32],
        cancel: [2; 32],
        renewed,
        expires: renewed + 31,
    })
}

fn share(number: u8) -> ShareKey {
    ShareKey {
        mutable: number.is_multiple_of(2),
        index: [7; 16],
        number,
    }
}

fn advisory(number: u8) -> Advisory {
    Advisory {
        share: share(number),
        reason: "bad hash".to_owned(),
        at: number.into(),
    }
}

/// All leases and advisories.
fn books(catalog: &SqliteCatalog) -> (Vec<Lease>, Vec<Advisory>) {
    block_on(async {
        let mut leases = catalog.leases(false, [7; 16]).await.unwrap();
        leases.extend(catalog.leases(true, [7; 16]).await.unwrap());
        (leases, catalog.advisories().await.unwrap())
    })
}

#[test]
fn a_nodes_books_are_in_the_checkpoint_and_in_the_journal() {
    let original = some();
    block_on(async {
        original.enter((1..5).map(|it| lease(it, 10)).collect()).await.unwrap();
        for number in 1..4 {
            original.advise(advisory(number), 2).await.unwrap();
        }
    });
    let copy = built(bytes_of(&records_of(&original).1)).unwrap();
    assert_eq!((books(&copy).0.len(), books(&copy).1.len()), (4, 2));
    assert_eq!(books(&copy), books(&original));
    block_on(async {
        let entries = vec![lease(2, 50), Entry::Forget(share(3)), lease(9, 5)];
        original.enter(entries).await.unwrap();
        original.advise(advisory(5), 2).await.unwrap();
        original.enter(Vec::new()).await.unwrap();
    });
    catch_up(&copy, &original, 10).unwrap();
    assert_eq!(books(&copy), books(&original));
    assert_eq!(books(&copy).1, [advisory(3), advisory(5)]);
}

#[test]
fn a_checkpoint_takes_the_place_of_what_was_there_and_leaves_what_is_of_this_machine() {
    let (original, old) = (some(), SqliteCatalog::inline(SET).unwrap());
    let shipment = Shipment {
        generation: sample::generation(1, FIRST_SEQUENCE),
        cargo: Cargo::Journal { after: 3 },
        to: Position::default(),
        membership: 4,
        at: 5,
        bytes: 6,
        state: ShipmentState::Leaving,
        extents: vec![(
            root_of(1).2,
            sample::fragments(sample::extent_id(1), 1, 0, FragmentState::Sent),
        )],
    };
    block_on(async {
        old.keep_changes().await.unwrap();
        old.claim_epoch(1, WriterId([9; 16])).await.unwrap();
        old.enter(vec![lease(1, 10)]).await.unwrap();
        old.note_shipment(shipment.clone()).await.unwrap();
        old.save_probe(sample::provider_id(1), "{}".to_owned()).await.unwrap();
    });
    let records = records_of(&original).1;
    let source = |records: Vec<Record>| Box::new(records.into_iter().map(Ok::<_, CheckpointError>));
    let broken = block_on(old.supersede(source(records[..3].to_vec())));
    assert!(broken.is_err());
    assert_eq!(books(&old).0.len(), 1, "all or nothing");
    block_on(old.supersede(source(records.clone()))).unwrap();
    assert_eq!((&records_of(&old).1, shown(&old)), (&records, shown(&original)));
    let generation = shipment.generation;
    assert_eq!(block_on(old.shipments()).unwrap(), [shipment]);
    assert!(block_on(old.probe(sample::provider_id(1))).unwrap().is_some());
    block_on(old.forget_shipment(generation)).unwrap();
    assert_eq!(block_on(old.shipments()).unwrap(), []);
}

#[test]
fn a_segment_with_any_bit_flipped_or_cut_anywhere_is_refused() {
    let segment = block_on(some().changes(0, usize::MAX)).unwrap().unwrap();
    let bytes = segment.encode();
    for at in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (at % 8);
        assert!(Segment::decode(&flipped).is_err(), "byte {at}");
        assert!(Segment::decode(&bytes[..at]).is_err(), "cut at {at}");
    }
    assert!(Segment::decode(&[&bytes[..], &[0]].concat()).is_err());
}

#[test]
fn a_checkpoint_that_lacks_anything_is_refused_and_leaves_an_empty_catalog() {
    let (_, records) = records_of(&some());
    let bytes = bytes_of(&records);
    for at in 0..bytes.len() {
        assert!(built(bytes[..at].to_vec()).is_err(), "cut at {at}");
    }
    assert!(built([&bytes[..], &[0]].concat()).is_err(), "something behind its end");
    for skipped in 0..records.len() {
        let copy = SqliteCatalog::inline(SET).unwrap();
        let mut some = records.clone();
        some.remove(skipped);
        let source = some.into_iter().map(Ok::<_, CheckpointError>);
        assert!(block_on(copy.import(Box::new(source))).is_err(), "record {skipped}");
        assert_eq!(records_of(&copy), records_of(&SqliteCatalog::inline(SET).unwrap()));
    }
}

#[test]
fn a_checkpoint_with_any_bit_flipped_is_refused_or_makes_a_catalog() {
    let bytes = bytes_of(&records_of(&some()).1);
    for at in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 0x80 >> (at % 8);
        if let Ok(catalog) = built(flipped) {
            assert_eq!(block_on(catalog.check()), Ok(Vec::new()), "byte {at}");
        }
    }
}

#[test]
fn a_checkpoint_is_for_an_empty_catalog_of_its_set() {
    let (_, records) = records_of(&some());
    let import = |catalog: &SqliteCatalog| {
        let source = records.clone().into_iter().map(Ok::<_, CheckpointError>);
        block_on(catalog.import(Box::new(source)))
    };
    let other = SqliteCatalog::inline(SetId([8; 16])).unwrap();
    assert_eq!(import(&other), Err(CatalogError::Archive(ArchiveError::OtherSet)));
    let full = some();
    assert!(matches!(
        import(&full),
        Err(CatalogError::Archive(ArchiveError::NotEmpty { changes: 8 }))
    ));
    let broken_off = block_on(full.export(Box::new(|_| false)));
    assert_eq!(broken_off, Err(CatalogError::Archive(ArchiveError::BrokenOff)));
}

#[test]
fn changes_that_are_taken_away_are_kept_no_longer_and_those_that_nobody_takes_away_not_for_ever() {
    let catalog = some();
    block_on(async {
        let after = async |number| catalog.changes(number, usize::MAX).await.unwrap().map(|it| it.len());
        assert_eq!(
            (after(0).await, after(8).await, after(9).await),
            (Some(8), Some(0), None)
        );
        catalog.forget_changes(5).await.unwrap();
        catalog.forget_changes(3).await.unwrap();
        assert_eq!((after(4).await, after(5).await), (None, Some(3)));
        let policy = "p".repeat(1 << 20);
        for sequence in 5..4 + (MOST_KEPT >> 20) {
            let mut intent = sample::intent("c", root_of(sequence).2);
            intent.policy.clone_from(&policy);
            catalog.intend(intent).await.unwrap();
        }
        let last = catalog.position().await.unwrap().number;
        assert_eq!(after(last).await, Some(0), "still within the bound");
        let mut intent = sample::intent("c", root_of(100).2);
        intent.policy = policy;
        catalog.intend(intent).await.unwrap();
        assert_eq!(after(last + 1).await, None);
        let at = catalog.keep_changes().await.unwrap();
        assert_eq!(after(at.number).await, Some(0));
    });
}

/// Changes and records of many kinds, each as its bytes.
fn facts(seeds: &[Seed]) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
    let catalog = SqliteCatalog::inline(SET).unwrap();
    block_on(catalog.keep_changes()).unwrap();
    go_on(&[&catalog], &mut World::default(), seeds).unwrap();
    let segment = block_on(catalog.changes(0, usize::MAX)).unwrap().unwrap();
    let changes = segment.changes().map(|(_, change)| journal::encode(&change.unwrap()));
    let records = records_of(&catalog).1;
    (changes.collect(), records.iter().map(wire::bytes_of).collect())
}

/// What stands for itself: bytes that are read are those that would be written.
fn stands_for_itself<T: wire::Wire>(bytes: &[u8]) -> Result<(), TestCaseError> {
    if let Some(read) = wire::get_all::<T>(bytes) {
        prop_assert_eq!(wire::bytes_of(&read), bytes);
    }
    Ok(())
}

#[test]
fn strange_bytes_are_read_to_the_letter_or_refused() {
    let mut runner = TestRunner::deterministic();
    let seeds = seeds(200..201).new_tree(&mut runner).unwrap().current();
    let (changes, records) = facts(&seeds);
    for bytes in &changes {
        assert!(wire::get_all::<Change>(bytes).is_some());
    }
    for bytes in &records {
        assert!(wire::get_all::<Record>(bytes).is_some());
    }
    let config = Config {
        cases: 2_000,
        failure_persistence: None,
        ..Config::default()
    };
    let strategy = (any::<u16>(), any::<u16>(), any::<u8>(), 0..3_u8, 0..9_usize);
    let outcome = TestRunner::new(config).run(&strategy, |(which, at, byte, how, count)| {
        for facts in [&changes, &records] {
            let mut bytes = facts[usize::from(which) % facts.len()].clone();
            let at = usize::from(at) % bytes.len();
            match how {
                0 => bytes[at] = byte,
                1 => bytes.truncate(at),
                _ => drop(bytes.splice(at..at, vec![byte; count])),
            }
            stands_for_itself::<Change>(&bytes)?;
            stands_for_itself::<Record>(&bytes)?;
        }
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}
