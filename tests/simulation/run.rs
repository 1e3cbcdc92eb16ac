//! One run: the steps of a plan, lived through by the real store over simulated providers and the real catalog.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use raic::care::balance::{Scope, balance};
use raic::care::recover::{Options, recover};
use raic::care::repair::{declare_lost, repair};
use raic::care::ship::{Effort, Shipper};
use raic::catalog::Catalog;
use raic::catalog::archive::Archive;
use raic::catalog::record::{Health, MemberState};
use raic::catalog::sqlite::SqliteCatalog;
use raic::cloud_set::domain::{DomainKind, Domains};
use raic::cloud_set::policy::{Policy, Prefer};
use raic::entropy::SeededEntropy;
use raic::fragment::secret::{Keys, SetSecret};
use raic::provider::Provider;
use raic::provider::isolate::{Isolated, Patience};
use raic::provider::limit::Gate;
use raic::provider::retry::{Retried, Retry};
use raic::store::clouds::Configured;
use raic::store::error::{Kind, StoreError};
use raic::store::labour;
use raic::store::send::{Progress, Silent};
use raic::store::{Ground, Settings, Store};
use tokio::time::{Instant, sleep};

use super::super::gated::Gated;
use super::cloud::{Access, Cloud, Weather};
use super::life::{Life, Process};
use super::model::Model;
use super::plan::Plan;
use super::truth::{Ledger, Truth};
use super::world::{Fault, Violation, VirtualClock, World, broken, millis};

/// Longer than any verb may take in virtual time.
const ENDLESS: Duration = Duration::from_hours(12);

/// What a run came to.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) violation: Option<Violation>,
    pub(crate) trace: Vec<String>,
    pub(crate) fingerprint: [u8; 32],
    pub(crate) counts: BTreeMap<Fault, u64>,
    pub(crate) tally: Tally,
}

/// What was done in a run.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) operations: u64,
    pub(crate) acknowledged: u64,
    pub(crate) refused: u64,
    pub(crate) unknown: u64,
    pub(crate) reads: u64,
    pub(crate) recovers: u64,
    pub(crate) calls: u64,
    pub(crate) seconds: u64,
}

/// A copy of the catalog, and the last process that had claimed an epoch by then.
pub(crate) struct Kept {
    pub(crate) catalog: SqliteCatalog,
    pub(crate) epoch: u64,
}

#[expect(clippy::struct_excessive_bools, reason = "what happened so far, each on its own")]
pub(crate) struct Run {
    pub(crate) plan: Plan,
    pub(crate) world: Arc<World>,
    pub(crate) clouds: Vec<Arc<Cloud>>,
    pub(crate) keys: Keys,
    pub(crate) policy: Policy,
    pub(crate) catalog: Arc<SqliteCatalog>,
    pub(crate) life: Arc<Life>,
    /// The catalog as the present process has it.
    pub(crate) archive: Arc<dyn Archive>,
    pub(crate) store: Arc<Store>,
    pub(crate) states: Vec<MemberState>,
    pub(crate) configured: Vec<bool>,
    pub(crate) model: Model,
    pub(crate) ledger: Ledger,
    pub(crate) tally: Tally,
    pub(crate) processes: u64,
    /// The newest epoch under which something was acknowledged.
    pub(crate) claimed: u64,
    pub(crate) kept: Option<Kept>,
    /// The catalog is an old one, and nobody has noticed yet.
    pub(crate) stale: bool,
    /// Nothing can be written before a rebuild.
    pub(crate) must_recover: bool,
    /// Epochs may be on the clouds that the catalog never knew.
    pub(crate) forked: bool,
    /// Objects that a rebuild left open; `None` among them for those without a name.
    pub(crate) waiting: BTreeSet<Option<String>>,
    pub(crate) lost: Option<usize>,
    /// A rebuild took what it found, and nothing was repaired since: fragments may lie together.
    pub(crate) rebuilt: bool,
}

/// Lives through a plan, on a runtime of its own whose time stands still but for what is waited for.
pub(crate) fn live(plan: &Plan, tells: bool) -> Outcome {
    labour::in_place();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without a driver needs nothing of the system");
    let plan = plan.clone();
    runtime.block_on(async move {
        let world = Arc::new(World::new(plan.seed, tells));
        let mut tally = Tally::default();
        let violation = match Run::begin(plan, world.clone()).await {
            Ok(mut run) => {
                let end = run.all().await;
                tally = run.tally;
                end.err()
            }
            Err(violation) => Some(violation),
        };
        tally.calls = world.calls();
        tally.seconds = world.now() / 1000;
        Outcome {
            violation,
            trace: world.told(),
            fingerprint: world.fingerprint(),
            counts: world.counts(),
            tally,
        }
    })
}

impl Run {
    async fn begin(plan: Plan, world: Arc<World>) -> Result<Run, Violation> {
        let clouds: Vec<Arc<Cloud>> = (0..plan.providers)
            .map(|at| Cloud::new(at, at == plan.liar, &world))
            .collect();
        let keys = Keys::new(&SetSecret::new([7; 32]));
        let catalog = Arc::new(SqliteCatalog::inline(keys.set()).expect("a catalog in memory"));
        let life = Life::new();
        let mut run = Run {
            states: vec![MemberState::Active; plan.providers],
            configured: vec![true; plan.providers],
            policy: policy(&plan),
            archive: catalog.clone(),
            store: bare(&keys, &catalog).await,
            plan,
            world,
            clouds,
            keys,
            catalog,
            life,
            model: Model::default(),
            ledger: Ledger::default(),
            tally: Tally::default(),
            processes: 0,
            claimed: 0,
            kept: None,
            stale: false,
            must_recover: false,
            forked: false,
            waiting: BTreeSet::new(),
            lost: None,
            rebuilt: false,
        };
        run.restart().await;
        Ok(run)
    }

    async fn all(&mut self) -> Result<(), Violation> {
        let steps = std::mem::take(&mut self.plan.steps);
        for (number, step) in steps.iter().enumerate() {
            self.world.begin_step();
            self.world.tell(|| format!("step {number}: {step:?}"));
            self.step(step).await?;
            self.look().await?;
        }
        self.world.begin_step();
        self.world.tell(|| "the end".to_owned());
        self.calm().await?;
        if self.plan.seed.is_multiple_of(3) {
            self.lose_catalog().await;
            self.calm().await?;
        }
        self.look().await
    }

    pub(crate) fn truth(&self) -> Truth<'_> {
        Truth {
            world: &self.world,
            clouds: &self.clouds,
            keys: &self.keys,
            catalog: self.catalog.as_ref(),
        }
    }

    /// The invariants, after every step.
    async fn look(&mut self) -> Result<(), Violation> {
        self.world.violation()?;
        if self.stale || self.must_recover {
            return Ok(());
        }
        let names = self.model.names();
        let mut ledger = std::mem::take(&mut self.ledger);
        // Of what waits the catalog may have an old version, out of a copy of itself: it is not given.
        let waits = |name: &String| self.waiting.contains(&None) || self.waiting.contains(&Some(name.clone()));
        for name in names.iter().filter(|name| !waits(name)) {
            self.truth().object(name, self.plan.spread, !self.rebuilt).await?;
        }
        self.truth().graces(&names, &mut ledger).await?;
        self.ledger = ledger;
        Ok(())
    }

    /// The process ends, if it hasn't, and another one begins.
    pub(crate) async fn restart(&mut self) {
        self.life.end();
        self.life = Life::new();
        self.processes += 1;
        self.archive = Arc::new(Gated {
            inner: self.catalog.clone(),
            gate: Process::new(&self.life, &self.world),
        });
        self.store = self.open(self.archive.clone(), &self.life).await;
        let processes = self.processes;
        self.world.tell(|| format!("  process {processes} begins"));
    }

    pub(crate) async fn open(&self, catalog: Arc<dyn Catalog>, life: &Arc<Life>) -> Arc<Store> {
        let configured = self.clouds.iter().filter(|cloud| self.configured[cloud.at]);
        let ground = Ground {
            keys: self.keys.clone(),
            catalog,
            providers: configured.map(|cloud| self.provider(cloud, life)).collect(),
            policies: vec![self.policy.clone()],
            clock: Arc::new(VirtualClock(Instant::now() - millis(self.world.now()))),
            entropy: Arc::new(SeededEntropy::new(self.plan.seed << 16 | self.processes)),
            settings: Settings::default(),
        };
        Store::open(ground).await.expect("a catalog that can be read")
    }

    fn provider(&self, cloud: &Arc<Cloud>, life: &Arc<Life>) -> Configured {
        let access = Access {
            cloud: cloud.clone(),
            life: life.clone(),
        };
        let mut provider: Arc<dyn Provider> =
            Arc::new(Isolated::new(Arc::new(access), Gate::new(16), Patience::default()));
        if self.plan.retries {
            provider = Arc::new(Retried::new(
                provider,
                Retry::default(),
                self.plan.seed + self.processes,
            ));
        }
        let operator = format!("operator {}", if self.plan.spread { cloud.at.max(1) } else { cloud.at });
        Configured {
            name: cloud.name.clone(),
            domains: Domains([(DomainKind::Operator, operator)].into()),
            weight: 1.0,
            state: self.states[cloud.at],
            provider,
        }
    }

    /// Work of the process; `None` if it dies meanwhile, and then another one has begun.
    pub(crate) async fn attempt<T>(&mut self, work: impl Future<Output = T>) -> Result<Option<T>, Violation> {
        let life = self.life.clone();
        let done = tokio::select! {
            biased;
            () = life.died.notified() => None,
            done = work => Some(done),
            () = sleep(ENDLESS) => return broken("every verb ends", "twelve hours have passed"),
        };
        if done.is_none() {
            self.world.count(Fault::Crash);
            self.world.tell(|| "  the process dies".to_owned());
            self.restart().await;
        }
        self.life.goes_on();
        Ok(done)
    }

    /// What a verb's error means for what was asked; true if the outcome is unknown.
    pub(crate) async fn heed(&mut self, error: &StoreError) -> Result<bool, Violation> {
        self.world.tell(|| format!("  {error}"));
        match error {
            // A catalog that could not be written serves no longer, and whether it kept the version is found out by the next process.
            StoreError::Catalog(raic::catalog::CatalogError::Io { .. })
            | StoreError::OutcomeUnknown { why: Some(_), .. } => {
                self.restart().await;
                Ok(true)
            }
            StoreError::Refused { .. } => Ok(false),
            error if error.kind() == Kind::Fenced => {
                if !self.stale && !self.forked && !self.must_recover {
                    return broken("a catalog that is the newest is not refused", error.to_string());
                }
                self.must_recover = true;
                Ok(false)
            }
            error if error.kind() == Kind::Own => broken("nothing is RAIC's own fault", error.to_string()),
            error => Ok(error.kind() == Kind::Unknown),
        }
    }

    pub(crate) async fn lose_catalog(&mut self) {
        self.world.count(Fault::CatalogLost);
        self.catalog = Arc::new(SqliteCatalog::inline(self.keys.set()).expect("a catalog in memory"));
        (self.must_recover, self.forked, self.stale) = (true, true, false);
        self.restart().await;
    }

    /// Rebuilds the catalog; what can't be had now is tried again at the next step.
    pub(crate) async fn recover(&mut self) -> Result<(), Violation> {
        self.restart().await;
        self.tally.recovers += 1;
        self.rebuilt = true;
        let (store, progress) = (self.store.clone(), silent());
        let archive = self.plan.ships.then(|| self.archive.clone());
        let Some(recovered) = self
            .attempt(recover(&store, archive.as_ref(), Options::default(), &progress))
            .await?
        else {
            return Ok(());
        };
        match recovered {
            Ok(recovered) => {
                self.world.tell(|| {
                    format!(
                        "  rebuilt: {} objects, {} removals, {} refused, short {:?}, waiting {:?}",
                        recovered.objects,
                        recovered.removals,
                        recovered.refused,
                        recovered.short,
                        recovered.waiting.iter().map(|w| (&w.name, &w.why)).collect::<Vec<_>>()
                    )
                });
                self.waiting = recovered.waiting.into_iter().map(|waiting| waiting.name).collect();
                // What counts and is short of its quorum has used up what the liar is allowed.
                self.world.set_honest(!recovered.short.is_empty());
                (self.must_recover, self.stale) = (false, false);
                // When a version was replaced is not on the clouds: a rebuild that finds it replaced lets it go.
                self.ledger = Ledger::begun(self.world.now());
                self.restart().await;
                Ok(())
            }
            // Nobody was a member yet.
            Err(StoreError::NoMembership { .. }) if self.claimed == 0 => {
                (self.must_recover, self.stale) = (false, false);
                Ok(())
            }
            Err(error) => self.heed(&error).await.map(drop),
        }
    }

    /// A provider is gone for good, or can't prove any more whose data it holds: what it hides stays hidden.
    pub(crate) fn is_crippled(&self) -> bool {
        self.lost.is_some()
            || self
                .clouds
                .iter()
                .any(|cloud| cloud.signed_in() && !cloud.has_identity())
    }

    /// All faults end, and what was late has come: everything is as it should be, and stays so.
    pub(crate) async fn calm(&mut self) -> Result<(), Violation> {
        self.world.set_calm(true);
        sleep(Duration::from_hours(2)).await;
        for cloud in &self.clouds {
            cloud.unhide();
            cloud.set_weather(Weather::Clear);
        }
        self.states.fill(MemberState::Active);
        if !self.begin_calmly().await? {
            self.world.set_calm(false);
            return Ok(());
        }
        // Whoever has no identity gets it behind this.
        let crippled = self.is_crippled();
        for name in self.model.names() {
            self.read_calmly(&name, crippled).await?;
        }
        for name in self.model.names() {
            self.mend_calmly(&name).await?;
        }
        if self.rebuilt && self.plan.spread {
            // What a rebuild found with one operator, a rebalance parts.
            self.rebalance(Scope::Everything).await?;
        }
        self.rebuilt = self.is_crippled();
        self.world.begin_step();
        self.put("calm", 3_000, false).await?;
        if !self.model.object("calm").is_certain() || self.must_recover {
            return broken("with all providers well a put is stored", "it was not");
        }
        let faults = self.catalog.check().await.expect("the catalog can be read");
        if !faults.is_empty() {
            return broken("the catalog keeps its rules", faults.join("; "));
        }
        self.world.set_honest(false);
        self.world.set_calm(false);
        Ok(())
    }

    /// A rebuild if one is due, then a process that writes: nothing stays open. False if too much is gone for good.
    async fn begin_calmly(&mut self) -> Result<bool, Violation> {
        for round in 0..3 {
            if self.must_recover || self.stale || !self.waiting.is_empty() {
                self.must_recover = true;
                self.recover().await?;
                if self.must_recover && self.is_crippled() {
                    return Ok(false);
                }
            }
            self.restart().await;
            let store = self.store.clone();
            let begun = self
                .attempt(async move {
                    let settled = store.begin_writing().await.cloned()?;
                    // What another machine sent may have come late: it is noticed now, or by the first write.
                    store.check_fence().await?;
                    Ok(settled)
                })
                .await?;
            match begun {
                Some(Ok(settled)) => {
                    self.world.tell(|| format!("  settled: {settled:?}"));
                    let open = self.catalog.open_generations().await.expect("the catalog can be read");
                    if !open.is_empty() && !self.is_crippled() {
                        return broken("nothing stays open when all answer", format!("{open:?}"));
                    }
                    // One that was emptied was signed in anew on the way: from now on it answers, and what waited for it is judged.
                    if self.waiting.is_empty() || self.is_crippled() || round == 2 {
                        return Ok(true);
                    }
                }
                Some(Err(error)) => drop(self.heed(&error).await?),
                None => {}
            }
        }
        broken(
            "with all providers well a process can write",
            "it could not, three times",
        )
    }

    async fn read_calmly(&mut self, name: &str, crippled: bool) -> Result<(), Violation> {
        self.world.begin_step();
        self.get(name).await?;
        let waits = self.waiting.contains(&Some(name.to_owned())) || self.waiting.contains(&None);
        if waits && !crippled {
            return broken("nothing waits when all answer", name);
        }
        Ok(())
    }

    async fn mend_calmly(&mut self, name: &str) -> Result<(), Violation> {
        let (store, progress) = (self.store.clone(), silent());
        let owned = name.to_owned();
        let mended = async move {
            repair(&store, &owned, &progress).await?;
            raic::care::repair::check(&store, &owned, true, &progress).await
        };
        match self.attempt(mended).await? {
            Some(Ok(report)) => {
                let least = if self.is_crippled() {
                    Health::Degraded
                } else {
                    Health::Whole
                };
                if report.health() < least {
                    return broken(
                        "repair makes whole what it can",
                        format!("{name} is {:?}", report.health()),
                    );
                }
                Ok(())
            }
            Some(Err(StoreError::NotFound { .. })) => self.model.seen_none(name).map(drop),
            Some(Err(StoreError::Waiting { .. })) | None => Ok(()),
            Some(Err(error)) => broken("with all providers well repair works", error.to_string()),
        }
    }

    /// True if one more provider could go and a whole extent would find its seats on the others.
    pub(crate) fn has_seats_without_one(&self) -> bool {
        let has = |cloud: &&Arc<Cloud>| Some(cloud.at) != self.lost && (cloud.has_identity() || !cloud.signed_in());
        let seats = self.clouds.iter().filter(has).count() - usize::from(self.plan.spread);
        seats > usize::from(self.policy.n())
    }

    /// Declares a provider lost, if everything survives that.
    pub(crate) async fn declare_lost(&mut self, at: usize) -> Result<(), Violation> {
        if self.lost.is_some() || !self.has_seats_without_one() || !self.survive(&[at, self.plan.liar]).await {
            return Ok(());
        }
        let (store, name) = (self.store.clone(), self.clouds[at].name.clone());
        let done = self.attempt(async { declare_lost(&store, &name).await }).await?;
        if let Some(Err(error)) = &done {
            self.heed(error).await?;
        }
        let (_, members) = self.catalog.members().await.expect("the catalog can be read");
        if members
            .iter()
            .any(|member| member.name == name && member.state == MemberState::Lost)
        {
            self.world.count(Fault::DeclaredLost);
            (self.lost, self.configured[at]) = (Some(at), false);
            self.restart().await;
        }
        Ok(())
    }

    /// True if every object, as it is now, can do without these providers.
    pub(crate) async fn survive(&mut self, without: &[usize]) -> bool {
        for name in self.model.names() {
            if !self.truth().survives(&name, without).await {
                return false;
            }
        }
        true
    }

    pub(crate) async fn rebalance(&mut self, scope: Scope) -> Result<(), Violation> {
        let (store, progress) = (self.store.clone(), silent());
        let done = self
            .attempt(async { balance(&store, &scope, false, &progress, &|| false, &mut |_| ()).await })
            .await?;
        match done {
            Some(Err(error)) => self.heed(&error).await.map(drop),
            _ => Ok(()),
        }
    }

    /// A copy of the catalog goes to the clouds.
    pub(crate) async fn ship(&mut self, effort: Effort) -> Result<(), Violation> {
        let shipper = Shipper::new(self.store.clone(), self.archive.clone());
        match self.attempt(async { shipper.ship(effort).await }).await? {
            Some(Err(error)) => self.heed(&error).await.map(drop),
            _ => Ok(()),
        }
    }
}

pub(crate) fn silent() -> Arc<dyn Progress> {
    Arc::new(Silent)
}

/// A store that nobody uses.
async fn bare(keys: &Keys, catalog: &Arc<SqliteCatalog>) -> Arc<Store> {
    let ground = Ground {
        keys: keys.clone(),
        catalog: catalog.clone(),
        providers: Vec::new(),
        policies: Vec::new(),
        clock: Arc::new(VirtualClock(Instant::now())),
        entropy: Arc::new(SeededEntropy::new(0)),
        settings: Settings::default(),
    };
    Store::open(ground).await.expect("an empty catalog can be read")
}

fn policy(plan: &Plan) -> Policy {
    let spread = plan.spread.then_some((DomainKind::Operator, 1));
    Policy {
        name: "default".to_owned(),
        k: plan.k,
        m: plan.m,
        spread: spread.into_iter().collect(),
        quorum: Policy::lowest_quorum(plan.k, plan.k + plan.m),
        sealed: plan.sealed,
        prefer: Prefer::Latency,
        providers: None,
        chunk_len: 256,
        fragment_len: 2048,
    }
}
