//! `raic plan` as a stranger calls it: wishes, what-ifs, and what nobody should ask.

use crate::home::{Home, ramp};

/// Few services, so that each run is short.
const FEW: &str = "backblaze-b2,cloudflare-r2,idrive-e2,ovh-standard,vultr,wasabi";

fn plan<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [
        &[
            "plan",
            "--data",
            "2TB",
            "--read",
            "200GB/month",
            "--survive",
            "2",
            "--most",
            "5",
            "--only",
            FEW,
        ][..],
        more,
    ]
    .concat()
}

#[test]
fn bad_wishes_are_refused_with_a_reason_and_never_become_a_number_that_is_none() {
    let home = Home::new();
    for (line, code) in [
        (&["plan", "--data", "-1TB"][..], 2),
        (&["plan", "--data", "NaN"], 2),
        (&["plan", "--data", "0B"], 2),
        (&["plan", "--data", "2TB", "--object", "20TB"], 2),
        (
            &["plan", "--data", "1TB", "--only", FEW, "--write-policy", "bad name: x"],
            2,
        ),
        (&["plan", "--data", "99999PiB"], 2),
        (&["plan", "--data", "1TB", "--read", "1TB/week"], 2),
        (&["plan", "--data", "1TB", "--budget", "-3"], 2),
        (&["plan", "--data", "1TB", "--budget", "NaN"], 2),
        (&["plan", "--data", "1TB", "--max-unreadable", "NaN"], 2),
        (&["plan", "--data", "1TB", "--max-unreadable", "-1"], 2),
        (&["plan", "--data", "1TB", "--max-p99", "0ms", "--bench", "x"], 2),
        (&["plan", "--data", "1TB", "--max-p99", "500ms"], 2),
        (&["plan", "--data", "1TB", "--survive", "99"], 2),
        (&["plan", "--data", "1TB", "--most", "13"], 2),
        (&["plan", "--data", "1TB", "--only", "nobody"], 2),
        (&["plan", "--data", "1TB", "--without", "nobody"], 2),
        (&["plan", "--data", "1TB", "--bench", "nowhere"], 2),
        (&["plan", "--data", "1TB", "--what-if", "fall:x"], 2),
        (&["plan", "--data", "1TB", "--what-if", "grow:NaN%"], 2),
        (
            &["plan", "--data", "1TB", "--only", FEW, "--what-if", "leave:nobody"],
            2,
        ),
        (
            &[
                "plan",
                "--data",
                "1TB",
                "--only",
                FEW,
                "--what-if",
                "price:wasabi.storage=cheap",
            ],
            2,
        ),
        (
            &[
                "plan",
                "--data",
                "1TB",
                "--only",
                FEW,
                "--what-if",
                "price:wasabi.colour=1",
            ],
            2,
        ),
        (&["plan", "--data", "1TB", "--move-rate", "0 B/s"], 2),
        (&["plan", "--data", "1TB", "--only", FEW, "--currency", "XYZ"], 1),
        (&["plan", "--data", "1TB", "--only", "wasabi", "--survive", "1"], 1),
        (&["plan", "--data", "1TB", "--only", FEW, "--budget", "0.01"], 1),
    ] {
        let run = home.raic(line).ends(code);
        assert!(run.err.contains("error"), "{line:?}: {}", run.err);
        assert!(
            run.err.lines().count() <= 12 && !run.err.contains("panicked"),
            "{line:?}: {}",
            run.err
        );
    }
}

#[test]
fn where_nothing_fits_the_nearest_mix_is_told_with_what_it_takes() {
    let home = Home::new();
    for (wish, value, nearest) in [
        ("--budget", "0.01", "with --budget "),
        ("--max-unreadable", "0", "with --max-unreadable of "),
    ] {
        let run = home.raic(&plan(&[wish, value])).ends(1);
        assert!(run.err.contains("error[E0802]"), "{}", run.err);
        let line = run.err.lines().find(|line| line.contains(nearest));
        assert!(
            line.is_some_and(|line| line.ends_with("a month")),
            "{wish}: {}",
            run.err
        );
    }
    let (few, more) = ("backblaze-b2,wasabi", "with --survive 1: ");
    let run = home
        .raic(&["plan", "--data", "2TB", "--survive", "2", "--only", few])
        .ends(1);
    assert!(run.err.contains(more), "{}", run.err);
}

#[test]
fn a_mix_that_falls_out_by_a_change_of_price_is_told_with_the_reason() {
    let home = Home::new();
    let first = home.raic(&plan(&["--json"])).ends(0);
    let sheet: serde_json::Value = serde_json::from_slice(&first.raw).unwrap();
    let member = sheet["mixes"][0]["services"][0].as_str().unwrap();
    let change = format!("price:{member}.storage=null");
    let run = home.raic(&plan(&["--what-if", &change])).ends(0);
    let why = format!("#1 would fall out ({member}:");
    assert!(
        run.out.contains(&why) && run.out.contains("cheapest then: "),
        "{}",
        run.out
    );
}

#[test]
fn bad_figures_of_ones_own_are_refused_with_their_place() {
    let home = Home::new();
    for (figure, what) in [
        ("storage: { value: -0.01/GB-month }", "prices.yaml:3"),
        ("storage: { value: NaN }", "prices.yaml:3"),
        ("storage: { value: 5/month }", "prices.yaml:3"),
        (
            "storage: { value: 0.01/GB-month, date: \"2026-13-40\" }",
            "prices.yaml:3",
        ),
        ("min_days: { value: -1 }", "prices.yaml:3"),
        ("colour: { value: 1 }", "prices.yaml:3"),
        ("egress_free: { value: { kind: pool, pool: nobody } }", "nobody"),
    ] {
        let text = format!("version: 1\nproviders:\n  wasabi: {{ {figure} }}\n");
        home.file("prices.yaml", text.as_bytes());
        let run = home.raic(&plan(&["--prices", "prices.yaml"])).ends(2);
        assert!(
            run.err.contains("E0801") && run.err.contains(what),
            "{figure}: {}",
            run.err
        );
    }
    // Old ones are named, unknown ones leave a service out, and neither is taken for nothing.
    home.file(
        "prices.yaml",
        b"version: 1\nproviders:\n  wasabi: { storage: { value: 0.001/GB-month, date: \"2001-01-01\" } }\n  vultr: { storage: { value: null } }\n",
    );
    let run = home.raic(&plan(&["--prices", "prices.yaml"])).ends(0);
    assert!(
        run.err.contains("older than 180 days") && run.err.contains("wasabi"),
        "{}",
        run.err
    );
    assert!(run.out.contains("left out: vultr   not known: storage"), "{}", run.out);
}

#[test]
fn what_is_asked_is_answered_with_costs_times_and_whether_it_pays() {
    let home = Home::new();
    let asked = [
        "--what-if",
        "leave:backblaze-b2",
        "--what-if",
        "out:backblaze-b2",
        "--what-if",
        "grow:5%/month",
        "--what-if",
        "price:backblaze-b2.storage=60/TB-month",
    ];
    let run = home.raic(&plan(&asked)).ends(0);
    for line in [
        "what if backblaze-b2 leaves?",
        "takes its place",
        "while it answers: ",
        "when it is gone: ",
        "what if backblaze-b2 is out?",
        "all can be read, 1 more may be lost",
        "what if the data grow by 5.0 % a month?",
        "in 36 months",
        "what if backblaze-b2 asks 60/TB-month (storage)?",
        "moving there: ",
        "one copy at aws-s3-standard",
        "spread evenly over all 6 services",
        "with the cheapest storage",
        "not taken: ",
    ] {
        assert!(run.out.contains(line), "{line}\n{}", run.out);
    }
    assert!(!run.out.contains("NaN") && !run.out.contains("inf"), "{}", run.out);
    let json = home.raic(&plan(&[&asked[..], &["--json"]].concat())).ends(0).json();
    let answers = json["what_if"].as_array().unwrap();
    assert_eq!(answers.len(), 4);
    let (copied, rebuilt) = (&answers[0]["moves"][0], &answers[0]["moves"][1]);
    assert!(rebuilt["read"].as_f64().unwrap() > 1.9 * copied["read"].as_f64().unwrap());
    assert_eq!(answers[2]["sizes"].as_array().unwrap().len(), 5);
    // Somebody who isn't part of it changes nothing.
    let none = home.raic(&plan(&["--what-if", "leave:aws-s3-standard"])).ends(0);
    assert!(
        none.out.contains("it is not part of #1, nothing changes"),
        "{}",
        none.out
    );
}

#[test]
fn ten_thousand_million_objects_are_reckoned_on_paper_to_the_byte() {
    let home = Home::new();
    let line = [
        "plan",
        "--data",
        "10PB",
        "--object",
        "1MB",
        "--read",
        "1PB/month",
        "--survive",
        "2",
        "--most",
        "4",
        "--top",
        "1",
        "--only",
        FEW,
        "--json",
    ];
    let plan = home.raic(&line).ends(0).json();
    let mix = &plan["mixes"][0];
    let seats = mix["seats"].as_array().unwrap();
    let stored: f64 = seats.iter().map(|seat| seat["stored"].as_f64().unwrap()).sum();
    let n = f64::from(u8::try_from(seats.len()).unwrap());
    let expansion = n / mix["k"].as_f64().unwrap();
    assert!(
        (stored / (10e15 * expansion) - 1.0).abs() < 0.02,
        "{stored} {expansion}"
    );
    assert!(mix["cost"].as_f64().unwrap() > 50_000.0 && seats[0]["gets"].as_f64().unwrap() > 1e8);
}

#[test]
fn a_plan_on_a_bench_weighs_what_was_measured() {
    let home = Home::new();
    let bench = [
        "bench",
        "--sim",
        "--sizes",
        "64KiB",
        "--duration",
        "3s",
        "--objects",
        "8",
        "--mixes",
        "1",
        "--out",
        "run",
    ];
    home.raic(&bench).ends(0);
    let line = [
        "plan",
        "--data",
        "1TB",
        "--bench",
        "run",
        "--survive",
        "1",
        "--most",
        "4",
        "--json",
    ];
    let all = home.raic(&line).ends(0);
    assert!(all.err.contains("SIMULATED"), "{}", all.err);
    let all = all.json();
    let times: Vec<f64> = all["mixes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|mix| mix["read_p99_ms"].as_f64().unwrap())
        .collect();
    let fastest = times.iter().copied().fold(f64::INFINITY, f64::min);
    let slowest = times.iter().copied().fold(0.0, f64::max);
    assert!(fastest < slowest);
    let bound = format!("{:.0}ms", fastest + (slowest - fastest) / 2.0);
    let bounded = home.raic(&[&line[..], &["--max-p99", &bound]].concat()).ends(0).json();
    for mix in bounded["mixes"].as_array().unwrap() {
        assert!(
            mix["read_p99_ms"].as_f64().unwrap() <= fastest + (slowest - fastest) / 2.0 + 1.0,
            "{mix}"
        );
    }
    home.raic(&[&line[..], &["--max-p99", "1ms"]].concat()).ends(1);
}

#[test]
fn answers_keep_within_the_width_of_the_terminal() {
    let home = Home::new();
    let asked = ["--what-if", "leave:backblaze-b2", "--what-if", "grow:5%/month"];
    let line = plan(&asked);
    for columns in ["60", "100"] {
        let wide: usize = columns.parse().unwrap();
        for line in [&line[..], &["prices"], &["prices", "wasabi", "hetzner-eu"]] {
            let run = home.raic_with(line, &[("COLUMNS", columns)]).ends(0);
            for row in run.out.lines() {
                assert!(row.chars().count() <= wide, "{columns}: {row}");
            }
        }
        // What was cut from beside a row stands below it.
        let run = home.raic_with(&line, &[("COLUMNS", columns)]).ends(0);
        assert!(
            run.out.contains("backblaze-b2") && run.out.contains("K+M"),
            "{}",
            run.out
        );
    }
}

#[test]
fn a_put_that_is_only_priced_names_the_bytes_that_it_would_send_and_stores_nothing() {
    let home = Home::begun();
    home.file("f", &ramp(3_000_000));
    let told = home.raic(&["put", "-n", "f"]).ends(0);
    assert!(
        told.out.starts_with("would store  1 object, 2.9 MiB as 4+2: "),
        "{}",
        told.out
    );
    let priced = home.raic(&["put", "-n", "f", "--json"]).ends(0).json();
    assert_eq!(
        (&priced["type"], &priced["bytes"]),
        (&"priced".into(), &3_000_000.into())
    );
    let piped = home.raic_fed(&["put", "-n", "-", "--name", "x"], b"abc").ends(0);
    assert!(piped.err.contains("1 source isn't reckoned with"), "{}", piped.err);
    assert!(home.raic(&["ls"]).ends(0).out.is_empty());
    // What a real put wrote is what a removal would free.
    home.raic(&["put", "f"]).ends(0);
    let freed = home.raic(&["rm", "-n", "f", "--json"]).ends(0).json();
    let freed: u64 = freed["freed"]
        .as_object()
        .unwrap()
        .values()
        .map(|bytes| bytes.as_u64().unwrap())
        .sum();
    let sent = priced["providers"].as_array().unwrap();
    let sent: u64 = sent
        .iter()
        .map(|charge| charge["written_bytes"].as_u64().unwrap())
        .sum();
    assert_eq!(sent, freed);
}
