//! What the verbs take that keep objects whole.

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct Rebalance {
    /// Say what would move, and change nothing
    #[arg(short = 'n', long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ProviderDrain {
    /// The provider
    pub(crate) name: String,
    /// Say what would move, and change nothing
    #[arg(short = 'n', long)]
    pub(crate) dry_run: bool,
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
pub(crate) struct Repair {
    /// Say what would be rebuilt, and change nothing
    #[arg(short = 'n', long)]
    pub(crate) dry_run: bool,
    /// Only this object; more than once for several
    #[arg(long, value_name = "NAME")]
    pub(crate) only: Vec<String>,
    /// Read every byte of each fragment, instead of asking for its length
    #[arg(long)]
    pub(crate) deep: bool,
}
