//! What `plan` and `prices` are told.

use std::path::PathBuf;

use clap::Args;

use super::super::verb::plan::WhatIf;
use crate::cloud_set::price::Money;
use crate::cloud_set::quantity::Size;

#[derive(Debug, Args)]
#[command(after_help = "\
What is taken for granted stands below the answer; docs/cost.md has the formulas.
  raic plan --data 2TB --read 200GB/month --survive 2 --budget 40
  raic plan --data 2TB --bench run1 --max-p99 500ms
  raic plan --data 2TB --survive 2 --what-if leave:wasabi --what-if grow:5%/month
  raic plan --data 2TB --what-if price:vultr.storage=12/TB-month
  raic plan --data 10PB --object 1MB --survive 2     ten thousand million objects, on paper
  raic plan --data 500GiB --only backblaze-b2,wasabi,ovh-standard --write-policy default")]
pub(crate) struct Plan {
    /// Bytes that you keep, e.g. 2TB
    #[arg(long, value_name = "SIZE", value_parser = crate::cli::verb::plan::size)]
    pub(crate) data: Size,
    /// Bytes that you read in a month
    #[arg(long, value_name = "SIZE", value_parser = crate::cli::verb::plan::monthly)]
    pub(crate) read: Option<Size>,
    /// Bytes that you add in a month
    #[arg(long, value_name = "SIZE", value_parser = crate::cli::verb::plan::monthly)]
    pub(crate) written: Option<Size>,
    /// Bytes that you remove or overwrite in a month
    #[arg(long, value_name = "SIZE", value_parser = crate::cli::verb::plan::monthly)]
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
    /// The most time that 99 of 100 reads take, such as 500ms; with --bench
    #[arg(long, value_name = "TIME", value_parser = crate::cli::verb::plan::read_time)]
    pub(crate) max_p99: Option<f64>,
    /// Plan with the providers that a bench measured: a run.json, or the folder that it is in
    #[arg(long, value_name = "RUN")]
    pub(crate) bench: Option<PathBuf>,
    /// What if: price:SERVICE.FIGURE=VALUE, leave:SERVICE, out:SERVICE, grow:5%/month; repeatable
    #[arg(long, value_name = "WHAT")]
    pub(crate) what_if: Vec<WhatIf>,
    /// Bytes a second that a move is reckoned with
    #[arg(long, value_name = "RATE", default_value = "20MiB/s", value_parser = crate::cli::verb::plan::byte_rate)]
    pub(crate) move_rate: f64,
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
