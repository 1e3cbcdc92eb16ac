//! The command line as it is typed, turned into values once.

mod bench;
mod care;
mod decide;
mod serve;

use std::path::PathBuf;

use clap::builder::styling::Styles;
use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

pub(crate) use bench::{Bench, BenchCompare, BenchNoun, BenchReport, BenchRun, BenchVerify};
pub(crate) use care::{Doctor, ProviderDrain, ProviderUndrain, Rebalance, Recover, Repair, Scrub};
pub(crate) use decide::{Plan, Prices};
pub(crate) use serve::{Backend, Serve};

/// The whole line.
#[derive(Debug, Parser)]
#[command(
    name = "raic",
    version,
    about = "Keep your data alive when a cloud dies",
    override_help = include_str!("help.txt"),
    disable_help_subcommand = true,
    subcommand_required = true,
    styles = Styles::plain(),
    max_term_width = 100
)]
pub(crate) struct Line {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// What every verb understands.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Everywhere")]
pub(crate) struct Global {
    /// The configuration, instead of the one that is found
    #[arg(long, global = true, value_name = "FILE", display_order = 900)]
    pub(crate) config: Option<PathBuf>,
    /// Answer in JSON; docs/schemas has the schemas
    #[arg(long, global = true, display_order = 901)]
    pub(crate) json: bool,
    /// Only errors
    #[arg(short, long, global = true, display_order = 902)]
    pub(crate) quiet: bool,
    /// Tell more on standard error; twice: each call to a provider
    #[arg(short, long, global = true, action = ArgAction::Count, display_order = 903)]
    pub(crate) verbose: u8,
    /// Colour
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        hide_possible_values = true,
        display_order = 904
    )]
    pub(crate) color: Color,
    /// Progress on standard error: auto, bars, lines, json or off
    #[arg(
        long,
        global = true,
        value_name = "HOW",
        env = "RAIC_PROGRESS",
        default_value = "auto",
        hide_possible_values = true,
        hide_env = true,
        display_order = 905
    )]
    pub(crate) progress: Progressing,
}

/// When to colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    Auto,
    Always,
    Never,
}

/// How to show progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Progressing {
    /// Bars on a terminal, else nothing.
    Auto,
    Bars,
    /// A line every ten seconds.
    Lines,
    /// Two lines of JSON a second at most.
    Json,
    Off,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Write a config that works now: six local folders, no account
    Init(Init),
    /// Show it: store, lose two providers, read, repair
    Demo(Demo),
    /// Store files
    Put(Put),
    /// Bring objects back as files
    Get(Get),
    /// Write an object's bytes to standard output
    Cat(Cat),
    /// List what is stored
    Ls(Ls),
    /// Tell where an object's fragments are
    Stat(Stat),
    /// Remove objects
    Rm(Rm),
    /// Add up bytes by prefix
    Du(Du),
    /// Tell whether a provider can still be lost
    Status(Status),
    /// Find what can go wrong before it hurts: rights, shared fate, clocks, quotas, ages
    Doctor(Doctor),
    /// Check that every fragment is there, and right
    Scrub(Scrub),
    /// Rebuild fragments that are missing or damaged
    Repair(Repair),
    /// Move fragments to where they belong, after providers came or went
    Rebalance(Rebalance),
    /// Rebuild the catalog from the providers alone
    Recover(Recover),
    /// Run a Tahoe-LAFS storage server
    Serve(Serve),
    /// Add, list, test and remove providers
    #[command(subcommand)]
    Provider(Provider),
    /// Measure
    Bench(Bench),
    /// Find the mix of services to take
    Plan(Plan),
    /// Show what services bill, and who says so
    Prices(Prices),
    /// Show and check the configuration
    #[command(subcommand)]
    Config(Config),
    /// Print or bring back the key of the cloud set
    #[command(subcommand)]
    Key(Key),
    /// Print completions for a shell
    Completions(Completions),
    /// Print the manual page
    Man(Man),
    /// Tell version, services and processor features
    Version,
    /// Explain a verb or an error code
    Help(Help),
}

#[derive(Debug, Args)]
pub(crate) struct Init {
    /// Local folders that act as providers
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = clap::value_parser!(u16).range(3..=64))]
    pub(crate) providers: u16,
    /// Replace a configuration that is there; a key is never replaced
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Leave the folder and say where it is
    #[arg(long)]
    pub(crate) keep: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
The last argument is the destination if it ends with / or, after one FILE, is no file that exists.
  raic put report.pdf                       stored as report.pdf
  raic put report.pdf 2026/may.pdf          stored as 2026/may.pdf
  raic put *.jpg photos/                    stored as photos/NAME
  raic put -r photos                        stored as photos/...
  tar c src | raic put - --name src.tar     from standard input")]
pub(crate) struct Put {
    /// Files to store, then perhaps their name or PREFIX/; - is standard input
    #[arg(required = true, value_name = "FILE... [NAME|PREFIX/]")]
    pub(crate) files: Vec<PathBuf>,
    /// Take folders with all that is in them
    #[arg(short, long)]
    pub(crate) recursive: bool,
    /// The object's name, or PREFIX/
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// How it is kept: a policy of the configuration
    #[arg(long, default_value = "default")]
    pub(crate) policy: String,
    /// Leave objects alone that are there already
    #[arg(long)]
    pub(crate) if_absent: bool,
    /// The most to read from the files in a second, e.g. 10M
    #[arg(long, value_name = "RATE", value_parser = super::quantity::parse_size)]
    pub(crate) bwlimit: Option<u64>,
    /// Say what would be sent and what it costs, and store nothing
    #[arg(short = 'n', long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
A file appears under its name only when it is whole. The last of several arguments is the folder to write
to, if it ends with / or is a folder.
  raic get report.pdf                       writes ./report.pdf
  raic get 2026/may.pdf -o report.pdf       writes ./report.pdf
  raic get -r photos/2026 out/              writes out/2026/...
  raic get big.iso --range 0-1023           the first 1024 bytes: both ends count, as in HTTP")]
pub(crate) struct Get {
    /// Objects, then perhaps the folder to write to
    #[arg(required = true, value_name = "NAME... [DIR]")]
    pub(crate) names: Vec<String>,
    /// Take every object whose name begins with NAME/
    #[arg(short, long)]
    pub(crate) recursive: bool,
    /// Write to this file
    #[arg(short, long, value_name = "FILE", conflicts_with = "recursive")]
    pub(crate) output: Option<PathBuf>,
    /// Only bytes FROM-TO, both included; FROM- to the end; -N the last N
    #[arg(long, value_name = "FROM-TO", allow_hyphen_values = true)]
    pub(crate) range: Option<super::verb::span::Span>,
    /// Replace files that are there
    #[arg(short, long)]
    pub(crate) force: bool,
    /// Don't ask this provider; more than once for several
    #[arg(long, value_name = "PROVIDER")]
    pub(crate) avoid: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Cat {
    /// The object
    pub(crate) name: String,
    /// Only bytes FROM-TO, both included; FROM- to the end; -N the last N
    #[arg(long, value_name = "FROM-TO", allow_hyphen_values = true)]
    pub(crate) range: Option<super::verb::span::Span>,
    /// Don't ask this provider; more than once for several
    #[arg(long, value_name = "PROVIDER")]
    pub(crate) avoid: Vec<String>,
}

/// What `ls` is ordered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Sort {
    Name,
    Size,
    Time,
    Health,
}

#[derive(Debug, Args)]
pub(crate) struct Ls {
    /// Names that begin so; without it, all
    #[arg(default_value = "", hide_default_value = true)]
    pub(crate) prefix: String,
    /// Also what it takes at the providers, and the policy
    #[arg(short, long)]
    pub(crate) long: bool,
    /// Every name, instead of one level
    #[arg(short, long)]
    pub(crate) recursive: bool,
    /// Only objects that are not ok
    #[arg(long)]
    pub(crate) health: bool,
    /// Order: name, size (largest first), time (newest first), health (worst first)
    #[arg(long, default_value = "name", hide_possible_values = true)]
    pub(crate) sort: Sort,
}

#[derive(Debug, Args)]
pub(crate) struct Stat {
    /// The object
    pub(crate) name: String,
    /// Each fragment, however many
    #[arg(short, long)]
    pub(crate) long: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Rm {
    /// Objects
    #[arg(required = true, value_name = "NAME")]
    pub(crate) names: Vec<String>,
    /// Every object whose name begins with NAME/
    #[arg(short, long)]
    pub(crate) recursive: bool,
    /// Say what would go, and remove nothing
    #[arg(short = 'n', long)]
    pub(crate) dry_run: bool,
    /// Don't ask
    #[arg(short, long)]
    pub(crate) yes: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Du {
    /// Names that begin so; without it, all
    #[arg(default_value = "", hide_default_value = true)]
    pub(crate) prefix: String,
}

#[derive(Debug, Args)]
pub(crate) struct Status {
    /// Treat these providers as if they were not configured
    #[arg(long, value_name = "PROVIDER")]
    pub(crate) skip: Vec<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Provider {
    /// Add a provider to the configuration and test it
    Add(ProviderAdd),
    /// List the providers
    List,
    /// Find out what a provider really honours
    Test(ProviderTest),
    /// List the services that this raic speaks to, or the options of one
    Schemes(ProviderSchemes),
    /// Move all that a provider holds to the others
    Drain(ProviderDrain),
    /// Let a provider take fragments again
    Undrain(ProviderUndrain),
    /// Take a provider out of the cloud set
    Remove(ProviderRemove),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Secrets come from elsewhere: key=env:VARIABLE or key=file:PATH, never from the command line.
  raic provider add nas fs root=/srv/raic
  raic provider add b2-eu s3 bucket=photos region=auto endpoint=https://s3.example.net \\
      access_key_id=env:B2_ID secret_access_key=env:B2_KEY")]
pub(crate) struct ProviderAdd {
    /// A name that you choose
    pub(crate) name: String,
    /// The service: `raic provider schemes` lists them
    pub(crate) scheme: String,
    /// Options of the service: key=value, key=env:VARIABLE, key=file:PATH
    #[arg(value_name = "KEY=VALUE")]
    pub(crate) options: Vec<String>,
    /// The part of the world it stands in
    #[arg(long)]
    pub(crate) region: Option<String>,
    /// The company behind it; guessed if it is well known
    #[arg(long)]
    pub(crate) operator: Option<String>,
    /// The most to keep there, e.g. 500GiB
    #[arg(long, value_name = "SIZE")]
    pub(crate) quota: Option<String>,
    /// Its id in the price catalog
    #[arg(long, value_name = "ID")]
    pub(crate) cost: Option<String>,
    /// Don't test it
    #[arg(long)]
    pub(crate) no_test: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ProviderTest {
    /// Which; all without it
    pub(crate) name: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ProviderSchemes {
    /// Tell this service's options
    pub(crate) scheme: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ProviderRemove {
    /// Which
    pub(crate) name: String,
    /// It is gone for good with all that it held: rebuild its fragments elsewhere
    #[arg(long)]
    pub(crate) lost: bool,
    /// Don't ask
    #[arg(short, long)]
    pub(crate) yes: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Config {
    /// Tell which file is used, and why
    Path,
    /// Show it as it counts, defaults and environment included, secrets not
    Show,
    /// Check it
    Check,
    /// Print its JSON Schema, for editors
    Schema,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Key {
    /// Print the recovery sheet: with it and the providers, everything can be read
    Export(KeyExport),
    /// Bring the key back from a sheet; a key that is there is never replaced
    Import(KeyImport),
}

#[derive(Debug, Args)]
pub(crate) struct KeyExport {
    /// Write it to this new file, readable by you alone, instead of standard output
    #[arg(long, value_name = "FILE")]
    pub(crate) to: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct KeyImport {
    /// A file with the key or the sheet; - is standard input
    #[arg(default_value = "-", hide_default_value = true)]
    pub(crate) file: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// bash, zsh, fish, elvish or powershell
    #[arg(hide_possible_values = true)]
    pub(crate) shell: Shell,
}

#[derive(Debug, Args)]
pub(crate) struct Man {
    /// Write a page for every verb to this folder, instead of raic's own to standard output
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Help {
    /// A verb, a code such as E0401, `errors` for all codes, `config` for the configuration
    pub(crate) topic: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Line::command().debug_assert();
    }

    #[test]
    fn the_first_help_fits_a_screen() {
        let help = include_str!("help.txt");
        assert!(help.lines().count() <= 30);
        assert!(help.lines().all(|line| line.chars().count() <= 90));
    }

    #[test]
    fn every_verb_is_in_the_first_help() {
        let help = include_str!("help.txt");
        for verb in Line::command().get_subcommands() {
            assert!(
                help.split_whitespace().any(|word| word == verb.get_name()),
                "{}",
                verb.get_name()
            );
        }
    }
}
