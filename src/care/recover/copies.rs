//! What the catalog's own copies on the clouds bring back: the newest checkpoint that can be read whole, and the journal since.
//!
//! ```text
//! empty catalog          ──▶ checkpoint, then each segment that goes on from there          a damaged one: the one before, or none
//! an older one of ours   ──▶ the segments since; if some are gone, the checkpoint in its place
//! one as new, or newer   ──▶ nothing
//! one used apart         ──▶ stays; leases are taken over, versions are the listings' business
//! ```
//!
//! Afterwards the catalog knows for every epoch how far it was told of: what a listing shows at or below that, and isn't open, was judged long ago.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufReader, Cursor};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use super::super::ship::belt::{Taker, belt};
use super::listing::Listings;
use super::version::Reading;
use crate::catalog::CatalogError;
use crate::catalog::archive::{Archive, ArchiveError, Sink, Source as Records};
use crate::catalog::checkpoint::{CheckpointError, Reader, Record};
use crate::catalog::journal::{Position, Segment};
use crate::catalog::ledger::Entry;
use crate::catalog::record::{Extent, Fragment, Piece};
use crate::catalog::shipment::{Cargo, Shipment, ShipmentState};
use crate::fragment::id::{ExtentId, Generation, WriterId};
use crate::fragment::scan::Listing;
use crate::store::Store;
use crate::store::error::StoreError;
use crate::store::fetch::Source;
use crate::store::freight::{CHECKPOINT_NAME, JOURNAL_NAME};
use crate::store::send::Progress;

/// Leases that are taken over in one transaction.
const BATCH: usize = 1024;

/// What was found of the catalog's copies, and what became of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Copies {
    /// Checkpoints that are listed.
    pub checkpoints: u64,
    /// How many changes the checkpoint had seen that was taken over, if one was.
    pub checkpoint: Option<u64>,
    /// Segments of the journal that were made again.
    pub segments: u64,
    /// What can't be read, and why; the newest first.
    pub unread: Vec<String>,
    /// The catalog here and the one that was shipped were used apart from each other.
    pub forked: bool,
}

/// What the catalog was told of, before listings are looked at.
#[derive(Clone, Debug, Default)]
pub(super) struct Told {
    last: BTreeMap<(u64, WriterId), u64>,
    open: BTreeSet<Generation>,
}

impl Told {
    pub(super) async fn by(store: &Store) -> Result<Told, StoreError> {
        let catalog = store.catalog();
        let epochs = catalog.epochs().await?;
        let mut open: BTreeSet<Generation> = catalog.issued().await?.into_iter().collect();
        let begun = catalog.open_generations().await?.into_iter();
        // What was closed here never counts, and must not stand before an older one.
        open.extend(begun.filter(|begun| !begun.closed).map(|open| open.generation));
        open.extend(catalog.awaited().await?.into_iter().map(|waiting| waiting.generation));
        Ok(Told {
            last: epochs
                .into_iter()
                .map(|row| ((row.epoch, row.writer), row.last_sequence))
                .collect(),
            open,
        })
    }

    /// True if its outcome is known: it is the head of its object, or garbage.
    pub(super) fn is_settled(&self, generation: Generation) -> bool {
        let last = self.last.get(&(generation.epoch, generation.writer));
        last.is_some_and(|last| generation.sequence <= *last) && !self.open.contains(&generation)
    }
}

/// A shipment as it is listed.
struct Parcel {
    name: &'static str,
    generation: Generation,
    /// Its extents by ordinal, once their headers are read.
    pieces: Vec<Piece>,
}

/// The way to the copies.
pub(super) struct Copying<'a> {
    pub(super) store: &'a Arc<Store>,
    pub(super) archive: &'a Arc<dyn Archive>,
    pub(super) listings: &'a Listings,
    pub(super) progress: &'a Arc<dyn Progress>,
}

impl Copying<'_> {
    /// Brings the catalog up to its copies. With `dry_run` it only looks which there are.
    pub(super) async fn restore(&self, dry_run: bool) -> Result<Copies, StoreError> {
        let mut copies = Copies::default();
        let checkpoints: Vec<_> = self.listed(CHECKPOINT_NAME).into_iter().rev().collect();
        copies.checkpoints = checkpoints.len() as u64;
        if dry_run {
            return Ok(copies);
        }
        let empty = self.is_empty().await?;
        let mut safe = Vec::new();
        for (generation, extents) in &checkpoints {
            let outline = match self.parcel(CHECKPOINT_NAME, *generation, extents).await {
                Err(why) => Err(why),
                Ok(parcel) => self.outline(&parcel).await.map(|outline| (parcel, outline)),
            };
            match outline {
                Err(why) => copies.unread.push(format!("checkpoint {generation}: {why}")),
                Ok(found) => safe.push(found),
            }
        }
        let mut segments = self.segments(&mut copies).await;
        if empty {
            self.fill(&mut safe, &mut copies).await?;
            self.replay(&segments, &mut copies).await?;
        } else {
            self.catch_up(&safe, &segments, &mut copies).await?;
        }
        for (parcel, outline) in safe {
            self.enter(parcel, Cargo::Checkpoint, outline.at).await?;
        }
        for (parcel, segment) in segments.drain(..) {
            let after = segment.from().number;
            self.enter(parcel, Cargo::Journal { after }, segment.to()).await?;
        }
        Ok(copies)
    }

    async fn is_empty(&self) -> Result<bool, StoreError> {
        let catalog = self.store.catalog();
        let untouched = self.archive.position().await? == Position::default();
        Ok(untouched && catalog.members().await?.0 == 0 && catalog.epochs().await?.is_empty())
    }

    /// The newest checkpoint that can be taken over; those that can't are no longer safe.
    async fn fill(&self, safe: &mut Vec<(Parcel, Outline)>, copies: &mut Copies) -> Result<(), StoreError> {
        while let Some((parcel, outline)) = safe.first() {
            match self.import(parcel, false).await? {
                Ok(()) => {
                    copies.checkpoint = Some(outline.at.number);
                    return Ok(());
                }
                Err(why) => copies.unread.push(format!("checkpoint {}: {why}", parcel.generation)),
            }
            safe.remove(0);
        }
        Ok(())
    }

    /// Makes the changes again that the catalog hasn't had. Ends where a segment is missing.
    async fn replay(&self, segments: &[(Parcel, Segment)], copies: &mut Copies) -> Result<(), StoreError> {
        let mut here = self.archive.position().await?;
        for (_, segment) in segments {
            match self.archive.replay(segment.clone()).await {
                Ok(at) => {
                    copies.segments += u64::from(at != here);
                    here = at;
                }
                Err(CatalogError::Archive(ArchiveError::Gap { .. })) => {}
                Err(CatalogError::Archive(error)) => {
                    copies.forked |= matches!(error, ArchiveError::Fork { .. });
                    copies.unread.push(format!("journal: {error}"));
                    break;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// A catalog that is there: replayed if it is an old one, replaced if too much is missing in between, left alone if it was used apart.
    async fn catch_up(
        &self,
        safe: &[(Parcel, Outline)],
        segments: &[(Parcel, Segment)],
        copies: &mut Copies,
    ) -> Result<(), StoreError> {
        let mut told = Copies::default();
        self.replay(segments, &mut told).await?;
        copies.segments = told.segments;
        let mut shipped = BTreeMap::new();
        let outlines = safe.iter().flat_map(|(_, outline)| outline.epochs.clone());
        let since = segments.iter().flat_map(|(_, segment)| segment.epochs());
        for (epoch, last) in outlines.chain(since.map(|row| ((row.epoch, row.writer), row.last_sequence))) {
            let known = shipped.entry(epoch).or_insert(0);
            *known = last.max(*known);
        }
        let mut here = Told::by(self.store).await?.last;
        // What was begun under a claim that was refused never counted.
        here.retain(|epoch, _| self.listings.rooted.contains(epoch));
        let ends = segments.iter().map(|(_, segment)| segment.to().number);
        let newest = safe.iter().map(|(_, outline)| outline.at.number).chain(ends).max();
        let behind = newest > Some(self.archive.position().await?.number) || told.forked;
        if lacks(&here, &shipped) {
            if lacks(&shipped, &here) {
                copies.forked = true;
                copies.unread.append(&mut told.unread);
                return self.take_books(safe, segments).await;
            }
            return Ok(());
        }
        if !behind {
            return Ok(());
        }
        let own = self.leases().await?;
        for (parcel, outline) in safe {
            match self.import(parcel, true).await? {
                Ok(()) => {
                    copies.checkpoint = Some(outline.at.number);
                    self.replay(segments, copies).await?;
                    return self.keep(own).await;
                }
                Err(why) => copies.unread.push(format!("checkpoint {}: {why}", parcel.generation)),
            }
        }
        Ok(())
    }

    /// The leases that are here.
    async fn leases(&self) -> Result<Vec<Entry>, StoreError> {
        let found: Arc<Mutex<Vec<Entry>>> = Arc::default();
        let kept = found.clone();
        let sink: Sink = Box::new(move |record| {
            if let Record::Lease { lease } = record {
                kept.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(Entry::Keep(lease));
            }
            true
        });
        self.archive.export(sink).await?;
        let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(std::mem::take(&mut *found))
    }

    /// Adds leases to those that are there.
    async fn keep(&self, leases: Vec<Entry>) -> Result<(), StoreError> {
        for some in leases.chunks(BATCH) {
            self.archive.enter(some.to_vec()).await?;
        }
        Ok(())
    }

    /// The leases of a catalog that was used apart: renewing never takes time from any.
    async fn take_books(&self, safe: &[(Parcel, Outline)], segments: &[(Parcel, Segment)]) -> Result<(), StoreError> {
        if let Some((parcel, _)) = safe.first() {
            let mut leases = Vec::new();
            let bytes = self.bytes(parcel).await;
            let reader = bytes.ok().and_then(|bytes| Reader::new(Cursor::new(bytes)).ok());
            for record in reader.into_iter().flatten() {
                if let Ok(Record::Lease { lease }) = record {
                    leases.push(Entry::Keep(lease));
                }
            }
            self.keep(leases).await?;
        }
        for (_, segment) in segments {
            self.archive.enter(segment.entries()).await?;
        }
        Ok(())
    }

    /// Takes a checkpoint over. The inner error is why it can't be.
    async fn import(&self, parcel: &Parcel, over: bool) -> Result<Result<(), String>, StoreError> {
        let waits = self.archive.exports_aside();
        let (giver, taker) = belt(waits);
        let feed = async move {
            for (ordinal, piece) in parcel.pieces.iter().enumerate() {
                let fetched = self.fetch(parcel, ordinal, piece).await;
                let failed = fetched.is_err();
                if !giver.hand(fetched.map_err(io::Error::other)).await || failed {
                    return;
                }
            }
        };
        let records: Records = Box::new(Lazy::Unread(taker));
        let take = async {
            if over {
                self.archive.supersede(records).await
            } else {
                self.archive.import(records).await
            }
        };
        let taken = if waits {
            tokio::join!(take, feed).0
        } else {
            feed.await;
            take.await
        };
        match taken {
            Ok(_) => Ok(Ok(())),
            Err(CatalogError::Archive(error)) => Ok(Err(error.to_string())),
            Err(error) => Err(error.into()),
        }
    }

    /// All segments that can be read, in the order in which they were shipped.
    async fn segments(&self, copies: &mut Copies) -> Vec<(Parcel, Segment)> {
        let mut segments = Vec::new();
        for (generation, extents) in self.listed(JOURNAL_NAME) {
            let read = async {
                let parcel = self.parcel(JOURNAL_NAME, generation, extents).await?;
                let segment = Segment::decode(&self.bytes(&parcel).await?).map_err(|error| error.to_string())?;
                Ok::<_, String>((parcel, segment))
            };
            match read.await {
                Ok(found) => segments.push(found),
                Err(why) => copies.unread.push(format!("journal {generation}: {why}")),
            }
        }
        segments
    }

    fn listed(&self, name: &str) -> Vec<(Generation, &BTreeMap<ExtentId, Listing>)> {
        let group = self.store.keys().group(name);
        let mut all: Vec<_> = self.listings.skeleton.generations(group).collect();
        all.reverse();
        all
    }

    /// The extents of a shipment in their order, out of their headers.
    async fn parcel(
        &self,
        name: &'static str,
        generation: Generation,
        extents: &BTreeMap<ExtentId, Listing>,
    ) -> Result<Parcel, String> {
        let reading = Reading {
            store: self.store,
            skeleton: &self.listings.skeleton,
            group: self.store.keys().group(name),
            progress: self.progress,
        };
        let mut found: BTreeMap<u32, Piece> = BTreeMap::new();
        for (id, listing) in extents {
            let (ordinal, extent, fragments) = reading.freight(generation, *id, listing).await?;
            let piece = piece_of(extent, fragments);
            if found.insert(ordinal, piece).is_some() {
                return Err(format!("two extents are number {ordinal}"));
            }
        }
        if let Some(missing) = (0..).zip(found.keys()).find(|(wanted, ordinal)| wanted != *ordinal) {
            return Err(format!("extent number {} is missing", missing.0));
        }
        Ok(Parcel {
            name,
            generation,
            pieces: found.into_values().collect(),
        })
    }

    async fn fetch(&self, parcel: &Parcel, ordinal: usize, piece: &Piece) -> Result<Bytes, String> {
        let name = parcel.name.trim_start_matches('\0');
        let source = Source::new(name, "", ordinal, piece.clone());
        let len = piece.extent.shape.payload_len;
        let fetched = self.store.fetch(&source, 0..len, self.progress).await;
        fetched.map(|(bytes, _)| bytes).map_err(|error| error.to_string())
    }

    async fn bytes(&self, parcel: &Parcel) -> Result<Vec<u8>, String> {
        let mut bytes = Vec::new();
        for (ordinal, piece) in parcel.pieces.iter().enumerate() {
            bytes.extend_from_slice(&self.fetch(parcel, ordinal, piece).await?);
        }
        Ok(bytes)
    }

    /// Where a checkpoint stands and which epochs it knows: its first records.
    async fn outline(&self, parcel: &Parcel) -> Result<Outline, String> {
        let mut bytes = Vec::new();
        let mut outline = None;
        for (ordinal, piece) in parcel.pieces.iter().enumerate() {
            bytes.extend_from_slice(&self.fetch(parcel, ordinal, piece).await?);
            let (found, complete) = Outline::of(&bytes)?;
            outline = found;
            if complete {
                break;
            }
        }
        outline.ok_or_else(|| "it is empty".to_owned())
    }

    /// Enters a shipment as one of this machine's, so that it goes when newer ones are safe.
    async fn enter(&self, parcel: Parcel, cargo: Cargo, to: Position) -> Result<(), StoreError> {
        let lens = parcel.pieces.iter().map(|piece| piece.extent.shape.payload_len);
        let shipment = Shipment {
            generation: parcel.generation,
            cargo,
            to,
            membership: 0,
            at: self.store.clock().now(),
            bytes: lens.sum(),
            state: ShipmentState::Safe,
            extents: parcel.pieces.into_iter().map(|it| (it.extent, it.fragments)).collect(),
        };
        Ok(self.archive.note_shipment(shipment).await?)
    }
}

fn piece_of(extent: Extent, fragments: Vec<Fragment>) -> Piece {
    Piece {
        offset: 0,
        len: 0,
        extent,
        fragments,
    }
}

/// True if versions were written under an epoch of `a` that `b` hasn't heard of.
fn lacks(a: &BTreeMap<(u64, WriterId), u64>, b: &BTreeMap<(u64, WriterId), u64>) -> bool {
    a.iter()
        .any(|(epoch, last)| *last > 0 && b.get(epoch).is_none_or(|known| known < last))
}

/// The first records of a checkpoint.
#[derive(Clone, Debug)]
struct Outline {
    at: Position,
    epochs: Vec<((u64, WriterId), u64)>,
}

impl Outline {
    /// Out of its first bytes; and whether they were enough.
    fn of(bytes: &[u8]) -> Result<(Option<Outline>, bool), String> {
        let mut outline: Option<Outline> = None;
        for record in Reader::new(bytes).map_err(|error| error.to_string())? {
            match (record, &mut outline) {
                (Ok(Record::Start { at, .. }), None) => {
                    outline = Some(Outline { at, epochs: Vec::new() });
                }
                (Ok(Record::Epoch { row }), Some(outline)) => {
                    outline.epochs.push(((row.epoch, row.writer), row.last_sequence));
                }
                (Ok(_), Some(_)) => return Ok((outline, true)),
                (Err(CheckpointError::End { .. }), _) => return Ok((outline, false)),
                (Err(error), _) => return Err(error.to_string()),
                (Ok(_), None) => return Err("it has no beginning".to_owned()),
            }
        }
        Ok((outline, true))
    }
}

/// The records of a checkpoint, read where they are taken: the reader waits for bytes.
enum Lazy {
    Unread(Taker),
    Reading(Reader<BufReader<Taker>>),
    Over,
}

impl Iterator for Lazy {
    type Item = Result<Record, CheckpointError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Lazy::Unread(_) = self {
            let Lazy::Unread(taker) = std::mem::replace(self, Lazy::Over) else {
                return None;
            };
            match Reader::new(BufReader::new(taker)) {
                Ok(reader) => *self = Lazy::Reading(reader),
                Err(error) => return Some(Err(error)),
            }
        }
        match self {
            Lazy::Reading(reader) => reader.next(),
            Lazy::Unread(_) | Lazy::Over => None,
        }
    }
}
