//! Providers that vanish, lie or belong to others: what is said, what the exit code is, and what is still read.

use std::path::Path;

use crate::home::{Home, ramp};

fn vanish(home: &Home, number: usize) {
    std::fs::rename(home.disk(number), home.path(&format!("away{number}"))).unwrap();
}

fn come_back(home: &Home, number: usize) {
    std::fs::remove_dir_all(home.disk(number)).unwrap_or_default();
    std::fs::rename(home.path(&format!("away{number}")), home.disk(number)).unwrap();
}

fn blobs(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path);
            }
        }
    }
    found
}

#[test]
fn any_two_folders_may_vanish_and_the_third_is_told_apart_from_loss() {
    let home = Home::begun();
    home.file("f", &ramp(3_000_000));
    home.raic(&["put", "f"]).ends(0);
    vanish(&home, 1);
    vanish(&home, 4);
    assert_eq!(home.raic(&["cat", "f"]).ends(0).raw, ramp(3_000_000));
    let status = home.raic(&["status"]).ends(4);
    assert!(
        status
            .out
            .starts_with("DEGRADED, nothing lost. You can still lose no provider; the policy promises 2."),
        "{}",
        status.out
    );
    vanish(&home, 6);
    let out = home.raic(&["get", "f", "-o", "back"]).ends(7);
    assert!(out.err.starts_with("error[E0403]: f: "), "{}", out.err);
    assert!(out.err.lines().count() <= 8, "{}", out.err);
    assert!(!home.path("back").exists(), "a partial file was left");
    home.raic(&["status"]).ends(7);
    for number in [1, 4, 6] {
        come_back(&home, number);
    }
    home.raic(&["get", "f", "-o", "back"]).ends(0);
    home.raic(&["status"]).ends(0);
}

#[test]
fn a_put_with_one_folder_gone_is_stored_and_says_that_it_is_under_its_promise() {
    let home = Home::begun();
    vanish(&home, 2);
    std::fs::write(home.disk(2), b"no folder any more").unwrap();
    let run = home.raic_fed(&["put", "-", "x"], &ramp(100_000)).ends(4);
    assert!(run.out.contains("survives any 1"), "{}", run.out);
    assert!(run.err.contains("under its promise"), "{}", run.err);
    std::fs::remove_file(home.disk(2)).unwrap();
    come_back(&home, 2);
    home.raic(&["repair", "--only", "x"]).ends(0);
    assert_eq!(home.raic(&["cat", "x"]).ends(0).raw, ramp(100_000));
    home.raic(&["status"]).ends(0);
}

#[test]
fn with_three_folders_gone_nothing_is_stored_and_the_old_version_stays() {
    let home = Home::begun();
    home.raic_fed(&["put", "-", "x"], b"old").ends(0);
    for number in [1, 2, 3] {
        vanish(&home, number);
        std::fs::write(home.disk(number), b"no folder any more").unwrap();
    }
    let run = home.raic_fed(&["put", "-", "x"], b"new");
    assert!(run.code == 7 || run.code == 9, "{} {}", run.code, run.err);
    assert!(run.err.lines().count() <= 8, "{}", run.err);
    for number in [1, 2, 3] {
        std::fs::remove_file(home.disk(number)).unwrap();
        come_back(&home, number);
    }
    assert_eq!(home.raic(&["cat", "x"]).ends(0).raw, b"old");
}

#[test]
fn flipped_bytes_are_noticed_read_around_and_mended() {
    let home = Home::begun();
    home.file("f", &ramp(1_000_000));
    home.raic(&["put", "f"]).ends(0);
    for number in [1, 2] {
        for blob in blobs(&home.disk(number)) {
            let mut bytes = std::fs::read(&blob).unwrap();
            if bytes.len() > 100_000 {
                let middle = bytes.len() / 2;
                bytes[middle] ^= 1;
                std::fs::write(&blob, bytes).unwrap();
            }
        }
    }
    home.raic(&["scrub"]).ends(0);
    let dear = home.raic(&["scrub", "--deep", "-n", "--max-cost", "0"]).ends(0);
    assert!(
        dear.out.starts_with("would list 6 providers, read 6 fragments"),
        "{}",
        dear.out
    );
    let found = home.raic(&["scrub", "--deep"]).ends(4);
    assert!(
        found.out.contains("2 damaged") && found.out.contains("at risk  f"),
        "{}",
        found.out
    );
    let dry = home.raic(&["repair", "-n", "--deep", "--only", "f"]).ends(4);
    assert!(dry.out.contains("2 fragments wrong, nothing changed"), "{}", dry.out);
    assert_eq!(home.raic(&["cat", "f"]).ends(0).raw, ramp(1_000_000));
    let mended = home.raic(&["repair"]).ends(0);
    assert!(mended.out.contains("2 rebuilt"), "{}", mended.out);
    let checked = home.raic(&["repair", "-n", "--deep"]).ends(0);
    assert!(checked.out.contains("all fragments sound"), "{}", checked.out);
}

#[test]
fn doctor_names_shared_fate_missing_backups_open_rights_and_providers_that_are_gone() {
    use std::os::unix::fs::PermissionsExt;
    let home = Home::begun();
    home.raic_fed(&["put", "-", "x"], b"something").ends(0);
    let found = home.raic(&["doctor"]).ends(4).out;
    assert!(
        found.contains("share the operator local") && found.contains("share the disk device"),
        "{found}"
    );
    assert!(
        found.contains("never exported") && found.contains("-> raic key export"),
        "{found}"
    );
    assert!(
        found.contains("ok    provider    disk1: put, get, range, list and delete work"),
        "{found}"
    );
    home.raic(&["key", "export"]).ends(0);
    home.raic(&["scrub", "--deep"]).ends(0);
    std::fs::write(home.disk(2).with_extension("aside"), b"").unwrap();
    vanish(&home, 2);
    std::fs::write(home.disk(2), b"no folder any more").unwrap();
    let config = home.config();
    std::fs::set_permissions(&config, std::fs::Permissions::from_mode(0o620)).unwrap();
    let found = home.raic(&["doctor"]).ends(4).out;
    assert!(found.contains("mend  provider    disk2:"), "{found}");
    assert!(
        found.contains("exported just now") && found.contains("read whole just now"),
        "{found}"
    );
    assert!(
        found.contains("can be used by others (mode 0620)") && found.contains("-> chmod go-w"),
        "{found}"
    );
}

#[test]
fn a_limit_on_cost_stops_what_could_cost_more_before_anything_is_asked() {
    let home = Home::begun();
    home.file("f", &ramp(300_000));
    home.raic(&["put", "f"]).ends(0);
    let config = home.config();
    let text = std::fs::read_to_string(&config).unwrap();
    let dear = text.replacen(
        "scheme: fs",
        "scheme: fs\n    cost: { egress: 10/TB, get: 10/1k, put: 10/1k, storage: 6/TB-month }",
        1,
    );
    assert_ne!(text, dear);
    std::fs::write(&config, dear).unwrap();
    let told = home.raic(&["scrub", "--deep", "-n"]).ends(0);
    assert!(told.out.contains(" at most"), "{}", told.out);
    let stopped = home.raic(&["scrub", "--deep", "--max-cost", "0.015"]).ends(8);
    assert!(
        stopped.err.contains("E0806") && stopped.err.contains("nothing was asked"),
        "{}",
        stopped.err
    );
    home.raic(&["scrub", "--max-cost", "0.015"]).ends(0);
    let moves = home.raic(&["provider", "drain", "disk1", "-n"]);
    assert!(moves.code == 0 || moves.code == 4, "{}", moves.err);
}

#[test]
fn a_blob_that_vanished_is_found_by_listing_and_made_anew_at_once() {
    let home = Home::begun();
    home.file("f", &ramp(300_000));
    home.raic(&["put", "f"]).ends(0);
    let blob = blobs(&home.disk(3))
        .into_iter()
        .find(|path| path.metadata().is_ok_and(|it| it.len() > 50_000));
    std::fs::remove_file(blob.unwrap()).unwrap();
    let found = home.raic(&["scrub"]).ends(4);
    assert!(
        found.out.contains("1 missing") && found.out.contains("next:  raic repair"),
        "{}",
        found.out
    );
    assert!(home.raic(&["status"]).ends(4).out.starts_with("DEGRADED"));
    let mended = home.raic(&["scrub", "--repair"]).ends(0);
    assert!(mended.out.contains("rebuilt  1 fragment"), "{}", mended.out);
    home.raic(&["status"]).ends(0);
}

#[test]
fn an_object_with_too_few_fragments_is_lost_and_says_so() {
    let home = Home::begun();
    home.file("f", &ramp(1_000_000));
    home.raic(&["put", "f"]).ends(0);
    for number in [1, 2, 3] {
        for blob in blobs(&home.disk(number)) {
            if blob.metadata().unwrap().len() > 100_000 {
                std::fs::remove_file(&blob).unwrap();
            }
        }
    }
    let run = home.raic(&["get", "f", "-o", "back"]).ends(5);
    assert!(run.err.starts_with("error[E0404]: f: "), "{}", run.err);
    assert!(!home.path("back").exists());
    let status = home.raic(&["status"]).ends(5);
    assert!(status.out.starts_with("LOST: 1 object"), "{}", status.out);
    let listing = home.raic(&["ls", "--health"]).ends(0);
    assert!(listing.out.contains("LOST"), "{}", listing.out);
}

#[test]
fn a_folder_of_another_set_is_never_written_to() {
    let (ours, theirs) = (Home::begun(), Home::begun());
    theirs.raic_fed(&["put", "-", "x"], b"theirs").ends(0);
    let before = theirs.contents();
    let root = theirs.disk(1).display().to_string();
    ours.raic(&["provider", "add", "foreign", "fs", &format!("root={root}"), "--no-test"])
        .ends(0);
    let run = ours.raic_fed(&["put", "-", "x"], b"ours").ends(12);
    assert!(run.err.starts_with("error[E0309]: provider foreign "), "{}", run.err);
    assert!(run.err.lines().count() <= 8, "{}", run.err);
    assert_eq!(theirs.contents(), before);
}

#[test]
fn another_key_is_not_let_in() {
    let (home, other) = (Home::begun(), Home::begun());
    home.raic_fed(&["put", "-", "x"], b"data").ends(0);
    let key = std::fs::read(other.path(".config/raic/key")).unwrap();
    std::fs::write(home.path(".config/raic/key"), key).unwrap();
    for line in [&["ls"][..], &["cat", "x"], &["rm", "x"], &["status"]] {
        let run = home.raic(line).ends(12);
        assert!(run.err.contains("error[E0504]"), "{}", run.err);
    }
}

#[test]
fn a_provider_that_is_lost_is_taken_out_and_its_fragments_are_made_anew() {
    let home = Home::begun();
    home.file("f", &ramp(500_000));
    home.raic(&["put", "f"]).ends(0);
    let root = home.path("new").display().to_string();
    home.raic(&["provider", "add", "new", "fs", &format!("root={root}")])
        .ends(0);
    std::fs::remove_dir_all(home.disk(3)).unwrap();
    let refused = home.raic(&["provider", "remove", "disk3"]).ends(2);
    assert!(refused.err.contains("still holds"), "{}", refused.err);
    home.raic(&["provider", "remove", "disk3", "--lost"]).ends(0);
    home.raic(&["status"]).ends(4);
    let repaired = home.raic(&["repair"]).ends(0);
    assert!(repaired.out.contains("on new"), "{}", repaired.out);
    home.raic(&["status"]).ends(0);
    assert_eq!(home.raic(&["cat", "f"]).ends(0).raw, ramp(500_000));
    let text = std::fs::read_to_string(home.config()).unwrap();
    assert!(!text.contains("disk3"), "{text}");
}

#[test]
fn a_catalog_that_is_an_old_copy_is_told_by_status() {
    let home = Home::begun();
    let state = home.path(".local/state/raic/catalog.db");
    home.raic_fed(&["put", "-", "x"], b"old").ends(0);
    let copy = std::fs::read(&state).unwrap();
    home.raic_fed(&["put", "-", "x"], b"new").ends(0);
    for beside in ["catalog.db-wal", "catalog.db-shm"] {
        std::fs::remove_file(state.with_file_name(beside)).unwrap_or_default();
    }
    std::fs::write(&state, copy).unwrap();
    let status = home.raic(&["status"]).ends(1);
    assert!(status.out.starts_with("UNKNOWN: "), "{}", status.out);
}

#[test]
fn a_folder_that_is_gone_is_not_made_anew() {
    let home = Home::begun();
    home.raic_fed(&["put", "-", "x"], b"bytes").ends(0);
    vanish(&home, 2);
    home.raic(&["ls"]).ends(0);
    home.raic(&["status"]).ends(4);
    assert!(!home.disk(2).exists());
}

#[test]
fn two_ways_to_one_folder_are_seen_at_the_first_put() {
    let home = Home::begun();
    std::fs::create_dir_all(home.disk(1)).unwrap();
    std::fs::remove_dir_all(home.disk(2)).unwrap_or_default();
    std::os::unix::fs::symlink(home.disk(1), home.disk(2)).unwrap();
    home.raic_fed(&["put", "-", "x"], b"bytes").ends(4);
}

#[test]
fn disks_that_were_not_mounted_in_a_rebuild_are_no_members_that_have_nothing() {
    for (short, away, risk) in [(Some(1), &[2, 3][..], &[][..]), (None, &[4, 5, 6], &["--accept-risk"])] {
        let home = Home::begun();
        if let Some(number) = short {
            vanish(&home, number);
        }
        let code = if short.is_some() { 4 } else { 0 };
        home.raic_fed(&["put", "-", "o"], &ramp(300_000)).ends(code);
        if let Some(number) = short {
            come_back(&home, number);
        }
        std::fs::remove_dir_all(home.path(".local/state/raic")).unwrap();
        for number in away {
            vanish(&home, *number);
        }
        // As often as one likes: what may lie on them waits, and is never taken for absent.
        for round in 0..3 {
            let run = home.raic(&[&["recover"][..], risk].concat()).ends(7);
            assert!(run.err.contains("o waits:"), "{away:?}, round {round}: {}", run.err);
            for line in [
                &["cat", "o"][..],
                &["stat", "o"],
                &["rm", "-y", "o"],
                &["get", "o", "-o", "x"],
            ] {
                let run = home.raic(line).ends(7);
                assert!(run.err.contains("error[E0409]"), "{line:?}: {}", run.err);
            }
            let status = home.raic(&["status"]).ends(7);
            assert!(status.out.starts_with("WAITING: of 1 object "), "{}", status.out);
        }
        for number in away {
            come_back(&home, *number);
        }
        home.raic(&["recover"]).ends(code);
        assert_eq!(home.raic(&["cat", "o"]).ends(0).raw, ramp(300_000));
    }
}
