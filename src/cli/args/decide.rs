//! What `bench`, `plan` and `prices` are told.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::super::verb::bench_codec::BenchCodec;
use crate::cloud_set::price::Money;
use crate::cloud_set::quantity::Size;

#[derive(Debug, Subcommand)]
pub(crate) enum Bench {
    /// How fast providers are, from here, now
    Providers(BenchProviders),
    /// Which mix to take, shown on simulated providers: no account is needed
    Sim(BenchSim),
    /// What one core codes a second on each kernel that it has, beside a copy and the hash
    Codec(BenchCodec),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Six providers that don't exist, with invented speeds and the prices of real services. The store that runs is the real one, its time is virtual.
  raic bench sim --out run1                 then open run1/report.html")]
pub(crate) struct BenchSim {
    /// Write report.html and run.json to this folder
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// The same seed gives the same numbers
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
    /// Objects that are put and got in each trial
    #[arg(long, value_name = "N", default_value_t = 120, value_parser = clap::value_parser!(u32).range(10..=10_000))]
    pub(crate) objects: u32,
    /// Bytes of each
    #[arg(long, value_name = "SIZE", default_value = "1MiB", value_parser = crate::cli::verb::plan::size)]
    pub(crate) size: Size,
    /// Bytes that are kept, for the cost
    #[arg(long, value_name = "SIZE", default_value = "1TB", value_parser = crate::cli::verb::plan::size)]
    pub(crate) data: Size,
    /// Bytes that are read in a month, for the cost
    #[arg(long, value_name = "SIZE", default_value = "100GB", value_parser = crate::cli::verb::plan::size)]
    pub(crate) read: Size,
    /// Figures of your own, instead of prices.yaml beside the configuration
    #[arg(long, value_name = "FILE")]
    pub(crate) prices: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Blobs go under a prefix of their own and are removed. What it costs at most is told first.
  raic bench providers --sizes 64KiB,1MiB --seconds 10 --lanes 8 --out run1
  raic bench providers b2-eu --rate 20 --max-cost 0.05")]
pub(crate) struct BenchProviders {
    /// Which; all without it
    #[arg(value_name = "PROVIDER")]
    pub(crate) providers: Vec<String>,
    /// Lengths of blobs, with commas between
    #[arg(long, value_name = "SIZES", value_delimiter = ',', default_value = "64KiB,1MiB", value_parser = crate::cli::verb::plan::size)]
    pub(crate) sizes: Vec<Size>,
    /// Seconds for each provider, size and operation; the first tenth is warm-up
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = crate::cli::verb::bench::seconds)]
    pub(crate) seconds: f64,
    /// Calls under way at once
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) lanes: u16,
    /// Calls that begin in a second, whether or not those before have ended; as fast as can be without it
    #[arg(long, value_name = "CALLS", value_parser = crate::cli::verb::bench::rate)]
    pub(crate) rate: Option<f64>,
    /// The most bytes for each provider, size and operation
    #[arg(long, value_name = "SIZE", default_value = "64MiB", value_parser = crate::cli::verb::plan::size)]
    pub(crate) most: Size,
    /// Refuse if it could cost more than this
    #[arg(long, value_name = "AMOUNT", value_parser = crate::cli::verb::plan::budget)]
    pub(crate) max_cost: Option<Money>,
    /// Keep every sample in this folder
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Figures of your own, instead of prices.yaml beside the configuration
    #[arg(long, value_name = "FILE")]
    pub(crate) prices: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
  raic plan --data 2TB --read 200GB --survive 2 --budget 40
  raic plan --data 500GiB --only backblaze-b2,cloudflare-r2,wasabi,ovh-standard --write-policy default
What is taken for granted stands below the answer; docs/cost.md has the formulas.")]
pub(crate) struct Plan {
    /// Bytes that you keep, e.g. 2TB
    #[arg(long, value_name = "SIZE", value_parser = crate::cli::verb::plan::size)]
    pub(crate) data: Size,
    /// Bytes that you read in a month
    #[arg(long, value_name = "SIZE", value_parser = crate::cli::verb::plan::size)]
    pub(crate) read: Option<Size>,
    /// Bytes that you add in a month
    #[arg(long, value_name = "SIZE", value_parser = crate::cli::verb::plan::size)]
    pub(crate) written: Option<Size>,
    /// Bytes that you remove or overwrite in a month
    #[arg(long, value_name = "SIZE", value_parser = crate::cli::verb::plan::size)]
    pub(crate) removed: Option<Size>,
    /// Days that those were kept
    #[arg(long, value_name = "DAYS", default_value_t = 30)]
    pub(crate) removed_after: u16,
    /// The length of an object
    #[arg(long, value_name = "SIZE", default_value = "16MiB", value_parser = crate::cli::verb::plan::size)]
    pub(crate) object: Size,
    /// Any so many services may vanish
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) survive: u16,
    /// The most services of a mix
    #[arg(long, value_name = "N", default_value_t = 8)]
    pub(crate) most: usize,
    /// The most for a month
    #[arg(long, value_name = "AMOUNT", value_parser = crate::cli::verb::plan::budget)]
    pub(crate) budget: Option<Money>,
    /// The most minutes of a year that data can't be read
    #[arg(long, value_name = "MINUTES", value_parser = crate::cli::verb::plan::minutes_a_year)]
    pub(crate) max_unreadable: Option<f64>,
    /// Only these services, with commas between
    #[arg(long, value_name = "SERVICES", value_delimiter = ',')]
    pub(crate) only: Vec<String>,
    /// Not these services, with commas between
    #[arg(long, value_name = "SERVICES", value_delimiter = ',')]
    pub(crate) without: Vec<String>,
    /// Let services of one operator stand together
    #[arg(long)]
    pub(crate) same_operator: bool,
    /// Reckon with reads that ask the cheapest services
    #[arg(long)]
    pub(crate) cheapest_reads: bool,
    /// The currency of the answer
    #[arg(long, value_name = "CODE", default_value = "USD")]
    pub(crate) currency: String,
    /// How many of the cheapest to show
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub(crate) top: usize,
    /// Figures of your own, instead of prices.yaml beside the configuration
    #[arg(long, value_name = "FILE")]
    pub(crate) prices: Option<PathBuf>,
    /// Print the lines of a configuration that take the first mix, under this name
    #[arg(long, value_name = "NAME", conflicts_with = "json")]
    pub(crate) write_policy: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Prices {
    /// Services of the price catalog, shown with each figure's source; without it, an overview of all
    #[arg(value_name = "SERVICE")]
    pub(crate) ids: Vec<String>,
    /// Figures of your own, instead of prices.yaml beside the configuration
    #[arg(long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
}
