//! `rustfs-erasure-codec`, one thread of it.

use rustfs_erasure_codec::ReedSolomon;
use rustfs_erasure_codec::galois_8::{Field, active_backend_name};

use super::Peer;

pub(crate) struct Rustfs(ReedSolomon<Field>);

pub(crate) fn kernel() -> String {
    format!("{}, it says", active_backend_name())
}

impl Rustfs {
    pub(crate) fn new(k: usize, m: usize) -> Rustfs {
        Rustfs(ReedSolomon::new(k, m).expect("a small code"))
    }
}

impl Peer for Rustfs {
    fn name(&self) -> String {
        "rustfs".to_owned()
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
