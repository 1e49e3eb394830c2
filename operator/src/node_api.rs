//! The nodes of a ring, in Cassandra's terms. Everything that reads from or calls a node uses the trait [`NodeApi`];
//! only its implementations know a protocol ([`jolokia`]).

pub mod jolokia;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use casskop_common::names::{self, RackId};
use futures::{FutureExt, StreamExt, future::BoxFuture, stream};

use casskop_core::node::{Activity, Call, NodeError, Reading, Replication, SharedViews};

/// A pending answer of a node.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, NodeError>>;

/// Reads from nodes and calls them. A deadline ends each read after seconds; a call lasts as long as the work of the node.
///
/// An error of a method gives the reason why there is no usable answer (see [`NodeError`]). A node that is still
/// starting is a usable answer.
pub trait NodeApi: Send + Sync {
    /// Reads the state of a node and its view of the ring.
    fn read(&self, endpoint: Endpoint) -> Answer<'_, Reading>;

    /// The same with a shorter deadline, for a node that did not answer the last read.
    fn read_briefly(&self, endpoint: Endpoint) -> Answer<'_, Reading>;

    /// Reads the compactions and streams that run on a node.
    fn activity(&self, endpoint: Endpoint) -> Answer<'_, Activity>;

    /// Reads the replication of keyspaces, by their names. A keyspace that does not exist is omitted.
    fn replication(
        &self,
        endpoint: Endpoint,
        keyspaces: Vec<String>,
    ) -> Answer<'_, BTreeMap<String, Replication>>;

    /// Reads the data center and the rack of the nodes at these addresses, as this node reports them. An unknown node
    /// is omitted.
    fn locations(
        &self,
        endpoint: Endpoint,
        ips: Vec<String>,
    ) -> Answer<'_, BTreeMap<String, RackId>>;

    /// Reads the names of the snapshots of a node.
    fn snapshots(&self, endpoint: Endpoint) -> Answer<'_, BTreeSet<String>>;

    /// Calls a node, and ends when the node reports that the work is done. The work may continue although the future
    /// is dropped.
    fn call(&self, endpoint: Endpoint, call: Call) -> Answer<'_, ()>;

    /// Waits until calls that must not repeat may be made: for some seconds after the end of a leader that did not
    /// release its Lease.
    fn settled(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

/// Nodes of one cluster that are polled at the same time: an unhealthy cluster does not take all threads, and the views of
/// a large ring not all memory.
pub const AT_ONCE: usize = 12;

/// The readings of the nodes of one cluster, each with its key, as they arrive. Equal views of the ring are kept once.
pub fn read_all<'a, K: Send + 'a>(
    reads: Vec<(K, Answer<'a, Reading>)>,
) -> BoxFuture<'a, Vec<(K, Result<Reading, NodeError>)>> {
    let mut views = SharedViews::default();
    let reads = reads
        .into_iter()
        .map(|(key, answer)| answer.map(|answer| (key, answer)));
    stream::iter(reads)
        .buffer_unordered(AT_ONCE)
        .map(move |(key, mut answer)| {
            if let Ok(reading) = &mut answer {
                views.share(reading);
            }
            (key, answer)
        })
        .collect()
        .boxed()
}

/// Name and password of the nodes of a cluster. Neither is ever printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Name of the user.
    pub username: String,
    /// Its password.
    pub password: String,
    /// Earlier credentials: a node accepts the ones that it was started with.
    pub older: Vec<Credentials>,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credentials(…)")
    }
}

/// The address of a node, and the credentials that it accepts.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Address of the pod.
    pub ip: String,
    /// Port of the agent.
    pub port: u16,
    /// Shared by the nodes of a cluster.
    pub credentials: Arc<Credentials>,
}

impl Endpoint {
    /// The endpoint of the node in the pod with this address. The port is decided only here.
    pub fn new(ip: impl Into<String>, credentials: Arc<Credentials>) -> Self {
        Self {
            ip: ip.into(),
            port: names::JOLOKIA_PORT,
            credentials,
        }
    }
}
