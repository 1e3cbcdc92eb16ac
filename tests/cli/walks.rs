//! What goes in comes out, by every door.

use crate::home::{Home, ramp};

#[test]
fn init_makes_a_set_that_works_and_keeps_what_is_there() {
    let home = Home::new();
    let run = home.raic(&["init"]).ends(0);
    assert!(run.out.starts_with("wrote ~/.config/raic/config.yaml"), "{}", run.out);
    assert!(
        run.out
            .contains("6 local folders, policy 4+2: survives any 2 of them at 1.5x"),
        "{}",
        run.out
    );
    assert!(
        run.out.contains("on one disk: good for trying, not for safety"),
        "{}",
        run.out
    );
    assert!(run.out.contains("next:  raic put"), "{}", run.out);
    let before = home.contents();
    let again = home.raic(&["init"]).ends(2);
    assert!(again.err.contains("is there already"), "{}", again.err);
    assert_eq!(home.contents(), before);
    let key = std::fs::read(home.path(".config/raic/key")).unwrap();
    home.raic(&["init", "--force"]).ends(0);
    assert_eq!(
        std::fs::read(home.path(".config/raic/key")).unwrap(),
        key,
        "a key is never replaced"
    );
    home.raic(&["config", "check"]).ends(0);
    home.raic(&["status"]).ends(0);
}

#[test]
fn a_key_and_a_configuration_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let home = Home::begun();
    for name in [".config/raic/key", ".config/raic/config.yaml"] {
        assert_eq!(
            home.path(name).metadata().unwrap().permissions().mode() & 0o077,
            0,
            "{name}"
        );
    }
}

#[test]
fn files_of_every_length_come_back_with_their_time() {
    let home = Home::begun();
    for len in [0, 1, 1000, 1 << 20, 5_000_001] {
        let name = format!("f{len}");
        let path = home.file(&name, &ramp(len));
        let run = home.raic(&["put", &name]).ends(0);
        assert!(run.out.starts_with(&format!("stored  {name}  ")), "{}", run.out);
        assert!(
            run.out.contains("as 4+2 on disk") && run.out.contains("survives any 2"),
            "{}",
            run.out
        );
        home.raic(&["get", &name, "out/"]).ends(0);
        assert_eq!(
            std::fs::read(home.path(&format!("out/{name}"))).unwrap(),
            ramp(len),
            "{name}"
        );
        let modified = |path: &std::path::Path| path.metadata().unwrap().modified().unwrap();
        assert_eq!(modified(&home.path(&format!("out/{name}"))), modified(&path));
        assert_eq!(home.raic(&["cat", &name]).ends(0).raw, ramp(len));
    }
    let left: Vec<_> = std::fs::read_dir(home.path("out"))
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert_eq!(left.len(), 5, "temporary files are left: {left:?}");
}

#[test]
fn standard_input_goes_in_and_standard_output_comes_out() {
    let home = Home::begun();
    let data = ramp(3_000_000);
    home.raic_fed(&["put", "-", "--name", "from/stdin"], &data).ends(0);
    assert_eq!(home.raic(&["cat", "from/stdin"]).ends(0).raw, data);
    home.raic_fed(&["put", "-", "short"], b"").ends(0);
    assert_eq!(home.raic(&["cat", "short"]).ends(0).raw, b"");
}

#[test]
fn ranges_count_both_ends_as_http_does() {
    let home = Home::begun();
    let data = ramp(2_000_000);
    home.file("f", &data);
    home.raic(&["put", "f"]).ends(0);
    for (range, bytes) in [
        ("0-0", &data[..1]),
        ("250-260", &data[250..261]),
        ("1048570-1048590", &data[1_048_570..1_048_591]),
        ("1999999-", &data[1_999_999..]),
        ("-5", &data[1_999_995..]),
        ("0-99999999", &data[..]),
    ] {
        assert_eq!(home.raic(&["cat", "f", "--range", range]).ends(0).raw, bytes, "{range}");
    }
    home.raic(&["get", "f", "--range=0-9", "-o", "head"]).ends(0);
    assert_eq!(std::fs::read(home.path("head")).unwrap(), &data[..10]);
}

#[test]
fn names_of_every_script_are_names() {
    let home = Home::begun();
    for name in ["ä ö.txt", "日本語/写真.jpg", "emoji 🌧", "-dash", "a'b\"c", "..hidden"] {
        home.raic_fed(&["put", "-", &format!("--name={name}")], name.as_bytes())
            .ends(0);
        assert_eq!(home.raic(&["cat", "--", name]).ends(0).raw, name.as_bytes());
    }
    let listing = home.raic(&["ls", "-r"]).ends(0).out;
    assert!(listing.contains("日本語/写真.jpg"), "{listing}");
}

#[test]
fn a_tree_comes_back_as_it_was_and_links_are_passed_over() {
    let home = Home::begun();
    for (name, len) in [("t/a", 10), ("t/b/c", 2000), ("t/b/d/e", 0), ("t/.hidden", 5)] {
        home.file(name, &ramp(len));
    }
    std::os::unix::fs::symlink("a", home.path("t/link")).unwrap();
    let run = home.raic(&["put", "-r", "t"]).ends(0);
    assert!(run.out.contains("4 objects stored"), "{}", run.out);
    assert!(run.err.contains("is a link: skipped"), "{}", run.err);
    home.raic(&["get", "-r", "t", "back/"]).ends(0);
    for (name, len) in [("t/a", 10), ("t/b/c", 2000), ("t/b/d/e", 0), ("t/.hidden", 5)] {
        assert_eq!(
            std::fs::read(home.path(&format!("back/{name}"))).unwrap(),
            ramp(len),
            "{name}"
        );
    }
    home.raic(&["put", "-r", "t", "copies/"]).ends(0);
    home.raic(&["get", "-r", "copies/t/b", "deep/"]).ends(0);
    assert_eq!(std::fs::read(home.path("deep/b/c")).unwrap(), ramp(2000));
}

#[test]
fn a_name_that_is_a_file_and_a_folder_too_is_told_and_the_rest_comes_back() {
    let home = Home::begun();
    for name in ["t/a", "t/a/b", "t/a-c", "t/d"] {
        home.raic_fed(&["put", "-", name], name.as_bytes()).ends(0);
    }
    let run = home.raic(&["get", "-r", "t", "back/"]).ends(3);
    assert!(
        run.err.contains("error[E0208]: back/t/a would have to be a file"),
        "{}",
        run.err
    );
    assert!(run.err.contains("raic get t/a -o FILE"), "{}", run.err);
    for name in ["t/a/b", "t/a-c", "t/d"] {
        assert_eq!(
            std::fs::read(home.path(&format!("back/{name}"))).unwrap(),
            name.as_bytes()
        );
    }
    home.raic(&["get", "t/a", "-o", "file"]).ends(0);
    assert_eq!(std::fs::read(home.path("file")).unwrap(), b"t/a");
}

#[test]
fn the_last_version_counts_and_if_absent_leaves_it_alone() {
    let home = Home::begun();
    home.raic_fed(&["put", "-", "x"], b"one").ends(0);
    home.raic_fed(&["put", "-", "x"], b"two").ends(0);
    assert_eq!(home.raic(&["cat", "x"]).ends(0).raw, b"two");
    let refused = home.raic_fed(&["put", "-", "x", "--if-absent"], b"three").ends(1);
    assert!(refused.err.starts_with("error[E0204]"), "{}", refused.err);
    assert_eq!(home.raic(&["cat", "x"]).ends(0).raw, b"two");
}

#[test]
fn what_is_removed_is_gone_and_a_dry_run_removes_nothing() {
    let home = Home::begun();
    for name in ["a", "p/b", "p/c"] {
        home.raic_fed(&["put", "-", name], name.as_bytes()).ends(0);
    }
    let dry = home.raic(&["rm", "-rn", "p"]).ends(0);
    assert!(dry.out.contains("would remove  p/b"), "{}", dry.out);
    home.raic(&["cat", "p/b"]).ends(0);
    home.raic(&["rm", "-r", "p"]).ends(0);
    home.raic(&["cat", "p/b"]).ends(6);
    home.raic(&["rm", "a", "missing"]).ends(3);
    let listing = home.raic(&["ls"]).ends(0);
    assert_eq!(listing.out, "");
    home.raic(&["rm", "-r", "/"]).ends(2);
    home.raic(&["rm", "a"]).ends(6);
}

#[test]
fn a_file_that_is_there_is_replaced_only_by_force() {
    let home = Home::begun();
    home.raic_fed(&["put", "-", "x"], b"stored").ends(0);
    home.file("x", b"mine");
    let refused = home.raic(&["get", "x"]).ends(2);
    assert!(refused.err.starts_with("error[E0208]"), "{}", refused.err);
    assert_eq!(std::fs::read(home.path("x")).unwrap(), b"mine");
    home.raic(&["get", "x", "--force"]).ends(0);
    assert_eq!(std::fs::read(home.path("x")).unwrap(), b"stored");
}

#[test]
fn the_demonstration_is_true_in_six_lines_and_leaves_nothing() {
    let home = Home::new();
    let run = home.raic(&["demo"]).ends(0);
    let begins: Vec<&str> = run
        .out
        .lines()
        .map(|line| line.split_whitespace().next().unwrap())
        .collect();
    assert_eq!(
        begins,
        ["stored", "lost", "read", "check", "repair", "status"],
        "{}",
        run.out
    );
    assert!(run.out.contains("4 of 6 fragments"), "{}", run.out);
    assert!(run.out.contains("rebuilt on eta and theta"), "{}", run.out);
    assert_eq!(
        std::fs::read_dir(home.path("")).unwrap().count(),
        0,
        "something is left"
    );
    let kept = home.raic(&["demo", "--keep"]).ends(0);
    let folder = kept
        .out
        .lines()
        .last()
        .unwrap()
        .strip_prefix("kept     ")
        .unwrap()
        .to_owned();
    assert!(std::path::Path::new(&folder).join("theta").is_dir(), "{folder}");
}

#[test]
fn the_key_goes_to_paper_and_comes_back() {
    let home = Home::begun();
    home.raic_fed(&["put", "-", "x"], b"precious").ends(0);
    let sheet = home.raic(&["key", "export"]).ends(0).out;
    std::fs::remove_file(home.path(".config/raic/key")).unwrap();
    home.raic(&["cat", "x"]).ends(12);
    home.raic_fed(&["key", "import"], sheet.as_bytes()).ends(0);
    assert_eq!(home.raic(&["cat", "x"]).ends(0).raw, b"precious");
    home.raic_fed(&["key", "import"], sheet.as_bytes()).ends(2);
}

#[test]
fn a_provider_is_drained_and_taken_out_and_nothing_is_lost() {
    let home = Home::begun();
    let root = format!("root={}", home.path("seventh").display());
    home.raic(&["provider", "add", "seventh", "fs", &root, "--operator", "other"])
        .ends(0);
    home.file("file", &ramp(300_000));
    home.raic(&["put", "file"]).ends(0);
    let run = home.raic(&["rebalance"]).ends(0);
    assert!(run.out.contains("0 fragments to move"), "{}", run.out);
    let run = home.raic(&["provider", "drain", "disk3", "-n", "--json"]).ends(0);
    assert_eq!(run.json_lines().last().unwrap()["dry_run"], true);
    let run = home.raic(&["provider", "drain", "disk3"]).ends(0);
    assert!(run.out.contains("raic provider remove disk3"), "{}", run.out);
    home.raic(&["provider", "remove", "disk3"]).ends(0);
    assert_eq!(home.raic(&["cat", "file"]).ends(0).raw, ramp(300_000));
    let run = home.raic(&["provider", "drain", "disk1"]).ends(4);
    assert!(run.err.contains("no other place: add a provider"), "{}", run.err);
    home.raic(&["provider", "undrain", "disk1"]).ends(0);
    home.raic(&["status"]).ends(0);
}

#[test]
fn after_k_and_m_of_a_policy_were_changed_objects_are_written_anew() {
    let home = Home::begun();
    home.file("file", &ramp(300_000));
    home.raic(&["put", "file"]).ends(0);
    let run = home.raic(&["rebalance", "--recode"]).ends(0);
    assert!(run.out.contains("nothing to write anew"), "{}", run.out);
    let config = home.path(".config/raic/config.yaml");
    let text = std::fs::read_to_string(&config).unwrap();
    let changed = text.replace("k: 4 ", "k: 3 ").replace("m: 2 ", "m: 3 ");
    assert_ne!(text, changed);
    std::fs::write(&config, changed).unwrap();
    let run = home.raic(&["rebalance"]).ends(0);
    assert!(run.out.contains("raic rebalance --recode"), "{}", run.out);
    let run = home.raic(&["rebalance", "--recode", "-n"]).ends(0);
    assert!(run.out.contains("would write anew  1 object"), "{}", run.out);
    assert!(home.raic(&["stat", "file"]).ends(0).out.contains("4+2"));
    let run = home.raic(&["rebalance", "--recode", "--json"]).ends(0);
    let lines = run.json_lines();
    assert_eq!((&lines[0]["from"], &lines[0]["to"]), (&"4+2".into(), &"3+3".into()));
    assert_eq!(lines.last().unwrap()["objects"], 1);
    assert!(home.raic(&["stat", "file"]).ends(0).out.contains("3+3"));
    for disk in ["disk1", "disk4", "disk6"] {
        std::fs::remove_dir_all(home.path(&format!(".local/share/raic/{disk}"))).unwrap();
    }
    assert_eq!(
        home.raic(&["cat", "file"]).raw,
        ramp(300_000),
        "three of six are enough"
    );
}

#[test]
fn a_lost_state_folder_is_rebuilt_from_the_providers() {
    let home = Home::begun();
    home.file("file", &ramp(300_000));
    home.raic(&["put", "file"]).ends(0);
    home.file("gone", &ramp(10));
    home.raic(&["put", "gone"]).ends(0);
    home.raic(&["rm", "-y", "gone"]).ends(0);
    std::fs::remove_dir_all(home.path(".local/state")).unwrap();
    let run = home.raic(&["recover", "-n"]).ends(0);
    assert!(run.out.starts_with("found"), "{}", run.out);
    let run = home.raic(&["recover"]).ends(0);
    assert!(run.out.contains("1 object, "), "{}", run.out);
    assert!(run.out.contains("1 removal"), "{}", run.out);
    assert_eq!(home.raic(&["cat", "file"]).ends(0).raw, ramp(300_000));
    home.raic(&["cat", "gone"]).ends(6);
}
