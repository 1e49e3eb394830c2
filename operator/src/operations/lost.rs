//! What `remove` and `replace` ask before they discard a node: that it is down in everybody's view, and that the others
//! have what it had.

use std::collections::BTreeSet;

use casskop_common::api::Check;

use super::{Member, Refusal, Ring, checks};
use crate::nodes::{Reading, Replication};

/// Keyspaces of Cassandra's own diagnostics: losing them harms nobody.
const DIAGNOSTIC: [&str; 2] = ["system_distributed", "system_traces"];

/// The one node that is meant.
///
/// # Errors
/// When several are.
pub(super) fn only_one<'a>(ring: &'a Ring<'_>) -> Result<&'a Member<'a>, Refusal> {
    let mut targets = ring.nodes.iter().filter(|member| ring.is_target(member));
    match (targets.next(), targets.next()) {
        (Some(one), None) => Ok(one),
        _ => Err(Refusal {
            reason: "OneAtATime",
            message: "one node at a time: give exactly one --pod, and request again with a new id"
                .into(),
        }),
    }
}

/// The checks before the node with this host id is discarded. `None` where nobody knows it.
pub(super) fn checks(ring: &Ring<'_>, host_id: Option<&str>) -> Vec<Check> {
    vec![
        node_is_down(ring, host_id),
        others_up(ring, host_id),
        checks::ring_settled(ring),
        replicas_remain(ring),
    ]
}

/// Members that answer, without the one that is meant.
fn others<'a>(
    ring: &'a Ring<'_>,
    host_id: Option<&'a str>,
) -> impl Iterator<Item = (&'a Member<'a>, &'a Reading)> {
    let answering = ring
        .nodes
        .iter()
        .filter_map(|member| Some((member, *member.reading.as_ref().ok()?)));
    answering.filter(move |(_, reading)| {
        reading.mode == "NORMAL" && Some(reading.local_host_id.as_str()) != host_id
    })
}

/// Every member that answers sees the node down; so nobody is cut off who still serves clients.
fn node_is_down(ring: &Ring<'_>, host_id: Option<&str>) -> Check {
    let name = "node-is-down";
    let fails = |why: String| checks::check(name, &[why], String::new);
    let Some(host_id) = host_id else {
        return fails(
            "its host id is not known: it never was a member. Correct what keeps it from starting"
                .into(),
        );
    };
    let mut seen = Vec::new();
    let itself = ring.nodes.iter().find(|member| {
        let answers =
            |reading: &&Reading| reading.mode == "NORMAL" && reading.local_host_id == host_id;
        member.reading.as_ref().is_ok_and(answers)
    });
    if let Some(member) = itself {
        seen.push(format!("{} is NORMAL: it runs this node", member.pod));
    }
    let (mut asked, mut known) = (0, 0);
    for (member, reading) in others(ring, Some(host_id)) {
        asked += 1;
        let Some(ip) = reading.address_of(host_id) else {
            continue;
        };
        known += 1;
        if !reading.unreachable.contains(ip) {
            seen.push(format!("{} does not see it down", member.pod));
        }
    }
    if asked == 0 {
        seen.push("no other member answers".into());
    } else if known == 0 {
        seen.push(format!("no node knows a member with host id {host_id}"));
    }
    checks::check(name, &seen, || {
        format!("all {asked} other nodes that answer see {host_id} down")
    })
}

/// Every other node is NORMAL and sees no other one down: they have to hand over what was lost.
fn others_up(ring: &Ring<'_>, host_id: Option<&str>) -> Check {
    let is_it =
        |member: &&Member<'_>| host_id.is_some_and(|host_id| member.host_id == Some(host_id));
    let mut seen: Vec<String> = ring
        .nodes
        .iter()
        .filter(|member| !is_it(member))
        .filter_map(checks::down)
        .collect();
    for (member, reading) in others(ring, host_id) {
        let lost = host_id.and_then(|host_id| reading.address_of(host_id));
        let down = reading.down_members().filter(|ip| Some(*ip) != lost);
        seen.extend(down.map(|ip| format!("{} sees {ip} down", member.pod)));
    }
    seen.truncate(5);
    checks::check("nodes-up", &seen, || {
        "the other nodes are NORMAL and see each other".into()
    })
}

/// Every keyspace has more than one replica: the others have what the lost node had.
fn replicas_remain(ring: &Ring<'_>) -> Check {
    let factor = |replication: &Replication| match replication {
        Replication::Simple(factor) => Some(*factor),
        Replication::Topology(factors) => Some(factors.values().sum()),
        Replication::Other(_) => None,
    };
    let alone: BTreeSet<&str> = ring
        .replication
        .iter()
        .filter(|(keyspace, replication)| {
            !DIAGNOSTIC.contains(&keyspace.as_str()) && factor(replication) == Some(1)
        })
        .map(|(keyspace, _)| keyspace.as_str())
        .collect();
    let mut seen = Vec::new();
    if ring.replication.is_empty() {
        seen.push("no node says how the keyspaces are replicated".to_owned());
    }
    if !alone.is_empty() {
        let names: Vec<&str> = alone.into_iter().collect();
        seen.push(format!(
            "one replica only: {}; what the node held of them is lost with it. Bring it back, or waive this check",
            names.join(", ")
        ));
    }
    checks::check("replicas-remain", &seen, || {
        "every keyspace has a further replica".into()
    })
}
