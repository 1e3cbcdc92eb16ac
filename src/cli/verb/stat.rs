//! `raic stat`: one object, its extents, and where each fragment is.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use super::super::Context;
use super::super::args;
use super::super::error::{Failure, tame};
use super::super::exit::Exit;
use super::super::ground::{For, Session};
use super::super::output::Document;
use super::super::quantity::{count, local, rfc3339, size};
use super::super::table::{self, left, right};
use super::{ls, names};
use crate::catalog::record::{FragmentState, Piece, Version};

/// Extents whose fragments are shown one by one without being asked for.
const FEW: usize = 2;

/// The answer.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Sheet {
    /// The object.
    name: String,
    /// Its length.
    bytes: u64,
    /// Bytes of its fragments at the providers.
    stored: u64,
    /// The policy it was written under.
    policy: String,
    /// Data chunks.
    k: u16,
    /// Parity chunks.
    m: u16,
    /// `ok`, `degraded`, `at risk` or `LOST`.
    health: &'static str,
    /// When it was modified, RFC 3339.
    modified: String,
    /// The version.
    generation: String,
    /// Keyed digest of the data, in hexadecimal.
    digest: String,
    /// Data extents, then manifests.
    extents: Vec<ExtentSheet>,
}

impl Document for Sheet {
    const SCHEMA: &'static str = "raic.stat/1";
}

/// One extent.
#[derive(Debug, Serialize, JsonSchema)]
struct ExtentSheet {
    /// Its id.
    id: String,
    /// `data` or `manifest`.
    kind: &'static str,
    /// Where it begins in the object.
    offset: u64,
    /// Bytes of the object that it holds.
    bytes: u64,
    /// Its fragments, by index.
    fragments: Vec<FragmentSheet>,
}

/// One fragment.
#[derive(Debug, Serialize, JsonSchema)]
struct FragmentSheet {
    /// Which of the n.
    index: u16,
    /// Its provider.
    provider: String,
    /// `sound`, `damaged`, `missing` or `unconfirmed`.
    state: &'static str,
    /// Its length.
    bytes: u64,
    /// Its key at the provider.
    key: String,
}

pub(crate) async fn run(args: &args::Stat, context: &Arc<Context>) -> Result<Exit, Failure> {
    let session = Session::open(context, For::Looking, &[]).await?;
    let version = names::select(&session, &args.name, false).await?.remove(0);
    let sheet = sheet(&session, version.clone()).await?;
    if context.out.is_json() {
        context.out.document(&sheet)?;
    } else {
        show(&sheet, &version, args.long, context)?;
    }
    Ok(Exit::Done)
}

async fn sheet(session: &Session, version: Version) -> Result<Sheet, Failure> {
    let pieces = session.store.catalog().extents(&version.name).await?;
    let gone = ls::gone(session);
    let counts = |piece: &Piece| {
        let mut sound: Vec<u16> = piece
            .fragments
            .iter()
            .filter(|f| f.state == FragmentState::Sound && !gone.contains(&f.provider))
            .map(|f| f.index)
            .collect();
        sound.sort_unstable();
        sound.dedup();
        let extent = &piece.extent;
        match u16::try_from(sound.len()).unwrap_or(u16::MAX) {
            sound if sound >= extent.shape.n => (3, "ok"),
            sound if sound >= extent.quorum => (2, "degraded"),
            sound if sound >= extent.shape.k => (1, "at risk"),
            _ => (0, "LOST"),
        }
    };
    let (_, health) = pieces.iter().map(counts).min().unwrap_or((3, "ok"));
    let (k, n) = pieces
        .first()
        .map_or((0, 0), |piece| (piece.extent.shape.k, piece.extent.shape.n));
    Ok(Sheet {
        bytes: version.len,
        stored: ls::stored(session, &version).await?,
        policy: version.policy,
        k,
        m: n - k,
        health,
        modified: rfc3339(version.modified),
        generation: version.generation.to_string(),
        digest: data_encoding::HEXLOWER.encode(&version.digest),
        extents: pieces.iter().map(|piece| extent(session, piece)).collect(),
        name: version.name,
    })
}

fn extent(session: &Session, piece: &Piece) -> ExtentSheet {
    let clouds = session.store.clouds();
    let extent = &piece.extent;
    let fragment = |f: &crate::catalog::record::Fragment| FragmentSheet {
        index: f.index,
        provider: clouds
            .get(f.provider)
            .map_or_else(|| f.provider.to_string(), |cloud| cloud.member.name.clone()),
        state: match f.state {
            FragmentState::Sent => "unconfirmed",
            FragmentState::Sound => "sound",
            FragmentState::Damaged => "damaged",
            FragmentState::Missing => "missing",
        },
        bytes: extent.shape.fragment_len(extent.header_len),
        key: crate::store::send::blob_key(session.store.keys(), extent, f.index, f.copy),
    };
    ExtentSheet {
        id: extent.id.to_string(),
        kind: if piece.len > 0 || extent.kind == crate::fragment::id::Kind::RootData {
            "data"
        } else {
            "manifest"
        },
        offset: piece.offset,
        bytes: piece.len,
        fragments: piece.fragments.iter().map(fragment).collect(),
    }
}

fn show(sheet: &Sheet, version: &Version, long: bool, context: &Context) -> Result<(), Failure> {
    let out = &context.out;
    out.answer(&format!(
        "{}  {}, {}",
        tame(&sheet.name),
        size(sheet.bytes),
        sheet.health
    ))?;
    let (k, m) = (sheet.k, sheet.m);
    out.answer(&format!(
        "policy    {} ({k}+{m}), {} at the providers",
        sheet.policy,
        size(sheet.stored)
    ))?;
    out.answer(&format!("modified  {}", local(version.modified)))?;
    out.answer(&format!("version   {}", sheet.generation))?;
    out.answer(&format!("digest    {}", sheet.digest))?;
    out.answer(&format!("extents   {}", sheet.extents.len()))?;
    out.answer("")?;
    let lines = if long || sheet.extents.len() <= FEW {
        each(sheet, out.room())
    } else {
        by_provider(sheet, out.room())
    };
    lines.iter().try_for_each(|line| out.answer(line))
}

fn each(sheet: &Sheet, room: Option<usize>) -> Vec<String> {
    let columns = [
        left("EXTENT").spare(2),
        right("INDEX"),
        left("PROVIDER"),
        left("STATE"),
        right("SIZE"),
        left("KEY").spare(3),
    ];
    let row = |extent: &ExtentSheet, f: &FragmentSheet| {
        let index = f.index.to_string();
        vec![
            extent.id[..8].to_owned(),
            index,
            f.provider.clone(),
            f.state.to_owned(),
            size(f.bytes),
            f.key.clone(),
        ]
    };
    let rows: Vec<Vec<String>> = sheet
        .extents
        .iter()
        .flat_map(|e| e.fragments.iter().map(move |f| row(e, f)))
        .collect();
    table::lines(&columns, &rows, room)
}

fn by_provider(sheet: &Sheet, room: Option<usize>) -> Vec<String> {
    let mut sums: BTreeMap<&str, (u64, u64, u64)> = BTreeMap::new();
    for fragment in sheet.extents.iter().flat_map(|extent| &extent.fragments) {
        let sum = sums.entry(&fragment.provider).or_default();
        *sum = (
            sum.0 + 1,
            sum.1 + fragment.bytes,
            sum.2 + u64::from(fragment.state != "sound"),
        );
    }
    let columns = [left("PROVIDER"), right("FRAGMENTS"), right("SIZE"), left("NOT SOUND")];
    let row = |(name, (fragments, bytes, wrong)): (&str, (u64, u64, u64))| {
        vec![
            name.to_owned(),
            fragments.to_string(),
            size(bytes),
            count(wrong, "fragment", "fragments"),
        ]
    };
    let rows: Vec<Vec<String>> = sums.into_iter().map(row).collect();
    table::lines(&columns, &rows, room)
}
