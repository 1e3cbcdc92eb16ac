//! Manifests: bytes are refused, or are what RAIC would have written.

#![no_main]

use libfuzzer_sys::fuzz_target;
use raic::fragment::manifest::Manifest;

fuzz_target!(|data: &[u8]| {
    if let Ok(manifest) = Manifest::decode(data) {
        assert_eq!(manifest.encode(), data);
    }
});
