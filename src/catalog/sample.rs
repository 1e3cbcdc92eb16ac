//! Rows to test a catalog with: small, plain, each number tells where it came from.

use super::record::{Commit, Condition, Extent, Fragment, FragmentState, Intent, Place, Version};
use crate::fragment::id::{ExtentId, Generation, Group, Kind, ProviderId, SetId, WriterId};
use crate::stripe::geometry::Shape;

/// The set of every test.
pub(super) const SET: SetId = SetId([7; 16]);

/// The writer of every epoch.
pub(super) const WRITER: WriterId = WriterId([3; 16]);

/// Data, all and quorum of every sample extent.
pub(super) const COUNTS: (u16, u16, u16) = (2, 4, 3);

pub(super) fn generation(epoch: u64, sequence: u64) -> Generation {
    Generation {
        epoch,
        sequence,
        writer: WRITER,
    }
}

pub(super) fn extent_id(number: u64) -> ExtentId {
    // Spread, so that the order of ids isn't the order in which they were made.
    let mut id = [0; 16];
    id[..8].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    id[8..].copy_from_slice(&number.to_be_bytes());
    ExtentId(id)
}

pub(super) fn provider_id(number: u8) -> ProviderId {
    ProviderId([number; 16])
}

pub(super) fn extent(id: ExtentId, generation: Generation, kind: Kind, payload_len: u64) -> Extent {
    Extent {
        id,
        group: Group([1; 16]),
        generation,
        kind,
        key_id: 0,
        sealed: true,
        shape: Shape {
            k: COUNTS.0,
            n: COUNTS.1,
            chunk_len: 1040,
            overhead: 16,
            payload_len,
        },
        quorum: COUNTS.2,
        header_len: 1024,
        salt: [5; 32],
        digest: [0; 32],
    }
}

/// All n fragments of an extent, the first copy at provider `first`, the next at the next.
pub(super) fn fragments(id: ExtentId, copy: u64, first: u8, state: FragmentState) -> Vec<Fragment> {
    let fragment = |index: u16| Fragment {
        extent: id,
        index,
        copy: copy + u64::from(index),
        provider: provider_id(first + u8::try_from(index).expect("few fragments")),
        state,
    };
    (0..COUNTS.1).map(fragment).collect()
}

/// One extent that is about to be written for `name`.
pub(super) fn intent(name: &str, extent: Extent) -> Intent {
    let fragments = fragments(extent.id, 100, 0, FragmentState::Sent);
    Intent {
        name: name.to_owned(),
        policy: "main".to_owned(),
        condition: Condition::Any,
        extent,
        fragments,
    }
}

/// A version of one root extent of `len` bytes, all its fragments sound.
pub(super) fn commit(name: &str, generation: Generation, root: ExtentId, len: u64) -> Commit {
    Commit {
        version: Version {
            name: name.to_owned(),
            generation,
            kind: Kind::RootData,
            root,
            len,
            modified: 1_000,
            policy: "main".to_owned(),
            digest: [9; 32],
        },
        condition: Condition::Any,
        places: vec![Place {
            extent: root,
            offset: 0,
            len,
        }],
        others: Vec::new(),
        digests: vec![(root, [8; 32])],
        fragments: fragments(root, 100, 0, FragmentState::Sound),
        now: 1_000,
        doom_at: 2_000,
    }
}
