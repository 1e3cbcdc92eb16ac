//! Rows of the journal: where the catalog stands, and the changes that are kept until somebody took them away.

use rusqlite::{Connection, params};

use crate::catalog::CatalogError;
use crate::catalog::archive::{ArchiveError, MOST_KEPT};
use crate::catalog::change::Change;
use crate::catalog::journal::{self, Position, Segment};

use super::column::{self, get, number};
use super::fault::{Done, Fault};
use super::make;
use super::sum::Sum;

/// The one row about the journal.
struct State {
    at: Position,
    /// The last change that is not kept, if changes are kept at all.
    kept_after: Option<u64>,
    /// Bytes of those that are kept.
    bytes: u64,
}

impl State {
    fn read(conn: &Connection) -> Done<State> {
        let mut statement = conn.prepare_cached("SELECT number, chain, kept_after, bytes, sum FROM position")?;
        let mut rows = statement.query([])?;
        let Some(row) = rows.next()? else {
            // Before the first change there is none.
            return Ok(State {
                at: Position::default(),
                kept_after: None,
                bytes: 0,
            });
        };
        let kept_after: Option<i64> = get(row, 2)?;
        let read = State {
            at: Position {
                number: number(row, 0, "a change's number")?,
                chain: get(row, 1)?,
            },
            kept_after: kept_after.map(i64::cast_unsigned),
            bytes: number(row, 3, "a count of bytes")?,
        };
        if get::<i64>(row, 4)? != read.sum() {
            let message = "the row that tells where it stands fails its checksum";
            return Err(Fault::Damaged(message.to_owned()));
        }
        Ok(read)
    }

    fn sum(&self) -> i64 {
        Sum::of("position")
            .bytes(&self.at.number.to_le_bytes())
            .bytes(&self.at.chain)
            .maybe(self.kept_after.map(u64::cast_signed))
            .bytes(&self.bytes.to_le_bytes())
            .finish()
    }

    fn save(&self, conn: &Connection) -> Done<()> {
        conn.prepare_cached("INSERT OR REPLACE INTO position VALUES (1, ?1, ?2, ?3, ?4, ?5)")?
            .execute(params![
                column::stored(self.at.number, "a change's number")?,
                self.at.chain,
                self.kept_after.map(u64::cast_signed),
                column::stored(self.bytes, "a count of bytes")?,
                self.sum()
            ])?;
        Ok(())
    }
}

/// Where the catalog stands.
pub(super) fn position(conn: &Connection) -> Done<Position> {
    Ok(State::read(conn)?.at)
}

/// Sets where an empty catalog stands.
pub(super) fn stand_at(conn: &Connection, at: Position) -> Done<()> {
    let state = State::read(conn)?;
    State { at, ..state }.save(conn)
}

/// Notes a change that was made in this transaction.
pub(super) fn note(conn: &Connection, change: &Change) -> Done<()> {
    let mut state = State::read(conn)?;
    let (before, change) = (state.at.chain, journal::encode(change));
    state.at = state.at.after(&change);
    if state.kept_after.is_some() {
        state.bytes += change.len() as u64;
        if state.bytes > MOST_KEPT {
            conn.execute("DELETE FROM change", [])?;
            (state.kept_after, state.bytes) = (None, 0);
        } else {
            let number = column::stored(state.at.number, "a change's number")?;
            conn.prepare_cached("INSERT INTO change VALUES (?1, ?2, ?3)")?
                .execute(params![number, before, change])?;
        }
    }
    state.save(conn)
}

/// See [`crate::catalog::archive::Archive::keep_changes`].
pub(super) fn keep(conn: &Connection) -> Done<Position> {
    let mut state = State::read(conn)?;
    state.kept_after.get_or_insert(state.at.number);
    state.save(conn)?;
    Ok(state.at)
}

/// See [`crate::catalog::archive::Archive::forget_changes`].
pub(super) fn forget(conn: &Connection, up_to: u64) -> Done<()> {
    let mut state = State::read(conn)?;
    let up_to = up_to.min(state.at.number);
    if state.kept_after.is_none_or(|kept| kept >= up_to) {
        return Ok(());
    }
    let mut gone = conn.prepare_cached("DELETE FROM change WHERE number <= ?1 RETURNING length(bytes)")?;
    let mut rows = gone.query([column::stored(up_to, "a change's number")?])?;
    while let Some(row) = rows.next()? {
        let len: u64 = number(row, 0, "a length")?;
        state.bytes = state.bytes.saturating_sub(len);
    }
    state.kept_after = Some(up_to);
    state.save(conn)
}

/// See [`crate::catalog::archive::Archive::changes`].
pub(super) fn changes(conn: &Connection, after: u64, most: usize) -> Done<Option<Segment>> {
    let state = State::read(conn)?;
    if state.kept_after.is_none_or(|kept| kept > after) || after > state.at.number {
        return Ok(None);
    }
    let mut statement =
        conn.prepare_cached("SELECT number, before, bytes FROM change WHERE number > ?1 ORDER BY number")?;
    let mut rows = statement.query([column::at_most(after)])?;
    let (mut from, mut here, mut changes, mut len) = (state.at, None, Vec::new(), 0);
    while let Some(row) = rows.next()? {
        let behind: u64 = number(row, 0, "a change's number")?;
        let before = Position {
            number: behind.saturating_sub(1),
            chain: get(row, 1)?,
        };
        let expected = here.unwrap_or(Position {
            number: after,
            ..before
        });
        if before != expected {
            return Err(broken_at(behind));
        }
        let change: Vec<u8> = get(row, 2)?;
        len += change.len();
        if len > most && !changes.is_empty() {
            return Ok(Some(Segment::new(from, changes)));
        }
        if here.is_none() {
            from = before;
        }
        here = Some(before.after(&change));
        changes.push(change);
    }
    if here.is_some_and(|here| here != state.at) || here.is_none() && after != state.at.number {
        return Err(broken_at(state.at.number));
    }
    Ok(Some(Segment::new(from, changes)))
}

fn broken_at(number: u64) -> Fault {
    Fault::Damaged(format!(
        "the changes that it keeps don't make its chain at change {number}"
    ))
}

/// See [`crate::catalog::archive::Archive::replay`].
pub(super) fn replay(conn: &Connection, segment: &Segment) -> Done<Position> {
    let here = position(conn)?;
    if here.number < segment.from().number {
        let (here, from) = (here.number, segment.from().number);
        return Err(refused(ArchiveError::Gap { here, from }));
    }
    let fork = || refused(ArchiveError::Fork { number: here.number });
    if here.number == segment.from().number && here != segment.from() {
        return Err(fork());
    }
    for (behind, change) in segment.changes() {
        if behind.number < here.number {
            continue;
        }
        if behind.number == here.number {
            if behind != here {
                return Err(fork());
            }
            continue;
        }
        let change = change.map_err(|error| refused(error.into()))?;
        let again = |why: String| {
            let number = behind.number;
            refused(ArchiveError::Change { number, why })
        };
        make::make(conn, &change).map_err(|fault| match fault {
            Fault::Refused(error) => again(error.to_string()),
            other => other,
        })?;
        if position(conn)? != behind {
            return Err(again("it changed nothing".to_owned()));
        }
    }
    position(conn)
}

/// The caller's copy is at fault, not the catalog.
pub(super) fn refused(error: ArchiveError) -> Fault {
    Fault::Refused(CatalogError::Archive(error))
}
