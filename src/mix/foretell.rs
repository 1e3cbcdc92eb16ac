//! What the times of single providers foretell of a mix, without a store.
//!
//! ```text
//! put     all n fragments are there                                       product of n curves
//! get     k fragments are there, and all n have said that they know nothing newer
//!           who takes twice the middle one's usual time is asked only if there are too few others; of those that are asked first
//!           any set is as likely                                          symmetric polynomial of degree k, over C(n, k)
//! late    whoever hasn't answered after twice its own 95 % time has a spare asked beside it
//! ```

use super::curve::{Curve, Timing};
use super::demand::Scheme;
use crate::provider::Operation;

/// The share of an answer's own times, twice which it counts as late: as the store has it.
const LATE: f64 = 0.95;

/// A provider whose usual time is so many times that of the middle one is asked last: as the store has it.
const SLOW: f64 = 2.0;

/// Nothing is slow or late below this, in seconds: as the store has it.
const LEAST: f64 = 0.01;

/// The curves of one provider for the fragments of one mix.
#[derive(Clone, Debug)]
pub struct Seat {
    get: Curve,
    put: Curve,
    list: Curve,
}

impl Seat {
    /// Of fragments of `len` bytes.
    #[must_use]
    pub fn of(timing: &dyn Timing, len: f64) -> Seat {
        Seat {
            get: timing.curve(Operation::Get, len),
            put: timing.curve(Operation::Put, len),
            list: timing.curve(Operation::List, 0.0),
        }
    }
}

/// The length of a fragment of an object that is one extent.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "fragments are at most 64 MiB")]
pub fn fragment_len(k: u16, len: u64) -> f64 {
    Scheme::of(k, 1).fragments(len).0[0].len as f64
}

/// Milliseconds of calls of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Times {
    /// Half of them take no longer.
    pub p50: f64,
    /// 99 of 100 take no longer.
    pub p99: f64,
    /// In the mean.
    pub mean: f64,
}

/// What is foretold of a healthy mix.
#[derive(Clone, Debug)]
pub struct Foretold {
    seats: Vec<Seat>,
    k: usize,
    slow: Vec<bool>,
}

impl Foretold {
    /// Of a mix whose fragments are those of the seats.
    ///
    /// # Panics
    ///
    /// If there are fewer than k seats, or k is 0.
    #[must_use]
    pub fn of(seats: Vec<Seat>, k: u16) -> Foretold {
        let k = usize::from(k);
        assert!(k >= 1 && seats.len() >= k, "{k} of {} seats", seats.len());
        let mut usual: Vec<f64> = seats.iter().map(|seat| seat.get.at(0.5)).collect();
        usual.sort_by(f64::total_cmp);
        let most = (usual[usual.len() / 2] * SLOW).max(LEAST);
        let slow = seats.iter().map(|seat| seat.get.at(0.5) > most).collect();
        Foretold { seats, k, slow }
    }

    /// The same without these seats; none if fewer than k are left.
    #[must_use]
    pub fn without(&self, out: &[usize]) -> Option<Foretold> {
        let left = self.seats.iter().enumerate().filter(|(at, _)| !out.contains(at));
        let left: Vec<Seat> = left.map(|(_, seat)| seat.clone()).collect();
        let k = u16::try_from(self.k).expect("few seats");
        (left.len() >= self.k).then(|| Foretold::of(left, k))
    }

    /// The chance that a put has ended after so many seconds.
    #[must_use]
    pub fn put(&self, seconds: f64) -> f64 {
        self.seats.iter().map(|seat| seat.put.done(seconds)).product()
    }

    /// The chance that a read has ended after so many seconds.
    #[must_use]
    pub fn get(&self, seconds: f64) -> f64 {
        let listed: f64 = self.seats.iter().map(|seat| seat.list.done(seconds)).product();
        let of = |slow: bool| self.slow.iter().enumerate().filter(move |(_, is)| **is == slow);
        let done = |(at, _): (usize, &bool)| self.answered(at, seconds);
        let fast: Vec<f64> = of(false).map(done).collect();
        let slow: Vec<f64> = of(true).map(done).collect();
        let read = if fast.len() >= self.k {
            any_set(&fast, self.k)
        } else {
            fast.iter().product::<f64>() * any_set(&slow, self.k - fast.len())
        };
        (listed * read).min(1.0)
    }

    /// The chance that a fragment asked of a seat, or a spare asked when that was late, is there.
    fn answered(&self, at: usize, seconds: f64) -> f64 {
        let own = &self.seats[at].get;
        let here = own.done(seconds);
        let late = (2.0 * own.at(LATE)).max(LEAST);
        if seconds <= late || here >= 1.0 {
            return here;
        }
        let others = self.seats.iter().zip(&self.slow).enumerate();
        let spares = others.filter(|(other, (_, slow))| *other != at && !**slow);
        let best = spares
            .map(|(_, (seat, _))| seat.get.done(seconds - late))
            .fold(0.0, f64::max);
        // Only where more seats are than a read asks is there a spare.
        if self.seats.len() > self.k {
            1.0 - (1.0 - here) * (1.0 - best)
        } else {
            here
        }
    }

    /// Reads, in milliseconds.
    #[must_use]
    pub fn reads(&self) -> Times {
        times(|seconds| self.get(seconds))
    }

    /// Puts, in milliseconds.
    #[must_use]
    pub fn writes(&self) -> Times {
        times(|seconds| self.put(seconds))
    }
}

fn times(done: impl Fn(f64) -> f64) -> Times {
    let curve = |share: f64| quantile(share, &done) * 1000.0;
    // Ten slices, each by its middle; the last is cut finer, since the longest waits are in it.
    let slices = (0..9).map(|slice| 0.1 * curve(0.05 + 0.1 * f64::from(slice)));
    let last = 0.09 * curve(0.945) + 0.01 * curve(0.995);
    Times {
        p50: curve(0.5),
        p99: curve(0.99),
        mean: slices.sum::<f64>() + last,
    }
}

/// Over all sets of k of these chances, each as likely, the chance that all of a set are met.
fn any_set(done: &[f64], k: usize) -> f64 {
    let mut sets = vec![0.0; k + 1];
    sets[0] = 1.0;
    for done in done {
        for j in (1..=k).rev() {
            sets[j] += sets[j - 1] * done;
        }
    }
    let mut count = 1.0;
    for j in 0..k {
        let few = |number: usize| f64::from(u32::try_from(number).expect("few"));
        count *= few(done.len() - j) / few(j + 1);
    }
    sets[k] / count
}

/// Seconds after which a share has ended, of a chance that rises with time: by halving, to a microsecond.
#[must_use]
pub fn quantile(share: f64, done: impl Fn(f64) -> f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    while done(high) < share && high < 1e6 {
        high *= 2.0;
    }
    while high - low > 1e-6 {
        let middle = f64::midpoint(low, high);
        if done(middle) < share {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seat(seconds: f64) -> Seat {
        let curve = Curve::of(|share| seconds * (1.0 + share / 10.0));
        Seat {
            get: curve.clone(),
            put: curve.clone(),
            list: Curve::of(|_| 0.0),
        }
    }

    #[test]
    fn a_read_waits_for_k_and_a_put_for_all() {
        let mix = Foretold::of(vec![seat(0.1), seat(0.11), seat(0.12)], 2);
        let (reads, writes) = (mix.reads(), mix.writes());
        assert!(
            reads.p50 > 105.0 && reads.p99 < 133.0 && writes.p50 > 120.0,
            "{reads:?} {writes:?}"
        );
        assert!(reads.mean < writes.mean && (reads.mean - reads.p50).abs() < 10.0);
        let two = mix.without(&[2]).unwrap();
        assert!(two.reads().p50 < reads.p50 + 10.0 && mix.without(&[0, 1]).is_none());
    }

    #[test]
    fn who_is_slow_beside_the_others_is_asked_only_when_it_must_be() {
        let mix = Foretold::of(vec![seat(0.1), seat(0.1), seat(0.1), seat(5.0)], 2);
        assert!(mix.reads().p99 < 120.0);
        let out = mix.without(&[0, 1]).unwrap();
        assert!(out.reads().p50 > 5000.0);
    }
}
