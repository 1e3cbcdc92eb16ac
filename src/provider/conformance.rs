//! The suite that every provider passes, real or not: the port's page as checks.
//!
//! It writes below a prefix that nobody else uses, deletes what it wrote, and asks for nothing that RAIC doesn't need: no
//! empty blob (some FTP servers can't hold one), no key outside RAIC's alphabet, no order of a listing. Checks run one after
//! another, each on its own keys, and a failed one doesn't stop the rest.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{self, StreamExt, TryStreamExt};

use super::{Class, Provider, ProviderError};

/// What to ask of a provider.
#[derive(Clone, Debug)]
pub struct Options {
    /// The longest blob in bytes.
    pub largest: usize,
    /// Blobs in the long listing; over 1,000, most services' page.
    pub listing: usize,
    /// Calls at once.
    pub concurrency: usize,
    /// False for services that can't list: the checks that need it are skipped.
    pub lists: bool,
    /// A check that takes longer has failed.
    pub patience: Duration,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            largest: 8 << 20,
            listing: 1_050,
            concurrency: 16,
            lists: true,
            patience: Duration::from_mins(5),
        }
    }
}

/// How a check ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The promise held.
    Passed,
    /// It didn't: how.
    Failed(String),
    /// It was not asked: why.
    Skipped(String),
}

/// One check and its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// The promise, in a few words.
    pub name: &'static str,
    /// What came of it.
    pub outcome: Outcome,
}

type Verdict = Result<(), String>;

/// Runs the suite below `prefix`, which ends with `/`, exists on no blob yet, and is empty again afterwards.
///
/// # Panics
/// If `prefix` doesn't end with `/`.
pub async fn run(provider: Arc<dyn Provider>, prefix: &str, options: &Options) -> Vec<Check> {
    assert!(prefix.ends_with('/'), "a prefix is a folder: {prefix}");
    let suite = Suite {
        provider: provider.as_ref(),
        prefix,
        options,
    };
    let mut checks = Vec::new();
    macro_rules! check {
        ($name:literal, $verdict:expr) => {{
            let outcome = match tokio::time::timeout(options.patience, $verdict).await {
                Ok(Ok(())) => Outcome::Passed,
                Ok(Err(why)) => Outcome::Failed(why),
                Err(_) => Outcome::Failed(format!("no end within {:?}", options.patience)),
            };
            checks.push(Check { name: $name, outcome });
        }};
    }
    check!("a blob of any size comes back as it was", suite.round_trips());
    check!("a range is exactly the bytes asked for", suite.ranges());
    check!("an empty range is no bytes", suite.empty_range());
    check!("a range past the end is an error", suite.past_the_end());
    check!("a missing blob is gone", suite.missing());
    check!("a folder is not a blob", suite.folder());
    check!("a deleted blob is gone, and may be deleted again", suite.deletes());
    check!("an overwritten blob is the new one", suite.overwrites());
    check!("a key as long as a fragment's works", suite.long_key());
    check!("puts at the same time all arrive", suite.concurrent_puts());
    check!("reads at the same time all are right", suite.concurrent_reads());
    if options.lists {
        check!(
            "a listing finds what lies below its prefix, and only that",
            suite.lists()
        );
        check!("a listing of nothing is empty", suite.lists_nothing());
        check!("a long listing is complete", suite.lists_many());
    } else {
        let outcome = Outcome::Skipped("the service cannot list".to_owned());
        checks.push(Check {
            name: "a listing finds what lies below its prefix, and only that",
            outcome,
        });
    }
    checks
}

/// Demands that every check passed, or was skipped, or is named in `except`, and that all of these failed.
///
/// # Panics
/// With the checks that didn't do so.
pub fn assert_passed(checks: &[Check], except: &[&str]) {
    let wrong: Vec<String> = checks
        .iter()
        .filter_map(|check| match (&check.outcome, except.contains(&check.name)) {
            (Outcome::Failed(why), false) => Some(format!("{}: {why}", check.name)),
            (Outcome::Passed, true) => Some(format!("{}: passed, but was expected to fail", check.name)),
            _ => None,
        })
        .collect();
    assert!(
        wrong.is_empty(),
        "{} of {} checks:\n{}",
        wrong.len(),
        checks.len(),
        wrong.join("\n")
    );
}

struct Suite<'a> {
    provider: &'a dyn Provider,
    prefix: &'a str,
    options: &'a Options,
}

/// `len` bytes that count to 250 and begin again, from `start` on, so that bytes out of place show.
fn ramp(start: usize, len: usize) -> Bytes {
    (start..start + len)
        .map(|at| u8::try_from(at % 251).expect("below 251"))
        .collect::<Vec<u8>>()
        .into()
}

#[expect(clippy::needless_pass_by_value, reason = "made for map_err")]
fn told(error: ProviderError) -> String {
    format!("{:?}: {error}", error.class)
}

fn same(what: &str, got: &[u8], want: &[u8]) -> Verdict {
    if got == want {
        return Ok(());
    }
    let at = got.iter().zip(want).take_while(|(got, want)| got == want).count();
    Err(format!(
        "{what}: {} bytes for {}, the first wrong at {at}",
        got.len(),
        want.len()
    ))
}

fn must_be<T: std::fmt::Debug>(what: &str, answer: Result<T, ProviderError>, class: Class) -> Verdict {
    match answer {
        Err(error) if error.class == class => Ok(()),
        Err(error) => Err(format!("{what}: wanted {class:?}, got {}", told(error))),
        Ok(value) => Err(format!("{what}: wanted {class:?}, got {value:?}")),
    }
}

impl Suite<'_> {
    fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    async fn put(&self, key: &str, body: &Bytes) -> Verdict {
        let stored = self.provider.put(key, body.clone()).await.map_err(told)?;
        match stored.len {
            Some(len) if len != body.len() as u64 => {
                Err(format!("a put of {} bytes was confirmed with {len}", body.len()))
            }
            _ => Ok(()),
        }
    }

    async fn get(&self, key: &str, start: usize, end: usize) -> Result<Bytes, String> {
        let parts = self.provider.get(key, start as u64..end as u64).await.map_err(told)?;
        Ok(parts.join())
    }

    async fn delete(&self, key: &str) -> Verdict {
        self.provider.delete(key).await.map_err(told)
    }

    async fn listed(&self, prefix: &str) -> Result<BTreeSet<String>, String> {
        self.provider
            .list(prefix)
            .map_ok(|entry| entry.key)
            .try_collect()
            .await
            .map_err(told)
    }

    async fn round_trips(&self) -> Verdict {
        for len in [1, 513, (64 << 10) - 1, 64 << 10, (64 << 10) + 1, self.options.largest] {
            let key = self.key(&format!("size/{len}"));
            let body = ramp(len, len);
            self.put(&key, &body)
                .await
                .map_err(|why| format!("{len} bytes: {why}"))?;
            let stat = self.provider.stat(&key).await.map_err(told)?;
            if stat.len != len as u64 {
                return Err(format!("stat says {} bytes for {len}", stat.len));
            }
            same(&format!("{len} bytes"), &self.get(&key, 0, len).await?, &body)?;
            self.delete(&key).await?;
        }
        Ok(())
    }

    async fn ranges(&self) -> Verdict {
        const LEN: usize = 100_000;
        let key = self.key("ranges");
        let body = ramp(0, LEN);
        self.put(&key, &body).await?;
        for (start, end) in [
            (0, 1),
            (LEN - 1, LEN),
            (0, LEN),
            (1, LEN - 1),
            (65_535, 65_537),
            (777, 7_777),
        ] {
            let what = format!("bytes {start}..{end}");
            let got = self
                .get(&key, start, end)
                .await
                .map_err(|why| format!("{what}: {why}"))?;
            same(&what, &got, &body[start..end])?;
        }
        self.delete(&key).await
    }

    async fn empty_range(&self) -> Verdict {
        let key = self.key("empty-range");
        self.put(&key, &ramp(0, 10)).await?;
        for at in [0, 5, 10] {
            same("an empty range", &self.get(&key, at, at).await?, &[])?;
        }
        self.delete(&key).await
    }

    async fn past_the_end(&self) -> Verdict {
        let key = self.key("past-the-end");
        self.put(&key, &ramp(0, 1_000)).await?;
        for (start, end) in [(0, 1_001), (999, 1_001), (1_000, 1_001), (5_000, 6_000)] {
            let what = format!("bytes {start}..{end} of 1000");
            match self.provider.get(&key, start..end).await {
                Ok(parts) => return Err(format!("{what}: answered with {} bytes", parts.len())),
                Err(error) if error.class == Class::Gone => return Err(format!("{what}: said to be gone")),
                Err(_) => {}
            }
        }
        self.delete(&key).await
    }

    async fn missing(&self) -> Verdict {
        for name in ["missing", "no/such/folder/missing"] {
            let key = self.key(name);
            must_be("stat", self.provider.stat(&key).await, Class::Gone)?;
            must_be("get", self.provider.get(&key, 0..1).await, Class::Gone)?;
        }
        Ok(())
    }

    async fn folder(&self) -> Verdict {
        let inside = self.key("folder/inside");
        self.put(&inside, &ramp(0, 10)).await?;
        if let Ok(stat) = self.provider.stat(&self.key("folder")).await {
            return Err(format!("stat of a folder answers {stat:?}"));
        }
        if let Ok(parts) = self.provider.get(&self.key("folder"), 0..1).await {
            return Err(format!("get of a folder answers {} bytes", parts.len()));
        }
        self.delete(&inside).await
    }

    async fn deletes(&self) -> Verdict {
        let key = self.key("deleted");
        self.put(&key, &ramp(0, 10)).await?;
        self.delete(&key).await?;
        must_be("stat of a deleted blob", self.provider.stat(&key).await, Class::Gone)?;
        must_be(
            "get of a deleted blob",
            self.provider.get(&key, 0..1).await,
            Class::Gone,
        )?;
        self.delete(&key)
            .await
            .map_err(|why| format!("a second delete: {why}"))?;
        self.delete(&self.key("never/was"))
            .await
            .map_err(|why| format!("delete of what never was: {why}"))
    }

    async fn overwrites(&self) -> Verdict {
        let key = self.key("overwritten");
        for (start, len) in [(0, 5_000), (1, 3_000), (2, 7_000)] {
            let body = ramp(start, len);
            self.put(&key, &body).await?;
            same("the new blob", &self.get(&key, 0, len).await?, &body)?;
            let stat = self.provider.stat(&key).await.map_err(told)?;
            if stat.len != len as u64 {
                return Err(format!("stat says {} bytes for {len}", stat.len));
            }
        }
        self.delete(&key).await
    }

    async fn long_key(&self) -> Verdict {
        let name: String = "abcdefghijklmnopqrstuvwxyz234567".chars().cycle().take(156).collect();
        let key = self.key(&format!("a/7/{name}"));
        self.put(&key, &ramp(0, 100)).await?;
        same("by a long key", &self.get(&key, 0, 100).await?, &ramp(0, 100))?;
        self.delete(&key).await
    }

    /// Runs `each` for 0 .. `count`, as many at once as the options say.
    async fn at_once<F>(&self, count: usize, each: impl Fn(usize) -> F) -> Verdict
    where
        F: Future<Output = Verdict>,
    {
        stream::iter(0..count)
            .map(|at| Ok(each(at)))
            .try_buffer_unordered(self.options.concurrency)
            .try_collect()
            .await
    }

    async fn concurrent_puts(&self) -> Verdict {
        const COUNT: usize = 48;
        let key = |at: usize| self.key(&format!("at-once/{}/{at}", at % 4));
        let body = |at: usize| ramp(at, 20_000 + at);
        self.at_once(COUNT, |at| async move { self.put(&key(at), &body(at)).await })
            .await?;
        for at in 0..COUNT {
            let got = self.get(&key(at), 0, 20_000 + at).await?;
            same(&format!("blob {at}"), &got, &body(at))?;
        }
        self.at_once(COUNT, |at| async move { self.delete(&key(at)).await })
            .await
    }

    async fn concurrent_reads(&self) -> Verdict {
        const PIECE: usize = 64 << 10;
        let pieces = (self.options.largest / PIECE).clamp(1, 64);
        let key = self.key("read-at-once");
        let body = ramp(3, pieces * PIECE);
        self.put(&key, &body).await?;
        let (key, body) = (&key, &body);
        self.at_once(pieces, |at| async move {
            let (start, end) = (at * PIECE, (at + 1) * PIECE);
            same(
                &format!("piece {at}"),
                &self.get(key, start, end).await?,
                &body[start..end],
            )
        })
        .await?;
        self.delete(key).await
    }

    async fn lists(&self) -> Verdict {
        let names = ["list/a", "list/b/c", "list/b/d/e", "list-beside", "lis"];
        let keys: Vec<String> = names.iter().map(|name| self.key(name)).collect();
        for (at, key) in keys.iter().enumerate() {
            self.put(key, &ramp(0, at + 1)).await?;
        }
        let prefix = self.key("list/");
        let mut entries = self.provider.list(&prefix);
        while let Some(entry) = entries.try_next().await.map_err(told)? {
            let want = keys.iter().position(|key| *key == entry.key).map(|at| at as u64 + 1);
            if entry.len.is_some() && entry.len != want {
                return Err(format!(
                    "{} is listed with {:?} bytes for {want:?}",
                    entry.key, entry.len
                ));
            }
        }
        let found = self.listed(&prefix).await?;
        let want: BTreeSet<String> = keys[..3].iter().cloned().collect();
        if found != want {
            return Err(format!("found {found:?}, wanted {want:?}"));
        }
        for key in &keys {
            self.delete(key).await?;
        }
        let left = self.listed(&prefix).await?;
        if left.is_empty() {
            Ok(())
        } else {
            Err(format!("deleted blobs are listed: {left:?}"))
        }
    }

    async fn lists_nothing(&self) -> Verdict {
        match self.listed(&self.key("nothing/here/")).await?.first() {
            None => Ok(()),
            Some(key) => Err(format!("found {key}")),
        }
    }

    async fn lists_many(&self) -> Verdict {
        let count = self.options.listing;
        let key = |at: usize| self.key(&format!("many/{}/{at:05}", at % 2));
        self.at_once(count, |at| async move { self.put(&key(at), &ramp(at, 1)).await })
            .await?;
        let found = self.listed(&self.key("many/")).await?;
        self.at_once(count, |at| async move { self.delete(&key(at)).await })
            .await?;
        let missed = (0..count).filter(|&at| !found.contains(&key(at))).count();
        if missed == 0 && found.len() == count {
            Ok(())
        } else {
            Err(format!("{} of {count} listed, {missed} missed", found.len()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::Operation;
    use crate::provider::fault::{Fault, Faulty, Rule};
    use crate::provider::memory::Memory;

    fn small() -> Options {
        Options {
            largest: 200_000,
            listing: 40,
            patience: Duration::from_secs(5),
            ..Options::default()
        }
    }

    async fn failed(rule: Rule) -> Vec<&'static str> {
        let (faulty, faults) = Faulty::wrap(Arc::new(Memory::new("m")), 3);
        faults.add(rule);
        let checks = run(faulty, "p/", &small()).await;
        let failed = checks
            .iter()
            .filter(|check| matches!(check.outcome, Outcome::Failed(_)));
        failed.map(|check| check.name).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn the_suite_sees_each_lie() {
        let whole = "a blob of any size comes back as it was";
        let exact = "a range is exactly the bytes asked for";
        let deleted = "a deleted blob is gone, and may be deleted again";
        let long = "a long listing is complete";
        let past = "a range past the end is an error";
        for (rule, seen) in [
            (Rule::always(Fault::Truncate).on(Operation::Put), whole),
            (Rule::always(Fault::FlipBit).on(Operation::Put), whole),
            (Rule::always(Fault::Truncate).on(Operation::Get), exact),
            (Rule::always(Fault::FlipBit).on(Operation::Get), exact),
            (Rule::always(Fault::WrongBlob).on(Operation::Get), exact),
            (Rule::always(Fault::Forget).on(Operation::Delete), deleted),
            (Rule::always(Fault::Fail(Class::Gone)).on(Operation::Get), past),
            (Rule::always(Fault::Omit), long),
            (Rule::always(Fault::Truncate).on(Operation::List), long),
            (Rule::always(Fault::Hang).on(Operation::Stat), whole),
        ] {
            let told = format!("{rule:?}");
            let failed = failed(rule).await;
            assert!(failed.contains(&seen), "{told} was seen by {failed:?} only");
        }
    }

    #[tokio::test]
    async fn the_suite_leaves_nothing_behind() {
        let memory = Arc::new(Memory::new("m"));
        run(memory.clone(), "p/", &small()).await;
        assert_eq!(memory.blobs().into_keys().collect::<Vec<_>>(), Vec::<String>::new());
    }
}
