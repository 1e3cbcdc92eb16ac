//! `raic bench`: how fast providers and mixes of them are, from here, now; or on providers that don't exist, without an account.

mod compare;
mod files;
mod real;
mod show;
mod sim;
mod verify;

use schemars::JsonSchema;
use serde::Serialize;

use super::super::Context;
use super::super::args::{self, BenchNoun};
use super::super::error::Failure;
use super::super::exit::Exit;
use super::super::output::Document;
use super::bench_codec;
use crate::config::locate;
use crate::mix::bench::Plan;
use crate::mix::run::{Run, SCHEMA, Setting};
use crate::mix::threshold::Threshold;

pub(crate) use files::read;

#[cfg(test)]
pub(crate) use compare::CompareSheet;
#[cfg(test)]
pub(crate) use verify::VerifySheet;

/// The length of an object that costs are reckoned with.
const COST_OBJECT: u64 = 16 << 20;

/// The longest object that mixes are lived through with: one window of the store's reads.
const LONGEST_OBJECT: u64 = 4 << 20;

/// The answer: a run.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(transparent)]
pub(crate) struct BenchSheet(pub(crate) Run);

impl Document for BenchSheet {
    const SCHEMA: &'static str = SCHEMA;
}

pub(crate) async fn run(args: &args::Bench, context: &Context) -> Result<Exit, Failure> {
    match &args.noun {
        None => bench(&args.what, context).await,
        Some(BenchNoun::Report(args)) => files::report(args, context),
        Some(BenchNoun::Compare(args)) => compare::run(args, context),
        Some(BenchNoun::Verify(args)) => verify::run(args, context).await,
        Some(BenchNoun::Codec(args)) => bench_codec::run(args, context).await,
    }
}

async fn bench(args: &args::BenchRun, context: &Context) -> Result<Exit, Failure> {
    let simulated = args.sim || (args.providers.is_empty() && nothing_configured(context));
    if simulated && !args.providers.is_empty() {
        return Err(Failure::usage(
            "--sim is on providers of its own, --providers names yours: take one of them",
        ));
    }
    if let Some(folder) = &args.out {
        files::make(folder)?;
    }
    let (outcome, stopped) = if simulated {
        if !args.sim {
            context
                .out
                .warn("there is no configuration: this is on providers that don't exist, as with --sim");
        }
        (sim::bench(args, context).await?, None)
    } else {
        real::bench(args, context).await?
    };
    if let Some(folder) = &args.out {
        files::keep(&outcome.run, Some(&outcome.samples), folder)?;
    }
    let measured = outcome.run.providers.iter().any(|provider| !provider.tasks.is_empty());
    let broken = broken(&outcome.run, &args.threshold);
    let sheet = BenchSheet(outcome.run);
    if context.out.is_json() {
        context.out.document(&sheet)?;
    } else {
        show::show(&sheet.0, args.out.as_deref(), context)?;
    }
    if let Some(exit) = stopped {
        return Ok(exit);
    }
    for line in broken? {
        context.out.warn(&line);
        if !measured {
            break;
        }
    }
    verdict(measured, &sheet.0, &args.threshold)
}

fn verdict(measured: bool, run: &Run, thresholds: &[Threshold]) -> Result<Exit, Failure> {
    if !measured {
        return Ok(Exit::Unreachable);
    }
    Ok(if broken(run, thresholds)?.is_empty() {
        Exit::Done
    } else {
        Exit::Limit
    })
}

/// The bounds that aren't kept, in words.
fn broken(run: &Run, thresholds: &[Threshold]) -> Result<Vec<String>, Failure> {
    let mut broken = Vec::new();
    for threshold in thresholds {
        let found = threshold.breaches(run).map_err(Failure::usage)?;
        broken.extend(found.iter().map(ToString::to_string));
    }
    Ok(broken)
}

/// True if no configuration is found, and none was named.
fn nothing_configured(context: &Context) -> bool {
    let named = context.global.config.as_deref();
    named.is_none() && locate(named, &context.env, &|path| path.exists()).is_err()
}

fn plan(args: &args::BenchRun, simulated: bool) -> Plan {
    let or = |given: Option<f64>, real, virtual_time| given.unwrap_or(if simulated { virtual_time } else { real });
    let lanes = match args.concurrency.as_slice() {
        [] if simulated => vec![1, 8],
        [] => vec![1],
        given => given.to_vec(),
    };
    let mut sizes: Vec<u64> = args.sizes.iter().map(|size| size.bytes().clamp(1, 1 << 30)).collect();
    sizes.sort_unstable();
    sizes.dedup();
    let objects = args.objects.unwrap_or(if simulated { 120 } else { 40 });
    Plan {
        setting: Setting {
            data: args.data.bytes(),
            read: args.read.bytes(),
            cost_object: COST_OBJECT,
            currency: "USD".to_owned(),
            objects,
            object: args.object.bytes().clamp(1, LONGEST_OBJECT),
            sizes,
            lanes,
            duration: or(args.duration, 10.0, 30.0),
            rate: args.rate,
            seed: args.seed,
        },
        prefix: String::new(),
        most: if simulated { u64::MAX } else { args.most.bytes() },
        calls: if simulated { sim::MOST_CALLS } else { u64::MAX },
        mixes: args.mixes.unwrap_or(if simulated { 6 } else { 3 }),
        reads: objects,
        outs: if simulated || args.outage { 2 } else { 0 },
        abreast: 1,
        today: None,
    }
}

/// The system, the kind of processor, its cores.
fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    format!("{} {}, {cores} cores", std::env::consts::OS, std::env::consts::ARCH)
}

/// What every bench takes for granted.
fn assumes(run: &Run) -> Vec<String> {
    let mut lines = vec![
        "prices as the price catalog has them: raic prices".to_owned(),
        "reads ask every service as often; every byte is read once in 90 days, every name listed once in 7 days".to_owned(),
        "operators are out as often as was measured of three of them in 2018 to 2020, an upper bound".to_owned(),
        "2 % of the providers are lost for good in a year and made good in 7 days; 10 % of what befalls one befalls all of its operator".to_owned(),
        "chances stop at 1e-9; a lost key or a mistake of your own is likelier, and no mix helps there".to_owned(),
    ];
    lines.push(if run.simulated {
        "speeds are invented laws, fixtures/laws; every draw comes from the seed".to_owned()
    } else {
        "speeds are those of this machine at that time; a mix is foretold from its members, each measured by itself"
            .to_owned()
    });
    lines
}

/// The days of the prices behind some services: the oldest and the newest.
fn price_days<'t>(tariffs: impl Iterator<Item = &'t crate::cloud_set::price::Tariff>) -> Option<(String, String)> {
    let days = tariffs.flat_map(|tariff| tariff.priced().into_iter().filter_map(|mark| mark.date));
    let mut days: Vec<String> = days.map(|day| day.to_string()).collect();
    days.sort_unstable();
    Some((days.first()?.clone(), days.last()?.clone()))
}

/// A time as it is typed: `10s`, `500ms`, `2m`, or seconds.
pub(crate) fn duration(text: &str) -> Result<f64, String> {
    let wanted = "0.1 to 3600 seconds, such as 10s, 500ms or 2m";
    let (number, unit) = match text.find(|letter: char| letter.is_ascii_alphabetic()) {
        Some(at) => (text[..at].trim(), &text[at..]),
        None => (text.trim(), "s"),
    };
    let factor = match unit {
        "ms" => 0.001,
        "s" => 1.0,
        "m" | "min" => 60.0,
        _ => return Err(format!("{wanted} are possible")),
    };
    within(number, factor, 0.1, 3600.0, wanted)
}

/// Calls in a second as they are typed.
pub(crate) fn rate(text: &str) -> Result<f64, String> {
    within(text, 1.0, 0.01, 100_000.0, "0.01 to 100000 calls a second")
}

fn within(text: &str, factor: f64, least: f64, most: f64, wanted: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| format!("{wanted} are possible"))?;
    let number = number * factor;
    if (least..=most).contains(&number) {
        Ok(number)
    } else {
        Err(format!("{wanted} are possible"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_with_their_unit_and_absurd_ones_refused() {
        for (text, want) in [
            ("10s", 10.0),
            ("500ms", 0.5),
            ("2m", 120.0),
            ("1.5", 1.5),
            ("0.2 s", 0.2),
        ] {
            let got = duration(text).unwrap();
            assert!((got - want).abs() < 1e-9, "{text}: {got}");
        }
        for text in ["", "-1s", "NaN", "inf", "0", "5h", "1e9s", "ten", "10 s s"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
