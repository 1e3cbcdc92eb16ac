//! The code once more, as a text book has it and as slowly: the truth that the tests hold the fast one to.

/// The product by shifting and adding, a bit of `b` at a time.
pub(super) fn mul(mut a: u8, mut b: u8) -> u8 {
    let mut sum = 0;
    while b != 0 {
        if b & 1 == 1 {
            sum ^= a;
        }
        let overflows = a & 0x80 != 0;
        a <<= 1;
        if overflows {
            a ^= 0x1d;
        }
        b >>= 1;
    }
    sum
}

fn pow(base: u8, exponent: usize) -> u8 {
    (0..exponent).fold(1, |product, _| mul(product, base))
}

fn inverse_of(a: u8) -> u8 {
    (1..=255).find(|&b| mul(a, b) == 1).expect("all but 0 have an inverse")
}

/// The generator by the words of the format page: V · (V[0..k])^-1 with V[i][j] = i^j.
pub(super) fn generator(k: usize, n: usize) -> Vec<Vec<u8>> {
    let point = |i: usize| u8::try_from(i).expect("n is at most 256");
    let vandermonde: Vec<Vec<u8>> = (0..n).map(|i| (0..k).map(|j| pow(point(i), j)).collect()).collect();
    let top = invert(&vandermonde[..k]);
    vandermonde
        .iter()
        .map(|row| (0..k).map(|j| dot(row, &top, j)).collect())
        .collect()
}

fn dot(row: &[u8], matrix: &[Vec<u8>], column: usize) -> u8 {
    row.iter().zip(matrix).fold(0, |sum, (&a, b)| sum ^ mul(a, b[column]))
}

/// Gauss and Jordan: the unit matrix follows every step that makes `matrix` the unit matrix.
fn invert(matrix: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let k = matrix.len();
    let unit = |i: usize| (0..k).map(move |j| u8::from(i == j));
    let mut rows: Vec<Vec<u8>> = (0..k)
        .map(|i| matrix[i].iter().copied().chain(unit(i)).collect())
        .collect();
    for c in 0..k {
        let pivot = (c..k).find(|&r| rows[r][c] != 0).expect("the matrix has an inverse");
        rows.swap(c, pivot);
        let scale = inverse_of(rows[c][c]);
        rows[c].iter_mut().for_each(|cell| *cell = mul(*cell, scale));
        let done = rows[c].clone();
        for (_, row) in rows.iter_mut().enumerate().filter(|(r, _)| *r != c) {
            let factor = row[c];
            row.iter_mut().zip(&done).for_each(|(cell, d)| *cell ^= mul(factor, *d));
        }
    }
    rows.into_iter().map(|row| row[k..].to_vec()).collect()
}

/// Each row's sum of products with `inputs`, byte by byte.
pub(super) fn multiply(rows: &[Vec<u8>], inputs: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let len = inputs[0].len();
    let sum = |row: &Vec<u8>, at: usize| row.iter().zip(inputs).fold(0, |sum, (&a, x)| sum ^ mul(a, x[at]));
    rows.iter()
        .map(|row| (0..len).map(|at| sum(row, at)).collect())
        .collect()
}

/// `count` shards of `len` bytes of the 251-byte ramp, each going on where the last one ended.
pub(super) fn ramp(count: usize, len: usize) -> Vec<Vec<u8>> {
    let mut bytes = (0..=250_u8).cycle();
    (0..count).map(|_| bytes.by_ref().take(len).collect()).collect()
}

/// All of `shards` as the codec wants them.
pub(super) fn slices(shards: &[Vec<u8>]) -> Vec<&[u8]> {
    shards.iter().map(Vec::as_slice).collect()
}

/// All of `shards` as the codec fills them.
pub(super) fn slices_mut(shards: &mut [Vec<u8>]) -> Vec<&mut [u8]> {
    shards.iter_mut().map(Vec::as_mut_slice).collect()
}
