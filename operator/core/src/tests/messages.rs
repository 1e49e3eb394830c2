//! The messages of the conditions.

use casskop_common::api::NodeTransport;
use jiff::SignedDuration;

use crate::{
    node::NodeError,
    observed::SecretState,
    simulation::{Node, THREE_RACKS, World},
};

fn conditions(world: &World) -> String {
    let conditions = world.status().conditions;
    let lines = conditions.iter().map(|condition| {
        format!(
            "{}={} {}: {}",
            condition.type_, condition.status, condition.reason, condition.message
        )
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn while_the_ring_forms() {
    let mut world = World::new(THREE_RACKS);
    world.pass();
    world.tick();
    world.pass();
    insta::assert_snapshot!(conditions(&world));
}

#[test]
fn of_a_ring_that_is_well() {
    insta::assert_snapshot!(conditions(&World::formed(THREE_RACKS)));
}

#[test]
fn of_a_node_that_hangs() {
    let mut world = World::formed(THREE_RACKS);
    world.pods.get_mut("demo-dc1-rack2-0").expect("a pod").node = Node::Hanging;
    world.pass();
    insta::assert_snapshot!(conditions(&world));
}

#[test]
fn of_a_node_whose_machine_is_lost() {
    let mut world = World::formed(THREE_RACKS);
    world.pods.get_mut("demo-dc1-rack2-0").expect("a pod").node = Node::Lost;
    let plan = world.plan();
    assert!(plan.objects.is_empty() && plan.removals.is_empty());
    world.pass();
    insta::assert_snapshot!(conditions(&world));
}

#[test]
fn of_a_secret_that_is_missing_or_broken() {
    let named = format!("{THREE_RACKS}  imageJolokiaSecret: {{ name: mine }}\n");
    let mut world = World::new(&named);
    world.pass();
    insta::assert_snapshot!("missing", world.condition("Degraded"));
    world.secret =
        SecretState::Broken("Secret mine has no username and password: add both keys".into());
    world.pass();
    insta::assert_snapshot!("broken", world.condition("Degraded"));
}

/// The agent reads the algorithm of its key once.
#[test]
fn of_nodes_that_keep_their_certificate() {
    let world = World::formed(THREE_RACKS);
    let told = |started: &str, restarted: usize| {
        let mut state = world.state();
        state.key_algorithms = [("demo-tls".to_owned(), "RSA")].into();
        for (index, pod) in state.pods.values_mut().enumerate() {
            let algorithm = if index < restarted { "RSA" } else { started };
            pod.key_algorithm = Some(algorithm.to_owned());
            pod.secrets.certificates = Some("demo-tls".into());
        }
        let plan = world.plan_for(&mut state);
        let conditions = plan.status.conditions.into_iter();
        let mut degraded = conditions.filter(|condition| condition.type_ == "Degraded");
        let degraded = degraded.next().expect("a condition");
        format!(
            "{} {}: {}",
            degraded.status, degraded.reason, degraded.message
        )
    };
    insta::assert_snapshot!([told("EC", 0), told("EC", 2), told("RSA", 0)].join("\n"), @r"
    True NodesUnhealthy: demo-dc1-rack1-0 keeps its certificate until that expires: its agent was started with a private key of the algorithm EC, as in 2 more, and Secret demo-tls has one of RSA now; restart the nodes (operation restart), or restore the Secret
    True NodesUnhealthy: demo-dc1-rack3-0 keeps its certificate until that expires: its agent was started with a private key of the algorithm EC, and Secret demo-tls has one of RSA now; restart the nodes (operation restart), or restore the Secret
    False Healthy: no node has a fault
    ");
}

#[test]
fn of_fields_that_are_accepted_and_not_used() {
    let mut world = World::new(THREE_RACKS);
    world.edit(|cluster| {
        cluster.spec.config_builder_image = Some("datastax/cass-config-builder:1.0.4".into());
        cluster.spec.bootstrap_image = Some("example/casskop-bootstrap:0.1.21".into());
        cluster.spec.back_rest_sidecar = Some(casskop_common::api::BackRestSidecar::default());
        cluster.spec.unlock_next_operation = Some(true);
        cluster.spec.no_check_sts_are_equal = Some(true);
        cluster.spec.auto_pilot = Some(true);
        cluster.spec.delete_pvc = Some(true);
        cluster.spec.data_capacity = None;
        cluster.spec.config = Some(serde_json::json!({ "logback-xml": {}, "cassandra-yaml": {} }));
    });
    world.pass();
    insta::assert_snapshot!(world.condition("SpecAccepted"));
}

#[test]
fn of_configuration_that_cannot_be() {
    let mut told = Vec::new();
    for config in [
        r#"{"cassandra-yaml": {"seed_provider": []}}"#,
        r#"{"cassandra-yaml": "num_tokens: 4"}"#,
        r#"{"jvm-options": {"heap": "1G"}}"#,
        r#"{"jvm-options": ["Xmx1G"]}"#,
    ] {
        let mut world = World::new(THREE_RACKS);
        world.edit(|cluster| {
            cluster.spec.config = Some(serde_json::from_str(config).expect("JSON"));
        });
        world.pass();
        assert!(
            world.live.stateful_sets.is_empty(),
            "nothing is made from it"
        );
        told.push(world.condition("SpecAccepted"));
    }
    insta::assert_snapshot!(told.join("\n"));
}

const QUOTA: &str = "pods \"demo-dc1-rack1-0\" is forbidden: exceeded quota: small, requested: requests.memory=2Gi, used: requests.memory=0, limited: requests.memory=1Gi";

#[test]
fn of_a_pod_that_a_quota_refuses_while_the_ring_forms() {
    let mut world = World::new(THREE_RACKS);
    world.pass();
    let uid = "set-1".to_owned();
    let set = world.live.stateful_sets.get_mut("demo-dc1-rack1");
    set.expect("a rack").metadata.uid = Some(uid.clone());
    world.live.warnings.insert(uid, QUOTA.to_owned());
    world.pass();
    insta::assert_snapshot!(world.condition("Degraded"));
}

#[test]
fn of_a_pod_and_of_a_volume_that_wait() {
    let world = World::formed(THREE_RACKS);
    let mut told = Vec::new();
    for (name, mount) in [("a Secret to mount", true), ("a volume", false)] {
        let mut state = world.state();
        let pod = state.pods.get_mut("demo-dc1-rack1-0").expect("a pod");
        pod.ready = false;
        state.nodes.remove("demo-dc1-rack1-0");
        let words = if mount {
            (
                pod.uid.clone(),
                "FailedMount: MountVolume.SetUp failed for volume \"tls\": secret \"tls\" not found",
            )
        } else {
            pod.problem =
                Some("cannot be placed: pod has unbound immediate PersistentVolumeClaims".into());
            let volume = state
                .live
                .volumes
                .get_mut("data-demo-dc1-rack1-0")
                .expect("a volume");
            volume.capacity = None;
            (
                volume.uid.clone(),
                "ProvisioningFailed: storageclass.storage.k8s.io \"fast\" not found",
            )
        };
        told.push(format!(
            "{name}: {}",
            state.health_problem("demo-dc1-rack1-0").unwrap()
        ));
        state.live.warnings.insert(words.0, words.1.to_owned());
        told.push(format!(
            "{name}: {}",
            state.health_problem("demo-dc1-rack1-0").unwrap()
        ));
    }
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn of_pods_that_are_ready_and_not_reachable_from_the_operator() {
    let mut world = World::formed(THREE_RACKS);
    world.cut = true;
    world.pass();
    insta::assert_snapshot!(conditions(&world));
    world.pods.get_mut("demo-dc1-rack2-0").expect("a pod").node = Node::Broken;
    world.pass();
    let degraded = world.condition("Degraded");
    assert!(degraded.starts_with("True NodesUnhealthy"), "{degraded}");
}

#[test]
fn of_pods_that_are_not_reachable_while_the_ring_forms() {
    let mut world = World::new(THREE_RACKS);
    world.cut = true;
    for _ in 0..10 {
        world.pass();
        world.tick();
    }
    let degraded = world.condition("Degraded");
    assert!(degraded.starts_with("True NodesUnreachable"), "{degraded}");
}

/// An image without the agent runs for ever, and Kubernetes knows nothing of it.
#[test]
fn of_a_container_in_which_nothing_listens() {
    const POD: &str = "demo-dc1-rack1-0";
    let mut world = World::new(THREE_RACKS);
    world.pass();
    world.tick();
    let told = |minutes, kind| {
        let mut state = world.state();
        let since = state.now - SignedDuration::from_mins(minutes);
        let pod = state.pods.get_mut(POD).expect("a pod");
        pod.runs_since = Some(since);
        pod.transport = kind;
        let refused = Err(NodeError::Refused);
        state.nodes.insert(POD.into(), refused);
        assert_eq!(state.is_mute(POD), minutes > 1);
        // A node that is late is none of them: it may replay its commit log.
        for late in [NodeError::Timeout(4), NodeError::Occupied(4)] {
            let mut state = state.clone();
            state.nodes.insert(POD.into(), Err(late));
            assert!(!state.is_mute(POD));
        }
        state.own_health_problem(POD).expect("it does not run yet")
    };
    let brief = told(1, NodeTransport::Jolokia);
    let [jolokia, management_api] =
        [NodeTransport::Jolokia, NodeTransport::ManagementApi].map(|kind| told(2, kind));
    insta::assert_snapshot!([brief, jolokia, management_api].join("\n"));
}
