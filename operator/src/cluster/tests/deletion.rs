//! Deletion of a cluster whose volumes are deleted with it.

use std::sync::Arc;

use casskop_common::{api::CassandraCluster, names, readable::Readable};
use serde_json::{Value, json};

use crate::{
    api_server::ApiServer,
    cluster::{self, tests::operator},
};
use casskop_core::simulation::THREE_RACKS;

const CLUSTER: &str = "/apis/db.orange.com/v2/namespaces/ns/cassandraclusters/demo";
const VOLUME: &str = "/api/v1/namespaces/ns/persistentvolumeclaims/data-demo-dc1-rack1-0";
const RACK: &str = "/apis/apps/v1/namespaces/ns/statefulsets/demo-dc1-rack1";
const POD: &str = "/api/v1/namespaces/ns/pods/demo-dc1-rack1-0";

/// A cluster that is being deleted with its volumes. Returns its UID.
fn deleted(server: &ApiServer, finalizers: &[&str]) -> Value {
    let mut cluster: Value = serde_saphyr::from_str(THREE_RACKS).unwrap();
    cluster["spec"]["deletePVC"] = json!(true);
    let metadata = &mut cluster["metadata"];
    metadata["finalizers"] = json!(finalizers);
    metadata["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    server.with(|state| {
        let cluster = state.put(CLUSTER, cluster);
        state.put(VOLUME, object("data-demo-dc1-rack1-0", Value::Null));
        cluster["metadata"]["uid"].clone()
    })
}

fn object(name: &str, owner: Value) -> Value {
    let labels = json!({ "app": "cassandracluster", "cassandracluster": "demo" });
    let owners = match owner {
        Value::Null => json!([]),
        uid => json!([{ "apiVersion": "v1", "kind": "Owner", "name": "demo", "uid": uid }]),
    };
    json!({ "metadata": { "name": name, "labels": labels, "ownerReferences": owners } })
}

/// Whether the volume is still there, and the note of the event.
async fn reconcile(server: &ApiServer) -> (bool, String) {
    let ctx = operator(server);
    let cluster: CassandraCluster =
        serde_json::from_value(server.with(|state| state.objects[CLUSTER].clone())).unwrap();
    cluster::reconcile(Arc::new(Readable(Ok(cluster))), ctx)
        .await
        .unwrap();
    server.with(|state| {
        let finalizers = state.objects[CLUSTER]["metadata"]["finalizers"].to_string();
        assert!(
            !finalizers.contains(names::VOLUMES_FINALIZER),
            "{finalizers}"
        );
        let mut events = state
            .objects
            .iter()
            .filter(|(path, _)| path.contains("/events/"));
        let note = events.next().map(|(_, event)| event["note"].to_string());
        (state.objects.contains_key(VOLUME), note.unwrap_or_default())
    })
}

#[tokio::test]
async fn volumes_go_with_their_cluster() {
    let server = ApiServer::default();
    let uid = deleted(&server, &[names::VOLUMES_FINALIZER]);
    server.with(|state| {
        state.put(RACK, object("demo-dc1-rack1", uid));
        state.put(POD, object("demo-dc1-rack1-0", json!("u-of-the-set")));
    });
    assert_eq!(reconcile(&server).await, (false, String::new()));
}

#[tokio::test]
async fn nothing_is_deleted_with_an_orphaning_deletion() {
    // Before and after the garbage collector has orphaned the StatefulSets and removed its finalizer.
    for finalizers in [
        &[names::VOLUMES_FINALIZER, "orphan"][..],
        &[names::VOLUMES_FINALIZER],
    ] {
        let server = ApiServer::default();
        let uid = deleted(&server, finalizers);
        let owner = if finalizers.len() == 2 {
            uid
        } else {
            Value::Null
        };
        server.with(|state| state.put(RACK, object("demo-dc1-rack1", owner)));
        let (kept, note) = reconcile(&server).await;
        assert!(kept, "{finalizers:?}");
        assert!(note.contains("deletePVC"), "{note}");
    }
}

#[tokio::test]
async fn the_volume_of_a_pod_without_an_owner_stays() {
    let server = ApiServer::default();
    deleted(&server, &[names::VOLUMES_FINALIZER]);
    // Its StatefulSet was deleted with --cascade=orphan.
    server.with(|state| state.put(POD, object("demo-dc1-rack1-0", Value::Null)));
    let (kept, note) = reconcile(&server).await;
    assert!(kept && note.contains("pod demo-dc1-rack1-0"), "{note}");
}
