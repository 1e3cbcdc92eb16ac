//! The arguments of `raic serve`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Where a node keeps its shares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Backend {
    /// Objects of the cloud set, striped over its providers
    Striped,
    /// A plain folder
    Fs,
}

#[expect(clippy::struct_excessive_bools, reason = "flags of a verb")]
#[derive(Debug, Args)]
#[command(after_help = "\
The node runs until it is asked to stop (Ctrl-C or SIGTERM) and lets requests under way finish. It prints the
lines that a Tahoe-LAFS client needs; they have the node's secret in them.")]
pub(crate) struct Serve {
    /// Where shares lie: striped, over the providers of the configuration; or fs, in a plain folder
    #[arg(long, value_name = "WHERE", default_value = "striped", hide_possible_values = true)]
    pub(crate) backend: Backend,
    /// How a striped node keeps shares: a policy of the configuration
    #[arg(long, default_value = "default")]
    pub(crate) policy: String,
    /// What the names of a striped node's objects begin with
    #[arg(long, default_value = "tahoe")]
    pub(crate) prefix: String,
    /// The folder of a node with the backend `fs`: shares, books and key
    #[arg(long, value_name = "DIR")]
    pub(crate) root: Option<PathBuf>,
    /// The address to listen on, instead of the configuration's
    #[arg(long, value_name = "ADDR:PORT")]
    pub(crate) listen: Option<std::net::SocketAddr>,
    /// The host and port by which clients reach it
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) location: Option<String>,
    /// Take nothing new
    #[arg(long)]
    pub(crate) read_only: bool,
    /// Bytes to leave free, e.g. 1GiB
    #[arg(long, value_name = "SIZE", value_parser = crate::cli::quantity::parse_size)]
    pub(crate) reserve: Option<u64>,
    /// Delete shares when their last lease has ended; never otherwise
    #[arg(long)]
    pub(crate) expire: bool,
    /// Delete shares whose leases were all last renewed more than DAYS ago
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) expire_age: Option<u32>,
    /// Delete shares whose leases were all last renewed before this second since 1970
    #[arg(long, value_name = "SECOND", conflicts_with = "expire_age")]
    pub(crate) expire_before: Option<i64>,
    /// The most that storage may cost in a month, in the currency of the prices: beyond it nothing new is taken
    #[arg(long, value_name = "AMOUNT", value_parser = amount)]
    pub(crate) budget: Option<f64>,
    /// A page with the node's state, /metrics, /healthz and /readyz on this loopback address
    #[arg(long, value_name = "ADDR:PORT")]
    pub(crate) status: Option<std::net::SocketAddr>,
    /// Don't scrub, repair or collect while the node runs
    #[arg(long)]
    pub(crate) no_care: bool,
    /// Only look whether the node can be started
    #[arg(long)]
    pub(crate) check: bool,
    /// Open a door for tests on this loopback address: the node's clock stands still and is moved from there
    #[arg(long, value_name = "ADDR:PORT")]
    pub(crate) test_control: Option<std::net::SocketAddr>,
}

fn amount(text: &str) -> Result<f64, String> {
    let amount = text
        .parse::<f64>()
        .ok()
        .filter(|amount| amount.is_finite() && *amount >= 0.0);
    amount.ok_or_else(|| "an amount such as 5 or 2.50".to_owned())
}
