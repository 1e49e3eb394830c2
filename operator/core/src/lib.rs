//! The decisions of the operator: pure functions from the observed state to a plan.
//!
//! Modules are listed from the ground up: each imports only those above it (`tests/layers.rs`).

pub mod digest;
pub mod lease;
pub mod refusal;
pub mod verdict;

pub mod authority;
pub mod pod_config;
pub mod schedules;

pub mod node;

pub mod observed;

pub mod desired;

pub mod objects;

pub mod operations;

pub mod rollout;

pub mod scheduler;

pub mod status;
pub mod users;

pub mod plan;

pub mod multi;

#[cfg(any(test, feature = "simulation"))]
#[allow(
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a model for tests: a state that it cannot have ends the test"
)]
pub mod simulation;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
