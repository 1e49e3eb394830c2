//! A leader that took over from one that did not release its Lease waits before calls that must not repeat.

use std::{sync::Arc, time::Duration};

use casskop_common::names::{self, RackId};
use casskop_core::node::{Call, Reading};
use serde_json::json;
use tokio::sync::Notify;

use crate::{
    api_server::ApiServer,
    cluster::tests::{CLUSTER, manifest, nodes::Nodes, operator_with, task},
};

const POD: &str = "/api/v1/namespaces/ns/pods/demo-dc1-rack1-0";
const ADDRESS: &str = "10.0.0.7";

/// Lets all tasks go on as far as they can: nothing of it waits for another process.
async fn idle() {
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_call_that_must_not_repeat_waits_and_one_that_may_does_not() {
    for (kind, arguments, step, waits) in [
        ("drain", "", "drain", true),
        ("flush", "--keyspace k", "k", false),
    ] {
        let server = ApiServer::default();
        let rack = RackId::new("dc1", "rack1");
        let pod = server.with(|state| {
            let pod = json!({
                "metadata": { "name": "demo-dc1-rack1-0", "labels": names::rack_labels("demo", &rack) },
                "status": { "podIP": ADDRESS },
            });
            state.put(POD, pod)["metadata"]["uid"].clone()
        });
        let mut cluster = manifest();
        cluster["status"] = json!({ "operations": [{
            "kind": kind, "id": "a", "arguments": arguments, "phase": "Running", "reason": "Running",
            "plan": { "waves": [["demo-dc1-rack1-0"]], "steps": [step] },
            "nodes": [{ "pod": "demo-dc1-rack1-0", "podUid": pod, "phase": "Running", "step": step,
                "attempts": 1, "progress": { "done": 0, "total": 1, "unit": "steps" } }],
        }] });
        let uid = server.with(|state| state.put(CLUSTER, cluster)["metadata"]["uid"].clone());
        let nodes = Nodes {
            readings: [(ADDRESS.to_owned(), Reading::default())].into(),
            quiet: Some(Arc::new(Notify::new())),
            ..Nodes::default()
        };
        let ctx = operator_with(&server, Box::new(nodes.clone()));
        let read = ctx.effects.store.read("ns", "demo").await.unwrap().unwrap();
        let operation = read.status.unwrap().operations.remove(0);
        let mut task = task(&ctx, &uid, &operation);
        task.start.resume = false;
        ctx.executor.start(&ctx.effects, task);
        let calls = || nodes.calls.lock().unwrap().clone();
        if waits {
            idle().await;
            assert_eq!(calls(), [], "{kind}");
            nodes.quiet.as_ref().unwrap().notify_one();
        }
        while calls().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let called = calls();
        assert_eq!(called.len(), 1, "{kind}: {called:?}");
        assert_eq!(called.iter().all(Call::may_repeat), !waits, "{kind}");
    }
}
