//! Membership of the nodes: members of the ring, nodes that never joined, and nodes that are leaving.

use std::collections::BTreeMap;

use casskop_common::{
    api::{
        CassandraCluster, OperationMode, OperationNode, OperationPhase, OperationStatus, VolumeRef,
    },
    operations::OperationKind,
};
use jiff::{SignedDuration, Timestamp};

use crate::{
    node::{NodeError, Reading},
    observed::ObservedState,
};

/// Time between two observations of the ring that gossip has had time between: a node that died is convicted by then, and
/// every member knows a new one.
const GOSSIP: SignedDuration = SignedDuration::from_secs(10);

impl ObservedState {
    /// Whether a fact that holds now, and that this process first observed at this time, is proven: gossip has had time in
    /// between. Times of two processes are not compared, because clocks differ; nor is a time in the future, after a clock
    /// was set back.
    ///
    /// # Errors
    /// The fact is not proven. The value is the time of the first observation, to be recorded with this process.
    pub fn proven(&self, since: Option<Timestamp>, by: Option<&String>) -> Result<(), Timestamp> {
        let own = since.filter(|since| by == Some(&self.executor) && *since <= self.now);
        match own {
            Some(since) if self.now.duration_since(since) >= GOSSIP => Ok(()),
            first => Err(first.unwrap_or(self.now)),
        }
    }

    /// Pods whose nodes answer and are members.
    pub fn members(&self) -> impl Iterator<Item = (&str, &Reading)> {
        self.nodes
            .iter()
            .filter_map(|(pod, reading)| Some((pod.as_str(), reading.as_ref().ok()?)))
            .filter(|(_, reading)| reading.is_member())
    }

    /// Schema version, if every node that serves clients reports the same one.
    pub fn schema_version(&self) -> Option<&str> {
        agreed_schema(&self.nodes)
    }

    /// Whether every member that answers has forgotten a host ID. At least one member has to answer, except for the
    /// last node of this cluster in a ring that continues elsewhere: only the node itself can report that it has left,
    /// and its operation recorded that.
    pub fn is_forgotten(&self, host_id: &str) -> bool {
        let mut members = self.members().peekable();
        if members.peek().is_none() {
            return self.was_last_here(host_id);
        }
        members.all(|(_, reading)| reading.knows_itself() && !reading.may_know(host_id))
    }

    /// Whether the node was the last node of this cluster and has left, while the ring continues elsewhere.
    fn was_last_here(&self, host_id: &str) -> bool {
        let has_left = self.operations().any(|operation| {
            let is_it = operation.kind == OperationKind::Decommission && operation.id == host_id;
            is_it && operation.phase == OperationPhase::Succeeded
        });
        let is_gone = |pod: &str| {
            let decommission = self.decommission_of(pod);
            decommission.is_some_and(|decommission| decommission.id == host_id)
        };
        let others_are_there = self.expected_pods().iter().any(|(pod, _)| !is_gone(pod));
        !self.cluster.spec.seeds.is_empty() && has_left && !others_are_there
    }

    /// Host ID of a pod's node: as the node reports it, or as last recorded while the node was a member.
    pub fn host_id(&self, pod: &str) -> Option<&str> {
        let own = self
            .reading(pod)
            .map(|reading| reading.local_host_id.as_str());
        let status = self.cluster.status.as_ref();
        let recorded = status.and_then(|status| status.cassandra_node_status.get(pod));
        own.filter(|id| !id.is_empty() && !self.is_newcomer(pod))
            .or_else(|| recorded.map(|recorded| recorded.host_id.as_str()))
            .filter(|id| !id.is_empty())
    }

    /// Whether another node answers at the address of a pod.
    pub(crate) fn is_mistaken(&self, pod: &str) -> bool {
        matches!(
            self.nodes.get(pod),
            Some(Err(NodeError::AnotherNode { .. }))
        )
    }

    /// Whether the node was never observed as a member of the ring. Other nodes do not report such a node as missing.
    pub fn is_newcomer(&self, pod: &str) -> bool {
        let known = self
            .cluster
            .status
            .as_ref()
            .and_then(|status| status.cassandra_node_status.get(pod));
        let normal = self.reading(pod).is_some_and(Reading::is_serving);
        !normal && known.is_none_or(|node| node.host_id.is_empty())
    }

    /// The decommission of this node. Another node may run in the pod since: volumes identify a node, or the UID of the
    /// pod if the node has no volumes.
    pub fn decommission_of(&self, pod: &str) -> Option<&OperationStatus> {
        let has = |volume: &VolumeRef| {
            let live = self.live.volumes.get(&volume.name);
            live.is_some_and(|live| live.uid == volume.uid)
        };
        let is_it = |node: &&OperationNode| {
            let same_pod = || {
                let live = self.pods.get(pod);
                live.is_some_and(|live| live.uid == node.pod_uid)
            };
            node.pod == pod
                && if node.volumes.is_empty() {
                    same_pod()
                } else {
                    node.volumes.iter().any(has)
                }
        };
        self.operations()
            .filter(|operation| operation.kind == OperationKind::Decommission)
            .find(|operation| operation.nodes.iter().any(|node| is_it(&node)))
    }

    /// Whether the node is leaving the ring, or has left it by a decommission.
    pub fn is_leaving(&self, pod: &str) -> bool {
        let mode = self.reading(pod).map(|reading| &reading.mode);
        let has_left = || {
            self.decommission_of(pod)
                .is_some_and(|decommission| decommission.phase == OperationPhase::Succeeded)
        };
        matches!(
            mode,
            Some(OperationMode::Leaving | OperationMode::Decommissioned)
        ) || has_left()
    }

    /// Whether no node reports that another node is joining, leaving or moving.
    pub fn is_settled(&self) -> bool {
        self.nodes.values().flatten().all(Reading::is_settled)
    }
}

/// Takes answers back that are not of the node of their pod: the status records their host id for another pod. Kubernetes gives
/// an address to another pod soon after the end of the first one. A host id that is recorded nowhere is that of a node that
/// was replaced, or has joined anew.
pub fn disbelieve_others(
    cluster: &CassandraCluster,
    nodes: &mut BTreeMap<String, Result<Reading, NodeError>>,
) {
    let Some(status) = &cluster.status else {
        return;
    };
    let recorded = &status.cassandra_node_status;
    for (pod, answer) in nodes {
        let Ok(Reading { local_host_id, .. }) = answer else {
            continue;
        };
        let is_its = |name: &String| recorded[name].host_id == *local_host_id;
        let mut owners = recorded.keys().filter(|name| is_its(name));
        let is_own = recorded
            .get(pod)
            .is_some_and(|own| own.host_id == *local_host_id);
        let other = owners.find(|_| !local_host_id.is_empty() && !is_own);
        if let Some(other) = other {
            *answer = Err(NodeError::AnotherNode {
                host_id: local_host_id.clone(),
                pod: other.clone(),
            });
        }
    }
}

/// Schema version, if every node that serves clients reports the same one.
pub fn agreed_schema(nodes: &BTreeMap<String, Result<Reading, NodeError>>) -> Option<&str> {
    let members = nodes.values().flatten();
    let mut versions = members
        .filter(|reading| reading.is_serving())
        .map(|reading| reading.schema_version.as_str());
    let first = versions.next().filter(|version| !version.is_empty())?;
    versions.all(|version| version == first).then_some(first)
}
