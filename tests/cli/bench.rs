//! `raic bench` as a stranger calls it: without an account, on folders, against bounds.

use std::collections::BTreeMap;
use std::path::Path;

use crate::home::{Home, Run};

const FILES: [&str; 5] = ["mixes.csv", "report.html", "report.md", "run.json", "samples.csv"];

/// A short bench on providers that don't exist.
fn simulated(home: &Home, more: &[&str]) -> Run {
    let short = [
        "bench",
        "--sim",
        "--sizes",
        "64KiB",
        "--duration",
        "4s",
        "--objects",
        "12",
        "--mixes",
        "2",
    ];
    home.raic(&[&short[..], more].concat())
}

fn files(folder: &Path) -> BTreeMap<String, String> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let text = |entry: std::fs::DirEntry| {
        let name = entry.file_name().into_string().unwrap();
        (name, std::fs::read_to_string(entry.path()).unwrap())
    };
    entries.map(text).collect()
}

/// All files below a folder.
fn blobs(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(blobs(&path));
        } else {
            found.push(path.display().to_string());
        }
    }
    found
}

#[test]
fn in_an_empty_home_a_bench_is_whole_says_simulated_everywhere_and_one_seed_is_one_run() {
    let home = Home::new();
    let first = simulated(&home, &["--out", "one"]).ends(0);
    assert!(
        first.out.starts_with("SIMULATED") && first.out.contains("Pareto front"),
        "{}",
        first.out
    );
    simulated(&home, &["--out", "two"]).ends(0);
    let (one, two) = (files(&home.path("one")), files(&home.path("two")));
    assert_eq!(one.keys().collect::<Vec<_>>(), FILES);
    assert!(one == two, "one seed, two runs");
    for (name, text) in &one {
        let word = if name == "report.html" || name == "report.md" {
            "SIMULATED"
        } else {
            "simulated"
        };
        assert!(text.contains(word), "{name}");
    }
    simulated(&home, &["--out", "three", "--seed", "2"]).ends(0);
    assert_ne!(one["run.json"], files(&home.path("three"))["run.json"]);
    // Nothing else lies in the home: no configuration, no state.
    let mut left: Vec<String> = std::fs::read_dir(home.path(""))
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort();
    assert_eq!(left, ["one", "three", "two"]);
}

#[test]
fn without_a_configuration_a_bench_is_on_providers_that_do_not_exist() {
    let home = Home::new();
    let line = [
        "bench",
        "--sizes",
        "1KiB",
        "--duration",
        "2s",
        "--objects",
        "4",
        "--mixes",
        "1",
    ];
    let run = home.raic_with(&line, &[("COLUMNS", "60")]).ends(0);
    for row in run.out.lines() {
        assert!(row.chars().count() <= 60, "{row}");
    }
    assert!(
        run.out.starts_with("SIMULATED") && run.err.contains("there is no configuration"),
        "{}",
        run.err
    );
    home.raic(&["bench", "--sim", "--providers", "a"]).ends(2);
}

#[test]
fn bounds_and_comparisons_end_with_eight_when_they_are_not_kept() {
    let home = Home::new();
    simulated(
        &home,
        &[
            "--out",
            "a",
            "--threshold",
            "read.p99<60s",
            "--threshold",
            "near.read.rate>1MiB/s",
        ],
    )
    .ends(0);
    let slow = simulated(&home, &["--threshold", "read.p99<1ms"]).ends(8);
    assert!(slow.err.contains("read.p99<1ms: "), "{}", slow.err);
    simulated(&home, &["--threshold", "nobody.read.p99<1ms"]).ends(2);
    home.raic(&["bench", "--sim", "--threshold", "read.p99<soon"]).ends(2);
    let same = home
        .raic(&["bench", "compare", "a", "a/run.json", "--threshold", "5%"])
        .ends(0);
    assert!(same.out.starts_with("SIMULATED: 0 figures worse"), "{}", same.out);
    // The same run with everything three times as slow.
    let mut run: serde_json::Value = serde_json::from_str(&files(&home.path("a"))["run.json"]).unwrap();
    for provider in run["providers"].as_array_mut().unwrap() {
        for task in provider["tasks"].as_array_mut().unwrap() {
            for (key, factor) in [("latency_ms", 3.0), ("bytes_per_second", 1.0 / 3.0)] {
                for value in task[key].as_object_mut().unwrap().values_mut() {
                    *value = (value.as_f64().unwrap() * factor).into();
                }
            }
        }
    }
    home.file("slow.json", run.to_string().as_bytes());
    home.raic(&["bench", "compare", "a", "slow.json"]).ends(0);
    let worse = home
        .raic(&["bench", "compare", "a", "slow.json", "--threshold", "20%"])
        .ends(8);
    assert!(worse.err.contains("went from"), "{}", worse.err);
    home.raic(&["bench", "compare", "slow.json", "a", "--threshold", "20%"])
        .ends(0);
    home.raic(&["bench", "compare", "a", "a", "--threshold", "often"])
        .ends(2);
}

#[test]
fn a_report_is_made_anew_from_its_run_and_what_is_no_run_is_refused() {
    let home = Home::new();
    simulated(&home, &["--out", "a"]).ends(0);
    home.raic(&["bench", "report", "a/run.json", "--out", "b"]).ends(0);
    let (one, again) = (files(&home.path("a")), files(&home.path("b")));
    for (name, text) in &again {
        assert!(one[name] == *text, "{name}");
    }
    for bad in ["", "{}", "{\"schema\":\"raic.plan/1\"}", "[1,2"] {
        home.file("bad.json", bad.as_bytes());
        let refused = home.raic(&["bench", "report", "bad.json"]).ends(2);
        assert!(refused.err.contains("E0805"), "{bad}: {}", refused.err);
    }
    home.raic(&["bench", "report", "nowhere"]).ends(2);
    home.raic(&["bench", "--sim", "--out", "bad.json/below"]).ends(1);
}

#[test]
fn on_folders_nothing_is_left_behind_and_the_configured_mix_is_among_the_tried() {
    let home = Home::begun();
    let line = [
        "bench",
        "--sizes",
        "1KiB",
        "--duration",
        "150ms",
        "--objects",
        "4",
        "--mixes",
        "1",
        "--outage",
        "--out",
        "run",
    ];
    let run = home.raic(&line).ends(0);
    assert!(
        !run.out.contains("SIMULATED") && run.err.contains("raic-bench-"),
        "{}",
        run.err
    );
    let kept: serde_json::Value = serde_json::from_str(&files(&home.path("run"))["run.json"]).unwrap();
    let today: Vec<&serde_json::Value> = kept["mixes"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|mix| mix["today"] == true)
        .collect();
    assert_eq!(today.len(), 1);
    // Six out alone, fifteen pairs: the policy outlives each.
    let without = today[0]["lived"]["without"].as_array().unwrap();
    assert_eq!(without.len(), 21);
    assert!(
        without
            .iter()
            .all(|out| out["reads"]["failed"].as_object().unwrap().is_empty())
    );
    // Folders may stay, blobs don't.
    for number in 1..=6 {
        let left: Vec<_> = blobs(&home.disk(number))
            .into_iter()
            .filter(|path| path.contains("raic-bench"))
            .collect();
        assert!(left.is_empty(), "{left:?}");
    }
    home.raic(&["bench", "--providers", "zebra"]).ends(2);
    home.raic(&["bench", "--sizes", "0.5KiB", "--duration", "soon"]).ends(2);
}

#[test]
fn a_run_foretells_mixes_that_are_tried_later() {
    let home = Home::new();
    simulated(&home, &["--out", "a"]).ends(0);
    // The slowest of so few reads are too few to hold it to: half of the reads are not.
    let told = home.raic(&[
        "bench",
        "verify",
        "a",
        "--mixes",
        "3",
        "--objects",
        "20",
        "--reads",
        "60",
        "--json",
    ]);
    assert!(told.code == 0 || told.code == 8, "{}", told.err);
    let told = told.json();
    assert_eq!(told["schema"], "raic.bench.verify/1");
    let mixes = told["mixes"].as_array().unwrap();
    assert_eq!(mixes.len(), 3);
    for mix in mixes {
        assert!(mix["p50_ms"]["percent_off"].as_f64().unwrap().abs() < 25.0, "{mix}");
    }
}
