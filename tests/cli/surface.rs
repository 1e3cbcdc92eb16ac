//! Help, suggestions, colours, pipes and signals.

use std::io::Read;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::home::{Home, ramp};

const VERBS: [&str; 28] = [
    "init",
    "demo",
    "put",
    "get",
    "cat",
    "ls",
    "stat",
    "rm",
    "du",
    "status",
    "doctor",
    "scrub",
    "repair",
    "bench",
    "bench codec",
    "bench compare",
    "bench report",
    "bench verify",
    "plan",
    "prices",
    "provider",
    "config",
    "key",
    "completions",
    "man",
    "version",
    "help",
    "provider add",
];

#[test]
fn the_first_page_fits_a_screen_and_every_verb_has_a_page() {
    let home = Home::new();
    let help = home.raic(&["--help"]).ends(0);
    assert!(help.out.lines().count() <= 30, "{}", help.out);
    assert_eq!(home.raic(&["help"]).ends(0).out, help.out);
    for verb in VERBS {
        let mut line: Vec<&str> = verb.split(' ').collect();
        line.push("--help");
        let page = home.raic(&line).ends(0);
        assert!(page.out.contains("Usage: raic"), "{verb}: {}", page.out);
        assert!(!page.out.contains('\u{1b}'));
    }
    assert_eq!(home.raic(&[]).ends(2).err, help.out);
    assert!(home.raic(&["--version"]).ends(0).out.starts_with("raic "));
}

#[test]
fn misspelt_words_are_answered_with_the_right_one() {
    let home = Home::new();
    for (line, right) in [
        (&["qqq"][..], "init demo put get"),
        (&["statsu"], "status"),
        (&["pu", "x"], "put"),
        (&["put", "x", "--progres", "off"], "--progress"),
        (&["provider", "tst"], "test"),
        (&["ls", "--jsno"], "--json"),
    ] {
        let run = home.raic(line).ends(2);
        assert!(run.err.contains(right), "{line:?}: {}", run.err);
        assert!(run.err.starts_with("error[E0001]: "), "{}", run.err);
        assert!(run.err.lines().count() <= 8, "{}", run.err);
    }
}

#[test]
fn a_pipe_gets_no_escape_and_a_terminal_is_asked_for_by_name() {
    let home = Home::begun();
    home.file("f", &ramp(100_000));
    let lines = [
        &["put", "f"][..],
        &["ls", "-l"],
        &["stat", "f"],
        &["status"],
        &["du"],
        &["cat", "none"],
        &["provider", "list"],
    ];
    for line in lines {
        let run = home.raic(line);
        assert!(
            !run.out.contains('\u{1b}') && !run.err.contains('\u{1b}'),
            "{line:?}: {} {}",
            run.out,
            run.err
        );
    }
    assert!(home.raic(&["status", "--color", "always"]).out.contains('\u{1b}'));
    assert!(
        home.raic_with(&["status"], &[("CLICOLOR_FORCE", "1")])
            .out
            .contains('\u{1b}')
    );
    assert!(
        !home
            .raic_with(&["status"], &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")])
            .out
            .contains('\u{1b}')
    );
}

#[test]
fn narrow_terminals_get_narrow_tables() {
    let home = Home::begun();
    home.file("f", &ramp(100_000));
    home.raic(&["put", "f"]).ends(0);
    for columns in ["60", "100"] {
        let wide: usize = columns.parse().unwrap();
        for line in [&["ls", "-l"][..], &["stat", "f"], &["status"], &["provider", "list"]] {
            let run = home.raic_with(line, &[("COLUMNS", columns)]);
            let table = run
                .out
                .lines()
                .filter(|line| line.contains("  ") && !line.starts_with("objects") && !line.starts_with("digest"));
            for row in table {
                assert!(row.chars().count() <= wide, "{columns}: {row}");
            }
        }
    }
}

#[test]
fn a_reader_that_goes_away_ends_the_run_without_a_word() {
    let home = Home::begun();
    home.file("f", &ramp(20_000_000));
    home.raic(&["put", "f"]).ends(0);
    let mut command = home.command(&["cat", "f"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = [0; 10];
    let mut out = child.stdout.take().unwrap();
    out.read_exact(&mut first).unwrap();
    drop(out);
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(output.status.code(), Some(141));
}

#[test]
fn a_full_disk_behind_standard_output_is_an_error() {
    if !std::path::Path::new("/dev/full").exists() {
        return;
    }
    let home = Home::begun();
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = home.command(&["status"]).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).starts_with("error[E0209]"));
}

#[test]
fn quiet_is_quiet_and_errors_are_still_told() {
    let home = Home::begun();
    let run = home.raic_fed(&["put", "-q", "-", "x"], b"data").ends(0);
    assert_eq!((run.out.as_str(), run.err.as_str()), ("", ""));
    assert!(
        home.raic(&["cat", "-q", "none"])
            .ends(6)
            .err
            .starts_with("error[E0203]")
    );
}

#[test]
fn completions_and_pages_are_made() {
    let home = Home::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(
            home.raic(&["completions", shell]).ends(0).out.contains("raic"),
            "{shell}"
        );
    }
    assert!(home.raic(&["man"]).ends(0).out.contains(".TH raic 1"));
    home.raic(&["man", "--out", "man"]).ends(0);
    assert!(home.path("man/raic-put.1").exists());
    assert!(home.raic(&["help", "E0403"]).ends(0).out.starts_with("E0403: "));
    assert!(home.raic(&["help", "put"]).ends(0).out.contains("Usage: raic put"));
    assert!(home.raic(&["help", "errors"]).ends(0).out.contains("E0101"));
    assert!(home.raic(&["help", "config"]).ends(0).out.contains("write_quorum"));
}

#[test]
fn ctrl_c_stops_a_put_in_time_and_says_what_is_safe() {
    for (signal, code) in [("-INT", 130), ("-TERM", 143)] {
        let home = Home::begun();
        home.raic_fed(&["put", "-", "x"], b"old").ends(0);
        let mut command = home.command(&["put", "-", "x"]);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let open = child.stdin.take().unwrap();
        std::thread::sleep(Duration::from_millis(700));
        let asked = Instant::now();
        let kill = std::process::Command::new("kill")
            .args([signal, &child.id().to_string()])
            .status()
            .unwrap();
        assert!(kill.success());
        let output = child.wait_with_output().unwrap();
        drop(open);
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{err}");
        assert!(asked.elapsed() < Duration::from_secs(4), "{:?}", asked.elapsed());
        assert!(
            err.contains("interrupted: 0 objects are stored and safe, 1 is not stored"),
            "{err}"
        );
        assert_eq!(home.raic(&["cat", "x"]).ends(0).raw, b"old");
        home.raic_fed(&["put", "-", "x"], b"new").ends(0);
        assert_eq!(home.raic(&["cat", "x"]).ends(0).raw, b"new");
    }
}

#[test]
fn progress_is_told_in_lines_of_json_where_it_is_asked_for() {
    let home = Home::begun();
    home.file("f", &ramp(3_000_000));
    let run = home
        .raic(&["put", "f", "--progress", "json", "--bwlimit", "2M"])
        .ends(0);
    let first: serde_json::Value = serde_json::from_str(run.err.lines().next().unwrap()).unwrap();
    assert_eq!(
        (first["type"].as_str(), first["total"].as_u64()),
        (Some("progress"), Some(3_000_000))
    );
}
