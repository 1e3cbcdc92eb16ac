//! The lock of whoever writes: one process at a time may issue generations and send fragments of a cloud set from this machine.
//!
//! It is the operating system's lock on a file in the state folder, so it ends with the process, however that ends. The number of the process
//! stands in the file, for people only.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process;

/// The file's name in the state folder.
const NAME: &str = "writer.lock";

/// The longest process number that is read, in bytes: ten digits and a line's end fit twice.
const PID_LEN: u64 = 24;

/// The lock is not ours.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process writes.
    #[error("{path} is locked by {}: another raic writes to this cloud set", Holder(*.pid))]
    Held {
        /// The lock file.
        path: String,
        /// The process that holds it, if it could be read.
        pid: Option<u32>,
    },
    /// The file can't be made or locked.
    #[error("lock file {path}")]
    Io {
        /// The lock file.
        path: String,
        /// What the system said.
        source: io::Error,
    },
}

struct Holder(Option<u32>);

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(pid) => write!(f, "process {pid}"),
            None => f.write_str("an unknown process"),
        }
    }
}

/// The lock, held until this is dropped or the process ends.
#[derive(Debug)]
pub struct WriterLock {
    file: File,
    path: PathBuf,
}

impl WriterLock {
    /// Takes the lock of the state folder `folder`, or tells at once who holds it.
    pub fn try_lock(folder: &Path) -> Result<WriterLock, LockError> {
        let path = folder.join(NAME);
        let failed = |source| LockError::Io {
            path: path.to_string_lossy().into_owned(),
            source,
        };
        let opened = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path);
        let mut file = opened.map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(LockError::Held {
                    path: path.to_string_lossy().into_owned(),
                    pid: pid_in(&mut file),
                });
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        sign(&mut file).map_err(failed)?;
        Ok(WriterLock { file, path })
    }

    /// Where the lock file is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for WriterLock {
    fn drop(&mut self) {
        // The file stays: who removed it could remove the one that another process has just locked. Closing it frees the lock anyway.
        drop(self.file.set_len(0));
    }
}

fn sign(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", process::id())
}

fn pid_in(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(PID_LEN).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_who_asks_is_told_who_holds_the_lock() {
        let folder = tempfile::tempdir().unwrap();
        let first = WriterLock::try_lock(folder.path()).unwrap();
        match WriterLock::try_lock(folder.path()) {
            Err(LockError::Held { pid, .. }) => assert_eq!(pid, Some(process::id())),
            other => panic!("{other:?}"),
        }
        drop(first);
        WriterLock::try_lock(folder.path()).unwrap();
    }

    #[test]
    fn a_folder_that_is_not_there_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("missing");
        assert!(matches!(WriterLock::try_lock(&missing), Err(LockError::Io { .. })));
    }
}
