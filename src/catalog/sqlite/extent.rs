//! Rows of extents: found, read and checked, counted, retired.

use rusqlite::{CachedStatement, Connection, Row, params};

use crate::catalog::record::Extent;
use crate::fragment::id::{ExtentId, Generation, Group, Kind};
use crate::stripe::geometry::Shape;

use super::column::{self, get, number};
use super::debt;
use super::fault::{Done, Fault};
use super::fragment;
use super::generation;
use super::schema::NEVER_HELD;
use super::sum::Sum;

/// The columns that [`ExtentRow::read`] takes, in its order.
pub(super) const COLUMNS: &str = "e.no, e.id, e.grouping, e.generation, e.kind, e.key_id, e.sealed, e.k, e.n, e.chunk_len, e.overhead, \
     e.payload_len, e.quorum, e.header_len, e.salt, e.digest, e.refs, e.retired_at, e.sum";

/// How many columns that is.
pub(super) const WIDTH: usize = 19;

/// An extent with what the catalog counts of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ExtentRow {
    pub(super) no: i64,
    pub(super) extent: Extent,
    /// Places that name it.
    pub(super) refs: i64,
    /// When the last of them went.
    pub(super) retired_at: Option<i64>,
}

impl ExtentRow {
    /// Reads [`COLUMNS`] of a row from column `at` on.
    pub(super) fn read(row: &Row<'_>, at: usize) -> Done<ExtentRow> {
        let read = ExtentRow {
            no: get(row, at)?,
            extent: Extent {
                id: ExtentId(get(row, at + 1)?),
                group: Group(get(row, at + 2)?),
                generation: column::get_generation(row, at + 3)?,
                kind: column::get_kind(row, at + 4)?,
                key_id: number(row, at + 5, "a key id")?,
                sealed: get::<i64>(row, at + 6)? != 0,
                shape: Shape {
                    k: number(row, at + 7, "k")?,
                    n: number(row, at + 8, "n")?,
                    chunk_len: number(row, at + 9, "a chunk length")?,
                    overhead: number(row, at + 10, "an overhead")?,
                    payload_len: number(row, at + 11, "a payload length")?,
                },
                quorum: number(row, at + 12, "a quorum")?,
                header_len: number(row, at + 13, "a header length")?,
                salt: get(row, at + 14)?,
                digest: get(row, at + 15)?,
            },
            refs: get(row, at + 16)?,
            retired_at: get(row, at + 17)?,
        };
        if get::<i64>(row, at + 18)? != read.sum() {
            return Err(Fault::Damaged(format!(
                "the row of extent {} fails its checksum",
                read.extent.id
            )));
        }
        Ok(read)
    }

    fn sum(&self) -> i64 {
        let extent = &self.extent;
        let shape = &extent.shape;
        let lens = [u64::from(shape.chunk_len), u64::from(shape.overhead), shape.payload_len];
        let counts = [shape.k, shape.n, extent.quorum, extent.header_len];
        let mut sum = Sum::of("extent")
            .int(self.no)
            .bytes(&extent.id.0)
            .bytes(&extent.group.0)
            .bytes(&column::generation(extent.generation))
            .bytes(&[extent.kind as u8, u8::from(extent.sealed)])
            .int(extent.key_id.into())
            .bytes(&extent.salt)
            .bytes(&extent.digest)
            .int(self.refs)
            .maybe(self.retired_at);
        for len in lens {
            sum = sum.bytes(&len.to_le_bytes());
        }
        for count in counts {
            sum = sum.int(count.into());
        }
        sum.finish()
    }

    /// True if a version holds it.
    pub(super) fn is_held(&self) -> bool {
        self.refs > 0
    }

    /// True if it was written for a version that is still to come, of this generation.
    pub(super) fn is_intended_by(&self, generation: Generation) -> bool {
        self.refs == 0
            && self.retired_at.is_none()
            && self.extent.generation == generation
            && self.extent.kind != Kind::Void
    }

    /// Writes what changed: references, retirement and digest.
    pub(super) fn save(&self, conn: &Connection) -> Done<()> {
        let changed = conn
            .prepare_cached("UPDATE extent SET digest = ?2, refs = ?3, retired_at = ?4, sum = ?5 WHERE no = ?1")?
            .execute(params![
                self.no,
                self.extent.digest,
                self.refs,
                self.retired_at,
                self.sum()
            ])?;
        assert_eq!(changed, 1, "the row was read in this transaction");
        Ok(())
    }

    /// No version holds it any more, or ever will: it retires, and what is left of it is due at `due`.
    pub(super) fn retire(mut self, conn: &Connection, retired_at: i64, due: i64) -> Done<()> {
        self.refs = 0;
        self.retired_at = Some(retired_at);
        self.save(conn)?;
        debt::forget(conn, &self)?;
        let fragments = fragment::all_of(conn, &self)?;
        for mut fragment in fragments {
            if fragment.due.is_none() {
                fragment.due = Some(due);
                fragment.save(conn)?;
            }
        }
        self.remove_if_done(conn)
    }

    /// Forgets a retired extent of which nothing is left and that nothing needs.
    pub(super) fn remove_if_done(&self, conn: &Connection) -> Done<()> {
        let done = self.retired_at.is_some()
            && fragment::all_of(conn, self)?.is_empty()
            && !generation::needs(conn, &self.extent)?;
        if done {
            conn.prepare_cached("DELETE FROM extent WHERE no = ?1")?
                .execute([self.no])?;
        }
        Ok(())
    }
}

/// The extent of this id.
pub(super) fn find(conn: &Connection, id: ExtentId) -> Done<Option<ExtentRow>> {
    let mut statement = select(conn, "WHERE e.id = ?1")?;
    let mut rows = statement.query(params![id.0])?;
    rows.next()?.map(|row| ExtentRow::read(row, 0)).transpose()
}

/// The extents of a generation that no version holds, voids and retired ones included, in the order in which they were intended.
pub(super) fn unheld(conn: &Connection, generation: Generation) -> Done<Vec<ExtentRow>> {
    let mut statement = select(
        conn,
        "INDEXED BY extent_unheld WHERE e.generation = ?1 AND e.refs = 0 ORDER BY e.no",
    )?;
    let mut rows = statement.query(params![column::generation(generation)])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(ExtentRow::read(row, 0)?);
    }
    Ok(found)
}

/// Retires what a generation wrote and no version will ever name; its voids stay.
pub(super) fn retire_intended(conn: &Connection, generation: Generation, due: i64) -> Done<()> {
    for row in unheld(conn, generation)? {
        if row.is_intended_by(generation) {
            row.retire(conn, NEVER_HELD, due)?;
        }
    }
    Ok(())
}

/// Forgets what a generation wrote for a version still to come, with all its fragments, and deletes nothing.
pub(super) fn forget_intended(conn: &Connection, generation: Generation) -> Done<()> {
    for row in unheld(conn, generation)? {
        if row.is_intended_by(generation) {
            for fragment in fragment::all_of(conn, &row)? {
                fragment.remove(conn)?;
            }
            conn.prepare_cached("DELETE FROM extent WHERE no = ?1")?
                .execute([row.no])?;
        }
    }
    Ok(())
}

/// Adds an extent that nothing names yet; its id must be new and its shape a possible one.
pub(super) fn insert(conn: &Connection, extent: &Extent) -> Done<ExtentRow> {
    extent.shape.check().map_err(|error| Fault::rule(error.to_string()))?;
    let payload_len = column::stored(extent.shape.payload_len, "a payload length")?;
    let no = conn
        .prepare_cached("SELECT coalesce(max(no), 0) + 1 FROM extent")?
        .query_row([], |row| row.get(0))?;
    let row = ExtentRow {
        no,
        extent: extent.clone(),
        refs: 0,
        retired_at: None,
    };
    conn.prepare_cached(
        "INSERT INTO extent VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, 0, NULL, ?18)",
    )?
    .execute(params![
        no,
        extent.id.0,
        extent.group.0,
        column::generation(extent.generation),
        extent.kind as u8,
        extent.key_id,
        extent.sealed,
        extent.shape.k,
        extent.shape.n,
        extent.shape.chunk_len,
        extent.shape.overhead,
        payload_len,
        extent.quorum,
        extent.header_len,
        extent.salt,
        extent.digest,
        column::stored(extent.shape.fragment_len(extent.header_len), "a fragment length")?,
        row.sum(),
    ])?;
    Ok(row)
}

fn select<'conn>(conn: &'conn Connection, rest: &str) -> Done<CachedStatement<'conn>> {
    Ok(conn.prepare_cached(&format!("SELECT {COLUMNS} FROM extent e {rest}"))?)
}
