//! The real store while one of six providers is slow, stands still or is dead, beside a store that asks all n and waits for the slowest.
//!
//! ```text
//! cargo bench --bench trouble [-- real]
//!
//! reads of 1 MiB    healthy ─▶ one tenfold slower, 200 reads to get used to it ─▶ measured
//! puts of 1 MiB     healthy ─▶ one stands still ─▶ one dead           to the acknowledgement, at the quorum
//! ```
//!
//! Providers keep a law (a median, a spread, a rate each way) over memory, behind the wrappers that real ones have. Time is virtual: what computing takes counts as
//! nothing, so the figures are those of waiting and of every machine. With `real` they are a few hundred calls by the clock. A figure that isn't held ends it with 1.

#![expect(clippy::print_stdout, reason = "the table is the answer")]

use std::process::ExitCode;

mod scene;
mod slow;

use scene::{Scene, Times};

/// Reads and puts that are measured of each kind: virtual, and by the clock.
const MANY: (usize, usize) = (10_000, 1_000);
const FEW: (usize, usize) = (600, 150);

/// Reads after which the store has to know who is slow.
const WARM: usize = 200;

/// What is asked of reads with one provider slow, over the healthy: time of the 99th in a hundred, and bytes.
const MOST: f64 = 1.3;
const MOST_BYTES: f64 = 0.10;

/// What is asked of puts with one dead, over the healthy.
const MOST_DEAD: f64 = 1.05;

fn main() -> ExitCode {
    let real = std::env::args().any(|word| word == "real");
    let held = if real {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime.block_on(run(FEW.0, FEW.1))
    } else {
        raic::mix::trial::in_virtual_time(run(MANY.0, MANY.1))
    };
    if held { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn run(reads: usize, puts: usize) -> bool {
    println!(
        "4+2 over six providers alike, objects of 1 MiB; {reads} reads and {puts} puts of each kind; milliseconds"
    );
    let mut scene = Scene::new().await;
    let reads_held = read(&mut scene, reads).await;
    let puts_held = put(&mut scene, puts).await;
    reads_held && puts_held
}

async fn read(scene: &mut Scene, reads: usize) -> bool {
    scene.reads(WARM).await;
    let healthy = scene.reads(reads).await;
    let healthy_all = scene.reads_of_all(reads).await;
    scene.slow(true);
    let getting_used = scene.reads(WARM).await;
    let slowed = scene.reads(reads).await;
    let slowed_all = scene.reads_of_all(reads).await;
    scene.slow(false);
    show("read, healthy", &healthy);
    show("read, all n asked, healthy", &healthy_all);
    show("read, one slow, the first", &getting_used);
    show("read, one slow", &slowed);
    show("read, all n asked, one slow", &slowed_all);
    let ratio = slowed.quantile(0.99) / healthy.quantile(0.99);
    let bytes = slowed.bytes / healthy.bytes - 1.0;
    let beside = slowed_all.quantile(0.99) / slowed.quantile(0.99);
    let spares = slowed.spares / slowed.asked;
    println!(
        "p99 with one slow over healthy: {ratio:.2} (at most {MOST}); all n asked and waited for: {beside:.1} times that"
    );
    println!(
        "bytes asked over healthy: {:+.1} % (at most +{:.0} %); spare requests {:.2} %",
        bytes * 100.0,
        MOST_BYTES * 100.0,
        spares * 100.0
    );
    ratio <= MOST && bytes <= MOST_BYTES
}

async fn put(scene: &mut Scene, puts: usize) -> bool {
    let healthy = scene.puts(puts).await;
    scene.hang();
    let stalled = scene.puts(puts).await;
    scene.kill();
    let dead = scene.puts(puts).await;
    scene.revive();
    show("put, healthy", &healthy);
    show("put, one stands still", &stalled);
    show("put, one dead", &dead);
    let (more, hedge) = (stalled.quantile(0.99) - healthy.quantile(0.99), scene.hedge_delay());
    let dead_ratio = dead.mean() / healthy.mean();
    println!(
        "one stands still: the 99th in a hundred takes {more:+.0} ms (at most a hedge delay more, {hedge:.0} ms); the longest {:+.0} ms",
        stalled.quantile(1.0) - healthy.quantile(1.0)
    );
    println!(
        "one dead: the mean over the healthy {dead_ratio:.3} (at most {MOST_DEAD}), the 99th {:.3}",
        dead.quantile(0.99) / healthy.quantile(0.99)
    );
    more <= hedge && stalled.quantile(1.0) - healthy.quantile(1.0) <= hedge && dead_ratio <= MOST_DEAD
}

fn show(what: &str, times: &Times) {
    let [p50, p95, p99, most] = [0.5, 0.95, 0.99, 1.0].map(|share| times.quantile(share));
    println!(
        "{what:28}  mean {:6.1}  p50 {p50:6.1}  p95 {p95:6.1}  p99 {p99:6.1}  most {most:7.1}",
        times.mean()
    );
}
