//! A checkpoint: the whole catalog at one position, as a stream of records.
//!
//! ```text
//! magic 8 | version 2 | zero 6 | length 4 | record | length 4 | record | ...
//! Start   Epoch*   Member*   Extent*   Object*   Generation*   Debt*   Lease*   Advisory*   End
//! ```
//!
//! It holds every live head with what it names, every generation that was issued and is not settled, what waits for its deletion, all epochs and members:
//! all that a rebuild needs, so that whatever a listing shows at or below an epoch's last sequence and is not in here is garbage; and a node's
//! books. It holds no probes and no pins: they are of one machine and one day. The layout is `docs/format.md` 10.

#![deny(clippy::indexing_slicing)]

use std::io::Read;

use super::journal::Position;
use super::ledger::{Advisory, Lease};
use super::record::{Condition, Debt, EpochRow, Extent, FragmentState, Member, Place, Version};
use super::wire::{Wire, bytes_of, fields, get_all, numbered};
use crate::fragment::id::{ExtentId, Generation, ProviderId, SetId};

/// What every checkpoint begins with.
pub const MAGIC: [u8; 8] = *b"RAICCKP1";

const VERSION: u16 = 1;

/// Bytes before the first record.
const HEAD_LEN: usize = 16;

/// The longest record: an object of two million extents, some 100 TB, in one.
pub const MAX_RECORD_LEN: u32 = 64 << 20;

numbered! {
    /// One fact of a checkpoint.
    #[derive(Clone, Debug, PartialEq)]
    pub enum Record {
        /// The first record.
        1 Start {
            /// The set.
            set: SetId,
            /// Where the catalog stands: the journal goes on from here.
            at: Position,
            /// The membership version.
            membership: u64,
        },
        /// An epoch, in rising order.
        2 Epoch {
            /// It.
            row: EpochRow,
        },
        /// A member of the set, past ones included.
        3 Member {
            /// It.
            member: Member,
        },
        /// An extent with its fragments, in the order in which they were intended.
        4 Extent {
            /// It.
            extent: Extent,
            /// Whether anything needs it.
            life: Life,
            /// Its fragments, doomed ones included.
            fragments: Vec<KeptFragment>,
        },
        /// The head of an object, removals included. Its extents come before.
        5 Object {
            /// The head.
            version: Version,
            /// Manifest extents, or a tombstone's root.
            others: Vec<ExtentId>,
            /// Data extents in order.
            places: Vec<Place>,
        },
        /// A generation that may not, or not yet, be forgotten.
        6 Generation {
            /// It.
            kept: KeptGeneration,
        },
        /// The last record.
        7 End {
            /// How many records there are, this one included.
            records: u64,
        },
        /// An extent that was acknowledged and is not whole yet. Its object comes before.
        8 Debt {
            /// It.
            debt: Debt,
        },
        /// A lease of a node, in the order in which they were added.
        9 Lease {
            /// It.
            lease: Lease,
        },
        /// A client's word to a node, the oldest first.
        10 Advisory {
            /// It.
            advisory: Advisory,
        },
    }
}

numbered! {
    /// Whether anything needs an extent.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Life {
        /// A head names it, or a generation that is still open.
        0 Lives,
        /// A void that stands at its quorum: for ever.
        1 Held,
        /// No version ever named it and none will.
        2 NeverHeld,
        /// The last version that named it went at this time.
        3 Retired {
            /// Nanoseconds since 1970.
            at: i64,
        },
    }
}

numbered! {
    /// How far a generation came.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Stage {
        /// It may be committed.
        0 Open,
        /// It was closed after its root was sent, and its void is not at quorum.
        1 OwesVoid,
        /// It was closed for ever.
        2 Settled,
        /// A rebuild found it and could not tell whether it counts.
        3 Awaiting,
        /// Its sequence was given out, and nothing of it is known: it may have been written since.
        4 Issued,
    }
}

/// A fragment of the extent in whose record it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeptFragment {
    /// Which of the n.
    pub index: u16,
    /// Random, in its key.
    pub copy: u64,
    /// Where it is.
    pub provider: ProviderId,
    /// What is known of it.
    pub state: FragmentState,
    /// When it may be deleted, if it is doomed.
    pub due: Option<i64>,
}

/// A generation that was begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptGeneration {
    /// Which.
    pub generation: Generation,
    /// The object.
    pub name: String,
    /// The policy.
    pub policy: String,
    /// What its commit would ask.
    pub condition: Condition,
    /// How far it came.
    pub stage: Stage,
    /// Its root, if one was intended.
    pub root: Option<ExtentId>,
}

fields! {
    KeptFragment { index, copy, provider, state, due }
    KeptGeneration { generation, name, policy, condition, stage, root }
}

/// Why bytes are no checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// They could not be read.
    #[error("the checkpoint could not be read: {message}")]
    Read {
        /// The reader's words.
        message: String,
    },
    /// Something else.
    #[error("not a checkpoint: it does not begin with RAICCKP1")]
    Magic,
    /// Made by a later RAIC.
    #[error("checkpoint of version {found}, this RAIC knows {VERSION}")]
    Version {
        /// Its version.
        found: u16,
    },
    /// A record says that it is longer than any.
    #[error("record {number} of the checkpoint is {len} bytes, {MAX_RECORD_LEN} are the most")]
    Long {
        /// Which, from 1.
        number: u64,
        /// What it says.
        len: u32,
    },
    /// A record can't be read.
    #[error("record {number} of the checkpoint can't be read")]
    Record {
        /// Which, from 1.
        number: u64,
    },
    /// It ends early, goes on behind its end, or counts otherwise.
    #[error("the checkpoint breaks off or goes on after record {number}")]
    End {
        /// Records that were read.
        number: u64,
    },
}

/// The bytes before the first record.
#[must_use]
pub fn head() -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    VERSION.put(&mut out);
    out.resize(HEAD_LEN, 0);
    out
}

impl Record {
    /// Its bytes with their length ahead; those of all records one after another behind [`head`] are a checkpoint.
    ///
    /// # Panics
    /// If it is longer than [`MAX_RECORD_LEN`].
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let body = bytes_of(self);
        let len = u32::try_from(body.len()).ok().filter(|len| *len <= MAX_RECORD_LEN);
        let len = len.expect("an object of more than two million extents");
        let mut out = Vec::with_capacity(body.len() + 4);
        len.put(&mut out);
        out.extend_from_slice(&body);
        out
    }
}

/// Reads a checkpoint record by record, and holds one of them at a time. It ends after the last record or an error.
#[derive(Debug)]
pub struct Reader<R> {
    from: R,
    read: u64,
    over: bool,
}

impl<R: Read> Reader<R> {
    /// Reads and checks what stands before the records.
    pub fn new(mut from: R) -> Result<Reader<R>, CheckpointError> {
        let mut head = [0; HEAD_LEN];
        from.read_exact(&mut head).map_err(|error| match error.kind() {
            std::io::ErrorKind::UnexpectedEof => CheckpointError::Magic,
            _ => unreadable(&error),
        })?;
        let (magic, rest) = head.split_first_chunk().expect("sixteen bytes hold eight");
        let (version, zero) = rest.split_first_chunk().expect("eight bytes hold two");
        let found = u16::from_le_bytes(*version);
        if *magic != MAGIC {
            return Err(CheckpointError::Magic);
        }
        if found != VERSION || zero != [0; 6] {
            return Err(CheckpointError::Version { found });
        }
        Ok(Reader {
            from,
            read: 0,
            over: false,
        })
    }

    fn read(&mut self) -> Result<Record, CheckpointError> {
        let number = self.read + 1;
        let early = CheckpointError::End { number: self.read };
        let len = self.bytes(4)?;
        let len = u32::from_le_bytes(len.try_into().map_err(|_| early.clone())?);
        if len > MAX_RECORD_LEN {
            return Err(CheckpointError::Long { number, len });
        }
        let body = self.bytes(len)?;
        if body.len() as u64 != u64::from(len) {
            return Err(early);
        }
        self.read = number;
        let record = get_all(&body).ok_or(CheckpointError::Record { number })?;
        if let Record::End { records } = record
            && (records != number || !self.bytes(1)?.is_empty())
        {
            return Err(CheckpointError::End { number });
        }
        Ok(record)
    }

    /// The next `len` bytes, or as many as there are.
    fn bytes(&mut self, len: u32) -> Result<Vec<u8>, CheckpointError> {
        let mut bytes = Vec::new();
        let read = self.from.by_ref().take(len.into()).read_to_end(&mut bytes);
        read.map_err(|error| unreadable(&error))?;
        Ok(bytes)
    }
}

fn unreadable(error: &std::io::Error) -> CheckpointError {
    CheckpointError::Read {
        message: error.to_string(),
    }
}

impl<R: Read> Iterator for Reader<R> {
    type Item = Result<Record, CheckpointError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        let read = self.read();
        self.over = matches!(read, Err(_) | Ok(Record::End { .. }));
        Some(read)
    }
}
