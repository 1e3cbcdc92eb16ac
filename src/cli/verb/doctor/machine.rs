//! What can be seen on this machine: rights of files, the key, disks.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::super::super::Context;
use super::super::super::ground;
use super::{Finding, fine, mend, note};
use crate::cloud_set::{OptionValue, Reference};
use crate::config::Config;

/// Rights of the files, and whether the key is where it should be.
pub(super) fn findings(config: &Config, context: &Context) -> Vec<Finding> {
    let mut found = vec![rights("config", &config.path, 0o022, "chmod go-w", context)];
    found.extend(
        config
            .warnings
            .iter()
            .map(|warning| note("config", warning, "raic config check")),
    );
    found.push(match (&config.key, ground::secret(config, &context.env)) {
        (_, Err(failure)) => mend(
            "key",
            failure.sentence(),
            "raic key import  brings it back from the recovery sheet",
        ),
        (Reference::File(path), Ok(_)) => rights("key", path, 0o077, "chmod go-rwx", context),
        (Reference::Env(_) | Reference::Command(_), Ok(_)) => fine("key", "it can be fetched"),
    });
    let state = ground::state_folder(config, &context.env)
        .ok()
        .filter(|folder| folder.exists());
    if let Some(folder) = state {
        found.push(rights("state", &folder, 0o077, "chmod go-rwx", context));
    }
    found
}

/// The disk of each provider that is a folder of this machine. A folder that isn't there yet lies on the disk of the one above it.
pub(super) fn disks(config: &Config) -> BTreeMap<String, String> {
    let mut disks = BTreeMap::new();
    for profile in config.set.providers.iter().filter(|profile| profile.scheme == "fs") {
        let Some(OptionValue::Literal(root)) = profile.options.get("root") else {
            continue;
        };
        let there = Path::new(root).ancestors().find_map(|folder| folder.metadata().ok());
        if let Some(meta) = there {
            disks.insert(profile.name.clone(), format!("device {}", meta.dev()));
        }
    }
    disks
}

fn rights(check: &'static str, path: &Path, forbidden: u32, remedy: &str, context: &Context) -> Finding {
    let shown = context.env.shown(path);
    match path.metadata() {
        Err(error) => mend(
            check,
            format!("{shown}: {error}"),
            "raic config path  says which file is used",
        ),
        Ok(meta) if meta.mode() & forbidden != 0 => {
            let what = format!("{shown} can be used by others (mode {:04o})", meta.mode() & 0o7777);
            mend(check, what, format!("{remedy} {shown}"))
        }
        Ok(_) => fine(check, format!("{shown} is yours alone")),
    }
}
