//! AVX-512 with GFNI: 64 bytes a vector. A product is one instruction, since to multiply by an element is a linear map of the
//! eight bits, and `vgf2p8affineqb` applies an 8×8 matrix of bits to every byte. (GFNI's own product, `vgf2p8mulb`, is that
//! of another polynomial, 0x11B.) Two products are added to a sum by one `vpternlogq`.
#![expect(
    clippy::inline_always,
    reason = "the instructions are switched on in `run` and `compared`, the only callers"
)]

use std::arch::x86_64::{
    __m512i, _mm512_gf2p8affine_epi64_epi8, _mm512_loadu_si512, _mm512_mask_storeu_epi8, _mm512_maskz_loadu_epi8,
    _mm512_or_si512, _mm512_set1_epi64, _mm512_setzero_si512, _mm512_storeu_si512, _mm512_test_epi64_mask,
    _mm512_xor_si512,
};
use std::ops::Range;

use super::fused::{Compare, End, Fill, Lanes, Pass};
use crate::codec::field::mul;
use crate::codec::plan::Group;

/// The matrix of bits that multiplies by each element. Row i, which makes bit i of the product, is byte 7 − i.
static MATRICES: [i64; 256] = matrices();

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

    /// Overwrites `columns` of the group's `outputs`.
    pub(super) fn fill(self, group: &Group, inputs: &[&[u8]], columns: Range<usize>, outputs: &mut [&mut [u8]]) {
        // SAFETY: `self` exists, so `detect` saw all three on this CPU.
        unsafe { run(self, &Pass::new(group, inputs, columns), &mut Fill(outputs)) }
    }

    /// True if `columns` of the group's `outputs` are what [`Avx512Gfni::fill`] would write.
    pub(super) fn agrees(self, group: &Group, inputs: &[&[u8]], columns: Range<usize>, outputs: &[&[u8]]) -> bool {
        // SAFETY: `self` exists, so `detect` saw all three on this CPU.
        unsafe { compared(self, &Pass::new(group, inputs, columns), outputs) }
    }
}

/// There are 32 registers: for the sums, the vectors of two inputs, their two factors and a product. One output is bound by
/// reading, so it takes as many vectors at a time as there is room for.
#[target_feature(enable = "avx512f,avx512bw,gfni")]
fn run<E: End<Avx512Gfni>>(lanes: Avx512Gfni, pass: &Pass<'_>, end: &mut E) {
    match pass.width() {
        1 => pass.run::<_, _, 1, 8>(lanes, end),
        2 => pass.run::<_, _, 2, 4>(lanes, end),
        3 => pass.run::<_, _, 3, 4>(lanes, end),
        4 => pass.run::<_, _, 4, 4>(lanes, end),
        5 => pass.run::<_, _, 5, 3>(lanes, end),
        6 => pass.run::<_, _, 6, 3>(lanes, end),
        7 => pass.run::<_, _, 7, 2>(lanes, end),
        8 => pass.run::<_, _, 8, 2>(lanes, end),
        width => unreachable!("a pass makes 1 to 8 outputs, not {width}"),
    }
}

#[target_feature(enable = "avx512f,avx512bw,gfni")]
fn compared(lanes: Avx512Gfni, pass: &Pass<'_>, outputs: &[&[u8]]) -> bool {
    let mut compare = Compare::new(lanes, outputs);
    run(lanes, pass, &mut compare);
    compare.agrees(lanes)
}

impl Lanes for Avx512Gfni {
    type Vector = __m512i;
    type Operand = __m512i;
    /// One of [`MATRICES`], eight times.
    type Factor = __m512i;

    const LEN: usize = 64;
    const PAIRS: bool = true;

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

#[expect(clippy::cast_possible_truncation, reason = "element stays below 256")]
const fn matrices() -> [i64; 256] {
    let mut table = [0; 256];
    let mut element = 0;
    while element < 256 {
        table[element] = matrix(element as u8);
        element += 1;
    }
    table
}

/// Bit j of row i is bit i of element · 2^j: what bit j of a byte adds to bit i of the product.
const fn matrix(element: u8) -> i64 {
    let mut matrix = 0_u64;
    let mut j = 0;
    while j < 8 {
        let product = mul(element, 1 << j);
        let mut i = 0;
        while i < 8 {
            let bit = (product >> i & 1) as u64;
            matrix |= bit << (8 * (7 - i) + j);
            i += 1;
        }
        j += 1;
    }
    matrix.cast_signed()
}
