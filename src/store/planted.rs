//! What some bugs of [`crate::plant`] do, beside the code that has them: in no program that has not the feature `plant`.

use std::sync::Arc;
use std::time::Duration;

use super::Store;
use super::annul::void_policy;
use super::error::StoreError;
use super::put::Writing;
use super::rule::Rule;
use super::send::{Progress, departing};
use crate::catalog::CatalogError;
use crate::catalog::record::{Commit, Committed, Condition, Doomed, Extent, Intent};
use crate::plant::{Bug, planted};

impl Writing {
    /// The transaction that makes a version the object, with what is planted before and after it.
    pub(super) async fn commit_with_bugs(&self, commit: Commit, root: &Extent) -> Result<Committed, CatalogError> {
        let catalog = self.store.catalog().clone();
        if planted(Bug::DeleteBeforeCommit) {
            drop(self.store.delete_the_head(&self.put.name).await);
        }
        if planted(Bug::VolatileCommit) {
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(20)).await;
                catalog.commit(commit).await
            });
            return Ok(Committed::Now(None));
        }
        let done = catalog.commit(commit).await;
        if planted(Bug::VoidAfterAnUncertainCommit) && matches!(done, Err(CatalogError::Io { .. })) {
            drop(self.store.void_at_once(root, &self.progress).await);
        }
        done
    }
}

impl Store {
    /// Deletes what the present version of an object consists of.
    async fn delete_the_head(&self, name: &str) -> Result<(), StoreError> {
        for piece in self.catalog.extents(name).await? {
            for fragment in piece.fragments {
                let extent = piece.extent.clone();
                drop(self.erase(&Doomed { extent, fragment }).await);
            }
        }
        Ok(())
    }

    /// Sends the void of a root that perhaps counts, and notes it nowhere.
    async fn void_at_once(self: &Arc<Store>, root: &Extent, progress: &Arc<dyn Progress>) -> Result<(), StoreError> {
        let (policy, extent) = (void_policy("", root), self.void_extent(root));
        let seats = self.seats(&policy, extent.id, 0)?;
        let copies: Vec<u64> = seats.chosen.iter().map(|_| self.entropy.number()).collect();
        let woven = self.woven_void(&policy, extent.clone(), &copies);
        let intent = Intent {
            name: String::new(),
            policy: String::new(),
            condition: Condition::Any,
            fragments: departing(extent.id, &seats.chosen, &copies),
            extent,
        };
        let woven = woven.expect("an extent without payload");
        drop(self.send(woven, seats, intent, &Rule::of(&policy), progress).await);
        Ok(())
    }
}
