//! Model of Cassandra: nodes join, answer, and leave.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use casskop_common::{
    api::{NodeTransport, OperationMode, OperationNode, Phase},
    names,
    operations::OperationKind,
};

use crate::{
    digest::digest,
    node::{NodeError, Reading},
    objects::config_map,
    observed::replicas,
    pod_config::RackConfig,
    simulation::{Node, Pod, World},
};

impl World {
    /// The answer of a pod's node; none while it starts or is broken.
    pub fn reading(&self, pod: &Pod) -> Option<Result<Reading, NodeError>> {
        let normal = |pod: &Pod| pod.node == Node::Normal;
        let ips = |wanted: &dyn Fn(&Pod) -> bool| -> BTreeSet<String> {
            self.pods
                .values()
                .filter(|pod| wanted(pod))
                .map(|pod| pod.ip.clone())
                .collect()
        };
        let runs = |host: &String| {
            let up = |pod: &&Pod| matches!(pod.node, Node::Normal | Node::Leaving);
            let mut up = self.pods.values().filter(up);
            up.any(|pod| pod.host.as_ref() == Some(host))
        };
        match pod.node {
            Node::Starting | Node::Broken => None,
            _ if self.cut.is_some() => self.cut.clone().map(Err),
            Node::Hanging | Node::Lost => Some(Err(NodeError::Timeout(4))),
            // The agent answers when the node has joined.
            Node::Joining if pod.transport == NodeTransport::ManagementApi => Some(Ok(Reading {
                mode: OperationMode::Starting,
                ..Reading::default()
            })),
            Node::Joining | Node::Normal | Node::Leaving | Node::Decommissioned => {
                Some(Ok(Reading {
                    mode: match pod.node {
                        Node::Normal => "NORMAL",
                        Node::Leaving => "LEAVING",
                        Node::Decommissioned => "DECOMMISSIONED",
                        _ => "JOINING",
                    }
                    .into(),
                    live: Arc::new(ips(&|other| {
                        normal(other) || other.node == Node::Leaving || other.ip == pod.ip
                    })),
                    unreachable: Arc::new(
                        self.ring
                            .iter()
                            .filter(|(host, _)| !runs(host))
                            .map(|(_, ip)| ip.clone())
                            .chain(self.left.iter().cloned())
                            .collect(),
                    ),
                    joining: ips(&|other| other.node == Node::Joining),
                    leaving: ips(&|other| other.node == Node::Leaving),
                    host_ids: Arc::new(
                        self.ring
                            .iter()
                            .map(|(host, ip)| (ip.clone(), host.clone()))
                            .collect(),
                    ),
                    local_host_id: pod
                        .host
                        .clone()
                        .unwrap_or_else(|| format!("host-{}", pod.ip)),
                    version: self.version.clone(),
                    schema_version: digest(&format!("{:?}", self.replication)),
                    native_transport: normal(pod),
                    keyspaces: Arc::new(
                        ["orders", "system_auth", "users"]
                            .map(str::to_owned)
                            .to_vec(),
                    ),
                    load: self.load,
                    snapshots: Some(BTreeSet::new()),
                    tokens: Some(if pod.host.is_some() { 16 } else { 0 }),
                    ..Reading::default()
                }))
            }
        }
    }

    /// Nodes start and join, one at a time once the ring is formed.
    pub fn tick_nodes(&mut self) {
        // A pod that is being deleted does not finish its start, and its node does not join.
        let joins = |pod: &Pod| pod.node == Node::Joining && !pod.deleting;
        let joining = self.pods.values().any(joins);
        // Kubernetes, and not the operator, chooses the time at which the pod of a lost node starts.
        let is_of_lost = |name: &String| self.lost.contains(name);
        let mut pods = self.pods.iter();
        let mut by_chance = pods.any(|(name, pod)| joins(pod) && is_of_lost(name));
        // With seeds elsewhere, the ring exists from the start, and its members limit the joins.
        let joins_a_ring = !self.cluster.spec.seeds.is_empty();
        let formed = joins_a_ring || self.pods.values().any(|pod| pod.node == Node::Normal);
        let forming = !joins_a_ring
            && self
                .status()
                .phase
                .is_none_or(|phase| phase == Phase::Initializing);
        let mut may_join = !joining;
        // Kubernetes ends a surplus pod faster than its process starts. A pod whose StatefulSet was deleted by hand runs on.
        let sets = &self.live.stateful_sets;
        let is_surplus = |name: &str| {
            let ordinal = names::ordinal(name).unwrap_or(0);
            let set = name.rsplit_once('-').and_then(|(set, _)| sets.get(set));
            set.is_some_and(|set| ordinal >= replicas(set))
        };
        let ends = |(name, pod): &(&String, &mut Pod)| {
            pod.deleting || (pod.node == Node::Starting && is_surplus(name))
        };
        let restores = self.live.config_maps.iter().filter_map(|(set, map)| {
            let restore = RackConfig::of(map)?.restore?;
            Some((set.clone(), restore.released))
        });
        let restores: BTreeMap<String, bool> = restores.collect();
        let released = |name: &str| {
            let set = name.rsplit_once('-').map(|(set, _)| set)?;
            restores.get(set).copied()
        };
        for (name, pod) in self.pods.iter_mut().filter(|pod| !ends(pod)) {
            let member = pod.host.is_some();
            pod.node = match pod.node {
                Node::Starting if released(name) == Some(false) => Node::Starting,
                // It has its tokens and its data.
                Node::Starting if released(name) == Some(true) => Node::Normal,
                Node::Starting
                    if formed && !(forming && names::ordinal(name) == Some(0)) && !member =>
                {
                    by_chance |= self.lost.contains(name);
                    // Cassandra refuses a second node that joins, and the kubelet starts it again.
                    assert!(may_join || by_chance, "two nodes join at the same time");
                    if std::mem::take(&mut may_join) {
                        Node::Joining
                    } else {
                        Node::Starting
                    }
                }
                Node::Starting | Node::Joining => Node::Normal,
                other => other,
            };
            if pod.node == Node::Normal {
                let host = pod
                    .host
                    .get_or_insert_with(|| format!("host-{}", pod.ip))
                    .clone();
                if let Some(address) = pod.replaces.take() {
                    self.ring.retain(|_, ip| *ip != address);
                }
                self.hosts.insert(name.clone(), host.clone());
                self.locations.insert(host.clone(), pod.rack.clone());
                self.ring.insert(host, pod.ip.clone());
            }
        }
    }

    /// One step of a remove or replace. Returns whether it is done.
    pub fn discard_volumes(&mut self, kind: OperationKind, node: &OperationNode) -> bool {
        if kind == OperationKind::Remove && node.step == node.host_id {
            assert!(!self.runs(&node.host_id), "{} is alive", node.host_id);
            self.left.extend(self.ring.remove(&node.host_id));
            return true;
        }
        let rack = node.pod.rsplit_once('-').expect("an ordinal").0;
        let told = config_map::nodes(&self.live.config_maps[rack]);
        let may = match kind {
            OperationKind::Replace => told.replaces(&node.pod),
            _ => told.lets_join_after(&node.pod, &node.host_id),
        };
        if !may {
            return false;
        }
        let has_taken_place = |pod: &Pod| match kind {
            OperationKind::Replace => {
                pod.node == Node::Normal && !self.ring.contains_key(&node.host_id)
            }
            _ => {
                matches!(pod.node, Node::Normal | Node::Joining)
                    && pod.host.as_ref() != Some(&node.host_id)
            }
        };
        if self.pods.get(&node.pod).is_some_and(has_taken_place) {
            return true;
        }
        let is_old = |pod: &Pod| format!("pod-{}", pod.uid) == node.pod_uid;
        if self.pods.get(&node.pod).is_some_and(is_old) {
            self.pods.remove(&node.pod);
        }
        for volume in &node.volumes {
            let live = self.live.volumes.get(&volume.name);
            if live.is_some_and(|live| live.uid == volume.uid) {
                assert!(!self.runs(&node.host_id), "{} is in use", volume.name);
                self.live.volumes.remove(&volume.name);
                self.hosts.remove(&node.pod);
                // Created anew since the record, on the same volume.
                self.pods.remove(&node.pod);
            }
        }
        let pod = self.pods.get(&node.pod);
        kind == OperationKind::Remove
            || pod.is_some_and(|pod| pod.node == Node::Normal && !is_old(pod))
    }

    /// Whether the node that a `remove` took out of the ring is in it again: its pod had found its data before, and finished
    /// its start afterwards. The step that discards the volumes fails then.
    pub fn is_back_in_ring(&self, kind: OperationKind, node: &OperationNode) -> bool {
        let discards = kind == OperationKind::Remove && node.step != node.host_id;
        discards && self.ring.contains_key(&node.host_id)
    }

    /// Deletes the pod that the operation started with. Returns whether its successor serves clients.
    pub fn restart(&mut self, node: &OperationNode) -> bool {
        let is_old = |pod: &Pod| format!("pod-{}", pod.uid) == node.pod_uid;
        if self.pods.get(&node.pod).is_some_and(is_old) {
            self.pods.remove(&node.pod);
        }
        let pod = self.pods.get(&node.pod);
        pod.is_some_and(|pod| pod.node == Node::Normal)
    }

    fn runs(&self, host: &str) -> bool {
        let mut pods = self.pods.values();
        pods.any(|pod| pod.node == Node::Normal && pod.host.as_deref() == Some(host))
    }

    /// Loses a pod and the volume of its node. Returns the host ID.
    pub fn lose(&mut self, pod: &str) -> String {
        self.lost.insert(pod.to_owned());
        let host = self.hosts.remove(pod).expect("it was a member");
        self.live.volumes.remove(&format!("data-{pod}"));
        self.pods.remove(pod);
        host
    }

    /// Whether a pod runs the member, or a volume has its data.
    pub fn may_come_back(&self, host: &String) -> bool {
        let mut pods = self.pods.values();
        pods.any(|pod| pod.host.as_ref() == Some(host))
            || self.hosts.values().any(|old| old == host)
    }

    /// Removes a node from the ring with Cassandra's tools, without the operator.
    pub fn remove_by_hand(&mut self, host: &str) {
        self.left.extend(self.ring.remove(host));
    }

    /// One call of a decommission. Returns whether the node has left the ring.
    pub fn leave(&mut self, pod: &str, hears: bool) -> bool {
        let Some(node) = self.pods.get_mut(pod) else {
            return false;
        };
        if !matches!(
            node.node,
            Node::Normal | Node::Leaving | Node::Decommissioned
        ) {
            return false;
        }
        // Leaving takes two calls, so that the operator can be killed in between.
        if node.node == Node::Normal {
            node.node = Node::Leaving;
            if !hears {
                self.kill_operator();
            }
            return false;
        }
        node.node = Node::Decommissioned;
        let host = node.host.clone().unwrap_or_default();
        self.left.extend(self.ring.remove(&host));
        true
    }
}
