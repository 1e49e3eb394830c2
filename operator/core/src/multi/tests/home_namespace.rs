//! The end of the namespace of the resource. Kubernetes deletes everything in it at once: the resource, the ConfigMap that
//! shows whether the deletion orphans, and the registrations of the sites.

use casskop_common::names;

use crate::multi::simulation::{Site, TWO_SITES, World};

/// The namespace is deleted; the operator lives elsewhere.
fn ending() -> World {
    let mut world = World::formed(TWO_SITES);
    world.delete();
    let deleted = world.multi.metadata.deletion_timestamp.clone();
    let witness = world.witness.as_mut().expect("a ConfigMap");
    witness.metadata.deletion_timestamp = deleted;
    world
}

/// As `kubectl delete multicasskop` does.
#[test]
fn the_clusters_go_before_the_resource() {
    let mut world = ending();
    world.pass();
    assert!(world.is_blocked_by_checks, "the finalizer stays");
    world.settle();
    assert!(world.sites.values().all(|site| site.cluster.is_none()));
    assert!(!world.is_blocked_by_checks && world.kept.is_empty());
    assert!(world.witness.is_none(), "the namespace ends");
}

/// A site that the operator no longer knows is not empty: its cluster stays, and so does the finalizer, until a person gives
/// the site up.
#[test]
fn without_the_registrations_nothing_of_a_site_is_deleted() {
    let mut world = ending();
    world.order.clear();
    let sites: Vec<(String, Site)> = std::mem::take(&mut world.sites).into_iter().collect();
    for _ in 0..5 {
        world.pass();
        assert!(world.is_blocked_by_checks && world.witness.is_some());
    }
    insta::assert_snapshot!(world.condition("Degraded"));
    // The registrations are back, in another namespace of the operator.
    let mut known = world.clone();
    known.order = sites.iter().map(|(name, _)| name.clone()).collect();
    known.sites = sites.iter().cloned().collect();
    assert!(known.sites.values().all(|site| site.cluster.is_some()));
    known.settle();
    assert!(!known.is_blocked_by_checks);
    world.annotate(names::ORPHAN, Some("a,b"));
    world.pass();
    assert!(!world.is_blocked_by_checks && world.witness.is_none());
    let is_there = |site: &Site| site.cluster.is_some() && site.service.is_some();
    assert!(sites.iter().all(|(_, site)| is_there(site)));
}
