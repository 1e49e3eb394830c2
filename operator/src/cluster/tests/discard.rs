//! The volumes and the pod of a node whose data is discarded.

use casskop_common::api::NodePhase;
use serde_json::{Value, json};

use crate::{
    api_server::ApiServer,
    cluster::tests::{CLUSTER, manifest, operator, task},
};

const UID: &str = "01234567-89ab-cdef-0123-456789abcdef";
const CONFIG: &str = "/api/v1/namespaces/ns/configmaps/demo-dc1-rack1";
const POD: &str = "/api/v1/namespaces/ns/pods/demo-dc1-rack1-0";
const VOLUME: &str = "/api/v1/namespaces/ns/persistentvolumeclaims/data-demo-dc1-rack1-0";

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
    let mut cluster = manifest();
    let arguments = format!("--pod demo-dc1-rack1-0 --cluster-uid {UID}");
    cluster["status"] = json!({ "operations": [{
        "kind": "remove", "id": "a", "arguments": arguments, "phase": "Running", "reason": "Running",
        "plan": { "waves": [["demo-dc1-rack1-0"]], "steps": ["volumes"] },
        "nodes": [{ "pod": "demo-dc1-rack1-0", "podUid": "older", "phase": "Running", "step": "volumes",
            "volumes": [{ "name": "data-demo-dc1-rack1-0", "uid": volume }],
            "attempts": 1, "progress": { "done": 0, "total": 1, "unit": "steps" } }],
    }] });
    let uid = server.with(|state| state.put(CLUSTER, cluster)["metadata"]["uid"].clone());
    let ctx = operator(&server);
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
    let is_done = |phase: &Value| *phase == json!(NodePhase::Succeeded);
    server
        .until(|state| {
            is_done(&state.objects[CLUSTER]["status"]["operations"][0]["nodes"][0]["phase"])
        })
        .await;
}
