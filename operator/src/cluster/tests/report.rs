//! Events about the status itself.

use serde_json::{Value, json};

use crate::{
    api_server::ApiServer,
    cluster::tests::{CLUSTER, manifest, operator, pass},
};
use casskop_core::status::size;

#[tokio::test]
async fn parts_that_are_left_out_of_the_status_are_told() {
    let server = ApiServer::default();
    let node = |number: usize| {
        json!({
            "pod": format!("demo-dc1-rack1-{number}"), "phase": "Succeeded", "step": "", "hostId": "h".repeat(100),
            "progress": { "done": 9, "total": 9, "unit": "keyspaces" },
        })
    };
    let nodes: Vec<Value> = (0..4000).map(node).collect();
    let mut cluster = manifest();
    cluster["status"] = json!({ "operations": [{
        "kind": "scrub", "id": "1", "phase": "Succeeded", "nodes": nodes,
    }] });
    assert!(cluster["status"].to_string().len() > size::BUDGET);
    server.with(|state| state.put(CLUSTER, cluster));
    let ctx = operator(&server);
    for _ in 0..3 {
        pass(&server, &ctx).await.unwrap();
    }
    let (status, written) = server.with(|state| {
        (
            state.objects[CLUSTER]["status"].clone(),
            state.written.clone(),
        )
    });
    assert!(status.to_string().len() <= size::BUDGET);
    assert_eq!(status["operations"][0]["omittedNodes"]["succeeded"], 4000);
    let told: Vec<&Value> = written
        .iter()
        .filter(|(_, event)| event["reason"] == "StatusShortened")
        .map(|(_, event)| &event["note"])
        .collect();
    assert_eq!(
        told,
        [
            "the status reached its limit of size: nodes are only counted of scrub 1; the log of the operator has the details"
        ]
    );
}
