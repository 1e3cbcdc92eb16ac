//! Reading files of the owner's: at most so long, and not if others than the owner could read or change what must be theirs.

use std::fs::{File, Metadata};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use zeroize::Zeroizing;

/// Who else may do what with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Demand {
    /// Nobody else may read or change it: it holds a secret.
    Secret,
    /// Nobody in the world may change it: it says which programs are run.
    Unchanged,
}

/// Why a file was not read.
#[derive(Debug)]
pub(super) enum Refusal {
    /// A word or two: it is missing, a folder, too long, not text.
    Unreadable(String),
    /// Its permission bits, and whether others may write.
    Open { mode: u32, written: bool },
}

/// Reads a text of at most `limit` bytes. The rights are those of the file that is read, not of another put in its place.
pub(super) fn read(path: &Path, limit: u64, demand: Demand) -> Result<Zeroizing<String>, Refusal> {
    let unreadable = |error: std::io::Error| Refusal::Unreadable(reason(&error));
    let file = File::open(path).map_err(unreadable)?;
    let meta = file.metadata().map_err(unreadable)?;
    if !meta.is_file() {
        return Err(Refusal::Unreadable("not a file".to_owned()));
    }
    check(&meta, demand)?;
    let mut bytes = Zeroizing::new(Vec::with_capacity(
        usize::try_from(meta.len().min(limit)).unwrap_or(0) + 1,
    ));
    file.take(limit + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > limit {
        return Err(Refusal::Unreadable(format!("longer than {limit} bytes")));
    }
    match std::str::from_utf8(&bytes) {
        Ok(text) => Ok(Zeroizing::new(text.to_owned())),
        Err(_) => Err(Refusal::Unreadable("not UTF-8 text".to_owned())),
    }
}

fn check(meta: &Metadata, demand: Demand) -> Result<(), Refusal> {
    let mode = meta.mode() & 0o7777;
    let (group_and_world, world_writes) = (mode & 0o077, mode & 0o002);
    let open = match demand {
        Demand::Secret => group_and_world,
        Demand::Unchanged => world_writes,
    };
    if open == 0 || is_credential(mode, meta.uid(), meta.gid()) {
        return Ok(());
    }
    let written = demand == Demand::Unchanged || mode & 0o044 == 0;
    Err(Refusal::Open { mode, written })
}

/// Whether these are the rights of a systemd credential: root's, with an access list for the one service, whose mask shows as the group's right to read.
fn is_credential(mode: u32, owner: u32, group: u32) -> bool {
    (mode & 0o7777, owner, group) == (0o440, 0, 0)
}

/// What the system said, in a few words.
pub(super) fn reason(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        kind => kind.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn only_roots_own_group_may_read_a_credential() {
        assert!(is_credential(0o440, 0, 0));
        for (mode, owner, group) in [(0o440, 1000, 0), (0o440, 0, 1000), (0o444, 0, 0), (0o460, 0, 0)] {
            assert!(!is_credential(mode, owner, group), "{mode:o} {owner} {group}");
        }
    }

    #[test]
    fn what_others_may_do_decides_whether_a_file_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        fs::write(&path, "text").unwrap();
        for (mode, demand, good) in [
            (0o600, Demand::Secret, true),
            (0o400, Demand::Secret, true),
            (0o700, Demand::Secret, true),
            (0o640, Demand::Secret, false),
            (0o604, Demand::Secret, false),
            (0o620, Demand::Secret, false),
            (0o601, Demand::Secret, false),
            (0o644, Demand::Unchanged, true),
            (0o664, Demand::Unchanged, true),
            (0o646, Demand::Unchanged, false),
        ] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let read = read(&path, 100, demand);
            assert_eq!(read.is_ok(), good, "{mode:o} {demand:?}");
            if let Err(refusal) = read {
                assert!(matches!(refusal, Refusal::Open { mode: told, .. } if told == mode));
            }
        }
    }

    #[test]
    fn a_folder_a_missing_file_one_too_long_and_one_that_is_no_text_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        let refused = |path: &Path| matches!(read(path, 4, Demand::Unchanged), Err(Refusal::Unreadable(_)));
        assert!(refused(&path));
        assert!(refused(folder.path()));
        fs::write(&path, "12345").unwrap();
        assert!(refused(&path));
        fs::write(&path, [0xff]).unwrap();
        assert!(refused(&path));
        fs::write(&path, "1234").unwrap();
        assert!(!refused(&path));
    }
}
