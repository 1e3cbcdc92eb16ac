//! `raic completions`, `raic man`, `raic version`: for the shell and for packagers.

use clap::CommandFactory;
use schemars::JsonSchema;
use serde::Serialize;

use super::super::Context;
use super::super::args::{self, Line};
use super::super::error::{Failure, reason};
use super::super::exit::Exit;
use super::super::output::Document;
use crate::provider::opendal::schemes;

/// The answer of `version`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Build {
    /// Of this program.
    version: &'static str,
    /// The processor's architecture.
    arch: &'static str,
    /// The operating system.
    os: &'static str,
    /// Services that it speaks to.
    schemes: Vec<String>,
}

impl Document for Build {
    const SCHEMA: &'static str = "raic.version/1";
}

pub(crate) fn completions(args: &args::Completions, context: &Context) -> Result<Exit, Failure> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut Line::command(), "raic", &mut text);
    context.out.bytes(&text)?;
    Ok(Exit::Done)
}

pub(crate) fn man(args: &args::Man, context: &Context) -> Result<Exit, Failure> {
    // The help of our own would stand in the page whole; the page lists the verbs itself.
    let command = Line::command().override_help(None::<&str>);
    match &args.out {
        None => {
            let mut page = Vec::new();
            let rendered = clap_mangen::Man::new(command).render(&mut page);
            rendered.expect("memory can be written");
            context.out.bytes(&page)?;
        }
        Some(folder) => {
            let written = std::fs::create_dir_all(folder).and_then(|()| clap_mangen::generate_to(command, folder));
            written.map_err(|error| {
                Failure::new(
                    Exit::Failed,
                    "E0208",
                    format!("{} cannot be written: {}", folder.display(), reason(&error)),
                )
            })?;
            context.out.said(&format!("wrote the pages to {}", folder.display()))?;
        }
    }
    Ok(Exit::Done)
}

pub(crate) fn version(context: &Context) -> Result<Exit, Failure> {
    let build = Build {
        version: env!("CARGO_PKG_VERSION"),
        arch: std::env::consts::ARCH,
        os: std::env::consts::OS,
        schemes: schemes().into_iter().map(str::to_owned).collect(),
    };
    if context.out.is_json() {
        context.out.document(&build)?;
    } else {
        context
            .out
            .answer(&format!("raic {} ({} {})", build.version, build.os, build.arch))?;
        context.out.answer(&format!("services: {}", build.schemes.join(" ")))?;
    }
    Ok(Exit::Done)
}
