//! The reading verbs but those about health, each on a connection inside a transaction.

use rusqlite::{Connection, OptionalExtension, params};

use crate::catalog::record::{Doomed, Extent, Fragment, FragmentState, Member, Piece, Usage, Version};
use crate::fragment::id::{ExtentId, Generation, ProviderId};

use super::column::{self, get, number};
use super::extent::{self, ExtentRow};
use super::fault::{Done, Fault};
use super::fragment::{self, FragmentRow};
use super::head::{self, Seat};
use super::schema::NO_DATA;
use super::sum::Sum;

/// See [`crate::catalog::Catalog::head`].
pub(super) fn head(conn: &Connection, name: &str) -> Done<Option<Version>> {
    Ok(head::find(conn, name)?.map(|head| head.version))
}

/// See [`crate::catalog::Catalog::pieces`].
pub(super) fn pieces(conn: &Connection, name: &str, generation: Generation, from: u64, to: u64) -> Done<Vec<Piece>> {
    let Some(head) = head::find(conn, name)?.filter(|head| head.version.generation == generation) else {
        return Ok(Vec::new());
    };
    if from >= to {
        return Ok(Vec::new());
    }
    let first = head::start_of(conn, head.no, column::at_most(from))?;
    let last = column::at_most(to - 1);
    let mut found = Vec::new();
    for (seat, len, extent) in head::places(conn, head.no, first..=last)? {
        let piece = piece(conn, seat, len, extent)?;
        if piece.len > 0 && piece.offset + piece.len > from {
            found.push(piece);
        }
    }
    Ok(found)
}

/// See [`crate::catalog::Catalog::extents`].
pub(super) fn extents(conn: &Connection, name: &str) -> Done<Vec<Piece>> {
    let Some(head) = head::find(conn, name)? else {
        return Ok(Vec::new());
    };
    let places = head::places(conn, head.no, NO_DATA..=i64::MAX)?;
    places
        .into_iter()
        .map(|(seat, len, extent)| piece(conn, seat, len, extent))
        .collect()
}

fn piece(conn: &Connection, seat: Seat, len: i64, extent: ExtentRow) -> Done<Piece> {
    Ok(Piece {
        offset: seat.0.max(0).cast_unsigned(),
        len: len.max(0).cast_unsigned(),
        fragments: fragment::live_of(conn, &extent)?,
        extent: extent.extent,
    })
}

/// See [`crate::catalog::Catalog::extent`].
pub(super) fn extent(conn: &Connection, id: ExtentId) -> Done<Option<(Extent, Vec<Fragment>)>> {
    let Some(row) = extent::find(conn, id)? else {
        return Ok(None);
    };
    let fragments = fragment::live_of(conn, &row)?;
    Ok(Some((row.extent, fragments)))
}

/// See [`crate::catalog::Catalog::doomed`].
pub(super) fn doomed(conn: &Connection, now: i64, limit: usize) -> Done<Vec<Doomed>> {
    let oldest_pin: Option<i64> = conn
        .prepare_cached("SELECT min(begun) FROM pin WHERE expires > ?1")?
        .query_row([now], |row| row.get(0))?;
    let mut statement = conn.prepare_cached(&format!(
        "SELECT {}, {} FROM fragment f INDEXED BY fragment_due JOIN extent e ON e.no = f.extent \
         LEFT JOIN provider p ON p.no = f.provider \
         WHERE f.due <= ?1 AND (?2 IS NULL OR e.retired_at IS NULL OR e.retired_at < ?2) \
         ORDER BY f.due, f.extent, f.idx, f.copy LIMIT ?3",
        extent::COLUMNS,
        fragment::COLUMNS
    ))?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut rows = statement.query(params![now, oldest_pin, limit])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let extent = ExtentRow::read(row, 0)?;
        let fragment = FragmentRow::read(row, extent::WIDTH, extent.no, extent.extent.id)?.fragment;
        found.push(Doomed {
            extent: extent.extent,
            fragment,
        });
    }
    Ok(found)
}

/// See [`crate::catalog::Catalog::extents_on`]. Walks the extents in their order rather than an index by provider: a provider
/// holds fragments of most extents or the walk is over soon, and an index would double what each put writes.
pub(super) fn extents_on(
    conn: &Connection,
    provider: ProviderId,
    after: Option<ExtentId>,
    limit: usize,
) -> Done<Vec<ExtentId>> {
    let Some(no) = known_provider(conn, provider)? else {
        return Ok(Vec::new());
    };
    let after = after.map_or(Vec::new(), |after| after.0.to_vec());
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut statement = conn.prepare_cached(
        "SELECT e.id FROM extent e WHERE e.id > ?1 AND e.refs > 0 AND EXISTS \
         (SELECT 1 FROM fragment f WHERE f.extent = e.no AND f.provider = ?2 AND f.due IS NULL) \
         ORDER BY e.id LIMIT ?3",
    )?;
    let mut rows = statement.query(params![after, no, limit])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(ExtentId(get(row, 0)?));
    }
    Ok(found)
}

fn known_provider(conn: &Connection, provider: ProviderId) -> Done<Option<i64>> {
    let found = conn
        .prepare_cached("SELECT no FROM provider WHERE id = ?1")?
        .query_row(params![provider.0], |row| row.get(0))
        .optional()?;
    Ok(found)
}

/// See [`crate::catalog::Catalog::usage`].
pub(super) fn usage(conn: &Connection) -> Done<Vec<Usage>> {
    let mut statement = conn.prepare_cached(
        "SELECT p.id, \
         coalesce(sum(f.due IS NULL AND e.refs > 0 AND f.state <> ?1), 0), \
         coalesce(sum(CASE WHEN f.due IS NULL AND e.refs > 0 AND f.state <> ?1 THEN e.fragment_len END), 0), \
         coalesce(sum(f.due IS NOT NULL), 0), \
         coalesce(sum(CASE WHEN f.due IS NOT NULL THEN e.fragment_len END), 0) \
         FROM fragment f JOIN extent e ON e.no = f.extent JOIN provider p ON p.no = f.provider \
         GROUP BY f.provider ORDER BY p.id",
    )?;
    let mut rows = statement.query([FragmentState::Missing as u8])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(Usage {
            provider: ProviderId(get(row, 0)?),
            fragments: number(row, 1, "a count of fragments")?,
            bytes: number(row, 2, "a count of bytes")?,
            doomed: number(row, 3, "a count of fragments")?,
            doomed_bytes: number(row, 4, "a count of bytes")?,
        });
    }
    Ok(found)
}

/// See [`crate::catalog::Catalog::members`].
pub(super) fn members(conn: &Connection) -> Done<(u64, Vec<Member>)> {
    let mut statement = conn.prepare_cached("SELECT membership FROM catalog")?;
    let version = match statement.query([])?.next()? {
        Some(row) => number(row, 0, "the membership version")?,
        None => {
            return Err(Fault::Damaged("it has lost the row that tells its set".to_owned()));
        }
    };
    let mut statement =
        conn.prepare_cached("SELECT id, name, weight, state, since, sum FROM member ORDER BY name, id")?;
    let mut rows = statement.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let member = Member {
            id: ProviderId(get(row, 0)?),
            name: get(row, 1)?,
            weight: get(row, 2)?,
            state: column::get_member_state(row, 3)?,
            since: number(row, 4, "a membership version")?,
        };
        if get::<i64>(row, 5)? != member_sum(&member) {
            return Err(Fault::Damaged(format!(
                "the row of member {} fails its checksum",
                member.id
            )));
        }
        found.push(member);
    }
    Ok((version, found))
}

/// The checksum of a member's row.
pub(super) fn member_sum(member: &Member) -> i64 {
    Sum::of("member")
        .bytes(&member.id.0)
        .bytes(member.name.as_bytes())
        .bytes(&member.weight.to_le_bytes())
        .int(member.state as i64)
        .bytes(&member.since.to_le_bytes())
        .finish()
}

/// See [`crate::catalog::Catalog::probe`].
pub(super) fn probe(conn: &Connection, provider: ProviderId) -> Done<Option<String>> {
    let found = conn
        .prepare_cached("SELECT answer FROM probe WHERE provider = ?1")?
        .query_row(params![provider.0], |row| row.get(0))
        .optional()?;
    Ok(found)
}
