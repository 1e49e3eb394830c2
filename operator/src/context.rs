//! State that all reconciliations share.

use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::{effects::Effects, executor::Executor, metrics::Metrics};

/// State that all reconciliations share. None of it is authoritative: the authoritative state is in Kubernetes.
pub struct Context {
    /// The interfaces to the API server, the nodes and the status.
    pub effects: Arc<Effects>,
    /// The tasks of this process that work on nodes.
    pub executor: Executor,
    /// Measurements.
    pub metrics: Metrics,
    /// Permits to reconcile, which are given in the order of the requests.
    pub turns: Arc<Semaphore>,
    /// Image of the bootstrap init container.
    pub bootstrap_image: String,
}
