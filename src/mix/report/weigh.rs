//! Verdict, front, k against m, cost: what a mix is weighed by.

use std::fmt::Write as _;

use super::chart::{Axis, Dot, bars, escape, scatter, short};
use super::{minutes, ms, priced, verdicts};
use crate::mix::run::{MixRun, Run};

/// Chances below this are drawn on it, in minutes of a year.
const LEAST_MINUTES: f64 = 0.001;

pub(super) fn verdict(run: &Run) -> String {
    let named = verdicts(run);
    if named.is_empty() {
        return "<p>No mix could be reckoned: see the last part for the reason.</p>".to_owned();
    }
    let mut html = String::from("<ul class=\"verdict\">");
    for (why, mix) in named {
        let _ = write!(
            html,
            "<li><b>{}:</b> {}. {} a month, can't be read {} a year, 99 of 100 reads within {}, survives any {}.</li>",
            escape(why),
            escape(&mix.name()),
            escape(&priced(run, mix)),
            minutes(mix.unreadable_minutes_per_year),
            ms(Some(mix.foretold_read_ms.p99)),
            mix.m
        );
    }
    html + "</ul>"
}

/// Letters for the front, cheapest first: A to Z, then a to z.
fn letter(at: usize) -> String {
    let letters = (b'A'..=b'Z').chain(b'a'..=b'z');
    letters.map(char::from).nth(at).map(String::from).unwrap_or_default()
}

pub(super) fn pareto(run: &Run) -> String {
    let front = run.front();
    let drawn: Vec<&MixRun> = run.mixes.iter().filter(|mix| run.price(mix).is_finite()).collect();
    let height = |mix: &MixRun| mix.unreadable_minutes_per_year.max(LEAST_MINUTES);
    let x = Axis::steps(&run.price_unit(), drawn.iter().map(|mix| run.price(mix)), short);
    let y = Axis::decades(
        "minutes a year that it can't be read",
        drawn.iter().map(|mix| height(mix)),
        |value| format!("{value}"),
    );
    let dot = |mix: &MixRun, letter: String| Dot {
        x: run.price(mix),
        y: height(mix),
        size: 2.0 + (mix.foretold_read_ms.p99.max(0.0) / 100.0).sqrt() * 2.0,
        pale: !mix.on_front,
        ring: mix.today,
        title: format!(
            "{letter} {}: {} a month, {} a year, p99 {}",
            mix.name(),
            priced(run, mix),
            minutes(mix.unreadable_minutes_per_year),
            ms(Some(mix.foretold_read_ms.p99))
        ),
        letter,
    };
    let beaten = drawn
        .iter()
        .filter(|mix| !mix.on_front)
        .map(|mix| dot(mix, String::new()));
    let mut dots: Vec<Dot> = beaten.collect();
    dots.extend(front.iter().enumerate().map(|(at, mix)| dot(mix, letter(at))));
    let without = run.mixes.len() - drawn.len();
    let note = if without == 0 {
        String::new()
    } else {
        format!(" {without} mixes have no price, or read more than a service's policy allows, and aren't shown.")
    };
    let mut html = scatter("cost and unreadability of every mix", &x, &y, &dots);
    let _ = write!(
        html,
        "<p>A dot a mix, larger where reads are slower; pale where another is as cheap, as steady and as fast. The line joins those that are steadier than all cheaper ones; ringed is today's. \
         What can't be read for less than {LEAST_MINUTES} minutes lies on that.{note}</p>"
    );
    html + &front_table(run, &front)
}

fn front_table(run: &Run, front: &[&MixRun]) -> String {
    let mut html = String::from(
        "<div class=\"wide\"><table><tr><th></th><th>mix that nothing beats</th><th>k+m</th><th>cost</th><th>unreadable a year</th><th>read p99</th></tr>",
    );
    for (at, mix) in front.iter().enumerate() {
        let _ = write!(
            html,
            "<tr><td>{}</td><td>{}</td><td>{}+{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            letter(at),
            escape(&mix.providers.join(" ")),
            mix.k,
            mix.m,
            escape(&priced(run, mix)),
            minutes(mix.unreadable_minutes_per_year),
            ms(Some(mix.foretold_read_ms.p99))
        );
    }
    html + "</table></div>"
}

pub(super) fn heat(run: &Run) -> String {
    let most = run.mixes.iter().map(MixRun::n).max().unwrap_or(2);
    let mut html = String::from("<div class=\"wide\"><table class=\"heat\"><tr><th>k \\ m</th>");
    for m in 1..most {
        let _ = write!(html, "<th>{m}</th>");
    }
    html.push_str("</tr>");
    for k in 1..most {
        let _ = write!(html, "<tr><th>{k}</th>");
        for m in 1..most {
            html.push_str(&cell(run, k, m));
        }
        html.push_str("</tr>");
    }
    html + "</table></div><p>Of each k and m the cheapest mix: bytes stored for a byte, a month's cost, the time of a year that it can't be read. Darker is more often readable.</p>"
}

fn cell(run: &Run, k: u16, m: u16) -> String {
    let of = |mix: &&MixRun| mix.k == k && mix.m == m;
    let best = run
        .mixes
        .iter()
        .filter(of)
        .min_by(|a, b| run.price(a).total_cmp(&run.price(b)));
    let Some(mix) = best else {
        return format!("<td class=\"none\">needs {} providers</td>", k + m);
    };
    // From an hour of a year to a thousandth of a minute in even steps of factors.
    let nines = (60.0 / mix.unreadable_minutes_per_year.max(LEAST_MINUTES)).log10() / (60.0 / LEAST_MINUTES).log10();
    let shade = (nines.clamp(0.0, 1.0) * 45.0).round();
    format!(
        "<td style=\"background:color-mix(in srgb,#0072B2 {shade}%,var(--soft))\">×{:.2}<br>{}<br>{}</td>",
        mix.expansion(),
        escape(&priced(run, mix)),
        minutes(mix.unreadable_minutes_per_year)
    )
}

pub(super) fn costs(run: &Run) -> String {
    let mut rows = Vec::new();
    for mix in run.mixes.iter().filter(|mix| mix.lived.is_some()) {
        for level in &mix.levels {
            let pieces = level.fees.iter().map(|(fee, amount)| (fee.clone(), *amount));
            rows.push((format!("{}, reads ×{}", mix.name(), level.reads), pieces.collect()));
        }
    }
    if rows.is_empty() {
        return "<p>What the providers bill isn't known: give each a <code>cost:</code> in the configuration, such as <code>cost: { catalog: backblaze-b2 }</code>.</p>".to_owned();
    }
    bars("a month's cost by fee", &run.setting.currency, &rows)
        + "<p>Three levels of reading side by side: nothing, what was asked, ten times as much. A level that is missing reads more than a service's policy allows.</p>"
}
