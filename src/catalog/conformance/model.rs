//! The catalog as one reads it in the port's page: maps, and answers worked out anew each time. Nothing is counted, nothing is quick.

use std::sync::Mutex;

use futures::future;

use super::state::{State, rule};
use crate::catalog::record::{
    Census, Commit, Committed, Debt, Doomed, EpochRow, Extent, Found, Fragment, Health, Intent, Member, OpenGeneration,
    Piece, Pin, Usage, Version, Waiting,
};
use crate::catalog::{Answer, Catalog, CatalogError};
use crate::fragment::id::{ExtentId, Generation, ProviderId, WriterId};

/// The reference that every other catalog is held against.
#[derive(Debug, Default)]
pub(in crate::catalog) struct Model(Mutex<State>);

impl Model {
    /// Runs a verb; one that is refused leaves nothing behind.
    fn all_or_nothing<T: Send + 'static>(
        &self,
        verb: impl FnOnce(&mut State) -> Result<T, CatalogError>,
    ) -> Answer<'_, T> {
        let mut state = self.0.lock().unwrap();
        let mut changed = state.clone();
        let answer = verb(&mut changed);
        // The one refusal that dooms what it refuses.
        if answer.is_ok() || matches!(answer, Err(CatalogError::Retired(_))) {
            *state = changed;
        }
        Box::pin(future::ready(answer))
    }

    fn does<T: Send + 'static>(&self, verb: impl FnOnce(&mut State) -> T) -> Answer<'_, T> {
        let answer = verb(&mut self.0.lock().unwrap());
        Box::pin(future::ready(Ok(answer)))
    }
}

impl Catalog for Model {
    fn claim_epoch(&self, epoch: u64, writer: WriterId) -> Answer<'_, ()> {
        self.all_or_nothing(|state| state.claim(epoch, writer))
    }

    fn intend(&self, intent: Intent) -> Answer<'_, ()> {
        self.all_or_nothing(|state| state.intend(&intent))
    }

    fn commit(&self, commit: Commit) -> Answer<'_, Committed> {
        self.all_or_nothing(|state| state.commit(&commit))
    }

    fn close(&self, generation: Generation, doom_at: i64) -> Answer<'_, ()> {
        self.all_or_nothing(|state| state.close(generation, doom_at))
    }

    fn settle_void(&self, generation: Generation, void: ExtentId, fragments: Vec<Fragment>) -> Answer<'_, ()> {
        self.all_or_nothing(|state| state.settle(generation, void, &fragments))
    }

    fn mark(&self, fragments: Vec<Fragment>) -> Answer<'_, ()> {
        self.does(|state| state.note(&fragments))
    }

    fn begin_move(&self, fragment: Fragment) -> Answer<'_, ()> {
        self.all_or_nothing(|state| {
            if state.is_held(fragment.extent) {
                state.add(&fragment)
            } else {
                Err(CatalogError::Retired(fragment.extent))
            }
        })
    }

    fn finish_move(&self, fragment: Fragment, doom_at: i64) -> Answer<'_, ()> {
        self.all_or_nothing(|state| state.finish_move(&fragment, doom_at))
    }

    fn adopt(&self, found: Vec<Found>, now: i64) -> Answer<'_, ()> {
        self.all_or_nothing(|state| state.adopt(&found, now))
    }

    fn await_providers(&self, waiting: Vec<Waiting>) -> Answer<'_, ()> {
        self.does(|state| state.await_providers(waiting))
    }

    fn learn_epochs(&self, epochs: Vec<EpochRow>) -> Answer<'_, ()> {
        self.does(|state| state.learn_epochs(&epochs))
    }

    fn awaited(&self) -> Answer<'_, Vec<Waiting>> {
        self.does(|state| state.awaited())
    }

    fn doomed(&self, now: i64, limit: usize) -> Answer<'_, Vec<Doomed>> {
        self.does(|state| state.doomed(now, limit))
    }

    fn deleted(&self, fragments: Vec<Fragment>) -> Answer<'_, ()> {
        self.does(|state| state.deleted(&fragments))
    }

    fn postpone(&self, fragments: Vec<Fragment>, again_at: i64) -> Answer<'_, ()> {
        self.does(|state| {
            for fragment in &fragments {
                if let Some(row) = state.row(fragment) {
                    row.due = row.due.map(|_| again_at);
                }
            }
        })
    }

    fn set_members(&self, version: u64, mut members: Vec<Member>) -> Answer<'_, ()> {
        members.sort_by(|a, b| (&a.name, a.id).cmp(&(&b.name, b.id)));
        self.all_or_nothing(|state| {
            if version < state.members.0 {
                return rule();
            }
            state.members = (version, members);
            Ok(())
        })
    }

    fn save_probe(&self, provider: ProviderId, probe: String) -> Answer<'_, ()> {
        self.does(|state| drop(state.probes.insert(provider, probe)))
    }

    fn pin(&self, pin: Pin) -> Answer<'_, ()> {
        self.does(|state| {
            state.pins.retain(|_, old| old.expires > pin.begun);
            let begun = state
                .pins
                .get(&pin.id)
                .map_or(pin.begun, |old| old.begun.min(pin.begun));
            state.pins.insert(pin.id, Pin { begun, ..pin });
        })
    }

    fn unpin(&self, id: [u8; 16]) -> Answer<'_, ()> {
        self.does(|state| state.pins.retain(|pin, _| *pin != id))
    }

    fn head(&self, name: &str) -> Answer<'_, Option<Version>> {
        self.does(|state| state.heads.get(name).map(|head| head.version.clone()))
    }

    fn versions(&self, prefix: &str, after: Option<&str>, limit: usize) -> Answer<'_, Vec<Version>> {
        self.does(|state| {
            let all = state.objects().into_iter().filter(|it| it.name.starts_with(prefix));
            let above = all.filter(|it| after.is_none_or(|after| it.name.as_str() > after));
            above.take(limit).cloned().collect()
        })
    }

    fn pieces(&self, name: &str, generation: Generation, from: u64, to: u64) -> Answer<'_, Vec<Piece>> {
        self.does(|state| {
            let head = state
                .heads
                .get(name)
                .filter(|head| head.version.generation == generation);
            let Some(head) = head else { return Vec::new() };
            let data = state.pieces(name).into_iter().skip(head.others.len());
            data.filter(|it| it.offset.max(from) < (it.offset + it.len).min(to))
                .collect()
        })
    }

    fn extents(&self, name: &str) -> Answer<'_, Vec<Piece>> {
        self.does(|state| state.pieces(name))
    }

    fn open_generations(&self) -> Answer<'_, Vec<OpenGeneration>> {
        self.does(|state| state.open())
    }

    fn issued(&self) -> Answer<'_, Vec<Generation>> {
        self.does(|state| state.issued())
    }

    fn debts(&self, limit: usize) -> Answer<'_, Vec<Debt>> {
        self.does(|state| state.debts(limit))
    }

    fn epochs(&self) -> Answer<'_, Vec<EpochRow>> {
        self.does(|state| state.epochs.values().copied().collect())
    }

    fn members(&self) -> Answer<'_, (u64, Vec<Member>)> {
        self.does(|state| state.members.clone())
    }

    fn probe(&self, provider: ProviderId) -> Answer<'_, Option<String>> {
        self.does(|state| state.probes.get(&provider).cloned())
    }

    fn census(&self, away: &[ProviderId]) -> Answer<'_, Census> {
        self.does(|state| state.census(away))
    }

    fn ailing(&self, away: &[ProviderId], limit: usize) -> Answer<'_, Vec<(String, Health)>> {
        self.does(|state| state.ailing(away, limit))
    }

    fn usage(&self) -> Answer<'_, Vec<Usage>> {
        self.does(|state| state.usage())
    }

    fn extents_on(&self, provider: ProviderId, after: Option<ExtentId>, limit: usize) -> Answer<'_, Vec<ExtentId>> {
        self.does(|state| {
            let above = state
                .extents
                .keys()
                .copied()
                .filter(|id| after.is_none_or(|after| *id > after));
            let held = above.filter(|id| state.is_held(*id));
            let there = held.filter(|id| state.live(*id).iter().any(|it| it.provider == provider));
            there.take(limit).collect()
        })
    }

    fn extent(&self, id: ExtentId) -> Answer<'_, Option<(Extent, Vec<Fragment>)>> {
        self.does(|state| {
            let known = state.extents.get(&id)?;
            Some((known.extent.clone(), state.live(id)))
        })
    }

    fn check(&self) -> Answer<'_, Vec<String>> {
        self.does(|_| Vec::new())
    }
}
