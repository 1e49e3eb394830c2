//! A change of the superuser whose answers are lost, that Cassandra refuses, or that a person was faster with.

use super::*;

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

/// Cassandra lets in the password before for a while, and the Secret changes back to that.
#[tokio::test]
async fn a_password_that_cassandra_only_remembers_is_set_again() {
    let node = Server::new();
    let server = ring(&node, "first");
    reconcile(&server).await;
    put(&server, "admins", "admin", "second");
    reconcile(&server).await;
    node.with(|state| state.cached = vec![("admin".into(), "first".into())]);
    put(&server, "admins", "admin", "first");
    reconcile(&server).await;
    assert_eq!(accepted(&server), ["first", ""]);
    node.with(|state| state.cached.clear());
    assert!(node.lets_in(&login("admin", "first")));
}

/// A node reads a password once, and compares with that for some seconds: also the new one with the one before.
#[tokio::test]
async fn a_node_that_remembers_the_password_before_is_asked_until_it_has_the_new_one() {
    for username in ["admin", "boss"] {
        let node = Server::new();
        let server = ring(&node, "first");
        reconcile(&server).await;
        node.with(|state| {
            state.remembers = 4;
            state.roles.insert("boss".into(), role("of-old"));
        });
        put(&server, "admins", username, "second");
        reconcile(&server).await;
        assert_eq!(accepted(&server), ["second", ""]);
        let told = condition(&server, "Degraded")["message"].to_string();
        assert!(!told.contains("superuser"), "{told}");
        node.with(|state| {
            let changes = state.carried_out.iter();
            let of = format!("ALTER {username:?}");
            assert_eq!(changes.filter(|change| **change == of).count(), 1);
        });
    }
}

/// The roles have too few replicas in the data center of one node.
#[tokio::test]
async fn where_one_node_cannot_read_the_roles_another_one_is_asked() {
    for code in [0x1000, 0x1002, 0x1200] {
        let node = Server::new();
        let other = Server::at("127.0.0.2", node.socket.port());
        let server = ring(&node, "first");
        other.with(|state| state.roles = [("admin".to_owned(), role("first"))].into());
        add_pod(&server, 1, "127.0.0.2");
        reconcile(&server).await;
        node.with(|state| state.error = Some((code, "too few".into())));
        put(&server, "admins", "admin", "second");
        reconcile(&server).await;
        let told = condition(&server, "Degraded")["message"].to_string();
        assert!(other.lets_in(&login("admin", "second")), "{code} {told}");
        assert_eq!(accepted(&server), ["second", ""]);
    }
}

#[tokio::test]
async fn that_no_node_can_be_addressed_is_told() {
    let node = Server::new();
    let server = ring(&node, "first");
    edit(
        &server,
        "/api/v1/namespaces/ns/pods/demo-dc1-rack1-0",
        |pod| {
            pod["metadata"]["annotations"][names::CLIENT_TLS] = json!("Required");
        },
    );
    reconcile(&server).await;
    assert_eq!(known_for(&server), "");
    let told = condition(&server, "Degraded")["message"].to_string();
    assert!(
        told.contains("demo-dc1-rack1-0 cannot be addressed"),
        "{told}"
    );
}

/// The role of an application takes the place of the superuser, with the password that it has.
#[tokio::test]
async fn an_ordinary_role_of_the_same_password_becomes_the_superuser() {
    for lost in [None, Some(2), Some(3), Some(4), Some(5), Some(6)] {
        let node = Server::new();
        let server = ring(&node, "first");
        reconcile(&server).await;
        let ordinary = Role {
            is_superuser: false,
            ..role("second")
        };
        node.with(|state| state.roles.insert("dba".into(), ordinary));
        node.with(|state| state.answers = lost);
        put(&server, "admins", "dba", "second");
        reconcile(&server).await;
        node.with(|state| state.answers = None);
        // The one before is shut out, and let in for a while all the same.
        node.with(|state| state.cached = vec![("admin".into(), "first".into())]);
        reconcile(&server).await;
        assert_eq!(accepted(&server), ["second", ""]);
        node.with(|state| {
            let flags = |name: &str| (state.roles[name].may_log_in, state.roles[name].is_superuser);
            assert_eq!(
                [flags("dba"), flags("admin")],
                [(true, true), (false, false)]
            );
        });
    }
}

/// An ordinary role is not accepted as the superuser, whatever else is refused.
#[tokio::test]
async fn a_role_that_is_no_superuser_is_told() {
    let node = Server::new();
    let server = ring(&node, "first");
    let ordinary = Role {
        is_superuser: false,
        ..role("first")
    };
    node.with(|state| state.roles.insert("admin".into(), ordinary));
    reconcile(&server).await;
    assert_eq!(known_for(&server), "");
    let told = condition(&server, "Degraded")["message"].to_string();
    assert!(
        told.contains("the role admin logs in and is no superuser"),
        "{told}"
    );
    node.with(|state| state.roles.insert("admin".into(), role("first")));
    reconcile(&server).await;
    assert_eq!(known_for(&server), uid(&server));
}

/// The failure stays in the status meanwhile.
#[tokio::test]
async fn nodes_are_not_asked_again_at_once_after_a_failure() {
    let node = Server::new();
    let server = ring(&node, "first");
    node.with(|state| state.roles.clear());
    let ctx = operator_with(&server, Box::new(serving()));
    for _ in 0..6 {
        pass(&server, &ctx).await.unwrap();
    }
    assert_eq!(node.with(|state| state.logins), 1);
    let told = condition(&server, "Degraded")["message"].to_string();
    assert!(told.contains("no node accepts the password"), "{told}");
}

/// Cassandra may have carried out what it answers with an error.
#[tokio::test]
async fn a_recorded_change_ends_before_it_is_taken_back() {
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
    assert_eq!(accepted(&server), ["first", "second"]);
    node.with(|state| state.error = None);
    reconcile(&server).await;
    reconcile(&server).await;
    assert_eq!(accepted(&server), ["first", ""]);
    let done = node.with(|state| std::mem::take(&mut state.carried_out));
    assert_eq!(done, [r#"ALTER "admin""#, r#"ALTER "admin""#]);
    assert!(node.lets_in(&login("admin", "first")));
}

#[tokio::test]
async fn a_change_that_cassandra_never_carries_out_gives_way_to_another_one() {
    let node = Server::new();
    let server = ring(&node, "first");
    reconcile(&server).await;
    node.with(|state| state.error = Some((0x2200, "not a password".into())));
    put(&server, "admins", "admin", "second");
    reconcile(&server).await;
    assert_eq!(accepted(&server), ["first", "second"]);
    put(&server, "admins", "admin", "third");
    reconcile(&server).await;
    assert_eq!(accepted(&server), ["first", "third"]);
    node.with(|state| state.error = None);
    reconcile(&server).await;
    assert_eq!(accepted(&server), ["third", ""]);
}

/// Nodes whose replicas of the roles are down refuse every login, in the words of a wrong password.
#[tokio::test]
async fn a_node_that_cannot_read_the_roles_locks_nobody_out() {
    let node = Server::new();
    let server = ring(&node, "first");
    reconcile(&server).await;
    let roles = node.with(|state| std::mem::take(&mut state.roles));
    put(&server, "admins", "admin", "second");
    reconcile(&server).await;
    let told = condition(&server, "Degraded")["message"].to_string();
    assert!(
        told.contains("Either Cassandra cannot read the roles"),
        "{told}"
    );
    assert_eq!(accepted(&server), ["first", "second"]);
    node.with(|state| state.roles = roles);
    reconcile(&server).await;
    assert_eq!(accepted(&server), ["second", ""]);
    assert!(node.lets_in(&login("admin", "second")));
}

/// Two nodes, of which the first cannot read the roles.
#[tokio::test]
async fn another_node_is_asked_where_one_refuses_every_login() {
    let node = Server::new();
    let away = Server::at("127.0.0.2", node.socket.port());
    let server = ring(&node, "first");
    away.with(|state| state.roles.clear());
    add_pod(&server, 0, "127.0.0.2");
    add_pod(&server, 1, IP);
    reconcile(&server).await;
    assert_eq!(known_for(&server), uid(&server));
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
    assert!(told.contains("Or it has another password"), "{told}");
    assert_hidden(&server, &["by-hand", "second"]);
    // As the message says.
    put(&server, "admins", "admin", "by-hand");
    reconcile(&server).await;
    assert_eq!(accepted(&server), ["by-hand", ""]);
    put(&server, "admins", "admin", "third");
    reconcile(&server).await;
    assert!(node.lets_in(&login("admin", "third")));
}
