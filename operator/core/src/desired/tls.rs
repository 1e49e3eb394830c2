//! Whether the nodes of a ring are reached over TLS, where the spec leaves it out: a ring goes on as it was started, and a
//! ring that is created gets none.

use casskop_common::api::{CassandraCluster, NodeApiKind, NodeTls};

use crate::{
    desired::accepted,
    observed::{NodePod, OwnedObjects},
};

/// Writes the decision into a resource that leaves it out. It is kept with the accepted spec, so that it outlives the
/// StatefulSets. The Management API has one way only.
pub fn resolve(cluster: &mut CassandraCluster, live: &OwnedObjects) {
    let api = cluster.spec.node_api.clone().unwrap_or_default();
    if api.kind == NodeApiKind::Jolokia && api.tls.is_none() {
        let tls = left_out(cluster, live);
        let api = cluster.spec.node_api.get_or_insert_default();
        api.tls = Some(tls);
    }
}

/// The pod templates decide: in the middle of a change that was withdrawn, one without TLS is enough, because a ring that was
/// started without it never gets it by itself. Then the accepted spec: that of an earlier version of the operator has no word
/// of TLS, and its pods have none.
fn left_out(cluster: &CassandraCluster, live: &OwnedObjects) -> NodeTls {
    let sets = live.stateful_sets.values();
    let templates = sets.filter_map(NodePod::of_template);
    let of_templates = templates.map(|pod| pod.transport.has_tls());
    let of_spec = || {
        let accepted = accepted::read(&live.config_maps, cluster)?;
        Some(accepted.spec.transport().has_tls())
    };
    match of_templates
        .reduce(|one, other| one && other)
        .or_else(of_spec)
    {
        Some(true) => NodeTls::Enabled,
        Some(false) | None => NodeTls::Disabled,
    }
}
