//! A share on its way to the clouds: what the client sends waits in a spool, and leaves an extent at a time.
//!
//! When the process ends, what waits is lost, and the client has to send it again; the extents that have landed are there for the next process.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use tokio::sync::watch;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::timeout;

use super::super::provider::{Answer, Incoming, Trouble};
use super::super::spool::{Outflow, Spool};
use super::{SHARE_EXTENT, trouble};
use crate::store::Store;
use crate::store::error::StoreError;
use crate::store::inflow::Inflow;
use crate::store::put::Put;
use crate::store::resume::{Landed, Resumed};
use crate::store::send::{Progress, Silent};

/// Pieces of shares up to this length are coded from memory where that is quicker than to wake a thread.
const AT_ONCE: u64 = 64 << 10;

/// So many bytes may wait for the clouds before the client that sends them has to.
const BEHIND: u64 = 2 * SHARE_EXTENT;

/// How long it has to at the most: it gives a request up after 60 s.
const LONGEST_WAIT: Duration = Duration::from_secs(20);

/// A share on its way in: the client's side.
#[derive(Debug)]
pub(super) struct Unfinished {
    len: u64,
    store: Arc<Store>,
    spool: Arc<Spool>,
    /// Its extents that an earlier process sent.
    landed: Arc<[Landed]>,
    /// Bytes from the first on that wait no longer.
    left: watch::Receiver<u64>,
    prefix: watch::Sender<u64>,
    pump: Option<JoinHandle<Result<Inflow, Failed>>>,
}

/// A put that can't go on, with what is to be given up.
type Failed = (StoreError, Option<Box<Inflow>>);

impl Unfinished {
    /// Begins to store `put`, an object of `len` bytes.
    pub(super) fn begin(store: Arc<Store>, spool: Spool, put: Put, len: u64) -> Unfinished {
        Unfinished::new(store, spool, put, len, None, Arc::new([]))
    }

    /// Goes on with `put`, an object of `len` bytes.
    pub(super) fn resume(store: Arc<Store>, spool: Spool, put: Put, len: u64, resumed: Resumed) -> Unfinished {
        Unfinished::new(store, spool, put, len, Some(resumed.inflow), resumed.landed.into())
    }

    fn new(
        store: Arc<Store>,
        spool: Spool,
        put: Put,
        len: u64,
        inflow: Option<Inflow>,
        landed: Arc<[Landed]>,
    ) -> Unfinished {
        let ((prefix, arriving), (gone, left)) = (watch::channel(0), watch::channel(0));
        let spool = Arc::new(spool);
        let pump = Pump {
            store: store.clone(),
            progress: Arc::new(Silent),
            spool: spool.clone(),
            put,
            len,
            arriving,
            gone,
        };
        Unfinished {
            len,
            store,
            spool,
            landed,
            left,
            prefix,
            pump: Some(tokio::spawn(pump.run(inflow))),
        }
    }
}

/// Waits until all but [`BEHIND`] bytes below `prefix` have left, or nobody takes any more, or for long enough.
async fn near_enough(mut left: watch::Receiver<u64>, prefix: u64) {
    let near = left.wait_for(|left| prefix.saturating_sub(*left) <= BEHIND);
    // Whichever it was, the client goes on.
    let _ = timeout(LONGEST_WAIT, near).await;
}

/// Whether these are the bytes of a share from `at` on: those of extents that landed before are read from the clouds, the others are in the spool.
async fn holds(
    store: Arc<Store>,
    spool: Arc<Spool>,
    landed: Arc<[Landed]>,
    left: u64,
    mut at: u64,
    mut bytes: Bytes,
) -> Result<bool, Trouble> {
    while !bytes.is_empty() {
        let end = at + bytes.len() as u64;
        let there = landed.iter().find(|it| it.range.contains(&at));
        let next = landed.iter().map(|it| it.range.start).filter(|start| *start > at).min();
        let to = there.map_or(next.unwrap_or(end), |it| it.range.end).min(end);
        let piece = bytes.split_to(usize::try_from(to - at).expect("a piece is in memory"));
        let kept = match there {
            Some(there) => there.read(&store, at..to).await.map_err(trouble)?,
            None if left > at => return Ok(false),
            None => {
                let (spool, range) = (spool.clone(), at..to);
                let read = spawn_blocking(move || spool.read(range)).await;
                read.expect("reading a spool does not panic").map_err(spooling)?.into()
            }
        };
        if kept != piece {
            return Ok(false);
        }
        at = to;
    }
    Ok(true)
}

impl Incoming for Unfinished {
    fn write(&mut self, at: u64, bytes: Bytes) -> Answer<'_, ()> {
        if self.spool.keep(at, &bytes) {
            return Box::pin(std::future::ready(Ok(())));
        }
        let spool = self.spool.clone();
        Box::pin(async move {
            let written = spawn_blocking(move || spool.write(at, &bytes)).await;
            written.expect("writing to a spool does not panic").map_err(spooling)
        })
    }

    fn holds(&mut self, at: u64, bytes: Bytes) -> Answer<'_, bool> {
        let (store, spool, landed) = (self.store.clone(), self.spool.clone(), self.landed.clone());
        let left = *self.left.borrow();
        Box::pin(holds(store, spool, landed, left, at, bytes))
    }

    fn advance(&mut self, prefix: u64) -> BoxFuture<'static, ()> {
        // If the other side has failed, the end of the share tells.
        let _ = self.prefix.send(prefix);
        Box::pin(near_enough(self.left.clone(), prefix))
    }

    fn finish(mut self: Box<Self>) -> BoxFuture<'static, Result<(), Trouble>> {
        let _ = self.prefix.send(self.len);
        let pump = self.pump.take().expect("it is finished once");
        Box::pin(async move {
            let inflow = match pump.await.map_err(|panic| Trouble(panic.to_string()))? {
                Ok(inflow) => inflow,
                Err((error, None)) => return Err(trouble(error)),
                Err((error, Some(inflow))) => {
                    let end = inflow.abandon().await;
                    return Err(Trouble(format!("{}; {end}", trouble(error))));
                }
            };
            inflow.finish().await.map(drop).map_err(trouble)
        })
    }

    fn abandon(mut self: Box<Self>) -> BoxFuture<'static, ()> {
        let pump = self.pump.take();
        // Without a sender the other side ends.
        drop(self);
        Box::pin(async move {
            if let Some(pump) = pump {
                give_up(pump).await;
            }
        })
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // The node ends: what has landed stays for the next one.
        if let Some(pump) = self.pump.take() {
            pump.abort();
        }
    }
}

async fn give_up(pump: JoinHandle<Result<Inflow, Failed>>) {
    let inflow = match pump.await {
        Ok(Ok(inflow)) => inflow,
        Ok(Err((_, Some(inflow)))) => *inflow,
        Ok(Err((_, None))) | Err(_) => return,
    };
    inflow.abandon().await;
}

/// A share on its way in: the clouds' side. Takes an extent whenever one waits in order.
struct Pump {
    store: Arc<Store>,
    progress: Arc<dyn Progress>,
    spool: Arc<Spool>,
    put: Put,
    len: u64,
    arriving: watch::Receiver<u64>,
    gone: watch::Sender<u64>,
}

impl Pump {
    async fn run(mut self, resumed: Option<Inflow>) -> Result<Inflow, Failed> {
        let (store, put, progress) = (&self.store, self.put.clone(), self.progress.clone());
        let mut inflow = if let Some(inflow) = resumed {
            inflow
        } else {
            let begun = store.begin_put(put, self.len, progress).await;
            begun.map_err(|error| (error, None))?
        };
        let mut at = 0;
        loop {
            at += inflow.pass_landed();
            // If nobody asks any more, nobody has to know.
            let _ = self.gone.send(at);
            if inflow.next_len() == 0 {
                break;
            }
            let to = at + inflow.next_len();
            if self.arriving.wait_for(|prefix| *prefix >= to).await.is_err() {
                let gone = StoreError::Refused {
                    name: self.put.name.clone(),
                    found: "it was given up".to_owned(),
                };
                return Err((gone, Some(Box::new(inflow))));
            }
            if let Err(error) = self.push(&mut inflow, at..to).await {
                return Err((error, Some(Box::new(inflow))));
            }
            self.spool.free(at..to);
            at = to;
        }
        Ok(inflow)
    }

    async fn push(&self, inflow: &mut Inflow, range: Range<u64>) -> Result<(), StoreError> {
        if range.end - range.start <= AT_ONCE
            && self.spool.is_at_hand(range.clone())
            && let Ok(bytes) = self.spool.read(range.clone())
        {
            return inflow.push_held(&bytes).await;
        }
        inflow.push(Outflow::new(self.spool.clone(), range)).await
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it stands in map_err")]
fn spooling(error: std::io::Error) -> Trouble {
    Trouble(format!("bytes that wait for the clouds: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::Instant;

    #[tokio::test(start_paused = true)]
    async fn a_client_waits_for_the_clouds_but_not_for_long() {
        let (gone, left) = watch::channel(0);
        let began = Instant::now();
        near_enough(left.clone(), BEHIND).await;
        assert_eq!(began.elapsed(), Duration::ZERO);
        near_enough(left.clone(), BEHIND + 1).await;
        assert_eq!(began.elapsed(), LONGEST_WAIT);
        let waits = tokio::spawn(near_enough(left.clone(), BEHIND + 5));
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(!waits.is_finished());
        gone.send(5).unwrap();
        waits.await.unwrap();
        assert_eq!(began.elapsed(), LONGEST_WAIT + Duration::from_secs(1));
        let waits = tokio::spawn(near_enough(left, 2 * BEHIND));
        drop(gone);
        waits.await.unwrap();
        assert_eq!(began.elapsed(), LONGEST_WAIT + Duration::from_secs(1));
    }
}
