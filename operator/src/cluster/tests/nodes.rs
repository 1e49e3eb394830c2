//! Stand-in nodes.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::{pending, ready},
    sync::{Arc, Mutex},
};

use casskop_common::{api::NodeJob, names::RackId};
use casskop_core::node::{Activity, Call, NodeError, Reading, Replication};
use futures::{FutureExt, future::BoxFuture};
use tokio::sync::Notify;

use crate::node_api::{Answer, Begun, Endpoint, NodeApi};

/// Nodes that report readings, and record their calls.
#[derive(Clone, Default)]
pub(crate) struct Nodes {
    /// Readings of the nodes, by address; no other node answers.
    pub(crate) readings: BTreeMap<String, Reading>,
    /// The calls.
    pub(crate) calls: Arc<Mutex<Vec<Call>>>,
    /// Whether calls end; without it they go on for ever.
    pub(crate) answers: bool,
    /// Notified once calls that must not repeat may be made; nothing if they may be made at once.
    pub(crate) quiet: Option<Arc<Notify>>,
}

fn silence<T: Send + 'static>() -> Answer<'static, T> {
    ready(Err(NodeError::Unreachable("connection refused".into()))).boxed()
}

impl NodeApi for Nodes {
    fn read(&self, endpoint: Endpoint) -> Answer<'_, Reading> {
        match self.readings.get(&endpoint.ip) {
            Some(reading) => ready(Ok(reading.clone())).boxed(),
            None => silence(),
        }
    }

    fn read_briefly(&self, endpoint: Endpoint) -> Answer<'_, Reading> {
        self.read(endpoint)
    }

    fn activity(&self, endpoint: Endpoint) -> Answer<'_, Activity> {
        let Some(reading) = self.readings.get(&endpoint.ip) else {
            return silence();
        };
        let activity = Activity {
            mode: reading.mode.clone(),
            native_transport: reading.native_transport,
            ..Activity::default()
        };
        ready(Ok(activity)).boxed()
    }

    fn replication(
        &self,
        _: Endpoint,
        _: Vec<String>,
    ) -> Answer<'_, BTreeMap<String, Replication>> {
        silence()
    }

    fn locations(&self, _: Endpoint, _: Vec<String>) -> Answer<'_, BTreeMap<String, RackId>> {
        silence()
    }

    fn snapshots(&self, _: Endpoint) -> Answer<'_, BTreeSet<String>> {
        silence()
    }

    fn tokens(&self, endpoint: Endpoint) -> Answer<'_, Vec<String>> {
        match self.readings.get(&endpoint.ip) {
            Some(_) => ready(Ok(vec!["-3".to_owned(), "7".to_owned()])).boxed(),
            None => silence(),
        }
    }

    fn begin(&self, _: Endpoint, call: Call) -> Answer<'_, Begun> {
        self.calls.lock().expect("the calls").push(call);
        if self.answers {
            return ready(Ok(Begun::Done)).boxed();
        }
        pending().boxed()
    }

    fn follow(&self, _: Endpoint, _: Call, _: NodeJob) -> Answer<'_, ()> {
        silence()
    }

    fn settled(&self) -> BoxFuture<'_, ()> {
        match &self.quiet {
            Some(quiet) => quiet.notified().boxed(),
            None => ready(()).boxed(),
        }
    }
}
