//! Lengths and counts of one extent, from five numbers. The rules are `docs/format.md` 2.
//!
//! ```text
//! extent     |---- stripe 0 ----|---- stripe 1 ----|- 2 -|      full stripe = k × cap payload bytes
//! fragment 0 |chunk 0 ‖tag|     |chunk 0 ‖tag|     |c‖t|        fragment = header, then chunk 0 of every stripe
//! ```

/// Bytes of the tag behind each chunk.
pub const TAG_LEN: u64 = 32;

/// The most chunks that a stripe may have.
pub const MAX_CHUNKS: u16 = 256;

/// The longest coded chunk, in bytes: the bound of what a reader of frames holds.
pub const MAX_CHUNK_LEN: u32 = 4 << 20;

/// The shape of one extent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shape {
    /// Data chunks of a stripe, 1..=256.
    pub k: u16,
    /// All chunks of a stripe, k..=256.
    pub n: u16,
    /// Coded bytes of a full chunk.
    pub chunk_len: u32,
    /// Bytes of a coded chunk that are not payload: 16 with a cipher, else 0.
    pub overhead: u32,
    /// Payload bytes of the extent.
    pub payload_len: u64,
}
