//! The shipped figures hold together, and what is wrong in a file is told with its place.

use std::collections::BTreeSet;
use std::path::Path;

use super::*;

/// An entry with every figure, for a test to change.
const WHOLE: &str = "version: 1
operator: me
providers:
  mine:
    name: Mine
    scheme: s3
    currency: USD
    jurisdiction: { value: null }
    storage: { value: 6.00/TB-month }
    egress: { value: 10.00/TB }
    egress_free: { value: { kind: nothing } }
    put: { value: 0 }
    get: { value: null }
    retrieval: { value: 0 }
    min_days: { value: 0 }
    min_object: { value: 0 B }
    monthly: { value: { kind: nothing } }
    durability: { value: null }
    sla: { value: 99.95 % }
";

fn shipped() -> Prices {
    Prices::shipped(None).unwrap_or_else(|fault| panic!("{fault}"))
}

#[test]
fn every_file_of_the_folder_is_shipped() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/providers");
    let there: BTreeSet<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| Path::new(name).extension().is_some_and(|end| end == "yaml"))
        .collect();
    let shipped: BTreeSet<String> = shipped_files().iter().map(|file| file.name.to_owned()).collect();
    assert_eq!(there, shipped);
}

#[test]
fn the_shipped_figures_are_all_there_with_source_and_trust() {
    let prices = shipped();
    assert_eq!((prices.tariffs().count(), prices.operators().len()), (25, 19));
    for tariff in prices.tariffs() {
        for mark in tariff.marks() {
            let remembered = mark.trust == Trust::Memory && mark.source == "mem";
            let dated = mark.date.is_some() || prices.sources[&mark.source].date.is_none();
            let undated_page = mark.source == "mem";
            assert_ne!(mark.trust, Trust::Own, "{} {}", tariff.id, mark.key);
            assert!(
                remembered || dated || undated_page,
                "{} {} has no day",
                tariff.id,
                mark.key
            );
            // What is said without a page can't be more than remembered.
            assert!(
                mark.source != "mem" || mark.trust.in_doubt(),
                "{} {}",
                tariff.id,
                mark.key
            );
        }
        assert_eq!(tariff.currency == "EUR", tariff.operator == "hetzner");
    }
}

#[test]
fn the_shipped_figures_are_those_that_were_read() {
    let prices = shipped();
    let of = |id: &str| prices.tariff(id).unwrap();
    let storage = |id: &str, bytes| of(id).storage.value.unwrap().of(bytes).to_string();
    for (id, dollars) in [
        ("aws-s3-standard", "23.00"),
        ("backblaze-b2", "6.95"),
        ("cloudflare-r2", "15.00"),
        ("hetzner-eu", "6.49"),
        ("idrive-e2", "5.00"),
        ("ovh-standard", "7.00"),
        ("storj-standard", "7.00"),
        ("wasabi", "7.99"),
    ] {
        assert_eq!(storage(id, 1_000_000_000_000), dollars, "{id}");
    }
    assert_eq!(storage("gcs-standard", 1 << 30), "0.02");
    assert_eq!(of("aws-s3-standard").storage_tiers.len(), 3);
    assert_eq!(of("wasabi").min_days.value, Some(90));
    assert_eq!(of("hetzner-eu").min_object.value, Some(Size::of(65_536)));
    assert_eq!(of("storj-standard").sla.value.map(Uptime::share), Some(0.9995));
    let shared = Monthly::Minimum {
        amount: "50".parse().unwrap(),
        shared: Some("storj-account".to_owned()),
    };
    assert_eq!(of("storj-advanced").monthly.value, Some(shared));
    let limited = Allowance::Multiple {
        of_stored: 1,
        beyond: Beyond::Limited,
    };
    assert_eq!(of("wasabi").egress_free.value, Some(limited));
    assert_eq!(prices.pools["aws-account"].value, Some(Size::of(100_000_000_000)));
}

#[test]
fn what_is_not_known_stays_unknown() {
    let prices = shipped();
    let of = |id: &str| prices.tariff(id).unwrap();
    assert_eq!(of("hetzner-eu").put.value, None);
    assert_eq!(of("akamai-linode").get.value, None);
    assert_eq!(of("bunny-storage").egress.value, None);
    assert_eq!(of("impossible-cloud").monthly.value, None);
    assert_eq!(prices.pools["linode-account"].value, None);
    // Free is told, not taken for granted.
    assert!(
        of("wasabi")
            .put
            .value
            .is_some_and(|price| price.of(u64::MAX) == Money::ZERO)
    );
}

#[test]
fn the_owners_file_goes_over_the_shipped_ones_figure_by_figure() {
    let own = "version: 1\nproviders:\n  aws-s3-standard:\n    storage: { value: 20.00/TB-month }\n";
    let prices = Prices::shipped(Some(("own.yaml", own))).unwrap();
    let aws = prices.tariff("aws-s3-standard").unwrap();
    assert_eq!(aws.storage.value.unwrap().of(1_000_000_000_000).to_string(), "20.00");
    assert_eq!((aws.storage.trust, aws.storage.source.as_str()), (Trust::Own, "own"));
    // One price leaves no tiers of the old one behind; what isn't written stays.
    assert_eq!((aws.storage_tiers.len(), aws.egress_tiers.len()), (0, 4));
    assert_eq!(aws.put, shipped().tariff("aws-s3-standard").unwrap().put);
    let new = Prices::shipped(Some(("own.yaml", WHOLE))).unwrap();
    assert_eq!(
        (new.tariffs().count(), &*new.tariff("mine").unwrap().operator),
        (26, "me")
    );
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table, a row a fault")]
fn what_is_wrong_is_told_with_its_place() {
    for (old, new, place, what) in [
        (
            "    put: { value: 0 }\n",
            "",
            "own.yaml:5:5",
            "`put` is missing: write `put: { value: null }`",
        ),
        ("put: { value: 0 }", "put: { }", "own.yaml:12:10", "value"),
        (
            "put: { value: 0 }",
            "put: { value: -1/1k }",
            "own.yaml:12:19",
            "cannot be negative",
        ),
        (
            "put: { value: 0 }",
            "put: { value: .nan }",
            "own.yaml:12:19",
            "a price of requests",
        ),
        (
            "put: { value: 0 }",
            "put: { value: 2/1 }",
            "own.yaml:12:19",
            "is the unit right",
        ),
        ("put: { value: 0 }", "putt: { value: 0 }", "own.yaml:12:5", "putt"),
        (
            "storage: { value: 6.00/TB-month }",
            "storage: { value: 6.00 }",
            "own.yaml:9:23",
            "a unit is missing",
        ),
        (
            "min_days: { value: 0 }",
            "min_days: { value: -3 }",
            "own.yaml:15:24",
            "",
        ),
        (
            "sla: { value: 99.95 % }",
            "sla: { value: 101 % }",
            "own.yaml:19:19",
            "more than 100 %",
        ),
        (
            "sla: { value: 99.95 % }",
            "sla: { value: 0.9995 }",
            "own.yaml:19:19",
            "a unit is missing: %",
        ),
        (
            "kind: nothing } }\n    put",
            "kind: gratis } }\n    put",
            "own.yaml:11",
            "gratis",
        ),
        (
            "kind: nothing } }\n    put",
            "kind: pool, pool: x } }\n    put",
            "the price catalog",
            "there is no pool `x`",
        ),
        (
            "kind: nothing } }\n    put",
            "kind: base } }\n    put",
            "own.yaml:5:5",
            "`monthly` has none",
        ),
        (
            "currency: USD",
            "currency: dollars",
            "own.yaml:5:5",
            "three capital letters",
        ),
        (
            "put: { value: 0 }",
            "put: { value: 0, source: hearsay, trust: secondary }",
            "the price catalog",
            "`hearsay`",
        ),
        (
            "put: { value: 0 }",
            "put: { value: 0, date: \"2026-02-30\" }",
            "own.yaml:12:28",
            "not a day",
        ),
        ("version: 1", "version: 2", "own.yaml:1:10", "this raic reads version 1"),
        (
            "    name: Mine\n",
            "    name: Mine\n    name: Yours\n",
            "own.yaml:6",
            "name",
        ),
        (
            "    put: {",
            "    storage_tiers: [{ to: 1 TB, price: 6.00/TB-month }]\n    put: {",
            "own.yaml:5:5",
            "the last one alone has no `to`",
        ),
        (
            "    put: {",
            "    storage_tiers: [{ price: 7.00/TB-month }]\n    put: {",
            "own.yaml:5:5",
            "must begin with the price",
        ),
    ] {
        assert!(WHOLE.contains(old), "{old}");
        let text = WHOLE.replacen(old, new, 1);
        let fault = Prices::shipped(Some(("own.yaml", &text))).expect_err(new);
        let said = fault.to_string();
        assert!(said.starts_with(place) && said.contains(what), "{new}: {said}");
        assert!(!said.contains('\n'), "{said}");
    }
}

#[test]
fn the_other_reader_of_yaml_agrees_on_every_file() {
    for file in shipped_files() {
        let ours: serde_json::Value = serde_saphyr::from_str(file.text).unwrap();
        let named: serde_json::Value = serde_yaml::from_str(file.text).unwrap();
        assert_eq!(ours, named, "{}", file.name);
    }
}

#[test]
fn a_rate_of_nothing_is_refused() {
    let own = |rate: &str| format!("version: 1\nrates: {{ EUR: \"{rate}\" }}\nproviders: {{}}\n");
    let read = |rate: &str| Prices::read(&[("prices.yaml", &own(rate))]);
    assert!(read("1.1").is_ok());
    let fault = read("0").unwrap_err().to_string();
    assert!(fault.contains("`EUR` is 0"), "{fault}");
}

#[test]
fn the_age_of_an_entry_is_that_of_its_oldest_price() {
    let prices = shipped();
    let today = "2026-11-23".parse::<Day>().unwrap().latest();
    let age = |id: &str| prices.tariff(id).unwrap().age(today);
    // Oldest: the retrieval price, of September 2025.
    assert_eq!(
        age("aws-s3-standard"),
        Some(today - "2025-09".parse::<Day>().unwrap().latest())
    );
    assert_eq!(age("bunny-storage"), None);
    assert!(age("storj-standard").is_some_and(|days| days < OLD_AFTER));
}
