//! The last operation on the pods of a rack, in CassKop's words: for those who read `podLastOperation`. The whole of it is
//! in `status.operations`.

use casskop_common::{
    api::{NodePhase, OperationNode, OperationStatus, PodLastOperation},
    names::{self, RackId},
};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, Time};

/// Whether an operation has a node of a rack.
pub(super) fn is_about(operation: &OperationStatus, cluster: &str, rack: &RackId) -> bool {
    let set = names::stateful_set(cluster, rack);
    operation.nodes.iter().any(|node| is_of(node, &set))
}

fn is_of(node: &OperationNode, set: &str) -> bool {
    let owner = node.pod.rsplit_once('-').map(|(owner, _)| owner);
    owner == Some(set)
}

/// The newest operation that worked on the rack, or what was reported before. `operations` are as they will be when this is
/// written.
pub(crate) fn last_operation(
    cluster: &str,
    rack: &RackId,
    operations: &[OperationStatus],
    before: Option<&PodLastOperation>,
) -> Option<PodLastOperation> {
    let set = names::stateful_set(cluster, rack);
    let is_ours = |node: &&OperationNode| is_of(node, &set);
    // Written in whole seconds: what is compared is what was written.
    let time = |at: Option<&MicroTime>| {
        let seconds = Timestamp::from_second(at?.0.as_second()).ok();
        seconds.map(Time)
    };
    let newest = operations
        .iter()
        .filter(|operation| operation.started_at.is_some())
        .filter(|operation| is_about(operation, cluster, rack))
        .max_by_key(|operation| operation.started_at.clone());
    let Some(newest) = newest else {
        return before.cloned();
    };
    // An operation whose nodes are left out for the size of the status was reported whole before.
    let started = time(newest.started_at.as_ref());
    let is_kept = |recorded: &&PodLastOperation| {
        recorded.start_time > started
            || (newest.omitted_nodes.is_some() && recorded.start_time == started)
    };
    if let Some(recorded) = before.filter(is_kept) {
        return Some(recorded.clone());
    }
    let pods = |wanted: &[NodePhase]| -> Vec<String> {
        let ours = newest.nodes.iter().filter(is_ours);
        ours.filter(|node| wanted.contains(&node.phase))
            .map(|node| node.pod.clone())
            .collect()
    };
    Some(PodLastOperation {
        name: newest.kind.to_string(),
        status: if newest.phase.is_final() {
            "Done"
        } else {
            "Ongoing"
        }
        .to_owned(),
        start_time: time(newest.started_at.as_ref()),
        end_time: time(newest.finished_at.as_ref()),
        pods: pods(&[NodePhase::Pending, NodePhase::Running]),
        pods_ok: pods(&[NodePhase::Succeeded]),
        pods_ko: pods(&[NodePhase::Failed]),
    })
}

#[cfg(test)]
mod tests {
    use casskop_common::api::OperationPhase;

    use super::*;

    #[test]
    fn what_is_told_reads_back_as_it_was_written() {
        let at: Timestamp = "2026-11-22T17:00:00.123456Z".parse().expect("a time");
        let operation = OperationStatus {
            kind: "cleanup".into(),
            phase: OperationPhase::Succeeded,
            started_at: Some(MicroTime(at)),
            finished_at: Some(MicroTime(at)),
            nodes: vec![OperationNode {
                pod: "demo-dc1-rack1-0".into(),
                ..OperationNode::default()
            }],
            ..OperationStatus::default()
        };
        let rack = RackId::new("dc1", "rack1");
        let told = last_operation("demo", &rack, &[operation], None).expect("it is told");
        let written = serde_json::to_value(&told).expect("JSON");
        let read: PodLastOperation = serde_json::from_value(written).expect("the same");
        assert_eq!(read, told);
    }
}
