//! The verbs, a file each. A verb takes its arguments and the context and says how the run ends.

mod ask;
pub(crate) mod bill;
pub(crate) mod bench;
pub(crate) mod balance;
pub(crate) mod bench_codec;
pub(crate) mod config;
pub(crate) mod demo;
pub(crate) mod get;
pub(crate) mod doctor;
mod help;
pub(crate) mod init;
pub(crate) mod key;
pub(crate) mod ls;
mod names;
pub(crate) mod plan;
pub(crate) mod prices;
pub(crate) mod provider;
pub(crate) mod put;
pub(crate) mod recover;
pub(crate) mod repair;
pub(crate) mod rm;
pub(crate) mod scrub;
pub(crate) mod serve;
pub(crate) mod shell;
pub(crate) mod span;
pub(crate) mod stat;
pub(crate) mod status;
mod throttle;
mod walk;

use std::sync::Arc;

use super::Context;
use super::args::Verb;
use super::error::Failure;
use super::exit::Exit;

/// Hands the types of all answers to a macro.
#[cfg(test)]
macro_rules! documents {
    ($each:ident) => {
        $each!(
            $crate::cli::verb::bench::BenchSheet,
            $crate::cli::verb::bench::CompareSheet,
            $crate::cli::verb::bench::VerifySheet,
            $crate::cli::verb::balance::Carried,
            $crate::cli::verb::bench_codec::CodecRates,
            $crate::cli::verb::config::Checked,
            $crate::cli::verb::config::Paths,
            $crate::cli::verb::config::Values,
            $crate::cli::verb::demo::Story,
            $crate::cli::verb::doctor::Diagnosis,
            $crate::cli::verb::get::Got,
            $crate::cli::verb::init::Begun,
            $crate::cli::verb::key::KeyPlace,
            $crate::cli::verb::key::KeySheet,
            $crate::cli::verb::ls::Listing,
            $crate::cli::verb::ls::Sums,
            $crate::cli::verb::plan::PlanSheet,
            $crate::cli::verb::prices::PriceSheet,
            $crate::cli::verb::provider::change::Changed,
            $crate::cli::verb::provider::Providers,
            $crate::cli::verb::provider::Schemes,
            $crate::cli::verb::provider::trial::Tests,
            $crate::cli::verb::put::Kept,
            $crate::cli::verb::recover::Answer,
            $crate::cli::verb::repair::Mended,
            $crate::cli::verb::rm::Removal,
            $crate::cli::verb::scrub::Looked,
            $crate::cli::verb::serve::Served,
            $crate::cli::verb::serve::Startable,
            $crate::cli::verb::shell::Build,
            $crate::cli::verb::stat::Sheet,
            $crate::cli::verb::status::Health,
        )
    };
}
#[cfg(test)]
pub(crate) use documents;

/// Carries out one verb.
pub(crate) async fn run(verb: Verb, context: &Arc<Context>) -> Result<Exit, Failure> {
    match verb {
        Verb::Init(args) => init::run(&args, context).await,
        Verb::Demo(args) => demo::run(&args, context).await,
        Verb::Put(args) => put::run(args, context).await,
        Verb::Get(args) => get::get(&args, context).await,
        Verb::Cat(args) => get::cat(&args, context).await,
        Verb::Ls(args) => ls::ls(&args, context).await,
        Verb::Du(args) => ls::du(&args, context).await,
        Verb::Stat(args) => stat::run(&args, context).await,
        Verb::Rm(args) => rm::run(&args, context).await,
        Verb::Status(args) => status::run(&args, context).await,
        Verb::Doctor(args) => doctor::run(&args, context).await,
        Verb::Scrub(args) => scrub::run(&args, context).await,
        Verb::Repair(args) => repair::run(&args, context).await,
        Verb::Bench(noun) => bench::run(&noun, context).await,
        Verb::Plan(args) => plan::run(&args, context),
        Verb::Prices(args) => prices::run(&args, context),
        Verb::Rebalance(args) => balance::rebalance(&args, context).await,
        Verb::Recover(args) => recover::run(&args, context).await,
        Verb::Serve(args) => serve::run(&args, context).await,
        Verb::Provider(noun) => provider::run(&noun, context).await,
        Verb::Config(noun) => config::run(&noun, context),
        Verb::Key(noun) => key::run(&noun, context).await,
        Verb::Completions(args) => shell::completions(&args, context),
        Verb::Man(args) => shell::man(&args, context),
        Verb::Version => shell::version(context),
        Verb::Help(args) => help::run(&args, context),
    }
}
