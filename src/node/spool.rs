//! Where bytes of unfinished shares wait until there is an extent of them: in memory while there is room, else in a file that only this process can
//! read.
//!
//! ```text
//! share     |===== gone to the clouds =====|== waits ==|   |= waits, out of order =|      |
//! file       (a hole: takes no disk)
//! ```
//!
//! What comes is kept in memory, without a copy, as long as all spools together have room for it. The file is made when they haven't. It is encrypted under a key that is nowhere but in memory, so that what a crash leaves is noise. Its keystream is BLAKE3's extendable output,
//! which can be had from any byte on.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use bytes::Bytes;
use rustix::fs::{FallocateFlags, fallocate};
use zeroize::Zeroizing;

use super::id::base32;
use crate::entropy::{Entropy, random};

/// What a piece takes in memory besides its bytes.
const PIECE: u64 = 128;

/// Bytes that are sealed at once, on the stack: each of hundreds of threads would keep a heap of its own for a copy of what it writes.
const BLOCK: usize = 16 << 10;

/// The room that all spools have together.
#[derive(Debug)]
pub struct Room {
    folder: PathBuf,
    entropy: Arc<dyn Entropy>,
    memory: AtomicU64,
    disk: AtomicU64,
}

impl Room {
    /// Room for `memory` and `disk` bytes. What earlier runs left in the folder goes.
    pub fn open(folder: &Path, entropy: Arc<dyn Entropy>, memory: u64, disk: u64) -> io::Result<Room> {
        fs::create_dir_all(folder)?;
        for left in fs::read_dir(folder)? {
            fs::remove_file(left?.path())?;
        }
        Ok(Room {
            folder: folder.to_owned(),
            entropy,
            memory: memory.into(),
            disk: disk.into(),
        })
    }

    /// An empty spool.
    #[must_use]
    pub fn spool(self: &Arc<Room>) -> Spool {
        Spool {
            room: self.clone(),
            memory: Mutex::default(),
            file: OnceLock::new(),
            held: AtomicU64::new(0),
        }
    }

    fn file(&self) -> io::Result<Sealed> {
        let name = base32(&random::<16>(self.entropy.as_ref()));
        let path = self.folder.join(name);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        // Nobody else needs its name, and what a crash leaves is nothing.
        fs::remove_file(&path)?;
        Ok(Sealed {
            file,
            key: Zeroizing::new(random(self.entropy.as_ref())),
        })
    }
}

fn take(room: &AtomicU64, bytes: u64) -> bool {
    room.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes))
        .is_ok()
}

/// A file that only this process can read.
#[derive(Debug)]
struct Sealed {
    file: File,
    key: Zeroizing<[u8; 32]>,
}

/// The waiting bytes of one share.
#[derive(Debug)]
pub struct Spool {
    room: Arc<Room>,
    /// Pieces by place; they don't overlap.
    memory: Mutex<BTreeMap<u64, Bytes>>,
    /// What had no room there.
    file: OnceLock<Sealed>,
    /// Bytes of the disk's room that it holds.
    held: AtomicU64,
}

impl Spool {
    /// Keeps bytes in memory, in place of what was there; false if all spools together have no room for them. `bytes` hold no more memory than their
    /// length.
    #[must_use]
    pub fn keep(&self, at: u64, bytes: &Bytes) -> bool {
        self.free_memory(&(at..at + bytes.len() as u64));
        let room = take(&self.room.memory, bytes.len() as u64 + PIECE);
        if room {
            self.pieces().insert(at, bytes.clone());
        }
        room
    }

    /// Keeps bytes in the file, in place of what was there; `OutOfMemory` if all spools together are full. Waits for the disk.
    pub fn write(&self, at: u64, bytes: &[u8]) -> io::Result<()> {
        let len = bytes.len() as u64;
        self.free_memory(&(at..at + len));
        if !take(&self.room.disk, len) {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        self.held.fetch_add(len, Ordering::Relaxed);
        if self.file.get().is_none() {
            // One write at a time changes a share: nobody else makes it.
            drop(self.file.set(self.room.file()?));
        }
        let sealed = self.file.get().expect("it was just made");
        let mut block = [0; BLOCK];
        let mut at = at;
        for piece in bytes.chunks(BLOCK) {
            let block = &mut block[..piece.len()];
            block.copy_from_slice(piece);
            apply(&sealed.key, at, block);
            sealed.file.write_all_at(block, at)?;
            at += piece.len() as u64;
        }
        Ok(())
    }

    /// Bytes that are kept. Waits for the disk if some are there.
    pub fn read(&self, range: Range<u64>) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(range.end - range.start).map_err(io::Error::other)?];
        self.read_into(range.start, &mut bytes)?;
        Ok(bytes)
    }

    /// Whether all of a range is in memory.
    #[must_use]
    pub fn is_at_hand(&self, range: Range<u64>) -> bool {
        let pieces = self.pieces();
        let there: u64 = overlapping(&pieces, &range).map(|(_, part)| part.len() as u64).sum();
        there == range.end - range.start
    }

    fn read_into(&self, at: u64, into: &mut [u8]) -> io::Result<()> {
        let range = at..at + into.len() as u64;
        let parts: Vec<(u64, Bytes)> = overlapping(&self.pieces(), &range).collect();
        let index = |byte: u64| usize::try_from(byte - at).expect("the buffer is in memory");
        let mut from = at;
        for (place, part) in parts {
            self.read_file(from, &mut into[index(from)..index(place)])?;
            from = place + part.len() as u64;
            into[index(place)..index(from)].copy_from_slice(&part);
        }
        self.read_file(from, &mut into[index(from)..])
    }

    fn read_file(&self, at: u64, into: &mut [u8]) -> io::Result<()> {
        if into.is_empty() {
            return Ok(());
        }
        let sealed = self.file.get().ok_or(io::ErrorKind::UnexpectedEof)?;
        sealed.file.read_exact_at(into, at)?;
        apply(&sealed.key, at, into);
        Ok(())
    }

    /// These bytes wait no longer: their place is free.
    pub fn free(&self, range: Range<u64>) {
        let in_memory = self.free_memory(&range);
        let in_file = range.end - range.start - in_memory;
        if let Some(Sealed { file, .. }) = self.file.get() {
            let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
            // A file system that can't do it keeps them until the share is done.
            if fallocate(file, hole, range.start, range.end - range.start).is_ok() {
                self.give_back(in_file);
            }
        }
    }

    /// Answers how many of them were in memory.
    fn free_memory(&self, range: &Range<u64>) -> u64 {
        let mut pieces = self.pieces();
        let gone: Vec<(u64, u64)> = overlapping(&pieces, range)
            .map(|(at, part)| (at, part.len() as u64))
            .collect();
        for (at, len) in &gone {
            let (from, piece) = pieces
                .range(..=*at)
                .next_back()
                .map(|(from, piece)| (*from, piece.clone()))
                .expect("it was just seen");
            let index = |byte: u64| usize::try_from(byte - from).expect("a piece is in memory");
            pieces.remove(&from);
            let rest = [
                (from, piece.slice(..index(*at))),
                (at + len, piece.slice(index(at + len)..)),
            ];
            let mut parts = 0;
            for (at, rest) in rest.into_iter().filter(|(_, rest)| !rest.is_empty()) {
                // What stays holds the memory of no more than itself.
                pieces.insert(at, Bytes::copy_from_slice(&rest));
                parts += 1;
            }
            self.room.memory.fetch_add(len + PIECE, Ordering::Relaxed);
            self.room.memory.fetch_sub(PIECE * parts, Ordering::Relaxed);
        }
        gone.iter().map(|(_, len)| len).sum()
    }

    fn pieces(&self) -> MutexGuard<'_, BTreeMap<u64, Bytes>> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn give_back(&self, len: u64) {
        let held = self.held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |held| {
            Some(held.saturating_sub(len))
        });
        let held = held.unwrap_or_else(|held| held);
        self.room.disk.fetch_add(len.min(held), Ordering::Relaxed);
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        self.free_memory(&(0..u64::MAX));
        self.give_back(u64::MAX);
    }
}

/// The parts of pieces within a range, in order.
fn overlapping<'p>(
    pieces: &'p BTreeMap<u64, Bytes>,
    range: &Range<u64>,
) -> impl Iterator<Item = (u64, Bytes)> + use<'p> {
    let Range { start, end } = *range;
    let before = pieces.range(..=start).next_back().map_or(start, |(at, _)| *at);
    let near = pieces.range(before..end);
    near.filter_map(move |(at, piece)| {
        let (from, to) = (start.max(*at), end.min(at + piece.len() as u64));
        let index = |byte: u64| usize::try_from(byte - at).expect("a piece is in memory");
        (from < to).then(|| (from, piece.slice(index(from)..index(to))))
    })
}

/// Adds the keystream from byte `at` on, or takes it away.
fn apply(key: &[u8; 32], at: u64, bytes: &mut [u8]) {
    let mut stream = blake3::Hasher::new_keyed(key).finalize_xof();
    stream.set_position(at);
    let mut pad = [0; 4096];
    for piece in bytes.chunks_mut(pad.len()) {
        let pad = &mut pad[..piece.len()];
        stream.fill(pad);
        piece.iter_mut().zip(pad).for_each(|(byte, pad)| *byte ^= *pad);
    }
}

/// Reads a range of a spool in order, for whoever wants a reader.
#[derive(Debug)]
pub struct Outflow {
    spool: Arc<Spool>,
    left: Range<u64>,
}

impl Outflow {
    /// The bytes of a range, all of which are kept.
    #[must_use]
    pub fn new(spool: Arc<Spool>, range: Range<u64>) -> Outflow {
        Outflow { spool, left: range }
    }
}

impl io::Read for Outflow {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let len = (self.left.end - self.left.start).min(into.len() as u64);
        let len = usize::try_from(len).expect("not more than the buffer has");
        self.spool.read_into(self.left.start, &mut into[..len])?;
        self.left.start += len as u64;
        Ok(len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SystemEntropy;
    use std::io::Read;

    fn room(memory: u64, disk: u64) -> (tempfile::TempDir, Arc<Room>) {
        let folder = tempfile::tempdir().unwrap();
        let room = Room::open(folder.path(), Arc::new(SystemEntropy), memory, disk).unwrap();
        (folder, Arc::new(room))
    }

    fn ramp(range: Range<u64>) -> Vec<u8> {
        range.map(|byte| u8::try_from(byte % 251).expect("below 251")).collect()
    }

    fn keep(spool: &Spool, range: Range<u64>) {
        let bytes = Bytes::from(ramp(range.clone()));
        if !spool.keep(range.start, &bytes) {
            spool.write(range.start, &bytes).unwrap();
        }
    }

    #[test]
    fn bytes_come_back_from_memory_from_a_file_and_from_both() {
        for memory in [0, 300, 10_000] {
            let (_folder, room) = room(memory, 10_000);
            let spool = room.spool();
            keep(&spool, 50..90);
            keep(&spool, 0..50);
            keep(&spool, 90..400);
            assert_eq!(spool.read(0..400).unwrap(), ramp(0..400));
            assert_eq!(spool.is_at_hand(0..400), memory == 10_000);
            spool.free(0..70);
            assert_eq!(spool.read(70..400).unwrap(), ramp(70..400));
            let mut read = Vec::new();
            Outflow::new(Arc::new(spool), 71..399).read_to_end(&mut read).unwrap();
            assert_eq!(read, ramp(71..399));
            assert_eq!(room.memory.load(Ordering::Relaxed), memory);
            assert_eq!(room.disk.load(Ordering::Relaxed), 10_000);
        }
    }

    #[test]
    fn what_comes_again_takes_the_place_of_what_was_there() {
        for memory in [0, 200, 10_000] {
            let (_folder, room) = room(memory, 10_000);
            let spool = room.spool();
            for (at, byte) in [(0, 1), (20, 2), (10, 3)] {
                let bytes = Bytes::from(vec![byte; 30]);
                if !spool.keep(at, &bytes) {
                    spool.write(at, &bytes).unwrap();
                }
            }
            let expected = [[1; 10].as_slice(), &[3; 30], &[2; 10]].concat();
            assert_eq!(spool.read(0..50).unwrap(), expected, "{memory}");
            drop(spool);
            assert_eq!(room.memory.load(Ordering::Relaxed), memory);
        }
    }

    #[test]
    fn a_file_says_nothing_of_what_is_in_it() {
        let (_folder, room) = room(0, 10_000);
        let spool = room.spool();
        spool.write(0, &[0; 4096]).unwrap();
        let mut raw = [0; 4096];
        spool.file.get().unwrap().file.read_exact_at(&mut raw, 0).unwrap();
        let zeros: usize = raw.iter().map(|byte| usize::from(*byte == 0)).sum();
        assert!(zeros < 100);
    }

    #[test]
    fn all_spools_share_one_bound_and_give_their_room_back() {
        let (_folder, room) = room(0, 1000);
        let spool = room.spool();
        spool.write(0, &[1; 900]).unwrap();
        assert_eq!(
            room.spool().write(0, &[1; 200]).unwrap_err().kind(),
            io::ErrorKind::OutOfMemory
        );
        spool.free(0..500);
        room.spool().write(0, &[1; 600]).unwrap();
        drop(spool);
        assert_eq!(room.disk.load(Ordering::Relaxed), 1000);
    }

    #[test]
    fn small_pieces_count_for_what_they_take() {
        let (_folder, room) = room(10 * (1 + PIECE), 0);
        let spool = room.spool();
        let kept = (0..20).filter(|at| spool.keep(*at, &Bytes::from(vec![1]))).count();
        assert_eq!(kept, 10);
    }
}
