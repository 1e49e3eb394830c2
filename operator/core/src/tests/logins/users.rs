//! Roles of applications: their records, and the messages about them.

use std::collections::BTreeSet;

use casskop_common::api::{
    Grant, GrantTarget,
    Permission::{Alter, Create, Drop, Modify, Select},
    User, UserOrigin, UserRemoval, UserStatus,
};

use super::{form, new};
use crate::{
    desired::BuildInputs,
    simulation::World,
    users::{Granted, Kept, Next, Outcome, Role, Task, grants, next, task},
};

fn on(keyspace: &str, permissions: &[casskop_common::api::Permission]) -> Grant {
    Grant::of(permissions.to_vec(), target(keyspace))
}

fn target(keyspace: &str) -> GrantTarget {
    GrantTarget {
        keyspace: Some(keyspace.into()),
        ..GrantTarget::default()
    }
}

fn user(secret: &str, grants: Vec<Grant>) -> User {
    User {
        secret: secret.into(),
        superuser: false,
        grants,
    }
}

fn ask(world: &mut World, users: Vec<User>) {
    world.edit(|cluster| {
        let authentication = cluster.spec.authentication.get_or_insert_default();
        authentication.users = users;
    });
}

/// A ring whose user `orders` may read.
fn ring() -> World {
    let mut world = new(|cluster| cluster.spec.nodes_per_racks = Some(1));
    form(&mut world);
    world.users.reserved = ["admin".to_owned()].into();
    named(&mut world, "orders-login", Ok("orders"));
    ask(
        &mut world,
        vec![user("orders-login", vec![on("orders", &[Select])])],
    );
    world
}

fn named(world: &mut World, secret: &str, name: Result<&str, &str>) {
    let name = name.map(str::to_owned).map_err(str::to_owned);
    world.users.names.insert(secret.into(), name);
}

fn find(world: &mut World, role: &str, outcome: Outcome) {
    world.users.outcomes.insert(role.into(), outcome);
    world.pass();
}

fn recorded(world: &World, role: &str) -> UserStatus {
    let users = world.status().users;
    let found = users.into_iter().find(|user| user.name == role);
    found.unwrap_or_default()
}

fn kept(revoked: &[Granted], missing: &[GrantTarget]) -> Outcome {
    Outcome::Kept(Kept {
        revoked: revoked.iter().cloned().collect(),
        missing: missing.iter().cloned().collect(),
    })
}

#[test]
fn each_step_about_a_role_follows_from_its_record_and_from_cassandra() {
    let role = |may_log_in, is_superuser| {
        Some(Role {
            may_log_in,
            is_superuser,
        })
    };
    let (created, adopted) = (Some(UserOrigin::Created), Some(UserOrigin::Adopted));
    let creating = Some(UserOrigin::Creating);
    for (origin, role, step) in [
        // A role that was not there when its creation was recorded is somebody's, but by its password.
        (creating, None, Next::Create),
        (creating, role(true, false), Next::Try),
        (creating, role(false, false), Next::Differs),
        (None, None, Next::Absent),
        (adopted, None, Next::Absent),
        (created, None, Next::Create),
        (None, role(true, false), Next::Try),
        (created, role(true, false), Next::Compare),
        (adopted, role(true, false), Next::Compare),
        // Rights are given and taken only where the operator has made the role.
        (None, role(false, false), Next::Differs),
        (adopted, role(true, true), Next::Differs),
        (created, role(false, false), Next::Correct),
        (created, role(true, true), Next::Correct),
    ] {
        assert_eq!(next(origin, false, role), step, "{origin:?} {role:?}");
    }
}

#[test]
fn a_role_is_recorded_before_it_is_made_and_its_permissions_before_they_are_granted() {
    let mut world = ring();
    world.pass();
    let before = recorded(&world, "orders");
    assert_eq!((before.origin, before.grants.len()), (None, 0));
    assert!(!world.plan().login_nodes.is_empty());
    find(&mut world, "orders", Outcome::Absent);
    let after = recorded(&world, "orders");
    assert_eq!(after.origin, Some(UserOrigin::Creating));
    assert_eq!(after.grants, [on("orders", &[Select])]);
    find(&mut world, "orders", kept(&[], &[target("orders")]));
    assert_eq!(recorded(&world, "orders").origin, Some(UserOrigin::Created));
    let told = recorded(&world, "orders").message.expect("it waits");
    assert!(
        told.contains("waits for keyspace orders to be created"),
        "{told}"
    );
    // Nothing is wrong with it.
    let degraded = world.condition("Degraded");
    assert!(degraded.starts_with("False"), "{degraded}");
    find(&mut world, "orders", kept(&[], &[]));
    assert_eq!(recorded(&world, "orders").message, None);
}

#[test]
fn only_recorded_permissions_are_taken_back() {
    let mut world = ring();
    world.pass();
    find(&mut world, "orders", Outcome::Absent);
    let wanted = user(
        "orders-login",
        vec![on("orders", &[Modify]), on("users", &[Drop])],
    );
    ask(&mut world, vec![wanted.clone()]);
    world.pass();
    let record = recorded(&world, "orders");
    assert_eq!(
        record.grants,
        [on("orders", &[Select, Modify]), on("users", &[Drop])]
    );
    let (revoked, granted) = grants(&record, Some(&wanted));
    let select = Granted {
        on: target("orders"),
        permission: Select,
    };
    assert_eq!(revoked, std::slice::from_ref(&select));
    assert_eq!(granted.len(), 2);
    assert_eq!(grants(&record, None).0.len(), 3);
    find(&mut world, "orders", kept(&[select], &[]));
    assert_eq!(
        recorded(&world, "orders").grants,
        [on("orders", &[Modify]), on("users", &[Drop])]
    );
}

#[test]
fn a_user_that_is_removed_is_remembered_if_the_operator_made_it() {
    for (outcome, stays) in [(Outcome::Absent, true), (Outcome::Fits, false)] {
        let mut world = ring();
        world.pass();
        find(&mut world, "orders", outcome);
        find(&mut world, "orders", kept(&[], &[]));
        ask(&mut world, Vec::new());
        world.pass();
        let removed = recorded(&world, "orders");
        assert_eq!(removed.removal, Some(UserRemoval::Pending));
        assert_eq!(removed.grants.len(), 1);
        find(&mut world, "orders", Outcome::Removed);
        let known = world.status().users;
        assert_eq!(known.len(), usize::from(stays));
        let is_done =
            |user: &UserStatus| user.removal == Some(UserRemoval::Done) && user.grants.is_empty();
        assert!(known.iter().all(is_done));
        // The spec names it again.
        ask(&mut world, vec![user("orders-login", Vec::new())]);
        world.pass();
        let again = recorded(&world, "orders");
        assert_eq!(
            (again.origin, again.removal),
            (stays.then_some(UserOrigin::Created), None)
        );
    }
}

/// A Secret that is lost for a while does not shut out an application.
#[test]
fn a_user_whose_secret_cannot_be_used_stays() {
    let mut world = ring();
    world.pass();
    find(&mut world, "orders", Outcome::Absent);
    let before = recorded(&world, "orders");
    for secret in [None, Some("Secret orders-login has no password")] {
        world.users.names.clear();
        if let Some(why) = secret {
            named(&mut world, "orders-login", Err(why));
        }
        world.pass();
        assert_eq!(recorded(&world, "orders"), before);
        let told = world.condition("Degraded");
        let why =
            secret.unwrap_or("Secret orders-login of spec.authentication.users does not exist");
        assert!(
            told.starts_with("True RolesIncomplete") && told.contains(why),
            "{told}"
        );
    }
}

#[test]
fn another_name_in_the_secret_is_another_role() {
    let mut world = ring();
    world.pass();
    find(&mut world, "orders", Outcome::Absent);
    named(&mut world, "orders-login", Ok("sales"));
    world.pass();
    assert_eq!(
        recorded(&world, "orders").removal,
        Some(UserRemoval::Pending)
    );
    assert_eq!(recorded(&world, "sales").origin, None);
}

/// A ring that has made its role.
fn made() -> World {
    let mut world = ring();
    world.pass();
    find(&mut world, "orders", Outcome::Absent);
    find(&mut world, "orders", kept(&[], &[]));
    world.users.outcomes.clear();
    world
}

/// These Secrets are listed. The second one is of people who may write no other one, and has the name of the role.
fn claim(world: &mut World, listed: &[&str]) {
    named(world, "thief-login", Ok("orders"));
    let listed = listed.iter().map(|secret| user(secret, Vec::new()));
    ask(world, listed.collect());
    world.pass();
}

fn todo<'a>(world: &World, users: &'a [User]) -> Option<Task<'a>> {
    task(&recorded(world, "orders"), users, &world.state())
}

fn listed(world: &World) -> Vec<User> {
    let authentication = world.cluster.spec.authentication.clone();
    authentication.expect("logins").users
}

/// The Secret of a role is lost for a moment: no other one takes its place.
#[test]
fn a_role_is_not_that_of_another_secret_while_its_own_is_lost() {
    let mut world = made();
    for lost in [None, Some("Secret orders-login has no password")] {
        world.users.names.remove("orders-login");
        if let Some(why) = lost {
            named(&mut world, "orders-login", Err(why));
        }
        claim(&mut world, &["orders-login", "thief-login"]);
        let record = recorded(&world, "orders");
        assert_eq!(
            (record.secret.as_str(), record.removal),
            ("orders-login", None)
        );
        let users = listed(&world);
        assert_eq!(todo(&world, &users), Some(Task::TakeBack(&users[0])));
        let degraded = world.condition("Degraded");
        assert!(degraded.contains("(and 1 more)"), "{degraded}");
    }
}

/// Another Secret has the username: the first one keeps its role, and goes on.
#[test]
fn a_role_follows_its_secret_whoever_else_has_its_name() {
    let mut world = made();
    claim(&mut world, &["orders-login", "thief-login"]);
    let users = listed(&world);
    assert_eq!(todo(&world, &users), Some(Task::Keep(&users[0])));
    let degraded = world.condition("Degraded");
    assert!(
        degraded.contains("role orders belongs to Secret orders-login, and Secret thief-login"),
        "{degraded}"
    );
}

/// It has to be dropped, or to have its own Secret again.
#[test]
fn a_role_that_was_removed_is_not_given_to_another_secret() {
    let mut world = made();
    ask(&mut world, Vec::new());
    world.pass();
    // As long as it is removed, nobody has it.
    claim(&mut world, &["thief-login"]);
    let users = listed(&world);
    assert_eq!(todo(&world, &users), Some(Task::Remove));
    find(&mut world, "orders", Outcome::Removed);
    world.users.outcomes.clear();
    world.pass();
    assert_eq!(todo(&world, &users), Some(Task::Prove(&users[0])));
    find(
        &mut world,
        "orders",
        Outcome::Failed("it was made for Secret orders-login".into()),
    );
    let record = recorded(&world, "orders");
    assert_eq!(
        (record.secret.as_str(), record.removal),
        ("orders-login", Some(UserRemoval::Done))
    );
    world.users.outcomes.clear();
    claim(&mut world, &["orders-login"]);
    assert_eq!(recorded(&world, "orders").removal, None);
}

/// The Secret of a user is renamed: the role follows, by its password. Until the new Secret is there, it is not removed.
#[test]
fn a_role_moves_to_another_secret_by_its_password() {
    let mut world = made();
    ask(&mut world, vec![user("thief-login", Vec::new())]);
    for _ in 0..3 {
        world.pass();
        assert_eq!(recorded(&world, "orders").removal, None);
    }
    claim(&mut world, &["thief-login"]);
    let users = listed(&world);
    assert_eq!(todo(&world, &users), Some(Task::Prove(&users[0])));
    find(&mut world, "orders", Outcome::Fits);
    let record = recorded(&world, "orders");
    assert_eq!(
        (record.secret.as_str(), record.origin),
        ("thief-login", Some(UserOrigin::Created))
    );
}

/// A Secret with another password keeps no role from being removed.
#[test]
fn a_claim_without_the_password_ends_in_the_removal() {
    let mut world = made();
    claim(&mut world, &["thief-login"]);
    find(
        &mut world,
        "orders",
        Outcome::Failed("it has another password".into()),
    );
    let record = recorded(&world, "orders");
    assert_eq!(
        (record.secret.as_str(), record.removal),
        ("orders-login", Some(UserRemoval::Pending))
    );
    let users = listed(&world);
    assert_eq!(todo(&world, &users), Some(Task::Remove));
}

/// Permissions that the spec leaves out are taken away, although the Secret cannot be used.
#[test]
fn permissions_are_taken_back_without_the_secret() {
    let mut world = made();
    named(
        &mut world,
        "orders-login",
        Err("Secret orders-login has no password"),
    );
    ask(&mut world, vec![user("orders-login", Vec::new())]);
    world.pass();
    let users = listed(&world);
    assert_eq!(todo(&world, &users), Some(Task::TakeBack(&users[0])));
    let select = Granted {
        on: target("orders"),
        permission: Select,
    };
    find(&mut world, "orders", kept(&[select], &[]));
    let record = recorded(&world, "orders");
    assert_eq!((record.grants.len(), record.removal), (0, None));
}

/// Names that change all the time: each role is shut out before it is forgotten.
#[test]
fn no_role_is_forgotten_before_it_is_removed() {
    let mut world = ring();
    for day in 0..120 {
        let name = format!("app-{:03}", 999 - day);
        named(&mut world, "orders-login", Ok(&name));
        world.pass();
        find(&mut world, &name, Outcome::Absent);
        world.users.outcomes.clear();
    }
    let pending = || {
        world
            .status()
            .users
            .iter()
            .filter(|user| user.removal == Some(UserRemoval::Pending))
            .count()
    };
    assert_eq!(pending(), 119);
    let users = world.status().users;
    world.users.outcomes = users
        .iter()
        .map(|user| (user.name.clone(), Outcome::Removed))
        .collect();
    world.pass();
    assert_eq!(world.status().users.len(), 101);
}

/// The name of a user is the one of the superuser now: it is not shut out.
#[test]
fn the_superuser_is_never_a_user() {
    let mut world = ring();
    world.pass();
    find(&mut world, "orders", Outcome::Absent);
    world.users.reserved.insert("orders".into());
    world.pass();
    // It is to become the superuser, or was written by mistake.
    assert_eq!(recorded(&world, "orders").removal, None);
    let users = listed(&world);
    assert_eq!(todo(&world, &users), None);
    world.users.superuser = Some("orders".into());
    world.pass();
    assert_eq!(world.status().users, []);
    let told = world.condition("Degraded");
    assert!(told.contains("has the username of the superuser"), "{told}");
    ask(&mut world, Vec::new());
    world.pass();
    assert_eq!(world.status().users, []);
}

#[test]
fn a_name_has_one_secret() {
    let mut world = ring();
    named(&mut world, "other", Ok("orders"));
    ask(
        &mut world,
        vec![user("orders-login", Vec::new()), user("other", Vec::new())],
    );
    world.pass();
    assert_eq!(world.status().users, []);
    let told = world.condition("Degraded");
    assert!(told.contains("Secrets orders-login and other of"), "{told}");
}

#[test]
fn a_role_that_cannot_be_kept_is_told() {
    let mut world = ring();
    world.pass();
    find(&mut world, "orders", Outcome::Failed("it exists".into()));
    let told = world.condition("Degraded");
    assert!(
        told.starts_with("True RolesIncomplete: role orders: it exists"),
        "{told}"
    );
    assert_eq!(
        recorded(&world, "orders").message.as_deref(),
        Some("it exists")
    );
    world.annotate("reconcile", Some("paused"));
    let before = world.status().users;
    ask(&mut world, Vec::new());
    world.pass();
    assert_eq!(world.status().users, before);
}

#[test]
fn users_that_no_ring_can_have_are_refused() {
    let keyspace = |name: &str| on(name, &[Select]);
    let mut told = Vec::new();
    let mut both = keyspace("orders");
    both.all_keyspaces = true;
    let mut table = keyspace("orders");
    table.table = Some("t".into());
    table.permissions = vec![Create];
    let only_table = Grant {
        keyspace: None,
        table: Some("t".into()),
        all_keyspaces: true,
        ..keyspace("orders")
    };
    let all_keyspaces = |permission| Grant::of(vec![permission], GrantTarget::default());
    let many = on("orders", &[Select, Modify, Create, Alter, Drop]);
    let superuser = User {
        superuser: true,
        ..user("a", vec![keyspace("orders")])
    };
    for users in [
        vec![user("a", Vec::new()), user("a", Vec::new())],
        vec![user("demo-superuser", Vec::new())],
        vec![user("demo-superuser-accepted", Vec::new())],
        vec![superuser],
        vec![user("a", vec![both])],
        vec![user("a", vec![Grant::default()])],
        vec![user("a", vec![table])],
        vec![user("a", vec![only_table])],
        vec![user("a", vec![on("orders", &[])])],
        vec![user("a", vec![keyspace("system_auth")])],
        vec![user("a", vec![keyspace("a\"; DROP")])],
        vec![user("a", vec![all_keyspaces(Modify)])],
        vec![user("a", vec![all_keyspaces(Alter)])],
        vec![user("a/../b", Vec::new())],
        vec![user("demo-superuser?", Vec::new())],
        vec![
            user("a", vec![many.clone(); 100]),
            user("b", vec![keyspace("orders")]),
        ],
    ] {
        let mut world = new(|_| {});
        ask(&mut world, users);
        let refused = crate::desired::desired(&world.cluster, &BuildInputs::default());
        told.push(refused.expect_err("it is refused").message);
    }
    let unique: BTreeSet<&String> = told.iter().collect();
    assert!(unique.len() + 2 >= told.len());
    insta::assert_snapshot!(told.join("\n"));
}
