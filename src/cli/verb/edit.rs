//! Changes of the configuration's file: a provider's lines are put in or taken out, everything else stays as its owner wrote it.
//! The new text is checked whole before it takes the place of the old.

use std::path::{Path, PathBuf};

use super::super::Context;
use super::super::args::ProviderAdd;
use super::super::error::{Failure, reason};
use super::super::exit::Exit;
use super::super::ground::with_services;
use crate::cloud_set::{OptionValue, Reference};
use crate::config::{Config, NewProvider, add_provider, is_secret, locate, remove_provider, save};

/// Adds a provider behind the last one.
pub(crate) fn add(args: &ProviderAdd, context: &Context) -> Result<(), Failure> {
    let provider = provider(args)?;
    change(context, |text| Ok(add_provider(text, &args.name, &provider)?))
}

/// Takes out a provider's lines.
pub(crate) fn remove(name: &str, context: &Context) -> Result<(), Failure> {
    change(context, |text| Ok(remove_provider(text, name)?))
}

/// Reads, changes, checks and replaces the file.
fn change(context: &Context, change: impl FnOnce(&str) -> Result<String, Failure>) -> Result<(), Failure> {
    let path = locate(context.global.config.as_deref(), &context.env, &|path| path.exists())?.path;
    let text = std::fs::read_to_string(&path).map_err(|error| {
        let why = format!("the configuration cannot be read: {}", reason(&error));
        Failure::new(Exit::Usage, "E0115", why)
            .at(&path)
            .note("nothing was touched")
    })?;
    let changed = change(&text)?;
    check(&path, &changed, context)?;
    Ok(save(&path, &changed, &context.env)?)
}

fn check(path: &Path, text: &str, context: &Context) -> Result<(), Failure> {
    with_services(|services| Config::from_text(path, text, &context.env, services))?;
    Ok(())
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
        ("region", &args.region),
        ("operator", &args.operator),
        ("quota", &args.quota),
        ("cost", &args.cost),
    ];
    let field = |(key, value): (&str, &Option<String>)| value.clone().map(|value| (key.to_owned(), value));
    Ok(NewProvider {
        scheme: args.scheme.clone(),
        options: args.options.iter().map(option).collect::<Result<_, Failure>>()?,
        fields: flags.into_iter().filter_map(field).collect(),
    })
}

fn value_of(args: &ProviderAdd, key: &str, value: &str) -> Result<OptionValue, Failure> {
    if let Some(variable) = value.strip_prefix("env:") {
        return Ok(OptionValue::Reference(Reference::Env(variable.to_owned())));
    }
    if let Some(path) = value.strip_prefix("file:") {
        return Ok(OptionValue::Reference(Reference::File(PathBuf::from(path))));
    }
    if is_secret(&args.scheme, key) {
        let what = format!("`{key}` is a secret and must not stand on the command line");
        return Err(Failure::new(Exit::Usage, "E0107", what)
            .note(format!("keep it elsewhere: {key}=env:VARIABLE or {key}=file:PATH"))
            .note("others may have seen it in the list of processes: change it at the provider"));
    }
    Ok(OptionValue::Literal(value.to_owned()))
}
