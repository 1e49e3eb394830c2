//! Mutual TLS to the nodes, where the spec leaves it out.

use casskop_common::api::{CassandraCluster, NodeApi, NodeApiKind, NodeTls, NodeTransport};

use crate::{
    desired::tls::resolve,
    observed::OwnedObjects,
    simulation::{THREE_RACKS, World},
};

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
fn a_ring_goes_on_as_it_was_started_and_a_new_one_has_no_tls() {
    use NodeTransport::{Jolokia, JolokiaTls};
    let secure = ring(Some(NodeTls::Enabled));
    let plain = ring(Some(NodeTls::Disabled));
    // As earlier versions of the operator, and the Go CassKop, have made it.
    let old = ring(None);
    assert_eq!(decided(&old, &OwnedObjects::default()), Jolokia);
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
