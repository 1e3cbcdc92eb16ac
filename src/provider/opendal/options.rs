//! What may stand under `options:` for each scheme, checked before OpenDAL sees it: OpenDAL passes over a misspelt key in silence.
//!
//! The names come from the services' own configurations, so they follow OpenDAL; only what serde doesn't show, other
//! spellings of a name, stands in a table here. Nothing is ever taken from the surroundings (environment, home folder,
//! metadata service of a virtual machine): one provider's credentials would reach another.

use std::collections::{BTreeMap, BTreeSet};

use opendal::OperatorRegistry;
use opendal::services;
use serde::Serialize;

use super::OpenError;

/// A scheme and how to learn the names of its options.
type Row = (&'static str, fn() -> Vec<String>);

/// The names of a configuration's fields.
fn fields<C: Serialize + Default>() -> Vec<String> {
    match serde_json::to_value(C::default()) {
        Ok(serde_json::Value::Object(fields)) => fields.into_iter().map(|(name, _)| name).collect(),
        _ => Vec::new(),
    }
}

/// Every service that can be compiled in, in the order `raic provider schemes` shows them. A service that can't write
/// (`http`) is no provider and isn't here.
const SERVICES: &[Row] = &[
    ("memory", fields::<services::MemoryConfig>),
    #[cfg(feature = "providers-core")]
    ("fs", fields::<services::FsConfig>),
    #[cfg(feature = "providers-core")]
    ("s3", fields::<services::S3Config>),
    #[cfg(feature = "providers-core")]
    ("gcs", fields::<services::GcsConfig>),
    #[cfg(feature = "providers-core")]
    ("azblob", fields::<services::AzblobConfig>),
    #[cfg(feature = "providers-core")]
    ("b2", fields::<services::B2Config>),
    #[cfg(feature = "providers-core")]
    ("swift", fields::<services::SwiftConfig>),
    #[cfg(feature = "providers-core")]
    ("webdav", fields::<services::WebdavConfig>),
    #[cfg(feature = "providers-core")]
    ("sftp", fields::<services::SftpConfig>),
    #[cfg(feature = "providers-core")]
    ("ftp", fields::<services::FtpConfig>),
    #[cfg(feature = "providers-core")]
    ("redis", fields::<services::RedisConfig>),
    #[cfg(feature = "providers-drives")]
    ("dropbox", fields::<services::DropboxConfig>),
    #[cfg(feature = "providers-drives")]
    ("gdrive", fields::<services::GdriveConfig>),
    #[cfg(feature = "providers-drives")]
    ("onedrive", fields::<services::OnedriveConfig>),
    #[cfg(feature = "providers-drives")]
    ("pcloud", fields::<services::PcloudConfig>),
    #[cfg(feature = "providers-drives")]
    ("koofr", fields::<services::KoofrConfig>),
    #[cfg(feature = "providers-drives")]
    ("yandex-disk", fields::<services::YandexDiskConfig>),
    #[cfg(feature = "providers-cn")]
    ("oss", fields::<services::OssConfig>),
    #[cfg(feature = "providers-cn")]
    ("cos", fields::<services::CosConfig>),
    #[cfg(feature = "providers-cn")]
    ("obs", fields::<services::ObsConfig>),
    #[cfg(feature = "providers-cn")]
    ("tos", fields::<services::TosConfig>),
    #[cfg(feature = "all-services")]
    ("azdls", fields::<services::AzdlsConfig>),
    #[cfg(feature = "all-services")]
    ("azfile", fields::<services::AzfileConfig>),
    #[cfg(feature = "all-services")]
    ("upyun", fields::<services::UpyunConfig>),
    #[cfg(feature = "all-services")]
    ("seafile", fields::<services::SeafileConfig>),
    #[cfg(feature = "all-services")]
    ("webhdfs", fields::<services::WebhdfsConfig>),
];

/// Other spellings that OpenDAL 0.59.5 takes (its `serde(alias)`es), as other = name.
const ALIASES: &[(&str, &[(&str, &str)])] = &[
    (
        "s3",
        &[
            ("aws_bucket", "bucket"),
            ("aws_bucket_name", "bucket"),
            ("bucket_name", "bucket"),
            ("aws_endpoint", "endpoint"),
            ("aws_endpoint_url", "endpoint"),
            ("endpoint_url", "endpoint"),
            ("aws_region", "region"),
            ("aws_profile", "profile"),
            ("aws_access_key_id", "access_key_id"),
            ("aws_secret_access_key", "secret_access_key"),
            ("aws_session_token", "session_token"),
            ("aws_token", "session_token"),
            ("token", "session_token"),
            ("aws_server_side_encryption", "server_side_encryption"),
            ("aws_sse_kms_key_id", "server_side_encryption_aws_kms_key_id"),
            ("aws_sse_customer_key_base64", "server_side_encryption_customer_key"),
            ("aws_virtual_hosted_style_request", "enable_virtual_host_style"),
            ("virtual_hosted_style_request", "enable_virtual_host_style"),
            ("aws_checksum_algorithm", "checksum_algorithm"),
            ("aws_request_payer", "enable_request_payer"),
            ("request_payer", "enable_request_payer"),
        ],
    ),
    (
        "gcs",
        &[
            ("google_bucket", "bucket"),
            ("google_bucket_name", "bucket"),
            ("bucket_name", "bucket"),
            ("google_service_account", "service_account"),
            ("google_service_account_path", "service_account"),
            ("service_account_path", "service_account"),
            ("google_service_account_key", "credential"),
            ("service_account_key", "credential"),
            ("google_application_credentials", "credential_path"),
            ("google_skip_signature", "skip_signature"),
        ],
    ),
    (
        "azblob",
        &[
            ("azure_container_name", "container"),
            ("container_name", "container"),
            ("azure_storage_endpoint", "endpoint"),
            ("azure_endpoint", "endpoint"),
            ("azure_storage_account_name", "account_name"),
            ("azure_storage_account_key", "account_key"),
            ("azure_storage_access_key", "account_key"),
            ("azure_storage_master_key", "account_key"),
            ("access_key", "account_key"),
            ("master_key", "account_key"),
            ("azure_storage_sas_key", "sas_token"),
            ("azure_storage_sas_token", "sas_token"),
            ("sas_key", "sas_token"),
        ],
    ),
    (
        "tos",
        &[
            ("tos_access_key_id", "access_key_id"),
            ("volcengine_access_key_id", "access_key_id"),
            ("tos_secret_access_key", "secret_access_key"),
            ("volcengine_secret_access_key", "secret_access_key"),
            ("tos_security_token", "security_token"),
            ("volcengine_session_token", "security_token"),
        ],
    ),
];

/// What is set unless the owner says otherwise: nothing from the surroundings, and for WebDAV no search for parent folders
/// before every write (RAIC makes them once, and one at a time: Apache refuses one of two that make the same at once).
const DEFAULTS: &[(&str, &[(&str, &str)])] = &[
    (
        "s3",
        &[("disable_config_load", "true"), ("disable_ec2_metadata", "true")],
    ),
    (
        "gcs",
        &[("disable_config_load", "true"), ("disable_vm_metadata", "true")],
    ),
    ("cos", &[("disable_config_load", "true")]),
    ("tos", &[("disable_config_load", "true")]),
    ("webdav", &[("disable_create_dir", "true")]),
];

/// Services that look for credentials in the environment when none are given, and can't be told not to: one of these must stand there.
const CREDENTIALS: &[(&str, &[&str])] = &[
    ("azblob", &["account_key", "sas_token", "skip_signature"]),
    ("oss", &["access_key_id", "role_arn", "skip_signature"]),
];

fn row<T>(table: &'static [(&'static str, T)], scheme: &str) -> Option<&'static T> {
    table.iter().find(|(name, _)| *name == scheme).map(|(_, value)| value)
}

/// The schemes that this build can open.
pub fn schemes() -> Vec<&'static str> {
    opendal::init_default_registry();
    let registered = OperatorRegistry::get().schemes();
    let names = SERVICES.iter().map(|(name, _)| *name);
    names.filter(|name| registered.contains(*name)).collect()
}

/// The names of a scheme's options in byte order, other spellings included; `None` if this build can't open the scheme.
pub fn known_options(scheme: &str) -> Option<Vec<String>> {
    let fields = row(SERVICES, scheme)?();
    let others = row(ALIASES, scheme).into_iter().flat_map(|pairs| pairs.iter());
    let names: BTreeSet<String> = fields
        .into_iter()
        .chain(others.map(|(other, _)| (*other).to_owned()))
        .collect();
    Some(names.into_iter().collect())
}

/// The name in `names` that `word` was probably meant to be.
pub(super) fn near<'a>(word: &str, names: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let scored = names
        .into_iter()
        .map(|name| (strsim::normalized_damerau_levenshtein(word, name), name));
    let (score, name) = scored.max_by(|(a, _), (b, _)| a.total_cmp(b))?;
    (score >= 0.5).then(|| name.to_owned())
}

/// The options as OpenDAL is to get them: every key known and under its one name, nothing secret in an address, defaults filled in.
pub(super) fn checked(
    provider: &str,
    scheme: &str,
    options: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, OpenError> {
    let Some(known) = known_options(scheme) else {
        return Err(OpenError::Scheme {
            provider: provider.to_owned(),
            scheme: scheme.to_owned(),
            near: near(scheme, schemes()),
        });
    };
    let aliases = row(ALIASES, scheme).copied().unwrap_or_default();
    let mut checked = BTreeMap::new();
    for (key, value) in options {
        if !known.contains(key) {
            return Err(OpenError::Option {
                provider: provider.to_owned(),
                scheme: scheme.to_owned(),
                option: key.clone(),
                near: near(key, known.iter().map(String::as_str)),
            });
        }
        if tells_secret(scheme, value) {
            return Err(OpenError::UserInfo {
                provider: provider.to_owned(),
                option: key.clone(),
            });
        }
        let name = aliases
            .iter()
            .find(|(other, _)| other == key)
            .map_or(key.as_str(), |(_, name)| name);
        checked.insert(name.to_owned(), value.clone());
    }
    if let Some(wanted) = row(CREDENTIALS, scheme)
        && !wanted.iter().any(|name| checked.contains_key(*name))
    {
        return Err(OpenError::Credentials {
            provider: provider.to_owned(),
            scheme: scheme.to_owned(),
            wanted: wanted.join(", "),
        });
    }
    for (name, value) in row(DEFAULTS, scheme).into_iter().flat_map(|pairs| pairs.iter()) {
        checked.entry((*name).to_owned()).or_insert_with(|| (*value).to_owned());
    }
    Ok(checked)
}

/// True for an address with user-info in it, which every error message would carry on. An SSH address may name a user, but no password.
fn tells_secret(scheme: &str, value: &str) -> bool {
    value.split(',').any(|address| {
        let Some((_, rest)) = address.split_once("://") else {
            return false;
        };
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        match authority.rsplit_once('@') {
            None => false,
            Some((user, _)) if scheme == "sftp" => user.contains(':'),
            Some(_) => true,
        }
    })
}

/// True for options whose value is a secret, by their name: a net under the list that the configuration gives.
pub(super) fn is_secret(scheme: &str, option: &str) -> bool {
    let telling = [
        "secret",
        "password",
        "token",
        "credential",
        "account_key",
        "application_key",
        "encryption_key",
    ];
    let path = scheme == "gcs" && option == "credential_path";
    let harmless = option.ends_with("_id") || option.ends_with("_sha256") || option.ends_with("_md5");
    !path && !harmless && telling.iter().any(|part| option.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn every_scheme_of_this_build_has_its_options() {
        let schemes = schemes();
        assert!(schemes.contains(&"memory"));
        for scheme in SERVICES.iter().map(|(name, _)| *name) {
            assert!(schemes.contains(&scheme), "{scheme} is not registered");
            let known = known_options(scheme).unwrap();
            assert!(known.contains(&"root".to_owned()), "{scheme}: {known:?}");
        }
    }

    #[test]
    fn every_alias_stands_for_an_option_of_its_scheme() {
        for (scheme, aliases) in ALIASES {
            let Some(fields) = row(SERVICES, scheme).map(|fields| fields()) else {
                continue;
            };
            for (other, name) in *aliases {
                assert!(fields.contains(&(*name).to_owned()), "{scheme}: {name}");
                assert!(!fields.contains(&(*other).to_owned()), "{scheme}: {other}");
            }
        }
    }

    #[test]
    #[cfg(feature = "providers-core")]
    fn a_misspelt_option_is_refused_with_the_right_one() {
        let refused = checked("b", "s3", &options(&[("bucket", "x"), ("regoin", "y")])).unwrap_err();
        assert_eq!(
            refused,
            OpenError::Option {
                provider: "b".to_owned(),
                scheme: "s3".to_owned(),
                option: "regoin".to_owned(),
                near: Some("region".to_owned()),
            }
        );
    }

    #[test]
    fn an_unknown_scheme_is_refused_with_a_near_one() {
        let refused = checked("b", "memroy", &options(&[])).unwrap_err();
        assert_eq!(
            refused,
            OpenError::Scheme {
                provider: "b".to_owned(),
                scheme: "memroy".to_owned(),
                near: Some("memory".to_owned()),
            }
        );
    }

    #[test]
    #[cfg(feature = "providers-core")]
    fn nothing_is_taken_from_the_surroundings() {
        let s3 = checked("b", "s3", &options(&[("bucket", "x")])).unwrap();
        assert_eq!(
            (s3["disable_config_load"].as_str(), s3["disable_ec2_metadata"].as_str()),
            ("true", "true")
        );
        let gcs = checked("b", "gcs", &options(&[("bucket", "x")])).unwrap();
        assert_eq!(
            (gcs["disable_config_load"].as_str(), gcs["disable_vm_metadata"].as_str()),
            ("true", "true")
        );
        let azblob = checked("b", "azblob", &options(&[("container", "x")])).unwrap_err();
        assert!(matches!(azblob, OpenError::Credentials { .. }));
    }

    #[test]
    #[cfg(feature = "providers-core")]
    fn an_alias_becomes_the_name() {
        let s3 = checked("b", "s3", &options(&[("aws_bucket", "x")])).unwrap();
        assert_eq!(s3["bucket"], "x");
        assert!(!s3.contains_key("aws_bucket"));
    }

    #[test]
    fn an_address_with_a_password_tells_a_secret() {
        for (scheme, value, tells) in [
            ("s3", "http://user:pw@host/path", true),
            ("webdav", "https://user@host", true),
            ("redis", "redis://:pw@host:6379,redis://other", true),
            ("redis", "redis://one,redis://:pw@other", true),
            ("s3", "https://host/a@b", false),
            ("s3", "me@example.org", false),
            ("sftp", "ssh://me@host:22", false),
            ("sftp", "ssh://me:pw@host:22", true),
        ] {
            assert_eq!(tells_secret(scheme, value), tells, "{scheme} {value}");
        }
    }

    #[test]
    fn secrets_are_known_by_their_names() {
        for (scheme, option, secret) in [
            ("s3", "secret_access_key", true),
            ("s3", "access_key_id", false),
            ("azblob", "account_key", true),
            ("azblob", "sas_token", true),
            ("b2", "application_key", true),
            ("b2", "application_key_id", false),
            ("gcs", "credential", true),
            ("gcs", "credential_path", false),
            ("sftp", "key", false),
            ("webdav", "password", true),
        ] {
            assert_eq!(is_secret(scheme, option), secret, "{scheme} {option}");
        }
    }
}
