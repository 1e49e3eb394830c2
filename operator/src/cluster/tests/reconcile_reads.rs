//! The reads of a reconciliation, their freshness, and the preconditions of its writes.

use std::{net::TcpListener, sync::Arc};

use casskop_common::{names, operations::OperationKind};
use k8s_openapi::api::core::v1::Pod;
use kube::runtime::controller::Action;
use serde_json::{Value, json};

use crate::{
    api_server::{ApiServer, Rival},
    cluster::{
        AFTER_CONFLICT, act,
        tests::{CLUSTER, RACK, condition, edit, manifest, operator, pass},
    },
    context::Context,
};
use casskop_core::{
    objects::Object,
    simulation::{THREE_RACKS, World},
};

fn server() -> ApiServer {
    let server = ApiServer::default();
    server.with(|state| state.put(CLUSTER, manifest()));
    server
}

/// Reconciles until there is nothing left to write.
async fn rest(server: &ApiServer, ctx: &Arc<Context>) {
    for _ in 0..10 {
        server.asked();
        pass(server, ctx).await.unwrap();
        if server.asked().iter().all(|asked| asked.starts_with("GET")) {
            return;
        }
    }
    unreachable!("it keeps writing");
}

/// The number of lists that may be answered from the cache, and of those that may not.
fn lists(asked: &[String]) -> (usize, usize) {
    let lists = asked.iter().filter(|asked| asked.contains("labelSelector"));
    let (recent, now): (Vec<_>, Vec<_>) =
        lists.partition(|list| list.contains("resourceVersionMatch=NotOlderThan"));
    (recent.len(), now.len())
}

fn set_image(server: &ApiServer, image: &str) {
    edit(server, CLUSTER, |cluster| {
        cluster["spec"]["cassandraImage"] = json!(image);
    });
}

fn image(server: &ApiServer) -> Value {
    let rack = server.with(|state| state.objects[RACK].clone());
    let containers = rack["spec"]["template"]["spec"]["containers"].clone();
    let mut containers = containers.as_array().unwrap().iter();
    let cassandra = containers.find(|container| container["name"] == "cassandra");
    cassandra.unwrap()["image"].clone()
}

fn degraded(server: &ApiServer) -> String {
    let degraded = condition(server, "Degraded");
    format!("{} {}", degraded["reason"], degraded["message"])
}

#[tokio::test(start_paused = true)]
async fn a_pass_without_effect_reads_each_thing_once_and_from_memory() {
    let server = server();
    let ctx = operator(&server);
    pass(&server, &ctx).await.unwrap();
    let asked = server.asked();
    assert_eq!(
        lists(&asked),
        (0, 14),
        "nothing was seen before, and there is much to write"
    );
    rest(&server, &ctx).await;
    pass(&server, &ctx).await.unwrap();
    let asked = server.with(|state| state.asked.clone());
    assert_eq!(
        asked.len(),
        10,
        "the cluster, two Secrets, seven lists; events were read a moment ago: {asked:#?}"
    );
    assert_eq!(lists(&server.asked()), (7, 0));
}

#[tokio::test]
async fn what_a_watch_told_is_not_forgotten() {
    let server = server();
    let ctx = operator(&server);
    rest(&server, &ctx).await;
    let mut pod = Pod::default();
    pod.metadata.resource_version = Some("4711".into());
    ctx.effects.kube.versions.note(&pod);
    pod.metadata.resource_version = Some("42".into());
    ctx.effects.kube.versions.note(&pod);
    pass(&server, &ctx).await.unwrap();
    let asked = server.asked();
    let of = |kind: &str| {
        asked
            .iter()
            .find(|asked| asked.contains(kind))
            .unwrap()
            .clone()
    };
    assert!(
        of("ns/pods?").contains("resourceVersion=4711&"),
        "{}",
        of("ns/pods?")
    );
    assert!(
        !of("ns/services?").contains("4711"),
        "{}",
        of("ns/services?")
    );
}

#[tokio::test]
async fn a_memory_that_does_not_know_the_version_is_passed_over() {
    let server = server();
    let ctx = operator(&server);
    rest(&server, &ctx).await;
    server.with(|state| state.forgetful = true);
    pass(&server, &ctx).await.unwrap();
    assert_eq!(lists(&server.asked()), (7, 7));
}

#[tokio::test]
async fn what_is_written_rests_on_what_is_there_now() {
    let server = server();
    let ctx = operator(&server);
    rest(&server, &ctx).await;
    // The cache still has one pod for the rack after another writer has requested a second one.
    server.with(|state| state.memory = Some(state.objects.clone()));
    edit(&server, RACK, |rack| rack["spec"]["replicas"] = json!(2));
    edit(&server, CLUSTER, |cluster| {
        cluster["spec"]["nodesPerRacks"] = json!(2);
    });
    set_image(&server, "cassandra:5.0.1");
    pass(&server, &ctx).await.unwrap();
    assert_eq!(image(&server), "cassandra:5.0.1");
    let rack = server.with(|state| state.objects[RACK].clone());
    assert_eq!(rack["spec"]["replicas"], 2);
}

#[tokio::test]
async fn a_rack_that_changed_since_it_was_seen_is_looked_at_again() {
    let server = server();
    let ctx = operator(&server);
    rest(&server, &ctx).await;
    set_image(&server, "cassandra:5.0.1");
    server.with(|state| {
        state.rival = Some(Rival {
            object: "statefulsets/demo-dc1-rack1",
            change: |_| (),
        });
    });
    let next = pass(&server, &ctx).await.unwrap();
    assert_eq!(next, Action::requeue(AFTER_CONFLICT));
    assert_eq!(image(&server), "cassandra:5.0");
    assert!(
        !degraded(&server).contains("ApplyFailed"),
        "{}",
        degraded(&server)
    );
    pass(&server, &ctx).await.unwrap();
    assert_eq!(image(&server), "cassandra:5.0.1");
}

#[tokio::test]
async fn a_rack_that_cannot_be_found_is_not_written() {
    let server = server();
    let ctx = operator(&server);
    rest(&server, &ctx).await;
    edit(&server, RACK, |rack| {
        rack["metadata"]["labels"]["app"] = json!("mine");
    });
    let before = server.with(|state| state.objects[RACK].clone());
    pass(&server, &ctx).await.unwrap_err();
    assert_eq!(server.with(|state| state.objects[RACK].clone()), before);
    assert!(
        degraded(&server).contains("set app=cassandracluster on it"),
        "{}",
        degraded(&server)
    );
}

#[tokio::test]
async fn a_node_that_was_silent_is_not_waited_for_as_long() {
    let server = server();
    let ctx = operator(&server);
    rest(&server, &ctx).await;
    // The node accepts connections, and does not answer.
    let _hanging = TcpListener::bind(("127.0.12.1", names::JOLOKIA_PORT)).unwrap();
    let labels = json!({ "app": "cassandracluster", "cassandracluster": "demo",
        names::DC_LABEL: "dc1", names::RACK_LABEL: "rack1" });
    let pod = json!({
        "metadata": { "name": "demo-dc1-rack1-0", "labels": labels },
        "status": { "podIP": "127.0.12.1", "conditions": [{ "type": "Ready", "status": "True" }] },
    });
    server.with(|state| state.put("/api/v1/namespaces/ns/pods/demo-dc1-rack1-0", pod));
    let message = || {
        let cluster = server.with(|state| state.objects[CLUSTER].clone());
        cluster["status"]["cassandraNodeStatus"]["demo-dc1-rack1-0"]["message"].clone()
    };
    for patience in ["within 4 s", "within 1 s"] {
        pass(&server, &ctx).await.unwrap();
        let told = message().to_string();
        assert!(told.contains(patience), "{told}");
    }
}

#[test]
fn what_takes_a_node_away_is_decided_from_what_is_there_now() {
    for (kind, certain) in [
        ("cleanup", false),
        ("flush", false),
        ("drain --pod demo-dc1-rack1-0", true),
        ("restart", true),
    ] {
        let mut world = World::formed(THREE_RACKS);
        let (kind, arguments) = kind.split_once(' ').unwrap_or((kind, ""));
        world.annotate(kind, Some(&format!("a {arguments}")));
        let plan = world.plan();
        assert_eq!(plan.operations.len(), 1, "{kind} is asked for");
        assert_eq!(plan.starts.len(), 1, "{kind} begins");
        assert_eq!(act::needs_certainty(&plan), certain, "{kind}");
    }
    let mut world = World::new(THREE_RACKS);
    world.edit(|cluster| cluster.spec.nodes_per_racks = Some(2));
    world.settle();
    assert!(
        !act::needs_certainty(&world.plan()),
        "nothing is to be done"
    );
    world.edit(|cluster| cluster.spec.nodes_per_racks = Some(1));
    let plan = world.plan();
    assert_eq!(plan.operations[0].after.kind, OperationKind::Decommission);
    assert!(matches!(plan.objects[..], [Object::ConfigMap(_)]));
    assert!(plan.removals.is_empty());
    assert!(act::needs_certainty(&plan), "a node is to leave");
}
