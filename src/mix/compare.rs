//! Two benches side by side: what became better, what worse, and what could be chance.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::run::{Calls, Run};

/// A change of half of the calls' time that is below this is no news, in percent.
const NOISE: f64 = 10.0;

/// How a figure moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Moved {
    /// It could be chance.
    Same,
    /// Faster, or fewer failures.
    Better,
    /// Slower, or more failures.
    Worse,
}

/// One figure in both.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// Of what: a provider with call, bytes and lanes, or a mix.
    pub of: String,
    /// Which figure: `p50_ms`, `p99_ms`, `bytes_per_second` or `failed_percent`.
    pub figure: String,
    /// In the older run.
    pub old: f64,
    /// In the newer run.
    pub new: f64,
    /// By how much it rose or fell; null where it was nothing before.
    pub percent: Option<f64>,
    /// What to make of it.
    pub moved: Moved,
}

impl Change {
    /// By how much it became worse, in percent; nothing if it didn't.
    #[must_use]
    pub fn loss(&self) -> f64 {
        match self.moved {
            Moved::Worse => self.percent.map_or(f64::INFINITY, f64::abs),
            _ => 0.0,
        }
    }
}

/// Every figure that both have.
#[must_use]
pub fn compare(old: &Run, new: &Run) -> Vec<Change> {
    let mut changes = Vec::new();
    for before in &old.providers {
        let Some(after) = new.providers.iter().find(|after| after.name == before.name) else {
            continue;
        };
        for task in &before.tasks {
            let same = after
                .tasks
                .iter()
                .find(|other| (&other.call, other.bytes, other.lanes) == (&task.call, task.bytes, task.lanes));
            if let Some(other) = same {
                let of = format!(
                    "{} {} {} x{}",
                    before.name,
                    task.call,
                    super::report::bytes(task.bytes),
                    task.lanes
                );
                both(&of, &task.calls, &other.calls, &mut changes);
            }
        }
    }
    for before in &old.mixes {
        let after = new.mixes.iter().find(|after| after.name() == before.name());
        let pair = before.lived.as_ref().zip(after.and_then(|after| after.lived.as_ref()));
        if let Some((before_lived, after_lived)) = pair {
            let name = before.name();
            both(
                &format!("{name} read"),
                &before_lived.reads,
                &after_lived.reads,
                &mut changes,
            );
            both(
                &format!("{name} write"),
                &before_lived.writes,
                &after_lived.writes,
                &mut changes,
            );
        }
    }
    changes
}

fn both(of: &str, old: &Calls, new: &Calls, changes: &mut Vec<Change>) {
    let sure = !old.bytes_per_second.meets(&new.bytes_per_second);
    let mut add = |figure: &str, old: Option<f64>, new: Option<f64>, more_is_better: bool, sure: bool| {
        let (Some(old), Some(new)) = (old, new) else { return };
        let percent = (old > 0.0).then(|| 100.0 * (new / old - 1.0));
        let much = percent.map_or(new > 0.0, |percent| percent.abs() > NOISE);
        let moved = match (new > old) == more_is_better {
            _ if !(much && sure) => Moved::Same,
            true => Moved::Better,
            false => Moved::Worse,
        };
        changes.push(Change {
            of: of.to_owned(),
            figure: figure.to_owned(),
            old,
            new,
            percent,
            moved,
        });
    };
    let (before, after) = (old.latency_ms, new.latency_ms);
    // Without bytes, as of listings, there is no rate to be sure by.
    let timed = sure || old.bytes_per_second.mean == 0.0;
    add("p50_ms", before.p50, after.p50, false, timed);
    add("p99_ms", before.p99, after.p99, false, timed);
    let rate = |calls: &Calls| (calls.bytes_per_second.mean > 0.0).then_some(calls.bytes_per_second.mean);
    add("bytes_per_second", rate(old), rate(new), true, sure);
    let failed = |calls: &Calls| Some(100.0 * calls.failed_share());
    if old.failures() + new.failures() > 0 {
        add("failed_percent", failed(old), failed(new), false, true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mix::run::{ProviderRun, TaskRun};
    use crate::mix::seen::Seen;
    use crate::provider::Class;

    fn run(micros: u64, failed: usize) -> Run {
        let mut times = vec![(micros, None); 200];
        times[..failed].fill((micros, Some(Class::Timeout)));
        Run {
            providers: vec![ProviderRun {
                name: "a".to_owned(),
                tasks: vec![TaskRun {
                    call: "get".to_owned(),
                    bytes: 1000,
                    lanes: 1,
                    calls: Calls::of(&Seen::in_a_row(1000, &times)),
                    timeline: Vec::new(),
                }],
                ..ProviderRun::default()
            }],
            ..Run::default()
        }
    }

    fn moves(old: &Run, new: &Run) -> Vec<(String, Moved)> {
        compare(old, new)
            .into_iter()
            .map(|change| (change.figure, change.moved))
            .collect()
    }

    #[test]
    fn slower_is_worse_faster_is_better_and_a_little_is_the_same() {
        let figures = ["p50_ms", "p99_ms", "bytes_per_second"];
        for (micros, want) in [
            (10_000, Moved::Same),
            (10_500, Moved::Same),
            (20_000, Moved::Worse),
            (5000, Moved::Better),
        ] {
            let want: Vec<(String, Moved)> = figures.iter().map(|figure| ((*figure).to_owned(), want)).collect();
            assert_eq!(moves(&run(10_000, 0), &run(micros, 0)), want, "{micros}");
        }
        let worse = compare(&run(10_000, 0), &run(20_000, 0));
        assert!((worse[0].loss() - 100.0).abs() < 1.0 && (worse[2].loss() - 50.0).abs() < 1.0);
    }

    #[test]
    fn failures_where_none_were_are_a_loss_without_end() {
        let changes = compare(&run(10_000, 0), &run(10_000, 20));
        let failed = changes.iter().find(|change| change.figure == "failed_percent").unwrap();
        assert_eq!((failed.moved, failed.percent), (Moved::Worse, None));
        assert!(failed.loss().is_infinite());
        assert!(compare(&run(1, 0), &Run::default()).is_empty());
    }
}
