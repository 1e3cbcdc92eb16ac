//! The port to the catalog: what is stored where, and what was begun. Every verb is one whole transaction, durable when it is answered.
//!
//! ```text
//! generation   (none) ──intend──▶ open ──commit──▶ the head of its object ──replaced or removed──▶ its extents retire
//!                                  └──close──▶ closed (owes a void if its root was sent) ──void settled──▶ (none)
//! fragment     (none) ──intend──▶ sent ──▶ sound ⇄ damaged, missing
//!                                   └── any ──doomed at a time──▶ deleted at the provider ──▶ (none)
//! ```
//!
//! The catalog can be rebuilt from the clouds. It holds no key and no payload; the full key of a fragment follows from its extent's row, index and
//! copy number, so a row in state sent is enough to find a blob that a crash left behind.

pub mod record;
mod wire;
pub mod archive;
pub mod change;
pub mod checkpoint;
pub mod diary;
pub mod journal;
pub mod ledger;
pub mod shipment;
pub mod lock;
pub mod sqlite;

#[cfg(test)]
mod sample;
#[cfg(test)]
mod conformance;

use std::fmt;

use futures::future::BoxFuture;

use crate::fragment::id::{ExtentId, Generation, ProviderId, WriterId};
use record::{
    Census, Commit, Committed, Debt, Doomed, EpochRow, Extent, Found, Fragment, Intent, Member, OpenGeneration, Piece,
    Pin, Usage, Version, Waiting,
};

/// How long the fragments of a version stay that a rebuild has found replaced, in nanoseconds: an hour. Its successor was listed and not yet read.
pub const FOUND_GRACE: i64 = 3600 * 1_000_000_000;

/// An answer that is on its way.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, CatalogError>>;

/// The database of one cloud set. One process writes, others may read meanwhile; `conformance.rs` holds every implementation to this page.
///
/// A verb whose future is dropped before it answers has happened or not. A number above 2^63 − 1 (epoch, sequence, length) and whatever else
/// no caller may ask is refused as [`CatalogError::Rule`]; a refused verb changes nothing.
pub trait Catalog: fmt::Debug + Send + Sync {
    // ── writing: each durable (fsync) when answered; several at once share one fsync ──

    /// Notes an epoch of this writer. Refused as [`CatalogError::Epoch`] if one as high is known.
    fn claim_epoch(&self, epoch: u64, writer: WriterId) -> Answer<'_, ()>;

    /// Before the first byte of an extent leaves: opens its generation if it is new, notes the extent with no references and its fragments as sent,
    /// and raises the last sequence of the epoch; those that it overtakes are noted as issued. A root or void is noted as such; a void only for a generation that owes one.
    /// The same extent once more adds fragments to it. Only the newest epoch opens generations: [`CatalogError::Closed`] for one that was
    /// closed, is a head, or is of an older epoch and not open.
    fn intend(&self, intent: Intent) -> Answer<'_, ()>;

    /// The one moment at which a version or removal comes to be: the head changes to `commit.version` if its generation is higher and the
    /// condition holds, extents gain and lose references, those without any retire and their fragments are doomed at `commit.doom_at`,
    /// fragment states are settled, the generation is no longer open. What the generation wrote and the commit doesn't name retires too.
    ///
    /// Places follow each other from byte 0 to `version.len` without a gap; the root is among the places or the others.
    ///
    /// [`Committed::Overtaken`] ends the generation like a version that was replaced at once; no void is owed. After any other answer but
    /// [`Committed::Now`] nothing has changed: an open generation stays open, to be closed.
    fn commit(&self, commit: Commit) -> Answer<'_, Committed>;

    /// Closes a generation for ever: it can never be committed, its extents retire, its fragments are doomed at `doom_at`.
    /// If its root was intended it owes a void until [`Catalog::settle_void`]. Once more, or for a generation that was never begun, is fine.
    /// A head is refused: who closes it believes that it is not stored.
    fn close(&self, generation: Generation, doom_at: i64) -> Answer<'_, ()>;

    /// The void of a closed generation is at its quorum: the debt is paid. The void's extent (already intended) is held for ever, the
    /// states of its fragments are noted, other voids of the generation are doomed at once.
    fn settle_void(&self, generation: Generation, void: ExtentId, fragments: Vec<Fragment>) -> Answer<'_, ()>;

    /// Notes what was found out about fragments that are known (by extent, index and copy); unknown ones are passed over.
    fn mark(&self, fragments: Vec<Fragment>) -> Answer<'_, ()>;

    /// Before a moved or rebuilt fragment leaves: notes it as sent. Refused as [`CatalogError::Retired`] if no version holds the extent.
    fn begin_move(&self, fragment: Fragment) -> Answer<'_, ()>;

    /// A moved or rebuilt fragment is sound: every other copy of its index is doomed at `doom_at`, unless another was finished meanwhile and
    /// doomed this one. Refused as [`CatalogError::Retired`], with the new copy doomed at once, if no version holds the extent any more; if
    /// the extent is not even known any more, the caller deletes the copy.
    fn finish_move(&self, fragment: Fragment, doom_at: i64) -> Answer<'_, ()>;

    /// Versions that a rebuild found on the clouds, in one transaction: extents, fragments and the heads of their objects. What they replace may be
    /// deleted [`FOUND_GRACE`] after `now`. One whose object has a head as new or newer, or whose generation was closed here, is passed over.
    /// [`CatalogError::Rule`] if one names an extent that is not among its own, or one that is known in another form.
    fn adopt(&self, found: Vec<Found>, now: i64) -> Answer<'_, ()>;

    /// Versions of which a rebuild could not tell whether they count, in place of those before. Nothing is written under such a generation,
    /// and closing it changes nothing; one that was closed here is passed over. What was written under one that is open here is forgotten and
    /// stays where it lies: this catalog may be an old one, and another may have moved its fragments since. What was issued and never begun is
    /// forgotten too: the rebuild has judged it.
    fn await_providers(&self, waiting: Vec<Waiting>) -> Answer<'_, ()>;

    /// Epochs that were seen on the clouds, with the highest sequence seen in each: never used again.
    fn learn_epochs(&self, epochs: Vec<EpochRow>) -> Answer<'_, ()>;

    /// Fragments whose deletion is due at `now`, oldest first, at most `limit`; none of an extent that retired at or after the begin of a pin
    /// that is live at `now`. What no version ever held isn't kept by pins.
    fn doomed(&self, now: i64, limit: usize) -> Answer<'_, Vec<Doomed>>;

    /// These doomed fragments are gone from their providers (by extent, index and copy): their rows go, and those of retired extents with none
    /// left; but the root of a generation that owes a void stays known until that is paid. What isn't doomed is passed over: it is marked
    /// missing instead.
    fn deleted(&self, fragments: Vec<Fragment>) -> Answer<'_, ()>;

    /// A deletion failed: try again at `again_at`. Fragments that are not doomed are passed over.
    fn postpone(&self, fragments: Vec<Fragment>, again_at: i64) -> Answer<'_, ()>;

    /// The members of the set from this membership version on, past ones included, in place of those before.
    fn set_members(&self, version: u64, members: Vec<Member>) -> Answer<'_, ()>;

    /// Keeps what was found out about a provider's behaviour, as JSON.
    fn save_probe(&self, provider: ProviderId, probe: String) -> Answer<'_, ()>;

    /// A reader begins: nothing that retires from now on is deleted before `unpin` or `expires`. The same pin once more moves its end.
    /// A process that only reads may pin too.
    fn pin(&self, pin: Pin) -> Answer<'_, ()>;

    /// The reader has ended.
    fn unpin(&self, id: [u8; 16]) -> Answer<'_, ()>;

    // ── reading ──

    /// The newest committed version of an object, a removal included.
    fn head(&self, name: &str) -> Answer<'_, Option<Version>>;

    /// Heads that are not removals, by name in byte order, whose name begins with `prefix` and is above `after`, at most `limit`.
    fn versions(&self, prefix: &str, after: Option<&str>, limit: usize) -> Answer<'_, Vec<Version>>;

    /// The data extents of an object's head that overlap payload bytes `from..to`, in order, with all fragments that are not doomed.
    /// Empty if the head is not `generation` any more.
    fn pieces(&self, name: &str, generation: Generation, from: u64, to: u64) -> Answer<'_, Vec<Piece>>;

    /// All extents that an object's head holds: manifests (or a tombstone's root) as committed, then data in order.
    fn extents(&self, name: &str) -> Answer<'_, Vec<Piece>>;

    /// Generations that are neither committed nor settled, oldest first.
    fn open_generations(&self) -> Answer<'_, Vec<OpenGeneration>>;

    /// Generations whose sequence was given out and under which nothing was written yet, oldest first: all those below the last sequence of their
    /// epoch that may still come.
    fn issued(&self) -> Answer<'_, Vec<Generation>>;

    /// Extents that were committed short of n sound fragments and have not been whole since, at most `limit`, the longest owed first.
    fn debts(&self, limit: usize) -> Answer<'_, Vec<Debt>>;

    /// What [`Catalog::await_providers`] noted and no head has overtaken since: such an object can't be read.
    fn awaited(&self) -> Answer<'_, Vec<Waiting>>;

    /// Every known epoch with its last issued sequence.
    fn epochs(&self) -> Answer<'_, Vec<EpochRow>>;

    /// The membership version and all members ever, by name.
    fn members(&self) -> Answer<'_, (u64, Vec<Member>)>;

    /// What [`Catalog::save_probe`] kept.
    fn probe(&self, provider: ProviderId) -> Answer<'_, Option<String>>;

    /// Objects by health, counting only fragments on providers other than `away`.
    fn census(&self, away: &[ProviderId]) -> Answer<'_, Census>;

    /// The names of up to `limit` objects whose health is not whole when fragments on `away` don't count, worst first.
    fn ailing(&self, away: &[ProviderId], limit: usize) -> Answer<'_, Vec<(String, record::Health)>>;

    /// What lies on each provider.
    fn usage(&self) -> Answer<'_, Vec<Usage>>;

    /// Extents with fragments on `provider` that are not doomed, whatever their state, and that a version holds: at most `limit` above
    /// `after`, in order.
    fn extents_on(&self, provider: ProviderId, after: Option<ExtentId>, limit: usize) -> Answer<'_, Vec<ExtentId>>;

    /// One extent with its fragments that are not doomed.
    fn extent(&self, id: ExtentId) -> Answer<'_, Option<(Extent, Vec<Fragment>)>>;

    /// Checks the database's own structure and RAIC's rules over it; the findings, one sentence each.
    fn check(&self) -> Answer<'_, Vec<String>>;
}

/// Why the catalog did not answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CatalogError {
    /// The file cannot be opened, read or written. After a failed write nothing more is written: the process has to end.
    #[error("catalog {path}: {message}")]
    Io {
        /// The database file.
        path: String,
        /// The engine's words.
        message: String,
    },
    /// The file is not a catalog, or is damaged.
    #[error("catalog {path} is damaged: {message}")]
    Damaged {
        /// The database file.
        path: String,
        /// What was found.
        message: String,
    },
    /// Made by a later RAIC.
    #[error("catalog {path} has schema version {found}, this RAIC knows up to {known}")]
    Newer {
        /// The database file.
        path: String,
        /// Its schema version.
        found: u32,
        /// The newest that this program knows.
        known: u32,
    },
    /// It belongs to another cloud set.
    #[error("catalog {path} belongs to set {found}, the key to set {wanted}")]
    OtherSet {
        /// The database file.
        path: String,
        /// The set in the file.
        found: String,
        /// The set of the key.
        wanted: String,
    },
    /// An epoch as high as the one to claim is known.
    #[error("epoch {wanted} was to be claimed, {found} is known already")]
    Epoch {
        /// What was to be claimed.
        wanted: u64,
        /// The highest known.
        found: u64,
    },
    /// No version holds the extent any more.
    #[error("extent {0} is not held by any version any more")]
    Retired(ExtentId),
    /// The generation was closed for ever, or its epoch is not the newest: nothing more can be written under it.
    #[error("generation {0} is closed")]
    Closed(Generation),
    /// A checkpoint or a piece of the journal can't be taken over. Nothing was changed.
    #[error(transparent)]
    Archive(#[from] archive::ArchiveError),
    /// The caller did what this page forbids: ours to fix. Nothing was changed.
    #[error("a rule of the catalog was broken: {0}")]
    Rule(String),
}
