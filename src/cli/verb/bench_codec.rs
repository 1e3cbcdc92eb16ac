//! `raic bench codec`: what one core of this CPU codes a second, on each kernel that it has, beside a copy and the hash.

use std::hint::black_box;
use std::time::{Duration, Instant};

use clap::Args;
use schemars::JsonSchema;
use serde::Serialize;

use super::super::Context;
use super::super::error::Failure;
use super::super::exit::Exit;
use super::super::output::Document;
use super::super::quantity::{parse_size, size};
use super::super::table::{self, left, right};
use crate::codec::Code;
use crate::codec::kernel::{self, Kernel};

/// Rounds of all that is measured; the best counts, since everything that disturbs makes slower.
const ROUNDS: usize = 9;

/// What a round gives each of them: long beside a call of the clock, short beside what disturbs.
const SLICE: Duration = Duration::from_millis(3);

/// The longest chunk: more than any cache, and with 510 of them still memory that a person has.
const LONGEST: usize = 16 << 20;

/// Shards start a line or three apart in the sets of the caches, as the store's do not by chance.
const STAGGER: usize = 192;

/// What is typed.
#[derive(Debug, Args)]
pub(crate) struct BenchCodec {
    /// Data chunks
    #[arg(short, default_value_t = 10, value_parser = clap::value_parser!(u8).range(1..))]
    k: u8,
    /// Parity chunks; at most 256 chunks in all
    #[arg(short, default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..))]
    m: u8,
    /// Bytes of a chunk, at most 16M
    #[arg(long, value_name = "SIZE", default_value = "64K", value_parser = chunk)]
    chunk: usize,
}

/// The answer. Rates are bytes of payload a second, k chunks a call.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct CodecRates {
    /// Data chunks.
    k: usize,
    /// Parity chunks.
    m: usize,
    /// Bytes of a chunk.
    chunk: u64,
    /// The kernel that the program uses.
    chosen: String,
    /// Each kernel of this CPU, the best first.
    kernels: Vec<KernelRates>,
    /// Copying the data chunks.
    copy: f64,
    /// The BLAKE3 hash of each data chunk.
    hash: f64,
}

/// One kernel.
#[derive(Debug, Serialize, JsonSchema)]
struct KernelRates {
    /// Its word for `RAIC_KERNEL`.
    name: String,
    /// Data to parity.
    encode: f64,
    /// The first m chunks from the others.
    reconstruct: f64,
    /// Whether all chunks belong together.
    verify: f64,
}

impl Document for CodecRates {
    const SCHEMA: &'static str = "raic.bench.codec/1";
}

/// The length of a chunk, as it is typed.
pub(crate) fn chunk(text: &str) -> Result<usize, String> {
    let fits = usize::try_from(parse_size(text)?).ok();
    fits.filter(|len| (1..=LONGEST).contains(len))
        .ok_or_else(|| "a chunk has 1 byte to 16M".to_owned())
}

pub(crate) async fn run(args: &BenchCodec, context: &Context) -> Result<Exit, Failure> {
    let codes: Result<Vec<Code>, _> = Kernel::available()
        .into_iter()
        .map(|kernel| Code::with_kernel(args.k.into(), usize::from(args.k) + usize::from(args.m), kernel))
        .collect();
    let codes = codes.map_err(|error| Failure::new(Exit::Usage, "E0001", error.to_string()))?;
    let chunk = args.chunk;
    let work = tokio::task::spawn_blocking(move || measure(&codes, chunk));
    let rates = work.await.expect("the measurement doesn't panic");
    if context.out.is_json() {
        context.out.document(&rates)?;
    } else {
        tell(&rates, context)?;
    }
    Ok(Exit::Done)
}

fn tell(rates: &CodecRates, context: &Context) -> Result<(), Failure> {
    let title = format!(
        "{}+{}, chunks of {}, one core: GB of payload a second, the best of {ROUNDS} rounds",
        rates.k,
        rates.m,
        size(rates.chunk)
    );
    context.out.said(&title)?;
    let columns = [
        left("KERNEL"),
        right("ENCODE"),
        right("RECONSTRUCT"),
        right("VERIFY"),
        left(""),
    ];
    let giga = |rate: f64| format!("{:.1}", rate / 1e9);
    let row = |one: &KernelRates| {
        let chosen = if one.name == rates.chosen { "in use" } else { "" };
        vec![
            one.name.clone(),
            giga(one.encode),
            giga(one.reconstruct),
            giga(one.verify),
            chosen.to_owned(),
        ]
    };
    let rows: Vec<Vec<String>> = rates.kernels.iter().map(row).collect();
    for line in table::lines(&columns, &rows, context.out.room()) {
        context.out.answer(&line)?;
    }
    context.out.said(&format!(
        "beside them: copying {}, BLAKE3 {}",
        giga(rates.copy),
        giga(rates.hash)
    ))
}

/// Measures `codes`, the same code on several kernels, in turns.
fn measure(codes: &[Code], chunk: usize) -> CodecRates {
    let (k, n) = (codes[0].k(), codes[0].n());
    let mut arena = vec![0; (2 * n - k) * (chunk + STAGGER)];
    let mut shards: Vec<&mut [u8]> = arena.chunks_mut(chunk + STAGGER).map(|all| &mut all[..chunk]).collect();
    let mut room = shards.split_off(n);
    let mut ramp = (0..=250_u8).cycle();
    for shard in &mut shards[..k] {
        shard.fill_with(|| ramp.next().expect("it has no end"));
    }
    let (data, parity) = shards.split_at_mut(k);
    codes[0].encode(&shared(data), parity);
    let mut best = vec![[Duration::MAX; 3]; codes.len()];
    let (mut copy, mut hash) = (Duration::MAX, Duration::MAX);
    for _ in 0..ROUNDS {
        for (code, best) in codes.iter().zip(&mut best) {
            let data = shared(&shards[..k]);
            shorten(&mut best[0], || code.encode(black_box(&data), black_box(&mut room)));
            let all = shared(&shards);
            shorten(&mut best[2], || {
                assert!(code.verify(black_box(&all)), "{} differs", code.kernel().name());
            });
            let (lost, left) = shards.split_at_mut(n - k);
            let have: Vec<(usize, &[u8])> = (n - k..).zip(shared(left)).collect();
            let mut want: Vec<(usize, &mut [u8])> = lost.iter_mut().map(|shard| &mut **shard).enumerate().collect();
            shorten(&mut best[1], || {
                code.reconstruct(black_box(&have), black_box(&mut want))
                    .expect("k are left");
            });
        }
        let data = shared(&shards[..k]);
        let places = room.len();
        shorten(&mut copy, || {
            for (turn, shard) in data.iter().enumerate() {
                black_box(&mut room[turn % places]).copy_from_slice(shard);
            }
        });
        shorten(&mut hash, || {
            for shard in &data {
                black_box(blake3::hash(shard));
            }
        });
    }
    let payload = Duration::from_secs((k * chunk) as u64);
    let rate = |call: Duration| payload.div_duration_f64(call);
    CodecRates {
        k,
        m: n - k,
        chunk: chunk as u64,
        chosen: kernel::name().to_owned(),
        kernels: codes
            .iter()
            .zip(&best)
            .map(|(code, best)| KernelRates {
                name: code.kernel().name().to_owned(),
                encode: rate(best[0]),
                reconstruct: rate(best[1]),
                verify: rate(best[2]),
            })
            .collect(),
        copy: rate(copy),
        hash: rate(hash),
    }
}

fn shared<'a>(shards: &'a [&mut [u8]]) -> Vec<&'a [u8]> {
    shards.iter().map(|shard| &**shard).collect()
}

/// Calls `work` for a slice, and keeps in `best` what a call took, if it is less.
fn shorten(best: &mut Duration, mut work: impl FnMut()) {
    let (begun, mut calls) = (Instant::now(), 0);
    // Once at least: a busy machine may take away the core for longer than a slice before the first call.
    while calls == 0 || begun.elapsed() < SLICE {
        // The clock is asked once in four, so that it doesn't count in calls that take as little as itself.
        for _ in 0..4 {
            work();
        }
        calls += 4;
    }
    *best = (*best).min(begun.elapsed() / calls);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kernel_of_this_cpu_has_its_rates() {
        let codes: Vec<Code> = Kernel::available()
            .into_iter()
            .map(|kernel| Code::with_kernel(3, 5, kernel).unwrap())
            .collect();
        let rates = measure(&codes, 100);
        let names: Vec<&str> = rates.kernels.iter().map(|one| one.name.as_str()).collect();
        let available: Vec<&str> = Kernel::available().into_iter().map(Kernel::name).collect();
        assert_eq!(names, available);
        assert!(names.contains(&rates.chosen.as_str()));
        let all = rates
            .kernels
            .iter()
            .flat_map(|one| [one.encode, one.reconstruct, one.verify]);
        assert!(
            all.chain([rates.copy, rates.hash])
                .all(|rate| rate.is_finite() && rate > 0.0)
        );
    }
}
