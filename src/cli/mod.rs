//! The command line: what is typed becomes values, a verb does its work, and everything that is said goes through one door.
//!
//! ```text
//! args ─▶ Context (flags, surroundings, streams, Ctrl-C) ─▶ verb/* ─▶ Exit or Failure ─▶ exit code
//!                        ground: configuration, key, providers, catalog ─▶ Store
//! ```
//!
//! What a person sees is `docs/cli.md`.

mod args;
mod error;
mod exit;
mod explain;
mod ground;
mod interrupt;
mod output;
mod progress;
mod quantity;
#[cfg(test)]
mod schema;
mod table;
mod unopened;
mod usage;
mod verb;

use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;

use crate::config::Environment;
use args::{Global, Line, Verb};
use error::Failure;
use exit::Exit;
use interrupt::Interrupt;
use output::Output;

/// How long a put that is asked to stop may take for it.
const STOP_WITHIN: Duration = Duration::from_secs(2);

/// How long a node that is asked to stop may take: the 30 s that it gives to requests under way, and a little.
const NODE_STOPS_WITHIN: Duration = Duration::from_secs(35);

/// What every verb works in.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) global: Global,
    pub(crate) env: Environment,
    pub(crate) out: Arc<Output>,
    pub(crate) interrupt: Interrupt,
}

/// Runs one command line, with the program's name first.
#[must_use]
pub fn run(line: impl IntoIterator<Item = OsString>) -> ExitCode {
    let line: Vec<OsString> = line.into_iter().collect();
    let env = Environment::of_process();
    quiet_panics();
    let end = match Line::try_parse_from(&line) {
        Ok(line) => carry_out(line, env),
        Err(error) => usage::answer(&error, &line, &env),
    };
    ExitCode::from(end.number())
}

fn carry_out(line: Line, env: Environment) -> Exit {
    let out = Arc::new(Output::new(&line.global, &env));
    trace(&line.global, matches!(line.verb, Verb::Serve(_)));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let result = match runtime {
        Ok(runtime) => {
            let result = runtime.block_on(attended(line, env, out.clone()));
            // A thread that waits for standard input would hold up the end.
            runtime.shutdown_background();
            result
        }
        Err(error) => Err(Failure::new(
            Exit::Failed,
            "E0902",
            format!("no threads can be started: {error}"),
        )),
    };
    match result {
        Ok(exit) => exit,
        Err(failure) => {
            out.failure(&failure);
            failure.exit()
        }
    }
}

/// The verb, beside the signals. Verbs that have something to tidy hear of the signal themselves and end in time.
async fn attended(line: Line, env: Environment, out: Arc<Output>) -> Result<Exit, Failure> {
    let interrupt = Interrupt::listen()
        .map_err(|error| Failure::new(Exit::Failed, "E0902", format!("signals cannot be heard: {error}")))?;
    let context = Arc::new(Context {
        global: line.global,
        env,
        out: out.clone(),
        interrupt: interrupt.clone(),
    });
    let tidies = match line.verb {
        Verb::Put(_) | Verb::Bench(_) => Some(STOP_WITHIN),
        Verb::Serve(_) => Some(NODE_STOPS_WITHIN),
        _ => None,
    };
    let work = tokio::spawn({
        let context = context.clone();
        async move { verb::run(line.verb, &context).await }
    });
    let abort = work.abort_handle();
    tokio::select! {
        done = work => done.unwrap_or_else(|panic| Err(own_fault(&panic.to_string()))),
        exit = stopped(&interrupt, tidies) => {
            abort.abort();
            // What the verb holds (temporary files) is let go of when it is next polled.
            tokio::time::sleep(Duration::from_millis(50)).await;
            out.set_bars(None);
            if tidies.is_none() {
                out.aside("interrupted; what was under way is settled by the next put or rm\n");
            }
            Ok(exit)
        }
    }
}

async fn stopped(interrupt: &Interrupt, tidies: Option<Duration>) -> Exit {
    let exit = interrupt.asked().await;
    if let Some(patience) = tidies {
        tokio::time::sleep(patience).await;
    }
    exit
}

fn own_fault(what: &str) -> Failure {
    Failure::new(
        Exit::Failed,
        "E0901",
        format!("raic itself failed: {}", what.lines().next().unwrap_or_default()),
    )
    .note("this is a fault of ours; please report it with the output of  raic -vv ...")
    .note("what was stored before is not touched; the next run settles what was under way")
}

/// A panic is told once, by `own_fault`, without a backtrace unless `RAIC_BACKTRACE` asks for it.
fn quiet_panics() {
    let told = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if std::env::var_os("RAIC_BACKTRACE").is_some() {
            told(panic);
        } else {
            tracing::error!("{panic}");
        }
    }));
}

/// Logs go to standard error, and only if they are asked for. A node always tells what its owner should look at.
fn trace(global: &Global, is_node: bool) {
    let filter = match global.verbose {
        _ if global.quiet => "off",
        0 if is_node => "raic=warn",
        0 => "off",
        1 => "raic=info",
        _ => "raic=trace",
    };
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false);
    // An error says that somebody listens already.
    drop(logs.try_init());
}
