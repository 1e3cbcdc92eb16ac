//! Multiplication as a linear map of the eight bits, for `gf2p8affineqb`, which applies an 8×8 matrix of bits to every byte.
//! (GFNI's own product, `gf2p8mulb`, is that of another polynomial, 0x11B.)

use crate::codec::field::mul;

/// The matrix of bits that multiplies by each element. Row i, which makes bit i of the product, is byte 7 − i.
pub(super) static MATRICES: [i64; 256] = matrices();

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
