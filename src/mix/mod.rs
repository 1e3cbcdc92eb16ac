//! Which clouds? What a mix of providers costs, how often it can't be read, how likely it loses data.
//!
//! ```text
//! Workload ─▶ Demand (bytes and calls of one seat, by the store's own arithmetic) ─▶ Usage ─▶ bills ─▶ MixCost
//! ```
//!
//! A mix is n = k + m services, each with one fragment of every extent. Formulas and sources are `docs/cost.md`.

pub mod bench;
pub mod compare;
pub mod cost;
pub mod curve;
pub mod demand;
pub mod field;
pub mod foretell;
pub mod law;
pub mod measure;
pub mod model;
pub mod outage;
pub mod own;
pub mod plan;
pub mod report;
pub mod run;
pub mod seen;
pub mod simulate;
pub mod threshold;
pub mod trial;
pub mod whatif;

pub use cost::{MixCost, Reads, SeatCost, price_mix};
pub use demand::{Care, Demand, Objects, Scheme, Workload};
