//! How the shares of a slot lie in one object: `docs/protocol.md` has the byte table.
//!
//! ```text
//! | share 3, run 0 | share 0, run 0 | share 3, run 1 |  free  | table | footer |
//! ```
//!
//! A share is a list of runs, so that one that grows moves no other and a change moves only the bytes that it changes. The table stands at the
//! end and is the same string of bytes as long as nobody's length changes, so that writing within a share changes nothing else.

#![deny(clippy::indexing_slicing)]

use crate::fragment::cursor::Cursor;

/// What an image ends with.
const MAGIC: [u8; 8] = *b"RAICSLT1";

/// Bytes of the footer: length of the table, shares, magic.
pub const FOOTER_LEN: u64 = 16;

/// Bytes of a share's entry without its runs.
const ENTRY_LEN: u64 = 1 + 8 + 32 + 4;

/// Bytes of a run in the table.
const RUN_LEN: u64 = 16;

/// Bytes of the image that belong to a share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Where they begin.
    pub at: u64,
    /// How many.
    pub len: u64,
}

/// One share of a slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its number.
    pub number: u8,
    /// Bytes of it.
    pub len: u64,
    /// Hash of its write enabler.
    pub enabler: [u8; 32],
    /// Where its bytes lie, in their order; together not shorter than it.
    pub runs: Vec<Run>,
}

impl Entry {
    /// Bytes that its runs have room for.
    #[must_use]
    pub fn room(&self) -> u64 {
        self.runs.iter().map(|run| run.len).sum()
    }
}

/// All shares of a slot, in the order in which they came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// The shares.
    pub entries: Vec<Entry>,
}

/// What is no image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the slot's object of {0} bytes doesn't end with a table of shares")]
pub struct NoImage(pub u64);

impl Table {
    /// One of the shares.
    #[must_use]
    pub fn find(&self, number: u8) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.number == number)
    }

    /// Where the last run ends: there the table begins.
    #[must_use]
    pub fn data_end(&self) -> u64 {
        self.runs().map(|run| run.at + run.len).max().unwrap_or(0)
    }

    /// All runs of all shares.
    pub fn runs(&self) -> impl Iterator<Item = Run> {
        self.entries.iter().flat_map(|entry| entry.runs.iter().copied())
    }

    /// The first gap between runs that has room for `len` bytes; none behind the last run.
    #[must_use]
    pub fn gap(&self, len: u64) -> Option<Run> {
        let mut runs: Vec<Run> = self.runs().collect();
        runs.sort_by_key(|run| run.at);
        let mut at = 0;
        for run in runs {
            if run.at - at >= len {
                return Some(Run { at, len });
            }
            at = run.at + run.len;
        }
        None
    }

    /// Table and footer as they end the image.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for entry in &self.entries {
            bytes.push(entry.number);
            bytes.extend_from_slice(&entry.len.to_le_bytes());
            bytes.extend_from_slice(&entry.enabler);
            let runs = u32::try_from(entry.runs.len()).expect("a share has few runs");
            bytes.extend_from_slice(&runs.to_le_bytes());
            for run in &entry.runs {
                bytes.extend_from_slice(&run.at.to_le_bytes());
                bytes.extend_from_slice(&run.len.to_le_bytes());
            }
        }
        let len = u32::try_from(bytes.len()).expect("a table is short");
        let shares = u32::try_from(self.entries.len()).expect("at most 256 shares");
        bytes.extend_from_slice(&len.to_le_bytes());
        bytes.extend_from_slice(&shares.to_le_bytes());
        bytes.extend_from_slice(&MAGIC);
        bytes
    }

    /// Bytes of the table, read from the footer of an image of `image_len` bytes.
    pub fn len_in(footer: &[u8], image_len: u64) -> Result<u64, NoImage> {
        let (len, _) = footer_of(footer)
            .filter(|(len, _)| u64::from(*len) + FOOTER_LEN <= image_len)
            .ok_or(NoImage(image_len))?;
        Ok(u64::from(len))
    }

    /// Reads table and footer of an image of `image_len` bytes. Every run lies before the table and no two overlap.
    pub fn decode(bytes: &[u8], image_len: u64) -> Result<Table, NoImage> {
        Table::read(bytes, image_len).ok_or(NoImage(image_len))
    }

    fn read(bytes: &[u8], image_len: u64) -> Option<Table> {
        let at = bytes.len().checked_sub(usize::try_from(FOOTER_LEN).ok()?)?;
        let (table, footer) = bytes.split_at_checked(at)?;
        let (len, shares) = footer_of(footer)?;
        if u64::from(len) != table.len() as u64 || shares > 256 {
            return None;
        }
        let mut cursor = Cursor::new(table);
        let (mut entries, mut read): (Vec<Entry>, u64) = (Vec::new(), 0);
        for _ in 0..shares {
            let entry = entry(&mut cursor)?;
            read += ENTRY_LEN + RUN_LEN * entry.runs.len() as u64;
            if entry.len > entry.room() || entries.iter().any(|other| other.number == entry.number) {
                return None;
            }
            entries.push(entry);
        }
        let table = Table { entries };
        let data_end = image_len.checked_sub(bytes.len() as u64)?;
        (read == u64::from(len) && table.is_disjoint_below(data_end)).then_some(table)
    }

    fn is_disjoint_below(&self, end: u64) -> bool {
        let mut runs: Vec<Run> = self.runs().collect();
        runs.sort_by_key(|run| run.at);
        let mut at = 0;
        runs.iter().all(|run| {
            let fits = run.at >= at && run.at.checked_add(run.len).is_some_and(|to| to <= end);
            at = run.at.saturating_add(run.len);
            fits
        })
    }
}

fn footer_of(footer: &[u8]) -> Option<(u32, u32)> {
    let mut cursor = Cursor::new(footer);
    let (len, shares) = (cursor.u32()?, cursor.u32()?);
    (cursor.array::<8>()? == MAGIC).then_some((len, shares))
}

fn entry(cursor: &mut Cursor<'_>) -> Option<Entry> {
    let [number] = cursor.array::<1>()?;
    let (len, enabler, count) = (cursor.u64()?, cursor.array()?, cursor.u32()?);
    let mut runs = Vec::new();
    let mut room = 0_u64;
    for _ in 0..count {
        let run = Run {
            at: cursor.u64()?,
            len: cursor.u64()?,
        };
        room = room.checked_add(run.len)?;
        runs.push(run);
    }
    Some(Entry {
        number,
        len,
        enabler,
        runs,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn table() -> Table {
        let entry = |number, len, runs: &[(u64, u64)]| Entry {
            number,
            len,
            enabler: [number; 32],
            runs: runs.iter().map(|(at, len)| Run { at: *at, len: *len }).collect(),
        };
        Table {
            entries: vec![
                entry(3, 12, &[(0, 10), (30, 5)]),
                entry(0, 0, &[]),
                entry(255, 7, &[(12, 8)]),
            ],
        }
    }

    #[test]
    fn a_table_reads_back() {
        let bytes = table().encode();
        let image = 35 + bytes.len() as u64;
        assert_eq!(Table::decode(&bytes, image), Ok(table()));
        assert_eq!(
            Table::len_in(&bytes[bytes.len() - 16..], image),
            Ok(bytes.len() as u64 - 16)
        );
        assert_eq!(
            Table::decode(&bytes, image - 1),
            Err(NoImage(image - 1)),
            "a run would lie in the table"
        );
        assert_eq!(table().data_end(), 35);
        assert_eq!(
            (table().gap(2), table().gap(3), table().gap(11)),
            (Some(Run { at: 10, len: 2 }), Some(Run { at: 20, len: 3 }), None)
        );
    }

    #[test]
    fn tables_that_contradict_themselves_are_refused() {
        let refused = |change: fn(&mut Table)| {
            let mut table = table();
            change(&mut table);
            let bytes = table.encode();
            Table::decode(&bytes, 35 + bytes.len() as u64).is_err()
        };
        assert!(refused(|t| t.entries[0].len = 16), "longer than its runs");
        assert!(refused(|t| t.entries[1].number = 3), "a number twice");
        assert!(refused(|t| t.entries[2].runs[0].at = 9), "runs overlap");
        assert!(refused(|t| t.entries[2].runs[0].len = u64::MAX), "beyond all bytes");
    }

    proptest! {
        #[test]
        fn what_is_read_is_what_would_be_written(at in 0..500_usize, byte: u8, cut in 0..500_usize) {
            let mut bytes = table().encode();
            let at = at % bytes.len();
            bytes[at] = byte;
            let bytes = &bytes[cut.min(bytes.len()).saturating_sub(100)..];
            if let Ok(read) = Table::decode(bytes, 35 + bytes.len() as u64) {
                prop_assert_eq!(read.encode(), bytes);
            }
        }
    }
}
