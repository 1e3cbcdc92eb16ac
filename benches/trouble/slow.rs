//! A provider that can be made tenfold slower, and back.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use futures::stream::BoxStream;
use raic::mix::law::{Law, Simulated};
use raic::provider::memory::Memory;
use raic::provider::{Call, Listed, Parts, Provider, ProviderError, Stat, Stored};

/// How much slower.
const TIMES: f64 = 10.0;

/// One law, or the same tenfold slower, over one memory.
#[derive(Debug)]
pub(crate) struct Switched {
    usual: Simulated,
    slow: Simulated,
    is_slow: AtomicBool,
}

impl Switched {
    pub(crate) fn new(law: &Law, seed: u64) -> Switched {
        let memory = Arc::new(Memory::new(&law.name));
        let slow = Law {
            first: law.first * TIMES,
            up: law.up / TIMES,
            down: law.down / TIMES,
            ..law.clone()
        };
        Switched {
            usual: Simulated::new(law.clone(), memory.clone(), seed),
            slow: Simulated::new(slow, memory, seed),
            is_slow: AtomicBool::new(false),
        }
    }

    pub(crate) fn set(&self, slow: bool) {
        self.is_slow.store(slow, Ordering::SeqCst);
    }

    fn now(&self) -> &Simulated {
        if self.is_slow.load(Ordering::SeqCst) {
            &self.slow
        } else {
            &self.usual
        }
    }
}

impl Provider for Switched {
    fn name(&self) -> &str {
        self.usual.name()
    }

    fn put<'a>(&'a self, key: &'a str, body: Bytes) -> Call<'a, Stored> {
        self.now().put(key, body)
    }

    fn get<'a>(&'a self, key: &'a str, range: Range<u64>) -> Call<'a, Parts> {
        self.now().get(key, range)
    }

    fn stat<'a>(&'a self, key: &'a str) -> Call<'a, Stat> {
        self.now().stat(key)
    }

    fn list<'a>(&'a self, prefix: &'a str) -> BoxStream<'a, Result<Listed, ProviderError>> {
        self.now().list(prefix)
    }

    fn delete<'a>(&'a self, key: &'a str) -> Call<'a, ()> {
        self.now().delete(key)
    }
}
