//! Chance from a seed, for fakes, faults and jitter: the same seed and the same order of questions give the same answers.

use std::sync::atomic::{AtomicU64, Ordering};

/// A stream of numbers from one seed (`SplitMix64`; Steele, Lea and Flood 2014). Not for secrets.
#[derive(Debug)]
pub struct Chance(AtomicU64);

impl Chance {
    /// The stream of this seed, from its start.
    #[must_use]
    pub fn seeded(seed: u64) -> Chance {
        Chance(AtomicU64::new(seed))
    }

    /// The next 64 bits.
    pub fn bits(&self) -> u64 {
        const STEP: u64 = 0x9E37_79B9_7F4A_7C15;
        let mut z = self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number from 0 to `bound` − 1, each as likely as the others to one part in 2^64 / `bound`.
    ///
    /// # Panics
    /// If `bound` is 0.
    pub fn below(&self, bound: u64) -> u64 {
        assert!(bound > 0, "no number is below 0");
        let wide = u128::from(self.bits()) * u128::from(bound);
        u64::try_from(wide >> 64).expect("the upper half of a product of 64-bit numbers has 64 bits")
    }

    /// True `parts` times in a million.
    pub fn per_million(&self, parts: u32) -> bool {
        self.below(1_000_000) < u64::from(parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_published_sequence() {
        // The first numbers of SplitMix64 from seed 1234567, as its authors' C program prints them.
        let chance = Chance::seeded(1_234_567);
        let drawn: Vec<u64> = (0..3).map(|_| chance.bits()).collect();
        assert_eq!(
            drawn,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423
            ]
        );
    }

    #[test]
    fn numbers_stay_below_their_bound_and_reach_all_of_it() {
        let chance = Chance::seeded(7);
        let mut seen = [0_u32; 5];
        for _ in 0..1_000 {
            seen[usize::try_from(chance.below(5)).unwrap()] += 1;
        }
        assert!(seen.iter().all(|&times| times > 100), "{seen:?}");
    }

    #[test]
    fn a_share_of_a_million_comes_about_that_often() {
        let chance = Chance::seeded(11);
        let hits = (0..10_000).filter(|_| chance.per_million(250_000)).count();
        assert!((2_200..2_800).contains(&hits), "{hits} of 10000");
        assert!(!chance.per_million(0));
        assert!(chance.per_million(1_000_000));
    }
}
