//! A connection whose other side has to keep moving.
//!
//! ```text
//! waiting for the first byte of a request ──byte──▶ head on its way (10 s) ──service called──▶ request ──answered──▶ waiting
//! writing: some byte within 60 s
//! ```
//!
//! hyper's own timer can't tell an idle connection, which may wait for minutes, from a head that comes a byte at a time.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// From the first byte of a head to its last; and from the connection to the first byte.
const HEAD: Duration = Duration::from_secs(10);

/// The longest pause of a client that reads an answer.
const WRITE: Duration = Duration::from_mins(1);

/// What a connection is doing, told by the service.
#[derive(Clone, Debug)]
pub struct Phase(Arc<AtomicU8>);

const WAITING: u8 = 0;
const ARRIVING: u8 = 1;
const REQUEST: u8 = 2;

impl Phase {
    /// A connection that was just made: its first head is awaited.
    #[must_use]
    pub fn new() -> Phase {
        Phase(Arc::new(ARRIVING.into()))
    }

    /// A head is complete.
    pub fn begin(&self) {
        self.0.store(REQUEST, Ordering::Relaxed);
    }

    /// Its request was answered.
    pub fn end(&self) {
        self.0.store(WAITING, Ordering::Relaxed);
    }
}

impl Default for Phase {
    fn default() -> Phase {
        Phase::new()
    }
}

/// A stream that fails when its other side stands still where it may not.
#[derive(Debug)]
pub struct Watched<S> {
    stream: S,
    phase: Phase,
    head: Pin<Box<Sleep>>,
    write: Pin<Box<Sleep>>,
    writing: bool,
}

impl<S> Watched<S> {
    /// Watches a stream that was just opened.
    pub fn new(stream: S, phase: Phase) -> Watched<S> {
        Watched {
            stream,
            phase,
            head: Box::pin(sleep(HEAD)),
            write: Box::pin(sleep(WRITE)),
            writing: false,
        }
    }

    /// Notes the end of a poll of the writing side, and fails if nothing went for too long.
    fn wrote<T>(&mut self, cx: &mut Context<'_>, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.writing = false;
            return polled;
        }
        if !self.writing {
            self.writing = true;
            self.write.as_mut().reset(Instant::now() + WRITE);
        }
        ready!(self.write.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_read(cx, into);
        match self.phase.0.load(Ordering::Relaxed) {
            WAITING if polled.is_ready() => {
                self.phase.0.store(ARRIVING, Ordering::Relaxed);
                self.head.as_mut().reset(Instant::now() + HEAD);
            }
            ARRIVING if polled.is_pending() => {
                ready!(self.head.as_mut().poll(cx));
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            _ => {}
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.wrote(cx, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, pieces);
        self.wrote(cx, polled)
    }

    /// So that an answer's head and its bytes go out together without being copied together.
    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(cx);
        self.wrote(cx, polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.wrote(cx, polled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt;

    /// Notes how many pieces came at once.
    #[derive(Debug, Default)]
    struct Noting(Vec<usize>);

    impl AsyncWrite for Noting {
        fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
        }

        fn poll_write_vectored(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            pieces: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            self.0.push(pieces.len());
            Poll::Ready(Ok(pieces.iter().map(|piece| piece.len()).sum()))
        }

        fn is_write_vectored(&self) -> bool {
            true
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn pieces_go_out_together_as_they_are() {
        let mut watched = Watched::new(Noting::default(), Phase::new());
        assert!(watched.is_write_vectored());
        let pieces = [IoSlice::new(b"head"), IoSlice::new(b"body")];
        assert_eq!(watched.write_vectored(&pieces).await.unwrap(), 8);
        assert_eq!(watched.stream.0, [2]);
    }
}
