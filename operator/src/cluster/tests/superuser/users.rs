//! Roles of applications: made, changed and shut out by the superuser, each on its own.

use std::sync::Arc;

use serde_json::Value;

use crate::{context::Context, node_api::cql::About};

use super::*;

const SCHEMA: &str = "v1";

fn serving() -> Nodes {
    let mut nodes = super::serving();
    for (ip, reading) in &mut nodes.readings {
        reading.schema_version = SCHEMA.into();
        reading.live = Arc::new([ip.clone()].into());
    }
    nodes
}

/// A ring whose spec has these users.
fn ring_with(node: &Server, users: Value) -> ApiServer {
    let server = ring(node, "first");
    ask(&server, users);
    put(&server, "orders-login", "orders", "orders-s3cr3t");
    // All replicas of the roles have them.
    node.with(|state| {
        state.replication = "org.apache.cassandra.locator.NetworkTopologyStrategy".into();
        state.factors = [("dc1".to_owned(), "1".to_owned())].into();
    });
    edit(&server, CLUSTER, |cluster| {
        cluster["status"]["roleReplicas"] = json!({
            "replicas": { "dc1": 1 }, "since": "2026-01-01T00:00:00Z", "repaired": true,
        });
    });
    server
}

fn ask(server: &ApiServer, users: Value) {
    edit(server, CLUSTER, |cluster| {
        cluster["spec"]["authentication"]["users"] = users;
    });
}

fn orders() -> Value {
    json!([{ "secret": "orders-login", "grants": [
        { "permissions": ["SELECT", "MODIFY"], "keyspace": "orders" },
    ] }])
}

/// Passes of a new operator.
async fn passes(server: &ApiServer, count: usize) {
    goes_on(server, &operator_with(server, Box::new(serving())), count).await;
}

/// Passes of the same operator: the looks of before count.
async fn goes_on(server: &ApiServer, ctx: &Arc<Context>, count: usize) {
    for _ in 0..count {
        let _ = pass(server, ctx).await;
    }
}

fn recorded(server: &ApiServer) -> Value {
    server.with(|state| state.objects[CLUSTER]["status"]["users"].clone())
}

fn done(node: &Server) -> Vec<String> {
    node.with(|state| std::mem::take(&mut state.carried_out))
}

fn flags(node: &Server, role: &str) -> (bool, bool) {
    node.with(|state| (state.roles[role].may_log_in, state.roles[role].is_superuser))
}

fn ordinary(password: &str) -> Role {
    Role {
        is_superuser: false,
        ..role(password)
    }
}

#[tokio::test]
async fn a_role_is_made_and_follows_its_secret_until_it_is_removed() {
    let node = Server::new();
    node.with(|state| state.resources.insert("orders".into()));
    let server = ring_with(&node, orders());
    passes(&server, 8).await;
    assert!(node.lets_in(&login("orders", "orders-s3cr3t")));
    assert_eq!(flags(&node, "orders"), (true, false));
    let created = done(&node);
    let grants = [
        r#"GRANT SELECT ON KEYSPACE "orders" TO "orders""#,
        r#"GRANT MODIFY ON KEYSPACE "orders" TO "orders""#,
    ];
    assert_eq!(created, [&[r#"CREATE "orders""#][..], &grants].concat());
    assert_eq!(recorded(&server)[0]["origin"], "Created");
    // The password.
    put(&server, "orders-login", "orders", "another-s3cr3t");
    passes(&server, 4).await;
    assert!(node.lets_in(&login("orders", "another-s3cr3t")));
    assert_eq!(done(&node)[0], r#"ALTER "orders""#);
    // One permission less.
    ask(
        &server,
        json!([{ "secret": "orders-login", "grants": [
        { "permissions": ["SELECT"], "keyspace": "orders" },
    ] }]),
    );
    passes(&server, 6).await;
    let revoke = r#"REVOKE MODIFY ON KEYSPACE "orders" FROM "orders""#.to_owned();
    assert!(done(&node).contains(&revoke));
    assert_eq!(
        recorded(&server)[0]["grants"][0]["permissions"],
        json!(["SELECT"])
    );
    // No user.
    ask(&server, json!([]));
    passes(&server, 6).await;
    assert_eq!(flags(&node, "orders"), (false, false));
    // First it cannot log in any more.
    let removed = [
        r#"ALTER "orders""#,
        r#"REVOKE SELECT ON KEYSPACE "orders" FROM "orders""#,
    ];
    assert_eq!(done(&node), removed);
    assert_hidden(&server, &["first", "orders-s3cr3t", "another-s3cr3t"]);
    // And again.
    ask(&server, orders());
    passes(&server, 8).await;
    assert!(node.lets_in(&login("orders", "another-s3cr3t")));
    let told = condition(&server, "Degraded")["message"].to_string();
    assert!(!told.contains("role"), "{told}");
}

/// Nothing is asked again as long as nothing changes.
#[tokio::test]
async fn roles_that_are_as_they_are_to_be_are_left_alone() {
    let node = Server::new();
    node.with(|state| state.resources.insert("orders".into()));
    let server = ring_with(&node, orders());
    let ctx = operator_with(&server, Box::new(serving()));
    for _ in 0..10 {
        pass(&server, &ctx).await.unwrap();
    }
    let logins = node.with(|state| state.logins);
    for _ in 0..5 {
        pass(&server, &ctx).await.unwrap();
    }
    assert_eq!(node.with(|state| state.logins), logins);
}

/// The operator is killed at any point, and answers are lost.
#[tokio::test]
async fn a_role_that_is_interrupted_is_made_in_the_end() {
    for answers in 0..8 {
        for lost in [None, Some(Lost::Write), Some(Lost::Answer)] {
            let node = Server::new();
            node.with(|state| state.resources.insert("orders".into()));
            let server = ring_with(&node, orders());
            passes(&server, 1).await;
            node.with(|state| state.answers = Some(answers));
            for _ in 0..6 {
                server.with(|state| state.lost = lost);
                passes(&server, 1).await;
            }
            node.with(|state| state.answers = None);
            server.with(|state| state.lost = None);
            passes(&server, 10).await;
            assert!(node.lets_in(&login("orders", "orders-s3cr3t")), "{answers}");
            assert_eq!(recorded(&server)[0]["origin"], "Created", "{answers}");
            assert_eq!(node.with(|state| state.granted.len()), 2, "{answers}");
        }
    }
}

/// The pause after a failure is over.
fn later(server: &ApiServer, ctx: &Context) {
    let uid = server.with(|state| state.objects[CLUSTER]["metadata"]["uid"].clone());
    let uid = uid.as_str().unwrap_or_default();
    ctx.effects.cql.failures.forget(uid, About::Users);
}

/// Of an operator that goes on, each answer is lost once, and the change is taken back before the next attempt.
#[tokio::test]
async fn what_is_taken_back_after_a_lost_answer_is_taken_back_in_cassandra() {
    for answers in 0..9 {
        let node = Server::new();
        node.with(|state| state.resources.insert("orders".into()));
        let server = ring_with(&node, orders());
        let ctx = operator_with(&server, Box::new(serving()));
        goes_on(&server, &ctx, 8).await;
        let secret = |password| put(&server, "orders-login", "orders", password);
        // A password.
        secret("another-s3cr3t");
        node.with(|state| state.answers = Some(answers));
        goes_on(&server, &ctx, 1).await;
        node.with(|state| state.answers = None);
        secret("orders-s3cr3t");
        later(&server, &ctx);
        goes_on(&server, &ctx, 6).await;
        assert!(node.lets_in(&login("orders", "orders-s3cr3t")), "{answers}");
        // A permission, and a removal.
        let mut more = orders();
        more[0]["grants"][0]["permissions"] = json!(["SELECT", "MODIFY", "DROP"]);
        for (between, may_log_in, permissions) in [(more, true, 2), (json!([]), true, 2)] {
            ask(&server, between);
            goes_on(&server, &ctx, 1).await;
            node.with(|state| state.answers = Some(answers));
            goes_on(&server, &ctx, 2).await;
            node.with(|state| state.answers = None);
            ask(&server, orders());
            later(&server, &ctx);
            goes_on(&server, &ctx, 8).await;
            assert_eq!(flags(&node, "orders").0, may_log_in, "{answers}");
            assert_eq!(
                node.with(|state| state.granted.len()),
                permissions,
                "{answers}"
            );
        }
        // Listed again for a moment.
        ask(&server, json!([]));
        goes_on(&server, &ctx, 6).await;
        ask(&server, orders());
        goes_on(&server, &ctx, 1).await;
        node.with(|state| state.answers = Some(answers));
        goes_on(&server, &ctx, 2).await;
        node.with(|state| state.answers = None);
        ask(&server, json!([]));
        later(&server, &ctx);
        goes_on(&server, &ctx, 8).await;
        assert!(!flags(&node, "orders").0, "{answers}");
        assert_eq!(node.with(|state| state.granted.len()), 0, "{answers}");
        assert_eq!(recorded(&server)[0]["removal"], "Done");
        assert_hidden(&server, &["orders-s3cr3t", "another-s3cr3t"]);
    }
}

/// A role that is left out has its password changed before it is let in again: the one before may have leaked.
#[tokio::test]
async fn a_role_that_was_shut_out_never_accepts_its_last_password_again() {
    let node = Server::new();
    let server = ring_with(&node, orders());
    passes(&server, 8).await;
    ask(&server, json!([]));
    passes(&server, 6).await;
    done(&node);
    put(&server, "orders-login", "orders", "another-s3cr3t");
    ask(&server, orders());
    let ctx = operator_with(&server, Box::new(serving()));
    while !flags(&node, "orders").0 {
        pass(&server, &ctx).await.unwrap();
    }
    assert_eq!(done(&node)[0], r#"ALTER "orders""#);
    assert!(!node.lets_in(&login("orders", "orders-s3cr3t")));
}

/// A role that takes all the time of an exchange comes after the others in the next one.
#[tokio::test]
async fn a_role_that_gets_no_answer_is_no_reason_to_leave_the_others() {
    let node = Server::new();
    let users = json!([{ "secret": "orders-login" }, { "secret": "other-login" }]);
    let server = ring_with(&node, users);
    put(&server, "other-login", "other", "other-s3cr3t");
    let ctx = operator_with(&server, Box::new(serving()));
    goes_on(&server, &ctx, 1).await;
    node.with(|state| state.silent_about = Some("orders".into()));
    for _ in 0..6 {
        later(&server, &ctx);
        goes_on(&server, &ctx, 1).await;
    }
    assert!(node.lets_in(&login("other", "other-s3cr3t")));
    goes_on(&server, &ctx, 3).await;
    let told = condition(&server, "Degraded")["message"].to_string();
    assert!(told.contains("keep the roles of applications"), "{told}");
}

/// Cassandra has a permission on a keyspace that was dropped, and takes none back on it.
#[tokio::test]
async fn a_permission_on_what_was_dropped_keeps_no_role_open() {
    let node = Server::new();
    node.with(|state| state.resources.insert("orders".into()));
    let server = ring_with(&node, orders());
    let ctx = operator_with(&server, Box::new(serving()));
    goes_on(&server, &ctx, 8).await;
    node.with(|state| state.resources.clear());
    ask(&server, json!([]));
    goes_on(&server, &ctx, 6).await;
    assert_eq!(flags(&node, "orders"), (false, false));
    let role = recorded(&server)[0].clone();
    assert_eq!(role["removal"], "Pending");
    let message = role["message"].to_string();
    assert!(
        message.contains("keyspace orders, which does not exist now"),
        "{message}"
    );
    // It is there again.
    node.with(|state| state.resources.insert("orders".into()));
    passes(&server, 6).await;
    assert_eq!(node.with(|state| state.granted.len()), 0);
    assert_eq!(recorded(&server)[0]["removal"], "Done");
}

#[tokio::test]
async fn names_and_passwords_without_end_are_not_kept() {
    let node = Server::new();
    let server = ring_with(&node, orders());
    put(
        &server,
        "orders-login",
        &"o".repeat(800_000),
        "orders-s3cr3t",
    );
    passes(&server, 4).await;
    assert_eq!(recorded(&server), Value::Null);
    let told = condition(&server, "Degraded")["message"].to_string();
    assert!(told.contains("more than 128 bytes"), "{told}");
}

#[tokio::test]
async fn a_keyspace_that_does_not_exist_yet_holds_up_no_other() {
    let node = Server::new();
    node.with(|state| state.resources.insert("sales".into()));
    let users = json!([
        { "secret": "orders-login", "grants": [
            { "permissions": ["SELECT"], "keyspace": "orders", "table": "t" },
            { "permissions": ["SELECT"], "keyspace": "sales" },
        ] },
        { "secret": "other-login", "grants": [{ "permissions": ["SELECT"], "allKeyspaces": true }] },
    ]);
    let server = ring_with(&node, users);
    put(&server, "other-login", "other", "other-s3cr3t");
    let ctx = operator_with(&server, Box::new(serving()));
    goes_on(&server, &ctx, 10).await;
    let granted = || node.with(|state| state.granted.len());
    assert_eq!(granted(), 2);
    let message = recorded(&server)[0]["message"].to_string();
    assert!(message.contains("waits for table orders.t"), "{message}");
    let told = condition(&server, "Degraded")["message"].to_string();
    assert!(!told.contains("orders.t"), "{told}");
    // The schema changes.
    node.with(|state| state.resources.insert("orders.t".into()));
    let mut nodes = serving();
    for reading in nodes.readings.values_mut() {
        reading.schema_version = "v2".into();
    }
    let ctx = operator_with(&server, Box::new(nodes));
    for _ in 0..4 {
        pass(&server, &ctx).await.unwrap();
    }
    assert_eq!(granted(), 3);
    assert_eq!(recorded(&server)[0]["message"], Value::Null);
}

/// A role of somebody else keeps its password and its rights, unless its owner has written its password into the Secret.
#[tokio::test]
async fn a_role_that_exists_is_taken_over_by_its_password_only() {
    let node = Server::new();
    let server = ring_with(&node, orders());
    node.with(|state| {
        state.resources.insert("orders".into());
        state.roles.insert("orders".into(), ordinary("of-a-person"));
    });
    passes(&server, 6).await;
    assert!(node.lets_in(&login("orders", "of-a-person")));
    assert_eq!(done(&node), [""; 0]);
    let told = condition(&server, "Degraded")["message"].to_string();
    assert!(
        told.contains("role orders: it exists, and the operator has not made it"),
        "{told}"
    );
    put(&server, "orders-login", "orders", "of-a-person");
    passes(&server, 8).await;
    assert_eq!(recorded(&server)[0]["origin"], "Adopted");
    assert_eq!(node.with(|state| state.granted.len()), 2);
    // It stays when the spec has it no more, without what the operator has granted.
    ask(&server, json!([]));
    passes(&server, 6).await;
    assert_eq!(flags(&node, "orders"), (true, false));
    assert_eq!(node.with(|state| state.granted.len()), 0);
    assert_eq!(recorded(&server), Value::Null);
    assert_hidden(&server, &["of-a-person", "orders-s3cr3t"]);
}

/// A user becomes the superuser: it is not shut out.
#[tokio::test]
async fn a_user_that_becomes_the_superuser_keeps_its_login() {
    let node = Server::new();
    let server = ring_with(&node, orders());
    passes(&server, 6).await;
    put(&server, "admins", "orders", "second");
    ask(&server, json!([]));
    passes(&server, 10).await;
    assert_eq!(accepted(&server), ["second", ""]);
    assert_eq!(flags(&node, "orders"), (true, true));
    ask(&server, orders());
    passes(&server, 4).await;
    assert_eq!(flags(&node, "orders"), (true, true));
    let told = condition(&server, "Degraded")["message"].to_string();
    assert!(told.contains("has the username of the superuser"), "{told}");
}

#[tokio::test]
async fn a_secret_that_may_not_be_meant_is_not_read_into_cassandra() {
    let node = Server::new();
    let server = ring_with(&node, orders());
    edit(&server, &format!("{SECRETS}/orders-login"), |secret| {
        secret["data"]["uri"] = json!("eA==");
    });
    passes(&server, 6).await;
    assert_eq!(done(&node), [""; 0]);
    let told = condition(&server, "Degraded")["message"].to_string();
    assert!(
        told.contains("Secret orders-login of authentication.users may not be meant"),
        "{told}"
    );
    assert_hidden(&server, &["orders-s3cr3t"]);
}

/// After a failure the nodes are left alone for a while, and other roles are kept all the same.
#[tokio::test]
async fn a_role_that_fails_holds_up_no_other_and_waits() {
    let node = Server::new();
    let users = json!([{ "secret": "orders-login" }, { "secret": "other-login" }]);
    let server = ring_with(&node, users);
    node.with(|state| state.roles.insert("orders".into(), ordinary("of-a-person")));
    put(&server, "other-login", "other", "other-s3cr3t");
    passes(&server, 7).await;
    assert!(node.lets_in(&login("other", "other-s3cr3t")));
    let ctx = operator_with(&server, Box::new(serving()));
    for _ in 0..4 {
        pass(&server, &ctx).await.unwrap();
    }
    let logins = node.with(|state| state.logins);
    for _ in 0..4 {
        pass(&server, &ctx).await.unwrap();
    }
    assert_eq!(node.with(|state| state.logins), logins);
}

/// A replica that was added has no roles yet, and would say that there is none of the name.
#[tokio::test]
async fn no_role_is_made_before_all_replicas_have_the_roles() {
    let node = Server::new();
    let server = ring_with(&node, orders());
    edit(&server, CLUSTER, |cluster| {
        cluster["status"]["roleReplicas"]["repaired"] = json!(false);
    });
    passes(&server, 6).await;
    assert_eq!(done(&node), [""; 0]);
    let message = recorded(&server)[0]["message"].to_string();
    assert!(message.contains("waits until all replicas"), "{message}");
    // Nothing is known of the replicas.
    edit(&server, CLUSTER, |cluster| {
        let status = cluster["status"].as_object_mut().unwrap();
        status.remove("roleReplicas");
    });
    passes(&server, 6).await;
    assert_eq!(done(&node), [""; 0]);
    edit(&server, CLUSTER, |cluster| {
        cluster["status"]["roleReplicas"] = json!({
            "replicas": { "dc1": 1 }, "since": "2026-01-01T00:00:00Z", "repaired": false,
        });
    });
    assert_eq!(recorded(&server)[0]["origin"], Value::Null);
    edit(&server, CLUSTER, |cluster| {
        cluster["status"]["roleReplicas"]["repaired"] = json!(true);
    });
    passes(&server, 8).await;
    assert!(node.lets_in(&login("orders", "orders-s3cr3t")));
}
