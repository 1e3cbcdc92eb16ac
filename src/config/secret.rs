//! Which values are secrets. Everything here errs on the side of hiding.

/// Options whose names sound secret and whose values are not.
const PUBLIC: [&str; 9] = [
    "access_key_id",
    "application_key_id",
    "secret_id",
    "server_side_encryption_key_id",
    "server_side_encryption_aws_kms_key_id",
    "server_side_encryption_customer_key_md5",
    "encryption_key_sha256",
    "credential_path",
    "oidc_token_file",
];

/// Whether an option of a service is a secret, by its name: passwords, tokens, keys that sign or encrypt, credentials.
/// The key of `sftp` is the path of a file.
#[must_use]
pub fn is_secret(scheme: &str, option: &str) -> bool {
    let option = option.to_ascii_lowercase();
    if PUBLIC.contains(&option.as_str()) || (scheme == "sftp" && option == "key") {
        return false;
    }
    let sounds = [
        "secret",
        "password",
        "passwd",
        "passphrase",
        "token",
        "credential",
        "delegation",
        "private",
    ];
    option == "key" || option.ends_with("_key") || sounds.iter().any(|word| option.contains(word))
}

/// Whether a value is an address with a user name or password in it: `scheme://user:word@host`.
#[must_use]
pub(super) fn has_user_info(value: &str) -> bool {
    let Some((_, rest)) = value.split_once("://") else {
        return false;
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    authority.contains('@')
}

/// Whether a value is an address with a query, which may be a signature: `https://host/path?sig=...`.
#[must_use]
pub(super) fn has_query(value: &str) -> bool {
    value.split_once("://").is_some_and(|(_, rest)| rest.contains('?'))
}

/// `sftp` logs in as the user of its endpoint, which is no secret: `ssh://user@host`. A colon would bring a password.
#[must_use]
pub(super) fn user_info_is_allowed(scheme: &str, value: &str) -> bool {
    let authority = value.split_once("://").map_or(value, |(_, rest)| rest);
    let user = authority.split('@').next().unwrap_or_default();
    scheme == "sftp" && !user.contains(':')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_opens_an_account_is_a_secret_and_what_names_it_is_not() {
        for (scheme, option) in [
            ("s3", "secret_access_key"),
            ("s3", "session_token"),
            ("s3", "server_side_encryption_customer_key"),
            ("gcs", "credential"),
            ("gcs", "token"),
            ("azblob", "account_key"),
            ("azblob", "sas_token"),
            ("azblob", "encryption_key"),
            ("b2", "application_key"),
            ("webdav", "password"),
            ("swift", "temp_url_key"),
            ("ftp", "password"),
            ("dropbox", "refresh_token"),
            ("gdrive", "client_secret"),
            ("oss", "access_key_secret"),
            ("oss", "security_token"),
            ("cos", "secret_key"),
            ("webhdfs", "delegation"),
            ("s3", "Secret_Access_Key"),
            ("memory", "key"),
        ] {
            assert!(is_secret(scheme, option), "{scheme} {option}");
        }
        for (scheme, option) in [
            ("s3", "access_key_id"),
            ("s3", "bucket"),
            ("s3", "endpoint"),
            ("s3", "external_id"),
            ("b2", "application_key_id"),
            ("b2", "bucket_id"),
            ("gcs", "credential_path"),
            ("azblob", "account_name"),
            ("sftp", "key"),
            ("sftp", "known_hosts_strategy"),
            ("cos", "secret_id"),
            ("dropbox", "client_id"),
        ] {
            assert!(!is_secret(scheme, option), "{scheme} {option}");
        }
    }

    #[test]
    fn a_password_inside_an_address_is_seen() {
        for address in ["http://u:pw@host", "https://token@host/x", "redis://:pw@127.0.0.1:6379"] {
            assert!(has_user_info(address), "{address}");
        }
        for address in ["https://host/a@b", "host", "https://host?x=a@b", "u@host"] {
            assert!(!has_user_info(address), "{address}");
        }
        assert!(user_info_is_allowed("sftp", "ssh://me@host"));
        assert!(!user_info_is_allowed("sftp", "ssh://me:pw@host"));
        assert!(!user_info_is_allowed("webdav", "https://me@host"));
    }
}
