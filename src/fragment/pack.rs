//! Packs: several small versions and removals in one extent, with a directory at its end. The rules are `docs/format.md` 7.
//!
//! ```text
//! payload    bytes of entry 0 | bytes of entry 1 | ... | directory | trailer 64
//! ```
//!
//! The end is enough to read the directory; the tag in the trailer binds it to its extent.

#![deny(clippy::indexing_slicing)]

use subtle::ConstantTimeEq;

use super::cursor::{Cursor, is_zero};
use super::id::{ExtentId, Generation, Kind};
use super::owner::MAX_NAME_LEN;
use super::secret::{Key, Keys, UnknownKey};
use super::tag::{Tag, frames_key};

/// What every trailer begins with.
pub const MAGIC: [u8; 8] = *b"RAICPCK1";

const VERSION: u16 = 1;

/// Bytes of the trailer, its tag included.
pub const TRAILER_LEN: usize = 64;

/// Bytes of the trailer before its tag.
const FIELDS_LEN: usize = 32;

/// Why a pack's directory can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PackError {
    /// The caller gave less of the payload's end than the directory takes.
    #[error("a pack's last {want} bytes are needed, {got} were given")]
    Short {
        /// Bytes that are needed.
        want: u64,
        /// Bytes there are.
        got: u64,
    },
    /// Something else.
    #[error("not a pack: its trailer does not begin with RAICPCK1")]
    Magic,
    /// Made by a later RAIC.
    #[error("pack of version {found}, this RAIC knows {VERSION}")]
    Version {
        /// Its version.
        found: u16,
    },
    /// No key to check it with.
    #[error(transparent)]
    UnknownKey(#[from] UnknownKey),
    /// Damaged, or of another extent.
    #[error("pack's directory does not match its tag")]
    Tag,
    /// Proved, but longer than the payload, or with other entries than it says.
    #[error("pack's directory of {count} entries and {directory_len} bytes can't be that of {payload_len} bytes")]
    Directory {
        /// Entries it says it has.
        count: u32,
        /// Bytes it says it takes.
        directory_len: u32,
        /// Bytes of the pack.
        payload_len: u64,
    },
    /// Proved, but an entry can't be one.
    #[error("pack's entry {number} is not a version or removal that fits the pack")]
    Entry {
        /// Counted from 0.
        number: u32,
    },
}

/// Which extent a pack is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PackPlace {
    /// Which tag key.
    pub key_id: u32,
    /// The extent.
    pub extent: ExtentId,
    /// The extent's salt.
    pub salt: [u8; 32],
}

impl PackPlace {
    /// The name of the object that the pack itself is.
    pub fn name(&self) -> String {
        format!("\0pack/{}", self.extent)
    }

    fn key(&self, keys: &Keys) -> Result<Key, UnknownKey> {
        frames_key(keys, self.key_id, self.extent, &self.salt)
    }
}

/// One version or removal in a pack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackEntry {
    /// The object, at most [`MAX_NAME_LEN`] bytes.
    pub name: String,
    /// Its generation.
    pub generation: Generation,
    /// Nanoseconds since 1970.
    pub modified: i64,
    /// Where its bytes are in the payload, as offset and length; `None` for a removal.
    pub bytes: Option<(u64, u64)>,
}

/// Appends the next entry's bytes to a payload that is being filled, and says what its directory entry is.
///
/// # Panics
/// If the name is longer than any.
pub fn push(
    payload: &mut Vec<u8>,
    name: &str,
    generation: Generation,
    modified: i64,
    bytes: Option<&[u8]>,
) -> PackEntry {
    assert!(
        name.len() <= MAX_NAME_LEN,
        "name of {} bytes, {MAX_NAME_LEN} are the most",
        name.len()
    );
    let bytes = bytes.map(|bytes| {
        let offset = payload.len() as u64;
        payload.extend_from_slice(bytes);
        (offset, bytes.len() as u64)
    });
    PackEntry {
        name: name.to_owned(),
        generation,
        modified,
        bytes,
    }
}

/// Ends a payload: appends the directory of its entries, and the trailer.
///
/// # Panics
/// If the directory is 4 GiB long.
pub fn finish(payload: &mut Vec<u8>, entries: &[PackEntry], keys: &Keys, place: &PackPlace) -> Result<(), UnknownKey> {
    let key = place.key(keys)?;
    let directory: Vec<u8> = entries.iter().flat_map(PackEntry::to_bytes).collect();
    let small = |number: usize| {
        u32::try_from(number)
            .expect("a directory is shorter than 4 GiB")
            .to_le_bytes()
    };
    let mut trailer = MAGIC.to_vec();
    trailer.extend_from_slice(&VERSION.to_le_bytes());
    trailer.extend_from_slice(&[0; 2]);
    trailer.extend_from_slice(&small(entries.len()));
    trailer.extend_from_slice(&small(directory.len()));
    trailer.resize(FIELDS_LEN, 0);
    let tag = key.hash(&[b"directory", &directory, &trailer]);
    payload.extend_from_slice(&directory);
    payload.extend_from_slice(&trailer);
    payload.extend_from_slice(tag.as_bytes());
    Ok(())
}

/// Reads the directory of a pack of `payload_len` bytes whose last bytes are `end`. [`PackError::Short`] says how many are needed.
pub fn directory(end: &[u8], payload_len: u64, keys: &Keys, place: &PackPlace) -> Result<Vec<PackEntry>, PackError> {
    let short = |want| PackError::Short {
        want,
        got: end.len() as u64,
    };
    let (rest, tag) = end.split_last_chunk::<32>().ok_or(short(TRAILER_LEN as u64))?;
    let (rest, fields) = rest.split_last_chunk::<FIELDS_LEN>().ok_or(short(TRAILER_LEN as u64))?;
    let trailer = Trailer::read(fields)?;
    let want = u64::from(trailer.directory_len) + TRAILER_LEN as u64;
    let impossible = PackError::Directory {
        count: trailer.count,
        directory_len: trailer.directory_len,
        payload_len,
    };
    let data_len = payload_len.checked_sub(want).ok_or(impossible)?;
    let start = rest
        .len()
        .checked_sub(trailer.directory_len as usize)
        .ok_or(short(want))?;
    let directory = rest.get(start..).ok_or(short(want))?;
    let expected: Tag = *place.key(keys)?.hash(&[b"directory", directory, fields]).as_bytes();
    if !bool::from(expected.ct_eq(tag)) {
        return Err(PackError::Tag);
    }
    let entries = read_entries(directory, data_len)?;
    let complete = trailer.reserved_is_zero && entries.len() == trailer.count as usize;
    complete.then_some(entries).ok_or(impossible)
}

struct Trailer {
    count: u32,
    directory_len: u32,
    reserved_is_zero: bool,
}

impl Trailer {
    fn read(bytes: &[u8; FIELDS_LEN]) -> Result<Trailer, PackError> {
        let (magic, version, trailer) = Trailer::take(Cursor::new(bytes)).ok_or(PackError::Magic)?;
        if magic != MAGIC {
            return Err(PackError::Magic);
        }
        (version == VERSION)
            .then_some(trailer)
            .ok_or(PackError::Version { found: version })
    }

    fn take(mut fields: Cursor<'_>) -> Option<([u8; 8], u16, Trailer)> {
        let (magic, version, zero) = (fields.array()?, fields.u16()?, fields.u16()?);
        let (count, directory_len) = (fields.u32()?, fields.u32()?);
        let reserved_is_zero = zero == 0 && is_zero(fields.rest());
        Some((
            magic,
            version,
            Trailer {
                count,
                directory_len,
                reserved_is_zero,
            },
        ))
    }
}

fn read_entries(directory: &[u8], data_len: u64) -> Result<Vec<PackEntry>, PackError> {
    let (mut fields, mut entries) = (Cursor::new(directory), Vec::new());
    for number in 0.. {
        if fields.rest().is_empty() {
            break;
        }
        let entry = PackEntry::read(&mut fields, data_len).ok_or(PackError::Entry { number })?;
        entries.push(entry);
    }
    Ok(entries)
}

impl PackEntry {
    fn to_bytes(&self) -> Vec<u8> {
        let kind = if self.bytes.is_some() {
            Kind::RootData
        } else {
            Kind::Tombstone
        };
        let (offset, len) = self.bytes.unwrap_or_default();
        let name_len = u16::try_from(self.name.len()).expect("a name has at most 1024 bytes");
        let mut bytes = vec![kind as u8, 0];
        bytes.extend_from_slice(&name_len.to_le_bytes());
        bytes.extend_from_slice(&self.generation.to_bytes());
        bytes.extend_from_slice(&offset.to_le_bytes());
        bytes.extend_from_slice(&len.to_le_bytes());
        bytes.extend_from_slice(&self.modified.to_le_bytes());
        bytes.extend_from_slice(self.name.as_bytes());
        bytes
    }

    /// `None` if it is cut off, or not one, or reaches out of the entries' bytes.
    fn read(fields: &mut Cursor<'_>, data_len: u64) -> Option<PackEntry> {
        let (kind, zero, name_len) = (Kind::from_number(fields.u8()?)?, fields.u8()?, fields.u16()?);
        let generation = fields.generation()?;
        let (offset, len) = (fields.u64()?, fields.u64()?);
        let modified = fields.array().map(i64::from_le_bytes)?;
        let name = str::from_utf8(fields.take(name_len.into())?).ok()?;
        let within = offset.checked_add(len)? <= data_len;
        let bytes = match kind {
            Kind::RootData if within => Some((offset, len)),
            Kind::Tombstone if offset == 0 && len == 0 => None,
            _ => return None,
        };
        let entry = PackEntry {
            name: name.to_owned(),
            generation,
            modified,
            bytes,
        };
        (zero == 0 && name.len() <= MAX_NAME_LEN).then_some(entry)
    }
}

#[cfg(test)]
mod tests {
    use super::super::id::WriterId;
    use super::super::secret::SetSecret;
    use super::*;

    const PLACE: PackPlace = PackPlace {
        key_id: 0,
        extent: ExtentId([1; 16]),
        salt: [2; 32],
    };

    fn keys() -> Keys {
        Keys::new(&SetSecret::new([7; 32]))
    }

    fn pack() -> (Vec<u8>, Vec<PackEntry>) {
        let generation = |sequence| Generation {
            epoch: 1,
            sequence,
            writer: WriterId([3; 16]),
        };
        let mut payload = Vec::new();
        let entries = vec![
            push(&mut payload, "a", generation(1), 5, Some(b"bytes of a")),
            push(&mut payload, "removed", generation(2), -6, None),
            push(&mut payload, "empty", generation(3), 7, Some(b"")),
            push(&mut payload, "ä", generation(4), 8, Some(b"more bytes")),
        ];
        finish(&mut payload, &entries, &keys(), &PLACE).unwrap();
        (payload, entries)
    }

    fn open(end: &[u8], payload_len: usize) -> Result<Vec<PackEntry>, PackError> {
        directory(end, payload_len as u64, &keys(), &PLACE)
    }

    /// A pack of `data` bytes with this directory and trailer fields, properly tagged.
    fn forged(data: usize, directory: &[u8], count: u32, reserved: u8) -> Result<Vec<PackEntry>, PackError> {
        let mut payload = vec![0; data];
        let len = u32::try_from(directory.len()).unwrap();
        let head = [
            &MAGIC[..],
            &[1, 0, 0, 0],
            &count.to_le_bytes(),
            &len.to_le_bytes(),
            &[0; 11],
            &[reserved],
        ]
        .concat();
        let tag = PLACE.key(&keys()).unwrap().hash(&[b"directory", directory, &head]);
        payload.extend_from_slice(&[directory, &head, tag.as_bytes()].concat());
        open(&payload, payload.len())
    }

    #[test]
    fn a_directory_is_read_from_the_end_alone() {
        let (payload, entries) = pack();
        assert_eq!(open(&payload, payload.len()).unwrap(), entries);
        let want = payload.len() - 20;
        assert_eq!(open(&payload[20..], payload.len()).unwrap(), entries);
        for got in [0, 63, 64, want - 1] {
            let needed = if got < 64 { 64 } else { want };
            let short = PackError::Short {
                want: needed as u64,
                got: got as u64,
            };
            assert_eq!(open(&payload[payload.len() - got..], payload.len()), Err(short));
        }
        assert_eq!(entries[3].bytes, Some((10, 10)));
    }

    #[test]
    fn every_flipped_bit_of_directory_and_trailer_is_noticed() {
        let (payload, _) = pack();
        for bit in 20 * 8..payload.len() * 8 {
            let mut flipped = payload.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(open(&flipped, payload.len()).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_directory_belongs_to_its_extent() {
        let (payload, _) = pack();
        let elsewhere = PackPlace {
            extent: ExtentId([9; 16]),
            ..PLACE
        };
        let moved = directory(&payload, payload.len() as u64, &keys(), &elsewhere);
        assert_eq!(moved, Err(PackError::Tag));
        let unknown = directory(
            &payload,
            payload.len() as u64,
            &keys(),
            &PackPlace { key_id: 4, ..PLACE },
        );
        assert_eq!(unknown, Err(PackError::UnknownKey(UnknownKey(4))));
    }

    #[test]
    fn impossible_directories_are_refused_even_with_a_true_tag() {
        let good = PackEntry {
            bytes: Some((0, 10)),
            ..pack().1.remove(0)
        }
        .to_bytes();
        assert!(forged(10, &good, 1, 0).is_ok());
        let count = |count, payload_len| PackError::Directory {
            count,
            directory_len: 61,
            payload_len,
        };
        assert_eq!(forged(10, &good, 2, 0), Err(count(2, 10 + 61 + 64)));
        assert_eq!(forged(10, &good, 1, 1), Err(count(1, 10 + 61 + 64)));
        assert_eq!(forged(9, &good, 1, 0), Err(PackError::Entry { number: 0 }));
        let changes: [(usize, u8); 6] = [(0, 5), (0, 2), (1, 1), (2, 2), (43, 255), (60, 255)];
        for (at, byte) in changes {
            let mut entry = good.clone();
            entry[at] = byte;
            assert_eq!(
                forged(10, &[&good[..], &entry].concat(), 2, 0),
                Err(PackError::Entry { number: 1 }),
                "at {at}"
            );
        }
        let (payload, _) = pack();
        assert!(matches!(
            open(&payload, 100),
            Err(PackError::Directory { payload_len: 100, .. })
        ));
    }
}
