//! Everything that the operator has an effect on. Tests exchange its parts.

use crate::{
    kubernetes::{Kube, status_store::Journal},
    node_api::NodeApi,
};

/// The ways out of the process.
pub struct Effects {
    /// The API server.
    pub kube: Kube,
    /// The Cassandra nodes.
    pub nodes: Box<dyn NodeApi>,
    /// The only writer of `/status`.
    pub store: Journal,
}
