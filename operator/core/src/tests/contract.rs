//! Parts of the status that other programs read: conditions of kstatus, words of the Go `CassKop`, checks and errors as
//! data.

use std::collections::BTreeSet;

use casskop_common::{
    api::OperationPhase,
    checks::{CheckName, Remedy},
    conditions::Action,
};
use k8s_openapi::{
    api::core::v1::ResourceRequirements, apimachinery::pkg::api::resource::Quantity,
};

use super::shrink::{nodes, passes, six};
use crate::{
    node::Replication,
    simulation::{
        Node, THREE_RACKS, World,
        kstatus::{Status, status},
        messages,
    },
};

fn kstatus(world: &World) -> Status {
    let told = world.status();
    status(
        &told.conditions,
        told.observed_generation,
        world.cluster.metadata.generation,
    )
}

fn is_true(world: &World, kind: &str) -> bool {
    let conditions = world.status().conditions;
    conditions
        .iter()
        .any(|known| known.type_ == kind && known.status == "True")
}

#[test]
fn a_cluster_is_current_when_it_is_as_asked_and_not_before() {
    let mut world = World::new(THREE_RACKS);
    world.pass();
    assert_eq!(kstatus(&world), Status::InProgress);
    world.settle();
    assert_eq!(kstatus(&world), Status::Current);
    world.edit(|cluster| cluster.spec.nodes_per_racks = Some(2));
    assert_eq!(kstatus(&world), Status::InProgress, "not observed yet");
    while world.pods.len() < 6 {
        world.pass();
        assert_eq!(kstatus(&world), Status::InProgress);
        world.tick();
    }
    world.settle();
    assert_eq!(kstatus(&world), Status::Current);
}

#[test]
fn a_long_operation_leaves_the_cluster_ready() {
    let mut world = World::formed(THREE_RACKS);
    world.annotate("repair", Some("r1"));
    passes(&mut world);
    assert_eq!(world.operation("repair").phase, OperationPhase::Running);
    assert!(is_true(&world, "Ready"));
    assert_eq!(kstatus(&world), Status::Current);
}

#[test]
fn a_check_that_holds_the_spec_back_says_which_command_satisfies_it() {
    let mut world = World::formed(THREE_RACKS);
    nodes(&mut world, 2);
    world.settle();
    nodes(&mut world, 1);
    passes(&mut world);
    let told = world.status();
    let [check] = &told.blocked_by[..] else {
        unreachable!("{:#?}", told.blocked_by);
    };
    assert_eq!(check.kind(), CheckName::CleanupDone);
    let Remedy::Command { verb, flags } = check.kind().remedy(&check.pods) else {
        unreachable!("{check:?}");
    };
    assert_eq!(verb, "cleanup");
    assert!(flags.starts_with("--pod demo-dc1-rack1-0 "), "{flags}");
    assert!(world.condition("Progressing").starts_with("True Blocked"));
    assert!(is_true(&world, "Stalled") && !is_true(&world, "Reconciling"));
    assert_eq!(kstatus(&world), Status::Failed);
    let decommission = world.operation("decommission");
    assert_eq!(decommission.blocked_by, ["cleanup-done"]);
    world.annotate("cleanup", Some("c1"));
    world.settle();
    assert!(world.status().blocked_by.is_empty());
    assert_eq!(kstatus(&world), Status::Current);
}

#[test]
fn a_data_center_that_keyspaces_need_is_not_taken_away_and_the_spec_says_so() {
    let two = format!("{THREE_RACKS}      - name: dc2\n        rack: [{{ name: rack1 }}]\n");
    let mut world = World::formed(&two);
    let factors = [("dc1".to_owned(), 3), ("dc2".to_owned(), 1)];
    let replication = Replication::Topology(factors.into());
    world.replication.insert("orders".into(), replication);
    world.settle();
    let nodes_of_dc2 = |world: &mut World, nodes: Option<i32>| {
        world.edit(|cluster| {
            let dcs = &mut cluster.spec.topology.as_mut().expect("a topology").dc;
            dcs[1].nodes_per_racks = nodes;
        });
    };
    nodes_of_dc2(&mut world, Some(0));
    passes(&mut world);
    assert_eq!(world.pods.len(), 4);
    let told = world.status();
    assert_eq!(
        (
            told.last_cluster_action.as_deref(),
            told.last_cluster_action_status.as_deref()
        ),
        (Some("CorrectCRDConfig"), Some("ToDo"))
    );
    insta::assert_snapshot!(
        ["SpecAccepted", "Stalled", "Progressing"]
            .map(|kind| format!("{kind}={}", world.condition(kind)))
            .join("\n")
    );
    // Other changes go on.
    world.edit(|cluster| cluster.spec.cassandra_image = Some("cassandra:5.0.9".into()));
    passes(&mut world);
    let rack = &world.status().cassandra_rack_status["dc1-rack1"];
    let action = rack.cassandra_last_action.as_ref().expect("an action");
    assert_eq!(action.name, "UpdateDockerImage");
    // Taken back.
    nodes_of_dc2(&mut world, None);
    world.settle();
    assert_eq!(kstatus(&world), Status::Current);
}

#[test]
fn no_message_says_that_all_nodes_are_normal_while_one_leaves() {
    let mut world = six();
    nodes(&mut world, 1);
    let leaves = |world: &World| world.pods.values().any(|pod| pod.node == Node::Leaving);
    let mut seen = BTreeSet::new();
    for _ in 0..40 {
        world.pass();
        if leaves(&world) {
            seen.insert(world.condition("Available"));
        }
        world.work(0, true, false);
        world.tick();
    }
    assert!(!seen.is_empty(), "no node was seen to leave");
    for told in seen {
        assert!(told.starts_with("True NodesLeaving"), "{told}");
        assert!(told.contains("is LEAVING; the other"), "{told}");
    }
}

#[test]
fn a_ring_of_one_node_is_told_in_the_singular() {
    let racks = "{ name: rack1 }, { name: rack2 }, { name: rack3 }";
    let one = THREE_RACKS.replace(racks, "{ name: rack1 }");
    let world = World::formed(&one);
    assert_eq!(world.pods.len(), 1);
    assert_eq!(
        world.condition("Available"),
        "True AllNodesUp: the node is NORMAL"
    );
}

#[test]
fn operations_on_one_node_are_told_in_the_singular() {
    let racks = "{ name: rack1 }, { name: rack2 }, { name: rack3 }";
    let mut world = World::formed(&THREE_RACKS.replace(racks, "{ name: rack1 }"));
    for kind in ["cleanup", "repair", "flush", "drain", "restart"] {
        world.annotate(kind, Some("a"));
        world.settle();
    }
    assert_eq!(world.operation("cleanup").message, "done on 1 node");
    world.annotate("compact", Some("a"));
    for _ in 0..40 {
        world.pass();
        world.work(0, true, true);
    }
    let told = world.operation("compact").message;
    assert!(told.starts_with("1 of 1 node failed"), "{told}");
}

#[test]
fn a_plural_of_one_is_noticed() {
    for message in ["1 of 1 nodes failed", "the nodes of all 1 sites are up"] {
        let noticed = std::panic::catch_unwind(|| messages::check(message));
        assert!(noticed.is_err(), "{message}");
    }
    messages::check("1 of 2 nodes; cleanup 1 was called; 11 nodes; 1 node");
}

/// The table of the nodes has a row for each pod that is expected.
#[test]
fn no_message_says_that_all_nodes_are_normal_while_one_joins() {
    let mut world = World::formed(THREE_RACKS);
    nodes(&mut world, 2);
    let mut seen = BTreeSet::new();
    for _ in 0..40 {
        world.pass();
        seen.insert(world.condition("Available"));
        world.tick();
    }
    insta::assert_snapshot!(seen.into_iter().collect::<Vec<_>>().join("\n"));
}

#[test]
fn nodes_that_no_stateful_set_tells_of_are_not_known() {
    let mut world = World::formed(THREE_RACKS);
    world.live.stateful_sets.clear();
    world.pass();
    let told = world.condition("Available");
    assert!(told.starts_with("Unknown NodesUnknown"), "{told}");
    world.settle();
    let told = world.condition("Available");
    assert!(told.starts_with("True AllNodesUp"), "{told}");
}

#[test]
fn each_action_has_the_word_of_the_go_casskop() {
    type Edit = fn(&mut casskop_common::api::CassandraClusterSpec);
    let edits: [(Action, Edit); 12] = [
        (Action::UpdateResources, |spec| {
            let cpu = [("cpu".to_owned(), Quantity("1".into()))];
            spec.resources = Some(ResourceRequirements {
                requests: Some(cpu.into()),
                ..ResourceRequirements::default()
            });
        }),
        (Action::UpdateDockerImage, |spec| {
            spec.cassandra_image = Some("cassandra:5.0.9".into());
        }),
        (Action::UpdateConfigMap, |spec| {
            spec.config_map_name = Some("scripts".into());
        }),
        (Action::UpdateSeedList, |spec| {
            spec.seeds = vec!["elsewhere.example.org".into()];
        }),
        (Action::UpdateStatefulSet, |spec| {
            spec.run_as_user = Some(1000);
        }),
        (Action::ScaleUp, |spec| spec.nodes_per_racks = Some(2)),
        (Action::ScaleDown, |spec| {
            let topology = spec.topology.as_mut().expect("a topology");
            topology.dc[0].nodes_per_racks = Some(1);
        }),
        (Action::StorageUpsize, |spec| {
            spec.data_capacity = Some("2Gi".into());
        }),
        (Action::RollingRestart, |spec| {
            let topology = spec.topology.as_mut().expect("a topology");
            topology.dc[0].rack[1].rolling_restart = Some(true);
        }),
        (Action::ActionDeleteRack, |spec| {
            let topology = spec.topology.as_mut().expect("a topology");
            topology.dc[0].rack.truncate(2);
        }),
        (Action::ActionDeleteDC, |spec| {
            let topology = spec.topology.as_mut().expect("a topology");
            topology.dc.truncate(1);
        }),
        (Action::CorrectCRDConfig, |spec| {
            spec.data_capacity = Some("1Mi".into());
        }),
    ];
    for (action, edit) in edits {
        let mut world = World::new(THREE_RACKS);
        world.edit(|cluster| {
            let spec = &mut cluster.spec;
            (spec.auto_update_seed_list, spec.auto_pilot) = (Some(true), Some(true));
            let dcs = &mut spec.topology.as_mut().expect("a topology").dc;
            match action {
                Action::ScaleDown => dcs[0].nodes_per_racks = Some(2),
                Action::ActionDeleteDC => {
                    let mut dc2 = dcs[0].clone();
                    (dc2.name, dc2.rack) = ("dc2".into(), dc2.rack[..1].to_vec());
                    dcs.push(dc2);
                }
                _ => {}
            }
        });
        world.settle();
        world.edit(|cluster| edit(&mut cluster.spec));
        let mut words = BTreeSet::new();
        let mut of_racks = BTreeSet::new();
        for _ in 0..60 {
            world.pass();
            let told = world.status();
            if told.last_cluster_action_status.as_deref() != Some("Done") {
                words.extend(told.last_cluster_action);
            }
            of_racks.extend(
                told.cassandra_rack_status
                    .values()
                    .filter_map(|rack| rack.cassandra_last_action.clone())
                    .filter(|last| last.status == "Ongoing")
                    .map(|last| last.name),
            );
            for _ in 0..30 {
                world.work(0, true, false);
            }
            world.tick();
        }
        let name = action.as_str().to_owned();
        assert!(words.contains(&name), "{action}: {words:?}");
        if action.updates_pods() || action == Action::RollingRestart {
            assert_eq!(words, BTreeSet::from([name.clone()]), "{action}");
        }
        if action != Action::CorrectCRDConfig {
            assert!(of_racks.contains(&name), "{action}: {of_racks:?}");
        }
    }
}

#[test]
fn a_waived_check_keeps_its_mark_at_later_waves() {
    let mut world = six();
    for pod in ["demo-dc1-rack1-0", "demo-dc1-rack1-1"] {
        world.pods.get_mut(pod).expect("a pod").node = Node::Hanging;
    }
    world.annotate("cleanup", Some("c1"));
    world.annotate("cleanup.waive", Some("c1 nodes-up"));
    world.pass();
    assert_eq!(world.operation("cleanup").phase, OperationPhase::Running);
    // Before the second node another check fails.
    let other = world.pods.get_mut("demo-dc1-rack3-1").expect("a pod");
    other.node = Node::Leaving;
    for _ in 0..20 {
        world.work(0, true, false);
        world.pass();
    }
    let operation = world.operation("cleanup");
    assert_eq!(operation.blocked_by, ["ring-settled"], "{operation:#?}");
    let mut checks = operation.checks.iter();
    let waived = checks.find(|check| check.kind() == CheckName::NodesUp);
    let waived = waived.expect("it is recorded");
    assert!(waived.waived && !waived.passed, "{waived:?}");
    assert!(!waived.evidence.contains("waived"), "{waived:?}");
}

#[test]
fn each_annotation_that_is_not_understood_is_listed_also_the_21st() {
    let mut world = World::formed(THREE_RACKS);
    for number in 0..300 {
        world.annotate(&format!("a{number}"), Some("x"));
    }
    world.annotate("scrub", Some("x --nonsense"));
    world.annotate("cleanup.stop", Some("x"));
    world.pass();
    let errors = world.status().intent_errors;
    assert_eq!(errors.len(), 200);
    let keys: BTreeSet<&str> = errors
        .iter()
        .map(|error| error.annotation.as_str())
        .collect();
    assert_eq!(keys.len(), errors.len(), "each once");
    for kind in ["scrub", "cleanup.stop"] {
        let key = format!("operations.db.orange.com/{kind}");
        assert!(keys.contains(key.as_str()), "{kind}: {keys:?}");
    }
    assert!(world.condition("IntentsAccepted").ends_with("and 282 more"));
}
