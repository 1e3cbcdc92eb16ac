//! Environment twins: `RAIC__POLICIES__DEFAULT__K=4` is `policies: { default: { k: 4 } }`, and comes before the file.
//!
//! Names of providers and policies match without case, `-` and `.` as `_`; they must be in the file already. The twin of
//! one value is taken as it is, that of a mapping or list is read as YAML. The twin of a secret stays where it is: the tree
//! gets `{ env: RAIC__... }`.

use super::check::nearest;
use super::environment::Environment;
use super::error::Fault;
use super::secret::is_secret;
use super::shape::{ELSEWHERE_KEYS, ROOT, Shape};
use super::source::{Found, Sources};
use super::tree::{self, Key, Kind, Node, Scalar, Spot, Value};

/// What the names of all twins begin with.
pub(super) const PREFIX: &str = "RAIC__";

/// Puts every twin into the tree.
pub(super) fn apply(tree: &mut Node, env: &Environment, sources: &mut Sources) -> Vec<Found> {
    let mut found = Vec::new();
    for (variable, value) in env.beginning_with(PREFIX) {
        let origin = sources.add_variable(variable);
        let twin = Twin {
            variable,
            value,
            spot: Spot {
                origin,
                bytes: 0..0,
                line: 1,
                column: 1,
            },
        };
        let path: Vec<&str> = variable[PREFIX.len()..].split("__").collect();
        if let Err(why) = twin.put(tree, &ROOT, "", &path) {
            let variable = variable.to_owned();
            found.push(Found {
                fault: Fault::Twin { variable, why },
                spot: None,
            });
        }
    }
    found
}

struct Twin<'a> {
    variable: &'a str,
    value: &'a str,
    spot: Spot,
}

impl Twin<'_> {
    fn put(&self, node: &mut Node, shape: &Shape, scheme: &str, path: &[&str]) -> Result<(), String> {
        let Some((segment, rest)) = path.split_first() else {
            *node = self.leaf(shape)?;
            return Ok(());
        };
        let scheme = scheme_of(node).unwrap_or_else(|| scheme.to_owned());
        match shape {
            Shape::Fields(section) => {
                let valid = section.keys();
                let field = section.fields.iter().find(|field| fold(field.key) == *segment);
                let field = field.ok_or_else(|| no_such("key", segment, &valid))?;
                self.put(self.child(node, field.key), &field.shape, &scheme, rest)
            }
            Shape::Named(inner) => {
                let names: Vec<String> = node.pairs().iter().map(|(key, _)| key.text.clone()).collect();
                let fits: Vec<&String> = names.iter().filter(|name| fold(name) == *segment).collect();
                match fits[..] {
                    [name] => self.put(self.child(node, name), inner, &scheme, rest),
                    [] => Err(no_such("name", segment, &names)),
                    [..] => Err(format!("`{segment}` could be any of {} names in the file", fits.len())),
                }
            }
            Shape::Options => {
                let written = node.pairs().iter().map(|(key, _)| key.text.clone());
                let option = written.into_iter().find(|name| fold(name) == *segment);
                let option = option.unwrap_or_else(|| segment.to_lowercase());
                self.option(self.child(node, &option), &scheme, &option, rest)
            }
            Shape::Elsewhere => self.elsewhere(node, segment, rest),
            Shape::Names | Shape::Leaf(_) => Err(format!("nothing is below `{}`", segment.to_lowercase())),
        }
    }

    fn option(&self, node: &mut Node, scheme: &str, option: &str, rest: &[&str]) -> Result<(), String> {
        match rest.split_first() {
            Some((segment, rest)) => self.elsewhere(node, segment, rest),
            None if is_secret(scheme, option) => {
                *node = self.to_itself();
                Ok(())
            }
            None => {
                *node = self.scalar();
                Ok(())
            }
        }
    }

    /// `..__ENV`, `..__FILE`, `..__COMMAND`
    fn elsewhere(&self, node: &mut Node, segment: &str, rest: &[&str]) -> Result<(), String> {
        let valid = ELSEWHERE_KEYS.map(str::to_owned);
        let word = valid
            .iter()
            .find(|word| fold(word) == segment)
            .filter(|_| rest.is_empty());
        let word = word.ok_or_else(|| no_such("key", segment, &valid))?;
        let value = if word == "command" { self.yaml()? } else { self.scalar() };
        *node = self.map(word, value);
        Ok(())
    }

    /// The value at the end of the way.
    fn leaf(&self, shape: &Shape) -> Result<Node, String> {
        match shape {
            Shape::Elsewhere => Ok(self.to_itself()),
            Shape::Leaf(_) => Ok(self.scalar()),
            Shape::Fields(_) | Shape::Named(_) | Shape::Names => self.yaml(),
            Shape::Options => Err("set one option: ..__OPTIONS__NAME".to_owned()),
        }
    }

    fn yaml(&self) -> Result<Node, String> {
        tree::parse(self.value, self.spot.origin).map_err(|error| format!("not readable as YAML: {}", error.why))
    }

    /// The value as it is; a number or boolean if YAML takes it for one.
    fn scalar(&self) -> Node {
        let plain = tree::parse(self.value, self.spot.origin).ok();
        let kind = match plain.map(|node| node.value) {
            Some(Value::Scalar(scalar)) if scalar.kind != Kind::Null => scalar.kind,
            _ => Kind::Text,
        };
        let text = self.value.trim().to_owned();
        self.node(Value::Scalar(Scalar { kind, text }))
    }

    /// `{ env: RAIC__... }`
    fn to_itself(&self) -> Node {
        let text = self.variable.to_owned();
        let kind = Kind::Text;
        self.map("env", self.node(Value::Scalar(Scalar { kind, text })))
    }

    fn map(&self, key: &str, value: Node) -> Node {
        self.node(Value::Map(vec![(self.key(key), value)]))
    }

    fn node(&self, value: Value) -> Node {
        let spot = self.spot.clone();
        Node { spot, value }
    }

    fn key(&self, text: &str) -> Key {
        Key {
            spot: self.spot.clone(),
            text: text.to_owned(),
        }
    }

    /// The value of `key` in a mapping, which becomes one and gets the key if need be.
    fn child<'n>(&self, node: &'n mut Node, key: &str) -> &'n mut Node {
        if !matches!(node.value, Value::Map(_)) {
            *node = self.node(Value::Map(Vec::new()));
        }
        let Value::Map(pairs) = &mut node.value else {
            unreachable!("it has just become a mapping");
        };
        let at = pairs.iter().position(|(k, _)| k.text == key).unwrap_or_else(|| {
            pairs.push((self.key(key), self.node(Value::Map(Vec::new()))));
            pairs.len() - 1
        });
        &mut pairs[at].1
    }
}

/// A key as it stands in the name of a variable.
fn fold(key: &str) -> String {
    key.to_uppercase().replace(['-', '.'], "_")
}

fn no_such(what: &str, segment: &str, valid: &[String]) -> String {
    match nearest(segment, valid) {
        Some(guess) => format!("no {what} fits `{segment}`; did you mean {}?", fold(&guess)),
        None => format!("no {what} fits `{segment}`"),
    }
}

fn scheme_of(node: &Node) -> Option<String> {
    match &node.get("scheme")?.value {
        Value::Scalar(scalar) => Some(scalar.text.clone()),
        _ => None,
    }
}
