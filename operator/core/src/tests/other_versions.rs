//! A status that another version of the operator has written.

use casskop_common::{
    api::{CassandraCluster, NodePhase, OperationNode, OperationPhase, OperationStatus},
    operations::{Operation, OperationKind, RecordedKind},
};

use crate::{
    node::Call,
    operations::Action,
    simulation::{THREE_RACKS, World},
};

const POD: &str = "demo-dc1-rack1-0";

fn edit(world: &mut World, kind: OperationKind, edit: impl FnOnce(&mut OperationStatus)) {
    let status = world.cluster.status.as_mut().expect("a status");
    let mut operations = status.operations.iter_mut();
    let operation = operations.find(|operation| operation.kind == kind);
    edit(operation.expect("the operation is recorded"));
}

#[test]
fn a_start_holds_all_that_the_executor_needs() {
    let mut world = World::formed(THREE_RACKS);
    world.annotate(
        "cleanup",
        Some("a --keyspace orders --keyspace users --jobs 2"),
    );
    let plan = world.plan();
    let [start] = &plan.starts[..] else {
        unreachable!("one node begins: {:?}", plan.starts)
    };
    let Operation::Cleanup(cleanup) = &*start.operation else {
        unreachable!("a cleanup begins")
    };
    assert_eq!(
        (start.kind, cleanup.jobs),
        (OperationKind::Cleanup, Some(2))
    );
    let [after] = &plan.operations[..] else {
        unreachable!("one operation changes")
    };
    let node = &after.after.nodes[0];
    assert_eq!(start.pod, node.pod);
    assert_eq!(start.pod_uid, node.pod_uid);
    assert_eq!(start.container, node.container);
    assert_eq!(start.host_id, node.host_id);
    let names: Vec<&str> = start.steps.iter().map(|step| step.name.as_str()).collect();
    assert_eq!(names, ["orders", "users"]);
    let is_cleanup = |action: &Action| matches!(action, Action::Call(Call::Cleanup { .. }));
    assert!(start.steps.iter().all(|step| is_cleanup(&step.action)));
}

#[test]
fn arguments_that_cannot_be_parsed_fail_the_nodes_and_call_none() {
    let mut world = World::formed(THREE_RACKS);
    world.annotate("cleanup", Some("a"));
    world.pass();
    edit(&mut world, OperationKind::Cleanup, |operation| {
        operation.arguments = "--of-another-version".into();
    });
    world.pass();
    let phases = |world: &World| {
        let nodes = world.operation("cleanup").nodes;
        nodes.iter().map(|node| node.phase).collect::<Vec<_>>()
    };
    assert_eq!(
        phases(&world),
        [NodePhase::Running, NodePhase::Failed, NodePhase::Failed],
        "the node at work is left to its task"
    );
    world.kill_operator();
    world.settle();
    assert_eq!(phases(&world), [NodePhase::Failed; 3]);
    let operation = world.operation("cleanup");
    assert_eq!(operation.phase, OperationPhase::Failed);
    insta::assert_snapshot!(operation.message);
    assert!(world.calls.is_empty());
}

#[test]
fn a_paused_operation_keeps_its_nodes_although_its_arguments_cannot_be_parsed() {
    let mut world = World::formed(THREE_RACKS);
    world.annotate("cleanup", Some("a"));
    world.pass();
    world.annotate("cleanup.pause", Some("a"));
    world.settle();
    edit(&mut world, OperationKind::Cleanup, |operation| {
        operation.arguments = "--of-another-version".into();
    });
    world.settle();
    let operation = world.operation("cleanup");
    assert_eq!(operation.phase, OperationPhase::Paused);
    assert_eq!(operation.count(NodePhase::Pending), 2);
}

#[test]
fn an_operation_of_an_unknown_kind_is_left_alone_and_others_wait_for_it() {
    let mut world = World::formed(THREE_RACKS);
    let unknown = OperationStatus {
        kind: RecordedKind::from("verify"),
        id: "v1".into(),
        phase: OperationPhase::Running,
        nodes: vec![OperationNode {
            pod: POD.into(),
            phase: NodePhase::Running,
            ..OperationNode::default()
        }],
        ..OperationStatus::default()
    };
    let status = world.cluster.status.as_mut().expect("a status");
    status.operations.push(unknown.clone());
    let written = serde_json::to_value(&world.cluster).expect("JSON");
    world.cluster = serde_json::from_value::<CassandraCluster>(written).expect("it is decoded");
    world.annotate("cleanup", Some("a"));
    world.pass();
    world.pass();
    assert_eq!(world.operation("verify"), unknown);
    let cleanup = world.operation("cleanup");
    assert_eq!(cleanup.phase, OperationPhase::Pending);
    assert_eq!(cleanup.message, "waits for verify v1 to end");
    assert!(world.at_work.is_empty());
}
