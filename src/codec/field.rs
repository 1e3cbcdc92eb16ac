//! GF(2^8) with the polynomial x^8 + x^4 + x^3 + x^2 + 1 (0x11D). Addition and subtraction are xor; the powers of 2 are all
//! elements but 0, so products go through logarithms.

/// What x^8 is: the polynomial without its highest bit.
const X8: u8 = 0x1d;

/// The elements but 0: 2 to the power of this is 1 again.
const ORDER: usize = 255;

/// `EXP[i]` is 2^i, twice round, so that a sum of two logarithms needs no remainder.
const EXP: [u8; 2 * ORDER] = powers();

/// `LOG[a]` is the i < 255 with 2^i = a; 0 has none.
const LOG: [u8; 256] = logarithms();

/// All products: `PRODUCTS[a][b]` is a·b.
pub(super) static PRODUCTS: [[u8; 256]; 256] = products();

/// a·b
pub(super) const fn mul(a: u8, b: u8) -> u8 {
    if a == 0 || b == 0 {
        return 0;
    }
    EXP[LOG[a as usize] as usize + LOG[b as usize] as usize]
}

/// a / b
///
/// # Panics
///
/// If `b` is 0.
pub(super) const fn div(a: u8, b: u8) -> u8 {
    assert!(b != 0, "nothing is divided by zero");
    if a == 0 {
        return 0;
    }
    EXP[LOG[a as usize] as usize + ORDER - LOG[b as usize] as usize]
}

const fn powers() -> [u8; 2 * ORDER] {
    let mut table = [0; 2 * ORDER];
    let mut power = 1_u8;
    let mut i = 0;
    while i < table.len() {
        table[i] = power;
        power = (power << 1) ^ if power & 0x80 == 0 { 0 } else { X8 };
        i += 1;
    }
    table
}

#[expect(clippy::cast_possible_truncation, reason = "i stays below 255")]
const fn logarithms() -> [u8; 256] {
    let mut table = [0; 256];
    let mut i = 0;
    while i < ORDER {
        table[EXP[i] as usize] = i as u8;
        i += 1;
    }
    table
}

#[expect(clippy::cast_possible_truncation, reason = "a and b stay below 256")]
#[expect(clippy::large_stack_arrays, reason = "it is made by the compiler, not on a stack")]
const fn products() -> [[u8; 256]; 256] {
    let mut table = [[0; 256]; 256];
    let mut a = 0;
    while a < 256 {
        let mut b = 0;
        while b < 256 {
            table[a][b] = mul(a as u8, b as u8);
            b += 1;
        }
        a += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::naive;

    #[test]
    fn every_product_is_that_of_the_polynomials_modulo_0x11d() {
        for a in 0..=255 {
            for b in 0..=255 {
                assert_eq!(mul(a, b), naive::mul(a, b), "{a} · {b}");
                assert_eq!(PRODUCTS[usize::from(a)][usize::from(b)], naive::mul(a, b), "{a} · {b}");
            }
        }
    }

    #[test]
    fn division_undoes_every_multiplication() {
        for a in 0..=255 {
            for b in 1..=255 {
                assert_eq!(div(mul(a, b), b), a, "{a} · {b} / {b}");
            }
        }
    }
}
