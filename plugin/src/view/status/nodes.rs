//! The tree of data centers, racks and nodes. Pure.

use std::collections::BTreeMap;

use casskop_common::{
    api::{
        CassandraClusterSpec, CassandraClusterStatus, ClientMode, InternodeMode, NodeStatus,
        RackStatus,
    },
    names::RackId,
};

use crate::{
    model::topology::Node,
    terminal::{
        colors::{Style, Tone},
        region::display_width,
    },
    text::{bytes, plain},
    view::options::View,
};

/// A line of the tree: its branch, and columns for a node.
struct Line {
    label: String,
    cells: Vec<(String, Tone)>,
    note: String,
}

/// The modes of encryption that the nodes are to have, where the spec or a node has a word about it.
#[derive(Clone, Copy)]
struct Encryption {
    internode: Option<InternodeMode>,
    client: Option<ClientMode>,
}

impl Encryption {
    fn of(spec: &CassandraClusterSpec, racks: &BTreeMap<RackId, Vec<Node>>) -> Self {
        let nodes = || racks.values().flatten().filter_map(|node| node.status);
        let is_between_nodes =
            spec.internode_tls().is_some() || nodes().any(|node| node.internode_tls.is_some());
        let is_with_clients =
            spec.client_tls().is_some() || nodes().any(|node| node.client_tls.is_some());
        Self {
            internode: is_between_nodes.then(|| spec.internode_mode()),
            client: is_with_clients.then(|| spec.client_mode()),
        }
    }

    /// The modes that a node was started with: `internode Optional`, `client Required`.
    fn cells(self, node: &NodeStatus) -> impl Iterator<Item = (String, Tone)> + use<> {
        let tone = |is_there: bool| if is_there { Tone::Good } else { Tone::Busy };
        let has = node.internode_tls.unwrap_or_default();
        let internode = self
            .internode
            .map(|wanted| (format!("internode {}", has.as_str()), tone(has == wanted)));
        let has = node.client_tls.unwrap_or_default();
        let client = self
            .client
            .map(|wanted| (format!("client {}", has.as_str()), tone(has == wanted)));
        internode.into_iter().chain(client)
    }
}

/// Data center > rack > node, the nodes in columns.
pub fn tree(
    racks: &BTreeMap<RackId, Vec<Node>>,
    spec: &CassandraClusterSpec,
    status: &CassandraClusterStatus,
    view: View,
) -> Vec<String> {
    let encryption = Encryption::of(spec, racks);
    let mut lines = Vec::new();
    let mut dcs: Vec<&str> = racks.keys().map(|rack| rack.dc.as_str()).collect();
    dcs.dedup();
    for dc in dcs {
        lines.push(branch(view.style.paint(Tone::Strong, dc), String::new()));
        let of_dc: Vec<_> = racks.iter().filter(|(rack, _)| rack.dc == dc).collect();
        for (number, (rack, nodes)) in of_dc.iter().enumerate() {
            let (fork, stem) = guides(number + 1 == of_dc.len());
            let state = status
                .cassandra_rack_status
                .get(&rack.key())
                .map(rack_state);
            lines.push(branch(
                format!("{fork}{}", rack.rack),
                state.unwrap_or_default(),
            ));
            for (number, node) in nodes.iter().enumerate() {
                let (fork, _) = guides(number + 1 == nodes.len());
                lines.push(node_line(
                    format!("{stem}{fork}{}", plain(&node.pod)),
                    node.status,
                    encryption,
                    view.wide,
                ));
            }
        }
    }
    align(lines, view.style)
}

/// The branch that leads to an entry, and what stands below it.
fn guides(last: bool) -> (&'static str, &'static str) {
    if last {
        ("└─ ", "   ")
    } else {
        ("├─ ", "│  ")
    }
}

fn branch(label: String, note: String) -> Line {
    Line {
        label,
        cells: Vec::new(),
        note,
    }
}

/// `Running`, `Pending, UpdateDockerImage Ongoing`.
fn rack_state(rack: &RackStatus) -> String {
    let phase = rack.phase.map(|phase| phase.as_str().to_owned());
    let action = rack
        .cassandra_last_action
        .as_ref()
        .filter(|action| action.status != "Done");
    let action = action.map(|action| format!("{} {}", plain(&action.name), plain(&action.status)));
    phase
        .into_iter()
        .chain(action)
        .collect::<Vec<_>>()
        .join(", ")
}

fn node_line(
    label: String,
    status: Option<&NodeStatus>,
    encryption: Encryption,
    wide: bool,
) -> Line {
    let Some(status) = status else {
        let cells = vec![
            ("--".into(), Tone::Dim),
            ("not reported yet".into(), Tone::Dim),
        ];
        return Line {
            label,
            cells,
            note: String::new(),
        };
    };
    let (code, words, tone) = state(status);
    let ready = if status.ready {
        ("ready", Tone::Good)
    } else {
        ("not ready", Tone::Bad)
    };
    let mut cells = vec![
        (code, tone),
        (words, tone),
        (ready.0.to_owned(), ready.1),
        (or_dash(&status.version), Tone::Plain),
        (
            status.load_bytes.map_or_else(|| "-".into(), bytes),
            Tone::Plain,
        ),
    ];
    cells.extend(encryption.cells(status));
    if wide {
        cells.push((or_dash(&status.host_id), Tone::Plain));
        cells.push((or_dash(&status.node_ip), Tone::Plain));
    }
    Line {
        label,
        cells,
        note: plain(status.message.as_deref().unwrap_or_default()).into_owned(),
    }
}

/// The two letters that `nodetool status` has for it, the same in words, and whether that is good.
pub fn state(status: &NodeStatus) -> (String, String, Tone) {
    let (up, gossip) = match status.gossip.as_str() {
        "Up" => ('U', "up"),
        "Down" => ('D', "down"),
        _ => ('?', "not seen"),
    };
    let mode = match status.state.as_str() {
        "NORMAL" => 'N',
        "JOINING" => 'J',
        "LEAVING" => 'L',
        "MOVING" => 'M',
        _ => '?',
    };
    let words = match plain(&status.state).to_lowercase() {
        state if state.is_empty() || state == "unknown" => format!("{gossip}, not answering"),
        state => format!("{gossip}, {state}"),
    };
    let tone = match (up, mode) {
        ('U', 'N') => Tone::Good,
        ('U', _) => Tone::Busy,
        _ => Tone::Bad,
    };
    (format!("{up}{mode}"), words, tone)
}

fn or_dash(text: &str) -> String {
    if text.is_empty() {
        "-".into()
    } else {
        plain(text).into_owned()
    }
}

/// Lines with their cells in columns.
fn align(lines: Vec<Line>, style: Style) -> Vec<String> {
    let noded = || lines.iter().filter(|line| !line.cells.is_empty());
    let label_width = noded()
        .map(|line| display_width(&line.label))
        .max()
        .unwrap_or(0);
    let columns = noded().map(|line| line.cells.len()).max().unwrap_or(0);
    let column_width = |column: usize| {
        noded()
            .filter_map(|line| line.cells.get(column))
            .map(|cell| display_width(&cell.0))
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(column_width).collect();
    let padded = |text: &str, tone, to: usize| {
        format!(
            "{}{}",
            style.paint(tone, text),
            " ".repeat(to.saturating_sub(display_width(text)))
        )
    };
    let whole = |line: Line| {
        if line.cells.is_empty() {
            return format!("{}  {}", line.label, line.note)
                .trim_end()
                .to_owned();
        }
        let label = padded(&line.label, Tone::Plain, label_width);
        let cells = line.cells.iter().zip(&widths);
        let cells = cells.map(|((cell, tone), width)| padded(cell, *tone, *width));
        let parts: Vec<String> = std::iter::once(label)
            .chain(cells)
            .chain([line.note])
            .collect();
        parts.join("  ").trim_end().to_owned()
    };
    lines.into_iter().map(whole).collect()
}
