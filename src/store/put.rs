//! Storing one object: extent by extent while it is read, the root last, then the one commit.

use std::io::Read;
use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinSet;

use super::Store;
use super::clouds::Cloud;
pub(crate) use super::complete::Complete;
use super::draft::Draft;
use super::error::StoreError;
use super::layout::Layout;
use super::manifest::{Listed, manifest_payloads};
use super::name;
use super::room::room_for;
use super::rule::Rule;
use super::send::{Progress, Sent, departing};
use super::slab::lend;
use super::source::Ahead;
use super::weave::{WeaveError, weave};
use crate::catalog::CatalogError;
use crate::catalog::record::{Commit, Committed, Condition, Extent, Fragment, FragmentState, Intent, Version};
use crate::cloud_set::policy::Policy;
use crate::codec::Code;
use crate::entropy::random;
use crate::fragment::digest::of_extents;
use crate::fragment::id::{ExtentId, Generation, Kind};
use crate::fragment::owner::Owner;
use crate::plant::{Bug, planted};
use crate::provider::ProviderError;

/// An extent of up to so many bytes is coded where it stands: that takes less than to wake another thread.
const AT_ONCE: u64 = 16 << 10;

/// What to store, and how.
#[derive(Clone, Debug)]
pub struct Put {
    /// The object.
    pub name: String,
    /// How it is kept.
    pub policy: Policy,
    /// What has to hold of the object before.
    pub condition: Condition,
    /// When it was modified, nanoseconds since 1970; now if `None`.
    pub modified: Option<i64>,
    /// How long the source probably is. A wrong hint costs memory or requests, nothing else.
    pub len_hint: Option<u64>,
}

/// An object that is stored.
#[derive(Debug)]
pub struct Stored {
    /// The version that was written.
    pub version: Version,
    /// Extents with the fewest confirmed fragments had so many.
    pub confirmed: u16,
    /// Fragments of an extent.
    pub n: u16,
    /// Chunks that read it.
    pub k: u16,
    /// Another writer's version came after it and is the object now.
    pub overtaken: bool,
    /// The providers that hold fragments of it, by name.
    pub providers: Vec<String>,
    /// What the providers that failed said.
    pub causes: Vec<ProviderError>,
}

impl Stored {
    /// How many providers may vanish now without loss.
    #[must_use]
    pub fn survives(&self) -> u16 {
        self.confirmed.saturating_sub(self.k)
    }
}

/// One put in progress.
pub(crate) struct Writing {
    pub(crate) store: Arc<Store>,
    pub(crate) put: Put,
    pub(crate) generation: Generation,
    pub(crate) code: Code,
    pub(crate) progress: Arc<dyn Progress>,
}

impl Store {
    /// Reads `source` to its end and stores it under `put.name`. Answers after the commit, when no more answers of providers are to be
    /// expected. Peak memory is bounded by [`super::Settings::memory`], whatever the length.
    pub async fn put<R: Read + Send + 'static>(
        self: &Arc<Store>,
        put: Put,
        source: R,
        progress: Arc<dyn Progress>,
    ) -> Result<Stored, StoreError> {
        name::check(&put.name)?;
        self.begin_writing().await?;
        // Sooner than at the commit: a source may be long.
        if let Err(error) = self.check_condition(&put.name, put.condition).await {
            return Err(self.unless_stale(error).await);
        }
        let writing = Arc::new(self.writing(put, progress).await?);
        let outcome = writing.clone().stream(source).await;
        match outcome {
            Ok(complete) => writing.commit(complete).await,
            Err(failure) => Err(writing.give_up(failure).await),
        }
    }

    /// A put that has its generation and nothing else: the name is possible, and there are seats. Whether the condition holds is asked at the
    /// commit.
    pub(crate) async fn writing(
        self: &Arc<Store>,
        put: Put,
        progress: Arc<dyn Progress>,
    ) -> Result<Writing, StoreError> {
        name::check(&put.name)?;
        self.begin_writing().await?;
        self.seats(&put.policy, ExtentId::default(), 0)?;
        let generation = self.writer().await?.next();
        self.writing_as(put, progress, generation)
    }

    /// The same under a generation that was begun.
    pub(super) fn writing_as(
        self: &Arc<Store>,
        put: Put,
        progress: Arc<dyn Progress>,
        generation: Generation,
    ) -> Result<Writing, StoreError> {
        name::check(&put.name)?;
        self.seats(&put.policy, ExtentId::default(), 0)?;
        let code = self.code(put.policy.k, put.policy.n()).expect("a checked policy");
        Ok(Writing {
            store: self.clone(),
            generation,
            put,
            code,
            progress,
        })
    }

    pub(crate) async fn check_condition(&self, name: &str, condition: Condition) -> Result<(), StoreError> {
        if condition == Condition::Any {
            return Ok(());
        }
        let live = match self.head(name).await {
            Err(StoreError::NotFound { .. }) => None,
            head => Some(head?.generation),
        };
        let holds = match condition {
            Condition::Any => true,
            Condition::Absent => live.is_none(),
            Condition::Is(generation) => live == Some(generation),
        };
        if holds { Ok(()) } else { Err(refused(name, live)) }
    }
}

pub(crate) fn refused(name: &str, live: Option<Generation>) -> StoreError {
    let found = match live {
        Some(generation) => format!("it exists already (version {generation})"),
        None => "it does not exist".to_owned(),
    };
    StoreError::Refused {
        name: name.to_owned(),
        found,
    }
}

/// Why a put ends without a commit.
pub(crate) struct Failure {
    pub(crate) error: StoreError,
    pub(crate) root_left: bool,
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Failure {
        Failure {
            error,
            root_left: false,
        }
    }
}

impl Writing {
    /// Reads the source to its end and sends everything, the root last.
    async fn stream<R: Read + Send + 'static>(self: Arc<Writing>, source: R) -> Result<Complete, Failure> {
        let mut source = Ahead::new(source);
        let mut flights = JoinSet::new();
        let (mut parts, mut len) = (Vec::new(), 0);
        for ordinal in 0_u32.. {
            let layout = self.layout(&self.owner(ordinal, Some(0)));
            let hint = self.put.len_hint.map(|hint| hint.saturating_sub(len));
            let permit = self.store.reserve(layout.memory(hint.unwrap_or(u64::MAX))).await;
            let (draft, rest, ended) = self.fill(layout, hint, source).await?;
            source = rest;
            len += draft.filled();
            self.progress.payload(draft.filled());
            if ended && ordinal == 0 {
                let root = self
                    .ship_root(draft, self.owner(0, Some(len)), Kind::RootData, permit)
                    .await?;
                let digest = root.extent.digest;
                return Ok(Complete {
                    root,
                    kind: Kind::RootData,
                    parts: Vec::new(),
                    manifests: Vec::new(),
                    len,
                    digest,
                });
            }
            let (writing, owner) = (self.clone(), self.owner(ordinal, None));
            flights.spawn(async move { (ordinal, writing.ship_part(draft, owner, permit).await) });
            while let Some(landed) = flights.try_join_next() {
                parts.push(landed_part(landed)?);
            }
            if ended {
                break;
            }
        }
        while let Some(landed) = flights.join_next().await {
            parts.push(landed_part(landed)?);
        }
        parts.sort_by_key(|(ordinal, _)| *ordinal);
        self.ship_manifests(parts.into_iter().map(|(_, sent)| sent).collect(), len)
            .await
    }

    /// The manifests of an object of several extents, the lowest level first; the last one is the root.
    pub(crate) async fn ship_manifests(self: Arc<Writing>, parts: Vec<Sent>, len: u64) -> Result<Complete, Failure> {
        let digest = of_extents(parts.iter().map(|sent| &sent.extent.digest));
        let mut listed: Vec<Listed> = parts.iter().map(|sent| Listed::of(&sent.extent)).collect();
        let (mut manifests, mut level) = (Vec::new(), 0);
        loop {
            let layout = self.layout(&self.owner(0, Some(len)));
            let payloads = manifest_payloads(level, &listed, digest, layout.capacity());
            if let [(root, _)] = payloads.as_slice() {
                let draft = self.draft_of(layout, root);
                let permit = self.store.reserve(layout.memory(root.len() as u64)).await;
                let root = self
                    .ship_root(draft, self.owner(0, Some(len)), Kind::RootManifest, permit)
                    .await?;
                return Ok(Complete {
                    root,
                    kind: Kind::RootManifest,
                    parts,
                    manifests,
                    len,
                    digest,
                });
            }
            listed.clear();
            for (payload, covered) in payloads {
                let permit = self.store.reserve(layout.memory(payload.len() as u64)).await;
                let sent = self
                    .clone()
                    .ship_part(self.draft_of(layout, &payload), self.owner(0, None), permit)
                    .await?;
                listed.push(Listed {
                    covered,
                    ..Listed::of(&sent.extent)
                });
                manifests.push(sent);
            }
            level += 1;
        }
    }

    pub(crate) async fn ship_part(
        self: Arc<Writing>,
        draft: Draft,
        owner: Owner,
        permit: OwnedSemaphorePermit,
    ) -> Result<Sent, StoreError> {
        let sent = self.ship(draft, owner, Kind::Part, permit).await?;
        if sent.acknowledged || planted(Bug::RootBeforeItsParts) {
            Ok(sent)
        } else {
            Err(self.not_stored(sent))
        }
    }

    pub(crate) async fn ship_root(
        &self,
        draft: Draft,
        owner: Owner,
        kind: Kind,
        permit: OwnedSemaphorePermit,
    ) -> Result<Sent, Failure> {
        let writer = self.store.writer().await?;
        if !planted(Bug::RootBeforeTheEpoch) {
            writer.durable().await?;
        }
        let sent = self
            .ship(draft, owner, kind, permit)
            .await
            .map_err(|error| Failure { error, root_left: true })?;
        if sent.acknowledged {
            return Ok(sent);
        }
        Err(Failure {
            error: self.not_stored(sent),
            root_left: true,
        })
    }

    /// One extent: its intent is durable before its first byte leaves; the memory of each fragment is free again when it is confirmed.
    async fn ship(
        &self,
        draft: Draft,
        owner: Owner,
        kind: Kind,
        permit: OwnedSemaphorePermit,
    ) -> Result<Sent, StoreError> {
        let store = &self.store;
        let extent = self.extent(&draft, kind);
        let seats = store.seats(&self.put.policy, extent.id, room_for(&extent))?;
        let copies: Vec<u64> = seats.chosen.iter().map(|_| store.entropy.number()).collect();
        let intent = self.intent(extent.clone(), &seats.chosen, &copies);
        let (keys, code, pool, numbers) = (store.keys.clone(), self.code.clone(), store.pool.clone(), copies);
        let short = draft.is_woven() || draft.filled() <= AT_ONCE;
        let weave = move || weave(&keys, &code, &pool, draft, extent, &owner, &numbers);
        let work = async { if short { weave() } else { store.workers.run(weave).await } };
        let (woven, noted) = tokio::join!(work, store.catalog.intend(intent.clone()));
        noted?;
        let mut woven = woven.map_err(|error| self.miscoded(error))?;
        woven.fragments = lend(woven.fragments, permit);
        let rule = if kind == Kind::Tombstone && planted(Bug::TombstoneAtOne) {
            Rule::new(1, 1, std::collections::BTreeMap::new())
        } else {
            Rule::of(&self.put.policy)
        };
        let sent = store.send(woven, seats, intent, &rule, &self.progress).await;
        Ok(sent)
    }

    pub(super) fn miscoded(&self, error: WeaveError) -> StoreError {
        match error {
            WeaveError::Miscoded { .. } => StoreError::Miscoded {
                name: self.put.name.clone(),
            },
            WeaveError::Key(error) => StoreError::Inconsistent {
                name: self.put.name.clone(),
                what: error.to_string(),
            },
        }
    }

    /// The extent that a draft becomes.
    pub(super) fn extent(&self, draft: &Draft, kind: Kind) -> Extent {
        let layout = draft.layout();
        let minted = draft.extent().cloned().unwrap_or_else(|| self.minted(layout, kind));
        Extent {
            kind,
            shape: layout.shape(draft.filled()),
            ..minted
        }
    }

    /// A new extent, of which only its names and keys are decided.
    pub(super) fn minted(&self, layout: Layout, kind: Kind) -> Extent {
        let (policy, store) = (&self.put.policy, &self.store);
        Extent {
            id: if planted(Bug::ReuseBlobKey) {
                ExtentId([kind as u8; 16])
            } else {
                ExtentId(random(store.entropy.as_ref()))
            },
            group: store.keys.group(&self.put.name),
            generation: self.generation,
            kind,
            key_id: store.keys.newest(),
            sealed: policy.sealed,
            shape: layout.shape(0),
            quorum: policy.quorum,
            header_len: layout.header_len,
            salt: random(store.entropy.as_ref()),
            digest: [0; 32],
        }
    }

    fn intent(&self, extent: Extent, seats: &[Arc<Cloud>], copies: &[u64]) -> Intent {
        Intent {
            fragments: departing(extent.id, seats, copies),
            name: self.put.name.clone(),
            policy: self.put.policy.name.clone(),
            condition: self.put.condition,
            extent,
        }
    }

    /// What the headers of an extent carry: the object's length only where it is known, in the root.
    pub(crate) fn owner(&self, ordinal: u32, len: Option<u64>) -> Owner {
        Owner {
            name: Some(self.put.name.clone()),
            object_len: len,
            ordinal: Some(ordinal),
            modified: Some(self.modified()),
            digest: None,
            policy: Some(self.put.policy.name.clone()),
            others: Vec::new(),
        }
    }

    fn modified(&self) -> i64 {
        self.put.modified.unwrap_or_else(|| self.store.clock.now())
    }

    /// The layout of an extent with such an owner's part; the digest takes its place in it too.
    pub(crate) fn layout(&self, owner: &Owner) -> Layout {
        Layout::of(&self.put.policy, owner)
    }

    pub(super) fn not_stored(&self, sent: Sent) -> StoreError {
        StoreError::NotStored {
            name: self.put.name.clone(),
            confirmed: sent.confirmed(),
            n: self.put.policy.n(),
            quorum: self.put.policy.quorum,
            causes: sent.causes,
        }
    }

    /// The one transaction that makes it the object.
    pub(crate) async fn commit(&self, mut complete: Complete) -> Result<Stored, StoreError> {
        let late = complete.take_late();
        let version = self.version(&complete);
        let all = || complete.parts.iter().chain(&complete.manifests).chain([&complete.root]);
        // What a change re-uses is in the catalog already, and may have moved meanwhile.
        let mine = || all().filter(|sent| sent.extent.generation == self.generation);
        let confirmed = all().map(Sent::confirmed).min().unwrap_or(0);
        let fragments: Vec<Fragment> = all().flat_map(|sent| sent.fragments.iter().copied()).collect();
        let commit = Commit {
            condition: self.put.condition,
            places: complete.places(),
            others: complete.others(),
            digests: mine().map(|sent| (sent.extent.id, sent.extent.digest)).collect(),
            fragments: mine().flat_map(|sent| sent.fragments.iter().copied()).collect(),
            now: self.store.clock.now(),
            doom_at: self.store.doom_at(),
            version: version.clone(),
        };
        #[cfg(not(feature = "plant"))]
        let committed = self.store.catalog.commit(commit).await;
        #[cfg(feature = "plant")]
        let committed = self.commit_with_bugs(commit, &complete.root.extent).await;
        // All fragments are there: whether the version counts is found out by whoever opens the catalog next.
        let unknown =
            |error: CatalogError| StoreError::from(error).of_unknown_outcome(&self.put.name, self.put.policy.n());
        let overtaken = match committed.map_err(unknown)? {
            Committed::Now(_) => false,
            Committed::Overtaken(_) => true,
            Committed::Refused(found) => {
                let failure = Failure {
                    error: refused(&self.put.name, found),
                    root_left: true,
                };
                return Err(self.give_up(failure).await);
            }
            Committed::Lost(extent) => return Err(self.inconsistent(format!("extent {extent} is not held any more"))),
            Committed::Closed => return Err(self.inconsistent("its generation was closed meanwhile".to_owned())),
        };
        for late in late {
            self.store.finish_behind(late);
        }
        for fragment in all().flat_map(|sent| &sent.replaced) {
            self.forget_other_copies(*fragment).await?;
        }
        let clouds = self.store.clouds();
        let sound = fragments.iter().filter(|f| f.state == FragmentState::Sound);
        let mut providers: Vec<String> = sound
            .filter_map(|f| clouds.holder(f))
            .map(|c| c.member.name.clone())
            .collect();
        providers.sort();
        providers.dedup();
        let causes = all().flat_map(|sent| sent.causes.iter().cloned()).collect();
        let (n, k) = (self.put.policy.n(), self.put.policy.k);
        Ok(Stored {
            version,
            confirmed,
            n,
            k,
            overtaken,
            providers,
            causes,
        })
    }

    /// A spare holds this fragment: what its first seat may hold goes after the grace.
    async fn forget_other_copies(&self, fragment: Fragment) -> Result<(), StoreError> {
        match self.store.catalog.finish_move(fragment, self.store.doom_at()).await {
            // Overtaken at once: all copies go.
            Err(CatalogError::Retired(_)) => Ok(()),
            other => Ok(other?),
        }
    }

    fn inconsistent(&self, what: String) -> StoreError {
        StoreError::Inconsistent {
            name: self.put.name.clone(),
            what,
        }
    }

    fn version(&self, complete: &Complete) -> Version {
        Version {
            name: self.put.name.clone(),
            generation: self.generation,
            kind: complete.kind,
            root: complete.root.extent.id,
            len: complete.len,
            modified: self.modified(),
            policy: self.put.policy.name.clone(),
            digest: complete.digest,
        }
    }

    /// Ends a put that can't be committed: closes its generation, annuls its root if that left, and says what is so now.
    pub(crate) async fn give_up(&self, failure: Failure) -> StoreError {
        let Failure { error, root_left } = failure;
        if planted(Bug::ReviveARefused) {
            return error;
        }
        let closed = self.store.catalog.close(self.generation, self.store.clock.now()).await;
        if let Err(catalog) = closed {
            return if root_left {
                error.of_unknown_outcome(&self.put.name, self.put.policy.n())
            } else {
                catalog.into()
            };
        }
        if root_left
            && !planted(Bug::NoVoid)
            && !self
                .store
                .annul(self.generation, &self.put.name, &self.progress)
                .await
                .unwrap_or(false)
        {
            return error.of_unknown_outcome(&self.put.name, self.put.policy.n());
        }
        error
    }
}

type Landed = Result<(u32, Result<Sent, StoreError>), tokio::task::JoinError>;

pub(crate) fn landed_part(landed: Landed) -> Result<(u32, Sent), StoreError> {
    let (ordinal, sent) = landed.expect("sending a part does not panic");
    Ok((ordinal, sent?))
}
