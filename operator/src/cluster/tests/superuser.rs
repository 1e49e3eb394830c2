//! The Secrets of the superuser: made by the operator or named by the user, and a password that changes.

mod failures;
mod replicas;
mod users;

use base64::{Engine, engine::general_purpose::STANDARD};
use casskop_common::{
    api::OperationMode,
    names::{self, RackId},
};
use casskop_core::node::Reading;
use serde_json::json;

use crate::{
    api_server::{ApiServer, Lost},
    cluster::tests::{CLUSTER, RACK, condition, edit, manifest, nodes::Nodes, operator_with, pass},
    node_api::cql::{
        Login,
        server::{Role, Server},
    },
};

const SECRETS: &str = "/api/v1/namespaces/ns/secrets";
const ACCEPTED: &str = "/api/v1/namespaces/ns/secrets/demo-superuser-accepted";
const IP: &str = "127.0.0.1";

/// A ring with logins, whose node has this native transport and accepts this password of `admin`.
fn ring(node: &Server, password: &str) -> ApiServer {
    let server = ApiServer::default();
    let mut cluster = manifest();
    cluster["spec"]["authentication"] = json!({ "superuserSecret": "admins" });
    cluster["spec"]["config"] =
        json!({ "cassandra-yaml": { "native_transport_port": node.socket.port() } });
    node.with(|state| state.roles = [("admin".to_owned(), role(password))].into());
    server.with(|state| state.put(CLUSTER, cluster));
    put(&server, "admins", "admin", password);
    add_pod(&server, 0, IP);
    server
}

fn add_pod(server: &ApiServer, ordinal: usize, ip: &str) {
    let labels = names::rack_labels("demo", &RackId::new("dc1", "rack1"));
    let name = format!("demo-dc1-rack1-{ordinal}");
    let pod = json!({
        "metadata": {
            "name": name, "labels": labels,
            "annotations": { names::LOGINS: "Required" },
        },
        "status": {
            "podIP": ip,
            "conditions": [{ "type": "Ready", "status": "True" }],
        },
    });
    server.with(|state| state.put(&format!("/api/v1/namespaces/ns/pods/{name}"), pod));
}

fn role(password: &str) -> Role {
    Role {
        password: password.into(),
        may_log_in: true,
        is_superuser: true,
    }
}

fn put(server: &ApiServer, name: &str, username: &str, password: &str) {
    let encoded = |text: &str| STANDARD.encode(text);
    let secret = json!({
        "metadata": { "name": name },
        "data": { "username": encoded(username), "password": encoded(password) },
    });
    server.with(|state| state.put(&format!("{SECRETS}/{name}"), secret));
}

/// Values of a Secret of these keys.
fn values<const N: usize>(server: &ApiServer, path: &str, keys: [&str; N]) -> [String; N] {
    let secret = server.with(|state| state.objects.get(path).cloned().unwrap_or_default());
    keys.map(|key| {
        let value = secret["data"][key].as_str().unwrap_or_default();
        String::from_utf8(STANDARD.decode(value).unwrap()).unwrap()
    })
}

/// The UID of the resource for which a login has succeeded.
fn known_for(server: &ApiServer) -> String {
    let [uid] = values(server, ACCEPTED, ["accepted-for"]);
    uid
}

fn owners(server: &ApiServer, path: &str) -> usize {
    let object = server.with(|state| state.objects[path].clone());
    let owners = object["metadata"]["ownerReferences"].as_array().cloned();
    owners.unwrap_or_default().len()
}

fn uid(server: &ApiServer) -> String {
    let cluster = server.with(|state| state.objects[CLUSTER].clone());
    cluster["metadata"]["uid"].as_str().unwrap().to_owned()
}

fn accepted(server: &ApiServer) -> [String; 2] {
    values(server, ACCEPTED, ["password", "next-password"])
}

fn serving() -> Nodes {
    let reading = |ip: &str| Reading {
        mode: OperationMode::Normal,
        native_transport: true,
        local_host_id: format!("host-{ip}"),
        ..Reading::default()
    };
    Nodes {
        readings: [IP, "127.0.0.2"]
            .map(|ip| (ip.to_owned(), reading(ip)))
            .into(),
        ..Nodes::default()
    }
}

/// Reconciles some times; a pass may fail.
async fn reconcile(server: &ApiServer) {
    let ctx = operator_with(server, Box::new(serving()));
    for _ in 0..4 {
        let _ = pass(server, &ctx).await;
    }
}

fn login(username: &str, password: &str) -> Login {
    Login {
        username: username.into(),
        password: password.into(),
    }
}

/// Nothing but Secrets has a password.
fn assert_hidden(server: &ApiServer, passwords: &[&str]) {
    server.with(|state| {
        let objects = state.objects.iter();
        let written = state.written.iter().map(|(path, object)| (path, object));
        for (path, object) in objects.chain(written) {
            let text = object.to_string();
            for password in passwords {
                let is_shown = text.contains(password) || text.contains(&STANDARD.encode(password));
                assert!(path.starts_with(SECRETS) || !is_shown, "{path}");
            }
        }
    });
}

#[tokio::test]
async fn a_superuser_is_made_where_none_is_named_and_pods_get_a_copy() {
    let server = ApiServer::default();
    let mut cluster = manifest();
    cluster["spec"]["authentication"] = json!({});
    server.with(|state| state.put(CLUSTER, cluster));
    reconcile(&server).await;
    let keys = ["username", "password"];
    let made = values(&server, &format!("{SECRETS}/demo-superuser"), keys);
    assert_eq!(made[0], "superuser");
    assert!(made[1].len() >= 32);
    assert_eq!(values(&server, ACCEPTED, keys), made);
    let template = server.with(|state| state.objects[RACK]["spec"]["template"].to_string());
    assert!(template.contains("demo-superuser-accepted"), "{template}");
    assert_hidden(&server, &[&made[1]]);
    // It is the superuser of the ring, which a lost Secret brings back.
    server.with(|state| state.objects.remove(&format!("{SECRETS}/demo-superuser")));
    reconcile(&server).await;
    assert_eq!(
        values(&server, &format!("{SECRETS}/demo-superuser"), keys),
        made
    );
}

#[tokio::test]
async fn no_pod_starts_without_a_superuser_that_can_be_used() {
    let server = ApiServer::default();
    let mut cluster = manifest();
    cluster["spec"]["authentication"] = json!({ "superuserSecret": "admins" });
    server.with(|state| state.put(CLUSTER, cluster));
    for (username, why) in [
        ("cassandra", "has the username cassandra"),
        ("a b", "has a username with characters other than"),
    ] {
        put(&server, "admins", username, "s3cr3t-0f-admins");
        reconcile(&server).await;
        let told = condition(&server, "Degraded")["message"].to_string();
        assert!(
            told.contains("Secret admins") && told.contains(why),
            "{told}"
        );
        assert!(!server.with(|state| state.objects.contains_key(ACCEPTED)));
    }
    // One of another application.
    edit(&server, &format!("{SECRETS}/admins"), |secret| {
        secret["data"]["uri"] = json!("eA==");
    });
    reconcile(&server).await;
    let told = condition(&server, "SpecAccepted")["message"].to_string();
    assert!(
        told.contains("Secret admins of authentication.superuserSecret may not be meant"),
        "{told}"
    );
    assert_hidden(&server, &["s3cr3t-0f-admins"]);
}

#[tokio::test]
async fn a_changed_password_is_changed_in_cassandra() {
    let node = Server::new();
    let server = ring(&node, "first-s3cr3t");
    reconcile(&server).await;
    assert_eq!(accepted(&server), ["first-s3cr3t", ""]);
    assert_eq!(node.with(|state| state.carried_out.len()), 0);
    put(&server, "admins", "admin", "second-s3cr3t");
    reconcile(&server).await;
    assert!(node.lets_in(&login("admin", "second-s3cr3t")));
    assert!(!node.lets_in(&login("admin", "first-s3cr3t")));
    assert_eq!(accepted(&server), ["second-s3cr3t", ""]);
    let done = node.with(|state| std::mem::take(&mut state.carried_out));
    assert_eq!(done, [r#"ALTER "admin""#]);
    reconcile(&server).await;
    assert_eq!(node.with(|state| state.carried_out.len()), 0);
    assert_hidden(&server, &["first-s3cr3t", "second-s3cr3t"]);
}

#[tokio::test]
async fn a_superuser_is_known_when_it_has_logged_in() {
    let node = Server::new();
    let server = ring(&node, "first");
    // The ring was created again over its volumes, and its Secrets are lost.
    node.with(|state| state.roles.insert("admin".into(), role("of-the-volumes")));
    reconcile(&server).await;
    assert_eq!(known_for(&server), "");
    let told = condition(&server, "Degraded")["message"].to_string();
    assert!(told.contains("no node accepts the password"), "{told}");
    put(&server, "admins", "admin", "of-the-volumes");
    reconcile(&server).await;
    assert_eq!(accepted(&server), ["of-the-volumes", ""]);
    assert_eq!(known_for(&server), uid(&server));
    assert_eq!(node.with(|state| state.carried_out.len()), 0);
    // Of another resource of the name.
    edit(&server, ACCEPTED, |secret| {
        secret["data"]["accepted-for"] = json!(STANDARD.encode("another"));
    });
    reconcile(&server).await;
    assert_eq!(known_for(&server), uid(&server));
}

#[tokio::test]
async fn the_secrets_stay_as_long_as_the_volumes() {
    let server = ApiServer::default();
    let mut cluster = manifest();
    cluster["spec"]["authentication"] = json!({});
    server.with(|state| state.put(CLUSTER, cluster));
    let secrets = [format!("{SECRETS}/demo-superuser"), ACCEPTED.to_owned()];
    let owners = || [&secrets[0], &secrets[1]].map(|path| owners(&server, path));
    let data = || {
        [&secrets[0], &secrets[1]]
            .map(|path| server.with(|state| state.objects[path]["data"].clone()))
    };
    reconcile(&server).await;
    assert_eq!(owners(), [0, 0]);
    let before = data();
    for (deletes, owned) in [(true, 1), (false, 0)] {
        edit(&server, CLUSTER, |cluster| {
            cluster["spec"]["deletePVC"] = json!(deletes);
        });
        reconcile(&server).await;
        assert_eq!(owners(), [owned; 2], "{deletes}");
    }
    assert_eq!(data(), before);
}

/// With any content of the Secret of the spec, and with any hold of the operator.
#[tokio::test]
async fn the_owner_of_the_record_follows_the_volumes_in_any_case() {
    let node = Server::new();
    for broken in [false, true] {
        let server = ring(&node, "first");
        edit(&server, CLUSTER, |cluster| {
            cluster["spec"]["deletePVC"] = json!(true);
        });
        reconcile(&server).await;
        assert_eq!(owners(&server, ACCEPTED), 1);
        let path = format!("{SECRETS}/admins");
        if broken {
            edit(&server, &path, |secret| secret["data"] = json!({}));
        } else {
            server.with(|state| state.objects.remove(&path));
        }
        edit(&server, CLUSTER, |cluster| {
            cluster["spec"]["deletePVC"] = json!(false);
        });
        reconcile(&server).await;
        assert_eq!(owners(&server, ACCEPTED), 0);
    }
}

/// One that was made beforehand is of somebody else.
#[tokio::test]
async fn a_secret_of_another_maker_keeps_its_owner() {
    let server = ApiServer::default();
    let mut cluster = manifest();
    cluster["spec"]["authentication"] = json!({});
    cluster["spec"]["deletePVC"] = json!(true);
    server.with(|state| state.put(CLUSTER, cluster));
    put(&server, "demo-superuser", "admin", "first");
    reconcile(&server).await;
    assert_eq!(owners(&server, &format!("{SECRETS}/demo-superuser")), 0);
    assert_eq!(owners(&server, ACCEPTED), 1);
}

/// Each superuser that the operator has made is shut out when the next one has taken its place.
#[tokio::test]
async fn no_earlier_superuser_stays() {
    for lost in [None, Some(0), Some(1), Some(2), Some(3)] {
        let node = Server::new();
        let server = ring(&node, "first");
        reconcile(&server).await;
        node.with(|state| state.answers = lost);
        put(&server, "admins", "boss", "second");
        reconcile(&server).await;
        node.with(|state| state.answers = None);
        put(&server, "admins", "chief", "third");
        for _ in 0..3 {
            reconcile(&server).await;
        }
        assert!(node.lets_in(&login("chief", "third")));
        assert_eq!(accepted(&server), ["third", ""]);
        // Back to an earlier one.
        put(&server, "admins", "admin", "fourth");
        for _ in 0..3 {
            reconcile(&server).await;
        }
        assert!(node.lets_in(&login("admin", "fourth")));
        node.with(|state| {
            let superusers = state.roles.iter().filter(|(_, role)| role.is_superuser);
            let names: Vec<&String> = superusers.map(|(name, _)| name).collect();
            assert_eq!(names, ["admin"], "{lost:?}");
        });
    }
}

#[tokio::test]
async fn another_superuser_takes_the_place_of_the_one_before() {
    let node = Server::new();
    let server = ring(&node, "first");
    reconcile(&server).await;
    put(&server, "admins", "boss", "second");
    reconcile(&server).await;
    assert!(node.lets_in(&login("boss", "second")));
    node.with(|state| {
        let before = &state.roles["admin"];
        assert!(!before.may_log_in && !before.is_superuser);
    });
    assert_eq!(accepted(&server), ["second", ""]);
}
