//! The real store, care and catalog over simulated providers, in virtual time: one seed is one run, and a model checks every step of it.
//!
//! `RAIC_SIM_SEEDS` says how many seeds, `RAIC_SIM_SEED` runs one alone and prints its trace. How to read it: CONTRIBUTING.md.

#![expect(clippy::print_stdout, reason = "what a run counted is part of its report")]

#[path = "support/gated.rs"]
mod gated;

mod simulation {
    pub(crate) mod cloud;
    pub(crate) mod life;
    pub(crate) mod model;
    pub(crate) mod plan;
    pub(crate) mod run;
    pub(crate) mod story;
    pub(crate) mod truth;
    pub(crate) mod verbs;
    pub(crate) mod world;
}

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

#[cfg(feature = "plant")]
use raic::plant::{Bug, plant};
use simulation::plan::Plan;
use simulation::run::{Outcome, Tally, live};
use simulation::world::{Fault, Violation};

/// Seeds of a run that was not told how many.
const SEEDS: u64 = 60;

/// From so many seeds on each fault has to have happened [`OFTEN`] times.
const MANY: u64 = 5_000;

const OFTEN: u64 = 100;

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{variable}={text} is no number")),
    )
}

/// What many runs came to.
#[derive(Debug, Default)]
struct Sum {
    counts: BTreeMap<Fault, u64>,
    tally: Tally,
    broken: Option<(u64, Violation)>,
}

impl Sum {
    fn add(&mut self, seed: u64, outcome: Outcome) {
        for (fault, count) in outcome.counts {
            *self.counts.entry(fault).or_default() += count;
        }
        let (sum, one) = (&mut self.tally, outcome.tally);
        sum.operations += one.operations;
        sum.acknowledged += one.acknowledged;
        sum.refused += one.refused;
        sum.unknown += one.unknown;
        sum.reads += one.reads;
        sum.recovers += one.recovers;
        sum.calls += one.calls;
        sum.seconds += one.seconds;
        if let Some(violation) = outcome.violation
            && self.broken.as_ref().is_none_or(|(known, _)| seed < *known)
        {
            self.broken = Some((seed, violation));
        }
    }
}

/// One run; that it panics breaks a rule like any other.
fn run(plan: &Plan, tells: bool) -> Outcome {
    let lived = std::panic::catch_unwind(|| live(plan, tells));
    lived.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Outcome {
            violation: Some(Violation {
                rule: "nothing panics",
                what: text.unwrap_or_default(),
            }),
            trace: Vec::new(),
            fingerprint: [0; 32],
            counts: BTreeMap::new(),
            tally: Tally::default(),
        }
    })
}

/// Runs these seeds on all processors, up to the first that breaks a rule. `prepare` is called on each thread.
fn run_all(first: u64, seeds: u64, prepare: impl Fn() + Sync) -> Sum {
    let (next, sum) = (AtomicU64::new(first), Mutex::new(Sum::default()));
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                prepare();
                loop {
                    let seed = next.fetch_add(1, Ordering::SeqCst);
                    let stop = sum.lock().expect("no thread panics").broken.is_some();
                    if stop || seed >= first + seeds {
                        return;
                    }
                    let outcome = run(&Plan::of(seed), false);
                    sum.lock().expect("no thread panics").add(seed, outcome);
                }
            });
        }
    });
    sum.into_inner().expect("no thread panics")
}

/// Drops steps for as long as the same rule stays broken.
fn shrink(mut plan: Plan, rule: &str) -> (Plan, Outcome) {
    let mut width = plan.steps.len() / 2;
    while width > 0 {
        let mut at = 0;
        while at < plan.steps.len() {
            let mut shorter = plan.clone();
            shorter.steps.drain(at..(at + width).min(plan.steps.len()));
            match run(&shorter, false).violation {
                Some(violation) if violation.rule == rule => plan = shorter,
                _ => at += width,
            }
        }
        width /= 2;
    }
    let outcome = run(&plan, true);
    (plan, outcome)
}

fn report(seed: u64, violation: &Violation) -> ! {
    let (plan, outcome) = shrink(Plan::of(seed), violation.rule);
    println!("{plan:#?}\n{}", outcome.trace.join("\n"));
    panic!(
        "seed {seed} breaks the rule `{}`: {}\nof its steps these {} are enough: {:?}\nrepeat with RAIC_SIM_SEED={seed}",
        violation.rule,
        outcome.violation.as_ref().map_or(&violation.what, |v| &v.what),
        plan.steps.len(),
        plan.steps
    );
}

#[test]
fn every_seed_keeps_every_promise() {
    let began = Instant::now();
    let (first, seeds) = match number("RAIC_SIM_SEED") {
        Some(seed) => (seed, 1),
        None => (
            number("RAIC_SIM_FIRST").unwrap_or(0),
            number("RAIC_SIM_SEEDS").unwrap_or(SEEDS),
        ),
    };
    let sum = run_all(first, seeds, || ());
    let tally = sum.tally;
    println!(
        "{seeds} seeds from {first} in {:.1} s: {} operations, {} acknowledged, {} refused, {} unknown, {} reads, {} rebuilds, {} calls, {} virtual hours",
        began.elapsed().as_secs_f64(),
        tally.operations,
        tally.acknowledged,
        tally.refused,
        tally.unknown,
        tally.reads,
        tally.recovers,
        tally.calls,
        tally.seconds / 3600
    );
    for fault in Fault::ALL {
        println!("{fault:?}: {}", sum.counts.get(&fault).copied().unwrap_or(0));
    }
    if let Some((seed, violation)) = &sum.broken {
        report(*seed, violation);
    }
    let seldom = |fault: &Fault| sum.counts.get(fault).is_none_or(|count| *count < OFTEN);
    let seldom: Vec<Fault> = Fault::ALL.into_iter().filter(seldom).collect();
    assert!(
        seeds < MANY || seldom.is_empty(),
        "these happened too seldom: {seldom:?}"
    );
    if number("RAIC_SIM_SEED").is_some() {
        println!("{}", live(&Plan::of(first), true).trace.join("\n"));
    }
    if seeds >= SEEDS {
        #[expect(clippy::cast_precision_loss, reason = "a bound with two digits")]
        let bound = |of: u64| 3.0 / of.max(1) as f64;
        println!(
            "95 % bound: fewer than {:.1e} violations an acknowledged write, {:.1e} a rebuild",
            bound(tally.acknowledged),
            bound(tally.recovers)
        );
    }
}

#[test]
fn a_seed_repeats_itself() {
    for seed in 0..6 {
        let plan = Plan::of(seed);
        let (once, again) = (live(&plan, true), live(&plan, true));
        if once.fingerprint != again.fingerprint {
            let differs = once.trace.iter().zip(&again.trace).find(|(a, b)| a != b);
            panic!("seed {seed} was another run the second time: {differs:?}");
        }
    }
}

/// Seeds of which one has to find a planted bug.
#[cfg(feature = "plant")]
const PLANTED: u64 = 10_000;

/// Of each bug of `raic::plant` a seed that found it. After a change of the code it may be another one: then all are tried.
#[cfg(feature = "plant")]
const KNOWN: &[(Bug, u64)] = &[
    (Bug::AcknowledgeBelowQuorum, 4),
    (Bug::ForgetLateFailures, 3),
    (Bug::DeleteBeforeCommit, 0),
    (Bug::ReuseBlobKey, 0),
    (Bug::ReviveARefused, 4),
    (Bug::RepairIntoATakenDomain, 3),
    (Bug::TrustAList, 11),
    (Bug::SkipATag, 18),
    (Bug::CountAShortWrite, 3),
    (Bug::ResurrectByRecover, 4),
    (Bug::AdoptAnyReadable, 4),
    (Bug::NeverWait, 416),
    (Bug::NoTombstone, 0),
    (Bug::TombstoneAtOne, 7),
    (Bug::NoWriteBack, 187),
    (Bug::TombstoneWithoutWriteBack, 1031),
    (Bug::TrustAnEmptied, 123),
    (Bug::CommitALower, 254),
    (Bug::RootBeforeItsParts, 17),
    (Bug::LostSeatNotCounted, 87),
    (Bug::ReuseACopyNumber, 0),
    (Bug::DeleteWithoutGrace, 1),
    (Bug::SettleOnAnOldCatalog, 215),
    (Bug::RootBeforeTheEpoch, 25),
    (Bug::NoVoid, 4),
    (Bug::VoidBelowQuorum, 107),
    (Bug::VolatileCommit, 0),
    (Bug::VoidAfterAnUncertainCommit, 24),
    (Bug::CheckpointForgetsOpenGenerations, 75),
];

/// Each bug of `raic::plant` is put back in turn; `RAIC_SIM_BUG` names one alone.
#[cfg(feature = "plant")]
#[test]
fn every_planted_bug_is_found() {
    let only = std::env::var("RAIC_SIM_BUG").ok();
    let seeds = number("RAIC_SIM_SEEDS").unwrap_or(PLANTED);
    let mut missed = Vec::new();
    std::panic::set_hook(Box::new(|_| ()));
    for bug in Bug::ALL {
        let name = format!("{bug:?}");
        if only.as_ref().is_some_and(|only| *only != name) {
            continue;
        }
        let known = KNOWN.iter().filter(|(known, _)| *known == bug).map(|(_, seed)| *seed);
        let first = known.map(|seed| (seed, 1));
        let found = first.chain([(0, seeds)]).find_map(|(first, seeds)| {
            let sum = run_all(first, seeds, || plant(Some(bug)));
            sum.broken
        });
        if let Some((seed, violation)) = found {
            println!("{name}: seed {seed}: {}: {}", violation.rule, violation.what);
        } else {
            println!("{name}: not found in {seeds} seeds");
            missed.push(name);
        }
    }
    drop(std::panic::take_hook());
    assert!(missed.is_empty(), "not found: {missed:?}");
}
