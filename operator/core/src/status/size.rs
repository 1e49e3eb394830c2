//! The size of the status. etcd takes objects up to 1.5 MiB, and an object that is larger can never be written again. The
//! nodes of ended operations, and the history, are left out before that, the oldest first.

use casskop_common::{
    api::{CassandraClusterStatus, NodePhase, OperationNode, OperationStatus},
    text,
};
use serde::Serialize;

use crate::operations::transitions::is_last_asked;

/// Bytes of a status that no detail is left out of. The rest of the object (spec, annotations, managed fields) has its
/// own limits, and an operation that is recorded between two reports takes up to 300 bytes for each node.
pub const BUDGET: usize = 640 * 1024;
/// Bytes that no write exceeds, also one between two reports, which has no event for the parts that are left out.
pub const LIMIT: usize = 1024 * 1024;

/// Nodes of an operation that are kept in any case.
const KEPT_NODES: usize = 20;
/// Characters that are kept of an error or message.
const KEPT_TEXT: usize = 200;

/// Parts that were left out of a status.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Omitted {
    /// Ended operations that keep the number of their nodes only, as `<kind> <id>`.
    pub nodes_of: Vec<String>,
    /// Operations that left the history, as `<kind> <id>`.
    pub history: Vec<String>,
}

impl Omitted {
    /// Whether the status is complete.
    pub fn is_empty(&self) -> bool {
        self.nodes_of.is_empty() && self.history.is_empty()
    }
}

impl std::fmt::Display for Omitted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the status reached its limit of size:")?;
        if !self.nodes_of.is_empty() {
            let operations = text::listed(&self.nodes_of);
            write!(f, " nodes are only counted of {operations};")?;
        }
        if !self.history.is_empty() {
            let operations = text::listed(&self.history);
            write!(f, " the history no longer has {operations};")?;
        }
        write!(f, " the log of the operator has the details")
    }
}

/// Bytes of a status in JSON.
pub fn of(status: &CassandraClusterStatus) -> usize {
    bytes(status)
}

/// Bytes of a part of a status in JSON.
pub(crate) fn bytes(part: &impl Serialize) -> usize {
    serde_json::to_vec(part).map_or(0, |json| json.len())
}

/// Shortens a status that is larger than `most` bytes. The state of the ring and operations that have not ended stay.
pub fn fit(status: &mut CassandraClusterStatus, most: usize) -> Omitted {
    let mut omitted = Omitted::default();
    let mut excess = of(status).saturating_sub(most);
    if excess == 0 {
        return omitted;
    }
    let mut ended: Vec<&mut OperationStatus> = status
        .operations
        .iter_mut()
        .filter(|operation| operation.phase.is_final())
        .collect();
    ended.sort_by_key(|operation| operation.finished_at.clone());
    // Failed nodes are retried, so they go last.
    for goes in [is_done as fn(&OperationNode) -> bool, is_expendable] {
        for operation in &mut ended {
            let saved = if excess > 0 { omit(operation, goes) } else { 0 };
            if saved > 0 {
                omitted.nodes_of.push(named(operation));
            }
            excess = excess.saturating_sub(saved);
        }
    }
    if excess > 0 {
        let saved: usize = status.operations.iter_mut().map(cut_errors).sum();
        excess = excess.saturating_sub(saved);
    }
    omitted.nodes_of.sort();
    omitted.nodes_of.dedup();
    let mut index = status.operation_history.len();
    while excess > 0 && index > 0 {
        index -= 1;
        let old = &status.operation_history[index];
        if is_last_asked(&status.operation_history, index) {
            let old = &mut status.operation_history[index];
            excess = excess.saturating_sub(shorten(old));
        } else {
            excess = excess.saturating_sub(bytes(old));
            omitted.history.push(named(old));
            status.operation_history.remove(index);
        }
    }
    omitted
}

fn named(operation: &OperationStatus) -> String {
    format!("{} {}", operation.kind, operation.id)
}

/// A node that no retry needs.
fn is_done(node: &OperationNode) -> bool {
    node.phase != NodePhase::Failed && is_expendable(node)
}

/// A node whose volumes are not to be deleted, and that is not at work.
fn is_expendable(node: &OperationNode) -> bool {
    node.phase != NodePhase::Running && node.volumes.is_empty()
}

/// Leaves the expendable nodes of an operation out, and counts them. Returns the bytes that this saves.
fn omit(operation: &mut OperationStatus, may_go: fn(&OperationNode) -> bool) -> usize {
    if operation.nodes.len() <= KEPT_NODES {
        return 0;
    }
    let before = bytes(operation);
    let mut counts = operation.omitted_nodes.take().unwrap_or_default();
    let mut failed = 0;
    operation.nodes.retain_mut(|node| {
        failed += usize::from(node.phase == NodePhase::Failed);
        let first_failed = node.phase == NodePhase::Failed && failed <= KEPT_NODES;
        let goes = may_go(node) && !first_failed;
        if goes {
            counts.add(node.phase);
        } else if let Some(error) = &mut node.error {
            cut(error);
        }
        !goes
    });
    operation.omitted_nodes = (counts.total() > 0).then_some(counts);
    let OperationStatus { plan, nodes, .. } = operation;
    if let Some(plan) = plan {
        for wave in &mut plan.waves {
            wave.retain(|pod| nodes.iter().any(|node| node.pod == *pod));
        }
        plan.waves.retain(|wave| !wave.is_empty());
    }
    operation.checks.retain(|check| !check.passed);
    before.saturating_sub(bytes(operation))
}

/// Shortens the errors of a running operation. Returns the bytes that this saves.
fn cut_errors(operation: &mut OperationStatus) -> usize {
    let errors = operation
        .nodes
        .iter_mut()
        .filter_map(|node| node.error.as_mut());
    let saved = errors.map(|error| {
        let before = error.len();
        cut(error);
        before.saturating_sub(error.len())
    });
    saved.sum()
}

/// Shortens an operation of the history, whose ID must not run again. Returns the bytes that this saves.
fn shorten(operation: &mut OperationStatus) -> usize {
    let before = bytes(operation);
    for node in &operation.nodes {
        let counts = operation.omitted_nodes.get_or_insert_default();
        counts.add(node.phase);
    }
    operation.nodes.clear();
    cut(&mut operation.message);
    before.saturating_sub(bytes(operation))
}

/// Shortens a long error or message.
pub(crate) fn cut(words: &mut String) {
    *words = text::shorten(words, KEPT_TEXT);
}
