//! Rings that begin with a backup: their Jobs, when their nodes start, and what is refused.

mod histories;

use casskop_backup_protocol::{FetchJob, S3};
use casskop_common::{
    api::{
        Authentication, CassandraCluster, LoginStep, NodeApi, NodeApiKind, NodeStatus, Restore,
        RestorePhase, RestoredCluster,
    },
    names,
};
use jiff::SignedDuration;
use k8s_openapi::api::core::v1::Pod;
use kube_core::ResourceExt;

use super::backup::store;
use crate::{
    desired::{self, BuildInputs},
    objects::{
        data_job::{Beside, node_of},
        restore_job::{self, Target},
        stateful_set,
    },
    observed::{RestoreEnd, RestoreInputs, replicas},
    pod_config::RackConfig,
    simulation::{Node, THREE_RACKS, World},
};

const FIRST: &str = "demo-dc1-rack1-0";

fn restore() -> Restore {
    Restore {
        store: "s3".into(),
        cluster: RestoredCluster {
            name: "old".into(),
            uid: "u-0".into(),
        },
        backup: "b1".into(),
    }
}

/// A new cluster with two nodes in each rack.
fn new() -> World {
    let mut world = World::new(THREE_RACKS);
    world.cluster.spec.backup = Some(store());
    world.cluster.spec.restore = Some(restore());
    world.cluster.spec.nodes_per_racks = Some(2);
    world
}

fn go_on(world: &mut World, turns: usize) {
    for _ in 0..turns {
        world.pass();
        world.tick();
    }
}

fn end(world: &mut World, pod: &str, end: RestoreEnd) {
    let job = world.restore_jobs.get_mut(pod).expect("a Job");
    job.end = Some(end);
}

fn failed(world: &World, lasting: bool) -> RestoreEnd {
    RestoreEnd::Failed {
        at: world.now,
        lasting,
        why: "the store refuses".into(),
    }
}

fn complete(world: &mut World, but: &str) {
    let pods: Vec<String> = world.restore_jobs.keys().cloned().collect();
    for pod in pods.iter().filter(|pod| *pod != but) {
        end(world, pod, RestoreEnd::Complete);
    }
}

fn released(world: &World) -> Vec<Option<bool>> {
    let maps = world.live.config_maps.values();
    let racks = maps.filter_map(RackConfig::of);
    racks
        .map(|rack| rack.restore.map(|restore| restore.released))
        .collect()
}

#[test]
fn all_nodes_get_their_files_before_any_starts_and_start_together() {
    let mut world = new();
    go_on(&mut world, 5);
    let sets = world.live.stateful_sets.values();
    assert_eq!(sets.map(replicas).collect::<Vec<_>>(), [2, 2, 2]);
    assert_eq!(world.restore_jobs.len(), 6, "one beside each pod");
    complete(&mut world, FIRST);
    go_on(&mut world, 3);
    let starting = |world: &World| {
        let pods = world.pods.values();
        pods.filter(|pod| pod.node == Node::Starting).count()
    };
    assert_eq!(starting(&world), 6);
    assert_eq!(released(&world), [Some(false); 3]);
    insta::assert_snapshot!(world.condition("Progressing"));
    let status = world.status().restore.expect("it is told");
    assert_eq!((status.done, status.nodes), (5, 6));
    assert_eq!(status.phase, RestorePhase::Fetching);

    complete(&mut world, "");
    world.pass();
    assert_eq!(released(&world), [Some(true); 3]);
    // The Jobs are gone, and the decision stays.
    world.restore_jobs.clear();
    world.pass();
    assert_eq!(released(&world), [Some(true); 3]);
    world.tick();
    assert_eq!(starting(&world), 0);
    world.settle();
    assert_eq!(released(&world), [None; 3], "later nodes join as any");
    let status = world.status().restore.expect("it is told");
    assert_eq!(status.phase, RestorePhase::Restored);
    let accepted = world.condition("SpecAccepted");
    assert!(accepted.starts_with("True Accepted:"), "{accepted}");
}

/// The roles come from the backup: there is nothing to set up, and no node is alone.
#[test]
fn a_ring_with_logins_is_restored_with_them() {
    let mut world = new();
    world.cluster.spec.authentication = Some(Authentication {
        superuser_secret: Some("admins".into()),
        users: Vec::new(),
    });
    go_on(&mut world, 5);
    assert_eq!(world.restore_jobs.len(), 6, "one beside each pod");
    complete(&mut world, FIRST);
    for turn in 0..100 {
        // Some nodes serve before those that have the roles.
        let mut state = world.state();
        state.changes_superuser = true;
        let asked = world.plan_for(&mut state).login_nodes;
        let is_formed = released(&world) == [None; 3];
        assert_eq!(asked.is_empty(), !is_formed, "{asked:?}");
        let mut steps = world.pods.values().map(|pod| pod.logins);
        assert!(steps.all(|step| step == LoginStep::Required));
        assert_eq!(world.pods.len(), 6);
        if turn == 3 {
            complete(&mut world, "");
        }
        if turn > 3 && world.is_settled() {
            break;
        }
        world.pass();
        world.tick();
    }
    assert_eq!(released(&world), [None; 3]);
    let accepted = world.condition("SpecAccepted");
    assert!(accepted.starts_with("True Accepted:"), "{accepted}");
    let revisions = |world: &World| -> Vec<String> {
        let pods = world.pods.values();
        pods.map(|pod| pod.revision.clone()).collect()
    };
    let before = revisions(&world);
    world.edit(|cluster| cluster.spec.restore = None);
    world.settle();
    assert_eq!(revisions(&world), before);
}

/// Whether the backup has logins is known to its Job only, which refuses it: no node starts meanwhile, and the spec is told what
/// to do about the pods that wait.
#[test]
fn the_logins_of_a_restore_do_not_change_once_its_pods_wait() {
    let asked = || {
        Some(Authentication {
            superuser_secret: Some("admins".into()),
            users: Vec::new(),
        })
    };
    for (before, after) in [(None, asked()), (asked(), None)] {
        let mut world = new();
        world.cluster.spec.authentication = before;
        go_on(&mut world, 5);
        let steps = |world: &World| -> Vec<LoginStep> {
            world.pods.values().map(|pod| pod.logins).collect()
        };
        let waiting = steps(&world);
        assert_eq!(waiting.len(), 6);
        world.edit(|cluster| cluster.spec.authentication = after);
        go_on(&mut world, 3);
        let told = world.condition("SpecAccepted");
        assert!(told.starts_with("False NotSupported"), "{told}");
        assert_eq!(steps(&world), waiting);
    }
}

#[test]
fn no_pod_is_replaced_when_the_spec_names_a_backup_no_longer() {
    let mut world = restored();
    let pods: Vec<_> = world.pods.keys().cloned().collect();
    let revisions = |world: &World| -> Vec<String> {
        let pods = world.pods.values();
        pods.map(|pod| pod.revision.clone()).collect()
    };
    let before = revisions(&world);
    world.edit(|cluster| cluster.spec.restore = None);
    world.settle();
    assert_eq!(revisions(&world), before);
    assert!(world.pods.keys().eq(&pods));
    assert!(world.status().restore.is_some());
}

fn restored() -> World {
    let mut world = new();
    go_on(&mut world, 3);
    complete(&mut world, "");
    world.settle();
    world
}

#[test]
fn a_formed_ring_is_never_restored() {
    let mut other = restored();
    other.edit(|cluster| {
        let restore = cluster.spec.restore.as_mut().expect("restored");
        restore.backup = "b2".into();
        restore.store = "gone".into();
    });
    let mut empty = World::formed(THREE_RACKS);
    empty.edit(|cluster| cluster.spec.restore = Some(restore()));
    for (mut world, how) in [(other, "with backup b1"), (empty, "was formed before")] {
        let jobs = world.restore_jobs.clone();
        world.settle();
        let accepted = world.condition("SpecAccepted");
        assert!(
            accepted.starts_with("True AcceptedWithWarnings"),
            "{accepted}"
        );
        assert!(accepted.contains(how), "{accepted}");
        assert!(world.plan().restore_jobs.is_empty());
        assert_eq!(world.restore_jobs, jobs);
        assert!(released(&world).iter().all(Option::is_none));
    }
}

#[test]
fn a_job_that_failed_is_made_again_or_waits_for_a_person() {
    let mut world = new();
    go_on(&mut world, 3);
    complete(&mut world, FIRST);
    let now = failed(&world, false);
    end(&mut world, FIRST, now);
    world.pass();
    let told = world.condition("Progressing");
    assert!(
        told.contains("5 of 6") && told.contains("the store refuses"),
        "{told}"
    );
    assert!(world.plan().restore_jobs.is_empty(), "not at once");
    world.now += SignedDuration::from_mins(6);
    let uid = world.restore_jobs[FIRST].uid.clone();
    go_on(&mut world, 3);
    assert_ne!(world.restore_jobs[FIRST].uid, uid);

    let lasting = failed(&world, true);
    end(&mut world, FIRST, lasting);
    world.now += SignedDuration::from_hours(2);
    go_on(&mut world, 3);
    insta::assert_snapshot!(world.condition("Progressing"));
    let degraded = world.condition("Degraded");
    assert!(
        degraded.starts_with("True") && degraded.contains("delete Job"),
        "{degraded}"
    );
    assert!(world.restore_jobs[FIRST].end.is_some(), "it stays");
    assert_eq!(released(&world), [Some(false); 3]);
    // A person has mended it, and deletes the Job.
    world.restore_jobs.remove(FIRST);
    go_on(&mut world, 2);
    complete(&mut world, "");
    world.settle();
    assert_eq!(
        world.status().restore.unwrap().phase,
        RestorePhase::Restored
    );
}

#[test]
fn a_pod_that_moves_takes_its_job_along() {
    let mut world = new();
    go_on(&mut world, 3);
    let job = world.restore_jobs.get_mut(FIRST).expect("a Job");
    job.node = Some("node2".into());
    let uid = job.uid.clone();
    go_on(&mut world, 2);
    let job = &world.restore_jobs[FIRST];
    assert!(
        job.uid != uid && job.node.as_deref() == Some("node1"),
        "{job:?}"
    );
}

/// The machine of a pod was lost, with its volume, after its Job was done.
#[test]
fn a_volume_that_was_replaced_gets_its_files_again_unless_its_node_has_joined() {
    let lose = |world: &mut World| {
        let volume = world.live.volumes.get_mut("data-demo-dc1-rack1-0").unwrap();
        volume.uid = "replaced".into();
    };
    let mut world = new();
    go_on(&mut world, 3);
    complete(&mut world, FIRST);
    let uid = world.restore_jobs["demo-dc1-rack1-1"].uid.clone();
    lose(&mut world);
    complete(&mut world, "");
    go_on(&mut world, 2);
    assert_eq!(released(&world), [Some(false); 3], "one volume is empty");
    assert!(world.restore_jobs[FIRST].end.is_none(), "another Job");
    assert_eq!(world.restore_jobs["demo-dc1-rack1-1"].uid, uid);
    complete(&mut world, "");
    world.pass();
    assert_eq!(released(&world), [Some(true); 3]);

    // Not started yet.
    world
        .live
        .volumes
        .get_mut("data-demo-dc1-rack1-0")
        .unwrap()
        .uid = "again".into();
    world.pass();
    world.pass();
    assert!(world.restore_jobs[FIRST].end.is_none(), "another Job");
    complete(&mut world, "");

    // A member of the ring, which is not formed yet.
    let other = "demo-dc1-rack2-0";
    let node = NodeStatus {
        host_id: "h".into(),
        ..NodeStatus::default()
    };
    let status = world.cluster.status.as_mut().unwrap();
    status.cassandra_node_status.insert(FIRST.into(), node);
    lose(&mut world);
    let before = world.restore_jobs.clone();
    world.restore_jobs.remove(other);
    world.pass();
    let degraded = world.condition("Degraded");
    assert!(degraded.contains("lost its volume"), "{degraded}");
    assert_eq!(world.restore_jobs[FIRST], before[FIRST]);
    assert!(world.restore_jobs.contains_key(other), "not a member yet");
}

/// All nodes run, or wait for each other, whatever a person writes meanwhile.
#[test]
fn a_spec_that_is_refused_holds_no_restore_up() {
    let wrong: [Edit; 3] = [
        |cluster| cluster.spec.cassandra_image = Some("cassandra:3.11".into()),
        |cluster| cluster.spec.backup = None,
        |cluster| cluster.spec.restore = None,
    ];
    for change in wrong {
        for starts in [false, true] {
            let mut world = new();
            go_on(&mut world, 3);
            if starts {
                complete(&mut world, "");
                world.pass();
            }
            world.edit(change);
            world.pass();
            let told = world.condition("SpecAccepted");
            assert!(told.starts_with("False"), "{told}");
            complete(&mut world, "");
            go_on(&mut world, 12);
            let status = world.status().restore.unwrap();
            assert_eq!(status.phase, RestorePhase::Restored, "{told}");
            assert!(world.pods.values().all(|pod| pod.node == Node::Normal));
        }
    }
}

#[test]
fn another_order_of_the_racks_brings_no_file_a_second_time() {
    let mut world = new();
    go_on(&mut world, 3);
    complete(&mut world, FIRST);
    let jobs = world.restore_jobs.clone();
    world.edit(|cluster| {
        let dc = &mut cluster.spec.topology.as_mut().expect("a topology").dc[0];
        dc.rack.reverse();
    });
    go_on(&mut world, 3);
    assert_eq!(world.restore_jobs, jobs);
}

#[test]
fn a_job_that_fails_after_the_nodes_began_to_start_is_told() {
    let mut world = new();
    go_on(&mut world, 3);
    complete(&mut world, "");
    world.pass();
    let volume = world.live.volumes.get_mut("data-demo-dc1-rack1-0").unwrap();
    volume.uid = "replaced".into();
    world.pass();
    world.pass();
    let now = failed(&world, false);
    end(&mut world, FIRST, now);
    world.pass();
    let told = world.condition("Progressing");
    assert!(told.contains("the store refuses"), "{told}");
}

/// A node that replaces one of them later follows the spec, and has to have as many.
#[test]
fn the_number_of_tokens_can_be_set_right_until_the_nodes_start() {
    let set = |world: &mut World, number: u32| {
        let yaml = serde_json::json!({ "num_tokens": number });
        let config = serde_json::json!({ "cassandra-yaml": yaml });
        world.edit(|cluster| cluster.spec.config = Some(config));
    };
    let mut world = new();
    go_on(&mut world, 3);
    complete(&mut world, FIRST);
    let lasting = failed(&world, true);
    end(&mut world, FIRST, lasting);
    set(&mut world, 256);
    complete(&mut world, FIRST);
    // The Jobs compare it: all are made again, without a person.
    go_on(&mut world, 3);
    assert_eq!(released(&world), [Some(false); 3]);
    let jobs = world.restore_jobs.values();
    assert!(jobs.map(|job| &job.end).all(Option::is_none));
    let told = world.condition("SpecAccepted");
    assert!(told.starts_with("True"), "{told}");
    complete(&mut world, "");
    world.pass();
    assert_eq!(released(&world), [Some(true); 3]);
    set(&mut world, 16);
    world.pass();
    let told = world.condition("SpecAccepted");
    assert!(told.starts_with("False RingChanged"), "{told}");
}

#[test]
fn a_job_of_another_author_is_left_alone() {
    let mut world = new();
    go_on(&mut world, 3);
    let job = world.restore_jobs.get_mut(FIRST).expect("a Job");
    job.is_ours = false;
    job.inputs.work.clear();
    complete(&mut world, "");
    world.pass();
    assert_eq!(released(&world), [Some(false); 3]);
    assert!(world.restore_jobs.contains_key(FIRST));
    let told = world.condition("Degraded");
    assert!(told.contains("not of this cluster"), "{told}");
}

#[test]
fn a_paused_cluster_makes_no_job() {
    let mut world = new();
    world.annotate("reconcile", Some("paused"));
    go_on(&mut world, 3);
    assert!(world.restore_jobs.is_empty());
}

/// Killed after any write, the operator comes to the same end.
#[test]
fn an_operator_that_is_killed_goes_on() {
    for effects in 0..40 {
        let mut world = new();
        if world.pass_until(effects) {
            break;
        }
        world.kill_operator();
        go_on(&mut world, 4);
        assert_eq!(world.restore_jobs.len(), 6, "{effects}");
        complete(&mut world, "");
        world.pass_until(effects);
        world.settle();
        assert_eq!(
            world.status().restore.unwrap().phase,
            RestorePhase::Restored
        );
    }
}

type Edit = fn(&mut CassandraCluster);

#[test]
fn a_restore_that_no_job_could_carry_out_is_refused() {
    let wrong: [(Edit, &str); 12] = [
        (|cluster| cluster.spec.data_capacity = None, "dataCapacity"),
        (|cluster| cluster.spec.backup = None, "backup.stores"),
        (
            |cluster| cluster.spec.seeds = vec!["a.example".into()],
            "spec.seeds",
        ),
        (
            |cluster| {
                let key = names::MULTI_OWNER.to_owned();
                cluster.annotations_mut().insert(key, "u".into());
            },
            "MultiCasskop",
        ),
        (
            |cluster| cluster.spec.authentication = Some(Authentication::default()),
            "authentication.superuserSecret",
        ),
        (
            |cluster| {
                cluster.spec.cassandra_image = Some("k8ssandra/cass-management-api:5.0".into());
                cluster.spec.node_api = Some(NodeApi {
                    kind: NodeApiKind::ManagementApi,
                    ..NodeApi::default()
                });
            },
            "nodeApi.kind ManagementApi",
        ),
        (
            |cluster| edit(cluster, |restore| restore.backup = "../b".into()),
            "restore.backup",
        ),
        (
            |cluster| edit(cluster, |restore| restore.cluster.uid = "a/b".into()),
            "restore.cluster.uid",
        ),
        (
            |cluster| configure(cluster, "data_file_directories", &["/elsewhere"]),
            "on no volume",
        ),
        (
            // The pod that waits leaves its mark there.
            |cluster| configure(cluster, "data_file_directories", &["/var/lib/cassandra/"]),
            "the whole volume",
        ),
        (
            |cluster| {
                let folders = ["/var/lib/cassandra/a", "/var/lib/cassandra/b"];
                configure(cluster, "data_file_directories", &folders);
            },
            "several folders",
        ),
        (
            |cluster| configure(cluster, "local_system_data_file_directory", &["/a"]),
            "several folders",
        ),
    ];
    for (change, word) in wrong {
        let mut world = new();
        change(&mut world.cluster);
        world.pass();
        let told = world.condition("SpecAccepted");
        assert!(told.starts_with("False InvalidRestore"), "{told}");
        assert!(told.contains(word), "{told}");
        assert!(world.live.stateful_sets.is_empty());
        assert!(world.plan().restore_jobs.is_empty());
    }
}

/// Half of a ring would answer without the rows of the other half.
#[test]
fn the_nodes_of_a_restore_stay_as_many_until_the_ring_is_formed() {
    for (nodes, released) in [(1, false), (3, false), (1, true), (3, true)] {
        let mut world = new();
        go_on(&mut world, 3);
        if released {
            complete(&mut world, "");
            world.pass();
        }
        world.edit(|cluster| {
            cluster.spec.nodes_per_racks = Some(nodes);
            cluster.spec.image_pull_policy = Some("Always".into());
        });
        world
            .restore_jobs
            .retain(|pod, _| released || pod.ends_with("-0"));
        complete(&mut world, "");
        world.pass();
        let told = world.condition("SpecAccepted");
        assert!(told.starts_with("False InvalidRestore"), "{told}");
        assert!(
            told.contains("rack demo-dc1-rack1: the restore has begun with 2"),
            "{told}"
        );
        let sets = world.live.stateful_sets.values();
        assert_eq!(sets.map(replicas).collect::<Vec<_>>(), [2, 2, 2]);
        assert_eq!(self::released(&world), [Some(released); 3]);
        world.edit(|cluster| cluster.spec.nodes_per_racks = Some(2));
        go_on(&mut world, 2);
        complete(&mut world, "");
        world.settle();
        assert_eq!(
            world.status().restore.unwrap().phase,
            RestorePhase::Restored
        );
    }
}

#[test]
fn a_rack_that_was_scaled_by_hand_gets_its_nodes_back_before_any_starts() {
    for by_hand in [1, 3] {
        let mut world = new();
        go_on(&mut world, 3);
        let set = world.live.stateful_sets.get_mut("demo-dc1-rack2").unwrap();
        set.spec.as_mut().unwrap().replicas = Some(by_hand);
        complete(&mut world, "");
        world.pass();
        assert_eq!(self::released(&world), [Some(false); 3], "{by_hand}");
        world.pass();
        let sets = world.live.stateful_sets.values();
        assert_eq!(sets.map(replicas).collect::<Vec<_>>(), [2, 2, 2]);
        assert_eq!(self::released(&world), [Some(true); 3]);
    }
}

/// The backup that the pods wait for is known as long as a rack has it.
#[test]
fn a_restore_is_not_forgotten_with_the_stateful_sets() {
    let mut world = new();
    go_on(&mut world, 3);
    world.live.stateful_sets.clear();
    let maps = &mut world.live.config_maps;
    maps.retain(|name, _| !name.contains("accepted"));
    world.edit(|cluster| cluster.spec.restore = None);
    world.pass();
    let told = world.condition("SpecAccepted");
    assert!(told.starts_with("False InvalidRestore"), "{told}");
    assert!(world.live.stateful_sets.is_empty());
}

fn configure(cluster: &mut CassandraCluster, key: &str, folders: &[&str]) {
    let yaml = serde_json::json!({ key: folders });
    cluster.spec.config = Some(serde_json::json!({ "cassandra-yaml": yaml }));
}

fn edit(cluster: &mut CassandraCluster, change: impl FnOnce(&mut Restore)) {
    change(cluster.spec.restore.as_mut().expect("a restore"));
}

#[test]
fn what_a_ring_begins_with_changes_only_before_its_nodes_start() {
    // A name that was wrong is corrected.
    let mut world = new();
    go_on(&mut world, 3);
    let uids = |world: &World| -> Vec<String> {
        let jobs = world.restore_jobs.values();
        jobs.map(|job| job.uid.clone()).collect()
    };
    let first = uids(&world);
    world.edit(|cluster| edit(cluster, |restore| restore.backup = "b2".into()));
    go_on(&mut world, 3);
    // No two of them write to a volume.
    assert!(uids(&world).iter().all(|uid| !first.contains(uid)));
    assert_eq!(world.status().restore.unwrap().backup, "b2");
    assert_eq!(world.restore_jobs.len(), 6);
    // Removed: it goes on.
    world.edit(|cluster| cluster.spec.restore = None);
    go_on(&mut world, 2);
    let told = world.condition("SpecAccepted");
    assert!(told.starts_with("False InvalidRestore"), "{told}");
    assert_eq!(released(&world), [Some(false); 3]);
    // The nodes start: nothing else comes into question.
    world.edit(|cluster| {
        cluster.spec.restore = Some(Restore {
            backup: "b2".into(),
            ..restore()
        });
    });
    complete(&mut world, "");
    world.pass();
    assert_eq!(released(&world), [Some(true); 3]);
    world.edit(|cluster| edit(cluster, |restore| restore.backup = "b3".into()));
    world.pass();
    let told = world.condition("SpecAccepted");
    assert!(
        told.contains("b2") && told.contains("set it back"),
        "{told}"
    );
    assert_eq!(released(&world), [Some(true); 3]);
    // Added to a ring that begins empty.
    let mut world = new();
    world.cluster.spec.restore = None;
    world.pass();
    world.edit(|cluster| cluster.spec.restore = Some(restore()));
    world.pass();
    let told = world.condition("SpecAccepted");
    assert!(told.contains("was added"), "{told}");
    assert!(world.restore_jobs.is_empty());
}

#[test]
fn a_job_writes_to_the_volumes_of_its_pod_and_says_the_place() {
    let world = new();
    let around = BuildInputs {
        operator_image: "operator:1".into(),
        ..BuildInputs::default()
    };
    let desired = desired::desired(&world.cluster, &around).expect("accepted");
    let rack = &desired.racks[1];
    let set = stateful_set::build(&desired, rack, 2);
    let template = set.spec.unwrap().template;
    let mut pod = Pod {
        metadata: template.metadata.unwrap(),
        spec: template.spec,
        status: None,
    };
    pod.metadata.name = Some("demo-dc1-rack2-1".into());
    // As the controller of StatefulSets does.
    let claim = serde_json::json!({ "name": "data", "persistentVolumeClaim": { "claimName": "data-demo-dc1-rack2-1" } });
    let volumes = &mut pod.spec.as_mut().unwrap().volumes;
    volumes
        .get_or_insert_default()
        .push(serde_json::from_value(claim).unwrap());
    let beside = Beside {
        pod: &pod,
        node: "node1",
    };
    let target = Target {
        pod: "demo-dc1-rack2-1",
        rack: &rack.id,
    };
    let inputs =
        restore_job::inputs(&desired, &restore(), target, &world.state()).expect("a store");
    let job = restore_job::build(&desired, &restore(), target, &inputs, &beside).expect("a Job");
    assert_eq!(node_of(&job), Some("node1"));
    let name = job.name_any();
    assert_eq!(name, restore_job::name(("demo", "u-1"), target.pod));
    assert_eq!(RestoreInputs::of(&job), inputs);
    insta::assert_yaml_snapshot!(job);
    let env = &job.spec.unwrap().template.spec.unwrap().containers[0].env;
    let text = env.as_ref().unwrap()[0].value.clone().unwrap();
    let described: FetchJob = serde_json::from_str(&text).unwrap();
    insta::assert_yaml_snapshot!(described);
    assert_eq!(
        described.store.s3.map(|s3: S3| s3.bucket).as_deref(),
        Some("cassandra")
    );
}
