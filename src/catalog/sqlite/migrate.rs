//! From any older schema to the newest, in one transaction, with a copy of the file as it was put beside it first.

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rusqlite::backup::Progress;
use rusqlite::{Connection, TransactionBehavior, params};

use crate::fragment::id::SetId;

use super::fault::{Done, Fault};
use super::{diary, ledger, schema, upload};

/// One step from the version before to the next, inside the transaction.
pub(super) type Step = fn(&Connection) -> Done<()>;

/// Step i makes version i + 1. A step that was released is never changed.
const STEPS: &[Step] = &[
    |conn| Ok(conn.execute_batch(schema::VERSION_1)?),
    |conn| Ok(conn.execute_batch(ledger::TABLES)?),
    |conn| Ok(conn.execute_batch(schema::VERSION_3)?),
    |conn| Ok(conn.execute_batch(diary::TABLES)?),
    |conn| Ok(conn.execute_batch(upload::TABLE)?),
];

/// The version that this program reads and writes.
#[expect(clippy::cast_possible_truncation, reason = "there are few steps")]
pub(super) const NEWEST: u32 = STEPS.len() as u32;

/// Brings the catalog at `path` from version `found` to the newest; an empty file (`None`) becomes one of `set`.
pub(super) fn up(conn: &mut Connection, found: Option<u32>, path: &Path, set: SetId) -> Done<()> {
    apply(conn, STEPS, found, path, set)
}

fn apply(conn: &mut Connection, steps: &[Step], found: Option<u32>, path: &Path, set: SetId) -> Done<()> {
    let from = found.unwrap_or(0);
    let to = u32::try_from(steps.len()).expect("there are few steps");
    if from == to {
        return Ok(());
    }
    if from > 0 {
        keep_copy(conn, path, from)?;
    }
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for step in steps.iter().skip(from as usize) {
        step(&tx)?;
    }
    if found.is_none() {
        tx.execute("INSERT INTO catalog VALUES (1, ?1, 0)", params![set.0])?;
        tx.pragma_update(None, "application_id", schema::APPLICATION_ID)?;
    }
    tx.pragma_update(None, "user_version", to)?;
    Ok(tx.commit()?)
}

/// The file beside which the copy of an older version is kept: `catalog.db.version-1`.
fn copy_path(path: &Path, version: u32) -> PathBuf {
    let mut name: OsString = path.as_os_str().to_owned();
    name.push(format!(".version-{version}"));
    name.into()
}

/// Copies the whole catalog as it is, whatever a migration before left half done.
fn keep_copy(conn: &Connection, path: &Path, version: u32) -> Done<()> {
    let copy = copy_path(path, version);
    let failed = |error: &dyn std::fmt::Display| {
        let message = format!(
            "cannot keep a copy of it as {} before the migration: {error}",
            copy.display()
        );
        Fault::Refused(super::fault::io(&path.to_string_lossy(), &message))
    };
    if copy.exists() {
        fs::remove_file(&copy).map_err(|error| failed(&error))?;
    }
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&copy);
    let file = file.map_err(|error| failed(&error))?;
    conn.backup("main", &copy, None::<fn(Progress)>)
        .map_err(|error| failed(&error))?;
    file.sync_all().map_err(|error| failed(&error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::CatalogError;
    use crate::catalog::sample::SET;

    const ADDS: Step = |conn| Ok(conn.execute_batch("ALTER TABLE probe ADD COLUMN at INTEGER NOT NULL DEFAULT 7")?);
    const FAILS: Step = |conn| {
        conn.execute_batch("DROP TABLE pin")?;
        Err(Fault::Damaged("it can't be migrated".to_owned()))
    };

    /// A catalog of version 1 with one probe in it.
    fn version_1(path: &Path) -> Connection {
        let mut conn = Connection::open(path).unwrap();
        apply(&mut conn, &STEPS[..1], None, path, SET).unwrap();
        conn.execute("INSERT INTO probe VALUES (x'01', 'yes')", []).unwrap();
        conn
    }

    fn number(conn: &Connection, sql: &str) -> i64 {
        conn.query_row(sql, [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn a_migration_keeps_the_rows_and_a_copy_of_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("catalog.db");
        let mut conn = version_1(&path);
        apply(&mut conn, &[STEPS[0], ADDS, ADDS_NOTHING], Some(1), &path, SET).unwrap();
        assert_eq!(number(&conn, "PRAGMA user_version"), 3);
        assert_eq!(number(&conn, "SELECT at FROM probe WHERE answer = 'yes'"), 7);
        let copy = Connection::open(folder.path().join("catalog.db.version-1")).unwrap();
        assert_eq!(number(&copy, "PRAGMA user_version"), 1);
        assert_eq!(number(&copy, "SELECT count(*) FROM probe"), 1);
    }

    const ADDS_NOTHING: Step = |_| Ok(());

    #[test]
    fn a_migration_that_fails_leaves_the_version_it_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("catalog.db");
        let mut conn = version_1(&path);
        for _ in 0..2 {
            let failed = apply(&mut conn, &[STEPS[0], ADDS, FAILS], Some(1), &path, SET);
            assert!(matches!(failed, Err(Fault::Damaged(_))), "{failed:?}");
            assert_eq!(number(&conn, "PRAGMA user_version"), 1);
            assert_eq!(number(&conn, "SELECT count(*) FROM pin"), 0);
        }
    }

    #[test]
    fn without_room_for_a_copy_nothing_is_migrated() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("catalog.db");
        let mut conn = version_1(&path);
        std::fs::create_dir(folder.path().join("catalog.db.version-1")).unwrap();
        let failed = apply(&mut conn, &[STEPS[0], ADDS], Some(1), &path, SET);
        let Err(Fault::Refused(CatalogError::Io { message, .. })) = failed else {
            panic!("{failed:?}")
        };
        assert!(message.contains("catalog.db.version-1"), "{message}");
        assert_eq!(number(&conn, "PRAGMA user_version"), 1);
    }
}
