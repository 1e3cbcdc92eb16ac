//! Simulated providers: a seeded law of latency and rate in front of a provider in memory, in tokio's time.
//!
//! ```text
//! call ──first byte: median × exp(spread × z)──▶ ──bytes / rate──▶ the inner provider's answer
//! ```
//!
//! A draw depends on seed, provider, operation, key and how often that was called, and on nothing else: the order in which calls happen to
//! be made changes no answer.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{BoxStream, StreamExt};
use serde::Deserialize;

use super::curve::{Curve, Timing};
use super::foretell::quantile;
use crate::cloud_set::quantity::ByteRate;
use crate::provider::{Call, Listed, Operation, Parts, Provider, ProviderError, Stat, Stored};

const LAWS: &str = include_str!("../../fixtures/laws/laws.yaml");

/// How long calls take at one provider.
#[derive(Clone, Debug, PartialEq)]
pub struct Law {
    /// The simulated provider.
    pub name: String,
    /// The entry of the price catalog whose prices and outages it has.
    pub service: String,
    /// Median seconds until the first byte.
    pub first: f64,
    /// Standard deviation of the logarithm of that.
    pub spread: f64,
    /// Bytes a second that flow to it.
    pub up: f64,
    /// Bytes a second that flow from it.
    pub down: f64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(rename = "version")]
    _version: u32,
    laws: BTreeMap<String, Row>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    service: String,
    first_ms: f64,
    spread: f64,
    up: String,
    down: String,
}

impl Law {
    /// The laws that travel with the program, by name.
    #[must_use]
    pub fn shipped() -> Vec<Law> {
        let file: File = serde_saphyr::from_str(LAWS).expect("a test reads the shipped file");
        #[expect(clippy::cast_precision_loss, reason = "rates are far below 2^53")]
        let rate = |text: &str| {
            let rate: ByteRate = text.parse().expect("a test reads the shipped file");
            rate.bytes_per_second() as f64
        };
        let law = |(name, row): (String, Row)| Law {
            name,
            service: row.service,
            first: row.first_ms / 1000.0,
            spread: row.spread,
            up: rate(&row.up),
            down: rate(&row.down),
        };
        file.laws.into_iter().map(law).collect()
    }

    /// The chance that a call which moves `len` bytes has ended after `seconds`.
    #[must_use]
    pub fn done(&self, operation: Operation, len: f64, seconds: f64) -> f64 {
        let left = seconds - self.moving(operation, len);
        if left <= 0.0 {
            return 0.0;
        }
        normal((left / self.first).ln() / self.spread.max(1e-9))
    }

    /// Seconds that the bytes take once they flow.
    fn moving(&self, operation: Operation, len: f64) -> f64 {
        match operation {
            Operation::Put => len / self.up,
            Operation::Get => len / self.down,
            _ => 0.0,
        }
    }
}

impl Timing for Law {
    fn curve(&self, operation: Operation, len: f64) -> Curve {
        Curve::of(|share| quantile(share, |seconds| self.done(operation, len, seconds)))
    }
}

/// The standard normal distribution, to seven digits (Abramowitz and Stegun 7.1.26).
fn normal(x: f64) -> f64 {
    let z = x.abs() / std::f64::consts::SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * z);
    let sum = [
        1.061_405_429,
        -1.453_152_027,
        1.421_413_741,
        -0.284_496_736,
        0.254_829_592,
    ];
    let poly = sum.into_iter().fold(0.0, |sum, coefficient| (sum + coefficient) * t);
    let tail = poly * (-z * z).exp() / 2.0;
    if x < 0.0 { tail } else { 1.0 - tail }
}

/// A provider that keeps a law.
#[derive(Debug)]
pub struct Simulated {
    law: Law,
    inner: Arc<dyn Provider>,
    seed: u64,
    calls: Mutex<HashMap<String, u64>>,
}

impl Simulated {
    /// `inner` behind the law.
    #[must_use]
    pub fn new(law: Law, inner: Arc<dyn Provider>, seed: u64) -> Simulated {
        Simulated {
            law,
            inner,
            seed,
            calls: Mutex::default(),
        }
    }

    /// Waits as the law has it.
    async fn take(&self, operation: Operation, key: &str, len: usize) {
        let first = self.law.first * (self.law.spread * self.draw(operation, key)).exp();
        #[expect(clippy::cast_precision_loss, reason = "blobs are at most 64 MiB")]
        let moving = self.law.moving(operation, len as f64);
        tokio::time::sleep(Duration::from_secs_f64(first + moving)).await;
    }

    /// A normal number, by Box and Muller.
    #[expect(clippy::cast_precision_loss, reason = "53 bits are kept")]
    fn draw(&self, operation: Operation, key: &str) -> f64 {
        let what = format!("{operation} {key}");
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        let count = calls.entry(what.clone()).or_insert(0);
        *count += 1;
        let text = format!("{} {} {what} {count}", self.seed, self.law.name);
        drop(calls);
        let hash = blake3::hash(text.as_bytes());
        let bits = |at: usize| u64::from_le_bytes(hash.as_bytes()[at..at + 8].try_into().expect("8 bytes"));
        let unit = |bits: u64| ((bits >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
        let (one, two) = (unit(bits(0)), unit(bits(8)));
        (-2.0 * one.ln()).sqrt() * (std::f64::consts::TAU * two).cos()
    }
}

impl Provider for Simulated {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn put<'a>(&'a self, key: &'a str, body: Bytes) -> Call<'a, Stored> {
        Box::pin(async move {
            self.take(Operation::Put, key, body.len()).await;
            self.inner.put(key, body).await
        })
    }

    fn get<'a>(&'a self, key: &'a str, range: Range<u64>) -> Call<'a, Parts> {
        Box::pin(async move {
            let len = usize::try_from(range.end.saturating_sub(range.start)).unwrap_or(usize::MAX);
            self.take(Operation::Get, key, len).await;
            self.inner.get(key, range).await
        })
    }

    fn stat<'a>(&'a self, key: &'a str) -> Call<'a, Stat> {
        Box::pin(async move {
            self.take(Operation::Stat, key, 0).await;
            self.inner.stat(key).await
        })
    }

    fn list<'a>(&'a self, prefix: &'a str) -> BoxStream<'a, Result<Listed, ProviderError>> {
        let listed = async move {
            self.take(Operation::List, prefix, 0).await;
            self.inner.list(prefix)
        };
        futures::stream::once(listed).flatten().boxed()
    }

    fn delete<'a>(&'a self, key: &'a str) -> Call<'a, ()> {
        Box::pin(async move {
            self.take(Operation::Delete, key, 0).await;
            self.inner.delete(key).await
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::memory::Memory;

    #[test]
    fn the_shipped_laws_are_read_and_the_normal_law_is_right() {
        let laws = Law::shipped();
        assert_eq!(laws.len(), 6);
        for (x, want) in [
            (0.0, 0.5),
            (1.0, 0.841_344_746),
            (-1.96, 0.024_997_895),
            (3.0, 0.998_650_102),
        ] {
            assert!((normal(x) - want).abs() < 2e-7, "{x}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn calls_take_as_long_as_the_law_has_it() {
        let law = Law::shipped().remove(0);
        let (len, mut below, calls) = (100_000_u32, 0_u32, 2000_u32);
        let provider = Simulated::new(law.clone(), Arc::new(Memory::new("m")), 1);
        let body = Bytes::from(vec![7; len as usize]);
        let median = law.first + f64::from(len) / law.up;
        for number in 0..calls {
            let begin = tokio::time::Instant::now();
            provider.put(&format!("k{number}"), body.clone()).await.unwrap();
            below += u32::from(begin.elapsed().as_secs_f64() < median);
        }
        let share = f64::from(below) / f64::from(calls);
        assert!((share - 0.5).abs() < 0.05, "{share}");
        assert!((law.done(Operation::Put, f64::from(len), median) - 0.5).abs() < 1e-6);
    }
}
