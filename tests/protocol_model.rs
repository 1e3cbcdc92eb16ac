//! The commit protocol as a small machine, and every state that it can get into: puts, annulments, crashes, lost catalogs and rebuilds in every
//! order, with one provider that loses what it likes. The rebuild asks the same `judge` as the program.
//!
//! ```text
//! begin ─▶ n roots on their way ─▶ Q confirmed: commit, acknowledged
//!                               └▶ given up: closed ─▶ n voids on their way ─▶ Q confirmed: not stored
//! crash anywhere; what is on its way lands later or never
//! next process: settles what is open      lost catalog: judges what is listed, and what it judged is in a checkpoint
//! ```
//!
//! One object, up to two versions over nothing. It has no bytes, no time and no names: those are what `tests/simulation.rs` is for. What never lands
//! is what stays on its way, so that nothing has to be lost in flight.

use std::collections::{HashSet, VecDeque};

use raic::care::recover::{Evidence, Standing, Verdict, is_blind, judge};

/// Providers at most, and versions.
const MOST: usize = 4;
const VERSIONS: usize = 2;

/// What one provider has to do with the versions: a bit a version each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Place {
    root: u8,
    root_flies: u8,
    void: u8,
    void_flies: u8,
    /// The process that lives has heard that the fragment of what it does now is there.
    heard: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Row {
    Unknown,
    Open,
    Closed,
    Settled,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Told {
    Nothing,
    Acknowledged,
    NotStored,
    Perhaps,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Doing {
    Nothing,
    Putting(usize),
    Annulling(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct State {
    places: [Place; MOST],
    rows: [Row; VERSIONS],
    told: [Told; VERSIONS],
    doing: Doing,
    /// The head of the catalog; version v is v + 1, no object 0. None before a rebuild.
    head: Option<usize>,
    /// What the last rebuild found, and how many versions it judged: it ends with a checkpoint of the catalog on the clouds.
    checkpoint: (usize, usize),
    /// The newest that a reader saw.
    seen: usize,
    begun: usize,
    crashes: u8,
    losses: u8,
}

/// The size of the set, and how much goes wrong.
#[derive(Clone, Copy, Debug)]
struct Size {
    k: u16,
    n: u16,
    versions: usize,
    crashes: u8,
    losses: u8,
    /// The annulment is left out: the model has to notice.
    no_void: bool,
    /// The process acknowledges one fragment early.
    early: bool,
    /// A rebuild leaves no checkpoint.
    no_checkpoint: bool,
}

impl Size {
    fn quorum(self) -> u16 {
        (self.n + self.k).div_ceil(2)
    }

    fn n(self) -> usize {
        usize::from(self.n)
    }
}

fn count(places: &[Place], which: impl Fn(&Place) -> bool) -> u16 {
    u16::try_from(places.iter().filter(|place| which(place)).count()).expect("at most four")
}

impl State {
    const FIRST: State = State {
        places: [Place {
            root: 0,
            root_flies: 0,
            void: 0,
            void_flies: 0,
            heard: false,
        }; MOST],
        rows: [Row::Unknown; VERSIONS],
        told: [Told::Nothing; VERSIONS],
        doing: Doing::Nothing,
        head: Some(0),
        checkpoint: (0, 0),
        seen: 0,
        begun: 0,
        crashes: 0,
        losses: 0,
    };

    /// Providers but the first, the liar, are alike: their order doesn't matter.
    fn canonical(mut self, size: Size) -> State {
        self.places[1..size.n()].sort_unstable();
        self
    }

    fn ends(&mut self) {
        self.doing = Doing::Nothing;
        self.places.iter_mut().for_each(|place| place.heard = false);
    }

    fn sends_void(&mut self, version: usize, size: Size) {
        self.ends();
        self.rows[version] = Row::Closed;
        self.doing = Doing::Annulling(version);
        self.places[..size.n()]
            .iter_mut()
            .for_each(|place| place.void_flies |= 1 << version);
    }

    /// What must hold of it.
    fn check(&self) -> Result<(), &'static str> {
        let Some(head) = self.head else { return Ok(()) };
        let acknowledged = (0..VERSIONS).rev().find(|v| self.told[*v] == Told::Acknowledged);
        if acknowledged.is_some_and(|version| head < version + 1) {
            return Err("what was acknowledged is the object, or something newer is");
        }
        if head > 0 && self.told[head - 1] == Told::NotStored {
            return Err("what was not stored never is the object");
        }
        if head < self.seen {
            return Err("nobody reads an older version after a newer one");
        }
        Ok(())
    }

    fn next(&self, size: Size) -> Vec<State> {
        let mut all = Vec::new();
        self.flights(size, &mut all);
        self.process(size, &mut all);
        self.disasters(size, &mut all);
        if let Some(head) = self.head
            && head > self.seen
        {
            all.push(State { seen: head, ..*self });
        }
        all.into_iter().map(|state| state.canonical(size)).collect()
    }

    /// What is on its way lands, with or without its answer, or never; the liar says that it has it, and hasn't, or loses it.
    fn flights(&self, size: Size, all: &mut Vec<State>) {
        for at in 0..size.n() {
            for version in 0..VERSIONS {
                let bit = 1 << version;
                let mut each = |change: &dyn Fn(&mut Place)| {
                    let mut next = *self;
                    change(&mut next.places[at]);
                    all.push(next);
                };
                let place = self.places[at];
                if place.root_flies & bit != 0 {
                    let waits = self.doing == Doing::Putting(version);
                    each(&|place| (place.root_flies, place.root) = (place.root_flies & !bit, place.root | bit));
                    if waits {
                        each(&|place| {
                            (place.root_flies, place.root, place.heard) =
                                (place.root_flies & !bit, place.root | bit, true);
                        });
                    }
                    if waits && at == 0 {
                        each(&|place| (place.root_flies, place.heard) = (place.root_flies & !bit, true));
                    }
                }
                if place.void_flies & bit != 0 {
                    let waits = self.doing == Doing::Annulling(version);
                    each(&|place| (place.void_flies, place.void) = (place.void_flies & !bit, place.void | bit));
                    if waits {
                        each(&|place| {
                            (place.void_flies, place.void, place.heard) =
                                (place.void_flies & !bit, place.void | bit, true);
                        });
                    }
                    if waits && at == 0 {
                        each(&|place| (place.void_flies, place.heard) = (place.void_flies & !bit, true));
                    }
                }
                if at == 0 && (place.root | place.void) & bit != 0 {
                    each(&|place| (place.root, place.void) = (place.root & !bit, place.void & !bit));
                }
            }
        }
    }

    fn process(&self, size: Size, all: &mut Vec<State>) {
        let (Some(head), quorum) = (self.head, size.quorum()) else {
            return;
        };
        let heard = count(&self.places[..size.n()], |place| place.heard);
        match self.doing {
            Doing::Nothing => {
                if self.begun < size.versions {
                    let mut next = *self;
                    (next.begun, next.doing) = (self.begun + 1, Doing::Putting(self.begun));
                    next.rows[self.begun] = Row::Open;
                    next.places[..size.n()]
                        .iter_mut()
                        .for_each(|place| place.root_flies |= 1 << self.begun);
                    all.push(next);
                }
                (0..VERSIONS).for_each(|version| self.settle(version, head, size, all));
            }
            Doing::Putting(version) => {
                if heard + u16::from(size.early) >= quorum {
                    let mut next = *self;
                    next.ends();
                    (next.rows[version], next.head) = (Row::Settled, Some(head.max(version + 1)));
                    next.told[version] = Told::Perhaps;
                    all.push(next);
                    next.told[version] = Told::Acknowledged;
                    all.push(next);
                }
                let mut next = *self;
                next.sends_void(version, size);
                if size.no_void {
                    next.ends();
                    next.told[version] = Told::NotStored;
                }
                all.push(next);
            }
            Doing::Annulling(version) => {
                let mut next = *self;
                next.ends();
                if self.told[version] == Told::Nothing {
                    next.told[version] = Told::Perhaps;
                }
                all.push(next);
                if heard >= quorum {
                    next.rows[version] = Row::Settled;
                    if self.told[version] == Told::Nothing {
                        next.told[version] = Told::NotStored;
                    }
                    all.push(next);
                }
            }
        }
    }

    /// What an earlier process left open, as `store/settle.rs` does it: with every set of providers that don't answer.
    fn settle(&self, version: usize, head: usize, size: Size, all: &mut Vec<State>) {
        let bit = 1 << version;
        if self.rows[version] == Row::Closed {
            let mut next = *self;
            next.sends_void(version, size);
            all.push(next);
        }
        if self.rows[version] != Row::Open {
            return;
        }
        for silent in silences(size) {
            let answers = |at: usize| silent >> at & 1 == 0;
            let sound = (0..size.n())
                .filter(|at| answers(*at) && self.places[*at].root & bit != 0)
                .count();
            let sound = u16::try_from(sound).expect("at most four");
            let hidden = u16::try_from(silent.count_ones()).expect("at most four");
            let mut next = *self;
            if sound + hidden.min(size.n - sound) + 1 < size.quorum() {
                next.sends_void(version, size);
            } else if sound >= size.k && size.n - hidden >= size.quorum() {
                (0..size.n())
                    .filter(|at| answers(*at))
                    .for_each(|at| next.places[at].root |= bit);
                (next.rows[version], next.head) = (Row::Settled, Some(head.max(version + 1)));
            } else {
                continue;
            }
            all.push(next);
        }
    }

    fn disasters(&self, size: Size, all: &mut Vec<State>) {
        let mut dead = *self;
        dead.ends();
        if let Doing::Putting(version) | Doing::Annulling(version) = self.doing
            && self.told[version] == Told::Nothing
        {
            dead.told[version] = Told::Perhaps;
        }
        if self.crashes < size.crashes && self.doing != Doing::Nothing {
            all.push(State {
                crashes: self.crashes + 1,
                ..dead
            });
        }
        if self.losses < size.losses && self.head.is_some() {
            all.push(State {
                head: None,
                rows: [Row::Unknown; VERSIONS],
                losses: self.losses + 1,
                ..dead
            });
        }
        if self.head.is_none() {
            silences(size).for_each(|silent| all.extend(self.rebuilt(silent, size)));
        }
    }

    /// As `care/recover` does it; none where nothing can be told.
    fn rebuilt(&self, silent: u8, size: Size) -> Option<State> {
        let hidden = u16::try_from(silent.count_ones()).expect("at most four");
        let set = Standing {
            silent: hidden,
            liars: 1,
            lost: 0,
            writable: size.n - hidden,
        };
        if is_blind(set, size.quorum()) {
            return None;
        }
        let mut next = *self;
        let (head, judged) = self.checkpoint;
        next.head = Some(head);
        for version in (judged..VERSIONS).rev() {
            let bit = 1 << version;
            let answer = |which: &dyn Fn(&Place) -> u8| {
                let there = (0..size.n()).filter(|at| silent >> at & 1 == 0 && which(&self.places[*at]) & bit != 0);
                u16::try_from(there.count()).expect("at most four")
            };
            let listed = answer(&|place| place.root);
            if listed == 0 {
                continue;
            }
            let root = Evidence {
                k: size.k,
                n: size.n,
                quorum: size.quorum(),
                listed,
                full: listed,
                annulled: answer(&|place| place.void) > 0,
            };
            match judge(&root, set) {
                Verdict::Refused => {}
                Verdict::Waits => return None,
                Verdict::Counts { write_back } => {
                    if write_back {
                        (0..size.n())
                            .filter(|at| silent >> at & 1 == 0)
                            .for_each(|at| next.places[at].root |= bit);
                        if listed + hidden < size.n && size.n - hidden < size.quorum() {
                            return None;
                        }
                    }
                    next.head = Some(version + 1);
                    break;
                }
            }
        }
        if size.no_checkpoint {
            return Some(next);
        }
        next.checkpoint = (next.head.unwrap_or(head), self.begun);
        Some(next)
    }
}

/// Every set of providers that may be silent.
fn silences(size: Size) -> impl Iterator<Item = u8> {
    0..1 << size.n
}

/// Every state that can be reached; or how one is reached that must not be.
fn explore(size: Size) -> Result<usize, String> {
    let (mut known, mut queue) = (HashSet::new(), VecDeque::from([State::FIRST]));
    known.insert(State::FIRST);
    while let Some(state) = queue.pop_front() {
        if let Err(rule) = state.check() {
            return Err(format!("{rule}: {state:?}"));
        }
        for next in state.next(size) {
            if known.insert(next) {
                queue.push_back(next);
            }
        }
    }
    Ok(known.len())
}

/// One version, and much that goes wrong.
const DEEP: Size = Size {
    k: 1,
    n: 3,
    versions: 1,
    crashes: 2,
    losses: 2,
    no_void: false,
    early: false,
    no_checkpoint: false,
};

/// Sets and histories that are gone through by every run; `RAIC_MODEL=whole` adds those that take minutes.
fn sizes() -> Vec<Size> {
    let quick = [DEEP, Size { k: 2, ..DEEP }, Size { k: 2, n: 4, ..DEEP }];
    let whole = [Size {
        versions: 2,
        crashes: 1,
        losses: 1,
        ..DEEP
    }];
    match std::env::var("RAIC_MODEL").as_deref() {
        Ok("whole") => [quick.as_slice(), &whole].concat(),
        _ => quick.to_vec(),
    }
}

#[test]
fn no_order_of_events_breaks_the_commit_protocol() {
    for size in sizes() {
        let states = explore(size).unwrap_or_else(|broken| panic!("{size:?}: {broken}"));
        println!("{states} states of {size:?}");
        assert!(states > 1_000, "{states} states are too few to prove a thing: {size:?}");
    }
}

/// A checker that has caught nothing proves nothing.
#[test]
fn the_model_notices_what_is_left_out() {
    for wrong in [
        Size { no_void: true, ..DEEP },
        Size {
            k: 2,
            early: true,
            ..DEEP
        },
        Size {
            no_checkpoint: true,
            ..DEEP
        },
    ] {
        assert!(explore(wrong).is_err(), "{wrong:?}");
    }
}
