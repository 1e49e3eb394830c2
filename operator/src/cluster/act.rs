//! Acting: applies the objects of a plan, and begins with the nodes that it names. Decides nothing.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use casskop_common::names;
use k8s_openapi::{
    ByteString, api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::{
    Api, Resource, ResourceExt,
    api::{Patch, PatchParams, PostParams},
};
use ring::rand::{SecureRandom, SystemRandom};
use serde::{Serialize, de::DeserializeOwned};

use super::{
    build::Object,
    decide::{Plan, operations::Start},
    desired::Desired,
    journal::ClusterRef,
    observe::Observed,
    runs::Run,
};
use crate::context::Context;

/// Bytes of a generated password.
const PASSWORD_BYTES: usize = 24;
/// Name of the generated user.
const USERNAME: &str = "casskop";

/// Why an object was not applied.
#[derive(thiserror::Error, Debug)]
#[error("apply {kind} {name}: {source}")]
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
pub async fn apply(ctx: &Context, desired: &Desired, plan: &Plan) -> Result<(), Error> {
    if plan.make_secret {
        make_secret(ctx, desired).await?;
    }
    for object in &plan.objects {
        match object {
            Object::ServiceAccount(object) => {
                apply_one(ctx, "ServiceAccount", object.as_ref()).await?;
            }
            Object::Service(object) => apply_one(ctx, "Service", object.as_ref()).await?,
            Object::Budget(object) => {
                apply_one(ctx, "PodDisruptionBudget", object.as_ref()).await?;
            }
            Object::ConfigMap(object) => apply_one(ctx, "ConfigMap", object.as_ref()).await?,
            Object::StatefulSet(object) => apply_one(ctx, "StatefulSet", object.as_ref()).await?,
        }
    }
    Ok(())
}

/// Server-side apply: what others set beside us stays.
async fn apply_one<K>(ctx: &Context, kind: &'static str, object: &K) -> Result<(), Error>
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
        Ok(_) => {
            tracing::info!(kind, name, namespace, "applied");
            Ok(())
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

/// Makes the Secret once; an existing one is never changed.
async fn make_secret(ctx: &Context, desired: &Desired) -> Result<(), Error> {
    let name = desired.jolokia_secret.clone();
    let mut bytes = [0; PASSWORD_BYTES];
    let refused = |source| Error {
        kind: "Secret",
        name: name.clone(),
        source,
    };
    SystemRandom::new().fill(&mut bytes).map_err(|_| {
        refused(kube::Error::Service(
            "the system gives no random bytes".into(),
        ))
    })?;
    let password = URL_SAFE_NO_PAD.encode(bytes);
    let secret = Secret {
        metadata: ObjectMeta {
            name: Some(name.clone()),
            namespace: Some(desired.namespace.clone()),
            labels: Some(names::cluster_labels(&desired.name)),
            owner_references: Some(vec![desired.owner.clone()]),
            ..ObjectMeta::default()
        },
        data: Some(
            [
                ("username", USERNAME.as_bytes().to_vec()),
                ("password", password.into_bytes()),
            ]
            .map(|(key, value)| (key.to_owned(), ByteString(value)))
            .into(),
        ),
        ..Secret::default()
    };
    let api: Api<Secret> = Api::namespaced(ctx.client.clone(), &desired.namespace);
    match api
        .create(
            &PostParams {
                field_manager: Some(names::OPERATOR_MANAGER.into()),
                ..PostParams::default()
            },
            &secret,
        )
        .await
    {
        Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(()),
        Err(source) => Err(refused(source)),
        Ok(_) => Ok(()),
    }
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
    cluster: &casskop_common::api::CassandraCluster,
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
        credentials: credentials.clone(),
    })
}
