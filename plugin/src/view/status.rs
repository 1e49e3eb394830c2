//! The state of one cluster in words: conditions, nodes by rack, operations. Pure.

mod nodes;

pub use nodes::state;

use casskop_common::{
    api::{CassandraCluster, CassandraClusterStatus, condition},
    conditions::Reason,
    names,
};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt;

use super::{backups, operations, options::View, schedules};
use crate::{
    model::topology,
    terminal::{
        colors::{Style, Tone},
        columns::{Cell, lay},
    },
    text::{count, plain},
    time::between,
};

/// The text about a cluster in three parts; the middle one can be long.
pub struct Picture {
    /// Name, phase and conditions.
    pub header: String,
    /// The tree of nodes.
    pub nodes: String,
    /// Operations, requests and schedules.
    pub operations: String,
}

impl Picture {
    /// All of it.
    pub fn whole(&self) -> String {
        [&*self.header, &self.nodes, &self.operations].concat()
    }
}

/// All that is known of a cluster.
pub fn render(cluster: &CassandraCluster, view: View) -> Picture {
    let nothing = CassandraClusterStatus::default();
    let status = cluster.status.as_ref().unwrap_or(&nothing);
    let below = |lines: Vec<String>| match lines.len() {
        0 => String::new(),
        _ => format!("\n{}\n", lines.join("\n")),
    };
    Picture {
        header: header(cluster, status, view).join("\n") + "\n",
        nodes: below(nodes::tree(
            &topology::nodes(cluster),
            &cluster.spec,
            status,
            view,
        )),
        operations: below(operations::newest(cluster, view))
            + &below(operations::not_recorded(cluster, view))
            + &below(schedules::list(cluster, view)),
    }
}

/// `demo in namespace shop: Running, 6 of 6 nodes ready`.
pub fn title(cluster: &CassandraCluster, style: Style) -> String {
    let racks = topology::nodes(cluster);
    let all = racks.values().flatten();
    let ready = all
        .clone()
        .filter(|node| node.status.is_some_and(|status| status.ready))
        .count();
    let name = style.paint(Tone::Strong, &cluster.name_any());
    let phase = cluster.status.as_ref().and_then(|status| status.phase);
    let phase = phase.map_or("state unknown", |phase| phase.as_str());
    let nodes = format!("{ready} of {} ready", count(all.count(), "node"));
    let namespace = cluster.namespace().unwrap_or_default();
    format!("{name} in namespace {namespace}: {phase}, {nodes}")
}

fn header(cluster: &CassandraCluster, status: &CassandraClusterStatus, view: View) -> Vec<String> {
    let View { now, style, .. } = view;
    let mut lines = vec![title(cluster, style)];
    let is_reported = cluster
        .status
        .as_ref()
        .is_some_and(CassandraClusterStatus::is_reported);
    if !is_reported {
        let text = "The operator has not reported anything about this cluster yet: is it running, does it watch this namespace?";
        lines.push(style.paint(Tone::Busy, text));
    }
    if let Some(since) = &cluster.metadata.deletion_timestamp {
        let text = format!("Being deleted for {}.", between(since.0, now));
        lines.push(style.paint(Tone::Busy, &text));
    }
    let annotation = cluster.annotations().get(names::RECONCILE);
    if annotation.is_some_and(|value| value == "paused") {
        let text = format!(
            "Reconciliation is paused by the annotation {}.",
            names::RECONCILE
        );
        lines.push(style.paint(Tone::Busy, &text));
    }
    if let (Some(generation), Some(observed)) =
        (cluster.metadata.generation, status.observed_generation)
        && observed < generation
        && is_reported
    {
        lines.push(style.paint(
            Tone::Busy,
            "The operator has not observed the newest spec yet.",
        ));
    }
    if let Some(action) = status
        .last_cluster_action
        .as_deref()
        .filter(|action| !action.is_empty())
    {
        let state = status
            .last_cluster_action_status
            .as_deref()
            .unwrap_or("unknown");
        lines.push(format!("Last action {}: {}.", plain(action), plain(state)));
    }
    lines.extend(backups::restored(cluster));
    lines.extend(backups::newest(cluster, now));
    lines.extend(conditions(&status.conditions, now, style));
    lines
}

/// A line for each condition: `  not available  for 3m  NodeDown: demo-dc1-rack2-0 is down`.
pub fn conditions(all: &[Condition], now: Timestamp, style: Style) -> Vec<String> {
    let row = |known: &Condition| {
        let (words, tone) = words(known);
        let since = format!("for {}", between(known.last_transition_time.0, now));
        let why = match (plain(&known.reason), plain(&known.message)) {
            (reason, message) if message.is_empty() => reason.into_owned(),
            (reason, message) => format!("{reason}: {message}"),
        };
        vec![
            (words, tone),
            // Not narrower: what stands beside it does not move with every minute.
            (format!("{since:9}"), Tone::Plain),
            (why, Tone::Plain),
        ]
    };
    // Those for kstatus repeat the others.
    let repeats = [condition::READY, condition::RECONCILING, condition::STALLED];
    let reported = all
        .iter()
        .filter(|known| !repeats.contains(&known.type_.as_str()));
    let rows: Vec<Vec<Cell>> = reported.map(row).collect();
    let lines = lay(&rows, 2, style);
    lines.lines().map(|line| format!("  {line}")).collect()
}

/// Whether the change that `Progressing` is about waits for something else.
fn is_held_up(known: &Condition) -> bool {
    let reasons = [
        Reason::Blocked,
        Reason::ReconcilePaused,
        Reason::SpecRefused,
        Reason::ApplyFailed,
    ];
    reasons.iter().any(|reason| known.reason == reason.as_str())
}

/// A condition as an adjective, and whether that is good.
pub fn words(known: &Condition) -> (String, Tone) {
    let (yes, no) = match known.type_.as_str() {
        condition::AVAILABLE => (("available", Tone::Good), ("not available", Tone::Bad)),
        condition::PROGRESSING if is_held_up(known) => {
            (("blocked", Tone::Bad), ("settled", Tone::Good))
        }
        condition::PROGRESSING => (("progressing", Tone::Busy), ("settled", Tone::Good)),
        condition::DEGRADED => (("degraded", Tone::Bad), ("healthy", Tone::Good)),
        condition::SPEC_ACCEPTED => (("spec accepted", Tone::Good), ("spec refused", Tone::Bad)),
        condition::INTENTS_ACCEPTED => (
            ("requests understood", Tone::Good),
            ("request not understood", Tone::Bad),
        ),
        condition::BACKUPS_CURRENT => (
            ("backups current", Tone::Good),
            ("backups not current", Tone::Bad),
        ),
        other => return (format!("{other} {}", known.status), Tone::Plain),
    };
    match known.status.as_str() {
        "True" => (yes.0.to_owned(), yes.1),
        "False" => (no.0.to_owned(), no.1),
        _ => (format!("{} unknown", known.type_), Tone::Busy),
    }
}

#[cfg(test)]
mod tests;
