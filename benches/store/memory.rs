//! Over providers that keep references to what they are given: beside what a put and a get do to their bytes, nothing else. The bytes of that are as many, each
//! stripe has buffers of its own, and as many threads as there are cores take turns at them.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::pipeline_get::Reads;
use crate::{K, M, cipher, median, raic_get, raic_put, store};

const ROUNDS: usize = 15;

/// One of the limits: what is done to each extent.
type Step = fn(&mut Reads);

/// The limits of a put whose bytes are in place, of one that reads them from memory, and of a get.
const LIMITS: [Step; 3] = [
    |reads| reads.put.weave(),
    |reads| reads.put.weave_from(&reads.plain),
    |reads| reads.read(0),
];

pub(crate) async fn compare(folder: &Path, mib: usize, sealed: bool) {
    let folder = tempfile::tempdir_in(folder).expect("a folder");
    let (mut extents, mut data) = (Vec::new(), Vec::new());
    while data.len() < mib << 20 {
        let mut reads = Reads::new(K, K + M, sealed);
        reads.check();
        data.extend_from_slice(&reads.plain);
        extents.push(reads);
    }
    let data = Arc::new(data);
    let store = store("sharing", folder.path()).await;
    let threads = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mut times: [Vec<Duration>; 5] = Default::default();
    let mut ticks = [0; 5];
    for round in 0..=ROUNDS {
        let mut spent = Spent::begin();
        let put = raic_put(&store, &data, sealed).await;
        spent.lap();
        let get = raic_get(&store, &data, false).await;
        spent.lap();
        store.sweep(100_000).await.expect("old blobs go");
        spent.skip();
        let [in_place, filled, read] = LIMITS.map(|step| {
            let time = on_all(threads, &mut extents, step);
            spent.lap();
            time
        });
        // The first round takes memory that the others find.
        if round > 0 {
            let all = [put, get, in_place, filled, read];
            times.iter_mut().zip(all).for_each(|(times, time)| times.push(time));
            ticks.iter_mut().zip(spent.laps).for_each(|(sum, lap)| *sum += lap);
        }
    }
    raic_get(&store, &data, true).await;
    let mib = f64::from(u32::try_from(data.len() >> 20).expect("fewer than 2^32 MiB"));
    let rate = |time: Duration| mib * 1.048_576e-3 / time.as_secs_f64();
    let [put, get, in_place, filled, read] = times.each_ref().map(|times| median(times));
    println!(
        "memory {:9} GB/s, {threads} threads: put {:.2} of {:.2} in place, {:.2} from a source; get {:.2} of {:.2}",
        cipher(sealed),
        rate(put),
        rate(in_place),
        rate(filled),
        rate(get),
        rate(read)
    );
    let ratio = |limit: usize, ours: usize| {
        let rounds = times[limit].iter().zip(&times[ours]);
        let mut ratios: Vec<f64> = rounds
            .map(|(limit, ours)| limit.as_secs_f64() / ours.as_secs_f64())
            .collect();
        ratios.sort_by(f64::total_cmp);
        format!("{:.2} ({:.2}–{:.2})", ratios[ROUNDS / 2], ratios[0], ratios[ROUNDS - 1])
    };
    let [put, get, in_place, filled, read] = ticks.map(f64::from);
    println!(
        "memory {:9} CPU of the pipeline over RAIC's: put {:.2}, {:.2} with the source; get {:.2}: sums of all rounds",
        cipher(sealed),
        in_place / put,
        filled / put,
        read / get
    );
    println!(
        "memory {:9} ratio put  {}, {} with the source; ratio get  {}: median (least–most) of {ROUNDS} rounds",
        cipher(sealed),
        ratio(2, 0),
        ratio(3, 0),
        ratio(4, 1)
    );
}

/// What the process spends of the CPU, lap by lap, in ticks of the kernel, 10 ms.
struct Spent {
    since: u32,
    laps: Vec<u32>,
}

impl Spent {
    fn begin() -> Spent {
        Spent {
            since: ticks(),
            laps: Vec::new(),
        }
    }

    fn lap(&mut self) {
        let now = ticks();
        self.laps.push(now - self.since);
        self.since = now;
    }

    /// What was spent since the last lap counts for nothing.
    fn skip(&mut self) {
        self.since = ticks();
    }
}

/// So many ticks have all threads of the process had a CPU.
fn ticks() -> u32 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux");
    let (_, fields) = stat.rsplit_once(')').expect("a name in brackets");
    let times = fields.split_whitespace().skip(11).take(2);
    times.map(|time| time.parse::<u32>().expect("a number")).sum()
}

/// Does it to every extent, on so many threads.
fn on_all(threads: usize, extents: &mut [Reads], step: Step) -> Duration {
    let begin = Instant::now();
    let queue = Mutex::new(extents.iter_mut());
    let take = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(extent) = take() {
                    step(extent);
                }
            });
        }
    });
    begin.elapsed()
}
