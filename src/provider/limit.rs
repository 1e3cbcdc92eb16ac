//! What a provider may be asked at once and in a second.
//!
//! ```text
//! requests   |1|1|1|1|1|. . . .          one line a rate: what is asked for joins its end, and a second's worth
//! upload     |--- 8 MiB ---|- 1 -|       may go before its time has come
//! ```
//!
//! The lines run by tokio's clock, so a simulation can have them too (governor, which runs by the machine's, can't be
//! simulated), and a body longer than a second's worth simply takes longer.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::{Call, Listed, Parts, Provider, ProviderError, Stat, Stored};

/// Calls at once over one SFTP account: at 64 its client library panics in a worker and calls hang; 32 ran clean.
pub const SFTP_MOST: u32 = 32;

/// Limits of one provider. A rate of 0 is taken for 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Calls under way at once, at least 1.
    pub concurrency: u32,
    /// Calls begun per second; listings count as one.
    pub requests: Option<u32>,
    /// Bytes sent per second.
    pub upload: Option<u64>,
    /// Bytes asked for per second.
    pub download: Option<u64>,
}

impl Limits {
    /// What is good for most services of this scheme: 16 calls at once, 8 where each has a login session of its own.
    pub fn of_scheme(scheme: &str) -> Limits {
        let concurrency = match scheme {
            "sftp" | "ftp" => 8,
            _ => 16,
        };
        Limits {
            concurrency,
            requests: None,
            upload: None,
            download: None,
        }
    }

    /// These limits, but not more calls at once than the scheme bears.
    #[must_use]
    pub fn within(self, scheme: &str) -> Limits {
        let most = if scheme == "sftp" { SFTP_MOST } else { u32::MAX };
        Limits {
            concurrency: self.concurrency.clamp(1, most),
            ..self
        }
    }
}

/// The places for calls under way at once.
#[derive(Clone, Debug)]
pub struct Gate(Arc<Semaphore>);

/// One place, free again when dropped.
pub type Pass = OwnedSemaphorePermit;

impl Gate {
    /// A gate with `places` places; 0 is taken for 1.
    pub fn new(places: u32) -> Gate {
        let places = usize::try_from(places.max(1))
            .unwrap_or(usize::MAX)
            .min(Semaphore::MAX_PERMITS);
        Gate(Arc::new(Semaphore::new(places)))
    }

    /// Waits for a place, first come first served.
    #[expect(clippy::missing_panics_doc, reason = "it cannot: nobody closes the semaphore")]
    pub async fn enter(&self) -> Pass {
        let pass = Arc::clone(&self.0).acquire_owned().await;
        pass.expect("the semaphore is never closed")
    }
}

/// A rate as a waiting line.
#[derive(Debug)]
pub(super) struct Line {
    per_second: u64,
    /// The moment at which what was admitted so far will have gone by.
    end: Mutex<Option<Instant>>,
}

impl Line {
    pub(super) fn new(per_second: u64) -> Line {
        Line {
            per_second: per_second.max(1),
            end: Mutex::default(),
        }
    }

    /// Takes `units` into the line; how long they have to wait before they may go.
    pub(super) fn join(&self, units: u64, burst: Duration) -> Duration {
        let now = Instant::now();
        let mut end = self.end.lock().unwrap_or_else(PoisonError::into_inner);
        let start = end.unwrap_or(now).max(now);
        *end = Some(start + self.time(units));
        // All but the last second's worth of what is before us has to be through.
        (start - now).saturating_sub(burst)
    }

    /// How long so many units take.
    pub(super) fn time(&self, units: u64) -> Duration {
        let nanos = u128::from(units) * 1_000_000_000 / u128::from(self.per_second);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX / 4).min(u64::MAX / 4))
    }
}

/// A provider with bounded rates.
pub struct Limited {
    inner: Arc<dyn Provider>,
    requests: Option<Line>,
    upload: Option<Line>,
    download: Option<Line>,
}

impl Limited {
    /// Bounds the rates of `inner`. The bound on calls at once is [`super::isolate::Isolated`]'s, which knows when they end.
    pub fn new(inner: Arc<dyn Provider>, limits: &Limits) -> Limited {
        Limited {
            inner,
            requests: limits.requests.map(|rate| Line::new(u64::from(rate))),
            upload: limits.upload.map(Line::new),
            download: limits.download.map(Line::new),
        }
    }

    /// Waits until a call that moves so many bytes may begin.
    async fn admit(&self, up: u64, down: u64) {
        const BURST: Duration = Duration::from_secs(1);
        let wait = |line: &Option<Line>, units: u64| match line {
            Some(line) if units > 0 => line.join(units, BURST),
            _ => Duration::ZERO,
        };
        let waits = [
            wait(&self.requests, 1),
            wait(&self.upload, up),
            wait(&self.download, down),
        ];
        let longest = waits.into_iter().max().unwrap_or_default();
        if !longest.is_zero() {
            tokio::time::sleep(longest).await;
        }
    }
}

impl fmt::Debug for Limited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Limited({:?})", self.inner)
    }
}

impl Provider for Limited {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn put<'a>(&'a self, key: &'a str, body: Bytes) -> Call<'a, Stored> {
        Box::pin(async move {
            self.admit(body.len() as u64, 0).await;
            self.inner.put(key, body).await
        })
    }

    fn get<'a>(&'a self, key: &'a str, range: Range<u64>) -> Call<'a, Parts> {
        Box::pin(async move {
            self.admit(0, range.end.saturating_sub(range.start)).await;
            self.inner.get(key, range).await
        })
    }

    fn stat<'a>(&'a self, key: &'a str) -> Call<'a, Stat> {
        Box::pin(async move {
            self.admit(0, 0).await;
            self.inner.stat(key).await
        })
    }

    fn list<'a>(&'a self, prefix: &'a str) -> BoxStream<'a, Result<Listed, ProviderError>> {
        stream::once(self.admit(0, 0))
            .flat_map(move |()| self.inner.list(prefix))
            .boxed()
    }

    fn delete<'a>(&'a self, key: &'a str) -> Call<'a, ()> {
        Box::pin(async move {
            self.admit(0, 0).await;
            self.inner.delete(key).await
        })
    }
}

#[cfg(test)]
mod tests {
    use futures::future::join_all;

    use super::*;
    use crate::provider::conformance::{self, Options};
    use crate::provider::memory::Memory;

    fn limited(limits: Limits) -> Limited {
        Limited::new(Arc::new(Memory::new("m")), &limits)
    }

    fn none() -> Limits {
        Limits::of_scheme("memory")
    }

    /// Seconds that the work took by tokio's paused clock.
    async fn took(work: impl Future) -> f64 {
        let since = Instant::now();
        work.await;
        since.elapsed().as_secs_f64()
    }

    #[tokio::test(start_paused = true)]
    async fn a_limited_provider_passes_the_suite() {
        let limits = Limits {
            concurrency: 4,
            requests: Some(1_000),
            upload: Some(100 << 20),
            download: Some(100 << 20),
        };
        let checks = conformance::run(Arc::new(limited(limits)), "suite/", &Options::default()).await;
        conformance::assert_passed(&checks, &[]);
    }

    #[tokio::test(start_paused = true)]
    async fn requests_come_at_their_rate_after_a_seconds_worth() {
        let limits = Limits {
            requests: Some(10),
            ..none()
        };
        let provider = limited(limits);
        let deletes = (0..50).map(|_| provider.delete("a"));
        let seconds = took(join_all(deletes)).await;
        assert!((3.85..=4.0).contains(&seconds), "{seconds}");
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_go_at_their_rate_each_way_even_beyond_a_seconds_worth() {
        let limits = Limits {
            upload: Some(1_000),
            download: Some(500),
            ..none()
        };
        let provider = limited(limits);
        let body = Bytes::from(vec![1; 3_000]);
        let up = took(async {
            provider.put("a", body.clone()).await.unwrap();
            provider.put("b", body.clone()).await.unwrap();
            provider.put("c", body).await.unwrap();
        });
        assert!((4.9..=5.1).contains(&up.await));
        let down = took(async {
            provider.get("a", 0..3_000).await.unwrap();
            provider.get("a", 0..1).await.unwrap();
        });
        assert!((4.9..=5.1).contains(&down.await));
    }

    #[tokio::test(start_paused = true)]
    async fn a_limit_that_is_not_set_costs_nothing() {
        let provider = limited(none());
        let seconds = took(join_all(
            (0..100).map(|_| provider.put("a", Bytes::from(vec![1; 1 << 20]))),
        ))
        .await;
        assert!(seconds < 0.001, "{seconds}");
    }

    #[test]
    fn more_calls_at_once_than_a_scheme_bears_are_not_made() {
        for (scheme, asked, given) in [("sftp", 64, 32), ("sftp", 4, 4), ("s3", 64, 64), ("s3", 0, 1)] {
            let limits = Limits {
                concurrency: asked,
                ..none()
            };
            assert_eq!(limits.within(scheme).concurrency, given, "{scheme} {asked}");
        }
    }

    #[tokio::test]
    async fn a_gate_lets_so_many_in_and_no_more() {
        let gate = Gate::new(2);
        let (first, _second) = (gate.enter().await, gate.enter().await);
        assert!(futures::poll!(std::pin::pin!(gate.enter())).is_pending());
        drop(first);
        assert!(futures::poll!(std::pin::pin!(gate.enter())).is_ready());
    }
}
