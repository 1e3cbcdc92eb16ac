//! Weighted rendezvous hashing: each extent draws a number for each provider, and the highest come first.
//!
//! A provider of weight w that draws u from (0, 1) scores −w / ln u. So the first place falls to a provider in proportion to
//! its weight, the second in proportion among the others, and so on; a provider that comes or goes changes nobody else's
//! score. Sources: Thaler and Ravishankar 1998; for the weights Schindelhauer and Schomaker 2005.
//!
//! What is drawn is fixed for ever, and the same on every machine: the logarithm is computed here, from sums and products
//! that IEEE 754 rounds in one way only, and not by the platform's library.

use std::cmp::Ordering;
use std::f64::consts::{LN_2, SQRT_2};

use super::Candidate;
use crate::fragment::id::{ExtentId, ProviderId};

/// Separates these hashes from all others.
const LABEL: &[u8; 17] = b"raic v1 placement";

/// Bits of a draw: with half a step added it is exact in an `f64`, above 0 and below 1.
const DRAWN_BITS: u32 = 52;

/// Terms of the series for the logarithm; the next is below 2^-53 of the first for every m in it (z² ≤ 0.0295).
const TERMS: u32 = 11;

/// What an extent draws for a provider.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Draw {
    /// From (0, 1): decides the order.
    pub(super) luck: f64,
    /// Decides which of the chosen holds which fragment.
    pub(super) turn: u64,
}

impl Draw {
    /// The first 16 bytes of hash(label ‖ extent ‖ provider) as two little-endian numbers.
    pub(super) fn new(extent: ExtentId, provider: ProviderId) -> Draw {
        let mut drawn = [0; 49];
        drawn[..17].copy_from_slice(LABEL);
        drawn[17..33].copy_from_slice(&extent.0);
        drawn[33..].copy_from_slice(&provider.0);
        let hash = blake3::hash(&drawn);
        let (numbers, _) = hash.as_bytes().as_chunks::<8>();
        Draw {
            luck: unit(u64::from_le_bytes(numbers[0])),
            turn: u64::from_le_bytes(numbers[1]),
        }
    }

    /// The score of a provider of this weight; more is earlier.
    pub(super) fn score(self, weight: f64) -> f64 {
        -weight / ln(self.luck)
    }
}

/// All candidates, the highest score first; between equals the lower id.
///
/// # Panics
///
/// If a weight is negative or not finite.
pub(super) fn rank(draws: &[Draw], candidates: &[Candidate]) -> Vec<usize> {
    let scores: Vec<f64> = draws
        .iter()
        .zip(candidates)
        .map(|(draw, candidate)| score(*draw, candidate))
        .collect();
    let before = |a: &usize, b: &usize| -> Ordering {
        let by_score = scores[*b].total_cmp(&scores[*a]);
        by_score.then_with(|| candidates[*a].id.cmp(&candidates[*b].id))
    };
    let mut ranked: Vec<usize> = (0..candidates.len()).collect();
    ranked.sort_unstable_by(before);
    ranked
}

fn score(draw: Draw, candidate: &Candidate) -> f64 {
    let weight = candidate.weight;
    assert!(
        weight.is_finite() && weight >= 0.0,
        "provider {} has the weight {weight}",
        candidate.id
    );
    draw.score(weight)
}

/// The middle of one of 2^52 steps from 0 to 1.
#[expect(clippy::cast_precision_loss, reason = "52 bits fit the mantissa")]
fn unit(random: u64) -> f64 {
    let steps = (1_u64 << DRAWN_BITS) as f64;
    ((random >> (u64::BITS - DRAWN_BITS)) as f64 + 0.5) / steps
}

/// The natural logarithm of `u`, a normal number above 0, to 2 units in the last place.
///
/// With u = m · 2^e, m in [√½, √2), and z = (m − 1) / (m + 1): ln u = e ln 2 + 2 (z + z³/3 + z⁵/5 + ...).
fn ln(u: f64) -> f64 {
    let (mut m, mut e) = split(u);
    if m >= SQRT_2 {
        (m, e) = (m / 2.0, e + 1.0);
    }
    let z = (m - 1.0) / (m + 1.0);
    let series = (0..TERMS)
        .rev()
        .fold(0.0, |sum, i| sum * (z * z) + 1.0 / f64::from(2 * i + 1));
    e * LN_2 + 2.0 * z * series
}

/// The mantissa, 1 ≤ m < 2, and the exponent of 2.
fn split(u: f64) -> (f64, f64) {
    const FRACTION: u64 = (1 << 52) - 1;
    let exponent = u16::try_from(u.to_bits() >> 52 & 0x7ff).expect("11 bits");
    let m = f64::from_bits(u.to_bits() & FRACTION | 1.0_f64.to_bits());
    (m, f64::from(exponent) - 1023.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_logarithm_is_that_of_the_library_to_15_digits(random: u64, shift in 0_u32..52) {
            for u in [unit(random), unit(random >> shift), unit(!(random >> shift))] {
                let (ours, theirs) = (ln(u), u.ln());
                prop_assert!((ours - theirs).abs() <= 1e-15 * theirs.abs(), "ln {u} is {ours}, not {theirs}");
            }
        }
    }

    #[test]
    fn every_draw_lies_between_0_and_1_and_has_a_finite_score() {
        for random in [0, 1, u64::MAX, u64::MAX - 1, 1 << 63, 1 << 12] {
            let u = unit(random);
            assert!(0.0 < u && u < 1.0, "{u}");
            let score = Draw { luck: u, turn: 0 }.score(1.0);
            assert!(score.is_finite() && score > 0.0, "{score}");
        }
    }

    /// Computed by Python: `blake3` 1.0 and `math.log`.
    #[test]
    fn what_is_drawn_stays_so_for_ever() {
        let ramp = |from: u8| std::array::from_fn(|i| from + u8::try_from(i).unwrap());
        let vectors = [
            (
                [0; 16],
                [0; 16],
                1.0,
                0.049_357_575_820_082_93,
                0x5df9_88c9_f9e6_c005,
                0.332_373_437_425_042_7,
            ),
            (
                ramp(0),
                ramp(16),
                1.0,
                0.419_240_119_370_279_83,
                0xaa10_8bfd_9ac8_d157,
                1.150_335_710_703_952_2,
            ),
            (
                ramp(0),
                ramp(16),
                2.5,
                0.419_240_119_370_279_83,
                0xaa10_8bfd_9ac8_d157,
                2.875_839_276_759_880_4,
            ),
            (
                [0xff; 16],
                ramp(0),
                0.25,
                0.852_621_266_923_015_9,
                0xccdd_8222_1204_8f5f,
                1.567_989_616_408_757_4,
            ),
        ];
        for (extent, provider, weight, luck, turn, score) in vectors {
            let draw = Draw::new(ExtentId(extent), ProviderId(provider));
            assert_eq!(draw, Draw { luck, turn });
            assert!(
                (draw.score(weight) - score).abs() <= 1e-15 * score,
                "{} is not {score}",
                draw.score(weight)
            );
        }
    }

    /// The score's last bit is ours, whatever the library of the platform says.
    #[test]
    fn a_score_is_the_same_bits_everywhere() {
        let bits = [
            0.049_357_575_820_082_93,
            0.419_240_119_370_279_83,
            0.852_621_266_923_015_9,
        ]
        .map(|luck| Draw { luck, turn: 0 }.score(1.0).to_bits());
        assert_eq!(
            bits,
            [0x3fd5_459b_3cf3_2da5, 0x3ff2_67c6_6b0e_4f6e, 0x4019_167c_47af_1758]
        );
    }
}
