//! `raic provider add` and `remove`: the configuration's file and the set's membership change together, or neither does.
//!
//! ```text
//! add     new text ─▶ checked ─▶ the provider tested ─▶ saved ─▶ a member, with its finding
//! remove  new text ─▶ checked ─▶ empty, or lost? ─▶ no member any more ─▶ saved
//! ```

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use super::super::super::Context;
use super::super::super::args::{ProviderAdd, ProviderRemove};
use super::super::super::error::Failure;
use super::super::super::exit::Exit;
use super::super::super::ground::{self, For, Session};
use super::super::super::output::Document;
use super::super::super::quantity::{count, size};
use super::super::ask::agreed;
use super::super::put::tell_settled;
use super::edit::{self, Edit};
use super::is_present;
use super::trial::{self, Test, Trial};
use crate::care::repair::declare_lost;
use crate::catalog::record::{Member, MemberState, Usage};
use crate::fragment::id::ProviderId;
use crate::provider::probe::Probe;
use crate::store::clouds::Identity;

/// The answer of `provider add`, `remove` and `undrain`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Changed {
    /// `added`, `removed`, `lost` or `active`.
    pub(crate) done: &'static str,
    /// The provider.
    pub(crate) name: String,
    /// Fragments that were on it; `null` where nobody asked.
    pub(crate) fragments: Option<u64>,
    /// The test that it passed; `null` with `--no-test`, and where none was made.
    pub(crate) test: Option<Test>,
}

impl Document for Changed {
    const SCHEMA: &'static str = "raic.provider.change/1";
}

pub(super) async fn add(args: &ProviderAdd, context: &Arc<Context>) -> Result<Exit, Failure> {
    let edit = edit::added(args, context)?;
    let trial = if args.no_test {
        None
    } else {
        Some(tried(&edit, args, context).await?)
    };
    edit.save(&context.env)?;
    context.out.said(&format!(
        "added   {} ({}) to {}",
        args.name,
        args.scheme,
        context.env.shown(&edit.path)
    ))?;
    let (test, probe) = trial.map_or((None, None), |trial| (Some(trial.test), trial.probe));
    join(&args.name, probe, context).await;
    context.out.document_for_scripts(&Changed {
        done: "added",
        name: args.name.clone(),
        fragments: Some(0),
        test,
    })?;
    Ok(Exit::Done)
}

/// The provider's test; an error if it doesn't work, or can't be what it is added as.
async fn tried(edit: &Edit, args: &ProviderAdd, context: &Context) -> Result<Trial, Failure> {
    let profile = edit.config.set.provider(&args.name);
    let profile = profile.expect("the new text was read, and has it");
    let trial = trial::try_out(&edit.config, profile, context).await;
    if !context.out.is_json() {
        trial.test.show(context)?;
    }
    let trouble = match (trial.test.works, &trial.identity) {
        (false, _) => trial.test.trouble(),
        (true, Some(Identity::Ours(id))) => taken(edit, *id, context).await,
        (true, _) => None,
    };
    match trouble {
        None => Ok(trial),
        Some(trouble) => Err(Failure::new(
            Exit::Unreachable,
            "E0314",
            format!("provider `{}` was not added: {trouble}", args.name),
        )
        .note("mend what was typed and try again, or add it untested: --no-test")
        .note("the configuration is as it was")),
    }
}

/// Why a place with this set's own data can't be added: another provider is there, or one was. A catalog without members knows
/// nothing, and everything is to be rebuilt from the providers.
async fn taken(edit: &Edit, id: ProviderId, context: &Context) -> Option<String> {
    let catalog = ground::catalog_if_there(&edit.config, For::Looking, &context.env)?;
    let (_, members) = catalog.members().await.ok()?;
    let member: &Member = match members.iter().find(|member| member.id == id) {
        Some(member) => member,
        None if members.is_empty() => return None,
        None => return Some("it holds data of this set that the catalog does not know".to_owned()),
    };
    if !is_present(member.state) {
        return Some(format!("it holds what is left of `{}`: empty it first", member.name));
    }
    let configured = edit.config.set.provider(&member.name).is_some();
    configured.then(|| format!("it is the same place as provider `{}`", member.name))
}

/// Makes it a member at once if there is a set to join and nobody else writes; else the next verb that writes does.
async fn join(name: &str, probe: Option<Probe>, context: &Arc<Context>) {
    let joined = async {
        let config = ground::config(context)?;
        let catalog = ground::catalog_if_there(&config, For::Looking, &context.env);
        let known = match &catalog {
            Some(catalog) => catalog.members().await?.1,
            None => Vec::new(),
        };
        if known.is_empty() {
            return Ok(());
        }
        drop(catalog);
        let session = Session::open(context, For::Writing, &[]).await?;
        tell_settled(&session, context).await?;
        if let (Some(probe), Some(cloud)) = (probe, session.store.clouds().named(name)) {
            trial::save(session.store.catalog().as_ref(), cloud.member.id, &probe).await;
        }
        Ok::<(), Failure>(())
    };
    if let Err(failure) = joined.await {
        let why = failure.sentence();
        context
            .out
            .warn(&format!("{name} joins the set with the next put: {why}"));
    }
}

/// Takes a provider out for good. One that holds fragments is only taken out if it is lost.
pub(super) async fn remove(args: &ProviderRemove, context: &Arc<Context>) -> Result<Exit, Failure> {
    let session = Session::open(context, For::Writing, std::slice::from_ref(&args.name)).await?;
    let member = session.store.clouds().named(&args.name).map(|cloud| cloud.member.id);
    let configured = session.config.set.provider(&args.name).is_some();
    if member.is_none() {
        session.check_providers(std::slice::from_ref(&args.name))?;
    }
    // Before anything changes: without it, do the policies hold?
    let edit = if configured {
        Some(edit::removed(&args.name, context)?)
    } else {
        None
    };
    let usage = session.store.catalog().usage().await?;
    let held = usage.into_iter().find(|usage| Some(usage.provider) == member);
    let fragments = held.as_ref().map_or(0, |held| held.fragments);
    if !args.lost
        && let Some(held) = held.filter(|held| held.fragments > 0)
    {
        return Err(still_holds(&args.name, &held));
    }
    if args.lost && !args.yes && !agreed(&question(&args.name, fragments), context)? {
        context.out.aside("nothing was changed\n");
        return Ok(Exit::Failed);
    }
    if member.is_some() {
        tell_settled(&session, context).await?;
        if args.lost {
            declare_lost(&session.store, &args.name).await?;
        } else {
            session.store.change_member(&args.name, MemberState::Removed).await?;
        }
    }
    drop(session);
    if let Some(edit) = edit {
        edit.save(&context.env)?;
    }
    told(args, fragments, context)
}

fn still_holds(name: &str, held: &Usage) -> Failure {
    let fragments = count(held.fragments, "fragment", "fragments");
    Failure::new(
        Exit::Usage,
        "E0312",
        format!("provider `{name}` still holds {fragments} ({})", size(held.bytes)),
    )
    .note("if it is gone for good: add another in its place, then  raic provider remove --lost  and  raic repair")
    .note(format!("to move them to the others first: raic provider drain {name}"))
    .note("nothing was changed")
}

fn question(name: &str, fragments: u64) -> String {
    let fragments = count(fragments, "fragment", "fragments");
    format!("{name} is never asked again, and its {fragments} must be made anew from the others. Is it gone for good?")
}

fn told(args: &ProviderRemove, fragments: u64, context: &Context) -> Result<Exit, Failure> {
    let name = &args.name;
    context.out.said(&match (args.lost, fragments) {
        (false, _) => {
            format!("removed {name}: it held no fragment. What small records of the set lie there may be deleted.")
        }
        (true, 0) => format!("removed {name}, declared lost: it held no fragment."),
        (true, fragments) => format!(
            "removed {name}, declared lost: {} to be made anew.\nnext:  raic repair",
            count(fragments, "fragment has", "fragments have")
        ),
    })?;
    context.out.document_for_scripts(&Changed {
        done: if args.lost { "lost" } else { "removed" },
        name: name.clone(),
        fragments: Some(fragments),
        test: None,
    })?;
    Ok(Exit::Done)
}
