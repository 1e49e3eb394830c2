//! Nodes that are lost for good: replaced by a new one in their place, or taken out of the ring.

use std::sync::Arc;

use casskop_common::{
    api::{OperationPhase, OperationReason, Phase, Rack},
    intent::Intents,
    names::{self, RackId},
    operations::OperationKind,
};
use jiff::SignedDuration;

use crate::{
    desired,
    node::{Reading, Replication},
    objects::config_map,
    operations::transitions,
    plan,
    simulation::{Node, THREE_RACKS, World},
};

pub(super) const LOST: &str = "demo-dc1-rack2-0";
pub(super) const UID: &str = "01234567-89ab-cdef-0123-456789abcdef";

/// Three racks of a node, with every keyspace on all of them.
pub(super) fn three() -> World {
    let mut world = World::new(THREE_RACKS);
    world.cluster.metadata.uid = Some(UID.into());
    for replication in world.replication.values_mut() {
        *replication = Replication::Topology([("dc1".to_owned(), 3)].into());
    }
    world.settle();
    world
}

fn ask(world: &mut World, kind: &str, id: &str) {
    let value = format!("{id} --pod {LOST} --cluster-uid {UID}");
    world.annotate(kind, Some(&value));
}

pub(super) fn passes(world: &mut World, count: usize) {
    for _ in 0..count {
        world.pass();
        world.tick();
    }
}

fn told(world: &World) -> crate::pod_config::Nodes {
    config_map::nodes(&world.live.config_maps["demo-dc1-rack2"])
}

#[test]
fn a_member_without_its_data_does_not_join_as_another_node() {
    let mut world = three();
    let host = world.lose(LOST);
    passes(&mut world, 5);
    assert_eq!(world.pods[LOST].node, Node::Broken);
    assert!(world.ring.contains_key(&host));
    assert_eq!(world.status().cassandra_node_status[LOST].host_id, host);
    assert_eq!(world.ring.len(), 3);
}

#[test]
fn an_operation_that_waits_for_the_node_does_not_keep_it_from_being_replaced() {
    let mut world = three();
    world.annotate("cleanup", Some("c1"));
    world.pass();
    world.lose(LOST);
    for _ in 0..3 {
        world.work(0, true, false);
    }
    passes(&mut world, 5);
    let cleanup = world.operation("cleanup");
    assert_eq!(cleanup.phase, OperationPhase::Running, "{cleanup:#?}");
    assert!(cleanup.message.contains("nodes-up"), "{cleanup:#?}");
    world.annotate("flush", Some("f1 --pod demo-dc1-rack1-0"));
    world.pass();
    let flush = world.operation("flush");
    assert_eq!(flush.message, "waits for cleanup c1 to end", "in its turn");
    ask(&mut world, "replace", "r1");
    world.pass();
    assert_eq!(world.operation("replace").phase, OperationPhase::Running);
    let cleanup = world.operation("cleanup");
    assert!(cleanup.message.contains("waits for"), "{cleanup:#?}");
    world.settle();
    assert_eq!(world.operation("replace").phase, OperationPhase::Succeeded);
    for kind in ["cleanup", "flush"] {
        let phase = world.operation(kind).phase;
        assert_eq!(phase, OperationPhase::Succeeded, "{kind}");
    }
}

#[test]
fn a_lost_node_is_replaced_in_its_place() {
    let mut world = three();
    let host = world.lose(LOST);
    passes(&mut world, 5);
    let address = world.ring[&host].clone();
    ask(&mut world, "replace", "r1");
    world.pass();
    let operation = world.operation("replace");
    assert_eq!(operation.phase, OperationPhase::Running, "{operation:#?}");
    insta::assert_yaml_snapshot!((&operation.plan, &operation.checks, &operation.nodes));
    assert_eq!(
        told(&world).replaced[LOST],
        address,
        "before anything is deleted"
    );
    world.settle();
    assert_eq!(world.operation("replace").phase, OperationPhase::Succeeded);
    assert!(!world.ring.contains_key(&host));
    assert_eq!((world.ring.len(), world.pods.len()), (3, 3));
    assert!(told(&world).replaced.is_empty(), "for that start only");
    assert_eq!(world.status().phase, Some(Phase::Running));
    let owed = world.status().cassandra_node_status;
    assert!(
        owed.values()
            .all(|node| node.cleanup_required_since.is_none()),
        "the tokens are the same"
    );
}

#[test]
fn a_removed_node_leaves_and_its_pod_joins_as_a_new_one() {
    let mut world = three();
    let host = world.lose(LOST);
    passes(&mut world, 5);
    ask(&mut world, "remove", "r1");
    world.settle();
    let operation = world.operation("remove");
    assert_eq!(operation.phase, OperationPhase::Succeeded, "{operation:#?}");
    assert!(!world.ring.contains_key(&host));
    assert_eq!((world.ring.len(), world.pods.len()), (3, 3));
    let nodes = world.status().cassandra_node_status;
    assert_ne!(nodes[LOST].host_id, host);
    assert!(nodes["demo-dc1-rack1-0"].cleanup_required_since.is_some());
}

/// The pod of a node that is down has found its data when the node is removed, and finishes its start afterwards.
#[test]
fn a_node_that_is_in_the_ring_again_after_its_removal_keeps_its_volume() {
    let mut world = three();
    let host = world.pods[LOST].host.clone().expect("a member");
    world.pods.get_mut(LOST).expect("a pod").node = Node::Starting;
    let before = world.live.volumes.clone();
    ask(&mut world, "remove", "r1");
    world.pass();
    world.work(0, true, false);
    assert!(!world.ring.contains_key(&host), "it is removed");
    world.tick();
    assert!(world.ring.contains_key(&host), "it is there again");
    world.annotate("flush", Some("f1"));
    world.settle();
    let operation = world.operation("remove");
    assert_eq!(operation.phase, OperationPhase::Failed, "{operation:#?}");
    assert_eq!(world.live.volumes, before);
    assert_eq!(told(&world).members[LOST], host);
    assert_eq!(world.status().phase, Some(Phase::Running));
    assert_eq!(world.operation("flush").phase, OperationPhase::Succeeded);
}

#[test]
fn a_node_that_no_pod_runs_is_removed_by_its_host_id() {
    let mut world = three();
    let ghost = "6799ee6c-3588-4dfa-9842-091edc5e9706";
    world.ring.insert(ghost.into(), "10.9.9.9".into());
    let rack = RackId::new("dc1", "rack2");
    world.locations.insert(ghost.into(), rack);
    world.annotate(
        "remove",
        Some(&format!("r1 --host-id {ghost} --cluster-uid {UID}")),
    );
    world.settle();
    let operation = world.operation("remove");
    assert_eq!(operation.phase, OperationPhase::Succeeded, "{operation:#?}");
    assert!(!world.ring.contains_key(ghost));
    assert_eq!(operation.plan.expect("a plan").steps, [ghost]);
    assert!(operation.nodes[0].volumes.is_empty());
    assert_eq!(world.live.volumes.len(), 3);
}

#[test]
fn a_node_that_is_alive_is_neither_replaced_nor_removed() {
    for kind in ["replace", "remove"] {
        let mut world = three();
        let ring = world.ring.clone();
        ask(&mut world, kind, "r1");
        passes(&mut world, 5);
        let operation = world.operation(kind);
        assert_eq!(
            operation.phase,
            OperationPhase::Refused,
            "not kept for later"
        );
        assert!(
            operation.message.contains("node-is-down"),
            "{}",
            operation.message
        );
        let evidence = ["answers: it is NORMAL", "in LiveNodes"];
        assert!(
            evidence
                .iter()
                .all(|words| operation.message.contains(words))
        );
        assert_eq!((world.ring.clone(), world.calls.len()), (ring, 0));
    }
}

/// The phase of a request after a pass in which the views of the members are as given.
fn after(world: &mut World, kind: &str, views: impl Fn(&mut Reading)) -> OperationPhase {
    world.pass();
    let mut state = world.state();
    state.nodes.remove(LOST);
    for reading in state.nodes.values_mut().flatten() {
        views(reading);
    }
    let desired = desired::desired(&world.cluster, &world.around);
    let plan = plan::decide(&desired, &state);
    let status = world.cluster.status.get_or_insert_default();
    for change in plan.operations {
        transitions::archive(status, change.after);
    }
    world.operation(kind).phase
}

#[test]
fn a_momentary_view_of_one_member_ends_no_request() {
    for kind in ["replace", "remove"] {
        let mut world = three();
        let host = world.status().cassandra_node_status[LOST].host_id.clone();
        let ip = world.ring[&host].clone();
        world.pods.get_mut(LOST).expect("a pod").node = Node::Hanging;
        let one = Replication::Topology([("dc1".to_owned(), 1)].into());
        world.replication.insert("orders".into(), one);
        ask(&mut world, kind, "r1");
        // A member that has just started has not heard of the node yet.
        let unknown = |reading: &mut Reading| {
            Arc::make_mut(&mut reading.live).remove(&ip);
            Arc::make_mut(&mut reading.unreachable).remove(&ip);
        };
        let live = |reading: &mut Reading| {
            unknown(reading);
            Arc::make_mut(&mut reading.live).insert(ip.clone());
        };
        for _ in 0..20 {
            assert_eq!(after(&mut world, kind, unknown), OperationPhase::Pending);
        }
        let evidence = world.operation(kind).message;
        assert!(evidence.contains("neither in LiveNodes nor"), "{evidence}");
        // A member did not convict it yet, and then it does.
        for _ in 0..4 {
            assert_eq!(after(&mut world, kind, live), OperationPhase::Pending);
        }
        // A process with another clock takes over.
        let status = world.cluster.status.as_mut().expect("a status");
        status.operations[0].seen_live_by = Some("another process".into());
        world.now += SignedDuration::from_hours(1);
        assert_eq!(after(&mut world, kind, live), OperationPhase::Pending);
        assert_eq!(after(&mut world, kind, unknown), OperationPhase::Pending);
        assert_eq!(world.operation(kind).seen_live_since, None);
    }
}

#[test]
fn a_view_that_stays_is_a_proof() {
    let world = three();
    let host = world.status().cassandra_node_status[LOST].host_id.clone();
    let ip = world.ring[&host].clone();
    let live = |reading: &mut Reading| {
        Arc::make_mut(&mut reading.unreachable).remove(&ip);
        Arc::make_mut(&mut reading.live).insert(ip.clone());
    };
    let mut state = world.state();
    // The operator does not reach the node, and its members do.
    state.nodes.remove(LOST);
    let value = format!("r1 --pod {LOST} --cluster-uid {UID}");
    let key = names::request_annotation("replace");
    state.intents = Intents::parse(&[(key, value)].into());
    let desired = desired::desired(&world.cluster, &world.around);
    for second in 0..=10 {
        for reading in state.nodes.values_mut().flatten() {
            live(reading);
        }
        let plan = plan::decide(&desired, &state);
        let status = state.cluster.status.get_or_insert_default();
        for change in plan.operations {
            transitions::archive(status, change.after);
        }
        let told = state
            .operations()
            .find(|operation| operation.kind == OperationKind::Replace);
        let told = told.expect("it is recorded");
        let ended = told.phase == OperationPhase::Refused;
        assert_eq!(ended, second == 10, "{second}: {}", told.message);
        state.now += SignedDuration::from_secs(1);
    }
}

#[test]
fn a_request_that_waits_is_refused_when_the_node_is_back() {
    let mut world = three();
    let one = Replication::Topology([("dc1".to_owned(), 1)].into());
    world.replication.insert("orders".into(), one);
    world.pods.get_mut(LOST).expect("a pod").node = Node::Hanging;
    ask(&mut world, "replace", "r1");
    passes(&mut world, 3);
    assert_eq!(world.operation("replace").phase, OperationPhase::Pending);
    world.pods.get_mut(LOST).expect("a pod").node = Node::Normal;
    passes(&mut world, 3);
    let operation = world.operation("replace");
    assert_eq!(operation.phase, OperationPhase::Refused);
    insta::assert_snapshot!(operation.message);
    // Down again, for any reason: there is no request any more.
    world.pods.get_mut(LOST).expect("a pod").node = Node::Hanging;
    passes(&mut world, 3);
    assert!(world.calls.is_empty());
}

#[test]
fn once_begun_it_is_not_cancelled_half_way() {
    let mut world = three();
    let host = world.lose(LOST);
    passes(&mut world, 3);
    ask(&mut world, "remove", "r1");
    world.pass();
    world.annotate("remove.cancel", Some("r1"));
    world.settle();
    assert!(!world.ring.contains_key(&host));
    let operation = world.operation("remove");
    assert_eq!(operation.phase, OperationPhase::Succeeded, "{operation:#?}");
    assert_eq!((world.ring.len(), world.pods.len()), (3, 3));
}

#[test]
fn a_failed_replacement_goes_on_where_it_was() {
    let mut world = three();
    world.lose(LOST);
    passes(&mut world, 3);
    ask(&mut world, "replace", "r1");
    world.pass();
    let asked = world.operation("replace").nodes[0].clone();
    world.work(0, true, true);
    world.pass();
    assert_eq!(world.operation("replace").phase, OperationPhase::Failed);
    assert!(told(&world).replaces(LOST), "its next start is no join");
    world.annotate("replace.retry", Some("r1"));
    world.pass();
    let again = world.operation("replace").nodes[0].clone();
    assert_eq!(again.pod_uid, asked.pod_uid, "the new pod is left alone");
    world.settle();
    assert_eq!(world.operation("replace").phase, OperationPhase::Succeeded);
    assert!(told(&world).replaced.is_empty());
}

#[test]
fn a_node_that_died_while_it_left_can_be_removed() {
    let mut world = three();
    for replication in world.replication.values_mut() {
        *replication = Replication::Topology([("dc1".to_owned(), 2)].into());
    }
    world.settle();
    world.annotate("cleanup", Some("c1"));
    world.settle();
    world.edit(|cluster| {
        let dc = &mut cluster.spec.topology.as_mut().expect("a topology").dc[0];
        dc.rack.retain(|rack| rack.name != "rack2");
    });
    world.pass();
    world.work(0, true, false);
    assert_eq!(world.pods[LOST].node, Node::Leaving);
    world.pods.get_mut(LOST).expect("a pod").node = Node::Hanging;
    world.work(0, true, true);
    world.pass();
    assert_eq!(
        world.operation("decommission").phase,
        OperationPhase::Failed
    );
    ask(&mut world, "remove", "r1");
    world.pass();
    let operation = world.operation("remove");
    assert_eq!(
        operation.phase,
        OperationPhase::Running,
        "{}",
        operation.message
    );
    for _ in 0..40 {
        world.pass();
        world.tick();
        world.work(0, true, false);
    }
    assert_eq!(world.operation("remove").phase, OperationPhase::Succeeded);
    assert_eq!((world.pods.len(), world.ring.len()), (2, 2));
}

#[test]
fn data_without_another_replica_is_given_up_only_when_that_is_waived() {
    let mut world = three();
    let one = Replication::Topology([("dc1".to_owned(), 1)].into());
    world.replication.insert("orders".into(), one);
    world.lose(LOST);
    ask(&mut world, "replace", "r1");
    passes(&mut world, 5);
    let waits = world.operation("replace");
    assert_eq!(waits.phase, OperationPhase::Pending);
    insta::assert_snapshot!(waits.message);
    world.annotate("replace.waive", Some("r1 replicas-remain"));
    world.settle();
    assert_eq!(world.operation("replace").phase, OperationPhase::Succeeded);
}

#[test]
fn another_cluster_is_not_meant() {
    let mut world = three();
    world.lose(LOST);
    passes(&mut world, 3);
    let other = "11111111-2222-3333-4444-555555555555";
    world.annotate(
        "replace",
        Some(&format!("r1 --pod {LOST} --cluster-uid {other}")),
    );
    passes(&mut world, 3);
    let operation = world.operation("replace");
    assert_eq!(
        (operation.phase, operation.reason),
        (OperationPhase::Refused, Some(OperationReason::WrongCluster))
    );
    world.annotate("replace", Some(&format!("r2 --pod {LOST}")));
    passes(&mut world, 2);
    let told = world.condition("IntentsAccepted");
    assert!(told.contains("--cluster-uid"), "{told}");
}

#[test]
fn it_does_not_wait_for_racks_that_wait_for_it() {
    let mut world = three();
    world.lose(LOST);
    passes(&mut world, 3);
    world.edit(|cluster| cluster.spec.cassandra_image = Some("cassandra:5.0.1".into()));
    passes(&mut world, 3);
    ask(&mut world, "replace", "r1");
    world.settle();
    assert_eq!(world.operation("replace").phase, OperationPhase::Succeeded);
    let revisions: std::collections::BTreeSet<&String> =
        world.pods.values().map(|pod| &pod.revision).collect();
    assert_eq!(world.status().phase, Some(Phase::Running));
    assert_eq!(revisions.len(), 3, "each rack has a template of its own");
}

#[test]
fn an_id_is_remembered_for_ever() {
    let mut world = three();
    world.lose(LOST);
    ask(&mut world, "replace", "r1");
    world.settle();
    for number in 0..30 {
        world.annotate("flush", Some(&format!("f{number}")));
        world.settle();
    }
    world.lose(LOST);
    ask(&mut world, "replace", "r2");
    world.settle();
    let calls = world.calls.len();
    for number in 30..60 {
        world.annotate("flush", Some(&format!("f{number}")));
        world.settle();
    }
    world.lose(LOST);
    ask(&mut world, "replace", "r1");
    passes(&mut world, 5);
    let told = world.condition("IntentsAccepted");
    assert!(
        told.contains("replace r1") && told.contains("never runs again"),
        "{told}"
    );
    let again = world.calls[calls..]
        .iter()
        .filter(|call| call.0 == "replace");
    assert_eq!(again.count(), 0);
}

/// The operator is killed after any number of effects of each pass, and after any call: it ends the same.
#[test]
fn killed_at_any_point_it_ends_the_same() {
    for kind in ["replace", "remove"] {
        for effects in 0..12 {
            for hears in [true, false] {
                let mut world = three();
                let host = world.lose(LOST);
                passes(&mut world, 2);
                ask(&mut world, kind, "r1");
                for _ in 0..12 {
                    if !world.pass_until(effects) {
                        world.kill_operator();
                    }
                    world.tick();
                    world.work(0, hears, false);
                }
                world.settle();
                let operation = world.operation(kind);
                assert_eq!(
                    operation.phase,
                    OperationPhase::Succeeded,
                    "{kind} {effects}"
                );
                assert!(!world.ring.contains_key(&host), "{kind} {effects}");
                assert_eq!((world.ring.len(), world.live.volumes.len()), (3, 3));
                assert_eq!(world.status().phase, Some(Phase::Running));
            }
        }
    }
}

#[test]
fn a_rack_of_which_nobody_is_left_can_still_be_taken_away() {
    let mut world = three();
    world.lose(LOST);
    passes(&mut world, 3);
    world.edit(|cluster| {
        let dc = &mut cluster.spec.topology.as_mut().expect("a topology").dc[0];
        dc.rack = ["rack1", "rack3"]
            .map(|name| Rack {
                name: name.into(),
                ..Rack::default()
            })
            .to_vec();
        cluster.spec.auto_pilot = Some(true);
    });
    for replication in world.replication.values_mut() {
        *replication = Replication::Topology([("dc1".to_owned(), 2)].into());
    }
    passes(&mut world, 3);
    let told = world.condition("Progressing");
    assert!(told.contains(LOST), "{told}");
    ask(&mut world, "remove", "r1");
    world.settle();
    assert_eq!(world.pods.len(), 2, "{}", world.condition("Progressing"));
    assert_eq!(world.ring.len(), 2);
}
