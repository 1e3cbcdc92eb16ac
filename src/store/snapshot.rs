//! One version of an object, held for reading: its extents are looked up once, so that many small reads cost no look-up each, and a version
//! that was replaced can be read until its grace ends.

use std::ops::Range;
use std::sync::Arc;

use super::Store;
use super::error::StoreError;
use super::fetch::Source;
use super::send::Progress;
use crate::catalog::record::{Piece, Version};

/// A version with its extents.
#[derive(Clone, Debug)]
pub struct Snapshot {
    version: Version,
    pieces: Vec<Piece>,
}

impl Snapshot {
    /// A version that was just committed.
    pub(super) fn of(version: Version, pieces: Vec<Piece>) -> Snapshot {
        Snapshot { version, pieces }
    }

    /// The version.
    #[must_use]
    pub fn version(&self) -> &Version {
        &self.version
    }

    /// Its data extents in order.
    #[must_use]
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }
}

impl Store {
    /// The newest version of an object; `None` if there is none.
    ///
    /// Whether the clouds know a newer one is not asked: that is for processes that have [begun to write](Store::begin_writing), and so know.
    pub async fn snapshot(&self, name: &str) -> Result<Option<Snapshot>, StoreError> {
        loop {
            let version = match self.head(name).await {
                Ok(version) => version,
                Err(StoreError::NotFound { .. }) => return Ok(None),
                Err(error) => return Err(error),
            };
            let pieces = self.catalog.pieces(name, version.generation, 0, version.len).await?;
            let covered: u64 = pieces.iter().map(|piece| piece.len).sum();
            // Replaced between the two looks.
            if covered == version.len {
                return Ok(Some(Snapshot { version, pieces }));
            }
        }
    }

    /// Bytes of a version, every one verified. The caller bounds how many are asked for at once: they are held in memory, twice for a moment.
    pub async fn read_snapshot(
        &self,
        snapshot: &Snapshot,
        range: Range<u64>,
        progress: &Arc<dyn Progress>,
    ) -> Result<Vec<u8>, StoreError> {
        let version = &snapshot.version;
        if range.start > range.end || range.end > version.len {
            return Err(StoreError::Range {
                name: version.name.clone(),
                from: range.start,
                to: range.end,
                len: version.len,
            });
        }
        let _memory = self.reserve((range.end - range.start) * 2).await;
        let mut bytes = Vec::new();
        for (ordinal, piece) in snapshot.pieces.iter().enumerate() {
            let from = range.start.max(piece.offset);
            let to = range.end.min(piece.offset + piece.len);
            if from >= to {
                continue;
            }
            let source = Source::new(&version.name, &version.policy, ordinal, piece.clone());
            let within = from - piece.offset..to - piece.offset;
            let (more, notes) = self.fetch(&source, within, progress).await?;
            self.note(&notes).await;
            if bytes.is_empty() {
                bytes = more.into();
            } else {
                bytes.extend_from_slice(&more);
            }
        }
        Ok(bytes)
    }
}
