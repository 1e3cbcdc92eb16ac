//! What `raic plan --json` answers.

use schemars::JsonSchema;
use serde::Serialize;

use super::whatif::Answered;
use super::{amount, assumes, names};
use crate::cli::output::Document;
use crate::mix::SeatCost;
use crate::mix::model::FLOOR;
use crate::mix::plan::{Choice, Planner, Wishes, reasons};
use crate::mix::run::MINUTES_PER_YEAR;

/// The one copy that a mix is compared with.
const ONE_COPY: &str = "aws-s3-standard";

/// The answer.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct PlanSheet {
    /// Of all amounts.
    currency: String,
    /// The cheapest that fit, then those that nothing beats.
    mixes: Vec<MixSheet>,
    /// Cheaper mixes that a wish forbids.
    forbidden: Vec<Forbidden>,
    /// Services that are not considered.
    left_out: Vec<LeftOut>,
    /// What others would choose.
    compared: Vec<Compared>,
    /// What if.
    what_if: Vec<Answered>,
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
    /// Milliseconds of half of the reads, foretold from what was measured; null without a bench.
    read_p50_ms: Option<f64>,
    /// Milliseconds of 99 of 100 reads, foretold from what was measured; null without a bench.
    read_p99_ms: Option<f64>,
    /// Milliseconds of half of the writes, until all fragments are there; null without a bench.
    write_p50_ms: Option<f64>,
    /// Milliseconds of 99 of 100 writes; null without a bench.
    write_p99_ms: Option<f64>,
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
pub(super) struct Compared {
    /// Which way.
    pub(super) what: String,
    /// Of a month.
    pub(super) cost: f64,
}

/// A mix that a wish forbids, and that would be cheaper.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Forbidden {
    /// Its services.
    pub(super) services: Vec<String>,
    /// Fragments that read an extent.
    pub(super) k: u16,
    /// Services that may vanish.
    pub(super) m: u16,
    /// Of a month.
    pub(super) cost: f64,
    /// What forbids it.
    pub(super) why: String,
}

/// The whole answer for scripts.
pub(super) fn sheet(
    planner: &Planner<'_>,
    wishes: &Wishes,
    (choices, front): (&[Choice], &[Choice]),
    forbidden: Vec<Forbidden>,
    what_if: Vec<Answered>,
) -> PlanSheet {
    let reasons = reasons(choices);
    let mix = |(at, choice): (usize, &Choice)| MixSheet {
        services: names(planner, choice),
        k: choice.k,
        m: choice.m,
        cost: amount(choice.cost),
        unreadable_minutes_per_year: choice.unreadable * MINUTES_PER_YEAR,
        unwritable_minutes_per_year: choice.unwritable * MINUTES_PER_YEAR,
        lost_per_year: choice.lost.max(FLOOR),
        read_p50_ms: choice.reads.map(|reads| reads.p50),
        read_p99_ms: choice.reads.map(|reads| reads.p99),
        write_p50_ms: planner.writes(choice).map(|writes| writes.p50),
        write_p99_ms: planner.writes(choice).map(|writes| writes.p99),
        on_front: front.contains(choice),
        why: reasons.get(&at).copied(),
        seats: planner.cost(choice).seats.iter().map(seat).collect(),
    };
    PlanSheet {
        currency: wishes.currency.clone(),
        mixes: choices.iter().enumerate().map(mix).collect(),
        forbidden,
        left_out: planner
            .left_out
            .iter()
            .map(|(service, why)| LeftOut {
                service: service.clone(),
                why: why.clone(),
            })
            .collect(),
        compared: compared(planner, &choices[0]),
        what_if,
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
pub(super) fn compared(planner: &Planner<'_>, best: &Choice) -> Vec<Compared> {
    let n = best.services.len();
    let storage = planner.cheapest_storage(best.k, best.m).map(|choice| Compared {
        what: format!("the {n} services with the cheapest storage, as {}+{}", best.k, best.m),
        cost: amount(choice.cost),
    });
    let one = planner.one_copy(ONE_COPY).map(|cost| Compared {
        what: format!("one copy at {ONE_COPY}, which survives nobody"),
        cost: amount(cost),
    });
    let services = planner.services.len();
    let even = planner.even_spread(best.k, best.m).map(|cost| Compared {
        what: format!("{}+{} spread evenly over all {services} services", best.k, best.m),
        cost: amount(cost),
    });
    storage.into_iter().chain(even).chain(one).collect()
}
