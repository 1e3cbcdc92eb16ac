//! Changing bytes of an object: a new version that re-uses every extent that the change doesn't touch.
//!
//! ```text
//! before   |--- 0 ---|--- 1 ---|--- 2 ---|- 3 -|
//! patches               ▒▒                    ▒▒▒▒▒▒▒
//! after    |--- 0 ---|=== 1'===|--- 2 ---|=== 3'==|==4'=|       - re-used   = written
//! ```
//!
//! It is a put like any other: parts first, then a root that names old and new extents, then one commit, whose condition is the version it was built
//! on. An object of one extent is written anew as a whole: its extent is its root.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use tokio::task::JoinSet;

use super::Store;
use super::draft::Draft;
use super::error::StoreError;
use super::put::{Complete, Failure, Put, Stored, Writing, landed_part};
use super::send::{Progress, Sent};
use super::snapshot::Snapshot;
use crate::catalog::record::{Condition, Piece};
use crate::cloud_set::policy::Policy;
use crate::fragment::id::Kind;

/// A change of an object, or the object's first version.
#[derive(Clone, Debug)]
pub struct Modify {
    /// The object.
    pub name: String,
    /// How what is written is kept. Its `fragment_len` bounds the extents, and so what a small change costs.
    pub policy: Policy,
    /// The version that it was built on; there must be no object if `None`.
    pub base: Option<Snapshot>,
    /// The new bytes by place; they don't overlap. What lies past the old end and isn't written is zero.
    pub patches: BTreeMap<u64, Bytes>,
    /// Bytes of the new version: not fewer than the patches reach.
    pub len: u64,
}

/// One extent of the new version.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    /// As it was: which of the old ones.
    Keep(usize),
    /// Written: these bytes of the object.
    Write(Range<u64>),
}

impl Store {
    /// Makes a new version of an object, and holds it for reading. [`StoreError::Refused`] if `change.base` is not the newest any more.
    pub async fn modify(
        self: &Arc<Store>,
        change: Modify,
        progress: Arc<dyn Progress>,
    ) -> Result<(Stored, Snapshot), StoreError> {
        let generation = change.base.as_ref().map(|base| base.version().generation);
        let put = Put {
            name: change.name.clone(),
            policy: change.policy.clone(),
            condition: generation.map_or(Condition::Absent, Condition::Is),
            modified: None,
            len_hint: Some(change.len),
        };
        let writing = Arc::new(self.writing(put, progress).await?);
        match ship(&writing, &Arc::new(change)).await {
            Ok(complete) => {
                let pieces = complete.pieces();
                let stored = writing.commit(complete).await?;
                let snapshot = Snapshot::of(stored.version.clone(), pieces);
                Ok((stored, snapshot))
            }
            Err(failure) => Err(writing.give_up(failure).await),
        }
    }
}

async fn ship(writing: &Arc<Writing>, change: &Arc<Modify>) -> Result<Complete, Failure> {
    let capacity = writing.layout(&writing.owner(0, Some(change.len))).capacity();
    let old = change.base.as_ref().map_or(&[][..], Snapshot::pieces);
    let steps = plan(old, &change.patches, change.len, capacity);
    if let [Step::Write(range)] = steps.as_slice() {
        let (draft, permit) = draft(writing, change, 0, range.clone()).await?;
        let owner = writing.owner(0, Some(change.len));
        let root = writing.ship_root(draft, owner, Kind::RootData, permit).await?;
        let digest = root.extent.digest;
        return Ok(Complete {
            root,
            kind: Kind::RootData,
            parts: Vec::new(),
            manifests: Vec::new(),
            len: change.len,
            digest,
        });
    }
    let (mut parts, mut flights) = (Vec::new(), JoinSet::new());
    for (ordinal, step) in (0_u32..).zip(steps) {
        match step {
            Step::Keep(at) => parts.push((ordinal, kept(&old[at]))),
            Step::Write(range) => {
                let (writing, change) = (writing.clone(), change.clone());
                flights.spawn(async move { (ordinal, write(&writing, &change, ordinal, range).await) });
            }
        }
    }
    while let Some(landed) = flights.join_next().await {
        parts.push(landed_part(landed)?);
    }
    parts.sort_by_key(|(ordinal, _)| *ordinal);
    let parts = parts.into_iter().map(|(_, sent)| sent).collect();
    writing.clone().ship_manifests(parts, change.len).await
}

async fn write(writing: &Arc<Writing>, change: &Modify, ordinal: u32, range: Range<u64>) -> Result<Sent, StoreError> {
    let (draft, permit) = draft(writing, change, ordinal, range).await?;
    writing
        .clone()
        .ship_part(draft, writing.owner(ordinal, None), permit)
        .await
}

/// An old extent as part of the new version.
fn kept(piece: &Piece) -> Sent {
    Sent {
        extent: piece.extent.clone(),
        fragments: piece.fragments.clone(),
        acknowledged: true,
        causes: Vec::new(),
        replaced: Vec::new(),
        late: None,
    }
}

async fn draft(
    writing: &Arc<Writing>,
    change: &Modify,
    ordinal: u32,
    range: Range<u64>,
) -> Result<(Draft, tokio::sync::OwnedSemaphorePermit), StoreError> {
    let bytes = content(writing, change, range).await?;
    let layout = writing.layout(&writing.owner(ordinal, Some(change.len)));
    let permit = writing.store.reserve(layout.memory(bytes.len() as u64)).await;
    Ok((writing.draft_of(layout, &bytes), permit))
}

/// The new bytes of a range: the old ones with the patches over them.
async fn content(writing: &Writing, change: &Modify, range: Range<u64>) -> Result<Vec<u8>, StoreError> {
    let index = |byte: u64| usize::try_from(byte - range.start).expect("an extent is in memory");
    let old_len = change.base.as_ref().map_or(0, |base| base.version().len);
    let mut bytes = Vec::new();
    if let Some(base) = &change.base
        && range.start < old_len
        && !covers(&change.patches, &range)
    {
        let old = range.start..range.end.min(old_len);
        bytes = writing.store.read_snapshot(base, old, &writing.progress).await?;
    }
    bytes.resize(index(range.end), 0);
    for (at, patch) in overlapping(&change.patches, &range) {
        let (from, to) = (at.max(range.start), (at + patch.len() as u64).min(range.end));
        let within = usize::try_from(from - at).expect("a patch is in memory");
        bytes[index(from)..index(to)].copy_from_slice(&patch[within..within + index(to) - index(from)]);
    }
    Ok(bytes)
}

fn overlapping<'p>(patches: &'p BTreeMap<u64, Bytes>, range: &Range<u64>) -> impl Iterator<Item = (u64, &'p Bytes)> {
    let start = range.start;
    let before = patches
        .range(..range.end)
        .rev()
        .take_while(move |(at, patch)| **at + patch.len() as u64 > start);
    before.map(|(at, patch)| (*at, patch))
}

/// Whether patches alone make a range.
fn covers(patches: &BTreeMap<u64, Bytes>, range: &Range<u64>) -> bool {
    let overlap = |(at, patch): (u64, &Bytes)| (at + patch.len() as u64).min(range.end) - at.max(range.start);
    overlapping(patches, range).map(overlap).sum::<u64>() == range.end - range.start
}

/// The extents of the new version, in order. Those that are written are full, but the last of a row.
fn plan(old: &[Piece], patches: &BTreeMap<u64, Bytes>, len: u64, capacity: u64) -> Vec<Step> {
    if len <= capacity {
        return vec![Step::Write(0..len)];
    }
    let old_len = old.last().map_or(0, |last| last.offset + last.len);
    let is_kept = |piece: &Piece| {
        let range = piece.offset..piece.offset + piece.len;
        let grows = range.end == old_len && len > old_len && piece.len < capacity;
        // What was a root isn't named by another one.
        let part = piece.extent.kind == Kind::Part && !range.is_empty();
        part && range.end <= len && !grows && overlapping(patches, &range).next().is_none()
    };
    let (mut steps, mut at) = (Vec::new(), 0);
    for (number, piece) in old.iter().enumerate() {
        if is_kept(piece) {
            written(&mut steps, at..piece.offset, capacity);
            steps.push(Step::Keep(number));
            at = piece.offset + piece.len;
        } else if piece.extent.kind == Kind::Part && piece.offset + piece.len < old_len.min(len) {
            // Its own bounds stay, so that its neighbours keep theirs.
            written(&mut steps, at..piece.offset + piece.len, capacity);
            at = piece.offset + piece.len;
        }
    }
    written(&mut steps, at..len, capacity);
    steps
}

fn written(steps: &mut Vec<Step>, range: Range<u64>, capacity: u64) {
    let mut at = range.start;
    while at < range.end {
        let to = range.end.min(at + capacity);
        steps.push(Step::Write(at..to));
        at = to;
    }
}
