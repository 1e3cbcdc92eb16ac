//! Seats for fragments that are to be made anew, beside those that are where they are.

use std::collections::BTreeMap;

use super::Candidate;
use super::constraint::PlacementError;
use super::room::{Load, partitions};
use super::search::{Window, window};
use crate::cloud_set::domain::DomainKind;
use crate::fragment::id::{ExtentId, ProviderId};

/// Who is to hold the fragments `missing` of `extent` (by index, in the answer's order) while `held` keep theirs: inside the window, each
/// its own home if that is free, else a spare, else a home whose own fragment found no seat; never one that holds another, isn't writable
/// or would break `spread` beside the others. An index for which there is none is not answered: its fragment is owed.
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
    let mut others = spares.iter().chain(&homes).copied();
    for index in missing {
        if !seats.contains_key(index)
            && let Some(other) = others.find(|other| seated.take(*other))
        {
            seats.insert(*index, other);
        }
    }
    Ok(seats.into_iter().collect())
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

    proptest! {
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
