//! Nodes, as they and their peers say.

use std::collections::BTreeMap;

use casskop_common::{
    api::{CassandraClusterStatus, NodeStatus, Phase, SeenReplication},
    names::{self, RackId},
    operations::REMOVE,
};

use crate::{
    node::Reading,
    observed::{Snapshot, UNKNOWN},
    rollout::Rollout,
    status::debt::{self, Losses, Stayed},
};

/// The nodes, by pod name.
pub(crate) fn nodes(
    snapshot: &Snapshot,
    rollout: &Rollout,
    replication: Option<&SeenReplication>,
    old: &CassandraClusterStatus,
) -> BTreeMap<String, NodeStatus> {
    let expected = snapshot.expected_pods();
    let losses = Losses {
        grown: grown(snapshot, old),
        seen: old.replication.as_ref().zip(replication),
        stayed: Stayed::find(snapshot, rollout),
    };
    let nodes = expected.iter().map(|(pod, rack)| {
        let before = old.cassandra_node_status.get(pod);
        let mut status = node_status(pod, rack, snapshot, before);
        debt::record(&mut status, pod, before, &losses, snapshot, old);
        (pod.clone(), status)
    });
    // While a StatefulSet is missing, its nodes are not forgotten: it comes back with them; and who is a member still can
    // only be replaced or removed by who knows him.
    let missing = |(pod, node): &(&String, &NodeStatus)| {
        let rack = RackId::new(&node.dc, &node.rack);
        let set = names::stateful_set(snapshot.name(), &rack);
        let kept = snapshot
            .live
            .volumes
            .contains_key(&format!("{}-{pod}", names::DATA_VOLUME))
            || snapshot.pods.contains_key(*pod)
            || (!node.host_id.is_empty() && !snapshot.is_forgotten(&node.host_id));
        kept && !snapshot.live.stateful_sets.contains_key(&set)
    };
    let lost = old
        .cassandra_node_status
        .iter()
        .filter(missing)
        .map(|(pod, node)| {
            let mut status = node.clone();
            debt::record(&mut status, pod, Some(node), &losses, snapshot, old);
            (pod.clone(), status)
        });
    lost.chain(nodes).collect()
}

/// Data centers that a node has just joined, after the ring was formed: the nodes that were there before hold what it
/// has taken over.
fn grown(snapshot: &Snapshot, old: &CassandraClusterStatus) -> Vec<String> {
    let joined = |(pod, _): &(String, RackId)| {
        let before = old.cassandra_node_status.get(pod);
        let was_newcomer = before.is_none_or(|before| before.host_id.is_empty());
        was_newcomer && snapshot.reading(pod).is_some_and(Reading::is_normal)
    };
    if old.phase.is_none_or(|phase| phase == Phase::Initializing) {
        return Vec::new();
    }
    let joined = snapshot.expected_pods().into_iter().filter(joined);
    joined.map(|(_, rack)| rack.dc).collect()
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
            before
                .map(|before| &before.host_id)
                .filter(|host_id| !was_removed(host_id, snapshot)),
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
        state: reading.map_or_else(|| UNKNOWN.to_owned(), |reading| reading.mode.to_string()),
        ready: live.is_some_and(|live| live.ready),
        message: snapshot.trouble(pod),
        cleanup_required_since: None,
        cleanup_required_reason: None,
        dc: rack.dc.clone(),
        rack: rack.rack.clone(),
        node_ip: ip,
    }
}

/// Whether the node was taken out of the ring by `remove`: its pod joins as a new one.
fn was_removed(host_id: &str, snapshot: &Snapshot) -> bool {
    let mut removals = snapshot
        .operations()
        .filter(|operation| operation.kind == REMOVE);
    removals.any(|operation| {
        operation.nodes.iter().any(|node| {
            let done = node.progress.as_ref().is_some_and(|told| told.done > 0);
            done && node.host_id == *host_id && snapshot.is_forgotten(host_id)
        })
    })
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

/// The load moves all the time; it is told anew when it moved by a tenth, and by a MiB.
fn load(now: Option<i64>, before: Option<i64>) -> Option<i64> {
    match (now, before) {
        (Some(now), Some(before)) if (now - before).abs() <= (before / 10).max(1 << 20) => {
            Some(before)
        }
        (now, before) => now.or(before),
    }
}
