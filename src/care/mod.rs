//! What keeps objects whole: moves of fragments, each checked, committed, and only then followed by the deletion of the old.

pub mod balance;
pub mod collect;
pub mod debt;
pub mod outlay;
pub mod rate;
pub mod recode;
pub mod recover;
pub mod removals;
pub mod repair;
pub mod schedule;
pub mod scrub;
pub mod ship;
pub mod survey;
