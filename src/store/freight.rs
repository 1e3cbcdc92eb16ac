//! Extents of the reserved names, written beside the catalog: what holds a copy of the catalog can't be a row of what it copies.
//!
//! ```text
//! bytes ─▶ draft ─▶ loaded: id, seats and copy numbers ─▶ the caller notes them ─▶ woven, sent ─▶ at its quorum or not
//! ```
//!
//! They are coded, sealed and placed like any other, but no spare takes over a seat: the caller's note is all that is known of them.

use std::io::Read;
use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;

use super::Store;
use super::draft::Draft;
use super::error::StoreError;
use super::put::{Put, Writing};
use super::rule::Rule;
use super::send::{Progress, Seating, Sent, Silent, departing};
use super::slab::lend;
use super::source::Ahead;
use super::weave::weave;
use crate::catalog::record::{Condition, Doomed, Extent, Fragment, Intent};
use crate::catalog::shipment::FIRST_SEQUENCE;
use crate::cloud_set::policy::Policy;
use crate::fragment::id::{Generation, Kind};
use crate::provider::ProviderError;

/// The reserved name of checkpoints.
pub const CHECKPOINT_NAME: &str = "\0checkpoint";

/// The reserved name of journal segments.
pub const JOURNAL_NAME: &str = "\0journal";

/// The longest fragment of a shipment, in bytes: what is held of it in memory is n times that.
const FRAGMENT_LEN: u64 = 2 << 20;

/// The longest chunk of a shipment, in bytes.
const CHUNK_LEN: u32 = 64 << 10;

/// One shipment on its way out.
pub(crate) struct Freight {
    writing: Writing,
    kind: Kind,
}

/// One extent before it leaves.
pub(crate) struct Loaded {
    draft: Draft,
    ordinal: u32,
    seating: Seating,
    intent: Intent,
    permit: OwnedSemaphorePermit,
}

impl Loaded {
    /// Bytes that it carries.
    pub(crate) fn len(&self) -> u64 {
        self.draft.filled()
    }

    /// What is to be noted before it leaves.
    pub(crate) fn row(&self) -> (Extent, Vec<Fragment>) {
        (self.intent.extent.clone(), self.intent.fragments.clone())
    }
}

impl Store {
    /// Begins a shipment of this kind. Waits until the claim of this process is durable, so that no process on an old catalog ships.
    pub(crate) async fn freight(self: &Arc<Store>, kind: Kind) -> Result<Freight, StoreError> {
        let name = match kind {
            Kind::Checkpoint => CHECKPOINT_NAME,
            _ => JOURNAL_NAME,
        };
        let policy = self.freight_policy().ok_or_else(|| StoreError::Inconsistent {
            name: "the catalog's copy".to_owned(),
            what: "the configuration has no policy".to_owned(),
        })?;
        self.claimed().await?;
        let code = self.code(policy.k, policy.n()).expect("a checked policy");
        let put = Put {
            name: name.to_owned(),
            policy,
            condition: Condition::Any,
            modified: None,
            len_hint: None,
        };
        Ok(Freight {
            writing: Writing {
                store: self.clone(),
                put,
                generation: self.writer().await?.next_shipment(),
                code,
                progress: Arc::new(Silent),
            },
            kind,
        })
    }

    /// Waits until this process may write for good: its epoch is claimed at a majority, and nobody else's was seen since.
    pub(crate) async fn claimed(self: &Arc<Store>) -> Result<(), StoreError> {
        self.writer().await?.durable().await
    }

    /// The policy `default`, else the first; sealed whatever it says, and in extents that take little memory.
    fn freight_policy(&self) -> Option<Policy> {
        let named = self.policy("default");
        let policy = named.or_else(|| self.policies.first())?.clone();
        Some(Policy {
            sealed: true,
            chunk_len: policy.chunk_len.min(CHUNK_LEN),
            fragment_len: policy.fragment_len.min(FRAGMENT_LEN),
            ..policy
        })
    }

    /// Deletes one fragment that no row of the catalog names. Fine if it is gone.
    pub(crate) async fn discard(&self, extent: &Extent, fragment: Fragment) -> Result<(), ProviderError> {
        self.erase(&Doomed {
            extent: extent.clone(),
            fragment,
        })
        .await
    }
}

impl Freight {
    pub(crate) fn generation(&self) -> Generation {
        self.writing.generation
    }

    /// Fills the next extent from `source`. Answers the source and whether it has ended.
    pub(crate) async fn load<R: Read + Send + 'static>(
        &self,
        ordinal: u32,
        hint: Option<u64>,
        source: Ahead<R>,
    ) -> Result<(Loaded, Ahead<R>, bool), StoreError> {
        let writing = &self.writing;
        let layout = writing.layout(&writing.owner(ordinal, None));
        let permit = writing.store.reserve(layout.memory(hint.unwrap_or(u64::MAX))).await;
        let (draft, source, ended) = writing.fill(layout, hint, source).await?;
        let extent = writing.extent(&draft, self.kind);
        let seating = Seating {
            spares: Vec::new(),
            ..writing.store.seats(&writing.put.policy, extent.id, 0)?
        };
        let copies: Vec<u64> = seating.chosen.iter().map(|_| writing.store.entropy.number()).collect();
        let intent = Intent {
            name: writing.put.name.clone(),
            policy: writing.put.policy.name.clone(),
            condition: Condition::Any,
            fragments: departing(extent.id, &seating.chosen, &copies),
            extent,
        };
        let loaded = Loaded {
            draft,
            ordinal,
            seating,
            intent,
            permit,
        };
        Ok((loaded, source, ended))
    }

    /// Sends an extent and waits for its quorum. [`StoreError::NotStored`] if that isn't reached.
    pub(crate) async fn send(&self, loaded: Loaded) -> Result<Sent, StoreError> {
        let writing = &self.writing;
        let Loaded {
            draft,
            ordinal,
            seating,
            intent,
            permit,
        } = loaded;
        let (keys, code, pool) = (
            writing.store.keys.clone(),
            writing.code.clone(),
            writing.store.pool.clone(),
        );
        let copies: Vec<u64> = intent.fragments.iter().map(|fragment| fragment.copy).collect();
        let (extent, owner) = (intent.extent.clone(), writing.owner(ordinal, None));
        let work = move || weave(&keys, &code, &pool, draft, extent, &owner, &copies);
        let woven = writing.store.workers.run(work).await;
        let mut woven = woven.map_err(|error| writing.miscoded(error))?;
        woven.fragments = lend(woven.fragments, permit);
        let (rule, progress): (_, Arc<dyn Progress>) = (Rule::of(&writing.put.policy), writing.progress.clone());
        let sent = writing.store.send(woven, seating, intent, &rule, &progress).await;
        if sent.acknowledged {
            Ok(sent)
        } else {
            Err(writing.not_stored(sent))
        }
    }
}

/// True for the generation of a shipment.
pub(crate) fn is_shipment(generation: Generation) -> bool {
    generation.sequence >= FIRST_SEQUENCE
}
