//! Debts: extents that were committed before all their fragments were confirmed. A row comes with the commit and goes when the extent is whole, or retires.

use rusqlite::{Connection, params};

use crate::catalog::record::{Debt, FragmentState};
use crate::fragment::id::ExtentId;

use super::column::{self, get};
use super::extent::ExtentRow;
use super::fault::Done;

/// Notes that an extent is owed fragments since then, unless it is whole or was noted before.
pub(super) fn open(conn: &Connection, extent: &ExtentRow, object: i64, since: i64) -> Done<()> {
    if !is_whole(conn, extent)? {
        conn.prepare_cached("INSERT OR IGNORE INTO debt VALUES (?1, ?2, ?3)")?
            .execute(params![extent.no, object, since])?;
    }
    Ok(())
}

/// The fragments of an extent changed: forgets what is paid.
pub(super) fn review(conn: &Connection, extent: &ExtentRow) -> Done<()> {
    let owed = conn
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM debt WHERE extent = ?1)")?
        .query_row([extent.no], |row| row.get(0))?;
    if owed && is_whole(conn, extent)? {
        forget(conn, extent)?;
    }
    Ok(())
}

/// Nobody needs the extent any more.
pub(super) fn forget(conn: &Connection, extent: &ExtentRow) -> Done<()> {
    conn.prepare_cached("DELETE FROM debt WHERE extent = ?1")?
        .execute([extent.no])?;
    Ok(())
}

/// See [`crate::catalog::Catalog::debts`].
pub(super) fn all(conn: &Connection, limit: usize) -> Done<Vec<Debt>> {
    let mut statement = conn.prepare_cached(
        "SELECT o.name, e.id, d.since FROM debt d JOIN object o ON o.no = d.object JOIN extent e ON e.no = d.extent \
         ORDER BY d.since, e.id LIMIT ?1",
    )?;
    let mut rows = statement.query([i64::try_from(limit).unwrap_or(i64::MAX)])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(Debt {
            name: column::get_name(row, 0)?,
            extent: ExtentId(get(row, 1)?),
            since: get(row, 2)?,
        });
    }
    Ok(found)
}

/// How many there are, and since when the oldest is.
pub(super) fn count(conn: &Connection) -> Done<(u64, Option<i64>)> {
    let read = conn
        .prepare_cached("SELECT count(*), min(since) FROM debt")?
        .query_row([], |row| Ok((row.get::<_, i64>(0)?, row.get(1)?)))?;
    Ok((read.0.max(0).cast_unsigned(), read.1))
}

/// True if every index has a sound fragment that stays.
fn is_whole(conn: &Connection, extent: &ExtentRow) -> Done<bool> {
    let sound: i64 = conn
        .prepare_cached("SELECT count(DISTINCT idx) FROM fragment WHERE extent = ?1 AND state = ?2 AND due IS NULL")?
        .query_row(params![extent.no, FragmentState::Sound as u8], |row| row.get(0))?;
    Ok(sound >= i64::from(extent.extent.shape.n))
}
