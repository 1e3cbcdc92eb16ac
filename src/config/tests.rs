//! The fixtures: every good file is read, every bad one fails with the text beside it.

use std::fs;
use std::path::{Path, PathBuf};

use super::*;
use crate::cloud_set::{DomainKind, OptionValue, Prefer};

/// What the tests take for the services that are built in.
pub(super) fn known_options(scheme: &str) -> Option<Vec<String>> {
    let names: &[&str] = match scheme {
        "fs" => &["root", "atomic_write_dir"],
        "memory" => &["root"],
        "b2" => &["root", "application_key_id", "application_key", "bucket", "bucket_id"],
        "s3" => &[
            "root",
            "bucket",
            "endpoint",
            "region",
            "access_key_id",
            "secret_access_key",
            "session_token",
            "enable_virtual_host_style",
            "batch_max_operations",
            "disable_config_load",
        ],
        "webdav" => &["endpoint", "username", "password", "token", "root"],
        "sftp" => &["endpoint", "root", "user", "key", "known_hosts_strategy"],
        "azblob" => &[
            "root",
            "container",
            "endpoint",
            "account_name",
            "account_key",
            "sas_token",
        ],
        _ => return None,
    };
    Some(names.iter().map(|name| (*name).to_owned()).collect())
}

pub(super) fn schemes() -> Vec<String> {
    ["azblob", "b2", "fs", "memory", "s3", "sftp", "webdav"]
        .map(str::to_owned)
        .to_vec()
}

pub(super) fn fixtures(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures/config")
        .join(folder);
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    paths.sort();
    paths
}

pub(super) fn read(name: &str, text: &str) -> Result<Config, ConfigErrors> {
    let schemes = schemes();
    let services = Services {
        schemes: &schemes,
        options: &known_options,
    };
    let env = Environment::from_iter([("HOME", "/home/ana")]);
    let path = Path::new("/home/ana/.config/raic").join(name);
    Config::from_text(&path, text, &env, &services)
}

/// Bad files are told of as `config.yaml`, whatever their own names.
fn failure_of(path: &Path) -> String {
    match read("config.yaml", &fs::read_to_string(path).unwrap()) {
        Ok(_) => format!("{} was accepted", path.display()),
        Err(errors) => render_all(&errors, Look::default()),
    }
}

#[test]
fn every_good_file_is_read() {
    for path in fixtures("good") {
        if let Err(errors) = read("config.yaml", &fs::read_to_string(&path).unwrap()) {
            panic!("{}:\n{}", path.display(), render_all(&errors, Look::default()));
        }
    }
}

/// With `RAIC_BLESS=1` the texts are written instead; read the difference before it is committed.
#[test]
fn every_bad_file_fails_with_the_text_beside_it() {
    let paths = fixtures("bad");
    assert!(paths.len() >= 25, "{} bad files", paths.len());
    for path in paths {
        let got = failure_of(&path);
        let expected = path.with_extension("txt");
        if std::env::var_os("RAIC_BLESS").is_some() {
            fs::write(&expected, &got).unwrap();
        }
        assert_eq!(
            got,
            fs::read_to_string(&expected).unwrap_or_default(),
            "{}",
            path.display()
        );
    }
}

#[test]
fn no_error_has_more_than_eight_lines_or_tells_a_secret_or_a_comment() {
    for path in fixtures("bad") {
        for (color, width) in [(false, 40), (true, 80), (false, 200)] {
            let errors = read("config.yaml", &fs::read_to_string(&path).unwrap()).unwrap_err();
            for error in errors.errors() {
                let text = render(error, Look { color, width });
                assert!(text.lines().count() <= 8, "{}:\n{text}", path.display());
                assert_eq!(text.contains('\u{1b}'), color);
            }
            let all = render_all(&errors, Look { color, width }) + &errors.to_string() + &format!("{errors:?}");
            assert!(!all.contains("sesame"), "{}:\n{all}", path.display());
        }
    }
}

/// Three folders and 2+1, the smallest configuration there is.
pub(super) const SMALL: &str = "version: 1
key: { file: ~/.config/raic/key }
providers:
  a: { scheme: fs, options: { root: ~/raic/a } }
  b-1: { scheme: fs, options: { root: /srv/b } }
  r2:
    scheme: s3
    options: { bucket: x, endpoint: https://acc.r2.cloudflarestorage.com, secret_access_key: { env: R2_SECRET } }
policies:
  default: { k: 2, m: 1 }
";

fn read_with(text: &str, variables: &[(&str, &str)]) -> Result<(Config, Environment), ConfigErrors> {
    let schemes = schemes();
    let services = Services {
        schemes: &schemes,
        options: &known_options,
    };
    let home = [("HOME", "/home/ana")];
    let env: Environment = home.iter().chain(variables).copied().collect();
    let config = Config::from_text(Path::new("/home/ana/.config/raic/config.yaml"), text, &env, &services)?;
    Ok((config, env))
}

#[test]
fn a_policy_has_what_it_says_then_what_it_extends_then_the_defaults() {
    let text = SMALL.to_owned()
        + "  far: { extends: default, prefer: cost, chunk: 128 KiB }\n  farther: { extends: far, encryption: none, providers: [a, r2, b-1] }\n";
    let (config, _) = read_with(&text, &[]).unwrap();
    let farther = &config.set.policies["farther"];
    assert_eq!((farther.k, farther.m, farther.quorum), (2, 1, 3));
    assert_eq!((farther.sealed, farther.prefer), (false, Prefer::Cost));
    assert_eq!((farther.chunk_len, farther.fragment_len), (128 << 10, 8 << 20));
    let default = &config.set.policies["default"];
    assert_eq!(
        (default.sealed, default.prefer, &default.providers),
        (true, Prefer::Latency, &None)
    );
}

#[test]
fn operators_are_guessed_and_tildes_are_the_owners_home() {
    let (config, _) = read_with(SMALL, &[]).unwrap();
    let operator = |name: &str| config.set.provider(name).unwrap().domains.get(DomainKind::Operator);
    assert_eq!((operator("a"), operator("r2")), (Some("local"), Some("cloudflare")));
    let root = OptionValue::Literal("/home/ana/raic/a".into());
    assert_eq!(config.set.provider("a").unwrap().options["root"], root);
    assert_eq!(config.key, Reference::File("/home/ana/.config/raic/key".into()));
}

#[test]
fn an_environment_twin_comes_before_the_file() {
    let twins = [
        ("RAIC__POLICIES__DEFAULT__K", "1"),
        ("RAIC__POLICIES__DEFAULT__SPREAD", "{ region: 1 }"),
        ("RAIC__PROVIDERS__B_1__QUOTA", "5 GiB"),
        ("RAIC__PROVIDERS__R2__OPTIONS__REGION", "auto"),
        ("RAIC__PROVIDERS__R2__OPTIONS__SECRET_ACCESS_KEY", "ses: [ame"),
        ("RAIC__NODE__CACHE__SIZE", "1 GiB"),
        ("RAIC__KEY__ENV", "THE_KEY"),
    ];
    let (config, env) = read_with(SMALL, &twins).unwrap();
    assert_eq!(config.set.policies["default"].k, 1);
    assert_eq!(config.set.policies["default"].spread[&DomainKind::Region], 1);
    assert_eq!(config.set.provider("b-1").unwrap().quota, Some(Size::of(5 << 30)));
    assert_eq!(
        config.node.as_ref().unwrap().cache.as_ref().unwrap().size,
        Size::of(1 << 30)
    );
    assert_eq!(config.key, Reference::Env("THE_KEY".into()));
    let r2 = config.set.provider("r2").unwrap();
    assert!(!format!("{config:?}").contains("ses: [ame"));
    let resolved = config.resolve(r2, &env).unwrap();
    assert!(
        resolved
            .options()
            .any(|option| option == ("secret_access_key", "ses: [ame"))
    );
    assert!(resolved.options().any(|option| option == ("region", "auto")));
    assert_eq!(resolved.secrets().collect::<Vec<_>>(), ["ses: [ame"]);
    assert!(!format!("{resolved:?}").contains("ses: [ame"));
}

#[test]
fn a_twin_that_sets_nothing_or_something_wrong_is_an_error_with_its_name() {
    for (variable, value, told) in [
        ("RAIC__POLICES__DEFAULT__K", "1", "did you mean POLICIES?"),
        ("RAIC__PROVIDERS__NAS__QUOTA", "1 GiB", "no name fits `NAS`"),
        ("RAIC__POLICIES__DEFAULT__K__X", "1", "nothing is below"),
        ("RAIC__", "1", "no key fits"),
        (
            "RAIC__POLICIES__DEFAULT__K",
            "many",
            "environment variable RAIC__POLICIES__DEFAULT__K:1:1",
        ),
        ("RAIC__PROVIDERS__A__OPTIONS__ROTO", "/x", "did you mean `root`?"),
        ("RAIC__POLICIES__DEFAULT__SPREAD", "{ sesame: 1", "not readable as YAML"),
    ] {
        let errors = read_with(SMALL, &[(variable, value)]).unwrap_err();
        let text = render_all(&errors, Look::default());
        assert!(text.contains(told) && text.contains(variable), "{text}");
        assert!(!text.contains("sesame"), "{text}");
    }
}

#[test]
fn one_providers_missing_secret_is_told_with_its_place_and_stops_no_other() {
    let (config, env) = read_with(SMALL, &[]).unwrap();
    assert!(config.resolve(config.set.provider("a").unwrap(), &env).is_ok());
    let error = config.resolve(config.set.provider("r2").unwrap(), &env).unwrap_err();
    let text = "error[E0110]: provider `r2` needs the environment variable R2_SECRET, which is not set
  --> ~/.config/raic/config.yaml:8:94
   |
 8 |     options: { bucket: x, endpoint: https://acc.r2.cloudflarestorage.com, secret_access_key: { env: R2_SECRET } }
   |                                                                                              ^
   = set it:        export R2_SECRET=...
   = or use a file: secret_access_key: { file: ~/.config/raic/secret_access_key }
   = the other 2 providers are fine
";
    assert_eq!(
        render(
            &error,
            Look {
                color: false,
                width: 120
            }
        ),
        text
    );
}

#[test]
fn fewer_active_providers_than_fragments_is_a_warning_and_no_error() {
    let text = SMALL.replace("root: /srv/b }", "root: /srv/b }, state: draining");
    let (config, _) = read_with(&text, &[]).unwrap();
    assert_eq!(config.warnings.len(), 1, "{:?}", config.warnings);
}

#[test]
fn two_folders_of_one_bucket_are_a_warning() {
    let text = SMALL.to_owned().replace(
        "policies:",
        "  r3:
    scheme: s3
    options: { bucket: x, root: other, endpoint: https://acc.r2.cloudflarestorage.com/ }
policies:",
    );
    let text = text.replace("bucket: x, endpoint", "bucket: x, root: one, endpoint");
    let (config, _) = read_with(&text, &[]).unwrap();
    assert_eq!(
        config.warnings,
        ["providers `r2` and `r3` share a bucket: who closes it closes both"]
    );
}

#[test]
fn without_a_home_a_tilde_leads_nowhere() {
    let schemes = schemes();
    let services = Services {
        schemes: &schemes,
        options: &known_options,
    };
    let errors = Config::from_text(Path::new("/x.yaml"), SMALL, &Environment::default(), &services).unwrap_err();
    assert!(errors.to_string().contains("HOME is not set"), "{errors}");
}

#[test]
fn a_configuration_that_anybody_may_change_is_not_read() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.yaml");
    fs::write(&path, SMALL).unwrap();
    let schemes = schemes();
    let services = Services {
        schemes: &schemes,
        options: &known_options,
    };
    let env = Environment::from_iter([("HOME", "/home/ana")]);
    for (mode, good) in [(0o644, true), (0o600, true), (0o646, false)] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(Config::load(Some(&path), &env, &services).is_ok(), good, "{mode:o}");
    }
    let missing = Config::load(Some(&folder.path().join("none")), &env, &services).unwrap_err();
    assert_eq!(missing.errors()[0].code(), "E0115");
}

/// What another reader of YAML takes a file for: scalars by their text, for the spelling of numbers is ours to keep.
fn of_serde_yaml(value: &serde_yaml::Value) -> Plain {
    use serde_yaml::Value::{Bool, Mapping, Null, Number, Sequence, String, Tagged};
    match value {
        Null => Plain::Null,
        Bool(b) => Plain::Bool(*b),
        Number(n) => Plain::Number(n.as_f64().unwrap()),
        String(s) => Plain::Text(s.clone()),
        Sequence(items) => Plain::List(items.iter().map(of_serde_yaml).collect()),
        Mapping(pairs) => Plain::Map(
            pairs
                .iter()
                .map(|(key, value)| (key.as_str().unwrap().to_owned(), of_serde_yaml(value)))
                .collect(),
        ),
        Tagged(_) => panic!("a tag"),
    }
}

#[derive(Debug, PartialEq)]
enum Plain {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    List(Vec<Plain>),
    Map(Vec<(String, Plain)>),
}

fn of_tree(node: &Node) -> Plain {
    match &node.value {
        tree::Value::List(items) => Plain::List(items.iter().map(of_tree).collect()),
        tree::Value::Map(pairs) => Plain::Map(
            pairs
                .iter()
                .map(|(key, node)| (key.text.clone(), of_tree(node)))
                .collect(),
        ),
        tree::Value::Scalar(scalar) => match scalar.kind {
            tree::Kind::Null => Plain::Null,
            tree::Kind::Bool => Plain::Bool(scalar.text.to_lowercase() == "true"),
            tree::Kind::Number => Plain::Number(scalar.text.parse().unwrap()),
            tree::Kind::Text => Plain::Text(scalar.text.clone()),
        },
    }
}

/// Both readers take a text for the same values.
pub(super) fn assert_readers_agree(text: &str) {
    let theirs = of_serde_yaml(&serde_yaml::from_str(text).unwrap());
    assert_eq!(of_tree(&tree::parse(text, 0).unwrap()), theirs, "{text}");
}

#[test]
fn serde_yaml_reads_every_example_as_we_do() {
    for path in fixtures("good") {
        assert_readers_agree(&fs::read_to_string(path).unwrap());
    }
    assert_readers_agree(SMALL);
}

#[test]
fn the_example_of_the_page_is_the_annotated_file() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/config.md")).unwrap();
    let (_, rest) = page.split_once("```yaml\n").unwrap();
    let (example, _) = rest.split_once("```\n").unwrap();
    let file = root.join("fixtures/config/good/annotated.yaml");
    assert_eq!(example, fs::read_to_string(file).unwrap());
}

#[test]
fn the_page_has_every_code() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/config.md")).unwrap();
    for number in 101..=122 {
        assert!(page.contains(&format!("| E0{number} |")), "E0{number}");
    }
    assert!(!page.contains("| E0123 |"));
}

#[test]
fn each_value_is_shown_with_where_it_comes_from_and_no_secret_is() {
    let text = SMALL.replace(
        "key: { file: ~/.config/raic/key }",
        "key: { command: [pass, show, sesame] }",
    ) + "  far: { extends: default, prefer: cost }\n";
    let twins = [
        ("RAIC__POLICIES__DEFAULT__CHUNK", "128 KiB"),
        ("RAIC__PROVIDERS__R2__OPTIONS__SECRET_ACCESS_KEY", "sesame"),
    ];
    let (config, env) = read_with(&text, &twins).unwrap();
    let shown = config.show(&env);
    let of = |key: &str| {
        let found: Vec<&Shown> = shown.iter().filter(|shown| shown.path.join(".") == key).collect();
        assert_eq!(found.len(), 1, "{key} {shown:?}");
        (found[0].value.as_str(), found[0].from.as_str())
    };
    for (key, value, from) in [
        ("key", "{ command: [pass, ...] }", "line 2"),
        ("providers.r2.options.bucket", "x", "line 8"),
        (
            "providers.r2.operator",
            "cloudflare",
            "guessed from scheme and endpoint",
        ),
        ("providers.a.limits.concurrency", "16", "default of fs"),
        (
            "policies.default.chunk",
            "128 KiB",
            "environment variable RAIC__POLICIES__DEFAULT__CHUNK",
        ),
        ("policies.far.prefer", "cost", "line 11"),
        ("policies.far.k", "2", "policy default, line 10"),
        ("policies.far.write_quorum", "3", "default"),
        ("policies.far.providers", "[a, b-1, r2]", "default"),
        ("state", "~/.local/state/raic", "default"),
    ] {
        assert_eq!(of(key), (value, from), "{key}");
    }
    assert_eq!(of("policies.far.chunk").0, "128 KiB");
    assert!(!format!("{shown:?}{}", show_text(&shown)).contains("sesame"));
}

/// What is shown is a configuration that says the same.
#[test]
fn what_is_shown_reads_back_as_what_holds() {
    let mut texts: Vec<String> = fixtures("good")
        .iter()
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    texts.push(SMALL.to_owned());
    for text in texts {
        let twins = [
            ("RAIC__POLICIES__DEFAULT__CHUNK", "128 KiB"),
            ("RAIC__POLICIES__DEFAULT__M", "1"),
        ];
        let (config, env) = read_with(&text, &twins).unwrap();
        let shown = show_text(&config.show(&env));
        assert_readers_agree(&shown);
        let (again, _) = read_with(&shown, &[]).unwrap_or_else(|errors| panic!("{shown}\n{errors}"));
        assert_eq!(again.set.providers.len(), config.set.providers.len());
        for (profile, before) in again.set.providers.iter().zip(&config.set.providers) {
            assert!(profile.options.keys().eq(before.options.keys()));
            assert_eq!(profile.domains, before.domains);
        }
        for (name, policy) in &config.set.policies {
            let mut wanted = policy.clone();
            let all = || {
                config
                    .set
                    .providers
                    .iter()
                    .map(|profile| profile.name.clone())
                    .collect()
            };
            wanted.providers.get_or_insert_with(all);
            assert_eq!(again.set.policies[name], wanted, "{shown}");
        }
        assert_eq!(again.node, config.node);
    }
}

#[test]
fn the_sets_key_is_fetched_and_what_is_none_is_told_without_a_letter_of_it() {
    use crate::fragment::secret::SetSecret;
    let text = SMALL.replace("{ file: ~/.config/raic/key }", "{ env: THE_KEY }");
    let secret = SetSecret::new([7; 32]);
    let key = secret.to_text();
    let (config, env) = read_with(&text, &[("THE_KEY", &key)]).unwrap();
    assert!(config.secret(&env).unwrap() == secret);
    for (value, code) in [("raic-key-1:sesame", "E0122"), ("sesame", "E0122"), ("", "E0110")] {
        let (config, env) = read_with(&text, &[("THE_KEY", value)]).unwrap();
        let error = config.secret(&env).unwrap_err();
        assert_eq!(error.code(), code);
        assert!(!render(&error, Look::default()).contains("sesame"));
    }
}

#[test]
fn the_state_folder_is_the_one_that_is_written_or_that_of_the_xdg_rules() {
    let (config, env) = read_with(SMALL, &[]).unwrap();
    assert_eq!(config.state_folder(&env), Some("/home/ana/.local/state/raic".into()));
    let (config, env) = read_with(SMALL, &[("XDG_STATE_HOME", "/var/x"), ("RAIC__STATE", "~/s")]).unwrap();
    assert_eq!(config.state_folder(&env), Some("/home/ana/s".into()));
    let (config, env) = read_with(SMALL, &[("XDG_STATE_HOME", "/var/x")]).unwrap();
    assert_eq!(config.state_folder(&env), Some("/var/x/raic".into()));
}
