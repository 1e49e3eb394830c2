//! The Secrets of the superuser: made by the operator or named by the user, and a password that changes.

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
const POD: &str = "/api/v1/namespaces/ns/pods/demo-dc1-rack1-0";
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
    let labels = names::rack_labels("demo", &RackId::new("dc1", "rack1"));
    let pod = json!({
        "metadata": {
            "name": "demo-dc1-rack1-0", "labels": labels,
            "annotations": { names::LOGINS: "Required" },
        },
        "status": {
            "podIP": IP,
            "conditions": [{ "type": "Ready", "status": "True" }],
        },
    });
    server.with(|state| state.put(POD, pod));
    server
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

fn accepted(server: &ApiServer) -> [String; 2] {
    values(server, ACCEPTED, ["password", "next-password"])
}

fn serving() -> Nodes {
    let reading = Reading {
        mode: OperationMode::Normal,
        native_transport: true,
        local_host_id: "h".into(),
        ..Reading::default()
    };
    Nodes {
        readings: [(IP.to_owned(), reading)].into(),
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
        let objects = state.objects.iter().map(|(path, object)| (path, object));
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
        assert_eq!(
            server.with(|state| state.objects.contains_key(ACCEPTED)),
            false
        );
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

/// Cassandra does what it was told, or not, and the operator does not hear of it; meanwhile the Secret changes again.
#[tokio::test]
async fn no_lost_answer_locks_anybody_out() {
    for is_again in [false, true] {
        for lost in [Lost::Write, Lost::Answer] {
            for answers in [0, 1] {
                let node = Server::new();
                let server = ring(&node, "first");
                reconcile(&server).await;
                put(&server, "admins", "admin", "second");
                node.with(|state| state.answers = Some(answers));
                let ctx = operator_with(&server, Box::new(serving()));
                for _ in 0..3 {
                    server.with(|state| state.lost = Some(lost));
                    let _ = pass(&server, &ctx).await;
                }
                let wanted = if is_again { "third" } else { "second" };
                put(&server, "admins", "admin", wanted);
                node.with(|state| state.answers = None);
                server.with(|state| state.lost = None);
                for _ in 0..3 {
                    reconcile(&server).await;
                }
                assert!(
                    node.lets_in(&login("admin", wanted)),
                    "{is_again} {answers}"
                );
                assert_eq!(accepted(&server), [wanted, ""]);
            }
        }
    }
}

#[tokio::test]
async fn a_change_back_before_it_was_made_leaves_the_password() {
    let node = Server::new();
    let server = ring(&node, "first");
    reconcile(&server).await;
    node.with(|state| state.error = Some((0x1001, "overloaded".into())));
    put(&server, "admins", "admin", "second");
    reconcile(&server).await;
    assert_eq!(accepted(&server), ["first", "second"]);
    let told = condition(&server, "Degraded")["message"].to_string();
    assert!(told.contains("0x1001"), "{told}");
    put(&server, "admins", "admin", "first");
    reconcile(&server).await;
    assert_eq!(accepted(&server), ["first", ""]);
    assert!(node.lets_in(&login("admin", "first")));
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

#[tokio::test]
async fn a_password_that_was_changed_by_hand_is_told() {
    let node = Server::new();
    let server = ring(&node, "first");
    reconcile(&server).await;
    node.with(|state| state.roles.insert("admin".into(), role("by-hand")));
    put(&server, "admins", "admin", "second");
    reconcile(&server).await;
    let told = condition(&server, "Degraded")["message"].to_string();
    assert!(
        told.contains("neither the password before nor the new one"),
        "{told}"
    );
    assert_hidden(&server, &["by-hand", "second"]);
    // As the message says.
    put(&server, "admins", "admin", "by-hand");
    reconcile(&server).await;
    assert_eq!(accepted(&server), ["by-hand", ""]);
    put(&server, "admins", "admin", "third");
    reconcile(&server).await;
    assert!(node.lets_in(&login("admin", "third")));
}
