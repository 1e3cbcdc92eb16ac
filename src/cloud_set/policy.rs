//! What must hold of a placement, of a write and of a read.

use std::collections::BTreeMap;

use super::domain::DomainKind;
use crate::stripe::geometry::{MAX_HEADER_LEN, TAG_LEN};

/// The shortest chunk that extents are cut down to, in bytes.
const SHORTEST_CHUNK: u64 = 64;

/// How objects are kept. Made by [`crate::config`], which has checked that it can hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Its name in the configuration.
    pub name: String,
    /// Any k fragments read an extent.
    pub k: u16,
    /// So any m providers may be lost.
    pub m: u16,
    /// The most fragments of one extent that may share a domain, by kind. Empty unless written.
    pub spread: BTreeMap<DomainKind, u16>,
    /// Fragments confirmed before a put is acknowledged, ⌈(n+k)/2⌉ ≤ quorum ≤ n.
    pub quorum: u16,
    /// Chunks are sealed with AES-256-GCM.
    pub sealed: bool,
    /// Which providers are asked first.
    pub prefer: Prefer,
    /// Only these providers, by name; all if `None`.
    pub providers: Option<Vec<String>>,
    /// Coded bytes of a full chunk.
    pub chunk_len: u32,
    /// The longest fragment, in bytes.
    pub fragment_len: u64,
}

impl Policy {
    /// All fragments of an extent.
    #[must_use]
    pub fn n(&self) -> u16 {
        self.k + self.m
    }

    /// The lowest write quorum: any two quorums meet in k fragments.
    #[must_use]
    pub fn lowest_quorum(k: u16, n: u16) -> u16 {
        (n + k).div_ceil(2)
    }

    /// The same with extents of at most `most` bytes of payload, or of one stripe of the shortest chunks.
    ///
    /// # Panics
    /// If k is 0.
    #[must_use]
    pub fn with_extents(&self, most: u64) -> Policy {
        let k = u64::from(self.k);
        let chunk = u64::from(self.chunk_len).min(most / k).max(SHORTEST_CHUNK);
        let stripes = (most / (k * chunk)).max(1);
        Policy {
            chunk_len: u32::try_from(chunk).expect("not longer than the policy's"),
            fragment_len: (u64::from(MAX_HEADER_LEN) + stripes * (chunk + TAG_LEN)).min(self.fragment_len),
            ..self.clone()
        }
    }
}

/// Which providers a read asks first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Prefer {
    /// The fastest.
    #[default]
    Latency,
    /// Those whose egress is cheapest.
    Cost,
    /// Fast among the cheap.
    Balanced,
}
