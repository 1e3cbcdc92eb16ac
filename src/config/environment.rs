//! What the process was given by whoever started it: variables and a home. Passed in, so that tests give their own.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

/// Environment variables with text values. `Debug` shows names only: values may be secrets.
#[derive(Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, String>,
}

impl Environment {
    /// Those of this process; variables that are not Unicode are left out.
    #[must_use]
    pub fn of_process() -> Environment {
        std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect()
    }

    /// The variable's value; an empty one counts as not set.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    /// The owner's home.
    #[must_use]
    pub fn home(&self) -> Option<&Path> {
        self.get("HOME").map(Path::new).filter(|path| path.is_absolute())
    }

    /// A folder of the XDG rules: the variable's if it is absolute, else `fallback` below the home.
    pub(super) fn xdg(&self, variable: &str, fallback: &str) -> Option<PathBuf> {
        let given = self.get(variable).map(PathBuf::from).filter(|path| path.is_absolute());
        given.or_else(|| Some(self.home()?.join(fallback)))
    }

    /// Names and values that begin with `prefix`, in order of their names.
    pub(super) fn beginning_with<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.variables
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .filter(move |(name, _)| name.starts_with(prefix))
    }

    /// `~/x` as a path below the home; anything else as it is.
    #[must_use]
    pub fn expand(&self, path: &str) -> PathBuf {
        match (path.strip_prefix("~/"), self.home()) {
            (Some(rest), Some(home)) => home.join(rest),
            _ => PathBuf::from(path),
        }
    }

    /// A path as it is shown: `~/x` below the home.
    #[must_use]
    pub fn shown(&self, path: &Path) -> String {
        match self.home().and_then(|home| path.strip_prefix(home).ok()) {
            Some(rest) => format!("~/{}", rest.display()),
            None => path.display().to_string(),
        }
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Environment {
        let variables = pairs.into_iter().map(|(name, value)| (name.into(), value.into()));
        Environment {
            variables: variables.collect(),
        }
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.variables.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_below_home_is_read_and_shown_with_a_tilde() {
        let env = Environment::from_iter([("HOME", "/home/ana")]);
        assert_eq!(env.expand("~/a/b"), Path::new("/home/ana/a/b"));
        assert_eq!(env.shown(Path::new("/home/ana/a/b")), "~/a/b");
        assert_eq!(env.shown(Path::new("/srv/a")), "/srv/a");
        assert_eq!(Environment::default().expand("~/a"), Path::new("~/a"));
    }

    #[test]
    fn a_relative_xdg_folder_is_not_followed() {
        let env = Environment::from_iter([("HOME", "/home/ana"), ("XDG_STATE_HOME", "state")]);
        assert_eq!(
            env.xdg("XDG_STATE_HOME", ".local/state"),
            Some("/home/ana/.local/state".into())
        );
    }

    #[test]
    fn debug_tells_no_value() {
        let env = Environment::from_iter([("B2_KEY", "sesame")]);
        assert!(!format!("{env:?}").contains("sesame"));
    }
}
