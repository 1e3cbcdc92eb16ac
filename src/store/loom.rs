//! One stripe from payload to frames, on one thread and while it is in the cache: seal, tag, code, tag the parity, verify.
//!
//! ```text
//! frame of fragment i   |chunk i|tag|       the first k come with plain chunks, with room behind for the seal
//! ```

use std::fmt;
use std::sync::Arc;

use crate::catalog::record::Extent;
use crate::cipher::ChunkCipher;
use crate::codec::Code;
use crate::fragment::secret::{Keys, UnknownKey};
use crate::fragment::tag::{FrameKeys, Tag};
use crate::stripe::geometry::Shape;

/// Why an extent could not be coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WeaveError {
    /// The parity that was computed is not that of the data: this machine errs.
    #[error("the coded bytes of stripe {stripe} do not verify")]
    Miscoded {
        /// Which stripe.
        stripe: u64,
    },
    /// The keyring lacks a key.
    #[error(transparent)]
    Key(#[from] UnknownKey),
}

/// What the stripes of one extent are worked with.
pub struct Loom {
    code: Code,
    tags: FrameKeys,
    cipher: Option<Arc<ChunkCipher>>,
}

impl fmt::Debug for Loom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loom")
            .field("shape", self.tags.shape())
            .finish_non_exhaustive()
    }
}

impl Loom {
    /// The loom of an extent of this identity, shape and salt.
    ///
    /// # Panics
    /// If the shape's counts are not those of the code.
    pub fn new(keys: &Keys, code: &Code, extent: &Extent) -> Result<Loom, UnknownKey> {
        assert!(
            code.k() == usize::from(extent.shape.k) && code.n() == usize::from(extent.shape.n),
            "the code of another shape"
        );
        let cipher = extent
            .sealed
            .then(|| keys.cipher(extent.key_id, extent.id, &extent.salt));
        Ok(Loom {
            code: code.clone(),
            tags: FrameKeys::new(keys, extent.key_id, extent.id, &extent.salt, extent.shape)?,
            cipher: cipher.transpose()?.map(Arc::new),
        })
    }

    /// The same extent, but of other lengths.
    #[must_use]
    pub fn reshaped(&self, shape: Shape) -> Loom {
        Loom {
            code: self.code.clone(),
            tags: self.tags.reshaped(shape),
            cipher: self.cipher.clone(),
        }
    }

    /// Makes the n frames of a stripe.
    ///
    /// # Panics
    /// If the frames are not n, or have other lengths than the shape says.
    pub fn stripe(&self, stripe: u64, frames: &mut [&mut [u8]]) -> Result<(), WeaveError> {
        let (data, parity) = frames.split_at_mut(self.code.k());
        for (chunk, frame) in (0_u16..).zip(data.iter_mut()) {
            if let Some(cipher) = &self.cipher {
                let number = stripe * u64::from(self.tags.shape().k) + u64::from(chunk);
                cipher.seal(number, split(frame).0);
            }
            self.tag(chunk, stripe, frame);
        }
        {
            let data: Vec<&[u8]> = data.iter().map(|frame| chunk(frame)).collect();
            let mut parity: Vec<&mut [u8]> = parity.iter_mut().map(|frame| split(frame).0).collect();
            self.code.encode(&data, &mut parity);
        }
        for (index, frame) in (self.tags.shape().k..).zip(parity.iter_mut()) {
            self.tag(index, stripe, frame);
        }
        let all: Vec<&[u8]> = frames.iter().map(|frame| chunk(frame)).collect();
        if self.code.verify(&all) {
            Ok(())
        } else {
            Err(WeaveError::Miscoded { stripe })
        }
    }

    /// Makes only the tags of a stripe's frames.
    pub fn tag_again(&self, stripe: u64, frames: &mut [&mut [u8]]) {
        for (index, frame) in (0..).zip(frames) {
            self.tag(index, stripe, frame);
        }
    }

    /// Writes the tag behind the chunk.
    fn tag(&self, index: u16, stripe: u64, frame: &mut [u8]) {
        let (chunk, tag) = split(frame);
        *tag = self.tags.tag(index, stripe, chunk);
    }
}

fn split(frame: &mut [u8]) -> (&mut [u8], &mut Tag) {
    frame.split_last_chunk_mut().expect("a frame ends with its tag")
}

fn chunk(frame: &[u8]) -> &[u8] {
    let (chunk, _): (_, &Tag) = frame.split_last_chunk().expect("a frame ends with its tag");
    chunk
}
