//! The code held to `reed-solomon-erasure`, whose bytes others can read.

use super::Code;
use super::kernel::Kernel;
use super::naive::{ramp, slices, slices_mut};
use reed_solomon_erasure::galois_8::ReedSolomon;

fn ours(k: usize, m: usize, kernel: Kernel, data: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut parity = vec![vec![0xa5; data[0].len()]; m];
    Code::with_kernel(k, k + m, kernel)
        .unwrap()
        .encode(&slices(data), &mut slices_mut(&mut parity));
    parity
}

fn theirs(k: usize, m: usize, data: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut parity = vec![vec![0; data[0].len()]; m];
    ReedSolomon::new(k, m).unwrap().encode_sep(data, &mut parity).unwrap();
    parity
}

/// Compares on every kernel that this CPU has.
fn compare(k: usize, m: usize, len: usize) {
    let data = ramp(k, len);
    let expected = theirs(k, m, &data);
    for kernel in Kernel::available() {
        assert!(
            ours(k, m, kernel, &data) == expected,
            "{k}+{m}, {len} bytes, {kernel:?}"
        );
    }
}

#[test]
fn parity_is_that_of_the_oracle_for_every_code_up_to_32_and_32() {
    for (k, m) in (1..=32).flat_map(|k| (1..=32).map(move |m| (k, m))) {
        compare(k, m, 67);
    }
}

#[test]
fn parity_is_that_of_the_oracle_for_codes_up_to_256() {
    for (k, m) in [
        (1, 255),
        (33, 1),
        (40, 100),
        (64, 64),
        (100, 156),
        (128, 128),
        (200, 56),
        (253, 3),
        (255, 1),
    ] {
        compare(k, m, 70);
    }
}

#[test]
fn parity_is_that_of_the_oracle_for_lengths_round_every_block() {
    for len in [
        1, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 255, 256, 257, 511, 512, 513, 4095, 4096, 4097, 65536,
    ] {
        for (k, m) in [(4, 2), (3, 7), (5, 12)] {
            compare(k, m, len);
        }
    }
}

#[test]
fn parity_is_that_of_the_oracle_for_shards_beyond_the_caches() {
    for (k, m) in [(4, 2), (2, 3), (9, 9)] {
        compare(k, m, 400_001);
    }
}

#[test]
fn the_oracle_rebuilds_from_our_parity() {
    let data = ramp(10, 1000);
    for kernel in Kernel::available() {
        let all: Vec<Vec<u8>> = data.iter().cloned().chain(ours(10, 4, kernel, &data)).collect();
        let mut shards: Vec<Option<Vec<u8>>> = all.iter().cloned().map(Some).collect();
        for lost in [0, 3, 9, 12] {
            shards[lost] = None;
        }
        ReedSolomon::new(10, 4).unwrap().reconstruct(&mut shards).unwrap();
        assert!(shards.into_iter().eq(all.into_iter().map(Some)), "{kernel:?}");
    }
}
