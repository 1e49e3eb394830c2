//! A change of `nodeApi.kind` or `nodeApi.tls` on a ring that runs: the pods of both transports are members of one ring until the last rack has
//! taken the change.

use std::collections::{BTreeMap, BTreeSet};

use casskop_common::{
    api::{
        CassandraCluster, NodeApi, NodeApiKind, NodeTls, NodeTransport, OperationPhase,
        OperationReason, Phase,
    },
    operations::{Arguments, OperationKind},
};

use crate::{
    node::Call,
    observed::SecretState,
    operations::{Action, behaviour},
    simulation::{Node, Pod, THREE_RACKS, World},
    tests::rollout::sets,
};

/// The one edit that changes the transport: with it go the image and the Secret.
pub(super) fn turn(cluster: &mut CassandraCluster, transport: NodeTransport) {
    let tls = match transport {
        NodeTransport::Jolokia => Some(NodeTls::Disabled),
        NodeTransport::JolokiaTls => Some(NodeTls::Enabled),
        NodeTransport::ManagementApi => None,
    };
    cluster.spec.node_api = Some(NodeApi {
        kind: transport.kind(),
        tls,
        tls_secret_name: transport.has_tls().then(|| "demo-tls".into()),
    });
    set_image(cluster, 9);
}

/// An image of a release of 5.0 that has what the kind needs.
pub(super) fn set_image(cluster: &mut CassandraCluster, number: u8) {
    cluster.spec.cassandra_image = Some(match cluster.spec.node_api_kind() {
        NodeApiKind::Jolokia => format!("cassandra:5.0.{number}"),
        NodeApiKind::ManagementApi => format!("k8ssandra/cass-management-api:5.0.{number}-ubi"),
    });
}

/// A ring of three racks with so many nodes each, of this kind.
fn ring(kind: NodeTransport, nodes: i32) -> World {
    let mut world = World::new(THREE_RACKS);
    world.secret = SecretState::Usable;
    world.edit(|cluster| {
        turn(cluster, kind);
        cluster.spec.nodes_per_racks = Some(nodes);
    });
    world.settle();
    world
}

fn kinds(world: &World) -> BTreeSet<&'static str> {
    let pods = world.pods.values();
    pods.map(|pod| pod.transport.as_str()).collect()
}

const UID: &str = "01234567-89ab-cdef-0123-456789abcdef";
const BOTH_WAYS: [(NodeTransport, NodeTransport); 4] = [
    (NodeTransport::Jolokia, NodeTransport::ManagementApi),
    (NodeTransport::ManagementApi, NodeTransport::Jolokia),
    (NodeTransport::Jolokia, NodeTransport::JolokiaTls),
    (NodeTransport::JolokiaTls, NodeTransport::Jolokia),
];

#[test]
fn the_kind_rolls_one_node_after_the_other_both_ways() {
    for (before, after) in BOTH_WAYS {
        let mut world = ring(before, 2);
        world.edit(|cluster| turn(cluster, after));
        let (mut mixed, mut passes) = (0, 0);
        while kinds(&world) != [after.as_str()].into() {
            world.pass();
            world.tick();
            let away = world.pods.values().filter(|pod| pod.node != Node::Normal);
            assert!(away.count() <= 1, "one node after the other");
            let told = world.condition("SpecAccepted");
            assert!(told.starts_with("True"), "{told}");
            mixed += usize::from(kinds(&world).len() > 1);
            passes += 1;
            assert!(passes < 200, "{}", world.condition("Progressing"));
        }
        assert!(mixed > 5, "{mixed}");
        world.settle();
        assert_eq!(world.status().phase, Some(Phase::Running));
        let made = |world: &World| {
            let pods = world.pods.values();
            pods.map(|pod| pod.ip.clone()).collect::<BTreeSet<_>>()
        };
        let once = made(&world);
        world.settle();
        assert_eq!(made(&world), once, "nothing rolls a second time");
    }
}

#[test]
fn what_is_seen_while_the_kind_rolls() {
    let mut world = ring(NodeTransport::Jolokia, 1);
    world.edit(|cluster| turn(cluster, NodeTransport::ManagementApi));
    world.pass();
    let mut told = vec![world.condition("Progressing")];
    while !world.is_settled() {
        world.pass();
        world.tick();
        let now = world.condition("Progressing");
        if told.last() != Some(&now) {
            told.push(now);
        }
    }
    insta::assert_snapshot!(told.join("\n"));
}

/// A pod below the partition is created anew from the old template, one above it from the new one, in any order.
#[test]
fn a_pod_that_is_created_anew_in_the_middle_is_of_its_own_template() {
    for (before, after) in BOTH_WAYS {
        for evicted in ["demo-dc1-rack1-0", "demo-dc1-rack1-1", "demo-dc1-rack2-1"] {
            let mut world = ring(before, 2);
            world.edit(|cluster| turn(cluster, after));
            while kinds(&world).len() == 1 {
                world.pass();
                world.tick();
            }
            let kind = world.pods[evicted].transport;
            let secrets = world.pods[evicted].secrets.clone();
            world.pods.remove(evicted);
            world.tick();
            let pod = &world.pods[evicted];
            assert_eq!((pod.transport, &pod.secrets), (kind, &secrets), "{evicted}");
            world.settle();
            assert_eq!(kinds(&world), [after.as_str()].into(), "{evicted}");
            assert_eq!(world.status().phase, Some(Phase::Running));
        }
    }
}

#[test]
fn nothing_rolls_before_the_secret_of_the_new_kind_is_usable() {
    let broken = SecretState::Broken("Secret demo-tls: tls.key is not the key of tls.crt".into());
    for secret in [SecretState::Missing, broken] {
        let mut world = ring(NodeTransport::Jolokia, 1);
        let pods = world.pods.clone();
        world.secret = secret;
        world.edit(|cluster| turn(cluster, NodeTransport::ManagementApi));
        for _ in 0..5 {
            world.pass();
            world.tick();
        }
        assert_eq!(sets(&world), []);
        let ips = |pods: &BTreeMap<String, Pod>| {
            pods.values().map(|pod| pod.ip.clone()).collect::<Vec<_>>()
        };
        assert_eq!(ips(&world.pods), ips(&pods), "nothing restarts");
        for condition in ["Progressing", "Degraded"] {
            let told = world.condition(condition);
            assert!(told.contains("Secret demo-tls"), "{condition} {told}");
        }
        assert!(world.condition("Available").starts_with("True"));

        // A change that waits for a person keeps no operation from the nodes: they are of the old kind.
        world.annotate("relocate", Some("r1"));
        world.pass();
        assert_eq!(world.operation("relocate").phase, OperationPhase::Running);
        while !world.at_work.is_empty() {
            world.work(0, true, false);
            world.pass();
        }

        world.secret = SecretState::Usable;
        world.settle();
        assert_eq!(kinds(&world), ["ManagementApi"].into());
        assert_eq!(world.status().phase, Some(Phase::Running));
    }
}

/// The Secret is lost when the first rack has taken the change.
#[test]
fn a_secret_that_is_lost_in_the_middle_stops_the_change_where_it_is() {
    let mut world = ring(NodeTransport::Jolokia, 1);
    world.edit(|cluster| turn(cluster, NodeTransport::ManagementApi));
    while kinds(&world).len() == 1 {
        world.pass();
        world.tick();
    }
    world.secret = SecretState::Missing;
    for _ in 0..10 {
        world.pass();
        world.tick();
    }
    let pods = world.pods.values();
    let turned = pods.filter(|pod| pod.transport == NodeTransport::ManagementApi);
    assert_eq!(turned.count(), 1);
    // The way back needs another Secret, which the operator makes.
    world.edit(|cluster| turn(cluster, NodeTransport::Jolokia));
    world.settle();
    assert_eq!(kinds(&world), ["Jolokia"].into());
}

#[test]
fn a_ring_without_a_password_gets_one_before_it_turns_to_jolokia() {
    let mut world = ring(NodeTransport::ManagementApi, 1);
    world.secret = SecretState::Missing;
    world.edit(|cluster| turn(cluster, NodeTransport::Jolokia));
    let plan = world.plan();
    assert!(plan.make_secret);
    world.settle();
    assert_eq!(kinds(&world), ["Jolokia"].into());
    assert_eq!(world.status().phase, Some(Phase::Running));
}

#[test]
fn the_change_waits_for_an_operation_and_operations_wait_for_the_change() {
    for (before, after) in BOTH_WAYS {
        let mut world = ring(before, 1);
        world.annotate("flush", Some("f1"));
        world.pass();
        assert!(!world.at_work.is_empty());
        world.edit(|cluster| turn(cluster, after));
        for _ in 0..3 {
            world.pass();
            world.tick();
        }
        assert_eq!(sets(&world), []);
        let told = world.condition("Progressing");
        assert!(told.contains("waits for flush f1 to end"), "{told}");
        while world.operation("flush").phase != OperationPhase::Succeeded {
            world.work(0, true, false);
            world.pass();
        }
        world.annotate("flush", Some("f2"));
        while kinds(&world) != [after.as_str()].into() {
            world.pass();
            world.tick();
            assert!(world.at_work.is_empty(), "none begins between the racks");
            let told = world.operation("flush");
            assert!(told.id != "f2" || told.phase == OperationPhase::Pending);
        }
        world.settle();
        assert_eq!(world.operation("flush").id, "f2");
        assert_eq!(world.operation("flush").phase, OperationPhase::Succeeded);
    }
}

#[test]
fn a_request_that_waited_for_the_change_is_refused_if_the_new_kind_has_no_way() {
    let mut world = ring(NodeTransport::Jolokia, 1);
    world.edit(|cluster| turn(cluster, NodeTransport::ManagementApi));
    world.pass();
    world.annotate("relocate", Some("r1"));
    world.pass();
    assert_eq!(world.operation("relocate").phase, OperationPhase::Pending);
    world.settle();
    let told = world.operation("relocate");
    assert_eq!(told.reason, Some(OperationReason::NotSupported));
    assert!(world.calls.is_empty(), "{:?}", world.calls);
}

/// A node that is lost between the racks: of the operations only those that mend the ring begin. The call goes to a member
/// that has a way to do it.
#[test]
fn a_node_that_is_lost_in_the_middle_is_removed_while_a_member_can() {
    const LOST: &str = "demo-dc1-rack3-0";
    let lose_and_remove = |world: &mut World| {
        world.cluster.metadata.uid = Some(UID.into());
        world.pods.get_mut(LOST).expect("a pod").node = Node::Lost;
        world.annotate(
            "remove",
            Some(&format!("r1 --pod {LOST} --cluster-uid {UID}")),
        );
        world.annotate("flush", Some("f1"));
        for _ in 0..3 {
            world.pass();
        }
        world.operation("remove")
    };
    for (before, after) in BOTH_WAYS {
        let mut world = ring(before, 1);
        world.edit(|cluster| turn(cluster, after));
        while kinds(&world).len() == 1 {
            world.pass();
            world.tick();
        }
        while !world.pods.values().all(|pod| pod.node == Node::Normal) {
            world.tick();
        }
        let told = lose_and_remove(&mut world);
        assert_ne!(told.phase, OperationPhase::Refused, "{}", told.message);
        assert_eq!(world.operation("flush").phase, OperationPhase::Pending);
    }
    let told = lose_and_remove(&mut ring(NodeTransport::ManagementApi, 1));
    assert_eq!(told.reason, Some(OperationReason::NotSupported));
}

/// The spec requires the other kind when the next node begins.
#[test]
fn the_calls_of_a_rebuild_are_those_of_its_plan() {
    let words = ["--from-dc", "dc2"].map(str::to_owned);
    let arguments = Arguments::parse("rebuild", &words).expect("arguments");
    assert_eq!(arguments.operation.kind(), OperationKind::Rebuild);
    let mut world = ring(NodeTransport::ManagementApi, 1);
    let keyspace = |world: &World, step: &str| {
        let action = behaviour(&arguments.operation).action("a", step, &world.cluster.spec);
        match action {
            Action::Call(Call::Rebuild { keyspace, .. }) => keyspace,
            other => unreachable!("{other:?}"),
        }
    };
    for _ in 0..2 {
        assert_eq!(keyspace(&world, "orders").as_deref(), Some("orders"));
        assert_eq!(keyspace(&world, "all keyspaces"), None);
        world.edit(|cluster| turn(cluster, NodeTransport::Jolokia));
    }
}

/// The agent of a node that joins does not answer; its peers report that it joins, by either transport.
#[test]
fn nodes_join_one_after_the_other_whatever_their_kind() {
    for (before, after) in BOTH_WAYS {
        let mut world = ring(before, 1);
        world.edit(|cluster| {
            turn(cluster, after);
            cluster.spec.nodes_per_racks = Some(2);
        });
        world.settle();
        assert_eq!(world.pods.len(), 6);
        assert_eq!(kinds(&world), [after.as_str()].into());
        let mut told = world.status().cassandra_node_status.into_values();
        assert!(told.all(|node| !node.host_id.is_empty()));
    }
}
