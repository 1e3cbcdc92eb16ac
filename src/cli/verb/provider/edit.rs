//! Changes of the configuration's file: a provider's lines are put in or taken out, everything else stays as its owner wrote it.
//! The new text is read and checked whole before it takes the place of the old.

use std::path::{Path, PathBuf};

use super::super::super::Context;
use super::super::super::args::ProviderAdd;
use super::super::super::error::{Failure, reason};
use super::super::super::exit::Exit;
use super::super::super::ground::with_services;
use crate::cloud_set::{OptionValue, ProfileState, Reference};
use crate::config::{
    Config, ConfigErrors, Environment, NewProvider, add_provider, is_local_path, is_secret, locate, remove_provider,
    save, set_provider_state,
};

/// A changed text that holds, not yet saved.
#[derive(Debug)]
pub(in crate::cli::verb) struct Edit {
    /// The file.
    pub(super) path: PathBuf,
    text: String,
    /// What the new text says.
    pub(super) config: Config,
}

impl Edit {
    /// Puts the new text in the place of the old.
    pub(in crate::cli::verb) fn save(&self, env: &Environment) -> Result<(), Failure> {
        Ok(save(&self.path, &self.text, env)?)
    }
}

/// A provider behind the last one.
pub(super) fn added(args: &ProviderAdd, context: &Context) -> Result<Edit, Failure> {
    let provider = provider(args)?;
    let (path, text) = read(context)?;
    let text = add_provider(&text, &args.name, &provider)?;
    let config = check(&path, &text, context)?;
    Ok(Edit { path, text, config })
}

/// A provider's lines taken out.
pub(super) fn removed(name: &str, context: &Context) -> Result<Edit, Failure> {
    let (path, text) = read(context)?;
    let text = remove_provider(&text, name)?;
    let config = check(&path, &text, context).map_err(|errors| needed(name, &errors))?;
    Ok(Edit { path, text, config })
}

/// Another use of a provider.
pub(in crate::cli::verb) fn used_as(name: &str, state: ProfileState, context: &Context) -> Result<Edit, Failure> {
    let (path, text) = read(context)?;
    let text = set_provider_state(&text, name, state)?;
    let config = check(&path, &text, context)?;
    Ok(Edit { path, text, config })
}

fn read(context: &Context) -> Result<(PathBuf, String), Failure> {
    let path = locate(context.global.config.as_deref(), &context.env, &|path| path.exists())?.path;
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok((path, text)),
        Err(error) => {
            let why = format!("the configuration cannot be read: {}", reason(&error));
            Err(Failure::new(Exit::Usage, "E0115", why)
                .at(&path)
                .note("nothing was touched"))
        }
    }
}

fn check(path: &Path, text: &str, context: &Context) -> Result<Config, ConfigErrors> {
    with_services(|services| Config::from_text(path, text, &context.env, services))
}

/// What stands in the way of taking a provider out; lines and columns would be those of a text that nobody has.
fn needed(name: &str, errors: &ConfigErrors) -> Failure {
    let first = errors.errors().first().expect("there is at least one");
    Failure::new(Exit::Usage, first.code(), format!("without `{name}`, {}", first.fault))
        .note("first add the provider that takes its place (raic provider add), or change the policies")
        .note("nothing was changed")
}

fn provider(args: &ProviderAdd) -> Result<NewProvider, Failure> {
    let option = |option: &String| {
        let (key, value) = option.split_once('=').ok_or_else(|| {
            Failure::usage("an option has no `=`")
                .note("write KEY=VALUE, KEY=env:VARIABLE or KEY=file:PATH")
                .note("nothing was touched")
        })?;
        Ok((key.to_owned(), value_of(args, key, value)?))
    };
    let flags = [
        ("region", args.region.clone()),
        ("operator", args.operator.clone()),
        ("quota", args.quota.clone()),
    ];
    let field = |(key, value): (&str, Option<String>)| value.map(|value| (key.to_owned(), value));
    Ok(NewProvider {
        scheme: args.scheme.clone(),
        options: args.options.iter().map(option).collect::<Result<_, Failure>>()?,
        fields: flags.into_iter().filter_map(field).collect(),
        prices: args.cost.clone(),
    })
}

fn value_of(args: &ProviderAdd, key: &str, value: &str) -> Result<OptionValue, Failure> {
    if let Some(variable) = value.strip_prefix("env:") {
        return Ok(OptionValue::Reference(Reference::Env(variable.to_owned())));
    }
    if let Some(path) = value.strip_prefix("file:") {
        return Ok(OptionValue::Reference(Reference::File(PathBuf::from(from_here(path)))));
    }
    if is_secret(&args.scheme, key) {
        let what = format!("`{key}` is a secret and must not stand on the command line");
        return Err(Failure::new(Exit::Usage, "E0107", what)
            .note(format!("keep it elsewhere: {key}=env:VARIABLE or {key}=file:PATH"))
            .note("others may have seen it in the list of processes: change it at the provider"));
    }
    if is_local_path(&args.scheme, key) {
        return Ok(OptionValue::Literal(from_here(value)));
    }
    Ok(OptionValue::Literal(value.to_owned()))
}

/// A path that was typed, from the folder that it was typed in: the file must mean the same from everywhere.
fn from_here(path: &str) -> String {
    if path.is_empty() || path.starts_with("~/") {
        return path.to_owned();
    }
    std::path::absolute(path).map_or_else(|_| path.to_owned(), |path| path.display().to_string())
}
