//! A provider that keeps its blobs in memory, in the order of their keys: the plain definition of the port.
//!
//! It never waits and never fails but where the port says so; what wraps it adds the rest. A body is kept as a copy,
//! so that nothing of what a writer gave is held, unless it is asked to share; a reader gets the kept bytes themselves.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};

use super::{Call, Class, Listed, Operation, Parts, Provider, ProviderError, Stat, Stored};

/// Blobs in memory, gone with the process.
pub struct Memory {
    name: String,
    shares: bool,
    blobs: Mutex<BTreeMap<String, Bytes>>,
}

impl Memory {
    /// A provider without a blob.
    pub fn new(name: impl Into<String>) -> Memory {
        Memory {
            name: name.into(),
            shares: false,
            blobs: Mutex::default(),
        }
    }

    /// The same, but the bytes themselves are kept: for who puts one body many times and counts it against no budget.
    pub fn sharing(name: impl Into<String>) -> Memory {
        Memory {
            shares: true,
            ..Memory::new(name)
        }
    }

    /// Every blob as it is now; the bytes are shared, not copied.
    pub fn blobs(&self) -> BTreeMap<String, Bytes> {
        self.lock().clone()
    }

    /// Puts these bytes under the key behind everybody's back: damage, a replay, a stranger's blob.
    pub fn plant(&self, key: impl Into<String>, body: Bytes) {
        self.lock().insert(key.into(), body);
    }

    /// Takes a blob away behind everybody's back; what it was.
    pub fn steal(&self, key: &str) -> Option<Bytes> {
        self.lock().remove(key)
    }

    /// Forgets every blob.
    pub fn wipe(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Bytes>> {
        // No code that holds the lock can leave the map half changed.
        self.blobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, operation: Operation, key: &str) -> Result<Bytes, ProviderError> {
        let blob = self.lock().get(key).cloned();
        blob.ok_or_else(|| ProviderError::new(&self.name, operation, key, Class::Gone, "no such blob"))
    }

    fn read(&self, key: &str, range: &Range<u64>) -> Result<Parts, ProviderError> {
        if range.is_empty() {
            return Ok(Parts::default());
        }
        let blob = self.find(Operation::Get, key)?;
        let inside = |at: u64| usize::try_from(at).ok().filter(|&at| at <= blob.len());
        if let (Some(start), Some(end)) = (inside(range.start), inside(range.end)) {
            return Ok(blob.slice(start..end).into());
        }
        let message = format!("bytes {}..{} of a blob of {}", range.start, range.end, blob.len());
        Err(ProviderError::new(
            &self.name,
            Operation::Get,
            key,
            Class::Corrupt,
            message,
        ))
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let blobs = self.lock();
        let bytes: usize = blobs.values().map(Bytes::len).sum();
        write!(f, "Memory({}, {} blobs, {bytes} bytes)", self.name, blobs.len())
    }
}

impl Provider for Memory {
    fn name(&self) -> &str {
        &self.name
    }

    fn put<'a>(&'a self, key: &'a str, body: Bytes) -> Call<'a, Stored> {
        Box::pin(async move {
            let len = Some(body.len() as u64);
            // A copy: who sends counts the body against a budget until the last holder lets go.
            let kept = if self.shares {
                body
            } else {
                Bytes::copy_from_slice(&body)
            };
            self.lock().insert(key.to_owned(), kept);
            Ok(Stored { len, etag: None })
        })
    }

    fn get<'a>(&'a self, key: &'a str, range: Range<u64>) -> Call<'a, Parts> {
        Box::pin(async move { self.read(key, &range) })
    }

    fn stat<'a>(&'a self, key: &'a str) -> Call<'a, Stat> {
        Box::pin(async move {
            let blob = self.find(Operation::Stat, key)?;
            Ok(Stat {
                len: blob.len() as u64,
                etag: None,
            })
        })
    }

    fn list<'a>(&'a self, prefix: &'a str) -> BoxStream<'a, Result<Listed, ProviderError>> {
        let found: Vec<Listed> = self
            .lock()
            .range(prefix.to_owned()..)
            .take_while(|(key, _)| key.starts_with(prefix))
            .map(|(key, body)| Listed {
                key: key.clone(),
                len: Some(body.len() as u64),
            })
            .collect();
        stream::iter(found.into_iter().map(Ok)).boxed()
    }

    fn delete<'a>(&'a self, key: &'a str) -> Call<'a, ()> {
        Box::pin(async move {
            self.lock().remove(key);
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::provider::conformance::{self, Options};

    #[tokio::test]
    async fn memory_passes_the_suite() {
        let checks = conformance::run(Arc::new(Memory::new("m")), "suite/", &Options::default()).await;
        conformance::assert_passed(&checks, &[]);
    }

    #[tokio::test]
    async fn a_body_is_kept_as_a_copy() {
        let memory = Memory::new("m");
        let body = Bytes::from(vec![7; 4096]);
        memory.put("a", body.clone()).await.unwrap();
        let read = memory.get("a", 0..4096).await.unwrap();
        assert_ne!(read.pieces()[0].as_ptr(), body.as_ptr());
    }

    #[tokio::test]
    async fn what_is_planted_and_stolen_is_seen_by_readers() {
        let memory = Memory::new("m");
        memory.plant("a", Bytes::from_static(b"foreign"));
        assert_eq!(memory.stat("a").await.unwrap().len, 7);
        assert_eq!(memory.steal("a"), Some(Bytes::from_static(b"foreign")));
        assert_eq!(memory.stat("a").await.unwrap_err().class, Class::Gone);
    }
}
