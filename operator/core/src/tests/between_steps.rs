//! Changes of the encryption between nodes that wait or turn round: for a node that is not healthy between two steps, and because of
//! a Secret that changes in the middle.

use std::collections::BTreeSet;

use casskop_common::api::{
    InternodeMode::{Disabled, Optional, Required},
    OperationPhase,
};

use crate::{
    observed::SecretState,
    simulation::{Node, World},
    tests::internode_tls::{go_to, modes, reach, ring, set},
};

#[test]
fn a_node_that_is_not_ready_holds_the_next_step() {
    let mut world = ring(Disabled);
    world.edit(|cluster| set(cluster, Required, None));
    reach(&mut world, Optional);
    while !world.pods.values().all(|pod| pod.node == Node::Normal) {
        world.tick();
    }
    let sick = world.pods.get_mut("demo-dc1-rack2-1").expect("a pod");
    sick.node = Node::Hanging;
    for _ in 0..10 {
        world.pass();
        world.tick();
    }
    assert_eq!(modes(&world), [Optional].into());
    let told = world.condition("Progressing");
    assert!(
        told.contains("every node to be Ready, which demo-dc1-rack2-1 is not: ")
            && told.contains("encryption between nodes: Optional"),
        "{told}"
    );
    let sick = world.pods.get_mut("demo-dc1-rack2-1").expect("a pod");
    sick.node = Node::Normal;
    go_to(&mut world, Required);
}

/// The change waits for the node, and the restart, which may be what the node needs, does not wait for the change.
#[test]
fn a_node_that_holds_the_next_step_can_be_restarted() {
    let mut world = ring(Disabled);
    world.edit(|cluster| set(cluster, Required, None));
    reach(&mut world, Optional);
    while !world.pods.values().all(|pod| pod.node == Node::Normal) {
        world.tick();
    }
    for pod in ["demo-dc1-rack2-1", "demo-dc1-rack3-0"] {
        world.pods.get_mut(pod).expect("a pod").node = Node::Hanging;
    }
    world.pass();
    // Healthy nodes are restarted after the change.
    for (id, waits) in [
        ("r1", true),
        ("r2 --pod demo-dc1-rack1-0", true),
        ("r3 --pod demo-dc1-rack2-1 --pod demo-dc1-rack1-0", true),
        ("r4 --pod demo-dc1-rack2-1 --pod demo-dc1-rack3-0", false),
    ] {
        world.annotate("restart", Some(id));
        // The one before it is withdrawn first.
        world.pass();
        world.pass();
        let restart = world.operation("restart");
        assert_eq!(
            restart.message.starts_with("waits for UpdateStatefulSet"),
            waits,
            "{restart:#?}"
        );
    }
    // Each of them is down for the other.
    world.annotate("restart.waive", Some("r4 nodes-up"));
    for _ in 0..20 {
        world.pass();
        world.tick();
        world.work(0, true, false);
    }
    let restart = world.operation("restart");
    assert_eq!(restart.phase, OperationPhase::Succeeded, "{restart:#?}");
    go_to(&mut world, Required);
}

/// The Secret changes in one rack, and then the word is taken out: the nodes go on with the Secret of most of them, which is
/// not the first one by its name.
#[test]
fn of_two_secrets_that_of_most_pods_is_gone_on_with() {
    let mut world = ring(Disabled);
    world.secret = SecretState::Usable;
    world.edit(|cluster| set(cluster, Optional, Some("demo-old")));
    world.settle();
    let secrets = |world: &World| {
        let pods = world.pods.values();
        let secrets = pods.map(|pod| pod.secrets.internode.clone().unwrap_or_default());
        secrets.collect::<BTreeSet<_>>()
    };
    world.edit(|cluster| set(cluster, Optional, Some("demo-new")));
    while secrets(&world).len() == 1 {
        world.pass();
        world.tick();
    }
    world.edit(|cluster| cluster.spec.tls = None);
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let (both, old): (BTreeSet<_>, BTreeSet<_>) =
        (names(&["demo-new", "demo-old"]), names(&["demo-old"]));
    while secrets(&world) == both {
        assert_eq!(modes(&world), [Optional].into());
        world.pass();
        world.tick();
    }
    assert_eq!(secrets(&world), old);
    go_to(&mut world, Disabled);
}
