//! Multiplication by looking up both halves of a byte, for instructions that look up sixteen bytes in a table of sixteen.
//!
//! ```text
//! c · x  =  c · (low half of x)  +  c · (high half of x · 16)  =  low[x & 15]  ^  high[x >> 4]
//! ```
//!
//! Source: Plank, Greenan, Miller, "Screaming Fast Galois Field Arithmetic Using Intel SIMD Instructions", FAST 2013.

use crate::codec::field::mul;

/// The products of each element with the low halves of a byte, 0..16, and with the high ones.
pub(super) static HALVES: [[[u8; 16]; 2]; 256] = halves();

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
