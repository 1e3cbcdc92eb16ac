//! A bench as a document: what was measured, reckoned and lived through. Reports, comparisons and plans are made from it alone.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::curve::{Curve, Curves};
use super::foretell::Times;
use super::measure::{Measured, Probe};
use super::seen::{Interval, Quantiles, Seen, Tick, digits};
use crate::provider::{Class, Operation};

/// The name and number of the document's shape.
pub const SCHEMA: &str = "raic.bench/1";

/// Minutes of a year.
pub const MINUTES_PER_YEAR: f64 = 525_960.0;

/// A whole bench.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Run {
    /// True if no provider was a real one: nothing here was measured then.
    pub simulated: bool,
    /// When it began, RFC 3339; null where time was virtual.
    pub begun: Option<String>,
    /// How long it took; null where time was virtual.
    pub seconds: Option<f64>,
    /// The version of raic.
    pub version: String,
    /// The machine: system, processor kind, cores.
    pub machine: String,
    /// The command that makes it again.
    pub command: String,
    /// What was asked.
    pub setting: Setting,
    /// The days of the prices that it rests on, the oldest and the newest.
    pub prices: Option<(String, String)>,
    /// Provider by provider.
    pub providers: Vec<ProviderRun>,
    /// Every mix of them that was reckoned.
    pub mixes: Vec<MixRun>,
    /// What is taken for granted.
    pub assumes: Vec<String>,
    /// What to be careful of.
    pub warnings: Vec<String>,
}

/// What was asked.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Setting {
    /// Bytes that the owner keeps, for the cost.
    pub data: u64,
    /// Bytes that the owner reads in a month, for the cost.
    pub read: u64,
    /// Bytes of an object, for the cost.
    pub cost_object: u64,
    /// Of all amounts.
    pub currency: String,
    /// Objects that each mix is lived through with.
    pub objects: u32,
    /// Bytes of each.
    pub object: u64,
    /// Lengths of blobs that providers are measured with.
    pub sizes: Vec<u64>,
    /// Calls under way at once.
    pub lanes: Vec<u16>,
    /// Seconds of each measurement.
    pub duration: f64,
    /// Calls that were meant to begin in a second; as fast as could be if null.
    pub rate: Option<f64>,
    /// Of laws and ids: the same seed gives the same numbers.
    pub seed: u64,
}

/// One provider.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProviderRun {
    /// Its name in the configuration, or of the simulated one.
    pub name: String,
    /// The entry of the price catalog that it is billed by.
    pub service: Option<String>,
    /// The company.
    pub operator: String,
    /// Why it could not be measured.
    pub trouble: Option<String>,
    /// What was measured.
    pub tasks: Vec<TaskRun>,
}

/// One kind of call at one length.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TaskRun {
    /// `put`, `get`, `first byte` or `list`.
    pub call: String,
    /// Bytes of a blob.
    pub bytes: u64,
    /// Calls under way at once.
    pub lanes: u16,
    /// What was seen.
    #[serde(flatten)]
    pub calls: Calls,
    /// Bytes a second and failures, moment by moment.
    pub timeline: Vec<Tick>,
}

/// Calls that were timed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Calls {
    /// Calls that succeeded after the warm-up.
    pub succeeded: u64,
    /// Calls that failed, by kind.
    pub failed: BTreeMap<String, u64>,
    /// Bytes moved in a second.
    pub bytes_per_second: Interval,
    /// Milliseconds from when a call was meant to begin until its end.
    pub latency_ms: Quantiles,
    /// The same as a curve, at the shares of `docs/plan.md`; empty without a call that succeeded.
    pub curve_ms: Vec<f64>,
}

/// One mix.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MixRun {
    /// Its providers.
    pub providers: Vec<String>,
    /// Fragments that read an extent.
    pub k: u16,
    /// Providers that may vanish.
    pub m: u16,
    /// Of a month; null if it can't be priced, or reads more than a service's policy allows.
    pub cost: Option<f64>,
    /// Minutes in a year that data can't be read, expected.
    pub unreadable_minutes_per_year: f64,
    /// Minutes in a year that nothing can be written, expected.
    pub unwritable_minutes_per_year: f64,
    /// The chance that data is lost within a year; 1e-9 stands for that or less. Reckoned for what nothing beats.
    pub lost_per_year: Option<f64>,
    /// What single providers foretell of reads.
    pub foretold_read_ms: TimesMs,
    /// What single providers foretell of puts.
    pub foretold_write_ms: TimesMs,
    /// True if no mix is as cheap, as often readable and as fast at once.
    pub on_front: bool,
    /// True if it is what the default policy of the configuration has.
    pub today: bool,
    /// A month's cost at several levels of reading; for mixes that were lived through.
    pub levels: Vec<Level>,
    /// What the real store lived through; null if it wasn't tried.
    pub lived: Option<Lived>,
}

/// Latencies in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TimesMs {
    /// Half of them take no longer.
    pub p50: f64,
    /// 99 of 100 take no longer.
    pub p99: f64,
    /// In the mean.
    pub mean: f64,
}

impl From<Times> for TimesMs {
    fn from(times: Times) -> TimesMs {
        TimesMs {
            p50: digits(times.p50),
            p99: digits(times.p99),
            mean: digits(times.mean),
        }
    }
}

/// A month's cost if the owner reads so many times as much.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Level {
    /// How many times as much as the setting says.
    pub reads: u64,
    /// By kind of fee.
    pub fees: BTreeMap<String, f64>,
}

/// What the store lived through.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Lived {
    /// Reads, all providers well.
    pub reads: Calls,
    /// Puts, all providers well.
    pub writes: Calls,
    /// Reads with providers out.
    pub without: Vec<WithoutRun>,
}

/// Reads with some providers out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WithoutRun {
    /// Who.
    pub out: Vec<String>,
    /// Providers that may still be lost; null if data can't be read already.
    pub losses_left: Option<u16>,
    /// True if puts still reach their quorum.
    pub writable: bool,
    /// What was seen.
    pub reads: Calls,
}

impl Calls {
    /// Of calls that were timed.
    #[must_use]
    pub fn of(seen: &Seen) -> Calls {
        Calls {
            succeeded: seen.succeeded(),
            failed: seen
                .failed()
                .into_iter()
                .map(|(class, count)| (class_word(class), count))
                .collect(),
            bytes_per_second: seen.rate(),
            latency_ms: seen.quantiles(),
            curve_ms: seen.curve().map(|curve| curve.ms()).unwrap_or_default(),
        }
    }

    /// How many failed.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.failed.values().sum()
    }

    /// The share that failed, 0 to 1.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts of a bench")]
    pub fn failed_share(&self) -> f64 {
        let all = self.succeeded + self.failures();
        if all == 0 {
            return 0.0;
        }
        self.failures() as f64 / all as f64
    }
}

/// A class of failures as files have it.
#[must_use]
pub fn class_word(class: Class) -> String {
    format!("{class:?}").to_lowercase()
}

impl TaskRun {
    /// Of a measurement.
    #[must_use]
    pub fn of(measured: &Measured) -> TaskRun {
        TaskRun {
            call: measured.task.probe.word().to_owned(),
            bytes: measured.task.len,
            lanes: measured.task.lanes,
            calls: Calls::of(&measured.seen),
            timeline: measured.seen.timeline(),
        }
    }
}

impl ProviderRun {
    /// The curves that a mix is foretold from: those of the fewest lanes, since a mix asks each provider once at a time. None if puts,
    /// reads or listings weren't measured.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "lengths of blobs")]
    pub fn curves(&self) -> Option<Curves> {
        let fewest = self.tasks.iter().map(|task| task.lanes).min()?;
        let mut curves = Curves::default();
        for task in self.tasks.iter().filter(|task| task.lanes == fewest) {
            let operation = match Probe::of_word(&task.call)? {
                Probe::Put => Operation::Put,
                Probe::Get => Operation::Get,
                Probe::List => Operation::List,
                Probe::First => continue,
            };
            if let Some(curve) = Curve::of_ms(&task.calls.curve_ms) {
                curves.add(operation, task.bytes as f64, curve);
            }
        }
        let whole = [Operation::Put, Operation::Get, Operation::List].map(|of| !curves.lacks(of));
        whole.iter().all(|has| *has).then_some(curves)
    }

    /// The measurement of this call at this length, with the most or the fewest lanes.
    #[must_use]
    pub fn task(&self, call: &str, bytes: Option<u64>, most_lanes: bool) -> Option<&TaskRun> {
        let of = |task: &&TaskRun| task.call == call && bytes.is_none_or(|bytes| task.bytes == bytes);
        let found = self.tasks.iter().filter(of);
        if most_lanes {
            found.max_by_key(|task| task.lanes)
        } else {
            found.min_by_key(|task| task.lanes)
        }
    }
}

impl MixRun {
    /// All providers.
    #[must_use]
    pub fn n(&self) -> u16 {
        self.k + self.m
    }

    /// The names of its providers, and k + m.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{} {}+{}", self.providers.join(" "), self.k, self.m)
    }

    /// Bytes stored for a byte of the owner's.
    #[must_use]
    pub fn expansion(&self) -> f64 {
        f64::from(self.n()) / f64::from(self.k.max(1))
    }
}

impl Run {
    /// A run from a file, with every figure a number of its range.
    pub fn parse(text: &str) -> Result<Run, String> {
        let mut value: serde_json::Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let schema = value.as_object_mut().and_then(|object| object.remove("schema"));
        match schema.as_ref().and_then(serde_json::Value::as_str) {
            Some(SCHEMA) => {}
            Some(other) => return Err(format!("it is {other}, and {SCHEMA} is needed")),
            None => return Err(format!("it names no schema, and {SCHEMA} is needed")),
        }
        let run: Run = serde_json::from_value(value).map_err(|error| error.to_string())?;
        run.check()?;
        Ok(run)
    }

    /// The document with its schema's name.
    #[must_use]
    pub fn json(&self) -> String {
        let mut value = serde_json::to_value(self).expect("a run is JSON");
        value["schema"] = SCHEMA.into();
        format!("{value}\n")
    }

    fn check(&self) -> Result<(), String> {
        let sane = |what: &str, value: f64| {
            if value.is_finite() && value >= 0.0 {
                Ok(())
            } else {
                Err(format!("{what} is {value}, and a number from 0 on is needed"))
            }
        };
        for mix in &self.mixes {
            let name = mix.name();
            if mix.k == 0 || usize::from(mix.n()) != mix.providers.len() {
                return Err(format!("{name}: k + m are not its providers"));
            }
            sane(&format!("{name}: cost"), mix.cost.unwrap_or(0.0))?;
            for minutes in [mix.unreadable_minutes_per_year, mix.unwritable_minutes_per_year] {
                sane(&format!("{name}: minutes"), minutes)?;
            }
            for times in [mix.foretold_read_ms, mix.foretold_write_ms] {
                sane(&format!("{name}: foretold"), times.p50.min(times.p99).min(times.mean))?;
            }
            let fees = mix.levels.iter().flat_map(|level| &level.fees);
            for (fee, amount) in fees {
                sane(&format!("{name}: {fee}"), *amount)?;
            }
        }
        for provider in &self.providers {
            for task in &provider.tasks {
                let what = format!("{} {}", provider.name, task.call);
                if !task.calls.curve_ms.is_empty() && Curve::of_ms(&task.calls.curve_ms).is_none() {
                    return Err(format!("{what}: its curve falls, or isn't of numbers"));
                }
                sane(&what, task.calls.bytes_per_second.mean)?;
            }
        }
        Ok(())
    }

    /// The mixes that nothing beats, the cheapest first.
    #[must_use]
    pub fn front(&self) -> Vec<&MixRun> {
        let mut front: Vec<&MixRun> = self.mixes.iter().filter(|mix| mix.on_front).collect();
        front.sort_by(|a, b| self.price(a).total_cmp(&self.price(b)).then(a.name().cmp(&b.name())));
        front
    }

    /// True if some mix has a price.
    #[must_use]
    pub fn priced(&self) -> bool {
        self.mixes.iter().any(|mix| mix.cost.is_some())
    }

    /// What a mix is weighed with: its cost, or where no mix has one the bytes that it stores for a byte. Endless for one without a price
    /// among others that have one.
    #[must_use]
    pub fn price(&self, mix: &MixRun) -> f64 {
        match mix.cost {
            Some(cost) => cost,
            None if self.priced() => f64::INFINITY,
            None => mix.expansion(),
        }
    }

    /// The unit of [`Run::price`].
    #[must_use]
    pub fn price_unit(&self) -> String {
        if self.priced() {
            format!("{} a month", self.setting.currency)
        } else {
            "bytes stored for a byte".to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run() -> Run {
        Run {
            mixes: vec![MixRun {
                providers: vec!["a".to_owned(), "b".to_owned()],
                k: 1,
                m: 1,
                ..MixRun::default()
            }],
            ..Run::default()
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let run = run();
        assert_eq!(Run::parse(&run.json()), Ok(run));
    }

    #[test]
    fn a_file_that_is_no_run_is_refused_with_the_reason() {
        for (text, why) in [
            ("", "EOF"),
            ("{}", "names no schema"),
            ("{\"schema\":\"raic.plan/1\"}", "it is raic.plan/1"),
            ("{\"schema\":\"raic.bench/1\"}", "missing field"),
        ] {
            let error = Run::parse(text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
        let with = |key: &str, value: &str| {
            let text = run().json();
            let at = text.find(&format!("\"{key}\":")).unwrap() + key.len() + 3;
            let end = at + text[at..].find([',', '}']).unwrap();
            Run::parse(&format!("{}{value}{}", &text[..at], &text[end..])).unwrap_err()
        };
        assert!(with("k", "0").contains("k + m are not its providers"));
        assert!(with("cost", "-3").contains("cost is -3"));
        assert!(with("unreadable_minutes_per_year", "-1").contains("minutes is -1"));
        assert!(with("unreadable_minutes_per_year", "null").contains("invalid type"));
        assert!(with("m", "99999999").contains("invalid value"));
    }
}
