//! `deletePVC`: the cluster owns the volumes of its nodes, and nothing waits for the operator when it is deleted.

use casskop_common::{api::OperationPhase, names};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube_core::{Resource, ResourceExt};

use crate::{
    objects::{
        Object,
        volume_owner::{self, AtDeletion, OwnedKind, VolumeOwner},
    },
    observed::Volume,
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

/// `kubectl wait --for=condition=Ready` after `deletePVC: false` must not end before the volumes are safe.
#[test]
fn ready_waits_until_the_cluster_no_longer_owns_its_volumes() {
    let mut world = formed(true);
    assert!(world.condition("Ready").starts_with("True"));
    assert_eq!(world.status().owned_volumes, Some(4));
    world.annotate("reconcile", Some("paused"));
    set(&mut world, false);
    world.pass();
    assert_eq!(owners(&world), ["u-1"; 4]);
    assert_eq!(world.status().owned_volumes, Some(4));
    insta::assert_snapshot!(world.condition("Ready"), @"False ReconcilePaused: waiting for the owners of ConfigMap demo-ring (and 3 more) to match deletePVC: paused by the annotation operations.db.orange.com/reconcile");
    assert!(
        world
            .condition("Stalled")
            .starts_with("True ReconcilePaused")
    );

    world.annotate("reconcile", None);
    let mut killed = world.clone();
    killed.pass_until(2);
    assert_eq!(owners(&killed), ["", "u-1", "u-1", ""]);
    world.pass();
    // The report is about the state before the change.
    assert_eq!(owners(&world), [""; 4]);
    insta::assert_snapshot!(world.condition("Ready"), @"False VolumeOwners: waiting for the owners of ConfigMap demo-ring (and 3 more) to match deletePVC");
    world.settle();
    assert!(world.condition("Ready").starts_with("True"));
    assert_eq!(world.status().owned_volumes, Some(0));
}

/// Data must not stay without the mark that keeps a second ring from being formed over it.
#[test]
fn the_mark_is_owned_last_and_freed_first() {
    let mut world = World::formed(THREE_RACKS);
    set(&mut world, true);
    let of = |world: &World| {
        let plan = world.plan();
        let added = plan.objects.iter().filter_map(|object| match object {
            Object::VolumeOwner(owner) => Some(owner.kind),
            _ => None,
        });
        let freed = plan.disowned.iter().map(|owner| owner.kind);
        added.chain(freed).collect::<Vec<_>>()
    };
    assert_eq!(of(&world), [OwnedKind::Claim; 3]);
    world.pass();
    assert_eq!(of(&world), [OwnedKind::RingMark]);
    world.settle();
    set(&mut world, false);
    let freed = of(&world);
    assert_eq!((freed.len(), freed[0]), (4, OwnedKind::RingMark));
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
    let decided = |world: &World| volume_owner::at_deletion(&world.cluster, &world.live);
    let go = decided(&world);
    // The mark is the last one.
    let kinds = |owners: &[VolumeOwner]| owners.iter().map(|owner| owner.kind).collect::<Vec<_>>();
    let AtDeletion::Go(owners) = &go else {
        panic!("{go:?}");
    };
    let claim = OwnedKind::Claim;
    assert_eq!(kinds(owners), [claim, claim, claim, OwnedKind::RingMark]);
    // kubectl delete --cascade=orphan, before and after the garbage collector has orphaned the StatefulSets.
    let mut orphaning = world.clone();
    orphaning.cluster.metadata.finalizers = Some(vec![names::ORPHAN_FINALIZER.into()]);
    assert_eq!(decided(&orphaning), AtDeletion::StayOrphaned(Vec::new()));
    let mut orphaned = world.clone();
    let set = orphaned.live.stateful_sets.get_mut("demo-dc1-rack2");
    set.expect("seen").metadata.owner_references = None;
    assert_eq!(decided(&orphaned), AtDeletion::StayOrphaned(Vec::new()));
    // The orphaned StatefulSets were deleted by hand while no operator ran.
    let mut bare = world.clone();
    bare.live.stateful_sets.clear();
    assert_eq!(decided(&bare), go, "a rack's ConfigMap has its owner");
    for map in bare.live.config_maps.values_mut() {
        map.metadata.owner_references = None;
    }
    assert_eq!(decided(&bare), AtDeletion::StayInDoubt(Vec::new()));
    bare.cluster.metadata.finalizers = Some(vec![names::FOREGROUND_FINALIZER.into()]);
    assert_eq!(decided(&bare), go);
    world.cluster.spec.delete_pvc = None;
    assert_eq!(decided(&world), AtDeletion::Stay(Vec::new()));
}

/// The operator was killed after it owned some claims, and then the volumes are to stay.
#[test]
fn volumes_that_are_owned_already_are_freed_at_the_deletion() {
    let mut world = formed(true);
    assert!(volume_owner::still_owned(&world.cluster, &world.live).is_empty());
    let freed = |owners: &[VolumeOwner]| {
        let first = owners.first().map(|owner| owner.kind);
        let all = owners
            .iter()
            .all(|owner| !owner.owned && owner.owners.is_empty());
        owners.len() == 4 && first == Some(OwnedKind::RingMark) && all
    };
    let mut doubt = world.clone();
    doubt.live.stateful_sets.clear();
    let mark = names::ring_mark("demo");
    doubt.live.config_maps.retain(|name, _| *name == mark);
    match volume_owner::at_deletion(&doubt.cluster, &doubt.live) {
        AtDeletion::StayInDoubt(owners) => assert!(freed(&owners), "{owners:?}"),
        other => panic!("{other:?}"),
    }
    world.edit(|cluster| cluster.spec.delete_pvc = Some(false));
    match volume_owner::at_deletion(&world.cluster, &world.live) {
        AtDeletion::Stay(owners) => assert!(freed(&owners), "{owners:?}"),
        other => panic!("{other:?}"),
    }
    assert!(freed(&volume_owner::still_owned(
        &world.cluster,
        &world.live
    )));
}

/// An owner of an earlier resource on a claim that no node has, or that a running ring has, holds nothing back.
#[test]
fn only_a_new_ring_waits_and_only_for_volumes_of_nodes() {
    let mut world = formed(false);
    let mut left = world.cluster.owner_ref(&()).expect("a UID");
    left.uid = "u-0".into();
    let set_left = |world: &mut World, claim: &str| {
        let mut volume = world.live.volumes[CLAIM].clone();
        volume.owners = vec![left.clone()];
        world.live.volumes.insert(claim.into(), volume);
    };
    set_left(&mut world, CLAIM);
    world.edit(|cluster| cluster.spec.nodes_per_racks = Some(2));
    world.settle();
    assert_eq!(world.pods.len(), 6);

    let mut again = World::new(THREE_RACKS);
    world.live.volumes.clone_into(&mut again.live.volumes);
    again.live.volumes.retain(|name, _| name == CLAIM);
    again.pods.clone_from(&world.pods);
    again.pass();
    insta::assert_snapshot!(again.condition("Progressing"), @"True Initializing: waiting for volume data-demo-dc1-rack1-0 of the deleted cluster of this name to be deleted by Kubernetes' garbage collector; pod demo-dc1-rack1-0 still uses it");
    again.pods.clear();
    again.live.volumes.clear();
    set_of_another(&mut again, &left);
    again.settle();
    assert!(again.condition("Available").starts_with("True"));
}

/// A claim that no node of the ring has.
fn set_of_another(world: &mut World, owner: &OwnerReference) {
    let volume = Volume {
        uid: "backup".into(),
        owners: vec![owner.clone()],
        ..Volume::default()
    };
    world.live.volumes.insert("backup".into(), volume);
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
