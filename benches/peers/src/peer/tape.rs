//! `tape-reed-solomon`.

use tape_reed_solomon::ReedSolomon;

use super::Peer;

pub(crate) struct Tape(ReedSolomon);

pub(crate) fn kernel() -> String {
    let best = if is_x86_feature_detected!("avx512bw") && is_x86_feature_detected!("gfni") {
        "AVX-512 with GFNI"
    } else {
        "the CPU's best"
    };
    let route = ReedSolomon::new(10, 4).expect("a small code").encode_route(64 << 10);
    format!("{best} by its source; 10+4 goes by {route}")
}

impl Tape {
    pub(crate) fn new(k: usize, m: usize) -> Tape {
        Tape(ReedSolomon::new(k, m).expect("a small code"))
    }
}

impl Peer for Tape {
    fn name(&self) -> String {
        "tape".to_owned()
    }

    fn encode(&mut self, data: &[&[u8]], parity: &mut [&mut [u8]], times: usize) {
        for _ in 0..times {
            self.0.encode_sep(data, parity).expect("shards of one length");
        }
    }

    fn rebuild(&mut self, shards: &mut [&mut [u8]], times: usize) {
        let lost = self.0.parity_shard_count();
        let mut shards: Vec<(&mut [u8], bool)> = shards.iter_mut().map(|shard| (&mut **shard, true)).collect();
        for _ in 0..times {
            shards.iter_mut().take(lost).for_each(|(_, there)| *there = false);
            self.0.reconstruct(&mut shards).expect("k shards are left");
        }
    }

    fn verify(&mut self, shards: &[&[u8]], times: usize) -> Option<bool> {
        Some((0..times).all(|_| self.0.verify(shards).expect("shards of one length")))
    }
}
