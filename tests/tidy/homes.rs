//! Words that have one home: `opendal`, SQL, the clock, standard output, `unsafe`.

use crate::source::{Source, is_identifier};
use crate::{Finding, finding};

const CLI: &[&str] = &["src/cli/"];
const CLOCK: &[&str] = &["src/clock.rs"];
const ADAPTER: &[&str] = &["src/provider/opendal"];

const PRINT: &str = "only the command line prints";
const TIME: &str = "take the time as an argument";

/// What is named, the only places where it may be, and what to do elsewhere.
const HOMES: &[(Named, &[&str], &str)] = &[
    (
        Named::Crate("opendal"),
        ADAPTER,
        "reach clouds through the Provider port",
    ),
    (Named::Crate("reqwest"), ADAPTER, "HTTP belongs to the adapter"),
    (
        Named::Crate("rusqlite"),
        &["src/catalog/"],
        "add a verb to the catalog's port",
    ),
    (Named::Word("SystemTime"), CLOCK, TIME),
    (Named::Call("Timestamp::now"), CLOCK, TIME),
    (Named::Call("Zoned::now"), CLOCK, TIME),
    (Named::Call("println!"), CLI, PRINT),
    (Named::Call("print!"), CLI, PRINT),
    (Named::Call("eprintln!"), CLI, PRINT),
    (Named::Call("eprint!"), CLI, PRINT),
    (Named::Call("io::stdout"), CLI, PRINT),
    (
        Named::Word("unsafe"),
        &["src/codec/kernel/"],
        "unsafe code belongs to the kernels",
    ),
];

enum Named {
    /// A crate: a path that begins with it, or with a name made of it and an underscore.
    Crate(&'static str),
    /// An identifier, wherever it stands.
    Word(&'static str),
    /// The end of a path.
    Call(&'static str),
}

impl Named {
    fn places(&self, source: &Source) -> Vec<usize> {
        match *self {
            Named::Word(word) => source
                .identifiers()
                .filter(|(_, name)| *name == word)
                .map(|(at, _)| at)
                .collect(),
            Named::Call(call) => source
                .code
                .match_indices(call)
                .map(|(at, _)| at)
                .filter(|at| *at == 0 || !is_identifier(source.code.as_bytes()[at - 1]))
                .collect(),
            Named::Crate(name) => source
                .identifiers()
                .filter(|(at, word)| {
                    let (before, after) = (&source.code[..*at], &source.code[at + word.len()..]);
                    let ours = *word == name || word.strip_prefix(name).is_some_and(|rest| rest.starts_with('_'));
                    ours && !before.ends_with("::") && (after.starts_with("::") || before.ends_with("use "))
                })
                .map(|(at, _)| at)
                .collect(),
        }
    }

    fn name(&self) -> &'static str {
        let (Named::Crate(name) | Named::Word(name) | Named::Call(name)) = *self;
        name
    }
}

pub(crate) fn strayed_words(source: &Source) -> Vec<Finding> {
    if !source.is_rust() || !source.path.starts_with("src/") {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for (named, homes, remedy) in HOMES {
        if !homes.iter().any(|home| source.path.starts_with(home)) {
            let what = format!("`{}` stands outside {}: {remedy}", named.name(), homes.join(", "));
            findings.extend(
                named
                    .places(source)
                    .into_iter()
                    .map(|at| finding(source, at, what.clone())),
            );
        }
    }
    findings
}
