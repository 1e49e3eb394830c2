//! Node data in the configuration of a rack, read when a pod starts: the members of the ring, and the pods that replace
//! a lost node.

use casskop_common::{
    api::{NodePhase, OperationNode, OperationStatus},
    names::{self, RackId},
    operations::OperationKind,
};

use crate::{node::Reading, observed::ObservedState, pod_config::Nodes};

/// The nodes of a rack. `operations` are the operations as recorded after this reconciliation. Until the ring is
/// formed, recorded host IDs are not enforced.
pub fn nodes(
    rack: &RackId,
    state: &ObservedState,
    operations: &[OperationStatus],
    formed: bool,
) -> Nodes {
    if !formed {
        return Nodes::default();
    }
    let set = names::stateful_set(state.name(), rack);
    let is_ours = |pod: &str| pod.rsplit_once('-').is_some_and(|(own, _)| own == set);
    let status = state.cluster.status.iter();
    let known = status.flat_map(|status| &status.cassandra_node_status);
    let members = known
        .filter(|(pod, node)| is_ours(pod) && !node.host_id.is_empty())
        .map(|(pod, node)| (pod.clone(), node.host_id.clone()));
    let replacing = operations
        .iter()
        .filter(|operation| operation.kind == OperationKind::Replace)
        .flat_map(|operation| &operation.nodes)
        .filter(|node| is_ours(&node.pod) && is_replacing(node, state));
    Nodes {
        members: members.collect(),
        replaced: replacing
            .map(|node| (node.pod.clone(), node.address.clone()))
            .collect(),
    }
}

/// Whether the pod of a node replaces a lost node, or started to do so and failed. After a failure the pod continues
/// the replacement at its next start.
fn is_replacing(node: &OperationNode, state: &ObservedState) -> bool {
    let is_back = || state.reading(&node.pod).is_some_and(Reading::is_serving);
    match node.phase {
        NodePhase::Running => true,
        NodePhase::Failed => !is_back() && state.host_id(&node.pod) == Some(&node.host_id),
        _ => false,
    }
}
