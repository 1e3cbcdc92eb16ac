//! A bench on a terminal: lanes while it runs, tables afterwards.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::super::super::Context;
use super::super::super::args::Progressing;
use super::super::super::error::Failure;
use super::super::super::output::Output;
use super::super::super::progress::how;
use super::super::super::table::{self, left, right};
use crate::mix::bench::Watcher;
use crate::mix::measure::{Gauge, Task};
use crate::mix::report::{bytes, minutes, ms};
use crate::mix::run::{Calls, MixRun, ProviderRun, Run, TaskRun};

const MIB: f64 = 1_048_576.0;

/// Mixes of the front that are listed; the report has all.
const MOST_LISTED: usize = 12;

/// What happens now, and what was measured so far.
pub(super) struct Lanes {
    out: Arc<Output>,
    way: Progressing,
    /// Time is real: a bar fills with it.
    real: bool,
    now: Mutex<Option<Lane>>,
}

/// The bar of what is measured, and whoever redraws it.
struct Lane {
    ended: Arc<AtomicBool>,
    drawing: JoinHandle<()>,
}

impl Lanes {
    pub(super) fn new(context: &Context, real: bool) -> Lanes {
        Lanes {
            out: context.out.clone(),
            way: how(&context.global),
            real,
            now: Mutex::default(),
        }
    }

    /// Takes the bar off the screen.
    pub(super) fn end(&self) {
        let lane = self.now.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(lane) = lane {
            lane.ended.store(true, Ordering::Relaxed);
            lane.drawing.thread().unpark();
            // If drawing panicked, the bench is none the worse.
            drop(lane.drawing.join());
            self.out.set_bars(None);
        }
    }

    fn begin(&self, title: String, task: Option<(Task, Arc<Gauge>)>) {
        self.end();
        if self.way != Progressing::Bars {
            return;
        }
        let screen = MultiProgress::new();
        let bar = screen.add(ProgressBar::new_spinner());
        bar.set_style(ProgressStyle::with_template("{msg}").expect("the template is a constant"));
        self.out.set_bars(Some(screen));
        let (ended, begun, real) = (Arc::new(AtomicBool::new(false)), Instant::now(), self.real);
        let stop = ended.clone();
        let drawing = std::thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                bar.set_message(line(&title, task.as_ref(), begun, real));
                bar.tick();
                std::thread::park_timeout(Duration::from_millis(100));
            }
            bar.finish_and_clear();
        });
        *self.now.lock().unwrap_or_else(PoisonError::into_inner) = Some(Lane { ended, drawing });
    }

    fn tell(&self, line: &str) {
        match self.way {
            Progressing::Bars | Progressing::Lines => self.out.aside(&format!("{line}\n")),
            Progressing::Json => {
                let line = serde_json::json!({ "type": "progress", "message": line });
                self.out.aside(&format!("{line}\n"));
            }
            Progressing::Auto | Progressing::Off => {}
        }
    }
}

/// `b2-eu    16 MiB get ━━━━━━━━━╸────── 7 s   48.2 MiB/s   118 calls, 0 errors`
#[expect(clippy::cast_precision_loss, reason = "rates as a person reads them")]
fn line(title: &str, task: Option<&(Task, Arc<Gauge>)>, begun: Instant, real: bool) -> String {
    let passed = begun.elapsed().as_secs_f64();
    let Some((task, gauge)) = task else {
        return format!("{title}   {passed:.0} s");
    };
    let (done, failed) = (gauge.done.load(Ordering::Relaxed), gauge.failed.load(Ordering::Relaxed));
    let counts = format!("{done} calls, {failed} errors");
    if !real {
        return format!("{title}   {counts}");
    }
    let whole = task.duration.as_secs_f64().max(0.001);
    let rate = done as f64 * task.len as f64 / passed.max(0.001) / MIB;
    format!(
        "{title} {} {passed:.0} s   {rate:.1} MiB/s   {counts}",
        bar(passed / whole)
    )
}

fn bar(part: f64) -> String {
    let full = (0..16).filter(|step| f64::from(*step) / 16.0 < part).count();
    format!("{}{}", "━".repeat(full), "─".repeat(16 - full))
}

impl Watcher for Lanes {
    fn measuring(&self, name: &str, task: &Task, gauge: &Arc<Gauge>) {
        let title = format!(
            "{name:<10} {:>7} {} x{}",
            bytes(task.len),
            task.probe.word(),
            task.lanes
        );
        self.begin(title, Some((*task, gauge.clone())));
    }

    fn measured(&self, name: &str, task: &TaskRun) {
        self.end();
        let (calls, times) = (&task.calls, task.calls.latency_ms);
        self.tell(&format!(
            "{name:<10} {:>7} {:<10} x{}   {:>8.2} MiB/s   p50 {}  p99 {}   {} calls, {} errors",
            bytes(task.bytes),
            task.call,
            task.lanes,
            calls.bytes_per_second.mean / MIB,
            ms(times.p50),
            ms(times.p99),
            calls.succeeded,
            calls.failures()
        ));
    }

    fn living(&self, mix: &MixRun) {
        self.begin(format!("living through {}", mix.name()), None);
    }

    fn lived(&self, mix: &MixRun) {
        self.end();
        if let Some(lived) = &mix.lived {
            let times = lived.reads.latency_ms;
            self.tell(&format!(
                "{}   read p50 {}  p99 {}",
                mix.name(),
                ms(times.p50),
                ms(times.p99)
            ));
        }
    }
}

impl Drop for Lanes {
    fn drop(&mut self) {
        self.end();
    }
}

/// The whole answer.
pub(super) fn show(run: &Run, kept: Option<&Path>, context: &Context) -> Result<(), Failure> {
    let out = &context.out;
    if run.simulated {
        out.answer("SIMULATED: providers that don't exist, with invented speeds")?;
    }
    providers(run, context)?;
    out.said("")?;
    front(run, context)?;
    out.said("")?;
    lived(run, context)?;
    if let Some(line) = beside_its_members(run) {
        out.said(&out.fold(&line))?;
    }
    warn(run, context);
    match kept {
        Some(folder) => {
            let file = |name: &str| folder.join(name).display().to_string();
            out.said(&out.fold(&format!(
                "report  {}   data  {}   table  {}   samples  {}",
                file("report.html"),
                file("run.json"),
                file("report.md"),
                file("samples.csv")
            )))
        }
        None => out.said("--out DIR  keeps a report, the data and every sample"),
    }
}

/// Warnings of samples are many: those of the largest reads and what is no question of samples, the report has all.
fn warn(run: &Run, context: &Context) {
    let (few, others): (Vec<&String>, Vec<&String>) =
        run.warnings.iter().partition(|warning| warning.contains(" rests on "));
    for warning in others.iter().take(8) {
        context.out.warn(warning);
    }
    let more = others.len().saturating_sub(8);
    if more > 0 {
        context.out.warn(&format!("{more} more warnings are in the report"));
    }
    if let Some(first) = few.first() {
        context
            .out
            .warn(&format!("{first} ({} measurements are short of samples)", few.len()));
    }
}

fn providers(run: &Run, context: &Context) -> Result<(), Failure> {
    let columns = [
        left("PROVIDER"),
        right("READ MiB/s"),
        right("WRITE MiB/s"),
        right("TTFB P50"),
        right("P90").spare(3),
        right("P99"),
        right("P99.9").spare(2),
        right("ERRORS"),
        right("N").spare(1),
    ];
    let rows: Vec<Vec<String>> = run.providers.iter().map(provider_row).collect();
    for line in table::lines(&columns, &rows, context.out.room()) {
        context.out.answer(&line)?;
    }
    Ok(())
}

fn rate(calls: Option<&Calls>) -> String {
    calls.map_or_else(
        || "-".to_owned(),
        |calls| {
            let rate = calls.bytes_per_second;
            format!("{:.1} ± {:.1}", rate.mean / MIB, (rate.high - rate.low) / 2.0 / MIB)
        },
    )
}

/// Rates of the largest blobs with the most lanes; times until the first byte.
#[expect(clippy::cast_precision_loss, reason = "counts of a bench")]
fn provider_row(provider: &ProviderRun) -> Vec<String> {
    let largest = |call: &str| {
        provider
            .tasks
            .iter()
            .filter(|task| task.call == call)
            .map(|task| task.bytes)
            .max()
    };
    let calls = |call: &str| provider.task(call, largest(call), true).map(|task| &task.calls);
    let first = calls("first byte").map(|calls| calls.latency_ms).unwrap_or_default();
    let all: u64 = provider
        .tasks
        .iter()
        .map(|task| task.calls.succeeded + task.calls.failures())
        .sum();
    let failed: u64 = provider.tasks.iter().map(|task| task.calls.failures()).sum();
    vec![
        provider.name.clone(),
        rate(calls("get")),
        rate(calls("put")),
        ms(first.p50),
        ms(first.p90),
        ms(first.p99),
        ms(first.p999),
        format!("{:.1}%", 100.0 * failed as f64 / (all.max(1)) as f64),
        all.to_string(),
    ]
}

fn priced(run: &Run, mix: &MixRun) -> String {
    match mix.cost {
        Some(cost) => format!("{cost:.2}"),
        None if run.priced() => "-".to_owned(),
        None => format!("×{:.2}", mix.expansion()),
    }
}

fn front(run: &Run, context: &Context) -> Result<(), Failure> {
    let out = &context.out;
    let front = run.front();
    if front.is_empty() {
        return out.said("no mix could be reckoned: two providers at least must have been measured");
    }
    let unit = run.price_unit();
    out.answer(&out.fold(&format!(
        "Pareto front: of {} mixes nothing beats these {} in cost ({unit}), readability and slowest reads at once",
        run.mixes.len(),
        front.len()
    )))?;
    let columns = [
        left(""),
        left("MIX").below(),
        left("K+M"),
        right("COST"),
        right("UNREADABLE A YEAR"),
        right("READ P50"),
        right("P99"),
        right("WRITE P50").spare(1),
    ];
    let step = front.len().div_ceil(MOST_LISTED).max(1);
    let last = front.len() - 1;
    let shown = front.iter().enumerate().filter(|(at, _)| at % step == 0 || *at == last);
    let rows = shown.map(|(at, mix)| {
        vec![
            (at + 1).to_string(),
            mix.providers.join(" "),
            format!("{}+{}", mix.k, mix.m),
            priced(run, mix),
            minutes(mix.unreadable_minutes_per_year),
            ms(Some(mix.foretold_read_ms.p50)),
            ms(Some(mix.foretold_read_ms.p99)),
            ms(Some(mix.foretold_write_ms.p50)),
        ]
    });
    let rows: Vec<Vec<String>> = rows.collect();
    for line in table::lines(&columns, &rows, out.room()) {
        out.answer(&line)?;
    }
    Ok(())
}

fn lived(run: &Run, context: &Context) -> Result<(), Failure> {
    let out = &context.out;
    let columns = [
        left("LIVED THROUGH").below(),
        right("READ MiB/s"),
        right("WRITE MiB/s").spare(2),
        right("READ P50"),
        right("P99"),
        right("FORETOLD P50, P99").spare(3),
        right("ONE OUT P99"),
        right("ERRORS").spare(1),
    ];
    let rows = run.mixes.iter().filter_map(|mix| {
        let lived = mix.lived.as_ref()?;
        let ones = lived.without.iter().filter(|without| without.out.len() == 1);
        let worst = ones
            .filter_map(|without| without.reads.latency_ms.p99)
            .max_by(f64::total_cmp);
        Some(vec![
            mix.name(),
            rate(Some(&lived.reads)),
            rate(Some(&lived.writes)),
            ms(lived.reads.latency_ms.p50),
            ms(lived.reads.latency_ms.p99),
            format!("{:.0}, {:.0} ms", mix.foretold_read_ms.p50, mix.foretold_read_ms.p99),
            ms(worst),
            (lived.reads.failures() + lived.writes.failures()).to_string(),
        ])
    });
    let rows: Vec<Vec<String>> = rows.collect();
    if rows.is_empty() {
        return Ok(());
    }
    for line in table::lines(&columns, &rows, out.room()) {
        out.answer(&line)?;
    }
    Ok(())
}

/// How the fastest mix reads beside its fastest member, where that was measured with blobs of the same length and one lane.
fn beside_its_members(run: &Run) -> Option<String> {
    let tried = run
        .mixes
        .iter()
        .filter_map(|mix| mix.lived.as_ref().map(|lived| (mix, lived)));
    let (mix, lived) = tried.max_by(|a, b| {
        a.1.reads
            .bytes_per_second
            .mean
            .total_cmp(&b.1.reads.bytes_per_second.mean)
    })?;
    let members = run
        .providers
        .iter()
        .filter(|provider| mix.providers.contains(&provider.name));
    let alone = members.filter_map(|member| {
        let task = member
            .task("get", Some(run.setting.object), false)
            .filter(|task| task.lanes == 1)?;
        Some((&member.name, &task.calls))
    });
    let (name, calls) = alone.max_by(|a, b| a.1.bytes_per_second.mean.total_cmp(&b.1.bytes_per_second.mean))?;
    let (own, other) = (lived.reads.bytes_per_second, calls.bytes_per_second);
    let times = own.mean / other.mean.max(1.0);
    let (half, whole) = (
        (own.high - own.low) / 2.0 / own.mean.max(1.0),
        (other.high - other.low) / 2.0 / other.mean.max(1.0),
    );
    let error = times * (half * half + whole * whole).sqrt();
    let tail = calls
        .latency_ms
        .p99
        .zip(lived.reads.latency_ms.p99)
        .map_or_else(String::new, |(alone, mixed)| {
            format!("; its p99 is {:.1} times as long", mixed / alone.max(0.001))
        });
    Some(format!(
        "{} reads objects of {} {times:.2} ± {error:.2} times as fast as its fastest member {name} alone{tail}",
        mix.name(),
        bytes(run.setting.object)
    ))
}
