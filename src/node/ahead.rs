//! The bytes of answers on their way out: a piece is fetched before the client takes it, and all of them together have a bound.
//!
//! ```text
//! client         |== takes 0 ==|== takes 1 ==|== takes 2 ==|
//! fetched  |  0  |    1    |   |    2    |   |
//! ```
//!
//! A piece of up to [`STEP`] bytes has one of [`PIECES`] places until the client has taken it, also while nobody has asked for it yet. Where no place is free an
//! answer goes on in small pieces, each fetched when it is wanted: thousands of clients that read slowly, or not at all, hold little. Whoever stops
//! reading ends the fetch that is under way.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

use super::provider::{Object, STEP, Trouble};
use super::server::Refusal;

/// Long pieces that are held at once, of all answers together: 128 MiB.
const PIECES: usize = 32;

/// Bytes of a piece where there is no place for a long one.
const SMALL: u64 = 64 << 10;

/// Up to so many bytes a socket takes at once: they need no place.
const TINY: u64 = 16 << 10;

/// The places for what is on its way out.
#[derive(Clone, Debug)]
pub(super) struct Ahead(Arc<Semaphore>);

impl Default for Ahead {
    fn default() -> Ahead {
        Ahead::of(PIECES)
    }
}

impl Ahead {
    fn of(pieces: usize) -> Ahead {
        Ahead(Arc::new(Semaphore::new(pieces)))
    }

    /// The bytes in `ranges` of an object, in order; no range has more than [`STEP`]. The first piece is read before anything is answered, so that an
    /// error can still be told.
    pub(super) async fn stream(
        &self,
        object: Arc<dyn Object>,
        ranges: Vec<Range<u64>>,
    ) -> Result<BoxStream<'static, Result<Bytes, Refusal>>, Trouble> {
        let mut pieces = Pieces {
            object,
            ranges: ranges.into(),
            next: JoinSet::new(),
            places: self.0.clone(),
        };
        let Some(first) = pieces.next().await.transpose()? else {
            return Ok(stream::empty().boxed());
        };
        let first = stream::iter([Ok(first)]);
        if pieces.is_over() {
            return Ok(first.boxed());
        }
        let rest = stream::unfold(pieces, |mut pieces| async {
            let piece = pieces.next().await?;
            Some((piece.map_err(Refusal::from), pieces))
        });
        Ok(first.chain(rest).boxed())
    }
}

/// The pieces of one answer that nobody has taken yet.
struct Pieces {
    object: Arc<dyn Object>,
    ranges: VecDeque<Range<u64>>,
    /// What is fetched ahead: one piece at most.
    next: JoinSet<Result<Bytes, Trouble>>,
    places: Arc<Semaphore>,
}

impl Pieces {
    fn is_over(&self) -> bool {
        self.next.is_empty() && self.ranges.is_empty()
    }

    /// The next piece; the one behind it is on its way when this is answered, if it has a place.
    async fn next(&mut self) -> Option<Result<Bytes, Trouble>> {
        let piece = match self.next.join_next().await {
            Some(Ok(piece)) => piece,
            Some(Err(panic)) => Err(Trouble(panic.to_string())),
            None => self.fetch().await?,
        };
        if piece.is_ok() {
            self.look_ahead();
        }
        Some(piece)
    }

    async fn fetch(&mut self) -> Option<Result<Bytes, Trouble>> {
        let range = self.ranges.pop_front()?;
        if range.end - range.start <= TINY {
            return Some(self.object.read(range).await);
        }
        if let Ok(place) = self.places.clone().try_acquire_owned() {
            return Some(hold(self.object.clone(), range, place).await);
        }
        let end = range.end.min(range.start + SMALL);
        if end < range.end {
            self.ranges.push_front(end..range.end);
        }
        let piece = self.object.read(range.start..end).await;
        // Of its own, so that it doesn't keep a longer one that it may be a part of.
        Some(piece.map(|bytes| Bytes::copy_from_slice(&bytes)))
    }

    fn look_ahead(&mut self) {
        if self.ranges.is_empty() {
            return;
        }
        let Ok(place) = self.places.clone().try_acquire_owned() else {
            return;
        };
        let range = self.ranges.pop_front().expect("it was just seen");
        self.next.spawn(hold(self.object.clone(), range, place));
    }
}

/// Reads a piece that has its place as long as it is held.
async fn hold(object: Arc<dyn Object>, range: Range<u64>, place: OwnedSemaphorePermit) -> Result<Bytes, Trouble> {
    assert!(range.end - range.start <= STEP, "{range:?} is no piece");
    let bytes = object.read(range).await?;
    Ok(Bytes::from_owner(Held { bytes, _place: place }))
}

struct Held {
    bytes: Bytes,
    _place: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests;
