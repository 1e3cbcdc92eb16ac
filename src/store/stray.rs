//! Fragments that lie at a provider and not in the catalog: who was silent while it was rebuilt from listings had more to tell.
//!
//! ```text
//! an extent that too few known fragments answer for ─▶ some index without a row? ─▶ its folder is listed on all members ─▶ read, noted
//! ```

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::TryStreamExt;
use futures::future::join_all;

use super::Store;
use super::clouds::Cloud;
use super::epoch::folder;
use super::fetch::Source;
use crate::catalog::record::{Fragment, FragmentState};
use crate::fragment::key::open_key;
use crate::provider::ProviderError;

impl Store {
    /// Copies of indices that `source` knows no fragment of, as the members list them now, and what those said that don't answer. Nothing is listed if
    /// it knows one of each, or if its extent is of no version yet.
    pub(super) async fn strays(&self, source: &Source) -> (Vec<Fragment>, Vec<ProviderError>) {
        let extent = &source.piece.extent;
        let known: BTreeSet<u16> = source.piece.fragments.iter().map(|fragment| fragment.index).collect();
        if source.adopting.is_some() || known.len() >= usize::from(extent.shape.n) {
            return (Vec::new(), Vec::new());
        }
        let clouds = self.clouds();
        let members: Vec<Arc<Cloud>> = clouds.present().cloned().collect();
        let asked = members
            .into_iter()
            .filter(|cloud| !source.avoid.contains(&cloud.member.name))
            .map(|cloud| async move { self.copies_on(&cloud, source).await });
        let answers = join_all(asked).await;
        let (mut found, mut silent) = (Vec::new(), Vec::new());
        for answer in answers {
            match answer {
                Ok(copies) => found.extend(copies),
                Err(error) => silent.push(error),
            }
        }
        found.retain(|fragment| !known.contains(&fragment.index));
        (found, silent)
    }

    /// The fragments of an extent that one member lists.
    async fn copies_on(&self, cloud: &Arc<Cloud>, source: &Source) -> Result<Vec<Fragment>, ProviderError> {
        let (provider, extent) = (cloud.way().ok_or_else(|| cloud.out_of_reach())?, &source.piece.extent);
        let listed: Vec<_> = provider.list(&folder(extent.group)).try_collect().await?;
        let tokens = listed.iter().filter_map(|listed| open_key(&self.keys, &listed.key));
        let own = tokens.filter(|(_, token)| token.extent == extent.id && token.index < extent.shape.n);
        let fragment = |(_, token): (_, crate::fragment::key::Token)| Fragment {
            extent: extent.id,
            index: token.index,
            copy: token.copy,
            provider: cloud.member.id,
            state: FragmentState::Sent,
        };
        Ok(own.map(fragment).collect())
    }

    /// Notes fragments that turned up, for checks and repairs. A catalog that can't be written is no reason to fail a read.
    pub(super) async fn keep_strays(&self, strays: Vec<Fragment>) {
        for stray in strays {
            if let Err(error) = self.catalog.begin_move(stray).await {
                tracing::warn!(
                    "fragment {} of extent {} was not noted: {error}",
                    stray.index,
                    stray.extent
                );
            }
        }
    }
}
