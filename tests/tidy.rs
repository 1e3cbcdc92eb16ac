//! The source keeps to the rules of `docs/CONTRIBUTING.md` that no compiler or lint checks.
//!
//! Each rule is a function from one file to what it finds there, a test that holds the repository to it, and a row in
//! `a_breach_of_each_rule_is_found` that shows the rule failing.

use std::fmt::Write as _;
use std::path::Path;

#[path = "tidy/floors.rs"]
mod floors;
#[path = "tidy/homes.rs"]
mod homes;
#[path = "tidy/leftovers.rs"]
mod leftovers;
#[path = "tidy/pages.rs"]
mod pages;
#[path = "tidy/source.rs"]
mod source;

use floors::{Floors, climbing_supers};
use homes::strayed_words;
use leftovers::{empty_names, half_done, machine_paths, missing_head, too_long};
use pages::{dead_links, dead_paths, exists_here, one_sided_variables};
use source::{Source, read_all};

/// A place and what to do about it.
#[derive(Debug)]
struct Finding {
    path: String,
    line: usize,
    what: String,
}

fn finding(source: &Source, at: usize, what: impl Into<String>) -> Finding {
    Finding {
        path: source.path.clone(),
        line: source.line(at),
        what: what.into(),
    }
}

/// Holds every file to a rule.
fn hold(rule: impl Fn(&Source) -> Vec<Finding>) {
    report(&read_all(root()).iter().flat_map(rule).collect::<Vec<_>>());
}

#[track_caller]
fn report(findings: &[Finding]) {
    let mut text = String::new();
    for Finding { path, line, what } in findings {
        write!(text, "\n  {path}:{line}: {what}").expect("a String takes all that is written");
    }
    assert!(findings.is_empty(), "{} untidy places:{text}\n", findings.len());
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn imports_go_down_only() {
    let floors = Floors::of_repository();
    hold(|source| floors.upward_paths(source));
}

#[test]
fn the_pure_floors_open_no_door() {
    let floors = Floors::of_repository();
    hold(|source| floors.doors_in_pure_code(source));
}

#[test]
fn no_super_leaves_its_floor() {
    hold(climbing_supers);
}

#[test]
fn what_has_one_home_stands_nowhere_else() {
    hold(strayed_words);
}

#[test]
fn module_names_say_what_is_inside() {
    hold(empty_names);
}

#[test]
fn every_file_says_what_it_is() {
    hold(missing_head);
}

#[test]
fn no_file_is_longer_than_one_concept() {
    hold(too_long);
}

#[test]
fn nothing_is_left_half_done() {
    hold(half_done);
}

#[test]
fn no_path_of_one_machine_is_kept() {
    hold(machine_paths);
}

#[test]
fn links_and_paths_in_the_docs_lead_somewhere() {
    hold(|source| dead_links(source, &exists_here));
    hold(|source| dead_paths(source, &exists_here));
}

#[test]
fn every_variable_of_the_environment_is_documented_and_read() {
    report(&one_sided_variables(&read_all(root())));
}

/// A rule, a file's path and text, and the lines in which the rule finds something.
type Breach<'a> = (&'a dyn Fn(&Source) -> Vec<Finding>, &'a str, &'a str, &'a [usize]);

#[test]
#[expect(clippy::too_many_lines, reason = "a table, a row a breach")]
fn a_breach_of_each_rule_is_found() {
    let floors = Floors(
        ["codec", "stripe", "clock", "provider", "store"]
            .map(String::from)
            .to_vec(),
    );
    let nothing_exists = |_: &str| false;
    let rules: &[Breach] = &[
        (
            &|s| floors.upward_paths(s),
            "src/provider/mod.rs",
            "use crate::codec;\nuse crate::{clock::{self, store}, store::{Put, x}};\n",
            &[2],
        ),
        (
            &|s| floors.upward_paths(s),
            "src/stripe/mod.rs",
            "// crate::store\nfn f() { crate::store::put(\"crate::store\") }\n",
            &[2],
        ),
        (&|s| floors.upward_paths(s), "src/main.rs", "use crate::store;\n", &[]),
        (
            &|s| floors.doors_in_pure_code(s),
            "src/codec/mod.rs",
            "use std::fs;\nlet env = 1;\nasync fn f() {}\n#[cfg(test)]\nmod a;\nuse std::fs;\n#[cfg(test)]\nmod b {\nuse std::fs;\n",
            &[1, 3, 6],
        ),
        (
            &|s| floors.doors_in_pure_code(s),
            "src/store/mod.rs",
            "use std::fs;\n",
            &[],
        ),
        (
            &climbing_supers,
            "src/provider/memory.rs",
            "use super::x;\nuse super::super::store;\n#[cfg(test)]\nmod tests { use super::super::x;\n",
            &[2],
        ),
        (
            &strayed_words,
            "src/store/put.rs",
            "use opendal::Operator;\nuse opendal_core::X;\nuse crate::provider::opendal::Y;\nlet opendal = 1;\n",
            &[1, 2],
        ),
        (
            &strayed_words,
            "src/store/put.rs",
            "let t = SystemTime::now();\nprintln!(\"unsafe\");\nunsafe { x() }\nlet c = '\"'; io::stdout();\n",
            &[1, 2, 3, 4],
        ),
        (
            &strayed_words,
            "src/store/put.rs",
            "let x = r#\"println!(\"#; // unsafe\nreprintln!();\n",
            &[],
        ),
        (&strayed_words, "src/cli/output.rs", "println!();\n", &[]),
        (
            &empty_names,
            "src/store/util.rs",
            "//! x\nmod common;\nmod commons;\n",
            &[1, 2],
        ),
        (&missing_head, "src/store/put.rs", "use x;\n//! late\n", &[1]),
        (&too_long, "src/store/put.rs", &"\n".repeat(601), &[602]),
        (&too_long, "src/store/put.rs", &"\n".repeat(600), &[]),
        (&half_done, "docs/x.md", concat!("a\nTO", "DO b\n"), &[2]),
        (
            &half_done,
            "tests/x.rs",
            "#[ignore]\n#[ignore = \"slow\"]\ntodo!()\n",
            &[1, 3],
        ),
        (
            &machine_paths,
            "docs/x.md",
            concat!("see /wo", "rk/main\nhttps://x/wo", "rk/main\n"),
            &[1],
        ),
        (
            &|s| dead_links(s, &nothing_exists),
            "docs/x.md",
            "[a](https://b)\n[b](../c.md#d)\n[e](#f)\n",
            &[2],
        ),
        (
            &|s| dead_paths(s, &nothing_exists),
            "docs/x.md",
            "`src/a.rs` or `b`\n```text\nsrc/c.rs\n```\n`src/*.rs` and `docs/d.md`\n",
            &[1, 5],
        ),
    ];
    for (number, (rule, path, text, lines)) in rules.iter().enumerate() {
        let mut found: Vec<usize> = rule(&Source::new(path, text))
            .iter()
            .map(|finding| finding.line)
            .collect();
        found.sort_unstable();
        assert_eq!(&found, lines, "row {number}: {text}");
    }
    let sides = [
        Source::new("src/a.rs", "\"RAIC_A RAIC_B\""),
        Source::new("docs/a.md", "RAIC_A and RAIC_C, RAIC_*"),
    ];
    let found: Vec<String> = one_sided_variables(&sides)
        .into_iter()
        .map(|finding| finding.what)
        .collect();
    assert!(
        found.len() == 2
            && found[0].starts_with("RAIC_B is in no page")
            && found[1].starts_with("RAIC_C is read by no"),
        "{found:?}"
    );
}

#[test]
fn code_is_told_from_comments_and_literals() {
    for (text, code) in [
        ("a // b\nc", "a     \nc"),
        ("a /* b /* c */ d */ e", "a                   e"),
        ("f(\"a\\\"b\", c)", "f(      , c)"),
        ("f('\"', 'a, b'c')", "f(   , 'a,     )"),
        ("f('\\'', '\u{e9}')", "f(    ,     )"),
        ("r#\"a\"b\"# c", "         c"),
        ("br\"a\\\" c", "       c"),
        ("b'x' b\"y\" r c", "          r c"),
        ("for x in r#type {}", "for x in r#type {}"),
        ("&'a str, 'b: loop", "&'a str, 'b: loop"),
    ] {
        assert_eq!(Source::new("x.rs", text).code, code, "{text}");
    }
}
