//! What the providers list, held against the catalog: which fragments are there, which are not, and which blobs nobody asked for.
//!
//! ```text
//! a ward of keys ─▶ every member lists it at once ─▶ the catalog's rows of the ward, read after the listings
//!   listed, at full length            ─▶ there
//!   not listed, or at another length  ─▶ asked for by itself: there | another length | gone | no answer
//!   listed, and unknown               ─▶ a stray: perhaps garbage (collect.rs)
//! ```
//!
//! A listing is a hint. It may spare a question, but no fragment is missing because a listing leaves it out: the provider has to say so when it is asked
//! for the blob, and to prove that it is ours. What it can't say stays as it was.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::future::join_all;
use futures::{StreamExt, TryStreamExt, stream};

use super::outlay::Outlay;
use crate::catalog::diary::{Diary, Listed, Tracked, Ward};
use crate::catalog::record::{Extent, Fragment, FragmentState, MemberState};
use crate::fragment::id::{ExtentId, Group, ProviderId};
use crate::fragment::key::{IDENTITY_PREFIX, Token, open_key};
use crate::provider::{Class, ProviderError};
use crate::store::Store;
use crate::store::clouds::Cloud;
use crate::store::error::StoreError;

/// Questions for single blobs under way at once.
const AT_ONCE: usize = 16;

/// Calls that may fail in a row before a provider counts as silent for the rest of a run.
pub(super) const GIVES_UP: u32 = 5;

/// Fragments of one provider up to which everything is listed in one go: the keys of a ward each would cost more calls than they save memory.
pub const ONE_GO: u64 = 32_000;

/// What one provider listed of some wards.
#[derive(Debug)]
pub struct Shelf {
    /// The provider.
    pub cloud: Arc<Cloud>,
    /// Its blobs of this set.
    pub blobs: BTreeMap<Name, Blob>,
    /// Why there may be more; `None` if the listing came to its end.
    pub broken: Option<ProviderError>,
}

/// A fragment's writing: extent, index and copy number.
pub type Name = (ExtentId, u16, u64);

/// One listed blob.
#[derive(Clone, Copy, Debug)]
pub struct Blob {
    /// Whose object it is of.
    pub group: Group,
    /// What its key tells.
    pub token: Token,
    /// Its length, where the listing tells it.
    pub len: Option<u64>,
}

/// The listings of some wards.
#[derive(Debug, Default)]
pub struct Sight {
    /// What each present member told.
    pub shelves: Vec<Shelf>,
    /// Keys that are not this set's.
    pub strange: u64,
    /// What the listings took.
    pub outlay: Outlay,
}

/// What a survey found out about the fragments that versions hold.
#[derive(Debug, Default)]
pub struct Found {
    /// Fragments that are there at their full length.
    pub there: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Fragments that are gone, those known before included.
    pub missing: u64,
    /// Fragments of another length, and those known to be damaged.
    pub damaged: u64,
    /// Fragments that were noted as gone or never confirmed, and are there.
    pub back: u64,
    /// Fragments that were wrong and weren't known to be.
    pub news: u64,
    /// Fragments of which nobody could tell anything.
    pub unknown: u64,
    /// Fragments that a listing left out and that are there.
    pub left_out: u64,
}

impl Found {
    /// Adds another ward's.
    pub fn add(&mut self, other: &Found) {
        self.there += other.there;
        self.bytes += other.bytes;
        self.missing += other.missing;
        self.damaged += other.damaged;
        self.back += other.back;
        self.news += other.news;
        self.unknown += other.unknown;
        self.left_out += other.left_out;
    }
}

/// Lists some wards on every present member; all of them in one go.
pub async fn list(store: &Store, wards: &[Ward]) -> Sight {
    let clouds = store.clouds();
    let members: Vec<Arc<Cloud>> = clouds.present().cloned().collect();
    let answers = join_all(members.into_iter().map(|cloud| shelf(store, cloud, wards))).await;
    let mut sight = Sight::default();
    for (shelf, strange, keys) in answers {
        sight.strange += strange;
        sight.outlay.of(&shelf.cloud.member.name).list(keys);
        sight.shelves.push(shelf);
    }
    sight
}

async fn shelf(store: &Store, cloud: Arc<Cloud>, wards: &[Ward]) -> (Shelf, u64, u64) {
    let (mut blobs, mut strange, mut keys) = (BTreeMap::new(), 0, 0);
    let all = wards.len() == Ward::all().count();
    let prefixes: Vec<String> = if all {
        vec![String::new()]
    } else {
        wards.iter().map(|ward| ward.prefix()).collect()
    };
    let end = async {
        cloud.prove(store.keys()).await?;
        let provider = cloud.way().ok_or_else(|| cloud.out_of_reach())?;
        for prefix in &prefixes {
            let mut listing = provider.list(prefix);
            while let Some(listed) = listing.try_next().await? {
                keys += 1;
                match open_key(store.keys(), &listed.key) {
                    Some((group, token)) => {
                        let len = listed.len;
                        blobs.insert((token.extent, token.index, token.copy), Blob { group, token, len });
                    }
                    None => strange += u64::from(!listed.key.starts_with(IDENTITY_PREFIX)),
                }
            }
        }
        Ok(())
    };
    let end: Result<(), ProviderError> = end.await;
    cloud.note(&end);
    let broken = end.err();
    (Shelf { cloud, blobs, broken }, strange, keys)
}

/// Holds what was listed against the catalog's rows of the wards, and keeps what it found: what is wrong is queued for repair by its state. Answers the
/// rows too, for whoever looks at the strays.
pub async fn compare(
    store: &Arc<Store>,
    diary: &dyn Diary,
    sight: &mut Sight,
    wards: &[Ward],
) -> Result<(Found, Vec<Tracked>), StoreError> {
    let (mut found, mut rows) = (Found::default(), Vec::new());
    for ward in wards {
        let tracked = diary.ward(*ward).await?;
        found.add(&compare_ward(store, sight, &tracked).await?);
        rows.extend(tracked);
    }
    Ok((found, rows))
}

/// Notes which wards of which members were listed whole.
pub async fn note(store: &Store, diary: &dyn Diary, sight: &Sight, wards: &[Ward]) -> Result<(), StoreError> {
    let at = store.clock().now();
    let whole = sight.shelves.iter().filter(|shelf| shelf.broken.is_none());
    let rows = whole.flat_map(|shelf| {
        let provider = shelf.cloud.member.id;
        wards.iter().map(move |ward| Listed {
            provider,
            ward: *ward,
            at,
        })
    });
    Ok(diary.note_listed(rows.collect()).await?)
}

/// When what was listed longest ago was listed, over all wards of all present members; `None` if something never was.
pub async fn listed_since(store: &Store, diary: &dyn Diary) -> Result<Option<i64>, StoreError> {
    let (rows, clouds) = (diary.listed().await?, store.clouds());
    let each = clouds.present().map(|cloud| {
        let mine = rows.iter().filter(|row| row.provider == cloud.member.id);
        let times: Vec<i64> = mine.map(|row| row.at).collect();
        let all = times.len() == Ward::all().count();
        times.into_iter().min().filter(|_| all)
    });
    Ok(each.min().flatten())
}

async fn compare_ward(store: &Arc<Store>, sight: &mut Sight, rows: &[Tracked]) -> Result<Found, StoreError> {
    let (mut found, mut changed, mut doubtful) = (Found::default(), Vec::new(), Vec::new());
    for row in rows.iter().filter(|row| row.held) {
        let len = row.extent.shape.fragment_len(row.extent.header_len);
        for fragment in &row.fragments {
            match sight.tells(store, fragment, len) {
                Told::There => found.note(*fragment, FragmentState::Sound, len, &mut changed),
                Told::Gone => found.note(*fragment, FragmentState::Missing, len, &mut changed),
                Told::Doubt => doubtful.push((row.extent.clone(), *fragment, len)),
                Told::Nothing => found.unknown += 1,
            }
        }
    }
    let listed: BTreeSet<ProviderId> = sight.whole().map(|shelf| shelf.cloud.member.id).collect();
    let mut answers = stream::iter(doubtful)
        .map(|(extent, fragment, len)| async move { (fragment, len, ask(store, &extent, fragment).await) })
        .buffer_unordered(AT_ONCE);
    while let Some((fragment, len, state)) = answers.next().await {
        if let Some(cloud) = store.clouds().get(fragment.provider) {
            sight.outlay.of(&cloud.member.name).stats += 1;
        }
        match state {
            Ok(state) => {
                let left_out = state == FragmentState::Sound && listed.contains(&fragment.provider);
                found.left_out += u64::from(left_out);
                found.note(fragment, state, len, &mut changed);
            }
            Err(_) => found.unknown += 1,
        }
    }
    if !changed.is_empty() {
        store.catalog().mark(changed).await?;
    }
    Ok(found)
}

/// Asks for one blob. A provider that has failed several times in a row isn't asked again in vain.
async fn ask(store: &Store, extent: &Extent, fragment: Fragment) -> Result<FragmentState, ProviderError> {
    let clouds = store.clouds();
    match clouds.holder(&fragment) {
        Some(cloud) if cloud.failing() >= GIVES_UP => Err(given_up(cloud)),
        _ => store.look(extent, fragment).await,
    }
}

/// The error of a provider that isn't asked any more in this run.
pub(super) fn given_up(cloud: &Cloud) -> ProviderError {
    match cloud.way() {
        None => cloud.out_of_reach(),
        Some(_) => ProviderError {
            class: Class::Timeout,
            message: format!(
                "{} calls in a row failed; it isn't asked again in this run",
                cloud.failing()
            ),
            ..cloud.out_of_reach()
        },
    }
}

impl Found {
    /// Takes what a look told. A look at the length clears nothing that a reading found: bytes that were wrong are wrong until they are read again.
    fn note(&mut self, fragment: Fragment, told: FragmentState, len: u64, changed: &mut Vec<Fragment>) {
        let was = fragment.state;
        let now = match (was, told) {
            (FragmentState::Damaged, FragmentState::Sound) => FragmentState::Damaged,
            (_, told) => told,
        };
        match now {
            FragmentState::Missing => self.missing += 1,
            FragmentState::Damaged => self.damaged += 1,
            FragmentState::Sound | FragmentState::Sent => {
                self.there += 1;
                self.bytes += len;
            }
        }
        if now != was {
            let wrong = matches!(now, FragmentState::Missing | FragmentState::Damaged);
            self.news += u64::from(wrong);
            self.back += u64::from(!wrong);
            changed.push(Fragment { state: now, ..fragment });
        }
    }
}

/// What a listing tells of one fragment.
enum Told {
    There,
    Gone,
    /// Nothing that can be believed: it has to be asked for.
    Doubt,
    /// Nothing, and the provider doesn't answer.
    Nothing,
}

impl Sight {
    /// Members whose listing came to its end.
    pub fn whole(&self) -> impl Iterator<Item = &Shelf> {
        self.shelves.iter().filter(|shelf| shelf.broken.is_none())
    }

    /// Why others' didn't.
    #[must_use]
    pub fn broken(&self) -> Vec<ProviderError> {
        self.shelves.iter().filter_map(|shelf| shelf.broken.clone()).collect()
    }

    fn tells(&self, store: &Store, fragment: &Fragment, len: u64) -> Told {
        let shelf = self
            .shelves
            .iter()
            .find(|shelf| shelf.cloud.member.id == fragment.provider);
        let Some(shelf) = shelf else {
            let clouds = store.clouds();
            let state = clouds.get(fragment.provider).map(|cloud| cloud.member.state);
            return match state {
                Some(MemberState::Lost | MemberState::Removed) => Told::Gone,
                _ => Told::Doubt,
            };
        };
        let blob = shelf.blobs.get(&(fragment.extent, fragment.index, fragment.copy));
        match blob {
            Some(blob) if blob.len == Some(len) => Told::There,
            None if shelf.broken.is_some() => Told::Nothing,
            _ => Told::Doubt,
        }
    }
}
