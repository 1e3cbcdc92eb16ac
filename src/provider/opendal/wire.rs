//! The HTTP below a provider: one client each, with bounds on what an answer may cost, and a note of what it said.
//!
//! The note is kept for the task that made the call, so an error can be classed by the status that came over the wire
//! instead of by words, and the service's clock read from its `Date`. Services that don't speak HTTP leave no note.

use std::pin::Pin;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures::{Stream, StreamExt};
use http::{Request, Response};
use opendal::{Buffer, HttpBody, HttpTransport};
use opendal_http_transport_reqwest::ReqwestTransport;
use reqwest::redirect::Policy;

/// The longest answer that is not a blob, in bytes: a page of a listing of 1,000 names takes under 1 MiB.
const LONGEST_ANSWER: u64 = 16 << 20;

/// What an answer may take at least: a refusal of a small range comes with a page of words.
const LONGEST_ERROR: u64 = 64 << 10;

/// Hops within one host before a redirect is called a loop.
const REDIRECTS: usize = 5;

tokio::task_local! {
    /// Where the call that this task runs keeps its note.
    pub(super) static NOTE: Arc<Note>;
}

/// What the service last said to one call.
#[derive(Debug, Default)]
pub(super) struct Note {
    status: AtomicU16,
    date: Mutex<Option<String>>,
}

impl Note {
    /// The last status; `None` if no answer came.
    pub(super) fn status(&self) -> Option<u16> {
        Some(self.status.load(Ordering::Relaxed)).filter(|status| *status != 0)
    }

    /// The last `Date`, as it was written.
    pub(super) fn date(&self) -> Option<String> {
        self.date.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A new request begins: the last answer is not about it.
    fn clear(&self) {
        self.status.store(0, Ordering::Relaxed);
    }

    fn take(&self, response: &Response<HttpBody>) {
        self.status.store(response.status().as_u16(), Ordering::Relaxed);
        let date = response.headers().get("date").and_then(|date| date.to_str().ok());
        if let Some(date) = date {
            *self.date.lock().unwrap_or_else(PoisonError::into_inner) = Some(date.to_owned());
        }
    }
}

/// One provider's HTTP client under OpenDAL.
pub(super) struct Wire(ReqwestTransport);

impl Wire {
    /// A client of its own: own connections, so that a slow provider never holds up another.
    ///
    /// reqwest's `read_timeout` is not used: its clock starts with the request, so it would cut every upload that takes longer.
    /// Silence while an upload runs is found by TCP (`idle` without an acknowledgement), silence in an answer by OpenDAL's
    /// timeout layer, and the whole call has its own deadline.
    pub(super) fn new(scheme: &str, connect: Duration, idle: Duration) -> Result<Wire, reqwest::Error> {
        let client = reqwest::Client::builder()
            .user_agent(concat!("raic/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(connect)
            .pool_max_idle_per_host(32)
            .tcp_keepalive(idle)
            .redirect(redirects(scheme));
        #[cfg(target_os = "linux")]
        let client = client.tcp_user_timeout(idle);
        Ok(Wire(ReqwestTransport::new(client.build()?)))
    }
}

/// Redirects stay on their host. These services answer a read with the address of another machine, as their protocol has it;
/// reqwest takes the credentials out of such a request.
fn redirects(scheme: &str) -> Policy {
    let elsewhere = matches!(scheme, "onedrive" | "webhdfs");
    Policy::custom(move |attempt| {
        let same = |a: &reqwest::Url, b: &reqwest::Url| a.host_str() == b.host_str() && a.scheme() == b.scheme();
        let from = attempt.previous().last();
        if attempt.previous().len() > REDIRECTS {
            attempt.error("too many redirects")
        } else if elsewhere || from.is_some_and(|from| same(from, attempt.url())) {
            attempt.follow()
        } else {
            attempt.stop()
        }
    })
}

impl HttpTransport for Wire {
    async fn fetch(&self, request: Request<Buffer>) -> opendal::Result<Response<HttpBody>> {
        let range = request.headers().get("range").and_then(|range| range.to_str().ok());
        let limit = range.and_then(range_len).unwrap_or(LONGEST_ANSWER);
        // Without a note the request is OpenDAL's own, made outside of any call of ours.
        NOTE.try_with(|note| note.clear()).unwrap_or_default();
        let response = self.0.fetch(request).await?;
        NOTE.try_with(|note| note.take(&response)).unwrap_or_default();
        let bounded = |body: HttpBody| {
            body.map_inner(|pieces| {
                Box::new(Bounded {
                    pieces,
                    left: limit.max(LONGEST_ERROR),
                })
            })
        };
        Ok(response.map(bounded))
    }
}

/// The bytes that `bytes=A-B` asks for.
fn range_len(range: &str) -> Option<u64> {
    let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
    let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
    last.checked_sub(first)?.checked_add(1)
}

/// An answer that ends in an error once it is longer than it may be: a server that ignores a range, or never ends.
struct Bounded<S> {
    pieces: S,
    left: u64,
}

impl<S: Stream<Item = opendal::Result<Buffer>> + Unpin> Stream for Bounded<S> {
    type Item = opendal::Result<Buffer>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = ready!(self.pieces.poll_next_unpin(context));
        if let Some(Ok(piece)) = &next {
            match self.left.checked_sub(piece.len() as u64) {
                Some(left) => self.left = left,
                None => return Poll::Ready(Some(Err(too_long()))),
            }
        }
        Poll::Ready(next)
    }
}

fn too_long() -> opendal::Error {
    opendal::Error::new(opendal::ErrorKind::Unexpected, "http response got too much data")
}

#[cfg(test)]
mod tests {
    use futures::{TryStreamExt, stream};

    use super::*;

    #[test]
    fn a_range_header_tells_its_length() {
        for (range, len) in [
            ("bytes=0-0", Some(1)),
            ("bytes=10-109", Some(100)),
            ("bytes=10-", None),
            ("bytes=9-3", None),
            ("bytes=0-18446744073709551615", None),
            ("chunks=0-1", None),
        ] {
            assert_eq!(range_len(range), len, "{range}");
        }
    }

    #[tokio::test]
    async fn an_answer_without_end_is_cut_off() {
        let endless = stream::repeat_with(|| Ok(Buffer::from(vec![0_u8; 1000])));
        let bounded = Bounded {
            pieces: endless,
            left: 4_500,
        };
        let taken: Vec<_> = bounded.take(6).collect().await;
        assert_eq!(taken.iter().take_while(|piece| piece.is_ok()).count(), 4);
        assert!(taken[4].is_err());
    }

    #[tokio::test]
    async fn an_answer_of_the_right_length_passes() {
        let pieces = stream::iter((0..3).map(|_| Ok(Buffer::from(vec![0_u8; 10]))));
        let bounded = Bounded { pieces, left: 30 };
        let all: Vec<Buffer> = bounded.try_collect().await.unwrap();
        assert_eq!(all.len(), 3);
    }
}
