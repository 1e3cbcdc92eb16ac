//! `raic config`: which file counts, what it says, and whether it can hold.

use schemars::JsonSchema;
use serde::Serialize;

use super::super::Context;
use super::super::args::Config as Noun;
use super::super::error::{Failure, tame};
use super::super::exit::Exit;
use super::super::ground::{config, data_folder, no_home, secret, state_folder};
use super::super::output::Document;
use super::super::quantity::count;
use crate::config::{Shown, locate, show_text};

/// The answer of `config path`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Paths {
    /// The configuration.
    config: String,
    /// Why this one.
    why: String,
    /// The folder of the catalog.
    state: String,
}

impl Document for Paths {
    const SCHEMA: &'static str = "raic.config.path/1";
}

/// The answer of `config check`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Checked {
    /// The configuration.
    config: String,
    /// How many providers it has.
    providers: u64,
    /// How many policies.
    policies: u64,
    /// What is right but probably not meant.
    warnings: Vec<String>,
}

impl Document for Checked {
    const SCHEMA: &'static str = "raic.config.check/1";
}

/// The answer of `config show`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Values {
    /// The configuration.
    config: String,
    /// Everything that counts, defaults included; of secrets, where they are kept.
    values: Vec<ShownValue>,
}

impl Document for Values {
    const SCHEMA: &'static str = "raic.config.show/1";
}

/// One value.
#[derive(Debug, Serialize, JsonSchema)]
struct ShownValue {
    /// Its keys, from the outermost.
    path: Vec<String>,
    /// As the file would write it.
    value: String,
    /// Where it comes from: a line of the file, an environment variable, another policy, a guess or the default.
    from: String,
}

pub(crate) fn run(noun: &Noun, context: &Context) -> Result<Exit, Failure> {
    match noun {
        Noun::Path => path(context),
        Noun::Show => show(context),
        Noun::Check => check(context),
        Noun::Schema => {
            let schema = serde_json::to_string_pretty(&crate::config::schema()).expect("a schema is JSON");
            context.out.answer(&schema)?;
            Ok(Exit::Done)
        }
    }
}

fn path(context: &Context) -> Result<Exit, Failure> {
    let located = locate(context.global.config.as_deref(), &context.env, &|path| path.exists())?;
    let state = match config(context) {
        Ok(config) => state_folder(&config, &context.env)?,
        Err(_) => data_folder(&context.env, "XDG_STATE_HOME", ".local/state").ok_or_else(no_home)?,
    };
    if context.out.is_json() {
        context.out.document(&Paths {
            config: located.path.display().to_string(),
            why: located.why.to_string(),
            state: state.display().to_string(),
        })?;
        return Ok(Exit::Done);
    }
    let missing = if located.path.exists() { "" } else { ", and missing" };
    context.out.answer(&format!(
        "{}  {}{missing}",
        context.env.shown(&located.path),
        located.why
    ))?;
    context
        .out
        .answer(&format!("{}  the catalog's folder", context.env.shown(&state)))?;
    Ok(Exit::Done)
}

fn check(context: &Context) -> Result<Exit, Failure> {
    let config = config(context)?;
    let (providers, policies) = (config.set.providers.len() as u64, config.set.policies.len() as u64);
    let no_key = secret(&config, &context.env).err().map(|failure| {
        let sentence = failure.sentence();
        format!("nothing can be stored or read without the key: {sentence}")
    });
    let warnings: Vec<String> = config.warnings.iter().cloned().chain(no_key).collect();
    if context.out.is_json() {
        context.out.document(&Checked {
            config: config.path.display().to_string(),
            providers,
            policies,
            warnings,
        })?;
        return Ok(Exit::Done);
    }
    context.out.answer(&format!(
        "{} is in order: {}, {}",
        context.env.shown(&config.path),
        count(providers, "provider", "providers"),
        count(policies, "policy", "policies"),
    ))?;
    for policy in config.set.policies.values() {
        context.out.answer(&format!(
            "  {}: {}+{}, survives any {}, written when {} of {} are confirmed",
            policy.name,
            policy.k,
            policy.m,
            policy.m,
            policy.quorum,
            policy.n(),
        ))?;
    }
    for warning in &warnings {
        context.out.warn(warning);
    }
    Ok(Exit::Done)
}

fn show(context: &Context) -> Result<Exit, Failure> {
    let config = config(context)?;
    let values = config.show(&context.env);
    if context.out.is_json() {
        let value = |shown: Shown| ShownValue {
            path: shown.path,
            value: shown.value,
            from: shown.from,
        };
        context.out.document(&Values {
            config: config.path.display().to_string(),
            values: values.into_iter().map(value).collect(),
        })?;
        return Ok(Exit::Done);
    }
    let path = tame(&context.env.shown(&config.path));
    context
        .out
        .answer(&format!("# {path}, with what holds where it is silent"))?;
    // Values were written by whoever wrote the file: a terminal must not obey them.
    for line in show_text(&values).lines() {
        context.out.answer(&tame(line))?;
    }
    Ok(Exit::Done)
}
