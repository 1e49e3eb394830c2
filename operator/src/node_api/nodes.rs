//! Blocking exchanges, each on a separate thread, behind the asynchronous [`NodeApi`]. Each exchange uses the transport that
//! the pod of the node was started with.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use casskop_common::{
    api::{NodeApiKind, NodeJob},
    names::RackId,
};
use futures::future::BoxFuture;
use tokio::sync::Semaphore;
use ureq::{Agent, unversioned::resolver::DefaultResolver};

use crate::{
    leadership::Leadership,
    node_api::{
        Access, Answer, Begun, Endpoint, NodeApi,
        gate::Gate,
        jolokia,
        management_api::{self, Follower, Session},
        tls,
    },
};
use casskop_core::node::{Activity, Call, NodeError, Reading, Replication};

/// Stack of a thread that waits for one HTTP answer.
const CALL_STACK: usize = 512 * 1024;
/// Size of a buffer of a connection, in bytes.
const BUFFER: usize = 16 * 1024;
/// Connections to Jolokia agents that are kept for a next request: none. There may be thousands of nodes, and the agent
/// answers 40 ms late on a reused connection (its two small writes meet a delayed acknowledgement).
const KEPT: usize = 0;
/// Reads of the activity, the locations and the replication in flight, of all clusters together.
pub(super) const LARGE: usize = 8;
/// Reads of snapshots in flight, of all clusters together.
const LARGEST: usize = 1;
/// Time between two polls of a job.
const POLL_EVERY: Duration = Duration::from_secs(2);

/// Access to nodes: blocking HTTP clients on separate threads. A call that takes hours has its own thread and delays no
/// other call; the process does not wait for it when it ends.
#[derive(Clone)]
pub struct Nodes {
    clients: Clients,
    large: Arc<Semaphore>,
    largest: Arc<Semaphore>,
}

/// The client of each transport.
#[derive(Clone)]
struct Clients {
    /// Shared by all exchanges with Jolokia agents in plain HTTP.
    jolokia: Agent,
    leadership: Leadership,
}

impl Clients {
    fn jolokia(&self, endpoint: &Endpoint) -> Result<Agent, NodeError> {
        match &endpoint.access {
            Access::JolokiaTls(_, certificates) => tls::agent(
                Gate::new(self.leadership.clone()),
                endpoint,
                certificates,
                KEPT,
            ),
            Access::Jolokia(_) | Access::ManagementApi(_) => Ok(self.jolokia.clone()),
        }
    }

    fn session<'a>(&self, endpoint: &'a Endpoint) -> Result<Session<'a>, NodeError> {
        Session::open(Gate::new(self.leadership.clone()), endpoint)
    }
}

impl Nodes {
    /// Access while this process is the leader.
    pub fn new(leadership: Leadership) -> Self {
        Self {
            clients: Clients {
                jolokia: agent_of(leadership.clone()),
                leadership,
            },
            large: Arc::new(Semaphore::new(LARGE)),
            largest: Arc::new(Semaphore::new(LARGEST)),
        }
    }
}

impl Default for Nodes {
    fn default() -> Self {
        Self::new(Leadership::unelected())
    }
}

/// The HTTP client for the Jolokia agent of one node, of a process that is the only one of its kind.
///
/// # Errors
/// The node has no IP address.
pub fn jolokia_agent(endpoint: &Endpoint) -> Result<Agent, NodeError> {
    Nodes::default().clients.jolokia(endpoint)
}

/// The HTTP client for Jolokia agents in plain HTTP.
#[cfg(test)]
pub(super) fn plain_agent() -> Agent {
    agent_of(Leadership::unelected())
}

/// The HTTP client of all exchanges with Jolokia agents in plain HTTP. No proxy is used, because nodes are addressed by pod
/// IP.
fn agent_of(leadership: Leadership) -> Agent {
    let config = Agent::config_builder()
        .proxy(None)
        .input_buffer_size(BUFFER)
        .output_buffer_size(BUFFER)
        .max_idle_connections(KEPT)
        .max_idle_connections_per_host(KEPT);
    let connector = Gate::new(leadership).connector();
    Agent::with_parts(config.build(), connector, DefaultResolver::default())
}

impl NodeApi for Nodes {
    fn read(&self, endpoint: Endpoint) -> Answer<'_, Reading> {
        self.ask(move |clients| match &endpoint.access {
            Access::Jolokia(_) | Access::JolokiaTls(..) => {
                jolokia::read(&clients.jolokia(&endpoint)?, &endpoint)
            }
            Access::ManagementApi(_) => management_api::read(&clients.session(&endpoint)?),
        })
    }

    fn read_briefly(&self, endpoint: Endpoint) -> Answer<'_, Reading> {
        self.ask(move |clients| match &endpoint.access {
            Access::Jolokia(_) | Access::JolokiaTls(..) => {
                jolokia::read_briefly(&clients.jolokia(&endpoint)?, &endpoint)
            }
            Access::ManagementApi(_) => management_api::read_briefly(&clients.session(&endpoint)?),
        })
    }

    fn activity(&self, endpoint: Endpoint) -> Answer<'_, Activity> {
        self.ask_one_of(&self.large, move |clients| match &endpoint.access {
            Access::Jolokia(_) | Access::JolokiaTls(..) => {
                jolokia::activity(&clients.jolokia(&endpoint)?, &endpoint)
            }
            Access::ManagementApi(_) => management_api::activity(&clients.session(&endpoint)?),
        })
    }

    fn replication(
        &self,
        endpoint: Endpoint,
        keyspaces: Vec<String>,
    ) -> Answer<'_, BTreeMap<String, Replication>> {
        self.ask_one_of(&self.large, move |clients| match &endpoint.access {
            Access::Jolokia(_) | Access::JolokiaTls(..) => {
                jolokia::replication(&clients.jolokia(&endpoint)?, &endpoint, &keyspaces)
            }
            Access::ManagementApi(_) => {
                management_api::replication(&clients.session(&endpoint)?, &keyspaces)
            }
        })
    }

    fn locations(
        &self,
        endpoint: Endpoint,
        ips: Vec<String>,
    ) -> Answer<'_, BTreeMap<String, RackId>> {
        self.ask_one_of(&self.large, move |clients| match &endpoint.access {
            Access::Jolokia(_) | Access::JolokiaTls(..) => {
                jolokia::locations(&clients.jolokia(&endpoint)?, &endpoint, &ips)
            }
            Access::ManagementApi(_) => {
                management_api::locations(&clients.session(&endpoint)?, &ips)
            }
        })
    }

    fn snapshots(&self, endpoint: Endpoint) -> Answer<'_, BTreeSet<String>> {
        self.ask_one_of(&self.largest, move |clients| match &endpoint.access {
            Access::Jolokia(_) | Access::JolokiaTls(..) => {
                jolokia::snapshots(&clients.jolokia(&endpoint)?, &endpoint)
            }
            Access::ManagementApi(_) => management_api::snapshots(&clients.session(&endpoint)?),
        })
    }

    fn tokens(&self, endpoint: Endpoint) -> Answer<'_, Vec<String>> {
        self.ask_one_of(&self.large, move |clients| match &endpoint.access {
            Access::Jolokia(_) | Access::JolokiaTls(..) => {
                jolokia::tokens(&clients.jolokia(&endpoint)?, &endpoint)
            }
            Access::ManagementApi(_) => management_api::tokens(&clients.session(&endpoint)?),
        })
    }

    fn begin(&self, endpoint: Endpoint, call: Call) -> Answer<'_, Begun> {
        Box::pin(async move {
            let clients = self.clients.clone();
            let (answer, received) = tokio::sync::oneshot::channel();
            let begin = move || match &endpoint.access {
                Access::Jolokia(_) | Access::JolokiaTls(..) => {
                    jolokia::call(&clients.jolokia(&endpoint)?, &endpoint, &call)
                        .map(|()| Begun::Done)
                }
                Access::ManagementApi(_) => {
                    management_api::begin(&clients.session(&endpoint)?, &call)
                }
            };
            let thread = std::thread::Builder::new()
                .name("node-call".into())
                .stack_size(CALL_STACK)
                .spawn(move || drop(answer.send(begin())));
            thread.map_err(|error| {
                NodeError::Unreachable(format!("no thread for the call: {error}"))
            })?;
            received.await.unwrap_or_else(|_| {
                Err(NodeError::Unreachable(
                    "the call's thread ended early".into(),
                ))
            })
        })
    }

    fn follow(&self, endpoint: Endpoint, call: Call, job: NodeJob) -> Answer<'_, ()> {
        Box::pin(async move {
            if endpoint.access.transport().kind() == NodeApiKind::Jolokia {
                return Err(NodeError::JobLost(job.id));
            }
            let mut follower = Follower::new(call, job);
            loop {
                let endpoint = endpoint.clone();
                let polled = self.ask(move |clients| {
                    let ended = follower.poll(&clients.session(&endpoint)?)?;
                    Ok((follower, ended))
                });
                match polled.await? {
                    (_, true) => return Ok(()),
                    (next, false) => follower = next,
                }
                tokio::time::sleep(POLL_EVERY).await;
            }
        })
    }

    fn settled(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.clients.leadership.settled())
    }

    fn may_call(&self) -> bool {
        self.clients.leadership.ensure().is_ok()
    }
}

impl Nodes {
    /// The same for a read whose answer may be large: it waits until it is one of the few of its size.
    fn ask_one_of<'a, T: Send + 'static>(
        &'a self,
        few: &'a Semaphore,
        read: impl FnOnce(&Clients) -> Result<T, NodeError> + Send + 'static,
    ) -> Answer<'a, T> {
        Box::pin(async move {
            // The semaphore is never closed.
            let _permit = few.acquire().await.ok();
            self.ask(read).await
        })
    }

    fn ask<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Clients) -> Result<T, NodeError> + Send + 'static,
    ) -> Answer<'_, T> {
        Box::pin(async move {
            let clients = self.clients.clone();
            let ended = tokio::task::spawn_blocking(move || read(&clients)).await;
            ended.unwrap_or_else(|error| {
                Err(NodeError::Unreachable(format!(
                    "the read's thread ended early: {error}"
                )))
            })
        })
    }
}
