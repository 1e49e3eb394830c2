//! Counts and durations of the requests to nodes.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

use casskop_common::{api::NodeJob, names::RackId};
use casskop_core::node::{Activity, Call, Reading, Replication};
use futures::future::BoxFuture;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, histogram::Histogram},
    registry::Registry,
};

use crate::node_api::{Answer, Begun, Endpoint, NodeApi};

/// Upper bounds of the durations of reads, in seconds: the deadline of a read is 9 s.
const BOUNDS: [f64; 9] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

/// The requests to all nodes, by what is asked and by transport.
#[derive(Clone, Debug)]
pub struct NodeRequests {
    ended: Family<Ended, Counter>,
    durations: Family<Asked, Histogram, fn() -> Histogram>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Asked {
    request: &'static str,
    transport: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Ended {
    request: &'static str,
    transport: &'static str,
    result: &'static str,
}

impl Default for NodeRequests {
    fn default() -> Self {
        Self {
            ended: Family::default(),
            durations: Family::new_with_constructor(|| Histogram::new(BOUNDS)),
        }
    }
}

impl NodeRequests {
    /// Adds the requests to the metrics of the process.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "node_requests",
            "Requests to nodes by request (state, activity, replication, locations, snapshots, tokens; call and job: the work of an operation), transport and result (ok, error)",
            self.ended.clone(),
        );
        registry.register(
            "node_request_duration_seconds",
            "Duration of reads from nodes by request and transport, with the wait for their turn",
            self.durations.clone(),
        );
    }

    fn asked(&self, request: &'static str, endpoint: &Endpoint) -> Request {
        Request {
            requests: self.clone(),
            asked: Asked {
                request,
                transport: endpoint.access.transport().as_str(),
            },
        }
    }
}

/// A request that is to be counted.
struct Request {
    requests: NodeRequests,
    asked: Asked,
}

impl Request {
    /// Counts the end of work that may last for hours.
    fn counted<'a, T: 'a>(self, answer: Answer<'a, T>) -> Answer<'a, T> {
        Box::pin(async move {
            let answer = answer.await;
            self.end(answer.is_ok());
            answer
        })
    }

    /// Counts and measures a read.
    fn measured<'a, T: 'a>(self, answer: Answer<'a, T>) -> Answer<'a, T> {
        Box::pin(async move {
            let began = Instant::now();
            let answer = answer.await;
            let durations = self.requests.durations.get_or_create(&self.asked);
            durations.observe(began.elapsed().as_secs_f64());
            drop(durations);
            self.end(answer.is_ok());
            answer
        })
    }

    fn end(&self, is_ok: bool) {
        let Asked { request, transport } = self.asked;
        let ended = Ended {
            request,
            transport,
            result: if is_ok { "ok" } else { "error" },
        };
        self.requests.ended.get_or_create(&ended).inc();
    }
}

/// Nodes whose requests are counted.
pub struct Measured<N> {
    nodes: N,
    requests: NodeRequests,
}

impl<N> Measured<N> {
    /// Counts the requests to these nodes.
    pub fn new(nodes: N, requests: NodeRequests) -> Self {
        Self { nodes, requests }
    }
}

impl<N: NodeApi> NodeApi for Measured<N> {
    fn read(&self, endpoint: Endpoint) -> Answer<'_, Reading> {
        let asked = self.requests.asked("state", &endpoint);
        asked.measured(self.nodes.read(endpoint))
    }

    fn read_briefly(&self, endpoint: Endpoint) -> Answer<'_, Reading> {
        let asked = self.requests.asked("state", &endpoint);
        asked.measured(self.nodes.read_briefly(endpoint))
    }

    fn activity(&self, endpoint: Endpoint) -> Answer<'_, Activity> {
        let asked = self.requests.asked("activity", &endpoint);
        asked.measured(self.nodes.activity(endpoint))
    }

    fn replication(
        &self,
        endpoint: Endpoint,
        keyspaces: Vec<String>,
    ) -> Answer<'_, BTreeMap<String, Replication>> {
        let asked = self.requests.asked("replication", &endpoint);
        asked.measured(self.nodes.replication(endpoint, keyspaces))
    }

    fn locations(
        &self,
        endpoint: Endpoint,
        ips: Vec<String>,
    ) -> Answer<'_, BTreeMap<String, RackId>> {
        let asked = self.requests.asked("locations", &endpoint);
        asked.measured(self.nodes.locations(endpoint, ips))
    }

    fn snapshots(&self, endpoint: Endpoint) -> Answer<'_, BTreeSet<String>> {
        let asked = self.requests.asked("snapshots", &endpoint);
        asked.measured(self.nodes.snapshots(endpoint))
    }

    fn tokens(&self, endpoint: Endpoint) -> Answer<'_, Vec<String>> {
        let asked = self.requests.asked("tokens", &endpoint);
        asked.measured(self.nodes.tokens(endpoint))
    }

    fn begin(&self, endpoint: Endpoint, call: Call) -> Answer<'_, Begun> {
        let asked = self.requests.asked("call", &endpoint);
        asked.counted(self.nodes.begin(endpoint, call))
    }

    fn follow(&self, endpoint: Endpoint, call: Call, job: NodeJob) -> Answer<'_, ()> {
        let asked = self.requests.asked("job", &endpoint);
        asked.counted(self.nodes.follow(endpoint, call, job))
    }

    fn settled(&self) -> BoxFuture<'_, ()> {
        self.nodes.settled()
    }

    fn may_call(&self) -> bool {
        self.nodes.may_call()
    }
}
