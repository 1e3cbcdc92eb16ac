//! `raic rebalance --recode`: what is kept under another k and m than its policy has now is written anew.

use std::sync::Arc;

use super::super::super::Context;
use super::super::super::args;
use super::super::super::error::{Failure, tame};
use super::super::super::exit::Exit;
use super::super::super::ground::{For, Session};
use super::super::super::progress::{Job, Shown, Way};
use super::super::super::quantity::{count, size};
use super::super::bill::{self, charges};
use super::super::put::{sweep, tell_settled};
use super::Carried;
use crate::care::recode::{Recoded, Step, due, recode};

pub(super) async fn run(args: &args::Rebalance, context: &Arc<Context>) -> Result<Exit, Failure> {
    let purpose = if args.dry_run { For::Reading } else { For::Writing };
    let session = Session::open(context, purpose, &[]).await?;
    let tariffs = bill::tariffs(&session, context).await?;
    if args.max_cost.is_some() {
        let planned = recoded(&session, true, context, &mut |_| {}).await?;
        bill::within(args.max_cost, &tariffs, &planned.outlay)?;
    }
    if !args.dry_run {
        tell_settled(&session, context).await?;
    }
    let mut done = Vec::new();
    let recoded = recoded(&session, args.dry_run, context, &mut |step| done.push(told(step))).await?;
    if !args.dry_run {
        sweep(&session).await;
    }
    for step in done {
        tell(&step, context)?;
    }
    let (out, charges) = (&context.out, charges(&tariffs, &recoded.outlay));
    if args.dry_run && recoded.objects > 0 {
        out.said(&format!(
            "would write {} anew: {}",
            count(recoded.objects, "object", "objects"),
            bill::sum(&tariffs, &recoded.outlay)
        ))?;
        bill::show(&charges, context)?;
    }
    for charge in charges {
        out.event(&Carried::Provider { charge })?;
    }
    sum_up(&recoded, args.dry_run, context)?;
    if let Some(exit) = context.interrupt.now() {
        return Ok(exit);
    }
    Ok(if recoded.failed.is_empty() && recoded.short == 0 {
        Exit::Done
    } else {
        Exit::Under
    })
}

/// A hint where objects are kept under another code than their policy's.
pub(super) async fn tell_due(session: &Session, context: &Context) -> Result<(), Failure> {
    let due = due(&session.store).await?;
    if due == 0 {
        return Ok(());
    }
    let objects = count(due, "object is", "objects are");
    context.out.said(&format!(
        "{objects} kept under another k and m than the policy has now; write anew:  raic rebalance --recode"
    ))
}

async fn recoded(
    session: &Session,
    dry_run: bool,
    context: &Context,
    tell: &mut (dyn FnMut(&Step) + Send),
) -> Result<Recoded, Failure> {
    let job = Job {
        title: if dry_run { "plan" } else { "recode" }.to_owned(),
        total: None,
        way: Way::Up,
        expansion: 1.0,
    };
    let shown = Shown::begin(job, &context.global, &context.out);
    let stop = || context.interrupt.now().is_some();
    let recoded = recode(&session.store, dry_run, &shown.listener(), &stop, tell).await;
    drop(shown);
    Ok(recoded?)
}

fn told(step: &Step) -> Carried {
    let code = |(k, n): (u16, u16)| format!("{k}+{}", n - k);
    Carried::Recoded {
        object: step.name.clone(),
        from: code(step.from),
        to: code(step.to),
        bytes: step.bytes,
    }
}

fn tell(step: &Carried, context: &Context) -> Result<(), Failure> {
    if let Carried::Recoded {
        object,
        from,
        to,
        bytes,
    } = step
        && context.global.verbose > 0
    {
        context
            .out
            .said(&format!("{}  {from} -> {to}  {}", tame(object), size(*bytes)))?;
    }
    context.out.event(step)
}

fn sum_up(recoded: &Recoded, dry_run: bool, context: &Context) -> Result<(), Failure> {
    let out = &context.out;
    for (object, error) in &recoded.failed {
        let message = error.to_string();
        out.warn(&format!("{}: {message}; it is as it was", tame(object)));
        out.event(&Carried::Failed {
            object: object.clone(),
            message,
        })?;
    }
    if recoded.short > 0 {
        let objects = count(recoded.short, "object has", "objects have");
        out.warn(&format!("{objects} fewer fragments than the policy wants: raic repair"));
    }
    out.event(&Carried::RecodeSummary {
        dry_run,
        objects: recoded.objects,
        bytes: recoded.bytes,
        short: recoded.short,
        overtaken: recoded.overtaken,
        failed: recoded.failed.len() as u64,
    })?;
    if recoded.objects > 0 {
        let verb = if dry_run { "would write anew" } else { "written anew" };
        let objects = count(recoded.objects, "object", "objects");
        return out.said(&format!("{verb}  {objects}, {}", size(recoded.bytes)));
    }
    if recoded.failed.is_empty() && recoded.overtaken == 0 {
        return out.said("everything is kept under its policy's k and m: nothing to write anew");
    }
    Ok(())
}
