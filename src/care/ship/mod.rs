//! Copies of the catalog on the clouds: a checkpoint now and then, and the journal since, so that a lost disk loses no lease, no removal and no debt.
//!
//! ```text
//! what is due? (due.rs) ─▶ row noted ─▶ extents beside the catalog (store/freight.rs) ─▶ at their quorum ─▶ row safe
//!                                                                                          └─▶ what it replaces goes
//! ```
//!
//! Nobody waits for it: what was acknowledged was so before. It changes nothing that the journal tells of, so it comes to rest when nothing else happens.

pub(super) mod belt;
mod due;

use std::io::{Cursor, Read};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream;
use tokio::sync::Mutex;
use tokio::time::Instant;

use belt::belt;
pub use due::Effort;
use due::{Due, Facts};

use crate::catalog::archive::{Archive, Sink};
use crate::catalog::checkpoint::{self, Record};
use crate::catalog::journal::Position;
use crate::catalog::record::{Extent, Fragment};
use crate::catalog::shipment::{Cargo, Shipment, ShipmentState};
use crate::fragment::id::{Generation, Kind};
use crate::store::Store;
use crate::store::error::StoreError;
use crate::store::freight::Freight;
use crate::store::source::Ahead;

/// Bytes of changes in one segment, but for one change that is longer.
const SEGMENT: usize = 4 << 20;

/// Blobs that are deleted at once.
const AT_ONCE: usize = 32;

/// How long what could not be deleted rests.
const REST: Duration = Duration::from_mins(15);

/// How often a process that goes on looks for changes.
pub const EVERY: Duration = Duration::from_secs(5);

/// How often it looks whether another has begun to write.
const FENCE_EVERY: Duration = Duration::from_secs(30);

/// Sends a catalog's copies to the clouds of its store.
#[derive(Debug)]
pub struct Shipper {
    store: Arc<Store>,
    archive: Arc<dyn Archive>,
    /// One shipment at a time; when the next look at what may go is.
    turn: Mutex<Option<Instant>>,
}

/// What was shipped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shipped {
    /// Checkpoints.
    pub checkpoints: u64,
    /// Segments of the journal.
    pub segments: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Shipper {
    /// For this catalog, which is that of the store.
    #[must_use]
    pub fn new(store: Arc<Store>, archive: Arc<dyn Archive>) -> Shipper {
        Shipper {
            store,
            archive,
            turn: Mutex::default(),
        }
    }

    /// Ships what is due, then deletes what nobody needs any more. An error leaves what was safe before as it is.
    pub async fn ship(&self, effort: Effort) -> Result<Shipped, StoreError> {
        let mut rest = self.turn.lock().await;
        let (mut shipped, mut effort) = (Shipped::default(), effort);
        loop {
            let shipments = self.archive.shipments().await?;
            let due = self.facts(&shipments).await?.due(effort);
            let shipment = match due {
                Due::Nothing => break,
                Due::Checkpoint => self.checkpoint().await?,
                Due::Journal { after } => match self.segment(after, &shipments).await? {
                    Some(segment) => segment,
                    None => self.checkpoint().await?,
                },
            };
            shipped.bytes += shipment.bytes;
            match shipment.cargo {
                Cargo::Checkpoint => shipped.checkpoints += 1,
                Cargo::Journal { .. } => shipped.segments += 1,
            }
            if effort == Effort::Checkpoint {
                effort = Effort::Full;
            }
        }
        if rest.is_none_or(|until| until <= Instant::now()) {
            let all_gone = self.clear().await?;
            *rest = (!all_gone).then(|| Instant::now() + REST);
        }
        Ok(shipped)
    }

    /// Ships whatever happens, until `stop`; then once more. Meanwhile watches for another writer.
    pub async fn keep_shipping(&self, stop: impl Future<Output = ()>) {
        tokio::pin!(stop);
        let (mut fence, mut seen) = (Instant::now() + FENCE_EVERY, None);
        loop {
            let going = tokio::select! {
                biased;
                () = &mut stop => false,
                () = tokio::time::sleep(EVERY) => true,
            };
            if let Err(error) = self.ship(Effort::Full).await {
                tracing::warn!("the catalog's copy on the clouds has to wait: {error}");
            }
            if !going {
                return;
            }
            let at = self.archive.position().await.ok();
            if Instant::now() >= fence && at != seen {
                (fence, seen) = (Instant::now() + FENCE_EVERY, at);
                if let Err(error) = self.store.check_fence().await {
                    tracing::error!("nothing more is written: {error}");
                }
            }
        }
    }

    async fn facts<'a>(&self, shipments: &'a [Shipment]) -> Result<Facts<'a>, StoreError> {
        Ok(Facts {
            shipments,
            at: self.archive.position().await?,
            membership: self.archive.members().await?.0,
            now: self.store.clock().now(),
        })
    }

    async fn checkpoint(&self) -> Result<Shipment, StoreError> {
        self.archive.keep_changes().await?;
        let freight = self.store.freight(Kind::Checkpoint).await?;
        let mut shipment = self.begun(&freight, Cargo::Checkpoint).await?;
        let (mut giver, taker) = belt(self.archive.exports_aside());
        giver.give(&checkpoint::head());
        let sink: Sink = Box::new(move |record: Record| {
            let last = matches!(record, Record::End { .. });
            giver.give(&record.encode()) && (!last || giver.flush())
        });
        let (at, sent) = tokio::join!(
            self.archive.export(sink),
            self.carry(&freight, &mut shipment, None, taker)
        );
        sent?;
        self.arrived(shipment, at?).await
    }

    /// A segment of the changes after this number, or after the newest checkpoint if those between are not kept; `None` if neither are.
    async fn segment(&self, after: u64, shipments: &[Shipment]) -> Result<Option<Shipment>, StoreError> {
        let newest = shipments
            .iter()
            .rfind(|it| it.state == ShipmentState::Safe && it.cargo == Cargo::Checkpoint);
        let mut found = self.archive.changes(after, SEGMENT).await?;
        if let (None, Some(newest)) = (&found, newest) {
            found = self.archive.changes(newest.to.number, SEGMENT).await?;
        }
        let Some(segment) = found else { return Ok(None) };
        let freight = self.store.freight(Kind::Journal).await?;
        let after = segment.from().number;
        let mut shipment = self.begun(&freight, Cargo::Journal { after }).await?;
        let (to, bytes) = (segment.to(), segment.encode());
        let hint = bytes.len() as u64;
        self.carry(&freight, &mut shipment, Some(hint), Cursor::new(bytes))
            .await?;
        self.arrived(shipment, to).await.map(Some)
    }

    async fn begun(&self, freight: &Freight, cargo: Cargo) -> Result<Shipment, StoreError> {
        Ok(Shipment {
            generation: freight.generation(),
            cargo,
            to: Position::default(),
            membership: self.archive.members().await?.0,
            at: self.store.clock().now(),
            bytes: 0,
            state: ShipmentState::Leaving,
            extents: Vec::new(),
        })
    }

    /// Sends all bytes, extent by extent, each noted before it leaves.
    async fn carry(
        &self,
        freight: &Freight,
        shipment: &mut Shipment,
        hint: Option<u64>,
        source: impl Read + Send + 'static,
    ) -> Result<(), StoreError> {
        let mut source = Ahead::new(source);
        for ordinal in 0_u32.. {
            let hint = hint.map(|hint| hint.saturating_sub(shipment.bytes));
            let (loaded, rest, ended) = freight.load(ordinal, hint, source).await?;
            source = rest;
            shipment.bytes += loaded.len();
            shipment.extents.push(loaded.row());
            self.archive.note_shipment(shipment.clone()).await?;
            let sent = freight.send(loaded).await?;
            shipment.extents.pop();
            shipment.extents.push((sent.extent, sent.fragments));
            if ended {
                break;
            }
        }
        Ok(())
    }

    /// All its extents are at their quorum: from now on it counts, and the changes that are in it need not be kept.
    async fn arrived(&self, shipment: Shipment, to: Position) -> Result<Shipment, StoreError> {
        let shipment = Shipment {
            to,
            state: ShipmentState::Safe,
            ..shipment
        };
        self.archive.note_shipment(shipment.clone()).await?;
        let shipments = self.archive.shipments().await?;
        if let Some(end) = self.facts(&shipments).await?.journal_end() {
            self.archive.forget_changes(end).await?;
        }
        Ok(shipment)
    }

    /// Deletes what nobody needs any more. False if a provider that holds some of it didn't answer.
    async fn clear(&self) -> Result<bool, StoreError> {
        let shipments = self.archive.shipments().await?;
        let gone: Vec<Generation> = self.facts(&shipments).await?.dispensable(None);
        let mut all_gone = true;
        for mut shipment in shipments.into_iter().filter(|it| gone.contains(&it.generation)) {
            if shipment.state != ShipmentState::Going {
                // An old catalog deletes nothing.
                self.store.claimed().await?;
                shipment.state = ShipmentState::Going;
                self.archive.note_shipment(shipment.clone()).await?;
            }
            let mut blobs = Vec::new();
            for (extent, fragments) in &shipment.extents {
                blobs.extend(fragments.iter().map(|fragment| (extent.clone(), *fragment)));
            }
            let discard = |(extent, fragment)| discard(self.store.clone(), extent, fragment);
            let ends: Vec<bool> = stream::iter(blobs)
                .map(discard)
                .buffer_unordered(AT_ONCE)
                .collect()
                .await;
            if ends.into_iter().all(|gone| gone) {
                self.archive.forget_shipment(shipment.generation).await?;
            } else {
                all_gone = false;
            }
        }
        Ok(all_gone)
    }
}

/// Deletes one blob of a shipment. True if it is gone.
async fn discard(store: Arc<Store>, extent: Extent, fragment: Fragment) -> bool {
    store.discard(&extent, fragment).await.is_ok()
}
