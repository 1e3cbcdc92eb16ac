//! The connections that read: a few, opened when needed, each used by one blocking task at a time.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::Semaphore;
use tokio::task;

use crate::catalog::CatalogError;
use crate::fragment::id::SetId;

use super::fault::{self, Done, Fault};
use super::open;

/// Reads at a time. They hardly wait for a disk, so a few keep the CPUs busy.
const READERS: usize = 4;

/// The readers of one file.
#[derive(Debug)]
pub(super) struct Readers {
    pool: Arc<Pool>,
    permits: Semaphore,
}

#[derive(Debug)]
struct Pool {
    path: PathBuf,
    set: SetId,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    /// Opens the first reader, so that a file that can't be read is known at once.
    pub(super) fn open(path: PathBuf, set: SetId) -> Result<Readers, CatalogError> {
        let first = open::to_read(&path, set)?;
        let pool = Pool {
            path,
            set,
            idle: Mutex::new(vec![first]),
        };
        Ok(Readers {
            pool: Arc::new(pool),
            permits: Semaphore::new(READERS),
        })
    }

    /// Runs `verb` on one state of the database, on a blocking thread.
    pub(super) async fn read<T, V>(&self, verb: V) -> Result<T, CatalogError>
    where
        T: Send + 'static,
        V: FnOnce(&Connection) -> Done<T> + Send + 'static,
    {
        let _permit = self.permits.acquire().await.expect("the permits are never closed");
        let pool = Arc::clone(&self.pool);
        match task::spawn_blocking(move || pool.run(verb)).await {
            Ok(answer) => answer,
            Err(ended) => match ended.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => Err(fault::io(&self.pool.path.to_string_lossy(), &"the program is ending")),
            },
        }
    }
}

impl Pool {
    fn run<T>(&self, verb: impl FnOnce(&Connection) -> Done<T>) -> Result<T, CatalogError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut conn = match idle {
            Some(conn) => conn,
            None => open::to_read(&self.path, self.set)?,
        };
        let answer = snapshot(&mut conn, verb).map_err(|fault| fault.told(&self.path.to_string_lossy()));
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(conn);
        answer
    }
}

/// Runs `verb` on one state of the database, whatever is committed meanwhile.
fn snapshot<T>(conn: &mut Connection, verb: impl FnOnce(&Connection) -> Done<T>) -> Done<T> {
    let tx = conn.transaction()?;
    let answer = verb(&tx)?;
    tx.finish().map_err(Fault::from)?;
    Ok(answer)
}
