//! `raic rm`: objects go; their blobs follow after the grace, so that who reads them now can finish.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;

use futures::StreamExt;
use futures::stream;
use schemars::JsonSchema;
use serde::Serialize;

use super::super::Context;
use super::super::args;
use super::super::error::{Failure, said, tame};
use super::super::exit::Exit;
use super::super::ground::{For, Session};
use super::super::output::Document;
use super::super::quantity::{count, size, span};
use super::ask::agreed;
use super::bill::{self, Charge, charges};
use super::names;
use super::put::{sweep, tell_settled};
use crate::care::outlay::{Outlay, Tariffs};
use crate::catalog::record::Version;
use crate::cloud_set::price::Money;
use crate::store::put::Stored;
use crate::store::send::Silent;

/// Objects that are removed at once.
const AT_ONCE: usize = 16;

/// The answer.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Removal {
    /// Nothing was removed: this is what would be.
    dry_run: bool,
    /// Objects that went.
    removed: Vec<Gone>,
    /// Arguments and objects that failed.
    failed: Vec<Left>,
    /// Bytes that are freed at each provider, once the grace is over.
    freed: BTreeMap<String, u64>,
    /// What is asked of each provider and what it bills: some bill the rest of a least time for what is deleted early.
    providers: Vec<Charge>,
    /// Seconds until then.
    grace_seconds: u64,
}

impl Document for Removal {
    const SCHEMA: &'static str = "raic.rm/1";
}

/// An object that went.
#[derive(Debug, Serialize, JsonSchema)]
struct Gone {
    /// Its name.
    name: String,
    /// Its length.
    bytes: u64,
}

/// An object that is still there.
#[derive(Debug, Serialize, JsonSchema)]
struct Left {
    /// Its name.
    name: String,
    /// Why.
    message: String,
}

/// What is to go.
#[derive(Debug, Default)]
struct Plan {
    versions: Vec<Version>,
    failed: Vec<(String, Failure)>,
    freed: BTreeMap<String, u64>,
    outlay: Outlay,
}

pub(crate) async fn run(args: &args::Rm, context: &Arc<Context>) -> Result<Exit, Failure> {
    let purpose = if args.dry_run { For::Looking } else { For::Writing };
    let session = Session::open(context, purpose, &[]).await?;
    let plan = plan(args, &session).await?;
    let tariffs = bill::tariffs(&session, context).await?;
    let bills = (tariffs.clone(), plan.outlay.clone());
    if let ([], [(_, only)]) = (plan.versions.as_slice(), plan.failed.as_slice()) {
        return Err(only.clone());
    }
    if args.dry_run {
        return tell(
            &session,
            plan.versions,
            plan.failed,
            plan.freed,
            Vec::new(),
            &bills,
            args,
            context,
        );
    }
    if !args.yes && !agreed(&question(&plan), context)? {
        context.out.aside("nothing was removed\n");
        return Ok(Exit::Failed);
    }
    tell_settled(&session, context).await?;
    let (mut removed, mut failed, mut ends) = (Vec::new(), plan.failed, Vec::new());
    let on = stream::iter(plan.versions).take_while(|_| std::future::ready(context.interrupt.now().is_none()));
    let mut removals = pin!(on.map(|version| remove(&session, version)).buffered(AT_ONCE));
    while let Some((version, result)) = removals.next().await {
        match result {
            Ok(stored) => {
                if stored.confirmed < stored.n {
                    let causes = said(&stored.causes).join("; ");
                    context.out.warn(&format!(
                        "{} is removed, but not every provider knows it yet: {causes}",
                        version.name
                    ));
                    ends.push(Exit::Under);
                }
                removed.push(version);
            }
            Err(failure) => failed.push((version.name, failure)),
        }
    }
    sweep(&session).await;
    tell(&session, removed, failed, plan.freed, ends, &bills, args, context)
}

async fn remove(session: &Session, version: Version) -> (Version, Result<Stored, Failure>) {
    let removed = async {
        let policy = session.policy_of(&version.policy)?.clone();
        let (_, stored) = session.store.remove(&version.name, &policy, Arc::new(Silent)).await?;
        Ok(stored)
    };
    let removed = removed.await;
    (version, removed)
}

async fn plan(args: &args::Rm, session: &Session) -> Result<Plan, Failure> {
    let mut plan = Plan::default();
    for name in &args.names {
        if args.recursive && name.trim_matches('/').is_empty() {
            return Err(
                Failure::usage("rm -r needs a prefix: nothing removes all objects at once").note("nothing was touched"),
            );
        }
        match names::select(session, name, args.recursive).await {
            Ok(versions) => plan.versions.extend(versions),
            Err(failure) => plan.failed.push((name.clone(), failure)),
        }
    }
    plan.versions.sort_by(|a, b| a.name.cmp(&b.name));
    plan.versions.dedup_by(|a, b| a.name == b.name);
    let clouds = session.store.clouds();
    for version in &plan.versions {
        let days = bill::days_kept(session, &version.name).await?;
        for piece in session.store.catalog().extents(&version.name).await? {
            let len = piece.extent.shape.fragment_len(piece.extent.header_len);
            for fragment in &piece.fragments {
                let name = clouds
                    .get(fragment.provider)
                    .map(|cloud| cloud.member.name.clone())
                    .unwrap_or_default();
                plan.outlay.of(&name).drop(len, days);
                *plan.freed.entry(name).or_default() += len;
            }
        }
    }
    Ok(plan)
}

fn question(plan: &Plan) -> String {
    let bytes: u64 = plan.versions.iter().map(|version| version.len).sum();
    let what = match plan.versions.as_slice() {
        [only] => tame(&only.name),
        several => count(several.len() as u64, "object", "objects"),
    };
    format!("remove {what}, {}?", size(bytes))
}

#[expect(clippy::too_many_arguments, reason = "all that an answer tells")]
fn tell(
    session: &Session,
    versions: Vec<Version>,
    failed: Vec<(String, Failure)>,
    freed: BTreeMap<String, u64>,
    mut ends: Vec<Exit>,
    (tariffs, outlay): &(Tariffs, Outlay),
    args: &args::Rm,
    context: &Context,
) -> Result<Exit, Failure> {
    let out = &context.out;
    let grace = session.store.settings().grace;
    let total: u64 = freed.values().sum();
    ends.extend(versions.iter().map(|_| Exit::Done));
    ends.extend(failed.iter().map(|(_, failure)| failure.exit()));
    let verb = if args.dry_run { "would remove" } else { "removed" };
    for version in &versions {
        out.said(&format!("{verb}  {}  {}", tame(&version.name), size(version.len)))?;
    }
    for (_, failure) in &failed {
        out.failure(failure);
    }
    if !versions.is_empty() {
        let frees = if args.dry_run { "would free" } else { "frees" };
        let (providers, after) = (count(freed.len() as u64, "provider", "providers"), span(grace));
        out.said(&format!(
            "{frees} {} at {providers}, {after} from now, when RAIC next writes",
            size(total)
        ))?;
    }
    if args.dry_run
        && !versions.is_empty()
        && outlay
            .0
            .keys()
            .any(|name| tariffs.bill(name, &outlay.0[name]).amount > Money::ZERO)
    {
        out.said(&format!(
            "some bill for what is deleted early: {}",
            bill::sum(tariffs, outlay)
        ))?;
    }
    if out.is_json() {
        let left = |(name, failure): (String, Failure)| Left {
            name,
            message: failure.sentence(),
        };
        out.document(&Removal {
            dry_run: args.dry_run,
            removed: versions
                .into_iter()
                .map(|version| Gone {
                    bytes: version.len,
                    name: version.name,
                })
                .collect(),
            failed: failed.into_iter().map(left).collect(),
            freed,
            providers: charges(tariffs, outlay),
            grace_seconds: grace.as_secs(),
        })?;
    }
    Ok(context.interrupt.now().unwrap_or_else(|| Exit::of_items(&ends)))
}
