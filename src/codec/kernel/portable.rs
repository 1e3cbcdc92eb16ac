//! The definition, a product at a time out of a table. It runs everywhere.

use std::ops::Range;

use super::pass::Pass;
use crate::codec::field::PRODUCTS;

/// Columns that are compared at a time: what is computed for it stands on the stack.
const COMPARED: usize = 1024;

/// Overwrites the pass's columns of `outputs`.
pub(super) fn fill(pass: &Pass<'_>, outputs: &mut [&mut [u8]]) {
    for (row, output) in outputs.iter_mut().enumerate() {
        sum(pass, row, pass.columns.clone(), &mut output[pass.columns.clone()]);
    }
}

/// True if the pass's columns of `outputs` are what [`fill`] would write.
pub(super) fn agrees(pass: &Pass<'_>, outputs: &[&[u8]]) -> bool {
    let mut buffer = [0; COMPARED];
    pass.columns.clone().step_by(COMPARED).all(|start| {
        let part = start..pass.columns.end.min(start + COMPARED);
        let computed = &mut buffer[..part.len()];
        outputs.iter().enumerate().all(|(row, output)| {
            sum(pass, row, part.clone(), computed);
            *computed == output[part.clone()]
        })
    })
}

/// Overwrites `output` with the sum of products that is `row` of the group, for `columns` of the inputs.
fn sum(pass: &Pass<'_>, row: usize, columns: Range<usize>, output: &mut [u8]) {
    output.fill(0);
    for (input, factors) in pass.inputs.iter().zip(pass.group.factors.chunks_exact(pass.width())) {
        let products = &PRODUCTS[usize::from(factors[row])];
        for (sum, byte) in output.iter_mut().zip(&input[columns.clone()]) {
            *sum ^= products[usize::from(*byte)];
        }
    }
}
