//! Where bytes of unfinished shares wait until there is an extent of them: in memory while there is room, else in a file that only this process can
//! read.
//!
//! ```text
//! share     |===== gone to the clouds =====|== waits ==|   |= waits, out of order =|      |
//! file       (a hole: takes no disk)
//! ```
//!
//! A file is encrypted under a key that is nowhere but in memory, so that what a crash leaves is noise. Its keystream is BLAKE3's extendable output,
//! which can be had from any byte on.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::{FallocateFlags, fallocate};
use zeroize::Zeroizing;

use super::id::base32;
use crate::entropy::{Entropy, random};

/// Shares up to this length wait in memory, if there is room.
const SMALL: u64 = 1 << 20;

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

    /// A spool for a share of `len` bytes.
    pub fn spool(self: &Arc<Room>, len: u64) -> io::Result<Spool> {
        let place = if len <= SMALL && take(&self.memory, len) {
            Place::Memory(Mutex::new(vec![0; usize::try_from(len).map_err(io::Error::other)?]))
        } else {
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
            Place::File(file, Zeroizing::new(random(self.entropy.as_ref())))
        };
        Ok(Spool {
            room: self.clone(),
            len,
            place,
            held: AtomicU64::new(0),
        })
    }
}

fn take(room: &AtomicU64, bytes: u64) -> bool {
    room.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes))
        .is_ok()
}

#[derive(Debug)]
enum Place {
    Memory(Mutex<Vec<u8>>),
    File(File, Zeroizing<[u8; 32]>),
}

/// The waiting bytes of one share.
#[derive(Debug)]
pub struct Spool {
    room: Arc<Room>,
    len: u64,
    place: Place,
    /// Bytes of the disk's room that it holds.
    held: AtomicU64,
}

impl Spool {
    /// Keeps bytes; `OutOfMemory` if all spools together are full. Where bytes are already, the caller brings the same.
    pub fn write(&self, at: u64, bytes: &[u8]) -> io::Result<()> {
        match &self.place {
            Place::Memory(all) => {
                let from = usize::try_from(at).map_err(io::Error::other)?;
                let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
                all[from..from + bytes.len()].copy_from_slice(bytes);
                Ok(())
            }
            Place::File(file, key) => {
                let len = bytes.len() as u64;
                if !take(&self.room.disk, len) {
                    return Err(io::ErrorKind::OutOfMemory.into());
                }
                self.held.fetch_add(len, Ordering::Relaxed);
                let mut sealed = bytes.to_vec();
                apply(key, at, &mut sealed);
                file.write_all_at(&sealed, at)
            }
        }
    }

    /// Bytes that are kept.
    pub fn read(&self, range: Range<u64>) -> io::Result<Vec<u8>> {
        let len = usize::try_from(range.end - range.start).map_err(io::Error::other)?;
        match &self.place {
            Place::Memory(all) => {
                let from = usize::try_from(range.start).map_err(io::Error::other)?;
                let all = all.lock().unwrap_or_else(PoisonError::into_inner);
                Ok(all[from..from + len].to_vec())
            }
            Place::File(file, key) => {
                let mut bytes = vec![0; len];
                file.read_exact_at(&mut bytes, range.start)?;
                apply(key, range.start, &mut bytes);
                Ok(bytes)
            }
        }
    }

    /// These bytes wait no longer: their place is free.
    pub fn free(&self, range: Range<u64>) {
        if let Place::File(file, _) = &self.place {
            let len = range.end - range.start;
            let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
            // A file system that can't do it keeps them until the share is done.
            if fallocate(file, hole, range.start, len).is_ok() {
                self.give_back(len);
            }
        }
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
        match &self.place {
            Place::Memory(_) => {
                self.room.memory.fetch_add(self.len, Ordering::Relaxed);
            }
            Place::File(..) => self.give_back(u64::MAX),
        }
    }
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
        let bytes = self.spool.read(self.left.start..self.left.start + len)?;
        into[..bytes.len()].copy_from_slice(&bytes);
        self.left.start += len;
        Ok(bytes.len())
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

    #[test]
    fn bytes_come_back_from_memory_and_from_a_file() {
        let (_folder, room) = room(100, 10_000);
        for spool in [room.spool(100).unwrap(), room.spool(100).unwrap()] {
            spool.write(50, b"later").unwrap();
            spool.write(0, b"first").unwrap();
            assert_eq!(spool.read(50..55).unwrap(), b"later");
            let mut read = Vec::new();
            Outflow::new(Arc::new(spool), 1..5).read_to_end(&mut read).unwrap();
            assert_eq!(read, b"irst");
        }
    }

    #[test]
    fn a_file_says_nothing_of_what_is_in_it() {
        let (_folder, room) = room(0, 10_000);
        let spool = room.spool(4096).unwrap();
        spool.write(0, &[0; 4096]).unwrap();
        let Place::File(file, _) = &spool.place else {
            panic!("there is no room in memory")
        };
        let mut raw = [0; 4096];
        file.read_exact_at(&mut raw, 0).unwrap();
        let zeros: usize = raw.iter().map(|byte| usize::from(*byte == 0)).sum();
        assert!(zeros < 100);
    }

    #[test]
    fn all_spools_share_one_bound_and_give_their_room_back() {
        let (_folder, room) = room(0, 1000);
        let spool = room.spool(5000).unwrap();
        spool.write(0, &[1; 900]).unwrap();
        assert_eq!(
            room.spool(10).unwrap().write(0, &[1; 200]).unwrap_err().kind(),
            io::ErrorKind::OutOfMemory
        );
        spool.free(0..500);
        room.spool(10).unwrap().write(0, &[1; 600]).unwrap();
        drop(spool);
        assert_eq!(room.disk.load(Ordering::Relaxed), 1000);
    }
}
