//! AVX2: 32 bytes a vector, a product is two look-ups.
#![expect(
    clippy::inline_always,
    reason = "the instructions are switched on in `run`, the only caller"
)]

use std::arch::x86_64::{
    __m256i, _mm_loadu_si128, _mm256_and_si256, _mm256_broadcastsi128_si256, _mm256_loadu_si256, _mm256_or_si256,
    _mm256_set1_epi8, _mm256_setzero_si256, _mm256_shuffle_epi8, _mm256_srli_epi64, _mm256_storeu_si256,
    _mm256_stream_si256, _mm256_testz_si256, _mm256_xor_si256,
};

use super::fused::{End, Lanes, by_width};
use super::halves::HALVES;
use super::pass::Pass;

/// Proof that this CPU has AVX2: only [`Avx2::detect`] makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Avx2(());

impl Avx2 {
    /// The proof, when this CPU has it.
    pub(super) fn detect() -> Option<Avx2> {
        is_x86_feature_detected!("avx2").then_some(Avx2(()))
    }
}

/// There are 16 registers: for the sums, a factor (2), the operands (2 a vector), the mask and a product.
#[target_feature(enable = "avx2")]
fn run<E: End<Avx2>>(lanes: Avx2, pass: &Pass<'_>, end: &mut E) {
    by_width!(pass, lanes, end: 4 2 2 2 1 1 1 1);
}

impl Lanes for Avx2 {
    type Vector = __m256i;
    /// The low halves of the bytes, and the high ones moved down.
    type Operand = (__m256i, __m256i);
    /// Both tables of [`HALVES`], once for each half of the register.
    type Factor = (__m256i, __m256i);

    const LEN: usize = 32;
    const PAIRS: bool = false;

    fn run<E: End<Avx2>>(self, pass: &Pass<'_>, end: &mut E) {
        // SAFETY: `self` exists, so `detect` saw AVX2 on this CPU.
        unsafe { run(self, pass, end) }
    }

    #[inline(always)]
    fn zero(self) -> __m256i {
        // SAFETY: `self` proves AVX2.
        unsafe { _mm256_setzero_si256() }
    }

    #[inline(always)]
    fn load(self, bytes: &[u8]) -> __m256i {
        let bytes: &[u8; 32] = bytes.try_into().expect("a whole vector");
        // SAFETY: `self` proves AVX2, the array is 32 readable bytes, and the load takes any alignment.
        unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
    }

    #[inline(always)]
    fn load_part(self, bytes: &[u8]) -> __m256i {
        let mut whole = [0; 32];
        whole[..bytes.len()].copy_from_slice(bytes);
        self.load(&whole)
    }

    #[inline(always)]
    fn store(self, vector: __m256i, bytes: &mut [u8]) {
        let bytes: &mut [u8; 32] = bytes.try_into().expect("a whole vector");
        // SAFETY: `self` proves AVX2, the array is 32 writable bytes, and the store takes any alignment.
        unsafe { _mm256_storeu_si256(bytes.as_mut_ptr().cast(), vector) }
    }

    #[inline(always)]
    fn store_part(self, vector: __m256i, bytes: &mut [u8]) {
        let mut whole = [0; 32];
        self.store(vector, &mut whole);
        bytes.copy_from_slice(&whole[..bytes.len()]);
    }

    #[inline(always)]
    fn store_past(self, vector: __m256i, bytes: &mut [u8]) {
        let bytes: &mut [u8; 32] = bytes.try_into().expect("a whole vector");
        let to: *mut __m256i = bytes.as_mut_ptr().cast();
        assert!(to.is_aligned(), "what goes past the caches goes a line at a time");
        // SAFETY: `self` proves AVX2; the array is 32 writable bytes, aligned as was just seen.
        unsafe { _mm256_stream_si256(to, vector) }
    }

    #[inline(always)]
    fn operand(self, vector: __m256i) -> (__m256i, __m256i) {
        // SAFETY: `self` proves AVX2.
        unsafe {
            let mask = _mm256_set1_epi8(0x0f);
            let high = _mm256_srli_epi64::<4>(vector);
            (_mm256_and_si256(vector, mask), _mm256_and_si256(high, mask))
        }
    }

    #[inline(always)]
    fn factor(self, element: u8) -> (__m256i, __m256i) {
        let [low, high] = &HALVES[usize::from(element)];
        // SAFETY: `self` proves AVX2, both arrays are 16 readable bytes, and the load takes any alignment.
        unsafe {
            (
                _mm256_broadcastsi128_si256(_mm_loadu_si128(low.as_ptr().cast())),
                _mm256_broadcastsi128_si256(_mm_loadu_si128(high.as_ptr().cast())),
            )
        }
    }

    #[inline(always)]
    fn product(self, (low, high): Self::Factor, (x_low, x_high): Self::Operand) -> __m256i {
        // SAFETY: `self` proves AVX2.
        unsafe { _mm256_xor_si256(_mm256_shuffle_epi8(low, x_low), _mm256_shuffle_epi8(high, x_high)) }
    }

    #[inline(always)]
    fn xor(self, a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: `self` proves AVX2.
        unsafe { _mm256_xor_si256(a, b) }
    }

    #[inline(always)]
    fn or(self, a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: `self` proves AVX2.
        unsafe { _mm256_or_si256(a, b) }
    }

    #[inline(always)]
    fn is_zero(self, vector: __m256i) -> bool {
        // SAFETY: `self` proves AVX2, which brings AVX.
        unsafe { _mm256_testz_si256(vector, vector) == 1 }
    }
}
