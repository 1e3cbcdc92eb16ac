//! A provider that fails as it is told: for tests and simulations, the same run from the same seed.
//!
//! What each fault does to each call; a call that a fault leaves alone (–) neither fires nor counts for its rule:
//!
//! ```text
//!             put                       get                 stat            list                  delete
//! Fail        nothing done, an error in every call
//! Hang        no answer, ever; nothing done
//! LoseAnswer  stored, then a timeout    a timeout           a timeout       entries, a timeout    deleted, then a timeout
//! Late        a timeout; stored later   –                   –               –                     a timeout; deleted later
//! Forget      acknowledged, not stored  –                   –               –                     acknowledged, not deleted
//! Truncate    half of it is stored      half of the bytes   half the length half of the entries   –
//! FlipBit     stored with a bit flipped a bit flipped       –               –                     –
//! WrongBlob   –                         another blob's      –               –                     –
//! Omit        –                         –                   –               each entry, one in two –
//! Panic       the call panics
//! ```
//!
//! `Truncate`, `FlipBit` and `WrongBlob` break the port's own word on lengths and bytes, as no adapter does knowingly:
//! whoever trusts a provider further than its tags is found out here.

mod handle;
mod rule;

pub use handle::Faults;
pub use rule::Rule;

use std::fmt;
use std::ops::Range;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::{self, BoxFuture, Either};
use futures::stream::{self, BoxStream, StreamExt};

use super::{Call, Class, Listed, Operation, Parts, Provider, ProviderError, Stat, Stored};

/// One way to fail; the module's table says what it does to each call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// An error of this class.
    Fail(Class),
    /// No answer.
    Hang,
    /// Done, but the answer gets lost.
    LoseAnswer,
    /// The answer times out and the change happens this much later, whatever came in between.
    Late(Duration),
    /// Acknowledged and not done.
    Forget,
    /// Cut off without a word.
    Truncate,
    /// One bit wrong, anywhere.
    FlipBit,
    /// The same range of another blob that was put or read here; a flipped bit if there is none.
    WrongBlob,
    /// Entries left out.
    Omit,
    /// The library below dies.
    Panic,
}

impl Fault {
    /// The name to count it under, the same for all classes and durations.
    pub fn name(self) -> &'static str {
        match self {
            Fault::Fail(_) => "fail",
            Fault::Hang => "hang",
            Fault::LoseAnswer => "lose answer",
            Fault::Late(_) => "late",
            Fault::Forget => "forget",
            Fault::Truncate => "truncate",
            Fault::FlipBit => "flip bit",
            Fault::WrongBlob => "wrong blob",
            Fault::Omit => "omit",
            Fault::Panic => "panic",
        }
    }

    fn touches(self, operation: Operation) -> bool {
        use Operation::{Delete, Get, List, Put};
        match self {
            Fault::Fail(_) | Fault::Hang | Fault::LoseAnswer | Fault::Panic => true,
            Fault::Late(_) | Fault::Forget => matches!(operation, Put | Delete),
            Fault::Truncate => operation != Delete,
            Fault::FlipBit => matches!(operation, Put | Get),
            Fault::WrongBlob => operation == Get,
            Fault::Omit => operation == List,
        }
    }
}

/// A provider with faults in front of it.
pub struct Faulty {
    inner: Arc<dyn Provider>,
    faults: Faults,
}

impl fmt::Debug for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Faulty({:?})", self.inner)
    }
}

impl Faulty {
    /// Wraps `inner` without a fault yet; the handle adds them. Everything that is drawn comes from `seed`.
    pub fn wrap(inner: Arc<dyn Provider>, seed: u64) -> (Arc<Faulty>, Faults) {
        let faults = Faults::seeded(seed);
        let faulty = Faulty {
            inner,
            faults: faults.clone(),
        };
        (Arc::new(faulty), faults)
    }

    fn error(&self, operation: Operation, key: &str, class: Class) -> ProviderError {
        ProviderError::new(self.name(), operation, key, class, "injected fault")
    }

    /// Runs a call unless the provider is down, until it goes down.
    async fn while_up<T>(
        &self,
        operation: Operation,
        key: &str,
        call: BoxFuture<'_, Result<T, ProviderError>>,
    ) -> Result<T, ProviderError> {
        let mut down = self.faults.watch();
        let goes_down = pin!(down.wait_for(|down| *down));
        // The left side is asked first, so a provider that is down does nothing.
        match future::select(goes_down, call).await {
            Either::Left(_) => {
                self.faults.count_down();
                let message = "injected fault: the provider is down";
                Err(ProviderError::new(
                    self.name(),
                    operation,
                    key,
                    Class::Transient,
                    message,
                ))
            }
            Either::Right((answer, _)) => answer,
        }
    }

    async fn put_with(&self, fault: Option<Fault>, key: &str, body: Bytes) -> Result<Stored, ProviderError> {
        let whole = Stored {
            len: Some(body.len() as u64),
            etag: None,
        };
        let body = match fault {
            None => body,
            Some(Fault::LoseAnswer) => {
                self.inner.put(key, body).await?;
                return Err(self.error(Operation::Put, key, Class::Timeout));
            }
            Some(Fault::Late(after)) => {
                let (inner, owned) = (Arc::clone(&self.inner), key.to_owned());
                tokio::spawn(async move {
                    tokio::time::sleep(after).await;
                    // Nobody waits for it any more: that it may fail is part of the fault.
                    drop(inner.put(&owned, body).await);
                });
                return Err(self.error(Operation::Put, key, Class::Timeout));
            }
            Some(Fault::Forget) => return Ok(whole),
            Some(Fault::Truncate) => body.slice(..body.len() / 2),
            Some(Fault::FlipBit) => self.faults.flip(&body),
            Some(other) => return self.never(other, Operation::Put, key).await,
        };
        self.inner.put(key, body).await?;
        self.faults.remember(key);
        Ok(whole)
    }

    async fn get_with(&self, fault: Option<Fault>, key: &str, range: Range<u64>) -> Result<Parts, ProviderError> {
        match fault {
            None => {
                let parts = self.inner.get(key, range).await?;
                self.faults.remember(key);
                Ok(parts)
            }
            Some(Fault::LoseAnswer) => Err(self.error(Operation::Get, key, Class::Timeout)),
            Some(Fault::Truncate) => {
                let bytes = self.inner.get(key, range).await?.join();
                Ok(bytes.slice(..bytes.len() / 2).into())
            }
            Some(Fault::FlipBit) => Ok(self.faults.flip(&self.inner.get(key, range).await?.join()).into()),
            Some(Fault::WrongBlob) => {
                if let Some(other) = self.faults.another(key)
                    && let Ok(parts) = self.inner.get(&other, range.clone()).await
                {
                    return Ok(parts);
                }
                Ok(self.faults.flip(&self.inner.get(key, range).await?.join()).into())
            }
            Some(other) => self.never(other, Operation::Get, key).await,
        }
    }

    async fn stat_with(&self, fault: Option<Fault>, key: &str) -> Result<Stat, ProviderError> {
        match fault {
            None => self.inner.stat(key).await,
            Some(Fault::LoseAnswer) => Err(self.error(Operation::Stat, key, Class::Timeout)),
            Some(Fault::Truncate) => {
                let Stat { len, etag } = self.inner.stat(key).await?;
                Ok(Stat { len: len / 2, etag })
            }
            Some(other) => self.never(other, Operation::Stat, key).await,
        }
    }

    async fn delete_with(&self, fault: Option<Fault>, key: &str) -> Result<(), ProviderError> {
        match fault {
            None => self.inner.delete(key).await,
            Some(Fault::LoseAnswer) => {
                self.inner.delete(key).await?;
                Err(self.error(Operation::Delete, key, Class::Timeout))
            }
            Some(Fault::Late(after)) => {
                let (inner, owned) = (Arc::clone(&self.inner), key.to_owned());
                tokio::spawn(async move {
                    tokio::time::sleep(after).await;
                    // As for a late put.
                    drop(inner.delete(&owned).await);
                });
                Err(self.error(Operation::Delete, key, Class::Timeout))
            }
            Some(Fault::Forget) => Ok(()),
            Some(other) => self.never(other, Operation::Delete, key).await,
        }
    }

    /// The faults under which nothing is done.
    async fn never<T>(&self, fault: Fault, operation: Operation, key: &str) -> Result<T, ProviderError> {
        match fault {
            Fault::Fail(class) => Err(self.error(operation, key, class)),
            Fault::Panic => panic!("injected fault: {operation} {key} panics"),
            _ => future::pending().await,
        }
    }

    fn list_with<'a>(&'a self, fault: Option<Fault>, prefix: &'a str) -> BoxStream<'a, Result<Listed, ProviderError>> {
        let entries = self.inner.list(prefix);
        let chance = self.faults.chance();
        match fault {
            None => entries,
            Some(Fault::LoseAnswer) => {
                let lost = self.error(Operation::List, prefix, Class::Timeout);
                entries.chain(stream::once(future::ready(Err(lost)))).boxed()
            }
            Some(Fault::Truncate) => stream::once(entries.collect::<Vec<_>>())
                .flat_map(|all| {
                    let half = all.len() / 2;
                    stream::iter(all.into_iter().take(half))
                })
                .boxed(),
            Some(Fault::Omit) => entries
                .filter(move |_| future::ready(chance.per_million(500_000)))
                .boxed(),
            Some(other) => stream::once(self.never(other, Operation::List, prefix)).boxed(),
        }
    }
}

impl Provider for Faulty {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn put<'a>(&'a self, key: &'a str, body: Bytes) -> Call<'a, Stored> {
        Box::pin(async move {
            let fault = self.faults.draw(Operation::Put, key);
            self.while_up(Operation::Put, key, Box::pin(self.put_with(fault, key, body)))
                .await
        })
    }

    fn get<'a>(&'a self, key: &'a str, range: Range<u64>) -> Call<'a, Parts> {
        Box::pin(async move {
            let fault = self.faults.draw(Operation::Get, key);
            self.while_up(Operation::Get, key, Box::pin(self.get_with(fault, key, range)))
                .await
        })
    }

    fn stat<'a>(&'a self, key: &'a str) -> Call<'a, Stat> {
        Box::pin(async move {
            let fault = self.faults.draw(Operation::Stat, key);
            self.while_up(Operation::Stat, key, Box::pin(self.stat_with(fault, key)))
                .await
        })
    }

    fn list<'a>(&'a self, prefix: &'a str) -> BoxStream<'a, Result<Listed, ProviderError>> {
        let fault = self.faults.draw(Operation::List, prefix);
        let entries = self.list_with(fault, prefix);
        stream::unfold(Some(entries), move |entries| async move {
            let mut entries = entries?;
            let next = async { Ok(entries.next().await) };
            match self.while_up(Operation::List, prefix, Box::pin(next)).await {
                Ok(Some(Ok(entry))) => Some((Ok(entry), Some(entries))),
                Ok(Some(Err(error))) | Err(error) => Some((Err(error), None)),
                Ok(None) => None,
            }
        })
        .boxed()
    }

    fn delete<'a>(&'a self, key: &'a str) -> Call<'a, ()> {
        Box::pin(async move {
            let fault = self.faults.draw(Operation::Delete, key);
            self.while_up(Operation::Delete, key, Box::pin(self.delete_with(fault, key)))
                .await
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::conformance::{self, Options};
    use crate::provider::memory::Memory;

    fn faulty() -> (Arc<Memory>, Arc<Faulty>, Faults) {
        let memory = Arc::new(Memory::new("m"));
        let (faulty, faults) = Faulty::wrap(memory.clone(), 42);
        (memory, faulty, faults)
    }

    fn ramp(len: usize) -> Bytes {
        (0..len)
            .map(|at| u8::try_from(at % 251).unwrap())
            .collect::<Vec<u8>>()
            .into()
    }

    #[tokio::test]
    async fn without_rules_it_passes_the_suite() {
        let (_, faulty, _) = faulty();
        let checks = conformance::run(faulty, "suite/", &Options::default()).await;
        conformance::assert_passed(&checks, &[]);
    }

    #[tokio::test]
    async fn the_nth_call_of_an_operation_fails_and_no_other() {
        let (memory, faulty, faults) = faulty();
        faults.add(Rule::nth(Fault::Fail(Class::Full), 2).on(Operation::Put));
        let mut classes = Vec::new();
        for key in ["a", "b", "c"] {
            classes.push(faulty.put(key, ramp(1)).await.err().map(|error| error.class));
            faulty.delete("x").await.unwrap();
        }
        assert_eq!(classes, [None, Some(Class::Full), None]);
        assert_eq!(memory.blobs().into_keys().collect::<Vec<_>>(), ["a", "c"]);
        assert_eq!((faults.calls(), faults.calls_of(Operation::Put)), (6, 3));
    }

    #[tokio::test]
    async fn from_a_call_on_everything_fails_until_the_rules_are_cleared() {
        let (_, faulty, faults) = faulty();
        faults.add(Rule::from(Fault::Fail(Class::Transient), 2));
        faulty.put("a", ramp(1)).await.unwrap();
        faulty.put("b", ramp(1)).await.unwrap_err();
        faulty.stat("a").await.unwrap_err();
        faults.clear();
        faulty.stat("a").await.unwrap();
    }

    #[tokio::test]
    async fn a_lost_answer_leaves_the_change_done() {
        let (memory, faulty, faults) = faulty();
        faults.add(Rule::nth(Fault::LoseAnswer, 1));
        assert_eq!(faulty.put("a", ramp(9)).await.unwrap_err().class, Class::Timeout);
        assert_eq!(memory.blobs()["a"], ramp(9));
    }

    #[tokio::test(start_paused = true)]
    async fn a_late_put_happens_after_the_delete_that_followed_it() {
        let (memory, faulty, faults) = faulty();
        faults.add(Rule::nth(Fault::Late(Duration::from_mins(1)), 1));
        assert_eq!(faulty.put("a", ramp(9)).await.unwrap_err().class, Class::Timeout);
        faulty.delete("a").await.unwrap();
        assert!(memory.blobs().is_empty());
        tokio::time::sleep(Duration::from_secs(61)).await;
        assert_eq!(memory.blobs()["a"], ramp(9));
    }

    #[tokio::test]
    async fn a_forgotten_put_is_acknowledged_and_gone() {
        let (_, faulty, faults) = faulty();
        faults.add(Rule::nth(Fault::Forget, 1));
        assert_eq!(faulty.put("a", ramp(9)).await.unwrap().len, Some(9));
        assert_eq!(faulty.stat("a").await.unwrap_err().class, Class::Gone);
    }

    #[tokio::test]
    async fn reads_are_damaged_in_each_way_and_the_blob_is_not() {
        let (memory, faulty, faults) = faulty();
        let other = Bytes::from_static(b"another blob of this size");
        let body = ramp(other.len());
        let all = 0..body.len() as u64;
        faulty.put("a", body.clone()).await.unwrap();
        faulty.put("b", other.clone()).await.unwrap();
        let mut damaged = Vec::new();
        for fault in [Fault::Truncate, Fault::FlipBit, Fault::WrongBlob] {
            faults.clear();
            faults.add(Rule::always(fault));
            damaged.push(faulty.get("a", all.clone()).await.unwrap().join());
        }
        assert_eq!(damaged[0], body.slice(..body.len() / 2));
        let wrong: u32 = damaged[1].iter().zip(&body).map(|(a, b)| (a ^ b).count_ones()).sum();
        assert_eq!(wrong, 1);
        assert_eq!(damaged[2], other);
        assert_eq!(memory.blobs()["a"], body);
    }

    #[tokio::test]
    async fn a_listing_omits_some_and_invents_none() {
        let (memory, faulty, faults) = faulty();
        for at in 0..100 {
            memory.plant(format!("k/{at:03}"), ramp(1));
        }
        faults.add(Rule::always(Fault::Omit));
        let listed: Vec<_> = faulty.list("k/").map(|entry| entry.unwrap().key).collect().await;
        assert!((20..80).contains(&listed.len()), "{}", listed.len());
        assert!(listed.iter().all(|key| memory.blobs().contains_key(key)));
    }

    #[tokio::test]
    async fn a_killed_provider_refuses_and_comes_back_whole() {
        let (memory, faulty, faults) = faulty();
        faulty.put("a", ramp(9)).await.unwrap();
        faults.kill();
        assert_eq!(faulty.get("a", 0..9).await.unwrap_err().class, Class::Transient);
        assert_eq!(faulty.put("b", ramp(9)).await.unwrap_err().class, Class::Transient);
        assert!(faulty.list("").next().await.unwrap().is_err());
        assert!(!memory.blobs().contains_key("b"));
        faults.revive();
        faulty.get("a", 0..9).await.unwrap();
        assert_eq!(faults.injected()["down"], 3);
    }

    #[tokio::test]
    async fn a_kill_breaks_off_the_call_that_hangs() {
        let (_, faulty, faults) = faulty();
        faults.add(Rule::always(Fault::Hang));
        let call = faulty.stat("a");
        let (answer, ()) = future::join(call, async { faults.kill() }).await;
        assert_eq!(answer.unwrap_err().class, Class::Transient);
    }

    #[tokio::test]
    async fn a_rule_about_a_key_leaves_other_keys_alone() {
        let (_, faulty, faults) = faulty();
        faults.add(Rule::always(Fault::Fail(Class::Denied)).key("/3"));
        faulty.put("x/2", ramp(1)).await.unwrap();
        assert_eq!(faulty.put("x/3", ramp(1)).await.unwrap_err().class, Class::Denied);
    }

    #[tokio::test]
    async fn the_same_seed_draws_the_same_faults() {
        let mut runs = Vec::new();
        for _ in 0..2 {
            let (_, faulty, faults) = faulty();
            faults.add(Rule::per_million(Fault::Fail(Class::Throttled), 300_000));
            let mut failed = Vec::new();
            for at in 0..50 {
                if faulty.put("a", ramp(1)).await.is_err() {
                    failed.push(at);
                }
            }
            runs.push(failed);
        }
        assert_eq!(runs[0], runs[1]);
        assert!((5..30).contains(&runs[0].len()), "{:?}", runs[0]);
    }

    #[tokio::test]
    #[should_panic(expected = "injected fault")]
    async fn a_panic_is_a_panic() {
        let (_, faulty, faults) = faulty();
        faults.add(Rule::always(Fault::Panic));
        drop(faulty.stat("a").await);
    }
}
