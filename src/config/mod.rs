//! The owner's YAML file: found, read, checked and typed, with the place of every fault.
//!
//! ```text
//! locate  which file           tree    YAML with places        twin    RAIC__... over it
//! check   keys and kinds       read    values, policies        feasible  can the policies hold?
//! resolve secrets, when a provider is opened                   edit, init  the file as we write it
//! ```
//!
//! Nothing here speaks to a provider, and no secret is in anything that this module shows.

mod check;
mod edit;
mod environment;
mod error;
mod feasible;
mod init;
mod key_file;
mod locate;
mod operator;
mod render;
mod resolve;
mod rights;
mod places;
mod policies;
mod read;
mod schema;
mod secret;
mod shape;
mod show;
mod source;
mod tree;
mod twin;

#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

pub(crate) use check::check_name;
pub use edit::{NewProvider, add_provider, remove_provider, set_provider_state};
pub use environment::Environment;
pub use error::{ConfigError, ConfigErrors, Fault, Infeasible, Place, Whose};
pub use init::{Beginning, init_text, save};
pub use key_file::{create_key_file, key_of_sheet, recovery_sheet};
pub use locate::{Located, Why, key_path, locate, owner_path};
pub use read::is_local_path;
pub use render::{Look, notes, render, render_all};
pub use resolve::{COMMAND_LIMIT, Resolved};
pub use schema::schema;
pub use secret::is_secret;
pub use show::{Shown, show_text};

use crate::cloud_set::quantity::{ByteRate, Period, Size};
use crate::cloud_set::{CloudSet, Profile, Reference};
use crate::fragment::secret::SetSecret;
use rights::{Demand, Refusal};
use source::{Found, Sources};
use tree::Node;
use zeroize::Zeroizing;

/// The services that this program was built with.
#[derive(Clone, Copy)]
pub struct Services<'a> {
    /// Their schemes.
    pub schemes: &'a [String],
    /// The options that a scheme knows; `None` if the scheme is unknown.
    pub options: &'a dyn Fn(&str) -> Option<Vec<String>>,
}

impl std::fmt::Debug for Services<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Services").field(&self.schemes).finish()
    }
}

/// A configuration that was read and can hold.
#[derive(Clone, Debug)]
pub struct Config {
    /// The file.
    pub path: PathBuf,
    /// Providers and policies.
    pub set: CloudSet,
    /// Where the set's key is kept.
    pub key: Reference,
    /// The folder of the catalog, if it is written.
    pub state: Option<PathBuf>,
    /// What `raic serve` offers.
    pub node: Option<NodeSection>,
    /// What is right but probably not meant, a sentence each.
    pub warnings: Vec<String>,
    tree: Node,
    sources: Sources,
}

/// What `raic serve` offers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeSection {
    /// A door for S3 clients.
    pub s3: Option<S3Door>,
    /// Where `WebDAV` clients are answered.
    pub webdav: Option<SocketAddr>,
    /// A Tahoe-LAFS storage server.
    pub tahoe: Option<TahoeDoor>,
    /// Where the status page and the metrics are.
    pub status: Option<SocketAddr>,
    /// Data kept near.
    pub cache: Option<Cache>,
    /// Checking of fragments while the node runs.
    pub scrub: Option<Scrub>,
}

/// A door for S3 clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct S3Door {
    /// Where it answers.
    pub listen: SocketAddr,
    /// The key id that clients use.
    pub access_key: Reference,
    /// The secret that clients sign with.
    pub secret_key: Reference,
}

/// A Tahoe-LAFS storage server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TahoeDoor {
    /// Where it answers.
    pub listen: SocketAddr,
    /// Host and port as others reach it.
    pub location: Option<String>,
}

/// Data kept near.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cache {
    /// Its folder, if it is written.
    pub dir: Option<PathBuf>,
    /// The most that it may hold.
    pub size: Size,
}

/// Checking of fragments while the node runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scrub {
    /// Each fragment is checked once in this time.
    pub every: Period,
    /// The most that is read for it.
    pub rate: Option<ByteRate>,
}

impl Config {
    /// Finds, reads and checks the configuration; `flag` is what `--config` named.
    pub fn load(flag: Option<&Path>, env: &Environment, services: &Services<'_>) -> Result<Config, ConfigErrors> {
        let path = locate(flag, env, &|path| path.exists())?.path;
        let shown = env.shown(&path);
        let text = rights::read(&path, tree::MAX_LEN, Demand::Unchanged).map_err(|refusal| match refusal {
            Refusal::Unreadable(why) => Fault::Unreadable { path: shown, why },
            Refusal::Open { mode, written } => Fault::OpenRights {
                path: shown,
                mode,
                written,
            },
        })?;
        Config::from_text(&path, &text, env, services)
    }

    /// Fetches the options of a provider, its secrets among them. Blocks while programs run, at most [`COMMAND_LIMIT`] each.
    pub fn resolve(&self, profile: &Profile, env: &Environment) -> Result<Resolved, ConfigError> {
        let whose = Whose::Provider {
            name: profile.name.clone(),
            others: self.set.providers.len().saturating_sub(1),
        };
        resolve::resolve(profile, &whose, env).map_err(|(option, fault)| {
            let node = self.node_at(&["providers", &profile.name, "options", &option]);
            let place = node.map(|node| Box::new(self.sources.place(&node.spot)));
            ConfigError { fault, place }
        })
    }

    /// Fetches the set's key: the file must be the owner's alone.
    pub fn secret(&self, env: &Environment) -> Result<SetSecret, ConfigError> {
        let place = || {
            self.node_at(&["key"])
                .map(|node| Box::new(self.sources.place(&node.spot)))
        };
        let fetched = resolve::fetch(&self.key, "key", &Whose::Set, env, COMMAND_LIMIT);
        let secret = fetched.and_then(|text| {
            key_of_sheet(&text).map_err(|error| Fault::BadKey {
                at: self.key.to_string(),
                why: error.to_string(),
            })
        });
        secret.map_err(|fault| ConfigError { fault, place: place() })
    }

    /// The folder of the catalog: as it is written, else `raic` in `$XDG_STATE_HOME` or `~/.local/state`; `None` without a home.
    #[must_use]
    pub fn state_folder(&self, env: &Environment) -> Option<PathBuf> {
        let default = || Some(env.xdg("XDG_STATE_HOME", ".local/state")?.join("raic"));
        self.state.clone().or_else(default)
    }

    /// Fetches a value of the node's section: `path` is where its reference stands, such as `["s3", "secret_key"]`.
    pub fn resolve_node(
        &self,
        reference: &Reference,
        path: &[&str],
        env: &Environment,
    ) -> Result<Zeroizing<String>, ConfigError> {
        let key = path.last().copied().unwrap_or_default();
        resolve::fetch(reference, key, &Whose::Node, env, COMMAND_LIMIT).map_err(|fault| {
            let node = self.node_at(&[&["node"], path].concat());
            let place = node.map(|node| Box::new(self.sources.place(&node.spot)));
            ConfigError { fault, place }
        })
    }

    fn node_at(&self, path: &[&str]) -> Option<&Node> {
        path.iter().try_fold(&self.tree, |node, key| node.get(key))
    }

    /// Checks and types the text of a configuration that stands at `path`.
    pub fn from_text(
        path: &Path,
        text: &str,
        env: &Environment,
        services: &Services<'_>,
    ) -> Result<Config, ConfigErrors> {
        let mut sources = Sources::new(env.shown(path), text.to_owned());
        let mut tree = match tree::parse(text, 0) {
            Ok(tree) => tree,
            Err(tree::Unreadable { spot, why }) => {
                let fault = Fault::NotYaml { why };
                return Err(ConfigErrors::new(sources.locate(vec![Found { fault, spot }])));
            }
        };
        sources.learn(&tree, services);
        let mut found = twin::apply(&mut tree, env, &mut sources);
        found.extend(check::check(&tree, services));
        let mut reading = read::read(&tree, env, services, found.is_empty());
        // A value of the wrong kind is told of once.
        reading
            .found
            .retain(|fault| found.iter().all(|known| known.spot != fault.spot));
        found.append(&mut reading.found);
        match (found.is_empty(), reading.key) {
            (true, Some(key)) => Ok(Config {
                path: path.to_owned(),
                set: reading.set,
                key,
                state: reading.state,
                node: reading.node,
                warnings: reading.warnings,
                tree,
                sources,
            }),
            _ => Err(ConfigErrors::new(sources.locate(found))),
        }
    }
}
