//! How a provider of the configuration becomes a member: its row first, then its identity blob, then a new membership for all to read.

use std::sync::Arc;

use futures::TryStreamExt;
use futures::future::join_all;

use super::Store;
use super::clouds::{Cloud, Clouds, Configured, Identity, identify, look_over};
use super::error::StoreError;
use super::send::put_whole;
use crate::catalog::record::{Fragment, FragmentState, Member, MemberState};
use crate::entropy::random;
use crate::fragment::id::ProviderId;
use crate::fragment::identity;
use crate::fragment::key::IDENTITY_PREFIX;
use crate::provider::{Class, Provider, ProviderError};

/// Extents that are looked up at once, to find one that a member confirmed.
const EXTENTS_AT_ONCE: usize = 64;

/// What became of the providers that were not members, or not as configured.
#[derive(Debug, Default)]
pub struct Attached {
    /// New members, by name.
    pub new: Vec<String>,
    /// Providers that could not be reached and are not members yet.
    pub unreached: Vec<ProviderError>,
}

impl Store {
    /// Brings the membership in line with the configuration. Cheap when nothing changed: one read of the catalog.
    pub async fn attach(self: &Arc<Store>) -> Result<Attached, StoreError> {
        let (version, mut members) = self.catalog.members().await?;
        let before = members.clone();
        let next = version + 1;
        let mut attached = Attached::default();
        let fresh: Vec<&Configured> = self
            .configured
            .iter()
            .filter(|c| present(&members, &c.name).is_none())
            .collect();
        let identities = join_all(fresh.iter().map(|c| look_over(&self.keys, c.provider.as_ref()))).await;
        for (configured, identity) in fresh.into_iter().zip(identities) {
            match identity {
                Err(error) => attached.unreached.push(error),
                Ok(identity) => self.welcome(&mut members, configured, &identity, next, &mut attached)?,
            }
        }
        for configured in &self.configured {
            if let Some(member) = members.iter_mut().find(|m| m.name == configured.name && is_present(m)) {
                member.weight = configured.weight;
                member.state = configured.state;
            }
        }
        if members != before {
            self.catalog.set_members(next, members.clone()).await?;
            self.renew(next, members);
        }
        self.sign_in(&before).await?;
        if self.clouds().version() != version {
            self.publish().await;
        }
        Ok(attached)
    }

    fn welcome(
        &self,
        members: &mut Vec<Member>,
        configured: &Configured,
        identity: &Identity,
        version: u64,
        attached: &mut Attached,
    ) -> Result<(), StoreError> {
        match identity {
            Identity::Foreign(set) => Err(StoreError::Foreign {
                provider: configured.name.clone(),
                found: set.to_string(),
                wanted: self.keys.set().to_string(),
            }),
            Identity::Ours(id) => match members.iter_mut().find(|m| m.id == *id && is_present(m)) {
                Some(member) => {
                    member.name.clone_from(&configured.name);
                    Ok(())
                }
                None => Err(StoreError::Unknown {
                    provider: configured.name.clone(),
                }),
            },
            Identity::Absent => {
                attached.new.push(configured.name.clone());
                members.push(Member {
                    id: ProviderId(random(self.entropy.as_ref())),
                    name: configured.name.clone(),
                    weight: configured.weight,
                    state: configured.state,
                    since: version,
                });
                Ok(())
            }
        }
    }

    /// Writes the identity blob of members that are new, or that were cut off before theirs was written and hold nothing yet. A member of
    /// an older membership had one: without it, its bucket was emptied, or a folder stands where a disk was.
    async fn sign_in(&self, before: &[Member]) -> Result<(), StoreError> {
        let usage = self.catalog.usage().await?;
        let clouds = self.clouds();
        let empty = |cloud: &&Arc<Cloud>| {
            let mut held = usage.iter().filter(|u| u.provider == cloud.member.id);
            cloud.member.since == clouds.version() && held.all(|u| u.fragments == 0 && u.doomed == 0)
        };
        let signed = join_all(clouds.present().filter(empty).map(|cloud| async move {
            let provider = cloud.way()?;
            let known = before.iter().any(|m| m.id == cloud.member.id);
            if known && !self.is_unsigned(cloud.member.id, provider).await.unwrap_or(false) {
                return None;
            }
            let blob = identity::encode_identity(&self.keys, cloud.member.id);
            let put = put_whole(provider, identity::IDENTITY_KEY, blob.into()).await;
            put.is_ok().then_some((cloud, provider))
        }));
        let signed = signed.await;
        // Only when all have written: of two ways to one place the later writer's name stands there, and the other is none.
        join_all(signed.into_iter().flatten().map(|(cloud, provider)| async move {
            let stands = identify(&self.keys, provider.as_ref()).await;
            if matches!(stands, Ok(Identity::Ours(id)) if id == cloud.member.id) {
                cloud.proven();
            }
        }))
        .await;
        Ok(())
    }

    /// Makes sure that a member holds this set's data as itself. One without an identity blob, or with half of one, that never confirmed a
    /// fragment was cut off before it was signed in, and is now.
    pub(super) async fn prove_or_sign_in(&self, cloud: &Cloud) -> Result<(), ProviderError> {
        let Err(error) = cloud.prove(&self.keys).await else {
            return Ok(());
        };
        let unproven = matches!(error.class, Class::Config | Class::Corrupt);
        let Some(provider) = cloud.way().filter(|_| unproven) else {
            return Err(error);
        };
        if !self.is_unsigned(cloud.member.id, provider).await? {
            // Perhaps it was signed in meanwhile.
            return cloud.prove(&self.keys).await;
        }
        if self.has_confirmed(cloud.member.id).await.unwrap_or(true) || self.awaits().await {
            return Err(error);
        }
        let blob = identity::encode_identity(&self.keys, cloud.member.id);
        put_whole(provider, identity::IDENTITY_KEY, blob.into()).await?;
        cloud.prove(&self.keys).await
    }

    /// True if the provider has no identity blob, or the beginning of this member's: one that was cut short as it was stored.
    async fn is_unsigned(&self, id: ProviderId, provider: &Arc<dyn Provider>) -> Result<bool, ProviderError> {
        let damage = match identify(&self.keys, provider.as_ref()).await {
            Ok(identity) => return Ok(identity == Identity::Absent),
            Err(error) if error.class == Class::Corrupt => error,
            Err(error) => return Err(error),
        };
        let whole = identity::encode_identity(&self.keys, id);
        let len = provider.stat(identity::IDENTITY_KEY).await?.len;
        let begun = usize::try_from(len).ok().and_then(|len| whole.get(..len));
        let Some(begun) = begun.filter(|begun| begun.len() < whole.len()) else {
            return Err(damage);
        };
        Ok(begun.is_empty() || provider.get(identity::IDENTITY_KEY, 0..len).await?.join() == begun)
    }

    /// True if a rebuild left it open which version of something counts: a member without an identity may have held a fragment of it, and says
    /// nothing until that is judged.
    async fn awaits(&self) -> bool {
        let awaited = self.catalog.awaited().await;
        awaited.is_ok_and(|awaited| !awaited.is_empty())
    }

    /// True if this member ever said that it holds a fragment that a version holds.
    async fn has_confirmed(&self, id: ProviderId) -> Result<bool, StoreError> {
        let mut after = None;
        loop {
            let page = self.catalog.extents_on(id, after, EXTENTS_AT_ONCE).await?;
            let Some(last) = page.last() else { return Ok(false) };
            after = Some(*last);
            for extent in page {
                let fragments = self.catalog.extent(extent).await?.map(|(_, fragments)| fragments);
                let confirmed =
                    |f: &Fragment| f.provider == id && matches!(f.state, FragmentState::Sound | FragmentState::Damaged);
                if fragments.iter().flatten().any(confirmed) {
                    return Ok(true);
                }
            }
        }
    }

    /// Makes sure that a member keeps the membership as it is now: without it nothing can be rebuilt.
    pub(super) async fn leave_membership(&self, cloud: &Cloud) -> Result<(), ProviderError> {
        let provider = cloud.way().ok_or_else(|| cloud.out_of_reach())?;
        let clouds = self.clouds();
        let (key, blob) = self.membership_blob(&clouds, cloud);
        let mut listing = provider.list(IDENTITY_PREFIX);
        while let Some(listed) = listing.try_next().await? {
            let ours = identity::parse_membership_key(&listed.key).is_some_and(|(found, _)| found == clouds.version());
            // One that was cut short is none.
            if ours && listed.len.is_none_or(|len| len == blob.len() as u64) {
                return Ok(());
            }
        }
        put_whole(provider, &key, blob.into()).await
    }

    /// Leaves the membership on every member, for a rebuild to find. Best effort: the next claim of an epoch sees to the rest.
    pub(crate) async fn publish(&self) {
        let clouds = self.clouds();
        join_all(clouds.present().map(|cloud| {
            let (key, blob) = self.membership_blob(&clouds, cloud);
            async move {
                if let Some(provider) = cloud.way() {
                    drop(put_whole(provider, &key, blob.into()).await);
                }
            }
        }))
        .await;
    }

    /// The membership as this member keeps it, and its key there.
    fn membership_blob(&self, clouds: &Clouds, cloud: &Cloud) -> (String, Vec<u8>) {
        let members = clouds.all().map(|cloud| {
            let Member {
                id,
                name,
                weight,
                state,
                since,
            } = cloud.member.clone();
            identity::Member {
                id,
                name,
                weight,
                state: published(state),
                since,
            }
        });
        let membership = identity::Membership {
            version: clouds.version(),
            members: members.collect(),
            keyring: Vec::new(),
        };
        let (salt, copy) = (random(self.entropy.as_ref()), self.entropy.number());
        let blob = identity::encode_membership(&self.keys, cloud.member.id, &membership, &salt);
        (identity::membership_key(membership.version, copy), blob)
    }

    /// Changes what a present member may be used for, for this process and all later ones.
    pub(crate) async fn change_member(&self, name: &str, state: MemberState) -> Result<Member, StoreError> {
        let (version, mut members) = self.catalog.members().await?;
        let member = members.iter_mut().find(|m| m.name == name && is_present(m));
        let member = member.ok_or_else(|| StoreError::NoMember {
            provider: name.to_owned(),
        })?;
        member.state = state;
        let member = member.clone();
        self.catalog.set_members(version + 1, members.clone()).await?;
        self.renew(version + 1, members);
        self.publish().await;
        Ok(member)
    }

    /// Takes a new membership into use in this process.
    pub(crate) fn renew(&self, version: u64, members: Vec<Member>) {
        let clouds = Clouds::new(version, members, &self.configured, &self.watched, &self.rooms);
        *self.clouds.write().unwrap_or_else(std::sync::PoisonError::into_inner) = clouds;
    }
}

fn is_present(member: &Member) -> bool {
    !matches!(member.state, MemberState::Lost | MemberState::Removed)
}

fn present<'a>(members: &'a [Member], name: &str) -> Option<&'a Member> {
    members.iter().find(|m| m.name == name && is_present(m))
}

/// A member's state as a membership blob has it.
fn published(state: MemberState) -> identity::MemberState {
    match state {
        MemberState::Active => identity::MemberState::Active,
        MemberState::ReadOnly => identity::MemberState::ReadOnly,
        MemberState::Draining => identity::MemberState::Draining,
        MemberState::Lost => identity::MemberState::Lost,
        MemberState::Removed => identity::MemberState::Removed,
    }
}
