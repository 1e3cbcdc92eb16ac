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
