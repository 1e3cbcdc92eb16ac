//! Bad input: each is refused with a code, a place or a remedy, in at most eight lines, and changes nothing.

use std::os::unix::fs::PermissionsExt;

use crate::home::{CANARY, Home, ramp};

/// What is wrong, how it is brought about, what is typed, and how it has to end.
pub(crate) struct Case {
    what: &'static str,
    spoil: fn(&Home),
    line: &'static [&'static str],
    exit: i32,
    code: &'static str,
}

pub(crate) const fn case(
    what: &'static str,
    spoil: fn(&Home),
    line: &'static [&'static str],
    exit: i32,
    code: &'static str,
) -> Case {
    Case {
        what,
        spoil,
        line,
        exit,
        code,
    }
}

pub(crate) fn nothing(_: &Home) {}

/// Replaces a part of the configuration.
pub(crate) fn swap(home: &Home, from: &str, to: &str) {
    home.reconfigure(|text| {
        assert!(text.contains(from), "{from} is not in {text}");
        text.replacen(from, to, 1)
    });
}

pub(crate) fn append(home: &Home, lines: &str) {
    home.reconfigure(|text| text + lines);
}

pub(crate) const LS: &[&str] = &["ls"];

pub(crate) fn chmod(path: &std::path::Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

pub(crate) const INPUT: &[Case] = &[
    case("a file that isn't", nothing, &["put", "none"], 1, "E0206"),
    case(
        "a folder without -r",
        |h| drop(h.file("d/x", b"x")),
        &["put", "d"],
        2,
        "E0207",
    ),
    case("a name that is empty", nothing, &["put", "f", "--name", ""], 2, "E0001"),
    case("a name with ..", nothing, &["put", "f", "--name", "a/../b"], 2, "E0201"),
    case("a name with //", nothing, &["put", "f", "--name", "a//b"], 2, "E0201"),
    case(
        "a name that begins with /",
        nothing,
        &["put", "f", "--name", "/a"],
        2,
        "E0201",
    ),
    case(
        "a name with a control character",
        nothing,
        &["put", "f", "--name", "a\u{1b}[31mb"],
        2,
        "E0201",
    ),
    case(
        "a policy that isn't",
        nothing,
        &["put", "f", "--policy", "gold"],
        2,
        "E0109",
    ),
    case("standard input without a name", nothing, &["put", "-"], 2, "E0001"),
    case(
        "several files and one name",
        |h| drop(h.file("g", b"g")),
        &["put", "f", "g", "--name", "n"],
        2,
        "E0001",
    ),
    case(
        "two files of one name",
        |h| drop(h.file("d/f", b"x")),
        &["put", "f", "d/f", "p/"],
        2,
        "E0001",
    ),
    case(
        "a rate that is none",
        nothing,
        &["put", "f", "--bwlimit", "fast"],
        2,
        "E0001",
    ),
    case("a rate of 0", nothing, &["put", "f", "--bwlimit", "0"], 2, "E0001"),
    case("an object that isn't", nothing, &["get", "none"], 6, "E0203"),
    case("an object that isn't, removed", nothing, &["rm", "none"], 6, "E0203"),
    case(
        "an object that isn't, looked at",
        nothing,
        &["stat", "none"],
        6,
        "E0203",
    ),
    case(
        "a name to read that can't be",
        nothing,
        &["cat", "../etc/passwd"],
        2,
        "E0201",
    ),
    case(
        "a range behind the end",
        nothing,
        &["cat", "x", "--range", "4-9"],
        2,
        "E0202",
    ),
    case(
        "a range that ends before it begins",
        nothing,
        &["cat", "x", "--range", "9-4"],
        2,
        "E0001",
    ),
    case(
        "a range that is none",
        nothing,
        &["cat", "x", "--range", "a-b"],
        2,
        "E0001",
    ),
    case(
        "a target that is there",
        |h| drop(h.file("x", b"mine")),
        &["get", "x"],
        2,
        "E0208",
    ),
    case("a target below a file", nothing, &["get", "x", "-o", "f/x"], 1, "E0208"),
    case(
        "a provider to avoid that isn't",
        nothing,
        &["cat", "x", "--avoid", "disk9"],
        2,
        "E0109",
    ),
    case("an unknown verb", nothing, &["frobnicate"], 2, "E0001"),
    case("an unknown flag", nothing, &["ls", "--frob"], 2, "E0001"),
    case(
        "a flag of another value",
        nothing,
        &["ls", "--sort", "colour"],
        2,
        "E0001",
    ),
    case("no argument", nothing, &["put"], 2, "E0001"),
    case("removing everything", nothing, &["rm", "-r", ""], 2, "E0001"),
    case(
        "too few folders",
        nothing,
        &["init", "--force", "--providers", "2"],
        2,
        "E0001",
    ),
    case(
        "a beginning beside data whose key is gone",
        |h| std::fs::remove_dir_all(h.path(".config/raic")).unwrap(),
        &["init"],
        2,
        "E0603",
    ),
    case(
        "a provider that is there already",
        nothing,
        &["provider", "add", "disk1", "fs", "root=r"],
        2,
        "E0120",
    ),
    case(
        "a provider of an unknown scheme",
        nothing,
        &["provider", "add", "n", "fz", "root=r"],
        2,
        "E0108",
    ),
    case(
        "a provider with an unknown option",
        nothing,
        &["provider", "add", "n", "fs", "rot=r"],
        2,
        "E0101",
    ),
    case(
        "a provider that doesn't work",
        nothing,
        &[
            "provider",
            "add",
            "n",
            "s3",
            "bucket=b",
            "region=auto",
            "endpoint=http://127.0.0.1:9",
            "access_key_id=a",
            "secret_access_key=file:secret",
        ],
        7,
        "E0314",
    ),
    case(
        "a provider that is a folder of another",
        nothing,
        &["provider", "add", "n", "fs", "root=.local/share/raic/disk1"],
        2,
        "E0104",
    ),
    case(
        "a provider that policies need",
        nothing,
        &["provider", "remove", "disk1", "--lost"],
        2,
        "E0116",
    ),
    case(
        "an option without a value",
        nothing,
        &["provider", "add", "n", "fs", "root"],
        2,
        "E0001",
    ),
    case(
        "a secret on the command line",
        nothing,
        &["provider", "add", "n", "s3", "secret_access_key=canary-5f1d-secret"],
        2,
        "E0107",
    ),
    case(
        "a provider to test that isn't",
        nothing,
        &["provider", "test", "none"],
        2,
        "E0109",
    ),
    case(
        "a provider to remove that isn't",
        nothing,
        &["provider", "remove", "none"],
        2,
        "E0109",
    ),
    case(
        "a scheme that isn't",
        nothing,
        &["provider", "schemes", "fz"],
        2,
        "E0108",
    ),
    case("a key over a key", nothing, &["key", "export", "--to", "f"], 2, "E0602"),
    case(
        "a key to import that is none",
        |h| drop(h.file("f", b"no key")),
        &["key", "import", "f"],
        12,
        "E0601",
    ),
    case("an error code that isn't", nothing, &["help", "E9999"], 2, "E0001"),
    case(
        "a catalog that is none",
        |h| {
            std::fs::write(h.path(".local/state/raic/catalog.db"), ramp(9000)).unwrap();
            drop(std::fs::remove_file(h.path(".local/state/raic/catalog.db-wal")));
        },
        LS,
        1,
        "E0502",
    ),
];

#[test]
fn bad_input_is_refused_well_and_changes_nothing() {
    refused(INPUT);
}

#[track_caller]
pub(crate) fn refused(cases: &[Case]) {
    let mut wrong = Vec::new();
    for case in cases {
        let home = Home::begun();
        home.file("f", &ramp(300));
        chmod(&home.file("secret", CANARY.as_bytes()), 0o600);
        home.raic_fed(&["put", "-", "x"], b"abc").ends(0);
        (case.spoil)(&home);
        let before = home.contents();
        let run = home.raic(case.line);
        let mut faults = Vec::new();
        if run.code != case.exit {
            faults.push(format!("ends with {}", run.code));
        }
        if !run.err.starts_with(&format!("error[{}]: ", case.code)) {
            faults.push(format!("is not {}", case.code));
        }
        if run.err.lines().count() > 8 || run.err.lines().count() < 2 {
            faults.push("has the wrong length".to_owned());
        }
        for never in ["panicked", "RUST_BACKTRACE", CANARY, "\u{1b}"] {
            if run.err.contains(never) || run.out.contains(never) {
                faults.push(format!("says {never:?}"));
            }
        }
        let after = home.contents();
        let changed: Vec<_> = after
            .iter()
            .filter(|file| !before.contains(file))
            .map(|(path, _)| path)
            .collect();
        if !changed.is_empty() || after.len() != before.len() {
            faults.push(format!("changed {changed:?}"));
        }
        if !faults.is_empty() {
            wrong.push(format!("{} {}\n{}{}", case.what, faults.join(", "), run.out, run.err));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_missing_secret_takes_out_one_provider_and_shows_no_other() {
    let home = Home::begun();
    swap(
        &home,
        "  disk1:\n",
        "  cloud:\n    scheme: s3\n    options: { bucket: b, region: auto, endpoint: \"http://127.0.0.1:9\", access_key_id: { env: CLOUD_ID }, secret_access_key: { env: CLOUD_KEY } }\n    operator: o\n  disk1:\n",
    );
    let run = home.raic_with(&["put", "none-here", "x"], &[("CLOUD_ID", "id")]);
    assert_eq!(run.code, 1, "{}", run.err);
    let run = home.raic_with(&["status", "-vv"], &[("CLOUD_ID", "id"), ("CLOUD_KEY", CANARY)]);
    assert!(
        !run.err.contains(CANARY) && !run.out.contains(CANARY),
        "{} {}",
        run.out,
        run.err
    );
    home.file("f", &ramp(10_000));
    let run = home.raic_with(&["put", "f", "-vv"], &[("CLOUD_ID", "id"), ("CLOUD_KEY", CANARY)]);
    assert!(
        !run.err.contains(CANARY) && !run.out.contains(CANARY),
        "{} {}",
        run.out,
        run.err
    );
    for (path, bytes) in home.contents() {
        let found = bytes.windows(CANARY.len()).any(|window| window == CANARY.as_bytes());
        assert!(!found, "the secret is in {}", path.display());
    }
}

#[test]
fn two_who_write_at_once_are_told_apart() {
    let home = Home::begun();
    let mut command = home.command(&["put", "-", "x"]);
    let mut first = command
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let lock = home.path(".local/state/raic/writer.lock");
    while std::fs::read(&lock).map_or(true, |text| text != format!("{}\n", first.id()).into_bytes()) {
        std::thread::yield_now();
    }
    home.file("f", b"f");
    let second = home.raic(&["put", "f"]).ends(1);
    assert!(second.err.starts_with("error[E0507]: "), "{}", second.err);
    assert!(second.err.contains(&first.id().to_string()), "{}", second.err);
    home.raic(&["ls"]).ends(0);
    drop(first.stdin.take());
    assert!(first.wait().unwrap().success());
}

#[test]
fn a_device_is_not_replaced_and_a_bad_variable_is_no_panic() {
    let home = Home::begun();
    home.raic_fed(&["put", "-", "x"], b"bytes").ends(0);
    let pipe = home.path("pipe");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &pipe,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
    let run = home.raic(&["get", "x", "-f", "-o", "pipe"]).ends(2);
    assert!(run.err.contains("is a device, a pipe or a socket"), "{}", run.err);
    let run = home.raic_with(&["ls"], &[("RAIC_PROGRESS", "bad")]).ends(2);
    assert!(run.err.starts_with("error[E0001]"), "{}", run.err);
}

/// The key file beside the configuration.
fn key_file(home: &Home) -> std::path::PathBuf {
    home.path(".config/raic/key")
}

#[test]
fn a_wrong_key_used_where_there_is_no_catalog_leaves_nothing_in_the_way() {
    let (home, other) = (Home::begun(), Home::begun());
    home.raic_fed(&["put", "-", "x"], b"abc").ends(0);
    let right = std::fs::read(key_file(&home)).unwrap();
    std::fs::remove_dir_all(home.path(".local/state/raic")).unwrap();
    std::fs::write(key_file(&home), std::fs::read(key_file(&other)).unwrap()).unwrap();
    home.raic_fed(&["put", "-", "y"], b"def");
    std::fs::write(key_file(&home), right).unwrap();
    home.raic(&["ls"]).ends(0);
    home.raic(&["recover"]).ends(0);
    let read = home.raic(&["cat", "x"]).ends(0);
    assert_eq!(read.raw, b"abc");
}

#[test]
fn one_name_that_no_object_can_have_keeps_no_other_file_from_being_stored() {
    let home = Home::begun();
    home.file("d/good", b"good");
    home.file("d/line\nbreak", b"bad");
    let run = home.raic(&["put", "-r", "d"]);
    assert_ne!(run.code, 0, "{}", run.err);
    assert_eq!(home.raic(&["cat", "d/good"]).ends(0).raw, b"good");
    assert_eq!(
        home.raic(&["ls", "-r"])
            .ends(0)
            .out
            .lines()
            .filter(|line| line.contains("d/"))
            .count(),
        1
    );
}

#[test]
fn a_name_cannot_turn_what_a_terminal_shows() {
    let home = Home::begun();
    home.raic_fed(&["put", "-", "a\u{202e}gpj.exe"], b"x").ends(0);
    let listed = home.raic(&["ls"]).ends(0);
    assert!(
        !listed.out.contains('\u{202e}') && listed.out.contains("gpj.exe"),
        "{}",
        listed.out
    );
}

#[test]
fn a_configuration_without_its_key_is_told_so() {
    let home = Home::begun();
    assert!(!home.raic(&["config", "check"]).ends(0).err.contains("key"));
    std::fs::remove_file(key_file(&home)).unwrap();
    let run = home.raic(&["config", "check"]).ends(0);
    assert!(run.err.contains("without the key"), "{}", run.err);
}

#[test]
fn regression_a_limit_of_the_files_length_is_a_failure_of_the_put_and_no_death() {
    let home = Home::begun();
    home.file("long", &ramp(3_000_000));
    let limited = home.command(&["put", "long"]);
    let mut shell = std::process::Command::new("sh");
    shell
        .args(["-c", "ulimit -f 600; exec \"$0\" \"$@\""])
        .arg(limited.get_program())
        .args(limited.get_args());
    for (name, value) in limited.get_envs() {
        value.map(|value| shell.env(name, value));
    }
    let run = shell.current_dir(home.path("")).output().expect("a shell");
    let told = String::from_utf8_lossy(&run.stderr);
    assert_eq!(run.status.code(), Some(7), "{told}");
    assert!(told.contains("E0401") && told.contains("file too large"), "{told}");
    home.raic(&["put", "long"]).ends(0);
}
