//! Rows of shipments: a local table, of which the journal knows nothing.

use rusqlite::{Connection, params};

use crate::catalog::shipment::Shipment;
use crate::catalog::wire;
use crate::fragment::id::Generation;

use super::column::{self, get};
use super::fault::{Done, Fault};
use super::sum::Sum;

/// See [`crate::catalog::archive::Archive::note_shipment`].
pub(super) fn note(conn: &Connection, shipment: &Shipment) -> Done<()> {
    let (generation, bytes) = (column::generation(shipment.generation), wire::bytes_of(shipment));
    conn.prepare_cached("INSERT OR REPLACE INTO shipment VALUES (?1, ?2, ?3)")?
        .execute(params![generation, bytes, sum(&generation, &bytes)])?;
    Ok(())
}

/// See [`crate::catalog::archive::Archive::forget_shipment`].
pub(super) fn forget(conn: &Connection, generation: Generation) -> Done<()> {
    conn.prepare_cached("DELETE FROM shipment WHERE generation = ?1")?
        .execute([column::generation(generation)])?;
    Ok(())
}

/// See [`crate::catalog::archive::Archive::shipments`].
pub(super) fn all(conn: &Connection) -> Done<Vec<Shipment>> {
    let mut statement = conn.prepare_cached("SELECT generation, bytes, sum FROM shipment ORDER BY generation")?;
    let mut rows = statement.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let (generation, bytes): ([u8; 32], Vec<u8>) = (get(row, 0)?, get(row, 1)?);
        let sound = get::<i64>(row, 2)? == sum(&generation, &bytes);
        let shipment = wire::get_all(&bytes).filter(|_| sound);
        found.push(shipment.ok_or_else(|| Fault::Damaged("the row of a shipment fails its checksum".to_owned()))?);
    }
    Ok(found)
}

fn sum(generation: &[u8; 32], bytes: &[u8]) -> i64 {
    Sum::of("shipment").bytes(generation).bytes(bytes).finish()
}
