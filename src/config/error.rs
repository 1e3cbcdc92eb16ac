//! What can be wrong with a configuration. Each fault has a code that stays, facts that tests compare, and a place.
//! How it looks to a person is `render.rs`.

use std::fmt;

use crate::cloud_set::quantity::Size;
use crate::placement::PlacementError;

/// One thing that is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{fault}", Prefix(place.as_deref()))]
pub struct ConfigError {
    /// What is wrong.
    pub fault: Fault,
    /// Where, if it is somewhere.
    pub place: Option<Box<Place>>,
}

impl ConfigError {
    /// The code, `E0101` and up; `raic help CODE` explains it.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.fault.code()
    }
}

impl From<Fault> for ConfigError {
    fn from(fault: Fault) -> ConfigError {
        ConfigError { fault, place: None }
    }
}

/// A key in quotes; the whole file without.
struct Named<'a>(&'a str);

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            super::shape::WHOLE => f.write_str(self.0),
            key => write!(f, "`{key}`"),
        }
    }
}

/// `path:line:column: `, if there is a place.
struct Prefix<'a>(Option<&'a Place>);

impl fmt::Display for Prefix<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |place| write!(f, "{place}: "))
    }
}

/// A place in a text, with the line as far as it may be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file, as it is shown, or `environment variable X`.
    pub source: String,
    /// From 1.
    pub line: u32,
    /// From 1, in characters.
    pub column: u32,
    /// The line without comment and with every value that might be a secret taken out; `None` if nothing may be shown.
    pub text: Option<String>,
    /// The characters of `text` that are meant: where they begin, from 0, and how many, at least 1.
    pub caret: (usize, usize),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.source, self.line, self.column)
    }
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A key that nothing reads.
    #[error("unknown key `{key}` in {section}")]
    UnknownKey {
        /// As it is written.
        key: String,
        /// The mapping it stands in, with its article.
        section: String,
        /// The valid key that is nearest, if one is near.
        guess: Option<String>,
        /// All valid keys.
        valid: Vec<String>,
    },
    /// Not YAML, or YAML that isn't read (tags, several documents).
    #[error("not readable as YAML: {why}")]
    NotYaml {
        /// In a few words, without anything of the text.
        why: String,
    },
    /// A mapping, list or scalar where another is needed.
    #[error("{} must be {wanted}, found {found}", Named(.key))]
    WrongType {
        /// The key whose value it is.
        key: String,
        /// What is needed.
        wanted: String,
        /// What is there.
        found: &'static str,
    },
    /// A value of the right kind that cannot be.
    #[error("`{key}`: {why}")]
    BadValue {
        /// The key whose value it is.
        key: String,
        /// In a few words.
        why: String,
    },
    /// The same key a second time.
    #[error("the key `{key}` comes twice, first in line {first}")]
    Duplicate {
        /// As it is written.
        key: String,
        /// The line of the first, from 1.
        first: u32,
    },
    /// A key that must be there.
    #[error("{section} has no `{key}`")]
    Missing {
        /// The key.
        key: &'static str,
        /// The mapping it should stand in, with its article or name.
        section: String,
    },
    /// A secret that is written into the configuration.
    #[error("`{key}` is a secret and stands in the configuration itself")]
    InlineSecret {
        /// The key whose value it is.
        key: String,
    },
    /// A service that this program wasn't built with, or that doesn't exist.
    #[error("unknown scheme `{scheme}`")]
    UnknownScheme {
        /// As it is written.
        scheme: String,
        /// The scheme that is nearest, if one is near.
        guess: Option<String>,
        /// All schemes.
        valid: Vec<String>,
    },
    /// The name of a provider or policy that isn't there.
    #[error("there is no {what} `{name}`")]
    UnknownName {
        /// `provider` or `policy`.
        what: &'static str,
        /// As it is written.
        name: String,
        /// The name that is nearest, if one is near.
        guess: Option<String>,
        /// All names.
        valid: Vec<String>,
    },
    /// A variable that a value is kept in.
    #[error("{whose} needs the environment variable {variable}, which is not set")]
    EnvUnset {
        /// Whose value it is.
        whose: Whose,
        /// The option it is for.
        key: String,
        /// The variable.
        variable: String,
    },
    /// A file that a value is kept in.
    #[error("{whose} needs the file {path}: {why}")]
    SecretFile {
        /// Whose value it is.
        whose: Whose,
        /// The file, as it is shown.
        path: String,
        /// In a few words.
        why: String,
    },
    /// A program that prints a value.
    #[error("{whose} needs what `{program}` prints: {why}")]
    SecretCommand {
        /// Whose value it is.
        whose: Whose,
        /// The program without its arguments.
        program: String,
        /// In a few words.
        why: String,
    },
    /// A file that others can read or write.
    #[error("{path} can be {} by others than you (mode {mode:04o})", if *.written { "changed" } else { "read" })]
    OpenRights {
        /// The file, as it is shown.
        path: String,
        /// Its permission bits.
        mode: u32,
        /// Others may write; else they may read.
        written: bool,
    },
    /// No configuration anywhere.
    #[error("no configuration found")]
    NotFound {
        /// Where it was looked for, as it is shown.
        tried: Vec<String>,
    },
    /// A file that cannot be read.
    #[error("cannot read {path}: {why}")]
    Unreadable {
        /// The file, as it is shown.
        path: String,
        /// In a few words.
        why: String,
    },
    /// A policy that these providers cannot fulfil, or nobody could.
    #[error("policy `{policy}` cannot hold: {why}")]
    Policy {
        /// Its name.
        policy: String,
        /// The numbers.
        why: Infeasible,
    },
    /// An environment variable `RAIC__...` that sets nothing.
    #[error("the environment variable {variable} sets nothing: {why}")]
    Twin {
        /// The variable.
        variable: String,
        /// In a few words.
        why: String,
    },
    /// A form of the file that this program doesn't know.
    #[error("the configuration is of version {found}, this program reads version 1")]
    Version {
        /// As it is written.
        found: String,
    },
    /// A key file that could not be written.
    #[error("the key file {path}: {why}")]
    KeyFile {
        /// The file, as it is shown.
        path: String,
        /// In a few words.
        why: String,
    },
    /// What should be the set's key and isn't.
    #[error("what {at} gives is not the key of a set: {why}")]
    BadKey {
        /// Where it is kept, as the configuration writes it.
        at: String,
        /// In a few words, without a letter of it.
        why: String,
    },
    /// A change of the file that wasn't made.
    #[error("the configuration was not changed: {why}")]
    Edit {
        /// In a few words.
        why: String,
    },
    /// A URL with a name or password in it.
    #[error("`{key}` has a user name or password inside its address")]
    UserInfo {
        /// The key whose value it is.
        key: String,
    },
}

impl Fault {
    /// The code, `E0101` and up. A code is never used for anything else.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Fault::UnknownKey { .. } => "E0101",
            Fault::NotYaml { .. } => "E0102",
            Fault::WrongType { .. } => "E0103",
            Fault::BadValue { .. } => "E0104",
            Fault::Duplicate { .. } => "E0105",
            Fault::Missing { .. } => "E0106",
            Fault::InlineSecret { .. } => "E0107",
            Fault::UnknownScheme { .. } => "E0108",
            Fault::UnknownName { .. } => "E0109",
            Fault::EnvUnset { .. } => "E0110",
            Fault::SecretFile { .. } => "E0111",
            Fault::SecretCommand { .. } => "E0112",
            Fault::OpenRights { .. } => "E0113",
            Fault::NotFound { .. } => "E0114",
            Fault::Unreadable { .. } => "E0115",
            Fault::Policy { .. } => "E0116",
            Fault::Twin { .. } => "E0117",
            Fault::Version { .. } => "E0118",
            Fault::KeyFile { .. } => "E0119",
            Fault::Edit { .. } => "E0120",
            Fault::UserInfo { .. } => "E0121",
            Fault::BadKey { .. } => "E0122",
        }
    }
}

/// Who needs a value that is kept elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whose {
    /// A provider, beside others that may be fine.
    Provider {
        /// Its name.
        name: String,
        /// How many others there are.
        others: usize,
    },
    /// The set itself: its key.
    Set,
    /// The node.
    Node,
}

impl fmt::Display for Whose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Whose::Provider { name, .. } => write!(f, "provider `{name}`"),
            Whose::Set => f.write_str("the set's key"),
            Whose::Node => f.write_str("the node"),
        }
    }
}

/// Why a policy cannot hold, in numbers.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Infeasible {
    /// More chunks than the code has.
    #[error("k + m = {k} + {m} is more than 256")]
    TooWide {
        /// Data chunks.
        k: u16,
        /// Parity chunks.
        m: u16,
    },
    /// A quorum out of its bounds.
    #[error("write_quorum {quorum} is not within {lowest} to {n} (k = {k}, n = {n})")]
    Quorum {
        /// As it is written.
        quorum: u16,
        /// ⌈(n+k)/2⌉
        lowest: u16,
        /// Data chunks.
        k: u16,
        /// All chunks.
        n: u16,
    },
    /// Each fragment of an extent needs a provider of its own.
    #[error("{k}+{m} needs {} providers, {eligible} {} there", k + m, if *.eligible == 1 { "is" } else { "are" })]
    TooFewProviders {
        /// Data chunks.
        k: u16,
        /// Parity chunks.
        m: u16,
        /// Providers that the policy allows.
        eligible: usize,
    },
    /// The domains of these providers and `spread` do not go together.
    #[error("{0}")]
    Placement(PlacementError),
    /// Policies that extend each other in a circle.
    #[error("it extends itself, by way of {}", .by.join(", "))]
    Circle {
        /// The names on the way round.
        by: Vec<String>,
    },
    /// A fragment that cannot hold one chunk.
    #[error("a fragment of {fragment} has no room for a chunk of {chunk}, its tag and the header: at least {least}")]
    FragmentTooSmall {
        /// As it is written or by default.
        fragment: Size,
        /// As it is written or by default.
        chunk: Size,
        /// The least that would do.
        least: Size,
    },
}

/// The most errors that are kept; the others are counted.
pub(super) const MAX_ERRORS: usize = 5;

/// Everything that was found wrong in one reading: at least one error, in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors {
    errors: Vec<ConfigError>,
    more: usize,
}

impl ConfigErrors {
    /// Keeps the first five.
    ///
    /// # Panics
    ///
    /// If there is no error.
    #[must_use]
    pub fn new(mut errors: Vec<ConfigError>) -> ConfigErrors {
        assert!(!errors.is_empty(), "errors without an error");
        let more = errors.len().saturating_sub(MAX_ERRORS);
        errors.truncate(MAX_ERRORS);
        ConfigErrors { errors, more }
    }

    /// Those that were kept.
    #[must_use]
    pub fn errors(&self) -> &[ConfigError] {
        &self.errors
    }

    /// How many were not kept.
    #[must_use]
    pub fn more(&self) -> usize {
        self.more
    }
}

impl From<ConfigError> for ConfigErrors {
    fn from(error: ConfigError) -> ConfigErrors {
        ConfigErrors::new(vec![error])
    }
}

impl From<Fault> for ConfigErrors {
    fn from(fault: Fault) -> ConfigErrors {
        ConfigError::from(fault).into()
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, error) in self.errors.iter().enumerate() {
            write!(f, "{}{error}", if i > 0 { "; " } else { "" })?;
        }
        match self.more {
            0 => Ok(()),
            more => write!(f, "; and {more} more"),
        }
    }
}

impl std::error::Error for ConfigErrors {}
