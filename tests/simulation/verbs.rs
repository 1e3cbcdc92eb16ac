//! The verbs of a run, each with what its answer means for the model.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use raic::care::balance::Scope;
use raic::care::repair::repair;
use raic::care::ship::Effort;
use raic::catalog::Catalog;
use raic::catalog::record::{Condition, MemberState};
use raic::provider::chance::Chance;
use raic::store::Store;
use raic::store::error::StoreError;
use raic::store::modify::Modify;
use raic::store::put::{Put, Stored};
use tokio::time::sleep;

use super::super::gated::Gated;
use super::cloud::Weather;
use super::life::{Life, Process};
use super::model::Id;
use super::plan::Step;
use super::run::{Kept, Run, silent};
use super::world::{Fault, Violation, broken};

impl Run {
    pub(crate) async fn step(&mut self, step: &Step) -> Result<(), Violation> {
        self.tally.operations += 1;
        match step {
            Step::Wait { seconds } => sleep(Duration::from_secs(*seconds)).await,
            Step::Weather { at, weather } => self.clouds[*at].set_weather(*weather),
            Step::Clear => self.clouds.iter().for_each(|cloud| cloud.set_weather(Weather::Clear)),
            Step::Outage { at, after } => self.clouds[*at].fails_after(*after),
            Step::Die { after } => self.life.ends_after(*after),
            Step::Restart => self.restart().await,
            Step::CopyProvider => self.clouds[self.plan.liar].copy(),
            Step::RollBack => self.roll_back().await,
            Step::Empty => self.empty(self.plan.liar).await,
            Step::EmptyAnother { at } => self.empty(*at).await,
            Step::KeepCatalog => self.keep_catalog().await,
            Step::RestoreCatalog => self.restore_catalog().await,
            Step::LoseCatalog => self.lose_catalog().await,
            Step::Calm => self.calm().await?,
            Step::SecondClient { name } => self.second_client(name).await?,
            verb if self.must_recover => {
                self.world.tell(|| format!("  a rebuild comes before {verb:?}"));
                self.recover().await?;
            }
            verb => self.verb(verb).await?,
        }
        Ok(())
    }

    async fn verb(&mut self, verb: &Step) -> Result<(), Violation> {
        match verb {
            Step::Put { name, len, if_absent } => self.put(name, *len, *if_absent).await,
            Step::Modify { name, at, len } => self.modify(name, *at, *len).await,
            Step::Get { name } => self.get(name).await,
            Step::Range { name, from, to } => self.range(name, *from..*to).await,
            Step::Remove { name } => self.remove(name).await,
            Step::Repair { name } => self.repair(name).await,
            Step::Rebalance => self.rebalance(Scope::Everything).await,
            Step::Drain { at } => self.drain(*at).await,
            Step::Undrain => {
                self.states.fill(MemberState::Active);
                self.restart().await;
                Ok(())
            }
            Step::DeclareLost { at } => self.declare_lost(*at).await,
            Step::Sweep => self.sweep().await,
            Step::Ship { whole: true } => self.ship(Effort::Checkpoint).await,
            Step::Ship { whole: false } => self.ship(Effort::Full).await,
            other => unreachable!("{other:?} is no verb"),
        }
    }

    /// Bytes whose number no other version of the object has.
    fn fresh(&mut self, name: &str, mut len: u64) -> Arc<Vec<u8>> {
        while self.model.object(name).has_len(len) {
            len += 1;
        }
        Arc::new(noise(len, self.plan.seed))
    }

    pub(crate) async fn put(&mut self, name: &str, len: u64, if_absent: bool) -> Result<(), Violation> {
        let bytes = self.fresh(name, len);
        let id = self.model.begin(name, Some(bytes.clone()));
        let condition = if if_absent { Condition::Absent } else { Condition::Any };
        let put = self.a_put(name, condition, bytes.len());
        let store = self.store.clone();
        let source = std::io::Cursor::new(bytes.to_vec());
        let done = self.attempt(async { store.put(put, source, silent()).await }).await?;
        if let Some(Err(StoreError::Refused { .. })) = &done {
            self.model.seen_some(name)?;
        }
        self.written(name, id, done).await
    }

    fn a_put(&self, name: &str, condition: Condition, len: usize) -> Put {
        Put {
            name: name.to_owned(),
            policy: self.policy.clone(),
            condition,
            modified: Some(5),
            len_hint: self.plan.sealed.then_some(len as u64),
        }
    }

    /// What an attempt to make `id` the object has come to.
    async fn written(&mut self, name: &str, id: Id, done: Option<Result<Stored, StoreError>>) -> Result<(), Violation> {
        match done {
            None => {
                self.tally.unknown += 1;
                self.model.unknown(name, id);
            }
            Some(Ok(_)) if self.stale => return broken("an old catalog writes nothing", format!("{name} #{id}")),
            Some(Ok(stored)) => {
                self.tally.acknowledged += 1;
                self.world
                    .tell(|| format!("  {name} #{id} is acknowledged as {}", stored.version.generation));
                if stored.overtaken {
                    return broken("one writer isn't overtaken", format!("{name} #{id}"));
                }
                self.claimed = self.claimed.max(stored.version.generation.epoch);
                self.waiting.remove(&Some(name.to_owned()));
                self.model.acknowledged(name, id);
                self.truth().at_quorum(name, self.policy.quorum).await?;
            }
            Some(Err(error)) => {
                if self.heed(&error).await? {
                    self.tally.unknown += 1;
                    self.model.unknown(name, id);
                } else {
                    self.tally.refused += 1;
                }
            }
        }
        Ok(())
    }

    async fn modify(&mut self, name: &str, at: u64, len: u64) -> Result<(), Violation> {
        let store = self.store.clone();
        let base = match self.attempt(async { store.snapshot(name).await }).await? {
            None => return Ok(()),
            Some(Err(error)) => return self.unread(name, &error).await,
            Some(Ok(None)) => {
                return if self.stale {
                    Ok(())
                } else {
                    self.model.seen_none(name).map(drop)
                };
            }
            Some(Ok(Some(base))) => base,
        };
        if self.stale {
            return Ok(());
        }
        let id = self.model.seen_len(name, base.version().len)?;
        let old = self
            .model
            .object(name)
            .version(id)
            .bytes
            .clone()
            .expect("an object was seen");
        let at = at.min(old.len() as u64);
        let patch = noise(len, self.plan.seed ^ old.len() as u64);
        let mut whole = (*old).clone();
        let from = usize::try_from(at).expect("an object is short");
        whole.resize(whole.len().max(from + patch.len()), 0);
        whole[from..from + patch.len()].copy_from_slice(&patch);
        while self.model.object(name).has_len(whole.len() as u64) {
            whole.push(0);
        }
        let whole = Arc::new(whole);
        let id = self.model.begin(name, Some(whole.clone()));
        let change = Modify {
            name: name.to_owned(),
            policy: self.policy.clone(),
            base: Some(base),
            patches: [(at, Bytes::from(patch))].into(),
            len: whole.len() as u64,
        };
        let store = self.store.clone();
        let modify = async { store.modify(change, silent()).await.map(|(stored, _)| stored) };
        match self.attempt(modify).await? {
            Some(Err(error @ (StoreError::Unreachable { .. } | StoreError::Lost { .. }))) => {
                self.unread(name, &error).await
            }
            done => self.written(name, id, done).await,
        }
    }

    async fn remove(&mut self, name: &str) -> Result<(), Violation> {
        let id = self.model.begin(name, None);
        let (store, policy) = (self.store.clone(), self.policy.clone());
        match self
            .attempt(async { store.remove(name, &policy, silent()).await })
            .await?
        {
            Some(Err(StoreError::NotFound { .. })) if self.stale => Ok(()),
            Some(Err(StoreError::NotFound { .. })) => self.model.seen_none(name).map(drop),
            done => {
                self.written(name, id, done.map(|done| done.map(|(_, stored)| stored)))
                    .await
            }
        }
    }

    pub(crate) async fn get(&mut self, name: &str) -> Result<(), Violation> {
        let store = self.store.clone();
        self.tally.reads += 1;
        match self.attempt(async { read(&store, name, None).await }).await? {
            None => Ok(()),
            // The providers that know better may all be silent.
            Some(Ok(_) | Err(StoreError::NotFound { .. })) if self.stale && !self.world.is_calm() => Ok(()),
            Some(Ok(bytes)) => {
                let id = self.model.seen_bytes(name, &bytes)?;
                self.settle(name, id);
                Ok(())
            }
            Some(Err(StoreError::NotFound { .. })) => {
                let id = self.model.seen_none(name)?;
                self.settle(name, id);
                Ok(())
            }
            Some(Err(error)) => self.unread(name, &error).await,
        }
    }

    /// With all providers well, nothing is open any more that could come later.
    fn settle(&mut self, name: &str, id: Id) {
        self.world.tell(|| format!("  {name} is #{id}"));
        if self.world.is_calm() && !self.is_crippled() {
            self.model.settled(name, id);
        }
    }

    async fn range(&mut self, name: &str, range: Range<u64>) -> Result<(), Violation> {
        let store = self.store.clone();
        let reading = async {
            let len = store.head(name).await?.len;
            let range = range.start.min(len)..range.end.min(len).max(range.start.min(len));
            let bytes = read(&store, name, Some(range.clone())).await?;
            Ok::<_, StoreError>((len, range, bytes))
        };
        self.tally.reads += 1;
        match self.attempt(reading).await? {
            None => Ok(()),
            Some(Ok(_) | Err(StoreError::NotFound { .. })) if self.stale => Ok(()),
            Some(Ok((len, range, bytes))) => {
                let index = |at: u64| usize::try_from(at).expect("an object is short");
                let what = format!("bytes {range:?} of {len} were read");
                let fits = |own: &Arc<Vec<u8>>| {
                    own.len() as u64 == len && own[index(range.start)..index(range.end)] == bytes[..]
                };
                self.model
                    .seen(name, &what, |version| version.bytes.as_ref().is_some_and(fits))
                    .map(drop)
            }
            Some(Err(StoreError::NotFound { .. })) => self.model.seen_none(name).map(drop),
            Some(Err(error)) => self.unread(name, &error).await,
        }
    }

    /// A read that failed: was that right?
    async fn unread(&mut self, name: &str, error: &StoreError) -> Result<(), Violation> {
        let truth = self.truth();
        let rule = match error {
            StoreError::Unreachable { .. } if truth.could_be_read(name, |cloud| truth.is_well(cloud)).await => {
                "what k sound fragments answer for can be read"
            }
            StoreError::Lost { .. } => {
                let lied = self.world.trouble().lied;
                if !truth.could_be_read(name, |cloud| !lied.contains(&cloud.at)).await {
                    return Ok(());
                }
                "what k sound fragments exist of is not lost"
            }
            StoreError::Waiting { .. }
                if !self.waiting.contains(&Some(name.to_owned())) && !self.waiting.contains(&None) =>
            {
                "only what a rebuild left open waits"
            }
            _ => return self.heed(error).await.map(drop),
        };
        if self.stale {
            return Ok(());
        }
        broken(rule, format!("{error}"))
    }

    async fn repair(&mut self, name: &str) -> Result<(), Violation> {
        let store = self.store.clone();
        match self.attempt(async { repair(&store, name, &silent()).await }).await? {
            None | Some(Ok(_)) => Ok(()),
            Some(Err(StoreError::NotFound { .. })) if self.stale => Ok(()),
            Some(Err(StoreError::NotFound { .. })) => self.model.seen_none(name).map(drop),
            Some(Err(error)) => self.unread(name, &error).await,
        }
    }

    async fn drain(&mut self, at: usize) -> Result<(), Violation> {
        self.states.fill(MemberState::Active);
        self.states[at] = MemberState::Draining;
        self.restart().await;
        if self.configured[at] {
            self.rebalance(Scope::From(self.clouds[at].name.clone())).await?;
        }
        Ok(())
    }

    async fn sweep(&mut self) -> Result<(), Violation> {
        let store = self.store.clone();
        let sweeping = async {
            store.begin_writing().await?;
            store.sweep(300).await
        };
        match self.attempt(sweeping).await? {
            Some(Err(error)) => self.heed(&error).await.map(drop),
            _ => Ok(()),
        }
    }

    async fn roll_back(&mut self) {
        let liar = self.plan.liar;
        if !self.world.is_honest() && self.survive(&[liar]).await && self.clouds[liar].roll_back() {
            self.world.count(Fault::RolledBack);
        }
    }

    async fn empty(&mut self, at: usize) {
        // Two may go if the others have seats enough.
        let may = match self.lost {
            Some(_) => self.has_seats_without_one(),
            None => at == self.plan.liar || !self.is_crippled(),
        };
        let may = may && !self.world.is_honest();
        if may && self.survive(&[at, self.plan.liar]).await {
            self.clouds[at].empty();
            self.world.count(Fault::Emptied);
        }
    }

    async fn keep_catalog(&mut self) {
        if self.stale || self.must_recover {
            return;
        }
        let catalog = self.catalog.copy().await.expect("the catalog can be read");
        let epochs = catalog.epochs().await.expect("the copy can be read");
        self.kept = Some(Kept {
            catalog,
            epoch: epochs.iter().map(|row| row.epoch).max().unwrap_or(0),
        });
    }

    /// An old catalog comes back, if something was acknowledged since under an epoch that it doesn't know.
    async fn restore_catalog(&mut self) {
        let claimed = self.claimed;
        let Some(kept) = self.kept.take_if(|kept| kept.epoch < claimed) else {
            return;
        };
        self.world.count(Fault::OldCatalog);
        self.catalog = Arc::new(kept.catalog);
        (self.stale, self.forked) = (true, true);
        self.restart().await;
    }

    /// Another machine, with the key and an old catalog, tries to write: it is refused.
    async fn second_client(&mut self, name: &str) -> Result<(), Violation> {
        let claimed = self.claimed;
        let Some(kept) = self.kept.as_ref().filter(|kept| kept.epoch < claimed) else {
            return Ok(());
        };
        self.world.count(Fault::SecondClient);
        self.forked = true;
        let life = Life::new();
        let catalog = Gated {
            inner: Arc::new(kept.catalog.copy().await.expect("the copy can be read")),
            gate: Process::new(&life, &self.world),
        };
        self.processes += 1;
        let store = self.open(Arc::new(catalog), &life).await;
        let bytes = self.fresh(name, 2_000);
        let id = self.model.begin(name, Some(bytes.clone()));
        let put = self.a_put(name, Condition::Any, bytes.len());
        let done = store.put(put, std::io::Cursor::new(bytes.to_vec()), silent()).await;
        life.end();
        match done {
            Ok(_) => broken("a second client writes nothing", format!("{name} #{id}")),
            Err(error) => {
                self.world.tell(|| format!("  the second client: {error}"));
                Ok(())
            }
        }
    }
}

async fn read(store: &Arc<Store>, name: &str, range: Option<Range<u64>>) -> Result<Vec<u8>, StoreError> {
    let mut reader = store.read(name, range, &[], silent()).await?;
    let mut bytes = Vec::new();
    let end = loop {
        match reader.next().await {
            Ok(Some(more)) => bytes.extend_from_slice(&more),
            Ok(None) => break Ok(bytes),
            Err(error) => break Err(error),
        }
    };
    reader.finish().await;
    end
}

fn noise(len: u64, seed: u64) -> Vec<u8> {
    let chance = Chance::seeded(seed ^ len.rotate_left(32));
    let words = (0..len.div_ceil(8)).flat_map(|_| chance.bits().to_le_bytes());
    words.take(usize::try_from(len).expect("an object is short")).collect()
}
