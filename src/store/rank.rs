//! In which order fragments are asked for, pure.
//!
//! ```text
//!                     first ────────────────────────────────▶ last
//! latency    state · answering · not slow ·         data before parity
//! balanced   state · answering · not slow · cheap · data before parity
//! cost       state · answering · cheap · not slow · data before parity
//!
//! state: sound, then what may have good frames, and last of all what its provider once denied having: a lagging listing or a stale read says that
//! of a fragment that is there.
//! ```
//!
//! Of a range that needs few chunks, money asks whichever is less: those chunks alone, or the k cheapest of all.

use crate::catalog::record::FragmentState;
use crate::cloud_set::policy::Prefer;
use crate::cloud_set::price::{Money, PriceList};

/// What counts of one fragment and of who holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    /// Which fragment.
    pub(super) index: u16,
    /// What the catalog calls it.
    pub(super) state: FragmentState,
    /// Its provider's last calls failed.
    pub(super) failing: bool,
    /// Its provider is slow beside the others.
    pub(super) slow: bool,
    /// What reading it costs; `None` if nobody said.
    pub(super) price: Option<Money>,
}

/// What reading `len` bytes in one request costs. What a list doesn't name is free if anything else of reading is named.
pub(super) fn price_of(list: &PriceList, len: u64) -> Option<Money> {
    let parts = [
        list.egress.map(|price| price.of(len)),
        list.retrieval.map(|price| price.of(len)),
        list.get.map(|price| price.of(1)),
    ];
    let known = parts.iter().any(Option::is_some);
    known.then(|| parts.into_iter().flatten().sum())
}

/// The places of `standings` in the order they are to be asked, each index once. `wanted` are the data chunks that a read needs of a code
/// with `k`.
pub(super) fn order(standings: &[Standing], prefer: Prefer, wanted: &[u16], k: u16) -> Vec<usize> {
    let mut order: Vec<usize> = (0..standings.len()).collect();
    order.sort_by_key(|at| {
        let s = &standings[*at];
        let price = if prefer == Prefer::Latency {
            (false, None)
        } else {
            (s.price.is_none(), s.price)
        };
        let (first, second) = match prefer {
            Prefer::Cost => ((price, false), (s.slow, (false, None))),
            Prefer::Latency | Prefer::Balanced => (((false, None), s.slow), (false, price)),
        };
        (doubt(s.state), s.failing, first, second, s.index)
    });
    let mut seen = std::collections::BTreeSet::new();
    order.retain(|at| seen.insert(standings[*at].index));
    if prefer != Prefer::Latency && wanted.len() < usize::from(k) {
        prefer_wanted(standings, &mut order, prefer, wanted, k);
    }
    order
}

/// How little is to be hoped for from a fragment in this state.
fn doubt(state: FragmentState) -> u8 {
    match state {
        FragmentState::Sound => 0,
        FragmentState::Sent | FragmentState::Damaged => 1,
        FragmentState::Missing => 2,
    }
}

/// Takes the wanted chunks to the front if they alone cost no more than the k that stand there.
fn prefer_wanted(standings: &[Standing], order: &mut [usize], prefer: Prefer, wanted: &[u16], k: u16) {
    let is_wanted = |at: &usize| wanted.contains(&standings[*at].index);
    let sound = |at: &&usize| standings[**at].state == FragmentState::Sound && !standings[**at].failing;
    let quick = |at: &&usize| prefer == Prefer::Cost || !standings[**at].slow;
    let alone: Vec<usize> = order
        .iter()
        .filter(|at| is_wanted(at))
        .filter(sound)
        .filter(quick)
        .copied()
        .collect();
    if alone.len() == wanted.len() && cost(standings, &alone) <= cost(standings, &order[..order.len().min(k.into())]) {
        order.sort_by_key(|at| !is_wanted(at));
    }
}

/// Unknown prices first: they may be any.
fn cost(standings: &[Standing], of: &[usize]) -> (usize, Money) {
    let prices = of.iter().map(|at| standings[*at].price);
    let unknown = prices.clone().filter(Option::is_none).count();
    (unknown, prices.flatten().sum())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn standing(index: u16, price: u128) -> Standing {
        Standing {
            index,
            state: FragmentState::Sound,
            failing: false,
            slow: false,
            price: Some(Money::billionths(price)),
        }
    }

    fn indices(standings: &[Standing], prefer: Prefer, wanted: &[u16], k: u16) -> Vec<u16> {
        let order = order(standings, prefer, wanted, k);
        order.into_iter().map(|at| standings[at].index).collect()
    }

    #[test]
    fn latency_asks_data_first_and_the_slow_last_whatever_they_cost() {
        let mut all: Vec<Standing> = (0..6).map(|i| standing(i, 100 - u128::from(i))).collect();
        all[1].slow = true;
        assert_eq!(indices(&all, Prefer::Latency, &[0, 1, 2, 3], 4), [0, 2, 3, 4, 5, 1]);
    }

    #[test]
    fn cost_asks_the_cheap_even_if_they_are_slow_and_balanced_only_if_they_are_not() {
        let mut all: Vec<Standing> = (0..6).map(|i| standing(i, 100 - u128::from(i))).collect();
        all[5].slow = true;
        assert_eq!(indices(&all, Prefer::Cost, &[0, 1, 2, 3], 4), [5, 4, 3, 2, 1, 0]);
        assert_eq!(indices(&all, Prefer::Balanced, &[0, 1, 2, 3], 4), [4, 3, 2, 1, 0, 5]);
        all[3].price = None;
        assert_eq!(
            indices(&all, Prefer::Cost, &[0, 1, 2, 3], 4),
            [5, 4, 2, 1, 0, 3],
            "unknown is not free"
        );
    }

    #[test]
    fn who_fails_is_asked_late_the_damaged_later_and_the_missing_last_however_cheap() {
        let mut all: Vec<Standing> = (0..5).map(|i| standing(i, u128::from(i))).collect();
        all[0].failing = true;
        all[1].state = FragmentState::Missing;
        all[2].state = FragmentState::Damaged;
        assert_eq!(indices(&all, Prefer::Cost, &[0, 1], 2), [3, 4, 0, 2, 1]);
    }

    proptest! {
        /// Against all sets of fragments that can read a range: its own chunks, or any k.
        #[test]
        fn with_cost_nothing_that_could_read_is_cheaper(
            prices in proptest::collection::vec(0_u128..50, 3..9), k in 1_usize..6, wanted in 1_usize..6,
        ) {
            let k = k.min(prices.len());
            let wanted: Vec<u16> = (0..u16::try_from(wanted.min(k)).expect("small")).collect();
            let all: Vec<Standing> = (0..).zip(&prices).map(|(i, price)| standing(i, *price)).collect();
            let order = indices(&all, Prefer::Cost, &wanted, u16::try_from(k).expect("small"));
            // What `Gather` asks first.
            let best = &order[..k.max(wanted.len())];
            let asked: &[u16] = if wanted.iter().all(|chunk| best.contains(chunk)) { &wanted } else { &best[..k] };
            let sum = |set: &[u16]| set.iter().map(|i| prices[usize::from(*i)]).sum::<u128>();
            let cheapest = (0_u32..1 << prices.len())
                .filter(|set| {
                    let set = |i: &u16| set >> i & 1 == 1;
                    wanted.iter().all(set) || (0..u16::try_from(prices.len()).expect("small")).filter(set).count() >= k
                })
                .map(|set| prices.iter().enumerate().filter(|(i, _)| set >> i & 1 == 1).map(|(_, price)| price).sum::<u128>())
                .min();
            prop_assert_eq!(Some(sum(asked)), cheapest);
        }
    }
}
