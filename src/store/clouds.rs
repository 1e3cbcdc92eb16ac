//! The members of the set as this process can reach them: which provider is behind which member, and whose data it holds.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures::TryStreamExt;
use tokio::sync::OnceCell;

use super::error::StoreError;
use super::room::{Room, keeps_quota};
use crate::catalog::record::{Fragment, Member, MemberState};
use crate::cloud_set::domain::Domains;
use crate::fragment::id::{Kind, ProviderId, SetId};
use crate::fragment::identity;
use crate::fragment::secret::Keys;
use crate::placement::Candidate;
use crate::plant::{Bug, planted};
use crate::provider::health::Watched;
use crate::provider::{Class, Operation, Provider, ProviderError};

/// A provider of the configuration, before it is known whether it is a member.
#[derive(Clone, Debug)]
pub struct Configured {
    /// Its name.
    pub name: String,
    /// What fails with it.
    pub domains: Domains,
    /// Share of placements; 1 is even.
    pub weight: f64,
    /// What its owner wants of it: active, read-only or draining.
    pub state: MemberState,
    /// The way to it.
    pub provider: Arc<dyn Provider>,
}

/// A member of the set.
#[derive(Debug)]
pub struct Cloud {
    /// Its part in the set.
    pub member: Member,
    /// What fails with it.
    pub domains: Domains,
    /// The way to it; `None` if the configuration does not name it any more.
    pub provider: Option<Arc<dyn Provider>>,
    /// How it is doing, if the configuration names it.
    pub health: Option<Arc<Watched>>,
    /// What it may hold, if it has a quota.
    room: Option<Arc<Room>>,
    ours: OnceCell<()>,
    /// Calls that failed since the last that didn't.
    failures: AtomicU32,
}

/// What a provider's identity blob says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// It belongs to this set, as this provider.
    Ours(ProviderId),
    /// It belongs to another set.
    Foreign(SetId),
    /// There is none.
    Absent,
}

/// Bytes of `identity/set`: a head and a tag.
const IDENTITY_LEN: u64 = 120;

/// Reads the identity blob of a provider.
pub async fn identify(keys: &Keys, provider: &dyn Provider) -> Result<Identity, ProviderError> {
    match provider.get(identity::IDENTITY_KEY, 0..IDENTITY_LEN).await {
        Ok(parts) => match identity::decode_identity(keys, &parts.join()) {
            Ok(id) => Ok(Identity::Ours(id)),
            Err(identity::IdentityError::OtherSet { found }) => Ok(Identity::Foreign(found)),
            Err(error) => Err(damaged(provider, &error.to_string())),
        },
        Err(error) if error.class == Class::Gone => Ok(Identity::Absent),
        Err(error) => Err(error),
    }
}

/// Reads the identity blob of a provider that may be no member. One that was cut short as it was stored, at a provider that holds nothing else, is
/// none: who wrote it died before anything counted.
pub async fn look_over(keys: &Keys, provider: &dyn Provider) -> Result<Identity, ProviderError> {
    let damage = match identify(keys, provider).await {
        Err(error) if error.class == Class::Corrupt => error,
        other => return other,
    };
    let mut listing = provider.list("");
    while let Some(listed) = listing.try_next().await? {
        if listed.key != identity::IDENTITY_KEY || listed.len.is_none_or(|len| len >= IDENTITY_LEN) {
            return Err(damage);
        }
    }
    Ok(Identity::Absent)
}

fn damaged(provider: &dyn Provider, message: &str) -> ProviderError {
    ProviderError {
        provider: provider.name().to_owned(),
        operation: Operation::Get,
        key: identity::IDENTITY_KEY.to_owned(),
        class: Class::Corrupt,
        attempts: 1,
        message: format!("its identity blob is damaged: {message}"),
    }
}

impl Cloud {
    fn new(
        member: Member,
        configured: Option<&Configured>,
        health: Option<Arc<Watched>>,
        room: Option<Arc<Room>>,
    ) -> Cloud {
        Cloud {
            domains: configured.map(|c| c.domains.clone()).unwrap_or_default(),
            provider: configured.map(|c| c.provider.clone()),
            health: health.filter(|_| configured.is_some()),
            room: room.filter(|_| configured.is_some()),
            member,
            ours: OnceCell::new(),
            failures: AtomicU32::new(0),
        }
    }

    /// The way to it, if it may be asked at all.
    #[must_use]
    pub fn way(&self) -> Option<&Arc<dyn Provider>> {
        let gone = matches!(self.member.state, MemberState::Lost | MemberState::Removed);
        self.provider.as_ref().filter(|_| !gone)
    }

    /// Makes sure, once a process, that the provider holds this set's data as this member. Only then is a missing blob missing.
    pub async fn prove(&self, keys: &Keys) -> Result<(), ProviderError> {
        let Some(provider) = self.way() else {
            return Err(self.out_of_reach());
        };
        let proof = self.ours.get_or_try_init(|| async {
            let message = match identify(keys, provider.as_ref()).await? {
                Identity::Ours(id) if id == self.member.id => return Ok(()),
                Identity::Absent if planted(Bug::TrustAnEmptied) => return Ok(()),
                Identity::Ours(id) => format!(
                    "its identity blob says that it is provider {id} of this set, not {}",
                    self.member.id
                ),
                Identity::Foreign(set) => format!("it holds the data of another cloud set ({set})"),
                Identity::Absent => {
                    "its identity blob is missing: the bucket or folder was emptied or replaced".to_owned()
                }
            };
            Err(ProviderError {
                class: Class::Config,
                message,
                ..damaged(provider.as_ref(), "")
            })
        });
        proof.await.copied()
    }

    /// Notes that it is ours, after its identity blob was written.
    pub(super) fn proven(&self) {
        let _ = self.ours.set(());
    }

    /// Notes how a call ended: who fails repeatedly is asked last.
    pub fn note<T>(&self, result: &Result<T, ProviderError>) {
        match result {
            Err(error) if error.class != Class::Gone => {
                self.failures.fetch_add(1, Ordering::Relaxed);
            }
            _ => self.failures.store(0, Ordering::Relaxed),
        }
    }

    /// False if it is known to take no blobs now; once in a while one caller is told otherwise, to find out.
    #[must_use]
    pub fn takes_writes(&self) -> bool {
        self.health.as_ref().is_none_or(|health| health.allow(Operation::Put))
    }

    /// False if a fragment of so many bytes would pass its quota.
    #[must_use]
    pub fn has_room(&self, len: u64) -> bool {
        self.room.as_ref().is_none_or(|room| room.fits(len))
    }

    pub(super) fn room(&self) -> Option<&Arc<Room>> {
        self.room.as_ref()
    }

    /// Counts what is about to be sent; a fragment that keeps the quota is refused where it would pass it.
    pub(super) fn take_room(&self, kind: Kind, len: u64) -> Result<(), ProviderError> {
        let Some(room) = &self.room else { return Ok(()) };
        if !keeps_quota(kind) {
            room.exceed(len);
        } else if !room.take(len) {
            return Err(ProviderError {
                provider: self.member.name.clone(),
                operation: Operation::Put,
                key: String::new(),
                class: Class::Full,
                attempts: 0,
                message: format!("its quota of {} bytes is used up", room.quota()),
            });
        }
        Ok(())
    }

    /// What was deleted, or didn't arrive, no longer counts.
    pub(super) fn give_room(&self, len: u64) {
        if let Some(room) = &self.room {
            room.give(len);
        }
    }

    /// It left a call unanswered for longer than anybody wanted to wait.
    pub fn note_late(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }

    /// The time within which `share` of its last calls like this one ended; `None` if too little is known.
    #[must_use]
    pub fn expect(&self, operation: Operation, len: u64, share: f64) -> Option<Duration> {
        self.health.as_ref()?.expect(operation, len, share)
    }

    /// Calls that failed in a row.
    #[must_use]
    pub fn failing(&self) -> u32 {
        self.failures.load(Ordering::Relaxed)
    }

    /// The error of a member that no configured provider stands behind.
    #[must_use]
    pub fn out_of_reach(&self) -> ProviderError {
        let why = match self.member.state {
            MemberState::Lost => "it was declared lost",
            MemberState::Removed => "it was removed from the set",
            MemberState::ReadOnly => "it is read-only",
            MemberState::Draining => "it is being drained",
            MemberState::Active => "the configuration does not name it any more",
        };
        ProviderError {
            provider: self.member.name.clone(),
            operation: Operation::Get,
            key: String::new(),
            class: Class::Config,
            attempts: 1,
            message: why.to_owned(),
        }
    }
}

/// All members, past ones included.
#[derive(Clone, Debug, Default)]
pub struct Clouds {
    version: u64,
    by_id: BTreeMap<ProviderId, Arc<Cloud>>,
}

impl Clouds {
    /// Joins the members of the catalog with the providers of the configuration, by name.
    #[must_use]
    pub(super) fn new(
        version: u64,
        members: Vec<Member>,
        configured: &[Configured],
        watched: &BTreeMap<String, Arc<Watched>>,
        rooms: &BTreeMap<String, Arc<Room>>,
    ) -> Clouds {
        let join = |member: Member| {
            let retired = matches!(member.state, MemberState::Lost | MemberState::Removed);
            let behind = configured.iter().find(|c| c.name == member.name && !retired);
            let health = watched.get(&member.name).cloned();
            let room = rooms.get(&member.name).cloned();
            (member.id, Arc::new(Cloud::new(member, behind, health, room)))
        };
        Clouds {
            version,
            by_id: members.into_iter().map(join).collect(),
        }
    }

    /// The membership version.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// A member by its id.
    #[must_use]
    pub fn get(&self, id: ProviderId) -> Option<&Arc<Cloud>> {
        self.by_id.get(&id)
    }

    /// A present member by its name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&Arc<Cloud>> {
        self.present().find(|cloud| cloud.member.name == name)
    }

    /// Every member ever.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Cloud>> {
        self.by_id.values()
    }

    /// Members that were neither lost nor removed.
    pub fn present(&self) -> impl Iterator<Item = &Arc<Cloud>> {
        let gone = |cloud: &Cloud| matches!(cloud.member.state, MemberState::Lost | MemberState::Removed);
        self.all().filter(move |cloud| !gone(cloud))
    }

    /// The members that a policy may place fragments on.
    #[must_use]
    pub fn candidates(&self, allowed: Option<&[String]>) -> Vec<Candidate> {
        let fits = |cloud: &&Arc<Cloud>| allowed.is_none_or(|names| names.contains(&cloud.member.name));
        let candidate = |cloud: &Arc<Cloud>| Candidate {
            id: cloud.member.id,
            weight: cloud.member.weight,
            domains: cloud.domains.clone(),
            writable: cloud.member.state == MemberState::Active && cloud.provider.is_some(),
        };
        self.present().filter(fits).map(candidate).collect()
    }

    /// Where a fragment is.
    #[must_use]
    pub fn holder(&self, fragment: &Fragment) -> Option<&Arc<Cloud>> {
        self.get(fragment.provider)
    }

    /// The member behind a configured provider's failure, for messages.
    pub(super) fn require(&self, id: ProviderId) -> Result<&Arc<Cloud>, StoreError> {
        self.get(id).ok_or_else(|| StoreError::Inconsistent {
            name: id.to_string(),
            what: "the catalog names a provider that is not a member".to_owned(),
        })
    }
}
