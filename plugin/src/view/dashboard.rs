//! The page of `dashboard` as data: what it shows of the clusters, in types. Pure: a function of the resources and the time.

mod actions;
mod cluster;
mod operations;
mod ring;

use casskop_common::api::{CassandraCluster, condition};
use jiff::Timestamp;
use serde::Serialize;

use crate::{
    model::{
        fleet::{Fleet, Key, Source},
        topology,
    },
    terminal::colors::Tone,
    text::count,
};

use cluster::Cluster;

/// The content of a page.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Page {
    /// Where the clusters are: `namespace shop`.
    scope: String,
    connection: Connection,
    clusters: Vec<Row>,
    unreadable: Vec<Unreadable>,
    /// The chosen cluster; none if there is no such cluster.
    cluster: Option<Cluster>,
}

/// The connection to the API server.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Connection {
    state: &'static str,
    /// Whether changes arrive as they happen.
    is_live: bool,
    tone: Tone,
    message: String,
    hints: Vec<String>,
    /// Time up to which the clusters are known; none while there are no data, or while changes arrive.
    #[serde(skip_serializing_if = "Option::is_none")]
    known_at: Option<Timestamp>,
}

/// A cluster in the list.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    namespace: String,
    name: String,
    words: String,
    nodes: String,
    tone: Tone,
}

/// A cluster that cannot be read.
#[derive(Debug, Serialize)]
struct Unreadable {
    namespace: String,
    name: String,
    cause: String,
}

/// The scope of the page, and the printed commands.
pub struct Inputs<'a> {
    /// Where the clusters are: `namespace shop`.
    pub scope: &'a str,
    /// The connection flags of printed commands, for a namespace.
    pub connection_args: &'a dyn Fn(&str) -> String,
    /// The current time.
    pub now: Timestamp,
}

/// The page with the chosen cluster; without a choice, with the first one.
pub fn page(fleet: &Fleet, chosen: Option<&Key>, inputs: &Inputs) -> Page {
    let found = match chosen {
        Some(key) => fleet.clusters.get_key_value(key),
        None => fleet.clusters.first_key_value(),
    };
    let cluster = found.map(|((namespace, _), cluster)| {
        let operator = fleet.operator(namespace);
        let connection_args = (inputs.connection_args)(namespace);
        cluster::of(cluster, &operator, &connection_args, inputs.now)
    });
    let unreadable = fleet.unreadable.iter();
    Page {
        scope: inputs.scope.to_owned(),
        connection: connection(fleet),
        clusters: fleet.clusters.values().map(|one| row(one)).collect(),
        unreadable: unreadable
            .map(|((namespace, name), cause)| Unreadable {
                namespace: namespace.clone(),
                name: name.clone(),
                cause: cause.clone(),
            })
            .collect(),
        cluster,
    }
}

fn connection(fleet: &Fleet) -> Connection {
    let (state, tone, message, hints) = match &fleet.source {
        Source::Connecting => (
            "connecting",
            Tone::Busy,
            match fleet.known_at {
                None => "The API server has not answered yet.",
                Some(_) => "The API server has not answered the watch of the clusters yet.",
            }
            .to_owned(),
            Vec::new(),
        ),
        Source::Live => ("live", Tone::Good, String::new(), Vec::new()),
        Source::Lost(why) => (
            "disconnected",
            Tone::Bad,
            format!("The connection to the API server is lost ({why}); another attempt follows."),
            Vec::new(),
        ),
        Source::Refused(message, hints) => ("refused", Tone::Bad, message.clone(), hints.clone()),
    };
    Connection {
        state,
        is_live: fleet.source == Source::Live,
        tone,
        message,
        hints,
        known_at: fleet.known_at.filter(|_| fleet.source != Source::Live),
    }
}

fn row(cluster: &CassandraCluster) -> Row {
    let (words, tone) = summary(cluster);
    let (ready, all) = ready(cluster);
    Row {
        namespace: cluster.metadata.namespace.clone().unwrap_or_default(),
        name: cluster.metadata.name.clone().unwrap_or_default(),
        words,
        nodes: format!("{ready} of {} ready", count(all, "node")),
        tone,
    }
}

/// Nodes that are ready, and all of them.
fn ready(cluster: &CassandraCluster) -> (usize, usize) {
    let racks = topology::nodes(cluster);
    let is_ready = |node: &&topology::Node| node.status.is_some_and(|status| status.ready);
    let ready = racks.values().flatten().filter(is_ready).count();
    (ready, racks.values().flatten().count())
}

/// The state of a cluster in few words: of what the conditions have, the part that matters most.
fn summary(cluster: &CassandraCluster) -> (String, Tone) {
    if cluster.metadata.deletion_timestamp.is_some() {
        return ("being deleted".into(), Tone::Busy);
    }
    let status = cluster.status.as_ref();
    let is = |kind: &str, value: &str| {
        let mut conditions = status.into_iter().flat_map(|status| &status.conditions);
        conditions.any(|known| known.type_ == kind && known.status == value)
    };
    let phase = status.and_then(|status| status.phase);
    let words = match phase {
        _ if is(condition::AVAILABLE, "False") => ("not available", Tone::Bad),
        _ if is(condition::SPEC_ACCEPTED, "False") => ("spec refused", Tone::Bad),
        _ if is(condition::DEGRADED, "True") => ("degraded", Tone::Bad),
        _ if is(condition::PROGRESSING, "True") => ("progressing", Tone::Busy),
        None => ("state unknown", Tone::Dim),
        Some(_) if is(condition::AVAILABLE, "True") => ("available", Tone::Good),
        Some(phase) => (phase.as_str(), Tone::Busy),
    };
    (words.0.to_owned(), words.1)
}

#[cfg(test)]
mod tests;
