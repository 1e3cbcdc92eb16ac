//! AVX2: 32 bytes a vector. A product is two look-ups in tables of 16, one for each half of a byte.
//!
//! ```text
//! c · x  =  c · (low half of x)  +  c · (high half of x · 16)  =  vpshufb(low, x & 15)  ^  vpshufb(high, x >> 4)
//! ```
//!
//! Source: Plank, Greenan, Miller, "Screaming Fast Galois Field Arithmetic Using Intel SIMD Instructions", FAST 2013.
#![expect(
    clippy::inline_always,
    reason = "the instructions are switched on in `run` and `compared`, the only callers"
)]

use std::arch::x86_64::{
    __m256i, _mm_loadu_si128, _mm256_and_si256, _mm256_broadcastsi128_si256, _mm256_loadu_si256, _mm256_or_si256,
    _mm256_set1_epi8, _mm256_setzero_si256, _mm256_shuffle_epi8, _mm256_srli_epi64, _mm256_storeu_si256,
    _mm256_testz_si256, _mm256_xor_si256,
};
use std::ops::Range;

use super::fused::{Compare, End, Fill, Lanes, Pass};
use crate::codec::field::mul;
use crate::codec::plan::Group;

/// The products of each element with the low halves of a byte, 0..16, and with the high ones.
static HALVES: [[[u8; 16]; 2]; 256] = halves();

/// Proof that this CPU has AVX2: only [`Avx2::detect`] makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Avx2(());

impl Avx2 {
    /// The proof, when this CPU has AVX2.
    pub(super) fn detect() -> Option<Avx2> {
        is_x86_feature_detected!("avx2").then_some(Avx2(()))
    }

    /// Overwrites `columns` of the group's `outputs`.
    pub(super) fn fill(self, group: &Group, inputs: &[&[u8]], columns: Range<usize>, outputs: &mut [&mut [u8]]) {
        // SAFETY: `self` exists, so `detect` saw AVX2 on this CPU.
        unsafe { run(self, &Pass::new(group, inputs, columns), &mut Fill(outputs)) }
    }

    /// True if `columns` of the group's `outputs` are what [`Avx2::fill`] would write.
    pub(super) fn agrees(self, group: &Group, inputs: &[&[u8]], columns: Range<usize>, outputs: &[&[u8]]) -> bool {
        // SAFETY: `self` exists, so `detect` saw AVX2 on this CPU.
        unsafe { compared(self, &Pass::new(group, inputs, columns), outputs) }
    }
}

/// There are 16 registers: for the sums, a factor (2), the operands (2 a vector), the mask and a product.
#[target_feature(enable = "avx2")]
fn run<E: End<Avx2>>(lanes: Avx2, pass: &Pass<'_>, end: &mut E) {
    match pass.width() {
        1 => pass.run::<_, _, 1, 4>(lanes, end),
        2 => pass.run::<_, _, 2, 2>(lanes, end),
        3 => pass.run::<_, _, 3, 2>(lanes, end),
        4 => pass.run::<_, _, 4, 2>(lanes, end),
        5 => pass.run::<_, _, 5, 1>(lanes, end),
        6 => pass.run::<_, _, 6, 1>(lanes, end),
        7 => pass.run::<_, _, 7, 1>(lanes, end),
        8 => pass.run::<_, _, 8, 1>(lanes, end),
        width => unreachable!("a pass makes 1 to 8 outputs, not {width}"),
    }
}

#[target_feature(enable = "avx2")]
fn compared(lanes: Avx2, pass: &Pass<'_>, outputs: &[&[u8]]) -> bool {
    let mut compare = Compare::new(lanes, outputs);
    run(lanes, pass, &mut compare);
    compare.agrees(lanes)
}

impl Lanes for Avx2 {
    type Vector = __m256i;
    /// The low halves of the bytes, and the high ones moved down.
    type Operand = (__m256i, __m256i);
    /// Both tables of [`HALVES`], once for each half of the register.
    type Factor = (__m256i, __m256i);

    const LEN: usize = 32;
    const PAIRS: bool = false;

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

#[expect(clippy::cast_possible_truncation, reason = "element stays below 256, half below 16")]
const fn halves() -> [[[u8; 16]; 2]; 256] {
    let mut table = [[[0; 16]; 2]; 256];
    let mut element = 0;
    while element < 256 {
        let mut half = 0;
        while half < 16 {
            table[element][0][half] = mul(element as u8, half as u8);
            table[element][1][half] = mul(element as u8, (half as u8) << 4);
            half += 1;
        }
        element += 1;
    }
    table
}
