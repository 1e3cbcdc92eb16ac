//! What the verbs stand on: the configuration, the key, the providers and the catalog, opened as far as a verb needs them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use zeroize::Zeroizing;

use super::Context;
use super::error::{Failure, no_key, reason};
use super::exit::Exit;
use super::unopened::Unopened;
use crate::catalog::archive::Archive;
use crate::catalog::diary::Diary;
use crate::catalog::lock::WriterLock;
use crate::catalog::record::MemberState;
use crate::catalog::sqlite::{Mode, SqliteCatalog};
use crate::catalog::{Catalog, CatalogError};
use crate::clock::SystemClock;
use crate::cloud_set::price::PriceList;
use crate::cloud_set::{Policy, Profile, ProfileState};
use crate::config::{Config, Environment, Services};
use crate::entropy::SystemEntropy;
use crate::fragment::id::SetId;
use crate::fragment::key::IDENTITY_PREFIX;
use crate::fragment::secret::{Keys, SetSecret};
use crate::provider::isolate::Patience;
use crate::provider::limit::Limits;
use crate::provider::opendal::{Spec, known_options, open, schemes};
use crate::provider::retry::Retry;
use crate::provider::{Provider, steady};
use crate::store::clouds::Configured;
use crate::store::error::StoreError;
use crate::store::{Acknowledge, Ground, Settings, Store};

/// The catalog's file in the state folder.
pub(crate) const CATALOG: &str = "catalog.db";

/// What the store is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum For {
    /// The catalog alone tells; nothing is written.
    Looking,
    /// Objects are read; what is found damaged is noted.
    Reading,
    /// Objects change: no other process may write meanwhile.
    Writing,
    /// The same, for as long as the process runs: what is safe is answered, the rest finishes behind.
    Serving,
}

impl For {
    fn writes(self) -> bool {
        matches!(self, For::Writing | For::Serving)
    }

    fn settings(self) -> Settings {
        Settings {
            acknowledge: match self {
                For::Serving => Acknowledge::Quorum,
                For::Looking | For::Reading | For::Writing => Acknowledge::All,
            },
            ..Settings::default()
        }
    }
}

/// An opened cloud set.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) config: Config,
    pub(crate) store: Arc<Store>,
    /// What care notes, in the catalog's file.
    pub(crate) diary: Arc<dyn Diary>,
    /// The catalog with a storage node's books, and its copies.
    pub(crate) archive: Arc<dyn Archive>,
    /// Held until the verb ends.
    _lock: Option<WriterLock>,
}

/// Reads the configuration.
pub(crate) fn config(context: &Context) -> Result<Config, Failure> {
    with_services(|services| Ok(Config::load(context.global.config.as_deref(), &context.env, services)?))
}

/// Calls `use_them` with the services of this build.
pub(crate) fn with_services<T>(use_them: impl FnOnce(&Services<'_>) -> T) -> T {
    let schemes: Vec<String> = schemes().into_iter().map(str::to_owned).collect();
    use_them(&Services {
        schemes: &schemes,
        options: &known_options,
    })
}

impl Session {
    /// Opens the configured cloud set. Providers named in `skip` count as down.
    pub(crate) async fn open(context: &Context, purpose: For, skip: &[String]) -> Result<Session, Failure> {
        let config = config(context)?;
        for warning in &config.warnings {
            context.out.warn(warning);
        }
        let keys = Keys::new(&secret(&config, &context.env)?);
        let state = state_folder(&config, &context.env)?;
        let lock = match purpose {
            For::Writing | For::Serving => Some(lock(&state)?),
            For::Looking | For::Reading => None,
        };
        let catalog = catalog(&state, keys.set(), purpose, context)?;
        let (_, members) = catalog.members().await.map_err(StoreError::from)?;
        let members: Vec<String> = members.into_iter().map(|member| member.name).collect();
        let providers = providers(&config, context, skip, &members);
        let policies = config.set.policies.values().cloned().collect();
        let settings = Settings {
            read_prices: read_prices(&config, context)?,
            quotas: quotas(&config),
            ..purpose.settings()
        };
        let store = store(keys, catalog.clone(), providers, policies, settings).await?;
        Ok(Session {
            config,
            store,
            diary: catalog.clone(),
            archive: catalog,
            _lock: lock,
        })
    }

    /// A policy of the configuration.
    pub(crate) fn policy(&self, name: &str) -> Result<&Policy, Failure> {
        let policies = &self.config.set.policies;
        policies.get(name).ok_or_else(|| {
            let known: Vec<&str> = policies.keys().map(String::as_str).collect();
            Failure::new(Exit::Usage, "E0109", format!("there is no policy `{name}`"))
                .note(format!("there are: {}", known.join(", ")))
                .note("nothing was touched")
        })
    }

    /// The policy an object was written under, or `default` if its owner has taken that one out.
    pub(crate) fn policy_of(&self, name: &str) -> Result<&Policy, Failure> {
        self.policy(name).or_else(|_| self.policy("default"))
    }

    /// Refuses names of providers that are not configured.
    pub(crate) fn check_providers(&self, names: &[String]) -> Result<(), Failure> {
        check_providers(&self.config, names)
    }
}

/// Refuses names of providers that are not configured.
pub(crate) fn check_providers(config: &Config, names: &[String]) -> Result<(), Failure> {
    match names.iter().find(|name| config.set.provider(name).is_none()) {
        None => Ok(()),
        Some(unknown) => {
            let known: Vec<&str> = config
                .set
                .providers
                .iter()
                .map(|profile| profile.name.as_str())
                .collect();
            Err(
                Failure::new(Exit::Usage, "E0109", format!("there is no provider `{unknown}`"))
                    .note(format!("there are: {}", known.join(", ")))
                    .note("nothing was touched"),
            )
        }
    }
}

/// A store over these parts.
pub(crate) async fn store(
    keys: Keys,
    catalog: Arc<dyn Catalog>,
    providers: Vec<Configured>,
    policies: Vec<Policy>,
    settings: Settings,
) -> Result<Arc<Store>, Failure> {
    let ground = Ground {
        keys,
        catalog,
        providers,
        policies,
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
        settings,
    };
    Ok(Store::open(ground).await?)
}

/// The secret of the set.
pub(crate) fn secret(config: &Config, env: &Environment) -> Result<SetSecret, Failure> {
    config.secret(env).map_err(no_key)
}

/// The folder of the catalog: as configured, else by the XDG rules.
pub(crate) fn state_folder(config: &Config, env: &Environment) -> Result<PathBuf, Failure> {
    config.state_folder(env).ok_or_else(no_home)
}

/// `raic` in a folder of the XDG rules.
pub(crate) fn data_folder(env: &Environment, variable: &str, fallback: &str) -> Option<PathBuf> {
    let given = env.get(variable).map(PathBuf::from).filter(|path| path.is_absolute());
    Some(given.or_else(|| Some(env.home()?.join(fallback)))?.join("raic"))
}

/// Neither a home nor the folder's own variable.
pub(crate) fn no_home() -> Failure {
    Failure::new(
        Exit::Usage,
        "E0115",
        "HOME is not set, so there is no place for RAIC's files",
    )
    .note("set HOME, or XDG_CONFIG_HOME, XDG_STATE_HOME and XDG_DATA_HOME")
    .note("nothing was touched")
}

fn lock(state: &Path) -> Result<WriterLock, Failure> {
    make_private(state).map_err(|error| no_state(state, &error))?;
    Ok(WriterLock::try_lock(state)?)
}

fn no_state(state: &Path, error: &std::io::Error) -> Failure {
    Failure::new(
        Exit::Failed,
        "E0508",
        format!("the state folder cannot be used: {}", reason(error)),
    )
    .at(state)
    .note("it must be a folder, yours and writable; `state:` in the configuration names another")
    .note("nothing was read from or written to any provider")
}

/// Makes a folder and those above it, for the owner alone.
pub(crate) fn make_private(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// The catalog as a verb needs it. Looking at one that isn't there answers that nothing is stored.
fn catalog(state: &Path, set: SetId, purpose: For, context: &Context) -> Result<Arc<SqliteCatalog>, Failure> {
    let path = state.join(CATALOG);
    let there = path.try_exists().map_err(|error| no_state(state, &error))?;
    if !purpose.writes() && !there {
        context.out.warn(&format!(
            "there is no catalog yet, nothing was stored from here ({}); if it was lost: raic recover",
            context.env.shown(&path)
        ));
        return Ok(Arc::new(SqliteCatalog::inline(set)?));
    }
    let opened = match purpose {
        For::Writing | For::Serving => SqliteCatalog::open(&path, set, Mode::ReadWrite),
        For::Looking => SqliteCatalog::open(&path, set, Mode::ReadOnly),
        // Notes about damage are worth having; the lock belongs to those who write objects.
        For::Reading => SqliteCatalog::open(&path, set, Mode::ReadWrite)
            .or_else(|_| SqliteCatalog::open(&path, set, Mode::ReadOnly)),
    };
    match opened {
        // A wrong key made it, and wrote nothing: it is in nobody's way.
        Err(CatalogError::OtherSet { .. }) if SqliteCatalog::is_untouched(&path) => untouched(&path, set, purpose),
        opened => Ok(Arc::new(opened?)),
    }
}

fn untouched(path: &Path, set: SetId, purpose: For) -> Result<Arc<SqliteCatalog>, Failure> {
    if !purpose.writes() {
        return Ok(Arc::new(SqliteCatalog::inline(set)?));
    }
    for part in ["", "-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(part);
        match std::fs::remove_file(&name) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(no_state(path, &error)),
            _ => {}
        }
    }
    Ok(Arc::new(SqliteCatalog::open(path, set, Mode::ReadWrite)?))
}

/// The catalog for verbs that do without one: `None` if it isn't there or can't be opened, whatever the reason.
pub(crate) fn catalog_if_there(config: &Config, purpose: For, env: &Environment) -> Option<Arc<dyn Catalog>> {
    Some(opened_if_there(config, purpose, env)?)
}

/// The same for what care notes, to be written.
pub(crate) fn diary_if_there(config: &Config, env: &Environment) -> Option<Arc<dyn Diary>> {
    Some(opened_if_there(config, For::Reading, env)?)
}

fn opened_if_there(config: &Config, purpose: For, env: &Environment) -> Option<Arc<SqliteCatalog>> {
    let keys = Keys::new(&secret(config, env).ok()?);
    let path = config.state_folder(env)?.join(CATALOG);
    let mode = if purpose == For::Looking {
        Mode::ReadOnly
    } else {
        Mode::ReadWrite
    };
    let opened = path.exists().then(|| SqliteCatalog::open(&path, keys.set(), mode))?;
    Some(Arc::new(opened.ok()?))
}

/// The providers of the configuration. One that can't be opened counts as down and is warned of; so does the folder of a member that is
/// not there, as OpenDAL would make it anew: a disk that isn't mounted is no empty disk. Without a catalog nobody is known to be a member; then
/// everyone may be, as soon as one folder holds the set's records.
fn providers(config: &Config, context: &Context, skip: &[String], members: &[String]) -> Vec<Configured> {
    let begun = members.is_empty()
        && config
            .set
            .providers
            .iter()
            .any(|profile| has_records(config, profile, &context.env));
    let door = |profile: &Profile| -> Arc<dyn Provider> {
        if skip.contains(&profile.name) {
            return Arc::new(Unopened::new(&profile.name, "skipped"));
        }
        let member = begun || members.contains(&profile.name);
        if let Some(why) = absent(config, profile, &context.env).filter(|_| member) {
            return Arc::new(Unopened::new(&profile.name, why));
        }
        provider(config, profile, &context.env).unwrap_or_else(|failure| {
            let sentence = failure.sentence();
            context
                .out
                .warn(&format!("{sentence}; going on without {}", profile.name));
            Arc::new(Unopened::new(&profile.name, sentence))
        })
    };
    config
        .set
        .providers
        .iter()
        .map(|profile| configured(profile, door(profile)))
        .collect()
}

/// What reading costs, where the configuration tells: reads of policies that ask for it and repairs go by it.
fn read_prices(config: &Config, context: &Context) -> Result<BTreeMap<String, PriceList>, Failure> {
    let costs = || config.set.providers.iter().filter(|profile| profile.cost.is_some());
    if costs().next().is_none() {
        return Ok(BTreeMap::new());
    }
    let (book, _) = super::verb::prices::open(context, None)?;
    let list = |profile: &Profile| (profile.name.clone(), book.list(profile.cost.as_ref()).0);
    Ok(costs().map(list).collect())
}

/// The quotas that the configuration sets, in bytes.
fn quotas(config: &Config) -> BTreeMap<String, u64> {
    let quota = |profile: &Profile| Some((profile.name.clone(), profile.quota?.bytes()));
    config.set.providers.iter().filter_map(quota).collect()
}

/// A provider of the configuration with the way to it.
fn configured(profile: &Profile, provider: Arc<dyn Provider>) -> Configured {
    Configured {
        name: profile.name.clone(),
        domains: profile.domains.clone(),
        weight: profile.weight.share(),
        state: match profile.state {
            ProfileState::Active => MemberState::Active,
            ProfileState::Readonly => MemberState::ReadOnly,
            ProfileState::Draining => MemberState::Draining,
        },
        provider,
    }
}

/// What it takes to open a provider of the configuration, secrets fetched.
pub(crate) fn spec(config: &Config, profile: &Profile, env: &Environment) -> Result<Spec, Failure> {
    let resolved = config.resolve(profile, env)?;
    let options = resolved
        .options()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let mut spec = Spec::new(&profile.name, &profile.scheme, options);
    spec.secrets = resolved
        .secrets()
        .map(|secret| Zeroizing::new(secret.to_owned()))
        .collect();
    spec.limits = limits(profile);
    Ok(spec)
}

/// A provider of the configuration, with its limits and retries.
pub(crate) fn provider(config: &Config, profile: &Profile, env: &Environment) -> Result<Arc<dyn Provider>, Failure> {
    ready(&spec(config, profile, env)?)
}

/// Why a folder on a disk can't be used, if it is not there.
fn absent(config: &Config, profile: &Profile, env: &Environment) -> Option<String> {
    let spec = spec(config, profile, env).ok()?;
    let root = spec.options.get("root").filter(|_| spec.scheme == "fs")?;
    let gone = !Path::new(root).is_dir();
    gone.then(|| format!("its folder {root} is not there, or its disk is not mounted"))
}

/// True if a folder on a disk holds records of a set that was begun.
fn has_records(config: &Config, profile: &Profile, env: &Environment) -> bool {
    let spec = spec(config, profile, env).ok().filter(|spec| spec.scheme == "fs");
    let root = spec.and_then(|spec| spec.options.get("root").cloned());
    root.is_some_and(|root| Path::new(&root).join(IDENTITY_PREFIX).is_dir())
}

/// A provider with its limits and retries.
pub(crate) fn ready(spec: &Spec) -> Result<Arc<dyn Provider>, Failure> {
    let seed = crate::entropy::Entropy::number(&SystemEntropy);
    Ok(steady(
        open(spec)?,
        &spec.limits,
        Patience::default(),
        Retry::default(),
        seed,
    ))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "rates are positive and were bounded when read"
)]
fn limits(profile: &Profile) -> Limits {
    let of_scheme = Limits::of_scheme(&profile.scheme);
    let asked = &profile.limits;
    Limits {
        concurrency: asked.concurrency.map_or(of_scheme.concurrency, u32::from),
        requests: asked.requests.map(|rate| (rate.per_second().ceil() as u32).max(1)),
        upload: asked.upload.map(crate::cloud_set::quantity::ByteRate::bytes_per_second),
        download: asked
            .download
            .map(crate::cloud_set::quantity::ByteRate::bytes_per_second),
    }
}
