//! The writing verbs but the commit, each on a connection inside a transaction.

use rusqlite::{Connection, OptionalExtension, params};

use crate::catalog::CatalogError;
use crate::catalog::record::{Extent, Fragment, FragmentState, Intent, Member, Pin};
use crate::fragment::id::{ExtentId, Generation, Kind, ProviderId};

use super::column;
use super::debt;
use super::extent::{self, ExtentRow};
use super::fault::{Done, Fault};
use super::fragment::{self, FragmentRow};
use super::generation::{self, GenerationRow};
use super::read;
use super::schema::{AT_ONCE, ISSUED, NEVER_HELD, OPEN, OWES_VOID, SETTLED};

/// See [`crate::catalog::Catalog::intend`].
pub(super) fn intend(conn: &Connection, intent: &Intent) -> Done<()> {
    if intent.extent.kind == Kind::Void {
        owing(conn, intent.extent.generation)?;
    } else {
        let mut row = generation::open_for(conn, intent)?;
        if intent.extent.kind.is_root() {
            note_root(&mut row, intent.extent.id)?;
        }
        row.save(conn)?;
    }
    let extent = match extent::find(conn, intent.extent.id)? {
        Some(row) => again(row, &intent.extent)?,
        None => extent::insert(conn, &intent.extent)?,
    };
    for fragment in &intent.fragments {
        fragment::insert(conn, &extent, fragment)?;
    }
    Ok(())
}

fn note_root(row: &mut GenerationRow, root: ExtentId) -> Done<()> {
    match row.root.replace(root) {
        Some(other) if other != root => Err(Fault::rule(format!(
            "generation {} has the root {other} and was to have {root} too",
            row.generation
        ))),
        _ => Ok(()),
    }
}

/// An extent that is intended once more gains fragments; it has to be the same one.
fn again(row: ExtentRow, extent: &Extent) -> Done<ExtentRow> {
    if row.extent == *extent && !row.is_held() && row.retired_at.is_none() {
        return Ok(row);
    }
    Err(Fault::rule(format!("extent {} is in the catalog already", extent.id)))
}

/// The row of a generation that owes a void.
fn owing(conn: &Connection, generation: Generation) -> Done<GenerationRow> {
    let row = generation::find(conn, generation)?.filter(|row| row.state == OWES_VOID);
    row.ok_or_else(|| Fault::rule(format!("generation {generation} owes no void")))
}

/// See [`crate::catalog::Catalog::close`].
pub(super) fn close(conn: &Connection, generation: Generation, doom_at: i64) -> Done<()> {
    match generation::find(conn, generation)? {
        None => generation::bar(conn, generation),
        Some(mut row) if row.state == ISSUED => {
            row.state = SETTLED;
            row.save(conn)
        }
        Some(row) if row.state != OPEN => Ok(()),
        Some(mut row) => {
            row.state = if row.root.is_some() { OWES_VOID } else { SETTLED };
            row.save(conn)?;
            extent::retire_intended(conn, generation, doom_at)
        }
    }
}

/// See [`crate::catalog::Catalog::settle_void`].
pub(super) fn settle_void(
    conn: &Connection,
    generation: Generation,
    void: ExtentId,
    fragments: &[Fragment],
) -> Done<()> {
    let mut row = owing(conn, generation)?;
    let mut found = false;
    for mut extent in extent::unheld(conn, generation)? {
        if extent.extent.kind != Kind::Void {
            continue;
        }
        if extent.extent.id == void {
            extent.refs = 1;
            extent.save(conn)?;
            found = true;
        } else {
            extent.retire(conn, NEVER_HELD, AT_ONCE)?;
        }
    }
    if !found {
        return Err(Fault::rule(format!(
            "extent {void} is no void of generation {generation}"
        )));
    }
    fragment::mark(conn, fragments)?;
    row.state = SETTLED;
    row.save(conn)?;
    match row.root.map(|root| extent::find(conn, root)).transpose()?.flatten() {
        Some(root) => root.remove_if_done(conn),
        None => Ok(()),
    }
}

/// See [`crate::catalog::Catalog::begin_move`].
pub(super) fn begin_move(conn: &Connection, fragment: &Fragment) -> Done<()> {
    match extent::find(conn, fragment.extent)?.filter(ExtentRow::is_held) {
        Some(extent) => fragment::insert(conn, &extent, fragment),
        None => Err(Fault::Refused(CatalogError::Retired(fragment.extent))),
    }
}

/// How a move ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moved {
    /// The new copy is the one, or another was finished meanwhile and this one stays doomed.
    Done,
    /// The extent retired meanwhile: the new copy is doomed.
    Retired,
}

/// See [`crate::catalog::Catalog::finish_move`].
pub(super) fn finish_move(conn: &Connection, fragment: &Fragment, doom_at: i64) -> Done<Moved> {
    let Some(extent) = extent::find(conn, fragment.extent)? else {
        return Ok(Moved::Retired);
    };
    if !extent.is_held() && extent.retired_at.is_none() {
        return Err(Fault::rule(format!("extent {} is of no version yet", fragment.extent)));
    }
    let copies = fragment::all_of(conn, &extent)?;
    let mut copies: Vec<FragmentRow> = copies
        .into_iter()
        .filter(|row| row.fragment.index == fragment.index)
        .collect();
    let Some(new) = copies.iter_mut().find(|row| row.fragment.copy == fragment.copy) else {
        return Err(Fault::rule(format!(
            "fragment {} of extent {} was never begun",
            fragment.index, fragment.extent
        )));
    };
    new.fragment.state = FragmentState::Sound;
    if !extent.is_held() {
        new.due = Some(AT_ONCE);
        new.save(conn)?;
        return Ok(Moved::Retired);
    }
    new.save(conn)?;
    if new.due.is_some() {
        return Ok(Moved::Done);
    }
    for other in copies
        .iter_mut()
        .filter(|row| row.fragment.copy != fragment.copy && row.due.is_none())
    {
        other.due = Some(doom_at);
        other.save(conn)?;
    }
    debt::review(conn, &extent)?;
    Ok(Moved::Done)
}

/// See [`crate::catalog::Catalog::deleted`].
pub(super) fn deleted(conn: &Connection, fragments: &[Fragment]) -> Done<()> {
    for fragment in fragments {
        let Some(extent) = extent::find(conn, fragment.extent)? else {
            continue;
        };
        if let Some(row) = fragment::find(conn, &extent, fragment)?.filter(|row| row.due.is_some()) {
            row.remove(conn)?;
            extent.remove_if_done(conn)?;
        }
    }
    Ok(())
}

/// See [`crate::catalog::Catalog::set_members`].
pub(super) fn set_members(conn: &Connection, version: u64, members: &[Member]) -> Done<()> {
    let version = column::stored(version, "a membership version")?;
    let known: i64 = conn.query_row("SELECT membership FROM catalog", [], |row| row.get(0))?;
    if version < known {
        return Err(Fault::rule(format!(
            "membership version {version} is older than {known}"
        )));
    }
    conn.execute("UPDATE catalog SET membership = ?1", [version])?;
    conn.execute("DELETE FROM member", [])?;
    members.iter().try_for_each(|member| add_member(conn, member))
}

/// Adds a member; its id is new.
pub(super) fn add_member(conn: &Connection, member: &Member) -> Done<()> {
    conn.prepare_cached("INSERT INTO member VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
        .execute(params![
            member.id.0,
            member.name,
            member.weight,
            member.state as u8,
            column::stored(member.since, "a membership version")?,
            read::member_sum(member)
        ])?;
    Ok(())
}

/// See [`crate::catalog::Catalog::save_probe`].
pub(super) fn save_probe(conn: &Connection, provider: ProviderId, probe: &str) -> Done<()> {
    conn.execute(
        "INSERT OR REPLACE INTO probe VALUES (?1, ?2)",
        params![provider.0, probe],
    )?;
    Ok(())
}

/// See [`crate::catalog::Catalog::pin`]. Pins that ran out before this one began go.
pub(super) fn pin(conn: &Connection, pin: &Pin) -> Done<()> {
    conn.prepare_cached("DELETE FROM pin WHERE expires <= ?1")?
        .execute([pin.begun])?;
    let known: Option<i64> = conn
        .prepare_cached("SELECT begun FROM pin WHERE id = ?1")?
        .query_row([pin.id], |row| row.get(0))
        .optional()?;
    let begun = known.map_or(pin.begun, |known| known.min(pin.begun));
    conn.prepare_cached("INSERT OR REPLACE INTO pin VALUES (?1, ?2, ?3)")?
        .execute(params![pin.id, begun, pin.expires])?;
    Ok(())
}

/// See [`crate::catalog::Catalog::unpin`].
pub(super) fn unpin(conn: &Connection, id: [u8; 16]) -> Done<()> {
    conn.prepare_cached("DELETE FROM pin WHERE id = ?1")?.execute([id])?;
    Ok(())
}
