//! A file that rots: what is wrong is an error, or the check tells it; nothing panics.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use super::*;

const OBJECTS: u64 = 24;

/// What the test asks: all that a read, a deletion or the next put follows.
#[derive(Clone, Debug, PartialEq)]
struct Seen {
    heads: Vec<Result<Option<Version>, CatalogError>>,
    pieces: Vec<Result<Vec<Piece>, CatalogError>>,
    listed: Result<Vec<Version>, CatalogError>,
    doomed: Result<Vec<Doomed>, CatalogError>,
    open: Result<Vec<OpenGeneration>, CatalogError>,
}

fn name(number: u64) -> String {
    format!("object {number:03}")
}

fn seen(catalog: &dyn Catalog) -> Seen {
    let heads: Vec<_> = (0..OBJECTS)
        .map(|number| block_on(catalog.head(&name(number))))
        .collect();
    let pieces = (0..OBJECTS).map(|number| block_on(catalog.extents(&name(number))));
    Seen {
        pieces: pieces.collect(),
        heads,
        listed: block_on(catalog.versions("", None, 1_000)),
        doomed: block_on(catalog.doomed(i64::MAX, 1_000)),
        open: block_on(catalog.open_generations()),
    }
}

/// A file with heads, replaced heads and open generations, closed well.
fn file() -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = file_in(&folder);
    let catalog = inline_at(&path);
    for number in 0..OBJECTS + 6 {
        block_on(put(&catalog, &name(number % OBJECTS), number + 1)).unwrap();
    }
    for number in 100..103 {
        let extent = sample::extent(sample::extent_id(number), sample::generation(1, number), Kind::Part, 10);
        block_on(catalog.intend(sample::intent("open", extent))).unwrap();
    }
    drop(catalog);
    fs::read(path).unwrap()
}

/// What a flipped bit did.
enum Effect {
    /// All answers are the true ones.
    None,
    /// Each answer is true or an error, or the check finds something.
    Told,
    /// An answer is wrong and the check finds nothing.
    Silent,
}

/// How many of the answers are there and are not the true ones.
fn wrong(seen: &Seen, truth: &Seen) -> usize {
    fn differs<T: PartialEq>(ours: &Result<T, CatalogError>, truth: &Result<T, CatalogError>) -> bool {
        ours.is_ok() && ours != truth
    }
    let heads = seen
        .heads
        .iter()
        .zip(&truth.heads)
        .filter(|(ours, truth)| differs(ours, truth));
    let pieces = seen
        .pieces
        .iter()
        .zip(&truth.pieces)
        .filter(|(ours, truth)| differs(ours, truth));
    let rest = [
        differs(&seen.listed, &truth.listed),
        differs(&seen.doomed, &truth.doomed),
        differs(&seen.open, &truth.open),
    ];
    heads.count() + pieces.count() + rest.into_iter().filter(|differs| *differs).count()
}

#[test]
fn a_flipped_bit_is_an_error_or_is_found_by_the_check() {
    let file = file();
    let folder = tempfile::tempdir().unwrap();
    let path = file_in(&folder);
    fs::write(&path, &file).unwrap();
    let truth = seen(&SqliteCatalog::inline_at(&path, SET).unwrap());
    let mut runner = TestRunner::deterministic();
    let flips = proptest::collection::vec((0..file.len(), 0..8_u8), 1_000).new_tree(&mut runner);
    let (mut refused, mut unharmed, mut told, mut silent) = (0, 0, 0, Vec::new());
    for (byte, bit) in flips.unwrap().current() {
        let mut rotten = file.clone();
        rotten[byte] ^= 1 << bit;
        fs::write(&path, &rotten).unwrap();
        drop(fs::remove_file(path.with_extension("db-wal")));
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let catalog = SqliteCatalog::inline_at(&path, SET).ok()?;
            let seen = seen(&catalog);
            let wrong_heads = seen.heads.iter().zip(&truth.heads);
            let wrong_heads = wrong_heads
                .filter(|(ours, truth)| matches!(ours, Ok(Some(_))) && ours != truth)
                .count();
            assert_eq!(wrong_heads, 0, "bit {bit} of byte {byte} makes another head");
            let told = || block_on(catalog.check()).map_or(true, |findings| !findings.is_empty());
            Some(if seen == truth {
                Effect::None
            } else if wrong(&seen, &truth) == 0 || told() {
                Effect::Told
            } else {
                Effect::Silent
            })
        }));
        match outcome.unwrap_or_else(|_| panic!("bit {bit} of byte {byte}: a panic")) {
            None => refused += 1,
            Some(Effect::None) => unharmed += 1,
            Some(Effect::Told) => told += 1,
            Some(Effect::Silent) => silent.push((byte, bit)),
        }
    }
    assert!(silent.is_empty(), "wrong and not told: {silent:?}");
    assert!(
        refused + told > 100,
        "of 1000 flips {refused} refused at opening, {told} told, {unharmed} without effect"
    );
}
