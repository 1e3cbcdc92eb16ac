//! What an OpenDAL error means: mapped once, here, from what is certain to what is likely.
//!
//! ```text
//! 1. the operating system's error in the chain of sources      full disk, broken connection
//! 2. the code that the service wrote into its answer           NoSuchBucket, RequestTimeTooSkewed
//! 3. the status of the answer on the wire                      401, 429, 507
//! 4. OpenDAL's own kind                                        what is left
//! ```
//!
//! OpenDAL's kinds alone don't do: a full disk, a redirect and a dead host are all `Unexpected`, a skewed clock is
//! `PermissionDenied`, and an over-long name on a disk counts as temporary.

use std::error::Error as StdError;
use std::io;

use opendal::{Error, ErrorKind};

use super::redact::sentence;
use crate::provider::Class;

/// What `error` means; `status` is the last one that came over the wire during the call.
pub(super) fn class(error: &Error, status: Option<u16>) -> Class {
    let sources = sources(error);
    by_io(&sources)
        .or_else(|| by_code(error.message()))
        .or_else(|| by_ftp_code(&sources))
        .or_else(|| by_status(error, status))
        .unwrap_or_else(|| by_kind(error))
}

fn sources(error: &Error) -> Vec<&(dyn StdError + 'static)> {
    std::iter::successors(error.source(), |source| (*source).source()).collect()
}

fn by_io(sources: &[&(dyn StdError + 'static)]) -> Option<Class> {
    use io::ErrorKind as Io;
    let error = sources
        .iter()
        .rev()
        .find_map(|source| source.downcast_ref::<io::Error>())?;
    Some(match error.kind() {
        Io::StorageFull | Io::QuotaExceeded => Class::Full,
        Io::PermissionDenied | Io::ReadOnlyFilesystem => Class::Denied,
        Io::TimedOut => Class::Timeout,
        Io::AlreadyExists
        | Io::IsADirectory
        | Io::NotADirectory
        | Io::InvalidFilename
        | Io::FileTooLarge
        | Io::CrossesDevices => Class::Config,
        Io::Unsupported => Class::Unsupported,
        Io::UnexpectedEof | Io::InvalidData => Class::Corrupt,
        Io::ConnectionRefused
        | Io::ConnectionReset
        | Io::ConnectionAborted
        | Io::BrokenPipe
        | Io::NotConnected
        | Io::HostUnreachable
        | Io::NetworkUnreachable
        | Io::NetworkDown
        | Io::Interrupted
        | Io::ResourceBusy
        | Io::WouldBlock => Class::Transient,
        _ => return None,
    })
}

/// Codes of S3 and its kin, Azure, Google and B2 that say more than the status beside them.
fn by_code(message: &str) -> Option<Class> {
    let told = sentence(message);
    let code = told.split([':', ' ']).next().unwrap_or_default();
    Some(match code {
        "RequestTimeTooSkewed" | "RequestExpired" => Class::Clock,
        "NoSuchBucket"
        | "InvalidBucketName"
        | "ContainerNotFound"
        | "ContainerBeingDeleted"
        | "PermanentRedirect"
        | "AuthorizationHeaderMalformed"
        | "IllegalLocationConstraintException"
        | "bad_bucket_id" => Class::Config,
        "QuotaExceeded"
        | "StorageQuotaExceeded"
        | "InsufficientStorage"
        | "XMinioStorageFull"
        | "cap_exceeded"
        | "storage_cap_exceeded"
        | "OOM" => Class::Full,
        "SlowDown" | "TooManyRequests" | "ServerBusy" | "RequestLimitExceeded" | "BandwidthLimitExceeded" => {
            Class::Throttled
        }
        "AccessDenied"
        | "InvalidAccessKeyId"
        | "SignatureDoesNotMatch"
        | "ExpiredToken"
        | "InvalidToken"
        | "AccountProblem"
        | "AuthenticationFailed"
        | "NOAUTH"
        | "WRONGPASS" => skewed_or_denied(message),
        "NotImplemented" => Class::Unsupported,
        // Said with a 400 or 401 that would stop a retry, though it is what helps.
        "RequestTimeout" | "IncompleteBody" | "BadDigest" | "OperationAborted" | "expired_auth_token" => {
            Class::Transient
        }
        _ if message.contains("The specified bucket does not exist") => Class::Config,
        _ if message.contains("ateLimitExceeded") => Class::Throttled,
        _ if message.contains("torageQuotaExceeded") => Class::Full,
        _ => return None,
    })
}

/// Azure has no code of its own for a clock that is off.
fn skewed_or_denied(message: &str) -> Class {
    if message.contains("Request date header too old") {
        Class::Clock
    } else {
        Class::Denied
    }
}

/// FTP's reply codes, which its library prints as `[530]`. 550 stands for anything about a file and is left to OpenDAL.
fn by_ftp_code(sources: &[&(dyn StdError + 'static)]) -> Option<Class> {
    let told = sources.last()?.to_string();
    let (code, _) = told.split_once("Invalid response: [")?.1.split_once(']')?;
    Some(match code {
        "530" | "532" => Class::Denied,
        "421" => Class::Throttled,
        "452" | "552" => Class::Full,
        "553" => Class::Config,
        "502" | "504" => Class::Unsupported,
        code if code.starts_with('4') => Class::Transient,
        _ => return None,
    })
}

fn by_status(error: &Error, status: Option<u16>) -> Option<Class> {
    Some(match status? {
        // OpenDAL knows what is not there; and an unmet condition is the caller's.
        304 | 404 | 412 => return None,
        401 | 403 => Class::Denied,
        405 | 501 => Class::Unsupported,
        // A redirect that was not followed, or a request that the service calls wrong.
        300..=399 | 400 | 410 | 411 | 413 | 414 => Class::Config,
        416 => Class::Corrupt,
        429 | 503 => Class::Throttled,
        507 => Class::Full,
        408 | 409 | 423 | 425 | 499 | 500 | 502 | 504..=599 => Class::Transient,
        _ if error.kind() == ErrorKind::Unexpected && (400..500).contains(&status?) => Class::Config,
        _ => return None,
    })
}

fn by_kind(error: &Error) -> Class {
    match error.kind() {
        ErrorKind::NotFound => Class::Gone,
        ErrorKind::PermissionDenied => Class::Denied,
        ErrorKind::RateLimited => Class::Throttled,
        ErrorKind::Unsupported => Class::Unsupported,
        ErrorKind::ConfigInvalid | ErrorKind::IsADirectory | ErrorKind::NotADirectory | ErrorKind::IsSameFile => {
            Class::Config
        }
        ErrorKind::RangeNotSatisfied => Class::Corrupt,
        _ if error.message().contains("timeout") => Class::Timeout,
        _ if ["too little data", "too much data"]
            .iter()
            .any(|told| error.message().contains(told)) =>
        {
            Class::Corrupt
        }
        // A conflict, a condition of the service's own, a broken connection: nothing says that it will stay so.
        _ => Class::Transient,
    }
}

/// What to tell a person: the status with its words, the service's own sentence, or else the deepest cause.
pub(super) fn message(error: &Error, status: Option<u16>) -> String {
    let refused = status.filter(|status| *status >= 300);
    let status = refused
        .and_then(|status| http::StatusCode::from_u16(status).ok())
        .map(|status| status.to_string());
    let said = sentence(error.message());
    let cause = sources(error).last().map(ToString::to_string);
    let mut told: Vec<String> = status.into_iter().collect();
    told.extend(Some(said).filter(|said| !said.is_empty()));
    told.extend(cause.filter(|cause| !told.iter().any(|told| told.contains(cause.as_str()))));
    if told.is_empty() {
        return error.kind().into_static().to_owned();
    }
    told.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(kind: ErrorKind, message: &str) -> Error {
        Error::new(kind, message)
    }

    fn s3(code: &str) -> String {
        format!(r#"S3Error {{ code: "{code}", message: "told", resource: "", request_id: "" }}"#)
    }

    #[test]
    fn the_operating_systems_error_decides_first() {
        for (kind, want) in [
            (io::ErrorKind::StorageFull, Class::Full),
            (io::ErrorKind::QuotaExceeded, Class::Full),
            (io::ErrorKind::ReadOnlyFilesystem, Class::Denied),
            (io::ErrorKind::InvalidFilename, Class::Config),
            (io::ErrorKind::ConnectionRefused, Class::Transient),
            (io::ErrorKind::TimedOut, Class::Timeout),
        ] {
            let error = error(ErrorKind::Unexpected, "x").set_source(io::Error::from(kind));
            assert_eq!(class(&error, None), want, "{kind:?}");
        }
    }

    #[test]
    fn a_services_code_says_more_than_its_status() {
        for (code, status, want) in [
            ("RequestTimeTooSkewed", 403, Class::Clock),
            ("NoSuchBucket", 404, Class::Config),
            ("SlowDown", 503, Class::Throttled),
            ("SignatureDoesNotMatch", 403, Class::Denied),
            ("QuotaExceeded", 403, Class::Full),
            ("InternalError", 500, Class::Transient),
            ("RequestTimeout", 400, Class::Transient),
            ("userRateLimitExceeded", 403, Class::Throttled),
        ] {
            let error = error(ErrorKind::PermissionDenied, &s3(code));
            assert_eq!(class(&error, Some(status)), want, "{code}");
        }
    }

    #[test]
    fn a_status_says_more_than_opendals_kind() {
        for (status, want) in [
            (301, Class::Config),
            (400, Class::Config),
            (401, Class::Denied),
            (403, Class::Denied),
            (409, Class::Transient),
            (416, Class::Corrupt),
            (418, Class::Config),
            (429, Class::Throttled),
            (500, Class::Transient),
            (501, Class::Unsupported),
            (503, Class::Throttled),
            (507, Class::Full),
        ] {
            assert_eq!(class(&error(ErrorKind::Unexpected, ""), Some(status)), want, "{status}");
        }
    }

    #[test]
    fn without_more_the_kind_decides() {
        for (kind, text, want) in [
            (ErrorKind::NotFound, "", Class::Gone),
            (ErrorKind::ConfigInvalid, "", Class::Config),
            (ErrorKind::Unsupported, "", Class::Unsupported),
            (ErrorKind::RangeNotSatisfied, "", Class::Corrupt),
            (ErrorKind::Unexpected, "io operation timeout reached", Class::Timeout),
            (ErrorKind::Unexpected, "reader got too little data", Class::Corrupt),
            (ErrorKind::Unexpected, "http response got too much data", Class::Corrupt),
            (ErrorKind::Conflict, "", Class::Transient),
            (ErrorKind::Unexpected, "ssh error", Class::Transient),
        ] {
            assert_eq!(class(&error(kind, text), None), want, "{kind} {text}");
        }
        // An answer that came, but could not be read.
        assert_eq!(
            class(&error(ErrorKind::Unexpected, "bad xml"), Some(200)),
            Class::Transient
        );
        assert_eq!(class(&error(ErrorKind::NotFound, ""), Some(404)), Class::Gone);
    }

    #[test]
    fn ftp_replies_are_told_apart() {
        for (reply, want) in [
            ("Invalid response: [530] Login incorrect.", Class::Denied),
            ("Invalid response: [552] Disk full.", Class::Full),
            ("Invalid response: [421] Too many connections.", Class::Throttled),
            ("Invalid response: [426] Broken off.", Class::Transient),
        ] {
            let error = error(ErrorKind::Unexpected, "ftp error").set_source(io::Error::other(reply));
            assert_eq!(class(&error, None), want, "{reply}");
        }
    }

    #[test]
    fn a_message_has_status_sentence_and_cause() {
        let denied = error(ErrorKind::PermissionDenied, &s3("AccessDenied"));
        assert_eq!(message(&denied, Some(403)), "403 Forbidden: AccessDenied: told");
        let refused =
            error(ErrorKind::Unexpected, "send http request").set_source(io::Error::other("connection refused"));
        assert_eq!(message(&refused, None), "send http request: connection refused");
        assert_eq!(
            message(&error(ErrorKind::Unexpected, "<html>"), Some(502)),
            "502 Bad Gateway"
        );
        assert_eq!(message(&error(ErrorKind::Unexpected, ""), None), "Unexpected");
    }
}
