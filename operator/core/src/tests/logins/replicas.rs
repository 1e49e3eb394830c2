//! Replicas of the roles: one more at a time, each repaired before the next change, whatever happens in between.

mod leave;
mod repair;

use std::collections::BTreeMap;

use casskop_common::api::{CassandraCluster, RoleReplicas};

use super::{form, new, two_data_centers};
use crate::{
    node::Replication,
    simulation::{Node, THREE_RACKS, World},
};

const KEYSPACE: &str = "system_auth";

fn factors(replicas: &[(&str, i32)]) -> BTreeMap<String, i32> {
    let replicas = replicas.iter();
    replicas
        .map(|(dc, count)| ((*dc).to_owned(), *count))
        .collect()
}

/// A person changes the replicas.
fn by_hand(world: &mut World, to: &[(&str, i32)]) {
    let now = factors(&live(world));
    world.replicate_roles(&now, &factors(to));
}

fn live(world: &World) -> Vec<(&str, i32)> {
    match &world.replication[KEYSPACE] {
        Replication::Topology(factors) => factors
            .iter()
            .map(|(dc, count)| (dc.as_str(), i32::try_from(*count).expect("few")))
            .collect(),
        Replication::Simple(count) => vec![("*", i32::try_from(*count).expect("few"))],
        other @ Replication::Other(_) => unreachable!("{other}"),
    }
}

fn told(world: &World) -> String {
    let each = live(world).into_iter();
    let each = each.map(|(dc, count)| format!("{dc}={count}"));
    each.collect::<Vec<_>>().join(" ")
}

fn record(world: &World) -> RoleReplicas {
    world.status().role_replicas.expect("a record")
}

/// One step of the operator, of Kubernetes and of the nodes. Returns the pods that were repaired.
fn step(world: &mut World) -> Vec<String> {
    world.pass();
    follow_up(world)
}

fn follow_up(world: &mut World) -> Vec<String> {
    world.tick();
    world.work(0, true, false);
    let repairs = world.calls.drain(..).filter(|(kind, ..)| kind == "repair");
    let repairs = repairs.inspect(|(.., step)| assert_eq!(step, KEYSPACE));
    repairs.map(|(_, _, pod, _)| pod).collect()
}

/// Goes on until the ring is at rest. Returns the replicas, and the number of nodes of each repair, in order.
fn follow(world: &mut World) -> String {
    let mut seen = vec![told(world)];
    let mut repaired = 0;
    for _ in 0..400 {
        repaired += step(world).len();
        let now = told(world);
        let is_repaired = world.status().role_replicas.is_some_and(|record| {
            record.repaired && record.replicas == factors(&live(world)) && record.next.is_none()
        });
        if repaired > 0
            && (is_repaired || seen.iter().rev().find(|line| line.contains('=')) != Some(&now))
        {
            seen.push(format!("repair of {repaired}"));
            repaired = 0;
        }
        if seen.iter().rev().find(|line| line.contains('=')) != Some(&now) {
            seen.push(now);
        }
        if world.is_settled() {
            break;
        }
    }
    world.settle();
    seen.join("\n")
}

/// Nodes that hold what they no longer own may not leave.
fn clean_up(world: &mut World, id: &str) {
    world.annotate("cleanup", Some(id));
    world.settle();
}

fn settled(change: impl FnOnce(&mut CassandraCluster)) -> World {
    let mut world = new(change);
    form(&mut world);
    world.calls.clear();
    world
}

#[test]
fn replicas_of_roles_are_raised_by_one_and_repaired() {
    let mut world = new(|_| {});
    insta::assert_snapshot!(follow(&mut world), @r"
    dc1=1
    dc1=2
    repair of 6
    dc1=3
    repair of 6
    ");
    let record = record(&world);
    assert!(record.repaired && record.next.is_none(), "{record:?}");
}

#[test]
fn there_are_as_many_replicas_as_nodes() {
    let mut world = new(|cluster| {
        let topology = cluster.spec.topology.get_or_insert_default();
        topology.dc[0].rack.truncate(1);
    });
    insta::assert_snapshot!(follow(&mut world), @r"
    dc1=1
    dc1=2
    repair of 2
    ");
    // Nodes that come later get theirs.
    world.edit(|cluster| cluster.spec.nodes_per_racks = Some(4));
    insta::assert_snapshot!(follow(&mut world), @r"
    dc1=2
    dc1=3
    repair of 4
    ");
}

/// A rack goes away, and enough nodes stay.
#[test]
fn replicas_stay_in_fewer_racks() {
    let mut world = settled(|_| {});
    clean_up(&mut world, "c1");
    world.edit(|cluster| {
        let topology = cluster.spec.topology.get_or_insert_default();
        topology.dc[0].rack.truncate(2);
    });
    world.settle();
    assert_eq!((told(&world).as_str(), world.pods.len()), ("dc1=3", 4));
}

#[test]
fn roles_follow_data_centers_that_come_and_go() {
    let mut world = settled(|cluster| cluster.spec.nodes_per_racks = Some(1));
    world.edit(|cluster| {
        let topology = cluster.spec.topology.get_or_insert_default();
        let mut second = topology.dc[0].clone();
        second.name = "dc2".into();
        second.rack.truncate(2);
        topology.dc.push(second);
    });
    insta::assert_snapshot!(follow(&mut world), @r"
    dc1=3
    dc1=3 dc2=1
    repair of 5
    dc1=3 dc2=2
    repair of 5
    ");
    clean_up(&mut world, "c1");
    world.edit(|cluster| {
        let topology = cluster.spec.topology.get_or_insert_default();
        topology.dc[1].nodes_per_racks = Some(0);
    });
    // While it has nodes, Cassandra does not let it go.
    insta::assert_snapshot!(follow(&mut world), @r"
    dc1=3 dc2=2
    dc1=3
    ");
    assert_eq!(world.pods.len(), 3);
}

#[test]
fn each_data_center_of_a_new_ring_has_its_replicas() {
    let mut world = new(two_data_centers);
    insta::assert_snapshot!(follow(&mut world), @r"
    dc1=1
    dc1=1 dc2=1
    repair of 12
    dc1=2 dc2=1
    repair of 12
    dc1=3 dc2=1
    repair of 12
    dc1=3 dc2=2
    repair of 12
    dc1=3 dc2=3
    repair of 12
    ");
}

/// The operator is killed after any write, and answers are lost: a replica is never added before the one before has the roles.
#[test]
fn a_repair_that_is_owed_is_not_forgotten() {
    for effects in [0, 1, 2, 4] {
        let mut world = settled(|_| {});
        by_hand(&mut world, &[("dc1", 1)]);
        let (mut last, mut repaired) = (1, 0);
        while last < 3 || !record(&world).repaired {
            if !world.pass_until(effects) {
                world.kill_operator();
                repaired += follow_up(&mut world).len();
                world.pass();
            }
            repaired += follow_up(&mut world).len();
            let now = live(&world)[0].1;
            if now != last {
                assert!(now == last + 1 && (last == 1 || repaired >= 6), "{now}");
                (last, repaired) = (now, 0);
            }
        }
    }
}

/// The intent is written before Cassandra is told.
#[test]
fn a_change_is_recorded_before_it_is_made() {
    let mut world = settled(|_| {});
    by_hand(&mut world, &[("dc1", 1)]);
    let mut seen = 0;
    while seen < 2 {
        let (before, status) = (told(&world), world.status());
        step(&mut world);
        if told(&world) != before {
            let recorded = status.role_replicas.expect("a record");
            assert_eq!(recorded.next, Some(factors(&live(&world))));
            seen += 1;
        }
    }
}

/// A statement of an earlier operator that comes late, or of a person.
#[test]
fn replicas_that_somebody_else_changes_are_repaired() {
    let mut world = settled(|_| {});
    by_hand(&mut world, &[("dc1", 5)]);
    insta::assert_snapshot!(follow(&mut world), @r"
    dc1=5
    repair of 6
    ");
    // Fewer than enough are raised again.
    by_hand(&mut world, &[("dc1", 1)]);
    insta::assert_snapshot!(follow(&mut world), @r"
    dc1=1
    dc1=2
    repair of 6
    dc1=3
    repair of 6
    ");
    // While a change is recorded and Cassandra is not told yet.
    by_hand(&mut world, &[("dc1", 2)]);
    while record(&world).next.is_none() {
        world.pass();
    }
    by_hand(&mut world, &[("dc1", 4)]);
    insta::assert_snapshot!(follow(&mut world), @r"
    dc1=4
    repair of 6
    ");
}

/// A ring whose operator did not keep the replicas has one of them, or what a person has given it, and no record.
#[test]
fn a_ring_without_a_record_is_carried_on() {
    for (replicas, first) in [
        (1, "dc1=1\ndc1=2"),
        (3, "dc1=3\nrepair of 6"),
        (2, "dc1=2\nrepair of 6\ndc1=3"),
    ] {
        let mut world = settled(|_| {});
        by_hand(&mut world, &[("dc1", replicas)]);
        world
            .cluster
            .status
            .as_mut()
            .expect("a status")
            .role_replicas = None;
        let told = follow(&mut world);
        assert!(told.starts_with(first), "{told}");
        assert!(live(&world) == [("dc1", 3)] && record(&world).repaired);
    }
}

#[test]
fn a_ring_that_is_not_calm_gets_no_further_replica() {
    let mut world = settled(|_| {});
    by_hand(&mut world, &[("dc1", 1)]);
    let name = "demo-dc1-rack2-0";
    world.pods.get_mut(name).expect("a pod").node = Node::Hanging;
    for _ in 0..20 {
        step(&mut world);
        assert_eq!(told(&world), "dc1=1");
    }
    world.pods.get_mut(name).expect("a pod").node = Node::Normal;
    world.annotate("reconcile", Some("paused"));
    for _ in 0..20 {
        step(&mut world);
        assert_eq!(told(&world), "dc1=1");
        assert_eq!(record(&world).next, None);
    }
    world.annotate("reconcile", None);
    world.changes_superuser = true;
    for _ in 0..20 {
        step(&mut world);
        assert_eq!(told(&world), "dc1=1");
    }
    world.changes_superuser = false;
    assert!(follow(&mut world).ends_with("dc1=3\nrepair of 6"));
}

/// As an operator before `authentication`, or a person, left it.
#[test]
fn one_replica_by_the_simple_strategy_is_replicated_by_data_center() {
    let mut world = settled(|_| {});
    world
        .replication
        .insert(KEYSPACE.into(), Replication::Simple(1));
    let told = follow(&mut world);
    assert!(
        told.starts_with("*=1\ndc1=1\n") && told.ends_with("dc1=3\nrepair of 6"),
        "{told}"
    );
    world
        .replication
        .insert(KEYSPACE.into(), Replication::Simple(2));
    follow(&mut world);
    assert_eq!(live(&world), [("*", 2)]);
    insta::assert_snapshot!(world.condition("SpecAccepted"), @"True AcceptedWithWarnings: keyspace system_auth is replicated by SimpleStrategy, so the operator adds no replicas of the roles: with more than one replica or data center the change of the strategy moves them. ALTER KEYSPACE system_auth to NetworkTopologyStrategy, and repair it in full");
}

/// A snitch of the user's choice has other names for the data centers.
#[test]
fn data_centers_of_other_names_are_left_alone() {
    let mut world = settled(|_| {});
    by_hand(&mut world, &[("east", 2)]);
    follow(&mut world);
    assert_eq!(told(&world), "east=2");
}

#[test]
fn rings_without_logins_keep_the_replicas_of_roles() {
    let mut world = World::formed(THREE_RACKS);
    world.settle();
    assert_eq!(told(&world), "dc1=1");
    assert_eq!(world.status().role_replicas, None);
}
