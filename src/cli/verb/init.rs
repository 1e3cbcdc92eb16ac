//! `raic init`: a configuration that works at once, over folders of this machine.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use super::super::Context;
use super::super::args;
use super::super::error::{Failure, reason};
use super::super::exit::Exit;
use super::super::ground::{CATALOG, For, Session, data_folder, make_private, no_home};
use super::super::output::Document;
use super::super::quantity::count;
use crate::config::{Beginning, create_key_file, init_text, key_path, owner_path, save};
use crate::entropy::{SystemEntropy, random};
use crate::fragment::identity::IDENTITY_KEY;
use crate::fragment::secret::SetSecret;

/// The answer.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Begun {
    /// The configuration.
    config: String,
    /// The key file.
    key: String,
    /// True if the key was there before.
    key_was_there: bool,
    /// A copy of the configuration that was replaced.
    #[serde(skip_serializing_if = "Option::is_none")]
    replaced: Option<String>,
    /// The folders that act as providers.
    providers: Vec<String>,
    /// Data chunks of the policy.
    k: u16,
    /// Parity chunks of the policy.
    m: u16,
}

impl Document for Begun {
    const SCHEMA: &'static str = "raic.init/1";
}

pub(crate) async fn run(args: &args::Init, context: &Arc<Context>) -> Result<Exit, Failure> {
    let config = context.global.config.clone().or_else(|| {
        let named = context.env.get("RAIC_CONFIG").map(|path| context.env.expand(path));
        named.or_else(|| owner_path(&context.env))
    });
    let config = config.ok_or_else(no_home)?;
    let data = data_folder(&context.env, "XDG_DATA_HOME", ".local/share").ok_or_else(no_home)?;
    if config.exists() && !args.force {
        return Err(Failure::new(
            Exit::Usage,
            "E0602",
            format!("{} is there already and is not replaced", context.env.shown(&config)),
        )
        .note("see it: raic config show; replace it and keep the key: raic init --force")
        .note("nothing was written"));
    }
    let key = key_path(&config);
    let key_was_there = key.exists();
    let (k, m) = shape(args.providers);
    let folders: Vec<PathBuf> = (1..=args.providers).map(|i| data.join(format!("disk{i}"))).collect();
    if !key_was_there && let Some(left) = left_over(&folders, context) {
        return Err(orphaned(&left));
    }
    make_folder(config.parent().unwrap_or(Path::new("/")))?;
    let replaced = config.exists().then(|| set_aside(&config)).transpose()?;
    if !key_was_there {
        create_key_file(&key, &SetSecret::new(random(&SystemEntropy)), &context.env)?;
    }
    for folder in &folders {
        make_folder(folder)?;
    }
    save(&config, &text(&folders, &key, k, m, context), &context.env)?;
    attach(&config, context).await?;
    let begun = Begun {
        config: config.display().to_string(),
        key: key.display().to_string(),
        key_was_there,
        replaced: replaced.map(|old| old.display().to_string()),
        providers: folders.iter().map(|folder| folder.display().to_string()).collect(),
        k,
        m,
    };
    tell(&begun, context)?;
    Ok(Exit::Done)
}

/// Two thirds of the providers carry data: 4+2 over six.
fn shape(providers: u16) -> (u16, u16) {
    let m = (providers / 3).max(1);
    (providers - m, m)
}

/// What is here of a cloud set, where a new key would not fit it.
fn left_over(folders: &[PathBuf], context: &Context) -> Option<PathBuf> {
    let state = data_folder(&context.env, "XDG_STATE_HOME", ".local/state");
    let catalog = state.map(|state| state.join(CATALOG)).filter(|path| path.exists());
    let holds_data = |folder: &&PathBuf| folder.join(IDENTITY_KEY).exists();
    catalog.or_else(|| folders.iter().find(holds_data).cloned())
}

fn orphaned(left: &Path) -> Failure {
    Failure::new(Exit::Usage, "E0603", "a cloud set is here already, and its key is not")
        .at(left)
        .note("bring its key back from its recovery sheet: raic key import")
        .note("or move it away; a second set needs places of its own: XDG_CONFIG_HOME, XDG_STATE_HOME, XDG_DATA_HOME")
        .note("nothing was written")
}

/// Keeps a copy of the configuration that is to be replaced.
fn set_aside(config: &Path) -> Result<PathBuf, Failure> {
    let old = config.with_extension("yaml.old");
    std::fs::copy(config, &old).map_err(|error| unwritable(&old, &error))?;
    Ok(old)
}

fn make_folder(folder: &Path) -> Result<(), Failure> {
    make_private(folder).map_err(|error| unwritable(folder, &error))
}

fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(
        Exit::Failed,
        "E0208",
        format!("{} cannot be written: {}", path.display(), reason(error)),
    )
    .note("XDG_CONFIG_HOME, XDG_DATA_HOME and XDG_STATE_HOME name other places")
}

fn text(folders: &[PathBuf], key: &Path, k: u16, m: u16, context: &Context) -> String {
    let named = |(at, folder): (usize, &PathBuf)| (format!("disk{at}"), folder.display().to_string());
    let folders: Vec<(String, String)> = (1..).zip(folders).map(named).collect();
    let key = context.env.shown(key);
    init_text(&Beginning {
        key: &key,
        folders: &folders,
        k,
        m,
    })
}

/// Makes the folders members of the set, so that the first put has nothing left to do.
async fn attach(config: &Path, context: &Arc<Context>) -> Result<(), Failure> {
    let mut global = context.global.clone();
    global.config = Some(config.to_owned());
    let context = Context {
        global,
        env: context.env.clone(),
        out: context.out.clone(),
        interrupt: context.interrupt.clone(),
    };
    let session = Session::open(&context, For::Writing, &[]).await?;
    let attached = session.store.attach().await?;
    match attached.unreached.into_iter().next() {
        Some(error) => Err(error.into()),
        None => Ok(()),
    }
}

fn tell(begun: &Begun, context: &Context) -> Result<(), Failure> {
    let out = &context.out;
    if out.is_json() {
        return out.document(begun);
    }
    let shown = |path: &str| context.env.shown(Path::new(path));
    let (config, key) = (shown(&begun.config), shown(&begun.key));
    let width = config.chars().count().max(key.chars().count());
    let (k, m) = (begun.k, begun.m);
    let times = f64::from(k + m) / f64::from(k);
    let folders = count(begun.providers.len() as u64, "local folder", "local folders");
    out.said(&format!(
        "wrote {config:width$}   {folders}, policy {k}+{m}: survives any {m} of them at {times:.1}x"
    ))?;
    if let Some(old) = &begun.replaced {
        out.said(&format!("kept  {}   the configuration that was there", shown(old)))?;
    }
    let wrote = if begun.key_was_there { "kept " } else { "wrote" };
    out.said(&format!("{wrote} {key:width$}   keep a copy: raic key export"))?;
    out.said("These folders are on one disk: good for trying, not for safety.")?;
    out.said("next:  raic put README.md        or  raic demo")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_third_of_the_providers_may_be_lost() {
        for (providers, shaped) in [(3, (2, 1)), (4, (3, 1)), (6, (4, 2)), (9, (6, 3))] {
            assert_eq!(shape(providers), shaped);
        }
    }
}
