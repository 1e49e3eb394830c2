//! `decommission`: a node hands its data to the others and leaves the ring. Data that was streamed away cannot be called
//! back, so every check comes before.

use std::collections::BTreeSet;

use casskop_common::{
    api::{CassandraClusterSpec, Check, CleanupReason, OperationMode},
    checks::CheckName,
    names::RackId,
    operations::decommission::Decommission,
    text,
};

use crate::{
    node::{Activity, Call, Reading, Replication},
    operations::{
        Action, Behaviour, Member, Refusal, Ring, StepState,
        checks::{self, about, check},
        role_replicas,
    },
};

impl Behaviour for Decommission {
    fn steps(&self, _: &str, _: &Ring<'_>) -> Result<Vec<String>, Refusal> {
        Ok(vec!["leave".into()])
    }

    fn unit(&self) -> &'static str {
        "steps"
    }

    fn action(&self, _: &str, _: &str, _: &CassandraClusterSpec) -> Action {
        Action::Call(Call::Decommission { force: self.force })
    }

    fn describe(&self) -> &'static str {
        "StorageService.decommission"
    }

    fn checks(&self, ring: &Ring<'_>) -> Vec<Check> {
        vec![
            peers_up(ring),
            others_settled(ring),
            checks::schema_agreed(ring),
            replicas_remain(ring),
            cleanup_paid(ring),
            disk_space(ring),
        ]
    }

    fn deletes_volumes(&self) -> bool {
        true
    }

    fn is_disruptive(&self) -> bool {
        true
    }

    fn streams_as(&self) -> Option<&'static str> {
        Some("Unbootstrap")
    }

    fn step_state(&self, _: &str, activity: &Activity) -> StepState {
        match &activity.mode {
            OperationMode::Decommissioned => StepState::Done,
            OperationMode::Leaving if activity.streams.is_empty() => StepState::Stalled,
            OperationMode::Leaving => StepState::Running,
            // An earlier decommission without success: it is called again.
            OperationMode::DecommissionFailed | OperationMode::Normal => StepState::NotRunning,
            other => StepState::NodeUnavailable(other.to_string()),
        }
    }

    /// It was a member, and none of them knows it any more.
    fn is_done_for_peers(&self, host_id: &str, peers: &[&Reading]) -> bool {
        let knows = |peer: &&Reading| peer.may_know(host_id);
        !host_id.is_empty() && !peers.is_empty() && !peers.iter().any(knows)
    }

    /// A second call beside the first one is answered at once.
    fn is_done_when_observed(&self) -> bool {
        true
    }
}

/// The members that stay in the data center of the target, and all that stay.
struct Stay<'a> {
    dc: &'a str,
    in_dc: Vec<&'a Member<'a>>,
    /// Nodes that stay there in the end, when all have left that the spec asks for no more: whether they do is asked before
    /// the first.
    in_the_end: usize,
    /// Whether all nodes of the ring are those of the cluster, as far as its members know.
    is_whole: bool,
    racks_now: usize,
    total: usize,
}

impl<'a> Stay<'a> {
    fn of(ring: &'a Ring<'a>) -> Option<Self> {
        let target = ring.nodes.iter().find(|member| ring.is_target(member))?;
        let dc = target.rack.dc.as_str();
        let in_dc = |member: &&Member<'_>| member.rack.dc == dc;
        let racks_now: BTreeSet<_> = ring
            .nodes
            .iter()
            .filter(in_dc)
            .map(|member| &member.rack)
            .collect();
        // The ring may be larger than this cluster: its size is what its members know.
        let known = ring
            .readings()
            .map(|reading| reading.host_ids.len())
            .max()
            .unwrap_or(0);
        let stay = ring.nodes.iter().filter(in_dc);
        let stay: Vec<&Member<'_>> = stay.filter(|member| !ring.is_target(member)).collect();
        let wanted = usize::try_from(ring.spec.nodes_in(dc)).unwrap_or(0);
        Some(Self {
            dc,
            in_the_end: stay.len().min(wanted),
            is_whole: known <= ring.nodes.len() && !ring.goes_on_elsewhere,
            in_dc: stay,
            racks_now: racks_now.len(),
            total: known.saturating_sub(ring.targets.len()),
        })
    }

    /// Those that take over what the target holds.
    fn receivers(self, ring: &Ring<'_>) -> Vec<&'a Member<'a>> {
        let target = ring.nodes.iter().find(|member| ring.is_target(member));
        let beside = self.in_dc.iter().copied();
        let beside: Vec<&Member<'_>> = beside
            .filter(|member| target.is_some_and(|target| target.rack == member.rack))
            .collect();
        // Cassandra's own keyspaces weigh nothing.
        let mut weighty = ring
            .replication
            .iter()
            .filter(|(keyspace, _)| !keyspace.starts_with("system_"));
        let in_each_rack = weighty.any(|(_, replication)| {
            let factor = replication.in_dc(self.dc);
            factor.is_some_and(|factor| factor >= self.racks_now)
        });
        if in_each_rack && !beside.is_empty() {
            beside
        } else {
            self.in_dc
        }
    }

    /// Racks that stay in the end, and have a node.
    fn racks_left(&self, spec: &CassandraClusterSpec) -> usize {
        let racks = self.in_dc.iter().map(|member| &member.rack);
        let racks: BTreeSet<&RackId> = racks.collect();
        racks.len().min(spec.racks_in(self.dc))
    }

    /// Nodes that stay in the end, in all data centers.
    fn total_left(&self) -> usize {
        let more = self.in_dc.len() - self.in_the_end;
        self.total.saturating_sub(more)
    }
}

/// Whether Cassandra leaves only with the force flag: a keyspace has at least as many replicas as there
/// are nodes now.
pub fn needs_force(ring: &Ring<'_>) -> bool {
    let Some(stay) = Stay::of(ring) else {
        return false;
    };
    ring.replication
        .values()
        .any(|replication| match replication {
            Replication::Simple(factor) => *factor > stay.total,
            Replication::Topology(_) => replication
                .in_dc(stay.dc)
                .is_some_and(|factor| factor > stay.in_dc.len()),
            Replication::Other(_) => false,
        })
}

/// Every other node is NORMAL: it takes ranges over. The one that leaves has to answer.
fn peers_up(ring: &Ring<'_>) -> Check {
    let down: Vec<String> = ring
        .nodes
        .iter()
        .filter_map(|member| match &member.reading {
            Ok(_) if ring.is_target(member) => None,
            _ => checks::down(member),
        })
        .collect();
    let unreachable = ring
        .readings()
        .flat_map(Reading::down_members)
        .collect::<BTreeSet<_>>();
    let unreachable = unreachable
        .into_iter()
        .map(|ip| format!("{ip} is down in the view of a member"));
    let findings: Vec<String> = down.into_iter().chain(unreachable).collect();
    check(CheckName::NodesUp, &findings, || {
        format!("{} up", text::all_are(ring.nodes.len(), "node"))
    })
}

/// No other node is joining, leaving or moving.
fn others_settled(ring: &Ring<'_>) -> Check {
    let findings = checks::unsettled(ring, |ip| !ring.is_targets(ip));
    check(CheckName::RingSettled, &findings, || {
        "no other node is joining, leaving or moving".into()
    })
}

/// Every keyspace keeps as many nodes, and racks, as it has replicas.
fn replicas_remain(ring: &Ring<'_>) -> Check {
    let name = || CheckName::ReplicasRemain;
    let Some(stay) = Stay::of(ring).filter(|_| !ring.replication.is_empty()) else {
        let why = "no node says how the keyspaces are replicated".into();
        return Check {
            unknown: true,
            ..check(name(), &[why], String::new)
        };
    };
    // The operator lowers the replicas of the roles for each node that leaves, if nothing else keeps it.
    let follows = |keyspace: &str, factor: usize| {
        let is_of_roles =
            keyspace == role_replicas::KEYSPACE && role_replicas::follow_nodes(factor);
        is_of_roles && stay.is_whole && ring.spec.authentication.is_some()
    };
    let short = |keyspace: &String, replication: &Replication| -> Option<String> {
        let (nodes, racks) = (stay.in_the_end, stay.racks_left(ring.spec));
        let dc = stay.dc;
        match replication {
            Replication::Simple(factor) if *factor > stay.total_left() => Some(format!(
                "keyspace {keyspace} has {}, and {} would be left",
                text::count(*factor, "replica"),
                text::count(stay.total_left(), "node")
            )),
            Replication::Topology(factors) => {
                let factor = replication.in_dc(dc).unwrap_or(0);
                let mut others = factors.iter().filter(|(other, _)| *other != dc);
                let is_elsewhere = others.any(|(_, factor)| *factor > 0);
                let last_of_roles = keyspace == role_replicas::KEYSPACE && nodes == 0;
                // Cassandra 4.1 and later refuse to take a data center with nodes out of the replication of the roles, so a
                // data center that goes away goes first. Nodes in whatever racks have the roles.
                if (last_of_roles && is_elsewhere) || (follows(keyspace, factor) && nodes > 0) {
                    None
                } else if factor > nodes {
                    Some(format!(
                        "keyspace {keyspace} has {} in {dc}, and {} would be left there",
                        text::count(factor, "replica"),
                        text::count(nodes, "node")
                    ))
                } else if factor > racks && factor <= stay.racks_now {
                    Some(format!(
                        "keyspace {keyspace} has {} in {dc}, and {} would be left there: a rack would hold two of them",
                        text::count(factor, "replica"),
                        text::count(racks, "rack")
                    ))
                } else {
                    None
                }
            }
            _ => None,
        }
    };
    let findings: Vec<String> = ring
        .replication
        .iter()
        .filter(|(keyspace, _)| !checks::DIAGNOSTIC.contains(&keyspace.as_str()))
        .filter_map(|(keyspace, replication)| short(keyspace, replication))
        .collect();
    let of_roles = ring.replication.get(role_replicas::KEYSPACE);
    let of_roles = of_roles.and_then(|replication| replication.in_dc(stay.dc));
    let is_lowered = |factor: usize| {
        factor > stay.in_dc.len() && stay.in_the_end > 0 && follows(role_replicas::KEYSPACE, factor)
    };
    if findings.is_empty() && of_roles.is_some_and(is_lowered) {
        let why = format!(
            "the operator repairs and lowers the replicas of the roles (keyspace {}) in {} first, when every node is up and no operation is at work",
            role_replicas::KEYSPACE,
            stay.dc
        );
        return Check {
            unknown: true,
            ..check(name(), &[why], String::new)
        };
    }
    let mended: Vec<String> = match findings.len() {
        0 => findings,
        _ => findings
            .into_iter()
            .chain(["lower the replication (ALTER KEYSPACE), or keep the nodes".into()])
            .collect(),
    };
    check(name(), &mended, || {
        format!(
            "{} would be left in {}, enough for every keyspace",
            text::count(stay.in_the_end, "node"),
            stay.dc
        )
    })
}

/// No node that stays holds ranges that it does not own: they would come back from the dead when it owns them again.
/// A keyspace that is no longer replicated in the data center is owned by none of its nodes, however few they are.
///
/// The debt of a decommission that failed is none for a node that is still on its way out: its end makes the others owners, and
/// no cleanup can begin before.
fn cleanup_paid(ring: &Ring<'_>) -> Check {
    if ring.replication_has_changed {
        let why = "the schema has changed: the operator first records whether nodes hold data that they no longer own";
        return Check {
            unknown: true,
            ..check(CheckName::CleanupDone, &[why.into()], String::new)
        };
    }
    let leaves = |member: &Member<'_>| {
        let mode = member.reading.as_ref().map(|reading| &reading.mode);
        let is_out = matches!(
            mode,
            Ok(OperationMode::Leaving | OperationMode::DecommissionFailed)
        );
        is_out && ring.is_target(member)
    };
    let is_on_its_way = ring.nodes.iter().any(leaves);
    let owes = |reason: CleanupReason| {
        let is_its_own = is_on_its_way && reason == CleanupReason::DecommissionFailed;
        reason > CleanupReason::ReplicationRemoved && !is_its_own
    };
    let owing: Vec<&str> = Stay::of(ring)
        .iter()
        .flat_map(|stay| &stay.in_dc)
        .filter(|member| member.owes_cleanup.is_some_and(owes))
        .map(|member| member.pod)
        .collect();
    let findings = match owing[..] {
        [] => Vec::new(),
        _ => vec![format!(
            "{} may hold data that {} no longer own{} since the ring has grown or replicas became fewer: request a cleanup of {}",
            owing.join(", "),
            if owing.len() == 1 { "it" } else { "they" },
            if owing.len() == 1 { "s" } else { "" },
            if owing.len() == 1 { "it" } else { "them" },
        )],
    };
    about(
        owing.into_iter(),
        check(CheckName::CleanupDone, &findings, || {
            "no node that stays needs a cleanup".into()
        }),
    )
}

/// The nodes that stay have room for what the one that leaves hands over. Where each rack holds a replica of its own, those
/// of its rack take it all.
fn disk_space(ring: &Ring<'_>) -> Check {
    let leaving: i64 = ring
        .nodes
        .iter()
        .filter(|member| ring.is_target(member))
        .filter_map(|member| member.reading.as_ref().ok())
        .map(|reading| reading.load)
        .sum();
    let stay = Stay::of(ring)
        .map(|stay| stay.receivers(ring))
        .unwrap_or_default();
    let share = leaving / i64::try_from(stay.len().max(1)).unwrap_or(1);
    checks::disk_space(&stay, share, || {
        format!(
            "{} MiB spread over {} fit",
            leaving >> 20,
            text::count(stay.len(), "node")
        )
    })
}
