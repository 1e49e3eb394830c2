//! The controller of `CassandraCluster`: the whole flow in one screen.
//!
//! ```text
//! watch → observe → decide → act → report
//! ```
//! Intent is written before effect: the operations of a plan are in the status before a node is called, so that an
//! operator that is killed anywhere in between goes on where it was.

mod act;
mod observe;
mod report;

#[cfg(test)]
mod tests;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use casskop_common::api::CassandraCluster;
use kube::{
    ResourceExt,
    core::{DeserializeGuard, error_boundary::InvalidObject},
    runtime::controller::Action,
};

use crate::{
    context::Context,
    kubernetes::{apply, credentials, finalizer, lists::Freshness, status_store},
};
use casskop_core::{
    desired::{self, Around, Desired},
    plan::{self, Plan},
    refusal::Refusal,
};
use observe::Observed;

/// Longest time one look at a cluster may take, so that no cluster holds up another.
const DEADLINE: Duration = Duration::from_secs(60);
/// Time until a failed look is repeated.
const AFTER_FAILURE: Duration = Duration::from_secs(5);
/// Time until the next look when something was no longer as it was seen.
const AFTER_CONFLICT: Duration = Duration::from_millis(50);

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
    Act(#[from] apply::Error),
    /// Our finalizer could not be written, or the volumes of a deleted cluster not be deleted.
    #[error("deletePVC: {0}")]
    Finalize(#[source] kube::Error),
    /// The status could not be written.
    #[error("report: {0}")]
    Report(#[from] status_store::Error),
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
    let pass = Box::pin(pass(trigger, &ctx));
    ctx.metrics
        .reconciliation(DEADLINE, Error::Deadline, pass)
        .await
}

/// What was seen of a cluster, and what follows from it.
struct Look {
    around: Around,
    desired: Result<Desired, Refusal>,
    observed: Observed,
    plan: Plan,
}

async fn pass(trigger: &CassandraCluster, ctx: &Arc<Context>) -> Result<Action, Error> {
    let mut seen = Box::pin(look(trigger, ctx, Freshness::Recent)).await?;
    if seen
        .as_ref()
        .is_some_and(|look| act::needs_certainty(&look.plan))
    {
        seen = Box::pin(look(trigger, ctx, Freshness::Now)).await?;
    }
    match seen {
        Some(look) => Box::pin(carry_out(ctx, look)).await,
        None => Ok(Action::await_change()),
    }
}

/// Looks at a cluster and decides; nothing if it is gone or about to go. Where its spec is refused, what was accepted
/// before is looked after.
async fn look(
    trigger: &CassandraCluster,
    ctx: &Context,
    freshness: Freshness,
) -> Result<Option<Look>, Error> {
    let (namespace, name) = (trigger.namespace().unwrap_or_default(), trigger.name_any());
    let at_work = ctx.runs.at_work(trigger);
    let Some(cluster) = ctx.effects.store.read(&namespace, &name).await? else {
        ctx.effects.store.forget(&trigger.uid().unwrap_or_default());
        ctx.metrics.forget(&namespace, &name);
        return Ok(None);
    };
    ctx.metrics.cluster(&cluster);
    if cluster.metadata.deletion_timestamp.is_some() {
        finalizer::finalize(&ctx.effects.kube, &cluster)
            .await
            .map_err(Error::Finalize)?;
        return Ok(None);
    }
    finalizer::prepare(&ctx.effects.kube, &cluster)
        .await
        .map_err(Error::Finalize)?;
    let as_written = Box::pin(see(ctx, cluster, None, at_work.clone(), freshness)).await?;
    let Some(refused) = &as_written.plan.refused else {
        return Ok(Some(as_written));
    };
    let snapshot = &as_written.observed.snapshot;
    let maps = &snapshot.live.config_maps;
    match desired::instead(&snapshot.cluster, &as_written.around, maps, refused) {
        Some((cluster, desired)) => {
            let instead = Some(desired);
            let before = Some(&as_written.observed);
            let look = see(ctx, cluster, instead.zip(before), at_work, freshness);
            Ok(Some(Box::pin(look).await?))
        }
        None => Ok(Some(as_written)),
    }
}

/// Looks at a cluster, and decides about what it asks for, or about what is wanted instead.
async fn see(
    ctx: &Context,
    cluster: CassandraCluster,
    instead: Option<(Desired, &Observed)>,
    at_work: BTreeSet<(String, String)>,
    freshness: Freshness,
) -> Result<Look, Error> {
    let found = Box::pin(observe::find(&ctx.effects.kube, &cluster, freshness)).await?;
    let around = Around {
        operator_image: ctx.bootstrap_image.clone(),
        key_revision: found.keys.revision.clone(),
        scripts: found.scripts.clone(),
    };
    let (instead, before) = instead.unzip();
    let desired = match instead {
        Some(desired) => Ok(Desired {
            key_revision: around.key_revision.clone(),
            ..desired
        }),
        None => desired::desired(&cluster, &around),
    };
    let observed = observe::observe(
        &ctx.effects,
        cluster,
        at_work,
        found,
        desired.as_ref().ok(),
        before,
    );
    let observed = Box::pin(observed).await;
    let plan = plan::decide(&desired, &observed.snapshot);
    Ok(Look {
        around,
        desired,
        observed,
        plan,
    })
}

async fn carry_out(ctx: &Arc<Context>, look: Look) -> Result<Action, Error> {
    let Look {
        desired,
        observed,
        mut plan,
        ..
    } = look;
    let snapshot = &observed.snapshot;
    if let Some(new) = observed.new_key.as_ref().filter(|_| plan.refused.is_none()) {
        credentials::accept(&ctx.effects.kube, &snapshot.cluster, new).await?;
        plan.requeue = AFTER_CONFLICT;
    }
    report::intents(ctx, snapshot, &mut plan).await?;
    act::start(ctx, &observed, &plan);
    let mut applied = match &desired {
        Ok(desired) => match act::write(&ctx.effects.kube, snapshot, desired, &plan).await {
            Ok(()) => act::remove(&ctx.effects.kube, snapshot, desired, &plan).await,
            failed => failed,
        },
        Err(_) => Ok(()),
    };
    if let Some(error) = applied.as_ref().err().filter(|error| error.is_conflict()) {
        tracing::info!(cluster = snapshot.name(), %error, "no longer as it was seen; looking again");
        plan.requeue = AFTER_CONFLICT;
        applied = Ok(());
    }
    if let Err(error) = &applied {
        plan.tell_failure(&error.to_string(), snapshot);
    }
    report::status(ctx, snapshot, &plan).await?;

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
