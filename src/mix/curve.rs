//! How long calls take, as a curve: the time within which a share of them has ended, at fixed shares, straight lines between.
//!
//! ```text
//! seconds │                    ╭   a measured curve is its samples in order; a law's is its quantile function
//!         │          ___──────╯    between two lengths the times are mixed, share by share
//!         └──────────────────── share
//!          0   ½      0.9  0.99  1
//! ```

use crate::provider::Operation;

/// Where curves are kept: even steps, then closer where waiting is long.
pub const SHARES: [f64; 31] = [
    0.0, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9,
    0.925, 0.95, 0.965, 0.98, 0.985, 0.99, 0.995, 0.998, 0.999, 1.0,
];

/// Seconds at each of [`SHARES`], never falling.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve(Vec<f64>);

impl Curve {
    /// Of calls that were timed; none of none.
    #[must_use]
    pub fn of_samples(mut seconds: Vec<f64>) -> Option<Curve> {
        seconds.retain(|time| time.is_finite() && *time >= 0.0);
        seconds.sort_by(f64::total_cmp);
        let last = seconds.len().checked_sub(1)?;
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a place among samples"
        )]
        let at = |share: f64| {
            let place = share * last as f64;
            let below = place.floor() as usize;
            let above = (below + 1).min(last);
            seconds[below] + (seconds[above] - seconds[below]) * (place - place.floor())
        };
        Some(Curve(SHARES.iter().map(|share| at(*share)).collect()))
    }

    /// Of a quantile function; its ends are taken a ten-thousandth inside, since laws have none.
    #[must_use]
    pub fn of(quantile: impl Fn(f64) -> f64) -> Curve {
        let inside = |share: &f64| quantile(share.clamp(0.0001, 0.9999));
        Curve(SHARES.iter().map(inside).collect())
    }

    /// As a file has it, in milliseconds; none if it is no curve.
    #[must_use]
    pub fn of_ms(list: &[f64]) -> Option<Curve> {
        let rising = list.windows(2).all(|pair| pair[0] <= pair[1]);
        let sane = list.iter().all(|ms| ms.is_finite() && *ms >= 0.0);
        (list.len() == SHARES.len() && rising && sane).then(|| Curve(list.iter().map(|ms| ms / 1000.0).collect()))
    }

    /// Milliseconds at each of [`SHARES`], to a microsecond.
    #[must_use]
    pub fn ms(&self) -> Vec<f64> {
        self.0.iter().map(|seconds| (seconds * 1e6).round() / 1000.0).collect()
    }

    /// Seconds within which this share has ended.
    #[must_use]
    pub fn at(&self, share: f64) -> f64 {
        let above = SHARES.partition_point(|known| *known < share).min(SHARES.len() - 1);
        let below = above.saturating_sub(1);
        let span = SHARES[above] - SHARES[below];
        let part = if span > 0.0 {
            (share - SHARES[below]) / span
        } else {
            0.0
        };
        self.0[below] + (self.0[above] - self.0[below]) * part.clamp(0.0, 1.0)
    }

    /// The share that has ended after so many seconds.
    #[must_use]
    pub fn done(&self, seconds: f64) -> f64 {
        let above = self.0.partition_point(|time| *time <= seconds);
        if above == 0 {
            return 0.0;
        }
        if above == self.0.len() {
            return 1.0;
        }
        let (from, to) = (self.0[above - 1], self.0[above]);
        SHARES[above - 1] + (SHARES[above] - SHARES[above - 1]) * (seconds - from) / (to - from)
    }

    /// Both curves mixed share by share: this one at weight 0, the other at 1; beyond, the line goes on, never below nothing.
    #[must_use]
    pub fn between(&self, other: &Curve, weight: f64) -> Curve {
        let mix = |(a, b): (&f64, &f64)| (a + (b - a) * weight).max(0.0);
        let mut times: Vec<f64> = self.0.iter().zip(&other.0).map(mix).collect();
        for at in 1..times.len() {
            times[at] = times[at].max(times[at - 1]);
        }
        Curve(times)
    }

    /// The mean time in seconds.
    #[must_use]
    pub fn mean(&self) -> f64 {
        let pairs = self.0.windows(2).zip(SHARES.windows(2));
        pairs
            .map(|(time, share)| f64::midpoint(time[0], time[1]) * (share[1] - share[0]))
            .sum()
    }
}

/// Whatever knows how long calls at a provider take.
pub trait Timing: Send + Sync {
    /// The curve of calls that move `len` bytes.
    fn curve(&self, operation: Operation, len: f64) -> Curve;
}

/// What was measured of one provider: curves by operation and length.
#[derive(Clone, Debug, Default)]
pub struct Curves(Vec<(Operation, f64, Curve)>);

impl Curves {
    /// Calls of one kind and length were timed.
    pub fn add(&mut self, operation: Operation, len: f64, curve: Curve) {
        self.0.push((operation, len, curve));
        self.0.sort_by(|a, b| a.1.total_cmp(&b.1));
    }

    /// True if nothing was measured of this operation.
    #[must_use]
    pub fn lacks(&self, operation: Operation) -> bool {
        self.0.iter().all(|(of, ..)| *of != operation)
    }
}

impl Timing for Curves {
    /// Between the lengths that were measured, in proportion; beyond them, as the last two go on. Nothing takes no time.
    fn curve(&self, operation: Operation, len: f64) -> Curve {
        let of: Vec<&(Operation, f64, Curve)> = self.0.iter().filter(|(of, ..)| *of == operation).collect();
        let Some(first) = of.first() else {
            return Curve(vec![0.0; SHARES.len()]);
        };
        if of.len() == 1 || len <= first.1 {
            return first.2.clone();
        }
        let above = of.partition_point(|(_, known, _)| *known < len).clamp(1, of.len() - 1);
        let (a, b) = (of[above - 1], of[above]);
        if b.1 <= a.1 {
            return b.2.clone();
        }
        a.2.between(&b.2, (len - a.1) / (b.1 - a.1))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lengths_between_and_beyond_are_mixed_and_nothing_falls_below_nothing() {
        let flat = |seconds: f64| Curve::of(|_| seconds);
        let mut curves = Curves::default();
        curves.add(Operation::Get, 100.0, flat(2.0));
        curves.add(Operation::Get, 0.0, flat(1.0));
        for (len, want) in [(0.0, 1.0), (50.0, 1.5), (100.0, 2.0), (300.0, 4.0)] {
            assert!(
                (curves.curve(Operation::Get, len).at(0.5) - want).abs() < 1e-12,
                "{len}"
            );
        }
        assert!(curves.lacks(Operation::Put) && curves.curve(Operation::Put, 5.0).at(0.9) == 0.0);
        assert_eq!(flat(1.0).between(&flat(0.1), 3.0), flat(0.0));
    }

    #[test]
    fn a_file_that_is_no_curve_is_refused() {
        let good = vec![1.0; SHARES.len()];
        assert!(Curve::of_ms(&good).is_some());
        for bad in [f64::NAN, -1.0, 0.5, f64::INFINITY] {
            let mut list = good.clone();
            list[7] = bad;
            assert!(Curve::of_ms(&list).is_none(), "{bad}");
        }
        assert!(Curve::of_ms(&good[1..]).is_none() && Curve::of_samples(Vec::new()).is_none());
    }

    proptest! {
        #[test]
        fn a_curve_says_of_its_samples_what_they_are(samples in proptest::collection::vec(0.0..100.0f64, 1..200)) {
            let curve = Curve::of_samples(samples.clone()).unwrap();
            let least = samples.iter().copied().fold(f64::INFINITY, f64::min);
            let most = samples.iter().copied().fold(0.0, f64::max);
            prop_assert!((curve.at(0.0) - least).abs() < 1e-9 && (curve.at(1.0) - most).abs() < 1e-9);
            for share in [0.1, 0.5, 0.9, 0.99] {
                let time = curve.at(share);
                prop_assert!(curve.done(time + 1e-9) >= share - 1e-6 && time <= most + 1e-9);
            }
            prop_assert!(curve.mean() >= least - 1e-9 && curve.mean() <= most + 1e-9);
        }
    }
}
