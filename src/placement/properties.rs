//! What placement promises, for any cloud set.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::sample::{chances, domains, extent, provider, spread, standing, weighing};
use super::*;
use crate::cloud_set::domain::DomainKind::{self, Account, Operator, Region};
use crate::fragment::id::ExtentId;

const EXTENTS: u64 = 10_000;

/// A cloud set, what is asked of it, and an extent.
#[derive(Clone, Debug)]
struct Case {
    candidates: Vec<Candidate>,
    n: u16,
    spread: BTreeMap<DomainKind, u16>,
    extent: ExtentId,
}

impl Case {
    fn window(&self) -> Result<Window, PlacementError> {
        window(self.extent, self.n, &self.spread, &self.candidates)
    }

    fn seats(&self) -> Result<Seats, PlacementError> {
        choose(self.extent, self.n, &self.spread, &self.candidates)
    }

    /// The plain rule: no domain has more than its limit.
    fn keeps_spread(&self, chosen: &[usize]) -> bool {
        self.spread.iter().all(|(kind, limit)| {
            let load = |domain: &str| {
                let inside = |provider: &&usize| self.candidates[**provider].domains.get(*kind) == Some(domain);
                chosen.iter().filter(inside).count()
            };
            let named = chosen
                .iter()
                .filter_map(|provider| self.candidates[*provider].domains.get(*kind));
            let alone = usize::from(!chosen.is_empty());
            named.map(load).max().unwrap_or(0).max(alone) <= usize::from(*limit)
        })
    }

    /// Every set of n that keeps the spread, each in the order, the first in the order first.
    fn all_sets(&self) -> Vec<Vec<usize>> {
        let order = order(self.extent, &self.candidates);
        let member = |set: u32, place: usize| set >> (order.len() - 1 - place) & 1 == 1;
        let pick =
            |set: u32| -> Vec<usize> { (0..order.len()).filter(|p| member(set, *p)).map(|p| order[p]).collect() };
        let sets = (0..1_u32 << order.len())
            .rev()
            .filter(|set| set.count_ones() == u32::from(self.n));
        sets.map(pick).filter(|chosen| self.keeps_spread(chosen)).collect()
    }
}

fn sorted(of: &[usize]) -> Vec<usize> {
    let mut sorted = of.to_vec();
    sorted.sort_unstable();
    sorted
}

prop_compose! {
    /// Up to ten providers in three kinds of domain, some of them in none.
    fn a_case()(
        places in prop::collection::vec((0_u8..4, 0_u8..4, 0_u8..3, any::<bool>(), 0.1_f64..4.0), 0..=10),
        n in 1_u16..8,
        limits in prop::collection::btree_map(prop::sample::select(vec![Operator, Account, Region]), 1_u16..4, 0..=3),
        number: u64,
    ) -> Case {
        let stand = |(id, (operator, account, region, writable, weight)): (u64, (u8, u8, u8, bool, f64))| Candidate {
            domains: domains(&[(Operator, operator), (Account, account), (Region, region)]),
            writable,
            ..provider(id, weight)
        };
        let candidates = (0..).zip(places).map(stand).collect();
        Case { candidates, n, spread: limits, extent: extent(number) }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn the_homes_are_the_first_set_that_keeps_the_spread_and_missing_only_if_there_is_none(case in a_case()) {
        let order = order(case.extent, &case.candidates);
        let found = case.window().ok().map(|window| {
            order.into_iter().filter(|provider| window.homes.contains(provider)).collect::<Vec<_>>()
        });
        prop_assert_eq!(found, case.all_sets().into_iter().next());
    }

    #[test]
    fn seats_are_n_different_providers_that_keep_the_spread(case in a_case()) {
        let Ok(seats) = case.seats() else { return Ok(()) };
        prop_assert_eq!(seats.chosen.len(), usize::from(case.n));
        let mut all = sorted(&[seats.chosen.clone(), seats.spares.clone()].concat());
        all.dedup();
        prop_assert_eq!(all.len(), seats.chosen.len() + seats.spares.len());
        prop_assert!(seats.spares.len() <= 2);
        prop_assert!(case.keeps_spread(&seats.chosen));
    }

    #[test]
    fn a_spare_can_take_over_a_seat(case in a_case()) {
        let Ok(window) = case.window() else { return Ok(()) };
        for spare in &window.spares {
            let stands_in = |index: usize| {
                let mut homes = window.homes.clone();
                homes[index] = *spare;
                case.keeps_spread(&homes)
            };
            prop_assert!((0..window.homes.len()).any(stands_in), "{} takes over no seat", spare);
        }
    }

    #[test]
    fn who_is_not_writable_is_seated_only_where_no_spare_may_stand_in(case in a_case()) {
        let Ok(seats) = case.seats() else { return Ok(()) };
        prop_assert!(seats.spares.iter().all(|spare| case.candidates[*spare].writable));
        let empty = (0..seats.chosen.len()).filter(|index| !case.candidates[seats.chosen[*index]].writable);
        for (index, spare) in empty.flat_map(|index| seats.spares.iter().map(move |spare| (index, spare))) {
            let mut chosen = seats.chosen.clone();
            chosen[index] = *spare;
            prop_assert!(!case.keeps_spread(&chosen), "spare {} may sit in {}", spare, index);
        }
    }

    #[test]
    fn who_may_be_written_to_changes_nobody_elses_place(case in a_case(), flipped: prop::sample::Index) {
        if case.candidates.is_empty() {
            return Ok(());
        }
        let flipped = flipped.index(case.candidates.len());
        let mut other = case.clone();
        other.candidates[flipped].writable ^= true;
        prop_assert_eq!(order(case.extent, &case.candidates), order(other.extent, &other.candidates));
        prop_assert_eq!(case.window(), other.window());
        let Ok(window) = case.window() else { return Ok(()) };
        let (seats, others) = (case.seats().unwrap(), other.seats().unwrap());
        for (index, home) in window.homes.iter().enumerate().filter(|(_, home)| **home != flipped) {
            if case.candidates[*home].writable {
                prop_assert_eq!((seats.chosen[index], others.chosen[index]), (*home, *home));
            }
        }
    }

    #[test]
    fn the_order_in_which_providers_are_named_means_nothing(case in a_case(), turn in 0_usize..10) {
        let mut other = case.clone();
        other.candidates.rotate_left(turn % case.candidates.len().max(1));
        other.candidates.reverse();
        let ids = |case: &Case| case.seats().ok().map(|seats| {
            let id = |provider: usize| case.candidates[provider].id;
            (seats.chosen.into_iter().map(id).collect::<Vec<_>>(), seats.spares.into_iter().map(id).collect::<Vec<_>>())
        });
        prop_assert_eq!(ids(&case), ids(&other));
    }

    #[test]
    fn what_is_feasible_is_placed_for_every_extent_and_acknowledged_when_whole(case in a_case(), m in 0_u16..4) {
        let k = case.n.saturating_sub(m).max(1);
        if case.n == 0 {
            return Ok(());
        }
        let quorum = (case.n + k).div_ceil(2);
        if feasible(case.n, k, quorum, &case.spread, &case.candidates).is_ok() {
            let seats = case.seats().unwrap();
            let places: Vec<&Domains> = seats.chosen.iter().map(|seat| &case.candidates[*seat].domains).collect();
            prop_assert!(acknowledged(&places, k, quorum, &case.spread));
        }
    }

    #[test]
    fn acknowledged_means_quorum_and_k_left_without_any_one_domain(case in a_case(), k in 1_u16..5, quorum in 0_u16..8) {
        let places: Vec<&Domains> = case.candidates.iter().map(|candidate| &candidate.domains).collect();
        let survives = |kind: DomainKind, lost: usize| {
            let together = |place: &&&Domains| place.get(kind).is_some() && place.get(kind) == places[lost].get(kind);
            let gone = places.iter().filter(together).count().max(1);
            places.len() - gone >= usize::from(k)
        };
        let all = case.spread.keys().all(|kind| {
            let nothing_to_lose = places.is_empty() && k == 0;
            nothing_to_lose || !places.is_empty() && (0..places.len()).all(|lost| survives(*kind, lost))
        });
        let expected = places.len() >= usize::from(quorum) && all;
        prop_assert_eq!(acknowledged(&places, k, quorum, &case.spread), expected);
    }

    #[test]
    fn a_new_provider_takes_seats_and_nobody_else_gets_one(
        weights in prop::collection::vec(0.1_f64..4.0, 5..=12),
        operators in prop::collection::vec(0_u8..5, 12),
        limit in 1_u16..4,
        number: u64,
    ) {
        let mut case = Case { candidates: weighing(&weights), n: 4, spread: spread(&[(Operator, limit)]), extent: extent(number) };
        for (candidate, operator) in case.candidates.iter_mut().zip(operators) {
            candidate.domains = domains(&[(Operator, operator)]);
        }
        let newcomer = case.candidates.len() - 1;
        let fewer = Case { candidates: case.candidates[..newcomer].to_vec(), ..case.clone() };
        let (Ok(before), Ok(after)) = (fewer.window(), case.window()) else { return Ok(()) };
        let came = after.homes.iter().filter(|home| !before.homes.contains(home));
        prop_assert!(came.clone().all(|home| *home == newcomer), "{:?} became {:?}", before, after);
    }
}

/// The sum of squared deviations from what is expected, each in units of what is expected.
fn chi_squared(counts: &[f64], expected: &[f64]) -> f64 {
    counts
        .iter()
        .zip(expected)
        .map(|(count, expected)| (count - expected).powi(2) / expected)
        .sum()
}

/// What a right distribution stays below but once in a million sets of extents; ours is fixed.
fn limit(values: usize) -> f64 {
    let freedom = f64::from(u32::try_from(values - 1).unwrap());
    freedom + 5.0 * (2.0 * freedom).sqrt() + 15.0
}

/// How often each provider is among those that `pick` takes from each of 10,000 extents.
fn counts(candidates: &[Candidate], pick: impl Fn(ExtentId) -> Vec<usize>) -> Vec<f64> {
    let mut counts = vec![0.0; candidates.len()];
    for provider in (0..EXTENTS).flat_map(|number| pick(extent(number))) {
        counts[provider] += 1.0;
    }
    counts
}

fn times(chances: &[f64], count: f64) -> Vec<f64> {
    chances.iter().map(|chance| chance * count).collect()
}

#[test]
fn the_first_place_falls_to_each_provider_by_its_weight() {
    let weights = [1.0, 1.0, 0.25, 2.0, 4.0, 0.5, 3.0, 1.25];
    let candidates = weighing(&weights);
    let counts = counts(&candidates, |extent| vec![order(extent, &candidates)[0]]);
    let total: f64 = weights.iter().sum();
    let expected = times(&weights, 10_000.0 / total);
    assert!(
        chi_squared(&counts, &expected) < limit(8),
        "{counts:?} against {expected:?}"
    );
}

#[test]
fn equal_providers_hold_equally_many_fragments_of_each_index() {
    for providers in [7, 9, 16] {
        let candidates = weighing(&vec![1.0; providers]);
        for index in 0..6 {
            let seat = |extent| vec![choose(extent, 6, &spread(&[]), &candidates).unwrap().chosen[index]];
            let counts = counts(&candidates, seat);
            let expected = vec![10_000.0 / f64::from(u32::try_from(providers).unwrap()); providers];
            assert!(
                chi_squared(&counts, &expected) < limit(providers),
                "index {index}: {counts:?}"
            );
        }
    }
}

#[test]
fn providers_of_any_weight_hold_what_drawing_by_weight_gives_them() {
    let weights = [1.0, 1.0, 0.25, 2.0, 4.0, 0.5, 3.0, 1.25, 1.0, 0.75];
    let candidates = weighing(&weights);
    let seats = |extent| choose(extent, 6, &spread(&[]), &candidates).unwrap().chosen;
    let (counts, expected) = (counts(&candidates, seats), times(&chances(&weights, 6), 10_000.0));
    assert!(
        chi_squared(&counts, &expected) < limit(10),
        "{counts:?} against {expected:?}"
    );
}

#[test]
fn a_heavy_provider_holds_data_as_often_as_any_index() {
    let candidates = weighing(&[8.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]);
    let mut by_index = [0.0; 6];
    for number in 0..EXTENTS {
        let chosen = choose(extent(number), 6, &spread(&[]), &candidates).unwrap().chosen;
        if let Some(index) = chosen.iter().position(|provider| *provider == 0) {
            by_index[index] += 1.0;
        }
    }
    let share: f64 = by_index.iter().sum::<f64>() / 6.0;
    assert!(chi_squared(&by_index, &[share; 6]) < limit(6), "{by_index:?}");
}

/// Fragments that change their provider when the last candidate joins, and those that it is given.
fn moved(n: u16, spread: &BTreeMap<DomainKind, u16>, candidates: &[Candidate]) -> (u32, u32) {
    let newcomer = candidates.len() - 1;
    let homes = |extent, candidates| window(extent, n, spread, candidates).unwrap().homes;
    (0..EXTENTS).map(extent).fold((0, 0), |(moved, given), extent| {
        let (before, after) = (homes(extent, &candidates[..newcomer]), homes(extent, candidates));
        let came = after.iter().filter(|home| !before.contains(home)).count();
        (
            moved + u32::try_from(came).unwrap(),
            given + u32::from(after.contains(&newcomer)),
        )
    })
}

#[test]
fn a_provider_that_comes_or_goes_moves_its_own_share_within_5_percent() {
    for weights in [vec![1.0; 8], vec![1.0, 2.0, 1.0, 0.5, 3.0, 1.0, 1.0, 1.0, 2.0]] {
        let (moved, given) = moved(6, &spread(&[]), &weighing(&weights));
        let least = chances(&weights, 6)[weights.len() - 1] * 10_000.0;
        assert_eq!(moved, given, "nobody but the newcomer got a fragment");
        assert!(
            (f64::from(moved) / least - 1.0).abs() < 0.05,
            "{moved} moved, {least} are its share"
        );
    }
}

/// With several kinds a newcomer may push others about: two that stand in its operator and region have to make way, and two
/// others come in. What it must move is the least over all sets with it that keep the spread.
#[test]
fn with_two_kinds_of_limits_a_newcomer_moves_within_5_percent_of_what_it_must() {
    let places = [
        (1, 1),
        (2, 2),
        (3, 3),
        (4, 4),
        (5, 1),
        (6, 2),
        (7, 3),
        (8, 4),
        (1, 2),
        (2, 3),
    ];
    let (candidates, newcomer) = (standing(&places), places.len() - 1);
    let (mut moved, mut least) = (0, 0);
    for number in 0..1000 {
        let spread = spread(&[(Operator, 1), (Region, 2)]);
        let after = Case {
            candidates: candidates.clone(),
            n: 6,
            spread,
            extent: extent(number),
        };
        let before = Case {
            candidates: candidates[..newcomer].to_vec(),
            ..after.clone()
        }
        .window()
        .unwrap()
        .homes;
        let came = |set: &[usize]| set.iter().filter(|home| !before.contains(home)).count();
        let homes = after.window().unwrap().homes;
        moved += came(&homes);
        if homes.contains(&newcomer) {
            let with_it = after.all_sets().into_iter().filter(|set| set.contains(&newcomer));
            least += with_it.map(|set| came(&set)).min().unwrap();
        }
    }
    assert!(least > 400, "{least} must move");
    assert!(moved * 100 <= least * 105, "{moved} moved, {least} must");
}
