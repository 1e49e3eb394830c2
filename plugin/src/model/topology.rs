//! The nodes of the spec and of the status of a cluster. Pure.

use std::collections::BTreeMap;

use casskop_common::{
    api::{CassandraCluster, NodeStatus},
    names::{self, RackId},
};
use kube::ResourceExt;

/// Data center and rack of a cluster that names none.
const DEFAULT_RACK: (&str, &str) = ("dc1", "rack1");

/// A node of the spec or of the status.
#[derive(Clone, Debug, PartialEq)]
pub struct Node<'a> {
    /// Its pod.
    pub pod: String,
    /// The reported status.
    pub status: Option<&'a NodeStatus>,
}

/// All nodes by rack; within a rack in the order of their ordinals.
pub fn nodes(cluster: &CassandraCluster) -> BTreeMap<RackId, Vec<Node<'_>>> {
    let name = cluster.name_any();
    let reported = cluster
        .status
        .as_ref()
        .map(|status| &status.cassandra_node_status);
    let mut racks: BTreeMap<RackId, Vec<Node>> = BTreeMap::new();
    for (rack, size) in wanted(cluster) {
        let pods = (0..size).map(|ordinal| names::pod(&name, &rack, ordinal));
        let nodes = pods.map(|pod| Node {
            status: reported.and_then(|all| all.get(&pod)),
            pod,
        });
        racks.insert(rack.clone(), nodes.collect());
    }
    for (pod, status) in reported.into_iter().flatten() {
        let Some(rack) = rack_of(&name, pod, status) else {
            continue;
        };
        let nodes = racks.entry(rack).or_default();
        if nodes.iter().all(|node| &node.pod != pod) {
            nodes.push(Node {
                pod: pod.clone(),
                status: Some(status),
            });
        }
    }
    for nodes in racks.values_mut() {
        nodes.sort_by_key(|node| names::ordinal(&node.pod));
    }
    racks
}

/// The racks of the spec with their numbers of nodes.
fn wanted(cluster: &CassandraCluster) -> Vec<(RackId, i32)> {
    let size = cluster.spec.nodes_per_racks.unwrap_or(1);
    let dcs = cluster
        .spec
        .topology
        .as_ref()
        .map(|topology| topology.dc.as_slice())
        .unwrap_or_default();
    if dcs.is_empty() {
        return vec![(RackId::new(DEFAULT_RACK.0, DEFAULT_RACK.1), size)];
    }
    let mut racks = Vec::new();
    for dc in dcs {
        let size = dc.nodes_per_racks.unwrap_or(size);
        if dc.rack.is_empty() {
            racks.push((RackId::new(&dc.name, DEFAULT_RACK.1), size));
        }
        racks.extend(
            dc.rack
                .iter()
                .map(|rack| (RackId::new(&dc.name, &rack.name), size)),
        );
    }
    racks
}

/// The rack in the status; without one, the rack in the name of the pod.
fn rack_of(cluster: &str, pod: &str, status: &NodeStatus) -> Option<RackId> {
    if !status.dc.is_empty() && !status.rack.is_empty() {
        return Some(RackId::new(&status.dc, &status.rack));
    }
    let mut parts = pod.strip_prefix(cluster)?.strip_prefix('-')?.split('-');
    Some(RackId::new(parts.next()?, parts.next()?))
}
