//! The catalog in one SQLite file: durable verbs, read by other processes while one writes.
//!
//! ```text
//! writing verb ─▶ queue ─▶ one thread, one transaction for all that wait ─▶ fsync ─▶ answer        worker.rs
//! reading verb ─▶ a few read-only connections on blocking threads ─▶ answer                        readers.rs
//! inline       ─▶ the same verbs, executed where they are called: for simulations                  (here)
//! ```
//!
//! The file is in WAL mode with synchronous=FULL: a commit is one fsync of the log, and readers see the state at which they began. It holds
//! names of objects, so it belongs to its owner alone (0600). Who writes holds the lock of `lock.rs`; the engine's own locks keep
//! the file whole even if two write.

mod adopt;
mod check;
mod archive;
mod column;
mod commit;
mod debt;
mod diary;
mod export;
mod extent;
mod fault;
mod fragment;
mod generation;
mod head;
mod health;
mod import;
mod journal;
mod make;
mod ledger;
mod migrate;
mod open;
mod read;
mod readers;
mod schema;
mod shipment;
mod sum;
mod upload;
mod worker;
mod write;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use rusqlite::backup::Backup;

pub use worker::Tally;

use super::change::Change;
use super::record::{
    Census, Commit, Committed, Debt, Doomed, EpochRow, Extent, Found, Fragment, Health, Intent, Member, OpenGeneration,
    Piece, Pin, Usage, Version, Waiting,
};
use super::{Answer, Catalog, CatalogError};
use crate::fragment::id::{ExtentId, Generation, ProviderId, SetId, WriterId};
use fault::Done;
use make::Made;
use readers::Readers;
use worker::{Counters, Pen, Task, Writer};

/// What an opening is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Reads and writes; the file is made if there is none. The caller holds the writer's lock.
    ReadWrite,
    /// Reads, beside a process that writes or from a folder that can't be written. Of the writing verbs only pins, and those only
    /// where the file can be written.
    ReadOnly,
}

/// The catalog in one file, or in memory.
///
/// Its verbs need a tokio runtime, unless it is [inline](SqliteCatalog::inline). Dropping it waits until all queued verbs are written.
#[derive(Debug)]
pub struct SqliteCatalog {
    path: Arc<str>,
    set: SetId,
    counters: Arc<Counters>,
    engine: Engine,
}

#[derive(Debug)]
enum Engine {
    /// The readers go first: the last to close the file has to be one that can tidy it.
    File {
        readers: Readers,
        writer: Writer,
    },
    Read {
        readers: Readers,
    },
    Inline(Mutex<Pen>),
}

impl SqliteCatalog {
    /// Opens the catalog of `set` at `path`. A file that is damaged, newer or another set's is refused as such.
    pub fn open(path: &Path, set: SetId, mode: Mode) -> Result<SqliteCatalog, CatalogError> {
        let text: Arc<str> = path.to_string_lossy().into();
        let counters = Arc::default();
        let engine = match mode {
            Mode::ReadWrite => {
                let conn = open::to_write(path, set)?;
                let writer = Writer::start(Pen::new(conn, Arc::clone(&text), Arc::clone(&counters)))?;
                let readers = Readers::open(path.to_owned(), set)?;
                Engine::File { readers, writer }
            }
            Mode::ReadOnly => Engine::Read {
                readers: Readers::open(path.to_owned(), set)?,
            },
        };
        Ok(SqliteCatalog {
            path: text,
            set,
            counters,
            engine,
        })
    }

    /// True if the file is a catalog, of whatever set, under which nothing was ever written: one that a wrong key left behind.
    #[must_use]
    pub fn is_untouched(path: &Path) -> bool {
        open::is_untouched(path)
    }

    /// An empty catalog in memory. Each verb runs where it is called, without a thread: it is done when its future is first polled.
    pub fn inline(set: SetId) -> Result<SqliteCatalog, CatalogError> {
        let conn = open::in_memory(set).map_err(|fault| fault.told(IN_MEMORY))?;
        Ok(SqliteCatalog::around(conn, IN_MEMORY, set))
    }

    /// The catalog at `path`, its verbs run where they are called. The caller holds the writer's lock.
    pub fn inline_at(path: &Path, set: SetId) -> Result<SqliteCatalog, CatalogError> {
        let conn = open::to_write(path, set)?;
        Ok(SqliteCatalog::around(conn, &path.to_string_lossy(), set))
    }

    fn around(conn: Connection, path: &str, set: SetId) -> SqliteCatalog {
        let counters = Arc::default();
        let pen = Pen::new(conn, path.into(), Arc::clone(&counters));
        SqliteCatalog {
            path: path.into(),
            set,
            counters,
            engine: Engine::Inline(Mutex::new(pen)),
        }
    }

    /// A catalog in memory, without a thread, that holds what this one holds now.
    pub async fn copy(&self) -> Result<SqliteCatalog, CatalogError> {
        let set = self.set;
        let copy = self.read(move |conn| {
            let mut copy = open::in_memory(set)?;
            Backup::new(conn, &mut copy)?.step(-1)?;
            Ok(copy)
        });
        Ok(SqliteCatalog::around(copy.await?, IN_MEMORY, set))
    }

    /// How many verbs were written since the opening, in how many commits.
    pub fn tally(&self) -> Tally {
        self.counters.read()
    }

    fn write<T, V>(&self, verb: V) -> Answer<'_, T>
    where
        T: Send + 'static,
        V: FnOnce(&Connection) -> Done<T> + Send + 'static,
    {
        match &self.engine {
            Engine::File { writer, .. } => Box::pin(writer.write(verb)),
            Engine::Read { .. } => Box::pin(async {
                let message = "it was opened for reading, by a verb that writes";
                Err(fault::io(&self.path, &message))
            }),
            Engine::Inline(pen) => Box::pin(async move {
                let (task, mut answer) = Task::new(verb);
                let mut pen = pen.lock().unwrap_or_else(PoisonError::into_inner);
                pen.run(vec![Box::new(task)]);
                answer.try_recv().expect("the verb was answered before `run` returned")
            }),
        }
    }

    fn read<T, V>(&self, verb: V) -> Answer<'_, T>
    where
        T: Send + 'static,
        V: FnOnce(&Connection) -> Done<T> + Send + 'static,
    {
        match &self.engine {
            Engine::File { readers, .. } | Engine::Read { readers } => Box::pin(readers.read(verb)),
            Engine::Inline(pen) => Box::pin(async move {
                let pen = pen.lock().unwrap_or_else(PoisonError::into_inner);
                verb(pen.connection()).map_err(|fault| fault.told(&self.path))
            }),
        }
    }

    /// Makes a change that answers nothing but that it was made.
    fn make(&self, change: Change) -> Answer<'_, ()> {
        self.write(move |conn| make::make(conn, &change).map(drop))
    }

    /// Runs a verb about pins, which a process that only reads may write too.
    fn pinning<V>(&self, verb: V) -> Answer<'_, ()>
    where
        V: FnOnce(&Connection) -> Done<()> + Send + 'static,
    {
        if !matches!(self.engine, Engine::Read { .. }) {
            return self.write(verb);
        }
        let (path, set) = (Arc::clone(&self.path), self.set);
        self.read(move |_| {
            let conn = open::beside_a_writer(Path::new(&*path), set)?;
            let tx = conn.unchecked_transaction()?;
            verb(&tx)?;
            Ok(tx.commit()?)
        })
    }
}

/// What stands in errors instead of a path.
const IN_MEMORY: &str = "in memory";

impl Catalog for SqliteCatalog {
    fn claim_epoch(&self, epoch: u64, writer: WriterId) -> Answer<'_, ()> {
        self.make(Change::ClaimEpoch { epoch, writer })
    }

    fn intend(&self, intent: Intent) -> Answer<'_, ()> {
        self.make(Change::Intend { intent })
    }

    fn commit(&self, commit: Commit) -> Answer<'_, Committed> {
        self.write(move |conn| Ok(make::make(conn, &Change::Commit { commit })?.committed()))
    }

    fn close(&self, generation: Generation, doom_at: i64) -> Answer<'_, ()> {
        self.make(Change::Close { generation, doom_at })
    }

    fn settle_void(&self, generation: Generation, void: ExtentId, fragments: Vec<Fragment>) -> Answer<'_, ()> {
        self.make(Change::SettleVoid {
            generation,
            void,
            fragments,
        })
    }

    fn mark(&self, fragments: Vec<Fragment>) -> Answer<'_, ()> {
        self.make(Change::Mark { fragments })
    }

    fn begin_move(&self, fragment: Fragment) -> Answer<'_, ()> {
        self.make(Change::BeginMove { fragment })
    }

    fn finish_move(&self, fragment: Fragment, doom_at: i64) -> Answer<'_, ()> {
        let moved = self.write(move |conn| make::make(conn, &Change::FinishMove { fragment, doom_at }));
        Box::pin(async move {
            match moved.await? {
                Made::Retired => Err(CatalogError::Retired(fragment.extent)),
                _ => Ok(()),
            }
        })
    }

    fn adopt(&self, found: Vec<Found>, now: i64) -> Answer<'_, ()> {
        self.make(Change::Adopt { found, now })
    }

    fn await_providers(&self, waiting: Vec<Waiting>) -> Answer<'_, ()> {
        self.make(Change::AwaitProviders { waiting })
    }

    fn awaited(&self) -> Answer<'_, Vec<Waiting>> {
        self.read(adopt::awaited)
    }

    fn learn_epochs(&self, epochs: Vec<EpochRow>) -> Answer<'_, ()> {
        self.make(Change::LearnEpochs { epochs })
    }

    fn doomed(&self, now: i64, limit: usize) -> Answer<'_, Vec<Doomed>> {
        self.read(move |conn| read::doomed(conn, now, limit))
    }

    fn deleted(&self, fragments: Vec<Fragment>) -> Answer<'_, ()> {
        self.make(Change::Deleted { fragments })
    }

    fn postpone(&self, fragments: Vec<Fragment>, again_at: i64) -> Answer<'_, ()> {
        self.make(Change::Postpone { fragments, again_at })
    }

    fn set_members(&self, version: u64, members: Vec<Member>) -> Answer<'_, ()> {
        self.make(Change::SetMembers { version, members })
    }

    fn save_probe(&self, provider: ProviderId, probe: String) -> Answer<'_, ()> {
        self.write(move |conn| write::save_probe(conn, provider, &probe))
    }

    fn pin(&self, pin: Pin) -> Answer<'_, ()> {
        self.pinning(move |conn| write::pin(conn, &pin))
    }

    fn unpin(&self, id: [u8; 16]) -> Answer<'_, ()> {
        self.pinning(move |conn| write::unpin(conn, id))
    }

    fn head(&self, name: &str) -> Answer<'_, Option<Version>> {
        let name = name.to_owned();
        self.read(move |conn| read::head(conn, &name))
    }

    fn versions(&self, prefix: &str, after: Option<&str>, limit: usize) -> Answer<'_, Vec<Version>> {
        let (prefix, after) = (prefix.to_owned(), after.map(str::to_owned));
        self.read(move |conn| head::list(conn, &prefix, after.as_deref(), limit))
    }

    fn pieces(&self, name: &str, generation: Generation, from: u64, to: u64) -> Answer<'_, Vec<Piece>> {
        let name = name.to_owned();
        self.read(move |conn| read::pieces(conn, &name, generation, from, to))
    }

    fn extents(&self, name: &str) -> Answer<'_, Vec<Piece>> {
        let name = name.to_owned();
        self.read(move |conn| read::extents(conn, &name))
    }

    fn open_generations(&self) -> Answer<'_, Vec<OpenGeneration>> {
        self.read(generation::open_ones)
    }

    fn issued(&self) -> Answer<'_, Vec<Generation>> {
        self.read(generation::issued)
    }

    fn debts(&self, limit: usize) -> Answer<'_, Vec<Debt>> {
        self.read(move |conn| debt::all(conn, limit))
    }

    fn epochs(&self) -> Answer<'_, Vec<EpochRow>> {
        self.read(generation::epochs)
    }

    fn members(&self) -> Answer<'_, (u64, Vec<Member>)> {
        self.read(read::members)
    }

    fn probe(&self, provider: ProviderId) -> Answer<'_, Option<String>> {
        self.read(move |conn| read::probe(conn, provider))
    }

    fn census(&self, away: &[ProviderId]) -> Answer<'_, Census> {
        let away = away.to_vec();
        self.read(move |conn| health::census(conn, &away))
    }

    fn ailing(&self, away: &[ProviderId], limit: usize) -> Answer<'_, Vec<(String, Health)>> {
        let away = away.to_vec();
        self.read(move |conn| health::ailing(conn, &away, limit))
    }

    fn usage(&self) -> Answer<'_, Vec<Usage>> {
        self.read(read::usage)
    }

    fn extents_on(&self, provider: ProviderId, after: Option<ExtentId>, limit: usize) -> Answer<'_, Vec<ExtentId>> {
        self.read(move |conn| read::extents_on(conn, provider, after, limit))
    }

    fn extent(&self, id: ExtentId) -> Answer<'_, Option<(Extent, Vec<Fragment>)>> {
        self.read(move |conn| read::extent(conn, id))
    }

    fn check(&self) -> Answer<'_, Vec<String>> {
        self.read(check::check)
    }
}

#[cfg(test)]
mod tests;
