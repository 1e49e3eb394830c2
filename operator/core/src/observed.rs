//! Observed state of a cluster: the objects in Kubernetes and the answers of the nodes. Decisions have no other input.

mod external_members;
mod members;
mod node_health;
mod pod;
mod restore;
mod users;
mod volume;

pub use external_members::{ExternalMember, trusted_locations};
pub use members::{agreed_schema, disbelieve_others};
pub use pod::NodePod;
pub use restore::{RestoreEnd, RestoreInputs, RestoreJob};
pub use users::{Granted, Kept, ObservedUsers, Outcome};
pub use volume::Volume;

use std::collections::{BTreeMap, BTreeSet};

/// State of a node without an answer, in the status.
pub const UNKNOWN: &str = "Unknown";

use casskop_common::{
    api::{CassandraCluster, CassandraClusterStatus, OperationPhase, OperationStatus},
    intent::Intents,
    names::{self, RackId},
    operations::{Arguments, OperationKind, RecordedKind},
};
use jiff::Timestamp;
use k8s_openapi::{
    api::{
        apps::v1::StatefulSet,
        core::v1::{ConfigMap, Service, ServiceAccount},
        policy::v1::PodDisruptionBudget,
    },
    apimachinery::pkg::apis::meta::v1::OwnerReference,
};
use kube_core::{Resource, ResourceExt};

use crate::{
    authority::Validity,
    node::{NodeError, Reading, Replication},
};

/// Observed state of a cluster at one time.
#[derive(Clone, Debug)]
pub struct ObservedState {
    /// Time of the observation.
    pub now: Timestamp,
    /// The resource, read for this observation.
    pub cluster: CassandraCluster,
    /// Requests in its annotations.
    pub intents: Intents,
    /// The operator's objects, by name.
    pub live: OwnedObjects,
    /// The Secrets that the nodes share, by name.
    pub secrets: BTreeMap<String, SecretState>,
    /// Whether there is something to do about the superuser of Cassandra: its login was not seen yet, or it is not the one of its
    /// Secret.
    pub changes_superuser: bool,
    /// The roles of applications.
    pub users: ObservedUsers,
    /// The times of the certificates in them, by the name of the Secret.
    pub validities: BTreeMap<String, Validity>,
    /// The authorities of the Secret with the certificates for clients (PEM); nothing if it cannot be used.
    pub client_ca: Option<String>,
    /// Algorithms of the private keys of the Secrets with certificates, by the names of the Secrets.
    pub key_algorithms: BTreeMap<String, &'static str>,
    /// The Cassandra pods, by name.
    pub pods: BTreeMap<String, NodePod>,
    /// The Jobs of the restore that the spec asks for, by the names of the Cassandra pods; read only until the ring is formed.
    pub restore_jobs: BTreeMap<String, RestoreJob>,
    /// Answers of the nodes, by pod name. Pods without an address, and pods whose Cassandra has ended, are not polled.
    pub nodes: BTreeMap<String, Result<Reading, NodeError>>,
    /// Replication by keyspace; polled only if a decision depends on it.
    pub replication: BTreeMap<String, Replication>,
    /// Locations of external members, by address; polled only if a decision depends on them.
    pub locations: BTreeMap<String, RackId>,
    /// Nodes on which a task of this operator process is working, as `(kind, pod)`.
    pub at_work: BTreeSet<(OperationKind, String)>,
    /// Parsed arguments of the newest operation of each kind, if it may go on.
    pub arguments: BTreeMap<OperationKind, Arguments>,
    /// This process, as executor of operations.
    pub executor: String,
}

/// The operator's objects in the API server, by name.
#[derive(Clone, Debug, Default)]
pub struct OwnedObjects {
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
    /// Volume claims, which stay when all other objects are deleted.
    pub volumes: BTreeMap<String, Volume>,
    /// Whether the nodes of the resource had mutual TLS, as the Secret with their certificates or a pod says. Looked up only
    /// where accepted spec and pod templates may not say it.
    pub had_tls: bool,
    /// Whether the Secret with the certificates says so. Looked up only where that is in question.
    pub has_tls_mark: bool,
    /// Warnings of Kubernetes about StatefulSets that get no pods, pods that do not start, and volumes that are not bound
    /// or resized, in Kubernetes' own words, by UID of the object.
    pub warnings: BTreeMap<String, String>,
}

/// State of the Secret that the nodes share. Its content is no part of the observed state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretState {
    /// The Secret exists, with a password or with certificates.
    Usable,
    /// The Secret can be used, and the operator, which makes it, renews it now.
    Outdated,
    /// The Secret does not exist; or the operator makes it, and it cannot be used.
    Missing,
    /// The Secret exists but cannot be used, for this reason.
    Broken(String),
}

impl ObservedState {
    /// Pods whose agent does not take over the certificate of its Secret, because the private key is of another algorithm than
    /// the one that the agent was started with; the first of them in words.
    pub fn keeps_its_key(&self) -> Option<String> {
        let mut keeping = self.pods.iter().filter_map(|(name, pod)| {
            let (started, secret) = (
                pod.key_algorithm.as_ref()?,
                pod.secrets.certificates.as_ref()?,
            );
            let given = self.key_algorithms.get(secret)?;
            (started != given).then_some((name, started, secret, given))
        });
        let (pod, started, secret, given) = keeping.next()?;
        let more = match keeping.count() {
            0 => String::new(),
            more => format!(", as in {more} more"),
        };
        Some(format!(
            "{pod} keeps its certificate until that expires: its agent was started with a private key of the algorithm {started}{more}, and Secret {secret} has one of {given} now; restart the nodes (operation restart), or restore the Secret"
        ))
    }

    /// Name of the cluster.
    pub fn name(&self) -> &str {
        self.cluster.metadata.name.as_deref().unwrap_or_default()
    }

    /// The answer of a node, if it answered.
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

    /// Number of nodes that a rack has, or has had and may get back. It is based on the pods and on the volumes, except
    /// volumes of nodes that left while the rack stayed.
    pub fn known_nodes(&self, rack: &RackId) -> i32 {
        let set = names::stateful_set(self.name(), rack);
        let ordinal =
            |pod: &str| -> Option<i32> { pod.strip_prefix(&set)?.strip_prefix('-')?.parse().ok() };
        let status = self.cluster.status.as_ref();
        let recorded: BTreeSet<i32> = status
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
            .filter(|node| recorded.is_empty() || recorded.contains(node));
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

    /// Pods that should exist according to the replicas of the StatefulSets, with their racks.
    pub fn expected_pods(&self) -> Vec<(String, RackId)> {
        let pods = self.racks().flat_map(|(rack, set)| {
            let cluster = self.name().to_owned();
            (0..replicas(set))
                .map(move |ordinal| (names::pod(&cluster, &rack, ordinal), rack.clone()))
        });
        pods.collect()
    }

    /// A volume of a node, or the mark of the ring, that an earlier resource of the name owned. That resource is deleted, so
    /// the garbage collector deletes the object as well. None once a rack of this resource exists: its pods started on
    /// volumes of their own. The second part is the pod that still uses the volume, if there is one.
    pub fn left_by_a_predecessor(&self) -> Option<(String, Option<&str>)> {
        let mut sets = self.live.stateful_sets.values();
        if sets.any(|set| is_owned_by(set.owner_references(), &self.cluster)) {
            return None;
        }
        let volumes = self.live.volumes.iter();
        let mut left = volumes
            .filter(|(_, volume)| self.is_of_a_predecessor(&volume.owners))
            .filter(|(name, volume)| volume.is_of_a_node(self.name(), name));
        if let Some((name, _)) = left.next() {
            let is_its = |pod: &&String| name.ends_with(&format!("-{pod}"));
            let user = self.pods.keys().find(is_its).map(String::as_str);
            return Some((format!("volume {name}"), user));
        }
        let mark = names::ring_mark(self.name());
        let map = self.live.config_maps.get(&mark)?;
        self.is_of_a_predecessor(map.owner_references())
            .then(|| (format!("ConfigMap {mark}"), None))
    }

    fn is_of_a_predecessor(&self, owners: &[OwnerReference]) -> bool {
        is_of_predecessor(owners, &self.cluster)
    }

    /// Whether no operator has reported about the resource yet, although its ring exists: the resource was created again
    /// over kept volumes or orphaned StatefulSets, or was restored without its status.
    pub fn is_created_again(&self) -> bool {
        let status = self.cluster.status.as_ref();
        if status.is_some_and(CassandraClusterStatus::is_reported) {
            return false;
        }
        let uid = self.cluster.metadata.uid.as_deref();
        // The garbage collector deletes the StatefulSets of an earlier resource of the name.
        let stays = |set: &StatefulSet| {
            let owners = set.owner_references();
            set.metadata.deletion_timestamp.is_none()
                && owners.iter().all(|owner| Some(owner.uid.as_str()) == uid)
        };
        self.live.stateful_sets.values().any(stays)
            || self
                .live
                .volumes
                .values()
                .any(|volume| !volume.deleting && !self.is_of_a_predecessor(&volume.owners))
    }

    /// Whether a task works on the node of a pod: one of this process, or one of another process that the node is left
    /// to.
    pub(crate) fn is_at_work(&self, kind: &RecordedKind, pod: &str) -> bool {
        let mut tasks = self.at_work.iter();
        tasks.any(|(other, at_work)| kind == other && at_work == pod)
    }

    /// The cleanup generation that the status reports.
    pub fn cleanup_generation(&self) -> Option<i64> {
        self.cluster.status.as_ref()?.cleanup_generation
    }

    /// The newest operation of each kind.
    pub fn operations(&self) -> impl Iterator<Item = &OperationStatus> {
        let status = self.cluster.status.iter();
        status.flat_map(|status| &status.operations)
    }
}

/// Parsed arguments of the newest operation of each kind that may go on: it has not ended, or it has failed and is
/// retried.
pub fn recorded_arguments(
    cluster: &CassandraCluster,
    intents: &Intents,
) -> BTreeMap<OperationKind, Arguments> {
    let operations = cluster.status.iter().flat_map(|status| &status.operations);
    let known = operations.filter_map(|operation| Some((operation.kind.known()?, operation)));
    let may_go_on = |(kind, operation): &(OperationKind, &OperationStatus)| {
        let retry = intents
            .controls
            .get(kind)
            .and_then(|controls| controls.retry.as_ref());
        let is_retried = operation.requested_by.is_some() || retry == Some(&operation.id);
        let has_failed = operation.phase == OperationPhase::Failed;
        !operation.phase.is_final() || (has_failed && is_retried)
    };
    let parsed = known.filter(may_go_on).filter_map(|(kind, operation)| {
        let asked = intents.requests.get(&kind).map(|asked| &asked.arguments);
        let asked = asked
            .filter(|asked| asked.text == operation.arguments)
            .cloned();
        let recorded = || Arguments::recorded(&operation.kind, &operation.arguments);
        Some((kind, asked.or_else(recorded)?))
    });
    parsed.collect()
}

/// Whether an earlier resource of the name of this one owns an object: that resource is deleted, and Kubernetes is about to
/// delete the object as well.
pub fn is_of_predecessor(owners: &[OwnerReference], cluster: &CassandraCluster) -> bool {
    let (own, name) = (cluster.metadata.uid.as_deref(), cluster.name_any());
    owners.iter().any(|owner| {
        owner.kind == CassandraCluster::kind(&())
            && owner.name == name
            && Some(owner.uid.as_str()) != own
    })
}

/// Whether a resource is one of the owners of an object.
pub fn is_owned_by(owners: &[OwnerReference], resource: &impl Resource) -> bool {
    let uid = resource.meta().uid.as_deref();
    owners.iter().any(|owner| Some(owner.uid.as_str()) == uid)
}

/// Data center and rack of a StatefulSet, from its labels.
pub fn rack_of(set: &StatefulSet) -> Option<RackId> {
    let labels = set.labels();
    Some(RackId::new(
        labels.get(names::DC_LABEL)?,
        labels.get(names::RACK_LABEL)?,
    ))
}

/// Desired replicas of a StatefulSet.
pub fn replicas(set: &StatefulSet) -> i32 {
    set.spec
        .as_ref()
        .and_then(|spec| spec.replicas)
        .unwrap_or(1)
}
