//! The volumes and the pod of a node whose data is discarded.

use std::sync::Arc;

use casskop_common::{
    api::{NodePhase, OperationMode},
    names::{self, RackId},
};
use casskop_core::node::Reading;
use serde_json::{Value, json};

use crate::{
    api_server::{ApiServer, State},
    cluster::tests::{CLUSTER, manifest, nodes::Nodes, operator_with, task},
    context::Context,
};

const UID: &str = "01234567-89ab-cdef-0123-456789abcdef";
const CONFIG: &str = "/api/v1/namespaces/ns/configmaps/demo-dc1-rack1";
const POD: &str = "/api/v1/namespaces/ns/pods/demo-dc1-rack1-0";
const VOLUME: &str = "/api/v1/namespaces/ns/persistentvolumeclaims/data-demo-dc1-rack1-0";

/// Host id of the removed node, as every task has it.
const REMOVED: &str = "h";

/// A `remove` whose node has left the ring, and which is about to discard the volume with this UID.
fn removal(pod_uid: &Value, volume: &Value) -> Value {
    let mut cluster = manifest();
    let arguments = format!("--pod demo-dc1-rack1-0 --cluster-uid {UID}");
    cluster["status"] = json!({ "operations": [{
        "kind": "remove", "id": "a", "arguments": arguments, "phase": "Running", "reason": "Running",
        "plan": { "waves": [["demo-dc1-rack1-0"]], "steps": ["volumes"] },
        "nodes": [{ "pod": "demo-dc1-rack1-0", "podUid": pod_uid, "phase": "Running", "step": "volumes",
            "volumes": [{ "name": "data-demo-dc1-rack1-0", "uid": volume }],
            "attempts": 1, "progress": { "done": 0, "total": 1, "unit": "steps" } }],
    }] });
    cluster
}

/// Starts the `remove` of a node while its pod runs the member with this host id. Returns the operator at work, and the
/// UIDs of the pod and of its volume.
async fn start_beside(server: &ApiServer, member: &str) -> (Arc<Context>, Value, Value) {
    let (pod, volume) = server.with(|state| {
        let nodes = json!({ "members": { "demo-dc1-rack1-0": member } }).to_string();
        state.put(CONFIG, json!({ "data": { "nodes.json": nodes } }));
        let labels = names::rack_labels("demo", &RackId::new("dc1", "rack1"));
        let pod = json!({
            "metadata": { "name": "demo-dc1-rack1-0", "labels": labels },
            "status": { "podIP": "10.0.0.7" },
        });
        let pod = state.put(POD, pod)["metadata"]["uid"].clone();
        let volume = json!({ "metadata": { "name": "data" } });
        (pod, state.put(VOLUME, volume)["metadata"]["uid"].clone())
    });
    let cluster = removal(&pod, &volume);
    let uid = server.with(|state| state.put(CLUSTER, cluster)["metadata"]["uid"].clone());
    let reading = Reading {
        mode: OperationMode::Normal,
        local_host_id: member.into(),
        host_ids: Arc::new([("10.0.0.7".to_owned(), member.to_owned())].into()),
        ..Reading::default()
    };
    let nodes = Nodes {
        readings: [("10.0.0.7".to_owned(), reading)].into(),
        ..Nodes::default()
    };
    let ctx = operator_with(server, Box::new(nodes));
    let read = ctx.effects.store.read("ns", "demo").await.unwrap().unwrap();
    let operation = read.status.unwrap().operations.remove(0);
    ctx.executor
        .start(&ctx.effects, task(&ctx, &uid, &operation));
    (ctx, pod, volume)
}

/// Another node, which is a member and has forgotten the removed one.
fn another_member(server: &ApiServer) -> Nodes {
    server.with(|state| {
        let labels = names::rack_labels("demo", &RackId::new("dc1", "rack2"));
        let pod = json!({
            "metadata": { "name": "demo-dc1-rack2-0", "labels": labels },
            "status": { "podIP": "10.0.0.8" },
        });
        state.put("/api/v1/namespaces/ns/pods/demo-dc1-rack2-0", pod);
    });
    let member = Reading {
        mode: OperationMode::Normal,
        local_host_id: "other".into(),
        ..Reading::default()
    };
    Nodes {
        readings: [("10.0.0.8".to_owned(), member)].into(),
        ..Nodes::default()
    }
}

fn assert_kept(server: &ApiServer, pod: &Value, volume: &Value) {
    server.with(|state| {
        assert_eq!(state.objects[POD]["metadata"]["uid"], *pod);
        let kept = &state.objects[VOLUME]["metadata"];
        assert_eq!(
            (&kept["uid"], &kept["deletionTimestamp"]),
            (volume, &Value::Null)
        );
    });
}

/// The operator was down between the change of the ConfigMap and the deletion, and the pod has joined with the recorded
/// volume, which was empty. The next reconciliation has recorded the new member.
#[tokio::test]
async fn a_pod_that_has_joined_anew_keeps_its_volume() {
    let server = ApiServer::default();
    let (_operator, pod, volume) = start_beside(&server, "joined").await;
    server.until(is_done).await;
    assert_kept(&server, &pod, &volume);
}

/// The pod had found its data before the node was removed, and finished its start afterwards: the ConfigMap keeps the
/// member, and a wait for another one would be in vain.
#[tokio::test]
async fn a_removed_node_that_is_in_the_ring_again_is_told_and_keeps_its_volume() {
    let server = ApiServer::default();
    let (_operator, pod, volume) = start_beside(&server, REMOVED).await;
    let is_told = |state: &State| {
        let node = &state.objects[CLUSTER]["status"]["operations"][0]["nodes"][0];
        node.to_string().contains("in its ring again")
    };
    server.until(is_told).await;
    assert_kept(&server, &pod, &volume);
}

/// Whether the node of the operation is done.
fn is_done(state: &State) -> bool {
    let node = &state.objects[CLUSTER]["status"]["operations"][0]["nodes"][0];
    node["phase"] == json!(NodePhase::Succeeded)
}

/// The pod was created anew after the operation recorded it, and keeps the recorded volume from going.
#[tokio::test]
async fn a_pod_that_was_created_anew_on_a_discarded_volume_goes_too_with_a_short_grace_period() {
    let server = ApiServer::default();
    let volume = server.with(|state| {
        state.put(CONFIG, json!({ "data": { "nodes.json": "{}" } }));
        state.put(POD, json!({ "metadata": { "name": "demo-dc1-rack1-0" } }));
        let protection = ["kubernetes.io/pvc-protection"];
        let volume = json!({ "metadata": { "name": "data", "finalizers": protection } });
        state.put(VOLUME, volume)["metadata"]["uid"].clone()
    });
    let cluster = removal(&json!("older"), &volume);
    let uid = server.with(|state| state.put(CLUSTER, cluster)["metadata"]["uid"].clone());
    let ctx = operator_with(&server, Box::new(another_member(&server)));
    let read = ctx.effects.store.read("ns", "demo").await.unwrap().unwrap();
    let operation = read.status.unwrap().operations.remove(0);
    let task = task(&ctx, &uid, &operation);
    ctx.executor.start(&ctx.effects, task);
    server.until(|state| !state.objects.contains_key(POD)).await;
    assert_eq!(server.with(|state| state.grace.take()), Some(json!(30)));
    // Nothing uses the volume any more.
    server.with(|state| {
        let deleted = &state.objects[VOLUME]["metadata"]["deletionTimestamp"];
        assert!(deleted.is_string(), "{deleted}");
        state.objects.remove(VOLUME);
    });
    server.until(is_done).await;
}
