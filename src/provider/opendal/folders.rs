//! The folders that a blob's key names, where a service really has folders.
//!
//! On a disk, OpenDAL syncs the file before the rename, but neither the folder that gets the new name nor the folders made on
//! the way: after a power cut an acknowledged blob could be nameless. So the folder is synced after each change, and the
//! folders above it once, when this process first uses it. And as a write of OpenDAL's takes ten turns between threads, a
//! blob gets onto a disk here, in one: staged, synced, renamed, its folder synced.
//!
//! On WebDAV a parent must exist before a write. Asking for it each time costs a request a level, and Apache answers 403 to
//! one of two that make the same folder at once. So each is made once, by one call at a time.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use opendal::{ErrorKind, Operator};

/// Folders that are remembered: RAIC's keys have 1,024 at two levels; what is forgotten is only made or synced once more.
const MOST_KNOWN: usize = 8_192;

/// How a service has folders.
#[derive(Debug)]
pub(super) enum Folders {
    /// They are names only, or the service makes them well by itself.
    Implied,
    /// A disk below this folder.
    OnDisk(Arc<Disk>),
    /// They are made by request.
    Made {
        known: Mutex<BTreeSet<String>>,
        making: tokio::sync::Mutex<()>,
    },
}

#[derive(Debug)]
pub(super) struct Disk {
    root: PathBuf,
    known: Mutex<BTreeSet<String>>,
}

impl Folders {
    pub(super) fn on_disk(root: &str) -> Folders {
        Folders::OnDisk(Arc::new(Disk {
            root: PathBuf::from(root),
            known: Mutex::default(),
        }))
    }

    pub(super) fn made() -> Folders {
        Folders::Made {
            known: Mutex::default(),
            making: tokio::sync::Mutex::default(),
        }
    }

    /// Before a write: the folder of `key` is there.
    pub(super) async fn make(&self, operator: &Operator, key: &str) -> opendal::Result<()> {
        let (Folders::Made { known, making }, Some(folder)) = (self, folder(key)) else {
            return Ok(());
        };
        if lock(known).contains(folder) {
            return Ok(());
        }
        let _one_at_a_time = making.lock().await;
        if lock(known).contains(folder) {
            return Ok(());
        }
        let path = format!("{folder}/");
        if let Err(error) = operator.create_dir(&path).await {
            // Another process may have made it, or one above it, in the same moment.
            let raced = operator.stat(&path).await.is_ok();
            if !raced && (error.kind() != ErrorKind::PermissionDenied || operator.create_dir(&path).await.is_err()) {
                return Err(error);
            }
        }
        remember(known, folder);
        Ok(())
    }

    /// After a failed write: the folder of `key` may have been removed behind our back.
    pub(super) fn forget(&self, key: &str) {
        if let (Folders::Made { known, .. }, Some(folder)) = (self, folder(key)) {
            lock(known).remove(folder);
        }
    }

    /// After a change: `key` is durably there, or, when it was deleted, durably away.
    pub(super) async fn settle(&self, key: &str, deleted: bool) -> io::Result<()> {
        let Folders::OnDisk(disk) = self else {
            return Ok(());
        };
        let (disk, key) = (Arc::clone(disk), key.to_owned());
        let synced = tokio::task::spawn_blocking(move || disk.sync(folder(&key).unwrap_or_default()));
        match synced.await.map_err(io::Error::other)? {
            // The folder went too: there is no entry left to make durable.
            Err(error) if deleted && error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    /// The disk, where there is one.
    pub(super) fn disk(&self) -> Option<&Arc<Disk>> {
        match self {
            Folders::OnDisk(disk) => Some(disk),
            Folders::Implied | Folders::Made { .. } => None,
        }
    }

    /// The folder of the whole provider is there; true where it can't be told.
    pub(super) fn has_root(&self) -> bool {
        match self {
            Folders::OnDisk(disk) => disk.root.is_dir(),
            Folders::Implied | Folders::Made { .. } => true,
        }
    }
}

/// What became of a blob that is under its name now.
#[derive(Debug)]
pub(super) struct Named {
    /// Bytes that the disk says it has.
    pub(super) len: u64,
    /// Whether its name outlasts a power cut.
    pub(super) settled: io::Result<()>,
}

impl Disk {
    /// Makes `body` the blob `key`, synced under `temporary` first. After an error it isn't, and nothing is left under `temporary`.
    pub(super) async fn store(self: &Arc<Disk>, temporary: String, key: String, body: Bytes) -> io::Result<Named> {
        let disk = Arc::clone(self);
        let stored = tokio::task::spawn_blocking(move || {
            let from = disk.root.join(&temporary);
            let named = disk.stage(&from, &body).and_then(|len| {
                disk.rename(&from, &key)?;
                Ok(len)
            });
            if named.is_err() {
                // It failed already; what can't be removed is swept when it is old.
                drop(fs::remove_file(&from));
            }
            Ok(Named {
                len: named?,
                settled: disk.sync(folder(&key).unwrap_or_default()),
            })
        });
        stored.await.map_err(io::Error::other)?
    }

    fn stage(&self, path: &Path, body: &[u8]) -> io::Result<u64> {
        let open = || OpenOptions::new().write(true).create(true).truncate(true).open(path);
        let mut file = self.with_folder(path, open)?;
        file.write_all(body)?;
        file.sync_all()?;
        Ok(file.metadata()?.len())
    }

    fn rename(&self, from: &Path, key: &str) -> io::Result<()> {
        let to = self.root.join(key);
        self.with_folder(&to, || fs::rename(from, &to))
    }

    /// Does something in the folder of `path`; if that isn't there, makes it and does it again. The root is never made.
    fn with_folder<T>(&self, path: &Path, act: impl Fn() -> io::Result<T>) -> io::Result<T> {
        match act() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let mut above: Vec<&Path> = path
                    .ancestors()
                    .skip(1)
                    .take_while(|above| *above != self.root)
                    .collect();
                above.reverse();
                for folder in above {
                    match fs::create_dir(folder) {
                        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                        _ => {}
                    }
                }
                act()
            }
            done => done,
        }
    }

    /// Makes the entries of `folder` durable, and on first use its own entry and those of the folders above it.
    fn sync(&self, folder: &str) -> io::Result<()> {
        if !lock(&self.known).contains(folder) {
            if let Some(above) = self.root.parent().filter(|above| !above.as_os_str().is_empty()) {
                // The root may lie in a folder that we may not read: whoever made it there answers for it.
                sync(above).unwrap_or_default();
            }
            let mut above = self.root.clone();
            for name in Path::new(folder) {
                sync(&above)?;
                above.push(name);
            }
        }
        sync(&self.root.join(folder))?;
        remember(&self.known, folder);
        Ok(())
    }
}

fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// The folder in which the blob `key` lies; `None` for one at the root.
fn folder(key: &str) -> Option<&str> {
    key.rsplit_once('/').map(|(folder, _)| folder)
}

fn lock(known: &Mutex<BTreeSet<String>>) -> MutexGuard<'_, BTreeSet<String>> {
    known.lock().unwrap_or_else(PoisonError::into_inner)
}

fn remember(known: &Mutex<BTreeSet<String>>, folder: &str) {
    let mut known = lock(known);
    if known.len() >= MOST_KNOWN {
        known.clear();
    }
    known.insert(folder.to_owned());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_folder_is_synced_with_those_above_it_and_then_known() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("a/b")).unwrap();
        let folders = Folders::on_disk(root.path().to_str().unwrap());
        folders.settle("a/b/c", false).await.unwrap();
        folders.settle("d", true).await.unwrap();
        let Folders::OnDisk(disk) = &folders else {
            unreachable!("made on disk")
        };
        assert_eq!(*lock(&disk.known), BTreeSet::from([String::new(), "a/b".to_owned()]));
    }

    #[tokio::test]
    async fn a_folder_that_went_away_matters_to_what_was_put_there_and_not_to_what_was_deleted() {
        let root = tempfile::tempdir().unwrap();
        let folders = Folders::on_disk(root.path().to_str().unwrap());
        folders.settle("gone/c", true).await.unwrap();
        let put = folders.settle("gone/c", false).await.unwrap_err();
        assert_eq!(put.kind(), io::ErrorKind::NotFound);
        assert!(folders.has_root());
        drop(root);
        assert!(!folders.has_root());
    }

    #[tokio::test]
    async fn a_root_that_went_away_is_an_error() {
        let root = tempfile::tempdir().unwrap();
        let folders = Folders::on_disk(root.path().join("away").to_str().unwrap());
        let put = folders.settle("a/c", false).await.unwrap_err();
        assert_eq!(put.kind(), io::ErrorKind::NotFound);
    }
}
