//! Encryption between nodes of several sites: all sites have taken a step before any takes the next one. Each site is told
//! the present step, and takes it as a ring of its own does.

use std::collections::BTreeSet;

use casskop_common::api::{CassandraCluster, InternodeMode, condition};

use crate::multi::{
    children::Child,
    observed::{ObservedSites, SiteView, condition as observed_condition},
};

/// Writes the present step into the desired cluster of a site. Returns what the step after it waits for.
pub(crate) fn tell(
    wanted: &mut CassandraCluster,
    live: Option<&CassandraCluster>,
    snapshot: &ObservedSites,
) -> Option<String> {
    let target = wanted.spec.internode_mode();
    let mode = next(target, live, snapshot);
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

/// The mode that the sites are told now. It is never more than one step from what any of them was told before, and moves
/// only while all sites have taken the present step.
fn next(
    target: InternodeMode,
    live: Option<&CassandraCluster>,
    snapshot: &ObservedSites,
) -> InternodeMode {
    let clusters = snapshot.sites.iter().filter_map(SiteView::cluster);
    let modes: BTreeSet<InternodeMode> = clusters.map(told).collect();
    let (Some(first), Some(last)) = (modes.first().copied(), modes.last().copied()) else {
        return target;
    };
    if first == last {
        let mut children = snapshot.children().iter();
        let may_go_on = children.all(|child| has_taken_its_step(child, snapshot));
        return if may_go_on {
            first.towards(target)
        } else {
            first
        };
    }
    if first.towards(last) == last {
        return target.clamp(first, last);
    }
    // No step leads from one to the other: each site keeps what it has.
    live.map_or(first, told)
}

fn told(cluster: &CassandraCluster) -> InternodeMode {
    cluster.spec.internode_mode()
}

/// Whether a site has what it was told: its cluster has carried out the spec with the Secret that it is to have, and every
/// node is Ready in that mode. A site that is not known may have nodes; one that was never made has none.
fn has_taken_its_step(child: &Child, snapshot: &ObservedSites) -> bool {
    let Some(Ok(state)) = snapshot.site(&child.site).map(|site| &site.observed) else {
        return false;
    };
    let Some(cluster) = &state.cluster else {
        return !snapshot.was_made(&child.site);
    };
    let secret = |cluster: &CassandraCluster| {
        let tls = cluster.spec.internode_tls()?;
        tls.secret_name.clone().filter(|name| !name.is_empty())
    };
    let wanted = secret(&child.cluster);
    let has_secret = wanted.is_none() || wanted == secret(cluster);
    let progressing = observed_condition(cluster, condition::PROGRESSING);
    let nodes = cluster.status.iter();
    let mut nodes = nodes.flat_map(|status| status.cassandra_node_status.values());
    has_secret
        && progressing.is_some_and(|(holds, _)| !holds)
        && nodes.all(|node| node.ready && node.internode_tls.unwrap_or_default() == told(cluster))
}
