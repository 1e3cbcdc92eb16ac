//! `reed-solomon-simd`: a code over GF(2^16), so other parity. It copies what it is given, and its time counts that.

use reed_solomon_simd::{ReedSolomonDecoder, ReedSolomonEncoder};

use super::Peer;

pub(crate) struct Simd16 {
    k: usize,
    m: usize,
    encoder: ReedSolomonEncoder,
    decoder: ReedSolomonDecoder,
    /// Of the data that was encoded last.
    parity: Vec<Vec<u8>>,
}

pub(crate) fn kernel() -> String {
    let best = if is_x86_feature_detected!("avx2") {
        "AVX2"
    } else {
        "SSSE3 or none"
    };
    format!("{best} by its source; another code, GF(2^16)")
}

impl Simd16 {
    pub(crate) fn new(k: usize, m: usize, len: usize) -> Simd16 {
        Simd16 {
            k,
            m,
            encoder: ReedSolomonEncoder::new(k, m, len).expect("a small code"),
            decoder: ReedSolomonDecoder::new(k, m, len).expect("a small code"),
            parity: Vec::new(),
        }
    }
}

impl Peer for Simd16 {
    fn name(&self) -> String {
        "rs-simd".to_owned()
    }

    fn same_code(&self) -> bool {
        false
    }

    fn encode(&mut self, data: &[&[u8]], parity: &mut [&mut [u8]], times: usize) {
        for _ in 0..times {
            for shard in data {
                self.encoder.add_original_shard(shard).expect("k shards of one length");
            }
            let result = self.encoder.encode().expect("all are there");
            for (from, to) in result.recovery_iter().zip(parity.iter_mut()) {
                to.copy_from_slice(from);
            }
        }
    }

    /// The parity of these shards isn't its own, so that is made first. Only the lost data comes back.
    fn rebuild(&mut self, shards: &mut [&mut [u8]], times: usize) {
        let data: Vec<&[u8]> = shards[..self.k].iter().map(|shard| &**shard).collect();
        if self.parity.is_empty() {
            self.parity = vec![vec![0; data[0].len()]; self.m];
            let mut parity: Vec<Vec<u8>> = std::mem::take(&mut self.parity);
            let mut slices: Vec<&mut [u8]> = parity.iter_mut().map(Vec::as_mut_slice).collect();
            self.encode(&data, &mut slices, 1);
            self.parity = parity;
        }
        let lost = self.m.min(self.k);
        for _ in 0..times {
            for (index, shard) in shards.iter().enumerate().take(self.k).skip(lost) {
                self.decoder
                    .add_original_shard(index, shard)
                    .expect("a shard of the code");
            }
            for (index, shard) in self.parity.iter().enumerate().take(lost) {
                self.decoder
                    .add_recovery_shard(index, shard)
                    .expect("a shard of the code");
            }
            let result = self.decoder.decode().expect("k shards are left");
            for (index, bytes) in result.restored_original_iter() {
                shards[index].copy_from_slice(bytes);
            }
        }
    }

    fn verify(&mut self, _: &[&[u8]], _: usize) -> Option<bool> {
        None
    }
}
