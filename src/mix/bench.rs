//! A whole bench: each provider measured, every mix of them reckoned, the telling ones lived through by the real store.
//!
//! ```text
//! contestants ─▶ measure, one after the other ─▶ curves ─▶ all mixes reckoned ─▶ front ─▶ some lived through ─▶ Run
//! ```
//!
//! The same for real providers and for simulated ones; these run in virtual time, and are foretold from their laws instead of curves.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::field::{self, Entrant, Field, mark_front, telling};
use super::law::Law;
use super::measure::{Gauge, Probe, Task, keys_of, measure};
use super::outage::Outages;
use super::own::Own;
use super::report::bytes;
use super::report::text::{SAMPLES_HEAD, samples_csv};
use super::run::{Calls, Lived, MixRun, ProviderRun, Run, Setting, TaskRun, WithoutRun};
use super::trial::{Trial, Tried, live};
use crate::cloud_set::domain::Domains;
use crate::cloud_set::policy::Policy;
use crate::cloud_set::price::{Prices, Tariff};
use crate::provider::Provider;

/// Seconds that listings and first bytes are measured for, at most.
const SMALL_CALLS: f64 = 5.0;

/// One provider that takes part.
#[derive(Clone, Debug)]
pub struct Contestant {
    /// Its name.
    pub name: String,
    /// The entry of the price catalog that it is billed by.
    pub service: Option<String>,
    /// The company.
    pub operator: String,
    /// What it shares a fate with; the operator is there.
    pub domains: Domains,
    /// What it bills; not known if `None`.
    pub tariff: Option<Tariff>,
    /// The way to it, bare: what is measured.
    pub bare: Arc<dyn Provider>,
    /// The way to it with limits and retries: what the store works on.
    pub steady: Arc<dyn Provider>,
    /// The law that it keeps, of a simulated one.
    pub law: Option<Law>,
}

/// What is done, beside what the setting says.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What was asked.
    pub setting: Setting,
    /// The prefix that everything goes under; empty or with `/` at its end.
    pub prefix: String,
    /// The most bytes for each provider, size and operation.
    pub most: u64,
    /// The most calls for each.
    pub calls: u64,
    /// Mixes that are lived through, at most.
    pub mixes: usize,
    /// Reads of each, over its objects in turn.
    pub reads: u32,
    /// Providers that are taken out at once: 0 to 2.
    pub outs: usize,
    /// Puts of a mix that are under way at once: 1 where their times are asked for.
    pub abreast: usize,
    /// The mix that the owner has: providers and k.
    pub today: Option<(Vec<String>, u16)>,
}

/// Somebody who looks on.
pub trait Watcher: Send + Sync {
    /// Calls of one kind begin at one provider; the gauge counts them.
    fn measuring(&self, name: &str, task: &Task, gauge: &Arc<Gauge>);
    /// They are done.
    fn measured(&self, name: &str, task: &TaskRun);
    /// A mix is lived through.
    fn living(&self, mix: &MixRun);
    /// It is done.
    fn lived(&self, mix: &MixRun);
}

/// What a bench brings.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The document.
    pub run: Run,
    /// Every sample as CSV.
    pub samples: String,
}

impl Plan {
    /// What each provider is measured with: listings and first bytes with one lane, then puts and reads of each size with each number of lanes.
    #[must_use]
    pub fn tasks(&self) -> Vec<Task> {
        let setting = &self.setting;
        let small = Duration::from_secs_f64(setting.duration.min(SMALL_CALLS));
        let whole = Duration::from_secs_f64(setting.duration);
        let task = |probe, len: u64, lanes, duration| Task {
            probe,
            len,
            lanes,
            duration,
            calls: (self.most / len.max(1)).clamp(1, self.calls),
            rate: setting.rate,
        };
        let first = setting.sizes.iter().min().copied().unwrap_or(1);
        let least = setting.lanes.iter().min().copied().unwrap_or(1);
        let mut tasks = vec![
            task(Probe::List, 0, least, small),
            task(Probe::First, first, least, small),
        ];
        for lanes in &setting.lanes {
            for size in &setting.sizes {
                tasks.push(task(Probe::Put, *size, *lanes, whole));
                tasks.push(task(Probe::Get, *size, *lanes, whole));
            }
        }
        tasks
    }
}

/// Measures, reckons, lives through. What it wrote is removed; whoever gives it up early calls [`clear`].
pub async fn bench(contestants: &[Contestant], plan: &Plan, prices: &Prices, watcher: &dyn Watcher) -> Outcome {
    let mut run = Run {
        simulated: contestants.iter().all(|one| one.law.is_some()),
        setting: plan.setting.clone(),
        ..Run::default()
    };
    let mut samples = SAMPLES_HEAD.to_owned();
    for contestant in contestants {
        let provider = measure_one(
            contestant,
            plan,
            watcher,
            run.simulated,
            &mut samples,
            &mut run.warnings,
        )
        .await;
        run.providers.push(provider);
    }
    let entrants = entrants(contestants, &mut run);
    let outages = Outages::shipped();
    let setting = plan.setting.clone();
    let field = Field {
        entrants: &entrants,
        setting: &setting,
        prices,
        outages: &outages,
    };
    reckon(&field, plan, &mut run);
    for at in telling(&run, plan.mixes) {
        watcher.living(&run.mixes[at]);
        match live_one(contestants, plan, at, &run.mixes[at], &mut samples, run.simulated).await {
            Ok(lived) => {
                field.detail(&mut run.mixes[at]);
                run.mixes[at].lived = Some(lived);
                watcher.lived(&run.mixes[at]);
            }
            Err(what) => run.warnings.push(format!("{}: {what}", run.mixes[at].name())),
        }
    }
    Outcome { run, samples }
}

fn reckon(field: &Field<'_>, plan: &Plan, run: &mut Run) {
    run.mixes = field.mixes();
    if let Some((providers, k)) = &plan.today {
        let same = |mix: &MixRun| {
            mix.k == *k
                && mix.providers.len() == providers.len()
                && mix.providers.iter().all(|name| providers.contains(name))
        };
        for mix in &mut run.mixes {
            mix.today = same(mix);
        }
    }
    mark_front(run);
    for mix in run.mixes.iter_mut().filter(|mix| mix.on_front) {
        field.detail(mix);
        // Bills by level are told of what is lived through.
        mix.levels.clear();
    }
}

async fn measure_one(
    contestant: &Contestant,
    plan: &Plan,
    watcher: &dyn Watcher,
    simulated: bool,
    samples: &mut String,
    warnings: &mut Vec<String>,
) -> ProviderRun {
    let name = &contestant.name;
    let mut seen = ProviderRun {
        name: name.clone(),
        service: contestant.service.clone(),
        operator: contestant.operator.clone(),
        ..ProviderRun::default()
    };
    let own = Arc::new(Own::new(contestant.bare.clone(), &plan.prefix));
    let provider: Arc<dyn Provider> = own.clone();
    for task in plan.tasks() {
        let gauge = Arc::new(Gauge::default());
        watcher.measuring(name, &task, &gauge);
        match measure(&provider, task, &gauge).await {
            Ok(measured) => {
                let call = task.probe.word();
                samples.push_str(&samples_csv(simulated, name, call, task.lanes, &measured.seen));
                let told = TaskRun::of(&measured);
                let what = format!("{name} {call} {} x{}", bytes(task.len), task.lanes);
                warnings.extend(
                    measured
                        .seen
                        .warnings()
                        .into_iter()
                        .map(|warning| format!("{what}: {warning}")),
                );
                watcher.measured(name, &told);
                seen.tasks.push(told);
            }
            Err(error) => {
                seen.trouble = Some(error.to_string());
                break;
            }
        }
        let puts = gauge.done.load(Ordering::Relaxed) + gauge.failed.load(Ordering::Relaxed);
        clear_own(&own, &[(task, puts)]).await;
    }
    if let Some(trouble) = &seen.trouble {
        warnings.push(format!("{name}: {trouble}"));
    }
    seen
}

/// Those that mixes are made of: with a law, or with curves of all that a mix needs.
fn entrants(contestants: &[Contestant], run: &mut Run) -> Vec<Entrant> {
    let mut entrants = Vec::new();
    for (contestant, seen) in contestants.iter().zip(&run.providers) {
        let timing: Box<dyn super::curve::Timing> = match (&contestant.law, seen.curves()) {
            (Some(law), _) => Box::new(law.clone()),
            (None, Some(curves)) => Box::new(curves),
            (None, None) => {
                let what = "too little succeeded to reckon mixes with it";
                run.warnings.push(format!("{}: {what}", contestant.name));
                continue;
            }
        };
        entrants.push(Entrant {
            name: contestant.name.clone(),
            domains: contestant.domains.clone(),
            operator: contestant.operator.clone(),
            tariff: contestant.tariff.clone(),
            timing,
        });
    }
    if entrants.len() > field::MOST {
        let left: Vec<String> = entrants.drain(field::MOST..).map(|entrant| entrant.name).collect();
        let most = field::MOST;
        run.warnings.push(format!(
            "mixes are reckoned of {most} providers at most; not of {}: choose with --providers",
            left.join(", ")
        ));
    }
    entrants
}

/// One mix, lived through in a corner of its own.
pub async fn live_one(
    contestants: &[Contestant],
    plan: &Plan,
    number: usize,
    mix: &MixRun,
    samples: &mut String,
    simulated: bool,
) -> Result<Lived, String> {
    let prefix = format!("{}mix-{number}/", plan.prefix);
    let find = |name: &String| contestants.iter().find(|one| one.name == *name);
    let seats: Option<Vec<Arc<Own>>> = mix
        .providers
        .iter()
        .map(|name| find(name).map(|one| Arc::new(Own::new(one.steady.clone(), &prefix))))
        .collect();
    let seats = seats.ok_or("one of its providers isn't there")?;
    let trial = Trial {
        k: mix.k,
        objects: plan.setting.objects,
        reads: plan.reads,
        len: plan.setting.object,
        seed: plan.setting.seed,
        outs: plan.outs,
        abreast: plan.abreast,
    };
    let tried = live(&seats, &trial).await.map_err(|error| error.to_string());
    for seat in &seats {
        drop(seat.clear().await);
    }
    let tried = tried?;
    let name = mix.name();
    samples.push_str(&samples_csv(simulated, &name, "put", 1, &tried.puts));
    samples.push_str(&samples_csv(simulated, &name, "get", 1, &tried.gets));
    for without in &tried.without {
        let out: Vec<&str> = without.out.iter().map(|at| mix.providers[*at].as_str()).collect();
        let call = format!("get without {}", out.join(" and "));
        samples.push_str(&samples_csv(simulated, &name, &call, 1, &without.gets));
    }
    Ok(lived(mix, &tried))
}

fn lived(mix: &MixRun, tried: &Tried) -> Lived {
    let quorum = Policy::lowest_quorum(mix.k, mix.n());
    let without = tried.without.iter().map(|without| {
        let out = u16::try_from(without.out.len()).expect("at most 2");
        WithoutRun {
            out: without.out.iter().map(|at| mix.providers[*at].clone()).collect(),
            losses_left: mix.m.checked_sub(out),
            writable: mix.n() - out >= quorum,
            reads: Calls::of(&without.gets),
        }
    });
    Lived {
        reads: Calls::of(&tried.gets),
        writes: Calls::of(&tried.puts),
        without: without.collect(),
    }
}

/// Clears a corner. Where listing isn't possible, what tasks are known to have written goes.
async fn clear_own(own: &Arc<Own>, tasks: &[(Task, u64)]) -> u64 {
    if let Ok(left) = own.clear().await {
        return left;
    }
    let mut left = 0;
    for key in keys_of(tasks) {
        left += u64::from(own.delete(&key).await.is_err());
    }
    left
}

/// Removes what a bench that was given up left below the prefix, and tells for each provider where it couldn't.
pub async fn clear(contestants: &[Contestant], prefix: &str) -> Vec<String> {
    let mut left = Vec::new();
    for contestant in contestants {
        let own = Own::new(contestant.bare.clone(), prefix);
        if !matches!(own.clear().await, Ok(0)) {
            left.push(contestant.name.clone());
        }
    }
    left
}
