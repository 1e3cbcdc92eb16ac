//! A bench on providers that don't exist: laws of latency and rate in front of memory, in virtual time.

use super::super::super::Context;
use super::super::super::args::BenchRun;
use super::super::super::error::Failure;
use super::super::prices::open;
use super::show::Lanes;
use super::{assumes, machine, plan, price_days};
use crate::cloud_set::domain::{DomainKind, Domains};
use crate::cloud_set::price::Prices;
use crate::mix::bench::{self, Contestant, Outcome, Plan};
use crate::mix::law::Law;
use crate::mix::trial::{in_virtual_time, simulated, simulated_to_measure};

/// The most calls of a measurement: virtual time is free, the draws are not.
pub(super) const MOST_CALLS: u64 = 400;

pub(super) async fn bench(args: &BenchRun, context: &Context) -> Result<Outcome, Failure> {
    let (prices, _) = open(context, args.prices.as_deref())?;
    let plan = plan(args, true);
    let command = command(args, &plan);
    let lanes = Lanes::new(context, false);
    // Virtual time has a runtime of its own.
    let work = tokio::task::spawn_blocking(move || {
        let contestants = contestants(&prices, plan.setting.seed);
        let mut outcome = in_virtual_time(bench::bench(&contestants, &plan, &prices, &lanes));
        outcome.run.prices = price_days(contestants.iter().filter_map(|one| one.tariff.as_ref()));
        outcome
    });
    let mut outcome = work.await.expect("a simulation does not panic");
    let run = &mut outcome.run;
    env!("CARGO_PKG_VERSION").clone_into(&mut run.version);
    run.machine = machine();
    run.command = command;
    run.assumes = assumes(run);
    Ok(outcome)
}

fn command(args: &BenchRun, plan: &Plan) -> String {
    let setting = &plan.setting;
    let sizes: Vec<String> = setting.sizes.iter().map(|size| format!("{size}B")).collect();
    let lanes: Vec<String> = setting.lanes.iter().map(ToString::to_string).collect();
    format!(
        "raic bench --sim --seed {} --sizes {} --duration {}s --concurrency {} --objects {} --object {}B --data {}B --read {}B --mixes {} --out DIR",
        setting.seed,
        sizes.join(","),
        setting.duration,
        lanes.join(","),
        setting.objects,
        setting.object,
        args.data.bytes(),
        args.read.bytes(),
        plan.mixes
    )
}

/// The shipped laws, each with the prices and outages of a real service.
pub(super) fn contestants(prices: &Prices, seed: u64) -> Vec<Contestant> {
    let one = |law: Law| {
        let tariff = prices.tariff(&law.service).cloned();
        let operator = tariff
            .as_ref()
            .map_or_else(String::new, |tariff| tariff.operator.clone());
        Contestant {
            name: law.name.clone(),
            service: Some(law.service.clone()),
            domains: Domains([(DomainKind::Operator, operator.clone())].into()),
            operator,
            tariff,
            // Draws hang on key and count alone, so that two of one seed keep one law.
            bare: simulated_to_measure(&law, seed),
            steady: simulated(&law, seed),
            law: Some(law),
        }
    };
    Law::shipped().into_iter().map(one).collect()
}
