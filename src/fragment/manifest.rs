//! Manifests: which extents make an object that is too long for one. The rules are `docs/format.md` 6.
//!
//! ```text
//! level 2   [ manifest | manifest ]            a root; up to three levels
//! level 1   [ manifest | manifest | ... ]
//! level 0   [ extent | extent | extent | ... ]     data, in the object's order
//! ```
//!
//! A manifest is the payload of an extent, so its bytes are proved before they come here; they are read with care all the same.

#![deny(clippy::indexing_slicing)]

use super::cursor::Cursor;
use super::digest::{Digest, of_extents};
use super::id::{ExtentId, Generation};

/// What every manifest begins with.
pub const MAGIC: [u8; 8] = *b"RAICMAN1";

const VERSION: u16 = 1;

/// The highest level.
pub const MAX_LEVEL: u8 = 2;

/// Bytes before the first entry.
pub const HEAD_LEN: usize = 56;

/// Bytes of an entry.
pub const ENTRY_LEN: usize = 88;

/// Why bytes are not a manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// Too few bytes for its head.
    #[error("manifest is {got} bytes, its head alone takes {HEAD_LEN}")]
    Short {
        /// Bytes there are.
        got: usize,
    },
    /// Something else.
    #[error("not a manifest: it does not begin with RAICMAN1")]
    Magic,
    /// Made by a later RAIC.
    #[error("manifest of version {found}, this RAIC knows {VERSION}")]
    Version {
        /// Its version.
        found: u16,
    },
    /// A level that no manifest has, or a byte that has to be zero.
    #[error("manifest of level {found:#06x}, {MAX_LEVEL} is the highest")]
    Level {
        /// Level and the byte behind it.
        found: u16,
    },
    /// More or fewer bytes than its entries take.
    #[error("manifest of {count} entries is {got} bytes, {want} are needed")]
    Length {
        /// Entries it says it has.
        count: u32,
        /// Bytes that they take with the head.
        want: u64,
        /// Bytes there are.
        got: u64,
    },
    /// The entries cover another length than the head says.
    #[error("manifest says that it covers {said} bytes, its entries cover {sum}")]
    Covered {
        /// What the head says.
        said: u64,
        /// What the entries say.
        sum: u128,
    },
    /// The entries' digests don't make the digest in the head.
    #[error("manifest's digest is not that of its entries")]
    Digest,
}

/// One listed extent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its id.
    pub extent: ExtentId,
    /// Bytes of the object that it covers, by itself or by what it lists.
    pub len: u64,
    /// The extent's own digest.
    pub digest: Digest,
    /// The generation that it was written under.
    pub generation: Generation,
}

/// A list of extents in the object's order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// 0 if it lists data extents, else it lists manifests of the level below.
    pub level: u8,
    /// Of the object in a root, else of the entries' digests. At level 0 they are the same.
    pub digest: Digest,
    /// What it lists.
    pub entries: Vec<Entry>,
}

impl Manifest {
    /// A list of data extents.
    pub fn of_data(entries: Vec<Entry>) -> Manifest {
        Manifest::of_manifests(0, entries)
    }

    /// A list of manifests one level below `level` that is not a root. For a root, set its digest to the object's.
    pub fn of_manifests(level: u8, entries: Vec<Entry>) -> Manifest {
        let digest = of_extents(entries.iter().map(|entry| &entry.digest));
        Manifest { level, digest, entries }
    }

    /// Bytes of the object that the entries cover; as large as 128 bits for entries that no object has.
    fn sum(&self) -> u128 {
        self.entries.iter().map(|entry| u128::from(entry.len)).sum()
    }

    /// Bytes of the object that the entries cover.
    ///
    /// # Panics
    /// If they cover 2^64 bytes or more, which [`Manifest::decode`] doesn't let through.
    pub fn covers(&self) -> u64 {
        u64::try_from(self.sum()).expect("an object is shorter than 2^64 bytes")
    }

    /// Bytes of a manifest with that many entries.
    pub fn encoded_len(count: usize) -> usize {
        HEAD_LEN + count * ENTRY_LEN
    }

    /// The manifest's bytes: the payload of its extent.
    ///
    /// # Panics
    /// If the level is too high, or there are 2^32 entries, or they cover 2^64 bytes.
    pub fn encode(&self) -> Vec<u8> {
        assert!(
            self.level <= MAX_LEVEL,
            "manifest of level {}, {MAX_LEVEL} is the highest",
            self.level
        );
        let count = u32::try_from(self.entries.len()).expect("fewer than 2^32 entries");
        let mut bytes = Vec::with_capacity(Manifest::encoded_len(self.entries.len()));
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&[self.level, 0]);
        bytes.extend_from_slice(&count.to_le_bytes());
        bytes.extend_from_slice(&self.covers().to_le_bytes());
        bytes.extend_from_slice(&self.digest);
        for entry in &self.entries {
            bytes.extend_from_slice(&entry.extent.0);
            bytes.extend_from_slice(&entry.len.to_le_bytes());
            bytes.extend_from_slice(&entry.digest);
            bytes.extend_from_slice(&entry.generation.to_bytes());
        }
        bytes
    }

    /// Reads a manifest that takes all of `bytes`. Needs no more memory than they do, whatever they say.
    pub fn decode(bytes: &[u8]) -> Result<Manifest, ManifestError> {
        let short = ManifestError::Short { got: bytes.len() };
        let mut fields = Cursor::new(bytes);
        if fields.array().ok_or(short)? != MAGIC {
            return Err(ManifestError::Magic);
        }
        let version = fields.u16().ok_or(short)?;
        if version != VERSION {
            return Err(ManifestError::Version { found: version });
        }
        let level = fields.u16().ok_or(short)?;
        if level > MAX_LEVEL.into() {
            return Err(ManifestError::Level { found: level });
        }
        let (count, said, digest) = read_head(&mut fields).ok_or(short)?;
        let want = HEAD_LEN as u64 + u64::from(count) * ENTRY_LEN as u64;
        if want != bytes.len() as u64 {
            return Err(ManifestError::Length {
                count,
                want,
                got: bytes.len() as u64,
            });
        }
        let entries: Vec<Entry> = std::iter::from_fn(|| read_entry(&mut fields)).collect();
        let [level, _] = level.to_le_bytes();
        Manifest { level, digest, entries }.checked(said)
    }

    fn checked(self, said: u64) -> Result<Manifest, ManifestError> {
        if self.sum() != u128::from(said) {
            return Err(ManifestError::Covered { said, sum: self.sum() });
        }
        if self.level == 0 && self.digest != of_extents(self.entries.iter().map(|entry| &entry.digest)) {
            return Err(ManifestError::Digest);
        }
        Ok(self)
    }
}

fn read_head(fields: &mut Cursor<'_>) -> Option<(u32, u64, Digest)> {
    Some((fields.u32()?, fields.u64()?, fields.array()?))
}

fn read_entry(fields: &mut Cursor<'_>) -> Option<Entry> {
    Some(Entry {
        extent: ExtentId(fields.array()?),
        len: fields.u64()?,
        digest: fields.array()?,
        generation: fields.generation()?,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::id::WriterId;
    use super::*;

    fn entry(number: u8) -> Entry {
        Entry {
            extent: ExtentId([number; 16]),
            len: 1000 + u64::from(number),
            digest: [number; 32],
            generation: Generation {
                epoch: 1,
                sequence: number.into(),
                writer: WriterId([9; 16]),
            },
        }
    }

    fn manifest() -> Manifest {
        Manifest::of_data(vec![entry(1), entry(2), entry(3)])
    }

    proptest! {
        #[test]
        fn a_manifest_reads_back(level in 0..=MAX_LEVEL, numbers in prop::collection::vec(any::<u8>(), 0..20)) {
            let manifest = Manifest::of_manifests(level, numbers.into_iter().map(entry).collect());
            let bytes = manifest.encode();
            prop_assert_eq!(bytes.len(), Manifest::encoded_len(manifest.entries.len()));
            prop_assert_eq!(Manifest::decode(&bytes), Ok(manifest));
        }

        #[test]
        fn what_is_read_is_what_would_be_written(at in 0..320_usize, byte: u8, len in 0..330_usize) {
            let mut bytes = manifest().encode();
            bytes[at] = byte;
            bytes.resize(len, byte);
            if let Ok(read) = Manifest::decode(&bytes) {
                prop_assert_eq!(read.encode(), bytes);
            }
        }
    }

    #[test]
    fn a_root_above_others_has_the_digest_of_the_object() {
        let root = Manifest {
            digest: [77; 32],
            ..Manifest::of_manifests(1, vec![entry(1)])
        };
        assert_eq!(Manifest::decode(&root.encode()), Ok(root));
    }

    #[test]
    fn what_is_no_manifest_is_told_apart() {
        let put = |at: usize, change: &[u8]| {
            let mut bytes = manifest().encode();
            bytes[at..at + change.len()].copy_from_slice(change);
            Manifest::decode(&bytes).unwrap_err()
        };
        assert_eq!(put(0, b"x"), ManifestError::Magic);
        assert_eq!(put(8, &[2]), ManifestError::Version { found: 2 });
        assert_eq!(put(10, &[3]), ManifestError::Level { found: 3 });
        assert_eq!(put(11, &[1]), ManifestError::Level { found: 256 });
        let count = u32::MAX;
        assert_eq!(
            put(12, &[255; 4]),
            ManifestError::Length {
                count,
                want: 56 + 88 * u64::from(count),
                got: 320
            }
        );
        assert_eq!(put(16, &[1]), ManifestError::Covered { said: 2817, sum: 3006 });
        let sum = u128::from(u64::MAX) + 1002 + 1003;
        assert_eq!(put(72, &[255; 8]), ManifestError::Covered { said: 3006, sum });
        assert_eq!(put(24, &[1]), ManifestError::Digest);
        let bytes = manifest().encode();
        for got in 8..HEAD_LEN {
            assert_eq!(Manifest::decode(&bytes[..got]), Err(ManifestError::Short { got }));
        }
        let cut = ManifestError::Length {
            count: 3,
            want: 320,
            got: 319,
        };
        assert_eq!(Manifest::decode(&bytes[..319]), Err(cut));
    }
}
