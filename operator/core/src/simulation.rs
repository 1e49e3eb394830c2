//! Small model of Kubernetes and of a ring: StatefulSets create and roll out pods, pods become nodes, and nodes join.
//! The operator's decisions run unchanged; only the effects are simulated.

mod cassandra;
pub mod kstatus;
mod kubernetes;
pub mod messages;
mod run;

use std::collections::{BTreeMap, BTreeSet};

use casskop_common::{
    api::{CassandraCluster, CassandraClusterStatus, LoginStep, NodeTransport, OperationStatus},
    names::{self, RackId},
    operations::OperationKind,
};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::PodTemplateSpec;
use kube_core::ResourceExt;

use crate::{
    authority::Validity,
    desired::BuildInputs,
    node::{NodeError, Replication},
    observed::{ObservedUsers, OwnedObjects, RestoreJob, SecretState},
    pod_config::{Encryption, NodeSecrets},
};

/// State of a simulated node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Node {
    /// The pod was created.
    Starting,
    /// The node streams data to join the ring.
    Joining,
    /// The node is a member.
    Normal,
    /// The process runs but does not answer.
    Hanging,
    /// The Kubernetes node does not answer.
    Lost,
    /// The node hands its data over.
    Leaving,
    /// The node has left the ring; its process still answers.
    Decommissioned,
    /// The image cannot be pulled, or Cassandra refuses to start.
    Broken,
}

/// A simulated pod.
#[derive(Clone, Debug)]
pub struct Pod {
    /// Its rack.
    pub rack: RackId,
    /// Revision of the pod template.
    pub revision: String,
    /// Image of its Cassandra container.
    pub image: String,
    /// Transport that it was started with.
    pub transport: NodeTransport,
    /// Secrets that it was started with.
    pub secrets: NodeSecrets,
    /// Encryption of Cassandra's connections that it was started with.
    pub encryption: Encryption,
    /// Requirement of clients at their connection to its node.
    pub logins: LoginStep,
    /// State of its node.
    pub node: Node,
    /// Its address.
    pub ip: String,
    /// Host ID of its node, after it has joined.
    pub host: Option<String>,
    /// Restarts of its Cassandra container.
    pub restarts: i32,
    /// Address of the lost node that it replaces.
    replaces: Option<String>,
    /// Whether its init container refuses the empty volume of a member.
    waits_for_its_data: bool,
    deleting: bool,
    uid: u32,
}

/// Simulated state of one cluster.
#[derive(Clone, Debug)]
pub struct World {
    /// The resource.
    pub cluster: CassandraCluster,
    /// The operator's objects.
    pub live: OwnedObjects,
    /// Each Secret that the nodes share.
    pub secret: SecretState,
    /// Whether there is something to do about the superuser of Cassandra.
    pub changes_superuser: bool,
    /// Whether Cassandra has accepted the superuser of the resource.
    pub has_superuser: bool,
    /// The authorities of the Secret with the certificates for clients.
    pub client_ca: Option<String>,
    /// The roles of applications.
    pub users: ObservedUsers,
    /// The times of the certificates in them, by name.
    pub validities: BTreeMap<String, Validity>,
    /// Pods by name.
    pub pods: BTreeMap<String, Pod>,
    /// Jobs of a restore, by the pods that they bring the files of.
    pub restore_jobs: BTreeMap<String, RestoreJob>,
    /// Nodes on which the operator's tasks work, as `(kind, pod)`.
    pub at_work: BTreeSet<(OperationKind, String)>,
    /// Every node call: kind, ID, pod and step.
    pub calls: Vec<(String, String, String, String)>,
    /// Host IDs of the data on the volumes, by pod.
    hosts: BTreeMap<String, String>,
    /// Pods whose node lost its volume.
    pub lost: BTreeSet<String>,
    /// The last address of each member of the ring, by host ID.
    pub ring: BTreeMap<String, String>,
    /// Addresses of nodes that have left; gossip reports them as unreachable.
    left: BTreeSet<String>,
    /// Replication by keyspace.
    pub replication: BTreeMap<String, Replication>,
    /// Locations of members, by host ID.
    pub locations: BTreeMap<String, RackId>,
    /// Inputs other than the spec.
    pub around: BuildInputs,
    /// Pod templates of the StatefulSets, by revision.
    templates: BTreeMap<String, PodTemplateSpec>,
    /// Images that cannot be pulled.
    pub bad_images: BTreeSet<String>,
    /// The error that the operator gets in place of the answer of any node, although the nodes are healthy.
    pub cut: Option<NodeError>,
    /// Version that the nodes report.
    pub version: String,
    /// Bytes that each node reports as its load.
    pub load: i64,
    /// Error of a call that fails.
    pub failure: String,
    /// The time; each reconciliation takes a second.
    pub now: Timestamp,
    made: u32,
    /// The newest `resourceVersion` of an object.
    newest: u64,
}

/// A cluster of three racks with one node each.
pub const THREE_RACKS: &str = "
apiVersion: db.orange.com/v2
kind: CassandraCluster
metadata: { name: demo, namespace: ns, uid: u-1, generation: 1 }
spec:
  cassandraImage: cassandra:5.0
  dataCapacity: 1Gi
  topology:
    dc:
      - name: dc1
        rack: [{ name: rack1 }, { name: rack2 }, { name: rack3 }]
";

impl World {
    /// A cluster that was just created.
    pub fn new(yaml: &str) -> Self {
        Self {
            cluster: serde_saphyr::from_str(yaml).expect("a CassandraCluster"),
            live: OwnedObjects::default(),
            secret: SecretState::Missing,
            changes_superuser: false,
            has_superuser: false,
            client_ca: None,
            users: ObservedUsers::default(),
            validities: BTreeMap::new(),
            pods: BTreeMap::new(),
            restore_jobs: BTreeMap::new(),
            at_work: BTreeSet::new(),
            calls: Vec::new(),
            hosts: BTreeMap::new(),
            lost: BTreeSet::new(),
            ring: BTreeMap::new(),
            left: BTreeSet::new(),
            replication: ["orders", "system_auth", "users"]
                .map(|name| {
                    (
                        name.to_owned(),
                        Replication::Topology([("dc1".to_owned(), 1)].into()),
                    )
                })
                .into(),
            locations: BTreeMap::new(),
            around: BuildInputs {
                operator_image: "operator:1".into(),
                ..BuildInputs::default()
            },
            templates: BTreeMap::new(),
            bad_images: BTreeSet::new(),
            cut: None,
            version: "5.0.9".into(),
            load: 100_000,
            failure: "no space left on device".into(),
            now: "2026-11-22T17:00:00Z".parse().expect("a time"),
            made: 0,
            newest: 0,
        }
    }

    /// The data of all nodes is gone, and with it the ring.
    pub fn lose_everything(&mut self) {
        self.hosts.clear();
        self.ring.clear();
        self.left.clear();
    }

    /// A ring that has been formed.
    pub fn formed(yaml: &str) -> Self {
        let mut world = Self::new(yaml);
        world.settle();
        world
    }

    /// The status; empty before the first reconciliation.
    pub fn status(&self) -> CassandraClusterStatus {
        self.cluster.status.clone().unwrap_or_default()
    }

    /// The newest operation of a kind.
    pub fn operation(&self, kind: &str) -> OperationStatus {
        let operations = self.status().operations;
        operations
            .into_iter()
            .find(|operation| operation.kind.as_str() == kind)
            .expect("the operation is recorded")
    }

    /// A condition as `status reason: message`.
    pub fn condition(&self, kind: &str) -> String {
        let conditions = self.status().conditions;
        let condition = conditions
            .iter()
            .find(|condition| condition.type_ == kind)
            .expect("the condition is told");
        format!(
            "{} {}: {}",
            condition.status, condition.reason, condition.message
        )
    }

    /// Changes the spec, which increments the generation.
    pub fn edit(&mut self, change: impl FnOnce(&mut CassandraCluster)) {
        change(&mut self.cluster);
        let generation = self.cluster.metadata.generation.unwrap_or(0);
        self.cluster.metadata.generation = Some(generation + 1);
    }

    /// Sets or removes an annotation of operations. The generation does not change.
    pub fn annotate(&mut self, key: &str, value: Option<&str>) {
        let key = format!("{}{key}", names::OPERATIONS_PREFIX);
        let annotations = self.cluster.annotations_mut();
        match value {
            Some(value) => annotations.insert(key, value.to_owned()),
            None => annotations.remove(&key),
        };
    }
}
