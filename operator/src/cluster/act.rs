//! Execution: applies the objects of a plan, and starts the nodes that it names. Makes no decisions.

use casskop_common::api::CassandraCluster;
use k8s_openapi::api::{
    apps::v1::StatefulSet,
    core::v1::{ConfigMap, PersistentVolumeClaim, Pod, Secret, Service},
};
use kube::{ResourceExt, api::Preconditions};

use crate::{
    cluster::observe::Observation,
    context::Context,
    executor::{NodeTask, Position},
    kubernetes::{
        Kube,
        apply::{Error, apply_observed, apply_one, apply_selecting},
        change::{delete, fence, grow, orphan, own, scale},
        credentials, objects,
        status_store::ClusterRef,
    },
};
use casskop_core::{
    desired::{Desired, Started, operator_image, tls},
    objects::{ClientCa, MetricsService, Object, VolumeOwner, volume_owner::OwnedKind},
    observed::{ObservedState, SecretState},
    plan::Plan,
    rollout::removal::Removal,
};

/// Whether a plan does more than report and work on nodes that keep serving: such a plan must be based on the current
/// state, not on a slightly outdated one.
pub fn needs_certainty(plan: &Plan) -> bool {
    plan.make_secret
        || plan.is_disruptive
        || plan.role_replicas.is_some()
        || !plan.disowned.is_empty()
        || plan.releases
        || !plan.objects.is_empty()
        || plan.client_ca.is_some()
        || plan.metrics_service.is_some()
        || !plan.removals.is_empty()
        || !plan.restore_jobs.is_empty()
}

/// Changes the owners of volumes and of the mark of their ring, each alone. If the mark is the first and has changed since
/// the observation, the volumes wait for the next reconciliation, so that none is without the mark.
///
/// # Errors
/// The first rejected change; the other changes are made all the same.
pub async fn change_owners(
    kube: &Kube,
    cluster: &CassandraCluster,
    owners: &[VolumeOwner],
) -> Result<(), Error> {
    let mut outcome = Ok(());
    for owner in owners {
        let changed = own(kube, cluster, owner).await;
        if owner.kind == OwnedKind::RingMark && changed.as_ref().is_err_and(Error::is_conflict) {
            return changed;
        }
        outcome = outcome.and(changed);
    }
    outcome
}

/// Applies the objects of a plan.
///
/// # Errors
/// The first rejected object; the following objects are applied by the next reconciliation.
pub async fn write(kube: &Kube, state: &ObservedState, plan: &Plan) -> Result<(), Error> {
    let namespace = &state.cluster.namespace().unwrap_or_default();
    let live = &state.live;
    let stateful_sets = &live.stateful_sets;
    let mut outcome = Ok(());
    if plan.make_secret {
        let started = Started::of(state.name(), live, &state.pods);
        let is_marked = tls::is_marked(&state.cluster, live);
        let made = credentials::make(kube, &state.cluster, &started, is_marked).await;
        outcome = made.map_err(|(name, error)| Error::of::<Secret>(&name)(error));
        // Pods do not start without their Secret; a renewal has weeks.
        let mut secrets = state.secrets.values();
        let is_missing = secrets.any(|secret| *secret == SecretState::Missing);
        if is_missing && outcome.is_err() {
            return outcome;
        }
    }
    for object in &plan.objects {
        match object {
            Object::ServiceAccount(object) => drop(apply_one(kube, object.as_ref()).await?),
            Object::Service(object) => apply_selecting(kube, object.as_ref()).await?,
            Object::Budget(object) => apply_selecting(kube, object.as_ref()).await?,
            Object::ConfigMap(object) => {
                let observed = live.config_maps.get(&object.name_any());
                apply_observed(kube, object.as_ref(), observed).await?;
            }
            Object::StatefulSet(object) => {
                apply_observed(kube, object.as_ref(), stateful_sets.get(&object.name_any()))
                    .await?;
            }
            Object::Recreated(object) => {
                if let Some(observed) = stateful_sets.get(&object.name_any()) {
                    orphan(kube, namespace, observed).await?;
                }
                apply_observed(kube, object.as_ref(), None).await?;
            }
            Object::Fence(observed) => fence(kube, namespace, observed).await?,
            Object::VolumeExpansion(growth) => grow(kube, namespace, growth).await?,
            Object::VolumeOwner(owner) => {
                outcome = outcome.and(own(kube, &state.cluster, owner).await);
            }
        }
    }
    outcome
}

/// Writes or deletes the objects that nothing of the ring depends on.
///
/// # Errors
/// A change is rejected; the next reconciliation tries again.
pub async fn publish(kube: &Kube, state: &ObservedState, plan: &Plan) -> Result<(), Error> {
    let namespace = &state.cluster.namespace().unwrap_or_default();
    let authorities = match &plan.client_ca {
        None => Ok(()),
        Some(ClientCa::Apply(map)) => {
            let observed = state.live.config_maps.get(&map.name_any());
            apply_observed(kube, map.as_ref(), observed).await
        }
        Some(ClientCa::Remove { name, uid }) => {
            delete::<ConfigMap>(kube, namespace, name, objects::uid_precondition(uid)).await
        }
    };
    let metrics = match &plan.metrics_service {
        None => Ok(()),
        Some(MetricsService::Apply(service)) => apply_selecting(kube, service.as_ref()).await,
        Some(MetricsService::Remove { name, uid }) => {
            let removed =
                delete::<Service>(kube, namespace, name, objects::uid_precondition(uid)).await;
            // A Role of an earlier version does not permit it.
            if let Err(error) = removed {
                let cluster = state.name();
                tracing::warn!(%error, cluster, namespace, "the Service of the metrics stays");
            }
            Ok(())
        }
    };
    authorities.and(metrics)
}

/// Deletes the objects that a plan names, by UID: a different object of the same name is not deleted.
///
/// # Errors
/// The first rejected deletion; the following ones are retried by the next reconciliation.
pub async fn remove(
    kube: &Kube,
    state: &ObservedState,
    desired: &Desired,
    plan: &Plan,
) -> Result<(), Error> {
    let namespace = &desired.namespace;
    let live = &state.live;
    for removal in &plan.removals {
        match removal {
            Removal::Pods {
                set,
                uid,
                version,
                to,
                ..
            } => scale(kube, namespace, set, (uid, version), *to).await?,
            Removal::Rack { set, uid } => {
                // The StatefulSet is kept if another writer has scaled it in the meantime: its pods need the
                // configuration.
                let live_set = live.stateful_sets.get(set);
                let preconditions = live_set.map_or_else(
                    || objects::uid_precondition(uid),
                    objects::version_precondition,
                );
                delete::<StatefulSet>(kube, namespace, set, preconditions).await?;
                if let Some(uid) = live.config_maps.get(set).and_then(ResourceExt::uid) {
                    delete::<ConfigMap>(kube, namespace, set, objects::uid_precondition(&uid))
                        .await?;
                }
            }
            Removal::Pod { name, uid, version } => {
                let preconditions = Preconditions {
                    uid: Some(uid.clone()),
                    resource_version: Some(version.clone()),
                };
                delete::<Pod>(kube, namespace, name, preconditions).await?;
            }
            Removal::Volume { name, uid } => {
                let claim = objects::uid_precondition(uid);
                delete::<PersistentVolumeClaim>(kube, namespace, name, claim).await?;
            }
        }
        tracing::info!(%removal, cluster = desired.name, namespace, "removed");
    }
    Ok(())
}

/// Starts the nodes of a plan. Their operation is already recorded in the status. Nodes at work get the newest secrets.
pub fn start(ctx: &Context, observed: &Observation, plan: &Plan) {
    let cluster = ClusterRef::of(&observed.state.cluster);
    ctx.executor.renew_access(&cluster, &observed.access);
    if observed.access.is_empty() {
        return;
    }
    for start in &plan.starts {
        let task = NodeTask {
            cluster: cluster.clone(),
            start: start.clone(),
            executor: ctx.executor.identity.clone(),
            access: ctx.executor.access(&cluster, &observed.access),
            position: Position::at(start.index),
            image: operator_image(&observed.state.cluster.spec, &ctx.bootstrap_image).to_owned(),
        };
        ctx.executor.start(&ctx.effects, task);
    }
}
