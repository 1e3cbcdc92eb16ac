//! Coding, hashing and sealing run beside the runtime, on no more threads than there are cores.
//!
//! More would not be quicker, only hold more chunks half-way; and an async thread that codes keeps every answer waiting that comes meanwhile.

use std::num::NonZero;
use std::sync::Arc;
use std::thread::available_parallelism;

use super::labour::labour;
use tokio::sync::Semaphore;

/// The cores, as permits to work on one.
#[derive(Clone, Debug)]
pub struct Workers(Arc<Semaphore>);

impl Default for Workers {
    fn default() -> Workers {
        Workers::new(available_parallelism().map_or(1, NonZero::get))
    }
}

impl Workers {
    /// So many pieces of work at once.
    #[must_use]
    pub fn new(cores: usize) -> Workers {
        Workers(Arc::new(Semaphore::new(cores)))
    }

    /// Runs `work`, which never waits for anything, once a core is free.
    ///
    /// # Panics
    /// If `work` does.
    pub async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        let permit = self.0.clone().acquire_owned().await;
        let permit = permit.expect("the semaphore is never closed");
        let working = labour(move || {
            let done = work();
            drop(permit);
            done
        });
        match working.await {
            Ok(done) => done,
            Err(failed) => match failed.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime is ending, and whoever waits here with it.
                Err(_) => std::future::pending().await,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn no_more_work_at_once_than_cores_and_a_panic_gives_its_core_back() {
        let (workers, now, most) = (
            Workers::new(2),
            Arc::new(AtomicUsize::new(0)),
            Arc::new(AtomicUsize::new(0)),
        );
        let piece = |number: usize| {
            let (workers, now, most) = (workers.clone(), now.clone(), most.clone());
            tokio::spawn(async move {
                workers
                    .run(move || {
                        most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        std::thread::yield_now();
                        now.fetch_sub(1, Ordering::SeqCst);
                        assert!(number % 10 != 3, "every tenth panics");
                        number
                    })
                    .await
            })
        };
        let ended = futures::future::join_all((0..100).map(piece)).await;
        let panicked = ended.iter().filter(|end| end.is_err()).count();
        assert_eq!(panicked, 10);
        assert!((1..=2).contains(&most.load(Ordering::SeqCst)));
        assert_eq!(workers.0.available_permits(), 2);
    }
}
