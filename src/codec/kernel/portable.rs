//! The definition, a product at a time out of a table. It runs everywhere.

use std::ops::Range;

use crate::codec::field::PRODUCTS;
use crate::codec::plan::Group;

/// Columns that are compared at a time: what is computed for it stands on the stack.
const COMPARED: usize = 1024;

/// Overwrites `columns` of the group's `outputs`.
pub(super) fn fill(group: &Group, inputs: &[&[u8]], columns: Range<usize>, outputs: &mut [&mut [u8]]) {
    for (row, output) in outputs.iter_mut().enumerate() {
        sum(group, row, inputs, columns.clone(), &mut output[columns.clone()]);
    }
}

/// True if `columns` of the group's `outputs` are what [`fill`] would write.
pub(super) fn agrees(group: &Group, inputs: &[&[u8]], columns: Range<usize>, outputs: &[&[u8]]) -> bool {
    let mut buffer = [0; COMPARED];
    columns.clone().step_by(COMPARED).all(|start| {
        let part = start..columns.end.min(start + COMPARED);
        let computed = &mut buffer[..part.len()];
        outputs.iter().enumerate().all(|(row, output)| {
            sum(group, row, inputs, part.clone(), computed);
            *computed == output[part.clone()]
        })
    })
}

/// Overwrites `output` with the sum of products that is `row` of the group, for `columns` of the inputs.
fn sum(group: &Group, row: usize, inputs: &[&[u8]], columns: Range<usize>, output: &mut [u8]) {
    output.fill(0);
    for (input, factors) in inputs.iter().zip(group.factors.chunks_exact(group.width())) {
        let products = &PRODUCTS[usize::from(factors[row])];
        for (sum, byte) in output.iter_mut().zip(&input[columns.clone()]) {
            *sum ^= products[usize::from(*byte)];
        }
    }
}
