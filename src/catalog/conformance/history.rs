//! Histories from random numbers: each number means a verb that makes sense, or nearly, in the state that it meets.

use futures::FutureExt;
use proptest::prelude::*;

use super::model::Model;
use super::{EXTENTS, NAMES, PROVIDERS};
use crate::catalog::record::{
    Commit, Committed, Condition, Doomed, EpochRow, Found, Fragment, FragmentState, Intent, Member, MemberState, Pin,
    Place, Version, Waiting,
};
use crate::catalog::sample::{self, WRITER};
use crate::catalog::{Answer, Catalog, CatalogError};
use crate::fragment::id::{ExtentId, Generation, Kind, WriterId};

/// A verb to come, as numbers that mean something in any state.
pub(in crate::catalog) type Seed = (u8, [u8; 8]);

pub(in crate::catalog) fn seeds(len: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Seed>> {
    prop::collection::vec(any::<Seed>(), len)
}

/// A writing verb with all its arguments.
#[derive(Clone, Debug)]
pub(in crate::catalog) enum Call {
    Claim(u64, WriterId),
    Intend(Intent),
    Commit(Commit),
    Close(Generation, i64),
    SettleVoid(Generation, ExtentId, Vec<Fragment>),
    Mark(Vec<Fragment>),
    BeginMove(Fragment),
    FinishMove(Fragment, i64),
    Deleted(Vec<Fragment>),
    Postpone(Vec<Fragment>, i64),
    SetMembers(u64, Vec<Member>),
    SaveProbe(u8, String),
    Pin(Pin),
    Unpin([u8; 16]),
    Adopt(Vec<Found>, i64),
    Await(Vec<Waiting>),
    Learn(Vec<EpochRow>),
}

/// What a call answered, without the words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::catalog) enum Answered {
    Done,
    Committed(Committed),
    Refused(CatalogError),
}

pub(in crate::catalog) async fn apply(catalog: &dyn Catalog, call: Call) -> Answered {
    let answer = match call {
        Call::Commit(commit) => match catalog.commit(commit).await {
            Ok(committed) => return Answered::Committed(committed),
            Err(error) => Err(error),
        },
        Call::Claim(epoch, writer) => catalog.claim_epoch(epoch, writer).await,
        Call::Intend(intent) => catalog.intend(intent).await,
        Call::Close(generation, doom_at) => catalog.close(generation, doom_at).await,
        Call::SettleVoid(generation, void, fragments) => catalog.settle_void(generation, void, fragments).await,
        Call::Mark(fragments) => catalog.mark(fragments).await,
        Call::BeginMove(fragment) => catalog.begin_move(fragment).await,
        Call::FinishMove(fragment, doom_at) => catalog.finish_move(fragment, doom_at).await,
        Call::Deleted(fragments) => catalog.deleted(fragments).await,
        Call::Postpone(fragments, again_at) => catalog.postpone(fragments, again_at).await,
        Call::SetMembers(version, members) => catalog.set_members(version, members).await,
        Call::SaveProbe(provider, probe) => catalog.save_probe(sample::provider_id(provider), probe).await,
        Call::Pin(pin) => catalog.pin(pin).await,
        Call::Unpin(id) => catalog.unpin(id).await,
        Call::Adopt(found, now) => catalog.adopt(found, now).await,
        Call::Await(waiting) => catalog.await_providers(waiting).await,
        Call::Learn(epochs) => catalog.learn_epochs(epochs).await,
    };
    match answer {
        Ok(()) => Answered::Done,
        Err(CatalogError::Rule(_)) => Answered::Refused(CatalogError::Rule(String::new())),
        Err(error) => Answered::Refused(error),
    }
}

fn waiting(by: [u8; 8]) -> Vec<Waiting> {
    let one = |at: u8| Waiting {
        name: NAMES[usize::from(by[1].wrapping_add(at)) % NAMES.len()].to_owned(),
        generation: sample::generation(u64::from(by[2] % 5), u64::from(by[3] % 9) + u64::from(at)),
    };
    (0..by[0] % 3).map(one).collect()
}

/// Picks one of several by a number.
fn pick<T: Clone>(from: &[T], by: u8) -> Option<T> {
    from.get(usize::from(by) % from.len().max(1)).cloned()
}

/// What the model answers: it never waits.
fn now<T>(answer: Answer<'_, T>) -> T {
    answer.now_or_never().unwrap().unwrap()
}

/// What the next calls are made from: the model, and how many things were made so far.
#[derive(Default)]
pub(in crate::catalog) struct World {
    pub(in crate::catalog) model: Model,
    extents: u64,
    copies: u64,
    sequence: u64,
}

impl World {
    /// The calls that a seed means in this state.
    pub(in crate::catalog) fn calls(&mut self, (verb, by): Seed) -> Vec<Call> {
        let doom_at = 10 + i64::from(by[7] % 50);
        // A rebuild is rarer than the rest.
        let step = if verb < 230 { verb % 20 } else { 20 + verb % 4 };
        match step {
            0 => vec![Call::Claim(self.newest_epoch() + u64::from(by[0] % 3), WRITER)],
            1..=5 => self.put(by),
            6 | 7 => vec![Call::Intend(self.intent(by))],
            8 | 9 => vec![Call::Commit(self.commit(by))],
            10 => vec![Call::Close(self.generation(by), doom_at)],
            11 => self.void(by),
            12 => vec![Call::Mark(self.fragments(by))],
            13 => self.begin_move(by),
            14 => self.finish_move(by, doom_at),
            15 => vec![Call::Deleted(self.doomed(by))],
            16 => vec![Call::Postpone(self.doomed(by), doom_at)],
            17 => vec![
                Call::SetMembers(by[0].into(), members(by)),
                Call::SaveProbe(by[1] % PROVIDERS, format!("{{\"{}\"", by[2])),
            ],
            18 => vec![Call::Pin(Pin {
                id: [by[0] % 3; 16],
                begun: i64::from(by[1] % 40),
                expires: i64::from(by[2]),
            })],
            19 => vec![Call::Unpin([by[0] % 3; 16])],
            20 | 21 => self.found(by),
            22 => vec![Call::Await(waiting(by))],
            _ => vec![Call::Learn(vec![EpochRow {
                epoch: u64::from(by[0] % 4),
                writer: if by[1].is_multiple_of(2) {
                    WRITER
                } else {
                    WriterId([0; 16])
                },
                last_sequence: by[2].into(),
            }])],
        }
    }

    /// A whole version as a rebuild would find it, of an epoch that may be below or above what is known.
    fn found(&mut self, by: [u8; 8]) -> Vec<Call> {
        let epoch = (self.newest_epoch() + u64::from(by[5] % 3)).saturating_sub(1);
        let calls = self.put(by);
        let Some(Call::Commit(mut commit)) = calls.last().cloned() else {
            return calls;
        };
        commit.version.generation.epoch = epoch;
        let mut extents = Vec::new();
        for call in calls {
            if let Call::Intend(mut intent) = call {
                intent.extent.generation.epoch = epoch;
                let digest = commit.digests.iter().find(|(id, _)| *id == intent.extent.id);
                intent.extent.digest = digest.map_or(intent.extent.digest, |(_, digest)| *digest);
                extents.push((intent.extent, intent.fragments));
            }
        }
        let found = Found {
            version: commit.version,
            places: commit.places,
            others: commit.others,
            extents,
        };
        vec![Call::Adopt(vec![found], commit.now)]
    }

    fn newest_epoch(&self) -> u64 {
        let epochs = now(self.model.epochs());
        epochs.last().map_or(0, |row| row.epoch)
    }

    fn fresh(&mut self) -> Generation {
        self.sequence += 1;
        sample::generation(self.newest_epoch(), self.sequence)
    }

    /// Mostly one that is open, sometimes a new or an old one.
    fn generation(&mut self, by: [u8; 8]) -> Generation {
        let open = now(self.model.open_generations());
        match (by[0] % 8, pick(&open, by[1])) {
            (0, _) | (_, None) => self.fresh(),
            (1, _) => sample::generation(u64::from(by[1] % 4), u64::from(by[2]) % (self.sequence + 2)),
            (_, Some(open)) => open.generation,
        }
    }

    fn name_of(&self, generation: Generation, by: u8) -> String {
        let open = now(self.model.open_generations());
        let begun = open
            .into_iter()
            .find(|open| open.generation == generation && !by.is_multiple_of(8));
        begun.map_or_else(|| NAMES[usize::from(by) % NAMES.len()].to_owned(), |open| open.name)
    }

    fn new_intent(&mut self, name: &str, generation: Generation, kind: Kind, by: [u8; 8]) -> Intent {
        self.extents += 1;
        let payload_len = if kind == Kind::Tombstone || kind == Kind::Void {
            0
        } else {
            3_000
        };
        let extent = sample::extent(sample::extent_id(self.extents % EXTENTS), generation, kind, payload_len);
        let mut fragments = sample::fragments(extent.id, self.copies, by[3] % 3, FragmentState::Sent);
        self.copies += 4;
        fragments.truncate(4 - usize::from(by[4].is_multiple_of(4)));
        Intent {
            fragments,
            condition: condition(&self.model, name, by[5]),
            ..sample::intent(name, extent)
        }
    }

    fn intent(&mut self, by: [u8; 8]) -> Intent {
        let generation = self.generation(by);
        let name = self.name_of(generation, by[2]);
        let kinds = [
            Kind::Part,
            Kind::Part,
            Kind::RootData,
            Kind::RootManifest,
            Kind::Tombstone,
            Kind::Void,
        ];
        let mut intent = self.new_intent(&name, generation, kinds[usize::from(by[6]) % kinds.len()], by);
        match by[7] % 10 {
            0 => intent.extent.id = sample::extent_id(u64::from(by[6]) % EXTENTS),
            1 => intent.fragments.push(intent.fragments[0]),
            2 => intent.fragments[0].index = 4,
            _ => {}
        }
        for fragment in &mut intent.fragments {
            fragment.extent = intent.extent.id;
        }
        intent
    }

    /// A whole put or removal: intents, and the commit that follows from them.
    fn put(&mut self, by: [u8; 8]) -> Vec<Call> {
        let name = NAMES[usize::from(by[0]) % NAMES.len()];
        let generation = self.fresh();
        let parts = usize::from(by[1] % 4);
        let root_kind = [Kind::RootData, Kind::Tombstone, Kind::RootManifest, Kind::RootManifest][parts];
        let kept: Vec<Place> = if parts == 3 { self.places(name) } else { Vec::new() };
        let mut intents: Vec<Intent> = Vec::new();
        for _ in 0..parts.saturating_sub(1) {
            intents.push(self.new_intent(name, generation, Kind::Part, by));
        }
        let root = self.new_intent(name, generation, root_kind, by);
        let data: Vec<ExtentId> = match root_kind {
            Kind::RootData => vec![root.extent.id],
            _ => intents.iter().map(|intent| intent.extent.id).collect(),
        };
        let others = if root_kind == Kind::RootData {
            vec![]
        } else {
            vec![root.extent.id]
        };
        intents.push(root.clone());
        let mut fragments: Vec<Fragment> = intents.iter().flat_map(|intent| intent.fragments.clone()).collect();
        for (fragment, number) in fragments.iter_mut().zip(0_u8..) {
            let sound = number % 5 != by[6] % 8;
            fragment.state = if sound {
                FragmentState::Sound
            } else {
                FragmentState::Missing
            };
        }
        let mut places = kept;
        places.extend(data.iter().map(|extent| Place {
            extent: *extent,
            offset: 0,
            len: 3_000,
        }));
        let commit = Commit {
            digests: data.iter().map(|id| (*id, [by[0]; 32])).collect(),
            fragments,
            condition: root.condition,
            ..self.commit_of(name, generation, root_kind, root.extent.id, places, others, by)
        };
        let mut calls: Vec<Call> = intents.into_iter().map(Call::Intend).collect();
        calls.push(Call::Commit(commit));
        calls
    }

    fn places(&self, name: &str) -> Vec<Place> {
        let pieces = now(self.model.extents(name));
        let data = pieces.into_iter().filter(|piece| piece.len > 0);
        let place = |extent| Place {
            extent,
            offset: 0,
            len: 3_000,
        };
        data.map(|piece| place(piece.extent.id)).take(3).collect()
    }

    #[expect(clippy::too_many_arguments, reason = "each is one field of the commit")]
    fn commit_of(
        &self,
        name: &str,
        generation: Generation,
        kind: Kind,
        root: ExtentId,
        mut places: Vec<Place>,
        others: Vec<ExtentId>,
        by: [u8; 8],
    ) -> Commit {
        for (place, number) in places.iter_mut().zip(0..) {
            place.offset = number * 3_000;
        }
        let len = 3_000 * places.len() as u64;
        let sample = sample::commit(name, generation, root, len);
        Commit {
            version: Version { kind, ..sample.version },
            condition: condition(&self.model, name, by[5]),
            places,
            others,
            digests: Vec::new(),
            fragments: Vec::new(),
            now: i64::from(by[6] % 40),
            doom_at: 10 + i64::from(by[7] % 50),
        }
    }

    /// A commit of whatever was intended, with extents from anywhere.
    fn commit(&mut self, by: [u8; 8]) -> Commit {
        let generation = self.generation(by);
        let name = self.name_of(generation, by[2]);
        let open = now(self.model.open_generations());
        let own = open.into_iter().find(|open| open.generation == generation);
        let own = own.map_or(Vec::new(), |open| open.extents);
        let mut places = self.places(NAMES[usize::from(by[3]) % NAMES.len()]);
        places.truncate(usize::from(by[3] / 64));
        let any = sample::extent_id(u64::from(by[4]) % EXTENTS);
        let root = pick(&own, by[4]).filter(|_| !by[5].is_multiple_of(8)).unwrap_or(any);
        places.extend(own.iter().filter(|id| **id != root).map(|extent| Place {
            extent: *extent,
            offset: 0,
            len: 3_000,
        }));
        let mut commit = self.commit_of(&name, generation, Kind::RootManifest, root, places, vec![root], by);
        if by[6] == 7 {
            commit.version.len += 1;
        }
        commit
    }

    fn void(&mut self, by: [u8; 8]) -> Vec<Call> {
        let open = now(self.model.open_generations());
        let owing: Vec<_> = open.into_iter().filter(|open| open.closed).collect();
        let Some(owed) = pick(&owing, by[0]) else {
            return vec![Call::Close(self.generation(by), 30)];
        };
        match pick(&owed.voids, by[1]).filter(|_| by[2].is_multiple_of(2)) {
            Some(void) => vec![Call::SettleVoid(owed.generation, void, self.fragments(by))],
            None => vec![Call::Intend(self.new_intent(
                &owed.name,
                owed.generation,
                Kind::Void,
                by,
            ))],
        }
    }

    /// Some fragments, known or not, each in some state.
    fn fragments(&self, by: [u8; 8]) -> Vec<Fragment> {
        let mut all: Vec<Fragment> = (0..EXTENTS).flat_map(|number| self.of_extent(number)).collect();
        let all_len = all.len().max(1);
        all.rotate_left(usize::from(by[1]) * 3 % all_len);
        all.truncate(1 + usize::from(by[2] % 6));
        let states = [
            FragmentState::Sound,
            FragmentState::Damaged,
            FragmentState::Missing,
            FragmentState::Sent,
        ];
        for (fragment, number) in all.iter_mut().zip(0_u8..) {
            fragment.state = states[usize::from(by[3].wrapping_add(number)) % 4];
            fragment.copy += u64::from(by[4] % 16 == number);
        }
        all
    }

    fn of_extent(&self, number: u64) -> Vec<Fragment> {
        let known = now(self.model.extent(sample::extent_id(number)));
        known.map_or(Vec::new(), |(_, fragments)| fragments)
    }

    fn begin_move(&mut self, by: [u8; 8]) -> Vec<Call> {
        self.copies += 1;
        let moved = self.fragments(by).into_iter().take(1);
        let copy = self.copies;
        moved
            .map(|fragment| {
                Call::BeginMove(Fragment {
                    copy,
                    provider: sample::provider_id(by[5] % PROVIDERS),
                    state: FragmentState::Sent,
                    ..fragment
                })
            })
            .collect()
    }

    /// Mostly one that may have been begun: a fragment in state sent, or one that is doomed already.
    fn finish_move(&self, by: [u8; 8], doom_at: i64) -> Vec<Call> {
        let all: Vec<Fragment> = (0..EXTENTS).flat_map(|number| self.of_extent(number)).collect();
        let sent: Vec<Fragment> = all.into_iter().filter(|it| it.state == FragmentState::Sent).collect();
        let from = match by[0] % 4 {
            0 => self.fragments(by),
            1 => self.doomed(by),
            _ => sent,
        };
        pick(&from, by[1])
            .map(|fragment| Call::FinishMove(fragment, doom_at))
            .into_iter()
            .collect()
    }

    fn doomed(&self, by: [u8; 8]) -> Vec<Fragment> {
        let doomed: Vec<Doomed> = now(self.model.doomed(1_000, 1_000));
        let mut found: Vec<Fragment> = doomed.into_iter().map(|doomed| doomed.fragment).collect();
        found.truncate(1 + usize::from(by[6] % 16));
        if by[6].is_multiple_of(8) {
            found.extend(self.fragments(by));
        }
        found
    }
}

fn condition(model: &Model, name: &str, by: u8) -> Condition {
    let head = now(model.head(name));
    match (by % 8, head) {
        (0..=4, _) => Condition::Any,
        (5, _) => Condition::Absent,
        (6, Some(head)) => Condition::Is(head.generation),
        _ => Condition::Is(sample::generation(1, u64::from(by))),
    }
}

fn members(by: [u8; 8]) -> Vec<Member> {
    let member = |number: u8| Member {
        id: sample::provider_id(number),
        name: format!("cloud {}", by[usize::from(number)] % 3),
        weight: f64::from(by[4]) / 8.0,
        state: if number == 1 {
            MemberState::Draining
        } else {
            MemberState::Active
        },
        since: u64::from(number),
    };
    (0..by[5] % 4).map(member).collect()
}
