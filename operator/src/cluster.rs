//! The controller of `CassandraCluster`: the whole flow in one screen.
//!
//! ```text
//! watch → observe → decide → act → report
//! ```
//! Intent is written before effect: the operations of a plan are in the status before a node is called, so that an
//! operator that is killed anywhere in between goes on where it was.

mod act;
mod build;
mod decide;
mod desired;
mod finalize;
pub mod journal;
mod keys;
mod objects;
mod observe;
mod report;
pub mod runs;
mod snapshot;

#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use casskop_common::api::CassandraCluster;
use kube::{
    ResourceExt,
    core::{DeserializeGuard, error_boundary::InvalidObject},
    runtime::controller::Action,
};

use crate::context::Context;
use desired::Around;

/// Longest time one look at a cluster may take, so that no cluster holds up another.
const DEADLINE: Duration = Duration::from_secs(60);
/// Time until a failed look is repeated.
const AFTER_FAILURE: Duration = Duration::from_secs(5);

/// Why a reconciliation did not come to its end; which step, on what, and why.
#[derive(thiserror::Error, Debug)]
pub enum Error {
    /// The resource does not fit the types.
    #[error("read CassandraCluster: {0}; apply manifests/crds of this version")]
    Invalid(Box<InvalidObject>),
    /// The cluster could not be looked at.
    #[error("observe: {0}")]
    Observe(#[from] kube::Error),
    /// An object could not be applied.
    #[error(transparent)]
    Act(#[from] act::Error),
    /// Our finalizer could not be written, or the volumes of a deleted cluster not be deleted.
    #[error("deletePVC: {0}")]
    Finalize(#[source] kube::Error),
    /// The status could not be written.
    #[error("report: {0}")]
    Report(#[from] journal::Error),
    /// It took too long.
    #[error("took longer than {} s", DEADLINE.as_secs())]
    Deadline,
}

/// Brings one cluster one step nearer to what is asked.
///
/// # Errors
/// Which step failed; the next pass begins anew.
pub async fn reconcile(
    cluster: Arc<DeserializeGuard<CassandraCluster>>,
    ctx: Arc<Context>,
) -> Result<Action, Error> {
    let trigger = cluster
        .0
        .as_ref()
        .map_err(|error| Error::Invalid(Box::new(error.clone())))?;
    let timer = ctx.metrics.reconciliation();
    let outcome = tokio::time::timeout(DEADLINE, Box::pin(pass(trigger, &ctx)))
        .await
        .unwrap_or(Err(Error::Deadline));
    timer.done(outcome.is_ok());
    outcome
}

async fn pass(trigger: &CassandraCluster, ctx: &Arc<Context>) -> Result<Action, Error> {
    let (namespace, name) = (trigger.namespace().unwrap_or_default(), trigger.name_any());
    let at_work = ctx.runs.at_work(trigger);
    let Some(cluster) = ctx.journal.read(&namespace, &name).await? else {
        ctx.journal.forget(&trigger.uid().unwrap_or_default());
        return Ok(Action::await_change());
    };
    if cluster.metadata.deletion_timestamp.is_some() {
        finalize::finalize(ctx, &cluster)
            .await
            .map_err(Error::Finalize)?;
        return Ok(Action::await_change());
    }
    finalize::prepare(ctx, &cluster)
        .await
        .map_err(Error::Finalize)?;
    let keys = keys::read(ctx, &cluster).await?;
    let around = Around {
        operator_image: ctx.bootstrap_image.clone(),
        key_revision: keys.revision.clone(),
        scripts: observe::scripts(ctx, &cluster).await?,
    };
    let desired = desired::desired(&cluster, &around);

    let observed = observe::observe(ctx, cluster, at_work, keys, desired.as_ref().ok());
    let observed = Box::pin(observed).await?;
    let mut plan = decide::decide(&desired, &observed.snapshot);
    report::intents(ctx, &observed.snapshot, &mut plan).await?;
    act::start(ctx, &observed, &plan);
    let applied = match &desired {
        Ok(desired) => match act::apply(ctx, &observed.snapshot.cluster, desired, &plan).await {
            Ok(()) => act::remove(ctx, desired, &plan).await,
            failed => failed,
        },
        Err(_) => Ok(()),
    };
    if let Err(error) = &applied {
        plan.tell_failure(&error.to_string(), &observed.snapshot);
    }
    report::status(ctx, &observed.snapshot, &plan).await?;

    applied?;
    Ok(Action::requeue(plan.requeue))
}

/// What follows a failed reconciliation.
#[expect(
    clippy::needless_pass_by_value,
    reason = "the signature that the controller wants"
)]
pub fn after_failure(
    cluster: Arc<DeserializeGuard<CassandraCluster>>,
    error: &Error,
    _: Arc<Context>,
) -> Action {
    tracing::warn!(cluster = cluster.name_any(), namespace = cluster.namespace(), %error, "reconciliation failed");
    match error {
        // Nothing changes by itself until somebody edits it.
        Error::Invalid(_) => Action::await_change(),
        _ => Action::requeue(AFTER_FAILURE),
    }
}
