//! What is particular to the SQLite catalog: the file, the group, the crash. What every catalog promises is `conformance.rs`.

mod crash;
mod damage;
mod file;
mod group;

use std::path::Path;

use futures::executor::block_on;

use super::*;
use crate::catalog::sample::{self, SET, WRITER};
use crate::fragment::id::Kind;

/// Puts an object of one extent; its generation and extent have the number `sequence`.
async fn put(catalog: &dyn Catalog, name: &str, sequence: u64) -> Result<Committed, CatalogError> {
    let generation = sample::generation(1, sequence);
    let id = sample::extent_id(sequence);
    let extent = sample::extent(id, generation, Kind::RootData, 5_000);
    catalog.intend(sample::intent(name, extent)).await?;
    catalog.commit(sample::commit(name, generation, id, 5_000)).await
}

/// The catalog file in a folder.
fn file_in(folder: &tempfile::TempDir) -> std::path::PathBuf {
    folder.path().join("catalog.db")
}

/// A catalog in a file with its first epoch claimed, verbs inline.
fn inline_at(path: &Path) -> SqliteCatalog {
    let catalog = SqliteCatalog::inline_at(path, SET).unwrap();
    block_on(catalog.claim_epoch(1, WRITER)).unwrap();
    catalog
}
