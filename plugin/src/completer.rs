//! Marks an argument with the objects that its value names, for completion. Values that name a part of a cluster are
//! marked in the grammar of the operations.

use clap::builder::ArgExt;

/// The objects that the value of an argument names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Completer {
    /// A context of the kubeconfig.
    Context,
    /// A cluster of the kubeconfig.
    KubeCluster,
    /// A user of the kubeconfig.
    KubeUser,
    /// A namespace.
    Namespace,
    /// A `CassandraCluster`.
    Cluster,
    /// A `MultiCasskop`.
    MultiCasskop,
    /// A site that a `MultiCasskop` names.
    Site,
    /// A kind of operation that was requested on the cluster.
    Kind,
    /// A check that holds an operation back, or before the first one a kind that waits for checks.
    Check,
    /// The id of a request on the cluster.
    RequestId,
}

impl ArgExt for Completer {}
