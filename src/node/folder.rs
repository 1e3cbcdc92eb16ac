//! A plain folder as a storage provider.
//!
//! ```text
//! immutable/ab/abcd…/7    a share, whole      mutable/ab/abcd…    a slot, whole      incoming/RANDOM    what isn't finished
//! ```
//!
//! Everything that is visible came there by one rename of a file that was synced before; the folder is synced after. A slot's change is a new
//! file, so that readers of the old one go on undisturbed; of a long slot the unchanged bytes are copied by the kernel. What is short is held in
//! memory, unfinished or open, so that a share or a change of it costs one turn on a thread that may wait; of what is long, a [`Cache`] keeps what was read.

mod arriving;

use std::any::Any;
use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use rustix::buffer::spare_capacity;
use rustix::io::{Errno, pread};
use tokio::task::{JoinError, spawn_blocking};

use super::cache::{Cache, Origin};
use super::id::{StorageIndex, base32, share_number};
use super::provider::{Answer, Change, Incoming, Object, Place, STEP, StorageProvider, Trouble, VersionId};
use crate::entropy::{Entropy, random};
use arriving::{Unfinished, WAITS, Waiting};

/// Read and write by the owner only.
const OWNER_ONLY: u32 = 0o600;

/// Slots and shares up to this length are in memory while they are open.
const SHORT: u64 = 64 << 10;

/// Shares that stay open.
const MOST_OPEN: usize = 256;

/// Bytes that are asked for at once only by whoever reads on: they go past the cache, which the kernel's own is enough for.
const STREAMED: u64 = STEP;

/// Bytes of long ones that are kept in memory for whoever reads them next.
const CACHE: u64 = 64 << 20;

/// A folder that holds shares.
#[derive(Clone, Debug)]
pub struct Folder {
    root: Arc<Path>,
    entropy: Arc<dyn Entropy>,
    cache: Arc<Cache>,
    /// Shares of buckets that were read lately: they never change.
    open: Arc<Mutex<HashMap<Place, Arc<dyn Object>>>>,
    /// Long files that were opened.
    opened: Arc<AtomicU64>,
}

impl Folder {
    /// The folder at `root`, made if it isn't there. What earlier runs left unfinished goes. One process uses it at a time.
    pub fn open(root: &Path, entropy: Arc<dyn Entropy>) -> io::Result<Folder> {
        for part in ["immutable", "mutable", "incoming"] {
            make(&root.join(part))?;
        }
        for left in fs::read_dir(root.join("incoming"))? {
            fs::remove_file(left?.path())?;
        }
        Ok(Folder {
            root: root.into(),
            entropy,
            cache: Arc::new(Cache::new(CACHE)),
            open: Arc::default(),
            opened: Arc::default(),
        })
    }

    fn next_name(&self) -> VersionId {
        let mut name = [0; 32];
        name[..8].copy_from_slice(&self.opened.fetch_add(1, Ordering::Relaxed).to_le_bytes());
        VersionId(name)
    }

    fn known(&self) -> MutexGuard<'_, HashMap<Place, Arc<dyn Object>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn path(&self, place: Place) -> PathBuf {
        match place {
            Place::Share(index, number) => self.bucket(index).join(number.to_string()),
            Place::Slot(index) => self.fanned("mutable", index),
        }
    }

    fn bucket(&self, index: StorageIndex) -> PathBuf {
        self.fanned("immutable", index)
    }

    fn fanned(&self, kind: &str, index: StorageIndex) -> PathBuf {
        let name = index.to_string();
        self.root.join(kind).join(&name[..2]).join(&name)
    }

    /// A new file that nobody sees yet.
    fn fresh(&self) -> io::Result<(Arc<File>, PathBuf)> {
        let name = base32(&random::<16>(self.entropy.as_ref()));
        let path = self.root.join("incoming").join(name);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(OWNER_ONLY)
            .open(&path)?;
        Ok((Arc::new(file), path))
    }

    /// Makes a finished file visible.
    fn publish(&self, file: &File, from: &Path, place: Place) -> io::Result<()> {
        file.sync_all()?;
        let to = self.path(place);
        let above = to.parent().expect("a place lies in a folder");
        match fs::rename(from, &to) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                make(above)?;
                fs::rename(from, &to)?;
            }
            renamed => renamed?,
        }
        sync(above)
    }

    /// Writes a file by `write` and makes it visible; nothing of it stays if that fails.
    fn publish_new(&self, place: Place, write: impl FnOnce(&File) -> io::Result<()>) -> io::Result<Arc<File>> {
        let (file, path) = self.fresh()?;
        let published = write(&file).and_then(|()| self.publish(&file, &path, place));
        if published.is_err() {
            drop(fs::remove_file(&path));
        }
        published.map(|()| file)
    }

    fn changed(&self, place: Place, change: &Change) -> io::Result<Arc<dyn Object>> {
        let path = self.path(place);
        let current = unless_missing(fs::metadata(&path))?.map(|metadata| version_of(&metadata));
        if change.base.as_ref().map(|base| base.version()) != current {
            return Err(io::Error::other("the slot was changed by somebody else"));
        }
        if let Some(bytes) = image(change) {
            let file = self.publish_new(place, |file| file.write_all_at(&bytes, 0))?;
            return Ok(held(&file.metadata()?, bytes));
        }
        let file = self.publish_new(place, |file| {
            if change.base.is_some() {
                io::copy(&mut File::open(&path)?, &mut &*file)?;
            }
            file.set_len(change.len)?;
            change
                .patches
                .iter()
                .try_for_each(|(at, bytes)| file.write_all_at(bytes, *at))
        })?;
        self.opened(file)
    }

    fn opened(&self, file: Arc<File>) -> io::Result<Arc<dyn Object>> {
        let metadata = file.metadata()?;
        let len = metadata.len();
        if len <= SHORT {
            let bytes = read_at(&file, 0..len)?;
            return Ok(held(&metadata, bytes));
        }
        Ok(Arc::new(Opened {
            len,
            version: version_of(&metadata),
            bytes: Kept::File(Long {
                file,
                cache: self.cache.clone(),
                name: self.next_name(),
            }),
        }))
    }

    /// Runs what waits for the disk where waiting is allowed.
    fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Folder) -> io::Result<T> + Send + 'static,
    ) -> Answer<'static, T> {
        let folder = self.clone();
        Box::pin(async move { blocking(move || work(&folder)).await })
    }
}

impl StorageProvider for Folder {
    fn shares(&self, index: StorageIndex) -> Answer<'_, BTreeMap<u8, u64>> {
        self.work(move |folder| {
            let mut shares = BTreeMap::new();
            let Some(entries) = unless_missing(fs::read_dir(folder.bucket(index)))? else {
                return Ok(shares);
            };
            for entry in entries {
                let entry = entry?;
                if let Some(number) = entry.file_name().to_str().and_then(share_number) {
                    shares.insert(number, entry.metadata()?.len());
                }
            }
            Ok(shares)
        })
    }

    fn open(&self, place: Place) -> Answer<'_, Option<Arc<dyn Object>>> {
        if let Some(object) = self.known().get(&place) {
            return Box::pin(std::future::ready(Ok(Some(object.clone()))));
        }
        self.work(move |folder| {
            let file = open_file(&folder.path(place))?;
            let object = file.map(|file| folder.opened(Arc::new(file))).transpose()?;
            if let (Place::Share(..), Some(object)) = (place, &object) {
                let mut known = folder.known();
                if known.len() >= MOST_OPEN {
                    known.clear();
                }
                known.insert(place, object.clone());
            }
            Ok(object)
        })
    }

    fn begin(&self, index: StorageIndex, number: u8, len: u64) -> Answer<'_, Box<dyn Incoming>> {
        let place = Place::Share(index, number);
        if len <= WAITS {
            let waiting = Waiting::new(self.clone(), place, len);
            return Box::pin(std::future::ready(Ok(Box::new(waiting) as Box<dyn Incoming>)));
        }
        self.work(move |folder| Ok(Box::new(Unfinished::new(folder, place, len)?) as Box<dyn Incoming>))
    }

    fn change(&self, place: Place, change: Change) -> Answer<'_, Arc<dyn Object>> {
        self.work(move |folder| folder.changed(place, &change))
    }

    fn remove(&self, place: Place) -> Answer<'_, ()> {
        self.work(move |folder| {
            let path = folder.path(place);
            let removed = unless_missing(fs::remove_file(&path))?;
            folder.known().remove(&place);
            if removed.is_some() {
                sync(path.parent().expect("a place lies in a folder"))?;
            }
            Ok(())
        })
    }

    /// Whether the disk still reads it: a folder holds nothing twice.
    fn examine(&self, place: Place) -> Answer<'_, Option<String>> {
        self.work(move |folder| {
            let read = open_file(&folder.path(place)).and_then(|file| match file {
                Some(mut file) => io::copy(&mut file, &mut io::sink()).map(drop),
                None => Ok(()),
            });
            Ok(read.err().map(|error| error.to_string()))
        })
    }

    fn space(&self) -> Answer<'_, Option<u64>> {
        self.work(move |folder| {
            let stat = rustix::fs::statvfs(&*folder.root)?;
            Ok(Some(stat.f_bavail.saturating_mul(stat.f_frsize)))
        })
    }
}

/// A version that is open for reading.
#[derive(Debug)]
struct Opened {
    len: u64,
    version: VersionId,
    bytes: Kept,
}

#[derive(Debug)]
enum Kept {
    Memory(Bytes),
    File(Long),
}

/// A file that is read through the cache.
#[derive(Debug)]
struct Long {
    file: Arc<File>,
    cache: Arc<Cache>,
    /// In the cache: a file's number and times may come again when it is gone.
    name: VersionId,
}

impl Object for Opened {
    fn len(&self) -> u64 {
        self.len
    }

    fn version(&self) -> VersionId {
        self.version
    }

    fn read(&self, range: Range<u64>) -> Answer<'_, Bytes> {
        assert!(
            range.start <= range.end && range.end <= self.len,
            "{range:?} of {}",
            self.len
        );
        match &self.bytes {
            Kept::Memory(bytes) => Box::pin(std::future::ready(
                Ok(bytes.slice(index(range.start)..index(range.end))),
            )),
            Kept::File(long) if range.end - range.start >= STREAMED => {
                let file = long.file.clone();
                Box::pin(blocking(move || read_at(&file, range)))
            }
            Kept::File(long) => Box::pin(async move { long.cache.read(&Through(long, self.len), range).await }),
        }
    }
}

/// What the cache reads: a file with its length.
struct Through<'a>(&'a Long, u64);

impl Origin for Through<'_> {
    fn version(&self) -> VersionId {
        self.0.name
    }

    fn len(&self) -> u64 {
        self.1
    }

    fn fetch(&self, range: Range<u64>) -> Answer<'_, Bytes> {
        let file = self.0.file.clone();
        Box::pin(blocking(move || read_at(&file, range)))
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> Result<T, Trouble> {
    told(spawn_blocking(work).await)
}

fn told<T>(done: Result<io::Result<T>, JoinError>) -> Result<T, Trouble> {
    let done = done.unwrap_or_else(|panic| Err(io::Error::other(panic)));
    done.map_err(|error| Trouble(format!("the node's folder: {error}")))
}

/// A short version.
fn held(metadata: &fs::Metadata, bytes: Bytes) -> Arc<dyn Object> {
    Arc::new(Opened {
        len: bytes.len() as u64,
        version: version_of(metadata),
        bytes: Kept::Memory(bytes),
    })
}

/// All bytes of the version that a change makes, if it and its base are short.
fn image(change: &Change) -> Option<Bytes> {
    let opened = |base: &Arc<dyn Object>| match &(base.as_ref() as &dyn Any).downcast_ref::<Opened>()?.bytes {
        Kept::Memory(bytes) => Some(bytes.clone()),
        Kept::File(_) => None,
    };
    let old = change.base.as_ref().map_or(Some(Bytes::new()), opened)?;
    (change.len <= SHORT).then(|| change.image(&old))
}

/// Of what is in memory: where.
fn index(at: u64) -> usize {
    usize::try_from(at).expect("what is short fits memory")
}

/// A slot's change is another file, so the file's number and its last change tell versions apart.
fn version_of(metadata: &fs::Metadata) -> VersionId {
    let mut id = [0; 32];
    let numbers = [
        metadata.ino(),
        metadata.dev(),
        metadata.mtime().cast_unsigned(),
        metadata.mtime_nsec().cast_unsigned(),
    ];
    for (part, number) in id.chunks_exact_mut(8).zip(numbers) {
        part.copy_from_slice(&number.to_le_bytes());
    }
    VersionId(id)
}

fn read_at(file: &File, range: Range<u64>) -> io::Result<Bytes> {
    let len = usize::try_from(range.end - range.start).map_err(io::Error::other)?;
    // Not zeroed first: a long piece would pass through the memory twice.
    let mut bytes = Vec::with_capacity(len);
    while bytes.len() < len {
        let at = range.start + bytes.len() as u64;
        match pread(file, spare_capacity(&mut bytes), at) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => {}
            Err(error) if error == Errno::INTR => {}
            Err(error) => return Err(error.into()),
        }
    }
    bytes.truncate(len);
    Ok(bytes.into())
}

fn open_file(path: &Path) -> io::Result<Option<File>> {
    unless_missing(File::open(path))
}

fn unless_missing<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Makes a folder and those above it, for the owner alone, and syncs what is new.
fn make(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    path.ancestors().skip(1).take(2).try_for_each(sync)
}

fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
