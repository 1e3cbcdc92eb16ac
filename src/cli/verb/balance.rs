//! `raic rebalance`, `raic provider drain` and `undrain`: fragments go where the placement wants them, and objects get the code that their policy has.

mod recode;

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use super::super::Context;
use super::super::args;
use super::super::error::{Failure, said, tame};
use super::super::exit::Exit;
use super::super::ground::{self, For, Session};
use super::super::output::Document;
use super::super::progress::{Job, Shown, Way};
use super::super::quantity::{count, size};
use super::bill::{self, Charge, charges};
use super::provider::change::Changed;
use super::provider::edit::used_as;
use super::put::{sweep, tell_settled};
use crate::care::balance::{Balanced, Event, Scope, balance};
use crate::care::outlay::Outlay;
use crate::cloud_set::ProfileState;
use crate::cloud_set::price::Money;

/// One line of the answer.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub(crate) enum Carried {
    /// A fragment was moved, or would be.
    Move {
        /// The object, or an extent's id for removals.
        object: String,
        /// Where it was.
        from: String,
        /// Where it is.
        to: String,
        /// Its bytes.
        bytes: u64,
    },
    /// An object was written anew under its policy's code, or would be: with --recode.
    Recoded {
        /// The object.
        object: String,
        /// The code that it had, as `k+m`.
        from: String,
        /// The code that it has.
        to: String,
        /// Its bytes.
        bytes: u64,
    },
    /// An object could not be written anew; it is as it was.
    Failed {
        /// The object.
        object: String,
        /// Why.
        message: String,
    },
    /// What was asked of a provider, or would be.
    Provider {
        /// What it takes and bills.
        #[serde(flatten)]
        charge: Charge,
    },
    /// The last line of --recode.
    RecodeSummary {
        /// Nothing was changed: this is what would be.
        dry_run: bool,
        /// Objects written anew.
        objects: u64,
        /// Their bytes.
        bytes: u64,
        /// Objects among them that have fewer than n confirmed fragments.
        short: u64,
        /// Objects that were replaced or removed meanwhile.
        overtaken: u64,
        /// Objects that could not be written anew.
        failed: u64,
    },
    /// The last line.
    Summary {
        /// Nothing was changed: this is what would be.
        dry_run: bool,
        /// Fragments moved.
        moved: u64,
        /// Their bytes.
        bytes: u64,
        /// Fragments made anew, as they could not be read where they were.
        rebuilt: u64,
        /// Fragments that have to go and for which no provider is free.
        stuck: u64,
        /// Fragments whose move failed.
        failed: u64,
        /// What providers that failed said.
        causes: Vec<String>,
    },
}

impl Document for Carried {
    const SCHEMA: &'static str = "raic.rebalance/1";
}

/// `raic rebalance`.
pub(crate) async fn rebalance(args: &args::Rebalance, context: &Arc<Context>) -> Result<Exit, Failure> {
    if args.recode {
        return recode::run(args, context).await;
    }
    let balanced = carry_out(&Scope::Everything, args.dry_run, args.max_cost, context).await?;
    if balanced.moved + balanced.stuck + balanced.failed == 0 {
        context
            .out
            .said("everything is where it belongs: 0 fragments to move")?;
    }
    Ok(exit(&balanced))
}

/// `raic provider drain`.
pub(crate) async fn drain(args: &args::ProviderDrain, context: &Arc<Context>) -> Result<Exit, Failure> {
    let config = ground::config(context)?;
    ground::check_providers(&config, std::slice::from_ref(&args.name))?;
    if !args.dry_run {
        used_as(&args.name, ProfileState::Draining, context)?.save(&context.env)?;
    }
    let balanced = carry_out(&Scope::From(args.name.clone()), args.dry_run, args.max_cost, context).await?;
    let (out, name) = (&context.out, &args.name);
    if balanced.stuck > 0 {
        let fragments = count(balanced.stuck, "fragment has", "fragments have");
        out.warn(&format!(
            "{fragments} no other place: add a provider, then drain {name} again"
        ));
    } else if balanced.failed == 0 && !args.dry_run {
        out.said(&format!(
            "{name} holds nothing any more that is needed; take it out:  raic provider remove {name}"
        ))?;
    }
    Ok(exit(&balanced))
}

/// `raic provider undrain`.
pub(crate) fn undrain(args: &args::ProviderUndrain, context: &Arc<Context>) -> Result<Exit, Failure> {
    let config = ground::config(context)?;
    ground::check_providers(&config, std::slice::from_ref(&args.name))?;
    used_as(&args.name, ProfileState::Active, context)?.save(&context.env)?;
    let name = &args.name;
    context.out.said(&format!(
        "{name} takes fragments again; raic rebalance  brings it its part back"
    ))?;
    context.out.document_for_scripts(&Changed {
        done: "active",
        name: name.clone(),
        fragments: None,
        test: None,
    })?;
    Ok(Exit::Done)
}

async fn carry_out(
    scope: &Scope,
    dry_run: bool,
    most: Option<Money>,
    context: &Arc<Context>,
) -> Result<Balanced, Failure> {
    let purpose = if dry_run { For::Reading } else { For::Writing };
    let session = Session::open(context, purpose, &[]).await?;
    let tariffs = bill::tariffs(&session, context).await?;
    if most.is_some() {
        let (_, moves) = moved(&session, scope, true, context).await?;
        bill::within(most, &tariffs, &outlay(&session, &moves).await?)?;
    }
    if !dry_run {
        tell_settled(&session, context).await?;
    }
    let (balanced, moves) = moved(&session, scope, dry_run, context).await?;
    if !dry_run {
        sweep(&session).await;
    }
    let outlay = outlay(&session, &moves).await?;
    if matches!(scope, Scope::Everything) {
        recode::tell_due(&session, context).await?;
    }
    tell_moves(moves, context)?;
    let charges = charges(&tariffs, &outlay);
    if dry_run && balanced.moved > 0 {
        context
            .out
            .said(&format!("would move fragments: {}", bill::sum(&tariffs, &outlay)))?;
        bill::show(&charges, context)?;
    }
    for charge in charges {
        context.out.event(&Carried::Provider { charge })?;
    }
    sum_up(&balanced, dry_run, context)?;
    Ok(balanced)
}

/// A fragment that moved, or would.
struct Move {
    object: String,
    from: String,
    to: String,
    bytes: u64,
}

async fn moved(
    session: &Session,
    scope: &Scope,
    dry_run: bool,
    context: &Arc<Context>,
) -> Result<(Balanced, Vec<Move>), Failure> {
    let job = Job {
        title: if dry_run { "plan" } else { "move" }.to_owned(),
        total: None,
        way: Way::Down,
        expansion: 1.0,
    };
    let shown = Shown::begin(job, &context.global, &context.out);
    let mut moves = Vec::new();
    let stop = || context.interrupt.now().is_some();
    let mut tell = |Event::Moved(step): Event<'_>| {
        moves.push(Move {
            object: step.name.clone(),
            from: step.from.clone(),
            to: step.to.clone(),
            bytes: step.bytes,
        });
    };
    let balanced = balance(&session.store, scope, dry_run, &shown.listener(), &stop, &mut tell).await;
    drop(shown);
    Ok((balanced?, moves))
}

/// What the moves take: each is read, written and, after the grace, deleted where it was.
async fn outlay(session: &Session, moves: &[Move]) -> Result<Outlay, Failure> {
    let mut outlay = Outlay::default();
    let mut age: Option<(&str, u16)> = None;
    for it in moves {
        let days = match age {
            Some((name, days)) if name == it.object => days,
            _ => bill::days_kept(session, &it.object).await?,
        };
        age = Some((&it.object, days));
        outlay.of(&it.from).get(it.bytes);
        outlay.of(&it.from).drop(it.bytes, days);
        outlay.of(&it.to).put(it.bytes);
    }
    Ok(outlay)
}

fn tell_moves(moves: Vec<Move>, context: &Context) -> Result<(), Failure> {
    for it in moves {
        let Move {
            object,
            from,
            to,
            bytes,
        } = it;
        if context.global.verbose > 0 {
            context
                .out
                .said(&format!("{}  {from} -> {to}  {}", tame(&object), size(bytes)))?;
        }
        context.out.event(&Carried::Move {
            object,
            from,
            to,
            bytes,
        })?;
    }
    Ok(())
}

fn sum_up(balanced: &Balanced, dry_run: bool, context: &Context) -> Result<(), Failure> {
    let out = &context.out;
    let causes = said(&balanced.causes);
    out.event(&Carried::Summary {
        dry_run,
        moved: balanced.moved,
        bytes: balanced.bytes,
        rebuilt: balanced.rebuilt,
        stuck: balanced.stuck,
        failed: balanced.failed,
        causes: causes.clone(),
    })?;
    if balanced.moved > 0 {
        let verb = if dry_run { "would move" } else { "moved" };
        let fragments = count(balanced.moved, "fragment", "fragments");
        out.said(&format!("{verb} {fragments}, {}", size(balanced.bytes)))?;
    }
    if balanced.failed > 0 {
        let fragments = count(balanced.failed, "fragment", "fragments");
        out.warn(&format!("{fragments} could not be moved: {}", causes.join("; ")));
    }
    Ok(())
}

fn exit(balanced: &Balanced) -> Exit {
    if balanced.stuck + balanced.failed > 0 {
        Exit::Under
    } else {
        Exit::Done
    }
}
