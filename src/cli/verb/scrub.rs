//! `raic scrub`: is every fragment there, and is every byte of it right?

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use super::super::Context;
use super::super::args;
use super::super::error::{Failure, said, tame};
use super::super::exit::Exit;
use super::super::ground::{For, Session};
use super::super::output::Document;
use super::super::progress::{Job, Shown, Way};
use super::super::quantity::{count, size};
use super::bill::{self, Charge, charges};
use super::ls;
use super::put::{sweep, tell_settled};
use crate::care::collect::{Collected, Refusal, collect};
use crate::care::outlay::{Outlay, Tariffs};
use crate::care::repair::repair;
use crate::care::scrub::{Order, Scrubbed, plan, scrub};
use crate::catalog::diary::Ailing;
use crate::catalog::record::Health;

/// Objects that are named; `raic ls --health` names all.
const NAMED: usize = 20;

/// One line of the answer.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub(crate) enum Looked {
    /// What was asked of a provider, or would be.
    Provider {
        /// What it takes and bills.
        #[serde(flatten)]
        charge: Charge,
    },
    /// An object that is not whole, the first ones.
    Ailing {
        /// Its name.
        name: String,
        /// `degraded`, `at risk` or `LOST`.
        health: &'static str,
    },
    /// The last line.
    Summary {
        /// Nothing was asked: this is what would be.
        dry_run: bool,
        /// Fragments that are listed at their full length.
        there: u64,
        /// Fragments that are missing, known ones included.
        missing: u64,
        /// Fragments that are damaged, known ones included.
        damaged: u64,
        /// Fragments that were found wrong in this run.
        news: u64,
        /// Fragments that were thought wrong and aren't.
        back: u64,
        /// Fragments of which no provider told anything.
        unknown: u64,
        /// Fragments that were read through.
        read: u64,
        /// Their bytes.
        read_bytes: u64,
        /// Fragments, or 32nds of all listings, that are left for the next run.
        left: u64,
        /// Fragments that were made anew.
        rebuilt: u64,
        /// Blobs that nothing needs.
        orphans: u64,
        /// Their bytes.
        orphan_bytes: u64,
        /// Blobs that the catalog can't explain: it may be old.
        unexplained: u64,
        /// Blobs that were deleted.
        collected: u64,
        /// Keys that are not of this cloud set.
        strange: u64,
        /// What providers that failed said.
        causes: Vec<String>,
    },
}

impl Document for Looked {
    const SCHEMA: &'static str = "raic.scrub/1";
}

pub(crate) async fn run(args: &args::Scrub, context: &Arc<Context>) -> Result<Exit, Failure> {
    let writes = (args.repair || args.collect) && !args.dry_run;
    // Beside a node that runs, what is found is kept all the same.
    let purpose = match (args.dry_run, writes) {
        (true, _) => For::Looking,
        (false, true) => For::Writing,
        (false, false) => For::Reading,
    };
    let session = Session::open(context, purpose, &[]).await?;
    let order = order(args, &session);
    let tariffs = bill::tariffs(&session, context).await?;
    let reckoned = plan(&session.store, session.diary.as_ref(), &order).await?;
    bill::within(args.max_cost, &tariffs, &reckoned)?;
    if args.dry_run {
        return tell_plan(args, &session, &tariffs, &reckoned, context).await;
    }
    if writes {
        tell_settled(&session, context).await?;
    }
    let shown = Shown::begin(job(&order, &reckoned), &context.global, &context.out);
    let stop = || context.interrupt.now().is_some();
    let done = scrub(&session.store, session.diary.as_ref(), &order, &shown.listener(), &stop).await;
    let mut course = Course::default();
    let done = done?;
    if args.repair && !stop() {
        course.repair(&session, &shown, context).await?;
    }
    drop(shown);
    if args.collect && !stop() {
        course.collected = Some(collected(args, &session, context).await?);
    }
    if writes {
        sweep(&session).await;
    }
    tell(&session, &done, &course, &tariffs, context).await?;
    match context.interrupt.now() {
        Some(exit) => Ok(exit),
        None => exit(&session, &done).await,
    }
}

fn order(args: &args::Scrub, session: &Session) -> Order {
    let now = session.store.clock().now();
    let nanos =
        |time: crate::cloud_set::quantity::Period| i64::try_from(time.duration().as_nanos()).unwrap_or(i64::MAX);
    Order {
        deep: args.deep || args.sample.is_some() || args.max_egress.is_some(),
        share: args.sample,
        before: args.older.map(|older| now.saturating_sub(nanos(older))),
        bytes: args.max_egress,
        calls: args.max_calls,
        rate: args.bwlimit,
    }
}

fn job(order: &Order, reckoned: &Outlay) -> Job {
    Job {
        title: if order.deep { "scrub" } else { "list" }.to_owned(),
        total: order.deep.then(|| reckoned.read()),
        way: Way::Down,
        expansion: 1.0,
    }
}

/// What came of the rest.
#[derive(Debug, Default)]
struct Course {
    rebuilt: u64,
    unplaced: u64,
    collected: Option<Collected>,
}

impl Course {
    async fn repair(&mut self, session: &Session, shown: &Shown, context: &Context) -> Result<(), Failure> {
        for ailing in session.diary.queue(&ls::gone(session), usize::MAX >> 1).await? {
            if context.interrupt.now().is_some() {
                return Ok(());
            }
            match repair(&session.store, &ailing.name, &shown.listener()).await {
                Ok(repaired) => {
                    self.rebuilt += repaired.rebuilt.len() as u64;
                    self.unplaced += repaired.unplaced.len() as u64;
                }
                Err(error) => context.out.failure(&error.into()),
            }
        }
        Ok(())
    }
}

async fn collected(args: &args::Scrub, session: &Session, context: &Context) -> Result<Collected, Failure> {
    let grace = i64::try_from(args.grace.duration().as_nanos()).unwrap_or(i64::MAX);
    let stop = || context.interrupt.now().is_some();
    Ok(collect(&session.store, session.diary.as_ref(), grace, false, &stop).await?)
}

async fn tell_plan(
    args: &args::Scrub,
    session: &Session,
    tariffs: &Tariffs,
    reckoned: &Outlay,
    context: &Context,
) -> Result<Exit, Failure> {
    let out = &context.out;
    let providers = count(reckoned.0.len() as u64, "provider", "providers");
    let fragments: u64 = reckoned.0.values().map(|load| load.gets).sum();
    let reads = match fragments {
        0 => String::new(),
        fragments => format!(
            ", read {}, {}",
            count(fragments, "fragment", "fragments"),
            size(reckoned.read())
        ),
    };
    out.said(&format!(
        "would list {providers}{reads}: {}",
        bill::sum(tariffs, reckoned)
    ))?;
    let charges = charges(tariffs, reckoned);
    bill::show(&charges, context)?;
    let orphans = session.diary.orphans().await?;
    let grace = i64::try_from(args.grace.duration().as_nanos()).unwrap_or(i64::MAX);
    let now = session.store.clock().now();
    let due = orphans.iter().filter(|it| it.seen.saturating_add(grace) <= now);
    if args.collect {
        out.said(&format!(
            "would look at {} once more and delete what still is none's",
            count(
                due.count() as u64,
                "blob that nothing needed",
                "blobs that nothing needed"
            )
        ))?;
    }
    for charge in charges {
        out.event(&Looked::Provider { charge })?;
    }
    out.event(&summary(&Scrubbed::default(), &Course::default(), true))?;
    Ok(Exit::Done)
}

fn summary(done: &Scrubbed, course: &Course, dry_run: bool) -> Looked {
    Looked::Summary {
        dry_run,
        there: done.listed.there,
        missing: done.listed.missing + done.missing,
        damaged: done.listed.damaged + done.damaged,
        news: done.news(),
        back: done.listed.back + done.back,
        unknown: done.listed.unknown,
        read: done.read,
        read_bytes: done.bytes,
        left: done.left,
        rebuilt: course.rebuilt,
        orphans: done.strays.orphans,
        orphan_bytes: done.strays.bytes,
        unexplained: done.strays.unexplained,
        collected: course.collected.as_ref().map_or(0, |it| it.deleted),
        strange: done.strange,
        causes: said(&done.causes),
    }
}

async fn tell(
    session: &Session,
    done: &Scrubbed,
    course: &Course,
    tariffs: &Tariffs,
    context: &Context,
) -> Result<(), Failure> {
    let out = &context.out;
    tell_counts(done, context)?;
    if course.rebuilt + course.unplaced > 0 {
        let left = match course.unplaced {
            0 => String::new(),
            unplaced => format!(", {unplaced} found no place"),
        };
        out.said(&format!(
            "rebuilt  {}{left}",
            count(course.rebuilt, "fragment", "fragments")
        ))?;
    }
    let queue = session.diary.queue(&ls::gone(session), NAMED + 1).await?;
    tell_ailing(&queue, context)?;
    tell_strays(done, course, context)?;
    for cause in said(&done.causes) {
        out.warn(&format!("no answer: {cause}"));
    }
    if done.left > 0 {
        out.said("the budget is spent: the next run goes on with what waited longest")?;
    }
    if !queue.is_empty() && course.rebuilt + course.unplaced == 0 {
        out.said("next:  raic repair")?;
    }
    for charge in charges(tariffs, &done.outlay) {
        out.event(&Looked::Provider { charge })?;
    }
    out.event(&summary(done, course, false))
}

fn tell_counts(done: &Scrubbed, context: &Context) -> Result<(), Failure> {
    let (out, listed) = (&context.out, &done.listed);
    if done.wards > 0 {
        let fragments = count(listed.there, "fragment", "fragments");
        let mut told = vec![format!("{fragments} there, {}", size(listed.bytes))];
        let wrong = [
            (listed.missing, "missing"),
            (listed.damaged, "damaged"),
            (listed.unknown, "without an answer"),
            (listed.left_out, "there though a listing leaves them out"),
        ];
        told.extend(
            wrong
                .iter()
                .filter(|(count, _)| *count > 0)
                .map(|(count, what)| format!("{count} {what}")),
        );
        out.said(&format!("listed   {}", told.join(", ")))?;
    }
    if done.read + done.unread > 0 {
        let fragments = count(done.read, "fragment", "fragments");
        let mut told = vec![format!("{fragments}, {}", size(done.bytes))];
        let wrong = [
            (done.damaged, "damaged"),
            (done.missing, "missing"),
            (done.back, "right after all"),
            (done.unread, "without an answer"),
        ];
        told.extend(
            wrong
                .iter()
                .filter(|(count, _)| *count > 0)
                .map(|(count, what)| format!("{count} {what}")),
        );
        if done.damaged + done.missing == 0 {
            told.push("every byte right".to_owned());
        }
        out.said(&format!("read     {}", told.join(", ")))?;
    }
    Ok(())
}

fn tell_ailing(queue: &[Ailing], context: &Context) -> Result<(), Failure> {
    let out = &context.out;
    for ailing in queue.iter().take(NAMED) {
        let health = ls::word(ailing.health);
        out.said(&format!("{health:<8} {}", tame(&ailing.name)))?;
        out.event(&Looked::Ailing {
            name: ailing.name.clone(),
            health,
        })?;
    }
    if queue.len() > NAMED {
        out.said("         and more:  raic ls --health  names all")?;
    }
    Ok(())
}

fn tell_strays(done: &Scrubbed, course: &Course, context: &Context) -> Result<(), Failure> {
    let (out, strays) = (&context.out, &done.strays);
    if strays.unexplained > 0 {
        out.warn(&format!(
            "{} that the catalog can't explain: it may be an old one; raic recover  looks",
            count(strays.unexplained, "blob is there", "blobs are there")
        ));
    }
    if let Some(collected) = &course.collected {
        return tell_collected(collected, context);
    }
    if strays.orphans > 0 {
        out.said(&format!(
            "garbage  {} nothing needs, {}; raic scrub --collect  deletes them 30 days after they were first seen",
            count(strays.orphans, "blob that", "blobs that"),
            size(strays.bytes)
        ))?;
    }
    Ok(())
}

fn tell_collected(collected: &Collected, context: &Context) -> Result<(), Failure> {
    let out = &context.out;
    match collected.refused {
        Some(Refusal::Recover) => {
            out.warn("no garbage was deleted: there are blobs that the catalog can't explain; raic recover  first");
        }
        Some(Refusal::Silent) => out.warn("no garbage was deleted: every provider has to answer for that"),
        None => {}
    }
    let kept: BTreeMap<&str, u64> = [
        ("not for long enough", collected.waiting),
        (
            "kept until  raic scrub --deep  has read what counts",
            collected.unproved,
        ),
        ("needed after all, or gone", collected.spared),
    ]
    .into_iter()
    .filter(|(_, count)| *count > 0)
    .collect();
    let kept: Vec<String> = kept.iter().map(|(why, count)| format!(", {count} {why}")).collect();
    out.said(&format!(
        "garbage  {} deleted, {}{}",
        count(collected.deleted, "blob", "blobs"),
        size(collected.bytes),
        kept.concat()
    ))
}

/// By what the catalog knows now, and by who didn't answer.
async fn exit(session: &Session, done: &Scrubbed) -> Result<Exit, Failure> {
    let worst = session.diary.queue(&ls::gone(session), 1).await?;
    Ok(match worst.first().map(|it| it.health) {
        Some(Health::Lost) => Exit::Lost,
        Some(_) => Exit::Under,
        None if done.listed.unknown + done.unread > 0 || done.strays.unexplained > 0 => Exit::Under,
        None => Exit::Done,
    })
}
