//! Logins of clients: a new ring sets them up in its first pod, alone, and no other pod ever starts without.

mod refused;
mod replicas;
mod superuser;
mod users;

use std::collections::BTreeSet;

use casskop_common::{
    api::{
        Authentication, CassandraCluster,
        LoginStep::{self, Disabled, Required, SetUp},
        Phase,
    },
    conditions::Reason,
    names,
};
use k8s_openapi::api::core::v1::PodTemplateSpec;

use crate::{
    desired::{BuildInputs, Desired, Started},
    simulation::{Node, THREE_RACKS, World},
    tests::rollout::sets,
};

const FIRST: &str = "demo-dc1-rack1-0";

fn ask(cluster: &mut CassandraCluster, secret: Option<&str>) {
    cluster.spec.authentication = Some(Authentication {
        superuser_secret: secret.map(str::to_owned),
        users: Vec::new(),
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

fn two_data_centers(cluster: &mut CassandraCluster) {
    let topology = cluster.spec.topology.get_or_insert_default();
    let mut second = topology.dc[0].clone();
    second.name = "dc2".into();
    topology.dc.push(second);
}

#[test]
fn a_ring_of_two_data_centers_has_one_first_pod() {
    let mut world = new(two_data_centers);
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
        assert!(!steps(&world).contains(&SetUp));
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

/// An operator that knows no logins has taken over for a while, and has started these pods.
fn open(world: &mut World, pods: &[&str]) {
    for name in pods {
        let pod = world.pods.get_mut(*name).expect("a pod");
        pod.logins = Disabled;
    }
}

#[test]
fn pods_that_another_operator_has_opened_require_logins_again() {
    let mut some = new(|_| {});
    form(&mut some);
    open(&mut some, &[FIRST, "demo-dc1-rack2-1"]);
    let mut all = new(|_| {});
    form(&mut all);
    let pods: Vec<String> = all.pods.keys().cloned().collect();
    open(
        &mut all,
        &pods.iter().map(String::as_str).collect::<Vec<_>>(),
    );
    for set in all.live.stateful_sets.values_mut() {
        let template = set.spec.as_mut().map(|spec| &mut spec.template);
        let metadata = template.and_then(|template| template.metadata.as_mut());
        let annotations = metadata.and_then(|metadata| metadata.annotations.as_mut());
        annotations.expect("annotations").remove(names::LOGINS);
    }
    for world in [&mut some, &mut all] {
        assert_eq!(
            world.plan().refused.map(|why| why.reason),
            Some(Reason::NotSupported)
        );
        // Cassandra has accepted the superuser: the ring has its logins.
        world.has_superuser = true;
        assert!(world.plan().refused.is_none());
        let desired = desired(world);
        assert_eq!(desired.logins, Required);
    }
}

/// Pods of an open ring that is not formed yet, and an open ring whose objects were lost, of which a part is there again.
#[test]
fn an_open_ring_that_does_not_run_yet_gets_no_logins() {
    let mut new = World::new(THREE_RACKS);
    new.pass();
    let mut kept = World::formed(THREE_RACKS);
    for pod in kept.pods.values_mut() {
        pod.node = Node::Starting;
    }
    let mut mixed = World::formed(THREE_RACKS);
    mixed.live.config_maps.clear();
    let first = mixed.pods.get_mut(FIRST).expect("a pod");
    first.logins = Required;
    for world in [&mut new, &mut kept, &mut mixed] {
        world.edit(|cluster| ask(cluster, None));
        assert_eq!(
            world.plan().refused.map(|why| why.reason),
            Some(Reason::NotSupported)
        );
    }
}

/// Between the set-up of the first pod and the next time that it is Ready: the nodes of other racks would form an open ring.
#[test]
fn logins_that_are_set_up_are_not_taken_back_before_the_ring_is_formed() {
    let mut world = new(|_| {});
    while steps(&world) != [Required].into() {
        world.pass();
        world.tick();
    }
    world.pods.get_mut(FIRST).expect("a pod").node = Node::Starting;
    world.edit(|cluster| cluster.spec.authentication = None);
    assert_eq!(
        world.plan().refused.map(|why| why.reason),
        Some(Reason::NotSupported)
    );
    for _ in 0..3 {
        world.pass();
        assert_shut(&world);
    }
}

/// The nodes of an open ring do not start on their volumes with logins required, and do without.
#[test]
fn logins_are_taken_back_from_the_volumes_of_an_open_ring() {
    let mut world = World::formed(THREE_RACKS);
    world.live.stateful_sets.clear();
    world.pods.clear();
    world.edit(|cluster| ask(cluster, None));
    world.pass();
    world.tick();
    assert_eq!(steps(&world), [Required].into());
    for pod in world.pods.values_mut() {
        pod.node = Node::Starting;
    }
    world.edit(|cluster| cluster.spec.authentication = None);
    assert!(world.plan().refused.is_none());
    assert_eq!(desired(&world).logins, Disabled);
}

fn desired(world: &World) -> Desired {
    let state = world.state();
    let mut around = BuildInputs {
        started: Started::of("demo", &state.live, &state.pods),
        ..world.around.clone()
    };
    around.started.logins.has_superuser = world.has_superuser;
    crate::desired::desired(&world.cluster, &around).expect("a desired state")
}

/// The volumes have no logins, or the image is a wrong one: pods with logins were never Ready.
#[test]
fn logins_that_nobody_could_have_set_up_are_taken_back() {
    let mut world = new(|cluster| cluster.spec.cassandra_image = Some("nope:1".into()));
    world.bad_images.insert("nope:1".into());
    for _ in 0..5 {
        world.pass();
        world.tick();
    }
    assert_eq!(steps(&world), [SetUp].into());
    world.edit(|cluster| {
        cluster.spec.authentication = None;
        cluster.spec.cassandra_image = Some("cassandra:5.0".into());
    });
    world.settle();
    assert_eq!(steps(&world), [Disabled].into());
    assert_eq!(world.pods.len(), 6);
}

#[test]
fn a_wrong_first_image_leads_to_no_pod_that_is_not_set_up() {
    let mut world = new(|cluster| cluster.spec.cassandra_image = Some("nope:1".into()));
    world.bad_images.insert("nope:1".into());
    for _ in 0..5 {
        world.pass();
        world.tick();
        assert_eq!(desired(&world).logins, SetUp);
    }
    world.edit(|cluster| cluster.spec.cassandra_image = Some("cassandra:5.0".into()));
    form(&mut world);
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
