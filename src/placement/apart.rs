//! Which fragments of an extent share a provider with another: two of them vanish together.
//!
//! Placement never seats two together, but a rebuild from listings takes what it finds, old copies of moved fragments included. Where each index can be
//! given a holder of its own, the other copies are surplus; an index that can't is to be made anew elsewhere, if need be beside a surplus one.

use std::collections::{BTreeMap, BTreeSet};

use crate::fragment::id::ProviderId;

/// The indices of `holders` (who holds which index) that are left without a provider of their own, however the others are given theirs.
#[must_use]
pub fn crowded(holders: &BTreeMap<u16, BTreeSet<ProviderId>>) -> BTreeSet<u16> {
    let owned: BTreeSet<u16> = owners(holders).into_values().collect();
    holders.keys().copied().filter(|index| !owned.contains(index)).collect()
}

/// Providers of their own for as many indices of `holders` as can have one: whose each is. What others hold beside them is surplus.
#[must_use]
pub fn owners(holders: &BTreeMap<u16, BTreeSet<ProviderId>>) -> BTreeMap<ProviderId, u16> {
    let mut owners = BTreeMap::new();
    for index in holders.keys() {
        settle(*index, holders, &mut owners, &mut BTreeSet::new());
    }
    owners
}

/// Gives `index` a provider, if need be one whose owner finds another.
fn settle(
    index: u16,
    holders: &BTreeMap<u16, BTreeSet<ProviderId>>,
    owner: &mut BTreeMap<ProviderId, u16>,
    asked: &mut BTreeSet<ProviderId>,
) -> bool {
    for provider in &holders[&index] {
        if !asked.insert(*provider) {
            continue;
        }
        let free = owner
            .get(provider)
            .copied()
            .is_none_or(|other| settle(other, holders, owner, asked));
        if free {
            owner.insert(*provider, index);
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn holders(sets: &[BTreeSet<u128>]) -> BTreeMap<u16, BTreeSet<ProviderId>> {
        let of = |set: &BTreeSet<u128>| set.iter().map(|id| ProviderId(id.to_be_bytes())).collect();
        (0..).zip(sets.iter().map(of)).collect()
    }

    /// The most indices that can have providers of their own, by trying every way.
    fn most(sets: &[BTreeSet<u128>], taken: &mut BTreeSet<u128>) -> usize {
        let Some((first, rest)) = sets.split_first() else {
            return 0;
        };
        let mut best = most(rest, taken);
        for id in first {
            if taken.insert(*id) {
                best = best.max(1 + most(rest, taken));
                taken.remove(id);
            }
        }
        best
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        #[test]
        fn as_many_as_can_have_a_provider_of_their_own(
            sets in prop::collection::vec(prop::collection::btree_set(0_u128..6, 0..4), 0..6),
        ) {
            let crowded = crowded(&holders(&sets));
            prop_assert_eq!(sets.len() - crowded.len(), most(&sets, &mut BTreeSet::new()));
        }
    }

    #[test]
    fn fragments_that_lie_apart_are_left_alone() {
        let apart: Vec<BTreeSet<u128>> = (0..200).map(|id| BTreeSet::from([id])).collect();
        assert!(crowded(&holders(&apart)).is_empty());
    }
}
