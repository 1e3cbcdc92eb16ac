//! What is owed and what may still come, in the model.

use std::collections::BTreeSet;

use super::state::{Stage, State, bare, named};
use crate::catalog::record::{Commit, Debt, FragmentState};
use crate::fragment::id::{ExtentId, Generation};

impl State {
    pub(super) fn raise(&mut self, generation: Generation) {
        let epoch = self.epochs.get_mut(&(generation.epoch, generation.writer)).unwrap();
        for sequence in epoch.last_sequence + 1..generation.sequence {
            let overtaken = Generation { sequence, ..generation };
            if !self.awaited.contains_key(&overtaken) {
                self.begun.entry(overtaken).or_insert(bare(Stage::Issued));
            }
        }
        epoch.last_sequence = epoch.last_sequence.max(generation.sequence);
    }

    fn is_whole(&self, id: ExtentId) -> bool {
        let live = self.live(id).into_iter();
        let sound = live.filter(|it| it.state == FragmentState::Sound);
        let indices: BTreeSet<u16> = sound.map(|fragment| fragment.index).collect();
        indices.len() == usize::from(self.extents[&id].extent.shape.n)
    }

    /// Forgets the debts that are paid, and those of nobody.
    pub(super) fn review(&mut self) {
        let mut debts = std::mem::take(&mut self.debts);
        debts.retain(|id, _| self.is_held(*id) && !self.is_whole(*id));
        self.debts = debts;
    }

    pub(super) fn debts(&self, limit: usize) -> Vec<Debt> {
        let debt = |(id, (since, name)): (&ExtentId, &(i64, String))| Debt {
            name: name.clone(),
            extent: *id,
            since: *since,
        };
        let mut debts: Vec<Debt> = self.debts.iter().map(debt).collect();
        debts.sort_by_key(|debt| (debt.since, debt.extent));
        debts.truncate(limit);
        debts
    }

    pub(super) fn issued(&self) -> Vec<Generation> {
        let issued = self.begun.iter().filter(|(_, begun)| begun.stage == Stage::Issued);
        issued.map(|(generation, _)| *generation).collect()
    }

    /// True if nothing can be committed under it any more.
    pub(super) fn is_closed(&self, generation: Generation) -> bool {
        let begun = self.begun.get(&generation);
        begun.is_some_and(|begun| matches!(begun.stage, Stage::OwesVoid | Stage::Settled))
    }

    /// What was issued is judged by a rebuild.
    pub(super) fn forget_issued(&mut self) {
        self.begun.retain(|_, begun| begun.stage != Stage::Issued);
    }

    /// What a new head names beside `kept` and is not whole is owed.
    pub(super) fn owe(&mut self, commit: &Commit, kept: &[ExtentId]) {
        for id in named(commit).into_iter().filter(|id| !kept.contains(id)) {
            if !self.is_whole(id) {
                let owed = (commit.now, commit.version.name.clone());
                self.debts.entry(id).or_insert(owed);
            }
        }
    }
}
