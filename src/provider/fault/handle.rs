//! The handle that steers a faulty provider while it runs.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::watch;

use super::{Fault, Rule};
use crate::provider::Operation;
use crate::provider::chance::Chance;

/// Keys that `WrongBlob` can answer from: enough to mix up blobs of one object, bounded for long simulations.
const RECENT: usize = 64;

#[derive(Debug, Default)]
struct Plan {
    rules: Vec<Rule>,
    recent: VecDeque<String>,
    calls: BTreeMap<Operation, u64>,
    injected: BTreeMap<&'static str, u64>,
}

#[derive(Debug)]
struct Shared {
    plan: Mutex<Plan>,
    chance: Chance,
    down: watch::Sender<bool>,
}

/// The handle by which a test changes the faults while calls run; clones steer the same provider.
#[derive(Clone, Debug)]
pub struct Faults(Arc<Shared>);

impl Faults {
    pub(super) fn seeded(seed: u64) -> Faults {
        Faults(Arc::new(Shared {
            plan: Mutex::default(),
            chance: Chance::seeded(seed),
            down: watch::Sender::new(false),
        }))
    }

    pub(super) fn chance(&self) -> &Chance {
        &self.0.chance
    }

    pub(super) fn watch(&self) -> watch::Receiver<bool> {
        self.0.down.subscribe()
    }

    /// Adds a rule behind those there are. The first that strikes decides; those behind it don't see the call.
    pub fn add(&self, rule: Rule) {
        self.plan().rules.push(rule);
    }

    /// Removes all rules. Calls that hang go on hanging.
    pub fn clear(&self) {
        self.plan().rules.clear();
    }

    /// The provider goes: calls under way break off, changes they carried may or may not have happened, new ones are refused.
    pub fn kill(&self) {
        self.0.down.send_replace(true);
    }

    /// The provider comes back with what it held.
    pub fn revive(&self) {
        self.0.down.send_replace(false);
    }

    /// True between `kill` and `revive`.
    pub fn is_down(&self) -> bool {
        *self.0.down.borrow()
    }

    /// Calls that came in so far, failed ones included.
    pub fn calls(&self) -> u64 {
        self.plan().calls.values().sum()
    }

    /// Calls of one operation that came in so far, failed ones included.
    pub fn calls_of(&self, operation: Operation) -> u64 {
        self.plan().calls.get(&operation).copied().unwrap_or_default()
    }

    /// How often each fault struck, by [`Fault::name`], and `"down"` for calls that met a killed provider.
    pub fn injected(&self) -> BTreeMap<&'static str, u64> {
        self.plan().injected.clone()
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.0.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts the call and draws its fault.
    pub(super) fn draw(&self, operation: Operation, key: &str) -> Option<Fault> {
        let mut plan = self.plan();
        *plan.calls.entry(operation).or_default() += 1;
        let chance = &self.0.chance;
        let strike = |rule: &mut Rule| rule.strikes(operation, key, chance).then_some(rule.fault);
        let fault = plan.rules.iter_mut().find_map(strike)?;
        *plan.injected.entry(fault.name()).or_default() += 1;
        Some(fault)
    }

    pub(super) fn count_down(&self) {
        *self.plan().injected.entry("down").or_default() += 1;
    }

    pub(super) fn remember(&self, key: &str) {
        let mut plan = self.plan();
        if plan.recent.iter().any(|known| known == key) {
            return;
        }
        if plan.recent.len() == RECENT {
            plan.recent.pop_front();
        }
        plan.recent.push_back(key.to_owned());
    }

    pub(super) fn another(&self, key: &str) -> Option<String> {
        let plan = self.plan();
        let others: Vec<&String> = plan.recent.iter().filter(|known| *known != key).collect();
        if others.is_empty() {
            return None;
        }
        let drawn = self.0.chance.below(others.len() as u64);
        others
            .get(usize::try_from(drawn).ok()?)
            .map(|other| (*other).to_owned())
    }

    pub(super) fn flip(&self, body: &Bytes) -> Bytes {
        let mut bytes = body.to_vec();
        if !bytes.is_empty() {
            let bit = self.0.chance.below(bytes.len() as u64 * 8);
            let at = usize::try_from(bit / 8).expect("below the length");
            bytes[at] ^= 1 << (bit % 8);
        }
        bytes.into()
    }
}
