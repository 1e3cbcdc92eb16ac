//! The catalog's rows as checkpoints and journals carry them: invented bytes are refused, or read back after they are written again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use raic::catalog::checkpoint::{self, Reader};
use raic::catalog::journal::{self, Position, Segment};
use raic_fuzz::split;

fuzz_target!(|data: &[u8]| {
    assert!(Reader::new(data).is_err() || data.starts_with(&checkpoint::head()));
    assert!(Segment::decode(data).is_err() || data.starts_with(&journal::MAGIC));
    let ([which], rest) = split::<1>(data);
    if which & 1 == 0 {
        read_records(rest);
    } else {
        read_changes(rest);
    }
});

/// The bytes as records of a checkpoint, each with its length ahead.
fn read_records(data: &[u8]) {
    let whole = [&checkpoint::head(), data].concat();
    let mut at = checkpoint::head().len();
    for record in Reader::new(&whole[..]).expect("the head is whole") {
        let Ok(record) = record else { return };
        let bytes = record.encode();
        assert!(whole[at..].starts_with(&bytes), "{record:?}");
        at += bytes.len();
    }
}

/// The bytes as changes of a segment, cut at each byte 0xFF, under the chain that they make.
fn read_changes(data: &[u8]) {
    let changes: Vec<&[u8]> = data.split(|byte| *byte == 0xFF).take(64).collect();
    let count = u32::try_from(changes.len()).expect("64");
    let mut bytes = journal::MAGIC.to_vec();
    bytes.extend_from_slice(&[1, 0, 0, 0]);
    bytes.extend_from_slice(&count.to_le_bytes());
    let mut at = Position::default();
    bytes.extend_from_slice(&at.number.to_le_bytes());
    bytes.extend_from_slice(&at.chain);
    for change in changes {
        bytes.extend_from_slice(&u32::try_from(change.len()).expect("short").to_le_bytes());
        bytes.extend_from_slice(change);
        at.number += 1;
        let mut hasher = blake3::Hasher::new();
        hasher.update(&at.number.to_le_bytes()).update(&at.chain).update(change);
        at.chain = hasher.finalize().into();
    }
    bytes.extend_from_slice(&at.chain);
    if let Ok(segment) = Segment::decode(&bytes) {
        assert_eq!(segment.encode(), bytes);
        assert_eq!(segment.to(), at);
        drop((segment.epochs(), segment.entries()));
    }
}
