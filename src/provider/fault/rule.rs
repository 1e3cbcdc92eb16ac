//! Which calls a fault strikes.

use super::Fault;
use crate::provider::Operation;
use crate::provider::chance::Chance;

/// Which of the calls that a rule is about it strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    Always,
    Nth(u64),
    From(u64),
    PerMillion(u32),
}

/// A fault, the calls that it is about, and which of these it strikes. Calls are counted from 1 from the moment the rule is added.
#[derive(Clone, Debug)]
pub struct Rule {
    pub(super) fault: Fault,
    when: When,
    operation: Option<Operation>,
    key: String,
    seen: u64,
}

impl Rule {
    /// Strikes every call.
    pub fn always(fault: Fault) -> Rule {
        Rule {
            fault,
            when: When::Always,
            operation: None,
            key: String::new(),
            seen: 0,
        }
    }

    /// Strikes only the `n`-th call.
    pub fn nth(fault: Fault, n: u64) -> Rule {
        Rule {
            when: When::Nth(n),
            ..Rule::always(fault)
        }
    }

    /// Strikes the `n`-th call and all after it.
    pub fn from(fault: Fault, n: u64) -> Rule {
        Rule {
            when: When::From(n),
            ..Rule::always(fault)
        }
    }

    /// Strikes this many of a million calls, drawn from the seed.
    pub fn per_million(fault: Fault, parts: u32) -> Rule {
        Rule {
            when: When::PerMillion(parts),
            ..Rule::always(fault)
        }
    }

    /// Is about this operation only.
    #[must_use]
    pub fn on(mut self, operation: Operation) -> Rule {
        self.operation = Some(operation);
        self
    }

    /// Is about keys, or prefixes of a listing, that contain this text only.
    #[must_use]
    pub fn key(mut self, part: impl Into<String>) -> Rule {
        self.key = part.into();
        self
    }

    pub(super) fn strikes(&mut self, operation: Operation, key: &str, chance: &Chance) -> bool {
        let about = self.fault.touches(operation)
            && self.operation.is_none_or(|only| only == operation)
            && key.contains(&self.key);
        if !about {
            return false;
        }
        self.seen += 1;
        match self.when {
            When::Always => true,
            When::Nth(n) => self.seen == n,
            When::From(n) => self.seen >= n,
            When::PerMillion(parts) => chance.per_million(parts),
        }
    }
}
