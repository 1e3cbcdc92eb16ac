//! What is decided of an extent before its first byte is read, and the lengths that follow from it.

use crate::stripe::geometry::{Shape, TAG_LEN};

/// What is decided of an extent before its first byte is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Data chunks of a stripe.
    pub k: u16,
    /// All chunks of a stripe.
    pub n: u16,
    /// Coded bytes of a full chunk.
    pub chunk_len: u32,
    /// Coded bytes of a chunk that are not payload.
    pub overhead: u32,
    /// Bytes of the header of each fragment.
    pub header_len: u16,
    /// The longest fragment.
    pub fragment_len: u64,
}

impl Layout {
    /// The shape of an extent of `payload_len` bytes.
    #[must_use]
    pub fn shape(&self, payload_len: u64) -> Shape {
        let Layout {
            k,
            n,
            chunk_len,
            overhead,
            ..
        } = *self;
        Shape {
            k,
            n,
            chunk_len,
            overhead,
            payload_len,
        }
    }

    /// The payload that an extent takes when more follows: whole stripes.
    ///
    /// # Panics
    /// If not even one stripe fits a fragment.
    #[must_use]
    pub fn capacity(&self) -> u64 {
        let frame = u64::from(self.chunk_len) + TAG_LEN;
        let stripes = self.fragment_len.saturating_sub(u64::from(self.header_len)) / frame;
        assert!(
            stripes > 0,
            "a fragment of {} bytes holds no frame of {frame}",
            self.fragment_len
        );
        stripes * self.shape(0).stripe_cap()
    }

    /// Bytes that an extent of up to `payload` bytes takes in memory, all fragments together.
    #[must_use]
    pub fn memory(&self, payload: u64) -> u64 {
        u64::from(self.n) * self.shape(payload.min(self.capacity())).fragment_len(self.header_len)
    }
}
