//! What a provider really honours, found by asking it: an adapter's list of abilities tells what the client can send, not what
//! the server does with it.
//!
//! ```text
//! create    put-if-absent of a new key, then of the same key, then 16 at once on another    honoured, racy, ignored, refused
//! overwrite a reader beside a writer that alternates between two bodies                     whole, torn, failing
//! ```
//!
//! RAIC itself depends on none of these: its keys are written once. They tell what the gateways may promise and whether a
//! disk-like service needs its temporary names. A race won once in ten is evidence, not proof.

mod ask;

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::limit::SFTP_MOST;
use super::{Call, Provider};
use crate::clock::Clock;
use ask::{Asker, in_time};

/// What a probe asks beyond the port.
pub trait Behaviour: Provider {
    /// The adapter's word for the service.
    fn scheme(&self) -> &str;

    /// What the adapter says that it can ask of the service.
    fn claims(&self) -> Claims;

    /// Puts only if nothing is there, by the service's own condition; false if something was.
    fn create<'a>(&'a self, key: &'a str, body: Bytes) -> Call<'a, bool>;

    /// Puts under the key itself, even where `put` goes through a temporary name.
    fn put_in_place<'a>(&'a self, key: &'a str, body: Bytes) -> Call<'a, ()>;

    /// Gives a blob another key.
    fn rename<'a>(&'a self, from: &'a str, to: &'a str) -> Call<'a, ()>;

    /// The time of day in the service's last answer, in seconds since 1970 UTC.
    fn date(&self) -> Option<i64>;
}

/// What an adapter says of a service. It may be wrong.
#[expect(
    clippy::struct_excessive_bools,
    reason = "four facts that have nothing to do with each other"
)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Conditional creation.
    pub create: bool,
    /// Renaming.
    pub rename: bool,
    /// Listing.
    pub list: bool,
    /// The adapter writes through a temporary name, as the service writes in place.
    pub through_temporary: bool,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Probe {
    /// The service's scheme.
    pub scheme: String,
    /// When it was asked, in seconds since 1970 UTC.
    pub at: i64,
    /// What the adapter says that it can ask for.
    pub claims: Claims,
    /// A blob is stored.
    pub put: Finding,
    /// It comes back as it was.
    pub get: Finding,
    /// A range is exactly the bytes asked for, and one past the end an error.
    pub range: Finding,
    /// A listing finds it.
    pub list: Finding,
    /// A blob gets another key.
    pub rename: Finding,
    /// It goes, twice without an error, and is gone.
    pub delete: Finding,
    /// The median time of a small question, in milliseconds.
    pub round_trip_ms: Option<f64>,
    /// The service's clock less ours, in seconds; the service tells whole seconds only.
    pub clock_skew_s: Option<i64>,
    /// Conditional creation.
    pub create: Creation,
    /// Reads beside overwrites as RAIC does them; `None` if nothing could be written.
    pub overwrite: Option<Overwrite>,
    /// Reads beside overwrites under the key itself, where RAIC goes through a temporary name.
    pub in_place: Option<Overwrite>,
    /// Calls at once that should not be exceeded.
    pub most_concurrency: Option<u32>,
}

/// How one ability was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "why", rename_all = "kebab-case")]
pub enum Finding {
    /// It works.
    Works,
    /// The adapter can't ask for it.
    Unsupported,
    /// It was asked for and didn't work.
    Fails(String),
}

impl Finding {
    /// True if it works.
    pub fn works(&self) -> bool {
        *self == Finding::Works
    }
}

impl From<Result<(), String>> for Finding {
    fn from(answer: Result<(), String>) -> Finding {
        answer.map_or_else(Finding::Fails, |()| Finding::Works)
    }
}

/// What becomes of put-if-absent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Creation {
    /// The second was refused, and of those at once one won.
    Honoured,
    /// The second was refused, but of those at once several won.
    Racy {
        /// The most that won one race.
        winners: usize,
    },
    /// The second won too.
    Ignored,
    /// The service refuses the condition itself.
    Refused {
        /// What it said.
        why: String,
    },
    /// The adapter can't ask for it.
    Unsupported,
    /// It was not found out.
    Unknown {
        /// What came in between.
        why: String,
    },
}

/// What readers saw beside overwrites. Some servers refuse one of two that meet; RAIC never overwrites, so that is no fault.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overwrite {
    /// Reads of the old or the new blob.
    pub whole: u32,
    /// Reads of a mixture or of a part, noticed by the length or only by the bytes.
    pub torn: u32,
    /// Reads that were told that nothing is there.
    pub gone: u32,
    /// Reads that failed otherwise.
    pub failed: u32,
    /// Overwrites that failed.
    pub unwritten: u32,
}

impl Overwrite {
    /// Reads of all kinds.
    pub fn reads(&self) -> u32 {
        self.whole + self.torn + self.gone + self.failed
    }
}

/// Asks a provider below `prefix`, which ends with `/` and is empty again afterwards unless the provider fails.
///
/// # Panics
/// If `prefix` doesn't end with `/`.
pub async fn probe(provider: Arc<dyn Behaviour>, prefix: &str, clock: &dyn Clock) -> Probe {
    assert!(prefix.ends_with('/'), "a prefix is a folder: {prefix}");
    let asker = Asker::new(provider.as_ref(), prefix);
    let claims = provider.claims();
    let put = in_time(asker.put()).await.into();
    let get = in_time(asker.get()).await.into();
    let range = in_time(asker.range()).await.into();
    let list = if claims.list {
        in_time(asker.list()).await.into()
    } else {
        Finding::Unsupported
    };
    let round_trip_ms = in_time(asker.round_trip()).await.ok();
    let clock_skew_s = provider.date().map(|date| date - clock.seconds());
    let rename = if claims.rename {
        in_time(asker.rename()).await.into()
    } else {
        Finding::Unsupported
    };
    let delete = in_time(asker.delete()).await.into();
    let create = if claims.create {
        asker.create().await
    } else {
        Creation::Unsupported
    };
    let overwrite = in_time(asker.overwrite(false)).await.ok();
    let in_place = if claims.through_temporary {
        in_time(asker.overwrite(true)).await.ok()
    } else {
        None
    };
    asker.tidy().await;
    Probe {
        scheme: provider.scheme().to_owned(),
        at: clock.seconds(),
        claims,
        put,
        get,
        range,
        list,
        rename,
        delete,
        round_trip_ms,
        clock_skew_s,
        create,
        overwrite,
        in_place,
        most_concurrency: (provider.scheme() == "sftp").then_some(SFTP_MOST),
    }
}

#[cfg(test)]
mod tests {
    use std::ops::Range;
    use std::sync::atomic::{AtomicU32, Ordering};

    use futures::stream::BoxStream;

    use super::*;
    use crate::clock::FixedClock;
    use crate::provider::fault::{Fault, Faulty, Rule};
    use crate::provider::memory::Memory;
    use crate::provider::{Class, Listed, Operation, Parts, ProviderError, Stat, Stored};

    /// A service whose ways can be chosen.
    #[derive(Debug)]
    struct Fake {
        inner: Arc<dyn Provider>,
        /// What becomes of a condition: kept, not kept, refused, or kept for want of company only.
        create: Creation,
        creating: AtomicU32,
    }

    impl Fake {
        fn new(inner: Arc<dyn Provider>, create: Creation) -> Arc<Fake> {
            Arc::new(Fake {
                inner,
                create,
                creating: AtomicU32::new(0),
            })
        }

        fn error(&self, class: Class) -> ProviderError {
            ProviderError::new(self.name(), Operation::Put, "", class, "no")
        }
    }

    impl Provider for Fake {
        fn name(&self) -> &str {
            self.inner.name()
        }
        fn put<'a>(&'a self, key: &'a str, body: Bytes) -> Call<'a, Stored> {
            self.inner.put(key, body)
        }
        fn get<'a>(&'a self, key: &'a str, range: Range<u64>) -> Call<'a, Parts> {
            self.inner.get(key, range)
        }
        fn stat<'a>(&'a self, key: &'a str) -> Call<'a, Stat> {
            self.inner.stat(key)
        }
        fn list<'a>(&'a self, prefix: &'a str) -> BoxStream<'a, Result<Listed, ProviderError>> {
            self.inner.list(prefix)
        }
        fn delete<'a>(&'a self, key: &'a str) -> Call<'a, ()> {
            self.inner.delete(key)
        }
    }

    impl Behaviour for Fake {
        #[expect(clippy::unnecessary_literal_bound, reason = "as the trait has it")]
        fn scheme(&self) -> &str {
            "sftp"
        }

        fn claims(&self) -> Claims {
            Claims {
                create: self.create != Creation::Unsupported,
                rename: true,
                list: true,
                through_temporary: true,
            }
        }

        fn create<'a>(&'a self, key: &'a str, body: Bytes) -> Call<'a, bool> {
            Box::pin(async move {
                self.creating.fetch_add(1, Ordering::SeqCst);
                // All of a race have come before the first goes on.
                tokio::task::yield_now().await;
                let alone = self.creating.fetch_sub(1, Ordering::SeqCst) == 1;
                let free = self.inner.stat(key).await.is_err();
                let wins = match self.create {
                    Creation::Refused { .. } => return Err(self.error(Class::Unsupported)),
                    Creation::Unknown { .. } => return Err(self.error(Class::Transient)),
                    Creation::Ignored => true,
                    Creation::Racy { .. } => free || !alone,
                    Creation::Honoured | Creation::Unsupported => free,
                };
                if wins {
                    self.inner.put(key, body).await?;
                }
                Ok(wins)
            })
        }

        fn put_in_place<'a>(&'a self, key: &'a str, body: Bytes) -> Call<'a, ()> {
            Box::pin(async move {
                // Half of the new one shows for a while.
                self.inner.put(key, body.slice(..body.len() / 2)).await?;
                tokio::task::yield_now().await;
                self.inner.put(key, body).await.map(drop)
            })
        }

        fn rename<'a>(&'a self, from: &'a str, to: &'a str) -> Call<'a, ()> {
            Box::pin(async move {
                let len = self.inner.stat(from).await?.len;
                let body = self.inner.get(from, 0..len).await?.join();
                self.inner.put(to, body).await?;
                self.inner.delete(from).await
            })
        }

        fn date(&self) -> Option<i64> {
            Some(130)
        }
    }

    async fn asked(fake: Arc<Fake>) -> Probe {
        probe(fake, "p/", &FixedClock::at(100_000_000_000)).await
    }

    #[tokio::test(start_paused = true)]
    async fn creation_is_told_apart_in_all_its_ways() {
        let why = "x".to_owned();
        for (ways, want) in [
            (Creation::Honoured, "Honoured"),
            (Creation::Racy { winners: 0 }, "Racy"),
            (Creation::Ignored, "Ignored"),
            (Creation::Refused { why: why.clone() }, "Refused"),
            (Creation::Unsupported, "Unsupported"),
            (Creation::Unknown { why }, "Unknown"),
        ] {
            let found = asked(Fake::new(Arc::new(Memory::new("m")), ways)).await;
            assert!(
                format!("{:?}", found.create).starts_with(want),
                "{want}: {:?}",
                found.create
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_good_service_works_in_all_and_is_left_empty() {
        let memory = Arc::new(Memory::new("m"));
        let found = asked(Fake::new(memory.clone(), Creation::Honoured)).await;
        for finding in [
            &found.put,
            &found.get,
            &found.range,
            &found.list,
            &found.rename,
            &found.delete,
        ] {
            assert!(finding.works(), "{found:?}");
        }
        assert_eq!(
            (found.clock_skew_s, found.at, found.most_concurrency),
            (Some(30), 100, Some(32))
        );
        let (whole, torn) = (found.overwrite.unwrap(), found.in_place.unwrap());
        assert!(whole.torn == 0 && whole.whole > 0, "{whole:?}");
        assert!(torn.torn > 0, "{torn:?}");
        assert!(memory.blobs().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn each_lie_is_found_where_it_shows() {
        type Look = fn(&Probe) -> &Finding;
        let looks: [(Rule, Look); 7] = [
            (Rule::always(Fault::Fail(Class::Full)).on(Operation::Put), |found| {
                &found.put
            }),
            (Rule::always(Fault::FlipBit).on(Operation::Get), |found| &found.get),
            (Rule::always(Fault::WrongBlob).on(Operation::Get), |found| &found.range),
            (Rule::always(Fault::Truncate).on(Operation::List), |found| &found.list),
            (Rule::always(Fault::Forget).on(Operation::Delete), |found| &found.delete),
            (Rule::always(Fault::Forget).on(Operation::Delete), |found| &found.rename),
            (Rule::always(Fault::Hang).on(Operation::Get), |found| &found.get),
        ];
        for (rule, look) in looks {
            let told = format!("{rule:?}");
            let (faulty, faults) = Faulty::wrap(Arc::new(Memory::new("m")), 1);
            faults.add(rule);
            let found = asked(Fake::new(faulty, Creation::Honoured)).await;
            assert!(matches!(look(&found), Finding::Fails(_)), "{told}: {found:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_is_kept_as_json_and_read_back() {
        let found = asked(Fake::new(Arc::new(Memory::new("m")), Creation::Racy { winners: 3 })).await;
        let json = serde_json::to_string(&found).unwrap();
        assert_eq!(serde_json::from_str::<Probe>(&json).unwrap(), found);
        assert!(json.contains(r#""create":{"kind":"racy","winners":"#), "{json}");
    }
}
