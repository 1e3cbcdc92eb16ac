//! When an answer counts as late, and how many spare requests may be made for late ones.
//!
//! ```text
//! asked ──twice the provider's own 95 % time──▶ late ──▶ a fragment that wasn't asked for, if the budget allows it
//! ```
//!
//! A provider is measured against itself, so that a far one is not always late; one that is slow beside the others is asked last instead.
//! Spare requests stay below [`SHARE`] of all, so that a storm of late answers makes no storm of requests.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::clouds::Cloud;
use super::gather::{Action, Gather};
use crate::provider::Operation;

/// One spare request for so many others.
const SHARE: u64 = 50;

/// Spare requests that a process may make before the share counts.
const FREE: u64 = 8;

/// Nothing is late sooner: below it, waiting costs less than asking.
pub(super) const LEAST: Duration = Duration::from_millis(10);

/// Nothing is late sooner where nobody waits: a repair would pay for the spare.
pub(super) const UNHURRIED: Duration = Duration::from_secs(10);

/// When an answer of a provider that nothing is known of counts as late.
const BLIND: Duration = Duration::from_secs(2);

/// A provider whose usual time is so many times that of the middle one is slow.
const SLOW: u32 = 2;

/// The budget of spare requests of one process.
#[derive(Debug, Default)]
pub struct Budget {
    asked: AtomicU64,
    spare: AtomicU64,
}

impl Budget {
    /// So many requests were made.
    pub fn note(&self, requests: u64) {
        self.asked.fetch_add(requests, Ordering::Relaxed);
    }

    /// True if a spare request may be made; it counts as made then.
    pub fn spend(&self) -> bool {
        let most = FREE + self.asked.load(Ordering::Relaxed) / SHARE;
        let spend = |spent: u64| (spent < most).then_some(spent + 1);
        self.spare
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, spend)
            .is_ok()
    }

    /// What to do about a late fragment: ask for others, if the budget allows it.
    pub(super) fn around(&self, late: u16, gather: &mut Gather) -> Action {
        if !self.spend() {
            return Action::Wait;
        }
        let action = gather.late(late);
        if let Action::Ask(others) = &action {
            self.charge((others.len() as u64).saturating_sub(1));
        }
        action
    }

    /// It took so many more spare requests than the one that was asked for.
    fn charge(&self, more: u64) {
        self.spare.fetch_add(more, Ordering::Relaxed);
    }

    /// Requests, and spare ones among them.
    pub fn spent(&self) -> (u64, u64) {
        (self.asked.load(Ordering::Relaxed), self.spare.load(Ordering::Relaxed))
    }
}

/// When each answer that is out counts as late.
#[derive(Debug, Default)]
pub(super) struct Lateness {
    due: BTreeMap<u16, Instant>,
}

impl Lateness {
    /// Fragment `index` of `len` bytes is asked of this provider now; it isn't late before `least`.
    pub(super) fn ask(&mut self, index: u16, cloud: &Cloud, len: u64, least: Duration) {
        self.due.insert(index, Instant::now() + patience(cloud, len).max(least));
    }

    /// It came, or won't.
    pub(super) fn answered(&mut self, index: u16) {
        self.due.remove(&index);
    }

    /// Waits until one is late and answers which; each once. For ever if none can be.
    pub(super) async fn next(&mut self) -> u16 {
        let first = self.due.iter().min_by_key(|(_, due)| **due);
        let Some((index, due)) = first.map(|(index, due)| (*index, *due)) else {
            return std::future::pending().await;
        };
        sleep_until(due).await;
        self.due.remove(&index);
        index
    }
}

fn patience(cloud: &Cloud, len: u64) -> Duration {
    let usual = cloud.expect(Operation::Get, len, 0.95);
    usual.map_or(BLIND, |usual| (usual * 2).max(LEAST))
}

/// Which of these providers are slow beside the others, by the usual time of a read of `len` bytes. Unknown ones are not: they are to be known.
pub(super) fn slow<'a>(clouds: impl Iterator<Item = &'a Cloud>, len: u64) -> Vec<bool> {
    let usual: Vec<Option<Duration>> = clouds.map(|cloud| cloud.expect(Operation::Get, len, 0.5)).collect();
    slow_of(&usual)
}

fn slow_of(usual: &[Option<Duration>]) -> Vec<bool> {
    let mut known: Vec<Duration> = usual.iter().flatten().copied().collect();
    known.sort_unstable();
    let middle = known.get(known.len() / 2).copied();
    let is_slow = |usual: &Option<Duration>| match (usual, middle) {
        (Some(usual), Some(middle)) => *usual > (middle * SLOW).max(LEAST),
        _ => false,
    };
    usual.iter().map(is_slow).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spare_requests_stay_below_a_fiftieth_and_the_few_that_are_free() {
        let budget = Budget::default();
        let mut spent = 0;
        for _ in 0..1_000 {
            budget.note(4);
            spent += u64::from(budget.spend());
        }
        assert_eq!(spent, 8 + 4_000 / 50);
        assert_eq!(budget.spent(), (4_000, spent));
    }

    #[test]
    fn who_takes_more_than_twice_the_middle_is_slow_and_the_unknown_are_not() {
        let ms = |ms: u64| Some(Duration::from_millis(ms));
        assert_eq!(
            slow_of(&[ms(100), ms(110), ms(90), ms(1_000), None]),
            [false, false, false, true, false]
        );
        assert_eq!(
            slow_of(&[ms(1), ms(1), ms(9)]),
            [false; 3],
            "under ten milliseconds nobody is"
        );
        assert_eq!(slow_of(&[None, None]), [false; 2]);
        assert_eq!(slow_of(&[ms(500)]), [false]);
    }
}
