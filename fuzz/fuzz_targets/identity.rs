//! Identity and membership: invented bytes are refused; with true tag and seal, a body is refused or reads back after it is written again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use raic::cipher::seal_alone;
use raic::fragment::id::ProviderId;
use raic::fragment::identity::{decode_identity, decode_membership, encode_membership};
use raic_fuzz::{derived, keyed, keys, split};

fuzz_target!(|data: &[u8]| {
    let keys = keys();
    assert!(decode_identity(&keys, data).is_err() && decode_membership(&keys, data).is_err());
    let forged = forge(data);
    assert!(decode_identity(&keys, &forged).is_err() || forged.len() == 120);
    if let Ok((provider, membership)) = decode_membership(&keys, &forged) {
        let again = encode_membership(&keys, provider, &membership, &[5; 32]);
        assert_eq!(decode_membership(&keys, &again), Ok((provider, membership)));
    }
});

/// `data` as the version, one byte each for what may be wrong in the head, and the plain body.
fn forge(data: &[u8]) -> Vec<u8> {
    let ([version, reserved, longer, _], body) = split::<4>(data);
    let sealed_len = if body.is_empty() { 0 } else { body.len() + 16 };
    let told = u32::try_from(sealed_len).expect("inputs are short") + u32::from(longer);
    let mut head = b"RAICIDN1\x01\0".to_vec();
    head.extend_from_slice(&[reserved, 0]);
    head.extend_from_slice(&told.to_le_bytes());
    head.extend_from_slice(&keys().set().0);
    head.extend_from_slice(&ProviderId([4; 16]).0);
    head.extend_from_slice(&u64::from(version).to_le_bytes());
    head.extend_from_slice(&[if body.is_empty() { 0 } else { 6 }; 32]);
    let key = derived("identity");
    if !body.is_empty() {
        let mut body = body.to_vec();
        seal_alone(&keyed(&key, &[b"body", &[6; 32]]), &head, &mut body);
        head.extend_from_slice(&body);
    }
    let tag = keyed(&key, &[&head]);
    [head, tag.to_vec()].concat()
}
