//! The end of the work of a step whose operation is cancelled.

use casskop_core::node::Call;

use crate::{
    effects::Effects,
    executor::{NodeTask, StepEvent, record::record_event},
    node_api::Endpoint,
};

/// Stops the work of a step whose operation is cancelled. Returns whether the node has a way to stop any of it; if not, the
/// status says that the work goes on to its end.
pub(super) async fn halt(
    effects: &Effects,
    task: &NodeTask,
    endpoint: &Endpoint,
    mut halts: Vec<Call>,
) -> bool {
    halts.retain(|call| {
        call.not_supported(endpoint.access.transport().kind())
            .is_none()
    });
    if halts.is_empty() {
        tracing::info!(
            cluster = task.cluster.name,
            pod = task.start.pod,
            kind = task.start.kind.as_str(),
            id = task.start.id,
            "the work of the step cannot be stopped, and is awaited"
        );
        if let Err(error) = record_event(effects, task, StepEvent::CannotStop).await {
            tracing::debug!(%error, "that the work cannot be stopped was not written");
        }
        return false;
    }
    for call in halts {
        tracing::info!(
            cluster = task.cluster.name,
            pod = task.start.pod,
            kind = task.start.kind.as_str(),
            id = task.start.id,
            ?call,
            "stopping its work"
        );
        if let Err(error) = effects.nodes.call(endpoint.clone(), call).await {
            tracing::info!(pod = task.start.pod, %error, "the work was not stopped");
        }
    }
    true
}
