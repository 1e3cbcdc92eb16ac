//! `raic ls` and `raic du`: what is stored, by the catalog alone.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use super::super::Context;
use super::super::args::{self, Sort};
use super::super::error::{Failure, tame};
use super::super::exit::Exit;
use super::super::ground::{For, Session};
use super::super::output::Document;
use super::super::quantity::{count, local, rfc3339, size};
use super::super::table::{self, left, right};
use super::names;
use crate::catalog::record::{Health, MemberState, Version};
use crate::fragment::id::ProviderId;

/// The answer of `ls`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Listing {
    /// What was asked for.
    prefix: String,
    /// In the order that was asked for.
    entries: Vec<Entry>,
}

impl Document for Listing {
    const SCHEMA: &'static str = "raic.ls/1";
}

/// An object, or all that is below a `/`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
struct Entry {
    /// Its name; ends with `/` if it stands for what is below.
    name: String,
    /// Objects.
    objects: u64,
    /// Bytes of the objects.
    bytes: u64,
    /// Bytes of fragments at the providers, if it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    stored: Option<u64>,
    /// The policy it was written under; the empty text below a `/`.
    policy: String,
    /// `ok`, `degraded`, `at risk` or `LOST`: the worst of them.
    health: &'static str,
    /// When it was modified, RFC 3339; the newest of them.
    modified: String,
    #[serde(skip)]
    modified_nanos: i64,
    #[serde(skip)]
    worst: u8,
}

/// The answer of `du`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Sums {
    /// What was asked for.
    prefix: String,
    /// One a name or `/` below the prefix.
    entries: Vec<Sum>,
    /// All together.
    total: Sum,
}

impl Document for Sums {
    const SCHEMA: &'static str = "raic.du/1";
}

/// Bytes of some objects.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
struct Sum {
    /// The name, or what they have in common.
    name: String,
    /// How many.
    objects: u64,
    /// Their bytes.
    bytes: u64,
    /// Bytes of their fragments at the providers.
    stored: u64,
}

/// The word for an object's health.
pub(crate) fn word(health: Health) -> &'static str {
    match health {
        Health::Whole => "ok",
        Health::Degraded => "degraded",
        Health::AtRisk => "at risk",
        Health::Lost => "LOST",
    }
}

fn rank(health: Health) -> u8 {
    match health {
        Health::Lost => 0,
        Health::AtRisk => 1,
        Health::Degraded => 2,
        Health::Whole => 3,
    }
}

pub(crate) async fn ls(args: &args::Ls, context: &Arc<Context>) -> Result<Exit, Failure> {
    let session = Session::open(context, For::Looking, &[]).await?;
    let versions = names::beginning_with(&session, &args.prefix).await?;
    let ailing = ailing(&session).await?;
    let mut objects = Vec::new();
    for version in versions {
        let health = ailing.get(&version.name).copied().unwrap_or(Health::Whole);
        if args.health && health == Health::Whole {
            continue;
        }
        let stored = if args.long {
            Some(stored(&session, &version).await?)
        } else {
            None
        };
        objects.push(entry(version, health, stored));
    }
    let mut entries = if args.recursive || args.health {
        objects
    } else {
        one_level(objects, &args.prefix)
    };
    sort(&mut entries, args.sort);
    if context.out.is_json() {
        context.out.document(&Listing {
            prefix: args.prefix.clone(),
            entries,
        })?;
        return Ok(Exit::Done);
    }
    if entries.is_empty() && !args.health {
        let nothing = if args.prefix.is_empty() {
            "nothing is stored yet"
        } else {
            "no object's name begins so"
        };
        context.out.aside(&format!("{nothing}\n"));
        return Ok(Exit::Done);
    }
    show(&entries, args.long, context)?;
    Ok(Exit::Done)
}

fn entry(version: Version, health: Health, stored: Option<u64>) -> Entry {
    Entry {
        objects: 1,
        bytes: version.len,
        stored,
        policy: version.policy,
        health: word(health),
        modified: rfc3339(version.modified),
        modified_nanos: version.modified,
        worst: rank(health),
        name: version.name,
    }
}

/// Objects that are not whole.
async fn ailing(session: &Session) -> Result<BTreeMap<String, Health>, Failure> {
    let ailing = session.store.catalog().ailing(&gone(session), usize::MAX >> 1).await?;
    Ok(ailing.into_iter().collect())
}

/// Members whose fragments don't count: they are gone for good.
pub(crate) fn gone(session: &Session) -> Vec<ProviderId> {
    let clouds = session.store.clouds();
    let gone = clouds
        .all()
        .filter(|cloud| matches!(cloud.member.state, MemberState::Lost | MemberState::Removed));
    gone.map(|cloud| cloud.member.id).collect()
}

/// Bytes of an object's fragments at the providers.
pub(crate) async fn stored(session: &Session, version: &Version) -> Result<u64, Failure> {
    let extents = session.store.catalog().extents(&version.name).await?;
    let bytes = extents
        .iter()
        .map(|piece| piece.extent.shape.fragment_len(piece.extent.header_len) * piece.fragments.len() as u64);
    Ok(bytes.sum())
}

/// What is below a further `/` becomes one entry.
fn one_level(objects: Vec<Entry>, prefix: &str) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    for object in objects {
        let Some(name) = below(&object.name, prefix) else {
            entries.push(object);
            continue;
        };
        match entries.iter_mut().rev().find(|entry| entry.name == name) {
            Some(entry) => {
                entry.objects += 1;
                entry.bytes += object.bytes;
                entry.stored = entry.stored.zip(object.stored).map(|(a, b)| a + b);
                if object.worst < entry.worst {
                    (entry.worst, entry.health) = (object.worst, object.health);
                }
                if object.modified_nanos > entry.modified_nanos {
                    (entry.modified_nanos, entry.modified) = (object.modified_nanos, object.modified);
                }
            }
            None => entries.push(Entry {
                name: name.to_owned(),
                policy: String::new(),
                ..object
            }),
        }
    }
    entries
}

/// The part of a name up to the first `/` behind the prefix; `None` without one.
fn below<'a>(name: &'a str, prefix: &str) -> Option<&'a str> {
    let slash = name[prefix.len()..].find('/')?;
    Some(&name[..=prefix.len() + slash])
}

fn sort(entries: &mut [Entry], by: Sort) {
    match by {
        Sort::Name => entries.sort_by(|a, b| a.name.cmp(&b.name)),
        Sort::Size => entries.sort_by_key(|entry| std::cmp::Reverse(entry.bytes)),
        Sort::Time => entries.sort_by_key(|entry| std::cmp::Reverse(entry.modified_nanos)),
        Sort::Health => entries.sort_by_key(|entry| entry.worst),
    }
}

fn show(entries: &[Entry], long: bool, context: &Context) -> Result<(), Failure> {
    let mut columns = vec![left("NAME"), right("SIZE")];
    if long {
        columns.extend([right("STORED").spare(2), left("POLICY").spare(3)]);
    }
    columns.extend([left("HEALTH"), left("MODIFIED").spare(1)]);
    let row = |entry: &Entry| {
        let mut row = vec![tame(&entry.name), size(entry.bytes)];
        if long {
            row.extend([entry.stored.map(size).unwrap_or_default(), entry.policy.clone()]);
        }
        row.extend([entry.health.to_owned(), local(entry.modified_nanos)]);
        row
    };
    let rows: Vec<Vec<String>> = entries.iter().map(row).collect();
    for line in table::lines(&columns, &rows, context.out.room()) {
        context.out.answer(&line)?;
    }
    Ok(())
}

pub(crate) async fn du(args: &args::Du, context: &Arc<Context>) -> Result<Exit, Failure> {
    let session = Session::open(context, For::Looking, &[]).await?;
    let mut sums: BTreeMap<String, Sum> = BTreeMap::new();
    let mut total = Sum {
        name: args.prefix.clone(),
        ..Sum::default()
    };
    for version in names::beginning_with(&session, &args.prefix).await? {
        let stored = stored(&session, &version).await?;
        let name = below(&version.name, &args.prefix).unwrap_or(&version.name);
        let sum = sums.entry(name.to_owned()).or_insert_with(|| Sum {
            name: name.to_owned(),
            ..Sum::default()
        });
        for sum in [sum, &mut total] {
            sum.objects += 1;
            sum.bytes += version.len;
            sum.stored += stored;
        }
    }
    let entries: Vec<Sum> = sums.into_values().collect();
    if context.out.is_json() {
        context.out.document(&Sums {
            prefix: args.prefix.clone(),
            entries,
            total,
        })?;
        return Ok(Exit::Done);
    }
    let columns = [right("SIZE"), right("STORED"), right("OBJECTS").spare(1), left("NAME")];
    let row = |sum: &Sum| {
        vec![
            size(sum.bytes),
            size(sum.stored),
            sum.objects.to_string(),
            tame(&sum.name),
        ]
    };
    let mut rows: Vec<Vec<String>> = entries.iter().map(row).collect();
    let named = format!("total, {}", count(total.objects, "object", "objects"));
    rows.push(row(&Sum { name: named, ..total }));
    for line in table::lines(&columns, &rows, context.out.room()) {
        context.out.answer(&line)?;
    }
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_level_ends_at_the_next_slash() {
        assert_eq!(below("a/b/c", ""), Some("a/"));
        assert_eq!(below("a/b/c", "a/"), Some("a/b/"));
        assert_eq!(below("a/b", "a/"), None);
        assert_eq!(below("abc/d", "ab"), Some("abc/"));
    }
}
