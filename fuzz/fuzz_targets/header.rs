//! Header and owner's part: invented bytes are refused; with a true tag and seal they are refused, or are what RAIC would have written.

#![no_main]

use libfuzzer_sys::fuzz_target;
use raic::cipher::seal_alone;
use raic::fragment::header::Header;
use raic_fuzz::{commitment, derived, keyed, keys, split};

fuzz_target!(|data: &[u8]| {
    let keys = keys();
    let believed = Header::decode(data, &keys);
    assert!(believed.is_err() || data.starts_with(b"RAICFRG1"));
    if let Some(proved) = prove(data)
        && let Ok((header, owner)) = Header::decode(&proved, &keys)
    {
        assert_eq!(
            header.encode(&keys, &owner).as_deref(),
            Ok(&proved[..header.header_len.into()])
        );
        assert_eq!(
            raic::fragment::key::open_key(&keys, &header.key(&keys)),
            Some((header.group, header.token()))
        );
    }
});

/// Takes 480 bytes as the fields of a core and what follows as an owner's plain text; puts the values a fuzzer can't guess.
fn prove(data: &[u8]) -> Option<Vec<u8>> {
    let (fields, text) = data.split_first_chunk::<480>()?;
    let mut fields = *fields;
    fields[..10].copy_from_slice(b"RAICFRG1\x01\0");
    fields[24..28].fill(0);
    fields[56..72].copy_from_slice(&keys().set().0);
    let (extent, _) = split(&fields[40..56]);
    let (salt, _) = split(&fields[128..160]);
    fields[160..192].fill(0);
    if fields[13] == 1 {
        fields[160..192].copy_from_slice(&commitment(&extent, &salt));
    }
    let header_len = usize::from(u16::from_le_bytes([fields[10], fields[11]]));
    let mut blob = [&fields[..], &keyed(&derived("tag"), &[&fields])].concat();
    if let Some(room) = header_len.checked_sub(512 + 16) {
        let mut text = text.to_vec();
        text.resize(room, 0);
        let place = [&extent[..], &salt, &fields[22..24], &fields[104..112]];
        seal_alone(&keyed(&derived("owner"), &place), &fields, &mut text);
        blob.extend_from_slice(&text);
    }
    Some(blob)
}
