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
use super::super::ground::{config, make_private, secret};
use super::super::output::Document;
use crate::cloud_set::Reference;
use crate::fragment::secret::{Keys, SetSecret};

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

pub(crate) fn run(noun: &Key, context: &Context) -> Result<Exit, Failure> {
    match noun {
        Key::Export(args) => export(args, context),
        Key::Import(args) => import(args, context),
    }
}

fn export(args: &KeyExport, context: &Context) -> Result<Exit, Failure> {
    let config = config(context)?;
    let secret = secret(&config, &context.env)?;
    let keys = Keys::new(&secret);
    let mut sheet = Zeroizing::new(String::new());
    sheet.push_str("RAIC recovery sheet: whoever has this key can read everything in this cloud set.\n");
    sheet.push_str("Keep it where fire, thieves and this computer's death don't reach it.\n\n");
    for part in ["cloud set  ", &keys.set().to_string(), "\nkey        "] {
        sheet.push_str(part);
    }
    sheet.push_str(&secret.to_text());
    sheet.push_str("\n\nIts providers, whose own secrets are not on this sheet:\n");
    for profile in &config.set.providers {
        for part in ["  ", &profile.name, "  ", &profile.scheme, "\n"] {
            sheet.push_str(part);
        }
    }
    sheet.push_str(
        "\nTo bring it back: raic key import, then type the key (spaces, hyphens and capitals don't matter).\n",
    );
    match &args.to {
        None => context.out.bytes(sheet.as_bytes())?,
        Some(path) => {
            write_new(path, sheet.as_bytes())?;
            placed(path, &keys, context)?;
        }
    }
    Ok(Exit::Done)
}

fn import(args: &KeyImport, context: &Context) -> Result<Exit, Failure> {
    let text = read(&args.file)?;
    let secret = of_sheet(&text)?;
    let path = target(context)?;
    if let Some(parent) = path.parent() {
        make_private(parent).map_err(|error| unwritable(parent, &error))?;
    }
    let mut line = Zeroizing::new(secret.to_text().to_string());
    line.push('\n');
    write_new(&path, line.as_bytes())?;
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

/// The key alone, or the one line of a sheet that has it.
fn of_sheet(text: &str) -> Result<SetSecret, Failure> {
    let whole = SetSecret::parse(text);
    let line = text
        .lines()
        .find_map(|line| SetSecret::parse(line.trim().strip_prefix("key ").unwrap_or(line)).ok());
    match (whole, line) {
        (Ok(secret), _) | (Err(_), Some(secret)) => Ok(secret),
        (Err(error), None) => Err(bad_key(&error)),
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
pub(crate) fn write_new(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let written = opened.and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()));
    written.map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => Failure::new(
            Exit::Usage,
            "E0602",
            format!("{} is there already and is not replaced", path.display()),
        )
        .note("a key that is overwritten takes all its data with it: move the file away first")
        .note("nothing was written"),
        _ => unwritable(path, &error),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_alone_and_out_of_its_sheet() {
        let secret = SetSecret::new([7; 32]);
        let text = secret.to_text();
        for sheet in [
            text.to_string(),
            format!("RAIC recovery sheet\n\ncloud set  abc\nkey        {}\n\nmore\n", *text),
        ] {
            assert_eq!(*of_sheet(&sheet).unwrap().to_text(), *text);
        }
        assert!(of_sheet("cloud set abc\nno key here").is_err());
    }
}
