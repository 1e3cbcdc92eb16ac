//! `raic status`: is everything there, and how much may still be lost? Each provider is asked, briefly.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use schemars::JsonSchema;
use serde::Serialize;

use super::super::Context;
use super::super::args;
use super::super::error::{Failure, tame, words};
use super::super::exit::Exit;
use super::super::ground::{self, For, Session};
use super::super::output::{Document, Paint};
use super::super::quantity::{ago, count, rfc3339, size, span};
use super::super::table::{self, left, right};
use super::ls;
use super::prices::open as open_prices;
use super::provider::trial::Tested;
use crate::care::survey::listed_since;
use crate::catalog::diary::Reach;
use crate::catalog::record::{Census, MemberState};
use crate::catalog::shipment::{Cargo, ShipmentState};
use crate::cloud_set::Profile;
use crate::cloud_set::price::Prices;
use crate::fragment::id::ProviderId;
use crate::store::clouds::{Cloud, Identity, identify};
use crate::store::error::StoreError;

/// How long a provider may take to say who it is.
const PATIENCE: Duration = Duration::from_secs(5);

/// The answer.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Health {
    /// `ok`, `degraded`, `unreachable`, `lost`, `empty`, or `unknown`: providers hold data of this set that the catalog does not know.
    state: &'static str,
    /// Providers that may still be lost without loss of data; `null` if nothing is stored.
    can_lose: Option<u16>,
    /// What the policy `default` promises.
    promised: u16,
    /// Members of the set, and configured providers that are none yet.
    providers: Vec<Member>,
    /// Objects by health, counting providers that don't answer as gone.
    objects: Objects,
    /// Versions that wait for providers to answer, since a rebuild: nothing older is given meanwhile.
    waiting: u64,
    /// Changes that an earlier run left open.
    open: u64,
    /// Blobs that wait for their deletion.
    waiting_for_deletion: u64,
    /// Blobs that nothing seems to need, and that go after a grace.
    orphans: u64,
    /// When every provider was last listed whole and compared, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_scrub: Option<String>,
    /// The part of all fragments that was read whole at least once.
    read_share: f64,
    /// Findings of the catalog's own check; empty if it is in order.
    catalog: Vec<String>,
    /// Fragments that are owed since an object was acknowledged; `null` if none are.
    owed: Option<Owed>,
    /// The catalog's copies on the providers, as far as this machine knows; `null` if there is none.
    copies: Option<Copies>,
}

/// What was acknowledged before all its fragments were confirmed.
#[derive(Debug, Serialize, JsonSchema)]
struct Owed {
    /// Extents that are short of fragments.
    extents: u64,
    /// Seconds since the oldest of them was acknowledged.
    oldest: u64,
}

/// The catalog's copies.
#[derive(Debug, Serialize, JsonSchema)]
struct Copies {
    /// Seconds since the newest checkpoint was made.
    checkpoint: u64,
    /// Seconds since anything was sent.
    newest: u64,
    /// Changes that no copy has yet.
    behind: u64,
}

impl Document for Health {
    const SCHEMA: &'static str = "raic.status/1";
}

/// One provider.
#[derive(Debug, Serialize, JsonSchema)]
struct Member {
    /// Its name.
    name: String,
    /// `ok`, `down`, `readonly`, `draining`, `lost`, `removed`, `unlisted` (not in the configuration), `new` (the next put makes it a
    /// member), `unknown` (this set's, but the catalog does not know it) or `foreign` (another set's).
    state: &'static str,
    /// Fragments there.
    fragments: u64,
    /// Their bytes.
    bytes: u64,
    /// The most that may be kept there.
    #[serde(skip_serializing_if = "Option::is_none")]
    quota: Option<u64>,
    /// What storing this costs in a month, if its price is in the configuration.
    #[serde(skip_serializing_if = "Option::is_none")]
    cost_month: Option<f64>,
    /// What is wrong, if something is.
    #[serde(skip_serializing_if = "Option::is_none")]
    trouble: Option<String>,
    /// Its last `raic provider test`, if there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    tested: Option<Tested>,
}

/// Objects by health.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
struct Objects {
    /// All.
    all: u64,
    /// Their bytes.
    bytes: u64,
    /// All n fragments.
    ok: u64,
    /// The quorum or more.
    degraded: u64,
    /// k or more.
    at_risk: u64,
    /// Fewer than k, as some providers don't answer.
    unreachable: u64,
    /// Fewer than k, for good.
    lost: u64,
}

pub(crate) async fn run(args: &args::Status, context: &Arc<Context>) -> Result<Exit, Failure> {
    let session = Session::open(context, For::Looking, &args.skip).await?;
    session.check_providers(&args.skip)?;
    let (providers, away) = ask(&session, context).await?;
    let gone = ls::gone(&session);
    let all_away: Vec<ProviderId> = away.iter().chain(&gone).copied().collect();
    let catalog = session.store.catalog();
    let (census, for_good) = (catalog.census(&all_away).await?, catalog.census(&gone).await?);
    let promised = session.config.set.policies.get("default").map_or(0, |policy| policy.m);
    let fresh = tokio::time::timeout(PATIENCE, session.store.clone().check_fresh()).await;
    let stale = matches!(fresh, Ok(Err(StoreError::Stale { .. })));
    let waiting = catalog.awaited().await?.len() as u64;
    let health = Health {
        state: if stale {
            "unknown"
        } else {
            state(&census, &for_good, waiting, &providers)
        },
        can_lose: census.margin,
        promised,
        objects: Objects {
            all: census.whole + census.degraded + census.at_risk + census.lost,
            bytes: census.bytes,
            ok: census.whole,
            degraded: census.degraded,
            at_risk: census.at_risk,
            unreachable: census.lost.saturating_sub(for_good.lost),
            lost: for_good.lost,
        },
        waiting,
        open: census.open,
        waiting_for_deletion: census.doomed,
        orphans: session.diary.orphans().await?.len() as u64,
        last_scrub: listed_since(&session.store, session.diary.as_ref()).await?.map(rfc3339),
        read_share: share(session.diary.reach().await?),
        catalog: catalog.check().await?,
        owed: owed(&census, session.store.clock().now()),
        copies: copies(&session).await?,
        providers,
    };
    let exit = exit(&health);
    if context.out.is_json() {
        context.out.document(&health)?;
    } else {
        show(&health, context)?;
    }
    Ok(exit)
}

/// 1 if there is nothing to read.
#[expect(clippy::cast_precision_loss, reason = "a share is shown with two digits")]
fn share(reach: Reach) -> f64 {
    match reach.fragments {
        0 => 1.0,
        all => reach.read as f64 / all as f64,
    }
}

/// Whole seconds from a time to another.
fn seconds(from: i64, to: i64) -> u64 {
    to.saturating_sub(from).max(0).cast_unsigned() / 1_000_000_000
}

fn owed(census: &Census, now: i64) -> Option<Owed> {
    let oldest = census.oldest_debt?;
    Some(Owed {
        extents: census.debts,
        oldest: seconds(oldest, now),
    })
}

async fn copies(session: &Session) -> Result<Option<Copies>, Failure> {
    let now = session.store.clock().now();
    let mut safe = session.archive.shipments().await?;
    safe.retain(|shipment| shipment.state == ShipmentState::Safe);
    let checkpoint = safe.iter().rfind(|shipment| shipment.cargo == Cargo::Checkpoint);
    let Some(checkpoint) = checkpoint else { return Ok(None) };
    let reached = safe.iter().map(|shipment| shipment.to.number).max().unwrap_or(0);
    let newest = safe.iter().map(|shipment| shipment.at).max().unwrap_or(checkpoint.at);
    Ok(Some(Copies {
        checkpoint: seconds(checkpoint.at, now),
        newest: seconds(newest, now),
        behind: session.archive.position().await?.number.saturating_sub(reached),
    }))
}

fn state(census: &Census, for_good: &Census, waiting: u64, providers: &[Member]) -> &'static str {
    if providers.iter().any(|member| member.state == "unknown") {
        "unknown"
    } else if for_good.lost > 0 {
        "lost"
    } else if census.lost + waiting > 0 {
        "unreachable"
    } else if census.degraded + census.at_risk > 0 {
        "degraded"
    } else if census.whole == 0 {
        "empty"
    } else {
        "ok"
    }
}

fn exit(health: &Health) -> Exit {
    let down = health
        .providers
        .iter()
        .any(|member| matches!(member.state, "down" | "foreign"));
    match health.state {
        "unknown" => Exit::Failed,
        "lost" => Exit::Lost,
        "unreachable" => Exit::Unreachable,
        "degraded" => Exit::Under,
        _ if down || !health.catalog.is_empty() => Exit::Under,
        _ => Exit::Done,
    }
}

/// Every provider, and the members that are out of reach.
async fn ask(session: &Session, context: &Context) -> Result<(Vec<Member>, Vec<ProviderId>), Failure> {
    let clouds = session.store.clouds();
    let usage = session.store.catalog().usage().await?;
    let members: Vec<&Arc<Cloud>> = clouds.all().collect();
    let answers = join_all(members.iter().map(|cloud| identified(session, cloud))).await;
    // A broken file of prices is told by the verbs that are about prices.
    let prices = open_prices(context, None).map(|(prices, _)| prices).unwrap_or_default();
    let (mut shown, mut away) = (Vec::new(), Vec::new());
    for (cloud, trouble) in members.into_iter().zip(answers) {
        let used = usage.iter().find(|usage| usage.provider == cloud.member.id);
        let (fragments, bytes) = used.map_or((0, 0), |used| (used.fragments, used.bytes));
        let over = matches!(cloud.member.state, MemberState::Lost | MemberState::Removed);
        if over && fragments == 0 {
            continue;
        }
        if trouble.is_some() && !over {
            away.push(cloud.member.id);
        }
        let state = match cloud.member.state {
            MemberState::Lost => "lost",
            MemberState::Removed => "removed",
            _ if cloud.provider.is_none() => "unlisted",
            _ if trouble.is_some() => "down",
            MemberState::Active => "ok",
            MemberState::ReadOnly => "readonly",
            MemberState::Draining => "draining",
        };
        shown.push(Member {
            tested: Tested::of(session.store.catalog().as_ref(), cloud.member.id).await,
            trouble: trouble.filter(|_| !over),
            ..member(session, &prices, &cloud.member.name, state, (fragments, bytes))
        });
    }
    let strangers = session.config.set.providers.iter();
    let strangers = strangers.filter(|profile| clouds.named(&profile.name).is_none());
    let strangers: Vec<&Profile> = strangers.collect();
    let answers = join_all(strangers.iter().map(|profile| whose(session, profile, context))).await;
    for (profile, (state, trouble)) in strangers.into_iter().zip(answers) {
        shown.push(Member {
            trouble,
            ..member(session, &prices, &profile.name, state, (0, 0))
        });
    }
    let order = |name: &str| {
        session
            .config
            .set
            .providers
            .iter()
            .position(|profile| profile.name == name)
    };
    shown.sort_by_key(|member| order(&member.name).unwrap_or(usize::MAX));
    Ok((shown, away))
}

fn member(session: &Session, prices: &Prices, name: &str, state: &'static str, used: (u64, u64)) -> Member {
    let profile = session.config.set.provider(name);
    let price = prices.list(profile.and_then(|profile| profile.cost.as_ref())).0.storage;
    #[expect(clippy::cast_precision_loss, reason = "money is shown with two digits")]
    let bytes = used.1 as f64;
    Member {
        name: name.to_owned(),
        state,
        fragments: used.0,
        bytes: used.1,
        quota: profile
            .and_then(|profile| profile.quota)
            .map(crate::cloud_set::quantity::Size::bytes),
        cost_month: price.map(|price| price.per_byte_month() * bytes),
        trouble: None,
        tested: None,
    }
}

/// What keeps a member from being the provider that it should be.
async fn identified(session: &Session, cloud: &Arc<Cloud>) -> Option<String> {
    match tokio::time::timeout(PATIENCE, cloud.prove(session.store.keys())).await {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(words(&error)),
        Err(_) => Some(format!("no answer in {} s", PATIENCE.as_secs())),
    }
}

/// Whose data is on a provider that the catalog doesn't know, and what is wrong with that.
async fn whose(session: &Session, profile: &Profile, context: &Context) -> (&'static str, Option<String>) {
    let Ok(provider) = ground::provider(&session.config, profile, &context.env) else {
        // Why was told when the others were opened.
        return ("new", None);
    };
    match tokio::time::timeout(PATIENCE, identify(session.store.keys(), provider.as_ref())).await {
        Ok(Ok(Identity::Absent)) => ("new", None),
        Ok(Ok(Identity::Ours(_))) => (
            "unknown",
            Some("it holds data of this set that the catalog does not know".to_owned()),
        ),
        Ok(Ok(Identity::Foreign(set))) => (
            "foreign",
            Some(format!("it holds the data of another cloud set ({set})")),
        ),
        Ok(Err(error)) => ("down", Some(words(&error))),
        Err(_) => ("down", Some(format!("no answer in {} s", PATIENCE.as_secs()))),
    }
}

fn show(health: &Health, context: &Context) -> Result<(), Failure> {
    let out = &context.out;
    out.answer(&headline(health, context))?;
    let priced = health.providers.iter().any(|member| member.cost_month.is_some());
    let mut columns = vec![
        left("PROVIDER"),
        left("STATE"),
        right("FRAGS").spare(1),
        right("USED"),
        right("OF").spare(2),
    ];
    if priced {
        columns.push(right("COST/MONTH").spare(3));
    }
    let row = |member: &Member| {
        let quota = member.quota.map_or_else(|| "-".to_owned(), size);
        let mut row = vec![
            member.name.clone(),
            member.state.to_owned(),
            member.fragments.to_string(),
            size(member.bytes),
            quota,
        ];
        if priced {
            row.push(
                member
                    .cost_month
                    .map_or_else(|| "-".to_owned(), |cost| format!("{cost:.2}")),
            );
        }
        row
    };
    let rows: Vec<Vec<String>> = health.providers.iter().map(row).collect();
    for line in table::lines(&columns, &rows, out.room()) {
        out.answer(&line)?;
    }
    for member in &health.providers {
        if let Some(trouble) = &member.trouble {
            out.answer(&format!("{}: {}", member.name, tame(trouble)))?;
        }
        if let Some(tested) = member.tested.as_ref().filter(|tested| tested.failed()) {
            out.answer(&format!("{}: its last test: {}", member.name, tested.words()))?;
        }
    }
    for line in objects(&health.objects, out.room()) {
        out.answer(&line)?;
    }
    tell_pending(health, context)?;
    match next(health) {
        Some(next) => out.answer(&format!("next:  {next}")),
        None => Ok(()),
    }
}

/// What waits: for a verb that writes, for a deletion, for its owner.
fn tell_pending(health: &Health, context: &Context) -> Result<(), Failure> {
    let out = &context.out;
    if health.open > 0 {
        out.answer(&format!(
            "{} left open by an earlier run: settled by the next put or rm",
            count(health.open, "change was", "changes were")
        ))?;
    }
    if health.waiting_for_deletion > 0 {
        out.answer(&format!(
            "{} for deletion",
            count(health.waiting_for_deletion, "blob waits", "blobs wait")
        ))?;
    }
    if health.orphans > 0 {
        let blobs = count(health.orphans, "blob that nothing needs", "blobs that nothing needs");
        out.answer(&format!(
            "{blobs}: raic scrub --collect  deletes what was so for 30 days"
        ))?;
    }
    if let Some(owed) = &health.owed {
        out.answer(&format!(
            "{} short of fragments since it was stored, for {} at the most: raic repair",
            count(owed.extents, "extent is", "extents are"),
            span(Duration::from_secs(owed.oldest))
        ))?;
    }
    if let Some(copies) = &health.copies {
        out.answer(&format!(
            "catalog copied to the providers {} ({} since), its last checkpoint {}",
            ago(i64::try_from(copies.newest).unwrap_or(i64::MAX)),
            count(copies.behind, "change", "changes"),
            ago(i64::try_from(copies.checkpoint).unwrap_or(i64::MAX))
        ))?;
    }
    for finding in &health.catalog {
        out.answer(&format!("catalog: {}", tame(finding)))?;
    }
    Ok(())
}

/// How many objects are how well, on one line if there is room.
fn objects(o: &Objects, room: Option<usize>) -> Vec<String> {
    let all = format!("objects {} ({})", o.all, size(o.bytes));
    let by_health = format!(
        "ok {}   degraded {}   at risk {}   out of reach {}   LOST {}",
        o.ok, o.degraded, o.at_risk, o.unreachable, o.lost,
    );
    let line = format!("{all}   {by_health}");
    if room.is_some_and(|room| line.chars().count() > room) {
        vec![all, format!("  {by_health}")]
    } else {
        vec![line]
    }
}

fn headline(health: &Health, context: &Context) -> String {
    let can_lose = health.can_lose.unwrap_or(0);
    let out = &context.out;
    let providers = |number: u16| count(u64::from(number), "provider", "providers");
    match health.state {
        "lost" => format!(
            "{}: {} cannot be read any more.",
            out.strong("LOST", Paint::Bad),
            count(health.objects.lost, "object", "objects"),
        ),
        "unreachable" if health.objects.unreachable == 0 => format!(
            "{}: of {} it isn't known which version counts, or whether any does; raic recover  when more providers answer.",
            out.strong("WAITING", Paint::Poor),
            count(health.waiting, "object", "objects"),
        ),
        "unreachable" => format!(
            "{}, nothing lost: {} cannot be read until providers are back.",
            out.strong("OUT OF REACH", Paint::Poor),
            count(health.objects.unreachable, "object", "objects"),
        ),
        "degraded" => format!(
            "{}, nothing lost. You can still lose {}{}.",
            out.strong("DEGRADED", Paint::Poor),
            if can_lose == 0 {
                "no provider".to_owned()
            } else {
                format!(
                    "{can_lose} more {}",
                    if can_lose == 1 { "provider" } else { "providers" }
                )
            },
            if can_lose < health.promised {
                format!("; the policy promises {}", health.promised)
            } else {
                String::new()
            },
        ),
        "unknown" => format!(
            "{}: providers hold data of this set that the catalog here does not know.",
            out.strong("UNKNOWN", Paint::Bad),
        ),
        "empty" => format!("{}: nothing is stored yet.", out.strong("EMPTY", Paint::Good)),
        _ => format!(
            "{}: you can lose any {}.",
            out.strong("OK", Paint::Good),
            providers(can_lose)
        ),
    }
}

fn next(health: &Health) -> Option<String> {
    let down = health.providers.iter().find(|member| member.state == "down");
    let mendable = health.objects.degraded + health.objects.at_risk > 0;
    let unlisted = health.providers.iter().find(|member| member.state == "unlisted");
    match (health.state, down) {
        ("unknown", _) => Some("bring the catalog back to its folder (raic config path), or  raic recover".to_owned()),
        (_, Some(member)) => Some(format!("raic provider test {}", member.name)),
        ("lost", None) => Some("raic ls --health  names them".to_owned()),
        ("degraded", None) if mendable => Some("raic repair".to_owned()),
        ("empty", None) => Some("raic put FILE".to_owned()),
        _ => unlisted.map(|member| {
            format!(
                "raic provider remove {}, or put it back into the configuration",
                member.name
            )
        }),
    }
}
