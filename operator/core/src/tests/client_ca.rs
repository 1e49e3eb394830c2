//! The authorities of the nodes for clients, in a ConfigMap.

use casskop_common::api::{CassandraCluster, ClientMode, ClientTls, Tls};

use crate::{
    objects::client_ca::certificates,
    observed::SecretState,
    simulation::{THREE_RACKS, World},
};

const MAP: &str = "demo-clientca";

fn set(cluster: &mut CassandraCluster, mode: ClientMode, secret: &str) {
    cluster.spec.tls = Some(Tls {
        client: Some(ClientTls {
            mode,
            secret_name: Some(secret.to_owned()).filter(|name| !name.is_empty()),
            require_client_auth: None,
        }),
        internode: None,
    });
}

fn pem(content: &str) -> String {
    format!("-----BEGIN CERTIFICATE-----\n{content}\n-----END CERTIFICATE-----\n")
}

fn told(world: &World) -> Option<String> {
    let map = world.live.config_maps.get(MAP)?;
    map.data.as_ref()?.get("ca.crt").cloned()
}

#[test]
fn nothing_but_certificates_is_taken_out_of_a_secret() {
    let both = format!(
        "# ours\n{}-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n{}",
        pem("b25l").replace('\n', "\r\n"),
        pem("dHdv\ndHdv")
    );
    assert_eq!(certificates(&both), [pem("b25l"), pem("dHdv\ndHdv")]);
    // A certificate that is not closed.
    let open = format!(
        "-----BEGIN CERTIFICATE-----\nb25l\n-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n{}",
        pem("dHdv")
    );
    assert_eq!(certificates(&open), [pem("dHdv")]);
    let hidden = "-----BEGIN CERTIFICATE-----\nb25l\n-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n-----END CERTIFICATE-----\n";
    assert_eq!(certificates(hidden), [""; 0]);
    assert_eq!(certificates(""), [""; 0]);
}

#[test]
fn clients_get_the_authorities_as_long_as_a_node_encrypts() {
    let mut world = World::formed(THREE_RACKS);
    world.edit(|cluster| set(cluster, ClientMode::Optional, ""));
    world.settle();
    assert_eq!(told(&world), None, "nothing is known yet");
    world.client_ca = Some(pem("old"));
    world.settle();
    assert_eq!(told(&world), Some(pem("old")));
    let map = &world.live.config_maps[MAP].metadata;
    assert_eq!(
        map.owner_references.as_ref().expect("an owner")[0].uid,
        "u-1"
    );
    // The authority changes in steps.
    for content in [pem("old") + &pem("new"), pem("new")] {
        world.client_ca = Some(content.clone());
        world.settle();
        assert_eq!(told(&world), Some(content));
    }
    // The Secret is lost, or cannot be used.
    world.client_ca = None;
    world.settle();
    assert_eq!(told(&world), Some(pem("new")));
    // A person has changed it.
    world.client_ca = Some(pem("new"));
    let map = world.live.config_maps.get_mut(MAP).expect("the map");
    map.data
        .as_mut()
        .expect("data")
        .insert("ca.crt".into(), pem("other"));
    world.pass();
    assert_eq!(told(&world), Some(pem("new")));

    world.edit(|cluster| cluster.spec.tls = None);
    while world
        .pods
        .values()
        .any(|pod| pod.encryption.client.has_tls())
    {
        assert!(told(&world).is_some());
        world.pass();
        world.tick();
    }
    world.settle();
    assert_eq!(told(&world), None);
}

/// Nodes with the certificates of either Secret serve clients in the meantime.
#[test]
fn both_authorities_are_told_while_another_secret_rolls() {
    let mut world = World::formed(THREE_RACKS);
    world.secret = SecretState::Usable;
    world.client_ca = Some(pem("old"));
    world.edit(|cluster| set(cluster, ClientMode::Required, "demo-old"));
    world.settle();
    world.client_ca = Some(pem("new"));
    world.edit(|cluster| set(cluster, ClientMode::Required, "demo-new"));
    world.pass();
    let has_old = |world: &World| {
        let mut pods = world.pods.values();
        pods.any(|pod| pod.secrets.client.as_deref() == Some("demo-old"))
    };
    while has_old(&world) {
        assert_eq!(told(&world), Some(pem("new") + &pem("old")));
        world.pass();
        world.tick();
    }
    world.settle();
    assert_eq!(told(&world), Some(pem("new")));
}

#[test]
fn a_map_of_another_owner_is_not_deleted_and_a_paused_cluster_writes_none() {
    let mut world = World::formed(THREE_RACKS);
    world.client_ca = Some(pem("old"));
    world.edit(|cluster| set(cluster, ClientMode::Optional, ""));
    world.annotate("reconcile", Some("paused"));
    world.pass();
    assert_eq!(told(&world), None);
    world.annotate("reconcile", None);
    world.settle();
    let map = world.live.config_maps.get_mut(MAP).expect("the map");
    map.metadata.owner_references = None;
    world.edit(|cluster| cluster.spec.tls = None);
    world.client_ca = None;
    world.settle();
    assert!(told(&world).is_some());
}
