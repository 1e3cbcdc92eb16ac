//! What is printed: Markdown.

use std::fmt::Write as _;

use crate::cell::{Cell, Op, size};
use crate::limit::{CYCLES, Limit};
use crate::peer::OURS;
use crate::timing::Series;

/// What it ran on.
pub(crate) fn machine() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let value = |key: &str| {
        info.lines()
            .find(|line| line.starts_with(key))
            .and_then(|line| line.split_once(": "))
    };
    let value = |key: &str| value(key).map_or("unknown", |(_, value)| value);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    format!(
        "CPU: {}, family {}, model {}; load when it began: {}",
        value("model name"),
        value("cpu family"),
        value("model\t"),
        load.split(' ').next().unwrap_or("unknown")
    )
}

/// Gigabytes of payload a second, at best and in the median, of each competitor at each code.
pub(crate) fn rates(op: Op, len: usize, cells: &[Cell]) -> String {
    let mut text = format!(
        "\n### {} {}, GB/s of payload: best (median)\n\n| code |",
        op.name(),
        size(len)
    );
    let names: Vec<&String> = cells[0]
        .series
        .iter()
        .map(|(name, _)| name)
        .filter(|name| *name != "cycles")
        .collect();
    names.iter().for_each(|name| push(&mut text, format_args!(" {name} |")));
    text.push_str("\n|---|");
    names.iter().for_each(|_| text.push_str("---|"));
    for cell in cells {
        push(&mut text, format_args!("\n| {}+{} |", cell.k, cell.m));
        for name in &names {
            match cell.of(name) {
                Some(series) => push(&mut text, format_args!(" {} |", rate(cell, series))),
                None => text.push_str(" – |"),
            }
        }
    }
    text
}

fn rate(cell: &Cell, series: &Series) -> String {
    let (best, median) = (cell.payload() / series.least(), cell.payload() / series.median());
    let places = usize::from(best < 100.0);
    let wall = series.wall() / series.median();
    let waited = if wall > 1.1 {
        format!(", wall ×{wall:.1}")
    } else {
        String::new()
    };
    format!("{best:.places$} ({median:.places$}{waited})")
}

/// How many times as fast as each peer ours is.
pub(crate) fn ratios(cells: &[Cell]) -> String {
    let mut columns: Vec<(Op, usize)> = cells.iter().map(|cell| (cell.op, cell.len)).collect();
    columns.dedup();
    let mut names: Vec<&String> = Vec::new();
    for (name, _) in cells.iter().flat_map(|cell| &cell.series) {
        if name != OURS && !names.contains(&name) && name != "cycles" {
            names.push(name);
        }
    }
    let mut text =
        String::from("\n### Ours against each: geometric mean of best (of medians; least to most of the codes)\n\n| |");
    columns
        .iter()
        .for_each(|(op, len)| push(&mut text, format_args!(" {} {} |", op.name(), size(*len))));
    text.push_str("\n|---|");
    columns.iter().for_each(|_| text.push_str("---|"));
    for name in names {
        push(&mut text, format_args!("\n| {name} |"));
        for &(op, len) in &columns {
            let column = cells.iter().filter(|cell| (cell.op, cell.len) == (op, len));
            let pairs: Vec<(f64, f64)> = column.filter_map(|cell| ratio(cell, name)).collect();
            push(&mut text, format_args!(" {} |", spread(&pairs)));
        }
    }
    text
}

/// Their time over ours, at best and in the median.
fn ratio(cell: &Cell, name: &str) -> Option<(f64, f64)> {
    let (ours, theirs) = (cell.of(OURS)?, cell.of(name)?);
    Some((theirs.least() / ours.least(), theirs.median() / ours.median()))
}

fn spread(pairs: &[(f64, f64)]) -> String {
    if pairs.is_empty() {
        return "–".to_owned();
    }
    let best = || pairs.iter().map(|pair| pair.0);
    format!(
        "{:.2} ({:.2}; {:.2}–{:.2})",
        mean(best()),
        mean(pairs.iter().map(|pair| pair.1)),
        best().fold(f64::INFINITY, f64::min),
        best().fold(0.0, f64::max)
    )
}

#[expect(clippy::cast_precision_loss, reason = "a handful")]
fn mean(values: impl Iterator<Item = f64> + Clone) -> f64 {
    (values.clone().map(f64::ln).sum::<f64>() / values.count() as f64).exp()
}

/// How near ours is to what the instructions allow, where all is in a cache, and to a codec that computes nothing, where it isn't.
pub(crate) fn bounds(cells: &[Cell]) -> String {
    let mut text = String::from(
        "\n### Share of the limit: mean (of medians; least to most)\n\n| | 64 B a cycle and output, m ≥ 3, k ≥ 6 | null codec |\n|---|---|---|",
    );
    let mut columns: Vec<(Op, usize)> = cells.iter().map(|cell| (cell.op, cell.len)).collect();
    columns.dedup();
    for (op, len) in columns {
        let column = || cells.iter().filter(move |cell| (cell.op, cell.len) == (op, len));
        let wide = column().filter(|cell| cell.m >= 3 && cell.k >= 6);
        let bound: Vec<(f64, f64)> = wide.filter_map(instructions).collect();
        let null: Vec<(f64, f64)> = column().filter_map(floor).collect();
        push(
            &mut text,
            format_args!(
                "\n| {} {} | {} | {} |",
                op.name(),
                size(len),
                spread(&bound),
                spread(&null)
            ),
        );
    }
    text
}

/// The time that the products alone take over ours: a vector of 64 bytes a cycle, k · m of them a column of vectors.
fn instructions(cell: &Cell) -> Option<(f64, f64)> {
    let (ours, cycle) = (
        cell.of(OURS)?,
        cell.of(Limit::Cycles.name())?.least() / f64::from(CYCLES),
    );
    #[expect(clippy::cast_precision_loss, reason = "below 2^52")]
    let products = (cell.k * cell.m * cell.len.div_ceil(64)) as f64;
    Some((products * cycle / ours.least(), products * cycle / ours.median()))
}

/// The time of the better null codec over ours.
fn floor(cell: &Cell) -> Option<(f64, f64)> {
    let (ours, plain) = (cell.of(OURS)?, cell.of(Limit::Null.name())?);
    let past = cell.of(Limit::NullPast.name())?;
    Some((
        plain.least().min(past.least()) / ours.least(),
        plain.median().min(past.median()) / ours.median(),
    ))
}

fn push(text: &mut String, what: std::fmt::Arguments<'_>) {
    text.write_fmt(what).expect("a String takes all that is written");
}
