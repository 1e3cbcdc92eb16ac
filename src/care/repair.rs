//! Checking one object's fragments, and making anew those that are missing.
//!
//! ```text
//! each fragment   read or looked up ─▶ sound | damaged | missing | no answer          no answer is never missing
//! each extent     missing or damaged indices ─▶ rebuilt from k others ─▶ seated ─▶ catalog
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::future::join_all;
use futures::{StreamExt, stream};

use super::outlay::Outlay;
use crate::catalog::record::{Fragment, FragmentState, Health, Member, MemberState, Piece, Version};
use crate::cloud_set::policy::Prefer;
use crate::fragment::id::{Kind, ProviderId};
use crate::placement::crowded;
use crate::provider::ProviderError;
use crate::store::error::StoreError;
use crate::store::fetch::{Notes, Source};
use crate::store::rebuild::Rebuilt;
use crate::store::send::Progress;
use crate::store::{Store, name};

/// Objects that whoever repairs many takes up at once. The store bounds the memory, whatever their number.
pub const OBJECTS_AT_ONCE: usize = 16;

/// Extents of one object that are rebuilt at once: while one is read another is written.
const EXTENTS_AT_ONCE: usize = 4;

/// What a check found out about one fragment.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The fragment, with the state it was found in; unchanged if its provider gave no answer.
    pub fragment: Fragment,
    /// Its provider's name.
    pub provider: String,
    /// Why there was no answer.
    pub silent: Option<ProviderError>,
}

/// One extent after a check.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The extent with its fragments as they were found.
    pub piece: Piece,
    /// Each fragment.
    pub findings: Vec<Finding>,
}

impl Checked {
    /// Distinct indices that are sound.
    #[must_use]
    pub fn sound(&self) -> u16 {
        let sound: std::collections::BTreeSet<u16> =
            self.indices(|f| f.fragment.state == FragmentState::Sound && f.silent.is_none());
        u16::try_from(sound.len()).expect("n is at most 256")
    }

    /// Indices that surely have no sound fragment, or none but beside another's: to be rebuilt.
    #[must_use]
    pub fn missing(&self) -> Vec<u16> {
        let mut holders: BTreeMap<u16, BTreeSet<ProviderId>> = BTreeMap::new();
        for Finding { fragment, silent, .. } in &self.findings {
            if silent.is_some() || fragment.state == FragmentState::Sound {
                holders.entry(fragment.index).or_default().insert(fragment.provider);
            }
        }
        let crowded = crowded(&holders);
        (0..self.piece.extent.shape.n)
            .filter(|index| !holders.contains_key(index) || crowded.contains(index))
            .collect()
    }

    /// Indices whose providers gave no answer.
    #[must_use]
    pub fn silent(&self) -> usize {
        self.indices(|f| f.silent.is_some()).len()
    }

    /// The state that this extent is in.
    #[must_use]
    pub fn health(&self) -> Health {
        let (sound, extent) = (self.sound(), &self.piece.extent);
        match sound {
            sound if sound < extent.shape.k => Health::Lost,
            sound if sound < extent.quorum => Health::AtRisk,
            sound if sound < extent.shape.n => Health::Degraded,
            _ => Health::Whole,
        }
    }

    fn indices(&self, which: impl Fn(&Finding) -> bool) -> std::collections::BTreeSet<u16> {
        self.findings
            .iter()
            .filter(|f| which(f))
            .map(|f| f.fragment.index)
            .collect()
    }
}

/// One object after a check: its data extents, then its manifests.
#[derive(Clone, Debug)]
pub struct Report {
    /// The object.
    pub name: String,
    /// Its extents.
    pub extents: Vec<Checked>,
}

impl Report {
    /// The state of its worst extent.
    #[must_use]
    pub fn health(&self) -> Health {
        self.extents.iter().map(Checked::health).min().unwrap_or(Health::Whole)
    }

    /// Fragments that were found damaged or missing.
    pub fn wrong(&self) -> impl Iterator<Item = &Finding> {
        let findings = self.extents.iter().flat_map(|extent| &extent.findings);
        findings.filter(|f| f.silent.is_none() && f.fragment.state != FragmentState::Sound)
    }
}

/// What a repair did.
#[derive(Debug)]
pub struct Repaired {
    /// What was found before.
    pub before: Report,
    /// Fragments made anew, with the names of the providers that hold them.
    pub rebuilt: Vec<(Fragment, String)>,
    /// Fragments for which no provider was found, with the ordinal of their extent.
    pub unplaced: Vec<(usize, u16)>,
    /// Extents with fewer than k sound fragments, by ordinal.
    pub hopeless: Vec<usize>,
    /// What providers that failed said.
    pub notes: Notes,
}

impl Repaired {
    /// Notes how the rebuild of one extent ended.
    fn note(
        &mut self,
        ordinal: usize,
        missing: Vec<u16>,
        rebuilt: Result<Rebuilt, StoreError>,
    ) -> Result<(), StoreError> {
        let all = |indices: Vec<u16>| indices.into_iter().map(move |index| (ordinal, index));
        match rebuilt {
            Ok(rebuilt) => {
                self.rebuilt.extend(rebuilt.fragments);
                self.unplaced.extend(all(rebuilt.failed));
                self.notes.add(rebuilt.notes);
            }
            Err(StoreError::Lost { .. } | StoreError::Unreachable { .. }) => {
                let Checked { piece, .. } = &self.before.extents[ordinal];
                if self.before.extents[ordinal].sound() < piece.extent.shape.k && piece.extent.kind != Kind::Tombstone {
                    self.hopeless.push(ordinal);
                }
                self.unplaced.extend(all(missing));
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

/// Checks every fragment of an object: its existence and length, or with `deep` every byte. Keeps in the catalog what it finds.
pub async fn check(
    store: &Arc<Store>,
    object: &str,
    deep: bool,
    progress: &Arc<dyn Progress>,
) -> Result<Report, StoreError> {
    name::check(object)?;
    store.head(object).await?;
    check_extents(store, object, deep, progress).await
}

async fn check_extents(
    store: &Arc<Store>,
    object: &str,
    deep: bool,
    progress: &Arc<dyn Progress>,
) -> Result<Report, StoreError> {
    let mut extents = Vec::new();
    for piece in store.catalog().extents(object).await? {
        extents.push(check_extent(store, object, piece, deep, progress).await?);
    }
    Ok(Report {
        name: object.to_owned(),
        extents,
    })
}

pub(super) async fn check_extent(
    store: &Arc<Store>,
    object: &str,
    mut piece: Piece,
    deep: bool,
    progress: &Arc<dyn Progress>,
) -> Result<Checked, StoreError> {
    let looks = piece
        .fragments
        .iter()
        .map(|fragment| look(store, &piece, *fragment, deep, progress));
    let findings: Vec<Finding> = join_all(looks).await;
    let differs = |f: &&Finding| f.silent.is_none() && !piece.fragments.contains(&f.fragment);
    let changed: Vec<Fragment> = findings.iter().filter(differs).map(|f| f.fragment).collect();
    piece.fragments = findings.iter().map(|f| f.fragment).collect();
    if !changed.is_empty() {
        tracing::info!("{object}: {} fragments are not as the catalog has them", changed.len());
        store.catalog().mark(changed).await?;
    }
    Ok(Checked { piece, findings })
}

async fn look(
    store: &Arc<Store>,
    piece: &Piece,
    fragment: Fragment,
    deep: bool,
    progress: &Arc<dyn Progress>,
) -> Finding {
    let clouds = store.clouds();
    let cloud = clouds.get(fragment.provider);
    let provider = cloud.map_or_else(|| fragment.provider.to_string(), |cloud| cloud.member.name.clone());
    let gone = cloud.is_some_and(|cloud| matches!(cloud.member.state, MemberState::Lost | MemberState::Removed));
    let state = if gone {
        Ok(FragmentState::Missing)
    } else if deep {
        store.examine(&piece.extent, fragment, progress).await
    } else {
        // The right length clears nothing that a reading found.
        let wrong = fragment.state == FragmentState::Damaged;
        let clears = |state| wrong && state == FragmentState::Sound;
        let told = store.look(&piece.extent, fragment).await;
        told.map(|state| if clears(state) { FragmentState::Damaged } else { state })
    };
    match state {
        Ok(state) => Finding {
            fragment: Fragment { state, ..fragment },
            provider,
            silent: None,
        },
        Err(error) => Finding {
            fragment,
            provider,
            silent: Some(error),
        },
    }
}

/// What a repair looks at before it rebuilds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// Nothing: what the catalog knows to be wrong is.
    Known,
    /// Whether each fragment is there, at its length.
    Lengths,
    /// Every byte.
    Bytes,
}

/// Checks every byte of an object and makes anew what is damaged or missing. A provider that does not answer keeps its fragments: they
/// are not missing until it says so, or until its owner declares it lost.
pub async fn repair(store: &Arc<Store>, object: &str, progress: &Arc<dyn Progress>) -> Result<Repaired, StoreError> {
    mend(store, object, Look::Bytes, progress).await
}

/// Makes anew what is damaged or missing as far as `look` finds it, from the k fragments of each extent that cost least to read.
pub async fn mend(
    store: &Arc<Store>,
    object: &str,
    look: Look,
    progress: &Arc<dyn Progress>,
) -> Result<Repaired, StoreError> {
    store.begin_writing().await?;
    let before = match look {
        Look::Known => known(store, object).await?,
        Look::Lengths => check(store, object, false, progress).await?,
        Look::Bytes => check(store, object, true, progress).await?,
    };
    let policy = store.head(object).await?.policy;
    rebuild_missing(store, &policy, before, Arc::default(), progress).await
}

/// The same for whatever an object's head holds, and be it a removal. `avoid` are providers, by name, that get nothing of it.
pub(super) async fn repair_head(
    store: &Arc<Store>,
    head: &Version,
    avoid: Arc<[String]>,
    progress: &Arc<dyn Progress>,
) -> Result<Repaired, StoreError> {
    store.begin_writing().await?;
    let before = check_extents(store, &head.name, true, progress).await?;
    rebuild_missing(store, &head.policy, before, avoid, progress).await
}

async fn rebuild_missing(
    store: &Arc<Store>,
    policy: &str,
    before: Report,
    avoid: Arc<[String]>,
    progress: &Arc<dyn Progress>,
) -> Result<Repaired, StoreError> {
    let object = before.name.clone();
    let mut repaired = Repaired {
        rebuilt: Vec::new(),
        unplaced: Vec::new(),
        hopeless: Vec::new(),
        notes: Notes::default(),
        before,
    };
    let mut ill = Vec::new();
    for (ordinal, checked) in repaired.before.extents.iter().enumerate() {
        let missing = checked.missing();
        if !missing.is_empty() {
            let source = Source {
                avoid: avoid.clone(),
                ..Source::new(&object, policy, ordinal, checked.piece.clone())
            };
            ill.push((missing, source));
        }
    }
    // All of them end, also after one that failed: no write is dropped on its way.
    let ends: Vec<_> = stream::iter(ill)
        .map(|(missing, source)| async move {
            let rebuilt = store.rebuild(&source, &missing, progress).await;
            (source.ordinal, missing, rebuilt)
        })
        .buffered(EXTENTS_AT_ONCE)
        .collect()
        .await;
    for (ordinal, missing, rebuilt) in ends {
        repaired.note(ordinal, missing, rebuilt)?;
    }
    Ok(repaired)
}

/// What repairing an object would take, by what the catalog knows: nothing is asked. Answers how many fragments it would make anew, and how many it
/// can't.
pub async fn plan(store: &Arc<Store>, object: &str, outlay: &mut Outlay) -> Result<(u64, u64), StoreError> {
    let policy = store.head(object).await?.policy;
    let (mut rebuilt, mut left) = (0, 0);
    for (ordinal, checked) in known(store, object).await?.extents.iter().enumerate() {
        let missing = checked.missing();
        if missing.is_empty() {
            continue;
        }
        let shape = &checked.piece.extent.shape;
        let len = shape.fragment_len(checked.piece.extent.header_len);
        let mut source = Source::new(object, &policy, ordinal, checked.piece.clone());
        source.prefer = Some(Prefer::Cost);
        source
            .piece
            .fragments
            .retain(|fragment| !missing.contains(&fragment.index));
        let wanted: Vec<u16> = (0..shape.k).collect();
        let from = store.candidates(&source, &wanted);
        if from.len() < usize::from(shape.k) {
            left += missing.len() as u64;
            continue;
        }
        for (_, cloud) in from.iter().take(usize::from(shape.k)) {
            outlay.of(&cloud.member.name).get(len);
        }
        let seats = store.free_seats(&source, &missing, &std::collections::BTreeSet::new());
        left += (missing.len() - seats.len()) as u64;
        rebuilt += seats.len() as u64;
        for (_, cloud) in seats {
            outlay.of(&cloud.member.name).put(len);
        }
    }
    Ok((rebuilt, left))
}

/// An object as the catalog knows it.
async fn known(store: &Arc<Store>, object: &str) -> Result<Report, StoreError> {
    name::check(object)?;
    store.head(object).await?;
    let pieces = store.catalog().extents(object).await?;
    Ok(Report {
        name: object.to_owned(),
        extents: pieces.into_iter().map(|piece| known_extent(store, piece)).collect(),
    })
}

/// An extent as the catalog knows it: what lies on a provider that is lost is missing.
pub(super) fn known_extent(store: &Store, mut piece: Piece) -> Checked {
    let clouds = store.clouds();
    let finding = |fragment: &Fragment| {
        let cloud = clouds.holder(fragment);
        let gone = cloud.is_some_and(|cloud| matches!(cloud.member.state, MemberState::Lost | MemberState::Removed));
        Finding {
            fragment: Fragment {
                state: if gone { FragmentState::Missing } else { fragment.state },
                ..*fragment
            },
            provider: cloud.map_or_else(|| fragment.provider.to_string(), |cloud| cloud.member.name.clone()),
            silent: None,
        }
    };
    let findings: Vec<Finding> = piece.fragments.iter().map(finding).collect();
    piece.fragments = findings.iter().map(|it| it.fragment).collect();
    Checked { piece, findings }
}

/// Declares a provider lost for good: nothing is asked of it any more, and what it held is missing. For when it will never come back.
pub async fn declare_lost(store: &Arc<Store>, provider: &str) -> Result<Member, StoreError> {
    store.begin_writing().await?;
    store.change_member(provider, MemberState::Lost).await
}
