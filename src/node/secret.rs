//! Secrets that clients send: how they are read, kept as hashes and compared without telling by the time it takes.

use data_encoding::BASE64;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::server::Refusal;

/// The header that carries secrets, a line for each.
pub const HEADER: &str = "x-tahoe-authorization";

/// Bytes of both secrets of a lease.
const LEASE_SECRET_LEN: usize = 32;

/// A secret's hash: all that is ever kept. Comparing takes the same time whatever the bytes.
#[derive(Clone, Copy, Debug)]
pub struct Hashed(pub [u8; 32]);

impl Hashed {
    /// The hash of a secret for one purpose.
    #[must_use]
    pub fn of(purpose: Purpose, secret: &[u8]) -> Hashed {
        let context = match purpose {
            Purpose::LeaseRenew => "RAIC 1 Tahoe node: lease renew secret",
            Purpose::LeaseCancel => "RAIC 1 Tahoe node: lease cancel secret",
            Purpose::Upload => "RAIC 1 Tahoe node: upload secret",
            Purpose::WriteEnabler => "RAIC 1 Tahoe node: write enabler",
            Purpose::Swissnum => "RAIC 1 Tahoe node: swissnum",
        };
        Hashed(blake3::derive_key(context, secret))
    }

    /// Whether both came from the same secret.
    #[must_use]
    pub fn is(&self, other: &Hashed) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

/// What a secret is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Renews a lease.
    LeaseRenew,
    /// Was to cancel a lease; kept, never used.
    LeaseCancel,
    /// Guards an unfinished share.
    Upload,
    /// Guards a slot.
    WriteEnabler,
    /// Opens the node.
    Swissnum,
}

impl Purpose {
    fn of(kind: &str) -> Option<Purpose> {
        Some(match kind {
            "lease-renew-secret" => Purpose::LeaseRenew,
            "lease-cancel-secret" => Purpose::LeaseCancel,
            "upload-secret" => Purpose::Upload,
            "write-enabler" => Purpose::WriteEnabler,
            _ => return None,
        })
    }
}

/// The secrets of one request, hashed; exactly those that its endpoint asks for.
#[derive(Clone, Debug, Default)]
pub struct Secrets(Vec<(Purpose, Hashed)>);

impl Secrets {
    /// Reads the header lines. A line that is no secret, one that is missing and one too many: 400.
    pub fn read(headers: &HeaderMap, wanted: &[Purpose]) -> Result<Secrets, Refusal> {
        let mut secrets = Secrets::default();
        for line in headers.get_all(HEADER) {
            let (purpose, hashed) = line
                .to_str()
                .ok()
                .and_then(read)
                .ok_or(Refusal::Input("a secret's line"))?;
            secrets.0.retain(|(other, _)| *other != purpose);
            secrets.0.push((purpose, hashed));
        }
        let exact = secrets.0.len() == wanted.len() && wanted.iter().all(|purpose| secrets.find(*purpose).is_some());
        if exact {
            Ok(secrets)
        } else {
            Err(Refusal::Input("the set of secrets"))
        }
    }

    fn find(&self, purpose: Purpose) -> Option<Hashed> {
        self.0
            .iter()
            .find(|(other, _)| *other == purpose)
            .map(|(_, hashed)| *hashed)
    }

    /// One of the secrets that were asked for.
    ///
    /// # Panics
    /// If [`Secrets::read`] wasn't asked for it.
    #[must_use]
    pub fn get(&self, purpose: Purpose) -> Hashed {
        self.find(purpose).expect("the endpoint asked for it")
    }
}

/// `KIND BASE64`
fn read(line: &str) -> Option<(Purpose, Hashed)> {
    let (kind, value) = line.split_once(' ')?;
    let purpose = Purpose::of(kind)?;
    let secret = Zeroizing::new(BASE64.decode(value.as_bytes()).ok()?);
    let long_enough = match purpose {
        Purpose::LeaseRenew | Purpose::LeaseCancel => secret.len() == LEASE_SECRET_LEN,
        Purpose::Upload | Purpose::WriteEnabler | Purpose::Swissnum => !secret.is_empty(),
    };
    long_enough.then(|| (purpose, Hashed::of(purpose, &secret)))
}

/// What the `Authorization` header of everybody who may use the node says, hashed.
#[derive(Clone, Debug)]
pub struct Pass(Hashed);

impl Pass {
    /// The pass that a swissnum is.
    #[must_use]
    pub fn of(swissnum: &str) -> Pass {
        let header = Zeroizing::new(format!("Tahoe-LAFS {}", BASE64.encode(swissnum.as_bytes())));
        Pass(Hashed::of(Purpose::Swissnum, header.as_bytes()))
    }

    /// Whether the first `Authorization` header is this pass. One that isn't text is 400.
    pub fn check(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let header = headers.get(AUTHORIZATION).ok_or(Refusal::Unauthorized)?;
        if std::str::from_utf8(header.as_bytes()).is_err() {
            return Err(Refusal::Input("the authorization"));
        }
        if self.0.is(&Hashed::of(Purpose::Swissnum, header.as_bytes())) {
            Ok(())
        } else {
            Err(Refusal::Unauthorized)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn headers(lines: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(HEADER, HeaderValue::from_str(line).unwrap());
        }
        headers
    }

    #[test]
    fn secrets_are_exactly_those_asked_for() {
        let renew = format!("lease-renew-secret {}", BASE64.encode(&[1; 32]));
        let cancel = format!("lease-cancel-secret {}", BASE64.encode(&[2; 32]));
        let both = [Purpose::LeaseRenew, Purpose::LeaseCancel];
        let read = Secrets::read(&headers(&[&cancel, &renew]), &both).unwrap();
        assert!(
            read.get(Purpose::LeaseRenew)
                .is(&Hashed::of(Purpose::LeaseRenew, &[1; 32]))
        );
        assert!(
            !read
                .get(Purpose::LeaseRenew)
                .is(&Hashed::of(Purpose::LeaseRenew, &[3; 32]))
        );
        assert!(Secrets::read(&headers(&[&renew]), &both).is_err(), "one is missing");
        assert!(
            Secrets::read(&headers(&[&renew, &cancel]), &[Purpose::LeaseRenew]).is_err(),
            "one too many"
        );
        assert!(Secrets::read(&headers(&[]), &[]).is_ok());
    }

    #[test]
    fn the_last_of_two_counts() {
        let lines = ["upload-secret YQ==", "upload-secret Yg=="];
        let read = Secrets::read(&headers(&lines), &[Purpose::Upload]).unwrap();
        assert!(read.get(Purpose::Upload).is(&Hashed::of(Purpose::Upload, b"b")));
    }

    #[test]
    fn malformed_lines_are_refused() {
        for bad in [
            "",
            "upload-secret",
            "upload-secret ",
            "upload-secret  YQ==",
            "upload-secret YQ",
            "upload-secret YQ=",
            "upload-secret YR==",
            "upload-secret Y Q==",
            "Upload-Secret YQ==",
            "other YQ==",
            "lease-renew-secret YQ==",
            "upload-secret YQ==\t",
        ] {
            assert!(Secrets::read(&headers(&[bad]), &[Purpose::Upload]).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn only_the_whole_pass_opens() {
        let pass = Pass::of("abcd");
        let with = |text: &str| HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_str(text).unwrap())]);
        assert_eq!(pass.check(&with("Tahoe-LAFS YWJjZA==")), Ok(()));
        for bad in [
            "Tahoe-LAFS YWJjZQ==",
            "tahoe-lafs YWJjZA==",
            "Tahoe-LAFS YWJjZA",
            "Tahoe-LAFS  YWJjZA==",
            "",
        ] {
            assert_eq!(pass.check(&with(bad)), Err(Refusal::Unauthorized), "{bad}");
        }
        assert_eq!(pass.check(&HeaderMap::new()), Err(Refusal::Unauthorized));
    }
}
