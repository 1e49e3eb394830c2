//! Reporting: writes the status if it changed, and publishes an event for each transition.

pub use std::time::Duration;

use kube::Resource;

use crate::{
    context::Context,
    kubernetes::{
        Kube, events,
        status_store::{self, ClusterRef},
    },
};
use casskop_core::{
    observed::ObservedState,
    operations::transitions::{self, Outdated},
    plan::Plan,
    status::size,
};

/// Records the operations of a plan before any node is called for them, and the rack that changes before it does. An
/// intent that was not recorded as decided is taken out of the plan.
///
/// # Errors
/// The status could not be written; in that case nothing may start.
pub async fn intents(
    ctx: &Context,
    state: &ObservedState,
    plan: &mut Plan,
) -> Result<(), status_store::Error> {
    if plan.operations.is_empty() && plan.rack_write.is_none() {
        return Ok(());
    }
    let cluster = ClusterRef::of(&state.cluster);
    let changes = plan.operations.clone();
    let (observed, write) = (state.cluster.status.as_ref(), plan.rack_write.clone());
    let outdated = ctx
        .effects
        .store
        .update(&cluster, |status| {
            transitions::decide(status, observed, &changes, write.as_ref())
        })
        .await?;
    if outdated != Outdated::default() {
        plan.requeue = Duration::ZERO;
    }
    plan.forget(&outdated);
    for change in &plan.operations {
        let (kind, id, phase) = (
            change.after.kind.as_str(),
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

/// Writes the rest of the status, and publishes the transitions. Returns whether it was written: not if another operator
/// has reported since the state was observed.
///
/// # Errors
/// The status could not be written.
pub async fn status(
    ctx: &Context,
    state: &ObservedState,
    plan: &Plan,
) -> Result<bool, status_store::Error> {
    let cluster = ClusterRef::of(&state.cluster);
    let (observed, wanted) = (state.cluster.status.as_ref(), &plan.status);
    let written = ctx
        .effects
        .store
        .update(&cluster, |status| {
            transitions::report(status, observed, wanted).then(|| size::fit(status, size::BUDGET))
        })
        .await?;
    let Some(omitted) = written else {
        return Ok(false);
    };
    let old = state.cluster.status.clone().unwrap_or_default();
    let events = events::events(&old, plan);
    let Kube {
        client, reporter, ..
    } = &ctx.effects.kube;
    let about = state.cluster.object_ref(&());
    for event in events.into_iter().chain(events::omission(&omitted)) {
        events::publish(client, reporter, &event, &about).await;
    }
    Ok(true)
}
