//! `raic bench compare`: two runs side by side.

use schemars::JsonSchema;
use serde::Serialize;

use super::super::super::Context;
use super::super::super::args::BenchCompare;
use super::super::super::error::Failure;
use super::super::super::exit::Exit;
use super::super::super::output::Document;
use super::super::super::table::{self, left, right};
use super::{broken, files};
use crate::mix::compare::{Change, Moved, compare};
use crate::mix::threshold::Threshold;

/// The answer.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct CompareSheet {
    /// True if one of the runs is on providers that don't exist.
    simulated: bool,
    /// Every figure that both have.
    changes: Vec<Change>,
    /// Bounds that aren't kept.
    broken: Vec<String>,
}

impl Document for CompareSheet {
    const SCHEMA: &'static str = "raic.bench.compare/1";
}

pub(super) fn run(args: &BenchCompare, context: &Context) -> Result<Exit, Failure> {
    let (old, new) = (files::read(&args.old)?, files::read(&args.new)?);
    let changes = compare(&old, &new);
    if changes.is_empty() {
        return Err(Failure::new(
            Exit::Usage,
            "E0805",
            "the two runs have nothing in common: no provider with the same sizes and lanes, no mix",
        ));
    }
    let mut over = Vec::new();
    for text in &args.threshold {
        match percent(text)? {
            Some(most) => over.extend(worse(&changes, most, text)),
            None => over.extend(broken(&new, &[text.parse::<Threshold>().map_err(Failure::usage)?])?),
        }
    }
    let sheet = CompareSheet {
        simulated: old.simulated || new.simulated,
        changes,
        broken: over,
    };
    if context.out.is_json() {
        context.out.document(&sheet)?;
    } else {
        show(&sheet, context)?;
    }
    for line in &sheet.broken {
        context.out.warn(line);
    }
    Ok(if sheet.broken.is_empty() {
        Exit::Done
    } else {
        Exit::Limit
    })
}

/// `20%` as a number; none if it is another kind of bound.
fn percent(text: &str) -> Result<Option<f64>, Failure> {
    if text.contains(['<', '>']) {
        return Ok(None);
    }
    let number = text
        .strip_suffix('%')
        .and_then(|number| number.trim().parse::<f64>().ok());
    match number.filter(|number| number.is_finite() && *number >= 0.0) {
        Some(number) => Ok(Some(number)),
        None => Err(Failure::usage(format!(
            "`{text}` is neither a percentage such as 20% nor a bound such as read.p99<500ms"
        ))),
    }
}

fn worse(changes: &[Change], most: f64, text: &str) -> Vec<String> {
    let over = changes.iter().filter(|change| change.loss() > most);
    over.map(|change| {
        format!(
            "{text}: {} {} went from {:.3} to {:.3}",
            change.of, change.figure, change.old, change.new
        )
    })
    .collect()
}

fn show(sheet: &CompareSheet, context: &Context) -> Result<(), Failure> {
    let out = &context.out;
    let worse = sheet
        .changes
        .iter()
        .filter(|change| change.moved == Moved::Worse)
        .count();
    let better = sheet
        .changes
        .iter()
        .filter(|change| change.moved == Moved::Better)
        .count();
    let simulated = if sheet.simulated { "SIMULATED: " } else { "" };
    let same = sheet.changes.len() - worse - better;
    out.answer(&format!(
        "{simulated}{worse} figures worse, {better} better, {same} the same within chance"
    ))?;
    let columns = [
        left("OF"),
        left("FIGURE"),
        right("OLD"),
        right("NEW"),
        right("CHANGE"),
        left(""),
    ];
    let rows: Vec<Vec<String>> = sheet.changes.iter().map(row).collect();
    for line in table::lines(&columns, &rows, out.room()) {
        out.answer(&line)?;
    }
    Ok(())
}

fn row(change: &Change) -> Vec<String> {
    let (name, number): (&str, fn(f64) -> String) = match change.figure.as_str() {
        "bytes_per_second" => ("rate", |rate| format!("{:.2} MiB/s", rate / 1_048_576.0)),
        "failed_percent" => ("failed", |share| format!("{share:.2} %")),
        "p50_ms" => ("p50", |ms| format!("{ms:.1} ms")),
        _ => ("p99", |ms| format!("{ms:.1} ms")),
    };
    let moved = match change.moved {
        Moved::Same => "",
        Moved::Better => "better",
        Moved::Worse => "worse",
    };
    vec![
        change.of.clone(),
        name.to_owned(),
        number(change.old),
        number(change.new),
        change
            .percent
            .map_or_else(|| "-".to_owned(), |percent| format!("{percent:+.0} %")),
        moved.to_owned(),
    ]
}
