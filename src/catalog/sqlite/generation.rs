//! Rows of generations and epochs: what was begun, what may still be committed, what never again.
//!
//! ```text
//!  (none) ──begin──▶ OPEN ──commit──▶ (none)
//!     │       ▲       │ close, its root was intended ──▶ OWES_VOID ──settle_void──┐
//!     │       │       └ close, no root was intended ─────────────────────▶ SETTLED ──a newer epoch is claimed──▶ (none)
//!     └─ a higher sequence comes first ──▶ ISSUED ──close──▶ SETTLED
//! ```
//!
//! Only the newest epoch may begin generations, and each closed one keeps its row while its epoch is the newest. So a generation that was
//! closed can't be begun again, although sequences arrive in any order; nor can one that is a head. A sequence that others overtook keeps a row
//! too: whoever rebuilds from a checkpoint takes what is below the last sequence and without a row for settled.

use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::catalog::CatalogError;
use crate::catalog::record::{Condition, EpochRow, Extent, Intent, OpenGeneration};
use crate::fragment::id::{ExtentId, Generation, Kind, WriterId};

use super::column::{self, get, number};
use super::extent;
use super::fault::{Done, Fault};
use super::head;
use super::schema::{ISSUED, OPEN, OWES_VOID, SETTLED};
use super::sum::Sum;

/// Sequences that one intent may overtake: more puts than that are never on their way at once.
const MOST_OVERTAKEN: u64 = 1 << 16;

const COLUMNS: &str = "generation, name, policy, condition, expected, state, root, sum";

/// A generation that was begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct GenerationRow {
    pub(super) generation: Generation,
    pub(super) name: String,
    pub(super) policy: String,
    pub(super) condition: Condition,
    /// [`OPEN`], [`OWES_VOID`], [`SETTLED`], [`ISSUED`] or [`super::schema::AWAITING`].
    pub(super) state: i64,
    pub(super) root: Option<ExtentId>,
}

impl GenerationRow {
    fn read(row: &Row<'_>) -> Done<GenerationRow> {
        let read = GenerationRow {
            generation: column::get_generation(row, 0)?,
            name: column::get_name(row, 1)?,
            policy: get(row, 2)?,
            condition: column::get_condition(row, 3)?,
            state: get(row, 5)?,
            root: get::<Option<[u8; 16]>>(row, 6)?.map(ExtentId),
        };
        if get::<i64>(row, 7)? != read.sum() {
            return Err(Fault::Damaged(format!(
                "the row of generation {} fails its checksum",
                read.generation
            )));
        }
        Ok(read)
    }

    fn sum(&self) -> i64 {
        let (condition, expected) = column::condition(self.condition);
        Sum::of("generation")
            .bytes(&column::generation(self.generation))
            .bytes(self.name.as_bytes())
            .bytes(self.policy.as_bytes())
            .int(condition)
            .bytes(expected.as_ref().map_or(&[], |expected| &expected[..]))
            .int(self.state)
            .bytes(self.root.as_ref().map_or(&[], |root| &root.0[..]))
            .finish()
    }

    /// Writes the row, new or changed.
    pub(super) fn save(&self, conn: &Connection) -> Done<()> {
        let (condition, expected) = column::condition(self.condition);
        conn.prepare_cached("INSERT OR REPLACE INTO generation VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?
            .execute(params![
                column::generation(self.generation),
                self.name.as_bytes(),
                self.policy,
                condition,
                expected,
                self.state,
                self.root.map(|root| root.0),
                self.sum()
            ])?;
        Ok(())
    }
}

/// The row of a generation, if there is one.
pub(super) fn find(conn: &Connection, generation: Generation) -> Done<Option<GenerationRow>> {
    let mut statement = conn.prepare_cached(&format!("SELECT {COLUMNS} FROM generation WHERE generation = ?1"))?;
    let mut rows = statement.query(params![column::generation(generation)])?;
    rows.next()?.map(GenerationRow::read).transpose()
}

/// The row under which an intent that is no void may write: begun before, or now.
pub(super) fn open_for(conn: &Connection, intent: &Intent) -> Done<GenerationRow> {
    let generation = intent.extent.generation;
    match find(conn, generation)? {
        Some(row) if row.state == ISSUED => begin(conn, intent),
        Some(row) if row.state != OPEN => Err(Fault::Refused(CatalogError::Closed(generation))),
        Some(row) if row.name != intent.name => Err(Fault::rule(format!(
            "generation {generation} was begun for object {:?}, not {:?}",
            row.name, intent.name
        ))),
        Some(row) => Ok(row),
        None => begin(conn, intent),
    }
}

fn begin(conn: &Connection, intent: &Intent) -> Done<GenerationRow> {
    let generation = intent.extent.generation;
    match newest_epoch(conn)? {
        Some(newest) if (newest.epoch, newest.writer) == (generation.epoch, generation.writer) => {
            if head::name_at(conn, generation)?.is_some() {
                return Err(Fault::Refused(CatalogError::Closed(generation)));
            }
        }
        Some(newest) if newest.epoch > generation.epoch => {
            return Err(Fault::Refused(CatalogError::Closed(generation)));
        }
        _ => {
            return Err(Fault::rule(format!(
                "generation {generation} is of an epoch that nobody claimed"
            )));
        }
    }
    raise_sequence(conn, generation)?;
    Ok(GenerationRow {
        generation,
        name: intent.name.clone(),
        policy: intent.policy.clone(),
        condition: intent.condition,
        state: OPEN,
        root: None,
    })
}

/// True if the extent is the root of a generation that owes a void: the void takes its shape from it.
pub(super) fn needs(conn: &Connection, extent: &Extent) -> Done<bool> {
    let row = find(conn, extent.generation)?;
    Ok(row.is_some_and(|row| row.state == OWES_VOID && row.root == Some(extent.id)))
}

/// Forgets a generation that was committed or overtaken.
pub(super) fn remove(conn: &Connection, generation: Generation) -> Done<()> {
    conn.prepare_cached("DELETE FROM generation WHERE generation = ?1")?
        .execute(params![column::generation(generation)])?;
    Ok(())
}

/// Bars a generation of the newest epoch that was not begun; an older one can't be begun anyway. A head can't be closed.
pub(super) fn bar(conn: &Connection, generation: Generation) -> Done<()> {
    if let Some(name) = head::name_at(conn, generation)? {
        return Err(Fault::rule(format!(
            "generation {generation} is the head of object {name:?}, it can't be closed"
        )));
    }
    let newest = newest_epoch(conn)?;
    if newest.is_some_and(|newest| (newest.epoch, newest.writer) == (generation.epoch, generation.writer)) {
        raise_sequence(conn, generation)?;
        bare(generation, SETTLED).save(conn)?;
    }
    Ok(())
}

/// The row of a generation of which nothing is known but its state.
fn bare(generation: Generation, state: i64) -> GenerationRow {
    GenerationRow {
        generation,
        name: String::new(),
        policy: String::new(),
        condition: Condition::Any,
        state,
        root: None,
    }
}

/// Generations whose sequence was given out and under which nothing was written yet, oldest first.
pub(super) fn issued(conn: &Connection) -> Done<Vec<Generation>> {
    Ok(in_state(conn, ISSUED)?.into_iter().map(|row| row.generation).collect())
}

/// Generations that are open or owe a void, oldest first, with their extents.
pub(super) fn open_ones(conn: &Connection) -> Done<Vec<OpenGeneration>> {
    let mut found = Vec::new();
    for row in all(conn)? {
        if row.state != OPEN && row.state != OWES_VOID {
            continue;
        }
        let unheld = extent::unheld(conn, row.generation)?.into_iter().map(|row| row.extent);
        let (voids, extents): (Vec<_>, Vec<_>) = unheld.partition(|extent| extent.kind == Kind::Void);
        found.push(OpenGeneration {
            generation: row.generation,
            name: row.name,
            policy: row.policy,
            condition: row.condition,
            closed: row.state == OWES_VOID,
            root: row.root,
            extents: extents.into_iter().map(|extent| extent.id).collect(),
            voids: voids.into_iter().map(|extent| extent.id).collect(),
        });
    }
    Ok(found)
}

/// Generations in this state, oldest first.
pub(super) fn in_state(conn: &Connection, state: i64) -> Done<Vec<GenerationRow>> {
    Ok(all(conn)?.into_iter().filter(|row| row.state == state).collect())
}

/// All rows, oldest first: each is read, so that a state that was flipped is found whatever it says now.
pub(super) fn all(conn: &Connection) -> Done<Vec<GenerationRow>> {
    let mut statement = conn.prepare_cached(&format!("SELECT {COLUMNS} FROM generation ORDER BY generation"))?;
    let mut rows = statement.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(GenerationRow::read(row)?);
    }
    Ok(found)
}

/// Claims an epoch above all known ones; settled generations of older epochs need no bar any more.
pub(super) fn claim_epoch(conn: &Connection, epoch: u64, writer: WriterId) -> Done<()> {
    if let Some(newest) = newest_epoch(conn)?
        && newest.epoch >= epoch
    {
        return Err(Fault::Refused(CatalogError::Epoch {
            wanted: epoch,
            found: newest.epoch,
        }));
    }
    conn.execute("DELETE FROM generation WHERE state = ?1", [SETTLED])?;
    save_epoch(
        conn,
        EpochRow {
            epoch,
            writer,
            last_sequence: 0,
        },
    )
}

/// All epochs, oldest first.
pub(super) fn epochs(conn: &Connection) -> Done<Vec<EpochRow>> {
    let mut statement =
        conn.prepare_cached("SELECT epoch, writer, last_sequence, sum FROM epoch ORDER BY epoch, writer")?;
    let mut rows = statement.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(read_epoch(row)?);
    }
    Ok(found)
}

fn newest_epoch(conn: &Connection) -> Done<Option<EpochRow>> {
    let mut statement = conn.prepare_cached(
        "SELECT epoch, writer, last_sequence, sum FROM epoch ORDER BY epoch DESC, writer DESC LIMIT 1",
    )?;
    let mut rows = statement.query([])?;
    rows.next()?.map(read_epoch).transpose()
}

fn read_epoch(row: &Row<'_>) -> Done<EpochRow> {
    let read = EpochRow {
        epoch: number(row, 0, "an epoch")?,
        writer: WriterId(get(row, 1)?),
        last_sequence: number(row, 2, "a sequence")?,
    };
    if get::<i64>(row, 3)? != epoch_sum(&read)? {
        return Err(Fault::Damaged(format!(
            "the row of epoch {} fails its checksum",
            read.epoch
        )));
    }
    Ok(read)
}

fn epoch_sum(row: &EpochRow) -> Done<i64> {
    let (epoch, last) = (
        column::stored(row.epoch, "an epoch")?,
        column::stored(row.last_sequence, "a sequence")?,
    );
    Ok(Sum::of("epoch").int(epoch).bytes(&row.writer.0).int(last).finish())
}

fn save_epoch(conn: &Connection, row: EpochRow) -> Done<()> {
    let sum = epoch_sum(&row)?;
    let (epoch, last) = (row.epoch.cast_signed(), row.last_sequence.cast_signed());
    conn.prepare_cached("INSERT OR REPLACE INTO epoch VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![epoch, row.writer.0, last, sum])?;
    Ok(())
}

fn find_epoch(conn: &Connection, epoch: u64, writer: WriterId) -> Done<Option<EpochRow>> {
    let mut statement =
        conn.prepare_cached("SELECT epoch, writer, last_sequence, sum FROM epoch WHERE epoch = ?1 AND writer = ?2")?;
    let mut rows = statement.query(params![column::stored(epoch, "an epoch")?, writer.0])?;
    rows.next()?.map(read_epoch).transpose()
}

/// Notes an epoch of a writer; what is known of its last sequence only rises.
pub(super) fn learn_epoch(conn: &Connection, row: EpochRow) -> Done<()> {
    match find_epoch(conn, row.epoch, row.writer)? {
        Some(known) if known.last_sequence >= row.last_sequence => Ok(()),
        _ => save_epoch(conn, row),
    }
}

fn raise_sequence(conn: &Connection, generation: Generation) -> Done<()> {
    let sequence = column::stored(generation.sequence, "a sequence")?.cast_unsigned();
    match find_epoch(conn, generation.epoch, generation.writer)? {
        Some(known) if known.last_sequence < sequence => {
            if sequence - known.last_sequence > MOST_OVERTAKEN {
                let last = known.last_sequence;
                return Err(Fault::rule(format!("sequence {sequence} comes after {last}")));
            }
            for overtaken in known.last_sequence + 1..sequence {
                let generation = Generation {
                    sequence: overtaken,
                    ..generation
                };
                if find(conn, generation)?.is_none() {
                    bare(generation, ISSUED).save(conn)?;
                }
            }
            save_epoch(
                conn,
                EpochRow {
                    last_sequence: sequence,
                    ..known
                },
            )
        }
        _ => Ok(()),
    }
}

/// How many generations are open or owe a void.
pub(super) fn count_open(conn: &Connection) -> Done<u64> {
    let count: Option<i64> = conn
        .prepare_cached("SELECT count(*) FROM generation WHERE state IN (?1, ?2)")?
        .query_row([OPEN, OWES_VOID], |row| row.get(0))
        .optional()?;
    Ok(count.unwrap_or(0).cast_unsigned())
}
