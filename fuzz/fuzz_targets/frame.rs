//! Frames of any shape out of any bytes: never a panic, and no chunk is good but one that was tagged for its place.

#![no_main]

use libfuzzer_sys::fuzz_target;
use raic::fragment::frame::{Frame, cut};
use raic::fragment::id::ExtentId;
use raic::fragment::tag::FrameKeys;
use raic::stripe::geometry::Shape;
use raic_fuzz::{keys, split};

fuzz_target!(|data: &[u8]| {
    let ([k, m, overhead, index, first, last, whole, _], data) = split::<8>(data);
    let ([len_0, len_1, payload_0, payload_1, payload_2, flip_0, flip_1, bits], data) = split::<8>(data);
    let (k, n) = (u16::from(k), u16::from(k) + u16::from(m));
    let shape = Shape {
        k,
        n,
        chunk_len: u16::from_le_bytes([len_0, len_1]).into(),
        overhead: if overhead & 1 == 1 { 16 } else { 0 },
        payload_len: u32::from_le_bytes([payload_0, payload_1, payload_2, 0]).into(),
    };
    if shape.check().is_err() {
        return;
    }
    let tags = FrameKeys::new(&keys(), 0, ExtentId([1; 16]), &[2; 32], shape).expect("key id 0 is there");
    let last = u64::from(last).min(shape.stripes());
    let window = u64::from(first).min(last)..last;
    let invented = cut(&tags, index.into(), window.clone(), data);
    assert!(
        invented
            .map(|(_, frame)| frame)
            .all(|frame| !matches!(frame, Frame::Good(_)))
    );
    if u16::from(index) >= n {
        return;
    }

    // The invented bytes as chunks, with their true tags, then one of them changed and the end cut off.
    let mut bytes = Vec::new();
    let mut rest = data;
    for stripe in window.clone().take(64) {
        let coded_len = shape.coded_len(stripe) as usize;
        let (chunk, behind) = rest.split_at(coded_len.min(rest.len()));
        let mut chunk = chunk.to_vec();
        chunk.resize(coded_len, stripe as u8);
        bytes.extend_from_slice(&chunk);
        bytes.extend_from_slice(&tags.tag(index.into(), stripe, &chunk));
        rest = behind;
    }
    let at = usize::from(u16::from_le_bytes([flip_0, flip_1]));
    let hit = bytes.get_mut(at).map(|byte| *byte ^= bits).is_some() && bits != 0;
    bytes.truncate(bytes.len().saturating_sub(whole.into()));
    let (mut start, len) = (0, bytes.len());
    for (stripe, frame) in cut(&tags, index.into(), window, &bytes) {
        let end = start + shape.coded_len(stripe) as usize + 32;
        match frame {
            Frame::Good(chunk) => {
                assert!(end <= len && !(hit && (start..end).contains(&at)));
                assert_eq!(chunk, &bytes[start..end - 32]);
            }
            Frame::Bad => assert!(end <= len && hit && (start..end).contains(&at)),
            Frame::Short => assert!(end > len),
        }
        start = end;
    }
});
