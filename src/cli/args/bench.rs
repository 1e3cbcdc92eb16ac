//! What `bench` is told.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::super::verb::bench_codec::BenchCodec;
use crate::cloud_set::price::Money;
use crate::cloud_set::quantity::Size;
use crate::mix::threshold::Threshold;

#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Blobs and objects go under a prefix of their own and are removed. What it costs at most is told first. \
Without a configuration, or with --sim, six providers are measured that don't exist: their speeds are invented, \
the store that runs on them is the real one, time is virtual.
  raic bench --sim --out run1               no account needed; then open run1/report.html
  raic bench --providers b2-eu,wasabi --concurrency 1,8 --max-cost 0.05 --out run2
  raic bench --threshold 'b2-eu.write.rate>10MiB/s'         exit code 8 if it isn't kept
  raic bench compare run1 run2 --threshold 20%"
)]
pub(crate) struct Bench {
    #[command(subcommand)]
    pub(crate) noun: Option<BenchNoun>,
    #[command(flatten)]
    pub(crate) what: BenchRun,
}

#[derive(Debug, Subcommand)]
pub(crate) enum BenchNoun {
    /// Make the reports of a run anew from its run.json
    Report(BenchReport),
    /// Two runs side by side: what became better, what worse
    Compare(BenchCompare),
    /// Try mixes that a run foretold and didn't try: is the prediction any good?
    Verify(BenchVerify),
    /// What one core codes a second on each kernel that it has, beside a copy and the hash
    Codec(BenchCodec),
}

#[derive(Clone, Debug, Args)]
pub(crate) struct BenchRun {
    /// On providers that don't exist
    #[arg(long)]
    pub(crate) sim: bool,
    /// Which providers, with commas between; all without it
    #[arg(long, value_name = "PROVIDERS", value_delimiter = ',')]
    pub(crate) providers: Vec<String>,
    /// Lengths of blobs, with commas between
    #[arg(long, value_name = "SIZES", value_delimiter = ',', default_value = "64KiB,1MiB,16MiB", value_parser = crate::cli::verb::plan::size)]
    pub(crate) sizes: Vec<Size>,
    /// For each provider, size and operation, such as 10s; the first tenth is warm-up [default: 10s, or 30s of virtual time]
    #[arg(long, value_name = "TIME", value_parser = crate::cli::verb::bench::duration)]
    pub(crate) duration: Option<f64>,
    /// Calls under way at once, with commas between [default: 1, or 1,8 where time is virtual]
    #[arg(long, value_name = "N", value_delimiter = ',', value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) concurrency: Vec<u16>,
    /// Calls that begin in a second, whether or not those before have ended; as fast as can be without it
    #[arg(long, value_name = "CALLS", value_parser = crate::cli::verb::bench::rate)]
    pub(crate) rate: Option<f64>,
    /// Read with each provider and each pair out as well; always so where time is virtual
    #[arg(long)]
    pub(crate) outage: bool,
    /// Objects that each mix is lived through with [default: 40, or 120 where time is virtual]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(4..=10_000))]
    pub(crate) objects: Option<u32>,
    /// Bytes of each, at most 4 MiB
    #[arg(long, value_name = "SIZE", default_value = "1MiB", value_parser = crate::cli::verb::plan::size)]
    pub(crate) object: Size,
    /// Mixes that are lived through, at most [default: 3, or 6 where time is virtual]
    #[arg(long, value_name = "N")]
    pub(crate) mixes: Option<usize>,
    /// Bytes that are kept, for the cost
    #[arg(long, value_name = "SIZE", default_value = "1TB", value_parser = crate::cli::verb::plan::size)]
    pub(crate) data: Size,
    /// Bytes that are read in a month, for the cost
    #[arg(long, value_name = "SIZE", default_value = "100GB/month", value_parser = crate::cli::verb::plan::monthly)]
    pub(crate) read: Size,
    /// The most bytes for each provider, size and operation
    #[arg(long, value_name = "SIZE", default_value = "256MiB", value_parser = crate::cli::verb::plan::size)]
    pub(crate) most: Size,
    /// Refuse if it could cost more than this
    #[arg(long, value_name = "AMOUNT", value_parser = crate::cli::verb::plan::budget)]
    pub(crate) max_cost: Option<Money>,
    /// A bound, such as 'read.p99<500ms'; exit code 8 if it isn't kept
    #[arg(long, value_name = "BOUND")]
    pub(crate) threshold: Vec<Threshold>,
    /// Write report.html, report.md, run.json, mixes.csv and samples.csv to this folder
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// The same seed gives the same numbers where time is virtual
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
    /// Figures of your own, instead of prices.yaml beside the configuration
    #[arg(long, value_name = "FILE")]
    pub(crate) prices: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct BenchReport {
    /// A run.json, or the folder that it is in
    #[arg(value_name = "RUN")]
    pub(crate) run: PathBuf,
    /// Write to this folder instead of that of the run
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct BenchCompare {
    /// The older run.json, or the folder that it is in
    #[arg(value_name = "OLD")]
    pub(crate) old: PathBuf,
    /// The newer one
    #[arg(value_name = "NEW")]
    pub(crate) new: PathBuf,
    /// How much worse something may become, such as 20%, or a bound on the newer run; exit code 8 if it isn't kept
    #[arg(long, value_name = "BOUND")]
    pub(crate) threshold: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct BenchVerify {
    /// A run.json, or the folder that it is in
    #[arg(value_name = "RUN")]
    pub(crate) run: PathBuf,
    /// How many mixes
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub(crate) mixes: usize,
    /// Objects that are put for each
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(4..=10_000))]
    pub(crate) objects: u32,
    /// Reads of each, over its objects in turn
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(4..=100_000))]
    pub(crate) reads: u32,
    /// Which mixes are drawn
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
}
