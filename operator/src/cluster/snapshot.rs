//! One consistent picture of a cluster: what Kubernetes has, and what the nodes say. Deciding sees nothing else.

use std::collections::{BTreeMap, BTreeSet};

use casskop_common::{
    api::{CassandraCluster, OperationNode, OperationPhase, OperationStatus, VolumeRef},
    intent::Intents,
    names::{self, RackId},
    operations::DECOMMISSION,
};
use jiff::Timestamp;
use k8s_openapi::api::{
    apps::v1::StatefulSet,
    core::v1::{ConfigMap, PersistentVolumeClaim, Pod, Service, ServiceAccount},
    policy::v1::PodDisruptionBudget,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::ResourceExt;

use crate::nodes::{NodeError, Reading, Replication};

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
    /// What the nodes say, by pod name; a pod without an address was not asked.
    pub nodes: BTreeMap<String, Result<Reading, NodeError>>,
    /// How keyspaces are replicated, by their names; read only where something depends on it.
    pub replication: BTreeMap<String, Replication>,
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

/// What matters of a volume claim.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Volume {
    /// Its UID.
    pub uid: String,
    /// Size that is asked for.
    pub requested: String,
    /// Size that it has, once it is bound.
    pub capacity: Option<String>,
    /// Its storage class.
    pub class: Option<String>,
    /// Whether it is being deleted.
    pub deleting: bool,
}

impl Volume {
    /// The parts of a claim that matter.
    pub fn of(claim: &PersistentVolumeClaim) -> Self {
        let spec = claim.spec.clone().unwrap_or_default();
        let requests = spec.resources.and_then(|resources| resources.requests);
        let capacity = claim
            .status
            .as_ref()
            .and_then(|status| status.capacity.clone());
        let storage =
            |sizes: BTreeMap<String, Quantity>| sizes.get("storage").map(|size| size.0.clone());
        Self {
            uid: claim.uid().unwrap_or_default(),
            requested: requests.and_then(storage).unwrap_or_default(),
            capacity: capacity.and_then(storage),
            class: spec.storage_class_name,
            deleting: claim.metadata.deletion_timestamp.is_some(),
        }
    }
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

/// What matters of a Cassandra pod.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NodePod {
    /// Its UID.
    pub uid: String,
    /// Data center and rack, from its labels.
    pub rack: Option<RackId>,
    /// Its address, once it has one.
    pub ip: Option<String>,
    /// Whether it is Ready.
    pub ready: bool,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// Why it does not run, in the words of Kubernetes.
    pub problem: Option<String>,
    /// How often Cassandra was started again in it.
    pub restarts: i32,
    /// Revision of the StatefulSet it was made from.
    pub revision: String,
}

impl NodePod {
    /// The parts of a pod that matter.
    pub fn of(pod: &Pod) -> Self {
        let label = |key: &str| pod.labels().get(key).cloned();
        let status = pod.status.as_ref();
        let conditions = status
            .and_then(|status| status.conditions.as_deref())
            .unwrap_or_default();
        Self {
            uid: pod.uid().unwrap_or_default(),
            rack: label(names::DC_LABEL)
                .zip(label(names::RACK_LABEL))
                .map(|(dc, rack)| RackId { dc, rack }),
            ip: status
                .and_then(|status| status.pod_ip.clone())
                .filter(|ip| !ip.is_empty()),
            ready: conditions
                .iter()
                .any(|condition| condition.type_ == "Ready" && condition.status == "True"),
            deleting: pod.metadata.deletion_timestamp.is_some(),
            restarts: restarts(pod),
            problem: problem(pod),
            revision: label("controller-revision-hash").unwrap_or_default(),
        }
    }
}

fn restarts(pod: &Pod) -> i32 {
    let statuses = pod
        .status
        .as_ref()
        .and_then(|status| status.container_statuses.as_ref());
    let mut cassandra = statuses.into_iter().flatten();
    cassandra
        .find(|container| container.name == names::CASSANDRA_CONTAINER)
        .map_or(0, |container| container.restart_count)
}

/// Characters of a container's last words that are told.
const SAID: usize = 500;

/// Why a pod does not run: it cannot be placed, or a container cannot start.
fn problem(pod: &Pod) -> Option<String> {
    let status = pod.status.as_ref()?;
    let unplaced = status
        .conditions
        .iter()
        .flatten()
        .find(|condition| condition.type_ == "PodScheduled" && condition.status == "False");
    if let Some(condition) = unplaced {
        return Some(format!(
            "cannot be placed: {}",
            condition.message.as_deref().unwrap_or("no reason given")
        ));
    }
    let containers = status
        .init_container_statuses
        .iter()
        .chain(&status.container_statuses)
        .flatten();
    for container in containers {
        let state = container.state.as_ref();
        let waiting = state.and_then(|state| state.waiting.as_ref());
        let terminated = container
            .last_state
            .as_ref()
            .and_then(|state| state.terminated.as_ref());
        let reason = waiting
            .and_then(|waiting| waiting.reason.as_deref())
            .unwrap_or_default();
        if matches!(reason, "" | "PodInitializing" | "ContainerCreating") {
            continue;
        }
        let message = waiting
            .and_then(|waiting| waiting.message.as_deref())
            .unwrap_or_default();
        let last = terminated.map(|end| {
            let said = end.message.as_deref().unwrap_or_default().trim();
            let said: String = said.chars().take(SAID).collect();
            let said = if said.is_empty() {
                said
            } else {
                format!(": {said}")
            };
            format!("; it ended with exit code {} before{said}", end.exit_code)
        });
        return Some(format!(
            "container {}: {reason}: {message}{}",
            container.name,
            last.unwrap_or_default()
        ));
    }
    None
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

    /// Host id of a pod's node: what it says itself, or what it last said as a member.
    pub fn host_id(&self, pod: &str) -> Option<&str> {
        let own = self
            .reading(pod)
            .map(|reading| reading.local_host_id.as_str());
        let status = self.cluster.status.as_ref();
        let told = status.and_then(|status| status.cassandra_node_status.get(pod));
        own.filter(|id| !id.is_empty() && !self.is_newcomer(pod))
            .or_else(|| told.map(|told| told.host_id.as_str()))
            .filter(|id| !id.is_empty())
    }

    /// Pods whose nodes are members and answer.
    pub fn members(&self) -> impl Iterator<Item = (&str, &Reading)> {
        self.nodes
            .iter()
            .filter_map(|(pod, reading)| Some((pod.as_str(), reading.as_ref().ok()?)))
            .filter(|(_, reading)| reading.mode == "NORMAL")
    }

    /// Whether every member that answers, and at least one does, has forgotten a host id.
    pub fn is_forgotten(&self, host_id: &str) -> bool {
        let mut members = self.members().peekable();
        members.peek().is_some()
            && members.all(|(_, reading)| !reading.host_ids.values().any(|id| id == host_id))
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

    /// Why a node is not what it should be: NORMAL, serving clients, and with every other pod up in its view.
    pub fn trouble(&self, pod: &str) -> Option<String> {
        self.own_trouble(pod).or_else(|| self.missed_by(pod))
    }

    /// The newest operation of each kind.
    pub fn operations(&self) -> impl Iterator<Item = &OperationStatus> {
        let status = self.cluster.status.iter();
        status.flat_map(|status| &status.operations)
    }

    /// The operation by which this very node was told to leave. The same pod may have become another node since: a node
    /// is known by its volumes, or by its pod where it has none.
    pub fn told_to_leave(&self, pod: &str) -> Option<&OperationStatus> {
        let has = |volume: &VolumeRef| {
            let live = self.live.volumes.get(&volume.name);
            live.is_some_and(|live| live.uid == volume.uid)
        };
        let is_it = |node: &&OperationNode| {
            let same_pod = || {
                let live = self.pods.get(pod);
                live.is_some_and(|live| live.uid == node.pod_uid)
            };
            node.pod == pod
                && if node.volumes.is_empty() {
                    same_pod()
                } else {
                    node.volumes.iter().any(has)
                }
        };
        self.operations()
            .filter(|operation| operation.kind == DECOMMISSION)
            .find(|operation| operation.nodes.iter().any(|node| is_it(&node)))
    }

    /// Whether the node leaves the ring, or has left it, because it was told to.
    pub fn is_leaving(&self, pod: &str) -> bool {
        let mode = self.reading(pod).map(|reading| reading.mode.as_str());
        let told = || {
            self.told_to_leave(pod)
                .is_some_and(|told| told.phase == OperationPhase::Succeeded)
        };
        matches!(mode, Some("LEAVING" | "DECOMMISSIONED")) || told()
    }

    /// Expected pods in trouble, except those that leave: those whose own it is before those that only miss others.
    pub fn troubles(&self) -> Vec<(String, String)> {
        let mut troubles: Vec<(String, String)> = self
            .expected_pods()
            .into_iter()
            .filter(|(pod, _)| !self.is_leaving(pod))
            .filter_map(|(pod, _)| self.trouble(&pod).map(|why| (pod, why)))
            .collect();
        troubles.sort_by_key(|(pod, _)| self.own_trouble(pod).is_none());
        troubles
    }

    /// Why a node is not NORMAL and serving clients.
    pub fn own_trouble(&self, pod: &str) -> Option<String> {
        let Some(live) = self.pods.get(pod) else {
            return Some("the pod does not exist yet".into());
        };
        if live.deleting {
            return Some("the pod is being deleted".into());
        }
        if let Some(problem) = &live.problem {
            let class = self
                .cluster
                .spec
                .data_storage_class
                .as_deref()
                .unwrap_or("default");
            let hint = problem.contains("PersistentVolumeClaim").then(|| {
                format!("; its volumes are of the storage class {class}: does it exist, and has it room?")
            });
            return Some(format!("{problem}{}", hint.unwrap_or_default()));
        }
        let reading = match self.nodes.get(pod) {
            None => return Some("the pod is starting".into()),
            Some(Err(NodeError::Unauthorized)) => {
                return Some(format!(
                    "the node refuses the password of Secret {} (HTTP 401): it is not the one that the pod was started with; restart the pod, or restore the Secret",
                    self.secret_name
                ));
            }
            Some(Err(error)) => return Some(error.to_string()),
            Some(Ok(reading)) => reading,
        };
        if reading.mode != "NORMAL" {
            return Some(format!("Cassandra is {}", reading.mode));
        }
        if !reading.native_transport {
            return Some("Cassandra is NORMAL, but clients cannot connect yet".into());
        }
        None
    }

    /// Which other nodes a node does not see up.
    fn missed_by(&self, pod: &str) -> Option<String> {
        let reading = self.reading(pod)?;
        let unseen: Vec<&str> = self
            .pods
            .iter()
            .filter(|(name, other)| {
                other
                    .ip
                    .as_ref()
                    .is_some_and(|ip| !reading.live.contains(ip))
                    && !self.is_newcomer(name)
                    && !self.is_leaving(name)
            })
            .map(|(name, _)| name.as_str())
            .collect();
        (!unseen.is_empty()).then(|| format!("does not see {} up", unseen.join(", ")))
    }

    /// Whether the node has never been seen as a member of the ring: others do not miss it.
    pub fn is_newcomer(&self, pod: &str) -> bool {
        let known = self
            .cluster
            .status
            .as_ref()
            .and_then(|status| status.cassandra_node_status.get(pod));
        let normal = self.reading(pod).is_some_and(Reading::is_normal);
        !normal && known.is_none_or(|node| node.host_id.is_empty())
    }

    /// Whether some node sees another one joining, leaving or moving.
    pub fn is_settled(&self) -> bool {
        self.nodes.values().flatten().all(Reading::is_settled)
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
