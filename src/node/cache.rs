//! Bytes of shares that were read lately or will be next.
//!
//! ```text
//! object   |------ window 0: 4 MiB ------|------ window 1 ------|
//!          |blk|blk|blk|                                            block: 256 KiB
//! ```
//!
//! Tahoe's clients read a share as many pieces, half of them 32 bytes in its tail. A read takes a block; one that follows on what is known takes a
//! window, which is one request to each of k providers. Whoever wants what is on its way already waits for it.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Bytes, BytesMut};
use tokio::sync::OnceCell;

use super::provider::{Answer, Trouble, VersionId};

/// Bytes of a window.
const WINDOW: u64 = 4 << 20;

/// Bytes of a block.
const BLOCK: u64 = 256 << 10;

/// Whatever bytes can be fetched from.
#[expect(clippy::len_without_is_empty, reason = "an empty one is read like any other")]
pub trait Origin: Send + Sync {
    /// Which version its bytes are.
    fn version(&self) -> VersionId;

    /// Bytes of it.
    fn len(&self) -> u64;

    /// Fetches a range.
    fn fetch(&self, range: Range<u64>) -> Answer<'_, Bytes>;
}

/// What is kept: version, first byte, length.
type Key = (VersionId, u64, u64);

#[derive(Debug)]
struct Cell {
    bytes: Arc<OnceCell<Bytes>>,
    used: u64,
}

#[derive(Debug, Default)]
struct Cells {
    by_key: HashMap<Key, Cell>,
    bytes: u64,
    clock: u64,
}

/// A bounded memory of objects' bytes.
#[derive(Debug)]
pub struct Cache {
    most: u64,
    cells: Mutex<Cells>,
}

impl Cache {
    /// A cache of at most `most` bytes, and one window more for each read under way.
    #[must_use]
    pub fn new(most: u64) -> Cache {
        Cache {
            most,
            cells: Mutex::default(),
        }
    }

    /// Bytes of an object.
    pub async fn read(&self, origin: &dyn Origin, range: Range<u64>) -> Result<Bytes, Trouble> {
        let (mut pieces, mut at) = (Vec::new(), range.start);
        while at < range.end {
            let cell = self.around(origin, at);
            let bytes = self.get(origin, cell.clone()).await?;
            let to = range.end.min(cell.end);
            let index = |byte: u64| usize::try_from(byte - cell.start).expect("a cell is in memory");
            pieces.push(bytes.slice(index(at)..index(to)));
            at = to;
        }
        match <[Bytes; 1]>::try_from(pieces) {
            Ok([one]) => Ok(one),
            Err(pieces) => Ok(pieces
                .into_iter()
                .fold(BytesMut::new(), |mut all, piece| {
                    all.extend_from_slice(&piece);
                    all
                })
                .freeze()),
        }
    }

    /// Which cell to take for a byte: the window if it is here, begins the object or follows on one that is here; else the block.
    fn around(&self, origin: &dyn Origin, at: u64) -> Range<u64> {
        let (version, len) = (origin.version(), origin.len());
        let cell = |unit: u64, at: u64| {
            let start = at / unit * unit;
            start..len.min(start + unit)
        };
        let window = cell(WINDOW, at);
        let cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        let has = |range: &Range<u64>| {
            cells
                .by_key
                .contains_key(&(version, range.start, range.end - range.start))
        };
        let block = cell(BLOCK, at);
        if has(&window) || (!has(&block) && (window.start == 0 || has(&cell(WINDOW, window.start - 1)))) {
            window
        } else {
            block
        }
    }

    async fn get(&self, origin: &dyn Origin, range: Range<u64>) -> Result<Bytes, Trouble> {
        let key = (origin.version(), range.start, range.end - range.start);
        let cell = self.cell(key);
        let got = cell.get_or_try_init(|| origin.fetch(range)).await.cloned();
        if got.is_err() {
            self.forget(key);
        }
        got
    }

    fn cell(&self, key: Key) -> Arc<OnceCell<Bytes>> {
        let mut all = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        all.clock += 1;
        let now = all.clock;
        if let Some(cell) = all.by_key.get_mut(&key) {
            cell.used = now;
            return cell.bytes.clone();
        }
        while all.bytes + key.2 > self.most {
            let Some(oldest) = all.by_key.iter().min_by_key(|(_, cell)| cell.used).map(|(key, _)| *key) else {
                break;
            };
            all.by_key.remove(&oldest);
            all.bytes -= oldest.2;
        }
        let bytes = Arc::<OnceCell<Bytes>>::default();
        all.bytes += key.2;
        all.by_key.insert(
            key,
            Cell {
                bytes: bytes.clone(),
                used: now,
            },
        );
        bytes
    }

    fn forget(&self, key: Key) {
        let mut all = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        if all.by_key.remove(&key).is_some() {
            all.bytes -= key.2;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    struct Ramp {
        id: u8,
        len: u64,
        fetches: AtomicU64,
        broken: bool,
    }

    fn ramp(id: u8, len: u64) -> Ramp {
        Ramp {
            id,
            len,
            fetches: AtomicU64::new(0),
            broken: false,
        }
    }

    fn bytes(range: Range<u64>) -> Bytes {
        range
            .map(|byte| u8::try_from(byte % 251).unwrap())
            .collect::<Vec<u8>>()
            .into()
    }

    impl Origin for Ramp {
        fn version(&self) -> VersionId {
            VersionId([self.id; 32])
        }

        fn len(&self) -> u64 {
            self.len
        }

        fn fetch(&self, range: Range<u64>) -> Answer<'_, Bytes> {
            self.fetches.fetch_add(1, Ordering::Relaxed);
            Box::pin(async move {
                tokio::task::yield_now().await;
                if self.broken {
                    Err(Trouble("away".to_owned()))
                } else {
                    Ok(bytes(range))
                }
            })
        }
    }

    #[tokio::test]
    async fn a_download_in_pieces_costs_a_fetch_a_window() {
        let (cache, share) = (Cache::new(64 << 20), ramp(1, 20 << 20));
        let tail = share.len - 9000;
        for step in 0..20_u64 {
            let piece = (step << 20)..((step + 1) << 20);
            assert_eq!(cache.read(&share, piece.clone()).await.unwrap(), bytes(piece));
            for hash in 0..4 {
                let at = tail + step * 200 + hash * 32;
                assert_eq!(cache.read(&share, at..at + 32).await.unwrap(), bytes(at..at + 32));
            }
        }
        assert!(share.fetches.load(Ordering::Relaxed) <= 6, "{:?}", share.fetches);
    }

    #[tokio::test]
    async fn a_small_read_far_inside_fetches_a_block() {
        let (cache, share) = (Cache::new(64 << 20), ramp(1, 20 << 20));
        cache.read(&share, 9_000_000..9_000_032).await.unwrap();
        let all = cache.cells.lock().unwrap();
        assert_eq!(all.bytes, BLOCK);
    }

    #[tokio::test]
    async fn ten_who_want_the_same_fetch_it_once() {
        let (cache, share) = (Cache::new(64 << 20), ramp(1, 1000));
        let reads = (0..10).map(|_| cache.read(&share, 10..20));
        for read in futures::future::join_all(reads).await {
            assert_eq!(read.unwrap(), bytes(10..20));
        }
        assert_eq!(share.fetches.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn the_bound_holds_and_an_error_is_not_kept() {
        let cache = Cache::new(10 << 20);
        for id in 0..20 {
            cache.read(&ramp(id, 4 << 20), 0..10).await.unwrap();
            assert!(cache.cells.lock().unwrap().bytes <= 10 << 20);
        }
        let broken = Ramp {
            broken: true,
            ..ramp(99, 10)
        };
        assert!(cache.read(&broken, 0..5).await.is_err());
        assert_eq!(cache.read(&ramp(99, 10), 0..5).await.unwrap(), bytes(0..5));
    }
}
