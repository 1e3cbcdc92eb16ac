//! Who the node is to its clients: one key, its self-signed certificate, the swissnum, and the names that follow from them.
//!
//! Everything follows from one seed of 32 bytes, so that there is one thing to keep. A node over a cloud set takes its seed from the set's
//! secret: with the recovery sheet the node comes back under the same address, and clients go on.

use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use rcgen::{CertificateParams, KeyPair, PublicKeyData};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use zeroize::Zeroizing;

use super::id::base32;

/// What stands before the 32 bytes of an Ed25519 key in PKCS #8.
const PKCS8_ED25519: [u8; 16] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];

/// Bytes of the swissnum and of the tub id before base32: 160 bits, 32 characters.
const NUMBER_LEN: usize = 20;

/// What a node is known by.
#[derive(Debug)]
pub struct Identity {
    key: PrivateKeyDer<'static>,
    certificate: CertificateDer<'static>,
    fingerprint: [u8; 32],
    swissnum: Zeroizing<String>,
}

/// Why there is no identity.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The file can't be read or written.
    #[error("the node's key {path}: {source}")]
    File {
        /// Where it is.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// Others may read it.
    #[error("the node's key {path} may be read by others (mode {mode:03o}): chmod 600")]
    Open {
        /// Where it is.
        path: PathBuf,
        /// Its rights.
        mode: u32,
    },
    /// It is no key.
    #[error("the node's key {path} is not 64 hexadecimal characters")]
    NoKey {
        /// Where it is.
        path: PathBuf,
    },
    /// The certificate could not be made.
    #[error("the node's certificate: {0}")]
    Certificate(#[from] rcgen::Error),
}

impl Identity {
    /// The identity of the seed at `path`. If there is no file yet, it is made with the seed that `first` gives.
    pub fn at(path: &Path, first: impl FnOnce() -> Zeroizing<[u8; 32]>) -> Result<Identity, IdentityError> {
        let fault = |source| IdentityError::File {
            path: path.to_owned(),
            source,
        };
        let seed = match read(path) {
            // None of the six rights of others.
            Ok((text, mode)) if mode.trailing_zeros() >= 6 => {
                seed(&text).ok_or_else(|| IdentityError::NoKey { path: path.to_owned() })?
            }
            Ok((_, mode)) => {
                return Err(IdentityError::Open {
                    path: path.to_owned(),
                    mode,
                });
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let seed = first();
                write(path, &seed).map_err(fault)?;
                seed
            }
            Err(error) => return Err(fault(error)),
        };
        Identity::of(&seed)
    }

    /// The identity of a seed.
    pub fn of(seed: &[u8; 32]) -> Result<Identity, IdentityError> {
        let secret = Zeroizing::new(blake3::derive_key("RAIC 1 Tahoe node: TLS key", seed));
        let der = PrivatePkcs8KeyDer::from([&PKCS8_ED25519[..], &*secret].concat());
        let key = KeyPair::try_from(&der)?;
        let certificate = CertificateParams::new(vec!["raic-node".to_owned()])?.self_signed(&key)?;
        let hash = digest(&SHA256, &key.subject_public_key_info());
        let number = Zeroizing::new(blake3::derive_key("RAIC 1 Tahoe node: swissnum", seed));
        Ok(Identity {
            key: PrivateKeyDer::Pkcs8(der),
            certificate: certificate.der().clone(),
            fingerprint: hash.as_ref().try_into().expect("SHA-256 has 32 bytes"),
            swissnum: Zeroizing::new(base32(&number[..NUMBER_LEN])),
        })
    }

    /// Certificate and key for TLS.
    #[must_use]
    pub fn certificate(&self) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
        (self.certificate.clone(), self.key.clone_key())
    }

    /// SHA-256 of the key's `SubjectPublicKeyInfo`: what clients pin.
    #[must_use]
    pub fn fingerprint(&self) -> [u8; 32] {
        self.fingerprint
    }

    /// The secret by which clients may use the node.
    #[must_use]
    pub fn swissnum(&self) -> &str {
        &self.swissnum
    }

    /// The node's address for clients that reach it at `location`, a host and port.
    #[must_use]
    pub fn nurl(&self, location: &str) -> String {
        let pin = BASE64URL_NOPAD.encode(&self.fingerprint);
        format!("pb://{pin}@{location}/{}#v=1", *self.swissnum)
    }

    /// The name under which clients list it, which also gives its place in their permutation.
    #[must_use]
    pub fn server_id(&self) -> String {
        format!("v0-{}", base32(&self.fingerprint))
    }

    /// Clients derive lease secrets and write enablers from the first part of this address; nothing listens there.
    #[must_use]
    pub fn dummy_furl(&self) -> String {
        format!("pb://{}@tcp:127.0.0.1:1/raic", base32(&self.fingerprint[..NUMBER_LEN]))
    }

    /// The lines for a client's `private/servers.yaml`.
    #[must_use]
    pub fn servers_yaml(&self, nickname: &str, location: &str) -> String {
        format!(
            "storage:\n  {}:\n    ann:\n      nickname: {nickname}\n      anonymous-storage-FURL: {}\n      anonymous-storage-NURLs:\n        - {}\n",
            self.server_id(),
            self.dummy_furl(),
            self.nurl(location)
        )
    }
}

fn read(path: &Path) -> io::Result<(Zeroizing<String>, u32)> {
    let mut file = std::fs::File::open(path)?;
    let meta = file.metadata()?;
    // A systemd credential is root's, and the mask of its access list shows as the group's right.
    let credential = (meta.mode() & 0o7777, meta.uid(), meta.gid()) == (0o440, 0, 0);
    let mode = if credential { 0o400 } else { meta.mode() & 0o777 };
    let mut text = Zeroizing::new(String::new());
    file.read_to_string(&mut text)?;
    Ok((text, mode))
}

fn seed(text: &str) -> Option<Zeroizing<[u8; 32]>> {
    let bytes = Zeroizing::new(HEXLOWER.decode(text.trim_end().as_bytes()).ok()?);
    Some(Zeroizing::new(bytes.as_slice().try_into().ok()?))
}

fn write(path: &Path, seed: &[u8; 32]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    let text = Zeroizing::new(HEXLOWER.encode(seed));
    file.write_all(text.as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    path.parent()
        .map_or(Ok(()), |folder| std::fs::File::open(folder)?.sync_all())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_seed_is_an_address_for_ever() {
        let identity = Identity::of(&[7; 32]).unwrap();
        assert_eq!(
            identity.nurl("node.example.net:9902"),
            Identity::of(&[7; 32]).unwrap().nurl("node.example.net:9902")
        );
        let nurl = identity.nurl("h:1");
        let (pin, rest) = nurl.strip_prefix("pb://").unwrap().split_once('@').unwrap();
        assert_eq!(pin.len(), 43);
        assert_eq!(rest.len(), "h:1/".len() + 32 + "#v=1".len());
        assert_eq!(identity.server_id().len(), "v0-".len() + 52);
        assert_ne!(Identity::of(&[8; 32]).unwrap().swissnum(), identity.swissnum());
    }

    #[test]
    fn the_key_is_made_once_and_read_by_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("node.key");
        let first = Identity::at(&path, || Zeroizing::new([3; 32])).unwrap();
        let again = Identity::at(&path, || panic!("it is there")).unwrap();
        assert_eq!(first.nurl("h:1"), again.nurl("h:1"));
        let rights = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(rights, 0o600);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let open = Identity::at(&path, || panic!("it is there"));
        assert!(matches!(open, Err(IdentityError::Open { mode: 0o640, .. })));
    }
}
