//! Lengths and counts of one extent, from five numbers. The rules are `docs/format.md` 2.
//!
//! ```text
//! extent     |---- stripe 0 ----|---- stripe 1 ----|- 2 -|      full stripe = k × cap payload bytes
//! fragment 0 |chunk 0 ‖tag|     |chunk 0 ‖tag|     |c‖t|        fragment = header, then chunk 0 of every stripe
//! ```
//!
//! The last stripe keeps k chunks; they are shorter, all of one length, zero-padded to it. Payload counts the owner's bytes, plain
//! counts the zeros of the tail too, coded counts the cipher's overhead as well.

use std::ops::Range;

/// Bytes of the tag behind each chunk.
pub const TAG_LEN: u64 = 32;

/// Bytes that sealing adds to each chunk: the overhead of cipher 1.
pub const SEAL_OVERHEAD: u32 = 16;

/// The most chunks that a stripe may have.
pub const MAX_CHUNKS: u16 = 256;

/// The longest coded chunk, in bytes: the bound of what a reader of frames holds.
pub const MAX_CHUNK_LEN: u32 = 4 << 20;

/// The longest fragment, in bytes: every service takes it in one write call.
pub const MAX_FRAGMENT_LEN: u64 = 64 << 20;

/// The shortest header of a fragment, in bytes.
pub const MIN_HEADER_LEN: u16 = 512;

/// The longest header of a fragment, in bytes.
pub const MAX_HEADER_LEN: u16 = 4096;

/// Numbers that no extent can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShapeError {
    /// Not 1 ≤ k ≤ n ≤ 256.
    #[error("{k} data chunks of {n}: 1 <= k <= n <= 256 is needed")]
    Counts {
        /// Data chunks.
        k: u16,
        /// All chunks.
        n: u16,
    },
    /// A chunk without room for a payload byte, or longer than a reader holds.
    #[error("chunks of {chunk_len} bytes, more than {overhead} and at most {MAX_CHUNK_LEN} are needed")]
    ChunkLen {
        /// Coded bytes.
        chunk_len: u32,
        /// Bytes that are not payload.
        overhead: u32,
    },
    /// The fragments would be longer than any may be.
    #[error("{payload_len} bytes of payload make fragments of over {MAX_FRAGMENT_LEN} bytes")]
    PayloadLen {
        /// Bytes of the extent.
        payload_len: u64,
    },
}

/// The shape of one extent.
///
/// Every method but [`Shape::check`] takes a shape that passed it, and may panic or answer nonsense for another.
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

impl Shape {
    /// The most payload that leaves a fragment within `fragment_len` bytes; 0 if that is hardly more than the header.
    ///
    /// # Panics
    /// If no shape has this k, chunk length and overhead.
    pub fn largest_payload(k: u16, chunk_len: u32, overhead: u32, header_len: u16, fragment_len: u64) -> u64 {
        let shape = Shape {
            k,
            n: k,
            chunk_len,
            overhead,
            payload_len: 0,
        };
        shape.check().expect("k and chunk length are possible ones");
        let frames_len = fragment_len.min(MAX_FRAGMENT_LEN).saturating_sub(u64::from(header_len));
        let frame_len = u64::from(chunk_len) + TAG_LEN;
        let tail = (frames_len % frame_len).saturating_sub(u64::from(overhead) + TAG_LEN);
        (frames_len / frame_len) * shape.stripe_cap() + tail * u64::from(k)
    }

    /// Whether an extent can have this shape: all other methods are then free of overflow.
    pub fn check(&self) -> Result<(), ShapeError> {
        if self.k < 1 || self.k > self.n || self.n > MAX_CHUNKS {
            return Err(ShapeError::Counts { k: self.k, n: self.n });
        }
        if self.chunk_len <= self.overhead || self.chunk_len > MAX_CHUNK_LEN {
            return Err(ShapeError::ChunkLen {
                chunk_len: self.chunk_len,
                overhead: self.overhead,
            });
        }
        let frame_len = u64::from(self.chunk_len) + TAG_LEN;
        let fits = self.full_stripes() <= MAX_FRAGMENT_LEN / frame_len
            && self.fragment_len(MIN_HEADER_LEN) <= MAX_FRAGMENT_LEN;
        fits.then_some(()).ok_or(ShapeError::PayloadLen {
            payload_len: self.payload_len,
        })
    }

    /// Payload bytes of a full chunk.
    pub fn cap(&self) -> u32 {
        self.chunk_len - self.overhead
    }

    /// Payload bytes of a full stripe.
    pub fn stripe_cap(&self) -> u64 {
        u64::from(self.k) * u64::from(self.cap())
    }

    /// Stripes whose chunks are all full.
    pub fn full_stripes(&self) -> u64 {
        self.payload_len / self.stripe_cap()
    }

    /// All stripes, the shorter last one included; 0 for an empty extent.
    pub fn stripes(&self) -> u64 {
        self.payload_len.div_ceil(self.stripe_cap())
    }

    /// Bytes of each data chunk of a stripe before the cipher, zero padding included.
    ///
    /// # Panics
    /// If there is no such stripe.
    pub fn plain_len(&self, stripe: u64) -> u32 {
        assert!(stripe < self.stripes(), "stripe {stripe} of {}", self.stripes());
        if stripe < self.full_stripes() {
            return self.cap();
        }
        let tail = (self.payload_len % self.stripe_cap()).div_ceil(u64::from(self.k));
        u32::try_from(tail).expect("a tail's chunk is shorter than a full one")
    }

    /// Bytes of each chunk of a stripe as it is stored, without its tag.
    ///
    /// # Panics
    /// If there is no such stripe.
    pub fn coded_len(&self, stripe: u64) -> u32 {
        self.plain_len(stripe) + self.overhead
    }

    /// Where the frame of a stripe begins in each fragment; for `stripe == stripes()`, where the fragment ends.
    ///
    /// # Panics
    /// If there is no such stripe.
    pub fn frame_offset(&self, header_len: u16, stripe: u64) -> u64 {
        assert!(stripe <= self.stripes(), "stripe {stripe} of {}", self.stripes());
        let full = stripe.min(self.full_stripes()) * (u64::from(self.chunk_len) + TAG_LEN);
        let tail = if stripe > self.full_stripes() {
            u64::from(self.coded_len(stripe - 1)) + TAG_LEN
        } else {
            0
        };
        u64::from(header_len) + full + tail
    }

    /// Bytes of each fragment.
    pub fn fragment_len(&self, header_len: u16) -> u64 {
        self.frame_offset(header_len, self.stripes())
    }

    /// Which payload bytes a stripe carries; never empty.
    ///
    /// # Panics
    /// If there is no such stripe.
    pub fn stripe_payload(&self, stripe: u64) -> Range<u64> {
        assert!(stripe < self.stripes(), "stripe {stripe} of {}", self.stripes());
        let start = stripe * self.stripe_cap();
        start..self.payload_len.min(start + self.stripe_cap())
    }

    /// Which payload bytes a data chunk carries; the rest of its plain bytes, perhaps all of them, is zero.
    ///
    /// # Panics
    /// If there is no such stripe or data chunk.
    pub fn chunk_payload(&self, stripe: u64, chunk: u16) -> Range<u64> {
        assert!(chunk < self.k, "data chunk {chunk} of {}", self.k);
        let stripe_payload = self.stripe_payload(stripe);
        let plain_len = u64::from(self.plain_len(stripe));
        let start = stripe_payload
            .end
            .min(stripe_payload.start + u64::from(chunk) * plain_len);
        start..stripe_payload.end.min(start + plain_len)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Small shapes of every sort: with and without overhead, empty, of one stripe and of several.
    pub(in crate::stripe) fn shapes() -> impl Strategy<Value = Shape> {
        (1..9_u16, 0..5_u16, 1..40_u32, prop::bool::ANY, 0..700_u64).prop_map(|(k, m, cap, sealed, payload_len)| {
            let overhead = if sealed { 16 } else { 0 };
            Shape {
                k,
                n: k + m,
                chunk_len: cap + overhead,
                overhead,
                payload_len,
            }
        })
    }

    /// The naive map: for each payload byte its stripe, chunk and place in the chunk, filled in one after another.
    pub(in crate::stripe) fn places(shape: &Shape) -> Vec<(u64, u16, u32)> {
        let mut places = Vec::new();
        let mut stripe = 0;
        while (places.len() as u64) < shape.payload_len {
            let left = shape.payload_len - places.len() as u64;
            let full = left >= u64::from(shape.k) * u64::from(shape.cap());
            let len = if full {
                shape.cap()
            } else {
                u32::try_from(left.div_ceil(u64::from(shape.k))).unwrap()
            };
            for chunk in 0..shape.k {
                for at in 0..len {
                    if (places.len() as u64) < shape.payload_len {
                        places.push((stripe, chunk, at));
                    }
                }
            }
            stripe += 1;
        }
        places
    }

    #[test]
    fn a_tail_is_shared_evenly_among_the_data_chunks() {
        let shape = Shape {
            k: 4,
            n: 6,
            chunk_len: 100,
            overhead: 16,
            payload_len: 2 * 4 * 84 + 5,
        };
        assert_eq!((shape.full_stripes(), shape.stripes()), (2, 3));
        assert_eq!((shape.plain_len(1), shape.coded_len(1)), (84, 100));
        assert_eq!((shape.plain_len(2), shape.coded_len(2)), (2, 18));
        assert_eq!(shape.frame_offset(512, 2), 512 + 2 * 132);
        assert_eq!(shape.fragment_len(512), 512 + 2 * 132 + 50);
        assert_eq!(shape.stripe_payload(2), 672..677);
        let chunks: Vec<_> = (0..4).map(|chunk| shape.chunk_payload(2, chunk)).collect();
        assert_eq!(chunks, [672..674, 674..676, 676..677, 677..677]);
    }

    #[test]
    fn an_empty_extent_has_a_header_and_no_stripe() {
        let shape = Shape {
            k: 4,
            n: 6,
            chunk_len: 100,
            overhead: 16,
            payload_len: 0,
        };
        assert_eq!((shape.stripes(), shape.fragment_len(1024)), (0, 1024));
    }

    #[test]
    fn impossible_shapes_are_refused() {
        let good = Shape {
            k: 4,
            n: 6,
            chunk_len: 65_536,
            overhead: 16,
            payload_len: 100,
        };
        assert_eq!(good.check(), Ok(()));
        assert_eq!(Shape { k: 256, n: 256, ..good }.check(), Ok(()));
        assert_eq!(Shape { k: 0, ..good }.check(), Err(ShapeError::Counts { k: 0, n: 6 }));
        assert_eq!(Shape { k: 7, ..good }.check(), Err(ShapeError::Counts { k: 7, n: 6 }));
        assert_eq!(
            Shape { n: 257, ..good }.check(),
            Err(ShapeError::Counts { k: 4, n: 257 })
        );
        for chunk_len in [0, 16, MAX_CHUNK_LEN + 1, u32::MAX] {
            let refused = Err(ShapeError::ChunkLen {
                chunk_len,
                overhead: 16,
            });
            assert_eq!(Shape { chunk_len, ..good }.check(), refused);
        }
        for (k, chunk_len, payload_len) in [(4, 65_536, 4 * MAX_FRAGMENT_LEN), (1, 17, u64::MAX), (256, 17, 1 << 34)] {
            let refused = Err(ShapeError::PayloadLen { payload_len });
            assert_eq!(
                Shape {
                    k,
                    n: 256,
                    chunk_len,
                    overhead: 16,
                    payload_len
                }
                .check(),
                refused
            );
        }
    }

    proptest! {
        #[test]
        fn chunks_carry_each_payload_byte_once_and_in_order(shape in shapes()) {
            prop_assert_eq!(shape.check(), Ok(()));
            let mut found = Vec::new();
            for stripe in 0..shape.stripes() {
                for chunk in 0..shape.k {
                    let payload = shape.chunk_payload(stripe, chunk);
                    prop_assert!(payload.end - payload.start <= u64::from(shape.plain_len(stripe)));
                    prop_assert_eq!(payload.start, found.len() as u64);
                    found.extend(payload.zip(0_u32..).map(|(_, at)| (stripe, chunk, at)));
                }
                prop_assert_eq!(shape.stripe_payload(stripe).end, found.len() as u64);
            }
            prop_assert_eq!(found, places(&shape));
        }

        #[test]
        fn frames_follow_each_other_without_a_gap(shape in shapes(), header_len in 512..4097_u16) {
            let mut offset = u64::from(header_len);
            for stripe in 0..shape.stripes() {
                prop_assert_eq!(shape.frame_offset(header_len, stripe), offset);
                offset += u64::from(shape.coded_len(stripe)) + TAG_LEN;
            }
            prop_assert_eq!(shape.fragment_len(header_len), offset);
        }

        #[test]
        fn the_largest_payload_fits_and_one_byte_more_does_not(shape in shapes(), spare in 0..3000_u64) {
            let limit = 512 + spare;
            let len = |payload_len| Shape { payload_len, ..shape }.fragment_len(512);
            let largest = Shape::largest_payload(shape.k, shape.chunk_len, shape.overhead, 512, limit);
            prop_assert!(len(largest) <= limit);
            prop_assert!(len(largest + 1) > limit);
        }
    }
}
