//! What care notes, in the catalog's file: tables `listed`, `examined`, `orphan` and `deed`, beside those of the objects.
//!
//! - `examined` follows `fragment` by the numbers of its key, without a reference: rows that point nowhere go at the next `enrol`. `since` is the order
//!   of looks: when the fragment was read last, or first noted. `read` is null until it was read.
//! - A file of an older schema that is only read has none of the tables: then nothing was noted yet.

use rusqlite::{Connection, OptionalExtension, params};

use crate::catalog::Answer;
use crate::catalog::diary::{Ailing, Bookmark, Deed, Diary, Listed, Orphan, Reach, Tracked, Unread, Ward};
use crate::catalog::record::{Fragment, FragmentState};
use crate::fragment::id::{ExtentId, ProviderId};

use super::SqliteCatalog;
use super::column::{self, get, number};
use super::extent::{self, ExtentRow};
use super::fault::{Done, Fault};
use super::fragment::{self, FragmentRow};
use super::health;

/// The statements that add the diary to a catalog.
pub(super) const TABLES: &str = include_str!("diary.sql");

/// `since` of what was never noted, in the order of looks.
const LAST: i64 = i64::MAX;

impl Diary for SqliteCatalog {
    fn listed(&self) -> Answer<'_, Vec<Listed>> {
        self.read(listed)
    }

    fn note_listed(&self, rows: Vec<Listed>) -> Answer<'_, ()> {
        self.write(move |conn| rows.iter().try_for_each(|row| note_listed(conn, row)))
    }

    fn ward(&self, ward: Ward) -> Answer<'_, Vec<Tracked>> {
        self.read(move |conn| tracked(conn, ward))
    }

    fn enrol(&self, now: i64) -> Answer<'_, ()> {
        self.write(move |conn| enrol(conn, now))
    }

    fn unread(&self, before: i64, after: Option<Bookmark>, limit: usize) -> Answer<'_, Vec<Unread>> {
        self.read(move |conn| unread(conn, before, after, limit))
    }

    fn note_read(&self, fragments: Vec<Fragment>, at: i64) -> Answer<'_, ()> {
        self.write(move |conn| fragments.iter().try_for_each(|fragment| note_read(conn, fragment, at)))
    }

    fn reach(&self) -> Answer<'_, Reach> {
        self.read(reach)
    }

    fn proved(&self, extent: ExtentId, since: i64) -> Answer<'_, Vec<u16>> {
        self.read(move |conn| proved(conn, extent, since))
    }

    fn note_orphans(&self, orphans: Vec<Orphan>) -> Answer<'_, ()> {
        self.write(move |conn| orphans.iter().try_for_each(|orphan| note_orphan(conn, orphan)))
    }

    fn forget_orphans(&self, orphans: Vec<Orphan>) -> Answer<'_, ()> {
        self.write(move |conn| {
            orphans.iter().try_for_each(|orphan| {
                let sql = "DELETE FROM orphan WHERE provider = ?1 AND key = ?2";
                conn.prepare_cached(sql)?
                    .execute(params![orphan.provider.0, orphan.key])?;
                Ok(())
            })
        })
    }

    fn orphans(&self) -> Answer<'_, Vec<Orphan>> {
        self.read(orphans)
    }

    fn queue(&self, away: &[ProviderId], limit: usize) -> Answer<'_, Vec<Ailing>> {
        let away = away.to_vec();
        self.read(move |conn| health::queue(conn, &away, limit))
    }

    fn note(&self, deed: Deed, at: i64) -> Answer<'_, ()> {
        self.write(move |conn| {
            let sql = "INSERT INTO deed VALUES (?1, ?2) ON CONFLICT DO UPDATE SET at = max(at, excluded.at)";
            conn.prepare_cached(sql)?.execute(params![deed as u8, at])?;
            Ok(())
        })
    }

    fn when(&self, deed: Deed) -> Answer<'_, Option<i64>> {
        self.read(move |conn| {
            if !is_kept(conn)? {
                return Ok(None);
            }
            let sql = "SELECT at FROM deed WHERE deed = ?1";
            Ok(conn
                .prepare_cached(sql)?
                .query_row([deed as u8], |row| row.get(0))
                .optional()?)
        })
    }
}

/// False in a file of an older schema, which has no diary.
fn is_kept(conn: &Connection) -> Done<bool> {
    let sql = "SELECT count(*) FROM sqlite_schema WHERE name = 'examined'";
    let tables: i64 = conn.prepare_cached(sql)?.query_row([], |row| row.get(0))?;
    Ok(tables > 0)
}

fn listed(conn: &Connection) -> Done<Vec<Listed>> {
    if !is_kept(conn)? {
        return Ok(Vec::new());
    }
    let mut statement = conn.prepare_cached("SELECT provider, ward, at FROM listed ORDER BY provider, ward")?;
    let mut rows = statement.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let ward = Ward::new(number(row, 1, "a ward")?);
        found.push(Listed {
            provider: ProviderId(get(row, 0)?),
            ward: ward.ok_or_else(|| Fault::Damaged("a ward is above 31".to_owned()))?,
            at: get(row, 2)?,
        });
    }
    Ok(found)
}

fn note_listed(conn: &Connection, row: &Listed) -> Done<()> {
    let sql = "INSERT INTO listed VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET at = max(at, excluded.at)";
    conn.prepare_cached(sql)?
        .execute(params![row.provider.0, row.ward.number(), row.at])?;
    Ok(())
}

/// A walk over all extents: an index by group would cost each put more than it saves here.
fn tracked(conn: &Connection, ward: Ward) -> Done<Vec<Tracked>> {
    let mut statement = conn.prepare_cached(&format!(
        "SELECT {} FROM extent e WHERE e.grouping >= ?1 AND (?2 IS NULL OR e.grouping < ?2)",
        extent::COLUMNS
    ))?;
    let from = [ward.number() << 3];
    let to = Ward::new(ward.number() + 1).map(|next| [next.number() << 3]);
    let mut rows = statement.query(params![from, to])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let row = ExtentRow::read(row, 0)?;
        let (doomed, live): (Vec<_>, Vec<_>) = fragment::all_of(conn, &row)?
            .into_iter()
            .partition(|fragment| fragment.due.is_some());
        let plain = |rows: Vec<FragmentRow>| rows.into_iter().map(|row| row.fragment).collect();
        found.push(Tracked {
            held: row.is_held(),
            extent: row.extent,
            fragments: plain(live),
            doomed: plain(doomed),
        });
    }
    Ok(found)
}

fn enrol(conn: &Connection, now: i64) -> Done<()> {
    conn.execute(
        "DELETE FROM examined WHERE NOT EXISTS (SELECT 1 FROM fragment f \
         WHERE f.extent = examined.extent AND f.idx = examined.idx AND f.copy = examined.copy AND f.due IS NULL)",
        [],
    )?;
    conn.execute(
        "INSERT OR IGNORE INTO examined SELECT f.extent, f.idx, f.copy, ?1, NULL \
         FROM fragment f JOIN extent e ON e.no = f.extent WHERE e.refs > 0 AND f.due IS NULL",
        [now],
    )?;
    Ok(())
}

fn unread(conn: &Connection, before: i64, after: Option<Bookmark>, limit: usize) -> Done<Vec<Unread>> {
    let (join, since) = if is_kept(conn)? {
        let join = "LEFT JOIN examined x ON x.extent = f.extent AND x.idx = f.idx AND x.copy = f.copy";
        (join, "coalesce(x.since, ?1)")
    } else {
        ("", "?1")
    };
    let mut statement = conn.prepare_cached(&format!(
        "SELECT {}, {}, {since} AS place FROM fragment f JOIN extent e ON e.no = f.extent \
         LEFT JOIN provider p ON p.no = f.provider {join} \
         WHERE e.refs > 0 AND f.due IS NULL AND f.state <> ?2 AND (place < ?3 OR place = ?1) \
         AND (place, e.no, f.idx, f.copy) > (?4, ?5, ?6, ?7) ORDER BY place, e.no, f.idx, f.copy LIMIT ?8",
        extent::COLUMNS,
        fragment::COLUMNS
    ))?;
    let from = after.unwrap_or(Bookmark {
        since: i64::MIN,
        extent: i64::MIN,
        index: i64::MIN,
        copy: i64::MIN,
    });
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let missing = FragmentState::Missing as u8;
    let mut rows = statement.query(params![
        LAST,
        missing,
        before,
        from.since,
        from.extent,
        from.index,
        from.copy,
        limit
    ])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let extent = ExtentRow::read(row, 0)?;
        let fragment = FragmentRow::read(row, extent::WIDTH, extent.no, extent.extent.id)?.fragment;
        let since: i64 = get(row, extent::WIDTH + fragment::WIDTH)?;
        found.push(Unread {
            mark: Bookmark {
                since,
                extent: extent.no,
                index: fragment.index.into(),
                copy: column::copy(fragment.copy),
            },
            since: (since != LAST).then_some(since),
            extent: extent.extent,
            fragment,
        });
    }
    Ok(found)
}

fn note_read(conn: &Connection, fragment: &Fragment, at: i64) -> Done<()> {
    let Some(extent) = extent::find(conn, fragment.extent)? else {
        return Ok(());
    };
    let sql = "INSERT INTO examined VALUES (?1, ?2, ?3, ?4, ?4) ON CONFLICT DO UPDATE SET \
               since = max(since, excluded.since), read = max(coalesce(read, excluded.read), excluded.read)";
    conn.prepare_cached(sql)?
        .execute(params![extent.no, fragment.index, column::copy(fragment.copy), at])?;
    Ok(())
}

fn reach(conn: &Connection) -> Done<Reach> {
    let held = "FROM fragment f JOIN extent e ON e.no = f.extent";
    let held_only = "WHERE e.refs > 0 AND f.due IS NULL AND f.state <> ?1";
    let missing = FragmentState::Missing as u8;
    let (join, read, oldest) = if is_kept(conn)? {
        let join = "LEFT JOIN examined x ON x.extent = f.extent AND x.idx = f.idx AND x.copy = f.copy";
        (join, "count(x.read)", "min(x.read)")
    } else {
        ("", "0", "NULL")
    };
    let mut statement = conn.prepare_cached(&format!("SELECT count(*), {read}, {oldest} {held} {join} {held_only}"))?;
    let mut rows = statement.query([missing])?;
    let row = rows
        .next()?
        .ok_or_else(|| Fault::Damaged("a count answers nothing".to_owned()))?;
    let (fragments, read): (u64, u64) = (number(row, 0, "a count")?, number(row, 1, "a count")?);
    let oldest: Option<i64> = get(row, 2)?;
    Ok(Reach {
        fragments,
        read,
        oldest: oldest.filter(|_| read == fragments),
    })
}

fn proved(conn: &Connection, id: ExtentId, since: i64) -> Done<Vec<u16>> {
    let Some(extent) = extent::find(conn, id)? else {
        return Ok(Vec::new());
    };
    let mut statement = conn.prepare_cached(
        "SELECT DISTINCT f.idx FROM fragment f JOIN examined x ON x.extent = f.extent AND x.idx = f.idx AND x.copy = f.copy \
         WHERE f.extent = ?1 AND f.due IS NULL AND f.state = ?2 AND x.read >= ?3 ORDER BY f.idx",
    )?;
    let mut rows = statement.query(params![extent.no, FragmentState::Sound as u8, since])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(number(row, 0, "the index of a fragment")?);
    }
    Ok(found)
}

fn note_orphan(conn: &Connection, orphan: &Orphan) -> Done<()> {
    let len = orphan.len.map(|len| column::stored(len, "a length")).transpose()?;
    let sql = "INSERT INTO orphan VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE SET seen = min(seen, excluded.seen)";
    conn.prepare_cached(sql)?
        .execute(params![orphan.provider.0, orphan.key, len, orphan.seen])?;
    Ok(())
}

fn orphans(conn: &Connection) -> Done<Vec<Orphan>> {
    if !is_kept(conn)? {
        return Ok(Vec::new());
    }
    let mut statement =
        conn.prepare_cached("SELECT provider, key, len, seen FROM orphan ORDER BY seen, provider, key")?;
    let mut rows = statement.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let len: Option<i64> = get(row, 2)?;
        found.push(Orphan {
            provider: ProviderId(get(row, 0)?),
            key: get(row, 1)?,
            len: len.map(|len| len.max(0).cast_unsigned()),
            seen: get(row, 3)?,
        });
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
