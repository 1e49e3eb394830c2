//! A small model of Kubernetes and of a ring: StatefulSets make and roll pods, pods become nodes, nodes join.
//! The operator's own decisions run on it unchanged; only the effects are simulated.

use std::collections::{BTreeMap, BTreeSet};

use casskop_common::{
    api::{
        CassandraCluster, CassandraClusterStatus, NodePhase, OperationPhase, OperationStatus, Phase,
    },
    intent::Intents,
    names::{self, RackId},
    operations::DECOMMISSION,
};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::apps::v1::{StatefulSet, StatefulSetSpec, StatefulSetStatus};
use kube::ResourceExt;

use crate::{
    cluster::{
        build::Object,
        decide::{self, Plan, Removal, operations as deciding},
        desired::{self, Around},
        snapshot::{Live, NodePod, SecretState, Snapshot, Volume, rack_of, replicas},
    },
    nodes::{NodeError, Reading, Replication},
};

/// What a simulated node does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Node {
    /// Its pod was made.
    Starting,
    /// It streams.
    Joining,
    /// It is a member.
    Normal,
    /// Its process is there and does not answer.
    Hanging,
    /// It hands its data over.
    Leaving,
    /// It has left the ring; its process still answers.
    Decommissioned,
    /// Its image cannot be pulled, or Cassandra refuses to start.
    Broken,
}

#[derive(Clone, Debug)]
pub(super) struct Pod {
    pub(super) rack: RackId,
    pub(super) revision: String,
    pub(super) node: Node,
    pub(super) ip: String,
    /// Host id of its node, once it has joined.
    pub(super) host: Option<String>,
    pub(super) restarts: i32,
    deleting: bool,
    uid: u32,
}

/// The simulated world of one cluster.
#[derive(Clone, Debug)]
pub(super) struct World {
    pub(super) cluster: CassandraCluster,
    pub(super) live: Live,
    pub(super) secret: SecretState,
    pub(super) pods: BTreeMap<String, Pod>,
    /// Nodes that tasks of the operator work on.
    pub(super) at_work: BTreeSet<(String, String)>,
    /// Every node call that was made: kind, id, pod and step.
    pub(super) calls: Vec<(String, String, String, String)>,
    /// Host ids of the data on the volumes, by pod.
    hosts: BTreeMap<String, String>,
    /// The members of the ring with their last addresses, by host id.
    pub(super) ring: BTreeMap<String, String>,
    /// Addresses of those that have left; gossip remembers them as unreachable.
    left: BTreeSet<String>,
    /// How keyspaces are replicated.
    pub(super) replication: BTreeMap<String, Replication>,
    /// What it is made from beside its spec.
    pub(super) around: Around,
    /// Images that cannot be pulled.
    pub(super) bad_images: BTreeSet<String>,
    now: Timestamp,
    made: u32,
}

pub(super) const THREE_RACKS: &str = "
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
    pub(super) fn new(yaml: &str) -> Self {
        Self {
            cluster: serde_saphyr::from_str(yaml).expect("a CassandraCluster"),
            live: Live::default(),
            secret: SecretState::Missing,
            pods: BTreeMap::new(),
            at_work: BTreeSet::new(),
            calls: Vec::new(),
            hosts: BTreeMap::new(),
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
            around: Around {
                operator_image: "operator:1".into(),
                ..Around::default()
            },
            bad_images: BTreeSet::new(),
            now: "2026-11-22T17:00:00Z".parse().expect("a time"),
            made: 0,
        }
    }

    /// A ring that has been formed.
    pub(super) fn formed(yaml: &str) -> Self {
        let mut world = Self::new(yaml);
        world.settle();
        world
    }

    pub(super) fn status(&self) -> CassandraClusterStatus {
        self.cluster.status.clone().unwrap_or_default()
    }

    pub(super) fn operation(&self, kind: &str) -> OperationStatus {
        let operations = self.status().operations;
        operations
            .into_iter()
            .find(|operation| operation.kind == kind)
            .expect("the operation is recorded")
    }

    pub(super) fn condition(&self, kind: &str) -> String {
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

    pub(super) fn edit(&mut self, change: impl FnOnce(&mut CassandraCluster)) {
        change(&mut self.cluster);
        let generation = self.cluster.metadata.generation.unwrap_or(0);
        self.cluster.metadata.generation = Some(generation + 1);
    }

    pub(super) fn annotate(&mut self, key: &str, value: Option<&str>) {
        let key = format!("{}{key}", names::OPERATIONS_PREFIX);
        let annotations = self.cluster.annotations_mut();
        match value {
            Some(value) => annotations.insert(key, value.to_owned()),
            None => annotations.remove(&key),
        };
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        let normal = |pod: &Pod| pod.node == Node::Normal;
        let ips = |wanted: &dyn Fn(&Pod) -> bool| -> BTreeSet<String> {
            self.pods
                .values()
                .filter(|pod| wanted(pod))
                .map(|pod| pod.ip.clone())
                .collect()
        };
        let in_ring = |pod: &Pod| {
            pod.host
                .as_ref()
                .is_some_and(|host| self.ring.contains_key(host))
        };
        let reading = |pod: &Pod| match pod.node {
            Node::Starting | Node::Broken => None,
            Node::Hanging => Some(Err(NodeError::Timeout(4))),
            Node::Joining | Node::Normal | Node::Leaving | Node::Decommissioned => {
                Some(Ok(Reading {
                    mode: match pod.node {
                        Node::Normal => "NORMAL",
                        Node::Leaving => "LEAVING",
                        Node::Decommissioned => "DECOMMISSIONED",
                        _ => "JOINING",
                    }
                    .into(),
                    live: ips(&|other| {
                        normal(other) || other.node == Node::Leaving || other.ip == pod.ip
                    }),
                    unreachable: &ips(&|other| other.node == Node::Hanging && in_ring(other))
                        | &self.left,
                    joining: ips(&|other| other.node == Node::Joining),
                    leaving: ips(&|other| other.node == Node::Leaving),
                    host_ids: self
                        .ring
                        .iter()
                        .map(|(host, ip)| (ip.clone(), host.clone()))
                        .collect(),
                    local_host_id: pod
                        .host
                        .clone()
                        .unwrap_or_else(|| format!("host-{}", pod.ip)),
                    version: "5.0.9".into(),
                    native_transport: normal(pod),
                    keyspaces: ["orders", "system_auth", "users"]
                        .map(str::to_owned)
                        .to_vec(),
                    load: 100_000,
                    ..Reading::default()
                }))
            }
        };
        Snapshot {
            now: self.now,
            cluster: self.cluster.clone(),
            intents: Intents::parse(self.cluster.annotations()),
            live: self.live.clone(),
            secret: self.secret.clone(),
            secret_name: "demo-jolokia".into(),
            pods: self
                .pods
                .iter()
                .map(|(name, pod)| (name.clone(), seen(pod)))
                .collect(),
            nodes: self
                .pods
                .iter()
                .filter_map(|(name, pod)| Some((name.clone(), reading(pod)?)))
                .collect(),
            at_work: self.at_work.clone(),
            replication: self.replication.clone(),
        }
    }

    pub(super) fn plan(&self) -> Plan {
        decide::decide(
            &desired::desired(&self.cluster, &self.around),
            &self.snapshot(),
        )
    }

    /// One pass of the operator that is killed after `effects` of its effects. Says whether it came to its end.
    pub(super) fn pass_until(&mut self, effects: usize) -> bool {
        self.now += SignedDuration::from_secs(1);
        let plan = self.plan();
        let mut left = effects;
        let mut may = || {
            let may = left > 0;
            left = left.saturating_sub(1);
            may
        };
        if !plan.operations.is_empty() {
            if !may() {
                return false;
            }
            let status = self.cluster.status.get_or_insert_default();
            for change in &plan.operations {
                deciding::archive(status, change.after.clone());
            }
        }
        for start in &plan.starts {
            self.at_work.insert((start.kind.clone(), start.pod.clone()));
        }
        if plan.make_secret {
            if !may() {
                return false;
            }
            self.secret = SecretState::Usable;
        }
        for object in &plan.objects {
            if !may() {
                return false;
            }
            self.apply(object);
        }
        for removal in &plan.removals {
            if !may() {
                return false;
            }
            self.remove(removal);
        }
        if !may() {
            return false;
        }
        let current = self.cluster.status.take().unwrap_or_default();
        self.cluster.status = Some(CassandraClusterStatus {
            operations: current.operations,
            operation_history: current.operation_history,
            ..plan.status
        });
        true
    }

    pub(super) fn pass(&mut self) {
        self.pass_until(usize::MAX);
    }

    /// The operator dies: its tasks are gone, what is written stays.
    pub(super) fn kill_operator(&mut self) {
        self.at_work.clear();
    }

    fn apply(&mut self, object: &Object) {
        match object.clone() {
            Object::ServiceAccount(object) => drop(
                self.live
                    .service_accounts
                    .insert(object.name_any(), *object),
            ),
            Object::Service(object) => drop(self.live.services.insert(object.name_any(), *object)),
            Object::Budget(object) => drop(self.live.budgets.insert(object.name_any(), *object)),
            Object::ConfigMap(object) => {
                drop(self.live.config_maps.insert(object.name_any(), *object));
            }
            Object::Growth(growth) => {
                let volume = self
                    .live
                    .volumes
                    .get_mut(&growth.name)
                    .expect("it was seen");
                assert_eq!(volume.uid, growth.uid);
                volume.requested.clone_from(&growth.size);
                volume.capacity = Some(growth.size);
            }
            Object::StatefulSet(object) | Object::MadeAnew(object) => {
                let old = self.live.stateful_sets.get(&object.name_any());
                let generation = old.and_then(|old| old.metadata.generation).unwrap_or(0);
                let mut set = *object;
                set.metadata.generation = Some(generation + 1);
                set.status = old.and_then(|old| old.status.clone());
                self.live.stateful_sets.insert(set.name_any(), set);
            }
        }
    }

    fn remove(&mut self, removal: &Removal) {
        match removal {
            Removal::Pods { set, uid, from, to } => {
                let set = self.live.stateful_sets.get_mut(set).expect("it was seen");
                assert_eq!(set.uid().unwrap_or_default(), *uid);
                let spec = set.spec.as_mut().expect("a spec");
                assert_eq!(spec.replicas, Some(*from));
                assert_eq!(*to, from - 1, "one node at a time");
                spec.replicas = Some(*to);
                let rack = rack_of(set).expect("our labels");
                let gone = names::pod("demo", &rack, *to);
                let host = self.hosts.get(&gone);
                assert!(
                    host.is_none_or(|host| !self.ring.contains_key(host)),
                    "{gone} is a member"
                );
            }
            Removal::Rack { set, .. } => {
                assert_eq!(replicas(&self.live.stateful_sets[set]), 0);
                self.live.stateful_sets.remove(set);
                self.live.config_maps.remove(set);
            }
            Removal::Pod { name, uid } => {
                let gone = self.pods.remove(name).expect("it was seen");
                assert_eq!(format!("pod-{}", gone.uid), *uid);
            }
            Removal::Volume { name, uid } => {
                assert_eq!(self.live.volumes[name].uid, *uid);
                let pod = name.strip_prefix("data-").expect("a data volume");
                let host = self.hosts.remove(pod);
                assert!(
                    host.is_none_or(|host| !self.ring.contains_key(&host)),
                    "{name} is in use"
                );
                self.live.volumes.remove(name);
            }
        }
    }

    /// Kubernetes and the nodes do one thing each.
    pub(super) fn tick(&mut self) {
        let joining = self.pods.values().any(|pod| pod.node == Node::Joining);
        let formed = self.pods.values().any(|pod| pod.node == Node::Normal);
        let forming = self
            .status()
            .phase
            .is_none_or(|phase| phase == Phase::Initializing);
        let mut may_join = !joining;
        for (name, pod) in &mut self.pods {
            let member = pod.host.is_some();
            pod.node = match pod.node {
                Node::Starting
                    if formed && !(forming && names::ordinal(name) == Some(0)) && !member =>
                {
                    assert!(may_join, "two nodes join at the same time");
                    may_join = false;
                    Node::Joining
                }
                Node::Starting | Node::Joining => Node::Normal,
                other => other,
            };
            if pod.node == Node::Normal {
                let host = pod
                    .host
                    .get_or_insert_with(|| format!("host-{}", pod.ip))
                    .clone();
                self.hosts.insert(name.clone(), host.clone());
                self.ring.insert(host, pod.ip.clone());
            }
        }
        let sets: Vec<StatefulSet> = self.live.stateful_sets.values().cloned().collect();
        for set in sets {
            self.tick_set(&set);
        }
    }

    /// The StatefulSet controller: makes missing pods, replaces one outdated pod at a time, broken ones first.
    fn tick_set(&mut self, set: &StatefulSet) {
        let rack = rack_of(set).expect("our labels");
        let spec = set.spec.as_ref().expect("a spec");
        let revision = crate::cluster::build::digest(&spec.template);
        let container = spec
            .template
            .spec
            .as_ref()
            .expect("a pod")
            .containers
            .last()
            .expect("Cassandra");
        let broken = self
            .bad_images
            .contains(container.image.as_deref().unwrap_or_default());
        let names: Vec<String> = (0..replicas(set))
            .map(|n| names::pod("demo", &rack, n))
            .collect();
        for name in &names {
            if !self.pods.contains_key(name) {
                self.make_pod(name, &rack, &revision, broken);
                let volume = format!("data-{name}");
                let uid = format!("volume-{}", self.made);
                let size = requested(spec);
                self.live.volumes.entry(volume).or_insert(Volume {
                    uid,
                    requested: size.clone(),
                    capacity: Some(size),
                    ..Volume::default()
                });
            }
        }
        let prefix = format!("{}-", set.name_any());
        let too_many = |name: &String| {
            name.strip_prefix(&prefix)
                .is_some_and(|rest| !rest.contains('-'))
                && !names.contains(name)
        };
        // A pod takes its time to end.
        self.pods.retain(|name, pod| {
            let ended = too_many(name) && pod.deleting;
            pod.deleting |= too_many(name);
            !ended
        });
        let rolling = spec
            .update_strategy
            .as_ref()
            .and_then(|strategy| strategy.rolling_update.as_ref());
        let partition = rolling.and_then(|rolling| rolling.partition).unwrap_or(0);
        let outdated = names.iter().rev().find(|name| {
            self.pods[*name].revision != revision && names::ordinal(name).unwrap_or(0) >= partition
        });
        let well = names
            .iter()
            .all(|name| self.pods[name].node == Node::Normal);
        if let Some(name) = outdated
            && (well || self.pods[name].node == Node::Broken)
        {
            self.make_pod(name, &rack, &revision, broken);
        }
        let updated = names
            .iter()
            .filter(|name| self.pods[*name].revision == revision)
            .count();
        let updated = i32::try_from(updated).expect("few pods");
        let live = self
            .live
            .stateful_sets
            .get_mut(&set.name_any())
            .expect("it is there");
        let all = updated == replicas(set);
        let before = live
            .status
            .as_ref()
            .and_then(|status| status.current_revision.clone());
        live.status = Some(StatefulSetStatus {
            observed_generation: live.metadata.generation,
            current_revision: if all { Some(revision.clone()) } else { before },
            update_revision: Some(revision),
            updated_replicas: Some(updated),
            ..StatefulSetStatus::default()
        });
    }

    pub(super) fn make_pod(&mut self, name: &str, rack: &RackId, revision: &str, broken: bool) {
        self.made += 1;
        let host = self.hosts.get(name).cloned();
        // Cassandra does not start over the data of a node that has left.
        let has_left = host
            .as_ref()
            .is_some_and(|host| !self.ring.contains_key(host));
        let pod = Pod {
            rack: rack.clone(),
            revision: revision.to_owned(),
            node: if broken || has_left {
                Node::Broken
            } else {
                Node::Starting
            },
            ip: format!("10.0.0.{}", self.made),
            host,
            restarts: 0,
            deleting: false,
            uid: self.made,
        };
        self.pods.insert(name.to_owned(), pod);
    }

    /// One of the nodes at work makes its call; the operator may be killed before it hears the answer.
    pub(super) fn work(&mut self, index: usize, hears: bool, fails: bool) {
        let Some((kind, pod)) = self
            .at_work
            .iter()
            .nth(index % self.at_work.len().max(1))
            .cloned()
        else {
            return;
        };
        let status = self.cluster.status.get_or_insert_default();
        let Some(operation) = status
            .operations
            .iter()
            .find(|operation| operation.kind == kind)
        else {
            return;
        };
        let node = operation
            .nodes
            .iter()
            .find(|node| node.pod == pod && node.phase == NodePhase::Running);
        let Some(step) = node.map(|node| node.step.clone()) else {
            self.at_work.remove(&(kind, pod));
            return;
        };
        let id = operation.id.clone();
        self.calls
            .push((kind.clone(), id.clone(), pod.clone(), step));
        let leaves = kind == DECOMMISSION && !fails;
        if leaves && !self.pods.contains_key(&pod) {
            return;
        }
        if let Some(node) = self.pods.get_mut(&pod).filter(|_| leaves) {
            if !matches!(
                node.node,
                Node::Normal | Node::Leaving | Node::Decommissioned
            ) {
                return;
            }
            // Over two calls, so that an operator may die while it leaves.
            if node.node == Node::Normal {
                node.node = Node::Leaving;
                if !hears {
                    self.kill_operator();
                }
                return;
            }
            node.node = Node::Decommissioned;
            let host = node.host.clone().unwrap_or_default();
            self.left.extend(self.ring.remove(&host));
        }
        let status = self.cluster.status.get_or_insert_default();
        if !hears {
            return self.kill_operator();
        }
        let event = if fails {
            deciding::StepEvent::Failed("no space left on device".into())
        } else {
            deciding::StepEvent::Done
        };
        if !deciding::record(status, (&kind, &id, &pod), &event, self.now) {
            self.at_work.remove(&(kind, pod));
        }
    }

    /// Everything goes well until nothing is left to do.
    pub(super) fn settle(&mut self) {
        for _ in 0..400 {
            self.pass();
            self.tick();
            // A node whose pod is away makes its call later.
            for _ in 0..30 {
                if !self.at_work.is_empty() {
                    self.work(0, true, false);
                }
            }
            if self.is_settled() {
                return;
            }
        }
        let plan = self.plan();
        unreachable!("does not settle: {:#?}\n{:#?}", plan, self.status());
    }

    /// Whether a further pass would change nothing.
    pub(super) fn is_settled(&self) -> bool {
        let plan = self.plan();
        let current = self.status();
        let wanted = CassandraClusterStatus {
            operations: current.operations.clone(),
            operation_history: current.operation_history.clone(),
            ..plan.status
        };
        plan.objects.is_empty()
            && plan.operations.is_empty()
            && plan.starts.is_empty()
            && !plan.make_secret
            && plan.removals.is_empty()
            && self.at_work.is_empty()
            // A node that could not leave is told again after a while.
            && !current.operations.iter().any(|operation| operation.requested_by.is_some()
                && operation.phase == OperationPhase::Failed)
            && wanted == current
            && self
                .pods
                .values()
                .all(|pod| matches!(pod.node, Node::Normal | Node::Broken | Node::Hanging))
    }
}

/// Size of the data volumes that a StatefulSet makes.
fn requested(spec: &StatefulSetSpec) -> String {
    let claims = spec.volume_claim_templates.as_ref();
    let claim = claims.and_then(|claims| claims.first()?.spec.as_ref());
    let sizes = claim.and_then(|claim| claim.resources.as_ref()?.requests.as_ref());
    sizes
        .and_then(|sizes| sizes.get("storage"))
        .map(|size| size.0.clone())
        .unwrap_or_default()
}

fn seen(pod: &Pod) -> NodePod {
    NodePod {
        uid: format!("pod-{}", pod.uid),
        rack: Some(pod.rack.clone()),
        // A pod whose image cannot be pulled has an address all the same.
        ip: Some(pod.ip.clone()),
        ready: pod.node == Node::Normal,
        deleting: pod.deleting,
        problem: (pod.node == Node::Broken).then(|| {
            "container cassandra: ImagePullBackOff: Back-off pulling image \"nope:1\"".to_owned()
        }),
        revision: pod.revision.clone(),
        restarts: pod.restarts,
    }
}
