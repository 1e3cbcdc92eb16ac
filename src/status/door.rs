//! The door of the status page: plain HTTP on loopback, for reading only.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::{Source, metrics, page};

/// Connections at once.
const MOST: usize = 64;

/// How long a request's head may take.
const HEAD: Duration = Duration::from_secs(10);

/// Nothing is fetched, nothing runs.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

/// Opens the door at `address` until the process ends; answers where. Any address that isn't loopback is refused.
pub async fn open(address: SocketAddr, source: Arc<dyn Source>) -> io::Result<SocketAddr> {
    if !address.ip().is_loopback() {
        let message = format!("the status page opens on loopback only, not on {address}: put your own proxy before it");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    let tcp = TcpListener::bind(address).await?;
    let address = tcp.local_addr()?;
    tokio::spawn(async move {
        let room = Arc::new(Semaphore::new(MOST));
        loop {
            let permit = room
                .clone()
                .acquire_owned()
                .await
                .expect("the semaphore is never closed");
            let Ok((stream, _)) = tcp.accept().await else {
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            let source = source.clone();
            tokio::spawn(async move {
                let answer = service_fn(move |request: Request<Incoming>| {
                    let source = source.clone();
                    async move { Ok::<_, Infallible>(answer(&request, source.as_ref()).await) }
                });
                let mut http = http1::Builder::new();
                http.timer(TokioTimer::new()).header_read_timeout(HEAD);
                // Whoever reads this page sees for himself that it ended.
                drop(http.serve_connection(TokioIo::new(stream), answer).await);
                drop(permit);
            });
        }
    });
    Ok(address)
}

async fn answer<B>(request: &Request<B>, source: &dyn Source) -> Response<Full<Bytes>> {
    if !is_local(request) {
        // A page of a stranger's site whose name was made to lead here (DNS rebinding).
        return told(
            StatusCode::FORBIDDEN,
            "text/plain",
            "by address or as localhost only\n".to_owned(),
        );
    }
    if *request.method() != Method::GET {
        return told(StatusCode::METHOD_NOT_ALLOWED, "text/plain", "GET only\n".to_owned());
    }
    let path = request.uri().path();
    if path == "/healthz" {
        return told(StatusCode::OK, "text/plain", "ok\n".to_owned());
    }
    if !["/", "/status.json", "/metrics", "/readyz"].contains(&path) {
        return told(StatusCode::NOT_FOUND, "text/plain", "no such page\n".to_owned());
    }
    let picture = source.look().await;
    match path {
        "/" => told(StatusCode::OK, "text/html; charset=utf-8", page::render(&picture)),
        "/metrics" => told(StatusCode::OK, metrics::CONTENT_TYPE, metrics::render(&picture)),
        "/status.json" => {
            let json = serde_json::to_string_pretty(&picture).expect("a picture is JSON");
            told(StatusCode::OK, "application/json", json)
        }
        _ if picture.available => told(StatusCode::OK, "text/plain", "ready\n".to_owned()),
        _ => told(
            StatusCode::SERVICE_UNAVAILABLE,
            "text/plain",
            format!("{}\n", picture.headline),
        ),
    }
}

fn is_local<B>(request: &Request<B>) -> bool {
    let Some(host) = request.headers().get(HOST) else {
        return true;
    };
    let host = host.to_str().unwrap_or_default();
    let name = host.parse::<SocketAddr>().map_or_else(
        |_| host.rsplit_once(':').map_or(host, |(name, _)| name).to_owned(),
        |address| address.ip().to_string(),
    );
    name.eq_ignore_ascii_case("localhost") || name.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok()
}

fn told(status: StatusCode, kind: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::new(Bytes::from(body)));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::{Picture, sample};
    use futures::future::BoxFuture;

    #[derive(Debug)]
    struct Same(Picture);

    impl Source for Same {
        fn look(&self) -> BoxFuture<'_, Picture> {
            Box::pin(std::future::ready(self.0.clone()))
        }
    }

    async fn ask(method: &str, path: &str, host: &str, available: bool) -> u16 {
        let source = Same(Picture { available, ..sample() });
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, host)
            .body(())
            .unwrap();
        answer(&request, &source).await.status().as_u16()
    }

    #[tokio::test]
    async fn pages_are_told_to_this_machine_only() {
        let here = "127.0.0.1:9909";
        for path in ["/", "/status.json", "/metrics", "/healthz", "/readyz"] {
            assert_eq!(ask("GET", path, here, true).await, 200, "{path}");
            assert_eq!(ask("GET", path, "evil.example:9909", true).await, 403, "{path}");
        }
        assert_eq!(ask("GET", "/readyz", "localhost:9909", false).await, 503);
        assert_eq!(ask("GET", "/healthz", "[::1]:9909", false).await, 200);
        assert_eq!(ask("GET", "/x", here, true).await, 404);
        assert_eq!(ask("POST", "/", here, true).await, 405);
    }

    #[tokio::test]
    async fn the_door_opens_on_loopback_only() {
        let source: Arc<dyn Source> = Arc::new(Same(sample()));
        let refused = open("0.0.0.0:0".parse().unwrap(), source.clone()).await;
        assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::InvalidInput);
        assert!(open("127.0.0.1:0".parse().unwrap(), source).await.is_ok());
    }
}
