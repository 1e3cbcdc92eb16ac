//! `raic prices`: what services bill, as the price catalog has it, with day, source and trust of each figure.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Serialize;

use super::super::Context;
use super::super::args;
use super::super::error::{Failure, reason};
use super::super::exit::Exit;
use super::super::output::Document;
use super::super::quantity::count;
use super::super::table::{self, left, right};
use crate::clock::{Clock, SystemClock};
use crate::cloud_set::price::{Figure, Mark, Money, OLD_AFTER, Prices, Tariff};
use crate::config::locate;

/// The owner's own figures, beside the configuration.
const OWN_FILE: &str = "prices.yaml";

const SECONDS_PER_DAY: i64 = 86_400;
const TB: u64 = 1_000_000_000_000;
const MILLION: u64 = 1_000_000;

/// The answer.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct PriceSheet {
    /// The owner's own file, if there is one.
    own: Option<String>,
    /// Days after which a figure counts as old.
    old_after_days: i64,
    /// By id.
    services: Vec<Service>,
    /// Where figures were read.
    sources: BTreeMap<String, SourceSheet>,
}

impl Document for PriceSheet {
    const SCHEMA: &'static str = "raic.prices/1";
}

/// One service at one price.
#[derive(Debug, Serialize, JsonSchema)]
struct Service {
    /// Its name in the catalog: for `cost: { catalog: ID }`.
    id: String,
    /// What its provider calls it.
    name: String,
    /// The company.
    operator: String,
    /// The service that reaches it.
    scheme: String,
    /// Of all amounts.
    currency: String,
    /// Days since the oldest figure that a cost rests on.
    age_days: Option<i64>,
    /// What to know of the whole.
    note: Option<String>,
    /// Each figure.
    figures: Vec<FigureSheet>,
}

/// One figure.
#[derive(Debug, Serialize, JsonSchema)]
struct FigureSheet {
    /// What it is.
    key: &'static str,
    /// As the file would have it; not known if null.
    value: Option<String>,
    /// `own`, `primary`, `secondary`, `memory` or `conflict`.
    trust: &'static str,
    /// The day that it was so.
    date: Option<String>,
    /// Days since.
    age_days: Option<i64>,
    /// Where it was read.
    source: String,
    /// What other sources tell.
    others: Vec<Saying>,
    /// What to know.
    note: Option<String>,
}

/// What another source tells.
#[derive(Debug, Serialize, JsonSchema)]
struct Saying {
    value: String,
    source: String,
}

/// A place where figures were read.
#[derive(Debug, Serialize, JsonSchema)]
struct SourceSheet {
    what: String,
    date: Option<String>,
}

/// The price catalog: what travels with the program, and over it `file`, or the owner's own file beside the configuration.
pub(crate) fn open(context: &Context, file: Option<&Path>) -> Result<(Prices, Option<PathBuf>), Failure> {
    let own = match file {
        Some(file) => Some(file.to_owned()),
        None => beside(context).filter(|path| path.exists()),
    };
    let text = own.as_deref().map(|path| {
        std::fs::read_to_string(path).map_err(|error| {
            Failure::new(
                Exit::Usage,
                "E0801",
                format!("{} cannot be read: {}", path.display(), reason(&error)),
            )
        })
    });
    let text = text.transpose()?;
    let shown = own.as_deref().map(|path| path.display().to_string());
    let prices = Prices::shipped(shown.as_deref().zip(text.as_deref()));
    let prices = prices.map_err(|fault| {
        Failure::new(Exit::Usage, "E0801", fault.to_string())
            .note("docs/prices.md tells how the file is written; nothing was touched")
    })?;
    Ok((prices, own))
}

fn beside(context: &Context) -> Option<PathBuf> {
    let located = locate(context.global.config.as_deref(), &context.env, &|path| path.exists());
    Some(located.ok()?.path.with_file_name(OWN_FILE))
}

/// Days since 1970.
pub(crate) fn today() -> i64 {
    SystemClock.seconds().div_euclid(SECONDS_PER_DAY)
}

pub(crate) fn run(args: &args::Prices, context: &Context) -> Result<Exit, Failure> {
    let (prices, own) = open(context, args.file.as_deref())?;
    let chosen = choose(&prices, &args.ids)?;
    let today = today();
    if context.out.is_json() {
        context.out.document(&sheet(&prices, &chosen, own.as_deref(), today))?;
    } else if args.ids.is_empty() {
        overview(&chosen, context, today)?;
    } else {
        for tariff in &chosen {
            detail(&prices, tariff, context, today)?;
        }
    }
    warn_of_age(&chosen, context, today);
    Ok(Exit::Done)
}

fn choose<'p>(prices: &'p Prices, ids: &[String]) -> Result<Vec<&'p Tariff>, Failure> {
    if ids.is_empty() {
        return Ok(prices.tariffs().collect());
    }
    let find = |id: &String| prices.tariff(id).ok_or_else(|| unknown(prices, id));
    ids.iter().map(find).collect()
}

/// There is no entry `id`.
pub(crate) fn unknown(prices: &Prices, id: &str) -> Failure {
    let near = prices
        .tariffs()
        .map(|tariff| (strsim::jaro_winkler(&tariff.id, id), &tariff.id))
        .filter(|(near, _)| *near > 0.7)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    let failure = Failure::new(Exit::Usage, "E0109", format!("the price catalog has no `{id}`"));
    let failure = match near {
        Some((_, near)) => failure.note(format!("did you mean {near}?")),
        None => failure,
    };
    failure.note("raic prices  lists all; nothing was touched")
}

fn sheet(prices: &Prices, chosen: &[&Tariff], own: Option<&Path>, today: i64) -> PriceSheet {
    let source = |(key, source): (&String, &crate::cloud_set::price::Source)| {
        let sheet = SourceSheet {
            what: source.what.clone(),
            date: source.date.map(|day| day.to_string()),
        };
        (key.clone(), sheet)
    };
    PriceSheet {
        own: own.map(|path| path.display().to_string()),
        old_after_days: OLD_AFTER,
        services: chosen.iter().map(|tariff| service(tariff, today)).collect(),
        sources: prices.sources.iter().map(source).collect(),
    }
}

fn service(tariff: &Tariff, today: i64) -> Service {
    let figure = |mark: Mark| FigureSheet {
        key: mark.key,
        value: mark.value,
        trust: mark.trust.word(),
        date: mark.date.map(|day| day.to_string()),
        age_days: mark.date.map(|day| day.age(today)),
        source: mark.source,
        others: mark
            .others
            .into_iter()
            .map(|(value, source)| Saying { value, source })
            .collect(),
        note: mark.note,
    };
    Service {
        id: tariff.id.clone(),
        name: tariff.name.clone(),
        operator: tariff.operator.clone(),
        scheme: tariff.scheme.clone(),
        currency: tariff.currency.clone(),
        age_days: tariff.age(today),
        note: tariff.note.clone(),
        figures: tariff.marks().into_iter().map(figure).collect(),
    }
}

/// A line a service, in the units that bills are compared in.
fn overview(chosen: &[&Tariff], context: &Context, today: i64) -> Result<(), Failure> {
    let columns = [
        left("SERVICE"),
        right("TB-MONTH"),
        right("TB READ"),
        left("FREE TO READ").spare(3),
        right("1M PUT").spare(4),
        right("1M GET").spare(5),
        right("TB RETRIEVED").spare(8),
        right("MIN DAYS").spare(7),
        left("A MONTH").spare(6),
        left("").spare(1),
        right("DAYS OLD").spare(2),
    ];
    let rows: Vec<Vec<String>> = chosen.iter().map(|tariff| row(tariff, today)).collect();
    for line in table::lines(&columns, &rows, context.out.room()) {
        context.out.answer(&line)?;
    }
    let legend = "? in doubt, remembered or contradicted   - not known, never taken for nothing   raic prices SERVICE tells sources";
    context.out.said(&context.out.fold(legend))
}

fn row(tariff: &Tariff, today: i64) -> Vec<String> {
    vec![
        tariff.id.clone(),
        shown(&tariff.storage, |price| money(price.of(TB))),
        shown(&tariff.egress, |price| money(price.of(TB))),
        shown(&tariff.egress_free, ToString::to_string),
        shown(&tariff.put, |price| money(price.of(MILLION))),
        shown(&tariff.get, |price| money(price.of(MILLION))),
        shown(&tariff.retrieval, |price| money(price.of(TB))),
        shown(&tariff.min_days, ToString::to_string),
        shown(&tariff.monthly, ToString::to_string),
        tariff.currency.clone(),
        tariff
            .age(today)
            .map_or_else(|| "-".to_owned(), |days| days.to_string()),
    ]
}

fn shown<T>(figure: &Figure<T>, text: impl Fn(&T) -> String) -> String {
    let doubt = if figure.trust.in_doubt() { "?" } else { "" };
    match &figure.value {
        Some(value) => format!("{}{doubt}", text(value)),
        None => "-".to_owned(),
    }
}

/// Two digits.
pub(crate) fn money(amount: Money) -> String {
    let cents = amount.cents();
    format!("{}.{:02}", cents / 100, cents % 100)
}

fn detail(prices: &Prices, tariff: &Tariff, context: &Context, today: i64) -> Result<(), Failure> {
    let out = &context.out;
    let (id, name, operator) = (&tariff.id, &tariff.name, &tariff.operator);
    let answer = |line: String| out.answer(&out.fold(&line));
    answer(format!("{id}   {name}, of {operator}, in {}", tariff.currency))?;
    let columns = [
        left("FIGURE"),
        left("VALUE"),
        left("TRUST").spare(1),
        left("DATE").spare(2),
        right("DAYS OLD").spare(3),
        left("SOURCE"),
    ];
    let line = |mark: &Mark| {
        vec![
            mark.key.to_owned(),
            mark.value.clone().unwrap_or_else(|| "not known".to_owned()),
            mark.trust.to_string(),
            mark.date.map_or_else(|| "-".to_owned(), |day| day.to_string()),
            mark.date
                .map_or_else(|| "-".to_owned(), |day| day.age(today).to_string()),
            mark.source.clone(),
        ]
    };
    let marks = tariff.marks();
    let rows: Vec<Vec<String>> = marks.iter().map(line).collect();
    for line in table::lines(&columns, &rows, out.room()) {
        out.answer(&line)?;
    }
    for mark in &marks {
        for (value, source) in &mark.others {
            answer(format!("{}: {source} tells {value}", mark.key))?;
        }
        if let Some(note) = &mark.note {
            answer(format!("{}: {note}", mark.key))?;
        }
    }
    if let Some(note) = &tariff.note {
        answer(note.clone())?;
    }
    let others = marks
        .iter()
        .flat_map(|mark| mark.others.iter().map(|(_, source)| source));
    let named: BTreeSet<&String> = marks.iter().map(|mark| &mark.source).chain(others).collect();
    for key in named {
        let source = prices.sources.get(key);
        let what = source.map_or("a figure of your own", |source| source.what.as_str());
        answer(format!("source {key}: {what}"))?;
    }
    Ok(())
}

/// Prices move: who leans on old ones should know.
pub(crate) fn warn_of_age(chosen: &[&Tariff], context: &Context, today: i64) {
    let old: Vec<&str> = chosen
        .iter()
        .filter(|tariff| tariff.age(today).is_none_or(|days| days > OLD_AFTER))
        .map(|tariff| tariff.id.as_str())
        .collect();
    if !old.is_empty() {
        let services = count(old.len() as u64, "service has", "services have");
        context.out.warn(&format!(
            "{services} prices without a day or older than {OLD_AFTER} days: {}",
            old.join(", ")
        ));
    }
    let ahead: Vec<&str> = chosen
        .iter()
        .filter(|tariff| tariff.is_dated_ahead(today))
        .map(|tariff| tariff.id.as_str())
        .collect();
    if !ahead.is_empty() {
        let services = count(ahead.len() as u64, "service has", "services have");
        context.out.warn(&format!(
            "{services} prices of a day that is yet to come: {}",
            ahead.join(", ")
        ));
    }
}
