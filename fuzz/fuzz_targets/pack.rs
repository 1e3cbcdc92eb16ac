//! A pack's directory: invented bytes are refused; with a true tag they are refused, or are what RAIC would have written.

#![no_main]

use libfuzzer_sys::fuzz_target;
use raic::fragment::id::ExtentId;
use raic::fragment::pack::{self, PackPlace};
use raic_fuzz::{derived, keyed, keys, split};

const PLACE: PackPlace = PackPlace {
    key_id: 0,
    extent: ExtentId([1; 16]),
    salt: [2; 32],
};

fuzz_target!(|data: &[u8]| {
    let keys = keys();
    let payload_len = data.len() as u64;
    assert!(pack::directory(data, payload_len, &keys, &PLACE).is_err());
    let forged = forge(data);
    if let Ok(entries) = pack::directory(&forged, forged.len() as u64, &keys, &PLACE) {
        let data_len = forged.len() - written_len(&entries);
        let mut again = forged[..data_len].to_vec();
        pack::finish(&mut again, &entries, &keys, &PLACE).expect("key id 0 is there");
        assert_eq!(again, forged);
    }
});

/// `data` as two bytes of count, two of how much of it is data, then data and directory; a trailer that fits, with its tag.
fn forge(data: &[u8]) -> Vec<u8> {
    let ([count_0, count_1, data_0, data_1], data) = split::<4>(data);
    let data_len = usize::from(u16::from_le_bytes([data_0, data_1])).min(data.len());
    let directory = &data[data_len..];
    let mut trailer = b"RAICPCK1\x01\0\0\0".to_vec();
    trailer.extend_from_slice(&[count_0, count_1, 0, 0]);
    trailer.extend_from_slice(&u32::try_from(directory.len()).expect("inputs are short").to_le_bytes());
    trailer.resize(32, 0);
    let frames_key = keyed(&derived("tag"), &[&PLACE.extent.0, &PLACE.salt, b"frames"]);
    let tag = keyed(&frames_key, &[b"directory", directory, &trailer]);
    [data, &trailer, &tag].concat()
}

fn written_len(entries: &[pack::PackEntry]) -> usize {
    entries.iter().map(|entry| 60 + entry.name.len()).sum::<usize>() + pack::TRAILER_LEN
}
