//! An extent on its way in: the payload is read straight into the places of its data chunks.
//!
//! ```text
//! slab j   |header|chunk j of stripe 0|seal|tag|chunk j of stripe 1|seal|tag| ...       one slab a data fragment
//! source   reads into slab 0, 1, .. k-1 for stripe 0, then for stripe 1, ...
//! ```
//!
//! How long the extent gets is known only when the source ends or the extent is full. The last stripe's chunks are shorter
//! than was assumed while reading, so its bytes, and only those, move once. A draft on the loom is woven stripe by stripe while it is read.

use std::io::{self, Read};

use super::layout::Layout;
use super::loom::{Loom, WeaveError};
use super::slab::{Pool, Slab};
use super::source::read_full;
use super::turns::Turns;
use crate::catalog::record::Extent;
use crate::codec::Code;
use crate::fragment::secret::{Keys, UnknownKey};
use crate::stripe::geometry::{Shape, TAG_LEN};

/// An extent that is being read.
#[derive(Debug)]
pub struct Draft {
    layout: Layout,
    /// Payload bytes that are expected.
    want: u64,
    /// Plain bytes of a chunk as they are laid out while reading.
    row: usize,
    stripes: usize,
    /// One a data fragment, and one a parity fragment once there is a loom.
    slabs: Vec<Slab>,
    filled: u64,
    begun: Option<Begun>,
}

/// How far a draft is woven.
#[derive(Debug)]
struct Begun {
    /// What the extent will be; its shape is what was expected, until all is woven.
    extent: Extent,
    loom: Loom,
    /// Stripes, the first ones, whose frames are whole.
    stripes: u64,
    /// That of the extent, once all is woven.
    digest: Option<[u8; 32]>,
}

/// Why a draft was not filled.
#[derive(Debug, thiserror::Error)]
pub enum DraftError {
    /// The source can't be read.
    #[error(transparent)]
    Source(#[from] io::Error),
    /// What was read could not be coded.
    #[error(transparent)]
    Weave(#[from] WeaveError),
}

impl Draft {
    /// An empty draft for at most `hint` bytes, or for a full extent if nothing is known. More than hinted is no error:
    /// the draft is full then and the rest goes to the next extent.
    #[must_use]
    pub fn new(pool: &Pool, layout: Layout, hint: Option<u64>) -> Draft {
        let (cap, k) = (u64::from(layout.shape(0).cap()), u64::from(layout.k));
        let want = hint.unwrap_or(u64::MAX).clamp(1, layout.capacity());
        let (row, stripes) = if want < cap * k {
            (want.div_ceil(k), 1)
        } else {
            (cap, want.div_ceil(cap * k))
        };
        let frame = row + u64::from(layout.overhead) + TAG_LEN;
        let len = usize::from(layout.header_len) + index(frame * stripes);
        let slabs = (0..layout.k).map(|_| pool.take(len)).collect();
        Draft {
            layout,
            want,
            row: index(row),
            stripes: index(stripes),
            slabs,
            filled: 0,
            begun: None,
        }
    }

    /// The same, to be woven while it is read, as `extent`, whose shape and digest are not looked at.
    pub fn on_the_loom(
        pool: &Pool,
        layout: Layout,
        hint: Option<u64>,
        keys: &Keys,
        code: &Code,
        extent: &Extent,
    ) -> Result<Draft, UnknownKey> {
        let mut draft = Draft::new(pool, layout, hint);
        let shape = layout.shape(draft.want);
        draft.set_up(pool, keys, code, extent, shape)?;
        Ok(draft)
    }

    fn set_up(
        &mut self,
        pool: &Pool,
        keys: &Keys,
        code: &Code,
        extent: &Extent,
        shape: Shape,
    ) -> Result<(), UnknownKey> {
        let extent = Extent {
            shape,
            ..extent.clone()
        };
        let loom = Loom::new(keys, code, &extent)?;
        let len = self.slabs.first().map_or(0, |slab| slab.len());
        self.slabs
            .extend((self.layout.k..self.layout.n).map(|_| pool.take(len)));
        self.begun = Some(Begun {
            extent,
            loom,
            stripes: 0,
            digest: None,
        });
        Ok(())
    }

    /// What was decided of it.
    #[must_use]
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// Payload bytes read so far.
    #[must_use]
    pub fn filled(&self) -> u64 {
        self.filled
    }

    /// The extent that it is woven as, if it is.
    #[must_use]
    pub fn extent(&self) -> Option<&Extent> {
        self.begun.as_ref().map(|begun| &begun.extent)
    }

    /// Whether nothing is left to do but the headers.
    #[must_use]
    pub fn is_woven(&self) -> bool {
        self.begun.as_ref().is_some_and(|begun| begun.digest.is_some())
    }

    /// Reads until the draft is full or the source ends, and weaves nothing. True if the source ended.
    pub fn fill(&mut self, source: &mut dyn Read) -> io::Result<bool> {
        for stripe in 0..self.stripes {
            for chunk in 0..usize::from(self.layout.k) {
                let at = self.at(stripe);
                let row = self.row;
                let read = read_full(source, &mut self.slabs[chunk][at..at + row])?;
                self.filled += read as u64;
                if read < row {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// The same, and weaves each stripe that is full while its bytes are in the cache of the core that read them: `threads` of them take turns at
    /// the source. True if the source ended.
    ///
    /// # Panics
    /// If the draft has no loom, or was filled before.
    pub fn fill_and_weave(&mut self, source: &mut (dyn Read + Send), threads: usize) -> Result<bool, DraftError> {
        let whole = self.stripes_as_expected();
        let begun = self.begun.as_mut().expect("a draft on the loom");
        assert!(self.filled == 0, "an empty draft");
        let (header, frame) = (
            usize::from(self.layout.header_len),
            self.row + self.layout.overhead as usize + index(TAG_LEN),
        );
        let fragments = self.slabs.iter_mut().map(|slab| slab[header..].chunks_exact_mut(frame));
        let turns = Turns::new(source, fragments.collect(), usize::from(self.layout.k), self.row, whole);
        let (filled, ended) = turns.run(&begun.loom, threads)?;
        self.filled = filled;
        begun.stripes = whole.min(filled / (self.row * usize::from(self.layout.k)) as u64);
        Ok(ended)
    }

    /// Weaves what is not woven yet, now that the length is known: all of it, or the tail. If the length is not the expected one, all tags are
    /// made again, because they are bound to it.
    ///
    /// # Panics
    /// If the draft has no loom.
    pub fn weave(&mut self) -> Result<(), WeaveError> {
        let shape = self.lay_out();
        let begun = self.begun.as_mut().expect("a draft on the loom");
        let (loom, header_len, slabs) = (begun.loom.reshaped(shape), self.layout.header_len, &mut self.slabs);
        if begun.extent.shape != shape {
            for stripe in 0..begun.stripes {
                loom.tag_again(stripe, &mut frames(slabs, header_len, &shape, stripe));
            }
        }
        for stripe in begun.stripes..shape.stripes() {
            loom.stripe(stripe, &mut frames(slabs, header_len, &shape, stripe))?;
        }
        let mut digest = blake3::Hasher::new();
        for stripe in 0..shape.stripes() {
            for slab in &slabs[..usize::from(shape.k)] {
                let end = index(shape.frame_offset(header_len, stripe + 1));
                digest.update(&slab[end - index(TAG_LEN)..end]);
            }
        }
        begun.stripes = shape.stripes();
        begun.extent.shape = shape;
        begun.extent.header_len = header_len;
        begun.digest = Some(*digest.finalize().as_bytes());
        Ok(())
    }

    /// Ends it: what was filled and not woven is woven as `extent`, whose shape and digest are not looked at.
    pub fn finish(mut self, keys: &Keys, code: &Code, pool: &Pool, extent: &Extent) -> Result<Frames, WeaveError> {
        if self.begun.is_none() {
            let shape = self.layout.shape(self.filled);
            self.set_up(pool, keys, code, extent, shape)?;
        }
        if !self.is_woven() {
            self.weave()?;
        }
        let begun = self.begun.expect("set up above");
        assert!(
            (begun.extent.id, begun.extent.salt) == (extent.id, extent.salt),
            "woven as another extent"
        );
        Ok(Frames {
            shape: begun.extent.shape,
            layout: self.layout,
            slabs: self.slabs,
            digest: begun.digest.expect("woven above"),
        })
    }

    /// Stripes, the first ones, that have the lengths they are read with if the extent gets as long as is expected.
    fn stripes_as_expected(&self) -> u64 {
        let shape = self.layout.shape(self.want);
        if shape.full_stripes() == 0 {
            1
        } else {
            shape.full_stripes()
        }
    }

    /// Lays out the last stripe as its length asks, zero-filled.
    fn lay_out(&mut self) -> Shape {
        let shape = self.layout.shape(self.filled);
        if shape.full_stripes() < shape.stripes() {
            self.lay_out_tail(&shape, shape.full_stripes());
        }
        shape
    }

    fn lay_out_tail(&mut self, shape: &Shape, tail: u64) {
        let (at, plain) = (self.at(index(tail)), shape.plain_len(tail) as usize);
        let k = usize::from(self.layout.k);
        if plain == self.row && (self.filled - shape.stripe_payload(tail).start) == (plain * k) as u64 {
            return;
        }
        let length = index(self.filled - shape.stripe_payload(tail).start);
        let mut bytes = Vec::with_capacity(plain * k);
        for slab in &self.slabs[..k] {
            let take = (length - bytes.len()).min(self.row);
            bytes.extend_from_slice(&slab[at..at + take]);
        }
        bytes.resize(plain * k, 0);
        for (slab, chunk) in self.slabs.iter_mut().zip(bytes.chunks_exact(plain)) {
            slab[at..at + plain].copy_from_slice(chunk);
        }
    }

    fn at(&self, stripe: usize) -> usize {
        let frame = self.row + self.layout.overhead as usize + index(TAG_LEN);
        usize::from(self.layout.header_len) + stripe * frame
    }
}

/// The frames of one stripe, one a fragment.
fn frames<'s>(slabs: &'s mut [Slab], header_len: u16, shape: &Shape, stripe: u64) -> Vec<&'s mut [u8]> {
    let range = index(shape.frame_offset(header_len, stripe))..index(shape.frame_offset(header_len, stripe + 1));
    slabs.iter_mut().map(|slab| &mut slab[range.clone()]).collect()
}

/// An extent's fragments without their headers.
#[derive(Debug)]
pub struct Frames {
    /// Its lengths and counts.
    pub shape: Shape,
    /// What was decided of it.
    pub layout: Layout,
    /// One buffer a fragment.
    pub slabs: Vec<Slab>,
    /// The extent's digest.
    pub digest: [u8; 32],
}

fn index(bytes: u64) -> usize {
    usize::try_from(bytes).expect("lengths in memory fit this machine's addresses")
}

#[cfg(test)]
mod tests;
