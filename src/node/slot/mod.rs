//! Slots: several shares in one object, changed together.
//!
//! ```text
//! request ─▶ queue of its slot ─▶ in order, each on what those before it left (draft) ─▶ one change of the object ─▶ every answer
//! ```
//!
//! Requests that arrive while a change is on its way wait for each other and become the next one. So ten clients on one slot cost two changes,
//! not ten, and each still sees the slot as if it were alone with it.

pub mod image;
pub mod draft;
pub mod queue;
