//! `raic plan`: which mix of services to take, from prices and outages, with all that is taken for granted.

mod relax;
mod sheet;
mod whatif;

use super::super::Context;
use super::super::args;
use super::super::error::Failure;
use super::super::exit::Exit;
use super::super::quantity::count;
use super::super::table::{self, left, right};
use super::bench::read;
use super::prices::{money, open, today, unknown, warn_of_age};
use crate::cloud_set::price::{Money, Prices, Tariff};
use crate::cloud_set::quantity::{ByteRate, Size};
use crate::mix::Reads;
use crate::mix::curve::Curves;
use crate::mix::demand::{Care, Objects, Workload};
use crate::mix::foretell::{Seat, fragment_len};
use crate::mix::model::told;
use crate::mix::outage::Outages;
use crate::mix::plan::{Choice, MAX_N, Planner, Wishes, reasons};
use crate::mix::run::{MINUTES_PER_YEAR, Run};
use relax::{forbidden, nothing_fits};
#[cfg(test)]
pub(crate) use sheet::PlanSheet;
use sheet::{Forbidden, compared, sheet};
pub(crate) use whatif::WhatIf;
use whatif::{Answered, Asked};

pub(crate) fn run(args: &args::Plan, context: &Context) -> Result<Exit, Failure> {
    let (prices, own) = open(context, args.prices.as_deref())?;
    let bench = args.bench.as_deref().map(read).transpose()?;
    let wishes = wishes(args)?;
    let (measured, unmeasured) = match &bench {
        Some(run) => measured(run, &prices),
        None => (Vec::new(), Vec::new()),
    };
    let services: Vec<&Tariff> = match &bench {
        Some(_) => only(measured.iter().map(|(tariff, _)| tariff), args),
        None => candidates(&prices, args)?,
    };
    let mut planner = Planner::new(&prices, &wishes, &services, &Outages::shipped());
    planner.left_out.extend(unmeasured);
    if let Some(run) = &bench {
        let curves = |tariff: &Tariff| {
            measured
                .iter()
                .find(|(other, _)| other.id == tariff.id)
                .map(|(_, curves)| curves)
        };
        planner.measured(|tariff, k| {
            let curves = curves(tariff).expect("it is one of those that were measured");
            Seat::of(curves, fragment_len(k, run.setting.object))
        });
        if run.simulated {
            context
                .out
                .warn("SIMULATED: the run is on providers that don't exist, with invented speeds");
        }
    } else {
        warn_of_age(&planner.services, context, today());
    }
    if let Some(name) = &args.write_policy {
        crate::config::check_name(name)
            .map_err(|must| Failure::usage(format!("--write-policy {name} can't be a policy's name: {must}")))?;
    }
    let (cheapest, front) = (planner.cheapest(args.top.max(1)), planner.front());
    let Some(best) = cheapest.first().cloned() else {
        return Err(nothing_fits(&planner, &wishes, &services));
    };
    let mut choices = cheapest;
    let others: Vec<Choice> = front
        .iter()
        .filter(|choice| !choices.contains(choice))
        .cloned()
        .collect();
    choices.extend(others);
    let forbidden = forbidden(&planner, &wishes, &services, &best);
    let own = own.map(|path| std::fs::read_to_string(path).unwrap_or_default());
    let asked = Asked {
        planner: &planner,
        prices: &prices,
        own: own.as_deref(),
        wishes: &wishes,
        services: &services,
        best: &best,
        rate: args.move_rate,
    };
    let what_if: Vec<Answered> = args
        .what_if
        .iter()
        .map(|what| asked.answer(what))
        .collect::<Result<_, _>>()?;
    let chosen = (choices.as_slice(), front.as_slice());
    answer(&planner, &wishes, chosen, (forbidden, what_if), args.top, context)?;
    if let Some(name) = &args.write_policy {
        let configured = bench.as_ref().is_some_and(|run| !run.simulated);
        write_policy(name, &planner, &best, configured, context)?;
    }
    Ok(Exit::Done)
}

/// The whole answer, for scripts or for people.
fn answer(
    planner: &Planner<'_>,
    wishes: &Wishes,
    (choices, front): (&[Choice], &[Choice]),
    (forbidden, what_if): (Vec<Forbidden>, Vec<Answered>),
    top: usize,
    context: &Context,
) -> Result<(), Failure> {
    let out = &context.out;
    if out.is_json() {
        return out.document(&sheet(planner, wishes, (choices, front), forbidden, what_if));
    }
    show(planner, wishes, (choices, top), front, context)?;
    for row in &forbidden {
        let (mix, k, m) = (row.services.join(" "), row.k, row.m);
        let line = format!("not taken: {mix} {k}+{m}, {:.2} a month: {}", row.cost, row.why);
        out.said(&out.fold(&line))?;
    }
    for answered in &what_if {
        out.answer(&answered.what)?;
        for line in &answered.says {
            out.answer(&out.fold(&format!("  {line}")))?;
        }
    }
    Ok(())
}

/// A provider of a run: its prices, and how long its calls take.
type Member = (Tariff, Curves);

/// The providers of a run, each with its prices under its own name, and who can't be reckoned with.
fn measured(run: &Run, prices: &Prices) -> (Vec<Member>, Vec<(String, String)>) {
    let (mut found, mut left_out) = (Vec::new(), Vec::new());
    for provider in &run.providers {
        let tariff = provider.service.as_ref().and_then(|service| prices.tariff(service));
        let why = match (tariff, provider.curves()) {
            (Some(tariff), Some(curves)) => {
                let mut tariff = tariff.clone();
                tariff.id.clone_from(&provider.name);
                found.push((tariff, curves));
                continue;
            }
            (None, _) => {
                "the run names no entry of the price catalog for it: cost: { catalog: ... } in the configuration"
            }
            (_, None) => "too little of it was measured",
        };
        left_out.push((provider.name.clone(), why.to_owned()));
    }
    (found, left_out)
}

/// Those of a run that the wishes name.
fn only<'t>(all: impl Iterator<Item = &'t Tariff>, args: &args::Plan) -> Vec<&'t Tariff> {
    let wanted = |tariff: &&Tariff| {
        (args.only.is_empty() || args.only.contains(&tariff.id)) && !args.without.contains(&tariff.id)
    };
    all.filter(wanted).collect()
}

fn candidates<'p>(prices: &'p Prices, args: &args::Plan) -> Result<Vec<&'p Tariff>, Failure> {
    let find = |id: &String| prices.tariff(id).ok_or_else(|| unknown(prices, id));
    for id in &args.without {
        find(id)?;
    }
    let chosen: Vec<&Tariff> = match args.only.as_slice() {
        [] => prices.tariffs().collect(),
        only => only.iter().map(find).collect::<Result<_, _>>()?,
    };
    Ok(chosen
        .into_iter()
        .filter(|tariff| !args.without.contains(&tariff.id))
        .collect())
}

/// Bytes of an object.
fn stored_in(args: &args::Plan) -> Result<u64, Failure> {
    let (data, object) = (args.data.bytes(), args.object.bytes());
    if data == 0 || object == 0 {
        return Err(Failure::usage(
            "--data and --object: nothing costs nothing anywhere, say more than 0 bytes",
        ));
    }
    if object > data {
        return Err(Failure::usage(format!(
            "--object {}: no object is longer than all of --data {}",
            args.object, args.data
        )));
    }
    Ok(object)
}

fn wishes(args: &args::Plan) -> Result<Wishes, Failure> {
    let len = stored_in(args)?;
    let objects = |bytes: u64| bytes.div_ceil(len);
    if usize::from(args.survive) + 1 > args.most || args.most > MAX_N {
        return Err(Failure::usage(format!(
            "--most {} and --survive {}: a mix has more services than may vanish, and at most {MAX_N}",
            args.most, args.survive
        )));
    }
    if args.max_p99.is_some() && args.bench.is_none() {
        return Err(Failure::usage(
            "--max-p99 takes speeds that were measured: --bench RUN, made by raic bench --out RUN",
        ));
    }
    let removed = args.removed.map_or(0, |size| objects(size.bytes()));
    Ok(Wishes {
        workload: Workload {
            objects: vec![Objects {
                count: objects(args.data.bytes()),
                len,
                written: args.written.map_or(0, |size| objects(size.bytes())) + removed,
                read: args.read.map_or(0, |size| objects(size.bytes())),
                removed,
                removed_after_days: args.removed_after,
            }],
            care: Care::default(),
        },
        survive: args.survive,
        most: args.most,
        apart: !args.same_operator,
        reads: if args.cheapest_reads {
            Reads::Cheapest
        } else {
            Reads::Even
        },
        currency: args.currency.clone(),
        budget: args.budget,
        unreadable: args.max_unreadable.map(|minutes| minutes / MINUTES_PER_YEAR),
        read_p99: args.max_p99.map(|seconds| seconds * 1000.0),
    })
}

fn amount(money: Money) -> f64 {
    money.amount()
}

fn names(planner: &Planner<'_>, choice: &Choice) -> Vec<String> {
    choice
        .services
        .iter()
        .map(|at| planner.services[*at].id.clone())
        .collect()
}

fn assumes(wishes: &Wishes) -> Vec<String> {
    let care = wishes.workload.care;
    let days = |days: Option<u16>| days.map_or_else(|| "never".to_owned(), |days| format!("in {days} days"));
    let reads = match wishes.reads {
        Reads::Even => "reads ask every service as often",
        Reads::Cheapest => "reads ask the cheapest services",
    };
    vec![
        "prices as the price catalog has them: raic prices; requests to delete cost nothing".to_owned(),
        format!(
            "{reads}; every byte is read once {}, every name listed once {}",
            days(care.deep_days),
            days(care.light_days)
        ),
        "operators are out as often as was measured of three of them in 2018 to 2020, an upper bound".to_owned(),
        format!(
            "{} % of the providers are lost for good in a year and made good in 7 days; 10 % of what befalls one befalls all of its operator",
            care.losses_per_year * 100.0
        ),
        "chances stop at 1e-9; a lost key or a mistake of your own is likelier, and no mix helps there".to_owned(),
    ]
}

fn minutes(share: f64) -> String {
    let minutes = share * MINUTES_PER_YEAR;
    match minutes {
        _ if minutes < 0.01 => "< 0.01 min".to_owned(),
        _ if minutes < 10.0 => format!("{minutes:.2} min"),
        _ if minutes < 600.0 => format!("{minutes:.0} min"),
        _ => format!("{:.0} h", minutes / 60.0),
    }
}

fn show(
    planner: &Planner<'_>,
    wishes: &Wishes,
    (choices, top): (&[Choice], usize),
    front: &[Choice],
    context: &Context,
) -> Result<(), Failure> {
    let out = &context.out;
    let mut columns = vec![
        right(""),
        left("MIX").below(),
        left("K+M"),
        right("A MONTH"),
        left("SURVIVES").spare(3),
        right("UNREADABLE A YEAR"),
        right("LOST A YEAR"),
    ];
    // Speeds are known of a bench only.
    let measured = choices.iter().any(|choice| choice.reads.is_some());
    columns.extend(measured.then(|| right("READ P50").spare(3)));
    columns.extend(measured.then(|| right("P99").spare(2)));
    columns.extend(measured.then(|| right("WRITE P50").spare(4)));
    columns.extend(measured.then(|| right("P99").spare(5)));
    columns.push(left("WHY").spare(1));
    let reasons = reasons(choices);
    let row = |(at, choice): (usize, &Choice)| {
        let beaten = if front.contains(choice) {
            ""
        } else {
            "another is as good for less"
        };
        let mut cells = vec![
            (at + 1).to_string(),
            names(planner, choice).join(" "),
            format!("{}+{}", choice.k, choice.m),
            money(choice.cost),
            format!("any {}", choice.m),
            minutes(choice.unreadable),
            told(choice.lost),
        ];
        if measured {
            let ms = |ms: Option<f64>| ms.map_or_else(|| "-".to_owned(), |ms| format!("{ms:.0} ms"));
            let times = [choice.reads, planner.writes(choice)];
            cells.extend(
                times
                    .iter()
                    .flat_map(|times| [ms(times.map(|t| t.p50)), ms(times.map(|t| t.p99))]),
            );
        }
        cells.push(reasons.get(&at).copied().unwrap_or(beaten).to_owned());
        cells
    };
    // The front can be long: its ends and what is between them in even steps.
    let (cheap, rest) = choices.split_at(top.min(choices.len()));
    let step = rest.len().div_ceil(top.max(1)).max(1);
    let shown = (0..cheap.len()).chain((cheap.len()..choices.len()).step_by(step));
    let mut places: Vec<usize> = shown.chain(reasons.keys().copied()).collect();
    places.sort_unstable();
    places.dedup();
    let hidden = choices.len() - places.len();
    let rows: Vec<Vec<String>> = places.into_iter().map(|at| row((at, &choices[at]))).collect();
    for line in table::lines(&columns, &rows, out.room()) {
        out.answer(&line)?;
    }
    tell(planner, wishes, &choices[0], hidden, context)
}

/// What stands below the table: other ways, who is left out, what is taken for granted.
fn tell(
    planner: &Planner<'_>,
    wishes: &Wishes,
    best: &Choice,
    hidden: usize,
    context: &Context,
) -> Result<(), Failure> {
    let said = |line: String| context.out.said(&context.out.fold(&line));
    said(format!("amounts in {}", wishes.currency))?;
    if hidden > 0 {
        let rows = count(
            hidden as u64,
            "row that nothing beats is",
            "rows that nothing beats are",
        );
        said(format!("{rows} not shown: --top N or --json"))?;
    }
    for other in compared(planner, best) {
        let beside = beside(amount(best.cost), other.cost);
        said(format!("{}: {:.2}, #1 is {beside}", other.what, other.cost))?;
    }
    for (id, why) in &planner.left_out {
        said(format!("left out: {id}   {why}"))?;
    }
    for line in assumes(wishes) {
        said(format!("assumes: {line}"))?;
    }
    Ok(())
}

/// How much less or more one amount is than another.
fn beside(cost: f64, other: f64) -> String {
    let percent = 100.0 * (other - cost) / other.max(1e-9);
    match percent {
        _ if percent.abs() < 0.5 => "as much".to_owned(),
        _ if percent > 99.5 => format!("{percent:.2} % less"),
        _ if percent > 0.0 => format!("{percent:.0} % less"),
        _ => format!("{:.0} % more", -percent),
    }
}

/// The lines of a configuration that make the policy.
fn write_policy(
    name: &str,
    planner: &Planner<'_>,
    choice: &Choice,
    configured: bool,
    context: &Context,
) -> Result<(), Failure> {
    let out = &context.out;
    if !configured {
        out.answer("providers:")?;
    }
    // Those of a run on real providers are in the configuration already.
    for at in choice.services.iter().filter(|_| !configured) {
        let tariff = planner.services[*at];
        out.answer(&format!("  {}:", tariff.id))?;
        out.answer(&format!("    scheme: {}", tariff.scheme))?;
        out.answer(&format!(
            "    options: {{}}          # raic provider schemes {}",
            tariff.scheme
        ))?;
        out.answer(&format!("    operator: {}", tariff.operator))?;
        out.answer(&format!("    cost: {{ catalog: {} }}", tariff.id))?;
    }
    out.answer("policies:")?;
    out.answer(&format!("  {name}:"))?;
    out.answer(&format!("    k: {}", choice.k))?;
    out.answer(&format!("    m: {}", choice.m))?;
    out.answer(&format!("    providers: [{}]", names(planner, choice).join(", ")))
}

/// A size as it is typed, such as `2TB`.
pub(crate) fn size(text: &str) -> Result<Size, String> {
    text.parse()
        .map_err(|error: crate::cloud_set::quantity::QuantityError| error.to_string())
}

/// A size in a month as it is typed, such as `200GB/month` or `200GB`.
pub(crate) fn monthly(text: &str) -> Result<Size, String> {
    let month = ["/month", "/mo", "/m", " a month"]
        .iter()
        .find_map(|end| text.strip_suffix(end));
    size(month.unwrap_or(text).trim())
}

/// An amount as it is typed.
pub(crate) fn budget(text: &str) -> Result<Money, String> {
    text.parse()
        .map_err(|error: crate::cloud_set::quantity::QuantityError| error.to_string())
}

/// Minutes as they are typed: a number that isn't negative.
pub(crate) fn minutes_a_year(text: &str) -> Result<f64, String> {
    let minutes: f64 = text.parse().map_err(|_| "a number of minutes is needed".to_owned())?;
    if (0.0..=MINUTES_PER_YEAR).contains(&minutes) {
        Ok(minutes)
    } else {
        Err("0 to 525960 minutes are in a year".to_owned())
    }
}

/// Bytes a second as they are typed, such as `20MiB/s`.
pub(crate) fn byte_rate(text: &str) -> Result<f64, String> {
    let rate: ByteRate = text
        .parse()
        .map_err(|error: crate::cloud_set::quantity::QuantityError| error.to_string())?;
    #[expect(clippy::cast_precision_loss, reason = "rates are far below 2^53")]
    let bytes = rate.bytes_per_second() as f64;
    if bytes > 0.0 {
        Ok(bytes)
    } else {
        Err("more than nothing a second is needed".to_owned())
    }
}

/// A time of reads as it is typed, in seconds.
pub(crate) fn read_time(text: &str) -> Result<f64, String> {
    let number = |text: &str| text.trim().parse::<f64>().ok();
    let seconds = match text.strip_suffix("ms") {
        Some(ms) => number(ms).map(|ms| ms / 1000.0),
        None => text.strip_suffix('s').and_then(number),
    };
    let seconds = seconds.filter(|seconds| seconds.is_finite() && *seconds > 0.0);
    seconds.ok_or_else(|| "a time such as 500ms or 2s is needed".to_owned())
}
