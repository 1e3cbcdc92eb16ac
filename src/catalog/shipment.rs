//! What this machine knows of the catalog's copies on the clouds: one row for each checkpoint and each segment of the journal.
//!
//! ```text
//! (none) ──note──▶ Leaving ──at its quorum──▶ Safe ──newer ones are safe──▶ Going ──its blobs are gone──▶ (none)
//! ```
//!
//! The row is there before the first byte leaves, so a crash leaves no blob that nobody knows. It is of this machine: no change of the journal tells
//! of it, or shipping would never end; a rebuild enters what it lists.

use super::journal::Position;
use super::record::{Extent, Fragment};
use super::wire::{fields, numbered};
use crate::fragment::id::Generation;

/// A checkpoint or a segment of the journal on the clouds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shipment {
    /// Its generation: the epoch of whoever ships, and a sequence from [`FIRST_SEQUENCE`] on.
    pub generation: Generation,
    /// Which of the two.
    pub cargo: Cargo,
    /// Where the catalog stands that was given this.
    pub to: Position,
    /// The membership version under which its seats were chosen.
    pub membership: u64,
    /// When it was begun, nanoseconds since 1970.
    pub at: i64,
    /// Its bytes.
    pub bytes: u64,
    /// How far it came.
    pub state: ShipmentState,
    /// Its extents in order, with their fragments.
    pub extents: Vec<(Extent, Vec<Fragment>)>,
}

numbered! {
    /// What a shipment holds.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Cargo {
        /// The whole catalog.
        0 Checkpoint,
        /// The changes after this number.
        1 Journal {
            /// The number of the last change before.
            after: u64,
        },
    }
}

numbered! {
    /// How far a shipment came.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum ShipmentState {
        /// It is on its way, or was when the process ended.
        0 Leaving,
        /// All its extents are at their quorum.
        1 Safe,
        /// It is not needed any more; some of its blobs may be gone.
        2 Going,
    }
}

/// The first sequence of a shipment, so that those of versions stay without gaps.
pub const FIRST_SEQUENCE: u64 = 1 << 62;

fields! {
    Shipment { generation, cargo, to, membership, at, bytes, state, extents }
}
