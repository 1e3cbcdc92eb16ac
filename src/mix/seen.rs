//! Calls that were timed, and what can be said of them: quantiles, rates with their interval, a timeline, and what to be careful of.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::curve::Curve;
use crate::provider::Class;

/// The longest latency that is told apart, in microseconds: ten minutes.
const LONGEST: u64 = 600_000_000;

/// Parts that a measurement is cut into, to see how far its rate can be trusted.
const PARTS: u64 = 10;

/// Student's t for nine degrees of freedom: 95 of 100 lie within so many standard errors of ten parts.
const T_OF_TEN: f64 = 2.262;

/// One call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Microseconds from the beginning until the call was meant to begin.
    pub begin: u64,
    /// Microseconds from then until its end.
    pub took: u64,
    /// Why it failed.
    pub failed: Option<Class>,
}

/// Calls of one kind.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Seen {
    /// Bytes that each moves.
    pub len: u64,
    /// Every call that counts.
    pub samples: Vec<Sample>,
    /// Microseconds when counting began.
    pub from: u64,
    /// Microseconds when it ended.
    pub to: u64,
}

/// Latencies in milliseconds; none without a call that succeeded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Quantiles {
    /// Half of them took no longer.
    pub p50: Option<f64>,
    /// 90 of 100.
    pub p90: Option<f64>,
    /// 99 of 100.
    pub p99: Option<f64>,
    /// 999 of 1000.
    pub p999: Option<f64>,
}

/// A mean, and where it lies with a chance of 95 %.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Interval {
    /// What was seen.
    pub mean: f64,
    /// Not below this.
    pub low: f64,
    /// Not above this.
    pub high: f64,
}

/// A moment of a timeline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tick {
    /// Seconds from the beginning until its middle.
    pub second: f64,
    /// Bytes moved in a second.
    pub rate: f64,
    /// Calls that failed in it.
    pub failed: u32,
}

/// A figure in seven digits: more than any measurement has, and few enough that a file says it exactly.
#[must_use]
pub fn digits(value: f64) -> f64 {
    format!("{value:.6e}").parse().unwrap_or(value)
}

impl Interval {
    /// Of the same thing seen several times.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "few parts")]
    pub fn of(values: &[f64]) -> Interval {
        let count = values.len().max(1) as f64;
        let mean = values.iter().sum::<f64>() / count;
        let spread = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0).max(1.0);
        let error = T_OF_TEN * (spread / count).sqrt();
        Interval {
            mean: digits(mean),
            low: digits((mean - error).max(0.0)),
            high: digits(mean + error),
        }
    }

    /// True if the two could be the same.
    #[must_use]
    pub fn meets(&self, other: &Interval) -> bool {
        self.low <= other.high && other.low <= self.high
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "microseconds and bytes of a bench are far below 2^53"
)]
impl Seen {
    /// Calls one after the other, from their times.
    #[must_use]
    pub fn in_a_row(len: u64, times: &[(u64, Option<Class>)]) -> Seen {
        let mut begin = 0;
        let mut samples = Vec::with_capacity(times.len());
        for (took, failed) in times {
            samples.push(Sample {
                begin,
                took: *took,
                failed: *failed,
            });
            begin += took;
        }
        Seen {
            len,
            samples,
            from: 0,
            to: begin,
        }
    }

    fn good(&self) -> impl Iterator<Item = &Sample> {
        self.samples.iter().filter(|sample| sample.failed.is_none())
    }

    /// Calls that succeeded.
    #[must_use]
    pub fn succeeded(&self) -> u64 {
        self.good().count() as u64
    }

    /// Calls that failed, by kind.
    #[must_use]
    pub fn failed(&self) -> BTreeMap<Class, u64> {
        let mut failed = BTreeMap::new();
        for class in self.samples.iter().filter_map(|sample| sample.failed) {
            *failed.entry(class).or_insert(0) += 1;
        }
        failed
    }

    /// The curve of those that succeeded; none without one.
    #[must_use]
    pub fn curve(&self) -> Option<Curve> {
        Curve::of_samples(self.good().map(|sample| sample.took as f64 / 1e6).collect())
    }

    /// Their quantiles, to three digits.
    #[must_use]
    pub fn quantiles(&self) -> Quantiles {
        let histogram = self.histogram();
        let at = |share: f64| (!histogram.is_empty()).then(|| histogram.value_at_quantile(share) as f64 / 1000.0);
        Quantiles {
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
        }
    }

    fn histogram(&self) -> Histogram<u64> {
        let mut histogram = Histogram::new_with_bounds(1, LONGEST, 3).expect("the bounds are in order");
        for sample in self.good() {
            histogram.saturating_record(sample.took.max(1));
        }
        histogram
    }

    /// Bytes moved in a second, from the parts of the time.
    #[must_use]
    pub fn rate(&self) -> Interval {
        let parts: Vec<f64> = self.cut(PARTS).into_iter().map(|tick| tick.rate).collect();
        if self.samples.is_empty() || self.to <= self.from {
            return Interval::default();
        }
        // The mean is of the whole: a call that spans a cut counts where it ended.
        let whole = self.succeeded() as f64 * self.len as f64 / ((self.to - self.from) as f64 / 1e6);
        let around = Interval::of(&parts);
        Interval {
            mean: digits(whole),
            low: digits((whole - (around.mean - around.low)).max(0.0)),
            high: digits(whole + (around.high - around.mean)),
        }
    }

    /// The rate second by second; of short measurements in ten parts.
    #[must_use]
    pub fn timeline(&self) -> Vec<Tick> {
        let seconds = self.to.saturating_sub(self.from) / 1_000_000;
        self.cut(if seconds >= PARTS { seconds.min(120) } else { PARTS })
    }

    /// Equal parts of the time: each call moves its bytes evenly while it runs.
    fn cut(&self, parts: u64) -> Vec<Tick> {
        let width = (self.to.saturating_sub(self.from) as f64 / parts as f64).max(1.0);
        let tick = |part: u64| Tick {
            second: (self.from as f64 + (part as f64 + 0.5) * width) / 1e6,
            ..Tick::default()
        };
        let mut ticks: Vec<Tick> = (0..parts).map(tick).collect();
        for sample in &self.samples {
            let (begin, took) = (sample.begin.saturating_sub(self.from) as f64, sample.took.max(1) as f64);
            for (part, tick) in ticks.iter_mut().enumerate() {
                let (low, high) = (part as f64 * width, (part + 1) as f64 * width);
                if sample.failed.is_some() {
                    let end = begin + took;
                    tick.failed += u32::from(end > low && end <= high);
                } else {
                    let inside = (high.min(begin + took) - low.max(begin)).max(0.0);
                    tick.rate += self.len as f64 * inside / took / (width / 1e6);
                }
            }
        }
        for tick in &mut ticks {
            (tick.second, tick.rate) = (digits(tick.second), digits(tick.rate));
        }
        ticks
    }

    /// What should make a reader careful.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        let succeeded = self.succeeded();
        if succeeded < 100 {
            warnings.push(format!("p99 rests on {succeeded} samples: use a longer --duration"));
        } else if succeeded < 1000 {
            warnings.push(format!("p99.9 rests on {succeeded} samples: use a longer --duration"));
        }
        let failed = self.failed();
        if let Some(throttled) = failed.get(&Class::Throttled) {
            warnings.push(format!("throttled {throttled} times: it can't go faster"));
        }
        let others: u64 = failed
            .iter()
            .filter(|(class, _)| **class != Class::Throttled)
            .map(|(_, count)| count)
            .sum();
        if others > 0 {
            warnings.push(format!("{others} calls failed"));
        }
        warnings.extend(self.drift());
        let histogram = self.histogram();
        if succeeded > 0 && histogram.max() > 10 * histogram.value_at_quantile(0.99) {
            warnings.push(format!("one call took {} ms", histogram.max() / 1000));
        }
        warnings
    }

    /// By how much the mean latency of the halves differs, if that is much and there is enough to tell.
    fn drift(&self) -> Option<String> {
        let mut good: Vec<&Sample> = self.good().collect();
        good.sort_by_key(|sample| sample.begin);
        if good.len() < 40 {
            return None;
        }
        let (first, second) = good.split_at(good.len() / 2);
        let mean = |half: &[&Sample]| half.iter().map(|sample| sample.took).sum::<u64>() as f64 / half.len() as f64;
        let drift = 100.0 * (mean(second) / mean(first).max(1.0) - 1.0);
        let way = if drift > 0.0 { "slower" } else { "faster" };
        (drift.abs() > 25.0).then(|| format!("the second half was {:.0} % {way} than the first", drift.abs()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steady(count: u64, took: u64) -> Seen {
        Seen::in_a_row(1000, &vec![(took, None); usize::try_from(count).unwrap()])
    }

    #[test]
    fn what_is_steady_has_a_narrow_interval_and_every_byte_is_in_the_timeline() {
        let seen = steady(500, 20_000);
        let rate = seen.rate();
        assert!(
            (rate.mean - 50_000.0).abs() < 1e-6 && rate.high - rate.low < 1.0,
            "{rate:?}"
        );
        let ticks = seen.timeline();
        let width = 10.0 / f64::from(u8::try_from(ticks.len()).unwrap());
        let bytes: f64 = ticks.iter().map(|tick| tick.rate * width).sum();
        assert!((bytes - 500_000.0).abs() < 10.0, "{bytes}");
        assert!(Seen::default().rate() == Interval::default() && Seen::default().curve().is_none());
        assert!(Interval::of(&[]).mean.abs() < f64::EPSILON);
    }

    #[test]
    fn a_measurement_warns_of_itself() {
        let says = |seen: &Seen, word: &str| seen.warnings().iter().any(|warning| warning.contains(word));
        assert!(says(&steady(50, 10), "p99 rests on 50") && says(&steady(500, 10), "p99.9 rests on 500"));
        assert!(steady(2000, 1000).warnings().is_empty());
        let mut times = vec![(1000, None); 1000];
        times.extend(vec![(2000, None); 1000]);
        assert!(says(&Seen::in_a_row(1, &times), "100 % slower"));
        times[5].0 = 90_000;
        assert!(says(&Seen::in_a_row(1, &times), "one call took 90 ms"));
        times[7].1 = Some(Class::Throttled);
        times[8].1 = Some(Class::Broken);
        let seen = Seen::in_a_row(1, &times);
        assert!(says(&seen, "throttled 1 times") && says(&seen, "1 calls failed"));
        assert_eq!(seen.timeline().iter().map(|tick| tick.failed).sum::<u32>(), 2);
    }
}
