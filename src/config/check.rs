//! Whether the tree has the shape of a configuration: only known keys, each once, each with the kind of value it takes.
//! What the values say is read in `read.rs`.

use super::Services;
use super::error::Fault;
use super::secret::{has_user_info, is_secret, user_info_is_allowed};
use super::shape::{ELSEWHERE_KEYS, Leaf, ROOT, Section, Shape, WHOLE};
use super::source::Found;
use super::tree::{Key, Kind, Node, Scalar, Spot, Value};

/// Names are at most this long, in characters: tables show them.
const MAX_NAME: usize = 32;

/// Every fault of the tree's shape.
pub(super) fn check(tree: &Node, services: &Services<'_>) -> Vec<Found> {
    let mut checker = Checker {
        services,
        found: Vec::new(),
    };
    checker.walk(
        tree,
        &ROOT,
        &Place {
            key: WHOLE,
            whose: WHOLE,
            spot: &tree.spot,
        },
    );
    checker.found
}

/// Where a value stands, for messages.
struct Place<'a> {
    /// Its key.
    key: &'a str,
    /// The mapping that it is, if it is one: "a provider", "provider `nas`".
    whose: &'a str,
    /// Of the key.
    spot: &'a Spot,
}

struct Checker<'a> {
    services: &'a Services<'a>,
    found: Vec<Found>,
}

impl Checker<'_> {
    fn fault(&mut self, spot: &Spot, fault: Fault) {
        let spot = Some(spot.clone());
        self.found.push(Found { fault, spot });
    }

    fn wrong_type(&mut self, node: &Node, key: &str, wanted: impl Into<String>) {
        let fault = Fault::WrongType {
            key: key.to_owned(),
            wanted: wanted.into(),
            found: node.kind_word(),
        };
        self.fault(&node.spot, fault);
    }

    fn walk(&mut self, node: &Node, shape: &Shape, place: &Place<'_>) {
        match shape {
            Shape::Fields(section) => self.fields(node, section, place),
            Shape::Named(inner) => self.named(node, inner, place.key),
            // Options need their provider's scheme: `fields` has checked them.
            Shape::Options => {}
            Shape::Names => self.names(node, place.key),
            Shape::Elsewhere => self.elsewhere(node, place.key),
            Shape::Leaf(leaf) => self.leaf(node, *leaf, place.key),
        }
    }

    /// The pairs of a mapping; tells of keys that come twice.
    fn pairs<'n>(&mut self, node: &'n Node, key: &str, wanted: &str) -> &'n [(Key, Node)] {
        let Value::Map(pairs) = &node.value else {
            self.wrong_type(node, key, wanted);
            return &[];
        };
        for (i, (key, _)) in pairs.iter().enumerate() {
            if let Some((first, _)) = pairs[..i].iter().find(|(first, _)| first.text == key.text) {
                let fault = Fault::Duplicate {
                    key: key.text.clone(),
                    first: first.spot.line,
                };
                self.fault(&key.spot, fault);
            }
        }
        pairs
    }

    fn fields(&mut self, node: &Node, section: &Section, place: &Place<'_>) {
        let pairs = self.pairs(node, place.key, "a mapping");
        if !matches!(node.value, Value::Map(_)) {
            return;
        }
        for (key, value) in pairs {
            let Some(field) = section.field(&key.text) else {
                self.unknown_key(key, section.noun, section.keys());
                continue;
            };
            if let Shape::Options = field.shape {
                self.options(value, node);
                continue;
            }
            let whose = match &field.shape {
                Shape::Fields(below) => below.noun,
                _ => place.whose,
            };
            let place = Place {
                key: field.key,
                whose,
                spot: &key.spot,
            };
            self.walk(value, &field.shape, &place);
        }
        for field in section.fields {
            if field.required && node.get(field.key).is_none() {
                let fault = Fault::Missing {
                    key: field.key,
                    section: place.whose.to_owned(),
                };
                self.fault(place.spot, fault);
            }
        }
    }

    fn unknown_key(&mut self, key: &Key, section: &str, valid: Vec<String>) {
        let fault = Fault::UnknownKey {
            key: key.text.clone(),
            section: section.to_owned(),
            guess: nearest(&key.text, &valid),
            valid,
        };
        self.fault(&key.spot, fault);
    }

    fn named(&mut self, node: &Node, inner: &Shape, key: &str) {
        let what = if key == "policies" { "policy" } else { "provider" };
        for (name, value) in self.pairs(node, key, "a mapping of names") {
            if let Err(why) = check_name(&name.text) {
                let fault = Fault::BadValue {
                    key: name.text.clone(),
                    why: format!("as the name of a {what} {why}"),
                };
                self.fault(&name.spot, fault);
            }
            let whose = format!("{what} `{}`", name.text);
            let place = Place {
                key: &name.text,
                whose: &whose,
                spot: &name.spot,
            };
            self.walk(value, inner, &place);
        }
    }

    fn names(&mut self, node: &Node, key: &str) {
        let Value::List(items) = &node.value else {
            return self.wrong_type(node, key, "a list of names");
        };
        for item in items {
            self.leaf(item, Leaf::Name, key);
        }
    }

    fn leaf(&mut self, node: &Node, leaf: Leaf, key: &str) {
        let fits = match &node.value {
            Value::Scalar(Scalar {
                kind: Kind::Null | Kind::Bool,
                ..
            })
            | Value::List(_)
            | Value::Map(_) => false,
            Value::Scalar(scalar) => match leaf {
                Leaf::Whole(..) | Leaf::Weight => scalar.kind == Kind::Number,
                _ => true,
            },
        };
        if !fits {
            self.wrong_type(node, key, leaf.wanted());
        }
    }

    /// A value that is kept elsewhere, and must be.
    fn elsewhere(&mut self, node: &Node, key: &str) {
        if matches!(node.value, Value::Map(_)) {
            return self.reference(node, key);
        }
        match &node.value {
            Value::Scalar(scalar) if scalar.kind != Kind::Null => {
                let fault = Fault::InlineSecret { key: key.to_owned() };
                self.fault(&node.spot, fault);
            }
            _ => self.wrong_type(node, key, "{ env: X }, { file: P } or { command: [..] }"),
        }
    }

    fn reference(&mut self, node: &Node, key: &str) {
        let pairs = self.pairs(node, key, "a mapping");
        for (word, value) in pairs {
            match word.text.as_str() {
                "env" => self.variable(value),
                "file" => self.leaf(value, Leaf::Path, "file"),
                "command" => self.command(value),
                _ => self.unknown_key(word, &format!("`{key}`"), ELSEWHERE_KEYS.map(str::to_owned).to_vec()),
            }
        }
        let known = pairs
            .iter()
            .filter(|(word, _)| ELSEWHERE_KEYS.contains(&word.text.as_str()));
        if known.count() != 1 && pairs.len() != 1 {
            self.wrong_type(node, key, "one of { env: X }, { file: P } and { command: [..] }");
        }
    }

    fn variable(&mut self, node: &Node) {
        self.leaf(node, Leaf::Label, "env");
        if let Value::Scalar(scalar) = &node.value
            && !is_variable(&scalar.text)
        {
            let fault = Fault::BadValue {
                key: "env".to_owned(),
                why: "not the name of an environment variable: letters, digits and `_`".to_owned(),
            };
            self.fault(&node.spot, fault);
        }
    }

    fn command(&mut self, node: &Node) {
        let wanted = "a list: the program and its arguments, such as [pass, show, b2]";
        let words = match &node.value {
            Value::List(words) if !words.is_empty() => words,
            _ => return self.wrong_type(node, "command", wanted),
        };
        for word in words {
            if !matches!(&word.value, Value::Scalar(scalar) if scalar.kind != Kind::Null) {
                self.wrong_type(word, "command", wanted);
            }
        }
    }

    /// The options of `provider`, against what its scheme knows.
    fn options(&mut self, node: &Node, provider: &Node) {
        let scheme = match provider.get("scheme").map(|node| &node.value) {
            Some(Value::Scalar(scalar)) => scalar.text.clone(),
            _ => String::new(),
        };
        let known = (self.services.options)(&scheme);
        for (option, value) in self.pairs(node, "options", "a mapping") {
            let known_here = known.as_ref().is_none_or(|known| known.contains(&option.text));
            if known_here {
                self.option(value, &scheme, &option.text);
            } else if let Some(valid) = &known {
                self.unknown_key(option, &format!("the options of `{scheme}`"), valid.clone());
            }
        }
    }

    fn option(&mut self, node: &Node, scheme: &str, option: &str) {
        let scalar = match &node.value {
            Value::Map(_) => return self.reference(node, option),
            Value::Scalar(scalar) if scalar.kind != Kind::Null => scalar,
            _ => return self.wrong_type(node, option, "a value, or { env: X }, { file: P }, { command: [..] }"),
        };
        let key = option.to_owned();
        if is_secret(scheme, option) {
            self.fault(&node.spot, Fault::InlineSecret { key });
        } else if has_user_info(&scalar.text) && !user_info_is_allowed(scheme, &scalar.text) {
            self.fault(&node.spot, Fault::UserInfo { key });
        }
    }
}

/// Whether a name may be a provider's or a policy's, and if not, what it must be.
pub(crate) fn check_name(name: &str) -> Result<(), String> {
    let first = name.starts_with(|c: char| c.is_ascii_lowercase());
    let rest = name
        .chars()
        .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.'));
    // A reader of YAML would take these for something else than text.
    let text = !matches!(name, "true" | "false" | "null");
    if first && rest && text && name.len() <= MAX_NAME {
        return Ok(());
    }
    Err(format!(
        "it must be 1 to {MAX_NAME} lower-case letters, digits, `-`, `_` and `.`, the first a letter"
    ))
}

/// Whether a text can be the name of an environment variable.
pub(super) fn is_variable(name: &str) -> bool {
    let rest = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    rest && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
}

/// The word of `valid` that `word` was probably meant to be: at most one slip in three letters.
pub(super) fn nearest(word: &str, valid: &[String]) -> Option<String> {
    let slips = |candidate: &String| strsim::damerau_levenshtein(&word.to_lowercase(), candidate);
    let best = valid.iter().min_by_key(|candidate| slips(candidate))?;
    (slips(best) <= (best.chars().count() / 3).max(1)).then(|| best.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guess_is_near_or_there_is_none() {
        let valid = ["region", "scheme", "quota", "k"].map(str::to_owned);
        for (word, guess) in [
            ("regoin", Some("region")),
            ("Quota", Some("quota")),
            ("shceme", Some("scheme")),
            ("bucket", None),
            ("zzz", None),
        ] {
            assert_eq!(nearest(word, &valid).as_deref(), guess, "{word}");
        }
    }

    #[test]
    fn names_fit_tables_variables_and_yaml() {
        for good in ["b2-eu", "nas", "z1", "a.b_c"] {
            assert!(check_name(good).is_ok(), "{good}");
        }
        for bad in ["", "-a", "1a", "B2", "a b", "ä", "true", &"a".repeat(33)] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }
}
