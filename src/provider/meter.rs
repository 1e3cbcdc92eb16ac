//! Counts what passes to a provider: calls, bytes, failures by class, latency, and how many calls are under way.
//!
//! Latency runs by tokio's clock from the call to its last byte, so under a paused clock it is simulated time. A listing is
//! one call from being asked for to its end.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{BoxStream, Stream, StreamExt};
use tokio::time::Instant;

use super::{Call, Class, Listed, Operation, Parts, Provider, ProviderError, Stat, Stored};

/// A provider whose traffic is counted.
pub struct Meter {
    inner: Arc<dyn Provider>,
    counts: Mutex<Snapshot>,
}

/// What was counted until one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// By operation; one that was never called is absent.
    pub operations: BTreeMap<Operation, Tally>,
    /// Calls under way.
    pub in_flight: u64,
    /// The most calls ever under way at once.
    pub most_in_flight: u64,
}

/// One operation's counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Calls begun.
    pub calls: u64,
    /// Calls that succeeded.
    pub succeeded: u64,
    /// Calls that failed, by class.
    pub failed: BTreeMap<Class, u64>,
    /// Calls that the caller gave up before they ended.
    pub dropped: u64,
    /// Bytes of bodies handed to the provider, whether or not it took them.
    pub sent: u64,
    /// Bytes of bodies that came back.
    pub received: u64,
    /// Entries that listings brought.
    pub listed: u64,
    /// How long calls took that ended, well or not.
    pub latency: Latency,
}

impl Tally {
    /// Calls that failed, of any class.
    pub fn failures(&self) -> u64 {
        self.failed.values().sum()
    }
}

impl Snapshot {
    /// The counts of one operation, zero if it was never called.
    pub fn of(&self, operation: Operation) -> Tally {
        self.operations.get(&operation).cloned().unwrap_or_default()
    }

    /// Calls of any operation.
    pub fn calls(&self) -> u64 {
        self.operations.values().map(|tally| tally.calls).sum()
    }
}

/// Durations in buckets of a quarter of an octave: a quantile is at most 25 % above the truth.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Latency {
    buckets: Vec<u64>,
    count: u64,
    total: Duration,
    longest: Duration,
}

impl Latency {
    /// The bucket of a time in microseconds: 0, 1, 2, 3, then four to each doubling.
    fn bucket(micros: u64) -> usize {
        if micros < 4 {
            return usize::try_from(micros).expect("below 4");
        }
        let octave = micros.ilog2();
        let quarter = (micros >> (octave - 2)) & 3;
        (octave as usize - 1) * 4 + usize::try_from(quarter).expect("two bits")
    }

    /// The first time in microseconds that is past a bucket.
    fn end(bucket: usize) -> u64 {
        if bucket < 4 {
            return bucket as u64 + 1;
        }
        let octave = u32::try_from(bucket / 4 + 1).expect("at most 63");
        (4 + bucket as u64 % 4 + 1)
            .checked_shl(octave - 2)
            .filter(|end| end >> (octave - 2) == 4 + bucket as u64 % 4 + 1)
            .unwrap_or(u64::MAX)
    }

    /// Adds one duration.
    pub fn record(&mut self, took: Duration) {
        let bucket = Latency::bucket(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
        if self.buckets.len() <= bucket {
            self.buckets.resize(bucket + 1, 0);
        }
        self.buckets[bucket] += 1;
        self.count += 1;
        self.total += took;
        self.longest = self.longest.max(took);
    }

    /// How many durations were recorded.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Their mean, zero if there is none.
    pub fn mean(&self) -> Duration {
        u32::try_from(self.count)
            .ok()
            .and_then(|count| self.total.checked_div(count))
            .unwrap_or_default()
    }

    /// The longest of them.
    pub fn longest(&self) -> Duration {
        self.longest
    }

    /// The time within which `share` of them ended, `share` from 0.0 to 1.0; at most 25 % too high, zero if there is none.
    pub fn quantile(&self, share: f64) -> Duration {
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rank among fewer than 2^52 calls, rounded up"
        )]
        let rank = ((self.count as f64 * share.clamp(0.0, 1.0)).ceil() as u64).max(1);
        let mut below = 0;
        for (bucket, count) in self.buckets.iter().enumerate() {
            below += count;
            if below >= rank {
                return Duration::from_micros(Latency::end(bucket)).min(self.longest);
            }
        }
        self.longest
    }
}

impl Meter {
    /// Counts what goes through to `inner` from now on.
    pub fn new(inner: Arc<dyn Provider>) -> Meter {
        Meter {
            inner,
            counts: Mutex::default(),
        }
    }

    /// The counts as they are now.
    pub fn snapshot(&self) -> Snapshot {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Snapshot> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, operation: Operation, sent: usize) -> Underway<'_> {
        let mut counts = self.lock();
        counts.in_flight += 1;
        counts.most_in_flight = counts.most_in_flight.max(counts.in_flight);
        let tally = counts.operations.entry(operation).or_default();
        tally.calls += 1;
        tally.sent += sent as u64;
        Underway {
            meter: self,
            operation,
            since: Instant::now(),
            ended: false,
        }
    }
}

impl fmt::Debug for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Meter({:?})", self.inner)
    }
}

/// A call that has begun; counts as dropped unless it ends.
struct Underway<'a> {
    meter: &'a Meter,
    operation: Operation,
    since: Instant,
    ended: bool,
}

impl Underway<'_> {
    fn tally(&self, change: impl FnOnce(&mut Tally)) {
        change(self.meter.lock().operations.entry(self.operation).or_default());
    }

    fn end(&mut self, failed: Option<Class>) {
        self.ended = true;
        let took = self.since.elapsed();
        self.tally(|tally| {
            tally.latency.record(took);
            match failed {
                None => tally.succeeded += 1,
                Some(class) => *tally.failed.entry(class).or_default() += 1,
            }
        });
    }

    fn answer<T>(mut self, answer: Result<T, ProviderError>) -> Result<T, ProviderError> {
        self.end(answer.as_ref().err().map(|error| error.class));
        answer
    }
}

impl Drop for Underway<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.tally(|tally| tally.dropped += 1);
        }
        self.meter.lock().in_flight -= 1;
    }
}

/// A listing that is counted while it flows.
struct Flow<'a> {
    entries: BoxStream<'a, Result<Listed, ProviderError>>,
    call: Option<Underway<'a>>,
}

impl Stream for Flow<'_> {
    type Item = Result<Listed, ProviderError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = self.entries.poll_next_unpin(context);
        match &next {
            Poll::Pending => {}
            Poll::Ready(Some(Ok(_))) => {
                if let Some(call) = &self.call {
                    call.tally(|tally| tally.listed += 1);
                }
            }
            Poll::Ready(Some(Err(error))) => {
                if let Some(mut call) = self.call.take() {
                    call.end(Some(error.class));
                }
            }
            Poll::Ready(None) => {
                if let Some(mut call) = self.call.take() {
                    call.end(None);
                }
            }
        }
        next
    }
}

impl Provider for Meter {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn put<'a>(&'a self, key: &'a str, body: Bytes) -> Call<'a, Stored> {
        Box::pin(async move {
            let call = self.begin(Operation::Put, body.len());
            call.answer(self.inner.put(key, body).await)
        })
    }

    fn get<'a>(&'a self, key: &'a str, range: Range<u64>) -> Call<'a, Parts> {
        Box::pin(async move {
            let call = self.begin(Operation::Get, 0);
            let answer = self.inner.get(key, range).await;
            let received = answer.as_ref().map_or(0, Parts::len) as u64;
            call.tally(|tally| tally.received += received);
            call.answer(answer)
        })
    }

    fn stat<'a>(&'a self, key: &'a str) -> Call<'a, Stat> {
        Box::pin(async move {
            let call = self.begin(Operation::Stat, 0);
            call.answer(self.inner.stat(key).await)
        })
    }

    fn list<'a>(&'a self, prefix: &'a str) -> BoxStream<'a, Result<Listed, ProviderError>> {
        Flow {
            call: Some(self.begin(Operation::List, 0)),
            entries: self.inner.list(prefix),
        }
        .boxed()
    }

    fn delete<'a>(&'a self, key: &'a str) -> Call<'a, ()> {
        Box::pin(async move {
            let call = self.begin(Operation::Delete, 0);
            call.answer(self.inner.delete(key).await)
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::provider::conformance::{self, Options};
    use crate::provider::fault::{Fault, Faulty, Rule};
    use crate::provider::memory::Memory;

    fn meter() -> Meter {
        Meter::new(Arc::new(Memory::new("m")))
    }

    #[tokio::test]
    async fn a_metered_provider_passes_the_suite() {
        let checks = conformance::run(Arc::new(meter()), "suite/", &Options::default()).await;
        conformance::assert_passed(&checks, &[]);
    }

    #[tokio::test]
    async fn calls_bytes_and_failures_are_counted() {
        let meter = meter();
        meter.put("a", Bytes::from_static(b"12345")).await.unwrap();
        meter.get("a", 1..4).await.unwrap();
        meter.get("b", 0..1).await.unwrap_err();
        let listed = meter.list("").count().await;
        let counted = meter.snapshot();
        assert_eq!(listed, 1);
        assert_eq!(counted.of(Operation::Put).sent, 5);
        assert_eq!(counted.of(Operation::Get).received, 3);
        assert_eq!(counted.of(Operation::Get).failed, BTreeMap::from([(Class::Gone, 1)]));
        assert_eq!(counted.of(Operation::List).listed, 1);
        assert_eq!((counted.calls(), counted.in_flight, counted.most_in_flight), (4, 0, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_given_up_is_counted_as_dropped() {
        let (faulty, faults) = Faulty::wrap(Arc::new(Memory::new("m")), 1);
        faults.add(Rule::always(Fault::Hang));
        let meter = Meter::new(faulty);
        let waited = tokio::time::timeout(Duration::from_secs(1), meter.stat("a")).await;
        assert!(waited.is_err());
        let counted = meter.snapshot();
        assert_eq!((counted.of(Operation::Stat).dropped, counted.in_flight), (1, 0));
    }

    proptest! {
        #[test]
        fn a_bucket_holds_its_times_within_a_quarter(micros in 0_u64..1 << 40) {
            let end = Latency::end(Latency::bucket(micros));
            prop_assert!(end > micros);
            prop_assert!(end <= micros + micros / 4 + 1);
        }
    }

    #[test]
    fn quantiles_come_from_the_recorded_times() {
        let mut latency = Latency::default();
        for millis in 1..=100 {
            latency.record(Duration::from_millis(millis));
        }
        let median = latency.quantile(0.5);
        assert!(
            (Duration::from_millis(50)..Duration::from_millis(63)).contains(&median),
            "{median:?}"
        );
        assert_eq!(latency.quantile(1.0), Duration::from_millis(100));
        assert_eq!(latency.mean(), Duration::from_micros(50_500));
    }

    #[test]
    fn the_longest_time_of_all_has_a_bucket() {
        let mut latency = Latency::default();
        latency.record(Duration::MAX);
        assert_eq!(
            latency.quantile(0.5),
            Duration::MAX.min(Duration::from_micros(u64::MAX))
        );
    }
}
