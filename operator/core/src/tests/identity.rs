//! The name of a ring, the settings that it keeps for life, and the nodes behind its addresses.

use casskop_common::names;
use serde_json::{Value, json};

use crate::{
    objects::config_map,
    observed::disbelieve_others,
    pod_config::cassandra_yaml,
    simulation::{THREE_RACKS, World},
};

/// The `cluster_name` that each rack's nodes are told, and the recorded one.
fn names_of(world: &World) -> (Vec<String>, Option<String>) {
    let maps = &world.live.config_maps;
    let told = maps
        .values()
        .filter_map(crate::pod_config::RackConfig::of)
        .map(|rack| {
            let mut yaml = json!({});
            cassandra_yaml::overlay(&mut yaml, &rack, &[], "10.0.0.1");
            yaml["cluster_name"].as_str().expect("a name").to_owned()
        });
    let mark = maps.get(&names::ring_mark("demo"));
    (
        told.collect(),
        mark.and_then(config_map::marked_name).cloned(),
    )
}

fn configure(world: &mut World, yaml: &Value) {
    world.edit(|cluster| cluster.spec.config = Some(json!({ "cassandra-yaml": yaml })));
}

fn accepted(world: &mut World) -> String {
    world.pass();
    world.condition("SpecAccepted")
}

#[test]
fn a_new_ring_has_a_name_of_its_own_and_keeps_it() {
    let mut world = World::new(THREE_RACKS);
    world.pass_until(4);
    assert!(
        world.live.stateful_sets.is_empty(),
        "the name is recorded first"
    );
    world.settle();
    let (told, recorded) = names_of(&world);
    assert_eq!(told, ["demo.ns"; 3]);
    assert_eq!(recorded.as_deref(), Some("demo.ns"));
    // Created again over its volumes.
    let mark = names::ring_mark("demo");
    world.live.config_maps.retain(|name, _| *name == mark);
    world.live.stateful_sets.clear();
    world.pods.clear();
    world.cluster.status = None;
    world.settle();
    assert_eq!(names_of(&world).0, ["demo.ns"; 3]);
}

#[test]
fn a_ring_of_an_earlier_version_keeps_the_name_of_its_resource() {
    let mut world = World::formed(THREE_RACKS);
    for map in world.live.config_maps.values_mut() {
        for json in map.data.iter_mut().flat_map(|data| data.values_mut()) {
            *json = json.replace("  \"ringName\": \"demo.ns\",\n", "");
        }
    }
    let mark = world
        .live
        .config_maps
        .get_mut(&names::ring_mark("demo"))
        .expect("the mark");
    mark.data = Some([("formed".to_owned(), "true".to_owned())].into());
    assert_eq!(names_of(&world).0, ["demo"; 3]);
    world.settle();
    assert_eq!(
        names_of(&world),
        (vec!["demo".to_owned(); 3], Some("demo".to_owned()))
    );
    // Volumes of the Go CassKop, which made no mark.
    world.live.config_maps.clear();
    world.live.stateful_sets.clear();
    world.pods.clear();
    world.cluster.status = None;
    world.settle();
    assert_eq!(names_of(&world).0, ["demo"; 3]);
}

#[test]
fn the_name_is_that_of_the_others_where_there_are_others() {
    let mut seeds = World::new(THREE_RACKS);
    seeds.cluster.spec.seeds = vec!["seed.example.org".into()];
    let mut site = World::new(THREE_RACKS);
    site.cluster.metadata.annotations =
        Some([(names::MULTI_OWNER.to_owned(), "m-1".to_owned())].into());
    let mut users = World::new(THREE_RACKS);
    configure(&mut users, &json!({ "cluster_name": "orders" }));
    for (world, name) in [
        (&mut seeds, "demo"),
        (&mut site, "demo"),
        (&mut users, "orders"),
    ] {
        world.pass();
        let (told, _) = names_of(world);
        assert!(
            !told.is_empty() && told.iter().all(|told| told == name),
            "{told:?}"
        );
    }
}

#[test]
fn what_a_ring_keeps_for_life_is_refused_before_a_pod_is_touched() {
    for (key, value) in [
        ("cluster_name", json!("other")),
        ("partitioner", json!("RandomPartitioner")),
        ("endpoint_snitch", json!("Ec2Snitch")),
        ("num_tokens", json!(8)),
    ] {
        let mut world = World::formed(THREE_RACKS);
        let before = world.live.stateful_sets.clone();
        configure(&mut world, &json!({ key: value }));
        let told = accepted(&mut world);
        assert!(
            told.starts_with("False RingChanged") && told.contains(key),
            "{told}"
        );
        for _ in 0..5 {
            world.pass();
            world.tick();
        }
        let specs = |sets: &std::collections::BTreeMap<String, _>| -> Vec<_> {
            sets.values()
                .map(|set: &k8s_openapi::api::apps::v1::StatefulSet| set.spec.clone())
                .collect()
        };
        assert_eq!(specs(&world.live.stateful_sets), specs(&before));
        configure(&mut world, &json!({}));
        world.settle();
        assert!(accepted(&mut world).starts_with("True"));
    }
}

#[test]
fn the_same_in_other_words_is_no_change() {
    let mut world = World::formed(THREE_RACKS);
    configure(
        &mut world,
        &json!({
            "cluster_name": "demo.ns",
            "partitioner": "org.apache.cassandra.dht.Murmur3Partitioner",
            "endpoint_snitch": "org.apache.cassandra.locator.GossipingPropertyFileSnitch",
            "num_tokens": 16,
        }),
    );
    assert!(accepted(&mut world).starts_with("True"));
}

#[test]
fn racks_of_two_rings_are_refused_from_the_beginning() {
    for yaml in [
        json!({ "cluster_name": "other" }),
        json!({ "partitioner": "RandomPartitioner" }),
    ] {
        let mut world = World::new(THREE_RACKS);
        configure(&mut world, &json!({ "cluster_name": "orders" }));
        world.edit(|cluster| {
            let dc = &mut cluster.spec.topology.as_mut().expect("a topology").dc[0];
            dc.rack[1].config = Some(json!({ "cassandra-yaml": yaml }));
        });
        let told = accepted(&mut world);
        assert!(told.starts_with("False RingChanged"), "{told}");
        assert!(world.live.stateful_sets.is_empty());
    }
}

/// A node that was replaced has a host id that nobody knows, and Kubernetes gives addresses away.
#[test]
fn only_the_answer_of_another_pod_is_disbelieved() {
    const POD: &str = "demo-dc1-rack1-0";
    let world = World::formed(THREE_RACKS);
    let cluster = &world.cluster;
    let recorded = &world.status().cassandra_node_status;
    let (own, other) = (
        recorded[POD].host_id.clone(),
        recorded["demo-dc1-rack2-0"].host_id.clone(),
    );
    let answer = |host_id: &str| {
        let mut nodes = world.state().nodes;
        let reading = nodes.get_mut(POD).expect("a pod").as_mut();
        host_id.clone_into(&mut reading.expect("it answers").local_host_id);
        disbelieve_others(cluster, &mut nodes);
        assert!(
            nodes
                .iter()
                .all(|(pod, answer)| pod == POD || answer.is_ok())
        );
        nodes
            .remove(POD)
            .expect("an answer")
            .map(|reading| reading.local_host_id)
    };
    for believed in [own.as_str(), "new", ""] {
        assert_eq!(answer(believed), Ok(believed.to_owned()));
    }
    let error = answer(&other).expect_err("it is another node");
    assert!(error.is_transient() && !error.is_silence(), "{error:?}");
    let told = error.to_string();
    assert!(told.contains("demo-dc1-rack2-0"), "{told}");
}
