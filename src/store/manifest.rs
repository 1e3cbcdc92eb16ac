//! From data extents to manifests and back.

use crate::catalog::record::Extent;
use crate::fragment::id::{ExtentId, Generation};
use crate::fragment::manifest::{ENTRY_LEN, Entry, HEAD_LEN, Manifest};

/// The most entries of one manifest: 5.5 MiB of payload.
const MAX_ENTRIES: u64 = 65_536;

/// An extent as a manifest lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) extent: ExtentId,
    pub(crate) covered: u64,
    pub(crate) digest: [u8; 32],
    pub(crate) generation: Generation,
}

impl Listed {
    /// A data extent.
    pub(crate) fn of(extent: &Extent) -> Listed {
        Listed {
            extent: extent.id,
            covered: extent.shape.payload_len,
            digest: extent.digest,
            generation: extent.generation,
        }
    }
}

/// Entries of one manifest whose payload is at most `room` bytes; two, whatever the room.
pub(super) fn entries_within(room: u64) -> u64 {
    (room.saturating_sub(HEAD_LEN as u64) / ENTRY_LEN as u64).clamp(2, MAX_ENTRIES)
}

/// The payloads of the manifests of one level, each with the bytes of the object that it covers; `digest` is the object's, for the one
/// that is alone and so the root. `room` is the longest payload of one.
pub(crate) fn manifest_payloads(level: u8, listed: &[Listed], digest: [u8; 32], room: u64) -> Vec<(Vec<u8>, u64)> {
    let fit = entries_within(room);
    let groups: Vec<&[Listed]> = listed.chunks(usize::try_from(fit).expect("at most 65,536")).collect();
    let alone = groups.len() == 1;
    let payload = |group: &[Listed]| {
        let entries = group.iter().map(|l| Entry {
            extent: l.extent,
            len: l.covered,
            digest: l.digest,
            generation: l.generation,
        });
        let mut manifest = Manifest::of_manifests(level, entries.collect());
        if alone {
            manifest.digest = digest;
        }
        (manifest.encode(), manifest.covers())
    };
    groups.into_iter().map(payload).collect()
}
