//! Re-coding: objects that are kept under another k or n than their policy has now are read and put anew.
//!
//! ```text
//! each object   an extent of another code than the policy's?
//!               ─▶ read where it costs least, a window at a time ─▶ put under the policy, if it still is the version that was read
//!               ─▶ the old version's blobs go after the grace, like those of any that was replaced
//! ```
//!
//! An object is the smallest step: a put that was broken off is annulled or rolled forward like any other, and the next run finds by the catalog what is left to do.
//! Name, bytes and time stay; so do the cipher, and the bound of the extents where an object has shorter ones than its policy (a node's slots). Removals
//! and annulments keep the code that they have: they are read by no code.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, stream};

use super::outlay::Outlay;
use super::ship::belt::{Giver, belt};
use crate::catalog::record::{Condition, Piece, Version};
use crate::cloud_set::policy::{Policy, Prefer};
use crate::fragment::owner::Owner;
use crate::store::Store;
use crate::store::error::StoreError;
use crate::store::fetch::Source;
use crate::store::layout::Layout;
use crate::store::put::{Put, Stored};
use crate::store::read::steps;
use crate::store::send::Progress;

/// Objects under way at once. Each holds some windows of bytes beside the store's own memory.
const AT_ONCE: usize = 4;

/// Windows of one object that are read ahead.
const AHEAD: usize = 2;

/// Bytes that go onto the belt at once.
const PIECE: usize = 64 << 10;

/// Objects that are looked up at once.
const PAGE: usize = 256;

const NANOS_A_DAY: i64 = 86_400 * 1_000_000_000;

/// One object to write anew.
#[derive(Clone, Debug)]
pub struct Step {
    /// Its name.
    pub name: String,
    /// Its bytes.
    pub bytes: u64,
    /// k and n of its first extent.
    pub from: (u16, u16),
    /// k and n of its policy.
    pub to: (u16, u16),
    version: Version,
    policy: Policy,
    /// All that its head holds now: manifests too.
    held: Vec<Piece>,
}

/// What was done, or would be.
#[derive(Debug, Default)]
pub struct Recoded {
    /// Objects that are kept under their policy's code now.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Objects among them that have fewer than n confirmed fragments.
    pub short: u64,
    /// Objects that were replaced or removed meanwhile.
    pub overtaken: u64,
    /// Objects that could not be read or written; they are as they were.
    pub failed: Vec<(String, StoreError)>,
    /// What it takes of each provider, to the byte; which of the writable ones get the new fragments is drawn when they are written, so of those it is the mean.
    pub outlay: Outlay,
}

/// Writes anew what is kept under another code than its policy's. With `dry_run` it only tells. Once `stop` is true it ends after the objects under way.
pub async fn recode(
    store: &Arc<Store>,
    dry_run: bool,
    progress: &Arc<dyn Progress>,
    stop: &(dyn Fn() -> bool + Sync),
    tell: &mut (dyn FnMut(&Step) + Send),
) -> Result<Recoded, StoreError> {
    if !dry_run {
        store.begin_writing().await?;
    }
    let (mut recoded, mut after) = (Recoded::default(), None);
    while let Some(page) = page(store, &mut after).await? {
        let page = page.into_iter().take_while(|_| !stop());
        let mut ends = stream::iter(page)
            .map(|step| async move {
                let end = if dry_run {
                    End::Planned
                } else {
                    carry_out(store, &step, progress).await
                };
                (step, end)
            })
            .buffer_unordered(AT_ONCE);
        while let Some((step, end)) = ends.next().await {
            recoded.count(store, &step, end, tell)?;
        }
        if stop() {
            break;
        }
    }
    Ok(recoded)
}

/// How many objects are kept under another code than their policy's.
pub async fn due(store: &Store) -> Result<u64, StoreError> {
    let (mut due, mut after) = (0, None);
    while let Some(page) = page(store, &mut after).await? {
        due += page.len() as u64;
    }
    Ok(due)
}

/// Those of the next objects that are to be written anew; `None` behind the last.
async fn page(store: &Store, after: &mut Option<String>) -> Result<Option<Vec<Step>>, StoreError> {
    let versions = store.catalog().versions("", after.as_deref(), PAGE).await?;
    let Some(last) = versions.last() else { return Ok(None) };
    *after = Some(last.name.clone());
    let mut page = Vec::new();
    for version in versions {
        let Some(policy) = store.policy(&version.policy) else {
            continue;
        };
        let held = store.catalog().extents(&version.name).await?;
        let differs = |piece: &&Piece| {
            let shape = &piece.extent.shape;
            piece.extent.kind.holds_data() && (shape.k, shape.n) != (policy.k, policy.n())
        };
        if let Some(first) = held.iter().find(differs) {
            let shape = first.extent.shape;
            page.push(Step {
                name: version.name.clone(),
                bytes: version.len,
                from: (shape.k, shape.n),
                to: (policy.k, policy.n()),
                policy: kept_like(policy, &held),
                version,
                held,
            });
        }
    }
    Ok(Some(page))
}

/// The policy with what an object keeps: whether it is sealed, and extents that are no longer than they were if it has several.
fn kept_like(policy: &Policy, held: &[Piece]) -> Policy {
    let data = held.iter().filter(|piece| piece.len > 0).map(|piece| piece.len);
    let sealed = held.iter().all(|piece| piece.extent.sealed);
    let policy = Policy {
        sealed,
        ..policy.clone()
    };
    match data.max() {
        Some(longest) if held.len() > 1 => policy.with_extents(longest),
        _ => policy,
    }
}

enum End {
    Planned,
    Written(Stored),
    Overtaken,
    Failed(StoreError),
}

impl Recoded {
    fn count(
        &mut self,
        store: &Store,
        step: &Step,
        end: End,
        tell: &mut (dyn FnMut(&Step) + Send),
    ) -> Result<(), StoreError> {
        match end {
            End::Planned => {}
            End::Written(stored) => self.short += u64::from(stored.confirmed < stored.n),
            End::Overtaken => {
                self.overtaken += 1;
                return Ok(());
            }
            // What a catalog refuses is no matter of one object.
            End::Failed(error @ StoreError::Catalog(_)) => return Err(error),
            End::Failed(error) => {
                self.failed.push((step.name.clone(), error));
                return Ok(());
            }
        }
        step.reckon(store, self.objects, &mut self.outlay);
        self.objects += 1;
        self.bytes += step.bytes;
        tell(step);
        Ok(())
    }
}

impl Step {
    /// Adds what this takes: the reads as they will be asked, the fragments that are written, the blobs that go. `turn` draws who gets the new ones.
    fn reckon(&self, store: &Store, turn: u64, outlay: &mut Outlay) {
        let (clouds, data) = (store.clouds(), self.held.iter().filter(|piece| piece.len > 0));
        for window in steps(data.cloned().collect(), &(0..self.bytes)) {
            let source = self.source(window.ordinal, window.piece);
            for (cloud, len) in store.first_asked(&source, &window.range) {
                outlay.of(&cloud.member.name).get(len);
            }
        }
        let days = store.clock().now().saturating_sub(self.version.modified) / NANOS_A_DAY;
        let days = u16::try_from(days.max(0)).unwrap_or(u16::MAX);
        for piece in &self.held {
            let len = piece.extent.shape.fragment_len(piece.extent.header_len);
            for cloud in piece.fragments.iter().filter_map(|fragment| clouds.holder(fragment)) {
                outlay.of(&cloud.member.name).drop(len, days);
            }
        }
        let takers = clouds.candidates(self.policy.providers.as_deref());
        let takers = takers.iter().filter(|candidate| candidate.writable);
        let takers: Vec<_> = takers.filter_map(|candidate| clouds.get(candidate.id)).collect();
        let first = usize::try_from(turn).unwrap_or(0) % takers.len().max(1);
        for len in Layout::of(&self.policy, &self.owner()).foreseen(self.bytes) {
            let seats = takers.iter().cycle().skip(first).take(self.to.1.into());
            seats.for_each(|cloud| outlay.of(&cloud.member.name).put(len));
        }
    }

    fn source(&self, ordinal: usize, piece: Piece) -> Source {
        Source {
            prefer: Some(Prefer::Cost),
            ..Source::new(&self.name, &self.version.policy, ordinal, piece)
        }
    }

    /// What the headers of its root carry, as far as it takes room.
    fn owner(&self) -> Owner {
        Owner {
            name: Some(self.name.clone()),
            object_len: Some(self.bytes),
            ordinal: Some(0),
            modified: Some(self.version.modified),
            policy: Some(self.policy.name.clone()),
            ..Owner::default()
        }
    }
}

async fn carry_out(store: &Arc<Store>, step: &Step, progress: &Arc<dyn Progress>) -> End {
    let version = &step.version;
    let pieces = store
        .catalog()
        .pieces(&step.name, version.generation, 0, version.len)
        .await;
    let pieces = match pieces {
        Ok(pieces) if pieces.iter().map(|piece| piece.len).sum::<u64>() == version.len => pieces,
        Ok(_) => return End::Overtaken,
        Err(error) => return End::Failed(error.into()),
    };
    let put = Put {
        name: step.name.clone(),
        policy: step.policy.clone(),
        condition: Condition::Is(version.generation),
        modified: Some(version.modified),
        len_hint: Some(version.len),
    };
    let (giver, taker) = belt(true);
    let (stored, fed) = tokio::join!(
        store.put(put, taker, progress.clone()),
        feed(store, step, pieces, giver, progress)
    );
    match (stored, fed) {
        (Ok(stored), Ok(())) => End::Written(stored),
        (Err(StoreError::Refused { .. }), Ok(())) => End::Overtaken,
        (_, Err(error)) | (Err(error), Ok(())) => End::Failed(error),
    }
}

/// Reads an object from its beginning to its end, as fast as it is written.
async fn feed(
    store: &Arc<Store>,
    step: &Step,
    pieces: Vec<Piece>,
    giver: Giver,
    progress: &Arc<dyn Progress>,
) -> Result<(), StoreError> {
    let fetches = steps(pieces, &(0..step.bytes)).into_iter().map(|window| async move {
        let source = step.source(window.ordinal, window.piece);
        store.fetch(&source, window.range, progress).await
    });
    let mut fetched = stream::iter(fetches).buffered(AHEAD);
    while let Some(window) = fetched.next().await {
        match window {
            Ok((bytes, notes)) => {
                store.note(&notes).await;
                if !hand_over(&giver, bytes).await {
                    // The put ended early, and says why.
                    return Ok(());
                }
            }
            Err(error) => {
                giver.hand(Err(io::Error::other("its bytes could not be read"))).await;
                return Err(error);
            }
        }
    }
    Ok(())
}

/// False if nobody takes bytes any more.
async fn hand_over(giver: &Giver, mut bytes: Bytes) -> bool {
    while !bytes.is_empty() {
        let piece = bytes.split_to(bytes.len().min(PIECE));
        if !giver.hand(Ok(piece)).await {
            return false;
        }
    }
    true
}
