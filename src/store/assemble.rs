//! From verified chunks to the bytes that a reader gets, on one thread, no I/O.
//!
//! ```text
//! chunk came, not sealed ── copied ──────────────────────▶ its place in the answer
//! chunk came, sealed     ── opened from where it came to ─▶ its place
//! chunk lacks            ── rebuilt into its place; into scratch if it is sealed or wanted in part, then as above
//! ```

use std::collections::BTreeMap;
use std::ops::Range;

use bytes::Bytes;

use super::fetch::Arrived;
use super::slab::Pool;
use crate::cipher::{ChunkCipher, SEAL_LEN};
use crate::codec::Code;
use crate::stripe::geometry::Shape;

/// Verified chunks of a window of stripes, and what to make of them.
pub(crate) struct Assembly {
    pub(crate) cipher: Option<ChunkCipher>,
    pub(crate) shape: Shape,
    pub(crate) code: Code,
    pub(crate) window: Range<u64>,
    /// Payload bytes that are wanted of the extent.
    pub(crate) range: Range<u64>,
    pub(crate) arrived: BTreeMap<u16, Arrived>,
}

/// One chunk's part of the answer.
struct Place<'a> {
    chunk: u16,
    /// The plain bytes of the chunk that are wanted.
    plain: Range<usize>,
    into: &'a mut [u8],
}

impl Assembly {
    /// The wanted bytes.
    pub(crate) fn run(self, pool: &Pool) -> Result<Bytes, String> {
        let len = usize::try_from(self.range.end - self.range.start).map_err(|_| "the range does not fit memory")?;
        let mut answer = pool.take(len);
        let (mut rest, mut scratch) = (&mut answer[..], Scratch::default());
        for (at, stripe) in self.window.clone().enumerate() {
            let mut places = Vec::with_capacity(usize::from(self.shape.k));
            for need in self.shape.needs(stripe, &self.range) {
                let plain = need.plain.start as usize..need.plain.end as usize;
                let into = rest
                    .split_off_mut(..plain.len())
                    .expect("a window's needs are its range");
                places.push(Place {
                    chunk: need.chunk,
                    plain,
                    into,
                });
            }
            self.stripe(at, stripe, places, &mut scratch)?;
        }
        Ok(answer.freeze(len))
    }

    /// Fills the places of one stripe, number `at` of the window.
    fn stripe(&self, at: usize, stripe: u64, places: Vec<Place<'_>>, scratch: &mut Scratch) -> Result<(), String> {
        let (here, mut lacking): (Vec<_>, Vec<_>) = places
            .into_iter()
            .partition(|place| self.chunk(at, place.chunk).is_some());
        for place in here {
            let chunk = self.chunk(at, place.chunk).expect("it was there");
            self.set(stripe, place, chunk, &mut scratch.opened)?;
        }
        if lacking.is_empty() {
            return Ok(());
        }
        let coded_len = self.shape.coded_len(stripe) as usize;
        scratch.rebuilt.resize_with(lacking.len(), Vec::new);
        let mut want = Vec::with_capacity(lacking.len());
        for (place, row) in lacking.iter_mut().zip(&mut scratch.rebuilt) {
            let straight = self.cipher.is_none() && place.plain.len() == coded_len;
            row.resize(if straight { 0 } else { coded_len }, 0);
            let into = if straight { &mut *place.into } else { row.as_mut_slice() };
            want.push((usize::from(place.chunk), into));
        }
        let have: Vec<(usize, &[u8])> = self.present(at).collect();
        self.code
            .reconstruct(&have, &mut want)
            .map_err(|error| error.to_string())?;
        for (place, row) in lacking.into_iter().zip(&scratch.rebuilt) {
            if !row.is_empty() {
                self.set(stripe, place, row, &mut scratch.opened)?;
            }
        }
        Ok(())
    }

    /// Takes a chunk's wanted bytes to their place, opened if the extent is sealed.
    fn set(&self, stripe: u64, place: Place<'_>, chunk: &[u8], opened: &mut Vec<u8>) -> Result<(), String> {
        let Some(cipher) = &self.cipher else {
            place.into.copy_from_slice(&chunk[place.plain]);
            return Ok(());
        };
        let index = stripe * u64::from(self.shape.k) + u64::from(place.chunk);
        let plain_len = chunk.len().saturating_sub(SEAL_LEN);
        let result = if place.into.len() == plain_len {
            cipher.open_into(index, chunk, place.into)
        } else {
            opened.resize(plain_len, 0);
            let result = cipher.open_into(index, chunk, opened);
            place.into.copy_from_slice(&opened[place.plain]);
            result
        };
        result.map_err(|error| error.to_string())
    }

    /// A chunk of stripe number `at` of the window, if it came and is good.
    fn chunk(&self, at: usize, chunk: u16) -> Option<&[u8]> {
        let arrived = self.arrived.get(&chunk)?;
        Some(&arrived.bytes[arrived.good[at].clone()?])
    }

    /// The good chunks of stripe number `at` of the window, by index.
    fn present(&self, at: usize) -> impl Iterator<Item = (usize, &[u8])> {
        let good = move |index: &u16| Some((usize::from(*index), self.chunk(at, *index)?));
        self.arrived.keys().filter_map(good)
    }
}

/// Rows that are used again from stripe to stripe.
#[derive(Default)]
struct Scratch {
    /// Lacking chunks that can't be rebuilt into their place.
    rebuilt: Vec<Vec<u8>>,
    /// A chunk that is wanted in part.
    opened: Vec<u8>,
}
