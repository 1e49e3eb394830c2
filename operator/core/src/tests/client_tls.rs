//! Encryption between clients and nodes: each mode is one change, in the order that the user gives.

use std::collections::BTreeSet;

use casskop_common::api::{CassandraCluster, ClientMode, ClientTls, Phase, Tls};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use serde_json::json;

use crate::{
    observed::SecretState,
    simulation::{Node, THREE_RACKS, World},
    tests::rollout::sets,
};

fn set(cluster: &mut CassandraCluster, client: ClientTls) {
    cluster.spec.tls = Some(Tls {
        client: Some(client),
        internode: None,
    });
}

fn modes(world: &World) -> BTreeSet<ClientMode> {
    let pods = world.pods.values();
    pods.map(|pod| pod.encryption.client).collect()
}

/// The arguments of the init container, and the mounted Secrets, of the pods of a rack.
fn template(world: &World) -> String {
    let set = &world.live.stateful_sets["demo-dc1-rack1"];
    let template: &PodTemplateSpec = &set.spec.as_ref().expect("a spec").template;
    let pod = template.spec.as_ref().expect("a pod");
    let mut init = pod.init_containers.iter().flatten();
    let bootstrap = init.find(|container| container.name == "bootstrap");
    let arguments = bootstrap.and_then(|container| container.args.clone());
    let secrets = pod.volumes.iter().flatten();
    let secrets = secrets.filter_map(|volume| volume.secret.as_ref()?.secret_name.clone());
    let secrets: Vec<String> = secrets.collect();
    format!(
        "{} {}",
        arguments.unwrap_or_default().join(" "),
        secrets.join(" ")
    )
}

#[test]
fn each_mode_is_one_change_of_all_racks() {
    let mut world = World::formed(THREE_RACKS);
    let mut seen = vec![template(&world)];
    for (mode, secret, auth) in [
        (ClientMode::Optional, None, None),
        (ClientMode::Required, None, None),
        (ClientMode::Required, Some("demo-clients"), Some(true)),
        (ClientMode::Optional, Some("demo-clients"), Some(false)),
        (ClientMode::Disabled, None, None),
    ] {
        world.secret = SecretState::Usable;
        let before: BTreeSet<String> = world.pods.values().map(|pod| pod.ip.clone()).collect();
        world.edit(|cluster| {
            let client = ClientTls {
                mode,
                secret_name: secret.map(str::to_owned),
                require_client_auth: auth,
            };
            set(cluster, client);
        });
        for _ in 0..100 {
            world.pass();
            world.tick();
            let away = world.pods.values().filter(|pod| pod.node != Node::Normal);
            assert!(away.count() <= 1, "one node after the other");
        }
        world.settle();
        assert_eq!(modes(&world), [mode].into());
        assert!(world.pods.values().all(|pod| !before.contains(&pod.ip)));
        let nodes = world.status().cassandra_node_status;
        let told: BTreeSet<_> = nodes.values().map(|node| node.client_tls).collect();
        assert_eq!(told, [Some(mode).filter(|mode| mode.has_tls())].into());
        assert_eq!(world.status().phase, Some(Phase::Running));
        seen.push(template(&world));
    }
    insta::assert_snapshot!(seen.join("\n"));
}

#[test]
fn nothing_rolls_before_the_secret_is_usable() {
    let mut world = World::formed(THREE_RACKS);
    world.secret = SecretState::Broken("Secret demo-clients: tls.crt has expired".into());
    world.edit(|cluster| {
        let client = ClientTls {
            mode: ClientMode::Optional,
            secret_name: Some("demo-clients".into()),
            require_client_auth: None,
        };
        set(cluster, client);
    });
    for _ in 0..5 {
        world.pass();
        world.tick();
    }
    assert_eq!(sets(&world), []);
    assert_eq!(modes(&world), [ClientMode::Disabled].into());
    let told = world.condition("Degraded");
    assert!(told.contains("tls.crt has expired"), "{told}");
}

#[test]
fn what_the_nodes_cannot_have_is_refused() {
    let told = |change: fn(&mut CassandraCluster)| {
        let mut world = World::formed(THREE_RACKS);
        world.edit(change);
        world.pass();
        assert_eq!(sets(&world), []);
        world.condition("SpecAccepted")
    };
    let told = [
        told(|cluster| {
            let client = ClientTls {
                mode: ClientMode::Optional,
                require_client_auth: Some(true),
                ..ClientTls::default()
            };
            set(cluster, client);
        }),
        told(|cluster| {
            set(cluster, ClientTls::default());
            cluster.spec.config = Some(
                json!({ "cassandra-yaml": { "client_encryption_options": { "enabled": true } } }),
            );
        }),
    ];
    insta::assert_snapshot!(told.join("\n"));
}
