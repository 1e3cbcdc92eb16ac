//! Garbage that no row of the catalog names: blobs of this set that were written late, or under a catalog that was lost. In two phases, with a grace.
//!
//! ```text
//! listed, and unknown to the catalog ─▶ could a version need it? ──no──▶ noted with the time of its first sight
//! noted, and the grace is over ─▶ listed and judged once more, on every member ──still none──▶ deleted
//! ```
//!
//! A blob is garbage only if all of this holds:
//!
//! - Its generation was issued by this catalog's own chain of epochs. A blob of another is a sign that the catalog is old: then nothing at all is collected
//!   until `recover` has run.
//! - Its generation is not open, owes no void and doesn't wait for providers.
//! - If a version holds its extent, the catalog's own copy of the same index is there at full length: a copy that the catalog doesn't know may be the only
//!   one.
//! - If its generation is above the head of its object, a rebuild would refuse it too, by the same rule (`recover/verdict.rs`), with every member that didn't
//!   answer counted against it.
//! - If it is below the head, k fragments of every extent of the head have been read and proved: the older version is not needed to fall back on.
//!
//! Removals, annulments, epochs, copies of the catalog and whatever has no data are never collected here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::recover::verdict::{Evidence, Standing, Verdict, judge};
use super::survey::{self, Blob, Name, Sight};
use crate::catalog::diary::{Deed, Diary, Orphan, Tracked, Ward};
use crate::catalog::record::{FragmentState, MemberState};
use crate::catalog::shipment::FIRST_SEQUENCE;
use crate::fragment::id::{ExtentId, Generation, Group, Kind, ProviderId, WriterId};
use crate::fragment::key::seal_key;
use crate::provider::ProviderError;
use crate::store::Store;
use crate::store::epoch::EPOCH_NAME;
use crate::store::error::StoreError;

/// Blobs that the catalog doesn't know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Strays {
    /// Those that nothing needs.
    pub orphans: u64,
    /// Their bytes, as far as they are known.
    pub bytes: u64,
    /// Those that may be a version, or a part of one, that the catalog should know: `recover` has to look.
    pub unexplained: u64,
    /// Copies of fragments that count, kept as the catalog's own copy is not there.
    pub spares: u64,
}

impl Strays {
    /// Adds another ward's.
    pub fn add(&mut self, other: Strays) {
        self.orphans += other.orphans;
        self.bytes += other.bytes;
        self.unexplained += other.unexplained;
        self.spares += other.spares;
    }
}

/// What a collection did.
#[derive(Debug, Default)]
pub struct Collected {
    /// Blobs that were deleted, or would be.
    pub deleted: u64,
    /// Their bytes, as far as they are known.
    pub bytes: u64,
    /// Blobs whose grace isn't over.
    pub waiting: u64,
    /// Blobs that stay until k fragments of every extent of their object have been read: `scrub --deep` does that.
    pub unproved: u64,
    /// Blobs that turned out to be needed, or gone.
    pub spared: u64,
    /// Why nothing was collected although something was due.
    pub refused: Option<Refusal>,
    /// What providers that failed said.
    pub causes: Vec<ProviderError>,
}

/// Why nothing is collected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Blobs that the catalog should know, or can't explain, are there: `recover` first.
    Recover,
    /// Not every member could be listed whole.
    Silent,
}

/// Judges what was listed and is unknown, notes what is garbage and forgets what isn't any more.
pub async fn strays(
    store: &Store,
    diary: &dyn Diary,
    sight: &Sight,
    wards: &[Ward],
    rows: &[Tracked],
) -> Result<Strays, StoreError> {
    let judged = Court::sits(store, sight, rows).await?.judge();
    let seen = store.clock().now();
    let fresh: Vec<Orphan> = judged.orphans.iter().map(|it| it.orphan(store, seen)).collect();
    let known = diary.orphans().await?;
    let whole: BTreeSet<ProviderId> = sight.whole().map(|shelf| shelf.cloud.member.id).collect();
    let listed = |orphan: &Orphan| wards.iter().any(|ward| orphan.key.starts_with(&ward.prefix()));
    let names: BTreeSet<(ProviderId, &str)> = fresh.iter().map(|it| (it.provider, it.key.as_str())).collect();
    let over = known.iter().filter(|orphan| {
        whole.contains(&orphan.provider) && listed(orphan) && !names.contains(&(orphan.provider, orphan.key.as_str()))
    });
    let over: Vec<Orphan> = over.cloned().collect();
    let told = Strays {
        orphans: fresh.len() as u64,
        bytes: fresh.iter().filter_map(|orphan| orphan.len).sum(),
        unexplained: judged.unexplained,
        spares: judged.spares,
    };
    if !over.is_empty() {
        diary.forget_orphans(over).await?;
    }
    if !fresh.is_empty() {
        diary.note_orphans(fresh).await?;
    }
    Ok(told)
}

/// Deletes what has been garbage for `grace` nanoseconds and still is. With `dry_run` it only tells.
pub async fn collect(
    store: &Arc<Store>,
    diary: &dyn Diary,
    grace: i64,
    dry_run: bool,
    stop: &(dyn Fn() -> bool + Sync),
) -> Result<Collected, StoreError> {
    let mut done = Collected::default();
    let now = store.clock().now();
    let noted = diary.orphans().await?;
    let (due, early): (Vec<Orphan>, Vec<Orphan>) = noted
        .into_iter()
        .partition(|orphan| orphan.seen.saturating_add(grace) <= now);
    done.waiting = early.len() as u64;
    if !dry_run {
        // An old catalog must not delete what it has forgotten: the claim of an epoch notices.
        store.begin_writing().await?;
        store.writer().await?.durable().await?;
    }
    for ward in Ward::all() {
        let here: Vec<Orphan> = due
            .iter()
            .filter(|it| it.key.starts_with(&ward.prefix()))
            .cloned()
            .collect();
        if here.is_empty() || stop() {
            continue;
        }
        collect_ward(store, diary, ward, here, dry_run, &mut done).await?;
        if done.refused.is_some() {
            break;
        }
    }
    if !dry_run && done.refused.is_none() {
        diary.note(Deed::Collected, store.clock().now()).await?;
    }
    Ok(done)
}

async fn collect_ward(
    store: &Arc<Store>,
    diary: &dyn Diary,
    ward: Ward,
    due: Vec<Orphan>,
    dry_run: bool,
    done: &mut Collected,
) -> Result<(), StoreError> {
    let mut sight = survey::list(store, &[ward]).await;
    let (_, rows) = survey::compare(store, diary, &mut sight, &[ward]).await?;
    let judged = Court::sits(store, &sight, &rows).await?.judge();
    done.causes.extend(sight.broken());
    done.refused = match (judged.unexplained, done.causes.is_empty()) {
        (1.., _) => Some(Refusal::Recover),
        (0, false) => Some(Refusal::Silent),
        (0, true) => None,
    };
    if done.refused.is_some() {
        return Ok(());
    }
    let condemned: BTreeMap<(ProviderId, String), &Stray> = judged
        .orphans
        .iter()
        .map(|stray| ((stray.provider, stray.key(store)), stray))
        .collect();
    let mut over = Vec::new();
    for orphan in due {
        match condemned.get(&(orphan.provider, orphan.key.clone())) {
            None => {
                done.spared += 1;
                over.push(orphan);
            }
            Some(stray) if !is_proved(diary, stray, &rows).await? => done.unproved += 1,
            Some(_) if dry_run => done.count(&orphan),
            Some(_) => match erase(store, &orphan).await {
                Ok(()) => {
                    done.count(&orphan);
                    over.push(orphan);
                }
                Err(error) => done.causes.push(error),
            },
        }
    }
    if !over.is_empty() && !dry_run {
        diary.forget_orphans(over).await?;
    }
    Ok(())
}

impl Collected {
    fn count(&mut self, orphan: &Orphan) {
        self.deleted += 1;
        self.bytes += orphan.len.unwrap_or(0);
    }
}

async fn erase(store: &Store, orphan: &Orphan) -> Result<(), ProviderError> {
    let clouds = store.clouds();
    let Some(cloud) = clouds.get(orphan.provider) else {
        return Ok(());
    };
    cloud.prove(store.keys()).await?;
    let provider = cloud.way().ok_or_else(|| cloud.out_of_reach())?;
    let result = provider.delete(&orphan.key).await;
    cloud.note(&result);
    result
}

/// True if the object of this stray can be read without it, as far as readings prove it.
async fn is_proved(diary: &dyn Diary, stray: &Stray, rows: &[Tracked]) -> Result<bool, StoreError> {
    let held = rows
        .iter()
        .filter(|row| row.held && row.extent.group == stray.blob.group);
    for row in held.filter(|row| row.extent.kind.holds_data()) {
        let proved = diary.proved(row.extent.id, i64::MIN).await?;
        if proved.len() < usize::from(row.extent.shape.k) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// A blob that the catalog doesn't know.
#[derive(Clone, Copy, Debug)]
struct Stray {
    provider: ProviderId,
    blob: Blob,
}

impl Stray {
    fn key(&self, store: &Store) -> String {
        seal_key(store.keys(), self.blob.group, &self.blob.token)
    }

    fn orphan(&self, store: &Store, seen: i64) -> Orphan {
        Orphan {
            provider: self.provider,
            key: self.key(store),
            len: self.blob.len,
            seen,
        }
    }
}

#[derive(Debug, Default)]
struct Judged {
    orphans: Vec<Stray>,
    unexplained: u64,
    spares: u64,
}

/// What is known of one object: from the catalog's rows, and from all keys that were listed of it.
#[derive(Debug, Default)]
struct Case {
    /// The newest generation that a version or removal of the catalog has.
    head: Option<Generation>,
    /// Generations that are annulled, by a row or by a blob.
    annulled: BTreeSet<Generation>,
    /// The root of each generation that was listed: its counts, and the indices that are there.
    roots: BTreeMap<Generation, (Evidence, BTreeSet<u16>)>,
}

/// All that judgement needs, read after the listings.
struct Court<'a> {
    sight: &'a Sight,
    names: BTreeSet<Name>,
    extents: BTreeMap<ExtentId, &'a Tracked>,
    cases: BTreeMap<Group, Case>,
    epochs: BTreeMap<(u64, WriterId), u64>,
    unsettled: BTreeSet<Generation>,
    standing: Standing,
    reserved: Group,
}

impl<'a> Court<'a> {
    async fn sits(store: &Store, sight: &'a Sight, rows: &'a [Tracked]) -> Result<Court<'a>, StoreError> {
        let catalog = store.catalog();
        let epochs = catalog.epochs().await?;
        let open = catalog
            .open_generations()
            .await?
            .into_iter()
            .map(|open| open.generation);
        // A sequence that was given out may still be written, as long as its epoch is the newest.
        let newest = epochs.iter().map(|row| row.epoch).max();
        let issued = catalog.issued().await?.into_iter();
        let issued = issued.filter(|generation| Some(generation.epoch) == newest);
        let awaited = catalog.awaited().await?.into_iter().map(|waiting| waiting.generation);
        let named = rows.iter().flat_map(|row| row.fragments.iter().chain(&row.doomed));
        let mut court = Court {
            sight,
            names: named.map(|it| (it.extent, it.index, it.copy)).collect(),
            extents: rows.iter().map(|row| (row.extent.id, row)).collect(),
            cases: BTreeMap::new(),
            epochs: epochs
                .iter()
                .map(|row| ((row.epoch, row.writer), row.last_sequence))
                .collect(),
            unsettled: open.chain(awaited).chain(issued).collect(),
            standing: standing(store, sight),
            reserved: store.keys().group(EPOCH_NAME),
        };
        court.hear(rows);
        Ok(court)
    }

    fn hear(&mut self, rows: &[Tracked]) {
        for row in rows.iter().filter(|row| row.held) {
            let case = self.cases.entry(row.extent.group).or_default();
            let generation = row.extent.generation;
            match row.extent.kind {
                Kind::Void => drop(case.annulled.insert(generation)),
                kind if kind.is_root() => case.head = case.head.max(Some(generation)),
                _ => {}
            }
        }
        for blob in self.sight.shelves.iter().flat_map(|shelf| shelf.blobs.values()) {
            let (case, token) = (self.cases.entry(blob.group).or_default(), &blob.token);
            if token.kind == Kind::Void {
                case.annulled.insert(token.generation);
            } else if token.kind.is_root() {
                let evidence = evidence(blob);
                let (_, indices) = case
                    .roots
                    .entry(token.generation)
                    .or_insert((evidence, BTreeSet::new()));
                indices.insert(token.index);
            }
        }
    }

    fn judge(&self) -> Judged {
        let mut judged = Judged::default();
        for shelf in &self.sight.shelves {
            for (name, blob) in &shelf.blobs {
                let ours = blob.group != self.reserved
                    && blob.token.kind.holds_data()
                    && blob.token.generation.sequence < FIRST_SEQUENCE;
                if !ours || self.names.contains(name) {
                    continue;
                }
                let stray = Stray {
                    provider: shelf.cloud.member.id,
                    blob: *blob,
                };
                match self.sentence(blob) {
                    Sentence::Orphan => judged.orphans.push(stray),
                    Sentence::Unexplained => judged.unexplained += 1,
                    Sentence::Spare => judged.spares += 1,
                    Sentence::Unsettled => {}
                }
            }
        }
        judged
    }

    fn sentence(&self, blob: &Blob) -> Sentence {
        let generation = blob.token.generation;
        let issued = self.epochs.get(&(generation.epoch, generation.writer));
        if issued.is_none_or(|last| *last < generation.sequence) {
            return Sentence::Unexplained;
        }
        if self.unsettled.contains(&generation) {
            return Sentence::Unsettled;
        }
        if let Some(row) = self.extents.get(&blob.token.extent).filter(|row| row.held) {
            return if self.is_there(row, blob.token.index) {
                Sentence::Orphan
            } else {
                Sentence::Spare
            };
        }
        let case = self.cases.get(&blob.group);
        match case.and_then(|case| case.head) {
            // What a version doesn't name of its own generation was given up before it was committed.
            Some(head) if generation <= head => Sentence::Orphan,
            _ => self.would_be_refused(case, blob),
        }
    }

    /// True if the catalog's own copy of this index was listed at its full length.
    fn is_there(&self, row: &Tracked, index: u16) -> bool {
        let len = row.extent.shape.fragment_len(row.extent.header_len);
        let own = row
            .fragments
            .iter()
            .filter(|it| it.index == index && it.state == FragmentState::Sound);
        own.into_iter().any(|it| {
            let shelf = self
                .sight
                .shelves
                .iter()
                .find(|shelf| shelf.cloud.member.id == it.provider);
            let blob = shelf.and_then(|shelf| shelf.blobs.get(&(it.extent, it.index, it.copy)));
            blob.is_some_and(|blob| blob.len == Some(len))
        })
    }

    /// A generation that the catalog has no version of: garbage if a rebuild would pass it over.
    fn would_be_refused(&self, case: Option<&Case>, blob: &Blob) -> Sentence {
        let generation = blob.token.generation;
        let root = case.and_then(|case| case.roots.get(&generation));
        // Without a root in sight it is judged by its own counts: a root has the same, and all of it may be hidden.
        let (mut evidence, indices) = root.cloned().unwrap_or((evidence(blob), BTreeSet::new()));
        evidence.listed = u16::try_from(indices.len()).unwrap_or(u16::MAX);
        evidence.full = evidence.listed;
        evidence.annulled = case.is_some_and(|case| case.annulled.contains(&generation));
        match judge(&evidence, self.standing) {
            Verdict::Refused => Sentence::Orphan,
            Verdict::Waits | Verdict::Counts { .. } => Sentence::Unexplained,
        }
    }
}

/// What becomes of a stray.
enum Sentence {
    /// Nothing needs it.
    Orphan,
    /// It may be a version that the catalog should know.
    Unexplained,
    /// It may be the only copy of a fragment that counts.
    Spare,
    /// Its generation will be settled.
    Unsettled,
}

fn evidence(blob: &Blob) -> Evidence {
    Evidence {
        k: blob.token.k,
        n: blob.token.n,
        quorum: blob.token.quorum,
        listed: 0,
        full: 0,
        annulled: false,
    }
}

fn standing(store: &Store, sight: &Sight) -> Standing {
    let small = |count: usize| u16::try_from(count).unwrap_or(u16::MAX);
    let clouds = store.clouds();
    let in_state = |state| clouds.all().filter(|cloud| cloud.member.state == state).count();
    let silent = sight.shelves.len() - sight.whole().count();
    Standing {
        silent: small(silent + in_state(MemberState::Lost)),
        liars: store.settings().liars,
        lost: small(in_state(MemberState::Lost)),
        writable: small(in_state(MemberState::Active)),
    }
}
