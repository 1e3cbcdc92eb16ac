//! Data to parity, and the check that parity is what data gives.

use super::code::Code;

impl Code {
    /// Fills `parity` from `data`: parity shard i is the sum over j of `G[k + i][j]` · data shard j, byte by byte.
    ///
    /// `data` is k shards, `parity` n − k, all of one length in bytes (0 included); `parity` is overwritten.
    ///
    /// # Panics
    ///
    /// If a count or a length is another.
    pub fn encode(&self, data: &[&[u8]], parity: &mut [&mut [u8]]) {
        self.kernel().fill(self.parity(), data, parity);
    }

    /// True if all n `shards` belong together: the last n − k are what the first k give. With n = k they always do.
    ///
    /// The parity is compared as it is computed and stored nowhere. A `false` doesn't tell which shard is wrong.
    ///
    /// # Panics
    ///
    /// If there aren't n shards of one length.
    #[must_use]
    pub fn verify(&self, shards: &[&[u8]]) -> bool {
        assert_eq!(shards.len(), self.n(), "shards to verify, and those of the code");
        let (data, parity) = shards.split_at(self.k());
        self.kernel().agrees(self.parity(), data, parity)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::kernel::Kernel;
    use crate::codec::naive::{ramp, slices, slices_mut};

    #[test]
    fn with_one_data_shard_every_shard_is_a_copy() {
        let shards = Code::new(1, 256).unwrap().coded_ramp(300);
        assert!(shards.iter().all(|shard| *shard == shards[0]));
    }

    #[test]
    fn without_parity_there_is_nothing_to_fill_and_nothing_to_contradict() {
        let code = Code::new(5, 5).unwrap();
        let shards = code.coded_ramp(100);
        assert_eq!(shards, ramp(5, 100));
        assert!(code.verify(&slices(&shards)));
    }

    #[test]
    fn one_flipped_bit_anywhere_is_noticed() {
        for kernel in Kernel::available() {
            let code = Code::with_kernel(4, 6, kernel).unwrap();
            for len in [1, 31, 64, 65, 300] {
                let mut shards = code.coded_ramp(len);
                assert!(code.verify(&slices(&shards)), "{kernel:?}, {len} bytes");
                for (shard, at) in (0..6).flat_map(|shard| (0..len).map(move |at| (shard, at))) {
                    shards[shard][at] ^= 1 << (at % 8);
                    assert!(
                        !code.verify(&slices(&shards)),
                        "{kernel:?}, {len} bytes, byte {at} of shard {shard}"
                    );
                    shards[shard][at] ^= 1 << (at % 8);
                }
            }
        }
    }

    #[test]
    fn swapped_shards_are_noticed() {
        let code = Code::new(4, 6).unwrap();
        let mut shards = code.coded_ramp(1000);
        shards.swap(1, 2);
        assert!(!code.verify(&slices(&shards)));
    }

    #[test]
    fn a_column_is_coded_the_same_whatever_stands_beside_it() {
        let code = Code::new(10, 20).unwrap();
        let whole = code.coded_ramp(9000);
        let data: Vec<&[u8]> = whole[..10].iter().map(|shard| &shard[4097..8200]).collect();
        let mut parity = vec![vec![0; 8200 - 4097]; 10];
        code.encode(&data, &mut slices_mut(&mut parity));
        for (piece, shard) in parity.iter().zip(&whole[10..]) {
            assert_eq!(piece[..], shard[4097..8200]);
        }
    }

    #[test]
    #[should_panic(expected = "one length")]
    fn shards_of_two_lengths_are_a_callers_mistake() {
        let _ = Code::new(1, 2).unwrap().verify(&[&[1, 2], &[1]]);
    }
}
