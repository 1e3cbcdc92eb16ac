//! The port to what care notes for itself: when each fragment was last looked at, which blobs nothing seems to need, and when what was done.
//!
//! It is of this machine and this day: it is in no journal and no checkpoint. Without it nothing is lost but looks, which are taken again, and the
//! first sight of garbage, whose grace begins anew. It stands beside the [`Catalog`](super::Catalog) in one file; a process that only looks after objects
//! may write it while another writes objects.

use super::Answer;
use super::record::{Extent, Fragment};
use crate::fragment::id::{ExtentId, Group, ProviderId};

/// Keys begin with one of so many letters.
pub const WARDS: u8 = 32;

/// All objects whose keys begin with one letter: what is listed and compared at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ward(u8);

impl Ward {
    /// The ward of this number; `None` from [`WARDS`] on.
    #[must_use]
    pub fn new(number: u8) -> Option<Ward> {
        (number < WARDS).then_some(Ward(number))
    }

    /// All of them.
    pub fn all() -> impl Iterator<Item = Ward> {
        (0..WARDS).map(Ward)
    }

    /// The ward of an object.
    #[must_use]
    pub fn of(group: Group) -> Ward {
        Ward(group.0[0] >> 3)
    }

    /// Its number, 0..32.
    #[must_use]
    pub fn number(self) -> u8 {
        self.0
    }

    /// What the keys in it begin with: a letter and `/`.
    #[must_use]
    pub fn prefix(self) -> String {
        let letter = &crate::fragment::id::BASE32.encode(&[self.0 << 3])[..1];
        format!("{letter}/")
    }
}

/// When a ward of a provider was last listed whole and compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The provider.
    pub provider: ProviderId,
    /// The ward.
    pub ward: Ward,
    /// Nanoseconds since 1970.
    pub at: i64,
}

/// An extent with all that the catalog knows of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tracked {
    /// The extent.
    pub extent: Extent,
    /// True if a version, or a void, holds it.
    pub held: bool,
    /// Its fragments that are not doomed.
    pub fragments: Vec<Fragment>,
    /// Those that are.
    pub doomed: Vec<Fragment>,
}

/// A fragment that may be read: where it stands in the order of looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unread {
    /// Its extent.
    pub extent: Extent,
    /// Itself.
    pub fragment: Fragment,
    /// When it was last read whole, or first noted; `None` if it was never noted. Nanoseconds since 1970.
    pub since: Option<i64>,
    /// Where to go on behind it.
    pub mark: Bookmark,
}

/// A place in the order of [`Diary::unread`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bookmark {
    pub(super) since: i64,
    pub(super) extent: i64,
    pub(super) index: i64,
    pub(super) copy: i64,
}

/// How much of what versions hold was read whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Fragments that versions hold.
    pub fragments: u64,
    /// Those that were read whole at least once.
    pub read: u64,
    /// When the one was read that was read longest ago; `None` if some never was.
    pub oldest: Option<i64>,
}

/// A blob of this set that nothing seems to need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Orphan {
    /// Where it lies.
    pub provider: ProviderId,
    /// Its key there.
    pub key: String,
    /// Its length in bytes, where the listing told it.
    pub len: Option<u64>,
    /// When it was first seen, nanoseconds since 1970.
    pub seen: i64,
}

/// An object that is not whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ailing {
    /// Its name.
    pub name: String,
    /// Its state.
    pub health: super::record::Health,
    /// Providers that its worst extent can still lose.
    pub margin: u16,
}

/// What is noted with its time. The numbers are the database's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Deed {
    /// Every ward of every provider that answered was listed and compared.
    Listed = 1,
    /// Fragments were read through.
    Read = 2,
    /// Garbage was looked for and collected.
    Collected = 3,
    /// The recovery sheet was exported.
    KeyExported = 4,
    /// What was known to be damaged or missing was rebuilt, as far as it could be.
    Repaired = 5,
}

/// What care notes. Every verb is one transaction, durable when it is answered.
pub trait Diary: std::fmt::Debug + Send + Sync {
    // ── listings ──

    /// When wards were last listed. What has no row never was.
    fn listed(&self) -> Answer<'_, Vec<Listed>>;

    /// These wards were listed and compared.
    fn note_listed(&self, listed: Vec<Listed>) -> Answer<'_, ()>;

    /// All extents of a ward that the catalog knows, whatever became of them.
    fn ward(&self, ward: Ward) -> Answer<'_, Vec<Tracked>>;

    // ── reading ──

    /// Notes every fragment that versions hold and that was not noted yet, and forgets those that are gone: whoever is noted first is read first, so
    /// that new fragments don't keep old ones from being read.
    fn enrol(&self, now: i64) -> Answer<'_, ()>;

    /// At most `limit` fragments that versions hold and that are not missing, those that were read or noted longest ago first, none from `before`
    /// on, behind `after`. What was never noted comes last.
    fn unread(&self, before: i64, after: Option<Bookmark>, limit: usize) -> Answer<'_, Vec<Unread>>;

    /// These fragments were read whole at `at`, whatever was found.
    fn note_read(&self, fragments: Vec<Fragment>, at: i64) -> Answer<'_, ()>;

    /// How many were read, and since when.
    fn reach(&self) -> Answer<'_, Reach>;

    /// The indices of an extent of which a copy that is sound was read whole at or after `since`.
    fn proved(&self, extent: ExtentId, since: i64) -> Answer<'_, Vec<u16>>;

    // ── garbage ──

    /// These blobs were seen and nothing needs them: new ones are noted with their time, known ones keep theirs.
    fn note_orphans(&self, orphans: Vec<Orphan>) -> Answer<'_, ()>;

    /// These are gone, or needed after all.
    fn forget_orphans(&self, orphans: Vec<Orphan>) -> Answer<'_, ()>;

    /// All of them, those that were seen first at the front.
    fn orphans(&self) -> Answer<'_, Vec<Orphan>>;

    // ── repair ──

    /// Up to `limit` objects whose health is not whole when fragments on `away` don't count: those that can lose least first, then by name.
    fn queue(&self, away: &[ProviderId], limit: usize) -> Answer<'_, Vec<Ailing>>;

    // ── deeds ──

    /// Something was done at `at`; the later time counts.
    fn note(&self, deed: Deed, at: i64) -> Answer<'_, ()>;

    /// When it was last done.
    fn when(&self, deed: Deed) -> Answer<'_, Option<i64>>;
}
