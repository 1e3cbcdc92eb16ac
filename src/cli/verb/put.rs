//! `raic put`: files, folders and standard input become objects, several at once.

mod price;

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use schemars::JsonSchema;
use serde::Serialize;

use super::super::Context;
use super::super::args;
use super::super::error::{Failure, reason, said};
use super::super::exit::Exit;
use super::super::ground::{For, Session};
use super::super::output::Document;
use super::super::progress::{Job, Shown, Way};
use super::super::quantity::{count, rate, size, span};
use super::bill::Charge;
use super::throttle::{Brake, Braked};
use super::walk::{Item, Plan, Source, plan};
use crate::care::ship::{Effort, Shipper};
use crate::catalog::record::Condition;
use crate::cloud_set::Policy;
use crate::store::put::{Put, Stored};

/// Providers that a line names: the usual policies', and no screenful for 256.
const MOST_NAMES: usize = 12;

/// Objects under way at once. The store bounds the memory, whatever their number.
const AT_ONCE: usize = 8;

/// How long what is under way may go on after Ctrl-C.
const FINISH_WITHIN: Duration = Duration::from_millis(1200);

/// One line of the answer.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub(crate) enum Kept {
    /// An object is stored.
    Object {
        /// Its name.
        name: String,
        /// Its length in bytes.
        bytes: u64,
        /// How long it took.
        seconds: f64,
        /// Data chunks.
        k: u16,
        /// Parity chunks.
        m: u16,
        /// Fragments that were confirmed of the extent with the fewest.
        confirmed: u16,
        /// Providers that may vanish now without loss.
        survives: u16,
        /// Who holds fragments of it.
        providers: Vec<String>,
        /// The version.
        generation: String,
        /// What providers that failed said.
        causes: Vec<String>,
    },
    /// A file was not stored.
    Failed {
        /// The name it would have had.
        name: String,
        /// Why.
        message: String,
    },
    /// A link or special file was passed over.
    Skipped {
        /// Where it is.
        path: String,
        /// What it is.
        what: String,
    },
    /// Nothing was stored: what would be, with -n.
    Priced {
        /// Objects whose length is known.
        objects: u64,
        /// Their bytes.
        bytes: u64,
        /// Sources whose length nobody knows: they aren't reckoned with.
        unknown: u64,
        /// What would be asked of each provider, and what it bills.
        providers: Vec<Charge>,
    },
    /// The last line.
    Summary {
        /// Objects stored.
        stored: u64,
        /// Files that were not.
        failed: u64,
        /// Links and special files.
        skipped: u64,
        /// Bytes of the objects stored.
        bytes: u64,
        /// How long it took.
        seconds: f64,
    },
}

impl Document for Kept {
    const SCHEMA: &'static str = "raic.put/1";
}

/// How a batch went so far.
#[derive(Debug, Default)]
struct Course {
    ends: Vec<Exit>,
    stored: u64,
    failed: u64,
    skipped: u64,
    bytes: u64,
}

/// What all puts of a run share.
#[derive(Debug)]
struct Batch {
    context: Arc<Context>,
    session: Session,
    policy: Policy,
    condition: Condition,
    brake: Option<Brake>,
    shown: Shown,
}

pub(crate) async fn run(args: args::Put, context: &Arc<Context>) -> Result<Exit, Failure> {
    let given = args.files.len();
    let planning = tokio::task::spawn_blocking(move || plan(&args).map(|plan| (plan, args)));
    let (plan, args) = planning.await.expect("walking folders does not panic")?;
    if let ([], [only]) = (plan.items.as_slice(), plan.failed.as_slice())
        && given == 1
    {
        return Err(only.clone());
    }
    let plan = with_possible_names(plan, given == 1)?;
    if args.dry_run {
        return price::tell(&plan, &args, context).await;
    }
    let session = Session::open(context, For::Writing, &[]).await?;
    let policy = session.policy(&args.policy)?.clone();
    tell_settled(&session, context).await?;
    let batch = Arc::new(Batch {
        condition: if args.if_absent {
            Condition::Absent
        } else {
            Condition::Any
        },
        brake: args.bwlimit.map(Brake::new),
        shown: Shown::begin(job(&plan, &policy), &context.global, &context.out),
        context: context.clone(),
        session,
        policy,
    });
    batch.all(plan).await
}

/// The plan without the files whose names no object can have; if such a one is all there is, its error.
fn with_possible_names(mut plan: Plan, one: bool) -> Result<Plan, Failure> {
    let alone = one && plan.items.len() == 1;
    for item in std::mem::take(&mut plan.items) {
        match crate::store::name::check(&item.name) {
            Ok(()) => plan.items.push(item),
            Err(error) if alone => return Err(error.into()),
            Err(error) => plan.failed.push(error.into()),
        }
    }
    Ok(plan)
}

/// What an earlier run left open is settled first; its owner wants to know how it ended.
pub(crate) async fn tell_settled(session: &Session, context: &Context) -> Result<(), Failure> {
    let settled = session.store.begin_writing().await?;
    for name in &settled.forward {
        context.out.warn(&format!(
            "an interrupted change of {name} turned out to be complete: it counts"
        ));
    }
    for name in &settled.undone {
        context.out.warn(&format!(
            "an interrupted change of {name} was undone: the version before counts"
        ));
    }
    for name in &settled.waiting {
        context.out.warn(&format!(
            "how an interrupted change of {name} ended is still open: too few providers answer"
        ));
    }
    Ok(())
}

/// Bytes of a file; nobody knows those of a pipe beforehand.
fn len_of(item: &Item) -> Option<u64> {
    match &item.source {
        Source::Stdin => None,
        Source::File(path) => path
            .metadata()
            .ok()
            .filter(std::fs::Metadata::is_file)
            .map(|meta| meta.len()),
    }
}

fn job(plan: &Plan, policy: &Policy) -> Job {
    let title = match plan.items.as_slice() {
        [only] => format!("put {}", only.name),
        items => format!("put {}", count(items.len() as u64, "file", "files")),
    };
    Job {
        title,
        total: plan.items.iter().map(len_of).sum(),
        way: Way::Up,
        expansion: f64::from(policy.n()) / f64::from(policy.k),
    }
}

impl Batch {
    async fn all(self: &Arc<Batch>, plan: Plan) -> Result<Exit, Failure> {
        let (out, begun, alone) = (
            &self.context.out,
            Instant::now(),
            plan.items.len() + plan.failed.len() == 1,
        );
        let mut course = Course::default();
        for (path, what) in plan.skipped {
            out.warn(&format!("{} is {what}: skipped", path.display()));
            out.event(&Kept::Skipped {
                path: path.display().to_string(),
                what: what.to_owned(),
            })?;
            course.skipped += 1;
        }
        for failure in plan.failed {
            self.failed(String::new(), &failure, &mut course)?;
        }
        let mut waiting = plan.items.into_iter();
        let mut flights = FuturesUnordered::new();
        let mut stop = None;
        let mut deadline = None;
        let mut open: Vec<String> = Vec::new();
        loop {
            while stop.is_none() && flights.len() < AT_ONCE {
                let Some(item) = waiting.next() else { break };
                open.push(item.name.clone());
                let batch = self.clone();
                flights.push(tokio::spawn(async move {
                    let begun = Instant::now();
                    let result = batch.one(&item).await;
                    (item, result, begun.elapsed())
                }));
            }
            tokio::select! {
                landed = flights.next() => {
                    let Some(landed) = landed else { break };
                    let (item, result, time) = landed.map_err(|panic| crate::cli::own_fault(&panic.to_string()))?;
                    open.retain(|name| *name != item.name);
                    match result {
                        Ok(stored) => self.stored(&item, &stored, time, &mut course)?,
                        Err(failure) if alone => return Err(failure),
                        Err(failure) => self.failed(item.name, &failure, &mut course)?,
                    }
                }
                exit = self.context.interrupt.asked(), if stop.is_none() => {
                    stop = Some(exit);
                    deadline = Some(tokio::time::Instant::now() + FINISH_WITHIN);
                }
                () = late(deadline), if stop.is_some() => break,
            }
        }
        if let Some(exit) = stop {
            flights.iter().for_each(tokio::task::JoinHandle::abort);
            self.tell_stop(&open, waiting.len(), &course).await;
            return Ok(exit);
        }
        self.shown.end();
        sweep(&self.session).await;
        self.sum_up(&course, begun.elapsed(), alone)?;
        Ok(Exit::of_items(&course.ends))
    }

    async fn one(&self, item: &Item) -> Result<Stored, Failure> {
        let (source, len_hint, modified) = self.open(item).await?;
        let put = Put {
            name: item.name.clone(),
            policy: self.policy.clone(),
            condition: self.condition,
            modified,
            len_hint,
        };
        let source = Braked::new(source, self.brake.clone());
        Ok(self.session.store.put(put, source, self.shown.listener()).await?)
    }

    async fn open(&self, item: &Item) -> Result<(Box<dyn Read + Send>, Option<u64>, Option<i64>), Failure> {
        let Source::File(path) = &item.source else {
            return Ok((Box::new(std::io::stdin()), None, None));
        };
        let opened = {
            let path = path.clone();
            // Opening a pipe waits for whoever writes to it.
            tokio::task::spawn_blocking(move || open_file(&path))
                .await
                .expect("opening does not panic")
        };
        opened.map_err(|error| {
            Failure::new(
                Exit::Failed,
                "E0206",
                format!("{} cannot be read: {}", path.display(), reason(&error)),
            )
            .note("nothing of it was stored")
        })
    }

    fn stored(&self, item: &Item, stored: &Stored, time: Duration, course: &mut Course) -> Result<(), Failure> {
        let under = stored.confirmed < stored.n;
        course.ends.push(if under { Exit::Under } else { Exit::Done });
        course.stored += 1;
        course.bytes += stored.version.len;
        let out = &self.context.out;
        let (k, m) = (stored.k, stored.n - stored.k);
        let bytes = stored.version.len;
        out.event(&Kept::Object {
            name: item.name.clone(),
            bytes,
            seconds: time.as_secs_f64(),
            k,
            m,
            confirmed: stored.confirmed,
            survives: stored.survives(),
            providers: stored.providers.clone(),
            generation: stored.version.generation.to_string(),
            causes: said(&stored.causes),
        })?;
        out.said(&format!(
            "stored  {}  {}, {}  as {k}+{m} on {}  survives any {}",
            crate::cli::error::tame(&item.name),
            size(bytes),
            rate(bytes, time),
            some(&stored.providers),
            stored.survives(),
        ))?;
        if under {
            let causes = said(&stored.causes);
            let why = if causes.is_empty() {
                "some providers did not answer".to_owned()
            } else {
                causes.join("; ")
            };
            out.warn(&format!(
                "{} is under its promise of any {m}: {} of {} fragments are stored ({why}); when they are back: raic repair --only {}",
                item.name, stored.confirmed, stored.n, item.name,
            ));
        }
        if stored.overtaken {
            out.warn(&format!(
                "{}: a later version was stored meanwhile and is the object now",
                item.name
            ));
        }
        Ok(())
    }

    fn failed(&self, name: String, failure: &Failure, course: &mut Course) -> Result<(), Failure> {
        course.ends.push(failure.exit());
        course.failed += 1;
        self.context.out.failure(failure);
        self.context.out.event(&Kept::Failed {
            name,
            message: failure.sentence(),
        })
    }

    /// After Ctrl-C: what is safe, what surely is not, and what only the next run can tell.
    async fn tell_stop(&self, open: &[String], untouched: usize, course: &Course) {
        let out = &self.context.out;
        self.shown.end();
        let mut unsettled: Vec<String> = Vec::new();
        if let Ok(generations) = self.session.store.catalog().open_generations().await {
            let begun = generations.into_iter().filter(|generation| generation.root.is_some());
            unsettled.extend(begun.map(|generation| generation.name));
        }
        unsettled.retain(|name| open.contains(name));
        let lost = open.len() - unsettled.len() + untouched;
        let mut lines = vec![format!(
            "interrupted: {} stored and safe",
            count(course.stored, "object is", "objects are")
        )];
        if lost > 0 {
            lines[0] += ", ";
            lines[0] += &count(lost as u64, "is not stored", "are not stored");
        }
        if let [first, ..] = unsettled.as_slice() {
            let were = count(unsettled.len() as u64, "was", "were");
            lines.push(format!(
                "{were} nearly done ({first}): the next put or rm says whether the new version counts"
            ));
        }
        lines.push("what was half sent is cleared away by the next put or rm; run the same command again\n".to_owned());
        out.aside(&lines.join("\n"));
    }

    fn sum_up(&self, course: &Course, time: Duration, alone: bool) -> Result<(), Failure> {
        let out = &self.context.out;
        out.event(&Kept::Summary {
            stored: course.stored,
            failed: course.failed,
            skipped: course.skipped,
            bytes: course.bytes,
            seconds: time.as_secs_f64(),
        })?;
        if alone {
            return Ok(());
        }
        let failed = if course.failed > 0 {
            format!(", {} not stored", course.failed)
        } else {
            String::new()
        };
        out.said(&format!(
            "{} stored{failed}, {} in {} ({})",
            count(course.stored, "object", "objects"),
            size(course.bytes),
            span(time),
            rate(course.bytes, time),
        ))
    }
}

/// The first few names, and how many more there are.
fn some(names: &[String]) -> String {
    match names.get(MOST_NAMES..) {
        Some([]) | None => names.join(" "),
        Some(more) => format!("{} and {} more", names[..MOST_NAMES].join(" "), more.len()),
    }
}

/// Blobs whose grace is over go now, as many as a moment allows; the rest with the next writing verb.
pub(crate) async fn sweep(session: &Session) {
    const BLOBS: usize = 1000;
    const MOMENT: Duration = Duration::from_secs(5);
    if let Ok(Err(error)) = tokio::time::timeout(MOMENT, session.store.sweep(BLOBS)).await {
        tracing::info!("nothing was cleared away: {error}");
    }
    ship(session, Effort::Cheap).await;
}

/// Sends what is due of the catalog's copies, once this process has written. What fails or takes too long is left to the next run.
pub(crate) async fn ship(session: &Session, effort: Effort) {
    const MOMENT: Duration = Duration::from_secs(20);
    if !session.store.has_begun() {
        return;
    }
    let shipper = Shipper::new(session.store.clone(), session.archive.clone());
    match tokio::time::timeout(MOMENT, shipper.ship(effort)).await {
        Ok(Ok(shipped)) => tracing::debug!("the catalog's copy: {shipped:?}"),
        Ok(Err(error)) => tracing::info!("the catalog's copy on the providers has to wait: {error}"),
        Err(_) => tracing::info!(
            "the catalog's copy on the providers was not done in {} s",
            MOMENT.as_secs()
        ),
    }
}

async fn late(deadline: Option<tokio::time::Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

type Opened = (Box<dyn Read + Send>, Option<u64>, Option<i64>);

/// A file with its length and the time of its last change. A pipe has neither.
fn open_file(path: &Path) -> std::io::Result<Opened> {
    let file = File::open(path)?;
    let meta = file.metadata()?;
    if meta.file_type().is_fifo() {
        return Ok((Box::new(file), None, None));
    }
    if !meta.is_file() {
        return Err(std::io::Error::other("it is a special file"));
    }
    let modified = modified_of(&meta);
    let watched = Watched {
        file,
        len: meta.len(),
        modified,
    };
    Ok((Box::new(watched), Some(meta.len()), Some(modified)))
}

fn modified_of(meta: &std::fs::Metadata) -> i64 {
    meta.mtime()
        .saturating_mul(1_000_000_000)
        .saturating_add(meta.mtime_nsec())
}

/// A file that must be at its end what it was at its beginning: half of one version and half of the next is nobody's file.
struct Watched {
    file: File,
    len: u64,
    modified: i64,
}

impl Read for Watched {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let read = self.file.read(into)?;
        if read == 0 && !into.is_empty() {
            let now = self.file.metadata()?;
            if now.len() != self.len || modified_of(&now) != self.modified {
                return Err(std::io::Error::other("it changed while it was read"));
            }
        }
        Ok(read)
    }
}
