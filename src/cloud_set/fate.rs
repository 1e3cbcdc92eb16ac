//! What providers share beyond what their owner has written: the host behind an endpoint, a bucket, an account's key, a domain. What they share can take
//! them all at once.

use std::collections::BTreeMap;

use super::{OptionValue, Profile, Reference};

/// Options that name an account at a service.
const KEYS: [&str; 8] = [
    "access_key_id",
    "application_key_id",
    "account_name",
    "user",
    "username",
    "email",
    "client_id",
    "credential",
];

/// Options that name where a service keeps blobs.
const BUCKETS: [&str; 4] = ["bucket", "container", "filesystem", "share_name"];

/// Something that several providers share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shared {
    /// `operator`, `host`, `bucket`, `key`, `disk` or another kind of domain.
    pub what: &'static str,
    /// Which.
    pub value: String,
    /// Who, in the order of the configuration; two at least.
    pub providers: Vec<String>,
}

/// What these providers share. `disks` names the disk of those that lie on this machine.
#[must_use]
pub fn shared(providers: &[Profile], disks: &BTreeMap<String, String>) -> Vec<Shared> {
    let mut groups: BTreeMap<(&'static str, String), Vec<String>> = BTreeMap::new();
    for profile in providers {
        let mut join = |what, value: String| groups.entry((what, value)).or_default().push(profile.name.clone());
        for (kind, value) in &profile.domains.0 {
            join(kind.word(), value.clone());
        }
        if let Some(host) = host(profile) {
            let named = |name: &&&str| profile.options.contains_key(**name);
            if let Some(bucket) = BUCKETS.iter().find(named) {
                join("bucket", format!("{} at {host}", shown(&profile.options[*bucket])));
            }
            join("host", host);
        }
        for name in KEYS {
            if let Some(value) = profile.options.get(name) {
                join("key", shown(value));
            }
        }
        if let Some(disk) = disks.get(&profile.name) {
            join("disk", disk.clone());
        }
    }
    let shared = groups.into_iter().filter(|(_, providers)| providers.len() > 1);
    shared
        .map(|((what, value), providers)| Shared { what, value, providers })
        .collect()
}

/// The host of an endpoint, without port.
fn host(profile: &Profile) -> Option<String> {
    let OptionValue::Literal(endpoint) = profile.options.get("endpoint")? else {
        return None;
    };
    let behind = endpoint.split_once("://").map_or(endpoint.as_str(), |(_, rest)| rest);
    let host = behind.split(['/', '?']).next().unwrap_or_default();
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    let host = match host.strip_prefix('[') {
        Some(address) => address.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    (!host.is_empty()).then(|| host.to_ascii_lowercase())
}

/// A value, or where it comes from: two providers that fetch it from one place share it.
fn shown(value: &OptionValue) -> String {
    match value {
        OptionValue::Literal(text) => text.clone(),
        OptionValue::Reference(Reference::Env(name)) => format!("${name}"),
        OptionValue::Reference(Reference::File(path)) => path.display().to_string(),
        OptionValue::Reference(Reference::Command(words)) => words.join(" "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud_set::quantity::Weight;
    use crate::cloud_set::{DomainKind, Domains, Limits, ProfileState};

    fn profile(name: &str, operator: &str, options: &[(&str, &str)]) -> Profile {
        let value = |text: &str| match text.strip_prefix('$') {
            Some(name) => OptionValue::Reference(Reference::Env(name.to_owned())),
            None => OptionValue::Literal(text.to_owned()),
        };
        Profile {
            name: name.to_owned(),
            scheme: "s3".to_owned(),
            options: options
                .iter()
                .map(|(name, text)| ((*name).to_owned(), value(text)))
                .collect(),
            domains: Domains([(DomainKind::Operator, operator.to_owned())].into()),
            quota: None,
            weight: Weight::EVEN,
            limits: Limits::default(),
            cost: None,
            state: ProfileState::Active,
        }
    }

    #[test]
    fn what_two_providers_share_is_named_and_what_one_has_alone_is_not() {
        let endpoint = |text| ("endpoint", text);
        let providers = [
            profile(
                "a",
                "x",
                &[
                    endpoint("https://S3.example.net:443/p"),
                    ("bucket", "b"),
                    ("access_key_id", "$ID"),
                ],
            ),
            profile(
                "b",
                "y",
                &[
                    endpoint("https://s3.example.net"),
                    ("bucket", "b"),
                    ("access_key_id", "$ID"),
                ],
            ),
            profile("c", "x", &[endpoint("http://u:p@[::1]:9000"), ("bucket", "b")]),
            profile("d", "z", &[]),
        ];
        let disks = [("c", "8:1"), ("d", "8:1"), ("a", "8:2")];
        let disks = disks.map(|(name, disk)| (name.to_owned(), disk.to_owned())).into();
        let told: Vec<String> = shared(&providers, &disks)
            .into_iter()
            .map(|it| format!("{} {}: {}", it.what, it.value, it.providers.join(" ")))
            .collect();
        assert_eq!(
            told,
            [
                "bucket b at s3.example.net: a b",
                "disk 8:1: c d",
                "host s3.example.net: a b",
                "key $ID: a b",
                "operator x: a c",
            ]
        );
    }
}
