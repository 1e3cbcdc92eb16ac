//! How an extent is cut into stripes and chunks: arithmetic only, no bytes move here.

pub mod geometry;
pub mod range;
