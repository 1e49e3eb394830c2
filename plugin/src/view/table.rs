//! All clusters, one line each. Pure.

use casskop_common::api::{CassandraCluster, condition};
use jiff::Timestamp;
use kube::ResourceExt;

use super::operation;
use crate::{
    model::topology,
    terminal::{
        colors::{Style, Tone},
        columns::{self, Cell},
    },
    time::between,
};

/// Spaces between columns.
const GAP: usize = 3;

/// A table with a line a cluster; with a column for the namespace when they are of several.
pub fn render(
    clusters: &[CassandraCluster],
    namespaces: bool,
    now: Timestamp,
    style: Style,
) -> String {
    let mut rows = vec![columns::header(&[
        "NAMESPACE",
        "NAME",
        "PHASE",
        "AVAILABLE",
        "READY",
        "OPERATIONS",
        "AGE",
    ])];
    rows.extend(clusters.iter().map(|cluster| row(cluster, now)));
    if !namespaces {
        for row in &mut rows {
            row.remove(0);
        }
    }
    columns::lay(&rows, GAP, style)
}

fn row(cluster: &CassandraCluster, now: Timestamp) -> Vec<Cell> {
    let status = cluster.status.clone().unwrap_or_default();
    let available = status
        .conditions
        .iter()
        .find(|known| known.type_ == condition::AVAILABLE);
    let available = match available.map(|condition| condition.status.as_str()) {
        Some("True") => ("yes", Tone::Good),
        Some("False") => ("no", Tone::Bad),
        _ => ("unknown", Tone::Busy),
    };
    let racks = topology::nodes(cluster);
    let nodes = || racks.values().flatten();
    let ready = nodes()
        .filter(|node| node.status.is_some_and(|status| status.ready))
        .count();
    let running: Vec<String> = status
        .operations
        .iter()
        .filter(|operation| !operation.phase.is_final())
        .map(|operation| {
            let done = operation::nodes_done(operation).map(|done| format!(" {done}"));
            format!(
                "{} {}{}",
                operation.kind,
                operation.phase.as_str(),
                done.unwrap_or_default()
            )
        })
        .collect();
    let operations = if running.is_empty() {
        "-".into()
    } else {
        running.join("; ")
    };
    let age = cluster
        .creation_timestamp()
        .map(|created| between(created.0, now));
    vec![
        (cluster.namespace().unwrap_or_default(), Tone::Plain),
        (cluster.name_any(), Tone::Plain),
        (
            status
                .phase
                .map_or("unknown", |phase| phase.as_str())
                .to_owned(),
            Tone::Plain,
        ),
        (available.0.to_owned(), available.1),
        (format!("{ready}/{}", nodes().count()), Tone::Plain),
        (operations, Tone::Plain),
        (age.unwrap_or_default(), Tone::Plain),
    ]
}
