//! How a run ends, for scripts: one table, from causes to numbers.
//!
//! ```text
//! 0 done    2 usage, configuration      4 done, under the promise   6 not found     9 outcome unknown    130 Ctrl-C
//! 1 failed  3 some of several failed    5 lost                      7 out of reach  12 key               143 SIGTERM
//! ```

use crate::catalog::CatalogError;
use crate::store::StoreError;
use crate::store::error::Kind;

/// The exit codes that RAIC uses. A number never changes its meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Done, and at full redundancy.
    Done = 0,
    /// Failed.
    Failed = 1,
    /// Usage or configuration: nothing was touched.
    Usage = 2,
    /// Some of several items failed.
    Partly = 3,
    /// Done, but under the promised redundancy.
    Under = 4,
    /// Fewer than k good fragments exist.
    Lost = 5,
    /// No such object.
    NotFound = 6,
    /// Providers out of reach: below the write or read quorum.
    Unreachable = 7,
    /// A limit that was given would be passed.
    Limit = 8,
    /// The old or the new version, never a mix.
    Unknown = 9,
    /// The wrong key, or none.
    Key = 12,
    /// Ctrl-C.
    Interrupted = 130,
    /// Whoever read the output went away.
    Pipe = 141,
    /// SIGTERM.
    Terminated = 143,
}

impl Exit {
    /// The number that the shell sees.
    pub(crate) fn number(self) -> u8 {
        self as u8
    }

    /// What the run ends with after several items: their own code if they agree.
    pub(crate) fn of_items(ends: &[Exit]) -> Exit {
        let worked = |exit: Exit| matches!(exit, Exit::Done | Exit::Under);
        let worst = ends.iter().copied().max().unwrap_or(Exit::Done);
        if ends.iter().all(|end| worked(*end)) {
            return worst;
        }
        match ends.first() {
            Some(first) if ends.iter().all(|end| end == first) => *first,
            _ if ends.iter().any(|end| worked(*end)) => Exit::Partly,
            _ => Exit::Failed,
        }
    }
}

impl From<&StoreError> for Exit {
    fn from(error: &StoreError) -> Exit {
        match error {
            StoreError::Catalog(error) => return error.into(),
            StoreError::Foreign { .. } => return Exit::Key,
            _ => {}
        }
        match error.kind() {
            Kind::Input => Exit::Usage,
            Kind::NotFound => Exit::NotFound,
            Kind::Unreachable => Exit::Unreachable,
            Kind::Lost => Exit::Lost,
            Kind::Unknown => Exit::Unknown,
            Kind::Fenced | Kind::Own => Exit::Failed,
        }
    }
}

impl From<&CatalogError> for Exit {
    fn from(error: &CatalogError) -> Exit {
        match error {
            CatalogError::OtherSet { .. } => Exit::Key,
            _ => Exit::Failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_items_end_with_one_code() {
        use Exit::{Done, Failed, NotFound, Partly, Under, Unreachable};
        for (ends, end) in [
            (vec![], Done),
            (vec![Done, Done], Done),
            (vec![Done, Under], Under),
            (vec![NotFound], NotFound),
            (vec![NotFound, NotFound], NotFound),
            (vec![NotFound, Unreachable], Failed),
            (vec![NotFound, Done], Partly),
            (vec![Under, Unreachable], Partly),
        ] {
            assert_eq!(Exit::of_items(&ends), end, "{ends:?}");
        }
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "a table, a line or two a row")]
    fn each_kind_of_failure_has_its_number() {
        let name = || "a".to_owned();
        let cases: Vec<(StoreError, u8)> = vec![
            (StoreError::Name { name: name(), why: "" }, 2),
            (
                StoreError::Range {
                    name: name(),
                    from: 1,
                    to: 2,
                    len: 1,
                },
                2,
            ),
            (StoreError::NotFound { name: name() }, 6),
            (
                StoreError::Refused {
                    name: name(),
                    found: String::new(),
                },
                1,
            ),
            (
                StoreError::NotStored {
                    name: name(),
                    confirmed: 1,
                    n: 6,
                    quorum: 5,
                    causes: vec![],
                },
                7,
            ),
            (
                StoreError::OutcomeUnknown {
                    name: name(),
                    confirmed: 1,
                    n: 6,
                    causes: vec![],
                    why: None,
                },
                9,
            ),
            (
                StoreError::Unreachable {
                    name: name(),
                    ordinal: 0,
                    k: 4,
                    good: 1,
                    unanswered: 5,
                    causes: vec![],
                },
                7,
            ),
            (
                StoreError::Lost {
                    name: name(),
                    ordinal: 0,
                    k: 4,
                    good: 1,
                },
                5,
            ),
            (
                StoreError::Stale {
                    known: 1,
                    found: 2,
                    provider: name(),
                },
                1,
            ),
            (
                StoreError::NoMajority {
                    answered: 1,
                    members: 6,
                    causes: vec![],
                },
                7,
            ),
            (
                StoreError::Foreign {
                    provider: name(),
                    found: name(),
                    wanted: name(),
                },
                12,
            ),
            (StoreError::Miscoded { name: name() }, 1),
            (
                CatalogError::Io {
                    path: name(),
                    message: name(),
                }
                .into(),
                1,
            ),
            (
                CatalogError::OtherSet {
                    path: name(),
                    found: name(),
                    wanted: name(),
                }
                .into(),
                12,
            ),
        ];
        for (error, number) in cases {
            assert_eq!(Exit::from(&error).number(), number, "{error}");
        }
    }
}
