//! RAIC's.

use raic_peers::codec::Code;
use raic_peers::codec::kernel::{self, Kernel};

use super::{OURS, Peer};

pub(crate) struct Ours {
    code: Code,
    name: String,
}

pub(crate) fn kernel() -> String {
    kernel::name().to_owned()
}

impl Ours {
    /// On the kernel that the program would take.
    pub(crate) fn chosen(k: usize, m: usize) -> Ours {
        let code = Code::new(k, k + m).expect("a small code");
        Ours {
            code,
            name: OURS.to_owned(),
        }
    }

    /// On each of the others.
    pub(crate) fn others(k: usize, m: usize) -> impl Iterator<Item = Ours> {
        let others = Kernel::available()
            .into_iter()
            .filter(|kernel| *kernel != Kernel::chosen());
        others.map(move |kernel| Ours {
            code: Code::with_kernel(k, k + m, kernel).expect("a small code"),
            name: format!("{OURS} {}", kernel.name()),
        })
    }
}

impl Peer for Ours {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn encode(&mut self, data: &[&[u8]], parity: &mut [&mut [u8]], times: usize) {
        for _ in 0..times {
            self.code.encode(data, parity);
        }
    }

    fn rebuild(&mut self, shards: &mut [&mut [u8]], times: usize) {
        let (lost, left) = shards.split_at_mut(self.code.n() - self.code.k());
        let have: Vec<(usize, &[u8])> = (lost.len()..).zip(left.iter().map(|shard| &**shard)).collect();
        let mut want: Vec<(usize, &mut [u8])> = lost.iter_mut().map(|shard| &mut **shard).enumerate().collect();
        for _ in 0..times {
            self.code.reconstruct(&have, &mut want).expect("k shards are left");
        }
    }

    fn verify(&mut self, shards: &[&[u8]], times: usize) -> Option<bool> {
        Some((0..times).all(|_| self.code.verify(shards)))
    }
}
