//! Every call in a task of its own, so that what goes wrong in a library stays in the call.
//!
//! ```text
//! caller ──waits for a place──▶ task: place + call ──answer──▶ caller
//!    └─ dropped before the task: nothing was asked         └─ dropped after: a put or delete goes on to its end,
//!                                                             a read is given up
//! ```
//!
//! A panic in the call is [`Class::Broken`]. A call that doesn't end within its time is [`Class::Timeout`] and is given up,
//! as its library may have lost it. The place is held by the task, not by the caller: what still runs still counts.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinError, JoinHandle};

use super::limit::Gate;
use super::{Call, Class, Listed, Operation, Parts, Provider, ProviderError, Stat, Stored};

/// Entries of a listing that wait for a slow reader.
const LISTED_AHEAD: usize = 256;

/// A provider whose calls run in tasks.
pub struct Isolated {
    inner: Arc<dyn Provider>,
    gate: Gate,
    patience: Patience,
}

/// How long a call may take, from its place in the gate to its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Any call.
    pub base: Duration,
    /// Bytes per second that a body must make on the whole: a call with a body of n bytes has `base` + n ÷ `slowest`.
    pub slowest: u64,
}

impl Default for Patience {
    /// 3 min and 32 KiB/s: over what the adapter allows itself, so that its own, better worded, timeouts come first.
    fn default() -> Patience {
        Patience {
            base: Duration::from_mins(3),
            slowest: 32 << 10,
        }
    }
}

impl Patience {
    fn with(&self, len: u64) -> Duration {
        self.base + Duration::from_secs(len.div_ceil(self.slowest.max(1)))
    }
}

/// Aborts a task when its caller goes away.
struct GivenUp(AbortHandle);

impl Drop for GivenUp {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Isolated {
    /// Runs the calls of `inner` in tasks, as many at once as `gate` has places.
    pub fn new(inner: Arc<dyn Provider>, gate: Gate, patience: Patience) -> Isolated {
        Isolated { inner, gate, patience }
    }

    fn error(&self, operation: Operation, key: &str, class: Class, message: String) -> ProviderError {
        ProviderError::new(self.name(), operation, key, class, message)
    }

    fn died(&self, operation: Operation, key: &str, error: JoinError) -> ProviderError {
        let message = match error.try_into_panic() {
            Ok(panic) => format!("the library panicked: {}", words(panic.as_ref())),
            Err(_) => "the call was given up".to_owned(),
        };
        self.error(operation, key, Class::Broken, message)
    }

    fn late(&self, operation: Operation, key: &str, limit: Duration) -> ProviderError {
        self.error(operation, key, Class::Timeout, format!("no answer within {limit:?}"))
    }

    /// Starts the call that `call` makes of the inner provider and the key.
    async fn start<T, F, C>(
        &self,
        operation: Operation,
        key: &str,
        len: u64,
        call: C,
    ) -> JoinHandle<Result<T, ProviderError>>
    where
        T: Send + 'static,
        C: FnOnce(Arc<dyn Provider>, String) -> F,
        F: Future<Output = Result<T, ProviderError>> + Send + 'static,
    {
        let pass = self.gate.enter().await;
        let limit = self.patience.with(len);
        let late = self.late(operation, key, limit);
        let call = call(Arc::clone(&self.inner), key.to_owned());
        tokio::spawn(async move {
            let answer = tokio::time::timeout(limit, call).await;
            drop(pass);
            answer.unwrap_or(Err(late))
        })
    }
}

/// What a panic said, on one line and not at length.
fn words(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("without a word");
    text.lines().next().unwrap_or_default().chars().take(120).collect()
}

impl fmt::Debug for Isolated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Isolated({:?})", self.inner)
    }
}

impl Provider for Isolated {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn put<'a>(&'a self, key: &'a str, body: Bytes) -> Call<'a, Stored> {
        Box::pin(async move {
            let len = body.len() as u64;
            let call = |inner: Arc<dyn Provider>, key: String| async move { inner.put(&key, body).await };
            let task = self.start(Operation::Put, key, len, call).await;
            task.await
                .unwrap_or_else(|error| Err(self.died(Operation::Put, key, error)))
        })
    }

    fn get<'a>(&'a self, key: &'a str, range: Range<u64>) -> Call<'a, Parts> {
        Box::pin(async move {
            let len = range.end.saturating_sub(range.start);
            let call = |inner: Arc<dyn Provider>, key: String| async move { inner.get(&key, range).await };
            let task = self.start(Operation::Get, key, len, call).await;
            let _given_up = GivenUp(task.abort_handle());
            task.await
                .unwrap_or_else(|error| Err(self.died(Operation::Get, key, error)))
        })
    }

    fn stat<'a>(&'a self, key: &'a str) -> Call<'a, Stat> {
        Box::pin(async move {
            let call = |inner: Arc<dyn Provider>, key: String| async move { inner.stat(&key).await };
            let task = self.start(Operation::Stat, key, 0, call).await;
            let _given_up = GivenUp(task.abort_handle());
            task.await
                .unwrap_or_else(|error| Err(self.died(Operation::Stat, key, error)))
        })
    }

    fn list<'a>(&'a self, prefix: &'a str) -> BoxStream<'a, Result<Listed, ProviderError>> {
        stream::once(self.gate.enter())
            .flat_map(move |pass| {
                let (inner, owned) = (Arc::clone(&self.inner), prefix.to_owned());
                let (send, entries) = mpsc::channel(LISTED_AHEAD);
                let task = tokio::spawn(async move {
                    let _pass = pass;
                    let mut listing = inner.list(&owned);
                    while let Some(entry) = listing.next().await {
                        if send.send(entry).await.is_err() {
                            break;
                        }
                    }
                });
                let flow = Flow {
                    given_up: GivenUp(task.abort_handle()),
                    task: Some(task),
                    entries,
                };
                stream::unfold(flow, move |flow| self.next(prefix, flow))
            })
            .boxed()
    }

    fn delete<'a>(&'a self, key: &'a str) -> Call<'a, ()> {
        Box::pin(async move {
            let call = |inner: Arc<dyn Provider>, key: String| async move { inner.delete(&key).await };
            let task = self.start(Operation::Delete, key, 0, call).await;
            task.await
                .unwrap_or_else(|error| Err(self.died(Operation::Delete, key, error)))
        })
    }
}

/// A listing that a task makes.
struct Flow {
    entries: mpsc::Receiver<Result<Listed, ProviderError>>,
    task: Option<JoinHandle<()>>,
    given_up: GivenUp,
}

impl Isolated {
    async fn next(&self, prefix: &str, mut flow: Flow) -> Option<(Result<Listed, ProviderError>, Flow)> {
        let limit = self.patience.with(0);
        match tokio::time::timeout(limit, flow.entries.recv()).await {
            Ok(Some(entry)) => Some((entry, flow)),
            Ok(None) => {
                let died = flow.task.take()?.await.err()?;
                Some((Err(self.died(Operation::List, prefix, died)), flow))
            }
            Err(_) => {
                flow.task.take()?;
                flow.given_up.0.abort();
                flow.entries.close();
                Some((Err(self.late(Operation::List, prefix, limit)), flow))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::conformance::{self, Options};
    use crate::provider::fault::{Fault, Faults, Faulty, Rule};
    use crate::provider::memory::Memory;
    use crate::provider::pace::{Pace, Paced};

    fn isolated(places: u32) -> (Arc<Memory>, Isolated, Faults) {
        let memory = Arc::new(Memory::new("m"));
        let pace = Pace {
            latency: Duration::from_secs(1),
            ..Pace::default()
        };
        let (faulty, faults) = Faulty::wrap(Arc::new(Paced::new(memory.clone(), pace, 1)), 1);
        (
            memory,
            Isolated::new(faulty, Gate::new(places), Patience::default()),
            faults,
        )
    }

    #[tokio::test(start_paused = true)]
    async fn an_isolated_provider_passes_the_suite() {
        let (_, isolated, _) = isolated(16);
        let options = Options {
            patience: Duration::from_hours(1),
            ..Options::default()
        };
        let checks = conformance::run(Arc::new(isolated), "suite/", &options).await;
        conformance::assert_passed(&checks, &[]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_panic_is_an_error_of_that_call_alone() {
        let (_, isolated, faults) = isolated(1);
        faults.add(Rule::always(Fault::Panic));
        let put = isolated.put("a", Bytes::from_static(b"x")).await.unwrap_err();
        assert_eq!((put.class, put.operation), (Class::Broken, Operation::Put));
        assert!(put.message.contains("injected fault"), "{put}");
        assert_eq!(isolated.get("a", 0..1).await.unwrap_err().class, Class::Broken);
        assert_eq!(
            isolated.list("").next().await.unwrap().unwrap_err().class,
            Class::Broken
        );
        faults.clear();
        isolated.put("a", Bytes::from_static(b"x")).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_put_under_way_outlives_its_caller_and_keeps_its_place() {
        let (memory, isolated, _) = isolated(1);
        {
            let put = isolated.put("a", Bytes::from_static(b"x"));
            assert!(tokio::time::timeout(Duration::from_millis(10), put).await.is_err());
        }
        assert!(memory.blobs().is_empty());
        // Its place is taken until it is done.
        isolated.put("b", Bytes::from_static(b"y")).await.unwrap();
        assert_eq!(memory.blobs().into_keys().collect::<Vec<_>>(), ["a", "b"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_put_that_waits_for_its_place_goes_with_its_caller() {
        let (memory, isolated, _) = isolated(1);
        let first = isolated.put("a", Bytes::from_static(b"x"));
        let second = tokio::time::timeout(Duration::from_millis(10), isolated.put("b", Bytes::from_static(b"y")));
        let (first, second) = futures::future::join(first, second).await;
        first.unwrap();
        second.unwrap_err();
        tokio::time::sleep(Duration::from_mins(1)).await;
        assert_eq!(memory.blobs().into_keys().collect::<Vec<_>>(), ["a"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_read_is_given_up_with_its_caller() {
        let (_, isolated, faults) = isolated(1);
        faults.add(Rule::nth(Fault::Hang, 1));
        assert!(
            tokio::time::timeout(Duration::from_millis(10), isolated.stat("a"))
                .await
                .is_err()
        );
        // Else its place would be lost for as long as a call may hang.
        let since = tokio::time::Instant::now();
        isolated.stat("a").await.unwrap_err();
        assert!(since.elapsed() < Duration::from_secs(2));
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_hangs_ends_in_a_timeout_and_gives_its_place_back() {
        let (_, isolated, faults) = isolated(1);
        faults.add(Rule::always(Fault::Hang));
        assert_eq!(
            isolated.put("a", Bytes::from_static(b"x")).await.unwrap_err().class,
            Class::Timeout
        );
        assert_eq!(
            isolated.list("").next().await.unwrap().unwrap_err().class,
            Class::Timeout
        );
        faults.clear();
        isolated.put("a", Bytes::from_static(b"x")).await.unwrap();
    }
}
