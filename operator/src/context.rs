//! State that all reconciliations share.

use std::sync::Arc;

use crate::{effects::Effects, executor::Runs, metrics::Metrics};

/// State that all reconciliations share. None of it is authoritative: the authoritative state is in Kubernetes.
pub struct Context {
    /// The interfaces to the API server, the nodes and the status.
    pub effects: Arc<Effects>,
    /// Nodes that tasks of this process work on.
    pub runs: Runs,
    /// Measurements.
    pub metrics: Metrics,
    /// Image of the bootstrap init container.
    pub bootstrap_image: String,
}
