//! One picture of a cluster: what Kubernetes has, and what the nodes say. Deciding sees nothing else.

mod members;
mod pod;
mod strangers;
mod troubles;
mod volume;

pub use members::agreed_schema;
pub use pod::NodePod;
pub use strangers::{Stranger, believed};
pub use volume::Volume;

use std::collections::{BTreeMap, BTreeSet};

/// State in the status of a node that gave no answer.
pub const UNKNOWN: &str = "Unknown";

use casskop_common::{
    api::{CassandraCluster, OperationStatus},
    intent::Intents,
    names::{self, RackId},
};
use jiff::Timestamp;
use k8s_openapi::api::{
    apps::v1::StatefulSet,
    core::v1::{ConfigMap, Service, ServiceAccount},
    policy::v1::PodDisruptionBudget,
};
use kube_core::ResourceExt;

use crate::node::{NodeError, Reading, Replication};

/// Everything that is known about a cluster at one moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The moment.
    pub now: Timestamp,
    /// The resource, freshly read.
    pub cluster: CassandraCluster,
    /// What its annotations ask for.
    pub intents: Intents,
    /// Our objects, by name.
    pub live: Live,
    /// The Secret with the Jolokia password.
    pub secret: SecretState,
    /// Its name.
    pub secret_name: String,
    /// The Cassandra pods, by name.
    pub pods: BTreeMap<String, NodePod>,
    /// What the nodes say, by pod name; a pod without an address, or whose Cassandra has ended, was not asked.
    pub nodes: BTreeMap<String, Result<Reading, NodeError>>,
    /// How keyspaces are replicated, by their names; read only where something depends on it.
    pub replication: BTreeMap<String, Replication>,
    /// Where members of the ring are that are none of our pods, by their addresses; read only where something depends on
    /// it.
    pub places: BTreeMap<String, RackId>,
    /// Nodes that a task of this very process is working on, as `(kind, pod)`.
    pub at_work: BTreeSet<(String, String)>,
}

/// Our objects as the API server has them, by name.
#[derive(Clone, Debug, Default)]
pub struct Live {
    /// Racks.
    pub stateful_sets: BTreeMap<String, StatefulSet>,
    /// Headless Services.
    pub services: BTreeMap<String, Service>,
    /// Configuration of the racks.
    pub config_maps: BTreeMap<String, ConfigMap>,
    /// Disruption budgets.
    pub budgets: BTreeMap<String, PodDisruptionBudget>,
    /// Service accounts.
    pub service_accounts: BTreeMap<String, ServiceAccount>,
    /// Volume claims; they stay when everything else is deleted.
    pub volumes: BTreeMap<String, Volume>,
}

/// What is known about the Jolokia Secret. Its content stays out of the Snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretState {
    /// It is there, with name and password.
    Usable,
    /// There is none of that name.
    Missing,
    /// It is there and cannot be used, for this reason.
    Broken(String),
}

impl Snapshot {
    /// Name of the cluster.
    pub fn name(&self) -> &str {
        self.cluster.metadata.name.as_deref().unwrap_or_default()
    }

    /// What a node says, if it answered.
    pub fn reading(&self, pod: &str) -> Option<&Reading> {
        self.nodes.get(pod)?.as_ref().ok()
    }

    /// Racks that exist, with their StatefulSets, by name.
    pub fn racks(&self) -> impl Iterator<Item = (RackId, &StatefulSet)> {
        self.live
            .stateful_sets
            .values()
            .filter_map(|set| Some((rack_of(set)?, set)))
    }

    /// Nodes that a rack has, or has had and may come back: by its pods, and by its volumes except those of nodes
    /// that have left while the rack stayed.
    pub fn known_nodes(&self, rack: &RackId) -> i32 {
        let set = names::stateful_set(self.name(), rack);
        let ordinal =
            |pod: &str| -> Option<i32> { pod.strip_prefix(&set)?.strip_prefix('-')?.parse().ok() };
        let status = self.cluster.status.as_ref();
        let told: BTreeSet<i32> = status
            .iter()
            .flat_map(|status| status.cassandra_node_status.keys())
            .filter_map(|pod| ordinal(pod))
            .collect();
        let claims = self
            .live
            .volumes
            .keys()
            .filter_map(|claim| claim.strip_prefix("data-"));
        let of_volumes = claims
            .filter_map(ordinal)
            .filter(|node| told.is_empty() || told.contains(node));
        let of_pods = self.pods.keys().filter_map(|pod| ordinal(pod));
        of_pods.chain(of_volumes).max().map_or(0, |last| last + 1)
    }

    /// The volume claims of a pod, by the templates of its StatefulSet.
    pub fn volumes_of(&self, pod: &str, rack: &RackId) -> Vec<(String, &Volume)> {
        let set = self
            .live
            .stateful_sets
            .get(&names::stateful_set(self.name(), rack));
        let templates = set
            .and_then(|set| set.spec.as_ref()?.volume_claim_templates.as_ref())
            .into_iter()
            .flatten();
        templates
            .filter_map(|template| {
                let name = format!("{}-{pod}", template.name_any());
                let volume = self.live.volumes.get(&name)?;
                Some((name, volume))
            })
            .collect()
    }

    /// Pods that should exist by the replicas of the StatefulSets, with their racks.
    pub fn expected_pods(&self) -> Vec<(String, RackId)> {
        let pods = self.racks().flat_map(|(rack, set)| {
            let cluster = self.name().to_owned();
            (0..replicas(set))
                .map(move |ordinal| (names::pod(&cluster, &rack, ordinal), rack.clone()))
        });
        pods.collect()
    }

    /// The newest operation of each kind.
    pub fn operations(&self) -> impl Iterator<Item = &OperationStatus> {
        let status = self.cluster.status.iter();
        status.flat_map(|status| &status.operations)
    }
}

/// Data center and rack of a StatefulSet, from its labels.
pub fn rack_of(set: &StatefulSet) -> Option<RackId> {
    let labels = set.labels();
    Some(RackId::new(
        labels.get(names::DC_LABEL)?,
        labels.get(names::RACK_LABEL)?,
    ))
}

/// Pods that a StatefulSet is asked to have.
pub fn replicas(set: &StatefulSet) -> i32 {
    set.spec
        .as_ref()
        .and_then(|spec| spec.replicas)
        .unwrap_or(1)
}
