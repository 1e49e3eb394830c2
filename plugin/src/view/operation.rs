//! An operation in words. Pure.

use casskop_common::api::{
    NodePhase, OperationNode, OperationPhase, OperationStatus, Progress, Requester,
};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;

use crate::{
    model::managers::Manager,
    terminal::colors::{Style, Tone},
    text::{count, plain},
    time::{self, between},
};

/// `cleanup 2026-11-22a: Running, 2 of 6 nodes, for 4m12s`.
pub fn headline(operation: &OperationStatus, now: Timestamp, style: Style) -> String {
    let phase = style.paint(phase_tone(operation.phase), operation.phase.as_str());
    let mut facts = vec![format!("{} {}: {phase}", operation.kind, operation.id)];
    facts.extend(nodes_done(operation));
    let at = |time: Option<&MicroTime>| time.map(|time| time.0);
    let started = at(operation.started_at.as_ref());
    match (started, at(operation.finished_at.as_ref())) {
        (Some(started), Some(finished)) => {
            facts.push(format!("in {}", between(started, finished)));
        }
        (Some(started), None) => facts.push(format!("for {}", between(started, now))),
        _ => {}
    }
    facts.extend(left(operation, now).map(|left| format!("about {} left", time::about(left))));
    facts.join(", ")
}

/// The remaining time, if the next nodes take as long as the finished ones.
pub fn left(operation: &OperationStatus, now: Timestamp) -> Option<SignedDuration> {
    if operation.phase != OperationPhase::Running {
        return None;
    }
    let done = |node: &OperationNode| match (&node.progress, node.phase.is_final()) {
        (_, true) => 1.0,
        (Some(progress), false) if progress.total > 0 => {
            let share = |units: i64| f64::from(i32::try_from(units).unwrap_or(i32::MAX));
            share(progress.done) / share(progress.total)
        }
        _ => 0.0,
    };
    let (mut worked, mut units, mut to_do, mut at_work) = (0.0, 0.0, 0.0, 0.0);
    for node in operation
        .nodes
        .iter()
        .filter(|node| node.phase != NodePhase::Skipped)
    {
        to_do += 1.0 - done(node);
        let Some(started) = &node.started_at else {
            continue;
        };
        let end = node.finished_at.as_ref().map_or(now, |end| end.0);
        worked += end.duration_since(started.0).as_secs_f64();
        units += done(node);
        at_work += f64::from(u8::from(node.phase == NodePhase::Running));
    }
    let known = units > 0.0 && at_work > 0.0 && worked > 0.0;
    known.then(|| SignedDuration::try_from_secs_f64(worked / units * to_do / at_work).ok())?
}

/// The origin of an operation: the spec, or the field manager of its annotation.
pub fn asked(operation: &OperationStatus, manager: Option<&Manager>) -> Option<String> {
    match (&operation.requested_by, manager) {
        (Some(Requester::Spec), _) => Some("requested by the spec".into()),
        (Some(by), _) => Some(format!("requested by {}", plain(by.as_str()))),
        (None, Some(manager)) => Some(format!("requested through {}", manager.name)),
        (None, None) => None,
    }
}

/// The headline of an operation that has ended, and how long ago that was.
pub fn past(operation: &OperationStatus, now: Timestamp, style: Style) -> String {
    let headline = headline(operation, now, style);
    match &operation.finished_at {
        Some(finished) => format!("{headline}, {} ago", between(finished.0, now)),
        None => headline,
    }
}

/// `2 of 6 nodes, 1 failed`, once there is a plan.
pub fn nodes_done(operation: &OperationStatus) -> Option<String> {
    let total = total(operation);
    if operation.phase == OperationPhase::Planned || total == 0 {
        return None;
    }
    let done = operation.count(NodePhase::Succeeded);
    let failed = match operation.count(NodePhase::Failed) {
        0 => String::new(),
        failed => format!(", {failed} failed"),
    };
    Some(format!("{done} of {}{failed}", count(total, "node")))
}

/// Number of nodes of an operation, as they are planned or reported.
pub fn total(operation: &OperationStatus) -> usize {
    let planned = operation.plan.iter().flat_map(|plan| &plan.waves);
    operation.total().max(planned.map(Vec::len).sum())
}

/// The headline, the message of the operator, and the nodes: `every` one, or those at work and those that failed.
pub fn block(
    operation: &OperationStatus,
    every: bool,
    now: Timestamp,
    style: Style,
) -> Vec<String> {
    let mut lines = vec![headline(operation, now, style)];
    if !operation.message.is_empty() {
        lines.push(format!("  {}", plain(&operation.message)));
    }
    let shown = |node: &&OperationNode| {
        every || matches!(node.phase, NodePhase::Running | NodePhase::Failed)
    };
    let nodes: Vec<&OperationNode> = operation.nodes.iter().filter(shown).collect();
    let width = nodes.iter().map(|node| node.pod.len()).max().unwrap_or(0);
    lines.extend(nodes.iter().map(|node| {
        let fill = width - node.pod.len();
        format!(
            "  {}{:fill$}  {}",
            plain(&node.pod),
            "",
            node_state(node, now, style)
        )
    }));
    lines
}

/// `running  3 of 9 keyspaces (orders), for 2m`.
pub fn node_state(node: &OperationNode, now: Timestamp, style: Style) -> String {
    let (word, tone) = node_words(node.phase);
    let mut facts = Vec::new();
    facts.extend(node.progress.as_ref().map(units));
    if !node.step.is_empty() && !matches!(node.phase, NodePhase::Succeeded | NodePhase::Pending) {
        facts.push(format!("at {}", plain(&node.step)));
    }
    if node.attempts > 1 && node.phase != NodePhase::Succeeded {
        facts.push(format!("attempt {}", node.attempts));
    }
    match (&node.started_at, &node.finished_at) {
        (Some(started), Some(finished)) => {
            facts.push(format!("in {}", between(started.0, finished.0)));
        }
        (Some(started), None) => facts.push(format!("for {}", between(started.0, now))),
        _ => {}
    }
    let error = node
        .error
        .as_deref()
        .map(|error| format!(": {}", plain(error)))
        .unwrap_or_default();
    let state = format!(
        "{}  {}",
        style.paint(tone, &format!("{word:<7}")),
        facts.join(", ")
    );
    format!("{}{error}", state.trim_end())
}

/// The state of a node of an operation, and whether that is good.
pub fn node_words(phase: NodePhase) -> (&'static str, Tone) {
    match phase {
        NodePhase::Pending => ("waiting", Tone::Dim),
        NodePhase::Running => ("running", Tone::Busy),
        NodePhase::Succeeded => ("done", Tone::Good),
        NodePhase::Failed => ("failed", Tone::Bad),
        NodePhase::Skipped => ("skipped", Tone::Dim),
    }
}

/// `3 of 9 keyspaces`.
pub fn units(progress: &Progress) -> String {
    let unit = match progress.total {
        1 => progress.unit.strip_suffix('s').unwrap_or(&progress.unit),
        _ => &progress.unit,
    };
    format!("{} of {} {}", progress.done, progress.total, plain(unit))
}

/// The tone of a phase.
pub fn phase_tone(phase: OperationPhase) -> Tone {
    match phase {
        OperationPhase::Succeeded | OperationPhase::Planned => Tone::Good,
        OperationPhase::Failed | OperationPhase::Refused => Tone::Bad,
        OperationPhase::Cancelled | OperationPhase::Withdrawn => Tone::Dim,
        OperationPhase::Pending | OperationPhase::Running | OperationPhase::Paused => Tone::Busy,
    }
}
