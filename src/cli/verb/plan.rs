//! `raic plan`: which mix of services to take, from prices and outages, with all that is taken for granted.

use schemars::JsonSchema;
use serde::Serialize;

use super::super::Context;
use super::super::args;
use super::super::error::Failure;
use super::super::exit::Exit;
use super::super::output::Document;
use super::super::table::{self, left, right};
use super::prices::{money, open, today, unknown, warn_of_age};
use crate::cloud_set::price::{Money, Prices, Tariff};
use crate::cloud_set::quantity::Size;
use crate::mix::demand::{Care, Objects, Workload};
use crate::mix::model::{FLOOR, told};
use crate::mix::outage::Outages;
use crate::mix::plan::{Choice, MAX_N, Planner, Wishes, reasons};
use crate::mix::{Reads, SeatCost};

/// The one copy that a mix is compared with.
const ONE_COPY: &str = "aws-s3-standard";

const MINUTES_PER_YEAR: f64 = 525_960.0;

/// The answer.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct PlanSheet {
    /// Of all amounts.
    currency: String,
    /// The cheapest that fit, then those that nothing beats.
    mixes: Vec<MixSheet>,
    /// Services that are not considered.
    left_out: Vec<LeftOut>,
    /// What others would choose.
    compared: Vec<Compared>,
    /// What is taken for granted.
    assumes: Vec<String>,
}

impl Document for PlanSheet {
    const SCHEMA: &'static str = "raic.plan/1";
}

/// One mix.
#[derive(Debug, Serialize, JsonSchema)]
struct MixSheet {
    /// Ids of the price catalog.
    services: Vec<String>,
    /// Fragments that read an extent.
    k: u16,
    /// Services that may vanish.
    m: u16,
    /// Of a month.
    cost: f64,
    /// Minutes in a year that data can't be read, expected.
    unreadable_minutes_per_year: f64,
    /// Minutes in a year that nothing can be written, expected.
    unwritable_minutes_per_year: f64,
    /// The chance that data is lost within a year; 1e-9 stands for that or less.
    lost_per_year: f64,
    /// True if no other mix is as cheap, as often readable and as safe.
    on_front: bool,
    /// Why it stands here.
    why: Option<&'static str>,
    /// The bill, seat by seat.
    seats: Vec<SeatSheet>,
}

/// One seat.
#[derive(Debug, Serialize, JsonSchema)]
struct SeatSheet {
    /// Its id in the price catalog.
    service: String,
    /// Of its bill.
    currency: String,
    /// Bytes that it keeps.
    stored: u64,
    /// Bytes read from it in a month.
    read: u64,
    /// Writing calls in a month.
    puts: u64,
    /// Reading calls in a month.
    gets: u64,
    /// Its bill.
    cost: f64,
    /// By kind of fee.
    fees: Vec<FeeSheet>,
}

/// One fee.
#[derive(Debug, Serialize, JsonSchema)]
struct FeeSheet {
    /// What for.
    fee: &'static str,
    /// How much.
    amount: f64,
}

/// A service that isn't considered.
#[derive(Debug, Serialize, JsonSchema)]
struct LeftOut {
    /// Its id in the price catalog.
    service: String,
    /// Why.
    why: String,
}

/// What another way would cost.
#[derive(Debug, Serialize, JsonSchema)]
struct Compared {
    /// Which way.
    what: String,
    /// Of a month.
    cost: f64,
}

pub(crate) fn run(args: &args::Plan, context: &Context) -> Result<Exit, Failure> {
    let (prices, _) = open(context, args.prices.as_deref())?;
    let services = candidates(&prices, args)?;
    let wishes = wishes(args)?;
    let planner = Planner::new(&prices, &wishes, &services, &Outages::shipped());
    warn_of_age(&planner.services, context, today());
    let (cheapest, front) = (planner.cheapest(args.top), planner.front());
    if cheapest.is_empty() {
        return Err(nothing_fits(&planner, &wishes));
    }
    let mut choices = cheapest;
    let others: Vec<&Choice> = front.iter().filter(|choice| !choices.contains(choice)).collect();
    let others: Vec<Choice> = others.into_iter().cloned().collect();
    choices.extend(others);
    if context.out.is_json() {
        context.out.document(&sheet(&planner, &wishes, &choices, &front))?;
    } else {
        show(&planner, &wishes, (&choices, args.top), &front, context)?;
    }
    if let Some(name) = &args.write_policy {
        write_policy(name, &planner, &choices[0], context)?;
    }
    Ok(Exit::Done)
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

fn wishes(args: &args::Plan) -> Result<Wishes, Failure> {
    let len = args.object.bytes().max(1);
    let objects = |bytes: u64| bytes.div_ceil(len);
    if usize::from(args.survive) + 1 > args.most || args.most > MAX_N {
        return Err(Failure::usage(format!(
            "--most {} and --survive {}: a mix has more services than may vanish, and at most {MAX_N}",
            args.most, args.survive
        )));
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
    })
}

fn nothing_fits(planner: &Planner<'_>, wishes: &Wishes) -> Failure {
    let have = planner.services.len();
    let failure = Failure::new(Exit::Failed, "E0802", "no mix fits these wishes");
    let operators: std::collections::BTreeSet<&str> =
        planner.services.iter().map(|tariff| tariff.operator.as_str()).collect();
    let failure = failure.note(format!(
        "{have} services of {} operators can be reckoned with, a mix that survives {} takes {} at least",
        operators.len(),
        wishes.survive,
        wishes.survive + 1
    ));
    let failure = match wishes.budget {
        Some(budget) => failure.note(format!("a budget of {} may be too small", money(budget))),
        None => failure,
    };
    let mut failure = failure;
    for (id, why) in planner.left_out.iter().take(3) {
        failure = failure.note(format!("{id}: {why}"));
    }
    failure
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

fn sheet(planner: &Planner<'_>, wishes: &Wishes, choices: &[Choice], front: &[Choice]) -> PlanSheet {
    let reasons = reasons(choices);
    let mix = |(at, choice): (usize, &Choice)| MixSheet {
        services: names(planner, choice),
        k: choice.k,
        m: choice.m,
        cost: amount(choice.cost),
        unreadable_minutes_per_year: choice.unreadable * MINUTES_PER_YEAR,
        unwritable_minutes_per_year: choice.unwritable * MINUTES_PER_YEAR,
        lost_per_year: choice.lost.max(FLOOR),
        on_front: front.contains(choice),
        why: reasons.get(&at).copied(),
        seats: planner.cost(choice).seats.iter().map(seat).collect(),
    };
    PlanSheet {
        currency: wishes.currency.clone(),
        mixes: choices.iter().enumerate().map(mix).collect(),
        left_out: planner
            .left_out
            .iter()
            .map(|(service, why)| LeftOut {
                service: service.clone(),
                why: why.clone(),
            })
            .collect(),
        compared: compared(planner, &choices[0]),
        assumes: assumes(wishes),
    }
}

fn seat(seat: &SeatCost) -> SeatSheet {
    SeatSheet {
        service: seat.id.clone(),
        currency: seat.currency.clone(),
        stored: seat.usage.stored(),
        read: seat.usage.read,
        puts: seat.usage.puts,
        gets: seat.usage.gets,
        cost: amount(seat.bill.total()),
        fees: seat
            .bill
            .fees
            .iter()
            .map(|(fee, money)| FeeSheet {
                fee: fee.word(),
                amount: amount(*money),
            })
            .collect(),
    }
}

/// The ways that people take without a planner.
fn compared(planner: &Planner<'_>, best: &Choice) -> Vec<Compared> {
    let n = best.services.len();
    let storage = planner.cheapest_storage(best.k, best.m).map(|choice| Compared {
        what: format!("the {n} services with the cheapest storage, as {}+{}", best.k, best.m),
        cost: amount(choice.cost),
    });
    let one = planner.one_copy(ONE_COPY).map(|choice| Compared {
        what: format!("one copy at {ONE_COPY}, which survives nobody"),
        cost: amount(choice.cost),
    });
    storage.into_iter().chain(one).collect()
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
    let columns = [
        right(""),
        left("MIX"),
        left("K+M"),
        right("A MONTH"),
        left("SURVIVES").spare(3),
        right("UNREADABLE A YEAR"),
        right("LOST A YEAR"),
        left("WHY").spare(1),
    ];
    let reasons = reasons(choices);
    let row = |(at, choice): (usize, &Choice)| {
        let beaten = if front.contains(choice) {
            ""
        } else {
            "another is as good for less"
        };
        vec![
            (at + 1).to_string(),
            names(planner, choice).join(" "),
            format!("{}+{}", choice.k, choice.m),
            money(choice.cost),
            format!("any {}", choice.m),
            minutes(choice.unreadable),
            told(choice.lost),
            reasons.get(&at).copied().unwrap_or(beaten).to_owned(),
        ]
    };
    // The front can be long: its ends and what is between them in even steps.
    let (cheap, rest) = choices.split_at(top.min(choices.len()));
    let step = rest.len().div_ceil(top.max(1)).max(1);
    let shown = (0..cheap.len()).chain((cheap.len()..choices.len()).step_by(step));
    let mut places: Vec<usize> = shown.chain(reasons.keys().copied()).collect();
    places.sort_unstable();
    places.dedup();
    let rows: Vec<Vec<String>> = places.into_iter().map(|at| row((at, &choices[at]))).collect();
    for line in table::lines(&columns, &rows, out.room()) {
        out.answer(&line)?;
    }
    out.said(&format!("amounts in {}", wishes.currency))?;
    let best = amount(choices[0].cost);
    for other in compared(planner, &choices[0]) {
        let less = 100.0 * (other.cost - best) / other.cost.max(1e-9);
        out.said(&format!("{}: {:.2}, #1 is {less:.0} % less", other.what, other.cost))?;
    }
    for (id, why) in &planner.left_out {
        out.said(&format!("left out: {id}   {why}"))?;
    }
    for line in assumes(wishes) {
        out.said(&format!("assumes: {line}"))?;
    }
    Ok(())
}

/// The lines of a configuration that make the policy.
fn write_policy(name: &str, planner: &Planner<'_>, choice: &Choice, context: &Context) -> Result<(), Failure> {
    let out = &context.out;
    out.answer("providers:")?;
    for at in &choice.services {
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
