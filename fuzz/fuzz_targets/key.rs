//! Blob keys: an invented text is a stranger's; an invented token under a true seal is passed over, or is what RAIC would have written.

#![no_main]

use libfuzzer_sys::fuzz_target;
use raic::fragment::id::BASE32;
use raic::fragment::identity::{membership_key, parse_membership_key};
use raic::fragment::key::{open_key, seal_key};
use raic_fuzz::{derived, keyed, keys, split};

fuzz_target!(|data: &[u8]| {
    let keys = keys();
    let text = String::from_utf8_lossy(data);
    assert_eq!(open_key(&keys, &text), None);
    if let Some((version, copy)) = parse_membership_key(&text) {
        assert_eq!(membership_key(version, copy), text);
    }

    let (group, rest) = split::<16>(data);
    let (token, _) = split::<66>(rest);
    let key = sealed(&group, token);
    if let Some((group, token)) = open_key(&keys, &key) {
        assert_eq!(seal_key(&keys, group, &token), key);
    }
});

fn sealed(group: &[u8; 16], token: [u8; 66]) -> String {
    let siv = &keyed(&derived("token mac"), &[group, &token])[..16];
    let mut stream = [0; 66];
    blake3::Hasher::new_keyed(&derived("token stream"))
        .update(siv)
        .finalize_xof()
        .fill(&mut stream);
    let hidden: Vec<u8> = token.iter().zip(stream).map(|(byte, hide)| byte ^ hide).collect();
    let letters = BASE32.encode(group);
    format!(
        "{}/{}/{}{}",
        &letters[..1],
        &letters[1..2],
        &letters[2..],
        BASE32.encode(&[siv, &hidden].concat())
    )
}
