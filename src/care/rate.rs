//! A rate that work keeps: whoever wants bytes waits until their turn has come.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// Bytes in a second over all that share it; without a rate nobody waits.
#[derive(Debug)]
pub struct Rate {
    bytes: Option<u64>,
    /// When what was let through so far has taken its time.
    free: Mutex<Option<Instant>>,
}

impl Rate {
    /// So many bytes in a second; 0 is taken for 1.
    #[must_use]
    pub fn new(bytes: Option<u64>) -> Rate {
        Rate {
            bytes: bytes.map(|bytes| bytes.max(1)),
            free: Mutex::default(),
        }
    }

    /// Waits until what was let through before has taken its time.
    pub async fn pass(&self, len: u64) {
        let Some(rate) = self.bytes else { return };
        let turn = {
            let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
            let turn = free.unwrap_or_else(Instant::now).max(Instant::now());
            let takes = Duration::from_micros(len.saturating_mul(1_000_000) / rate);
            *free = Some(turn + takes);
            turn
        };
        sleep_until(turn).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn bytes_pass_at_the_rate_and_time_that_nobody_used_is_gone() {
        let rate = Rate::new(Some(1000));
        let begun = Instant::now();
        for _ in 0..11 {
            rate.pass(500).await;
        }
        assert_eq!(begun.elapsed().as_secs(), 5, "ten of them had to take their time");
        tokio::time::sleep(Duration::from_mins(1)).await;
        let idle = Instant::now();
        rate.pass(500).await;
        rate.pass(500).await;
        assert_eq!(idle.elapsed().as_millis(), 500);
        Rate::new(None).pass(u64::MAX).await;
    }
}
