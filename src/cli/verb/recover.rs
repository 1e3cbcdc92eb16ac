//! `raic recover`: the catalog made anew from the providers, with the configuration and the key alone.

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
use super::put::ship;
use crate::care::recover::{Options, Recovered, recover};
use crate::care::ship::Effort;

/// The answer.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Answer {
    /// Nothing was changed: this is what would be.
    dry_run: bool,
    /// Objects that are there again, or were.
    objects: u64,
    /// Their bytes.
    bytes: u64,
    /// Removals that hold.
    removals: u64,
    /// Objects that were short of their write quorum and have it again.
    written_back: Vec<String>,
    /// Objects that are readable and short of their write quorum.
    short: Vec<String>,
    /// Objects that are there and don't have all their fragments; `null` if nothing was changed.
    under: Option<u64>,
    /// Versions that were never acknowledged and are passed over.
    refused: u64,
    /// Objects of which it isn't known yet which version counts.
    waiting: Vec<Waiting>,
    /// Providers that were listed whole.
    listed: Vec<String>,
    /// What the others said.
    silent: Vec<String>,
    /// Keys on the providers that are not of this cloud set.
    strange: u64,
    /// Epochs under which two machines wrote at once.
    shared_epochs: Vec<u64>,
    /// What the catalog's own copies on the providers brought back.
    copies: Copies,
}

/// The catalog's copies.
#[derive(Debug, Serialize, JsonSchema)]
struct Copies {
    /// Checkpoints that are listed.
    checkpoints: u64,
    /// Changes that the checkpoint had seen that was taken over; `null` if none was.
    checkpoint: Option<u64>,
    /// Segments of the journal that were made again.
    segments: u64,
    /// What could not be read.
    unread: Vec<String>,
    /// The catalog here and the copies were used apart from each other.
    forked: bool,
}

/// An object that waits for its providers.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Waiting {
    /// Its name, if a header of it could be read.
    name: Option<String>,
    /// What is missing.
    why: String,
}

impl Document for Answer {
    const SCHEMA: &'static str = "raic.recover/1";
}

pub(crate) async fn run(args: &args::Recover, context: &Arc<Context>) -> Result<Exit, Failure> {
    let session = Session::open(context, For::Writing, &[]).await?;
    let shown = Shown::begin(
        Job {
            title: "recover".to_owned(),
            total: None,
            way: Way::Down,
            expansion: 1.0,
        },
        &context.global,
        &context.out,
    );
    let options = Options {
        accept_risk: args.accept_risk,
        dry_run: args.dry_run,
    };
    let recovered = recover(&session.store, Some(&session.archive), options, &shown.listener()).await;
    drop(shown);
    let recovered = recovered?;
    let mut under = None;
    if !args.dry_run {
        let census = session.store.catalog().census(&[]).await?;
        under = Some(census.degraded + census.at_risk);
        // What was recovered is worth a copy of its own at once: the next machine has less to read.
        match session.store.begin_writing().await {
            Ok(_) => ship(&session, Effort::Checkpoint).await,
            Err(error) => context.out.warn(&format!("no copy of the catalog was made: {error}")),
        }
    }
    if context.out.is_json() {
        context.out.document(&answer(args, &recovered, under))?;
    } else {
        tell(args, &recovered, context)?;
        if let Some(under) = under.filter(|under| *under > 0) {
            let objects = count(under, "object is", "objects are");
            context.out.warn(&format!(
                "{objects} readable and without some of their fragments: raic repair"
            ));
        }
    }
    Ok(exit(&recovered, under.unwrap_or(0)))
}

fn answer(args: &args::Recover, recovered: &Recovered, under: Option<u64>) -> Answer {
    let waiting = recovered.waiting.iter().map(|unsettled| Waiting {
        name: unsettled.name.clone(),
        why: unsettled.why.clone(),
    });
    Answer {
        dry_run: args.dry_run,
        objects: recovered.objects,
        bytes: recovered.bytes,
        removals: recovered.removals,
        written_back: recovered.written_back.clone(),
        short: recovered.short.clone(),
        under,
        refused: recovered.refused,
        waiting: waiting.collect(),
        listed: recovered.answered.clone(),
        silent: said(&recovered.silent),
        strange: recovered.strange,
        shared_epochs: recovered.shared_epochs.clone(),
        copies: Copies {
            checkpoints: recovered.copies.checkpoints,
            checkpoint: recovered.copies.checkpoint,
            segments: recovered.copies.segments,
            unread: recovered.copies.unread.clone(),
            forked: recovered.copies.forked,
        },
    }
}

fn tell(args: &args::Recover, recovered: &Recovered, context: &Context) -> Result<(), Failure> {
    let out = &context.out;
    let verb = if args.dry_run { "found    " } else { "recovered" };
    out.said(&format!(
        "{verb}  {}, {}, {}, from {}",
        count(recovered.objects, "object", "objects"),
        size(recovered.bytes),
        count(recovered.removals, "removal", "removals"),
        count(recovered.answered.len() as u64, "provider", "providers")
    ))?;
    let copies = &recovered.copies;
    if let Some(changes) = copies.checkpoint {
        out.said(&format!(
            "from a checkpoint after {} and {} of the journal; the rest from listings",
            count(changes, "change", "changes"),
            count(copies.segments, "segment", "segments")
        ))?;
    }
    for unread in &copies.unread {
        out.warn(&format!("a copy of the catalog was passed over: {unread}"));
    }
    if copies.forked {
        out.warn("the catalog here and its copies on the providers were used apart: two machines wrote to this set");
    }
    if !recovered.written_back.is_empty() {
        let objects = count(recovered.written_back.len() as u64, "object was", "objects were");
        out.said(&format!("{objects} short of the write quorum and brought back to it"))?;
    }
    for silent in said(&recovered.silent) {
        out.warn(&format!("not listed: {silent}"));
    }
    if !recovered.shared_epochs.is_empty() {
        out.warn("two machines wrote to this set at the same time; of each object the later version counts");
    }
    for name in &recovered.short {
        out.warn(&format!(
            "{}: readable, short of its write quorum; raic repair mends it when the providers answer",
            tame(name)
        ));
    }
    for unsettled in &recovered.waiting {
        let name = unsettled
            .name
            .as_deref()
            .unwrap_or("(an object whose name could not be read)");
        out.warn(&format!("{} waits: {}", tame(name), unsettled.why));
    }
    if !recovered.waiting.is_empty() {
        out.said("run raic recover again when more providers answer; nothing older is given meanwhile")?;
    }
    Ok(())
}

fn exit(recovered: &Recovered, under: u64) -> Exit {
    if !recovered.waiting.is_empty() {
        Exit::Unreachable
    } else if recovered.short.is_empty() && under == 0 {
        Exit::Done
    } else {
        Exit::Under
    }
}
