//! What goes on after the acknowledgement: fragments whose providers had not answered yet.
//!
//! ```text
//! rule holds ─▶ sent, with its late seats ─▶ committed: the late ones are owed (durable) ─▶ answered
//!                                                   └─▶ each later answer ─▶ noted; the last missing one pays the debt
//! ```
//!
//! Bytes that are on their way count against the memory budget, and at most half of it may be late: beyond that nothing more is sent to providers that
//! stand still, as long as the others are enough, and it is owed at once. What never arrives stays owed, whatever becomes of this process.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use super::Store;
use super::clouds::Cloud;
use super::scatter::Event;
use super::send::{Answer, event};
use crate::catalog::CatalogError;
use crate::catalog::record::{Fragment, FragmentState};
use crate::plant::{Bug, planted};

/// Bytes behind one permit.
const UNIT: u64 = 4096;

/// The work that goes on behind acknowledgements.
#[derive(Debug)]
pub(super) struct Behind {
    room: Arc<Semaphore>,
    tasks: Mutex<JoinSet<()>>,
}

impl Behind {
    /// With room for so many bytes.
    pub(super) fn new(bytes: u64) -> Behind {
        let units = usize::try_from(bytes / UNIT).unwrap_or(usize::MAX);
        Behind {
            room: Arc::new(Semaphore::new(units.clamp(1, Semaphore::MAX_PERMITS))),
            tasks: Mutex::default(),
        }
    }

    /// True if there is room for so many bytes now.
    pub(super) fn fits(&self, bytes: u64) -> bool {
        self.room.available_permits() as u64 >= bytes.div_ceil(UNIT)
    }

    /// Room for so many bytes, if there is.
    pub(super) fn take(&self, bytes: u64) -> Option<OwnedSemaphorePermit> {
        let units = u32::try_from(bytes.div_ceil(UNIT)).ok()?;
        self.room.clone().try_acquire_many_owned(units).ok()
    }
}

/// The seats of one extent that had not answered when it was acknowledged.
pub(crate) struct Late {
    /// Their fragments, in state sent.
    pub(super) fragments: Vec<Fragment>,
    /// All seats of the extent.
    pub(super) seats: Vec<Arc<Cloud>>,
    /// In a lock that nobody waits for: what is sent stands beside it, and is shared.
    pub(super) answers: Mutex<FuturesUnordered<BoxFuture<'static, Answer>>>,
    /// After so long a provider that has not answered stands still.
    pub(super) lateness: Duration,
    pub(super) _room: OwnedSemaphorePermit,
}

impl std::fmt::Debug for Late {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Late({} fragments)", self.fragments.len())
    }
}

impl Store {
    /// Takes the answers that are late, now that the extent is committed.
    pub(super) fn finish_behind(self: &Arc<Store>, late: Late) {
        let store = self.clone();
        let mut tasks = self.behind.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(async move { store.take_late(late).await });
    }

    /// Waits until nothing goes on behind acknowledgements any more. For a process that ends well.
    pub async fn finish(&self) {
        let mut tasks = std::mem::take(&mut *self.behind.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        while tasks.join_next().await.is_some() {}
    }

    /// One that arrived is the copy of its index; what was sent elsewhere before it goes after the grace.
    async fn note_late(&self, fragment: Fragment) -> Result<(), CatalogError> {
        let noted = match fragment.state {
            FragmentState::Sent => Ok(()),
            FragmentState::Sound => self.catalog.finish_move(fragment, self.doom_at()).await,
            FragmentState::Damaged | FragmentState::Missing => self.catalog.mark(vec![fragment]).await,
        };
        match noted {
            // Replaced meanwhile: it is on the list already.
            Err(CatalogError::Retired(_)) => Ok(()),
            other => other,
        }
    }

    async fn take_late(&self, late: Late) {
        let Late {
            mut fragments,
            seats,
            answers,
            lateness,
            _room,
        } = late;
        let mut answers = answers.into_inner().unwrap_or_else(PoisonError::into_inner);
        let deadline = Instant::now() + self.settings.patience;
        let mut late_at = Some(deadline.min(Instant::now() + lateness));
        while !fragments.is_empty() {
            let (seat, copy, answer) = match timeout_at(late_at.unwrap_or(deadline), answers.next()).await {
                Ok(Some(answered)) => answered,
                Err(_) if late_at.take().is_some() => {
                    stand_still(&fragments, &seats);
                    continue;
                }
                Ok(None) | Err(_) => break,
            };
            let own = |fragment: &Fragment| usize::from(fragment.index) == seat && fragment.copy == copy;
            let Some(at) = fragments.iter().position(own) else {
                continue;
            };
            let fragment = fragments.swap_remove(at);
            let mut causes = Vec::new();
            let state = match event(seat, answer, &seats[seat], &mut causes) {
                Event::Confirmed(_) => FragmentState::Sound,
                Event::Failed(_) if planted(Bug::ForgetLateFailures) => FragmentState::Sound,
                Event::Failed(_) => FragmentState::Missing,
                Event::Unsure(_) | Event::Deadline => FragmentState::Sent,
            };
            for cause in causes {
                tracing::warn!("a fragment is owed: {cause}");
            }
            if let Err(error) = self.note_late(Fragment { state, ..fragment }).await {
                tracing::warn!("a late fragment could not be noted: {error}");
            }
        }
        stand_still(&fragments, &seats);
    }
}

/// Those that hold these fragments' seats keep others waiting.
fn stand_still(fragments: &[Fragment], seats: &[Arc<Cloud>]) {
    for fragment in fragments {
        seats[usize::from(fragment.index)].note_late();
    }
}
