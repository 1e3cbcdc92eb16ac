//! The set's one secret, and all keys that are made of it. The rules are `docs/format.md` 1.
//!
//! ```text
//! secret ──▶ set id, name key, token keys, identity key            once per set, for ever
//! secret_j ──▶ tag key, owner key, data key                        secret_0 is the secret, later ones are in the keyring
//! ```
//!
//! Nothing here shows a key: `Debug` tells names only, and memory is wiped when a key is dropped.

use std::collections::BTreeMap;
use std::fmt;

use zeroize::Zeroizing;

use super::id::{BASE32, ExtentId, Group, SetId};
use crate::cipher::ChunkCipher;

/// What a key file begins with.
const PREFIX: &str = "raic-key-1:";

/// What the key file of any version begins with.
const ANY_PREFIX: &str = "raic-key-";

/// Bytes of checksum behind the secret: a slip of the pen passes once in 4 · 10^9.
const CHECK_LEN: usize = 4;

/// A text that is not a key. None of these tells a letter of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// Not a key file at all.
    #[error("not a RAIC key: it begins with `{PREFIX}`")]
    Prefix,
    /// Made by a later RAIC.
    #[error("a RAIC key of a later version: this RAIC reads `{PREFIX}`")]
    Newer,
    /// A character that base32 doesn't have.
    #[error("character {at} of the key is none of a-z, 2-7")]
    Character {
        /// Counted from 1 behind the prefix, without hyphens and white space.
        at: usize,
    },
    /// Something is missing, or there is too much.
    #[error("the key has {got} characters behind `{PREFIX}`, {want} are needed")]
    Length {
        /// Without hyphens and white space.
        got: usize,
        /// The right number.
        want: usize,
    },
    /// Characters were mistaken.
    #[error("the key's checksum does not match: at least one character is wrong")]
    Checksum,
}

/// The key id is not in the keyring: a later keyring is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("key id {0} is not in the keyring")]
pub struct UnknownKey(pub u32);

/// The secret of a set, 32 random bytes. Whoever has it has everything.
#[derive(Clone, PartialEq, Eq)]
pub struct SetSecret(Zeroizing<[u8; 32]>);

impl fmt::Debug for SetSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SetSecret")
    }
}

impl SetSecret {
    /// Takes 32 random bytes for a new set.
    pub fn new(random: [u8; 32]) -> SetSecret {
        SetSecret(Zeroizing::new(random))
    }

    /// The text of the key file: one line, without its end.
    pub fn to_text(&self) -> Zeroizing<String> {
        let check = blake3::hash(&self.0[..]);
        let bytes = Zeroizing::new([&self.0[..], &check.as_bytes()[..CHECK_LEN]].concat());
        Zeroizing::new(format!("{PREFIX}{}", *Zeroizing::new(BASE32.encode(&bytes))))
    }

    /// Reads the text of a key file, or one typed from paper: white space and hyphens don't matter, neither do capitals.
    pub fn parse(text: &str) -> Result<SetSecret, SecretError> {
        let text = text.trim();
        let (given, letters) = text.split_once(':').unwrap_or((text, ""));
        let given = plain(given);
        if *given != *plain(PREFIX.trim_end_matches(':')) {
            let newer = given.starts_with(&**plain(ANY_PREFIX));
            return Err(if newer { SecretError::Newer } else { SecretError::Prefix });
        }
        let bytes = decode(&plain(letters))?;
        let mut secret = Zeroizing::new([0; 32]);
        secret.copy_from_slice(&bytes[..32]);
        let check = blake3::hash(&secret[..]);
        let matches = check.as_bytes()[..CHECK_LEN] == bytes[32..];
        matches.then_some(SetSecret(secret)).ok_or(SecretError::Checksum)
    }
}

/// What was typed, without what does not matter: spaces, hyphens, capitals.
fn plain(typed: &str) -> Zeroizing<String> {
    let kept = typed.chars().filter(|c| !c.is_whitespace() && *c != '-');
    Zeroizing::new(kept.map(|c| c.to_ascii_lowercase()).collect())
}

/// The secret and its checksum, 36 bytes.
fn decode(letters: &str) -> Result<Zeroizing<Vec<u8>>, SecretError> {
    if let Some(at) = letters.chars().position(|c| !matches!(c, 'a'..='z' | '2'..='7')) {
        return Err(SecretError::Character { at: at + 1 });
    }
    let want = BASE32.encode_len(32 + CHECK_LEN);
    if letters.len() != want {
        return Err(SecretError::Length {
            got: letters.len(),
            want,
        });
    }
    // What is left to go wrong are the two bits behind the last byte.
    BASE32
        .decode(letters.as_bytes())
        .map(Zeroizing::new)
        .map_err(|_| SecretError::Checksum)
}

/// The first 16 bytes of a hash.
pub(super) fn half(hash: &[u8; 32]) -> [u8; 16] {
    std::array::from_fn(|at| hash[at])
}

/// A key of BLAKE3's keyed mode.
#[derive(Clone)]
pub(super) struct Key(Zeroizing<[u8; 32]>);

impl Key {
    /// derive(context, secret)
    fn derive(context: &str, secret: &[u8; 32]) -> Key {
        Key(Zeroizing::new(blake3::derive_key(context, secret)))
    }

    /// keyed(self, parts one after another)
    pub(super) fn hash(&self, parts: &[&[u8]]) -> blake3::Hash {
        self.hasher(parts).finalize()
    }

    /// The same, as a key.
    pub(super) fn key(&self, parts: &[&[u8]]) -> Key {
        Key(Zeroizing::new(*self.hash(parts).as_bytes()))
    }

    /// The same, not yet ended.
    pub(super) fn hasher(&self, parts: &[&[u8]]) -> blake3::Hasher {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        for part in parts {
            hasher.update(part);
        }
        hasher
    }

    /// For ciphers.
    pub(super) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// The keys that change: those of one key id.
#[derive(Clone)]
struct Ring {
    tag: Key,
    owner: Key,
    data: Key,
}

impl Ring {
    fn new(secret: &[u8; 32]) -> Ring {
        Ring {
            tag: Key::derive("raic v1 tag key", secret),
            owner: Key::derive("raic v1 owner key", secret),
            data: Key::derive("raic v1 data key", secret),
        }
    }
}

/// All keys of a set.
#[derive(Clone)]
pub struct Keys {
    set: SetId,
    name: Key,
    token_mac: Key,
    token_stream: Key,
    identity: Key,
    rings: BTreeMap<u32, Ring>,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<_> = self.rings.keys().collect();
        f.debug_struct("Keys")
            .field("set", &self.set)
            .field("key_ids", &ids)
            .finish_non_exhaustive()
    }
}

impl Keys {
    /// The keys of a set whose keyring holds key id 0 only.
    pub fn new(secret: &SetSecret) -> Keys {
        let secret = &*secret.0;
        let set_id = blake3::derive_key("raic v1 set id", secret);
        Keys {
            set: SetId(half(&set_id)),
            name: Key::derive("raic v1 name key", secret),
            token_mac: Key::derive("raic v1 token mac key", secret),
            token_stream: Key::derive("raic v1 token stream key", secret),
            identity: Key::derive("raic v1 identity key", secret),
            rings: BTreeMap::from([(0, Ring::new(secret))]),
        }
    }

    /// Adds a later secret of the keyring.
    ///
    /// # Panics
    /// If `key_id` is 0, which is the set's own.
    pub fn add(&mut self, key_id: u32, secret: &[u8; 32]) {
        assert!(key_id > 0, "key id 0 belongs to the set's secret");
        self.rings.insert(key_id, Ring::new(secret));
    }

    /// The key id that new extents take: the highest.
    pub fn newest(&self) -> u32 {
        self.rings.keys().next_back().copied().unwrap_or(0)
    }

    /// Which set it is.
    pub fn set(&self) -> SetId {
        self.set
    }

    /// The group of the object with this name.
    pub fn group(&self, name: &str) -> Group {
        let hash = self.name.hash(&[name.as_bytes()]);
        Group(half(hash.as_bytes()))
    }

    /// The cipher of one extent's data chunks.
    pub fn cipher(&self, key_id: u32, extent: ExtentId, salt: &[u8; 32]) -> Result<ChunkCipher, UnknownKey> {
        let data_key = &self.ring(key_id)?.data;
        Ok(ChunkCipher::new(data_key.bytes(), &self.set.0, &extent.0, salt))
    }

    /// Tags headers and frames.
    pub(super) fn tag_key(&self, key_id: u32) -> Result<&Key, UnknownKey> {
        Ok(&self.ring(key_id)?.tag)
    }

    /// Seals owner's parts.
    pub(super) fn owner_key(&self, key_id: u32) -> Result<&Key, UnknownKey> {
        Ok(&self.ring(key_id)?.owner)
    }

    /// Proves tokens.
    pub(super) fn token_mac_key(&self) -> &Key {
        &self.token_mac
    }

    /// Hides tokens.
    pub(super) fn token_stream_key(&self) -> &Key {
        &self.token_stream
    }

    /// Proves and seals identity blobs.
    pub(super) fn identity_key(&self) -> &Key {
        &self.identity
    }

    fn ring(&self, key_id: u32) -> Result<&Ring, UnknownKey> {
        self.rings.get(&key_id).ok_or(UnknownKey(key_id))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn secret() -> SetSecret {
        SetSecret::new(std::array::from_fn(|at| u8::try_from(at).unwrap()))
    }

    proptest! {
        #[test]
        fn a_key_file_reads_back(bytes: [u8; 32]) {
            let secret = SetSecret::new(bytes);
            prop_assert_eq!(SetSecret::parse(&secret.to_text()), Ok(secret));
        }

        #[test]
        fn no_text_is_too_strange_to_refuse(text in "(raic-key-1:)?\\PC{0,80}") {
            prop_assert!(SetSecret::parse(&text).is_err());
        }
    }

    #[test]
    fn a_key_typed_from_paper_reads_too() {
        let text = secret().to_text().to_uppercase();
        let (prefix, letters) = text.split_once(':').unwrap();
        let pieces: Vec<_> = letters
            .as_bytes()
            .chunks(5)
            .map(|piece| str::from_utf8(piece).unwrap())
            .collect();
        let typed = format!("  {prefix}:\n{}\r\n", pieces.join("- "));
        assert_eq!(SetSecret::parse(&typed), Ok(secret()));
    }

    #[test]
    fn every_wrong_letter_is_noticed() {
        let text = secret().to_text();
        for at in PREFIX.len()..text.len() {
            for letter in "abcdefghijklmnopqrstuvwxyz234567"
                .chars()
                .filter(|c| !text[at..].starts_with(*c))
            {
                let typo = format!("{}{letter}{}", &text[..at], &text[at + 1..]);
                assert_eq!(SetSecret::parse(&typo), Err(SecretError::Checksum), "{letter} at {at}");
            }
        }
    }

    #[test]
    fn what_is_not_a_key_is_told_apart() {
        let text = secret().to_text();
        let got = text.len() - PREFIX.len() - 1;
        let cases = [
            ("", SecretError::Prefix),
            ("-----BEGIN PRIVATE KEY-----", SecretError::Prefix),
            ("raic-key-2:abcd", SecretError::Newer),
            ("raic-key-1", SecretError::Length { got: 0, want: 58 }),
            (&text[..text.len() - 1], SecretError::Length { got, want: 58 }),
            ("raic-key-1: abc0", SecretError::Character { at: 4 }),
            ("raic-key-1:ä", SecretError::Character { at: 1 }),
        ];
        for (text, error) in cases {
            assert_eq!(SetSecret::parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn debug_tells_no_key() {
        let keys = format!("{:?} {:?}", secret(), Keys::new(&secret()));
        assert_eq!(
            keys,
            format!(
                "SetSecret Keys {{ set: {:?}, key_ids: [0], .. }}",
                Keys::new(&secret()).set()
            )
        );
    }

    #[test]
    fn a_later_key_id_has_keys_of_its_own() {
        let mut keys = Keys::new(&secret());
        let (extent, salt) = (ExtentId([1; 16]), [2; 32]);
        assert_eq!(keys.cipher(3, extent, &salt).unwrap_err(), UnknownKey(3));
        keys.add(3, &[9; 32]);
        assert_eq!(keys.newest(), 3);
        let [first, later] = [0, 3].map(|key_id| *keys.cipher(key_id, extent, &salt).unwrap().commitment());
        assert_ne!(first, later);
    }
}
