//! Which company runs a provider, guessed from its scheme and the host of its endpoint: the default of `operator`.
//!
//! A guess errs to "the same": two providers on unknown hosts of one domain count as one operator, and everything on this
//! machine is the operator `local`.

use std::net::IpAddr;

/// What everything on this machine is run by.
pub(super) const LOCAL: &str = "local";

/// Operators by the end of their hosts' names; words as in the price catalog.
const HOSTS: [(&str, &str); 38] = [
    ("amazonaws.com", "aws"),
    ("amazonaws.com.cn", "aws"),
    ("backblazeb2.com", "backblaze"),
    ("r2.cloudflarestorage.com", "cloudflare"),
    ("storage.googleapis.com", "google"),
    ("googleapis.com", "google"),
    ("core.windows.net", "microsoft"),
    ("core.chinacloudapi.cn", "microsoft"),
    ("wasabisys.com", "wasabi"),
    ("storjshare.io", "storj"),
    ("idrivee2.com", "idrive"),
    ("e2.idrive.com", "idrive"),
    ("your-objectstorage.com", "hetzner"),
    ("your-storagebox.de", "hetzner"),
    ("io.cloud.ovh.net", "ovh"),
    ("cloud.ovh.net", "ovh"),
    ("cloud.ovh.us", "ovh"),
    ("scw.cloud", "scaleway"),
    ("digitaloceanspaces.com", "digitalocean"),
    ("bunnycdn.com", "bunny"),
    ("oraclecloud.com", "oracle"),
    ("customer-oci.com", "oracle"),
    ("linodeobjects.com", "akamai"),
    ("tigris.dev", "tigris"),
    ("storage.dev", "tigris"),
    ("vultrobjects.com", "vultr"),
    ("appdomain.cloud", "ibm"),
    ("impossibleapi.net", "impossible-cloud"),
    ("aliyuncs.com", "alibaba"),
    ("myqcloud.com", "tencent"),
    ("myhuaweicloud.com", "huawei"),
    ("volces.com", "volcengine"),
    ("dropboxapi.com", "dropbox"),
    ("pcloud.com", "pcloud"),
    ("koofr.net", "koofr"),
    ("yandexcloud.net", "yandex"),
    ("exo.io", "exoscale"),
    ("contabostorage.com", "contabo"),
];

/// Schemes that are one company's own, and what runs them without an endpoint.
const SCHEMES: [(&str, &str); 17] = [
    ("fs", LOCAL),
    ("memory", LOCAL),
    ("s3", "aws"),
    ("gcs", "google"),
    ("gdrive", "google"),
    ("azblob", "microsoft"),
    ("azdls", "microsoft"),
    ("azfile", "microsoft"),
    ("onedrive", "microsoft"),
    ("b2", "backblaze"),
    ("dropbox", "dropbox"),
    ("pcloud", "pcloud"),
    ("koofr", "koofr"),
    ("yandex-disk", "yandex"),
    ("upyun", "upyun"),
    ("oss", "alibaba"),
    ("cos", "tencent"),
];

/// Names that stand between a company's and its country's: `example.co.uk`.
const SECOND_LEVEL: [&str; 8] = ["co", "com", "net", "org", "gov", "ac", "edu", "or"];

/// The operator of a provider; `None` if neither scheme nor endpoint tells.
pub(super) fn guess(scheme: &str, endpoint: Option<&str>) -> Option<String> {
    if let Some(host) = endpoint.map(host).filter(|host| !host.is_empty()) {
        return Some(of_host(&host));
    }
    let known = SCHEMES.iter().find(|(known, _)| *known == scheme);
    known.map(|(_, operator)| (*operator).to_owned())
}

/// The host of `scheme://user@host:port/path` in lower case; scheme, user, port and path may be missing.
fn host(endpoint: &str) -> String {
    let rest = endpoint.split_once("://").map_or(endpoint, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    let host = match host.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None if host.matches(':').count() > 1 => host,
        None => host.split(':').next().unwrap_or_default(),
    };
    host.trim_end_matches('.').to_ascii_lowercase()
}

fn of_host(host: &str) -> String {
    let address = host.parse::<IpAddr>().ok();
    if host == "localhost" || host.ends_with(".localhost") || address.is_some_and(|ip| ip.is_loopback()) {
        return LOCAL.to_owned();
    }
    let known = HOSTS.iter().find(|(end, _)| {
        host.strip_suffix(end)
            .is_some_and(|head| head.is_empty() || head.ends_with('.'))
    });
    match known {
        Some((_, operator)) => (*operator).to_owned(),
        None if address.is_some() => host.to_owned(),
        None => registrable(host).to_owned(),
    }
}

/// The part of a host's name that somebody registered: its last two labels, three under a country's second level.
fn registrable(host: &str) -> &str {
    let labels: Vec<&str> = host.split('.').collect();
    let keep = match labels[..] {
        [.., second, country] if country.len() == 2 && SECOND_LEVEL.contains(&second) => 3,
        _ => 2,
    };
    let skipped: usize = labels.iter().rev().skip(keep).map(|label| label.len() + 1).sum();
    &host[skipped..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_tells_the_company_and_the_scheme_does_where_there_is_none() {
        for (scheme, endpoint, operator) in [
            ("s3", None, Some("aws")),
            ("s3", Some("https://s3.eu-central-1.amazonaws.com"), Some("aws")),
            (
                "s3",
                Some("https://s3.eu-central-003.backblazeb2.com"),
                Some("backblaze"),
            ),
            ("s3", Some("https://acc.r2.cloudflarestorage.com"), Some("cloudflare")),
            (
                "s3",
                Some("https://acc.eu.r2.cloudflarestorage.com:443/x"),
                Some("cloudflare"),
            ),
            ("s3", Some("https://s3.wasabisys.com"), Some("wasabi")),
            ("s3", Some("fsn1.your-objectstorage.com"), Some("hetzner")),
            ("s3", Some("https://notamazonaws.com"), Some("notamazonaws.com")),
            (
                "s3",
                Some("https://minio.store.example.co.uk:9000"),
                Some("example.co.uk"),
            ),
            ("s3", Some("http://127.0.0.1:9000"), Some("local")),
            ("s3", Some("http://[::1]:9000"), Some("local")),
            ("s3", Some("http://192.0.2.7:9000"), Some("192.0.2.7")),
            ("gcs", None, Some("google")),
            ("azblob", Some("https://me.blob.core.windows.net"), Some("microsoft")),
            ("azblob", Some("http://127.0.0.1:10000/dev"), Some("local")),
            ("sftp", Some("ssh://me@u1.your-storagebox.de:23"), Some("hetzner")),
            ("sftp", Some("me@nas"), Some("nas")),
            ("webdav", Some("https://dav.Example.NET./x"), Some("example.net")),
            ("fs", None, Some("local")),
            ("webdav", None, None),
        ] {
            assert_eq!(guess(scheme, endpoint).as_deref(), operator, "{scheme} {endpoint:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_endpoint_makes_it_panic(endpoint in "\\PC{0,20}|[a-z.:/@\\[\\]]{0,20}") {
            let _ = guess("s3", Some(&endpoint));
        }
    }
}
