//! The nodes that the executor begins with, each with all that the work on it needs.

use std::sync::Arc;

use casskop_common::{
    api::{NodeJob, NodePhase, OperationNode, OperationStatus, VolumeRef},
    operations::{Arguments, Operation, OperationKind},
};
use serde::Serialize;

use crate::{
    observed::ObservedState,
    operations::{self, Action, transitions},
};

/// A node to begin with, or to go on with after a restart of the operator.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Start {
    /// Kind of the operation.
    pub kind: OperationKind,
    /// Id of the request.
    pub id: String,
    /// The operation with its arguments, as the status records them.
    #[serde(skip)]
    pub operation: Arc<Operation>,
    /// All steps on the node, in order.
    #[serde(skip)]
    pub steps: Arc<[Step]>,
    /// Pod of the node.
    pub pod: String,
    /// UID of the pod when the operation started on it.
    pub pod_uid: String,
    /// Container of Cassandra when the operation started on it.
    pub container: String,
    /// Host id of the node.
    pub host_id: String,
    /// Volumes of the node, if the kind of operation deletes them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<VolumeRef>,
    /// Whether the step at hand may have been begun already, by an operator that is gone.
    pub resume: bool,
    /// Index of the step at hand at the decision.
    pub index: usize,
    /// Attempts at the step at the decision.
    pub attempts: i32,
    /// Job of the node for the step at hand, if one was recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job: Option<NodeJob>,
    /// Executor of the node at the decision; another one that takes the node over records that first.
    pub executor: String,
}

/// A step on a node.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Its name in the plan.
    pub name: String,
    /// The effect of the step.
    pub action: Action,
}

/// Nodes that should be at work and of which no task of this process is: they begin, or go on after a restart.
pub(crate) fn starts(
    operation: &OperationStatus,
    arguments: &Arguments,
    state: &ObservedState,
) -> Vec<Start> {
    if operation.phase.is_final() {
        return Vec::new();
    }
    let idle: Vec<&OperationNode> = running(operation)
        .filter(|node| !state.is_at_work(&operation.kind, &node.pod))
        .filter(|node| !state.is_mistaken(&node.pod))
        .collect();
    let Some(plan) = operation.plan.as_ref().filter(|_| !idle.is_empty()) else {
        return Vec::new();
    };
    let before = state
        .operations()
        .find(|old| old.kind == operation.kind && old.id == operation.id);
    let was_running = |node: &OperationNode| {
        let mut running = before.into_iter().flat_map(running);
        running.any(|old| old.pod == node.pod)
    };
    let behaviour = operations::behaviour(&arguments.operation);
    let steps: Arc<[Step]> = plan
        .steps
        .iter()
        .map(|name| Step {
            name: name.clone(),
            action: behaviour.action(&operation.id, name, &state.cluster.spec),
        })
        .collect();
    let known = Arc::new(arguments.operation.clone());
    let start = |node: &OperationNode| Start {
        kind: known.kind(),
        id: operation.id.clone(),
        operation: known.clone(),
        steps: steps.clone(),
        pod: node.pod.clone(),
        pod_uid: node.pod_uid.clone(),
        container: node.container.clone(),
        host_id: node.host_id.clone(),
        volumes: node.volumes.clone(),
        resume: was_running(node),
        index: transitions::steps_done(node),
        attempts: node.attempts,
        job: node.job.clone(),
        executor: node.executor.clone(),
    };
    idle.into_iter().map(start).collect()
}

fn running(operation: &OperationStatus) -> impl Iterator<Item = &OperationNode> {
    let nodes = operation.nodes.iter();
    nodes.filter(|node| node.phase == NodePhase::Running)
}
