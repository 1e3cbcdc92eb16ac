//! How many requests of each kind were answered, how, and how fast. Counters only: no lock, nothing of any request is kept.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::route::Route;

/// The upper ends of the classes of time, in seconds; one more class is above them.
pub const BOUNDS: [f64; 11] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0];

/// What requests are counted as; the last is for those that lead nowhere.
pub const KINDS: [&str; 10] = [
    "version",
    "lease",
    "allocate",
    "write",
    "abort",
    "list",
    "read",
    "advise",
    "read_test_write",
    "none",
];

/// Classes of status codes: 1xx to 5xx.
const CODES: usize = 5;

/// The counters of a node.
#[derive(Debug, Default)]
pub struct Tally([Row; KINDS.len()]);

#[derive(Debug, Default)]
struct Row {
    codes: [AtomicU64; CODES],
    times: [AtomicU64; BOUNDS.len() + 1],
    micros: AtomicU64,
}

/// Requests of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    /// Which.
    pub kind: &'static str,
    /// By the first digit of the status code, from 1 on.
    pub codes: [u64; CODES],
    /// By time: as many as took no longer than each of [`BOUNDS`], then those above.
    pub times: [u64; BOUNDS.len() + 1],
    /// Microseconds of all together.
    pub micros: u64,
}

impl Tally {
    /// Counts one answer.
    pub fn count(&self, route: Option<&Route>, status: u16, took: Duration) {
        let row = &self.0[kind(route)];
        let code = usize::from(status / 100).clamp(1, CODES) - 1;
        let class = BOUNDS.iter().position(|bound| took.as_secs_f64() <= *bound);
        row.codes[code].fetch_add(1, Ordering::Relaxed);
        row.times[class.unwrap_or(BOUNDS.len())].fetch_add(1, Ordering::Relaxed);
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        row.micros.fetch_add(micros, Ordering::Relaxed);
    }

    /// What was counted until now.
    #[must_use]
    pub fn counted(&self) -> Vec<Counted> {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let rows = KINDS.iter().zip(&self.0);
        rows.map(|(kind, row)| Counted {
            kind,
            codes: row.codes.each_ref().map(read),
            times: row.times.each_ref().map(read),
            micros: read(&row.micros),
        })
        .collect()
    }
}

fn kind(route: Option<&Route>) -> usize {
    match route {
        Some(Route::Version) => 0,
        Some(Route::Lease(_)) => 1,
        Some(Route::Allocate(_)) => 2,
        Some(Route::Write(_)) => 3,
        Some(Route::Abort(_)) => 4,
        Some(Route::List(..)) => 5,
        Some(Route::Read(_)) => 6,
        Some(Route::Corrupt(_)) => 7,
        Some(Route::ReadTestWrite(_)) => 8,
        None => 9,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_counted_once_by_code_and_by_time() {
        let tally = Tally::default();
        tally.count(Some(&Route::Version), 200, Duration::from_millis(1));
        tally.count(Some(&Route::Version), 406, Duration::from_secs(31));
        tally.count(None, 404, Duration::ZERO);
        let counted = tally.counted();
        let (version, none) = (&counted[0], &counted[9]);
        assert_eq!((version.kind, none.kind), ("version", "none"));
        assert_eq!((version.codes, none.codes), ([0, 1, 0, 1, 0], [0, 0, 0, 1, 0]));
        assert_eq!(
            (version.times[0], version.times[11], version.times.iter().sum::<u64>()),
            (1, 1, 2)
        );
        assert_eq!(version.micros, 31_001_000);
    }
}
