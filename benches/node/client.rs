//! A client of the protocol: one connection, requests written by hand, so that it costs the machine little.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ciborium::{Value, cbor};
use data_encoding::{BASE32_NOPAD, BASE64, BASE64URL_NOPAD};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Bytes that are received at once: TLS by itself asks for 4 KiB a time, and the machine is shared with the server.
const RECEIVED: usize = 256 << 10;

pub(crate) const MIB: usize = 1 << 20;

/// A server, as its NURL tells it.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) address: String,
    pass: String,
    tls: TlsConnector,
    run: [u8; 8],
}

impl Server {
    pub(crate) fn of(nurl: &str) -> Server {
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

    pub(crate) async fn client(&self) -> Client {
        let tcp = TcpStream::connect(&self.address).await.expect("the server listens");
        tcp.set_nodelay(true).expect("a socket");
        let name = ServerName::try_from("127.0.0.1").expect("a name");
        let stream = self
            .tls
            .connect(name, BufReader::with_capacity(RECEIVED, tcp))
            .await
            .expect("the server speaks TLS");
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
pub(crate) struct Client {
    stream: TlsStream<BufReader<TcpStream>>,
    pub(crate) pass: String,
    rest: Vec<u8>,
    /// What it made last.
    index: [u8; 16],
    /// Tells this run from others.
    run: [u8; 8],
    /// Read-test-writes done.
    count: u64,
}

/// What the server said.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
    /// It ends the connection.
    pub(crate) closes: bool,
}

pub(crate) fn secret(kind: &str) -> String {
    format!("X-Tahoe-Authorization: {kind} {}\r\n", BASE64.encode(&[7; 32]))
}

impl Client {
    pub(crate) fn name(&self) -> String {
        BASE32_NOPAD.encode(&self.index).to_ascii_lowercase()
    }

    /// Another storage index than anybody had before.
    pub(crate) fn next_index(&mut self) {
        static MADE: AtomicU64 = AtomicU64::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed).to_le_bytes();
        let hash = blake3::derive_key(
            "storage indexes of the load generator",
            &[&self.run[..], &number].concat(),
        );
        self.index.copy_from_slice(&hash[..16]);
    }

    pub(crate) async fn ask(&mut self, method: &str, path: &str, headers: &str, body: &[u8]) -> (u16, Vec<u8>) {
        let mut request = format!(
            "{method} /storage/v1/{path} HTTP/1.1\r\nHost: node\r\nAuthorization: {}\r\n{headers}Content-Length: {}\r\n\r\n",
            self.pass,
            body.len()
        )
        .into_bytes();
        request.extend_from_slice(body);
        let answer = self.send(&request).await.expect("the server answers");
        (answer.status, answer.body)
    }

    /// Any bytes as a request; `None` if the server closed the connection instead of an answer.
    pub(crate) async fn send(&mut self, request: &[u8]) -> Option<Answer> {
        self.stream.write_all(request).await.ok()?;
        self.stream.flush().await.ok()?;
        self.answer().await
    }

    /// One byte, and a second's wait; `None` if the server has closed the connection.
    pub(crate) async fn drip(&mut self, byte: u8) -> Option<()> {
        self.stream.write_all(&[byte]).await.ok()?;
        self.stream.flush().await.ok()?;
        match tokio::time::timeout(std::time::Duration::from_secs(1), self.more()).await {
            Ok(None) => None,
            _ => Some(()),
        }
    }

    pub(crate) fn index(&self) -> [u8; 16] {
        self.index
    }

    pub(crate) fn set_index(&mut self, index: [u8; 16]) {
        self.index = index;
    }

    async fn answer(&mut self) -> Option<Answer> {
        let end = self.until(b"\r\n\r\n").await?;
        let head = String::from_utf8(self.rest.drain(..end).collect())
            .expect("a head is text")
            .to_ascii_lowercase();
        let status = head[9..12].parse().expect("a status");
        let len = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
        let body = match len {
            _ if status == 204 => Vec::new(),
            Some(len) => self.exactly(len).await?,
            None if head.contains("transfer-encoding: chunked") => self.chunks().await?,
            None => Vec::new(),
        };
        Some(Answer {
            status,
            body,
            closes: head.contains("connection: close"),
        })
    }

    async fn chunks(&mut self) -> Option<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let end = self.until(b"\r\n").await?;
            let line = String::from_utf8(self.rest.drain(..end).collect()).expect("a length is text");
            let len = usize::from_str_radix(line.trim(), 16).expect("a length");
            body.extend(self.exactly(len + 2).await?);
            body.truncate(body.len() - 2);
            if len == 0 {
                return Some(body);
            }
        }
    }

    async fn until(&mut self, mark: &[u8]) -> Option<usize> {
        loop {
            if let Some(at) = self.rest.windows(mark.len()).position(|bytes| bytes == mark) {
                return Some(at + mark.len());
            }
            self.more().await?;
        }
    }

    async fn exactly(&mut self, len: usize) -> Option<Vec<u8>> {
        while self.rest.len() < len {
            self.more().await?;
        }
        let left = self.rest.split_off(len);
        Some(std::mem::replace(&mut self.rest, left))
    }

    async fn more(&mut self) -> Option<()> {
        self.rest.reserve(256 << 10);
        let read = self.stream.read_buf(&mut self.rest).await.ok()?;
        (read > 0).then_some(())
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        assert!(self.try_write(bytes).await, "the server has no room for a share");
    }

    /// False if the server gave no room for it.
    pub(crate) async fn try_write(&mut self, bytes: &[u8]) -> bool {
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
            if status == 404 && at == 0 {
                return false;
            }
            assert!(
                status == 201 || (status == 200 && at + piece.len() < bytes.len()),
                "{status}"
            );
        }
        true
    }

    pub(crate) async fn read_test_write(&mut self, bytes: &[u8]) {
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

    pub(crate) async fn read(&mut self, at: usize, len: usize) {
        let headers = format!("Range: bytes={at}-{}\r\n", at + len - 1);
        let (status, bytes) = self
            .ask("GET", &format!("immutable/{}/0", self.name()), &headers, b"")
            .await;
        assert_eq!((status, bytes.len()), (206, len));
    }
}

pub(crate) fn encoded(message: Result<Value, ciborium::value::Error>) -> Vec<u8> {
    let mut bytes = Vec::new();
    ciborium::into_writer(&message.expect("CBOR"), &mut bytes).expect("memory takes it");
    bytes
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
