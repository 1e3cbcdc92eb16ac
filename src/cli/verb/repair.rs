//! `raic repair`: fragments that are missing or damaged are made anew from the others.

use std::sync::Arc;

use futures::{StreamExt, stream};
use schemars::JsonSchema;
use serde::Serialize;

use super::super::Context;
use super::super::args;
use super::super::error::{Failure, said, tame};
use super::super::exit::Exit;
use super::super::ground::{For, Session};
use super::super::output::Document;
use super::super::progress::{Job, Shown, Way};
use super::super::quantity::count;
use super::bill::{self, Charge, charges};
use super::put::{sweep, tell_settled};
use super::{ls, names};
use crate::care::debt::pay;
use crate::care::outlay::{Outlay, Tariffs};
use crate::care::removals::{Removals, mend_removals};
use crate::care::repair::{Look, OBJECTS_AT_ONCE, Repaired, Report, check, mend, plan};
use crate::care::scrub::{Order, scrub};
use crate::catalog::diary::Deed;
use crate::catalog::record::Health;
use crate::store::Store;
use crate::store::error::StoreError;
use crate::store::send::{Progress, Silent};

/// One line of the answer.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub(crate) enum Mended {
    /// An object was checked, and mended where it could be.
    Object {
        /// Its name.
        name: String,
        /// Before: `ok`, `degraded`, `at risk` or `LOST`.
        before: &'static str,
        /// Fragments found missing or damaged.
        wrong: u64,
        /// Fragments whose providers did not answer.
        silent: u64,
        /// Fragments made anew.
        rebuilt: u64,
        /// The providers that hold them now.
        on: Vec<String>,
        /// Fragments for which there was no place, or no k others.
        left: u64,
        /// What providers that failed said.
        causes: Vec<String>,
    },
    /// An object could not be checked.
    Failed {
        /// Its name.
        name: String,
        /// Why.
        message: String,
    },
    /// What would be asked of a provider: with `-n`.
    Provider {
        /// What it takes and bills.
        #[serde(flatten)]
        charge: Charge,
    },
    /// The last line.
    Summary {
        /// Nothing was changed: this is what would be.
        dry_run: bool,
        /// Objects checked.
        objects: u64,
        /// Fragments found missing or damaged.
        wrong: u64,
        /// Fragments made anew.
        rebuilt: u64,
        /// Fragments that could not be.
        left: u64,
    },
}

impl Document for Mended {
    const SCHEMA: &'static str = "raic.repair/1";
}

#[derive(Debug, Default)]
struct Course {
    ends: Vec<Exit>,
    objects: u64,
    wrong: u64,
    rebuilt: u64,
    left: u64,
}

pub(crate) async fn run(args: &args::Repair, context: &Arc<Context>) -> Result<Exit, Failure> {
    let purpose = if args.dry_run { For::Reading } else { For::Writing };
    let session = Session::open(context, purpose, &[]).await?;
    let tariffs = bill::tariffs(&session, context).await?;
    let known_only = args.only.is_empty() && !args.deep;
    if args.dry_run && known_only {
        return tell_plan(&session, &tariffs, context).await;
    }
    if args.max_cost.is_some() {
        let (outlay, _, _) = reckon(&session).await?;
        bill::within(args.max_cost, &tariffs, &outlay)?;
    }
    if !args.dry_run {
        tell_settled(&session, context).await?;
        // What was acknowledged short is owed before anything else.
        if args.only.is_empty() {
            let progress: Arc<dyn Progress> = Arc::new(Silent);
            pay(&session.store, usize::MAX, &progress).await?;
        }
    }
    let title = if args.dry_run { "check" } else { "repair" }.to_owned();
    let job = Job {
        title,
        total: None,
        way: Way::Down,
        expansion: 1.0,
    };
    let shown = Shown::begin(job, &context.global, &context.out);
    let mut course = Course::default();
    let look = match (known_only, args.deep) {
        (true, _) => Look::Known,
        (false, false) => Look::Lengths,
        (false, true) => Look::Bytes,
    };
    if known_only {
        course.listed(&session, &shown, context).await?;
    }
    let task = Task {
        store: session.store.clone(),
        listener: shown.listener(),
        look,
        dry_run: args.dry_run,
    };
    course.all(chosen(args, &session).await?, &task, context).await?;
    if known_only && !args.dry_run {
        let stop = || context.interrupt.now().is_some();
        let removals = mend_removals(&session.store, false, &shown.listener(), &stop).await?;
        course.removals(&removals, context)?;
    }
    if let Some(exit) = context.interrupt.now() {
        drop(shown);
        course.sum_up(args.dry_run, context)?;
        return Ok(exit);
    }
    drop(shown);
    if !args.dry_run {
        session.diary.note(Deed::Repaired, session.store.clock().now()).await?;
        sweep(&session).await;
    }
    course.sum_up(args.dry_run, context)?;
    Ok(Exit::of_items(&course.ends))
}

/// What is done to each object.
#[derive(Clone)]
struct Task {
    store: Arc<Store>,
    listener: Arc<dyn Progress>,
    look: Look,
    dry_run: bool,
}

enum Done {
    Checked(Report),
    Repaired(Repaired),
}

impl Task {
    async fn done(self, name: String) -> (String, Result<Done, StoreError>) {
        let done = if self.dry_run {
            let report = check(&self.store, &name, self.look == Look::Bytes, &self.listener).await;
            report.map(Done::Checked)
        } else {
            let repaired = mend(&self.store, &name, self.look, &self.listener).await;
            repaired.map(Done::Repaired)
        };
        (name, done)
    }
}

/// The objects that were named; with `--deep` all; else those that are known to be ill: who can lose least first.
async fn chosen(args: &args::Repair, session: &Session) -> Result<Vec<String>, Failure> {
    let mut names = Vec::new();
    for name in &args.only {
        let versions = names::select(session, name, false).await?;
        names.extend(versions.into_iter().map(|version| version.name));
    }
    if args.only.is_empty() {
        let queue = session.diary.queue(&ls::gone(session), usize::MAX >> 1).await?;
        names.extend(queue.into_iter().map(|ailing| ailing.name));
    }
    if args.deep && args.only.is_empty() {
        let known: std::collections::BTreeSet<String> = names.iter().cloned().collect();
        let all = names::beginning_with(session, "")
            .await?
            .into_iter()
            .map(|version| version.name);
        names.extend(all.filter(|name| !known.contains(name)));
    }
    Ok(names)
}

/// What rebuilding all that is known to be wrong takes; fragments that would be made anew, and those that can't be.
async fn reckon(session: &Session) -> Result<(Outlay, u64, u64), Failure> {
    let (mut outlay, mut rebuilt, mut left) = (Outlay::default(), 0, 0);
    for ailing in session.diary.queue(&ls::gone(session), usize::MAX >> 1).await? {
        let (more, less) = plan(&session.store, &ailing.name, &mut outlay).await?;
        rebuilt += more;
        left += less;
    }
    let silent: Arc<dyn Progress> = Arc::new(Silent);
    let removals = mend_removals(&session.store, true, &silent, &|| false).await?;
    outlay.add(removals.outlay);
    Ok((outlay, rebuilt + removals.rebuilt, left + removals.left))
}

async fn tell_plan(session: &Session, tariffs: &Tariffs, context: &Context) -> Result<Exit, Failure> {
    let (out, (outlay, rebuilt, left)) = (&context.out, reckon(session).await?);
    let charges = charges(tariffs, &outlay);
    let fragments = count(rebuilt, "fragment", "fragments");
    if rebuilt + left == 0 {
        out.said("nothing is known to be wrong; raic scrub  looks")?;
    } else {
        out.said(&format!("would rebuild {fragments}: {}", bill::sum(tariffs, &outlay)))?;
        bill::show(&charges, context)?;
    }
    if left > 0 {
        out.warn(&format!(
            "{} have no place, or too few others to make them from",
            count(left, "fragment would", "fragments would")
        ));
    }
    for charge in charges {
        out.event(&Mended::Provider { charge })?;
    }
    out.event(&Mended::Summary {
        dry_run: true,
        objects: session.diary.queue(&ls::gone(session), usize::MAX >> 1).await?.len() as u64,
        wrong: rebuilt + left,
        rebuilt: 0,
        left: rebuilt + left,
    })?;
    Ok(if rebuilt + left == 0 { Exit::Done } else { Exit::Under })
}

impl Course {
    /// Lists everything first: what is gone or cut short is known from then on.
    async fn listed(&mut self, session: &Session, shown: &Shown, context: &Context) -> Result<(), Failure> {
        let stop = || context.interrupt.now().is_some();
        let order = Order::default();
        let listed = scrub(&session.store, session.diary.as_ref(), &order, &shown.listener(), &stop).await?;
        for cause in said(&listed.causes) {
            context.out.warn(&format!("no answer: {cause}"));
        }
        if listed.listed.unknown > 0 {
            self.ends.push(Exit::Under);
        }
        Ok(())
    }

    /// Many objects at once, until its owner interrupts.
    async fn all(&mut self, names: Vec<String>, task: &Task, context: &Context) -> Result<(), Failure> {
        let goes_on = |_: &String| std::future::ready(context.interrupt.now().is_none());
        let mut ends = stream::iter(names)
            .take_while(goes_on)
            .map(|name| tokio::spawn(task.clone().done(name)))
            .buffer_unordered(OBJECTS_AT_ONCE);
        while let Some(end) = ends.next().await {
            let (name, end) = end.map_err(|panic| crate::cli::own_fault(&panic.to_string()))?;
            match end {
                Ok(Done::Checked(report)) => self.checked(&report, context)?,
                Ok(Done::Repaired(repaired)) => self.repaired(&repaired, context)?,
                Err(error) => self.failed(&name, &error.into(), context)?,
            }
        }
        Ok(())
    }

    fn checked(&mut self, report: &Report, context: &Context) -> Result<(), Failure> {
        let (wrong, silent) = (report.wrong().count() as u64, silent(report));
        self.count(report.health(), wrong, 0, wrong, silent);
        Course::tell(report, &[], wrong, &[], context, "would rebuild")
    }

    fn repaired(&mut self, repaired: &Repaired, context: &Context) -> Result<(), Failure> {
        let report = &repaired.before;
        let (wrong, rebuilt) = (report.wrong().count() as u64, repaired.rebuilt.len() as u64);
        let left = repaired.unplaced.len() as u64;
        let hopeless = !repaired.hopeless.is_empty();
        let health = match report.health() {
            _ if hopeless => Health::Lost,
            Health::Lost => Health::AtRisk,
            health => health,
        };
        self.count(health, wrong, rebuilt, left, silent(report));
        let on: Vec<String> = repaired.rebuilt.iter().map(|(_, provider)| provider.clone()).collect();
        Course::tell(report, &on, left, &said(&repaired.notes.causes), context, "rebuilt")
    }

    /// What became of removals on providers that are lost.
    fn removals(&mut self, removals: &Removals, context: &Context) -> Result<(), Failure> {
        self.wrong += removals.rebuilt + removals.left;
        self.rebuilt += removals.rebuilt;
        self.left += removals.left;
        if removals.left > 0 {
            self.ends.push(Exit::Under);
            let fragments = count(removals.left, "fragment", "fragments");
            context
                .out
                .warn(&format!("{fragments} of removals could not be rebuilt"));
        }
        if removals.rebuilt > 0 {
            let fragments = count(removals.rebuilt, "fragment", "fragments");
            context.out.said(&format!("rebuilt  {fragments} of removals"))?;
        }
        Ok(())
    }

    fn count(&mut self, health: Health, wrong: u64, rebuilt: u64, left: u64, silent: u64) {
        self.objects += 1;
        self.wrong += wrong;
        self.rebuilt += rebuilt;
        self.left += left;
        self.ends.push(match (health, left + silent) {
            (Health::Lost, _) if silent > 0 => Exit::Unreachable,
            (Health::Lost, _) => Exit::Lost,
            (_, 0) => Exit::Done,
            _ => Exit::Under,
        });
    }

    fn tell(
        report: &Report,
        on: &[String],
        left: u64,
        causes: &[String],
        context: &Context,
        done: &str,
    ) -> Result<(), Failure> {
        let (out, name) = (&context.out, &report.name);
        let (wrong, silent) = (report.wrong().count() as u64, silent(report));
        out.event(&Mended::Object {
            name: name.clone(),
            before: ls::word(report.health()),
            wrong,
            silent,
            rebuilt: on.len() as u64,
            on: distinct(on),
            left,
            causes: causes.to_vec(),
        })?;
        if !on.is_empty() {
            let fragments = count(on.len() as u64, "fragment", "fragments");
            out.said(&format!(
                "{done}  {}  {fragments} on {}",
                tame(name),
                distinct(on).join(" ")
            ))?;
        } else if wrong > 0 && done != "rebuilt" {
            out.said(&format!(
                "{done}  {}  {}",
                tame(name),
                count(wrong, "fragment", "fragments")
            ))?;
        }
        if left > 0 && done == "rebuilt" {
            let why = if causes.is_empty() {
                String::new()
            } else {
                format!(": {}", causes.join("; "))
            };
            out.warn(&format!(
                "{name}: {} not be rebuilt{why}",
                count(left, "fragment could", "fragments could")
            ));
        }
        if silent > 0 {
            let fragments = count(silent, "fragment", "fragments");
            out.warn(&format!(
                "{name}: {fragments} on providers that don't answer; they are not counted as missing"
            ));
        }
        Ok(())
    }

    fn failed(&mut self, name: &str, failure: &Failure, context: &Context) -> Result<(), Failure> {
        self.ends.push(failure.exit());
        context.out.failure(failure);
        context.out.event(&Mended::Failed {
            name: name.to_owned(),
            message: failure.sentence(),
        })
    }

    fn sum_up(&self, dry_run: bool, context: &Context) -> Result<(), Failure> {
        let out = &context.out;
        out.event(&Mended::Summary {
            dry_run,
            objects: self.objects,
            wrong: self.wrong,
            rebuilt: self.rebuilt,
            left: self.left,
        })?;
        let objects = count(self.objects, "object", "objects");
        if self.objects + self.wrong == 0 && self.ends.iter().all(|end| *end == Exit::Done) {
            return out.said("nothing is known to be wrong: every fragment is listed at its length");
        }
        let found = if self.wrong == 0 {
            "all fragments sound".to_owned()
        } else {
            format!("{} wrong", count(self.wrong, "fragment", "fragments"))
        };
        let done = match (dry_run, self.wrong) {
            (_, 0) => String::new(),
            (true, _) => ", nothing changed".to_owned(),
            (false, _) => format!(", {} rebuilt, {} left", self.rebuilt, self.left),
        };
        out.said(&format!("{objects} checked: {found}{done}"))
    }
}

fn silent(report: &Report) -> u64 {
    report.extents.iter().map(|extent| extent.silent() as u64).sum()
}

fn distinct(names: &[String]) -> Vec<String> {
    let mut names = names.to_vec();
    names.sort();
    names.dedup();
    names
}
