//! Storage indexes and share numbers, as they stand in a path and as they name what is kept.

use std::fmt;

use crate::catalog::ledger::ShareKey;

/// The letters of a storage index in a path: RFC 4648's, in lower case.
const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// Characters of a storage index.
const CHARACTERS: usize = 26;

/// 16 bytes that name one file's shares on every server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StorageIndex(pub [u8; 16]);

impl StorageIndex {
    /// Reads the 26 characters; the last one carries three bits, and what would be written otherwise is no storage index.
    #[must_use]
    pub fn parse(text: &str) -> Option<StorageIndex> {
        if text.len() != CHARACTERS {
            return None;
        }
        let (mut bytes, mut held, mut bits, mut at) = ([0; 16], 0_u32, 0, 0);
        for character in text.bytes() {
            let value = LETTERS.iter().position(|letter| *letter == character)?;
            held = (held << 5) | u32::try_from(value).ok()?;
            bits += 5;
            if bits >= 8 {
                bits -= 8;
                *bytes.get_mut(at)? = u8::try_from((held >> bits) & 0xff).ok()?;
                at += 1;
            }
            held &= (1 << bits) - 1;
        }
        (held == 0).then_some(StorageIndex(bytes))
    }
}

impl fmt::Display for StorageIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base32(&self.0))
    }
}

/// Base32 in lower case without padding.
#[must_use]
pub fn base32(bytes: &[u8]) -> String {
    data_encoding::BASE32_NOPAD.encode(bytes).to_ascii_lowercase()
}

/// A share number of a path: 0 to 255, without leading zeros.
#[must_use]
pub fn share_number(text: &str) -> Option<u8> {
    let plain = text.bytes().all(|digit| digit.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    plain.then(|| text.parse().ok()).flatten()
}

/// Which share, and of which kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Share {
    /// The name space: the two kinds never meet.
    pub kind: Kind,
    /// The bucket's or slot's name.
    pub index: StorageIndex,
    /// The share number.
    pub number: u8,
}

/// The two kinds of shares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A bucket's share: written once.
    Immutable,
    /// A slot's share: changed under a write enabler.
    Mutable,
}

impl From<Share> for ShareKey {
    fn from(share: Share) -> ShareKey {
        ShareKey {
            mutable: share.kind == Kind::Mutable,
            index: share.index.0,
            number: share.number,
        }
    }
}

impl From<ShareKey> for Share {
    fn from(key: ShareKey) -> Share {
        Share {
            kind: if key.mutable { Kind::Mutable } else { Kind::Immutable },
            index: StorageIndex(key.index),
            number: key.number,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_index_reads_back(bytes: [u8; 16]) {
            let text = StorageIndex(bytes).to_string();
            prop_assert_eq!(text.len(), CHARACTERS);
            prop_assert_eq!(StorageIndex::parse(&text), Some(StorageIndex(bytes)));
        }

        #[test]
        fn what_is_read_is_what_would_be_written(text in "[a-z2-7A-Z01=./%]{20,30}") {
            if let Some(index) = StorageIndex::parse(&text) {
                prop_assert_eq!(index.to_string(), text);
            }
        }
    }

    #[test]
    fn tricks_are_no_index() {
        for bad in [
            "",
            "..",
            "aaaaaaaaaaaaaaaaaaaaaaaaab",
            "AAAAAAAAAAAAAAAAAAAAAAAAAA",
            "../../../../../etc/passwd.",
            "aaaaaaaaaaaaaaaaaaaaaaaaaaa",
        ] {
            assert_eq!(StorageIndex::parse(bad), None, "{bad}");
        }
        assert_eq!(
            StorageIndex::parse("aaaaaaaaaaaaaaaaaaaaaaaaae"),
            Some(StorageIndex([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]))
        );
    }

    #[test]
    fn share_numbers_are_plain_decimals() {
        for (text, number) in [
            ("0", Some(0)),
            ("7", Some(7)),
            ("255", Some(255)),
            ("256", None),
            ("01", None),
            ("", None),
            ("-1", None),
            ("+1", None),
            ("1 ", None),
            ("\u{661}", None),
        ] {
            assert_eq!(share_number(text), number, "{text}");
        }
    }
}
