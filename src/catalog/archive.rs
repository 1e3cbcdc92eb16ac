//! The port to a catalog's copies: the checkpoint and the journal, for whoever keeps them on the clouds, and the way back.
//!
//! ```text
//! keep_changes ─▶ from here on every change is kept
//! export       ─▶ checkpoint at position p            ─▶ an object of the reserved namespace
//! changes(p)   ─▶ segment p..q, changes(q) ─▶ ...     ─▶ objects likewise; forget_changes once they are safe
//! a new, empty catalog: import ─▶ replay ─▶ replay ─▶ the same catalog at the last position
//! ```
//!
//! A catalog that was restored from an old copy stands at an old position of the same chain: replay goes on from there. One that was used after
//! it parted from the journal stands on another chain, and replay refuses.

use super::checkpoint::{CheckpointError, Record};
use super::journal::{Position, Segment, SegmentError};
use super::ledger::Ledger;
use super::shipment::Shipment;
use super::{Answer, Catalog};
use crate::fragment::id::Generation;

/// Takes the records of a checkpoint one after another; false stops the export.
pub type Sink = Box<dyn FnMut(Record) -> bool + Send>;

/// Gives the records of a checkpoint one after another, as [`super::checkpoint::Reader`] does.
pub type Source = Box<dyn Iterator<Item = Result<Record, CheckpointError>> + Send>;

/// Bytes of changes that are kept at most. Nobody has taken them away for long when they are more: then they are no longer kept.
pub const MOST_KEPT: u64 = 64 << 20;

/// A catalog that can be copied and built anew, with a node's books in it.
pub trait Archive: Catalog + Ledger {
    /// Where it stands.
    fn position(&self) -> Answer<'_, Position>;

    /// From now on changes are kept, those that are kept already too, until more than [`MOST_KEPT`] bytes are. Answers where it stands.
    fn keep_changes(&self) -> Answer<'_, Position>;

    /// The changes after number `after`, oldest first, as many as have `most` bytes, but one if there is one. `None` if they are not kept, or no
    /// longer: then a new checkpoint is needed.
    fn changes(&self, after: u64, most: usize) -> Answer<'_, Option<Segment>>;

    /// Changes up to this number need not be kept any more.
    fn forget_changes(&self, up_to: u64) -> Answer<'_, ()>;

    /// Makes the changes of a segment that were not made here yet, all or none. Answers where it stands then.
    fn replay(&self, segment: Segment) -> Answer<'_, Position>;

    /// Gives all records of one state to `sink`, on a thread that may block where the implementation has one. Answers that state's position.
    fn export(&self, sink: Sink) -> Answer<'_, Position>;

    /// Fills an empty catalog with the records of a checkpoint, all or none. Answers where it stands then.
    fn import(&self, source: Source) -> Answer<'_, Position>;

    /// The same in place of all that is here, but for what is of this machine: probes, pins and shipments.
    fn supersede(&self, source: Source) -> Answer<'_, Position>;

    /// True if [`Archive::export`] runs on a thread of its own, so that its sink may wait for whoever takes the records.
    fn exports_aside(&self) -> bool;

    /// Keeps what is known of a copy on the clouds, in place of what was known of it.
    fn note_shipment(&self, shipment: Shipment) -> Answer<'_, ()>;

    /// All that are known, the oldest first.
    fn shipments(&self) -> Answer<'_, Vec<Shipment>>;

    /// Nothing is left of this copy.
    fn forget_shipment(&self, generation: Generation) -> Answer<'_, ()>;
}

/// Why a checkpoint or a segment is not taken over. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArchiveError {
    /// It can't be read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// It can't be read.
    #[error(transparent)]
    Segment(#[from] SegmentError),
    /// The catalog that should be filled is not empty.
    #[error("a checkpoint is taken over by an empty catalog only, and this one has had {changes} changes")]
    NotEmpty {
        /// Changes that were made in it.
        changes: u64,
    },
    /// It is of another cloud set.
    #[error("the checkpoint is of another cloud set")]
    OtherSet,
    /// Its records contradict each other.
    #[error("record {number} of the checkpoint contradicts those before: {why}")]
    Contradiction {
        /// Which, from 1.
        number: u64,
        /// How.
        why: String,
    },
    /// Whoever took the records broke off.
    #[error("the checkpoint was broken off")]
    BrokenOff,
    /// Segments are missing in between.
    #[error("the catalog stands at change {here}, the journal segment begins after {from}")]
    Gap {
        /// Where the catalog stands.
        here: u64,
        /// Where the segment begins.
        from: u64,
    },
    /// The catalog was used apart from this journal: two machines, or an old copy.
    #[error(
        "at change {number} the catalog and the journal are not the same: one of them was used apart from the other"
    )]
    Fork {
        /// Up to here, at least, both were told of.
        number: u64,
    },
    /// A change that was made once can't be made again.
    #[error("change {number} of the journal can't be made again: {why}")]
    Change {
        /// Which.
        number: u64,
        /// What stands against it.
        why: String,
    },
}
