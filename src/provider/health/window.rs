//! How long the last calls of one kind took: an exact sliding window, kept in order of time and in order of length.

use std::collections::VecDeque;
use std::time::Duration;

/// The most calls in a window: a 99th percentile needs a hundred.
const MOST: usize = 128;

/// Fewer tell nothing.
const FEWEST: usize = 8;

/// How long a call is remembered: a provider that was slow and was left alone since deserves to be asked again.
const MEMORY: Duration = Duration::from_mins(10);

/// The last calls of one operation and size class.
#[derive(Debug, Default)]
pub(super) struct Window {
    /// When each ended and the microseconds it took, oldest first.
    ended: VecDeque<(Duration, u32)>,
    /// The microseconds of all of them, shortest first.
    sorted: Vec<u32>,
}

impl Window {
    /// A call ended at `now` after `took`; more than 71 minutes count as that.
    pub(super) fn add(&mut self, now: Duration, took: Duration) {
        self.forget(now);
        if self.ended.len() == MOST {
            self.pop();
        }
        let micros = u32::try_from(took.as_micros()).unwrap_or(u32::MAX);
        let at = self.sorted.partition_point(|other| *other < micros);
        self.sorted.insert(at, micros);
        self.ended.push_back((now, micros));
    }

    /// The time within which `share` of them ended: the shortest such that at least that share took no longer.
    pub(super) fn quantile(&mut self, now: Duration, share: f64) -> Option<Duration> {
        self.forget(now);
        if self.sorted.len() < FEWEST {
            return None;
        }
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rank among at most 128"
        )]
        let rank = (self.sorted.len() as f64 * share.clamp(0.0, 1.0)).ceil() as usize;
        let micros = self.sorted[rank.max(1) - 1];
        Some(Duration::from_micros(micros.into()))
    }

    fn forget(&mut self, now: Duration) {
        while self.ended.front().is_some_and(|(then, _)| *then + MEMORY < now) {
            self.pop();
        }
    }

    fn pop(&mut self) {
        if let Some((_, micros)) = self.ended.pop_front() {
            let at = self.sorted.partition_point(|other| *other < micros);
            self.sorted.remove(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The definition: all calls ever, those that count picked out and sorted.
    fn plain(calls: &[(Duration, Duration)], now: Duration, of_64: usize) -> Option<Duration> {
        let last = &calls[calls.len().saturating_sub(MOST)..];
        let mut took: Vec<Duration> = last
            .iter()
            .filter(|(then, _)| *then + MEMORY >= now)
            .map(|(_, took)| *took)
            .collect();
        took.sort();
        if took.len() < FEWEST {
            return None;
        }
        let enough = |time: &&Duration| {
            let within = took.iter().filter(|other| other <= time).count();
            64 * within >= of_64 * took.len()
        };
        took.iter().find(enough).copied()
    }

    proptest! {
        #[test]
        fn a_window_answers_as_its_definition(
            calls in prop::collection::vec((0..30_u64, 0..50_u64), 0..400),
            of_64 in 0_u8..=64,
            later in 0..700_u64,
        ) {
            let (mut window, mut all, mut now) = (Window::default(), Vec::new(), Duration::ZERO);
            let (share, of_64) = (f64::from(of_64) / 64.0, usize::from(of_64));
            for (wait, took) in calls {
                now += Duration::from_secs(wait);
                let took = Duration::from_micros(took);
                window.add(now, took);
                all.push((now, took));
                prop_assert_eq!(window.quantile(now, share), plain(&all, now, of_64));
                prop_assert!(window.ended.len() <= MOST && window.ended.len() == window.sorted.len());
            }
            now += Duration::from_secs(later);
            prop_assert_eq!(window.quantile(now, share), plain(&all, now, of_64));
        }
    }
}
