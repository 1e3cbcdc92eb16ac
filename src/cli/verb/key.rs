//! `raic key`: the secret on paper, and back.

use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use schemars::JsonSchema;
use serde::Serialize;
use zeroize::Zeroizing;

use super::super::Context;
use super::super::args::{Key, KeyExport, KeyImport};
use super::super::error::{Failure, bad_key, reason};
use super::super::exit::Exit;
use super::super::ground::{config, diary_if_there, make_private, secret};
use super::super::output::Document;
use super::super::quantity::local;
use crate::catalog::diary::Deed;
use crate::clock::{Clock, SystemClock};
use crate::cloud_set::Reference;
use crate::config::{create_key_file, key_of_sheet, recovery_sheet};
use crate::fragment::secret::Keys;

/// The longest sheet that is read.
const SHEET_LEN: u64 = 64 << 10;

/// The answer of `key import`, and of `key export --to`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct KeyPlace {
    /// The cloud set that the key belongs to.
    set: String,
    /// The file that was written.
    path: String,
}

impl Document for KeyPlace {
    const SCHEMA: &'static str = "raic.key/1";
}

/// The answer of `key export` without `--to`: it holds the key.
#[derive(Serialize, JsonSchema)]
pub(crate) struct KeySheet {
    /// The cloud set that the key belongs to.
    set: String,
    /// The page to print, key included.
    sheet: String,
}

impl Document for KeySheet {
    const SCHEMA: &'static str = "raic.key.sheet/1";
}

pub(crate) async fn run(noun: &Key, context: &Context) -> Result<Exit, Failure> {
    match noun {
        Key::Export(args) => export(args, context).await,
        Key::Import(args) => import(args, context),
    }
}

async fn export(args: &KeyExport, context: &Context) -> Result<Exit, Failure> {
    let config = config(context)?;
    let secret = secret(&config, &context.env)?;
    let keys = Keys::new(&secret);
    let sheet = recovery_sheet(&secret, &local(SystemClock.now()), &config.set.providers);
    match &args.to {
        None if context.out.is_json() => context.out.document(&KeySheet {
            set: keys.set().to_string(),
            sheet: sheet.to_string(),
        })?,
        None => context.out.bytes(sheet.as_bytes())?,
        Some(path) => {
            write_new(path, sheet.as_bytes())?;
            placed(path, &keys, context)?;
        }
    }
    // For doctor, which asks when it was last done. That it can't be kept takes nothing from the sheet.
    if let Some(diary) = diary_if_there(&config, &context.env)
        && let Err(error) = diary.note(Deed::KeyExported, SystemClock.now()).await
    {
        tracing::info!("the day of the export was not kept: {error}");
    }
    Ok(Exit::Done)
}

fn import(args: &KeyImport, context: &Context) -> Result<Exit, Failure> {
    let text = read(&args.file)?;
    let secret = key_of_sheet(&text).map_err(|error| bad_key(&error))?;
    let path = target(context)?;
    if let Some(parent) = path.parent() {
        make_private(parent).map_err(|error| unwritable(parent, &error))?;
    }
    create_key_file(&path, &secret, &context.env)?;
    placed(&path, &Keys::new(&secret), context)?;
    Ok(Exit::Done)
}

/// Where the configuration says that the key is; without one, where `init` puts it.
fn target(context: &Context) -> Result<std::path::PathBuf, Failure> {
    match config(context) {
        Ok(config) => match config.key {
            Reference::File(path) => Ok(path),
            Reference::Env(_) | Reference::Command(_) => Err(Failure::new(
                Exit::Usage,
                "E0119",
                "the configuration keeps the key in a variable or a program, not in a file",
            )
            .note("write it there yourself, or change `key:` to { file: PATH }")
            .note("nothing was written")),
        },
        Err(failure) => {
            let owner = crate::config::owner_path(&context.env).filter(|path| !path.exists());
            owner
                .filter(|_| context.global.config.is_none())
                .map(|path| crate::config::key_path(&path))
                .ok_or(failure)
        }
    }
}

fn read(file: &Path) -> Result<Zeroizing<String>, Failure> {
    let mut text = Zeroizing::new(String::new());
    let read = if file.as_os_str() == "-" {
        std::io::stdin().lock().take(SHEET_LEN).read_to_string(&mut text)
    } else {
        std::fs::File::open(file).and_then(|file| file.take(SHEET_LEN).read_to_string(&mut text))
    };
    read.map_err(|error| {
        Failure::new(
            Exit::Failed,
            "E0206",
            format!("{} cannot be read: {}", file.display(), reason(&error)),
        )
        .note("nothing was written")
    })?;
    Ok(text)
}

/// Writes a file of the owner's alone that must not be there yet.
fn write_new(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let written = opened.and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()));
    written.map_err(|error| {
        if error.kind() == std::io::ErrorKind::AlreadyExists {
            let what = format!("{} is there already and is not replaced", path.display());
            return Failure::new(Exit::Usage, "E0602", what)
                .note("a key that is overwritten takes all its data with it: move the file away first")
                .note("nothing was written");
        }
        // Half a sheet is none.
        drop(std::fs::remove_file(path));
        unwritable(path, &error)
    })
}

fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(
        Exit::Failed,
        "E0208",
        format!("{} cannot be written: {}", path.display(), reason(error)),
    )
    .note("nothing else was changed")
}

fn placed(path: &Path, keys: &Keys, context: &Context) -> Result<(), Failure> {
    let set = keys.set().to_string();
    if context.out.is_json() {
        return context.out.document(&KeyPlace {
            set,
            path: path.display().to_string(),
        });
    }
    context.out.said(&format!(
        "wrote {}  the key of cloud set {set}, readable by you alone",
        context.env.shown(path)
    ))
}
