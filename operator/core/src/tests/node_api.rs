//! `nodeApi.kind: ManagementApi`: pods with another agent, and operations that it has no way to do.

use std::sync::Arc;

use casskop_common::{
    api::{NodeApi, NodeApiKind, NodeTls, OperationPhase, OperationReason},
    operations::decommission::Decommission,
};
use serde_json::Value;

use crate::{
    desired::desired,
    node::{Reading, Replication, UNKNOWN_HOST_ID},
    objects::Object,
    observed::SecretState,
    operations::Behaviour,
    simulation::{Node, THREE_RACKS, World},
};

fn by_management_api(world: &mut World) {
    world.edit(|cluster| {
        cluster.spec.node_api = Some(NodeApi {
            kind: NodeApiKind::ManagementApi,
            tls: None,
            tls_secret_name: Some("demo-tls".into()),
        });
        cluster.spec.cassandra_image = Some("k8ssandra/cass-management-api:5.0.9-ubi".into());
    });
}

/// A ring of nodes with the Management API.
fn formed() -> World {
    let mut world = World::new(THREE_RACKS);
    world.secret = SecretState::Usable;
    by_management_api(&mut world);
    world.settle();
    world
}

/// The pod template of the first StatefulSet that is written.
fn template(world: &World) -> Value {
    let objects = world.plan().objects;
    let mut sets = objects.iter().filter_map(|object| match object {
        Object::StatefulSet(set) => Some(&set.spec.as_ref().expect("a spec").template),
        _ => None,
    });
    serde_json::to_value(sets.next().expect("a StatefulSet")).expect("JSON")
}

#[test]
fn the_entry_point_of_the_image_starts_cassandra_and_the_server_over_tls() {
    let mut world = World::new(THREE_RACKS);
    world.secret = SecretState::Usable;
    by_management_api(&mut world);
    // A user cannot say that a pod was started in another way.
    world.edit(|cluster| {
        let pod = cluster.spec.pod.get_or_insert_default();
        let spoofed = ("db.orange.com/node-api".into(), "Jolokia".into());
        pod.annotations.extend([spoofed]);
    });
    let template = template(&world);
    assert_eq!(
        template["metadata"]["annotations"]["db.orange.com/node-api"],
        "ManagementApi"
    );
    let pod = &template["spec"];
    let containers = pod["containers"].as_array().expect("containers");
    let cassandra = containers.last().expect("one");
    assert!(cassandra["command"].is_null(), "{}", cassandra["command"]);
    insta::assert_json_snapshot!(serde_json::json!({
        "bootstrap": { "args": pod["initContainers"][1]["args"], "mounts": pod["initContainers"][1]["volumeMounts"] },
        "environment": cassandra["env"],
        "lifecycle": cassandra["lifecycle"],
        "mounts": cassandra["volumeMounts"],
        "ports": cassandra["ports"],
        "secret": pod["volumes"].as_array().expect("volumes").iter().find(|volume| !volume["secret"].is_null()),
    }));
}

#[test]
fn a_user_cannot_say_that_a_pod_was_started_in_another_way() {
    let mut world = World::new(THREE_RACKS);
    world.secret = SecretState::Usable;
    world.edit(|cluster| {
        let pod = cluster.spec.pod.get_or_insert_default();
        let spoofed = ("db.orange.com/node-api".into(), "ManagementApi".into());
        pod.annotations.extend([spoofed]);
    });
    let annotations = &template(&world)["metadata"]["annotations"];
    assert!(
        annotations["db.orange.com/node-api"].is_null(),
        "{annotations}"
    );
}

#[test]
fn a_missing_secret_that_the_spec_names_is_told_and_never_made() {
    let mut world = World::new(THREE_RACKS);
    by_management_api(&mut world);
    let plan = world.plan();
    assert!(!plan.make_secret);
    world.pass();
    let told = world.condition("Degraded");
    assert!(
        told.contains("Secret demo-tls of spec.nodeApi.tlsSecretName"),
        "{told}"
    );
}

#[test]
fn the_operator_makes_certificates_where_the_spec_names_none() {
    let mut world = World::new(THREE_RACKS);
    by_management_api(&mut world);
    world.edit(|cluster| {
        let api = cluster.spec.node_api.as_mut().expect("a transport");
        api.tls_secret_name = None;
    });
    assert!(world.plan().make_secret);
    let template = template(&world);
    let volumes = template["spec"]["volumes"].as_array().expect("volumes");
    let mut secrets = volumes.iter().filter(|volume| !volume["secret"].is_null());
    let secret = secrets.next().expect("a Secret");
    assert_eq!(secret["secret"]["secretName"], "demo-node-tls");
    assert_eq!(
        secrets.next(),
        None,
        "the key of the authority stays with the operator"
    );
    world.settle();
    assert!(world.is_settled());
    assert!(!world.plan().make_secret);

    // Without a renewal the nodes would not be ready in the end, so a pause does not hold it back.
    world.annotate("reconcile", Some("paused"));
    world.secret = SecretState::Missing;
    assert!(!world.plan().make_secret);
    world.secret = SecretState::Outdated;
    assert!(world.plan().make_secret);
}

fn by_jolokia_over_tls(world: &mut World, secret: Option<&str>) {
    world.edit(|cluster| {
        cluster.spec.node_api = Some(NodeApi {
            kind: NodeApiKind::Jolokia,
            tls: Some(NodeTls::Enabled),
            tls_secret_name: secret.map(str::to_owned),
        });
    });
}

#[test]
fn over_tls_the_pods_of_jolokia_have_the_password_and_the_certificates() {
    let mut world = World::new(THREE_RACKS);
    by_jolokia_over_tls(&mut world, None);
    let template = template(&world);
    let annotations = &template["metadata"]["annotations"];
    assert_eq!(annotations["db.orange.com/node-api"], "JolokiaTls");
    let spec = &template["spec"];
    let volumes = spec["volumes"].as_array().expect("volumes");
    let secrets = volumes
        .iter()
        .filter_map(|volume| volume["secret"]["secretName"].as_str());
    let secrets: Vec<&str> = secrets.collect();
    assert_eq!(secrets, ["demo-jolokia", "demo-node-tls"]);
    let mounted = |container: &Value| {
        let mounts = container["volumeMounts"].as_array().expect("mounts");
        let paths = mounts
            .iter()
            .filter_map(|mount| mount["mountPath"].as_str());
        let secrets = paths.filter(|path| ["/casskop-jolokia", "/casskop-node-tls"].contains(path));
        secrets.map(str::to_owned).collect::<Vec<_>>()
    };
    let bootstrap = &spec["initContainers"][1];
    let arguments = ["bootstrap", "--jolokia-tls", "/casskop-node-tls"];
    assert_eq!(bootstrap["args"], serde_json::json!(arguments));
    assert_eq!(
        mounted(bootstrap),
        ["/casskop-jolokia", "/casskop-node-tls"]
    );
    let cassandra = &spec["containers"][0];
    // Only what is renewed while Cassandra runs.
    assert_eq!(mounted(cassandra), ["/casskop-node-tls"]);
    assert_eq!(cassandra["command"], serde_json::json!(["cassandra", "-f"]));
    world.settle();
    assert!(world.is_settled());
}

/// The operator makes one of the Secrets, and the spec names the other one.
#[test]
fn each_of_two_secrets_is_judged_by_its_own_name() {
    use SecretState::{Broken, Missing, Usable};
    let mut world = World::new(THREE_RACKS);
    by_jolokia_over_tls(&mut world, Some("demo-tls"));
    let desired = desired(&world.cluster, &world.around).expect("it is accepted");
    let with = |password: SecretState, certificates: SecretState| {
        let both = [("demo-jolokia", password), ("demo-tls", certificates)];
        let secrets = both.map(|(name, state)| (name.to_owned(), state)).into();
        let problem = desired.secret_problem(&secrets);
        (desired.makes_secret(&secrets), problem)
    };
    assert_eq!(with(Usable, Usable), (false, None));
    assert_eq!(with(Missing, Usable), (true, None));
    let (makes, problem) = with(Usable, Missing);
    let problem = problem.expect("the spec names it");
    assert!(
        !makes && problem.contains("Secret demo-tls of spec.nodeApi.tlsSecretName"),
        "{problem}"
    );
    let broken = || Broken("it is broken".to_owned());
    assert_eq!(
        with(Usable, broken()),
        (false, Some("it is broken".to_owned()))
    );
    assert_eq!(
        with(broken(), Usable),
        (false, Some("it is broken".to_owned()))
    );
}

#[test]
fn what_the_transport_has_no_way_to_do_is_refused_before_anything_is_called() {
    let requests = [
        ("relocate", "r1"),
        ("snapshot", "s1 --name kept --ttl 1d"),
        ("rebuild", "b1 --from-dc dc2 --keyspace orders"),
        ("flush", "f1"),
        ("snapshot", "s2 --name kept"),
    ];
    let mut told = Vec::new();
    for (kind, request) in requests {
        let mut world = formed();
        world.annotate(kind, Some(request));
        world.pass();
        let operation = world.operation(kind);
        let is_refused = operation.reason == Some(OperationReason::NotSupported);
        assert_eq!(is_refused, operation.phase == OperationPhase::Refused);
        let message = if is_refused {
            &operation.message
        } else {
            "begins"
        };
        told.push(format!("{kind} {request}: {message}"));
    }
    insta::assert_snapshot!(told.join("\n"));
}

/// The call has no keyspace: what is a step for each keyspace by Jolokia is one step.
#[test]
fn a_rebuild_is_one_step() {
    let mut world = formed();
    let factors = Replication::Topology([("dc1".to_owned(), 1), ("dc2".to_owned(), 1)].into());
    world
        .replication
        .values_mut()
        .for_each(|keyspace| keyspace.clone_from(&factors));
    world.annotate("rebuild", Some("b1 --from-dc dc2 --dc dc1"));
    world.pass();
    let operation = world.operation("rebuild");
    let plan = operation.plan.as_ref().expect("a plan");
    assert_eq!(plan.steps, ["all keyspaces"]);
}

/// After a restart of all others, a member that was down is known by its address only.
#[test]
fn a_member_without_a_name_is_neither_forgotten_nor_taken_for_another() {
    const POD: &str = "demo-dc1-rack2-0";
    let mut world = World::formed(THREE_RACKS);
    world.pods.get_mut(POD).expect("a pod").node = Node::Hanging;
    world.pass();
    let nameless = |ip: &str| {
        let mut state = world.state();
        for reading in state.nodes.values_mut().flatten() {
            Arc::make_mut(&mut reading.host_ids).insert(ip.to_owned(), UNKNOWN_HOST_ID.to_owned());
            Arc::make_mut(&mut reading.unreachable).insert(ip.to_owned());
        }
        state
    };
    let told = &world.status().cassandra_node_status[POD];
    let (ip, host_id) = (told.node_ip.clone(), told.host_id.clone());
    assert!(!ip.is_empty() && !host_id.is_empty());

    // Its address is that of a pod of the cluster.
    let state = nameless(&ip);
    assert!(!state.is_forgotten(&host_id));
    assert!(state.external_members().is_empty());
    let readings: Vec<&Reading> = state.members().map(|(_, reading)| reading).collect();
    assert!(!Decommission::default().is_done_for_peers(&host_id, &readings));

    // It may be any member, of this cluster or of another one.
    let state = nameless("10.9.9.9");
    assert!(!state.is_forgotten("no host id of this ring"));
    let external = state.external_members();
    assert_eq!(external.len(), 1, "{external:?}");
    assert!(
        external[0].down && external[0].host_id == UNKNOWN_HOST_ID,
        "{external:?}"
    );
}
