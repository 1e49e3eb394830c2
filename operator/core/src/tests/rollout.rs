//! Which racks change, and when.

use casskop_common::api::{Phase, Rack};

use kube_core::ResourceExt;

use crate::{
    desired,
    objects::Object,
    observed::ObservedState,
    plan::{self, Plan},
    simulation::{Node, THREE_RACKS, World},
};

/// Names and replicas of the StatefulSets that a plan writes.
pub(crate) fn sets(world: &World) -> Vec<(String, i32)> {
    written(&world.plan())
}

fn written(plan: &Plan) -> Vec<(String, i32)> {
    let sets = plan.objects.iter().filter_map(|object| match object {
        Object::StatefulSet(set) => Some(set),
        _ => None,
    });
    sets.map(|set| {
        let name = set.metadata.name.clone().unwrap_or_default();
        (
            name,
            set.spec
                .as_ref()
                .and_then(|spec| spec.replicas)
                .unwrap_or(-1),
        )
    })
    .collect()
}

#[test]
fn first_plan_of_a_cluster() {
    insta::assert_yaml_snapshot!(World::new(THREE_RACKS).plan());
}

#[test]
fn the_first_pod_of_every_rack_comes_at_once_and_before_any_second() {
    let mut world = World::new(THREE_RACKS);
    world.edit(|cluster| cluster.spec.nodes_per_racks = Some(2));
    let first =
        ["demo-dc1-rack1", "demo-dc1-rack2", "demo-dc1-rack3"].map(|name| (name.to_owned(), 1));
    assert_eq!(sets(&world), first);
    world.pass();
    world.tick();
    assert_eq!(sets(&world), [], "waits for the first pods");
    world.tick();
    world.pass();
    assert_eq!(world.status().phase, Some(Phase::Initializing));
    world.tick();
    assert_eq!(sets(&world), [], "one joining node at a time");
    world.settle();
    assert_eq!(world.pods.len(), 6);
    assert_eq!(world.status().phase, Some(Phase::Running));
}

#[test]
fn a_change_rolls_one_rack_and_waits_for_it() {
    let mut world = World::formed(THREE_RACKS);
    world.edit(|cluster| cluster.spec.cassandra_image = Some("cassandra:5.0.9".into()));
    assert_eq!(sets(&world), [("demo-dc1-rack1".to_owned(), 1)]);
    world.pass();
    assert_eq!(
        world.status().last_cluster_action.as_deref(),
        Some("UpdateDockerImage")
    );
    assert_eq!(sets(&world), [], "rack1 has not taken it yet");
    world.tick();
    world.tick();
    world.pass();
    world.tick();
    let images: Vec<i64> = world
        .live
        .stateful_sets
        .values()
        .map(|set| set.metadata.generation.unwrap_or_default())
        .collect();
    assert_eq!(images, [2, 2, 1]);
    world.settle();
}

#[test]
fn another_version_of_the_operator_restarts_nothing() {
    let mut world = World::formed(THREE_RACKS);
    world.around.operator_image = "operator:2".into();
    assert_eq!(world.plan().objects, []);
}

#[test]
fn a_change_goes_first_to_the_rack_in_trouble_and_to_no_other() {
    let mut world = World::formed(THREE_RACKS);
    world.pods.get_mut("demo-dc1-rack3-0").expect("a pod").node = Node::Hanging;
    world.edit(|cluster| cluster.spec.cassandra_image = Some("cassandra:5.0.9".into()));
    assert_eq!(sets(&world), [("demo-dc1-rack3".to_owned(), 1)]);
    world.pods.get_mut("demo-dc1-rack1-0").expect("a pod").node = Node::Hanging;
    assert_eq!(
        sets(&world),
        [("demo-dc1-rack1".to_owned(), 1)],
        "none that has a node to lose"
    );
    world.pass();
    assert_eq!(sets(&world), [("demo-dc1-rack3".to_owned(), 1)]);
}

#[test]
fn what_cannot_be_undone_is_refused_and_recovers_by_itself() {
    type Edit = fn(&mut casskop_common::api::CassandraCluster);
    let edits: [(&str, Edit); 3] = [
        ("shrunk", |cluster| {
            cluster.spec.topology.as_mut().unwrap().dc[0].nodes_per_racks = Some(0);
        }),
        ("volume shrunk", |cluster| {
            cluster.spec.data_capacity = Some("1Mi".into());
        }),
        ("no volume", |cluster| {
            cluster.spec.data_capacity = None;
        }),
    ];
    let mut told = Vec::new();
    for (what, edit) in edits {
        let mut world = World::formed(THREE_RACKS);
        let good = world.cluster.spec.clone();
        world.edit(edit);
        let plan = world.plan();
        assert!(
            !plan
                .objects
                .iter()
                .any(|object| matches!(object, Object::StatefulSet(_))),
            "{what}"
        );
        world.pass();
        assert_eq!(
            world.status().last_cluster_action.as_deref(),
            Some("CorrectCRDConfig")
        );
        told.push(format!("{what}: {}", world.condition("SpecAccepted")));
        world.edit(|cluster| cluster.spec = good);
        world.settle();
        assert_eq!(world.status().phase, Some(Phase::Running), "{what}");
    }
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn a_new_rack_joins_as_one_node_and_not_as_a_second_ring() {
    let mut world = World::formed(THREE_RACKS);
    world.edit(|cluster| {
        let racks = &mut cluster.spec.topology.as_mut().unwrap().dc[0].rack;
        racks.push(Rack {
            name: "rack4".into(),
            ..Rack::default()
        });
    });
    assert_eq!(sets(&world), [("demo-dc1-rack4".to_owned(), 1)]);
    let plan = world.plan();
    let config = plan.objects.iter().find_map(|object| match object {
        Object::ConfigMap(map) if map.metadata.name.as_deref() == Some("demo-dc1-rack4") => {
            map.data.as_ref()
        }
        _ => None,
    });
    let config: crate::pod_config::RackConfig =
        serde_json::from_str(&config.expect("its configuration")["rack.json"]).expect("JSON");
    assert!(config.formed, "the new node must join the ring");
}

#[test]
fn a_paused_cluster_is_only_looked_at() {
    let mut world = World::formed(THREE_RACKS);
    world.annotate("reconcile", Some("paused"));
    world.annotate("flush", Some("a"));
    world.edit(|cluster| cluster.spec.cassandra_image = Some("cassandra:5.0.9".into()));
    world.live.services.clear();
    let plan = world.plan();
    assert!(plan.objects.is_empty() && plan.starts.is_empty());
    world.pass();
    insta::assert_snapshot!(world.condition("Progressing"));
    world.annotate("reconcile", None);
    world.settle();
    assert_eq!(world.operation("flush").phase.as_str(), "Succeeded");
}

#[test]
fn objects_that_were_deleted_by_hand_come_back() {
    let mut world = World::formed(THREE_RACKS);
    world.live.services.clear();
    world.live.budgets.clear();
    world.live.service_accounts.clear();
    world.live.config_maps.clear();
    world.live.stateful_sets.remove("demo-dc1-rack2");
    world.settle();
    assert_eq!(world.live.stateful_sets.len(), 3);
    assert_eq!(
        world.live.services.len() + world.live.budgets.len() + world.live.service_accounts.len(),
        3
    );
    assert_eq!(
        world.live.config_maps.len(),
        5,
        "three racks, the mark of the ring, the accepted spec"
    );
}

#[test]
fn a_statefulset_that_lost_only_its_object_comes_back_with_all_its_pods() {
    let mut world = World::formed(THREE_RACKS);
    world.edit(|cluster| cluster.spec.nodes_per_racks = Some(3));
    world.settle();
    world.live.stateful_sets.remove("demo-dc1-rack2");
    assert_eq!(sets(&world), [("demo-dc1-rack2".to_owned(), 3)]);
}

#[test]
fn one_rack_of_three_nodes_forms() {
    let mut world = World::new(THREE_RACKS);
    world.edit(|cluster| {
        cluster.spec.topology.as_mut().unwrap().dc[0]
            .rack
            .truncate(1);
        cluster.spec.nodes_per_racks = Some(3);
    });
    world.pass();
    assert_eq!(
        world.status().seedlist,
        ["demo-dc1-rack1-0.demo.ns"],
        "nobody waits for pods to come"
    );
    world.settle();
    assert_eq!(world.pods.len(), 3);
    assert_eq!(world.status().seedlist.len(), 3);
}

#[test]
fn changed_configuration_makes_new_pods_one_rack_after_the_other() {
    let mut world = World::formed(THREE_RACKS);
    let before = world.pods.clone();
    world.edit(|cluster| {
        cluster.spec.config =
            Some(serde_json::json!({ "cassandra-yaml": { "concurrent_reads": 8 } }));
    });
    assert_eq!(sets(&world), [("demo-dc1-rack1".to_owned(), 1)]);
    world.settle();
    for (name, pod) in &world.pods {
        assert_ne!(pod.ip, before[name].ip, "{name} was replaced");
    }
}

#[test]
fn what_changes_is_told_in_the_words_of_casskop() {
    type Edit = fn(&mut casskop_common::api::CassandraClusterSpec);
    let edits: [(&str, Edit); 3] = [
        ("UpdateDockerImage", |spec| {
            spec.cassandra_image = Some("cassandra:5.0.9".into());
        }),
        ("UpdateConfigMap", |spec| {
            spec.config_map_name = Some("scripts".into());
        }),
        ("UpdateStatefulSet", |spec| spec.run_as_user = Some(1000)),
    ];
    for (word, edit) in edits {
        let mut world = World::formed(THREE_RACKS);
        world.edit(|cluster| edit(&mut cluster.spec));
        world.pass();
        assert_eq!(world.status().last_cluster_action.as_deref(), Some(word));
    }
}

#[test]
fn a_partition_holds_the_other_racks() {
    let mut world = World::new(THREE_RACKS);
    world.edit(|cluster| cluster.spec.nodes_per_racks = Some(2));
    world.settle();
    world.edit(|cluster| {
        cluster.spec.topology.as_mut().unwrap().dc[0].rack[0].rolling_partition = Some(1);
        cluster.spec.cassandra_image = Some("cassandra:5.0.9".into());
    });
    for _ in 0..20 {
        world.pass();
        world.tick();
    }
    let changed = |name: &str| world.live.stateful_sets[name].metadata.generation;
    let [rack1, rack2] = ["demo-dc1-rack1", "demo-dc1-rack2"].map(changed);
    assert!(
        rack1 > rack2,
        "only the first rack has the image: {rack1:?} {rack2:?}"
    );
    world.edit(|cluster| {
        cluster.spec.topology.as_mut().unwrap().dc[0].rack[0].rolling_partition = None;
    });
    world.settle();
}

#[test]
fn a_cluster_made_anew_over_its_volumes_is_not_formed_a_second_time() {
    let mut world = World::formed(THREE_RACKS);
    world.cluster.status = None;
    world.pods.clear();
    let mark = world.live.config_maps["demo-ring"].clone();
    world.live.stateful_sets.clear();
    world.live.config_maps = [("demo-ring".to_owned(), mark)].into();
    world.live.volumes.remove("data-demo-dc1-rack3-0");
    assert_eq!(
        sets(&world),
        [
            ("demo-dc1-rack1".to_owned(), 1),
            ("demo-dc1-rack2".to_owned(), 1)
        ]
    );
    let formed = world.plan().objects.iter().any(|object| {
        matches!(object, Object::ConfigMap(map) if crate::objects::config_map::records_formation(map))
    });
    assert!(formed, "its pods are told that there is a ring");

    world.live.volumes.clear();
    assert_eq!(sets(&world).len(), 3, "without any volume it is a new ring");
    world.settle();
}

#[test]
fn growing_keeps_the_template_of_an_older_operator() {
    let mut world = World::formed(THREE_RACKS);
    for set in world.live.stateful_sets.values_mut() {
        set.spec
            .as_mut()
            .unwrap()
            .template
            .spec
            .as_mut()
            .unwrap()
            .termination_grace_period_seconds = Some(7);
    }
    world.edit(|cluster| cluster.spec.nodes_per_racks = Some(2));
    let plan = world.plan();
    let grace = plan.objects.iter().find_map(|object| match object {
        Object::StatefulSet(set) => {
            set.spec
                .as_ref()?
                .template
                .spec
                .as_ref()?
                .termination_grace_period_seconds
        }
        _ => None,
    });
    assert_eq!(grace, Some(7));
}

#[test]
fn running_nodes_get_new_seeds_if_that_is_asked_for() {
    for (asked, rolls) in [(None, false), (Some(true), true)] {
        let mut world = World::formed(THREE_RACKS);
        world.edit(|cluster| cluster.spec.auto_update_seed_list = asked);
        world.settle();
        let before = world.pods.clone();
        world.edit(|cluster| cluster.spec.seeds = vec!["elsewhere.example.org".into()]);
        world.settle();
        let renewed = world
            .pods
            .iter()
            .all(|(name, pod)| pod.ip != before[name].ip);
        assert_eq!(renewed, rolls);
    }
}

#[test]
fn what_is_so_anyway_rolls_nothing_when_it_is_written_down() {
    let mut world = World::formed(THREE_RACKS);
    world.edit(|cluster| {
        let spec = &mut cluster.spec;
        spec.debug = Some(false);
        spec.hard_anti_affinity = Some(false);
        spec.share_process_namespace = Some(false);
        spec.read_only_root_filesystem = Some(true);
    });
    assert_eq!(sets(&world), []);
    world.edit(|cluster| cluster.spec.share_process_namespace = Some(true));
    assert_eq!(sets(&world), [("demo-dc1-rack1".to_owned(), 1)]);
}

/// A StatefulSet that was made anew around its pods says of itself that it is rolled out, so nothing else would wait.
#[test]
fn a_rack_is_well_when_kubernetes_sends_clients_to_it() {
    let mut world = World::formed(THREE_RACKS);
    world.edit(|cluster| cluster.spec.cassandra_image = Some("cassandra:5.0.9".into()));
    let changed = |state: &ObservedState, world: &World| {
        let desired = desired::desired(&world.cluster, &world.around);
        written(&plan::decide(&desired, state))
    };
    let mut state = world.state();
    assert_eq!(changed(&state, &world), [("demo-dc1-rack1".to_owned(), 1)]);
    let unready = "demo-dc1-rack2-0";
    state.pods.get_mut(unready).expect("a pod").ready = false;
    assert_eq!(
        changed(&state, &world),
        [("demo-dc1-rack2".to_owned(), 1)],
        "the change may be what it needs, and takes no other node down"
    );
    let health_problem = state.health_problem(unready).expect("a trouble");
    assert!(health_problem.contains("not Ready"), "{health_problem}");
}

#[test]
fn a_ring_of_the_go_casskop_whose_resource_was_made_anew_is_not_formed_again() {
    let mut world = World::formed(THREE_RACKS);
    world.cluster.status = None;
    world.live.config_maps.clear();
    for set in world.live.stateful_sets.values_mut() {
        set.annotations_mut().clear();
        set.status.as_mut().unwrap().ready_replicas = Some(1);
    }
    let recreated = |world: &World| {
        let objects = world.plan().objects.into_iter();
        objects
            .filter(|object| matches!(object, Object::StatefulSet(_) | Object::Recreated(_)))
            .count()
    };
    assert_eq!(recreated(&world), 1, "rack by rack");
    world.settle();
    assert_eq!(world.ring.len(), 3);
}
