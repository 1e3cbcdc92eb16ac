//! Which module may name which: down only, and the pure ones open no door.

use crate::source::{Source, is_identifier, read_all, words};
use crate::{Finding, finding, root};

/// What pure code doesn't name: words of the language and of `std`, modules of `std`, crates.
const DOORS: &[&str] = &["async", "await", "Instant", "SystemTime", "SystemRandom"];
const MODULES: &[&str] = &[
    "fs",
    "net",
    "env",
    "process",
    "thread",
    "tokio",
    "futures",
    "getrandom",
    "rand",
    "tracing",
];

/// What one pure file may do all the same. The choice of the kernel changes how fast bytes are computed, not which.
const ALLOWED: &[(&str, &str)] = &[("src/codec/kernel.rs", "env")];

/// The modules of the crate from the ground up: `pub mod` lines of `src/lib.rs` in their order.
pub(crate) struct Floors(pub(crate) Vec<String>);

impl Floors {
    /// The first module that may do I/O, wait, read the clock or draw at random; all below it are pure.
    const FIRST_DOOR: &str = "clock";

    pub(crate) fn read(lib: &Source) -> Floors {
        let module = |line: &str| Some(line.strip_prefix("pub mod ")?.strip_suffix(';')?.to_owned());
        Floors(lib.code.lines().filter_map(module).collect())
    }

    pub(crate) fn of_repository() -> Floors {
        let all = read_all(root());
        let floors = Floors::read(
            all.iter()
                .find(|source| source.path == "src/lib.rs")
                .expect("src/lib.rs is there"),
        );
        assert!(
            floors.height(Floors::FIRST_DOOR).is_some_and(|height| height > 3),
            "{:?}",
            floors.0
        );
        floors
    }

    fn height(&self, module: &str) -> Option<usize> {
        self.0.iter().position(|name| name == module)
    }

    /// The module that a file belongs to; none for `lib.rs`, `main.rs` and what isn't in `src/`.
    fn module<'a>(&self, source: &'a Source) -> Option<&'a str> {
        let name = source.path.strip_prefix("src/")?.split(['/', '.']).next()?;
        self.height(name).map(|_| name)
    }

    /// Paths that lead up: `crate::store` in `provider/`.
    pub(crate) fn upward_paths(&self, source: &Source) -> Vec<Finding> {
        let Some(from) = self.module(source) else {
            return Vec::new();
        };
        let mut findings = Vec::new();
        for (at, name) in paths_from_the_root(&source.code) {
            match self.height(&name) {
                Some(height) if Some(height) > self.height(from) => findings.push(finding(
                    source,
                    at,
                    format!("{from} uses crate::{name}, which stands above it in src/lib.rs: move the piece down, or pass it in"),
                )),
                Some(_) => {}
                None => findings.push(finding(source, at, format!("crate::{name} is no module of src/lib.rs"))),
            }
        }
        findings
    }

    /// I/O, waiting, clocks and randomness in the pure modules; their tests may.
    pub(crate) fn doors_in_pure_code(&self, source: &Source) -> Vec<Finding> {
        let Some(module) = self
            .module(source)
            .filter(|name| self.height(name) < self.height(Floors::FIRST_DOOR))
        else {
            return Vec::new();
        };
        words(source.shipped(), is_identifier)
            .filter(|(at, word)| {
                let door = DOORS.contains(word) || MODULES.contains(word);
                door && !ALLOWED.contains(&(source.path.as_str(), word)) && is_path_or_keyword(&source.code, *at, word)
            })
            .map(|(at, word)| {
                finding(
                    source,
                    at,
                    format!("{module} is pure, `{word}` isn't: take what it brings as an argument"),
                )
            })
            .collect()
    }
}

/// Whether the word is a keyword or stands in a path, rather than being a variable or a field of that name.
fn is_path_or_keyword(code: &str, at: usize, word: &str) -> bool {
    let (before, after) = (&code[..at], &code[at + word.len()..]);
    ["async", "await"].contains(&word)
        || word.starts_with(|first: char| first.is_ascii_uppercase())
        || before.ends_with("::")
        || after.starts_with("::")
        || before.ends_with("use ")
}

/// The first names of all paths that begin with `crate::`, those in braces too, and where they stand.
fn paths_from_the_root(code: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let start = at + "crate::".len();
        if at > 0 && is_identifier(code.as_bytes()[at - 1]) {
            continue;
        }
        if !code[start..].starts_with('{') {
            found.extend(
                words(&code[start..], is_identifier)
                    .next()
                    .map(|(skip, name)| (start + skip, name.to_owned())),
            );
            continue;
        }
        // In a tree the names of this level follow its opening brace or a comma outside deeper braces.
        let (mut depth, mut expects) = (0, false);
        for (offset, byte) in code[start..].bytes().enumerate() {
            match byte {
                b'{' => (depth, expects) = (depth + 1, depth == 0),
                b'}' => depth -= 1,
                b',' if depth == 1 => expects = true,
                _ if expects && is_identifier(byte) => {
                    expects = false;
                    let (_, name) = words(&code[start + offset..], is_identifier)
                        .next()
                        .expect("it begins here");
                    found.push((start + offset, name.to_owned()));
                }
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
    }
    found
}

/// A chain of `super` that leaves its floor would hide an import from the rule above.
pub(crate) fn climbing_supers(source: &Source) -> Vec<Finding> {
    let Some(inside) = source.path.strip_prefix("src/") else {
        return Vec::new();
    };
    let depth = inside
        .trim_end_matches(".rs")
        .trim_end_matches("/mod")
        .split('/')
        .count();
    let in_tests = source.shipped().len();
    source
        .code
        .match_indices("super::")
        .filter(|(at, _)| !source.code[..*at].ends_with("super::"))
        .filter_map(|(at, _)| {
            let climbs = source.code[at..]
                .split("::")
                .take_while(|part| *part == "super")
                .count();
            let allowed = depth - 1 + usize::from(at >= in_tests);
            (climbs > allowed).then(|| {
                finding(
                    source,
                    at,
                    "this `super` leaves the module's floor: write the path from `crate::`",
                )
            })
        })
        .collect()
}
