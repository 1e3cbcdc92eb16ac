//! AVX2 with GFNI, the newer CPUs without AVX-512: 32 bytes a vector, a product is one instruction.
#![expect(
    clippy::inline_always,
    reason = "the instructions are switched on in `run`, the only caller"
)]

use std::arch::x86_64::{
    __m256i, _mm256_gf2p8affine_epi64_epi8, _mm256_loadu_si256, _mm256_or_si256, _mm256_set1_epi64x,
    _mm256_setzero_si256, _mm256_storeu_si256, _mm256_stream_si256, _mm256_testz_si256, _mm256_xor_si256,
};

use super::bits::MATRICES;
use super::fused::{End, Lanes, by_width};
use super::pass::Pass;

/// Proof that this CPU has AVX2 and GFNI: only [`Avx2Gfni::detect`] makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Avx2Gfni(());

impl Avx2Gfni {
    /// The proof, when this CPU has both.
    pub(super) fn detect() -> Option<Avx2Gfni> {
        let all = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("gfni");
        all.then_some(Avx2Gfni(()))
    }
}

/// There are 16 registers: for the sums, the vectors of an input, a factor and a product.
#[target_feature(enable = "avx2,gfni")]
fn run<E: End<Avx2Gfni>>(lanes: Avx2Gfni, pass: &Pass<'_>, end: &mut E) {
    by_width!(pass, lanes, end: 6 4 3 2 2 2 1 1);
}

impl Lanes for Avx2Gfni {
    type Vector = __m256i;
    /// As it is.
    type Operand = __m256i;
    /// One of [`MATRICES`], four times.
    type Factor = __m256i;

    const LEN: usize = 32;
    const PAIRS: bool = false;

    fn run<E: End<Avx2Gfni>>(self, pass: &Pass<'_>, end: &mut E) {
        // SAFETY: `self` exists, so `detect` saw both on this CPU.
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
    fn operand(self, vector: __m256i) -> __m256i {
        vector
    }

    #[inline(always)]
    fn factor(self, element: u8) -> __m256i {
        // SAFETY: `self` proves AVX2.
        unsafe { _mm256_set1_epi64x(MATRICES[usize::from(element)]) }
    }

    #[inline(always)]
    fn product(self, matrix: __m256i, x: __m256i) -> __m256i {
        // SAFETY: `self` proves GFNI and AVX2.
        unsafe { _mm256_gf2p8affine_epi64_epi8::<0>(x, matrix) }
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
