//! Renewals of the certificates that the operator makes, whatever else is wrong.

use std::sync::Arc;

use casskop_common::{
    api::CassandraCluster,
    names::{self, RackId},
    readable::Readable,
};
use kube::runtime::controller::Action;
use serde_json::{Value, json};

use crate::{
    api_server::ApiServer,
    cluster::{
        Error, WHILE_UNREADABLE, after_failure, reconcile as reconcile_once,
        tests::{
            CLUSTER, RACK,
            authority::{
                AUTHORITY, DAY, NODES, age, content, made, object, reconcile, remove, server,
            },
            condition, edit, manifest, operator, pass,
        },
    },
    context::Context,
};

const PASSWORD: &str = "/api/v1/namespaces/ns/secrets/demo-jolokia";

/// A cluster of Jolokia with mutual TLS, and its certificates.
async fn with_password() -> ApiServer {
    let server = ApiServer::default();
    let mut cluster = manifest();
    cluster["spec"]["nodeApi"] = json!({ "tls": "Enabled" });
    server.with(|state| state.put(CLUSTER, cluster));
    reconcile(&server).await;
    server
}

/// Reconciles a cluster whose spec is of another type than the operator knows.
async fn reconcile_unreadable(server: &ApiServer) {
    let ctx: Arc<Context> = operator(server);
    let mut cluster = object(server, CLUSTER);
    cluster["spec"]["nodesPerRacks"] = json!("two");
    let cluster: Readable<CassandraCluster> = serde_json::from_str(&cluster.to_string()).unwrap();
    let cluster = Arc::new(cluster);
    let error = reconcile_once(cluster.clone(), ctx.clone()).await;
    let error = error.expect_err("it cannot be read");
    assert!(matches!(error, Error::Unreadable(_)), "{error}");
    let next = after_failure(cluster, &error, ctx);
    assert_eq!(next, Action::requeue(WHILE_UNREADABLE));
}

/// A quota on Secrets refuses the create of a Secret that exists, too.
#[tokio::test]
async fn a_password_that_may_not_be_created_holds_no_renewal_back() {
    let server = with_password().await;
    let before = content(&server);
    age(&server, DAY * 61);
    server.with(|state| state.refused = Some(PASSWORD.to_owned()));
    let ctx = operator(&server);
    // The refusal is told.
    let _ = pass(&server, &ctx).await;
    assert_ne!(content(&server)[1], before[1]);
}

#[tokio::test]
async fn a_renewal_that_is_refused_is_told_and_holds_nothing_else_back() {
    const SERVICE: &str = "/api/v1/namespaces/ns/services/demo";
    let server = made().await;
    age(&server, DAY * 61);
    let before = content(&server);
    remove(&server, SERVICE);
    server.with(|state| state.refused = Some(NODES.to_owned()));
    let ctx = operator(&server);
    pass(&server, &ctx)
        .await
        .expect_err("the Secret cannot be written");
    assert_ne!(object(&server, SERVICE), Value::Null);
    let degraded = condition(&server, "Degraded")["message"].clone();
    let told = degraded.as_str().unwrap();
    assert!(told.contains("write Secret demo-node-tls"), "{told}");
    assert_eq!(content(&server), before);
}

#[tokio::test]
async fn a_resource_that_cannot_be_read_has_its_certificates_renewed() {
    let server = made().await;
    let before = content(&server);
    reconcile_unreadable(&server).await;
    assert_eq!(content(&server), before, "none is due");
    age(&server, DAY * 61);
    reconcile_unreadable(&server).await;
    let after = content(&server);
    assert_eq!(after[0], before[0]);
    assert!(after[1] != before[1] && after[2] != before[2]);
}

/// Its spec may name other certificates, or none.
#[tokio::test]
async fn for_a_resource_that_cannot_be_read_nothing_is_made_or_taken_over() {
    let foreign = json!({ "metadata": { "name": "demo-node-tls" }, "data": { "tls.key": "bXk=" } });
    for secret in [None, Some(foreign)] {
        let server = server();
        let before = secret.map_or(Value::Null, |secret| {
            server.with(|state| state.put(NODES, secret))
        });
        reconcile_unreadable(&server).await;
        assert_eq!(object(&server, NODES), before);
        assert_eq!(object(&server, AUTHORITY), Value::Null);
    }
}

#[tokio::test]
async fn a_password_that_cannot_be_accepted_holds_no_renewal_back() {
    let server = with_password().await;
    let before = content(&server);
    age(&server, DAY * 61);
    edit(&server, PASSWORD, |secret| {
        secret["data"]["password"] = json!("bmV3");
    });
    let accepted = names::accepted_secret("demo");
    let accepted = format!("/api/v1/namespaces/ns/secrets/{accepted}");
    server.with(|state| state.refused = Some(accepted));
    let outcome = pass(&server, &operator(&server)).await;
    outcome.expect_err("the password is not accepted");
    assert_ne!(content(&server)[1], before[1]);
}

/// The CRD of an earlier version takes the record of a change of a rack out of the status.
#[tokio::test]
async fn a_status_that_is_not_kept_holds_no_renewal_back() {
    let server = made().await;
    let before = content(&server);
    edit(&server, CLUSTER, |cluster| {
        cluster["status"]["phase"] = json!("Running");
    });
    reconcile(&server).await;
    age(&server, DAY * 61);
    edit(&server, CLUSTER, |cluster| {
        cluster["spec"]["cassandraImage"] = json!("k8ssandra/cass-management-api:5.0.9-new");
    });
    server.with(|state| state.taken_out = Some("/status.lastRackWrite"));
    let outcome = pass(&server, &operator(&server)).await;
    let error = outcome.expect_err("no rack is written without its record");
    assert!(error.to_string().contains("lastRackWrite"), "{error}");
    assert_ne!(content(&server)[1], before[1]);
}

/// The Secrets of a deleted cluster live on for a moment.
#[tokio::test]
async fn a_secret_of_a_deleted_cluster_of_the_name_is_awaited() {
    let server = made().await;
    let before = content(&server);
    for path in [AUTHORITY, NODES] {
        edit(&server, path, |secret| {
            secret["metadata"]["ownerReferences"][0]["uid"] = json!("deleted");
        });
    }
    let kept = object(&server, NODES);
    let outcome = pass(&server, &operator(&server)).await;
    outcome.expect_err("the Secret is awaited");
    let told = condition(&server, "Degraded")["message"].clone();
    let told = told.as_str().unwrap();
    assert!(
        told.contains("is of a deleted cluster of this name"),
        "{told}"
    );
    assert_eq!(object(&server, NODES), kept);
    remove(&server, AUTHORITY);
    remove(&server, NODES);
    reconcile(&server).await;
    assert_ne!(content(&server)[0], before[0]);
}

const ACCEPTED: &str = "/api/v1/namespaces/ns/configmaps/demo-accepted";

/// A ring that was created with TLS without a word of the spec.
async fn with_tls_by_itself() -> ApiServer {
    let server = with_password().await;
    edit(&server, CLUSTER, |cluster| {
        cluster["spec"]["nodeApi"] = json!({});
    });
    reconcile(&server).await;
    assert!(has_tls(&server));
    server
}

fn has_tls(server: &ApiServer) -> bool {
    let accepted = object(server, ACCEPTED)["data"]["accepted.json"].to_string();
    accepted.contains("Enabled")
}

/// An earlier version leads: it has no word of TLS in the spec that it accepts, and starts nodes without.
fn lead_by_an_earlier_version(server: &ApiServer) {
    edit(server, ACCEPTED, |map| {
        let spec = map["data"]["accepted.json"].as_str().unwrap();
        let mut spec: Value = serde_json::from_str(spec).unwrap();
        spec["spec"]["nodeApi"] = json!({});
        map["data"]["accepted.json"] = json!(spec.to_string());
    });
    edit(server, RACK, |rack| {
        rack["spec"]["template"]["metadata"]["annotations"] = json!({});
    });
    assert!(!has_tls(server));
}

#[tokio::test]
async fn an_earlier_version_that_has_led_meanwhile_does_not_end_tls() {
    let server = with_tls_by_itself().await;
    for is_marked in [true, false] {
        lead_by_an_earlier_version(&server);
        if !is_marked {
            edit(&server, NODES, |secret| {
                let annotations = secret["metadata"]["annotations"].as_object_mut();
                annotations.unwrap().remove(names::NODE_API);
            });
        }
        reconcile(&server).await;
        assert_eq!(has_tls(&server), is_marked);
    }
}

/// The mark of a ring with TLS is on the Secret of its certificates.
#[tokio::test]
async fn a_secret_that_is_deleted_does_not_take_tls_with_it() {
    let mark = |server: &ApiServer| {
        let secret = object(server, NODES);
        secret["metadata"]["annotations"][names::NODE_API].clone()
    };
    let server = with_tls_by_itself().await;
    assert_eq!(mark(&server), "JolokiaTls");
    remove(&server, NODES);
    reconcile(&server).await;
    assert_eq!(mark(&server), "JolokiaTls");
    lead_by_an_earlier_version(&server);
    reconcile(&server).await;
    assert!(has_tls(&server));
    // It is deleted while the earlier version leads, and a pod still has TLS.
    let pod = json!({ "metadata": {
        "name": "demo-dc1-rack1-0", "namespace": "ns",
        "labels": names::rack_labels("demo", &RackId::new("dc1", "rack1")),
        "annotations": { names::NODE_API: "JolokiaTls" },
    } });
    server.with(|state| state.put("/api/v1/namespaces/ns/pods/demo-dc1-rack1-0", pod));
    lead_by_an_earlier_version(&server);
    remove(&server, NODES);
    reconcile(&server).await;
    assert_eq!(mark(&server), "JolokiaTls");
    reconcile(&server).await;
    assert!(has_tls(&server));
}
