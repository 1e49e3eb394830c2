//! Volumes that grow, StatefulSets that are made anew around their pods.

use casskop_common::api::OperationPhase;

use crate::{
    objects::Object,
    simulation::{THREE_RACKS, World},
};

#[test]
fn volumes_grow_without_a_restart() {
    let mut world = World::formed(THREE_RACKS);
    let before = world.pods.clone();
    world.edit(|cluster| cluster.spec.data_capacity = Some("2Gi".into()));
    world.pass();
    assert_eq!(
        world.status().last_cluster_action.as_deref(),
        Some("StorageUpsize")
    );
    let sizes = |world: &World| -> Vec<String> {
        world
            .live
            .volumes
            .values()
            .map(|volume| volume.requested.clone())
            .collect()
    };
    assert_eq!(sizes(&world), ["2Gi", "1Gi", "1Gi"], "rack by rack");
    world.settle();
    assert_eq!(sizes(&world), ["2Gi"; 3]);
    for (name, pod) in &world.pods {
        assert_eq!(pod.ip, before[name].ip, "{name} was not restarted");
    }
}

#[test]
fn a_data_center_may_have_a_size_of_its_own_later_and_not_a_smaller_one() {
    let mut world = World::formed(THREE_RACKS);
    let of_dc = |world: &mut World, size: Option<&str>| {
        world.edit(|cluster| {
            let dc = &mut cluster.spec.topology.as_mut().expect("a topology").dc[0];
            dc.data_capacity = size.map(str::to_owned);
        });
    };
    of_dc(&mut world, Some("2Gi"));
    world.settle();
    let mut volumes = world.live.volumes.values();
    assert!(volumes.all(|volume| volume.requested == "2Gi"));
    of_dc(&mut world, None);
    world.pass();
    let accepted = world.condition("SpecAccepted");
    assert!(accepted.starts_with("False VolumeChanged"), "{accepted}");
}

#[test]
fn volumes_that_grow_take_no_other_change_with_them() {
    let mut world = World::formed(THREE_RACKS);
    let before = world.pods.clone();
    world.bad_images.insert("nope:1".into());
    world.edit(|cluster| {
        cluster.spec.data_capacity = Some("2Gi".into());
        cluster.spec.cassandra_image = Some("nope:1".into());
    });
    for _ in 0..20 {
        world.pass();
        world.tick();
    }
    let mut volumes = world.live.volumes.values();
    assert!(volumes.all(|volume| volume.requested == "2Gi"));
    let changed = world
        .pods
        .iter()
        .filter(|(name, pod)| pod.ip != before[*name].ip);
    assert_eq!(changed.count(), 1, "the image is tried on one node");
    world.edit(|cluster| cluster.spec.cassandra_image = Some("cassandra:5.0".into()));
    world.settle();
}

#[test]
fn volumes_do_not_shrink() {
    let mut world = World::formed(THREE_RACKS);
    world.edit(|cluster| cluster.spec.data_capacity = Some("500Mi".into()));
    world.pass();
    insta::assert_snapshot!(world.condition("SpecAccepted"));
    world.edit(|cluster| cluster.spec.data_capacity = Some("1024Mi".into()));
    world.settle();
    assert!(world.condition("SpecAccepted").starts_with("True"));
}

/// The units are those of Kubernetes, also where a number alone would be smaller.
#[test]
fn large_volumes_grow_and_do_not_shrink() {
    let mut world = World::formed(THREE_RACKS);
    for (size, accepted) in [
        ("1Ti", true),
        ("1Pi", true),
        ("1Ti", false),
        ("1024Ti", true),
        ("2e15", true),
        ("1.5Pi", false),
    ] {
        world.edit(|cluster| cluster.spec.data_capacity = Some(size.into()));
        world.settle();
        let told = world.condition("SpecAccepted");
        assert_eq!(told.starts_with("True"), accepted, "{size}: {told}");
    }
}

#[test]
fn a_cluster_of_the_go_casskop_is_taken_over_rack_by_rack() {
    let mut world = World::formed(THREE_RACKS);
    for set in world.live.stateful_sets.values_mut() {
        set.metadata.annotations = None;
        let spec = set.spec.as_mut().unwrap();
        spec.pod_management_policy = Some("OrderedReady".into());
        let selector = spec.selector.match_labels.as_mut().unwrap();
        selector.insert("team".into(), "orders".into());
    }
    let service = world
        .live
        .services
        .get_mut("demo")
        .unwrap()
        .spec
        .as_mut()
        .unwrap();
    service
        .selector
        .as_mut()
        .unwrap()
        .insert("team".into(), "orders".into());
    let plan = world.plan();
    let anew = plan
        .objects
        .iter()
        .filter(|object| matches!(object, Object::Recreated(..)));
    assert_eq!(anew.count(), 1, "one rack at a time");
    assert!(
        plan.objects
            .iter()
            .any(|object| matches!(object, Object::Service(_)))
    );
    assert!(plan.removals.is_empty());
    world.settle();
    assert_eq!(
        (world.pods.len(), world.live.volumes.len(), world.ring.len()),
        (3, 3, 3)
    );
    for set in world.live.stateful_sets.values() {
        let selector = set
            .spec
            .as_ref()
            .unwrap()
            .selector
            .match_labels
            .clone()
            .unwrap();
        assert!(!selector.contains_key("team"));
    }
}

#[test]
fn storage_that_never_grows_holds_up_nothing_else() {
    let mut world = World::formed(THREE_RACKS);
    world.edit(|cluster| cluster.spec.data_capacity = Some("2Gi".into()));
    world.pass();
    let first = world.live.volumes.get_mut("data-demo-dc1-rack1-0").unwrap();
    first.capacity = Some("1Gi".into());
    world.edit(|cluster| cluster.spec.cassandra_image = Some("cassandra:5.0.9".into()));
    let before = world.pods.clone();
    for _ in 0..12 {
        world.pass();
        world.tick();
    }
    assert!(
        world
            .pods
            .iter()
            .all(|(name, pod)| pod.ip != before[name].ip)
    );
    insta::assert_snapshot!(world.condition("Progressing"));
}

#[test]
fn a_volume_that_cannot_be_resized_is_told_in_the_words_of_kubernetes() {
    let mut world = World::formed(THREE_RACKS);
    world.edit(|cluster| cluster.spec.data_capacity = Some("2Gi".into()));
    world.pass();
    let volume = world.live.volumes.get_mut("data-demo-dc1-rack1-0").unwrap();
    volume.capacity = Some("1Gi".into());
    let uid = volume.uid.clone();
    let warning = "VolumeResizeFailed: the storage is full";
    world.live.warnings.insert(uid, warning.into());
    for _ in 0..12 {
        world.pass();
        world.tick();
    }
    let told = world.condition("Progressing");
    assert!(
        told.contains("data-demo-dc1-rack1-0 to have 2Gi: VolumeResizeFailed: the storage is full"),
        "{told}"
    );
}

#[test]
fn a_file_system_that_grows_at_a_restart_only_is_told_with_the_command() {
    let mut world = World::formed(THREE_RACKS);
    world.edit(|cluster| cluster.spec.data_capacity = Some("2Gi".into()));
    world.pass();
    let (pod, volume) = ("demo-dc1-rack1-0", "data-demo-dc1-rack1-0");
    let first = world.live.volumes.get_mut(volume).unwrap();
    first.capacity = Some("1Gi".into());
    first.awaits_file_system = true;
    world.settle();
    insta::assert_snapshot!(world.condition("Progressing"));
    let blocked_by = world.status().blocked_by;
    assert_eq!(blocked_by[0].name, "file-system-grown");
    assert_eq!(blocked_by[0].pods, [pod], "for kubectl casskop explain");
    let before = world.pods[pod].ip.clone();
    world.annotate("restart", Some("r1 --pod demo-dc1-rack1-0"));
    world.settle();
    let restart = world.operation("restart");
    assert_eq!(restart.phase, OperationPhase::Succeeded, "meanwhile");
    assert_ne!(world.pods[pod].ip, before);
    let first = world.live.volumes.get_mut(volume).unwrap();
    first.capacity = Some("2Gi".into());
    first.awaits_file_system = false;
    world.settle();
    assert!(world.condition("Progressing").starts_with("False UpToDate"));
    assert!(world.status().blocked_by.is_empty());
}
