//! Rows of fragments: found, read and checked, changed, doomed.

use rusqlite::{CachedStatement, Connection, Row, params};

use crate::catalog::record::{Fragment, FragmentState};
use crate::fragment::id::{ExtentId, ProviderId};

use super::column::{self, get, number};
use super::extent::ExtentRow;
use super::fault::{Done, Fault};
use super::sum::Sum;

/// The columns that [`FragmentRow::read`] takes, in its order.
pub(super) const COLUMNS: &str = "f.idx, f.copy, f.provider, p.id, f.state, f.due, f.sum";

/// How many columns that is.
pub(super) const WIDTH: usize = 7;

/// A fragment with what the catalog keeps of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FragmentRow {
    extent_no: i64,
    pub(super) fragment: Fragment,
    /// When it may be deleted, if it is doomed.
    pub(super) due: Option<i64>,
}

impl FragmentRow {
    /// Reads [`COLUMNS`] of a row from column `at` on; a fragment of the extent `id`, number `extent_no`.
    pub(super) fn read(row: &Row<'_>, at: usize, extent_no: i64, id: ExtentId) -> Done<FragmentRow> {
        let read = FragmentRow {
            extent_no,
            fragment: Fragment {
                extent: id,
                index: number(row, at, "the index of a fragment")?,
                copy: column::copy_back(get(row, at + 1)?),
                provider: ProviderId(get(row, at + 3)?),
                state: column::get_state(row, at + 4)?,
            },
            due: get(row, at + 5)?,
        };
        if get::<i64>(row, at + 6)? != read.sum() {
            return Err(Fault::Damaged(format!(
                "the row of fragment {} of extent {id} fails its checksum",
                read.fragment.index
            )));
        }
        Ok(read)
    }

    fn sum(&self) -> i64 {
        Sum::of("fragment")
            .bytes(&self.fragment.extent.0)
            .int(self.fragment.index.into())
            .int(column::copy(self.fragment.copy))
            .bytes(&self.fragment.provider.0)
            .int(self.fragment.state as i64)
            .maybe(self.due)
            .finish()
    }

    /// Writes what changed: state and doom.
    pub(super) fn save(&self, conn: &Connection) -> Done<()> {
        let changed = conn
            .prepare_cached(
                "UPDATE fragment SET state = ?4, due = ?5, sum = ?6 WHERE extent = ?1 AND idx = ?2 AND copy = ?3",
            )?
            .execute(params![
                self.extent_no,
                self.fragment.index,
                column::copy(self.fragment.copy),
                self.fragment.state as u8,
                self.due,
                self.sum()
            ])?;
        assert_eq!(changed, 1, "the row was read in this transaction");
        Ok(())
    }

    /// Forgets it.
    pub(super) fn remove(&self, conn: &Connection) -> Done<()> {
        conn.prepare_cached("DELETE FROM fragment WHERE extent = ?1 AND idx = ?2 AND copy = ?3")?
            .execute(params![
                self.extent_no,
                self.fragment.index,
                column::copy(self.fragment.copy)
            ])?;
        Ok(())
    }
}

/// All fragments of an extent, by index and copy.
pub(super) fn all_of(conn: &Connection, extent: &ExtentRow) -> Done<Vec<FragmentRow>> {
    let mut statement = select(conn, "WHERE f.extent = ?1 ORDER BY f.idx, f.copy")?;
    let mut rows = statement.query([extent.no])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(FragmentRow::read(row, 0, extent.no, extent.extent.id)?);
    }
    Ok(found)
}

/// The fragments of an extent that are not doomed, by index and copy.
pub(super) fn live_of(conn: &Connection, extent: &ExtentRow) -> Done<Vec<Fragment>> {
    let all = all_of(conn, extent)?;
    Ok(all
        .into_iter()
        .filter(|row| row.due.is_none())
        .map(|row| row.fragment)
        .collect())
}

/// The row of this extent, index and copy.
pub(super) fn find(conn: &Connection, extent: &ExtentRow, fragment: &Fragment) -> Done<Option<FragmentRow>> {
    let mut statement = select(conn, "WHERE f.extent = ?1 AND f.idx = ?2 AND f.copy = ?3")?;
    let mut rows = statement.query(params![extent.no, fragment.index, column::copy(fragment.copy)])?;
    rows.next()?
        .map(|row| FragmentRow::read(row, 0, extent.no, extent.extent.id))
        .transpose()
}

/// Adds a fragment of `extent`; its index and copy must be new.
pub(super) fn insert(conn: &Connection, extent: &ExtentRow, fragment: &Fragment) -> Done<()> {
    insert_due(conn, extent, fragment, None)
}

/// Adds a fragment that may be doomed already.
pub(super) fn insert_due(conn: &Connection, extent: &ExtentRow, fragment: &Fragment, due: Option<i64>) -> Done<()> {
    if fragment.index >= extent.extent.shape.n {
        return Err(Fault::rule(format!(
            "fragment {} of an extent of {}",
            fragment.index, extent.extent.shape.n
        )));
    }
    let row = FragmentRow {
        extent_no: extent.no,
        fragment: Fragment {
            extent: extent.extent.id,
            ..*fragment
        },
        due,
    };
    // The number of the provider in this file stands in for its id.
    let sql = "INSERT INTO fragment SELECT ?1, ?2, ?3, no, ?5, ?6, ?7 FROM provider WHERE id = ?4";
    let values = params![
        row.extent_no,
        fragment.index,
        column::copy(fragment.copy),
        fragment.provider.0,
        fragment.state as u8,
        due,
        row.sum()
    ];
    if conn.prepare_cached(sql)?.execute(values)? == 0 {
        number_provider(conn, fragment.provider)?;
        conn.prepare_cached(sql)?.execute(values)?;
    }
    Ok(())
}

/// Notes the state of the fragments that are known; others are passed over. True if that changed anything.
pub(super) fn mark(conn: &Connection, fragments: &[Fragment]) -> Done<bool> {
    let changed = change(conn, fragments, |row, wanted| {
        let changed = row.fragment.state != wanted;
        row.fragment.state = wanted;
        changed
    })?;
    let mut extents: Vec<_> = fragments.iter().map(|fragment| fragment.extent).collect();
    extents.dedup();
    for id in extents.into_iter().filter(|_| changed) {
        if let Some(row) = super::extent::find(conn, id)? {
            super::debt::review(conn, &row)?;
        }
    }
    Ok(changed)
}

/// Moves the deletion of doomed fragments to `again_at`; others are passed over. True if that changed anything.
pub(super) fn postpone(conn: &Connection, fragments: &[Fragment], again_at: i64) -> Done<bool> {
    change(conn, fragments, |row, _| {
        let doomed = row.due.is_some();
        row.due = row.due.map(|_| again_at);
        doomed
    })
}

/// Reads each known fragment, lets `edit` change it towards the state in the list, and saves it if that is true.
fn change(
    conn: &Connection,
    fragments: &[Fragment],
    edit: impl Fn(&mut FragmentRow, FragmentState) -> bool,
) -> Done<bool> {
    let mut changed = false;
    // Those of one extent stand together, and are read together.
    for together in fragments.chunk_by(|one, next| one.extent == next.extent) {
        let Some(extent) = super::extent::find(conn, together[0].extent)? else {
            continue;
        };
        let mut known = all_of(conn, &extent)?;
        for fragment in together {
            let same =
                |row: &&mut FragmentRow| (row.fragment.index, row.fragment.copy) == (fragment.index, fragment.copy);
            if let Some(found) = known.iter_mut().find(same)
                && edit(found, fragment.state)
            {
                found.save(conn)?;
                changed = true;
            }
        }
    }
    Ok(changed)
}

/// Gives a provider its number in this file: it is seen for the first time.
fn number_provider(conn: &Connection, id: ProviderId) -> Done<()> {
    conn.prepare_cached("INSERT INTO provider (id) VALUES (?1)")?
        .execute(params![id.0])?;
    Ok(())
}

fn select<'conn>(conn: &'conn Connection, rest: &str) -> Done<CachedStatement<'conn>> {
    let sql = format!("SELECT {COLUMNS} FROM fragment f LEFT JOIN provider p ON p.no = f.provider {rest}");
    Ok(conn.prepare_cached(&sql)?)
}
