#![doc = include_str!("../../docs/format.md")]

pub(crate) mod cursor;

pub mod digest;
pub mod frame;
pub mod header;
pub mod id;
pub mod identity;
pub mod key;
pub mod manifest;
pub mod owner;
pub mod pack;
pub mod scan;
pub mod secret;
pub mod tag;

#[cfg(test)]
mod golden;
