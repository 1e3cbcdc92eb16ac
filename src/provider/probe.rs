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

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future;
use futures::stream::TryStreamExt;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::limit::SFTP_MOST;
use super::{Call, Class, Provider, ProviderError};
use crate::clock::Clock;

/// Writers in one race.
const RACERS: usize = 16;

/// Races: a service that lets two win does so in most of them.
const RACES: usize = 3;

/// The body of the overwrite test in bytes: long enough that writing it in place takes several steps.
const TORN_LEN: usize = 2 << 20;

/// Overwrites while a reader looks.
const OVERWRITES: usize = 10;

/// Questions from which the round trip's median is taken.
const ROUND_TRIPS: usize = 9;

/// How long one part of the probe may take: a slow server has time, a hung one doesn't hold up the rest.
const PATIENCE: Duration = Duration::from_mins(2);

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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Conditional creation.
    pub create: bool,
    /// Renaming.
    pub rename: bool,
    /// Listing.
    pub list: bool,
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
    /// Reads beside overwrites as RAIC does them.
    pub overwrite: Overwrite,
    /// Reads beside overwrites under the key itself.
    pub in_place: Overwrite,
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

/// What readers saw beside overwrites.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overwrite {
    /// Reads of the old or the new blob.
    pub whole: u32,
    /// Reads of a mixture or of a part.
    pub torn: u32,
    /// Reads that were told that nothing is there.
    pub gone: u32,
    /// Reads that failed otherwise.
    pub failed: u32,
}

fn told(error: &ProviderError) -> String {
    format!("{:?}: {}", error.class, error.message)
}

/// Asks a provider below `prefix`, which ends with `/` and is empty again afterwards unless the provider fails.
///
/// # Panics
/// If `prefix` doesn't end with `/`.
pub async fn probe(provider: Arc<dyn Behaviour>, prefix: &str, clock: &dyn Clock) -> Probe {
    assert!(prefix.ends_with('/'), "a prefix is a folder: {prefix}");
    let asker = Asker {
        provider: provider.as_ref(),
        prefix,
    };
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
    let overwrite = in_time(asker.overwrite(false)).await.unwrap_or_default();
    let in_place = in_time(asker.overwrite(true)).await.unwrap_or_default();
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

async fn in_time<T>(question: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let late = |_| Err(format!("no end within {PATIENCE:?}"));
    tokio::time::timeout(PATIENCE, question).await.unwrap_or_else(late)
}

struct Asker<'a> {
    provider: &'a dyn Behaviour,
    prefix: &'a str,
}

const LEN: usize = 10_000;

fn ramp() -> Bytes {
    (0..LEN)
        .map(|at| u8::try_from(at % 251).expect("below 251"))
        .collect::<Vec<u8>>()
        .into()
}

impl Asker<'_> {
    fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    async fn put(&self) -> Result<(), String> {
        self.provider
            .put(&self.key("blob"), ramp())
            .await
            .map(drop)
            .map_err(|error| told(&error))
    }

    async fn bytes(&self, key: &str, start: usize, end: usize) -> Result<Bytes, ProviderError> {
        Ok(self.provider.get(key, start as u64..end as u64).await?.join())
    }

    async fn get(&self) -> Result<(), String> {
        let got = self
            .bytes(&self.key("blob"), 0, LEN)
            .await
            .map_err(|error| told(&error))?;
        if got == ramp() {
            Ok(())
        } else {
            Err("other bytes than were put".to_owned())
        }
    }

    async fn range(&self) -> Result<(), String> {
        let key = self.key("blob");
        for (start, end) in [(0, 1), (LEN - 1, LEN), (300, 4_321)] {
            let got = self.bytes(&key, start, end).await.map_err(|error| told(&error))?;
            if got != ramp().slice(start..end) {
                return Err(format!("other bytes for {start}..{end}"));
            }
        }
        match self.bytes(&key, LEN - 1, LEN + 1).await {
            Ok(got) => Err(format!("{} bytes for 2 past the end", got.len())),
            Err(_) => Ok(()),
        }
    }

    async fn list(&self) -> Result<(), String> {
        let key = self.key("blob");
        let listing = self.provider.list(self.prefix);
        let found: Vec<_> = listing.try_collect().await.map_err(|error| told(&error))?;
        let entry = found
            .iter()
            .find(|entry| entry.key == key)
            .ok_or("a blob that was put is not listed")?;
        match entry.len {
            Some(len) if len != LEN as u64 => Err(format!("{LEN} bytes are listed as {len}")),
            _ => Ok(()),
        }
    }

    async fn round_trip(&self) -> Result<f64, String> {
        let key = self.key("blob");
        let mut took = Vec::with_capacity(ROUND_TRIPS);
        for _ in 0..ROUND_TRIPS {
            let since = Instant::now();
            self.provider.stat(&key).await.map_err(|error| told(&error))?;
            took.push(since.elapsed());
        }
        took.sort();
        Ok(took[ROUND_TRIPS / 2].as_secs_f64() * 1_000.0)
    }

    async fn rename(&self) -> Result<(), String> {
        let (from, to) = (self.key("from"), self.key("folder/to"));
        let renamed = async {
            self.provider.put(&from, ramp()).await?;
            self.provider.rename(&from, &to).await?;
            self.bytes(&to, 0, LEN).await
        };
        let got = renamed.await.map_err(|error| told(&error))?;
        if self.provider.stat(&from).await.is_ok() {
            return Err("the old key is still there".to_owned());
        }
        if got == ramp() {
            Ok(())
        } else {
            Err("other bytes under the new key".to_owned())
        }
    }

    async fn delete(&self) -> Result<(), String> {
        let key = self.key("blob");
        for _ in 0..2 {
            self.provider.delete(&key).await.map_err(|error| told(&error))?;
        }
        match self.provider.stat(&key).await {
            Err(error) if error.class == Class::Gone => Ok(()),
            Err(error) => Err(told(&error)),
            Ok(_) => Err("still there".to_owned()),
        }
    }

    async fn create(&self) -> Creation {
        match in_time(self.created()).await {
            Ok(found) => found,
            Err(why) => Creation::Unknown { why },
        }
    }

    async fn created(&self) -> Result<Creation, String> {
        let key = self.key("created");
        match self.provider.create(&key, ramp()).await {
            Ok(true) => {}
            Ok(false) => return Err("nothing was there, and the condition was not met".to_owned()),
            Err(error) if matches!(error.class, Class::Unsupported | Class::Config) => {
                return Ok(Creation::Refused { why: told(&error) });
            }
            Err(error) => return Err(told(&error)),
        }
        match self.provider.create(&key, ramp()).await {
            Ok(true) => return Ok(Creation::Ignored),
            Ok(false) => {}
            Err(error) => return Err(told(&error)),
        }
        let mut winners = 0;
        for race in 0..RACES {
            winners = winners.max(self.race(race).await?);
        }
        Ok(if winners > 1 {
            Creation::Racy { winners }
        } else {
            Creation::Honoured
        })
    }

    /// How many of 16 that create one key at once are told that they did.
    async fn race(&self, race: usize) -> Result<usize, String> {
        let key = self.key(&format!("race-{race}"));
        let racers = (0..RACERS).map(|_| self.provider.create(&key, ramp()));
        let ends = future::join_all(racers).await;
        let won = ends.iter().filter(|end| matches!(end, Ok(true))).count();
        let lost = ends.iter().find_map(|end| end.as_ref().err());
        match (won, lost) {
            (0, Some(error)) => Err(told(error)),
            (0, None) => Err("nobody won a race for a new key".to_owned()),
            // A loser that failed otherwise didn't win; a server may well give up under such a race.
            _ => Ok(won),
        }
    }

    async fn overwrite(&self, in_place: bool) -> Result<Overwrite, String> {
        let key = self.key(if in_place { "in-place" } else { "overwritten" });
        let bodies = [Bytes::from(vec![b'a'; TORN_LEN]), Bytes::from(vec![b'b'; TORN_LEN])];
        self.provider
            .put(&key, bodies[0].clone())
            .await
            .map_err(|error| told(&error))?;
        let (stop, stopped) = tokio::sync::watch::channel(false);
        let writer = async {
            let mut written = Ok(());
            for at in 1..=OVERWRITES {
                let body = bodies[at % 2].clone();
                let one = if in_place {
                    self.provider.put_in_place(&key, body).await
                } else {
                    self.provider.put(&key, body).await.map(drop)
                };
                written = written.and(one);
            }
            stop.send_replace(true);
            written
        };
        let reader = async {
            let mut seen = Overwrite::default();
            while !*stopped.borrow() {
                match self.bytes(&key, 0, TORN_LEN).await {
                    Ok(got) if bodies.contains(&got) => seen.whole += 1,
                    Ok(_) => seen.torn += 1,
                    Err(error) if error.class == Class::Gone => seen.gone += 1,
                    Err(error) if error.class == Class::Corrupt => seen.torn += 1,
                    Err(_) => seen.failed += 1,
                }
                tokio::task::yield_now().await;
            }
            seen
        };
        let (written, seen) = future::join(writer, reader).await;
        written.map_err(|error| told(&error))?;
        Ok(seen)
    }

    /// Removes what the questions left.
    async fn tidy(&self) {
        let races = (0..RACES).map(|race| format!("race-{race}"));
        let fixed = ["blob", "from", "folder/to", "created", "overwritten", "in-place"];
        for name in fixed.into_iter().map(str::to_owned).chain(races) {
            // The probe has its answer; what can't be removed now stays below its own prefix.
            drop(
                in_time(async {
                    self.provider
                        .delete(&self.key(&name))
                        .await
                        .map_err(|error| told(&error))
                })
                .await,
            );
        }
    }
}
