//! An extent on its way in: the payload is read straight into the places of its data chunks.
//!
//! ```text
//! slab j   |header|chunk j of stripe 0|seal|tag|chunk j of stripe 1|seal|tag| ...       one slab a data fragment
//! source   reads into slab 0, 1, .. k-1 for stripe 0, then for stripe 1, ...
//! ```
//!
//! How long the extent gets is known only when the source ends or the extent is full. The last stripe's chunks are shorter
//! than was assumed while reading, so its bytes, and only those, move once.

use std::io::{ErrorKind, Read};

use super::slab::{Pool, Slab};
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

/// An extent that is being read.
#[derive(Debug)]
pub struct Draft {
    layout: Layout,
    /// Plain bytes of a chunk as they are laid out while reading.
    row: usize,
    stripes: usize,
    slabs: Vec<Slab>,
    filled: u64,
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
            row: index(row),
            stripes: index(stripes),
            slabs,
            filled: 0,
        }
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

    /// Reads until the draft is full or the source ends. True if the source ended.
    pub fn fill(&mut self, source: &mut dyn Read) -> std::io::Result<bool> {
        for stripe in 0..self.stripes {
            for chunk in 0..self.slabs.len() {
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

    /// Ends the reading: lays out the last stripe as its length asks, zero-filled.
    #[must_use]
    pub fn finish(mut self) -> Finished {
        let shape = self.layout.shape(self.filled);
        if let Some(tail) = shape
            .stripes()
            .checked_sub(1)
            .filter(|last| shape.full_stripes() == *last)
        {
            self.lay_out_tail(&shape, tail);
        }
        Finished {
            shape,
            layout: self.layout,
            slabs: self.slabs,
        }
    }

    fn lay_out_tail(&mut self, shape: &Shape, tail: u64) {
        let (at, plain) = (self.at(index(tail)), shape.plain_len(tail) as usize);
        if plain == self.row && (self.filled - shape.stripe_payload(tail).start) == (plain * self.slabs.len()) as u64 {
            return;
        }
        let length = index(self.filled - shape.stripe_payload(tail).start);
        let mut bytes = Vec::with_capacity(plain * self.slabs.len());
        for slab in &self.slabs {
            let take = (length - bytes.len()).min(self.row);
            bytes.extend_from_slice(&slab[at..at + take]);
        }
        bytes.resize(plain * self.slabs.len(), 0);
        for (slab, chunk) in self.slabs.iter_mut().zip(bytes.chunks_exact(plain)) {
            slab[at..at + plain].copy_from_slice(chunk);
        }
    }

    fn at(&self, stripe: usize) -> usize {
        let frame = self.row + self.layout.overhead as usize + index(TAG_LEN);
        usize::from(self.layout.header_len) + stripe * frame
    }
}

/// An extent's payload in the places of its data chunks, plain.
#[derive(Debug)]
pub struct Finished {
    /// Its lengths and counts.
    pub shape: Shape,
    /// What was decided of it.
    pub layout: Layout,
    /// One buffer a data fragment.
    pub slabs: Vec<Slab>,
}

fn index(bytes: u64) -> usize {
    usize::try_from(bytes).expect("lengths in memory fit this machine's addresses")
}

/// Reads until `into` is full or the source ends.
fn read_full(source: &mut dyn Read, into: &mut [u8]) -> std::io::Result<usize> {
    let mut read = 0;
    while read < into.len() {
        match source.read(&mut into[read..]) {
            Ok(0) => break,
            Ok(some) => read += some,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(read)
}

/// A source that can tell whether it has ended before anybody takes the next byte.
#[derive(Debug)]
pub struct Ahead<R> {
    inner: R,
    next: Option<u8>,
}

impl<R: Read> Ahead<R> {
    /// Wraps a source.
    pub fn new(inner: R) -> Ahead<R> {
        Ahead { inner, next: None }
    }

    /// True if no byte follows. May wait for one.
    pub fn ended(&mut self) -> std::io::Result<bool> {
        let mut byte = [0];
        if self.next.is_none() && read_full(&mut self.inner, &mut byte)? == 1 {
            self.next = Some(byte[0]);
        }
        Ok(self.next.is_none())
    }
}

impl<R: Read> Read for Ahead<R> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        if into.is_empty() {
            return Ok(0);
        }
        if let Some(byte) = self.next.take() {
            into[0] = byte;
            return Ok(1);
        }
        self.inner.read(into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ramp(len: usize) -> Vec<u8> {
        (0..len).map(|i| u8::try_from(i % 251).expect("below 251")).collect()
    }

    fn layout(k: u16, chunk_len: u32, overhead: u32) -> Layout {
        let frame = u64::from(chunk_len) + TAG_LEN;
        Layout {
            k,
            n: k + 2,
            chunk_len,
            overhead,
            header_len: 512,
            fragment_len: 512 + 3 * frame + 5,
        }
    }

    /// The payload as the chunks hold it, stripe by stripe, by the shape's own arithmetic.
    fn read_back(finished: &Finished) -> Vec<u8> {
        let shape = finished.shape;
        let mut bytes = Vec::new();
        for stripe in 0..shape.stripes() {
            let at = index(shape.frame_offset(finished.layout.header_len, stripe));
            for slab in &finished.slabs {
                bytes.extend_from_slice(&slab[at..at + shape.plain_len(stripe) as usize]);
            }
        }
        assert!(
            bytes[index(shape.payload_len)..].iter().all(|b| *b == 0),
            "filled up with zero bytes"
        );
        bytes.truncate(index(shape.payload_len));
        bytes
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]
        /// Whatever the hint said, extents hold the source's bytes in order, each full but the last.
        #[test]
        fn extents_hold_what_the_source_gave(
            k in 1_u16..6, chunk_len in 20_u32..60, sealed: bool, len in 0_usize..2500, hint in proptest::option::of(0_u64..2600),
        ) {
            let (data, pool) = (ramp(len), Pool::default());
            let layout = layout(k, chunk_len, if sealed { 16 } else { 0 });
            let mut source = Ahead::new(data.as_slice());
            let mut got = Vec::new();
            loop {
                let mut draft = Draft::new(&pool, layout, hint);
                draft.fill(&mut source).expect("a slice can be read");
                let (filled, ended) = (draft.filled(), source.ended().expect("a slice can be read"));
                prop_assert!(ended || filled > 0, "makes progress");
                got.extend(read_back(&draft.finish()));
                if ended { break; }
            }
            prop_assert_eq!(got, data);
        }
    }

    #[test]
    fn an_empty_source_makes_an_extent_without_stripes() {
        let mut draft = Draft::new(&Pool::default(), layout(4, 64, 16), Some(0));
        assert!(draft.fill(&mut std::io::empty()).unwrap());
        assert_eq!(draft.finish().shape.stripes(), 0);
    }

    #[test]
    fn a_small_hint_takes_little_memory() {
        let draft = Draft::new(&Pool::default(), layout(4, 1 << 16, 16), Some(10));
        assert_eq!(draft.slabs[0].len(), 512 + 3 + 16 + 32);
    }
}
