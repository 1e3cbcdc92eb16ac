//! Opening the file: whose it is, which version, whether it is one at all.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

use data_encoding::HEXLOWER;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::catalog::CatalogError;
use crate::fragment::id::SetId;

use super::fault::{self, Done, Fault};
use super::migrate;
use super::schema::APPLICATION_ID;

/// How long a connection waits for another process that writes.
const BUSY: Duration = Duration::from_secs(10);

/// Page cache of a connection, in KiB; SQLite counts it down from zero.
const CACHE_KIB: i64 = 16 << 10;

/// Prepared statements that a connection keeps: more than there are.
const STATEMENTS: usize = 128;

/// Read and write by the owner only: names of objects are in it.
const OWNER_ONLY: u32 = 0o600;

/// Opens the file for writing. Without a file, or with an empty one, it becomes a new catalog of `set`.
pub(super) fn to_write(path: &Path, set: SetId) -> Result<Connection, CatalogError> {
    let text = path.to_string_lossy();
    make_private(path).map_err(|error| fault::io(&text, &error))?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let open = || -> Done<Connection> {
        let mut conn = Connection::open_with_flags(path, flags)?;
        tune(&conn)?;
        let found = version(&conn, &text)?;
        conn.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
        conn.pragma_update(None, "synchronous", "full")?;
        conn.pragma_update(None, "foreign_keys", true)?;
        migrate::up(&mut conn, found, path, set)?;
        check_set(&conn, &text, set)?;
        Ok(conn)
    };
    open().map_err(|fault| fault.told(&text))
}

/// Opens a file that another process may be writing, for one small transaction.
pub(super) fn beside_a_writer(path: &Path, set: SetId) -> Done<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags)?;
    tune(&conn)?;
    conn.pragma_update(None, "synchronous", "full")?;
    check_set(&conn, &path.to_string_lossy(), set)?;
    Ok(conn)
}

/// Makes an empty database in memory a catalog of `set`.
pub(super) fn in_memory(set: SetId) -> Done<Connection> {
    let mut conn = Connection::open_in_memory()?;
    tune(&conn)?;
    conn.pragma_update(None, "foreign_keys", true)?;
    migrate::up(&mut conn, None, Path::new(":memory:"), set)?;
    Ok(conn)
}

/// Opens the file for reading. Where neither the file nor its folder can be written and nobody wrote since it was closed well, it is read as
/// it stands.
pub(super) fn to_read(path: &Path, set: SetId) -> Result<Connection, CatalogError> {
    let text = path.to_string_lossy();
    if !path.exists() {
        return Err(fault::io(
            &text,
            &"no such file; `raic init` makes one, `raic recover` rebuilds one from the clouds",
        ));
    }
    let open = |uri: &str| -> Done<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
        let conn = Connection::open_with_flags(uri, flags)?;
        tune(&conn)?;
        if version(&conn, &text)?.is_none() {
            return Err(Fault::Damaged("it is empty".to_owned()));
        }
        check_set(&conn, &text, set)?;
        Ok(conn)
    };
    let uri = uri_of(path);
    open(&uri)
        .or_else(|fault| {
            if at_rest(path) {
                open(&format!("{uri}?immutable=1"))
            } else {
                Err(fault)
            }
        })
        .map_err(|fault| fault.told(&text))
}

/// True if no log lies beside the file: nobody has it open for writing, and all that was committed is in it.
fn at_rest(path: &Path) -> bool {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    fs::metadata(log).map_or_else(|error| error.kind() == io::ErrorKind::NotFound, |log| log.len() == 0)
}

/// The path as SQLite takes it when options follow: everything but the plainest characters is escaped.
fn uri_of(path: &Path) -> String {
    let mut uri = "file:".to_owned();
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' => uri.push(char::from(*byte)),
            _ => uri.extend(["%", &HEXLOWER.encode(&[*byte])]),
        }
    }
    uri
}

/// Makes the file if there is none, and takes rights from others if there is one.
fn make_private(path: &Path) -> io::Result<()> {
    match OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(OWNER_ONLY)
        .open(path)
    {
        Ok(file) => {
            file.sync_all()?;
            match path.parent() {
                Some(folder) if folder != Path::new("") => File::open(folder)?.sync_all(),
                _ => File::open(".")?.sync_all(),
            }
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let rights = fs::metadata(path)?.permissions();
            let owners = rights.mode() & 0o700;
            if rights.mode() & 0o777 == owners {
                return Ok(());
            }
            fs::set_permissions(path, Permissions::from_mode(owners))
        }
        Err(error) => Err(error),
    }
}

fn tune(conn: &Connection) -> Done<()> {
    conn.busy_timeout(BUSY)?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS);
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    // Plans that look at bound values are made anew whenever one is bound: half of a commit's time.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    conn.pragma_update(None, "trusted_schema", false)?;
    conn.pragma_update(None, "cell_size_check", true)?;
    conn.pragma_update(None, "cache_size", -CACHE_KIB)?;
    Ok(())
}

/// The schema version of the file; `None` if it is empty. What is no catalog, or a later one, is refused.
fn version(conn: &Connection, path: &str) -> Done<Option<u32>> {
    let one = |sql| conn.query_row(sql, [], |row| row.get::<_, i64>(0));
    let tables = one("SELECT count(*) FROM sqlite_schema")?;
    let application = one("PRAGMA application_id")?;
    let version = one("PRAGMA user_version")?;
    if (tables, application, version) == (0, 0, 0) {
        return Ok(None);
    }
    if application != i64::from(APPLICATION_ID) {
        return Err(Fault::Damaged(
            "it is another program's database, no catalog of RAIC".to_owned(),
        ));
    }
    match u32::try_from(version) {
        Ok(found) if found > migrate::NEWEST => Err(Fault::Refused(CatalogError::Newer {
            path: path.to_owned(),
            found,
            known: migrate::NEWEST,
        })),
        Ok(found) if found > 0 => Ok(Some(found)),
        _ => Err(Fault::Damaged(format!("its schema version is {version}"))),
    }
}

/// True if the catalog at `path`, whoever's it is, has seen no member and no epoch: nothing was ever written under it.
pub(super) fn is_untouched(path: &Path) -> bool {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let open = || -> Done<bool> {
        let conn = Connection::open_with_flags(path, flags)?;
        tune(&conn)?;
        version(&conn, &path.to_string_lossy())?;
        let touched = "SELECT (SELECT sum(membership) FROM catalog) + (SELECT count(*) FROM epoch)";
        Ok(conn.query_row(touched, [], |row| row.get::<_, i64>(0))? == 0)
    };
    open().unwrap_or(false)
}

fn check_set(conn: &Connection, path: &str, wanted: SetId) -> Done<()> {
    let mut statement = conn.prepare("SELECT set_id FROM catalog")?;
    let mut rows = statement.query([])?;
    let Some(row) = rows.next()? else {
        return Err(Fault::Damaged("it has lost the row that tells its set".to_owned()));
    };
    let found = SetId(row.get(0)?);
    if found == wanted {
        return Ok(());
    }
    Err(Fault::Refused(CatalogError::OtherSet {
        path: path.to_owned(),
        found: found.to_string(),
        wanted: wanted.to_string(),
    }))
}
