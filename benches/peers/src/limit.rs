//! What the machine can do at all: no code at all between reading and writing, a copy, a hash, a cycle.
#![expect(
    unsafe_code,
    reason = "vectors and a register, for want of a crate that does nothing"
)]

use std::arch::asm;
use std::arch::x86_64::{
    __m512i, _MM_HINT_T0, _mm_prefetch, _mm_sfence, _mm512_load_si512, _mm512_setzero_si512, _mm512_store_si512,
    _mm512_stream_si512, _mm512_xor_si512,
};

use crate::cell::Op;
use crate::stripe::Stripe;

/// Cycles that a call of [`Limit::Cycles`] takes.
pub(crate) const CYCLES: u32 = 10_000;

/// Something to hold a codec against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    /// Reads k shards and writes m, into the caches.
    Null,
    /// The same past the caches.
    NullPast,
    /// Copies k shards.
    Copy,
    /// BLAKE3 of each of k shards.
    Hash,
    /// [`CYCLES`] steps that wait for each other.
    Cycles,
}

impl Limit {
    /// Those that say something about `op`.
    pub(crate) fn all(op: Op) -> Vec<Limit> {
        let null = is_x86_feature_detected!("avx512f") && op != Op::Verify;
        let nulls = [Limit::Null, Limit::NullPast].into_iter().filter(|_| null);
        nulls.chain([Limit::Copy, Limit::Hash, Limit::Cycles]).collect()
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Limit::Null => "null codec",
            Limit::NullPast => "null codec, past caches",
            Limit::Copy => "memcpy",
            Limit::Hash => "BLAKE3",
            Limit::Cycles => "cycles",
        }
    }

    pub(crate) fn run(self, stripe: &mut Stripe, times: usize) {
        let k = stripe.k;
        let (shards, mut room) = stripe.split();
        let data: Vec<&[u8]> = shards[..k].iter().map(|shard| &**shard).collect();
        for _ in 0..times {
            match self {
                // SAFETY: `all` has seen AVX-512 F.
                Limit::Null => unsafe { null(&data, &mut room, false) },
                // SAFETY: `all` has seen AVX-512 F.
                Limit::NullPast => unsafe { null(&data, &mut room, true) },
                Limit::Copy => {
                    let into = room.len();
                    for (turn, shard) in data.iter().enumerate() {
                        room[turn % into].copy_from_slice(shard);
                    }
                }
                Limit::Hash => {
                    for shard in &data {
                        std::hint::black_box(blake3::hash(shard));
                    }
                }
                Limit::Cycles => wait(CYCLES),
            }
        }
    }
}

/// Every output is the sum of all inputs.
#[target_feature(enable = "avx512f")]
fn null(inputs: &[&[u8]], outputs: &mut [&mut [u8]], past: bool) {
    let len = inputs[0].len() / 64 * 64;
    assert!(
        inputs
            .iter()
            .all(|input| input.len() >= len && input.as_ptr().addr() % 64 == 0)
    );
    assert!(
        outputs
            .iter()
            .all(|output| output.len() >= len && output.as_ptr().addr() % 64 == 0)
    );
    for at in (0..len).step_by(64) {
        let mut sum = _mm512_setzero_si512();
        for input in inputs {
            // SAFETY: 64 bytes from `at` on are in the input, which starts at a line; a prefetch takes any address.
            unsafe {
                if past {
                    _mm_prefetch::<_MM_HINT_T0>(input.as_ptr().wrapping_add(at + 1024).cast());
                }
                sum = _mm512_xor_si512(sum, _mm512_load_si512(input.as_ptr().add(at).cast()));
            }
        }
        for output in &mut *outputs {
            // SAFETY: 64 bytes from `at` on are in the output, which starts at a line.
            unsafe {
                let to: *mut __m512i = output.as_mut_ptr().add(at).cast();
                if past {
                    _mm512_stream_si512(to, sum);
                } else {
                    _mm512_store_si512(to, sum);
                }
            }
        }
    }
    _mm_sfence();
}

/// Counts down: a step needs the one before it, and so takes a cycle.
fn wait(cycles: u32) {
    // SAFETY: it changes one register and the flags.
    unsafe {
        asm!("2:", "sub {count:e}, 1", "jnz 2b", count = inout(reg) cycles => _, options(nomem, nostack));
    }
}
