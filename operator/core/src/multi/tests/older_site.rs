//! Sites whose API server stores something else than it is told: a field is pruned, or changed by a webhook.

use casskop_common::api::OperationPhase;
use serde_json::json;

use crate::multi::simulation::{Stores, TWO_SITES, World};

/// Writes of the `CassandraCluster` of a site in the next passes.
fn changes(world: &mut World, site: &str) -> u32 {
    let before = world.sites[site].changes;
    world.settle();
    world.sites[site].changes - before
}

fn ask_for_tls(world: &mut World) {
    world.edit(|multi| {
        multi.spec.base["spec"]["tls"] = json!({ "client": { "mode": "Required" } });
    });
}

#[test]
fn a_site_that_prunes_a_field_is_named_and_is_not_written_again_and_again() {
    let mut world = World::formed(TWO_SITES);
    world.site("b").stores = Stores::WithoutTls;
    ask_for_tls(&mut world);
    assert_eq!(changes(&mut world, "b"), 0);
    assert_eq!(changes(&mut world, "a"), 0, "the spec is applied nowhere");
    insta::assert_snapshot!(world.condition("SpecAccepted"));
    // Requests are handed over all the same.
    world.request("cleanup", Some("c1"));
    world.settle();
    let operation = &world.status().operations[0];
    assert_eq!(operation.phase, OperationPhase::Succeeded);
    // The CRDs are upgraded.
    world.site("b").stores = Stores::AsTold;
    world.settle();
    for site in ["a", "b"] {
        assert!(world.cluster(site).spec.client_mode().has_tls());
    }
    assert!(world.condition("SpecAccepted").starts_with("True"));
    // The CRD of one site is downgraded, and its cluster has lost the field.
    let old = world.site("b");
    old.stores = Stores::WithoutTls;
    let cluster = old.cluster.as_mut().expect("a cluster");
    cluster.spec.tls = None;
    assert_eq!(changes(&mut world, "b"), 0);
    let told = world.condition("SpecAccepted");
    assert!(told.starts_with("False"), "{told}");
}

#[test]
fn a_new_site_that_prunes_a_field_is_not_made() {
    let mut world = World::new(TWO_SITES);
    world.site("a").stores = Stores::WithoutTls;
    ask_for_tls(&mut world);
    world.settle();
    assert!(world.sites.values().all(|site| site.cluster.is_none()));
    let told = world.condition("SpecAccepted");
    assert!(
        told.contains("site a") && told.contains("spec.tls"),
        "{told}"
    );
    world.site("a").stores = Stores::AsTold;
    world.settle();
    assert_eq!((world.rings, world.status().summary.as_str()), (1, "2/2"));
}

/// An object without a value switches metrics on, too.
#[test]
fn an_empty_field_that_is_pruned_is_named() {
    for is_new in [true, false] {
        let mut world = if is_new {
            World::new(TWO_SITES)
        } else {
            World::formed(TWO_SITES)
        };
        world.site("b").stores = Stores::WithoutMetrics;
        world.edit(|multi| multi.spec.base["spec"]["metrics"] = json!({}));
        world.settle();
        let told = world.condition("SpecAccepted");
        assert!(told.contains("prunes spec.metrics"), "{told}");
    }
}

#[test]
fn a_field_that_a_webhook_sets_again_is_named_and_not_written_again_and_again() {
    let mut world = World::formed(TWO_SITES);
    world.site("b").stores = Stores::ImageOfBefore;
    world.edit(|multi| multi.spec.base["spec"]["cassandraImage"] = "cassandra:5.0.9".into());
    // The annotation with the digest of the spec changes.
    assert_eq!(changes(&mut world, "b"), 1);
    assert_eq!(changes(&mut world, "b"), 0);
    insta::assert_snapshot!(world.condition("SpecAccepted"));
    let image = &world.cluster("a").spec.cassandra_image;
    assert_eq!(image.as_deref(), Some("cassandra:5.0.9"));
    world.site("b").stores = Stores::AsTold;
    world.settle();
    assert!(world.condition("SpecAccepted").starts_with("True"));
}
