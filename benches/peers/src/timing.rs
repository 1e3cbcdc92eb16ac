//! How long something takes: on the CPU, and by the wall.

use std::time::Instant;

use rustix::time::{ClockId, clock_gettime};

/// What one round gives each competitor, in nanoseconds: long beside the clock's own call (0.3 µs), short beside what disturbs.
const SLICE: f64 = 2e6;

/// Nanoseconds of one call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    pub(crate) cpu: f64,
    pub(crate) wall: f64,
}

/// The rounds of one competitor.
#[derive(Clone, Debug, Default)]
pub(crate) struct Series(Vec<Sample>);

impl Series {
    pub(crate) fn push(&mut self, sample: Sample) {
        self.0.push(sample);
    }

    fn sorted(&self, of: fn(&Sample) -> f64) -> Vec<f64> {
        let mut times: Vec<f64> = self.0.iter().map(of).collect();
        times.sort_by(f64::total_cmp);
        times
    }

    /// The least CPU time of a call.
    pub(crate) fn least(&self) -> f64 {
        self.sorted(|sample| sample.cpu)[0]
    }

    /// The median CPU time of a call.
    pub(crate) fn median(&self) -> f64 {
        self.sorted(|sample| sample.cpu)[self.0.len() / 2]
    }

    /// The median wall time of a call.
    pub(crate) fn wall(&self) -> f64 {
        self.sorted(|sample| sample.wall)[self.0.len() / 2]
    }
}

/// Times `run(times)`, which makes so many calls.
pub(crate) fn time(times: usize, run: &mut dyn FnMut(usize)) -> Sample {
    let (wall, cpu) = (Instant::now(), on_cpu());
    run(times);
    #[expect(
        clippy::cast_precision_loss,
        reason = "a count of calls, and nanoseconds of a few seconds"
    )]
    Sample {
        cpu: (on_cpu() - cpu) as f64 / times as f64,
        wall: wall.elapsed().as_nanos() as f64 / times as f64,
    }
}

/// How many calls fill a slice.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "between 1 and 2 million"
)]
pub(crate) fn calls(run: &mut dyn FnMut(usize)) -> usize {
    run(1);
    let rough = time(1, run).cpu.max(1.0);
    let few = (SLICE / 20.0 / rough).clamp(1.0, 2e6) as usize;
    let call = time(few, run).cpu.max(1.0);
    (SLICE / call).clamp(1.0, 2e6) as usize
}

/// Nanoseconds that all threads of this process have had a CPU.
fn on_cpu() -> i64 {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    now.tv_sec * 1_000_000_000 + now.tv_nsec
}
