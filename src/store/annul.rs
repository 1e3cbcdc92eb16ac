//! The void: what makes sure that a version which was refused never comes back, not even when a catalog is rebuilt.

use std::sync::Arc;

use super::Store;
use super::error::StoreError;
use super::layout::Layout;
use super::rule::Rule;
use super::send::{Progress, departing};
use super::weave::{WeaveError, Woven, weave_empty};
use crate::catalog::record::{Condition, Extent, Intent};
use crate::cloud_set::policy::{Policy, Prefer};
use crate::entropy::random;
use crate::fragment::id::{ExtentId, Generation, Kind};
use crate::fragment::owner::Owner;
use crate::plant::{Bug, planted};
use crate::stripe::geometry::MIN_HEADER_LEN;

impl Store {
    /// Pays the void that a closed generation owes, if it owes one. True if nothing is owed any more.
    pub(crate) async fn annul(
        self: &Arc<Store>,
        generation: Generation,
        name: &str,
        progress: &Arc<dyn Progress>,
    ) -> Result<bool, StoreError> {
        let open = self.catalog.open_generations().await?;
        let Some(owed) = open.into_iter().find(|o| o.generation == generation && o.closed) else {
            return Ok(true);
        };
        let Some(root) = owed.root else { return Ok(true) };
        let Some((root, _)) = self.catalog.extent(root).await? else {
            return Err(StoreError::Inconsistent {
                name: name.to_owned(),
                what: "the root of an open generation is not in the catalog".to_owned(),
            });
        };
        self.writer().await?.durable().await?;
        let policy = void_policy(&owed.policy, &root);
        let extent = self.void_extent(&root);
        let seats = self.seats(&policy, extent.id, 0)?;
        let copies: Vec<u64> = seats.chosen.iter().map(|_| self.entropy.number()).collect();
        let intent = Intent {
            name: owed.name,
            policy: owed.policy,
            condition: Condition::Any,
            fragments: departing(extent.id, &seats.chosen, &copies),
            extent: extent.clone(),
        };
        self.catalog.intend(intent.clone()).await?;
        let woven = self.woven_void(&policy, extent.clone(), &copies);
        let woven = woven.map_err(|error| StoreError::Inconsistent {
            name: name.to_owned(),
            what: error.to_string(),
        })?;
        let mut sent = self.send(woven, seats, intent, &Rule::of(&policy), progress).await;
        let late = sent.late.take();
        let counts = sent.acknowledged || planted(Bug::VoidBelowQuorum);
        if counts {
            self.catalog.settle_void(generation, extent.id, sent.fragments).await?;
            if let Some(late) = late {
                self.finish_behind(late);
            }
        }
        Ok(counts)
    }

    pub(super) fn woven_void(&self, policy: &Policy, extent: Extent, copies: &[u64]) -> Result<Woven, WeaveError> {
        let layout = Layout {
            k: policy.k,
            n: policy.n(),
            chunk_len: policy.chunk_len,
            overhead: 0,
            header_len: extent.header_len,
            fragment_len: policy.fragment_len,
        };
        weave_empty(&self.keys, layout, extent, &Owner::default(), copies)
    }

    pub(super) fn void_extent(&self, root: &Extent) -> Extent {
        let mut extent = Extent {
            id: ExtentId(random(self.entropy.as_ref())),
            kind: Kind::Void,
            key_id: self.keys.newest(),
            sealed: false,
            header_len: MIN_HEADER_LEN,
            salt: random(self.entropy.as_ref()),
            digest: [0; 32],
            ..root.clone()
        };
        extent.shape.overhead = 0;
        extent.shape.payload_len = 0;
        extent
    }
}

/// A void has the counts of the root that it annuls, so that their quorums meet; it may lie anywhere.
pub(super) fn void_policy(name: &str, root: &Extent) -> Policy {
    Policy {
        name: name.to_owned(),
        k: root.shape.k,
        m: root.shape.n - root.shape.k,
        spread: std::collections::BTreeMap::new(),
        quorum: root.quorum,
        sealed: false,
        prefer: Prefer::Latency,
        providers: None,
        chunk_len: root.shape.chunk_len,
        fragment_len: 1 << 20,
    }
}
