//! Reporting: writes the status if it changed, and publishes an event for each transition.

pub use std::time::Duration;

use casskop_common::api::CassandraClusterStatus;
use kube::{Resource, runtime::events::Recorder};

use crate::{
    context::Context,
    kubernetes::{
        events,
        status_store::{self, ClusterRef},
    },
};
use casskop_core::{
    observed::ObservedState, operations::transitions, plan::Plan, scheduler::Change, status::size,
};

/// Records the operations of a plan before any node is called for them. Returns the nodes that may start: those whose
/// operation was recorded as decided.
///
/// # Errors
/// The status could not be written; in that case nothing may start.
pub async fn intents(
    ctx: &Context,
    state: &ObservedState,
    plan: &mut Plan,
) -> Result<(), status_store::Error> {
    if plan.operations.is_empty() {
        return Ok(());
    }
    let cluster = ClusterRef::of(&state.cluster);
    let changes = plan.operations.clone();
    let outdated = ctx
        .effects
        .store
        .update(&cluster, |status| {
            let mut outdated = Vec::new();
            for change in &changes {
                if holds(status, change) {
                    transitions::archive(status, change.after.clone());
                } else {
                    // A node made progress in the meantime; a pause or cancel must not wait until no node does.
                    transitions::control(status, &change.after);
                    outdated.push(change.after.kind.clone());
                }
            }
            outdated
        })
        .await?;
    if !outdated.is_empty() {
        plan.requeue = Duration::ZERO;
    }
    plan.starts.retain(|start| !outdated.contains(&start.kind));
    plan.operations
        .retain(|change| !outdated.contains(&change.after.kind));
    for change in &plan.operations {
        let (kind, id, phase) = (
            &change.after.kind,
            &change.after.id,
            change.after.phase.as_str(),
        );
        if change
            .before
            .as_ref()
            .map(|before| (&before.id, before.phase))
            != Some((id, change.after.phase))
        {
            tracing::info!(
                cluster = cluster.name,
                namespace = cluster.namespace,
                kind,
                id,
                phase,
                message = change.after.message,
                "operation"
            );
            ctx.metrics.operation(kind, phase);
        }
    }
    Ok(())
}

/// Whether the operation is unchanged since the decision about it.
fn holds(status: &CassandraClusterStatus, change: &Change) -> bool {
    let current = status
        .operations
        .iter()
        .find(|operation| operation.kind == change.after.kind);
    current == change.before.as_ref()
}

/// Writes the rest of the status, and publishes the transitions.
///
/// # Errors
/// The status could not be written.
pub async fn status(
    ctx: &Context,
    state: &ObservedState,
    plan: &Plan,
) -> Result<(), status_store::Error> {
    let cluster = ClusterRef::of(&state.cluster);
    let wanted = plan.status.clone();
    let omitted = ctx
        .effects
        .store
        .update(&cluster, |status| {
            let operations = std::mem::take(&mut status.operations);
            let operation_history = std::mem::take(&mut status.operation_history);
            let used_request_ids = std::mem::take(&mut status.used_request_ids);
            *status = CassandraClusterStatus {
                operations,
                operation_history,
                used_request_ids,
                ..wanted.clone()
            };
            size::fit(status, size::BUDGET)
        })
        .await?;
    let old = state.cluster.status.clone().unwrap_or_default();
    let events = events::events(&old, plan);
    for event in events.into_iter().chain(events::omission(&omitted)) {
        // A long-lived recorder would count this event as a repetition of an earlier event with the same reason, even
        // with a different message.
        let recorder = Recorder::new(
            ctx.effects.kube.client.clone(),
            ctx.effects.kube.reporter.clone(),
        );
        let published = recorder
            .publish(&event, &state.cluster.object_ref(&()))
            .await;
        if let Err(error) = published {
            tracing::warn!(cluster = cluster.name, %error, "an event was not published");
        }
    }
    Ok(())
}
