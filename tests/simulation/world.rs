//! What is one for a whole run: chance, time, the trace, the counts, and what each step was up against.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use raic::clock::Clock;
use raic::provider::chance::Chance;
use tokio::time::Instant;

/// Everything that goes wrong, to be counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Fault {
    BrownOut,
    Hang,
    Throttled,
    Down,
    Denied,
    Full,
    ClockRefused,
    LostAnswer,
    LateWrite,
    LateDelete,
    DuplicatedWrite,
    StaleRead,
    StaleList,
    WrongBytes,
    ShortRead,
    ShortWriteTold,
    ForgottenWrite,
    RotAtRest,
    ShortAtRest,
    RolledBack,
    Emptied,
    DeclaredLost,
    Crash,
    UncertainCommit,
    CatalogLost,
    OldCatalog,
    SecondClient,
}

impl Fault {
    pub(crate) const ALL: [Fault; 27] = [
        Fault::BrownOut,
        Fault::Hang,
        Fault::Throttled,
        Fault::Down,
        Fault::Denied,
        Fault::Full,
        Fault::ClockRefused,
        Fault::LostAnswer,
        Fault::LateWrite,
        Fault::LateDelete,
        Fault::DuplicatedWrite,
        Fault::StaleRead,
        Fault::StaleList,
        Fault::WrongBytes,
        Fault::ShortRead,
        Fault::ShortWriteTold,
        Fault::ForgottenWrite,
        Fault::RotAtRest,
        Fault::ShortAtRest,
        Fault::RolledBack,
        Fault::Emptied,
        Fault::DeclaredLost,
        Fault::Crash,
        Fault::UncertainCommit,
        Fault::CatalogLost,
        Fault::OldCatalog,
        Fault::SecondClient,
    ];
}

/// A rule that did not hold.
#[derive(Clone, Debug)]
pub(crate) struct Violation {
    pub(crate) rule: &'static str,
    pub(crate) what: String,
}

/// Ends a step with a violation.
pub(crate) fn broken<T>(rule: &'static str, what: impl Into<String>) -> Result<T, Violation> {
    Err(Violation {
        rule,
        what: what.into(),
    })
}

/// Which providers, by place, did during one step what they should not.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trouble {
    /// Failed a call, or were slow beyond reason: what they hold was perhaps out of reach.
    pub(crate) silent: BTreeSet<usize>,
    /// Answered something untrue.
    pub(crate) lied: BTreeSet<usize>,
}

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) chance: Chance,
    begun: Instant,
    calm: AtomicBool,
    /// The liar does no new damage for now: what its last one cost is still being made good.
    honest: AtomicBool,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    hash: blake3::Hasher,
    told: Option<Vec<String>>,
    counts: BTreeMap<Fault, u64>,
    calls: u64,
    trouble: Trouble,
    /// The content that each key was bound to by its first write.
    bound: BTreeMap<String, [u8; 32]>,
    violation: Option<Violation>,
}

impl World {
    /// A world of this seed; one that tells keeps every line of its trace.
    pub(crate) fn new(seed: u64, tells: bool) -> World {
        World {
            chance: Chance::seeded(seed),
            begun: Instant::now(),
            calm: AtomicBool::new(false),
            honest: AtomicBool::new(false),
            inner: Mutex::new(Inner {
                hash: blake3::Hasher::new(),
                told: tells.then(Vec::new),
                counts: BTreeMap::new(),
                calls: 0,
                trouble: Trouble::default(),
                bound: BTreeMap::new(),
                violation: None,
            }),
        }
    }

    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Milliseconds of virtual time since the beginning.
    pub(crate) fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).expect("a run is short")
    }

    /// True `parts` times in a thousand.
    pub(crate) fn odds(&self, parts: u32) -> bool {
        self.chance.per_million(parts * 1000)
    }

    pub(crate) fn between(&self, low: u64, high: u64) -> u64 {
        low + self.chance.below(high - low)
    }

    /// A line of the trace; all of them together are the run's fingerprint.
    pub(crate) fn tell(&self, line: impl FnOnce() -> String) {
        let (now, line) = (self.now(), line());
        let mut inner = self.inner();
        inner.hash.update(&now.to_le_bytes());
        inner.hash.update(line.as_bytes());
        if let Some(told) = &mut inner.told {
            told.push(format!("{:>9}.{:03} {line}", now / 1000, now % 1000));
        }
    }

    pub(crate) fn fingerprint(&self) -> [u8; 32] {
        *self.inner().hash.finalize().as_bytes()
    }

    pub(crate) fn told(&self) -> Vec<String> {
        self.inner().told.clone().unwrap_or_default()
    }

    pub(crate) fn count(&self, fault: Fault) {
        *self.inner().counts.entry(fault).or_default() += 1;
    }

    pub(crate) fn counts(&self) -> BTreeMap<Fault, u64> {
        self.inner().counts.clone()
    }

    pub(crate) fn call(&self) {
        self.inner().calls += 1;
    }

    pub(crate) fn calls(&self) -> u64 {
        self.inner().calls
    }

    /// A provider failed a call.
    pub(crate) fn silent(&self, at: usize, fault: Fault) {
        self.count(fault);
        self.inner().trouble.silent.insert(at);
    }

    /// What was late came just now: whoever asked before in this step was right not to find it.
    pub(crate) fn landed(&self, at: usize) {
        self.inner().trouble.silent.insert(at);
    }

    /// A provider's answer was untrue.
    pub(crate) fn lied(&self, at: usize, fault: Fault) {
        self.count(fault);
        let mut inner = self.inner();
        inner.trouble.lied.insert(at);
        inner.trouble.silent.insert(at);
    }

    pub(crate) fn begin_step(&self) {
        self.inner().trouble = Trouble::default();
    }

    pub(crate) fn trouble(&self) -> Trouble {
        self.inner().trouble.clone()
    }

    pub(crate) fn set_calm(&self, calm: bool) {
        self.calm.store(calm, Ordering::SeqCst);
    }

    pub(crate) fn is_calm(&self) -> bool {
        self.calm.load(Ordering::SeqCst)
    }

    pub(crate) fn set_honest(&self, honest: bool) {
        self.honest.store(honest, Ordering::SeqCst);
    }

    pub(crate) fn is_honest(&self) -> bool {
        self.honest.load(Ordering::SeqCst) || self.is_calm()
    }

    /// What the store sends under a key: the same for ever.
    pub(crate) fn bind(&self, key: &str, body: &[u8]) {
        // An identity lies under one key on all providers, and is another on each.
        if key.starts_with("identity/") {
            return;
        }
        let content = *blake3::hash(body).as_bytes();
        let mut inner = self.inner();
        let first = *inner.bound.entry(key.to_owned()).or_insert(content);
        if first != content && inner.violation.is_none() {
            inner.violation = Some(Violation {
                rule: "a key is bound to one content",
                what: format!("{key} was written with two contents"),
            });
        }
    }

    /// True if these are the bytes that were first sent under the key.
    pub(crate) fn is_sound(&self, key: &str, body: &[u8]) -> bool {
        self.inner().bound.get(key) == Some(blake3::hash(body).as_bytes())
    }

    pub(crate) fn violation(&self) -> Result<(), Violation> {
        self.inner().violation.clone().map_or(Ok(()), Err)
    }
}

/// The time of day of a world: its virtual time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct VirtualClock(pub(crate) Instant);

impl Clock for VirtualClock {
    fn now(&self) -> i64 {
        let since = i64::try_from(self.0.elapsed().as_nanos()).expect("a run is short");
        1_700_000_000_000_000_000 + since
    }
}

pub(crate) fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}
