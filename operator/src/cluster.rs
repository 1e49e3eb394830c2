//! The controller of `CassandraCluster`: the complete flow of a reconciliation.
//!
//! ```text
//! watch → observe → decide → act → report
//! ```
//! Intent is recorded before its effect: the operations of a plan are in the status before a node is called, so that
//! an operator that is killed at any point continues from the recorded state.

mod act;
mod deletion;
mod observe;
mod report;
mod restore;
mod role_replicas;
mod superuser;
mod users;

#[cfg(test)]
pub(crate) mod tests;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use casskop_common::{
    api::{CassandraCluster, CassandraClusterSpec},
    operations::OperationKind,
    readable::{Readable, Unreadable},
};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{Resource, ResourceExt, runtime::controller::Action};

use crate::{
    context::Context,
    kubernetes::{
        Kube, apply, authority, credentials, events, finalizer,
        lists::Freshness,
        objects::{error_text, in_time},
        status_store,
    },
};
use casskop_core::{
    desired::{self, BuildInputs, Desired},
    plan::{self, Plan},
    refusal::Refusal,
};
use observe::Observation;

/// Longest duration of one reconciliation, so that no cluster delays another.
const DEADLINE: Duration = Duration::from_secs(60);
/// Delay before a failed reconciliation is retried.
const AFTER_FAILURE: Duration = Duration::from_secs(5);
/// Delay before the certificates of a resource that cannot be read are looked at again: a renewal has weeks.
const WHILE_UNREADABLE: Duration = Duration::from_secs(60 * 60);
/// Delay before the next reconciliation after an object changed since it was observed.
const AFTER_CONFLICT: Duration = Duration::from_millis(50);

/// The reason why a reconciliation failed: the step, the object and the cause.
#[derive(thiserror::Error, Debug)]
pub enum Error {
    /// The resource does not match the types.
    #[error("read CassandraCluster: {0}; correct it, or apply manifests/crds of this version")]
    Unreadable(Box<Unreadable>),
    /// The cluster could not be observed.
    #[error("observe: {}", error_text(.0))]
    Observe(#[from] kube::Error),
    /// An object could not be applied.
    #[error(transparent)]
    Act(#[from] apply::Error),
    /// The status could not be written.
    #[error("report: {0}")]
    Report(#[from] status_store::Error),
    /// The reconciliation exceeded its deadline.
    #[error("took longer than {} s", DEADLINE.as_secs())]
    Deadline,
}

/// Brings one cluster one step closer to its spec.
///
/// # Errors
/// The step that failed; the next reconciliation starts from the beginning.
pub async fn reconcile(
    cluster: Arc<Readable<CassandraCluster>>,
    ctx: Arc<Context>,
) -> Result<Action, Error> {
    // The process ends.
    let Ok(_turn) = ctx.turns.acquire().await else {
        return Ok(Action::await_change());
    };
    Box::pin(take_turn(cluster, &ctx)).await
}

async fn take_turn(
    cluster: Arc<Readable<CassandraCluster>>,
    ctx: &Arc<Context>,
) -> Result<Action, Error> {
    let kube = &ctx.effects.kube;
    let outcome = match &cluster.0 {
        Ok(trigger) => {
            let pass = Box::pin(pass(trigger, ctx));
            let metrics = &ctx.metrics;
            metrics
                .reconciliation(DEADLINE, Error::Deadline, pass)
                .await
        }
        Err(unreadable) => {
            let event = events::unreadable(unreadable);
            let about = cluster.object_ref(&());
            events::publish(&kube.client, &kube.reporter, &event, &about).await;
            Err(Error::Unreadable(Box::new(unreadable.clone())))
        }
    };
    if outcome.is_err() {
        renew_certificates(kube, cluster.meta()).await;
    }
    outcome
}

/// Renews the certificates of the nodes after a reconciliation that failed, at whatever step: they expire all the same.
/// Nothing but the names and the UID of the resource is needed for it.
async fn renew_certificates(kube: &Kube, of: &ObjectMeta) {
    let resource = CassandraCluster {
        metadata: of.clone(),
        spec: CassandraClusterSpec::default(),
        status: None,
    };
    let renewal = in_time(authority::renew(kube, &resource, Timestamp::now()));
    if let Err(error) = renewal.await {
        let (name, namespace) = (resource.name_any(), resource.namespace());
        let message =
            "the certificates of the nodes were not renewed; the next reconciliation tries again";
        tracing::warn!(cluster = name, namespace, %error, message);
    }
}

/// The observed state of a cluster, and the plan that results from it.
struct Evaluation {
    around: BuildInputs,
    desired: Result<Desired, Refusal>,
    observed: Observation,
    plan: Plan,
}

async fn pass(trigger: &CassandraCluster, ctx: &Arc<Context>) -> Result<Action, Error> {
    let mut evaluation = Box::pin(evaluate(trigger, ctx, Freshness::Recent)).await?;
    if evaluation
        .as_ref()
        .is_some_and(|evaluation| act::needs_certainty(&evaluation.plan))
    {
        evaluation = Box::pin(evaluate(trigger, ctx, Freshness::Now)).await?;
    }
    match evaluation {
        Some(evaluation) => Box::pin(execute(ctx, evaluation)).await,
        None => Ok(Action::await_change()),
    }
}

/// Observes a cluster and decides; nothing if the cluster is gone or about to be deleted. If the spec is rejected,
/// the last accepted spec is reconciled instead.
async fn evaluate(
    trigger: &CassandraCluster,
    ctx: &Context,
    freshness: Freshness,
) -> Result<Option<Evaluation>, Error> {
    let (namespace, name) = (trigger.namespace().unwrap_or_default(), trigger.name_any());
    let mut at_work = ctx.executor.at_work(trigger);
    let Some(cluster) = ctx.effects.store.read(&namespace, &name).await? else {
        let uid = trigger.uid().unwrap_or_default();
        ctx.effects.store.forget(&uid);
        ctx.effects.cql.forget(&uid);
        ctx.executor.forget(&uid);
        ctx.metrics.forget(&namespace, &name);
        return Ok(None);
    };
    at_work.extend(ctx.executor.left_to_others(&cluster));
    ctx.metrics.cluster(&cluster);
    if cluster.metadata.deletion_timestamp.is_some() {
        deletion::release(&ctx.effects.kube, &cluster).await?;
        return Ok(None);
    }
    let as_written = Box::pin(observe_and_plan(
        ctx,
        cluster,
        None,
        at_work.clone(),
        freshness,
    ))
    .await?;
    let Some(refused) = &as_written.plan.refused else {
        return Ok(Some(as_written));
    };
    let state = &as_written.observed.state;
    match desired::instead(&state.cluster, &as_written.around, &state.live, refused) {
        Some((cluster, desired)) => {
            let instead = Some(desired);
            let before = Some(&as_written.observed);
            let evaluation =
                observe_and_plan(ctx, cluster, instead.zip(before), at_work, freshness);
            Ok(Some(Box::pin(evaluation).await?))
        }
        None => Ok(Some(as_written)),
    }
}

/// Observes a cluster, and decides about its spec, or about the spec that replaces it.
async fn observe_and_plan(
    ctx: &Context,
    cluster: CassandraCluster,
    instead: Option<(Desired, &Observation)>,
    at_work: BTreeSet<(OperationKind, String)>,
    freshness: Freshness,
) -> Result<Evaluation, Error> {
    let found = Box::pin(observe::find(&ctx.effects.kube, cluster, freshness)).await?;
    let around = BuildInputs {
        operator_image: ctx.bootstrap_image.clone(),
        key_revision: found.keys.revision.clone(),
        scripts: found.scripts.clone(),
        refused_secret: found.keys.refused.clone(),
        started: found.started.clone(),
        is_accepted: false,
    };
    let (namespace, name) = (found.cluster.namespace(), found.cluster.name_any());
    let namespace = namespace.unwrap_or_default();
    let validities = &found.keys.validities;
    ctx.metrics.certificates(&namespace, &name, validities);
    let (instead, before) = instead.unzip();
    let desired = match instead {
        Some(desired) => Ok(Desired {
            key_revision: around.key_revision.clone(),
            ..desired
        }),
        None => desired::desired(&found.cluster, &around),
    };
    let observed = observe::observe(&ctx.effects, at_work, found, desired.as_ref().ok(), before);
    let mut observed = Box::pin(observed).await;
    observed.state.executor = ctx.executor.identity.to_string();
    let plan = plan::decide(&desired, &observed.state);
    Ok(Evaluation {
        around,
        desired,
        observed,
        plan,
    })
}

async fn execute(ctx: &Arc<Context>, evaluation: Evaluation) -> Result<Action, Error> {
    let Evaluation {
        desired,
        observed,
        mut plan,
        ..
    } = evaluation;
    let state = &observed.state;
    let kube = &ctx.effects.kube;
    // Nothing else may keep the volumes of a cluster from being kept.
    let disowned = act::change_owners(kube, &state.cluster, &plan.disowned).await;
    if let Some(new) = observed.new_key.as_ref().filter(|_| plan.refused.is_none()) {
        credentials::accept(kube, &state.cluster, new).await?;
        plan.requeue = AFTER_CONFLICT;
        if new.is_rotation() {
            // Pods that were created for another change now would be replaced once more for the new revision.
            disowned?;
            return Ok(Action::requeue(plan.requeue));
        }
    }
    let recorded = report::intents(ctx, state, &mut plan).await;
    if let Err(pruned @ status_store::Error::Pruned(_)) = &recorded {
        plan.report_failure(&pruned.to_string(), state);
        report::status(ctx, state, &plan).await?;
    }
    recorded?;
    act::start(ctx, &observed, &plan);
    let mut applied = act::write(kube, state, &plan).await;
    if let (Ok(()), Ok(desired)) = (&applied, &desired) {
        applied = act::remove(kube, state, desired, &plan).await;
    }
    if applied.is_ok() && plan.releases {
        applied = finalizer::remove(kube, &state.cluster).await;
    }
    let published = act::publish(kube, state, &plan).await;
    let applied = disowned.and(applied).and(published);
    if let Some(error) = applied.as_ref().err().filter(|error| error.is_conflict()) {
        tracing::info!(cluster = state.name(), %error, "changed since the observation; reconciling again");
        return Ok(Action::requeue(AFTER_CONFLICT));
    }
    if let Err(error) = &applied {
        plan.report_failure(&error.to_string(), state);
    }
    if let Ok(desired) = &desired
        && let Some(failure) = restore::change(kube, state, desired, &plan).await
    {
        plan.report_failure(&failure, state);
    }
    let of_superuser = superuser::failure(&ctx.effects, &observed);
    let of_replicas = || role_replicas::failure(&ctx.effects, &observed, &plan);
    let of_users = || users::failure(&ctx.effects, &observed);
    if let Some(failure) = of_superuser.or_else(of_replicas).or_else(of_users) {
        plan.report_failure(&failure, state);
    }
    let is_reported = report::status(ctx, state, &plan).await?;
    if !is_reported {
        plan.requeue = AFTER_CONFLICT;
    }
    // Nodes that do not answer hold no report back.
    if let Ok(desired) = &desired {
        let effects = &ctx.effects;
        let kept = superuser::keep(effects, desired, &observed, &plan).await
            || (is_reported
                && (role_replicas::keep(effects, desired, &observed, &plan).await
                    || users::keep(effects, desired, &observed, &plan).await));
        if kept {
            plan.requeue = AFTER_CONFLICT;
        }
    }
    applied?;
    Ok(Action::requeue(plan.requeue))
}

/// The requeue delay after a failed reconciliation.
#[expect(
    clippy::needless_pass_by_value,
    reason = "the signature that the controller wants"
)]
pub fn after_failure(
    cluster: Arc<Readable<CassandraCluster>>,
    error: &Error,
    _: Arc<Context>,
) -> Action {
    tracing::warn!(cluster = cluster.name_any(), namespace = cluster.namespace(), %error, "reconciliation failed");
    match error {
        // The resource stays unreadable until it is edited; its certificates are looked at.
        Error::Unreadable(_) => Action::requeue(WHILE_UNREADABLE),
        Error::Act(error) if error.is_conflict() => Action::requeue(AFTER_CONFLICT),
        _ => Action::requeue(AFTER_FAILURE),
    }
}
