//! Whether two providers are one: the same bucket or folder under two names would hold two fragments of an extent and lose
//! both at once.

use std::collections::BTreeMap;

use crate::cloud_set::{OptionValue, Profile};

/// What says where a service keeps blobs, whatever account it is reached by.
const PLACE: [&str; 7] = [
    "endpoint",
    "bucket",
    "container",
    "filesystem",
    "share_name",
    "repo_name",
    "root",
];

/// Any of these makes the words of [`PLACE`] enough; without one the account decides too, as with drives.
const NAMED: [&str; 5] = ["bucket", "container", "filesystem", "share_name", "repo_name"];

/// True if both certainly keep their blobs in the same place.
pub(super) fn are_one(a: &Profile, b: &Profile) -> bool {
    // Each provider in memory is a memory of its own.
    a.scheme == b.scheme && a.scheme != "memory" && place(a) == place(b)
}

fn place(profile: &Profile) -> BTreeMap<&str, OptionValue> {
    let by_name = profile.scheme == "fs" || NAMED.iter().any(|name| profile.options.contains_key(*name));
    let options = profile
        .options
        .iter()
        .filter(|(name, _)| !by_name || PLACE.contains(&name.as_str()));
    let mut place: BTreeMap<&str, OptionValue> = options.map(|(name, value)| (name.as_str(), plain(value))).collect();
    place
        .entry("root")
        .or_insert_with(|| OptionValue::Literal(String::new()));
    place
}

/// Without slashes at the end, and in lower case up to the path where it is an address.
fn plain(value: &OptionValue) -> OptionValue {
    match value {
        OptionValue::Literal(text) => {
            let text = text.trim_end_matches('/');
            let host_end = text
                .find("://")
                .map_or(0, |at| text[at + 3..].find('/').map_or(text.len(), |len| at + 3 + len));
            OptionValue::Literal(text[..host_end].to_ascii_lowercase() + &text[host_end..])
        }
        OptionValue::Reference(_) => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud_set::{Limits, ProfileState, Reference};

    fn provider(scheme: &str, options: &[(&str, &str)]) -> Profile {
        let value = |text: &str| match text.strip_prefix("env:") {
            Some(name) => OptionValue::Reference(Reference::Env(name.to_owned())),
            None => OptionValue::Literal(text.to_owned()),
        };
        Profile {
            name: String::new(),
            scheme: scheme.to_owned(),
            options: options
                .iter()
                .map(|(name, text)| ((*name).to_owned(), value(text)))
                .collect(),
            domains: crate::cloud_set::Domains::default(),
            quota: None,
            weight: crate::cloud_set::quantity::Weight::EVEN,
            limits: Limits::default(),
            cost: None,
            state: ProfileState::Active,
        }
    }

    #[test]
    fn one_bucket_is_one_whoever_reaches_it_and_one_account_is_not() {
        let s3 = |endpoint, bucket, key| {
            provider(
                "s3",
                &[("endpoint", endpoint), ("bucket", bucket), ("secret_access_key", key)],
            )
        };
        let a = s3("https://s3.example.net", "x", "env:A");
        assert!(are_one(&a, &s3("https://S3.example.net/", "x", "env:B")));
        assert!(!are_one(&a, &s3("https://s3.example.net", "y", "env:A")));
        assert!(!are_one(&a, &s3("https://s4.example.net", "x", "env:A")));
        let drive = |token| provider("dropbox", &[("root", "/raic"), ("refresh_token", token)]);
        assert!(are_one(&drive("env:A"), &drive("env:A")));
        assert!(!are_one(&drive("env:A"), &drive("env:B")));
        assert!(are_one(
            &provider("fs", &[("root", "/srv/a")]),
            &provider("fs", &[("root", "/srv/a/")])
        ));
        assert!(!are_one(
            &provider("fs", &[("root", "/srv/a")]),
            &provider("fs", &[("root", "/srv/A")])
        ));
        assert!(!are_one(&provider("memory", &[]), &provider("memory", &[])));
        assert!(!are_one(
            &provider("fs", &[("root", "/a")]),
            &provider("sftp", &[("root", "/a")])
        ));
    }
}
