//! How a blob comes and goes: whole under its key, or through `tmp/` where the service writes in place.

use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use opendal::{ErrorKind, Metadata};

use super::remote::{Remote, TEMPORARY};
use crate::provider::{Class, Operation, ProviderError, Stored};

/// How long to try to take away what a failed put left in `tmp/`.
const CLEANING: Duration = Duration::from_secs(5);

impl Remote {
    pub(super) fn write_limit(&self, len: u64) -> Duration {
        self.timeouts.deadline(len)
    }

    /// One write call under exactly this name.
    async fn write(&self, key: &str, name: &str, body: Bytes) -> Result<Metadata, ProviderError> {
        let limit = self.write_limit(body.len() as u64);
        let write = async {
            self.folders.make(&self.writes, name).await?;
            self.writes.write(name, body).await
        };
        let answer = self.step(Operation::Put, key, limit, write).await;
        answer.map(|(metadata, _)| metadata).map_err(|error| {
            self.folders.forget(name);
            self.missing(error)
        })
    }

    /// A write finds nothing missing but what it should be written into: a bucket is a person's to make, a folder or a blob in
    /// `tmp/` is made again by the next try.
    fn missing(&self, error: ProviderError) -> ProviderError {
        let class = match error.class {
            Class::Gone if self.has_bucket() => Class::Config,
            Class::Gone => Class::Transient,
            other => other,
        };
        ProviderError { class, ..error }
    }

    /// The length of what was written, where only the provider knows it.
    async fn length(&self, key: &str, name: &str) -> Result<u64, ProviderError> {
        let stat = self.step(Operation::Put, key, self.short(), self.reads.stat(name));
        let answer = stat.await.map_err(|error| self.missing(error))?;
        Ok(answer.0.content_length())
    }

    fn must_be(&self, key: &str, len: u64, want: u64) -> Result<(), ProviderError> {
        if len == want {
            return Ok(());
        }
        let message = format!("{len} bytes arrived of {want}");
        Err(self.error(Operation::Put, key, Class::Corrupt, &message))
    }

    pub(super) async fn put_whole(&self, key: &str, body: Bytes) -> Result<Stored, ProviderError> {
        let want = body.len() as u64;
        let metadata = self.write(key, key, body).await?;
        let etag = metadata.etag().map(str::to_owned);
        let len = match self.scheme.as_str() {
            // FTP ends an upload by closing a connection: the end may come early, and only a question tells.
            "ftp" => Some(self.length(key, key).await?),
            // These answer with the length of what they hold.
            "fs" | "b2" => Some(metadata.content_length()),
            // HTTP announces the length and a service that got less has to fail; OpenDAL fills in what was sent.
            _ => None,
        };
        self.must_be(key, len.unwrap_or(want), want)?;
        Ok(Stored { len, etag })
    }

    /// Straight to a disk.
    async fn put_on_disk(&self, temporary: String, key: &str, body: Bytes) -> Result<Stored, ProviderError> {
        let want = body.len() as u64;
        let limit = self.write_limit(want);
        let disk = self.folders.disk().expect("the caller has seen it");
        let store = async {
            let stored = disk.store(temporary, key.to_owned(), body).await;
            stored.map_err(|error| {
                let kind = match error.kind() {
                    std::io::ErrorKind::NotFound => ErrorKind::NotFound,
                    _ => ErrorKind::Unexpected,
                };
                opendal::Error::new(kind, error.kind().to_string()).set_source(error)
            })
        };
        let answer = self.step(Operation::Put, key, limit, store).await;
        let (named, _) = answer.map_err(|error| self.missing(error))?;
        self.must_be(key, named.len, want)?;
        self.settled(Operation::Put, key, named.settled)?;
        Ok(Stored {
            len: Some(named.len),
            etag: None,
        })
    }

    pub(super) async fn put_renamed(&self, stem: &str, key: &str, body: Bytes) -> Result<Stored, ProviderError> {
        let number = self.written.fetch_add(1, Ordering::Relaxed);
        let temporary = format!("{TEMPORARY}{stem}-{number}");
        if self.folders.disk().is_some() {
            return self.put_on_disk(temporary, key, body).await;
        }
        let done = self.put_through(&temporary, key, body).await;
        if done.is_err() {
            // It failed already; what is left in `tmp/` is never read, only paid for.
            drop(tokio::time::timeout(CLEANING, self.reads.delete(&temporary)).await);
        }
        done
    }

    async fn put_through(&self, temporary: &str, key: &str, body: Bytes) -> Result<Stored, ProviderError> {
        let want = body.len() as u64;
        self.write(key, temporary, body).await?;
        let len = self.length(key, temporary).await?;
        self.must_be(key, len, want)?;
        self.move_over(temporary, key).await?;
        Ok(Stored {
            len: Some(len),
            etag: None,
        })
    }

    async fn move_over(&self, from: &str, key: &str) -> Result<(), ProviderError> {
        let renamed = self.rename_to(from, key).await;
        if let Err(error) = renamed {
            // SFTP without OpenSSH's extension renames onto no file. A key has the same bytes for ever, so what lies there
            // already came from an earlier try.
            if self.scheme != "sftp" || self.reads.stat(key).await.is_err() {
                return Err(error);
            }
            self.step(Operation::Put, key, self.short(), self.reads.delete(key))
                .await?;
            self.rename_to(from, key).await?;
        }
        self.settle(Operation::Put, key).await
    }

    pub(super) async fn rename_to(&self, from: &str, key: &str) -> Result<(), ProviderError> {
        let rename = async {
            self.folders.make(&self.writes, key).await?;
            self.writes.rename(from, key).await
        };
        let renamed = self.step(Operation::Put, key, self.short(), rename).await;
        renamed.map(drop).map_err(|error| {
            self.folders.forget(key);
            self.missing(error)
        })
    }

    async fn settle(&self, operation: Operation, key: &str) -> Result<(), ProviderError> {
        let settled = self.folders.settle(key, operation == Operation::Delete).await;
        self.settled(operation, key, settled)
    }

    fn settled(&self, operation: Operation, key: &str, settled: std::io::Result<()>) -> Result<(), ProviderError> {
        settled.map_err(|error| {
            // Not to be tried again: after a failed sync the next one may succeed over lost bytes.
            let message = format!("the folder could not be synced: {error}");
            self.error(operation, key, Class::Config, &message)
        })
    }

    pub(super) async fn remove(&self, key: &str) -> Result<(), ProviderError> {
        let answer = self
            .step(Operation::Delete, key, self.short(), self.reads.delete(key))
            .await;
        match answer {
            // To some services a missing bucket is a blob well deleted.
            Ok(((), Some(404))) if self.has_bucket() && !self.is_proven() => self.bucket(Operation::Delete, key).await,
            Ok(_) => {
                self.root(Operation::Delete, key)?;
                self.settle(Operation::Delete, key).await
            }
            Err(error) if error.class == Class::Gone => match self.gone(error).await {
                error if error.class == Class::Gone => Ok(()),
                error => Err(error),
            },
            Err(error) => Err(error),
        }
    }
}
