//! The model of Cassandra: nodes join, answer, and leave.

use std::collections::BTreeSet;

use casskop_common::{api::Phase, names};

use super::{Node, Pod, World};
use crate::nodes::{NodeError, Reading};

impl World {
    /// What the node of a pod says, if its pod has an address.
    pub(super) fn reading(&self, pod: &Pod) -> Option<Result<Reading, NodeError>> {
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
        match pod.node {
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
        }
    }

    /// Nodes start and join, one at a time once the ring is formed.
    pub(super) fn tick_nodes(&mut self) {
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
    }

    /// A node is told to leave the ring. Says whether it has done so.
    pub(super) fn leave(&mut self, pod: &str, hears: bool) -> bool {
        let Some(node) = self.pods.get_mut(pod) else {
            return false;
        };
        if !matches!(
            node.node,
            Node::Normal | Node::Leaving | Node::Decommissioned
        ) {
            return false;
        }
        // Over two calls, so that an operator may die while it leaves.
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
