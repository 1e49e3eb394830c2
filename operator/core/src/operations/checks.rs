//! Named safety checks. Each reports its evidence, so that a person can verify it.

use std::collections::{BTreeMap, BTreeSet};

use casskop_common::{api::Check, checks::CheckName, names::RackId, text};

use crate::{
    node::Replication,
    operations::{Member, Ring},
};

/// Every target is NORMAL and serves clients.
pub(crate) fn nodes_up(ring: &Ring<'_>) -> Check {
    let targets = || ring.nodes.iter().filter(|member| ring.is_target(member));
    let findings: Vec<String> = targets().filter_map(down).collect();
    let pods = targets().filter(|member| down(member).is_some());
    let pods = pods.map(|member| member.pod);
    about(
        pods,
        check(CheckName::NodesUp, &findings, || {
            format!(
                "{} NORMAL",
                text::all_are(ring.targets.len(), "target node")
            )
        }),
    )
}

/// A check that passes when there are no findings.
pub(crate) fn check(name: CheckName, findings: &[String], well: impl FnOnce() -> String) -> Check {
    Check {
        name: name.into(),
        passed: findings.is_empty(),
        evidence: if findings.is_empty() {
            well()
        } else {
            findings.join("; ")
        },
        ..Check::default()
    }
}

/// A check that found these pods wanting.
pub(super) fn about<'a>(pods: impl Iterator<Item = &'a str>, check: Check) -> Check {
    Check {
        pods: pods.map(str::to_owned).collect(),
        ..check
    }
}

/// Why a node is not NORMAL and serving clients.
pub(crate) fn down(member: &Member<'_>) -> Option<String> {
    let pod = member.pod;
    match &member.reading {
        Ok(reading) if reading.is_serving() => None,
        Ok(reading) if reading.is_member() => Some(format!("{pod} serves no clients")),
        Ok(reading) => Some(format!("{pod} is {}", reading.mode)),
        Err(error) => Some(format!("{pod}: {error}")),
    }
}

fn down_itself(member: &Member<'_>) -> bool {
    down(member).is_some()
}

/// Keyspaces of Cassandra's own diagnostics: history of repairs and traces. Losing a replica of them does no harm.
pub(crate) const DIAGNOSTIC: [&str; 2] = ["system_distributed", "system_traces"];

/// Part of a volume that data may fill, in percent: compaction needs the rest.
const FULL: i64 = 90;

/// With all targets away every range of every keyspace keeps a quorum in each data center. From the replication and the
/// racks: `NetworkTopologyStrategy` puts replicas in racks of their own as long as there are racks left, so a rack
/// holds one replica of a range, or those that are too many.
pub fn quorum_kept(ring: &Ring<'_>) -> Check {
    let targets = || ring.nodes.iter().filter(|member| ring.is_target(member));
    let dcs: BTreeSet<&str> = targets().map(|member| member.rack.dc.as_str()).collect();
    let racks = |members: &mut dyn Iterator<Item = &Member<'_>>, dc: &str| {
        let in_dc = members.filter(|member| member.rack.dc == dc);
        in_dc
            .map(|member| member.rack.rack.clone())
            .collect::<BTreeSet<_>>()
            .len()
    };
    let short = |keyspace: &String, factor: usize, lost: usize, location: &str| {
        let left = factor.saturating_sub(lost);
        (factor > 0 && left < factor / 2 + 1).then(|| {
            format!(
                "{keyspace} may keep {left} of {} {location}",
                text::count(factor, "replica")
            )
        })
    };
    let mut findings = Vec::new();
    for (keyspace, replication) in ring.replication {
        if DIAGNOSTIC.contains(&keyspace.as_str()) {
            continue;
        }
        match replication {
            Replication::Topology(_) => findings.extend(dcs.iter().filter_map(|dc| {
                let factor = replication.in_dc(dc).unwrap_or(0);
                let in_rack = factor.saturating_sub(racks(&mut ring.nodes.iter(), dc)) + 1;
                let away = targets().filter(|member| member.rack.dc == **dc).count();
                let lost = away.min(racks(&mut targets(), dc) * in_rack);
                short(keyspace, factor, lost, &format!("in {dc}"))
            })),
            Replication::Simple(factor) => {
                findings.extend(short(keyspace, *factor, targets().count(), "anywhere"));
            }
            Replication::Other(strategy) => {
                findings.push(format!(
                    "{keyspace} is replicated by {strategy}, of which nothing is known"
                ));
            }
        }
    }
    if ring.replication.is_empty() {
        findings.push("no node says how the keyspaces are replicated".to_owned());
    }
    check(CheckName::QuorumKept, &findings, || {
        format!(
            "every keyspace keeps a quorum without {}",
            match targets().count() {
                1 => "this node".to_owned(),
                many => format!("these {many} nodes"),
            }
        )
    })
}

/// All members that answer have the same schema: what is streamed belongs to the tables that it comes to.
pub(crate) fn schema_agreed(ring: &Ring<'_>) -> Check {
    let mut schemas: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for member in &ring.nodes {
        if let Ok(reading) = member.reading
            && reading.is_member()
        {
            let schema = schemas.entry(&reading.schema_version).or_default();
            schema.push(member.pod);
        }
    }
    let findings: Vec<String> = match schemas.len() {
        0 | 1 => Vec::new(),
        _ => schemas
            .iter()
            .map(|(schema, pods)| format!("{} with schema {schema}", pods.join(", ")))
            .collect(),
    };
    check(CheckName::SchemaAgreed, &findings, || {
        let schema = schemas.keys().next().copied().unwrap_or_default();
        format!("all members have schema {schema}")
    })
}

/// Each of these nodes has room for so many bytes more.
pub(crate) fn disk_space(
    receivers: &[&Member<'_>],
    share: i64,
    well: impl FnOnce() -> String,
) -> Check {
    let full = |member: &&Member<'_>| {
        let (load, capacity) = (member.reading.as_ref().ok()?.load, member.capacity?);
        (load + share > capacity / 100 * FULL).then(|| {
            format!(
                "{} would hold {} of {} MiB",
                member.pod,
                (load + share) >> 20,
                capacity >> 20
            )
        })
    };
    let findings: Vec<String> = receivers.iter().filter_map(full).collect();
    let pods = receivers.iter().filter(|member| full(member).is_some());
    about(
        pods.map(|member| member.pod),
        check(CheckName::DiskSpace, &findings, well),
    )
}

/// No node of the ring is joining, leaving or moving.
pub(crate) fn ring_settled(ring: &Ring<'_>) -> Check {
    check(CheckName::RingSettled, &unsettled(ring, |_| true), || {
        format!(
            "no joining, leaving or moving node in the view of {}",
            text::count(ring.readings().count(), "node")
        )
    })
}

/// Nodes that join, leave or move, of those whose addresses count.
pub(crate) fn unsettled(ring: &Ring<'_>, counts: impl Fn(&str) -> bool) -> Vec<String> {
    let findings: BTreeSet<String> = ring
        .readings()
        .flat_map(|reading| {
            let joining = reading.joining.iter().map(|ip| (ip, "joining"));
            let leaving = reading.leaving.iter().map(|ip| (ip, "leaving"));
            let moving = reading.moving.iter().map(|ip| (ip, "moving"));
            joining.chain(leaving).chain(moving)
        })
        .filter(|(ip, _)| counts(ip))
        .map(|(ip, what)| format!("{ip} is {what}"))
        .collect();
    findings.into_iter().collect()
}

/// Every other node is NORMAL, serves clients, and reports no relevant node as down: the targets may be missing for a while.
/// Where keyspaces are replicated by data center, a quorum in one does not ask for replicas in others.
pub(crate) fn others_up(ring: &Ring<'_>) -> Check {
    let is_here = |ip: &str| {
        let here = |location: &RackId| ring.nodes.iter().any(|node| node.rack.dc == location.dc);
        ring.mixes_dcs() || ring.location(ip).is_none_or(here)
    };
    up(ring, |member| !ring.is_target(member), is_here)
}

/// Every node is NORMAL, serves clients, and reports no node down.
pub(crate) fn all_up(ring: &Ring<'_>) -> Check {
    up(ring, |_| true, |_| true)
}

fn up(
    ring: &Ring<'_>,
    counts: impl Fn(&Member<'_>) -> bool,
    matters: impl Fn(&str) -> bool,
) -> Check {
    let mut findings: Vec<String> = Vec::new();
    for member in ring.nodes.iter().filter(|member| counts(member)) {
        findings.extend(down(member));
        let unreachable = member
            .reading
            .iter()
            .flat_map(|reading| reading.down_members());
        // A target that is down may be what the operation is for; if not, it is reported as such.
        let unreachable = unreachable.filter(|ip| !ring.is_targets(ip) && matters(ip));
        findings.extend(unreachable.map(|ip| format!("{} sees {ip} down", member.pod)));
    }
    findings.truncate(5);
    let down = ring.nodes.iter().filter(|member| counts(member));
    let down = down.filter(|member| down_itself(member));
    about(
        down.map(|member| member.pod),
        check(CheckName::NodesUp, &findings, || {
            "the nodes are NORMAL and see each other".into()
        }),
    )
}
