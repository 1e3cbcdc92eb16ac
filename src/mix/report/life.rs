//! Latency, throughput, outages, second by second: what was measured and lived through.

use std::fmt::Write as _;

use super::chart::{Axis, Line, Whiskered, escape, lines, lines_with_marks, short, whiskers};
use super::{bytes, ms};
use crate::mix::curve::SHARES;
use crate::mix::run::{Calls, Lived, MixRun, ProviderRun, Run, TaskRun};

/// Shares of the latency chart, in nines: share and its name.
const NINES: [(f64, &str); 5] = [
    (0.0, "0"),
    (0.5, "50 %"),
    (0.9, "90 %"),
    (0.99, "99 %"),
    (0.999, "99.9 %"),
];

const MIB: f64 = 1_048_576.0;

/// Where a share lies on an axis of nines: 0 at none, 1 at 90 %, 2 at 99 %.
fn nines(share: f64) -> f64 {
    -(1.0 - share.min(0.9995)).log10()
}

fn lived(run: &Run) -> impl Iterator<Item = (&MixRun, &Lived)> {
    run.mixes
        .iter()
        .filter_map(|mix| mix.lived.as_ref().map(|lived| (mix, lived)))
}

/// A curve from a twentieth on: the very fastest calls tell nothing, and would stretch the axis. The slowest of n calls says
/// nothing of shares beyond 1 - 1/n.
fn curve(calls: &Calls) -> Vec<(f64, f64)> {
    #[expect(clippy::cast_precision_loss, reason = "counts of a bench")]
    let seen = 1.0 - 1.0 / calls.succeeded.max(1) as f64;
    let pairs = SHARES.iter().zip(&calls.curve_ms);
    let inside = pairs.filter(|(share, _)| **share >= 0.05 && **share <= seen);
    inside.map(|(share, ms)| (ms.max(0.001), nines(*share))).collect()
}

/// The reads of one provider whose length is nearest to the object's.
fn alone<'a>(run: &Run, provider: &'a ProviderRun) -> Option<&'a TaskRun> {
    let gets = provider.tasks.iter().filter(|task| task.call == "get");
    gets.min_by_key(|task| (task.bytes.abs_diff(run.setting.object), task.lanes))
}

pub(super) fn latency(run: &Run) -> String {
    let mut curves: Vec<Line> = lived(run)
        .map(|(mix, lived)| Line {
            name: mix.name(),
            points: curve(&lived.reads),
            thick: true,
        })
        .collect();
    for provider in &run.providers {
        if let Some(task) = alone(run, provider) {
            curves.push(Line {
                name: format!("{} alone, {}", provider.name, bytes(task.bytes)),
                points: curve(&task.calls),
                thick: false,
            });
        }
    }
    let x = Axis::decades(
        "milliseconds",
        curves.iter().flat_map(|curve| &curve.points).map(|point| point.0),
        |value| format!("{value}"),
    );
    let y = Axis {
        label: "share of reads that have ended".to_owned(),
        ticks: NINES
            .iter()
            .map(|(share, name)| (nines(*share), (*name).to_owned()))
            .collect(),
        log: false,
    };
    let note = if run.simulated { " in virtual time" } else { "" };
    lines("latency of reads", &x, &y, &curves)
        + &format!(
            "<p>Thick: mixes, lived through by the real store{note}, objects of {}. Dashed: one provider alone, with the length measured that is nearest.</p>",
            bytes(run.setting.object)
        )
}

fn row(name: &str, kind: &str, calls: &Calls) -> Whiskered {
    let rate = calls.bytes_per_second;
    (
        name.to_owned(),
        kind.to_owned(),
        [rate.mean / MIB, rate.low / MIB, rate.high / MIB],
    )
}

pub(super) fn throughput(run: &Run) -> String {
    let mut html = String::new();
    for size in &run.setting.sizes {
        let mut rows = Vec::new();
        for provider in &run.providers {
            for (call, kind) in [("get", "read"), ("put", "write")] {
                if let Some(task) = provider.task(call, Some(*size), true) {
                    let name = format!("{} ({} lanes)", provider.name, task.lanes);
                    rows.push(row(&name, kind, &task.calls));
                }
            }
        }
        let title = format!("Blobs of {}", bytes(*size));
        if !rows.is_empty() {
            let _ = write!(html, "<h3>{title}</h3>{}", whiskers(&title, "MiB/s", &rows));
        }
    }
    let mut rows = Vec::new();
    for (mix, lived) in lived(run) {
        rows.push(row(&mix.name(), "read", &lived.reads));
        rows.push(row(&mix.name(), "write", &lived.writes));
    }
    let title = format!("Mixes, objects of {} one after the other", bytes(run.setting.object));
    let _ = write!(html, "<h3>{}</h3>{}", escape(&title), whiskers(&title, "MiB/s", &rows));
    html + "<p>MiB a second; the whiskers hold 95 of 100, from ten parts of each measurement.</p>"
}

pub(super) fn outage(run: &Run) -> String {
    let mut html = String::new();
    for (at, (mix, lived)) in lived(run).enumerate() {
        let open = if at == 0 { " open" } else { "" };
        let _ = write!(
            html,
            "<details{open}><summary>{}</summary><div class=\"wide\"><table><tr><th>out</th><th>losses left</th><th>read p50</th><th>p99</th>\
             <th>MiB/s</th><th>reads failed</th><th>writes</th></tr>",
            escape(&mix.name())
        );
        html.push_str(&outage_row("none", Some(mix.m), &lived.reads, true));
        for without in &lived.without {
            let out = without.out.join(" and ");
            html.push_str(&outage_row(&out, without.losses_left, &without.reads, without.writable));
        }
        html.push_str("</table></div></details>");
    }
    if html.is_empty() {
        return "<p>No mix was lived through.</p>".to_owned();
    }
    html + "<p>Writes go on while the lowest write quorum, half of n + k, can be reached.</p>"
}

fn outage_row(out: &str, left: Option<u16>, reads: &Calls, writable: bool) -> String {
    format!(
        "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
        escape(out),
        left.map_or_else(|| "can't be read".to_owned(), |left| left.to_string()),
        ms(reads.latency_ms.p50),
        ms(reads.latency_ms.p99),
        short(reads.bytes_per_second.mean / MIB),
        reads.failures(),
        if writable { "go on" } else { "wait" }
    )
}

pub(super) fn timeline(run: &Run) -> String {
    let largest = run.setting.sizes.iter().max().copied();
    let (mut curves, mut marks) = (Vec::new(), Vec::new());
    for provider in &run.providers {
        let Some(task) = provider.task("get", largest, true) else {
            continue;
        };
        let points: Vec<(f64, f64)> = task
            .timeline
            .iter()
            .map(|tick| (tick.second, tick.rate / MIB))
            .collect();
        for tick in task.timeline.iter().filter(|tick| tick.failed > 0) {
            let what = format!("{}: {} calls failed", provider.name, tick.failed);
            marks.push((tick.second, tick.rate / MIB, what));
        }
        curves.push(Line {
            name: format!("{}, {} lanes", provider.name, task.lanes),
            points,
            thick: true,
        });
    }
    let all = || curves.iter().flat_map(|curve| &curve.points);
    let x = Axis::steps("seconds", all().map(|point| point.0), short);
    let y = Axis::steps("MiB a second", all().map(|point| point.1), short);
    let chart = lines_with_marks("throughput, moment by moment", &x, &y, &curves, &marks);
    let what = largest.map_or_else(String::new, |largest| format!("Reads of {}, ", bytes(largest)));
    chart
        + &format!(
            "<p>{what}each provider by itself. A cross marks a moment in which calls failed; a curve that falls to a lower level and stays there is throttled.</p>"
        )
}
