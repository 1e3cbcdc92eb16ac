//! What an owner has and demands: the providers with their places in the world and their prices, and the policies.

pub mod domain;
pub mod fate;
pub mod policy;
pub mod price;
pub mod profile;
pub mod quantity;

pub use domain::{DomainKind, Domains};
pub use policy::{Policy, Prefer};
pub use profile::{CloudSet, Limits, OptionValue, Profile, ProfileState, Reference};
