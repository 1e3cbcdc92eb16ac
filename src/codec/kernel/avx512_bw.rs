//! AVX-512 without GFNI: 64 bytes a vector, a product is two look-ups, and one `vpternlogq` adds both to a sum.
#![expect(
    clippy::inline_always,
    reason = "the instructions are switched on in `run`, the only caller"
)]

use std::arch::x86_64::{
    __m512i, _mm_loadu_si128, _mm512_and_si512, _mm512_broadcast_i32x4, _mm512_loadu_si512, _mm512_mask_storeu_epi8,
    _mm512_maskz_loadu_epi8, _mm512_or_si512, _mm512_set1_epi8, _mm512_setzero_si512, _mm512_shuffle_epi8,
    _mm512_srli_epi64, _mm512_storeu_si512, _mm512_stream_si512, _mm512_test_epi64_mask, _mm512_xor_si512,
};

use super::fused::{End, Lanes, by_width};
use super::halves::HALVES;
use super::pass::Pass;

/// Proof that this CPU has AVX-512 F and BW: only [`Avx512Bw::detect`] makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Avx512Bw(());

impl Avx512Bw {
    /// The proof, when this CPU has both.
    pub(super) fn detect() -> Option<Avx512Bw> {
        let all = is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw");
        all.then_some(Avx512Bw(()))
    }
}

/// There are 32 registers: for the sums, a factor (2), the operands (2 a vector), the mask and two look-ups.
#[target_feature(enable = "avx512f,avx512bw")]
fn run<E: End<Avx512Bw>>(lanes: Avx512Bw, pass: &Pass<'_>, end: &mut E) {
    by_width!(pass, lanes, end: 4 4 4 4 3 3 2 2);
}

impl Lanes for Avx512Bw {
    type Vector = __m512i;
    /// The low halves of the bytes, and the high ones moved down.
    type Operand = (__m512i, __m512i);
    /// Both tables of [`HALVES`], once for each quarter of the register.
    type Factor = (__m512i, __m512i);

    const LEN: usize = 64;
    const PAIRS: bool = false;

    fn run<E: End<Avx512Bw>>(self, pass: &Pass<'_>, end: &mut E) {
        // SAFETY: `self` exists, so `detect` saw both on this CPU.
        unsafe { run(self, pass, end) }
    }

    #[inline(always)]
    fn zero(self) -> __m512i {
        // SAFETY: `self` proves AVX-512 F.
        unsafe { _mm512_setzero_si512() }
    }

    #[inline(always)]
    fn load(self, bytes: &[u8]) -> __m512i {
        let bytes: &[u8; 64] = bytes.try_into().expect("a whole vector");
        // SAFETY: `self` proves AVX-512 F, the array is 64 readable bytes, and the load takes any alignment.
        unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) }
    }

    #[inline(always)]
    fn load_part(self, bytes: &[u8]) -> __m512i {
        let mask = first(bytes.len());
        // SAFETY: `self` proves AVX-512 BW; the mask has one bit for each of the slice's readable bytes, bytes without a bit
        // are not touched, and the load takes any alignment.
        unsafe { _mm512_maskz_loadu_epi8(mask, bytes.as_ptr().cast()) }
    }

    #[inline(always)]
    fn store(self, vector: __m512i, bytes: &mut [u8]) {
        let bytes: &mut [u8; 64] = bytes.try_into().expect("a whole vector");
        // SAFETY: `self` proves AVX-512 F, the array is 64 writable bytes, and the store takes any alignment.
        unsafe { _mm512_storeu_si512(bytes.as_mut_ptr().cast(), vector) }
    }

    #[inline(always)]
    fn store_part(self, vector: __m512i, bytes: &mut [u8]) {
        let mask = first(bytes.len());
        // SAFETY: `self` proves AVX-512 BW; the mask has one bit for each of the slice's writable bytes, bytes without a bit
        // are not touched, and the store takes any alignment.
        unsafe { _mm512_mask_storeu_epi8(bytes.as_mut_ptr().cast(), mask, vector) }
    }

    #[inline(always)]
    fn store_past(self, vector: __m512i, bytes: &mut [u8]) {
        let bytes: &mut [u8; 64] = bytes.try_into().expect("a whole vector");
        let to: *mut __m512i = bytes.as_mut_ptr().cast();
        assert!(to.is_aligned(), "what goes past the caches goes a line at a time");
        // SAFETY: `self` proves AVX-512 F; the array is 64 writable bytes, aligned as was just seen.
        unsafe { _mm512_stream_si512(to, vector) }
    }

    #[inline(always)]
    fn operand(self, vector: __m512i) -> (__m512i, __m512i) {
        // SAFETY: `self` proves AVX-512 F and BW.
        unsafe {
            let mask = _mm512_set1_epi8(0x0f);
            let high = _mm512_srli_epi64::<4>(vector);
            (_mm512_and_si512(vector, mask), _mm512_and_si512(high, mask))
        }
    }

    #[inline(always)]
    fn factor(self, element: u8) -> (__m512i, __m512i) {
        let [low, high] = &HALVES[usize::from(element)];
        // SAFETY: `self` proves AVX-512 F and BW, both arrays are 16 readable bytes, and the load takes any alignment.
        unsafe {
            (
                _mm512_broadcast_i32x4(_mm_loadu_si128(low.as_ptr().cast())),
                _mm512_broadcast_i32x4(_mm_loadu_si128(high.as_ptr().cast())),
            )
        }
    }

    #[inline(always)]
    fn product(self, (low, high): Self::Factor, (x_low, x_high): Self::Operand) -> __m512i {
        // SAFETY: `self` proves AVX-512 F and BW.
        unsafe { _mm512_xor_si512(_mm512_shuffle_epi8(low, x_low), _mm512_shuffle_epi8(high, x_high)) }
    }

    #[inline(always)]
    fn xor(self, a: __m512i, b: __m512i) -> __m512i {
        // SAFETY: `self` proves AVX-512 F.
        unsafe { _mm512_xor_si512(a, b) }
    }

    #[inline(always)]
    fn or(self, a: __m512i, b: __m512i) -> __m512i {
        // SAFETY: `self` proves AVX-512 F.
        unsafe { _mm512_or_si512(a, b) }
    }

    #[inline(always)]
    fn is_zero(self, vector: __m512i) -> bool {
        // SAFETY: `self` proves AVX-512 F.
        unsafe { _mm512_test_epi64_mask(vector, vector) == 0 }
    }
}

/// A bit for each of the first `len` bytes of a vector.
///
/// # Panics
///
/// If `len` is a whole vector or more.
#[inline(always)]
fn first(len: usize) -> u64 {
    assert!(len < Avx512Bw::LEN, "a part of a vector");
    (1 << len) - 1
}
