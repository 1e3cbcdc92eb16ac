//! What a rebuild found on the clouds becomes rows: versions that count, and the names of those that may.

use std::collections::BTreeMap;

use rusqlite::Connection;

use crate::catalog::FOUND_GRACE;
use crate::catalog::record::{Commit, Condition, EpochRow, Extent, Found, Fragment, Waiting};

use super::commit::{check_places, replace_head};
use super::debt;
use super::extent::{self, ExtentRow};
use super::fault::{Done, Fault};
use super::fragment;
use super::generation::{self, GenerationRow};
use super::head;
use super::schema::{AWAITING, ISSUED, OPEN, OWES_VOID, SETTLED};

/// See [`crate::catalog::Catalog::adopt`].
pub(super) fn adopt(conn: &Connection, all: &[Found], now: i64) -> Done<()> {
    all.iter().try_for_each(|found| adopt_one(conn, found, now))
}

fn adopt_one(conn: &Connection, found: &Found, now: i64) -> Done<()> {
    let version = &found.version;
    let old = head::find(conn, &version.name)?;
    if old
        .as_ref()
        .is_some_and(|old| old.version.generation >= version.generation)
    {
        return Ok(());
    }
    let begun = generation::find(conn, version.generation)?;
    if begun.is_some_and(|row| row.state == OWES_VOID || row.state == SETTLED) {
        return Ok(());
    }
    let mut named = BTreeMap::new();
    for (extent, fragments) in &found.extents {
        named.insert(extent.id, known(conn, extent, fragments)?);
    }
    let commit = Commit {
        version: version.clone(),
        condition: Condition::Any,
        places: found.places.clone(),
        others: found.others.clone(),
        digests: Vec::new(),
        fragments: Vec::new(),
        now,
        doom_at: now.saturating_add(FOUND_GRACE),
    };
    check_places(&commit)?;
    let mut all = commit
        .places
        .iter()
        .map(|place| place.extent)
        .chain(commit.others.iter().copied());
    if let Some(lost) = all.find(|id| !named.contains_key(id)) {
        return Err(Fault::rule(format!("extent {lost} of a found version was not found")));
    }
    replace_head(conn, &commit, old, named).map(|_| ())
}

/// The row of an extent with its fragments, written if it isn't there. What had retired lives again, with all its fragments: the clouds say that
/// it counts. A copy that a move left behind in an extent that lives goes all the same, listed or not.
fn known(conn: &Connection, extent: &Extent, fragments: &[Fragment]) -> Done<ExtentRow> {
    let mut row = match extent::find(conn, extent.id)? {
        Some(row) => row,
        None => extent::insert(conn, extent)?,
    };
    if !row.is_held() && row.extent.digest == [0; 32] {
        row.extent.digest = extent.digest;
    }
    if row.extent != *extent {
        return Err(Fault::rule(format!("extent {} was found in two forms", extent.id)));
    }
    if row.retired_at.take().is_some() {
        for mut there in fragment::all_of(conn, &row)? {
            there.due = None;
            there.save(conn)?;
        }
        row.save(conn)?;
    }
    for found in fragments {
        if fragment::find(conn, &row, found)?.is_none() {
            fragment::insert(conn, &row, found)?;
        }
    }
    debt::review(conn, &row)?;
    Ok(row)
}

/// See [`crate::catalog::Catalog::await_providers`].
pub(super) fn await_providers(conn: &Connection, waiting: &[Waiting]) -> Done<()> {
    conn.execute("DELETE FROM generation WHERE state IN (?1, ?2)", [AWAITING, ISSUED])?;
    for version in waiting {
        let name = match generation::find(conn, version.generation)? {
            None => version.name.clone(),
            Some(row) if row.state == OPEN => {
                extent::forget_intended(conn, row.generation)?;
                row.name
            }
            Some(_) => continue,
        };
        let row = GenerationRow {
            generation: version.generation,
            name,
            policy: String::new(),
            condition: Condition::Any,
            state: AWAITING,
            root: None,
        };
        row.save(conn)?;
    }
    Ok(())
}

/// See [`crate::catalog::Catalog::awaited`].
pub(super) fn awaited(conn: &Connection) -> Done<Vec<Waiting>> {
    let mut found = Vec::new();
    for row in generation::in_state(conn, AWAITING)? {
        let head = head::find(conn, &row.name)?;
        if head.is_none_or(|head| head.version.generation < row.generation) {
            found.push(Waiting {
                name: row.name,
                generation: row.generation,
            });
        }
    }
    Ok(found)
}

/// See [`crate::catalog::Catalog::learn_epochs`].
pub(super) fn learn_epochs(conn: &Connection, epochs: &[EpochRow]) -> Done<()> {
    epochs.iter().try_for_each(|row| generation::learn_epoch(conn, *row))
}
