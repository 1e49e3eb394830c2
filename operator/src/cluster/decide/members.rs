//! What the pods of a rack are told about its nodes when they start: who is a member, and who takes a lost one's place.

use casskop_common::{
    api::{NodePhase, OperationStatus},
    names::{self, RackId},
    operations::REPLACE,
};

use crate::{bootstrap::Nodes, cluster::snapshot::Snapshot};

/// The nodes of a rack. `operations` are as they will be when this is written.
pub fn nodes(rack: &RackId, snapshot: &Snapshot, operations: &[OperationStatus]) -> Nodes {
    let set = names::stateful_set(snapshot.name(), rack);
    let is_ours = |pod: &str| pod.rsplit_once('-').is_some_and(|(own, _)| own == set);
    let status = snapshot.cluster.status.iter();
    let known = status.flat_map(|status| &status.cassandra_node_status);
    let members = known
        .filter(|(pod, node)| is_ours(pod) && !node.host_id.is_empty())
        .map(|(pod, node)| (pod.clone(), node.host_id.clone()));
    let replacing = operations
        .iter()
        .filter(|operation| operation.kind == REPLACE && !operation.phase.is_final())
        .flat_map(|operation| &operation.nodes)
        .filter(|node| node.phase == NodePhase::Running && is_ours(&node.pod));
    Nodes {
        members: members.collect(),
        replaced: replacing
            .map(|node| (node.pod.clone(), node.address.clone()))
            .collect(),
    }
}
