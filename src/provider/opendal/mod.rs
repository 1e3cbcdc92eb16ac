//! The one real adapter: a provider at any service that OpenDAL speaks to. OpenDAL is named in this folder only, as its
//! interfaces change from release to release.
//!
//! What OpenDAL leaves open is settled here, because each point has bitten somebody:
//!
//! - one write call a blob, of bytes held in memory; where a service writes in place (fs, sftp, webdav) they go to `tmp/`
//!   first and are renamed, so that no reader and no crash sees half a blob; `tmp/` is never listed; a disk is written without OpenDAL, in one turn on
//!   one thread instead of ten
//! - reads ask for exact ranges, and an answer of another length is [`Class::Corrupt`]
//! - a missing blob is [`Class::Gone`] only if its bucket is there; else it is [`Class::Config`]
//! - every call ends: connecting, silence and the whole of a call are bounded; no call is repeated here
//! - own connections for each provider, credentials from its options only, redirects on the same host only
//! - errors are classed once, in `class.rs`, and carry one sentence without secrets
//! - what a disk acknowledges outlasts a power cut: `folders.rs`; what a crash leaves in `tmp/` is swept: `sweep.rs`

mod behaviour;
mod class;
mod folders;
mod options;
mod redact;
mod remote;
mod sweep;
mod wire;
mod write;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use zeroize::Zeroizing;

pub use options::{known_options, schemes};
pub use remote::Remote;

use super::Provider;
use super::isolate::Patience;
use super::limit::Limits;
use super::retry::Retry;

#[cfg(doc)]
use super::Class;

/// The longest blob that RAIC writes, in bytes: the format's cap on a fragment.
const LONGEST_BLOB: u64 = 64 << 20;

/// What it takes to open a provider. `Debug` shows no option's value.
#[derive(Clone)]
pub struct Spec {
    /// The name in the owner's configuration.
    pub name: String,
    /// The OpenDAL scheme: one of [`schemes`].
    pub scheme: String,
    /// OpenDAL's options, secrets filled in.
    pub options: BTreeMap<String, String>,
    /// What must not show in any message, besides the options whose names tell that they are secret.
    pub secrets: Vec<Zeroizing<String>>,
    /// How long to wait for what.
    pub timeouts: Timeouts,
    /// For [`super::steady`]; the adapter itself has no limits.
    pub limits: Limits,
}

impl Spec {
    /// A provider with this scheme and these options; the rest as is good for most.
    pub fn new(name: impl Into<String>, scheme: impl Into<String>, options: BTreeMap<String, String>) -> Spec {
        let scheme = scheme.into();
        Spec {
            name: name.into(),
            limits: Limits::of_scheme(&scheme),
            scheme,
            options,
            secrets: Vec::new(),
            timeouts: Timeouts::default(),
        }
    }
}

impl fmt::Debug for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spec")
            .field("name", &self.name)
            .field("scheme", &self.scheme)
            .field("options", &self.options.keys())
            .field("timeouts", &self.timeouts)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// How long to wait for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For a connection.
    pub connect: Duration,
    /// For the next bytes, and for the answer to a call that carries none.
    pub idle: Duration,
    /// Bytes per second that a body must make on the whole: a call with a body of n bytes has 2 × `idle` + n ÷ `slowest`.
    pub slowest: u64,
}

impl Default for Timeouts {
    /// 5 s, 30 s, 64 KiB/s: 8 MiB have 188 s, over a line of a megabit with others on it.
    fn default() -> Timeouts {
        Timeouts {
            connect: Duration::from_secs(5),
            idle: Duration::from_secs(30),
            slowest: 64 << 10,
        }
    }
}

impl Timeouts {
    /// When a call is given up from outside. A put has up to five steps with a bound of their own, which end it in better words.
    pub fn patience(&self) -> Patience {
        Patience {
            base: self.connect + 12 * self.idle,
            slowest: self.slowest.div_ceil(2),
        }
    }

    /// How long a call with a body of `len` bytes may take.
    pub fn deadline(&self, len: u64) -> Duration {
        2 * self.idle + Duration::from_secs(len.div_ceil(self.slowest.max(1)))
    }
}

/// Why a provider can't be opened. Nothing was sent to it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// This build doesn't have the scheme, or nobody does.
    #[error("provider {provider}: no scheme `{scheme}`{}", did_you_mean(near.as_deref()))]
    Scheme {
        /// The provider's name.
        provider: String,
        /// What was asked for.
        scheme: String,
        /// What was probably meant.
        near: Option<String>,
    },
    /// The scheme has no such option.
    #[error("provider {provider}: `{scheme}` has no option `{option}`{}", did_you_mean(near.as_deref()))]
    Option {
        /// The provider's name.
        provider: String,
        /// Its scheme.
        scheme: String,
        /// The option that isn't one.
        option: String,
        /// What was probably meant.
        near: Option<String>,
    },
    /// A user or password stands in an address.
    #[error(
        "provider {provider}: option `{option}` has a user or password in its address; write these as options of their own"
    )]
    UserInfo {
        /// The provider's name.
        provider: String,
        /// The option with the address.
        option: String,
    },
    /// No credentials, and the service would look for some in the environment.
    #[error("provider {provider}: `{scheme}` needs one of the options {wanted}")]
    Credentials {
        /// The provider's name.
        provider: String,
        /// Its scheme.
        scheme: String,
        /// The options of which one must be there.
        wanted: String,
    },
    /// OpenDAL or the HTTP client refuses the options as they are.
    #[error("provider {provider}: {message}")]
    Refused {
        /// The provider's name.
        provider: String,
        /// One sentence without secrets.
        message: String,
    },
}

fn did_you_mean(near: Option<&str>) -> String {
    near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default()
}

/// Opens a provider without limits and retries; [`super::steady`] adds them. Sends nothing yet, but makes the folder of an `fs`.
pub fn open(spec: &Spec) -> Result<Arc<dyn Provider>, OpenError> {
    Ok(Arc::new(Remote::open(spec)?))
}

/// Opens a provider as the work above wants it: [`super::steady`], with the limits and times of its specification.
/// The waits between tries are drawn from `seed`.
pub fn connect(spec: &Spec, retry: Retry, seed: u64) -> Result<Arc<dyn Provider>, OpenError> {
    let limits = spec.limits.within(&spec.scheme);
    Ok(super::steady(
        open(spec)?,
        &limits,
        spec.timeouts.patience(),
        retry,
        seed,
    ))
}

/// Makes aws-lc-rs the TLS of this process; the second call and all later ones do nothing. Two providers of cryptography are
/// compiled in, by way of dependencies, and the first handshake would panic for not knowing which to take.
pub fn install_tls() {
    // An error says that somebody installed one before: then that one is used.
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .unwrap_or_default();
}
