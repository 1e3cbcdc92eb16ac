//! The provider whose calls are watched.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{BoxStream, StreamExt};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::{Ended, Health, State};
use crate::clock::Clock;
use crate::provider::{Call, Listed, Operation, Parts, Provider, ProviderError, Stat, Stored};

/// The log's name for ended calls; a line is provider, operation, bytes asked for, time, and how it ended if not well.
const CALLS: &str = "raic::call";

/// A provider that is watched. It is the outermost of its wrappers: what it measures is what the work above waits for, queue and retries included.
///
/// A call that its caller drops counts as long as it had taken by then. A listing is measured to its first entry.
pub struct Watched {
    inner: Arc<dyn Provider>,
    clock: Arc<dyn Clock>,
    begun: Instant,
    kept: Mutex<Kept>,
    /// Who wants to know that it answers again.
    back: Option<Arc<Notify>>,
}

#[derive(Debug, Default)]
struct Kept {
    health: Health,
    answered_at: Option<i64>,
    failed: Option<(i64, ProviderError)>,
}

/// What a person wants to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The state; its times are since [`Watched::new`], `now` too.
    pub state: State,
    /// Now.
    pub now: Duration,
    /// When a call was last answered, nanoseconds since 1970 UTC.
    pub answered_at: Option<i64>,
    /// When a call last failed, and how.
    pub failed: Option<(i64, ProviderError)>,
}

impl Watched {
    /// Watches the calls to `inner` from now on. `clock` is for what a person reads; times are tokio's.
    pub fn new(inner: Arc<dyn Provider>, clock: Arc<dyn Clock>) -> Watched {
        Watched {
            inner,
            clock,
            begun: Instant::now(),
            kept: Mutex::default(),
            back: None,
        }
    }

    /// The same; `back` is told whenever calls are answered again that had failed.
    #[must_use]
    pub fn telling(self, back: Arc<Notify>) -> Watched {
        Watched {
            back: Some(back),
            ..self
        }
    }

    /// See [`Health::expect`].
    pub fn expect(&self, operation: Operation, len: u64, share: f64) -> Option<Duration> {
        let now = self.begun.elapsed();
        self.lock().health.expect(now, operation, len, share)
    }

    /// See [`Health::allow`].
    pub fn allow(&self, operation: Operation) -> bool {
        let now = self.begun.elapsed();
        self.lock().health.allow(now, operation)
    }

    /// The state; its times are since [`Watched::new`].
    pub fn state(&self) -> State {
        self.lock().health.state()
    }

    /// All that is known.
    pub fn report(&self) -> Report {
        let kept = self.lock();
        Report {
            state: kept.health.state(),
            now: self.begun.elapsed(),
            answered_at: kept.answered_at,
            failed: kept.failed.clone(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, operation: Operation, len: u64) -> Running<'_> {
        Running {
            watched: self,
            operation,
            len,
            begun: Instant::now(),
            over: false,
        }
    }
}

/// A call under way.
struct Running<'a> {
    watched: &'a Watched,
    operation: Operation,
    len: u64,
    begun: Instant,
    over: bool,
}

impl Running<'_> {
    fn end<T>(&mut self, answer: Result<T, ProviderError>) -> Result<T, ProviderError> {
        self.note(answer.as_ref().err());
        answer
    }

    fn note(&mut self, error: Option<&ProviderError>) {
        self.over = true;
        let wall = self.watched.clock.now();
        let mut kept = self.watched.lock();
        match error {
            Some(error) => kept.failed = Some((wall, error.clone())),
            None => kept.answered_at = Some(wall),
        }
        let ended = error.map_or(Ended::Well, |error| Ended::Failed(error.class));
        self.tell(&mut kept, ended);
    }

    fn tell(&self, kept: &mut Kept, ended: Ended) {
        let now = self.watched.begun.elapsed();
        let took = self.begun.elapsed();
        let (provider, operation, len) = (self.watched.inner.name(), self.operation, self.len);
        match ended {
            Ended::Well => tracing::debug!(target: CALLS, "{provider} {operation} {len} {took:.1?}"),
            ended => tracing::debug!(target: CALLS, "{provider} {operation} {len} {took:.1?} {ended:?}"),
        }
        let again = kept.health.note(now, self.operation, self.len, took, ended);
        if let Some(back) = self.watched.back.as_ref().filter(|_| again) {
            back.notify_one();
        }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if !self.over {
            self.tell(&mut self.watched.lock(), Ended::GivenUp);
        }
    }
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Watched({:?}, {:?})", self.inner, self.state())
    }
}

impl Provider for Watched {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn put<'a>(&'a self, key: &'a str, body: Bytes) -> Call<'a, Stored> {
        Box::pin(async move {
            let mut running = self.begin(Operation::Put, body.len() as u64);
            running.end(self.inner.put(key, body).await)
        })
    }

    fn get<'a>(&'a self, key: &'a str, range: Range<u64>) -> Call<'a, Parts> {
        Box::pin(async move {
            let mut running = self.begin(Operation::Get, range.end.saturating_sub(range.start));
            running.end(self.inner.get(key, range).await)
        })
    }

    fn stat<'a>(&'a self, key: &'a str) -> Call<'a, Stat> {
        Box::pin(async move {
            let mut running = self.begin(Operation::Stat, 0);
            running.end(self.inner.stat(key).await)
        })
    }

    fn list<'a>(&'a self, prefix: &'a str) -> BoxStream<'a, Result<Listed, ProviderError>> {
        let mut running = self.begin(Operation::List, 0);
        let entries = self.inner.list(prefix).map(Some).chain(futures::stream::iter([None]));
        let noted = entries.filter_map(move |entry| {
            match &entry {
                Some(Err(error)) => running.note(Some(error)),
                _ if !running.over => running.note(None),
                _ => {}
            }
            futures::future::ready(entry)
        });
        noted.boxed()
    }

    fn delete<'a>(&'a self, key: &'a str) -> Call<'a, ()> {
        Box::pin(async move {
            let mut running = self.begin(Operation::Delete, 0);
            running.end(self.inner.delete(key).await)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::FixedClock;
    use crate::provider::Class;
    use crate::provider::conformance::{self, Options};
    use crate::provider::fault::{Fault, Faults, Faulty, Rule};
    use crate::provider::health::Reason;
    use crate::provider::memory::Memory;
    use crate::provider::pace::{Pace, Paced};

    fn watched() -> (Watched, Faults) {
        let (faulty, faults) = Faulty::wrap(Arc::new(Memory::new("m")), 1);
        let pace = Pace {
            latency: Duration::from_millis(40),
            ..Pace::default()
        };
        let paced = Arc::new(Paced::new(faulty, pace, 1));
        (Watched::new(paced, Arc::new(FixedClock::at(50))), faults)
    }

    #[tokio::test(start_paused = true)]
    async fn a_watched_provider_passes_the_suite() {
        let checks = conformance::run(Arc::new(watched().0), "suite/", &Options::default()).await;
        conformance::assert_passed(&checks, &[]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_call_took_is_what_the_next_is_expected_to_take() {
        let (watched, _) = watched();
        let body = Bytes::from(vec![1; 100]);
        for _ in 0..20 {
            watched.put("a", body.clone()).await.unwrap();
            watched.get("a", 0..100).await.unwrap();
            assert_eq!(watched.list("").count().await, 1);
        }
        for operation in [Operation::Put, Operation::Get, Operation::List] {
            assert_eq!(watched.expect(operation, 100, 0.99), Some(Duration::from_millis(40)));
        }
        assert_eq!(watched.expect(Operation::Stat, 0, 0.5), None);
        assert_eq!((watched.state(), watched.report().answered_at), (State::Up, Some(50)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_is_dropped_counts_as_long_as_it_took() {
        let (watched, faults) = watched();
        faults.add(Rule::always(Fault::Hang));
        for _ in 0..10 {
            let given_up = tokio::time::timeout(Duration::from_secs(2), watched.get("a", 0..9)).await;
            given_up.unwrap_err();
        }
        assert_eq!(watched.expect(Operation::Get, 9, 0.5), Some(Duration::from_secs(2)));
        assert_eq!(watched.state(), State::Unknown);
    }

    #[tokio::test(start_paused = true)]
    async fn a_dead_provider_is_down_and_up_again_with_its_first_answer() {
        let (watched, faults) = watched();
        faults.kill();
        for _ in 0..3 {
            assert!(watched.allow(Operation::Delete));
            watched.delete("a").await.unwrap_err();
        }
        let report = watched.report();
        assert!(matches!(report.state, State::Down(trouble) if trouble.reason == Reason::Outage));
        assert_eq!(report.failed.unwrap().1.class, Class::Transient);
        assert!(!watched.allow(Operation::Get));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(watched.allow(Operation::Get) && !watched.allow(Operation::Get));
        faults.revive();
        watched.delete("a").await.unwrap();
        assert_eq!(watched.state(), State::Up);
    }
}
