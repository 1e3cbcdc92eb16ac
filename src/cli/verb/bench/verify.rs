//! `raic bench verify`: mixes that a run foretold and didn't try are lived through now, and held against what was foretold.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Serialize;

use super::super::super::Context;
use super::super::super::args::BenchVerify;
use super::super::super::error::Failure;
use super::super::super::exit::Exit;
use super::super::super::ground;
use super::super::super::output::Document;
use super::super::super::table::{self, left, right};
use super::super::prices::open;
use super::{files, real, sim};
use crate::cloud_set::Profile;
use crate::entropy::{Entropy, SeededEntropy};
use crate::mix::bench::{self, Contestant, Plan};
use crate::mix::run::{MixRun, Run};

/// How far half of the reads may be off, in percent.
const P50_WITHIN: f64 = 15.0;
/// How far the slowest of a hundred may be off.
const P99_WITHIN: f64 = 30.0;
/// How far the bytes a second may be off.
const RATE_WITHIN: f64 = 20.0;

/// Puts under way at once: only reads are held against what was foretold.
const ABREAST: usize = 6;

/// The answer.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct VerifySheet {
    /// True if no provider was a real one.
    simulated: bool,
    /// Mixes whose p50, p99 and rate all were as foretold.
    held: usize,
    /// Each mix.
    mixes: Vec<Verified>,
}

impl Document for VerifySheet {
    const SCHEMA: &'static str = "raic.bench.verify/1";
}

/// One mix: foretold, seen, and by how many percent that is off.
#[derive(Debug, Serialize, JsonSchema)]
struct Verified {
    mix: String,
    p50_ms: Pair,
    p99_ms: Pair,
    bytes_per_second: Pair,
    /// True if none of the three is off by more than is allowed.
    held: bool,
}

impl Verified {
    /// For people who wait for the table.
    fn line(&self) -> String {
        let held = if self.held { "as foretold" } else { "missed" };
        let ms = |pair: &Pair| format!("{:.0} ms, foretold {:.0}", pair.seen, pair.foretold);
        format!(
            "{held}: {}: p50 {}, p99 {}",
            self.mix,
            ms(&self.p50_ms),
            ms(&self.p99_ms)
        )
    }
}

/// One figure.
#[derive(Debug, Serialize, JsonSchema)]
struct Pair {
    foretold: f64,
    seen: f64,
    percent_off: f64,
}

impl Pair {
    fn new(foretold: f64, seen: f64) -> Pair {
        Pair {
            foretold,
            seen,
            percent_off: 100.0 * (foretold / seen.max(1e-9) - 1.0),
        }
    }

    fn within(&self, percent: f64) -> bool {
        self.percent_off.abs() <= percent
    }
}

pub(super) async fn run(args: &BenchVerify, context: &Context) -> Result<Exit, Failure> {
    let run = files::read(&args.run)?;
    let mixes = drawn(&run, args.mixes, args.seed);
    if mixes.is_empty() {
        return Err(Failure::new(
            Exit::Usage,
            "E0805",
            "the run foretells no mix that it didn't try",
        ));
    }
    let (prices, _) = open(context, None)?;
    let mut plan = Plan {
        setting: run.setting.clone(),
        prefix: String::new(),
        most: 0,
        calls: 0,
        mixes: 0,
        reads: args.reads,
        outs: 0,
        abreast: ABREAST,
        today: None,
    };
    plan.setting.objects = args.objects;
    plan.setting.seed = args.seed;
    let sheet = if run.simulated {
        let contestants = sim::contestants(&prices, args.seed);
        let work = tokio::task::spawn_blocking(move || {
            crate::mix::trial::in_virtual_time(verify(&contestants, &plan, &mixes, true, |_, _| Ok(())))
        });
        work.await.expect("a simulation does not panic")?
    } else {
        plan.prefix = real::prefix();
        let config = ground::config(context)?;
        let profiles: Vec<&Profile> = config.set.providers.iter().collect();
        let (contestants, _) = real::contestants(&profiles, &config, &prices, context);
        let interrupt = context.interrupt.clone();
        let tell = |number: usize, one: &Verified| {
            let line = format!("{number} of {}: {}", mixes.len(), one.line());
            context.out.said(&context.out.fold(&line))
        };
        let result = tokio::select! {
            sheet = verify(&contestants, &plan, &mixes, false, tell) => sheet,
            exit = interrupt.asked() => Err(Failure::new(exit, "E0804", "interrupted")),
        };
        bench::clear(&contestants, &plan.prefix).await;
        result?
    };
    if context.out.is_json() {
        context.out.document(&sheet)?;
    } else {
        show(&sheet, context)?;
    }
    Ok(if sheet.held * 10 >= sheet.mixes.len() * 9 {
        Exit::Done
    } else {
        Exit::Limit
    })
}

/// Mixes that weren't lived through, drawn without order.
fn drawn(run: &Run, count: usize, seed: u64) -> Vec<MixRun> {
    let mut left: Vec<&MixRun> = run
        .mixes
        .iter()
        .filter(|mix| mix.lived.is_none() && mix.n() >= 3)
        .collect();
    let entropy = SeededEntropy::new(seed);
    let (mut drawn, mut seen) = (Vec::new(), BTreeSet::new());
    while drawn.len() < count && !left.is_empty() {
        let at = usize::try_from(entropy.number() % left.len() as u64).expect("few mixes");
        let mix = left.swap_remove(at);
        if seen.insert(mix.name()) {
            drawn.push(mix.clone());
        }
    }
    drawn
}

async fn verify(
    contestants: &[Contestant],
    plan: &Plan,
    mixes: &[MixRun],
    simulated: bool,
    tell: impl Fn(usize, &Verified) -> Result<(), Failure>,
) -> Result<VerifySheet, Failure> {
    let mut verified = Vec::new();
    for (number, mix) in mixes.iter().enumerate() {
        let lived = bench::live_one(contestants, plan, number, mix, &mut String::new(), simulated).await;
        let lived = lived.map_err(|why| Failure::new(Exit::Failed, "E0804", format!("{}: {why}", mix.name())))?;
        let times = lived.reads.latency_ms;
        let (Some(p50), Some(p99)) = (times.p50, times.p99) else {
            return Err(Failure::new(
                Exit::Failed,
                "E0804",
                format!("{}: no read succeeded", mix.name()),
            ));
        };
        let told = mix.foretold_read_ms;
        #[expect(clippy::cast_precision_loss, reason = "objects are at most 4 MiB")]
        let rate = plan.setting.object as f64 / (told.mean / 1000.0).max(1e-9);
        let mut one = Verified {
            mix: mix.name(),
            p50_ms: Pair::new(told.p50, p50),
            p99_ms: Pair::new(told.p99, p99),
            bytes_per_second: Pair::new(rate, lived.reads.bytes_per_second.mean),
            held: false,
        };
        one.held =
            one.p50_ms.within(P50_WITHIN) && one.p99_ms.within(P99_WITHIN) && one.bytes_per_second.within(RATE_WITHIN);
        tell(number + 1, &one)?;
        verified.push(one);
    }
    Ok(VerifySheet {
        simulated,
        held: verified.iter().filter(|one| one.held).count(),
        mixes: verified,
    })
}

fn show(sheet: &VerifySheet, context: &Context) -> Result<(), Failure> {
    let out = &context.out;
    let simulated = if sheet.simulated { "SIMULATED: " } else { "" };
    out.answer(&format!(
        "{simulated}{} of {} mixes are as foretold: p50 within {P50_WITHIN:.0} %, p99 within {P99_WITHIN:.0} %, throughput within {RATE_WITHIN:.0} %",
        sheet.held,
        sheet.mixes.len()
    ))?;
    let columns = [
        left("MIX").below(),
        right("P50"),
        right("FORETOLD").spare(3),
        right("OFF"),
        right("P99"),
        right("FORETOLD").spare(2),
        right("OFF"),
        right("MiB/s"),
        right("FORETOLD").spare(1),
        right("OFF"),
        left(""),
    ];
    let ms = |ms: f64| format!("{ms:.0} ms");
    let rate = |rate: f64| format!("{:.2}", rate / 1_048_576.0);
    let off = |pair: &Pair| format!("{:+.0} %", pair.percent_off);
    let rows = sheet.mixes.iter().map(|one| {
        vec![
            one.mix.clone(),
            ms(one.p50_ms.seen),
            ms(one.p50_ms.foretold),
            off(&one.p50_ms),
            ms(one.p99_ms.seen),
            ms(one.p99_ms.foretold),
            off(&one.p99_ms),
            rate(one.bytes_per_second.seen),
            rate(one.bytes_per_second.foretold),
            off(&one.bytes_per_second),
            if one.held { "" } else { "missed" }.to_owned(),
        ]
    });
    let rows: Vec<Vec<String>> = rows.collect();
    for line in table::lines(&columns, &rows, out.room()) {
        out.answer(&line)?;
    }
    Ok(())
}
