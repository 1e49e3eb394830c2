//! The way to the nodes from asynchronous code.

use std::collections::{BTreeMap, BTreeSet};

use casskop_common::names::RackId;

use crate::nodes::{Endpoint, jolokia};
use casskop_core::node::{Activity, Call, NodeError, Reading, Replication};

/// Talks to nodes from asynchronous code: a blocking HTTP client on threads of its own. A call that takes hours has
/// its own thread and starves nobody; nothing waits for it at the end of the process.
#[derive(Clone)]
pub struct Transport {
    agent: ureq::Agent,
}

impl Default for Transport {
    fn default() -> Self {
        // No proxy: nodes are addressed by pod IP. No connection is kept: there may be thousands of nodes, and the
        // agent answers 40 ms late on a used one (its two small writes meet a delayed acknowledgement).
        let config = ureq::Agent::config_builder()
            .proxy(None)
            .max_idle_connections(0)
            .max_idle_connections_per_host(0);
        Self {
            agent: config.build().new_agent(),
        }
    }
}

impl Transport {
    /// Reads what a node says of itself and of the ring.
    pub async fn read(&self, endpoint: Endpoint) -> Result<Reading, NodeError> {
        self.ask(move |agent| jolokia::read(agent, &endpoint)).await
    }

    /// The same of a node that did not answer before: it is not waited for as long.
    pub async fn read_briefly(&self, endpoint: Endpoint) -> Result<Reading, NodeError> {
        self.ask(move |agent| jolokia::read_briefly(agent, &endpoint))
            .await
    }

    /// Reads what a node is busy with.
    pub async fn activity(&self, endpoint: Endpoint) -> Result<Activity, NodeError> {
        self.ask(move |agent| jolokia::activity(agent, &endpoint))
            .await
    }

    /// Reads how keyspaces are replicated, by their names.
    pub async fn replication(
        &self,
        endpoint: Endpoint,
        keyspaces: Vec<String>,
    ) -> Result<BTreeMap<String, Replication>, NodeError> {
        self.ask(move |agent| jolokia::replication(agent, &endpoint, &keyspaces))
            .await
    }

    /// Asks a node where others are, by their addresses.
    pub async fn places(
        &self,
        endpoint: Endpoint,
        ips: Vec<String>,
    ) -> Result<BTreeMap<String, RackId>, NodeError> {
        self.ask(move |agent| jolokia::places(agent, &endpoint, &ips))
            .await
    }

    /// Reads the names of a node's snapshots.
    pub async fn snapshots(&self, endpoint: Endpoint) -> Result<BTreeSet<String>, NodeError> {
        self.ask(move |agent| jolokia::snapshots(agent, &endpoint))
            .await
    }

    async fn ask<T: Send + 'static>(
        &self,
        read: impl FnOnce(&ureq::Agent) -> Result<T, NodeError> + Send + 'static,
    ) -> Result<T, NodeError> {
        let agent = self.agent.clone();
        let ended = tokio::task::spawn_blocking(move || read(&agent)).await;
        ended.unwrap_or_else(|error| {
            Err(NodeError::Unreachable(format!(
                "the read's thread ended early: {error}"
            )))
        })
    }

    /// Tells a node to do something and waits until it is done.
    pub async fn call(&self, endpoint: Endpoint, call: Call) -> Result<(), NodeError> {
        let agent = self.agent.clone();
        let (answer, received) = tokio::sync::oneshot::channel();
        let work = move || drop(answer.send(jolokia::call(&agent, &endpoint, &call)));
        let thread = std::thread::Builder::new()
            .name("node-call".into())
            .stack_size(CALL_STACK)
            .spawn(work);
        thread
            .map_err(|error| NodeError::Unreachable(format!("no thread for the call: {error}")))?;
        received.await.unwrap_or_else(|_| {
            Err(NodeError::Unreachable(
                "the call's thread ended early".into(),
            ))
        })
    }
}

/// Stack of a thread that waits for one HTTP answer.
const CALL_STACK: usize = 256 * 1024;
