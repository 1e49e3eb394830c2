//! `deletePVC`: the cluster owns the volumes of its nodes, and nothing waits for the operator when it is deleted.

use casskop_common::{api::OperationPhase, names};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube_core::{Resource, ResourceExt};

use crate::{
    objects::{Object, volume_owner},
    simulation::{THREE_RACKS, World},
};

const CLAIM: &str = "data-demo-dc1-rack1-0";

fn formed(delete_pvc: bool) -> World {
    let mut world = World::formed(THREE_RACKS);
    set(&mut world, delete_pvc);
    world.settle();
    world
}

fn set(world: &mut World, delete_pvc: bool) {
    world.edit(|cluster| cluster.spec.delete_pvc = Some(delete_pvc));
}

fn another(uid: &str) -> OwnerReference {
    OwnerReference {
        api_version: "v1".into(),
        kind: "ConfigMap".into(),
        name: "other".into(),
        uid: uid.into(),
        ..OwnerReference::default()
    }
}

/// The UIDs of the owners of each volume, and those of the mark of the ring.
fn owners(world: &World) -> Vec<String> {
    let mark = &world.live.config_maps[&names::ring_mark("demo")];
    let of = |owners: &[OwnerReference]| {
        let uids: Vec<&str> = owners.iter().map(|owner| owner.uid.as_str()).collect();
        uids.join(",")
    };
    let volumes = world.live.volumes.values();
    let all = volumes.map(|volume| of(&volume.owners));
    all.chain([of(mark.owner_references())]).collect()
}

#[test]
fn the_cluster_owns_its_volumes_and_their_mark() {
    let mut world = formed(true);
    assert_eq!(owners(&world), ["u-1", "u-1", "u-1", "u-1"]);
    let owner = &world.live.volumes[CLAIM].owners[0];
    assert_eq!(owner, &world.cluster.owner_ref(&()).expect("a UID"));
    assert_eq!(owner.api_version, "db.orange.com/v2");
    assert_eq!((owner.controller, owner.block_owner_deletion), (None, None));
    // A new node's volume as well.
    world.edit(|cluster| cluster.spec.nodes_per_racks = Some(2));
    world.settle();
    assert_eq!(owners(&world), ["u-1"; 7]);
    assert!(world.cluster.finalizers().is_empty());

    set(&mut world, false);
    world.settle();
    assert_eq!(owners(&world), [""; 7]);
}

#[test]
fn other_owners_and_other_claims_are_left_alone() {
    let mut world = World::formed(THREE_RACKS);
    let volumes = &mut world.live.volumes;
    volumes.get_mut(CLAIM).expect("seen").owners = vec![another("x")];
    let mut copy = volumes[CLAIM].clone();
    copy.owners.clear();
    for name in [
        "backup",
        "data-demo-dc1-rack1-0-copy",
        "data-demo-dc1-rack2-0x",
    ] {
        volumes.insert(name.into(), copy.clone());
    }
    let mut without_uid = copy.clone();
    without_uid.uid.clear();
    volumes.insert("data-demo-dc1-rack1-7".into(), without_uid);
    let mut of_another_rack = copy;
    of_another_rack.rack = None;
    volumes.insert("data-demo-dc1-rack1-8".into(), of_another_rack);
    set(&mut world, true);
    let objects = world.plan().objects;
    let changed = objects.iter().filter_map(|object| match object {
        Object::VolumeOwner(owner) => Some(owner.name.as_str()),
        _ => None,
    });
    let nodes = [CLAIM, "data-demo-dc1-rack2-0", "data-demo-dc1-rack3-0"];
    assert!(changed.eq(nodes));
    world.pass();
    let uids = |world: &World| {
        let owners = &world.live.volumes[CLAIM].owners;
        let uids = owners.iter().map(|owner| owner.uid.clone());
        uids.collect::<Vec<_>>()
    };
    assert_eq!(uids(&world), ["x", "u-1"]);
    set(&mut world, false);
    world.pass();
    assert_eq!(uids(&world), ["x"]);
}

#[test]
fn a_volume_that_is_deleted_gets_no_owner() {
    let mut world = World::formed(THREE_RACKS);
    let volume = world.live.volumes.get_mut(CLAIM).expect("seen");
    volume.deleting = true;
    set(&mut world, true);
    world.pass();
    assert!(world.live.volumes[CLAIM].owners.is_empty());
}

#[test]
fn a_paused_cluster_keeps_its_owners() {
    let mut world = formed(true);
    world.annotate("reconcile", Some("paused"));
    set(&mut world, false);
    world.pass();
    assert_eq!(owners(&world), ["u-1"; 4]);
}

#[test]
fn volumes_are_kept_also_by_a_spec_that_is_refused() {
    let mut world = formed(true);
    world.edit(|cluster| cluster.spec.data_capacity = Some("1Mi".into()));
    set(&mut world, false);
    world.pass();
    assert!(world.condition("SpecAccepted").starts_with("False"));
    assert_eq!(owners(&world), [""; 4]);
}

#[test]
fn the_finalizer_of_an_earlier_version_goes_after_the_owners_are_set() {
    for delete_pvc in [true, false] {
        let mut world = World::formed(THREE_RACKS);
        let finalizers = [names::VOLUMES_FINALIZER, "a/b"];
        world.cluster.metadata.finalizers = Some(finalizers.map(str::to_owned).into());
        set(&mut world, delete_pvc);
        let plan = world.plan();
        assert_eq!(plan.releases, !delete_pvc);
        world.settle();
        assert!(!world.plan().releases);
        assert_eq!(world.cluster.finalizers(), ["a/b"]);
        assert_eq!(owners(&world), [if delete_pvc { "u-1" } else { "" }; 4]);
    }
}

#[test]
fn at_the_deletion_of_a_cluster_of_an_earlier_version() {
    let mut world = World::formed(THREE_RACKS);
    set(&mut world, true);
    let owned = |world: &World| volume_owner::at_deletion(&world.cluster, &world.live).len();
    assert_eq!(owned(&world), 3);
    // kubectl delete --cascade=orphan, before and after the garbage collector has orphaned the StatefulSets.
    let mut orphaning = world.clone();
    orphaning.cluster.metadata.finalizers = Some(vec![names::ORPHAN_FINALIZER.into()]);
    assert_eq!(owned(&orphaning), 0);
    let mut orphaned = world.clone();
    let set = orphaned.live.stateful_sets.get_mut("demo-dc1-rack2");
    set.expect("seen").metadata.owner_references = None;
    assert_eq!(owned(&orphaned), 0);
    world.cluster.spec.delete_pvc = None;
    assert_eq!(owned(&world), 0);
}

/// The volumes that the garbage collector is about to delete must not become those of the new ring: it would lose its
/// data at its next restart.
#[test]
fn a_cluster_created_again_waits_for_the_volumes_of_the_deleted_one() {
    for (delete_pvc, refused) in [(true, false), (false, false), (true, true)] {
        let mut world = formed(true);
        world.cluster.metadata.uid = Some("u-2".into());
        world.cluster.status = None;
        set(&mut world, delete_pvc);
        if refused {
            world.edit(|cluster| cluster.spec.server_type = None);
            world.edit(|cluster| cluster.spec.server_version = Some("3.11".into()));
        }
        world.annotate("cleanup", Some("a"));
        world
            .live
            .config_maps
            .retain(|name, _| *name == names::ring_mark("demo"));
        world.live.stateful_sets.clear();
        world.pods.clear();
        let plan = world.plan();
        assert!(plan.objects.is_empty(), "{:?}", plan.objects);
        world.pass();
        assert_eq!(owners(&world), ["u-1"; 4]);
        if refused {
            continue;
        }
        insta::allow_duplicates! {
            insta::assert_snapshot!(world.condition("Progressing"), @"True Initializing: waiting for volume data-demo-dc1-rack1-0 of the deleted cluster of this name to be deleted by Kubernetes' garbage collector");
        }
        // The garbage collector deletes the mark last.
        world.live.volumes.clear();
        assert!(world.plan().objects.is_empty());
        world.live.config_maps.clear();
        world.lose_everything();
        world.settle();
        assert_eq!(owners(&world), [if delete_pvc { "u-2" } else { "" }; 4]);
        assert!(world.condition("Available").starts_with("True"));
        // The request is of the new ring.
        let cleanup = world.operation("cleanup");
        assert_eq!(cleanup.phase, OperationPhase::Succeeded);
    }
}
