//! The operations of a cluster: those that run with their nodes, and those that have ended. Pure.

use casskop_common::api::{
    CassandraCluster, NodePhase, OperationNode, OperationPhase, OperationStatus,
};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use serde::Serialize;

use super::actions::{self, Action};
use crate::{
    model::{control::request_ref::CurrentRequest, managers, request},
    terminal::colors::Tone,
    text::plain,
    time,
    view::{operation, operations::sorted},
};

/// An operation.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Operation {
    kind: String,
    id: String,
    arguments: String,
    phase: &'static str,
    tone: Tone,
    message: String,
    /// Whether the message says why it did not do what was asked.
    has_failed: bool,
    origin: String,
    done: usize,
    failed: usize,
    total: usize,
    /// `2 of 6 nodes, 1 failed`.
    progress: String,
    /// `about 5m left`; empty if it cannot be estimated.
    left: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    requested: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    started: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    finished: Option<Timestamp>,
    /// Checks that block it.
    blocked_by: Vec<Check>,
    nodes: Vec<Node>,
    /// Nodes that the status leaves out, because it is limited in size.
    omitted: usize,
    actions: Vec<Action>,
}

#[derive(Debug, Serialize)]
struct Check {
    name: String,
    evidence: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Node {
    pod: String,
    state: &'static str,
    tone: Tone,
    /// Whether it is at work, or needs a look.
    is_active: bool,
    is_done: bool,
    step: String,
    /// `3 of 9 keyspaces`.
    progress: String,
    attempts: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    started: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    finished: Option<Timestamp>,
    error: String,
}

/// Operations that have not ended, and those that have, newest first.
pub fn of(
    cluster: &CassandraCluster,
    connection_args: &str,
    now: Timestamp,
) -> (Vec<Operation>, Vec<Operation>) {
    let (running, ended) = sorted(cluster, true);
    let shown = |all: Vec<&OperationStatus>| -> Vec<Operation> {
        let shown = all.into_iter();
        let shown = shown.map(|one| operation(cluster, one, connection_args, now));
        shown.collect()
    };
    (shown(running), shown(ended))
}

fn operation(
    cluster: &CassandraCluster,
    operation: &OperationStatus,
    connection_args: &str,
    now: Timestamp,
) -> Operation {
    let kind = operation.kind.to_string();
    let manager = managers::of_request(cluster, &kind, &operation.id);
    let origin = operation::asked(operation, manager.as_ref()).unwrap_or_default();
    let current = CurrentRequest {
        kind: kind.clone(),
        id: operation.id.clone(),
        operation: Some(operation.clone()),
    };
    let failing = current.failing();
    let checks = operation.checks.iter();
    let checks = checks.filter(|check| failing.contains(&check.name.as_str()));
    let is_newest = cluster.status.iter().any(|status| {
        let mut newest = status.operations.iter();
        newest.any(|one| one.kind == operation.kind && one.id == operation.id)
    });
    // A history of twenty operations with a row for each node is long: those that failed say more.
    let is_ended = operation.phase.is_final();
    let nodes = operation.nodes.iter();
    let nodes = nodes.filter(|node| !is_ended || node.phase == NodePhase::Failed);
    let left = operation::left(operation, now);
    Operation {
        id: plain(&operation.id).into_owned(),
        arguments: request::typed(&operation.arguments),
        phase: operation.phase.as_str(),
        tone: operation::phase_tone(operation.phase),
        message: plain(&operation.message).into_owned(),
        has_failed: matches!(
            operation.phase,
            OperationPhase::Failed | OperationPhase::Refused
        ),
        origin,
        done: operation.count(NodePhase::Succeeded),
        failed: operation.count(NodePhase::Failed),
        total: operation::total(operation),
        progress: operation::nodes_done(operation).unwrap_or_default(),
        left: left.map_or_else(String::new, |left| {
            format!("about {} left", time::about(left))
        }),
        requested: at(operation.requested_at.as_ref()),
        started: at(operation.started_at.as_ref()),
        finished: at(operation.finished_at.as_ref()),
        blocked_by: checks
            .map(|check| Check {
                name: plain(&check.name).into_owned(),
                evidence: plain(&check.evidence).into_owned(),
            })
            .collect(),
        nodes: nodes.map(node).collect(),
        omitted: operation.total() - operation.nodes.len(),
        actions: if is_newest && cluster.metadata.deletion_timestamp.is_none() {
            actions::of_request(cluster, &current, connection_args)
        } else {
            Vec::new()
        },
        kind,
    }
}

fn node(node: &OperationNode) -> Node {
    let (state, tone) = operation::node_words(node.phase);
    let progress = node.progress.as_ref();
    Node {
        pod: plain(&node.pod).into_owned(),
        state,
        tone,
        is_active: matches!(node.phase, NodePhase::Running | NodePhase::Failed),
        is_done: node.phase == NodePhase::Succeeded,
        step: plain(&node.step).into_owned(),
        progress: progress.map(operation::units).unwrap_or_default(),
        attempts: node.attempts,
        started: at(node.started_at.as_ref()),
        finished: at(node.finished_at.as_ref()),
        error: plain(node.error.as_deref().unwrap_or_default()).into_owned(),
    }
}

fn at(time: Option<&MicroTime>) -> Option<Timestamp> {
    time.map(|time| time.0)
}
