//! What every reconciliation shares.

use kube::{Client, runtime::events::Reporter};

use crate::{
    cluster::{journal::Journal, lists::Versions, runs::Runs},
    metrics::Metrics,
    node_api::NodeApi,
};

/// What every reconciliation shares. Nothing in it is truth: that is in Kubernetes.
pub struct Context {
    /// Talks to the API server.
    pub client: Client,
    /// Talks to the nodes.
    pub nodes: Box<dyn NodeApi>,
    /// The only writer of status.
    pub journal: Journal,
    /// How new lists have to be.
    pub versions: Versions,
    /// Nodes that tasks of this process work on.
    pub runs: Runs,
    /// Who publishes events.
    pub reporter: Reporter,
    /// What is measured.
    pub metrics: Metrics,
    /// Image of the bootstrap init container.
    pub bootstrap_image: String,
}
