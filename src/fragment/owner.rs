//! The owner's part of a header: what the owner wants to know of an extent when the catalog is gone. Sealed in the fragment; here it is plain.
//!
//! ```text
//! type 2 | length 2 | value | type 2 | length 2 | value | ... | zeros        types rise
//! ```
//!
//! Records of types that are not known here (the storage node's, a later version's) are kept as they came, so a repair writes them again.

#![deny(clippy::indexing_slicing)]

use super::cursor::{Cursor, is_zero};
use super::header::{CORE_LEN, HEADER_STEP};
use crate::cipher::{CipherError, SEAL_LEN};
use crate::stripe::geometry::{MAX_HEADER_LEN, MIN_HEADER_LEN};

/// The longest object name, in bytes of UTF-8.
pub const MAX_NAME_LEN: usize = 1024;

/// The longest policy name, in bytes of UTF-8.
pub const MAX_POLICY_LEN: usize = 255;

/// The longest plain text of an owner's part, in bytes.
pub const MAX_TEXT_LEN: usize = MAX_HEADER_LEN as usize - CORE_LEN - SEAL_LEN;

/// Types from here on may not be skipped.
const CRITICAL: u16 = 0x8000;

const END: u16 = 0;
const NAME: u16 = 1;
const OBJECT_LEN: u16 = 2;
const ORDINAL: u16 = 3;
const MODIFIED: u16 = 4;
const DIGEST: u16 = 5;
const POLICY: u16 = 6;

/// Why an owner's part can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OwnerError {
    /// It does not open.
    #[error("owner's part")]
    Seal(#[from] CipherError),
    /// A record of a later version that changes the meaning of others.
    #[error("owner's part has a record of type {record:#06x}, which this RAIC has to know and doesn't")]
    Unknown {
        /// Its type.
        record: u16,
    },
    /// A record is cut off, or its value is not one of its type.
    #[error("owner's part: the value of record {record} can't be read")]
    Value {
        /// Its type.
        record: u16,
    },
    /// Types fall or repeat.
    #[error("owner's part: record {record} is out of order")]
    Order {
        /// The type that came too late.
        record: u16,
    },
    /// Bytes that are neither record nor zero.
    #[error("owner's part ends in bytes that are no record")]
    Padding,
}

/// What the owner's part tells. Every record may be absent; without any there is no owner's part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Owner {
    /// The object's name, at most [`MAX_NAME_LEN`] bytes.
    pub name: Option<String>,
    /// Bytes of the whole object.
    pub object_len: Option<u64>,
    /// Which of the object's data extents it is, from 0.
    pub ordinal: Option<u32>,
    /// When the object was modified, nanoseconds since 1970.
    pub modified: Option<i64>,
    /// The extent's digest.
    pub digest: Option<[u8; 32]>,
    /// The policy it was written under, at most [`MAX_POLICY_LEN`] bytes.
    pub policy: Option<String>,
    /// Other records, by rising type, all above 6 and below 0x8000.
    pub others: Vec<(u16, Vec<u8>)>,
}

impl Owner {
    /// Bytes of the shortest header that has room for this.
    ///
    /// # Panics
    /// If the records are against the limits that the fields tell, or too long for any header.
    pub fn header_len(&self) -> u16 {
        let text_len = self.records().len();
        if text_len == 0 {
            return MIN_HEADER_LEN;
        }
        assert!(
            text_len <= MAX_TEXT_LEN,
            "owner's part of {text_len} bytes, {MAX_TEXT_LEN} fit"
        );
        let len = u16::try_from(CORE_LEN + text_len + SEAL_LEN).expect("at most 4096");
        len.next_multiple_of(HEADER_STEP)
    }

    /// The plain text, filled up to what a header of this length has room for.
    ///
    /// # Panics
    /// If it has no room, or as [`Owner::header_len`].
    pub(super) fn text(&self, header_len: u16) -> Vec<u8> {
        let mut text = self.records();
        let room = usize::from(header_len).saturating_sub(CORE_LEN + SEAL_LEN);
        assert!(
            text.len() <= room,
            "owner's part of {} bytes, the header has room for {room}",
            text.len()
        );
        text.resize(room, 0);
        text
    }

    /// Reads the plain text.
    pub(super) fn parse(text: &[u8]) -> Result<Owner, OwnerError> {
        let (mut owner, mut last, mut text) = (Owner::default(), END, Cursor::new(text));
        loop {
            let before = text.rest();
            let record = text.u16().unwrap_or(END);
            if record == END {
                return is_zero(before).then_some(owner).ok_or(OwnerError::Padding);
            }
            if record <= last {
                return Err(OwnerError::Order { record });
            }
            last = record;
            let value = text.u16().and_then(|len| text.take(len.into()));
            owner.put(record, value.ok_or(OwnerError::Value { record })?)?;
        }
    }

    fn put(&mut self, record: u16, value: &[u8]) -> Result<(), OwnerError> {
        let bad = OwnerError::Value { record };
        match record {
            NAME => self.name = Some(read_text(value, MAX_NAME_LEN).ok_or(bad)?),
            OBJECT_LEN => self.object_len = Some(u64::from_le_bytes(value.try_into().map_err(|_| bad)?)),
            ORDINAL => self.ordinal = Some(u32::from_le_bytes(value.try_into().map_err(|_| bad)?)),
            MODIFIED => self.modified = Some(i64::from_le_bytes(value.try_into().map_err(|_| bad)?)),
            DIGEST => self.digest = Some(value.try_into().map_err(|_| bad)?),
            POLICY => self.policy = Some(read_text(value, MAX_POLICY_LEN).ok_or(bad)?),
            CRITICAL.. => return Err(OwnerError::Unknown { record }),
            _ => self.others.push((record, value.to_vec())),
        }
        Ok(())
    }

    fn records(&self) -> Vec<u8> {
        let mut text = Vec::new();
        let mut put = |record: u16, value: &[u8], limit: usize| {
            assert!(
                value.len() <= limit,
                "record {record} of {} bytes, {limit} are the most",
                value.len()
            );
            let len = u16::try_from(value.len()).expect("the limits are below 65,536");
            text.extend_from_slice(&record.to_le_bytes());
            text.extend_from_slice(&len.to_le_bytes());
            text.extend_from_slice(value);
        };
        self.name
            .iter()
            .for_each(|name| put(NAME, name.as_bytes(), MAX_NAME_LEN));
        self.object_len
            .iter()
            .for_each(|len| put(OBJECT_LEN, &len.to_le_bytes(), 8));
        self.ordinal
            .iter()
            .for_each(|ordinal| put(ORDINAL, &ordinal.to_le_bytes(), 4));
        self.modified
            .iter()
            .for_each(|modified| put(MODIFIED, &modified.to_le_bytes(), 8));
        self.digest.iter().for_each(|digest| put(DIGEST, digest, 32));
        self.policy
            .iter()
            .for_each(|policy| put(POLICY, policy.as_bytes(), MAX_POLICY_LEN));
        let mut last = POLICY;
        for (record, value) in &self.others {
            assert!(
                last < *record && *record < CRITICAL,
                "record {record} behind record {last}"
            );
            last = *record;
            put(*record, value, MAX_TEXT_LEN);
        }
        text
    }
}

fn read_text(value: &[u8], limit: usize) -> Option<String> {
    str::from_utf8(value)
        .ok()
        .filter(|text| text.len() <= limit)
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn owners() -> impl Strategy<Value = Owner> {
        let names = (prop::option::of("\\PC{0,80}"), prop::option::of("[a-z]{0,20}"));
        let numbers = (
            any::<Option<u64>>(),
            any::<Option<u32>>(),
            any::<Option<i64>>(),
            any::<Option<[u8; 32]>>(),
        );
        let others = prop::collection::btree_map(7..0x8000_u16, prop::collection::vec(any::<u8>(), 0..200), 0..4);
        (names, numbers, others).prop_map(
            |((name, policy), (object_len, ordinal, modified, digest), others)| Owner {
                name,
                object_len,
                ordinal,
                modified,
                digest,
                policy,
                others: others.into_iter().collect(),
            },
        )
    }

    proptest! {
        #[test]
        fn what_is_told_is_read_again(owner in owners(), spare in 0..3_u16) {
            let header_len = owner.header_len() + spare * HEADER_STEP;
            prop_assert_eq!(Owner::parse(&owner.text(header_len)), Ok(owner));
        }

        #[test]
        fn strange_bytes_are_read_to_the_letter_or_refused(
            text in prop::collection::vec(prop_oneof![3 => Just(0), 3 => 1..7_u8, 1 => any::<u8>()], 0..60),
        ) {
            if let Ok(owner) = Owner::parse(&text) {
                let records = owner.records();
                prop_assert_eq!(&text[..records.len()], &records[..]);
                prop_assert!(is_zero(&text[records.len()..]));
            }
        }
    }

    #[test]
    fn an_owner_with_nothing_to_say_takes_no_room() {
        assert_eq!(Owner::default().header_len(), 512);
        assert_eq!(
            Owner {
                ordinal: Some(0),
                ..Owner::default()
            }
            .header_len(),
            1024
        );
    }

    #[test]
    fn the_longest_owner_fills_the_longest_header() {
        let long = |len| Owner {
            others: vec![(16, vec![1; len])],
            ..Owner::default()
        };
        assert_eq!(long(1024 - 512 - 16 - 4).header_len(), 1024);
        assert_eq!(long(1024 - 512 - 16 - 3).header_len(), 1536);
        assert_eq!(long(MAX_TEXT_LEN - 4).header_len(), MAX_HEADER_LEN);
    }

    #[test]
    #[should_panic(expected = "record 1 of 1025 bytes, 1024 are the most")]
    fn a_name_too_long_is_a_mistake() {
        let _ = Owner {
            name: Some("x".repeat(1025)),
            ..Owner::default()
        }
        .header_len();
    }

    #[test]
    fn what_is_no_record_is_refused() {
        let cases: [(&[u8], OwnerError); 9] = [
            (&[1], OwnerError::Padding),
            (&[0, 0, 1], OwnerError::Padding),
            (&[1, 0, 5, 0, b'a'], OwnerError::Value { record: 1 }),
            (&[1, 0, 1], OwnerError::Value { record: 1 }),
            (&[1, 0, 1, 0, 0xff], OwnerError::Value { record: 1 }),
            (&[3, 0, 3, 0, 1, 2, 3], OwnerError::Value { record: 3 }),
            (&[3, 0, 4, 0, 1, 2, 3, 4, 1, 0, 0, 0], OwnerError::Order { record: 1 }),
            (&[3, 0, 4, 0, 1, 2, 3, 4, 3, 0, 0, 0], OwnerError::Order { record: 3 }),
            (&[1, 0x80, 0, 0], OwnerError::Unknown { record: 0x8001 }),
        ];
        for (text, error) in cases {
            assert_eq!(Owner::parse(text), Err(error), "{text:?}");
        }
    }
}
