//! The smallest client: one connection, requests one after another, messages as ciborium reads and writes them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;

use ciborium::Value;
use data_encoding::BASE64;
use raic::node::identity::Identity;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};

/// A storage index by a letter.
pub(crate) fn index(letter: char) -> String {
    letter.to_string().repeat(25) + "a"
}

/// Secrets of the two leases that tests take.
pub(crate) fn lease(number: u8) -> Vec<String> {
    let secret = |kind: &str, byte: u8| format!("lease-{kind}-secret {}", BASE64.encode(&[byte; 32]));
    vec![secret("renew", number), secret("cancel", number + 100)]
}

/// An upload secret.
pub(crate) fn upload(number: u8) -> Vec<String> {
    vec![format!("upload-secret {}", BASE64.encode(&[number; 20]))]
}

/// A write enabler with a lease.
pub(crate) fn enabler(number: u8) -> Vec<String> {
    let mut secrets = lease(1);
    secrets.push(format!("write-enabler {}", BASE64.encode(&[number; 32])));
    secrets
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The message in it.
    pub(crate) fn message(&self) -> Value {
        assert_eq!(
            self.headers.get("content-type").map(String::as_str),
            Some("application/cbor"),
            "{self:?}"
        );
        ciborium::from_reader(self.body.as_slice()).expect("an answer is CBOR")
    }

    /// A set of share numbers in it.
    pub(crate) fn numbers(&self) -> Vec<u64> {
        numbers(&self.message())
    }

    /// A field of its message.
    pub(crate) fn field(&self, name: &str) -> Value {
        let Value::Map(fields) = self.message() else {
            panic!("no map: {self:?}")
        };
        fields.into_iter().find(|(key, _)| *key == text(name)).expect(name).1
    }
}

/// The members of a set.
pub(crate) fn numbers(set: &Value) -> Vec<u64> {
    let Value::Tag(258, items) = set else {
        panic!("no set: {set:?}")
    };
    let items = items.as_array().expect("a set is an array");
    items
        .iter()
        .map(|item| u64::try_from(item.as_integer().expect("a number")).expect("not negative"))
        .collect()
}

pub(crate) fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

pub(crate) fn map(fields: &[(&str, Value)]) -> Value {
    Value::Map(fields.iter().map(|(key, value)| (text(key), value.clone())).collect())
}

pub(crate) fn set(numbers: &[u64]) -> Value {
    Value::Tag(
        258,
        Box::new(Value::Array(numbers.iter().map(|n| Value::from(*n)).collect())),
    )
}

pub(crate) fn cbor(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).expect("memory takes it");
    bytes
}

/// A connection to a node.
#[derive(Debug)]
pub(crate) struct Client {
    stream: TlsStream<TcpStream>,
    pass: String,
    /// Bytes that came after the last answer.
    rest: Vec<u8>,
}

impl Client {
    /// Connects; only the node's own certificate will do.
    pub(crate) async fn connect(address: SocketAddr, identity: &Identity) -> Client {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let pinned = Pinned(identity.certificate().0, provider.clone());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("TLS has versions")
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(pinned))
            .with_no_client_auth();
        let name = ServerName::from(address.ip());
        let tcp = TcpStream::connect(address).await.expect("the node listens");
        let stream = TlsConnector::from(Arc::new(config))
            .connect(name, tcp)
            .await
            .expect("the node's key is pinned");
        let pass = format!("Tahoe-LAFS {}", BASE64.encode(identity.swissnum().as_bytes()));
        Client {
            stream,
            pass,
            rest: Vec::new(),
        }
    }

    /// Another pass from now on.
    pub(crate) fn with_pass(mut self, pass: &str) -> Client {
        pass.clone_into(&mut self.pass);
        self
    }

    /// A request with secrets, more headers and a body.
    pub(crate) async fn send(
        &mut self,
        method: &str,
        path: &str,
        secrets: &[String],
        more: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        let mut head = format!(
            "{method} /storage/v1/{path} HTTP/1.1\r\nHost: node\r\nAuthorization: {}\r\nAccept-Encoding: gzip\r\n",
            self.pass
        );
        for secret in secrets {
            write!(head, "X-Tahoe-Authorization: {secret}\r\n").expect("memory takes it");
        }
        for (name, value) in more {
            write!(head, "{name}: {value}\r\n").expect("memory takes it");
        }
        if !body.is_empty() || method != "GET" {
            write!(head, "Content-Length: {}\r\n", body.len()).expect("memory takes it");
        }
        self.raw(&[head.as_bytes(), b"\r\n", body].concat()).await;
        self.answer().await.expect("the node answers")
    }

    /// A request without secrets and body.
    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        self.send("GET", path, &[], &[], b"").await
    }

    /// A request with a message.
    pub(crate) async fn post(&mut self, path: &str, secrets: &[String], message: &Value) -> Answer {
        let types = [("Content-Type", "application/cbor"), ("Accept", "application/cbor")];
        self.send("POST", path, secrets, &types, &cbor(message)).await
    }

    /// Bytes as they are.
    pub(crate) async fn raw(&mut self, bytes: &[u8]) {
        // A node that has had enough may close before it has read all.
        drop(self.stream.write_all(bytes).await);
        drop(self.stream.flush().await);
    }

    /// The next answer; `None` if the connection ends.
    pub(crate) async fn answer(&mut self) -> Option<Answer> {
        let end = loop {
            if let Some(at) = self.rest.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            self.more().await?;
        };
        let head = String::from_utf8(self.rest.drain(..end).collect()).expect("a head is text");
        let mut lines = head.lines();
        let status = lines.next()?.split(' ').nth(1)?.parse().expect("a status");
        let headers: BTreeMap<String, String> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let len: usize = headers
            .get("content-length")
            .map_or(0, |len| len.parse().expect("a length"));
        while self.rest.len() < len {
            self.more().await?;
        }
        let body = self.rest.drain(..len).collect();
        Some(Answer { status, headers, body })
    }

    async fn more(&mut self) -> Option<()> {
        let mut bytes = vec![0; 64 << 10];
        let read = self.stream.read(&mut bytes).await.ok().filter(|read| *read > 0)?;
        self.rest.extend_from_slice(&bytes[..read]);
        Some(())
    }

    // ── what tests ask for most ──

    pub(crate) async fn allocate(
        &mut self,
        index: &str,
        numbers: &[u64],
        size: u64,
        secret: u8,
    ) -> (Vec<u64>, Vec<u64>) {
        let secrets = [lease(1), upload(secret)].concat();
        let message = map(&[("share-numbers", set(numbers)), ("allocated-size", Value::from(size))]);
        let answer = self.post(&format!("immutable/{index}"), &secrets, &message).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        (
            self::numbers(&answer.field("already-have")),
            self::numbers(&answer.field("allocated")),
        )
    }

    pub(crate) async fn patch(&mut self, index: &str, number: u64, secret: u8, at: usize, bytes: &[u8]) -> Answer {
        let range = format!("bytes {at}-{}/*", at + bytes.len() - 1);
        let path = format!("immutable/{index}/{number}");
        self.send("PATCH", &path, &upload(secret), &[("Content-Range", &range)], bytes)
            .await
    }

    /// A whole share at once.
    pub(crate) async fn put(&mut self, index: &str, number: u64, bytes: &[u8]) {
        assert_eq!(self.allocate(index, &[number], bytes.len() as u64, 9).await.1, [number]);
        assert_eq!(self.patch(index, number, 9, 0, bytes).await.status, 201);
    }

    pub(crate) async fn read(&mut self, path: &str, range: &str) -> Answer {
        self.send("GET", path, &[], &[("Range", range)], b"").await
    }
}

/// Takes one certificate and no other.
#[derive(Debug)]
struct Pinned(CertificateDer<'static>, Arc<CryptoProvider>);

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        found: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if *found == self.0 && chain.is_empty() {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(Error::General("another certificate".to_owned()))
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.1.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.1.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.1.signature_verification_algorithms.supported_schemes()
    }
}
