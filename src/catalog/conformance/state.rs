//! The state of the model and what each verb does to it.

use std::collections::{BTreeMap, BTreeSet};

use crate::catalog::CatalogError;
use crate::catalog::record::{
    Census, Commit, Committed, Condition, Doomed, EpochRow, Extent, Fragment, FragmentState, Health, Intent, Member,
    OpenGeneration, Piece, Pin, Usage, Version,
};
use crate::fragment::id::{ExtentId, Generation, Kind, ProviderId, WriterId};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Open,
    OwesVoid,
    Settled,
    Issued,
}

#[derive(Clone, Debug)]
pub(super) struct Begun {
    pub(super) name: String,
    policy: String,
    condition: Condition,
    pub(super) stage: Stage,
    root: Option<ExtentId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    /// Intended or held.
    Lives,
    /// No version held it, none will.
    NeverHeld,
    /// The last version that held it went at this time.
    HeldUntil(i64),
}

#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) extent: Extent,
    /// Its turn among all that were intended.
    pub(super) turn: usize,
    pub(super) life: Life,
}

#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) fragment: Fragment,
    pub(super) due: Option<i64>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct State {
    pub(super) epochs: BTreeMap<(u64, WriterId), EpochRow>,
    pub(super) begun: BTreeMap<Generation, Begun>,
    pub(super) heads: BTreeMap<String, Commit>,
    voids: BTreeSet<ExtentId>,
    pub(super) extents: BTreeMap<ExtentId, Known>,
    pub(super) fragments: BTreeMap<(ExtentId, u16, u64), Row>,
    pub(super) members: (u64, Vec<Member>),
    pub(super) probes: BTreeMap<ProviderId, String>,
    pub(super) pins: BTreeMap<[u8; 16], Pin>,
    pub(super) turns: usize,
    /// What a rebuild could not tell.
    pub(super) awaited: BTreeMap<Generation, String>,
    /// What was committed short of n, since when, and for which object.
    pub(super) debts: BTreeMap<ExtentId, (i64, String)>,
}

pub(super) fn bare(stage: Stage) -> Begun {
    Begun {
        name: String::new(),
        policy: String::new(),
        condition: Condition::Any,
        stage,
        root: None,
    }
}

pub(super) fn rule<T>() -> Result<T, CatalogError> {
    Err(CatalogError::Rule(String::new()))
}

pub(super) fn named(commit: &Commit) -> Vec<ExtentId> {
    let places = commit.places.iter().map(|place| place.extent);
    commit.others.iter().copied().chain(places).collect()
}

/// Refuses places with gaps, and a version that doesn't name its root.
pub(super) fn fits(commit: &Commit) -> Result<(), CatalogError> {
    let mut end = 0;
    for place in &commit.places {
        if place.offset != end {
            return rule();
        }
        end += place.len;
    }
    if end != commit.version.len || !named(commit).contains(&commit.version.root) {
        return rule();
    }
    Ok(())
}

impl State {
    pub(super) fn is_held(&self, id: ExtentId) -> bool {
        self.voids.contains(&id) || self.heads.values().any(|head| named(head).contains(&id))
    }

    fn is_head(&self, generation: Generation) -> bool {
        self.heads.values().any(|head| head.version.generation == generation)
    }

    pub(super) fn intended(&self, generation: Generation) -> Vec<ExtentId> {
        let of_it = self
            .extents
            .values()
            .filter(|known| known.extent.generation == generation);
        let waiting = of_it.filter(|known| known.life == Life::Lives && !self.is_held(known.extent.id));
        waiting
            .filter(|known| known.extent.kind != Kind::Void)
            .map(|known| known.extent.id)
            .collect()
    }

    fn rows_of(&self, id: ExtentId) -> Vec<&Row> {
        self.fragments
            .values()
            .filter(|row| row.fragment.extent == id)
            .collect()
    }

    pub(super) fn live(&self, id: ExtentId) -> Vec<Fragment> {
        let rows = self.rows_of(id).into_iter().filter(|row| row.due.is_none());
        rows.map(|row| row.fragment).collect()
    }

    pub(super) fn row(&mut self, fragment: &Fragment) -> Option<&mut Row> {
        self.fragments
            .get_mut(&(fragment.extent, fragment.index, fragment.copy))
    }

    fn retire(&mut self, id: ExtentId, life: Life, due: i64) {
        for row in self.fragments.values_mut().filter(|row| row.fragment.extent == id) {
            row.due = row.due.or(Some(due));
        }
        self.extents.get_mut(&id).unwrap().life = life;
        self.forget_empty();
    }

    fn retire_intended(&mut self, generation: Generation, due: i64) {
        for id in self.intended(generation) {
            self.retire(id, Life::NeverHeld, due);
        }
    }

    fn forget_empty(&mut self) {
        let with_rows: BTreeSet<ExtentId> = self.fragments.values().map(|row| row.fragment.extent).collect();
        let owing = self.begun.values().filter(|begun| begun.stage == Stage::OwesVoid);
        let roots: BTreeSet<ExtentId> = owing.filter_map(|begun| begun.root).collect();
        self.extents
            .retain(|id, known| known.life == Life::Lives || with_rows.contains(id) || roots.contains(id));
    }

    fn newest(&self) -> Option<EpochRow> {
        self.epochs.values().next_back().copied()
    }

    pub(super) fn claim(&mut self, epoch: u64, writer: WriterId) -> Result<(), CatalogError> {
        if let Some(newest) = self.newest().filter(|newest| newest.epoch >= epoch) {
            return Err(CatalogError::Epoch {
                wanted: epoch,
                found: newest.epoch,
            });
        }
        self.begun.retain(|_, begun| begun.stage != Stage::Settled);
        let row = EpochRow {
            epoch,
            writer,
            last_sequence: 0,
        };
        self.epochs.insert((epoch, writer), row);
        Ok(())
    }

    fn begin(&mut self, intent: &Intent) -> Result<(), CatalogError> {
        let generation = intent.extent.generation;
        if self.awaited.contains_key(&generation) {
            return Err(CatalogError::Closed(generation));
        }
        match self.begun.get(&generation) {
            Some(begun) if begun.stage == Stage::Issued => {}
            Some(begun) if begun.stage != Stage::Open => return Err(CatalogError::Closed(generation)),
            Some(begun) if begun.name != intent.name => return rule(),
            Some(_) => return Ok(()),
            None => {}
        }
        match self.newest() {
            Some(newest) if newest.epoch > generation.epoch => return Err(CatalogError::Closed(generation)),
            Some(newest) if newest.epoch == generation.epoch && newest.writer == generation.writer => {
                if self.is_head(generation) {
                    return Err(CatalogError::Closed(generation));
                }
            }
            _ => return rule(),
        }
        self.raise(generation);
        let begun = Begun {
            name: intent.name.clone(),
            policy: intent.policy.clone(),
            condition: intent.condition,
            stage: Stage::Open,
            root: None,
        };
        self.begun.insert(generation, begun);
        Ok(())
    }

    pub(super) fn intend(&mut self, intent: &Intent) -> Result<(), CatalogError> {
        let extent = &intent.extent;
        if extent.kind == Kind::Void {
            match self.begun.get(&extent.generation) {
                Some(begun) if begun.stage == Stage::OwesVoid => {}
                _ => return rule(),
            }
        } else {
            self.begin(intent)?;
        }
        if extent.kind.is_root() {
            let root = &mut self.begun.get_mut(&extent.generation).unwrap().root;
            if root.is_some_and(|root| root != extent.id) {
                return rule();
            }
            *root = Some(extent.id);
        }
        match self.extents.get(&extent.id) {
            Some(known) if known.extent != *extent || known.life != Life::Lives || self.is_held(extent.id) => {
                return rule();
            }
            Some(_) => {}
            None => {
                let known = Known {
                    extent: extent.clone(),
                    turn: self.turns,
                    life: Life::Lives,
                };
                self.turns += 1;
                self.extents.insert(extent.id, known);
            }
        }
        intent.fragments.iter().try_for_each(|fragment| self.add(fragment))
    }

    pub(super) fn add(&mut self, fragment: &Fragment) -> Result<(), CatalogError> {
        let row = Row {
            fragment: *fragment,
            due: None,
        };
        let key = (fragment.extent, fragment.index, fragment.copy);
        let n = self.extents[&fragment.extent].extent.shape.n;
        if fragment.index >= n || self.fragments.insert(key, row).is_some() {
            return rule();
        }
        Ok(())
    }

    pub(super) fn commit(&mut self, commit: &Commit) -> Result<Committed, CatalogError> {
        let version = &commit.version;
        match self.begun.get(&version.generation) {
            Some(begun) if begun.stage == Stage::Open && begun.name == version.name => {}
            Some(begun) if begun.stage == Stage::Open => return rule(),
            _ => return Ok(Committed::Closed),
        }
        fits(commit)?;
        let head = self.heads.get(&version.name).map(|head| head.version.clone());
        let found = head.as_ref().map(|head| head.generation);
        if let Some(newer) = found.filter(|found| *found >= version.generation) {
            if commit.condition != Condition::Any {
                return Ok(Committed::Refused(found));
            }
            self.note(&commit.fragments);
            self.retire_intended(version.generation, commit.doom_at);
            self.begun.remove(&version.generation);
            return Ok(Committed::Overtaken(newer));
        }
        let holds = match commit.condition {
            Condition::Any => true,
            Condition::Absent => head.is_none_or(|head| head.kind == Kind::Tombstone),
            Condition::Is(wanted) => found == Some(wanted),
        };
        if !holds {
            return Ok(Committed::Refused(found));
        }
        let intended = self.intended(version.generation);
        // In the order in which the port's commit lists them: data first.
        let places = commit.places.iter().map(|place| place.extent);
        for id in places.chain(commit.others.iter().copied()) {
            if !self.is_held(id) && !intended.contains(&id) {
                return Ok(Committed::Lost(id));
            }
        }
        self.replace_head(commit, found)
    }

    pub(super) fn replace_head(
        &mut self,
        commit: &Commit,
        found: Option<Generation>,
    ) -> Result<Committed, CatalogError> {
        for (id, digest) in &commit.digests {
            if named(commit).contains(id) {
                let fixed = self.is_held(*id);
                let known = &mut self.extents.get_mut(id).unwrap().extent.digest;
                if fixed && known != digest {
                    return rule();
                }
                *known = *digest;
            }
        }
        self.note(&commit.fragments);
        let old = self.heads.insert(commit.version.name.clone(), commit.clone());
        for id in old.as_ref().map_or(Vec::new(), named) {
            if !self.is_held(id) && self.extents.get(&id).is_some_and(|known| known.life == Life::Lives) {
                self.retire(id, Life::HeldUntil(commit.now), commit.doom_at);
            }
        }
        self.owe(commit, &old.map_or(Vec::new(), |old| named(&old)));
        self.retire_intended(commit.version.generation, commit.doom_at);
        self.begun.remove(&commit.version.generation);
        self.review();
        Ok(Committed::Now(found))
    }

    pub(super) fn note(&mut self, fragments: &[Fragment]) {
        for fragment in fragments {
            if let Some(row) = self.row(fragment) {
                row.fragment.state = fragment.state;
            }
        }
        self.review();
    }

    pub(super) fn close(&mut self, generation: Generation, doom_at: i64) -> Result<(), CatalogError> {
        let is_head = self.is_head(generation);
        if self.awaited.contains_key(&generation) {
            return Ok(());
        }
        match self.begun.get_mut(&generation) {
            Some(begun) if begun.stage == Stage::Open => {
                begun.stage = begun.root.map_or(Stage::Settled, |_| Stage::OwesVoid);
                self.retire_intended(generation, doom_at);
            }
            Some(begun) if begun.stage == Stage::Issued => begun.stage = Stage::Settled,
            Some(_) => {}
            None if is_head => return rule(),
            None => {
                let newest = self.newest();
                if newest.is_some_and(|it| it.epoch == generation.epoch && it.writer == generation.writer) {
                    self.raise(generation);
                    self.begun.insert(generation, bare(Stage::Settled));
                }
            }
        }
        Ok(())
    }

    pub(super) fn settle(
        &mut self,
        generation: Generation,
        void: ExtentId,
        fragments: &[Fragment],
    ) -> Result<(), CatalogError> {
        match self.begun.get_mut(&generation) {
            Some(begun) if begun.stage == Stage::OwesVoid => begun.stage = Stage::Settled,
            _ => return rule(),
        }
        let voids: Vec<ExtentId> = self.voids_of(generation);
        if !voids.contains(&void) {
            return rule();
        }
        self.voids.insert(void);
        for other in voids.into_iter().filter(|other| *other != void) {
            self.retire(other, Life::NeverHeld, i64::MIN);
        }
        self.note(fragments);
        self.forget_empty();
        Ok(())
    }

    fn voids_of(&self, generation: Generation) -> Vec<ExtentId> {
        let of_it = self
            .extents
            .values()
            .filter(|known| known.extent.generation == generation);
        let mut voids: Vec<&Known> = of_it.filter(|known| known.extent.kind == Kind::Void).collect();
        voids.sort_by_key(|known| known.turn);
        voids.into_iter().map(|known| known.extent.id).collect()
    }

    pub(super) fn finish_move(&mut self, fragment: &Fragment, doom_at: i64) -> Result<(), CatalogError> {
        let retired = Err(CatalogError::Retired(fragment.extent));
        let held = self.is_held(fragment.extent);
        match self.extents.get(&fragment.extent) {
            Some(known) if !held && known.life == Life::Lives => return rule(),
            Some(_) => {}
            None => return retired,
        }
        let Some(row) = self.row(fragment) else {
            return rule();
        };
        row.fragment.state = FragmentState::Sound;
        if !held {
            row.due = Some(i64::MIN);
            return retired;
        }
        if row.due.is_some() {
            return Ok(());
        }
        let copies = self.fragments.values_mut().filter(|row| {
            (row.fragment.extent, row.fragment.index) == (fragment.extent, fragment.index)
                && row.fragment.copy != fragment.copy
        });
        for other in copies {
            other.due = other.due.or(Some(doom_at));
        }
        self.review();
        Ok(())
    }

    pub(super) fn deleted(&mut self, fragments: &[Fragment]) {
        for fragment in fragments {
            if self.row(fragment).is_some_and(|row| row.due.is_some()) {
                self.fragments.remove(&(fragment.extent, fragment.index, fragment.copy));
            }
        }
        self.forget_empty();
    }

    pub(super) fn doomed(&self, now: i64, limit: usize) -> Vec<Doomed> {
        let first_pin = self
            .pins
            .values()
            .filter(|pin| pin.expires > now)
            .map(|pin| pin.begun)
            .min();
        let mut due: Vec<(i64, Doomed)> = Vec::new();
        for row in self.fragments.values() {
            let known = &self.extents[&row.fragment.extent];
            let pinned = match (known.life, first_pin) {
                (Life::HeldUntil(retired), Some(begun)) => retired >= begun,
                _ => false,
            };
            if let Some(at) = row.due.filter(|at| *at <= now && !pinned) {
                let doomed = Doomed {
                    extent: known.extent.clone(),
                    fragment: row.fragment,
                };
                due.push((at, doomed));
            }
        }
        due.sort_by_key(|(at, _)| *at);
        due.into_iter().map(|(_, doomed)| doomed).take(limit).collect()
    }

    pub(super) fn pieces(&self, name: &str) -> Vec<Piece> {
        let Some(head) = self.heads.get(name) else {
            return Vec::new();
        };
        let piece = |id: ExtentId, offset, len| Piece {
            offset,
            len,
            extent: self.extents[&id].extent.clone(),
            fragments: self.live(id),
        };
        let others = head.others.iter().map(|id| piece(*id, 0, 0));
        let places = head
            .places
            .iter()
            .map(|place| piece(place.extent, place.offset, place.len));
        others.chain(places).collect()
    }

    fn health(&self, name: &str, away: &[ProviderId]) -> (Health, u16) {
        let mut worst = (Health::Whole, u16::MAX);
        for id in named(&self.heads[name]) {
            let extent = &self.extents[&id].extent;
            let live = self.live(id).into_iter();
            let sound = live.filter(|it| it.state == FragmentState::Sound && !away.contains(&it.provider));
            let indices: BTreeSet<u16> = sound.map(|fragment| fragment.index).collect();
            let have = u16::try_from(indices.len()).unwrap();
            let health = match have {
                have if have < extent.shape.k => Health::Lost,
                have if have < extent.quorum => Health::AtRisk,
                have if have < extent.shape.n => Health::Degraded,
                _ => Health::Whole,
            };
            worst = (worst.0.min(health), worst.1.min(have.saturating_sub(extent.shape.k)));
        }
        worst
    }

    pub(super) fn objects(&self) -> Vec<&Version> {
        let versions = self.heads.values().map(|head| &head.version);
        versions.filter(|version| version.kind != Kind::Tombstone).collect()
    }

    pub(super) fn census(&self, away: &[ProviderId]) -> Census {
        let mut census = Census {
            bytes: self.objects().iter().map(|version| version.len).sum(),
            doomed: self.fragments.values().filter(|row| row.due.is_some()).count() as u64,
            open: self
                .begun
                .values()
                .filter(|begun| matches!(begun.stage, Stage::Open | Stage::OwesVoid))
                .count() as u64,
            removals: (self.heads.len() - self.objects().len()) as u64,
            debts: self.debts.len() as u64,
            oldest_debt: self.debts.values().map(|(since, _)| *since).min(),
            ..Census::default()
        };
        for version in self.objects() {
            let (health, margin) = self.health(&version.name, away);
            *match health {
                Health::Whole => &mut census.whole,
                Health::Degraded => &mut census.degraded,
                Health::AtRisk => &mut census.at_risk,
                Health::Lost => &mut census.lost,
            } += 1;
            census.margin = Some(census.margin.map_or(margin, |least| least.min(margin)));
        }
        census
    }

    pub(super) fn ailing(&self, away: &[ProviderId], limit: usize) -> Vec<(String, Health)> {
        let all = self.objects().into_iter();
        let mut all: Vec<(Health, String)> = all.map(|it| (self.health(&it.name, away).0, it.name.clone())).collect();
        all.retain(|(health, _)| *health != Health::Whole);
        all.sort();
        all.into_iter()
            .map(|(health, name)| (name, health))
            .take(limit)
            .collect()
    }

    pub(super) fn usage(&self) -> Vec<Usage> {
        let mut usage: BTreeMap<ProviderId, Usage> = BTreeMap::new();
        for row in self.fragments.values() {
            let provider = row.fragment.provider;
            let entry = usage.entry(provider).or_insert(Usage {
                provider,
                fragments: 0,
                bytes: 0,
                doomed: 0,
                doomed_bytes: 0,
            });
            let extent = &self.extents[&row.fragment.extent].extent;
            let len = extent.shape.fragment_len(extent.header_len);
            if row.due.is_some() {
                entry.doomed += 1;
                entry.doomed_bytes += len;
            } else if self.is_held(row.fragment.extent) && row.fragment.state != FragmentState::Missing {
                entry.fragments += 1;
                entry.bytes += len;
            }
        }
        usage.into_values().collect()
    }

    pub(super) fn open(&self) -> Vec<OpenGeneration> {
        let mut found = Vec::new();
        let begun = self.begun.iter();
        for (generation, begun) in begun.filter(|(_, it)| matches!(it.stage, Stage::Open | Stage::OwesVoid)) {
            let of_it = self
                .extents
                .values()
                .filter(|known| known.extent.generation == *generation);
            let unheld = of_it.filter(|known| !self.is_held(known.extent.id));
            let mut extents: Vec<&Known> = unheld.filter(|known| known.extent.kind != Kind::Void).collect();
            extents.sort_by_key(|known| known.turn);
            found.push(OpenGeneration {
                generation: *generation,
                name: begun.name.clone(),
                policy: begun.policy.clone(),
                condition: begun.condition,
                closed: begun.stage == Stage::OwesVoid,
                root: begun.root,
                extents: extents.into_iter().map(|known| known.extent.id).collect(),
                voids: self.voids_of(*generation),
            });
        }
        found
    }
}
