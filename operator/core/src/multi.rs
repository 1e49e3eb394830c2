//! One ring over several Kubernetes clusters: what each site is to have.

pub mod children;
pub mod objects;
pub mod observed;
pub mod plan;
#[cfg(test)]
mod tests;
