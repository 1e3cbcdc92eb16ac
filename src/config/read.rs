//! From the checked tree to typed values: the set, its policies, the node. Values are judged here, the shape in `check.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use crate::cloud_set::price::{Cost, PriceList};
use crate::cloud_set::{CloudSet, DomainKind, Domains, Limits, OptionValue, Profile, ProfileState, Reference};

use super::check::nearest;
use super::environment::Environment;
use super::error::Fault;
use super::places::{Meeting, Place};
use super::shape::Leaf;
use super::source::Found;
use super::tree::{Key, Node, Spot, Value};
use super::{NodeSection, Services, operator};

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
        warnings: Vec::new(),
    };
    reader.version(tree);
    let set = CloudSet {
        providers: reader.providers(tree),
        policies: BTreeMap::new(),
    };
    let mut reading = Reading {
        key: tree.get("key").and_then(|node| reader.reference(node)),
        state: tree.get("state").and_then(|node| reader.path(node, "state")),
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
    reading.warnings.splice(0..0, reader.warnings);
    reading
}

pub(super) struct Reader<'a> {
    env: &'a Environment,
    services: &'a Services<'a>,
    pub(super) shape_is_right: bool,
    pub(super) found: Vec<Found>,
    warnings: Vec<String>,
}

/// The text of a scalar.
pub(super) fn scalar(node: &Node) -> Option<&str> {
    match &node.value {
        Value::Scalar(scalar) => Some(&scalar.text),
        _ => None,
    }
}

/// The text of a mapping's scalar.
pub(super) fn text<'n>(map: &'n Node, key: &str) -> Option<&'n str> {
    scalar(map.get(key)?)
}

impl Reader<'_> {
    pub(super) fn fault(&mut self, node: &Node, fault: Fault) {
        self.fault_at(&node.spot, fault);
    }

    pub(super) fn fault_at(&mut self, spot: &Spot, fault: Fault) {
        let spot = Some(spot.clone());
        self.found.push(Found { fault, spot });
    }

    pub(super) fn bad(&mut self, node: &Node, key: &str, why: impl Display) {
        let (key, why) = (key.to_owned(), why.to_string());
        self.fault(node, Fault::BadValue { key, why });
    }

    /// The value of `key`, if it is there and right.
    pub(super) fn value<T: FromStr<Err: Display>>(&mut self, map: &Node, key: &str) -> Option<T> {
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
    pub(super) fn whole(&mut self, map: &Node, key: &str, least: u16, most: u16) -> Option<u16> {
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
    pub(super) fn word<T: Copy>(&mut self, map: &Node, key: &str, words: &[(&str, T)]) -> Option<T> {
        let node = map.get(key)?;
        let written = scalar(node)?;
        let found = words.iter().find(|(word, _)| *word == written);
        if found.is_none() {
            let valid: Vec<String> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
            self.bad(node, key, format_args!("must be one of {}", valid.join(", ")));
        }
        found.map(|(_, value)| *value)
    }

    /// A path on this machine: the same wherever RAIC is started, so from the root or from the owner's home.
    fn path(&mut self, node: &Node, key: &str) -> Option<PathBuf> {
        let written = scalar(node)?;
        let path = self.env.expand(written);
        if path.is_absolute() {
            return Some(path);
        }
        if written.starts_with("~/") {
            self.bad(node, key, "begins with `~/`, and HOME is not set");
        } else {
            self.bad(node, key, "must be an absolute path, or begin with `~/`");
        }
        None
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
            ("file", Value::Scalar(_)) => self.path(value, "file").map(Reference::File),
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
        let mut profiles: Vec<(Profile, Place)> = Vec::new();
        for (name, node) in section.pairs() {
            let Some(profile) = self.provider(name, node) else {
                continue;
            };
            let place = Place::of(&profile);
            let met = profiles
                .iter()
                .find_map(|(other, there)| Some((other, place.meets(there)?)));
            if let Some((other, meeting)) = met {
                let (name, other) = (profile.name.clone(), other.name.clone());
                self.meeting(node.get("options").unwrap_or(node), meeting, &name, &other);
            }
            profiles.push((profile, place));
        }
        profiles.into_iter().map(|(profile, _)| profile).collect()
    }

    fn meeting(&mut self, options: &Node, meeting: Meeting, name: &str, other: &str) {
        let what = match meeting {
            Meeting::Same => "the same place as",
            Meeting::Inside => "a place inside that of",
            Meeting::Around => "a place around that of",
            Meeting::Beside => {
                let warning = format!("providers `{other}` and `{name}` share a bucket: who closes it closes both");
                return self.warnings.push(warning);
            }
        };
        let why = format!("{what} provider `{other}`: the loss of one would be the loss of both");
        self.bad(options, "options", why);
    }

    fn provider(&mut self, name: &Key, node: &Node) -> Option<Profile> {
        let scheme = self.scheme(node)?;
        let options = self.options(node, &scheme);
        for &(of, key) in NEEDED {
            if of == scheme
                && self.shape_is_right
                && !options.contains_key(key)
                && node.get("options").and_then(|options| options.get(key)).is_none()
            {
                let section = format!("`options` of provider `{}`", name.text);
                self.fault_at(&name.spot, Fault::Missing { key, section });
            }
        }
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
                Some(_) if is_local_path(scheme, &key.text) => {
                    let path = self.path(node, &key.text);
                    path.map(|path| OptionValue::Literal(path.display().to_string()))
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
                    dir: cache.get("dir").and_then(|node| self.path(node, "dir")),
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

/// What a service can't be opened without; everything else has a default, or is a matter of credentials.
const NEEDED: &[(&str, &str)] = &[
    ("fs", "root"),
    ("s3", "bucket"),
    ("gcs", "bucket"),
    ("b2", "bucket"),
    ("b2", "bucket_id"),
    ("oss", "bucket"),
    ("cos", "bucket"),
    ("azblob", "container"),
    ("swift", "container"),
    ("webdav", "endpoint"),
    ("sftp", "endpoint"),
    ("ftp", "endpoint"),
];

/// Options that are paths on this machine, where `~/` means the owner's home.
#[must_use]
pub fn is_local_path(scheme: &str, option: &str) -> bool {
    matches!(
        (scheme, option),
        ("fs", "root" | "atomic_write_dir") | ("sftp", "key") | ("gcs", "credential_path") | ("oss", "oidc_token_file")
    )
}
