//! What a crash leaves in `tmp/`: half blobs under names that nobody will ever ask for, and that are paid for.

use std::time::Duration;

use bytes::Bytes;
use futures::stream::TryStreamExt;
use opendal::Entry;
use opendal::options::ListOptions;

use super::remote::{Remote, TEMPORARY};
use crate::provider::{Operation, ProviderError};

impl Remote {
    /// Deletes what has lain in `tmp/` for longer than `age`, by the service's own clock; how many there were.
    /// `age` has to be longer than any put takes, in any process. Nothing is done where no blob goes through `tmp/`.
    pub async fn sweep(&self, age: Duration) -> Result<usize, ProviderError> {
        let Some(stem) = &self.stem else {
            return Ok(0);
        };
        // A fresh file tells the service's time in the same clock and grain as the old ones.
        let fresh = format!("{TEMPORARY}{stem}-now");
        let now = async {
            self.folders.make(&self.writes, &fresh).await?;
            self.writes.write(&fresh, Bytes::from_static(b"now")).await?;
            Ok(self.reads.stat(&fresh).await?.last_modified())
        };
        let (now, _) = self.step(Operation::List, TEMPORARY, 3 * self.short(), now).await?;
        let listing = async {
            let all = ListOptions {
                recursive: true,
                ..ListOptions::default()
            };
            let entries = self.reads.lister_options(TEMPORARY, all).await?;
            entries.try_collect::<Vec<Entry>>().await
        };
        let (entries, _) = self.step(Operation::List, TEMPORARY, 3 * self.short(), listing).await?;
        let mut swept = 0;
        for entry in entries.iter().filter(|entry| entry.metadata().is_file()) {
            let path = entry.path();
            let own = path == fresh;
            let old = match (now, entry.metadata().last_modified()) {
                (Some(now), Some(then)) => now - age > then,
                _ => false,
            };
            if own || old {
                self.step(Operation::Delete, path, self.short(), self.reads.delete(path))
                    .await?;
                swept += usize::from(!own);
            }
        }
        Ok(swept)
    }
}
