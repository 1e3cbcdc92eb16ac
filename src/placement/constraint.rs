//! What must hold of a placement: at the policy's reading, and at each write's acknowledgement.

use std::collections::BTreeMap;
use std::fmt;

use super::Candidate;
use super::room::{Partition, partitions};
use super::search::{any, by_id, most_below};
use crate::cloud_set::domain::{DomainKind, Domains};
use crate::cloud_set::policy::Policy;

/// Why extents can't be placed as they are to be: the policy or the cloud set is to be changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlacementError {
    /// No provider holds two fragments of an extent.
    #[error("{want} fragments take {want} providers, {have} are there")]
    TooFew {
        /// Providers that are there.
        have: usize,
        /// Fragments of an extent.
        want: usize,
    },
    /// One limit is too low for these domains.
    #[error(
        "spread {limits} leaves room for {room} of {want} fragments: \
         {providers} providers stand in {domains} domains of that kind"
    )]
    Crowded {
        /// The limit.
        limits: Limits,
        /// Domains of the kind; a provider that names none is one of its own.
        domains: usize,
        /// Providers that are there.
        providers: usize,
        /// Fragments that can be placed.
        room: usize,
        /// Fragments of an extent.
        want: usize,
    },
    /// Limits that could be kept one by one, but not all at once.
    #[error(
        "spread {limits} leaves room for {room} of {want} fragments on {providers} providers; each limit alone would do"
    )]
    Entangled {
        /// The limits.
        limits: Limits,
        /// Providers that are there.
        providers: usize,
        /// Fragments that can be placed.
        room: usize,
        /// Fragments of an extent.
        want: usize,
    },
    /// A domain may hold so many fragments that a write is never acknowledged: what is left without it can't be read.
    #[error(
        "spread {limits} lets one {kind} hold {load} of {n} fragments; without it {left} are left and {k} are needed, \
         so at most {allowed} may meet there",
        kind = .limits.kinds(), left = .n - .load, allowed = .n - .k
    )]
    Perilous {
        /// The limit.
        limits: Limits,
        /// Fragments that may meet in one domain.
        load: usize,
        /// Fragments of an extent.
        n: usize,
        /// Fragments that a read takes.
        k: usize,
    },
    /// Not between the lowest quorum and all fragments.
    #[error("a write quorum of {quorum} is not between {lowest} and {n}, the fragments of an extent")]
    Quorum {
        /// The policy's.
        quorum: u16,
        /// Any two quorums meet in k fragments from here on.
        lowest: u16,
        /// Fragments of an extent.
        n: u16,
    },
    /// The limits are so interwoven that the search was given up.
    #[error("spread {limits} on {providers} providers is too interwoven to decide; name fewer kinds")]
    Undecided {
        /// The limits.
        limits: Limits,
        /// Providers that are there.
        providers: usize,
    },
}

/// Limits of a spread, as the configuration writes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits(pub Vec<(DomainKind, usize)>);

impl Limits {
    fn of(partitions: &[Partition]) -> Limits {
        Limits(
            partitions
                .iter()
                .map(|partition| (partition.kind, partition.limit))
                .collect(),
        )
    }

    /// The kinds in words.
    fn kinds(&self) -> String {
        let words: Vec<&str> = self.0.iter().map(|(kind, _)| kind.word()).collect();
        words.join(", ")
    }
}

impl fmt::Display for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let limits: Vec<String> = self.0.iter().map(|(kind, limit)| format!("{kind}: {limit}")).collect();
        write!(f, "{{ {} }}", limits.join(", "))
    }
}

impl PlacementError {
    /// Says why there is no room for `want` of the candidates `order`.
    pub(super) fn no_room(want: usize, order: &[usize], partitions: &[Partition]) -> PlacementError {
        let providers = order.len();
        if providers < want {
            return PlacementError::TooFew { have: providers, want };
        }
        let tightest = partitions.iter().min_by_key(|partition| partition.room());
        match tightest.filter(|partition| partition.room() < want) {
            Some(partition) => PlacementError::Crowded {
                limits: Limits::of(std::slice::from_ref(partition)),
                domains: partition.sizes.len(),
                providers,
                room: partition.room(),
                want,
            },
            None => PlacementError::Entangled {
                limits: Limits::of(partitions),
                providers,
                room: most_below(want, order, partitions),
                want,
            },
        }
    }

    /// Says that the search among `providers` was given up.
    pub(super) fn undecided(providers: usize, partitions: &[Partition]) -> PlacementError {
        PlacementError::Undecided {
            limits: Limits::of(partitions),
            providers,
        }
    }
}

/// Proves that all `n` fragments of any extent find a seat within `spread` among all `candidates`, writable or not, and that a
/// write that reaches all of them is acknowledged.
///
/// # Panics
///
/// Unless 1 ≤ k ≤ n.
pub fn feasible(
    n: u16,
    k: u16,
    quorum: u16,
    spread: &BTreeMap<DomainKind, u16>,
    candidates: &[Candidate],
) -> Result<(), PlacementError> {
    assert!(1 <= k && k <= n, "k = {k} of n = {n}");
    let lowest = Policy::lowest_quorum(k, n);
    if !(lowest..=n).contains(&quorum) {
        return Err(PlacementError::Quorum { quorum, lowest, n });
    }
    let partitions = partitions(spread, candidates);
    any(usize::from(n), &by_id(candidates), &partitions)?;
    partitions
        .iter()
        .try_for_each(|partition| survivable(partition, usize::from(n), usize::from(k)))
}

/// Whichever placement is chosen, the loss of its fullest domain leaves k.
fn survivable(partition: &Partition, n: usize, k: usize) -> Result<(), PlacementError> {
    let load = partition.largest_load();
    if n - load.min(n) >= k {
        return Ok(());
    }
    Err(PlacementError::Perilous {
        limits: Limits::of(std::slice::from_ref(partition)),
        load: load.min(n),
        n,
        k,
    })
}

/// The acknowledgement rule: at least `quorum` fragments are confirmed, and for each kind that `spread` names at least `k` of
/// them would be left without the domain that holds most. `confirmed` has the place of each confirmed fragment's provider.
pub fn acknowledged(confirmed: &[&Domains], k: u16, quorum: u16, spread: &BTreeMap<DomainKind, u16>) -> bool {
    let enough = confirmed.len() >= usize::from(quorum);
    enough
        && spread
            .keys()
            .all(|kind| confirmed.len() - largest(confirmed, *kind) >= usize::from(k))
}

/// The most of `places` that share a domain of this kind.
fn largest(places: &[&Domains], kind: DomainKind) -> usize {
    let mut loads: BTreeMap<&str, usize> = BTreeMap::new();
    for domain in places.iter().filter_map(|place| place.get(kind)) {
        *loads.entry(domain).or_default() += 1;
    }
    let alone = usize::from(!places.is_empty());
    loads.into_values().max().unwrap_or(0).max(alone)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud_set::domain::DomainKind::{Account, Operator, Region};
    use crate::placement::sample::{domains, spread, standing};

    fn refused(n: u16, k: u16, limits: &[(DomainKind, u16)], places: &[(u8, u8)]) -> String {
        let quorum = Policy::lowest_quorum(k, n);
        feasible(n, k, quorum, &spread(limits), &standing(places))
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn a_policy_that_can_not_hold_is_refused_with_the_numbers_that_say_why() {
        assert_eq!(
            refused(6, 4, &[], &[(0, 0); 5]),
            "6 fragments take 6 providers, 5 are there"
        );
        assert_eq!(
            refused(
                6,
                4,
                &[(Operator, 1)],
                &[(1, 0), (1, 0), (2, 0), (2, 0), (3, 0), (0, 0), (0, 0)]
            ),
            "spread { operator: 1 } leaves room for 5 of 6 fragments: 7 providers stand in 5 domains of that kind"
        );
        assert_eq!(
            refused(3, 2, &[(Operator, 1), (Region, 1)], &[(1, 1), (2, 1), (3, 2), (3, 3)]),
            "spread { operator: 1, region: 1 } leaves room for 2 of 3 fragments on 4 providers; each limit alone would do"
        );
        assert_eq!(
            refused(
                6,
                4,
                &[(Region, 3)],
                &[(0, 1), (0, 1), (0, 1), (0, 2), (0, 2), (0, 3), (0, 4)]
            ),
            "spread { region: 3 } lets one region hold 3 of 6 fragments; without it 3 are left and 4 are needed, \
             so at most 2 may meet there"
        );
    }

    #[test]
    fn a_limit_that_no_domain_can_reach_does_no_harm() {
        let pairs = standing(&[(0, 1), (0, 1), (0, 2), (0, 2), (0, 3), (0, 3)]);
        assert_eq!(feasible(6, 4, 5, &spread(&[(Region, 5)]), &pairs), Ok(()));
    }

    #[test]
    fn a_quorum_lies_between_the_lowest_and_all() {
        let candidates = standing(&[(0, 0); 6]);
        for (quorum, holds) in [(4, false), (5, true), (6, true), (7, false)] {
            let result = feasible(6, 4, quorum, &spread(&[]), &candidates);
            let refusal = Err(PlacementError::Quorum {
                quorum,
                lowest: 5,
                n: 6,
            });
            assert_eq!(result, if holds { Ok(()) } else { refusal });
        }
    }

    #[test]
    fn acknowledged_counts_the_fullest_domain_as_lost() {
        let (one, two, none) = (domains(&[(Operator, 1)]), domains(&[(Operator, 2)]), domains(&[]));
        let rule = |confirmed: &[&Domains]| acknowledged(confirmed, 2, 4, &spread(&[(Operator, 9)]));
        assert!(rule(&[&one, &one, &two, &two]), "2 are left without either");
        assert!(!rule(&[&one, &one, &one, &two]), "1 is left without the first");
        assert!(rule(&[&none, &none, &none, &none]), "each stands alone");
        assert!(!rule(&[&one, &two, &none]), "3 are no quorum of 4");
        assert!(acknowledged(&[&one; 4], 2, 4, &spread(&[])), "no kind is named");
        assert!(
            acknowledged(&[&one; 4], 2, 4, &spread(&[(Account, 1)])),
            "the kind that is named is not theirs"
        );
    }
}
