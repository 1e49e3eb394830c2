//! The certificates that the operator makes: `nodeApi.kind: ManagementApi` without `tlsSecretName`.

use base64::{Engine, engine::general_purpose::STANDARD};
use casskop_common::names;
use casskop_core::pod_config::certificates::KEYS;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::{
    api_server::{ApiServer, Rival},
    cluster::tests::{CLUSTER, RACK, condition, edit, manifest, operator, pass},
    node_api::management_api::{self, node::Node},
};

pub(super) const AUTHORITY: &str = "/api/v1/namespaces/ns/secrets/demo-node-authority";
pub(super) const NODES: &str = "/api/v1/namespaces/ns/secrets/demo-node-tls";
pub(super) const DAY: SignedDuration = SignedDuration::from_hours(24);
const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// The content of the Secret of the nodes, in the order of [`KEYS`].
pub(super) type Content = [String; 3];

/// A cluster whose certificates the operator makes.
pub(super) fn server() -> ApiServer {
    let server = ApiServer::default();
    let mut cluster = manifest();
    cluster["spec"]["nodeApi"] = json!({ "kind": "ManagementApi" });
    cluster["spec"]["cassandraImage"] = json!("k8ssandra/cass-management-api:5.0.9-ubi");
    server.with(|state| state.put(CLUSTER, cluster));
    server
}

pub(super) async fn reconcile(server: &ApiServer) {
    let ctx = operator(server);
    for _ in 0..3 {
        pass(server, &ctx).await.unwrap();
    }
}

/// A cluster with certificates.
pub(super) async fn made() -> ApiServer {
    let server = server();
    reconcile(&server).await;
    server
}

pub(super) fn object(server: &ApiServer, path: &str) -> Value {
    server.with(|state| state.objects.get(path).cloned().unwrap_or_default())
}

fn decoded(secret: &Value, key: &str) -> String {
    let value = secret["data"][key].as_str().unwrap_or_default();
    String::from_utf8(STANDARD.decode(value).unwrap()).unwrap()
}

pub(super) fn content(server: &ApiServer) -> Content {
    let secret = object(server, NODES);
    KEYS.map(|key| decoded(&secret, key))
}

fn count(pem: &str) -> usize {
    pem.matches("BEGIN CERTIFICATE").count()
}

/// Lets time pass: all recorded times are that much older.
pub(super) fn age(server: &ApiServer, by: SignedDuration) {
    let older = |record: &mut Value| {
        for key in ["issuedAt", "expiresAt", "writtenAt"] {
            if let Some(time) = record[key].as_str() {
                let time: Timestamp = time.parse().unwrap();
                record[key] = json!(time - by);
            }
        }
    };
    edit(server, AUTHORITY, |secret| {
        let mut authorities: Value = serde_json::from_str(&decoded(secret, "authorities")).unwrap();
        authorities
            .as_array_mut()
            .unwrap()
            .iter_mut()
            .for_each(older);
        secret["data"]["authorities"] = json!(STANDARD.encode(authorities.to_string()));
    });
    edit(server, NODES, |secret| {
        let record = &mut secret["metadata"]["annotations"][names::NODE_CERTIFICATE];
        let mut times: Value = serde_json::from_str(record.as_str().unwrap()).unwrap();
        older(&mut times);
        *record = json!(times.to_string());
    });
}

pub(super) fn remove(server: &ApiServer, path: &str) {
    server.with(|state| state.objects.remove(path));
}

/// Whether an operator and a node trust each other that have these contents of the Secret.
fn trust(operator: &Content, node: &Content) -> bool {
    let node = Node::sharing(node, operator);
    let reading = management_api::read(&node.session());
    reading.is_ok()
}

/// The one may still use the former content while the other uses the next one, and the other way round.
fn assert_overlap(before: &Content, after: &Content) {
    assert!(trust(before, after) && trust(after, before));
}

#[tokio::test]
async fn an_authority_and_a_certificate_are_made_and_left_alone() {
    let server = made().await;
    let (authority, nodes) = (object(&server, AUTHORITY), object(&server, NODES));
    let uid = object(&server, CLUSTER)["metadata"]["uid"].clone();
    for secret in [&authority, &nodes] {
        assert_eq!(secret["metadata"]["ownerReferences"][0]["uid"], uid);
        assert_eq!(secret["metadata"]["labels"][names::CLUSTER_LABEL], "demo");
    }
    let label =
        |secret: &Value| secret["metadata"]["labels"][names::NODE_CREDENTIALS_LABEL].clone();
    assert_eq!(
        (label(&authority), label(&nodes)),
        (Value::Null, json!("true"))
    );
    assert_eq!(nodes["type"], "kubernetes.io/tls");
    assert_eq!(nodes["data"].as_object().unwrap().len(), KEYS.len());
    let [ca, certificate, key] = content(&server);
    assert_eq!((count(&ca), count(&certificate)), (1, 1));
    assert!(key.starts_with("-----BEGIN PRIVATE KEY-----"));
    let pods = object(&server, RACK)["spec"]["template"].to_string();
    assert!(pods.contains("demo-node-tls") && !pods.contains("demo-node-authority"));
    assert!(trust(&content(&server), &content(&server)));

    assert_eq!(condition(&server, "SpecAccepted")["status"], "True");
    let before = [authority, nodes];
    server.asked();
    reconcile(&server).await;
    age(&server, DAY * 59);
    let aged = object(&server, NODES);
    reconcile(&server).await;
    let asked = server.asked();
    let mut writes = asked.iter().filter(|request| !request.starts_with("GET"));
    assert!(
        writes.all(|request| !request.contains("/secrets")),
        "{asked:#?}"
    );
    assert_eq!(object(&server, NODES), aged);
    let status = object(&server, CLUSTER)["status"].to_string();
    for secret in &before {
        let values = secret["data"].as_object().unwrap().values();
        assert!(
            values
                .clone()
                .all(|value| !status.contains(value.as_str().unwrap()))
        );
    }
    assert!(!status.contains("PRIVATE KEY"));
}

#[tokio::test]
async fn a_certificate_is_renewed_by_the_same_authority() {
    let server = made().await;
    let rack = object(&server, RACK)["spec"].clone();
    let before = content(&server);
    age(&server, DAY * 61);
    // A pause of the cluster does not let its certificate expire.
    edit(&server, CLUSTER, |cluster| {
        cluster["metadata"]["annotations"] = json!({ names::RECONCILE: "paused" });
    });
    let authority = object(&server, AUTHORITY);
    reconcile(&server).await;
    let after = content(&server);
    assert_eq!(before[0], after[0]);
    assert!(before[1] != after[1] && before[2] != after[2]);
    assert_overlap(&before, &after);
    assert_eq!(object(&server, AUTHORITY), authority);
    assert_eq!(object(&server, RACK)["spec"], rack, "no pod is replaced");
}

#[tokio::test]
async fn an_authority_is_renewed_in_steps_that_overlap() {
    let server = made().await;
    let mut contents = vec![content(&server)];
    age(&server, DAY * 2500);
    for trusted in [2, 2, 1] {
        reconcile(&server).await;
        contents.push(content(&server));
        assert_eq!(count(&contents[contents.len() - 1][0]), trusted);
        // Nothing follows at once.
        let before = object(&server, NODES);
        reconcile(&server).await;
        age(&server, HOUR / 2);
        let waits = object(&server, NODES);
        reconcile(&server).await;
        assert_eq!(object(&server, NODES), waits);
        assert_eq!(before["data"], waits["data"]);
        age(&server, HOUR / 2);
    }
    for pair in contents.windows(2) {
        assert_overlap(&pair[0], &pair[1]);
    }
    // The steps that are left out would not.
    assert!(!trust(&contents[0], &contents[2]) && !trust(&contents[2], &contents[0]));
    assert!(!trust(&contents[1], &contents[3]) && !trust(&contents[3], &contents[1]));
    let authorities = decoded(&object(&server, AUTHORITY), "authorities");
    assert_eq!(count(&authorities), 1, "the old one is forgotten");
    reconcile(&server).await;
    assert_eq!(contents[3], content(&server));
}

#[tokio::test]
async fn a_deleted_certificate_is_issued_anew_by_the_same_authority() {
    let server = made().await;
    let before = content(&server);
    remove(&server, NODES);
    reconcile(&server).await;
    let after = content(&server);
    assert_eq!(before[0], after[0]);
    assert_overlap(&before, &after);
}

#[tokio::test]
async fn a_deleted_authority_is_replaced_without_a_gap() {
    let server = made().await;
    let mut contents = vec![content(&server)];
    remove(&server, AUTHORITY);
    for trusted in [2, 2, 1] {
        reconcile(&server).await;
        contents.push(content(&server));
        assert_eq!(count(&contents[contents.len() - 1][0]), trusted);
        age(&server, HOUR);
    }
    assert_eq!(
        contents[0][1], contents[1][1],
        "the authority that issued it is gone"
    );
    for pair in contents.windows(2) {
        assert_overlap(&pair[0], &pair[1]);
    }
    assert_ne!(contents[0][0], contents[3][0]);
}

#[tokio::test]
async fn without_both_secrets_all_begins_anew() {
    let server = made().await;
    let before = content(&server);
    remove(&server, AUTHORITY);
    remove(&server, NODES);
    reconcile(&server).await;
    let after = content(&server);
    assert!(!trust(&before, &after));
    assert!(trust(&after, &after));
}

#[tokio::test]
async fn what_was_broken_by_hand_is_made_anew() {
    let garbage = || json!(STANDARD.encode("-----BEGIN PRIVATE KEY-----\nAAAA"));
    for (path, key) in [
        (NODES, "ca.crt"),
        (NODES, "tls.crt"),
        (NODES, "tls.key"),
        (AUTHORITY, "authorities"),
    ] {
        let server = made().await;
        edit(&server, path, |secret| secret["data"][key] = garbage());
        reconcile(&server).await;
        let after = content(&server);
        assert!(trust(&after, &after), "{key}");
        let status = object(&server, CLUSTER)["status"].to_string();
        assert!(!status.contains("AAAA"), "{status}");
    }
    // A certificate and its key that something else has written.
    let (server, other) = (made().await, made().await);
    edit(&server, NODES, |secret| {
        secret["data"] = object(&other, NODES)["data"].clone();
    });
    reconcile(&server).await;
    assert_ne!(content(&server)[0], content(&other)[0]);
    // The record is lost.
    edit(&server, NODES, |secret| {
        secret["metadata"]["annotations"] = json!({});
    });
    reconcile(&server).await;
    let record = &object(&server, NODES)["metadata"]["annotations"][names::NODE_CERTIFICATE];
    assert!(record.is_string());
}

#[tokio::test]
async fn a_secret_that_the_operator_did_not_make_is_never_taken_over() {
    let labels = json!({ "app": "cassandracluster", "cassandracluster": "demo", names::NODE_CREDENTIALS_LABEL: "true" });
    let owner = json!([{ "apiVersion": "cert-manager.io/v1", "kind": "Certificate", "name": "demo", "uid": "u", "controller": true }]);
    let unlabelled = json!({ names::NODE_CREDENTIALS_LABEL: "true" });
    for (path, metadata) in [
        (NODES, json!({ "labels": unlabelled })),
        (NODES, json!({ "labels": labels })),
        (
            NODES,
            json!({ "labels": labels, "ownerReferences": owner, "annotations": { names::NODE_CERTIFICATE: "{}" } }),
        ),
        (AUTHORITY, json!({})),
        (AUTHORITY, json!({ "labels": labels })),
    ] {
        let server = server();
        let (_, name) = path.rsplit_once('/').unwrap();
        let mut secret = json!({ "metadata": metadata, "data": { "tls.key": "bXk=" } });
        secret["metadata"]["name"] = json!(name);
        let before = server.with(|state| state.put(path, secret));
        reconcile(&server).await;
        let accepted = condition(&server, "SpecAccepted");
        assert_eq!(accepted["reason"], "SecretNotAllowed", "{path}");
        let message = accepted["message"].as_str().unwrap();
        assert!(
            message.contains(&format!("Secret {name} was not made")),
            "{message}"
        );
        assert_eq!(object(&server, path), before);
        assert_eq!(object(&server, RACK), Value::Null);
    }
}

/// On a ring that runs, too; and the certificates of a Secret that has lost its owner are still known.
#[tokio::test]
async fn a_secret_that_lost_its_owner_is_kept_and_one_that_lost_its_labels_is_not_changed() {
    let server = made().await;
    let before = content(&server);
    edit(&server, NODES, |secret| {
        secret["metadata"]["ownerReferences"] = json!(null);
    });
    edit(&server, AUTHORITY, |secret| {
        secret["metadata"]["ownerReferences"] = json!(null);
    });
    reconcile(&server).await;
    assert_eq!(content(&server), before);
    age(&server, DAY * 61);
    reconcile(&server).await;
    let renewed = object(&server, NODES);
    assert!(renewed["metadata"]["ownerReferences"][0]["uid"].is_string());

    let rack = object(&server, RACK)["spec"].clone();
    edit(&server, NODES, |secret| {
        secret["metadata"]["labels"] = json!({});
    });
    age(&server, DAY * 61);
    let before = object(&server, NODES);
    reconcile(&server).await;
    assert_eq!(
        condition(&server, "SpecAccepted")["reason"],
        "SecretNotAllowed"
    );
    assert_eq!(object(&server, NODES), before);
    assert_eq!(object(&server, RACK)["spec"], rack);
}

#[tokio::test]
async fn another_writer_is_not_overwritten() {
    let server = made().await;
    age(&server, DAY * 61);
    let before = content(&server);
    server.with(|state| {
        state.rival = Some(Rival {
            object: "demo-node-tls",
            change: |secret| secret["metadata"]["labels"]["backup"] = json!("no"),
        });
    });
    let ctx = operator(&server);
    pass(&server, &ctx).await.unwrap();
    assert_eq!(content(&server), before);
    pass(&server, &ctx).await.unwrap();
    assert_ne!(content(&server), before);
    assert_eq!(object(&server, NODES)["metadata"]["labels"]["backup"], "no");
}
