//! The coefficients that turn some shards into others.
//!
//! A column of the n shards is one polynomial's values at the points 0..n. It has a degree below k, so its values at any k
//! points fix the value at every other one. Lagrange gives the factor of the known value at s in the value at w:
//!
//! ```text
//!             (w - l)                              data → parity gives the generator, V · (V[0..k])^-1 of the format page;
//! product of  -------  over the known l but s      k survivors → lost shards gives the decode matrix of the erasure.
//!             (s - l)
//! ```
//!
//! No matrix is inverted: r rows over k known shards take about k·k + 2·r·k products.

use super::field::{div, mul};

/// A row for each shard that is made, a column for each shard that it is made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Matrix {
    columns: usize,
    cells: Vec<u8>,
}

impl Matrix {
    /// The rows that make the shards `to` from the shards `from`, which are distinct and k of them.
    pub(super) fn interpolation(from: &[u8], to: &[u8]) -> Matrix {
        let weights: Vec<u8> = from.iter().map(|&s| distances(s, from)).collect();
        Matrix {
            columns: from.len(),
            cells: to.iter().flat_map(|&w| row(from, &weights, w)).collect(),
        }
    }

    /// The shards that are made.
    pub(super) fn rows(&self) -> usize {
        self.cells.len() / self.columns
    }

    /// The shards that they are made from.
    pub(super) fn columns(&self) -> usize {
        self.columns
    }

    /// The factor of shard `column` in shard `row`, counted as they were given.
    pub(super) fn at(&self, row: usize, column: usize) -> u8 {
        self.cells[row * self.columns + column]
    }
}

/// The factors of the shards `from` in the shard `w`; `weights` are the denominators. A shard that is known is taken as it is.
fn row(from: &[u8], weights: &[u8], w: u8) -> Vec<u8> {
    if from.contains(&w) {
        return from.iter().map(|&s| u8::from(s == w)).collect();
    }
    let whole = distances(w, from);
    from.iter()
        .zip(weights)
        .map(|(&s, &weight)| div(whole, mul(w ^ s, weight)))
        .collect()
}

/// The product of the distances from `point` to all `others` but itself.
fn distances(point: u8, others: &[u8]) -> u8 {
    others
        .iter()
        .filter(|&&l| l != point)
        .fold(1, |product, &l| mul(product, point ^ l))
}

#[cfg(test)]
impl Matrix {
    /// The same as plain rows.
    pub(super) fn to_rows(&self) -> Vec<Vec<u8>> {
        self.cells.chunks(self.columns).map(<[u8]>::to_vec).collect()
    }

    /// Any rows, all of one length.
    pub(super) fn from_rows(rows: &[Vec<u8>]) -> Matrix {
        Matrix {
            columns: rows[0].len(),
            cells: rows.concat(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::naive;

    fn points(range: std::ops::Range<usize>) -> Vec<u8> {
        range.map(|i| u8::try_from(i).unwrap()).collect()
    }

    #[test]
    fn data_to_all_is_the_generator_of_the_format_page() {
        for (k, n) in [
            (1, 1),
            (1, 256),
            (2, 3),
            (4, 6),
            (10, 14),
            (17, 20),
            (32, 64),
            (100, 101),
            (40, 256),
        ] {
            let ours = Matrix::interpolation(&points(0..k), &points(0..n));
            assert_eq!(ours.to_rows(), naive::generator(k, n), "{k} of {n}");
        }
    }

    #[test]
    fn a_shard_that_is_known_is_taken_as_it_is() {
        let rows = Matrix::interpolation(&[7, 0, 200], &[200, 7]).to_rows();
        assert_eq!(rows, [[0, 0, 1], [1, 0, 0]]);
    }

    #[test]
    fn there_and_back_is_the_unit_matrix() {
        let (data, survivors) = (points(0..5), [3, 250, 6, 0, 9]);
        let there = Matrix::interpolation(&data, &survivors).to_rows();
        let back = Matrix::interpolation(&survivors, &data).to_rows();
        let unit: Vec<Vec<u8>> = (0..5).map(|i| (0..5).map(|j| u8::from(i == j)).collect()).collect();
        assert_eq!(naive::multiply(&back, &there), unit);
    }
}
