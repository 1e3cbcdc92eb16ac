//! A picture as Prometheus reads it: the text format, version 0.0.4.

use std::fmt::{Display, Write};

use super::Picture;
use crate::node::tally::{BOUNDS, Counted};

/// What the answer's `Content-Type` is.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The metrics of a picture.
#[must_use]
pub fn render(picture: &Picture) -> String {
    let mut text = Text::default();
    text.family("raic_build_info", "gauge", "The version that runs.");
    text.sample(
        "raic_build_info",
        &[("version", picture.version), ("backend", picture.backend)],
        1,
    );
    let flags = [
        ("raic_healthy", "1 if what the policy promises holds.", picture.healthy),
        (
            "raic_available",
            "1 if everything stored can be read.",
            picture.available,
        ),
        ("raic_read_only", "1 if nothing new is taken.", picture.space.read_only),
    ];
    for (name, help, flag) in flags {
        text.single(name, help, u8::from(flag));
    }
    text.single("raic_up_seconds", "Seconds since the node was started.", picture.up);
    if let Some(can_lose) = picture.can_lose {
        text.single(
            "raic_tolerance",
            "Providers that may still be lost without loss of data.",
            can_lose,
        );
    }
    text.single(
        "raic_tolerance_promised",
        "Providers that the policy promises may be lost.",
        picture.promised,
    );
    text.family("raic_objects", "gauge", "Objects by health.");
    for (state, number) in &picture.objects {
        text.sample("raic_objects", &[("state", state)], number);
    }
    text.single("raic_object_bytes", "Bytes of all objects.", picture.bytes);
    text.family("raic_work", "gauge", "What goes on, and what waits.");
    for (what, number) in &picture.work {
        text.sample("raic_work", &[("what", what)], number);
    }
    providers(picture, &mut text);
    if let Some(available) = picture.space.available {
        text.single(
            "raic_available_bytes",
            "Bytes that may still be promised to clients.",
            available,
        );
    }
    text.single(
        "raic_promised_bytes",
        "Bytes promised to uploads under way.",
        picture.space.promised,
    );
    if let Some(cost) = picture.cost_month {
        text.single("raic_cost_month", "What storing this costs in a month.", cost);
    }
    if let Some(budget) = picture.budget {
        text.single("raic_budget_month", "The most it may cost.", budget);
    }
    requests(&picture.requests, &mut text);
    text.0
}

fn providers(picture: &Picture, text: &mut Text) {
    let all = |text: &mut Text, name: &str, help: &str, value: &dyn Fn(&super::Place) -> Option<f64>| {
        text.family(name, "gauge", help);
        for place in &picture.providers {
            if let Some(value) = value(place) {
                text.sample(name, &[("provider", &place.name)], value);
            }
        }
    };
    #[expect(clippy::cast_precision_loss, reason = "Prometheus keeps its values so")]
    let number = |value: u64| value as f64;
    all(
        text,
        "raic_provider_up",
        "1 if the provider answers as a member.",
        &|place| Some(f64::from(u8::from(place.state != "down"))),
    );
    all(text, "raic_provider_fragments", "Fragments there.", &|place| {
        Some(number(place.fragments))
    });
    all(text, "raic_provider_bytes", "Bytes of the fragments there.", &|place| {
        Some(number(place.bytes))
    });
    all(
        text,
        "raic_provider_quota_bytes",
        "The most that may lie there.",
        &|place| place.quota.map(number),
    );
    all(text, "raic_cost_usd", "What that costs in a month.", &|place| {
        place.cost_month
    });
}

fn requests(counted: &[Counted], text: &mut Text) {
    let name = "raic_tahoe_requests_total";
    text.family(name, "counter", "Requests answered, by kind and class of status.");
    for row in counted {
        for (class, number) in row.codes.iter().enumerate().filter(|(_, number)| **number > 0) {
            let code = format!("{}xx", class + 1);
            text.sample(name, &[("op", row.kind), ("code", &code)], number);
        }
    }
    let name = "raic_tahoe_request_seconds";
    text.family(name, "histogram", "Time from a request's head to its answer's.");
    for row in counted {
        let total: u64 = row.times.iter().sum();
        if total == 0 {
            continue;
        }
        let mut below = 0;
        for (bound, number) in BOUNDS.iter().zip(&row.times) {
            below += number;
            text.sample(
                "raic_tahoe_request_seconds_bucket",
                &[("op", row.kind), ("le", &bound.to_string())],
                below,
            );
        }
        text.sample(
            "raic_tahoe_request_seconds_bucket",
            &[("op", row.kind), ("le", "+Inf")],
            total,
        );
        #[expect(clippy::cast_precision_loss, reason = "Prometheus keeps its values so")]
        let seconds = row.micros as f64 / 1e6;
        text.sample("raic_tahoe_request_seconds_sum", &[("op", row.kind)], seconds);
        text.sample("raic_tahoe_request_seconds_count", &[("op", row.kind)], total);
    }
}

#[derive(Default)]
struct Text(String);

/// Memory doesn't fail to be written.
const INFALLIBLE: &str = "a string takes all that is written";

impl Text {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}").expect(INFALLIBLE);
    }

    fn single(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(name, "gauge", help);
        self.sample(name, &[], value);
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        let labels: Vec<String> = labels
            .iter()
            .map(|(key, value)| format!("{key}=\"{}\"", escaped(value)))
            .collect();
        let braces = if labels.is_empty() {
            String::new()
        } else {
            format!("{{{}}}", labels.join(","))
        };
        writeln!(self.0, "{name}{braces} {value}").expect(INFALLIBLE);
    }
}

fn escaped(label: &str) -> String {
    label.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_sample_belongs_to_a_family_told_before_it() {
        let text = render(&super::super::sample());
        let mut families = BTreeSet::new();
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                assert!(families.insert(rest.split(' ').next().unwrap()), "twice: {line}");
            } else if !line.starts_with('#') {
                let name = line.split(['{', ' ']).next().unwrap();
                let family = ["_bucket", "_sum", "_count"]
                    .iter()
                    .find_map(|end| name.strip_suffix(end))
                    .unwrap_or(name);
                assert!(families.contains(family) || families.contains(name), "{line}");
                let value = line.rsplit(' ').next().unwrap();
                assert!(value.parse::<f64>().is_ok(), "{line}");
            }
        }
        assert!(
            text.contains("raic_provider_up{provider=\"a \\\"b\\\"\\\\<c>\"} 0\n"),
            "{text}"
        );
        assert!(
            text.contains("raic_tahoe_request_seconds_bucket{op=\"none\",le=\"0.005\"} 1\n"),
            "{text}"
        );
        assert!(
            text.contains("raic_tahoe_requests_total{op=\"none\",code=\"4xx\"} 1\n"),
            "{text}"
        );
    }
}
