//! The commit: the one moment at which a version or removal comes to be.
//!
//! ```text
//! generation open? ──no──▶ Closed                          nothing changes
//! above the head?  ──no──▶ Overtaken (no condition)        what it wrote retires, it is no longer open
//!                          Refused (with one)              nothing changes, it stays open
//! condition holds? ──no──▶ Refused                         nothing changes, it stays open
//! extents there?   ──no──▶ Lost                            nothing changes, it stays open
//! then head, places, references, fragments, generation: in one transaction
//! ```

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::Connection;

use crate::catalog::record::{Commit, Committed, Condition, Version};
use crate::fragment::id::{ExtentId, Generation, Kind};
use crate::plant::{Bug, planted};

use super::column;
use super::debt;
use super::extent::{self, ExtentRow};
use super::fault::{Done, Fault};
use super::fragment;
use super::generation;
use super::head::{self, HeadRow, Held, Seat};
use super::schema::{NO_DATA, OPEN};

/// Carries out a commit, or tells what stands against it.
pub(super) fn commit(conn: &Connection, commit: &Commit) -> Done<Committed> {
    let version = &commit.version;
    match generation::find(conn, version.generation)? {
        Some(row) if row.state == OPEN && row.name == version.name => {}
        Some(row) if row.state == OPEN => {
            let message = format!("generation {} was begun for object {:?}", row.generation, row.name);
            return Err(Fault::rule(message));
        }
        _ => return Ok(Committed::Closed),
    }
    check_places(commit)?;
    let old = head::find(conn, &version.name)?;
    match against(
        old.as_ref().map(|head| &head.version),
        version.generation,
        commit.condition,
    ) {
        Some(Committed::Overtaken(newer)) => {
            overtaken(conn, commit)?;
            Ok(Committed::Overtaken(newer))
        }
        Some(refusal) => Ok(refusal),
        None => match named(conn, commit)? {
            Ok(named) => replace_head(conn, commit, old, named),
            Err(lost) => Ok(Committed::Lost(lost)),
        },
    }
}

/// The places have to follow each other from the first byte to the last, and the root has to be among what is named.
pub(super) fn check_places(commit: &Commit) -> Done<()> {
    let version = &commit.version;
    let mut end: u64 = 0;
    for place in &commit.places {
        if place.offset != end {
            return Err(Fault::rule(format!(
                "byte {end} of object {:?} has no place",
                version.name
            )));
        }
        end = end
            .checked_add(place.len)
            .ok_or_else(|| Fault::rule(format!("object {:?} is longer than 2^64 bytes", version.name)))?;
    }
    if end != version.len {
        let message = format!("object {:?} has {} bytes, its places {end}", version.name, version.len);
        return Err(Fault::rule(message));
    }
    let mut named = commit.places.iter().map(|place| &place.extent).chain(&commit.others);
    if !named.any(|id| *id == version.root) {
        return Err(Fault::rule(format!("object {:?} does not name its root", version.name)));
    }
    Ok(())
}

/// What stands against a commit of `generation`, seen from the head.
fn against(head: Option<&Version>, generation: Generation, condition: Condition) -> Option<Committed> {
    let found = head.map(|head| head.generation);
    if let Some(newer) = found.filter(|found| *found >= generation && !planted(Bug::CommitALower)) {
        return Some(match condition {
            Condition::Any => Committed::Overtaken(newer),
            Condition::Absent | Condition::Is(_) => Committed::Refused(found),
        });
    }
    let holds = match condition {
        Condition::Any => true,
        Condition::Absent => head.is_none_or(|head| head.kind == Kind::Tombstone),
        Condition::Is(expected) => found == Some(expected),
    };
    (!holds).then_some(Committed::Refused(found))
}

/// The put counts as overwritten at once: what it wrote goes, as a replaced head's extents do.
fn overtaken(conn: &Connection, commit: &Commit) -> Done<()> {
    fragment::mark(conn, &commit.fragments)?;
    extent::retire_intended(conn, commit.version.generation, commit.doom_at)?;
    generation::remove(conn, commit.version.generation)
}

/// The extents that the version names, by id; or the first that is neither held nor of this generation.
fn named(conn: &Connection, commit: &Commit) -> Done<Result<BTreeMap<ExtentId, ExtentRow>, ExtentId>> {
    let mut found = BTreeMap::new();
    let places = commit.places.iter().map(|place| place.extent);
    for id in places.chain(commit.others.iter().copied()) {
        if found.contains_key(&id) {
            continue;
        }
        match extent::find(conn, id)? {
            Some(row) if row.is_held() || row.is_intended_by(commit.version.generation) => found.insert(id, row),
            _ => return Ok(Err(id)),
        };
    }
    Ok(Ok(found))
}

/// Makes the commit's version the head in place of `old`; `named` are the rows of all extents that it names.
pub(super) fn replace_head(
    conn: &Connection,
    commit: &Commit,
    old: Option<HeadRow>,
    mut named: BTreeMap<ExtentId, ExtentRow>,
) -> Done<Committed> {
    let old_held = match &old {
        Some(head) => head::held(conn, head.no)?,
        None => BTreeMap::new(),
    };
    let new_held = seats(commit, &named)?;
    let object = head::save(conn, old.as_ref().map(|head| head.no), &commit.version)?;
    head::replace(conn, object, &old_held, &new_held)?;
    note_digests(commit, &mut named)?;
    fragment::mark(conn, &commit.fragments)?;
    count(conn, commit, &old_held, &new_held, named)?;
    owe(conn, commit, object, &old_held, &new_held)?;
    extent::retire_intended(conn, commit.version.generation, commit.doom_at)?;
    generation::remove(conn, commit.version.generation)?;
    Ok(Committed::Now(old.map(|head| head.version.generation)))
}

/// What the version has written and is not whole is owed from now on.
fn owe(
    conn: &Connection,
    commit: &Commit,
    object: i64,
    old: &BTreeMap<Seat, Held>,
    new: &BTreeMap<Seat, Held>,
) -> Done<()> {
    let known: BTreeSet<ExtentId> = old.values().map(|held| held.id).collect();
    for held in new.values().filter(|held| !known.contains(&held.id)) {
        if let Some(extent) = extent::find(conn, held.id)? {
            debt::open(conn, &extent, object, commit.now)?;
        }
    }
    Ok(())
}

/// Where each extent stands in the new version. Two stand at one byte only if the first is empty.
pub(super) fn seats(commit: &Commit, named: &BTreeMap<ExtentId, ExtentRow>) -> Done<BTreeMap<Seat, Held>> {
    let mut seats = BTreeMap::new();
    let mut take = |start: i64, len: i64, id: ExtentId| {
        let taken = seats.range((start, 0)..=(start, i64::MAX)).next_back();
        let ordinal = taken.map_or(0, |((_, ordinal), _)| ordinal + 1);
        let extent_no = named.get(&id).expect("every extent that the commit names was found").no;
        seats.insert((start, ordinal), Held { len, extent_no, id });
    };
    for id in &commit.others {
        take(NO_DATA, 0, *id);
    }
    for place in &commit.places {
        let start = column::stored(place.offset, "the offset of an extent")?;
        take(
            start,
            column::stored(place.len, "the length of an extent")?,
            place.extent,
        );
    }
    Ok(seats)
}

fn note_digests(commit: &Commit, named: &mut BTreeMap<ExtentId, ExtentRow>) -> Done<()> {
    for (id, digest) in &commit.digests {
        match named.get_mut(id) {
            Some(row) if row.is_held() && row.extent.digest != *digest => {
                return Err(Fault::rule(format!("extent {id} is held already, its digest is fixed")));
            }
            Some(row) => row.extent.digest = *digest,
            None => {}
        }
    }
    Ok(())
}

/// Counts the references of all extents that the old or the new head names; those without any retire.
pub(super) fn count(
    conn: &Connection,
    commit: &Commit,
    old: &BTreeMap<Seat, Held>,
    new: &BTreeMap<Seat, Held>,
    mut rows: BTreeMap<ExtentId, ExtentRow>,
) -> Done<()> {
    let mut change: BTreeMap<ExtentId, i64> = BTreeMap::new();
    for held in old.values() {
        *change.entry(held.id).or_default() -= 1;
    }
    for held in new.values() {
        *change.entry(held.id).or_default() += 1;
    }
    for (id, change) in change.into_iter().filter(|(_, change)| *change != 0) {
        let mut row = match rows.remove(&id) {
            Some(row) => row,
            None => {
                extent::find(conn, id)?.ok_or_else(|| Fault::Damaged(format!("extent {id} is held but has no row")))?
            }
        };
        row.refs += change;
        match row.refs {
            0 => row.retire(conn, commit.now, commit.doom_at)?,
            1.. => row.save(conn)?,
            ..0 => return Err(Fault::Damaged(format!("extent {id} is held oftener than it counts"))),
        }
    }
    Ok(())
}
