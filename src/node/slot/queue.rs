//! The slots of a node: who changes which one, one after another, and what they are now.
//!
//! ```text
//! request ─▶ jobs of its slot ─▶ whoever has the turn takes all that wait ─▶ draft ─▶ one change ─▶ their answers
//! ```
//!
//! A reader never waits for a change: it reads the newest stored version. A request's answer, refusals included, rests on the changes before it, so
//! it comes after they are stored and fails with them.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::super::id::{Kind, Share, StorageIndex};
use super::super::lease::Leases;
use super::super::provider::{Place, StorageProvider, Trouble};
use super::super::secret::Hashed;
use super::super::server::{LeaseSecrets, ReadTestWrite, ReadTestWritten, Refusal};
use super::draft::{Draft, Head, Outcome};

/// Requests that become one change.
const MOST_AT_ONCE: usize = 64;

/// Slots whose head is kept in memory.
const MOST_KNOWN: usize = 1024;

/// All slots of a node.
#[derive(Debug)]
pub struct Slots {
    provider: Arc<dyn StorageProvider>,
    leases: Arc<Leases>,
    gates: Mutex<HashMap<StorageIndex, Arc<Gate>>>,
}

/// One slot.
#[derive(Debug, Default)]
struct Gate {
    jobs: Mutex<VecDeque<Job>>,
    turn: tokio::sync::Mutex<()>,
    /// What is stored, if that is known.
    head: Mutex<Option<Stored>>,
}

/// The stored version of a slot; none says that there is no slot.
#[derive(Clone, Debug)]
struct Stored(Option<Arc<Head>>);

#[derive(Debug)]
struct Job {
    work: Work,
    answer: oneshot::Sender<Result<ReadTestWritten, Refusal>>,
}

#[derive(Debug)]
enum Work {
    Request {
        request: ReadTestWrite,
        enabler: Hashed,
        lease: LeaseSecrets,
        now: i64,
    },
    Remove(Vec<u8>),
}

impl Slots {
    /// The slots at a provider.
    #[must_use]
    pub fn new(provider: Arc<dyn StorageProvider>, leases: Arc<Leases>) -> Slots {
        Slots {
            provider,
            leases,
            gates: Mutex::default(),
        }
    }

    /// The stored version of a slot.
    pub async fn head(&self, index: StorageIndex) -> Result<Option<Arc<Head>>, Trouble> {
        let gate = self.gate(index);
        let known = lock(&gate.head).clone();
        if let Some(Stored(head)) = known {
            return Ok(head);
        }
        let _turn = gate.turn.lock().await;
        self.load(&gate, index).await
    }

    /// The shares of a slot.
    pub async fn numbers(&self, index: StorageIndex) -> Result<BTreeSet<u8>, Trouble> {
        let head = self.head(index).await?;
        Ok(head
            .iter()
            .flat_map(|head| head.table.entries.iter().map(|entry| entry.number))
            .collect())
    }

    /// One atomic step at second `now`. It goes on if the caller stops waiting.
    pub async fn read_test_write(
        self: &Arc<Slots>,
        index: StorageIndex,
        request: ReadTestWrite,
        enabler: Hashed,
        lease: LeaseSecrets,
        now: i64,
    ) -> Result<ReadTestWritten, Refusal> {
        let work = Work::Request {
            request,
            enabler,
            lease,
            now,
        };
        self.work(index, work).await
    }

    /// Takes shares away whose leases are over.
    pub async fn remove(self: &Arc<Slots>, index: StorageIndex, numbers: Vec<u8>) -> Result<(), Refusal> {
        self.work(index, Work::Remove(numbers)).await.map(drop)
    }

    async fn work(self: &Arc<Slots>, index: StorageIndex, work: Work) -> Result<ReadTestWritten, Refusal> {
        let (answer, answered) = oneshot::channel();
        let gate = self.gate(index);
        lock(&gate.jobs).push_back(Job { work, answer });
        let slots = self.clone();
        let turn = tokio::spawn(async move {
            let _turn = gate.turn.lock().await;
            slots.take_turn(&gate, index).await;
        });
        if let Ok(answer) = answered.await {
            return answer;
        }
        drop(turn.await);
        Err(Refusal::Trouble(Trouble("the change of a slot was cut off".to_owned())))
    }

    /// Carries out all that waits.
    async fn take_turn(&self, gate: &Gate, index: StorageIndex) {
        loop {
            let jobs: Vec<Job> = {
                let mut waiting = lock(&gate.jobs);
                let take = waiting.len().min(MOST_AT_ONCE);
                waiting.drain(..take).collect()
            };
            if jobs.is_empty() {
                return;
            }
            let (works, answers): (Vec<Work>, Vec<_>) = jobs.into_iter().map(|job| (job.work, job.answer)).unzip();
            let outcomes = self.carry_out(gate, index, &works).await;
            let results: Vec<Result<ReadTestWritten, Refusal>> = match outcomes {
                Ok(outcomes) => outcomes,
                Err(trouble) => works.iter().map(|_| Err(trouble.clone().into())).collect(),
            };
            for (answer, result) in answers.into_iter().zip(results) {
                // Whoever has gone doesn't hear it; it has happened all the same.
                drop(answer.send(result));
            }
        }
    }

    async fn carry_out(
        &self,
        gate: &Gate,
        index: StorageIndex,
        works: &[Work],
    ) -> Result<Vec<Result<ReadTestWritten, Refusal>>, Trouble> {
        let mut draft = Draft::on(self.load(gate, index).await?);
        let mut outcomes = Vec::with_capacity(works.len());
        for work in works {
            outcomes.push(match work {
                Work::Request { request, enabler, .. } => draft.apply(request, *enabler).await,
                Work::Remove(numbers) => {
                    draft.remove(numbers);
                    Ok(Outcome::removal(numbers))
                }
            });
        }
        self.store(gate, index, draft).await?;
        let mut answers = Vec::with_capacity(works.len());
        for (work, outcome) in works.iter().zip(outcomes) {
            answers.push(match outcome {
                Ok(outcome) => {
                    self.enter(index, work, &outcome).await;
                    Ok(outcome.answer)
                }
                Err(refusal) => Err(refusal),
            });
        }
        Ok(answers)
    }

    async fn store(&self, gate: &Gate, index: StorageIndex, draft: Draft) -> Result<(), Trouble> {
        if !draft.is_changed() {
            return Ok(());
        }
        let place = Place::Slot(index);
        // Readers go on with the version before while the next one is on its way.
        let head = match draft.finish() {
            (Some(change), table) => {
                let changed = self.provider.change(place, change).await;
                changed.map(|object| Some(Arc::new(Head { object, table })))
            }
            (None, _) => self.provider.remove(place).await.map(|()| None),
        };
        // After an error nobody knows which version is there until it is opened anew.
        *lock(&gate.head) = head.as_ref().ok().cloned().map(Stored);
        head.map(drop)
    }

    async fn enter(&self, index: StorageIndex, work: &Work, outcome: &Outcome) {
        let share = |number: &u8| Share {
            kind: Kind::Mutable,
            index,
            number: *number,
        };
        self.leases.forget(outcome.gone.iter().map(share).collect()).await;
        if let Work::Request { lease, now, .. } = work {
            self.leases
                .keep(outcome.kept.iter().map(share).collect(), *lease, *now)
                .await;
        }
    }

    /// The stored version; to be called by whoever has the turn.
    async fn load(&self, gate: &Gate, index: StorageIndex) -> Result<Option<Arc<Head>>, Trouble> {
        if let Some(Stored(head)) = lock(&gate.head).clone() {
            return Ok(head);
        }
        let head = match self.provider.open(Place::Slot(index)).await? {
            Some(object) => Some(Arc::new(Head::of(object).await?)),
            None => None,
        };
        *lock(&gate.head) = Some(Stored(head.clone()));
        Ok(head)
    }

    fn gate(&self, index: StorageIndex) -> Arc<Gate> {
        let mut gates = lock(&self.gates);
        if gates.len() > MOST_KNOWN && !gates.contains_key(&index) {
            gates.retain(|_, gate| Arc::strong_count(gate) > 1);
        }
        gates.entry(index).or_default().clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
