//! Sealing of data chunks before they are coded: AES-256-GCM under a key of the extent's own. The rules are `docs/format.md` 2.
//!
//! ```text
//! data key ── set, extent, salt ──▶ extent's key ──▶ AES key        chunk i of the extent: nonce i
//!                                               └──▶ commitment     in the header, so that no second key opens the same bytes
//! ```
//!
//! Random salts make every key new, so a counter is a safe nonce. Beside the chunks there are messages that are alone under
//! their key (the owner's part, a membership): [`seal_alone`].

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use zeroize::Zeroizing;

use crate::stripe::geometry::SEAL_OVERHEAD;

/// Bytes that sealing adds: the tag of AES-GCM.
pub const SEAL_LEN: usize = SEAL_OVERHEAD as usize;

/// A sealed message did not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CipherError {
    /// Shorter than its tag alone.
    #[error("sealed bytes are {got}, their tag alone takes {SEAL_LEN}")]
    Short {
        /// Bytes there are.
        got: usize,
    },
    /// Not what was sealed, or not under this key, or not at this place.
    #[error("sealed bytes do not match their tag")]
    Tag,
}

/// The cipher of one extent.
pub struct ChunkCipher {
    key: LessSafeKey,
    commitment: [u8; 32],
}

impl fmt::Debug for ChunkCipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChunkCipher")
    }
}

impl ChunkCipher {
    /// The cipher of the extent `extent` of the set `set`. `salt` is the extent's, random.
    pub fn new(data_key: &[u8; 32], set: &[u8; 16], extent: &[u8; 16], salt: &[u8; 32]) -> ChunkCipher {
        let mut hasher = blake3::Hasher::new_keyed(data_key);
        hasher.update(set).update(extent).update(salt);
        let extent_key = Zeroizing::new(*hasher.finalize().as_bytes());
        let aes_key = Zeroizing::new(*blake3::keyed_hash(&extent_key, b"aes-256-gcm").as_bytes());
        ChunkCipher {
            key: aes_256(&aes_key),
            commitment: *blake3::keyed_hash(&extent_key, b"commitment").as_bytes(),
        }
    }

    /// What the header says of the key without telling it.
    pub fn commitment(&self) -> &[u8; 32] {
        &self.commitment
    }

    /// Seals data chunk number `index` (stripe · k + chunk) in place: the last 16 bytes are room for the tag and are overwritten.
    ///
    /// # Panics
    /// If the slice is shorter than the tag.
    pub fn seal(&self, index: u64, chunk: &mut [u8]) {
        let plain_len = chunk.len().checked_sub(SEAL_LEN).expect("a chunk has room for its tag");
        let (plain, tag) = chunk.split_at_mut(plain_len);
        let sealed = self.key.seal_in_place_separate_tag(nonce(index), Aad::empty(), plain);
        tag.copy_from_slice(
            sealed
                .expect("a chunk is far below the cipher's limit of 64 GiB")
                .as_ref(),
        );
    }

    /// Opens data chunk number `index` into `plain`; after an error the bytes there are of no use.
    ///
    /// # Panics
    /// If `plain` isn't as long as the chunk without its tag.
    pub fn open_into(&self, index: u64, chunk: &[u8], plain: &mut [u8]) -> Result<(), CipherError> {
        let Some((sealed, tag)) = chunk.split_last_chunk::<SEAL_LEN>() else {
            return Err(CipherError::Short { got: chunk.len() });
        };
        assert!(
            sealed.len() == plain.len(),
            "{} bytes opened into {}",
            sealed.len(),
            plain.len()
        );
        let opened = self
            .key
            .open_separate_gather(nonce(index), Aad::empty(), sealed, tag, plain);
        opened.map_err(|_| CipherError::Tag)
    }
}

/// Seals the one message that `key` is ever used for: appends its tag. `known` is not hidden, but has to be the same at opening.
///
/// # Panics
/// If the message is longer than the cipher takes, 64 GiB.
pub fn seal_alone(key: &[u8; 32], known: &[u8], message: &mut Vec<u8>) {
    let sealed = aes_256(key).seal_in_place_append_tag(nonce(0), Aad::from(known), message);
    sealed.expect("a message is far below the cipher's limit of 64 GiB");
}

/// Opens what [`seal_alone`] made.
pub fn open_alone(key: &[u8; 32], known: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, CipherError> {
    if sealed.len() < SEAL_LEN {
        return Err(CipherError::Short { got: sealed.len() });
    }
    let mut message = Zeroizing::new(sealed.to_vec());
    let opened = aes_256(key).open_in_place(nonce(0), Aad::from(known), &mut message);
    opened.map_err(|_| CipherError::Tag)?;
    message.truncate(sealed.len() - SEAL_LEN);
    Ok(message)
}

fn aes_256(key: &[u8; 32]) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).expect("a key of 32 bytes is what AES-256 takes"))
}

fn nonce(index: u64) -> Nonce {
    let mut nonce = [0; NONCE_LEN];
    let (number, _) = nonce.split_first_chunk_mut::<8>().expect("12 bytes hold 8");
    *number = index.to_le_bytes();
    Nonce::assume_unique_for_key(nonce)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ramp(len: usize) -> Vec<u8> {
        (0..=250).cycle().take(len).collect()
    }

    fn cipher() -> ChunkCipher {
        ChunkCipher::new(&[1; 32], &[2; 16], &[3; 16], &[4; 32])
    }

    fn open(cipher: &ChunkCipher, index: u64, sealed: &[u8]) -> Result<Vec<u8>, CipherError> {
        let mut plain = vec![0; sealed.len().saturating_sub(SEAL_LEN)];
        cipher.open_into(index, sealed, &mut plain).map(|()| plain)
    }

    #[test]
    fn a_sealed_chunk_opens_to_what_it_was() {
        for len in [0, 1, 15, 16, 17, 1000] {
            let mut chunk = ramp(len + SEAL_LEN);
            cipher().seal(7, &mut chunk);
            assert!(len < 15 || !chunk.windows(15).any(|part| part == &ramp(15)[..]));
            assert_eq!(open(&cipher(), 7, &chunk), Ok(ramp(len)));
        }
    }

    #[test]
    fn a_chunk_opens_at_its_own_place_only() {
        let mut sealed = ramp(100);
        cipher().seal(1 << 40, &mut sealed);
        assert_eq!(open(&cipher(), (1 << 40) + 1, &sealed), Err(CipherError::Tag));
        assert_eq!(open(&cipher(), 0, &sealed), Err(CipherError::Tag));
        assert!(open(&cipher(), 1 << 40, &sealed).is_ok());
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let mut sealed = ramp(20);
        cipher().seal(0, &mut sealed);
        for bit in 0..20 * 8 {
            let mut flipped = sealed.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(open(&cipher(), 0, &flipped), Err(CipherError::Tag), "bit {bit}");
        }
        assert_eq!(open(&cipher(), 0, &sealed[..15]), Err(CipherError::Short { got: 15 }));
    }

    #[test]
    fn each_of_the_four_names_makes_another_key() {
        let others = [
            ChunkCipher::new(&[9; 32], &[2; 16], &[3; 16], &[4; 32]),
            ChunkCipher::new(&[1; 32], &[9; 16], &[3; 16], &[4; 32]),
            ChunkCipher::new(&[1; 32], &[2; 16], &[9; 16], &[4; 32]),
            ChunkCipher::new(&[1; 32], &[2; 16], &[3; 16], &[9; 32]),
        ];
        let mut sealed = ramp(40);
        cipher().seal(0, &mut sealed);
        for other in others {
            assert_ne!(other.commitment(), cipher().commitment());
            assert_eq!(open(&other, 0, &sealed), Err(CipherError::Tag));
        }
    }

    #[test]
    fn a_message_alone_opens_with_what_was_known() {
        let mut message = ramp(50);
        seal_alone(&[5; 32], b"known", &mut message);
        assert_eq!(message.len(), 66);
        assert_eq!(open_alone(&[5; 32], b"known", &message).unwrap()[..], ramp(50));
        assert_eq!(open_alone(&[5; 32], b"other", &message), Err(CipherError::Tag));
        assert_eq!(open_alone(&[6; 32], b"known", &message), Err(CipherError::Tag));
        assert_eq!(
            open_alone(&[5; 32], b"known", &message[..3]),
            Err(CipherError::Short { got: 3 })
        );
    }
}
