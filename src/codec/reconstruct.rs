//! Any k shards to any others.

use super::code::{Code, CodeError};
use super::recipe::{Recipe, Shards};

impl Code {
    /// Fills every shard of `want` from k of the shards that are there, straight into the caller's buffers.
    ///
    /// `have` names at least k distinct shards in any order; the k lowest are used, so data before parity. `want` names any
    /// shards, data or parity; one that is also in `have` is copied. All are of one length in bytes (0 included). What is
    /// worked out for an erasure pattern is remembered for the next stripe.
    ///
    /// # Panics
    ///
    /// If an index is not below n, `have` names a shard twice, `want` has more than n, or two lengths differ.
    pub fn reconstruct(&self, have: &[(usize, &[u8])], want: &mut [(usize, &mut [u8])]) -> Result<(), CodeError> {
        let recipe = Recipe::find(self, have, want)?;
        let (mut inputs, mut outputs) = (Shards::new(), Shards::new());
        for ((_, bytes), source) in want.iter_mut().zip(recipe.sources()) {
            match source {
                None => outputs.push(&mut **bytes),
                Some(place) => copy(have[place].1, bytes),
            }
        }
        if let Some(plan) = recipe.plan() {
            inputs.extend(recipe.inputs(have));
            self.kernel().fill(plan, &inputs, &mut outputs);
        }
        recipe.keep();
        Ok(())
    }
}

fn copy(from: &[u8], to: &mut [u8]) {
    assert_eq!(from.len(), to.len(), "all shards are of one length");
    to.copy_from_slice(from);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::kernel::Kernel;
    use crate::codec::naive::slices_mut;
    use proptest::prelude::*;
    use proptest::sample::subsequence;

    fn rebuilt(code: &Code, shards: &[Vec<u8>], have: &[usize], want: &[usize]) -> Vec<Vec<u8>> {
        let have: Vec<(usize, &[u8])> = have.iter().map(|&i| (i, shards[i].as_slice())).collect();
        let mut buffers = vec![vec![0xa5; shards[0].len()]; want.len()];
        let mut wanted: Vec<(usize, &mut [u8])> = want.iter().copied().zip(slices_mut(&mut buffers)).collect();
        code.reconstruct(&have, &mut wanted).unwrap();
        buffers
    }

    /// All indices of `n` shards, apart: those in `mask` and the others.
    fn split(n: usize, mask: u32) -> (Vec<usize>, Vec<usize>) {
        (0..n).partition(|i| mask >> i & 1 == 1)
    }

    #[test]
    fn every_erasure_pattern_of_up_to_ten_shards_is_undone() {
        for (k, n) in (1..=10).flat_map(|n| (1..=n).map(move |k| (k, n))) {
            let code = Code::new(k, n).unwrap();
            let shards = code.coded_ramp(67);
            for mask in (0..1_u32 << n).filter(|mask| mask.count_ones() as usize >= k) {
                let (have, lost) = split(n, mask);
                let expected: Vec<Vec<u8>> = lost.iter().map(|&i| shards[i].clone()).collect();
                assert_eq!(
                    rebuilt(&code, &shards, &have, &lost),
                    expected,
                    "{k} of {n}, {have:?} are there"
                );
            }
        }
    }

    #[test]
    fn every_length_round_a_block_is_rebuilt_on_every_kernel() {
        for kernel in Kernel::available() {
            let code = Code::with_kernel(5, 9, kernel).unwrap();
            for len in [0, 1, 63, 64, 65, 255, 256, 257, 4095, 4096, 4097] {
                let shards = code.coded_ramp(len);
                let lost = rebuilt(&code, &shards, &[8, 1, 6, 3, 7], &[0, 2, 4, 5]);
                for (buffer, index) in lost.iter().zip([0, 2, 4, 5]) {
                    assert_eq!(*buffer, shards[index], "{kernel:?}, {len} bytes, shard {index}");
                }
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_k_shards_in_any_order_give_any_others(
            (k, n, have, want) in (1_usize..=256)
                .prop_flat_map(|n| (1..=n, Just(n)))
                .prop_flat_map(|(k, n)| {
                    let all = || (0..n).collect::<Vec<_>>();
                    (Just(k), Just(n), subsequence(all(), k..=n).prop_shuffle(), subsequence(all(), 0..=n.min(12)).prop_shuffle())
                }),
            len in 0_usize..600,
        ) {
            let code = Code::new(k, n).unwrap();
            let shards = code.coded_ramp(len);
            let expected: Vec<Vec<u8>> = want.iter().map(|&i| shards[i].clone()).collect();
            prop_assert_eq!(rebuilt(&code, &shards, &have, &want), expected);
        }
    }

    #[test]
    fn what_one_call_worked_out_serves_no_other() {
        let codes = [
            Code::new(3, 6).unwrap(),
            Code::new(3, 5).unwrap(),
            Code::new(2, 6).unwrap(),
        ];
        let calls: [(&[usize], &[usize]); 6] = [
            (&[1, 2, 3], &[0]),
            (&[1, 2, 3], &[4]),
            (&[1, 3, 2], &[0]),
            (&[1, 2, 3, 4], &[0]),
            (&[1, 2, 3], &[0, 2]),
            (&[1, 2, 3], &[2, 0]),
        ];
        for (first, second) in (0..18).flat_map(|first| (0..18).map(move |second| (first, second))) {
            for call in [first, second, second] {
                let (code, (have, want)) = (&codes[call / 6], calls[call % 6]);
                let shards = code.coded_ramp(40);
                let expected: Vec<Vec<u8>> = want.iter().map(|&i| shards[i].clone()).collect();
                assert_eq!(rebuilt(code, &shards, have, want), expected, "{call} after {first}");
            }
        }
    }

    #[test]
    fn fewer_than_k_shards_are_refused() {
        let code = Code::new(4, 6).unwrap();
        let mut buffer = [0; 2];
        let result = code.reconstruct(&[(0, &[1, 2]), (5, &[3, 4])], &mut [(1, &mut buffer)]);
        assert_eq!(result, Err(CodeError::TooFew { have: 2, want: 4 }));
    }

    #[test]
    #[should_panic(expected = "shard 1 is there twice")]
    fn one_shard_twice_is_a_callers_mistake() {
        let _ = Code::new(2, 3).unwrap().reconstruct(&[(1, &[1]), (1, &[1])], &mut []);
    }

    #[test]
    #[should_panic(expected = "shard 3 of a code of 3 shards")]
    fn a_shard_beyond_the_code_is_a_callers_mistake() {
        let _ = Code::new(2, 3).unwrap().reconstruct(&[(3, &[1]), (1, &[1])], &mut []);
    }
}
