//! What `put` is given: arguments sorted into files and a destination, folders walked, each file with the name it gets.

use std::path::{Path, PathBuf};

use super::super::args::Put;
use super::super::error::Failure;
use super::super::exit::Exit;

/// One thing to store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Item {
    /// Where its bytes are.
    pub(crate) source: Source,
    /// The object's name.
    pub(crate) name: String,
}

/// Where bytes come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Stdin,
    File(PathBuf),
}

/// What is to be stored, and what is passed over.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub(crate) items: Vec<Item>,
    /// Links and special files inside folders, with what they are.
    pub(crate) skipped: Vec<(PathBuf, &'static str)>,
    /// Files that can't be had.
    pub(crate) failed: Vec<Failure>,
}

/// Where things go.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Destination {
    /// Under their own names.
    Own,
    /// Below a prefix, which ends with `/` or is empty.
    Below(String),
    /// One thing, under this name.
    Name(String),
}

/// Sorts the arguments and walks the folders.
pub(crate) fn plan(args: &Put) -> Result<Plan, Failure> {
    let (files, destination) = destination(args)?;
    let mut plan = Plan::default();
    for file in files {
        if file.as_os_str() == "-" {
            let Destination::Name(name) = &destination else {
                return Err(
                    Failure::usage("standard input has no name of its own").note("give it one: raic put - --name NAME")
                );
            };
            plan.items.push(Item {
                source: Source::Stdin,
                name: name.clone(),
            });
            continue;
        }
        match std::fs::metadata(file) {
            Ok(meta) if meta.is_dir() && !args.recursive => {
                plan.failed.push(
                    Failure::new(Exit::Usage, "E0207", format!("{} is a folder", file.display()))
                        .note("take it with all that is in it: raic put -r")
                        .note("nothing of it was stored"),
                );
            }
            Ok(meta) if meta.is_dir() => walk(file, &base(file, &destination), &mut plan),
            Ok(_) => match name_of(file, &destination) {
                Ok(name) => plan.items.push(Item {
                    source: Source::File(file.to_owned()),
                    name,
                }),
                Err(failure) => plan.failed.push(failure),
            },
            Err(error) => plan.failed.push(unreadable(file, &error)),
        }
    }
    unique(plan)
}

fn destination(args: &Put) -> Result<(&[PathBuf], Destination), Failure> {
    let files = args.files.as_slice();
    if let Some(name) = &args.name {
        if name.is_empty() {
            return Err(
                Failure::usage("--name is empty: it takes a name, or a prefix that ends with `/`")
                    .note("nothing was stored"),
            );
        }
        return match name.ends_with('/') {
            true => Ok((files, Destination::Below(name.clone()))),
            false if files.len() == 1 => Ok((files, Destination::Name(name.clone()))),
            false => Err(
                Failure::usage(format!("{} files cannot all be named {name}", files.len()))
                    .note("a prefix ends with `/`: --name PREFIX/"),
            ),
        };
    }
    let [files @ .., last] = files else {
        unreachable!("clap asks for one")
    };
    let text = last.to_str().unwrap_or_default();
    let is_source = text == "-" || last.exists();
    match (files.len(), text) {
        (0, _) => Ok((&args.files, Destination::Own)),
        (_, text) if text.ends_with('/') && (!args.recursive || !is_source) => {
            Ok((files, Destination::Below(text.to_owned())))
        }
        (1, text) if !is_source && !text.is_empty() => Ok((files, Destination::Name(text.to_owned()))),
        _ => Ok((&args.files, Destination::Own)),
    }
}

/// The prefix of what is in a folder: with the folder's name unless it has none (`.`, `..`).
fn base(folder: &Path, destination: &Destination) -> String {
    let own = folder
        .file_name()
        .and_then(|name| name.to_str())
        .map(|name| format!("{name}/"))
        .unwrap_or_default();
    match destination {
        Destination::Own => own,
        Destination::Below(prefix) => format!("{prefix}{own}"),
        Destination::Name(name) => format!("{name}/"),
    }
}

fn name_of(file: &Path, destination: &Destination) -> Result<String, Failure> {
    let own = || {
        file.file_name()
            .and_then(|name| name.to_str())
            .ok_or_else(|| not_text(file))
    };
    match destination {
        Destination::Own => own().map(str::to_owned),
        Destination::Below(prefix) => Ok(format!("{prefix}{}", own()?)),
        Destination::Name(name) => Ok(name.clone()),
    }
}

/// Adds what is in a folder, in order of names.
fn walk(folder: &Path, prefix: &str, plan: &mut Plan) {
    let mut entries = match std::fs::read_dir(folder).and_then(Iterator::collect::<std::io::Result<Vec<_>>>) {
        Ok(entries) => entries,
        Err(error) => return plan.failed.push(unreadable(folder, &error)),
    };
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        let Some(own) = entry.file_name().to_str().map(str::to_owned) else {
            plan.failed.push(not_text(&path));
            continue;
        };
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => walk(&path, &format!("{prefix}{own}/"), plan),
            Ok(kind) if kind.is_file() => plan.items.push(Item {
                source: Source::File(path),
                name: format!("{prefix}{own}"),
            }),
            Ok(kind) => plan
                .skipped
                .push((path, if kind.is_symlink() { "a link" } else { "a special file" })),
            Err(error) => plan.failed.push(unreadable(&path, &error)),
        }
    }
}

/// Two sources under one name would overwrite each other.
fn unique(plan: Plan) -> Result<Plan, Failure> {
    let mut names: Vec<&str> = plan.items.iter().map(|item| item.name.as_str()).collect();
    names.sort_unstable();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        None => Ok(plan),
        Some(pair) => Err(
            Failure::usage(format!("two of the files would both be stored as {}", pair[0]))
                .note("store them in two runs, each below its own prefix; a destination that is a folder here too: --name PREFIX/")
                .note("nothing was stored"),
        ),
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    let why = crate::cli::error::reason(error);
    Failure::new(
        Exit::Failed,
        "E0206",
        format!("{} cannot be read: {why}", path.display()),
    )
    .note("nothing of it was stored")
}

fn not_text(path: &Path) -> Failure {
    Failure::new(
        Exit::Usage,
        "E0201",
        format!("the name {} is not UTF-8", path.display()),
    )
    .note("store it under another: raic put FILE NAME")
    .note("nothing of it was stored")
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    fn planned(line: &[&str], folder: &Path) -> Vec<String> {
        let line = ["raic", "put"].into_iter().chain(line.iter().copied());
        let line: Vec<String> = line.map(|word| word.replace('@', folder.to_str().unwrap())).collect();
        let crate::cli::args::Verb::Put(args) = crate::cli::args::Line::try_parse_from(line).unwrap().verb else {
            panic!()
        };
        plan(&args).unwrap().items.into_iter().map(|item| item.name).collect()
    }

    #[test]
    fn the_last_argument_is_the_destination_unless_it_is_a_file() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a", "b"] {
            std::fs::write(folder.path().join(name), name).unwrap();
        }
        std::fs::create_dir_all(folder.path().join("d/e")).unwrap();
        std::fs::write(folder.path().join("d/e/f"), "f").unwrap();
        for (line, names) in [
            (&["@/a"][..], vec!["a"]),
            (&["@/a", "x/y"], vec!["x/y"]),
            (&["@/a", "p/"], vec!["p/a"]),
            (&["@/a", "@/b"], vec!["a", "b"]),
            (&["@/a", "@/b", "p/"], vec!["p/a", "p/b"]),
            (&["@/a", "--name", "n"], vec!["n"]),
            (&["-", "--name", "n"], vec!["n"]),
            (&["-", "n"], vec!["n"]),
            (&["-r", "@/d"], vec!["d/e/f"]),
            (&["-r", "@/d", "copy"], vec!["copy/e/f"]),
            (&["-r", "@/d", "p/"], vec!["p/d/e/f"]),
            (&["-r", "@/d/."], vec!["d/e/f"]),
        ] {
            assert_eq!(planned(line, folder.path()), names, "{line:?}");
        }
    }
}
