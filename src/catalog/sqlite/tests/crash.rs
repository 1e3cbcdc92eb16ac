//! What a killed process or a cut of power leaves: the file and a piece of its log.

use std::fs;
use std::path::PathBuf;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use super::*;
use crate::catalog::conformance::{Call, Shown, World, apply, look, seeds};

/// A history on a real file: all that was to be seen after each verb, and how long the log was.
struct Past {
    file: Vec<u8>,
    log: Vec<u8>,
    moments: Vec<(usize, Vec<(String, Shown)>)>,
}

fn log_of(path: &Path) -> PathBuf {
    path.with_extension("db-wal")
}

/// Runs some 60 verbs; the file is taken before the catalog is closed, as a kill would leave it.
fn live(runner: &mut TestRunner) -> Past {
    let folder = tempfile::tempdir().unwrap();
    let path = file_in(&folder);
    let catalog = SqliteCatalog::inline_at(&path, SET).unwrap();
    let mut world = World::default();
    let mut calls = vec![Call::Claim(1, WRITER)];
    let mut moments = Vec::new();
    for seed in seeds(20..30).new_tree(runner).unwrap().current() {
        for call in calls {
            block_on(apply(&world.model, call.clone()));
            block_on(apply(&catalog, call));
            let len = usize::try_from(fs::metadata(log_of(&path)).unwrap().len()).unwrap();
            moments.push((len, block_on(look(&world.model)).unwrap()));
        }
        calls = world.calls(seed);
    }
    Past {
        file: fs::read(&path).unwrap(),
        log: fs::read(log_of(&path)).unwrap(),
        moments,
    }
}

/// What is to be seen when a process opens this file and this log.
fn reopened(file: &[u8], log: &[u8]) -> Vec<(String, Shown)> {
    let folder = tempfile::tempdir().unwrap();
    let path = file_in(&folder);
    fs::write(&path, file).unwrap();
    fs::write(log_of(&path), log).unwrap();
    block_on(look(&SqliteCatalog::inline_at(&path, SET).unwrap())).unwrap()
}

#[test]
fn whatever_was_answered_is_there_after_a_kill() {
    let mut runner = TestRunner::deterministic();
    let past = live(&mut runner);
    for (number, (len, seen)) in past.moments.iter().enumerate() {
        assert!(
            reopened(&past.file, &past.log[..*len]) == *seen,
            "after verb {number}, a log of {len} bytes"
        );
    }
}

#[test]
fn a_log_cut_anywhere_is_the_state_after_some_whole_verb() {
    let mut runner = TestRunner::deterministic();
    let past = live(&mut runner);
    let first = past.moments[0].0;
    let cuts = proptest::collection::vec(first..past.log.len(), 40).new_tree(&mut runner);
    for cut in cuts.unwrap().current() {
        let mut log = past.log[..cut].to_vec();
        if cut % 2 == 0 {
            // The last sector was torn: half of it never came.
            let torn = log.len().saturating_sub(256).max(first);
            log[torn..].fill(0x5a);
        }
        let whole = if cut % 2 == 0 {
            cut.saturating_sub(256).max(first)
        } else {
            cut
        };
        let seen = reopened(&past.file, &log);
        let expected = past.moments.iter().rev().find(|(len, _)| *len <= whole);
        assert!(seen == expected.unwrap().1, "a log cut at {cut}");
    }
}
