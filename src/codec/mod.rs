//! Reed-Solomon over GF(2^8): k data shards become n, and any k of the n give all the others back.
//!
//! ```text
//! shard 0     |d d d d d d d d|      one column, one code word: shard i holds the value at the point i of the
//! shard 1     |d d d d d d d d|      polynomial of degree < k that has the data at the points 0, 1, ... k-1
//!   ...
//! shard k     |p p p p p p p p|      columns never mix, so a shard may be coded in pieces of any length
//! shard n-1   |p p p p p p p p|
//! ```
//!
//! The matrix is that of `reed-solomon-erasure` (`docs/format.md` 2); that crate is the oracle of the tests. With k = 1 every
//! shard is a copy, with n = k there is no parity. Encoding, rebuilding and verifying are one operation, sums of products,
//! and share one loop for each instruction set ([`kernel`]).

mod code;
mod field;
pub mod kernel;
mod matrix;
mod plan;

mod encode;
mod recipe;
mod reconstruct;

#[cfg(test)]
mod naive;
#[cfg(test)]
mod oracle;

pub use code::{Code, CodeError, MAX_SHARDS};
