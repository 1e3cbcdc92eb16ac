//! A figure of the price catalog: what is told, when, by whom, and how far it can be believed.

use std::fmt;

use super::day::Day;

/// One fact about a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Figure<T> {
    /// What is told; `None` is not known, which is never nothing or free.
    pub value: Option<T>,
    /// The day that it was so; `None` if the source tells none.
    pub date: Option<Day>,
    /// Where it was read: a key of [`super::Prices::sources`], or `own` for the owner's file.
    pub source: String,
    /// How far it can be believed.
    pub trust: Trust,
    /// The day from which it counts, where that is told.
    pub since: Option<Day>,
    /// False where a price is for a GB and the source doesn't tell whether 10^9 or 2^30 bytes: 10^9 is taken, the dearer reading.
    pub unit_stated: bool,
    /// Use is billed in whole units of the price, rounded up.
    pub whole_units: bool,
    /// What other sources say.
    pub others: Vec<Other<T>>,
    /// What a reader should know.
    pub note: Option<String>,
}

/// A value that another source tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Other<T> {
    /// What it tells.
    pub value: T,
    /// When.
    pub date: Option<Day>,
    /// Which source.
    pub source: String,
}

/// A place where figures were read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// What it is, so that a person finds it.
    pub what: String,
    /// The day of the page.
    pub date: Option<Day>,
}

/// How far a figure can be believed, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Trust {
    /// The owner wrote it.
    Own,
    /// The provider's own page.
    Primary,
    /// Told by others.
    Secondary,
    /// Remembered; no page was read.
    Memory,
    /// Sources tell different things.
    Conflict,
}

impl Trust {
    /// The word for it in the files.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Trust::Own => "own",
            Trust::Primary => "primary",
            Trust::Secondary => "secondary",
            Trust::Memory => "memory",
            Trust::Conflict => "conflict",
        }
    }

    /// True if a person should look again before money depends on it.
    #[must_use]
    pub fn in_doubt(self) -> bool {
        matches!(self, Trust::Memory | Trust::Conflict)
    }
}

impl fmt::Display for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl<T> Figure<T> {
    /// What an owner tells without a word on where it is from.
    #[must_use]
    pub fn own(value: Option<T>) -> Figure<T> {
        Figure {
            value,
            date: None,
            source: "own".to_owned(),
            trust: Trust::Own,
            since: None,
            unit_stated: true,
            whole_units: false,
            others: Vec::new(),
            note: None,
        }
    }

    /// The same figure, its values as something else.
    #[must_use]
    pub(super) fn map<U>(self, mut turn: impl FnMut(T) -> U) -> Figure<U> {
        Figure {
            value: self.value.map(&mut turn),
            date: self.date,
            source: self.source,
            trust: self.trust,
            since: self.since,
            unit_stated: self.unit_stated,
            whole_units: self.whole_units,
            others: self
                .others
                .into_iter()
                .map(|other| Other {
                    value: turn(other.value),
                    date: other.date,
                    source: other.source,
                })
                .collect(),
            note: self.note,
        }
    }
}
