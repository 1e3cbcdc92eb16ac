//! One process: it dies at one of its calls, and nothing that it began gets any further.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use raic::catalog::{Answer, CatalogError};
use tokio::sync::Notify;

use super::super::gated::Gate;
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

/// What stands before the catalog of one process: each verb takes a little while, and a commit may fail after it happened.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) life: Arc<Life>,
    pub(crate) world: Arc<World>,
    broken: AtomicBool,
}

impl Process {
    pub(crate) fn new(life: &Arc<Life>, world: &Arc<World>) -> Process {
        Process {
            life: life.clone(),
            world: world.clone(),
            broken: AtomicBool::new(false),
        }
    }
}

impl Gate for Process {
    fn pass<'a, T: Send + 'a>(&'a self, verb: &'static str, _: bool, call: Answer<'a, T>) -> Answer<'a, T> {
        if verb == "export" {
            // Without a thread of its own it gives all records before anybody takes one.
            return call;
        }
        Box::pin(async move {
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
                let end = if answer.is_ok() { "done" } else { "refused" };
                format!("    catalog {verb}: {end}")
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
        })
    }
}

fn failed_disk() -> CatalogError {
    CatalogError::Io {
        path: "simulated".to_owned(),
        message: "the disk failed".to_owned(),
    }
}
