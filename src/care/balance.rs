//! Moving fragments to where the placement wants them: after providers came, or while one is being drained.
//!
//! ```text
//! each extent   holders ─▶ outside its homes? ─▶ a free home ─▶ copied, proved, noted ─▶ the old one goes after the grace
//!               unreadable where it is ─▶ made anew from k others, for the same home
//! ```
//!
//! Nothing moves that is at home, so a set in balance is left alone; and a drain moves the drained provider's fragments and no others.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::StreamExt;
use futures::stream;

use crate::catalog::record::{Fragment, FragmentState, MemberState, Piece};
use crate::placement::{Candidate, misplaced};
use crate::provider::ProviderError;
use crate::store::Store;
use crate::store::clouds::Cloud;
use crate::store::error::StoreError;
use crate::store::fetch::Source;
use crate::store::relocate::Moved;
use crate::store::send::Progress;

/// Moves under way at once.
const AT_ONCE: usize = 8;

/// Objects that are looked up at once.
const PAGE: usize = 256;

/// What is to be moved.
#[derive(Clone, Debug)]
pub enum Scope {
    /// Whatever lies outside its homes.
    Everything,
    /// What the provider of this name holds.
    From(String),
}

/// One fragment to move.
#[derive(Clone, Debug)]
pub struct Step {
    /// The object, or the extent's id where it has no name.
    pub name: String,
    /// Bytes of the fragment.
    pub bytes: u64,
    /// Where it is.
    pub from: String,
    /// Where it belongs.
    pub to: String,
    source: Source,
    fragment: Fragment,
    target: Arc<Cloud>,
}

/// What was moved, or would be.
#[derive(Debug, Default)]
pub struct Balanced {
    /// Fragments that moved.
    pub moved: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Fragments that were made anew, as they could not be read where they were.
    pub rebuilt: u64,
    /// Fragments that have to go and for which no provider is free: another provider is needed.
    pub stuck: u64,
    /// Fragments whose move failed.
    pub failed: u64,
    /// What providers that failed said, the first of each.
    pub causes: Vec<ProviderError>,
}

/// Something happened on the way.
#[derive(Debug)]
pub enum Event<'a> {
    /// This fragment was moved, or would be.
    Moved(&'a Step),
}

/// Moves what is to be moved, object by object. With `dry_run` it only tells. Once `stop` is true it ends after the moves under way.
pub async fn balance(
    store: &Arc<Store>,
    scope: &Scope,
    dry_run: bool,
    progress: &Arc<dyn Progress>,
    stop: &(dyn Fn() -> bool + Sync),
    tell: &mut (dyn FnMut(Event<'_>) + Send),
) -> Result<Balanced, StoreError> {
    if !dry_run {
        store.begin_writing().await?;
    }
    let mut balanced = Balanced::default();
    let mut after: Option<String> = None;
    loop {
        let page = store.catalog().versions("", after.as_deref(), PAGE).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.name.clone());
        for version in page {
            if stop() {
                return Ok(balanced);
            }
            let pieces = store.catalog().extents(&version.name).await?;
            let plan = plan(store, scope, &version.name, &version.policy, pieces, &mut balanced);
            carry_out(store, plan, dry_run, progress, &mut balanced, tell).await?;
        }
    }
    if let Scope::From(name) = scope {
        leftovers(store, name, dry_run, progress, stop, &mut balanced, tell).await?;
    }
    Ok(balanced)
}

/// What a provider holds beside the extents of objects: removals and annulments.
async fn leftovers(
    store: &Arc<Store>,
    provider: &str,
    dry_run: bool,
    progress: &Arc<dyn Progress>,
    stop: &(dyn Fn() -> bool + Sync),
    balanced: &mut Balanced,
    tell: &mut (dyn FnMut(Event<'_>) + Send),
) -> Result<(), StoreError> {
    let clouds = store.clouds();
    let member = clouds.named(provider).ok_or_else(|| StoreError::NoMember {
        provider: provider.to_owned(),
    })?;
    let mut after = None;
    loop {
        let page = store.catalog().extents_on(member.member.id, after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(*last);
        for id in page {
            if stop() {
                return Ok(());
            }
            let Some((extent, fragments)) = store.catalog().extent(id).await? else {
                continue;
            };
            if extent.kind.holds_data() {
                continue;
            }
            let piece = Piece {
                offset: 0,
                len: 0,
                extent,
                fragments,
            };
            let scope = Scope::From(provider.to_owned());
            let plan = plan(store, &scope, &id.to_string(), "default", vec![piece], balanced);
            carry_out(store, plan, dry_run, progress, balanced, tell).await?;
        }
    }
}

/// The moves of one object.
fn plan(
    store: &Store,
    scope: &Scope,
    name: &str,
    policy: &str,
    pieces: Vec<Piece>,
    balanced: &mut Balanced,
) -> Vec<Step> {
    let clouds = store.clouds();
    let policy_of = store.policy(policy);
    let mut candidates = clouds.candidates(policy_of.and_then(|policy| policy.providers.as_deref()));
    let leaving = |cloud: Option<&Arc<Cloud>>| match scope {
        Scope::From(name) => is_draining(cloud) || cloud.is_some_and(|cloud| cloud.member.name == *name),
        Scope::Everything => is_draining(cloud),
    };
    candidates.retain(|candidate| !leaving(clouds.get(candidate.id)));
    let extents = pieces.iter().map(|piece| &piece.extent);
    let largest = extents.map(|extent| extent.shape.fragment_len(extent.header_len)).max();
    for candidate in &mut candidates {
        let has_room = |cloud: &Arc<Cloud>| cloud.has_room(largest.unwrap_or(0));
        candidate.writable &= clouds.get(candidate.id).is_some_and(has_room);
    }
    let mut steps = Vec::new();
    for (ordinal, piece) in pieces.into_iter().enumerate() {
        let source = Source::new(name, policy, ordinal, piece);
        for (fragment, target) in moves(store, &source, &candidates, scope, balanced) {
            let holder = clouds.holder(&fragment).map(|cloud| cloud.member.name.clone());
            let extent = &source.piece.extent;
            steps.push(Step {
                name: name.to_owned(),
                bytes: extent.shape.fragment_len(extent.header_len),
                from: holder.unwrap_or_else(|| fragment.provider.to_string()),
                to: target.member.name.clone(),
                source: source.clone(),
                fragment,
                target,
            });
        }
    }
    steps
}

fn is_draining(cloud: Option<&Arc<Cloud>>) -> bool {
    cloud.is_some_and(|cloud| cloud.member.state == MemberState::Draining)
}

/// The moves of one extent: sound fragments outside their homes, those that have to go first.
fn moves(
    store: &Store,
    source: &Source,
    candidates: &[Candidate],
    scope: &Scope,
    balanced: &mut Balanced,
) -> Vec<(Fragment, Arc<Cloud>)> {
    let clouds = store.clouds();
    let extent = &source.piece.extent;
    let leaves = |fragment: &Fragment| {
        let holder = clouds.holder(fragment);
        match scope {
            Scope::From(name) => holder.is_some_and(|cloud| cloud.member.name == *name),
            Scope::Everything => is_draining(holder),
        }
    };
    // One that may have arrived has its place, though it can't be moved; so has one that is missing: it may turn up, or is made anew there.
    let mut held: Vec<Fragment> = source.piece.fragments.clone();
    held.sort_by_key(|fragment| !leaves(fragment));
    let can_move = |fragment: &&Fragment| {
        fragment.state == FragmentState::Sound && clouds.holder(fragment).is_some_and(|cloud| cloud.way().is_some())
    };
    let ids: Vec<_> = held.iter().map(|fragment| fragment.provider).collect();
    let none = std::collections::BTreeMap::new();
    let spread = store.policy(&source.policy).map_or(&none, |policy| &policy.spread);
    // Where fewer providers are left than fragments, whoever has to go stays, and is told.
    let mut placed = misplaced(extent.id, extent.shape.n, spread, candidates, &ids).unwrap_or_default();
    // After a rebuild from listings a provider may hold two fragments, and an index lie with two: each place is for one of them, each index
    // goes once.
    let (mut moves, mut moving): (Vec<_>, BTreeSet<u16>) = (Vec::new(), BTreeSet::new());
    for fragment in held.iter().filter(can_move) {
        let to = placed.iter().position(|(from, _)| *from == fragment.provider);
        match to.and_then(|to| clouds.get(candidates[placed[to].1].id).map(|target| (to, target))) {
            Some((to, target)) if leaves(fragment) || matches!(scope, Scope::Everything) => {
                placed.remove(to);
                if moving.insert(fragment.index) {
                    moves.push((*fragment, target.clone()));
                }
            }
            None if leaves(fragment) => balanced.stuck += 1,
            _ => {}
        }
    }
    moves
}

async fn carry_out(
    store: &Arc<Store>,
    plan: Vec<Step>,
    dry_run: bool,
    progress: &Arc<dyn Progress>,
    balanced: &mut Balanced,
    tell: &mut (dyn FnMut(Event<'_>) + Send),
) -> Result<(), StoreError> {
    if dry_run {
        for step in &plan {
            balanced.moved += 1;
            balanced.bytes += step.bytes;
            tell(Event::Moved(step));
        }
        return Ok(());
    }
    let same = |a: &Step, b: &Step| a.fragment.extent == b.fragment.extent;
    let extents: Vec<Vec<Step>> = plan.chunk_by(same).map(<[Step]>::to_vec).collect();
    let mut ends = stream::iter(extents)
        .map(|steps| async move { carry_extent(store, steps, progress).await })
        .buffer_unordered(AT_ONCE);
    while let Some(extent) = ends.next().await {
        for (step, end) in extent? {
            balanced.count(&step, end, tell);
        }
    }
    Ok(())
}

impl Balanced {
    /// Notes how a step ended.
    fn count(&mut self, step: &Step, end: End, tell: &mut (dyn FnMut(Event<'_>) + Send)) {
        match end {
            End::Moved { anew } => {
                self.moved += 1;
                self.bytes += step.bytes;
                self.rebuilt += u64::from(anew);
                tell(Event::Moved(step));
            }
            End::Nothing => {}
            End::Failed(causes) => {
                self.failed += 1;
                for cause in causes {
                    if !self.causes.iter().any(|known| known.provider == cause.provider) {
                        self.causes.push(cause);
                    }
                }
            }
        }
    }
}

enum End {
    Moved { anew: bool },
    Nothing,
    Failed(Vec<ProviderError>),
}

/// The moves of one extent, one after the other. A place that one is to take may be free only because another left, by the limits of the spread; so
/// after one that failed the others stay.
async fn carry_extent(
    store: &Arc<Store>,
    steps: Vec<Step>,
    progress: &Arc<dyn Progress>,
) -> Result<Vec<(Step, End)>, StoreError> {
    let mut ends: Vec<End> = Vec::new();
    for (at, step) in steps.iter().enumerate() {
        let end = match ends.last() {
            Some(End::Failed(_)) => End::Failed(Vec::new()),
            _ => carry(store, step, &steps[at + 1..], progress).await?,
        };
        ends.push(end);
    }
    Ok(steps.into_iter().zip(ends).collect())
}

/// One fragment: copied, or made anew if it can't be read where it is. The places of the moves that come `later` in its extent are taken.
async fn carry(
    store: &Arc<Store>,
    step: &Step,
    later: &[Step],
    progress: &Arc<dyn Progress>,
) -> Result<End, StoreError> {
    let cause = match store
        .relocate(&step.source, step.fragment, &step.target, progress)
        .await?
    {
        Moved::Done(_) => return Ok(End::Moved { anew: false }),
        Moved::Retired => return Ok(End::Nothing),
        Moved::Untaken(error) => return Ok(End::Failed(vec![error])),
        Moved::Unreadable(cause) => cause,
    };
    let Some((_, fragments)) = store.catalog().extent(step.fragment.extent).await? else {
        return Ok(End::Nothing);
    };
    let mut source = step.source.clone();
    source.piece.fragments = fragments;
    source.piece.fragments.extend(later.iter().map(|step| Fragment {
        provider: step.target.member.id,
        state: FragmentState::Sent,
        ..step.fragment
    }));
    match store.rebuild(&source, &[step.fragment.index], progress).await {
        Ok(rebuilt) if rebuilt.failed.is_empty() => Ok(End::Moved { anew: true }),
        Ok(rebuilt) => Ok(End::Failed(cause.into_iter().chain(rebuilt.notes.causes).collect())),
        Err(StoreError::Lost { .. } | StoreError::Unreachable { .. }) => Ok(End::Failed(cause.into_iter().collect())),
        Err(error) => Err(error),
    }
}
