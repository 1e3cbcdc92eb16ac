//! The one door to the wall clock. Deadlines use tokio's monotonic time; nothing is ever ordered by what is read here.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

/// Tells the time of day: for what a person reads, and for graces that outlast a process.
pub trait Clock: fmt::Debug + Send + Sync {
    /// Nanoseconds since 1970-01-01 UTC, negative before it.
    fn now(&self) -> i64;

    /// Whole seconds since 1970-01-01 UTC.
    fn seconds(&self) -> i64 {
        self.now().div_euclid(1_000_000_000)
    }
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> i64 {
        let signed = |nanos: u128| i64::try_from(nanos).unwrap_or(i64::MAX);
        #[expect(clippy::disallowed_methods, reason = "this is the door")]
        let now = SystemTime::now();
        match now.duration_since(UNIX_EPOCH) {
            Ok(since) => signed(since.as_nanos()),
            Err(before) => -signed(before.duration().as_nanos()),
        }
    }
}

/// A clock that stands where it was set: for tests and simulations.
#[derive(Debug)]
pub struct FixedClock(std::sync::atomic::AtomicI64);

impl FixedClock {
    /// A clock that shows `nanos` since 1970.
    #[must_use]
    pub fn at(nanos: i64) -> FixedClock {
        FixedClock(nanos.into())
    }

    /// Moves the clock by `nanos`.
    pub fn advance(&self, nanos: i64) {
        self.0.fetch_add(nanos, std::sync::atomic::Ordering::SeqCst);
    }
}

impl Clock for FixedClock {
    fn now(&self) -> i64 {
        self.0.load(std::sync::atomic::Ordering::SeqCst)
    }
}
