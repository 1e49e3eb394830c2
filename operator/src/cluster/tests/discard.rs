//! The volumes and the pod of a node whose data is discarded.

use std::sync::Arc;

use casskop_common::{
    api::{NodePhase, VolumeRef},
    operations::Arguments,
};
use serde_json::{Value, json};

use crate::{
    api_server::ApiServer,
    cluster::tests::{operator, password},
    executor::{NodeTask, Position},
    kubernetes::status_store::ClusterRef,
};
use casskop_core::{
    operations::behaviour,
    scheduler::{Start, Step},
    simulation::{THREE_RACKS, World},
};

const UID: &str = "01234567-89ab-cdef-0123-456789abcdef";
const CLUSTER: &str = "/apis/db.orange.com/v2/namespaces/ns/cassandraclusters/demo";
const RACK: &str = "/api/v1/namespaces/ns/configmaps/demo-dc1-rack1";
const POD: &str = "/api/v1/namespaces/ns/pods/demo-dc1-rack1-0";
const VOLUME: &str = "/api/v1/namespaces/ns/persistentvolumeclaims/data-demo-dc1-rack1-0";

/// The pod was created anew after the operation recorded it, and keeps the recorded volume from going.
#[tokio::test]
async fn a_pod_that_was_created_anew_on_a_discarded_volume_goes_too_with_a_short_grace_period() {
    let server = ApiServer::default();
    let mut cluster: Value = serde_saphyr::from_str(THREE_RACKS).unwrap();
    let arguments = format!("--pod demo-dc1-rack1-0 --cluster-uid {UID}");
    cluster["status"] = json!({ "operations": [{
        "kind": "remove", "id": "a", "arguments": arguments, "phase": "Running", "reason": "Running",
        "plan": { "waves": [["demo-dc1-rack1-0"]], "steps": ["volumes"] },
        "nodes": [{ "pod": "demo-dc1-rack1-0", "podUid": "older", "phase": "Running", "step": "volumes",
            "attempts": 1, "progress": { "done": 0, "total": 1, "unit": "steps" } }],
    }] });
    let uid = server.with(|state| {
        state.put(RACK, json!({ "data": { "nodes.json": "{}" } }));
        state.put(POD, json!({ "metadata": { "name": "demo-dc1-rack1-0" } }));
        let protection = ["kubernetes.io/pvc-protection"];
        state.put(
            VOLUME,
            json!({ "metadata": { "name": "data", "finalizers": protection } }),
        );
        let uid = |path: &str| {
            state.objects[path]["metadata"]["uid"]
                .as_str()
                .unwrap()
                .to_owned()
        };
        let volume = uid(VOLUME);
        (
            state.put(CLUSTER, cluster)["metadata"]["uid"].clone(),
            volume,
        )
    });
    let ctx = operator(&server);
    let read = ctx.effects.store.read("ns", "demo").await.unwrap().unwrap();
    let operation = read.status.unwrap().operations.remove(0);
    let arguments = Arguments::recorded(&operation.kind, &operation.arguments).unwrap();
    let spec = World::new(THREE_RACKS).cluster.spec;
    let step = Step {
        name: "volumes".into(),
        action: behaviour(&arguments.operation).action("volumes", &spec),
    };
    let task = NodeTask {
        cluster: ClusterRef {
            namespace: "ns".into(),
            name: "demo".into(),
            uid: uid.0.as_str().unwrap().into(),
        },
        start: Start {
            kind: arguments.operation.kind(),
            id: "a".into(),
            steps: vec![step].into(),
            operation: Arc::new(arguments.operation),
            pod: "demo-dc1-rack1-0".into(),
            pod_uid: "older".into(),
            container: String::new(),
            host_id: "h".into(),
            volumes: vec![VolumeRef {
                name: "data-demo-dc1-rack1-0".into(),
                uid: uid.1,
            }],
            resume: true,
            index: 0,
            attempts: 1,
            job: None,
            executor: String::new(),
        },
        executor: ctx.executor.identity.clone(),
        access: password(),
        position: Position::at(0),
    };
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
