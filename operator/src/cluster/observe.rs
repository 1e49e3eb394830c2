//! Observing: one fresh picture of a cluster. Fresh reads instead of caches: nothing is kept in memory between two
//! looks, and no decision is made on what is no longer true.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use casskop_common::{api::CassandraCluster, intent::Intents, names};
use futures::{StreamExt, stream};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod, Secret};
use kube::{Api, Resource, ResourceExt, api::ListParams};
use serde::de::DeserializeOwned;

use super::{
    desired::Desired,
    snapshot::{Live, NodePod, SecretState, Snapshot},
};
use crate::{
    context::Context,
    nodes::{Credentials, Endpoint, NodeError, Reading},
};

/// Nodes of one cluster that are asked at the same time, so that a sick cluster leaves room for others.
const AT_ONCE: usize = 12;

/// A picture, and what it takes to call the nodes in it. The password stays beside the picture.
pub struct Observed {
    /// The picture.
    pub snapshot: Snapshot,
    /// How to be let in; nothing while there is no Secret.
    pub credentials: Option<Arc<Credentials>>,
}

/// Looks at a cluster.
///
/// # Errors
/// When the API server does not answer. A node that does not answer is part of the picture.
pub async fn observe(
    ctx: &Context,
    cluster: CassandraCluster,
    at_work: BTreeSet<(String, String)>,
    secret_name: &str,
) -> Result<Observed, kube::Error> {
    let namespace = cluster.namespace().unwrap_or_default();
    let selector = names::cluster_selector(&cluster.name_any());
    let (stateful_sets, services, config_maps, budgets, service_accounts, volumes, pods, secret) =
        tokio::try_join!(
            list(ctx, &namespace, &selector),
            list(ctx, &namespace, &selector),
            list(ctx, &namespace, &selector),
            list(ctx, &namespace, &selector),
            list(ctx, &namespace, &selector),
            list::<PersistentVolumeClaim>(ctx, &namespace, &selector),
            list::<Pod>(ctx, &namespace, &selector),
            read_secret(ctx, &namespace, secret_name),
        )?;
    let (secret, credentials) = secret;
    let pods: BTreeMap<String, NodePod> = pods
        .iter()
        .map(|(name, pod)| (name.clone(), NodePod::of(pod)))
        .collect();
    let nodes = read_nodes(ctx, &pods, credentials.as_ref()).await;
    let intents = Intents::parse(cluster.annotations());
    let snapshot = Snapshot {
        now: Timestamp::now(),
        at_work,
        live: Live {
            stateful_sets,
            services,
            config_maps,
            budgets,
            service_accounts,
            volumes: volumes.into_keys().collect(),
        },
        cluster,
        intents,
        secret,
        secret_name: secret_name.to_owned(),
        pods,
        nodes,
    };
    Ok(Observed {
        snapshot,
        credentials,
    })
}

/// Name of the Secret that holds the password: that of the spec, also while the rest of the spec is refused.
pub fn secret_name(cluster: &CassandraCluster, desired: Option<&Desired>) -> String {
    let named = cluster
        .spec
        .image_jolokia_secret
        .as_ref()
        .map(|secret| secret.name.clone());
    match desired {
        Some(desired) => desired.jolokia_secret.clone(),
        None => named
            .filter(|name| !name.is_empty())
            .unwrap_or_else(|| names::jolokia_secret(&cluster.name_any())),
    }
}

/// All objects of a kind that belong to the cluster, by name.
async fn list<K>(
    ctx: &Context,
    namespace: &str,
    selector: &str,
) -> Result<BTreeMap<String, K>, kube::Error>
where
    K: Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>
        + Clone
        + DeserializeOwned
        + std::fmt::Debug,
{
    let api: Api<K> = Api::namespaced(ctx.client.clone(), namespace);
    let list = api.list(&ListParams::default().labels(selector)).await?;
    Ok(list
        .items
        .into_iter()
        .map(|object| (object.name_any(), object))
        .collect())
}

async fn read_secret(
    ctx: &Context,
    namespace: &str,
    name: &str,
) -> Result<(SecretState, Option<Arc<Credentials>>), kube::Error> {
    let api: Api<Secret> = Api::namespaced(ctx.client.clone(), namespace);
    let Some(secret) = api.get_opt(name).await? else {
        return Ok((SecretState::Missing, None));
    };
    let field = |key: &str| {
        let bytes = secret.data.as_ref()?.get(key)?;
        let text = std::str::from_utf8(&bytes.0).ok()?.trim_end_matches('\n');
        (!text.is_empty()).then(|| text.to_owned())
    };
    Ok(
        if let (Some(username), Some(password)) = (field("username"), field("password")) {
            (
                SecretState::Usable,
                Some(Arc::new(Credentials { username, password })),
            )
        } else {
            let why = format!(
                "Secret {name} has no username and password: add both keys, one line of text each"
            );
            (SecretState::Broken(why), None)
        },
    )
}

/// Asks all nodes at once; each has its own deadline.
async fn read_nodes(
    ctx: &Context,
    pods: &BTreeMap<String, NodePod>,
    credentials: Option<&Arc<Credentials>>,
) -> BTreeMap<String, Result<Reading, NodeError>> {
    let Some(credentials) = credentials else {
        return BTreeMap::new();
    };
    let asked: Vec<(String, Endpoint)> = pods
        .iter()
        .filter_map(|(name, pod)| {
            let ip = pod.ip.clone().filter(|_| pod.rack.is_some())?;
            let credentials = credentials.clone();
            Some((
                name.clone(),
                Endpoint {
                    ip,
                    port: names::JOLOKIA_PORT,
                    credentials,
                },
            ))
        })
        .collect();
    let mut readings: BTreeMap<_, _> = stream::iter(asked)
        .map(|(name, endpoint)| async move { (name, ctx.nodes.read(endpoint).await) })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    // A container that has not started yet refuses connections; that is no fault.
    readings.retain(|name, reading| {
        let starting = pods
            .get(name)
            .is_some_and(|pod| !pod.ready && pod.problem.is_none());
        !(starting
            && matches!(
                reading,
                Err(NodeError::Unreachable(_) | NodeError::Timeout(_))
            ))
    });
    readings
}
