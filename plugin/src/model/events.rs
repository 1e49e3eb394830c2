//! Events of a cluster and of its objects. Pure.

use casskop_common::{api::CassandraCluster, names};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, Time};
use kube::ResourceExt;
use serde::{Deserialize, Serialize};

use super::topology;

/// An event, as far as it is shown; the names are those of `events.k8s.io/v1`.
#[derive(Serialize, Deserialize, Clone, Debug, Default)]
#[serde(rename_all = "camelCase", default)]
pub struct Event {
    /// First observation.
    #[serde(rename = "eventTime", skip_serializing_if = "Option::is_none")]
    first_observed: Option<MicroTime>,
    /// Number of observations, and the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    series: Option<Series>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deprecated_count: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deprecated_last_timestamp: Option<Time>,
    /// `Normal` or `Warning`.
    #[serde(rename = "type")]
    pub type_: String,
    /// A word for programs.
    pub reason: String,
    /// A sentence for people.
    pub note: String,
    /// The object of the event.
    pub regarding: Regarding,
}

/// The object of an event.
#[derive(Serialize, Deserialize, Clone, Debug, Default)]
#[serde(rename_all = "camelCase", default)]
pub struct Regarding {
    /// Kind of the object.
    pub kind: String,
    /// Its name.
    pub name: String,
}

#[derive(Serialize, Deserialize, Clone, Debug, Default)]
#[serde(rename_all = "camelCase", default)]
struct Series {
    count: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_observed_time: Option<MicroTime>,
}

impl Event {
    /// Last observation.
    pub fn last_observed(&self) -> Option<Timestamp> {
        let series = self.series.as_ref();
        let series = series.and_then(|series| series.last_observed_time.as_ref());
        let old = self.deprecated_last_timestamp.as_ref().map(|time| time.0);
        let first = self.first_observed.as_ref().map(|time| time.0);
        series.map(|time| time.0).or(old).or(first)
    }

    /// Number of observations.
    pub fn count(&self) -> i32 {
        let series = self.series.as_ref().map(|series| series.count);
        series.or(self.deprecated_count).unwrap_or(1).max(1)
    }
}

/// The objects of a cluster by their names: an event has no labels of its object.
pub struct Objects {
    cluster: String,
    sets: Vec<String>,
}

impl Objects {
    /// The objects of `cluster`.
    pub fn of(cluster: &CassandraCluster) -> Self {
        let name = cluster.name_any();
        let racks = topology::nodes(cluster).into_keys();
        Self {
            sets: racks
                .map(|rack| names::stateful_set(&name, &rack))
                .collect(),
            cluster: name,
        }
    }

    /// Whether an event is about one of these objects.
    pub fn have(&self, regarding: &Regarding) -> bool {
        let Regarding { kind, name } = regarding;
        let own = [
            self.cluster.clone(),
            names::jolokia_secret(&self.cluster),
            names::accepted_secret(&self.cluster),
            names::node_tls_secret(&self.cluster),
            names::node_authority_secret(&self.cluster),
            names::internode_tls_secret(&self.cluster),
            names::internode_authority_secret(&self.cluster),
            names::client_tls_secret(&self.cluster),
            names::client_authority_secret(&self.cluster),
            names::superuser_secret(&self.cluster),
            names::accepted_superuser_secret(&self.cluster),
            names::ring_mark(&self.cluster),
        ];
        let is_pod = |name: &str| {
            let set = name.rsplit_once('-').map(|(set, _)| set);
            names::ordinal(name).is_some()
                && set.is_some_and(|set| self.sets.iter().any(|own| own == set))
        };
        match kind.as_str() {
            "Pod" => is_pod(name),
            // The name of a claim is the name of the volume and the name of the pod.
            "PersistentVolumeClaim" => name
                .match_indices('-')
                .any(|(at, _)| is_pod(&name[at + 1..])),
            _ => own.contains(name) || self.sets.contains(name),
        }
    }
}
