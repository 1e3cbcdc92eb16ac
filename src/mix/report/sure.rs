//! How far all of it can be believed, and how to do it again.

use std::fmt::Write as _;

use super::chart::escape;
use super::{bytes, ms};
use crate::mix::model::told;
use crate::mix::run::Run;

pub(super) fn sure(run: &Run) -> String {
    let mut html = foretold(run);
    let lost = run.mixes.iter().filter_map(|mix| mix.lost_per_year).fold(0.0, f64::max);
    let _ = write!(
        html,
        "<p>Losing data within a year: at most {} for the mixes that nothing beats, beside 1e-3 for a lost key or a mistake of your own, which no mix mends.</p>",
        escape(&told(lost))
    );
    for (title, lines) in [("Careful", &run.warnings), ("Taken for granted", &run.assumes)] {
        if lines.is_empty() {
            continue;
        }
        // A long list is folded: the first lines say what kind it is.
        let _ = write!(html, "<details><summary>{title}: {} lines</summary><ul>", lines.len());
        for line in lines {
            let _ = write!(html, "<li>{}</li>", escape(line));
        }
        html.push_str("</ul></details>");
    }
    let troubled = run
        .providers
        .iter()
        .filter_map(|one| one.trouble.as_ref().map(|why| (&one.name, why)));
    for (name, why) in troubled {
        let _ = write!(html, "<p>{} could not be measured: {}.</p>", escape(name), escape(why));
    }
    html + &circumstances(run)
}

fn foretold(run: &Run) -> String {
    let mut html = String::from(
        "<div class=\"wide\"><table><tr><th>mix</th><th>read p50, foretold and lived</th><th>read p99</th><th>write p50</th><th>write p99</th><th>reads</th></tr>",
    );
    for mix in &run.mixes {
        let Some(lived) = &mix.lived else { continue };
        let both = |told: f64, seen: Option<f64>| format!("{} / {}", ms(Some(told)), ms(seen));
        let (reads, writes) = (&lived.reads.latency_ms, &lived.writes.latency_ms);
        let _ = write!(
            html,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            escape(&mix.name()),
            both(mix.foretold_read_ms.p50, reads.p50),
            both(mix.foretold_read_ms.p99, reads.p99),
            both(mix.foretold_write_ms.p50, writes.p50),
            both(mix.foretold_write_ms.p99, writes.p99),
            lived.reads.succeeded
        );
    }
    html + "</table></div>"
}

fn circumstances(run: &Run) -> String {
    let setting = &run.setting;
    let sizes: Vec<String> = setting.sizes.iter().map(|size| bytes(*size)).collect();
    let lanes: Vec<String> = setting.lanes.iter().map(ToString::to_string).collect();
    let mut facts = vec![
        (
            "measured",
            format!(
                "{} s each with {} lanes, blobs of {}; the first tenth is warm-up and doesn't count",
                setting.duration,
                lanes.join(" and "),
                sizes.join(", ")
            ),
        ),
        (
            "lived through",
            format!(
                "{} objects of {} each, one call at a time; quantiles beyond 99 % rest on few of them",
                setting.objects,
                bytes(setting.object)
            ),
        ),
        (
            "cost",
            format!(
                "{} kept and {} read a month, objects of {}",
                bytes(setting.data),
                bytes(setting.read),
                bytes(setting.cost_object)
            ),
        ),
    ];
    if let Some((oldest, newest)) = &run.prices {
        facts.push(("prices", format!("of {oldest} to {newest}")));
    }
    let when = match (&run.begun, run.seconds) {
        (Some(begun), Some(seconds)) => format!("{begun}, {seconds:.0} s"),
        _ => format!(
            "virtual time, seed {}: the same seed gives the same numbers",
            setting.seed
        ),
    };
    facts.push(("when", when));
    facts.push(("where", format!("{}, raic {}", run.machine, run.version)));
    let mut html = String::from("<table class=\"facts\">");
    for (key, value) in facts {
        let _ = write!(html, "<tr><th>{key}</th><td>{}</td></tr>", escape(&value));
    }
    let _ = write!(
        html,
        "<tr><th>again</th><td><code>{}</code></td></tr></table>",
        escape(&run.command)
    );
    html + "<p>The whole run as JSON is in this page, in the element <code>run</code>.</p>"
}
