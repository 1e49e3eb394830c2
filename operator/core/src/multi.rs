//! One ring over several Kubernetes clusters: the desired state of each site.

pub mod children;
pub mod objects;
pub mod observed;
pub mod plan;
#[cfg(any(test, feature = "simulation"))]
#[allow(
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a model for tests: a state that it cannot have ends the test"
)]
pub mod simulation;
#[cfg(test)]
mod tests;
pub mod witness;
