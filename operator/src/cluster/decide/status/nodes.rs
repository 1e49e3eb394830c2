//! Nodes, as they and their peers say.

use std::collections::BTreeMap;

use casskop_common::{
    api::{CassandraClusterStatus, NodeStatus},
    names::RackId,
};

use crate::cluster::snapshot::Snapshot;

/// The nodes, by pod name.
pub(super) fn nodes(
    snapshot: &Snapshot,
    old: &CassandraClusterStatus,
) -> BTreeMap<String, NodeStatus> {
    snapshot
        .expected_pods()
        .into_iter()
        .map(|(pod, rack)| {
            let before = old.cassandra_node_status.get(&pod);
            let status = node_status(&pod, &rack, snapshot, before);
            (pod, status)
        })
        .collect()
}

fn node_status(
    pod: &str,
    rack: &RackId,
    snapshot: &Snapshot,
    before: Option<&NodeStatus>,
) -> NodeStatus {
    let live = snapshot.pods.get(pod);
    let reading = snapshot.reading(pod);
    let ip = live.and_then(|live| live.ip.clone()).unwrap_or_default();
    // What a node said while it was NORMAL stays: a node that is down is still known by its host id.
    let remembered = |now: Option<&String>, before: Option<&String>| {
        now.filter(|text| !text.is_empty())
            .or(before)
            .cloned()
            .unwrap_or_default()
    };
    let member = reading.filter(|reading| reading.is_normal());
    NodeStatus {
        host_id: remembered(
            member.map(|reading| &reading.local_host_id),
            before.map(|before| &before.host_id),
        ),
        version: remembered(
            reading.map(|reading| &reading.version),
            before.map(|before| &before.version),
        ),
        load_bytes: load(
            member.map(|reading| reading.load),
            before.and_then(|before| before.load_bytes),
        ),
        gossip: gossip(&ip, pod, snapshot).to_owned(),
        state: reading.map_or_else(|| "Unknown".to_owned(), |reading| reading.mode.clone()),
        ready: live.is_some_and(|live| live.ready),
        message: snapshot.trouble(pod),
        dc: rack.dc.clone(),
        rack: rack.rack.clone(),
        node_ip: ip,
    }
}

/// How the peers see a node.
fn gossip(ip: &str, pod: &str, snapshot: &Snapshot) -> &'static str {
    let peers = || {
        snapshot
            .nodes
            .iter()
            .filter(|(name, _)| *name != pod)
            .filter_map(|(_, reading)| reading.as_ref().ok())
    };
    if ip.is_empty() {
        "Unknown"
    } else if peers().any(|peer| peer.unreachable.contains(ip)) {
        "Down"
    } else if peers().any(|peer| peer.live.contains(ip))
        || snapshot
            .reading(pod)
            .is_some_and(|own| own.live.contains(ip))
    {
        "Up"
    } else {
        "Unknown"
    }
}

/// The load moves all the time; it is told anew when it moved by a tenth.
fn load(now: Option<i64>, before: Option<i64>) -> Option<i64> {
    match (now, before) {
        (Some(now), Some(before)) if (now - before).abs() <= before / 10 => Some(before),
        (now, before) => now.or(before),
    }
}
