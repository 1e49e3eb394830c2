//! The superuser of a ring: its Secret, and the nodes that are asked about it.

use casskop_common::api::LoginStep::Required;

use super::{FIRST, form, new, open, steps, two_data_centers};
use crate::{observed::SecretState, simulation::Node, tests::rollout::sets};

#[test]
fn a_superuser_that_cannot_be_used_is_told_and_restarts_nothing() {
    let mut world = new(|_| {});
    form(&mut world);
    world.secret = SecretState::Broken("Secret demo-superuser has no password".into());
    world.edit(|cluster| cluster.spec.cassandra_image = Some("cassandra:5.0.9".into()));
    for _ in 0..5 {
        world.pass();
        assert_eq!(sets(&world), []);
        world.tick();
    }
    let told = world.condition("Degraded");
    assert!(
        told.contains("Secret demo-superuser has no password"),
        "{told}"
    );
}

#[test]
fn each_data_center_has_a_node_that_is_asked_about_the_superuser() {
    let mut world = new(two_data_centers);
    form(&mut world);
    world.changes_superuser = true;
    assert_eq!(
        world.plan().login_nodes,
        ["demo-dc1-rack1-0", "demo-dc2-rack1-0", "demo-dc1-rack2-0"]
    );
}

#[test]
fn a_changed_superuser_is_changed_at_nodes_that_serve_clients() {
    let mut world = new(|_| {});
    world.changes_superuser = true;
    while steps(&world) != [Required].into() {
        // The pod that sets up logins has the superuser of its time, and cannot be reached.
        assert!(world.plan().login_nodes.is_empty());
        world.pass();
        world.tick();
    }
    form(&mut world);
    let asked = world.plan().login_nodes;
    assert_eq!(
        asked,
        ["demo-dc1-rack1-0", "demo-dc1-rack2-0", "demo-dc1-rack3-0"]
    );
    world.has_superuser = true;
    open(&mut world, &["demo-dc1-rack2-0"]);
    assert_eq!(
        world.plan().login_nodes,
        ["demo-dc1-rack1-0", "demo-dc1-rack2-1", "demo-dc1-rack3-0"]
    );
    let away = world.pods.get_mut(FIRST).expect("a pod");
    away.node = Node::Hanging;
    assert!(!world.plan().login_nodes.contains(&FIRST.to_owned()));
    world.annotate("reconcile", Some("paused"));
    assert!(world.plan().login_nodes.is_empty());
    world.annotate("reconcile", None);
    world.changes_superuser = false;
    assert!(world.plan().login_nodes.is_empty());
}
