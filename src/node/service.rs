//! The protocol's HTTP: a request in, an answer out. Sockets and TLS are `listen.rs`.
//!
//! Checks come in this order: path and method, pass, secrets, then what the endpoint takes. No body is read before its request has passed them.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::{StreamExt, TryStreamExt, stream};
use http::header::{
    ACCEPT, ALLOW, CONNECTION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, EXPECT, HeaderName, RANGE, RETRY_AFTER,
};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Body as HttpBody, Frame};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use super::body::{self, Arriving, paced};
use super::id::{Kind, Share, StorageIndex};
use super::range;
use super::route::{Nowhere, Route};
use super::secret::{Pass, Purpose, Secrets};
use super::server::{LeaseSecrets, Reading, Refusal, StorageServer};
use super::tally::Tally;
use super::wire;

/// Bytes of the longest allocation.
const ALLOCATION: u64 = 8192;

/// Bytes of the longest advisory.
const ADVISORY: u64 = 32_768;

/// Bytes of the longest read-test-write: it is held in memory as a whole.
const READ_TEST_WRITE: u64 = 256 << 20;

/// Bytes of all read-test-writes that are held at once.
const BODIES: usize = 256 << 20;

/// Bytes behind one permit of [`BODIES`].
const UNIT: u64 = 4096;

/// Bodies whose length isn't said in advance are no longer than this.
const UNANNOUNCED: u64 = 1 << 20;

/// Clients give a request up after 60 s, upload of the body included.
const PATIENCE: Duration = Duration::from_secs(58);

/// A read up to this many bytes is all there before it is answered, however many pieces it has.
const AT_ONCE: u64 = 64 << 10;

const CBOR: HeaderValue = HeaderValue::from_static("application/cbor");
const BYTES: HeaderValue = HeaderValue::from_static("application/octet-stream");

/// An answer's body.
pub type AnswerBody = UnsyncBoxBody<Bytes, io::Error>;

/// The protocol over one storage server.
#[derive(Debug)]
pub struct Service {
    server: Arc<dyn StorageServer>,
    pass: Pass,
    bodies: Arc<Semaphore>,
    tally: Tally,
}

impl Service {
    /// A service for those who know the swissnum.
    #[must_use]
    pub fn new(server: Arc<dyn StorageServer>, swissnum: &str) -> Service {
        Service {
            server,
            pass: Pass::of(swissnum),
            bodies: Arc::new(Semaphore::new(BODIES / usize::try_from(UNIT).expect("4096"))),
            tally: Tally::default(),
        }
    }

    /// What was answered until now.
    #[must_use]
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Answers one request, within 60 seconds.
    pub async fn answer<B>(&self, request: Request<B>) -> Response<AnswerBody>
    where
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Display,
    {
        let began = Instant::now();
        let route = Route::of(request.method(), request.uri().path());
        let answer = match &route {
            Ok(route) => self.answer_at(*route, request).await,
            Err(nowhere) => self.lost(nowhere, request).await,
        };
        self.tally
            .count(route.ok().as_ref(), answer.status().as_u16(), began.elapsed());
        answer
    }

    async fn answer_at<B>(&self, route: Route, request: Request<B>) -> Response<AnswerBody>
    where
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Display,
    {
        if let Err(refusal) = self.pass.check(request.headers()) {
            // Whoever doesn't know the swissnum doesn't keep a connection.
            return closing(refused(&refusal));
        }
        let (head, body) = request.into_parts();
        let (arriving, rest) = paced(body);
        let deadline = Instant::now() + PATIENCE;
        let answer = timeout_at(deadline, self.carry_out(route, &head.headers, arriving)).await;
        let answer = answer.unwrap_or(Err(Refusal::Busy));
        match &answer {
            Ok(answer) => tracing::debug!("{route:?}: {}", answer.status()),
            Err(Refusal::Trouble(trouble)) => tracing::error!("{route:?}: {trouble}"),
            Err(refusal) => tracing::debug!("{route:?}: {refusal}"),
        }
        let unread = matches!(answer, Err(Refusal::TooLong(_) | Refusal::Slow));
        let answer = answer.unwrap_or_else(|refusal| refused(&refusal));
        // Whoever waits for a word before sending a body is told by the answer that none is wanted.
        let unsent = head.headers.contains_key(EXPECT) && !rest.is_empty();
        if unread || unsent || !rest.take(deadline).await {
            return closing(answer);
        }
        answer
    }

    /// No path or method of the protocol. Only whoever knows the swissnum keeps the connection.
    async fn lost<B>(&self, nowhere: &Nowhere, request: Request<B>) -> Response<AnswerBody>
    where
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Display,
    {
        let answer = match nowhere {
            Nowhere::NoSuchPath => refused(&Refusal::NotFound),
            Nowhere::OtherMethod => plain(StatusCode::METHOD_NOT_ALLOWED, ALLOW, HeaderValue::from_static("")),
        };
        let known = self.pass.check(request.headers()).is_ok() && !request.headers().contains_key(EXPECT);
        if known && paced(request.into_body()).1.take(Instant::now() + PATIENCE).await {
            return answer;
        }
        closing(answer)
    }

    async fn carry_out(
        &self,
        route: Route,
        headers: &HeaderMap,
        body: Arriving,
    ) -> Result<Response<AnswerBody>, Refusal> {
        match route {
            Route::Version => {
                Secrets::read(headers, &[])?;
                accepts_cbor(headers)?;
                Ok(cbor(StatusCode::OK, wire::version(&self.server.version())))
            }
            Route::Lease(index) => self.lease(index, headers).await,
            Route::Allocate(index) => self.allocate(index, headers, body).await,
            Route::Write(share) => self.write(share, headers, body).await,
            Route::Abort(share) => {
                let secrets = Secrets::read(headers, &[Purpose::Upload])?;
                self.server.abort(share, secrets.get(Purpose::Upload)).await?;
                Ok(empty(StatusCode::OK))
            }
            Route::List(kind, index) => self.list(kind, index, headers).await,
            Route::Read(share) => self.read(share, headers).await,
            Route::Corrupt(share) => self.advise(share, headers, body).await,
            Route::ReadTestWrite(index) => self.read_test_write(index, headers, body).await,
        }
    }

    async fn lease(&self, index: StorageIndex, headers: &HeaderMap) -> Result<Response<AnswerBody>, Refusal> {
        let secrets = Secrets::read(headers, &[Purpose::LeaseRenew, Purpose::LeaseCancel])?;
        self.server.add_lease(index, lease(&secrets)).await?;
        Ok(empty(StatusCode::NO_CONTENT))
    }

    async fn allocate(
        &self,
        index: StorageIndex,
        headers: &HeaderMap,
        body: Arriving,
    ) -> Result<Response<AnswerBody>, Refusal> {
        let secrets = Secrets::read(headers, &[Purpose::LeaseRenew, Purpose::LeaseCancel, Purpose::Upload])?;
        takes_cbor(headers)?;
        let asked = wire::allocation(&collect(headers, body, ALLOCATION).await?)?;
        let upload = secrets.get(Purpose::Upload);
        let allocated = self
            .server
            .allocate(index, asked.numbers, asked.size, upload, lease(&secrets))
            .await?;
        Ok(cbor(StatusCode::OK, wire::allocated(&allocated)))
    }

    async fn write(&self, share: Share, headers: &HeaderMap, body: Arriving) -> Result<Response<AnswerBody>, Refusal> {
        let secrets = Secrets::read(headers, &[Purpose::Upload])?;
        accepts_cbor(headers)?;
        let place = text(headers, &CONTENT_RANGE)
            .and_then(|header| range::placed(header).ok())
            .ok_or(Refusal::Range)?;
        let written = self
            .server
            .write(share, secrets.get(Purpose::Upload), place, body)
            .await?;
        let status = if written.required.is_empty() {
            StatusCode::CREATED
        } else {
            StatusCode::OK
        };
        Ok(cbor(status, wire::written(&written)))
    }

    async fn list(
        &self,
        kind: Kind,
        index: StorageIndex,
        headers: &HeaderMap,
    ) -> Result<Response<AnswerBody>, Refusal> {
        Secrets::read(headers, &[])?;
        accepts_cbor(headers)?;
        let numbers: BTreeSet<u8> = self.server.list(kind, index).await?;
        Ok(cbor(StatusCode::OK, wire::numbers(&numbers)))
    }

    async fn read(&self, share: Share, headers: &HeaderMap) -> Result<Response<AnswerBody>, Refusal> {
        Secrets::read(headers, &[])?;
        if !headers.contains_key(RANGE) {
            return bytes(StatusCode::OK, self.server.read(share, None).await?).await;
        }
        let asked = text(headers, &RANGE)
            .and_then(|header| range::asked(header).ok())
            .ok_or(Refusal::Range)?;
        let reading = self.server.read(share, Some(asked)).await?;
        if reading.range.is_empty() {
            return Ok(empty(StatusCode::NO_CONTENT));
        }
        let sent = format!("bytes {}-{}/*", reading.range.start, reading.range.end - 1);
        let mut answer = bytes(StatusCode::PARTIAL_CONTENT, reading).await?;
        let sent = HeaderValue::try_from(sent).expect("digits are a header");
        answer.headers_mut().insert(CONTENT_RANGE, sent);
        Ok(answer)
    }

    async fn advise(&self, share: Share, headers: &HeaderMap, body: Arriving) -> Result<Response<AnswerBody>, Refusal> {
        Secrets::read(headers, &[])?;
        takes_cbor(headers)?;
        let reason = wire::advisory(&collect(headers, body, ADVISORY).await?)?;
        self.server.advise(share, reason).await?;
        Ok(empty(StatusCode::OK))
    }

    async fn read_test_write(
        &self,
        index: StorageIndex,
        headers: &HeaderMap,
        body: Arriving,
    ) -> Result<Response<AnswerBody>, Refusal> {
        let secrets = Secrets::read(
            headers,
            &[Purpose::LeaseRenew, Purpose::LeaseCancel, Purpose::WriteEnabler],
        )?;
        takes_cbor(headers)?;
        let announced = announced(headers)?;
        let limit = announced.map_or(UNANNOUNCED, |_| READ_TEST_WRITE);
        if announced.is_some_and(|len| len > limit) {
            return Err(Refusal::TooLong(limit));
        }
        let len = announced.unwrap_or(limit);
        let room = self.room(len).await;
        // While it is awaited, others can't have the room.
        let body = collect(headers, body::hurried(body, len), limit).await?;
        let request = wire::read_test_write(&body)?;
        let enabler = secrets.get(Purpose::WriteEnabler);
        let answer = self
            .server
            .read_test_write(index, request, enabler, lease(&secrets))
            .await?;
        drop(room);
        Ok(cbor(StatusCode::OK, wire::read_test_written(&answer)))
    }

    /// Waits until there is memory for a body.
    async fn room(&self, len: u64) -> OwnedSemaphorePermit {
        let units = u32::try_from(len.div_ceil(UNIT)).expect("bodies are bounded");
        let permit = self.bodies.clone().acquire_many_owned(units).await;
        permit.expect("the semaphore is never closed")
    }
}

fn lease(secrets: &Secrets) -> LeaseSecrets {
    LeaseSecrets {
        renew: secrets.get(Purpose::LeaseRenew),
        cancel: secrets.get(Purpose::LeaseCancel),
    }
}

// ── requests ──

fn announced(headers: &HeaderMap) -> Result<Option<u64>, Refusal> {
    let Some(header) = headers.get(CONTENT_LENGTH) else {
        return Ok(None);
    };
    let len = header.to_str().ok().and_then(|text| text.parse().ok());
    len.map(Some).ok_or(Refusal::Input("the content's length"))
}

/// All of a body of at most `limit` bytes.
async fn collect(headers: &HeaderMap, mut body: Arriving, limit: u64) -> Result<Bytes, Refusal> {
    let len = announced(headers)?;
    if len.is_some_and(|len| len > limit) {
        return Err(Refusal::TooLong(limit));
    }
    let Some(first) = body.try_next().await? else {
        return Ok(Bytes::new());
    };
    if len == Some(first.len() as u64) {
        return Ok(first);
    }
    let mut all = BytesMut::from(first);
    if let Some(len) = len {
        all.reserve(usize::try_from(len).expect("bounded above").saturating_sub(all.len()));
    }
    while let Some(more) = body.try_next().await? {
        if (all.len() + more.len()) as u64 > limit {
            return Err(Refusal::TooLong(limit));
        }
        all.extend_from_slice(&more);
    }
    Ok(all.freeze())
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

/// 415 for a message that isn't CBOR, 406 for a client that doesn't take it.
fn takes_cbor(headers: &HeaderMap) -> Result<(), Refusal> {
    accepts_cbor(headers)?;
    let Some(header) = headers.get(CONTENT_TYPE) else {
        return Ok(());
    };
    let kind = header
        .to_str()
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default();
    if kind.trim().eq_ignore_ascii_case("application/cbor") {
        Ok(())
    } else {
        Err(Refusal::ContentType)
    }
}

/// Only the first header line counts, as on Tahoe's server: its own tests send a second one.
fn accepts_cbor(headers: &HeaderMap) -> Result<(), Refusal> {
    let Some(header) = headers.get(ACCEPT) else {
        return Ok(());
    };
    let mut kinds = header
        .to_str()
        .unwrap_or_default()
        .split(',')
        .map(|one| one.split(';').next().unwrap_or_default().trim());
    let ours = ["application/cbor", "application/*", "*/*"];
    if kinds.any(|kind| ours.iter().any(|ours| kind.eq_ignore_ascii_case(ours))) {
        Ok(())
    } else {
        Err(Refusal::NotAcceptable)
    }
}

// ── answers ──

fn whole(bytes: impl Into<Bytes>) -> AnswerBody {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

fn plain(status: StatusCode, name: HeaderName, value: HeaderValue) -> Response<AnswerBody> {
    let mut answer = empty(status);
    answer.headers_mut().insert(name, value);
    answer
}

fn empty(status: StatusCode) -> Response<AnswerBody> {
    let mut answer = Response::new(whole(Bytes::new()));
    *answer.status_mut() = status;
    answer
}

fn cbor(status: StatusCode, message: Vec<u8>) -> Response<AnswerBody> {
    let mut answer = Response::new(whole(message));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, CBOR);
    answer
}

async fn bytes(status: StatusCode, reading: Reading) -> Result<Response<AnswerBody>, Refusal> {
    let len = reading.range.end - reading.range.start;
    let mut pieces = reading.bytes;
    let body = if len <= AT_ONCE {
        let pieces: Vec<Bytes> = pieces.try_collect().await?;
        match <[Bytes; 1]>::try_from(pieces) {
            Ok([one]) => whole(one),
            Err(pieces) => whole(pieces.concat()),
        }
    } else {
        let first = pieces.try_next().await?.unwrap_or_default();
        if first.len() as u64 == len {
            whole(first)
        } else {
            let pieces = stream::iter([Ok(first)]).chain(pieces);
            StreamBody::new(pieces.map_ok(Frame::data).map_err(io::Error::other)).boxed_unsync()
        }
    };
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, BYTES);
    answer.headers_mut().insert(CONTENT_LENGTH, len.into());
    Ok(answer)
}

/// The status of a refusal. The type is that of share bytes: clients look at it before they look at the status.
fn refused(refusal: &Refusal) -> Response<AnswerBody> {
    let status = match refusal {
        Refusal::Input(_) => StatusCode::BAD_REQUEST,
        Refusal::Unauthorized => StatusCode::UNAUTHORIZED,
        Refusal::NotFound => StatusCode::NOT_FOUND,
        Refusal::Finished => StatusCode::METHOD_NOT_ALLOWED,
        Refusal::NotAcceptable => StatusCode::NOT_ACCEPTABLE,
        Refusal::Slow => StatusCode::REQUEST_TIMEOUT,
        Refusal::Conflict => StatusCode::CONFLICT,
        Refusal::TooLong(_) => StatusCode::PAYLOAD_TOO_LARGE,
        Refusal::ContentType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Refusal::Range => StatusCode::RANGE_NOT_SATISFIABLE,
        Refusal::Busy => StatusCode::SERVICE_UNAVAILABLE,
        Refusal::Trouble(_) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    let mut answer = plain(status, CONTENT_TYPE, BYTES);
    match refusal {
        Refusal::Slow => closing(answer),
        Refusal::Busy => {
            answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("5"));
            answer
        }
        _ => answer,
    }
}

fn closing(mut answer: Response<AnswerBody>) -> Response<AnswerBody> {
    answer
        .headers_mut()
        .insert(CONNECTION, HeaderValue::from_static("close"));
    answer
}
