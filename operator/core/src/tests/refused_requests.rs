//! A request is refused for good only on positive proof; what may pass holds it back.

use std::sync::Arc;

use casskop_common::api::{OperationPhase, OperationReason};
use jiff::SignedDuration;

use crate::{
    desired, plan,
    simulation::{Node, THREE_RACKS, World},
};

const POD: &str = "demo-dc1-rack2-0";

fn told(world: &World, kind: &str) -> (OperationPhase, Option<OperationReason>) {
    let operation = world.operation(kind);
    (operation.phase, operation.reason)
}

#[test]
fn a_target_that_the_spec_requires_and_that_does_not_exist_yet_is_waited_for() {
    for target in [
        "--pod demo-dc1-rack1-1",
        "--rack rack4",
        "--rack dc2.rack1",
        "--dc dc2",
    ] {
        let mut world = World::formed(THREE_RACKS);
        // A node that is down keeps the ring from growing.
        world.pods.get_mut(POD).expect("a pod").node = Node::Hanging;
        world.edit(|cluster| {
            let dcs = &mut cluster.spec.topology.as_mut().expect("a topology").dc;
            match target {
                "--pod demo-dc1-rack1-1" => dcs[0].nodes_per_racks = Some(2),
                "--rack rack4" => {
                    let mut rack = dcs[0].rack[0].clone();
                    rack.name = "rack4".into();
                    dcs[0].rack.push(rack);
                }
                _ => {
                    let mut dc = dcs[0].clone();
                    dc.name = "dc2".into();
                    dc.rack.truncate(1);
                    dcs.push(dc);
                }
            }
        });
        world.annotate("flush", Some(&format!("f1 {target}")));
        for _ in 0..20 {
            world.pass();
            let (phase, reason) = told(&world, "flush");
            assert_eq!(phase, OperationPhase::Pending, "{target}: {reason:?}");
        }
        world.pods.get_mut(POD).expect("a pod").node = Node::Normal;
        world.settle();
        let operation = world.operation("flush");
        assert_eq!(
            operation.phase,
            OperationPhase::Succeeded,
            "{target}: {}",
            operation.message
        );
    }
}

#[test]
fn a_target_whose_stateful_set_is_missing_is_waited_for() {
    for target in [format!("--pod {POD}"), "--rack rack2".into()] {
        let mut world = World::formed(THREE_RACKS);
        world.annotate("flush", Some(&format!("f1 {target}")));
        let mut state = world.state();
        state.live.stateful_sets.remove("demo-dc1-rack2");
        // Without the spec as well: the status has the node.
        let dc = &mut state.cluster.spec.topology.as_mut().expect("racks").dc[0];
        dc.rack.retain(|rack| rack.name != "rack2");
        let request = &state.intents.requests[&casskop_common::operations::OperationKind::Flush];
        let behaviour = crate::operations::behaviour(&request.arguments.operation);
        let refusal = crate::scheduler::targets::target(request, behaviour, &state).unwrap_err();
        assert_eq!(refusal.reason, OperationReason::TargetMissing, "{target}");
        assert!(refusal.message.contains(POD), "{}", refusal.message);
    }
}

#[test]
fn a_keyspace_is_refused_at_the_second_look_where_the_ring_continues_elsewhere() {
    let mut world = World::formed(THREE_RACKS);
    world.edit(|cluster| cluster.spec.seeds = vec!["elsewhere.example.org".into()]);
    world.settle();
    world.annotate("flush", Some("f1 --keyspace fresh"));
    for _ in 0..5 {
        world.pass();
        assert_eq!(told(&world, "flush").0, OperationPhase::Pending);
    }
    // A keyspace that was created at another site a moment ago arrives.
    let mut state = world.state();
    for reading in state.nodes.values_mut().flatten() {
        Arc::make_mut(&mut reading.keyspaces).push("fresh".into());
    }
    let desired = desired::desired(&world.cluster, &world.around);
    let changes = plan::decide(&desired, &state).operations;
    assert_eq!(changes[0].after.phase, OperationPhase::Running);
    assert_eq!(changes[0].after.not_found_since, None);
    world.annotate("flush", Some("f2 --keyspace typo"));
    // The first request is withdrawn first.
    world.pass();
    world.pass();
    assert_eq!(told(&world, "flush").0, OperationPhase::Pending);
    world.now += SignedDuration::from_secs(10);
    world.pass();
    let refused = (
        OperationPhase::Refused,
        Some(OperationReason::UnknownKeyspace),
    );
    assert_eq!(told(&world, "flush"), refused);
}

#[test]
fn a_node_that_no_member_knows_at_the_moment_is_looked_for_again() {
    const UID: &str = "01234567-89ab-cdef-0123-456789abcdef";
    let mut world = World::new(THREE_RACKS);
    world.cluster.metadata.uid = Some(UID.into());
    world.settle();
    let host = world.lose(POD);
    let address = world.ring.remove(&host).expect("a member");
    world.annotate(
        "replace",
        Some(&format!("r1 --pod {POD} --cluster-uid {UID}")),
    );
    let waived = "r1 node-is-down node-in-cluster nodes-up replicas-remain";
    world.annotate("replace.waive", Some(waived));
    for _ in 0..5 {
        world.pass();
        let operation = world.operation("replace");
        assert_eq!(operation.phase, OperationPhase::Pending, "{operation:#?}");
        assert!(operation.not_found_since.is_some(), "{operation:#?}");
    }
    // A process with another clock takes over.
    for hours in [1, -2] {
        let status = world.cluster.status.as_mut().expect("a status");
        status.operations[0].not_found_by = Some("another process".into());
        for node in status.cassandra_node_status.values_mut() {
            node.not_found_by = Some("another process".into());
        }
        world.now += SignedDuration::from_hours(hours);
        world.pass();
        assert_eq!(told(&world, "replace").0, OperationPhase::Pending);
    }
    world.ring.insert(host, address);
    world.pass();
    assert_eq!(told(&world, "replace").0, OperationPhase::Running);
    assert_eq!(world.operation("replace").not_found_since, None);
}
