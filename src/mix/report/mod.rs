//! The report of a bench: one page that answers which mix to take and what is given up. No script, no request. And the same as Markdown and CSV.

pub mod chart;
mod life;
mod sure;
pub mod text;
mod weigh;

use std::fmt::Write as _;

use super::run::{MixRun, Run};
use chart::escape;

const STYLE: &str = include_str!("style.css");

/// The page.
#[must_use]
pub fn page(run: &Run) -> String {
    let title = if run.simulated {
        "RAIC bench, simulated"
    } else {
        "RAIC bench"
    };
    let mut html = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\"><title>{title}</title><style>{STYLE}</style></head><body>"
    );
    if run.simulated {
        html.push_str("<p class=\"banner\">SIMULATED: providers that don't exist, with invented speeds. Prices and outages are those of real services.</p>");
    }
    html.push_str("<h1>Which mix do I take, and what do I give up?</h1>");
    let parts: [(&str, String); 9] = [
        ("Verdict", weigh::verdict(run)),
        ("What it costs, how often it can't be read", weigh::pareto(run)),
        ("How long a read takes", life::latency(run)),
        ("How much a second", life::throughput(run)),
        ("Which k and m", weigh::heat(run)),
        ("With providers out", life::outage(run)),
        ("What a month costs", weigh::costs(run)),
        ("Second by second", life::timeline(run)),
        ("How sure", sure::sure(run)),
    ];
    for (number, (title, body)) in (1..).zip(parts) {
        let _ = write!(
            html,
            "<section id=\"part{number}\"><h2>{number}. {}</h2>{body}</section>",
            escape(title)
        );
    }
    // In a script element only `</` could end it early.
    let json = run.json().replace("</", "<\\/");
    let _ = writeln!(
        html,
        "<script type=\"application/json\" id=\"run\">{}</script></body></html>",
        json.trim_end()
    );
    html
}

/// Minutes of a year as a person reads them.
#[must_use]
pub fn minutes(minutes: f64) -> String {
    match minutes {
        _ if minutes < 0.01 => "< 0.01 min".to_owned(),
        _ if minutes < 10.0 => format!("{minutes:.2} min"),
        _ if minutes < 600.0 => format!("{minutes:.0} min"),
        _ => format!("{:.0} h", minutes / 60.0),
    }
}

/// Milliseconds as a person reads them.
#[must_use]
pub fn ms(time: Option<f64>) -> String {
    match time {
        None => "-".to_owned(),
        Some(ms) if !ms.is_finite() => "-".to_owned(),
        Some(ms) if ms < 10.0 => format!("{ms:.1} ms"),
        Some(ms) => format!("{ms:.0} ms"),
    }
}

/// Bytes of a size that was asked for.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "sizes as a person reads them")]
pub fn bytes(len: u64) -> String {
    let units = [
        (1_u64 << 40, "TiB"),
        (1 << 30, "GiB"),
        (1 << 20, "MiB"),
        (1 << 10, "KiB"),
    ];
    for (unit, name) in units {
        if len >= unit && len.is_multiple_of(unit) {
            return format!("{} {name}", len / unit);
        }
    }
    match units.iter().find(|(unit, _)| len >= *unit) {
        Some((unit, name)) => format!("{:.1} {name}", len as f64 / *unit as f64),
        None => format!("{len} B"),
    }
}

/// What a mix costs, in words.
fn priced(run: &Run, mix: &MixRun) -> String {
    match mix.cost {
        Some(cost) => format!("{cost:.2} {}", run.setting.currency),
        None if run.priced() => "no price".to_owned(),
        None => format!("×{:.2}", mix.expansion()),
    }
}

/// The mixes that a verdict names, each once: why, and which.
#[must_use]
pub fn verdicts(run: &Run) -> Vec<(&'static str, &MixRun)> {
    let front = run.front();
    let mut named: Vec<(&'static str, &MixRun)> = Vec::new();
    let least = |of: &dyn Fn(&MixRun) -> f64| front.iter().copied().min_by(|a, b| of(a).total_cmp(&of(b)));
    let cheapest = if run.priced() { "Cheapest" } else { "Leanest" };
    named.extend(front.first().map(|mix| (cheapest, *mix)));
    named.extend(least(&|mix| mix.foretold_read_ms.p99).map(|mix| ("Fastest", mix)));
    named.extend(least(&|mix| mix.unreadable_minutes_per_year).map(|mix| ("Steadiest", mix)));
    named.extend(run.mixes.iter().find(|mix| mix.today).map(|mix| ("Today's", mix)));
    named
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::mix::run::{Calls, Level, Lived, ProviderRun, Setting, TaskRun, TimesMs, WithoutRun};
    use crate::mix::seen::Seen;

    /// A small run with a mix of each kind, an unpriced one and figures that are missing.
    pub(in crate::mix) fn run() -> Run {
        let calls = Calls::of(&Seen::in_a_row(1 << 20, &[(50_000, None); 40]));
        let mix = |providers: &[&str], k: u16, cost: Option<f64>, p99: f64| MixRun {
            providers: providers.iter().map(|name| (*name).to_owned()).collect(),
            k,
            m: u16::try_from(providers.len()).unwrap() - k,
            cost,
            unreadable_minutes_per_year: 10.0 / f64::from(k),
            foretold_read_ms: TimesMs {
                p50: p99 / 2.0,
                p99,
                mean: p99 / 2.0,
            },
            ..MixRun::default()
        };
        let mut cheap = mix(&["a", "b<"], 1, Some(5.0), 300.0);
        cheap.today = true;
        cheap.lost_per_year = Some(1e-9);
        cheap.levels = vec![Level {
            reads: 1,
            fees: [("storage".to_owned(), 4.0), ("egress".to_owned(), 1.0)].into(),
        }];
        cheap.lived = Some(Lived {
            reads: calls.clone(),
            writes: calls.clone(),
            without: vec![WithoutRun {
                out: vec!["a".to_owned()],
                losses_left: Some(0),
                writable: false,
                reads: Calls::default(),
            }],
        });
        let task = |call: &str| TaskRun {
            call: call.to_owned(),
            bytes: 1 << 20,
            lanes: 1,
            calls: calls.clone(),
            timeline: Seen::in_a_row(1 << 20, &[(50_000, Some(crate::provider::Class::Throttled)); 4]).timeline(),
        };
        let mut run = Run {
            simulated: true,
            setting: Setting {
                currency: "USD".to_owned(),
                object: 1 << 20,
                sizes: vec![1 << 20],
                lanes: vec![1],
                ..Setting::default()
            },
            providers: vec![
                ProviderRun {
                    name: "a".to_owned(),
                    tasks: ["put", "get", "list", "first byte"].map(task).to_vec(),
                    ..ProviderRun::default()
                },
                ProviderRun {
                    name: "b<".to_owned(),
                    trouble: Some("no bucket".to_owned()),
                    ..ProviderRun::default()
                },
            ],
            mixes: vec![
                cheap,
                mix(&["a", "b<", "c"], 2, Some(9.0), 200.0),
                mix(&["a", "c"], 1, None, 100.0),
            ],
            warnings: vec!["a: p99 rests on 40 samples".to_owned()],
            ..Run::default()
        };
        crate::mix::field::mark_front(&mut run);
        run
    }

    #[test]
    fn the_page_has_nine_parts_no_request_and_no_number_that_is_none() {
        for run in [run(), Run::default()] {
            let html = page(&run);
            assert_eq!(html.matches("<section").count(), 9);
            for word in ["NaN", "inf\"", "http://", "https://", "src=", "<script>"] {
                assert!(!html.contains(word), "{word}");
            }
            assert!(!html.contains("b< "), "names are escaped");
            assert_eq!(html.contains("SIMULATED"), run.simulated);
            let json = html
                .split("id=\"run\">")
                .nth(1)
                .unwrap()
                .split("</script>")
                .next()
                .unwrap();
            assert_eq!(Run::parse(&json.replace("<\\/", "</")), Ok(run));
        }
    }

    #[test]
    fn all_tags_are_closed_in_their_order() {
        let html = page(&run());
        let body = &html[html.find("<body>").unwrap()..html.find("<script").unwrap()];
        let mut open: Vec<&str> = Vec::new();
        for tag in body.split('<').skip(1) {
            let tag = tag.split('>').next().unwrap();
            let name = tag.trim_start_matches('/').split([' ', '/']).next().unwrap();
            if tag.starts_with('/') {
                assert_eq!(open.pop(), Some(name), "{tag}");
            } else if !tag.ends_with('/') && name != "br" {
                open.push(name);
            }
        }
        assert_eq!(open, ["body"]);
    }

    #[test]
    fn the_verdict_names_the_ends_of_the_front_and_what_is_there_today() {
        let run = run();
        let named: Vec<(&str, String)> = verdicts(&run).iter().map(|(why, mix)| (*why, mix.name())).collect();
        let want = [
            ("Cheapest", "a b< 1+1"),
            ("Fastest", "a b< c 2+1"),
            ("Steadiest", "a b< c 2+1"),
            ("Today's", "a b< 1+1"),
        ];
        assert_eq!(named, want.map(|(why, name)| (why, name.to_owned())));
    }

    #[test]
    fn sizes_and_times_are_short() {
        assert_eq!(
            [bytes(1 << 20), bytes(65536), bytes(1500), bytes(7)],
            ["1 MiB", "64 KiB", "1.5 KiB", "7 B"]
        );
        assert_eq!(
            [ms(None), ms(Some(f64::NAN)), ms(Some(3.21)), ms(Some(1234.5))],
            ["-", "-", "3.2 ms", "1234 ms"]
        );
        assert_eq!(
            [minutes(0.0), minutes(1.0), minutes(100.0), minutes(6000.0)],
            ["< 0.01 min", "1.00 min", "100 min", "100 h"]
        );
    }
}
