//! When to stop asking, and when to try again.
//!
//! ```text
//! shut ──failures in a row, as many as the reason needs──▶ open ──the wait is over, somebody asks──▶ probing
//!   ▲                                                        ▲                                        │  │
//!   └───────────────── an answer, whenever it comes ─────────│────────────────────────────────────────┘  │
//!                                                            └─────── a failure: the wait doubles ───────┘
//! ```
//!
//! What was under way when it opened and fails later changes nothing; what is answered later shuts it.

use std::time::Duration;

use super::{Reason, Trouble};

/// How long a probe may be out before another may go.
const PROBE: Duration = Duration::from_secs(30);

/// What a reason takes: failures in a row until it is believed, the first wait, the longest.
struct Law {
    failures: u32,
    first: Duration,
    longest: Duration,
}

impl Law {
    /// One failure may be the network and two bad luck; but a refusal is an answer, and a full disk doesn't empty itself.
    fn of(reason: Reason) -> Law {
        let (failures, first, longest) = match reason {
            Reason::Outage => (3, 1, 60),
            Reason::Throttled => (3, 1, 30),
            Reason::Rights | Reason::Clock | Reason::Setup => (2, 30, 600),
            Reason::Quota => (1, 60, 900),
        };
        Law {
            failures,
            first: Duration::from_secs(first),
            longest: Duration::from_secs(longest),
        }
    }
}

/// One breaker.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    /// Failures since the last answer, and why the last one.
    failures: u32,
    reason: Option<Reason>,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    since: Duration,
    again: Duration,
    wait: Duration,
    /// Until when a probe is waited for.
    probe: Option<Duration>,
}

impl Breaker {
    /// An answer came.
    pub(super) fn succeed(&mut self) {
        *self = Breaker::default();
    }

    /// A call failed.
    pub(super) fn fail(&mut self, now: Duration, reason: Reason) {
        let law = Law::of(reason);
        self.failures = self.failures.saturating_add(1);
        self.reason = Some(reason);
        match &mut self.open {
            None if self.failures >= law.failures => {
                self.open = Some(Open {
                    since: now,
                    again: now + law.first,
                    wait: law.first,
                    probe: None,
                });
            }
            Some(open) if open.probe.is_some() || now >= open.again => {
                open.wait = (2 * open.wait).clamp(law.first, law.longest);
                open.again = now + open.wait;
                open.probe = None;
            }
            _ => {}
        }
    }

    /// Something else says that this trouble may be over: the next may try at once.
    pub(super) fn hurry(&mut self, now: Duration, reason: Reason) {
        if let Some(open) = self.open.as_mut().filter(|_| self.reason == Some(reason)) {
            open.again = open.again.min(now);
        }
    }

    /// True if a call may be made now.
    pub(super) fn may(&self, now: Duration) -> bool {
        self.open.as_ref().is_none_or(|open| match open.probe {
            Some(until) => now >= until,
            None => now >= open.again,
        })
    }

    /// A call that [may](Breaker::may) be made is going to be: a probe, if this is open.
    pub(super) fn enter(&mut self, now: Duration) {
        if let Some(open) = &mut self.open {
            open.probe = Some(now + PROBE);
        }
    }

    /// What it is open for.
    pub(super) fn trouble(&self) -> Option<Trouble> {
        let (open, reason) = (self.open.as_ref()?, self.reason?);
        Some(Trouble {
            reason,
            since: open.since,
            again: open.again,
        })
    }

    /// Why the last call failed.
    pub(super) fn failing(&self) -> Option<Reason> {
        self.reason
    }
}
