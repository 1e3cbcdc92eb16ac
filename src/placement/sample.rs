//! Providers and extents for the tests.

use std::collections::BTreeMap;

use super::Candidate;
use crate::cloud_set::domain::{DomainKind, Domains};
use crate::fragment::id::{ExtentId, ProviderId};

/// The 16 bytes that stand for `number`, as random as a real id.
fn id(label: &str, number: u64) -> [u8; 16] {
    let hash = blake3::derive_key(label, &number.to_le_bytes());
    *hash.first_chunk().expect("32 bytes hold 16")
}

/// The extent with this number.
pub(super) fn extent(number: u64) -> ExtentId {
    ExtentId(id("extents of the tests", number))
}

/// A writable provider with this number.
pub(super) fn provider(number: u64, weight: f64) -> Candidate {
    let id = ProviderId(id("providers of the tests", number));
    Candidate {
        id,
        weight,
        domains: Domains::default(),
        writable: true,
    }
}

/// Providers of these weights, in no domain.
pub(super) fn weighing(weights: &[f64]) -> Vec<Candidate> {
    (0..)
        .zip(weights)
        .map(|(number, weight)| provider(number, *weight))
        .collect()
}

/// Places by kind; 0 names none.
pub(super) fn domains(places: &[(DomainKind, u8)]) -> Domains {
    let named = places.iter().filter(|(_, place)| *place != 0);
    Domains(named.map(|(kind, place)| (*kind, format!("{kind}-{place}"))).collect())
}

/// Providers of equal weight in these operators and regions; 0 names none.
pub(super) fn standing(places: &[(u8, u8)]) -> Vec<Candidate> {
    let stand = |(number, (operator, region)): (u64, &(u8, u8))| Candidate {
        domains: domains(&[(DomainKind::Operator, *operator), (DomainKind::Region, *region)]),
        ..provider(number, 1.0)
    };
    (0..).zip(places).map(stand).collect()
}

/// A spread with these limits.
pub(super) fn spread(limits: &[(DomainKind, u16)]) -> BTreeMap<DomainKind, u16> {
    limits.iter().copied().collect()
}

/// The chance of each provider to be among the first n of an order, when places are drawn by weight one after another.
pub(super) fn chances(weights: &[f64], n: u32) -> Vec<f64> {
    let sets = 1_usize << weights.len();
    let outside = |set: usize| (0..weights.len()).filter(move |i| set >> i & 1 == 0);
    let mut reached = vec![0.0; sets];
    reached[0] = 1.0;
    let mut chances = vec![0.0; weights.len()];
    for set in (0..sets).filter(|set| set.count_ones() < n) {
        let open: f64 = outside(set).map(|i| weights[i]).sum();
        for i in outside(set) {
            let chance = reached[set] * weights[i] / open;
            reached[set | 1 << i] += chance;
            chances[i] += chance;
        }
    }
    chances
}
