//! Moving one sound fragment to another provider: read whole and proved, written under a fresh copy number, then the old is doomed.

use std::sync::Arc;

use bytes::Bytes;

use super::Store;
use super::clouds::Cloud;
use super::error::StoreError;
use super::fetch::Source;
use super::send::{Progress, deliver};
use super::weave::header;
use crate::catalog::CatalogError;
use crate::catalog::record::{Fragment, FragmentState};
use crate::fragment::header::Header;
use crate::plant::{Bug, planted};
use crate::provider::ProviderError;

/// How a move ended.
#[derive(Debug)]
pub enum Moved {
    /// The fragment is where it should be; the old copy goes after the grace.
    Done(Fragment),
    /// The old copy couldn't be read, or isn't what it should be: to be made anew from others.
    Unreadable(Option<ProviderError>),
    /// The target didn't take it.
    Untaken(ProviderError),
    /// No version holds the extent any more: nothing was to be moved.
    Retired,
}

impl Store {
    /// Moves `fragment` of the extent in `source` to `target`, which holds no other fragment of it.
    pub(crate) async fn relocate(
        &self,
        source: &Source,
        fragment: Fragment,
        target: &Arc<Cloud>,
        progress: &Arc<dyn Progress>,
    ) -> Result<Moved, StoreError> {
        let extent = &source.piece.extent;
        let _permit = self.reserve(2 * extent.shape.fragment_len(extent.header_len)).await;
        let bytes = match self.read_whole(source, fragment, progress).await {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Ok(Moved::Unreadable(None)),
            Err(error) => return Ok(Moved::Unreadable(Some(error))),
        };
        let Ok((_, owner)) = Header::decode(&bytes, &self.keys) else {
            return Ok(Moved::Unreadable(None));
        };
        let moved = Fragment {
            copy: if planted(Bug::ReuseACopyNumber) {
                fragment.copy
            } else {
                self.entropy.number()
            },
            provider: target.member.id,
            state: FragmentState::Sent,
            ..fragment
        };
        match self.catalog.begin_move(moved).await {
            Err(CatalogError::Retired(_)) => return Ok(Moved::Retired),
            other => other?,
        }
        let head = header(extent, moved.index, moved.copy);
        let first = head
            .encode(&self.keys, &owner)
            .map_err(|error| StoreError::Inconsistent {
                name: source.name.clone(),
                what: error.to_string(),
            })?;
        let mut body = Vec::with_capacity(bytes.len());
        body.extend_from_slice(&first);
        body.extend_from_slice(&bytes[first.len()..]);
        let key = head.key(&self.keys);
        if let Err(error) = deliver(target, &self.keys, extent.kind, &key, body.into(), progress.as_ref()).await {
            return Ok(Moved::Untaken(error));
        }
        let moved = Fragment {
            state: FragmentState::Sound,
            ..moved
        };
        match self.catalog.finish_move(moved, self.doom_at()).await {
            Err(CatalogError::Retired(_)) => Ok(Moved::Retired),
            other => Ok(other.map(|()| Moved::Done(moved))?),
        }
    }

    /// Every byte of a fragment, proved; `None` if it isn't sound.
    async fn read_whole(
        &self,
        source: &Source,
        fragment: Fragment,
        progress: &Arc<dyn Progress>,
    ) -> Result<Option<Bytes>, ProviderError> {
        let clouds = self.clouds();
        let Some(cloud) = clouds.holder(&fragment) else {
            return Ok(None);
        };
        let extent = source.piece.extent.clone();
        let window = 0..extent.shape.stripes();
        let (_, arrived) = self
            .ask(fragment, cloud.clone(), extent, window, progress.clone())
            .await;
        arrived.map(|arrived| arrived.sound.then_some(arrived.bytes))
    }
}
