//! A load generator for Tahoe storage nodes: any server of the protocol, told by its NURL.
//!
//! ```console
//! $ cargo bench --bench node -- 'pb://...' [--seconds 5] [--clients 1,16] [--only read] [--pid SERVER]
//! $ cargo bench --bench node -- 'pb://...' --hostile 10000 --pid SERVER
//! ```
//!
//! Each client is one connection that asks again as soon as it is answered. A line tells operations a second, bytes of payload a second, the median and the 99th
//! percentile of an operation, and with `--pid` what CPU time an operation took in the server's process, the most memory and the most bytes of a spool file that it
//! had meanwhile. An operation of `write 1 KiB` is an allocation and a PATCH; of 64 MiB, 65 requests. The generator takes its share of the machine: compare servers with
//! the same one on the same machine only. `--hostile` is `hostile.rs`.

#![expect(clippy::print_stdout, reason = "its answer")]

mod client;
mod hostile;
mod process;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Barrier;

use client::{MIB, Server};
use process::Process;

/// What one client does again and again.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Work {
    Write(usize),
    ReadTestWrite(usize),
    ReadRange(usize),
    Read(usize),
}

const ALL: [(&str, Work); 7] = [
    ("write 1 KiB", Work::Write(1024)),
    ("read-test-write 2 KiB", Work::ReadTestWrite(2048)),
    ("read range of 4 KiB", Work::ReadRange(4096)),
    ("write 1 MiB", Work::Write(MIB)),
    ("read 1 MiB", Work::Read(MIB)),
    ("write 64 MiB", Work::Write(64 * MIB)),
    ("read 64 MiB", Work::Read(64 * MIB)),
];

/// One client at work for a time; how long each operation took.
async fn work(server: Server, work: Work, seconds: u64, ready: Arc<Barrier>, ramp: Arc<[u8]>) -> (Vec<Duration>, f64) {
    let mut client = server.client().await;
    let share = match work {
        Work::ReadRange(_) => MIB,
        Work::Read(len) => len,
        Work::Write(_) | Work::ReadTestWrite(_) => 0,
    };
    if share > 0 {
        client.write(&ramp[..share]).await;
    } else {
        client.next_index();
    }
    ready.wait().await;
    let (began, mut took, mut at) = (Instant::now(), Vec::new(), 0);
    while began.elapsed() < Duration::from_secs(seconds) {
        let since = Instant::now();
        match work {
            Work::Write(len) => client.write(&ramp[..len]).await,
            Work::ReadTestWrite(len) => client.read_test_write(&ramp[..len]).await,
            Work::ReadRange(len) => {
                at = (at + 37 * len) % (MIB - len);
                client.read(at, len).await;
            }
            Work::Read(len) => {
                for at in (0..len).step_by(MIB) {
                    client.read(at, MIB).await;
                }
            }
        }
        took.push(since.elapsed());
    }
    let elapsed = began.elapsed().as_secs_f64();
    (took, elapsed)
}

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench")
        .collect();
    let Some(nurl) = arguments.first() else {
        println!("cargo bench --bench node -- NURL [--seconds 5] [--clients 1,16] [--only WORK] [--pid SERVER]");
        return;
    };
    let option = |name: &str| {
        arguments
            .iter()
            .position(|argument| argument == name)
            .and_then(|at| arguments.get(at + 1))
    };
    let seconds = option("--seconds").map_or(5, |seconds| seconds.parse().expect("seconds"));
    let clients = option("--clients").map_or("1,16", String::as_str);
    let process = option("--pid").map(|pid| Process::of(pid.parse().expect("a process")));
    let server = Server::of(nurl);
    if let Some(requests) = option("--hostile") {
        hostile::run(&server, requests.parse().expect("a number of requests"), process).await;
        return;
    }
    println!(
        "{:<24}{:>8}{:>12}{:>10}{:>12}{:>12}{:>12}{:>10}{:>10}",
        "", "clients", "a second", "MiB/s", "p50", "p99", "CPU of one", "memory", "spool"
    );
    for (name, what) in ALL
        .iter()
        .filter(|(name, _)| option("--only").is_none_or(|only| name.contains(only.as_str())))
    {
        for clients in clients
            .split(',')
            .map(|clients| clients.parse::<usize>().expect("a number of clients"))
        {
            measure(&server, name, *what, clients, seconds, process).await;
        }
    }
}

async fn measure(server: &Server, name: &str, what: Work, clients: usize, seconds: u64, process: Option<Process>) {
    let ready = Arc::new(Barrier::new(clients + 1));
    // Made before anybody connects: a server waits ten seconds for a request.
    let period: Vec<u8> = (0..=250).collect();
    let ramp: Arc<[u8]> = period.repeat(64 * MIB / period.len() + 1).into();
    let working = (0..clients).map(|_| tokio::spawn(work(server.clone(), what, seconds, ready.clone(), ramp.clone())));
    let working: Vec<_> = working.collect();
    ready.wait().await;
    let (before, watched) = (process.map(Process::ticks), process.map(Process::watch));
    let (mut took, mut rate) = (Vec::new(), 0.0);
    for client in working {
        let (times, elapsed) = client.await.expect("a client works to its end");
        #[expect(clippy::cast_precision_loss, reason = "figures for people")]
        let own = times.len() as f64 / elapsed;
        rate += own;
        took.extend(times);
    }
    let after = process.map(Process::ticks);
    let most = match watched {
        Some(watched) => watched.most().await,
        None => process::Most::default(),
    };
    took.sort_unstable();
    let quantile = |share: usize| took[(took.len() - 1) * share / 100];
    let (Work::Write(len) | Work::ReadTestWrite(len) | Work::ReadRange(len) | Work::Read(len)) = what;
    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    let (bytes, cpu) = (
        rate * len as f64 / MIB as f64,
        before
            .zip(after)
            .map(|(before, after)| (after - before) as f64 * 10.0 / took.len() as f64),
    );
    let cpu = cpu.map_or_else(|| "-".to_owned(), |cpu| format!("{cpu:.3} ms"));
    println!(
        "{name:<24}{clients:>8}{rate:>12.1}{bytes:>10.1}{:>12.2?}{:>12.2?}{cpu:>12}{:>6} MiB{:>6} MiB",
        quantile(50),
        quantile(99),
        most.memory >> 20,
        most.spool >> 20,
    );
}
