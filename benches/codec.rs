//! The codec on each kernel that this CPU has, beside `reed-solomon-erasure` as it comes (scalar).
//!
//! GiB/s of payload: k shards a call, whatever is made of them. All shards are in the cache that they fit in. Before anything
//! is timed its answer is compared with the other crate's. `cargo bench --bench codec -- 'encode/10\+4/64K'` runs a part. The
//! clock is the wall's: on a machine with other work only the ratios of one run mean something.

use std::hint::black_box;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use raic::codec::Code;
use raic::codec::kernel::Kernel;
use reed_solomon_erasure::galois_8::ReedSolomon;

const SHAPES: [(usize, usize); 5] = [(2, 1), (4, 2), (10, 4), (17, 3), (3, 7)];
const LENGTHS: [(&str, usize); 3] = [("4K", 4 << 10), ("64K", 64 << 10), ("1M", 1 << 20)];

/// All shards of one stripe, and the other crate's codec, which made its parity.
struct Stripe {
    k: usize,
    shards: Vec<Vec<u8>>,
    oracle: ReedSolomon,
}

impl Stripe {
    fn new(k: usize, m: usize, len: usize) -> Stripe {
        let mut ramp = (0..=250_u8).cycle();
        let data: Vec<Vec<u8>> = (0..k).map(|_| ramp.by_ref().take(len).collect()).collect();
        let mut shards = [data, vec![vec![0; len]; m]].concat();
        let oracle = ReedSolomon::new(k, m).expect("a small code");
        oracle.encode(&mut shards).expect("shards of one length");
        Stripe { k, shards, oracle }
    }

    fn n(&self) -> usize {
        self.shards.len()
    }

    /// Shards lost in the worst case that can be undone: data first.
    fn lost(&self) -> usize {
        self.k.min(self.n() - self.k)
    }

    fn slices(&self) -> Vec<&[u8]> {
        self.shards.iter().map(Vec::as_slice).collect()
    }

    /// Buffers for `count` shards, filled with what is none of them.
    fn buffers(&self, count: usize) -> Vec<Vec<u8>> {
        vec![vec![0xa5; self.shards[0].len()]; count]
    }
}

fn encode(group: &mut BenchmarkGroup<'_, WallTime>, stripe: &Stripe) {
    let slices = stripe.slices();
    let (data, expected) = slices.split_at(stripe.k);
    for kernel in Kernel::available() {
        let code = Code::with_kernel(stripe.k, stripe.n(), kernel).expect("a small code");
        let mut buffers = stripe.buffers(expected.len());
        let mut parity: Vec<&mut [u8]> = buffers.iter_mut().map(Vec::as_mut_slice).collect();
        code.encode(data, &mut parity);
        assert_eq!(parity, expected, "{}", kernel.name());
        group.bench_function(kernel.name(), |b| {
            b.iter(|| code.encode(black_box(data), black_box(&mut parity)));
        });
    }
    let mut parity = stripe.buffers(expected.len());
    group.bench_function("reed-solomon-erasure", |b| {
        b.iter(|| stripe.oracle.encode_sep(black_box(data), black_box(&mut parity)));
    });
}

fn reconstruct(group: &mut BenchmarkGroup<'_, WallTime>, stripe: &Stripe) {
    let slices = stripe.slices();
    let lost = stripe.lost();
    let have: Vec<(usize, &[u8])> = slices.iter().copied().enumerate().skip(lost).collect();
    for kernel in Kernel::available() {
        let code = Code::with_kernel(stripe.k, stripe.n(), kernel).expect("a small code");
        let mut buffers = stripe.buffers(lost);
        let mut want: Vec<(usize, &mut [u8])> = buffers.iter_mut().map(Vec::as_mut_slice).enumerate().collect();
        code.reconstruct(&have, &mut want).expect("k shards are left");
        assert!(
            want.iter().all(|(index, bytes)| **bytes == *slices[*index]),
            "{}",
            kernel.name()
        );
        group.bench_function(kernel.name(), |b| {
            b.iter(|| code.reconstruct(black_box(&have), black_box(&mut want)));
        });
    }
    let mut shards: Vec<(Vec<u8>, bool)> = stripe.shards.iter().cloned().map(|shard| (shard, true)).collect();
    group.bench_function("reed-solomon-erasure", |b| {
        b.iter(|| {
            shards.iter_mut().take(lost).for_each(|(_, present)| *present = false);
            stripe.oracle.reconstruct(black_box(&mut shards))
        });
    });
}

fn verify(group: &mut BenchmarkGroup<'_, WallTime>, stripe: &Stripe) {
    let slices = stripe.slices();
    for kernel in Kernel::available() {
        let code = Code::with_kernel(stripe.k, stripe.n(), kernel).expect("a small code");
        assert!(code.verify(&slices), "{}", kernel.name());
        group.bench_function(kernel.name(), |b| b.iter(|| code.verify(black_box(&slices))));
    }
    group.bench_function("reed-solomon-erasure", |b| {
        b.iter(|| stripe.oracle.verify(black_box(&slices)));
    });
}

fn codec(criterion: &mut Criterion) {
    type Bench = fn(&mut BenchmarkGroup<'_, WallTime>, &Stripe);
    let benches: [(&str, Bench); 3] = [("encode", encode), ("reconstruct", reconstruct), ("verify", verify)];
    for (name, bench) in benches {
        for ((k, m), (size, len)) in SHAPES
            .into_iter()
            .flat_map(|shape| LENGTHS.map(|length| (shape, length)))
        {
            let mut group = criterion.benchmark_group(format!("{name}/{k}+{m}/{size}"));
            group.throughput(Throughput::Bytes((k * len) as u64));
            bench(&mut group, &Stripe::new(k, m, len));
            group.finish();
        }
    }
}

criterion_group!(benches, codec);
criterion_main!(benches);
