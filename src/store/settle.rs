//! What an earlier process left open: every open generation is rolled forward, closed and annulled, or waits.
//!
//! ```text
//! t fragments of the root are there, m providers don't answer, b may lie
//! no root was sent                     ──▶ close; what arrived is deleted
//! t + m + b < Q                        ──▶ it can't have been acknowledged: close, void, delete
//! t + m + b ≥ Q, t ≥ k                 ──▶ write back what is missing, then commit under the put's own condition
//! t + m + b ≥ Q, t < k                 ──▶ wait: it may have been acknowledged and can't be read now
//! ```
//!
//! What turns out to be rotten when it is read was there, and its provider is one of those that may lie.

use std::sync::Arc;

use futures::future::join_all;

use super::Store;
use super::error::StoreError;
use super::fetch::Source;
use super::rule::Rule;
use super::send::{Progress, Silent, blob_key};
use crate::catalog::record::{
    Commit, Committed, Extent, Fragment, FragmentState, OpenGeneration, Piece, Place, Version,
};
use crate::fragment::id::{ExtentId, Kind};
use crate::fragment::manifest::Manifest;
use crate::fragment::owner::Owner;
use crate::plant::{Bug, planted};
use crate::provider::{Class, Operation, ProviderError};

/// What settling did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// Objects whose interrupted version or removal is complete now.
    pub forward: Vec<String>,
    /// Objects whose interrupted version or removal was undone.
    pub undone: Vec<String>,
    /// Objects whose outcome is still open, as too few providers answer.
    pub waiting: Vec<String>,
}

/// What is known of one extent's fragments after asking all their providers.
pub(super) struct Survey {
    pub(super) extent: Extent,
    pub(super) fragments: Vec<Fragment>,
    silent: u16,
    /// Made anew in this settling; other copies of their indices are to go.
    pub(super) rebuilt: Vec<Fragment>,
}

impl Survey {
    /// Distinct indices that are there.
    pub(super) fn sound(&self) -> u16 {
        let sound = self.fragments.iter().filter(|f| f.state == FragmentState::Sound);
        let indices: std::collections::BTreeSet<u16> = sound.map(|f| f.index).collect();
        u16::try_from(indices.len()).expect("n is at most 256")
    }

    /// True if a version with this extent can have been acknowledged, now that only `good` of its fragments could be read: each that is rotten was
    /// there, and is one of `liars`. More of those than may be say nothing.
    fn may_count(&self, good: u16, liars: u16) -> bool {
        let rotten = self.sound().saturating_sub(good);
        rotten > liars || good + self.silent + liars >= self.extent.quorum
    }
}

pub(super) enum Verdict {
    Forward,
    Undo,
    Wait,
}

impl Store {
    /// Settles every open generation. To be called before the first write of a process.
    pub async fn settle(self: &Arc<Store>) -> Result<Settled, StoreError> {
        let mut settled = Settled::default();
        for open in self.catalog.open_generations().await? {
            if self.is_left_open(&open) {
                continue;
            }
            let done = match self.settle_one(&open).await {
                Ok(Verdict::Forward) => &mut settled.forward,
                Ok(Verdict::Undo) => &mut settled.undone,
                Ok(Verdict::Wait) => &mut settled.waiting,
                Err(error @ (StoreError::Catalog(_) | StoreError::Stale { .. })) => return Err(error),
                Err(error) => {
                    tracing::warn!("{}: its open generation {} waits: {error}", open.name, open.generation);
                    &mut settled.waiting
                }
            };
            done.push(open.name);
        }
        Ok(settled)
    }

    async fn settle_one(self: &Arc<Store>, open: &OpenGeneration) -> Result<Verdict, StoreError> {
        let progress: Arc<dyn Progress> = Arc::new(Silent);
        let Some(root) = open.root else {
            return self.undo(open, &progress).await;
        };
        if open.closed {
            return self.undo(open, &progress).await;
        }
        let Some(survey) = self.survey(root).await? else {
            return self.undo(open, &progress).await;
        };
        let (extent, sound) = (&survey.extent, survey.sound());
        let possible = sound + survey.silent.min(extent.shape.n - sound) + self.settings.liars;
        if possible < extent.quorum {
            return self.undo(open, &progress).await;
        }
        if sound < extent.shape.k {
            return Ok(Verdict::Wait);
        }
        self.roll_forward(open, survey, &progress).await
    }

    pub(super) async fn undo(
        self: &Arc<Store>,
        open: &OpenGeneration,
        progress: &Arc<dyn Progress>,
    ) -> Result<Verdict, StoreError> {
        self.catalog.close(open.generation, self.clock.now()).await?;
        let paid = self.annul(open.generation, &open.name, progress).await?;
        Ok(if paid { Verdict::Undo } else { Verdict::Wait })
    }

    async fn roll_forward(
        self: &Arc<Store>,
        open: &OpenGeneration,
        survey: Survey,
        progress: &Arc<dyn Progress>,
    ) -> Result<Verdict, StoreError> {
        let mut surveys = vec![survey];
        for id in open.extents.iter().filter(|id| Some(**id) != open.root) {
            surveys.extend(self.survey(*id).await?);
        }
        for survey in &mut surveys {
            match self.complete(open, survey, progress).await {
                Ok(true) => {}
                Ok(false) => return Ok(Verdict::Wait),
                Err(StoreError::Lost { .. }) => {
                    let good = self.good(&source_of(open, survey), progress).await?;
                    if survey.may_count(good, self.settings.liars) {
                        return Ok(Verdict::Wait);
                    }
                    return self.undo(open, progress).await;
                }
                Err(error) => return Err(error),
            }
        }
        let commit = self.commit_of(open, &surveys, progress).await?;
        match self.catalog.commit(commit).await? {
            Committed::Now(_) => {
                for fragment in surveys.iter().flat_map(|survey| &survey.rebuilt) {
                    self.catalog.finish_move(*fragment, self.doom_at()).await?;
                }
                Ok(Verdict::Forward)
            }
            Committed::Overtaken(_) => Ok(Verdict::Forward),
            // What it was built on is not adopted yet, after a rebuild: it may have been acknowledged, so nothing is annulled.
            Committed::Lost(_) => Ok(Verdict::Wait),
            Committed::Refused(_) if self.is_awaited(&open.name).await? => Ok(Verdict::Wait),
            Committed::Refused(_) | Committed::Closed => self.undo(open, progress).await,
        }
    }

    /// True if a rebuild left it open which version of this object counts.
    async fn is_awaited(&self, name: &str) -> Result<bool, StoreError> {
        let awaited = self.catalog.awaited().await?;
        Ok(awaited.iter().any(|waiting| waiting.name == name))
    }

    /// Asks every provider for its fragment of one extent.
    pub(super) async fn survey(&self, id: ExtentId) -> Result<Option<Survey>, StoreError> {
        let Some((extent, fragments)) = self.catalog.extent(id).await? else {
            return Ok(None);
        };
        let answers = join_all(fragments.iter().map(|fragment| self.look(&extent, *fragment))).await;
        let mut survey = Survey {
            extent,
            fragments: Vec::new(),
            silent: 0,
            rebuilt: Vec::new(),
        };
        for (fragment, answer) in fragments.into_iter().zip(answers) {
            let state = answer.unwrap_or_else(|_| {
                survey.silent += 1;
                FragmentState::Sent
            });
            survey.fragments.push(Fragment { state, ..fragment });
        }
        Ok(Some(survey))
    }

    /// Whether a fragment is there at its full length.
    pub(crate) async fn look(&self, extent: &Extent, fragment: Fragment) -> Result<FragmentState, ProviderError> {
        let clouds = self.clouds();
        let unknown = || ProviderError {
            provider: fragment.provider.to_string(),
            operation: Operation::Stat,
            key: String::new(),
            class: Class::Config,
            attempts: 1,
            message: "it is not a member of the set".to_owned(),
        };
        let cloud = clouds.holder(&fragment).ok_or_else(unknown)?;
        let provider = cloud.way().ok_or_else(|| cloud.out_of_reach())?;
        let key = blob_key(&self.keys, extent, fragment.index, fragment.copy);
        let stat = provider.stat(&key).await;
        cloud.note(&stat);
        match stat {
            Ok(stat) if stat.len == extent.shape.fragment_len(extent.header_len) => Ok(FragmentState::Sound),
            Ok(_) => Ok(FragmentState::Damaged),
            Err(error) if error.class == Class::Gone => {
                // Who writes signs in behind its first verb; what is looked at before that is at a member without an identity.
                if self.writer.initialized() {
                    self.prove_or_sign_in(cloud).await?;
                } else {
                    cloud.prove(&self.keys).await?;
                }
                Ok(FragmentState::Missing)
            }
            Err(_) if planted(Bug::ErrorIsAbsent) => Ok(FragmentState::Missing),
            Err(error) => Err(error),
        }
    }

    /// Brings an extent of an open generation to the rule: adopting is a write. False if that can't be had now.
    pub(super) async fn complete(
        self: &Arc<Store>,
        open: &OpenGeneration,
        survey: &mut Survey,
        progress: &Arc<dyn Progress>,
    ) -> Result<bool, StoreError> {
        let sound = |index: &u16| {
            let copies = survey.fragments.iter().filter(|f| f.index == *index);
            copies.into_iter().any(|f| f.state == FragmentState::Sound)
        };
        let missing: Vec<u16> = (0..survey.extent.shape.n).filter(|index| !sound(index)).collect();
        let rule = self.rule_of(open, &survey.extent);
        let clouds = self.clouds();
        let holds = |fragments: &[Fragment]| {
            rule.holds_on(
                fragments
                    .iter()
                    .filter(|f| f.state == FragmentState::Sound)
                    .filter_map(|f| clouds.holder(f)),
            )
        };
        if !missing.is_empty() && !holds(&survey.fragments) {
            let source = source_of(open, survey);
            let rebuilt = self.rebuild(&source, &missing, progress).await?;
            for (fragment, _) in rebuilt.fragments {
                survey.rebuilt.push(fragment);
                survey.fragments.push(fragment);
            }
        }
        Ok(holds(&survey.fragments))
    }

    /// What has to hold of an extent before its version counts: its own numbers, and the spread of its policy if that still stands.
    fn rule_of(&self, open: &OpenGeneration, extent: &Extent) -> Rule {
        let spread = self.policy(&open.policy).map(|policy| policy.spread.clone());
        Rule::new(extent.shape.k, extent.quorum, spread.unwrap_or_default())
    }

    /// The commit that the interrupted put was about to make, out of what its root says.
    async fn commit_of(
        self: &Arc<Store>,
        open: &OpenGeneration,
        surveys: &[Survey],
        progress: &Arc<dyn Progress>,
    ) -> Result<Commit, StoreError> {
        let root = &surveys[0];
        let source = source_of(open, root);
        let (_, owner) = self.owner_of(&source).await?;
        let (places, others, digest) = self.places_of(&source, surveys, progress).await?;
        let digest = digest.or(owner.digest).unwrap_or_default();
        let version = version_of(open, &root.extent, &owner, digest);
        let mut digests = Vec::new();
        for survey in surveys {
            let (_, owner) = self.owner_of(&source_of(open, survey)).await?;
            digests.extend(owner.digest.map(|digest| (survey.extent.id, digest)));
        }
        Ok(Commit {
            version,
            condition: open.condition,
            places,
            others,
            digests,
            fragments: surveys
                .iter()
                .flat_map(|survey| survey.fragments.iter().copied())
                .collect(),
            now: self.clock.now(),
            doom_at: self.doom_at(),
        })
    }

    async fn places_of(
        &self,
        source: &Source,
        surveys: &[Survey],
        progress: &Arc<dyn Progress>,
    ) -> Result<(Vec<Place>, Vec<ExtentId>, Option<[u8; 32]>), StoreError> {
        let root = &source.piece.extent;
        match root.kind {
            Kind::RootManifest => {}
            Kind::RootData => {
                return Ok((
                    vec![Place {
                        extent: root.id,
                        offset: 0,
                        len: root.shape.payload_len,
                    }],
                    Vec::new(),
                    None,
                ));
            }
            _ => return Ok((Vec::new(), vec![root.id], None)),
        }
        let (mut places, mut others, mut offset) = (Vec::new(), vec![root.id], 0);
        let manifest = self.manifest_of(source, progress).await?;
        let digest = manifest.digest;
        let mut stack = vec![manifest];
        while let Some(manifest) = stack.pop() {
            let mut below = Vec::new();
            for entry in &manifest.entries {
                if manifest.level == 0 {
                    places.push(Place {
                        extent: entry.extent,
                        offset,
                        len: entry.len,
                    });
                    offset += entry.len;
                    continue;
                }
                let survey = surveys.iter().find(|survey| survey.extent.id == entry.extent);
                let survey = survey.ok_or_else(|| StoreError::Inconsistent {
                    name: source.name.clone(),
                    what: format!(
                        "its manifest names extent {}, which the catalog does not know",
                        entry.extent
                    ),
                })?;
                others.push(entry.extent);
                let piece = Piece {
                    extent: survey.extent.clone(),
                    fragments: survey.fragments.clone(),
                    ..source.piece.clone()
                };
                below.push(
                    self.manifest_of(
                        &Source {
                            piece,
                            ..source.clone()
                        },
                        progress,
                    )
                    .await?,
                );
            }
            stack.extend(below.into_iter().rev());
        }
        Ok((places, others, Some(digest)))
    }

    async fn manifest_of(&self, source: &Source, progress: &Arc<dyn Progress>) -> Result<Manifest, StoreError> {
        let len = source.piece.extent.shape.payload_len;
        let (bytes, _) = self.fetch(source, 0..len, progress).await?;
        Manifest::decode(&bytes).map_err(|error| StoreError::Inconsistent {
            name: source.name.clone(),
            what: error.to_string(),
        })
    }
}

pub(super) fn source_of(open: &OpenGeneration, survey: &Survey) -> Source {
    let piece = Piece {
        offset: 0,
        len: 0,
        extent: survey.extent.clone(),
        fragments: survey.fragments.clone(),
    };
    Source {
        name: open.name.clone(),
        policy: open.policy.clone(),
        prefer: None,
        ordinal: 0,
        piece,
        avoid: Arc::default(),
        adopting: Some(Arc::new(open.clone())),
    }
}

fn version_of(open: &OpenGeneration, root: &Extent, owner: &Owner, digest: [u8; 32]) -> Version {
    Version {
        name: open.name.clone(),
        generation: open.generation,
        kind: root.kind,
        root: root.id,
        len: owner.object_len.unwrap_or(0),
        modified: owner.modified.unwrap_or(0),
        policy: open.policy.clone(),
        digest,
    }
}
