//! The loop that all vector kernels share. [`Lanes`] says what a vector is, and having one proves the CPU.
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
//!
//! Rows are measured once a pass and not again for each vector: that took 5 % of the time at 10+4 and 10 % at 3+7, for shards of 4 KiB.
#![expect(clippy::inline_always, reason = "the instructions are switched on in the caller")]

use std::ops::Range;

use super::cache;
use super::pass::{Pass, To};

/// How far ahead of its use a line of an input is asked for, when the inputs come from beyond the L2 cache. From 512 to 2048
/// bytes it makes no difference on the core where it was measured.
const AHEAD: usize = 1024;

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

    /// [`Pass::run`] for M = [`Pass::width`] and as many vectors at a time as there are registers for, in a function that has
    /// the instructions switched on.
    fn run<E: End<Self>>(self, pass: &Pass<'_>, end: &mut E);

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
    /// [`Lanes::store`] past the caches, if the set can do that; the bytes are aligned to their number. They may be read
    /// after [`cache::fence`].
    fn store_past(self, vector: Self::Vector, bytes: &mut [u8]);

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

/// Runs a pass for each width from 1 to 8 with its number of vectors at a time.
macro_rules! by_width {
    ($pass:ident, $lanes:ident, $end:ident: $($vectors:literal)*) => {
        by_width!(@ $pass, $lanes, $end: [1 2 3 4 5 6 7 8] [$($vectors)*])
    };
    (@ $pass:ident, $lanes:ident, $end:ident: [$($width:literal)*] [$($vectors:literal)*]) => {
        match $pass.width() {
            $($width => $pass.run::<_, _, $width, $vectors>($lanes, $end),)*
            width => unreachable!("a pass makes 1 to 8 outputs, not {width}"),
        }
    };
}
pub(super) use by_width;

/// Overwrites the pass's columns of `outputs`.
pub(super) fn fill<L: Lanes>(lanes: L, pass: &Pass<'_>, outputs: &mut [&mut [u8]]) {
    reach(outputs.iter().map(|output| output.len()), pass);
    lanes.run(pass, &mut Fill { outputs, to: pass.to });
    if pass.to == To::Past {
        cache::fence();
    }
}

/// True if the pass's columns of `outputs` are what [`fill`] would write.
pub(super) fn agrees<L: Lanes>(lanes: L, pass: &Pass<'_>, outputs: &[&[u8]]) -> bool {
    reach(outputs.iter().map(|output| output.len()), pass);
    let mut compare = Compare {
        rows: outputs,
        differences: lanes.zero(),
        agrees: true,
    };
    lanes.run(pass, &mut compare);
    compare.agrees
}

/// Sees that there is an output for each sum, and that all of them have the columns.
fn reach(outputs: impl ExactSizeIterator<Item = usize>, pass: &Pass<'_>) {
    assert_eq!(outputs.len(), pass.width(), "outputs of a pass, and its sums");
    for len in outputs {
        assert!(len >= pass.columns.end, "an output has all columns of the pass");
    }
}

impl<'a> Pass<'a> {
    /// Runs over all columns for M = [`Pass::width`] rows and U vectors at a time.
    #[inline(always)]
    pub(super) fn run<L: Lanes, E: End<L>, const M: usize, const U: usize>(&self, lanes: L, end: &mut E) {
        assert_eq!(self.width(), M, "sums that are made at a time");
        assert!(
            self.inputs.iter().all(|input| input.len() >= self.columns.end),
            "an input has all columns of the pass"
        );
        let mut at = self.columns.start;
        while self.columns.end - at >= U * L::LEN {
            // SAFETY: U vectors from `at` on are columns of the pass, which every input has.
            let sums = unsafe { self.sums::<L, M, U>(lanes, at) };
            // SAFETY: they are columns of the pass, and M is its width.
            unsafe { hand_over(lanes, at, &sums, end) };
            at += U * L::LEN;
        }
        while self.columns.end - at >= L::LEN {
            // SAFETY: a vector from `at` on is of the pass's columns, which every input has.
            let sums = unsafe { self.sums::<L, M, 1>(lanes, at) };
            // SAFETY: it is of the pass's columns, and M is its width.
            unsafe { hand_over(lanes, at, &sums, end) };
            at += L::LEN;
        }
        if at < self.columns.end {
            for (row, [sum]) in self.part::<L, M>(lanes, at).iter().enumerate() {
                end.take_part(lanes, row, at..self.columns.end, *sum);
            }
        }
        end.close(lanes);
    }

    /// The sums of U vectors from column `at` on.
    ///
    /// # Safety
    ///
    /// Every input has these columns.
    #[inline(always)]
    unsafe fn sums<L: Lanes, const M: usize, const U: usize>(&self, lanes: L, at: usize) -> [[L::Vector; U]; M] {
        let mut sums = [[lanes.zero(); U]; M];
        let (mut inputs, mut factors) = (self.inputs, self.factors::<M>());
        if L::PAIRS {
            let (pairs, odd) = inputs.as_chunks::<2>();
            let (factor_pairs, odd_factors) = factors.as_chunks::<2>();
            for ([a, b], [fa, fb]) in pairs.iter().zip(factor_pairs) {
                // SAFETY: the caller's promise.
                let (a, b) = unsafe { (self.operands(lanes, a, at), self.operands(lanes, b, at)) };
                add_pair(lanes, &mut sums, (fa, a), (fb, b));
            }
            (inputs, factors) = (odd, odd_factors);
        }
        for (input, factors) in inputs.iter().zip(factors) {
            // SAFETY: the caller's promise.
            let operands = unsafe { self.operands(lanes, input, at) };
            add(lanes, &mut sums, factors, operands);
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

    /// U vectors of an input from column `at` on, ready to be multiplied.
    ///
    /// # Safety
    ///
    /// The input has these columns.
    #[inline(always)]
    unsafe fn operands<L: Lanes, const U: usize>(&self, lanes: L, input: &[u8], at: usize) -> [L::Operand; U] {
        if self.far {
            for line in (0..U * L::LEN).step_by(cache::LINE) {
                cache::ask_for(input, at + AHEAD + line);
            }
        }
        let mut operands = [lanes.operand(lanes.zero()); U];
        // SAFETY: the caller's promise.
        let bytes = unsafe { input.get_unchecked(at..at + U * L::LEN) };
        for (operand, bytes) in operands.iter_mut().zip(bytes.chunks_exact(L::LEN)) {
            *operand = lanes.operand(lanes.load(bytes));
        }
        operands
    }

    /// The factors of each input.
    #[inline(always)]
    fn factors<const M: usize>(&self) -> &'a [[u8; M]] {
        self.group.factors.as_chunks::<M>().0
    }
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

/// # Safety
///
/// These are columns of the pass that `end` was made for, and M is its width.
#[inline(always)]
unsafe fn hand_over<L: Lanes, E: End<L>, const M: usize, const U: usize>(
    lanes: L,
    at: usize,
    sums: &[[L::Vector; U]; M],
    end: &mut E,
) {
    for (row, sums) in sums.iter().enumerate() {
        // SAFETY: the caller's promise; `row` is below M.
        unsafe { end.take(lanes, row, at, sums) };
    }
}

/// What becomes of the sums.
pub(super) trait End<L: Lanes> {
    /// Takes vectors of `row` from column `at` on.
    ///
    /// # Safety
    ///
    /// It is a row and these are columns of the pass that this was made for.
    unsafe fn take<const U: usize>(&mut self, lanes: L, row: usize, at: usize, sums: &[L::Vector; U]);
    /// Takes part of a vector: these columns of `row`.
    fn take_part(&mut self, lanes: L, row: usize, columns: Range<usize>, sum: L::Vector);
    /// Has taken all.
    fn close(&mut self, lanes: L);
}

/// They are stored.
struct Fill<'a, 'b> {
    outputs: &'a mut [&'b mut [u8]],
    to: To,
}

impl<L: Lanes> End<L> for Fill<'_, '_> {
    #[inline(always)]
    unsafe fn take<const U: usize>(&mut self, lanes: L, row: usize, at: usize, sums: &[L::Vector; U]) {
        let columns = at..at + U * L::LEN;
        // SAFETY: the caller's promise; every output has the columns of the pass.
        let bytes = unsafe { self.outputs.get_unchecked_mut(row).get_unchecked_mut(columns) };
        let bytes = bytes.chunks_exact_mut(L::LEN);
        match self.to {
            To::Caches => {
                for (sum, bytes) in sums.iter().zip(bytes) {
                    lanes.store(*sum, bytes);
                }
            }
            To::Past => {
                for (sum, bytes) in sums.iter().zip(bytes) {
                    lanes.store_past(*sum, bytes);
                }
            }
        }
    }

    #[inline(always)]
    fn take_part(&mut self, lanes: L, row: usize, columns: Range<usize>, sum: L::Vector) {
        lanes.store_part(sum, &mut self.outputs[row][columns]);
    }

    #[inline(always)]
    fn close(&mut self, _: L) {}
}

/// They are compared with what is there.
struct Compare<'a, 'b, L: Lanes> {
    rows: &'a [&'b [u8]],
    differences: L::Vector,
    /// What came out, once closed.
    agrees: bool,
}

impl<L: Lanes> End<L> for Compare<'_, '_, L> {
    #[inline(always)]
    unsafe fn take<const U: usize>(&mut self, lanes: L, row: usize, at: usize, sums: &[L::Vector; U]) {
        let columns = at..at + U * L::LEN;
        // SAFETY: the caller's promise; every output has the columns of the pass.
        let bytes = unsafe { self.rows.get_unchecked(row).get_unchecked(columns) };
        for (sum, bytes) in sums.iter().zip(bytes.chunks_exact(L::LEN)) {
            self.differences = lanes.or(self.differences, lanes.xor(*sum, lanes.load(bytes)));
        }
    }

    #[inline(always)]
    fn take_part(&mut self, lanes: L, row: usize, columns: Range<usize>, sum: L::Vector) {
        // Zeros were loaded beyond the part, for inputs as for what is there, so the sum is zero there too.
        let there = lanes.load_part(&self.rows[row][columns]);
        self.differences = lanes.or(self.differences, lanes.xor(sum, there));
    }

    #[inline(always)]
    fn close(&mut self, lanes: L) {
        self.agrees = lanes.is_zero(self.differences);
    }
}
