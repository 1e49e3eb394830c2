//! Work on a node that a killed operator left behind: the next operator finds it in the status, and polls the node.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU8, Ordering},
    },
    thread,
    time::Duration,
};

use casskop_common::{
    api::{CassandraClusterStatus, NodePhase, OperationReason, OperationStatus},
    names,
};
use serde_json::{Value, json};

use crate::{
    api_server::ApiServer,
    cluster::tests::{CLUSTER, edit, manifest, operator, password, task_with},
    context::Context,
    kubernetes::status_store::ClusterRef,
    node_api::{ClusterAccess, management_api::node::SECRET},
};

pub(super) const POD: &str = "demo-dc1-rack1-0";
/// The start time of Cassandra on the node.
const RUNS_SINCE: &str = "2026-11-22T17:00:00Z";

/// A loopback address that no other test uses.
fn free_address() -> String {
    static USED: AtomicU8 = AtomicU8::new(0);
    format!("127.0.11.{}", USED.fetch_add(1, Ordering::Relaxed) + 1)
}

/// A node that works on a task until it is requested to stop, or on streams for a few polls. It records its calls.
#[derive(Clone, Default)]
struct Busy {
    told: Arc<Mutex<Vec<String>>>,
    task: Arc<Mutex<Option<Value>>>,
    streams_for: Arc<Mutex<u32>>,
    /// Whether the last poll with a stream gets an answer that cannot be used.
    unreadable: bool,
}

impl Busy {
    /// Listens on a separate address, as a pod does, and returns the address.
    fn listen(&self) -> String {
        let ip = free_address();
        let listener =
            TcpListener::bind((ip.as_str(), names::JOLOKIA_PORT)).expect("the port of the agent");
        let node = self.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (node, stream) = (node.clone(), stream.expect("a connection"));
                thread::spawn(move || node.answer(&stream));
            }
        });
        ip
    }

    fn answer(&self, mut stream: &TcpStream) {
        let mut reader = BufReader::new(stream);
        let mut length = 0;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).expect("a header");
            if let Some(value) = line.to_lowercase().strip_prefix("content-length: ") {
                length = value.trim().parse().expect("a length");
            }
            if line.trim().is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).expect("a body");
        let answer = self.say(&serde_json::from_slice(&body).expect("JSON"));
        let answer = answer.to_string();
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
            answer.len()
        );
        // A killed operator does not read the answer.
        let _ = stream.write_all((head + &answer).as_bytes());
    }

    fn say(&self, request: &Value) -> Value {
        if let Some(operation) = request["operation"].as_str() {
            self.told.lock().unwrap().push(operation.to_owned());
            if operation.starts_with("stopCompactionById") {
                *self.task.lock().unwrap() = None;
            }
            let takes = match &request["arguments"].to_string() {
                text if text.contains("large") => 1500,
                text if text.contains("unheard") => 120_000,
                _ => 0,
            };
            thread::sleep(Duration::from_millis(takes));
            if operation.starts_with("takeSnapshot") {
                return json!({ "status": 500, "error": "Snapshot kept already exists." });
            }
            if operation.starts_with("rebuild") {
                return json!({ "status": 200, "value": null });
            }
            // The success result of an operation that returns a number.
            return json!({ "status": 200, "value": 0 });
        }
        let mut streams_for = self.streams_for.lock().unwrap();
        if self.unreadable && *streams_for == 1 {
            *streams_for = 0;
            let ended = json!({ "status": 500, "error": "Java heap space" });
            let mode = json!({ "OperationMode": "NORMAL", "NativeTransportRunning": true });
            return json!([{ "status": 200, "value": mode }, { "status": 200, "value": [] }, ended]);
        }
        let streams = (*streams_for > 0).then(|| json!({ "description": "Rebuild" }));
        *streams_for = streams_for.saturating_sub(1);
        let tasks: Vec<Value> = self.task.lock().unwrap().clone().into_iter().collect();
        let streams: Vec<Value> = streams.into_iter().collect();
        json!([
            { "status": 200, "value": { "OperationMode": "NORMAL", "NativeTransportRunning": true } },
            { "status": 200, "value": tasks },
            { "status": 200, "value": streams },
        ])
    }
}

/// The status of a killed operator: one step of one node in progress, of a cancelled operation.
fn cancelled(kind: &str, arguments: &str, step: &str) -> Value {
    json!({ "operations": [{
        "kind": kind, "id": "a", "arguments": arguments, "phase": "Running", "reason": "Cancelling",
        "plan": { "waves": [[POD]], "steps": [step, "users"] },
        "nodes": [{ "pod": POD, "podUid": "p", "phase": "Running", "step": step, "attempts": 1,
            "progress": { "done": 0, "total": 2, "unit": "keyspaces" } }],
    }] })
}

/// The next operator continues the operation. Returns the final state of the operation.
async fn go_on(ip: &str, status: Value) -> OperationStatus {
    tells(ip, status).await.0.pop().expect("a status")
}

/// Records the states of the operation that the next operator reports until its end, and the number of writes.
async fn tells(ip: &str, status: Value) -> (Vec<OperationStatus>, usize) {
    let (server, ctx) = begin(ip, status).await;
    end(&server, &ctx).await
}

async fn begin(ip: &str, status: Value) -> (ApiServer, Arc<Context>) {
    let server = api_server(ip, status, &json!({}));
    let ctx = take_up(&server, password()).await;
    (server, ctx)
}

/// An API server with a cluster of this status, and one pod with these annotations.
pub(super) fn api_server(ip: &str, status: Value, annotations: &Value) -> ApiServer {
    let server = ApiServer::default();
    let mut cluster = manifest();
    cluster["status"] = status;
    let cassandra = json!({ "name": "cassandra", "image": "", "imageID": "", "ready": true,
        "restartCount": 0, "containerID": "containerd://3f4a8c7d2b1e9f60718293a4b5c6d7e8",
        "state": { "running": { "startedAt": RUNS_SINCE } } });
    let certificates = json!({ "name": "management-api", "secret": { "secretName": SECRET } });
    let pod = json!({ "metadata": { "name": POD, "annotations": annotations },
        "spec": { "containers": [], "volumes": [certificates] },
        "status": { "podIP": ip, "containerStatuses": [cassandra] } });
    server.with(|state| {
        state.put(&format!("/api/v1/namespaces/ns/pods/{POD}"), pod);
        state.put(CLUSTER, cluster);
    });
    server
}

/// An operator that has just started, and takes up the only node of the only operation.
pub(super) async fn take_up(server: &ApiServer, access: ClusterAccess) -> Arc<Context> {
    let ctx = operator(server);
    let read = ctx.effects.store.read("ns", "demo").await.unwrap().unwrap();
    let uid = json!(ClusterRef::of(&read).uid);
    let operation = read.status.unwrap().operations.remove(0);
    let task = task_with(&ctx, &uid, &operation, &access);
    ctx.executor.start(&ctx.effects, task);
    ctx
}

pub(super) async fn end(server: &ApiServer, ctx: &Context) -> (Vec<OperationStatus>, usize) {
    loop {
        tokio::time::sleep(Duration::from_millis(5)).await;
        let read = ctx.effects.store.read("ns", "demo").await.unwrap().unwrap();
        let operation = read.status.unwrap().operations.remove(0);
        if operation.nodes[0].phase.is_final() {
            break;
        }
    }
    let asked = server.asked();
    let writes = asked.iter().filter(|asked| asked.starts_with("PATCH"));
    let written = server.with(|state| std::mem::take(&mut state.written));
    let clusters = written.into_iter().filter(|(path, _)| path == CLUSTER);
    let told = clusters.map(|(_, mut cluster)| {
        let operation = cluster["status"]["operations"][0].take();
        serde_json::from_value(operation).expect("an operation")
    });
    let mut told: Vec<OperationStatus> = told.collect();
    told.dedup();
    (told, writes.count())
}

#[tokio::test]
async fn a_cancel_stops_the_work_that_a_killed_operator_began() {
    let node = Busy::default();
    *node.task.lock().unwrap() = Some(json!({ "keyspace": "orders", "columnfamily": "t",
        "taskType": "Cleanup", "compactionId": "task-1", "unit": "bytes", "completed": "1", "total": "2" }));
    let ip = node.listen();
    let ended = go_on(&ip, cancelled("cleanup", "", "orders")).await;
    assert_eq!(ended.nodes[0].phase, NodePhase::Skipped);
    assert_eq!(
        *node.told.lock().unwrap(),
        ["stopCompactionById(java.lang.String)"],
        "stopped, and not retried"
    );
}

/// The spec requires the other transport by now, which could not stop the task; the change of the pods waits.
#[tokio::test]
async fn a_cancel_goes_by_the_transport_of_the_pod_and_not_by_that_of_the_spec() {
    let node = Busy::default();
    *node.task.lock().unwrap() = Some(json!({ "keyspace": "orders", "columnfamily": "t",
        "taskType": "Cleanup", "compactionId": "task-1", "unit": "bytes", "completed": "1", "total": "2" }));
    let server = api_server(
        &node.listen(),
        cancelled("cleanup", "", "orders"),
        &json!({}),
    );
    edit(&server, CLUSTER, |cluster| {
        cluster["spec"]["nodeApi"] = json!({ "kind": "ManagementApi", "tlsSecretName": SECRET });
    });
    let ctx = take_up(&server, password()).await;
    let ended = end(&server, &ctx).await.0.pop().expect("a status");
    assert_eq!(ended.nodes[0].phase, NodePhase::Skipped);
    assert_eq!(node.told.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_cancel_stops_a_repair_whose_end_nobody_heard() {
    let node = Busy::default();
    let ip = node.listen();
    let ended = go_on(&ip, cancelled("repair", "--full", "orders")).await;
    assert_eq!(ended.nodes[0].phase, NodePhase::Skipped);
    let told = node.told.lock().unwrap();
    assert!(
        told.iter()
            .all(|told| told == "forceTerminateAllRepairSessions()")
            && !told.is_empty(),
        "{told:?}"
    );
}

#[tokio::test]
async fn what_cassandra_cannot_stop_is_awaited_and_not_called_again() {
    let node = Busy::default();
    *node.streams_for.lock().unwrap() = 2;
    let ip = node.listen();
    let ended = go_on(&ip, cancelled("rebuild", "--from-dc dc2", "orders")).await;
    assert_eq!(ended.nodes[0].phase, NodePhase::Skipped);
    assert!(node.told.lock().unwrap().is_empty());
    assert_eq!(*node.streams_for.lock().unwrap(), 0, "awaited");
}

#[tokio::test]
async fn progress_that_cannot_be_read_is_awaited_and_is_no_attempt() {
    let node = Busy {
        unreadable: true,
        ..Busy::default()
    };
    *node.streams_for.lock().unwrap() = 2;
    let ip = node.listen();
    let mut status = cancelled("rebuild", "--from-dc dc2", "orders");
    status["operations"][0]["reason"] = json!("Running");
    status["operations"][0]["plan"]["steps"] = json!(["orders"]);
    let told = tells(&ip, status).await.0;
    let ended = &told.last().unwrap().nodes[0];
    assert_eq!(ended.phase, NodePhase::Succeeded, "{:?}", ended.error);
    assert_eq!(node.told.lock().unwrap().len(), 1);
    let waits = |told: &OperationStatus| {
        let said = told.nodes[0].error.as_deref().unwrap_or_default();
        said.contains("the progress can be read: Java heap space")
    };
    assert!(told.iter().any(waits), "{told:#?}");
    let attempts: Vec<i32> = told.iter().map(|told| told.nodes[0].attempts).collect();
    assert!(
        attempts.iter().all(|attempts| *attempts <= 2),
        "{attempts:?}"
    );
}

#[tokio::test]
async fn a_snapshot_that_is_there_is_whole_only_if_cassandra_has_run_all_along() {
    // The clock of the operator's machine is an hour behind the one of the pod's, or an hour ahead.
    for (began, container, phase) in [
        (
            "2026-11-22T16:00:00Z",
            "3f4a8c7d2b1e9",
            NodePhase::Succeeded,
        ),
        ("2026-11-22T18:00:00Z", "the one before", NodePhase::Failed),
        ("2026-11-22T18:00:00Z", "", NodePhase::Failed),
    ] {
        let ip = Busy::default().listen();
        let status = json!({ "operations": [{
            "kind": "snapshot", "id": "a", "arguments": "--name kept", "phase": "Running", "reason": "Running",
            "plan": { "waves": [[POD]], "steps": ["orders"] },
            "nodes": [{ "pod": POD, "podUid": "p", "phase": "Running", "step": "orders", "attempts": 1,
                "startedAt": began, "container": container, "progress": { "done": 0, "total": 1, "unit": "keyspaces" } }],
        }] });
        let ended = go_on(&ip, status).await;
        assert_eq!(ended.nodes[0].phase, phase, "{:?}", ended.nodes[0].error);
    }
}

#[tokio::test]
async fn a_cancel_does_not_wait_for_an_answer_that_never_comes() {
    let node = Busy::default();
    let ip = node.listen();
    let mut status = cancelled("snapshot", "--name unheard", "orders");
    status["operations"][0]["reason"] = json!("Running");
    let (server, ctx) = begin(&ip, status).await;
    while node.told.lock().unwrap().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let read = ctx.effects.store.read("ns", "demo").await.unwrap().unwrap();
    let cancel = |status: &mut CassandraClusterStatus| {
        status.operations[0].reason = Some(OperationReason::Cancelling);
    };
    ctx.effects
        .store
        .update(&ClusterRef::of(&read), cancel)
        .await
        .unwrap();
    let told = end(&server, &ctx).await.0;
    let node = &told.last().unwrap().nodes[0];
    assert_eq!(node.phase, NodePhase::Skipped);
    assert!(
        node.error
            .as_ref()
            .unwrap()
            .contains("before Cassandra had answered")
    );
}

/// Many small keyspaces must not cause as many writes. A step that takes long is reported while it lasts.
#[tokio::test]
async fn short_steps_are_told_together_and_a_long_one_at_once() {
    let node = Busy::default();
    let ip = node.listen();
    let steps = ["a", "b", "c", "large", "x", "y", "z"];
    let status = |kind: &str| {
        json!({ "operations": [{
            "kind": kind, "id": "a", "arguments": "", "phase": "Running", "reason": "Running",
            "plan": { "waves": [[POD]], "steps": steps },
            "nodes": [{ "pod": POD, "podUid": "p", "phase": "Running", "step": "a", "attempts": 1,
                "progress": { "done": 0, "total": 7, "unit": "keyspaces" } }],
        }] })
    };
    let done = |told: &OperationStatus| {
        let node = &told.nodes[0];
        (
            node.step.clone(),
            node.progress.as_ref().map_or(0, |progress| progress.done),
        )
    };
    let (told, writes) = tells(&ip, status("cleanup")).await;
    let ended = told.last().map(|last| last.nodes[0].phase);
    assert_eq!(ended, Some(NodePhase::Succeeded));
    let mut told: Vec<_> = told.iter().map(done).collect();
    told.dedup();
    let words = [("a", 0), ("large", 3), ("x", 4), ("", 7)];
    assert_eq!(told, words.map(|(step, done)| (step.to_owned(), done)));
    assert_eq!(writes, 1 + words.len() - 1, "that it goes on, and those");
    let called = node.told.lock().unwrap().len();
    assert_eq!(called, steps.len(), "each is called once");

    // A step that leaves something behind with each call is reported with each call.
    let node = Busy::default();
    let ip = node.listen();
    let (_, writes) = tells(&ip, status("scrub")).await;
    assert_eq!(writes, 1 + steps.len());
}
