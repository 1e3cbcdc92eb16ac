//! Those who can code, ours among them: one face for all.

mod erasure;
mod isal;
mod ours;
mod rustfs;
mod rusty;
mod simd16;
mod tape;

/// The name of what the process would use.
pub(crate) const OURS: &str = "raic";

/// A codec made for one code and one length. Each call is done `times` times, with what the library wants prepared before.
pub(crate) trait Peer {
    /// Whose it is.
    fn name(&self) -> String;

    /// Whether it makes the same bytes as `reed-solomon-erasure`.
    fn same_code(&self) -> bool {
        true
    }

    /// Fills `parity`.
    fn encode(&mut self, data: &[&[u8]], parity: &mut [&mut [u8]], times: usize);

    /// Fills the first m shards from the others, as after their loss.
    fn rebuild(&mut self, shards: &mut [&mut [u8]], times: usize);

    /// Tells whether the shards belong together; nothing if the library can't.
    fn verify(&mut self, shards: &[&[u8]], times: usize) -> Option<bool>;
}

/// All that are there, ours first; with all kernels of ours if so wanted.
pub(crate) fn all(k: usize, m: usize, len: usize, kernels: bool) -> Vec<Box<dyn Peer>> {
    let mut all: Vec<Box<dyn Peer>> = vec![Box::new(ours::Ours::chosen(k, m))];
    if kernels {
        all.extend(ours::Ours::others(k, m).map(|ours| Box::new(ours) as Box<dyn Peer>));
    }
    all.push(Box::new(tape::Tape::new(k, m)));
    all.extend(isal::Isal::new(k, m).map(|isal| Box::new(isal) as Box<dyn Peer>));
    all.push(Box::new(rusty::Rusty::new(k, m)));
    all.push(Box::new(rustfs::Rustfs::new(k, m)));
    all.push(Box::new(erasure::Accelerated::new(k, m)));
    // A second for 16 MiB tells nothing new about a table walk.
    if len <= 1 << 20 {
        all.push(Box::new(erasure::Scalar::new(k, m)));
    }
    all.push(Box::new(simd16::Simd16::new(k, m, len)));
    all
}

/// Who runs what on this CPU, as the library says, or as its source says for a CPU like this where it doesn't.
pub(crate) fn kernels() -> Vec<(&'static str, String)> {
    vec![
        (OURS, ours::kernel()),
        ("tape-reed-solomon", tape::kernel()),
        ("ISA-L", isal::kernel()),
        ("rusty_erasure", rusty::kernel()),
        ("rustfs-erasure-codec", rustfs::kernel()),
        ("reed-solomon-erasure, simd-accel", erasure::kernel()),
        (
            "reed-solomon-erasure, scalar",
            "a table of products, in Rust".to_owned(),
        ),
        ("reed-solomon-simd", simd16::kernel()),
    ]
}
