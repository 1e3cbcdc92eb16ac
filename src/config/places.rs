//! Whether two providers lie in one place: the same bucket or folder under two names, or one inside the other, would hold two
//! fragments of an extent and lose both at once.

use std::collections::BTreeMap;

use crate::cloud_set::{OptionValue, Profile};

/// What says where a service keeps blobs, whatever account it is reached by; its `root` is beside these.
const PLACE: [&str; 6] = [
    "endpoint",
    "bucket",
    "container",
    "filesystem",
    "share_name",
    "repo_name",
];

/// Any of these makes the words of [`PLACE`] enough; without one the account decides too, as with drives.
const NAMED: [&str; 5] = ["bucket", "container", "filesystem", "share_name", "repo_name"];

/// Where a provider keeps its blobs.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Place {
    scheme: String,
    options: BTreeMap<String, OptionValue>,
    /// Parts of its path; `None` if it is kept elsewhere.
    root: Option<Vec<String>>,
}

/// How two places meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meeting {
    /// They are one.
    Same,
    /// The first lies in the second.
    Inside,
    /// The second lies in the first.
    Around,
    /// They are beside each other in one bucket or share: whoever closes it closes both.
    Beside,
}

impl Place {
    pub(super) fn of(profile: &Profile) -> Place {
        let by_name = profile.scheme == "fs" || NAMED.iter().any(|name| profile.options.contains_key(*name));
        let options = profile
            .options
            .iter()
            .filter(|(name, _)| name.as_str() != "root" && (!by_name || PLACE.contains(&name.as_str())));
        let root = match profile.options.get("root") {
            // A service's own root; a folder of this machine has to be named.
            None => (profile.scheme != "fs").then(Vec::new),
            Some(OptionValue::Literal(path)) => Some(parts(path)),
            Some(OptionValue::Reference(_)) => None,
        };
        Place {
            scheme: profile.scheme.clone(),
            options: options.map(|(name, value)| (name.clone(), plain(value))).collect(),
            root,
        }
    }

    /// How they certainly meet; `None` if they don't, or if nothing here tells.
    pub(super) fn meets(&self, other: &Place) -> Option<Meeting> {
        // Each provider in memory is a memory of its own.
        if self.scheme == "memory" || self.scheme != other.scheme || self.options != other.options {
            return None;
        }
        match (&self.root, &other.root) {
            (Some(a), Some(b)) if a == b => Some(Meeting::Same),
            (Some(a), Some(b)) if a.starts_with(b) => Some(Meeting::Inside),
            (Some(a), Some(b)) if b.starts_with(a) => Some(Meeting::Around),
            // Folders of one machine are what a beginner has: their operator says it.
            _ if self.scheme == "fs" => None,
            _ => Some(Meeting::Beside),
        }
    }
}

/// The parts of a path, as they count: `/a//b/./c/` is `a b c`.
fn parts(path: &str) -> Vec<String> {
    let real = path.split('/').filter(|part| !matches!(*part, "" | "."));
    real.map(str::to_owned).collect()
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

    fn place(scheme: &str, options: &[(&str, &str)]) -> Place {
        let value = |text: &str| match text.strip_prefix("env:") {
            Some(name) => OptionValue::Reference(Reference::Env(name.to_owned())),
            None => OptionValue::Literal(text.to_owned()),
        };
        Place::of(&Profile {
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
        })
    }

    #[test]
    fn one_bucket_is_one_whoever_reaches_it_and_one_account_is_not() {
        let s3 = |endpoint, bucket, key| {
            place(
                "s3",
                &[("endpoint", endpoint), ("bucket", bucket), ("secret_access_key", key)],
            )
        };
        let a = s3("https://s3.example.net", "x", "env:A");
        assert_eq!(
            a.meets(&s3("https://S3.example.net/", "x", "env:B")),
            Some(Meeting::Same)
        );
        assert_eq!(a.meets(&s3("https://s3.example.net", "y", "env:A")), None);
        assert_eq!(a.meets(&s3("https://s4.example.net", "x", "env:A")), None);
        let drive = |token| place("dropbox", &[("root", "/raic"), ("refresh_token", token)]);
        assert_eq!(drive("env:A").meets(&drive("env:A")), Some(Meeting::Same));
        assert_eq!(drive("env:A").meets(&drive("env:B")), None);
    }

    #[test]
    fn folders_meet_where_one_is_the_other_or_holds_it() {
        let fs = |root| place("fs", &[("root", root)]);
        for (a, b, met) in [
            ("/srv/a", "/srv/a/", Some(Meeting::Same)),
            ("/srv/a", "/srv/./a//", Some(Meeting::Same)),
            ("/srv/a", "/srv/a/b", Some(Meeting::Around)),
            ("/srv/a/b", "/srv", Some(Meeting::Inside)),
            ("/srv/a", "/srv/ab", None),
            ("/srv/a", "/srv/A", None),
        ] {
            assert_eq!(fs(a).meets(&fs(b)), met, "{a} {b}");
        }
        let bucket = |root| place("s3", &[("bucket", "x"), ("root", root)]);
        assert_eq!(bucket("a").meets(&bucket("b")), Some(Meeting::Beside));
        assert_eq!(
            bucket("a").meets(&place("s3", &[("bucket", "x")])),
            Some(Meeting::Inside)
        );
        assert_eq!(bucket("env:A").meets(&bucket("b")), Some(Meeting::Beside));
        assert_eq!(fs("/").meets(&place("fs", &[])), None);
        assert_eq!(place("memory", &[]).meets(&place("memory", &[])), None);
        assert_eq!(fs("/a").meets(&place("sftp", &[("root", "/a")])), None);
    }
}
