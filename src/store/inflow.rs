//! Storing an object of known length whose bytes are handed over extent by extent, as they come to be: nothing waits on a thread between them.
//!
//! ```text
//! begin_put ─▶ push: one extent, sent behind ─▶ push ─▶ … ─▶ finish: parts at the rule, root, commit
//!                                                         └─▶ abandon: closed, what was sent goes
//! ```

use std::fmt;
use std::io::{self, ErrorKind, Read};
use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinSet;

use super::Store;
use super::draft::Draft;
use super::error::StoreError;
use super::put::{Complete, Failure, Put, Stored, Writing, landed_part};
use super::send::{Progress, Sent};
use super::source::Ahead;
use crate::fragment::id::Kind;

/// A put in progress.
pub struct Inflow {
    writing: Arc<Writing>,
    len: u64,
    /// Bytes that were handed over.
    taken: u64,
    ordinal: u32,
    parts: Vec<(u32, Sent)>,
    flights: JoinSet<(u32, Result<Sent, StoreError>)>,
    root: Option<Sent>,
    failed: Option<Failure>,
}

impl fmt::Debug for Inflow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Inflow({}, {} of {} bytes)",
            self.writing.put.name, self.taken, self.len
        )
    }
}

impl Store {
    /// Begins to store an object of exactly `len` bytes; `put.len_hint` says nothing here.
    pub async fn begin_put(
        self: &Arc<Store>,
        put: Put,
        len: u64,
        progress: Arc<dyn Progress>,
    ) -> Result<Inflow, StoreError> {
        Ok(Inflow::of(
            Arc::new(self.writing(put, progress).await?),
            len,
            Vec::new(),
        ))
    }
}

impl Inflow {
    /// A put of which some parts have landed, by ordinal.
    pub(super) fn of(writing: Arc<Writing>, len: u64, parts: Vec<(u32, Sent)>) -> Inflow {
        Inflow {
            writing,
            len,
            taken: 0,
            ordinal: 0,
            parts,
            flights: JoinSet::new(),
            root: None,
            failed: None,
        }
    }

    /// Passes over the parts that come next and had landed before; answers how many bytes those are.
    pub fn pass_landed(&mut self) -> u64 {
        let before = self.taken;
        while let Some((_, sent)) = self.parts.iter().find(|(ordinal, _)| *ordinal == self.ordinal) {
            self.taken += sent.extent.shape.payload_len;
            self.ordinal += 1;
        }
        self.taken - before
    }

    /// Bytes of the extent that [`Inflow::push`] takes next; 0 after the last.
    #[must_use]
    pub fn next_len(&self) -> u64 {
        let capacity = self
            .writing
            .layout(&self.writing.owner(self.ordinal, Some(0)))
            .capacity();
        if self.root.is_some() {
            0
        } else {
            capacity.min(self.len - self.taken)
        }
    }

    /// Hands over the next extent: exactly [`Inflow::next_len`] bytes of `source`. Answers when they were read; a part is sent behind that.
    /// After an error only [`Inflow::abandon`] is left.
    pub async fn push(&mut self, source: impl Read + Send + 'static) -> Result<(), StoreError> {
        let want = self.next_len();
        let layout = self.writing.layout(&self.writing.owner(self.ordinal, Some(0)));
        let permit = self.writing.store.reserve(layout.memory(want)).await;
        let (draft, _, _) = self
            .writing
            .fill(layout, Some(want), Ahead::new(source.take(want)))
            .await?;
        self.send(draft, want, permit).await
    }

    /// The same of bytes that are in memory.
    pub async fn push_held(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        let want = self.next_len();
        let layout = self.writing.layout(&self.writing.owner(self.ordinal, Some(0)));
        let permit = self.writing.store.reserve(layout.memory(want)).await;
        let draft = self.writing.draft_of(layout, bytes);
        self.send(draft, want, permit).await
    }

    async fn send(&mut self, draft: Draft, want: u64, permit: OwnedSemaphorePermit) -> Result<(), StoreError> {
        if draft.filled() != want {
            return Err(StoreError::Source {
                name: self.writing.put.name.clone(),
                source: io::Error::new(
                    ErrorKind::UnexpectedEof,
                    format!("{} of {want} bytes came", draft.filled()),
                ),
            });
        }
        let alone = self.len == want && self.taken == 0;
        self.taken += want;
        if alone {
            let owner = self.writing.owner(0, Some(self.len));
            match self.writing.ship_root(draft, owner, Kind::RootData, permit).await {
                Ok(root) => self.root = Some(root),
                Err(failure) => {
                    let told = StoreError::Inconsistent {
                        name: self.writing.put.name.clone(),
                        what: failure.error.to_string(),
                    };
                    self.failed = Some(failure);
                    return Err(told);
                }
            }
            return Ok(());
        }
        let (writing, ordinal) = (self.writing.clone(), self.ordinal);
        let owner = writing.owner(ordinal, None);
        self.flights
            .spawn(async move { (ordinal, writing.ship_part(draft, owner, permit).await) });
        self.ordinal += 1;
        while let Some(landed) = self.flights.try_join_next() {
            self.parts.push(landed_part(landed)?);
        }
        Ok(())
    }

    /// All bytes were handed over: commits.
    ///
    /// # Panics
    /// If bytes are missing.
    pub async fn finish(mut self) -> Result<Stored, StoreError> {
        assert!(
            self.taken == self.len && (self.root.is_some() || self.len > 0),
            "bytes are missing"
        );
        let writing = self.writing.clone();
        match self.complete().await {
            Ok(complete) => writing.commit(complete).await,
            Err(failure) => Err(writing.give_up(failure).await),
        }
    }

    /// Gives it up; answers how sure it is that nothing of it will ever be seen.
    pub async fn abandon(mut self) -> StoreError {
        self.flights.shutdown().await;
        let gone = StoreError::Refused {
            name: self.writing.put.name.clone(),
            found: "it was given up".to_owned(),
        };
        let failure = self.failed.take().unwrap_or(Failure {
            error: gone,
            root_left: self.root.is_some(),
        });
        self.writing.give_up(failure).await
    }

    async fn complete(&mut self) -> Result<Complete, Failure> {
        if let Some(root) = self.root.take() {
            let digest = root.extent.digest;
            return Ok(Complete {
                root,
                kind: Kind::RootData,
                parts: Vec::new(),
                manifests: Vec::new(),
                len: self.len,
                digest,
            });
        }
        while let Some(landed) = self.flights.join_next().await {
            self.parts.push(landed_part(landed)?);
        }
        self.parts.sort_by_key(|(ordinal, _)| *ordinal);
        let parts = std::mem::take(&mut self.parts)
            .into_iter()
            .map(|(_, sent)| sent)
            .collect();
        self.writing.clone().ship_manifests(parts, self.len).await
    }
}
