//! Providers and a catalog of a process that dies at one of its calls: that call and all later ones never answer.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use raic::catalog::Answer;
use raic::provider::{Call, Listed, Parts, Provider, ProviderError, Stat, Stored};
use tokio::sync::Notify;

use super::gated::Gate;

/// When the process dies, counted over the calls of all its providers and what it writes into its catalog.
#[derive(Debug)]
pub(crate) struct Death {
    calls: AtomicU64,
    at: u64,
    /// The last call still takes effect, at the provider or in the catalog.
    lands: bool,
    pub(crate) died: Notify,
}

impl Death {
    /// At call `at`, counted from 0.
    pub(crate) fn at(at: u64, lands: bool) -> Arc<Death> {
        Arc::new(Death {
            calls: AtomicU64::new(0),
            at,
            lands,
            died: Notify::new(),
        })
    }

    /// Never: only counts.
    pub(crate) fn never() -> Arc<Death> {
        Death::at(u64::MAX, false)
    }

    pub(crate) fn calls(&self) -> u64 {
        self.calls.load(Ordering::SeqCst)
    }

    /// True if this call may go on; the one that dies does so after `work` if it lands.
    async fn let_through<T, E>(&self, work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        let number = self.calls.fetch_add(1, Ordering::SeqCst);
        if number < self.at {
            return work.await;
        }
        if number == self.at && self.lands {
            drop(work.await);
        }
        self.died.notify_one();
        std::future::pending().await
    }
}

impl Gate for Arc<Death> {
    fn pass<'a, T: Send + 'a>(&'a self, _: &'static str, writes: bool, call: Answer<'a, T>) -> Answer<'a, T> {
        if writes { Box::pin(self.let_through(call)) } else { call }
    }
}

/// A provider as the dying process sees it.
#[derive(Debug)]
pub(crate) struct Cut {
    pub(crate) inner: Arc<dyn Provider>,
    pub(crate) death: Arc<Death>,
}

impl Provider for Cut {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn put<'a>(&'a self, key: &'a str, body: Bytes) -> Call<'a, Stored> {
        Box::pin(self.death.let_through(self.inner.put(key, body)))
    }

    fn get<'a>(&'a self, key: &'a str, range: Range<u64>) -> Call<'a, Parts> {
        Box::pin(self.death.let_through(self.inner.get(key, range)))
    }

    fn stat<'a>(&'a self, key: &'a str) -> Call<'a, Stat> {
        Box::pin(self.death.let_through(self.inner.stat(key)))
    }

    fn list<'a>(&'a self, prefix: &'a str) -> BoxStream<'a, Result<Listed, ProviderError>> {
        let gate = async move {
            let nothing: Call<'_, ()> = Box::pin(async { Ok(()) });
            drop(self.death.let_through(nothing).await);
            self.inner.list(prefix)
        };
        futures::stream::once(gate).flatten().boxed()
    }

    fn delete<'a>(&'a self, key: &'a str) -> Call<'a, ()> {
        Box::pin(self.death.let_through(self.inner.delete(key)))
    }
}
