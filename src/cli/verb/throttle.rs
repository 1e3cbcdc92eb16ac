//! A brake for sources: all of them together give at most so many bytes a second.

use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Bytes that are read at once under a limit: small, so that the flow is even.
const STEP: usize = 64 << 10;

/// One limit for several sources.
#[derive(Clone, Debug)]
pub(crate) struct Brake {
    bytes_per_second: u64,
    /// When what was given out so far is paid for.
    free_at: Arc<Mutex<Instant>>,
}

impl Brake {
    pub(crate) fn new(bytes_per_second: u64) -> Brake {
        Brake {
            bytes_per_second: bytes_per_second.max(1),
            free_at: Arc::new(Mutex::new(Instant::now())),
        }
    }

    /// How long whoever has just taken `bytes` has to wait.
    #[expect(clippy::cast_precision_loss, reason = "a wait needs no ledger")]
    fn wait(&self, bytes: usize, now: Instant) -> Duration {
        let mut free_at = self.free_at.lock().unwrap_or_else(PoisonError::into_inner);
        let cost = Duration::from_secs_f64(bytes as f64 / self.bytes_per_second as f64);
        *free_at = (*free_at).max(now) + cost;
        free_at.saturating_duration_since(now)
    }
}

/// A source behind a brake, or without one.
#[derive(Debug)]
pub(crate) struct Braked<R> {
    source: R,
    brake: Option<Brake>,
}

impl<R> Braked<R> {
    pub(crate) fn new(source: R, brake: Option<Brake>) -> Braked<R> {
        Braked { source, brake }
    }
}

impl<R: Read> Read for Braked<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let Some(brake) = &self.brake else {
            return self.source.read(bytes);
        };
        let most = bytes.len().min(STEP);
        let count = self.source.read(&mut bytes[..most])?;
        std::thread::sleep(brake.wait(count, Instant::now()));
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_together_keep_the_rate() {
        let brake = Brake::new(1000);
        let now = *brake.free_at.lock().unwrap();
        assert_eq!(brake.wait(500, now), Duration::from_millis(500));
        assert_eq!(brake.clone().wait(500, now), Duration::from_secs(1));
        // Who comes late finds no credit.
        assert_eq!(
            brake.wait(100, now + Duration::from_secs(9)),
            Duration::from_millis(100)
        );
    }
}
