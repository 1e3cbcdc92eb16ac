//! What a bench must not exceed, as it is typed: `read.p99<500ms`, `b2-eu.write.rate>20MiB/s`, `read.errors<1%`.
//!
//! ```text
//! [NAME .] read | write | first | list . p50 | p90 | p99 | p99.9 | rate | errors  < or >  500ms | 20MiB/s | 1%
//! ```
//!
//! NAME is a provider, or a mix that was lived through, as reports name them. Without it today's mix is meant, or if that wasn't tried every
//! mix that was.

use std::fmt;
use std::str::FromStr;

use super::run::{Calls, Run};
use crate::cloud_set::quantity::ByteRate;

/// Which calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Of {
    Read,
    Write,
    First,
    List,
}

/// Which figure of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Figure {
    P50,
    P90,
    P99,
    P999,
    Rate,
    Errors,
}

/// One bound.
#[derive(Clone, Debug, PartialEq)]
pub struct Threshold {
    text: String,
    name: Option<String>,
    of: Of,
    figure: Figure,
    /// True if what is seen must be less.
    less: bool,
    /// Milliseconds, bytes a second, or a share.
    bound: f64,
}

/// A bound that wasn't kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breach {
    /// Which bound, as it was typed.
    pub threshold: String,
    /// Who broke it.
    pub who: String,
    /// What was seen.
    pub seen: String,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} has {}", self.threshold, self.who, self.seen)
    }
}

impl FromStr for Threshold {
    type Err = String;

    fn from_str(text: &str) -> Result<Threshold, String> {
        let shape =
            || format!("`{text}` is no threshold: one is read.p99<500ms, NAME.write.rate>20MiB/s or read.errors<1%");
        let at = text.rfind(['<', '>']).ok_or_else(shape)?;
        let (left, less) = (text[..at].trim(), text[at..].starts_with('<'));
        let value = text[at + 1..].trim_start_matches('=').trim();
        // `p99.9` has a dot of its own.
        let (left, figure) = if let Some(rest) = left.strip_suffix(".p99.9") {
            (rest, Figure::P999)
        } else {
            let (rest, word) = left.rsplit_once('.').ok_or_else(shape)?;
            (rest, figure(word).ok_or_else(shape)?)
        };
        let (name, of) = match left.rsplit_once('.') {
            Some((name, of)) => (Some(name.to_owned()), of),
            None => (None, left),
        };
        let of = match of {
            "read" => Of::Read,
            "write" => Of::Write,
            "first" => Of::First,
            "list" => Of::List,
            _ => return Err(shape()),
        };
        let bound = bound(figure, value)
            .filter(|bound| bound.is_finite() && *bound >= 0.0)
            .ok_or_else(shape)?;
        Ok(Threshold {
            text: text.to_owned(),
            name,
            of,
            figure,
            less,
            bound,
        })
    }
}

fn figure(word: &str) -> Option<Figure> {
    Some(match word {
        "p50" => Figure::P50,
        "p90" => Figure::P90,
        "p99" => Figure::P99,
        "p999" => Figure::P999,
        "rate" => Figure::Rate,
        "errors" => Figure::Errors,
        _ => return None,
    })
}

#[expect(clippy::cast_precision_loss, reason = "rates are far below 2^53")]
fn bound(figure: Figure, value: &str) -> Option<f64> {
    let number = |text: &str| text.trim().parse::<f64>().ok();
    match figure {
        Figure::Rate => value
            .parse::<ByteRate>()
            .ok()
            .map(|rate| rate.bytes_per_second() as f64),
        Figure::Errors => value.strip_suffix('%').and_then(number).map(|percent| percent / 100.0),
        _ => match value.strip_suffix("ms") {
            Some(ms) => number(ms),
            None => value.strip_suffix('s').and_then(number).map(|seconds| seconds * 1000.0),
        },
    }
}

impl Figure {
    fn of(self, calls: &Calls) -> Option<f64> {
        let times = calls.latency_ms;
        match self {
            Figure::P50 => times.p50,
            Figure::P90 => times.p90,
            Figure::P99 => times.p99,
            Figure::P999 => times.p999,
            Figure::Rate => Some(calls.bytes_per_second.mean),
            Figure::Errors => Some(calls.failed_share()),
        }
    }

    fn told(self, value: f64) -> String {
        match self {
            Figure::Rate => format!("{:.2} MiB/s", value / 1_048_576.0),
            Figure::Errors => format!("{:.2} %", value * 100.0),
            _ => format!("{value:.1} ms"),
        }
    }
}

impl Threshold {
    /// Who doesn't keep it; an error if nobody was measured that it is of. Whoever has no figure, for nothing succeeded, doesn't keep it.
    pub fn breaches(&self, run: &Run) -> Result<Vec<Breach>, String> {
        let found = self.found(run);
        if found.is_empty() {
            return Err(format!("{}: nothing was measured that this is of", self.text));
        }
        let breach = |(who, calls): (String, &Calls)| {
            let seen = self.figure.of(calls);
            let kept = seen.is_some_and(|seen| {
                if self.less {
                    seen <= self.bound
                } else {
                    seen >= self.bound
                }
            });
            (!kept).then(|| Breach {
                threshold: self.text.clone(),
                who,
                seen: seen.map_or_else(|| "no call that succeeded".to_owned(), |seen| self.figure.told(seen)),
            })
        };
        Ok(found.into_iter().filter_map(breach).collect())
    }

    fn found<'r>(&self, run: &'r Run) -> Vec<(String, &'r Calls)> {
        let call = match self.of {
            Of::Read => "get",
            Of::Write => "put",
            Of::First => "first byte",
            Of::List => "list",
        };
        let mut found = Vec::new();
        if let Some(name) = &self.name {
            for provider in run.providers.iter().filter(|provider| provider.name == *name) {
                let largest = provider
                    .tasks
                    .iter()
                    .filter(|task| task.call == call)
                    .map(|task| task.bytes)
                    .max();
                found.extend(
                    provider
                        .task(call, largest, false)
                        .map(|task| (name.clone(), &task.calls)),
                );
            }
        }
        let today = run.mixes.iter().any(|mix| mix.today && mix.lived.is_some());
        for mix in &run.mixes {
            let meant = match &self.name {
                Some(name) => mix.name() == *name,
                None => mix.today || !today,
            };
            let Some(lived) = mix.lived.as_ref().filter(|_| meant) else {
                continue;
            };
            match self.of {
                Of::Read => found.push((mix.name(), &lived.reads)),
                Of::Write => found.push((mix.name(), &lived.writes)),
                Of::First | Of::List => {}
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mix::report::tests::run;

    #[test]
    fn bounds_are_read_as_they_are_typed_and_held_against_what_was_seen() {
        let run = run();
        for (text, kept) in [
            ("read.p99<500ms", true),
            ("read.p99 <= 0.04s", false),
            ("write.p50>1ms", true),
            ("a.read.rate>30MiB/s", false),
            ("a.first.p99.9<51ms", true),
            ("a b< 1+1.read.errors<1%", true),
        ] {
            let threshold: Threshold = text.parse().unwrap_or_else(|error| panic!("{error}"));
            let breaches = threshold.breaches(&run).unwrap();
            assert_eq!(breaches.is_empty(), kept, "{text}: {breaches:?}");
        }
        let breach = "read.p99<40ms"
            .parse::<Threshold>()
            .unwrap()
            .breaches(&run)
            .unwrap()
            .remove(0);
        assert!(
            breach.to_string().starts_with("read.p99<40ms: a b< 1+1 has 50"),
            "{breach}"
        );
    }

    #[test]
    fn what_is_no_threshold_or_of_nobody_is_refused() {
        for text in [
            "",
            "read",
            "read.p99",
            "read.p98<5ms",
            "p99<5ms",
            "read.p99<5",
            "read.p99<-5ms",
            "read.p99<NaNms",
            "read.rate>5",
            "eat.p99<5ms",
        ] {
            assert!(text.parse::<Threshold>().is_err(), "{text}");
        }
        let nobody: Threshold = "zebra.read.p99<5ms".parse().unwrap();
        assert!(nobody.breaches(&run()).unwrap_err().contains("nothing was measured"));
    }
}
