//! From any older schema to the newest, in one transaction, with a copy of the file as it was put beside it first.

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rusqlite::backup::Progress;
use rusqlite::{Connection, TransactionBehavior, params};

use crate::fragment::id::SetId;

use super::fault::{Done, Fault};
use super::schema;

/// One step from the version before to the next, inside the transaction.
pub(super) type Step = fn(&Connection) -> Done<()>;

/// Step i makes version i + 1. A step that was released is never changed.
const STEPS: &[Step] = &[|conn| Ok(conn.execute_batch(schema::VERSION_1)?)];

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
