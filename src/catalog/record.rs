//! The rows of the catalog as the rest of RAIC sees them: plain facts, no SQL.

use crate::fragment::id::{ExtentId, Generation, Group, Kind, ProviderId, WriterId};
use crate::stripe::geometry::Shape;

/// One extent: all that is needed to find, verify and read its fragments without their headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Its random name.
    pub id: ExtentId,
    /// The keyed hash of the object it was written for.
    pub group: Group,
    /// The generation it was written under; a later version may re-use it. For a void, the generation that it annuls.
    pub generation: Generation,
    /// What it is for.
    pub kind: Kind,
    /// Which tag, owner and data key.
    pub key_id: u32,
    /// True if its chunks are sealed.
    pub sealed: bool,
    /// Its lengths and counts.
    pub shape: Shape,
    /// Fragments confirmed before it counts.
    pub quorum: u16,
    /// Bytes of each fragment's header.
    pub header_len: u16,
    /// Random, for its keys.
    pub salt: [u8; 32],
    /// Hash over its data chunks' tags; zero until its bytes are coded.
    pub digest: [u8; 32],
}

/// One fragment at one provider. Extent, index and copy name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// The extent it belongs to.
    pub extent: ExtentId,
    /// Which of the n.
    pub index: u16,
    /// Random, in its key.
    pub copy: u64,
    /// Where it is.
    pub provider: ProviderId,
    /// What is known of it.
    pub state: FragmentState,
}

/// What is known of a fragment. The numbers are the database's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum FragmentState {
    /// It may have left; nobody confirmed it.
    Sent = 0,
    /// The provider confirmed it, or a check read it.
    Sound = 1,
    /// Bytes came that are not its own.
    Damaged = 2,
    /// The provider says that it is not there, or refused it for good.
    Missing = 3,
}

impl FragmentState {
    /// The state with this number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<FragmentState> {
        use FragmentState::{Damaged, Missing, Sent, Sound};
        [Sent, Sound, Damaged, Missing]
            .into_iter()
            .find(|state| *state as u8 == number)
    }
}

/// What has to hold of the head at the moment of a commit, beside being lower.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Nothing: the last one wins.
    Any,
    /// No object of this name, or a removal.
    Absent,
    /// The head that a change was built on.
    Is(Generation),
}

/// One version of an object, or its removal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// The object's name.
    pub name: String,
    /// When, in the only order that counts.
    pub generation: Generation,
    /// Root-data, root-manifest or tombstone.
    pub kind: Kind,
    /// Its root extent.
    pub root: ExtentId,
    /// Bytes of the object.
    pub len: u64,
    /// Nanoseconds since 1970, for people.
    pub modified: i64,
    /// The policy it was written under.
    pub policy: String,
    /// Digest as in `docs/format.md` 3.
    pub digest: [u8; 32],
}

/// Work that is about to begin: one extent of one generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intent {
    /// The object.
    pub name: String,
    /// The policy it is written under.
    pub policy: String,
    /// What the commit will ask of the head.
    pub condition: Condition,
    /// The extent; its generation is the one being written.
    pub extent: Extent,
    /// Its fragments-to-be, in state sent.
    pub fragments: Vec<Fragment>,
}

/// One data extent's place in an object, for a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The extent, new or re-used.
    pub extent: ExtentId,
    /// The object's byte at which it begins.
    pub offset: u64,
    /// Bytes of the object that it holds.
    pub len: u64,
}

/// A version that is complete on the clouds and may become the head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// The new head.
    pub version: Version,
    /// What has to hold of the old one.
    pub condition: Condition,
    /// The data extents in order. For root-data the root itself; for a tombstone none.
    pub places: Vec<Place>,
    /// Manifest extents, the root included if it is one. A tombstone's root too.
    pub others: Vec<ExtentId>,
    /// Digests of the extents of this generation, now known.
    pub digests: Vec<(ExtentId, [u8; 32])>,
    /// What became of the fragments of this generation.
    pub fragments: Vec<Fragment>,
    /// Now: when replaced extents retire. Nanoseconds since 1970.
    pub now: i64,
    /// When fragments of replaced extents may be deleted.
    pub doom_at: i64,
}

/// What a commit did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Committed {
    /// The version is the head; the one before it, if any.
    Now(Option<Generation>),
    /// A higher generation is the head: a put without condition counts as overwritten at once. One with a condition is refused.
    Overtaken(Generation),
    /// The condition does not hold; the head that was found.
    Refused(Option<Generation>),
    /// An extent that the version names is not held any more.
    Lost(ExtentId),
    /// The generation was closed before.
    Closed,
}

/// An extent of an object with its place and fragments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The object's byte at which it begins; 0 for manifests.
    pub offset: u64,
    /// Bytes of the object that it holds; 0 for manifests.
    pub len: u64,
    /// The extent.
    pub extent: Extent,
    /// All its fragments that are not doomed, by index.
    pub fragments: Vec<Fragment>,
}

/// A version that a rebuild found on the clouds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The version.
    pub version: Version,
    /// The data extents in order, as in a commit.
    pub places: Vec<Place>,
    /// Manifests, a tombstone's root.
    pub others: Vec<ExtentId>,
    /// Every extent that the version names, with the fragments that were seen.
    pub extents: Vec<(Extent, Vec<Fragment>)>,
}

/// A version that may be its object's head; too few providers answer to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The object.
    pub name: String,
    /// The version.
    pub generation: Generation,
}

/// A fragment to be deleted, with what its key is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doomed {
    /// Its extent.
    pub extent: Extent,
    /// Itself.
    pub fragment: Fragment,
}

/// A generation that is neither committed nor settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenGeneration {
    /// Which.
    pub generation: Generation,
    /// The object.
    pub name: String,
    /// The policy it was written under.
    pub policy: String,
    /// What its commit would have asked.
    pub condition: Condition,
    /// True once closed for ever: it owes a void.
    pub closed: bool,
    /// Its root, if one was intended.
    pub root: Option<ExtentId>,
    /// Its extents that are still known, in the order in which they were intended.
    pub extents: Vec<ExtentId>,
    /// The voids that were intended for it, if it is closed.
    pub voids: Vec<ExtentId>,
}

/// An extent that counts and is not whole: its late fragments are owed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Debt {
    /// The object that holds it.
    pub name: String,
    /// The extent.
    pub extent: ExtentId,
    /// When it was committed, nanoseconds since 1970.
    pub since: i64,
}

/// An epoch and the last sequence that was issued in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochRow {
    /// The epoch.
    pub epoch: u64,
    /// Who claimed it.
    pub writer: WriterId,
    /// 0 if none was issued.
    pub last_sequence: u64,
}

/// A provider's part in the set.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// Its random name, also in its identity blob.
    pub id: ProviderId,
    /// Its name in the configuration.
    pub name: String,
    /// Share of placements; 1 is even.
    pub weight: f64,
    /// What it may be used for.
    pub state: MemberState,
    /// The membership version at which it came.
    pub since: u64,
}

/// What a member may be used for. The numbers are the database's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum MemberState {
    /// Reads and writes.
    Active = 0,
    /// Reads only; keeps what it has.
    ReadOnly = 1,
    /// Reads only; what it has moves away.
    Draining = 2,
    /// Declared lost by its owner: never comes back.
    Lost = 3,
    /// Left after a drain.
    Removed = 4,
}

impl MemberState {
    /// The state with this number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<MemberState> {
        use MemberState::{Active, Draining, Lost, ReadOnly, Removed};
        [Active, ReadOnly, Draining, Lost, Removed]
            .into_iter()
            .find(|state| *state as u8 == number)
    }
}

/// A reader that is at work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pin {
    /// Random.
    pub id: [u8; 16],
    /// Nanoseconds since 1970.
    pub begun: i64,
    /// When it no longer counts even if nobody took it away.
    pub expires: i64,
}

/// The state of an object or extent: its worst extent's count of sound indices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Health {
    /// Fewer than k.
    Lost,
    /// k up to below the quorum.
    AtRisk,
    /// The quorum up to n − 1.
    Degraded,
    /// All n.
    Whole,
}

/// Objects by health.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// All n fragments of every extent.
    pub whole: u64,
    /// Quorum or more of the worst extent.
    pub degraded: u64,
    /// k or more.
    pub at_risk: u64,
    /// Fewer than k.
    pub lost: u64,
    /// The fewest fragments that may still vanish, over all objects; `None` without objects. Negative never: lost counts as 0.
    pub margin: Option<u16>,
    /// Payload bytes of all heads.
    pub bytes: u64,
    /// Fragments whose deletion is due or will be.
    pub doomed: u64,
    /// Open generations and owed voids.
    pub open: u64,
    /// Removals that are kept.
    pub removals: u64,
    /// Extents whose late fragments are owed.
    pub debts: u64,
    /// When the oldest of them was committed, nanoseconds since 1970.
    pub oldest_debt: Option<i64>,
}

/// What lies on one provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Which.
    pub provider: ProviderId,
    /// Fragments that versions hold there, in any state but missing.
    pub fragments: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Fragments there that wait for deletion.
    pub doomed: u64,
    /// Their bytes.
    pub doomed_bytes: u64,
}
