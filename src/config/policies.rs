//! Policies: what they say, what they extend, and whether they can hold.

use std::collections::{BTreeMap, BTreeSet};

use crate::cloud_set::quantity::Size;
use crate::cloud_set::{DomainKind, Policy, Prefer, Profile, ProfileState};

use super::check::nearest;
use super::error::{Fault, Infeasible};
use super::feasible;
use super::read::{Reader, Reading, scalar, text};
use super::tree::{Key, Node, Value};

/// 64 KiB: long enough to hash fast, short enough for small ranges.
const DEFAULT_CHUNK: u32 = 64 << 10;

/// 8 MiB: what every service takes in one call and a thin uplink sends in time.
const DEFAULT_FRAGMENT: u64 = 8 << 20;

/// Chunks are coded 64 bytes at a time.
const CHUNK_STEP: u64 = 64;

impl Reader<'_> {
    /// The policies that are right by themselves, each with its key and node.
    pub(super) fn policies<'n>(&mut self, tree: &'n Node) -> Vec<(Policy, &'n Key, &'n Node)> {
        let Some(section) = tree.get("policies") else {
            return Vec::new();
        };
        if section.get("default").is_none() && matches!(section.value, Value::Map(_)) {
            let section_name = "`policies`".to_owned();
            self.fault(
                section,
                Fault::Missing {
                    key: "default",
                    section: section_name,
                },
            );
        }
        let chains = self.chains(section);
        let policies = section.pairs().iter().filter_map(|(name, node)| {
            let chain = chains.get(&name.text)?;
            Some((self.policy(name, node, chain)?, name, node))
        });
        policies.collect()
    }

    /// For each policy that extends nothing unknown and not itself: its node, its parent's, and so on.
    fn chains<'n>(&mut self, section: &'n Node) -> BTreeMap<String, Vec<&'n Node>> {
        let names: Vec<String> = section.pairs().iter().map(|(name, _)| name.text.clone()).collect();
        let (mut parents, mut orphans) = (BTreeMap::new(), BTreeSet::new());
        for (name, node) in section.pairs() {
            let Some(parent) = text(node, "extends") else {
                continue;
            };
            if names.iter().any(|name| name == parent) {
                parents.insert(name.text.clone(), parent.to_owned());
            } else {
                let fault = unknown("policy", parent, &names);
                self.fault(node.get("extends").unwrap_or(node), fault);
                orphans.insert(name.text.as_str());
            }
        }
        let mut chains = BTreeMap::new();
        for (name, node) in section.pairs() {
            if let Some(by) = feasible::circle(&name.text, &parents) {
                let policy = name.text.clone();
                let why = Infeasible::Circle { by };
                self.fault(node.get("extends").unwrap_or(node), Fault::Policy { policy, why });
                continue;
            }
            let (mut chain, mut at) = (vec![node], &name.text);
            while let Some(parent) = parents.get(at).filter(|_| chain.len() <= names.len()) {
                chain.extend(section.get(parent));
                at = parent;
            }
            if !orphans.contains(at.as_str()) {
                chains.insert(name.text.clone(), chain);
            }
        }
        chains
    }

    /// A policy whose values come from the first of `chain` that has them.
    fn policy(&mut self, name: &Key, node: &Node, chain: &[&Node]) -> Option<Policy> {
        let from = |key: &str| {
            chain
                .iter()
                .find(|node| node.get(key).is_some())
                .copied()
                .unwrap_or(node)
        };
        for key in ["k", "m"] {
            if from(key).get(key).is_none() {
                let section = format!("policy `{}`", name.text);
                self.fault_at(&name.spot, Fault::Missing { key, section });
            }
        }
        let (k, m) = (self.whole(from("k"), "k", 1, 256), self.whole(from("m"), "m", 0, 255));
        let (k, m) = (k?, m?);
        let quorum = match from("write_quorum").get("write_quorum") {
            None => Policy::lowest_quorum(k, k + m),
            Some(_) => self.whole(from("write_quorum"), "write_quorum", 1, 256)?,
        };
        let encryption = [("aes-256-gcm", true), ("none", false)];
        let prefer = [
            ("latency", Prefer::Latency),
            ("cost", Prefer::Cost),
            ("balanced", Prefer::Balanced),
        ];
        Some(Policy {
            name: name.text.clone(),
            k,
            m,
            spread: self.spread(from("spread")),
            quorum,
            sealed: self.word(from("encryption"), "encryption", &encryption).unwrap_or(true),
            prefer: self.word(from("prefer"), "prefer", &prefer).unwrap_or_default(),
            providers: from("providers").get("providers").map(|names| self.allowed(names)),
            chunk_len: self.chunk(from("chunk")),
            fragment_len: self.fragment(from("fragment")),
        })
    }

    fn spread(&mut self, policy: &Node) -> BTreeMap<DomainKind, u16> {
        let Some(node) = policy.get("spread") else {
            return BTreeMap::new();
        };
        let kinds = DomainKind::ALL.into_iter();
        kinds
            .filter_map(|kind| Some((kind, self.whole(node, kind.word(), 1, 256)?)))
            .collect()
    }

    fn allowed(&mut self, node: &Node) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        let Value::List(items) = &node.value else {
            return names;
        };
        for item in items {
            let Some(name) = scalar(item) else { continue };
            if names.iter().any(|known| known == name) {
                self.bad(item, "providers", format_args!("`{name}` comes twice"));
            }
            names.push(name.to_owned());
        }
        names
    }

    fn chunk(&mut self, policy: &Node) -> u32 {
        let size = self.value::<Size>(policy, "chunk");
        let bytes = size.map_or(u64::from(DEFAULT_CHUNK), Size::bytes);
        match u32::try_from(bytes) {
            Ok(chunk) if (1 << 10..=4 << 20).contains(&bytes) && bytes.is_multiple_of(CHUNK_STEP) => chunk,
            _ => {
                let node = policy.get("chunk").unwrap_or(policy);
                self.bad(node, "chunk", "must be 1 KiB to 4 MiB and a multiple of 64 bytes");
                DEFAULT_CHUNK
            }
        }
    }

    fn fragment(&mut self, policy: &Node) -> u64 {
        let size = self.value::<Size>(policy, "fragment");
        let bytes = size.map_or(DEFAULT_FRAGMENT, Size::bytes);
        if bytes > feasible::MAX_FRAGMENT {
            let node = policy.get("fragment").unwrap_or(policy);
            self.bad(
                node,
                "fragment",
                "must be at most 64 MiB: what every service takes in one call",
            );
        }
        bytes.min(feasible::MAX_FRAGMENT)
    }

    /// Checks that a policy can hold over the providers of the set.
    pub(super) fn hold(&mut self, policy: &Policy, key: &Key, node: &Node, reading: &mut Reading) {
        let names: Vec<String> = reading
            .set
            .providers
            .iter()
            .map(|profile| profile.name.clone())
            .collect();
        let mut complete = true;
        for name in policy.providers.iter().flatten() {
            if !names.contains(name) {
                complete = false;
                let list = node.get("providers");
                let item = list.and_then(|list| match &list.value {
                    Value::List(items) => items.iter().find(|item| scalar(item) == Some(name)),
                    _ => None,
                });
                // An inherited list is told of once, where it stands.
                if let Some(item) = item {
                    self.fault(item, unknown("provider", name, &names));
                }
            }
        }
        let eligible: Vec<&Profile> = reading.set.eligible(policy).collect();
        let mut held = feasible::check_numbers(policy);
        // Providers that have faults of their own are not in the set: counting would only repeat them.
        if held.is_ok() && complete && self.shape_is_right && self.found.is_empty() {
            held = feasible::check_placement(policy, &eligible);
        }
        if let Err(why) = held {
            let policy = policy.name.clone();
            self.fault_at(&key.spot, Fault::Policy { policy, why });
            return;
        }
        let active = eligible
            .iter()
            .filter(|profile| profile.state == ProfileState::Active)
            .count();
        if active < usize::from(policy.n()) {
            let (k, m, name) = (policy.k, policy.m, &policy.name);
            reading.warnings.push(format!(
                "policy `{name}` ({k}+{m}): {active} of {} providers are active, {} are needed for a whole object",
                eligible.len(),
                policy.n()
            ));
        }
    }
}

fn unknown(what: &'static str, name: &str, names: &[String]) -> Fault {
    Fault::UnknownName {
        what,
        name: name.to_owned(),
        guess: nearest(name, names),
        valid: names.to_vec(),
    }
}
