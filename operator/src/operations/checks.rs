//! Named safety checks. Each says what it saw, so that a person can verify it.

use casskop_common::api::Check;

use super::Ring;

/// Every target is NORMAL and serves clients.
pub(super) fn nodes_up(ring: &Ring<'_>) -> Check {
    let down: Vec<String> = ring
        .nodes
        .iter()
        .filter(|(pod, _)| ring.targets.iter().any(|target| target == pod))
        .filter_map(|(pod, reading)| match reading {
            Ok(reading) if reading.is_normal() => None,
            Ok(reading) if reading.mode == "NORMAL" => Some(format!("{pod} serves no clients")),
            Ok(reading) => Some(format!("{pod} is {}", reading.mode)),
            Err(error) => Some(format!("{pod}: {error}")),
        })
        .collect();
    let evidence = if down.is_empty() {
        format!("all {} target nodes are NORMAL", ring.targets.len())
    } else {
        down.join("; ")
    };
    Check {
        name: "nodes-up".into(),
        passed: down.is_empty(),
        evidence,
    }
}

/// No node of the ring is joining, leaving or moving.
pub(super) fn ring_settled(ring: &Ring<'_>) -> Check {
    let mut seen: Vec<String> = ring
        .readings()
        .flat_map(|reading| {
            let joining = reading.joining.iter().map(|ip| format!("{ip} is joining"));
            let leaving = reading.leaving.iter().map(|ip| format!("{ip} is leaving"));
            let moving = reading.moving.iter().map(|ip| format!("{ip} is moving"));
            joining.chain(leaving).chain(moving)
        })
        .collect();
    seen.sort();
    seen.dedup();
    let evidence = if seen.is_empty() {
        format!(
            "no joining, leaving or moving node in the view of {} nodes",
            ring.readings().count()
        )
    } else {
        seen.join("; ")
    };
    Check {
        name: "ring-settled".into(),
        passed: seen.is_empty(),
        evidence,
    }
}
