//! The ring as `nodetool status` users expect it: one line a node. Pure.

use casskop_common::api::{CassandraCluster, NodeStatus};
use jiff::Timestamp;
use kube::ResourceExt;
use serde::Serialize;

use super::status;
use crate::{
    model::topology,
    terminal::{
        colors::{Style, Tone},
        columns::{self, Cell},
    },
    text::{bytes, plain},
    time::between,
};

const TITLES: [&str; 10] = [
    "DC", "RACK", "", "STATE", "POD", "ADDRESS", "HOST ID", "LOAD", "VERSION", "CLEANUP",
];

/// One line a node.
pub fn render(cluster: &CassandraCluster, now: Timestamp, style: Style) -> String {
    let mut rows = vec![columns::header(&TITLES)];
    for (rack, nodes) in topology::nodes(cluster) {
        for node in nodes {
            let mut row = vec![plain_cell(&rack.dc), plain_cell(&rack.rack)];
            row.extend(cells(&node.pod, node.status, now));
            rows.push(row);
        }
    }
    columns::lay(&rows, 2, style)
}

fn cells(pod: &str, status: Option<&NodeStatus>, now: Timestamp) -> Vec<Cell> {
    let Some(status) = status else {
        return vec![
            ("--".into(), Tone::Dim),
            ("not reported yet".into(), Tone::Dim),
            plain_cell(pod),
        ];
    };
    let (code, words, tone) = status::state(status);
    let owed = status.cleanup_required_since.as_ref();
    let owed = owed.map(|since| format!("required for {}", between(since.0, now)));
    vec![
        (code, tone),
        (words, tone),
        plain_cell(pod),
        plain_cell(&status.node_ip),
        plain_cell(&status.host_id),
        plain_cell(&status.load_bytes.map(bytes).unwrap_or_default()),
        plain_cell(&status.version),
        match owed {
            Some(owed) => (owed, Tone::Busy),
            None => ("-".into(), Tone::Plain),
        },
    ]
}

fn plain_cell(text: &str) -> Cell {
    let text = if text.is_empty() {
        "-".into()
    } else {
        plain(text)
    };
    (text.into_owned(), Tone::Plain)
}

/// The ring for programs; the schema is in the documentation and only grows.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Ring<'a> {
    cluster: String,
    namespace: String,
    nodes: Vec<Row<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row<'a> {
    pod: String,
    dc: String,
    rack: String,
    /// Two letters as in `nodetool status`, `--` for a node that was not reported.
    code: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'a NodeStatus>,
}

/// The ring for programs.
pub fn data(cluster: &CassandraCluster) -> Ring<'_> {
    let racks = topology::nodes(cluster).into_iter();
    let nodes = racks.flat_map(|(rack, nodes)| {
        nodes.into_iter().map(move |node| Row {
            dc: rack.dc.clone(),
            rack: rack.rack.clone(),
            code: node
                .status
                .map_or_else(|| "--".into(), |known| status::state(known).0),
            status: node.status,
            pod: node.pod,
        })
    });
    Ring {
        cluster: cluster.name_any(),
        namespace: cluster.namespace().unwrap_or_default(),
        nodes: nodes.collect(),
    }
}
