//! `raic bench sim`: which mix to take, shown on simulated providers, as a table, a page and a file for scripts.

use std::path::Path;

use schemars::JsonSchema;
use serde::Serialize;

use super::super::Context;
use super::super::args;
use super::super::error::{Failure, reason};
use super::super::exit::Exit;
use super::super::output::Document;
use super::super::quantity::rfc3339;
use super::super::table::{self, left, right};
use super::prices::open;
use crate::clock::{Clock, SystemClock};
use crate::mix::demand::{Care, Objects, Workload};
use crate::mix::model::FLOOR;
use crate::mix::outage::Outages;
use crate::mix::report::{Circumstances, page};
use crate::mix::sim::{Mix, Setting, Simulation, simulate};
use crate::mix::trial::Latencies;

const MINUTES_PER_YEAR: f64 = 525_960.0;

/// The length of an object that costs are reckoned with.
const OBJECT: u64 = 16 << 20;

/// The answer.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct SimSheet {
    /// Always: nothing here was measured at a real provider.
    simulated: bool,
    /// The same seed gives the same numbers.
    seed: u64,
    /// Objects of each trial.
    objects: u32,
    /// Bytes of each.
    bytes: u64,
    /// Of all amounts.
    currency: String,
    /// Every mix of three providers or more.
    mixes: Vec<SimMix>,
}

impl Document for SimSheet {
    const SCHEMA: &'static str = "raic.bench.sim/1";
}

/// One mix.
#[derive(Debug, Serialize, JsonSchema)]
struct SimMix {
    /// Simulated providers.
    providers: Vec<String>,
    /// Fragments that read an extent.
    k: u16,
    /// Providers that may vanish.
    m: u16,
    /// Of a month; null if a service's policy allows less than is read.
    cost: Option<f64>,
    /// Minutes in a year that data can't be read, expected.
    unreadable_minutes_per_year: f64,
    /// The chance that data is lost within a year; 1e-9 stands for that or less.
    lost_per_year: f64,
    /// Milliseconds of reads, foretold: p50 and p99.
    read_ms: (f64, f64),
    /// Milliseconds of writes, foretold: p50 and p99.
    write_ms: (f64, f64),
    /// True if no mix is as cheap, as often readable and as fast at once.
    on_front: bool,
    /// What the real store lived through; null if it wasn't tried.
    lived: Option<SimLived>,
}

/// What was seen.
#[derive(Debug, Serialize, JsonSchema)]
struct SimLived {
    /// All providers well.
    healthy: SimCalls,
    /// Puts, all providers well.
    writes: SimCalls,
    /// Reads with one provider out, in the order of `providers`.
    without: Vec<SimCalls>,
}

/// Calls of one kind.
#[derive(Debug, Serialize, JsonSchema)]
struct SimCalls {
    /// Milliseconds.
    p50_ms: Option<f64>,
    /// Milliseconds.
    p99_ms: Option<f64>,
    /// How many succeeded.
    succeeded: u64,
    /// How many failed.
    failed: u32,
}

pub(crate) async fn run(args: &args::BenchSim, context: &Context) -> Result<Exit, Failure> {
    let (prices, _) = open(context, args.prices.as_deref())?;
    let setting = Setting {
        workload: Workload {
            objects: vec![Objects {
                count: args.data.bytes().div_ceil(OBJECT),
                len: OBJECT,
                read: args.read.bytes().div_ceil(OBJECT),
                ..Objects::default()
            }],
            care: Care::default(),
        },
        currency: "USD".to_owned(),
        objects: args.objects,
        len: args.size.bytes().clamp(1, 4 << 20),
        seed: args.seed,
    };
    let asked = setting.clone();
    // Virtual time has a runtime of its own.
    let work = tokio::task::spawn_blocking(move || simulate(&asked, &prices, &Outages::shipped()));
    let simulation = work.await.expect("a simulation does not panic");
    let simulation = simulation.map_err(|error| Failure::new(Exit::Failed, "E0805", error.to_string()))?;
    let sheet = sheet(&simulation, &setting);
    if let Some(folder) = &args.out {
        keep(&simulation, &setting, &sheet, folder)?;
    }
    if context.out.is_json() {
        context.out.document(&sheet)?;
    } else {
        show(&simulation, &setting, args.out.as_deref(), context)?;
    }
    Ok(Exit::Done)
}

fn sheet(simulation: &Simulation, setting: &Setting) -> SimSheet {
    let mix = |(at, mix): (usize, &Mix)| {
        let lived = simulation.lived.iter().find(|lived| lived.mix == at);
        SimMix {
            providers: mix
                .seats
                .iter()
                .map(|seat| simulation.laws[*seat].name.clone())
                .collect(),
            k: mix.k,
            m: mix.m(),
            cost: mix.cost.map(crate::cloud_set::price::Money::amount),
            unreadable_minutes_per_year: mix.unreadable * MINUTES_PER_YEAR,
            lost_per_year: mix.lost.max(FLOOR),
            read_ms: mix.read,
            write_ms: mix.write,
            on_front: mix.front,
            lived: lived.map(|lived| SimLived {
                healthy: calls(&lived.tried.gets),
                writes: calls(&lived.tried.puts),
                without: lived.tried.without.iter().map(calls).collect(),
            }),
        }
    };
    SimSheet {
        simulated: true,
        seed: setting.seed,
        objects: setting.objects,
        bytes: setting.len,
        currency: setting.currency.clone(),
        mixes: simulation.mixes.iter().enumerate().map(mix).collect(),
    }
}

fn calls(latencies: &Latencies) -> SimCalls {
    SimCalls {
        p50_ms: latencies.quantile(0.5),
        p99_ms: latencies.quantile(0.99),
        succeeded: latencies.histogram.len(),
        failed: latencies.failed,
    }
}

fn keep(simulation: &Simulation, setting: &Setting, sheet: &SimSheet, folder: &Path) -> Result<(), Failure> {
    let mut run = serde_json::to_value(sheet).expect("a sheet is JSON");
    run["schema"] = SimSheet::SCHEMA.into();
    let json = run.to_string();
    let around = Circumstances {
        when: rfc3339(SystemClock.now()),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        command: format!(
            "raic bench sim --seed {} --objects {} --size {}B --out DIR",
            setting.seed, setting.objects, setting.len
        ),
        json: json.clone(),
    };
    let html = page(simulation, setting, &around);
    let written = std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(folder.join("report.html"), html))
        .and_then(|()| std::fs::write(folder.join("run.json"), json + "\n"));
    written.map_err(|error| {
        let what = format!("{} cannot be written: {}", folder.display(), reason(&error));
        Failure::new(Exit::Failed, "E0208", what)
    })
}

fn show(simulation: &Simulation, setting: &Setting, kept: Option<&Path>, context: &Context) -> Result<(), Failure> {
    let out = &context.out;
    out.answer("SIMULATED: providers that don't exist, with invented speeds")?;
    let columns = [
        left("MIX"),
        right("A MONTH"),
        right("UNREADABLE A YEAR").spare(2),
        right("READ P50"),
        right("P99"),
        right("ONE OUT P99"),
        right("WRITE P50").spare(1),
        right("FORETOLD P50, P99").spare(3),
    ];
    let ms = |time: Option<f64>| time.map_or_else(|| "-".to_owned(), |ms| format!("{ms:.0} ms"));
    let rows: Vec<Vec<String>> = simulation
        .lived
        .iter()
        .map(|lived| {
            let mix = &simulation.mixes[lived.mix];
            let worst = lived
                .tried
                .without
                .iter()
                .filter_map(|calls| calls.quantile(0.99))
                .fold(0.0, f64::max);
            vec![
                simulation.name(mix),
                mix.cost.map_or_else(|| "-".to_owned(), super::prices::money),
                format!("{:.2} min", mix.unreadable * MINUTES_PER_YEAR),
                ms(lived.tried.gets.quantile(0.5)),
                ms(lived.tried.gets.quantile(0.99)),
                ms(Some(worst)),
                ms(lived.tried.puts.quantile(0.5)),
                format!("{:.0}, {:.0} ms", mix.read.0, mix.read.1),
            ]
        })
        .collect();
    for line in table::lines(&columns, &rows, out.room()) {
        out.answer(&line)?;
    }
    let front = simulation.mixes.iter().filter(|mix| mix.front).count();
    out.said(&format!(
        "{} mixes reckoned, {front} that nothing beats, {} of them lived through with {} objects; amounts in {}",
        simulation.mixes.len(),
        simulation.lived.len(),
        setting.objects,
        setting.currency
    ))?;
    match kept {
        Some(folder) => out.said(&format!("report  {}", folder.join("report.html").display())),
        None => Ok(()),
    }
}
