//! Desired state of a cluster, computed from its spec: with defaults, a list of racks and merged configuration. A spec
//! that cannot be applied is refused here with a reason.

pub mod accepted;
mod checks;
mod encryption;
mod logins;
mod metrics;
mod node_api;
pub mod restart;
mod secrets;
pub mod seeds;
mod started;
pub(crate) mod taken;
pub mod tls;

use std::{
    collections::{BTreeMap, BTreeSet},
    slice,
    sync::LazyLock,
};

use casskop_common::{
    api::{CassandraCluster, CassandraClusterSpec, Dc, LoginStep, Rack},
    conditions::Reason,
    names::{self, RackId},
    quantity,
};
use k8s_openapi::{
    api::core::v1::ResourceRequirements, apimachinery::pkg::apis::meta::v1::OwnerReference,
};
use kube_core::{Resource, ResourceExt};
use serde::Serialize;
use serde_json::Value;

use crate::{
    observed::OwnedObjects,
    pod_config::{Encryption, NodeSecrets},
    refusal::Refusal,
    schedules,
};
pub use secrets::{named_secrets, node_secrets};
pub use started::Started;

/// Cassandra image, if the spec does not set it.
const DEFAULT_IMAGE: &str = "cassandra:5.0";
/// Heap size of a node without a memory limit, in bytes.
const DEFAULT_HEAP: i64 = 2 * 1024 * 1024 * 1024;

/// Desired state of a cluster.
#[derive(Clone, Debug)]
pub struct Desired {
    /// Name of the cluster.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Owner reference of the cluster's objects, which are deleted together with the resource.
    pub owner: OwnerReference,
    /// The spec as written.
    pub spec: CassandraClusterSpec,
    /// Racks in the order of the spec.
    pub racks: Vec<DesiredRack>,
    /// Image of Cassandra.
    pub image: String,
    /// Image of the bootstrap init container.
    pub bootstrap_image: String,
    /// Secrets that the nodes share.
    pub secrets: NodeSecrets,
    /// Those of them that the spec names.
    pub named: NodeSecrets,
    /// Encryption of Cassandra's connections that pods are started with now.
    pub encryption: Encryption,
    /// Requirement of clients at their connection to the nodes, as pods are started now.
    pub logins: LoginStep,
    /// How the pods were started.
    pub started: Started,
    /// Changes with each change of the password.
    pub key_revision: String,
    /// Changes with each change of the user's scripts.
    pub scripts: Option<String>,
    /// Service account of the pods.
    pub service_account: String,
    /// Fields that are accepted for compatibility but not used, and the alternative for each.
    pub warnings: Vec<String>,
    /// The refusal of the current spec, if this state is that of the last accepted spec instead. No new change starts
    /// then.
    pub instead_of: Option<Refusal>,
}

/// Inputs of a cluster other than its spec.
#[derive(Clone, Debug, Default)]
pub struct BuildInputs {
    /// Image of the operator.
    pub operator_image: String,
    /// Changes with each change of the password that the nodes share.
    pub key_revision: String,
    /// Scripts in the ConfigMap of `configMapName`.
    pub scripts: Scripts,
    /// Message: the reason why a Secret that the spec names is not used.
    pub refused_secret: Option<String>,
    /// Encryption that the pods were started with.
    pub started: Started,
    /// Whether the spec is the last accepted one. An earlier version may have accepted sidecars that this one
    /// refuses: pods run with them.
    pub is_accepted: bool,
}

/// The user's scripts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Scripts {
    /// The spec names no ConfigMap.
    #[default]
    None,
    /// Digest of the ConfigMap's content.
    Digest(String),
    /// The ConfigMap with this name does not exist.
    Missing(String),
}

/// Desired state of a rack.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DesiredRack {
    /// Data center and rack.
    #[serde(skip)]
    pub id: RackId,
    /// Number of nodes.
    pub replicas: i32,
    /// Required labels of the Kubernetes nodes.
    pub labels: BTreeMap<String, String>,
    /// Merged configuration.
    pub config: Value,
    /// Size of the data volumes.
    pub capacity: Option<String>,
    /// Storage class of the data volumes.
    pub storage_class: Option<String>,
    /// Resources of the Cassandra container.
    pub resources: Option<ResourceRequirements>,
    /// Heap size in bytes.
    pub heap: i64,
    /// Pods with a lower ordinal keep their revision.
    pub partition: i32,
}

/// Computes the desired state of a resource.
///
/// # Errors
/// If the spec cannot be applied.
pub fn desired(cluster: &CassandraCluster, around: &BuildInputs) -> Result<Desired, Refusal> {
    let spec = &cluster.spec;
    checks::refuse_unsupported(spec)?;
    if !around.is_accepted {
        taken::check(spec)?;
    }
    node_api::check(spec)?;
    if let Some(message) = &around.refused_secret {
        return Err(refused(Reason::SecretNotAllowed, message.clone()));
    }
    let scripts = match &around.scripts {
        Scripts::None => None,
        Scripts::Digest(digest) => Some(digest.clone()),
        Scripts::Missing(name) => {
            let message = format!(
                "ConfigMap {name} of configMapName does not exist: create it, or remove the field"
            );
            return Err(refused(Reason::ConfigMapMissing, message));
        }
    };
    let name = cluster.name_any();
    let mut warnings = checks::warnings(spec);
    let racks = racks(spec)?;
    metrics::check(spec, &racks)?;
    let started = &around.started;
    let secrets = node_secrets(cluster, started);
    let named = named_secrets(cluster, started);
    let encryption = encryption::decide(cluster, &racks, started, (&secrets, &named))?;
    let logins = logins::decide(&name, spec, &racks, started)?;
    Ok(Desired {
        namespace: cluster.namespace().unwrap_or_default(),
        owner: owner(cluster),
        image: spec
            .cassandra_image
            .clone()
            .unwrap_or_else(|| DEFAULT_IMAGE.into()),
        bootstrap_image: bootstrap_image(spec, &around.operator_image, &mut warnings),
        secrets,
        named,
        encryption,
        logins,
        started: started.clone(),
        service_account: spec
            .service_account_name
            .clone()
            .unwrap_or_else(|| name.clone()),
        spec: spec.clone(),
        racks,
        warnings,
        instead_of: None,
        key_revision: around.key_revision.clone(),
        scripts,
        name,
    })
}

/// A copy of the resource with the last accepted spec in place of the refused one, and the desired state of that copy.
/// None if no spec was accepted before.
pub fn instead(
    cluster: &CassandraCluster,
    around: &BuildInputs,
    live: &OwnedObjects,
    refused: &Refusal,
) -> Option<(CassandraCluster, Desired)> {
    let accepted = accepted::read(&live.config_maps, cluster)?;
    // A person who withdraws `deletePVC`, or ends a schedule, relies on it, whatever else the spec contains.
    let spec = CassandraClusterSpec {
        delete_pvc: cluster.spec.delete_pvc,
        schedules: schedules::still_wanted(&accepted.spec.schedules, &cluster.spec.schedules),
        ..accepted.spec
    };
    let mut cluster = CassandraCluster {
        spec,
        ..cluster.clone()
    };
    tls::resolve(&mut cluster, live);
    let around = BuildInputs {
        scripts: accepted.scripts.map_or(Scripts::None, Scripts::Digest),
        // It was accepted by an earlier version, or has lost its label: the nodes keep the password that they have.
        refused_secret: None,
        is_accepted: true,
        ..around.clone()
    };
    let desired = Desired {
        instead_of: Some(refused.clone()),
        ..desired(&cluster, &around).ok()?
    };
    Some((cluster, desired))
}

impl Desired {
    /// Data centers in the order of the spec, with their racks.
    pub fn dcs(&self) -> Vec<(&str, Vec<&DesiredRack>)> {
        let mut dcs: Vec<(&str, Vec<&DesiredRack>)> = Vec::new();
        for rack in &self.racks {
            match dcs.iter_mut().find(|(dc, _)| *dc == rack.id.dc) {
                Some((_, racks)) => racks.push(rack),
                None => dcs.push((&rack.id.dc, vec![rack])),
            }
        }
        dcs
    }
}

fn owner(cluster: &CassandraCluster) -> OwnerReference {
    cluster.controller_owner_ref(&()).unwrap_or_default()
}

fn racks(spec: &CassandraClusterSpec) -> Result<Vec<DesiredRack>, Refusal> {
    let mut racks = Vec::new();
    for (dc, rack) in topology(spec) {
        racks.push(desired_rack(spec, dc, rack)?);
    }
    let names: BTreeSet<&RackId> = racks.iter().map(|rack| &rack.id).collect();
    // With `spec.seeds`, the nodes of the ring may be elsewhere.
    if spec.seeds.is_empty() && racks.iter().all(|rack| rack.replicas == 0) {
        return Err(refused(
            Reason::NoNodes,
            "every data center has nodesPerRacks 0, and there are no seeds elsewhere, so the ring would have no node: give at least one of them nodes, or delete the cluster".into(),
        ));
    }
    if names.len() < racks.len() {
        return Err(refused(
            Reason::DuplicateName,
            "two data centers, or two racks of one, have the same name: rename one".into(),
        ));
    }
    Ok(racks)
}

/// The data center and the rack of a spec that names none.
static DEFAULT_DC: LazyLock<Dc> = LazyLock::new(|| Dc {
    name: names::DEFAULT_DC.into(),
    ..Dc::default()
});
static DEFAULT_RACK: LazyLock<Rack> = LazyLock::new(|| Rack {
    name: "rack1".into(),
    ..Rack::default()
});

/// Racks of the spec with their data centers; one rack of one data center where the spec names none.
fn topology(spec: &CassandraClusterSpec) -> impl Iterator<Item = (&Dc, &Rack)> {
    let dcs = match &spec.topology {
        Some(topology) if !topology.dc.is_empty() => &topology.dc[..],
        _ => slice::from_ref(&*DEFAULT_DC),
    };
    dcs.iter().flat_map(|dc| {
        let racks = if dc.rack.is_empty() {
            slice::from_ref(&*DEFAULT_RACK)
        } else {
            &dc.rack[..]
        };
        racks.iter().map(move |rack| (dc, rack))
    })
}

/// Racks that the spec requires, with their numbers of nodes, whether or not the spec is accepted.
pub fn required_racks(spec: &CassandraClusterSpec) -> impl Iterator<Item = (RackId, i32)> {
    topology(spec).map(|(dc, rack)| (RackId::new(&dc.name, &rack.name), nodes(spec, dc)))
}

/// Nodes of each rack of a data center.
fn nodes(spec: &CassandraClusterSpec, dc: &Dc) -> i32 {
    dc.nodes_per_racks.or(spec.nodes_per_racks).unwrap_or(1)
}

fn desired_rack(spec: &CassandraClusterSpec, dc: &Dc, rack: &Rack) -> Result<DesiredRack, Refusal> {
    let resources = dc
        .resources
        .clone()
        .or_else(|| spec.resources.clone())
        .map(limits_from_requests);
    let mut config = spec
        .config
        .clone()
        .unwrap_or_else(|| Value::Object(serde_json::Map::new()));
    for level in [&dc.config, &rack.config].into_iter().flatten() {
        json_patch::merge(&mut config, level);
    }
    let id = RackId::new(&dc.name, &rack.name);
    checks::check_config(&id, &config)?;
    let mut labels = dc.labels.clone();
    labels.extend(rack.labels.clone());
    Ok(DesiredRack {
        replicas: nodes(spec, dc),
        labels,
        config,
        capacity: dc
            .data_capacity
            .clone()
            .or_else(|| spec.data_capacity.clone())
            .filter(|size| !size.is_empty()),
        storage_class: dc
            .data_storage_class
            .clone()
            .or_else(|| spec.data_storage_class.clone())
            .filter(|class| !class.is_empty()),
        heap: heap(resources.as_ref()),
        resources,
        partition: rack.rolling_partition.unwrap_or(0),
        id,
    })
}

/// Limits default to the requests, as in the Go CassKop.
fn limits_from_requests(mut resources: ResourceRequirements) -> ResourceRequirements {
    if resources.limits.is_none() {
        resources.limits.clone_from(&resources.requests);
    }
    resources
}

/// A quarter of the memory limit, in bytes.
fn heap(resources: Option<&ResourceRequirements>) -> i64 {
    let limit = resources.and_then(|resources| resources.limits.as_ref()?.get("memory").cloned());
    let bytes = limit
        .and_then(|limit| quantity::parse(&limit.0))
        .unwrap_or_default();
    if bytes > 0 { bytes / 4 } else { DEFAULT_HEAP }
}

fn bootstrap_image(
    spec: &CassandraClusterSpec,
    operator_image: &str,
    warnings: &mut Vec<String>,
) -> String {
    let named = named_bootstrap_image(spec);
    if let (None, Some(image)) = (named, &spec.bootstrap_image) {
        warnings.push(format!("bootstrapImage {image} is of the Go CassKop and not used: the operator's own image is; remove the field"));
    }
    crate::desired::operator_image(spec, operator_image).to_owned()
}

/// The image of the operator, for pods of this cluster: the one that the spec names, or that of the operator itself.
pub fn operator_image<'a>(spec: &'a CassandraClusterSpec, own: &'a str) -> &'a str {
    named_bootstrap_image(spec).unwrap_or(own)
}

/// The image of the init container that the spec names, unless it is one of the Go `CassKop`, which is not used.
fn named_bootstrap_image(spec: &CassandraClusterSpec) -> Option<&str> {
    let image = spec.bootstrap_image.as_deref()?;
    let mut of_go = ["casskop-bootstrap", "cassandra-bootstrap"].iter();
    (!of_go.any(|name| image.contains(name))).then_some(image)
}

fn refused(reason: Reason, message: String) -> Refusal {
    Refusal { reason, message }
}
