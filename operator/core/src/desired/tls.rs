//! Whether the nodes of a ring are reached over TLS, where the spec leaves it out: a ring goes on as it was started, and a
//! ring that is created gets none.

use casskop_common::api::{CassandraCluster, NodeApiKind, NodeTls};
use kube_core::ResourceExt;

use crate::{
    desired::accepted,
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

fn is_left_out(cluster: &CassandraCluster) -> bool {
    let api = cluster.spec.node_api.as_ref();
    api.is_none_or(|api| api.kind == NodeApiKind::Jolokia && api.tls.is_none())
}

/// The pod templates decide: in the middle of a change that was withdrawn, one without TLS is enough, because a ring that was
/// started without it never gets it by itself. Then the accepted spec: that of an earlier version of the operator has no word
/// of TLS, and its pods have none. A ring that was created with TLS keeps it, unless a spec has ended that.
fn left_out(cluster: &CassandraCluster, live: &OwnedObjects) -> NodeTls {
    if live.was_created_with_tls && is_in_question(cluster, live) {
        return NodeTls::Enabled;
    }
    let of_spec = || {
        let accepted = accepted::read(&live.config_maps, cluster)?;
        Some(accepted.spec.transport().has_tls())
    };
    match of_templates(cluster, live).or_else(of_spec) {
        Some(true) => NodeTls::Enabled,
        Some(false) | None => NodeTls::Disabled,
    }
}

/// Whether all pod templates of the ring have TLS; nothing if there are none.
fn of_templates(cluster: &CassandraCluster, live: &OwnedObjects) -> Option<bool> {
    let sets = live.stateful_sets.values();
    let own = sets.filter(|set| !is_of_predecessor(set.owner_references(), cluster));
    let templates = own.filter_map(NodePod::of_template);
    let have_tls = templates.map(|pod| pod.transport.has_tls());
    have_tls.reduce(|one, other| one && other)
}
