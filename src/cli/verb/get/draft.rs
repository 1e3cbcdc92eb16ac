//! The file that an object becomes, beside its place until it is whole.

use std::fs::{File, FileTimes, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use crate::entropy::{Entropy, SystemEntropy};

/// A file that is not whole yet. Dropped, it goes.
#[derive(Debug)]
pub(super) struct Draft {
    file: File,
    path: PathBuf,
    target: PathBuf,
    kept: bool,
}

impl Draft {
    pub(super) fn begin(target: &Path) -> std::io::Result<Draft> {
        let folder = match target.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        std::fs::create_dir_all(folder)?;
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        let short: String = name.chars().take(40).collect();
        let path = folder.join(format!(".{short}.raic-{:016x}", SystemEntropy.number()));
        // As for any new file, the owner's mask decides who else may read it.
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o666)
            .open(&path)?;
        Ok(Draft {
            file,
            path,
            target: target.to_owned(),
            kept: false,
        })
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.file.write_all(bytes)
    }

    pub(super) fn finish(mut self, modified: i64, force: bool) -> std::io::Result<()> {
        if let Ok(nanos) = u64::try_from(modified) {
            self.file
                .set_times(FileTimes::new().set_modified(UNIX_EPOCH + Duration::from_nanos(nanos)))?;
        }
        self.file.sync_all()?;
        if force {
            std::fs::rename(&self.path, &self.target)?;
        } else {
            rename_new(&self.path, &self.target)?;
        }
        self.kept = true;
        let folder = self.path.parent().map_or(Path::new("."), |parent| parent);
        // The name outlasts a power cut where the system can do that.
        File::open(folder).and_then(|folder| folder.sync_all())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.kept {
            drop(std::fs::remove_file(&self.path));
        }
    }
}

/// Renames unless something is there, which somebody may have made meanwhile.
fn rename_new(from: &Path, to: &Path) -> std::io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Err(rustix::io::Errno::NOSYS | rustix::io::Errno::INVAL) => std::fs::rename(from, to),
        done => Ok(done?),
    }
}
