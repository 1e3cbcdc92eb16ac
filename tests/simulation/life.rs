//! One process: it dies at one of its calls, and nothing that it began gets any further.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use raic::catalog::record::{
    Census, Commit, Committed, Debt, Doomed, EpochRow, Extent, Found, Fragment, Health, Intent, Member, OpenGeneration,
    Piece, Pin, Usage, Version, Waiting,
};
use raic::catalog::sqlite::SqliteCatalog;
use raic::catalog::{Answer, Catalog, CatalogError};
use raic::fragment::id::{ExtentId, Generation, ProviderId, WriterId};
use tokio::sync::Notify;

use super::world::{Fault, World, millis};

/// Counts the moments at which a process may die: before and after each call of a provider or of the catalog.
#[derive(Debug)]
pub(crate) struct Life {
    moments: AtomicU64,
    last: AtomicU64,
    dead: AtomicBool,
    pub(crate) died: Notify,
}

impl Life {
    pub(crate) fn new() -> Arc<Life> {
        Arc::new(Life {
            moments: AtomicU64::new(0),
            last: AtomicU64::new(u64::MAX),
            dead: AtomicBool::new(false),
            died: Notify::new(),
        })
    }

    /// It dies at the `moments`-th moment from now.
    pub(crate) fn ends_after(&self, moments: u64) {
        self.last
            .store(self.moments.load(Ordering::SeqCst) + moments, Ordering::SeqCst);
    }

    pub(crate) fn goes_on(&self) {
        self.last.store(u64::MAX, Ordering::SeqCst);
    }

    pub(crate) fn end(&self) {
        self.dead.store(true, Ordering::SeqCst);
        self.died.notify_one();
    }

    pub(crate) fn is_over(&self) -> bool {
        self.dead.load(Ordering::SeqCst)
    }

    /// One moment. Never answers in a process that is dead.
    pub(crate) async fn moment(&self) {
        let number = self.moments.fetch_add(1, Ordering::SeqCst) + 1;
        if number >= self.last.load(Ordering::SeqCst) && !self.is_over() {
            self.end();
        }
        if self.is_over() {
            std::future::pending::<()>().await;
        }
    }
}

/// The catalog as one process sees it: each verb takes a little while, and a commit may fail after it happened.
#[derive(Debug)]
pub(crate) struct Gated {
    pub(crate) inner: Arc<SqliteCatalog>,
    pub(crate) life: Arc<Life>,
    pub(crate) world: Arc<World>,
    pub(crate) broken: AtomicBool,
}

impl Gated {
    async fn pass<T>(&self, verb: &'static str, call: Answer<'_, T>) -> Result<T, CatalogError> {
        self.life.moment().await;
        if self.world.odds(300) {
            tokio::time::sleep(millis(self.world.between(0, 4))).await;
            self.life.moment().await;
        }
        if self.broken.load(Ordering::SeqCst) {
            return Err(failed_disk());
        }
        let answer = call.await;
        self.world.tell(|| {
            format!(
                "    catalog {verb}: {}",
                if answer.is_ok() { "done" } else { "refused" }
            )
        });
        self.life.moment().await;
        if verb == "commit" && !self.world.is_calm() && self.world.odds(10) {
            self.world.count(Fault::UncertainCommit);
            self.world
                .tell(|| "    catalog: the disk fails after the commit".to_owned());
            self.broken.store(true, Ordering::SeqCst);
            return Err(failed_disk());
        }
        answer
    }
}

fn failed_disk() -> CatalogError {
    CatalogError::Io {
        path: "simulated".to_owned(),
        message: "the disk failed".to_owned(),
    }
}

macro_rules! gated {
    ($($verb:ident($($argument:ident: $kind:ty),*) -> $answer:ty;)*) => {
        impl Catalog for Gated {
            $(fn $verb(&self, $($argument: $kind),*) -> Answer<'_, $answer> {
                let call = self.inner.$verb($($argument),*);
                Box::pin(self.pass(stringify!($verb), call))
            })*
        }
    };
}

gated! {
    claim_epoch(epoch: u64, writer: WriterId) -> ();
    intend(intent: Intent) -> ();
    commit(commit: Commit) -> Committed;
    close(generation: Generation, doom_at: i64) -> ();
    settle_void(generation: Generation, void: ExtentId, fragments: Vec<Fragment>) -> ();
    mark(fragments: Vec<Fragment>) -> ();
    begin_move(fragment: Fragment) -> ();
    finish_move(fragment: Fragment, doom_at: i64) -> ();
    adopt(found: Vec<Found>, now: i64) -> ();
    await_providers(waiting: Vec<Waiting>) -> ();
    learn_epochs(epochs: Vec<EpochRow>) -> ();
    doomed(now: i64, limit: usize) -> Vec<Doomed>;
    deleted(fragments: Vec<Fragment>) -> ();
    postpone(fragments: Vec<Fragment>, again_at: i64) -> ();
    set_members(version: u64, members: Vec<Member>) -> ();
    save_probe(provider: ProviderId, probe: String) -> ();
    pin(pin: Pin) -> ();
    unpin(id: [u8; 16]) -> ();
    head(name: &str) -> Option<Version>;
    versions(prefix: &str, after: Option<&str>, limit: usize) -> Vec<Version>;
    pieces(name: &str, generation: Generation, from: u64, to: u64) -> Vec<Piece>;
    extents(name: &str) -> Vec<Piece>;
    open_generations() -> Vec<OpenGeneration>;
    issued() -> Vec<Generation>;
    debts(limit: usize) -> Vec<Debt>;
    awaited() -> Vec<Waiting>;
    epochs() -> Vec<EpochRow>;
    members() -> (u64, Vec<Member>);
    probe(provider: ProviderId) -> Option<String>;
    census(away: &[ProviderId]) -> Census;
    ailing(away: &[ProviderId], limit: usize) -> Vec<(String, Health)>;
    usage() -> Vec<Usage>;
    extents_on(provider: ProviderId, after: Option<ExtentId>, limit: usize) -> Vec<ExtentId>;
    extent(id: ExtentId) -> Option<(Extent, Vec<Fragment>)>;
    check() -> Vec<String>;
}
