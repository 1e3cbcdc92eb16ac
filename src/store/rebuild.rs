//! Making fragments anew from others of their extent: for repair, and for what a crash left half-written.
//!
//! ```text
//! k sound fragments ─▶ chunk i of each stripe ─▶ frames, header with a fresh copy number ─▶ a seat without another index
//! catalog: sent (durable) ─▶ the provider confirms ─▶ sound; every other copy of the index is doomed
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;

use super::Store;
use super::clouds::Cloud;
use super::error::StoreError;
use super::fetch::{Arrived, Notes, Source};
use super::room::room_for;
use super::send::{Progress, deliver};
use super::slab::Pool;
use super::weave::header;
use crate::catalog::CatalogError;
use crate::catalog::record::{Extent, Fragment, FragmentState, Intent, OpenGeneration};
use crate::cloud_set::policy::Prefer;
use crate::codec::Code;
use crate::fragment::header::Header;
use crate::fragment::id::ProviderId;
use crate::fragment::owner::Owner;
use crate::fragment::secret::Keys;
use crate::fragment::tag::FrameKeys;
use crate::placement::{owners, refill};
use crate::plant::{Bug, planted};
use crate::provider::ProviderError;

/// What a rebuild did.
#[derive(Debug, Default)]
pub struct Rebuilt {
    /// New fragments and the providers that hold them, by name.
    pub fragments: Vec<(Fragment, String)>,
    /// Indices for which no provider took a fragment.
    pub failed: Vec<u16>,
    /// What was learnt by reading.
    pub notes: Notes,
}

impl Store {
    /// Makes fragments `missing` (by index) of one extent anew and seats them. Reads k others once, whatever the number. An extent of an
    /// open generation is completed before its commit (`adopting`); all others are held by a version.
    pub(crate) async fn rebuild(
        &self,
        source: &Source,
        missing: &[u16],
        progress: &Arc<dyn Progress>,
    ) -> Result<Rebuilt, StoreError> {
        let extent = &source.piece.extent;
        let fragment_len = extent.shape.fragment_len(extent.header_len);
        let held = u64::from(extent.shape.k) + missing.len() as u64;
        let _permit = self.reserve(held * fragment_len).await;
        let mut source = source.clone();
        // Nobody waits for a repair.
        source.prefer = source.prefer.or(Some(Prefer::Cost));
        source
            .piece
            .fragments
            .retain(|fragment| !missing.contains(&fragment.index));
        let (owner, arrived, notes) = self.read_for_rebuild(&source, progress).await?;
        let arrived = Arc::new(arrived);
        let mut rebuilt = Rebuilt {
            notes,
            ..Rebuilt::default()
        };
        let mut refused = BTreeSet::new();
        for (at, index) in missing.iter().enumerate() {
            let shape = extent.shape;
            let code = self.code(shape.k, shape.n).map_err(|error| StoreError::Inconsistent {
                name: source.name.clone(),
                what: error.to_string(),
            })?;
            let body = Regrowth {
                keys: self.keys.clone(),
                code,
                pool: self.pool.clone(),
                extent: extent.clone(),
                index: *index,
                arrived: arrived.clone(),
            };
            let frames = self.workers.run(move || body.frames()).await;
            let frames = frames.map_err(|what| StoreError::Inconsistent {
                name: source.name.clone(),
                what,
            })?;
            let seated = self
                .seat(&mut source, &missing[at..], &mut refused, &frames, &owner, progress)
                .await?;
            match seated {
                Ok(placed) => rebuilt.fragments.push(placed),
                Err(causes) => {
                    rebuilt.failed.push(*index);
                    rebuilt.notes.causes.extend(causes);
                }
            }
        }
        Ok(rebuilt)
    }

    /// The frames of any k fragments, and the owner's part out of one of their headers.
    async fn read_for_rebuild(
        &self,
        source: &Source,
        progress: &Arc<dyn Progress>,
    ) -> Result<(Owner, BTreeMap<u16, Arrived>, Notes), StoreError> {
        let extent = &source.piece.extent;
        let window = 0..extent.shape.stripes();
        let (arrived, notes) = if window.is_empty() {
            (BTreeMap::new(), Notes::default())
        } else {
            let wanted: Vec<u16> = (0..extent.shape.k).collect();
            self.gather(source, &window, &wanted, progress).await?
        };
        let from_reads = arrived.values().find_map(|a| Header::decode(&a.bytes, &self.keys).ok());
        let owner = match from_reads {
            Some((_, owner)) => owner,
            None => self.owner_of(source).await?.1,
        };
        Ok((owner, arrived, notes))
    }

    /// The header of any sound fragment, read alone.
    pub(crate) async fn owner_of(&self, source: &Source) -> Result<(Header, Owner), StoreError> {
        let (extent, mut causes) = (&source.piece.extent, Vec::new());
        for (fragment, cloud) in self.candidates(source, &[]) {
            match self
                .get_from(&cloud, extent, fragment, 0..u64::from(extent.header_len))
                .await
            {
                Err(error) => causes.push(error),
                Ok(bytes) => {
                    if let Ok((found, owner)) = Header::decode(&bytes, &self.keys)
                        && found == header(extent, fragment.index, fragment.copy)
                    {
                        return Ok((found, owner));
                    }
                }
            }
        }
        let unanswered = u16::try_from(causes.len()).unwrap_or(u16::MAX);
        Err(StoreError::Unreachable {
            name: source.name.clone(),
            ordinal: source.ordinal,
            k: extent.shape.k,
            good: 0,
            unanswered,
            causes,
        })
    }

    /// Finds a provider for the first of the fragments that are `missing` and hands it over: the inner error is what those said that would
    /// not take it. They aren't asked again for the others of the extent.
    async fn seat(
        &self,
        source: &mut Source,
        missing: &[u16],
        refused: &mut BTreeSet<ProviderId>,
        frames: &Frames,
        owner: &Owner,
        progress: &Arc<dyn Progress>,
    ) -> Result<Result<(Fragment, String), Vec<ProviderError>>, StoreError> {
        let mut causes = Vec::new();
        let adopting = source.adopting.clone();
        let extent = source.piece.extent.clone();
        while let Some(cloud) = self.free_seat(source, missing, refused) {
            let copy = match self.planted_copy(&extent, missing[0]).await? {
                Some(old) => old,
                None => self.entropy.number(),
            };
            let fragment = Fragment {
                extent: extent.id,
                index: missing[0],
                copy,
                provider: cloud.member.id,
                state: FragmentState::Sent,
            };
            if !self.begin(adopting.as_deref(), &extent, fragment).await? {
                break;
            }
            let head = header(&extent, fragment.index, copy);
            let bytes = head.encode(&self.keys, owner);
            let bytes = bytes.map_err(|error| StoreError::Inconsistent {
                name: extent.id.to_string(),
                what: error.to_string(),
            })?;
            let key = head.key(&self.keys);
            match deliver(
                &cloud,
                &self.keys,
                extent.kind,
                &key,
                frames.with(&bytes),
                progress.as_ref(),
            )
            .await
            {
                Ok(()) => {
                    let fragment = Fragment {
                        state: FragmentState::Sound,
                        ..fragment
                    };
                    if adopting.is_none() {
                        self.catalog.finish_move(fragment, self.doom_at()).await?;
                    }
                    source.piece.fragments.push(fragment);
                    return Ok(Ok((fragment, cloud.member.name.clone())));
                }
                Err(error) => {
                    refused.insert(cloud.member.id);
                    causes.push(error);
                }
            }
        }
        Ok(Err(causes))
    }

    /// With the bug planted: the number that a known copy of this fragment has.
    async fn planted_copy(&self, extent: &Extent, index: u16) -> Result<Option<u64>, StoreError> {
        if !planted(Bug::ReuseACopyNumber) {
            return Ok(None);
        }
        let known = self.catalog.extent(extent.id).await?.map(|(_, fragments)| fragments);
        let old = known.into_iter().flatten().find(|old| old.index == index);
        Ok(old.map(|old| old.copy))
    }

    /// Notes, before it leaves, that a fragment is on its way. False if no version holds its extent any more.
    async fn begin(
        &self,
        adopting: Option<&OpenGeneration>,
        extent: &Extent,
        fragment: Fragment,
    ) -> Result<bool, StoreError> {
        let begun = match adopting {
            None => self.catalog.begin_move(fragment).await,
            Some(open) => {
                let intent = Intent {
                    name: open.name.clone(),
                    policy: open.policy.clone(),
                    condition: open.condition,
                    extent: extent.clone(),
                    fragments: vec![fragment],
                };
                self.catalog.intend(intent).await
            }
        };
        match begun {
            Err(CatalogError::Retired(_)) => Ok(false),
            other => Ok(other.map(|()| true)?),
        }
    }

    /// The member that is to hold the first of the fragments that are `missing`, if there is one that the policy lets.
    fn free_seat(&self, source: &Source, missing: &[u16], refused: &BTreeSet<ProviderId>) -> Option<Arc<Cloud>> {
        let seats = self.free_seats(source, missing, refused);
        seats
            .into_iter()
            .find(|(index, _)| *index == missing[0])
            .map(|(_, cloud)| cloud)
    }

    /// The members that are to hold the fragments that are `missing`, as far as the policy lets any.
    pub(crate) fn free_seats(
        &self,
        source: &Source,
        missing: &[u16],
        refused: &BTreeSet<ProviderId>,
    ) -> Vec<(u16, Arc<Cloud>)> {
        let (clouds, extent) = (self.clouds(), &source.piece.extent);
        let len = room_for(extent);
        let policy = self.policy(&source.policy);
        let mut candidates = clouds.candidates(policy.and_then(|policy| policy.providers.as_deref()));
        for candidate in &mut candidates {
            let room = |cloud: &Arc<Cloud>| cloud.has_room(len);
            let takes = |cloud: &Arc<Cloud>| room(cloud) && !source.avoid.contains(&cloud.member.name);
            candidate.writable &= !refused.contains(&candidate.id) && clouds.get(candidate.id).is_some_and(takes);
        }
        let fragments = source.piece.fragments.iter();
        let others = fragments.filter(|f| f.state != FragmentState::Missing && !missing.contains(&f.index));
        let others: Vec<&Fragment> = others.filter(|_| !planted(Bug::RepairIntoATakenDomain)).collect();
        // Whoever is to be avoided may hold one that nobody knows of.
        let avoided = clouds.all().filter(|cloud| source.avoid.contains(&cloud.member.name));
        let avoided: Vec<ProviderId> = avoided.map(|cloud| cloud.member.id).collect();
        let held: Vec<ProviderId> = others.iter().map(|f| f.provider).chain(avoided.clone()).collect();
        let none = BTreeMap::new();
        let spread = policy.map_or(&none, |policy| &policy.spread);
        let refilled = |held: &[ProviderId]| {
            let seats = refill(extent.id, extent.shape.n, spread, &candidates, held, missing);
            let seats = seats.inspect_err(|error| tracing::warn!("{}: no seats: {error}", source.name));
            seats.unwrap_or_default()
        };
        let mut seats = refilled(&held);
        let mut needed = without_surplus(&others);
        needed.extend(avoided);
        if seats.len() < missing.len() && needed.len() < held.len() {
            // Beside a second copy of what another holds too, rather than nowhere.
            seats = refilled(&needed);
        }
        seats
            .into_iter()
            .filter_map(|(index, at)| Some((index, clouds.get(candidates[at].id)?.clone())))
            .collect()
    }
}

/// The holders of these fragments but for those that hold nothing other than second copies: of each index that is surely there one is enough.
fn without_surplus(fragments: &[&Fragment]) -> Vec<ProviderId> {
    let mut sound: BTreeMap<u16, BTreeSet<ProviderId>> = BTreeMap::new();
    for fragment in fragments.iter().filter(|f| f.state == FragmentState::Sound) {
        sound.entry(fragment.index).or_default().insert(fragment.provider);
    }
    let unsure = fragments.iter().filter(|f| f.state != FragmentState::Sound);
    let needed: BTreeSet<ProviderId> = owners(&sound).into_keys().chain(unsure.map(|f| f.provider)).collect();
    needed.into_iter().collect()
}

/// The frames of a rebuilt fragment, with room for its header in front.
struct Frames {
    bytes: Bytes,
    header_len: usize,
}

impl Frames {
    /// The whole fragment under this header.
    fn with(&self, header: &[u8]) -> Bytes {
        let mut whole = Vec::with_capacity(self.bytes.len());
        whole.extend_from_slice(header);
        whole.extend_from_slice(&self.bytes[self.header_len..]);
        whole.into()
    }
}

/// One fragment being made from others.
struct Regrowth {
    keys: Keys,
    code: Code,
    pool: Pool,
    extent: Extent,
    index: u16,
    arrived: Arc<BTreeMap<u16, Arrived>>,
}

impl Regrowth {
    fn frames(self) -> Result<Frames, String> {
        let (extent, shape) = (&self.extent, &self.extent.shape);
        let tags = FrameKeys::new(&self.keys, extent.key_id, extent.id, &extent.salt, *shape)
            .map_err(|error| error.to_string())?;
        let len = usize::try_from(shape.fragment_len(extent.header_len)).map_err(|error| error.to_string())?;
        let mut slab = self.pool.take(len);
        for stripe in 0..shape.stripes() {
            let at =
                usize::try_from(shape.frame_offset(extent.header_len, stripe)).map_err(|error| error.to_string())?;
            let end = at + shape.coded_len(stripe) as usize;
            let window_at = usize::try_from(stripe).map_err(|error| error.to_string())?;
            let good = |(index, a): (&u16, _)| good_chunk(*index, a, window_at);
            let have: Vec<(usize, &[u8])> = self.arrived.iter().filter_map(|(index, a)| good((index, a))).collect();
            self.code
                .reconstruct(&have, &mut [(usize::from(self.index), &mut slab[at..end])])
                .map_err(|error| error.to_string())?;
            let tag = tags.tag(self.index, stripe, &slab[at..end]);
            slab[end..end + tag.len()].copy_from_slice(&tag);
        }
        Ok(Frames {
            bytes: slab.freeze(len),
            header_len: usize::from(extent.header_len),
        })
    }
}

fn good_chunk(index: u16, arrived: &Arrived, stripe: usize) -> Option<(usize, &[u8])> {
    let range = arrived.good.get(stripe)?.clone()?;
    Some((usize::from(index), &arrived.bytes[range]))
}
