//! The tag behind each chunk: it binds the bytes to their extent, salt, place and lengths, so that a provider cannot forge, swap, cut or move a
//! chunk. The rule is `docs/format.md` 3, "Frames".

use std::fmt;

use subtle::ConstantTimeEq;

use super::id::ExtentId;
use super::secret::{Key, Keys, UnknownKey};
use crate::stripe::geometry::Shape;

/// A tag's bytes.
pub type Tag = [u8; 32];

/// Makes and checks the tags of one extent.
#[derive(Clone)]
pub struct FrameKeys {
    key: Key,
    shape: Shape,
}

impl fmt::Debug for FrameKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrameKeys")
            .field("shape", &self.shape)
            .finish_non_exhaustive()
    }
}

impl FrameKeys {
    /// The tags of the extent `extent`, whose salt and shape these are.
    pub fn new(
        keys: &Keys,
        key_id: u32,
        extent: ExtentId,
        salt: &[u8; 32],
        shape: Shape,
    ) -> Result<FrameKeys, UnknownKey> {
        let key = frames_key(keys, key_id, extent, salt)?;
        Ok(FrameKeys { key, shape })
    }

    /// Those of the same extent with other lengths.
    #[must_use]
    pub fn reshaped(&self, shape: Shape) -> FrameKeys {
        FrameKeys {
            key: self.key.clone(),
            shape,
        }
    }

    /// The lengths and counts that the tags are bound to.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// The tag of fragment `index`'s chunk in `stripe`, as it is stored (coded, and sealed if it is).
    ///
    /// # Panics
    /// If the extent has no such chunk, or its chunks in this stripe have another length.
    pub fn tag(&self, index: u16, stripe: u64, chunk: &[u8]) -> Tag {
        let want = self.shape.coded_len(stripe);
        assert!(index < self.shape.n, "chunk {index} of {}", self.shape.n);
        assert!(
            chunk.len() == want as usize,
            "chunk of {} bytes, {want} in stripe {stripe}",
            chunk.len()
        );
        *self.hash(index, stripe, want, chunk).as_bytes()
    }

    /// Whether the tag is that of this chunk, in time that doesn't tell where it differs.
    pub fn verify(&self, index: u16, stripe: u64, chunk: &[u8], tag: &[u8]) -> bool {
        if index >= self.shape.n || stripe >= self.shape.stripes() {
            return false;
        }
        let want = self.shape.coded_len(stripe);
        chunk.len() == want as usize && self.hash(index, stripe, want, chunk).as_bytes().ct_eq(tag).into()
    }

    fn hash(&self, index: u16, stripe: u64, coded_len: u32, chunk: &[u8]) -> blake3::Hash {
        let context = self.key.key(&[
            &index.to_le_bytes(),
            &self.shape.k.to_le_bytes(),
            &self.shape.n.to_le_bytes(),
            &[0; 2],
            &coded_len.to_le_bytes(),
            &[0; 4],
            &stripe.to_le_bytes(),
            &self.shape.payload_len.to_le_bytes(),
        ]);
        context.hash(&[chunk])
    }
}

/// The key that all tags inside an extent are made with.
pub(super) fn frames_key(keys: &Keys, key_id: u32, extent: ExtentId, salt: &[u8; 32]) -> Result<Key, UnknownKey> {
    Ok(keys.tag_key(key_id)?.key(&[&extent.0, salt, b"frames"]))
}

#[cfg(test)]
mod tests {
    use super::super::secret::SetSecret;
    use super::*;

    fn frame_keys(set: u8, extent: u8, salt: u8, shape: Shape) -> FrameKeys {
        let keys = Keys::new(&SetSecret::new([set; 32]));
        FrameKeys::new(&keys, 0, ExtentId([extent; 16]), &[salt; 32], shape).unwrap()
    }

    const SHAPE: Shape = Shape {
        k: 4,
        n: 6,
        chunk_len: 64,
        overhead: 16,
        payload_len: 48 * 4 * 3,
    };

    #[test]
    fn a_tag_is_bound_to_every_fact_of_its_chunk() {
        let chunk: Vec<u8> = (0..64).collect();
        let tag = frame_keys(1, 2, 3, SHAPE).tag(5, 1, &chunk);
        let others = [
            (frame_keys(1, 2, 3, SHAPE), 4, 1),
            (frame_keys(1, 2, 3, SHAPE), 5, 2),
            (frame_keys(1, 2, 3, SHAPE), 6, 1),
            (frame_keys(1, 2, 3, SHAPE), 5, 3),
            (frame_keys(9, 2, 3, SHAPE), 5, 1),
            (frame_keys(1, 9, 3, SHAPE), 5, 1),
            (frame_keys(1, 2, 9, SHAPE), 5, 1),
            (frame_keys(1, 2, 3, Shape { k: 3, ..SHAPE }), 5, 1),
            (frame_keys(1, 2, 3, Shape { n: 7, ..SHAPE }), 5, 1),
            (
                frame_keys(
                    1,
                    2,
                    3,
                    Shape {
                        payload_len: 48 * 4 * 3 + 1,
                        ..SHAPE
                    },
                ),
                5,
                1,
            ),
        ];
        for (at, (keys, index, stripe)) in others.into_iter().enumerate() {
            assert!(!keys.verify(index, stripe, &chunk, &tag), "case {at}");
        }
        let keys = frame_keys(1, 2, 3, SHAPE);
        assert!(keys.verify(5, 1, &chunk, &tag));
        for tag in [&tag[..31], &[], &[&tag[..], &[0]].concat()] {
            assert!(!keys.verify(5, 1, &chunk, tag));
        }
        assert!(!keys.verify(5, 1, &chunk[..63], &tag));
        assert!(!keys.verify(5, 1, &[&chunk[..63], &[0]].concat(), &tag));
    }

    #[test]
    #[should_panic(expected = "chunk of 63 bytes, 64 in stripe 1")]
    fn a_chunk_of_the_wrong_length_is_not_tagged() {
        let _ = frame_keys(1, 2, 3, SHAPE).tag(5, 1, &[0; 63]);
    }
}
