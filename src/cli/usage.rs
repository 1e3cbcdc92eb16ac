//! A command line that is not understood, told in our form; help and version on standard output.

use std::ffi::OsString;

use clap::CommandFactory;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::args::{Color, Global, Line, Progressing};
use super::error::Failure;
use super::exit::Exit;
use super::output::Output;
use crate::config::Environment;

/// Tells what is wrong, or prints the help that was asked for.
pub(crate) fn answer(error: &clap::Error, line: &[OsString], env: &Environment) -> Exit {
    let out = Output::new(&flags(line), env);
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            let printed = out.answer(error.render().to_string().trim_end());
            printed.map_or_else(|failure| failure.exit(), |()| Exit::Done)
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::MissingSubcommand if line.len() < 2 => {
            out.aside(include_str!("help.txt"));
            Exit::Usage
        }
        _ => {
            out.failure(&told(error));
            Exit::Usage
        }
    }
}

/// The flags that decide how an error looks, found without understanding the rest.
fn flags(line: &[OsString]) -> Global {
    Global {
        config: None,
        json: line.iter().any(|word| word == "--json"),
        quiet: false,
        verbose: 0,
        color: Color::Auto,
        progress: Progressing::Off,
    }
}

fn told(error: &clap::Error) -> Failure {
    if let ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::MissingSubcommand = error.kind()
        && let Some(noun) = noun()
    {
        let (name, verbs) = (noun.get_name(), names(&noun).join(" "));
        return Failure::usage(format!("raic {name}: what is to be done is missing"))
            .note(format!("there are: {verbs}"))
            .note(format!("raic {name} --help  tells what there is; nothing was touched"));
    }
    let text = error.render().to_string();
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines.next().unwrap_or("error: the command line is not understood");
    // The values that are missing stand below the first line.
    let mut what = first.trim_start_matches("error: ").to_owned();
    let mut notes = Vec::new();
    for line in lines {
        if let Some(tip) = line.strip_prefix("tip: ") {
            notes.push(tip.to_owned());
        } else if line.starts_with("Usage:") || line.starts_with("For more information") {
            break;
        } else {
            what = format!("{what} {line}");
        }
    }
    if error.kind() == ErrorKind::InvalidSubcommand && notes.is_empty() {
        notes.push(verbs(error));
    }
    let about = if std::env::args_os().len() > 2 {
        "raic VERB --help"
    } else {
        "raic --help"
    };
    notes.truncate(4);
    notes.push(format!("{about}  tells what there is; nothing was touched"));
    notes.into_iter().fold(Failure::usage(what), Failure::note)
}

/// All verbs where nothing is near; below a noun, its own.
fn verbs(error: &clap::Error) -> String {
    let wrong = match error.get(ContextKind::InvalidSubcommand) {
        Some(ContextValue::String(wrong)) => wrong.as_str(),
        _ => "",
    };
    let names = names(&noun().unwrap_or_else(Line::command));
    let nearest = names
        .iter()
        .map(|name| (strsim::jaro_winkler(name, wrong), name))
        .max_by(|a, b| a.0.total_cmp(&b.0));
    let guess = match nearest {
        Some((near, name)) if near > 0.8 => format!("did you mean `{name}`? "),
        _ => String::new(),
    };
    format!("{guess}there are: {}", names.join(" "))
}

/// The verb or noun that the line begins with.
fn noun() -> Option<clap::Command> {
    let command = Line::command();
    std::env::args()
        .skip(1)
        .find_map(|word| command.find_subcommand(word).cloned())
}

fn names(parent: &clap::Command) -> Vec<String> {
    parent
        .get_subcommands()
        .map(|verb| verb.get_name().to_owned())
        .collect()
}
