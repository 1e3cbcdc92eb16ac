//! The report of a simulated bench: one page that answers which mix to take and what is given up. No script, no request.

pub mod chart;

use std::fmt::Write as _;

use super::model::told;
use super::sim::{Lived, Mix, READ_LEVELS, Setting, Simulation};
use chart::{Axis, Dot, Line, bars, escape, lines, scatter};

const STYLE: &str = include_str!("style.css");

const MINUTES_PER_YEAR: f64 = 525_960.0;

/// Shares of the latency chart, in nines: share, its place, its name.
const NINES: [(f64, &str); 5] = [
    (0.0, "0"),
    (0.5, "50 %"),
    (0.9, "90 %"),
    (0.99, "99 %"),
    (0.999, "99.9 %"),
];

/// What the page tells of how it came to be.
#[derive(Clone, Debug)]
pub struct Circumstances {
    /// When, as a person reads it.
    pub when: String,
    /// The version of raic.
    pub version: String,
    /// The command that makes it again.
    pub command: String,
    /// The whole run as JSON, for scripts that read the page.
    pub json: String,
}

/// The page.
#[must_use]
pub fn page(simulation: &Simulation, setting: &Setting, around: &Circumstances) -> String {
    let mut html = String::from(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\"><title>RAIC bench, simulated</title><style>",
    );
    html.push_str(STYLE);
    html.push_str("</style></head><body><p class=\"banner\">SIMULATED: providers that don't exist, with invented speeds. Prices and outages are those of real services.</p><h1>Which mix?</h1>");
    let parts: [(&str, String); 7] = [
        ("Verdict", verdict(simulation, setting)),
        ("What it costs, how often it can't be read", pareto(simulation, setting)),
        ("How long a read takes", latency(simulation, setting)),
        ("How much a second", throughput(simulation, setting)),
        ("Which k and m", heat(simulation, setting)),
        ("With a provider out", outage(simulation)),
        ("What a month costs", costs(simulation, setting)),
    ];
    for (title, body) in parts {
        let _ = write!(html, "<section><h2>{}</h2>{body}</section>", escape(title));
    }
    html.push_str(&sure(simulation, setting, around));
    // In a script element only `</` could end it early.
    let json = around.json.replace("</", "<\\/");
    let _ = write!(
        html,
        "<script type=\"application/json\" id=\"run\">{json}</script></body></html>"
    );
    html
}

fn minutes(share: f64) -> String {
    let minutes = share * MINUTES_PER_YEAR;
    if minutes < 0.01 {
        "less than 0.01 min".to_owned()
    } else {
        format!("{minutes:.2} min")
    }
}

fn cost(mix: &Mix) -> f64 {
    mix.cost.map_or(f64::NAN, crate::cloud_set::price::Money::amount)
}

fn priced(mix: &Mix) -> String {
    mix.cost
        .map_or_else(|| "no price".to_owned(), |cost| format!("{:.2}", cost.amount()))
}

fn verdict(simulation: &Simulation, setting: &Setting) -> String {
    let front: Vec<&Mix> = simulation.mixes.iter().filter(|mix| mix.front).collect();
    let mut html = String::from("<ul class=\"verdict\">");
    let mut say = |what: &str, mix: Option<&&Mix>| {
        if let Some(mix) = mix {
            let _ = write!(
                html,
                "<li><b>{what}:</b> {}. {} {} a month, can't be read {} a year, 99 of 100 reads within {:.0} ms, survives any {}.</li>",
                escape(&simulation.name(mix)),
                priced(mix),
                escape(&setting.currency),
                minutes(mix.unreadable),
                mix.read.1,
                mix.m()
            );
        }
    };
    say("Cheapest", front.iter().min_by_key(|mix| mix.cost));
    say("Fastest", front.iter().min_by(|a, b| a.read.1.total_cmp(&b.read.1)));
    say(
        "Steadiest",
        front
            .iter()
            .min_by(|a, b| a.unreadable.total_cmp(&b.unreadable).then(a.cost.cmp(&b.cost))),
    );
    html + "</ul>"
}

fn pareto(simulation: &Simulation, setting: &Setting) -> String {
    let priced: Vec<&Mix> = simulation.mixes.iter().filter(|mix| mix.cost.is_some()).collect();
    let share = |mix: &Mix| mix.unreadable.max(1e-9);
    let x = Axis::steps(
        &format!("{} a month", setting.currency),
        priced.iter().map(|mix| cost(mix)),
        |value| format!("{value}"),
    );
    let y = Axis::decades(
        "share of time that it can't be read",
        priced.iter().map(|mix| share(mix)),
        |value| format!("{value:.0e}"),
    );
    let dots: Vec<Dot> = priced
        .iter()
        .map(|mix| Dot {
            x: cost(mix),
            y: share(mix),
            size: 2.0 + (mix.read.1 / 100.0).sqrt() * 2.0,
            pale: !mix.front,
            title: format!(
                "{}: {:.2} a month, {} a year, p99 {:.0} ms",
                simulation.name(mix),
                cost(mix),
                minutes(mix.unreadable),
                mix.read.1
            ),
        })
        .collect();
    let without = simulation.mixes.len() - priced.len();
    let note = if without == 0 {
        String::new()
    } else {
        format!(" {without} mixes read more than the policy of one of their services allows, and aren't shown.")
    };
    scatter("cost and unreadability of every mix", &x, &y, &dots)
        + &format!(
            "<p>A dot a mix, larger where reads are slower; pale where another is as cheap, as steady and as fast. Chances below 1e-9 lie on 1e-9.{note}</p>"
        )
}

/// Where a share lies on an axis of nines: 0 at none, 1 at 90 %, 2 at 99 %.
fn nines(share: f64) -> f64 {
    -(1.0 - share.min(0.9999)).log10()
}

fn latency(simulation: &Simulation, setting: &Setting) -> String {
    let mut curves = Vec::new();
    // From a tenth on: the very fastest calls tell nothing, and would stretch the axis.
    let shares: Vec<f64> = (2..=120)
        .map(|step| 1.0 - 10_f64.powf(-f64::from(step) / 40.0))
        .collect();
    for lived in &simulation.lived {
        let gets = &lived.tried.gets;
        let points = shares
            .iter()
            .filter_map(|share| gets.quantile(*share).map(|ms| (ms, nines(*share))));
        curves.push(Line {
            name: simulation.name(&simulation.mixes[lived.mix]),
            points: points.collect(),
            thick: true,
        });
    }
    for (at, law) in simulation.laws.iter().enumerate() {
        let at_share =
            |share: &f64| super::trial::quantile(*share, |seconds| simulation.alone(at, setting.len, seconds)) * 1000.0;
        curves.push(Line {
            name: format!("{} alone", law.name),
            points: shares.iter().map(|share| (at_share(share), nines(*share))).collect(),
            thick: false,
        });
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
    lines("latency of reads", &x, &y, &curves)
        + "<p>Thick: mixes, lived through by the real store in virtual time. Thin: one provider alone with the whole object, by its law.</p>"
}

fn throughput(simulation: &Simulation, setting: &Setting) -> String {
    #[expect(clippy::cast_precision_loss, reason = "objects of a trial are short")]
    let mib = setting.len as f64 / f64::from(1 << 20);
    let mut rows = Vec::new();
    for lived in &simulation.lived {
        let name = simulation.name(&simulation.mixes[lived.mix]);
        for (what, latencies) in [("read", &lived.tried.gets), ("write", &lived.tried.puts)] {
            let rate = latencies.per_second().unwrap_or(0.0) * mib;
            rows.push((format!("{name} {what}"), vec![(what.to_owned(), rate)]));
        }
    }
    bars("throughput", "MiB/s", &rows) + &format!("<p>MiB a second, one object of {mib:.2} MiB after the other.</p>")
}

fn heat(simulation: &Simulation, setting: &Setting) -> String {
    let n = simulation.laws.len();
    let mut html = String::from("<table class=\"heat\"><tr><th>k \\ m</th>");
    for m in 1..n {
        let _ = write!(html, "<th>{m}</th>");
    }
    html.push_str("</tr>");
    for k in 1..n {
        let _ = write!(html, "<tr><th>{k}</th>");
        for m in 1..n {
            let of = |mix: &&Mix| usize::from(mix.k) == k && usize::from(mix.m()) == m && mix.cost.is_some();
            let best = simulation.mixes.iter().filter(of).min_by_key(|mix| mix.cost);
            match best {
                Some(mix) => {
                    let expansion = f64::from(u32::try_from(k + m).unwrap_or(0)) / f64::from(mix.k);
                    let _ = write!(
                        html,
                        "<td>×{expansion:.2}<br>{} {}<br>{}</td>",
                        priced(mix),
                        escape(&setting.currency),
                        minutes(mix.unreadable)
                    );
                }
                None if k + m > n => {
                    let _ = write!(html, "<td class=\"none\">needs {} providers</td>", k + m);
                }
                None => html.push_str("<td class=\"none\">not considered, or no price</td>"),
            }
        }
        html.push_str("</tr>");
    }
    html + "</table><p>Of each k and m the cheapest mix: bytes stored a byte, a month's cost, minutes a year that it can't be read.</p>"
}

fn outage(simulation: &Simulation) -> String {
    let mut html = String::from(
        "<div class=\"wide\"><table><tr><th>mix</th><th>out</th><th>losses left</th><th>p50</th><th>p99</th><th>reads failed</th><th>writes</th></tr>",
    );
    for lived in &simulation.lived {
        let mix = &simulation.mixes[lived.mix];
        let n = u16::try_from(mix.seats.len()).unwrap_or(u16::MAX);
        let quorum = crate::cloud_set::Policy::lowest_quorum(mix.k, n);
        html.push_str(&outage_row(
            &simulation.name(mix),
            "none",
            mix.m(),
            &lived.tried.gets,
            true,
        ));
        for (seat, latencies) in mix.seats.iter().zip(&lived.tried.without) {
            let name = &simulation.laws[*seat].name;
            html.push_str(&outage_row("", name, mix.m() - 1, latencies, n > quorum));
        }
    }
    html + "</table></div>"
}

fn outage_row(mix: &str, out: &str, left: u16, latencies: &super::trial::Latencies, writable: bool) -> String {
    let ms = |share: f64| {
        latencies
            .quantile(share)
            .map_or_else(|| "-".to_owned(), |ms| format!("{ms:.0} ms"))
    };
    format!(
        "<tr><td>{}</td><td>{}</td><td>{left}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
        escape(mix),
        escape(out),
        ms(0.5),
        ms(0.99),
        latencies.failed,
        if writable { "go on" } else { "wait" }
    )
}

fn costs(simulation: &Simulation, setting: &Setting) -> String {
    let mut rows = Vec::new();
    for Lived { mix, fees, .. } in &simulation.lived {
        let name = simulation.name(&simulation.mixes[*mix]);
        for (level, fees) in READ_LEVELS.iter().zip(fees) {
            let pieces = fees
                .iter()
                .map(|(fee, amount)| (fee.word().to_owned(), amount.amount()));
            rows.push((format!("{name}, reads ×{level}"), pieces.collect()));
        }
    }
    bars("a month's cost by fee", &setting.currency, &rows)
}

fn sure(simulation: &Simulation, setting: &Setting, around: &Circumstances) -> String {
    let mut html = String::from(
        "<section><h2>How sure</h2><table><tr><th>mix</th><th>read p50, foretold and lived</th><th>read p99</th><th>write p50</th><th>reads</th></tr>",
    );
    for lived in &simulation.lived {
        let mix = &simulation.mixes[lived.mix];
        let both = |told: f64, seen: Option<f64>| {
            seen.map_or_else(|| "-".to_owned(), |seen| format!("{told:.0} / {seen:.0} ms"))
        };
        let _ = write!(
            html,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            escape(&simulation.name(mix)),
            both(mix.read.0, lived.tried.gets.quantile(0.5)),
            both(mix.read.1, lived.tried.gets.quantile(0.99)),
            both(mix.write.0, lived.tried.puts.quantile(0.5)),
            lived.tried.gets.histogram.len()
        );
    }
    let lost = simulation
        .lived
        .iter()
        .map(|lived| simulation.mixes[lived.mix].lost)
        .fold(0.0, f64::max);
    let _ = write!(
        html,
        "</table><p>Mixes were lived through with {} objects of {} bytes each, one call at a time, in virtual time; quantiles beyond 99 % rest on few of them. \
         Losing data within a year: at most {} for these mixes, beside 1e-3 for a lost key or a mistake of your own, which no mix mends. \
         Outages are those of three operators in 2018 to 2020, an upper bound; 2 % of the providers are lost for good in a year and made good in 7 days.</p>\
         <p>raic {}, {}, seed {}. Again: <code>{}</code></p></section>",
        setting.objects,
        setting.len,
        escape(&told(lost)),
        escape(&around.version),
        escape(&around.when),
        setting.seed,
        escape(&around.command)
    );
    html
}
