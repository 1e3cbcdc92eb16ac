//! How a provider is doing: how long it takes, and whether it is worth asking at all. A machine without I/O and without a clock.
//!
//! ```text
//! ended call ─▶ quantiles    one window for each operation and size class          window.rs
//!            └▶ breakers     one for all calls, one each for puts, reads, deletes   breaker.rs
//! Watched    ─▶ feeds it from the calls that pass through it                        watch.rs
//! ```
//!
//! A missing blob is an answer, a full provider still reads, and one that refuses a put may still serve a get: so outage, throttling, a skewed
//! clock and a wrong setting count against all calls, lost rights and a used-up quota against their own side only. What follows from a state
//! (whom to ask first, whom to leave alone) is for the work above to decide: nothing is refused here.
//!
//! Times are passed in as the time since any fixed moment, and never run backwards.

mod breaker;
mod watch;
mod window;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::{Class, Operation};
use breaker::Breaker;
use window::Window;

pub use watch::{Report, Watched};

/// The upper ends of the size classes in bytes, a factor of four each: within one, time is mostly the service's and not the line's.
const SIZES: [u64; 7] = [4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20, 4 << 20, 16 << 20];

/// Why a provider is not worth asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// No answers, or errors of its own: it comes back by itself.
    Outage,
    /// It sheds load: fewer calls help.
    Throttled,
    /// The credentials are not, or no longer, good for this: a person has to act.
    Rights,
    /// The account or disk is full, for puts: delete something, or pay.
    Quota,
    /// This machine's clock and its own are too far apart: set the clock.
    Clock,
    /// A missing bucket, host or folder, or a wrong option: mend the configuration.
    Setup,
}

impl Reason {
    /// What a failure of this class stands for; `None` if it is an answer.
    fn of(class: Class) -> Option<Reason> {
        Some(match class {
            Class::Gone | Class::Unsupported => return None,
            Class::Denied => Reason::Rights,
            Class::Throttled => Reason::Throttled,
            Class::Full => Reason::Quota,
            Class::Clock => Reason::Clock,
            Class::Config => Reason::Setup,
            Class::Transient | Class::Timeout | Class::Corrupt | Class::Broken => Reason::Outage,
        })
    }

    /// True if it says nothing of other kinds of calls.
    fn is_of_one_side(self) -> bool {
        matches!(self, Reason::Rights | Reason::Quota)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Reason::Outage => "no answer",
            Reason::Throttled => "throttled",
            Reason::Rights => "no rights",
            Reason::Quota => "full",
            Reason::Clock => "clock",
            Reason::Setup => "wrong setting",
        })
    }
}

/// Calls that need the same right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// Get, stat and list.
    Reads,
    /// Put.
    Puts,
    /// Delete.
    Deletes,
}

impl Side {
    const ALL: [Side; 3] = [Side::Reads, Side::Puts, Side::Deletes];

    /// The side of an operation.
    #[must_use]
    pub fn of(operation: Operation) -> Side {
        match operation {
            Operation::Get | Operation::Stat | Operation::List => Side::Reads,
            Operation::Put => Side::Puts,
            Operation::Delete => Side::Deletes,
        }
    }
}

/// A breaker that is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// Why.
    pub reason: Reason,
    /// Since when.
    pub since: Duration,
    /// When the next probe may be made.
    pub again: Duration,
}

/// A provider's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Not asked yet.
    Unknown,
    /// The last call was answered.
    Up,
    /// The last calls failed, too few to tell bad luck from trouble.
    Failing(Reason),
    /// One side of it is of no use, the others may be.
    Partly(Side, Trouble),
    /// It is of no use.
    Down(Trouble),
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// As it was meant to.
    Well,
    /// With an error of this class.
    Failed(Class),
    /// The caller went away before it ended: it would have taken longer.
    GivenUp,
}

/// What is known of one provider. At most 40 windows of 128 times: 150 KiB.
#[derive(Debug, Default)]
pub struct Health {
    windows: BTreeMap<(Operation, u8), Window>,
    whole: Breaker,
    sides: [Breaker; 3],
    asked: bool,
}

impl Health {
    /// A call over `len` bytes of body ended at `now` after `took`. True if calls of its kind had failed, and are answered again.
    pub fn note(&mut self, now: Duration, operation: Operation, len: u64, took: Duration, ended: Ended) -> bool {
        // What failed early tells nothing of time; what took too long took at least that.
        let counts = matches!(ended, Ended::Well | Ended::GivenUp | Ended::Failed(Class::Timeout));
        if counts {
            let window = self.windows.entry((operation, size_class(len))).or_default();
            window.add(now, took);
        }
        match ended {
            Ended::GivenUp => false,
            Ended::Well => self.answered(now, operation),
            Ended::Failed(class) => match Reason::of(class) {
                None => self.answered(now, operation),
                Some(reason) => {
                    self.failed(now, operation, reason);
                    false
                }
            },
        }
    }

    fn answered(&mut self, now: Duration, operation: Operation) -> bool {
        self.asked = true;
        let own = Side::of(operation) as usize;
        let (trouble, of_its_side) = (self.whole.failing(), self.sides[own].failing());
        self.whole.succeed();
        self.sides[own].succeed();
        if let Some(reason) = trouble {
            // What kept all calls from being answered is over: the other sides are worth a try.
            self.sides.iter_mut().for_each(|side| side.hurry(now, reason));
        }
        if operation == Operation::Delete {
            self.sides[Side::Puts as usize].hurry(now, Reason::Quota);
        }
        trouble.is_some() || of_its_side.is_some()
    }

    fn failed(&mut self, now: Duration, operation: Operation, reason: Reason) {
        self.asked = true;
        if reason.is_of_one_side() {
            self.whole.succeed();
        } else {
            self.whole.fail(now, reason);
        }
        self.sides[Side::of(operation) as usize].fail(now, reason);
    }

    /// The time within which `share` (0.0 to 1.0) of the last calls like this one ended; of larger ones, if too few were of its size.
    /// `None` if nothing is known: too few calls in the last ten minutes.
    pub fn expect(&mut self, now: Duration, operation: Operation, len: u64, share: f64) -> Option<Duration> {
        let like = (operation, size_class(len))..=(operation, u8::MAX);
        let mut windows = self.windows.range_mut(like);
        windows.find_map(|(_, window)| window.quantile(now, share))
    }

    /// True if this call is worth making now. Of a provider in trouble one caller at a time is told so, as a probe, when a wait is over; a probe
    /// that was never made or never ends is forgotten after 30 s.
    pub fn allow(&mut self, now: Duration, operation: Operation) -> bool {
        let side = &mut self.sides[Side::of(operation) as usize];
        if !self.whole.may(now) || !side.may(now) {
            return false;
        }
        self.whole.enter(now);
        side.enter(now);
        true
    }

    /// The state, the worst first.
    #[must_use]
    pub fn state(&self) -> State {
        if let Some(trouble) = self.whole.trouble() {
            return State::Down(trouble);
        }
        for side in Side::ALL {
            if let Some(trouble) = self.sides[side as usize].trouble() {
                return State::Partly(side, trouble);
            }
        }
        let failing = [&self.whole].into_iter().chain(&self.sides).find_map(Breaker::failing);
        match failing {
            Some(reason) => State::Failing(reason),
            None if self.asked => State::Up,
            None => State::Unknown,
        }
    }
}

fn size_class(len: u64) -> u8 {
    let class = SIZES.partition_point(|end| *end < len);
    u8::try_from(class).expect("there are seven ends")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn fail(health: &mut Health, now: Duration, operation: Operation, class: Class, times: u32) {
        for _ in 0..times {
            health.note(now, operation, 0, SECOND, Ended::Failed(class));
        }
    }

    #[test]
    fn each_kind_of_trouble_is_told_apart() {
        for (class, times, reason) in [
            (Class::Transient, 3, Reason::Outage),
            (Class::Timeout, 3, Reason::Outage),
            (Class::Throttled, 3, Reason::Throttled),
            (Class::Clock, 2, Reason::Clock),
            (Class::Config, 2, Reason::Setup),
        ] {
            let mut health = Health::default();
            assert_eq!(health.state(), State::Unknown);
            fail(&mut health, SECOND, Operation::Get, class, times - 1);
            assert_eq!(health.state(), State::Failing(reason));
            assert!(health.allow(SECOND, Operation::Get));
            fail(&mut health, SECOND, Operation::Get, class, 1);
            let State::Down(trouble) = health.state() else {
                panic!("{class:?}: {:?}", health.state())
            };
            assert_eq!((trouble.reason, trouble.since), (reason, SECOND));
            for operation in [Operation::Get, Operation::Put, Operation::Delete] {
                assert!(!health.allow(SECOND, operation), "{class:?} {operation}");
            }
        }
    }

    #[test]
    fn a_full_provider_reads_and_a_delete_makes_a_put_worth_a_try() {
        let mut health = Health::default();
        fail(&mut health, SECOND, Operation::Put, Class::Full, 1);
        let State::Partly(Side::Puts, trouble) = health.state() else {
            panic!("{:?}", health.state())
        };
        assert_eq!(trouble.reason, Reason::Quota);
        assert!(health.allow(SECOND, Operation::Get) && health.allow(SECOND, Operation::Delete));
        assert!(!health.allow(SECOND, Operation::Put));
        health.note(2 * SECOND, Operation::Delete, 0, SECOND, Ended::Well);
        assert!(health.allow(2 * SECOND, Operation::Put));
    }

    #[test]
    fn lost_rights_of_one_side_leave_the_others() {
        let mut health = Health::default();
        fail(&mut health, SECOND, Operation::Delete, Class::Denied, 2);
        health.note(SECOND, Operation::Put, 9, SECOND, Ended::Well);
        assert!(matches!(health.state(), State::Partly(Side::Deletes, trouble) if trouble.reason == Reason::Rights));
        assert!(health.allow(SECOND, Operation::Put) && !health.allow(SECOND, Operation::Delete));
    }

    #[test]
    fn puts_that_fail_beside_reads_that_dont_are_trouble_of_puts() {
        let mut health = Health::default();
        for _ in 0..3 {
            fail(&mut health, SECOND, Operation::Put, Class::Timeout, 1);
            health.note(SECOND, Operation::Stat, 0, SECOND, Ended::Well);
        }
        assert!(matches!(health.state(), State::Partly(Side::Puts, trouble) if trouble.reason == Reason::Outage));
    }

    #[test]
    fn whoever_answers_again_is_told_once_and_is_worth_a_put() {
        let mut health = Health::default();
        let mut note = |now, operation, ended| health.note(now, operation, 0, SECOND, ended);
        assert!(!note(SECOND, Operation::Stat, Ended::Well), "it had not failed");
        for _ in 0..5 {
            assert!(!note(SECOND, Operation::Put, Ended::Failed(Class::Timeout)));
        }
        assert!(note(SECOND, Operation::Stat, Ended::Failed(Class::Gone)));
        assert!(!note(SECOND, Operation::Stat, Ended::Well));
        assert!(health.allow(SECOND, Operation::Put));
        assert!(health.note(SECOND, Operation::Put, 0, SECOND, Ended::Well));
    }

    #[test]
    fn a_missing_blob_is_an_answer() {
        let mut health = Health::default();
        fail(&mut health, SECOND, Operation::Get, Class::Gone, 9);
        assert_eq!(health.state(), State::Up);
    }

    #[test]
    fn an_outage_is_probed_by_one_call_at_a_time_and_ends_with_an_answer() {
        let mut health = Health::default();
        fail(&mut health, SECOND, Operation::Get, Class::Transient, 3);
        assert!(!health.allow(SECOND + SECOND / 2, Operation::Get));
        assert!(health.allow(2 * SECOND, Operation::Get), "the wait is over");
        assert!(!health.allow(2 * SECOND, Operation::Put), "a probe is out");
        fail(&mut health, 3 * SECOND, Operation::Get, Class::Transient, 1);
        assert!(!health.allow(4 * SECOND, Operation::Get), "the wait has doubled");
        assert!(health.allow(5 * SECOND, Operation::Get));
        health.note(6 * SECOND, Operation::Get, 0, SECOND, Ended::Well);
        assert_eq!(health.state(), State::Up);
    }

    #[test]
    fn what_is_expected_comes_from_calls_of_this_size_or_larger_ones_never_smaller() {
        let mut health = Health::default();
        for _ in 0..20 {
            health.note(SECOND, Operation::Get, 1 << 20, 3 * SECOND, Ended::Well);
            health.note(SECOND, Operation::Get, 100, SECOND, Ended::Well);
        }
        let mut expect = |len| health.expect(SECOND, Operation::Get, len, 0.5);
        assert_eq!(expect(1 << 20), Some(3 * SECOND));
        assert_eq!(expect(100_000), Some(3 * SECOND));
        assert_eq!(expect(4_096), Some(SECOND));
        assert_eq!(expect(1 << 21), None);
        assert_eq!(health.expect(SECOND, Operation::Put, 100, 0.5), None);
    }

    #[test]
    fn a_read_that_was_given_up_took_at_least_that_long() {
        let mut health = Health::default();
        for _ in 0..20 {
            health.note(SECOND, Operation::Get, 9, 2 * SECOND, Ended::GivenUp);
            health.note(SECOND, Operation::Get, 9, SECOND / 9, Ended::Failed(Class::Transient));
        }
        assert_eq!(health.expect(SECOND, Operation::Get, 9, 0.01), Some(2 * SECOND));
    }

    const CLASSES: [Class; 11] = [
        Class::Gone,
        Class::Denied,
        Class::Throttled,
        Class::Full,
        Class::Transient,
        Class::Timeout,
        Class::Clock,
        Class::Config,
        Class::Corrupt,
        Class::Unsupported,
        Class::Broken,
    ];
    const OPERATIONS: [Operation; 5] = [
        Operation::Put,
        Operation::Get,
        Operation::Stat,
        Operation::List,
        Operation::Delete,
    ];

    proptest! {
        /// Whatever happened: an answer on every side makes it up, and however long it was in trouble, a quarter of an hour later one caller
        /// and only one may try.
        #[test]
        fn whatever_happened_there_is_a_way_back(
            calls in prop::collection::vec((0..60_u64, 0..5_usize, 0..13_usize, any::<bool>()), 0..80),
            back in any::<bool>(),
        ) {
            let (mut health, mut now) = (Health::default(), Duration::ZERO);
            for (later, operation, ended, asks) in calls {
                now += Duration::from_secs(later);
                let operation = OPERATIONS[operation];
                if asks {
                    let free = health.allow(now, operation);
                    let in_trouble = matches!(health.state(), State::Down(_));
                    prop_assert!(!(in_trouble && free && health.allow(now, operation)), "two probes at once");
                }
                let ended = match ended {
                    11 => Ended::Well,
                    12 => Ended::GivenUp,
                    class => Ended::Failed(CLASSES[class]),
                };
                health.note(now, operation, 0, SECOND, ended);
            }
            if back {
                for operation in OPERATIONS {
                    health.note(now, operation, 0, SECOND, Ended::Well);
                }
                prop_assert_eq!(health.state(), State::Up);
            }
            now += Duration::from_mins(15);
            for operation in [Operation::Get, Operation::Put, Operation::Delete] {
                prop_assert!(health.allow(now, operation), "{operation}: {:?}", health.state());
                health.note(now, operation, 0, SECOND, Ended::Well);
            }
        }
    }
}
