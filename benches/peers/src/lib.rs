//! The codec of RAIC by itself: the same source, none of the rest of the program. So it is built in seconds, for a bench and
//! for other targets.

#[path = "../../../src/codec/mod.rs"]
pub mod codec;
