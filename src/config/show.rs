//! What the configuration says in the end: each value, and where it comes from. Values that are kept elsewhere are shown as
//! the place where they are.
//!
//! ```text
//! providers:
//!   nas:
//!     scheme: fs            # line 9
//!     options:
//!       root: /srv/raic     # line 10
//!     operator: local       # guessed from scheme and endpoint
//!     weight: 1             # default
//! ```

use std::fmt::Write as _;

use crate::cloud_set::quantity::Size;
use crate::cloud_set::{DomainKind, Policy, Prefer, Profile};
use crate::provider::limit::Limits;

use super::Config;
use super::edit::scalar;
use super::environment::Environment;
use super::tree::{Kind, Node, Spot, Value};

/// One value of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Its keys, from the outermost.
    pub path: Vec<String>,
    /// As the file would write it.
    pub value: String,
    /// Where it comes from: `line 12`, an environment variable, another policy, a guess or the default.
    pub from: String,
}

/// Where the comments of the text begin at the latest, in columns: longer lines push theirs out.
const COMMENTS_AT: usize = 56;

impl Config {
    /// All values that hold: in the order of the file, what was guessed, inherited or left to defaults behind what is written.
    #[must_use]
    pub fn show(&self, env: &Environment) -> Vec<Shown> {
        let mut shown = Vec::new();
        for (key, node) in self.tree.pairs() {
            match key.text.as_str() {
                "providers" | "policies" => {
                    for (name, node) in node.pairs() {
                        let path = [key.text.clone(), name.text.clone()];
                        self.show_node(&path, node, &mut shown);
                        self.show_rest(&path, node, &mut shown);
                    }
                }
                _ => self.show_node(std::slice::from_ref(&key.text), node, &mut shown),
            }
        }
        if self.state.is_none() {
            shown.extend(self.state_folder(env).map(|folder| Shown {
                path: vec!["state".to_owned()],
                value: scalar(&env.shown(&folder)),
                from: "default".to_owned(),
            }));
        }
        shown
    }

    fn show_node(&self, path: &[String], node: &Node, shown: &mut Vec<Shown>) {
        match &node.value {
            Value::Map(pairs) if !pairs.is_empty() && !is_reference(node) => {
                for (key, node) in pairs {
                    self.show_node(&below(path, &key.text), node, shown);
                }
            }
            _ => shown.push(Shown {
                path: path.to_owned(),
                value: value_of(node),
                from: self.from(&node.spot),
            }),
        }
    }

    fn from(&self, spot: &Spot) -> String {
        match spot.origin {
            0 => format!("line {}", spot.line),
            variable => self.sources.shown(variable).to_owned(),
        }
    }

    /// What isn't written below a provider or policy, and holds.
    fn show_rest(&self, path: &[String; 2], node: &Node, shown: &mut Vec<Shown>) {
        let [section, name] = path;
        let mut rest = |keys: &[&str], value: String, from: String| {
            if keys.iter().try_fold(node, |node, key| node.get(key)).is_none() {
                let path = path.iter().map(String::as_str).chain(keys.iter().copied());
                let path = path.map(str::to_owned).collect();
                shown.push(Shown { path, value, from });
            }
        };
        if section == "providers" {
            if let Some(profile) = self.set.provider(name) {
                rest_of_provider(profile, &mut rest);
            }
        } else if let Some(policy) = self.set.policies.get(name) {
            let all: Vec<&str> = self.set.providers.iter().map(|profile| profile.name.as_str()).collect();
            for (key, value) in values_of_policy(policy, &all) {
                let from = match self.inherited(name, key) {
                    Some((parent, spot)) => format!("policy {parent}, {}", self.from(spot)),
                    None => "default".to_owned(),
                };
                rest(&[key], value, from);
            }
        }
    }

    /// The policy along `extends` that has the key.
    fn inherited(&self, name: &str, key: &str) -> Option<(&str, &Spot)> {
        let policies = self.tree.get("policies")?;
        let mut at = policies.get(name)?;
        // The chain was checked to end.
        loop {
            let Value::Scalar(parent) = &at.get("extends")?.value else {
                return None;
            };
            at = policies.get(&parent.text)?;
            if let Some(node) = at.get(key) {
                return Some((&parent.text, &node.spot));
            }
        }
    }
}

/// The values as one YAML text that says the same as the file, with where each comes from as its comment.
#[must_use]
pub fn show_text(shown: &[Shown]) -> String {
    let mut branches = Vec::new();
    for shown in shown {
        plant(&mut branches, &shown.path, shown);
    }
    let mut lines = Vec::new();
    write_branches(&branches, 0, &mut lines);
    let len = |line: &(String, &str)| line.0.chars().count();
    let comments = lines.iter().filter(|line| !line.1.is_empty()).map(len);
    let column = comments.max().unwrap_or(0).min(COMMENTS_AT);
    let mut text = String::new();
    for (line, from) in lines {
        if from.is_empty() {
            writeln!(text, "{line}")
        } else {
            writeln!(text, "{line:column$}  # {from}")
        }
        .expect("a string takes everything");
    }
    text
}

/// A key with a value, or with keys below it.
struct Branch<'s> {
    key: &'s str,
    leaf: Option<&'s Shown>,
    below: Vec<Branch<'s>>,
}

fn plant<'s>(branches: &mut Vec<Branch<'s>>, path: &'s [String], shown: &'s Shown) {
    let Some((key, rest)) = path.split_first() else {
        return;
    };
    let at = branches.iter().position(|branch| branch.key == key).unwrap_or_else(|| {
        branches.push(Branch {
            key,
            leaf: None,
            below: Vec::new(),
        });
        branches.len() - 1
    });
    if rest.is_empty() {
        branches[at].leaf = Some(shown);
    } else {
        plant(&mut branches[at].below, rest, shown);
    }
}

fn write_branches<'s>(branches: &[Branch<'s>], indent: usize, lines: &mut Vec<(String, &'s str)>) {
    for branch in branches {
        let key = scalar(branch.key);
        match branch.leaf.filter(|_| branch.below.is_empty()) {
            Some(leaf) => lines.push((format!("{:indent$}{key}: {}", "", leaf.value), &leaf.from)),
            None => lines.push((format!("{:indent$}{key}:", ""), "")),
        }
        write_branches(&branch.below, indent + 2, lines);
    }
}

fn below(path: &[String], key: &str) -> Vec<String> {
    path.iter().cloned().chain([key.to_owned()]).collect()
}

fn rest_of_provider(profile: &Profile, rest: &mut dyn FnMut(&[&str], String, String)) {
    let default = || "default".to_owned();
    if let Some(operator) = profile.domains.get(DomainKind::Operator) {
        let guessed = "guessed from scheme and endpoint".to_owned();
        rest(&["operator"], scalar(operator), guessed);
    }
    rest(&["weight"], profile.weight.to_string(), default());
    rest(&["state"], profile.state.to_string(), default());
    let concurrency = Limits::of_scheme(&profile.scheme).concurrency;
    rest(
        &["limits", "concurrency"],
        concurrency.to_string(),
        format!("default of {}", profile.scheme),
    );
}

fn values_of_policy(policy: &Policy, all: &[&str]) -> [(&'static str, String); 9] {
    let spread: Vec<String> = policy
        .spread
        .iter()
        .map(|(kind, most)| format!("{kind}: {most}"))
        .collect();
    let prefer = match policy.prefer {
        Prefer::Latency => "latency",
        Prefer::Cost => "cost",
        Prefer::Balanced => "balanced",
    };
    let providers = policy
        .providers
        .as_ref()
        .map_or_else(|| all.join(", "), |names| names.join(", "));
    [
        ("k", policy.k.to_string()),
        ("m", policy.m.to_string()),
        ("spread", format!("{{ {} }}", spread.join(", ")).replace("{  }", "{}")),
        ("write_quorum", policy.quorum.to_string()),
        (
            "encryption",
            if policy.sealed { "aes-256-gcm" } else { "none" }.to_owned(),
        ),
        ("prefer", prefer.to_owned()),
        ("providers", format!("[{providers}]")),
        ("chunk", Size::of(u64::from(policy.chunk_len)).to_string()),
        ("fragment", Size::of(policy.fragment_len).to_string()),
    ]
}

fn is_reference(node: &Node) -> bool {
    matches!(node.pairs(), [(key, _)] if matches!(key.text.as_str(), "env" | "file" | "command"))
}

fn value_of(node: &Node) -> String {
    match &node.value {
        Value::Scalar(written) if written.kind == Kind::Text => scalar(&without_query(&written.text)),
        Value::Scalar(written) => written.text.clone(),
        Value::List(items) => format!("[{}]", items.iter().map(value_of).collect::<Vec<_>>().join(", ")),
        Value::Map(pairs) => match pairs.first() {
            // The arguments of a program may hold a secret.
            Some((key, node)) if key.text == "command" => format!("{{ command: [{}] }}", program(node)),
            Some((key, node)) => format!("{{ {}: {} }}", key.text, value_of(node)),
            None => "{}".to_owned(),
        },
    }
}

fn program(command: &Node) -> String {
    match &command.value {
        Value::List(words) => {
            let more = if words.len() > 1 { ", ..." } else { "" };
            words
                .first()
                .map_or_else(String::new, |program| value_of(program) + more)
        }
        _ => "...".to_owned(),
    }
}

/// An address without what stands behind `?`: signatures do.
pub(super) fn without_query(text: &str) -> String {
    match (text.contains("://"), text.find('?')) {
        (true, Some(at)) => format!("{}?...", &text[..at]),
        _ => text.to_owned(),
    }
}
