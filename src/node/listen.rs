//! Sockets: TLS with the node's one certificate, HTTP/1.1, a task a connection, and an end that lets requests finish.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::BufReader;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::{self, ServerConfig};

use super::identity::Identity;
use super::service::Service;
use super::watch::{Phase, Watched};

/// Connections at once; the next ones wait until one ends.
const MOST: u32 = 4096;

/// How long a connection may wait for its next request: Tahoe's clients keep theirs for 240 s.
const IDLE: Duration = Duration::from_mins(5);

/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// How long requests may go on when the node is asked to stop.
const GRACE: Duration = Duration::from_secs(30);

/// Headers of a request; Tahoe's have about ten.
const MOST_HEADERS: usize = 64;

/// Bytes of a request's head.
const HEAD_LEN: usize = 32 << 10;

/// Bytes of a connection that are read or written ahead: hundreds of them are open at once.
const BUFFER: usize = 64 << 10;

/// Bytes that are received at once: TLS by itself asks for 4 KiB a time.
const RECEIVED: usize = 32 << 10;

/// A node that listens.
#[derive(Debug)]
pub struct Listening {
    tcp: TcpListener,
    tls: Arc<ServerConfig>,
    service: Arc<Service>,
}

impl Listening {
    /// Listens at `address` as `identity`.
    pub async fn at(address: SocketAddr, identity: &Identity, service: Arc<Service>) -> io::Result<Listening> {
        let tls = Arc::new(config(identity).map_err(io::Error::other)?);
        let tcp = TcpListener::bind(address).await?;
        Ok(Listening { tcp, tls, service })
    }

    /// Where it listens.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }

    /// Serves until `stop` is done; then takes no more connections, and waits for the requests under way.
    pub async fn serve(self, stop: impl Future<Output = ()>) {
        let room = Arc::new(Semaphore::new(MOST as usize));
        let (stopping, told) = watch::channel(false);
        tokio::pin!(stop);
        loop {
            let permit = tokio::select! {
                permit = room.clone().acquire_owned() => permit.expect("the semaphore is never closed"),
                () = &mut stop => break,
            };
            let accepted = tokio::select! {
                accepted = self.tcp.accept() => accepted,
                () = &mut stop => break,
            };
            match accepted {
                Ok((stream, _)) => {
                    let acceptor = TlsAcceptor::from(self.tls.clone());
                    tokio::spawn(attend(stream, acceptor, self.service.clone(), permit, told.clone()));
                }
                Err(error) => {
                    // No file descriptors, most likely: others have to end first.
                    tracing::warn!("a connection could not be accepted: {error}");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
        drop(self.tcp);
        // Nobody listens if there is no connection.
        let _ = stopping.send(true);
        if timeout(GRACE, room.acquire_many(MOST)).await.is_err() {
            tracing::warn!("some requests had not ended {} s after the stop", GRACE.as_secs());
        }
    }
}

fn config(identity: &Identity) -> Result<ServerConfig, rustls::Error> {
    let (certificate, key) = identity.certificate();
    ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
}

/// One connection, to its end.
async fn attend(
    stream: TcpStream,
    acceptor: TlsAcceptor,
    service: Arc<Service>,
    _permit: OwnedSemaphorePermit,
    mut told: watch::Receiver<bool>,
) {
    // Small answers go at once.
    drop(stream.set_nodelay(true));
    let Ok(Ok(stream)) = timeout(HANDSHAKE, acceptor.accept(BufReader::with_capacity(RECEIVED, stream))).await else {
        return;
    };
    let phase = Phase::new();
    let answering = phase.clone();
    let answer = service_fn(move |request: Request<Incoming>| {
        let (service, phase) = (service.clone(), answering.clone());
        async move {
            phase.begin();
            let answer = service.answer(request).await;
            phase.end();
            Ok::<_, Infallible>(answer)
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE)
        .max_headers(MOST_HEADERS)
        .max_header_size(HEAD_LEN)
        .max_buf_size(BUFFER)
        .serve_connection(TokioIo::new(Watched::new(stream, phase)), answer);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        _ = told.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!("a connection ended: {error}");
    }
}
