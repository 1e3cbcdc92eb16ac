//! Rows of objects and of their places: the head of each name and what it holds.

use std::collections::BTreeMap;

use rusqlite::{CachedStatement, Connection, Row, params};

use crate::catalog::record::Version;
use crate::fragment::id::{ExtentId, Generation, Kind};

use super::column::{self, get, number};
use super::extent::{self, ExtentRow};
use super::fault::{Done, Fault};
use super::schema::NO_DATA;
use super::sum::Sum;

const COLUMNS: &str = "o.no, o.name, o.generation, o.kind, o.root, o.len, o.modified, o.policy, o.digest, o.sum";

/// A head with the number of its object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct HeadRow {
    pub(super) no: i64,
    pub(super) version: Version,
}

impl HeadRow {
    fn read(row: &Row<'_>) -> Done<HeadRow> {
        let read = HeadRow {
            no: get(row, 0)?,
            version: Version {
                name: column::get_name(row, 1)?,
                generation: column::get_generation(row, 2)?,
                kind: column::get_kind(row, 3)?,
                root: ExtentId(get(row, 4)?),
                len: number(row, 5, "the length of an object")?,
                modified: get(row, 6)?,
                policy: get(row, 7)?,
                digest: get(row, 8)?,
            },
        };
        if get::<i64>(row, 9)? != sum(read.no, &read.version) {
            return Err(Fault::Damaged(format!(
                "the head of object {:?} fails its checksum",
                read.version.name
            )));
        }
        Ok(read)
    }
}

fn sum(no: i64, version: &Version) -> i64 {
    Sum::of("object")
        .int(no)
        .bytes(version.name.as_bytes())
        .bytes(&column::generation(version.generation))
        .int(version.kind as i64)
        .bytes(&version.root.0)
        .bytes(&version.len.to_le_bytes())
        .int(version.modified)
        .bytes(version.policy.as_bytes())
        .bytes(&version.digest)
        .finish()
}

/// The head of a name, removals included.
pub(super) fn find(conn: &Connection, name: &str) -> Done<Option<HeadRow>> {
    let mut statement = select(conn, "WHERE o.name = ?1")?;
    let mut rows = statement.query(params![name.as_bytes()])?;
    rows.next()?.map(HeadRow::read).transpose()
}

/// The name whose head is this generation.
pub(super) fn name_at(conn: &Connection, generation: Generation) -> Done<Option<String>> {
    let mut statement = conn.prepare_cached("SELECT name FROM object WHERE generation = ?1")?;
    let mut rows = statement.query(params![column::generation(generation)])?;
    rows.next()?.map(|row| column::get_name(row, 0)).transpose()
}

/// Heads that are not removals: names that begin with `prefix` and are above `after`, in byte order.
pub(super) fn list(conn: &Connection, prefix: &str, after: Option<&str>, limit: usize) -> Done<Vec<Version>> {
    let above = after.filter(|after| *after >= prefix);
    let lower = above.unwrap_or(prefix).as_bytes();
    let compare = if above.is_some() { ">" } else { ">=" };
    let mut statement = select(
        conn,
        &format!("WHERE o.name {compare} ?1 AND o.name < ?2 AND o.kind <> ?3 ORDER BY o.name LIMIT ?4"),
    )?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut rows = statement.query(params![lower, behind(prefix), Kind::Tombstone as u8, limit])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(HeadRow::read(row)?.version);
    }
    Ok(found)
}

/// The first byte string behind all those that begin with `prefix`. No name holds the byte 255, so there is always one.
fn behind(prefix: &str) -> Vec<u8> {
    let mut end = prefix.as_bytes().to_vec();
    match end.last_mut() {
        Some(last) => *last += 1,
        None => end.push(u8::MAX),
    }
    end
}

/// Makes `version` the head of its name; `no` is its object's number if the name has a head already. Answers the number.
pub(super) fn save(conn: &Connection, no: Option<i64>, version: &Version) -> Done<i64> {
    let len = column::stored(version.len, "the length of an object")?;
    let no = match no {
        Some(no) => no,
        None => conn
            .prepare_cached("SELECT coalesce(max(no), 0) + 1 FROM object")?
            .query_row([], |row| row.get(0))?,
    };
    conn.prepare_cached(
        "INSERT INTO object VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT (no) DO UPDATE SET \
         generation = ?3, kind = ?4, root = ?5, len = ?6, modified = ?7, policy = ?8, digest = ?9, sum = ?10",
    )?
    .execute(params![
        no,
        version.name.as_bytes(),
        column::generation(version.generation),
        version.kind as u8,
        version.root.0,
        len,
        version.modified,
        version.policy,
        version.digest,
        sum(no, version)
    ])?;
    Ok(no)
}

/// Where in an object an extent stands: its first byte, or [`NO_DATA`], and its place in the commit's list.
pub(super) type Seat = (i64, i64);

/// What stands at a seat: bytes of the object, and the extent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) len: i64,
    pub(super) extent_no: i64,
    pub(super) id: ExtentId,
}

/// All that an object's head holds. Rows that contradict themselves are errors.
pub(super) fn held(conn: &Connection, object: i64) -> Done<BTreeMap<Seat, Held>> {
    let mut found = BTreeMap::new();
    for (seat, len, extent) in places(conn, object, NO_DATA..=i64::MAX)? {
        let held = Held {
            len,
            extent_no: extent.no,
            id: extent.extent.id,
        };
        found.insert(seat, held);
    }
    Ok(found)
}

/// The seats of an object whose first byte lies in `starts`, in order, with their lengths and extents.
pub(super) fn places(
    conn: &Connection,
    object: i64,
    starts: std::ops::RangeInclusive<i64>,
) -> Done<Vec<(Seat, i64, ExtentRow)>> {
    let mut statement = conn.prepare_cached(&format!(
        "SELECT l.start, l.ordinal, l.len, l.extent, l.sum, {} FROM place l LEFT JOIN extent e ON e.no = l.extent \
         WHERE l.object = ?1 AND l.start BETWEEN ?2 AND ?3 ORDER BY l.start, l.ordinal",
        extent::COLUMNS
    ))?;
    let mut rows = statement.query(params![object, starts.start(), starts.end()])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let seat: Seat = (get(row, 0)?, get(row, 1)?);
        let len = get(row, 2)?;
        let extent = ExtentRow::read(row, 5)?;
        if get::<i64>(row, 4)? != place_sum(object, seat, len, extent.extent.id) {
            return Err(Fault::Damaged(format!(
                "the row that places extent {} in its object fails its checksum",
                extent.extent.id
            )));
        }
        found.push((seat, len, extent));
    }
    Ok(found)
}

/// Where the data extent begins that holds the object's byte `from`, or the first after it.
pub(super) fn start_of(conn: &Connection, object: i64, from: i64) -> Done<i64> {
    let start: Option<i64> = conn
        .prepare_cached("SELECT max(start) FROM place WHERE object = ?1 AND start BETWEEN 0 AND ?2")?
        .query_row(params![object, from], |row| row.get(0))?;
    Ok(start.unwrap_or(0))
}

/// Makes the places of an object `new` where they are `old`; only rows that differ are written.
pub(super) fn replace(
    conn: &Connection,
    object: i64,
    old: &BTreeMap<Seat, Held>,
    new: &BTreeMap<Seat, Held>,
) -> Done<()> {
    for (seat, _) in old.iter().filter(|(seat, held)| new.get(seat) != Some(held)) {
        conn.prepare_cached("DELETE FROM place WHERE object = ?1 AND start = ?2 AND ordinal = ?3")?
            .execute(params![object, seat.0, seat.1])?;
    }
    for (seat, held) in new.iter().filter(|(seat, held)| old.get(seat) != Some(held)) {
        let sum = place_sum(object, *seat, held.len, held.id);
        conn.prepare_cached("INSERT INTO place VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
            .execute(params![object, seat.0, seat.1, held.len, held.extent_no, sum])?;
    }
    Ok(())
}

fn place_sum(object: i64, seat: Seat, len: i64, id: ExtentId) -> i64 {
    let sum = Sum::of("place").int(object).int(seat.0).int(seat.1);
    sum.int(len).bytes(&id.0).finish()
}

fn select<'conn>(conn: &'conn Connection, rest: &str) -> Done<CachedStatement<'conn>> {
    Ok(conn.prepare_cached(&format!("SELECT {COLUMNS} FROM object o {rest}"))?)
}
