//! From the checked tree to typed values: the set, its policies, the node. Values are judged here, the shape in `check.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use crate::cloud_set::price::{Cost, PriceList};
use crate::cloud_set::quantity::Size;
use crate::cloud_set::{
    CloudSet, DomainKind, Domains, Limits, OptionValue, Policy, Prefer, Profile, ProfileState, Reference,
};

use super::check::nearest;
use super::environment::Environment;
use super::error::{Fault, Infeasible};
use super::shape::Leaf;
use super::source::Found;
use super::tree::{Key, Node, Spot, Value};
use super::{NodeSection, Services, feasible, operator};

/// 64 KiB: long enough to hash fast, short enough for small ranges.
const DEFAULT_CHUNK: u32 = 64 << 10;

/// 8 MiB: what every service takes in one call and a thin uplink sends in time.
const DEFAULT_FRAGMENT: u64 = 8 << 20;

/// Chunks are coded 64 bytes at a time.
const CHUNK_STEP: u64 = 64;

/// What the file says, as far as it could be read, with everything that is wrong with it.
pub(super) struct Reading {
    pub set: CloudSet,
    pub key: Option<Reference>,
    pub state: Option<PathBuf>,
    pub node: Option<NodeSection>,
    pub warnings: Vec<String>,
    pub found: Vec<Found>,
}

/// Reads all sections. Nothing of the result may be used if `found` or the check of the shape has a fault.
/// Policies are held against the providers only if the shape is right: what was skipped must not be counted.
pub(super) fn read(tree: &Node, env: &Environment, services: &Services<'_>, shape_is_right: bool) -> Reading {
    let mut reader = Reader {
        env,
        services,
        shape_is_right,
        found: Vec::new(),
    };
    reader.version(tree);
    let set = CloudSet {
        providers: reader.providers(tree),
        policies: BTreeMap::new(),
    };
    let mut reading = Reading {
        key: tree.get("key").and_then(|node| reader.reference(node)),
        state: text(tree, "state").map(|path| env.expand(path)),
        node: tree.get("node").map(|node| reader.node(node)),
        set,
        warnings: Vec::new(),
        found: Vec::new(),
    };
    let policies = reader.policies(tree);
    for (policy, key, node) in policies {
        reader.hold(&policy, key, node, &mut reading);
        reading.set.policies.insert(policy.name.clone(), policy);
    }
    reading.found = reader.found;
    reading
}

struct Reader<'a> {
    env: &'a Environment,
    services: &'a Services<'a>,
    shape_is_right: bool,
    found: Vec<Found>,
}

/// The text of a scalar.
fn scalar(node: &Node) -> Option<&str> {
    match &node.value {
        Value::Scalar(scalar) => Some(&scalar.text),
        _ => None,
    }
}

/// The text of a mapping's scalar.
fn text<'n>(map: &'n Node, key: &str) -> Option<&'n str> {
    scalar(map.get(key)?)
}

impl Reader<'_> {
    fn fault(&mut self, node: &Node, fault: Fault) {
        self.fault_at(&node.spot, fault);
    }

    fn fault_at(&mut self, spot: &Spot, fault: Fault) {
        let spot = Some(spot.clone());
        self.found.push(Found { fault, spot });
    }

    fn bad(&mut self, node: &Node, key: &str, why: impl Display) {
        let (key, why) = (key.to_owned(), why.to_string());
        self.fault(node, Fault::BadValue { key, why });
    }

    /// The value of `key`, if it is there and right.
    fn value<T: FromStr<Err: Display>>(&mut self, map: &Node, key: &str) -> Option<T> {
        let node = map.get(key)?;
        match scalar(node)?.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                self.bad(node, key, error);
                None
            }
        }
    }

    /// A whole number from `least` to `most`, if it is there and right.
    fn whole(&mut self, map: &Node, key: &str, least: u16, most: u16) -> Option<u16> {
        let node = map.get(key)?;
        match scalar(node)?.parse() {
            Ok(number) if (least..=most).contains(&number) => Some(number),
            _ => {
                self.bad(node, key, format_args!("must be a whole number from {least} to {most}"));
                None
            }
        }
    }

    /// One of a few words, if it is there and right.
    fn word<T: Copy>(&mut self, map: &Node, key: &str, words: &[(&str, T)]) -> Option<T> {
        let node = map.get(key)?;
        let written = scalar(node)?;
        let found = words.iter().find(|(word, _)| *word == written);
        if found.is_none() {
            let valid: Vec<String> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
            self.bad(node, key, format_args!("must be one of {}", valid.join(", ")));
        }
        found.map(|(_, value)| *value)
    }

    fn version(&mut self, tree: &Node) {
        if let Some(node) = tree.get("version")
            && let Some(found) = scalar(node)
            && found != "1"
        {
            let found = found.chars().take(16).collect();
            self.fault(node, Fault::Version { found });
        }
    }

    fn reference(&mut self, node: &Node) -> Option<Reference> {
        let (key, value) = node.pairs().first()?;
        match (key.text.as_str(), &value.value) {
            ("env", Value::Scalar(scalar)) => Some(Reference::Env(scalar.text.clone())),
            ("file", Value::Scalar(scalar)) => Some(Reference::File(self.env.expand(&scalar.text))),
            ("command", Value::List(words)) => {
                let mut words: Vec<String> = words.iter().filter_map(scalar).map(str::to_owned).collect();
                if let Some(program) = words.first_mut() {
                    *program = self.env.expand(program).display().to_string();
                }
                Some(Reference::Command(words))
            }
            _ => None,
        }
    }

    fn providers(&mut self, tree: &Node) -> Vec<Profile> {
        let Some(section) = tree.get("providers") else {
            return Vec::new();
        };
        let profiles = section.pairs().iter();
        let profiles = profiles.filter_map(|(name, node)| self.provider(name, node));
        profiles.collect()
    }

    fn provider(&mut self, name: &Key, node: &Node) -> Option<Profile> {
        let scheme = self.scheme(node)?;
        let options = self.options(node, &scheme);
        let states = ProfileState::ALL.map(|state| (state.word(), state));
        Some(Profile {
            name: name.text.clone(),
            domains: self.domains(name, node, &scheme, &options),
            scheme,
            options,
            quota: self.value(node, "quota"),
            weight: self.value(node, "weight").unwrap_or_default(),
            limits: node.get("limits").map(|limits| self.limits(limits)).unwrap_or_default(),
            cost: node.get("cost").and_then(|cost| self.cost(cost)),
            state: self.word(node, "state", &states).unwrap_or_default(),
        })
    }

    fn scheme(&mut self, provider: &Node) -> Option<String> {
        let node = provider.get("scheme")?;
        let scheme = scalar(node)?.to_owned();
        if (self.services.options)(&scheme).is_none() {
            let fault = Fault::UnknownScheme {
                guess: nearest(&scheme, self.services.schemes),
                valid: self.services.schemes.to_vec(),
                scheme,
            };
            self.fault(node, fault);
            return None;
        }
        Some(scheme)
    }

    fn options(&mut self, provider: &Node, scheme: &str) -> BTreeMap<String, OptionValue> {
        let mut options = BTreeMap::new();
        for (key, node) in provider.get("options").map(Node::pairs).unwrap_or_default() {
            let value = match scalar(node) {
                Some(text) if is_local_path(scheme, &key.text) => {
                    Some(OptionValue::Literal(self.env.expand(text).display().to_string()))
                }
                Some(text) => Some(OptionValue::Literal(text.to_owned())),
                None => self.reference(node).map(OptionValue::Reference),
            };
            options.extend(value.map(|value| (key.text.clone(), value)));
        }
        options
    }

    fn domains(&mut self, name: &Key, node: &Node, scheme: &str, options: &BTreeMap<String, OptionValue>) -> Domains {
        let written = |kind: DomainKind| Some((kind, text(node, kind.word())?.to_owned()));
        let mut domains: BTreeMap<_, _> = DomainKind::ALL.into_iter().filter_map(written).collect();
        for (&kind, domain) in &domains {
            if domain.is_empty() || domain.len() > 64 || domain.chars().any(char::is_control) {
                let at = node.get(kind.word()).unwrap_or(node);
                self.bad(at, kind.word(), "must be 1 to 64 characters in one line");
            }
        }
        if let std::collections::btree_map::Entry::Vacant(vacant) = domains.entry(DomainKind::Operator) {
            let guess = match options.get("endpoint") {
                Some(OptionValue::Literal(endpoint)) => operator::guess(scheme, Some(endpoint)),
                Some(OptionValue::Reference(_)) => None,
                None => operator::guess(scheme, None),
            };
            if let Some(guess) = guess {
                vacant.insert(guess);
            } else {
                let section = format!("provider `{}`", name.text);
                self.fault_at(
                    &name.spot,
                    Fault::Missing {
                        key: "operator",
                        section,
                    },
                );
            }
        }
        Domains(domains)
    }

    fn limits(&mut self, node: &Node) -> Limits {
        Limits {
            upload: self.value(node, "upload"),
            download: self.value(node, "download"),
            requests: self.value(node, "requests"),
            concurrency: self.whole(node, "concurrency", 1, 1024),
        }
    }

    fn cost(&mut self, node: &Node) -> Option<Cost> {
        if let Some(entry) = node.get("catalog") {
            if node.pairs().len() > 1 {
                self.bad(
                    entry,
                    "catalog",
                    "stands alone: take the catalog's prices, or write all by hand",
                );
            }
            return scalar(entry).map(|id| Cost::Catalog(id.to_owned()));
        }
        Some(Cost::ByHand(PriceList {
            storage: self.value(node, "storage"),
            egress: self.value(node, "egress"),
            retrieval: self.value(node, "retrieval"),
            put: self.value(node, "put"),
            get: self.value(node, "get"),
            min_days: self.whole(node, "min_days", 0, 3660),
            min_object: self.value(node, "min_object"),
        }))
    }

    /// The policies that are right by themselves, each with its key and node.
    fn policies<'n>(&mut self, tree: &'n Node) -> Vec<(Policy, &'n Key, &'n Node)> {
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
    fn hold(&mut self, policy: &Policy, key: &Key, node: &Node, reading: &mut Reading) {
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

    fn node(&mut self, node: &Node) -> NodeSection {
        let mut listening = BTreeSet::new();
        let mut listen = |reader: &mut Self, door: &str| {
            let section = node.get(door)?;
            let Ok(address) = text(section, "listen")?.parse::<SocketAddr>() else {
                let at = section.get("listen").unwrap_or(section);
                reader.bad(at, "listen", format_args!("must be {}", Leaf::Listen.wanted()));
                return None;
            };
            if address.port() != 0 && !listening.insert(address) {
                let at = section.get("listen").unwrap_or(section);
                reader.bad(
                    at,
                    "listen",
                    format_args!("{address} is taken by another door of this node"),
                );
            }
            Some(address)
        };
        let s3 = listen(self, "s3");
        let webdav = listen(self, "webdav");
        let tahoe = listen(self, "tahoe");
        let status = listen(self, "status");
        NodeSection {
            s3: s3.and_then(|listen| self.s3(node.get("s3")?, listen)),
            webdav,
            tahoe: tahoe.map(|listen| super::TahoeDoor {
                listen,
                location: node.get("tahoe").and_then(|tahoe| self.location(tahoe)),
            }),
            status,
            cache: node.get("cache").and_then(|cache| {
                Some(super::Cache {
                    dir: text(cache, "dir").map(|path| self.env.expand(path)),
                    size: self.value(cache, "size")?,
                })
            }),
            scrub: node.get("scrub").and_then(|scrub| {
                Some(super::Scrub {
                    every: self.value(scrub, "every")?,
                    rate: self.value(scrub, "rate"),
                })
            }),
        }
    }

    fn s3(&mut self, node: &Node, listen: SocketAddr) -> Option<super::S3Door> {
        Some(super::S3Door {
            listen,
            access_key: self.reference(node.get("access_key")?)?,
            secret_key: self.reference(node.get("secret_key")?)?,
        })
    }

    fn location(&mut self, tahoe: &Node) -> Option<String> {
        let node = tahoe.get("location")?;
        let location = scalar(node)?;
        let parts = location.rsplit_once(':');
        let right =
            parts.is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0));
        if !right || location.contains(['/', ' ']) {
            self.bad(
                node,
                "location",
                "must be a host and a port, such as node.example.net:9902",
            );
        }
        Some(location.to_owned())
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

/// Options that are paths on this machine, where `~/` means the owner's home.
fn is_local_path(scheme: &str, option: &str) -> bool {
    matches!(
        (scheme, option),
        ("fs", "root" | "atomic_write_dir") | ("sftp", "key") | ("gcs", "credential_path") | ("oss", "oidc_token_file")
    )
}
