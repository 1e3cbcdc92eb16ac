//! What keeps objects whole: moves of fragments, each checked, committed, and only then followed by the deletion of the old.

pub mod balance;
pub mod recover;
pub mod repair;
