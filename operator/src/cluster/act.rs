//! Acting: applies the objects of a plan, and begins with the nodes that it names. Decides nothing.

use std::{borrow::Cow, sync::Arc, time::Duration};

use casskop_common::{api::CassandraCluster, names, operations::DECOMMISSION};
use k8s_openapi::api::{
    apps::v1::StatefulSet,
    core::v1::{ConfigMap, PersistentVolumeClaim, Pod, Secret},
};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, Patch, PatchParams, Preconditions},
    core::{PartialObjectMeta, Status},
};
use serde::Serialize;

use super::{
    build::{self, Object, Selects},
    decide::{Growth, Plan, Removal, operations::Start},
    desired::Desired,
    journal::ClusterRef,
    keys,
    objects::{self, Kind},
    observe::Observed,
    runs::Run,
    snapshot::Snapshot,
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
    pub kind: Cow<'static, str>,
    /// Its name.
    pub name: String,
    /// What the API server said.
    pub source: kube::Error,
}

impl Error {
    /// Whether the object is no longer what was looked at. Nothing is wrong then: it takes another look.
    pub fn is_conflict(&self) -> bool {
        matches!(&self.source, kube::Error::Api(status) if status.is_conflict())
    }

    /// Says of which object it is that the API server said something.
    fn of<K: Kind>(name: &str) -> impl Fn(kube::Error) -> Self {
        move |source| Self {
            kind: K::kind(&()),
            name: name.to_owned(),
            source,
        }
    }
}

/// Kinds of operations after which a node does not serve.
const TAKE_NODES_AWAY: [&str; 3] = [DECOMMISSION, "restart", "drain"];

/// Whether a plan does more than to report and to work on nodes that keep serving: such a plan is made from what is
/// there now, and not a moment ago.
pub fn needs_certainty(plan: &Plan) -> bool {
    let changed = plan.operations.iter().map(|change| &change.after.kind);
    let mut kinds = changed.chain(plan.starts.iter().map(|start| &start.kind));
    plan.make_secret
        || !plan.objects.is_empty()
        || !plan.removals.is_empty()
        || kinds.any(|kind| TAKE_NODES_AWAY.contains(&kind.as_str()))
}

/// Applies the objects of a plan.
///
/// # Errors
/// At the first object that the API server refuses; the ones after it wait for the next pass.
pub async fn write(
    ctx: &Context,
    snapshot: &Snapshot,
    desired: &Desired,
    plan: &Plan,
) -> Result<(), Error> {
    let seen = &snapshot.live.stateful_sets;
    if plan.make_secret {
        let failed = Error::of::<Secret>(&desired.jolokia_secret);
        keys::make(ctx, &snapshot.cluster).await.map_err(failed)?;
    }
    for object in &plan.objects {
        match object {
            Object::ServiceAccount(object) => drop(apply_one(ctx, object.as_ref()).await?),
            Object::Service(object) => apply_selecting(ctx, object.as_ref()).await?,
            Object::Budget(object) => apply_selecting(ctx, object.as_ref()).await?,
            Object::ConfigMap(object) => drop(apply_one(ctx, object.as_ref()).await?),
            Object::StatefulSet(object) => {
                apply_rack(ctx, object, seen.get(&object.name_any())).await?;
            }
            Object::MadeAnew(object) => {
                if let Some(seen) = seen.get(&object.name_any()) {
                    orphan(ctx, &desired.namespace, seen).await?;
                }
                apply_rack(ctx, object, None).await?;
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
pub async fn remove(
    ctx: &Context,
    snapshot: &Snapshot,
    desired: &Desired,
    plan: &Plan,
) -> Result<(), Error> {
    let namespace = &desired.namespace;
    let live = &snapshot.live;
    for removal in &plan.removals {
        match removal {
            Removal::Pods { set, uid, from, to } => {
                scale(ctx, namespace, set, (uid, *from, *to)).await?;
            }
            Removal::Rack { set, uid } => {
                if let Some(seen) = live.config_maps.get(set) {
                    delete::<ConfigMap>(ctx, namespace, set, objects::unchanged(seen)).await?;
                }
                // Not if somebody has asked it for pods meanwhile.
                let seen = live.stateful_sets.get(set);
                let seen = seen.map_or_else(|| objects::very(uid), objects::unchanged);
                delete::<StatefulSet>(ctx, namespace, set, seen).await?;
            }
            Removal::Pod { name, uid } => {
                delete::<Pod>(ctx, namespace, name, objects::very(uid)).await?;
            }
            Removal::Volume { name, uid } => {
                let claim = objects::very(uid);
                delete::<PersistentVolumeClaim>(ctx, namespace, name, claim).await?;
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
    json_patched::<StatefulSet>(ctx, namespace, set, patch).await
}

/// Takes a StatefulSet away from its pods, which keep running, and waits until it is gone. A crash in between does no
/// harm: a rack without its StatefulSet gets it back with the pods that are there.
async fn orphan(ctx: &Context, namespace: &str, seen: &StatefulSet) -> Result<(), Error> {
    let (name, uid) = (&seen.name_any(), seen.uid());
    let failed = Error::of::<StatefulSet>(name);
    let api: Api<StatefulSet> = Api::namespaced(ctx.client.clone(), namespace);
    let only = objects::unchanged(seen);
    objects::delete(&api, name, only, DeleteParams::orphan())
        .await
        .map_err(&failed)?;
    for _ in 0..ORPHAN_LOOKS {
        let live = api.get_metadata_opt(name).await.map_err(&failed)?;
        if live.is_none_or(|live| live.uid() != uid) {
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
    json_patched::<PersistentVolumeClaim>(ctx, namespace, &growth.name, patch).await?;
    tracing::info!(
        volume = growth.name,
        size = growth.size,
        namespace,
        "asked to grow"
    );
    Ok(())
}

async fn delete<K: Kind>(
    ctx: &Context,
    namespace: &str,
    name: &str,
    seen: Preconditions,
) -> Result<(), Error> {
    let api: Api<K> = Api::namespaced(ctx.client.clone(), namespace);
    objects::delete(&api, name, seen, DeleteParams::background())
        .await
        .map_err(Error::of::<K>(name))
}

/// Applies an object, and replaces its selector where it still is about other pods: what another manager wrote into
/// the selector would stay beside what we apply.
async fn apply_selecting<K: Kind + Selects>(ctx: &Context, object: &K) -> Result<(), Error> {
    let live = apply_one(ctx, object).await?;
    if !build::selects_otherwise(object, Some(&live)) {
        return Ok(());
    }
    let patch = serde_json::json!([
        { "op": "test", "path": "/metadata/uid", "value": live.uid() },
        { "op": "replace", "path": "/spec/selector", "value": object.selector() },
    ]);
    let namespace = live.namespace().unwrap_or_default();
    json_patched::<K>(ctx, &namespace, &live.name_any(), patch).await
}

/// Writes a JSON patch; its tests hold it back from another object of the name.
async fn json_patched<K: Kind>(
    ctx: &Context,
    namespace: &str,
    name: &str,
    patch: serde_json::Value,
) -> Result<(), Error> {
    let failed = Error::of::<K>(name);
    let patch: json_patch::Patch =
        serde_json::from_value(patch).map_err(|error| failed(kube::Error::SerdeError(error)))?;
    let api: Api<K> = Api::namespaced(ctx.client.clone(), namespace);
    let params = PatchParams {
        field_manager: Some(names::OPERATOR_MANAGER.into()),
        ..PatchParams::default()
    };
    let written = api.patch(name, &params, &Patch::Json::<()>(patch)).await;
    ctx.versions.met(&written.map_err(failed)?);
    Ok(())
}

/// Writes a rack over the very StatefulSet that was looked at, as it was then: somebody may have asked it for other pods
/// since. Where none was seen, none may be there.
async fn apply_rack(
    ctx: &Context,
    object: &StatefulSet,
    seen: Option<&StatefulSet>,
) -> Result<(), Error> {
    let name = object.name_any();
    let namespace = object.namespace().unwrap_or_default();
    let api: Api<StatefulSet> = Api::namespaced(ctx.client.clone(), &namespace);
    let there = refuse_foreign(&api, object, &name).await?;
    let mut object = object.clone();
    match (seen, there) {
        (Some(seen), _) => {
            object.metadata.uid = seen.uid();
            object.metadata.resource_version = seen.resource_version();
        }
        (None, Some(there)) => return Err(Error::of::<StatefulSet>(&name)(unseen(&there))),
        (None, None) => {}
    }
    apply(ctx, &api, &object).await.map(drop)
}

/// Why a StatefulSet that is there was not seen: it is new, or it cannot be found.
fn unseen(there: &PartialObjectMeta<StatefulSet>) -> kube::Error {
    let (label, value) = names::APP_LABEL;
    if there.labels().get(label).map(String::as_str) == Some(value) {
        let new = Status::failure("it was made since it was looked for", "Conflict");
        return kube::Error::Api(new.with_code(409).boxed());
    }
    let why = format!(
        "one of that name exists and is not found, for it has lost its label: set {label}={value} on it"
    );
    kube::Error::Service(why.into())
}

/// Applies an object, whatever there is of its name in the cluster.
async fn apply_one<K: Kind + Serialize>(ctx: &Context, object: &K) -> Result<K, Error> {
    let namespace = object.namespace().unwrap_or_default();
    let api: Api<K> = Api::namespaced(ctx.client.clone(), &namespace);
    refuse_foreign(&api, object, &object.name_any()).await?;
    apply(ctx, &api, object).await
}

/// Server-side apply: what others set beside us stays.
async fn apply<K: Kind + Serialize>(ctx: &Context, api: &Api<K>, object: &K) -> Result<K, Error> {
    let name = object.name_any();
    let params = PatchParams::apply(names::OPERATOR_MANAGER).force();
    let live = api
        .patch(&name, &params, &Patch::Apply(object))
        .await
        .map_err(Error::of::<K>(&name))?;
    ctx.versions.met(&live);
    tracing::info!(kind = %K::kind(&()), name, namespace = object.namespace(), "applied");
    Ok(live)
}

/// What there is of that name. An object that is not of this cluster belongs to somebody else, and is left alone.
async fn refuse_foreign<K: Kind>(
    api: &Api<K>,
    wanted: &K,
    name: &str,
) -> Result<Option<PartialObjectMeta<K>>, Error> {
    let refused = Error::of::<K>(name);
    let live = api.get_metadata_opt(name).await.map_err(&refused)?;
    let label = |labels: &std::collections::BTreeMap<String, String>| {
        labels.get(names::CLUSTER_LABEL).cloned()
    };
    let is_ours = |live: &PartialObjectMeta<K>| label(live.labels()) == label(wanted.labels());
    if live.as_ref().is_none_or(is_ours) {
        return Ok(live);
    }
    let why = format!(
        "one of that name exists and does not have the label {} of this cluster: rename the cluster, or delete that {}",
        names::CLUSTER_LABEL,
        K::kind(&())
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
        credentials: credentials.clone(),
    })
}
