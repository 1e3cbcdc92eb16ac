//! Bytes from one side to the other while both work: records of a checkpoint on their way out or in, a few pieces at a time.

use std::io::{self, Read};

use bytes::{Buf, Bytes};
use tokio::sync::mpsc;

/// Pieces that wait between the two sides.
const PIECES: usize = 64;

/// Bytes that the giving side gathers before they count as a piece.
const PIECE: usize = 64 << 10;

/// The giving side.
#[derive(Debug)]
pub(in crate::care) struct Giver {
    way: Way,
    gathered: Vec<u8>,
}

#[derive(Debug)]
enum Way {
    /// Whoever gives may wait for whoever takes.
    Bounded(mpsc::Sender<io::Result<Bytes>>),
    /// Both are one thread: all is kept until it is taken.
    Unbounded(mpsc::UnboundedSender<io::Result<Bytes>>),
}

/// The taking side: it waits, on a thread that may.
#[derive(Debug)]
pub(in crate::care) struct Taker {
    from: From,
    now: Bytes,
}

#[derive(Debug)]
enum From {
    Bounded(mpsc::Receiver<io::Result<Bytes>>),
    Unbounded(mpsc::UnboundedReceiver<io::Result<Bytes>>),
}

/// A belt; with `waits` the giving side waits when the other is slow.
pub(in crate::care) fn belt(waits: bool) -> (Giver, Taker) {
    let (way, from) = if waits {
        let (give, take) = mpsc::channel(PIECES);
        (Way::Bounded(give), From::Bounded(take))
    } else {
        let (give, take) = mpsc::unbounded_channel();
        (Way::Unbounded(give), From::Unbounded(take))
    };
    let gathered = Vec::new();
    let now = Bytes::new();
    (Giver { way, gathered }, Taker { from, now })
}

impl Giver {
    /// Gives bytes, from a thread that may wait. False if nobody takes them any more.
    pub(in crate::care) fn give(&mut self, bytes: &[u8]) -> bool {
        self.gathered.extend_from_slice(bytes);
        self.gathered.len() < PIECE || self.flush()
    }

    /// Gives what was gathered.
    pub(in crate::care) fn flush(&mut self) -> bool {
        let piece = Ok(std::mem::take(&mut self.gathered).into());
        match &self.way {
            Way::Bounded(give) => give.blocking_send(piece).is_ok(),
            Way::Unbounded(give) => give.send(piece).is_ok(),
        }
    }

    /// Gives a whole piece, or the news that no more will come, without a thread.
    pub(in crate::care) async fn hand(&self, piece: io::Result<Bytes>) -> bool {
        match &self.way {
            Way::Bounded(give) => give.send(piece).await.is_ok(),
            Way::Unbounded(give) => give.send(piece).is_ok(),
        }
    }
}

impl Read for Taker {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.now.is_empty() {
            let next = match &mut self.from {
                From::Bounded(take) => take.blocking_recv(),
                From::Unbounded(take) => match take.try_recv() {
                    Ok(piece) => Some(piece),
                    Err(mpsc::error::TryRecvError::Disconnected) => None,
                    Err(mpsc::error::TryRecvError::Empty) => take.blocking_recv(),
                },
            };
            match next {
                None => return Ok(0),
                Some(piece) => self.now = piece?,
            }
        }
        let len = self.now.len().min(into.len());
        into[..len].copy_from_slice(&self.now[..len]);
        self.now.advance(len);
        Ok(len)
    }
}
