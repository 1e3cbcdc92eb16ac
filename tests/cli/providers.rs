//! Providers that come, are tested, and go; and configurations as odd as people write them.

use crate::home::{CANARY, Home, ramp};

#[test]
fn a_test_is_kept_and_shown() {
    let home = Home::begun();
    let listing = home.raic(&["provider", "list"]).ends(0);
    assert!(!listing.out.contains("works"), "{}", listing.out);
    let tested = home.raic(&["provider", "test", "disk1"]).ends(0);
    assert!(tested.out.contains("this cloud set's"), "{}", tested.out);
    let listing = home.raic(&["provider", "list"]).ends(0);
    assert_eq!(listing.out.matches("works, just now").count(), 1, "{}", listing.out);
    let status = home.raic(&["status", "--json"]).ends(0).json();
    assert_eq!(status["providers"][0]["tested"]["works"], true);
    assert!(status["providers"][1].get("tested").is_none());
    // It must not look like a member's blob to anybody.
    home.raic_fed(&["put", "-", "x"], b"x").ends(0);
    std::fs::remove_dir_all(home.disk(1)).unwrap();
    std::fs::write(home.disk(1), b"no folder any more").unwrap();
    home.raic(&["provider", "test", "disk1"]).ends(7);
}

#[test]
fn a_provider_is_tested_before_it_is_added_and_a_member_at_once() {
    let home = Home::begun();
    let root = home.path("new").display().to_string();
    home.raic_fed(&["put", "-", "x"], b"x").ends(0);
    let added = home
        .raic(&[
            "provider", "add", "new", "fs", "root=new", "--quota", "5 GiB", "--cost", "any",
        ])
        .ends(0);
    assert!(added.out.starts_with("new works\n"), "{}", added.out);
    assert!(
        added.out.contains("added   new (fs) to ~/.config/raic/config.yaml"),
        "{}",
        added.out
    );
    let text = std::fs::read_to_string(home.config()).unwrap();
    // A relative path would mean another folder tomorrow.
    assert!(text.contains(&format!("root: {root}\n")), "{text}");
    assert!(text.contains("    cost: { catalog: any }\n"), "{text}");
    let listing = home.raic(&["provider", "list"]).ends(0);
    assert!(listing.out.contains("works, just now"), "{}", listing.out);
    let removed = home.raic(&["provider", "remove", "new"]).ends(0);
    assert!(
        removed.out.starts_with("removed new: it held no fragment"),
        "{}",
        removed.out
    );
    let again = home.raic(&["provider", "add", "other", "fs", "root=new"]).ends(7);
    assert!(again.err.contains("it holds what is left of `new`"), "{}", again.err);
    home.raic(&["status"]).ends(0);
}

#[test]
fn one_folder_under_two_names_is_seen_through_a_link_too() {
    let home = Home::begun();
    std::os::unix::fs::symlink(home.disk(1), home.path("link")).unwrap();
    let before = home.contents();
    let run = home.raic(&["provider", "add", "new", "fs", "root=link"]).ends(7);
    assert!(run.err.starts_with("error[E0314]: "), "{}", run.err);
    assert!(run.err.contains("same place as provider `disk1`"), "{}", run.err);
    assert_eq!(home.contents(), before);
}

#[test]
fn a_folder_of_another_set_is_not_added() {
    let (ours, theirs) = (Home::begun(), Home::begun());
    let before = (ours.contents(), theirs.contents());
    let root = format!("root={}", theirs.disk(1).display());
    let run = ours.raic(&["provider", "add", "foreign", "fs", &root]).ends(7);
    assert!(run.err.contains("another cloud set"), "{}", run.err);
    assert_eq!((ours.contents(), theirs.contents()), before);
}

#[test]
fn a_member_that_was_taken_out_of_the_file_by_hand_is_told_and_can_go() {
    let home = Home::begun();
    home.raic_fed(&["put", "-", "x"], b"x").ends(0);
    home.raic(&["provider", "add", "new", "fs", "root=new"]).ends(0);
    home.reconfigure(|text| {
        let (head, rest) = text.split_once("  new:\n").unwrap();
        let (_, tail) = rest.split_once("\n\n").unwrap();
        format!("{head}\n{tail}")
    });
    let status = home.raic(&["status"]).ends(0);
    assert!(status.out.contains("unlisted"), "{}", status.out);
    assert!(status.out.contains("next:  raic provider remove new"), "{}", status.out);
    home.raic(&["provider", "remove", "new"]).ends(0);
    let status = home.raic(&["status"]).ends(0);
    assert!(!status.out.contains("unlisted"), "{}", status.out);
}

#[test]
fn a_lost_catalog_is_not_taken_for_an_empty_set() {
    let home = Home::begun();
    home.raic_fed(&["put", "-", "x"], b"x").ends(0);
    std::fs::remove_dir_all(home.path(".local/state/raic")).unwrap();
    let status = home.raic(&["status"]).ends(1);
    assert!(status.out.starts_with("UNKNOWN: "), "{}", status.out);
    assert_eq!(home.raic(&["status", "--json"]).ends(1).json()["state"], "unknown");
    let put = home.raic_fed(&["put", "-", "y"], b"y").ends(1);
    assert!(put.err.starts_with("error[E0310]: "), "{}", put.err);
}

#[test]
fn the_key_may_come_from_a_variable_or_a_program() {
    let home = Home::begun();
    home.raic_fed(&["put", "-", "x"], b"data").ends(0);
    let key = std::fs::read_to_string(home.path(".config/raic/key")).unwrap();
    let place = home.path("elsewhere").display().to_string();
    std::fs::rename(home.path(".config/raic/key"), &place).unwrap();
    let file = "{ file: ~/.config/raic/key }";
    home.reconfigure(|text| text.replace(file, "{ env: THE_KEY }"));
    let run = home.raic_with(&["cat", "x"], &[("THE_KEY", key.trim())]).ends(0);
    assert_eq!(run.raw, b"data");
    home.reconfigure(|text| text.replace("{ env: THE_KEY }", &format!("{{ command: [cat, {place}] }}")));
    let run = home.raic_with(&["cat", "x"], &[("PATH", "/usr/bin:/bin")]).ends(0);
    assert_eq!(run.raw, b"data");
    let shown = home.raic(&["config", "show"]).ends(0);
    assert!(shown.out.contains("key: { command: [cat, ...] }"), "{}", shown.out);
    assert!(!shown.out.contains(key.trim()));
}

#[test]
fn a_file_from_another_system_is_read_and_changed() {
    let home = Home::begun();
    home.reconfigure(|text| format!("\u{feff}{}", text.replace('\n', "\r\n")));
    home.raic(&["config", "check"]).ends(0);
    home.raic(&["provider", "add", "new", "fs", "root=new", "--no-test"])
        .ends(0);
    home.raic(&["config", "check"]).ends(0);
    home.raic(&["provider", "remove", "new"]).ends(0);
    let text = std::fs::read_to_string(home.config()).unwrap();
    assert!(text.starts_with("\u{feff}# RAIC") && !text.contains("new"), "{text}");
}

#[test]
fn without_a_home_it_says_what_is_missing() {
    let home = Home::begun();
    home.file("f", &ramp(10));
    let config = home.config().display().to_string();
    for (line, code) in [
        (&["ls"][..], "E0114"),
        (&["init"], "E0115"),
        (&["ls", "--config", &config], "E0104"),
    ] {
        let output = home.command(line).env_remove("HOME").output().unwrap();
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{err}");
        assert!(err.starts_with(&format!("error[{code}]: ")), "{err}");
    }
    assert!(!home.path("~").exists());
}

#[test]
fn what_is_shown_is_a_configuration_and_has_no_secret() {
    let home = Home::begun();
    home.reconfigure(|text| {
        let cloud = "  cloud:\n    scheme: s3\n    options: { bucket: b, region: auto, secret_access_key: { command: [pass, canary-5f1d-secret] } }\n  disk1:\n";
        text.replacen("  disk1:\n", cloud, 1)
    });
    let twins = [
        ("RAIC__POLICIES__DEFAULT__PREFER", "cost"),
        ("RAIC__PROVIDERS__CLOUD__OPTIONS__SESSION_TOKEN", CANARY),
    ];
    let shown = home.raic_with(&["config", "show"], &twins).ends(0);
    assert!(!shown.out.contains(CANARY), "{}", shown.out);
    assert!(
        shown.out.contains("prefer: cost")
            && shown
                .out
                .contains("# environment variable RAIC__POLICIES__DEFAULT__PREFER"),
        "{}",
        shown.out
    );
    home.file("shown.yaml", shown.out.as_bytes());
    home.raic(&["config", "check", "--config", "shown.yaml"]).ends(0);
}

#[test]
fn a_beginning_over_a_beginning_keeps_the_old_file() {
    let home = Home::begun();
    home.reconfigure(|text| text + "# mine\n");
    let again = home.raic(&["init", "--force"]).ends(0);
    assert!(
        again.out.contains("config.yaml.old   the configuration that was there"),
        "{}",
        again.out
    );
    let old = std::fs::read_to_string(home.path(".config/raic/config.yaml.old")).unwrap();
    assert!(old.ends_with("# mine\n"), "{old}");
}
