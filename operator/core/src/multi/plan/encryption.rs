//! Encryption between nodes of several sites: all sites have taken a step before any takes the next one. Each site is told
//! the present step, and takes it as a ring of its own does.

use casskop_common::api::{CassandraCluster, InternodeMode};

use crate::{desired::Started, multi::observed::ObservedSites};

/// Writes the present step into the desired cluster of a site. Returns what the step after it waits for.
pub(crate) fn tell(
    wanted: &mut CassandraCluster,
    live: Option<&CassandraCluster>,
    snapshot: &ObservedSites,
) -> Option<String> {
    let target = wanted.spec.internode_mode();
    let mode = started(snapshot).next(target, "");
    if mode == target {
        return None;
    }
    let tls = wanted.spec.tls.get_or_insert_default();
    let tls = tls.internode.get_or_insert_default();
    tls.mode = mode;
    if tls.secret_name.is_none() {
        // It is used until no node encrypts.
        let before = live.and_then(|live| live.spec.internode_tls());
        tls.secret_name = before.and_then(|before| before.secret_name.clone());
    }
    Some(format!(
        "the nodes of all sites to be Ready with encryption between nodes {}, before the step to {}",
        mode.as_str(),
        mode.towards(target).as_str()
    ))
}

/// What the sites are told, and what their nodes report.
fn started(snapshot: &ObservedSites) -> Started {
    let told = |cluster: &CassandraCluster| cluster.spec.internode_mode();
    let reported = |cluster: &CassandraCluster| -> Vec<InternodeMode> {
        let nodes = cluster
            .status
            .iter()
            .flat_map(|status| status.cassandra_node_status.values());
        nodes
            .map(|node| node.internode_tls.unwrap_or_default())
            .collect()
    };
    let is_complete = |cluster: &CassandraCluster| {
        cluster.status.as_ref().is_some_and(|status| {
            status.observed_generation == cluster.metadata.generation
                && status.cassandra_node_status.values().all(|node| node.ready)
        })
    };
    let clusters = || snapshot.ours().map(|(_, cluster)| cluster);
    let mut made = snapshot
        .sites
        .iter()
        .filter(|site| snapshot.was_made(&site.name));
    Started {
        modes: clusters()
            .flat_map(|cluster| [vec![told(cluster)], reported(cluster)].concat())
            .collect(),
        is_complete: made.all(|site| site.cluster().is_some_and(is_complete)),
        ..Started::default()
    }
}
