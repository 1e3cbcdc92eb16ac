//! Standard output and standard error: the only place that writes to either.
//!
//! ```text
//! answer, said ─▶ stdout    (said: not with -q)         bars are lifted while a line is written
//! warn, failure ─▶ stderr   (warn: not with -q)         a reader that went away ends the run without a word
//! ```

use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, PoisonError};

use indicatif::MultiProgress;
use schemars::JsonSchema;
use serde::Serialize;

use super::args::{Color, Global};
use super::error::{Failure, reason, tame};
use super::exit::Exit;
use crate::config::{Environment, Look};

/// Columns where nobody says how many there are.
const COLUMNS: usize = 100;

/// Before what goes on of a line that was broken.
const INDENT: &str = "     ";

/// An answer for scripts. `docs/schemas/` has the JSON Schema of each.
pub(crate) trait Document: Serialize + JsonSchema {
    /// `raic.VERB/1`: stands in each document.
    const SCHEMA: &'static str;
}

/// A document with its schema's name before it.
#[derive(Serialize)]
struct Labelled<'a, T> {
    schema: &'static str,
    #[serde(flatten)]
    body: &'a T,
}

/// The two streams, and how to write on them.
#[derive(Debug)]
pub(crate) struct Output {
    json: bool,
    quiet: bool,
    /// Of standard output.
    look: Look,
    /// Of standard error.
    aside: Look,
    /// Columns that a table may have; `None` where lines may be as long as they are.
    room: Option<usize>,
    /// Standard error is a terminal: long lines are broken between words.
    breaks: bool,
    bars: Mutex<Option<MultiProgress>>,
}

impl Output {
    /// What the flags and the surroundings ask for.
    pub(crate) fn new(global: &Global, env: &Environment) -> Output {
        let (out, err) = (io::stdout().is_terminal(), io::stderr().is_terminal());
        let told = env.get("COLUMNS").and_then(|columns| columns.parse::<usize>().ok());
        let seen = || comfy_table::Table::new().width().map(usize::from);
        let room = told.or_else(|| if out { seen() } else { None });
        let look = |terminal| Look {
            color: colored(global.color, env, terminal),
            width: room.unwrap_or(COLUMNS),
        };
        Output {
            json: global.json,
            quiet: global.quiet,
            look: look(out),
            aside: look(err),
            room,
            breaks: err,
            bars: Mutex::new(None),
        }
    }

    /// True if scripts read the answer.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// Columns that a table may have.
    pub(crate) fn room(&self) -> Option<usize> {
        self.room
    }

    /// A word of weight on standard output.
    pub(crate) fn strong(&self, text: &str, paint: Paint) -> String {
        if self.look.color {
            format!("{}{text}\u{1b}[0m", paint.begin())
        } else {
            text.to_owned()
        }
    }

    /// A line that was asked for.
    pub(crate) fn answer(&self, line: &str) -> Result<(), Failure> {
        self.lifted(|| write_out(format!("{line}\n").as_bytes()))
    }

    /// Sentences, broken between words where they are wider than there is room.
    pub(crate) fn fold(&self, text: &str) -> String {
        self.room.map_or_else(
            || text.to_owned(),
            |room| broken(text, room, INDENT).trim_end().to_owned(),
        )
    }

    /// A line that tells what was done; people only.
    pub(crate) fn said(&self, line: &str) -> Result<(), Failure> {
        if self.json || self.quiet {
            Ok(())
        } else {
            self.answer(line)
        }
    }

    /// Bytes as they are.
    pub(crate) fn bytes(&self, bytes: &[u8]) -> Result<(), Failure> {
        self.lifted(|| write_out(bytes))
    }

    /// The whole answer for scripts.
    pub(crate) fn document<T: Document>(&self, body: &T) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(&Labelled {
            schema: T::SCHEMA,
            body,
        })
        .expect("documents are JSON");
        self.answer(&text)
    }

    /// One line of an answer that comes bit by bit; scripts only.
    pub(crate) fn event<T: Document>(&self, body: &T) -> Result<(), Failure> {
        if !self.json {
            return Ok(());
        }
        self.answer(
            &serde_json::to_string(&Labelled {
                schema: T::SCHEMA,
                body,
            })
            .expect("documents are JSON"),
        )
    }

    /// The whole answer for scripts; people were told on the way.
    pub(crate) fn document_for_scripts<T: Document>(&self, body: &T) -> Result<(), Failure> {
        if self.json { self.document(body) } else { Ok(()) }
    }

    /// A line for a person who waits: nothing where nobody looks on.
    pub(crate) fn hint(&self, line: &str) {
        if self.breaks && !self.quiet && !self.json {
            self.aside(&format!("{}\n", tame(line)));
        }
    }

    /// Something that should be known and is no failure.
    pub(crate) fn warn(&self, what: &str) {
        if self.quiet {
            return;
        }
        let text = if self.json {
            let line = serde_json::json!({ "type": "warning", "message": what });
            format!("{line}\n")
        } else {
            let yellow = if self.aside.color {
                ("\u{1b}[1;33m", "\u{1b}[0m")
            } else {
                ("", "")
            };
            let line = format!("{}warning{}: {}\n", yellow.0, yellow.1, tame(what));
            match self.room.filter(|_| self.breaks) {
                Some(room) => broken(&line, room, INDENT),
                None => line,
            }
        };
        self.aside(&text);
    }

    /// A failure, whole.
    pub(crate) fn failure(&self, failure: &Failure) {
        let text = match self.room {
            _ if self.json => failure.json(),
            Some(room) if self.breaks => broken(&failure.text(self.aside), room, INDENT),
            _ => failure.text(self.aside),
        };
        self.aside(&text);
    }

    /// Text on standard error, as it is. If nobody listens there, nothing can be done.
    pub(crate) fn aside(&self, text: &str) {
        self.lifted(|| drop(io::stderr().lock().write_all(text.as_bytes())));
    }

    /// Bars that are on the screen from now on, or none.
    pub(crate) fn set_bars(&self, bars: Option<MultiProgress>) {
        *self.bars.lock().unwrap_or_else(PoisonError::into_inner) = bars;
    }

    fn lifted<T>(&self, write: impl FnOnce() -> T) -> T {
        let bars = self.bars.lock().unwrap_or_else(PoisonError::into_inner);
        match bars.as_ref() {
            Some(bars) => bars.suspend(write),
            None => write(),
        }
    }
}

/// Colours. Never the only sign: the word says it too. Red is kept for LOST and errors.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Paint {
    Good,
    Poor,
    Bad,
}

impl Paint {
    fn begin(self) -> &'static str {
        match self {
            Paint::Good => "\u{1b}[32m",
            Paint::Poor => "\u{1b}[33m",
            Paint::Bad => "\u{1b}[1;31m",
        }
    }
}

/// The text with lines of at most `columns`, as far as words allow; what goes on is indented. Escape sequences take no column.
pub(super) fn broken(text: &str, columns: usize, indent: &str) -> String {
    let mut out = String::new();
    for line in text.lines() {
        let mut used = 0;
        for (at, word) in line.split(' ').enumerate() {
            let len = visible(word);
            if at > 0 && used + 1 + len > columns && used > indent.len() && line.len() > columns {
                out.push('\n');
                out.push_str(indent);
                used = indent.len();
            } else if at > 0 {
                out.push(' ');
                used += 1;
            }
            out.push_str(word);
            used += len;
        }
        out.push('\n');
    }
    out
}

/// Characters of a word that take a column.
fn visible(word: &str) -> usize {
    let mut escape = false;
    let shows = |c: char| {
        let hidden = escape || c == '\u{1b}';
        escape = hidden && c != 'm';
        !hidden
    };
    word.chars().map(shows).filter(|shows| *shows).count()
}

fn colored(asked: Color, env: &Environment, terminal: bool) -> bool {
    let forced = env.get("CLICOLOR_FORCE").is_some_and(|force| force != "0");
    match asked {
        Color::Always => true,
        Color::Never => false,
        Color::Auto if env.get("NO_COLOR").is_some() => false,
        Color::Auto => forced || (terminal && env.get("TERM") != Some("dumb")),
    }
}

fn write_out(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)
        .and_then(|()| out.flush())
        .map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => Failure::Pipe,
            _ => Failure::new(
                Exit::Failed,
                "E0209",
                format!("standard output cannot be written: {}", reason(&error)),
            )
            .note("what was asked for may be incomplete there; what was stored or removed before stays so"),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_broken_between_words_and_short_ones_stay() {
        let text = "error[E0001]: one two three four\n   = short\n";
        assert_eq!(broken(text, 80, INDENT), text);
        assert_eq!(
            broken(text, 22, INDENT),
            "error[E0001]: one two\n     three four\n   = short\n"
        );
        assert_eq!(visible("\u{1b}[1;31merror\u{1b}[0m:"), 6);
    }
}
