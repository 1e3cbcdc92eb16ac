//! What really lies at the providers, beside what the catalog says: the invariants.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use raic::catalog::Catalog;
use raic::catalog::record::{FragmentState, MemberState, Piece};
use raic::fragment::id::{Kind, ProviderId};
use raic::fragment::key::open_key;
use raic::fragment::secret::Keys;
use raic::store::send::blob_key;

use super::cloud::{Cloud, Weather};
use super::world::{Violation, World, broken};

/// How long a blob stays after nothing holds it any more, in milliseconds: the store's default.
const GRACE: u64 = 3_600_000;

/// One look at the catalog and the providers, past all faults.
pub(crate) struct Truth<'a> {
    pub(crate) world: &'a World,
    pub(crate) clouds: &'a [Arc<Cloud>],
    pub(crate) keys: &'a Keys,
    pub(crate) catalog: &'a dyn Catalog,
}

/// When each blob was last held by a version.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    held: BTreeMap<(usize, String), u64>,
    /// When the catalog was rebuilt last. What had been asked to go by then may go late, whatever the rebuild still found of it.
    begun: u64,
}

impl Ledger {
    /// Of a catalog that was rebuilt just now.
    pub(crate) fn begun(now: u64) -> Ledger {
        Ledger {
            held: BTreeMap::new(),
            begun: now,
        }
    }
}

impl Truth<'_> {
    /// The present members by id.
    pub(crate) async fn members(&self) -> BTreeMap<ProviderId, Arc<Cloud>> {
        let (_, members) = self.catalog.members().await.expect("the catalog can be read");
        let present = members
            .into_iter()
            .filter(|member| !matches!(member.state, MemberState::Lost | MemberState::Removed));
        let cloud = |name: &str| self.clouds.iter().find(|cloud| cloud.name == name).cloned();
        present
            .filter_map(|member| Some((member.id, cloud(&member.name)?)))
            .collect()
    }

    pub(crate) async fn pieces(&self, name: &str) -> Vec<Piece> {
        self.catalog.extents(name).await.expect("the catalog can be read")
    }

    /// The distinct indices of an extent for which `counts` holds of some copy: its provider and its key.
    pub(crate) fn indices(
        &self,
        members: &BTreeMap<ProviderId, Arc<Cloud>>,
        piece: &Piece,
        counts: impl Fn(&Cloud, &str) -> bool,
    ) -> BTreeSet<u16> {
        let copies = piece.fragments.iter().filter(|fragment| {
            let key = blob_key(self.keys, &piece.extent, fragment.index, fragment.copy);
            members.get(&fragment.provider).is_some_and(|cloud| counts(cloud, &key))
        });
        copies.map(|fragment| fragment.index).collect()
    }

    /// The same, with copies that lie at members though the catalog doesn't know them, if those that it knows are too few.
    fn existing(
        &self,
        members: &BTreeMap<ProviderId, Arc<Cloud>>,
        piece: &Piece,
        counts: impl Fn(&Cloud, &str) -> bool,
    ) -> BTreeSet<u16> {
        let mut indices = self.indices(members, piece, &counts);
        let known: BTreeSet<u16> = piece.fragments.iter().map(|fragment| fragment.index).collect();
        if indices.len() < least(piece) {
            for cloud in members.values() {
                let keys = cloud.keys().into_iter().filter(|key| counts(cloud, key));
                let tokens = keys.filter_map(|key| open_key(self.keys, &key));
                let own = tokens.filter(|(_, token)| token.extent == piece.extent.id);
                indices.extend(own.map(|(_, token)| token.index).filter(|index| !known.contains(index)));
            }
        }
        indices
    }

    /// Every extent of the object can be read though these providers vanish.
    pub(crate) async fn survives(&self, name: &str, without: &[usize]) -> bool {
        let members = self.members().await;
        let pieces = self.pieces(name).await;
        pieces.iter().all(|piece| {
            let sound = self.indices(&members, piece, |cloud, key| {
                !without.contains(&cloud.at) && cloud.holds(key)
            });
            sound.len() >= least(piece)
        })
    }

    /// After an acknowledgement: each extent that it wrote is held by as many providers as the quorum asks for.
    pub(crate) async fn at_quorum(&self, name: &str, quorum: u16) -> Result<(), Violation> {
        let members = self.members().await;
        let pieces = self.pieces(name).await;
        let newest = pieces.iter().map(|piece| piece.extent.generation).max();
        for piece in pieces.iter().filter(|piece| Some(piece.extent.generation) == newest) {
            let held = self.indices(&members, piece, |cloud, key| cloud.holds(key) || cloud.claims(key));
            for fragment in piece.fragments.iter().filter(|f| f.state == FragmentState::Sound) {
                let key = blob_key(self.keys, &piece.extent, fragment.index, fragment.copy);
                let cloud = members.get(&fragment.provider);
                if !cloud.is_some_and(|cloud| cloud.holds(&key) || cloud.claims(&key)) {
                    return broken(
                        "only what was confirmed is noted as sound",
                        format!("{name}: fragment {} of an extent", fragment.index),
                    );
                }
            }
            if held.len() < usize::from(quorum) {
                return broken(
                    "acknowledged is at the quorum",
                    format!(
                        "{name}: {} of {quorum} fragments of an extent are confirmed",
                        held.len()
                    ),
                );
            }
        }
        Ok(())
    }

    /// What has to hold of every object after every step.
    pub(crate) async fn object(&self, name: &str, spread: bool, repaired: bool) -> Result<(), Violation> {
        let members = self.members().await;
        for piece in self.pieces(name).await {
            let sound = self.existing(&members, &piece, Cloud::holds);
            if sound.len() < least(&piece) {
                return broken(
                    "no extent of a version is lost",
                    format!(
                        "{name}: {} sound fragments of an extent of kind {:?} are left, {} are needed",
                        sound.len(),
                        piece.extent.kind,
                        least(&piece)
                    ),
                );
            }
            if repaired {
                apart(name, &members, &piece, spread)?;
            }
        }
        Ok(())
    }

    /// Providers of which nothing bad was seen in this step, and which are well.
    pub(crate) fn is_well(&self, cloud: &Cloud) -> bool {
        cloud.weather() == Weather::Clear && !self.world.trouble().silent.contains(&cloud.at)
    }

    /// True if every data extent has k fragments on providers for which `counts` holds.
    pub(crate) async fn could_be_read(&self, name: &str, counts: impl Fn(&Cloud) -> bool) -> bool {
        let members = self.members().await;
        let pieces = self.pieces(name).await;
        let data = pieces.iter().filter(|piece| piece.extent.kind.holds_data());
        let enough = |piece: &Piece| {
            let sound = self.existing(&members, piece, |cloud, key| counts(cloud) && cloud.holds(key));
            sound.len() >= usize::from(piece.extent.shape.k)
        };
        !pieces.is_empty() && data.into_iter().all(enough)
    }

    /// Notes what versions hold now, and checks that nothing was deleted before its grace was over.
    pub(crate) async fn graces(&self, names: &[String], ledger: &mut Ledger) -> Result<(), Violation> {
        for cloud in self.clouds {
            for (when, key) in cloud.take_deleted() {
                if let Some(held) = ledger.held.remove(&(cloud.at, key.clone()))
                    && (ledger.begun..held + GRACE).contains(&when)
                {
                    return broken(
                        "a blob stays for its grace",
                        format!(
                            "{} {key} was held {} s before it was deleted",
                            cloud.name,
                            when.saturating_sub(held) / 1000
                        ),
                    );
                }
            }
        }
        let (members, now) = (self.members().await, self.world.now());
        for name in names {
            for piece in self.pieces(name).await {
                for fragment in piece.fragments.iter().filter(|f| f.state == FragmentState::Sound) {
                    if let Some(cloud) = members.get(&fragment.provider) {
                        let key = blob_key(self.keys, &piece.extent, fragment.index, fragment.copy);
                        ledger.held.insert((cloud.at, key), now);
                    }
                }
            }
        }
        Ok(())
    }
}

/// Fragments that an extent can't do without: of a removal its header, which each has.
fn least(piece: &Piece) -> usize {
    if piece.extent.kind == Kind::Tombstone {
        1
    } else {
        usize::from(piece.extent.shape.k)
    }
}

/// Each index that the catalog calls sound can be had from a provider, or with a spread an operator, of its own.
fn apart(name: &str, members: &BTreeMap<ProviderId, Arc<Cloud>>, piece: &Piece, spread: bool) -> Result<(), Violation> {
    let mut places: BTreeMap<u16, BTreeSet<usize>> = BTreeMap::new();
    for fragment in piece.fragments.iter().filter(|f| f.state == FragmentState::Sound) {
        if let Some(cloud) = members.get(&fragment.provider) {
            let place = if spread { cloud.at.max(1) } else { cloud.at };
            places.entry(fragment.index).or_default().insert(place);
        }
    }
    let mut taken: BTreeMap<usize, u16> = BTreeMap::new();
    for index in places.keys() {
        if !seat(*index, &places, &mut taken, &mut BTreeSet::new()) {
            return broken(
                "fragments of an extent lie apart",
                format!("{name}: indices and the places of each: {places:?}"),
            );
        }
    }
    Ok(())
}

/// Finds a place of its own for an index, moving others: an augmenting path.
fn seat(
    index: u16,
    places: &BTreeMap<u16, BTreeSet<usize>>,
    taken: &mut BTreeMap<usize, u16>,
    tried: &mut BTreeSet<usize>,
) -> bool {
    for place in &places[&index] {
        if tried.insert(*place) {
            let free = match taken.get(place).copied() {
                None => true,
                Some(other) => seat(other, places, taken, tried),
            };
            if free {
                taken.insert(*place, index);
                return true;
            }
        }
    }
    false
}
