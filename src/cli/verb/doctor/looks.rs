//! What can be seen of the providers, of what they share, of prices and of the catalog.

use std::collections::{BTreeMap, BTreeSet};

use super::super::super::Context;
use super::super::super::error::Failure;
use super::super::super::ground::Session;
use super::super::super::quantity::{ago, count, size};
use super::super::prices::{open, today};
use super::super::provider::trial::Trial;
use super::{Finding, PATIENCE, fine, mend, note};
use crate::care::survey::listed_since;
use crate::catalog::diary::Deed;
use crate::catalog::shipment::{Cargo, ShipmentState};
use crate::cloud_set::fate::{Shared, shared};
use crate::cloud_set::price::{Cost, OLD_AFTER};
use crate::cloud_set::{DomainKind, Policy, Profile, ProfileState};
use crate::config::Config;
use crate::store::clouds::Identity;

/// Nanoseconds of a second.
const SECOND: i64 = 1_000_000_000;

/// Nanoseconds of a day.
const DAY: i64 = 86_400 * SECOND;

/// Seconds by which clocks may differ unnoticed.
const SKEW_SEEN: i64 = 30;

/// Seconds by which they may differ at all: services refuse signatures from 5 min on.
const SKEW_MOST: i64 = 240;

/// Days after which a listing of everything is old, and a copy of the catalog.
const LISTING_OLD: i64 = 7;

/// Days after which a reading of everything is old.
const READING_OLD: i64 = 90;

/// Days after which an export of the key is old.
const EXPORT_OLD: i64 = 365;

/// What a provider's test told.
pub(super) fn provider(name: &str, trial: Option<&Trial>) -> Vec<Finding> {
    let Some(trial) = trial else {
        let what = format!("no answer in {} s", PATIENCE.as_secs());
        return vec![mend("provider", what, format!("raic provider test {name}")).about(name)];
    };
    let mut found = vec![match (trial.test.trouble(), &trial.identity) {
        (Some(trouble), _) => mend("provider", trouble, format!("raic provider test {name}  tells more")),
        (None, Some(Identity::Foreign(set))) => mend(
            "provider",
            format!("it holds the data of another cloud set ({set})"),
            "give each set a bucket or folder of its own",
        ),
        (None, _) => fine("provider", "put, get, range, list and delete work"),
    }];
    let skew = trial.probe.as_ref().and_then(|probe| probe.clock_skew_s);
    if let Some(skew) = skew {
        let what = format!("this machine's clock and the provider's differ by {} s", skew.abs());
        let remedy = "set this machine's clock: timedatectl set-ntp true";
        found.push(match skew.abs() {
            ..SKEW_SEEN => fine("clock", format!("within {SKEW_SEEN} s of the provider's")),
            SKEW_SEEN..SKEW_MOST => note("clock", what, remedy),
            _ => mend("clock", what, remedy),
        });
    }
    found.into_iter().map(|finding| finding.about(name)).collect()
}

/// What providers share, held against each policy: nothing that more than m of its providers share may be lost.
pub(super) fn fates(config: &Config, disks: &BTreeMap<String, String>) -> Vec<Finding> {
    let all = shared(&config.set.providers, disks);
    let mut found = Vec::new();
    for policy in config.set.policies.values() {
        let eligible: Vec<&Profile> = config.set.eligible(policy).collect();
        let active = eligible.iter().filter(|it| it.state == ProfileState::Active).count();
        let n = usize::from(policy.n());
        if active < n {
            let what = format!("{active} of its providers take fragments and it needs {n}");
            found.push(mend("providers", what, "raic provider add").about(&policy.name));
        }
        let judged = all.iter().filter_map(|it| fate(it, policy, &eligible));
        let before = found.len();
        found.extend(judged.map(|finding| finding.about(&policy.name)));
        if found.len() == before {
            let what = format!(
                "no disk, host, account, operator or region holds more than {} of its providers",
                policy.m
            );
            found.push(fine("fate", what).about(&policy.name));
        }
        found.extend(operators(policy, &eligible).map(|finding| finding.about(&policy.name)));
    }
    found
}

fn fate(it: &Shared, policy: &Policy, eligible: &[&Profile]) -> Option<Finding> {
    let mine: Vec<&str> = it
        .providers
        .iter()
        .map(String::as_str)
        .filter(|name| eligible.iter().any(|profile| profile.name == *name))
        .collect();
    let most = usize::from(policy.m);
    let kind = DomainKind::ALL.into_iter().find(|kind| kind.word() == it.what);
    let held = kind
        .and_then(|kind| policy.spread.get(&kind))
        .is_some_and(|most| *most <= policy.m);
    if mine.len() <= most || held {
        return None;
    }
    let what = format!(
        "{} of its providers share the {} {}: {}; it can lose {most}",
        mine.len(),
        it.what,
        it.value,
        mine.join(" ")
    );
    Some(mend(
        "fate",
        what,
        "put some of them elsewhere, or bound it: `spread:` in the policy",
    ))
}

/// A region that all share is common; fewer operators than fragments can't be spread over them one by one.
fn operators(policy: &Policy, eligible: &[&Profile]) -> Option<Finding> {
    let operators: BTreeSet<&str> = eligible
        .iter()
        .filter_map(|it| it.domains.get(DomainKind::Operator))
        .collect();
    let (have, n) = (operators.len(), usize::from(policy.n()));
    (have < n).then(|| {
        note(
            "operators",
            format!(
                "its {n} fragments lie with {}",
                count(have as u64, "operator", "operators")
            ),
            "one fragment an operator survives any m of them: raic plan  names services",
        )
    })
}

/// Whether it is known what the providers bill, and since when.
pub(super) fn prices(config: &Config, context: &Context) -> Result<Vec<Finding>, Failure> {
    let (prices, _) = open(context, None)?;
    let mut found = Vec::new();
    for profile in &config.set.providers {
        let finding = match &profile.cost {
            Some(Cost::Catalog(id)) => match prices.tariff(id) {
                None => mend(
                    "price",
                    format!("the price catalog has no `{id}`"),
                    "raic prices  lists all",
                ),
                Some(tariff) => match tariff.age(today()) {
                    Some(days) if days <= OLD_AFTER => fine("price", format!("known since {days} days")),
                    Some(days) => note(
                        "price",
                        format!("its figures are {days} days old"),
                        "look them up, and put them into prices.yaml",
                    ),
                    None => note("price", "its figures have no date", format!("raic prices {id}")),
                },
            },
            Some(Cost::ByHand(_)) => fine("price", "as the configuration says"),
            None if matches!(profile.scheme.as_str(), "fs" | "memory") => continue,
            None => note(
                "price",
                "what it bills is not known",
                "`cost:` in the configuration; raic prices  lists services",
            ),
        };
        found.push(finding.about(&profile.name));
    }
    Ok(found)
}

/// What the catalog tells: its own soundness, quotas, ages.
pub(super) async fn catalog(session: &Session) -> Result<Vec<Finding>, Failure> {
    let (catalog, diary) = (session.store.catalog(), &session.diary);
    let findings = catalog.check().await?;
    let mut found: Vec<Finding> = match findings.as_slice() {
        [] => vec![fine("catalog", "sound")],
        several => several
            .iter()
            .map(|what| mend("catalog", what, "move it aside, then  raic recover"))
            .collect(),
    };
    let orphans = diary.orphans().await?.len() as u64;
    if orphans > 0 {
        let what = count(orphans, "blob that nothing needs", "blobs that nothing needs");
        found.push(note("garbage", what, "raic scrub --collect"));
    }
    found.extend(quotas(session).await?);
    found.extend(ages(session).await?);
    Ok(found)
}

async fn quotas(session: &Session) -> Result<Vec<Finding>, Failure> {
    let usage = session.store.catalog().usage().await?;
    let clouds = session.store.clouds();
    let mut found = Vec::new();
    for profile in &session.config.set.providers {
        let Some(quota) = profile.quota.map(crate::cloud_set::quantity::Size::bytes) else {
            continue;
        };
        let id = clouds.named(&profile.name).map(|cloud| cloud.member.id);
        let used = usage
            .iter()
            .find(|it| Some(it.provider) == id)
            .map_or(0, |it| it.bytes + it.doomed_bytes);
        let what = format!("{} of {} are used", size(used), size(quota));
        let remedy = "raise it, or add a provider and  raic rebalance";
        found.push(
            match used.saturating_mul(100) / quota.max(1) {
                0..75 => fine("quota", what),
                75..90 => note("quota", what, remedy),
                _ => mend("quota", what, remedy),
            }
            .about(&profile.name),
        );
    }
    Ok(found)
}

async fn ages(session: &Session) -> Result<Vec<Finding>, Failure> {
    let (diary, now) = (&session.diary, session.store.clock().now());
    let exported = diary.when(Deed::KeyExported).await?;
    let reach = diary.reach().await?;
    let mut found = vec![aged(
        ("key backup", "exported"),
        exported.map(|at| now - at),
        EXPORT_OLD,
        "raic key export --to FILE  and keep it elsewhere: without it nothing can be read",
    )];
    if reach.fragments > 0 {
        let listed = listed_since(&session.store, diary.as_ref()).await?;
        found.push(aged(
            ("scrub", "listed whole"),
            listed.map(|at| now - at),
            LISTING_OLD,
            "raic scrub",
        ));
        let read = (reach.oldest).map(|at| now - at);
        let mut deep = aged(
            ("deep scrub", "read whole"),
            read,
            READING_OLD,
            "raic scrub --deep; in slices:  --max-egress 10GB",
        );
        if reach.oldest.is_none() {
            deep.found = format!("{} of {} fragments were read so far", reach.read, reach.fragments);
        }
        found.push(deep);
        let copies = session.archive.shipments().await?;
        let checkpoint = copies
            .iter()
            .filter(|it| it.cargo == Cargo::Checkpoint && it.state == ShipmentState::Safe);
        let newest = checkpoint.map(|it| it.at).max();
        found.push(aged(
            ("checkpoint", "copied to the providers"),
            newest.map(|at| now - at),
            LISTING_OLD,
            "a running  raic serve  copies the catalog; without a copy, raic recover  reads every header",
        ));
    }
    Ok(found)
}

fn aged((check, done): (&'static str, &str), age: Option<i64>, days: i64, remedy: &str) -> Finding {
    match age {
        None => note(check, format!("never {done} from this machine"), remedy),
        Some(age) if age > days * DAY => note(check, format!("last {done} {}", ago(age / SECOND)), remedy),
        Some(age) => fine(check, format!("{done} {}", ago(age / SECOND))),
    }
}
