//! Encryption between the nodes of a ring that runs: one step after the other, and nodes of neighbouring modes only.

use std::collections::BTreeSet;

use casskop_common::api::{
    CassandraCluster, ClientMode, ClientTls,
    InternodeMode::{self, Disabled, Optional, Preferred, Required},
    InternodeTls, NodeTransport, OperationPhase, Phase, Tls,
};
use serde_json::json;

use crate::{
    observed::SecretState,
    simulation::{Node, THREE_RACKS, World},
    tests::{node_api_change::turn, rollout::sets},
};

pub(super) fn set(cluster: &mut CassandraCluster, mode: InternodeMode, secret: Option<&str>) {
    cluster.spec.tls = Some(Tls {
        internode: Some(InternodeTls {
            mode,
            secret_name: secret.map(str::to_owned),
        }),
        client: None,
    });
}

/// A ring of three racks with two nodes each.
pub(super) fn ring(mode: InternodeMode) -> World {
    let mut world = World::new(THREE_RACKS);
    world.edit(|cluster| {
        cluster.spec.nodes_per_racks = Some(2);
        if mode.has_tls() {
            set(cluster, mode, None);
        }
    });
    world.settle();
    world
}

pub(super) fn modes(world: &World) -> BTreeSet<InternodeMode> {
    let pods = world.pods.values();
    pods.map(|pod| pod.encryption.internode).collect()
}

/// Nodes that run understand each other: those that open encrypted connections, and those that refuse one kind.
pub(super) fn assert_understood(world: &World) {
    let modes: Vec<InternodeMode> = modes(world).into_iter().collect();
    if let [one, other] = modes[..] {
        assert_eq!(one.towards(other), other, "{modes:?}");
    }
    assert!(modes.len() <= 2, "{modes:?}");
}

/// Goes on until the nodes have a mode, and returns the modes that all nodes had in between.
pub(super) fn go_to(world: &mut World, mode: InternodeMode) -> Vec<InternodeMode> {
    let mut steps: Vec<InternodeMode> = Vec::new();
    for _ in 0..600 {
        assert_understood(world);
        let away = world.pods.values().filter(|pod| pod.node != Node::Normal);
        assert!(away.count() <= 1, "one node after the other");
        let now: Vec<InternodeMode> = modes(world).into_iter().collect();
        if let [one] = now[..] {
            if steps.last() != Some(&one) {
                steps.push(one);
            }
            if one == mode {
                world.settle();
                assert_eq!(modes(world), [mode].into());
                assert_eq!(world.status().phase, Some(Phase::Running));
                return steps;
            }
            let told = world.condition("Progressing");
            assert!(told.starts_with("True") || steps.len() == 1, "{told}");
        }
        world.pass();
        world.tick();
    }
    unreachable!("{steps:?}: {}", world.condition("Progressing"))
}

#[test]
fn a_ring_that_runs_takes_all_steps_both_ways() {
    let mut world = ring(Disabled);
    world.edit(|cluster| set(cluster, Required, None));
    let steps = go_to(&mut world, Required);
    assert_eq!(steps, [Disabled, Optional, Preferred, Required]);
    let nodes = world.status().cassandra_node_status;
    let mut told = nodes.values().map(|node| node.internode_tls);
    assert!(told.all(|mode| mode == Some(Required)));
    // Without a word in the spec: as before there was one.
    world.edit(|cluster| cluster.spec.tls = None);
    let steps = go_to(&mut world, Disabled);
    assert_eq!(steps, [Required, Preferred, Optional, Disabled]);
    let nodes = world.status().cassandra_node_status;
    assert!(nodes.values().all(|node| node.internode_tls.is_none()));
}

#[test]
fn what_is_told_in_the_meantime() {
    let mut world = World::formed(THREE_RACKS);
    world.edit(|cluster| set(cluster, Required, None));
    let mut told = Vec::new();
    for _ in 0..100 {
        world.pass();
        world.tick();
        let now = world.condition("Progressing");
        if told.last() != Some(&now) {
            told.push(now);
        }
    }
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn a_new_ring_starts_where_it_is_to_end() {
    for mode in InternodeMode::ALL {
        let mut world = World::new(THREE_RACKS);
        world.edit(|cluster| set(cluster, mode, None));
        for _ in 0..30 {
            world.pass();
            world.tick();
            assert!(modes(&world).iter().all(|one| *one == mode));
        }
        world.settle();
        assert_eq!(modes(&world), [mode].into());
    }
}

#[test]
fn a_change_that_is_withdrawn_turns_round_at_any_point() {
    for turn in (0..40).step_by(3) {
        let mut world = ring(Disabled);
        world.edit(|cluster| set(cluster, Required, None));
        for _ in 0..turn {
            world.pass();
            world.tick();
        }
        world.edit(|cluster| set(cluster, Disabled, None));
        go_to(&mut world, Disabled);
    }
}

/// Goes on until the nodes have a mode.
pub(super) fn reach(world: &mut World, mode: InternodeMode) {
    for _ in 0..600 {
        assert_understood(world);
        if modes(world) == [mode].into() {
            return;
        }
        world.pass();
        world.tick();
    }
    unreachable!("{}", world.condition("Progressing"))
}

/// The operator is killed after any write.
#[test]
fn no_step_is_left_out_after_a_crash() {
    for effects in 0..4 {
        let mut world = ring(Disabled);
        world.edit(|cluster| set(cluster, Required, None));
        let mut passes = 0;
        while modes(&world) != [Required].into() {
            if !world.pass_until(effects) {
                world.kill_operator();
                world.pass();
            }
            world.tick();
            assert_understood(&world);
            passes += 1;
            assert!(passes < 600, "{}", world.condition("Progressing"));
        }
    }
}

/// A pod that is gone when all others have taken a step would come back as it was before.
#[test]
fn a_pod_that_is_gone_holds_the_next_step() {
    for evicted in ["demo-dc1-rack1-0", "demo-dc1-rack2-1"] {
        for passes in (3..40).step_by(6) {
            let mut world = ring(Disabled);
            world.edit(|cluster| set(cluster, Required, None));
            for _ in 0..passes {
                world.pass();
                world.tick();
            }
            world.pods.remove(evicted);
            world.pass();
            // It comes back from the template of its time.
            for _ in 0..3 {
                world.tick();
                assert_understood(&world);
                world.pass();
            }
            reach(&mut world, Required);
        }
    }
}

#[test]
fn a_rack_that_is_added_and_nodes_that_are_added_start_in_the_mode_of_the_ring() {
    for passes in [0, 9, 17] {
        let mut world = ring(Disabled);
        world.edit(|cluster| set(cluster, Required, None));
        for _ in 0..passes {
            world.pass();
            world.tick();
        }
        world.edit(|cluster| {
            let topology = json!({ "dc": [{ "name": "dc1", "rack": [
                { "name": "rack1" }, { "name": "rack2" }, { "name": "rack3" }, { "name": "rack4" },
            ] }] });
            cluster.spec.topology = serde_json::from_value(topology).expect("a topology");
            cluster.spec.nodes_per_racks = Some(3);
        });
        reach(&mut world, Required);
        world.settle();
        assert_eq!(world.pods.len(), 12);
        assert_eq!(modes(&world), [Required].into());
    }
}

#[test]
fn nothing_rolls_before_the_secret_is_usable() {
    let broken = SecretState::Broken("Secret demo-ring: tls.key is not the key of tls.crt".into());
    for secret in [SecretState::Missing, broken] {
        // Without a password, which the operator would make.
        let mut world = World::new(THREE_RACKS);
        world.secret = SecretState::Usable;
        world.edit(|cluster| turn(cluster, NodeTransport::ManagementApi));
        world.settle();
        world.secret = secret;
        world.edit(|cluster| set(cluster, Required, Some("demo-ring")));
        for _ in 0..5 {
            world.pass();
            world.tick();
        }
        assert_eq!(sets(&world), []);
        assert_eq!(modes(&world), [Disabled].into());
        for condition in ["Progressing", "Degraded"] {
            let told = world.condition(condition);
            assert!(told.contains("demo-"), "{condition} {told}");
        }
        assert!(world.condition("Available").starts_with("True"));
        world.secret = SecretState::Usable;
        go_to(&mut world, Required);
        // It is lost: whatever serves goes on.
        world.secret = SecretState::Missing;
        for _ in 0..5 {
            world.pass();
            world.tick();
        }
        assert_eq!(modes(&world), [Required].into());
        assert!(world.pods.values().all(|pod| pod.node == Node::Normal));
        let told = world.condition("Degraded");
        assert!(told.contains("Secret demo-"), "{told}");
    }
}

#[test]
fn the_secret_changes_only_while_nothing_is_encrypted() {
    let mut world = ring(Disabled);
    world.secret = SecretState::Usable;
    world.edit(|cluster| set(cluster, Required, Some("demo-old")));
    world.settle();
    world.edit(|cluster| set(cluster, Required, Some("demo-new")));
    world.pass();
    let told = world.condition("SpecAccepted");
    assert!(
        told.starts_with("False") && told.contains("demo-old"),
        "{told}"
    );
    for _ in 0..5 {
        world.pass();
        world.tick();
    }
    assert_eq!(sets(&world), []);
    world.edit(|cluster| set(cluster, Optional, Some("demo-old")));
    go_to(&mut world, Optional);
    // Both in one edit: no node encrypts before all have the new one.
    world.edit(|cluster| set(cluster, Required, Some("demo-new")));
    let secrets = |world: &World| {
        let pods = world.pods.values();
        let secrets = pods.map(|pod| pod.secrets.internode.clone());
        secrets.collect::<BTreeSet<_>>()
    };
    while modes(&world) == [Optional].into() {
        world.pass();
        world.tick();
    }
    assert_eq!(secrets(&world), [Some("demo-new".to_owned())].into());
    go_to(&mut world, Required);
    // The word is taken out: the Secret that is mounted is used until the end.
    world.edit(|cluster| cluster.spec.tls = None);
    while modes(&world) != [Disabled].into() {
        assert!(
            secrets(&world)
                .iter()
                .flatten()
                .all(|secret| secret == "demo-new")
        );
        world.pass();
        world.tick();
    }
}

#[test]
fn operations_wait_for_the_last_step() {
    let mut world = ring(Disabled);
    world.edit(|cluster| set(cluster, Required, None));
    world.pass();
    world.annotate("flush", Some("f1"));
    while modes(&world) != [Required].into() {
        world.pass();
        world.tick();
        assert!(world.at_work.is_empty(), "none begins between the steps");
    }
    world.settle();
    assert_eq!(world.operation("flush").phase, OperationPhase::Succeeded);
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
            set(cluster, Required, None);
            cluster.spec.config =
                Some(json!({ "cassandra-yaml": { "server_encryption_options": {} } }));
        }),
        told(|cluster| {
            set(cluster, Disabled, None);
            cluster.spec.config =
                Some(json!({ "cassandra-yaml": { "server_encryption_options": {} } }));
        }),
    ];
    let mut old = World::new(THREE_RACKS);
    old.edit(|cluster| {
        set(cluster, Optional, None);
        cluster.spec.cassandra_image = Some("cassandra:4.0.17".into());
    });
    old.pass();
    let told = [told.join("\n"), old.condition("SpecAccepted")];
    insta::assert_snapshot!(told.join("\n"));
}

/// The judgement about a change of a formed ring.
fn judged(world: &mut World, change: impl FnOnce(&mut CassandraCluster)) -> String {
    let before = sets(world);
    world.edit(change);
    world.pass();
    let judged = world.condition("SpecAccepted");
    if judged.starts_with("False") {
        assert_eq!(sets(world), before, "{judged}");
    }
    judged
}

#[test]
fn clusters_that_are_linked_by_seeds_take_one_step_at_a_time() {
    let mut world = World::formed(THREE_RACKS);
    world.edit(|cluster| cluster.spec.seeds = vec!["elsewhere".into()]);
    world.secret = SecretState::Usable;
    world.settle();
    let told = judged(&mut world, |cluster| set(cluster, Optional, None));
    assert!(told.contains("names no Secret"), "{told}");
    let told = judged(&mut world, |cluster| set(cluster, Required, Some("ring")));
    assert!(
        told.contains("set Optional in all clusters first"),
        "{told}"
    );
    let told = judged(&mut world, |cluster| set(cluster, Optional, Some("ring")));
    assert!(told.starts_with("True"), "{told}");
}

#[test]
fn nodes_that_encrypt_by_a_section_of_the_user_end_that_first() {
    let mut world = World::new(THREE_RACKS);
    let section = json!({ "cassandra-yaml": { "server_encryption_options": { "internode_encryption": "all" } } });
    world.edit(|cluster| cluster.spec.config = Some(section));
    world.settle();
    let told = judged(&mut world, |cluster| {
        cluster.spec.config = None;
        set(cluster, Required, None);
    });
    assert!(told.contains("internode_encryption to none"), "{told}");
}

#[test]
fn a_release_without_certificates_in_pem_is_refused_whatever_the_tag_says() {
    let mut world = World::new(THREE_RACKS);
    world.version = "4.0.12".into();
    world.edit(|cluster| cluster.spec.cassandra_image = Some("registry/cassandra:prod".into()));
    world.settle();
    let told = judged(&mut world, |cluster| set(cluster, Required, None));
    assert!(told.contains("cannot read certificates in PEM"), "{told}");
}

#[test]
fn a_secret_for_two_uses_is_refused() {
    let mut world = World::formed(THREE_RACKS);
    world.secret = SecretState::Usable;
    let told = judged(&mut world, |cluster| {
        set(cluster, Required, Some("both"));
        let tls = cluster.spec.tls.as_mut().expect("it is set");
        tls.client = Some(ClientTls {
            mode: ClientMode::Required,
            secret_name: Some("both".into()),
            require_client_auth: None,
        });
    });
    assert!(told.contains("use a Secret for each"), "{told}");
}

#[test]
fn a_second_port_for_clients_is_refused() {
    let mut world = World::formed(THREE_RACKS);
    let told = judged(&mut world, |cluster| {
        let port = json!({ "cassandra-yaml": { "native_transport_port_ssl": 9142 } });
        cluster.spec.config = Some(port);
        cluster.spec.tls = Some(Tls {
            internode: None,
            client: Some(ClientTls {
                mode: ClientMode::Required,
                ..ClientTls::default()
            }),
        });
    });
    assert!(told.contains("plain connections whatever"), "{told}");
}
