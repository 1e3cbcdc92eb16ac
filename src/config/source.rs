//! The texts that a configuration is made of, and what of them may be shown.
//!
//! A line of the file is shown beside an error. It may hold a secret that somebody put there by mistake, so only values
//! at places that are known to be public appear; all others, and comments, are taken out.

use std::ops::Range;

use super::Services;
use super::check::nearest;
use super::error::{ConfigError, Fault, Place};
use super::secret::{has_query, has_user_info, is_secret};
use super::shape::{Leaf, ROOT, Shape};
use super::tree::{Node, Spot, Value};

/// What stands where a value was.
const HIDDEN: &str = "...";

/// The file and the environment variables that changed it.
#[derive(Clone, Debug, Default)]
pub(super) struct Sources {
    file: String,
    shown: Vec<String>,
    hidden: Hidden,
}

#[derive(Clone, Debug, Default)]
enum Hidden {
    /// Nothing is known of the text: keys only.
    #[default]
    AllValues,
    /// These bytes.
    Ranges(Vec<Range<usize>>),
}

/// A fault and where it was found.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub fault: Fault,
    pub spot: Option<Spot>,
}

impl Sources {
    pub(super) fn new(shown: String, text: String) -> Sources {
        Sources {
            file: text,
            shown: vec![shown],
            hidden: Hidden::AllValues,
        }
    }

    /// Adds an environment variable; its number is what its spots carry.
    pub(super) fn add_variable(&mut self, name: &str) -> usize {
        self.shown.push(format!("environment variable {name}"));
        self.shown.len() - 1
    }

    /// What the origin of a spot is called.
    pub(super) fn shown(&self, origin: usize) -> &str {
        &self.shown[origin]
    }

    /// Learns from the tree which values may be shown.
    pub(super) fn learn(&mut self, tree: &Node, services: &Services<'_>) {
        let mut secrets = Secrets {
            services,
            ranges: Vec::new(),
        };
        secrets.collect(tree, Some(&ROOT), "");
        self.hidden = Hidden::Ranges(secrets.ranges);
    }

    /// Puts faults in the order of the file and adds their lines.
    pub(super) fn locate(&self, mut found: Vec<Found>) -> Vec<ConfigError> {
        found.sort_by_key(|found| found.spot.as_ref().map(|spot| (spot.origin, spot.line, spot.column)));
        // A value that several policies inherit is told of once.
        found.dedup_by(|next, first| next.spot == first.spot && next.fault == first.fault);
        let locate = |found: Found| ConfigError {
            place: found.spot.as_ref().map(|spot| Box::new(self.place(spot))),
            fault: found.fault,
        };
        found.into_iter().map(locate).collect()
    }

    /// The place of a spot, with its line if it is in the file.
    pub(super) fn place(&self, spot: &Spot) -> Place {
        let mut place = Place {
            source: self.shown(spot.origin).to_owned(),
            line: spot.line,
            column: spot.column,
            text: None,
            caret: (0, 1),
        };
        if spot.origin == 0
            && let Some((text, caret)) = self.line(spot)
        {
            place.text = Some(text);
            place.caret = caret;
        }
        place
    }

    /// The line of a spot as far as it may be shown, and the characters of it that are meant.
    fn line(&self, spot: &Spot) -> Option<(String, (usize, usize))> {
        let number = usize::try_from(spot.line).ok()?.checked_sub(1)?;
        let mut lines = self.file.split_inclusive('\n');
        let start = lines.by_ref().take(number).map(str::len).sum();
        let line = lines.next().unwrap_or_default().trim_end_matches(['\n', '\r']);
        let column = usize::try_from(spot.column).ok()?.saturating_sub(1);
        let wanted = match spot.bytes.end.checked_sub(start) {
            Some(end) if !spot.bytes.is_empty() => {
                let from = spot.bytes.start.checked_sub(start)?;
                from..end.min(line.len())
            }
            _ => {
                let from = line.char_indices().nth(column).map_or(line.len(), |(at, _)| at);
                from..from + 1
            }
        };
        let line = match &self.hidden {
            Hidden::AllValues => line.get(..=line.find(':')?)?.to_owned() + " " + HIDDEN,
            Hidden::Ranges(ranges) => return Some(cut(line, start, ranges, &wanted)),
        };
        let at = line.chars().count().min(column);
        Some((line, (at, 1)))
    }
}

/// The line without the hidden bytes and without its comment; `start` is where it begins in the file.
fn cut(line: &str, start: usize, hidden: &[Range<usize>], wanted: &Range<usize>) -> (String, (usize, usize)) {
    let (mut text, mut caret, mut dots) = (String::new(), None::<(usize, usize)>, false);
    let mut before = ' ';
    for (at, c) in line.char_indices() {
        let secret = hidden.iter().any(|range| range.contains(&(start + at)));
        if c == '#' && before.is_whitespace() && !secret && !quoted(&line[..at]) {
            break;
        }
        before = c;
        let place = text.chars().count();
        if !secret {
            text.push(c);
        } else if !dots {
            text.push_str(HIDDEN);
        }
        dots = secret;
        if wanted.contains(&at) {
            let (from, _) = caret.unwrap_or((place.min(text.chars().count() - 1), 1));
            caret = Some((from, text.chars().count() - from));
        }
    }
    let text = text.trim_end().to_owned();
    let end = text.chars().count();
    let (from, len) = caret.unwrap_or((end, 1));
    (text, (from.min(end), len.max(1)))
}

/// Whether a `#` after this much of a line is inside a quoted scalar.
fn quoted(head: &str) -> bool {
    let odd = |quote: char| head.chars().filter(|c| *c == quote).count() % 2 == 1;
    odd('"') || odd('\'')
}

/// Collects the scalars that may not be shown.
struct Secrets<'a> {
    services: &'a Services<'a>,
    ranges: Vec<Range<usize>>,
}

impl Secrets<'_> {
    fn collect(&mut self, node: &Node, shape: Option<&Shape>, scheme: &str) {
        match (&node.value, shape) {
            (Value::Scalar(_), Some(Shape::Leaf(_))) => {}
            (Value::Scalar(_), _) => self.ranges.push(node.spot.bytes.clone()),
            (Value::List(items), _) => {
                let shape = matches!(shape, Some(Shape::Names)).then_some(&PLAIN);
                for item in items {
                    self.collect(item, shape, "");
                }
            }
            (Value::Map(pairs), _) => {
                let scheme = scheme_of(node).unwrap_or(scheme);
                for (key, value) in pairs {
                    self.collect(value, self.below(shape, scheme, &key.text, value), scheme);
                }
            }
        }
    }

    /// What may stand at `key` of a mapping of this shape; `None` if nothing of it may be shown.
    fn below<'s>(&self, shape: Option<&'s Shape>, scheme: &str, key: &str, value: &Node) -> Option<&'s Shape> {
        match shape? {
            Shape::Fields(section) => {
                // A key that is mistyped is what it was meant to be, if that is near.
                let meant = || nearest(key, &section.keys()).filter(|_| !is_secret("", key));
                let field = section.field(key).or_else(|| section.field(&meant()?));
                field.map(|field| &field.shape)
            }
            Shape::Named(inner) => Some(inner),
            Shape::Options => self.option(scheme, key, value),
            // The arguments of a command may hold a secret, and so may whatever has another key.
            Shape::Elsewhere => match (key, &value.value) {
                // What is no variable's name may be the secret itself, in the wrong place.
                ("env", Value::Scalar(scalar)) => is_variable(&scalar.text).then_some(&PLAIN),
                ("file", _) => Some(&PLAIN),
                _ => None,
            },
            Shape::Names | Shape::Leaf(_) => None,
        }
    }

    /// A literal of a public option may be shown; a reference says where to look.
    fn option(&self, scheme: &str, option: &str, value: &Node) -> Option<&'static Shape> {
        match &value.value {
            Value::Map(_) => Some(&Shape::Elsewhere),
            Value::Scalar(scalar) => {
                let known =
                    (self.services.options)(scheme).is_some_and(|known| known.iter().any(|name| name == option));
                let public = known && !is_secret(scheme, option);
                (public && !has_user_info(&scalar.text) && !has_query(&scalar.text)).then_some(&PLAIN)
            }
            Value::List(_) => None,
        }
    }
}

/// Letters, digits and `_`, as short as names are; written like a shell's, too.
fn is_variable(text: &str) -> bool {
    text.len() <= 64 && text.chars().all(|c| c.is_ascii_alphanumeric() || "_${}".contains(c))
}

/// A scalar that may be shown.
const PLAIN: Shape = Shape::Leaf(Leaf::Label);

fn scheme_of(node: &Node) -> Option<&str> {
    match &node.get("scheme")?.value {
        Value::Scalar(scalar) => Some(&scalar.text),
        _ => None,
    }
}
