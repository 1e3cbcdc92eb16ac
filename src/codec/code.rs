//! A code: its two numbers, and what is worked out once for them.

use std::sync::Arc;

use super::kernel::Kernel;
use super::matrix::Matrix;
use super::plan::{Pattern, Plan, Plans};

/// The most shards: the points at which a polynomial over GF(2^8) can be read.
pub const MAX_SHARDS: usize = 256;

/// Why a code can't be made, or a shard not rebuilt.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodeError {
    /// The numbers make no code; the input is to be fixed.
    #[error("no code has k = {k} of n = {n} shards: 1 to n data shards and at most {MAX_SHARDS} in all")]
    Shape {
        /// Data shards that were asked for.
        k: usize,
        /// Shards in all that were asked for.
        n: usize,
    },
    /// Other shards have to be found first.
    #[error("{have} shards are there, {want} are needed to rebuild another")]
    TooFew {
        /// Shards that were given.
        have: usize,
        /// Shards that any rebuilding takes: k.
        want: usize,
    },
}

/// The code of k data shards among n. A clone is the same code: clones share what has been worked out.
#[derive(Clone, Debug)]
pub struct Code(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    k: usize,
    n: usize,
    kernel: Kernel,
    parity: Plan,
    decode: Plans,
}

impl Code {
    /// The code of `k` data shards among `n` shards, 1 ≤ k ≤ n ≤ 256, on the kernel that was chosen for this CPU.
    pub fn new(k: usize, n: usize) -> Result<Code, CodeError> {
        Code::with_kernel(k, n, Kernel::chosen())
    }

    /// The same on a kernel of the caller's choice, for tests and benches; all kernels give the same bytes.
    pub fn with_kernel(k: usize, n: usize, kernel: Kernel) -> Result<Code, CodeError> {
        if k < 1 || k > n || n > MAX_SHARDS {
            return Err(CodeError::Shape { k, n });
        }
        let points: Vec<u8> = (0..=u8::MAX).take(n).collect();
        let (data, parity) = points.split_at(k);
        Ok(Code(Arc::new(Inner {
            k,
            n,
            kernel,
            parity: Plan::new(&Matrix::interpolation(data, parity)),
            decode: Plans::default(),
        })))
    }

    /// Data shards; any so many shards give all the others.
    pub fn k(&self) -> usize {
        self.0.k
    }

    /// Shards in all.
    pub fn n(&self) -> usize {
        self.0.n
    }

    /// What the work is done with.
    pub fn kernel(&self) -> Kernel {
        self.0.kernel
    }

    /// Data to parity.
    pub(super) fn parity(&self) -> &Plan {
        &self.0.parity
    }

    /// The first k shards of the pattern, in ascending order, to its others.
    pub(super) fn decode(&self, pattern: &Pattern) -> Arc<Plan> {
        self.0.decode.get(pattern.points(), self.0.k)
    }
}

#[cfg(test)]
impl Code {
    /// All n shards of `len` bytes whose data is the ramp.
    pub(super) fn coded_ramp(&self, len: usize) -> Vec<Vec<u8>> {
        use super::naive::{ramp, slices, slices_mut};
        let mut shards = ramp(self.k(), len);
        let mut parity = vec![vec![0xa5; len]; self.n() - self.k()];
        self.encode(&slices(&shards), &mut slices_mut(&mut parity));
        shards.append(&mut parity);
        shards
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_has_at_least_one_data_shard_and_at_most_256_shards() {
        for (k, n) in [(1, 1), (1, 256), (256, 256), (128, 256), (10, 14)] {
            let code = Code::new(k, n).unwrap();
            assert_eq!((code.k(), code.n()), (k, n));
        }
        for (k, n) in [(0, 0), (0, 3), (4, 3), (1, 257), (257, 257), (usize::MAX, usize::MAX)] {
            assert_eq!(Code::new(k, n).unwrap_err(), CodeError::Shape { k, n });
        }
    }

    #[test]
    fn a_code_may_be_shared_between_threads() {
        fn shared<T: Clone + Send + Sync + 'static>() {}
        shared::<Code>();
    }

    #[test]
    fn errors_tell_the_numbers() {
        assert_eq!(
            CodeError::Shape { k: 4, n: 3 }.to_string(),
            "no code has k = 4 of n = 3 shards: 1 to n data shards and at most 256 in all"
        );
        assert_eq!(
            CodeError::TooFew { have: 3, want: 4 }.to_string(),
            "3 shards are there, 4 are needed to rebuild another"
        );
    }
}
