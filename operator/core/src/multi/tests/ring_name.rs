//! The name of the ring: unique among the namespaces for a new one, the same in all sites, and kept by a ring that exists.

use std::collections::BTreeMap;

use serde_json::json;

use crate::{
    multi::{
        plan::SiteObject,
        simulation::{TWO_SITES, World, of_b},
    },
    pod_config::users_ring_name_of,
};

/// The name that the spec of each cluster sets.
fn told(world: &World) -> BTreeMap<&str, Option<&str>> {
    let clusters = world.sites.iter();
    let clusters = clusters.filter_map(|(site, state)| Some((site, state.cluster.as_ref()?)));
    clusters
        .map(|(site, cluster)| (site.as_str(), users_ring_name_of(&cluster.spec)))
        .collect()
}

/// A ring that an earlier version has formed: with the name of the cluster, and without a record of it.
fn of_earlier_version() -> World {
    let mut world = World::new(TWO_SITES);
    let plain = json!("demo");
    world.multi.spec.base["spec"]["config"] =
        json!({ "cassandra-yaml": { "cluster_name": plain } });
    world.settle();
    drop(world.multi.spec.base["spec"]["config"].take());
    for site in world.sites.values_mut() {
        site.cluster.as_mut().expect("a cluster").spec.config = None;
    }
    world.settle();
    assert_eq!(world.status().ring_name, None);
    assert_eq!(told(&world), [("a", None), ("b", None)].into());
    world
}

#[test]
fn a_new_ring_has_a_name_of_its_namespace_in_all_sites() {
    let mut world = World::new(TWO_SITES);
    // The status is written before anything else.
    world.pass_until(1);
    assert_eq!(world.status().ring_name.as_deref(), Some("demo.ns"));
    assert!(told(&world).is_empty());
    world.settle();
    let expected = [("a", Some("demo.ns")), ("b", Some("demo.ns"))].into();
    assert_eq!(told(&world), expected);
    assert!(world.plan().writes.is_empty());

    let elsewhere = World::formed(&TWO_SITES.replace("namespace: ns", "namespace: other"));
    assert_eq!(elsewhere.status().ring_name.as_deref(), Some("demo.other"));
}

#[test]
fn a_ring_that_exists_is_not_touched_and_new_sites_have_its_name() {
    let mut world = of_earlier_version();
    assert!(world.plan().writes.is_empty());
    // The cluster of a site is lost, and created again.
    world.site("b").lose_cluster();
    world.settle();
    assert_eq!(told(&world)["b"], None);
    // So does a resource that is created again, over the clusters or over their volumes.
    world.multi.status = None;
    world.settle();
    assert_eq!(told(&world), [("a", None), ("b", None)].into());
    world.multi.status = None;
    for site in ["a", "b"] {
        world.site(site).lose_cluster();
    }
    world.settle();
    assert_eq!(told(&world), [("a", None), ("b", None)].into());
    assert_eq!(world.rings, 1);
}

#[test]
fn a_resource_that_is_created_again_takes_the_name_of_its_ring() {
    for loses_clusters in [false, true] {
        let mut world = World::formed(TWO_SITES);
        world.multi.status = None;
        if loses_clusters {
            for site in ["a", "b"] {
                world.site(site).lose_cluster();
            }
        }
        world.site("b").has_members = false;
        world.site("b").lose_cluster();
        world.settle();
        let expected = [("a", Some("demo.ns")), ("b", Some("demo.ns"))].into();
        assert_eq!(told(&world), expected, "{loses_clusters}");
        assert_eq!(world.rings, 1);
    }
}

/// A ring of one cluster has recorded a unique name of its own, which its spec does not have.
#[test]
fn a_site_joins_an_adopted_ring_by_its_name() {
    let mut world = World::new(TWO_SITES);
    world.pass();
    world.tick();
    world.multi.status = None;
    let site = world.site("a");
    assert_eq!(site.ring_name.as_deref(), Some("demo.ns"));
    site.cluster.as_mut().expect("a cluster").spec.config = None;
    world.settle();
    let expected = [("a", None), ("b", Some("demo.ns"))].into();
    assert_eq!(told(&world), expected);
}

#[test]
fn a_name_of_the_user_is_the_name_in_all_sites() {
    let named = |name: &str| json!({ "cassandra-yaml": { "cluster_name": name } });
    let mut world = World::new(TWO_SITES);
    of_b(&mut world.multi)["spec"]["config"] = named("orders");
    world.settle();
    let expected = [("a", Some("orders")), ("b", Some("orders"))].into();
    assert_eq!(told(&world), expected);

    let mut world = World::new(TWO_SITES);
    world.multi.spec.base["spec"]["config"] = named("orders");
    of_b(&mut world.multi)["spec"]["config"] = named("users");
    world.pass();
    insta::assert_snapshot!(world.condition("SpecAccepted"));
    let creates = |what: &SiteObject| matches!(what, SiteObject::Create(_));
    assert!(!world.plan().writes.iter().any(|write| creates(&write.what)));
}

/// The mark of a site says nothing about its name where the operator may not read it.
#[test]
fn a_ring_that_may_exist_keeps_the_name_of_the_cluster() {
    let mut world = World::new(TWO_SITES);
    world.site("b").hides_mark = true;
    world.settle();
    assert_eq!(told(&world), [("a", None), ("b", None)].into());
}
