//! A configuration out of any text: checked and typed, or told what is wrong with it and where; never a panic.

#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use raic::config::{Config, Environment, Services};

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let schemes = ["fs".to_owned(), "s3".to_owned()];
    let options = |scheme: &str| {
        let known = schemes.iter().any(|known| known == scheme);
        known.then(|| ["root", "bucket", "region", "access_key_id"].map(str::to_owned).to_vec())
    };
    let services = Services {
        schemes: &schemes,
        options: &options,
    };
    match Config::from_text(Path::new("/c.yaml"), text, &Environment::default(), &services) {
        Ok(config) => drop(format!("{:?}", config.set)),
        Err(errors) => assert!(!errors.to_string().is_empty()),
    }
});
