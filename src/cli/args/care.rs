//! What the verbs take that keep objects whole.

use clap::Args;

use super::super::quantity::{parse_share, parse_size};
use crate::cloud_set::price::Money;
use crate::cloud_set::quantity::Period;

#[expect(clippy::struct_excessive_bools, reason = "flags of a verb")]
#[derive(Debug, Args)]
#[command(after_help = "\
Without a flag it asks each provider for a list and compares it: that every fragment is there, at its
length. What is wrong is kept for  raic repair.  A run that is cut short or has no more budget is taken
up by the next one, which begins with what nobody looked at for longest.
  raic scrub                                lists
  raic scrub --deep --max-egress 10GB       reads what was read longest ago, 10 GB of it
  raic scrub --sample 3% --older 30d        3 % of all bytes, but none that were read in the last 30 days
  raic scrub --deep -n                      what that would read, cost and take")]
pub(crate) struct Scrub {
    /// Read every byte of each fragment too
    #[arg(long)]
    pub(crate) deep: bool,
    /// Read this part of all bytes, e.g. 5%
    #[arg(long, value_name = "PART", value_parser = parse_share)]
    pub(crate) sample: Option<u32>,
    /// Only what nobody looked at for so long, e.g. 30d
    #[arg(long, value_name = "TIME")]
    pub(crate) older: Option<Period>,
    /// Read at most so many bytes in this run
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub(crate) max_egress: Option<u64>,
    /// Make at most so many calls in this run
    #[arg(long, value_name = "N")]
    pub(crate) max_calls: Option<u64>,
    /// Do nothing if it could cost more than this
    #[arg(long, value_name = "AMOUNT", value_parser = crate::cli::verb::plan::budget)]
    pub(crate) max_cost: Option<Money>,
    /// The most to read in a second, e.g. 20M
    #[arg(long, value_name = "RATE", value_parser = parse_size)]
    pub(crate) bwlimit: Option<u64>,
    /// Repair what was found, and what was known
    #[arg(long)]
    pub(crate) repair: bool,
    /// Delete blobs that nothing has needed for the grace
    #[arg(long)]
    pub(crate) collect: bool,
    /// How long a blob must have been garbage
    #[arg(long, value_name = "TIME", default_value = "30 d", requires = "collect")]
    pub(crate) grace: Period,
    /// Say what would be asked, and ask nothing
    #[arg(short = 'n', long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// Only these providers; all without it
    #[arg(value_name = "PROVIDER")]
    pub(crate) providers: Vec<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
After k or m of a policy were changed in the configuration, --recode reads each object that is kept under
the old ones and puts it anew. It may be cut short: the next run goes on with what is left.
  raic rebalance -n                         what would move, what it costs and takes
  raic rebalance --recode -n                what writing anew would read, write and cost")]
pub(crate) struct Rebalance {
    /// Instead of moving, write anew what is kept under another k and m than its policy has now
    #[arg(long)]
    pub(crate) recode: bool,
    /// Say what would move, and change nothing
    #[arg(short = 'n', long)]
    pub(crate) dry_run: bool,
    /// Do nothing if it could cost more than this
    #[arg(long, value_name = "AMOUNT", value_parser = crate::cli::verb::plan::budget)]
    pub(crate) max_cost: Option<Money>,
}

#[derive(Debug, Args)]
pub(crate) struct ProviderDrain {
    /// The provider
    pub(crate) name: String,
    /// Say what would move, and change nothing
    #[arg(short = 'n', long)]
    pub(crate) dry_run: bool,
    /// Do nothing if it could cost more than this
    #[arg(long, value_name = "AMOUNT", value_parser = crate::cli::verb::plan::budget)]
    pub(crate) max_cost: Option<Money>,
}

#[derive(Debug, Args)]
pub(crate) struct ProviderUndrain {
    /// The provider
    pub(crate) name: String,
}

#[derive(Debug, Args)]
#[command(after_help = "\
For when the state folder is lost or old: the configuration and the key are enough. It adds what is
missing, deletes nothing, and may be run again when more providers answer.")]
pub(crate) struct Recover {
    /// Say what would be found, and change nothing
    #[arg(short = 'n', long)]
    pub(crate) dry_run: bool,
    /// Go on although so few providers answer that newer versions could be hidden
    #[arg(long)]
    pub(crate) accept_risk: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Lists every fragment, then makes anew what is missing or was found damaged: first what can lose least, read
from where it costs least.")]
pub(crate) struct Repair {
    /// Say what would be rebuilt and what it costs, and change nothing
    #[arg(short = 'n', long)]
    pub(crate) dry_run: bool,
    /// Only this object; more than once for several
    #[arg(long, value_name = "NAME")]
    pub(crate) only: Vec<String>,
    /// Read every byte of each fragment first
    #[arg(long)]
    pub(crate) deep: bool,
    /// Do nothing if what is known to be wrong could cost more than this
    #[arg(long, value_name = "AMOUNT", value_parser = crate::cli::verb::plan::budget)]
    pub(crate) max_cost: Option<Money>,
}
