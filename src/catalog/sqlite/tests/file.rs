//! The file: whose it is, who may read it, who can open it when.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use super::migrate::NEWEST;
use super::*;
use crate::catalog::record::FragmentState;
use crate::fragment::id::SetId;

fn told(path: &Path, mode: Mode) -> CatalogError {
    SqliteCatalog::open(path, SET, mode).unwrap_err()
}

#[tokio::test]
async fn a_put_is_the_head_and_what_it_replaces_is_doomed() {
    let catalog = SqliteCatalog::inline(SET).unwrap();
    catalog.claim_epoch(1, WRITER).await.unwrap();
    assert_eq!(put(&catalog, "a", 1).await, Ok(Committed::Now(None)));
    assert_eq!(
        put(&catalog, "a", 2).await,
        Ok(Committed::Now(Some(sample::generation(1, 1))))
    );
    let head = catalog.head("a").await.unwrap().unwrap();
    assert_eq!(head.generation, sample::generation(1, 2));
    let pieces = catalog.pieces("a", head.generation, 0, u64::MAX).await.unwrap();
    assert_eq!(
        pieces[0].fragments,
        sample::fragments(head.root, 100, 0, FragmentState::Sound)
    );
    assert_eq!(catalog.doomed(1_999, 10).await.unwrap().len(), 0);
    let doomed = catalog.doomed(2_000, 10).await.unwrap();
    assert!(doomed.len() == 4 && doomed.iter().all(|doomed| doomed.extent.id == sample::extent_id(1)));
}

#[tokio::test]
async fn a_reader_sees_what_was_answered_while_another_writes() {
    let folder = tempfile::tempdir().unwrap();
    let path = file_in(&folder);
    let writer = SqliteCatalog::open(&path, SET, Mode::ReadWrite).unwrap();
    let reader = SqliteCatalog::open(&path, SET, Mode::ReadOnly).unwrap();
    writer.claim_epoch(1, WRITER).await.unwrap();
    for sequence in 1..10 {
        put(&writer, "a", sequence).await.unwrap();
        assert_eq!(reader.head("a").await.unwrap().unwrap().generation.sequence, sequence);
    }
    let error = reader.claim_epoch(2, WRITER).await.unwrap_err();
    assert!(error.to_string().contains("opened for reading"), "{error}");
    let pin = Pin {
        id: [1; 16],
        begun: 1_000,
        expires: 9_000,
    };
    reader.pin(pin).await.unwrap();
    assert_eq!(
        writer.doomed(5_000, 9).await.unwrap(),
        [],
        "the reader's pin isn't seen"
    );
    reader.unpin(pin.id).await.unwrap();
    assert_eq!(writer.doomed(5_000, 9).await.unwrap().len(), 9);
}

#[test]
fn the_file_is_its_owners_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = file_in(&folder);
    let rights = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let catalog = inline_at(&path);
    assert_eq!((rights(&path), rights(&path.with_extension("db-wal"))), (0o600, 0o600));
    drop(catalog);
    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    drop(SqliteCatalog::inline_at(&path, SET).unwrap());
    assert_eq!(rights(&path), 0o600);
}

#[test]
fn another_set_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = file_in(&folder);
    drop(inline_at(&path));
    for mode in [Mode::ReadOnly, Mode::ReadWrite] {
        let error = SqliteCatalog::open(&path, SetId([8; 16]), mode).unwrap_err();
        let CatalogError::OtherSet { found, wanted, .. } = error else {
            panic!("{error}")
        };
        assert_eq!((found, wanted), (SET.to_string(), SetId([8; 16]).to_string()));
    }
}

#[test]
fn a_later_schema_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = file_in(&folder);
    drop(inline_at(&path));
    let conn = Connection::open(&path).unwrap();
    conn.pragma_update(None, "user_version", 99).unwrap();
    drop(conn);
    for mode in [Mode::ReadOnly, Mode::ReadWrite] {
        assert!(matches!(
            told(&path, mode),
            CatalogError::Newer {
                found: 99,
                known: NEWEST,
                ..
            }
        ));
    }
}

#[test]
fn what_is_no_catalog_is_refused_with_the_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let path = file_in(&folder);
    let other = Connection::open(folder.path().join("other.db")).unwrap();
    other.execute_batch("CREATE TABLE t (a)").unwrap();
    drop(other);
    let catalog = inline_at(&path);
    block_on(put(&catalog, "a", 1)).unwrap();
    drop(catalog);
    let whole = fs::read(&path).unwrap();
    let cases = [
        b"a text of some length that is no database at all, whatever its name may say about it".to_vec(),
        fs::read(folder.path().join("other.db")).unwrap(),
        vec![0; 8_192],
        whole[..50].to_vec(),
    ];
    for (number, case) in cases.into_iter().enumerate() {
        fs::write(&path, case).unwrap();
        for mode in [Mode::ReadOnly, Mode::ReadWrite] {
            let error = told(&path, mode);
            let remedy = error.to_string().contains("raic recover");
            assert!(
                remedy && matches!(error, CatalogError::Damaged { .. }),
                "case {number}: {error}"
            );
        }
    }
}

#[test]
fn a_path_that_leads_nowhere_is_an_error_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing").join("catalog.db");
    for path in [missing.as_path(), folder.path()] {
        for mode in [Mode::ReadOnly, Mode::ReadWrite] {
            assert!(matches!(told(path, mode), CatalogError::Io { .. }));
        }
    }
    assert!(matches!(
        told(&file_in(&folder), Mode::ReadOnly),
        CatalogError::Io { .. }
    ));
    assert!(!file_in(&folder).exists(), "reading made a file");
}

/// Set for the process that only reads; its value is the file.
const CHILD: &str = "RAIC_TEST_CATALOG_TO_READ";

/// What that process ends with when it read what was written: a test that only returned would end with 0.
const WAS_READ: i32 = 42;

/// Runs `the_process_that_only_reads` below in a process of its own, under a user who may not write if this one is root.
fn read_in_another_process(path: &Path) {
    use std::os::unix::process::CommandExt;
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "catalog::sqlite::tests::file::the_process_that_only_reads"]);
    child.env(CHILD, path).stdin(Stdio::null());
    if rustix::process::geteuid().is_root() {
        child.uid(65_534).gid(65_534);
    }
    let output = child.output().expect("the test program can be run by others");
    assert_eq!(
        output.status.code(),
        Some(WAS_READ),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

#[tokio::test]
async fn the_process_that_only_reads() {
    let Some(path) = std::env::var_os(CHILD) else { return };
    let catalog = SqliteCatalog::open(Path::new(&path), SET, Mode::ReadOnly).unwrap();
    let head = catalog.head("a").await.unwrap().unwrap();
    assert_eq!(head.generation, sample::generation(1, 1));
    std::process::exit(WAS_READ);
}

fn open_to_others(folder: &Path) {
    fs::set_permissions(folder, Permissions::from_mode(0o555)).unwrap();
    for file in fs::read_dir(folder).unwrap() {
        fs::set_permissions(file.unwrap().path(), Permissions::from_mode(0o444)).unwrap();
    }
}

#[test]
fn a_process_that_can_write_nothing_reads_beside_a_writer_and_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = file_in(&folder);
    let catalog = inline_at(&path);
    block_on(put(&catalog, "a", 1)).unwrap();
    open_to_others(folder.path());
    read_in_another_process(&path);
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    drop(catalog);
    open_to_others(folder.path());
    read_in_another_process(&path);
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
}
