//! A plain folder as a storage provider.
//!
//! ```text
//! immutable/ab/abcd…/7    a share, whole      mutable/ab/abcd…    a slot, whole      incoming/RANDOM    what isn't finished
//! ```
//!
//! Everything that is visible came there by one rename of a file that was synced before; the folder is synced after. A slot's change is a new
//! file, so that readers of the old one go on undisturbed; of a long slot the unchanged bytes are copied by the kernel.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use tokio::task::spawn_blocking;

use super::id::{StorageIndex, base32, share_number};
use super::provider::{Answer, Change, Incoming, Object, Place, StorageProvider, Trouble, VersionId};
use crate::entropy::{Entropy, random};

/// Read and write by the owner only.
const OWNER_ONLY: u32 = 0o600;

/// A folder that holds shares.
#[derive(Clone, Debug)]
pub struct Folder {
    root: Arc<Path>,
    entropy: Arc<dyn Entropy>,
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
        })
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
        make(above)?;
        fs::rename(from, &to)?;
        sync(above)
    }

    fn changed(&self, place: Place, change: &Change) -> io::Result<Arc<dyn Object>> {
        let (file, path) = self.fresh()?;
        let written = self.write_change(&file, &path, place, change);
        if written.is_err() {
            drop(fs::remove_file(&path));
        }
        written?;
        opened(file)
    }

    fn write_change(&self, file: &File, path: &Path, place: Place, change: &Change) -> io::Result<()> {
        let current = match open_file(&self.path(place))? {
            Some(file) => Some(version_of(&file.metadata()?)),
            None => None,
        };
        if change.base.as_ref().map(|base| base.version()) != current {
            return Err(io::Error::other("the slot was changed by somebody else"));
        }
        if change.base.is_some() {
            fs::copy(self.path(place), path)?;
        }
        file.set_len(change.len)?;
        for (at, bytes) in &change.patches {
            file.write_all_at(bytes, *at)?;
        }
        self.publish(file, path, place)
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
        self.work(move |folder| {
            let file = open_file(&folder.path(place))?;
            file.map(|file| opened(Arc::new(file))).transpose()
        })
    }

    fn begin(&self, index: StorageIndex, number: u8, len: u64) -> Answer<'_, Box<dyn Incoming>> {
        self.work(move |folder| {
            let (file, path) = folder.fresh()?;
            file.set_len(len)?;
            Ok(Box::new(Unfinished {
                folder: folder.clone(),
                place: Place::Share(index, number),
                file,
                path: Some(path),
            }) as Box<dyn Incoming>)
        })
    }

    fn change(&self, place: Place, change: Change) -> Answer<'_, Arc<dyn Object>> {
        self.work(move |folder| folder.changed(place, &change))
    }

    fn remove(&self, place: Place) -> Answer<'_, ()> {
        self.work(move |folder| {
            let path = folder.path(place);
            if unless_missing(fs::remove_file(&path))?.is_some() {
                sync(path.parent().expect("a place lies in a folder"))?;
            }
            Ok(())
        })
    }

    fn space(&self) -> Answer<'_, Option<u64>> {
        self.work(move |folder| {
            let stat = rustix::fs::statvfs(&*folder.root)?;
            Ok(Some(stat.f_bavail.saturating_mul(stat.f_frsize)))
        })
    }
}

/// A file that is open for reading.
#[derive(Debug)]
struct Opened {
    file: Arc<File>,
    len: u64,
    version: VersionId,
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
        let file = self.file.clone();
        Box::pin(blocking(move || read_at(&file, range)))
    }
}

/// A share's file while it is written.
#[derive(Debug)]
struct Unfinished {
    folder: Folder,
    place: Place,
    file: Arc<File>,
    /// Where it is, until it is published.
    path: Option<PathBuf>,
}

impl Incoming for Unfinished {
    fn write(&mut self, at: u64, bytes: Bytes) -> Answer<'_, ()> {
        let file = self.file.clone();
        Box::pin(blocking(move || file.write_all_at(&bytes, at)))
    }

    fn holds(&mut self, at: u64, bytes: Bytes) -> Answer<'_, bool> {
        let file = self.file.clone();
        Box::pin(blocking(move || {
            Ok(read_at(&file, at..at + bytes.len() as u64)? == bytes)
        }))
    }

    fn advance(&mut self, _: u64) -> Answer<'_, ()> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn finish(mut self: Box<Self>) -> BoxFuture<'static, Result<(), Trouble>> {
        Box::pin(blocking(move || {
            let path = self.path.take().expect("it is finished once");
            let published = self.folder.publish(&self.file, &path, self.place);
            if published.is_err() {
                self.path = Some(path);
            }
            published
        }))
    }

    fn abandon(self: Box<Self>) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            let away = blocking(move || {
                drop(self);
                Ok(())
            });
            // What can't be removed goes at the next start.
            drop(away.await);
        })
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(path) = self.path.take() {
            // What can't be removed goes at the next start.
            drop(fs::remove_file(path));
        }
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> Result<T, Trouble> {
    let done = spawn_blocking(work)
        .await
        .unwrap_or_else(|panic| Err(io::Error::other(panic)));
    done.map_err(|error| Trouble(format!("the node's folder: {error}")))
}

fn opened(file: Arc<File>) -> io::Result<Arc<dyn Object>> {
    let metadata = file.metadata()?;
    Ok(Arc::new(Opened {
        len: metadata.len(),
        version: version_of(&metadata),
        file,
    }))
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
    let mut bytes = vec![0; len];
    file.read_exact_at(&mut bytes, range.start)?;
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
