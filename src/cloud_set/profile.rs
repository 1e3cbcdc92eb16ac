//! What is known of one provider before anybody calls it: where it is, what it may hold and do, what it costs.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use super::domain::Domains;
use super::policy::Policy;
use super::price::Cost;
use super::quantity::{ByteRate, RequestRate, Size, Weight};

/// One account and root at one service, as the owner describes it. Made by [`crate::config`], which has checked it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// The name that the owner chose.
    pub name: String,
    /// The service, by `OpenDAL`'s word for it.
    pub scheme: String,
    /// What the service wants to know, by `OpenDAL`'s words; secrets are references here.
    pub options: BTreeMap<String, OptionValue>,
    /// What it shares a fate with. The operator is always there, guessed if it isn't written.
    pub domains: Domains,
    /// The most bytes that may be kept there; no bound if `None`.
    pub quota: Option<Size>,
    /// Its share of the placements.
    pub weight: Weight,
    /// How much may be asked of it at once.
    pub limits: Limits,
    /// What it bills; not known if `None`.
    pub cost: Option<Cost>,
    /// Whether new fragments go there.
    pub state: ProfileState,
}

/// The value of an option: in the file, or elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OptionValue {
    /// Written in the configuration; never a secret.
    Literal(String),
    /// Kept elsewhere, perhaps a secret.
    Reference(Reference),
}

/// Where a value is kept that does not stand in the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reference {
    /// An environment variable.
    Env(String),
    /// A file of the owner's, read without its last line break.
    File(PathBuf),
    /// What a program prints; the program and its arguments, no shell.
    Command(Vec<String>),
}

/// As the configuration writes it, but without the arguments of a program: one of them may be a secret.
impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reference::Env(name) => write!(f, "{{ env: {name} }}"),
            Reference::File(path) => write!(f, "{{ file: {} }}", path.display()),
            Reference::Command(words) => {
                let more = if words.len() > 1 { ", ..." } else { "" };
                write!(f, "{{ command: [{}{more}] }}", words.first().map_or("", String::as_str))
            }
        }
    }
}

/// The most that is asked of a provider at once; no bound of the owner's where `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Bytes sent.
    pub upload: Option<ByteRate>,
    /// Bytes read.
    pub download: Option<ByteRate>,
    /// Requests of all kinds.
    pub requests: Option<RequestRate>,
    /// Requests under way, 1 to 1024.
    pub concurrency: Option<u16>,
}

/// Whether a provider takes new fragments and keeps what it has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ProfileState {
    /// Takes, keeps and serves.
    #[default]
    Active,
    /// Keeps and serves.
    Readonly,
    /// Serves until its fragments have been moved elsewhere.
    Draining,
}

impl ProfileState {
    /// All states, in the order they are shown.
    pub const ALL: [ProfileState; 3] = [ProfileState::Active, ProfileState::Readonly, ProfileState::Draining];

    /// The word for it in the configuration.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            ProfileState::Active => "active",
            ProfileState::Readonly => "readonly",
            ProfileState::Draining => "draining",
        }
    }
}

impl fmt::Display for ProfileState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// The providers and policies that an owner uses together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CloudSet {
    /// In the order of the configuration.
    pub providers: Vec<Profile>,
    /// By name; `default` is always there.
    pub policies: BTreeMap<String, Policy>,
}

impl CloudSet {
    /// The provider of this name.
    #[must_use]
    pub fn provider(&self, name: &str) -> Option<&Profile> {
        self.providers.iter().find(|profile| profile.name == name)
    }

    /// The providers that a policy allows, in the order of the configuration.
    pub fn eligible<'a>(&'a self, policy: &'a Policy) -> impl Iterator<Item = &'a Profile> {
        let allowed = policy.providers.as_deref();
        self.providers
            .iter()
            .filter(move |profile| allowed.is_none_or(|names| names.contains(&profile.name)))
    }
}
