//! The Kubernetes objects of a cluster, one file per object. Pure functions from the desired state to the objects to
//! apply.

pub mod accepted_spec;
pub mod backup_job;
pub mod budget;
pub mod client_ca;
pub mod config_map;
pub mod data_job;
pub mod metrics_service;
pub mod pod;
pub mod restore_job;
pub mod service;
pub mod service_account;
pub mod stateful_set;
pub mod volume_owner;

use std::collections::BTreeMap;

use casskop_common::names;
use k8s_openapi::{
    api::{
        apps::v1::StatefulSet,
        core::v1::{ConfigMap, Service, ServiceAccount},
        policy::v1::PodDisruptionBudget,
    },
    apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta},
};
use serde::Serialize;
use serde_json::Value;

use crate::desired::Desired;

pub use client_ca::ClientCa;
pub use metrics_service::MetricsService;
pub use volume_owner::VolumeOwner;

/// The change of an object that nothing of the ring depends on.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub enum Published<K> {
    /// It is applied.
    Apply(Box<K>),
    /// It is deleted: the cluster has no use for it any more.
    Remove {
        /// Its name.
        name: String,
        /// Its UID.
        uid: String,
    },
}

/// A volume to expand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VolumeExpansion {
    /// Name of the claim.
    pub name: String,
    /// Its UID.
    pub uid: String,
    /// Its observed version.
    pub version: String,
    /// The desired size, as written in the spec.
    pub size: String,
}

/// A write that changes nothing but the version of a StatefulSet: what was decided from the version before is rejected by
/// the API server from then on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fence {
    /// Name of the StatefulSet.
    pub set: String,
    /// Its UID.
    pub uid: String,
    /// Its observed version.
    pub version: String,
    /// The version that `status.lastRackWrite` records, which the annotation marks as no longer writable.
    pub recorded: String,
}

/// An object to apply.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub enum Object {
    /// Identity of the pods, without rights.
    ServiceAccount(Box<ServiceAccount>),
    /// DNS names of the pods.
    Service(Box<Service>),
    /// Limit of voluntary disruptions.
    Budget(Box<PodDisruptionBudget>),
    /// Configuration of a rack, the mark of the ring, or the accepted spec.
    ConfigMap(Box<ConfigMap>),
    /// A rack.
    StatefulSet(Box<StatefulSet>),
    /// A rack whose StatefulSet is first deleted without its running pods.
    Recreated(Box<StatefulSet>),
    /// An expanded volume.
    VolumeExpansion(VolumeExpansion),
    /// A StatefulSet that gets a new version and nothing else.
    Fence(Fence),
    /// The owners of a volume.
    VolumeOwner(VolumeOwner),
}

/// Metadata of an object of the cluster.
fn metadata(desired: &Desired, name: String, labels: BTreeMap<String, String>) -> ObjectMeta {
    ObjectMeta {
        name: Some(name),
        namespace: Some(desired.namespace.clone()),
        labels: Some(labels),
        owner_references: Some(vec![desired.owner.clone()]),
        ..ObjectMeta::default()
    }
}

/// Metadata of an object that a cluster has only one of, with the name of the cluster.
fn cluster_metadata(desired: &Desired) -> ObjectMeta {
    metadata(
        desired,
        desired.name.clone(),
        names::cluster_labels(&desired.name),
    )
}

/// Whether the live object has every field of the desired object. Fields that only the live object has are ignored,
/// because the API server adds defaults.
pub fn is_applied<K: Serialize>(wanted: &K, live: Option<&K>) -> bool {
    let (Ok(wanted), Some(Ok(live))) =
        (serde_json::to_value(wanted), live.map(serde_json::to_value))
    else {
        return false;
    };
    contains(&live, &wanted)
}

/// An object with a pod selector.
pub trait Selects: Serialize {
    /// Type of the selector.
    type Selector: PartialEq + Serialize;

    /// The selector.
    fn selector(&self) -> Option<&Self::Selector>;
}

impl Selects for Service {
    type Selector = BTreeMap<String, String>;

    fn selector(&self) -> Option<&Self::Selector> {
        self.spec.as_ref()?.selector.as_ref()
    }
}

impl Selects for PodDisruptionBudget {
    type Selector = LabelSelector;

    fn selector(&self) -> Option<&Self::Selector> {
        self.spec.as_ref()?.selector.as_ref()
    }
}

/// Whether the live object selects other pods than the desired one: the Go `CassKop` selects by all labels of the
/// resource.
pub fn selects_otherwise<K: Selects>(wanted: &K, live: Option<&K>) -> bool {
    live.is_some_and(|live| live.selector() != wanted.selector())
}

fn contains(live: &Value, wanted: &Value) -> bool {
    match (live, wanted) {
        (Value::Object(live), Value::Object(wanted)) => wanted
            .iter()
            .all(|(key, value)| live.get(key).is_some_and(|live| contains(live, value))),
        (Value::Array(live), Value::Array(wanted)) => {
            live.len() == wanted.len()
                && live
                    .iter()
                    .zip(wanted)
                    .all(|(live, wanted)| contains(live, wanted))
        }
        _ => live == wanted,
    }
}
