//! How fast a provider is, through the real port: blobs of one length, one operation, some lanes, for a while.
//!
//! ```text
//! start ──warm-up, not counted──┬──────── counted ────────┬ end: what is under way is waited for and not counted
//! lane 0  |■■■■|■■■|■■■■■|      │ latency runs from when a call was meant to begin, so that a provider that stands still
//! lane 1  |■■|■■■■■■|■■■■|      │ makes all calls late that should have begun meanwhile
//! ```
//!
//! A failed call is no success: it is counted by kind, and its time doesn't enter the latencies.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use hdrhistogram::Histogram;
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use crate::provider::{Class, Operation, Provider, ProviderError};

/// The share of the time that is warm-up: one part of so many.
const WARM_UP: u32 = 10;

/// The longest that one call is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// Blobs that reads choose from.
pub(crate) const READ_FROM: u64 = 8;

/// The longest latency that is told apart, in microseconds: ten minutes.
const LONGEST: u64 = 600_000_000;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Task {
    /// [`Operation::Put`] or [`Operation::Get`].
    pub operation: Operation,
    /// Bytes of a blob.
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

/// One call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Microseconds from the beginning until the call was meant to begin.
    pub begin: u64,
    /// Microseconds from then until its end.
    pub took: u64,
    /// Why it failed.
    pub failed: Option<Class>,
}

/// What was seen.
#[derive(Clone, Debug)]
pub struct Measured {
    /// What was measured.
    pub task: Task,
    /// Every call after the warm-up, in the order of their ends.
    pub samples: Vec<Sample>,
    /// Seconds that were counted.
    pub seconds: f64,
}

impl Measured {
    /// Calls that succeeded.
    #[must_use]
    pub fn succeeded(&self) -> u64 {
        self.samples.iter().filter(|sample| sample.failed.is_none()).count() as u64
    }

    /// Calls that failed, by kind.
    #[must_use]
    pub fn failed(&self) -> BTreeMap<Class, u64> {
        let mut failed = BTreeMap::new();
        for class in self.samples.iter().filter_map(|sample| sample.failed) {
            *failed.entry(class).or_insert(0) += 1;
        }
        failed
    }

    /// Bytes moved in a second.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    pub fn bytes_per_second(&self) -> f64 {
        if self.seconds <= 0.0 {
            return 0.0;
        }
        self.succeeded() as f64 * self.task.len as f64 / self.seconds
    }

    /// Latencies of what succeeded, in microseconds, to three digits.
    #[must_use]
    pub fn latencies(&self) -> Histogram<u64> {
        let mut histogram = Histogram::new_with_bounds(1, LONGEST, 3).expect("the bounds are in order");
        for sample in self.samples.iter().filter(|sample| sample.failed.is_none()) {
            histogram.saturating_record(sample.took.max(1));
        }
        histogram
    }

    /// What should make a reader careful.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        let succeeded = self.succeeded();
        if succeeded < 100 {
            warnings.push(format!("p99 rests on {succeeded} samples"));
        } else if succeeded < 1000 {
            warnings.push(format!("p99.9 rests on {succeeded} samples"));
        }
        let failed = self.failed();
        if let Some(throttled) = failed.get(&Class::Throttled) {
            warnings.push(format!("throttled {throttled} times: it can't go faster"));
        }
        let others: u64 = failed
            .iter()
            .filter(|(class, _)| **class != Class::Throttled)
            .map(|(_, count)| count)
            .sum();
        if others > 0 {
            warnings.push(format!("{others} calls failed"));
        }
        if let Some(drift) = self.drift() {
            warnings.push(format!(
                "the second half was {drift:.0} % slower or faster than the first"
            ));
        }
        let latencies = self.latencies();
        if succeeded > 0 && latencies.max() > 10 * latencies.value_at_quantile(0.99) {
            warnings.push(format!("one call took {} ms", latencies.max() / 1000));
        }
        warnings
    }

    /// By how many percent the mean latency of the halves differs, if that is much and there is enough to tell.
    #[expect(clippy::cast_precision_loss, reason = "a percentage without digits")]
    fn drift(&self) -> Option<f64> {
        let good: Vec<u64> = self
            .samples
            .iter()
            .filter(|s| s.failed.is_none())
            .map(|s| s.took)
            .collect();
        if good.len() < 40 {
            return None;
        }
        let (first, second) = good.split_at(good.len() / 2);
        let mean = |half: &[u64]| half.iter().sum::<u64>() as f64 / half.len() as f64;
        let drift = 100.0 * (mean(second) / mean(first).max(1.0) - 1.0).abs();
        (drift > 25.0).then_some(drift)
    }
}

/// Measures one provider. Everything is written below `prefix`, which ends with `/`; [`sweep`] removes it.
///
/// # Panics
///
/// If the task has no lane, or is another operation than put and get.
pub async fn measure(provider: &Arc<dyn Provider>, prefix: &str, task: Task) -> Result<Measured, ProviderError> {
    assert!(task.lanes > 0, "a task has a lane at least");
    assert!(matches!(task.operation, Operation::Put | Operation::Get), "put or get");
    let body = ramp(task.len);
    if task.operation == Operation::Get {
        for number in 0..READ_FROM {
            provider
                .put(&key(prefix, task.len, "read", number), body.clone())
                .await?;
        }
    }
    let begin = Instant::now();
    let run = Arc::new(Run {
        provider: provider.clone(),
        prefix: prefix.to_owned(),
        task,
        body,
        begin,
        next: AtomicU64::new(0),
        samples: Mutex::new(Vec::new()),
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
    Ok(counted(task, all, begin.elapsed()))
}

/// Leaves the warm-up and what ended after the time out.
fn counted(task: Task, all: Vec<Sample>, elapsed: Duration) -> Measured {
    let whole = elapsed.min(task.duration);
    let warm = whole / WARM_UP;
    let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    let (from, to) = (micros(warm), micros(whole));
    let inside = |sample: &Sample| sample.begin >= from && sample.begin + sample.took <= to;
    Measured {
        task,
        samples: all.into_iter().filter(inside).collect(),
        seconds: whole.saturating_sub(warm).as_secs_f64(),
    }
}

struct Run {
    provider: Arc<dyn Provider>,
    prefix: String,
    task: Task,
    body: Bytes,
    begin: Instant,
    next: AtomicU64,
    samples: Mutex<Vec<Sample>>,
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
        if self.task.operation == Operation::Put {
            let key = key(&self.prefix, len, "put", number);
            return self.provider.put(&key, self.body.clone()).await.map(drop);
        }
        let key = key(&self.prefix, len, "read", number % READ_FROM);
        let got = self.provider.get(&key, 0..len).await?.join();
        if got == self.body {
            return Ok(());
        }
        Err(ProviderError::new(
            self.provider.name(),
            Operation::Get,
            &key,
            Class::Corrupt,
            "other bytes than were put",
        ))
    }
}

fn key(prefix: &str, len: u64, kind: &str, number: u64) -> String {
    format!("{prefix}{len}/{kind}/{number}")
}

/// Bytes of period 251, so that swapped ones show.
fn ramp(len: u64) -> Bytes {
    (0..len)
        .map(|at| u8::try_from(at % 251).expect("below 251"))
        .collect::<Vec<u8>>()
        .into()
}

/// Removes all that tasks wrote below `prefix`: what they may have written, whether or not a listing shows it. Tells how many are left.
pub async fn sweep(provider: &Arc<dyn Provider>, prefix: &str, tasks: &[Task]) -> Result<u64, ProviderError> {
    use futures::stream::{self, StreamExt, TryStreamExt};
    let listed: Vec<String> = provider.list(prefix).map_ok(|listed| listed.key).try_collect().await?;
    let read = |task: &Task| {
        (0..READ_FROM)
            .map(|number| key(prefix, task.len, "read", number))
            .collect::<Vec<_>>()
    };
    let known = tasks
        .iter()
        .filter(|task| task.operation == Operation::Get)
        .flat_map(read);
    let mut keys: Vec<String> = listed
        .into_iter()
        .filter(|key| key.starts_with(prefix))
        .chain(known)
        .collect();
    keys.sort_unstable();
    keys.dedup();
    let left = stream::iter(keys)
        .map(|key| async move { u64::from(provider.delete(&key).await.is_err()) })
        .buffer_unordered(8)
        .fold(0, |sum, left| async move { sum + left });
    Ok(left.await)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::fault::{Fault, Faulty, Rule};
    use crate::provider::memory::Memory;

    fn task(operation: Operation, rate: Option<f64>) -> Task {
        Task {
            operation,
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
        let provider: Arc<dyn Provider> = memory.clone();
        provider.put("other/key", Bytes::from_static(b"x")).await.unwrap();
        let tasks = [task(Operation::Put, Some(5.0)), task(Operation::Get, Some(5.0))];
        for task in tasks {
            let measured = measure(&provider, "raic-bench-1/", task).await.unwrap();
            // 50 calls at 5 a second; those of the first second are warm-up, as much of it as there was.
            assert!((44..=45).contains(&measured.succeeded()), "{}", measured.succeeded());
            assert!(measured.failed().is_empty());
        }
        assert_eq!(sweep(&provider, "raic-bench-1/", &tasks).await.unwrap(), 0);
        assert_eq!(memory.blobs().into_keys().collect::<Vec<_>>(), ["other/key"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_failed_call_is_no_success() {
        let (faulty, faults) = Faulty::wrap(Arc::new(Memory::new("m")), 1);
        let provider: Arc<dyn Provider> = faulty;
        faults.add(Rule::always(Fault::Fail(Class::Throttled)).on(Operation::Put));
        let measured = measure(&provider, "p/", task(Operation::Put, Some(5.0))).await.unwrap();
        assert_eq!(measured.succeeded(), 0);
        assert!(measured.failed()[&Class::Throttled] > 40);
        assert!(measured.bytes_per_second().abs() < f64::EPSILON);
        assert!(measured.warnings().iter().any(|warning| warning.contains("throttled")));
    }

    #[test]
    fn a_standstill_makes_all_calls_late_that_should_have_begun_meanwhile() {
        let task = task(Operation::Get, Some(10.0));
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
        let measured = counted(task, (0..99).map(late).collect(), Duration::from_secs(10));
        assert_eq!(measured.succeeded(), 89);
        let latencies = measured.latencies();
        assert!(latencies.value_at_quantile(0.5) < 11_000);
        assert!(
            latencies.value_at_quantile(0.95) > 400_000,
            "{}",
            latencies.value_at_quantile(0.95)
        );
    }
}
