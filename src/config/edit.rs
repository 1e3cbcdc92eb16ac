//! Changes of the file that keep its comments and layout: a few bytes are put in or taken out, and then it is read again.
//!
//! ```text
//! text ──▶ tree ──▶ where ──▶ new text ──▶ tree ──▶ everything else as before? ──▶ new text, or nothing
//! ```
//!
//! Providers must stand on lines of their own (`providers:` not as `{ .. }`), each in either style.

use std::fmt::{self, Write};
use std::ops::Range;

use crate::cloud_set::{OptionValue, ProfileState, Reference};

use super::error::{ConfigError, Fault};
use super::tree::{self, Key, Kind, Node, Value};

/// A provider that is to be written.
#[derive(Clone, Debug, Default)]
pub struct NewProvider {
    /// The service.
    pub scheme: String,
    /// By the service's words, in the order they are written.
    pub options: Vec<(String, OptionValue)>,
    /// Other keys with one value each, such as `region` and `quota`, in the order they are written.
    pub fields: Vec<(String, String)>,
    /// Its entry in the price catalog.
    pub prices: Option<String>,
}

/// Puts a provider behind the last one.
pub fn add_provider(text: &str, name: &str, provider: &NewProvider) -> Result<String, ConfigError> {
    let tree = read(text)?;
    let section = Section::of(text, &tree)?;
    if section.position(name).is_some() {
        return Err(refused(format!("there is a provider `{name}` already")));
    }
    let indent = section.indent.unwrap_or(2);
    let block = lines_of(name, provider, indent);
    let mut changed = text[..section.end].to_owned();
    if !changed.ends_with('\n') && !changed.is_empty() {
        changed.push('\n');
    }
    changed.push_str(&block);
    changed.push_str(&text[section.end..]);
    let mut added = read(&block)?;
    let Value::Map(pair) = &mut added.value else {
        return Err(refused("the new lines are not a mapping"));
    };
    let mut wanted = tree.clone();
    let providers = providers_mut(&mut wanted).ok_or_else(no_section)?;
    if let Value::Map(pairs) = &mut providers.value {
        pairs.append(pair);
    } else {
        providers.value = Value::Map(std::mem::take(pair));
    }
    proven(changed, &wanted)
}

/// Takes a provider's lines out; comments above it stay.
pub fn remove_provider(text: &str, name: &str) -> Result<String, ConfigError> {
    let tree = read(text)?;
    let section = Section::of(text, &tree)?;
    let at = section.position(name).ok_or_else(|| no_provider(name))?;
    let begin = line_start(text, section.pairs[at].0.spot.bytes.start);
    let end = match section.pairs.get(at + 1) {
        // What stands above the next one belongs to that.
        Some((next, _)) => without_head(text, begin..line_start(text, next.spot.bytes.start)),
        None => section.end,
    };
    let changed = text[..begin].to_owned() + &text[end..];
    let mut wanted = tree.clone();
    let providers = providers_mut(&mut wanted).ok_or_else(no_section)?;
    if let Value::Map(pairs) = &mut providers.value {
        pairs.remove(at);
    }
    proven(changed, &wanted)
}

/// Sets a provider's `state`, where it stands or behind `scheme`.
pub fn set_provider_state(text: &str, name: &str, state: ProfileState) -> Result<String, ConfigError> {
    let tree = read(text)?;
    let section = Section::of(text, &tree)?;
    let at = section.position(name).ok_or_else(|| no_provider(name))?;
    let (_, node) = &section.pairs[at];
    let scheme = node
        .get("scheme")
        .ok_or_else(|| refused(format!("provider `{name}` has no `scheme`")))?;
    let (range, new) = match node.get("state") {
        Some(written) => (written.spot.bytes.clone(), state.word().to_owned()),
        None if text[node.spot.bytes.start..].starts_with('{') => {
            let end = scheme.spot.bytes.end;
            (end..end, format!(", state: {}", state.word()))
        }
        None => {
            let end = line_end(text, scheme.spot.bytes.end);
            let indent = node.pairs().first().map_or(4, |(key, _)| column(key));
            let line_break = if text[..end].ends_with('\n') { "" } else { "\n" };
            (end..end, format!("{line_break}{:indent$}state: {}\n", "", state.word()))
        }
    };
    let mut changed = text.to_owned();
    changed.replace_range(range, &new);
    let mut wanted = tree.clone();
    let providers = providers_mut(&mut wanted).ok_or_else(no_section)?;
    if let Value::Map(pairs) = &mut providers.value {
        set_word(&mut pairs[at].1, "state", state.word());
    }
    proven(changed, &wanted)
}

/// `key: word` in a mapping, at the place it has or behind `scheme`.
fn set_word(node: &mut Node, key: &str, word: &str) {
    let Value::Map(pairs) = &mut node.value else { return };
    let spot = node.spot.clone();
    let text = word.to_owned();
    let value = Node {
        spot: spot.clone(),
        value: Value::Scalar(tree::Scalar { kind: Kind::Text, text }),
    };
    if let Some(at) = pairs.iter().position(|(k, _)| k.text == key) {
        pairs[at].1 = value;
    } else {
        let behind = pairs
            .iter()
            .position(|(k, _)| k.text == "scheme")
            .map_or(0, |at| at + 1);
        let text = key.to_owned();
        pairs.insert(behind, (Key { spot, text }, value));
    }
}

fn refused(why: impl Into<String>) -> ConfigError {
    Fault::Edit { why: why.into() }.into()
}

fn no_section() -> ConfigError {
    refused("its providers do not stand on lines of their own; write it by hand")
}

fn no_provider(name: &str) -> ConfigError {
    refused(format!("there is no provider `{name}`"))
}

fn read(text: &str) -> Result<Node, ConfigError> {
    tree::parse(text, 0).map_err(|error| refused(format!("not readable as YAML: {}", error.why)))
}

fn providers_mut(tree: &mut Node) -> Option<&mut Node> {
    let Value::Map(pairs) = &mut tree.value else {
        return None;
    };
    pairs
        .iter_mut()
        .find(|(key, _)| key.text == "providers")
        .map(|(_, node)| node)
}

/// The new text, if it says what is wanted and nothing else.
fn proven(changed: String, wanted: &Node) -> Result<String, ConfigError> {
    match read(&changed) {
        Ok(tree) if says_the_same(&tree, wanted) => Ok(changed),
        _ => Err(refused(
            "its layout is not one that can be changed safely; write it by hand",
        )),
    }
}

/// Equal but for the places.
fn says_the_same(a: &Node, b: &Node) -> bool {
    match (&a.value, &b.value) {
        (Value::Scalar(a), Value::Scalar(b)) => a == b,
        (Value::List(a), Value::List(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| says_the_same(a, b)),
        (Value::Map(a), Value::Map(b)) => {
            let same = |((a_key, a), (b_key, b)): (&(Key, Node), &(Key, Node))| {
                a_key.text == b_key.text && says_the_same(a, b)
            };
            a.len() == b.len() && a.iter().zip(b).all(same)
        }
        _ => false,
    }
}

/// The `providers:` section on lines of its own.
struct Section<'t> {
    pairs: &'t [(Key, Node)],
    /// Spaces before the providers' names; `None` if there is none.
    indent: Option<usize>,
    /// The byte behind its last line: comments at the margin above the next section are that one's.
    end: usize,
}

impl<'t> Section<'t> {
    fn of(text: &str, tree: &'t Node) -> Result<Section<'t>, ConfigError> {
        let at = tree
            .pairs()
            .iter()
            .position(|(key, _)| key.text == "providers")
            .ok_or_else(no_section)?;
        let (head, node) = &tree.pairs()[at];
        let behind_head = line_end(text, head.spot.bytes.end);
        let indent = match &node.value {
            Value::Map(pairs) => match pairs.first() {
                Some((first, _)) if first.spot.bytes.start >= behind_head => Some(column(first)),
                _ => return Err(no_section()),
            },
            Value::Scalar(scalar) if scalar.kind == Kind::Null && scalar.text.is_empty() => None,
            _ => return Err(no_section()),
        };
        let next = tree
            .pairs()
            .get(at + 1)
            .map_or(text.len(), |(next, _)| line_start(text, next.spot.bytes.start));
        Ok(Section {
            pairs: node.pairs(),
            indent,
            end: without_head_at(text, behind_head..next, indent.unwrap_or(1)),
        })
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.pairs.iter().position(|(key, _)| key.text == name)
    }
}

/// Spaces before a key.
fn column(key: &Key) -> usize {
    usize::try_from(key.spot.column).map_or(0, |column| column.saturating_sub(1))
}

fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |at| at + 1)
}

/// Behind the line break of the line that `at` is in.
fn line_end(text: &str, at: usize) -> usize {
    text[at..].find('\n').map_or(text.len(), |len| at + len + 1)
}

/// The end of `range` without the blank lines and comments at its end: they stand above what follows.
fn without_head(text: &str, range: Range<usize>) -> usize {
    without_head_at(text, range, usize::MAX)
}

/// The same, but comments at `indent` or deeper stay.
fn without_head_at(text: &str, range: Range<usize>, indent: usize) -> usize {
    let mut end = range.start;
    let mut at = range.start;
    for line in text[range].split_inclusive('\n') {
        at += line.len();
        let trimmed = line.trim_start();
        let comment = trimmed.starts_with('#') && line.len() - trimmed.len() < indent;
        if !trimmed.is_empty() && !comment {
            end = at;
        }
    }
    end
}

/// The lines of a new provider.
fn lines_of(name: &str, provider: &NewProvider, indent: usize) -> String {
    let pad = " ".repeat(indent);
    let mut lines = String::new();
    let mut line = |text: fmt::Arguments<'_>| writeln!(lines, "{text}").expect("a string takes everything");
    line(format_args!("{pad}{name}:"));
    line(format_args!("{pad}{pad}scheme: {}", scalar(&provider.scheme)));
    if !provider.options.is_empty() {
        line(format_args!("{pad}{pad}options:"));
    }
    for (option, value) in &provider.options {
        let value = match value {
            OptionValue::Literal(text) => scalar(text),
            OptionValue::Reference(reference) => self::reference(reference),
        };
        line(format_args!("{pad}{pad}{pad}{}: {value}", scalar(option)));
    }
    for (key, value) in &provider.fields {
        line(format_args!("{pad}{pad}{key}: {}", scalar(value)));
    }
    if let Some(entry) = &provider.prices {
        line(format_args!("{pad}{pad}cost: {{ catalog: {} }}", scalar(entry)));
    }
    lines
}

fn reference(reference: &Reference) -> String {
    match reference {
        Reference::Env(name) => format!("{{ env: {} }}", scalar(name)),
        Reference::File(path) => format!("{{ file: {} }}", scalar(&path.display().to_string())),
        Reference::Command(words) => {
            let words: Vec<String> = words.iter().map(|word| scalar(word)).collect();
            format!("{{ command: [{}] }}", words.join(", "))
        }
    }
}

/// A text as every reader of YAML takes it for that text, inside braces too: plain if that is safe, else in quotes.
pub(super) fn scalar(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | '~' | '+' | ' ');
    let begins = |c: char| c.is_ascii_alphanumeric() || c == '/';
    let reads_as_itself = |text: &str| {
        let node = tree::parse(text, 0).ok()?;
        let Value::Scalar(scalar) = node.value else { return None };
        (scalar.kind == Kind::Text && scalar.text == text).then_some(())
    };
    // Other readers take these for booleans.
    let other = matches!(
        text.to_ascii_lowercase().as_str(),
        "y" | "n" | "yes" | "no" | "on" | "off"
    );
    let begins_well = text.starts_with("~/") || text.starts_with(begins);
    // A number first is left plain only as a quantity (`500 GiB`): dates and sixties are read differently elsewhere.
    let quantity = text.contains(' ') || !text.starts_with(|c: char| c.is_ascii_digit());
    let safe = begins_well && text.chars().all(plain) && !text.ends_with(' ') && quantity && !other;
    if safe && reads_as_itself(text).is_some() {
        return text.to_owned();
    }
    serde_json::to_string(text).expect("a string is JSON")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::{SMALL, assert_readers_agree, fixtures, read as read_config};
    use super::*;

    const LAID_OUT: &str = "version: 1\nproviders:\n    # ours\n    a:\n        scheme: fs   # near\n        options: { root: /a }\n\n    # theirs\n    b: { scheme: s3 }\n    # more to come\n\n# how\npolicies:\n  default: {}\n";

    fn b2() -> NewProvider {
        NewProvider {
            scheme: "b2".into(),
            options: vec![
                ("bucket".into(), OptionValue::Literal("photos: raic #1".into())),
                ("bucket_id".into(), OptionValue::Literal("b-1".into())),
                (
                    "application_key".into(),
                    OptionValue::Reference(Reference::Env("B2_KEY".into())),
                ),
                (
                    "application_key_id".into(),
                    OptionValue::Reference(Reference::Command(vec!["pass".into(), "show it".into()])),
                ),
            ],
            fields: vec![
                ("region".into(), "eu-central".into()),
                ("quota".into(), "500 GiB".into()),
            ],
            prices: Some("backblaze-b2".into()),
        }
    }

    #[test]
    fn a_provider_goes_in_behind_the_last_with_the_indent_of_the_others() {
        let added = add_provider(LAID_OUT, "b2", &b2()).unwrap();
        let block = "    b2:\n        scheme: b2\n        options:\n            bucket: \"photos: raic #1\"\n            bucket_id: b-1\n            application_key: { env: B2_KEY }\n            application_key_id: { command: [pass, show it] }\n        region: eu-central\n        quota: 500 GiB\n        cost: { catalog: backblaze-b2 }\n";
        assert_eq!(
            added,
            LAID_OUT.replace("    # more to come\n", &format!("    # more to come\n{block}"))
        );
        assert_readers_agree(&added);
        assert_eq!(remove_provider(&added, "b2").unwrap(), LAID_OUT);
    }

    #[test]
    fn a_provider_comes_out_alone_and_comments_of_others_stay() {
        let without_a = LAID_OUT.replace(
            "    a:\n        scheme: fs   # near\n        options: { root: /a }\n",
            "",
        );
        assert_eq!(remove_provider(LAID_OUT, "a").unwrap(), without_a);
        let without_b = LAID_OUT.replace("    b: { scheme: s3 }\n    # more to come\n", "");
        assert_eq!(remove_provider(LAID_OUT, "b").unwrap(), without_b);
    }

    #[test]
    fn a_state_is_set_where_it_stands_or_behind_the_scheme_in_either_style() {
        let text = set_provider_state(LAID_OUT, "a", ProfileState::Draining).unwrap();
        assert_eq!(text, LAID_OUT.replace("# near\n", "# near\n        state: draining\n"));
        let text = set_provider_state(&text, "a", ProfileState::Active).unwrap();
        assert_eq!(text, LAID_OUT.replace("# near\n", "# near\n        state: active\n"));
        let text = set_provider_state(LAID_OUT, "b", ProfileState::Readonly).unwrap();
        assert_eq!(
            text,
            LAID_OUT.replace("{ scheme: s3 }", "{ scheme: s3, state: readonly }")
        );
    }

    #[test]
    fn what_cannot_be_changed_safely_is_left_alone() {
        for text in [
            "providers: { a: { scheme: fs } }\n",
            "providers: []\n",
            "version: 1\n",
            "providers:\n  a: &a\n    scheme: fs\n  b: *a\n",
            "providers: [\n",
            "providers:\n  a: { scheme: fs,\n       state:\n         active }\n  b: *a\n",
        ] {
            let state = set_provider_state(text, "b", ProfileState::Draining).unwrap_err();
            assert_eq!(state.code(), "E0120", "{text}");
        }
        assert_eq!(add_provider(LAID_OUT, "a", &b2()).unwrap_err().code(), "E0120");
        assert_eq!(add_provider("providers: {}\n", "a", &b2()).unwrap_err().code(), "E0120");
        assert_eq!(remove_provider(LAID_OUT, "c").unwrap_err().code(), "E0120");
    }

    #[test]
    fn an_empty_section_and_a_last_line_without_its_end_take_a_provider() {
        let added = add_provider("providers:\npolicies: {}\n", "b2", &b2()).unwrap();
        assert!(
            added.starts_with("providers:\n  b2:\n    scheme: b2\n") && added.ends_with("\npolicies: {}\n"),
            "{added}"
        );
        let added = add_provider("providers:\n  a:\n    scheme: fs", "b2", &b2()).unwrap();
        assert!(
            added.starts_with("providers:\n  a:\n    scheme: fs\n  b2:\n"),
            "{added}"
        );
        let state = set_provider_state("providers:\n  a:\n    scheme: fs", "a", ProfileState::Active).unwrap();
        assert_eq!(state, "providers:\n  a:\n    scheme: fs\n    state: active\n");
    }

    #[test]
    fn every_example_takes_a_provider_and_gives_it_back() {
        for path in fixtures("good") {
            let text = std::fs::read_to_string(&path).unwrap();
            let added = add_provider(&text, "new-one", &b2()).unwrap();
            assert_readers_agree(&added);
            assert!(read_config("config.yaml", &added).is_ok(), "{added}");
            assert_eq!(remove_provider(&added, "new-one").unwrap(), text, "{}", path.display());
        }
    }

    proptest! {
        #[test]
        fn any_text_as_a_value_reads_back_the_same_with_both_readers(value in "\\PC{0,12}|[0-9a-fx:.eE_+~ -]{0,8}|(yes|no|null|true|0x1F|1e3|12:30|2001-01-01|~|~/a b)") {
            let provider = NewProvider {
                scheme: "fs".into(),
                options: vec![
                    ("root".into(), OptionValue::Literal(value.clone())),
                    ("x".into(), OptionValue::Reference(Reference::Command(vec![value.clone()]))),
                ],
                fields: vec![("region".into(), value.clone())],
                prices: None,
            };
            let text = add_provider(SMALL, "new", &provider).unwrap();
            assert_readers_agree(&text);
            let tree = tree::parse(&text, 0).unwrap();
            let region = tree.get("providers").unwrap().get("new").unwrap().get("region").unwrap();
            let same = matches!(&region.value, Value::Scalar(scalar) if scalar.kind == Kind::Text && scalar.text == value);
            prop_assert!(same, "{}", text);
        }
    }
}
