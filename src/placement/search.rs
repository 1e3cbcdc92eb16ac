//! From the order of an extent to its seats.

use std::collections::{BTreeMap, BTreeSet};

use super::Candidate;
use super::constraint::PlacementError;
use super::room::{Load, Partition, partitions};
use super::score::{Draw, rank};
use crate::cloud_set::domain::DomainKind;
use crate::fragment::id::ExtentId;

/// Seats of a window beyond n: the spares, and the targets of every move.
pub const SPARES: usize = 2;

/// Steps of a search before it is given up, under a second of work. Where the limited kinds lie in at most two chains of
/// nested domains (companies, places) it takes a step a candidate; the others are hard in theory and rarely take a thousand.
const STEPS: usize = 20_000;

/// The providers of one extent under one membership, whoever can be written to at the moment. Numbers are places in the
/// slice of candidates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// The home of each fragment, by its index: n of them, and they keep the spread.
    pub homes: Vec<usize>,
    /// Who may take over a seat, the first first: at most [`SPARES`]. Before those that can take over some seat only come
    /// those that can take over any, alone and together.
    pub spares: Vec<usize>,
}

/// Who is to hold what. Numbers are places in the slice of candidates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seats {
    /// The provider of each fragment, by its index: n of them, and they keep the spread. One that isn't writable was not
    /// replaceable inside the window: its fragment can't be written now, and is owed to it.
    pub chosen: Vec<usize>,
    /// Writable providers for seats that fail, the first first: at most [`SPARES`].
    pub spares: Vec<usize>,
}

/// All candidates in the order of `extent`. Only ids and weights enter it.
///
/// # Panics
///
/// If a weight is negative or not finite.
pub fn order(extent: ExtentId, candidates: &[Candidate]) -> Vec<usize> {
    rank(&draws(extent, candidates), candidates)
}

/// The n homes and the spares of `extent`: the n that come first in the order among all that keep `spread`, then the spares.
///
/// # Panics
///
/// If a weight is negative or not finite.
pub fn window(
    extent: ExtentId,
    n: u16,
    spread: &BTreeMap<DomainKind, u16>,
    candidates: &[Candidate],
) -> Result<Window, PlacementError> {
    let partitions = partitions(spread, candidates);
    let draws = draws(extent, candidates);
    let order = rank(&draws, candidates);
    let mut homes = homes(usize::from(n), &order, &by_id(candidates), &partitions, STEPS)?;
    let spares = spares(&order, &homes, &partitions);
    homes.sort_unstable_by_key(|home| (draws[*home].turn, candidates[*home].id));
    Ok(Window { homes, spares })
}

/// The seats of `extent`: its window, with spares in the place of homes that aren't writable, as far as that keeps `spread`.
/// Whoever is writable and at home stays where it is.
///
/// # Panics
///
/// If a weight is negative or not finite.
pub fn choose(
    extent: ExtentId,
    n: u16,
    spread: &BTreeMap<DomainKind, u16>,
    candidates: &[Candidate],
) -> Result<Seats, PlacementError> {
    let Window { homes, spares } = window(extent, n, spread, candidates)?;
    let writable = |provider: &usize| candidates[*provider].writable;
    let empty: Vec<usize> = (0..homes.len()).filter(|index| !writable(&homes[*index])).collect();
    let spares: Vec<usize> = spares.into_iter().filter(writable).collect();
    let moves = takeovers(&homes, &empty, &spares, &partitions(spread, candidates));
    Ok(seated(homes, spares, &moves))
}

/// Puts spares into seats: (index, spare).
fn seated(homes: Vec<usize>, spares: Vec<usize>, moves: &[(usize, usize)]) -> Seats {
    let mut chosen = homes;
    for (index, spare) in moves {
        chosen[*index] = *spare;
    }
    let spares = spares.into_iter().filter(|spare| !chosen.contains(spare)).collect();
    Seats { chosen, spares }
}

fn draws(extent: ExtentId, candidates: &[Candidate]) -> Vec<Draw> {
    candidates
        .iter()
        .map(|candidate| Draw::new(extent, candidate.id))
        .collect()
}

/// The first n of the order; where that takes too long to find, those that [`super::feasible`] found.
fn homes(
    n: usize,
    order: &[usize],
    by_id: &[usize],
    partitions: &[Partition],
    steps: usize,
) -> Result<Vec<usize>, PlacementError> {
    match Search::new(n, order, partitions, steps).run() {
        Ok(Some(homes)) => Ok(homes),
        Ok(None) => Err(PlacementError::no_room(n, order, partitions)),
        Err(GaveUp) => any(n, by_id, partitions),
    }
}

/// The candidates by id: the one order that no extent changes.
pub(super) fn by_id(candidates: &[Candidate]) -> Vec<usize> {
    let mut all: Vec<usize> = (0..candidates.len()).collect();
    all.sort_unstable_by_key(|candidate| candidates[*candidate].id);
    all
}

/// The n that come first in `by_id` among all sets that keep the limits.
pub(super) fn any(n: usize, by_id: &[usize], partitions: &[Partition]) -> Result<Vec<usize>, PlacementError> {
    match Search::new(n, by_id, partitions, STEPS).run() {
        Ok(Some(found)) => Ok(found),
        Ok(None) => Err(PlacementError::no_room(n, by_id, partitions)),
        Err(GaveUp) => Err(PlacementError::undecided(by_id.len(), partitions)),
    }
}

/// The most of `order` that can be placed, below the `n` that can't.
pub(super) fn most_below(n: usize, order: &[usize], partitions: &[Partition]) -> usize {
    let fits = |fewer: &usize| matches!(Search::new(*fewer, order, partitions, STEPS).run(), Ok(Some(_)));
    (0..n).rev().find(fits).unwrap_or(0)
}

/// The steps of a search ran out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct GaveUp;

/// The way through the order: at each candidate either it is taken or it is left out.
struct Search<'a> {
    n: usize,
    order: &'a [usize],
    load: Load<'a>,
    chosen: Vec<usize>,
    /// Places in the order with loads from which there is no way.
    dead: BTreeSet<(usize, Vec<Vec<usize>>)>,
    steps: usize,
}

impl<'a> Search<'a> {
    fn new(n: usize, order: &'a [usize], partitions: &'a [Partition], steps: usize) -> Search<'a> {
        let load = Load::new(partitions);
        Search {
            n,
            order,
            load,
            chosen: Vec::new(),
            dead: BTreeSet::new(),
            steps,
        }
    }

    /// The first set, if there is one.
    fn run(mut self) -> Result<Option<Vec<usize>>, GaveUp> {
        // Taking whoever fits is the first set there is, if it is whole: nobody before its last was passed over in vain.
        self.take_whoever_fits();
        if self.chosen.len() == self.n {
            return Ok(Some(self.chosen));
        }
        self.clear();
        let found = self.from(0)?;
        Ok(found.then_some(self.chosen))
    }

    fn take_whoever_fits(&mut self) {
        for candidate in self.order {
            if self.chosen.len() < self.n && self.load.admits(*candidate) {
                self.take(*candidate);
            }
        }
    }

    /// Completes the choice from the candidates `place..` of the order, if it can be.
    fn from(&mut self, place: usize) -> Result<bool, GaveUp> {
        if self.chosen.len() == self.n {
            return Ok(true);
        }
        let rest = &self.order[place..];
        if self.chosen.len() + self.load.room(rest) < self.n || self.is_dead(place) {
            return Ok(false);
        }
        self.steps = self.steps.checked_sub(1).ok_or(GaveUp)?;
        let found = self.with(rest[0], place)? || self.from(place + 1)?;
        if !found {
            self.dead.insert((place, self.load.counts().to_vec()));
        }
        Ok(found)
    }

    /// The same with the candidate at `place` taken.
    fn with(&mut self, candidate: usize, place: usize) -> Result<bool, GaveUp> {
        if !self.load.admits(candidate) {
            return Ok(false);
        }
        self.take(candidate);
        let found = self.from(place + 1)?;
        if !found {
            self.give_back();
        }
        Ok(found)
    }

    /// True if the same loads failed here before. Who makes them up doesn't matter, nor how many they are: each counts once
    /// in every kind.
    fn is_dead(&self, place: usize) -> bool {
        !self.dead.is_empty() && self.dead.contains(&(place, self.load.counts().to_vec()))
    }

    fn take(&mut self, candidate: usize) {
        self.load.add(candidate);
        self.chosen.push(candidate);
    }

    fn give_back(&mut self) {
        let candidate = self.chosen.pop().expect("what was taken is given back");
        self.load.remove(candidate);
    }

    fn clear(&mut self) {
        while !self.chosen.is_empty() {
            self.give_back();
        }
    }
}

/// The first in the order that can take over any home, all at once; then those that can take over at least one.
fn spares(order: &[usize], homes: &[usize], partitions: &[Partition]) -> Vec<usize> {
    let mut load = Load::of(partitions, homes);
    let mut spares = Vec::new();
    let others = || order.iter().copied().filter(|candidate| !homes.contains(candidate));
    for candidate in others() {
        if spares.len() < SPARES && load.admits(candidate) {
            load.add(candidate);
            spares.push(candidate);
        }
    }
    let some = others().filter(|candidate| {
        homes
            .iter()
            .any(|home| keeps(homes, &[(*home, *candidate)], partitions))
    });
    let some: Vec<usize> = some
        .filter(|candidate| !spares.contains(candidate))
        .take(SPARES - spares.len())
        .collect();
    spares.extend(some);
    spares
}

/// True if `homes` keep the limits when each first of `swaps` makes way for its second.
fn keeps(homes: &[usize], swaps: &[(usize, usize)], partitions: &[Partition]) -> bool {
    let mut load = Load::of(partitions, homes);
    for (out, _) in swaps {
        load.remove(*out);
    }
    swaps.iter().all(|(_, into)| {
        let fits = load.admits(*into);
        load.add(*into);
        fits
    })
}

/// Which spare takes which of the seats `empty`: as many as can be, then the first spares and the first seats.
fn takeovers(homes: &[usize], empty: &[usize], spares: &[usize], partitions: &[Partition]) -> Vec<(usize, usize)> {
    let single = || {
        spares
            .iter()
            .flat_map(|spare| empty.iter().map(move |index| vec![(*index, *spare)]))
    };
    let both = || match spares {
        [one, two] => pairs(empty).map(|(i, j)| vec![(i, *one), (j, *two)]).collect(),
        _ => Vec::new(),
    };
    let holds = |moves: &Vec<(usize, usize)>| {
        let swaps: Vec<(usize, usize)> = moves.iter().map(|(index, spare)| (homes[*index], *spare)).collect();
        keeps(homes, &swaps, partitions)
    };
    both().into_iter().chain(single()).find(holds).unwrap_or_default()
}

/// All ordered pairs of two different elements.
fn pairs(of: &[usize]) -> impl Iterator<Item = (usize, usize)> {
    of.iter()
        .flat_map(|i| of.iter().map(move |j| (*i, *j)))
        .filter(|(i, j)| i != j)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud_set::domain::DomainKind::{Operator, Region};
    use crate::placement::feasible;
    use crate::placement::sample::{extent, spread, standing, weighing};

    /// The order of places to try, and the limits: taking whoever fits ends in a dead end.
    fn blind_alley() -> (Vec<Candidate>, BTreeMap<DomainKind, u16>) {
        (
            standing(&[(1, 1), (1, 2), (2, 1)]),
            spread(&[(Operator, 1), (Region, 1)]),
        )
    }

    #[test]
    fn who_comes_first_is_left_out_where_nobody_else_would_fit_beside_it() {
        let (candidates, spread) = blind_alley();
        let partitions = partitions(&spread, &candidates);
        assert_eq!(homes(2, &[0, 1, 2], &[], &partitions, STEPS), Ok(vec![1, 2]));
    }

    #[test]
    fn a_search_that_takes_too_long_answers_what_was_proved_feasible() {
        let (candidates, spread) = blind_alley();
        let partitions = partitions(&spread, &candidates);
        assert_eq!(homes(2, &[0, 1, 2], &[2, 1, 0], &partitions, 1), Ok(vec![2, 1]));
    }

    #[test]
    fn spares_that_can_sit_anywhere_come_before_those_that_can_not() {
        let candidates = standing(&[(1, 0), (2, 0), (3, 0), (1, 0), (2, 0), (4, 0), (5, 0)]);
        let partitions = partitions(&spread(&[(Operator, 1)]), &candidates);
        assert_eq!(spares(&[0, 1, 2, 3, 4, 5, 6], &[0, 1, 2], &partitions), [5, 6]);
        assert_eq!(spares(&[0, 1, 2, 3, 4, 5], &[0, 1, 2], &partitions), [5, 3]);
        assert_eq!(spares(&[0, 1, 2, 3, 4], &[0, 1, 2], &partitions), [3, 4]);
        assert_eq!(spares(&[0, 1, 2], &[0, 1, 2], &partitions), [0; 0]);
    }

    #[test]
    fn a_full_home_is_replaced_by_the_first_spare_and_only_inside_the_window() {
        let mut candidates = weighing(&[1.0; 9]);
        let window = window(extent(1), 4, &spread(&[]), &candidates).unwrap();
        for filled in 1..=4 {
            candidates[window.homes[filled - 1]].writable = false;
            let seats = choose(extent(1), 4, &spread(&[]), &candidates).unwrap();
            let empty = seats.chosen.iter().filter(|seat| !candidates[**seat].writable).count();
            assert_eq!(empty, filled.saturating_sub(2), "{filled} are full, 2 may stand in");
            assert_eq!(seats.chosen[0], window.spares[0]);
            assert_eq!(seats.spares, window.spares[filled.min(2)..]);
        }
    }

    #[test]
    fn too_few_providers_are_named_before_any_limit() {
        let candidates = standing(&[(1, 1); 5]);
        let error = window(extent(1), 6, &spread(&[(Operator, 1)]), &candidates).unwrap_err();
        assert_eq!(error, PlacementError::TooFew { have: 5, want: 6 });
        assert_eq!(feasible(6, 4, 5, &spread(&[]), &candidates), Err(error));
    }
}
