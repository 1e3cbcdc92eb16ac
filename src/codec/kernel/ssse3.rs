//! SSSE3, every x86-64 CPU since 2006: 16 bytes a vector, a product is two look-ups.
#![expect(
    clippy::inline_always,
    reason = "the instructions are switched on in `run`, the only caller"
)]

use std::arch::x86_64::{
    __m128i, _mm_and_si128, _mm_cmpeq_epi8, _mm_loadu_si128, _mm_movemask_epi8, _mm_or_si128, _mm_set1_epi8,
    _mm_setzero_si128, _mm_shuffle_epi8, _mm_srli_epi64, _mm_storeu_si128, _mm_stream_si128, _mm_xor_si128,
};

use super::fused::{End, Lanes, by_width};
use super::halves::HALVES;
use super::pass::Pass;

/// Proof that this CPU has SSSE3: only [`Ssse3::detect`] makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ssse3(());

impl Ssse3 {
    /// The proof, when this CPU has it.
    pub(super) fn detect() -> Option<Ssse3> {
        is_x86_feature_detected!("ssse3").then_some(Ssse3(()))
    }
}

/// There are 16 registers: for the sums, a factor (2), the operands (2 a vector), the mask and a product.
#[target_feature(enable = "ssse3")]
fn run<E: End<Ssse3>>(lanes: Ssse3, pass: &Pass<'_>, end: &mut E) {
    by_width!(pass, lanes, end: 4 2 2 2 1 1 1 1);
}

impl Lanes for Ssse3 {
    type Vector = __m128i;
    /// The low halves of the bytes, and the high ones moved down.
    type Operand = (__m128i, __m128i);
    /// Both tables of [`HALVES`].
    type Factor = (__m128i, __m128i);

    const LEN: usize = 16;
    const PAIRS: bool = false;

    fn run<E: End<Ssse3>>(self, pass: &Pass<'_>, end: &mut E) {
        // SAFETY: `self` exists, so `detect` saw SSSE3 on this CPU.
        unsafe { run(self, pass, end) }
    }

    #[inline(always)]
    fn zero(self) -> __m128i {
        // SAFETY: `self` proves SSSE3, which brings SSE2.
        unsafe { _mm_setzero_si128() }
    }

    #[inline(always)]
    fn load(self, bytes: &[u8]) -> __m128i {
        let bytes: &[u8; 16] = bytes.try_into().expect("a whole vector");
        // SAFETY: `self` proves SSSE3, which brings SSE2, the array is 16 readable bytes, and the load takes any alignment.
        unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) }
    }

    #[inline(always)]
    fn load_part(self, bytes: &[u8]) -> __m128i {
        let mut whole = [0; 16];
        whole[..bytes.len()].copy_from_slice(bytes);
        self.load(&whole)
    }

    #[inline(always)]
    fn store(self, vector: __m128i, bytes: &mut [u8]) {
        let bytes: &mut [u8; 16] = bytes.try_into().expect("a whole vector");
        // SAFETY: `self` proves SSSE3, which brings SSE2, the array is 16 writable bytes, and the store takes any alignment.
        unsafe { _mm_storeu_si128(bytes.as_mut_ptr().cast(), vector) }
    }

    #[inline(always)]
    fn store_part(self, vector: __m128i, bytes: &mut [u8]) {
        let mut whole = [0; 16];
        self.store(vector, &mut whole);
        bytes.copy_from_slice(&whole[..bytes.len()]);
    }

    #[inline(always)]
    fn store_past(self, vector: __m128i, bytes: &mut [u8]) {
        let bytes: &mut [u8; 16] = bytes.try_into().expect("a whole vector");
        let to: *mut __m128i = bytes.as_mut_ptr().cast();
        assert!(to.is_aligned(), "what goes past the caches goes a line at a time");
        // SAFETY: `self` proves SSSE3, which brings SSE2; the array is 16 writable bytes, aligned as was just seen.
        unsafe { _mm_stream_si128(to, vector) }
    }

    #[inline(always)]
    fn operand(self, vector: __m128i) -> (__m128i, __m128i) {
        // SAFETY: `self` proves SSSE3.
        unsafe {
            let mask = _mm_set1_epi8(0x0f);
            let high = _mm_srli_epi64::<4>(vector);
            (_mm_and_si128(vector, mask), _mm_and_si128(high, mask))
        }
    }

    #[inline(always)]
    fn factor(self, element: u8) -> (__m128i, __m128i) {
        let [low, high] = &HALVES[usize::from(element)];
        // SAFETY: `self` proves SSSE3, both arrays are 16 readable bytes, and the load takes any alignment.
        unsafe {
            (
                _mm_loadu_si128(low.as_ptr().cast()),
                _mm_loadu_si128(high.as_ptr().cast()),
            )
        }
    }

    #[inline(always)]
    fn product(self, (low, high): Self::Factor, (x_low, x_high): Self::Operand) -> __m128i {
        // SAFETY: `self` proves SSSE3.
        unsafe { _mm_xor_si128(_mm_shuffle_epi8(low, x_low), _mm_shuffle_epi8(high, x_high)) }
    }

    #[inline(always)]
    fn xor(self, a: __m128i, b: __m128i) -> __m128i {
        // SAFETY: `self` proves SSSE3, which brings SSE2.
        unsafe { _mm_xor_si128(a, b) }
    }

    #[inline(always)]
    fn or(self, a: __m128i, b: __m128i) -> __m128i {
        // SAFETY: `self` proves SSSE3, which brings SSE2.
        unsafe { _mm_or_si128(a, b) }
    }

    #[inline(always)]
    fn is_zero(self, vector: __m128i) -> bool {
        // SAFETY: `self` proves SSSE3, which brings SSE2.
        unsafe { _mm_movemask_epi8(_mm_cmpeq_epi8(vector, _mm_setzero_si128())) == 0xffff }
    }
}
