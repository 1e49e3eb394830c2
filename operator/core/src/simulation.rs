//! A small model of Kubernetes and of a ring: StatefulSets make and roll pods, pods become nodes, nodes join.
//! The operator's own decisions run on it unchanged; only the effects are simulated.

mod cassandra;
pub mod kstatus;
mod kubernetes;
mod run;

use std::collections::{BTreeMap, BTreeSet};

use casskop_common::{
    api::{CassandraCluster, CassandraClusterStatus, OperationStatus},
    names::{self, RackId},
};
use jiff::Timestamp;
use kube_core::ResourceExt;

use crate::{
    desired::Around,
    node::Replication,
    observed::{Live, SecretState},
};

/// What a simulated node does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Node {
    /// Its pod was made.
    Starting,
    /// It streams.
    Joining,
    /// It is a member.
    Normal,
    /// Its process is there and does not answer.
    Hanging,
    /// Its Kubernetes node does not answer.
    Lost,
    /// It hands its data over.
    Leaving,
    /// It has left the ring; its process still answers.
    Decommissioned,
    /// Its image cannot be pulled, or Cassandra refuses to start.
    Broken,
}

/// A simulated pod.
#[derive(Clone, Debug)]
pub struct Pod {
    /// Its rack.
    pub rack: RackId,
    /// Revision of the pod template.
    pub revision: String,
    /// State of its node.
    pub node: Node,
    /// Its address.
    pub ip: String,
    /// Host id of its node, once it has joined.
    pub host: Option<String>,
    /// Restarts of its Cassandra container.
    pub restarts: i32,
    /// Address of the lost node whose place it takes.
    replaces: Option<String>,
    deleting: bool,
    uid: u32,
}

/// The simulated world of one cluster.
#[derive(Clone, Debug)]
pub struct World {
    /// The resource.
    pub cluster: CassandraCluster,
    /// The objects of the operator.
    pub live: Live,
    /// The Secret of Jolokia.
    pub secret: SecretState,
    /// Pods by name.
    pub pods: BTreeMap<String, Pod>,
    /// Nodes that tasks of the operator work on.
    pub at_work: BTreeSet<(String, String)>,
    /// Every node call that was made: kind, id, pod and step.
    pub calls: Vec<(String, String, String, String)>,
    /// Host ids of the data on the volumes, by pod.
    hosts: BTreeMap<String, String>,
    /// Pods that lost the volume of their node.
    pub lost: BTreeSet<String>,
    /// The members of the ring with their last addresses, by host id.
    pub ring: BTreeMap<String, String>,
    /// Addresses of those that have left; gossip remembers them as unreachable.
    left: BTreeSet<String>,
    /// How keyspaces are replicated.
    pub replication: BTreeMap<String, Replication>,
    /// Where members of the ring are, by host id.
    pub places: BTreeMap<String, RackId>,
    /// What it is made from beside its spec.
    pub around: Around,
    /// Images that cannot be pulled.
    pub bad_images: BTreeSet<String>,
    /// Whether no node answers the operator, although all is well.
    pub cut: bool,
    now: Timestamp,
    made: u32,
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
            live: Live::default(),
            secret: SecretState::Missing,
            pods: BTreeMap::new(),
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
            places: BTreeMap::new(),
            around: Around {
                operator_image: "operator:1".into(),
                ..Around::default()
            },
            bad_images: BTreeSet::new(),
            cut: false,
            now: "2026-11-22T17:00:00Z".parse().expect("a time"),
            made: 0,
        }
    }

    /// A ring that has been formed.
    pub fn formed(yaml: &str) -> Self {
        let mut world = Self::new(yaml);
        world.settle();
        world
    }

    /// The status, empty before the first pass.
    pub fn status(&self) -> CassandraClusterStatus {
        self.cluster.status.clone().unwrap_or_default()
    }

    /// The newest operation of a kind.
    pub fn operation(&self, kind: &str) -> OperationStatus {
        let operations = self.status().operations;
        operations
            .into_iter()
            .find(|operation| operation.kind == kind)
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

    /// Changes the spec, which makes a new generation.
    pub fn edit(&mut self, change: impl FnOnce(&mut CassandraCluster)) {
        change(&mut self.cluster);
        let generation = self.cluster.metadata.generation.unwrap_or(0);
        self.cluster.metadata.generation = Some(generation + 1);
    }

    /// Sets or removes an annotation of operations, which makes no new generation.
    pub fn annotate(&mut self, key: &str, value: Option<&str>) {
        let key = format!("{}{key}", names::OPERATIONS_PREFIX);
        let annotations = self.cluster.annotations_mut();
        match value {
            Some(value) => annotations.insert(key, value.to_owned()),
            None => annotations.remove(&key),
        };
    }
}
