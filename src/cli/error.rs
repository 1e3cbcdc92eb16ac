//! What went wrong, as a person and a script see it.
//!
//! ```text
//! error[E0401]: put photos.tar: not stored: 3 of 6 fragments were confirmed, the policy asks for 5
//!    = b2-eu: connection refused (tried 5 times)
//!    = r2-weu, wasabi: no answer in time
//!    = is the machine online? raic status  contacts each provider
//!    = the version before, if there was one, is as it was
//! ```
//!
//! What, where, what to do, what was not harmed: at most eight lines, no backtrace, no secret. Codes are never used for anything else;
//! those of the configuration (E01..) are its own.

use std::path::Path;

use serde::Serialize;

use super::exit::Exit;
use crate::catalog::CatalogError;
use crate::catalog::lock::LockError;
use crate::config::{ConfigError, ConfigErrors, Fault, Look, notes, render_all};
use crate::fragment::secret::SecretError;
use crate::provider::opendal::OpenError;
use crate::provider::{Class, ProviderError};
use crate::store::StoreError;

/// Lines of an error, the first included.
const MOST_LINES: usize = 8;

/// Providers whose words are shown.
const MOST_CAUSES: usize = 3;

/// Why a verb, or one item of it, failed.
#[derive(Clone, Debug)]
pub(crate) enum Failure {
    /// The configuration is wrong; it tells its own story.
    Config(Box<ConfigErrors>, Exit),
    /// Anything else.
    Told(Box<Told>),
    /// Whoever read the output went away: no word.
    Pipe,
}

/// A failure in words.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    /// How the run ends.
    pub(crate) exit: Exit,
    /// `E####`
    pub(crate) code: &'static str,
    /// What is wrong, in one sentence.
    pub(crate) what: String,
    /// Where, if it is somewhere.
    pub(crate) place: Option<String>,
    /// What the providers said.
    pub(crate) causes: Vec<String>,
    /// What to do, and what was not harmed.
    pub(crate) notes: Vec<String>,
}

/// A failure for scripts: one line on standard error.
#[derive(Debug, Serialize)]
struct Line<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    code: &'a str,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    place: Option<String>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    causes: &'a [String],
    notes: Vec<String>,
    exit: u8,
}

impl Failure {
    /// A failure without causes.
    pub(crate) fn new(exit: Exit, code: &'static str, what: impl Into<String>) -> Failure {
        Failure::Told(Box::new(Told {
            exit,
            code,
            what: what.into(),
            place: None,
            causes: Vec::new(),
            notes: Vec::new(),
        }))
    }

    /// Wrong use of the command line; nothing was touched.
    pub(crate) fn usage(what: impl Into<String>) -> Failure {
        Failure::new(Exit::Usage, "E0001", what)
    }

    /// Adds what to do, or what was not harmed.
    #[must_use]
    pub(crate) fn note(mut self, note: impl Into<String>) -> Failure {
        if let Failure::Told(told) = &mut self {
            told.notes.push(note.into());
        }
        self
    }

    /// Adds where it is.
    #[must_use]
    pub(crate) fn at(mut self, place: &Path) -> Failure {
        if let Failure::Told(told) = &mut self {
            told.place = Some(place.display().to_string());
        }
        self
    }

    /// Adds what the providers said.
    #[must_use]
    fn because(mut self, causes: &[ProviderError]) -> Failure {
        if let Failure::Told(told) = &mut self {
            told.causes = said(causes);
        }
        self
    }

    /// A note, if there is one.
    fn noting(self, note: Option<String>) -> Failure {
        match note {
            Some(note) => self.note(note),
            None => self,
        }
    }

    /// How the run ends if this is all.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Failure::Config(_, exit) => *exit,
            Failure::Told(told) => told.exit,
            Failure::Pipe => Exit::Pipe,
        }
    }

    /// The text for people, with its last line break; empty if there is nothing to say.
    pub(crate) fn text(&self, look: Look) -> String {
        match self {
            Failure::Config(errors, _) => render_all(errors, look),
            Failure::Told(told) => told.text(look),
            Failure::Pipe => String::new(),
        }
    }

    /// Lines of JSON, with their line breaks.
    pub(crate) fn json(&self) -> String {
        let lines: Vec<Line<'_>> = match self {
            Failure::Config(errors, _) => errors
                .errors()
                .iter()
                .map(|error| Line {
                    kind: "error",
                    code: error.code(),
                    message: error.fault.to_string(),
                    place: error.place.as_ref().map(ToString::to_string),
                    causes: &[],
                    notes: notes(error),
                    exit: self.exit().number(),
                })
                .collect(),
            Failure::Told(told) => vec![Line {
                kind: "error",
                code: told.code,
                message: told.what.clone(),
                place: told.place.clone(),
                causes: &told.causes,
                notes: told.notes.clone(),
                exit: told.exit.number(),
            }],
            Failure::Pipe => Vec::new(),
        };
        let line = |line: &Line<'_>| serde_json::to_string(line).expect("strings and numbers are JSON") + "\n";
        lines.iter().map(line).collect()
    }

    /// One sentence, for a table of several items.
    pub(crate) fn sentence(&self) -> String {
        match self {
            Failure::Config(errors, _) => errors.errors().first().map(ToString::to_string).unwrap_or_default(),
            Failure::Told(told) => told.what.clone(),
            Failure::Pipe => String::new(),
        }
    }
}

impl Told {
    fn text(&self, look: Look) -> String {
        let (red, bold, plain) = if look.color {
            ("\u{1b}[1;31m", "\u{1b}[1m", "\u{1b}[0m")
        } else {
            ("", "", "")
        };
        let mut lines = vec![format!(
            "{red}error[{}]{plain}: {bold}{}{plain}",
            self.code,
            tame(&self.what)
        )];
        lines.extend(self.place.iter().map(|place| format!("  --> {}", tame(place))));
        let causes = self.causes.len().saturating_sub(MOST_CAUSES);
        lines.extend(
            self.causes
                .iter()
                .take(MOST_CAUSES)
                .map(|cause| format!("   = {}", tame(cause))),
        );
        if causes > 0 {
            lines.push(format!("   = and {causes} more providers"));
        }
        lines.extend(self.notes.iter().map(|note| format!("   = {}", tame(note))));
        lines.truncate(MOST_LINES);
        lines.join("\n") + "\n"
    }
}

/// One line, without anything that a terminal would obey: names of files and words of servers are in it.
pub(crate) fn tame(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() || turns(c) { '\u{fffd}' } else { c })
        .collect()
}

/// Characters that have no shape, and change the direction in which others are shown.
fn turns(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// What each provider said, providers with the same words together.
pub(crate) fn said(causes: &[ProviderError]) -> Vec<String> {
    let mut said: Vec<(String, Vec<&str>)> = Vec::new();
    for cause in causes {
        let words = words(cause);
        match said.iter_mut().find(|(known, _)| *known == words) {
            Some((_, names)) if names.contains(&cause.provider.as_str()) => {}
            Some((_, names)) => names.push(&cause.provider),
            None => said.push((words, vec![&cause.provider])),
        }
    }
    said.into_iter()
        .map(|(words, names)| format!("{}: {words}", names.join(", ")))
        .collect()
}

/// One provider's failure in one line, with what a person can do where that is clear.
pub(crate) fn words(cause: &ProviderError) -> String {
    let message = cause.message.trim();
    let short: String = message.chars().take(160).collect();
    let more = if short.len() < message.len() { "..." } else { "" };
    let tries = if cause.attempts > 1 {
        format!(" (tried {} times)", cause.attempts)
    } else {
        String::new()
    };
    let hint = match cause.class {
        Class::Denied => "; check its credentials and rights",
        Class::Full => "; its account or disk is full",
        Class::Clock => "; set this machine's clock",
        Class::Throttled => "; it asks to slow down",
        _ => "",
    };
    format!("{short}{more}{tries}{hint}")
}

/// The code of a provider's failure, by what it means.
pub(crate) fn provider_code(class: Class) -> &'static str {
    match class {
        Class::Transient | Class::Timeout | Class::Broken => "E0301",
        Class::Denied => "E0302",
        Class::Config | Class::Gone => "E0303",
        Class::Full => "E0304",
        Class::Throttled => "E0305",
        Class::Clock => "E0306",
        Class::Corrupt => "E0307",
        Class::Unsupported => "E0308",
    }
}

const UNTOUCHED: &str = "nothing was read from or written to any provider";
const AS_IT_WAS: &str = "the version before, if there was one, is as it was";
const SEE_STATUS: &str = "raic status  contacts each provider and says what is wrong";

impl From<ConfigErrors> for Failure {
    fn from(errors: ConfigErrors) -> Failure {
        Failure::Config(Box::new(errors), Exit::Usage)
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Failure {
        ConfigErrors::new(vec![error]).into()
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Failure {
        ConfigError::from(fault).into()
    }
}

/// The key of the set can't be had, whatever the reason.
pub(crate) fn no_key(error: ConfigError) -> Failure {
    Failure::Config(Box::new(ConfigErrors::new(vec![error])), Exit::Key)
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Failure {
        let exit = Exit::from(&error);
        let new = |code, error: &StoreError| Failure::new(exit, code, error.to_string());
        match &error {
            StoreError::Name { .. } => new("E0201", &error)
                .note("a name is 1 to 1024 bytes of UTF-8, parts divided by single `/`, none of them `.` or `..`")
                .note(UNTOUCHED),
            StoreError::Range { .. } => new("E0202", &error)
                .note("raic stat  tells how long it is")
                .note(UNTOUCHED),
            StoreError::NotFound { .. } => new("E0203", &error)
                .note("raic ls -r  lists all names; if the catalog was lost, raic recover brings them back")
                .note(UNTOUCHED),
            StoreError::Refused { .. } => new("E0204", &error).note("the object is as it was"),
            StoreError::Placement { .. } => new("E0205", &error)
                .note("each fragment needs a provider of its own that takes writes: raic provider list")
                .note("nothing was stored"),
            StoreError::Source { .. } => new("E0206", &error).note(AS_IT_WAS),
            StoreError::NotStored { causes, .. } => {
                new("E0401", &error).because(causes).note(SEE_STATUS).note(AS_IT_WAS)
            }
            StoreError::OutcomeUnknown { causes, why, .. } => new("E0402", &error)
                .because(causes)
                .noting(why.as_ref().map(|why| format!("here: {why}")))
                .note("the next put or rm decides it, once the providers answer; raic status  lists it until then"),
            StoreError::Unreachable { causes, .. } => new("E0403", &error)
                .because(causes)
                .note("try again when the providers answer: raic status")
                .note("no byte of it was given out, nothing was changed"),
            StoreError::Lost { .. } => new("E0404", &error)
                .note("if a provider was only emptied or moved, bring its blobs back and try again")
                .note("no byte of it was given out, nothing was changed"),
            StoreError::NoMajority { causes, .. } => new("E0405", &error)
                .because(causes)
                .note(SEE_STATUS)
                .note("nothing was stored"),
            StoreError::Stale { .. } => new("E0406", &error)
                .note("an old catalog was restored: raic recover  brings it up to date")
                .note("another machine writes to this set: use that one")
                .note("nothing was written or deleted"),
            StoreError::Inconsistent { .. } => new("E0407", &error).note("nothing was changed; please report this"),
            StoreError::Waiting { .. } => new("E0409", &error)
                .note("raic recover  decides it when more providers answer")
                .note("nothing older is given instead, nothing was changed"),
            StoreError::Blind { causes, .. } => new("E0410", &error)
                .because(causes)
                .note("try again when they answer, or take the risk: raic recover --accept-risk")
                .note("nothing was changed"),
            StoreError::NoMembership { causes, .. } => new("E0313", &error)
                .because(causes)
                .note("are these the right providers, and the right key? raic provider list")
                .note("nothing was changed"),
            StoreError::Miscoded { .. } => new("E0408", &error).note("test the machine's memory before storing more"),
            StoreError::Foreign { provider, .. } => new("E0309", &error)
                .note(format!(
                    "give `{provider}` an empty bucket or folder, or use the key that belongs to its data"
                ))
                .note("nothing was written there"),
            StoreError::Unknown { .. } => new("E0310", &error)
                .note("raic recover  rebuilds the catalog from the providers; or give it an empty bucket or folder")
                .note("nothing was written there"),
            StoreError::NoMember { .. } => new("E0311", &error)
                .note("raic status  lists the members")
                .note("nothing was changed"),
            StoreError::Catalog(error) => Failure::from(error.clone()),
        }
    }
}

impl From<CatalogError> for Failure {
    fn from(error: CatalogError) -> Failure {
        let exit = Exit::from(&error);
        let new = |code| Failure::new(exit, code, error.to_string());
        match &error {
            CatalogError::Io { .. } => new("E0501")
                .note("is the disk full, or the state folder not yours? what was stored before is not touched"),
            CatalogError::Damaged { .. } => {
                new("E0502").note("move the file away, then: raic recover; the data on the providers is not touched")
            }
            CatalogError::Newer { .. } => new("E0503").note("use the newer raic; nothing was changed"),
            CatalogError::OtherSet { .. } => new("E0504")
                .note("is it the right key? each cloud set has its own key and state folder")
                .note(UNTOUCHED),
            CatalogError::Epoch { .. } | CatalogError::Closed(_) | CatalogError::Retired(_) => {
                new("E0505").note("another raic wrote to this set meanwhile; run it again")
            }
            CatalogError::Archive(_) => new("E0509").note("nothing was changed"),
            CatalogError::Rule(_) => new("E0506").note("nothing was changed; please report this"),
        }
    }
}

impl From<LockError> for Failure {
    fn from(error: LockError) -> Failure {
        match &error {
            LockError::Held { .. } => Failure::new(Exit::Failed, "E0507", error.to_string())
                .note("one process writes at a time; run it again when that one has ended")
                .note(UNTOUCHED),
            LockError::Io { path, source } => {
                Failure::new(Exit::Failed, "E0508", format!("lock file {path}: {}", reason(source)))
                    .note("the state folder must be yours and writable, and its disk not full")
                    .note(UNTOUCHED)
            }
        }
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Failure {
        let code = match &error {
            OpenError::Credentials { .. } => "E0302",
            _ => "E0303",
        };
        Failure::new(Exit::Usage, code, error.to_string())
            .note("its entry in the configuration must change: raic config path")
            .note(UNTOUCHED)
    }
}

/// A provider that could not do what was asked.
impl From<ProviderError> for Failure {
    fn from(error: ProviderError) -> Failure {
        let what = format!("provider `{}`: {}", error.provider, words(&error));
        Failure::new(Exit::Unreachable, provider_code(error.class), what)
    }
}

/// What the system said, without its number.
pub(crate) fn reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error ") {
        Some(end) => text[..end].to_lowercase(),
        None => text,
    }
}

/// A key text that is none.
pub(crate) fn bad_key(error: &SecretError) -> Failure {
    Failure::new(Exit::Key, "E0601", format!("this is not a key: {error}"))
        .note("a key is one line that begins as `raic key export` prints it; hyphens, spaces and capitals don't matter")
        .note("nothing was written")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::Operation;

    fn cause(provider: &str, message: &str) -> ProviderError {
        ProviderError::new(provider, Operation::Put, "k", Class::Timeout, message)
    }

    #[test]
    fn an_error_has_at_most_eight_lines_and_three_providers() {
        let causes: Vec<ProviderError> = (0..9).map(|i| cause(&format!("p{i}"), &format!("no {i}"))).collect();
        let failure = Failure::from(StoreError::NotStored {
            name: "x".to_owned(),
            confirmed: 1,
            n: 9,
            quorum: 8,
            causes,
        });
        let text = failure.text(Look::default());
        assert!(text.lines().count() <= 8, "{text}");
        assert!(text.contains("and 6 more providers"), "{text}");
        assert!(text.starts_with("error[E0401]: "), "{text}");
    }

    #[test]
    fn providers_with_the_same_words_share_a_line() {
        let causes = [
            cause("a", "refused"),
            cause("b", "refused"),
            cause("a", "refused"),
            cause("c", "late"),
        ];
        assert_eq!(said(&causes), ["a, b: refused", "c: late"]);
    }

    #[test]
    fn what_a_terminal_would_obey_is_taken_out() {
        let text = Failure::usage("a\u{1b}[31mb\nc").text(Look::default());
        assert_eq!(text, "error[E0001]: a\u{fffd}[31mb\u{fffd}c\n");
    }

    #[test]
    fn json_is_one_line_an_error() {
        let json = Failure::usage("no").note("do").json();
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(json.lines().count(), 1);
        assert_eq!(value["code"], "E0001");
        assert_eq!(value["exit"], 2);
    }
}
