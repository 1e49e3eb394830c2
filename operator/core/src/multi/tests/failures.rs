//! Sites that cannot be reached, clusters that are gone, sites that are taken out, and the end.

use casskop_common::{api::Reachability, names};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube_core::ResourceExt;

use crate::multi::{
    children,
    simulation::{TWO_SITES, World, of_b},
};

#[test]
fn nothing_is_formed_while_a_site_is_unknown_that_may_have_formed_a_ring() {
    let mut world = World::new(TWO_SITES);
    world.site("b").is_cut = true;
    world.settle();
    assert_eq!((world.rings, world.status().first_site), (0, None));
    insta::assert_snapshot!(world.condition("Progressing"));
    world.site("b").is_cut = false;
    world.settle();
    assert_eq!((world.rings, world.status().summary.as_str()), (1, "2/2"));
}

#[test]
fn a_site_that_cannot_be_reached_keeps_nobody_waiting() {
    let mut world = World::formed(TWO_SITES);
    world.site("a").is_cut = true;
    world.edit(|multi| multi.spec.base["spec"]["cassandraImage"] = "cassandra:5.0.9".into());
    world.settle();
    let image = |world: &World, site: &str| world.cluster(site).spec.cassandra_image.clone();
    assert_eq!(image(&world, "b").as_deref(), Some("cassandra:5.0.9"));
    let told = world.status().sites[0].clone();
    assert_eq!(
        (told.name.as_str(), told.reachability),
        ("a", Reachability::Unknown)
    );
    assert!(told.cluster.is_some(), "what was known of it stays");
    assert!(world.condition("Available").starts_with("Unknown"));
    let since = told.since;
    world.settle();
    assert_eq!(world.status().sites[0].since, since);
    insta::assert_snapshot!(world.condition("Degraded"));
    world.site("a").is_cut = false;
    world.settle();
    assert_eq!(image(&world, "a").as_deref(), Some("cassandra:5.0.9"));
    assert!(world.condition("Degraded").starts_with("False"));
}

#[test]
fn a_cluster_deleted_by_hand_comes_back_and_joins_even_without_its_volumes() {
    for site in ["a", "b"] {
        let mut world = World::formed(TWO_SITES);
        world.site(site).lose_cluster();
        world.site(site).has_members = false;
        world.settle();
        assert!(!world.cluster(site).spec.seeds.is_empty());
        assert_eq!((world.rings, world.status().summary.as_str()), (1, "2/2"));
    }
}

#[test]
fn a_site_that_is_made_anew_while_the_others_are_cut_off_or_gone_joins_them() {
    for all_gone in [false, true] {
        let mut world = World::formed(TWO_SITES);
        world.site("b").is_cut = true;
        world.pass();
        world.site("a").lose_cluster();
        world.site("a").has_members = false;
        if all_gone {
            world.site("b").lose_cluster();
        }
        world.settle();
        let seeds = world.cluster("a").spec.seeds.clone();
        assert_eq!(seeds, ["demo-dc2-rack1-0.demo-sites.ns"]);
        world.site("b").is_cut = false;
        world.settle();
        assert_eq!((world.rings, world.status().summary.as_str()), (1, "2/2"));
    }
}

#[test]
fn a_site_is_taken_out_only_when_it_is_empty() {
    let mut world = World::formed(TWO_SITES);
    let out = world.multi.spec.override_["b"].clone();
    world.edit(|multi| drop(multi.spec.override_.remove("b")));
    world.settle();
    assert!(world.sites["b"].cluster.is_some());
    insta::assert_snapshot!(world.condition("SpecAccepted"));
    world.edit(|multi| {
        let mut empty = out;
        empty["spec"]["topology"]["dc"][0]["nodesPerRacks"] = 0.into();
        multi.spec.override_.insert("b".into(), empty);
    });
    world.settle();
    world.edit(|multi| drop(multi.spec.override_.remove("b")));
    world.settle();
    assert!(world.sites["b"].cluster.is_none());
    assert!(world.cluster("a").spec.seeds.is_empty());
    assert!(world.sites["a"].slices.is_empty());
    assert_eq!(world.status().summary, "1/1");
}

#[test]
fn the_end_waits_for_sites_that_cannot_be_reached_unless_they_are_given_up() {
    let mut world = World::formed(TWO_SITES);
    world.site("b").is_cut = true;
    world.pass();
    world.delete();
    world.settle();
    assert!(world.sites["a"].cluster.is_none());
    assert!(world.is_blocked_by_checks && world.sites["b"].cluster.is_some());
    insta::assert_snapshot!(world.condition("Degraded"));
    let mut given_up = world.clone();
    given_up.annotate(names::ORPHAN, Some("b"));
    given_up.pass();
    assert!(!given_up.is_blocked_by_checks && given_up.sites["b"].cluster.is_some());
    world.site("b").is_cut = false;
    world.settle();
    assert!(!world.is_blocked_by_checks && world.sites["b"].cluster.is_none());
}

/// The volumes of a cluster are deleted with it until its operator has carried out that `deletePVC` is withdrawn.
#[test]
fn a_cluster_goes_after_its_volumes_are_kept() {
    let mut world = World::formed(TWO_SITES);
    let set = |world: &mut World, wanted: bool| {
        world.edit(|multi| multi.spec.base["spec"]["deletePVC"] = wanted.into());
    };
    set(&mut world, true);
    world.settle();
    assert_eq!(world.cluster("a").spec.delete_pvc, Some(true));
    let mut goes = world.clone();
    goes.delete();
    goes.settle();
    assert!(goes.sites["a"].cluster.is_none() && !goes.is_blocked_by_checks);

    let owns = |world: &mut World, owned| {
        let cluster = world.site("b").cluster.as_mut().expect("a cluster");
        let status = cluster.status.as_mut().expect("a status");
        status.owned_volumes = owned;
    };
    owns(&mut world, Some(1));
    set(&mut world, false);
    world.delete();
    world.pass();
    for site in ["a", "b"] {
        assert_eq!(world.cluster(site).spec.delete_pvc, Some(false));
    }
    // No operator has reported about the new generation.
    world.pass();
    assert!(world.sites["a"].cluster.is_some());
    insta::assert_snapshot!(world.condition("Progressing"), @"True SitesProgressing: a waits for the operator of the site to report that no volume is deleted with its CassandraCluster; to leave the cluster in its site, set the annotation db.orange.com/orphan: a");
    world.settle();
    assert!(world.sites["a"].cluster.is_none() && world.is_blocked_by_checks);
    // The operator of the site is gone for good.
    let mut orphaned = world.clone();
    orphaned.annotate(names::ORPHAN, Some("b"));
    orphaned.settle();
    let left = orphaned.cluster("b").metadata.annotations.clone();
    assert!(!left.unwrap_or_default().contains_key(names::MULTI_OWNER));
    assert!(!orphaned.is_blocked_by_checks);
    owns(&mut world, Some(0));
    world.settle();
    assert!(world.sites["b"].cluster.is_none() && !world.is_blocked_by_checks);
}

#[test]
fn a_site_that_is_taken_out_keeps_its_own_rule_for_volumes() {
    let mut world = World::formed(TWO_SITES);
    world.edit(|multi| multi.spec.base["spec"]["deletePVC"] = true.into());
    of_b(&mut world.multi)["spec"]["deletePVC"] = false.into();
    world.settle();
    let rule = |world: &World| children::deletes_volumes(&world.multi, "b");
    assert_eq!(rule(&world), Some(false));
    world.edit(|multi| drop(multi.spec.override_.remove("b")));
    assert_eq!(rule(&world), None);
    assert_eq!(world.cluster("b").spec.delete_pvc, Some(false));
}

#[test]
fn clusters_stay_and_are_free_where_the_resource_says_so() {
    let mut world = World::formed(TWO_SITES);
    world.edit(|multi| multi.spec.delete_cassandra_cluster = Some(false));
    world.settle();
    world.delete();
    world.pass();
    world.pass();
    assert!(!world.is_blocked_by_checks);
    for site in ["a", "b"] {
        let cluster = world.cluster(site);
        let annotations = cluster.metadata.annotations.clone().unwrap_or_default();
        assert!(!annotations.contains_key(names::MULTI_OWNER));
    }
}

#[test]
fn clusters_stay_when_the_deletion_orphans_its_dependents() {
    let mut world = World::formed(TWO_SITES);
    let finalizers = world.multi.metadata.finalizers.get_or_insert_default();
    finalizers.push(names::ORPHAN_FINALIZER.into());
    world.delete();
    world.pass();
    assert_eq!(world.kept.len(), 1, "told once: {:?}", world.kept);
    // The garbage collector is done.
    world.multi.metadata.finalizers = None;
    world.pass();
    for site in ["a", "b"] {
        let cluster = world.cluster(site);
        let annotations = cluster.metadata.annotations.clone().unwrap_or_default();
        assert!(!annotations.contains_key(names::MULTI_OWNER));
        assert!(cluster.metadata.deletion_timestamp.is_none());
    }
}

/// The garbage collector removes its finalizer before the operator observes the deletion.
#[test]
fn a_deletion_that_is_observed_late_deletes_only_what_it_does_not_orphan() {
    let formed = || {
        let mut world = World::formed(TWO_SITES);
        world.multi.metadata.finalizers = Some(vec![names::MULTI_FINALIZER.into()]);
        world.delete();
        world
    };
    let mut orphaned = formed();
    let witness = orphaned.witness.as_mut().expect("a ConfigMap");
    witness.metadata.owner_references = None;
    let mut unknown = formed();
    unknown.witness = None;
    for (mut world, word) in [(orphaned, "--cascade=orphan"), (unknown, "nothing proves")] {
        world.settle();
        for site in ["a", "b"] {
            let cluster = world.cluster(site);
            assert!(!cluster.annotations().contains_key(names::MULTI_OWNER));
        }
        assert!(
            world.kept.len() == 1 && world.kept[0].contains(word),
            "{:?}",
            world.kept
        );
        assert!(!world.is_blocked_by_checks && world.witness.is_none());
    }
    // A deletion in the background leaves the ConfigMap as it is; one in the foreground begins with it.
    for is_foreground in [false, true] {
        let mut world = formed();
        let witness = world.witness.as_mut().expect("a ConfigMap");
        assert_eq!(witness.finalizers(), [names::MULTI_FINALIZER]);
        witness.metadata.deletion_timestamp = world
            .multi
            .metadata
            .deletion_timestamp
            .clone()
            .filter(|_| is_foreground);
        world.settle();
        assert!(world.sites.values().all(|site| site.cluster.is_none()));
        assert!(!world.is_blocked_by_checks && world.witness.is_none() && world.kept.is_empty());
    }
}

#[test]
fn a_resource_of_the_name_of_an_orphaned_one_owns_its_config_map() {
    let mut world = World::formed(TWO_SITES);
    world.multi.metadata.uid = Some("m-2".into());
    world.annotate(names::ADOPT, Some("m-1"));
    let delete_now = |world: &World| {
        let mut world = world.clone();
        world.delete();
        world.pass();
        world
    };
    assert!(
        delete_now(&world)
            .sites
            .values()
            .all(|site| site.cluster.is_some())
    );
    world.settle();
    let mut gone = delete_now(&world);
    gone.settle();
    assert!(gone.sites.values().all(|site| site.cluster.is_none()));
    // Deleted by hand, it is created again.
    let witness = world.witness.as_mut().expect("a ConfigMap");
    witness.metadata.deletion_timestamp =
        Some(Time("2026-11-22T18:00:00Z".parse().expect("a time")));
    world.pass();
    assert!(world.witness.is_none());
    world.pass();
    assert!(world.witness.is_some());
}

#[test]
fn a_site_that_the_operator_no_longer_knows_is_missed() {
    let mut world = World::formed(TWO_SITES);
    world.order.pop();
    let gone = world.sites.remove("b");
    world.pass();
    insta::assert_snapshot!(world.condition("SpecAccepted"));
    assert_eq!(world.status().sites.len(), 2);
    world.order.push("b".into());
    world.sites.insert("b".into(), gone.expect("it was there"));
    world.settle();
    assert_eq!(world.status().summary, "2/2");
}
