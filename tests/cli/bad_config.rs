//! Configurations as people get them wrong: rows of the table in `refused.rs`.

use crate::home::{CANARY, Home};
use crate::refused::{Case, INPUT, LS, append, case, chmod, nothing, refused, swap};

/// Puts a provider before the first.
fn add(home: &Home, name: &str, root: &str) {
    let entry = format!("  {name}:\n    scheme: fs\n    options: {{ root: {root} }}\n  disk1:\n");
    swap(home, "  disk1:\n", &entry);
}

const CONFIG: &[Case] = &[
    case("a root that is relative", |h| add(h, "near", "data"), LS, 2, "E0104"),
    case("a root without a path", |h| add(h, "near", "''"), LS, 2, "E0104"),
    case(
        "a state folder that is relative",
        |h| append(h, "state: s\n"),
        LS,
        2,
        "E0104",
    ),
    case(
        "one folder twice",
        |h| add(h, "near", &format!("{}/.", h.disk(2).display())),
        LS,
        2,
        "E0104",
    ),
    case(
        "a folder inside another",
        |h| add(h, "near", &h.disk(2).join("x").display().to_string()),
        LS,
        2,
        "E0104",
    ),
    case("a name of another script", |h| add(h, "Köln", "/x"), LS, 2, "E0104"),
    case(
        "a name with an escape",
        |h| add(h, "\"a\\e[31m\"", "/x"),
        LS,
        2,
        "E0104",
    ),
    case("a very long name", |h| add(h, &"x".repeat(500), "/x"), LS, 2, "E0104"),
    case(
        "an empty file",
        |h| std::fs::write(h.config(), "").unwrap(),
        LS,
        2,
        "E0103",
    ),
    case(
        "a file that is no text",
        |h| std::fs::write(h.config(), [0xff, 0xfe]).unwrap(),
        LS,
        2,
        "E0115",
    ),
    case("a tab", |h| swap(h, "    scheme", "\tscheme"), LS, 2, "E0102"),
    case("an alias of nothing", |h| swap(h, "k: 4", "k: *four"), LS, 2, "E0102"),
    case(
        "a configuration that is named and a folder",
        nothing,
        &["ls", "--config", ".config"],
        2,
        "E0115",
    ),
    case(
        "a key that others can read",
        |h| chmod(&h.path(".config/raic/key"), 0o644),
        LS,
        12,
        "E0113",
    ),
    case(
        "a key from a program that fails",
        |h| swap(h, "{ file: ~/.config/raic/key }", "{ command: [false] }"),
        LS,
        12,
        "E0112",
    ),
    case(
        "a key from a variable that is not set",
        |h| swap(h, "{ file: ~/.config/raic/key }", "{ env: NONE }"),
        LS,
        12,
        "E0110",
    ),
    case(
        "a state folder that is a file",
        |h| append(h, &format!("state: {}\n", h.path("f").display())),
        LS,
        1,
        "E0508",
    ),
    case(
        "a state folder that is a file, written to",
        |h| append(h, &format!("state: {}\n", h.path("f").display())),
        &["put", "f"],
        1,
        "E0508",
    ),
    case("an unknown key", |h| append(h, "    prefr: cost\n"), LS, 2, "E0101"),
    case("no YAML", |h| append(h, "\n\t- }{"), LS, 2, "E0102"),
    case("a list for a number", |h| swap(h, "k: 4", "k: [4]"), LS, 2, "E0103"),
    case("a number out of bounds", |h| swap(h, "k: 4", "k: 0"), LS, 2, "E0104"),
    case(
        "a key twice",
        |h| swap(h, "version: 1", "version: 1\nversion: 1"),
        LS,
        2,
        "E0105",
    ),
    case("no scheme", |h| swap(h, "    scheme: fs\n", ""), LS, 2, "E0106"),
    case("no version", |h| swap(h, "version: 1\n", ""), LS, 2, "E0106"),
    case(
        "a version of the future",
        |h| swap(h, "version: 1", "version: 9"),
        LS,
        2,
        "E0118",
    ),
    case(
        "a secret in the file",
        |h| {
            swap(
                h,
                "  disk1:\n",
                "  cloud:\n    scheme: s3\n    options: { bucket: b, secret_access_key: canary-5f1d-secret }\n  disk1:\n",
            );
        },
        LS,
        2,
        "E0107",
    ),
    case(
        "a secret as the name of a variable",
        |h| {
            swap(
                h,
                "  disk1:\n",
                "  cloud:\n    scheme: s3\n    options: { bucket: b, secret_access_key: { env: canary-5f1d-secret } }\n  disk1:\n",
            );
        },
        LS,
        2,
        "E0104",
    ),
    case(
        "a mistake beside a signature in an address",
        |h| {
            swap(
                h,
                "  disk1:\n",
                "  cloud:\n    scheme: s3\n    options: { buket: b, endpoint: \"https://h/?sig=canary-5f1d-secret\" }\n  disk1:\n",
            );
        },
        LS,
        2,
        "E0101",
    ),
    case(
        "a password in an address",
        |h| {
            swap(
                h,
                "  disk1:\n",
                "  cloud:\n    scheme: s3\n    options: { bucket: b, endpoint: \"https://u:canary-5f1d-secret@h\" }\n  disk1:\n",
            );
        },
        LS,
        2,
        "E0121",
    ),
    case(
        "a scheme that isn't",
        |h| swap(h, "scheme: fs", "scheme: fz"),
        LS,
        2,
        "E0108",
    ),
    case("an option that isn't", |h| swap(h, "{ root:", "{ rot:"), LS, 2, "E0101"),
    case(
        "a policy for providers that aren't",
        |h| append(h, "    providers: [disk1, disk9]\n"),
        LS,
        2,
        "E0109",
    ),
    case("a policy over too few", |h| swap(h, "k: 4", "k: 7"), LS, 2, "E0116"),
    case(
        "a quorum too low",
        |h| append(h, "    write_quorum: 3\n"),
        LS,
        2,
        "E0116",
    ),
    case(
        "no default policy",
        |h| swap(h, "  default:", "  other:"),
        LS,
        2,
        "E0106",
    ),
    case(
        "a file that others can change",
        |h| chmod(&h.config(), 0o666),
        LS,
        2,
        "E0113",
    ),
    case(
        "no configuration",
        |h| std::fs::remove_file(h.config()).unwrap(),
        LS,
        2,
        "E0114",
    ),
    case(
        "a configuration that is a folder",
        |h| {
            std::fs::remove_file(h.config()).unwrap();
            std::fs::create_dir(h.config()).unwrap();
        },
        LS,
        2,
        "E0115",
    ),
    case(
        "a configuration that is named and missing",
        nothing,
        &["ls", "--config", "none.yaml"],
        2,
        "E0115",
    ),
    case(
        "a key file that is none",
        |h| std::fs::write(h.path(".config/raic/key"), CANARY).unwrap(),
        LS,
        12,
        "E0122",
    ),
    case(
        "no key file",
        |h| std::fs::remove_file(h.path(".config/raic/key")).unwrap(),
        LS,
        12,
        "E0111",
    ),
];

#[test]
fn bad_configurations_are_refused_well_and_change_nothing() {
    assert!(CONFIG.len() + INPUT.len() >= 80);
    refused(CONFIG);
}
