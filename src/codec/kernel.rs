//! The loops that move the bytes: one for each instruction set, all with the same answer, chosen once when the program runs.
//!
//! ```text
//!             block of columns →
//! input 0     |■■■■|      each input is read once for up to 8 outputs, whose sums stay in registers until the
//! input 1     |■■■■|      last input is in; then they are stored (fill) or compared (agrees), and the next
//!   ...                   block follows
//! outputs     |□□□□|
//! ```
//!
//! `portable` is the definition. `fused` is the loop above over the vectors of any instruction set; the files named like a set
//! say what a vector and a product is there. A token that only detection can make stands for each set, so that safe code
//! can't run what the CPU doesn't have. The best one is taken: avx512-gfni, avx2-gfni, avx512-bw, avx2, ssse3; neon; portable. The
//! environment variable `RAIC_KERNEL` with one of these words takes another; a word that is unknown, or not for this CPU,
//! changes nothing: [`name`] tells what was taken.

use std::sync::OnceLock;

use pass::Pass;

use super::plan::Plan;

mod pass;
mod portable;

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[expect(
    unsafe_code,
    reason = "rows that a pass has measured are not measured again for each vector"
)]
mod fused;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod halves;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[cfg_attr(
    target_arch = "x86_64",
    expect(unsafe_code, reason = "hints to the caches, which change no byte")
)]
mod cache;

#[cfg(target_arch = "x86_64")]
mod bits;
#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "the set's instructions; a token proves that the CPU has them")]
mod avx512_gfni;
#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "the set's instructions; a token proves that the CPU has them")]
mod avx2_gfni;
#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "the set's instructions; a token proves that the CPU has them")]
mod avx512_bw;
#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "the set's instructions; a token proves that the CPU has them")]
mod avx2;
#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "the set's instructions; a token proves that the CPU has them")]
mod ssse3;
#[cfg(target_arch = "aarch64")]
#[expect(unsafe_code, reason = "the set's instructions; a token proves that the CPU has them")]
mod neon;

/// The environment variable that takes another kernel than the best.
pub const VARIABLE: &str = "RAIC_KERNEL";

/// A way to compute sums of products, proved to run on this CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kernel(Set);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Set {
    #[cfg(target_arch = "x86_64")]
    Avx512Gfni(avx512_gfni::Avx512Gfni),
    #[cfg(target_arch = "x86_64")]
    Avx2Gfni(avx2_gfni::Avx2Gfni),
    #[cfg(target_arch = "x86_64")]
    Avx512Bw(avx512_bw::Avx512Bw),
    #[cfg(target_arch = "x86_64")]
    Avx2(avx2::Avx2),
    #[cfg(target_arch = "x86_64")]
    Ssse3(ssse3::Ssse3),
    #[cfg(target_arch = "aarch64")]
    Neon(neon::Neon),
    Portable,
}

/// Does one thing with the lanes of whatever vector set it is, and another for the portable one.
macro_rules! with_lanes {
    ($set:expr, $lanes:ident => $vectors:expr, $portable:expr) => {
        match $set {
            #[cfg(target_arch = "x86_64")]
            Set::Avx512Gfni($lanes) => $vectors,
            #[cfg(target_arch = "x86_64")]
            Set::Avx2Gfni($lanes) => $vectors,
            #[cfg(target_arch = "x86_64")]
            Set::Avx512Bw($lanes) => $vectors,
            #[cfg(target_arch = "x86_64")]
            Set::Avx2($lanes) => $vectors,
            #[cfg(target_arch = "x86_64")]
            Set::Ssse3($lanes) => $vectors,
            #[cfg(target_arch = "aarch64")]
            Set::Neon($lanes) => $vectors,
            Set::Portable => $portable,
        }
    };
}

/// The word for the kernel that this process uses.
pub fn name() -> &'static str {
    Kernel::chosen().name()
}

impl Kernel {
    /// The kernel that this process uses; decided at the first call.
    pub fn chosen() -> Kernel {
        static CHOSEN: OnceLock<Kernel> = OnceLock::new();
        *CHOSEN.get_or_init(|| choose(std::env::var(VARIABLE).ok().as_deref(), &Kernel::available()))
    }

    /// All that this CPU can run, the best first, [`Kernel::PORTABLE`] last.
    pub fn available() -> Vec<Kernel> {
        let vectors: &[Option<Set>] = &[
            #[cfg(target_arch = "x86_64")]
            avx512_gfni::Avx512Gfni::detect().map(Set::Avx512Gfni),
            #[cfg(target_arch = "x86_64")]
            avx2_gfni::Avx2Gfni::detect().map(Set::Avx2Gfni),
            #[cfg(target_arch = "x86_64")]
            avx512_bw::Avx512Bw::detect().map(Set::Avx512Bw),
            #[cfg(target_arch = "x86_64")]
            avx2::Avx2::detect().map(Set::Avx2),
            #[cfg(target_arch = "x86_64")]
            ssse3::Ssse3::detect().map(Set::Ssse3),
            #[cfg(target_arch = "aarch64")]
            neon::Neon::detect().map(Set::Neon),
        ];
        let all = vectors.iter().flatten().copied().chain([Set::Portable]);
        all.map(Kernel).collect()
    }

    /// The definition, which runs everywhere.
    pub const PORTABLE: Kernel = Kernel(Set::Portable);

    /// Its word, as in [`VARIABLE`].
    pub fn name(self) -> &'static str {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Set::Avx512Gfni(_) => "avx512-gfni",
            #[cfg(target_arch = "x86_64")]
            Set::Avx2Gfni(_) => "avx2-gfni",
            #[cfg(target_arch = "x86_64")]
            Set::Avx512Bw(_) => "avx512-bw",
            #[cfg(target_arch = "x86_64")]
            Set::Avx2(_) => "avx2",
            #[cfg(target_arch = "x86_64")]
            Set::Ssse3(_) => "ssse3",
            #[cfg(target_arch = "aarch64")]
            Set::Neon(_) => "neon",
            Set::Portable => "portable",
        }
    }

    /// Overwrites `outputs` with what `plan` makes of `inputs`.
    ///
    /// # Panics
    ///
    /// If the counts aren't the plan's or two lengths differ.
    pub(super) fn fill(self, plan: &Plan, inputs: &[&[u8]], outputs: &mut [&mut [u8]]) {
        let len = check(plan, inputs, outputs.iter().map(|output| output.len()));
        if let Some(pass) = pass::only(plan, inputs, len) {
            return self.fill_pass(&pass, outputs);
        }
        let head = pass::head(outputs);
        for pass in pass::filling(plan, inputs, len, head) {
            self.fill_pass(&pass, &mut outputs[pass.group.rows.clone()]);
        }
    }

    /// True if `outputs` are what `plan` makes of `inputs`; stores nothing.
    ///
    /// # Panics
    ///
    /// If the counts aren't the plan's or two lengths differ.
    pub(super) fn agrees(self, plan: &Plan, inputs: &[&[u8]], outputs: &[&[u8]]) -> bool {
        let len = check(plan, inputs, outputs.iter().map(|output| output.len()));
        if let Some(pass) = pass::only(plan, inputs, len) {
            return self.agrees_pass(&pass, outputs);
        }
        pass::comparing(plan, inputs, len).all(|pass| self.agrees_pass(&pass, &outputs[pass.group.rows.clone()]))
    }

    fn fill_pass(self, pass: &Pass<'_>, outputs: &mut [&mut [u8]]) {
        with_lanes!(self.0, lanes => fused::fill(lanes, pass, outputs), portable::fill(pass, outputs));
    }

    fn agrees_pass(self, pass: &Pass<'_>, outputs: &[&[u8]]) -> bool {
        with_lanes!(self.0, lanes => fused::agrees(lanes, pass, outputs), portable::agrees(pass, outputs))
    }
}

/// What is asked for if it is there, else the best.
fn choose(asked: Option<&str>, available: &[Kernel]) -> Kernel {
    let named = available.iter().find(|kernel| asked == Some(kernel.name()));
    *named.unwrap_or(&available[0])
}

/// The one length of all inputs and outputs.
fn check(plan: &Plan, inputs: &[&[u8]], outputs: impl ExactSizeIterator<Item = usize>) -> usize {
    assert_eq!(
        inputs.len(),
        plan.inputs(),
        "shards that are given, and those that the code takes"
    );
    assert_eq!(
        outputs.len(),
        plan.outputs(),
        "shards to make, and those that the code makes"
    );
    let len = inputs[0].len();
    let mut others = inputs.iter().map(|input| input.len()).chain(outputs);
    assert!(others.all(|other| other == len), "all shards are of one length");
    len
}

#[cfg(test)]
mod tests;
