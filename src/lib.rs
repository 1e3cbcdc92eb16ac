//! RAIC, a redundant array of independent clouds: objects striped with Reed-Solomon over storage providers of
//! different companies, so that any m of them may vanish.
//!
//! The floors, from the ground up; a module uses only those above it in this list (`tests/tidy.rs` holds that):
//!
//! ```text
//! codec  stripe  cipher  fragment  cloud_set  placement      pure: bytes and numbers in, bytes and numbers out
//! clock  entropy  provider  catalog                          the doors to the world
//! store  care  mix                                           the work
//! node  status                                               the Tahoe-LAFS storage node, and what it tells its owner
//! config  cli                                                the front door
//! ```
//!
//! The shape of what is stored is `docs/format.md`; what is promised, `docs/semantics.md`; the words, `docs/glossary.md`.

pub mod codec;
pub mod stripe;
pub mod cipher;
pub mod fragment;
pub mod cloud_set;
pub mod placement;

pub mod clock;
pub mod entropy;
#[doc(hidden)]
pub mod plant;
pub mod provider;
pub mod catalog;

pub mod store;
pub mod care;
pub mod mix;

pub mod node;
pub mod status;

pub mod config;
pub mod cli;
