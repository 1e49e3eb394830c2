//! Whether the nodes of a ring are reached over TLS, where the spec leaves it out: a ring that is created gets TLS, and a ring
//! that exists goes on as it was started, so that neither an upgrade of the operator nor a take-over restarts it.

use casskop_common::api::{CassandraCluster, NodeApiKind, NodeTls, NodeTransport};
use kube_core::ResourceExt;

use crate::{
    desired::{accepted, named_bootstrap_image},
    observed::{NodePod, OwnedObjects, is_of_predecessor},
};

/// Writes the decision into a resource that leaves it out. It is kept with the accepted spec, so that it outlives the
/// StatefulSets. The Management API has one way only.
pub fn resolve(cluster: &mut CassandraCluster, live: &OwnedObjects) {
    if is_left_out(cluster) {
        let tls = left_out(cluster, live);
        let api = cluster.spec.node_api.get_or_insert_default();
        api.tls = Some(tls);
    }
}

/// Whether pod templates and accepted spec may not say how the ring was started: an earlier version of the operator, which has no
/// word of TLS, accepts specs without it and writes plain templates while it leads.
pub fn is_in_question(cluster: &CassandraCluster, live: &OwnedObjects) -> bool {
    let accepted = accepted::read(&live.config_maps, cluster);
    let api = accepted.map(|accepted| accepted.spec.node_api.unwrap_or_default());
    let may_have = api
        .is_some_and(|api| api.kind == NodeApiKind::Jolokia && api.tls != Some(NodeTls::Disabled));
    is_left_out(cluster) && may_have && of_templates(cluster, live) != Some(true)
}

/// Whether a ring with TLS was rewritten by such a version: pods or templates have it still, and the accepted spec has no word
/// of it. This version writes the word into each spec that it starts such pods for, also in the middle of a change that is
/// withdrawn.
pub fn was_rewritten<'a>(
    cluster: &CassandraCluster,
    live: &OwnedObjects,
    pods: impl Iterator<Item = &'a NodePod>,
) -> bool {
    let has_tls = |pod: &NodePod| pod.transport == NodeTransport::JolokiaTls;
    let mut nodes = pods.filter(|pod| pod.rack.is_some() && !pod.deleting);
    !has_word(cluster, live)
        && (nodes.any(has_tls) || templates(cluster, live).any(|pod| has_tls(&pod)))
}

/// Whether such a ring without a mark is being put back: as long as a template has no TLS, the accepted spec stays without a word of
/// it, because that tells the next reconciliation that the ring had it.
pub fn is_put_back(cluster: &CassandraCluster, live: &OwnedObjects) -> bool {
    let is_shown_by_nodes = live.had_tls && !live.has_tls_mark;
    is_shown_by_nodes && !has_word(cluster, live) && of_templates(cluster, live) == Some(false)
}

fn has_word(cluster: &CassandraCluster, live: &OwnedObjects) -> bool {
    let accepted = accepted::read(&live.config_maps, cluster);
    let api = accepted.and_then(|accepted| accepted.spec.node_api);
    api.is_some_and(|api| api.tls.is_some())
}

/// Whether certificates that are written now are marked as those of a ring with TLS. The mark is lost with its Secret: pod
/// templates, all of which have TLS, put it back. In the middle of a change to TLS, which may be withdrawn, there is none.
pub fn is_marked(cluster: &CassandraCluster, live: &OwnedObjects) -> bool {
    live.had_tls || of_templates(cluster, live) != Some(false)
}

fn is_left_out(cluster: &CassandraCluster) -> bool {
    let api = cluster.spec.node_api.as_ref();
    api.is_none_or(|api| api.kind == NodeApiKind::Jolokia && api.tls.is_none())
}

/// The pod templates decide: in the middle of a change that was withdrawn, one without TLS is enough, because a ring that was
/// started without it never gets it by itself. Then the accepted spec: that of an earlier version of the operator has no word
/// of TLS, and its pods have none. A ring that had TLS before keeps it, unless a spec has ended that.
fn left_out(cluster: &CassandraCluster, live: &OwnedObjects) -> NodeTls {
    if live.had_tls && is_in_question(cluster, live) {
        return NodeTls::Enabled;
    }
    let of_spec = || {
        let accepted = accepted::read(&live.config_maps, cluster)?;
        Some(accepted.spec.transport().has_tls())
    };
    match of_templates(cluster, live).or_else(of_spec) {
        Some(false) => NodeTls::Disabled,
        // An image that the spec names does not follow the operator, and may be of a version that knows no TLS: its pods would
        // not start.
        None if named_bootstrap_image(&cluster.spec).is_some() => NodeTls::Disabled,
        Some(true) | None => NodeTls::Enabled,
    }
}

/// Whether all pod templates of the ring have TLS; nothing if there are none.
fn of_templates(cluster: &CassandraCluster, live: &OwnedObjects) -> Option<bool> {
    let have_tls = templates(cluster, live).map(|pod| pod.transport.has_tls());
    have_tls.reduce(|one, other| one && other)
}

fn templates<'a>(
    cluster: &'a CassandraCluster,
    live: &'a OwnedObjects,
) -> impl Iterator<Item = NodePod> + 'a {
    let sets = live.stateful_sets.values();
    let own = sets.filter(|set| !is_of_predecessor(set.owner_references(), cluster));
    own.filter_map(NodePod::of_template)
}
