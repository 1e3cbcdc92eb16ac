//! Blob keys: where a fragment lies at its provider. A listing of keys, read with the set's token keys, is the skeleton of a rebuild; to
//! others it is noise. The rules are `docs/format.md` 4.
//!
//! ```text
//! q / 7 / 3k5…  24 letters of the group | 132 letters of the sealed token           156 characters, two folders
//! ```

#![deny(clippy::indexing_slicing)]

use subtle::ConstantTimeEq;

use super::cursor::Cursor;
use super::header::Header;
use super::id::{BASE32, ExtentId, Generation, Group, Kind};
use super::secret::{Keys, half};
use crate::stripe::geometry::MAX_FRAGMENT_LEN;

/// What keys of identity and membership blobs begin with. No fragment's key does: its first folder is one letter.
pub const IDENTITY_PREFIX: &str = "identity/";

const TOKEN_LEN: usize = 66;
const SIV_LEN: usize = 16;

/// Letters of a group in base32.
const GROUP_LETTERS: usize = 26;

/// Letters of a sealed token in base32.
const SEALED_LETTERS: usize = 132;

/// What a fragment's key tells of it: all that a rebuild needs of a listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token {
    /// What its extent is for.
    pub kind: Kind,
    /// Which fragment, 0..n.
    pub index: u16,
    /// Fragments that read the extent, 1..=n.
    pub k: u16,
    /// All fragments of the extent, at most 256.
    pub n: u16,
    /// Fragments confirmed before it counts, k..=n.
    pub quorum: u16,
    /// Bytes of the blob, at most 64 MiB.
    pub fragment_len: u32,
    /// Random, new for each write of a fragment.
    pub copy: u64,
    /// Its extent.
    pub extent: ExtentId,
    /// The generation that the extent was written under, or that it annuls.
    pub generation: Generation,
}

impl Header {
    /// What the key of this fragment tells.
    ///
    /// # Panics
    /// If it is longer than any fragment.
    pub fn token(&self) -> Token {
        Token {
            kind: self.kind,
            index: self.index,
            k: self.shape.k,
            n: self.shape.n,
            quorum: self.quorum,
            fragment_len: u32::try_from(self.fragment_len()).expect("at most 64 MiB"),
            copy: self.copy,
            extent: self.extent,
            generation: self.generation,
        }
    }

    /// The key of this fragment.
    ///
    /// # Panics
    /// If the facts can't be those of a fragment.
    pub fn key(&self, keys: &Keys) -> String {
        seal_key(keys, self.group, &self.token())
    }
}

/// The key of a fragment of the group's object.
///
/// # Panics
/// If the token's counts are impossible.
pub fn seal_key(keys: &Keys, group: Group, token: &Token) -> String {
    assert!(token.is_possible(), "{token:?}");
    let plain = token.to_bytes();
    let siv = siv(keys, group, &plain);
    let sealed = [&siv[..], &xor_stream(keys, &siv, plain)].concat();
    let (group, sealed) = (BASE32.encode(&group.0), BASE32.encode(&sealed));
    let (first, rest) = group.split_at(1);
    let (second, rest) = rest.split_at(1);
    format!("{first}/{second}/{rest}{sealed}")
}

/// What a key of [`seal_key`] tells; `None` for any other text, those of other sets included.
pub fn open_key(keys: &Keys, key: &str) -> Option<(Group, Token)> {
    let (first, rest) = key.split_once('/')?;
    let (second, rest) = rest.split_once('/')?;
    if first.len() != 1 || second.len() != 1 || rest.len() != GROUP_LETTERS - 2 + SEALED_LETTERS {
        return None;
    }
    let (group_rest, sealed) = rest.split_at_checked(GROUP_LETTERS - 2)?;
    let group = Group::parse(&[first, second, group_rest].concat())?;
    let sealed = BASE32.decode(sealed.as_bytes()).ok()?;
    let (siv_found, hidden) = sealed.split_first_chunk::<SIV_LEN>()?;
    let plain = xor_stream(keys, siv_found, hidden.try_into().ok()?);
    let proved: bool = siv(keys, group, &plain).ct_eq(siv_found).into();
    proved.then(|| Token::from_bytes(&plain))?.map(|token| (group, token))
}

impl Token {
    fn is_possible(&self) -> bool {
        (1..=self.n).contains(&self.k)
            && self.n <= 256
            && (self.k..=self.n).contains(&self.quorum)
            && self.index < self.n
            && u64::from(self.fragment_len) <= MAX_FRAGMENT_LEN
    }

    fn to_bytes(self) -> [u8; TOKEN_LEN] {
        let small = |number: u16| u8::try_from(number).expect("counts are at most 256, less one");
        let mut bytes = vec![self.kind as u8, 0, small(self.index)];
        bytes.extend([self.k, self.n, self.quorum].map(|count| small(count - 1)));
        bytes.extend_from_slice(&self.fragment_len.to_le_bytes());
        bytes.extend_from_slice(&self.copy.to_le_bytes());
        bytes.extend_from_slice(&self.extent.0);
        bytes.extend_from_slice(&self.generation.to_bytes());
        bytes.try_into().expect("the fields take 66 bytes")
    }

    /// `None` for a token that this RAIC doesn't write.
    fn from_bytes(bytes: &[u8; TOKEN_LEN]) -> Option<Token> {
        let mut fields = Cursor::new(bytes);
        let kind = Kind::from_number(fields.u8()?)?;
        if fields.u8()? != 0 {
            return None;
        }
        let token = Token {
            kind,
            index: fields.u8()?.into(),
            k: u16::from(fields.u8()?) + 1,
            n: u16::from(fields.u8()?) + 1,
            quorum: u16::from(fields.u8()?) + 1,
            fragment_len: fields.u32()?,
            copy: fields.u64()?,
            extent: ExtentId(fields.array()?),
            generation: fields.generation()?,
        };
        token.is_possible().then_some(token)
    }
}

/// Proves group and token, and starts the stream: equal tokens make equal keys, and nothing else is told.
fn siv(keys: &Keys, group: Group, token: &[u8; TOKEN_LEN]) -> [u8; SIV_LEN] {
    let hash = keys.token_mac_key().hash(&[&group.0, token]);
    half(hash.as_bytes())
}

fn xor_stream(keys: &Keys, siv: &[u8; SIV_LEN], mut token: [u8; TOKEN_LEN]) -> [u8; TOKEN_LEN] {
    let mut stream = [0; TOKEN_LEN];
    keys.token_stream_key().hasher(&[siv]).finalize_xof().fill(&mut stream);
    token.iter_mut().zip(stream).for_each(|(byte, hide)| *byte ^= hide);
    token
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::id::WriterId;
    use super::super::secret::SetSecret;
    use super::*;

    fn keys() -> Keys {
        Keys::new(&SetSecret::new([7; 32]))
    }

    fn tokens() -> impl Strategy<Value = Token> {
        let counts = (1..=256_u16).prop_flat_map(|n| (0..n, 1..=n, Just(n)));
        let counts = counts.prop_flat_map(|(index, k, n)| (Just((index, k, n)), k..=n));
        let names = (
            any::<[u8; 16]>(),
            any::<u64>(),
            any::<[u8; 32]>(),
            0..=64_u32 << 20,
            1..=9_u8,
        );
        (counts, names).prop_map(
            |(((index, k, n), quorum), (extent, copy, generation, fragment_len, kind))| Token {
                kind: Kind::from_number(kind).unwrap(),
                index,
                k,
                n,
                quorum,
                fragment_len,
                copy,
                extent: ExtentId(extent),
                generation: Generation::from_bytes(&generation),
            },
        )
    }

    fn token() -> Token {
        Token {
            kind: Kind::RootData,
            index: 3,
            k: 4,
            n: 6,
            quorum: 5,
            fragment_len: 8 << 20,
            copy: 9,
            extent: ExtentId([1; 16]),
            generation: Generation {
                epoch: 1,
                sequence: 2,
                writer: WriterId([3; 16]),
            },
        }
    }

    proptest! {
        #[test]
        fn a_key_tells_its_token_to_the_owner(token in tokens(), group: [u8; 16]) {
            let key = seal_key(&keys(), Group(group), &token);
            let lengths: Vec<_> = key.split('/').map(str::len).collect();
            prop_assert_eq!(lengths, [1, 1, 156]);
            prop_assert!(key.bytes().all(|c| matches!(c, b'a'..=b'z' | b'2'..=b'7' | b'/')));
            prop_assert_eq!(open_key(&keys(), &key), Some((Group(group), token)));
        }

        #[test]
        fn no_text_is_too_strange_to_pass_over(key in "([a-z2-7]/){0,3}\\PC{0,200}") {
            prop_assert_eq!(open_key(&keys(), &key), None);
        }
    }

    #[test]
    fn every_changed_character_makes_it_a_strangers_key() {
        let key = seal_key(&keys(), keys().group("name"), &token());
        for at in 0..key.len() {
            for other in ["a", "b", "7", "A", "/", ".", "", "ä", "aa"] {
                let changed = format!("{}{other}{}", &key[..at], &key[at + 1..]);
                assert!(
                    changed == key || open_key(&keys(), &changed).is_none(),
                    "{other} at {at}"
                );
            }
        }
        for changed in [
            format!("/{key}"),
            format!("{key}/"),
            format!("x/{key}"),
            format!("{key}aaaaaaaa"),
        ] {
            assert_eq!(open_key(&keys(), &changed), None);
        }
    }

    #[test]
    fn another_set_learns_nothing() {
        let key = seal_key(&keys(), keys().group("name"), &token());
        assert_eq!(open_key(&Keys::new(&SetSecret::new([8; 32])), &key), None);
    }

    #[test]
    fn fragments_of_one_object_share_folders_and_nothing_else() {
        let group = keys().group("name");
        let one = seal_key(&keys(), group, &token());
        let two = seal_key(&keys(), group, &Token { copy: 10, ..token() });
        assert_eq!(one[..28], two[..28]);
        let same = one[28..].bytes().zip(two[28..].bytes()).filter(|(a, b)| a == b).count();
        assert!(same < 20, "{same} of 132 letters are the same");
    }

    #[test]
    #[should_panic(expected = "index: 6")]
    fn an_impossible_token_is_a_mistake() {
        let _ = seal_key(&keys(), Group([0; 16]), &Token { index: 6, ..token() });
    }
}
