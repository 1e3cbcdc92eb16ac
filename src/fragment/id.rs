//! The names of things, as the format carries them: fixed-width values, random or derived, never re-used.

use std::fmt;

use data_encoding::{BASE32_NOPAD, Encoding, Specification};
use std::sync::LazyLock;

/// RFC 4648's base32 in lower case without padding: what keys, ids and recovery sheets are written in.
pub static BASE32: LazyLock<Encoding> = LazyLock::new(|| {
    let mut spec: Specification = BASE32_NOPAD.specification();
    spec.symbols = spec.symbols.to_ascii_lowercase();
    spec.encoding()
        .expect("the RFC's alphabet in lower case is a valid one")
});

macro_rules! id16 {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(pub [u8; 16]);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&BASE32.encode(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), &BASE32.encode(&self.0)[..8])
            }
        }

        impl $name {
            /// Reads what `Display` writes; `None` if it isn't that.
            #[must_use]
            pub fn parse(text: &str) -> Option<$name> {
                BASE32.decode(text.as_bytes()).ok()?.try_into().ok().map($name)
            }
        }
    };
}

id16! {
    /// One extent, for ever: 128 random bits.
    ExtentId
}
id16! {
    /// One cloud set, derived from its secret.
    SetId
}
id16! {
    /// One provider in its set: 128 random bits, given when it was attached.
    ProviderId
}
id16! {
    /// A keyed hash of an object's name: groups the blobs of one object without telling its name.
    Group
}
id16! {
    /// One run of one process that writes: 128 random bits.
    WriterId
}

/// When a version or removal was made, in the only order that counts: epoch, then sequence, then writer. Never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Generation {
    /// Rises with each start of a writing process and with each rebuild.
    pub epoch: u64,
    /// Rises with each version or removal in an epoch; 0 is the epoch record itself.
    pub sequence: u64,
    /// Who claimed the epoch; decides only between two that claimed one at once.
    pub writer: WriterId,
}

impl Generation {
    /// Bytes of a generation in the format.
    pub const LEN: usize = 32;

    /// Epoch and sequence little-endian, then the writer.
    #[must_use]
    pub fn to_bytes(self) -> [u8; Generation::LEN] {
        let mut bytes = [0; Generation::LEN];
        bytes[..8].copy_from_slice(&self.epoch.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.sequence.to_le_bytes());
        bytes[16..].copy_from_slice(&self.writer.0);
        bytes
    }

    /// The inverse of [`Generation::to_bytes`].
    #[must_use]
    pub fn from_bytes(bytes: &[u8; Generation::LEN]) -> Generation {
        Generation {
            epoch: u64::from_le_bytes(std::array::from_fn(|at| bytes[at])),
            sequence: u64::from_le_bytes(std::array::from_fn(|at| bytes[8 + at])),
            writer: WriterId(std::array::from_fn(|at| bytes[16 + at])),
        }
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.epoch, self.sequence)
    }
}

/// What an extent is for; the numbers are the format's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Kind {
    /// The root of a version that fits one extent: its payload is the object.
    RootData = 1,
    /// The root of a larger version: its payload is a manifest.
    RootManifest = 2,
    /// Data or a manifest that a root names.
    Part = 3,
    /// Several small versions in one extent.
    Pack = 4,
    /// The removal of an object.
    Tombstone = 5,
    /// The annulment of one generation.
    Void = 6,
    /// The catalog at one moment.
    Checkpoint = 7,
    /// What the catalog committed since.
    Journal = 8,
    /// The claim of an epoch.
    Epoch = 9,
}

impl Kind {
    /// The kind with this number in the format.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Kind> {
        use Kind::{Checkpoint, Epoch, Journal, Pack, Part, RootData, RootManifest, Tombstone, Void};
        [
            RootData,
            RootManifest,
            Part,
            Pack,
            Tombstone,
            Void,
            Checkpoint,
            Journal,
            Epoch,
        ]
        .into_iter()
        .find(|kind| *kind as u8 == number)
    }

    /// True for what an object's bytes, or the list of them, are in.
    #[must_use]
    pub fn holds_data(self) -> bool {
        matches!(self, Kind::RootData | Kind::RootManifest | Kind::Part | Kind::Pack)
    }

    /// True for what makes a version or removal complete.
    #[must_use]
    pub fn is_root(self) -> bool {
        matches!(self, Kind::RootData | Kind::RootManifest | Kind::Tombstone)
    }
}
