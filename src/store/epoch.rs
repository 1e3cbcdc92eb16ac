//! The claim of an epoch: one a run of a writing process, so that no generation is ever used twice, whatever happened to the catalog.
//!
//! ```text
//! catalog: epoch e+1 is mine (durable)
//!    └─▶ each member: list the epoch records ─▶ none that the catalog doesn't know? ─▶ write mine ─▶ list again: still none?
//!            └─▶ more than half of the members did so, and keep the membership: the claim is durable, the first root may leave
//!            └─▶ one is strange: mine are deleted, nothing that counts leaves
//! ```
//!
//! Two majorities meet, so a process that runs on an old catalog, or beside another machine, sees a record that it doesn't know and stops
//! before anything it wrote counts. Of two that claim in the same moment the later writer of each member sees the other: one goes on at most.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt, Shared};
use futures::stream::FuturesUnordered;
use futures::{StreamExt, TryStreamExt, try_join};

use tokio::time::timeout;

use super::Store;
use super::clouds::Cloud;
use super::error::StoreError;
use super::layout::Layout;
use super::send::{blob_key, put_whole};
use super::weave::weave_empty;
use crate::catalog::CatalogError;
use crate::catalog::record::Extent;
use crate::catalog::shipment::FIRST_SEQUENCE;
use crate::entropy::random;
use crate::fragment::id::{ExtentId, Generation, Group, Kind, WriterId};
use crate::fragment::key::open_key;
use crate::fragment::owner::Owner;
use crate::provider::ProviderError;
use crate::stripe::geometry::Shape;

/// The reserved name of epoch records.
pub const EPOCH_NAME: &str = "\0epoch";

/// How long an answer from the catalog alone waits for the clouds to say that it is old.
const TELL_WITHIN: Duration = Duration::from_secs(3);

/// In a catalog's row, in the place of a writer: a rebuild has seen this epoch passed, and all before it, whoever claimed them.
pub const PASSED: WriterId = WriterId([0xff; 16]);

/// A claim on its way to the clouds, or its outcome.
type Confirming = Shared<BoxFuture<'static, Result<(), Failure>>>;

/// This process as a writer.
#[derive(Debug)]
pub struct Writer {
    epoch: u64,
    id: WriterId,
    sequence: AtomicU64,
    shipments: AtomicU64,
    store: Weak<Store>,
    confirming: Mutex<Confirming>,
    /// Another writer was seen after the claim: nothing more that counts may leave.
    fenced: OnceLock<Failure>,
}

impl Writer {
    /// The next generation.
    pub fn next(&self) -> Generation {
        let sequence = self.sequence.fetch_add(1, Ordering::SeqCst) + 1;
        Generation {
            epoch: self.epoch,
            sequence,
            writer: self.id,
        }
    }

    /// True if this process gave the generation out, or will.
    pub(super) fn issues(&self, generation: Generation) -> bool {
        (generation.epoch, generation.writer) == (self.epoch, self.id)
    }

    /// The generation of the next shipment: its sequence is none of a version's.
    pub fn next_shipment(&self) -> Generation {
        let number = self.shipments.fetch_add(1, Ordering::SeqCst);
        Generation {
            epoch: self.epoch,
            sequence: FIRST_SEQUENCE + number,
            writer: self.id,
        }
    }

    /// Waits until the claim is durable: before a root, tombstone or void leaves. Refused for good once another writer was seen; what failed for want
    /// of providers is tried again by whoever comes after.
    pub async fn durable(&self) -> Result<(), StoreError> {
        match self.fenced.get() {
            Some(failure) => Err(failure.clone().into()),
            None => self.confirming().await.map_err(StoreError::from),
        }
    }

    /// The attempt that is under way or ended well; a new one after one that ended badly.
    fn confirming(&self) -> Confirming {
        let mut confirming = self.confirming.lock().unwrap_or_else(PoisonError::into_inner);
        let failed = matches!(
            confirming.peek(),
            Some(Err(Failure::NoMajority { .. } | Failure::Catalog(_)))
        );
        if failed && let Some(store) = self.store.upgrade() {
            *confirming = store.confirming(self.epoch, self.id);
        }
        confirming.clone()
    }
}

/// Why an epoch was not claimed; kept for all who wait.
#[derive(Clone, Debug)]
enum Failure {
    Stale {
        known: u64,
        found: u64,
        provider: String,
    },
    NoMajority {
        answered: usize,
        members: usize,
        causes: Vec<ProviderError>,
    },
    Catalog(CatalogError),
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> StoreError {
        match failure {
            Failure::Stale { known, found, provider } => StoreError::Stale { known, found, provider },
            Failure::NoMajority {
                answered,
                members,
                causes,
            } => StoreError::NoMajority {
                answered,
                members,
                causes,
            },
            Failure::Catalog(error) => StoreError::Catalog(error),
        }
    }
}

/// An epoch record that a listing showed.
#[derive(Clone, Debug)]
struct Found {
    key: String,
    generation: Generation,
}

impl Store {
    /// This process as a writer: claims an epoch the first time. The claim becomes durable in the background.
    pub(crate) async fn writer(self: &Arc<Store>) -> Result<&Writer, StoreError> {
        self.writer.get_or_try_init(|| self.claim()).await
    }

    async fn claim(self: &Arc<Store>) -> Result<Writer, StoreError> {
        let known = self.catalog.epochs().await?;
        let epoch = known.iter().map(|row| row.epoch).max().unwrap_or(0) + 1;
        let id = WriterId(random(self.entropy.as_ref()));
        self.catalog.claim_epoch(epoch, id).await?;
        Ok(Writer {
            epoch,
            id,
            sequence: AtomicU64::new(0),
            shipments: AtomicU64::new(0),
            fenced: OnceLock::new(),
            store: Arc::downgrade(self),
            confirming: Mutex::new(self.confirming(epoch, id)),
        })
    }

    /// Begins to make a claim durable.
    fn confirming(self: &Arc<Store>, epoch: u64, writer: WriterId) -> Confirming {
        let store = self.clone();
        let mine = Generation {
            epoch,
            sequence: 0,
            writer,
        };
        let confirm = tokio::spawn(async move { store.confirm(mine).await });
        let outcome = confirm.map(|end| match end {
            Ok(result) => result,
            Err(panic) => Err(Failure::NoMajority {
                answered: 0,
                members: 0,
                causes: vec![broken(&panic)],
            }),
        });
        outcome.boxed().shared()
    }

    /// Lists and writes on all members; done at the first majority. The rest, and the removal of older records, goes on behind.
    async fn confirm(self: Arc<Store>, mine: Generation) -> Result<(), Failure> {
        let members: Vec<Arc<Cloud>> = self.clouds().present().cloned().collect();
        let known = self.known_epochs().await?;
        let mut claims: FuturesUnordered<_> = members
            .iter()
            .map(|cloud| {
                let (store, cloud, known) = (self.clone(), cloud.clone(), known.clone());
                tokio::spawn(async move { store.claim_on(&cloud, mine, &known).await })
            })
            .collect();
        let (mut older, mut own, mut causes, mut answered) = (Vec::new(), Vec::new(), Vec::new(), 0);
        while let Some(claim) = claims.next().await {
            let claim = claim.map_err(|panic| Failure::NoMajority {
                answered,
                members: members.len(),
                causes: vec![broken(&panic)],
            })?;
            own.extend(claim.own);
            match claim.result {
                Ok(found) => {
                    answered += 1;
                    older.extend(found);
                }
                Err(ClaimError::Provider(error)) => causes.push(error),
                Err(ClaimError::Stale(failure)) => {
                    withdraw(claims, own).await;
                    return Err(failure);
                }
            }
            if answered * 2 > members.len() {
                tokio::spawn(async move { forget(claims, older).await });
                return Ok(());
            }
        }
        Err(Failure::NoMajority {
            answered,
            members: members.len(),
            causes,
        })
    }

    async fn claim_on(&self, cloud: &Arc<Cloud>, mine: Generation, known: &Known) -> Claim {
        let mut own = None;
        let result = self.try_claim_on(cloud, mine, known, &mut own).await;
        Claim { own, result }
    }

    /// Notes the record under `own` before it is sent.
    async fn try_claim_on(
        &self,
        cloud: &Arc<Cloud>,
        mine: Generation,
        known: &Known,
        own: &mut Option<Record>,
    ) -> Result<Vec<Record>, ClaimError> {
        let result = self.prove_or_sign_in(cloud).await;
        cloud.note(&result);
        result?;
        let provider = cloud.way().ok_or_else(|| cloud.out_of_reach())?;
        let found = self.familiar_records(cloud, known).await?;
        let extent = self.epoch_extent(mine);
        let copies = [self.entropy.number()];
        let layout = Layout {
            k: 1,
            n: 1,
            chunk_len: CHUNK_LEN,
            overhead: 0,
            header_len: extent.header_len,
            fragment_len: 1 << 20,
        };
        let woven =
            weave_empty(&self.keys, layout, extent, &Owner::default(), &copies).expect("the newest key is in the ring");
        let key = blob_key(&self.keys, &woven.extent, 0, copies[0]);
        let [body] = <[_; 1]>::try_from(woven.fragments).expect("an epoch record is one fragment");
        *own = Some((cloud.clone(), key.clone()));
        try_join!(self.leave_membership(cloud), put_whole(provider, &key, body)).map_err(ClaimError::Provider)?;
        self.familiar_records(cloud, known).await?;
        Ok(found.into_iter().map(|record| (cloud.clone(), record.key)).collect())
    }

    /// The epoch records of a member, all of which the catalog has to know.
    async fn familiar_records(&self, cloud: &Cloud, known: &Known) -> Result<Vec<Found>, ClaimError> {
        let found = self.epoch_records(cloud).await?;
        match found.iter().find(|record| !known.has(record.generation)) {
            Some(strange) => Err(ClaimError::Stale(stale(known, strange.generation, cloud))),
            None => Ok(found),
        }
    }

    fn epoch_extent(&self, generation: Generation) -> Extent {
        Extent {
            id: ExtentId(random(self.entropy.as_ref())),
            group: self.keys.group(EPOCH_NAME),
            generation,
            kind: Kind::Epoch,
            key_id: self.keys.newest(),
            sealed: false,
            shape: Shape {
                k: 1,
                n: 1,
                chunk_len: CHUNK_LEN,
                overhead: 0,
                payload_len: 0,
            },
            quorum: 1,
            header_len: crate::stripe::geometry::MIN_HEADER_LEN,
            salt: random(self.entropy.as_ref()),
            digest: [0; 32],
        }
    }

    async fn epoch_records(&self, cloud: &Cloud) -> Result<Vec<Found>, ProviderError> {
        let group: Group = self.keys.group(EPOCH_NAME);
        let provider = cloud.way().ok_or_else(|| cloud.out_of_reach())?;
        let prefix = folder(group);
        let mut found = Vec::new();
        let mut listing = provider.list(&prefix);
        while let Some(listed) = listing.try_next().await? {
            match open_key(&self.keys, &listed.key) {
                Some((of, token)) if of == group && token.kind == Kind::Epoch => {
                    found.push(Found {
                        key: listed.key,
                        generation: token.generation,
                    });
                }
                _ => {}
            }
        }
        Ok(found)
    }

    async fn known_epochs(&self) -> Result<Known, Failure> {
        let rows = self.catalog.epochs().await.map_err(Failure::Catalog)?;
        Ok(Known(rows.into_iter().map(|row| (row.epoch, row.writer)).collect()))
    }

    /// An answer that rests on the catalog alone, such as that there is no object; or that the catalog is old, if the clouds say so in time.
    pub async fn unless_stale(self: &Arc<Store>, answer: StoreError) -> StoreError {
        match timeout(TELL_WITHIN, self.clone().check_fresh()).await {
            Ok(Err(stale @ StoreError::Stale { .. })) => stale,
            _ => answer,
        }
    }

    /// For verbs that read: looks whether the clouds know an epoch that the catalog doesn't. Providers that don't answer say nothing.
    pub(crate) async fn check_fresh(self: Arc<Store>) -> Result<(), StoreError> {
        let mut listings: FuturesUnordered<_> = self
            .clouds()
            .present()
            .cloned()
            .map(|cloud| {
                let store = self.clone();
                async move {
                    let found = store.epoch_records(&cloud).await;
                    (cloud, found)
                }
            })
            .collect();
        while let Some((cloud, found)) = listings.next().await {
            for record in found.unwrap_or_default() {
                let known = self.known_epochs().await?;
                if !known.has(record.generation) {
                    return Err(stale(&known, record.generation, &cloud).into());
                }
            }
        }
        Ok(())
    }
}

impl Store {
    /// For a process that writes for long: looks whether another has claimed an epoch since. From then on every root, tombstone and void is refused.
    pub async fn check_fence(self: &Arc<Store>) -> Result<(), StoreError> {
        let Some(writer) = self.writer.get() else { return Ok(()) };
        let checked = self.clone().check_fresh().await;
        if let Err(StoreError::Stale { known, found, provider }) = &checked {
            let (known, found, provider) = (*known, *found, provider.clone());
            // Whoever sees it first tells it; once is enough.
            drop(writer.fenced.set(Failure::Stale { known, found, provider }));
        }
        checked
    }
}

/// The folder that the blobs of a group lie in.
pub(super) fn folder(group: Group) -> String {
    let letters = group.to_string();
    format!("{}/{}/", &letters[..1], &letters[1..2])
}

/// Any legal value: the extent has no chunk.
const CHUNK_LEN: u32 = 1 << 16;

/// The epochs of the catalog.
#[derive(Clone, Debug)]
struct Known(BTreeSet<(u64, WriterId)>);

impl Known {
    fn has(&self, generation: Generation) -> bool {
        let passed = self
            .0
            .iter()
            .any(|(epoch, writer)| *writer == PASSED && generation.epoch <= *epoch);
        passed || self.0.contains(&(generation.epoch, generation.writer))
    }
}

fn stale(known: &Known, found: Generation, cloud: &Cloud) -> Failure {
    let newest = known.0.last().map_or(0, |(epoch, _)| *epoch);
    Failure::Stale {
        known: newest,
        found: found.epoch,
        provider: cloud.member.name.clone(),
    }
}

enum ClaimError {
    Provider(ProviderError),
    Stale(Failure),
}

impl From<ProviderError> for ClaimError {
    fn from(error: ProviderError) -> ClaimError {
        ClaimError::Provider(error)
    }
}

/// An epoch record: where it is, and its key.
type Record = (Arc<Cloud>, String);

/// What became of the claim on one member.
struct Claim {
    /// The record that may be there now.
    own: Option<Record>,
    /// The records that it replaces.
    result: Result<Vec<Record>, ClaimError>,
}

type Claims = FuturesUnordered<tokio::task::JoinHandle<Claim>>;

/// Lets the other members finish, then takes back what was written: nothing counts under it, and whoever was first must not meet it later.
async fn withdraw(mut claims: Claims, mut own: Vec<Record>) {
    while let Some(claim) = claims.next().await {
        own.extend(claim.ok().and_then(|claim| claim.own));
    }
    delete(own).await;
}

/// Lets the other members finish, then removes older records: the new one is at a majority.
async fn forget(mut claims: Claims, mut older: Vec<Record>) {
    while let Some(claim) = claims.next().await {
        older.extend(claim.into_iter().flat_map(|claim| claim.result.unwrap_or_default()));
    }
    delete(older).await;
}

async fn delete(records: Vec<Record>) {
    for (cloud, key) in records {
        if let Some(provider) = cloud.way() {
            // What stays is removed by a later claim.
            drop(provider.delete(&key).await);
        }
    }
}

fn broken(panic: &tokio::task::JoinError) -> ProviderError {
    ProviderError {
        provider: "all".to_owned(),
        operation: crate::provider::Operation::List,
        key: String::new(),
        class: crate::provider::Class::Broken,
        attempts: 1,
        message: panic.to_string(),
    }
}

impl From<Failure> for ClaimError {
    fn from(failure: Failure) -> ClaimError {
        ClaimError::Stale(failure)
    }
}
