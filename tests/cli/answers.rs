//! Each answer in JSON is what its schema in `docs/schemas` says.

use std::path::Path;

use crate::home::{Home, Run, ramp};

#[track_caller]
fn check(value: &serde_json::Value) {
    let name = value["schema"].as_str().unwrap_or_else(|| panic!("no schema: {value}"));
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("docs/schemas")
        .join(name.replace('/', "-") + ".json");
    let schema: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<String> = validator.iter_errors(value).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{name}: {errors:?}\n{value}");
}

#[track_caller]
fn document(run: &Run, name: &str) -> serde_json::Value {
    let value = run.json();
    assert_eq!(value["schema"], name);
    check(&value);
    value
}

#[track_caller]
fn lines(run: &Run, name: &str) -> Vec<serde_json::Value> {
    let values = run.json_lines();
    assert_eq!(values.last().unwrap()["type"], "summary");
    for value in &values {
        assert_eq!(value["schema"], name);
        check(value);
    }
    values
}

#[test]
#[expect(clippy::too_many_lines, reason = "a list, a line an answer")]
fn every_answer_in_json_is_what_its_schema_says() {
    let home = Home::new();
    let begun = document(&home.raic(&["init", "--json"]).ends(0), "raic.init/1");
    assert_eq!(begun["k"], 4);
    home.file("t/a", &ramp(100_000));
    home.file("t/b", b"");
    let put = lines(&home.raic(&["put", "-r", "t", "--json"]).ends(0), "raic.put/1");
    assert_eq!(put.len(), 3);
    let got = lines(&home.raic(&["get", "-r", "t", "out/", "--json"]).ends(0), "raic.get/1");
    assert_eq!(got.last().unwrap()["written"], 2);
    let ls = document(&home.raic(&["ls", "-rl", "--json"]).ends(0), "raic.ls/1");
    assert_eq!(ls["entries"][0]["name"], "t/a");
    assert_eq!(ls["entries"][0]["bytes"], 100_000);
    let du = document(&home.raic(&["du", "--json"]).ends(0), "raic.du/1");
    assert_eq!(du["total"]["objects"], 2);
    let stat = document(&home.raic(&["stat", "t/a", "--json"]).ends(0), "raic.stat/1");
    assert_eq!(stat["extents"][0]["fragments"].as_array().unwrap().len(), 6);
    let status = document(&home.raic(&["status", "--json"]).ends(0), "raic.status/1");
    assert_eq!((&status["state"], &status["can_lose"]), (&"ok".into(), &2.into()));
    let doctor = document(&home.raic(&["doctor", "--json"]).ends(4), "raic.doctor/1");
    assert!(doctor["to_mend"].as_u64().unwrap() > 0, "six folders on one disk");
    lines(&home.raic(&["repair", "-n", "--json"]).ends(0), "raic.repair/1");
    let scrub = lines(&home.raic(&["scrub", "--deep", "--json"]).ends(0), "raic.scrub/1");
    assert_eq!(scrub.last().unwrap()["read"], scrub.last().unwrap()["there"]);
    lines(&home.raic(&["scrub", "--deep", "-n", "--json"]).ends(0), "raic.scrub/1");
    lines(&home.raic(&["repair", "--json"]).ends(0), "raic.repair/1");
    document(&home.raic(&["rm", "t/b", "--json"]).ends(0), "raic.rm/1");
    document(&home.raic(&["config", "path", "--json"]).ends(0), "raic.config.path/1");
    document(
        &home.raic(&["config", "check", "--json"]).ends(0),
        "raic.config.check/1",
    );
    let show = document(&home.raic(&["config", "show", "--json"]).ends(0), "raic.config.show/1");
    let k = show["values"].as_array().unwrap().iter();
    let k = k
        .clone()
        .find(|value| value["path"] == serde_json::json!(["policies", "default", "k"]))
        .unwrap();
    assert_eq!(k["value"], "4");
    assert!(k["from"].as_str().unwrap().starts_with("line "), "{k}");
    document(
        &home.raic(&["provider", "list", "--json"]).ends(0),
        "raic.provider.list/1",
    );
    document(
        &home.raic(&["provider", "schemes", "--json"]).ends(0),
        "raic.provider.schemes/1",
    );
    let test = document(
        &home.raic(&["provider", "test", "disk1", "--json"]).ends(0),
        "raic.provider.test/1",
    );
    assert_eq!(test["tests"][0]["works"], true);
    let prices = document(&home.raic(&["prices", "--json"]).ends(0), "raic.prices/1");
    assert_eq!(prices["services"].as_array().unwrap().len(), 25);
    let bench = [
        "bench",
        "--providers",
        "disk1,disk2",
        "--sizes",
        "1KiB",
        "--duration",
        "200ms",
        "--objects",
        "4",
        "--out",
        "real",
        "--json",
    ];
    let run = document(&home.raic(&bench).ends(0), "raic.bench/1");
    assert_eq!(
        (run["simulated"].as_bool(), run["mixes"].as_array().unwrap().len()),
        (Some(false), 1)
    );
    let compared = home.raic(&["bench", "compare", "real", "real", "--json"]).ends(0);
    assert_eq!(
        document(&compared, "raic.bench.compare/1")["broken"]
            .as_array()
            .unwrap()
            .len(),
        0
    );
    document(
        &home.raic(&["bench", "report", "real", "--json"]).ends(0),
        "raic.bench/1",
    );
    let plan = home.raic(&["plan", "--data", "1TB", "--most", "4", "--json"]).ends(0);
    assert!(document(&plan, "raic.plan/1")["mixes"][0]["cost"].as_f64().unwrap() > 0.0);
    let added = document(
        &home
            .raic(&["provider", "add", "new", "fs", "root=new", "--json"])
            .ends(0),
        "raic.provider.change/1",
    );
    assert_eq!(
        (&added["done"], &added["test"]["works"]),
        (&"added".into(), &true.into())
    );
    let removed = document(
        &home.raic(&["provider", "remove", "new", "--json"]).ends(0),
        "raic.provider.change/1",
    );
    assert_eq!(removed["done"], "removed");
    document(&home.raic(&["version", "--json"]).ends(0), "raic.version/1");
    let bench = ["bench", "codec", "-k", "2", "-m", "1", "--chunk", "4K", "--json"];
    let rates = document(&home.raic(&bench).ends(0), "raic.bench.codec/1");
    assert_eq!(rates["kernels"].as_array().unwrap().last().unwrap()["name"], "portable");
    document(
        &home.raic(&["key", "export", "--to", "sheet", "--json"]).ends(0),
        "raic.key/1",
    );
    let schema: serde_json::Value = serde_json::from_str(&home.raic(&["config", "schema"]).ends(0).out).unwrap();
    assert!(schema["properties"]["providers"].is_object());
}

#[test]
fn the_demonstration_in_json_is_what_its_schema_says() {
    let run = Home::new().raic(&["demo", "--json"]).ends(0);
    assert_eq!(lines(&run, "raic.demo/1").len(), 7);
}

#[test]
fn an_error_in_json_is_one_line_with_code_and_exit() {
    let home = Home::begun();
    let run = home.raic(&["cat", "none", "--json"]).ends(6);
    let error: serde_json::Value = serde_json::from_str(run.err.trim()).unwrap();
    assert_eq!(
        (&error["type"], &error["code"], &error["exit"]),
        (&"error".into(), &"E0203".into(), &6.into())
    );
    let run = home.raic(&["frobnicate", "--json"]).ends(2);
    let error: serde_json::Value = serde_json::from_str(run.err.trim()).unwrap();
    assert_eq!(error["code"], "E0001");
}

#[test]
fn a_noun_alone_is_answered_with_what_can_be_done_with_it() {
    let home = Home::new();
    for (noun, verb) in [("provider", "drain"), ("key", "export"), ("config", "check")] {
        let run = home.raic(&["--quiet", noun]).ends(2);
        assert!(
            run.err.contains(&format!("raic {noun}: what is to be done is missing")),
            "{}",
            run.err
        );
        assert!(run.err.contains("there are: ") && run.err.contains(verb), "{}", run.err);
    }
}
