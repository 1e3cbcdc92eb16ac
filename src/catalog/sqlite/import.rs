//! A checkpoint into an empty database, record by record, in one transaction.

use std::collections::BTreeMap;

use rusqlite::Connection;

use crate::catalog::archive::{ArchiveError, Source};
use crate::catalog::checkpoint::{KeptFragment, KeptGeneration, Life, Record, Stage};
use crate::catalog::journal::Position;
use crate::catalog::record::{Commit, Condition, Debt, Extent, Fragment, Place, Version};
use crate::fragment::id::{ExtentId, Kind, SetId};

use super::export::set_of;
use super::extent;
use super::fault::{Done, Fault};
use super::generation::{self, GenerationRow};
use super::schema::{AWAITING, ISSUED, NEVER_HELD, OPEN, OWES_VOID, SETTLED};
use super::{adopt, column, commit, debt, fragment, head, journal, ledger, write};

/// See [`crate::catalog::archive::Archive::import`].
pub(super) fn import(conn: &Connection, source: Source) -> Done<Position> {
    let (mut number, mut at) = (0, None);
    for record in source {
        number += 1;
        let record = record.map_err(|error| journal::refused(error.into()))?;
        let contradiction = |fault| match fault {
            Fault::Refused(error) if !matches!(error, crate::catalog::CatalogError::Archive(_)) => {
                let why = error.to_string();
                journal::refused(ArchiveError::Contradiction { number, why })
            }
            other => other,
        };
        match (record, at) {
            (
                Record::Start {
                    set,
                    at: here,
                    membership,
                },
                None,
            ) if number == 1 => {
                at = Some(here);
                start(conn, set, here, membership).map_err(contradiction)?;
            }
            (Record::End { records }, Some(at)) if records == number => return Ok(at),
            (_, None) | (Record::Start { .. } | Record::End { .. }, _) => {
                return Err(contradiction(Fault::rule("it begins or ends there")));
            }
            (record, Some(_)) => take(conn, record).map_err(contradiction)?,
        }
    }
    let why = "it has no end".to_owned();
    Err(journal::refused(ArchiveError::Contradiction { number, why }))
}

/// See [`crate::catalog::archive::Archive::supersede`].
pub(super) fn supersede(conn: &Connection, source: Source) -> Done<Position> {
    // Those that refer go before those that are referred to.
    for table in [
        "lease",
        "advisory",
        "debt",
        "place",
        "fragment",
        "object",
        "extent",
        "provider",
        "generation",
        "epoch",
        "member",
        "change",
        "position",
    ] {
        conn.execute(&format!("DELETE FROM {table}"), [])?;
    }
    import(conn, source)
}

fn start(conn: &Connection, set: SetId, at: Position, membership: u64) -> Done<()> {
    let full = "SELECT EXISTS (SELECT 1 FROM epoch) OR EXISTS (SELECT 1 FROM member) OR EXISTS (SELECT 1 FROM extent) \
        OR EXISTS (SELECT 1 FROM object) OR EXISTS (SELECT 1 FROM generation) OR EXISTS (SELECT 1 FROM lease) \
        OR EXISTS (SELECT 1 FROM advisory)";
    let changes = journal::position(conn)?.number;
    if changes > 0 || conn.query_row(full, [], |row| row.get::<_, bool>(0))? {
        return Err(journal::refused(ArchiveError::NotEmpty { changes }));
    }
    if set != set_of(conn)? {
        return Err(journal::refused(ArchiveError::OtherSet));
    }
    let membership = column::stored(membership, "a membership version")?;
    conn.execute("UPDATE catalog SET membership = ?1", [membership])?;
    journal::stand_at(conn, at)
}

fn take(conn: &Connection, record: Record) -> Done<()> {
    match record {
        Record::Epoch { row } => adopt::learn_epochs(conn, &[row]),
        Record::Member { member } => write::add_member(conn, &member),
        Record::Extent {
            extent,
            life,
            fragments,
        } => take_extent(conn, &extent, life, &fragments),
        Record::Object {
            version,
            others,
            places,
        } => take_object(conn, version, others, places),
        Record::Generation { kept } => take_generation(conn, kept),
        Record::Debt { debt } => take_debt(conn, &debt),
        Record::Lease { lease } => ledger::keep(conn, &lease),
        Record::Advisory { advisory } => ledger::advise(conn, &advisory, u64::MAX),
        Record::Start { .. } | Record::End { .. } => Err(Fault::rule("it begins or ends there")),
    }
}

fn take_extent(conn: &Connection, extent: &Extent, life: Life, fragments: &[KeptFragment]) -> Done<()> {
    if extent::find(conn, extent.id)?.is_some() {
        return Err(Fault::rule(format!("extent {} comes twice", extent.id)));
    }
    let mut row = extent::insert(conn, extent)?;
    (row.refs, row.retired_at) = match life {
        Life::Lives => (0, None),
        Life::Held if extent.kind == Kind::Void => (1, None),
        Life::Held => return Err(Fault::rule(format!("extent {} is no void", extent.id))),
        Life::NeverHeld => (0, Some(NEVER_HELD)),
        Life::Retired { at } => (0, Some(at)),
    };
    row.save(conn)?;
    for kept in fragments {
        if row.retired_at.is_some() && kept.due.is_none() {
            return Err(Fault::rule(format!(
                "extent {} has retired and keeps a fragment",
                extent.id
            )));
        }
        let fragment = Fragment {
            extent: extent.id,
            index: kept.index,
            copy: kept.copy,
            provider: kept.provider,
            state: kept.state,
        };
        fragment::insert_due(conn, &row, &fragment, kept.due)?;
    }
    Ok(())
}

fn take_object(conn: &Connection, version: Version, others: Vec<ExtentId>, places: Vec<Place>) -> Done<()> {
    let commit = Commit {
        version,
        condition: Condition::Any,
        places,
        others,
        digests: Vec::new(),
        fragments: Vec::new(),
        now: 0,
        doom_at: 0,
    };
    let name = &commit.version.name;
    if head::find(conn, name)?.is_some() {
        return Err(Fault::rule(format!("object {name:?} comes twice")));
    }
    commit::check_places(&commit)?;
    let mut named = BTreeMap::new();
    let places = commit.places.iter().map(|place| place.extent);
    for id in places.chain(commit.others.iter().copied()) {
        let row = extent::find(conn, id)?.filter(|row| row.retired_at.is_none());
        named.insert(
            id,
            row.ok_or_else(|| Fault::rule(format!("object {name:?} names extent {id}, which does not live")))?,
        );
    }
    let (nothing, seats) = (BTreeMap::new(), commit::seats(&commit, &named)?);
    let object = head::save(conn, None, &commit.version)?;
    head::replace(conn, object, &nothing, &seats)?;
    commit::count(conn, &commit, &nothing, &seats, named)
}

fn take_generation(conn: &Connection, kept: KeptGeneration) -> Done<()> {
    if generation::find(conn, kept.generation)?.is_some() {
        return Err(Fault::rule(format!("generation {} comes twice", kept.generation)));
    }
    let row = GenerationRow {
        generation: kept.generation,
        name: kept.name,
        policy: kept.policy,
        condition: kept.condition,
        state: match kept.stage {
            Stage::Open => OPEN,
            Stage::OwesVoid => OWES_VOID,
            Stage::Settled => SETTLED,
            Stage::Awaiting => AWAITING,
            Stage::Issued => ISSUED,
        },
        root: kept.root,
    };
    row.save(conn)
}

fn take_debt(conn: &Connection, owed: &Debt) -> Done<()> {
    let object = head::find(conn, &owed.name)?;
    let object =
        object.ok_or_else(|| Fault::rule(format!("object {:?} is owed something and not there", owed.name)))?;
    let extent = extent::find(conn, owed.extent)?.filter(extent::ExtentRow::is_held);
    let extent = extent.ok_or_else(|| Fault::rule(format!("extent {} is owed something and not held", owed.extent)))?;
    debt::open(conn, &extent, object.no, owed.since)
}
