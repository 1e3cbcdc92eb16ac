//! Taking up a put that an earlier process had begun: what landed of it stays, the rest is handed over once more.
//!
//! ```text
//! settle ─▶ generation without a root, of an object that is to go on: left open
//! resume ─▶ each of its extents: asked for at all providers ─▶ at the rule ─▶ part of the put      the later of two with one ordinal
//!                                                          └─▶ short of it ─▶ its bytes are missing; retires with the commit
//! forget ─▶ closed; its fragments are deleted
//! ```
//!
//! The put goes on under the generation that it began with: nothing else could name its extents, and nobody else can commit it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::{Arc, MutexGuard, PoisonError};

use bytes::Bytes;
use futures::{StreamExt, stream};

use super::Store;
use super::error::StoreError;
use super::fetch::Source;
use super::inflow::Inflow;
use super::put::{Put, Writing};
use super::send::{Progress, Sent, Silent};
use super::settle::source_of;
use crate::catalog::record::{Extent, OpenGeneration, Piece};
use crate::fragment::id::{ExtentId, Kind};

/// Extents that are looked for at once.
const AT_ONCE: usize = 8;

/// A put that goes on.
#[derive(Debug)]
pub struct Resumed {
    /// It takes what has not landed.
    pub inflow: Inflow,
    /// What has, in order.
    pub landed: Vec<Landed>,
}

/// Bytes of an unfinished object that are on the clouds.
#[derive(Debug)]
pub struct Landed {
    /// Where they stand in the object.
    pub range: Range<u64>,
    source: Source,
}

impl Landed {
    /// Those of them within `range`, which are some.
    ///
    /// # Panics
    /// If the range reaches beyond them.
    pub async fn read(&self, store: &Store, range: Range<u64>) -> Result<Bytes, StoreError> {
        assert!(
            self.range.start <= range.start && range.end <= self.range.end,
            "{range:?} of {:?}",
            self.range
        );
        let progress: Arc<dyn Progress> = Arc::new(Silent);
        let within = range.start - self.range.start..range.end - self.range.start;
        Ok(store.fetch(&self.source, within, &progress).await?.0)
    }
}

impl Store {
    /// Puts of these objects that an earlier process began, and sent no root of, are not undone when this one begins to write. It says nothing once
    /// that has begun; whoever calls it resumes or forgets each of them.
    pub fn leave_open(&self, names: impl IntoIterator<Item = String>) {
        self.left_open().extend(names);
    }

    fn left_open(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.left_open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes up a put of `len` bytes where an earlier process left it; `None` if nothing of it is left.
    pub async fn resume_put(
        self: &Arc<Store>,
        put: Put,
        len: u64,
        progress: Arc<dyn Progress>,
    ) -> Result<Option<Resumed>, StoreError> {
        self.begin_writing().await?;
        let mut unfinished = self.unfinished(&put.name).await?;
        let newest = unfinished.pop();
        for open in unfinished {
            self.undo(&open, &progress).await?;
        }
        let Some(open) = newest else { return Ok(None) };
        let writing = Arc::new(self.writing_as(put, progress.clone(), open.generation)?);
        let parts = self.landed_parts(&open, &writing, len).await?;
        if parts.is_empty() {
            self.undo(&open, &progress).await?;
            return Ok(None);
        }
        let landed = parts.iter().map(|(ordinal, (at, sent))| Landed {
            range: *at..*at + sent.extent.shape.payload_len,
            source: source_in(&open, *ordinal, sent),
        });
        Ok(Some(Resumed {
            landed: landed.collect(),
            inflow: Inflow::of(
                writing,
                len,
                parts.into_iter().map(|(ordinal, (_, sent))| (ordinal, sent)).collect(),
            ),
        }))
    }

    /// Gives up what an earlier process had begun to put under this name.
    pub async fn forget_put(self: &Arc<Store>, name: &str) -> Result<(), StoreError> {
        self.begin_writing().await?;
        let progress: Arc<dyn Progress> = Arc::new(Silent);
        for open in self.unfinished(name).await? {
            self.undo(&open, &progress).await?;
        }
        Ok(())
    }

    /// Open generations of an object that other processes began and sent no root of, oldest first.
    async fn unfinished(self: &Arc<Store>, name: &str) -> Result<Vec<OpenGeneration>, StoreError> {
        let writer = self.writer().await?;
        let mut open = self.catalog.open_generations().await?;
        open.retain(|it| it.name == name && it.root.is_none() && !it.closed && !writer.issues(it.generation));
        Ok(open)
    }

    /// True if settling passes over this generation.
    pub(super) fn is_left_open(&self, open: &OpenGeneration) -> bool {
        self.left_open().contains(&open.name) && open.root.is_none() && !open.closed
    }

    /// By ordinal: where each part that landed begins, and the part.
    async fn landed_parts(
        self: &Arc<Store>,
        open: &OpenGeneration,
        writing: &Writing,
        len: u64,
    ) -> Result<BTreeMap<u32, (u64, Sent)>, StoreError> {
        let places = places(writing, len);
        let mut parts = BTreeMap::new();
        let looks = stream::iter(open.extents.clone()).map(|id| self.landed_part(open, id));
        let mut looks = looks.buffered(AT_ONCE);
        while let Some(look) = looks.next().await {
            match look {
                Ok(Some((ordinal, sent))) => {
                    // Another policy cuts an object elsewhere: such a part fits no more.
                    let place = places.get(ordinal as usize);
                    if let Some(place) = place.filter(|it| it.end - it.start == sent.extent.shape.payload_len) {
                        parts.insert(ordinal, (place.start, sent));
                    }
                }
                Ok(None) => {}
                Err(error @ (StoreError::Catalog(_) | StoreError::Stale { .. })) => return Err(error),
                Err(error) => tracing::info!("{}: an extent of it has to be sent again: {error}", open.name),
            }
        }
        Ok(parts)
    }

    async fn landed_part(
        self: &Arc<Store>,
        open: &OpenGeneration,
        id: ExtentId,
    ) -> Result<Option<(u32, Sent)>, StoreError> {
        let progress: Arc<dyn Progress> = Arc::new(Silent);
        let Some(mut survey) = self.survey(id).await? else {
            return Ok(None);
        };
        let readable = survey.sound() >= survey.extent.shape.k && survey.extent.kind == Kind::Part;
        if !readable || !self.complete(open, &mut survey, &progress).await? {
            return Ok(None);
        }
        let (_, owner) = self.owner_of(&source_of(open, &survey)).await?;
        let (Some(ordinal), Some(digest)) = (owner.ordinal, owner.digest) else {
            return Ok(None);
        };
        let sent = Sent {
            extent: Extent {
                digest,
                ..survey.extent
            },
            fragments: survey.fragments,
            replaced: survey.rebuilt,
            acknowledged: true,
            causes: Vec::new(),
            late: None,
        };
        Ok(Some((ordinal, sent)))
    }
}

/// Where each extent of an object of `len` bytes stands, by ordinal.
fn places(writing: &Writing, len: u64) -> Vec<Range<u64>> {
    let (mut places, mut at) = (Vec::new(), 0);
    for ordinal in 0_u32.. {
        if at == len {
            break;
        }
        let capacity = writing.layout(&writing.owner(ordinal, Some(0))).capacity();
        let to = len.min(at + capacity);
        places.push(at..to);
        at = to;
    }
    places
}

fn source_in(open: &OpenGeneration, ordinal: u32, sent: &Sent) -> Source {
    let piece = Piece {
        offset: 0,
        len: sent.extent.shape.payload_len,
        extent: sent.extent.clone(),
        fragments: sent.fragments.clone(),
    };
    let source = Source::new(&open.name, &open.policy, ordinal as usize, piece);
    Source {
        adopting: Some(Arc::new(open.clone())),
        ..source
    }
}
