//! What a person sees: the built program, run in a home of its own.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

#[path = "cli/answers.rs"]
mod answers;
#[path = "cli/bad_config.rs"]
mod bad_config;
#[path = "cli/bench.rs"]
mod bench;
#[path = "cli/faults.rs"]
mod faults;
#[path = "cli/home.rs"]
mod home;
#[path = "cli/plan.rs"]
mod plan;
#[path = "cli/providers.rs"]
mod providers;
#[path = "cli/refused.rs"]
mod refused;
#[path = "cli/served.rs"]
mod served;
#[path = "cli/surface.rs"]
mod surface;
#[path = "cli/walks.rs"]
mod walks;
