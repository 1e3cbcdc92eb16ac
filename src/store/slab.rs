//! Buffers of whole fragments, used again and again.
//!
//! A fragment leaves as one piece of memory: header, then frames. The payload is read straight into the places of its data
//! chunks, and the provider gets the memory itself, so no byte is copied between the reader and the provider. When the last
//! holder lets go the buffer returns here, with its old bytes in it: nothing is zeroed twice.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;

/// Below this size, in bytes, a buffer is made and dropped: the allocator is quick there.
const WORTH_KEEPING: usize = 1 << 20;

/// Buffers that wait for use.
#[derive(Clone, Debug, Default)]
pub struct Pool(Arc<Mutex<Vec<Vec<u8>>>>);

impl Pool {
    /// A buffer of `len` bytes whose content is not defined.
    #[must_use]
    pub fn take(&self, len: usize) -> Slab {
        let kept = if len < WORTH_KEEPING { None } else { self.find(len) };
        let bytes = kept.unwrap_or_else(|| vec![0; len]);
        Slab {
            bytes,
            len,
            home: self.clone(),
        }
    }

    /// Buffers that wait, for tests and the status page.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.kept().len()
    }

    fn find(&self, len: usize) -> Option<Vec<u8>> {
        let mut kept = self.kept();
        let fits = kept.iter().position(|bytes| bytes.len() >= len)?;
        Some(kept.swap_remove(fits))
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Vec<Vec<u8>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One buffer in use. It goes back to its pool when it is dropped.
#[derive(Debug)]
pub struct Slab {
    bytes: Vec<u8>,
    len: usize,
    home: Pool,
}

impl Slab {
    /// Gives the first `len` bytes away as shared memory.
    ///
    /// # Panics
    /// If the buffer is shorter.
    #[must_use]
    pub fn freeze(self, len: usize) -> Bytes {
        assert!(len <= self.len, "{len} bytes of a buffer of {}", self.len);
        Bytes::from_owner(self).slice(..len)
    }
}

impl Deref for Slab {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl DerefMut for Slab {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[..self.len]
    }
}

impl AsRef<[u8]> for Slab {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl Drop for Slab {
    fn drop(&mut self) {
        if self.bytes.len() >= WORTH_KEEPING {
            let bytes = std::mem::take(&mut self.bytes);
            self.home.kept().push(bytes);
        }
    }
}

/// Bytes that count against the budget of memory until their last holder lets go.
#[derive(Debug)]
pub(super) struct Lent {
    pub(super) bytes: Bytes,
    pub(super) _permit: Option<OwnedSemaphorePermit>,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Parts the memory that an extent counts for among its fragments.
pub(super) fn lend(fragments: Vec<Bytes>, mut permit: OwnedSemaphorePermit) -> Vec<Bytes> {
    let share = permit.num_permits() / fragments.len();
    let mut lent: Vec<Bytes> = Vec::with_capacity(fragments.len());
    for bytes in fragments {
        let permit = permit.split(share);
        lent.push(Bytes::from_owner(Lent { bytes, _permit: permit }));
    }
    lent
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_comes_back_when_its_last_holder_lets_go() {
        let pool = Pool::default();
        let shared = pool.take(WORTH_KEEPING + 5).freeze(10);
        let second = shared.clone();
        drop(shared);
        assert_eq!((pool.waiting(), second.len()), (0, 10));
        drop(second);
        assert_eq!(pool.waiting(), 1);
        assert_eq!(pool.take(WORTH_KEEPING).len(), WORTH_KEEPING);
        assert_eq!(pool.waiting(), 1, "taken, then given back at once");
    }

    #[test]
    fn small_buffers_are_not_kept() {
        let pool = Pool::default();
        drop(pool.take(100));
        assert_eq!(pool.waiting(), 0);
    }
}
