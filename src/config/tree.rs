//! The YAML as it stands in the file: every key and value with its place, nothing interpreted.
//!
//! Plain scalars keep their spelling, so that `007` and `1e5` arrive as they were written. Keys that come twice are both
//! here; who reads the tree refuses them. No merge keys, no tags of an application's own; aliases are followed.

use std::fmt;
use std::ops::Range;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{DuplicateKeyPolicy, MergeKeyPolicy, NonFiniteFloatPolicy, Options, Spanned};

/// Values may stand in each other this deep; ours need 6.
const MAX_DEPTH: usize = 32;

/// Values in all, with those that aliases repeat: some thousand providers.
const MAX_NODES: usize = 50_000;

/// The longest configuration that is read, in bytes.
pub(super) const MAX_LEN: u64 = 1 << 20;

/// Where something stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Spot {
    /// Which text: 0 is the file, see [`super::source::Sources`].
    pub origin: usize,
    /// Bytes of the text.
    pub bytes: Range<usize>,
    /// From 1.
    pub line: u32,
    /// From 1, in characters.
    pub column: u32,
}

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Node {
    pub spot: Spot,
    pub value: Value,
}

/// A value of YAML's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Scalar(Scalar),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

/// A scalar: what it means to YAML, and its text (as written, if it isn't text to YAML).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Scalar {
    pub kind: Kind,
    pub text: String,
}

/// What YAML's core schema takes a scalar for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Null,
    Bool,
    Number,
    Text,
}

/// A key and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Key {
    pub spot: Spot,
    pub text: String,
}

/// Why a text is not YAML as we read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unreadable {
    /// Where, if that is known.
    pub spot: Option<Spot>,
    /// In a few words, without anything of the text.
    pub why: String,
}

impl Node {
    /// The pairs of a map.
    pub(super) fn pairs(&self) -> &[(Key, Node)] {
        match &self.value {
            Value::Map(pairs) => pairs,
            _ => &[],
        }
    }

    /// The value of a map's key; the first, if it comes twice.
    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        self.pairs().iter().find(|(k, _)| k.text == key).map(|(_, node)| node)
    }

    /// What it is, for "expected ..., found ...". Never its text.
    pub(super) fn kind_word(&self) -> &'static str {
        match &self.value {
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
            Value::Scalar(scalar) => match scalar.kind {
                Kind::Null => "nothing",
                Kind::Bool => "true or false",
                Kind::Number => "a number",
                Kind::Text => "text",
            },
        }
    }

    /// Puts in what the reader doesn't tell: the origin, and the spelling of plain scalars, which it has interpreted.
    fn finish(&mut self, source: &str, origin: usize) {
        self.spot.origin = origin;
        match &mut self.value {
            Value::Scalar(scalar) if scalar.kind != Kind::Text => {
                let written = source.get(self.spot.bytes.clone()).unwrap_or_default();
                written.trim().clone_into(&mut scalar.text);
            }
            Value::Scalar(_) => {}
            Value::List(items) => items.iter_mut().for_each(|item| item.finish(source, origin)),
            Value::Map(pairs) => {
                for (key, node) in pairs {
                    key.spot.origin = origin;
                    node.finish(source, origin);
                }
            }
        }
    }
}

/// Reads one document, which is the text `origin`. An empty one is `Kind::Null`.
pub(super) fn parse(source: &str, origin: usize) -> Result<Node, Unreadable> {
    let raw: Result<Spanned<Raw>, _> = serde_saphyr::from_str_with_options(source, options());
    let mut node = Node::from(raw.map_err(|error| Unreadable {
        spot: error.location().map(|at| Spot { origin, ..spot_of(at) }),
        why: reason(&error),
    })?);
    node.finish(source, origin);
    Ok(node)
}

/// How the reader is set: YAML 1.2's booleans, nothing merged, nothing dropped, no snippets (they show the neighbours).
fn options() -> Options {
    let mut options = Options::default();
    options.duplicate_keys = DuplicateKeyPolicy::PassThrough;
    options.merge_keys = MergeKeyPolicy::AsOrdinary;
    options.non_finite_float_policy = NonFiniteFloatPolicy::AsString;
    options.strict_booleans = true;
    options.leading_zero_numbers_as_strings = true;
    options.underscored_numbers_as_strings = true;
    options.reject_unsupported_tags = true;
    options.with_snippet = false;
    options.emit_comments = false;
    if let Some(budget) = &mut options.budget {
        budget.max_depth = MAX_DEPTH;
        budget.max_nodes = MAX_NODES;
    }
    options
}

/// What went wrong, without a word of the text: it may hold a secret that somebody put there by mistake.
fn reason(error: &serde_saphyr::Error) -> String {
    use serde_saphyr::Error;
    let error = error.without_snippet();
    let why = match error {
        Error::Eof { .. } => "the text ends too early",
        Error::MultipleDocuments { .. } => "there is a second document (`---`): one file holds one configuration",
        Error::UnknownAnchor { .. } => "an alias (`*name`) without its anchor (`&name`)",
        Error::UnsupportedTag { .. } => "a tag (`!name`) that is not YAML's own",
        Error::Budget { .. } => "it is nested too deep, or too large",
        Error::AliasReplayLimitExceeded { .. } | Error::AliasExpansionLimitExceeded { .. } => {
            "aliases grow without bound"
        }
        Error::IndentationError { .. } => "the indentation does not fit",
        _ => "",
    };
    if why.is_empty() {
        scan_message(error)
    } else {
        why.to_owned()
    }
}

/// The parser's own words, which speak of characters and structure; what is quoted in them is taken out.
fn scan_message(error: &serde_saphyr::Error) -> String {
    let text = error.render_with_formatter(&serde_saphyr::UserMessageFormatter);
    let line = text.lines().next().unwrap_or_default();
    if line.contains("too large or too complex") {
        return "it is nested too deep, or too large".to_owned();
    }
    let line = line.split_once(" at line ").map_or(line, |(message, _)| message);
    let mut kept = String::new();
    let mut quote = None;
    for c in line.chars() {
        match quote {
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if matches!(c, '"' | '`') => {
                quote = Some(c);
                kept.push('…');
            }
            None => kept.push(c),
        }
    }
    kept
}

fn spot_of(at: serde_saphyr::Location) -> Spot {
    let start = at.span().byte_offset().unwrap_or(0);
    let len = at.span().byte_len().unwrap_or(0);
    let as_usize = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
    Spot {
        origin: 0,
        bytes: as_usize(start)..as_usize(start.saturating_add(len)),
        line: u32::try_from(at.line()).unwrap_or(u32::MAX),
        column: u32::try_from(at.column()).unwrap_or(u32::MAX),
    }
}

/// What the reader hands over, before spellings are put back.
enum Raw {
    Scalar(Kind, String),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<String>, Spanned<Raw>)>),
}

impl From<Spanned<Raw>> for Node {
    fn from(raw: Spanned<Raw>) -> Node {
        let spot = spot_of(raw.defined);
        let value = match raw.value {
            Raw::Scalar(kind, text) => Value::Scalar(Scalar { kind, text }),
            Raw::List(items) => Value::List(items.into_iter().map(Node::from).collect()),
            Raw::Map(pairs) => Value::Map(
                pairs
                    .into_iter()
                    .map(|(key, raw)| (Key::from(key), raw.into()))
                    .collect(),
            ),
        };
        Node { spot, value }
    }
}

impl From<Spanned<String>> for Key {
    fn from(raw: Spanned<String>) -> Key {
        Key {
            spot: spot_of(raw.defined),
            text: raw.value,
        }
    }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Raw, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Scalar(Kind::Null, String::new()))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Raw, E> {
        Ok(Raw::Scalar(Kind::Bool, String::new()))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Raw, E> {
        Ok(Raw::Scalar(Kind::Number, String::new()))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Raw, E> {
        Ok(Raw::Scalar(Kind::Number, String::new()))
    }

    fn visit_i128<E>(self, _: i128) -> Result<Raw, E> {
        Ok(Raw::Scalar(Kind::Number, String::new()))
    }

    fn visit_u128<E>(self, _: u128) -> Result<Raw, E> {
        Ok(Raw::Scalar(Kind::Number, String::new()))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Raw, E> {
        Ok(Raw::Scalar(Kind::Number, String::new()))
    }

    fn visit_str<E>(self, text: &str) -> Result<Raw, E> {
        Ok(Raw::Scalar(Kind::Text, text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Raw, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Raw::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut pairs: A) -> Result<Raw, A::Error> {
        let mut map = Vec::new();
        while let Some(pair) = pairs.next_entry()? {
            map.push(pair);
        }
        Ok(Raw::Map(map))
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::*;

    fn scalar<'a>(node: &'a Node, path: &[&str]) -> (Kind, &'a str) {
        let node = path.iter().fold(node, |node, key| node.get(key).unwrap());
        match &node.value {
            Value::Scalar(scalar) => (scalar.kind, &scalar.text),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn scalars_keep_their_spelling_and_their_kind() {
        let source = "a: 007\nb: 1e5\nc: 0x10\nd: yes\ne: True\nf: ~\ng:\nh: \"5\"\ni: 1_000\nj: .nan\nk: -3\nl: 1.50\nm: !!str 5\nn: 'x # y'  # z\no: >\n  two\n  lines\np: {q: 2.0, r: [1, x]}\n";
        let tree = parse(source, 0).unwrap();
        for (key, kind, text) in [
            ("a", Kind::Text, "007"),
            ("b", Kind::Number, "1e5"),
            ("c", Kind::Number, "0x10"),
            ("d", Kind::Text, "yes"),
            ("e", Kind::Bool, "True"),
            ("f", Kind::Null, "~"),
            ("g", Kind::Null, ""),
            ("h", Kind::Text, "5"),
            ("i", Kind::Text, "1_000"),
            ("j", Kind::Text, ".nan"),
            ("k", Kind::Number, "-3"),
            ("l", Kind::Number, "1.50"),
            ("m", Kind::Text, "5"),
            ("n", Kind::Text, "x # y"),
            ("o", Kind::Text, "two lines\n"),
        ] {
            assert_eq!(scalar(&tree, &[key]), (kind, text), "{key}");
        }
        assert_eq!(scalar(&tree, &["p", "q"]), (Kind::Number, "2.0"));
    }

    #[test]
    fn places_are_those_of_keys_and_values_in_bytes_and_in_characters() {
        let source = "# ä\nproviders:\n  b2: { ürl: 'ä b', n: 12 }   # x\n  c: [1, two]\n";
        let tree = parse(source, 0).unwrap();
        let (key, b2) = &tree.get("providers").unwrap().pairs()[0];
        assert_eq!(
            (key.spot.line, key.spot.column, &source[key.spot.bytes.clone()]),
            (3, 3, "b2")
        );
        let (key, url) = &b2.pairs()[0];
        assert_eq!(
            (key.spot.line, key.spot.column, &source[key.spot.bytes.clone()]),
            (3, 9, "ürl")
        );
        assert_eq!(
            (url.spot.line, url.spot.column, &source[url.spot.bytes.clone()]),
            (3, 14, "'ä b'")
        );
        let (_, n) = &b2.pairs()[1];
        assert_eq!((n.spot.column, &source[n.spot.bytes.clone()]), (24, "12"));
    }

    #[test]
    fn keys_that_come_twice_are_both_there_and_merge_keys_are_keys() {
        let tree = parse("a: 1\nb: &x { c: 2 }\na: 3\nd:\n  <<: *x\n  c: 4\n", 0).unwrap();
        let keys: Vec<_> = tree.pairs().iter().map(|(key, _)| key.text.as_str()).collect();
        assert_eq!(keys, ["a", "b", "a", "d"]);
        let merged = tree.get("d").unwrap();
        assert_eq!(merged.pairs()[0].0.text, "<<");
        assert_eq!(scalar(&tree, &["d", "<<", "c"]), (Kind::Number, "2"));
    }

    #[test]
    fn what_is_not_yaml_says_where_and_never_what_stands_there() {
        for (source, line, column) in [
            ("a: 1\nb: [1, sesame\nc: 2\n", 3, 2),
            ("a: sesame: 2\n", 1, 10),
            ("a: 1\n\tb: sesame\n", 1, 4),
            ("a: \"sesame\\q\"\n", 1, 4),
            ("a: !secret sesame\n", 1, 12),
            ("a: *sesame\n", 1, 4),
            ("a: 1\n---\nb: sesame\n", 3, 1),
            ("a: 'sesame\n", 1, 4),
            ("{ [sesame]: 1 }\n", 1, 3),
        ] {
            let error = parse(source, 0).unwrap_err();
            assert!(
                !error.why.contains("sesame") && !error.why.is_empty(),
                "{source}: {error:?}"
            );
            let spot = error.spot.unwrap();
            assert_eq!((spot.line, spot.column), (line, column), "{source}");
        }
    }

    #[test]
    fn an_alias_bomb_and_a_deep_nest_end_quickly() {
        let mut bomb = String::from("a0: &a0 [x]\n");
        for i in 1..40 {
            writeln!(bomb, "a{i}: &a{i} [*a{0}, *a{0}]", i - 1).unwrap();
        }
        assert!(parse(&bomb, 0).is_err());
        assert!(parse(&"[".repeat(100_000), 0).is_err());
        assert!(parse(&format!("{}x{}", "[".repeat(40), "]".repeat(40)), 0).is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[a-c:{}\\[\\],&*!|>'\"# \n\t-]{0,40}") {
            let _ = parse(&text, 0);
        }
    }
}
