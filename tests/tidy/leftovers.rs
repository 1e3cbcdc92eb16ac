//! Names that say nothing, files too long, work left half done, paths of one machine.

use crate::source::{Source, is_identifier, words};
use crate::{Finding, finding};

/// Names that say nothing about what is inside.
const EMPTY_NAMES: &[&str] = &[
    "util", "utils", "common", "helper", "helpers", "manager", "types", "core", "misc",
];

pub(crate) fn empty_names(source: &Source) -> Vec<Finding> {
    if !source.is_rust() {
        return Vec::new();
    }
    let in_path = source
        .path
        .split(['/', '.'])
        .filter(|part| EMPTY_NAMES.contains(part))
        .map(|part| (0, part));
    let declared = source
        .identifiers()
        .filter(|(at, name)| EMPTY_NAMES.contains(name) && source.code[..*at].ends_with("mod "));
    in_path
        .chain(declared)
        .map(|(at, name)| finding(source, at, format!("no module is called {name}: name what it holds")))
        .collect()
}

pub(crate) fn missing_head(source: &Source) -> Vec<Finding> {
    let says = ["//! ", "#![doc = include_str!("]
        .iter()
        .any(|head| source.text.starts_with(head));
    let headless = source.is_rust() && !says;
    headless
        .then(|| finding(source, 0, "begin with `//!` and what this is, drawn if it has a shape"))
        .into_iter()
        .collect()
}

/// Beyond this a file has stopped being one concept.
const LONGEST_FILE: usize = 600;

pub(crate) fn too_long(source: &Source) -> Vec<Finding> {
    let lines = source.text.lines().count();
    let long = source.is_rust() && lines > LONGEST_FILE;
    let what = format!("{lines} lines, at most {LONGEST_FILE}: find the second concept in it and give it a file");
    long.then(|| finding(source, source.text.len(), what))
        .into_iter()
        .collect()
}

pub(crate) fn half_done(source: &Source) -> Vec<Finding> {
    // Put together here, so that this file doesn't find itself.
    let marks = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("X", "XX")];
    let mut findings: Vec<Finding> = words(&source.text, is_identifier)
        .filter(|(_, word)| marks.contains(word))
        .map(|(at, word)| {
            finding(
                source,
                at,
                format!("{word}: do it, or open an issue and say here what is so today"),
            )
        })
        .collect();
    if source.is_rust() {
        for stub in ["todo!", "unimplemented!"] {
            findings.extend(
                source
                    .code
                    .match_indices(stub)
                    .map(|(at, _)| finding(source, at, format!("{stub} is no answer"))),
            );
        }
        let ignored = source.code.match_indices("#[ignore]");
        findings
            .extend(ignored.map(|(at, _)| finding(source, at, "say why: #[ignore = \"reason, and what runs it\"]")));
    }
    findings
}

/// Folders that only some machine has.
const MACHINES: [&str; 4] = [
    concat!("/wo", "rk/"),
    concat!("/tm", "p/"),
    concat!("/ro", "ot/"),
    concat!("/fa", "rm/"),
];

pub(crate) fn machine_paths(source: &Source) -> Vec<Finding> {
    // Behind a name or a closing brace it is the middle of a longer path: `$HOME/…`, `${DIR}/…`, `https://host/…`.
    let begins = |at: usize| {
        at == 0
            || !matches!(source.text.as_bytes()[at - 1], b'}' | b'.' | b'_' | b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9')
    };
    let goes_on = |end: usize| source.text[end..].starts_with(|next: char| next.is_ascii_alphanumeric());
    MACHINES
        .iter()
        .flat_map(|folder| source.text.match_indices(folder))
        .filter(|(at, folder)| begins(*at) && goes_on(at + folder.len()))
        .map(|(at, folder)| {
            finding(
                source,
                at,
                format!("a path of one machine ({folder}…): use a temporary folder or an argument"),
            )
        })
        .collect()
}
