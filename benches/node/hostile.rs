//! Hostile clients, thousands of requests of each kind, beside honest ones whose answers are timed: alone first, then with each kind.
//!
//! Honest clients ask at a steady rate whatever the answers take, so that their 99th percentile shows what others cost them. Hostile ones come at [`RATE`] a second:
//! a flood without bound takes any machine's processors. A line tells what the hostile requests were answered, the honest percentiles, and what the
//! process holds once the kind is over; the run fails if the server ends or if an honest request isn't answered well.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

use super::client::{Client, Server, secret};
use super::process::Process;

/// Honest clients, and how often each asks.
const HONEST: usize = 4;
const HONEST_EVERY: Duration = Duration::from_millis(5);

/// Hostile clients, and their requests a second, all together.
const HOSTILE: usize = 8;
const RATE: u64 = 1000;

/// Sockets that say a byte a second.
const LORISES: usize = 1000;

/// Seconds within which all of those have to be closed.
const CLOSED: Duration = Duration::from_mins(1);

/// How long honest clients are timed alone.
const ALONE: Duration = Duration::from_secs(5);

/// What a client sends as its request of a number.
type Request = fn(&Client, u64) -> Vec<u8>;

/// Kinds of requests: a name, and what is sent.
const KINDS: [(&str, Request); 10] = [
    ("a wrong swissnum", |_, _| {
        head("GET", "version", "Authorization: Tahoe-LAFS d3Jvbmc=\r\n", 0)
    }),
    ("paths that try to leave", |client, number| {
        let paths = [
            "immutable/../../../etc/passwd",
            "mutable/aaaaaaaaaaaaaaaaaaaaaaaaaa/%2e%2e",
            "immutable/aaaaaaaaaaaaaaaaaaaaaaaaab/0",
        ];
        known(client, "GET", in_turn(&paths, number), "", b"")
    }),
    ("ranges that aren't", |client, number| {
        let ranges = [
            "bytes=0-1,2-3",
            "bytes=5-",
            "bytes=-5",
            "bytes=9-1",
            "bytes=0-99999999999999999999",
        ];
        let range = format!("Range: {}\r\n", in_turn(&ranges, number));
        known(client, "GET", &format!("immutable/{}/0", client.name()), &range, b"")
    }),
    ("bodies that are too long", |client, _| {
        let secrets = [
            secret("lease-renew-secret"),
            secret("lease-cancel-secret"),
            secret("upload-secret"),
        ]
        .concat();
        head(
            "POST",
            &format!("immutable/{}", client.name()),
            &format!("Authorization: {}\r\n{secrets}", client.pass),
            1 << 40,
        )
    }),
    ("CBOR that nests", |client, _| message(client, &vec![0x81; 8000])),
    ("CBOR that counts to 2^64", |client, _| {
        message(client, b"\xbb\xff\xff\xff\xff\xff\xff\xff\xff")
    }),
    ("secrets that are missing", |client, _| {
        known(
            client,
            "POST",
            &format!("mutable/{}/read-test-write", client.name()),
            "",
            b"",
        )
    }),
    ("writes to a finished share", |client, _| {
        let headers = format!("{}Content-Range: bytes 0-999/*\r\n", secret("upload-secret"));
        known(
            client,
            "PATCH",
            &format!("immutable/{}/0", client.name()),
            &headers,
            &[7; 1000],
        )
    }),
    ("advisories", |client, number| {
        let reason = format!("{number:30000}");
        let mut body = b"\xa1\x66reason\x79".to_vec();
        body.extend_from_slice(&30_000_u16.to_be_bytes());
        body.extend_from_slice(reason.as_bytes());
        known(
            client,
            "POST",
            &format!("immutable/{}/0/corrupt", client.name()),
            "",
            &body,
        )
    }),
    ("the same request again", |client, _| {
        known(
            client,
            "GET",
            &format!("immutable/{}/0", client.name()),
            "Range: bytes=0-0\r\n",
            b"",
        )
    }),
];

/// Uploads that are never written: as many as a node has at once, so that it comes last.
const UPLOADS: Request = |client, number| {
    let secrets = [
        secret("lease-renew-secret"),
        secret("lease-cancel-secret"),
        secret("upload-secret"),
    ]
    .concat();
    let index = data_encoding::BASE32_NOPAD
        .encode(&blake3::hash(&number.to_le_bytes()).as_bytes()[..16])
        .to_ascii_lowercase();
    let mut body = b"\xa2\x6dshare-numbers\xd9\x01\x02\x81\x00\x6eallocated-size\x1a".to_vec();
    body.extend_from_slice(&100_u32.to_be_bytes());
    known(client, "POST", &format!("immutable/{index}"), &secrets, &body)
};

fn in_turn<'t>(texts: &[&'t str], number: u64) -> &'t str {
    let at = number % texts.len() as u64;
    texts[usize::try_from(at).expect("below their number")]
}

fn head(method: &str, path: &str, headers: &str, len: u64) -> Vec<u8> {
    format!("{method} /storage/v1/{path} HTTP/1.1\r\nHost: node\r\n{headers}Content-Length: {len}\r\n\r\n").into_bytes()
}

fn known(client: &Client, method: &str, path: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let mut request = head(
        method,
        path,
        &format!("Authorization: {}\r\n{headers}", client.pass),
        body.len() as u64,
    );
    request.extend_from_slice(body);
    request
}

fn message(client: &Client, body: &[u8]) -> Vec<u8> {
    let secrets = [
        secret("lease-renew-secret"),
        secret("lease-cancel-secret"),
        secret("write-enabler"),
    ]
    .concat();
    known(
        client,
        "POST",
        &format!("mutable/{}/read-test-write", client.name()),
        &secrets,
        body,
    )
}

/// Honest clients until they are stopped.
struct Honest {
    stop: Arc<AtomicBool>,
    clients: Vec<tokio::task::JoinHandle<Vec<Duration>>>,
}

impl Honest {
    fn start(server: &Server) -> Honest {
        let stop = Arc::new(AtomicBool::new(false));
        let clients = (0..HONEST).map(|_| tokio::spawn(honest(server.clone(), stop.clone())));
        Honest {
            clients: clients.collect(),
            stop,
        }
    }

    /// The median and the 99th percentile.
    async fn end(self) -> (Duration, Duration) {
        self.stop.store(true, Ordering::Relaxed);
        let mut took = Vec::new();
        for client in self.clients {
            took.extend(client.await.expect("an honest client is served"));
        }
        took.sort_unstable();
        (took[took.len() / 2], took[took.len() * 99 / 100])
    }
}

/// Every tenth request changes a slot, the others read.
async fn honest(server: Server, stop: Arc<AtomicBool>) -> Vec<Duration> {
    let (mut reader, mut writer) = (server.client().await, server.client().await);
    let ramp: Vec<u8> = (0..=250).collect();
    reader.write(&ramp.repeat(100)).await;
    writer.next_index();
    let (mut ticks, mut took) = (interval(HONEST_EVERY), Vec::new());
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for number in 0_u64.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        ticks.tick().await;
        let began = Instant::now();
        if number % 10 == 0 {
            writer.read_test_write(&ramp).await;
        } else {
            reader.read(4096, 4096).await;
        }
        took.push(began.elapsed());
    }
    took
}

pub(crate) async fn run(server: &Server, requests: u64, process: Option<Process>) {
    let alone = Honest::start(server);
    sleep(ALONE).await;
    let (median, most) = alone.end().await;
    println!(
        "{:<32}{:>10}{:>10}{:>8}{:>10}{:>7}   answers",
        "", "p50", "p99", "p99 x", "memory", "open"
    );
    tell("honest clients alone", (median, most), most, process, &BTreeMap::new());
    for (name, kind) in KINDS {
        let honest = Honest::start(server);
        let answers = flood(server, kind, requests).await;
        let times = honest.end().await;
        tell(name, times, most, process, &answers);
    }
    let honest = Honest::start(server);
    let longest = lorises(server).await;
    let times = honest.end().await;
    let name = format!("{LORISES} sockets, a byte a second");
    tell(&name, times, most, process, &BTreeMap::new());
    println!("the last of those was closed after {:.1} s", longest.as_secs_f64());
    assert!(longest <= CLOSED, "a slow socket stays open for {longest:?}");
    let honest = Honest::start(server);
    let answers = flood(server, UPLOADS, requests).await;
    let times = honest.end().await;
    tell("uploads that are never written", times, most, process, &answers);
    println!(
        "an honest upload is taken {:.0} s later",
        taken(server).await.as_secs_f64()
    );
}

fn tell(
    name: &str,
    (median, most): (Duration, Duration),
    alone: Duration,
    process: Option<Process>,
    answers: &BTreeMap<u16, u64>,
) {
    let told = answers.iter().fold(String::new(), |mut told, (status, times)| {
        write!(told, " {times} x {status}").expect("memory takes it");
        told
    });
    let times = most.as_secs_f64() / alone.as_secs_f64();
    let (memory, open) = process.map_or((0, 0), |process| (process.memory() >> 20, process.open()));
    println!("{name:<32}{median:>10.2?}{most:>10.2?}{times:>8.2}{memory:>6} MiB{open:>7}  {told}");
}

/// Requests of one kind; how often each status was the answer, 0 for a connection that was closed instead.
async fn flood(server: &Server, kind: Request, requests: u64) -> BTreeMap<u16, u64> {
    let sent = Arc::new(AtomicU64::new(0));
    let clients = (0..HOSTILE).map(|_| {
        let (server, sent) = (server.clone(), sent.clone());
        tokio::spawn(async move {
            let mut client = server.client().await;
            client.write(&[7; 100]).await;
            let share = client.index();
            let mut answers = BTreeMap::<u16, u64>::new();
            let every = Duration::from_micros(1_000_000 * HOSTILE as u64 / RATE);
            let mut ticks = interval(every);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                let number = sent.fetch_add(1, Ordering::Relaxed);
                if number >= requests {
                    return answers;
                }
                ticks.tick().await;
                let answer = client.send(&kind(&client, number)).await;
                *answers
                    .entry(answer.as_ref().map_or(0, |answer| answer.status))
                    .or_default() += 1;
                if answer.is_none_or(|answer| answer.closes) {
                    client = server.client().await;
                    client.set_index(share);
                }
            }
        })
    });
    let mut all = BTreeMap::<u16, u64>::new();
    for client in clients.collect::<Vec<_>>() {
        for (status, times) in client.await.expect("a hostile client is answered or closed") {
            *all.entry(status).or_default() += times;
        }
    }
    all
}

/// How long an honest client has to try until it may upload.
async fn taken(server: &Server) -> Duration {
    let (began, mut client) = (Instant::now(), server.client().await);
    while !client.try_write(&[7; 1000]).await {
        sleep(Duration::from_secs(1)).await;
    }
    began.elapsed()
}

/// Sockets that say a byte a second: half of them before TLS, half of a request's head. How long the last one stayed open.
async fn lorises(server: &Server) -> Duration {
    let sockets = (0..LORISES).map(|number| {
        let server = server.clone();
        tokio::spawn(async move {
            let began = Instant::now();
            if number % 2 == 0 {
                let tcp = TcpStream::connect(&server.address).await.expect("the server listens");
                drip_plain(tcp).await;
            } else {
                let mut client = server.client().await;
                let request = known(&client, "GET", "version", "", b"");
                for byte in request {
                    if client.drip(byte).await.is_none() {
                        break;
                    }
                }
            }
            began.elapsed()
        })
    });
    let mut longest = Duration::ZERO;
    for socket in sockets.collect::<Vec<_>>() {
        longest = longest.max(socket.await.expect("a slow socket is closed"));
    }
    longest
}

async fn drip_plain(mut tcp: TcpStream) {
    // A handshake's first bytes.
    for byte in [0x16, 3, 1, 2, 0].into_iter().chain(std::iter::repeat(0)) {
        if tcp.write_all(&[byte]).await.is_err() {
            return;
        }
        let mut answer = [0; 64];
        if let Ok(Ok(0) | Err(_)) = timeout(Duration::from_secs(1), tcp.read(&mut answer)).await {
            return;
        }
    }
}
