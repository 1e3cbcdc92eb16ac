//! Calls that failed for the moment are made again, a few times, after a wait that grows and is drawn by chance.
//!
//! | class | again? |
//! |---|---|
//! | Transient, Timeout, Corrupt, Broken | after 0 .. base × 2^tries, full jitter |
//! | Throttled | the same with four times the base |
//! | all others | no: the answer would be the same |
//!
//! Every call of the port may be made again. A put that timed out may have happened; a key has the same bytes for ever, so
//! doing it twice is doing it once. A listing starts over and repeats what it had told, as listings may. A try that runs is
//! never cut off here: its time is bounded below. `deadline` only says until when another may begin.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};
use tokio::time::Instant;

use super::chance::Chance;
use super::{Call, Class, Listed, Parts, Provider, ProviderError, Stat, Stored};

/// How often and how soon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// Tries in all, at least 1.
    pub attempts: u32,
    /// The bound of the first wait; it doubles with each try.
    pub base: Duration,
    /// No wait is longer.
    pub longest: Duration,
    /// No try begins later than this after the first began.
    pub deadline: Duration,
}

impl Default for Retry {
    /// 4 tries, waits up to 0.2, 0.4 and 0.8 s (throttled: 0.8, 1.6, 3.2 s), none begun after a minute: short, as the work above has
    /// other providers to turn to.
    fn default() -> Retry {
        Retry {
            attempts: 4,
            base: Duration::from_millis(200),
            longest: Duration::from_secs(10),
            deadline: Duration::from_mins(1),
        }
    }
}

impl Retry {
    /// One try only.
    pub fn never() -> Retry {
        Retry {
            attempts: 1,
            ..Retry::default()
        }
    }

    /// How long to wait after the `tries`-th try failed so, `since` ago the first; `None` to give up.
    fn wait(&self, class: Class, tries: u32, since: Duration, chance: &Chance) -> Option<Duration> {
        if !class.is_temporary() || tries >= self.attempts {
            return None;
        }
        let base = if class == Class::Throttled {
            4 * self.base
        } else {
            self.base
        };
        let bound = base
            .saturating_mul(1 << tries.saturating_sub(1).min(20))
            .min(self.longest);
        let nanos = u64::try_from(bound.as_nanos()).unwrap_or(u64::MAX - 1);
        let wait = Duration::from_nanos(chance.below(nanos + 1));
        (since + wait <= self.deadline).then_some(wait)
    }
}

/// A provider whose calls are made again.
pub struct Retried {
    inner: Arc<dyn Provider>,
    retry: Retry,
    chance: Chance,
}

impl Retried {
    /// Makes failed calls of `inner` again; the waits are drawn from `seed`.
    pub fn new(inner: Arc<dyn Provider>, retry: Retry, seed: u64) -> Retried {
        Retried {
            inner,
            retry,
            chance: Chance::seeded(seed),
        }
    }

    /// Makes the call until it succeeds or is given up; the error tells the tries.
    async fn again<T, F>(&self, call: impl Fn() -> F) -> Result<T, ProviderError>
    where
        F: Future<Output = Result<T, ProviderError>>,
    {
        let first = Instant::now();
        let mut tries = 1;
        loop {
            let error = match call().await {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            let Some(wait) = self.retry.wait(error.class, tries, first.elapsed(), &self.chance) else {
                return Err(ProviderError {
                    attempts: tries,
                    ..error
                });
            };
            tokio::time::sleep(wait).await;
            tries += 1;
        }
    }
}

impl fmt::Debug for Retried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Retried({:?})", self.inner)
    }
}

/// A listing under way: its entries, and the tries and the time since the first.
struct Flow<'a> {
    entries: Option<BoxStream<'a, Result<Listed, ProviderError>>>,
    tries: u32,
    first: Instant,
}

impl Retried {
    async fn next<'a>(
        &'a self,
        prefix: &'a str,
        mut flow: Flow<'a>,
    ) -> Option<(Result<Listed, ProviderError>, Flow<'a>)> {
        loop {
            let entries = flow.entries.as_mut()?;
            let error = match entries.next().await? {
                Ok(entry) => return Some((Ok(entry), flow)),
                Err(error) => error,
            };
            let Some(wait) = self
                .retry
                .wait(error.class, flow.tries, flow.first.elapsed(), &self.chance)
            else {
                flow.entries = None;
                let attempts = flow.tries;
                return Some((Err(ProviderError { attempts, ..error }), flow));
            };
            tokio::time::sleep(wait).await;
            flow.tries += 1;
            flow.entries = Some(self.inner.list(prefix));
        }
    }
}

impl Provider for Retried {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn put<'a>(&'a self, key: &'a str, body: Bytes) -> Call<'a, Stored> {
        Box::pin(self.again(move || self.inner.put(key, body.clone())))
    }

    fn get<'a>(&'a self, key: &'a str, range: Range<u64>) -> Call<'a, Parts> {
        Box::pin(self.again(move || self.inner.get(key, range.clone())))
    }

    fn stat<'a>(&'a self, key: &'a str) -> Call<'a, Stat> {
        Box::pin(self.again(move || self.inner.stat(key)))
    }

    fn list<'a>(&'a self, prefix: &'a str) -> BoxStream<'a, Result<Listed, ProviderError>> {
        let flow = Flow {
            entries: Some(self.inner.list(prefix)),
            tries: 1,
            first: Instant::now(),
        };
        stream::unfold(flow, move |flow| self.next(prefix, flow)).boxed()
    }

    fn delete<'a>(&'a self, key: &'a str) -> Call<'a, ()> {
        Box::pin(self.again(move || self.inner.delete(key)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::provider::Operation;
    use crate::provider::conformance::{self, Options};
    use crate::provider::fault::{Fault, Faults, Faulty, Rule};
    use crate::provider::memory::Memory;

    fn retried() -> (Arc<Memory>, Retried, Faults) {
        let memory = Arc::new(Memory::new("m"));
        let (faulty, faults) = Faulty::wrap(memory.clone(), 1);
        (memory, Retried::new(faulty, Retry::default(), 9), faults)
    }

    #[tokio::test(start_paused = true)]
    async fn a_provider_that_fails_now_and_then_passes_the_suite() {
        let (_, retried, faults) = retried();
        faults.add(Rule::per_million(Fault::Fail(Class::Transient), 20_000));
        faults.add(Rule::per_million(Fault::LoseAnswer, 20_000));
        let checks = conformance::run(Arc::new(retried), "suite/", &Options::default()).await;
        conformance::assert_passed(&checks, &[]);
        assert!(faults.injected()["fail"] > 10);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_temporary_is_tried_four_times_and_nothing_else_twice() {
        use Class::{Broken, Clock, Config, Corrupt, Denied, Full, Gone, Throttled, Timeout, Transient, Unsupported};
        for (class, tries) in [
            (Transient, 4),
            (Timeout, 4),
            (Throttled, 4),
            (Corrupt, 4),
            (Broken, 4),
            (Gone, 1),
            (Denied, 1),
            (Full, 1),
            (Clock, 1),
            (Config, 1),
            (Unsupported, 1),
        ] {
            let (_, retried, faults) = retried();
            faults.add(Rule::always(Fault::Fail(class)));
            let error = retried.stat("a").await.unwrap_err();
            assert_eq!(
                (error.class, u64::from(error.attempts), faults.calls()),
                (class, tries, tries),
                "{class:?}"
            );
            faults.clear();
            faults.add(Rule::always(Fault::Fail(class)));
            let listed: Vec<_> = retried.list("").collect().await;
            let [Err(error)] = listed.as_slice() else {
                panic!("{listed:?}")
            };
            assert_eq!(u64::from(error.attempts), tries, "{class:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_put_whose_answers_are_lost_is_stored_once_more_and_well() {
        let (memory, retried, faults) = retried();
        faults.add(Rule::nth(Fault::LoseAnswer, 1).on(Operation::Put));
        retried.put("a", Bytes::from_static(b"x")).await.unwrap();
        assert_eq!(memory.blobs()["a"], Bytes::from_static(b"x"));
        assert_eq!(faults.calls(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_listing_that_breaks_off_starts_over_and_misses_nothing() {
        let (memory, retried, faults) = retried();
        for at in 0..10 {
            memory.plant(format!("k/{at}"), Bytes::new());
        }
        faults.add(Rule::nth(Fault::LoseAnswer, 1));
        let listed: Vec<_> = retried.list("k/").map(|entry| entry.unwrap().key).collect().await;
        assert_eq!(listed.len(), 20);
        assert_eq!(listed[..10], listed[10..]);
    }

    #[tokio::test(start_paused = true)]
    async fn no_try_begins_after_the_deadline() {
        let (_, retried, faults) = retried();
        let retried = Retried {
            retry: Retry {
                attempts: 1_000,
                longest: Duration::from_secs(4),
                deadline: Duration::from_secs(30),
                ..Retry::default()
            },
            ..retried
        };
        faults.add(Rule::always(Fault::Fail(Class::Throttled)));
        let since = Instant::now();
        let error = retried.delete("a").await.unwrap_err();
        assert!(since.elapsed() <= Duration::from_secs(31), "{:?}", since.elapsed());
        assert!((8..60).contains(&error.attempts), "{}", error.attempts);
    }

    proptest! {
        #[test]
        fn a_wait_is_below_its_bound(seed: u64, tries in 1_u32..40, throttled: bool) {
            let retry = Retry { attempts: 100, deadline: Duration::MAX / 2, ..Retry::default() };
            let class = if throttled { Class::Throttled } else { Class::Transient };
            let wait = retry.wait(class, tries, Duration::ZERO, &Chance::seeded(seed)).unwrap();
            let factor = if throttled { 4.0 } else { 1.0 };
            let bound = 0.2 * factor * 2_f64.powi(i32::try_from(tries).unwrap() - 1);
            prop_assert!(wait.as_secs_f64() <= bound.min(10.0) + 1e-9);
        }
    }
}
