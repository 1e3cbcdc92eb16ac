//! A matrix laid out for the kernels, and the cache of those that a code has made.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use super::code::MAX_SHARDS;
use super::matrix::Matrix;

/// The most outputs that a kernel makes in one pass: as many sums fit the registers.
pub(super) const GROUP: usize = 8;

/// Erasure patterns that a code remembers. A cloud set has few at a time (who is away, who is slow); each takes at most
/// 16 KiB (128 rows of 128).
const REMEMBERED: usize = 64;

/// What a kernel does: each output is a sum of products of the inputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    inputs: usize,
    groups: Vec<Group>,
}

/// Outputs that are made in one pass over the inputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Group {
    /// Which outputs: 1 to [`GROUP`] of them.
    pub(super) rows: Range<usize>,
    /// The factors in the order of their use: for the first input all rows, for the second, ...
    pub(super) factors: Vec<u8>,
}

impl Plan {
    /// Lays out `matrix` in groups as even as can be, since a pass costs the reading of all inputs.
    pub(super) fn new(matrix: &Matrix) -> Plan {
        let passes = matrix.rows().div_ceil(GROUP);
        let edge = |pass: usize| matrix.rows() * pass / passes;
        Plan {
            inputs: matrix.columns(),
            groups: (0..passes)
                .map(|pass| Group::new(matrix, edge(pass)..edge(pass + 1)))
                .collect(),
        }
    }

    /// The inputs that it reads.
    pub(super) fn inputs(&self) -> usize {
        self.inputs
    }

    /// The outputs that it makes.
    pub(super) fn outputs(&self) -> usize {
        self.groups.last().map_or(0, |group| group.rows.end)
    }

    /// Its passes, in the order of the outputs.
    pub(super) fn groups(&self) -> &[Group] {
        &self.groups
    }
}

impl Group {
    fn new(matrix: &Matrix, rows: Range<usize>) -> Group {
        let column = |j: usize| rows.clone().map(move |i| matrix.at(i, j));
        Group {
            factors: (0..matrix.columns()).flat_map(column).collect(),
            rows,
        }
    }

    /// The outputs of this pass.
    pub(super) fn width(&self) -> usize {
        self.rows.len()
    }
}

/// The plans of the erasure patterns that were met last, at most [`REMEMBERED`].
#[derive(Default)]
pub(super) struct Plans(Mutex<Vec<Remembered>>);

/// The points of a pattern, and its plan.
type Remembered = (Box<[u8]>, Arc<Plan>);

impl Plans {
    /// The plan that makes of the first `k` of these points the others, remembered or new.
    pub(super) fn get(&self, points: &[u8], k: usize) -> Arc<Plan> {
        if let Some(plan) = self.find(points) {
            return plan;
        }
        let (from, to) = points.split_at(k);
        let plan = Arc::new(Plan::new(&Matrix::interpolation(from, to)));
        self.keep(points, &plan);
        plan
    }

    /// Looks for a pattern, and moves it to the front: what is forgotten is what was not used for longest.
    fn find(&self, points: &[u8]) -> Option<Arc<Plan>> {
        let mut recent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = recent.iter().position(|(known, _)| **known == *points)?;
        recent[..=place].rotate_right(1);
        Some(Arc::clone(&recent[0].1))
    }

    fn keep(&self, points: &[u8], plan: &Arc<Plan>) {
        let mut recent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        recent.truncate(REMEMBERED - 1);
        recent.insert(0, (points.into(), Arc::clone(plan)));
    }
}

/// The shards that others are made from, then those that are made: an erasure pattern as it is met. It lives on the stack, since
/// a short stripe takes less time than an allocation or two.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    points: [u8; 2 * MAX_SHARDS],
    len: usize,
}

impl Pattern {
    /// No shard.
    pub(super) fn new() -> Pattern {
        Pattern {
            points: [0; 2 * MAX_SHARDS],
            len: 0,
        }
    }

    /// Adds a shard; there is room for all of a code twice.
    pub(super) fn push(&mut self, point: u8) {
        self.points[self.len] = point;
        self.len += 1;
    }

    /// All of them.
    pub(super) fn points(&self) -> &[u8] {
        &self.points[..self.len]
    }
}

impl fmt::Debug for Plans {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let remembered = self.0.lock().map_or(0, |recent| recent.len());
        f.debug_struct("Plans").field("remembered", &remembered).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn widths(rows: usize) -> Vec<usize> {
        let matrix = Matrix::from_rows(&vec![vec![1, 2]; rows]);
        Plan::new(&matrix).groups().iter().map(Group::width).collect()
    }

    #[test]
    fn outputs_are_grouped_evenly_and_none_is_left_out() {
        assert_eq!(widths(1), [1]);
        assert_eq!(widths(8), [8]);
        assert_eq!(widths(9), [4, 5]);
        assert_eq!(widths(20), [6, 7, 7]);
        for rows in 1..=256 {
            assert_eq!(widths(rows).iter().sum::<usize>(), rows);
            assert!(widths(rows).into_iter().all(|width| (1..=GROUP).contains(&width)));
        }
    }

    #[test]
    fn a_group_has_its_factors_input_by_input() {
        let plan = Plan::new(&Matrix::from_rows(&[vec![1, 2, 3], vec![4, 5, 6]]));
        assert_eq!((plan.inputs(), plan.outputs()), (3, 2));
        assert_eq!(plan.groups()[0].factors, [1, 4, 2, 5, 3, 6]);
    }

    #[test]
    fn a_pattern_is_computed_once_until_it_is_the_oldest_of_many() {
        let plans = Plans::default();
        let first = plans.get(&[0, 1, 2], 2);
        for to in 3..66 {
            plans.get(&[0, 1, to], 2);
        }
        assert!(
            Arc::ptr_eq(&first, &plans.get(&[0, 1, 2], 2)),
            "64 patterns are remembered"
        );
        for to in 66..130 {
            plans.get(&[0, 1, to], 2);
        }
        let again = plans.get(&[0, 1, 2], 2);
        assert!(!Arc::ptr_eq(&first, &again), "64 others came after it");
        assert_eq!(first, again);
    }
}
