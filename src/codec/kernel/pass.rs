//! How a plan is walked: which outputs over which columns, and what the caches are asked to do.
//!
//! ```text
//! columns   |head|------ block ------|------ block ------|- rest -|
//! up to 8 outputs           one pass over all columns
//! more                      per block a pass for each 8: the first brings the inputs into the cache, the others find them
//! ```

use std::ops::Range;

use crate::codec::plan::{Group, Plan};

/// Columns of a block when there are more than 8 outputs: the inputs are read once more for each 8, from the L2 cache then
/// (256 inputs of 4 KiB are 1 MiB).
pub(super) const BLOCK: usize = 4096;

/// Inputs and outputs of more bytes than these don't stay in an L2 cache: three quarters of the 2 MiB of the core that the
/// rules here were measured on. A stripe of 64 KiB chunks is below it up to n = 24.
const NEAR: usize = 3 << 19;

/// The alignment of what is stored past the caches: the largest vector, and a line.
const LINE: usize = 64;

/// What one pass works on: some columns of the inputs.
#[derive(Clone, Debug)]
pub(super) struct Pass<'a> {
    /// The outputs that it makes.
    pub(super) group: &'a Group,
    /// All that it reads.
    pub(super) inputs: &'a [&'a [u8]],
    /// Which columns of them.
    pub(super) columns: Range<usize>,
    /// True if the inputs come from beyond the L2 cache: they are asked for ahead of their use.
    pub(super) far: bool,
    /// Where the outputs are stored, if they are.
    pub(super) to: To,
}

/// Where outputs are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum To {
    /// Into the caches, whose next reader finds them there.
    Caches,
    /// Past them, which need not fetch what is overwritten then. The columns start at a line in every output.
    Past,
}

impl Pass<'_> {
    /// Sums that are made at a time.
    pub(super) fn width(&self) -> usize {
        self.group.width()
    }
}

/// The pass of a plan that has one, over shards that fit the caches: what most stripes are, and a short one feels each step.
pub(super) fn only<'a>(plan: &'a Plan, inputs: &'a [&'a [u8]], len: usize) -> Option<Pass<'a>> {
    let [group] = plan.groups() else {
        return None;
    };
    (!is_far(plan, len)).then_some(Pass {
        group,
        inputs,
        columns: 0..len,
        far: false,
        to: To::Caches,
    })
}

/// The passes that fill outputs with this [`head`].
///
/// Past the caches go outputs of a stripe that doesn't fit them, unless they are more than the inputs: then the stores alone
/// fill the memory's queues, and were measured slower. What lies before the first line is done first.
pub(super) fn filling<'a>(
    plan: &'a Plan,
    inputs: &'a [&'a [u8]],
    len: usize,
    head: Option<usize>,
) -> impl Iterator<Item = Pass<'a>> {
    let far = is_far(plan, len);
    let pays = far && plan.outputs() <= plan.inputs();
    let split = head.filter(|head| pays && *head < len).unwrap_or(len);
    over(plan, inputs, 0..split, far, To::Caches).chain(over(plan, inputs, split..len, far, To::Past))
}

/// The passes that compare outputs.
pub(super) fn comparing<'a>(plan: &'a Plan, inputs: &'a [&'a [u8]], len: usize) -> impl Iterator<Item = Pass<'a>> {
    over(plan, inputs, 0..len, is_far(plan, len), To::Caches)
}

fn is_far(plan: &Plan, len: usize) -> bool {
    (plan.inputs() + plan.outputs()).saturating_mul(len) > NEAR
}

/// The bytes before the first line, if they are as many in all outputs: then they can be stored past the caches.
pub(super) fn head(outputs: &[&mut [u8]]) -> Option<usize> {
    let mut heads = outputs
        .iter()
        .map(|output| output.as_ptr().addr().wrapping_neg() % LINE);
    let first = heads.next()?;
    heads.all(|head| head == first).then_some(first)
}

fn over<'a>(
    plan: &'a Plan,
    inputs: &'a [&'a [u8]],
    columns: Range<usize>,
    far: bool,
    to: To,
) -> impl Iterator<Item = Pass<'a>> {
    let groups = plan.groups();
    let block = if groups.len() > 1 { BLOCK } else { columns.len().max(1) };
    let end = columns.end;
    columns.step_by(block).flat_map(move |start| {
        groups.iter().enumerate().map(move |(turn, group)| Pass {
            group,
            inputs,
            columns: start..end.min(start + block),
            far: far && turn == 0,
            to,
        })
    })
}
