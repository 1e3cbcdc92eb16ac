//! NEON, every 64-bit ARM CPU: 16 bytes a vector, a product is two look-ups.
#![expect(
    clippy::inline_always,
    reason = "the instructions are switched on in `run`, the only caller"
)]

use std::arch::aarch64::{
    uint8x16_t, vandq_u8, vdupq_n_u8, veorq_u8, vld1q_u8, vmaxvq_u8, vorrq_u8, vqtbl1q_u8, vshrq_n_u8, vst1q_u8,
};
use std::arch::is_aarch64_feature_detected;

use super::fused::{End, Lanes, by_width};
use super::halves::HALVES;
use super::pass::Pass;

/// Proof that this CPU has NEON: only [`Neon::detect`] makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Neon(());

impl Neon {
    /// The proof, when this CPU has it.
    pub(super) fn detect() -> Option<Neon> {
        is_aarch64_feature_detected!("neon").then_some(Neon(()))
    }
}

/// There are 32 registers: for the sums, a factor (2), the operands (2 a vector), the mask and two look-ups.
#[target_feature(enable = "neon")]
fn run<E: End<Neon>>(lanes: Neon, pass: &Pass<'_>, end: &mut E) {
    by_width!(pass, lanes, end: 4 4 4 4 3 3 2 2);
}

impl Lanes for Neon {
    type Vector = uint8x16_t;
    /// The low halves of the bytes, and the high ones moved down.
    type Operand = (uint8x16_t, uint8x16_t);
    /// Both tables of [`HALVES`].
    type Factor = (uint8x16_t, uint8x16_t);

    const LEN: usize = 16;
    const PAIRS: bool = false;

    fn run<E: End<Neon>>(self, pass: &Pass<'_>, end: &mut E) {
        // SAFETY: `self` exists, so `detect` saw NEON on this CPU.
        unsafe { run(self, pass, end) }
    }

    #[inline(always)]
    fn zero(self) -> uint8x16_t {
        // SAFETY: `self` proves NEON.
        unsafe { vdupq_n_u8(0) }
    }

    #[inline(always)]
    fn load(self, bytes: &[u8]) -> uint8x16_t {
        let bytes: &[u8; 16] = bytes.try_into().expect("a whole vector");
        // SAFETY: `self` proves NEON, the array is 16 readable bytes, and the load takes any alignment.
        unsafe { vld1q_u8(bytes.as_ptr()) }
    }

    #[inline(always)]
    fn load_part(self, bytes: &[u8]) -> uint8x16_t {
        let mut whole = [0; 16];
        whole[..bytes.len()].copy_from_slice(bytes);
        self.load(&whole)
    }

    #[inline(always)]
    fn store(self, vector: uint8x16_t, bytes: &mut [u8]) {
        let bytes: &mut [u8; 16] = bytes.try_into().expect("a whole vector");
        // SAFETY: `self` proves NEON, the array is 16 writable bytes, and the store takes any alignment.
        unsafe { vst1q_u8(bytes.as_mut_ptr(), vector) }
    }

    #[inline(always)]
    fn store_part(self, vector: uint8x16_t, bytes: &mut [u8]) {
        let mut whole = [0; 16];
        self.store(vector, &mut whole);
        bytes.copy_from_slice(&whole[..bytes.len()]);
    }

    /// As any other: Rust has no stable store past the caches here.
    #[inline(always)]
    fn store_past(self, vector: uint8x16_t, bytes: &mut [u8]) {
        self.store(vector, bytes);
    }

    #[inline(always)]
    fn operand(self, vector: uint8x16_t) -> (uint8x16_t, uint8x16_t) {
        // SAFETY: `self` proves NEON.
        unsafe { (vandq_u8(vector, vdupq_n_u8(0x0f)), vshrq_n_u8::<4>(vector)) }
    }

    #[inline(always)]
    fn factor(self, element: u8) -> (uint8x16_t, uint8x16_t) {
        let [low, high] = &HALVES[usize::from(element)];
        (self.load(low), self.load(high))
    }

    #[inline(always)]
    fn product(self, (low, high): Self::Factor, (x_low, x_high): Self::Operand) -> uint8x16_t {
        // SAFETY: `self` proves NEON.
        unsafe { veorq_u8(vqtbl1q_u8(low, x_low), vqtbl1q_u8(high, x_high)) }
    }

    #[inline(always)]
    fn xor(self, a: uint8x16_t, b: uint8x16_t) -> uint8x16_t {
        // SAFETY: `self` proves NEON.
        unsafe { veorq_u8(a, b) }
    }

    #[inline(always)]
    fn or(self, a: uint8x16_t, b: uint8x16_t) -> uint8x16_t {
        // SAFETY: `self` proves NEON.
        unsafe { vorrq_u8(a, b) }
    }

    #[inline(always)]
    fn is_zero(self, vector: uint8x16_t) -> bool {
        // SAFETY: `self` proves NEON.
        unsafe { vmaxvq_u8(vector) == 0 }
    }
}
