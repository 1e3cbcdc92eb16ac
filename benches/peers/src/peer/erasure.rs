//! `reed-solomon-erasure` with and without its C code.
#![expect(unsafe_code, reason = "a call into the C code of a crate")]

use super::Peer;

/// Whether the C code does as much a call as the one compiled for AVX2, and not as another crate's of the same name.
pub(crate) fn kernel() -> String {
    unsafe extern "C" {
        fn reedsolomon_gal_mul(low: *const u8, high: *const u8, input: *const u8, out: *mut u8, len: usize) -> usize;
    }
    let (tables, input, mut out) = ([0_u8; 16], [0_u8; 48], [0_u8; 48]);
    // SAFETY: the crate's own declaration; the tables are 16 readable bytes, `input` and `out` 48 of the length that is given.
    let done = unsafe {
        reedsolomon_gal_mul(
            tables.as_ptr(),
            tables.as_ptr(),
            input.as_ptr(),
            out.as_mut_ptr(),
            out.len(),
        )
    };
    match done {
        32 => "C, 32 bytes a step: AVX2".to_owned(),
        _ => format!("C that did {done} of 48 bytes: NOT its own AVX2 code, its figures are void"),
    }
}

macro_rules! peer {
    ($peer:ident, $crate_name:ident, $name:literal) => {
        pub(crate) struct $peer($crate_name::galois_8::ReedSolomon);

        impl $peer {
            pub(crate) fn new(k: usize, m: usize) -> $peer {
                $peer($crate_name::galois_8::ReedSolomon::new(k, m).expect("a small code"))
            }
        }

        impl Peer for $peer {
            fn name(&self) -> String {
                $name.to_owned()
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
    };
}

peer!(Accelerated, reed_solomon_erasure, "rse simd-accel");
peer!(Scalar, reed_solomon_erasure_5, "rse scalar");
