//! The operations of a cluster: for `status` the newest of each kind, for `operations` all. Pure.

use std::cmp::Reverse;

use casskop_common::{
    api::{CassandraCluster, OperationStatus},
    intent::{Intents, Request},
};
use kube::ResourceExt;
use serde::Serialize;

use super::{operation, options::View};
use crate::{
    model::{managers, request},
    terminal::colors::{Style, Tone},
    text::plain,
};

/// Running operations with their nodes; of each kind the newest that has ended on one line.
pub fn newest(cluster: &CassandraCluster, view: View) -> Vec<String> {
    let Some(status) = &cluster.status else {
        return Vec::new();
    };
    let mut lines = Vec::new();
    for newest in &status.operations {
        if newest.phase.is_final() {
            lines.push(past(newest, view));
            continue;
        }
        lines.extend(unfinished(cluster, newest, view));
        let history = &status.operation_history;
        let before = history.iter().find(|past| past.kind == newest.kind);
        lines.extend(before.map(|before| past(before, view)));
    }
    titled("Operations", lines, view.style)
}

/// Everything about the operations: those that run, those that have ended, requests not yet observed.
pub fn list(cluster: &CassandraCluster, history: bool, view: View) -> String {
    let (running, ended) = sorted(cluster, history);
    let running: Vec<String> = running
        .into_iter()
        .flat_map(|operation| unfinished(cluster, operation, view))
        .collect();
    let ended = ended.into_iter().map(|operation| {
        let mut facts: Vec<String> = Vec::new();
        let arguments = plain(&operation.arguments);
        facts.extend((!arguments.is_empty()).then(|| format!("with {arguments}")));
        facts.extend(origin(cluster, operation));
        let more = match facts.join(", ") {
            facts if facts.is_empty() => facts,
            facts => format!("\n    {}", view.style.paint(Tone::Dim, &facts)),
        };
        past(operation, view) + &more
    });
    let blocks = [
        titled("Not finished", running, view.style),
        not_recorded(cluster, view),
        titled("Finished", ended.collect(), view.style),
    ];
    let blocks = blocks.into_iter().filter(|lines| !lines.is_empty());
    let blocks: Vec<String> = blocks.map(|lines| lines.join("\n") + "\n").collect();
    blocks.join("\n")
}

/// The operations for programs; the schema is in the documentation and only grows.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Listed<'a> {
    cluster: String,
    namespace: String,
    operations: Vec<Row<'a>>,
    /// Those that the operator has not taken up.
    requests: Vec<Asked>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Asked {
    kind: String,
    id: String,
    arguments: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    field_manager: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row<'a> {
    #[serde(flatten)]
    operation: &'a OperationStatus,
    finished: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    field_manager: Option<String>,
}

/// The operations for programs, in the order in which people see them.
pub fn data(cluster: &CassandraCluster, history: bool) -> Listed<'_> {
    let (running, ended) = sorted(cluster, history);
    let row = |operation: &'_ OperationStatus| {
        let manager = managers::of_request(cluster, operation.kind.as_str(), &operation.id);
        (
            operation.phase.is_final(),
            manager.map(|manager| manager.name),
        )
    };
    let rows = running.into_iter().chain(ended).map(|operation| {
        let (finished, field_manager) = row(operation);
        Row {
            operation,
            finished,
            field_manager,
        }
    });
    Listed {
        cluster: cluster.name_any(),
        namespace: cluster.namespace().unwrap_or_default(),
        operations: rows.collect(),
        requests: waiting(cluster)
            .map(|asked| Asked {
                field_manager: managers::of_request(cluster, asked.kind.as_str(), &asked.id)
                    .map(|manager| manager.name),
                kind: asked.kind.to_string(),
                id: asked.id,
                arguments: asked.arguments.text,
            })
            .collect(),
    }
}

/// Those that are not finished, then those that are, newest first.
pub fn sorted(
    cluster: &CassandraCluster,
    history: bool,
) -> (Vec<&OperationStatus>, Vec<&OperationStatus>) {
    let status = cluster.status.iter();
    let all = status.flat_map(|status| {
        let history = status.operation_history.iter().filter(move |_| history);
        status.operations.iter().chain(history)
    });
    let (mut ended, running): (Vec<_>, Vec<_>) =
        all.partition(|operation| operation.phase.is_final());
    ended.sort_by_key(|ended| Reverse(ended.finished_at.as_ref().map(|time| time.0)));
    (running, ended)
}

fn unfinished(cluster: &CassandraCluster, operation: &OperationStatus, view: View) -> Vec<String> {
    let mut lines = operation::block(operation, view.wide, view.now, view.style);
    if let Some(origin) = origin(cluster, operation) {
        lines.insert(1, format!("  {origin}"));
    }
    lines
}

fn origin(cluster: &CassandraCluster, operation: &OperationStatus) -> Option<String> {
    let manager = managers::of_request(cluster, operation.kind.as_str(), &operation.id);
    operation::asked(operation, manager.as_ref())
}

/// One that has ended, on one line.
fn past(operation: &OperationStatus, view: View) -> String {
    operation::past(operation, view.now, view.style) + &because(operation)
}

/// Why an operation ended badly.
fn because(operation: &OperationStatus) -> String {
    let good = operation::phase_tone(operation.phase) == Tone::Good;
    if good || operation.message.is_empty() {
        String::new()
    } else {
        format!(": {}", plain(&operation.message))
    }
}

/// Requests that stand in an annotation and not yet in the status.
pub fn waiting(cluster: &CassandraCluster) -> impl Iterator<Item = Request> {
    let asked = Intents::parse(cluster.annotations()).requests.into_values();
    asked.filter(|asked| request::find(cluster, asked.kind.as_str(), &asked.id).is_none())
}

/// Requests that stand in an annotation and not yet in the status, and those that never will.
pub fn not_recorded(cluster: &CassandraCluster, view: View) -> Vec<String> {
    let intents = Intents::parse(cluster.annotations());
    let mut lines: Vec<String> = waiting(cluster)
        .map(|asked| format!("{} {}", asked.kind, asked.value()))
        .collect();
    lines.extend(intents.invalid.iter().map(|invalid| {
        let what = view.style.paint(Tone::Bad, "not understood");
        format!("{} {what}: {}", invalid.annotation, plain(&invalid.message))
    }));
    if intents.more_invalid > 0 {
        let what = view.style.paint(Tone::Bad, "not understood");
        lines.push(format!("and {} more {what}", intents.more_invalid));
    }
    titled(
        "Requests that the operator has not observed",
        lines,
        view.style,
    )
}

/// Lines below a title; nothing without lines.
pub fn titled(title: &str, lines: Vec<String>, style: Style) -> Vec<String> {
    if lines.is_empty() {
        return lines;
    }
    let title = style.paint(Tone::Strong, title);
    std::iter::once(title)
        .chain(lines.into_iter().map(|line| format!("  {line}")))
        .collect()
}
