//! The tables of the catalog, version 1, and who guards what.
//!
//! ```text
//! object ──1:n── place ──n:1── extent ──1:n── fragment ──n:1── provider          what is stored where
//!   head of a name  |            refs = places that name it
//!                   start, len: the object's bytes; start = -1 for manifests and tombstones
//!
//! generation   what was begun: open, owing a void, or settled        epoch   the last sequence issued in each
//! member  probe  pin  catalog                                        facts beside
//! debt ──1:1── extent   object                                       what was acknowledged and isn't whole yet
//! position ──1:n── change   shipment                                 where the catalog stands, what is kept of the way, what left
//! ```
//!
//! - Numbers (`no`) stand for ids inside the file only: they keep rows short and new ones side by side on the same pages. Fragments refer to
//!   providers, and places to extents, without a foreign key: the engine would search them at each deletion.
//! - A generation is 32 bytes, each part big-endian, so that byte order is its order. Names are bytes in binary order. A copy number is stored
//!   with its highest bit turned, so that the engine's signed order is its order.
//! - An extent is *intended* (refs 0, `retired_at` null), *held* (refs > 0) or *retired* (refs 0, `retired_at` set); it never comes back.
//!   [`NEVER_HELD`] as `retired_at` means that no version ever named it, so that no reader's pin keeps it.
//! - A fragment with `due` is doomed. Nothing reads it any more.
//! - `change.before` is the chain before the change (`journal.rs`). `position.kept_after` is the last change that isn't kept; null if none is.
//! - `sum` covers a row with the ids it refers to (`sum.rs`): a flipped bit in what a read or a deletion follows is an error, not an answer.

/// Bytes 68..72 of the file: "RAIC".
pub(super) const APPLICATION_ID: i32 = 0x5241_4943;

/// `generation.state`: it may be committed.
pub(super) const OPEN: i64 = 0;
/// `generation.state`: closed for ever, its root was sent, its void is not at quorum.
pub(super) const OWES_VOID: i64 = 1;
/// `generation.state`: closed for ever and paid. The row stays as long as its epoch is the newest, so that it can't be begun again.
pub(super) const SETTLED: i64 = 2;

/// `generation.state`: a rebuild found it and could not tell whether it counts, as too few providers answered.
pub(super) const AWAITING: i64 = 3;

/// `generation.state`: its sequence is below the last one issued, and nothing was written under it yet. It may still be begun.
pub(super) const ISSUED: i64 = 4;

/// `place.start` of what is no data: manifests, and the root of a removal.
pub(super) const NO_DATA: i64 = -1;

/// `extent.retired_at` of an extent that no version ever named.
pub(super) const NEVER_HELD: i64 = i64::MIN;

/// `fragment.due` of what may be deleted without a grace.
pub(super) const AT_ONCE: i64 = i64::MIN;

/// The statements that make an empty file a catalog of version 1.
pub(super) const VERSION_1: &str = include_str!("schema.sql");

/// The statements that make a catalog of version 2 one of version 3.
pub(super) const VERSION_3: &str = include_str!("schema_3.sql");
