//! A provider's corner that is the bench's own: everything below one prefix, and a switch that takes it out.
//!
//! What lies beside the prefix can't be named from here, so that no mistake of a bench touches an owner's objects.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};

use crate::provider::{Call, Class, Listed, Operation, Parts, Provider, ProviderError, Stat, Stored};

/// Deletes under way at once while a corner is cleared.
const SWEEPERS: usize = 8;

/// One provider below a prefix.
#[derive(Debug)]
pub struct Own {
    inner: Arc<dyn Provider>,
    prefix: String,
    out: AtomicBool,
}

impl Own {
    /// What lies below `prefix`, which is empty or ends with `/`.
    #[must_use]
    pub fn new(inner: Arc<dyn Provider>, prefix: &str) -> Own {
        Own {
            inner,
            prefix: prefix.to_owned(),
            out: AtomicBool::new(false),
        }
    }

    /// From now on every call fails as if nobody answered; or is made again.
    pub fn set_out(&self, out: bool) {
        self.out.store(out, Ordering::SeqCst);
    }

    /// Removes all that a listing shows, and answers how many blobs are left.
    pub async fn clear(&self) -> Result<u64, ProviderError> {
        let keys: Vec<String> = self.list("").map_ok(|listed| listed.key).try_collect().await?;
        let left = stream::iter(keys)
            .map(|key| async move { u64::from(self.delete(&key).await.is_err()) })
            .buffer_unordered(SWEEPERS)
            .fold(0, |sum, left| async move { sum + left });
        Ok(left.await)
    }

    fn full(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    fn answers(&self, operation: Operation, key: &str) -> Result<(), ProviderError> {
        if self.out.load(Ordering::SeqCst) {
            let refused = "taken out by the bench";
            return Err(ProviderError::new(
                self.inner.name(),
                operation,
                key,
                Class::Transient,
                refused,
            ));
        }
        Ok(())
    }
}

impl Provider for Own {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn put<'a>(&'a self, key: &'a str, body: Bytes) -> Call<'a, Stored> {
        Box::pin(async move {
            self.answers(Operation::Put, key)?;
            self.inner.put(&self.full(key), body).await
        })
    }

    fn get<'a>(&'a self, key: &'a str, range: Range<u64>) -> Call<'a, Parts> {
        Box::pin(async move {
            self.answers(Operation::Get, key)?;
            self.inner.get(&self.full(key), range).await
        })
    }

    fn stat<'a>(&'a self, key: &'a str) -> Call<'a, Stat> {
        Box::pin(async move {
            self.answers(Operation::Stat, key)?;
            self.inner.stat(&self.full(key)).await
        })
    }

    fn list<'a>(&'a self, prefix: &'a str) -> BoxStream<'a, Result<Listed, ProviderError>> {
        if let Err(error) = self.answers(Operation::List, prefix) {
            return stream::once(async move { Err(error) }).boxed();
        }
        let full = self.full(prefix);
        let (inner, ours) = (self.inner.clone(), self.prefix.clone());
        let listed = async move {
            let found: Vec<Result<Listed, ProviderError>> = inner.list(&full).collect().await;
            let mine = found.into_iter().filter_map(move |one| match one {
                Ok(listed) => listed.key.strip_prefix(&ours).map(|key| {
                    Ok(Listed {
                        key: key.to_owned(),
                        len: listed.len,
                    })
                }),
                Err(error) => Some(Err(error)),
            });
            stream::iter(mine.collect::<Vec<_>>())
        };
        stream::once(listed).flatten().boxed()
    }

    fn delete<'a>(&'a self, key: &'a str) -> Call<'a, ()> {
        Box::pin(async move {
            self.answers(Operation::Delete, key)?;
            self.inner.delete(&self.full(key)).await
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::memory::Memory;

    #[tokio::test]
    async fn nothing_beside_the_prefix_is_seen_or_removed() {
        let memory = Arc::new(Memory::new("m"));
        memory.put("bench", Bytes::from_static(b"owner")).await.unwrap();
        memory.put("photos/1", Bytes::from_static(b"owner")).await.unwrap();
        let own = Own::new(memory.clone(), "bench-1/");
        own.put("a/b", Bytes::from_static(b"mine")).await.unwrap();
        let listed: Vec<Listed> = own.list("").try_collect().await.unwrap();
        assert_eq!(listed.len(), 1);
        assert_eq!(listed[0].key, "a/b");
        assert_eq!(&own.get("a/b", 0..4).await.unwrap().join()[..], b"mine");
        assert_eq!(own.clear().await.unwrap(), 0);
        assert_eq!(memory.blobs().into_keys().collect::<Vec<_>>(), ["bench", "photos/1"]);
    }

    #[tokio::test]
    async fn one_that_is_out_answers_nothing_until_it_is_back() {
        let own = Own::new(Arc::new(Memory::new("m")), "p/");
        own.put("a", Bytes::from_static(b"x")).await.unwrap();
        own.set_out(true);
        assert_eq!(own.get("a", 0..1).await.unwrap_err().class, Class::Transient);
        assert!(own.list("").next().await.unwrap().is_err());
        assert!(own.put("b", Bytes::new()).await.is_err());
        own.set_out(false);
        assert_eq!(own.stat("a").await.unwrap().len, 1);
    }
}
