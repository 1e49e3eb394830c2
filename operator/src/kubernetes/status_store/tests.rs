//! The journal against an API server that is slower or faster than the operator.

use std::sync::{Arc, Mutex};

use casskop_common::operations::OperationKind;
use http_body_util::BodyExt;
use hyper::{Request, Response};
use kube::client::Body;
use serde_json::{Value, json};

use super::*;
use casskop_core::operations::transitions::{self, StepEvent, StepRef};

/// Simulates an API server with one cluster, and records the requests.
struct Server {
    cluster: Mutex<Value>,
    asked: Mutex<Vec<String>>,
    /// Number of concurrent writes that precede a write.
    rivals: Mutex<u32>,
    /// Whether every write is rejected as invalid.
    refuses: bool,
    /// The answer to the next write, which is committed nevertheless.
    lies: Mutex<Option<u16>>,
}

impl Server {
    fn new(rivals: u32, refuses: bool) -> Arc<Self> {
        let cluster = json!({
            "apiVersion": "db.orange.com/v2", "kind": "CassandraCluster",
            "metadata": { "name": "demo", "namespace": "ns", "uid": "u-1", "resourceVersion": "10" },
            "spec": {}, "status": { "phase": "Running" },
        });
        Arc::new(Self {
            cluster: Mutex::new(cluster),
            asked: Mutex::default(),
            rivals: Mutex::new(rivals),
            refuses,
            lies: Mutex::default(),
        })
    }

    fn journal(self: &Arc<Self>) -> StatusStore {
        let server = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let server = server.clone();
            async move { Ok::<_, std::convert::Infallible>(server.answer(request).await) }
        });
        StatusStore::new(Client::new(service, "ns"))
    }

    async fn answer(&self, request: Request<Body>) -> Response<Body> {
        let method = request.method().clone();
        self.asked
            .lock()
            .unwrap()
            .push(format!("{method} {}", request.uri().path()));
        let body = request.into_body().collect().await.unwrap().to_bytes();
        let mut cluster = self.cluster.lock().unwrap();
        if method == hyper::Method::GET {
            return respond(200, &cluster);
        }
        let mut rivals = self.rivals.lock().unwrap();
        if *rivals > 0 {
            *rivals -= 1;
            bump(&mut cluster);
            cluster["status"]["lastClusterAction"] = json!("ScaleUp");
        }
        let patch: json_patch::Patch = serde_json::from_slice(&body).unwrap();
        let mut patched = cluster.clone();
        if self.refuses || json_patch::patch(&mut patched, &patch).is_err() {
            return respond(422, &failure(422, "Invalid"));
        }
        if patched["metadata"] != cluster["metadata"] {
            return respond(409, &failure(409, "Conflict"));
        }
        *cluster = patched;
        bump(&mut cluster);
        if let Some(code) = self.lies.lock().unwrap().take() {
            return respond(code, &failure(code, "Lost"));
        }
        respond(200, &cluster)
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

fn bump(cluster: &mut Value) {
    let version: u64 = cluster["metadata"]["resourceVersion"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    cluster["metadata"]["resourceVersion"] = json!((version + 1).to_string());
}

fn failure(code: u16, reason: &str) -> Value {
    json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": reason })
}

fn respond(code: u16, body: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(body.to_string().into_bytes()));
    *response.status_mut() = hyper::StatusCode::from_u16(code).unwrap();
    response
}

fn demo() -> ClusterRef {
    ClusterRef {
        namespace: "ns".into(),
        name: "demo".into(),
        uid: "u-1".into(),
    }
}

fn done(status: &mut CassandraClusterStatus) {
    status.last_cluster_action_status = Some("Done".into());
}

const READ: &str = "GET /apis/db.orange.com/v2/namespaces/ns/cassandraclusters/demo";
const WRITE: &str = "PATCH /apis/db.orange.com/v2/namespaces/ns/cassandraclusters/demo/status";

#[tokio::test]
async fn a_change_is_one_write_and_no_change_is_none() {
    let server = Server::new(0, false);
    let journal = server.journal();
    journal.read("ns", "demo").await.unwrap();
    journal.update(&demo(), done).await.unwrap();
    journal.update(&demo(), done).await.unwrap();
    assert_eq!(server.asked(), [READ, WRITE]);
    assert_eq!(
        server.cluster.lock().unwrap()["status"],
        json!({ "phase": "Running", "lastClusterActionStatus": "Done" })
    );
}

#[tokio::test]
async fn somebody_elses_write_is_kept_and_ours_is_computed_anew() {
    let server = Server::new(2, false);
    let journal = server.journal();
    journal.read("ns", "demo").await.unwrap();
    journal.update(&demo(), done).await.unwrap();
    assert_eq!(server.asked(), [READ, WRITE, READ, WRITE, READ, WRITE]);
    let status = server.cluster.lock().unwrap()["status"].clone();
    assert_eq!(status["lastClusterAction"], "ScaleUp");
    assert_eq!(status["lastClusterActionStatus"], "Done");
}

#[tokio::test]
async fn others_without_end_are_given_up_on() {
    let server = Server::new(100, false);
    let error = server.journal().update(&demo(), done).await.unwrap_err();
    assert!(matches!(error, Error::Contended(_)), "{error}");
}

#[tokio::test]
async fn a_status_that_the_api_server_refuses_is_said_and_not_tried_again() {
    let server = Server::new(0, true);
    let error = server.journal().update(&demo(), done).await.unwrap_err();
    assert!(matches!(error, Error::Api { .. }), "{error}");
    assert_eq!(server.asked(), [READ, WRITE, READ]);
}

#[tokio::test]
async fn another_cluster_of_the_same_name_is_left_alone() {
    let server = Server::new(0, false);
    let journal = server.journal();
    let other = ClusterRef {
        uid: "u-0".into(),
        ..demo()
    };
    let error = journal.update(&other, done).await.unwrap_err();
    assert!(matches!(error, Error::Gone(_)), "{error}");
    assert_eq!(server.asked(), [READ]);
}

/// The API server fills a missing status with the default of the CRD.
#[tokio::test]
async fn the_default_of_the_status_is_replaced() {
    let server = Server::new(0, false);
    server.cluster.lock().unwrap()["status"] = json!({ "observedGeneration": -1 });
    let journal = server.journal();
    let read = journal.read("ns", "demo").await.unwrap().unwrap();
    assert!(!read.status.unwrap().is_reported());
    let report = |status: &mut CassandraClusterStatus| {
        done(status);
        status.observed_generation = Some(4);
    };
    journal.update(&demo(), report).await.unwrap();
    let status = server.cluster.lock().unwrap()["status"].clone();
    assert_eq!(
        status,
        json!({ "observedGeneration": 4, "lastClusterActionStatus": "Done" })
    );
    assert_eq!(server.asked(), [READ, WRITE]);
}

#[tokio::test]
async fn what_the_api_server_says_is_told_once_and_as_it_says_it() {
    let server = Server::new(0, true);
    let error = server.journal().update(&demo(), done).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "write the status of CassandraCluster demo: Invalid"
    );
}

/// An object that etcd refuses for its size could never be written again.
#[tokio::test]
async fn no_write_is_larger_than_the_api_server_takes() {
    let server = Server::new(0, false);
    let node = |number: usize| {
        json!({
            "pod": format!("demo-dc1-rack1-{number}"), "phase": "Succeeded", "step": "",
            "progress": { "done": 9, "total": 9, "unit": "keyspaces" }, "address": "a".repeat(400),
        })
    };
    let nodes: Vec<Value> = (0..4000).map(node).collect();
    server.cluster.lock().unwrap()["status"] = json!({ "operations": [{
        "kind": "scrub", "id": "1", "phase": "Succeeded", "nodes": nodes,
    }] });
    let size = || server.cluster.lock().unwrap()["status"].to_string().len();
    assert!(size() > size::LIMIT);
    server.journal().update(&demo(), done).await.unwrap();
    assert!(size() <= size::LIMIT, "{}", size());
    let status = server.cluster.lock().unwrap()["status"].clone();
    assert_eq!(status["lastClusterActionStatus"], "Done");
}

#[tokio::test]
async fn a_cluster_without_a_status_gets_one() {
    let server = Server::new(0, false);
    server
        .cluster
        .lock()
        .unwrap()
        .as_object_mut()
        .unwrap()
        .remove("status");
    server.journal().update(&demo(), done).await.unwrap();
    let status = server.cluster.lock().unwrap()["status"].clone();
    assert_eq!(status, json!({ "lastClusterActionStatus": "Done" }));
}

/// A client that repeats a committed write learns of a conflict with itself.
#[tokio::test]
async fn a_step_is_counted_once_however_its_write_is_answered() {
    for code in [409, 422, 429, 500, 503, 504] {
        let server = Server::new(0, false);
        server.cluster.lock().unwrap()["status"] = json!({ "operations": [{
            "kind": "scrub", "id": "1", "phase": "Running",
            "plan": { "waves": [["p"]], "steps": ["a", "b", "c"] },
            "nodes": [{ "pod": "p", "phase": "Running", "step": "a", "executor": "me", "attempts": 1,
                "progress": { "done": 0, "total": 3, "unit": "keyspaces" } }],
        }] });
        let journal = server.journal();
        *server.lies.lock().unwrap() = Some(code);
        let at = StepRef {
            kind: OperationKind::Scrub,
            id: "1",
            pod: "p",
            executor: "me",
            index: 0,
            step: "a",
        };
        let now = "2026-11-22T17:00:00Z".parse().unwrap();
        let done = |status: &mut CassandraClusterStatus| {
            transitions::record(status, at, &StepEvent::Done, now)
        };
        let goes_on = match journal.update(&demo(), done).await {
            Ok(goes_on) => goes_on,
            Err(error) => {
                assert!(error.is_transient(), "{code}: {error}");
                journal.update(&demo(), done).await.unwrap()
            }
        };
        assert!(goes_on, "{code}: the next step is called");
        let node = server.cluster.lock().unwrap()["status"]["operations"][0]["nodes"][0].clone();
        assert_eq!(node["progress"]["done"], 1, "{code}");
        assert_eq!(node["step"], "b", "{code}");
    }
}

#[tokio::test]
async fn a_restored_etcd_is_believed() {
    let server = Server::new(0, false);
    let backup = server.cluster.lock().unwrap().clone();
    let journal = server.journal();
    journal.update(&demo(), done).await.unwrap();
    journal
        .update(&demo(), |status| {
            status.last_cluster_action = Some("ScaleUp".into());
        })
        .await
        .unwrap();
    *server.cluster.lock().unwrap() = backup;
    let read = journal.read("ns", "demo").await.unwrap().unwrap();
    assert_eq!(read.resource_version().as_deref(), Some("10"));
    assert_eq!(read.status.unwrap().last_cluster_action, None);
    server.asked();
    journal.update(&demo(), done).await.unwrap();
    assert_eq!(server.asked(), [WRITE], "from what was read");
}
