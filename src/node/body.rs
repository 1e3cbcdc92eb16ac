//! A request's body on its way in: not slower than an honest client sends, and taken to its end before the answer goes.
//!
//! What a refused request still sends is taken, or the connection is closed with a word. A client that isn't told puts the connection back into its
//! pool, and the next request on it fails; Tahoe's clients repeat only their GETs.

use std::fmt::{self, Display};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures::future::poll_fn;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, stream::Stream};
use http_body_util::BodyDataStream;
use hyper::body::Body as HttpBody;
use tokio::time::{Instant, timeout_at};

use super::server::Refusal;

/// A body may pause so long, then it has to come at [`FLOOR`] bytes a second.
const PAUSE: Duration = Duration::from_secs(30);

/// The slowest honest client.
const FLOOR: u64 = 1024;

/// A body that memory is kept for is there within this time, or its client has given up.
const HURRY: u64 = 50;

/// What is still taken of a refused request: more than a client's PATCH has.
const MOST_TAKEN: usize = 4 << 20;

/// How long that may take.
const TAKING: Duration = Duration::from_secs(10);

/// The frames of a body.
pub type Arriving = BoxStream<'static, Result<Bytes, Refusal>>;

/// A body in two hands: whoever reads it, and [`Rest`], which takes what they left.
pub fn paced<B>(body: B) -> (Arriving, Rest)
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Display,
{
    let (ended, announced) = (body.is_end_stream(), body.size_hint().lower());
    let frames = frames(body);
    let rest = Rest(Arc::new(Mutex::new(State {
        frames,
        ended,
        announced,
    })));
    let read = rest.clone();
    (stream::poll_fn(move |cx| read.poll(cx)).boxed(), rest)
}

fn frames<B>(body: B) -> Arriving
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Display,
{
    let began = Instant::now();
    let frames = Box::pin(BodyDataStream::new(body));
    let next = move |(mut frames, received): (Pin<Box<BodyDataStream<B>>>, u64)| async move {
        let deadline = began + PAUSE + Duration::from_secs(received / FLOOR);
        match timeout_at(deadline, frames.next()).await {
            Err(_) => Err(Refusal::Slow),
            Ok(None) => Ok(None),
            Ok(Some(Err(_))) => Err(Refusal::Input("a body that was cut off")),
            Ok(Some(Ok(bytes))) => {
                let received = received + bytes.len() as u64;
                Ok(Some((bytes, (frames, received))))
            }
        }
    };
    stream::try_unfold((frames, 0), next).boxed()
}

/// The same frames of a body of `len` bytes, refused as soon as it is clear that they won't all have come in time.
pub fn hurried(frames: Arriving, len: u64) -> Arriving {
    let began = Instant::now();
    let next = move |(mut frames, received): (Arriving, u64)| async move {
        let due = Duration::from_millis(1000 * HURRY * received / len.max(1));
        match timeout_at(began + TAKING + due, frames.next()).await {
            Err(_) => Err(Refusal::Slow),
            Ok(None) => Ok(None),
            Ok(Some(bytes)) => {
                let bytes = bytes?;
                let received = received + bytes.len() as u64;
                Ok(Some((bytes, (frames, received))))
            }
        }
    };
    stream::try_unfold((frames, 0), next).boxed()
}

/// The other hand.
#[derive(Clone)]
pub struct Rest(Arc<Mutex<State>>);

struct State {
    frames: Arriving,
    /// The last byte was read.
    ended: bool,
    /// Bytes that it was said to have.
    announced: u64,
}

impl fmt::Debug for Rest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rest")
    }
}

impl Rest {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn poll(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Refusal>>> {
        let mut state = self.lock();
        if state.ended {
            return Poll::Ready(None);
        }
        let next = ready!(Pin::new(&mut state.frames).poll_next(cx));
        state.ended = next.is_none();
        Poll::Ready(next)
    }

    /// Whether the body has been read to its end.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lock().ended
    }

    /// Takes what is left, until `deadline` at the latest; false if that is too much or too slow, so that the connection has to be closed.
    pub async fn take(&self, deadline: Instant) -> bool {
        if !self.is_empty() && self.lock().announced > MOST_TAKEN as u64 {
            return false;
        }
        let mut taken = 0;
        let taking = async {
            while taken <= MOST_TAKEN {
                match poll_fn(|cx| self.poll(cx)).await {
                    None => return true,
                    Some(Err(_)) => return false,
                    Some(Ok(bytes)) => taken += bytes.len(),
                }
            }
            false
        };
        let deadline = deadline.min(Instant::now() + TAKING);
        timeout_at(deadline, taking).await.unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Frames of 1 MiB, `every` seconds apart.
    fn dripping(frames: u64, every: u64) -> Arriving {
        let drip = move |number: u64| async move {
            if number == frames {
                return None;
            }
            tokio::time::sleep(Duration::from_secs(every)).await;
            Some((Ok(Bytes::from(vec![0; 1 << 20])), number + 1))
        };
        stream::unfold(0, drip).boxed()
    }

    async fn received(mut frames: Arriving) -> Result<u64, Refusal> {
        let mut received = 0;
        while let Some(bytes) = frames.next().await {
            received += bytes?.len() as u64;
        }
        Ok(received)
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_memory_is_kept_for_has_to_come_in_time() {
        let began = Instant::now();
        assert_eq!(received(hurried(dripping(16, 3), 16 << 20)).await, Ok(16 << 20));
        assert_eq!(began.elapsed(), Duration::from_secs(48));
        let began = Instant::now();
        assert_eq!(received(hurried(dripping(16, 9), 16 << 20)).await, Err(Refusal::Slow));
        assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    }
}
