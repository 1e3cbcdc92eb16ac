#![doc = include_str!("../../docs/format.md")]

mod cursor;

pub mod frame;
pub mod header;
pub mod id;
pub mod key;
pub mod owner;
pub mod secret;
pub mod tag;
