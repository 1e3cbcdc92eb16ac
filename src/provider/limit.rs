//! What a provider may be asked at once and in a second.

/// Limits of one provider. A rate allows a second's worth at once; 0 stands for no limit nowhere: `None` does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Calls under way at once, at least 1.
    pub concurrency: u32,
    /// Calls begun per second.
    pub requests: Option<u32>,
    /// Bytes sent per second.
    pub upload: Option<u64>,
    /// Bytes fetched per second.
    pub download: Option<u64>,
}

/// Calls at once over one SFTP account: at 64 its client library panics in a worker and calls hang; 32 ran clean.
pub const SFTP_MOST: u32 = 32;

impl Limits {
    /// What is good for most services of this scheme: 16 calls at once, 8 where each has a login session of its own.
    pub fn of_scheme(scheme: &str) -> Limits {
        let concurrency = match scheme {
            "sftp" | "ftp" => 8,
            _ => 16,
        };
        Limits {
            concurrency,
            requests: None,
            upload: None,
            download: None,
        }
    }
}
