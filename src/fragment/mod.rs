//! The format: what one provider holds of one extent, and the names it has there.
//!
//! The byte tables have one home, `docs/format.md`.

pub mod id;
