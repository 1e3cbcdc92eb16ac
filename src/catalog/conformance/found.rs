//! What a rebuild found, in the model.

use super::state::{Known, Life, Stage, State, fits, named, rule};
use crate::catalog::record::{Commit, Condition, EpochRow, Extent, Found, Fragment, Waiting};
use crate::catalog::{CatalogError, FOUND_GRACE};

impl State {
    pub(super) fn adopt(&mut self, all: &[Found], now: i64) -> Result<(), CatalogError> {
        all.iter().try_for_each(|found| self.adopt_one(found, now))
    }

    fn adopt_one(&mut self, found: &Found, now: i64) -> Result<(), CatalogError> {
        let version = &found.version;
        let head = self.heads.get(&version.name).map(|head| head.version.generation);
        if head.is_some_and(|head| head >= version.generation) {
            return Ok(());
        }
        if self.is_closed(version.generation) {
            return Ok(());
        }
        for (extent, fragments) in &found.extents {
            self.find(extent, fragments)?;
        }
        let commit = Commit {
            version: version.clone(),
            condition: Condition::Any,
            places: found.places.clone(),
            others: found.others.clone(),
            digests: Vec::new(),
            fragments: Vec::new(),
            now,
            doom_at: now.saturating_add(FOUND_GRACE),
        };
        fits(&commit)?;
        let mine = |id| found.extents.iter().any(|(extent, _)| extent.id == id);
        if !named(&commit).into_iter().all(mine) {
            return rule();
        }
        self.awaited.remove(&version.generation);
        self.replace_head(&commit, head).map(|_| ())
    }

    fn find(&mut self, extent: &Extent, fragments: &[Fragment]) -> Result<(), CatalogError> {
        let held = self.is_held(extent.id);
        let turn = self.turns;
        let known = self.extents.entry(extent.id).or_insert_with(|| Known {
            extent: extent.clone(),
            turn,
            life: Life::Lives,
        });
        self.turns += 1;
        if !held && known.extent.digest == [0; 32] {
            known.extent.digest = extent.digest;
        }
        if known.extent != *extent {
            return rule();
        }
        let revived = std::mem::replace(&mut known.life, Life::Lives) != Life::Lives;
        if revived {
            for row in self
                .fragments
                .values_mut()
                .filter(|row| row.fragment.extent == extent.id)
            {
                row.due = None;
            }
        }
        for fragment in fragments {
            if self.row(fragment).is_none() {
                self.add(fragment)?;
            }
        }
        self.review();
        Ok(())
    }

    pub(super) fn await_providers(&mut self, waiting: Vec<Waiting>) {
        self.forget_issued();
        self.awaited.clear();
        for Waiting { generation, name } in waiting {
            let name = match self.begun.get(&generation) {
                None => name,
                Some(begun) if begun.stage == Stage::Open => begun.name.clone(),
                Some(_) => continue,
            };
            for extent in self.intended(generation) {
                self.extents.remove(&extent);
                self.fragments.retain(|_, row| row.fragment.extent != extent);
            }
            self.begun.remove(&generation);
            self.awaited.entry(generation).or_insert(name);
        }
    }

    pub(super) fn awaited(&self) -> Vec<Waiting> {
        let below = |name: &str, generation| {
            let head = self.heads.get(name);
            head.is_none_or(|head| head.version.generation < generation)
        };
        let waiting = self
            .awaited
            .iter()
            .filter(|(generation, name)| below(name, **generation));
        waiting
            .map(|(generation, name)| Waiting {
                name: name.clone(),
                generation: *generation,
            })
            .collect()
    }

    pub(super) fn learn_epochs(&mut self, epochs: &[EpochRow]) {
        for row in epochs {
            let known = self.epochs.entry((row.epoch, row.writer)).or_insert(*row);
            known.last_sequence = known.last_sequence.max(row.last_sequence);
        }
    }
}
