//! Nodes, as they and their peers report.

use std::collections::BTreeMap;

use casskop_common::{
    api::{CassandraClusterStatus, NodeStatus, Phase, SeenReplication},
    names::{self, RackId},
    operations::OperationKind,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::{
    node::Reading,
    observed::{ObservedState, UNKNOWN},
    rollout::Rollout,
    status::pending_cleanup::{self, Losses, Stayed},
};

/// The nodes, by pod name, and the cleanup generation of the cluster.
pub(crate) fn nodes(
    state: &ObservedState,
    rollout: &Rollout,
    replication: Option<&SeenReplication>,
    old: &CassandraClusterStatus,
) -> (BTreeMap<String, NodeStatus>, Option<i64>) {
    let expected = state.expected_pods();
    let losses = Losses::new(
        grown(state, old),
        old.replication.as_ref().zip(replication),
        Stayed::find(state, rollout),
        old,
    );
    let nodes = expected.iter().map(|(pod, rack)| {
        let before = old.cassandra_node_status.get(pod);
        let mut status = node_status(pod, rack, state, before);
        pending_cleanup::record(&mut status, pod, before, &losses, state);
        (pod.clone(), status)
    });
    // While a StatefulSet is missing, its nodes are not forgotten: it comes back with them; and a node that is still a
    // member can only be replaced or removed by its recorded host id.
    let missing = |(pod, node): &(&String, &NodeStatus)| {
        let rack = RackId::new(&node.dc, &node.rack);
        let set = names::stateful_set(state.name(), &rack);
        let kept = state
            .live
            .volumes
            .contains_key(&format!("{}-{pod}", names::DATA_VOLUME))
            || state.pods.contains_key(*pod)
            || (!node.host_id.is_empty() && !state.is_forgotten(&node.host_id));
        kept && !state.live.stateful_sets.contains_key(&set)
    };
    let lost = old
        .cassandra_node_status
        .iter()
        .filter(missing)
        .map(|(pod, node)| {
            let mut status = node.clone();
            pending_cleanup::record(&mut status, pod, Some(node), &losses, state);
            (pod.clone(), status)
        });
    let nodes: BTreeMap<String, NodeStatus> = lost.chain(nodes).collect();
    let generation = losses.reached(nodes.values(), old);
    (nodes, generation)
}

/// Data centers that a node has just joined, after the ring was formed: the nodes that were there before hold what it
/// has taken over.
fn grown(state: &ObservedState, old: &CassandraClusterStatus) -> Vec<String> {
    let joined = |(pod, _): &(String, RackId)| {
        let before = old.cassandra_node_status.get(pod);
        let was_newcomer = before.is_none_or(|before| before.host_id.is_empty());
        was_newcomer && state.reading(pod).is_some_and(Reading::is_serving)
    };
    if old.phase.is_none_or(|phase| phase == Phase::Initializing) {
        return Vec::new();
    }
    let joined = state.expected_pods().into_iter().filter(joined);
    joined.map(|(_, rack)| rack.dc).collect()
}

fn node_status(
    pod: &str,
    rack: &RackId,
    state: &ObservedState,
    before: Option<&NodeStatus>,
) -> NodeStatus {
    let live = state.pods.get(pod);
    let reading = state.reading(pod);
    let ip = live.and_then(|live| live.ip.clone()).unwrap_or_default();
    // The report of a node that was NORMAL stays: a node that is down is still known by its host id.
    let remembered = |now: Option<&String>, before: Option<&String>| {
        now.filter(|text| !text.is_empty())
            .or(before)
            .cloned()
            .unwrap_or_default()
    };
    let member = reading.filter(|reading| reading.is_serving());
    let forgotten = before.and_then(|before| forgotten(pod, before, state));
    let is_forgotten = matches!(forgotten, Some(Forgotten::ForGood));
    let not_found_since = match forgotten {
        Some(Forgotten::Since(since)) => Some(since),
        _ => None,
    };
    NodeStatus {
        host_id: remembered(
            member.map(|reading| &reading.local_host_id),
            before
                .map(|before| &before.host_id)
                .filter(|_| !is_forgotten),
        ),
        not_found_by: not_found_since.is_some().then(|| state.executor.clone()),
        not_found_since,
        version: remembered(
            reading.map(|reading| &reading.version),
            before.map(|before| &before.version),
        ),
        load_bytes: load(
            member.map(|reading| reading.load),
            before.and_then(|before| before.load_bytes),
        ),
        gossip: gossip(&ip, pod, state).to_owned(),
        state: reading.map_or_else(|| UNKNOWN.to_owned(), |reading| reading.mode.to_string()),
        ready: live.is_some_and(|live| live.ready),
        internode_tls: live
            .map(|live| live.encryption.internode)
            .filter(|mode| mode.has_tls()),
        client_tls: live
            .map(|live| live.encryption.client)
            .filter(|mode| mode.has_tls()),
        message: state.health_problem(pod),
        cleanup_required_since: None,
        cleanup_required_reason: None,
        cleanup_generation: None,
        dc: rack.dc.clone(),
        rack: rack.rack.clone(),
        node_ip: ip,
    }
}

/// A recorded member that the ring no longer has, although no decommission of it is recorded: its pod joins as a new node.
enum Forgotten {
    /// No member has it at the moment, since then.
    Since(Time),
    /// Proven.
    ForGood,
}

/// Whether the ring has forgotten a node. The proof is the step of a `remove` that took the node out, or two observations
/// in which each other member answers and none has it, as after a `removenode` by hand: otherwise the node could never be
/// replaced, and its pod could never join.
fn forgotten(pod: &str, before: &NodeStatus, state: &ObservedState) -> Option<Forgotten> {
    if before.host_id.is_empty() || !state.is_forgotten(&before.host_id) {
        return None;
    }
    if was_removed(&before.host_id, state) {
        return Some(Forgotten::ForGood);
    }
    if !is_unknown_to_all_others(pod, state) {
        return None;
    }
    let since = before.not_found_since.as_ref().map(|since| since.0);
    Some(match state.proven(since, before.not_found_by.as_ref()) {
        Err(first) => Forgotten::Since(Time(first)),
        Ok(()) => Forgotten::ForGood,
    })
}

/// Whether a `remove` has taken the node out of the ring.
fn was_removed(host_id: &str, state: &ObservedState) -> bool {
    let removals = state
        .operations()
        .filter(|operation| operation.kind == OperationKind::Remove);
    let mut nodes = removals.flat_map(|operation| &operation.nodes);
    nodes.any(|node| {
        let done = node
            .progress
            .as_ref()
            .is_some_and(|progress| progress.done > 0);
        done && node.host_id == *host_id
    })
}

/// Whether a node does not answer, has no recorded decommission, and all others that are recorded as members answer as
/// members. A member that is silent could be the one that knows the node.
fn is_unknown_to_all_others(pod: &str, state: &ObservedState) -> bool {
    let answers = |pod: &str| state.reading(pod).is_some_and(Reading::is_member);
    let expected = state.expected_pods();
    let mut others = expected
        .iter()
        .map(|(other, _)| other.as_str())
        .filter(|other| *other != pod && state.host_id(other).is_some());
    state.reading(pod).is_none()
        && state.decommission_of(pod).is_none()
        && state.members().next().is_some()
        && others.all(answers)
}

/// The state of a node in the view of its peers.
fn gossip(ip: &str, pod: &str, state: &ObservedState) -> &'static str {
    let peers = || {
        state
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
        || state.reading(pod).is_some_and(|own| own.live.contains(ip))
    {
        "Up"
    } else {
        "Unknown"
    }
}

/// The load changes all the time; it is reported anew when it changed by a tenth, and by a MiB.
fn load(now: Option<i64>, before: Option<i64>) -> Option<i64> {
    match (now, before) {
        (Some(now), Some(before)) if (now - before).abs() <= (before / 10).max(1 << 20) => {
            Some(before)
        }
        (now, before) => now.or(before),
    }
}
