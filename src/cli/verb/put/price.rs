//! `raic put -n`: what a put would send to each provider and what that costs, by the arithmetic of the cost model. No provider is asked.

use super::super::super::Context;
use super::super::super::args;
use super::super::super::error::Failure;
use super::super::super::exit::Exit;
use super::super::super::ground::{For, Session};
use super::super::super::quantity::{count, size};
use super::super::bill;
use super::super::walk::Plan;
use super::{Kept, len_of};
use crate::care::outlay::Outlay;
use crate::cloud_set::{Policy, ProfileState};
use crate::config::Config;
use crate::mix::Scheme;

/// Tells what would be stored, where, and for how much.
pub(super) async fn tell(plan: &Plan, args: &args::Put, context: &Context) -> Result<Exit, Failure> {
    let session = Session::open(context, For::Looking, &[]).await?;
    let policy = session.policy(&args.policy)?;
    let lens: Vec<u64> = plan.items.iter().filter_map(len_of).collect();
    let outlay = outlay(&lens, policy, &takers(&session.config, policy));
    let tariffs = bill::tariffs(&session, context).await?;
    let (out, bytes) = (&context.out, lens.iter().sum());
    let charges = bill::charges(&tariffs, &outlay);
    let unknown = (plan.items.len() - lens.len()) as u64;
    if !out.is_json() {
        let what = count(lens.len() as u64, "object", "objects");
        out.said(&out.fold(&format!(
            "would store  {what}, {} as {}+{}: {} at {}, {}",
            size(bytes),
            policy.k,
            policy.m,
            size(outlay.written()),
            count(outlay.0.len() as u64, "provider", "providers"),
            bill::sum(&tariffs, &outlay)
        )))?;
        bill::show(&charges, context)?;
    }
    if unknown > 0 {
        let what = count(unknown, "source isn't", "sources aren't");
        out.warn(&format!("{what} reckoned with: nobody knows beforehand how long it is"));
    }
    for failure in &plan.failed {
        out.failure(failure);
    }
    out.event(&Kept::Priced {
        objects: lens.len() as u64,
        bytes,
        unknown,
        providers: charges,
    })?;
    let ends: Vec<Exit> = plan.failed.iter().map(Failure::exit).collect();
    let done = plan.items.iter().map(|_| Exit::Done);
    Ok(Exit::of_items(&done.chain(ends).collect::<Vec<Exit>>()))
}

/// Who may get fragments under this policy.
fn takers(config: &Config, policy: &Policy) -> Vec<String> {
    let named = |name: &String| policy.providers.as_ref().is_none_or(|names| names.contains(name));
    let all = config.set.providers.iter();
    all.filter(|profile| profile.state == ProfileState::Active && named(&profile.name))
        .map(|profile| profile.name.clone())
        .collect()
}

/// Each object's fragments on n of the takers in turn: placement draws by extent, which comes to the same in the mean.
fn outlay(lens: &[u64], policy: &Policy, takers: &[String]) -> Outlay {
    let (scheme, mut outlay) = (Scheme::of_policy(policy), Outlay::default());
    for (number, len) in lens.iter().enumerate() {
        let (blobs, _) = scheme.fragments(*len);
        let seats = takers.iter().cycle().skip(number % takers.len().max(1));
        for taker in seats.take(usize::from(policy.n())) {
            let load = outlay.of(taker);
            for blob in blobs.iter().flat_map(|blob| (0..blob.count).map(|_| blob.len)) {
                load.put(blob);
            }
        }
    }
    outlay
}
