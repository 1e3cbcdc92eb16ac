//! Bytes of shares that were read lately or will be next.
//!
//! ```text
//! object   |------ window 0 ------|------ window 1 ------|-- 2 --|     window: an extent, or 4 MiB
//!          |blk|blk|blk|                                  the tail    block: 256 KiB of a window
//! ```
//!
//! Tahoe's clients read a share as many pieces, half of them 32 bytes in its tail. A read takes a block; one that follows on what is known takes a
//! window, which is one request to each of k providers, and so does one in a short tail. Whoever wants what is on its way already waits for it.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};
use tokio::sync::OnceCell;

use super::provider::{Answer, Trouble, VersionId};

/// Bytes of a window, where nothing else divides the object.
const WINDOW: u64 = 4 << 20;

/// Bytes of a block.
const BLOCK: u64 = 256 << 10;

/// Windows that were read to their end and are remembered.
const MOST_READERS: usize = 256;

/// Bytes that a cell takes besides those that it keeps.
const OVERHEAD: u64 = 256;

/// Whatever bytes can be fetched from.
#[expect(clippy::len_without_is_empty, reason = "an empty one is read like any other")]
pub trait Origin: Send + Sync {
    /// Which version its bytes are.
    fn version(&self) -> VersionId;

    /// Bytes of it.
    fn len(&self) -> u64;

    /// The bytes around `at`, below the length, that cost hardly more than some of them.
    fn window(&self, at: u64) -> Range<u64> {
        let start = at / WINDOW * WINDOW;
        start..self.len().min(start + WINDOW)
    }

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

#[derive(Debug)]
struct Cells {
    by_key: HashMap<Key, Cell>,
    /// The same by when they were last used, oldest first.
    by_use: BTreeMap<u64, Key>,
    /// Versions and the ends of windows of them that were read lately: who reads on is given the next window.
    read: VecDeque<(VersionId, u64)>,
    bytes: u64,
    clock: u64,
}

impl Default for Cells {
    fn default() -> Cells {
        Cells {
            by_key: HashMap::new(),
            by_use: BTreeMap::new(),
            read: VecDeque::new(),
            bytes: 0,
            // So that there is room below for those that go first.
            clock: 1 << 62,
        }
    }
}

impl Cells {
    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    /// What is kept under a key, which is the newest now.
    fn touch(&mut self, key: &Key) -> Option<Arc<OnceCell<Bytes>>> {
        let now = self.tick();
        let cell = self.by_key.get_mut(key)?;
        self.by_use.remove(&std::mem::replace(&mut cell.used, now));
        self.by_use.insert(now, *key);
        Some(cell.bytes.clone())
    }

    /// Keeps another one; the oldest go until there is room.
    fn add(&mut self, key: Key, bytes: Arc<OnceCell<Bytes>>, most: u64) {
        while self.bytes + weight(&key) > most {
            let Some((_, oldest)) = self.by_use.first_key_value() else {
                break;
            };
            let oldest = *oldest;
            self.remove(&oldest);
        }
        let used = self.tick();
        self.bytes += weight(&key);
        self.by_use.insert(used, key);
        self.by_key.insert(key, Cell { bytes, used });
    }

    /// It was read to its end: of all, it is the one that is wanted least.
    fn demote(&mut self, key: &Key) {
        if self.read.len() == MOST_READERS {
            self.read.pop_front();
        }
        self.read.push_back((key.0, key.1 + key.2));
        let first = self.by_use.first_key_value().map_or(0, |(used, _)| *used);
        if let Some(cell) = self.by_key.get_mut(key)
            && first > 0
        {
            self.by_use.remove(&std::mem::replace(&mut cell.used, first - 1));
            self.by_use.insert(first - 1, *key);
        }
    }

    fn remove(&mut self, key: &Key) {
        if let Some(cell) = self.by_key.remove(key) {
            self.by_use.remove(&cell.used);
            self.bytes -= weight(key);
        }
    }
}

/// Bytes that a cell counts as.
fn weight(key: &Key) -> u64 {
    key.2 + OVERHEAD
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
            if to == cell.end && to < origin.len() {
                self.lock()
                    .demote(&(origin.version(), cell.start, cell.end - cell.start));
            }
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

    /// Which cell to take for a byte: the window if it is here, begins the object, follows on one that is here or is a short tail; else the block.
    fn around(&self, origin: &dyn Origin, at: u64) -> Range<u64> {
        let version = origin.version();
        let window = origin.window(at);
        let start = (at / BLOCK * BLOCK).max(window.start);
        let block = start..window.end.min(at / BLOCK * BLOCK + BLOCK);
        let cells = self.lock();
        let has = |range: &Range<u64>| {
            cells
                .by_key
                .contains_key(&(version, range.start, range.end - range.start))
        };
        let tail = window.end == origin.len() && window.end - window.start <= WINDOW;
        let after_another = || cells.read.contains(&(version, window.start)) || has(&origin.window(window.start - 1));
        let follows = || tail || window.start == 0 || after_another();
        if has(&window) || (!has(&block) && follows()) {
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
        let mut all = self.lock();
        if let Some(bytes) = all.touch(&key) {
            return bytes;
        }
        let bytes = Arc::<OnceCell<Bytes>>::default();
        all.add(key, bytes.clone(), self.most);
        bytes
    }

    /// Keeps all bytes of an object that is shorter than a window: whoever made it has them.
    pub fn know(&self, version: VersionId, bytes: &Bytes) {
        let key = (version, 0, bytes.len() as u64);
        assert!(key.2 <= WINDOW, "{} bytes are more than a window", key.2);
        let mut all = self.lock();
        if all.touch(&key).is_none() {
            all.add(key, Arc::new(OnceCell::new_with(Some(bytes.clone()))), self.most);
        }
    }

    fn forget(&self, key: Key) {
        self.lock().remove(&key);
    }

    fn lock(&self) -> MutexGuard<'_, Cells> {
        self.cells.lock().unwrap_or_else(PoisonError::into_inner)
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
        assert_eq!(share.fetches.load(Ordering::Relaxed), 5);
    }

    #[tokio::test]
    async fn a_small_read_far_inside_fetches_a_block() {
        let (cache, share) = (Cache::new(64 << 20), ramp(1, 20 << 20));
        cache.read(&share, 9_000_000..9_000_032).await.unwrap();
        let all = cache.cells.lock().unwrap();
        assert_eq!(all.bytes, BLOCK + OVERHEAD);
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
    async fn what_is_known_is_not_fetched_and_what_was_used_last_stays() {
        let cache = Cache::new(3 * (1000 + OVERHEAD));
        let shares: Vec<Ramp> = (0..4).map(|id| ramp(id, 1000)).collect();
        for share in &shares[..3] {
            cache.know(share.version(), &bytes(0..1000));
            assert_eq!(cache.read(share, 10..20).await.unwrap(), bytes(10..20));
        }
        cache.read(&shares[0], 0..1).await.unwrap();
        cache.know(shares[3].version(), &bytes(0..1000));
        for share in [&shares[0], &shares[2], &shares[3]] {
            cache.read(share, 0..1).await.unwrap();
        }
        let fetched = |share: &Ramp| share.fetches.load(Ordering::Relaxed);
        assert!(shares.iter().all(|share| fetched(share) == 0));
        cache.read(&shares[1], 0..1).await.unwrap();
        assert_eq!(fetched(&shares[1]), 1);
    }

    #[tokio::test]
    async fn readers_of_many_shares_keep_what_each_is_in_the_middle_of() {
        let cache = Cache::new(5 * (WINDOW + OVERHEAD));
        let shares: Vec<Ramp> = (0..4).map(|id| ramp(id, 5 * WINDOW)).collect();
        for step in 0..20 {
            for share in &shares {
                let piece = step << 20..(step + 1) << 20;
                assert_eq!(cache.read(share, piece.clone()).await.unwrap(), bytes(piece));
            }
        }
        for share in &shares {
            assert_eq!(share.fetches.load(Ordering::Relaxed), 5);
        }
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
