//! The deletion of blobs that nothing holds any more, once their grace is over.

use std::sync::Arc;

use futures::StreamExt;
use futures::stream;

use super::Store;
use super::error::StoreError;
use super::send::blob_key;
use crate::catalog::record::{Doomed, Fragment};
use crate::provider::ProviderError;

/// Deletions under way at once.
const AT_ONCE: usize = 32;

/// How long a deletion that failed waits before it is tried again, in nanoseconds.
const AGAIN_AFTER: i64 = 15 * 60 * 1_000_000_000;

/// What a sweep did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Blobs that are gone.
    pub deleted: u64,
    /// Blobs whose provider did not answer.
    pub postponed: u64,
}

impl Store {
    /// Deletes up to `limit` blobs whose time has come. A provider that doesn't answer, or doesn't prove to be ours, is tried again later.
    pub async fn sweep(self: &Arc<Store>, limit: usize) -> Result<Swept, StoreError> {
        let due = self.catalog.doomed(self.clock.now(), limit).await?;
        let ends: Vec<(Fragment, bool)> = stream::iter(due)
            .map(|doomed| async move { (doomed.fragment, self.erase(&doomed).await.is_ok()) })
            .buffer_unordered(AT_ONCE)
            .collect()
            .await;
        let (gone, kept): (Vec<_>, Vec<_>) = ends.into_iter().partition(|(_, gone)| *gone);
        let fragments =
            |ends: Vec<(Fragment, bool)>| ends.into_iter().map(|(fragment, _)| fragment).collect::<Vec<_>>();
        let swept = Swept {
            deleted: gone.len() as u64,
            postponed: kept.len() as u64,
        };
        if !gone.is_empty() {
            self.catalog.deleted(fragments(gone)).await?;
        }
        if !kept.is_empty() {
            self.catalog
                .postpone(fragments(kept), self.clock.now().saturating_add(AGAIN_AFTER))
                .await?;
        }
        Ok(swept)
    }

    /// Deletes one blob, if its provider is ours. Nothing to do at one that is lost or removed.
    pub(super) async fn erase(&self, doomed: &Doomed) -> Result<(), ProviderError> {
        let clouds = self.clouds();
        let Some(cloud) = clouds.holder(&doomed.fragment) else {
            return Ok(());
        };
        if matches!(
            cloud.member.state,
            crate::catalog::record::MemberState::Lost | crate::catalog::record::MemberState::Removed
        ) {
            return Ok(());
        }
        cloud.prove(&self.keys).await?;
        let provider = cloud.way().ok_or_else(|| cloud.out_of_reach())?;
        let key = blob_key(&self.keys, &doomed.extent, doomed.fragment.index, doomed.fragment.copy);
        let result = provider.delete(&key).await;
        cloud.note(&result);
        if result.is_ok() {
            let extent = &doomed.extent;
            cloud.give_room(extent.shape.fragment_len(extent.header_len));
        }
        result
    }
}
