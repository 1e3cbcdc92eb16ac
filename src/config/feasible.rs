//! Whether a policy can hold over the providers it allows: proved when the configuration is read, not found out by a put.

use std::collections::{BTreeMap, BTreeSet};

use crate::cloud_set::quantity::Size;
use crate::cloud_set::{Policy, Profile};
use crate::fragment::id::ProviderId;
use crate::placement::{self, Candidate};

use super::error::Infeasible;

/// The most chunks of a stripe, the code's bound.
const MAX_N: u16 = 256;

/// The longest fragment: every service takes it in one call.
pub(super) const MAX_FRAGMENT: u64 = 64 << 20;

/// What a fragment has beside its chunks, at most, for one chunk: the header and a tag.
const FRAGMENT_OVERHEAD: u64 = 4096 + 32;

/// Checks what the policy says by itself, without providers.
pub(super) fn check_numbers(policy: &Policy) -> Result<(), Infeasible> {
    let (k, m) = (policy.k, policy.m);
    if k + m > MAX_N {
        return Err(Infeasible::TooWide { k, m });
    }
    let (n, quorum) = (policy.n(), policy.quorum);
    let lowest = Policy::lowest_quorum(k, n);
    if !(lowest..=n).contains(&quorum) {
        return Err(Infeasible::Quorum { quorum, lowest, k, n });
    }
    let (fragment, chunk) = (policy.fragment_len, u64::from(policy.chunk_len));
    let least = chunk + FRAGMENT_OVERHEAD;
    if fragment < least {
        return Err(Infeasible::FragmentTooSmall {
            fragment: Size::of(fragment),
            chunk: Size::of(chunk),
            least: Size::of(least),
        });
    }
    Ok(())
}

/// Checks the policy over the providers it allows, whatever their state: a full placement exists, and any passes the
/// acknowledgement rule.
pub(super) fn check_placement(policy: &Policy, eligible: &[&Profile]) -> Result<(), Infeasible> {
    let (k, m, n) = (policy.k, policy.m, policy.n());
    if eligible.len() < usize::from(n) {
        let eligible = eligible.len();
        return Err(Infeasible::TooFewProviders { k, m, eligible });
    }
    // Which provider has which id is nothing to the question.
    let candidates = (1u128..).zip(eligible).map(|(id, profile)| Candidate {
        id: ProviderId(id.to_le_bytes()),
        weight: profile.weight.share(),
        domains: profile.domains.clone(),
        writable: true,
    });
    let candidates: Vec<Candidate> = candidates.collect();
    placement::feasible(n, k, policy.quorum, &policy.spread, &candidates).map_err(Infeasible::Placement)
}

/// The policies on the way from `name` along `extends`, if it comes round to itself.
pub(super) fn circle(name: &str, parents: &BTreeMap<String, String>) -> Option<Vec<String>> {
    let mut seen = BTreeSet::from([name]);
    let mut by = Vec::new();
    let mut at = name;
    while let Some(parent) = parents.get(at) {
        if parent == name {
            by.push(parent.clone());
            return Some(by);
        }
        if !seen.insert(parent) {
            return None;
        }
        by.push(parent.clone());
        at = parent;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud_set::quantity::Weight;
    use crate::cloud_set::{DomainKind, Domains, Limits, Prefer, ProfileState};
    use crate::placement::PlacementError;

    fn policy(k: u16, m: u16, spread: &[(DomainKind, u16)]) -> Policy {
        Policy {
            name: "p".into(),
            k,
            m,
            spread: spread.iter().copied().collect(),
            quorum: Policy::lowest_quorum(k, k + m),
            sealed: true,
            prefer: Prefer::Latency,
            providers: None,
            chunk_len: 65_536,
            fragment_len: 8 << 20,
        }
    }

    fn provider(operator: Option<usize>) -> Profile {
        let domain = operator.map(|o| (DomainKind::Operator, format!("o{o}")));
        Profile {
            name: String::new(),
            scheme: "memory".into(),
            options: BTreeMap::new(),
            domains: Domains(domain.into_iter().collect()),
            quota: None,
            weight: Weight::default(),
            limits: Limits::default(),
            cost: None,
            state: ProfileState::Active,
        }
    }

    #[test]
    fn numbers_at_their_bounds_hold_and_one_beyond_does_not() {
        assert_eq!(check_numbers(&policy(255, 1, &[])), Ok(()));
        assert_eq!(check_numbers(&policy(1, 255, &[])), Ok(()));
        assert_eq!(
            check_numbers(&policy(255, 2, &[])),
            Err(Infeasible::TooWide { k: 255, m: 2 })
        );
        for (quorum, good) in [(4, false), (5, true), (6, true), (7, false)] {
            let mut four_and_two = policy(4, 2, &[]);
            four_and_two.quorum = quorum;
            assert_eq!(check_numbers(&four_and_two).is_ok(), good, "{quorum}");
        }
        let mut tight = policy(1, 0, &[]);
        tight.fragment_len = u64::from(tight.chunk_len) + 4096 + 32;
        assert_eq!(check_numbers(&tight), Ok(()));
        tight.fragment_len -= 1;
        assert!(matches!(
            check_numbers(&tight),
            Err(Infeasible::FragmentTooSmall { .. })
        ));
    }

    #[test]
    fn three_operators_do_not_take_four_fragments_one_each() {
        let providers: Vec<Profile> = [0, 0, 1, 2].map(|o| provider(Some(o))).into();
        let providers: Vec<&Profile> = providers.iter().collect();
        let one_each = policy(2, 2, &[(DomainKind::Operator, 1)]);
        let crowded = check_placement(&one_each, &providers);
        assert!(matches!(
            crowded,
            Err(Infeasible::Placement(PlacementError::Crowded { room: 3, want: 4, .. }))
        ));
        assert_eq!(
            check_placement(&policy(2, 2, &[(DomainKind::Operator, 2)]), &providers),
            Ok(())
        );
        assert_eq!(
            check_placement(&policy(3, 2, &[]), &providers),
            Err(Infeasible::TooFewProviders {
                k: 3,
                m: 2,
                eligible: 4
            })
        );
        let two_of_four = policy(3, 1, &[(DomainKind::Operator, 2)]);
        let perilous = check_placement(&two_of_four, &providers);
        assert!(matches!(
            perilous,
            Err(Infeasible::Placement(PlacementError::Perilous { load: 2, .. }))
        ));
    }

    #[test]
    fn a_circle_is_told_by_those_on_it_only() {
        let parents: BTreeMap<String, String> = [("a", "b"), ("b", "c"), ("c", "b"), ("d", "e")]
            .map(|(child, parent)| (child.to_owned(), parent.to_owned()))
            .into();
        assert_eq!(circle("a", &parents), None);
        assert_eq!(circle("b", &parents), Some(vec!["c".into(), "b".into()]));
        assert_eq!(circle("d", &parents), None);
    }
}
