//! Seats for fragments that are to be made anew, beside those that are where they are.

use std::collections::BTreeMap;

use super::Candidate;
use super::constraint::PlacementError;
use super::room::{Load, partitions};
use super::search::{Window, window};
use crate::cloud_set::domain::DomainKind;
use crate::fragment::id::{ExtentId, ProviderId};

/// Who is to hold the fragments `missing` of `extent` (by index, in the answer's order) while `held` keep theirs: inside the window, each
/// its own home if that is free, else another free home, else a spare; never one that holds another, isn't writable or would break
/// `spread` beside the others. An index for which there is none is not answered: its fragment is owed.
///
/// Holders that are no candidates any more don't count; holders that break the spread among themselves, as after a change of the limits,
/// take room like all others.
///
/// # Panics
///
/// If a weight is negative or not finite, or an index is n or above.
pub fn refill(
    extent: ExtentId,
    n: u16,
    spread: &BTreeMap<DomainKind, u16>,
    candidates: &[Candidate],
    held: &[ProviderId],
    missing: &[u16],
) -> Result<Vec<(u16, usize)>, PlacementError> {
    let Window { homes, spares } = window(extent, n, spread, candidates)?;
    let partitions = partitions(spread, candidates);
    let holders: Vec<usize> = (0..candidates.len())
        .filter(|at| held.contains(&candidates[*at].id))
        .collect();
    let mut seated = Seated {
        load: Load::of(&partitions, &holders),
        candidates,
        taken: holders,
    };
    let mut seats: BTreeMap<u16, usize> = BTreeMap::new();
    for index in missing {
        let home = homes[usize::from(*index)];
        if seated.take(home) {
            seats.insert(*index, home);
        }
    }
    for index in missing {
        let mut others = homes.iter().chain(&spares).copied();
        if !seats.contains_key(index)
            && let Some(other) = others.find(|other| seated.take(*other))
        {
            seats.insert(*index, other);
        }
    }
    Ok(seats.into_iter().collect())
}

/// The fragments of `extent` that lie outside its homes (by holder), and where each belongs: a free home that keeps `spread` beside the
/// others. Those for which there is none stay where they are and are not answered, so that a set in balance answers nothing.
///
/// # Panics
///
/// If a weight is negative or not finite.
pub fn misplaced(
    extent: ExtentId,
    n: u16,
    spread: &BTreeMap<DomainKind, u16>,
    candidates: &[Candidate],
    held: &[ProviderId],
) -> Result<Vec<(ProviderId, usize)>, PlacementError> {
    let Window { homes, .. } = window(extent, n, spread, candidates)?;
    let partitions = partitions(spread, candidates);
    let place = |id: &ProviderId| candidates.iter().position(|candidate| candidate.id == *id);
    let at_home = |id: &ProviderId| place(id).is_some_and(|at| homes.contains(&at));
    let (mut settled, strays): (Vec<ProviderId>, Vec<ProviderId>) = held.iter().partition(|id| at_home(id));
    let mut moves = Vec::new();
    for (at, stray) in strays.iter().enumerate() {
        let others: Vec<usize> = settled.iter().chain(&strays[at + 1..]).filter_map(place).collect();
        let mut seated = Seated {
            load: Load::of(&partitions, &others),
            candidates,
            taken: others,
        };
        match homes.iter().copied().find(|home| seated.take(*home)) {
            Some(home) => {
                settled.push(candidates[home].id);
                moves.push((*stray, home));
            }
            None => settled.push(*stray),
        }
    }
    Ok(moves)
}

/// Who holds a fragment, and what the limits leave.
struct Seated<'a> {
    load: Load<'a>,
    candidates: &'a [Candidate],
    taken: Vec<usize>,
}

impl Seated<'_> {
    /// Seats one more here, if that may be.
    fn take(&mut self, candidate: usize) -> bool {
        let fits =
            self.candidates[candidate].writable && !self.taken.contains(&candidate) && self.load.admits(candidate);
        if fits {
            self.load.add(candidate);
            self.taken.push(candidate);
        }
        fits
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::cloud_set::domain::DomainKind::Operator;
    use crate::placement::choose;
    use crate::placement::sample::{extent, spread, standing, weighing};

    /// The providers that seats stand for.
    fn ids(candidates: &[Candidate], seats: &[usize]) -> Vec<ProviderId> {
        seats.iter().map(|at| candidates[*at].id).collect()
    }

    #[test]
    fn what_is_missing_goes_home_where_its_home_is_free() {
        let candidates = weighing(&[1.0; 9]);
        let homes = choose(extent(3), 6, &spread(&[]), &candidates).unwrap().chosen;
        let held = ids(&candidates, &[homes[0], homes[1], homes[2], homes[4]]);
        let seats = refill(extent(3), 6, &spread(&[]), &candidates, &held, &[3, 5]).unwrap();
        assert_eq!(seats, [(3, homes[3]), (5, homes[5])]);
    }

    #[test]
    fn the_domain_that_still_holds_one_gets_no_second() {
        let candidates = standing(&[(1, 0), (1, 0), (2, 0), (3, 0)]);
        let limits = spread(&[(Operator, 1)]);
        let homes = choose(extent(1), 3, &limits, &candidates).unwrap().chosen;
        let (index, _) = homes.iter().enumerate().find(|(_, at)| **at > 1).unwrap();
        let held: Vec<usize> = homes.iter().copied().filter(|at| *at != homes[index]).collect();
        let mut full = candidates.clone();
        full[homes[index]].writable = false;
        let missing = [u16::try_from(index).unwrap()];
        let seats = refill(extent(1), 3, &limits, &full, &ids(&candidates, &held), &missing).unwrap();
        assert_eq!(
            seats,
            [],
            "the only writable one beside the holders shares an operator with one of them"
        );
    }

    #[test]
    fn a_fragment_in_a_spares_place_goes_home_when_home_is_writable_again() {
        let mut candidates = weighing(&[1.0; 9]);
        let homes = choose(extent(5), 6, &spread(&[]), &candidates).unwrap().chosen;
        candidates[homes[2]].writable = false;
        let seats = choose(extent(5), 6, &spread(&[]), &candidates).unwrap().chosen;
        let held = ids(&candidates, &seats);
        assert_eq!(misplaced(extent(5), 6, &spread(&[]), &candidates, &held), Ok(vec![]));
        candidates[homes[2]].writable = true;
        let moves = misplaced(extent(5), 6, &spread(&[]), &candidates, &held).unwrap();
        assert_eq!(moves, [(candidates[seats[2]].id, homes[2])]);
    }

    proptest! {
        #[test]
        fn what_was_placed_is_in_balance_and_one_that_leaves_moves_its_own_alone(
            number in any::<u64>(),
            places in proptest::collection::vec(1_u8..=7, 7..14),
            leaver in 0_usize..7,
        ) {
            let candidates = standing(&places.iter().map(|place| (*place, 0)).collect::<Vec<_>>());
            let limits = spread(&[(Operator, 2)]);
            let Ok(seats) = choose(extent(number), 5, &limits, &candidates) else { return Ok(()) };
            let held = ids(&candidates, &seats.chosen);
            prop_assert_eq!(misplaced(extent(number), 5, &limits, &candidates, &held).unwrap(), []);
            let gone = candidates[leaver].id;
            let rest: Vec<Candidate> = candidates.iter().filter(|c| c.id != gone).cloned().collect();
            let Ok(moves) = misplaced(extent(number), 5, &limits, &rest, &held) else { return Ok(()) };
            if held.contains(&gone) {
                prop_assert!(moves.iter().any(|(from, _)| *from == gone), "{moves:?}");
            } else {
                prop_assert_eq!(moves, []);
            }
        }

        #[test]
        fn no_provider_gets_two_nor_a_domain_more_than_its_limit(
            number in any::<u64>(),
            places in proptest::collection::vec(1_u8..=5, 6..14),
            gone in any::<u32>(),
            full in any::<u32>(),
        ) {
            let mut candidates = standing(&places.iter().map(|place| (*place, 0)).collect::<Vec<_>>());
            let limits = spread(&[(Operator, 2)]);
            let Ok(seats) = choose(extent(number), 5, &limits, &candidates) else { return Ok(()) };
            let lost = |index: u16| gone >> index & 1 == 1;
            let (missing, kept): (Vec<u16>, Vec<u16>) = (0..5).partition(|index| lost(*index));
            let held: Vec<usize> = kept.iter().map(|index| seats.chosen[usize::from(*index)]).collect();
            for (at, candidate) in candidates.iter_mut().enumerate() {
                candidate.writable = full >> at & 1 == 0;
            }
            let filled = refill(extent(number), 5, &limits, &candidates, &ids(&candidates, &held), &missing).unwrap();
            let mut all = held.clone();
            for (index, at) in &filled {
                prop_assert!(missing.contains(index) && candidates[*at].writable && !all.contains(at));
                all.push(*at);
            }
            for operator in 1..=5 {
                let load = all.iter().filter(|at| places[**at] == operator).count();
                prop_assert!(load <= 2, "operator {operator} holds {load}");
            }
            if full == 0 {
                prop_assert_eq!(filled.len(), missing.len(), "all homes are free");
            }
        }
    }
}
