//! The loop that all vector kernels share. It is safe code: [`Lanes`] says what a vector is, and having one proves the CPU.
//!
//! ```text
//! for each block of U vectors:
//!     sums[M][U] = 0
//!     for each input:  load U vectors;  for each of M rows:  sums[row][u] += factor[input][row] · vector[u]
//!     hand over the M · U sums
//! ```
//!
//! M and U are constants, so that the sums are registers and not an array. What is shorter than a block is taken a vector at
//! a time, what is shorter than a vector as a part of one.
//!
//! Everything here is inlined into a function of the kernel that switches the instructions on. What isn't could not use them:
//! each vector operation would become a call. So no closure, nor an iterator's one, may touch a vector: the compiler alone
//! decides whether a closure is inlined.
#![expect(clippy::inline_always, reason = "the instructions are switched on in the caller")]

use std::ops::Range;

use crate::codec::plan::Group;

/// The vectors of one instruction set. A value of such a type is the proof that this CPU has it.
pub(super) trait Lanes: Copy {
    /// [`Lanes::LEN`] bytes in a register.
    type Vector: Copy;
    /// A vector made ready to be multiplied.
    type Operand: Copy;
    /// An element of the field made ready to multiply with.
    type Factor: Copy;

    /// Bytes of a vector.
    const LEN: usize;
    /// True if two products can be added to a sum for the price of one.
    const PAIRS: bool;

    /// The vector of zeros.
    fn zero(self) -> Self::Vector;
    /// The vector of these bytes, exactly [`Lanes::LEN`].
    fn load(self, bytes: &[u8]) -> Self::Vector;
    /// The vector of these bytes, fewer than [`Lanes::LEN`], and zeros.
    fn load_part(self, bytes: &[u8]) -> Self::Vector;
    /// Overwrites these bytes, exactly [`Lanes::LEN`].
    fn store(self, vector: Self::Vector, bytes: &mut [u8]);
    /// Overwrites these bytes, fewer than [`Lanes::LEN`], with the vector's first.
    fn store_part(self, vector: Self::Vector, bytes: &mut [u8]);

    /// Makes a vector ready.
    fn operand(self, vector: Self::Vector) -> Self::Operand;
    /// Makes an element ready.
    fn factor(self, element: u8) -> Self::Factor;
    /// Each byte times the element.
    fn product(self, factor: Self::Factor, operand: Self::Operand) -> Self::Vector;
    /// The sum in the field.
    fn xor(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    /// The bits of both.
    fn or(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    /// True if no bit is set.
    fn is_zero(self, vector: Self::Vector) -> bool;
}

/// What one pass works on: some columns of the inputs.
#[derive(Clone, Debug)]
pub(super) struct Pass<'a> {
    group: &'a Group,
    inputs: &'a [&'a [u8]],
    columns: Range<usize>,
}

impl<'a> Pass<'a> {
    /// The pass of `group` over `columns`.
    pub(super) fn new(group: &'a Group, inputs: &'a [&'a [u8]], columns: Range<usize>) -> Pass<'a> {
        Pass { group, inputs, columns }
    }

    /// Sums that are made at a time.
    pub(super) fn width(&self) -> usize {
        self.group.width()
    }

    /// Runs over all columns for M = [`Pass::width`] rows and U vectors at a time.
    #[inline(always)]
    pub(super) fn run<L: Lanes, E: End<L>, const M: usize, const U: usize>(&self, lanes: L, end: &mut E) {
        let mut at = self.columns.start;
        while self.columns.end - at >= U * L::LEN {
            hand_over(lanes, at, &self.sums::<L, M, U>(lanes, at), end);
            at += U * L::LEN;
        }
        while self.columns.end - at >= L::LEN {
            hand_over(lanes, at, &self.sums::<L, M, 1>(lanes, at), end);
            at += L::LEN;
        }
        if at < self.columns.end {
            for (row, [sum]) in self.part::<L, M>(lanes, at).iter().enumerate() {
                end.take_part(lanes, row, at..self.columns.end, *sum);
            }
        }
    }

    /// The sums of U vectors from column `at` on.
    #[inline(always)]
    fn sums<L: Lanes, const M: usize, const U: usize>(&self, lanes: L, at: usize) -> [[L::Vector; U]; M] {
        let mut sums = [[lanes.zero(); U]; M];
        let columns = at..at + U * L::LEN;
        let (mut inputs, mut factors) = (self.inputs, self.factors::<M>());
        if L::PAIRS {
            let (pairs, odd) = inputs.as_chunks::<2>();
            let (factor_pairs, odd_factors) = factors.as_chunks::<2>();
            for ([a, b], [fa, fb]) in pairs.iter().zip(factor_pairs) {
                let a = operands(lanes, &a[columns.clone()]);
                let b = operands(lanes, &b[columns.clone()]);
                add_pair(lanes, &mut sums, (fa, a), (fb, b));
            }
            (inputs, factors) = (odd, odd_factors);
        }
        for (input, factors) in inputs.iter().zip(factors) {
            add(lanes, &mut sums, factors, operands(lanes, &input[columns.clone()]));
        }
        sums
    }

    /// The sums of what is left from column `at` on, less than a vector.
    #[inline(always)]
    fn part<L: Lanes, const M: usize>(&self, lanes: L, at: usize) -> [[L::Vector; 1]; M] {
        let mut sums = [[lanes.zero(); 1]; M];
        for (input, factors) in self.inputs.iter().zip(self.factors::<M>()) {
            let operand = lanes.operand(lanes.load_part(&input[at..self.columns.end]));
            add(lanes, &mut sums, factors, [operand]);
        }
        sums
    }

    /// The factors of each input.
    #[inline(always)]
    fn factors<const M: usize>(&self) -> &'a [[u8; M]] {
        self.group.factors.as_chunks::<M>().0
    }
}

/// The vectors of U · [`Lanes::LEN`] bytes, ready to be multiplied.
#[inline(always)]
fn operands<L: Lanes, const U: usize>(lanes: L, bytes: &[u8]) -> [L::Operand; U] {
    let mut operands = [lanes.operand(lanes.zero()); U];
    for (operand, bytes) in operands.iter_mut().zip(bytes.chunks_exact(L::LEN)) {
        *operand = lanes.operand(lanes.load(bytes));
    }
    operands
}

#[inline(always)]
fn add<L: Lanes, const M: usize, const U: usize>(
    lanes: L,
    sums: &mut [[L::Vector; U]; M],
    factors: &[u8; M],
    operands: [L::Operand; U],
) {
    for (sums, element) in sums.iter_mut().zip(factors) {
        let factor = lanes.factor(*element);
        for (sum, operand) in sums.iter_mut().zip(operands) {
            *sum = lanes.xor(*sum, lanes.product(factor, operand));
        }
    }
}

#[inline(always)]
fn add_pair<L: Lanes, const M: usize, const U: usize>(
    lanes: L,
    sums: &mut [[L::Vector; U]; M],
    (a_factors, a): (&[u8; M], [L::Operand; U]),
    (b_factors, b): (&[u8; M], [L::Operand; U]),
) {
    for ((sums, fa), fb) in sums.iter_mut().zip(a_factors).zip(b_factors) {
        let (fa, fb) = (lanes.factor(*fa), lanes.factor(*fb));
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum = lanes.xor(*sum, lanes.xor(lanes.product(fa, a), lanes.product(fb, b)));
        }
    }
}

#[inline(always)]
fn hand_over<L: Lanes, E: End<L>, const M: usize, const U: usize>(
    lanes: L,
    at: usize,
    sums: &[[L::Vector; U]; M],
    end: &mut E,
) {
    for (row, sums) in sums.iter().enumerate() {
        for (u, sum) in sums.iter().enumerate() {
            end.take(lanes, row, at + u * L::LEN, *sum);
        }
    }
}

/// What becomes of the sums.
pub(super) trait End<L: Lanes> {
    /// Takes a vector of `row` from column `at` on.
    fn take(&mut self, lanes: L, row: usize, at: usize, sum: L::Vector);
    /// Takes part of a vector: these columns of `row`.
    fn take_part(&mut self, lanes: L, row: usize, columns: Range<usize>, sum: L::Vector);
}

/// They are stored.
#[derive(Debug)]
pub(super) struct Fill<'a, 'b>(pub(super) &'a mut [&'b mut [u8]]);

impl<L: Lanes> End<L> for Fill<'_, '_> {
    #[inline(always)]
    fn take(&mut self, lanes: L, row: usize, at: usize, sum: L::Vector) {
        lanes.store(sum, &mut self.0[row][at..at + L::LEN]);
    }

    #[inline(always)]
    fn take_part(&mut self, lanes: L, row: usize, columns: Range<usize>, sum: L::Vector) {
        lanes.store_part(sum, &mut self.0[row][columns]);
    }
}

/// They are compared with what is there.
#[derive(Debug)]
pub(super) struct Compare<'a, 'b, L: Lanes> {
    rows: &'a [&'b [u8]],
    differences: L::Vector,
}

impl<'a, 'b, L: Lanes> Compare<'a, 'b, L> {
    /// Nothing is compared yet.
    #[inline(always)]
    pub(super) fn new(lanes: L, rows: &'a [&'b [u8]]) -> Compare<'a, 'b, L> {
        Compare {
            rows,
            differences: lanes.zero(),
        }
    }

    /// True if all that was taken is what is there.
    #[inline(always)]
    pub(super) fn agrees(self, lanes: L) -> bool {
        lanes.is_zero(self.differences)
    }
}

impl<L: Lanes> End<L> for Compare<'_, '_, L> {
    #[inline(always)]
    fn take(&mut self, lanes: L, row: usize, at: usize, sum: L::Vector) {
        let there = lanes.load(&self.rows[row][at..at + L::LEN]);
        self.differences = lanes.or(self.differences, lanes.xor(sum, there));
    }

    #[inline(always)]
    fn take_part(&mut self, lanes: L, row: usize, columns: Range<usize>, sum: L::Vector) {
        // Zeros were loaded beyond the part, for inputs as for what is there, so the sum is zero there too.
        let there = lanes.load_part(&self.rows[row][columns]);
        self.differences = lanes.or(self.differences, lanes.xor(sum, there));
    }
}
