//! The Secrets of `imageJolokiaSecret` and `nodeApi.tlsSecretName`: only one that is meant for the nodes is used.

use std::sync::LazyLock;

use base64::{Engine, engine::general_purpose::STANDARD};
use casskop_common::names;
use serde_json::{Value, json};

use crate::{
    api_server::ApiServer,
    cluster::tests::{CLUSTER, RACK, condition, edit, manifest, operator, pass},
    node_api::management_api::node::{Authority, RING},
};

const SECRETS: &str = "/api/v1/namespaces/ns/secrets";

/// A cluster that names the Secret `app`, which another application uses.
fn server() -> ApiServer {
    let server = ApiServer::default();
    let mut cluster = manifest();
    cluster["spec"]["imageJolokiaSecret"] = json!({ "name": "app" });
    server.with(|state| {
        state.put(CLUSTER, cluster);
        let data = json!({ "username": "YQ==", "password": "czNjcjN0", "uri": "eA==" });
        let app = json!({
            "metadata": { "name": "app" }, "type": "kubernetes.io/basic-auth", "data": data,
        });
        state.put(&format!("{SECRETS}/app"), app);
    });
    server
}

fn change(server: &ApiServer, path: &str, change: &Value) {
    edit(server, path, |object| json_patch::merge(object, change));
}

/// Reconciles, and returns what `SpecAccepted` says.
async fn reconcile(server: &ApiServer) -> String {
    let ctx = operator(server);
    for _ in 0..3 {
        pass(server, &ctx).await.unwrap();
    }
    let accepted = condition(server, "SpecAccepted");
    format!(
        "{} {}: {}",
        accepted["status"].as_str().unwrap(),
        accepted["reason"].as_str().unwrap(),
        accepted["message"].as_str().unwrap()
    )
}

fn knows(server: &ApiServer, path: &str) -> bool {
    server.with(|state| state.objects.contains_key(path))
}

#[tokio::test]
async fn a_secret_of_another_application_is_neither_kept_nor_mounted() {
    let server = server();
    let kept = format!("{SECRETS}/{}", names::accepted_secret("demo"));
    insta::assert_snapshot!(reconcile(&server).await, @"False SecretNotAllowed: Secret app of imageJolokiaSecret may not be meant for the nodes, for it has other keys than username and password: name another Secret; if it is meant for them: kubectl label secret app --namespace ns --overwrite db.orange.com/node-credentials=true");
    assert!(!knows(&server, RACK) && !knows(&server, &kept));

    // The command of the message is run.
    let labels = json!({ "metadata": { "labels": { names::NODE_CREDENTIALS_LABEL: "true" } } });
    change(&server, &format!("{SECRETS}/app"), &labels);
    let told = reconcile(&server).await;
    assert!(told.starts_with("True Accepted"), "{told}");
    assert!(knows(&server, RACK) && knows(&server, &kept));

    // The label is lost later, or an earlier version used the Secret without one: pods and password stay.
    let rack = server.with(|state| state.objects[RACK].clone());
    let none = json!({ "metadata": { "labels": null }, "data": { "password": "bmV3" } });
    change(&server, &format!("{SECRETS}/app"), &none);
    let before = server.with(|state| state.objects[&kept]["data"].clone());
    let told = reconcile(&server).await;
    assert!(told.starts_with("False SecretNotAllowed"), "{told}");
    assert_eq!(server.with(|state| state.objects[RACK].clone()), rack);
    assert_eq!(
        server.with(|state| state.objects[&kept]["data"].clone()),
        before
    );
}

#[tokio::test]
async fn a_running_cluster_is_not_turned_to_a_secret_of_another_application() {
    let server = server();
    change(
        &server,
        CLUSTER,
        &json!({ "spec": { "imageJolokiaSecret": null } }),
    );
    let told = reconcile(&server).await;
    assert!(told.starts_with("True Accepted"), "{told}");
    let rack = server.with(|state| state.objects[RACK].clone());
    let named = json!({ "spec": { "imageJolokiaSecret": { "name": "app" } } });
    change(&server, CLUSTER, &named);
    let told = reconcile(&server).await;
    assert!(told.starts_with("False SecretNotAllowed"), "{told}");
    assert_eq!(server.with(|state| state.objects[RACK].clone()), rack);
}

#[tokio::test]
async fn a_secret_of_the_go_casskop_needs_no_label() {
    let server = server();
    let go = json!({ "type": "Opaque", "data": { "uri": null } });
    change(&server, &format!("{SECRETS}/app"), &go);
    let told = reconcile(&server).await;
    assert!(told.starts_with("True Accepted"), "{told}");
    assert!(knows(&server, RACK));
}

/// Pods that started with the password before still accept it, and no pod would start with this one.
#[tokio::test]
async fn a_running_cluster_keeps_its_pods_when_its_user_becomes_one_that_http_cannot_express() {
    let server = server();
    let app = format!("{SECRETS}/app");
    change(&server, &app, &json!({ "data": { "uri": null } }));
    let told = reconcile(&server).await;
    assert!(told.starts_with("True Accepted"), "{told}");
    let kept = format!("{SECRETS}/{}", names::accepted_secret("demo"));
    let of_pods = || {
        server.with(|state| {
            (
                state.objects[RACK].clone(),
                state.objects[&kept]["data"].clone(),
            )
        })
    };
    let before = of_pods();
    change(
        &server,
        &app,
        &json!({ "data": { "username": STANDARD.encode("a:b") } }),
    );
    server.asked();
    reconcile(&server).await;
    assert_eq!(of_pods(), before);
    let asked = server.asked();
    assert!(
        !asked.iter().any(|asked| asked.starts_with("DELETE")),
        "{asked:?}"
    );
    let told = condition(&server, "Degraded")["message"].to_string();
    assert!(
        told.contains("Secret app has a username with ':'"),
        "{told}"
    );
}

/// A cluster of the Management API; its Secret has these labels and the parts of a certificate.
fn with_certificates(labels: &Value, key: &str) -> ApiServer {
    let server = ApiServer::default();
    let (ca, certificate, _) = certificates();
    let mut cluster = manifest();
    cluster["spec"]["nodeApi"] = json!({ "kind": "ManagementApi", "tlsSecretName": "demo-tls" });
    cluster["spec"]["cassandraImage"] = json!("k8ssandra/cass-management-api:5.0.9-ubi");
    let encoded = |text: &str| STANDARD.encode(text);
    let data =
        json!({ "ca.crt": encoded(ca), "tls.crt": encoded(certificate), "tls.key": encoded(key) });
    server.with(|state| {
        state.put(CLUSTER, cluster);
        let secret = json!({
            "metadata": { "name": "demo-tls", "labels": labels }, "type": "kubernetes.io/tls", "data": data,
        });
        state.put(&format!("{SECRETS}/demo-tls"), secret);
    });
    server
}

/// An authority, a certificate of it, and the key: always the same ones.
fn certificates() -> &'static (String, String, String) {
    static MADE: LazyLock<(String, String, String)> = LazyLock::new(|| {
        let authority = Authority::new();
        let (certificate, key) = authority.issue(RING);
        (authority.pem, certificate, key)
    });
    &MADE
}

#[tokio::test]
async fn certificates_are_used_only_if_they_are_meant_for_the_nodes() {
    let server = with_certificates(&json!({}), &certificates().2);
    insta::assert_snapshot!(reconcile(&server).await, @"False SecretNotAllowed: Secret demo-tls of nodeApi.tlsSecretName may not be meant for the nodes, for it has no label db.orange.com/node-credentials: name another Secret; if it is meant for them: kubectl label secret demo-tls --namespace ns --overwrite db.orange.com/node-credentials=true");
    assert!(!knows(&server, RACK));
    let meant = json!({ "metadata": { "labels": { names::NODE_CREDENTIALS_LABEL: "true" } } });
    change(&server, &format!("{SECRETS}/demo-tls"), &meant);
    assert!(reconcile(&server).await.starts_with("True"));
    assert!(knows(&server, RACK));
    let made = format!("{SECRETS}/{}", names::jolokia_secret("demo"));
    assert!(!knows(&server, &made), "a password that nobody needs");
}

#[tokio::test]
async fn certificates_that_cannot_be_used_are_reported_without_their_content() {
    let other = Authority::new().issue(RING).1;
    let labels = json!({ names::NODE_CREDENTIALS_LABEL: "true" });
    let server = with_certificates(&labels, &other);
    reconcile(&server).await;
    let status = server.with(|state| state.objects[CLUSTER]["status"].to_string());
    assert!(
        status.contains("Secret demo-tls: tls.key is not the key of tls.crt"),
        "{status}"
    );
    let line = other.lines().nth(1).unwrap();
    assert!(!status.contains(line));
}
