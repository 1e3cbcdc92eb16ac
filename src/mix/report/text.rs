//! The report as Markdown for a person's notes, and tables as CSV for a spreadsheet.

use std::fmt::Write as _;

use super::{bytes, minutes, ms, priced, verdicts};
use crate::mix::run::class_word;
use crate::mix::run::{Calls, MixRun, Run};
use crate::mix::seen::Seen;

const MIB: f64 = 1_048_576.0;

/// Text of a table's cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

/// Text of a CSV field: quoted if it must be.
fn field(text: &str) -> String {
    if text.contains([',', '"', '\n']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

/// The report.
#[must_use]
pub fn markdown(run: &Run) -> String {
    let mut text = String::from("# Which mix?\n\n");
    if run.simulated {
        text.push_str("**SIMULATED: providers that don't exist, with invented speeds. Prices and outages are those of real services.**\n\n");
    }
    for (why, mix) in verdicts(run) {
        let _ = writeln!(
            text,
            "- **{why}:** {}. {} a month, can't be read {} a year, 99 of 100 reads within {}, survives any {}.",
            cell(&mix.name()),
            priced(run, mix),
            minutes(mix.unreadable_minutes_per_year),
            ms(Some(mix.foretold_read_ms.p99)),
            mix.m
        );
    }
    text.push_str("\n## What nothing beats\n\n| mix | k+m | cost a month | unreadable a year | read p50, foretold | p99 |\n|---|---|---|---|---|---|\n");
    for mix in run.front() {
        let _ = writeln!(
            text,
            "| {} | {}+{} | {} | {} | {} | {} |",
            cell(&mix.providers.join(" ")),
            mix.k,
            mix.m,
            priced(run, mix),
            minutes(mix.unreadable_minutes_per_year),
            ms(Some(mix.foretold_read_ms.p50)),
            ms(Some(mix.foretold_read_ms.p99))
        );
    }
    text.push_str("\n## Lived through\n\n| mix | read p50 | p99 | MiB/s | write p50 | p99 | MiB/s | worst with one out, p99 |\n|---|---|---|---|---|---|---|---|\n");
    for mix in &run.mixes {
        text.push_str(&lived_row(mix));
    }
    text.push_str("\n## Providers\n\n| provider | call | bytes | lanes | MiB/s | p50 | p90 | p99 | p99.9 | failed | n |\n|---|---|---|---|---|---|---|---|---|---|---|\n");
    for provider in &run.providers {
        for task in &provider.tasks {
            let calls = &task.calls;
            let times = calls.latency_ms;
            let rate = calls.bytes_per_second;
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} | {:.2} ± {:.2} | {} | {} | {} | {} | {} | {} |",
                cell(&provider.name),
                task.call,
                bytes(task.bytes),
                task.lanes,
                rate.mean / MIB,
                (rate.high - rate.low) / 2.0 / MIB,
                ms(times.p50),
                ms(times.p90),
                ms(times.p99),
                ms(times.p999),
                calls.failures(),
                calls.succeeded
            );
        }
    }
    for (title, lines) in [("Careful", &run.warnings), ("Taken for granted", &run.assumes)] {
        let _ = write!(text, "\n## {title}\n\n");
        for line in lines {
            let _ = writeln!(text, "- {}", line.replace('\n', " "));
        }
    }
    let _ = write!(
        text,
        "\nraic {}, {}. Again: `{}`\n",
        run.version, run.machine, run.command
    );
    text
}

fn lived_row(mix: &MixRun) -> String {
    let Some(lived) = &mix.lived else {
        return String::new();
    };
    let (reads, writes) = (&lived.reads, &lived.writes);
    let ones = lived.without.iter().filter(|without| without.out.len() == 1);
    let worst = ones
        .filter_map(|without| without.reads.latency_ms.p99)
        .fold(None, |worst: Option<f64>, p99| {
            Some(worst.map_or(p99, |worst| worst.max(p99)))
        });
    format!(
        "| {} | {} | {} | {:.2} | {} | {} | {:.2} | {} |\n",
        cell(&mix.name()),
        ms(reads.latency_ms.p50),
        ms(reads.latency_ms.p99),
        reads.bytes_per_second.mean / MIB,
        ms(writes.latency_ms.p50),
        ms(writes.latency_ms.p99),
        writes.bytes_per_second.mean / MIB,
        ms(worst)
    )
}

/// Every mix, a line each.
#[must_use]
pub fn mixes_csv(run: &Run) -> String {
    let mut text = String::from(
        "simulated,providers,k,m,cost,currency,expansion,unreadable_minutes_per_year,unwritable_minutes_per_year,lost_per_year,\
         foretold_read_p50_ms,foretold_read_p99_ms,foretold_write_p50_ms,foretold_write_p99_ms,on_front,read_p50_ms,read_p99_ms,read_bytes_per_second,\
         write_p50_ms,write_p99_ms,write_bytes_per_second\n",
    );
    let number = |value: Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
    for mix in &run.mixes {
        let seen = |calls: Option<&Calls>| {
            let times = calls.map(|calls| calls.latency_ms).unwrap_or_default();
            let rate = calls.map(|calls| calls.bytes_per_second.mean);
            format!("{},{},{}", number(times.p50), number(times.p99), number(rate))
        };
        let lived = mix.lived.as_ref();
        let _ = writeln!(
            text,
            "{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}",
            run.simulated,
            field(&mix.providers.join(" ")),
            mix.k,
            mix.m,
            number(mix.cost),
            field(&run.setting.currency),
            mix.expansion(),
            mix.unreadable_minutes_per_year,
            mix.unwritable_minutes_per_year,
            number(mix.lost_per_year),
            mix.foretold_read_ms.p50,
            mix.foretold_read_ms.p99,
            mix.foretold_write_ms.p50,
            mix.foretold_write_ms.p99,
            mix.on_front,
            seen(lived.map(|lived| &lived.reads)),
            seen(lived.map(|lived| &lived.writes)),
        );
    }
    text
}

/// The head of the file with every sample.
pub const SAMPLES_HEAD: &str = "simulated,of,call,bytes,lanes,begin_us,took_us,failed\n";

/// Every call, a line each: when it was meant to begin, how long it took, why it failed.
#[must_use]
pub fn samples_csv(simulated: bool, of: &str, call: &str, lanes: u16, seen: &Seen) -> String {
    let mut text = String::new();
    for sample in &seen.samples {
        let failed = sample.failed.map(class_word).unwrap_or_default();
        let (len, begin, took) = (seen.len, sample.begin, sample.took);
        let _ = writeln!(
            text,
            "{simulated},{},{call},{len},{lanes},{begin},{took},{failed}",
            field(of)
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mix::report::tests::run;

    #[test]
    fn every_row_has_as_many_cells_as_its_head() {
        for run in [run(), Run::default()] {
            let text = markdown(&run);
            assert_eq!(text.contains("SIMULATED"), run.simulated);
            let mut width = 0;
            for line in text.lines() {
                let bars = line.replace("\\|", "").matches('|').count();
                if bars > 0 && width > 0 {
                    assert_eq!(bars, width, "{line}");
                }
                width = bars;
            }
            let csv = mixes_csv(&run);
            let commas: Vec<usize> = csv.lines().map(|line| line.matches(',').count()).collect();
            assert_eq!(commas, vec![20; run.mixes.len() + 1]);
            assert!(!text.contains("NaN") && !csv.contains("NaN"));
        }
    }

    #[test]
    fn samples_and_names_with_commas_stay_in_their_fields() {
        let seen = Seen::in_a_row(5, &[(7, None), (8, Some(crate::provider::Class::Timeout))]);
        let text = samples_csv(false, "a,\"b\"", "get", 2, &seen);
        assert_eq!(
            text,
            "false,\"a,\"\"b\"\"\",get,5,2,0,7,\nfalse,\"a,\"\"b\"\"\",get,5,2,7,8,timeout\n"
        );
        assert_eq!(SAMPLES_HEAD.matches(',').count(), 7);
    }
}
