//! The one thread that writes. Verbs that wait together share one transaction and so one fsync.
//!
//! ```text
//! verb ─▶│ queue, bounded │─▶ BEGIN · savepoint: verb · savepoint: verb · … · COMMIT (fsync) ─▶ every answer
//!                                   a refused verb goes back to its savepoint, its neighbours stay
//! ```
//!
//! No answer leaves before the fsync, not even a refusal: it may rest on what a neighbour changed. After a failed write or commit nobody knows
//! what the disk holds, so every verb of that group and every later one fails, nothing is tried again, and the next opening finds out.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

use rusqlite::Connection;
use rusqlite::config::DbConfig;
use tokio::sync::{mpsc, oneshot};

use crate::catalog::CatalogError;

use super::fault::{self, Done, Fault};

/// Verbs that may wait for the writer; the next waits outside.
const QUEUE: usize = 1024;

/// The most verbs in one transaction: bounds how long the first of them waits.
const GROUP: usize = 256;

/// What the writer did since the catalog was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Writing verbs that were answered.
    pub verbs: u64,
    /// Transactions that were committed for them.
    pub commits: u64,
}

/// The writer's counters, shared with whoever asks.
#[derive(Debug, Default)]
pub(super) struct Counters {
    verbs: AtomicU64,
    commits: AtomicU64,
}

impl Counters {
    pub(super) fn read(&self) -> Tally {
        Tally {
            verbs: self.verbs.load(Ordering::Relaxed),
            commits: self.commits.load(Ordering::Relaxed),
        }
    }
}

/// What is to become of a group after one of its verbs.
pub(super) enum Verdict {
    /// What it changed stays.
    Keep,
    /// It was refused: what it changed goes.
    Undo,
    /// The engine failed under it: everything stops.
    Stop(CatalogError),
}

/// A verb on its way: run at most once, then answered once.
pub(super) trait Job: Send {
    /// Runs the verb inside a savepoint and keeps what it answers.
    fn run(&mut self, conn: &Connection, path: &str) -> Verdict;

    /// Sends what it kept, or why nothing was durable.
    fn answer(self: Box<Self>, durable: Result<(), CatalogError>);
}

/// A verb with the way back to its caller.
pub(super) struct Task<T, V> {
    verb: Option<V>,
    kept: Option<Result<T, CatalogError>>,
    reply: oneshot::Sender<Result<T, CatalogError>>,
}

impl<T, V> Task<T, V> {
    /// A task for `verb`, and where its answer will come.
    pub(super) fn new(verb: V) -> (Task<T, V>, oneshot::Receiver<Result<T, CatalogError>>) {
        let (reply, answer) = oneshot::channel();
        let task = Task {
            verb: Some(verb),
            kept: None,
            reply,
        };
        (task, answer)
    }
}

impl<T, V> Job for Task<T, V>
where
    T: Send,
    V: FnOnce(&Connection) -> Done<T> + Send,
{
    fn run(&mut self, conn: &Connection, path: &str) -> Verdict {
        let verb = self.verb.take().expect("a verb is run once");
        let (kept, verdict) = match verb(conn) {
            Ok(answer) => (Ok(answer), Verdict::Keep),
            Err(fault) => {
                let stops = fault.ends_writing();
                let told = fault.told(path);
                let verdict = if stops {
                    Verdict::Stop(told.clone())
                } else {
                    Verdict::Undo
                };
                (Err(told), verdict)
            }
        };
        self.kept = Some(kept);
        verdict
    }

    fn answer(self: Box<Self>, durable: Result<(), CatalogError>) {
        let answer = match durable {
            Ok(()) => self.kept.expect("a durable group has run all its verbs"),
            Err(error) => Err(error),
        };
        // The caller may have gone; the verb has happened all the same.
        drop(self.reply.send(answer));
    }
}

/// The connection that writes, with what it knows of its own failure.
#[derive(Debug)]
pub(super) struct Pen {
    conn: Connection,
    path: Arc<str>,
    counters: Arc<Counters>,
    broken: Option<CatalogError>,
}

impl Pen {
    pub(super) fn new(conn: Connection, path: Arc<str>, counters: Arc<Counters>) -> Pen {
        Pen {
            conn,
            path,
            counters,
            broken: None,
        }
    }

    /// The connection, for reading between groups.
    pub(super) fn connection(&self) -> &Connection {
        &self.conn
    }

    /// Runs a group of verbs in one transaction, then answers them.
    pub(super) fn run(&mut self, mut group: Vec<Box<dyn Job>>) {
        let durable = match self.broken.clone() {
            Some(error) => Err(error),
            None => self.transact(&mut group),
        };
        self.counters.verbs.fetch_add(group.len() as u64, Ordering::Relaxed);
        for job in group {
            job.answer(durable.clone());
        }
    }

    fn transact(&mut self, group: &mut [Box<dyn Job>]) -> Result<(), CatalogError> {
        if let Err(error) = self.step("BEGIN IMMEDIATE") {
            let told = Fault::from(error).told(&self.path);
            return Err(told);
        }
        for job in group {
            if let Err(error) = self.run_one(job.as_mut()) {
                return Err(self.give_up(error));
            }
        }
        match self.step("COMMIT") {
            Ok(()) => {
                self.counters.commits.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
            Err(error) => {
                let told = Fault::from(error).told(&self.path);
                Err(self.give_up(told))
            }
        }
    }

    fn run_one(&self, job: &mut dyn Job) -> Result<(), CatalogError> {
        let step = |sql| self.step(sql).map_err(|error| Fault::from(error).told(&self.path));
        step("SAVEPOINT verb")?;
        match job.run(&self.conn, &self.path) {
            Verdict::Keep => step("RELEASE verb"),
            Verdict::Undo => {
                step("ROLLBACK TO verb")?;
                step("RELEASE verb")
            }
            Verdict::Stop(error) => Err(error),
        }
    }

    /// Ends all writing with this error: the log is left as it is for the next opening. Answers what callers are told.
    fn give_up(&mut self, error: CatalogError) -> CatalogError {
        // Both may fail, and neither matters: without a COMMIT nothing of the group counts.
        drop(self.conn.execute_batch("ROLLBACK"));
        drop(
            self.conn
                .set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true),
        );
        let told = match error {
            CatalogError::Io { message, .. } | CatalogError::Rule(message) => {
                let message = format!("{message}; nothing more is written, restart RAIC: it finds out what was kept");
                fault::io(&self.path, &message)
            }
            other => other,
        };
        self.broken = Some(told.clone());
        told
    }

    fn step(&self, sql: &str) -> rusqlite::Result<()> {
        self.conn.prepare_cached(sql)?.execute([])?;
        Ok(())
    }
}

/// The thread that writes and its queue.
#[derive(Debug)]
pub(super) struct Writer {
    /// `None` once it is being dropped.
    queue: Option<mpsc::Sender<Box<dyn Job>>>,
    thread: Option<JoinHandle<()>>,
    path: Arc<str>,
}

impl Writer {
    /// Starts the thread.
    pub(super) fn start(mut pen: Pen) -> Result<Writer, CatalogError> {
        let path = Arc::clone(&pen.path);
        let (queue, mut jobs) = mpsc::channel::<Box<dyn Job>>(QUEUE);
        let thread = thread::Builder::new().name("catalog".to_owned()).spawn(move || {
            while let Some(first) = jobs.blocking_recv() {
                let mut group = vec![first];
                while group.len() < GROUP
                    && let Ok(job) = jobs.try_recv()
                {
                    group.push(job);
                }
                pen.run(group);
            }
        });
        let thread = thread.map_err(|error| fault::io(&path, &error))?;
        Ok(Writer {
            queue: Some(queue),
            thread: Some(thread),
            path,
        })
    }

    /// Queues a verb and waits for its durable answer. If this future is dropped, the verb may happen or not.
    pub(super) async fn write<T, V>(&self, verb: V) -> Result<T, CatalogError>
    where
        T: Send + 'static,
        V: FnOnce(&Connection) -> Done<T> + Send + 'static,
    {
        let gone = || fault::io(&self.path, &"the thread that writes has ended; restart RAIC");
        let (task, answer) = Task::new(verb);
        let queue = self
            .queue
            .as_ref()
            .expect("the queue stands until the writer is dropped");
        queue.send(Box::new(task)).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

impl Drop for Writer {
    /// Waits until what is queued has been written: the file is complete afterwards.
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            // A panic in a verb was reported where it happened.
            drop(thread.join());
        }
    }
}
