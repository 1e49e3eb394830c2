//! A ring over several Kubernetes clusters in words: conditions, sites, operations. Pure.

mod operations;
mod sites;

use casskop_common::api::{MultiCasskop, MultiCasskopStatus, condition};
use kube::ResourceExt;

use super::{options::View, status};
use crate::{
    terminal::{
        colors::Tone,
        columns::{self, Cell},
    },
    text::{count, plain},
    time::between,
};

/// Spaces between columns.
const GAP: usize = 3;

/// All that is known of a ring.
pub fn render(ring: &MultiCasskop, view: View) -> String {
    let nothing = MultiCasskopStatus::default();
    let status = ring.status.as_ref().unwrap_or(&nothing);
    let blocks = [
        header(ring, status, view),
        sites::tree(ring, status, view),
        operations::newest(status, view),
    ];
    let blocks = blocks.into_iter().filter(|lines| !lines.is_empty());
    let blocks: Vec<String> = blocks.map(|lines| lines.join("\n") + "\n").collect();
    blocks.join("\n")
}

fn header(ring: &MultiCasskop, status: &MultiCasskopStatus, view: View) -> Vec<String> {
    let View { now, style, .. } = view;
    let name = style.paint(Tone::Strong, &ring.name_any());
    let namespace = ring.namespace().unwrap_or_default();
    let (ready, all) = nodes(status);
    let state = match &*status.summary {
        "" => "state unknown".to_owned(),
        summary => format!(
            "{} sites available, {ready} of {} ready",
            plain(summary),
            count(all, "node")
        ),
    };
    let mut lines = vec![format!("{name} in namespace {namespace}: {state}")];
    let is_reported = ring
        .status
        .as_ref()
        .is_some_and(MultiCasskopStatus::is_reported);
    if !is_reported {
        let text = "The operator has not reported anything about this ring yet: is casskop-operator multi running, does it watch this namespace?";
        lines.push(style.paint(Tone::Busy, text));
    }
    if let Some(since) = &ring.metadata.deletion_timestamp {
        let text = format!("Being deleted for {}.", between(since.0, now));
        lines.push(style.paint(Tone::Busy, &text));
    }
    if status.paused {
        let text = "Reconciliation is paused in every site.";
        lines.push(style.paint(Tone::Busy, text));
    }
    if let (Some(generation), Some(observed)) =
        (ring.metadata.generation, status.observed_generation)
        && observed < generation
        && is_reported
    {
        let text = "The operator has not observed the newest spec yet.";
        lines.push(style.paint(Tone::Busy, text));
    }
    lines.extend(status::conditions(&status.conditions, now, style));
    lines
}

/// Nodes that are ready, and all there are, in all sites as they were last observed.
fn nodes(status: &MultiCasskopStatus) -> (usize, usize) {
    let clusters = || status.sites.iter().flat_map(|site| &site.cluster);
    let sum = |nodes: i64| usize::try_from(nodes).unwrap_or_default();
    let ready = clusters().map(|cluster| sum(cluster.ready_nodes)).sum();
    (ready, clusters().map(|cluster| sum(cluster.nodes)).sum())
}

/// All rings, one line each.
pub fn table(rings: &[MultiCasskop], view: View) -> String {
    let mut rows = vec![columns::header(&[
        "NAME",
        "AVAILABLE",
        "SITES",
        "READY",
        "OPERATIONS",
        "AGE",
    ])];
    rows.extend(rings.iter().map(|ring| row(ring, view)));
    columns::lay(&rows, GAP, view.style)
}

fn row(ring: &MultiCasskop, view: View) -> Vec<Cell> {
    let status = ring.status.clone().unwrap_or_default();
    let mut conditions = status.conditions.iter();
    let available = conditions.find(|known| known.type_ == condition::AVAILABLE);
    let available = match available.map(|condition| condition.status.as_str()) {
        Some("True") => ("yes", Tone::Good),
        Some("False") => ("no", Tone::Bad),
        _ => ("unknown", Tone::Busy),
    };
    let running = status.operations.iter();
    let running = running.filter(|operation| !operation.phase.is_final());
    let running: Vec<String> = running
        .map(|operation| {
            format!(
                "{} {}",
                plain(operation.kind.as_str()),
                operation.phase.as_str()
            )
        })
        .collect();
    let or_dash = |text: &str| {
        if text.is_empty() {
            "-".into()
        } else {
            plain(text).into_owned()
        }
    };
    let age = ring.creation_timestamp();
    let age = age.map(|created| between(created.0, view.now));
    let (ready, all) = nodes(&status);
    vec![
        (ring.name_any(), Tone::Plain),
        (available.0.to_owned(), available.1),
        (or_dash(&status.summary), Tone::Plain),
        (format!("{ready}/{all}"), Tone::Plain),
        (or_dash(&running.join("; ")), Tone::Plain),
        (age.unwrap_or_default(), Tone::Plain),
    ]
}

#[cfg(test)]
mod tests;
