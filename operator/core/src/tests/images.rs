//! Another image: it is tried on one node first, and a bad one goes no further.

use crate::{
    node::{NodeError, Replication},
    objects::Object,
    simulation::{Node, THREE_RACKS, World},
    tests::rollout::sets,
};

#[test]
fn a_bad_image_stops_at_the_first_pod_and_a_corrected_spec_goes_on() {
    let mut world = World::formed(THREE_RACKS);
    world.bad_images.insert("nope:1".into());
    world.edit(|cluster| cluster.spec.cassandra_image = Some("nope:1".into()));
    for _ in 0..20 {
        world.pass();
        world.tick();
    }
    let broken: Vec<&String> = world
        .pods
        .iter()
        .filter(|(_, pod)| pod.node == Node::Broken)
        .map(|(name, _)| name)
        .collect();
    assert_eq!(broken, ["demo-dc1-rack1-0"]);
    insta::assert_snapshot!(world.condition("Degraded"));
    world.edit(|cluster| cluster.spec.cassandra_image = Some("cassandra:5.0.9".into()));
    world.settle();
    assert!(world.pods.values().all(|pod| pod.node == Node::Normal));
}

#[test]
fn a_bad_image_of_a_rack_of_two_is_corrected_too() {
    let mut world = World::new(THREE_RACKS);
    world.edit(|cluster| cluster.spec.nodes_per_racks = Some(2));
    world.settle();
    world.bad_images.insert("nope:1".into());
    world.edit(|cluster| cluster.spec.cassandra_image = Some("nope:1".into()));
    for _ in 0..20 {
        world.pass();
        world.tick();
    }
    assert_eq!(
        world
            .pods
            .values()
            .filter(|pod| pod.node == Node::Broken)
            .count(),
        1
    );
    world.edit(|cluster| cluster.spec.cassandra_image = Some("cassandra:5.0".into()));
    world.settle();
    assert!(world.pods.values().all(|pod| pod.node == Node::Normal));
}

#[test]
fn what_a_broken_pod_needs_reaches_it_where_its_rack_can_be_missed() {
    for (replicas, reaches) in [(3, true), (1, false)] {
        let mut world = World::new(THREE_RACKS);
        world.edit(|cluster| cluster.spec.nodes_per_racks = Some(3));
        world.settle();
        let factors = || Replication::Topology([("dc1".to_owned(), replicas)].into());
        world
            .replication
            .values_mut()
            .for_each(|keyspace| *keyspace = factors());
        let first = "demo-dc1-rack1-0";
        world.pods.get_mut(first).expect("a pod").node = Node::Broken;
        world.edit(|cluster| cluster.spec.cassandra_image = Some("cassandra:5.0.9".into()));
        for _ in 0..20 {
            world.pass();
            world.tick();
            let down = world.pods.values().filter(|pod| pod.node != Node::Normal);
            assert!(down.count() <= 2, "one beside it at most");
        }
        let mended = world.pods[first].node == Node::Normal;
        assert_eq!(mended, reaches, "{replicas} replicas");
    }
}

#[test]
fn a_change_goes_to_one_node_after_the_other() {
    let mut world = World::new(THREE_RACKS);
    world.edit(|cluster| cluster.spec.nodes_per_racks = Some(3));
    world.settle();
    let partition = |world: &World| {
        let set = world.live.stateful_sets["demo-dc1-rack1"]
            .spec
            .clone()
            .unwrap_or_default();
        let rolling = set
            .update_strategy
            .and_then(|strategy| strategy.rolling_update);
        rolling.and_then(|rolling| rolling.partition)
    };
    world.edit(|cluster| cluster.spec.cassandra_image = Some("cassandra:5.0.9".into()));
    world.pass();
    assert_eq!(partition(&world), Some(2));
    world.tick();
    world.pass();
    assert_eq!(partition(&world), Some(2), "until it is well");
    let mut partitions = Vec::new();
    for _ in 0..8 {
        world.tick();
        world.pass();
        partitions.push(partition(&world));
    }
    partitions.dedup();
    assert_eq!(partitions, [Some(1), Some(0)], "one after the other");
    world.settle();
}

#[test]
fn a_downgrade_is_refused_unless_it_is_waived() {
    let mut world = World::formed(THREE_RACKS);
    world.edit(|cluster| cluster.spec.cassandra_image = Some("cassandra:4.1".into()));
    world.pass();
    insta::assert_snapshot!(world.condition("SpecAccepted"));
    assert_eq!(sets(&world), []);
    world.annotate("spec.waive", Some("4.1 downgrade"));
    assert_eq!(sets(&world).len(), 1);
    world.annotate("spec.waive", Some("4.0 downgrade"));
    assert_eq!(sets(&world), [], "that is about another image");
}

#[test]
fn a_trial_whose_pod_goes_before_it_has_joined_is_held_by_another_one() {
    let mut world = World::formed(THREE_RACKS);
    world.edit(|cluster| cluster.spec.nodes_per_racks = Some(2));
    world.pass();
    let image = |world: &World, pod: &str| world.pods[pod].revision.clone();
    let before = image(&world, "demo-dc1-rack1-0");
    // Kubernetes has not made the newcomer yet, which would try it.
    world.edit(|cluster| cluster.spec.cassandra_image = Some("cassandra:5.0.9".into()));
    world.pass();
    world.edit(|cluster| cluster.spec.nodes_per_racks = Some(1));
    world.settle();
    assert_ne!(image(&world, "demo-dc1-rack1-0"), before);
    assert_eq!(world.pods.len(), 3);
}

#[test]
fn nobody_is_restarted_because_only_the_operator_gets_no_answer() {
    let mut world = World::formed(THREE_RACKS);
    world.cut = Some(NodeError::Unreachable("Connection refused".into()));
    let revisions = |world: &World| -> Vec<String> {
        let pods = world.pods.values();
        pods.map(|pod| pod.revision.clone()).collect()
    };
    let before = revisions(&world);
    world.edit(|cluster| cluster.spec.cassandra_image = Some("cassandra:5.0.9".into()));
    for _ in 0..20 {
        world.pass();
        world.tick();
    }
    assert_eq!(revisions(&world), before);
    world.cut = None;
    world.settle();
    assert_ne!(revisions(&world), before);
}

/// A rack alone, of three nodes.
fn one_rack() -> World {
    let mut world = World::new(THREE_RACKS);
    world.edit(|cluster| {
        let dc = &mut cluster.spec.topology.as_mut().expect("a topology").dc[0];
        dc.rack.truncate(1);
        cluster.spec.nodes_per_racks = Some(3);
    });
    world.settle();
    world
}

/// As an operator of another version, which has no certificates for the nodes.
#[test]
fn a_ring_of_one_rack_is_not_restarted_because_only_the_operator_gets_no_answer() {
    let cuts = [
        NodeError::Unreachable("the connection was closed".into()),
        NodeError::Refused,
        NodeError::Timeout(5),
    ];
    for cut in cuts {
        let mut world = one_rack();
        world.cut = Some(cut);
        let before: Vec<_> = world.pods.values().map(|pod| pod.ip.clone()).collect();
        world.edit(|cluster| cluster.spec.cassandra_image = Some("cassandra:5.0.9".into()));
        for _ in 0..20 {
            world.pass();
            world.tick();
        }
        let after: Vec<_> = world.pods.values().map(|pod| pod.ip.clone()).collect();
        assert_eq!(after, before);
        world.cut = None;
        world.settle();
        assert!(
            world
                .pods
                .values()
                .all(|pod| pod.image == "cassandra:5.0.9")
        );
    }
}

#[test]
fn a_pod_that_is_ready_is_not_the_first_because_only_the_operator_gets_no_answer() {
    let mut world = one_rack();
    world.edit(|cluster| cluster.spec.cassandra_image = Some("cassandra:5.0.9".into()));
    world.pass();
    let first = "demo-dc1-rack1-0";
    while world.pods["demo-dc1-rack1-2"].image != "cassandra:5.0.9"
        || world.pods.values().any(|pod| pod.node != Node::Normal)
    {
        world.tick();
    }
    let partitions = |world: &World, error: Option<NodeError>| {
        let mut state = world.state();
        if let Some(error) = error {
            state.nodes.insert(first.into(), Err(error));
        }
        let plan = world.plan_for(&mut state);
        let sets = plan.objects.iter().filter_map(|object| match object {
            Object::StatefulSet(set) => Some(crate::rollout::partition(set)),
            _ => None,
        });
        sets.collect::<Vec<_>>()
    };
    assert_eq!(partitions(&world, None), [1]);
    let cut = || Some(NodeError::Unreachable("the connection was closed".into()));
    assert_eq!(partitions(&world, cut()), [1]);
    // Not even the kubelet gets an answer.
    world.pods.get_mut(first).expect("a pod").node = Node::Hanging;
    assert_eq!(partitions(&world, cut()), [0]);
}

#[test]
fn a_correction_comes_to_the_pod_that_needs_it_although_another_one_is_well() {
    let mut world = World::new(THREE_RACKS);
    world.edit(|cluster| cluster.spec.nodes_per_racks = Some(2));
    world.settle();
    let image = |world: &mut World, image: &str| {
        world.edit(|cluster| cluster.spec.cassandra_image = Some(image.into()));
    };
    image(&mut world, "cassandra:5.0.8");
    world.pass();
    world.tick();
    world.pass();
    // The last pod is well with it; the next one is not.
    world.pods.get_mut("demo-dc1-rack1-1").expect("a pod").node = Node::Normal;
    world.bad_images.insert("cassandra:5.0.8".into());
    for _ in 0..5 {
        world.pass();
        world.tick();
    }
    assert_eq!(world.pods["demo-dc1-rack1-0"].node, Node::Broken);
    assert_eq!(world.pods["demo-dc1-rack1-1"].node, Node::Normal);
    image(&mut world, "cassandra:5.0.9");
    world.settle();
    assert!(world.pods.values().all(|pod| pod.node == Node::Normal));
}

#[test]
fn nothing_is_let_further_before_kubernetes_has_seen_what_was_written() {
    let mut world = World::new(THREE_RACKS);
    world.edit(|cluster| cluster.spec.nodes_per_racks = Some(3));
    world.settle();
    world.edit(|cluster| cluster.spec.cassandra_image = Some("cassandra:5.0.9".into()));
    for _ in 0..5 {
        world.pass();
    }
    let set = &world.live.stateful_sets["demo-dc1-rack1"];
    let strategy = set
        .spec
        .as_ref()
        .and_then(|spec| spec.update_strategy.as_ref());
    let rolling = strategy.and_then(|strategy| strategy.rolling_update.as_ref());
    assert_eq!(rolling.and_then(|rolling| rolling.partition), Some(2));
}

#[test]
fn a_pod_that_cannot_run_is_corrected_beside_one_that_is_well() {
    let mut world = World::new(THREE_RACKS);
    world.edit(|cluster| cluster.spec.nodes_per_racks = Some(2));
    world.settle();
    let well = world.pods["demo-dc1-rack1-0"].ip.clone();
    world.pods.get_mut("demo-dc1-rack1-1").expect("a pod").node = Node::Broken;
    world.edit(|cluster| {
        cluster.spec.env_vars = serde_json::from_value(serde_json::json!([
            { "name": "MAX_HEAP", "value": "more" },
        ]))
        .expect("variables");
    });
    world.pass();
    world.tick();
    assert_ne!(world.pods["demo-dc1-rack1-1"].node, Node::Broken);
    assert_eq!(world.pods["demo-dc1-rack1-0"].ip.clone(), well);
    world.settle();
    assert!(world.pods.values().all(|pod| pod.node == Node::Normal));
}

#[test]
fn an_unsupported_release_is_refused_by_a_tag_of_cassandra_only() {
    for (image, is_refused) in [
        ("cassandra:3.11", true),
        ("cassandra:3.11@sha256:5f0a", true),
        ("registry:5000/library/cassandra:3.0.30", true),
        ("registry:5000/own/cassandra:3.4.0", false),
        ("registry.3.11:5000/own/cassandra", false),
    ] {
        let mut world = World::new(THREE_RACKS);
        world.edit(|cluster| cluster.spec.cassandra_image = Some(image.into()));
        world.pass();
        let accepted = world.condition("SpecAccepted");
        assert_eq!(
            accepted.starts_with("False NotSupported"),
            is_refused,
            "{image}: {accepted}"
        );
        assert_eq!(world.live.stateful_sets.is_empty(), is_refused, "{image}");
    }
}

#[test]
fn an_own_tag_is_no_downgrade_where_the_nodes_report_another_release_than_it_names() {
    let own = |world: &mut World, image: &str| {
        world.edit(|cluster| cluster.spec.cassandra_image = Some(image.into()));
    };
    let mut world = World::new(THREE_RACKS);
    own(&mut world, "registry:5000/own/cassandra:4.1.7");
    world.settle();
    own(&mut world, "registry:5000/own/cassandra:4.0.0");
    world.settle();
    assert!(world.condition("SpecAccepted").starts_with("True"));
    own(&mut world, "cassandra:4.0");
    world.pass();
    let accepted = world.condition("SpecAccepted");
    assert!(
        accepted.starts_with("False Downgrade"),
        "another repository: {accepted}"
    );
}

#[test]
fn an_unsupported_release_that_the_nodes_report_is_told() {
    let mut world = World::formed(THREE_RACKS);
    world.version = "3.11.19".into();
    world.pass();
    insta::assert_snapshot!(world.condition("Degraded"));
}
