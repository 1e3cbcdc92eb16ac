//! What has to be true of every catalog: the engine's structure, and RAIC's rules over it.

use rusqlite::Connection;

use crate::fragment::id::Kind;

use super::column::{self, get};
use super::extent::{self, ExtentRow};
use super::fault::{self, Done, Fault};
use super::fragment;
use super::generation;
use super::head;
use super::journal;
use super::read;
use super::schema::NO_DATA;

/// The most findings of one kind: what is broken at a thousand places is broken.
const FINDINGS: usize = 100;

/// Rules that one statement can check: it answers the names of what breaks them.
const RULES: &[(&str, &str)] = &[
    (
        "the references of extent {} are not as many as the places that name it",
        "SELECT hex(e.id) FROM extent e LEFT JOIN (SELECT extent, count(*) AS named FROM place GROUP BY extent) l \
         ON l.extent = e.no WHERE e.kind <> 6 AND e.refs <> coalesce(l.named, 0)",
    ),
    (
        "object {} names an extent that is not in the catalog",
        "SELECT DISTINCT hex(o.name) FROM object o JOIN place l ON l.object = o.no LEFT JOIN extent e ON e.no = l.extent \
         WHERE e.no IS NULL",
    ),
    (
        "object {} has no place for its root",
        "SELECT hex(o.name) FROM object o WHERE NOT EXISTS (SELECT 1 FROM place l JOIN extent e ON e.no = l.extent \
         WHERE l.object = o.no AND e.id = o.root)",
    ),
    (
        "extent {} is retired and has a fragment that is not doomed",
        "SELECT DISTINCT hex(e.id) FROM extent e JOIN fragment f ON f.extent = e.no \
         WHERE e.retired_at IS NOT NULL AND f.due IS NULL",
    ),
    (
        "extent {} is retired and held",
        "SELECT hex(id) FROM extent WHERE retired_at IS NOT NULL AND refs <> 0",
    ),
    (
        "a fragment refers to extent number {}, which is not there",
        "SELECT DISTINCT CAST(f.extent AS TEXT) FROM fragment f LEFT JOIN extent e ON e.no = f.extent WHERE e.no IS NULL",
    ),
    (
        "a fragment refers to provider number {}, which is not there",
        "SELECT DISTINCT CAST(f.provider AS TEXT) FROM fragment f LEFT JOIN provider p ON p.no = f.provider WHERE p.no IS NULL",
    ),
    (
        "generation {} is the head of several objects",
        "SELECT hex(generation) FROM object GROUP BY generation HAVING count(*) > 1",
    ),
];

/// See [`crate::catalog::Catalog::check`].
pub(super) fn check(conn: &Connection) -> Done<Vec<String>> {
    let mut findings = Vec::new();
    for part in [structure, rules, objects, extents, begun] {
        if let Err(fault) = part(conn, &mut findings) {
            findings.push(finding(fault)?);
        }
    }
    findings.truncate(FINDINGS);
    Ok(findings)
}

fn structure(conn: &Connection, findings: &mut Vec<String>) -> Done<()> {
    let mut statement = conn.prepare(&format!("PRAGMA integrity_check({FINDINGS})"))?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let line: String = get(row, 0)?;
        if line != "ok" {
            findings.push(line);
        }
    }
    Ok(())
}

fn rules(conn: &Connection, findings: &mut Vec<String>) -> Done<()> {
    for (broken, sql) in RULES {
        let mut statement = conn.prepare(sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()?
            && findings.len() < FINDINGS
        {
            let who: String = get(row, 0)?;
            findings.push(broken.replace("{}", &who.to_lowercase()));
        }
    }
    Ok(())
}

/// Reads each head and its places, which checks their sums, and looks whether the places cover the object.
fn objects(conn: &Connection, findings: &mut Vec<String>) -> Done<()> {
    let mut statement = conn.prepare("SELECT no, name FROM object ORDER BY no")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()?
        && findings.len() < FINDINGS
    {
        let no = get(row, 0)?;
        let name = column::get_name(row, 1)?;
        if let Err(fault) = object(conn, no, &name) {
            findings.push(finding(fault)?);
        }
    }
    Ok(())
}

fn object(conn: &Connection, no: i64, name: &str) -> Done<()> {
    let Some(head) = head::find(conn, name)?.filter(|head| head.no == no) else {
        return Err(Fault::Damaged(format!("object {name:?} is not found by its name")));
    };
    let mut end = 0;
    for (seat, len, _) in head::places(conn, no, 0..=i64::MAX)? {
        if seat.0 != end || len < 0 {
            return Err(Fault::Damaged(format!(
                "object {name:?} has no extent for its byte {end}"
            )));
        }
        end += len;
    }
    if head.version.kind != Kind::Tombstone && end.cast_unsigned() != head.version.len {
        let len = head.version.len;
        return Err(Fault::Damaged(format!(
            "object {name:?} has {len} bytes, its extents {end}"
        )));
    }
    head::places(conn, no, NO_DATA..=NO_DATA)?;
    Ok(())
}

/// Reads each extent and its fragments, which checks their sums.
fn extents(conn: &Connection, findings: &mut Vec<String>) -> Done<()> {
    let mut statement = conn.prepare(&format!("SELECT {} FROM extent e ORDER BY e.no", extent::COLUMNS))?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()?
        && findings.len() < FINDINGS
    {
        let read = ExtentRow::read(row, 0).and_then(|extent| fragment::all_of(conn, &extent).map(drop));
        if let Err(fault) = read {
            findings.push(finding(fault)?);
        }
    }
    Ok(())
}

/// Reads the generations, epochs and members, which checks their sums.
fn begun(conn: &Connection, findings: &mut Vec<String>) -> Done<()> {
    let read = [
        generation::all(conn).map(drop),
        generation::epochs(conn).map(drop),
        read::members(conn).map(drop),
        journal::position(conn).map(drop),
    ];
    for fault in read.into_iter().filter_map(Result::err) {
        findings.push(finding(fault)?);
    }
    Ok(())
}

/// Damage is a finding; what else keeps the check from going on is not.
fn finding(fault: Fault) -> Done<String> {
    match fault {
        Fault::Damaged(message) => Ok(message),
        Fault::Engine(error) if fault::is_damage(&error) => Ok(error.to_string()),
        other => Err(other),
    }
}
