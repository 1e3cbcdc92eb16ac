//! AVX-512 with GFNI: 64 bytes a vector. A product is one instruction, two products are added to a sum by one `vpternlogq`.
#![expect(
    clippy::inline_always,
    reason = "the instructions are switched on in `run`, the only caller"
)]

use std::arch::x86_64::{
    __m512i, _mm512_gf2p8affine_epi64_epi8, _mm512_loadu_si512, _mm512_mask_storeu_epi8, _mm512_maskz_loadu_epi8,
    _mm512_or_si512, _mm512_set1_epi64, _mm512_setzero_si512, _mm512_storeu_si512, _mm512_stream_si512,
    _mm512_test_epi64_mask, _mm512_xor_si512,
};

use super::bits::MATRICES;
use super::fused::{End, Lanes, by_width};
use super::pass::Pass;

/// Proof that this CPU has AVX-512 F and BW, and GFNI: only [`Avx512Gfni::detect`] makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Avx512Gfni(());

impl Avx512Gfni {
    /// The proof, when this CPU has all three.
    pub(super) fn detect() -> Option<Avx512Gfni> {
        let all = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("gfni");
        all.then_some(Avx512Gfni(()))
    }
}

/// There are 32 registers: for the sums, the vectors of two inputs, their two factors and a product. One output is bound by
/// reading, so it takes as many vectors at a time as there is room for.
#[target_feature(enable = "avx512f,avx512bw,gfni")]
fn run<E: End<Avx512Gfni>>(lanes: Avx512Gfni, pass: &Pass<'_>, end: &mut E) {
    by_width!(pass, lanes, end: 8 4 4 4 3 3 2 2);
}

impl Lanes for Avx512Gfni {
    type Vector = __m512i;
    /// As it is.
    type Operand = __m512i;
    /// One of [`MATRICES`], eight times.
    type Factor = __m512i;

    const LEN: usize = 64;
    const PAIRS: bool = true;

    fn run<E: End<Avx512Gfni>>(self, pass: &Pass<'_>, end: &mut E) {
        // SAFETY: `self` exists, so `detect` saw all three on this CPU.
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
    fn operand(self, vector: __m512i) -> __m512i {
        vector
    }

    #[inline(always)]
    fn factor(self, element: u8) -> __m512i {
        // SAFETY: `self` proves AVX-512 F.
        unsafe { _mm512_set1_epi64(MATRICES[usize::from(element)]) }
    }

    #[inline(always)]
    fn product(self, matrix: __m512i, x: __m512i) -> __m512i {
        // SAFETY: `self` proves GFNI and AVX-512 F.
        unsafe { _mm512_gf2p8affine_epi64_epi8::<0>(x, matrix) }
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
    assert!(len < Avx512Gfni::LEN, "a part of a vector");
    (1 << len) - 1
}
