//! A provider slowed down: latency and rates as a real one has them, by tokio's clock and from a seed.
//!
//! ```text
//! call ──latency ± jitter──▶ done below ──bytes queue on one line each way──▶ answer
//! ```

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};

use super::chance::Chance;
use super::limit::Line;
use super::{Call, Listed, Parts, Provider, ProviderError, Stat, Stored};

/// How slow. All zero or `None` is as fast as what is below.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pace {
    /// Before each call.
    pub latency: Duration,
    /// Up to this much more, each amount as likely as the others.
    pub jitter: Duration,
    /// Bytes per second towards the provider, for all calls together.
    pub upload: Option<u64>,
    /// Bytes per second from the provider, for all calls together.
    pub download: Option<u64>,
}

/// A provider with a pace.
pub struct Paced {
    inner: Arc<dyn Provider>,
    pace: Pace,
    chance: Chance,
    upload: Option<Line>,
    download: Option<Line>,
}

impl Paced {
    /// Slows `inner` down; what is drawn comes from `seed`.
    pub fn new(inner: Arc<dyn Provider>, pace: Pace, seed: u64) -> Paced {
        Paced {
            inner,
            pace,
            chance: Chance::seeded(seed),
            upload: pace.upload.map(Line::new),
            download: pace.download.map(Line::new),
        }
    }

    async fn wait(&self) {
        let jitter = u64::try_from(self.pace.jitter.as_nanos()).unwrap_or(u64::MAX - 1);
        let wait = self.pace.latency + Duration::from_nanos(self.chance.below(jitter + 1));
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
    }

    /// Waits until `bytes` have gone through the line, behind those before them.
    async fn pass(line: Option<&Line>, bytes: u64) {
        if let Some(line) = line {
            tokio::time::sleep(line.join(bytes, Duration::ZERO) + line.time(bytes)).await;
        }
    }
}

impl fmt::Debug for Paced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Paced({:?})", self.inner)
    }
}

impl Provider for Paced {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn put<'a>(&'a self, key: &'a str, body: Bytes) -> Call<'a, Stored> {
        Box::pin(async move {
            self.wait().await;
            Paced::pass(self.upload.as_ref(), body.len() as u64).await;
            self.inner.put(key, body).await
        })
    }

    fn get<'a>(&'a self, key: &'a str, range: Range<u64>) -> Call<'a, Parts> {
        Box::pin(async move {
            self.wait().await;
            let parts = self.inner.get(key, range).await?;
            Paced::pass(self.download.as_ref(), parts.len() as u64).await;
            Ok(parts)
        })
    }

    fn stat<'a>(&'a self, key: &'a str) -> Call<'a, Stat> {
        Box::pin(async move {
            self.wait().await;
            self.inner.stat(key).await
        })
    }

    fn list<'a>(&'a self, prefix: &'a str) -> BoxStream<'a, Result<Listed, ProviderError>> {
        stream::once(self.wait())
            .flat_map(move |()| self.inner.list(prefix))
            .boxed()
    }

    fn delete<'a>(&'a self, key: &'a str) -> Call<'a, ()> {
        Box::pin(async move {
            self.wait().await;
            self.inner.delete(key).await
        })
    }
}

#[cfg(test)]
mod tests {
    use futures::future::join_all;
    use tokio::time::Instant;

    use super::*;
    use crate::provider::conformance::{self, Options};
    use crate::provider::memory::Memory;

    fn paced(pace: Pace, seed: u64) -> Paced {
        Paced::new(Arc::new(Memory::new("m")), pace, seed)
    }

    #[tokio::test(start_paused = true)]
    async fn a_paced_provider_passes_the_suite() {
        let pace = Pace {
            latency: Duration::from_millis(20),
            jitter: Duration::from_millis(10),
            upload: Some(10 << 20),
            download: Some(50 << 20),
        };
        let checks = conformance::run(Arc::new(paced(pace, 5)), "suite/", &Options::default()).await;
        conformance::assert_passed(&checks, &[]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_takes_its_latency_and_bytes_share_one_line() {
        let pace = Pace {
            latency: Duration::from_secs(1),
            upload: Some(1_000),
            ..Pace::default()
        };
        let paced = paced(pace, 1);
        let since = Instant::now();
        join_all((0..4).map(|_| paced.put("a", Bytes::from(vec![0; 500])))).await;
        // One second before all, then 4 × 500 bytes in a row.
        assert_eq!(since.elapsed().as_millis(), 3_000);
    }

    #[tokio::test(start_paused = true)]
    async fn jitter_is_between_nothing_and_its_bound_and_comes_from_the_seed() {
        let pace = Pace {
            jitter: Duration::from_millis(100),
            ..Pace::default()
        };
        let mut runs = Vec::new();
        for seed in [7, 7, 8] {
            let paced = paced(pace, seed);
            let mut times = Vec::new();
            for _ in 0..50 {
                let since = Instant::now();
                paced.delete("a").await.unwrap();
                times.push(since.elapsed());
            }
            assert!(
                times.iter().all(|time| *time <= Duration::from_millis(101)),
                "{times:?}"
            );
            assert!(times.iter().any(|time| *time > Duration::from_millis(60)), "{times:?}");
            runs.push(times);
        }
        assert_eq!(runs[0], runs[1]);
        assert_ne!(runs[0], runs[2]);
    }
}
