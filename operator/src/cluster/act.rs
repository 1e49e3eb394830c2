//! Acting: applies the objects of a plan, and begins with the nodes that it names. Decides nothing.

use std::{sync::Arc, time::Duration};

use casskop_common::{api::CassandraCluster, names};
use k8s_openapi::api::{
    apps::v1::StatefulSet,
    core::v1::{ConfigMap, PersistentVolumeClaim, Pod, Service},
    policy::v1::PodDisruptionBudget,
};
use kube::{
    Api, Resource, ResourceExt,
    api::{DeleteParams, Patch, PatchParams, Preconditions},
};
use serde::{Serialize, de::DeserializeOwned};

use super::{
    build::{self, Object},
    decide::{Growth, Plan, Removal, operations::Start},
    desired::Desired,
    journal::ClusterRef,
    keys,
    observe::Observed,
    runs::Run,
};
use crate::context::Context;

/// Time between two looks at a StatefulSet that is taken away from its pods, and how many there are.
const ORPHAN_EVERY: Duration = Duration::from_millis(100);
const ORPHAN_LOOKS: u32 = 100;
/// Why an object was not applied.
#[derive(thiserror::Error, Debug)]
#[error("write {kind} {name}: {source}")]
pub struct Error {
    /// Its kind.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// What the API server said.
    pub source: kube::Error,
}

/// Applies the objects of a plan.
///
/// # Errors
/// At the first object that the API server refuses; the ones after it wait for the next pass.
pub async fn apply(
    ctx: &Context,
    cluster: &CassandraCluster,
    desired: &Desired,
    plan: &Plan,
) -> Result<(), Error> {
    if plan.make_secret {
        keys::make(ctx, cluster).await.map_err(|source| Error {
            kind: "Secret",
            name: desired.jolokia_secret.clone(),
            source,
        })?;
    }
    for object in &plan.objects {
        match object {
            Object::ServiceAccount(object) => {
                apply_one(ctx, "ServiceAccount", object.as_ref()).await?;
            }
            Object::Service(object) => {
                let live = apply_one(ctx, "Service", object.as_ref()).await?;
                if build::selects_otherwise(object, Some(&live)) {
                    let selector = object.spec.as_ref().and_then(|spec| spec.selector.as_ref());
                    select::<Service>(ctx, "Service", &live, &selector).await?;
                }
            }
            Object::Budget(object) => {
                let live = apply_one(ctx, "PodDisruptionBudget", object.as_ref()).await?;
                if build::limits_otherwise(object, Some(&live)) {
                    let selector = object.spec.as_ref().and_then(|spec| spec.selector.as_ref());
                    select::<PodDisruptionBudget>(ctx, "PodDisruptionBudget", &live, &selector)
                        .await?;
                }
            }
            Object::ConfigMap(object) => {
                apply_one(ctx, "ConfigMap", object.as_ref()).await?;
            }
            Object::StatefulSet(object) => {
                apply_one(ctx, "StatefulSet", object.as_ref()).await?;
            }
            Object::MadeAnew(object, uid) => {
                orphan(ctx, &desired.namespace, &object.name_any(), uid).await?;
                apply_one(ctx, "StatefulSet", object.as_ref()).await?;
            }
            Object::Growth(growth) => grow(ctx, &desired.namespace, growth).await?,
        }
    }
    Ok(())
}

/// Takes away what a plan names, and only that very object: another one of its name is left alone.
///
/// # Errors
/// At the first one that the API server refuses; the ones after it wait for the next pass.
pub async fn remove(ctx: &Context, desired: &Desired, plan: &Plan) -> Result<(), Error> {
    let namespace = &desired.namespace;
    for removal in &plan.removals {
        match removal {
            Removal::Pods { set, uid, from, to } => {
                scale(ctx, namespace, set, (uid, *from, *to)).await?;
            }
            Removal::Rack { set, uid } => {
                delete::<ConfigMap>(ctx, namespace, "ConfigMap", set, None).await?;
                delete::<StatefulSet>(ctx, namespace, "StatefulSet", set, Some(uid)).await?;
            }
            Removal::Pod { name, uid } => {
                delete::<Pod>(ctx, namespace, "Pod", name, Some(uid)).await?;
            }
            Removal::Volume { name, uid } => {
                delete::<PersistentVolumeClaim>(
                    ctx,
                    namespace,
                    "PersistentVolumeClaim",
                    name,
                    Some(uid),
                )
                .await?;
            }
        }
        tracing::info!(%removal, cluster = desired.name, namespace, "removed");
    }
    Ok(())
}

/// Lowers the replicas of the StatefulSet that was looked at, while it has as many as it was seen to have.
async fn scale(
    ctx: &Context,
    namespace: &str,
    set: &str,
    (uid, from, to): (&str, i32, i32),
) -> Result<(), Error> {
    let patch = serde_json::json!([
        { "op": "test", "path": "/metadata/uid", "value": uid },
        { "op": "test", "path": "/spec/replicas", "value": from },
        { "op": "replace", "path": "/spec/replicas", "value": to },
    ]);
    json_patched::<StatefulSet>(ctx, "StatefulSet", namespace, set, patch).await
}

/// Takes a StatefulSet away from its pods, which keep running, and waits until it is gone. A crash in between does no
/// harm: a rack without its StatefulSet gets it back with the pods that are there.
async fn orphan(ctx: &Context, namespace: &str, name: &str, uid: &str) -> Result<(), Error> {
    let failed = |source| Error {
        kind: "StatefulSet",
        name: name.to_owned(),
        source,
    };
    let api: Api<StatefulSet> = Api::namespaced(ctx.client.clone(), namespace);
    let params = DeleteParams {
        preconditions: Some(Preconditions {
            uid: Some(uid.to_owned()),
            resource_version: None,
        }),
        ..DeleteParams::orphan()
    };
    match api.delete(name, &params).await {
        Err(kube::Error::Api(status)) if status.is_not_found() => {}
        outcome => drop(outcome.map_err(failed)?),
    }
    for _ in 0..ORPHAN_LOOKS {
        let live = api.get_metadata_opt(name).await.map_err(failed)?;
        if live.is_none_or(|live| live.uid().as_deref() != Some(uid)) {
            return Ok(());
        }
        tokio::time::sleep(ORPHAN_EVERY).await;
    }
    Err(failed(kube::Error::Service(
        "it is being taken away from its pods, and still there".into(),
    )))
}

/// Asks for a larger volume. Where its class cannot grow volumes, the API server says so.
async fn grow(ctx: &Context, namespace: &str, growth: &Growth) -> Result<(), Error> {
    let patch = serde_json::json!([
        { "op": "test", "path": "/metadata/uid", "value": growth.uid },
        { "op": "replace", "path": "/spec/resources/requests/storage", "value": growth.size },
    ]);
    json_patched::<PersistentVolumeClaim>(
        ctx,
        "PersistentVolumeClaim",
        namespace,
        &growth.name,
        patch,
    )
    .await?;
    tracing::info!(
        volume = growth.name,
        size = growth.size,
        namespace,
        "asked to grow"
    );
    Ok(())
}

async fn delete<K>(
    ctx: &Context,
    namespace: &str,
    kind: &'static str,
    name: &str,
    uid: Option<&str>,
) -> Result<(), Error>
where
    K: Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>
        + Clone
        + DeserializeOwned
        + std::fmt::Debug,
{
    let api: Api<K> = Api::namespaced(ctx.client.clone(), namespace);
    let params = DeleteParams {
        preconditions: uid.map(|uid| Preconditions {
            uid: Some(uid.to_owned()),
            resource_version: None,
        }),
        ..DeleteParams::background()
    };
    match api.delete(name, &params).await {
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        Err(source) => Err(Error {
            kind,
            name: name.to_owned(),
            source,
        }),
        Ok(_) => Ok(()),
    }
}

/// Replaces a selector: what another manager wrote into it would stay beside what we apply.
async fn select<K>(
    ctx: &Context,
    kind: &'static str,
    live: &K,
    selector: &impl Serialize,
) -> Result<(), Error>
where
    K: Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>
        + Clone
        + DeserializeOwned
        + std::fmt::Debug,
{
    let patch = serde_json::json!([
        { "op": "test", "path": "/metadata/uid", "value": live.uid() },
        { "op": "replace", "path": "/spec/selector", "value": selector },
    ]);
    json_patched::<K>(
        ctx,
        kind,
        &live.namespace().unwrap_or_default(),
        &live.name_any(),
        patch,
    )
    .await
}

/// Writes a JSON patch; its tests hold it back from another object of the name.
async fn json_patched<K>(
    ctx: &Context,
    kind: &'static str,
    namespace: &str,
    name: &str,
    patch: serde_json::Value,
) -> Result<(), Error>
where
    K: Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>
        + Clone
        + DeserializeOwned
        + std::fmt::Debug,
{
    let failed = |source| Error {
        kind,
        name: name.to_owned(),
        source,
    };
    let patch: json_patch::Patch =
        serde_json::from_value(patch).map_err(|error| failed(kube::Error::SerdeError(error)))?;
    let api: Api<K> = Api::namespaced(ctx.client.clone(), namespace);
    let params = PatchParams {
        field_manager: Some(names::OPERATOR_MANAGER.into()),
        ..PatchParams::default()
    };
    let written = api.patch(name, &params, &Patch::Json::<()>(patch)).await;
    written.map(drop).map_err(failed)
}

/// Server-side apply: what others set beside us stays.
async fn apply_one<K>(ctx: &Context, kind: &'static str, object: &K) -> Result<K, Error>
where
    K: Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>
        + Clone
        + Serialize
        + DeserializeOwned
        + std::fmt::Debug,
{
    let name = object.name_any();
    let namespace = object.namespace().unwrap_or_default();
    let api: Api<K> = Api::namespaced(ctx.client.clone(), &namespace);
    refuse_foreign(&api, kind, object, &name).await?;
    let params = PatchParams::apply(names::OPERATOR_MANAGER).force();
    match api.patch(&name, &params, &Patch::Apply(object)).await {
        Ok(live) => {
            tracing::info!(kind, name, namespace, "applied");
            Ok(live)
        }
        Err(source) => Err(Error { kind, name, source }),
    }
}

/// An object of that name that is not of this cluster belongs to somebody else, and is left alone.
async fn refuse_foreign<K>(
    api: &Api<K>,
    kind: &'static str,
    wanted: &K,
    name: &str,
) -> Result<(), Error>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
{
    let refused = |source| Error {
        kind,
        name: name.to_owned(),
        source,
    };
    let live = api.get_metadata_opt(name).await.map_err(refused)?;
    let label = |labels: &std::collections::BTreeMap<String, String>| {
        labels.get(names::CLUSTER_LABEL).cloned()
    };
    let Some(live) = live else { return Ok(()) };
    if label(live.labels()) == label(wanted.labels()) {
        return Ok(());
    }
    let why = format!(
        "one of that name exists and does not have the label {} of this cluster: rename the cluster, or delete that {kind}",
        names::CLUSTER_LABEL
    );
    Err(refused(kube::Error::Service(why.into())))
}

/// Begins with the nodes of a plan. Their operation is in the status already.
pub fn start(ctx: &Arc<Context>, observed: &Observed, plan: &Plan) {
    let Some(credentials) = &observed.credentials else {
        return;
    };
    let cluster = &observed.snapshot.cluster;
    let spec = Arc::new(cluster.spec.clone());
    for start in &plan.starts {
        let Some(run) = run(cluster, start, plan, &spec, credentials) else {
            continue;
        };
        ctx.runs.start(ctx, run);
    }
}

fn run(
    cluster: &CassandraCluster,
    start: &Start,
    plan: &Plan,
    spec: &Arc<casskop_common::api::CassandraClusterSpec>,
    credentials: &Arc<crate::nodes::Credentials>,
) -> Option<Run> {
    let changed = plan.operations.iter().map(|change| &change.after);
    let known = cluster.status.iter().flat_map(|status| &status.operations);
    let operation = changed
        .chain(known)
        .find(|operation| operation.kind == start.kind && operation.id == start.id)?;
    let node = operation.nodes.iter().find(|node| node.pod == start.pod)?;
    let done = node.progress.as_ref().map_or(0, |progress| progress.done);
    Some(Run {
        cluster: ClusterRef::of(cluster),
        spec: spec.clone(),
        start: start.clone(),
        arguments: operation.arguments.clone(),
        steps: Arc::new(operation.plan.as_ref()?.steps.clone()),
        done: usize::try_from(done).ok()?,
        pod_uid: node.pod_uid.clone(),
        volumes: node.volumes.clone(),
        credentials: credentials.clone(),
    })
}
