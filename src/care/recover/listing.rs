//! What the providers themselves say: whose they are, who the members are, and which blobs they hold.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::TryStreamExt;
use futures::future::join_all;

use crate::catalog::record::{EpochRow, Member, MemberState};
use crate::fragment::id::{ProviderId, WriterId};
use crate::fragment::identity::{self, Membership};
use crate::fragment::key::{IDENTITY_PREFIX, open_key};
use crate::fragment::scan::{Noted, Skeleton};
use crate::provider::{Provider, ProviderError};
use crate::store::Store;
use crate::store::clouds::{Cloud, Configured, Identity, look_over};
use crate::store::epoch::PASSED;
use crate::store::error::StoreError;
use crate::store::freight::is_shipment;

/// The longest membership blob that is read, in bytes.
const LONGEST_MEMBERSHIP: u64 = (1 << 20) + 120;

/// Who the providers of the configuration are.
#[derive(Debug, Default)]
pub(super) struct Roll {
    /// The newest membership that was found.
    pub(super) newest: Option<Membership>,
    /// The names in the configuration of those that hold this set's data.
    pub(super) names: BTreeMap<ProviderId, String>,
    /// Why others gave no answer.
    pub(super) silent: Vec<ProviderError>,
    /// Providers that hold nothing of any set, by name.
    pub(super) empty: Vec<String>,
}

/// Asks every provider of the configuration for its identity and the memberships that it keeps.
pub(super) async fn call_roll(store: &Store) -> Result<Roll, StoreError> {
    let configured = store.configured();
    let answers = join_all(configured.iter().map(|c| look_over(store.keys(), c.provider.as_ref()))).await;
    let mut roll = Roll::default();
    for (configured, answer) in configured.iter().zip(answers) {
        match answer {
            Ok(Identity::Ours(id)) => {
                roll.names.insert(id, configured.name.clone());
                match newest_membership(store, configured).await {
                    Ok(found) => roll.take(found),
                    Err(error) => roll.silent.push(error),
                }
            }
            Ok(Identity::Absent) => roll.empty.push(configured.name.clone()),
            Ok(Identity::Foreign(set)) => {
                return Err(StoreError::Foreign {
                    provider: configured.name.clone(),
                    found: set.to_string(),
                    wanted: store.keys().set().to_string(),
                });
            }
            Err(error) => roll.silent.push(error),
        }
    }
    Ok(roll)
}

impl Roll {
    fn take(&mut self, found: Option<Membership>) {
        let newer = |found: &Membership| self.newest.as_ref().is_none_or(|known| known.version < found.version);
        if let Some(found) = found.filter(newer) {
            self.newest = Some(found);
        }
    }

    /// The members as the catalog keeps them, by the names that the configuration has for them now. A provider that was signed in by a process that
    /// died before it left the membership anywhere is one too: it says so itself. Where all answer and nobody has a membership, nothing ever counted,
    /// as it is left before the first epoch is durable; then those that were signed in are all there are.
    pub(super) fn members(&self) -> Option<(u64, Vec<Member>)> {
        let (version, listed) = match &self.newest {
            Some(membership) => (membership.version, membership.members.as_slice()),
            None if !self.names.is_empty() && self.silent.is_empty() => (0, [].as_slice()),
            None => return None,
        };
        let member = |member: &identity::Member| Member {
            id: member.id,
            name: self.names.get(&member.id).unwrap_or(&member.name).clone(),
            weight: member.weight,
            state: kept(member.state),
            since: member.since,
        };
        let mut members: Vec<Member> = listed.iter().map(member).collect();
        members.extend(self.unlisted(&members, version + 1));
        Some((version, members))
    }

    /// Providers that say that they are members and are none of `known`, as such from this version on.
    pub(super) fn unlisted(&self, known: &[Member], since: u64) -> Vec<Member> {
        let names = self.names.iter();
        let unknown = names.filter(|(id, _)| known.iter().all(|member| member.id != **id));
        unknown
            .map(|(id, name)| Member {
                id: *id,
                name: name.clone(),
                weight: 1.0,
                state: MemberState::Active,
                since,
            })
            .collect()
    }
}

fn kept(state: identity::MemberState) -> MemberState {
    match state {
        identity::MemberState::Active => MemberState::Active,
        identity::MemberState::ReadOnly => MemberState::ReadOnly,
        identity::MemberState::Draining => MemberState::Draining,
        identity::MemberState::Lost => MemberState::Lost,
        identity::MemberState::Removed => MemberState::Removed,
    }
}

/// The newest membership that one provider keeps. One that can't be read is passed over: another has it too.
async fn newest_membership(store: &Store, configured: &Configured) -> Result<Option<Membership>, ProviderError> {
    let provider = configured.provider.as_ref();
    let mut keys: Vec<(u64, String, Option<u64>)> = provider
        .list(IDENTITY_PREFIX)
        .try_filter_map(|listed| async move {
            let version = identity::parse_membership_key(&listed.key).map(|(version, _)| version);
            Ok(version.map(|version| (version, listed.key, listed.len)))
        })
        .try_collect()
        .await?;
    keys.sort_by(|a, b| b.cmp(a));
    for (_, key, len) in keys {
        match read_membership(store, provider, &key, len).await {
            Ok(Some(found)) => return Ok(Some(found)),
            Ok(None) => tracing::warn!("provider {}: {key} is no membership of this set", configured.name),
            Err(error) => tracing::warn!("{error}"),
        }
    }
    Ok(None)
}

async fn read_membership(
    store: &Store,
    provider: &dyn Provider,
    key: &str,
    len: Option<u64>,
) -> Result<Option<Membership>, ProviderError> {
    let len = match len {
        Some(len) => len,
        None => provider.stat(key).await?.len,
    };
    let bytes = provider.get(key, 0..len.min(LONGEST_MEMBERSHIP)).await?.join();
    Ok(identity::decode_membership(store.keys(), &bytes)
        .ok()
        .map(|(_, found)| found))
}

/// The listings of all members that could be asked.
#[derive(Debug, Default)]
pub(super) struct Listings {
    pub(super) skeleton: Skeleton,
    /// Every epoch that a key names, with its highest sequence; two writers of one epoch are two rows.
    pub(super) epochs: BTreeMap<(u64, WriterId), u64>,
    /// Epochs under which a version or removal was written: their claim was durable.
    pub(super) rooted: BTreeSet<(u64, WriterId)>,
    /// Members whose listing is complete.
    pub(super) answered: Vec<Arc<Cloud>>,
    /// Why that of others isn't.
    pub(super) silent: Vec<ProviderError>,
    /// Keys that are not this set's.
    pub(super) strange: u64,
}

impl Listings {
    /// The names of the members whose listing is not complete.
    pub(super) fn unlisted(&self, store: &Store) -> Arc<[String]> {
        let clouds = store.clouds();
        let is_listed = |id| self.answered.iter().any(|cloud| cloud.member.id == id);
        let members = clouds.all().filter(|cloud| !is_listed(cloud.member.id));
        members.map(|cloud| cloud.member.name.clone()).collect()
    }

    /// Lists all present members at once.
    pub(super) async fn of(store: &Store) -> Listings {
        let clouds = store.clouds();
        let members: Vec<Arc<Cloud>> = clouds.present().cloned().collect();
        let answers = join_all(members.iter().map(|cloud| list(store, cloud))).await;
        let mut listings = Listings::default();
        for (cloud, (keys, end)) in members.into_iter().zip(answers) {
            for (key, len) in keys {
                listings.note(store, cloud.member.id, &key, len);
            }
            match end {
                Ok(()) => listings.answered.push(cloud),
                Err(error) => listings.silent.push(error),
            }
        }
        listings
    }

    fn note(&mut self, store: &Store, provider: ProviderId, key: &str, len: Option<u64>) {
        if let Some((_, token)) = open_key(store.keys(), key)
            && !is_shipment(token.generation)
        {
            let generation = token.generation;
            let epoch = (generation.epoch, generation.writer);
            let last = self.epochs.entry(epoch).or_default();
            *last = generation.sequence.max(*last);
            if token.kind.is_root() {
                self.rooted.insert(epoch);
            }
        }
        match self.skeleton.note(store.keys(), provider, key, len) {
            Noted::Fragment | Noted::Identity => {}
            Noted::Strange | Noted::Contradiction => self.strange += 1,
        }
    }

    /// The epochs as the catalog keeps them. Where a majority of `members` was listed whole, nobody can claim one up to the highest any more: a record
    /// of such a one that turns up later, at a member that was silent, is an old one.
    pub(super) fn epoch_rows(&self, members: usize) -> Vec<EpochRow> {
        let row = |((epoch, writer), last): (&(u64, WriterId), &u64)| EpochRow {
            epoch: *epoch,
            writer: *writer,
            last_sequence: *last,
        };
        let highest = self.epochs.keys().map(|(epoch, _)| *epoch).max();
        let passed = highest
            .filter(|_| self.answered.len() * 2 > members)
            .map(|epoch| EpochRow {
                epoch,
                writer: PASSED,
                last_sequence: 0,
            });
        self.epochs.iter().map(row).chain(passed).collect()
    }

    /// Epochs under which two writers stored something: two machines wrote at once. Their versions are ordered all the same.
    pub(super) fn shared_epochs(&self) -> Vec<u64> {
        let used: Vec<u64> = self
            .epochs
            .iter()
            .filter(|(_, last)| **last > 0)
            .map(|((epoch, _), _)| *epoch)
            .collect();
        let mut shared: Vec<u64> = used
            .windows(2)
            .filter(|pair| pair[0] == pair[1])
            .map(|pair| pair[0])
            .collect();
        shared.dedup();
        shared
    }
}

/// Every key of one member. What came before an error counts: it is there.
async fn list(store: &Store, cloud: &Cloud) -> (Vec<(String, Option<u64>)>, Result<(), ProviderError>) {
    let mut keys = Vec::new();
    let end = async {
        cloud.prove(store.keys()).await?;
        let provider = cloud.way().ok_or_else(|| cloud.out_of_reach())?;
        let mut listing = provider.list("");
        while let Some(listed) = listing.try_next().await? {
            keys.push((listed.key, listed.len));
        }
        Ok(())
    };
    let end = end.await;
    (keys, end)
}
