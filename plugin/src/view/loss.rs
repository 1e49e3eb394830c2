//! The data that a request discards, for the confirmation. Pure.

use casskop_common::{api::CassandraCluster, intent::Request, names};
use kube::ResourceExt;

use super::status;
use crate::{
    model::{
        request::typed,
        topology::{self, Node},
    },
    text::{bytes, plain},
};

/// The data that is lost, and the word that confirms it.
#[derive(Debug, PartialEq)]
pub struct Loss {
    /// The request, and what its kind does.
    pub title: String,
    /// A line for each node whose data is lost.
    pub nodes: Vec<String>,
    /// The name to type.
    pub word: String,
    /// The kind of object that has this name.
    pub what: &'static str,
}

/// The data that a request discards.
pub fn loss(cluster: &CassandraCluster, request: &Request, about: &str, namespace: &str) -> Loss {
    let name = cluster.name_any();
    let racks = topology::nodes(cluster);
    let pods = &request.arguments.shared.target.pod;
    let meant = |node: &&Node| {
        let id = node
            .status
            .map(|status| status.host_id.as_str())
            .unwrap_or_default();
        pods.contains(&node.pod) || (!id.is_empty() && request.arguments.text.contains(id))
    };
    let nodes = racks
        .values()
        .flatten()
        .filter(meant)
        .map(described)
        .collect();
    let (word, what) = match pods.as_slice() {
        [pod] => (pod.clone(), "pod"),
        _ => (name.clone(), "cluster"),
    };
    let arguments = typed(&request.arguments.text);
    let kind = &request.kind;
    let title = format!(
        "{kind} {arguments} on cluster {name} in namespace {namespace} discards data for good.\n{kind}: {about}"
    );
    Loss {
        title,
        nodes,
        word,
        what,
    }
}

/// `demo-dc1-rack1-0, DN down, 1.2 GiB in volume data-demo-dc1-rack1-0, host id …`.
fn described(node: &Node) -> String {
    let pod = &node.pod;
    let volume = format!("{}-{pod}", names::DATA_VOLUME);
    let Some(known) = node.status else {
        return format!("{pod}, not reported, and its volume {volume}");
    };
    let (code, words, _) = status::state(known);
    let load = known.load_bytes.map_or_else(|| "its data".into(), bytes);
    // A node that has just started has reported none yet.
    let host_id = match plain(&known.host_id) {
        unknown if unknown.is_empty() => String::new(),
        id => format!(", host id {id}"),
    };
    format!("{pod} ({code}: {words}){host_id}, {load} in volume {volume}")
}
