//! An extent of a put, from its source to its frames.

use std::io::{self, Read};
use std::num::NonZero;
use std::thread::available_parallelism;

use super::draft::{Draft, DraftError};
use super::error::StoreError;
use super::labour::labour;
use super::layout::Layout;
use super::put::Writing;
use super::source::Ahead;
use super::weave::WeaveError;
use crate::fragment::id::Kind;

/// Payload bytes that are worth a thread of their own to read and weave.
const WORTH_A_THREAD: u64 = 4 << 20;

impl Writing {
    /// Reads one extent, and weaves it meanwhile, on a thread that may wait.
    pub(crate) async fn fill<R: Read + Send + 'static>(
        &self,
        layout: Layout,
        hint: Option<u64>,
        mut source: Ahead<R>,
    ) -> Result<(Draft, Ahead<R>, bool), StoreError> {
        let (keys, code, pool) = (self.store.keys.clone(), self.code.clone(), self.store.pool.clone());
        let extent = self.minted(layout, Kind::Part);
        let name = self.put.name.clone();
        let threads = threads_for(layout, hint);
        let reading = labour(move || {
            let mut draft = Draft::on_the_loom(&pool, layout, hint, &keys, &code, &extent).map_err(WeaveError::from)?;
            let ended = draft.fill_and_weave(&mut source, threads)? || source.ended()?;
            draft.weave()?;
            Ok((draft, source, ended))
        });
        let read = reading
            .await
            .unwrap_or_else(|panic| Err(io::Error::other(panic).into()));
        read.map_err(|error| match error {
            DraftError::Source(source) => StoreError::Source { name, source },
            DraftError::Weave(error) => self.miscoded(error),
        })
    }

    /// The same of bytes that are in memory, and not woven yet.
    pub(crate) fn draft_of(&self, layout: Layout, mut payload: &[u8]) -> Draft {
        let mut draft = Draft::new(&self.store.pool, layout, Some(payload.len() as u64));
        draft.fill(&mut payload).expect("memory can be read");
        assert!(payload.is_empty(), "a manifest fits its extent");
        draft
    }
}

/// So many threads read and weave an extent: no more than there are cores.
fn threads_for(layout: Layout, hint: Option<u64>) -> usize {
    let bytes = hint.unwrap_or(u64::MAX).min(layout.capacity());
    let worth = usize::try_from(bytes / WORTH_A_THREAD).unwrap_or(usize::MAX);
    available_parallelism().map_or(1, NonZero::get).min(worth).max(1)
}
