//! The checks of `remove` and `replace` before they discard a node: it is down in the view of every member, and the others
//! have its data.

use std::collections::BTreeSet;

use casskop_common::{
    api::{Check, OperationReason},
    checks::CheckName,
};

use crate::{
    node::{Reading, Replication},
    operations::{Life, Member, Refusal, Ring, checks, role_replicas},
};

/// The one node that is meant.
///
/// # Errors
/// When several are, or when the pod does not exist and never had a node.
pub(crate) fn only_one<'a>(ring: &'a Ring<'_>) -> Result<&'a Member<'a>, Refusal> {
    let mut targets = ring.nodes.iter().filter(|member| ring.is_target(member));
    match (targets.next(), targets.next()) {
        (Some(one), None) => Ok(one),
        (None, _) => Err(Refusal {
            reason: OperationReason::NotAMember,
            message: format!(
                "pod {} does not exist, and its node never was a member of the ring: correct the fault that keeps the pod from being created",
                ring.targets.join(", ")
            ),
        }),
        (Some(_), Some(_)) => Err(Refusal {
            reason: OperationReason::OneNodeOnly,
            message:
                "one node at a time: name exactly one --pod, and request it again with a new id"
                    .into(),
        }),
    }
}

/// The checks before the node with this host id is discarded. `None` where no node knows it.
pub(crate) fn checks(ring: &Ring<'_>, host_id: Option<&str>) -> Vec<Check> {
    vec![
        node_is_down(ring, host_id),
        node_is_ours(ring, host_id),
        others_up(ring, host_id),
        others_settled(ring, host_id),
        replicas_remain(ring),
    ]
}

/// Members that answer, without the one that is meant.
fn others<'a, 'h>(
    ring: &'a Ring<'_>,
    host_id: Option<&'h str>,
) -> impl Iterator<Item = (&'a Member<'a>, &'a Reading)> + use<'a, 'h> {
    let answering = ring
        .nodes
        .iter()
        .filter_map(|member| Some((member, *member.reading.as_ref().ok()?)));
    answering.filter(move |(_, reading)| {
        reading.is_member() && Some(reading.local_host_id.as_str()) != host_id
    })
}

/// Every member that answers reports the node as down; so no node is cut off that still serves clients.
fn node_is_down(ring: &Ring<'_>, host_id: Option<&str>) -> Check {
    let name = || CheckName::NodeIsDown;
    let fails = |why: String| checks::check(name(), &[why], String::new);
    let Some(host_id) = host_id else {
        return fails(
            "its host id is not known: it never was a member. Correct the fault that keeps it from starting"
                .into(),
        );
    };
    let mut findings = Vec::new();
    // In any mode: while the node starts or is drained its data is whole.
    for member in &ring.nodes {
        let Ok(reading) = &member.reading else {
            continue;
        };
        let runs_it = reading.local_host_id == host_id;
        let may_run_it = member.host_id == Some(host_id) && reading.local_host_id.is_empty();
        if runs_it || may_run_it {
            findings.push(format!("{} answers: it is {}", member.pod, reading.mode));
        }
    }
    let (mut asked, mut known) = (0, 0);
    for (member, reading) in others(ring, Some(host_id)) {
        asked += 1;
        let Some(ip) = reading.address_of(host_id) else {
            continue;
        };
        known += 1;
        if reading.live.contains(ip) {
            findings.push(format!("{} has {ip} in LiveNodes", member.pod));
        } else if !reading.unreachable.contains(ip) {
            findings.push(format!(
                "{} has {ip} neither in LiveNodes nor in UnreachableNodes yet",
                member.pod
            ));
        }
    }
    if asked == 0 {
        findings
            .push("no other member answers, so there is no ring that could make up for it".into());
    } else if known == 0 {
        findings.push(format!("no node knows a member with host id {host_id}"));
    }
    checks::check(name(), &findings, || match asked {
        1 => format!("the one other node that answers sees {host_id} down (UnreachableNodes)"),
        _ => format!("all {asked} other nodes that answer see {host_id} down (UnreachableNodes)"),
    })
}

/// The proof that a node is not lost. The absence of a node from a list of unreachable nodes is none: a member that has
/// just started does not know every other node yet.
pub(crate) fn life(ring: &Ring<'_>, host_id: Option<&str>) -> Option<Life> {
    let Some(host_id) = host_id else {
        return Some(Life::NotRecorded);
    };
    let mut readings = ring
        .nodes
        .iter()
        .filter_map(|member| member.reading.as_ref().ok());
    if readings.any(|reading| reading.local_host_id == host_id) {
        return Some(Life::Answers);
    }
    let mut others = others(ring, Some(host_id)).map(|(_, reading)| reading);
    let has_it = |reading: &Reading| {
        let ip = reading.address_of(host_id);
        ip.is_some_and(|ip| reading.live.contains(ip))
    };
    others.any(has_it).then_some(Life::InLiveView)
}

/// The node is one of this cluster's. Of another one a cut link shows the same as its death.
fn node_is_ours(ring: &Ring<'_>, host_id: Option<&str>) -> Check {
    let pod = host_id.and_then(|host_id| {
        let mut nodes = ring.nodes.iter();
        nodes.find(|member| member.host_id == Some(host_id))
    });
    let location = host_id
        .and_then(|host_id| address(ring, host_id))
        .and_then(|ip| ring.location(ip));
    let nodes = ring.nodes.iter();
    let of_rack: Vec<&Member<'_>> = nodes
        .filter(|member| Some(&member.rack) == location)
        .collect();
    let findings = match (pod, location) {
        (Some(_), _) => None,
        (None, None) => Some("no node says of which rack it is".to_owned()),
        (None, Some(location)) if of_rack.is_empty() => Some(format!(
            "it is of rack {location}, which this cluster has no pods of"
        )),
        (None, Some(_)) if ring.goes_on_elsewhere => Some(
            "no pod of this cluster ever ran it, and the ring has nodes in other clusters".into(),
        ),
        (None, Some(_)) => of_rack
            .iter()
            .find(|member| member.host_id.is_none())
            .map(|member| {
                format!(
                    "it may be {}, which does not report its host id",
                    member.pod
                )
            }),
    };
    let findings = findings.map(|why| {
        format!("{why}: behind a broken link, a running node appears down. Check the node itself; waive this check if it is dead")
    });
    let findings: Vec<String> = findings.into_iter().collect();
    checks::check(CheckName::NodeInCluster, &findings, || match pod {
        Some(member) => format!("it is the node of {}", member.pod),
        None => "it is of a rack of this cluster, and none of its pods".into(),
    })
}

/// No other node is joining, leaving or moving; the lost one may have been leaving.
fn others_settled(ring: &Ring<'_>, host_id: Option<&str>) -> Check {
    let lost = host_id.and_then(|host_id| address(ring, host_id));
    let findings = checks::unsettled(ring, |ip| lost.is_none_or(|lost| lost != ip));
    checks::check(CheckName::RingSettled, &findings, || {
        "no other node is joining, leaving or moving".into()
    })
}

/// Address by which the members know a node.
pub(crate) fn address<'a>(ring: &'a Ring<'_>, host_id: &str) -> Option<&'a String> {
    let mut readings = others(ring, Some(host_id)).map(|(_, reading)| reading);
    readings.find_map(|reading| reading.address_of(host_id))
}

/// Every other node is NORMAL and reports none down that has to make up for what was lost. A pod that never was a member has
/// nothing to do with it.
fn others_up(ring: &Ring<'_>, host_id: Option<&str>) -> Check {
    let is_it =
        |member: &&Member<'_>| host_id.is_some_and(|host_id| member.host_id == Some(host_id));
    let mut findings: Vec<String> = ring
        .nodes
        .iter()
        .filter(|member| !is_it(member) && member.host_id.is_some())
        .filter_map(checks::down)
        .collect();
    for (member, reading) in others(ring, host_id) {
        let lost = host_id.and_then(|host_id| reading.address_of(host_id));
        let down = reading.down_members();
        let down = down.filter(|ip| Some(*ip) != lost && makes_up_for(ring, reading, lost, ip));
        findings.extend(down.map(|ip| format!("{} sees {ip} down", member.pod)));
    }
    findings.truncate(5);
    checks::check(CheckName::NodesUp, &findings, || {
        "the other nodes are NORMAL and see each other".into()
    })
}

/// Whether a node takes ranges of the lost one over: those of its data center do, as long as one of them lives; all do
/// where a keyspace is replicated without regard to data centers.
fn makes_up_for(ring: &Ring<'_>, reading: &Reading, lost: Option<&String>, ip: &str) -> bool {
    let dc = |ip: &str| ring.location(ip).map(|location| location.dc.as_str());
    let (Some(its), Some(lost)) = (dc(ip), lost.and_then(|lost| dc(lost))) else {
        return true;
    };
    if its != lost {
        return ring.mixes_dcs();
    }
    let mut there = reading.host_ids.keys().filter(|ip| dc(ip) == Some(lost));
    there.any(|ip| !reading.unreachable.contains(ip))
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
            !checks::DIAGNOSTIC.contains(&keyspace.as_str()) && factor(replication) == Some(1)
        })
        .map(|(keyspace, _)| keyspace.as_str())
        .collect();
    let mut findings = Vec::new();
    if ring.replication.is_empty() {
        findings.push("no node says how the keyspaces are replicated".to_owned());
    }
    if !alone.is_empty() {
        let names: Vec<&str> = alone.into_iter().collect();
        findings.push(format!(
            "one replica only: {}; the node's data of them is lost with the node. Start the node again, or waive this check",
            names.join(", ")
        ));
    }
    if ring.roles_are_in_few_nodes {
        findings.push(format!(
            "the replicas of the roles (keyspace {}) are not repaired yet: the node may be the only one that has some of them. Start the node again, or waive this check",
            role_replicas::KEYSPACE
        ));
    }
    checks::check(CheckName::ReplicasRemain, &findings, || {
        "every keyspace has a further replica".into()
    })
}
