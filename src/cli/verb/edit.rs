//! Changes of the configuration's text: a provider's lines are put in or taken out, everything else stays as its owner wrote it.
//! The new text is checked before it takes the place of the old.

use std::fmt::Write;
use std::path::Path;

use super::super::Context;
use super::super::args::ProviderAdd;
use super::super::error::{Failure, reason};
use super::super::exit::Exit;
use super::super::ground::with_services;
use super::init::replace;
use crate::config::{Config, is_secret, locate};

/// Adds a provider at the end of the `providers:` section.
pub(crate) fn add(args: &ProviderAdd, context: &Context) -> Result<(), Failure> {
    let block = block(args)?;
    change(context, |text| {
        if lines_of(text, &args.name).is_some() {
            return Err(unchanged(format!("there is a provider `{}` already", args.name)));
        }
        let (_, end) = section(text).ok_or_else(|| unchanged("it has no `providers:` section of its own lines"))?;
        Ok(splice(text, end, end, &block))
    })
}

/// Takes out a provider's lines.
pub(crate) fn remove(name: &str, context: &Context) -> Result<(), Failure> {
    change(context, |text| {
        let (begin, end) = lines_of(text, name)
            .ok_or_else(|| unchanged(format!("the lines of `{name}` were not found: take them out by hand")))?;
        Ok(splice(text, begin, end, ""))
    })
}

fn unchanged(why: impl std::fmt::Display) -> Failure {
    Failure::new(
        Exit::Usage,
        "E0120",
        format!("the configuration was not changed: {why}"),
    )
    .note("the file is as it was")
}

/// Reads, changes, checks and replaces the file.
fn change(context: &Context, change: impl FnOnce(&str) -> Result<String, Failure>) -> Result<(), Failure> {
    let located = locate(context.global.config.as_deref(), &context.env, &|path| path.exists())
        .map_err(|error| crate::config::ConfigErrors::new(vec![error]))?;
    let path = std::fs::canonicalize(&located.path).unwrap_or(located.path);
    let text = std::fs::read_to_string(&path).map_err(|error| unchanged(reason(&error)).at(&path))?;
    let changed = change(&text)?;
    check(&path, &changed, context)?;
    replace(&path, &changed)
}

fn check(path: &Path, text: &str, context: &Context) -> Result<(), Failure> {
    with_services(|services| Config::from_text(path, text, &context.env, services))?;
    Ok(())
}

/// The lines of a new provider.
fn block(args: &ProviderAdd) -> Result<String, Failure> {
    let mut text = format!("  {}:\n    scheme: {}\n", args.name, args.scheme);
    let mut line = |line: String| writeln!(text, "{line}").expect("a string takes everything");
    if !args.options.is_empty() {
        line("    options:".to_owned());
    }
    for option in &args.options {
        let (key, value) = option.split_once('=').ok_or_else(|| {
            Failure::usage("an option has no `=`")
                .note("write KEY=VALUE, KEY=env:VARIABLE or KEY=file:PATH")
                .note("nothing was touched")
        })?;
        line(format!("      {key}: {}", shown(args, key, value)?));
    }
    let flags = [
        ("region", &args.region),
        ("operator", &args.operator),
        ("quota", &args.quota),
        ("cost", &args.cost),
    ];
    for (key, value) in flags {
        if let Some(value) = value {
            line(format!("    {key}: {}", quoted(value)));
        }
    }
    Ok(text)
}

fn shown(args: &ProviderAdd, key: &str, value: &str) -> Result<String, Failure> {
    if let Some(variable) = value.strip_prefix("env:") {
        return Ok(format!("{{ env: {} }}", quoted(variable)));
    }
    if let Some(path) = value.strip_prefix("file:") {
        return Ok(format!("{{ file: {} }}", quoted(path)));
    }
    if is_secret(&args.scheme, key) {
        return Err(Failure::new(
            Exit::Usage,
            "E0107",
            format!("`{key}` is a secret and must not stand on the command line"),
        )
        .note(format!("keep it elsewhere: {key}=env:VARIABLE or {key}=file:PATH"))
        .note("others may have seen it in the list of processes: change it at the provider"));
    }
    Ok(quoted(value))
}

/// A scalar that YAML takes as text.
fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a string is JSON")
}

/// The lines of the `providers:` section: the first behind its head, and the first behind it.
fn section(text: &str) -> Option<(usize, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let head = lines
        .iter()
        .position(|line| line.trim_end() == "providers:" || line.starts_with("providers: #"))?;
    let inside = |line: &&str| line.is_empty() || line.starts_with([' ', '#']);
    let mut end = head + 1 + lines[head + 1..].iter().take_while(|line| inside(line)).count();
    // Blank lines and comments before the next section belong to that.
    while end > head + 1 && (lines[end - 1].trim().is_empty() || lines[end - 1].starts_with('#')) {
        end -= 1;
    }
    Some((head + 1, end))
}

/// The lines of one provider.
fn lines_of(text: &str, name: &str) -> Option<(usize, usize)> {
    let (begin, end) = section(text)?;
    let lines: Vec<&str> = text.lines().collect();
    let indent = |line: &str| line.len() - line.trim_start().len();
    let is_head = |line: &&str| {
        let line = line.trim_start();
        line.strip_prefix(name).is_some_and(|rest| rest.starts_with(':'))
    };
    let depth = lines[begin..end]
        .iter()
        .filter(|line| !line.trim().is_empty() && !line.trim().starts_with('#'))
        .map(|line| indent(line))
        .min()?;
    let head = begin
        + lines[begin..end]
            .iter()
            .position(|line| indent(line) == depth && is_head(line))?;
    let inside = |line: &&str| line.trim().is_empty() || indent(line) > depth;
    let mut last = head + 1 + lines[head + 1..end].iter().take_while(|line| inside(line)).count();
    while last > head + 1 && lines[last - 1].trim().is_empty() {
        last -= 1;
    }
    Some((head, last))
}

/// The text with lines `begin..end` replaced.
fn splice(text: &str, begin: usize, end: usize, new: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let join = |lines: &[&str]| lines.iter().flat_map(|line| [*line, "\n"]).collect::<String>();
    join(&lines[..begin]) + new + &join(&lines[end..])
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "version: 1\nproviders:\n  # ours\n  a:\n    scheme: fs   # near\n  b:\n    scheme: s3\n\n# how\npolicies:\n  default: {}\n";

    #[test]
    fn a_provider_goes_in_behind_the_last_and_comes_out_alone() {
        let (_, end) = section(TEXT).unwrap();
        let added = splice(TEXT, end, end, "  c:\n    scheme: b2\n");
        assert!(
            added.contains("    scheme: s3\n  c:\n    scheme: b2\n\n# how\n"),
            "{added}"
        );
        let (begin, end) = lines_of(&added, "c").unwrap();
        assert_eq!(splice(&added, begin, end, ""), TEXT);
        let (begin, end) = lines_of(TEXT, "a").unwrap();
        assert_eq!(
            splice(TEXT, begin, end, ""),
            TEXT.replace("  a:\n    scheme: fs   # near\n", "")
        );
        assert_eq!(lines_of(TEXT, "scheme"), None);
    }
}
