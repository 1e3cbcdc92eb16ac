//! Every kernel held to the definition, and the definition to the naive one.

use super::*;
use crate::codec::matrix::Matrix;
use crate::codec::naive::{self, ramp, slices, slices_mut};

/// Round every vector and every block of vectors that a kernel takes at a time, and round [`BLOCK`].
const LENGTHS: [usize; 34] = [
    0, 1, 2, 15, 16, 17, 31, 32, 33, 63, 64, 65, 95, 96, 97, 127, 128, 129, 191, 192, 193, 255, 256, 257, 319, 511,
    512, 513, 575, 1023, 1025, 4095, 4096, 4097,
];

fn filled(kernel: Kernel, plan: &Plan, inputs: &[&[u8]], len: usize) -> Vec<Vec<u8>> {
    let mut outputs = vec![vec![0xa5; len]; plan.outputs()];
    kernel.fill(plan, inputs, &mut slices_mut(&mut outputs));
    outputs
}

/// `rows` by `columns` of elements that differ from each other as long as they can.
fn mixed(rows: usize, columns: usize) -> Matrix {
    let cell = |i: usize| u8::try_from(i * 7 % 256).unwrap();
    let rows: Vec<Vec<u8>> = (0..rows)
        .map(|i| (0..columns).map(|j| cell(i * columns + j)).collect())
        .collect();
    Matrix::from_rows(&rows)
}

#[test]
fn the_definition_is_the_naive_sum_of_products() {
    let inputs = ramp(5, 1100);
    let matrix = mixed(11, 5);
    let filled = filled(Kernel::PORTABLE, &Plan::new(&matrix), &slices(&inputs), 1100);
    assert_eq!(filled, naive::multiply(&matrix.to_rows(), &inputs));
}

#[test]
fn every_kernel_multiplies_every_byte_by_every_element_as_the_definition_does() {
    let bytes: Vec<u8> = (0..=255).collect();
    for kernel in Kernel::available() {
        for element in 0..=255 {
            let plan = Plan::new(&Matrix::from_rows(&[vec![element]]));
            let expected: Vec<u8> = bytes.iter().map(|&byte| naive::mul(element, byte)).collect();
            assert_eq!(
                filled(kernel, &plan, &[&bytes], 256),
                [expected],
                "{kernel:?}, times {element}"
            );
        }
    }
}

#[test]
fn every_kernel_fills_what_the_definition_fills_for_every_length_round_a_block() {
    let shards = ramp(7, 4200);
    for kernel in Kernel::available() {
        for (rows, columns) in [
            (1, 1),
            (1, 6),
            (2, 3),
            (3, 2),
            (4, 7),
            (5, 4),
            (6, 5),
            (7, 6),
            (8, 3),
            (9, 2),
            (20, 7),
        ] {
            let plan = Plan::new(&mixed(rows, columns));
            for len in LENGTHS {
                let inputs: Vec<&[u8]> = shards[..columns].iter().map(|shard| &shard[..len]).collect();
                let expected = filled(Kernel::PORTABLE, &plan, &inputs, len);
                assert!(
                    filled(kernel, &plan, &inputs, len) == expected,
                    "{kernel:?}, {columns} to {rows}, {len} bytes"
                );
            }
        }
    }
}

#[test]
fn every_kernel_takes_bytes_from_and_to_any_alignment() {
    let shards = ramp(3, 400);
    let plan = Plan::new(&mixed(2, 3));
    for kernel in Kernel::available() {
        for shift in 0..64 {
            let inputs: Vec<&[u8]> = shards.iter().map(|shard| &shard[shift..shift + 300]).collect();
            let mut outputs = vec![vec![0xa5; 400]; 2];
            let mut slices: Vec<&mut [u8]> = outputs
                .iter_mut()
                .map(|output| &mut output[shift..shift + 300])
                .collect();
            kernel.fill(&plan, &inputs, &mut slices);
            let expected = filled(Kernel::PORTABLE, &plan, &inputs, 300);
            for (output, expected) in outputs.iter().zip(expected) {
                assert_eq!(output[shift..shift + 300], expected, "{kernel:?}, shifted by {shift}");
                let around = output[..shift].iter().chain(&output[shift + 300..]);
                assert!(
                    around.into_iter().all(|byte| *byte == 0xa5),
                    "{kernel:?} wrote beside its output"
                );
            }
        }
    }
}

#[test]
fn every_kernel_agrees_with_what_it_fills_and_with_nothing_else() {
    let shards = ramp(4, 4200);
    for kernel in Kernel::available() {
        for (rows, len) in (1..=9).flat_map(|rows| LENGTHS.map(|len| (rows, len))) {
            let plan = Plan::new(&mixed(rows, 4));
            let inputs: Vec<&[u8]> = shards.iter().map(|shard| &shard[..len]).collect();
            let mut outputs = filled(kernel, &plan, &inputs, len);
            assert!(
                kernel.agrees(&plan, &inputs, &slices(&outputs)),
                "{kernel:?}, {rows} rows, {len} bytes"
            );
            for at in [0, len / 2, len.saturating_sub(1)].into_iter().filter(|at| *at < len) {
                outputs[rows - 1][at] ^= 0x10;
                assert!(
                    !kernel.agrees(&plan, &inputs, &slices(&outputs)),
                    "{kernel:?}, byte {at} of {len}"
                );
                outputs[rows - 1][at] ^= 0x10;
            }
        }
    }
}

/// `count` outputs of `len` bytes, each `skips[i]` bytes behind a line, and what stands round them.
struct Placed {
    arena: Vec<u8>,
    begins: Vec<usize>,
    len: usize,
}

impl Placed {
    fn new(skips: &[usize], len: usize) -> Placed {
        let stride = (len + 64).next_multiple_of(64) + 64;
        let arena = vec![0xa5; stride * skips.len() + 64];
        let first = arena.as_ptr().addr().wrapping_neg() % 64;
        let begins = (0..).zip(skips).map(|(i, skip)| first + i * stride + skip).collect();
        Placed { arena, begins, len }
    }

    fn slices_mut(&mut self) -> Vec<&mut [u8]> {
        let (mut rest, mut done, mut slices) = (self.arena.as_mut_slice(), 0, Vec::new());
        for begin in &self.begins {
            let (slice, after) = rest.split_at_mut(begin + self.len - done);
            slices.push(&mut slice[begin - done..]);
            (rest, done) = (after, begin + self.len);
        }
        slices
    }

    /// Whether nothing was written beside the slices.
    fn is_whole(&self) -> bool {
        let inside = |at: &usize| self.begins.iter().any(|begin| (*begin..begin + self.len).contains(at));
        (0..self.arena.len())
            .filter(|at| !inside(at))
            .all(|at| self.arena[at] == 0xa5)
    }
}

#[test]
fn what_goes_past_the_caches_arrives_and_nothing_beside_it() {
    let len = 400_001;
    let inputs = ramp(4, len);
    // All on a line; all the same way behind one; each its own way, which can't go past.
    for skips in [[0, 0, 0], [32, 32, 32], [1, 1, 1], [63, 63, 63], [0, 16, 5]] {
        for rows in [1, 3] {
            let plan = Plan::new(&mixed(rows, 4));
            let expected = filled(Kernel::PORTABLE, &plan, &slices(&inputs), len);
            for kernel in Kernel::available() {
                let mut placed = Placed::new(&skips[..rows], len);
                kernel.fill(&plan, &slices(&inputs), &mut placed.slices_mut());
                assert!(placed.slices_mut() == expected, "{kernel:?}, {rows} rows, {skips:?}");
                assert!(placed.is_whole(), "{kernel:?} wrote beside its output");
            }
        }
    }
}

#[test]
fn outputs_start_at_a_line_together_or_not_at_all() {
    let mut arena = [0_u8; 512];
    let first = arena.as_ptr().addr().wrapping_neg() % 64;
    let head = |a: usize, b: usize, arena: &mut [u8]| {
        let (left, right) = arena.split_at_mut(256);
        pass::head(&[&mut left[first + a..], &mut right[first + b..]])
    };
    assert_eq!(head(0, 0, &mut arena), Some(0));
    assert_eq!(head(1, 1, &mut arena), Some(63));
    assert_eq!(head(32, 96, &mut arena), Some(32));
    assert_eq!(head(0, 1, &mut arena), None);
    assert_eq!(pass::head(&[]), None);
}

#[test]
fn the_environment_takes_what_there_is_and_else_the_best() {
    let available = Kernel::available();
    assert_eq!(available.last(), Some(&Kernel::PORTABLE));
    assert_eq!(choose(None, &available), available[0]);
    assert_eq!(choose(Some("avx1024"), &available), available[0]);
    assert_eq!(choose(Some("portable"), &available), Kernel::PORTABLE);
    for kernel in &available {
        assert_eq!(choose(Some(kernel.name()), &available), *kernel);
    }
    assert_eq!(choose(Some("avx2"), &[Kernel::PORTABLE]), Kernel::PORTABLE);
}
