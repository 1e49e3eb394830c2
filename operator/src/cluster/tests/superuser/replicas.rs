//! The replicas of the roles: recorded, then told to Cassandra, by the superuser.

use std::sync::Arc;

use serde_json::Value;

use super::*;

const SCHEMA: &str = "v1";
const POD: &str = "/api/v1/namespaces/ns/pods/demo-dc1-rack1-0";

/// A ring of one node, whose roles have replicas in a data center that has gone.
async fn ring_with_gone(node: &Server) -> ApiServer {
    let server = ring(node, "first");
    node.with(|state| {
        state.replication = "org.apache.cassandra.locator.NetworkTopologyStrategy".into();
        state.factors = [("dc1", "1"), ("dc2", "3")]
            .map(|(dc, count)| (dc.to_owned(), count.to_owned()))
            .into();
    });
    edit(&server, CLUSTER, |cluster| {
        cluster["spec"]["topology"]["dc"][0]["rack"] = json!([{ "name": "rack1" }]);
        cluster["status"]["replication"] = json!({
            "schemaVersion": SCHEMA, "keyspaces": { "system_auth": { "dc1": 1, "dc2": 3 } },
        });
        cluster["status"]["roleReplicas"] = json!({
            "replicas": { "dc1": 1, "dc2": 3 }, "since": "2026-01-01T00:00:00Z", "repaired": true,
        });
    });
    // Its rack is as Kubernetes leaves it.
    reconcile_with(&server, 1).await;
    edit(&server, RACK, |set| {
        set["status"] = json!({
            "replicas": 1, "observedGeneration": 9, "currentRevision": "r", "updateRevision": "r",
        });
    });
    edit(&server, POD, |pod| {
        pod["metadata"]["labels"]["controller-revision-hash"] = json!("r");
    });
    server
}

fn serving() -> Nodes {
    let mut nodes = super::serving();
    for (ip, reading) in &mut nodes.readings {
        reading.schema_version = SCHEMA.into();
        reading.live = Arc::new([ip.clone()].into());
    }
    nodes
}

fn recorded(server: &ApiServer) -> Value {
    server.with(|state| state.objects[CLUSTER]["status"]["roleReplicas"].clone())
}

fn told(node: &Server) -> Vec<String> {
    node.with(|state| std::mem::take(&mut state.carried_out))
}

const ALTER: &str =
    "ALTER KEYSPACE system_auth WITH replication = {'class': 'NetworkTopologyStrategy', 'dc1': 1}";

#[tokio::test]
async fn a_change_is_recorded_and_then_told_once() {
    let node = Server::new();
    let server = ring_with_gone(&node).await;
    let ctx = operator_with(&server, Box::new(serving()));
    for _ in 0..9 {
        if !recorded(&server)["next"].is_null() {
            break;
        }
        assert_eq!(told(&node), [""; 0]);
        pass(&server, &ctx).await.unwrap();
    }
    assert_eq!(recorded(&server)["next"], json!({ "dc1": 1 }));
    assert_eq!(told(&node), [""; 0]);
    for _ in 0..4 {
        pass(&server, &ctx).await.unwrap();
    }
    assert_eq!(told(&node), [ALTER]);
    assert_hidden(&server, &["first"]);
}

/// The record is not written, the answer is lost, or another operator goes on.
#[tokio::test]
async fn a_change_that_is_interrupted_is_made_in_the_end() {
    for answers in [0, 1, 2, 3, 4] {
        for lost in [None, Some(Lost::Write), Some(Lost::Answer)] {
            let node = Server::new();
            let server = ring_with_gone(&node).await;
            reconcile_with(&server, 1).await;
            node.with(|state| state.answers = Some(answers));
            for _ in 0..4 {
                server.with(|state| state.lost = lost);
                reconcile_with(&server, 1).await;
            }
            node.with(|state| state.answers = None);
            server.with(|state| state.lost = None);
            reconcile_with(&server, 4).await;
            assert!(node.with(|state| !state.factors.contains_key("dc2")));
            let told = told(&node);
            assert!(
                !told.is_empty() && told.iter().all(|told| told == ALTER),
                "{told:?}"
            );
        }
    }
}

async fn reconcile_with(server: &ApiServer, passes: usize) {
    let ctx = operator_with(server, Box::new(serving()));
    for _ in 0..passes {
        let _ = pass(server, &ctx).await;
    }
}

#[tokio::test]
async fn replicas_that_are_others_by_now_are_left_alone() {
    let node = Server::new();
    let server = ring_with_gone(&node).await;
    reconcile_with(&server, 6).await;
    assert_eq!(told(&node), [ALTER]);
    for factors in [[("dc1", "2")], [("dc9", "3")]] {
        node.with(|state| {
            state.factors = factors
                .map(|(dc, count)| (dc.to_owned(), count.to_owned()))
                .into();
        });
        reconcile_with(&server, 4).await;
        assert_eq!(told(&node), [""; 0]);
        let told = condition(&server, "Degraded")["message"].to_string();
        assert!(told.contains("they were changed since"), "{told}");
    }
}

#[tokio::test]
async fn a_change_that_cassandra_refuses_is_told_and_waits() {
    let node = Server::new();
    let server = ring_with_gone(&node).await;
    reconcile_with(&server, 1).await;
    let ctx = operator_with(&server, Box::new(serving()));
    node.with(|state| state.error = Some((0x2300, "active nodes".into())));
    let before = node.with(|state| state.logins);
    for _ in 0..6 {
        pass(&server, &ctx).await.unwrap();
    }
    assert!(node.with(|state| state.logins) <= before + 2);
    let told = condition(&server, "Degraded")["message"].to_string();
    assert!(told.contains("active nodes"), "{told}");
}
