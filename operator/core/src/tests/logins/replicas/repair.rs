//! The repair of a replica of the roles that was added: it fails, waits, or is called off.

use std::collections::BTreeMap;

use casskop_common::api::{CassandraCluster, OperationPhase, Schedule};
use jiff::SignedDuration;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{KEYSPACE, by_hand, follow, record, settled, step, told};
use crate::{
    node::Replication,
    simulation::{Node, World},
    tests::lost_node::UID,
};

fn with_uid(cluster: &mut CassandraCluster) {
    cluster.metadata.uid = Some(UID.into());
}

/// Goes on until a repair of the roles is owed, and its request is recorded.
fn owed() -> World {
    let mut world = settled(with_uid);
    by_hand(&mut world, &[("dc1", 1)]);
    while record(&world).repaired || world.operation("repair").phase.is_final() {
        world.pass();
        world.tick();
    }
    assert_eq!(told(&world), "dc1=2");
    world
}

#[test]
fn a_repair_that_fails_or_waits_is_told_and_tried_again() {
    let mut world = owed();
    while !world.operation("repair").phase.is_final() {
        world.pass();
        world.tick();
        world.work(0, true, true);
    }
    world.pass();
    let id = world.operation("repair").id;
    insta::assert_snapshot!(
        world.condition("Degraded").replace(&id, "roles-…"),
        @r#"True RolesIncomplete: the replicas of the roles (keyspace system_auth) are to be repaired: repair roles-… has failed, and the operator tries it again: 6 of 6 nodes failed (demo-dc1-rack1-0 at system_auth: no space left on device); once the cause is corrected, retry them with the annotation operations.db.orange.com/repair.retry: "roles-…""#
    );
    assert_eq!(told(&world), "dc1=2");
    world.now += SignedDuration::from_mins(2);
    assert!(follow(&mut world).ends_with("dc1=3\nrepair of 6"));
}

#[test]
fn a_repair_that_waits_for_a_node_says_so() {
    let mut world = settled(|_| {});
    by_hand(&mut world, &[("dc1", 5)]);
    let name = "demo-dc1-rack2-0";
    world.pods.get_mut(name).expect("a pod").node = Node::Hanging;
    for _ in 0..5 {
        step(&mut world);
    }
    let repair = world.operation("repair");
    assert_eq!(repair.phase, OperationPhase::Pending);
    insta::assert_snapshot!(repair.message, @"waits for nodes-up: demo-dc1-rack2-0: the node did not answer within 4 s");
    world.pods.get_mut(name).expect("a pod").node = Node::Normal;
    assert!(follow(&mut world).contains("repair of 6"));
}

/// The operator does not insist against a person, and says what is owed.
#[test]
fn a_repair_that_is_cancelled_waits_for_the_end_of_the_cancel() {
    let mut world = owed();
    let id = world.operation("repair").id;
    world.annotate("repair.cancel", Some(&id));
    for _ in 0..20 {
        step(&mut world);
    }
    assert_eq!(world.operation("repair").phase, OperationPhase::Cancelled);
    insta::assert_snapshot!(world.condition("Degraded").replace(&id, "roles-…"), @"True RolesIncomplete: the replicas of the roles (keyspace system_auth) are to be repaired: repair roles-… was cancelled. Remove the annotation operations.db.orange.com/repair.cancel, and the operator repairs them");
    assert_eq!(told(&world), "dc1=2");
    world.annotate("repair.cancel", None);
    assert!(follow(&mut world).ends_with("dc1=3\nrepair of 6"));
    assert_ne!(world.operation("repair").id, id);
}

/// A repair that fails again and again keeps no schedule waiting.
#[test]
fn a_repair_that_fails_lets_schedules_have_their_turn() {
    let mut world = settled(with_uid);
    world.edit(|cluster| {
        cluster.spec.schedules = vec![Schedule {
            name: "hourly".into(),
            cron: "0 * * * *".into(),
            request: "repair --keyspace users".into(),
            ..Schedule::default()
        }];
    });
    by_hand(&mut world, &[("dc1", 1)]);
    let mut repaired = BTreeMap::<String, usize>::new();
    for _ in 0..400 {
        world.pass();
        world.tick();
        world.now += SignedDuration::from_mins(1);
        for (_, id, _, keyspace) in world.calls.drain(..).filter(|(kind, ..)| kind == "repair") {
            assert_eq!(keyspace == KEYSPACE, id.starts_with("roles-"));
            *repaired.entry(keyspace).or_default() += 1;
        }
        let of_roles = world.operation("repair").arguments.contains(KEYSPACE);
        world.work(0, true, of_roles);
    }
    assert!(
        repaired[KEYSPACE] > 20 && repaired.get("users") > Some(&20),
        "{repaired:?}"
    );
}

/// Between a replica that was added and its repair one node may be the only one with some of the roles.
#[test]
fn no_node_is_given_up_before_the_roles_are_repaired() {
    let mut world = owed();
    let name = "demo-dc1-rack2-0";
    world.replication.insert(
        "orders".into(),
        Replication::Topology([("dc1".into(), 3)].into()),
    );
    world.replication.insert(
        "users".into(),
        Replication::Topology([("dc1".into(), 3)].into()),
    );
    let mut at_rest = settled(with_uid);
    at_rest.replication = world.replication.clone();
    at_rest.replication.insert(
        KEYSPACE.into(),
        Replication::Topology([("dc1".into(), 3)].into()),
    );
    for (world, waits) in [(&mut world, true), (&mut at_rest, false)] {
        world.pods.get_mut(name).expect("a pod").node = Node::Lost;
        world.annotate(
            "replace",
            Some(&format!("r1 --pod {name} --cluster-uid {UID}")),
        );
        for _ in 0..30 {
            world.pass();
            world.work(0, true, true);
        }
        let accepted = world.condition("IntentsAccepted");
        assert!(accepted.starts_with("True"), "{accepted}");
        let replace = world.operation("replace");
        let remain = replace
            .checks
            .iter()
            .find(|check| check.name == "replicas-remain");
        assert_eq!(
            remain.is_some_and(|check| !check.passed),
            waits,
            "{replace:?}"
        );
    }
}

/// Clocks of two operators differ: a repair is never taken for that of an earlier change.
#[test]
fn each_change_has_a_repair_of_its_own() {
    let mut world = owed();
    let id = world.operation("repair").id;
    let ahead = world.now + SignedDuration::from_hours(1);
    let record = world
        .cluster
        .status
        .as_mut()
        .and_then(|status| status.role_replicas.as_mut());
    record.expect("a record").since = Time(ahead);
    follow(&mut world);
    let last = world.operation("repair").id;
    assert!(
        last > id && last > format!("roles-{}", ahead.as_second()),
        "{last}"
    );
}
