//! The work on objects: put, get, remove. Decisions with a history are machines without I/O (`scatter`, `gather`); the rest awaits.

pub mod error;
pub mod gather;
pub mod scatter;
pub mod slab;

pub use error::StoreError;
