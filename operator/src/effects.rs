//! Every external effect of the operator. Tests replace the parts.

use crate::{
    kubernetes::{Kube, status_store::StatusStore},
    node_api::{NodeApi, cql},
};

/// The interfaces to systems outside of the process.
pub struct Effects {
    /// The API server.
    pub kube: Kube,
    /// The Cassandra nodes.
    pub nodes: Box<dyn NodeApi>,
    /// Their native transports.
    pub cql: cql::Client,
    /// The only writer of `/status`.
    pub store: StatusStore,
}
