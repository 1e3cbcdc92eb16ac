//! Damaged golden blobs: none is believed, none makes a reader panic. The fuzz targets in `fuzz/` look further.

use proptest::prelude::*;

use super::super::frame::{Frame, cut};
use super::super::identity;
use super::super::key::open_key;
use super::super::scan;
use super::{Golden, file};

/// One damage to a blob or key.
#[derive(Clone, Debug)]
enum Damage {
    Flip(prop::sample::Index, u8),
    Cut(prop::sample::Index),
    Append(Vec<u8>),
    Zero(prop::sample::Index, usize),
    Swap(prop::sample::Index, prop::sample::Index, usize),
}

fn damages() -> impl Strategy<Value = Damage> {
    prop_oneof![
        (any::<prop::sample::Index>(), 1..=255_u8).prop_map(|(at, bits)| Damage::Flip(at, bits)),
        any::<prop::sample::Index>().prop_map(Damage::Cut),
        prop::collection::vec(any::<u8>(), 1..600).prop_map(Damage::Append),
        (any::<prop::sample::Index>(), 1..600_usize).prop_map(|(at, len)| Damage::Zero(at, len)),
        (any::<prop::sample::Index>(), any::<prop::sample::Index>(), 1..300_usize)
            .prop_map(|(from, to, len)| Damage::Swap(from, to, len)),
    ]
}

impl Damage {
    fn apply(&self, blob: &[u8]) -> Vec<u8> {
        let mut bytes = blob.to_vec();
        let len = bytes.len();
        match self {
            Damage::Flip(at, bits) => bytes[at.index(len)] ^= bits,
            Damage::Cut(at) => bytes.truncate(at.index(len)),
            Damage::Append(more) => bytes.extend_from_slice(more),
            Damage::Zero(at, run) => bytes
                .iter_mut()
                .skip(at.index(len))
                .take(*run)
                .for_each(|byte| *byte = 0),
            Damage::Swap(from, to, run) => {
                let (from, to) = (from.index(len), to.index(len));
                let run = (*run).min(len - from.max(to));
                bytes.copy_within(from..from + run, to);
            }
        }
        bytes
    }
}

proptest! {
    #[test]
    fn a_damaged_golden_blob_is_never_sound(fragment: prop::sample::Index, damage in damages()) {
        let golden = Golden::read();
        let fragments: Vec<_> = golden.fragments().collect();
        let (_, header, blob) = fragment.get(&fragments);
        let damaged = damage.apply(blob);
        let report = scan::check(&damaged, &golden.keys, header).unwrap();
        prop_assert_eq!(report.is_sound(), damaged == *blob);
        let tags = header.frame_keys(&golden.keys).unwrap();
        let start = usize::from(header.header_len);
        let frames = |bytes: &[u8]| -> Vec<Option<Vec<u8>>> {
            let rest = bytes.get(start..).unwrap_or_default();
            cut(&tags, header.index, 0..header.shape.stripes(), rest).map(|(_, f)| f.good().map(<[u8]>::to_vec)).collect()
        };
        for (true_chunk, chunk) in frames(blob).into_iter().zip(frames(&damaged)) {
            prop_assert!(chunk.is_none() || chunk == true_chunk);
        }
    }

    #[test]
    fn a_damaged_golden_identity_is_never_believed(membership: bool, damage in damages()) {
        let golden = Golden::read();
        let blob = file(if membership { "membership" } else { "identity" });
        let damaged = damage.apply(&blob);
        let identity = identity::decode_identity(&golden.keys, &damaged);
        let members = identity::decode_membership(&golden.keys, &damaged);
        prop_assert_eq!(identity.is_ok() || members.is_ok(), damaged == blob);
    }

    #[test]
    fn a_damaged_golden_key_is_a_strangers(fragment: prop::sample::Index, damage in damages()) {
        let golden = Golden::read();
        let fragments: Vec<_> = golden.fragments().collect();
        let (facts, header, _) = fragment.get(&fragments);
        let key = &facts.keys[usize::from(header.index)];
        let damaged = damage.apply(key.as_bytes());
        let damaged = String::from_utf8_lossy(&damaged);
        prop_assert_eq!(open_key(&golden.keys, &damaged).is_some(), damaged == *key);
    }
}

#[test]
fn a_frame_of_one_place_is_not_good_at_another() {
    let golden = Golden::read();
    let fragments: Vec<_> = golden.fragments().collect();
    for (_, header, _) in &fragments {
        let tags = header.frame_keys(&golden.keys).unwrap();
        for (_, other, blob) in fragments.iter().filter(|(_, other, _)| other != header) {
            let bytes = &blob[usize::from(other.header_len)..];
            let good = cut(&tags, header.index, 0..header.shape.stripes(), bytes)
                .filter(|(_, frame)| matches!(frame, Frame::Good(_)));
            assert_eq!(good.count(), 0, "{other:?} as {header:?}");
        }
    }
}
