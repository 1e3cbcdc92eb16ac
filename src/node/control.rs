//! The door for tests: the node's time and its books, in plain HTTP on loopback. It is there only if the owner asks for it.
//!
//! ```text
//! GET /now                      {"now": SECONDS}
//! POST /advance?seconds=N       moves the clock, which stands still otherwise; the same answer
//! GET /leases/SI                {"leases": {"SHARE": [EXPIRY, ...]}}      finished shares, leases in order of creation
//! GET /advisories               {"advisories": [{"type", "storage-index", "share-number", "reason"}]}
//! ```

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::id::{Kind, Share, StorageIndex};
use super::keeper::Keeper;
use super::provider::Trouble;
use super::server::StorageServer;
use crate::clock::{Clock, FixedClock};

/// The door for tests of one node.
#[derive(Debug)]
pub struct Control {
    keeper: Arc<Keeper>,
    clock: Arc<FixedClock>,
}

impl Control {
    /// A door to a node that goes by `clock`.
    #[must_use]
    pub fn new(keeper: Arc<Keeper>, clock: Arc<FixedClock>) -> Control {
        Control { keeper, clock }
    }

    /// Opens it; answers where. Any address that isn't loopback is refused.
    pub async fn open(self, address: SocketAddr) -> io::Result<SocketAddr> {
        if !address.ip().is_loopback() {
            let message = format!("the door for tests opens on loopback only, not on {address}");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        let tcp = TcpListener::bind(address).await?;
        let address = tcp.local_addr()?;
        let control = Arc::new(self);
        tokio::spawn(async move {
            while let Ok((stream, _)) = tcp.accept().await {
                let control = control.clone();
                let answer = service_fn(move |request| {
                    let control = control.clone();
                    async move { Ok::<_, Infallible>(control.answer(&request).await) }
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
            }
        });
        Ok(address)
    }

    async fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        let path = request.uri().path();
        let told = match (request.method(), path) {
            (&Method::GET, "/now") => Ok(Some(self.now())),
            (&Method::POST, "/advance") => self.advance(request.uri().query()).await,
            (&Method::GET, "/advisories") => self.advisories().await.map(Some),
            (&Method::GET, _) => match path.strip_prefix("/leases/").and_then(StorageIndex::parse) {
                Some(index) => self.leases(index).await.map(Some),
                None => Ok(None),
            },
            _ => Ok(None),
        };
        let (status, body) = match told {
            Ok(Some(body)) => (StatusCode::OK, body),
            Ok(None) => (StatusCode::NOT_FOUND, json!({"error": "no such request"})),
            Err(trouble) => (StatusCode::INTERNAL_SERVER_ERROR, json!({"error": trouble.to_string()})),
        };
        let mut answer = Response::new(Full::new(Bytes::from(body.to_string())));
        *answer.status_mut() = status;
        answer
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        answer
    }

    fn now(&self) -> Value {
        json!({"now": self.clock.seconds()})
    }

    async fn advance(&self, query: Option<&str>) -> Result<Option<Value>, Trouble> {
        let mut parameters = query.unwrap_or_default().split('&');
        let seconds = parameters.find_map(|one| one.strip_prefix("seconds=")?.parse::<u32>().ok());
        let Some(seconds) = seconds else { return Ok(None) };
        self.clock.advance(i64::from(seconds) * 1_000_000_000);
        self.keeper.tend().await?;
        Ok(Some(self.now()))
    }

    async fn leases(&self, index: StorageIndex) -> Result<Value, Trouble> {
        let mut leases: BTreeMap<String, Vec<i64>> = BTreeMap::new();
        for kind in [Kind::Immutable, Kind::Mutable] {
            let finished = self
                .keeper
                .list(kind, index)
                .await
                .map_err(|refusal| Trouble(refusal.to_string()))?;
            let kept = self.keeper.leases().of(kind, index).await;
            let kept = kept.map_err(|error| Trouble(error.to_string()))?;
            for lease in kept.iter().filter(|lease| finished.contains(&lease.share.number)) {
                leases
                    .entry(lease.share.number.to_string())
                    .or_default()
                    .push(lease.expires);
            }
        }
        Ok(json!({"leases": leases}))
    }

    async fn advisories(&self) -> Result<Value, Trouble> {
        let kept = self.keeper.ledger().advisories().await;
        let kept = kept.map_err(|error| Trouble(error.to_string()))?;
        let told = kept.into_iter().map(|advisory| {
            let share = Share::from(advisory.share);
            let kind = match share.kind {
                Kind::Immutable => "immutable",
                Kind::Mutable => "mutable",
            };
            json!({
                "type": kind,
                "storage-index": share.index.to_string(),
                "share-number": share.number,
                "reason": advisory.reason,
            })
        });
        Ok(json!({"advisories": told.collect::<Vec<Value>>()}))
    }
}
