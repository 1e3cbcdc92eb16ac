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
//! `portable` is the definition. `fused` is the loop above over the vectors of any instruction set; `avx2` and
//! `avx512_gfni` say what a vector and a product is there. A token that only detection can make stands for each set, so that
//! safe code can't run what the CPU doesn't have. The best one is taken: avx512-gfni, avx2, portable. The environment variable
//! `RAIC_KERNEL` with one of these words takes another; a word that is unknown, or not for this CPU, changes nothing:
//! [`name`] tells what was taken.

use std::ops::Range;
use std::sync::OnceLock;

use super::plan::{Group, Plan};

mod portable;

#[cfg(target_arch = "x86_64")]
mod fused;

#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "AVX2 instructions; a token proves that the CPU has them")]
mod avx2;

#[cfg(target_arch = "x86_64")]
#[expect(
    unsafe_code,
    reason = "AVX-512 and GFNI instructions; a token proves that the CPU has them"
)]
mod avx512_gfni;

/// The environment variable that takes another kernel than the best.
pub const VARIABLE: &str = "RAIC_KERNEL";

/// Columns of a block when there are more than 8 outputs: the inputs are read once more for each 8, from the L2 cache then
/// (256 inputs of 4 KiB are 1 MiB).
const BLOCK: usize = 4096;

/// A way to compute sums of products, proved to run on this CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kernel(Set);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Set {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2(avx2::Avx2),
    #[cfg(target_arch = "x86_64")]
    Avx512Gfni(avx512_gfni::Avx512Gfni),
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
        let mut sets = Vec::new();
        #[cfg(target_arch = "x86_64")]
        sets.extend(avx512_gfni::Avx512Gfni::detect().map(Set::Avx512Gfni));
        #[cfg(target_arch = "x86_64")]
        sets.extend(avx2::Avx2::detect().map(Set::Avx2));
        sets.push(Set::Portable);
        sets.into_iter().map(Kernel).collect()
    }

    /// The definition, which runs everywhere.
    pub const PORTABLE: Kernel = Kernel(Set::Portable);

    /// Its word, as in [`VARIABLE`].
    pub fn name(self) -> &'static str {
        match self.0 {
            Set::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Set::Avx2(_) => "avx2",
            #[cfg(target_arch = "x86_64")]
            Set::Avx512Gfni(_) => "avx512-gfni",
        }
    }

    /// Overwrites `outputs` with what `plan` makes of `inputs`.
    ///
    /// # Panics
    ///
    /// If the counts aren't the plan's or two lengths differ.
    pub(super) fn fill(self, plan: &Plan, inputs: &[&[u8]], outputs: &mut [&mut [u8]]) {
        let len = check(plan, inputs, outputs.iter().map(|output| output.len()));
        for (group, columns) in passes(plan, len) {
            let outputs = &mut outputs[group.rows.clone()];
            match self.0 {
                Set::Portable => portable::fill(group, inputs, columns, outputs),
                #[cfg(target_arch = "x86_64")]
                Set::Avx2(avx2) => avx2.fill(group, inputs, columns, outputs),
                #[cfg(target_arch = "x86_64")]
                Set::Avx512Gfni(avx512) => avx512.fill(group, inputs, columns, outputs),
            }
        }
    }

    /// True if `outputs` are what `plan` makes of `inputs`; stores nothing.
    ///
    /// # Panics
    ///
    /// If the counts aren't the plan's or two lengths differ.
    pub(super) fn agrees(self, plan: &Plan, inputs: &[&[u8]], outputs: &[&[u8]]) -> bool {
        let len = check(plan, inputs, outputs.iter().map(|output| output.len()));
        passes(plan, len).all(|(group, columns)| {
            let outputs = &outputs[group.rows.clone()];
            match self.0 {
                Set::Portable => portable::agrees(group, inputs, columns, outputs),
                #[cfg(target_arch = "x86_64")]
                Set::Avx2(avx2) => avx2.agrees(group, inputs, columns, outputs),
                #[cfg(target_arch = "x86_64")]
                Set::Avx512Gfni(avx512) => avx512.agrees(group, inputs, columns, outputs),
            }
        })
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

/// The passes of `plan` over columns 0..len. A plan of one pass takes all columns at once.
fn passes(plan: &Plan, len: usize) -> impl Iterator<Item = (&Group, Range<usize>)> {
    let block = if plan.groups().len() > 1 { BLOCK } else { len.max(1) };
    let columns = (0..len).step_by(block).map(move |start| start..len.min(start + block));
    columns.flat_map(|columns| plan.groups().iter().map(move |group| (group, columns.clone())))
}

#[cfg(test)]
mod tests;
