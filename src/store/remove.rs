//! Removing one object: a tombstone at the quorum, then the commit. The blobs go after the grace.

use std::sync::Arc;

use super::Store;
use super::draft::Draft;
use super::error::StoreError;
use super::put::{Complete, Put, Stored, Writing};
use super::send::Progress;
use crate::catalog::record::{Condition, Version};
use crate::cloud_set::policy::Policy;
use crate::fragment::id::{ExtentId, Kind};

impl Store {
    /// Removes an object, under the policy that it was written with or another that its owner still has. Answers the version that went.
    pub async fn remove(
        self: &Arc<Store>,
        name: &str,
        policy: &Policy,
        progress: Arc<dyn Progress>,
    ) -> Result<(Version, Stored), StoreError> {
        let head = match self.head(name).await {
            Err(none @ StoreError::NotFound { .. }) => return Err(self.unless_stale(none).await),
            head => head?,
        };
        self.begin_writing().await?;
        self.seats(policy, ExtentId::default(), 0)?;
        let put = Put {
            name: name.to_owned(),
            policy: policy.clone(),
            condition: Condition::Any,
            modified: None,
            len_hint: Some(0),
        };
        let code = self.code(policy.k, policy.n()).expect("a checked policy");
        let generation = self.writer().await?.next();
        let writing = Writing {
            store: self.clone(),
            generation,
            put,
            code,
            progress,
        };
        let owner = writing.owner(0, Some(0));
        let layout = writing.layout(&owner);
        let draft = Draft::new(&self.pool, layout, Some(0));
        let permit = self.reserve(layout.memory(0)).await;
        match writing.ship_root(draft, owner, Kind::Tombstone, permit).await {
            Ok(root) => {
                let digest = root.extent.digest;
                let complete = Complete {
                    root,
                    kind: Kind::Tombstone,
                    parts: Vec::new(),
                    manifests: Vec::new(),
                    len: 0,
                    digest,
                };
                Ok((head, writing.commit(complete).await?))
            }
            Err(failure) => Err(writing.give_up(failure).await),
        }
    }
}
