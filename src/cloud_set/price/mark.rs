//! The figures of an entry one beside the other, as a person reads them.

use std::fmt::Display;

use super::day::Day;
use super::figure::{Figure, Trust};
use super::tariff::Tariff;

/// A figure in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Its key in the file.
    pub key: &'static str,
    /// What is told, as the file would have it; `None` is not known.
    pub value: Option<String>,
    /// Where it was read.
    pub source: String,
    /// How far it can be believed.
    pub trust: Trust,
    /// The day that it was so.
    pub date: Option<Day>,
    /// What other sources say, each with its source.
    pub others: Vec<(String, String)>,
    /// What a reader should know.
    pub note: Option<String>,
}

fn mark<T: Display>(key: &'static str, figure: &Figure<T>) -> Mark {
    let other = |other: &super::Other<T>| (other.value.to_string(), other.source.clone());
    Mark {
        key,
        value: figure.value.as_ref().map(T::to_string),
        source: figure.source.clone(),
        trust: figure.trust,
        date: figure.date,
        others: figure.others.iter().map(other).collect(),
        note: figure.note.clone(),
    }
}

impl Tariff {
    /// The figures that a cost rests on, in the order that they are shown.
    #[must_use]
    pub fn priced(&self) -> [Mark; 9] {
        [
            mark("storage", &self.storage),
            mark("egress", &self.egress),
            mark("egress_free", &self.egress_free),
            mark("put", &self.put),
            mark("get", &self.get),
            mark("retrieval", &self.retrieval),
            mark("min_days", &self.min_days),
            mark("min_object", &self.min_object),
            mark("monthly", &self.monthly),
        ]
    }

    /// All figures.
    #[must_use]
    pub fn marks(&self) -> Vec<Mark> {
        let mut marks = self.priced().to_vec();
        marks.extend(self.free.as_ref().map(|free| mark("free", free)));
        marks.push(mark("durability", &self.durability));
        marks.push(mark("sla", &self.sla));
        let limits = self.requests_per_second.as_ref();
        marks.extend(limits.map(|limits| mark("requests_per_second", limits)));
        let writes = self.conditional_write.as_ref();
        marks.extend(writes.map(|writes| mark("conditional_write", writes)));
        marks.push(mark("jurisdiction", &self.jurisdiction));
        marks
    }

    /// Days since the oldest figure that a cost rests on, at `today` in days since 1970; those without a day don't count.
    #[must_use]
    pub fn age(&self, today: i64) -> Option<i64> {
        let days = self.priced().into_iter().filter_map(|mark| mark.date);
        days.map(|day| day.age(today)).max()
    }

    /// True if a figure that a cost rests on has a day that is yet to come, so that its age says nothing.
    #[must_use]
    pub fn is_dated_ahead(&self, today: i64) -> bool {
        let mut days = self.priced().into_iter().filter_map(|mark| mark.date);
        days.any(|day| day.is_after(today))
    }
}
