//! Work that computes for long, or reads a source that may wait: on a thread beside the runtime, so that answers are taken meanwhile.
//!
//! In a simulation it is done where it is called. A thread ends when it ends; then the order of events would be another each time.

use std::cell::Cell;

use tokio::task::{JoinError, spawn_blocking};

thread_local! {
    static IN_PLACE: Cell<bool> = const { Cell::new(false) };
}

/// From now on all such work of this thread is done where it is called. For runtimes of one thread whose every run has to be the same.
pub fn in_place() {
    IN_PLACE.set(true);
}

/// Does the work; an error says that it panicked.
pub(crate) async fn labour<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, JoinError> {
    if IN_PLACE.get() {
        return Ok(work());
    }
    spawn_blocking(work).await
}
