//! A run as files, and reports made from it.

use std::path::{Path, PathBuf};

use super::super::super::Context;
use super::super::super::args::BenchReport;
use super::super::super::error::{Failure, reason};
use super::super::super::exit::Exit;
use crate::mix::report::{page, text};
use crate::mix::run::Run;

/// The run itself, beside its reports.
const RUN: &str = "run.json";

fn unwritable(folder: &Path) -> impl Fn(std::io::Error) -> Failure {
    move |error| {
        let what = format!("{} cannot be written: {}", folder.display(), reason(&error));
        Failure::new(Exit::Failed, "E0208", what)
    }
}

/// The folder, so that nothing is measured that can't be kept.
pub(super) fn make(folder: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(folder).map_err(unwritable(folder))
}

/// Writes the run, its reports and its samples.
pub(super) fn keep(run: &Run, samples: Option<&str>, folder: &Path) -> Result<(), Failure> {
    make(folder)?;
    let mut files = vec![
        (RUN, run.json()),
        ("report.html", page(run)),
        ("report.md", text::markdown(run)),
        ("mixes.csv", text::mixes_csv(run)),
    ];
    files.extend(samples.map(|samples| ("samples.csv", samples.to_owned())));
    for (name, text) in files {
        let path = folder.join(name);
        std::fs::write(&path, text).map_err(unwritable(&path))?;
    }
    Ok(())
}

/// The file of a run that was named, or is in the folder that was named.
fn file_of(path: &Path) -> PathBuf {
    if path.is_dir() { path.join(RUN) } else { path.to_owned() }
}

/// Reads a run that was kept.
pub(crate) fn read(path: &Path) -> Result<Run, Failure> {
    let path = file_of(path);
    let text = std::fs::read_to_string(&path).map_err(|error| {
        let what = format!("{} cannot be read: {}", path.display(), reason(&error));
        Failure::new(Exit::Usage, "E0805", what).note("raic bench --out DIR  writes a run")
    })?;
    Run::parse(&text).map_err(|why| {
        let what = format!("{} is no run of raic bench: {why}", path.display());
        Failure::new(Exit::Usage, "E0805", what).note("raic bench --out DIR  writes a run; nothing was touched")
    })
}

pub(super) fn report(args: &BenchReport, context: &Context) -> Result<Exit, Failure> {
    let run = read(&args.run)?;
    let file = file_of(&args.run);
    let beside = file.parent().unwrap_or(Path::new("")).to_owned();
    let folder = args.out.clone().unwrap_or(beside);
    keep(&run, None, &folder)?;
    if context.out.is_json() {
        context.out.document(&super::BenchSheet(run))?;
    } else {
        context
            .out
            .answer(&format!("report  {}", folder.join("report.html").display()))?;
    }
    Ok(Exit::Done)
}
