//! What is decided of an extent before its first byte is read, and the lengths that follow from it.

use super::manifest::entries_within;
use crate::cipher::SEAL_LEN;
use crate::cloud_set::policy::Policy;
use crate::fragment::manifest::{ENTRY_LEN, HEAD_LEN};
use crate::fragment::owner::Owner;
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
    /// The layout of an extent with such an owner's part; the digest takes its place in it too.
    #[must_use]
    pub fn of(policy: &Policy, owner: &Owner) -> Layout {
        let owner = Owner {
            digest: Some([0; 32]),
            ..owner.clone()
        };
        Layout {
            k: policy.k,
            n: policy.n(),
            chunk_len: policy.chunk_len,
            overhead: if policy.sealed {
                u32::try_from(SEAL_LEN).expect("16")
            } else {
                0
            },
            header_len: owner.header_len(),
            fragment_len: policy.fragment_len,
        }
    }

    /// Bytes of a fragment of each extent that a put of `len` bytes makes, manifests last.
    #[must_use]
    pub fn foreseen(&self, len: u64) -> Vec<u64> {
        let fragment_len = |payload: u64| self.shape(payload).fragment_len(self.header_len);
        let capacity = self.capacity();
        if len <= capacity {
            return vec![fragment_len(len)];
        }
        let full = std::iter::repeat_n(capacity, usize::try_from(len / capacity).expect("a count of extents"));
        let rest = (!len.is_multiple_of(capacity)).then_some(len % capacity);
        let mut all: Vec<u64> = full.chain(rest).map(fragment_len).collect();
        let (mut listed, fit) = (all.len() as u64, entries_within(capacity));
        while listed > 1 {
            let groups = listed.div_ceil(fit);
            for group in 0..groups {
                let entries = fit.min(listed - group * fit);
                all.push(fragment_len(HEAD_LEN as u64 + entries * ENTRY_LEN as u64));
            }
            listed = groups;
        }
        all
    }

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
