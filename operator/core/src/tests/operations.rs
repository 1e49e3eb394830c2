//! The course of requested operations.

use casskop_common::api::{NodePhase, OperationPhase};

use crate::simulation::{Node, THREE_RACKS, World};

fn ended(world: &World, kind: &str) -> (String, OperationPhase, String) {
    let operation = world.operation(kind);
    (operation.id, operation.phase, operation.message)
}

#[test]
fn what_is_told_of_a_request_is_told_in_one_pass() {
    let mut world = World::formed(THREE_RACKS);
    for (kind, value) in [("cleanup", "c1"), ("flush", "f1")] {
        world.annotate(kind, Some(value));
        world.settle();
    }
    for value in ["f2 --dry-run", "f3 --keyspace nosuch"] {
        world.annotate("flush", Some(value));
        world.pass();
        assert!(
            world.is_settled(),
            "{value}: the next look finds more to write"
        );
    }
}

#[test]
fn a_rack_tells_its_last_operation_in_casskops_words() {
    let mut world = World::formed(THREE_RACKS);
    world.annotate("cleanup", Some("c1"));
    world.pass();
    world.work(0, true, true);
    world.pass();
    world.pass();
    let told = |world: &World, rack: &str| {
        let racks = world.status().cassandra_rack_status;
        racks[rack].pod_last_operation.clone().expect("it is told")
    };
    let failed = told(&world, "dc1-rack1");
    assert_eq!(
        (failed.name.as_str(), failed.status.as_str()),
        ("cleanup", "Ongoing")
    );
    assert_eq!(failed.pods_ko, ["demo-dc1-rack1-0"]);
    assert_eq!(told(&world, "dc1-rack2").pods, ["demo-dc1-rack2-0"]);
    world.settle();
    let done = told(&world, "dc1-rack3");
    assert_eq!(
        (done.status.as_str(), &done.pods_ok[..]),
        ("Done", &["demo-dc1-rack3-0".to_owned()][..])
    );
}

#[test]
fn a_request_is_recorded_with_its_plan_before_anything_is_called() {
    let mut world = World::formed(THREE_RACKS);
    world.annotate(
        "cleanup",
        Some("a --keyspace orders --keyspace users --jobs 2"),
    );
    let plan = world.plan();
    insta::assert_yaml_snapshot!(plan.operations);
    assert_eq!(plan.starts.len(), 1);
    assert!(world.calls.is_empty());
}

#[test]
fn nodes_work_one_after_the_other_and_every_step_is_called_once() {
    let mut world = World::formed(THREE_RACKS);
    world.annotate("cleanup", Some("a"));
    for _ in 0..30 {
        world.pass();
        assert!(world.at_work.len() <= 1);
        world.work(0, true, false);
    }
    assert_eq!(
        ended(&world, "cleanup"),
        (
            "a".into(),
            OperationPhase::Succeeded,
            "done on 3 nodes".into()
        )
    );
    let calls: Vec<String> = world
        .calls
        .iter()
        .map(|(_, _, pod, step)| format!("{pod} {step}"))
        .collect();
    insta::assert_snapshot!(calls.join("\n"));
}

#[test]
fn the_same_id_never_runs_twice() {
    let mut world = World::formed(THREE_RACKS);
    for id in ["a", "a", "b", "a"] {
        world.annotate("flush", Some(id));
        world.settle();
    }
    let runs = |id: &str| {
        world
            .calls
            .iter()
            .filter(|(_, other, ..)| other == id)
            .count()
    };
    assert_eq!((runs("a"), runs("b")), (9, 9));
    assert_eq!(ended(&world, "flush").0, "b");
    insta::assert_snapshot!(world.condition("IntentsAccepted"));
}

#[test]
fn a_request_can_be_withdrawn_before_it_begins_but_not_after() {
    let mut world = World::formed(THREE_RACKS);
    world.pods.get_mut("demo-dc1-rack2-0").expect("a pod").node = Node::Hanging;
    world.annotate("cleanup", Some("a"));
    world.pass();
    let (_, phase, message) = ended(&world, "cleanup");
    assert_eq!(phase, OperationPhase::Pending);
    insta::assert_snapshot!(message);
    world.annotate("cleanup", None);
    world.pass();
    assert_eq!(ended(&world, "cleanup").1, OperationPhase::Withdrawn);

    let mut world = World::formed(THREE_RACKS);
    world.annotate("cleanup", Some("b"));
    world.pass();
    world.annotate("cleanup", None);
    world.settle();
    assert_eq!(ended(&world, "cleanup").1, OperationPhase::Succeeded);
}

#[test]
fn a_newer_request_waits_for_the_running_one_and_replaces_a_waiting_one() {
    let mut world = World::formed(THREE_RACKS);
    world.annotate("cleanup", Some("a"));
    world.pass();
    world.annotate("cleanup", Some("b"));
    world.pass();
    assert_eq!(ended(&world, "cleanup").0, "a");
    world.settle();
    assert_eq!(ended(&world, "cleanup").0, "b");
    assert_eq!(world.status().operation_history[0].id, "a");
}

#[test]
fn kinds_exclude_each_other_and_say_so() {
    let mut world = World::formed(THREE_RACKS);
    world.annotate("flush", Some("f"));
    world.pass();
    world.annotate("cleanup", Some("c"));
    world.pass();
    assert_eq!(ended(&world, "cleanup").1, OperationPhase::Pending);
    insta::assert_snapshot!(ended(&world, "cleanup").2);
    world.settle();
    assert_eq!(ended(&world, "cleanup").1, OperationPhase::Succeeded);
}

#[test]
fn an_operation_and_a_roll_out_wait_for_each_other() {
    let mut world = World::formed(THREE_RACKS);
    world.annotate("flush", Some("f"));
    world.pass();
    world.edit(|cluster| cluster.spec.cassandra_image = Some("cassandra:5.0.9".into()));
    world.pass();
    insta::assert_snapshot!(world.condition("Progressing"), @"True Blocked: UpdateDockerImage: waits for flush f to end");
    world.work(0, true, false);
    world.work(0, true, false);
    world.work(0, true, false);
    world.settle();

    world.edit(|cluster| cluster.spec.cassandra_image = Some("cassandra:5.0.8".into()));
    world.pass();
    world.annotate("flush", Some("g"));
    world.pass();
    assert_eq!(ended(&world, "flush").1, OperationPhase::Pending);
    insta::assert_snapshot!(ended(&world, "flush").2);
    world.settle();
    assert_eq!(ended(&world, "flush").1, OperationPhase::Succeeded);
}

#[test]
fn what_the_ring_does_not_have_is_refused_with_what_it_has() {
    let mut told = Vec::new();
    for arguments in [
        "--keyspace nope",
        "--dc dc2",
        "--rack rack9",
        "--rack dc2.rack1",
        "--pod other-dc1-rack1-0",
        "--rack rack1 --pod demo-dc1-rack2-0",
    ] {
        let mut world = World::formed(THREE_RACKS);
        world.annotate("cleanup", Some(&format!("a {arguments}")));
        world.settle();
        let (_, phase, message) = ended(&world, "cleanup");
        assert_eq!(phase, OperationPhase::Refused);
        told.push(format!("{arguments}\n    {message}"));
        assert!(world.calls.is_empty());
    }
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn targets_narrow_the_nodes() {
    for (arguments, pods) in [
        ("--rack rack2", vec!["demo-dc1-rack2-0"]),
        ("--rack dc1.rack3", vec!["demo-dc1-rack3-0"]),
        ("--pod demo-dc1-rack1-0", vec!["demo-dc1-rack1-0"]),
        (
            "--dc dc1 --rack rack1 --rack rack2",
            vec!["demo-dc1-rack1-0", "demo-dc1-rack2-0"],
        ),
    ] {
        let mut world = World::formed(THREE_RACKS);
        world.annotate("flush", Some(&format!("a {arguments}")));
        world.settle();
        let nodes: Vec<String> = world
            .operation("flush")
            .nodes
            .iter()
            .map(|node| node.pod.clone())
            .collect();
        assert_eq!(nodes, pods, "{arguments}");
    }
}

#[test]
fn a_dry_run_plans_and_calls_nothing() {
    let mut world = World::formed(THREE_RACKS);
    world.annotate("cleanup", Some("a --dry-run"));
    world.settle();
    let operation = world.operation("cleanup");
    assert_eq!(operation.phase, OperationPhase::Planned);
    assert_eq!(operation.plan.expect("a plan").waves.len(), 3);
    assert!(world.calls.is_empty());
}

#[test]
fn a_pause_lets_the_node_at_work_end_and_starts_no_other() {
    let mut world = World::formed(THREE_RACKS);
    world.annotate("cleanup", Some("a"));
    world.pass();
    world.annotate("cleanup.pause", Some("a"));
    for _ in 0..10 {
        world.pass();
        world.work(0, true, false);
    }
    let operation = world.operation("cleanup");
    assert_eq!(operation.phase, OperationPhase::Paused);
    let phases: Vec<NodePhase> = operation.nodes.iter().map(|node| node.phase).collect();
    assert_eq!(
        phases,
        [NodePhase::Succeeded, NodePhase::Pending, NodePhase::Pending]
    );
    world.annotate("cleanup.pause", None);
    world.settle();
    assert_eq!(ended(&world, "cleanup").1, OperationPhase::Succeeded);
}

#[test]
fn a_cancel_ends_after_the_step_at_work() {
    let mut world = World::formed(THREE_RACKS);
    world.annotate("cleanup", Some("a"));
    world.pass();
    world.annotate("cleanup.cancel", Some("a"));
    world.settle();
    assert_eq!(world.calls.len(), 1);
    assert_eq!(ended(&world, "cleanup").1, OperationPhase::Cancelled);
    insta::assert_snapshot!(ended(&world, "cleanup").2);

    world.annotate("cleanup", Some("b"));
    world.settle();
    assert_eq!(
        ended(&world, "cleanup").1,
        OperationPhase::Succeeded,
        "a stale cancel hits no other request"
    );
}

#[test]
fn a_failed_node_stops_no_other_and_a_retry_takes_only_the_failed() {
    let mut world = World::formed(THREE_RACKS);
    world.annotate("cleanup", Some("a"));
    world.pass();
    world.work(0, true, true);
    world.settle();
    assert_eq!(ended(&world, "cleanup").1, OperationPhase::Failed);
    insta::assert_snapshot!(ended(&world, "cleanup").2);
    let before = world.calls.len();
    world.annotate("cleanup.retry", Some("a"));
    world.settle();
    assert_eq!(ended(&world, "cleanup").1, OperationPhase::Succeeded);
    assert_eq!(
        world.calls.len() - before,
        3,
        "only the failed node, all its steps that were left"
    );
}

#[test]
fn a_retry_that_fails_again_is_not_repeated_until_it_is_asked_for_again() {
    let mut world = World::formed(THREE_RACKS);
    world.annotate("flush", Some("a --pod demo-dc1-rack1-0"));
    world.annotate("flush.retry", Some("a"));
    let mut runs = 0;
    for _ in 0..10 {
        world.pass();
        if !world.at_work.is_empty() {
            runs += 1;
            world.work(0, true, true);
        }
    }
    assert_eq!(runs, 2, "the request and one retry");
    world.annotate("flush.retry", None);
    world.pass();
    world.annotate("flush.retry", Some("a"));
    world.settle();
    assert_eq!(ended(&world, "flush").1, OperationPhase::Succeeded);
}

#[test]
fn a_waived_check_is_recorded_and_holds_nothing_back() {
    let mut world = World::formed(THREE_RACKS);
    world.pods.get_mut("demo-dc1-rack2-0").expect("a pod").node = Node::Hanging;
    world.annotate("flush", Some("a"));
    world.annotate("flush.waive", Some("a nodes-up"));
    world.pass();
    let operation = world.operation("flush");
    assert_eq!(operation.phase, OperationPhase::Running);
    let check = &operation.checks[0];
    assert!(check.waived && !check.passed && operation.blocked_by.is_empty());
    insta::assert_snapshot!(check.evidence);
}

#[test]
fn history_is_bounded_and_without_bulk() {
    let mut world = World::formed(THREE_RACKS);
    for number in 0..30 {
        world.annotate("flush", Some(&format!("id-{number}")));
        world.settle();
    }
    let history = world.status().operation_history;
    assert_eq!(history.len(), 20);
    assert!(
        history
            .iter()
            .all(|old| old.nodes.is_empty() && old.plan.is_none())
    );
    assert_eq!(history[0].id, "id-28");
}

#[test]
fn a_cancel_is_not_outrun_by_a_node_that_goes_on() {
    let mut world = World::formed(THREE_RACKS);
    world.annotate("cleanup", Some("a"));
    world.pass();
    world.annotate("cleanup.cancel", Some("a"));
    let decided = world.plan().operations.remove(0).after;
    world.work(0, true, false);
    let status = world.cluster.status.as_mut().expect("a status");
    crate::operations::transitions::control(status, &decided);
    world.work(0, true, false);
    world.settle();
    assert_eq!(ended(&world, "cleanup").1, OperationPhase::Cancelled);
    assert_eq!(world.calls.len(), 2, "ends after the step at work");
}

#[test]
fn nodes_are_tried_again_when_the_checks_pass() {
    let mut world = World::formed(THREE_RACKS);
    world.annotate("cleanup", Some("c1"));
    world.pass();
    world.work(0, true, true);
    for _ in 0..20 {
        world.pass();
        world.work(0, true, false);
    }
    assert_eq!(world.operation("cleanup").phase, OperationPhase::Failed);
    let calls = world.calls.len();
    let failed = "demo-dc1-rack1-0";
    world.pods.get_mut(failed).expect("a pod").node = Node::Hanging;
    world.annotate("cleanup.retry", Some("c1"));
    world.pass();
    world.pass();
    let waits = world.operation("cleanup");
    assert!(waits.message.contains("nodes-up"), "{waits:#?}");
    assert_eq!(world.calls.len(), calls);
    world.pods.get_mut(failed).expect("a pod").node = Node::Normal;
    world.settle();
    assert_eq!(world.operation("cleanup").phase, OperationPhase::Succeeded);
}
