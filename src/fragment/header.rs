//! The head of a fragment: the core tells what it is and is proved by its tag before any of it is believed; the owner's part behind it is sealed.
//!
//! ```text
//! core 512 = fields 480 | tag 32        owner's part, see owner.rs        together header_len, a multiple of 512
//! ```
//!
//! The offsets are those of `docs/format.md` 3: fields are written and read one after another.

#![deny(clippy::indexing_slicing)]

use subtle::ConstantTimeEq;

use super::cursor::{Cursor, is_zero};
use super::id::{ExtentId, Generation, Group, Kind, SetId};
use super::owner::{Owner, OwnerError};
use super::secret::{Key, Keys, UnknownKey};
use super::tag::{FrameKeys, Tag};
use crate::cipher::{ChunkCipher, open_alone, seal_alone};
use crate::stripe::geometry::{MAX_FRAGMENT_LEN, MAX_HEADER_LEN, MIN_HEADER_LEN, SEAL_OVERHEAD, Shape, ShapeError};

/// What every fragment begins with.
pub const MAGIC: [u8; 8] = *b"RAICFRG1";

/// The version of the format that this RAIC writes, and the only one it reads.
pub const VERSION: u16 = 1;

/// Bytes of the core, its tag included.
pub const CORE_LEN: usize = 512;

/// Bytes of the core before its tag.
const FIELDS_LEN: usize = 480;

/// A header's length is a multiple of this.
pub const HEADER_STEP: u16 = 512;

/// Reed-Solomon over GF(2^8), the only code.
const CODE: u8 = 1;

/// Why a header is not believed, or not understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// Too few bytes; a write cut off leaves this.
    #[error("fragment is {got} bytes, its header alone takes {want}")]
    Short {
        /// Bytes that are needed.
        want: usize,
        /// Bytes there are.
        got: usize,
    },
    /// Not a fragment.
    #[error("not a fragment: it does not begin with RAICFRG1")]
    Magic,
    /// Made by a later RAIC.
    #[error("fragment of format version {found}, this RAIC knows {VERSION}")]
    Version {
        /// Its version.
        found: u16,
    },
    /// No key to check it with.
    #[error(transparent)]
    UnknownKey(#[from] UnknownKey),
    /// Damaged, forged, or of another set.
    #[error("header does not match its tag")]
    Tag,
    /// Proved, but a field has a value that no fragment has; a later RAIC, or a fault in the one that wrote it.
    #[error("header has {found} in its field {field}")]
    Field {
        /// The field, as `docs/format.md` names it.
        field: &'static str,
        /// What it holds.
        found: u64,
    },
    /// Proved, but its counts and lengths are impossible.
    #[error("header")]
    Shape(#[from] ShapeError),
    /// Proved, but of another set with the same tag key.
    #[error("fragment of set {found}")]
    OtherSet {
        /// The set.
        found: SetId,
    },
    /// The data key is not the one it was sealed with.
    #[error("the data key is not the one that the header is committed to")]
    Commitment,
    /// The core is fine, the owner's part is not.
    #[error("header")]
    Owner(#[from] OwnerError),
}

/// The core of a fragment's header: all facts of its extent, and which fragment of it this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Bytes of core and owner's part, the same for all fragments of an extent; at least [`Owner::header_len`].
    pub header_len: u16,
    /// What the extent is for.
    pub kind: Kind,
    /// True if data chunks are sealed with AES-256-GCM.
    pub sealed: bool,
    /// Lengths and counts.
    pub shape: Shape,
    /// Fragments confirmed before it counts, k..=n.
    pub quorum: u16,
    /// Which fragment, 0..n.
    pub index: u16,
    /// Which tag, owner and data key.
    pub key_id: u32,
    /// Its extent.
    pub extent: ExtentId,
    /// The generation that the extent was written under, or that it annuls.
    pub generation: Generation,
    /// Random, new for each write of a fragment.
    pub copy: u64,
    /// The keyed hash of the object's name.
    pub group: Group,
    /// Random, new for each extent.
    pub salt: [u8; 32],
}

impl Header {
    /// Bytes of the whole fragment.
    pub fn fragment_len(&self) -> u64 {
        self.shape.fragment_len(self.header_len)
    }

    /// What makes and checks the tags of its frames.
    pub fn frame_keys(&self, keys: &Keys) -> Result<FrameKeys, UnknownKey> {
        FrameKeys::new(keys, self.key_id, self.extent, &self.salt, self.shape)
    }

    /// What seals and opens its data chunks; `None` if they are not sealed.
    pub fn cipher(&self, keys: &Keys) -> Result<Option<ChunkCipher>, UnknownKey> {
        self.sealed
            .then(|| keys.cipher(self.key_id, self.extent, &self.salt))
            .transpose()
    }

    /// The header's bytes, `header_len` of them.
    ///
    /// # Panics
    /// If the facts can't be those of a fragment, or the owner's part doesn't fit.
    pub fn encode(&self, keys: &Keys, owner: &Owner) -> Result<Vec<u8>, UnknownKey> {
        self.check().expect("the facts are those of a fragment");
        let mut bytes = self.fields(keys)?;
        let mut owner = owner.text(self.header_len);
        if self.header_len > MIN_HEADER_LEN {
            seal_alone(self.owner_key(keys)?.bytes(), &bytes, &mut owner);
        }
        let tag = keys.tag_key(self.key_id)?.hash(&[&bytes]);
        bytes.extend_from_slice(tag.as_bytes());
        bytes.extend_from_slice(&owner);
        assert_eq!(
            bytes.len(),
            usize::from(self.header_len),
            "a header is as long as it says"
        );
        Ok(bytes)
    }

    /// Reads a header off the front of a fragment's bytes; what follows it is not looked at.
    pub fn decode(bytes: &[u8], keys: &Keys) -> Result<(Header, Owner), HeaderError> {
        let header = Header::decode_core(bytes, keys)?;
        let want = usize::from(header.header_len);
        let (Some(fields), Some(sealed)) = (bytes.get(..FIELDS_LEN), bytes.get(CORE_LEN..want)) else {
            return Err(HeaderError::Short { want, got: bytes.len() });
        };
        if sealed.is_empty() {
            return Ok((header, Owner::default()));
        }
        let text = open_alone(header.owner_key(keys)?.bytes(), fields, sealed).map_err(OwnerError::Seal)?;
        Ok((header, Owner::parse(&text)?))
    }

    /// Reads the core alone: the first 512 bytes of a fragment are enough.
    pub fn decode_core(bytes: &[u8], keys: &Keys) -> Result<Header, HeaderError> {
        let short = HeaderError::Short {
            want: CORE_LEN,
            got: bytes.len(),
        };
        let (fields, rest) = bytes.split_first_chunk::<FIELDS_LEN>().ok_or(short)?;
        let tag: &Tag = rest.first_chunk().ok_or(short)?;
        let core = Core::read(fields);
        if core.magic != MAGIC {
            return Err(HeaderError::Magic);
        }
        if core.version != VERSION {
            return Err(HeaderError::Version { found: core.version });
        }
        let expected = keys.tag_key(core.key_id)?.hash(&[fields]);
        if !bool::from(expected.as_bytes().ct_eq(tag)) {
            return Err(HeaderError::Tag);
        }
        core.header(keys)
    }

    /// What a reader checks of a proved header, and a writer of its own.
    fn check(&self) -> Result<(), HeaderError> {
        let header_len = self.header_len;
        require(header_len.is_multiple_of(HEADER_STEP), "header_len", header_len)?;
        require(
            (MIN_HEADER_LEN..=MAX_HEADER_LEN).contains(&header_len),
            "header_len",
            header_len,
        )?;
        self.shape.check()?;
        require(
            (self.shape.k..=self.shape.n).contains(&self.quorum),
            "quorum",
            self.quorum,
        )?;
        require(self.index < self.shape.n, "index", self.index)?;
        require(self.shape.overhead == overhead(self.sealed), "cipher", self.sealed)?;
        let bare = matches!(self.kind, Kind::Tombstone | Kind::Void | Kind::Epoch);
        require(
            !bare || self.shape.payload_len == 0,
            "payload_len",
            self.shape.payload_len,
        )?;
        require(
            self.fragment_len() <= MAX_FRAGMENT_LEN,
            "fragment_len",
            self.fragment_len(),
        )
    }

    /// The core without its tag.
    fn fields(&self, keys: &Keys) -> Result<Vec<u8>, UnknownKey> {
        let mut bytes = Vec::with_capacity(self.header_len.into());
        bytes.extend_from_slice(&MAGIC);
        for number in [VERSION, self.header_len] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend_from_slice(&[self.kind as u8, u8::from(self.sealed), CODE, 0]);
        for number in [self.shape.k, self.shape.n, self.quorum, self.index] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend_from_slice(&self.key_id.to_le_bytes());
        bytes.extend_from_slice(&self.shape.chunk_len.to_le_bytes());
        bytes.extend_from_slice(&self.shape.payload_len.to_le_bytes());
        bytes.extend_from_slice(&self.extent.0);
        bytes.extend_from_slice(&keys.set().0);
        bytes.extend_from_slice(&self.generation.to_bytes());
        bytes.extend_from_slice(&self.copy.to_le_bytes());
        bytes.extend_from_slice(&self.group.0);
        bytes.extend_from_slice(&self.salt);
        bytes.extend_from_slice(&self.commitment(keys)?);
        bytes.extend_from_slice(&self.fragment_len().to_le_bytes());
        bytes.resize(FIELDS_LEN, 0);
        Ok(bytes)
    }

    fn commitment(&self, keys: &Keys) -> Result<[u8; 32], UnknownKey> {
        Ok(self.cipher(keys)?.map_or([0; 32], |cipher| *cipher.commitment()))
    }

    /// The key of this fragment's owner's part, which nothing else is ever sealed with.
    fn owner_key(&self, keys: &Keys) -> Result<Key, UnknownKey> {
        let place = [
            &self.extent.0[..],
            &self.salt,
            &self.index.to_le_bytes(),
            &self.copy.to_le_bytes(),
        ];
        Ok(keys.owner_key(self.key_id)?.key(&place))
    }
}

/// A core as it stands there, all fields and nothing checked.
struct Core {
    magic: [u8; 8],
    version: u16,
    header_len: u16,
    kind: u8,
    cipher: u8,
    code: u8,
    reserved: u8,
    k: u16,
    n: u16,
    quorum: u16,
    index: u16,
    key_id: u32,
    chunk_len: u32,
    payload_len: u64,
    extent: ExtentId,
    set: SetId,
    generation: Generation,
    copy: u64,
    group: Group,
    salt: [u8; 32],
    commitment: [u8; 32],
    fragment_len: u64,
    zeros_end: bool,
}

impl Core {
    fn read(fields: &[u8; FIELDS_LEN]) -> Core {
        Core::take(&mut Cursor::new(fields)).expect("the fields take 200 of 480 bytes")
    }

    fn take(fields: &mut Cursor<'_>) -> Option<Core> {
        Some(Core {
            magic: fields.array()?,
            version: fields.u16()?,
            header_len: fields.u16()?,
            kind: fields.u8()?,
            cipher: fields.u8()?,
            code: fields.u8()?,
            reserved: fields.u8()?,
            k: fields.u16()?,
            n: fields.u16()?,
            quorum: fields.u16()?,
            index: fields.u16()?,
            key_id: fields.u32()?,
            chunk_len: fields.u32()?,
            payload_len: fields.u64()?,
            extent: ExtentId(fields.array()?),
            set: SetId(fields.array()?),
            generation: fields.generation()?,
            copy: fields.u64()?,
            group: Group(fields.array()?),
            salt: fields.array()?,
            commitment: fields.array()?,
            fragment_len: fields.u64()?,
            zeros_end: is_zero(fields.rest()),
        })
    }

    /// The header, if this proved core can be one.
    fn header(self, keys: &Keys) -> Result<Header, HeaderError> {
        require(self.reserved == 0, "at offset 15", self.reserved)?;
        require(self.zeros_end, "from offset 200 on", 1_u8)?;
        require(self.code == CODE, "code", self.code)?;
        require(self.cipher <= 1, "cipher", self.cipher)?;
        if self.set != keys.set() {
            return Err(HeaderError::OtherSet { found: self.set });
        }
        let kind = Kind::from_number(self.kind);
        let header = Header {
            header_len: self.header_len,
            kind: kind.ok_or(HeaderError::Field {
                field: "kind",
                found: self.kind.into(),
            })?,
            sealed: self.cipher == 1,
            shape: Shape {
                k: self.k,
                n: self.n,
                chunk_len: self.chunk_len,
                overhead: overhead(self.cipher == 1),
                payload_len: self.payload_len,
            },
            quorum: self.quorum,
            index: self.index,
            key_id: self.key_id,
            extent: self.extent,
            generation: self.generation,
            copy: self.copy,
            group: self.group,
            salt: self.salt,
        };
        header.check()?;
        require(
            self.fragment_len == header.fragment_len(),
            "fragment_len",
            self.fragment_len,
        )?;
        if self.commitment != header.commitment(keys)? {
            return Err(HeaderError::Commitment);
        }
        Ok(header)
    }
}

/// Bytes that the cipher adds to a chunk.
fn overhead(sealed: bool) -> u32 {
    if sealed { SEAL_OVERHEAD } else { 0 }
}

fn require(holds: bool, field: &'static str, found: impl Into<u64>) -> Result<(), HeaderError> {
    holds.then_some(()).ok_or(HeaderError::Field {
        field,
        found: found.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::super::id::WriterId;
    use super::super::secret::SetSecret;
    use super::*;
    use crate::cipher::CipherError;

    fn keys() -> Keys {
        Keys::new(&SetSecret::new([7; 32]))
    }

    fn header() -> Header {
        Header {
            header_len: 1024,
            kind: Kind::RootData,
            sealed: true,
            shape: Shape {
                k: 4,
                n: 6,
                chunk_len: 256,
                overhead: 16,
                payload_len: 2500,
            },
            quorum: 5,
            index: 3,
            key_id: 0,
            extent: ExtentId([1; 16]),
            generation: Generation {
                epoch: 2,
                sequence: 3,
                writer: WriterId([4; 16]),
            },
            copy: 5,
            group: keys().group("name"),
            salt: [6; 32],
        }
    }

    fn owner() -> Owner {
        Owner {
            name: Some("name".into()),
            object_len: Some(2500),
            ..Owner::default()
        }
    }

    /// The header's bytes after `change` of its fields, with a tag that proves them.
    fn forged(change: impl Fn(&mut [u8])) -> Vec<u8> {
        let mut bytes = header().encode(&keys(), &owner()).unwrap();
        change(&mut bytes[..FIELDS_LEN]);
        let tag = keys().tag_key(0).unwrap().hash(&[&bytes[..FIELDS_LEN]]);
        bytes[FIELDS_LEN..CORE_LEN].copy_from_slice(tag.as_bytes());
        bytes
    }

    #[test]
    fn a_header_reads_back_with_its_owner() {
        let bytes = header().encode(&keys(), &owner()).unwrap();
        assert_eq!(bytes.len(), 1024);
        assert_eq!(Header::decode(&bytes, &keys()), Ok((header(), owner())));
        let plain = Header {
            header_len: 512,
            sealed: false,
            shape: Shape {
                overhead: 0,
                ..header().shape
            },
            ..header()
        };
        let bytes = plain.encode(&keys(), &Owner::default()).unwrap();
        assert_eq!(Header::decode(&bytes, &keys()), Ok((plain, Owner::default())));
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let bytes = header().encode(&keys(), &owner()).unwrap();
        for at in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[at / 8] ^= 1 << (at % 8);
            let error = Header::decode(&flipped, &keys()).unwrap_err();
            let seal = HeaderError::Owner(OwnerError::Seal(CipherError::Tag));
            assert_eq!(error == seal, at / 8 >= CORE_LEN, "bit {at}: {error}");
        }
    }

    #[test]
    fn a_header_cut_off_is_short() {
        let bytes = header().encode(&keys(), &owner()).unwrap();
        for got in 0..bytes.len() {
            let want = if got < CORE_LEN { CORE_LEN } else { 1024 };
            assert_eq!(
                Header::decode(&bytes[..got], &keys()),
                Err(HeaderError::Short { want, got })
            );
        }
    }

    #[test]
    fn no_length_is_believed_before_the_tag() {
        let mut bytes = header().encode(&keys(), &owner()).unwrap();
        bytes[10..12].copy_from_slice(&0xffff_u16.to_le_bytes());
        bytes[32..40].copy_from_slice(&u64::MAX.to_le_bytes());
        assert_eq!(Header::decode(&bytes, &keys()), Err(HeaderError::Tag));
    }

    #[test]
    fn a_strangers_header_is_refused() {
        let bytes = header().encode(&keys(), &owner()).unwrap();
        let stranger = Keys::new(&SetSecret::new([8; 32]));
        assert_eq!(Header::decode(&bytes, &stranger), Err(HeaderError::Tag));
        assert_eq!(
            Header::decode(&forged(|f| f[24] = 9), &keys()),
            Err(HeaderError::UnknownKey(UnknownKey(9)))
        );
        assert_eq!(
            Header::decode(&forged(|f| f[0] = b'r'), &keys()),
            Err(HeaderError::Magic)
        );
        assert_eq!(
            Header::decode(&forged(|f| f[8] = 2), &keys()),
            Err(HeaderError::Version { found: 2 })
        );
    }

    #[test]
    fn impossible_values_are_refused_even_with_a_true_tag() {
        let field = |field, found| HeaderError::Field { field, found };
        let put = |at: usize, bytes: &'static [u8]| forged(move |f| f[at..at + bytes.len()].copy_from_slice(bytes));
        let cases = [
            (put(10, &[1, 4]), field("header_len", 1025)),
            (put(10, &[0, 0]), field("header_len", 0)),
            (put(10, &[0, 0x12]), field("header_len", 0x1200)),
            (put(12, &[0]), field("kind", 0)),
            (put(12, &[10]), field("kind", 10)),
            (put(12, &[5]), field("payload_len", 2500)),
            (put(13, &[2]), field("cipher", 2)),
            (put(14, &[0]), field("code", 0)),
            (put(15, &[1]), field("at offset 15", 1)),
            (put(16, &[0]), HeaderError::Shape(ShapeError::Counts { k: 0, n: 6 })),
            (
                put(18, &[1, 1]),
                HeaderError::Shape(ShapeError::Counts { k: 4, n: 257 }),
            ),
            (put(20, &[3]), field("quorum", 3)),
            (put(20, &[7]), field("quorum", 7)),
            (put(22, &[6]), field("index", 6)),
            (
                put(28, &[16, 0]),
                HeaderError::Shape(ShapeError::ChunkLen {
                    chunk_len: 16,
                    overhead: 16,
                }),
            ),
            (
                put(32, &[0xff; 8]),
                HeaderError::Shape(ShapeError::PayloadLen { payload_len: u64::MAX }),
            ),
            (put(32, &[1]), field("fragment_len", header().fragment_len())),
            (
                put(192, &[2]),
                field("fragment_len", header().fragment_len() & !0xff | 2),
            ),
            (put(200, &[1]), field("from offset 200 on", 1)),
            (put(479, &[1]), field("from offset 200 on", 1)),
            (put(160, &[1]), HeaderError::Commitment),
        ];
        for (at, (bytes, error)) in cases.into_iter().enumerate() {
            assert_eq!(Header::decode(&bytes, &keys()), Err(error), "case {at}");
        }
        let found = SetId([0; 16]);
        assert_eq!(
            Header::decode(&put(56, &[0; 16]), &keys()),
            Err(HeaderError::OtherSet { found })
        );
    }

    #[test]
    fn a_header_may_not_make_a_fragment_too_long() {
        let shape = Shape {
            k: 1,
            n: 1,
            chunk_len: 4 << 20,
            overhead: 16,
            payload_len: 0,
        };
        let largest = |header_len| Shape::largest_payload(1, shape.chunk_len, 16, header_len, MAX_FRAGMENT_LEN);
        let with = |payload_len| Header {
            shape: Shape { payload_len, ..shape },
            quorum: 1,
            index: 0,
            ..header()
        };
        assert_eq!(with(largest(1024)).check(), Ok(()));
        assert!(matches!(
            with(largest(1024) + 1).check(),
            Err(HeaderError::Field {
                field: "fragment_len",
                ..
            })
        ));
    }
}
