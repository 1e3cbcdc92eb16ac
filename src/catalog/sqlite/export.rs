//! A checkpoint out of one state of the database, row by row.

use rusqlite::Connection;

use crate::catalog::archive::{ArchiveError, Sink};
use crate::catalog::checkpoint::{KeptFragment, KeptGeneration, Life, Record, Stage};
use crate::catalog::journal::Position;
use crate::catalog::record::Place;
use crate::fragment::id::{Kind, SetId};
use crate::plant::{Bug, planted};

use super::column;
use super::extent::{self, ExtentRow};
use super::fault::{Done, Fault};
use super::schema::{AWAITING, ISSUED, NEVER_HELD, NO_DATA, OPEN, OWES_VOID, SETTLED};
use super::{debt, fragment, generation, head, journal, ledger, read};

/// Counts the records on their way.
struct Out {
    sink: Sink,
    records: u64,
}

impl Out {
    fn give(&mut self, record: Record) -> Done<()> {
        self.records += 1;
        if (self.sink)(record) {
            return Ok(());
        }
        Err(journal::refused(ArchiveError::BrokenOff))
    }
}

/// See [`crate::catalog::archive::Archive::export`].
pub(super) fn export(conn: &Connection, sink: Sink) -> Done<Position> {
    let mut out = Out { sink, records: 0 };
    let at = journal::position(conn)?;
    let (membership, members) = read::members(conn)?;
    let set = set_of(conn)?;
    out.give(Record::Start { set, at, membership })?;
    for row in generation::epochs(conn)? {
        out.give(Record::Epoch { row })?;
    }
    for member in members {
        out.give(Record::Member { member })?;
    }
    extents(conn, &mut out)?;
    objects(conn, &mut out)?;
    generations(conn, &mut out)?;
    for debt in debt::all(conn, usize::MAX)? {
        out.give(Record::Debt { debt })?;
    }
    ledger::each_lease(conn, |lease| out.give(Record::Lease { lease }))?;
    for advisory in ledger::advisories(conn)? {
        out.give(Record::Advisory { advisory })?;
    }
    let records = out.records + 1;
    out.give(Record::End { records })?;
    Ok(at)
}

/// The set that the catalog is of.
pub(super) fn set_of(conn: &Connection) -> Done<SetId> {
    Ok(SetId(
        conn.query_row("SELECT set_id FROM catalog", [], |row| row.get(0))?,
    ))
}

fn extents(conn: &Connection, out: &mut Out) -> Done<()> {
    let mut statement = conn.prepare(&format!("SELECT {} FROM extent e ORDER BY e.no", extent::COLUMNS))?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let row = ExtentRow::read(row, 0)?;
        let fragments = fragment::all_of(conn, &row)?;
        let kept = fragments.iter().map(|row| KeptFragment {
            index: row.fragment.index,
            copy: row.fragment.copy,
            provider: row.fragment.provider,
            state: row.fragment.state,
            due: row.due,
        });
        out.give(Record::Extent {
            life: life_of(&row),
            fragments: kept.collect(),
            extent: row.extent,
        })?;
    }
    Ok(())
}

fn life_of(row: &ExtentRow) -> Life {
    match row.retired_at {
        Some(NEVER_HELD) => Life::NeverHeld,
        Some(at) => Life::Retired { at },
        None if row.is_held() && row.extent.kind == Kind::Void => Life::Held,
        None => Life::Lives,
    }
}

fn objects(conn: &Connection, out: &mut Out) -> Done<()> {
    let mut statement = conn.prepare("SELECT name FROM object ORDER BY name")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let name = column::get_name(row, 0)?;
        let head = head::find(conn, &name)?;
        let head = head.ok_or_else(|| Fault::Damaged(format!("object {name:?} is not found by its name")))?;
        let (mut others, mut places) = (Vec::new(), Vec::new());
        for (seat, len, row) in head::places(conn, head.no, NO_DATA..=i64::MAX)? {
            if seat.0 == NO_DATA {
                others.push(row.extent.id);
            } else {
                places.push(Place {
                    extent: row.extent.id,
                    offset: seat.0.max(0).cast_unsigned(),
                    len: len.max(0).cast_unsigned(),
                });
            }
        }
        out.give(Record::Object {
            version: head.version,
            others,
            places,
        })?;
    }
    Ok(())
}

fn generations(conn: &Connection, out: &mut Out) -> Done<()> {
    let mut statement = conn.prepare("SELECT generation FROM generation ORDER BY generation")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let generation = column::get_generation(row, 0)?;
        let row = generation::find(conn, generation)?;
        let row = row.ok_or_else(|| Fault::Damaged(format!("generation {generation} is not found")))?;
        if planted(Bug::CheckpointForgetsOpenGenerations) {
            continue;
        }
        let stage = match row.state {
            OPEN => Stage::Open,
            OWES_VOID => Stage::OwesVoid,
            SETTLED => Stage::Settled,
            AWAITING => Stage::Awaiting,
            ISSUED => Stage::Issued,
            other => {
                return Err(Fault::Damaged(format!(
                    "the state of generation {generation} is {other}"
                )));
            }
        };
        out.give(Record::Generation {
            kept: KeptGeneration {
                generation,
                name: row.name,
                policy: row.policy,
                condition: row.condition,
                stage,
                root: row.root,
            },
        })?;
    }
    Ok(())
}
