//! A share on its way to the clouds: what the client sends waits in a spool, and leaves an extent at a time.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use tokio::sync::watch;
use tokio::task::{JoinHandle, spawn_blocking};

use super::super::provider::{Answer, Incoming, Trouble};
use super::super::spool::{Outflow, Spool};
use super::trouble;
use crate::store::Store;
use crate::store::error::StoreError;
use crate::store::inflow::Inflow;
use crate::store::put::Put;
use crate::store::send::{Progress, Silent};

/// Pieces of shares up to this length are coded from memory where that is quicker than to wake a thread.
const AT_ONCE: u64 = 64 << 10;

/// A share on its way in: the client's side.
#[derive(Debug)]
pub(super) struct Unfinished {
    len: u64,
    spool: Arc<Spool>,
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
        let ((prefix, arriving), (gone, left)) = (watch::channel(0), watch::channel(0));
        let spool = Arc::new(spool);
        let pump = Pump {
            store,
            progress: Arc::new(Silent),
            spool: spool.clone(),
            put,
            len,
            arriving,
            gone,
        };
        Unfinished {
            len,
            spool,
            left,
            prefix,
            pump: Some(tokio::spawn(pump.run())),
        }
    }
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
        let spool = self.spool.clone();
        let waits = *self.left.borrow() <= at;
        Box::pin(async move {
            let held = spawn_blocking(move || Ok(waits && spool.read(at..at + bytes.len() as u64)? == bytes)).await;
            held.expect("reading a spool does not panic").map_err(spooling)
        })
    }

    fn advance(&mut self, prefix: u64) -> Answer<'_, ()> {
        // If the other side has failed, the end of the share tells.
        let _ = self.prefix.send(prefix);
        Box::pin(std::future::ready(Ok(())))
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
        if let Some(pump) = self.pump.take() {
            tokio::spawn(give_up(pump));
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
    async fn run(mut self) -> Result<Inflow, Failed> {
        let begun = self
            .store
            .begin_put(self.put.clone(), self.len, self.progress.clone())
            .await;
        let mut inflow = begun.map_err(|error| (error, None))?;
        let mut at = 0;
        while inflow.next_len() > 0 {
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
            // If nobody asks any more, nobody has to know.
            let _ = self.gone.send(at);
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
