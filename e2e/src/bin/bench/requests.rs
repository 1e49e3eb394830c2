//! From the annotation to the node: the API server receives the PATCH (audit log), the operator writes its plan
//! (audit log), the operator calls the node (operator's log). All times are from the clock of this machine.

use std::{sync::mpsc, thread, time::Duration};

use casskop_e2e::{
    Cluster,
    cluster::{OPERATIONS, find_operation},
    fresh_id,
    proxied::Api,
};
use serde_json::{Value, json};

use crate::{
    log, path,
    table::{Row, Table, Unit},
    user, watched,
};

/// Pauses between two requests, of different length, so that the requests arrive at any point of the operator's
/// cycle.
const PAUSES: [u64; 4] = [300, 470, 640, 810];

/// Measures `count` requests, one after the other.
pub fn measure(table: &mut Table, api: &Api, demo: &Cluster, count: u32) {
    let sent = send(api, demo, count);
    let writes = log::audit(&user(demo));
    let patches = log::audit(&demo.kubectl.namespace);
    let calls = log::operator(&demo.kubectl, "calling the node");
    let (mut total, mut planned, mut written, mut called) = (vec![], vec![], vec![], vec![]);
    for (id, audit) in &sent {
        let patch = patches
            .iter()
            .find(|entry| entry["auditID"] == audit.as_str());
        let call = calls.iter().find(|entry| entry["id"] == id.as_str());
        let (Some(patch), Some(call)) = (patch, call) else {
            crate::say(&format!("{id} is missing in a log"));
            continue;
        };
        let (asked, called_at) = (log::received(patch), log::time(&call["timestamp"]));
        total.push(log::seconds(asked, called_at));
        // The first status after the request contains its plan, before any node is called.
        let plan = writes
            .iter()
            .find(|entry| log::is_status(entry) && log::received(entry) > asked);
        if let Some(plan) = plan {
            planned.push(log::seconds(asked, log::received(plan)));
            written.push(log::seconds(log::received(plan), log::answered(plan)));
            called.push(log::seconds(log::answered(plan), called_at));
        }
    }
    let row = |figure: &str, share: f64, values: &[f64]| {
        Row::quantile(figure, Unit::Millis, values, share)
    };
    table.add(row("annotation → node called, p50", 0.5, &total).target("≤ 50 ms"));
    table.add(row("annotation → node called, p99", 0.99, &total).target("≤ 250 ms"));
    table.add(row("  of it until the plan is sent, p50", 0.5, &planned));
    table.add(row("  of it until the plan is kept, p50", 0.5, &written));
    table.add(row("  of it until the node is called, p50", 0.5, &called));
}

/// Sends requests and waits for the end of each. Returns their ids and their ids in the audit log.
fn send(api: &Api, demo: &Cluster, count: u32) -> Vec<(String, String)> {
    let pod = &demo.pod_names()[0];
    let (resource, watched) = (path(demo), watched(demo));
    let (seen, news) = mpsc::channel::<Value>();
    thread::scope(|scope| {
        scope.spawn(move || {
            // The watch ends when the receiver is dropped.
            api.watch(&watched, |cluster| seen.send(cluster.clone()).is_err())
        });
        let request = |index| {
            let id = fresh_id("bench");
            let value = format!("{id} --pod {pod} --keyspace system_auth");
            let key = format!("{OPERATIONS}flush");
            let patch = json!({ "metadata": { "annotations": { key: value } } });
            let audit = api.merge(&resource, &patch);
            let ended = news.iter().find_map(|cluster| {
                let operation = find_operation(&cluster, "flush", &id)?;
                let phase = operation["phase"].as_str().unwrap_or_default().to_owned();
                let ended = ["Succeeded", "Failed", "Refused"].contains(&phase.as_str());
                ended.then_some(phase)
            });
            assert_eq!(ended.as_deref(), Some("Succeeded"), "{id}");
            thread::sleep(Duration::from_millis(PAUSES[index % PAUSES.len()]));
            (id, audit)
        };
        let sent = (0..count as usize).map(request).collect();
        // One more change, so that the watch detects the end.
        drop(news);
        demo.annotate("flush", None).ok();
        sent
    })
}
