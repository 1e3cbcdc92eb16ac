//! A bench on the configured providers: told what it costs first, under a prefix of its own, cleared afterwards whatever happens.

use std::sync::Arc;
use std::time::Instant;

use super::super::super::Context;
use super::super::super::args::BenchRun;
use super::super::super::error::Failure;
use super::super::super::exit::Exit;
use super::super::super::ground;
use super::super::super::quantity::{rfc3339, size, span};
use super::super::prices::{money, open};
use super::show::Lanes;
use super::{assumes, machine, plan, price_days};
use crate::clock::{Clock, SystemClock};
use crate::cloud_set::Profile;
use crate::cloud_set::domain::DomainKind;
use crate::cloud_set::price::{Cost, Marginal, Money, Prices, Tariff, Usage};
use crate::config::Config;
use crate::entropy::{Entropy, SystemEntropy};
use crate::mix::bench::{self, Contestant, Outcome, Plan};
use crate::mix::measure::{Probe, READ_FROM};
use crate::mix::run::Run;
use crate::provider::Provider;
use crate::provider::opendal::Remote;

/// Where everything is written, with a random number behind it.
const PREFIX: &str = "raic-bench";

/// A prefix that nobody else has.
pub(super) fn prefix() -> String {
    format!("{PREFIX}-{:08x}/", SystemEntropy.number() >> 32)
}

pub(super) async fn bench(args: &BenchRun, context: &Context) -> Result<(Outcome, Option<Exit>), Failure> {
    let config = ground::config(context)?;
    ground::check_providers(&config, &args.providers)?;
    let chosen = chosen(&config, &args.providers);
    let (prices, _) = open(context, args.prices.as_deref())?;
    let mut plan = plan(args, false);
    plan.prefix = prefix();
    plan.today = today(&config);
    announce(&chosen, &plan, &prices, args, context)?;
    let (contestants, trouble) = contestants(&chosen, &config, &prices, context);
    if contestants.is_empty() {
        let what = trouble
            .into_iter()
            .next()
            .unwrap_or_else(|| "no provider is configured".to_owned());
        return Err(Failure::new(Exit::Unreachable, "E0804", what));
    }
    let (begun, clock) = (rfc3339(SystemClock.now()), Instant::now());
    let lanes = Lanes::new(context, true);
    let interrupt = context.interrupt.clone();
    let result = tokio::select! {
        outcome = bench::bench(&contestants, &plan, &prices, &lanes) => Ok(outcome),
        exit = interrupt.asked() => Err(exit),
    };
    lanes.end();
    // A call that was given up may still have written.
    let left = bench::clear(&contestants, &plan.prefix).await;
    if !left.is_empty() {
        let what = format!(
            "not all blobs below {} could be removed from {}",
            plan.prefix,
            left.join(", ")
        );
        context.out.warn(&what);
    }
    let mut outcome = match result {
        Ok(outcome) => outcome,
        Err(exit) => {
            context
                .out
                .warn("interrupted; what was written is removed, nothing is reported");
            let outcome = Outcome {
                run: Run::default(),
                samples: String::new(),
            };
            return Ok((outcome, Some(exit)));
        }
    };
    let run = &mut outcome.run;
    run.warnings.extend(trouble);
    run.begun = Some(begun);
    run.seconds = Some(clock.elapsed().as_secs_f64());
    env!("CARGO_PKG_VERSION").clone_into(&mut run.version);
    run.machine = machine();
    run.command = command(&chosen, &plan);
    run.prices = price_days(contestants.iter().filter_map(|one| one.tariff.as_ref()));
    run.assumes = assumes(run);
    Ok((outcome, None))
}

fn chosen<'c>(config: &'c Config, names: &[String]) -> Vec<&'c Profile> {
    let all = config.set.providers.iter();
    all.filter(|profile| names.is_empty() || names.contains(&profile.name))
        .collect()
}

/// The mix of the default policy.
fn today(config: &Config) -> Option<(Vec<String>, u16)> {
    let policy = config.set.policies.get("default")?;
    let all = || {
        config
            .set
            .providers
            .iter()
            .map(|profile| profile.name.clone())
            .collect()
    };
    Some((policy.providers.clone().unwrap_or_else(all), policy.k))
}

/// What takes part, and who can't with the reason.
pub(super) fn contestants(
    chosen: &[&Profile],
    config: &Config,
    prices: &Prices,
    context: &Context,
) -> (Vec<Contestant>, Vec<String>) {
    let (mut contestants, mut trouble) = (Vec::new(), Vec::new());
    for profile in chosen {
        match contestant(profile, config, prices, context) {
            Ok(contestant) => contestants.push(contestant),
            Err(failure) => trouble.push(format!("{}: {}", profile.name, failure.sentence())),
        }
    }
    (contestants, trouble)
}

fn contestant(profile: &Profile, config: &Config, prices: &Prices, context: &Context) -> Result<Contestant, Failure> {
    let spec = ground::spec(config, profile, &context.env)?;
    let bare: Arc<dyn Provider> = Arc::new(Remote::open(&spec)?);
    let operator = profile
        .domains
        .get(DomainKind::Operator)
        .unwrap_or(&profile.name)
        .to_owned();
    let (service, tariff) = match &profile.cost {
        None => (None, None),
        Some(Cost::Catalog(id)) => (Some(id.clone()), prices.tariff(id).cloned()),
        Some(Cost::ByHand(list)) => (None, Some(Tariff::by_hand(&profile.name, &operator, "USD", list))),
    };
    Ok(Contestant {
        name: profile.name.clone(),
        service,
        domains: profile.domains.clone(),
        operator,
        tariff,
        bare,
        steady: ground::ready(&spec)?,
        law: None,
    })
}

fn command(chosen: &[&Profile], plan: &Plan) -> String {
    let setting = &plan.setting;
    let names: Vec<&str> = chosen.iter().map(|profile| profile.name.as_str()).collect();
    let sizes: Vec<String> = setting.sizes.iter().map(|size| format!("{size}B")).collect();
    let lanes: Vec<String> = setting.lanes.iter().map(ToString::to_string).collect();
    let outage = if plan.outs > 0 { " --outage" } else { "" };
    let rate = setting.rate.map(|rate| format!(" --rate {rate}")).unwrap_or_default();
    format!(
        "raic bench --providers {} --sizes {} --duration {}s --concurrency {}{rate} --objects {} --object {}B --mixes {}{outage} --out DIR",
        names.join(","),
        sizes.join(","),
        setting.duration,
        lanes.join(","),
        setting.objects,
        setting.object,
        plan.mixes
    )
}

/// The most that a bench can ask of one provider.
fn usage(plan: &Plan, providers: u64) -> Usage {
    let mut usage = Usage::default();
    let bytes = |calls: u64, len: u64| calls.saturating_mul(len);
    for task in plan.tasks() {
        let calls = task.calls.min(calls_in_time(task.duration.as_secs_f64(), task.lanes));
        match task.probe {
            Probe::Put => usage.puts += calls,
            Probe::Get => {
                usage.gets += calls;
                usage.puts += READ_FROM;
                usage.read = usage.read.saturating_add(bytes(calls, task.len));
            }
            Probe::First => {
                usage.gets += calls;
                usage.puts += READ_FROM;
            }
            Probe::List => usage.lists += calls,
        }
        usage.lists += 1;
    }
    // A fragment is at most the whole object; a mix is read healthy, and with each one and each pair out if that was asked.
    let outs = if plan.outs > 0 {
        providers * (providers + 1) / 2
    } else {
        0
    };
    let objects = u64::from(plan.setting.objects) * plan.mixes as u64;
    usage.puts += objects + 4 * plan.mixes as u64;
    usage.gets += objects * (1 + outs);
    usage.lists += objects * (1 + outs) + plan.mixes as u64;
    usage.read = usage
        .read
        .saturating_add(bytes(objects * (1 + outs), plan.setting.object));
    usage
}

/// No lane makes more calls than one in a millisecond.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "at most an hour of 1024 lanes"
)]
fn calls_in_time(seconds: f64, lanes: u16) -> u64 {
    (seconds * 1000.0).ceil() as u64 * u64::from(lanes)
}

/// Tells what comes and what it costs at most; refuses what costs more than is allowed.
fn announce(
    chosen: &[&Profile],
    plan: &Plan,
    prices: &Prices,
    args: &BenchRun,
    context: &Context,
) -> Result<(), Failure> {
    let each = usage(plan, chosen.len() as u64);
    let (mut sum, mut unknown): (Money, Vec<&str>) = (Money::ZERO, Vec::new());
    for profile in chosen {
        let Marginal { amount, missing, .. } = prices.marginal(profile.cost.as_ref(), &each);
        sum += amount;
        let local = matches!(profile.scheme.as_str(), "fs" | "memory");
        if !missing.is_empty() && !local {
            unknown.push(&profile.name);
        }
    }
    if !unknown.is_empty() {
        context
            .out
            .warn(&format!("what these bill isn't known: {}", unknown.join(", ")));
    }
    if let Some(most) = args.max_cost
        && (sum > most || !unknown.is_empty())
    {
        let what = format!(
            "this could cost {}, and more than {} is not allowed",
            money(sum),
            money(most)
        );
        return Err(Failure::new(Exit::Limit, "E0803", what)
            .note("fewer --sizes, less --most, or a larger --max-cost")
            .note("nothing was sent"));
    }
    let tasks = plan.tasks();
    let seconds: f64 = tasks.iter().map(|task| task.duration.as_secs_f64()).sum();
    let time = std::time::Duration::from_secs_f64(chosen.iter().map(|_| seconds).sum());
    let written: u64 = tasks
        .iter()
        .filter(|task| task.probe == Probe::Put)
        .map(|task| task.calls.saturating_mul(task.len))
        .sum();
    let limit = args
        .max_cost
        .map(|most| format!(" (limit {})", money(most)))
        .unwrap_or_default();
    let told = format!(
        "{} providers x {} sizes x read/write: about {}, up to {} up and {} down each, at most {}{limit}. Objects go under {} and are removed.",
        chosen.len(),
        plan.setting.sizes.len(),
        span(time),
        size(written),
        size(each.read),
        money(sum),
        plan.prefix
    );
    if !context.out.is_json() && !context.global.quiet {
        context.out.aside(&format!("{}\n", context.out.fold(&told)));
    }
    Ok(())
}
