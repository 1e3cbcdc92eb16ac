//! `rusty_erasure`, with the matrix of `reed-solomon-erasure`.

use rusty_erasure::Coder;

use super::Peer;

pub(crate) struct Rusty(Coder);

pub(crate) fn kernel() -> String {
    format!("{}, it says", rusty_erasure::best_kernels().name)
}

impl Rusty {
    pub(crate) fn new(k: usize, m: usize) -> Rusty {
        let matrix = rusty_erasure::compat::reed_solomon_erasure_matrix(k, m).expect("a small code");
        Rusty(rusty_erasure::coder(matrix).expect("a small code"))
    }
}

impl Peer for Rusty {
    fn name(&self) -> String {
        "rusty_erasure".to_owned()
    }

    fn encode(&mut self, data: &[&[u8]], parity: &mut [&mut [u8]], times: usize) {
        for _ in 0..times {
            self.0.encode(data, parity).expect("shards of one length");
        }
    }

    fn rebuild(&mut self, shards: &mut [&mut [u8]], times: usize) {
        let (lost, left) = shards.split_at_mut(self.0.p());
        let names: Vec<usize> = (0..lost.len()).collect();
        let none = lost.iter().map(|_| None);
        let have: Vec<Option<&[u8]>> = none.chain(left.iter().map(|shard| Some(&**shard))).collect();
        let there: Vec<bool> = have.iter().map(Option::is_some).collect();
        let plan = self.0.decode_plan(&there, &names).expect("k shards are left");
        for _ in 0..times {
            self.0.recover_with(&plan, &have, lost).expect("k shards are left");
        }
    }

    fn verify(&mut self, shards: &[&[u8]], times: usize) -> Option<bool> {
        let (data, parity) = shards.split_at(self.0.k());
        Some((0..times).all(|_| self.0.verify(data, parity).expect("shards of one length")))
    }
}
