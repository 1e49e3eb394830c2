//! Mutual TLS to the nodes, where the spec leaves it out.

use casskop_common::api::{CassandraCluster, NodeApi, NodeApiKind, NodeTls, NodeTransport};

use casskop_common::names;
use serde_json::Value;

use crate::{
    desired::{
        accepted::KEY,
        tls::{is_in_question, resolve},
    },
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

/// The objects of this ring after an earlier version of the operator, which had no word of TLS, has led.
fn rewritten(secure: &World, plain: &World) -> OwnedObjects {
    let mut live = secure.live.clone();
    live.stateful_sets.clone_from(&plain.live.stateful_sets);
    let name = names::accepted_spec("demo");
    let accepted = live.config_maps.get_mut(&name).expect("it was accepted");
    let data = accepted.data.as_mut().expect("a spec");
    let mut spec: Value = serde_json::from_str(&data[KEY]).expect("JSON");
    let fields = spec["spec"].as_object_mut().expect("a spec");
    fields.remove("nodeApi");
    data.insert(KEY.to_owned(), spec.to_string());
    live
}

#[test]
fn an_earlier_version_that_led_meanwhile_does_not_end_tls() {
    let (secure, plain) = (ring(Some(NodeTls::Enabled)), ring(Some(NodeTls::Disabled)));
    let left_out = with(secure.cluster.clone(), None);
    assert!(!is_in_question(&left_out, &secure.live));
    assert!(!is_in_question(&left_out, &plain.live), "a spec said it");
    assert!(!is_in_question(&left_out, &OwnedObjects::default()));
    let mut live = rewritten(&secure, &plain);
    assert!(is_in_question(&left_out, &live));
    assert!(!is_in_question(&secure.cluster, &live), "the spec says it");
    assert_eq!(
        decided(&secure, &live),
        NodeTransport::Jolokia,
        "it is a ring of that version"
    );
    live.was_created_with_tls = true;
    assert_eq!(decided(&secure, &live), NodeTransport::JolokiaTls);
    // That version has rewritten some racks.
    let (name, set) = secure.live.stateful_sets.first_key_value().expect("a rack");
    live.stateful_sets.insert(name.clone(), set.clone());
    assert_eq!(decided(&secure, &live), NodeTransport::JolokiaTls);
    // A change to the Management API, which has certificates, was withdrawn.
    let mut turned = plain.clone();
    turned.edit(|cluster| {
        cluster.spec.node_api = Some(NodeApi {
            kind: NodeApiKind::ManagementApi,
            ..NodeApi::default()
        });
        cluster.spec.cassandra_image = Some("k8ssandra/cass-management-api:5.0.9-ubi".into());
    });
    turned.pass();
    turned.live.was_created_with_tls = true;
    assert_eq!(decided(&turned, &turned.live), NodeTransport::Jolokia);
}

/// Kubernetes deletes them soon.
#[test]
fn objects_of_a_deleted_cluster_of_the_name_decide_nothing() {
    for tls in [NodeTls::Enabled, NodeTls::Disabled] {
        let before = ring(Some(tls));
        let mut after = before.clone();
        after.cluster.metadata.uid = Some("u-2".into());
        let new = decided(&after, &OwnedObjects::default());
        assert_eq!(decided(&after, &before.live), new, "{tls:?}");
        // Orphaned StatefulSets are taken over.
        let mut orphaned = before.live.clone();
        for set in orphaned.stateful_sets.values_mut() {
            set.metadata.owner_references = None;
        }
        assert_eq!(decided(&after, &orphaned), before.cluster.spec.transport());
    }
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
