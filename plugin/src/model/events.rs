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
    /// When it was seen first.
    #[serde(rename = "eventTime", skip_serializing_if = "Option::is_none")]
    first_seen: Option<MicroTime>,
    /// How often, and when last.
    #[serde(skip_serializing_if = "Option::is_none")]
    series: Option<Series>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deprecated_count: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deprecated_last_timestamp: Option<Time>,
    /// `Normal` or `Warning`.
    #[serde(rename = "type")]
    pub type_: String,
    /// One word for machines.
    pub reason: String,
    /// A sentence for people.
    pub note: String,
    /// What it is about.
    pub regarding: Regarding,
}

/// What an event is about.
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
    /// When it was seen last.
    pub fn last_seen(&self) -> Option<Timestamp> {
        let series = self.series.as_ref();
        let series = series.and_then(|series| series.last_observed_time.as_ref());
        let old = self.deprecated_last_timestamp.as_ref().map(|time| time.0);
        let first = self.first_seen.as_ref().map(|time| time.0);
        series.map(|time| time.0).or(old).or(first)
    }

    /// How often it was seen.
    pub fn count(&self) -> i32 {
        let series = self.series.as_ref().map(|series| series.count);
        series.or(self.deprecated_count).unwrap_or(1).max(1)
    }
}

/// Which objects are of a cluster, by their names: an event says no more about them.
pub struct Objects {
    cluster: String,
    sets: Vec<String>,
}

impl Objects {
    /// Those of `cluster`.
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

    /// Whether an event is about one of them.
    pub fn have(&self, regarding: &Regarding) -> bool {
        let Regarding { kind, name } = regarding;
        let own = [
            self.cluster.clone(),
            names::jolokia_secret(&self.cluster),
            names::accepted_secret(&self.cluster),
            names::ring_mark(&self.cluster),
        ];
        let is_pod = |name: &str| {
            let set = name.rsplit_once('-').map(|(set, _)| set);
            names::ordinal(name).is_some()
                && set.is_some_and(|set| self.sets.iter().any(|own| own == set))
        };
        match kind.as_str() {
            "Pod" => is_pod(name),
            // Its name is that of its volume, then that of its pod.
            "PersistentVolumeClaim" => name
                .match_indices('-')
                .any(|(at, _)| is_pod(&name[at + 1..])),
            _ => own.contains(name) || self.sets.contains(name),
        }
    }
}
