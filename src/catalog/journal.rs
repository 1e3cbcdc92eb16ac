//! The journal: changes in their order, each bound to all before it, so that two catalogs that parted can't be taken for one.
//!
//! ```text
//! position     number of changes ever made, and chain: chain of change i = hash(i ‖ chain of change i - 1 ‖ its bytes)
//! segment      from position | change | change | ... | chain at its end        one object of the reserved namespace
//! ```
//!
//! Its bytes are `docs/format.md` 10. They come out of an extent, so they are proved; they are read with care all the same.

#![deny(clippy::indexing_slicing)]

use std::collections::BTreeMap;

use super::change::Change;
use super::ledger::Entry;
use super::record::EpochRow;
use super::wire::{Wire, bytes_of, fields, get_all};
use crate::fragment::cursor::Cursor;
use crate::fragment::id::WriterId;

/// What every segment begins with.
pub const MAGIC: [u8; 8] = *b"RAICJRN1";

const VERSION: u16 = 1;

/// Where a catalog stands: two that are at one position are the same, whatever machine they are on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// Changes made so far.
    pub number: u64,
    /// Hash over all of them in order; zero before the first.
    pub chain: [u8; 32],
}

fields! { Position { number, chain } }

impl Position {
    /// Where the catalog stands after one more change of these bytes.
    #[must_use]
    pub(super) fn after(self, change: &[u8]) -> Position {
        let number = self.number + 1;
        let mut hasher = blake3::Hasher::new();
        hasher.update(&number.to_le_bytes()).update(&self.chain).update(change);
        Position {
            number,
            chain: hasher.finalize().into(),
        }
    }
}

/// Changes that follow a position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    from: Position,
    changes: Vec<Vec<u8>>,
}

/// Why bytes are no segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SegmentError {
    /// Something else.
    #[error("not a journal segment: it does not begin with RAICJRN1")]
    Magic,
    /// Made by a later RAIC.
    #[error("journal segment of version {found}, this RAIC knows {VERSION}")]
    Version {
        /// Its version.
        found: u16,
    },
    /// It ends early, or goes on behind its end.
    #[error("journal segment of {count} changes is cut off or has bytes behind its end")]
    Length {
        /// Changes it says it has.
        count: u32,
    },
    /// One of its changes is none.
    #[error("change {number} of the journal can't be read")]
    Change {
        /// Its number in the journal.
        number: u64,
    },
    /// Its changes are not those that were hashed.
    #[error("the changes of the journal segment from number {number} on don't make its chain")]
    Chain {
        /// The number before its first.
        number: u64,
    },
}

impl Segment {
    /// Changes as they were noted, from the one after `from`.
    pub(super) fn new(from: Position, changes: Vec<Vec<u8>>) -> Segment {
        Segment { from, changes }
    }

    /// The position before its first change.
    #[must_use]
    pub fn from(&self) -> Position {
        self.from
    }

    /// How many changes it has; a journal that has nothing new is a segment of none.
    #[must_use]
    pub fn len(&self) -> usize {
        self.changes.len()
    }

    /// True without a change.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// The position behind its last change.
    #[must_use]
    pub fn to(&self) -> Position {
        self.changes
            .iter()
            .fold(self.from, |position, change| position.after(change))
    }

    /// The epochs that it tells of, each with the highest sequence that was given out.
    #[must_use]
    pub fn epochs(&self) -> Vec<EpochRow> {
        let mut last: BTreeMap<(u64, WriterId), u64> = BTreeMap::new();
        let mut raise = |epoch, writer, sequence: u64| {
            let known = last.entry((epoch, writer)).or_default();
            *known = sequence.max(*known);
        };
        for change in self.changes().filter_map(|(_, change)| change.ok()) {
            match change {
                Change::ClaimEpoch { epoch, writer } => raise(epoch, writer, 0),
                Change::Intend { intent } => {
                    let generation = intent.extent.generation;
                    raise(generation.epoch, generation.writer, generation.sequence);
                }
                Change::LearnEpochs { epochs } => {
                    for row in epochs {
                        raise(row.epoch, row.writer, row.last_sequence);
                    }
                }
                _ => {}
            }
        }
        let row = |((epoch, writer), last_sequence)| EpochRow {
            epoch,
            writer,
            last_sequence,
        };
        last.into_iter().map(row).collect()
    }

    /// What it tells of a node's books, in its order.
    #[must_use]
    pub fn entries(&self) -> Vec<Entry> {
        let changes = self.changes().filter_map(|(_, change)| change.ok());
        changes
            .flat_map(|change| match change {
                Change::Enter { entries } => entries,
                _ => Vec::new(),
            })
            .collect()
    }

    /// Its changes with the position behind each. One that can't be read is an error.
    pub(super) fn changes(&self) -> impl Iterator<Item = (Position, Result<Change, SegmentError>)> {
        let mut at = self.from;
        self.changes.iter().map(move |bytes| {
            at = at.after(bytes);
            let unread = SegmentError::Change { number: at.number };
            (at, get_all(bytes).ok_or(unread))
        })
    }

    /// Its bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        VERSION.put(&mut out);
        0_u16.put(&mut out);
        let count = u32::try_from(self.changes.len()).expect("a segment is made of rows that fit in memory");
        count.put(&mut out);
        self.from.put(&mut out);
        for change in &self.changes {
            let len = u32::try_from(change.len()).expect("a change fits in memory many times");
            len.put(&mut out);
            out.extend_from_slice(change);
        }
        self.to().chain.put(&mut out);
        out
    }

    /// Reads its bytes, all of them, and checks the chain and that every change is one.
    pub fn decode(bytes: &[u8]) -> Result<Segment, SegmentError> {
        let mut bytes = Cursor::new(bytes);
        if bytes.array() != Some(MAGIC) {
            return Err(SegmentError::Magic);
        }
        let found = bytes.u16().unwrap_or(0);
        if found != VERSION || bytes.u16() != Some(0) {
            return Err(SegmentError::Version { found });
        }
        let count = bytes.u32().ok_or(SegmentError::Length { count: 0 })?;
        let cut_off = SegmentError::Length { count };
        let from = Position::get(&mut bytes).ok_or(cut_off)?;
        let mut changes = Vec::new();
        for _ in 0..count {
            let len = bytes.u32().and_then(|len| usize::try_from(len).ok()).ok_or(cut_off)?;
            changes.push(bytes.take(len).ok_or(cut_off)?.to_vec());
        }
        let chain: [u8; 32] = bytes.array().ok_or(cut_off)?;
        if !bytes.rest().is_empty() || from.number.checked_add(count.into()).is_none() {
            return Err(cut_off);
        }
        let segment = Segment { from, changes };
        if segment.to().chain != chain {
            return Err(SegmentError::Chain { number: from.number });
        }
        segment.changes().try_for_each(|(_, change)| change.map(drop))?;
        Ok(segment)
    }
}

/// The bytes of a change as the journal keeps them.
pub(super) fn encode(change: &Change) -> Vec<u8> {
    bytes_of(change)
}
