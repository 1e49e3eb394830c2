//! Names and paths that a pod has once.

use std::collections::BTreeSet;

use casskop_common::api::{
    ClientMode, ClientTls, InternodeMode, InternodeTls, NodeApi, NodeApiKind, NodeTls,
    StorageConfig, Tls,
};
use k8s_openapi::api::core::v1::{Container, PodSpec};
use serde_json::{Value, json};

use crate::{
    desired::taken::Taken,
    simulation::{THREE_RACKS, World},
};

/// A cluster with these volumes of the user, as name and path.
fn with_storage(storage: &[(&str, &str)]) -> World {
    let mut world = World::new(THREE_RACKS);
    let configs = storage.iter().map(|(name, path)| StorageConfig {
        name: (*name).to_owned(),
        mount_path: (*path).to_owned(),
        ..StorageConfig::default()
    });
    world.cluster.spec.storage_configs = configs.collect();
    world.pass();
    world
}

#[test]
fn a_volume_of_the_user_takes_the_place_of_an_empty_one() {
    for storage in [
        ("logs", "/var/log/cassandra"),
        ("log", "/var/log/cassandra/"),
        ("scratch", "/tmp"),
        ("tmp", "/tmp"),
    ] {
        let world = with_storage(&[storage, ("extra", "/extra")]);
        let set = world.live.stateful_sets["demo-dc1-rack1"].spec.clone();
        let set = set.expect("a spec");
        let claims = set.volume_claim_templates.expect("claims");
        let pod = set.template.spec.expect("a pod");
        let cassandra = pod.containers.last().expect("Cassandra");
        let mounts = cassandra.volume_mounts.clone().expect("mounts");
        let at = |path: &str| {
            let there = mounts
                .iter()
                .filter(|mount| mount.mount_path.trim_end_matches('/') == path);
            there.map(|mount| mount.name.as_str()).collect::<Vec<_>>()
        };
        assert_eq!(at(storage.1.trim_end_matches('/')), [storage.0]);
        assert_eq!(at("/extra"), ["extra"]);
        let own = pod
            .volumes
            .expect("volumes")
            .into_iter()
            .map(|volume| volume.name);
        let claims = claims
            .into_iter()
            .map(|claim| claim.metadata.name.expect("a name"));
        let mut names: Vec<String> = own.chain(claims).collect();
        names.sort();
        let all = names.len();
        names.dedup();
        assert_eq!(names.len(), all, "{storage:?}: {names:?}");
        for container in pod.init_containers.iter().flatten().chain(&pod.containers) {
            for mount in container.volume_mounts.iter().flatten() {
                assert!(
                    names.contains(&mount.name),
                    "{}: {}",
                    container.name,
                    mount.name
                );
            }
        }
    }
}

#[test]
fn volumes_that_a_pod_cannot_have_are_refused_with_what_is_taken() {
    for storage in [
        &[("config", "/etc/cassandra/")][..],
        &[("more", "/var/lib/cassandra")],
        &[("data", "/data")],
        &[("jolokia", "/extra")],
        &[("tmp", "/extra")],
        &[("a", "/extra"), ("b", "/extra")],
        &[("a", "/one"), ("a", "/two")],
        &[("a", "//var/lib//cassandra")],
        &[("a", "/")],
        &[("Logs", "/extra")],
    ] {
        let world = with_storage(storage);
        let told = world.condition("SpecAccepted");
        assert!(told.starts_with("False InvalidConfig"), "{told}");
        let names_the_taken = told.contains("/var/lib/cassandra");
        assert!(names_the_taken || told.contains("lower-case"), "{told}");
        assert!(world.live.stateful_sets.is_empty());
    }
}

/// A name is taken only where the operator uses it.
#[test]
fn a_volume_may_have_the_name_of_a_secret_that_its_pods_do_not_have() {
    for (tls, is_accepted) in [(NodeTls::Disabled, true), (NodeTls::Enabled, false)] {
        let mut world = with_storage(&[("node-tls", "/extra")]);
        world.edit(|cluster| {
            cluster.spec.node_api = Some(NodeApi {
                tls: Some(tls),
                ..NodeApi::default()
            });
        });
        world.pass();
        let told = world.condition("SpecAccepted");
        assert_eq!(told.starts_with("True"), is_accepted, "{told}");
        assert_eq!(told.contains("node-tls /casskop-node-tls"), !is_accepted);
    }
}

/// The pods of a new cluster with these sidecars.
fn with_sidecars(sidecars: &Value) -> World {
    let mut world = World::new(THREE_RACKS);
    world.cluster.spec.sidecar_configs =
        serde_json::from_value(sidecars.clone()).expect("containers");
    world.pass();
    world
}

fn pod(world: &World) -> PodSpec {
    let set = world.live.stateful_sets.get("demo-dc1-rack1");
    assert!(set.is_some(), "{}", world.condition("SpecAccepted"));
    let set = set.and_then(|set| set.spec.clone());
    set.and_then(|set| set.template.spec).expect("a pod")
}

#[test]
fn sidecars_that_a_pod_cannot_have_are_refused_with_what_is_taken() {
    let mut said = Vec::new();
    for sidecars in [
        json!([{ "name": "cassandra", "image": "a" }]),
        json!([{ "name": "bootstrap", "image": "a" }]),
        json!([{ "name": "one", "image": "a" }, { "name": "one", "image": "b" }]),
        json!([{ "name": "One", "image": "a" }]),
        json!([{ "name": "one" }]),
        json!([{ "name": "one", "image": "a", "env": [{ "name": "A" }, { "name": "A" }] }]),
        json!([{ "name": "one", "image": "a", "volumeMounts": [{ "name": "logs", "mountPath": "/x" }] }]),
        json!([{ "name": "one", "image": "a", "volumeMounts": [
            { "name": "log", "mountPath": "/x" }, { "name": "data", "mountPath": "/x/" },
        ] }]),
        json!([{ "name": "one", "image": "a", "ports": [
            { "containerPort": 1, "name": "p" }, { "containerPort": 2, "name": "p" },
        ] }]),
        json!([{ "name": "one", "image": "a", "ports": [
            { "containerPort": 1 }, { "containerPort": 1, "protocol": "TCP" },
        ] }]),
    ] {
        let world = with_sidecars(&sidecars);
        said.push(world.condition("SpecAccepted"));
        assert!(world.live.stateful_sets.is_empty(), "{sidecars}");
    }
    insta::assert_snapshot!(said.join("\n"));
}

#[test]
fn a_sidecar_may_use_the_volumes_of_the_pod_and_name_its_ports() {
    let world = with_sidecars(&json!([
        { "name": "one", "image": "a", "ports": [{ "containerPort": 9042, "name": "cql" }, { "containerPort": 9042, "protocol": "UDP" }],
          "volumeMounts": [{ "name": "data", "mountPath": "/etc/cassandra" }, { "name": "log", "mountPath": "/log" }] },
        { "name": "pre-run", "image": "a" },
    ]));
    let told = world.condition("SpecAccepted");
    assert!(told.starts_with("True"), "{told}");
    assert_eq!(pod(&world).containers.len(), 3);
}

#[test]
fn a_variable_that_stands_twice_is_refused() {
    let mut world = World::new(THREE_RACKS);
    let variables = json!([{ "name": "A", "value": "1" }, { "name": "A", "value": "2" }]);
    world.cluster.spec.env_vars = serde_json::from_value(variables).expect("variables");
    world.pass();
    let told = world.condition("SpecAccepted");
    assert!(
        told.starts_with("False InvalidConfig") && told.contains("A twice"),
        "{told}"
    );
    assert!(world.live.stateful_sets.is_empty());
}

/// Clusters whose pods have, together, everything that the operator puts into a pod.
fn of_every_kind() -> Vec<World> {
    let kinds = [
        (NodeApiKind::Jolokia, NodeTls::Disabled),
        (NodeApiKind::Jolokia, NodeTls::Enabled),
        (NodeApiKind::ManagementApi, NodeTls::Enabled),
    ];
    let worlds = kinds.into_iter().flat_map(|(kind, tls)| {
        [false, true].map(|has_all| {
            let mut world = World::new(THREE_RACKS);
            let spec = &mut world.cluster.spec;
            spec.node_api = Some(NodeApi {
                kind,
                tls: Some(tls),
                ..NodeApi::default()
            });
            if kind == NodeApiKind::ManagementApi {
                spec.cassandra_image = Some("k8ssandra/cass-management-api:5.0".into());
            }
            if has_all {
                spec.data_capacity = None;
                spec.config_map_name = Some("scripts".into());
                spec.tls = Some(Tls {
                    internode: Some(InternodeTls {
                        mode: InternodeMode::Required,
                        ..InternodeTls::default()
                    }),
                    client: Some(ClientTls {
                        mode: ClientMode::Optional,
                        ..ClientTls::default()
                    }),
                });
                world.around.scripts = crate::desired::Scripts::Digest("1".into());
            }
            world.settle();
            world
        })
    });
    worlds.collect()
}

/// A new volume or container of the operator belongs into [`Taken`], so that the user's are compared with it.
#[test]
fn all_that_the_operator_puts_into_a_pod_is_taken() {
    for world in of_every_kind() {
        let taken = Taken::of(&world.cluster.spec);
        let volumes: BTreeSet<(&str, &str)> = taken
            .volumes
            .iter()
            .chain(&taken.replaceable)
            .copied()
            .collect();
        let pod = pod(&world);
        let init: &[Container] = pod.init_containers.as_deref().unwrap_or_default();
        let all = init.iter().chain(&pod.containers);
        let containers: BTreeSet<&str> = all.map(|one| one.name.as_str()).collect();
        assert_eq!(containers, taken.containers.iter().copied().collect());

        let in_pod = pod
            .volumes
            .iter()
            .flatten()
            .map(|volume| volume.name.as_str());
        let names: BTreeSet<&str> = in_pod.chain(["data"]).collect();
        assert_eq!(names, volumes.iter().map(|(name, _)| *name).collect());

        let cassandra = pod.containers.last().expect("Cassandra");
        let mounts = cassandra.volume_mounts.iter().flatten();
        let mut paths: BTreeSet<(&str, &str)> = mounts
            .map(|mount| (mount.name.as_str(), mount.mount_path.as_str()))
            .collect();
        // A volume that only init containers mount has a name in the pod, and its path is reserved for them.
        let in_init = |name: &str| ["rack", "scripts", "jolokia"].contains(&name);
        paths.extend(volumes.iter().filter(|(name, _)| in_init(name)));
        assert_eq!(paths, volumes);
    }
}
