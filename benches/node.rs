//! A load generator for Tahoe storage nodes: any server of the protocol, told by its NURL.
//!
//! ```console
//! $ cargo bench --bench node -- 'pb://...' [--seconds 5] [--clients 1,16] [--only read] [--pid SERVER]
//! ```
//!
//! Each client is one connection that asks again as soon as it is answered. A line tells operations a second, bytes of payload a second, the median and the 99th
//! percentile of an operation, and with `--pid` what CPU time an operation took in the server's process. An operation of `write 1 KiB` is an allocation and a PATCH; of
//! 64 MiB, 65 requests. The generator takes its share of the machine: compare servers with the same one on the same machine only.

#![expect(clippy::print_stdout, reason = "its answer")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ciborium::{Value, cbor};
use data_encoding::{BASE32_NOPAD, BASE64, BASE64URL_NOPAD};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Barrier;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

const MIB: usize = 1 << 20;

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

/// A server, as its NURL tells it.
#[derive(Clone)]
struct Server {
    address: String,
    pass: String,
    tls: TlsConnector,
    run: [u8; 8],
}

impl Server {
    fn of(nurl: &str) -> Server {
        let rest = nurl.strip_prefix("pb://").and_then(|rest| rest.strip_suffix("#v=1"));
        let (pin, rest) = rest
            .and_then(|rest| rest.split_once('@'))
            .expect("a NURL: pb://PIN@HOST:PORT/SWISSNUM#v=1");
        let (address, swissnum) = rest.split_once('/').expect("a swissnum");
        assert_eq!(BASE64URL_NOPAD.decode(pin.as_bytes()).expect("a pin").len(), 32);
        let provider = Arc::new(aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .expect("TLS has versions")
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anybody(provider)))
            .with_no_client_auth();
        Server {
            address: address.to_owned(),
            pass: format!("Tahoe-LAFS {}", BASE64.encode(swissnum.as_bytes())),
            tls: TlsConnector::from(Arc::new(config)),
            run: raic::entropy::random(&raic::entropy::SystemEntropy),
        }
    }

    async fn client(&self) -> Client {
        let tcp = TcpStream::connect(&self.address).await.expect("the server listens");
        tcp.set_nodelay(true).expect("a socket");
        let name = ServerName::try_from("127.0.0.1").expect("a name");
        let stream = self.tls.connect(name, tcp).await.expect("the server speaks TLS");
        Client {
            stream,
            pass: self.pass.clone(),
            rest: Vec::new(),
            index: [0; 16],
            run: self.run,
            count: 0,
        }
    }
}

/// A connection.
struct Client {
    stream: TlsStream<TcpStream>,
    pass: String,
    rest: Vec<u8>,
    /// What it made last.
    index: [u8; 16],
    /// Tells this run from others.
    run: [u8; 8],
    /// Read-test-writes done.
    count: u64,
}

fn secret(kind: &str) -> String {
    format!("X-Tahoe-Authorization: {kind} {}\r\n", BASE64.encode(&[7; 32]))
}

impl Client {
    fn name(&self) -> String {
        BASE32_NOPAD.encode(&self.index).to_ascii_lowercase()
    }

    /// Another storage index than anybody had before.
    fn next_index(&mut self) {
        static MADE: AtomicU64 = AtomicU64::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed).to_le_bytes();
        let hash = blake3::derive_key(
            "storage indexes of the load generator",
            &[&self.run[..], &number].concat(),
        );
        self.index.copy_from_slice(&hash[..16]);
    }

    async fn ask(&mut self, method: &str, path: &str, headers: &str, body: &[u8]) -> (u16, Vec<u8>) {
        let mut request = format!(
            "{method} /storage/v1/{path} HTTP/1.1\r\nHost: node\r\nAuthorization: {}\r\n{headers}Content-Length: {}\r\n\r\n",
            self.pass,
            body.len()
        )
        .into_bytes();
        request.extend_from_slice(body);
        self.stream.write_all(&request).await.expect("the server reads");
        self.stream.flush().await.expect("the server reads");
        self.answer().await
    }

    async fn answer(&mut self) -> (u16, Vec<u8>) {
        let end = self.until(b"\r\n\r\n").await;
        let head = String::from_utf8(self.rest.drain(..end).collect())
            .expect("a head is text")
            .to_ascii_lowercase();
        let status = head[9..12].parse().expect("a status");
        let len = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
        let body = match len {
            _ if status == 204 => Vec::new(),
            Some(len) => self.exactly(len).await,
            None if head.contains("transfer-encoding: chunked") => self.chunks().await,
            None => Vec::new(),
        };
        (status, body)
    }

    async fn chunks(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        loop {
            let end = self.until(b"\r\n").await;
            let line = String::from_utf8(self.rest.drain(..end).collect()).expect("a length is text");
            let len = usize::from_str_radix(line.trim(), 16).expect("a length");
            body.extend(self.exactly(len + 2).await);
            body.truncate(body.len() - 2);
            if len == 0 {
                return body;
            }
        }
    }

    async fn until(&mut self, mark: &[u8]) -> usize {
        loop {
            if let Some(at) = self.rest.windows(mark.len()).position(|bytes| bytes == mark) {
                return at + mark.len();
            }
            self.more().await;
        }
    }

    async fn exactly(&mut self, len: usize) -> Vec<u8> {
        while self.rest.len() < len {
            self.more().await;
        }
        let left = self.rest.split_off(len);
        std::mem::replace(&mut self.rest, left)
    }

    async fn more(&mut self) {
        self.rest.reserve(256 << 10);
        let read = self.stream.read_buf(&mut self.rest).await.expect("the server answers");
        assert!(read > 0, "the server closed a connection");
    }

    async fn write(&mut self, bytes: &[u8]) {
        self.next_index();
        let asked = cbor!({"share-numbers" => Value::Tag(258, Box::new(Value::Array(vec![0.into()]))), "allocated-size" => bytes.len()});
        let headers = [
            secret("lease-renew-secret"),
            secret("lease-cancel-secret"),
            secret("upload-secret"),
            "Content-Type: application/cbor\r\n".to_owned(),
        ];
        let (status, _) = self
            .ask(
                "POST",
                &format!("immutable/{}", self.name()),
                &headers.concat(),
                &encoded(asked),
            )
            .await;
        assert_eq!(status, 200, "allocating");
        let path = format!("immutable/{}/0", self.name());
        for (number, piece) in bytes.chunks(MIB).enumerate() {
            let at = number * MIB;
            let headers = format!(
                "{}Content-Range: bytes {at}-{}/*\r\n",
                secret("upload-secret"),
                at + piece.len() - 1
            );
            let (status, _) = self.ask("PATCH", &path, &headers, piece).await;
            assert!(
                status == 201 || (status == 200 && at + piece.len() < bytes.len()),
                "{status}"
            );
        }
    }

    async fn read_test_write(&mut self, bytes: &[u8]) {
        let mut data = bytes.to_vec();
        data[..8].copy_from_slice(&self.count.to_le_bytes());
        let (old, now) = (self.count.to_le_bytes(), (self.count + 1).to_le_bytes());
        let tests = if self.count == 0 {
            Vec::new()
        } else {
            vec![old.to_vec()]
        };
        data[..8].copy_from_slice(&now);
        let tests: Vec<Value> = tests
            .into_iter()
            .map(|old| cbor!({"offset" => 0, "size" => 8, "specimen" => Value::Bytes(old)}).expect("CBOR"))
            .collect();
        let write = cbor!({"offset" => 0, "data" => Value::Bytes(data)}).expect("CBOR");
        let share = cbor!({"test" => tests, "write" => vec![write], "new-length" => Value::Null}).expect("CBOR");
        let read = cbor!({"offset" => 0, "size" => 41}).expect("CBOR");
        let shares = Value::Map(vec![(0.into(), share)]);
        let asked = cbor!({"test-write-vectors" => shares, "read-vector" => vec![read]});
        let headers = [
            secret("lease-renew-secret"),
            secret("lease-cancel-secret"),
            secret("write-enabler"),
            "Content-Type: application/cbor\r\n".to_owned(),
        ];
        let path = format!("mutable/{}/read-test-write", self.name());
        let (status, told) = self.ask("POST", &path, &headers.concat(), &encoded(asked)).await;
        assert_eq!(status, 200);
        let told: Value = ciborium::from_reader(told.as_slice()).expect("CBOR");
        let success = |(key, value): &(Value, Value)| key.as_text() == Some("success") && value.as_bool() == Some(true);
        assert!(
            told.as_map().expect("a map").iter().any(success),
            "a test failed: {told:?}"
        );
        self.count += 1;
    }

    async fn read(&mut self, at: usize, len: usize) {
        let headers = format!("Range: bytes={at}-{}\r\n", at + len - 1);
        let (status, bytes) = self
            .ask("GET", &format!("immutable/{}/0", self.name()), &headers, b"")
            .await;
        assert_eq!((status, bytes.len()), (206, len));
    }
}

fn encoded(message: Result<Value, ciborium::value::Error>) -> Vec<u8> {
    let mut bytes = Vec::new();
    ciborium::into_writer(&message.expect("CBOR"), &mut bytes).expect("memory takes it");
    bytes
}

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

/// CPU time of a process until now, in clock ticks of 10 ms.
fn ticks(pid: Option<u32>) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid?)).ok()?;
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    Some(fields[11].parse::<u64>().ok()? + fields[12].parse::<u64>().ok()?)
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
    let pid = option("--pid").map(|pid| pid.parse::<u32>().expect("a process"));
    let server = Server::of(nurl);
    println!(
        "{:<24}{:>8}{:>12}{:>10}{:>12}{:>12}{:>12}",
        "", "clients", "a second", "MiB/s", "p50", "p99", "CPU of one"
    );
    for (name, what) in ALL
        .iter()
        .filter(|(name, _)| option("--only").is_none_or(|only| name.contains(only.as_str())))
    {
        for clients in clients
            .split(',')
            .map(|clients| clients.parse::<usize>().expect("a number of clients"))
        {
            measure(&server, name, *what, clients, seconds, pid).await;
        }
    }
}

async fn measure(server: &Server, name: &str, what: Work, clients: usize, seconds: u64, pid: Option<u32>) {
    let ready = Arc::new(Barrier::new(clients + 1));
    // Made before anybody connects: a server waits ten seconds for a request.
    let period: Vec<u8> = (0..=250).collect();
    let ramp: Arc<[u8]> = period.repeat(64 * MIB / period.len() + 1).into();
    let working = (0..clients).map(|_| tokio::spawn(work(server.clone(), what, seconds, ready.clone(), ramp.clone())));
    let working: Vec<_> = working.collect();
    ready.wait().await;
    let before = ticks(pid);
    let (mut took, mut rate) = (Vec::new(), 0.0);
    for client in working {
        let (times, elapsed) = client.await.expect("a client works to its end");
        #[expect(clippy::cast_precision_loss, reason = "figures for people")]
        let own = times.len() as f64 / elapsed;
        rate += own;
        took.extend(times);
    }
    let after = ticks(pid);
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
        "{name:<24}{clients:>8}{rate:>12.1}{bytes:>10.1}{:>12.2?}{:>12.2?}{cpu:>12}",
        quantile(50),
        quantile(99)
    );
}

/// Whoever answers is measured: nothing secret is sent.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
