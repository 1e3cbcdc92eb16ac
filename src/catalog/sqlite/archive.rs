//! The copies of the catalog in SQLite: each verb hands its work to the writer or to a reader.

use crate::catalog::Answer;
use crate::catalog::archive::{Archive, Sink, Source};
use crate::catalog::journal::{Position, Segment};
use crate::catalog::shipment::Shipment;
use crate::fragment::id::Generation;

use super::{Engine, SqliteCatalog, export, import, journal, shipment};

impl Archive for SqliteCatalog {
    fn position(&self) -> Answer<'_, Position> {
        self.read(journal::position)
    }

    fn keep_changes(&self) -> Answer<'_, Position> {
        self.write(journal::keep)
    }

    fn changes(&self, after: u64, most: usize) -> Answer<'_, Option<Segment>> {
        self.read(move |conn| journal::changes(conn, after, most))
    }

    fn forget_changes(&self, up_to: u64) -> Answer<'_, ()> {
        self.write(move |conn| journal::forget(conn, up_to))
    }

    fn replay(&self, segment: Segment) -> Answer<'_, Position> {
        self.write(move |conn| journal::replay(conn, &segment))
    }

    fn export(&self, sink: Sink) -> Answer<'_, Position> {
        self.read(move |conn| export::export(conn, sink))
    }

    fn import(&self, source: Source) -> Answer<'_, Position> {
        self.write(move |conn| import::import(conn, source))
    }

    fn supersede(&self, source: Source) -> Answer<'_, Position> {
        self.write(move |conn| import::supersede(conn, source))
    }

    fn exports_aside(&self) -> bool {
        !matches!(self.engine, Engine::Inline(_))
    }

    fn note_shipment(&self, shipment: Shipment) -> Answer<'_, ()> {
        self.write(move |conn| shipment::note(conn, &shipment))
    }

    fn shipments(&self) -> Answer<'_, Vec<Shipment>> {
        self.read(shipment::all)
    }

    fn forget_shipment(&self, generation: Generation) -> Answer<'_, ()> {
        self.write(move |conn| shipment::forget(conn, generation))
    }
}
