//! The configuration that `raic init` writes, and how files of ours take the place of older ones.

use std::fmt::Write as _;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::Path;

use super::edit::scalar;
use super::environment::Environment;
use super::error::Fault;
use super::key_file::sync_folder;
use super::rights::reason;

/// What `init` writes.
#[derive(Clone, Debug)]
pub struct Beginning<'a> {
    /// The key file, as the configuration writes it.
    pub key: &'a str,
    /// Names and folders of the providers.
    pub folders: &'a [(String, String)],
    /// Data chunks.
    pub k: u16,
    /// Parity chunks.
    pub m: u16,
}

/// A configuration over folders of this machine, with the comments that a beginner needs.
#[must_use]
pub fn init_text(beginning: &Beginning<'_>) -> String {
    let Beginning { key, folders, k, m } = beginning;
    let mut text = format!(
        "# RAIC configuration. `raic config check` validates it, `raic config show` tells what holds, `raic help config` explains it.
version: 1
key: {{ file: {} }}   # the set's key: without it nothing can be read; `raic key export` prints its recovery sheet

providers:
  # Folders of one machine: good for trying, not for safety. The first own cloud: raic provider add --help
",
        scalar(key)
    );
    for (name, folder) in *folders {
        let provider = format!(
            "  {name}:\n    scheme: fs\n    options: {{ root: {} }}\n",
            scalar(folder)
        );
        text.push_str(&provider);
    }
    let n = k + m;
    write!(
        text,
        "
policies:
  default:
    k: {k}   # any {k} of the {n} fragments read the data
    m: {m}   # so any {m} of the {n} providers may be lost
    # spread: {{ operator: {m} }}   # once the providers are of different companies
"
    )
    .expect("a string takes everything");
    text
}

/// Puts `text` in the place of the file, whole or not at all, with the rights it had (0600 if it is new). A link is followed.
pub fn save(path: &Path, text: &str, env: &Environment) -> Result<(), Fault> {
    let failed = |error: io::Error| Fault::Edit {
        why: format!("{} cannot be written: {}", env.shown(path), reason(&error)),
    };
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let before = fs::metadata(&path).ok();
    let mode = before.as_ref().map_or(0o600, |meta| meta.mode() & 0o777);
    // One process writes at a time (the editor does not ask us): a draft that is left over from a crash is replaced.
    let draft = path.with_extension("yaml.new");
    let _ = fs::remove_file(&draft);
    let write = || {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&draft)?;
        if let Some(before) = &before {
            keep_owner(&file, before)?;
        }
        // Not when it is opened: the umask would take from it.
        file.set_permissions(fs::Permissions::from_mode(mode))?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&draft, &path)?;
        sync_folder(&path)
    };
    write().map_err(|error| {
        let _ = fs::remove_file(&draft);
        failed(error)
    })
}

/// The file stays its owner's if somebody else, who may, changes it (`sudo raic provider add`).
fn keep_owner(file: &File, before: &Metadata) -> io::Result<()> {
    let now = file.metadata()?;
    if now.uid() != before.uid() {
        return fchown(file, Some(before.uid()), Some(before.gid()));
    }
    // A group that we are not in can't be given; the owner is the same, so nothing more is opened.
    let _ = fchown(file, None, Some(before.gid()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{assert_readers_agree, read};
    use super::*;

    fn folders(count: usize) -> Vec<(String, String)> {
        let names = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta"];
        let names = names.iter().take(count);
        names
            .map(|name| ((*name).to_owned(), format!("/home/ana/it's: {name} #1")))
            .collect()
    }

    #[test]
    fn what_init_writes_is_read_by_both_readers_and_holds() {
        for (count, k, m) in [(6, 4, 2), (3, 2, 1), (1, 1, 0)] {
            let folders = folders(count);
            let text = init_text(&Beginning {
                key: "~/.config/raic/key",
                folders: &folders,
                k,
                m,
            });
            assert_readers_agree(&text);
            let config = read("config.yaml", &text).unwrap();
            assert_eq!(
                (config.set.policies["default"].k, config.set.policies["default"].m),
                (k, m)
            );
            assert_eq!(config.set.providers.len(), count);
            assert_eq!(config.warnings, Vec::<String>::new());
        }
    }

    #[test]
    fn a_file_is_replaced_whole_and_keeps_its_rights() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.yaml");
        let env = Environment::default();
        save(&path, "one", &env).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(
            (fs::read_to_string(&path).unwrap().as_str(), mode(&path)),
            ("one", 0o600)
        );
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let link = folder.path().join("link.yaml");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        fs::write(folder.path().join("config.yaml.new"), "left over").unwrap();
        save(&link, "two", &env).unwrap();
        assert_eq!(
            (fs::read_to_string(&path).unwrap().as_str(), mode(&path)),
            ("two", 0o640)
        );
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
        assert!(save(&folder.path().join("no/such/x.yaml"), "x", &env).is_err());
    }
}
