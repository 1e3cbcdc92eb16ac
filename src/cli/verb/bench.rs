//! `raic bench`: how fast the configured providers are, from here, now. Its own prefix only, removed afterwards; the price is told first.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use super::super::Context;
use super::super::args;
use super::super::error::{Failure, reason};
use super::super::exit::Exit;
use super::super::ground;
use super::super::output::Document;
use super::super::quantity::{rfc3339, size};
use super::super::table::{self, left, right};
use super::bench_codec;
use super::prices::{money, open};
use crate::clock::{Clock, SystemClock};
use crate::cloud_set::Profile;
use crate::cloud_set::price::{Marginal, Money, Prices, Usage};
use crate::config::Config;
use crate::entropy::{Entropy, SystemEntropy};
use crate::mix::measure::{Measured, READ_FROM, Task, measure, sweep};
use crate::provider::opendal::Remote;
use crate::provider::{Operation, Provider};

/// Where everything is written, with a random number behind it.
const PREFIX: &str = "raic-bench";

/// The answer.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct BenchSheet {
    /// When it began, RFC 3339.
    begun: String,
    /// The version of raic.
    version: &'static str,
    /// Calls under way at once.
    lanes: u16,
    /// Seconds of each task.
    seconds: f64,
    /// What was measured.
    rows: Vec<Row>,
    /// What to be careful of.
    warnings: Vec<String>,
}

impl Document for BenchSheet {
    const SCHEMA: &'static str = "raic.bench.providers/1";
}

/// One provider, one length, one operation.
#[derive(Debug, Serialize, JsonSchema)]
struct Row {
    /// Its name in the configuration.
    provider: String,
    /// `put` or `get`.
    operation: &'static str,
    /// Bytes of a blob.
    bytes: u64,
    /// Calls that succeeded after the warm-up.
    succeeded: u64,
    /// Calls that failed, by kind.
    failed: BTreeMap<String, u64>,
    /// Bytes moved in a second.
    bytes_per_second: f64,
    /// Milliseconds from when a call was meant to begin until its end.
    latency_ms: Quantiles,
    /// Every call: microseconds when it was meant to begin, microseconds that it took, and 1 if it failed.
    samples: Vec<(u64, u64, u8)>,
}

/// Latencies in milliseconds; none without a call that succeeded.
#[derive(Debug, Serialize, JsonSchema)]
struct Quantiles {
    p50: Option<f64>,
    p90: Option<f64>,
    p99: Option<f64>,
    p999: Option<f64>,
}

pub(crate) async fn run(noun: &args::Bench, context: &Context) -> Result<Exit, Failure> {
    match noun {
        args::Bench::Providers(args) => providers(args, context).await,
        args::Bench::Sim(args) => super::sim::run(args, context).await,
        args::Bench::Codec(args) => bench_codec::run(args, context).await,
    }
}

async fn providers(args: &args::BenchProviders, context: &Context) -> Result<Exit, Failure> {
    let config = ground::config(context)?;
    ground::check_providers(&config, &args.providers)?;
    let chosen: Vec<&Profile> = config
        .set
        .providers
        .iter()
        .filter(|profile| args.providers.is_empty() || args.providers.contains(&profile.name))
        .collect();
    let tasks = tasks(args);
    let (prices, _) = open(context, args.prices.as_deref())?;
    announce(&chosen, &tasks, &prices, args, context)?;
    let prefix = format!("{PREFIX}-{:08x}/", SystemEntropy.number() >> 32);
    let begun = rfc3339(SystemClock.now());
    let (mut rows, mut warnings) = (Vec::new(), Vec::new());
    for profile in &chosen {
        match one(profile, &config, &tasks, &prefix, context).await {
            Ok(measured) => {
                for measured in measured {
                    let what = format!(
                        "{} {} {}",
                        profile.name,
                        measured.task.operation,
                        size(measured.task.len)
                    );
                    warnings.extend(
                        measured
                            .warnings()
                            .into_iter()
                            .map(|warning| format!("{what}: {warning}")),
                    );
                    rows.push(row(&profile.name, &measured));
                }
            }
            Err(failure) => warnings.push(format!("{}: {}", profile.name, failure.sentence())),
        }
    }
    let sheet = BenchSheet {
        begun,
        version: env!("CARGO_PKG_VERSION"),
        lanes: args.lanes,
        seconds: args.seconds,
        rows,
        warnings,
    };
    if let Some(folder) = &args.out {
        keep(&sheet, folder)?;
    }
    tell(&sheet, args.out.as_ref(), context)
}

fn tasks(args: &args::BenchProviders) -> Vec<Task> {
    let task = |len: u64, operation| Task {
        operation,
        len: len.max(1),
        lanes: args.lanes,
        duration: Duration::from_secs_f64(args.seconds),
        calls: (args.most.bytes() / len.max(1)).max(1),
        rate: args.rate,
    };
    let both = |size: &crate::cloud_set::quantity::Size| {
        [task(size.bytes(), Operation::Put), task(size.bytes(), Operation::Get)]
    };
    args.sizes.iter().flat_map(both).collect()
}

/// The most that the tasks can ask of one provider.
fn usage(tasks: &[Task]) -> Usage {
    let mut usage = Usage::default();
    for task in tasks {
        if task.operation == Operation::Put {
            usage.puts += task.calls;
        } else {
            usage.gets += task.calls;
            usage.puts += READ_FROM;
            usage.read = usage.read.saturating_add(task.calls.saturating_mul(task.len));
        }
    }
    usage.lists = 1 + usage.puts / 1000;
    usage
}

/// Tells what comes and what it costs at most; refuses what costs more than is allowed.
fn announce(
    chosen: &[&Profile],
    tasks: &[Task],
    prices: &Prices,
    args: &args::BenchProviders,
    context: &Context,
) -> Result<(), Failure> {
    let each = usage(tasks);
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
    let each_seconds: f64 = tasks.iter().map(|task| task.duration.as_secs_f64()).sum();
    let seconds: f64 = chosen.iter().map(|_| each_seconds).sum();
    context.out.said(&format!(
        "{} providers x {} tasks, {:.0} s at most; up to {} read, {} written each; costs {} at most. Blobs go under {PREFIX}-... and are removed.",
        chosen.len(),
        tasks.len(),
        seconds,
        size(each.read),
        size(tasks.iter().map(|task| task.calls * task.len).sum::<u64>() - each.read),
        money(sum),
    ))
}

async fn one(
    profile: &Profile,
    config: &Config,
    tasks: &[Task],
    prefix: &str,
    context: &Context,
) -> Result<Vec<Measured>, Failure> {
    let spec = ground::spec(config, profile, &context.env)?;
    let provider: Arc<dyn Provider> = Arc::new(Remote::open(&spec)?);
    let mut measured = Vec::new();
    let mut trouble = None;
    for task in tasks {
        let interrupted = context.interrupt.clone();
        tokio::select! {
            result = measure(&provider, prefix, *task) => match result {
                Ok(one) => measured.push(one),
                Err(error) => { trouble = Some(error.to_string()); break; }
            },
            _ = interrupted.asked() => { trouble = Some("interrupted".to_owned()); break; }
        }
    }
    let left = sweep(&provider, prefix, tasks).await;
    let left = left.unwrap_or(u64::MAX);
    if left > 0 {
        context.out.warn(&format!(
            "{}: not all blobs below {prefix} could be removed",
            profile.name
        ));
    }
    match trouble {
        Some(what) if measured.is_empty() => Err(Failure::new(Exit::Unreachable, "E0804", what)),
        _ => Ok(measured),
    }
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds with three digits")]
fn row(provider: &str, measured: &Measured) -> Row {
    let latencies = measured.latencies();
    let quantile = |q: f64| (!latencies.is_empty()).then(|| latencies.value_at_quantile(q) as f64 / 1000.0);
    Row {
        provider: provider.to_owned(),
        operation: if measured.task.operation == Operation::Put {
            "put"
        } else {
            "get"
        },
        bytes: measured.task.len,
        succeeded: measured.succeeded(),
        failed: measured
            .failed()
            .into_iter()
            .map(|(class, count)| (format!("{class:?}").to_lowercase(), count))
            .collect(),
        bytes_per_second: measured.bytes_per_second(),
        latency_ms: Quantiles {
            p50: quantile(0.5),
            p90: quantile(0.9),
            p99: quantile(0.99),
            p999: quantile(0.999),
        },
        samples: measured
            .samples
            .iter()
            .map(|sample| (sample.begin, sample.took, u8::from(sample.failed.is_some())))
            .collect(),
    }
}

/// The run as a file that is read by scripts.
fn keep(sheet: &BenchSheet, folder: &Path) -> Result<(), Failure> {
    let unwritable = |error: std::io::Error| {
        let what = format!("{} cannot be written: {}", folder.display(), reason(&error));
        Failure::new(Exit::Failed, "E0208", what)
    };
    std::fs::create_dir_all(folder).map_err(unwritable)?;
    let mut run = serde_json::to_value(sheet).expect("a sheet is JSON");
    run["schema"] = BenchSheet::SCHEMA.into();
    std::fs::write(folder.join("run.json"), format!("{run:#}\n")).map_err(unwritable)
}

fn tell(sheet: &BenchSheet, kept: Option<&PathBuf>, context: &Context) -> Result<Exit, Failure> {
    let out = &context.out;
    if out.is_json() {
        out.document(sheet)?;
    } else {
        let columns = [
            left("PROVIDER"),
            left("CALL"),
            right("SIZE"),
            right("RATE"),
            right("P50"),
            right("P90").spare(2),
            right("P99"),
            right("P99.9").spare(1),
            right("FAILED"),
            right("N"),
        ];
        let rows: Vec<Vec<String>> = sheet.rows.iter().map(cells).collect();
        for line in table::lines(&columns, &rows, out.room()) {
            out.answer(&line)?;
        }
    }
    for warning in &sheet.warnings {
        out.warn(warning);
    }
    if let Some(folder) = kept {
        out.said(&format!("data  {}", folder.join("run.json").display()))?;
    }
    Ok(if sheet.rows.is_empty() {
        Exit::Unreachable
    } else {
        Exit::Done
    })
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "rates are far below 2^64 bytes a second"
)]
fn cells(row: &Row) -> Vec<String> {
    let ms = |time: Option<f64>| time.map_or_else(|| "-".to_owned(), |ms| format!("{ms:.1} ms"));
    let failed: u64 = row.failed.values().sum();
    vec![
        row.provider.clone(),
        row.operation.to_owned(),
        size(row.bytes),
        format!("{}/s", size(row.bytes_per_second as u64)),
        ms(row.latency_ms.p50),
        ms(row.latency_ms.p90),
        ms(row.latency_ms.p99),
        ms(row.latency_ms.p999),
        failed.to_string(),
        row.succeeded.to_string(),
    ]
}

/// Seconds as they are typed.
pub(crate) fn seconds(text: &str) -> Result<f64, String> {
    within(text, 0.1, 3600.0, "0.1 to 3600 seconds")
}

/// Calls in a second as they are typed.
pub(crate) fn rate(text: &str) -> Result<f64, String> {
    within(text, 0.01, 100_000.0, "0.01 to 100000 calls a second")
}

fn within(text: &str, least: f64, most: f64, wanted: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| format!("{wanted} are possible"))?;
    if (least..=most).contains(&number) {
        Ok(number)
    } else {
        Err(format!("{wanted} are possible"))
    }
}
