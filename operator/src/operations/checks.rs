//! Named safety checks. Each says what it saw, so that a person can verify it.

use std::collections::BTreeSet;

use casskop_common::api::Check;

use super::{Member, Ring};

/// Every target is NORMAL and serves clients.
pub(super) fn nodes_up(ring: &Ring<'_>) -> Check {
    let down: Vec<String> = ring
        .nodes
        .iter()
        .filter(|member| ring.is_target(member))
        .filter_map(down)
        .collect();
    check("nodes-up", &down, || {
        format!("all {} target nodes are NORMAL", ring.targets.len())
    })
}

/// A check that passes when nothing was seen that speaks against it.
pub(super) fn check(name: &str, seen: &[String], well: impl FnOnce() -> String) -> Check {
    Check {
        name: name.into(),
        passed: seen.is_empty(),
        evidence: if seen.is_empty() {
            well()
        } else {
            seen.join("; ")
        },
    }
}

/// Why a node is not NORMAL and serving clients.
pub(super) fn down(member: &Member<'_>) -> Option<String> {
    let pod = member.pod;
    match &member.reading {
        Ok(reading) if reading.is_normal() => None,
        Ok(reading) if reading.mode == "NORMAL" => Some(format!("{pod} serves no clients")),
        Ok(reading) => Some(format!("{pod} is {}", reading.mode)),
        Err(error) => Some(format!("{pod}: {error}")),
    }
}

/// No node of the ring is joining, leaving or moving.
pub(super) fn ring_settled(ring: &Ring<'_>) -> Check {
    check("ring-settled", &unsettled(ring, |_| true), || {
        format!(
            "no joining, leaving or moving node in the view of {} nodes",
            ring.readings().count()
        )
    })
}

/// Nodes that join, leave or move, of those whose addresses count.
pub(super) fn unsettled(ring: &Ring<'_>, counts: impl Fn(&str) -> bool) -> Vec<String> {
    let seen: BTreeSet<String> = ring
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
    seen.into_iter().collect()
}

/// Every other node is NORMAL, serves clients, and sees no node down: the targets may be missing for a while.
pub(super) fn others_up(ring: &Ring<'_>) -> Check {
    up(ring, |member| !ring.is_target(member))
}

/// Every node is NORMAL, serves clients, and sees no node down.
pub(super) fn all_up(ring: &Ring<'_>) -> Check {
    up(ring, |_| true)
}

fn up(ring: &Ring<'_>, counts: impl Fn(&Member<'_>) -> bool) -> Check {
    let mut seen: Vec<String> = Vec::new();
    for member in ring.nodes.iter().filter(|member| counts(member)) {
        seen.extend(down(member));
        let unseen = member
            .reading
            .iter()
            .flat_map(|reading| reading.down_members());
        // A target that is down may be what the operation is for; if not, it is told as such.
        let unseen = unseen.filter(|ip| !ring.is_targets(ip));
        seen.extend(unseen.map(|ip| format!("{} sees {ip} down", member.pod)));
    }
    seen.truncate(5);
    check("nodes-up", &seen, || {
        "the nodes are NORMAL and see each other".into()
    })
}
