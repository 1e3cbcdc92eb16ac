//! Turns, and what is made of their times.

use std::sync::Barrier;
use std::time::{Duration, Instant};

/// Time of one measurement of a round.
const TURN: Duration = Duration::from_millis(40);

/// Seconds for one go: the quickest of a turn, which others on the machine disturb least.
pub(crate) fn turn(mut go: impl FnMut()) -> f64 {
    let (turn, mut least) = (Instant::now(), f64::MAX);
    while turn.elapsed() < TURN {
        let begin = Instant::now();
        go();
        least = least.min(begin.elapsed().as_secs_f64());
    }
    least
}

/// Seconds for one go, the mean of as many as a turn has room for.
pub(crate) fn whole_turn(mut go: impl FnMut()) -> f64 {
    let begin = Instant::now();
    let mut times = 0;
    while begin.elapsed() < TURN {
        go();
        times += 1;
    }
    begin.elapsed().as_secs_f64() / f64::from(times)
}

/// The mean of two threads at once, each on its own: seconds for one go of both.
pub(crate) fn turn_of_two<T: Send>(pair: &mut [T; 2], go: fn(&mut T)) -> f64 {
    let (barrier, [one, two]) = (Barrier::new(2), pair);
    let run = |own: &mut T| {
        barrier.wait();
        whole_turn(|| go(own))
    };
    std::thread::scope(|scope| {
        let other = scope.spawn(|| run(one));
        let own = run(two);
        f64::midpoint(own, other.join().expect("it measures"))
    })
}

pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// A figure of every round: the median, and the least and the most.
pub(crate) struct Figure(pub(crate) Vec<f64>);

impl std::fmt::Display for Figure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (least, most) = self
            .0
            .iter()
            .fold((f64::MAX, 0.0), |(low, high), value| (value.min(low), value.max(high)));
        write!(f, "{:.2} ({least:.2}–{most:.2})", median(self.0.clone()))
    }
}
