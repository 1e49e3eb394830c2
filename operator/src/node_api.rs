//! The nodes of a ring, in Cassandra's terms. Everything that reads from or calls a node uses the trait [`NodeApi`];
//! only its implementations know a protocol ([`jolokia`], [`management_api`]).

mod bounds;
mod certificates;
pub mod cql;
mod gate;
pub mod jolokia;
pub mod management_api;
mod measured;
mod nodes;
mod refusal;
mod tls;
mod typed;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use casskop_common::{
    api::{NodeJob, NodeTransport},
    names::RackId,
};
use futures::{FutureExt, StreamExt, future::BoxFuture, stream};

use casskop_core::{
    node::{Activity, Call, NodeError, Reading, Replication, SharedViews},
    observed::NodePod,
};
pub use certificates::{Certificates, Unfit};
pub use gate::Gate;
pub use measured::{Measured, NodeRequests};
pub use nodes::{Nodes, jolokia_agent};

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

    /// Reads the tokens of a node, as its partitioner writes them.
    fn tokens(&self, endpoint: Endpoint) -> Answer<'_, Vec<String>>;

    /// Calls a node, and ends when the node reports that the work is done, or that it has a job for it. The work may
    /// continue although the future is dropped.
    fn begin(&self, endpoint: Endpoint, call: Call) -> Answer<'_, Begun>;

    /// Waits for the end of the job that a node has for this call. The job continues although the future is dropped.
    ///
    /// The error is [`NodeError::JobLost`] if the node does not know the job.
    fn follow(&self, endpoint: Endpoint, call: Call, job: NodeJob) -> Answer<'_, ()>;

    /// Calls a node, and ends when the node reports that the work is done.
    fn call(&self, endpoint: Endpoint, call: Call) -> Answer<'_, ()> {
        Box::pin(async move {
            match self.begin(endpoint.clone(), call.clone()).await? {
                Begun::Done => Ok(()),
                Begun::Job(job) => self.follow(endpoint, call, job).await,
            }
        })
    }

    /// Waits until calls that must not repeat may be made: for some seconds after the end of a leader that did not
    /// release its Lease.
    fn settled(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }

    /// Whether a call would be sent now: each request looks once more, right before it is sent.
    fn may_call(&self) -> bool {
        true
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

/// The answer to a call.
#[derive(Clone, Debug, PartialEq)]
pub enum Begun {
    /// The work is done.
    Done,
    /// The node works on it, and knows the work by this job.
    Job(NodeJob),
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

/// The secrets of a cluster that its nodes accept, for each transport and each Secret that a pod may have been started with.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClusterAccess {
    /// The passwords of pods with the Jolokia agent: a node accepts one of them.
    pub jolokia: Option<Arc<Credentials>>,
    /// The certificates of pods with mutual TLS, by the name of the Secret that the pods were started with, or the reason why
    /// a Secret is not used.
    pub certificates: BTreeMap<String, Result<Arc<Certificates>, String>>,
}

impl ClusterAccess {
    /// Whether no node can be reached.
    pub fn is_empty(&self) -> bool {
        self.jolokia.is_none() && self.certificates.values().all(Result::is_err)
    }

    /// Algorithms of the private keys of the certificates that can be used, by the names of the Secrets.
    pub fn key_algorithms(&self) -> BTreeMap<String, &'static str> {
        let usable = self.certificates.iter();
        let usable = usable.filter_map(|(name, read)| Some((name, read.as_ref().ok()?)));
        usable
            .map(|(name, certificates)| (name.clone(), certificates.key_algorithm()))
            .collect()
    }

    /// Takes over the secrets that were read later. One that cannot be read now stays: nodes still accept it. Returns whether
    /// there is a change.
    pub fn renew(&mut self, newest: &Self) -> bool {
        let before = self.clone();
        self.jolokia = newest.jolokia.clone().or(self.jolokia.take());
        for (secret, read) in &newest.certificates {
            if read.is_ok() || !self.certificates.contains_key(secret) {
                self.certificates.insert(secret.clone(), read.clone());
            }
        }
        *self != before
    }

    /// Access to the node at an address: by the transport and the Secret that its pod was started with.
    ///
    /// # Errors
    /// There is no secret that the node accepts. No other transport takes the place of the pod's own.
    pub fn endpoint(&self, ip: &str, pod: &NodePod) -> Result<Endpoint, NodeError> {
        let access = match pod.transport {
            NodeTransport::Jolokia => self.password(ip, pod).map(Access::Jolokia),
            NodeTransport::JolokiaTls => self.password(ip, pod).and_then(|password| {
                let certificates = self.certificates(ip, pod)?;
                Ok(Access::JolokiaTls(password, certificates))
            }),
            NodeTransport::ManagementApi => self.certificates(ip, pod).map(Access::ManagementApi),
        };
        Ok(Endpoint::new(ip, access.map_err(NodeError::NoSecret)?))
    }

    fn password(&self, ip: &str, pod: &NodePod) -> Result<Arc<Credentials>, String> {
        let unread = || unread(pod.secrets.password.as_ref(), ip, pod);
        self.jolokia.clone().ok_or_else(unread)
    }

    fn certificates(&self, ip: &str, pod: &NodePod) -> Result<Arc<Certificates>, String> {
        let secret = pod.secrets.certificates.as_ref();
        let known = secret.and_then(|secret| self.certificates.get(secret).cloned());
        known.unwrap_or_else(|| Err(unread(secret, ip, pod)))
    }
}

fn unread(secret: Option<&String>, ip: &str, pod: &NodePod) -> String {
    let secret = secret.map_or("without a name", String::as_str);
    let transport = pod.transport.as_str();
    format!("Secret {secret} of {transport}, with which the pod at {ip} was started, was not read")
}

/// A transport to a node, and the secrets that the node accepts.
#[derive(Clone, Debug)]
pub enum Access {
    /// JMX over plain HTTP, with a password that the nodes of a cluster share.
    Jolokia(Arc<Credentials>),
    /// The same over mutual TLS, with certificates that the nodes of a cluster share.
    JolokiaTls(Arc<Credentials>, Arc<Certificates>),
    /// The Management API over mutual TLS, with certificates that the nodes of a cluster share.
    ManagementApi(Arc<Certificates>),
}

impl Access {
    /// The transport.
    pub fn transport(&self) -> NodeTransport {
        match self {
            Self::Jolokia(_) => NodeTransport::Jolokia,
            Self::JolokiaTls(..) => NodeTransport::JolokiaTls,
            Self::ManagementApi(_) => NodeTransport::ManagementApi,
        }
    }
}

/// The address of a node, and the way to it.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Address of the pod.
    pub ip: String,
    /// Port of the agent.
    pub port: u16,
    /// Transport and secrets.
    pub access: Access,
}

impl Endpoint {
    /// The endpoint of the node in the pod with this address. The port is decided only here.
    pub fn new(ip: impl Into<String>, access: Access) -> Self {
        Self {
            ip: ip.into(),
            port: access.transport().port(),
            access,
        }
    }

    /// The password of a node with the Jolokia agent.
    fn credentials(&self) -> Result<&Credentials, NodeError> {
        match &self.access {
            Access::Jolokia(credentials) | Access::JolokiaTls(credentials, _) => Ok(credentials),
            Access::ManagementApi(_) => Err(NodeError::Unauthorized),
        }
    }

    /// The certificates of a node with the Management API.
    fn certificates(&self) -> Result<&Certificates, NodeError> {
        match &self.access {
            Access::ManagementApi(certificates) => Ok(certificates),
            Access::Jolokia(_) | Access::JolokiaTls(..) => {
                Err(NodeError::Untrusted("there are no certificates".into()))
            }
        }
    }
}

/// An address in the notation of Kubernetes: Java writes all the zeros of an IPv6 address. Other text is unchanged.
fn canonical(text: &str) -> String {
    text.parse::<std::net::IpAddr>()
        .map_or_else(|_| text.to_owned(), |ip| ip.to_string())
}

#[cfg(test)]
mod every_call;
#[cfg(test)]
pub(crate) use every_call::every_call;
