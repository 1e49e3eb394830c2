//! The Kubernetes objects of a cluster, each in its own file. Pure: from what is wanted to what is applied.

pub mod accepted_spec;
pub mod budget;
pub mod config_map;
pub mod pod;
pub mod service;
pub mod service_account;
pub mod stateful_set;

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

/// A volume that is asked to grow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Growth {
    /// Name of the claim.
    pub name: String,
    /// Its UID.
    pub uid: String,
    /// Size it is to have, as the spec writes it.
    pub size: String,
}

/// An object to apply.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub enum Object {
    /// Identity of the pods, without rights.
    ServiceAccount(Box<ServiceAccount>),
    /// Names of the pods.
    Service(Box<Service>),
    /// Limit of voluntary disruptions.
    Budget(Box<PodDisruptionBudget>),
    /// Configuration of a rack, the mark of the ring, or the spec that is accepted.
    ConfigMap(Box<ConfigMap>),
    /// A rack.
    StatefulSet(Box<StatefulSet>),
    /// A rack whose StatefulSet is first taken away from its running pods.
    MadeAnew(Box<StatefulSet>),
    /// A larger volume.
    Growth(Growth),
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

/// Metadata of an object that a cluster has one of, under its own name.
fn cluster_metadata(desired: &Desired) -> ObjectMeta {
    metadata(
        desired,
        desired.name.clone(),
        names::cluster_labels(&desired.name),
    )
}

/// Whether the live object has everything that the wanted one says. What the API server added is passed over.
pub fn is_applied<K: Serialize>(wanted: &K, live: Option<&K>) -> bool {
    let (Ok(wanted), Some(Ok(live))) =
        (serde_json::to_value(wanted), live.map(serde_json::to_value))
    else {
        return false;
    };
    contains(&live, &wanted)
}

/// An object that is about the pods that it selects.
pub trait Selects: Serialize {
    /// How it selects them.
    type Selector: PartialEq + Serialize;

    /// What it selects.
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

/// Whether the live object is about other pods than wanted: the Go `CassKop` selects by all labels of the resource.
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
