//! Checks of the roles of applications, `spec.authentication.users`.

use std::collections::BTreeSet;

use casskop_common::{
    api::{CassandraClusterSpec, Grant, Permission, User},
    names,
};

use super::invalid;
use crate::refusal::Refusal;

/// Begin of the names of Cassandra's own keyspaces.
const OWN: &str = "system_";

/// Most permissions of all users together: the status has them, too.
const PERMISSIONS: usize = 500;

/// Refuses Secrets that are named twice or that have another use, and grants that no role can have.
pub(super) fn check(cluster: &str, spec: &CassandraClusterSpec) -> Result<(), Refusal> {
    let authentication = spec.authentication.iter();
    let mut known: BTreeSet<&String> = BTreeSet::new();
    for user in authentication.clone().flat_map(|all| &all.users) {
        let refuse = |message: &str| Err(refused(user, message));
        let superuser = spec.authentication.as_ref();
        let superuser = superuser.and_then(|all| all.superuser_secret.as_ref());
        let is_ours = [
            names::superuser_secret(cluster),
            names::accepted_superuser_secret(cluster),
            names::jolokia_secret(cluster),
            names::accepted_secret(cluster),
        ]
        .contains(&user.secret);
        if is_ours || superuser == Some(&user.secret) {
            return refuse("the Secret has another use: name another one");
        }
        if !names::is_object_name(&user.secret) {
            return refuse("the name of the Secret is none that Kubernetes takes");
        }
        if !known.insert(&user.secret) {
            return refuse("the Secret is named twice: name one for each role");
        }
        if user.superuser && !user.grants.is_empty() {
            return refuse("a superuser has every permission: remove grants, or superuser");
        }
        user.grants
            .iter()
            .try_for_each(|grant| check_grant(user, grant))?;
    }
    let grants = authentication.flat_map(|all| &all.users);
    let grants = grants.flat_map(|user| &user.grants);
    let permissions: usize = grants.map(|grant| grant.permissions.len()).sum();
    if permissions > PERMISSIONS {
        return Err(invalid(format!(
            "authentication.users: {permissions} permissions in all, and at most {PERMISSIONS} can be kept: grant on keyspaces instead of tables, or create a role for several users by hand"
        )));
    }
    Ok(())
}

fn check_grant(user: &User, grant: &Grant) -> Result<(), Refusal> {
    let refuse = |message: &str| Err(refused(user, &format!("grants: {message}")));
    match (&grant.keyspace, &grant.table, grant.all_keyspaces) {
        (Some(_), _, true) | (None, _, false) => {
            return refuse("write either keyspace or allKeyspaces");
        }
        (None, Some(_), true) => return refuse("table needs keyspace"),
        _ => {}
    }
    if grant.permissions.is_empty() {
        return refuse("permissions is empty: write at least one");
    }
    let of_a_superuser = [Permission::Modify, Permission::Alter];
    let mut granted = grant.permissions.iter();
    if grant.all_keyspaces && granted.any(|one| of_a_superuser.contains(one)) {
        return refuse(
            "MODIFY or ALTER on all keyspaces can make every role a superuser: name the keyspaces, or set superuser",
        );
    }
    if grant.table.is_some() && grant.permissions.contains(&Permission::Create) {
        return refuse("CREATE is a permission on a keyspace: remove table");
    }
    // A name is quoted, and cannot end its quotes; Cassandra has no other names.
    let is_name = |name: &String| {
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    if ![&grant.keyspace, &grant.table]
        .into_iter()
        .flatten()
        .all(is_name)
    {
        return refuse("names of keyspaces and tables have letters, digits and '_' only");
    }
    let is_own = |name: &String| name == "system" || name.starts_with(OWN);
    if grant.keyspace.as_ref().is_some_and(is_own) {
        return refuse(
            "keyspaces of Cassandra have passwords and state of the ring: grant nothing on them",
        );
    }
    Ok(())
}

fn refused(user: &User, message: &str) -> Refusal {
    invalid(format!(
        "authentication.users, Secret {}: {message}",
        user.secret
    ))
}
