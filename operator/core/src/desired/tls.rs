//! Whether the nodes of a ring are reached over TLS, where the spec leaves it out: a ring that is created gets TLS, and a ring
//! that exists goes on as it was started, so that neither an upgrade of the operator nor a take-over restarts it.

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
        Some(false) => NodeTls::Disabled,
        Some(true) | None => NodeTls::Enabled,
    }
}

#[cfg(test)]
mod tests {
    use casskop_common::api::{NodeApi, NodeTransport};

    use super::*;
    use crate::simulation::{THREE_RACKS, World};

    fn with(mut cluster: CassandraCluster, tls: Option<NodeTls>) -> CassandraCluster {
        cluster.spec.node_api = tls.map(|tls| NodeApi {
            tls: Some(tls),
            ..NodeApi::default()
        });
        cluster
    }

    /// The objects of a ring with this spec.
    fn ring(tls: Option<NodeTls>) -> World {
        let mut world = World::new(THREE_RACKS);
        world.edit(|cluster| *cluster = with(cluster.clone(), tls));
        world.settle();
        world
    }

    fn decided(world: &World, live: &OwnedObjects) -> NodeTransport {
        let mut cluster = with(world.cluster.clone(), None);
        resolve(&mut cluster, live);
        let once = cluster.clone();
        resolve(&mut cluster, live);
        assert_eq!(cluster.spec, once.spec);
        cluster.spec.transport()
    }

    #[test]
    fn a_new_ring_has_tls_and_a_ring_goes_on_as_it_was_started() {
        use NodeTransport::{Jolokia, JolokiaTls};
        let secure = ring(Some(NodeTls::Enabled));
        let plain = ring(Some(NodeTls::Disabled));
        // As earlier versions of the operator, and the Go CassKop, have made it.
        let old = ring(None);
        assert_eq!(decided(&old, &OwnedObjects::default()), JolokiaTls);
        for (world, transport) in [(&secure, JolokiaTls), (&plain, Jolokia), (&old, Jolokia)] {
            let mut live = world.live.clone();
            assert_eq!(decided(world, &live), transport);
            // A ring that is half created, or a rack that is added.
            live.stateful_sets.pop_first();
            assert_eq!(decided(world, &live), transport);
            // Without the accepted spec, as after a take-over.
            let mut taken = live.clone();
            taken.config_maps.clear();
            assert_eq!(decided(world, &taken), transport);
            // The StatefulSets are deleted by hand.
            live.stateful_sets.clear();
            assert_eq!(decided(world, &live), transport);
        }
        // A change that was withdrawn in the middle.
        let mut mixed = secure.live.clone();
        let (name, set) = plain.live.stateful_sets.first_key_value().expect("a rack");
        mixed.stateful_sets.insert(name.clone(), set.clone());
        assert_eq!(decided(&secure, &mixed), Jolokia);
    }

    #[test]
    fn what_the_spec_says_and_the_management_api_are_left_alone() {
        let plain = ring(None);
        for tls in [NodeTls::Enabled, NodeTls::Disabled] {
            let mut cluster = with(plain.cluster.clone(), Some(tls));
            let before = cluster.spec.clone();
            resolve(&mut cluster, &plain.live);
            assert_eq!(cluster.spec, before);
        }
        let mut cluster = plain.cluster.clone();
        cluster.spec.node_api = Some(NodeApi {
            kind: NodeApiKind::ManagementApi,
            ..NodeApi::default()
        });
        let before = cluster.spec.clone();
        resolve(&mut cluster, &plain.live);
        assert_eq!(cluster.spec, before);
    }
}
