//! What the pages say is there: links, paths, variables of the environment.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::source::{Source, is_identifier, words};
use crate::{Finding, finding, root};

/// Folders whose files are named in prose by their path.
const NAMED_FOLDERS: &[&str] = &["src/", "docs/", "tests/", "benches/", "examples/", "fixtures/", ".ci/"];

/// Whether a path of the repository exists.
type Exists<'a> = &'a dyn Fn(&str) -> bool;

/// Links of a page that lead nowhere: `[text](file.md#heading)`, from the page's folder.
pub(crate) fn dead_links(source: &Source, exists: Exists) -> Vec<Finding> {
    if !is_page(source) {
        return Vec::new();
    }
    let folder = source.path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut findings = Vec::new();
    for (at, _) in source.text.match_indices("](") {
        let target = source.text[at + 2..].split([')', ' ', '\n']).next().unwrap_or_default();
        let file = target.split('#').next().unwrap_or_default();
        let elsewhere = target.contains("://") || target.starts_with("mailto:");
        if !elsewhere && !file.is_empty() && !exists(&join(folder, file)) {
            findings.push(finding(
                source,
                at,
                format!("the link leads to {}, which isn't there", join(folder, file)),
            ));
        }
    }
    findings
}

fn is_page(source: &Source) -> bool {
    Path::new(&source.path).extension().is_some_and(|end| end == "md")
}

/// `file` seen from `folder`, with `..` resolved.
fn join(folder: &str, file: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in folder.split('/').chain(file.split('/')) {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// Paths in backticks, in pages and in comments, that aren't there.
pub(crate) fn dead_paths(source: &Source, exists: Exists) -> Vec<Finding> {
    // The rules' own examples name what isn't there.
    if !is_page(source) && !source.is_rust() || source.path.starts_with("tests/tidy") {
        return Vec::new();
    }
    let named = |word: &str| NAMED_FOLDERS.iter().any(|folder| word.starts_with(folder));
    let pattern = |word: &str| word.contains(['*', '{', '<', '$', ' ', '…']) || word.contains("NAME");
    let mut findings = Vec::new();
    let mut at = 0;
    for (number, piece) in source.text.split('`').enumerate() {
        // Every second piece stands between two backticks; a block of code has its three, so the count stays even.
        if number % 2 == 1 && named(piece) && !pattern(piece) && !exists(piece.trim_end_matches('/')) {
            findings.push(finding(source, at, format!("`{piece}` isn't there")));
        }
        at += piece.len() + 1;
    }
    findings
}

pub(crate) fn exists_here(path: &str) -> bool {
    root().join(path).exists()
}

/// Variables of the environment by their place: in programs, and in pages.
fn variables(sources: &[Source], of: fn(&Source) -> bool) -> BTreeMap<String, Finding> {
    let mut found = BTreeMap::new();
    for source in sources.iter().filter(|source| of(source)) {
        let is_variable = |word: &str| {
            word.strip_prefix("RAIC_")
                .is_some_and(|name| name.starts_with(|c: char| c.is_ascii_uppercase()))
        };
        for (at, word) in words(&source.text, is_identifier).filter(|(_, word)| is_variable(word)) {
            found
                .entry(word.to_owned())
                .or_insert_with(|| finding(source, at, word));
        }
    }
    found
}

fn is_program(source: &Source) -> bool {
    let program =
        source.path.starts_with("src/") || source.path.starts_with("fixtures/") || source.path.starts_with("tests/");
    program && !is_page(source) && !source.path.starts_with("tests/tidy")
}

/// Variables that only one of the two names.
pub(crate) fn one_sided_variables(sources: &[Source]) -> Vec<Finding> {
    let (read, told) = (variables(sources, is_program), variables(sources, is_page));
    let missing = |from: &BTreeMap<String, Finding>, to: &BTreeMap<String, Finding>, remedy: &str| {
        let names: BTreeSet<&String> = from.keys().filter(|name| !to.contains_key(*name)).collect();
        let tell = |name: &String| {
            let place = &from[name];
            Finding {
                path: place.path.clone(),
                line: place.line,
                what: format!("{name} {remedy}"),
            }
        };
        names.into_iter().map(tell).collect::<Vec<_>>()
    };
    let mut findings = missing(
        &read,
        &told,
        "is in no page: add it to the table in docs/CONTRIBUTING.md or to the manual",
    );
    findings.extend(missing(&told, &read, "is read by no program: take it out of the page"));
    findings
}
