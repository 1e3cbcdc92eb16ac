//! Forging for fuzz targets: with the set's secret in hand, bytes that a fuzzer invents get the tags and seals that let them past the first
//! check, so that what lies behind it is tried too. Made from `docs/format.md`, not from RAIC's own writers.

use raic::cipher::ChunkCipher;
use raic::fragment::secret::{Keys, SetSecret};

/// The secret of the set that all targets play in.
pub const SECRET: [u8; 32] = [7; 32];

/// The set's keys.
pub fn keys() -> Keys {
    Keys::new(&SetSecret::new(SECRET))
}

/// keyed(key, parts one after another)
pub fn keyed(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    *blake3::keyed_hash(key, &parts.concat()).as_bytes()
}

/// derive("raic v1 … key", secret)
pub fn derived(word: &str) -> [u8; 32] {
    blake3::derive_key(&format!("raic v1 {word} key"), &SECRET)
}

/// The first bytes of `data` as N of them, zeros where it is shorter, and the rest.
pub fn split<const N: usize>(data: &[u8]) -> ([u8; N], &[u8]) {
    let (first, rest) = data.split_at(N.min(data.len()));
    let mut taken = [0; N];
    taken[..first.len()].copy_from_slice(first);
    (taken, rest)
}

/// The commitment of a sealed extent.
pub fn commitment(extent: &[u8; 16], salt: &[u8; 32]) -> [u8; 32] {
    *ChunkCipher::new(&derived("data"), &keys().set().0, extent, salt).commitment()
}
