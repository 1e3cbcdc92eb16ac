//! `raic get` and `raic cat`: objects become files again, or bytes on standard output.
//!
//! ```text
//! fragments ─▶ verified bytes ─▶ .NAME.raic-XXXX beside the target ─▶ fsync ─▶ renamed
//! ```
//!
//! A file is never there under its name before it is whole.

mod draft;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use schemars::JsonSchema;
use serde::Serialize;

use self::draft::Draft;
use super::super::Context;
use super::super::args;
use super::super::error::{Failure, reason, said, tame};
use super::super::exit::Exit;
use super::super::ground::{For, Session};
use super::super::output::Document;
use super::super::progress::{Job, Shown, Way};
use super::super::quantity::{count, rate, size, span};
use super::names;
use super::span::Span;
use crate::catalog::record::Version;
use crate::store::fetch::Notes;

/// Objects under way at once.
const AT_ONCE: usize = 8;

/// One line of the answer of `get`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub(crate) enum Got {
    /// An object is a file now.
    Object {
        /// Its name.
        name: String,
        /// The file.
        path: String,
        /// Bytes written.
        bytes: u64,
        /// How long it took.
        seconds: f64,
        /// Some provider failed or gave damaged bytes: they were rebuilt from the others.
        rebuilt: bool,
        /// What those providers said.
        causes: Vec<String>,
    },
    /// An object did not become a file.
    Failed {
        /// Its name.
        name: String,
        /// Why.
        message: String,
    },
    /// The last line.
    Summary {
        /// Files written.
        written: u64,
        /// Objects that failed.
        failed: u64,
        /// Bytes written.
        bytes: u64,
        /// How long it took.
        seconds: f64,
    },
}

impl Document for Got {
    const SCHEMA: &'static str = "raic.get/1";
}

/// One object and the file that it becomes.
#[derive(Clone, Debug)]
struct Aim {
    version: Version,
    path: PathBuf,
}

pub(crate) async fn get(args: &args::Get, context: &Arc<Context>) -> Result<Exit, Failure> {
    let session = Session::open(context, For::Reading, &[]).await?;
    session.check_providers(&args.avoid)?;
    let (names, folder) = destination(args);
    let mut course = Course::default();
    let mut aims = Vec::new();
    for name in names {
        match names::select(&session, name, args.recursive).await {
            Ok(versions) => aims.extend(versions.into_iter().map(|version| {
                let path = args
                    .output
                    .clone()
                    .unwrap_or_else(|| folder.join(file_name(&version.name, name, args.recursive)));
                Aim { version, path }
            })),
            Err(failure) if names.len() == 1 => return Err(failure),
            Err(failure) => course.failed(name, &failure, context)?,
        }
    }
    if args.range.is_some() || args.output.is_some() {
        names::only_one("--range or --output", names.len())?;
    }
    check_targets(&aims, args.force)?;
    let (aims, folders) = apart_from_folders(aims);
    for aim in &folders {
        course.failed(&aim.version.name, &also_a_folder(aim), context)?;
    }
    let shown = Shown::begin(job("get", &aims, args.range), &context.global, &context.out);
    let alone = names.len() == 1 && aims.len() == 1 && folders.is_empty() && !args.recursive;
    let begun = Instant::now();
    let mut flights = futures::stream::iter(aims)
        .map(|aim| {
            let (session, shown) = (&session, &shown);
            async move {
                let begun = Instant::now();
                let result = one(session, &aim, args, shown).await;
                (aim, result, begun.elapsed())
            }
        })
        .buffer_unordered(AT_ONCE);
    while let Some((aim, result, time)) = flights.next().await {
        match result {
            Ok((bytes, notes)) => course.wrote(&aim, bytes, &notes, time, context)?,
            Err(failure) if alone => return Err(failure),
            Err(failure) => course.failed(&aim.version.name, &failure, context)?,
        }
    }
    drop(flights);
    course.sum_up(begun.elapsed(), alone, context)?;
    Ok(Exit::of_items(&course.ends))
}

pub(crate) async fn cat(args: &args::Cat, context: &Arc<Context>) -> Result<Exit, Failure> {
    let session = Session::open(context, For::Reading, &[]).await?;
    session.check_providers(&args.avoid)?;
    let version = names::select(&session, &args.name, false).await?.remove(0);
    let aim = Aim {
        version,
        path: PathBuf::from("-"),
    };
    let shown = Shown::begin(
        job("cat", std::slice::from_ref(&aim), args.range),
        &context.global,
        &context.out,
    );
    let range = range(&aim.version, args.range)?;
    let mut reader = session
        .store
        .read(&args.name, range, &args.avoid, shown.listener())
        .await?;
    let ended = loop {
        match reader.next().await {
            Ok(Some(bytes)) => {
                let out = context.out.clone();
                let written = tokio::task::spawn_blocking(move || out.bytes(&bytes));
                if let Err(failure) = written.await.expect("writing does not panic") {
                    break Err(failure);
                }
            }
            Ok(None) => break Ok(()),
            Err(error) => break Err(error.into()),
        }
    };
    let notes = reader.finish().await;
    drop(shown);
    ended?;
    warn_of(&args.name, &notes, context);
    Ok(Exit::Done)
}

/// The objects and the folder: the last of several arguments, if it ends with `/` or is one.
fn destination(args: &args::Get) -> (&[String], PathBuf) {
    match args.names.as_slice() {
        [names @ .., last] if !names.is_empty() && (last.ends_with('/') || Path::new(last).is_dir()) => {
            (names, PathBuf::from(last))
        }
        names => (names, PathBuf::new()),
    }
}

/// What a file is called below its folder: the last part of the name, or with a prefix all from the prefix's last part on.
fn file_name<'a>(name: &'a str, asked: &str, recursive: bool) -> &'a str {
    let asked = asked.trim_end_matches('/');
    let kept = if recursive { asked } else { name };
    let skip = kept.rfind('/').map_or(0, |at| at + 1);
    &name[skip..]
}

fn check_targets(aims: &[Aim], force: bool) -> Result<(), Failure> {
    let mut paths: Vec<&Path> = aims.iter().map(|aim| aim.path.as_path()).collect();
    paths.sort_unstable();
    if let Some(pair) = paths.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(
            Failure::usage(format!("two of the objects would both become {}", pair[0].display()))
                .note("get them one by one with -o, or all below a prefix with -r")
                .note("nothing was written"),
        );
    }
    let there = |path: &&&Path| path.symlink_metadata().ok().map(|meta| meta.file_type());
    let special =
        |path: &&&Path| there(path).is_some_and(|sort| !sort.is_file() && !sort.is_dir() && !sort.is_symlink());
    if let Some(path) = paths.iter().find(special) {
        return Err(Failure::new(
            Exit::Usage,
            "E0208",
            format!("{} is a device, a pipe or a socket", path.display()),
        )
        .note("into a pipe or a device writes: raic cat NAME > ...")
        .note("nothing was written"));
    }
    let taken = |path: &&&Path| there(path).is_some_and(|sort| sort.is_dir() || !force);
    match paths.iter().find(taken) {
        None => Ok(()),
        Some(path) => Err(
            Failure::new(Exit::Usage, "E0208", format!("{} is there already", path.display()))
                .note("replace it with --force, or write elsewhere: raic get NAME DIR/ or -o FILE")
                .note("nothing was written"),
        ),
    }
}

/// Parts the objects that can be files from those whose file would have to be the folder of another one.
fn apart_from_folders(mut aims: Vec<Aim>) -> (Vec<Aim>, Vec<Aim>) {
    // By their parts, so that whatever lies below a path follows it.
    aims.sort_by(|a, b| a.path.cmp(&b.path));
    let below = |(at, aim): (usize, &Aim)| aims.get(at + 1).is_some_and(|next| next.path.starts_with(&aim.path));
    let folders: Vec<bool> = aims.iter().enumerate().map(below).collect();
    let (folders, files): (Vec<_>, Vec<_>) = folders.into_iter().zip(aims).partition(|(folder, _)| *folder);
    let aims = |pairs: Vec<(bool, Aim)>| pairs.into_iter().map(|(_, aim)| aim).collect();
    (aims(files), aims(folders))
}

fn also_a_folder(aim: &Aim) -> Failure {
    let path = aim.path.display();
    Failure::new(
        Exit::Usage,
        "E0208",
        format!("{path} would have to be a file, and the folder of other objects"),
    )
    .note(format!(
        "get it alone under another name: raic get {} -o FILE",
        aim.version.name
    ))
}

fn job(verb: &str, aims: &[Aim], span: Option<Span>) -> Job {
    let len = |aim: &Aim| match span {
        Some(span) => span.within(aim.version.len).map_or(0, |range| range.end - range.start),
        None => aim.version.len,
    };
    let title = match aims {
        [only] => format!("{verb} {}", only.version.name),
        aims => format!("{verb} {}", count(aims.len() as u64, "object", "objects")),
    };
    Job {
        title,
        total: Some(aims.iter().map(len).sum()),
        way: Way::Down,
        expansion: 1.0,
    }
}

fn range(version: &Version, span: Option<Span>) -> Result<Option<std::ops::Range<u64>>, Failure> {
    let Some(span) = span else { return Ok(None) };
    let range = span.within(version.len).ok_or_else(|| {
        Failure::new(
            Exit::Usage,
            "E0202",
            format!("bytes {span} of {}: it has {} bytes", version.name, version.len),
        )
        .note("the first byte is 0, and both ends count")
        .note("nothing was written")
    })?;
    Ok(Some(range))
}

async fn one(session: &Session, aim: &Aim, args: &args::Get, shown: &Shown) -> Result<(u64, Notes), Failure> {
    let range = range(&aim.version, args.range)?;
    let mut draft = blocking({
        let path = aim.path.clone();
        move || Draft::begin(&path)
    })
    .await
    .map_err(|error| unwritable(&aim.path, &error))?;
    let mut reader = session
        .store
        .read(&aim.version.name, range, &args.avoid, shown.listener())
        .await?;
    let mut written = 0;
    let ended: Result<(), Failure> = loop {
        match reader.next().await {
            Ok(Some(bytes)) => {
                written += bytes.len() as u64;
                let step = blocking(move || draft.write(&bytes).map(|()| draft));
                match step.await {
                    Ok(grown) => draft = grown,
                    Err(error) => break Err(unwritable(&aim.path, &error)),
                }
            }
            Ok(None) => {
                let (modified, force) = (aim.version.modified, args.force);
                let finished = blocking(move || draft.finish(modified, force)).await;
                break finished.map_err(|error| unwritable(&aim.path, &error));
            }
            Err(error) => break Err(error.into()),
        }
    };
    let notes = reader.finish().await;
    ended.map(|()| (written, notes))
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> std::io::Result<T> + Send + 'static) -> std::io::Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .expect("writing a file does not panic")
}

fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(
        Exit::Failed,
        "E0208",
        format!("{} cannot be written: {}", path.display(), reason(error)),
    )
    .note("no part of it was left there; the object is as it was")
}

#[derive(Debug, Default)]
struct Course {
    ends: Vec<Exit>,
    written: u64,
    failed: u64,
    bytes: u64,
}

impl Course {
    fn wrote(
        &mut self,
        aim: &Aim,
        bytes: u64,
        notes: &Notes,
        time: Duration,
        context: &Context,
    ) -> Result<(), Failure> {
        self.ends.push(Exit::Done);
        self.written += 1;
        self.bytes += bytes;
        let out = &context.out;
        out.event(&Got::Object {
            name: aim.version.name.clone(),
            path: aim.path.display().to_string(),
            bytes,
            seconds: time.as_secs_f64(),
            rebuilt: notes.rebuilt,
            causes: said(&notes.causes),
        })?;
        out.said(&format!(
            "wrote  {}  {}, {}",
            tame(&aim.path.display().to_string()),
            size(bytes),
            rate(bytes, time)
        ))?;
        warn_of(&aim.version.name, notes, context);
        Ok(())
    }

    fn failed(&mut self, name: &str, failure: &Failure, context: &Context) -> Result<(), Failure> {
        self.ends.push(failure.exit());
        self.failed += 1;
        context.out.failure(failure);
        context.out.event(&Got::Failed {
            name: name.to_owned(),
            message: failure.sentence(),
        })
    }

    fn sum_up(&self, time: Duration, alone: bool, context: &Context) -> Result<(), Failure> {
        let out = &context.out;
        out.event(&Got::Summary {
            written: self.written,
            failed: self.failed,
            bytes: self.bytes,
            seconds: time.as_secs_f64(),
        })?;
        if alone {
            return Ok(());
        }
        let failed = if self.failed > 0 {
            format!(", {} failed", self.failed)
        } else {
            String::new()
        };
        let files = count(self.written, "file", "files");
        out.said(&format!(
            "{files} written{failed}, {} in {} ({})",
            size(self.bytes),
            span(time),
            rate(self.bytes, time)
        ))
    }
}

/// What was amiss on the way, although every byte is right.
fn warn_of(name: &str, notes: &Notes, context: &Context) {
    if notes.is_clean() {
        return;
    }
    let mut what = Vec::new();
    if !notes.changed.is_empty() {
        what.push(format!(
            "{} missing or damaged",
            count(notes.changed.len() as u64, "fragment is", "fragments are")
        ));
    }
    what.extend(said(&notes.causes));
    let how = if notes.rebuilt {
        "rebuilt from the others"
    } else {
        "read from the others"
    };
    let mend = if notes.changed.is_empty() {
        String::new()
    } else {
        format!("; mend it: raic repair --only {name}")
    };
    context
        .out
        .warn(&format!("{name} is whole, {how}: {}{mend}", what.join("; ")));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_keeps_its_last_part() {
        for (name, asked, recursive, file) in [
            ("a", "a", false, "a"),
            ("p/q/a", "p/q/a", false, "a"),
            ("p/q/a", "p/q", true, "q/a"),
            ("p/q/a", "p/q/", true, "q/a"),
            ("p/q/a", "p", true, "p/q/a"),
            ("p/q/a", "", true, "p/q/a"),
        ] {
            assert_eq!(file_name(name, asked, recursive), file, "{name} {asked}");
        }
    }

    #[test]
    fn a_draft_that_is_dropped_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut draft = Draft::begin(&folder.path().join("x")).unwrap();
        draft.write(b"half").unwrap();
        drop(draft);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_file_that_came_meanwhile_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("x");
        let draft = Draft::begin(&target).unwrap();
        std::fs::write(&target, "theirs").unwrap();
        assert!(draft.finish(0, false).is_err());
        assert_eq!(std::fs::read(&target).unwrap(), b"theirs");
    }
}
