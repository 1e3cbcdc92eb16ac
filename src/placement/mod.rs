//! Extent → seats: which provider holds which fragment. The same input gives the same answer on every machine, for ever.
//!
//! ```text
//! order     7  3  9  1  4  8  2  5     all providers, by a hash of extent and provider, scaled by weight
//! window    7  3  ·  1  4  8  2        the first n that keep the spread are the seats, two more may take over a seat
//!           └ n = 4 ┘     └spare┘      (9 would be one too many in its region)
//! seats     1  4  7  3                 fragment index → provider, so that no provider is given data chunks only
//! ```
//!
//! Only extent, provider ids, weights and domains enter the order and the window; who is full, read-only or draining is
//! skipped inside the window and moves nobody else. Free space enters nothing: a placement must be the same tomorrow.

mod apart;
mod constraint;
mod flow;
mod refill;
mod room;
mod score;
mod search;

use crate::cloud_set::domain::Domains;
use crate::fragment::id::ProviderId;

pub use apart::{crowded, owners};
pub use constraint::{Limits, PlacementError, acknowledged, feasible};
pub use refill::{misplaced, refill};
pub use search::{SPARES, Seats, Window, choose, order, window};

/// A provider as placement sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// Which provider.
    pub id: ProviderId,
    /// Its share of the placements against that of others: finite, not negative, 1 is even.
    pub weight: f64,
    /// What it fails together with.
    pub domains: Domains,
    /// False while it is full, read-only or draining: it keeps its place in the order and gets no new fragment.
    pub writable: bool,
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod sample;
