//! `raic help`: the first page, a verb's, the configuration's, or what is behind an error code.

use clap::CommandFactory;

use super::super::Context;
use super::super::args::{self, Line};
use super::super::error::Failure;
use super::super::exit::Exit;
use super::super::explain;

pub(crate) fn run(args: &args::Help, context: &Context) -> Result<Exit, Failure> {
    match args.topic.as_slice() {
        [] => context.out.bytes(include_bytes!("../help.txt"))?,
        // `raic config --help` is the verb's own.
        [topic] if topic == "config" => context.out.bytes(include_bytes!("../../../docs/config.md"))?,
        [topic] if topic == "errors" => {
            for (code, what) in explain::titles() {
                context.out.answer(&format!("{code}  {what}"))?;
            }
        }
        [code] if code.len() == 5 && code.to_ascii_uppercase().starts_with('E') => {
            let code = code.to_ascii_uppercase();
            let text = explain::of(&code).ok_or_else(|| {
                Failure::usage(format!("there is no error {code}")).note("raic help errors  lists them")
            })?;
            context.out.answer(&text)?;
        }
        verbs => context.out.answer(page(verbs)?.trim_end())?,
    }
    Ok(Exit::Done)
}

fn page(verbs: &[String]) -> Result<String, Failure> {
    let mut command = Line::command();
    command.build();
    let mut at = &mut command;
    for verb in verbs {
        at = at.find_subcommand_mut(verb).ok_or_else(|| {
            Failure::usage(format!("there is no verb `{verb}`"))
                .note("raic help  lists the verbs, raic help errors  the codes")
        })?;
    }
    Ok(at.render_long_help().to_string())
}
