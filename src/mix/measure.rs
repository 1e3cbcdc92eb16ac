//! How fast a provider is, through the real port: one kind of call on blobs of one length, some lanes, for a while.
//!
//! ```text
//! start ──warm-up, not counted──┬──────── counted ────────┬ end: what is under way is waited for and not counted
//! lane 0  |■■■■|■■■|■■■■■|      │ latency runs from when a call was meant to begin, so that a provider that stands still
//! lane 1  |■■|■■■■■■|■■■■|      │ makes all calls late that should have begun meanwhile
//! ```
//!
//! A failed call is no success: it is counted by kind, and its time doesn't enter the latencies.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::TryStreamExt;
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use super::seen::{Sample, Seen};
use crate::provider::{Class, Listed, Operation, Provider, ProviderError};

/// The share of the time that is warm-up: one part of so many.
const WARM_UP: u32 = 10;

/// The longest that one call is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// Blobs that reads choose from.
pub(crate) const READ_FROM: u64 = 8;

/// A kind of call that is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probe {
    /// A blob is put, each under a key of its own.
    Put,
    /// A whole blob is read.
    Get,
    /// One byte is read: what passes before the first byte comes.
    First,
    /// A folder with one blob is listed.
    List,
}

impl Probe {
    /// The word for it in files.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Probe::Put => "put",
            Probe::Get => "get",
            Probe::First => "first byte",
            Probe::List => "list",
        }
    }

    /// By its word.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Probe> {
        [Probe::Put, Probe::Get, Probe::First, Probe::List]
            .into_iter()
            .find(|probe| probe.word() == word)
    }
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Task {
    /// Which calls.
    pub probe: Probe,
    /// Bytes of a blob; 0 for listings.
    pub len: u64,
    /// Calls under way at once, at least 1.
    pub lanes: u16,
    /// Warm-up included.
    pub duration: Duration,
    /// The most calls: the bound of what this can cost.
    pub calls: u64,
    /// Calls that are meant to begin in a second; as fast as the lanes can if `None`.
    pub rate: Option<f64>,
}

/// Counts of a measurement that runs, for whoever looks on.
#[derive(Debug, Default)]
pub struct Gauge {
    /// Calls that ended well.
    pub done: AtomicU64,
    /// Calls that failed.
    pub failed: AtomicU64,
}

/// What was seen of one task.
#[derive(Clone, Debug)]
pub struct Measured {
    /// What was measured.
    pub task: Task,
    /// Every call after the warm-up.
    pub seen: Seen,
}

/// Measures one provider, within a corner of its own.
///
/// # Panics
///
/// If the task has no lane.
pub async fn measure(provider: &Arc<dyn Provider>, task: Task, gauge: &Arc<Gauge>) -> Result<Measured, ProviderError> {
    assert!(task.lanes > 0, "a task has a lane at least");
    let body = ramp(task.len);
    prepare(provider, &task, &body).await?;
    let begin = Instant::now();
    let run = Arc::new(Run {
        provider: provider.clone(),
        task,
        body,
        begin,
        next: AtomicU64::new(0),
        samples: Mutex::new(Vec::new()),
        gauge: gauge.clone(),
    });
    // Whoever gives up the measurement ends its lanes too.
    let mut lanes = JoinSet::new();
    for _ in 0..task.lanes {
        lanes.spawn(run.clone().lane());
    }
    while let Some(lane) = lanes.join_next().await {
        lane.expect("a lane does not panic");
    }
    let all = std::mem::take(&mut *run.samples.lock().await);
    Ok(Measured {
        task,
        seen: counted(&task, all, begin.elapsed()),
    })
}

/// Puts what reads and listings find.
async fn prepare(provider: &Arc<dyn Provider>, task: &Task, body: &Bytes) -> Result<(), ProviderError> {
    match task.probe {
        Probe::Put => Ok(()),
        Probe::Get | Probe::First => {
            for number in 0..READ_FROM {
                provider.put(&key(task.len, "read", number), body.clone()).await?;
            }
            Ok(())
        }
        Probe::List => provider.put("list/one", Bytes::from_static(b"one")).await.map(drop),
    }
}

/// Leaves the warm-up and what ended after the time out; where nothing else is there, because calls take longer than the time, all of it
/// counts.
fn counted(task: &Task, all: Vec<Sample>, elapsed: Duration) -> Seen {
    let whole = elapsed.min(task.duration);
    let warm = whole / WARM_UP;
    let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    let (from, to) = (micros(warm), micros(whole));
    let inside = |sample: &Sample| sample.begin >= from && sample.begin + sample.took <= to;
    if !all.iter().any(inside) {
        return Seen {
            len: task.len,
            samples: all,
            from: 0,
            to: micros(elapsed),
        };
    }
    Seen {
        len: task.len,
        samples: all.into_iter().filter(inside).collect(),
        from,
        to,
    }
}

struct Run {
    provider: Arc<dyn Provider>,
    task: Task,
    body: Bytes,
    begin: Instant,
    next: AtomicU64,
    samples: Mutex<Vec<Sample>>,
    gauge: Arc<Gauge>,
}

impl Run {
    async fn lane(self: Arc<Run>) {
        loop {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            if number >= self.task.calls {
                return;
            }
            let meant = self.meant(number);
            if meant.duration_since(self.begin) >= self.task.duration {
                return;
            }
            sleep_until(meant).await;
            let failed = match timeout(PATIENCE, self.call(number)).await {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(error.class),
                Err(_) => Some(Class::Timeout),
            };
            let count = if failed.is_none() {
                &self.gauge.done
            } else {
                &self.gauge.failed
            };
            count.fetch_add(1, Ordering::Relaxed);
            let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
            let sample = Sample {
                begin: micros(meant.duration_since(self.begin)),
                took: micros(meant.elapsed()),
                failed,
            };
            self.samples.lock().await.push(sample);
        }
    }

    /// When call `number` is meant to begin.
    #[expect(clippy::cast_precision_loss, reason = "a call in billions is a microsecond off")]
    fn meant(&self, number: u64) -> Instant {
        match self.task.rate {
            Some(rate) => self.begin + Duration::from_secs_f64(number as f64 / rate.max(1e-6)),
            None => Instant::now(),
        }
    }

    async fn call(&self, number: u64) -> Result<(), ProviderError> {
        let len = self.task.len;
        match self.task.probe {
            Probe::Put => {
                let key = key(len, "put", number);
                self.provider.put(&key, self.body.clone()).await.map(drop)
            }
            Probe::Get => self.read(number, self.body.clone()).await,
            Probe::First => self.read(number, self.body.slice(0..1.min(self.body.len()))).await,
            Probe::List => {
                let found: Vec<Listed> = self.provider.list("list/").try_collect().await?;
                // A listing is a hint: one that lacks the blob is no failure.
                drop(found);
                Ok(())
            }
        }
    }

    async fn read(&self, number: u64, want: Bytes) -> Result<(), ProviderError> {
        let key = key(self.task.len, "read", number % READ_FROM);
        let got = self.provider.get(&key, 0..want.len() as u64).await?.join();
        if got == want {
            return Ok(());
        }
        let what = "other bytes than were put";
        let name = self.provider.name();
        Err(ProviderError::new(name, Operation::Get, &key, Class::Corrupt, what))
    }
}

fn key(len: u64, kind: &str, number: u64) -> String {
    format!("{len}/{kind}/{number}")
}

/// All keys that tasks may have written, each with the calls that it made, whether or not a listing shows them.
#[must_use]
pub fn keys_of(tasks: &[(Task, u64)]) -> Vec<String> {
    let mut keys = Vec::new();
    for (task, calls) in tasks {
        match task.probe {
            Probe::Put => keys.extend((0..*calls).map(|number| key(task.len, "put", number))),
            Probe::Get | Probe::First => keys.extend((0..READ_FROM).map(|number| key(task.len, "read", number))),
            Probe::List => keys.push("list/one".to_owned()),
        }
    }
    keys.sort_unstable();
    keys.dedup();
    keys
}

/// Bytes of period 251, so that swapped ones show.
fn ramp(len: u64) -> Bytes {
    (0..len)
        .map(|at| u8::try_from(at % 251).expect("below 251"))
        .collect::<Vec<u8>>()
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mix::own::Own;
    use crate::provider::fault::{Fault, Faulty, Rule};
    use crate::provider::memory::Memory;

    fn task(probe: Probe, rate: Option<f64>) -> Task {
        Task {
            probe,
            len: 1000,
            lanes: 2,
            duration: Duration::from_secs(10),
            calls: 50,
            rate,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn calls_are_counted_after_the_warm_up_and_nothing_is_left_behind() {
        let memory = Arc::new(Memory::new("m"));
        memory.put("other/key", Bytes::from_static(b"x")).await.unwrap();
        let own = Arc::new(Own::new(memory.clone(), "raic-bench-1/"));
        let provider: Arc<dyn Provider> = own.clone();
        for probe in [Probe::Put, Probe::Get, Probe::First, Probe::List] {
            let task = task(probe, Some(5.0));
            let measured = measure(&provider, task, &Arc::default()).await.unwrap();
            // 50 calls at 5 a second; those of the first second are warm-up, as much of it as there was.
            let good = measured.seen.succeeded();
            assert!((44..=45).contains(&good), "{probe:?} {good}");
            assert!(measured.seen.failed().is_empty());
            let written: Vec<String> = memory.blobs().into_keys().filter(|key| key != "other/key").collect();
            let known: Vec<String> = keys_of(&[(task, 50)])
                .iter()
                .map(|key| format!("raic-bench-1/{key}"))
                .collect();
            assert_eq!(written, known, "{probe:?}");
            assert_eq!(own.clear().await.unwrap(), 0);
        }
        assert_eq!(memory.blobs().into_keys().collect::<Vec<_>>(), ["other/key"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_failed_call_is_no_success() {
        let (faulty, faults) = Faulty::wrap(Arc::new(Memory::new("m")), 1);
        let provider: Arc<dyn Provider> = faulty;
        faults.add(Rule::always(Fault::Fail(Class::Throttled)).on(Operation::Put));
        let gauge = Arc::new(Gauge::default());
        let measured = measure(&provider, task(Probe::Put, Some(5.0)), &gauge).await.unwrap();
        let seen = measured.seen;
        assert_eq!((seen.succeeded(), gauge.failed.load(Ordering::Relaxed)), (0, 50));
        assert!(seen.failed()[&Class::Throttled] > 40);
        assert!(seen.rate().mean.abs() < f64::EPSILON);
        assert!(seen.warnings().iter().any(|warning| warning.contains("throttled")));
    }

    #[test]
    fn a_standstill_makes_all_calls_late_that_should_have_begun_meanwhile() {
        let task = task(Probe::Get, Some(10.0));
        // A second's standstill at 5 s: ten calls were meant to begin in it and ended at its end.
        let late = |number: u64| {
            let begin = number * 100_000;
            let took = if (50..60).contains(&number) {
                6_000_000 - begin
            } else {
                10_000
            };
            Sample {
                begin,
                took,
                failed: None,
            }
        };
        // Calls that are longer than the time count all the same.
        let long = Sample {
            begin: 0,
            took: 25_000_000,
            failed: None,
        };
        let only = counted(&task, vec![long], Duration::from_secs(25));
        assert_eq!((only.succeeded(), only.to), (1, 25_000_000));
        let seen = counted(&task, (0..99).map(late).collect(), Duration::from_secs(10));
        assert_eq!(seen.succeeded(), 89);
        let times = seen.quantiles();
        assert!(times.p50.unwrap() < 11.0 && times.p90.unwrap() > 10.0, "{times:?}");
        assert!(times.p99.unwrap() > 900.0, "{times:?}");
    }
}
