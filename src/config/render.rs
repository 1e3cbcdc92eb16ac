//! How an error looks to a person: what, where with the line, what to do, what was not harmed; eight lines at most.
//!
//! ```text
//! error[E0101]: unknown key `regoin` in a provider
//!   --> ~/.config/raic/config.yaml:12:5
//!    |
//! 12 |     regoin: eu-central
//!    |     ^^^^^^ did you mean `region`?
//!    = valid keys here: scheme, options, region, operator, ...
//!    = nothing was read from or written to any provider
//! ```

use std::fmt::Write;

use super::error::{ConfigError, ConfigErrors, Fault, Infeasible, Place, Whose};
use super::shape::WHOLE;
use crate::placement::PlacementError;

/// How much room and which means there are.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// Escape sequences for colour may be written.
    pub color: bool,
    /// Columns of the terminal; under 40 counts as 40.
    pub width: usize,
}

impl Default for Look {
    /// No colour, 100 columns: for files and tests.
    fn default() -> Look {
        Look {
            color: false,
            width: 100,
        }
    }
}

const RED: &str = "\u{1b}[1;31m";
const BLUE: &str = "\u{1b}[1;34m";
const BOLD: &str = "\u{1b}[1m";
const PLAIN: &str = "\u{1b}[0m";

impl Look {
    fn paint(self, with: &str, text: &str) -> String {
        if self.color {
            format!("{with}{text}{PLAIN}")
        } else {
            text.to_owned()
        }
    }
}

/// All errors, a blank line between them, and how many more there are. Ends with a line break.
#[must_use]
pub fn render_all(errors: &ConfigErrors, look: Look) -> String {
    let mut texts: Vec<String> = errors.errors().iter().map(|error| render(error, look)).collect();
    if errors.more() > 0 {
        texts.push(format!(
            "... and {} more; they show once these are mended\n",
            errors.more()
        ));
    }
    texts.join("\n")
}

/// One error in at most eight lines. Ends with a line break.
#[must_use]
pub fn render(error: &ConfigError, look: Look) -> String {
    let look = Look {
        width: look.width.max(40),
        ..look
    };
    let head = look.paint(RED, &format!("error[{}]", error.code()));
    let mut text = format!("{head}: {}\n", look.paint(BOLD, &tame(&error.fault.to_string())));
    let gutter = error
        .place
        .as_ref()
        .map_or(2, |place| place.line.to_string().len().max(2));
    if let Some(place) = &error.place {
        show_place(&mut text, place, guess(&error.fault).as_deref(), gutter, look);
    }
    let beside_caret = error.place.as_ref().is_some_and(|place| place.text.is_some());
    let guess = guess(&error.fault).filter(|_| !beside_caret);
    for note in guess.into_iter().chain(remedies(&error.fault, look.width)) {
        let mark = look.paint(BLUE, "=");
        writeln!(text, "{:gutter$} {mark} {}", "", tame(&note)).expect("a string takes everything");
    }
    text
}

/// What to do, and what was not harmed: the lines below the place, for scripts.
#[must_use]
pub fn notes(error: &ConfigError) -> Vec<String> {
    let remedies = remedies(&error.fault, Look::default().width);
    guess(&error.fault).into_iter().chain(remedies).collect()
}

/// Without anything that a terminal would obey: names are in it, as they were written.
fn tame(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

fn show_place(text: &mut String, place: &Place, guess: Option<&str>, gutter: usize, look: Look) {
    let mut line = |text_of_line: String| {
        text.push_str(text_of_line.trim_end());
        text.push('\n');
    };
    line(format!("{:gutter$}{} {place}", "", look.paint(BLUE, "-->")));
    let Some(source) = &place.text else { return };
    let (source, from, len) = crop(source, place.caret, look.width.saturating_sub(gutter + 3));
    let bar = look.paint(BLUE, "|");
    let carets = look.paint(RED, &"^".repeat(len));
    line(format!("{:gutter$} {bar}", ""));
    line(format!("{:>gutter$} {bar} {source}", place.line));
    line(format!(
        "{:gutter$} {bar} {:from$}{carets} {}",
        "",
        "",
        tame(guess.unwrap_or_default())
    ));
}

/// The part of a line round its caret that fits `width`, and where the caret is in it.
fn crop(line: &str, (from, len): (usize, usize), width: usize) -> (String, usize, usize) {
    let chars: Vec<char> = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let skip = if chars.len() <= width || from < width * 2 / 3 {
        0
    } else {
        from - width / 3
    };
    let kept: String = chars.iter().skip(skip).take(width).collect();
    let room = width.saturating_sub(from - skip).max(1);
    (kept, from - skip, len.clamp(1, room))
}

/// What goes beside the caret.
fn guess(fault: &Fault) -> Option<String> {
    match fault {
        Fault::UnknownKey { guess, .. } | Fault::UnknownScheme { guess, .. } | Fault::UnknownName { guess, .. } => {
            guess.as_ref().map(|guess| format!("did you mean `{guess}`?"))
        }
        _ => None,
    }
}

/// What was not harmed, where nothing else is to be said.
const UNHARMED: &str = "nothing was read from or written to any provider";

/// What to do, and what was not harmed: at most three lines.
fn remedies(fault: &Fault, width: usize) -> Vec<String> {
    let list = |what: &str, names: &[String]| listed(what, names, width.saturating_sub(6).max(120));
    let mut notes = match fault {
        Fault::UnknownKey { valid, .. } => vec![list("valid keys here: ", valid)],
        Fault::UnknownScheme { valid, .. } => vec![list("built in: ", valid)],
        Fault::UnknownName { what, valid, .. } if valid.is_empty() => vec![format!("there is no {what} at all yet")],
        Fault::UnknownName { valid, .. } => vec![list("there are: ", valid)],
        Fault::NotYaml { .. } => {
            vec!["a value with `: `, `#` or a leading `*`, `&`, `!`, `%`, `@` needs quotes".to_owned()]
        }
        Fault::WrongType { key, .. } if key == WHOLE => vec!["make one that works now: raic init".to_owned()],
        Fault::WrongType { .. }
        | Fault::BadValue { .. }
        | Fault::Version { .. }
        | Fault::Unreadable { .. }
        | Fault::KeyFile { .. } => Vec::new(),
        Fault::Duplicate { .. } => vec!["keep one of the two".to_owned()],
        Fault::Missing { key, .. } => vec![missing(key).to_owned()],
        Fault::InlineSecret { key } => vec![
            format!("move it out: {key}: {{ file: ~/.config/raic/{key} }}   (chmod 600), or {{ env: X }}"),
            "if others could read this file, change the secret at the provider".to_owned(),
        ],
        Fault::UserInfo { .. } => {
            vec!["give them as options of their own, such as `username` and `password: { env: X }`".to_owned()]
        }
        Fault::EnvUnset { whose, key, variable } => {
            return vec![
                format!("set it:        export {variable}=..."),
                format!("or use a file: {key}: {{ file: ~/.config/raic/{key} }}"),
                others(whose),
            ];
        }
        Fault::SecretFile { whose, .. } | Fault::SecretCommand { whose, .. } => return vec![others(whose)],
        Fault::OpenRights { path, written, .. } => {
            let bits = if *written { "go-w" } else { "go-rwx" };
            vec![format!("close it: chmod {bits} {path}")]
        }
        Fault::NotFound { tried } => vec![
            list("looked for: ", tried),
            "make one that works now: raic init".to_owned(),
        ],
        Fault::BadKey { .. } => vec!["bring it back from its recovery sheet: raic key import".to_owned()],
        Fault::Policy { why, .. } => vec![policy(why)],
        Fault::Twin { .. } => {
            vec!["twins are RAIC__SECTION__KEY, as in RAIC__POLICIES__DEFAULT__K=4; unset what isn't one".to_owned()]
        }
        Fault::Edit { .. } => return vec!["the file is as it was".to_owned()],
    };
    notes.push(UNHARMED.to_owned());
    notes
}

/// What a missing secret does not touch.
fn others(whose: &Whose) -> String {
    match whose {
        Whose::Provider { others: 0, .. } | Whose::Set | Whose::Node => UNHARMED.to_owned(),
        Whose::Provider { others: 1, .. } => "the other provider is fine".to_owned(),
        Whose::Provider { others, .. } => format!("the other {others} providers are fine"),
    }
}

fn missing(key: &str) -> &'static str {
    match key {
        "version" => "begin the file with: version: 1",
        "key" => "say where the set's key is kept: key: { file: ~/.config/raic/key }",
        "scheme" => "name the service: scheme: s3   (`raic provider schemes` lists them)",
        "default" => "name one of the policies `default`: it is taken if none is asked for",
        "root" => "say in which folder: options: { root: /srv/raic }",
        "bucket" | "bucket_id" | "container" | "endpoint" => "add it to the provider's `options`",
        "operator" => "the company behind it cannot be guessed; write it: operator: NAME",
        "k" | "m" => "say both: k fragments read the data, any m providers may be lost",
        _ => "add it",
    }
}

fn policy(why: &Infeasible) -> String {
    match why {
        Infeasible::TooWide { .. } => "the code has 256 chunks: take less of k or m".to_owned(),
        Infeasible::Quorum { lowest, .. } => {
            format!("any two quorums must share k fragments; leave write_quorum out for {lowest}")
        }
        Infeasible::TooFewProviders { k, m, eligible } => {
            format!(
                "add {} more, or lower k or m: each fragment of an extent has a provider of its own",
                usize::from(k + m) - eligible
            )
        }
        Infeasible::Placement(PlacementError::Perilous { .. }) => {
            "lower that bound, raise m, or leave the kind out of `spread`".to_owned()
        }
        Infeasible::Placement(PlacementError::Undecided { .. }) => "name fewer kinds in `spread`".to_owned(),
        Infeasible::Placement(_) => "add providers in other domains, or raise the bound (m is the most)".to_owned(),
        Infeasible::Circle { .. } => "one of them must stand by itself".to_owned(),
        Infeasible::FragmentTooSmall { .. } => "raise `fragment` or lower `chunk`".to_owned(),
    }
}

/// As many names as fit, and how many more there are.
fn listed(what: &str, names: &[String], width: usize) -> String {
    let mut text = what.to_owned();
    for (i, name) in names.iter().enumerate() {
        let comma = if i == 0 { "" } else { ", " };
        let more = format!(", and {} more", names.len() - i);
        let reserve = if i + 1 == names.len() { 0 } else { more.len() };
        if i > 0 && text.chars().count() + comma.len() + name.chars().count() + reserve > width {
            return text + &more;
        }
        text = text + comma + name;
    }
    text
}
