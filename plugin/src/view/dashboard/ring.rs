//! The nodes of a cluster by data center and rack. Pure.

use casskop_common::api::{CassandraCluster, NodePhase, NodeStatus, OperationStatus};
use serde::Serialize;

use crate::{
    model::topology,
    terminal::colors::Tone,
    text::{bytes, plain},
    view::status,
};

/// A data center.
#[derive(Debug, Serialize)]
pub struct DataCenter {
    name: String,
    racks: Vec<Rack>,
}

#[derive(Debug, Serialize)]
struct Rack {
    name: String,
    nodes: Vec<Node>,
}

/// A node; the status of `CassandraCluster`s has no tokens, so that the place of a node is its rack.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Node {
    pod: String,
    /// Two letters as in `nodetool status`, `--` for a node that was not reported.
    code: String,
    state: String,
    tone: Tone,
    is_reported: bool,
    ready: bool,
    version: String,
    address: String,
    host_id: String,
    load: String,
    /// The load as a share of the largest one, for the picture; none if it is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    load_percent: Option<i64>,
    /// Operations at work on the node.
    at_work: Vec<String>,
    needs_cleanup: bool,
    message: String,
}

/// The data centers of a cluster, in the order of their names.
pub fn of(cluster: &CassandraCluster) -> Vec<DataCenter> {
    let operations = cluster.status.iter().flat_map(|status| &status.operations);
    let operations: Vec<&OperationStatus> = operations.collect();
    let racks = topology::nodes(cluster);
    let loads = racks.values().flatten();
    let loads = loads.filter_map(|node| node.status?.load_bytes);
    let largest = loads.max().unwrap_or(0);
    let mut dcs: Vec<DataCenter> = Vec::new();
    for (rack, nodes) in racks {
        let nodes = nodes.iter().map(|node| {
            let at_work = operations.iter().filter(|operation| {
                let mut nodes = operation.nodes.iter();
                nodes.any(|one| one.pod == node.pod && one.phase == NodePhase::Running)
            });
            let at_work = at_work.map(|operation| operation.kind.to_string());
            known(node, largest, at_work.collect())
        });
        let shown = Rack {
            name: rack.rack,
            nodes: nodes.collect(),
        };
        match dcs.last_mut() {
            Some(last) if last.name == rack.dc => last.racks.push(shown),
            _ => dcs.push(DataCenter {
                name: rack.dc,
                racks: vec![shown],
            }),
        }
    }
    dcs
}

fn known(node: &topology::Node, largest: i64, at_work: Vec<String>) -> Node {
    let (code, state, tone) = node.status.map_or_else(
        || ("--".into(), "not reported yet".into(), Tone::Dim),
        status::state,
    );
    let nothing = NodeStatus::default();
    let reported = node.status.unwrap_or(&nothing);
    let share = |load: i64| load.saturating_mul(100) / largest.max(1);
    Node {
        pod: plain(&node.pod).into_owned(),
        code,
        state,
        tone,
        is_reported: node.status.is_some(),
        ready: reported.ready,
        version: plain(&reported.version).into_owned(),
        address: plain(&reported.node_ip).into_owned(),
        host_id: plain(&reported.host_id).into_owned(),
        load: reported.load_bytes.map(bytes).unwrap_or_default(),
        load_percent: reported.load_bytes.map(share),
        at_work,
        needs_cleanup: reported.cleanup_required_since.is_some(),
        message: plain(reported.message.as_deref().unwrap_or_default()).into_owned(),
    }
}
