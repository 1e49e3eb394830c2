//! Desired state of a cluster, computed from its spec: with defaults, a list of racks and merged configuration. A spec
//! that cannot be applied is refused here with a reason.

pub mod accepted;
mod checks;
mod node_api;
pub mod restart;
pub mod seeds;
pub mod tls;

use std::{
    collections::{BTreeMap, BTreeSet},
    slice,
    sync::LazyLock,
};

use casskop_common::{
    api::{CassandraCluster, CassandraClusterSpec, Dc, Rack},
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
    observed::{OwnedObjects, SecretState},
    pod_config::NodeSecrets,
    refusal::Refusal,
};

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
    Ok(Desired {
        namespace: cluster.namespace().unwrap_or_default(),
        owner: owner(cluster),
        image: spec
            .cassandra_image
            .clone()
            .unwrap_or_else(|| DEFAULT_IMAGE.into()),
        bootstrap_image: bootstrap_image(spec, &around.operator_image, &mut warnings),
        secrets: node_secrets(cluster),
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
    // A person who withdraws `deletePVC` relies on it, whatever else the spec contains.
    let spec = CassandraClusterSpec {
        delete_pvc: cluster.spec.delete_pvc,
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

    /// Whether a Secret is missing that the operator makes, because the spec names none.
    pub fn makes_secret(&self, secrets: &BTreeMap<String, SecretState>) -> bool {
        let mut names = self.secrets.names();
        names.any(|name| is_missing(name, secrets) && !self.is_named(name))
    }

    /// The reason why pods of this state could not start: a Secret that they share is missing, or cannot be used. None for
    /// a Secret that the operator makes.
    pub fn secret_problem(&self, secrets: &BTreeMap<String, SecretState>) -> Option<String> {
        self.secrets
            .names()
            .find_map(|name| match secrets.get(name) {
                Some(SecretState::Usable | SecretState::Outdated) => None,
                Some(SecretState::Broken(why)) => Some(why.clone()),
                Some(SecretState::Missing) | None => self
                    .is_named(name)
                    .then(|| node_api::missing_secret(self, name)),
            })
    }

    fn is_named(&self, secret: &str) -> bool {
        let named = named_secrets(&self.spec);
        named.names().any(|name| name == secret)
    }
}

fn is_missing(name: &str, secrets: &BTreeMap<String, SecretState>) -> bool {
    matches!(secrets.get(name), Some(SecretState::Missing) | None)
}

/// Names of the Secrets that the nodes share: with the password, and with the certificates.
pub fn node_secrets(cluster: &CassandraCluster) -> NodeSecrets {
    let named = named_secrets(&cluster.spec);
    let transport = cluster.spec.transport();
    let name = cluster.name_any();
    let password = named
        .password
        .unwrap_or_else(|| names::jolokia_secret(&name));
    let certificates = named
        .certificates
        .unwrap_or_else(|| names::node_tls_secret(&name));
    NodeSecrets {
        password: transport.has_password().then_some(password),
        certificates: transport.has_tls().then_some(certificates),
    }
}

/// The Secrets that the spec names for the nodes. The operator makes the others.
pub fn named_secrets(spec: &CassandraClusterSpec) -> NodeSecrets {
    let transport = spec.transport();
    let password = spec.image_jolokia_secret.as_ref();
    let password = password.map(|secret| secret.name.clone());
    let certificates = spec.node_api.as_ref();
    let certificates = certificates.and_then(|api| api.tls_secret_name.clone());
    let named = |uses: bool, name: Option<String>| name.filter(|name| uses && !name.is_empty());
    NodeSecrets {
        password: named(transport.has_password(), password),
        certificates: named(transport.has_tls(), certificates),
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
    named.unwrap_or(operator_image).to_owned()
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
