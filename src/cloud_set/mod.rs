//! What an owner has and demands: the providers' places in the world, and the policies.

pub mod domain;
pub mod policy;
