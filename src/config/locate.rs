//! Which file is the configuration: the first of four places that is named or there. Nothing is merged.
//!
//! ```text
//! --config FILE  >  RAIC_CONFIG  >  $XDG_CONFIG_HOME/raic/config.yaml  >  /etc/raic/config.yaml
//! ```
//!
//! The first two are demands: a file that is named and missing is an error, never a reason to take another.

use std::path::{Path, PathBuf};

use super::environment::Environment;
use super::error::{ConfigError, Fault};

/// The file that was chosen, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located {
    /// The file; it may be missing if it was named.
    pub path: PathBuf,
    /// Which rule chose it.
    pub why: Why,
}

/// The rules, the strongest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// `--config`
    Flag,
    /// `RAIC_CONFIG`
    Variable,
    /// `$XDG_CONFIG_HOME/raic/config.yaml`
    Owner,
    /// `/etc/raic/config.yaml`
    Machine,
}

impl std::fmt::Display for Why {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Why::Flag => "named by --config",
            Why::Variable => "named by RAIC_CONFIG",
            Why::Owner => "the owner's configuration",
            Why::Machine => "the machine's configuration; the owner has none",
        })
    }
}

/// Chooses the file. `exists` says whether something is there.
pub fn locate(flag: Option<&Path>, env: &Environment, exists: &dyn Fn(&Path) -> bool) -> Result<Located, ConfigError> {
    let named = |path, why| Ok(Located { path, why });
    if let Some(path) = flag {
        return named(path.to_owned(), Why::Flag);
    }
    if let Some(path) = env.get("RAIC_CONFIG") {
        return named(env.expand(path), Why::Variable);
    }
    let owner = owner_path(env).map(|path| (path, Why::Owner));
    let machine = Some((PathBuf::from("/etc/raic/config.yaml"), Why::Machine));
    let places: Vec<_> = [owner, machine].into_iter().flatten().collect();
    if let Some((path, why)) = places.iter().find(|(path, _)| exists(path)) {
        return named(path.clone(), *why);
    }
    let unset = ["--config".to_owned(), "RAIC_CONFIG".to_owned()].into_iter();
    let tried = unset.chain(places.iter().map(|(path, _)| env.shown(path))).collect();
    Err(Fault::NotFound { tried }.into())
}

/// Where the owner's configuration is, and where `init` writes it; `None` without a home.
#[must_use]
pub fn owner_path(env: &Environment) -> Option<PathBuf> {
    Some(env.xdg("XDG_CONFIG_HOME", ".config")?.join("raic/config.yaml"))
}

/// Where `init` writes the set's key: beside the configuration.
#[must_use]
pub fn key_path(config: &Path) -> PathBuf {
    config.with_file_name("key")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_named_wins_and_the_owner_comes_before_the_machine() {
        let home = [("HOME", "/home/ana")];
        let both = [("HOME", "/home/ana"), ("RAIC_CONFIG", "~/other.yaml")];
        let owner = "/home/ana/.config/raic/config.yaml";
        let machine = "/etc/raic/config.yaml";
        for (flag, env, there, path, why) in [
            (Some("x.yaml"), &both[..], vec![owner], "x.yaml", Why::Flag),
            (None, &both[..], vec![owner], "/home/ana/other.yaml", Why::Variable),
            (None, &home[..], vec![owner, machine], owner, Why::Owner),
            (None, &home[..], vec![machine], machine, Why::Machine),
        ] {
            let env: Environment = env.iter().copied().collect();
            let exists = |path: &Path| there.iter().any(|there| path == Path::new(there));
            let located = locate(flag.map(Path::new), &env, &exists).unwrap();
            assert_eq!((located.path.as_path(), located.why), (Path::new(path), why));
        }
    }

    #[test]
    fn without_any_file_it_says_where_it_looked() {
        let env = Environment::from_iter([("HOME", "/home/ana"), ("XDG_CONFIG_HOME", "/home/ana/etc")]);
        let error = locate(None, &env, &|_| false).unwrap_err();
        let tried = [
            "--config",
            "RAIC_CONFIG",
            "~/etc/raic/config.yaml",
            "/etc/raic/config.yaml",
        ];
        let tried = tried.map(str::to_owned).to_vec();
        assert_eq!(error.fault, Fault::NotFound { tried });
    }
}
