//! Reading an object, or a range of it: extents in order, the next one on its way while one is consumed.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinHandle;

use super::Store;
use super::error::StoreError;
use super::fetch::{Notes, Source};
use super::send::Progress;
use super::slab::Lent;
use crate::catalog::record::{Piece, Pin, Version};
use crate::entropy::random;
use crate::fragment::id::Kind;

/// Extents that are fetched ahead of the one being consumed. Memory bounds it too.
const AHEAD: usize = 2;

/// Payload bytes of one fetch: a window of an extent, so that memory stays bounded whatever k is. With 16 MiB a `cat` of 2 GiB
/// peaked at 413 MiB, as the pieces of an answer, its joined copy and the result are held side by side, twice.
pub(crate) const STEP: u64 = 4 << 20;

/// Objects shorter than this, in bytes, are read faster than any grace ends, and need no pin.
const WORTH_A_PIN: u64 = 64 << 20;

/// How long a pin counts if its reader vanished.
const PIN_LIFE: Duration = Duration::from_hours(24);

/// How long a first byte waits for the answer whether the catalog is the newest.
const FRESHNESS_WAIT: Duration = Duration::from_secs(5);

/// An object being read: bytes in order.
#[derive(Debug)]
pub struct Reader {
    store: Arc<Store>,
    version: Version,
    steps: VecDeque<Step>,
    flights: VecDeque<JoinHandle<Result<Landed, StoreError>>>,
    fresh: Option<JoinHandle<Result<(), StoreError>>>,
    progress: Shared,
    notes: Notes,
    pin: Option<[u8; 16]>,
    avoid: Arc<[String]>,
}

/// What a fetch brought: bytes, what was learnt, and the memory that they count against.
type Landed = (Bytes, Notes, OwnedSemaphorePermit);

/// One fetch.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    /// Which of the pieces, from 0.
    pub(crate) ordinal: usize,
    /// The extent.
    pub(crate) piece: Piece,
    /// Bytes of its payload.
    pub(crate) range: Range<u64>,
}

/// A listener without a face of its own.
#[derive(Clone)]
struct Shared(Arc<dyn Progress>);

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Progress")
    }
}

impl Store {
    /// The object's newest committed version. [`StoreError::Waiting`] if a rebuild left it open which one that is, or whether there is one: while a
    /// version waits whose name could not be read, no name is known to be free.
    pub async fn head(&self, name: &str) -> Result<Version, StoreError> {
        let awaited = self.catalog.awaited().await?;
        if awaited.iter().any(|waiting| waiting.name == name) {
            return Err(StoreError::Waiting { name: name.to_owned() });
        }
        let unnamed = awaited.iter().any(|waiting| waiting.name.is_empty());
        let head = self
            .catalog
            .head(name)
            .await?
            .filter(|version| version.kind != Kind::Tombstone);
        head.ok_or_else(|| {
            let name = name.to_owned();
            if unnamed {
                StoreError::Waiting { name }
            } else {
                StoreError::NotFound { name }
            }
        })
    }

    /// Begins to read bytes `range` of an object, all of it if `None`. Providers named in `avoid` are not asked.
    pub async fn read(
        self: &Arc<Store>,
        name: &str,
        range: Option<Range<u64>>,
        avoid: &[String],
        progress: Arc<dyn Progress>,
    ) -> Result<Reader, StoreError> {
        super::name::check(name)?;
        let version = match self.head(name).await {
            Err(error @ StoreError::NotFound { .. }) => return Err(self.unless_stale(error).await),
            head => head?,
        };
        let range = range.unwrap_or(0..version.len);
        if range.start > range.end || range.end > version.len {
            return Err(StoreError::Range {
                name: name.to_owned(),
                from: range.start,
                to: range.end,
                len: version.len,
            });
        }
        let pin = self.pin(&version).await;
        let pieces = self
            .catalog
            .pieces(name, version.generation, range.start, range.end)
            .await?;
        let fresh = tokio::spawn(self.clone().check_fresh());
        Ok(Reader {
            store: self.clone(),
            steps: steps(pieces, &range),
            version,
            flights: VecDeque::new(),
            fresh: Some(fresh),
            progress: Shared(progress),
            notes: Notes::default(),
            pin,
            avoid: avoid.into(),
        })
    }

    /// A long read keeps what it reads from being collected. A catalog that can't be written is no reason not to read.
    async fn pin(&self, version: &Version) -> Option<[u8; 16]> {
        if version.len < WORTH_A_PIN {
            return None;
        }
        let (id, begun) = (random(self.entropy.as_ref()), self.clock.now());
        let expires = begun.saturating_add(i64::try_from(PIN_LIFE.as_nanos()).unwrap_or(i64::MAX));
        self.catalog.pin(Pin { id, begun, expires }).await.ok().map(|()| id)
    }
}

/// The fetches that bring bytes `range` of an object, in order.
pub(crate) fn steps(pieces: Vec<Piece>, range: &Range<u64>) -> VecDeque<Step> {
    let mut steps = VecDeque::new();
    for (ordinal, piece) in pieces.into_iter().enumerate() {
        let begin = range.start.max(piece.offset) - piece.offset;
        let end = range.end.min(piece.offset + piece.len) - piece.offset;
        let stripe = piece.extent.shape.stripe_cap();
        let stride = (STEP / stripe).max(1) * stripe;
        let mut from = begin;
        while from < end {
            let to = ((from / stride + 1) * stride).min(end);
            steps.push_back(Step {
                ordinal,
                piece: piece.clone(),
                range: from..to,
            });
            from = to;
        }
    }
    steps
}

impl Reader {
    /// The version that is read.
    #[must_use]
    pub fn version(&self) -> &Version {
        &self.version
    }

    /// The next bytes; `None` after the last. Every byte was verified. After an error nothing more comes.
    pub async fn next(&mut self) -> Result<Option<Bytes>, StoreError> {
        while self.flights.len() < AHEAD && self.depart().await {}
        let Some(flight) = self.flights.pop_front() else {
            return Ok(None);
        };
        let (bytes, notes, permit) = flight.await.expect("fetching does not panic")?;
        self.notes.add(notes);
        self.settle_freshness().await?;
        self.progress.0.payload(bytes.len() as u64);
        Ok(Some(Bytes::from_owner(Lent {
            bytes,
            _permit: Some(permit),
        })))
    }

    /// What was learnt on the way; kept in the catalog for repair. To be called at the end, also after an error.
    pub async fn finish(mut self) -> Notes {
        if let Some(pin) = self.pin.take() {
            // It expires by itself.
            drop(self.store.catalog.unpin(pin).await);
        }
        let notes = std::mem::take(&mut self.notes);
        self.store.note(&notes).await;
        notes
    }

    /// Sends for the next step; false if there is none, or no memory for more than the one under way. Only the first waits for memory:
    /// readers that each hold some and wait for more would wait for ever.
    async fn depart(&mut self) -> bool {
        let Some(step) = self.steps.front() else { return false };
        let shape = step.piece.extent.shape;
        let memory = (step.range.end - step.range.start) * 2 + u64::from(shape.k) * u64::from(shape.chunk_len);
        let permit = if self.flights.is_empty() {
            self.store.reserve(memory).await
        } else if let Some(permit) = self.store.try_reserve(memory) {
            permit
        } else {
            return false;
        };
        let step = self.steps.pop_front().expect("it was there");
        let (store, progress) = (self.store.clone(), self.progress.0.clone());
        let source = Source {
            name: self.version.name.clone(),
            policy: self.version.policy.clone(),
            prefer: None,
            ordinal: step.ordinal,
            piece: step.piece,
            avoid: self.avoid.clone(),
            adopting: None,
        };
        self.flights.push_back(tokio::spawn(async move {
            let (bytes, notes) = store.fetch(&source, step.range, &progress).await?;
            Ok((bytes, notes, permit))
        }));
        true
    }

    /// Before the first byte is given: the clouds know nothing newer than the catalog, as far as they answer in time.
    async fn settle_freshness(&mut self) -> Result<(), StoreError> {
        let Some(fresh) = self.fresh.take() else { return Ok(()) };
        match tokio::time::timeout(FRESHNESS_WAIT, fresh).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) | Err(_) => Ok(()),
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        for flight in &self.flights {
            flight.abort();
        }
    }
}
