//! Logins of clients: a new ring sets them up in its first pod, alone, and no other pod ever starts without.

use std::collections::BTreeSet;

use casskop_common::api::{
    Authentication, CassandraCluster, ClientMode, ClientTls,
    LoginStep::{self, Disabled, Required, SetUp},
    Phase, Tls,
};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use serde_json::json;

use crate::{
    node::Replication,
    observed::SecretState,
    simulation::{Node, THREE_RACKS, World},
    tests::rollout::sets,
};

const FIRST: &str = "demo-dc1-rack1-0";

fn ask(cluster: &mut CassandraCluster, secret: Option<&str>) {
    cluster.spec.authentication = Some(Authentication {
        superuser_secret: secret.map(str::to_owned),
    });
}

fn new(change: impl FnOnce(&mut CassandraCluster)) -> World {
    let mut world = World::new(THREE_RACKS);
    world.edit(|cluster| {
        cluster.spec.nodes_per_racks = Some(2);
        ask(cluster, None);
        change(cluster);
    });
    world
}

fn steps(world: &World) -> BTreeSet<LoginStep> {
    world.pods.values().map(|pod| pod.logins).collect()
}

/// A pod that sets up logins is alone, and is the first one. No pod lets in everybody.
fn assert_shut(world: &World) {
    let steps = steps(world);
    assert!(!steps.contains(&Disabled), "{steps:?}");
    if steps.contains(&SetUp) {
        let pods: Vec<&String> = world.pods.keys().collect();
        assert_eq!(pods, [FIRST]);
    }
}

/// The arguments of the init container, and the mounted Secrets, of the pods of the first rack.
fn template(world: &World) -> Option<String> {
    let set = world.live.stateful_sets.get("demo-dc1-rack1")?;
    let template: &PodTemplateSpec = &set.spec.as_ref()?.template;
    let pod = template.spec.as_ref()?;
    let mut init = pod.init_containers.iter().flatten();
    let bootstrap = init.find(|container| container.name == "bootstrap")?;
    let secrets = pod.volumes.iter().flatten();
    let secrets = secrets.filter_map(|volume| volume.secret.as_ref()?.secret_name.clone());
    let secrets: Vec<String> = secrets.collect();
    let arguments = bootstrap.args.clone().unwrap_or_default();
    Some(format!("{} {}", arguments.join(" "), secrets.join(" ")))
}

/// Goes on until the ring is at rest. Returns the templates that the first rack has had.
fn form(world: &mut World) -> Vec<String> {
    let mut templates = Vec::new();
    for _ in 0..200 {
        world.pass();
        world.tick();
        assert_shut(world);
        let now = template(world);
        if templates.last() != now.as_ref() {
            templates.extend(now);
        }
        if world.is_settled() {
            break;
        }
    }
    world.settle();
    assert_eq!(steps(world), [Required].into());
    assert_eq!(world.status().phase, Some(Phase::Running));
    templates
}

#[test]
fn a_new_ring_sets_up_its_logins_in_its_first_pod() {
    let mut world = new(|_| {});
    let templates = form(&mut world);
    assert_eq!(world.pods.len(), 6);
    insta::assert_snapshot!(templates.join("\n"));
}

#[test]
fn a_ring_of_two_data_centers_has_one_first_pod() {
    let mut world = new(|cluster| {
        let topology = cluster.spec.topology.get_or_insert_default();
        let mut second = topology.dc[0].clone();
        second.name = "dc2".into();
        topology.dc.push(second);
    });
    form(&mut world);
    assert_eq!(world.pods.len(), 12);
}

/// The operator is killed after any write.
#[test]
fn no_pod_is_started_without_logins_after_a_crash() {
    for effects in 0..6 {
        let mut world = new(|_| {});
        let mut passes = 0;
        while world.pods.len() < 6 || steps(&world) != [Required].into() {
            if !world.pass_until(effects) {
                world.kill_operator();
                world.pass();
            }
            world.tick();
            assert_shut(&world);
            passes += 1;
            assert!(passes < 600, "{}", world.condition("Progressing"));
        }
    }
}

/// As long as the probe has not seen that the logins are set up, the pod is not Ready.
#[test]
fn nothing_follows_a_pod_whose_logins_are_not_set_up() {
    let mut world = new(|_| {});
    world.pass();
    world.tick();
    for _ in 0..10 {
        let first = world.pods.get_mut(FIRST).expect("the first pod");
        first.node = Node::Starting;
        world.pass();
        assert_eq!(world.live.stateful_sets.len(), 1);
        assert_eq!(steps(&world), [SetUp].into());
    }
    form(&mut world);
}

/// A pod of another rack would form a ring of its own.
#[test]
fn the_rack_of_the_first_pod_stays_the_first_one() {
    let mut world = new(|_| {});
    world.pass();
    world.tick();
    let reverse = |cluster: &mut CassandraCluster| {
        let topology = cluster.spec.topology.get_or_insert_default();
        topology.dc[0].rack.reverse();
    };
    world.edit(reverse);
    for _ in 0..3 {
        world.pass();
        assert_shut(&world);
    }
    insta::assert_snapshot!("first_rack", world.condition("SpecAccepted"));
    world.edit(reverse);
    form(&mut world);
}

#[test]
fn a_ring_that_lost_its_objects_has_its_logins() {
    let mut world = new(|_| {});
    form(&mut world);
    world.live.stateful_sets.clear();
    world.pods.clear();
    for _ in 0..60 {
        world.pass();
        world.tick();
        assert_eq!(steps(&world).contains(&SetUp), false);
    }
    world.settle();
    assert_eq!(steps(&world), [Required].into());
}

#[test]
fn racks_that_are_added_find_the_logins_set_up() {
    let mut world = new(|_| {});
    form(&mut world);
    world.edit(|cluster| {
        let topology = cluster.spec.topology.get_or_insert_default();
        let mut rack = topology.dc[0].rack[0].clone();
        rack.name = "rack4".into();
        topology.dc[0].rack.push(rack);
    });
    form(&mut world);
    assert_eq!(world.pods.len(), 8);
}

#[test]
fn nodes_that_join_a_ring_elsewhere_set_up_nothing() {
    let mut world = new(|cluster| {
        ask(cluster, Some("admin"));
        cluster.spec.seeds = vec!["seed.example.org".into()];
    });
    world.secret = SecretState::Usable;
    for _ in 0..10 {
        world.pass();
        world.tick();
        assert!(!steps(&world).contains(&SetUp));
    }
    assert_eq!(steps(&world), [Required].into());
}

#[test]
fn a_ring_that_runs_neither_gets_logins_nor_loses_them() {
    let mut open = World::formed(THREE_RACKS);
    open.edit(|cluster| ask(cluster, None));
    let mut shut = new(|_| {});
    form(&mut shut);
    shut.edit(|cluster| cluster.spec.authentication = None);
    let mut told = Vec::new();
    for world in [&mut open, &mut shut] {
        let before = steps(world);
        for _ in 0..5 {
            world.pass();
            assert_eq!(sets(world), []);
            world.tick();
        }
        assert_eq!(steps(world), before);
        told.push(world.condition("SpecAccepted"));
    }
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn what_the_nodes_cannot_have_is_refused() {
    let told = |change: fn(&mut CassandraCluster)| {
        let mut world = new(change);
        world.pass();
        assert!(world.live.stateful_sets.is_empty());
        world.condition("SpecAccepted")
    };
    let told = [
        told(|cluster| cluster.spec.data_capacity = None),
        told(|cluster| cluster.spec.seeds = vec!["seed.example.org".into()]),
        told(|cluster| {
            let yaml = json!({ "authenticator": "AllowAllAuthenticator" });
            cluster.spec.config = Some(json!({ "cassandra-yaml": yaml }));
        }),
        told(|cluster| {
            cluster.spec.tls = Some(Tls {
                internode: None,
                client: Some(ClientTls {
                    mode: ClientMode::Required,
                    secret_name: Some("clients".into()),
                    require_client_auth: Some(true),
                }),
            });
        }),
        told(|cluster| {
            let storage = json!([{ "name": "superuser", "mountPath": "/more", "pvcSpec": {} }]);
            cluster.spec.storage_configs = serde_json::from_value(storage).expect("a volume");
        }),
    ];
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn a_superuser_that_cannot_be_used_is_told_and_restarts_nothing() {
    let mut world = new(|_| {});
    form(&mut world);
    world.secret = SecretState::Broken("Secret demo-superuser has no password".into());
    world.edit(|cluster| cluster.spec.cassandra_image = Some("cassandra:5.0.9".into()));
    for _ in 0..5 {
        world.pass();
        assert_eq!(sets(&world), []);
        world.tick();
    }
    let told = world.condition("Degraded");
    assert!(
        told.contains("Secret demo-superuser has no password"),
        "{told}"
    );
}

#[test]
fn a_changed_superuser_is_changed_at_nodes_that_serve_clients() {
    let mut world = new(|_| {});
    world.changes_superuser = true;
    while steps(&world) != [Required].into() {
        // The pod that sets up logins has the superuser of its time, and cannot be reached.
        assert!(world.plan().login_nodes.is_empty());
        world.pass();
        world.tick();
    }
    form(&mut world);
    let asked = world.plan().login_nodes;
    assert_eq!(
        asked,
        ["demo-dc1-rack1-0", "demo-dc1-rack1-1", "demo-dc1-rack2-0"]
    );
    let away = world.pods.get_mut(FIRST).expect("a pod");
    away.node = Node::Hanging;
    assert!(!world.plan().login_nodes.contains(&FIRST.to_owned()));
    world.annotate("reconcile", Some("paused"));
    assert!(world.plan().login_nodes.is_empty());
    world.annotate("reconcile", None);
    world.changes_superuser = false;
    assert!(world.plan().login_nodes.is_empty());
}

fn replicas(world: &World) -> Vec<(String, usize)> {
    match &world.replication["system_auth"] {
        Replication::Topology(factors) => factors.clone().into_iter().collect(),
        other => unreachable!("{other}"),
    }
}

/// Goes on until the ring is at rest, with its operations. Returns the replicas of the roles, and the repairs, in order.
fn follow(world: &mut World) -> String {
    let mut seen: Vec<String> = Vec::new();
    for _ in 0..600 {
        world.pass();
        world.tick();
        let now = replicas(world);
        let now = now.iter().map(|(dc, count)| format!("{dc}={count}"));
        let now = now.collect::<Vec<_>>().join(" ");
        if seen.iter().rev().find(|line| line.contains('=')) != Some(&now) {
            seen.push(now);
        }
        world.work(0, true, false);
        let repairs = world.calls.drain(..).filter(|(kind, ..)| kind == "repair");
        for (_, _, pod, step) in repairs.collect::<Vec<_>>() {
            assert_eq!(step, "system_auth");
            let line = format!("repair {pod}");
            if seen.last() != Some(&line) {
                seen.push(line);
            }
        }
        if world.is_settled() {
            break;
        }
    }
    world.settle();
    seen.join("\n")
}

/// Nodes that hold what they no longer own may not leave.
fn clean_up(world: &mut World) {
    world.annotate("cleanup", Some("c1"));
    world.settle();
}

#[test]
fn replicas_of_roles_are_raised_by_one_and_repaired() {
    let mut world = new(|_| {});
    insta::assert_snapshot!("growth", follow(&mut world));
    let recorded = world.status().role_replicas.expect("a record");
    assert!(
        recorded.repaired && recorded.replicas["dc1"] == 3,
        "{recorded:?}"
    );
    // Before nodes leave, there are fewer replicas.
    clean_up(&mut world);
    world.edit(|cluster| {
        let topology = cluster.spec.topology.get_or_insert_default();
        topology.dc[0].rack.truncate(1);
    });
    let told = follow(&mut world);
    assert!(told.contains("dc1=2"), "{told}");
    assert_eq!(world.pods.len(), 2);
}

#[test]
fn roles_follow_data_centers_that_come_and_go() {
    let mut world = new(|cluster| cluster.spec.nodes_per_racks = Some(1));
    follow(&mut world);
    world.edit(|cluster| {
        let topology = cluster.spec.topology.get_or_insert_default();
        let mut second = topology.dc[0].clone();
        second.name = "dc2".into();
        second.rack.truncate(2);
        topology.dc.push(second);
    });
    insta::assert_snapshot!("second_data_center", follow(&mut world));
    clean_up(&mut world);
    world.edit(|cluster| {
        let topology = cluster.spec.topology.get_or_insert_default();
        topology.dc[1].nodes_per_racks = Some(0);
    });
    // While it has nodes, Cassandra does not let it go.
    let told = follow(&mut world);
    assert!(
        told.starts_with("dc1=3 dc2=1") && told.ends_with("dc1=3"),
        "{told}"
    );
    assert_eq!(world.pods.len(), 3);
}

#[test]
fn a_repair_that_is_owed_is_not_forgotten() {
    for effects in 0..5 {
        let mut world = new(|_| {});
        let mut last = 1;
        let mut repaired = 0;
        for _ in 0..900 {
            if !world.pass_until(effects) {
                world.kill_operator();
                world.pass();
            }
            world.tick();
            world.work(0, true, false);
            let repairs = world.calls.drain(..).filter(|(kind, ..)| kind == "repair");
            repaired += repairs.count();
            let now = replicas(&world)[0].1;
            if now > last {
                assert!(
                    now == last + 1 && (last == 1 || repaired >= 6),
                    "{last} {now}"
                );
                (last, repaired) = (now, 0);
            }
        }
        world.settle();
        assert_eq!(last, 3);
        assert!(
            world
                .status()
                .role_replicas
                .is_some_and(|recorded| recorded.repaired)
        );
    }
}

#[test]
fn rings_without_logins_keep_the_replicas_of_roles() {
    let mut world = World::formed(THREE_RACKS);
    world.settle();
    assert_eq!(replicas(&world), [("dc1".to_owned(), 1)]);
    assert_eq!(world.status().role_replicas, None);
}
