//! Files of the repository, with comments and literals told from code.

use std::fs;
use std::path::Path;

/// One text file.
pub(crate) struct Source {
    /// From the root of the repository, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
    /// The text with comments and the insides of string and character literals turned to spaces; line breaks stay.
    /// Only for Rust; of other files it is the text.
    pub(crate) code: String,
    /// Whether its module is declared under `#[cfg(test)]`.
    pub(crate) tests_only: bool,
}

impl Source {
    pub(crate) fn new(path: &str, text: &str) -> Source {
        let code = if is_rust(path) { code_of(text) } else { text.to_owned() };
        Source {
            path: path.to_owned(),
            text: text.to_owned(),
            code,
            tests_only: false,
        }
    }

    pub(crate) fn is_rust(&self) -> bool {
        is_rust(&self.path)
    }

    /// The line, from 1, in which the byte `at` of text and code stands.
    pub(crate) fn line(&self, at: usize) -> usize {
        self.text.as_bytes()[..at].split(|byte| *byte == b'\n').count()
    }

    /// Where each identifier of the code begins, and the identifier.
    pub(crate) fn identifiers(&self) -> impl Iterator<Item = (usize, &str)> {
        words(&self.code, is_identifier)
    }

    /// The code without tests, which by our custom are a file's end or files of their own.
    pub(crate) fn shipped(&self) -> &str {
        if self.tests_only {
            return "";
        }
        let end = self.test_modules().find(|(_, _, inline)| *inline).map(|(at, ..)| at);
        &self.code[..end.unwrap_or(self.code.len())]
    }

    /// Where `#[cfg(test)] mod NAME` stands, the name, and whether the module's text follows.
    fn test_modules(&self) -> impl Iterator<Item = (usize, &str, bool)> {
        self.code.match_indices("#[cfg(test)]").filter_map(|(at, attribute)| {
            let item = self.code[at + attribute.len()..].trim_start();
            let module = item.trim_start_matches("pub(crate) ").strip_prefix("mod ")?;
            let end = module.find(['{', ';'])?;
            Some((at, module[..end].trim(), module.as_bytes()[end] == b'{'))
        })
    }

    /// The path, without its ending, of a module that this file declares.
    fn child(&self, name: &str) -> String {
        let own = self.path.trim_end_matches(".rs");
        let folder = ["/mod", "/lib", "/main"]
            .iter()
            .find_map(|end| own.strip_suffix(end))
            .unwrap_or(own);
        format!("{folder}/{name}")
    }
}

fn is_rust(path: &str) -> bool {
    Path::new(path).extension().is_some_and(|end| end == "rs")
}

pub(crate) fn is_identifier(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// The longest runs of bytes that `of` accepts, and where they begin. `of` accepts ASCII only.
pub(crate) fn words(text: &str, of: fn(u8) -> bool) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let bytes = text.as_bytes();
        at += bytes[at..].iter().position(|byte| of(*byte))?;
        let begin = at;
        at += bytes[at..]
            .iter()
            .position(|byte| !of(*byte))
            .unwrap_or(bytes.len() - at);
        Some((begin, &text[begin..at]))
    })
}

/// All text files below `root` that are ours: no build output, no hidden folder but `.ci`.
pub(crate) fn read_all(root: &Path) -> Vec<Source> {
    let mut sources = Vec::new();
    walk(root, root, &mut sources);
    assert!(sources.len() > 20, "{} holds no repository", root.display());
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    mark_tests(&mut sources);
    sources
}

/// Marks the files of modules that are declared under `#[cfg(test)]`, with all below them.
fn mark_tests(sources: &mut [Source]) {
    let declared = |source: &Source| -> Vec<String> {
        source
            .test_modules()
            .filter(|(_, _, inline)| !inline)
            .map(|(_, name, _)| source.child(name))
            .collect()
    };
    let modules: Vec<String> = sources
        .iter()
        .filter(|source| source.is_rust())
        .flat_map(declared)
        .collect();
    for source in sources {
        source.tests_only = modules.iter().any(|module| {
            source
                .path
                .strip_prefix(module.as_str())
                .is_some_and(|rest| rest.starts_with(['.', '/']))
        });
    }
}

fn walk(root: &Path, folder: &Path, sources: &mut Vec<Source>) {
    for entry in fs::read_dir(folder).expect("a folder of the repository can be read") {
        let path = entry.expect("an entry of the repository can be read").path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .expect("names are UTF-8");
        if path.is_dir() {
            let foreign = ["target", "corpus", "artifacts", "node_modules"].contains(&name);
            if !foreign && (!name.starts_with('.') || name == ".ci") {
                walk(root, &path, sources);
            }
        } else if name.starts_with('.') {
            // Git's own, or an editor's.
        } else if let Ok(text) = fs::read_to_string(&path) {
            let relative = path
                .strip_prefix(root)
                .expect("walked from the root")
                .to_str()
                .expect("names are UTF-8");
            sources.push(Source::new(&relative.replace('\\', "/"), &text));
        }
    }
}

/// `text` with all that isn't code turned to spaces, byte for byte.
fn code_of(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut code = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = at + skipped(&bytes[at..], at > 0 && is_identifier(bytes[at - 1]));
        if end == at {
            at += 1;
            continue;
        }
        for byte in &mut code[at..end] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        at = end;
    }
    String::from_utf8(code).expect("whole literals and comments were replaced by ASCII")
}

/// How many bytes from here on are a comment or a literal; `inside` an identifier no literal's prefix begins.
fn skipped(rest: &[u8], inside: bool) -> usize {
    match rest {
        [b'/', b'/', ..] => find(rest, b"\n").unwrap_or(rest.len()),
        [b'/', b'*', ..] => block_comment(rest),
        [b'"', ..] => quoted(rest, 1, b'"'),
        [b'\'', b'\\', ..] => quoted(rest, 1, b'\''),
        [b'\'', tail @ ..] => character(tail),
        [b'r' | b'b' | b'c', ..] if !inside => prefixed(rest),
        _ => 0,
    }
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

fn block_comment(rest: &[u8]) -> usize {
    let (mut depth, mut at) = (0_u32, 0);
    while at + 1 < rest.len() {
        match &rest[at..at + 2] {
            b"/*" => (depth, at) = (depth + 1, at + 2),
            b"*/" => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    rest.len()
}

/// The length of a literal whose inside begins at `from` and ends with `quote`, backslashes escaping.
fn quoted(rest: &[u8], from: usize, quote: u8) -> usize {
    let mut at = from;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// The length of a character literal whose first quote was taken off `tail`; 0 when it is a lifetime.
fn character(tail: &[u8]) -> usize {
    let width = match tail.first() {
        Some(0xF0..) => 4,
        Some(0xE0..) => 3,
        Some(0xC0..) => 2,
        _ => 1,
    };
    if tail.get(width) == Some(&b'\'') { width + 2 } else { 0 }
}

/// The length of `b"…"`, `c"…"`, `b'…'`, `r#"…"#` and their mixtures; 0 for an identifier.
fn prefixed(rest: &[u8]) -> usize {
    let letters = rest.iter().take_while(|byte| b"rbc".contains(byte)).count();
    let raw = rest[..letters].contains(&b'r');
    let hashes = if raw {
        rest[letters..].iter().take_while(|byte| **byte == b'#').count()
    } else {
        0
    };
    let from = letters + hashes + 1;
    match rest.get(from - 1) {
        Some(b'"') if raw => {
            let close = [b"\"".as_slice(), &b"#".repeat(hashes)].concat();
            find(&rest[from..], &close).map_or(rest.len(), |at| from + at + close.len())
        }
        Some(quote @ (b'"' | b'\'')) if letters <= 2 && hashes == 0 => quoted(rest, from, *quote),
        _ => 0,
    }
}
