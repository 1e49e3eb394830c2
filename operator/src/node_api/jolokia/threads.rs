//! Blocking exchanges, each on a separate thread, behind the asynchronous [`NodeApi`].

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use casskop_common::names::RackId;
use futures::future::BoxFuture;
use tokio::sync::Semaphore;
use ureq::{
    Agent, Body, SendBody,
    http::{Request, Response},
    middleware::{Middleware, MiddlewareNext},
};

use crate::{
    leadership::Leadership,
    node_api::{Answer, Endpoint, NodeApi, jolokia},
};
use casskop_core::node::{Activity, Call, NodeError, Reading, Replication};

/// Stack of a thread that waits for one HTTP answer.
const CALL_STACK: usize = 256 * 1024;
/// Size of a buffer of a connection, in bytes.
const BUFFER: usize = 16 * 1024;
/// Reads of the activity, the locations and the replication in flight, of all clusters together.
pub(super) const LARGE: usize = 8;
/// Reads of snapshots in flight, of all clusters together.
const LARGEST: usize = 1;

/// Access to nodes through their Jolokia agents: a blocking HTTP client on separate threads. A call that takes hours
/// has its own thread and delays no other call; the process does not wait for it when it ends.
#[derive(Clone)]
pub struct Jolokia {
    agent: Agent,
    leadership: Leadership,
    large: Arc<Semaphore>,
    largest: Arc<Semaphore>,
}

impl Jolokia {
    /// Access while this process is the leader.
    pub fn new(leadership: Leadership) -> Self {
        Self {
            agent: agent_of(leadership.clone()),
            leadership,
            large: Arc::new(Semaphore::new(LARGE)),
            largest: Arc::new(Semaphore::new(LARGEST)),
        }
    }
}

impl Default for Jolokia {
    fn default() -> Self {
        Self::new(Leadership::unelected())
    }
}

/// Refuses each request, right before it is sent, while this process is not the leader.
struct Gate(Leadership);

impl Middleware for Gate {
    fn handle(
        &self,
        request: Request<SendBody>,
        next: MiddlewareNext,
    ) -> Result<Response<Body>, ureq::Error> {
        let refused = |error| ureq::Error::Other(Box::new(error));
        self.0.ensure().map_err(refused)?;
        next.handle(request)
    }
}

/// The HTTP client of a process that is the only one of its kind.
pub fn agent() -> Agent {
    agent_of(Leadership::unelected())
}

/// The HTTP client of all exchanges. No proxy is used, because nodes are addressed by pod IP. No connection is
/// reused: there may be thousands of nodes, and the Jolokia agent answers 40 ms late on a reused connection (its two
/// small writes meet a delayed acknowledgement).
fn agent_of(leadership: Leadership) -> Agent {
    let config = Agent::config_builder()
        .middleware(Gate(leadership))
        .proxy(None)
        .input_buffer_size(BUFFER)
        .output_buffer_size(BUFFER)
        .max_idle_connections(0)
        .max_idle_connections_per_host(0);
    config.build().new_agent()
}

impl NodeApi for Jolokia {
    fn read(&self, endpoint: Endpoint) -> Answer<'_, Reading> {
        self.ask(move |agent| jolokia::read(agent, &endpoint))
    }

    fn read_briefly(&self, endpoint: Endpoint) -> Answer<'_, Reading> {
        self.ask(move |agent| jolokia::read_briefly(agent, &endpoint))
    }

    fn activity(&self, endpoint: Endpoint) -> Answer<'_, Activity> {
        self.ask_one_of(&self.large, move |agent| {
            jolokia::activity(agent, &endpoint)
        })
    }

    fn replication(
        &self,
        endpoint: Endpoint,
        keyspaces: Vec<String>,
    ) -> Answer<'_, BTreeMap<String, Replication>> {
        self.ask_one_of(&self.large, move |agent| {
            jolokia::replication(agent, &endpoint, &keyspaces)
        })
    }

    fn locations(
        &self,
        endpoint: Endpoint,
        ips: Vec<String>,
    ) -> Answer<'_, BTreeMap<String, RackId>> {
        self.ask_one_of(&self.large, move |agent| {
            jolokia::locations(agent, &endpoint, &ips)
        })
    }

    fn snapshots(&self, endpoint: Endpoint) -> Answer<'_, BTreeSet<String>> {
        self.ask_one_of(&self.largest, move |agent| {
            jolokia::snapshots(agent, &endpoint)
        })
    }

    fn call(&self, endpoint: Endpoint, call: Call) -> Answer<'_, ()> {
        Box::pin(async move {
            let agent = self.agent.clone();
            let (answer, received) = tokio::sync::oneshot::channel();
            let work = move || drop(answer.send(jolokia::call(&agent, &endpoint, &call)));
            let thread = std::thread::Builder::new()
                .name("node-call".into())
                .stack_size(CALL_STACK)
                .spawn(work);
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

    fn settled(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.leadership.settled())
    }
}

impl Jolokia {
    /// The same for a read whose answer may be large: it waits until it is one of the few of its size.
    fn ask_one_of<'a, T: Send + 'static>(
        &'a self,
        few: &'a Semaphore,
        read: impl FnOnce(&Agent) -> Result<T, NodeError> + Send + 'static,
    ) -> Answer<'a, T> {
        Box::pin(async move {
            // The semaphore is never closed.
            let _permit = few.acquire().await.ok();
            self.ask(read).await
        })
    }

    fn ask<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Agent) -> Result<T, NodeError> + Send + 'static,
    ) -> Answer<'_, T> {
        Box::pin(async move {
            let agent = self.agent.clone();
            let ended = tokio::task::spawn_blocking(move || read(&agent)).await;
            ended.unwrap_or_else(|error| {
                Err(NodeError::Unreachable(format!(
                    "the read's thread ended early: {error}"
                )))
            })
        })
    }
}
