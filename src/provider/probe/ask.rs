//! The questions of a probe, each on keys of its own.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::future;
use futures::stream::TryStreamExt;
use tokio::sync::watch;
use tokio::time::Instant;

use super::{Behaviour, Creation, Overwrite};
use crate::provider::{Class, ProviderError};

/// The body of a question in bytes.
const LEN: usize = 10_000;

/// Writers in one race.
const RACERS: usize = 16;

/// Races: a service that lets two win does so in most of them.
const RACES: usize = 3;

/// The body of the overwrite test in bytes: long enough that writing it in place takes several steps.
const TORN_LEN: usize = 2 << 20;

/// Overwrites while a reader looks, at least.
const OVERWRITES: usize = 10;

/// Reads after which that is enough.
const READS: u32 = 20;

/// Overwrites after which it is enough even so: some servers let no reader in between.
const MOST_OVERWRITES: usize = 60;

/// Questions from which the round trip's median is taken.
const ROUND_TRIPS: usize = 9;

/// How long one part of the probe may take: a slow server has time, a hung one doesn't hold up the rest.
const PATIENCE: Duration = Duration::from_mins(2);

fn told(error: &ProviderError) -> String {
    format!("{:?}: {}", error.class, error.message)
}

pub(super) async fn in_time<T>(question: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let late = |_| Err(format!("no end within {PATIENCE:?}"));
    tokio::time::timeout(PATIENCE, question).await.unwrap_or_else(late)
}

pub(super) struct Asker<'a> {
    provider: &'a dyn Behaviour,
    prefix: &'a str,
}

fn ramp() -> Bytes {
    (0..LEN)
        .map(|at| u8::try_from(at % 251).expect("below 251"))
        .collect::<Vec<u8>>()
        .into()
}

impl<'a> Asker<'a> {
    pub(super) fn new(provider: &'a dyn Behaviour, prefix: &'a str) -> Asker<'a> {
        Asker { provider, prefix }
    }

    fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    pub(super) async fn put(&self) -> Result<(), String> {
        self.provider
            .put(&self.key("blob"), ramp())
            .await
            .map(drop)
            .map_err(|error| told(&error))
    }

    async fn bytes(&self, key: &str, start: usize, end: usize) -> Result<Bytes, ProviderError> {
        Ok(self.provider.get(key, start as u64..end as u64).await?.join())
    }

    pub(super) async fn get(&self) -> Result<(), String> {
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

    pub(super) async fn range(&self) -> Result<(), String> {
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

    pub(super) async fn list(&self) -> Result<(), String> {
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

    pub(super) async fn round_trip(&self) -> Result<f64, String> {
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

    pub(super) async fn rename(&self) -> Result<(), String> {
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

    pub(super) async fn delete(&self) -> Result<(), String> {
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

    pub(super) async fn create(&self) -> Creation {
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

    pub(super) async fn overwrite(&self, in_place: bool) -> Result<Overwrite, String> {
        let key = self.key(if in_place { "in-place" } else { "overwritten" });
        let bodies = [Bytes::from(vec![b'a'; TORN_LEN]), Bytes::from(vec![b'b'; TORN_LEN])];
        self.provider
            .put(&key, bodies[0].clone())
            .await
            .map_err(|error| told(&error))?;
        let (stop, stopped) = watch::channel(false);
        let reads = AtomicU32::new(0);
        let writer = async {
            let mut unwritten = 0;
            for at in 1..=MOST_OVERWRITES {
                let body = bodies[at % 2].clone();
                let written = if in_place {
                    self.provider.put_in_place(&key, body).await
                } else {
                    self.provider.put(&key, body).await.map(drop)
                };
                unwritten += u32::from(written.is_err());
                tokio::task::yield_now().await;
                if at >= OVERWRITES && reads.load(Ordering::Relaxed) >= READS {
                    break;
                }
            }
            stop.send_replace(true);
            unwritten
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
                reads.store(seen.reads(), Ordering::Relaxed);
                tokio::task::yield_now().await;
            }
            seen
        };
        let (unwritten, seen) = future::join(writer, reader).await;
        Ok(Overwrite { unwritten, ..seen })
    }

    /// Removes what the questions left.
    pub(super) async fn tidy(&self) {
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
