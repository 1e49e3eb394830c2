//! A cluster with `deletePVC`, and its deletion: Kubernetes deletes the volumes, and nothing waits for the operator.

use casskop_common::names;
use kube::runtime::controller::Action;
use serde_json::{Value, json};

use crate::{
    api_server::{ApiServer, Rival},
    cluster::{
        self, AFTER_CONFLICT,
        tests::{CLUSTER, RACK, condition, edit, manifest, operator, pass},
    },
};

const VOLUME: &str = "/api/v1/namespaces/ns/persistentvolumeclaims/data-demo-dc1-rack1-0";
const OTHER: &str = "/api/v1/namespaces/ns/persistentvolumeclaims/data-demo-dc1-rack2-0";

/// A cluster with a volume. Returns its UID.
fn created(server: &ApiServer, metadata: &Value) -> Value {
    let mut cluster = manifest();
    cluster["spec"]["deletePVC"] = json!(true);
    json_patch::merge(&mut cluster["metadata"], metadata);
    server.with(|state| {
        let cluster = state.put(CLUSTER, cluster);
        state.put(VOLUME, object("data-demo-dc1-rack1-0", &[]));
        cluster["metadata"]["uid"].clone()
    })
}

/// The same with the finalizer of an earlier version, being deleted.
fn deleted(server: &ApiServer, finalizers: &[&str]) -> Value {
    let since = "2026-01-01T00:00:00Z";
    created(
        server,
        &json!({ "finalizers": finalizers, "deletionTimestamp": since }),
    )
}

fn object(name: &str, owners: &[&Value]) -> Value {
    let labels = json!({
        "app": "cassandracluster", "cassandracluster": "demo",
        "cassandraclusters.db.orange.com.dc": "dc1", "cassandraclusters.db.orange.com.rack": "rack1",
    });
    let owner =
        |uid: &&Value| json!({ "apiVersion": "v1", "kind": "Owner", "name": "o", "uid": uid });
    let owners: Vec<Value> = owners.iter().map(owner).collect();
    json!({ "metadata": { "name": name, "labels": labels, "ownerReferences": owners } })
}

async fn reconcile(server: &ApiServer) -> Result<Action, cluster::Error> {
    pass(server, &operator(server)).await
}

fn metadata(server: &ApiServer, path: &str, key: &str) -> Value {
    server.with(|state| state.objects[path]["metadata"][key].clone())
}

const ORPHANED: &str = "the volumes stay although deletePVC is set: the deletion orphans them, as with --cascade=orphan; \
     to delete them later: kubectl delete pvc -l app=cassandracluster,cassandracluster=demo";

/// The notes of the events about volumes that stay.
fn kept(server: &ApiServer) -> Vec<String> {
    let events = server.with(|state| state.written.clone()).into_iter();
    let told = events.filter(|(_, event)| event["reason"] == "VolumesKept");
    told.filter_map(|(_, event)| event["note"].as_str().map(str::to_owned))
        .collect()
}

#[tokio::test]
async fn the_cluster_owns_its_volumes_and_has_no_finalizer() {
    let server = ApiServer::default();
    let uid = created(&server, &json!({}));
    server.with(|state| {
        let other = json!("other");
        state.put(VOLUME, object("data-demo-dc1-rack1-0", &[&other]));
    });
    reconcile(&server).await.unwrap();
    let owners = metadata(&server, VOLUME, "ownerReferences");
    assert_eq!(owners[0]["uid"], "other");
    assert_eq!(
        owners[1],
        json!({ "apiVersion": "db.orange.com/v2", "kind": "CassandraCluster", "name": "demo", "uid": uid })
    );
    assert_eq!(metadata(&server, CLUSTER, "finalizers"), Value::Null);
}

/// Withdraws `deletePVC` from a cluster that owns its volume.
fn withdrawn(server: &ApiServer) {
    let uid = created(server, &json!({ "generation": 2 }));
    edit(server, CLUSTER, |cluster| {
        cluster["spec"]["deletePVC"] = json!(false);
    });
    server.with(|state| state.put(VOLUME, object("data-demo-dc1-rack1-0", &[&uid])));
}

fn ready(server: &ApiServer) -> Value {
    condition(server, "Ready")["status"].clone()
}

#[tokio::test]
async fn no_other_rejected_write_keeps_a_volume_owned() {
    for refused in [
        "/api/v1/namespaces/ns/services/demo",
        "/api/v1/namespaces/ns/configmaps/demo-accepted",
        "/api/v1/namespaces/ns/secrets/demo-jolokia-accepted",
        RACK,
        CLUSTER,
    ] {
        let server = ApiServer::default();
        withdrawn(&server);
        server.with(|state| state.refused = Some(refused.into()));
        let _ = reconcile(&server).await;
        assert_eq!(
            metadata(&server, VOLUME, "ownerReferences"),
            json!([]),
            "{refused}"
        );
    }
}

#[tokio::test]
async fn a_rejected_withdrawal_holds_nothing_else_and_is_reported() {
    let server = ApiServer::default();
    withdrawn(&server);
    server.with(|state| state.refused = Some(VOLUME.into()));
    let error = reconcile(&server).await.unwrap_err().to_string();
    insta::assert_snapshot!(error, @"write PersistentVolumeClaim data-demo-dc1-rack1-0: Forbidden");
    assert!(server.with(|state| state.objects.contains_key(RACK)));
    assert_eq!(ready(&server), "False");
}

/// The code of an answer is that of the webhook that denies.
#[tokio::test]
async fn a_denial_with_the_code_of_a_conflict_is_reported() {
    let server = ApiServer::default();
    withdrawn(&server);
    server.with(|state| {
        state.refused = Some(VOLUME.into());
        state.refused_as = Some((409, "denied the request"));
    });
    let error = reconcile(&server).await.unwrap_err().to_string();
    assert!(error.contains("denied the request"), "{error}");
    assert_eq!(ready(&server), "False");
}

/// The status of a pass is about objects that are written: after a conflict there is none.
#[tokio::test]
async fn a_conflict_is_followed_by_another_pass_without_a_report() {
    let server = ApiServer::default();
    withdrawn(&server);
    server.with(|state| {
        state.rival = Some(Rival {
            object: "data-demo-dc1-rack1-0",
            change: |_| {},
        });
    });
    assert_eq!(
        reconcile(&server).await.unwrap(),
        Action::requeue(AFTER_CONFLICT)
    );
    assert_eq!(ready(&server), Value::Null);
    reconcile(&server).await.unwrap();
    assert_eq!(metadata(&server, VOLUME, "ownerReferences"), json!([]));
}

/// The operator is down during a deletion that orphans, and the orphaned objects are deleted by hand.
#[tokio::test]
async fn volumes_stay_without_proof_of_their_deletion() {
    let server = ApiServer::default();
    deleted(&server, &[names::VOLUMES_FINALIZER]);
    reconcile(&server).await.unwrap();
    assert_eq!(metadata(&server, VOLUME, "ownerReferences"), json!([]));
    assert_eq!(metadata(&server, CLUSTER, "finalizers"), json!([]));
    let [told] = &kept(&server)[..] else {
        unreachable!("{:#?}", server.asked());
    };
    assert!(told.contains("nothing proves"), "{told}");
}

/// The deletion is faster than the pass after the withdrawal; and a rejected change of a Secret holds no volume.
#[tokio::test]
async fn the_superuser_of_volumes_that_stay_stays() {
    let secrets = ["demo-superuser", "demo-superuser-accepted"];
    let path = |name: &str| format!("/api/v1/namespaces/ns/secrets/{name}");
    for finalizers in [&["a/b"][..], &[names::VOLUMES_FINALIZER]] {
        for refused in [None, Some(VOLUME.to_owned()), Some(path(secrets[0]))] {
            let server = ApiServer::default();
            let uid = deleted(&server, finalizers);
            edit(&server, CLUSTER, |cluster| {
                cluster["spec"]["deletePVC"] = json!(false);
            });
            server.with(|state| {
                state.put(VOLUME, object("data-demo-dc1-rack1-0", &[&uid]));
                for name in secrets {
                    state.put(&path(name), object(name, &[&uid]));
                }
                state.refused.clone_from(&refused);
            });
            assert_eq!(reconcile(&server).await.is_ok(), refused.is_none());
            for path in [VOLUME.to_owned()].into_iter().chain(secrets.map(path)) {
                let is_refused = refused.as_ref() == Some(&path);
                let owners = metadata(&server, &path, "ownerReferences");
                assert!(is_refused || owners == json!([]), "{path} {refused:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_cluster_that_is_deleted_is_only_released() {
    let server = ApiServer::default();
    deleted(&server, &["a/b"]);
    server.asked();
    reconcile(&server).await.unwrap();
    let asked = server.asked();
    assert!(
        asked.iter().all(|asked| asked.starts_with("GET")),
        "{asked:?}"
    );
    assert_eq!(metadata(&server, VOLUME, "ownerReferences"), json!([]));
}

/// A finalizer of another tool delays the deletion of a cluster whose volumes are no longer to be deleted with it.
#[tokio::test]
async fn a_rejected_change_at_the_deletion_holds_no_other_and_is_told() {
    let server = ApiServer::default();
    withdrawn(&server);
    let uid = metadata(&server, CLUSTER, "uid");
    let deletion = json!({ "metadata": {
        "finalizers": ["a/b"], "deletionTimestamp": "2026-01-01T00:00:00Z",
    } });
    server.with(|state| {
        state.put(OTHER, object("data-demo-dc1-rack2-0", &[&uid]));
        state.refused = Some(VOLUME.into());
    });
    edit(&server, CLUSTER, |cluster| {
        json_patch::merge(cluster, &deletion);
    });
    let error = reconcile(&server).await.unwrap_err().to_string();
    assert!(error.contains("Forbidden"), "{error}");
    assert_eq!(metadata(&server, OTHER, "ownerReferences"), json!([]));
    let asked = server.asked();
    assert!(
        asked.iter().any(|asked| asked.contains("/events")),
        "{asked:?}"
    );
}

/// Only the finalizer of an earlier version delays a deletion after `deletePVC` is withdrawn.
#[tokio::test]
async fn the_finalizer_stays_if_the_cluster_has_changed_meanwhile() {
    let server = ApiServer::default();
    let finalizers = [names::VOLUMES_FINALIZER];
    let uid = created(
        &server,
        &json!({ "generation": 1, "finalizers": finalizers }),
    );
    server.with(|state| state.put(VOLUME, object("data-demo-dc1-rack1-0", &[&uid])));
    let change = json!({
        "metadata": { "generation": 3, "deletionTimestamp": "2026-01-01T00:00:00Z" },
        "spec": { "deletePVC": false },
    });
    server.with(|state| state.changed_at_write = Some((CLUSTER.into(), change)));
    reconcile(&server).await.unwrap();
    assert!(server.with(|state| state.changed_at_write.is_none()));
    assert_eq!(metadata(&server, CLUSTER, "finalizers"), json!(finalizers));
    reconcile(&server).await.unwrap();
    assert_eq!(metadata(&server, VOLUME, "ownerReferences"), json!([]));
    assert_eq!(metadata(&server, CLUSTER, "finalizers"), json!([]));
}

#[tokio::test]
async fn the_volumes_of_a_cluster_of_an_earlier_version_go_with_it() {
    let server = ApiServer::default();
    let uid = deleted(&server, &[names::VOLUMES_FINALIZER, "a/b"]);
    server.with(|state| state.put(RACK, object("demo-dc1-rack1", &[&uid])));
    reconcile(&server).await.unwrap();
    let owners = metadata(&server, VOLUME, "ownerReferences");
    assert_eq!(owners[0]["uid"], uid, "{owners}");
    assert_eq!(metadata(&server, CLUSTER, "finalizers"), json!(["a/b"]));
}

#[tokio::test]
async fn no_volume_is_deleted_with_an_orphaning_deletion() {
    // Before and after the garbage collector has orphaned the StatefulSets and removed its finalizer.
    for is_orphaned in [false, true] {
        let server = ApiServer::default();
        let finalizers = if is_orphaned {
            &[names::VOLUMES_FINALIZER][..]
        } else {
            &[names::VOLUMES_FINALIZER, names::ORPHAN_FINALIZER]
        };
        let uid = deleted(&server, finalizers);
        let owners: &[&Value] = if is_orphaned { &[] } else { &[&uid] };
        server.with(|state| state.put(RACK, object("demo-dc1-rack1", owners)));
        reconcile(&server).await.unwrap();
        assert_eq!(metadata(&server, VOLUME, "ownerReferences"), json!([]));
        let left = metadata(&server, CLUSTER, "finalizers");
        assert_eq!(left, json!(finalizers[1..]));
        assert_eq!(kept(&server), [ORPHANED]);
    }
}

/// The garbage collector removes its finalizer when the volumes have no owner any more.
#[tokio::test]
async fn volumes_that_kubernetes_orphans_are_told() {
    let server = ApiServer::default();
    let uid = deleted(&server, &[names::ORPHAN_FINALIZER]);
    server.with(|state| state.put(VOLUME, object("data-demo-dc1-rack1-0", &[&uid])));
    reconcile(&server).await.unwrap();
    assert_eq!(kept(&server), [ORPHANED]);
    let left = metadata(&server, CLUSTER, "finalizers");
    assert_eq!(left, json!([names::ORPHAN_FINALIZER]));
    // Without deletePVC nothing else was expected.
    let server = ApiServer::default();
    deleted(&server, &[names::ORPHAN_FINALIZER]);
    edit(&server, CLUSTER, |cluster| {
        cluster["spec"]["deletePVC"] = json!(false);
    });
    reconcile(&server).await.unwrap();
    assert!(kept(&server).is_empty());
}

/// An owner that is written after a deletion that orphans, or after `deletePVC` is withdrawn, would delete the volume.
#[tokio::test]
async fn no_volume_gets_an_owner_that_has_changed_meanwhile() {
    let deletion = json!({ "metadata": { "deletionTimestamp": "2026-01-01T00:00:00Z" } });
    let withdrawal = json!({ "metadata": { "generation": 2 }, "spec": { "deletePVC": false } });
    for change in [deletion, withdrawal] {
        let server = ApiServer::default();
        created(&server, &json!({ "generation": 1 }));
        // The cluster changes when the first object of the plan is written.
        server.with(|state| state.changed_at_write = Some((CLUSTER.into(), change.clone())));
        let _ = reconcile(&server).await;
        assert_eq!(
            metadata(&server, VOLUME, "ownerReferences"),
            json!([]),
            "{change}"
        );
        assert!(server.with(|state| state.changed_at_write.is_none()));
    }
}

#[tokio::test]
async fn a_volume_that_has_changed_meanwhile_gets_its_owner_in_the_next_pass() {
    let server = ApiServer::default();
    let uid = created(&server, &json!({}));
    server.with(|state| {
        state.rival = Some(Rival {
            object: "data-demo-dc1-rack1-0",
            change: |_| {},
        });
    });
    reconcile(&server).await.unwrap();
    assert_eq!(metadata(&server, VOLUME, "ownerReferences"), json!([]));
    reconcile(&server).await.unwrap();
    assert_eq!(metadata(&server, VOLUME, "ownerReferences")[0]["uid"], uid);
}
