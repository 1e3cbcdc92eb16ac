//! The same bytes by plain OpenDAL calls, which RAIC has no part in but the slow line.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::{StreamExt, stream};
use opendal::Operator;
use raic::provider::Provider;
use raic::provider::opendal::{Spec, open};
use raic::provider::pace::{Pace, Paced};

use crate::{FRAGMENT, K, M, RATE};

/// A place for bytes that RAIC has no part in.
#[derive(Clone)]
pub(crate) enum Plain {
    Opendal(Operator),
    /// OpenDAL behind a slow line.
    Slow(Arc<dyn Provider>),
}

impl Plain {
    async fn write(&self, key: &str, body: bytes::Bytes) {
        match self {
            Plain::Opendal(operator) => drop(operator.write(key, body).await.expect("a plain write")),
            Plain::Slow(provider) => drop(provider.put(key, body).await.expect("a plain write")),
        }
    }

    async fn read(&self, key: &str, len: usize) -> usize {
        match self {
            Plain::Opendal(operator) => operator.read(key).await.expect("a plain read").to_bytes().len(),
            Plain::Slow(provider) => {
                let parts = provider.get(key, 0..len as u64).await.expect("a plain read");
                parts.join().len()
            }
        }
    }

    pub(crate) async fn clear(&self, round: usize) {
        let prefix = format!("{round}/");
        match self {
            Plain::Opendal(operator) => {
                let gone = operator.delete_with(&prefix).recursive(true).await;
                gone.expect("plain blobs go");
            }
            Plain::Slow(provider) => {
                let mut listing = provider.list(&prefix);
                while let Some(listed) = listing.next().await {
                    let key = listed.expect("a listing").key;
                    provider.delete(&key).await.expect("plain blobs go");
                }
            }
        }
    }
}

/// A device that is the limit: what a disk or a link of its own gives each provider.
pub(crate) fn slow(provider: Arc<dyn Provider>, seed: u64) -> Arc<dyn Provider> {
    let pace = Pace {
        latency: Duration::from_millis(5),
        jitter: Duration::ZERO,
        upload: Some(RATE),
        download: Some(RATE),
    };
    Arc::new(Paced::new(provider, pace, seed))
}

pub(crate) fn places(kind: &str, folder: &Path) -> Vec<Plain> {
    opendal::install_default();
    let place = |i: u16| {
        let path = |what: &str| folder.join(format!("plain{i}{what}")).to_string_lossy().into_owned();
        let options = vec![
            ("root".to_owned(), path("")),
            ("atomic_write_dir".to_owned(), path("tmp")),
        ];
        if kind == "paced" {
            let spec = Spec::new(
                format!("plain{i}"),
                "fs",
                BTreeMap::from([("root".to_owned(), path(""))]),
            );
            let opened = open(&spec).expect("a provider");
            return Plain::Slow(slow(opened, u64::from(i)));
        }
        Plain::Opendal(Operator::via_iter(kind, options).expect("an operator"))
    };
    (0..K + M).map(place).collect()
}

/// The same coded bytes as RAIC writes: n fragments of 8 MiB for each k × 8 MiB of payload, n writes at a time twice over.
pub(crate) async fn put(places: &[Plain], data: &Arc<Vec<u8>>, round: usize) -> Duration {
    let begin = Instant::now();
    let extents = data.len().div_ceil(FRAGMENT * usize::from(K));
    let blobs = (0..extents).flat_map(|extent| (0..usize::from(K + M)).map(move |index| (extent, index)));
    stream::iter(blobs)
        .map(|(extent, index)| {
            let body = bytes::Bytes::from_owner(Whole(data.clone()));
            let at = ((extent * usize::from(K) + index % usize::from(K)) * FRAGMENT).min(body.len());
            let body = body.slice(at..(at + FRAGMENT).min(body.len()));
            let place = places[index].clone();
            async move { place.write(&format!("{round}/{extent}-{index}"), body).await }
        })
        .buffer_unordered(usize::from(K + M) * 2)
        .collect::<Vec<_>>()
        .await;
    begin.elapsed()
}

pub(crate) struct Whole(pub(crate) Arc<Vec<u8>>);

impl AsRef<[u8]> for Whole {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

pub(crate) async fn get(places: &[Plain], len: usize, round: usize) -> Duration {
    let begin = Instant::now();
    let extents = len.div_ceil(FRAGMENT * usize::from(K));
    let blobs = (0..extents).flat_map(|extent| (0..usize::from(K)).map(move |index| (extent, index)));
    let read = stream::iter(blobs)
        .map(|(extent, index)| {
            let place = places[index].clone();
            let at = (extent * usize::from(K) + index) * FRAGMENT;
            let len = FRAGMENT.min(len.saturating_sub(at));
            async move { place.read(&format!("{round}/{extent}-{index}"), len).await }
        })
        .buffered(usize::from(K) * 2)
        .fold(0, |sum, len| async move { sum + len })
        .await;
    assert_eq!(read, len, "all bytes came");
    begin.elapsed()
}
