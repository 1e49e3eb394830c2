//! One ring over several Kubernetes clusters: the desired state of each site.

pub mod children;
pub mod objects;
pub mod observed;
pub mod plan;
#[cfg(test)]
mod tests;
pub mod witness;
