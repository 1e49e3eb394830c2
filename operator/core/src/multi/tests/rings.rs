//! The ring forms in one site, the others join it, and each knows where the others are.

use casskop_common::{api::Drift, names};
use kube_core::ResourceExt;
use serde_json::{Value, json};

use crate::multi::{
    objects,
    simulation::{TWO_SITES, World, of_b},
};

/// Addresses of the seeds of one site, in the eyes of another.
fn addresses(world: &World, of: &str, seen_in: &str) -> Vec<String> {
    let slice = world.sites[seen_in]
        .slices
        .get(&objects::slice_name("demo", of));
    let endpoints = slice
        .map(|slice| slice.endpoints.clone())
        .unwrap_or_default();
    endpoints
        .into_iter()
        .flat_map(|endpoint| endpoint.addresses)
        .collect()
}

#[test]
fn the_first_site_forms_the_ring_and_the_others_join_it_one_after_the_other() {
    let mut world = World::new(TWO_SITES);
    world.edit(|multi| {
        let third = multi.spec.override_["b"].to_string().replace("dc2", "dc3");
        let third = serde_json::from_str(&third).expect("JSON");
        multi.spec.override_.insert("c".into(), third);
    });
    world.order.push("c".into());
    let mut third = world.sites["b"].clone();
    third.namespace_uid = "ns-c".into();
    world.sites.insert("c".into(), third);
    world.pass();
    assert_eq!(world.status().first_site.as_deref(), Some("a"));
    assert!(world.cluster("a").spec.seeds.is_empty());
    assert!(world.sites["b"].cluster.is_none());
    insta::assert_snapshot!(world.condition("Progressing"));
    let mut made = Vec::new();
    for _ in 0..20 {
        world.tick();
        world.pass();
        let there = world
            .sites
            .values()
            .filter(|site| site.cluster.is_some())
            .count();
        made.push(there);
    }
    assert!(
        made.windows(2).all(|pair| pair[1] - pair[0] <= 1),
        "{made:?}"
    );
    world.settle();
    assert_eq!(world.rings, 1);
    assert_eq!(
        world.cluster("b").spec.seeds,
        [
            "demo-dc1-rack1-0.demo-sites.ns",
            "demo-dc3-rack1-0.demo-sites.ns"
        ]
    );
    assert_eq!(
        world.condition("Available"),
        "True AllSitesAvailable: the nodes of all 3 sites are up"
    );
    assert_eq!(world.status().summary, "3/3");
}

#[test]
fn a_second_pass_over_settled_sites_writes_nothing() {
    let mut world = World::formed(TWO_SITES);
    let before = world.status();
    assert!(world.plan().writes.is_empty());
    world.pass();
    assert_eq!(world.status(), before);
}

#[test]
fn seeds_follow_the_addresses_of_pods_and_survive_a_cut() {
    let mut world = World::formed(TWO_SITES);
    assert_eq!(addresses(&world, "b", "a"), ["10.0.0.1"]);
    let generation = world.cluster("a").metadata.generation;
    world.site("b").addresses = 7;
    world.settle();
    assert_eq!(addresses(&world, "b", "a"), ["10.7.0.1"]);
    assert_eq!(
        world.cluster("a").metadata.generation,
        generation,
        "the names stay"
    );
    world.site("b").is_cut = true;
    world.settle();
    assert_eq!(addresses(&world, "b", "a"), ["10.7.0.1"]);
    assert_eq!(world.cluster("a").metadata.generation, generation);
}

#[test]
fn false_and_zero_override_and_null_removes() {
    let mut world = World::new(TWO_SITES);
    world.edit(|multi| {
        multi.spec.base["spec"]["autoPilot"] = true.into();
        multi.spec.base["spec"]["debug"] = true.into();
        of_b(multi)["spec"]["autoPilot"] = false.into();
        of_b(multi)["spec"]["debug"] = serde_json::Value::Null;
        of_b(multi)["spec"]["topology"]["dc"][0]["nodesPerRacks"] = 0.into();
    });
    world.settle();
    assert_eq!(world.cluster("a").spec.auto_pilot, Some(true));
    assert_eq!(world.cluster("b").spec.auto_pilot, Some(false));
    assert_eq!(world.cluster("b").spec.debug, None);
    let topology = world
        .cluster("b")
        .spec
        .topology
        .clone()
        .expect("a topology");
    assert_eq!(topology.dc[0].nodes_per_racks, Some(0));
}

/// By the overrides site after site, or by the base in all sites at once, as any other change of the pods.
#[test]
fn the_transport_to_the_nodes_changes_in_one_site_or_in_all() {
    let node_api = json!({ "kind": "ManagementApi", "tlsSecretName": "demo-node-api" });
    let image = json!("k8ssandra/cass-management-api:5.0.9-ubi");
    let turn = |spec: &mut Value| {
        spec["nodeApi"] = node_api.clone();
        spec["cassandraImage"] = image.clone();
    };
    let kinds =
        |world: &World| ["a", "b"].map(|site| world.cluster(site).spec.node_api_kind().as_str());
    let mut world = World::formed(TWO_SITES);
    world.edit(|multi| turn(&mut of_b(multi)["spec"]));
    world.settle();
    assert_eq!(kinds(&world), ["Jolokia", "ManagementApi"]);
    world.edit(|multi| turn(&mut multi.spec.base["spec"]));
    world.settle();
    assert_eq!(kinds(&world), ["ManagementApi", "ManagementApi"]);
    world.edit(|multi| {
        of_b(multi)["spec"]["nodeApi"] = Value::Null;
        of_b(multi)["spec"]["cassandraImage"] = json!("cassandra:5.0.9");
    });
    world.settle();
    assert_eq!(kinds(&world), ["ManagementApi", "Jolokia"]);
}

#[test]
fn a_change_by_hand_is_taken_back_or_told_as_declared() {
    let mut world = World::formed(TWO_SITES);
    let by_hand = |world: &mut World| {
        let cluster = world.site("b").cluster.as_mut().expect("a cluster");
        cluster.spec.auto_pilot = Some(true);
        cluster.metadata.generation = cluster.metadata.generation.map(|old| old + 1);
    };
    by_hand(&mut world);
    world.settle();
    assert_eq!(world.cluster("b").spec.auto_pilot, None, "taken back");

    world.edit(|multi| multi.spec.drift = Some(Drift::Report));
    world.settle();
    by_hand(&mut world);
    world.settle();
    assert_eq!(world.cluster("b").spec.auto_pilot, Some(true), "left");
    insta::assert_snapshot!(world.condition("Degraded"));

    world.edit(|multi| multi.spec.base["spec"]["cassandraImage"] = "cassandra:5.0.9".into());
    world.settle();
    assert_eq!(
        world.cluster("b").spec.auto_pilot,
        None,
        "a change of the resource is carried out whole"
    );
    assert!(world.condition("Degraded").starts_with("False"));
}

#[test]
fn clusters_of_others_are_taken_over_only_when_told_to() {
    let mut world = World::formed(TWO_SITES);
    // The home cluster is lost, and the resource made anew elsewhere.
    world.multi.metadata.uid = Some("m-2".into());
    world.multi.status = None;
    let before: Vec<_> = world
        .sites
        .values()
        .map(|site| site.cluster.clone())
        .collect();
    world.settle();
    let after: Vec<_> = world
        .sites
        .values()
        .map(|site| site.cluster.clone())
        .collect();
    let specs = |all: &[Option<casskop_common::api::CassandraCluster>]| -> Vec<_> {
        all.iter()
            .flatten()
            .map(|cluster| (cluster.uid(), cluster.spec.clone()))
            .collect()
    };
    assert_eq!(specs(&after), specs(&before));
    insta::assert_snapshot!(world.condition("SpecAccepted"));
    world.annotate(names::ADOPT, Some("m-1"));
    world.settle();
    assert!(world.condition("SpecAccepted").starts_with("True"));
    assert_eq!(world.status().summary, "2/2");
    assert_eq!(world.rings, 1);
    assert_eq!(
        specs(&after)[0].0,
        world.cluster("a").uid(),
        "the very same cluster"
    );
}
