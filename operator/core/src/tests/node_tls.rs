//! Mutual TLS to the nodes, where the spec leaves it out.

use casskop_common::api::{CassandraCluster, NodeApi, NodeApiKind, NodeTls, NodeTransport};

use casskop_common::names;
use serde_json::Value;

use crate::{
    desired::{
        accepted::KEY,
        tls::{is_in_question, is_marked, resolve, was_rewritten},
    },
    observed::{NodePod, OwnedObjects},
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

/// Such an image may be of a version that knows no TLS, whatever its name is.
#[test]
fn a_new_ring_with_an_init_container_of_its_own_has_no_tls_by_itself() {
    let mut world = World::new(THREE_RACKS);
    for (image, transport) in [
        (
            "registry.example/casskop-operator:1.2",
            NodeTransport::Jolokia,
        ),
        // It is not used.
        (
            "example/casskop-bootstrap:0.1.21",
            NodeTransport::JolokiaTls,
        ),
    ] {
        world.cluster.spec.bootstrap_image = Some(image.to_owned());
        assert_eq!(
            decided(&world, &OwnedObjects::default()),
            transport,
            "{image}"
        );
        // A ring that exists is not changed by it.
        let secure = ring(Some(NodeTls::Enabled));
        assert_eq!(decided(&world, &secure.live), NodeTransport::JolokiaTls);
    }
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
    live.had_tls = true;
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
    turned.live.had_tls = true;
    assert_eq!(decided(&turned, &turned.live), NodeTransport::Jolokia);
}

/// The mark of the ring is lost with its Secret, and pods are left.
#[test]
fn pods_and_templates_with_tls_show_that_an_earlier_version_has_rewritten_the_ring() {
    let (secure, plain) = (ring(Some(NodeTls::Enabled)), ring(Some(NodeTls::Disabled)));
    let left_out = with(secure.cluster.clone(), None);
    let live = rewritten(&secure, &plain);
    let (new, old) = (plain.state().pods, secure.state().pods);
    let shows = |live: &OwnedObjects, pods: &[&NodePod]| {
        was_rewritten(&left_out, live, pods.iter().copied())
    };
    let (new, old) = (&new["demo-dc1-rack1-0"], &old["demo-dc1-rack2-0"]);
    assert!(shows(&live, &[new, old]));
    assert!(!shows(&live, &[new]), "nothing has TLS");
    let ending = NodePod {
        deleting: true,
        ..old.clone()
    };
    assert!(!shows(&live, &[new, &ending]), "of a ring that was deleted");
    // The pods have started anew, and a template has not been rewritten.
    let mut mixed = live.clone();
    let (name, set) = secure.live.stateful_sets.first_key_value().expect("a rack");
    mixed.stateful_sets.insert(name.clone(), set.clone());
    assert!(shows(&mixed, &[new]));
    // A change that this version began, and that is withdrawn in the middle.
    for begun in [&secure, &plain] {
        assert!(!shows(&begun.live, &[new, old]));
    }
}

/// The Secret has no mark, as the ring got TLS by a change of its spec: until all racks have TLS again, each reconciliation has to find
/// out anew.
#[test]
fn a_rewritten_ring_without_a_mark_is_put_back_to_its_last_rack() {
    let (secure, plain) = (ring(Some(NodeTls::Enabled)), ring(Some(NodeTls::Disabled)));
    let mut world = secure.clone();
    world.live = rewritten(&secure, &plain);
    let (name, set) = secure.live.stateful_sets.first_key_value().expect("a rack");
    world.live.stateful_sets.insert(name.clone(), set.clone());
    let left_out = with(world.cluster.clone(), None);
    for _ in 0..200 {
        // As the operator observes it.
        let pods = world.state().pods;
        let is_rewritten = was_rewritten(&left_out, &world.live, pods.values());
        world.live.had_tls = is_in_question(&left_out, &world.live) && is_rewritten;
        assert_eq!(decided(&world, &world.live), NodeTransport::JolokiaTls);
        world.cluster.spec = with(left_out.clone(), Some(NodeTls::Enabled)).spec;
        world.pass();
        world.tick();
    }
    assert!(
        !is_in_question(&left_out, &world.live),
        "all racks have TLS"
    );
    let accepted = &world.live.config_maps[&names::accepted_spec("demo")];
    let json = &accepted.data.as_ref().expect("a spec")[KEY];
    assert!(json.contains("Enabled"), "{json}");
}

#[test]
fn certificates_that_are_made_anew_are_marked_where_the_whole_ring_has_tls() {
    let (secure, plain) = (ring(Some(NodeTls::Enabled)), ring(Some(NodeTls::Disabled)));
    let cluster = &secure.cluster;
    assert!(is_marked(cluster, &OwnedObjects::default()), "a new ring");
    assert!(is_marked(cluster, &secure.live));
    assert!(!is_marked(cluster, &plain.live));
    let mut live = plain.live.clone();
    let (name, set) = secure.live.stateful_sets.first_key_value().expect("a rack");
    live.stateful_sets.insert(name.clone(), set.clone());
    assert!(!is_marked(cluster, &live), "in the middle of a change");
    live.had_tls = true;
    assert!(is_marked(cluster, &live));
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
