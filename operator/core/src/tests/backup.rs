//! Backups: what each node does in which order, and what is refused.

mod jobs;

use std::collections::{BTreeMap, BTreeSet};

use casskop_backup_protocol::S3;
use casskop_common::{
    api::{
        Backup, BackupRetention, BackupStatus, BackupStore, BackupVolume, CassandraClusterStatus,
        NodePhase, OperationPhase, OperationReason, OperationStatus,
    },
    intent::Request,
    operations::OperationKind,
};
use k8s_openapi::api::core::v1::{LocalObjectReference, Pod};

use crate::{
    node::{Call, NodeError},
    objects::{
        backup_job::{self, BackupCommand, BackupWork, LeftOut, Parts},
        data_job::Beside,
    },
    operations::{
        self, Action,
        backup::{Turn, left_out, turn},
        transitions::{self, StepEvent, StepRef},
    },
    plan,
    simulation::{THREE_RACKS, World},
};

const LAST: &str = "demo-dc1-rack3-0";

/// A store by the name s3.
pub(crate) fn store() -> Backup {
    let s3 = BackupStore {
        name: "s3".into(),
        s3: Some(S3 {
            bucket: "cassandra".into(),
            ..S3::default()
        }),
        secret: Some(LocalObjectReference {
            name: "s3-keys".into(),
        }),
        ..BackupStore::default()
    };
    Backup {
        stores: vec![s3],
        ..Backup::default()
    }
}

fn ring() -> World {
    let mut world = World::formed(THREE_RACKS);
    world.edit(|cluster| cluster.spec.backup = Some(store()));
    world.settle();
    world
}

fn running(world: &World) -> Vec<String> {
    let nodes = world.operation("backup").nodes;
    let nodes = nodes.into_iter();
    nodes
        .filter(|node| node.phase == NodePhase::Running)
        .map(|node| node.pod)
        .collect()
}

#[test]
fn all_nodes_take_their_snapshots_at_once_and_the_last_one_completes_the_backup() {
    let mut world = ring();
    world.annotate("backup", Some("b1 --to s3"));
    world.pass();
    let operation = world.operation("backup");
    insta::assert_yaml_snapshot!(operation.plan);
    assert_eq!(running(&world).len(), 3, "{}", operation.message);
    world.settle();
    let operation = world.operation("backup");
    assert_eq!(
        operation.phase,
        OperationPhase::Succeeded,
        "{}",
        operation.message
    );
    insta::assert_yaml_snapshot!(world.status().backups);
    let uploads: Vec<&str> = world
        .calls
        .iter()
        .filter(|call| call.3 == "upload")
        .map(|call| call.2.as_str())
        .collect();
    assert_eq!(uploads, ["demo-dc1-rack1-0", "demo-dc1-rack2-0", LAST]);
    assert_eq!(
        world
            .calls
            .last()
            .map(|call| (call.2.as_str(), call.3.as_str())),
        Some((LAST, "complete"))
    );
}

#[test]
fn the_nodes_of_a_rack_send_together_unless_asked_otherwise() {
    for (request, waves) in [
        ("b1 --to s3", 3),
        ("b1 --to s3 --parallel node", 6),
        ("b1 --to s3 --parallel rack --max-nodes 1", 6),
    ] {
        let mut world = ring();
        world.edit(|cluster| cluster.spec.nodes_per_racks = Some(2));
        world.settle();
        world.annotate("backup", Some(request));
        world.pass();
        let plan = world.operation("backup").plan.expect("a plan");
        assert_eq!(plan.waves.len(), waves, "{request}");
        assert_eq!(running(&world).len(), 6);
        world.settle();
        assert_eq!(world.operation("backup").phase, OperationPhase::Succeeded);
    }
}

#[test]
fn stores_and_schedules_roll_no_pod() {
    let mut world = World::formed(THREE_RACKS);
    let pods: BTreeSet<String> = world.pods.values().map(|pod| pod.ip.clone()).collect();
    let sets = world.live.stateful_sets.clone();
    world.edit(|cluster| {
        cluster.spec.backup = Some(store());
        cluster.spec.schedules = vec![casskop_common::api::Schedule {
            name: "nightly".into(),
            cron: "0 2 * * *".into(),
            request: "backup --to s3".into(),
            ..casskop_common::api::Schedule::default()
        }];
    });
    world.settle();
    assert_eq!(
        pods,
        world.pods.values().map(|pod| pod.ip.clone()).collect()
    );
    assert_eq!(sets, world.live.stateful_sets);
}

#[test]
fn what_the_retention_does_not_keep_goes_after_the_backup_and_is_forgotten() {
    let mut world = ring();
    let retention = BackupRetention {
        count: Some(7),
        days: None,
    };
    world.edit(|cluster| {
        let store = &mut cluster.spec.backup.as_mut().expect("stores").stores[0];
        store.retention = Some(retention);
    });
    world.annotate("backup", Some("b1 --to s3"));
    world.pass();
    let operation = world.operation("backup");
    let steps = operation.plan.clone().expect("a plan").steps;
    assert_eq!(steps.last().map(String::as_str), Some("purge"));
    assert_eq!(
        turn(&operation, "demo-dc1-rack1-0", BackupCommand::Purge),
        Turn::NotItsOwn
    );
    assert_eq!(turn(&operation, LAST, BackupCommand::Purge), Turn::Now);
    world.settle();
    assert_eq!(world.operation("backup").phase, OperationPhase::Succeeded);
    let words = ["--to", "s3"].map(str::to_owned);
    let request = Request::new(OperationKind::Backup, "b1", &words).expect("a request");
    let behaviour = operations::behaviour(&request.arguments.operation);
    let Action::RunJob(purge) = behaviour.action("b1", "purge", &world.cluster.spec) else {
        unreachable!("a Job")
    };
    let described =
        backup_job::purge(("demo", "u-1"), &purge, &["b1"], &["b0"]).expect("a description");
    assert_eq!(described.known.len(), 1);
    assert_eq!((described.keep_count, described.keep_days), (Some(7), None));
    // One of the same id in another store stays.
    let mut status = world.status();
    let other = BackupStatus {
        store: "other".into(),
        ..status.backups[0].clone()
    };
    status.backups.push(other.clone());
    operations::backup::forget(&mut status, ("s3", "s3://cassandra"), &["b1".into()]);
    assert_eq!(status.backups, [other]);
}

/// The name stays, and the bucket is another one: nothing of it is known yet.
#[test]
fn a_store_that_is_at_another_place_is_another_store() {
    let mut world = ring();
    world.annotate("backup", Some("b1 --to s3"));
    world.settle();
    let before = store().stores[0].clone();
    let mut after = before.clone();
    after.s3.as_mut().expect("a bucket").bucket = "other".into();
    let mut status = world.status();
    assert_eq!(status.backups[0].location, "s3://cassandra");
    let known = |status: &CassandraClusterStatus, store: &BackupStore| -> Vec<String> {
        let known = operations::backup::known(status, store);
        known.map(str::to_owned).collect()
    };
    assert_eq!(known(&status, &before), ["b1"]);
    assert!(known(&status, &after).is_empty());
    assert_eq!(operations::backup::previous(&status, &before), Some("b1"));
    assert_eq!(operations::backup::previous(&status, &after), None);
    // A purge of the new place knows nothing of the old one.
    operations::backup::forget(&mut status, ("s3", "s3://other"), &["b1".into()]);
    assert_eq!(known(&status, &before), ["b1"]);
    // The way there may be another one.
    let mut away = before;
    let s3 = away.s3.as_mut().expect("a bucket");
    (s3.region, s3.prefix, away.secret) = (Some("eu-west-3".into()), Some("/".into()), None);
    assert_eq!(known(&status, &away), ["b1"]);
    // That of an earlier version of the operator may be anywhere.
    status.backups[0].location = String::new();
    assert_eq!(known(&status, &after), ["b1"]);
}

#[test]
fn a_backup_is_verified_and_deleted_by_one_job_each() {
    let mut world = ring();
    for (kind, step) in [("verifybackup", "verify"), ("deletebackup", "delete")] {
        world.annotate(kind, Some("x1 --from gcs --backup b1"));
        world.settle();
        let refused = world.operation(kind);
        assert_eq!(refused.reason, Some(OperationReason::UnknownStore));
        world.annotate(kind, Some("x2 --from s3 --backup b1"));
        world.settle();
        let operation = world.operation(kind);
        assert_eq!(operation.phase, OperationPhase::Succeeded, "{kind}");
        assert_eq!(operation.nodes.len(), 1);
        assert_eq!(operation.plan.expect("a plan").steps, [step]);
    }
    let spec = ring().cluster.spec;
    let words = |kind: OperationKind, step: &str, words: &[&str]| {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let request = Request::new(kind, "v1", &words).expect("a request");
        let behaviour = operations::behaviour(&request.arguments.operation);
        let Action::RunJob(work) = behaviour.action("v1", step, &spec) else {
            unreachable!("a Job")
        };
        let pod = pod(&ring());
        let beside = Beside {
            pod: &pod,
            node: "n",
        };
        let job = backup_job::build(&parts(&work), &beside).expect("a Job");
        let pod = job.spec.expect("a spec").template.spec.expect("a pod");
        pod.containers[0].args.clone().expect("arguments").join(" ")
    };
    let asked = ["--from", "s3", "--backup", "b1"];
    let deep = ["--from", "s3", "--backup", "b1", "--deep"];
    let told = [
        words(OperationKind::VerifyBackup, "verify", &asked),
        words(OperationKind::VerifyBackup, "verify", &deep),
        words(OperationKind::DeleteBackup, "delete", &asked),
    ];
    insta::assert_snapshot!(told.join("\n"));
    let option = ["--from", "s3", "--backup", "--abandon"].map(str::to_owned);
    assert!(Request::new(OperationKind::DeleteBackup, "d", &option).is_err());
    let option = ["--from", "s3", "--backup=--abandon"].map(str::to_owned);
    assert!(Request::new(OperationKind::DeleteBackup, "d", &option).is_err());
}

#[test]
fn a_part_of_the_ring_and_of_its_keyspaces() {
    let mut world = ring();
    world.annotate(
        "backup",
        Some("b1 --to s3 --keyspace orders --pod demo-dc1-rack2-0"),
    );
    world.pass();
    let plan = world.operation("backup").plan.expect("a plan");
    assert_eq!(
        plan.steps,
        [
            "snapshot orders",
            "upload",
            "clear-snapshot casskop-backup-b1",
            "complete"
        ]
    );
    world.settle();
    assert_eq!(world.status().backups[0].keyspaces, ["orders"]);
}

fn refused(world: &mut World, request: &str) -> (OperationPhase, Option<OperationReason>, String) {
    world.annotate("backup", Some(request));
    world.settle();
    let operation = world.operation("backup");
    (operation.phase, operation.reason, operation.message)
}

#[test]
fn what_cannot_be_backed_up_is_refused() {
    let mut told = Vec::new();
    let mut world = ring();
    told.push(refused(&mut world, "r1 --to gcs"));
    world.edit(|cluster| {
        let store = &mut cluster.spec.backup.as_mut().expect("stores").stores[0];
        store.volume = Some(BackupVolume {
            claim_name: "nfs".into(),
        });
    });
    told.push(refused(&mut world, "r2 --to s3"));
    world.edit(|cluster| cluster.spec.backup = None);
    told.push(refused(&mut world, "r3 --to s3"));
    let mut world = ring();
    told.push(refused(&mut world, "r4 --to s3 --keyspace nosuch"));
    let mut world = World::formed(&THREE_RACKS.replace("  dataCapacity: 1Gi\n", ""));
    world.edit(|cluster| cluster.spec.backup = Some(store()));
    told.push(refused(&mut world, "r5 --to s3"));
    insta::assert_debug_snapshot!(told);
    let named = Request::new(OperationKind::Backup, "a:b", &["--to".into(), "s3".into()]);
    assert!(named.is_err_and(|why| why.contains("is not a valid name")));
    for rate in ["0", "-1", "fast"] {
        let words = ["--to", "s3", "--rate", rate].map(str::to_owned);
        assert!(
            Request::new(OperationKind::Backup, "a", &words).is_err(),
            "{rate}"
        );
    }
}

/// A state in which a node has these snapshots.
fn plan_with_snapshots(world: &World, names: &[&str]) -> plan::Plan {
    let mut state = world.state();
    for reading in state.nodes.values_mut().flatten() {
        let names = names.iter().map(|name| (*name).to_owned());
        reading.snapshots = Some(names.collect::<BTreeSet<_>>());
    }
    world.plan_for(&mut state)
}

#[test]
fn what_an_earlier_backup_left_goes_first_and_a_name_is_used_once() {
    let mut world = ring();
    world.annotate("backup", Some("b2 --to s3"));
    let plan = plan_with_snapshots(&world, &["casskop-backup-b1", "casskop-mine", "mine"]);
    let steps = plan.operations[0]
        .after
        .plan
        .as_ref()
        .map(|plan| plan.steps.clone());
    let steps = steps.expect("a plan");
    assert_eq!(steps[0], "clear-snapshot casskop-backup-b1");
    assert!(!steps.iter().any(|step| step.contains("mine")), "{steps:?}");
    let plan = plan_with_snapshots(&world, &["casskop-backup-b2"]);
    let after = &plan.operations[0].after;
    assert_eq!(after.reason, Some(OperationReason::SnapshotExists));
}

/// An operation of three nodes, one a rack, with so many steps done in each.
fn operation(done: [i64; 3]) -> OperationStatus {
    let mut world = ring();
    world.annotate("backup", Some("b1 --to s3"));
    world.pass();
    let mut operation = world.operation("backup");
    for (node, done) in operation.nodes.iter_mut().zip(done) {
        node.progress.as_mut().expect("progress").done = done;
    }
    operation
}

#[test]
fn uploads_take_turns_and_the_end_waits_for_all() {
    // Four snapshots, the upload, and two more steps.
    let all = operation([4, 4, 4]);
    let pods: Vec<&str> = all.nodes.iter().map(|node| node.pod.as_str()).collect();
    let upload = |operation: &OperationStatus, pod| turn(operation, pod, BackupCommand::Upload);
    assert_eq!(upload(&all, pods[0]), Turn::Now);
    let Turn::Waits(what) = upload(&all, pods[2]) else {
        panic!("it waits")
    };
    insta::assert_snapshot!(what, @"demo-dc1-rack1-0 and 1 more to send their files");
    assert_eq!(upload(&operation([5, 5, 4]), pods[2]), Turn::Now);

    let complete = |operation: &OperationStatus, pod| turn(operation, pod, BackupCommand::Complete);
    let sent = operation([7, 7, 6]);
    assert_eq!(complete(&sent, pods[0]), Turn::NotItsOwn);
    assert_eq!(complete(&sent, LAST), Turn::Now);
    assert!(matches!(
        complete(&operation([7, 4, 6]), LAST),
        Turn::Waits(_)
    ));

    let mut failed = operation([7, 4, 6]);
    failed.nodes[1].phase = NodePhase::Failed;
    assert_eq!(complete(&failed, LAST), Turn::Incomplete(pods[1].into()));
    assert_eq!(
        upload(&failed, LAST),
        Turn::Now,
        "the others send what they have"
    );
    let mut skipped = operation([7, 4, 6]);
    skipped.nodes[1].phase = NodePhase::Skipped;
    assert_eq!(complete(&skipped, LAST), Turn::Stopped);

    let mut late = operation([7, 5, 6]);
    late.nodes[1].phase = NodePhase::Failed;
    assert_eq!(complete(&late, LAST), Turn::Now, "it has sent everything");
    let mut cancelled = sent;
    cancelled.reason = Some(OperationReason::Cancelling);
    assert_eq!(complete(&cancelled, LAST), Turn::Stopped);
    assert_eq!(upload(&cancelled, pods[0]), Turn::Stopped);
}

#[test]
fn a_node_that_fails_leaves_no_backup_and_a_retry_completes_it() {
    let mut world = ring();
    world.annotate("backup", Some("b1 --to s3"));
    world.pass();
    // The first node of the plan comes to its upload, and fails there.
    for _ in 0..4 {
        world.work(0, true, false);
    }
    world.work(0, true, true);
    world.settle();
    let failed = world.operation("backup");
    assert_eq!(failed.phase, OperationPhase::Failed);
    let phases: Vec<NodePhase> = failed.nodes.iter().map(|node| node.phase).collect();
    assert_eq!(
        phases,
        [NodePhase::Failed, NodePhase::Succeeded, NodePhase::Failed]
    );
    assert_eq!(world.status().backups, []);
    world.annotate("backup.retry", Some("b1"));
    world.settle();
    assert_eq!(world.operation("backup").phase, OperationPhase::Succeeded);
    assert_eq!(world.status().backups.len(), 1);
}

#[test]
fn a_cancel_goes_on_to_the_step_that_cleans_up() {
    let mut world = ring();
    world.annotate("backup", Some("b1 --to s3"));
    world.pass();
    world.annotate("backup.cancel", Some("b1"));
    world.pass();
    // A snapshot that is done does not end the node: the executor removes it at the Job's step.
    world.work(0, true, false);
    assert_eq!(running(&world).len(), 3);
    world.settle();
    assert_eq!(world.operation("backup").phase, OperationPhase::Cancelled);
    assert_eq!(world.status().backups, []);
    let arguments = Request::new(OperationKind::Backup, "b1", &["--to".into(), "s3".into()]);
    let arguments = arguments.expect("a request").arguments;
    let clean_up = operations::behaviour(&arguments.operation).clean_up("b1");
    let cleared = Call::ClearSnapshot {
        keyspaces: Vec::new(),
        name: "casskop-backup-b1".into(),
    };
    assert_eq!(clean_up, Some(cleared));
}

/// All nodes are at work, and hold back whatever else the ring needs.
#[test]
fn a_pause_holds_no_backup_that_has_begun() {
    let mut world = ring();
    world.annotate("backup.pause", Some("b1"));
    world.annotate("backup", Some("b1 --to s3"));
    world.settle();
    assert_eq!(running(&world), [""; 0]);
    world.annotate("backup.pause", None);
    world.pass();
    assert_eq!(running(&world).len(), 3);
    world.annotate("backup.pause", Some("b1"));
    world.pass();
    let begun = world.operation("backup");
    assert_eq!(begun.phase, OperationPhase::Running);
    assert!(
        begun.message.contains("the pause holds none"),
        "{}",
        begun.message
    );
    world.settle();
    assert_eq!(world.operation("backup").phase, OperationPhase::Succeeded);
}

/// Its executor removes the snapshot, and only then the node ends.
#[test]
fn a_cancel_waits_for_the_clean_up_after_a_call_that_failed() {
    let mut operation = operation([1, 1, 1]);
    operation.reason = Some(OperationReason::Cancelling);
    let step = operation.plan.clone().expect("a plan").steps[1].clone();
    operation.nodes[0].step.clone_from(&step);
    let mut status = ring().status();
    status.operations = vec![operation];
    let pod = status.operations[0].nodes[0].pod.clone();
    let at = StepRef {
        kind: OperationKind::Backup,
        id: "b1",
        pod: &pod,
        executor: "",
        index: 1,
        step: &step,
    };
    status.operations[0].nodes[0].executor.clear();
    let now = jiff::Timestamp::UNIX_EPOCH;
    let retrying = StepEvent::Retrying("no answer".into());
    assert!(transitions::record(&mut status, at, &retrying, now));
    assert!(!transitions::record(
        &mut status,
        at,
        &StepEvent::Stopped,
        now
    ));
    assert_eq!(status.operations[0].nodes[0].phase, NodePhase::Skipped);
}

#[test]
fn nodes_of_the_ring_that_a_backup_does_not_have() {
    let mut world = ring();
    world.annotate("backup", Some("b1 --to s3 --pod demo-dc1-rack2-0"));
    world.pass();
    let (status, operation) = (world.status(), world.operation("backup"));
    let own = status
        .cassandra_node_status
        .values()
        .map(|node| &node.host_id);
    let other = "of-another-cluster".to_owned();
    let found = left_out(&status, &operation, own.chain([&other]));
    let expected = LeftOut {
        pods: vec!["demo-dc1-rack1-0".into(), "demo-dc1-rack3-0".into()],
        elsewhere: vec![other],
    };
    assert_eq!(found, expected);
}

/// The first target has no answer, and what is to be done is not about it.
#[test]
fn a_job_on_the_store_runs_beside_a_node_that_answers() {
    let mut world = ring();
    world.annotate("verifybackup", Some("v1 --from s3 --backup b1"));
    let mut state = world.state();
    let first = state.nodes.keys().next().cloned().expect("a node");
    state.nodes.insert(first.clone(), Err(NodeError::Refused));
    let plan = world.plan_for(&mut state);
    let nodes = &plan.operations[0].after.nodes;
    assert_eq!(nodes.len(), 1);
    assert_ne!(nodes[0].pod, first);
}

#[test]
fn a_complete_backup_is_recorded_once_and_stays() {
    let mut world = ring();
    world.annotate("backup", Some("b1 --to s3"));
    world.settle();
    let mut status = world.status();
    let one = status.backups[0].clone();
    status.backups = (0..60)
        .map(|number| BackupStatus {
            id: format!("old{number}"),
            ..one.clone()
        })
        .chain([BackupStatus {
            store: "other".into(),
            ..one.clone()
        }])
        .collect();
    let mut operation = operation([7, 7, 6]);
    operation.nodes[2].step = "complete".into();
    status.operations = vec![operation];
    let at = StepRef {
        kind: OperationKind::Backup,
        id: "b1",
        pod: LAST,
        executor: "operator",
        index: 6,
        step: "complete",
    };
    let event = StepEvent::BackedUp(Box::new(one));
    for _ in 0..2 {
        transitions::record(&mut status, at, &event, world.now);
        assert_eq!(status.backups.len(), 51);
        assert_eq!(status.backups[0].id, "b1");
    }
    assert_eq!(status.backups[50].store, "other");
    // A report from an older view takes none away.
    let before = status.clone();
    let wanted = crate::simulation::World::status(&world);
    transitions::report(&mut status, Some(&wanted), &wanted);
    assert_eq!(status.backups, before.backups);
}

fn work(command: BackupCommand) -> BackupWork {
    let step = match command {
        BackupCommand::Upload => "upload",
        BackupCommand::Complete => "complete",
        BackupCommand::Purge => "purge",
        BackupCommand::Verify { .. } | BackupCommand::Delete => unreachable!("other kinds"),
    };
    let words = ["--to", "s3", "--rate", "1Mi"].map(str::to_owned);
    let request = Request::new(OperationKind::Backup, "b1", &words).expect("a request");
    let spec = ring().cluster.spec;
    let behaviour = operations::behaviour(&request.arguments.operation);
    match behaviour.action("b1", step, &spec) {
        Action::RunJob(work) => *work,
        other => unreachable!("{other:?}"),
    }
}

/// The pod of a node, as its StatefulSet makes it.
fn pod(world: &World) -> Pod {
    let set = &world.live.stateful_sets["demo-dc1-rack1"];
    let template = set.spec.clone().expect("a spec").template;
    let mut pod = Pod {
        metadata: template.metadata.unwrap_or_default(),
        spec: template.spec,
        status: None,
    };
    pod.metadata.name = Some("demo-dc1-rack1-0".into());
    let spec = pod.spec.as_mut().expect("a spec");
    // The controller adds the volumes of the claims.
    spec.volumes.get_or_insert_default().push(
        serde_json::from_value(serde_json::json!({
            "name": "data",
            "persistentVolumeClaim": { "claimName": "data-demo-dc1-rack1-0" },
        }))
        .expect("a volume"),
    );
    pod
}

fn parts(work: &BackupWork) -> Parts<'_> {
    Parts {
        cluster: ("ns", "demo", "u-1"),
        id: "b1",
        work,
        image: "casskop-operator:1",
        description: r#"{"a":"$(HOME)"}"#.into(),
    }
}

#[test]
fn a_snapshot_that_may_be_there_in_part_is_taken_anew() {
    let request = Request::new(OperationKind::Backup, "b1", &["--to".into(), "s3".into()]);
    let arguments = request.expect("a request").arguments;
    let behaviour = operations::behaviour(&arguments.operation);
    let spec = ring().cluster.spec;
    let undone: BTreeMap<&str, Option<Call>> =
        ["snapshot orders", "clear-snapshot casskop-backup-b1"]
            .map(|step| {
                let Action::Call(call) = behaviour.action("b1", step, &spec) else {
                    unreachable!("a call")
                };
                (step, behaviour.undo(&call))
            })
            .into();
    insta::assert_debug_snapshot!(undone);
}
